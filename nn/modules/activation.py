"""Activation functions as layers. All work elementwise except `Softmax` and `LogSoftmax`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from glassgrad.autograd import asarray
from glassgrad.autograd.common.validation import choice, number
from glassgrad.nn import functional as F
from glassgrad.nn.modules.module import FunctionModule, Module


class Sigmoid(Module):
    """Logistic function ``1 / (1 + exp(-x))``: values in (0, 1)."""

    forward = staticmethod(F.sigmoid)


class Tanh(Module):
    """Hyperbolic tangent: values in (-1, 1)."""

    forward = staticmethod(F.tanh)


class ReLU(Module):
    """``max(x, 0)``."""

    forward = staticmethod(F.relu)


class GELU(Module):
    """``x · Φ(x)``, where Φ is the distribution function of the standard normal."""

    forward = staticmethod(F.gelu)


class Softplus(Module):
    """``log(1 + exp(x))``: a smooth ReLU."""

    forward = staticmethod(F.softplus)


class SiLU(Module):
    """``x · sigmoid(x)``, also called Swish."""

    forward = staticmethod(F.silu)


class ELU(FunctionModule, function=F.elu):
    """``x`` where positive, else ``alpha (exp(x) - 1)``."""

    def __init__(self, alpha: float = 1.0) -> None:
        self.alpha = number(alpha, "alpha")


class Identity(Module):
    """The input itself, for instance in place of a layer that is taken away."""

    forward = staticmethod(asarray)


class LeakyReLU(FunctionModule, function=F.leaky_relu):
    """``x`` where positive, else ``slope * x``; ``negative_slope`` is PyTorch's name of ``slope``."""

    def __init__(self, slope: float = 0.01, *, negative_slope: float | None = None) -> None:
        self.slope = number(slope if negative_slope is None else negative_slope, "slope")


class Softmax(FunctionModule, function=F.softmax):
    """Probabilities along ``axis``: positive, with sum 1. Train on logits with `CrossEntropyLoss` instead.

    ``dim`` is PyTorch's name of ``axis``.
    """

    def __init__(self, axis: int = -1, *, dim: int | None = None) -> None:
        self.axis = axis if dim is None else dim


class LogSoftmax(FunctionModule, function=F.log_softmax):
    """The logarithm of `Softmax`, without overflow; for `NLLLoss`."""

    def __init__(self, axis: int = -1, *, dim: int | None = None) -> None:
        self.axis = axis if dim is None else dim


ACTIVATIONS: dict[str, Callable[[], Module]] = {
    "sigmoid": Sigmoid,
    "tanh": Tanh,
    "relu": ReLU,
    "leaky_relu": LeakyReLU,
    "gelu": GELU,
    "softplus": Softplus,
    "silu": SiLU,
    "elu": ELU,
    "softmax": Softmax,
}
"""Activation layers by the names that `nn.MLP` takes."""


def activation_layer(name: Any) -> Callable[[], Module]:
    """The activation layer of that name. Raises `DomainError` if there is none."""
    return ACTIVATIONS[choice(name, "activation", ACTIVATIONS)]
