"""`assert_rule`: everything that can be tested about one operation."""

from __future__ import annotations

from typing import Any

from autograd.errors import GradcheckError
from autograd.operation import Op
from autograd.testing import properties
from autograd.testing.programs import Program
from autograd.validation import check_instance


def assert_rule(op: Op, /, *arrays: Any, seed: int = 0, max_examples: int | None = None, **params: Any) -> None:
    """Test the rules of an operation with every property of `autograd.testing.properties`, also in second order.

    With ``arrays`` (and ``params``) at these; without, at examples that Hypothesis draws: as many as its settings say,
    or ``max_examples``. What the operation may be given is said by `autograd.testing.strategies.declare`. ``seed``
    draws directions and weights.

    Raises `GradcheckError` with the simplest call that fails, as Python that can be run.

    >>> import autograd as ag
    >>> from autograd.testing import assert_rule
    >>> @ag.op("softsign")
    ... def softsign(xp, x):
    ...     return x / (1 + xp.abs(x))
    >>> softsign.vjp(x=lambda xp, g, x: g / (1 + xp.abs(x)) ** 2)
    >>> assert_rule(softsign, [0.5, -2.0])
    >>> assert_rule(softsign)
    """
    check_instance(op, Op, "op", "an operation, such as autograd.exp")
    if not op.rules:
        raise GradcheckError(f"{op.name} has no rule to test: declare one with {op.name}.vjp({op.args[0]}=...).")
    if arrays:
        call = Program.of(op, *arrays, **params)
        if not call.inputs:
            raise GradcheckError(
                f"none of the arrays given to {op.name} is real floating point and has a rule: its rules are for "
                f"{', '.join(op.rules)}; write 3.0 for 3."
            )
        properties.check(call, seed=seed)
        return
    from autograd.testing import strategies

    from hypothesis import Phase, given, settings  # isort: skip  (after the sentence that tells of its absence)

    count = settings().max_examples if max_examples is None else max_examples

    @settings(deadline=None, database=None, max_examples=count, phases=(Phase.generate, Phase.shrink))
    @given(strategies.operations(op))
    def holds(call: Program) -> None:
        properties.check(call, seed=seed)

    holds()
