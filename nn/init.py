"""Initial values, by the names of the papers that proposed them. Each fills a Tensor in place and returns it.

Randomness is explicit: ``seed`` is an integer, or a NumPy ``Generator`` that several calls share and that moves on with
each draw; ``None``, the default, takes fresh entropy from the system, so that no two runs agree. There is no global
generator. All draws are made on the CPU in float64 and then rounded, so that a seed gives the same net in every dtype
and on every device.

>>> import nn
>>> layer = nn.Linear(4, 2, seed=0)
>>> nn.init.kaiming_normal_(layer.weight, seed=1) is layer.weight
True
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeVar

from autograd import Tensor, asarray
from autograd.backends import NUMPY
from autograd.errors import DomainError, ShapeError
from autograd.validation import number, refused

T = TypeVar("T", bound=Tensor)
Draw = Callable[[tuple[int, ...]], Any]


def generator(seed: Any = None) -> Any:
    """The NumPy ``Generator`` for ``seed``: itself where it is one, else a new one from an integer or fresh entropy.

    Raises `autograd.errors.DomainError` for what is no seed.

    >>> generator(0).integers(10, size=3)
    array([8, 6, 5])
    """
    try:
        return NUMPY.random.default_rng(seed)
    except (TypeError, ValueError):
        raise DomainError(
            f"seed = {seed!r} is no seed: give an integer from 0 on, a numpy Generator, or None."
        ) from None


def _leaf(tensor: T) -> T:
    if not isinstance(tensor, Tensor) or tensor.node is not None:
        raise refused(tensor, "tensor", "a leaf Tensor, such as a module's parameter, whose values are to be set")
    return tensor


def _set(tensor: T, draw: Draw) -> T:
    values = draw(_leaf(tensor).shape)
    tensor._set(asarray(values, dtype=tensor.dtype, device=tensor.device).data)
    return tensor


def _fans(tensor: Tensor) -> tuple[int, int]:
    """How many values enter and leave a unit of a weight ``(out, in, …)``."""
    if _leaf(tensor).ndim < 2:
        raise ShapeError(
            f"a Tensor of shape {tensor.shape} has no fan-in and fan-out: this initialiser is for weights (out, in); "
            "use zeros_, constant_, uniform_ or normal_ for others."
        )
    field = math.prod(tensor.shape[2:])
    return tensor.shape[1] * field, tensor.shape[0] * field


def calculate_gain(activation: str, slope: float = 0.01) -> float:
    """How much larger weights must be to make up for what the activation after them shrinks; PyTorch's values.

    ``activation``: ``"linear"``, ``"sigmoid"`` (1), ``"tanh"`` (5/3), ``"relu"`` (√2), ``"leaky_relu"`` (√(2 / (1 +
    slope²))). Raises `autograd.errors.DomainError` for another.

    >>> calculate_gain("tanh")
    1.6666666666666667
    """
    slope = number(slope, "slope")
    gains = {
        "linear": 1.0,
        "sigmoid": 1.0,
        "tanh": 5 / 3,
        "relu": math.sqrt(2),
        "leaky_relu": math.sqrt(2 / (1 + slope * slope)),
    }
    if not isinstance(activation, str) or activation not in gains:
        raise DomainError(f"no gain is known for activation {activation!r}: choose one of {', '.join(gains)}.")
    return gains[activation]


def constant_(tensor: T, value: float) -> T:
    """Every element ``value``."""
    value = number(value, "value")
    return _set(tensor, lambda shape: NUMPY.full(shape, value))


def zeros_(tensor: T, *, seed: Any = None) -> T:
    """Every element 0. ``seed`` is there only to be called like the others."""
    return constant_(tensor, 0.0)


def ones_(tensor: T) -> T:
    """Every element 1."""
    return constant_(tensor, 1.0)


def uniform_(tensor: T, low: float = 0.0, high: float = 1.0, *, seed: Any = None) -> T:
    """Uniform on ``[low, high)``."""
    low = number(low, "low")
    high = number(high, "high", low)
    return _set(tensor, lambda shape: generator(seed).uniform(low, high, shape))


def normal_(tensor: T, mean: float = 0.0, std: float = 1.0, *, seed: Any = None) -> T:
    """Normal with the given mean and standard deviation."""
    mean, std = number(mean, "mean"), number(std, "std", 0)
    return _set(tensor, lambda shape: generator(seed).normal(mean, std, shape))


def xavier_uniform_(tensor: T, gain: float = 1.0, *, seed: Any = None) -> T:
    """Uniform on ±gain·√(6 / (fan_in + fan_out)): variances stay alike forward and backward.

    X. Glorot and Y. Bengio, "Understanding the difficulty of training deep feedforward neural networks", AISTATS 2010,
    (16).
    """
    limit = number(gain, "gain", 0) * math.sqrt(6 / max(1, sum(_fans(tensor))))
    return uniform_(tensor, -limit, limit, seed=seed)


def xavier_normal_(tensor: T, gain: float = 1.0, *, seed: Any = None) -> T:
    """Normal with standard deviation gain·√(2 / (fan_in + fan_out)); see `xavier_uniform_`."""
    return normal_(tensor, 0.0, number(gain, "gain", 0) * math.sqrt(2 / max(1, sum(_fans(tensor)))), seed=seed)


def kaiming_uniform_(tensor: T, gain: float = math.sqrt(2), *, seed: Any = None) -> T:
    """Uniform on ±gain·√(3 / fan_in): the signal keeps its size through ReLU layers, for which the gain is √2.

    K. He, X. Zhang, S. Ren and J. Sun, "Delving deep into rectifiers", ICCV 2015, section 2.2.
    """
    limit = number(gain, "gain", 0) * math.sqrt(3 / max(1, _fans(tensor)[0]))
    return uniform_(tensor, -limit, limit, seed=seed)


def kaiming_normal_(tensor: T, gain: float = math.sqrt(2), *, seed: Any = None) -> T:
    """Normal with standard deviation gain / √fan_in; see `kaiming_uniform_`."""
    return normal_(tensor, 0.0, number(gain, "gain", 0) / math.sqrt(max(1, _fans(tensor)[0])), seed=seed)


def lecun_uniform_(tensor: T, *, seed: Any = None) -> T:
    """Uniform on ±√(3 / fan_in): sums of unit-variance inputs have unit variance.

    Y. LeCun, L. Bottou, G. Orr and K.-R. Müller, "Efficient BackProp", 1998, section 4.6.
    """
    return kaiming_uniform_(tensor, 1.0, seed=seed)


def lecun_normal_(tensor: T, *, seed: Any = None) -> T:
    """Normal with standard deviation 1 / √fan_in; see `lecun_uniform_`."""
    return kaiming_normal_(tensor, 1.0, seed=seed)


INITIALISERS: dict[str, Callable[..., Any]] = {
    "xavier_uniform": xavier_uniform_,
    "xavier_normal": xavier_normal_,
    "glorot_uniform": xavier_uniform_,
    "glorot_normal": xavier_normal_,
    "kaiming_uniform": kaiming_uniform_,
    "kaiming_normal": kaiming_normal_,
    "he_uniform": kaiming_uniform_,
    "he_normal": kaiming_normal_,
    "lecun_uniform": lecun_uniform_,
    "lecun_normal": lecun_normal_,
    "zeros": zeros_,
    "uniform": uniform_,
    "normal": normal_,
}
"""What a layer's ``init`` may be called; Glorot is Xavier, and He is Kaiming."""


def named(init: str | Callable[..., Any]) -> Callable[..., Any]:
    """The initialiser ``(tensor, *, seed)`` called ``init``, or ``init`` itself where it is a function.

    Raises `autograd.errors.DomainError` for an unknown name.
    """
    if callable(init):
        return init
    if not isinstance(init, str) or init not in INITIALISERS:
        raise DomainError(f"init = {init!r} is unknown: choose one of {', '.join(INITIALISERS)}, or give a function.")
    return INITIALISERS[init]
