"""Operations that a trace records as one instruction each, for targets such as ONNX that have them."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Any

from glassgrad.autograd.backends import FORWARDS
from glassgrad.autograd.common.locks import fork_safe
from glassgrad.autograd.compiler.tracing.namespace import TRACE
from glassgrad.autograd.engine.operation import OPS

WHOLE: ContextVar[frozenset[str]] = ContextVar("autograd_whole", default=frozenset())
"""The operations that traces of this thread and task keep whole."""

_LOCK = fork_safe(threading.Lock())
_users: Counter[str] = Counter()


@contextmanager
def whole(names: Iterable[str]) -> Iterator[None]:
    """A context in which a trace records each of these operations as one instruction, without tracing its forward.

    >>> from glassgrad import autograd as ag
    >>> with whole(["softmax"]):
    ...     print(ag.trace(ag.softmax, ag.ones(3)))
    softmax(x (3,)):
        softmax_1 (3,) = softmax(x, axis=-1)
        return softmax_1
    """
    kept = frozenset(names)
    with _LOCK:
        for name in kept:
            _users[name] += 1
            if _users[name] == 1:
                OPS[name].forward = FORWARDS[name] = _opaque_in_traces(name, OPS[name].forward)
    token = WHOLE.set(kept)
    try:
        yield
    finally:
        WHOLE.reset(token)
        with _LOCK:
            for name in kept:
                _users[name] -= 1
                if not _users[name]:
                    OPS[name].forward = FORWARDS[name] = vars(OPS[name].forward)["__wrapped__"]


def _opaque_in_traces(name: str, forward: Callable[..., Any]) -> Callable[..., Any]:
    """``forward``, recorded as one instruction in a trace that keeps its operation whole."""

    @wraps(forward)
    def kept(xp: Any, *arrays: Any, **params: Any) -> Any:
        if xp is TRACE and name in WHOLE.get():
            xp.opaque((), None)
        return forward(xp, *arrays, **params)

    return kept
