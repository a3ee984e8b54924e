"""`Number`: a float that may differ at each call, as long as it is only used in arithmetic.

Arithmetic with other numbers and with arrays is recorded. Any other use, such as ``if``, ``float()``, a comparison or
an index, gets the value at the time of the trace, and the program is then valid for this value only.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy

from glassgrad.autograd import backends
from glassgrad.autograd.common.contexts import TRACER
from glassgrad.autograd.common.operators import ARITHMETIC
from glassgrad.autograd.compiler.tracing.traced import Traced
from glassgrad.autograd.engine.tensor import Tensor


class Number:
    """A float in a trace: ``value`` is that of the trace, ``traced`` stands for that of each call, and ``places`` are
    the arguments and learning rates that it depends on.
    """

    __slots__ = ("traced", "value", "places")

    def __init__(self, traced: Traced, value: float, places: frozenset[Any]) -> None:
        self.traced, self.value, self.places = traced, value, places

    __class__ = property(lambda self: float)  # for isinstance

    @property
    def tracer(self) -> Any:
        """The tracer that records its arithmetic."""
        return self.traced.tracer

    def ask(self) -> float:
        """Return the value; the program is from now on valid for this value only."""
        now = TRACER.get()
        while now is not None and now is not self.tracer:
            now = getattr(now, "outer", None)  # from the trace of a loop's body to the one around it
        if now is not None:
            self.tracer.asked |= self.places
        return self.value

    def __getattr__(self, name: str) -> Any:
        if not hasattr(self.value, name):
            raise AttributeError(f"'float' object has no attribute {name!r}")
        return getattr(self.ask(), name)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        if method == "__call__" and not options and TRACER.get() is self.tracer:
            return getattr(backends.SPACES[Traced], ufunc.__name__)(*inputs)
        return getattr(ufunc, method)(*(x.ask() if type(x) is Number else x for x in inputs), **options)

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return numpy.asarray(self.ask(), dtype)


def _is_recorded(name: str, left: Any, right: Any) -> bool:
    """Whether NumPy's result for two numbers is Python's: not where a power may be complex, or an error."""
    if type(left) not in (Number, float, int) or type(right) not in (Number, float, int):
        return False
    if name == "pow":
        return (type(left) is not Number and left > 0) or (type(right) is int and right > 0)
    return name not in ("floordiv", "mod")


def _binary(name: str, swapped: bool = False) -> Callable[..., Any]:
    operate = getattr(operator, name)

    def method(self: Number, other: Any) -> Any:
        if isinstance(other, Tensor):
            return NotImplemented
        pair = (other, self) if swapped else (self, other)
        is_array = type(other) is Traced or isinstance(other, numpy.ndarray | numpy.generic)
        if TRACER.get() is not self.tracer or not (is_array or _is_recorded(name, *pair)):
            return operate(*(x.ask() if type(x) is Number else x for x in pair))
        if is_array:
            return self.tracer.elementwise(ARITHMETIC[name], pair)
        value = operate(*(x.value if type(x) is Number else x for x in pair))  # which may raise
        places = self.places | other.places if type(other) is Number else self.places
        return Number(self.tracer.elementwise(ARITHMETIC[name], pair), value, places)

    return method


for _name in ARITHMETIC:
    setattr(Number, f"__{_name}__", _binary(_name))
    setattr(Number, f"__r{_name}__", _binary(_name, swapped=True))
for _name, _factor in (("neg", -1), ("pos", 1)):
    setattr(Number, f"__{_name}__", lambda self, factor=_factor: self * factor)


def _asking(name: str) -> Callable[..., Any]:
    def method(self: Number, *args: Any) -> Any:
        if any(type(x) is Traced or isinstance(x, Tensor | numpy.ndarray) for x in args):
            return NotImplemented
        return getattr(self.ask(), name)(*(x.ask() if type(x) is Number else x for x in args))

    return method


for _name in (
    "bool", "float", "int", "index", "complex", "round", "trunc", "floor", "ceil", "abs", "divmod", "rdivmod", "hash",
    "str", "repr", "format", "eq", "ne", "lt", "le", "gt", "ge", "and", "or", "xor", "lshift", "rshift", "invert",
    "rand", "ror", "rxor", "rlshift", "rrshift", "reduce_ex",
):  # fmt: skip
    setattr(Number, f"__{_name}__", _asking(f"__{_name}__"))


backends.add_scalar(Number)


__all__ = ["Number"]
