"""`detect_anomaly`: report the first NaN or Inf, and the operation that made it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from traceback import walk_stack
from typing import Any

from glassgrad.autograd import backends
from glassgrad.autograd.common.messages import describe
from glassgrad.autograd.engine.graph import Node
from glassgrad.autograd.engine.modes import MODE, Observer
from glassgrad.autograd.errors import AnomalyError
from glassgrad.autograd.readings.levels import plain_parts

_OURS = "<operation", *(f"{Path(__file__).parents[3] / name}{os.sep}" for name in ("autograd", "nn", "viz"))

_WHY = "it has no finite derivative here, or a sum of gradients overflowed, or a hook or caller of backward gave it."


@contextmanager
def detect_anomaly() -> Iterator[None]:
    """A context manager in which the first NaN or Inf raises `AnomalyError`, which names the operation, the element and
    the line of code.

    Forward values are checked as they are computed, gradients as they are summed, also where they are recorded. If the
    forward ran within it, too, the error of a gradient names the line that called the operation. It is slow: use it to
    find a fault, not for training. It acts on its own thread and `asyncio` task alone.

    >>> from glassgrad import autograd as ag
    >>> x = ag.Tensor(0.0, requires_grad=True)
    >>> with ag.detect_anomaly():
    ...     ag.sqrt(x).backward()
    Traceback (most recent call last):
        ...
    glassgrad.autograd.errors.AnomalyError: the gradient of sqrt with respect to x = () float64 is inf ...
    """
    with Checks().observing(), backends.NUMPY.errstate(all="ignore"):  # of NumPy: the error says more
        yield


class Lines(Observer):
    """Stores the line that called each operation in its node."""

    def called(self, op: Any, result: Any, *_: Any) -> None:
        """Store the user's line."""
        if result.node is not None:
            result.node.origin = _line()


class Checks(Lines):
    """Raises `AnomalyError` at the first value that is NaN or Inf."""

    def called(self, op: Any, result: Any, *_: Any) -> None:
        """Raise where ``result`` is not finite."""
        super().called(op, result)
        _check(result, f"the result of {op.name}, {describe(result)},", f"; called at {_line()}.")

    def walked(self, order: list[Node], totals: dict[Any, Any]) -> Iterator[Node]:
        """Raise where a gradient is not finite after the rules of a node have added theirs."""
        for node in order:
            yield node
            line = node.origin or "an unknown line (run the forward within detect_anomaly, too)"
            for i, vertex in enumerate(node.inputs):
                total = totals.get(vertex) if hasattr(vertex, "requires_grad") else None
                if total is not None:
                    what = f"{node.op.name} with respect to {node.op.args[0 if node.op.variadic else i]}"
                    _check(total, f"the gradient of {what} = {describe(vertex)}", f"; called at {line}: {_WHY}")


def _line() -> str:
    """The user's line as text."""
    users = (frame for frame, _ in walk_stack(sys._getframe(2)) if not frame.f_code.co_filename.startswith(_OURS))
    frame = next(users, None)
    text = "an unknown line" if frame is None else f"{frame.f_code.co_filename}:{frame.f_lineno}"
    if scope := MODE.get().scope:
        path, label = scope[-1]
        text += f", in {label} {path!r}" if path else f", in {label}"
    return text


def _check(array: Any, what: str, behind: str) -> None:
    """Raise where an element of an array or a Tensor is NaN or Inf."""
    for part in plain_parts(array.data if hasattr(array, "node") else array):
        space = backends.namespace(part)
        if backends.is_inexact(part.dtype) and not bool(space.all(space.isfinite(part))):
            values = backends.to_numpy(part)
            index = tuple(backends.NUMPY.argwhere(~backends.NUMPY.isfinite(values))[0].tolist())
            raise AnomalyError(f"{what} is {values[index]} at {index}{behind}")
