"""`profile`: the time that each operation takes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from threading import local
from time import perf_counter
from typing import Any, NamedTuple

from glassgrad.autograd.engine.operation import OPS, Op
from glassgrad.autograd.errors import DomainError

_NESTED = local()  # seconds of operations called by the present one


class Row(NamedTuple):
    """The cost of an operation: ``calls`` of its forward, and the seconds in its forwards and in its rules."""

    operation: str
    calls: int
    forward: float
    backward: float


class profile:
    """A context manager that measures how long each operation computes, forward and backward.

    ``rows`` has a `Row` for each operation that was called, the slowest first; printed, it is a table in milliseconds.
    Rules that are recorded, as for second derivatives, call operations: their time counts for these operations alone.
    Not counted are recording, the summing of gradients, the optimizer, compiled code, and operations and rules that are
    declared within the profile. All threads are measured. On a GPU only the launch is measured, because a call returns
    before it has computed. Raises `DomainError` within another profile.

    >>> from glassgrad import autograd as ag
    >>> w = ag.Tensor([[1.0, 2.0]], requires_grad=True)
    >>> with ag.profile() as times:
    ...     ag.sum(ag.tanh(w @ w.T) + w @ w.T).backward()
    >>> sorted((row.operation, row.calls) for row in times.rows)
    [('add', 1), ('matmul', 2), ('matrix_transpose', 2), ('sum', 1), ('tanh', 1)]
    """

    _taken_now = False

    def __init__(self) -> None:
        self._taken: dict[str, list[Any]] = {}  # calls, seconds forward, seconds backward

    @property
    def rows(self) -> list[Row]:
        """The times of all operations, the slowest first."""
        found = [Row(name, *taken) for name, taken in list(self._taken.items()) if any(taken)]
        return sorted(found, key=lambda row: -row.forward - row.backward)

    def __enter__(self) -> profile:
        if profile._taken_now:
            raise DomainError("a profile is being taken already: end it before another one begins.")
        profile._taken_now = True
        for op in OPS.values():
            _replace(op, partial(_timed, self._taken.setdefault(op.name, [0, 0.0, 0.0])))
        return self

    def __exit__(self, *error: object) -> None:
        profile._taken_now = False
        for op in OPS.values():
            _replace(op, lambda column, function: getattr(function, "untimed", function))

    def __repr__(self) -> str:
        """A table: calls, milliseconds forward and backward, and the share of the whole."""
        rows = self.rows
        width, whole = max((len(row.operation) for row in rows), default=9), sum(r.forward + r.backward for r in rows)
        lines = [f"{'operation':{width}}    calls  forward, ms  backward, ms  share"]
        for name, calls, forward, backward in rows:
            share = (forward + backward) / whole
            lines.append(f"{name:{width}} {calls:8}  {1e3 * forward:11.3f}  {1e3 * backward:12.3f}  {share:5.0%}")
        return "\n".join(lines)


def _replace(op: Op, changed: Callable[[int, Any], Any]) -> None:
    """Replace the forward and the rules of ``op`` by what ``changed(column, function)`` returns for each."""
    op.forward = changed(1, op.forward)
    op.rules.update({arg: (changed(2, rule), wants) for arg, (rule, wants) in op.rules.items()})
    op.plans.clear()


def _timed(taken: list[Any], column: int, function: Callable[..., Any]) -> Callable[..., Any]:
    """``function``, whose seconds are added to a column."""

    def timed(*args: Any, **params: Any) -> Any:
        outside, _NESTED.seconds = getattr(_NESTED, "seconds", 0.0), 0.0
        start = perf_counter()
        try:
            return function(*args, **params)
        finally:
            seconds = perf_counter() - start
            taken[0] += column == 1
            taken[column] += seconds - _NESTED.seconds
            _NESTED.seconds = outside + seconds

    timed.untimed = function  # type: ignore[attr-defined]
    return timed
