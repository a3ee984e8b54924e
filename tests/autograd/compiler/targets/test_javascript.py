"""Programs in JavaScript compute what they compute in Python: every operation, every training step."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import HealthCheck, Phase, given, settings

import autograd as ag
from autograd.compiler.trace import Trace
from autograd.errors import TargetError
from autograd.testing.operations import TABLE
from autograd.testing.sampling import Case as Call
from tests.autograd.compiler.oracle import orders
from tests.autograd.compiler.targets.node import Case, faults, needs_node
from tests.autograd.compiler.test_table import BY_VALUES, inputs_of

REFUSED = {
    "cholesky", "cofactors", "det", "eigenvectors", "eigvalsh", "inv", "log_abs_det", "orthogonal_complement", "pinv",
    "qr_factors", "sign_det", "singular_vectors", "solve", "svdvals",
}  # fmt: skip
"""The operations that have no reading in JavaScript: factorizations."""


def calls_of(name: str, count: int) -> list[Call]:
    """Calls of an operation, always the same ones."""
    found: list[Call] = []

    @settings(max_examples=count, database=None, derandomize=True, phases=[Phase.generate], deadline=None,
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(TABLE[name].cases)
    def collect(call: Call) -> None:
        found.append(call)

    collect()
    return [*found, *TABLE[name].edges]


def cases_of(name: str, call: Call, dtype: str, every: bool) -> list[Case]:
    """The operation and its gradient, each as a program in JavaScript."""
    inputs = inputs_of(name, call, dtype)
    wanted = [x.requires_grad for x in inputs]
    found = []
    for order, function in orders(lambda *xs: ag.OPS[name](*xs, **call.params), 2 if any(wanted) else 1):

        def entered(*xs: Any, function: Any = function) -> Any:
            return function(*(x.detach().requires_grad_() if w else x for x, w in zip(xs, wanted, strict=True)))

        with np.errstate(all="ignore"):
            program = Trace(entered, tuple(x.detach() for x in inputs), {}).program
        text = program.javascript(every=every, comments=False)
        found.append(Case(f"{order} of {name}", program, text, [[x.data for x in inputs]]))
    return found


@needs_node
def test_every_operation(tmp_path):
    cases, refused = [], set()
    for name in sorted(TABLE.keys() - set(BY_VALUES)):
        for number, call in enumerate(calls_of(name, 4)):
            try:
                cases += cases_of(name, call, "float32" if number == 1 else "float64", every=number % 2 == 0)
            except TargetError:
                refused.add(name)
    assert not faults(cases, tmp_path)
    assert refused == REFUSED
    assert len(TABLE.keys() - refused - set(BY_VALUES)) >= 135
