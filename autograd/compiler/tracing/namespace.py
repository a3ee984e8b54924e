"""The namespace of traced arrays: NumPy's functions, each of which records an instruction.

The engine, its rules, the optimizers and the modules run on traced arrays as they run on NumPy's.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

import numpy

from glassgrad.autograd import backends
from glassgrad.autograd.backends import FORWARDS, PYTHON_SCALARS, Namespace
from glassgrad.autograd.common import shapes
from glassgrad.autograd.common.contexts import TRACER
from glassgrad.autograd.compiler.ir.inference import function_of
from glassgrad.autograd.compiler.ir.primitives import ELEMENTWISE, REDUCTIONS, infer
from glassgrad.autograd.compiler.tracing.traced import Number, Traced, View
from glassgrad.autograd.compiler.tracing.tracer import Tracer, kind_of
from glassgrad.autograd.engine.operation import OPS
from glassgrad.autograd.errors import TraceError


def _elementwise(name: str) -> Any:
    """A ufunc of the trace, with ``at``."""

    def call(*args: Any) -> Any:
        tracer = next((x.tracer for x in args if type(x) in (Traced, Number)), None)
        if tracer is None:
            return function_of(name)(*args)
        if all(type(x) in PYTHON_SCALARS for x in args):  # ufuncs of numbers make arrays
            args = tuple(Traced(tracer, tracer.lift(x)) if type(x) is Number else x for x in args)
        return tracer.elementwise(name, args)

    def at(x: Traced, index: Any, values: Any) -> None:
        """``x[index] += values``, where repeated indices add up: of ``add`` alone."""
        x.write(x.tracer.setitem("add_at", x, index, values).value)

    call.at = at  # type: ignore[attr-defined]
    return call


def _now() -> Tracer:
    tracer: Tracer = TRACER.get() or Tracer()
    tracer.check_running("a traced array")
    return tracer


def _traced(x: Any) -> Traced:
    return x if type(x) is Traced else Traced(_now(), _now().lift(x))


def _reduction(name: str) -> Callable[..., Any]:
    def reduce(x: Any, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> Any:
        x = _traced(x) if dtype is None else _traced(x).astype(dtype)
        axes = None if axis is None else shapes.normalize_axes(axis, x.ndim)
        return x.tracer.emit(name, (x.value,), {"axis": axes, "keepdims": bool(keepdims)})

    return reduce


class _Part:
    """A part of NumPy by its name: a function, or a submodule such as ``linalg``."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        return _Part(f"{self._name}.{name}")

    def __call__(self, *args: Any, **options: Any) -> Any:
        return _now().call(self._name, args, options)


COMPOSED = ("cross", "diagonal", "roll")
"""Operations that NumPy has, too, and that are recorded as what their own forward does."""


class _TraceNamespace(Namespace):
    """The tracing namespace. NumPy arrays become constants; a function it can't trace becomes one instruction."""

    absorbs = 1

    def permute_dims(self, x: Any, axes: Any) -> Any:
        x = _traced(x)
        return x.viewed(View("permute_dims", {"axes": shapes.normalize_axes(tuple(axes), x.ndim)}))

    def matrix_transpose(self, x: Any) -> Any:
        if x.ndim < 2:
            raise ValueError("a matrix transpose needs at least two axes")
        order = [*range(x.ndim)]
        order[-2:] = order[:-3:-1]
        return self.permute_dims(x, order)

    def reshape(self, x: Any, shape: Any, copy: bool | None = None) -> Any:
        x = _traced(x)
        target, _ = infer("reshape", {"shape": shape}, (x.value,))
        if target == x.shape:
            return Traced(x.tracer, x.value) if copy else x
        if copy:
            return x.tracer.emit("reshape", (x.value,), {"shape": target})
        lengths = [[n for n in shape if n != 1] for shape in (x.shape, target)]
        return x.viewed(View("reshape", {"shape": target}, assumed=lengths[0] != lengths[1]))

    def broadcast_to(self, x: Any, shape: Any) -> Any:
        return _traced(x).viewed(View("broadcast_to", {"shape": tuple(shape)}))

    def squeeze(self, x: Any, axis: Any) -> Any:
        axes = shapes.normalize_axes(axis, x.ndim)
        if any(x.shape[a] != 1 for a in axes):  # without entries, a reshape would not notice
            raise ValueError("cannot select an axis to squeeze out which has size not equal to one")
        return self.reshape(x, tuple(n for i, n in enumerate(x.shape) if i not in axes))

    def flip(self, x: Any, axis: Any = None) -> Any:
        axes = shapes.normalize_axes(axis, x.ndim)
        return x[tuple(slice(None, None, -1 if i in axes else 1) for i in range(x.ndim))]

    def expand_dims(self, x: Any, axis: Any) -> Any:
        return self.reshape(x, shapes.expanded_shape(x.shape, axis))

    def astype(self, x: Any, dtype: Any, copy: bool = True) -> Any:
        tracer, dtype = _now(), numpy.dtype(dtype)
        value = tracer.lift(x)
        if value.dtype != dtype:
            return tracer.emit("astype", (value,), {"dtype": dtype})
        return x if type(x) is Traced and not copy else Traced(tracer, value)

    def asarray(self, x: Any, dtype: Any = None, copy: Any = None, device: Any = None) -> Any:
        made = _traced(x)
        if made is x and (copy or not (x.shape or x.scalar)):  # NumPy makes a number of an array of shape ()
            made = Traced(x.tracer, x.value)
            made.scalar = not (copy or x.shape)
        return made if dtype is None or made.dtype == dtype else self.astype(made, dtype)

    def where(self, condition: Any, x: Any, y: Any) -> Any:
        tracer = _now()
        dtype = numpy.result_type(*(k() if isinstance(k, type) else k for k in map(kind_of, (x, y))))
        values = [self.astype(Traced(tracer, tracer.lift(v, dtype)), dtype).value for v in (x, y)]
        return tracer.emit("where", (self.astype(Traced(tracer, tracer.lift(condition)), bool).value, *values), {})

    def clip(self, x: Any, min: Any = None, max: Any = None) -> Any:
        x = x if min is None else self.maximum(x, min)
        return x if max is None else self.minimum(x, max)

    def full(self, shape: Any, fill_value: Any, dtype: Any = None) -> Any:
        tracer = _now()
        shape = (shape,) if isinstance(shape, int) else tuple(shape)
        return tracer.emit("broadcast_to", (tracer.lift(fill_value, dtype),), {"shape": shape})

    def full_like(self, x: Any, fill_value: Any, dtype: Any = None) -> Any:
        return self.full(x.shape, fill_value, x.dtype if dtype is None else dtype)

    def matmul(self, x: Any, y: Any) -> Any:
        tracer = _now()
        return tracer.emit("matmul", (tracer.lift(x), tracer.lift(y)), {})

    def opaque(self, *_: Any) -> Any:
        """Record the operation whose forward calls this as one instruction."""
        raise TraceError("this operation is one instruction of a program.", _now())

    special = opaque  # type: ignore[assignment]  # which SciPy computes

    def check_range(self, array: Any, stop: int, refuse: Callable[..., None], **options: Any) -> None:
        """Record a range check, as the values are not known during the trace."""
        _now().check_range(array, stop, refuse, **options)

    def __getattr__(self, name: str) -> Any:
        found = None if name.startswith("__") else getattr(numpy, name, None)
        if name in FORWARDS and (found is None or name in COMPOSED):
            return lambda *args, **params: self.followed(name, args, params)
        if found is None:
            raise AttributeError(f"a trace has no function {name!r}, and no operation has that name.")
        if name in ELEMENTWISE:
            found = _elementwise(name)
        elif name in REDUCTIONS:
            found = _reduction(name)
        elif name in ("linalg", "fft") or (callable(found) and not isinstance(found, type)):  # else a dtype, a number
            found = _Part(name)
        setattr(self, name, found)
        return found

    def followed(self, name: str, args: Any, params: Any) -> Any:
        """Trace an operation's forward; if that fails, record the operation as one instruction."""
        try:
            return super().followed(name, args, params)
        except TraceError as error:
            if error.tracer is None:
                raise
            return error.tracer.opaque(OPS[name], args, params)


for _name, _number in (("zeros", 0), ("empty", 0), ("ones", 1)):
    setattr(_TraceNamespace, _name, lambda self, shape, dtype=None, n=_number: self.full(shape, n, numpy.dtype(dtype)))
    setattr(_TraceNamespace, f"{_name}_like", lambda self, x, dtype=None, n=_number: self.full_like(x, n, dtype))

TRACE = _TraceNamespace(numpy)
backends.SPACES[Traced] = TRACE

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
