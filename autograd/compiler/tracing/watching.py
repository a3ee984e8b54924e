"""Watch reads and writes of Tensors, modules and the user's objects while a function is traced."""

from __future__ import annotations

import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from glassgrad.autograd.common.contexts import TRACER, WATCHED, holding
from glassgrad.autograd.compiler.tracing.lines import is_users, refusal
from glassgrad.autograd.compiler.tracing.traced import Traced, is_inside
from glassgrad.autograd.engine.tensor import Tensor

DATA: Any = Tensor.__dict__["_data"]
GRAD: Any = Tensor.__dict__["grad"]
REQUIRES_GRAD: Any = Tensor.__dict__["requires_grad"]
VALUES: Any = Tensor.__dict__["data"]
_LOCK = threading.Lock()


def slot_value(slot: Any, tensor: Tensor) -> Any:
    """The content of a slot of ``tensor``; ``None`` if it was never assigned."""
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


def _get_values(tensor: Tensor) -> Any:
    array = VALUES.fget(tensor)
    is_number = type(array) is Traced and not array.shape and is_users(sys._getframe(1))
    return Traced(array.tracer, array.value) if is_number else array  # a NumPy scalar, which has no memory


def _get_grad(tensor: Tensor) -> Any:
    tracer = TRACER.get()
    raw = GRAD.__get__(tensor)
    return raw if tracer is None or is_inside(DATA.__get__(tensor)) else tracer.gradient(tensor, raw)


def _set_grad(tensor: Tensor, grad: Any) -> None:
    tracer = TRACER.get()
    if tracer is not None and not is_inside(slot_value(DATA, tensor)):
        tracer.gradients.setdefault(id(tensor), (tensor, GRAD.__get__(tensor)))
        if grad is not None and not is_inside(slot_value(DATA, grad)):
            raise refusal("sets a gradient that the compiled function did not compute.")
    GRAD.__set__(tensor, grad)


def _get_requires_grad(tensor: Tensor) -> Any:
    tracer, raw = TRACER.get(), REQUIRES_GRAD.__get__(tensor)
    if tracer is not None and not is_inside(slot_value(DATA, tensor)):
        tracer.guard(tensor, "requires_grad", raw)  # no gradient is recorded for a frozen parameter
    return raw or (tracer is not None and tracer.captures_lifted(slot_value(DATA, tensor)))


def _set_requires_grad(tensor: Tensor, requires_grad: bool) -> None:
    tracer, before = TRACER.get(), slot_value(REQUIRES_GRAD, tensor)
    if tracer is not None and before not in (None, requires_grad) and not is_inside(slot_value(DATA, tensor)):
        tracer.guard(tensor, "requires_grad", before)
    REQUIRES_GRAD.__set__(tensor, requires_grad)


def _reader(kind: Any) -> Callable[[Any, str], Any]:
    """A ``__getattribute__`` for a class that reports each read to the tracer."""
    own = vars(kind).get("__getattribute__")

    def read(self: Any, name: str) -> Any:
        if (tracer := TRACER.get()) is not None:
            tracer.attribute_read(kind, self, name)
        return super(kind, self).__getattribute__(name) if own is None else own(self, name)

    return read


def _writer(kind: Any, write: Callable[..., None]) -> Callable[..., None]:
    """A ``__setattr__`` or ``__delattr__`` of a class that reports each write to the tracer."""

    def written(self: Any, name: str, *value: Any) -> None:
        if (tracer := TRACER.get()) is not None:
            tracer.attribute_written(kind, self, name)
        write(self, name, *value)

    return written


_SLOTS = {
    "_data": property(_get_data, _set_data),
    "grad": property(_get_grad, _set_grad),
    "requires_grad": property(_get_requires_grad, _set_requires_grad),
    "data": property(_get_values, VALUES.fset),
}
_originals: dict[type, dict[str, Any]] = {}
_counts = Counter[type]()


@contextmanager
def watched(tracer: Any) -> Iterator[None]:
    """A context in which reads and writes of Tensors, modules and the objects that the function reaches are reported
    to ``tracer``, in this thread and task only. The slots and methods themselves are replaced and later restored, so
    that this costs nothing outside of a trace.
    """
    with tracer.watching, holding(TRACER, tracer):
        watch(tracer, (Tensor, *WATCHED))
        yield


def watch(tracer: Any, kinds: Iterable[type] = ()) -> None:
    """Report attribute reads of objects of these classes, and of those that the tracer has found, until its trace ends,
    and let numbers of each call stand for the learning rates that it has found.
    """
    while groups := tracer.surroundings.groups:
        group = groups.pop()
        if type(rate := dict.get(group, "lr")) is float:
            tracer.watching.callback(dict.__setitem__, group, "lr", rate)
            dict.__setitem__(group, "lr", tracer.knob(group, "lr", "lr"))
    for kind in {*kinds, *tracer.surroundings.kinds} - tracer.kinds:
        tracer.kinds.add(kind)
        tracer.watching.enter_context(_exchanged(kind))


@contextmanager
def _exchanged(kind: Any) -> Iterator[None]:
    """A context in which accesses of a class's attributes are reported."""
    with _LOCK:
        _counts[kind] += 1
        if _counts[kind] == 1:
            writers = {name: _writer(kind, getattr(kind, name)) for name in ("__setattr__", "__delattr__")}
            methods = _SLOTS if kind is Tensor else {"__getattribute__": _reader(kind), **writers}
            _originals[kind] = {name: vars(kind).get(name) for name in methods}
            for name, method in methods.items():
                type.__setattr__(kind, name, method)
    try:
        yield
    finally:
        with _LOCK:
            _counts[kind] -= 1
            for name, original in _originals.pop(kind).items() if not _counts[kind] else ():
                type.__delattr__(kind, name) if original is None else type.__setattr__(kind, name, original)
