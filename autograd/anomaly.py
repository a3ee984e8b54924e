"""`detect_anomaly`: the first NaN or Inf, reported where it arose."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from autograd import backends
from autograd.errors import AnomalyError
from autograd.graph import MODE, Mode, Node
from autograd.op import describe

_HERE = __file__.removesuffix("anomaly.py")


@contextmanager
def detect_anomaly() -> Iterator[None]:
    """Within it, the first NaN or Inf raises `AnomalyError`, naming the operation and the line of code that called it.

    Forward values are looked at as they are made; a graph recorded within it is looked at again when it is walked
    backward within it. Everything runs slower: for finding a fault, not for training. Per thread and task.

    >>> import autograd as ag
    >>> x = ag.Tensor(0.0, requires_grad=True)
    >>> with ag.detect_anomaly():
    ...     ag.sqrt(x).backward()
    Traceback (most recent call last):
        ...
    autograd.errors.AnomalyError: the gradient of sqrt by x = () float64 is inf ...
    """
    mode = MODE.get()
    token = MODE.set(Mode(mode.grad, mode.scope, True))
    try:
        with backends.quiet():  # the error says more than NumPy's warning
            yield
    finally:
        MODE.reset(token)


def first_bad(array: Any) -> tuple[Any, tuple[int, ...]] | None:
    """The first element that is NaN or Inf, with its index."""
    space = backends.namespace(array)
    if not backends.is_inexact(array.dtype) or bool(space.all(space.isfinite(array))):
        return None
    values = backends.to_numpy(array)
    bad = ~backends.NUMPY.isfinite(values)
    index = tuple(int(i) for i in backends.NUMPY.argwhere(bad)[0])
    return values[index], index


def check_forward(op: Any, result: Any) -> None:
    """Note where ``result`` was made, and raise where it is not finite."""
    frame = sys._getframe(1)
    while frame.f_back is not None and (
        frame.f_code.co_filename.startswith(_HERE) or frame.f_code.co_filename.startswith("<operation")
    ):
        frame = frame.f_back
    origin = f"{frame.f_code.co_filename}:{frame.f_lineno}"
    if result.node is not None:
        result.node.origin = origin
    if found := first_bad(result.data):
        raise AnomalyError(
            f"the result of {op.name}, {describe(result)}, is {found[0]} at {found[1]}; called at {origin}."
        )


def check_backward(node: Node, parts: Any) -> None:
    """Raise where a rule's result is not finite."""
    for i, part in enumerate(parts):
        found = None if part is None else first_bad(part.data if hasattr(part, "node") else part)
        if found:
            arg = node.op.args[0 if node.op.variadic else i]
            raise AnomalyError(
                f"the gradient of {node.op.name} by {arg} = {describe(node.inputs[i])} is {found[0]} at {found[1]}"
                f"{f'; called at {node.origin}' if node.origin else ''}: its value here has no finite derivative."
            )
