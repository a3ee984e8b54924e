"""Special functions. Values that NumPy lacks come from SciPy (extra ``special``); the derivatives are ours.

Formulas: NIST Digital Library of Mathematical Functions (DLMF), by section.
"""

from __future__ import annotations

import math
from typing import Any

from glassgrad.autograd.common.validation import whole
from glassgrad.autograd.engine.operation import op

HALF = 0.5
"""Below this ``|πx|`` the derivative of `sinc` is taken from its series, because the closed form cancels there."""


@op("sinc", tex=r"\operatorname{{sinc}}({x})")
def sinc(xp, x):
    """Elementwise ``sin(πx) / (πx)``, 1 at 0.

    >>> from glassgrad import autograd as ag
    >>> ag.sinc(ag.Tensor([0.0, 0.5]))
    Tensor([1.0, 0.63662])
    """
    t = math.pi * xp.where(x == 0, 1.0, x)
    return xp.where(x == 0, 1.0, xp.sin(t) / t)


def _sinc_by_x(xp: Any, g: Any, x: Any) -> Any:
    t = math.pi * x
    near = xp.abs(t) < HALF
    s, far = xp.where(near, t, 0.0), xp.where(near, 1.0, t)
    series, power = 0.0 * s, s
    for k in range(1, 9):  # Σ (-1)^k 2k s^(2k-1) / (2k+1)!
        series = series + ((-1) ** k * 2 * k / math.factorial(2 * k + 1)) * power
        power = power * s * s
    closed = (xp.cos(far) - xp.sin(far) / far) / far
    return g * (math.pi * xp.where(near, series, closed))


sinc.vjp(x=_sinc_by_x)


@op("2ˣ", text="2^({x})", tex=r"2^{{{x}}}", level=3)
def exp2(xp, x):
    """Elementwise ``2**x``.

    >>> from glassgrad import autograd as ag
    >>> ag.exp2(ag.Tensor([3.0, -1.0]))
    Tensor([8.0, 0.5])
    """
    return xp.power(xp.full_like(x, 2.0), x)


exp2.vjp(x=lambda g, out: g * (math.log(2) * out))


@op("x ln y", text="xlogy({x}, {y})", tex=r"{x} \ln {y}", broadcasts=True)
def xlogy(xp, x, y):
    """Elementwise ``x * log(y)``. Where ``x`` is 0 and ``y`` is not positive it is 0, and so are its derivatives.

    >>> from glassgrad import autograd as ag
    >>> ag.xlogy(ag.Tensor([0.0, 2.0]), ag.Tensor([0.0, 1.0]))
    Tensor([0.0, 0.0])
    """
    if not hasattr(y, "dtype"):
        y = xp.asarray(y, dtype=x.dtype)
    return x * xp.log(xp.where((x == 0) & ((y <= 0) | (y == math.inf)), 1.0, y))


def _inside(xp: Any, x: Any, y: Any, instead: float) -> Any:
    """``y``, and at the edge, where all derivatives are 0, another number."""
    return xp.where((x == 0) & (y <= 0), instead, y)


xlogy.vjp(
    x=lambda xp, g, x, y: xp.multiply_no_nan(xp.log(_inside(xp, x, y, 1.0)), g),
    y=lambda xp, g, x, y: xp.multiply_no_nan(x / _inside(xp, x, y, math.inf), g),
)


@op("erfc", tex=r"\operatorname{{erfc}}({x})")
def erfc(xp, x):
    """Elementwise complementary error function, ``1 - erf(x)``, exact where that is tiny. Needs SciPy.

    >>> from glassgrad import autograd as ag
    >>> ag.erfc(ag.Tensor([0.0, 10.0]))
    Tensor([1.0, 2.08849e-45])
    """
    return xp.special("erfc", x)


erfc.vjp(x=lambda xp, g, x: g * (-2 / math.sqrt(math.pi)) * xp.exp(-x * x))


@op("erf⁻¹", text="erfinv({x})", tex=r"\operatorname{{erf}}^{{-1}}({x})")
def erfinv(xp, x):
    """Elementwise inverse of `erf`: infinite at -1 and 1, NaN outside. Needs SciPy.

    >>> from glassgrad import autograd as ag
    >>> ag.erfinv(ag.erf(ag.Tensor([0.5])))
    Tensor([0.5])
    """
    return xp.special("erfinv", x)


erfinv.vjp(x=lambda xp, g, out: g * (math.sqrt(math.pi) / 2) * xp.exp(out * out))


@op("ln Γ", text="lgamma({x})", tex=r"\ln \left|\Gamma({x})\right|")
def lgamma(xp, x):
    """Elementwise logarithm of ``|Γ(x)|``. Needs SciPy.

    >>> from glassgrad import autograd as ag
    >>> ag.exp(ag.lgamma(ag.Tensor([5.0])))
    Tensor([24.0])
    """
    found, size = xp.special("gammaln", x), xp.abs(x)
    tiny = (size > 0) & (size < 1e-300)  # where SciPy gives inf; at -inf it gives -inf
    return xp.where(size == math.inf, size, xp.where(tiny, -xp.log(xp.where(tiny, size, 1.0)), found))


# DLMF 5.2.2 and 5.15: ψ is the derivative of ln Γ, and its n-th derivative is the polygamma function of order n.
lgamma.vjp(x=lambda xp, g, x: g * xp.polygamma(x, order=0))


@op("ψ", text="polygamma({x})", tex=r"\psi^{{({order})}}({x})")
def polygamma(xp, x, *, order):
    """Elementwise derivative of `digamma` of the given ``order`` (0: `digamma` itself), for ``x`` > 0. Needs SciPy.

    >>> from glassgrad import autograd as ag
    >>> ag.polygamma(ag.Tensor([1.0]), order=1)
    Tensor([1.64493])
    """
    order = whole(order, "polygamma: order", least=0)
    if not order:
        return xp.special("psi", x)
    return xp.special("zeta", order + 1.0, x) * ((-1.0) ** (order + 1) * math.factorial(order))


polygamma.vjp(x=lambda xp, g, x, order: g * xp.polygamma(x, order=order + 1))


@op("H", text="heaviside({x}, {y})", tex=r"H({x})", broadcasts=True)
def heaviside(xp, x, y):
    """Elementwise step: 0 for ``x`` < 0, 1 for ``x`` > 0, ``y`` at 0, NaN at NaN. No gradient flows to ``x``.

    >>> from glassgrad import autograd as ag
    >>> ag.heaviside(ag.Tensor([-2.0, 0.0, 2.0]), 0.5)
    Tensor([0.0, 0.5, 1.0])
    """
    return xp.where(x > 0, 1.0, xp.where(x == 0, y, xp.where(x < 0, 0.0, x)))


heaviside.vjp(x=None, y=lambda xp, g, x: xp.where(x == 0, g, 0.0))
