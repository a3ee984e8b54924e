"""`Traced`: an array with a shape and a dtype and no values, whose arithmetic writes a program; `Number`, a float."""

from __future__ import annotations

import functools
import sys
import weakref
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy
from numpy.lib.mixins import NDArrayOperatorsMixin

from glassgrad.autograd import backends
from glassgrad.autograd.common import shapes
from glassgrad.autograd.common.contexts import TRACER
from glassgrad.autograd.common.operators import ARITHMETIC
from glassgrad.autograd.compiler.ir.primitives import ELEMENTWISE, REDUCTIONS
from glassgrad.autograd.compiler.ir.program import Value
from glassgrad.autograd.compiler.tracing.lines import is_users, line_of_user, refusal
from glassgrad.autograd.engine.tensor import Tensor
from glassgrad.autograd.errors import DomainError, DTypeError, ShapeError
from glassgrad.autograd.interop.hints import NAMES
from glassgrad.autograd.readings.levels import Lifted


def _namespace() -> Any:
    """The functions of traced arrays."""
    return backends.SPACES[Traced]


def is_inside(array: Any) -> bool:
    """Whether a trace made an array: one without values, or a lifted one, which consists of such."""
    return type(array) is Traced or isinstance(array, Lifted)


class View(NamedTuple):
    """One operation that returns a view: a slice, a transpose, a reshape or a broadcast."""

    op: str
    params: dict[str, Any]  # with the values of its arrays
    assumed: bool = False  # whether NumPy may have made a copy instead


class Traced(NDArrayOperatorsMixin):
    """An array of a trace, with a shape and a dtype but no numbers.

    ``value`` is the `Value` of the program that it holds now; writing to it (``x[index] = v``, ``x += v``) gives it
    another. As with NumPy, a view shares the memory of its ``base``: it is a ``part`` of its ``parent``, and a write to
    one of them changes the others. ``scalar``: a NumPy scalar, which has no memory, not an array of shape ().
    """

    __slots__ = (
        "tracer", "shape", "dtype", "scalar", "base", "parent", "part", "state", "_value", "_version", "__weakref__",
    )  # fmt: skip

    def __init__(self, tracer: Any, value: Value) -> None:
        self.tracer, self._value = tracer, value
        self.shape, self.dtype, self.scalar = value.shape, value.dtype, not value.shape
        self.base: Traced | None = None
        self.parent: Traced | None = None
        self.part: View | None = None
        self.state: int | None = None  # the id of the Tensor that was given this memory
        self._version = 0  # how often the memory was written to
        tracer.made.append(weakref.ref(self))

    __class__ = property(lambda self: self.dtype.type if self.scalar else numpy.ndarray)  # for isinstance

    device = property(lambda self: self.tracer.device or "cpu")
    ndim = property(lambda self: len(self.shape))
    size = property(lambda self: shapes.size(self.shape))
    T = property(lambda self: self.transpose())
    mT = property(lambda self: _namespace().matrix_transpose(self))
    memory = property(lambda self: self if self.base is None else self.base)  # the array that owns it

    @property
    def value(self) -> Value:
        """The current value, which writes replace."""
        if self.parent is not None and self.part is not None and self._version != self.memory._version:
            self.check_known("uses {!r} in another shape after the array was written to", "Reshape it anew")
            self._value = self.tracer.part_of(self.parent.value, self.part)
            self._version = self.memory._version
        return self._value

    def viewed(self, part: View) -> Traced:
        """The view of this array that is a ``part`` of it."""
        made = Traced(self.tracer, self.tracer.part_of(self.value, part))
        if not self.scalar:
            made.scalar, made.base, made.parent, made.part = False, self.memory, self, part
            made._version = self.memory._version
        return made

    def write(self, value: Value) -> None:
        """Write ``value``, of the same shape and dtype, to the memory."""
        self.tracer.refuse_writing(self)
        self.check_known()
        if self.parent is None or self.part is None:
            self._version += 1
        else:
            self.parent.write(self.tracer.with_part(self.parent.value, self.part, value))
        self._value, self._version = value, self.memory._version

    def check_known(
        self, use: str = "writes to {!r} in another shape", advice: str = "Write to the array itself"
    ) -> None:
        """Raise `TraceError` if NumPy may have made a copy in place of this view."""
        if self.part is not None and self.part.assumed:
            raise refusal(
                f"{use.format(self.memory._value)} while the function is traced: NumPy makes a view or a copy of it, "
                f"depending on its memory order. {advice}, or make a copy with clone() before."
            )

    def astype(
        self, dtype: Any, order: str = "K", casting: str = "unsafe", subok: bool = True, copy: bool = True
    ) -> Traced:
        """Convert to another dtype."""
        if casting != "unsafe":
            self._no_numpy()
        made: Traced = _namespace().astype(self, dtype, copy)
        made.scalar = self.scalar
        return made

    def reshape(self, *shape: Any, order: str = "C") -> Traced:
        """Return it in another shape."""
        if order != "C":
            raise DomainError(f"elements are taken in row-major order only: for order = {order!r} transpose first.")
        return _namespace().reshape(self, shape[0] if len(shape) == 1 else shape)  # type: ignore[no-any-return]

    def transpose(self, *axes: Any) -> Traced:
        """The axes in another order, by default reversed."""
        order = (axes[0] if len(axes) == 1 else axes) or tuple(reversed(range(self.ndim)))
        return _namespace().permute_dims(self, order)  # type: ignore[no-any-return]

    def __getitem__(self, index: Any) -> Traced:
        return self.tracer.getitem(self, index)  # type: ignore[no-any-return]

    def __setitem__(self, index: Any, value: Any) -> None:
        if self.scalar and is_users(sys._getframe(1)):
            raise TypeError(f"'numpy.{self.dtype.name}' object does not support item assignment")
        self.write(self.tracer.setitem("setitem", self, index, value).value)

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("an array of shape () has no length")
        return self.shape[0]

    def __iter__(self) -> Iterator[Traced]:
        return (self[i] for i in range(len(self)))

    def _no_value(self, *_: Any) -> Any:
        self.tracer.check_running(self)
        raise refusal(
            f"asks for a value of {self._value!r} while the function is traced: the program is "
            "written once, before there are values. Choose with autograd.where, return the number and read or print it "
            "outside, or leave this part out of the compiled function.",
            self.tracer,
        )

    __bool__ = __format__ = __float__ = __int__ = __index__ = __complex__ = __reduce_ex__ = item = tolist = _no_value

    def _no_numpy(self, *_: Any, **__: Any) -> Any:
        self.tracer.check_running(self)
        raise refusal(
            f"gives {self._value!r} to NumPy while the function is traced: use the function of that "
            "name in autograd, or leave this part out of the compiled function.",
            self.tracer,
        )

    __array__ = _no_numpy

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or not hasattr(numpy.ndarray, name):
            raise AttributeError(f"a traced array has no attribute {name!r}")
        return functools.partial(getattr(numpy, name), self) if name in FUNCTIONS else self._no_numpy()

    def copy(self, order: str = "C") -> Traced:
        """A copy, in memory of its own."""
        op = "astype" if self.dtype == bool else "positive"  # booleans have no sign
        made: Traced = self.tracer.emit(op, (self.value,), {"dtype": self.dtype} if self.dtype == bool else {})
        made.scalar = self.scalar
        return made

    def __array_function__(self, function: Any, types: Any, args: Any, options: Any) -> Any:
        """Record a call of a NumPy function, or leave it to a Tensor, which records it itself."""
        if any(issubclass(kind, Tensor) for kind in types):
            return NotImplemented
        name = function.__name__
        if name not in FUNCTIONS or options.get("out") is not None:
            self._no_numpy()
        return getattr(_namespace(), name)(*args, **options)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, out: Any = (), **options: Any) -> Any:
        """Record a ufunc call, such as an operator makes; with ``out``, ``x += y`` writes to the memory of ``x``, and a
        scalar is replaced.
        """
        if any(hasattr(x, "node") for x in inputs):
            if not out:
                return NotImplemented  # a Tensor records the call itself
            if any(getattr(x, "requires_grad", False) for x in inputs):
                raise DTypeError(
                    f"{line_of_user()} writes a Tensor that requires grad into an array, where {ufunc.__name__} can't "
                    "be recorded: assign the result instead, as in x = x + y."
                )
            inputs = tuple(x.data if hasattr(x, "node") else x for x in inputs)
        name = NAMES.get(ufunc.__name__, ufunc.__name__)
        is_known = name in (*ELEMENTWISE, "matmul") and ufunc.__name__ not in WIDER
        if method != "__call__" or options or not is_known or (out and out[0] is not self):
            self._no_numpy()
        if not all(hasattr(x, "dtype") or isinstance(x, complex | float | int | list | tuple) for x in inputs):
            self._no_numpy()  # None, a text, a Fraction
        result = getattr(_namespace(), name)(*inputs)
        if not out or self.scalar:
            return result
        if result.shape != self.shape or not numpy.can_cast(result.dtype, self.dtype, "same_kind"):
            kind = DTypeError if result.shape == self.shape else ShapeError
            value = f"{result.shape} {result.dtype}"
            raise kind(f"an array of {self.shape} {self.dtype} can't take the value of {value} in place.")
        self.write(result.astype(self.dtype).value)
        return self

    def __pow__(self, other: Any) -> Any:
        if self.dtype == bool and type(other) is int:  # x**2 is int8, x**3 int64
            return self.astype((numpy.ones(1, bool) ** other).dtype) ** other
        return NDArrayOperatorsMixin.__pow__(self, other)

    def __repr__(self) -> str:
        if self.tracer is TRACER.get():
            self._no_value()
        return f"Traced({self._value!r})"

    __hash__ = object.__hash__


FUNCTIONS = frozenset(
    (
        *REDUCTIONS, "argmax", "argmin", "clip", "concatenate", "cumprod", "cumsum", "dot", "mean", "round", "stack",
        "std", "var", "where",
    )
)  # fmt: skip
"""NumPy's functions of arrays, some of them methods, that a program calls itself: their results are never views."""

WIDER = ("fabs", "float_power")
"""Ufuncs of NumPy whose result has another dtype than that of the Tensors' function."""


class Number:
    """A float in a trace: ``traced`` stands for that of each call. Arithmetic with other numbers and with arrays is
    recorded; any other use, such as ``if``, ``float()``, a comparison or an index, is refused.
    """

    __slots__ = ("traced",)

    def __init__(self, traced: Traced) -> None:
        self.traced = traced

    __class__ = property(lambda self: float)  # for isinstance

    tracer = property(lambda self: self.traced.tracer)

    def ask(self, *others: Any, **_: Any) -> Any:
        """Raise `TraceError`, which ends the trace also where the function catches it; an array among ``others`` is
        asked itself.
        """
        if any(type(x) is Traced or isinstance(x, Tensor | numpy.ndarray) for x in others):
            return NotImplemented
        if TRACER.get() is None:
            self.tracer.check_running(self.traced)
        raise refusal(
            f"asks for the value of {self.traced.value!r} while the function is traced: a float argument or a learning "
            "rate may differ at each call, and is there for arithmetic with arrays. Let an int, a text or a number "
            "that the function captures decide: it is then traced for each of them. Use autograd.exp in place of "
            "math.exp, and pass a bound of clip, or what the body of a scan uses, as a Tensor."
        )

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        if method != "__call__" or options or TRACER.get() is not self.tracer:
            self.ask()
        return getattr(_namespace(), ufunc.__name__)(*inputs)

    __array__ = ask
    real = imag = property(ask)


def _is_recorded(name: str, left: Any, right: Any) -> bool:
    """Whether NumPy's result for two numbers is Python's: not where a power may be complex, or an error."""
    if type(left) not in (Number, float, int) or type(right) not in (Number, float, int):
        return False
    if name == "pow":
        return (type(left) is not Number and left > 0) or (type(right) is int and right > 0)
    return name not in ("floordiv", "mod")


def _binary(name: str, swapped: bool = False) -> Callable[..., Any]:
    def method(self: Number, other: Any) -> Any:
        if isinstance(other, Tensor):
            return NotImplemented
        pair = (other, self) if swapped else (self, other)
        is_array = type(other) is Traced or isinstance(other, numpy.ndarray | numpy.generic)
        if TRACER.get() is not self.tracer or not (is_array or _is_recorded(name, *pair)):
            self.ask()
        return self.tracer.elementwise(ARITHMETIC[name], pair)

    return method


for _name in ARITHMETIC:
    setattr(Number, f"__{_name}__", _binary(_name))
    setattr(Number, f"__r{_name}__", _binary(_name, swapped=True))
for _name, _factor in (("neg", -1), ("pos", 1)):
    setattr(Number, f"__{_name}__", lambda self, factor=_factor: self * factor)


for _name in {*dir(float), "__index__", "__complex__"} - {*vars(Number), "__new__", "__getattribute__", "__setattr__"}:
    setattr(Number, _name, Number.ask)


backends.add_scalar(Number)
