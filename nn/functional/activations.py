"""Activation functions that are composed of operations, for Tensors and NumPy arrays."""

from __future__ import annotations

import math
from typing import Any

from glassgrad import autograd as ag


def elu(x: Any, alpha: float = 1.0, *, scale: float = 1.0, input_scale: float = 1.0) -> Any:
    """``scale · x`` where ``x`` is positive, else ``scale · alpha (exp(input_scale · x) - 1)``, of the shape of ``x``.

    D.-A. Clevert, T. Unterthiner and S. Hochreiter, "Fast and accurate deep network learning by exponential linear
    units", ICLR 2016; with the scales also SELU and CELU.

    >>> elu([-1.0, 2.0])
    Tensor([-0.632121,       2.0])
    """
    is_above = ag.greater(x, 0)
    y = ag.where(is_above, x, alpha * ag.expm1(ag.where(is_above, 0.0, x) * input_scale))
    return y if scale == 1 else y * scale


def gelu_tanh(x: Any) -> Any:
    """``x · Φ(x)`` approximated by a hyperbolic tangent."""
    inner = (x + ag.multiply(ag.multiply(x, x), x) * 0.044715) * math.sqrt(2 / math.pi)
    return ag.multiply(x * 0.5, ag.tanh(inner) + 1.0)


def hardsigmoid(x: Any) -> Any:
    """``x / 6 + 0.5`` between 0 and 1."""
    return ag.clip(x * (1 / 6) + 0.5, 0.0, 1.0)


def mish(x: Any) -> Any:
    """``x · tanh(softplus(x))``."""
    return ag.multiply(x, ag.tanh(ag.softplus(x)))


def silu(x: Any, *, alpha: float = 1.0) -> Any:
    """``x · sigmoid(alpha · x)``, of the shape of ``x``.

    S. Elfwing, E. Uchibe and K. Doya, "Sigmoid-weighted linear units", 2018; also called Swish.

    >>> silu([-1.0, 0.0, 1.0])
    Tensor([-0.268941,       0.0,  0.731059])
    """
    return ag.multiply(x, ag.sigmoid(x if alpha == 1 else x * alpha))
