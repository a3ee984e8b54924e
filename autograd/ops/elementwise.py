"""Elementwise operations: arithmetic, powers, exponentials, trigonometry, activations, comparisons."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import reduce
from typing import Any

from glassgrad.autograd.backends import PYTHON_REALS, factor, is_complex
from glassgrad.autograd.engine.operation import Op, op
from glassgrad.autograd.errors import DTypeError


def direct(name: str, doc: str, symbol: str = "", *, of: int = 1, **notation: Any) -> Op:
    """The operation ``xp.name(x)``, or ``xp.name(x, y)`` if it is one ``of`` two arrays that broadcast. ``symbol``: by
    default its name; ``notation`` as for `op`.
    """

    def of_one(xp, x):
        return getattr(xp, name)(x)

    def of_two(xp, x, y):
        return getattr(xp, name)(x, y)

    forward = of_one if of == 1 else of_two
    forward.__name__, forward.__doc__ = name, doc
    return op(symbol or name, broadcasts=of == 2, **notation)(forward)


# ----------------------------------------------------------------------------------------------------------- arithmetic


@op("+", text="{x} + {y}", tex="{x} + {y}", level=1, broadcasts=True)
def add(xp, x, y):
    """Elementwise sum.

    >>> from glassgrad import autograd as ag
    >>> ag.add(ag.Tensor([1.0, 2.0]), 10.0)
    Tensor([11.0, 12.0])
    """
    return x + y


add.vjp(x=lambda g: g, y=lambda g: g)


@op("−", text="{x} - {y}", tex="{x} - {y}", level=1, broadcasts=True)
def subtract(xp, x, y):
    """Elementwise difference."""
    return x - y


subtract.vjp(x=lambda g: g, y=lambda g: -g)


@op("×", text="{x} × {y}", tex=r"{x} \odot {y}", level=2, broadcasts=True)
def multiply(xp, x, y):
    """Elementwise product."""
    return x * y


multiply.vjp(x=lambda g, y: g * y, y=lambda g, x: g * x)


@op("÷", text="{x} / {y}", tex=r"\frac{{{x}}}{{{y}}}", level=2, broadcasts=True)
def divide(xp, x, y):
    """Elementwise quotient."""
    return x / y


divide.vjp(x=lambda xp, g, y: xp.xdivy(g, y), y=lambda xp, g, out, y: -xp.xdivy(xp.multiply_no_nan(out, g), y))


@op("−", text="-{x}", tex="-{x}", level=3)
def negative(xp, x):
    """Elementwise ``-x``."""
    return -x


negative.vjp(x=lambda g: -g)


@op("+", text="+{x}", tex="+{x}", level=3)
def positive(xp, x):
    """Elementwise ``+x``, a copy."""
    return +x


positive.vjp(x=lambda g: g)


@op("1/x", text="1 / {x}", tex=r"\frac{{1}}{{{x}}}", level=2)
def reciprocal(xp, x):
    """Elementwise ``1 / x``."""
    return 1.0 / x


reciprocal.vjp(x=lambda xp, g, out: -xp.multiply_no_nan(out, xp.multiply_no_nan(out, g)))


@op("mod", text="{x} mod {y}", tex=r"{x} \; \mathrm{{mod}} \; {y}", level=2, broadcasts=True)
def remainder(xp, x, y):
    """Elementwise remainder with the sign of ``y``: ``x - y * (x // y)``. Its derivative
    with respect to ``y`` is ``-(x // y)``.
    """
    return xp.remainder(x, y)


remainder.vjp(x=lambda g: g, y=lambda xp, g, x, y: -xp.multiply_no_nan(x // y, g))


@op("÷", text="{x} // {y}", tex=r"\left\lfloor \frac{{{x}}}{{{y}}} \right\rfloor", level=2, broadcasts=True)
def floor_divide(xp, x, y):
    """Elementwise ``floor(x / y)``. Piecewise constant: its gradient is zero."""
    return x // y


floor_divide.vjp(x=lambda xp, g: xp.zeros_like(g), y=lambda xp, g: xp.zeros_like(g))


# For rules whose slope may be infinite or NaN. 0 times infinity is NaN, so the value that `where` did not choose would
# make the gradient NaN. A product that is 0 where the upstream gradient is 0 (a strong zero) is still linear in the
# upstream gradient, and so are its derivatives of any order.


@op("×", text="{x} × {y}", tex=r"{x} \odot {y}", level=2, broadcasts=True)
def multiply_no_nan(xp, x, y):
    """``x * y``, and 0 where ``y`` is 0, even if ``x`` is infinite or NaN. As in TensorFlow.

    >>> from glassgrad import autograd as ag
    >>> ag.multiply_no_nan(ag.Tensor([float("inf"), 3.0]), ag.Tensor([0.0, 2.0]))
    Tensor([0.0, 6.0])
    """
    return y * x if type(x) in PYTHON_REALS else y * xp.where(y == 0, 0.0, x)


multiply_no_nan.vjp(x=lambda xp, g, y: xp.multiply_no_nan(g, y), y=lambda xp, g, x: xp.multiply_no_nan(x, g))


@op("÷", text="{x} / {y}", tex=r"\frac{{{x}}}{{{y}}}", level=2, broadcasts=True)
def xdivy(xp, x, y):
    """``x / y``, and 0 where ``x`` is 0, even if ``y`` is 0 or NaN. As in TensorFlow.

    >>> from glassgrad import autograd as ag
    >>> ag.xdivy(ag.Tensor([0.0, 2.0]), ag.Tensor([0.0, 4.0]))
    Tensor([0.0, 0.5])
    """
    return x / y if type(y) in PYTHON_REALS else x / xp.where(x == 0, 1.0, y)


xdivy.vjp(x=lambda xp, g, y: xp.xdivy(g, y), y=lambda xp, g, x, y: -xp.xdivy(xp.xdivy(xp.multiply_no_nan(g, x), y), y))


# ----------------------------------------------------------------------------------------------------- powers and roots


@op("xʸ", text="{x}^{y}", tex="{x}^{{{y}}}", level=3, broadcasts=True)
def power(xp, x, y):
    """Elementwise ``x ** y``.

    The derivative with respect to ``y`` is ``x**y * log(x)`` where ``x > 0``, NaN where ``x < 0``, and 0 where
    ``x == 0``, to all orders (PyTorch: -inf where ``y < 0``, and NaN for second derivatives). Where ``y == 0`` the
    derivative with respect to ``x`` is 0, also at ``x == 0``.

    >>> from glassgrad import autograd as ag
    >>> ag.grad(lambda x: x**2)(3.0)
    Tensor(6.0)
    """
    return x**y


def _power_by_x(xp: Any, g: Any, x: Any, y: Any) -> Any:
    if type(y) in PYTHON_REALS:  # a constant exponent, known when the rule runs: no guard needed
        if y in (0, 1, 2):
            return g * 2 * x if y == 2 else g * y if y == 1 else 0.0 * g
        return xp.multiply_no_nan(y * x ** (y - 1), g)
    origin = (x == 0) & (y == 0)
    return xp.multiply_no_nan(xp.multiply_no_nan(xp.where(origin, 1.0, x) ** xp.where(origin, 1.0, y - 1), y), g)


def _power_by_y(xp: Any, g: Any, x: Any, out: Any) -> Any:
    zero = x == 0
    base = xp.where(zero, 1.0, x)
    if is_complex(out.dtype) and hasattr(base, "dtype"):  # of a negative number, too, there is a complex logarithm
        base = xp.astype(base, out.dtype)
    return xp.where(zero, 0.0, xp.multiply_no_nan(out, xp.multiply_no_nan(xp.log(base), g)))


power.vjp(x=_power_by_x, y=_power_by_y)
pow = power


@op("x²", text="{x}²", tex="{x}^2", level=3)
def square(xp, x):
    """Elementwise ``x²``."""
    return x * x


square.vjp(x=lambda g, x: g * (2 * x))


@op("√", text="√{x}", tex=r"\sqrt{{{x}}}", level=3)
def sqrt(xp, x):
    """Elementwise square root. At 0 the derivative is infinite, as in PyTorch. Where the upstream gradient is 0 the
    gradient is 0 (PyTorch: NaN).
    """
    return xp.sqrt(x)


sqrt.vjp(x=lambda xp, g, out: xp.xdivy(g, 2 * out))


@op("hypot", broadcasts=True, tex=r"\sqrt{{{x}^2 + {y}^2}}")
def hypot(xp, x, y):
    """Elementwise ``sqrt(x² + y²)`` without overflow. At (0, 0) all derivatives are taken as 0 (PyTorch: NaN)."""
    return xp.hypot(x, y)


def _along(xp: Any, g: Any, x: Any, out: Any) -> Any:
    """``g * x / out``, and 0 where ``out`` is 0."""
    return xp.where(out == 0, 0.0, g * x / xp.where(out == 0, 1.0, out))


hypot.vjp(x=_along, y=lambda xp, g, y, out: _along(xp, g, x=y, out=out))


# --------------------------------------------------------------------------------------------- exponentials, logarithms


exp = direct("exp", "Elementwise exponential.", tex="e^{{{x}}}")
exp.vjp(x=lambda xp, g, out: xp.multiply_no_nan(out, g))

expm1 = direct("expm1", "Elementwise ``exp(x) - 1``, exact near 0.", tex=r"\left(e^{{{x}}} - 1\right)")
expm1.vjp(x=lambda xp, g, x: xp.multiply_no_nan(xp.exp(x), g))  # out + 1 loses all digits for x far below 0


@op("log", text="log({x})", tex=r"\ln {x}")
def log(xp, x):
    """Elementwise natural logarithm. At 0 the derivative is infinite, as in PyTorch. Where the upstream gradient is 0
    the gradient is 0 (PyTorch: NaN).
    """
    return xp.log(x)


log.vjp(x=lambda xp, g, x: xp.xdivy(g, x))

log1p = direct("log1p", "Elementwise ``log(1 + x)``, exact near 0.", text="log(1 + {x})", tex=r"\ln(1 + {x})")
log1p.vjp(x=lambda xp, g, x: xp.xdivy(g, 1 + x))

log2 = direct("log2", "Elementwise logarithm to base 2.", "log₂", tex=r"\log_2 {x}")
log2.vjp(x=lambda xp, g, x: xp.xdivy(g, math.log(2.0) * x))

log10 = direct("log10", "Elementwise logarithm to base 10.", "log₁₀", tex=r"\log_{{10}} {x}")
log10.vjp(x=lambda xp, g, x: xp.xdivy(g, math.log(10.0) * x))


@op("logaddexp", text="log(exp({x}) + exp({y}))", tex=r"\ln(e^{{{x}}} + e^{{{y}}})", broadcasts=True)
def logaddexp(xp, x, y):
    """Elementwise ``log(exp(x) + exp(y))`` without overflow. Where both are -inf it is -inf and its gradient
    is 0, as in `logsumexp` (PyTorch: NaN).
    """
    return xp.logaddexp(x, y)


def _share_of_sum(xp: Any, g: Any, x: Any, y: Any) -> Any:
    return g * xp.exp(-xp.softplus(xp.where((x == y) & (y == -math.inf), 0.0, y) - x))


logaddexp.vjp(x=_share_of_sum, y=lambda xp, g, x, y: _share_of_sum(xp, g, y, x))


# --------------------------------------------------------------------------------------------------------------- angles


sin = direct("sin", "Elementwise sine of radians.", tex=r"\sin {x}")
sin.vjp(x=lambda xp, g, x: g * xp.cos(x))

cos = direct("cos", "Elementwise cosine of radians.", tex=r"\cos {x}")
cos.vjp(x=lambda xp, g, x: -g * xp.sin(x))

tan = direct("tan", "Elementwise tangent of radians.", tex=r"\tan {x}")
tan.vjp(x=lambda g, out: g * (1 + out * out))

asin = direct("asin", "Elementwise inverse sine, in radians.", tex=r"\arcsin {x}")
asin.vjp(x=lambda xp, g, x: xp.xdivy(g, xp.sqrt(1 - x * x)))

acos = direct("acos", "Elementwise inverse cosine, in radians.", tex=r"\arccos {x}")
acos.vjp(x=lambda xp, g, x: -xp.xdivy(g, xp.sqrt(1 - x * x)))

atan = direct("atan", "Elementwise inverse tangent, in radians.", tex=r"\arctan {x}")
atan.vjp(x=lambda g, x: g / (1 + x * x))


@op("atan2", tex=r"\operatorname{{atan2}}({x}, {y})", broadcasts=True)
def atan2(xp, x, y):
    """Elementwise angle of the point (y, x), in radians: ``atan(x / y)`` in the right quadrant. At (0, 0) all
    derivatives are taken as 0 (PyTorch: the first derivatives are 0, the second NaN).
    """
    return xp.atan2(x, y)


def _turned(xp: Any, g: Any, x: Any, radius: Any) -> Any:
    """``g * x / radius²``, and 0 at the origin, without computing the square, which may over- or underflow."""
    return _along(xp, g, x, radius) / xp.where(radius == 0, 1.0, radius)


atan2.vjp(
    x=lambda xp, g, x, y: _turned(xp, g, y, xp.hypot(x, y)), y=lambda xp, g, x, y: -_turned(xp, g, x, xp.hypot(x, y))
)


sinh = direct("sinh", "Elementwise hyperbolic sine.", tex=r"\sinh {x}")
sinh.vjp(x=lambda xp, g, x: xp.multiply_no_nan(xp.cosh(x), g))

cosh = direct("cosh", "Elementwise hyperbolic cosine.", tex=r"\cosh {x}")
cosh.vjp(x=lambda xp, g, x: xp.multiply_no_nan(xp.sinh(x), g))

tanh = direct("tanh", "Elementwise hyperbolic tangent.", tex=r"\tanh {x}")
tanh.vjp(x=lambda g, out: g * (1 - out * out))

asinh = direct("asinh", "Elementwise inverse hyperbolic sine.", tex=r"\operatorname{{arsinh}} {x}")
asinh.vjp(x=lambda xp, g, x: g / (xp.sqrt(x * x + 1) if is_complex(x.dtype) else xp.hypot(x, 1.0)))

acosh = direct("acosh", "Elementwise inverse hyperbolic cosine.", tex=r"\operatorname{{arcosh}} {x}")


def _acosh_by_x(xp: Any, g: Any, x: Any) -> Any:
    # Of complex numbers, whose square may cross the negative axis, where the root jumps.
    return xp.xdivy(g, xp.sqrt(x - 1) * xp.sqrt(x + 1) if is_complex(x.dtype) else xp.sqrt(x * x - 1))


acosh.vjp(x=_acosh_by_x)

atanh = direct("atanh", "Elementwise inverse hyperbolic tangent.", tex=r"\operatorname{{artanh}} {x}")
atanh.vjp(x=lambda xp, g, x: xp.xdivy(g, 1 - x * x))


# ----------------------------------------------------------------------------------------------- kinks, bounds, choices


def conjugate(xp: Any, g: Any) -> Any:
    """The complex conjugate; real numbers as they are."""
    return xp.conj(g) if g.dtype.kind == "c" else g


def check_real(x: Any) -> None:
    """Raise for complex numbers, which an operation does not take."""
    if is_complex(getattr(x, "dtype", float)):  # a user's forward may give a number of Python
        raise TypeError("it takes real numbers")


@op("|x|", text="|{x}|", tex=r"\left|{x}\right|")
def abs(xp, x):
    """Elementwise absolute value. At 0 the derivative is taken as 0, as in PyTorch."""
    return xp.abs(x)


abs.vjp(x=lambda xp, g, x: g * conjugate(xp, xp.sign(x)))


@op("sign", tex=r"\operatorname{{sgn}}({x})")
def sign(xp, x):
    """Elementwise sign: -1, 0 or 1. Piecewise constant: its gradient is zero. Of complex numbers it is ``x / |x|``."""
    return xp.sign(x)


def _sign_by_x(xp: Any, g: Any, x: Any, out: Any) -> Any:
    if not is_complex(x.dtype):
        return xp.zeros_like(g)
    return xp.xdivy(xp.imag(g * out) * 1j * xp.conj(out), xp.abs(x))  # x / |x| can only turn


sign.vjp(x=_sign_by_x)


@op("copysign", tex=r"\left|{x}\right| \operatorname{{sgn}}({y})", broadcasts=True)
def copysign(xp, x, y):
    """Elementwise ``|x|`` with the sign of ``y``, also of ``-0.0``. The derivative with respect to ``y`` is 0, and that
    with respect to ``x`` is taken as 0 at 0.

    >>> from glassgrad import autograd as ag
    >>> ag.copysign(ag.Tensor([3.0, 3.0]), [-1.0, 0.0])
    Tensor([-3.0, 3.0])
    """
    return xp.copysign(x, y)


copysign.vjp(x=lambda xp, g, x, y: xp.sign(x) * xp.where(xp.signbit(y), -g, g), y=lambda xp, g: xp.zeros_like(g))


def _step(name: str, doc: str, symbol: str, **notation: Any) -> Op:
    """The piecewise constant operation ``xp.name(x)``."""
    made = direct(name, f"{doc} Piecewise constant: its gradient is zero.", symbol, **notation)
    made.vjp(x=lambda xp, g: xp.zeros_like(g))
    return made


FLOOR, CEIL = r"\left\lfloor {x} \right\rfloor", r"\left\lceil {x} \right\rceil"
floor = _step("floor", "Elementwise largest integer not above.", "⌊x⌋", text="⌊{x}⌋", tex=FLOOR)
ceil = _step("ceil", "Elementwise smallest integer not below.", "⌈x⌉", text="⌈{x}⌉", tex=CEIL)
round = _step("round", "Elementwise nearest integer, ties to even.", "round", tex=r"\operatorname{{round}}({x})")
trunc = _step("trunc", "Elementwise integer part.", "trunc", tex=r"\operatorname{{trunc}}({x})")


@op("next", text="nextafter({x}, {y})", tex=r"\operatorname{{nextafter}}({x}, {y})", broadcasts=True)
def nextafter(xp, x, y):
    """Elementwise the next representable number after ``x`` towards ``y``. The gradient flows to ``x`` alone.

    >>> from glassgrad import autograd as ag
    >>> ag.nextafter(ag.Tensor(1.0), 2.0).item()
    1.0000000000000002
    """
    return xp.nextafter(x, y)


nextafter.vjp(x=lambda g: g, y=lambda xp, g: xp.zeros_like(g))


def _share(xp: Any, g: Any, other: Any, equal: Any) -> Any:
    """Half of ``g`` where both values are equal, 0 where the ``other`` is taken, else ``g``, also where one is NaN."""
    return xp.where(equal, 0.5 * g, xp.where(other, 0.0, g))


@op("max", text="max({x}, {y})", tex=r"\max({x}, {y})", broadcasts=True)
def maximum(xp, x, y):
    """Elementwise larger value. Equal values get half of the gradient each; if one is NaN, both get all of it, as in
    PyTorch."""
    return xp.maximum(x, y)


maximum.vjp(x=lambda xp, g, x, y: _share(xp, g, x < y, x == y), y=lambda xp, g, x, y: _share(xp, g, y < x, x == y))


@op("min", text="min({x}, {y})", tex=r"\min({x}, {y})", broadcasts=True)
def minimum(xp, x, y):
    """Elementwise smaller value. Equal values get half of the gradient each; if one is NaN, both get all of it, as in
    PyTorch."""
    return xp.minimum(x, y)


minimum.vjp(x=lambda xp, g, x, y: _share(xp, g, x > y, x == y), y=lambda xp, g, x, y: _share(xp, g, y > x, x == y))


@op("clip", text="clip({x}, {min}, {max})", tex=r"\operatorname{{clip}}({x}, {min}, {max})", broadcasts=True)
def clip(xp, x, min=None, max=None):
    """``x`` limited to ``[min, max]``. A limit is a number, an array that broadcasts, or ``None``.

    As in PyTorch the gradient flows to ``x`` within the limits, ends included, and to the limit outside of them; it is
    0 where ``x`` or a limit is NaN.

    >>> from glassgrad import autograd as ag
    >>> ag.clip(ag.Tensor([-2.0, 0.5, 3.0]), 0.0, 1.0)
    Tensor([0.0, 0.5, 1.0])
    """
    if min is None and max is None:
        return +x
    if not (hasattr(min, "shape") or hasattr(max, "shape")):
        return xp.clip(x, min, max)
    if min is not None and not (hasattr(x, "shape") or hasattr(min, "shape")):
        # Equal to min(max(x, min), max). Each call has an array, because NumPy computes in float64 with two numbers.
        return xp.maximum(xp.minimum(x, max), xp.minimum(min, max))
    x = x if min is None else xp.maximum(x, min)
    return x if max is None else xp.minimum(x, max)


def _inside(xp: Any, g: Any, x: Any, min: Any, max: Any) -> Any:
    within = (x >= (-math.inf if min is None else min)) & (x <= (math.inf if max is None else max))
    return xp.where(within, g, 0.0)


def _below(xp: Any, g: Any, x: Any, min: Any, max: Any) -> Any:
    return xp.where((x < min) & (min <= (math.inf if max is None else max)), g, 0.0)


def _above(xp: Any, g: Any, x: Any, min: Any, max: Any) -> Any:
    return xp.where((x > max) | (max < (-math.inf if min is None else min)), g, 0.0)


clip.vjp(x=_inside, min=_below, max=_above)


@op(
    "where", text="{x} if {condition} else {y}", tex=r"[{condition}] \, {x} + [\neg {condition}] \, {y}", level=1,
    broadcasts=True,
)  # fmt: skip
def where(xp, condition, x, y):
    """``x`` where ``condition`` holds, else ``y``. No gradient flows to the value that was not chosen.

    So it guards a logarithm, a root, a quotient or a power that is not chosen, to any order; in PyTorch the gradient
    is NaN unless the argument is guarded as well. See docs/conventions.md.

    >>> from glassgrad import autograd as ag
    >>> ag.where(ag.Tensor([1.0, -1.0]) > 0, 5.0, 7.0)
    Tensor([5.0, 7.0])
    """
    return xp.where(condition, x, y)


where.vjp(
    x=lambda xp, g, condition: xp.where(condition, g, 0.0), y=lambda xp, g, condition: xp.where(condition, 0.0, g)
)


# ---------------------------------------------------------------------------------------------------------- activations


@op("σ", text="σ({x})", tex=r"\sigma({x})")
def sigmoid(xp, x):
    """Elementwise logistic function ``1 / (1 + exp(-x))``, written with tanh so that it never overflows.

    It is exactly 0, and so is its derivative, below about -20 in float32 and -38 in float64. For its logarithm write
    ``-softplus(-x)``, or use the losses that take logits.

    >>> from glassgrad import autograd as ag
    >>> ag.sigmoid(ag.Tensor([0.0, 1000.0]))
    Tensor([0.5, 1.0])
    """
    half = factor(0.5, x)
    out = xp.tanh(half * x)
    out *= half  # in place: this array is ours alone
    out += half
    return out


sigmoid.vjp(x=lambda g, out: g * (out * (1 - out)))


@op("relu", text="relu({x})", tex=r"\max({x}, 0)")
def relu(xp, x):
    """Elementwise ``max(x, 0)``. At 0 the derivative is taken as 0, at NaN as 1, as in PyTorch."""
    return xp.maximum(x, 0.0)


relu.vjp(x=lambda xp, g, out: xp.where(out != 0, g, 0.0))  # it is positive, 0 or NaN


@op("leaky relu", tex=r"\max({x}, {slope} \, {x})")
def leaky_relu(xp, x, *, slope=0.01):
    """Elementwise ``x`` where positive, else ``slope * x`` (Maas, Hannun and Ng 2013). At 0 the derivative is
    ``slope``.
    """
    if hasattr(slope, "requires_grad"):
        raise DTypeError("slope is a Tensor, and gets no gradient: write .item(), or compute with where.")
    return xp.where(x > 0, x, slope * x)


leaky_relu.vjp(x=lambda xp, g, x, slope: xp.where(x > 0, g, slope * g))


@op("softplus", text="log(1 + exp({x}))", tex=r"\ln(1 + e^{{{x}}})")
def softplus(xp, x):
    """Elementwise ``log(1 + exp(x))`` without overflow."""
    return xp.logaddexp(x, 0.0)


# The sigmoid, in a form that stays exact where it is close to 0.
softplus.vjp(x=lambda xp, g, x: g * xp.exp(-xp.softplus(-x)))


@op("gelu", tex=r"{x} \, \Phi({x})")
def gelu(xp, x):
    """Elementwise ``x * Φ(x)`` with the normal distribution's Φ (Hendrycks and Gimpel 2016), exact, by `erf`."""
    return x * (0.5 + 0.5 * xp.erf(x * math.sqrt(0.5)))


gelu.vjp(
    x=lambda xp, g, x: g * (0.5 + 0.5 * xp.erf(x * math.sqrt(0.5)) + x * xp.exp(-0.5 * x * x) / math.sqrt(2 * math.pi))
)


def _polynomial(x: Any, coefficients: Sequence[float]) -> Any:
    """The polynomial of ``x``, by Horner's scheme, highest power first."""
    return reduce(lambda value, c: value * x + c, coefficients)


# erf(x) / x by powers of x² up to |x| = 0.5, and exp(x²) erfc(x) by powers of 1 / (1 + 0.35 x) up to 6, fitted so that
# times exp(-x²) it is wrong by less than 5e-17.
NEAR = [2 / math.sqrt(math.pi) * (-1) ** n / (math.factorial(n) * (2 * n + 1)) for n in range(12)][::-1]
FAR = (
    1.4072087516171141e-2, -0.15513544454081159, 0.72136407802968073, -1.8391758796051402, 2.8214421588582394,
    -2.8596991733750653, 2.2352488555266425, -1.024105055057594, 0.60846671276536793, 6.2142536022821216e-2,
    0.22035577887558039, 0.19489048061458157, 1.3286353927872691e-4,
)  # fmt: skip


@op("erf", tex=r"\operatorname{{erf}}({x})")
def erf(xp, x):
    """Elementwise error function of real numbers, to double precision."""
    check_real(x)
    a = xp.abs(x)
    small, large = xp.where(a < 0.5, x, 0.0), xp.clip(a, 0.5, 6.0)
    complement = xp.exp(-large * large) * _polynomial(1 / (1 + 0.35 * large), FAR)
    return xp.where(a < 0.5, small * _polynomial(small * small, NEAR), xp.sign(x) * (1 - complement))


erf.vjp(x=lambda xp, g, x: g * (2 / math.sqrt(math.pi)) * xp.exp(-x * x))


# --------------------------------------------------------------------------------------------- comparisons, no gradient


def _constant(sign: str, name: str, doc: str, tex: str) -> Op:
    """The operation ``xp.name(x, y)``, written as a ``sign`` between two values, which has no gradient."""
    between = {"text": f"{{x}} {sign} {{y}}", "tex": f"{{x}} {tex} {{y}}"}
    return direct(name, f"{doc} No gradient.", sign, of=2, level=1, **between)


equal = _constant("=", "equal", "Elementwise ``x == y``, as booleans.", "=")
not_equal = _constant("≠", "not_equal", "Elementwise ``x != y``, as booleans.", r"\neq")
less = _constant("<", "less", "Elementwise ``x < y``, as booleans.", "<")
less_equal = _constant("≤", "less_equal", "Elementwise ``x <= y``, as booleans.", r"\leq")
greater = _constant(">", "greater", "Elementwise ``x > y``, as booleans.", ">")
greater_equal = _constant("≥", "greater_equal", "Elementwise ``x >= y``, as booleans.", r"\geq")
logical_and = _constant("and", "logical_and", "Elementwise ``x and y`` of booleans.", r"\wedge")
logical_or = _constant("or", "logical_or", "Elementwise ``x or y`` of booleans.", r"\vee")
logical_xor = _constant("xor", "logical_xor", "Elementwise exclusive or of booleans.", r"\oplus")
bitwise_and = _constant("&", "bitwise_and", "Elementwise ``x & y`` of booleans or integers.", r"\wedge")
bitwise_or = _constant("|", "bitwise_or", "Elementwise ``x | y`` of booleans or integers.", r"\vee")
bitwise_xor = _constant("^", "bitwise_xor", "Elementwise ``x ^ y`` of booleans or integers.", r"\oplus")
bitwise_left_shift = _constant("<<", "bitwise_left_shift", "The bits of ``x`` shifted left by ``y``.", r"\ll")
bitwise_right_shift = _constant(">>", "bitwise_right_shift", "The bits of ``x`` shifted right by ``y``.", r"\gg")


logical_not = direct(
    "logical_not", "Elementwise negation of booleans. No gradient.", "not", text="not {x}", tex=r"\neg {x}", level=3
)


@op("~", text="~{x}", tex=r"\neg {x}", level=3)
def bitwise_invert(xp, x):
    """``~x``: elementwise negation of booleans, or of the bits of integers. No gradient."""
    return xp.bitwise_invert(x)


signbit = direct("signbit", "Whether the sign bit of each element is set, also of ``-0.0``. No gradient.")
isfinite = direct("isfinite", "Whether each element is neither NaN nor infinite. No gradient.")
isinf = direct("isinf", "Whether each element is infinite. No gradient.")
isnan = direct("isnan", "Whether each element is NaN. No gradient.")


@op("Re", tex=r"\operatorname{{Re}} {x}")
def real(xp, x):
    """Elementwise real part: ``x`` where it is real.

    >>> from glassgrad import autograd as ag
    >>> ag.real([1 + 2j])
    Tensor([1.0])
    """
    return xp.real(x) if is_complex(x.dtype) else +x


real.vjp(x=lambda g: g)
real.uneven = True  # the gradient has to be cast back


@op("Im", tex=r"\operatorname{{Im}} {x}")
def imag(xp, x):
    """Elementwise imaginary part: 0 where ``x`` is real.

    >>> from glassgrad import autograd as ag
    >>> ag.imag([1 + 2j])
    Tensor([2.0])
    """
    return xp.imag(x) if is_complex(x.dtype) else xp.zeros_like(x)


imag.vjp(x=lambda xp, g, x: g * -1j if is_complex(x.dtype) else xp.zeros_like(g))


@op("conj", tex=r"\overline{{{x}}}")
def conj(xp, x):
    """Elementwise complex conjugate: ``x`` where it is real.

    >>> from glassgrad import autograd as ag
    >>> ag.conj([1 + 2j]).item()
    (1-2j)
    """
    return xp.conj(x) if is_complex(x.dtype) else +x


conj.vjp(x=conjugate)
