"""`Number`: a Python number that may differ at each call, as long as it is only used in arithmetic.

Arithmetic with other numbers is recorded, and repeated in Python at each call. Combined with an array, the result
becomes an input of the program. Any other use, such as ``if``, ``float()``, a comparison or an index, gets the value at
the time of the trace, and the program is then valid for this value only.
"""

from __future__ import annotations

import functools
import operator
import weakref
from collections.abc import Callable
from typing import Any

import numpy

from glassgrad.autograd import backends
from glassgrad.autograd.common.contexts import TRACER
from glassgrad.autograd.compiler.tracing.traced import Traced
from glassgrad.autograd.engine.tensor import Tensor

KINDS = (float, int)
"""The types of numbers that a program may read at each call."""


class Number:
    """A number in a trace: ``value`` during the trace, ``text`` the expression that ``now`` computes at each call from
    the numbers at ``places``.
    """

    __slots__ = ("tracer", "value", "text", "now", "places", "__weakref__")

    def __init__(self, tracer: Any, value: Any, text: str, now: Callable[[], Any], places: frozenset[Any]) -> None:
        self.tracer, self.value, self.text, self.now, self.places = tracer, value, text, now, places
        tracer.made.append(weakref.ref(self))

    __class__ = property(lambda self: type(self.value))  # so that it is an instance of float

    def ask(self) -> Any:
        """Return the value; the program is from now on valid for this value only."""
        now = TRACER.get()
        while now is not None and now is not self.tracer:
            now = getattr(now, "outer", None)  # from the trace of a loop's body to the one around it
        if now is not None:
            self.tracer.asked |= self.places
        return self.value

    def __getattr__(self, name: str) -> Any:
        if not hasattr(self.value, name):
            raise AttributeError(f"{type(self.value).__name__!r} object has no attribute {name!r}")
        return getattr(self.ask(), name)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        if method == "__call__" and not options and TRACER.get() is self.tracer:
            return getattr(backends.SPACES[Traced], ufunc.__name__)(*inputs)
        return getattr(ufunc, method)(*(x.ask() if type(x) is Number else x for x in inputs), **options)

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return numpy.asarray(self.ask(), dtype)


def _of_numbers(sign: str, operate: Callable[..., Any], *args: Any) -> Any:
    """Apply ``operate``; the result is a `Number` if its type is one of `KINDS`, else a plain value."""
    numbers = [x for x in args if type(x) is Number]
    values = [x.value if type(x) is Number else x for x in args]
    result = operate(*values)
    tracer = numbers[0].tracer
    whole = all(type(value) is int for value in values)
    depends = whole and sign == "**"  # an int or a float, depending on the exponent's sign
    if TRACER.get() is not tracer or type(result) not in KINDS or depends:
        return operate(*(x.ask() if type(x) is Number else x for x in args))
    texts = [x.text if type(x) is Number else repr(x) for x in args]
    readers = [x.now if type(x) is Number else functools.partial(_same, x) for x in args]
    text = f"({texts[0]} {sign} {texts[1]})" if len(args) > 1 else f"({sign}{texts[0]})"
    places = frozenset().union(*(x.places for x in numbers))
    return Number(tracer, result, text, lambda: operate(*(read() for read in readers)), places)


def _same(x: Any) -> Any:
    """``x``. Used in a `Number`'s ``now`` for plain values, so that ``now`` keeps no `Number` alive."""
    return x


def _binary(name: str, sign: str, swapped: bool = False) -> Callable[..., Any]:
    operate = getattr(operator, name)

    def method(self: Number, other: Any) -> Any:
        pair = (other, self) if swapped else (self, other)
        if type(other) in (Number, *KINDS):
            return _of_numbers(sign, operate, *pair)
        if isinstance(other, Tensor):
            return NotImplemented
        if TRACER.get() is self.tracer and (type(other) is Traced or isinstance(other, numpy.ndarray | numpy.generic)):
            return self.tracer.elementwise(_UFUNCS[name], pair)
        return operate(*(x.ask() if type(x) is Number else x for x in pair))

    return method


_UFUNCS = {
    "add": "add", "sub": "subtract", "mul": "multiply", "truediv": "divide", "floordiv": "floor_divide",
    "mod": "remainder", "pow": "power",
}  # fmt: skip
for _name, _sign in zip(_UFUNCS, ("+", "-", "*", "/", "//", "%", "**"), strict=True):
    setattr(Number, f"__{_name}__", _binary(_name, _sign))
    setattr(Number, f"__r{_name}__", _binary(_name, _sign, swapped=True))
for _name, _sign, _operate in (("neg", "-", operator.neg), ("pos", "+", operator.pos)):
    setattr(Number, f"__{_name}__", lambda self, s=_sign, f=_operate: _of_numbers(s, f, self))


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


class Place:
    """A place from which a Python number is read at each call, in the form of a mapping."""

    __slots__ = ("now",)

    def __init__(self, now: Callable[[], Any]) -> None:
        self.now = now

    def __getitem__(self, text: str) -> Any:
        return self.now()


__all__ = ["KINDS", "Number", "Place"]
