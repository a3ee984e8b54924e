"""What is read of Tensors and modules, and written to them, while a function is traced goes through the tracer."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from autograd.compiler.tracing.lines import line_of_user
from autograd.compiler.tracing.traced import Traced
from autograd.errors import TraceError
from autograd.modes import TRACER, WATCHED
from autograd.tensor import Tensor

DATA: Any = Tensor.__dict__["data"]
GRAD: Any = Tensor.__dict__["grad"]
REQUIRES_GRAD: Any = Tensor.__dict__["requires_grad"]
_LOCK = threading.Lock()
_watchers = 0


def slot_value(slot: Any, tensor: Tensor) -> Any:
    """What is in a slot of ``tensor``, ``None`` where nothing was put there yet."""
    try:
        return slot.__get__(tensor)
    except AttributeError:
        return None


def _get_data(tensor: Tensor) -> Any:
    tracer = TRACER.get()
    raw = DATA.__get__(tensor)
    return raw if tracer is None else tracer.read(tensor, raw)


def _set_data(tensor: Tensor, array: Any) -> None:
    tracer = TRACER.get()
    if tracer is not None:
        array = tracer.write(tensor, slot_value(DATA, tensor), array)
        if array is None:
            return
    DATA.__set__(tensor, array)


def _get_grad(tensor: Tensor) -> Any:
    tracer = TRACER.get()
    raw = GRAD.__get__(tensor)
    if tracer is None or type(DATA.__get__(tensor)) is Traced:
        return raw
    if raw is not None and type(DATA.__get__(raw)) is Traced:  # the engine's own, which writes to the slot
        return raw
    if id(tensor) in tracer.grads:
        return None
    if raw is not None:
        raise TraceError(
            f"{line_of_user()}: Tensor {tensor.name or tensor.shape} has a gradient from before the call, and a "
            "compiled function starts without: call zero_grad() first, in the function or outside.",
            None,
        )
    tracer.ungraded[id(tensor)] = tensor
    return None


def _set_grad(tensor: Tensor, grad: Any) -> None:
    tracer = TRACER.get()
    if tracer is None or type(slot_value(DATA, tensor)) is Traced:
        GRAD.__set__(tensor, grad)
        return
    tracer.grads[id(tensor)] = tensor
    if grad is None or type(slot_value(DATA, grad)) is Traced:
        raw = GRAD.__get__(tensor)
        if raw is None or type(DATA.__get__(raw)) is Traced:
            GRAD.__set__(tensor, grad)
    else:
        raise TraceError(f"{line_of_user()} sets a gradient that the compiled function did not compute.", None)


def _get_requires_grad(tensor: Tensor) -> Any:
    tracer, raw = TRACER.get(), REQUIRES_GRAD.__get__(tensor)
    if tracer is not None and type(slot_value(DATA, tensor)) is not Traced:
        tracer.guard(tensor, "requires_grad", raw)  # whether it is frozen decides what is recorded
    return raw


def _set_requires_grad(tensor: Tensor, requires_grad: bool) -> None:
    tracer, before = TRACER.get(), slot_value(REQUIRES_GRAD, tensor)
    if tracer is not None and before not in (None, requires_grad) and type(slot_value(DATA, tensor)) is not Traced:
        tracer.setting(tensor, "requires_grad", requires_grad)
    REQUIRES_GRAD.__set__(tensor, requires_grad)


def _reader(kind: Any) -> Callable[[Any, str], Any]:
    """What ``kind``, `Module` and the like, has as ``__getattribute__`` while something is traced."""

    def read(self: Any, name: str) -> Any:
        if (tracer := TRACER.get()) is not None:
            tracer.look(kind, self, name)
        return super(kind, self).__getattribute__(name)

    return read


@contextmanager
def watched(tracer: Any) -> Iterator[None]:
    """Within it, reading and writing the array or gradient of a Tensor, and whether it requires one, and reading an
    attribute of a module goes through the tracer, in this thread and task. The slots themselves are exchanged, so that
    nothing is asked of them while nobody traces."""
    global _watchers  # noqa: PLW0603
    tensor: Any = Tensor
    with _LOCK:
        _watchers += 1
        if _watchers == 1:
            tensor.data, tensor.grad = property(_get_data, _set_data), property(_get_grad, _set_grad)
            tensor.requires_grad = property(_get_requires_grad, _set_requires_grad)
            for kind in WATCHED:
                kind.__getattribute__ = _reader(kind)  # type: ignore[assignment]
    token = TRACER.set(tracer)
    try:
        yield
    finally:
        TRACER.reset(token)
        with _LOCK:
            _watchers -= 1
            if not _watchers:
                tensor.data, tensor.grad, tensor.requires_grad = DATA, GRAD, REQUIRES_GRAD
                for kind in WATCHED:
                    del kind.__getattribute__
