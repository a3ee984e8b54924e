"""Operations that a trace records as one instruction each, for targets such as ONNX that have them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

from glassgrad.autograd.backends import FORWARDS
from glassgrad.autograd.compiler.tracing.namespace import TRACE
from glassgrad.autograd.engine.operation import OPS

_LOCK = threading.RLock()


@contextmanager
def whole(names: Iterable[str]) -> Iterator[None]:
    """A context in which traces of this thread record each of these operations as one instruction, without tracing its
    forward. Other threads wait for its end.

    >>> from glassgrad import autograd as ag
    >>> with whole(["softmax"]):
    ...     print(ag.trace(ag.softmax, ag.ones(3)))
    softmax(x (3,)):
        softmax_1 (3,) = softmax(x, axis=-1)
        return softmax_1
    """
    with _LOCK:
        before = {name: OPS[name].forward for name in names}
        for name, forward in before.items():
            OPS[name].forward = FORWARDS[name] = _opaque_in_traces(forward, threading.get_ident())
        try:
            yield
        finally:
            for name, forward in before.items():
                OPS[name].forward = FORWARDS[name] = forward


def _opaque_in_traces(forward: Callable[..., Any], thread: int) -> Callable[..., Any]:
    """``forward``, recorded as one instruction in the traces of a thread."""

    @wraps(forward)
    def kept(xp: Any, *arrays: Any, **params: Any) -> Any:
        if xp is TRACE and threading.get_ident() == thread:
            xp.opaque((), None)
        return forward(xp, *arrays, **params)

    return kept
