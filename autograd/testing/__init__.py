"""Tools to check derivatives with: yours and this package's.

>>> import autograd as ag
>>> ag.testing.gradcheck(lambda x: ag.sum(x * ag.sin(x)), [0.5, 1.0, 2.0])
True
"""

from autograd.testing.gradcheck import gradcheck, gradgradcheck
from autograd.testing.nodes import NodeCheck, NodeReport, check_nodes

__all__ = ["NodeCheck", "NodeReport", "check_nodes", "gradcheck", "gradgradcheck"]
