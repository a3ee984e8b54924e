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
from glassgrad.autograd.common.contexts import holding
from glassgrad.autograd.common.messages import describe
from glassgrad.autograd.engine.graph import Node
from glassgrad.autograd.engine.modes import MODE, Mode, Observer
from glassgrad.autograd.errors import AnomalyError
from glassgrad.autograd.readings.levels import Lifted, plain_parts

_HERE = f"{Path(__file__).parents[2]}{os.sep}", "<operation"
_OURS = *_HERE, *(f"{Path(__file__).parents[3] / name}{os.sep}" for name in ("nn", "viz"))


@contextmanager
def detect_anomaly() -> Iterator[None]:
    """A context manager in which the first NaN or Inf raises `AnomalyError`, which names the operation, the element and
    the line of code.

    Forward values are checked as they are computed. A backward pass within it checks every upstream gradient and every
    rule's result, also where gradients are recorded. If the forward ran within it, too, the error names the line that
    called the operation. It is slow: use it to find a fault, not for training. It acts on its own thread and `asyncio`
    task alone.

    >>> from glassgrad import autograd as ag
    >>> x = ag.Tensor(0.0, requires_grad=True)
    >>> with ag.detect_anomaly():
    ...     ag.sqrt(x).backward()
    Traceback (most recent call last):
        ...
    glassgrad.autograd.errors.AnomalyError: the gradient of sqrt with respect to x = () float64 is inf ...
    """
    mode = MODE.get()
    # NumPy's warnings are off: the error says more.
    with holding(MODE, Mode(mode.grad, mode.scope, Checks())), backends.ignore_warnings():
        yield


@contextmanager
def record_lines() -> Iterator[None]:
    """A context in which nodes record the line that called their operation, as within `detect_anomaly`; nothing is
    checked.
    """
    mode = MODE.get()
    with holding(MODE, Mode(mode.grad, mode.scope, Lines())):
        yield


class Lines(Observer):
    """Records the line that called each operation."""

    def called(self, op: Any, result: Any, *_: Any) -> None:
        """Record the line in the node."""
        _noted(result.node)


class Checks(Observer):
    """Raises `AnomalyError` at the first value that is NaN or Inf."""

    exact = True

    def called(self, op: Any, result: Any, *_: Any) -> None:
        """Record the line that called ``op``, and raise where ``result`` is not finite."""
        origin = _noted(result.node)
        if found := _first_bad(result):
            raise AnomalyError(
                f"the result of {op.name}, {describe(result)}, is {found[0]} at {found[1]}; called at {origin}."
            )

    def arrived(self, vertex: Any, g: Any) -> None:
        """Raise where the gradient is not finite."""
        if found := _first_bad(g):
            what = f"{vertex.op.name} {describe(vertex)}" if vertex.op else f"Tensor {describe(vertex)}"
            raise AnomalyError(
                f"the upstream gradient of {what} is {found[0]} at {found[1]}{_line_of(vertex)}: its contributions "
                "were finite, so their sum overflowed, a hook returned it, or backward was given it."
            )

    def pulled(self, node: Node, parts: Any) -> None:
        """Raise where a rule's result is not finite."""
        for i, part in enumerate(parts):
            if part is not None and (found := _first_bad(part)):
                arg = node.op.args[0 if node.op.variadic else i]
                raise AnomalyError(
                    f"the gradient of {node.op.name} with respect to {arg} = {describe(node.inputs[i])} is {found[0]} "
                    f"at {found[1]}{_value_there(node, i, part.shape, found[1])}{_line_of(node)}: its value here "
                    "has no finite derivative."
                )


def _first_bad(array: Any) -> tuple[Any, tuple[int, ...]] | None:
    """The first element of an array or a Tensor that is NaN or Inf, with its index."""
    array = array.data if hasattr(array, "node") else array
    if isinstance(array, Lifted):
        return next((found for part in plain_parts(array) if (found := _first_bad(part))), None)
    space = backends.namespace(array)
    if not backends.is_inexact(array.dtype) or bool(space.all(space.isfinite(array))):
        return None
    values = backends.to_numpy(array)
    index = tuple(backends.NUMPY.argwhere(~backends.NUMPY.isfinite(values))[0].tolist())
    return values[index], index


def _noted(node: Node | None) -> str:
    """The user's line as text, which is also stored in ``node``."""
    frames = [frame for frame, _ in walk_stack(sys._getframe(2)) if not frame.f_code.co_filename.startswith(_HERE)]
    users = (frame for frame in frames if not frame.f_code.co_filename.startswith(_OURS))
    line = next(users, frames[0] if frames else None)  # else a line of `nn` or `viz`
    text = "an unknown line" if line is None else f"{line.f_code.co_filename}:{line.f_lineno}"
    if scope := MODE.get().scope:
        path, label = scope[-1]
        text += f", in {label} {path!r}" if path else f", in {label}"
    if node is not None:
        node.origin = text
    return text


def _line_of(vertex: Any) -> str:
    if vertex.op is None:
        return ""
    return f"; called at {vertex.origin or 'an unknown line (run the forward within detect_anomaly, too)'}"


def _value_there(node: Node, i: int, shape: Any, index: tuple[int, ...]) -> str:
    """Text such as ``, where x is 0.0``: the element at ``index`` of an input of that shape, if the graph keeps it."""
    value = node.saved[i] if node.saved and not node.op.variadic else None
    value = getattr(node.inputs[i], "data", None) if value is None else value
    if getattr(value, "shape", None) != shape or isinstance(value, Lifted):
        return ""
    return f", where {node.op.args[0 if node.op.variadic else i]} is {backends.to_numpy(value)[index]}"
