"""Tools to check derivatives with: yours and this package's.

>>> import autograd as ag
>>> ag.testing.gradcheck(lambda x: ag.sum(x * ag.sin(x)), [0.5, 1.0, 2.0])
True

`gradcheck` and `gradgradcheck` check a function at some inputs, `check_nodes` each operation of a recorded graph,
`assert_rule` one operation at many inputs. `properties` are what must hold of every function, one call each;
`strategies` draw the functions: single operations, and whole programs (with Hypothesis, which only these need).
"""

from importlib import import_module as _import_module
from typing import Any as _Any

from autograd.testing import properties
from autograd.testing.domains import Domain
from autograd.testing.gradcheck import gradcheck, gradgradcheck
from autograd.testing.nodes import NodeCheck, NodeReport, check_nodes
from autograd.testing.programs import Program
from autograd.testing.rules import assert_rule

__all__ = [
    "Domain", "NodeCheck", "NodeReport", "Program", "assert_rule", "check_nodes", "gradcheck", "gradgradcheck",
    "properties", "strategies",
]  # fmt: skip


def __getattr__(name: str) -> _Any:
    """``strategies``, imported when it is first asked for: it needs Hypothesis, and the rest does not."""
    if name == "strategies":
        return _import_module("autograd.testing.strategies")
    raise AttributeError(f"autograd.testing has no {name!r}.")
