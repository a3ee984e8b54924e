"""Tools to check derivatives, yours and this package's.

>>> from glassgrad import autograd as ag
>>> ag.testing.gradcheck(lambda x: ag.sum(x * ag.sin(x)), [0.5, 1.0, 2.0])
True

`gradcheck` and `gradgradcheck` check a function at some inputs, `check_grad` a derivative that was written by hand for
a function of NumPy arrays, `check_nodes` each operation of a recorded graph, `assert_rule` one operation at many
inputs, which are drawn as `declare` says. `strategies` draw single operations and whole programs (with Hypothesis,
which only these need).
"""

from importlib import import_module as _import_module
from typing import Any as _Any

from glassgrad.autograd.testing.check_grad import check_grad
from glassgrad.autograd.testing.declarations import Domain, array, axes, axis, booleans, declare, integers
from glassgrad.autograd.testing.gradcheck import gradcheck, gradgradcheck
from glassgrad.autograd.testing.nodes import NodeCheck, NodeReport, check_nodes
from glassgrad.autograd.testing.programs import Program
from glassgrad.autograd.testing.rules import assert_rule

__all__ = [
    "Domain", "NodeCheck", "NodeReport", "Program", "array", "assert_rule", "axes",
    "axis", "booleans", "check_grad", "check_nodes", "declare", "gradcheck", "gradgradcheck", "integers", "strategies",
]  # fmt: skip


def __getattr__(name: str) -> _Any:
    """``strategies``, imported at its first use, because it needs Hypothesis."""
    if name == "strategies":
        return _import_module("glassgrad.autograd.testing.strategies")
    raise AttributeError(f"autograd.testing has no {name!r}.")
