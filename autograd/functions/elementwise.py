"""Elementwise functions composed of operations."""

from __future__ import annotations

import math
from typing import Any

from glassgrad.autograd.engine.tensor import Tensor
from glassgrad.autograd.functions.conversion import asarray
from glassgrad.autograd.ops import elementwise as ops
from glassgrad.autograd.ops import special


def digamma(x: Any) -> Tensor:
    """Elementwise derivative of `lgamma`. Needs SciPy.

    >>> from glassgrad import autograd as ag
    >>> ag.digamma(ag.Tensor([1.0]))
    Tensor([-0.577216])
    """
    return special.polygamma(x, order=0)


def rsqrt(x: Any) -> Tensor:
    """Elementwise ``1 / sqrt(x)``.

    >>> from glassgrad import autograd as ag
    >>> ag.rsqrt(ag.Tensor([4.0]))
    Tensor([0.5])
    """
    return ops.reciprocal(ops.sqrt(x))


def fmod(x: Any, y: Any) -> Tensor:
    """Elementwise remainder with the sign of ``x``, as C's.

    >>> from glassgrad import autograd as ag
    >>> ag.fmod(ag.Tensor([5.0, -5.0]), 3.0)
    Tensor([2.0, -2.0])
    """
    x, size = asarray(x), abs(y) if isinstance(y, int | float) else ops.abs(y)
    return ops.where(x < 0, ops.negative(ops.remainder(ops.negative(x), size)), ops.remainder(x, size))


def fmax(x: Any, y: Any) -> Tensor:
    """Elementwise maximum that ignores NaN where the other value is a number. Equal values share the gradient, as in
    `maximum` (PyTorch gives it to ``x``).

    >>> from glassgrad import autograd as ag
    >>> ag.fmax(ag.Tensor([1.0, ag.nan]), 0.0)
    Tensor([1.0, 0.0])
    """
    return ops.maximum(ops.where(ops.isnan(x), y, x), ops.where(ops.isnan(y), x, y))


def fmin(x: Any, y: Any) -> Tensor:
    """Elementwise minimum that ignores NaN where the other value is a number. Equal values share the gradient, as in
    `minimum` (PyTorch gives it to ``x``).

    >>> from glassgrad import autograd as ag
    >>> ag.fmin(ag.Tensor([1.0, ag.nan]), 2.0)
    Tensor([1.0, 2.0])
    """
    return ops.minimum(ops.where(ops.isnan(x), y, x), ops.where(ops.isnan(y), x, y))


def deg2rad(x: Any) -> Tensor:
    """Elementwise degrees as radians.

    >>> from glassgrad import autograd as ag
    >>> ag.deg2rad(ag.Tensor([180.0]))
    Tensor([3.14159])
    """
    return ops.multiply(x, math.pi / 180)


def rad2deg(x: Any) -> Tensor:
    """Elementwise radians as degrees.

    >>> from glassgrad import autograd as ag
    >>> ag.rad2deg(ag.Tensor([ag.pi]))
    Tensor([180.0])
    """
    return ops.multiply(x, 180 / math.pi)


def isclose(x: Any, y: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Tensor:
    """Elementwise ``|x - y| <= atol + rtol * |y|``, true for equal infinities, and for two NaNs with ``equal_nan``.

    >>> from glassgrad import autograd as ag
    >>> ag.isclose(ag.Tensor([1.0, ag.nan]), ag.Tensor([1.0 + 1e-9, ag.nan])).tolist()
    [True, False]
    """
    x, y = asarray(x).detach(), asarray(y).detach()
    same = x == y
    x, y = ops.where(same, 0.0, x), ops.where(same, 0.0, y)  # equal infinities have no difference
    close = same | (ops.less_equal(ops.abs(x - y), atol + rtol * ops.abs(y)) & (ops.abs(y) < math.inf))
    return close | (ops.isnan(x) & ops.isnan(y)) if equal_nan else close  # type: ignore[no-any-return]


def clamp(x: Any, min: Any = None, max: Any = None) -> Tensor:
    """`clip` under PyTorch's name.

    >>> from glassgrad import autograd as ag
    >>> ag.clamp(ag.Tensor([-2.0, 5.0]), min=0.0, max=1.0)
    Tensor([0.0, 1.0])
    """
    return ops.clip(x, min=min, max=max)


def stop_gradient(x: Any) -> Tensor:
    """``x`` as a constant: ``x.detach()`` under JAX's name.

    >>> from glassgrad import autograd as ag
    >>> ag.grad(lambda x: x * ag.stop_gradient(x))(3.0)
    Tensor(3.0)
    """
    return asarray(x).detach()
