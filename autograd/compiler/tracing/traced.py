"""`Traced`: an array with a shape and a dtype and no values, whose arithmetic writes a program."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy

from autograd import backends, shapes
from autograd.compiler.ir.primitives import ELEMENTWISE
from autograd.compiler.ir.program import Value
from autograd.compiler.tracing.lines import line_of_user
from autograd.errors import TraceError

if TYPE_CHECKING:
    from autograd.compiler.tracing.tracer import Tracer


def _namespace() -> Any:
    """The functions of traced arrays."""
    return backends.SPACES[Traced]


class Traced:
    """An array of a trace: what it is (`Value`) but not which numbers it has.

    Written to (``x[index] = v``), it stands for another value from then on, as NumPy's arrays do. ``weak``: a Python
    number, which takes the dtype of the arrays that it meets.
    """

    __slots__ = ("tracer", "value", "shape", "dtype", "weak", "home")

    base = None

    def __init__(self, tracer: Tracer, value: Value, weak: bool = False) -> None:
        self.tracer, self.value, self.weak = tracer, value, weak
        self.home: int | None = None  # the id of the state whose array this is
        self.shape, self.dtype = value.shape, value.dtype

    @property
    def device(self) -> str:
        """Where the program will run."""
        return self.tracer.device or "cpu"

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of elements."""
        return shapes.size(self.shape)

    @property
    def T(self) -> Traced:
        """The axes reversed."""
        return _namespace().permute_dims(self, tuple(reversed(range(self.ndim))))  # type: ignore[no-any-return]

    @property
    def mT(self) -> Traced:
        """The last two axes swapped."""
        return _namespace().matrix_transpose(self)  # type: ignore[no-any-return]

    def astype(self, dtype: Any, copy: bool = True) -> Traced:
        """In another dtype."""
        return _namespace().astype(self, dtype)  # type: ignore[no-any-return]

    def reshape(self, *shape: Any) -> Traced:
        """In another shape."""
        return _namespace().reshape(self, shape[0] if len(shape) == 1 else shape)  # type: ignore[no-any-return]

    def __getitem__(self, index: Any) -> Traced:
        return self.tracer.getitem(self, index)

    def __setitem__(self, index: Any, value: Any) -> None:
        self.tracer.refuse_writing(self)
        new = self.tracer.setitem("setitem", self, index, value)
        self.value = new.value

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("an array of shape () has no length")
        return self.shape[0]

    def __iter__(self) -> Iterator[Traced]:
        return (self[i] for i in range(len(self)))

    def _no_value(self, *_: Any) -> Any:
        self.tracer.check_running(self)
        self.tracer.refused = TraceError(
            f"{line_of_user()} asks for a value of {self.value!r} while the function is traced: the program is written "
            "once, before there are values. Choose with autograd.where, return the number and read it outside, or "
            "leave this part out of the compiled function.",
            self.tracer,
        )
        raise self.tracer.refused

    __bool__ = __float__ = __int__ = __index__ = __complex__ = __reduce_ex__ = item = tolist = _no_value

    def _no_numpy(self, *_: Any, **__: Any) -> Any:
        self.tracer.check_running(self)
        self.tracer.refused = TraceError(
            f"{line_of_user()} gives {self.value!r} to NumPy while the function is traced: use the function of that "
            "name in autograd, or leave this part out of the compiled function.",
            self.tracer,
        )
        raise self.tracer.refused

    __array__ = __array_function__ = _no_numpy

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or not hasattr(numpy.ndarray, name):
            raise AttributeError(f"a traced array has no attribute {name!r}")
        return self._no_numpy()

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        """What an operator between an array and this one comes to."""
        if method != "__call__" or options or ufunc.__name__ not in (*ELEMENTWISE, "matmul"):
            self._no_numpy()
        return getattr(_namespace(), ufunc.__name__)(*inputs)

    def __repr__(self) -> str:
        return f"Traced({self.value!r})"

    __hash__ = object.__hash__


def _operator(name: str, swapped: bool = False) -> Callable[..., Any]:
    def method(self: Traced, other: Any) -> Any:
        pair = (other, self) if swapped else (self, other)
        return self.tracer.matmul(*pair) if name == "matmul" else self.tracer.elementwise(name, pair)

    return method


def _in_place(name: str) -> Callable[..., Any]:
    """``x += y``: another value of this name, which the Tensor whose array ``x`` is must be given."""
    operate = _operator(name)

    def method(self: Traced, other: Any) -> Any:
        result = operate(self, other)
        if self.home is not None and self.shape and type(result) is Traced:
            result.home = self.home
            self.tracer.untold[self.home] = line_of_user()
        return result

    return method


for _name, _op in {
    "add": "add", "sub": "subtract", "mul": "multiply", "truediv": "divide", "floordiv": "floor_divide",
    "mod": "remainder", "pow": "power", "matmul": "matmul", "and": "bitwise_and", "or": "bitwise_or",
    "xor": "bitwise_xor",
}.items():  # fmt: skip
    setattr(Traced, f"__{_name}__", _operator(_op))
    setattr(Traced, f"__r{_name}__", _operator(_op, swapped=True))
    setattr(Traced, f"__i{_name}__", _in_place(_op))
for _name, _op in {"lt": "less", "le": "less_equal", "gt": "greater", "ge": "greater_equal"}.items():
    setattr(Traced, f"__{_name}__", _operator(_op))
for _name, _op in {"eq": "equal", "ne": "not_equal"}.items():
    setattr(Traced, f"__{_name}__", _operator(_op))
for _name, _op in {"neg": "negative", "pos": "positive", "abs": "abs", "invert": "bitwise_invert"}.items():
    setattr(Traced, f"__{_name}__", lambda self, op=_op: self.tracer.elementwise(op, (self,)))
