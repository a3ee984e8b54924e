"""`Number`: a float that may differ at each call, as long as it is only used in arithmetic.

Arithmetic with other numbers and with arrays is recorded. Any other use, such as ``if``, ``float()``, a comparison or
an index, is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy

from glassgrad.autograd import backends
from glassgrad.autograd.common.contexts import TRACER
from glassgrad.autograd.common.operators import ARITHMETIC
from glassgrad.autograd.compiler.tracing.lines import refusal
from glassgrad.autograd.compiler.tracing.traced import Traced
from glassgrad.autograd.engine.tensor import Tensor


class Number:
    """A float in a trace: ``traced`` stands for that of each call."""

    __slots__ = ("traced",)

    def __init__(self, traced: Traced) -> None:
        self.traced = traced

    __class__ = property(lambda self: float)  # for isinstance

    @property
    def tracer(self) -> Any:
        """The tracer that records its arithmetic."""
        return self.traced.tracer

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
        return getattr(backends.SPACES[Traced], ufunc.__name__)(*inputs)

    __array__ = ask


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


__all__ = ["Number"]
