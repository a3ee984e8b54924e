"""Weight initialisers under PyTorch's names. Each fills a Tensor in place and returns it.

``seed`` is an integer, a NumPy ``Generator`` that each draw advances, or ``None`` (the default) for fresh entropy;
there is no global generator. Draws are made on the CPU in float64 and then rounded, so a seed gives the same network in
every dtype and on every device.

>>> from glassgrad import nn
>>> layer = nn.Linear(4, 2, seed=0)
>>> nn.init.kaiming_normal_(layer.weight, seed=1) is layer.weight
True
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any, TypeVar

from glassgrad.autograd import Tensor, asarray, full
from glassgrad.autograd.backends import NUMPY
from glassgrad.autograd.common.validation import choice, number, refused
from glassgrad.autograd.errors import ShapeError
from glassgrad.nn.errors import FileError

T = TypeVar("T", bound=Tensor)
Draw = Callable[[tuple[int, ...]], Any]


def generator(seed: Any = None) -> Any:
    """Return ``seed`` if it is a NumPy ``Generator``, else a new one from an integer or, for None, fresh entropy.

    Raises `autograd.errors.DTypeError` for anything else.

    >>> generator(0).integers(10, size=3)
    array([8, 6, 5])
    """
    try:
        return NUMPY.random.default_rng(seed)
    except (TypeError, ValueError):
        raise refused(seed, "seed", "a whole number of at least 0, a NumPy Generator, or None") from None


def _leaf(tensor: T) -> T:
    if not isinstance(tensor, Tensor) or tensor.node is not None:
        raise refused(tensor, "tensor", "a leaf Tensor to fill, such as a parameter of a module")
    return tensor


LOADING: ContextVar[Iterator[Any] | None] = ContextVar("LOADING", default=None)
"""While a model is loaded, an item for each array of its file; new Tensors of modules then have no values yet."""


def _filled(
    shape: int | tuple[int, ...], value: float = 0.0, *, dtype: Any = "float32", device: str | None = None
) -> Tensor:
    """A Tensor of one number. While a model is loaded it takes no memory, so that a file may claim any size.

    Raises `nn.errors.FileError` for more of them than the file has arrays.
    """
    arrays = LOADING.get()
    if arrays is None:
        return full(shape, value, dtype=dtype, device=device)
    if next(arrays, None) is None:
        raise FileError("it describes more weights than it holds")
    made = full((), value, dtype=dtype, device=device)
    made.data = NUMPY.broadcast_to(made.data, shape)
    return made


def _set(tensor: T, draw: Draw) -> T:
    if LOADING.get() is not None:
        return tensor
    values = draw(_leaf(tensor).shape)
    tensor.data = asarray(values, dtype=tensor.dtype, device=tensor.device).data
    return tensor


def _fans(tensor: Tensor) -> tuple[int, int]:
    """Fan-in and fan-out of a weight ``(out, in, …)``."""
    if _leaf(tensor).ndim < 2:
        raise ShapeError(
            f"a Tensor of shape {tensor.shape} has no fan-in and fan-out, which this initialiser needs: give a weight "
            "(out, in), or use zeros_, constant_, uniform_ or normal_."
        )
    field = math.prod(tensor.shape[2:])
    return tensor.shape[1] * field, tensor.shape[0] * field


def constant_(tensor: T, value: float) -> T:
    """Set every element to ``value``."""
    value = number(value, "value")
    return _set(tensor, lambda shape: NUMPY.full(shape, value))


def zeros_(tensor: T, *, seed: Any = None) -> T:
    """Set every element to 0. ``seed`` is ignored; all initialisers of layers take one."""
    return constant_(tensor, 0.0)


def ones_(tensor: T) -> T:
    """Set every element to 1."""
    return constant_(tensor, 1.0)


def uniform_(tensor: T, low: float = 0.0, high: float = 1.0, *, seed: Any = None) -> T:
    """Draw from the uniform distribution on ``[low, high)``."""
    low = number(low, "low")
    high = number(high, "high", low)
    return _set(tensor, lambda shape: generator(seed).uniform(low, high, shape))


def normal_(tensor: T, mean: float = 0.0, std: float = 1.0, *, seed: Any = None) -> T:
    """Draw from the normal distribution with the given mean and standard deviation."""
    mean, std = number(mean, "mean"), number(std, "std", 0)
    return _set(tensor, lambda shape: generator(seed).normal(mean, std, shape))


def xavier_uniform_(tensor: T, gain: float = 1.0, *, seed: Any = None) -> T:
    """Draw uniformly from ±gain·√(6 / (fan_in + fan_out)): keeps variances alike forward and backward.

    X. Glorot and Y. Bengio, "Understanding the difficulty of training deep feedforward neural networks", AISTATS 2010,
    (16).
    """
    limit = number(gain, "gain", 0) * math.sqrt(6 / max(1, sum(_fans(tensor))))
    return uniform_(tensor, -limit, limit, seed=seed)


def xavier_normal_(tensor: T, gain: float = 1.0, *, seed: Any = None) -> T:
    """Draw normally with standard deviation gain·√(2 / (fan_in + fan_out)); see `xavier_uniform_`."""
    return normal_(tensor, 0.0, number(gain, "gain", 0) * math.sqrt(2 / max(1, sum(_fans(tensor)))), seed=seed)


def kaiming_uniform_(tensor: T, *, gain: float = math.sqrt(2), seed: Any = None) -> T:
    """Draw uniformly from ±gain·√(3 / fan_in): with the default gain √2, keeps the variance through ReLU layers.

    K. He, X. Zhang, S. Ren and J. Sun, "Delving deep into rectifiers", ICCV 2015, section 2.2.
    """
    limit = number(gain, "gain", 0) * math.sqrt(3 / max(1, _fans(tensor)[0]))
    return uniform_(tensor, -limit, limit, seed=seed)


def kaiming_normal_(tensor: T, *, gain: float = math.sqrt(2), seed: Any = None) -> T:
    """Draw normally with standard deviation gain / √fan_in; see `kaiming_uniform_`."""
    return normal_(tensor, 0.0, number(gain, "gain", 0) / math.sqrt(max(1, _fans(tensor)[0])), seed=seed)


_DRAWS = xavier_uniform_, xavier_normal_, kaiming_uniform_, kaiming_normal_, zeros_, uniform_, normal_

INITIALISERS: dict[str, Callable[..., Any]] = {function.__name__.rstrip("_"): function for function in _DRAWS}
"""Initialisers by the names that layers take as ``init``. Xavier Glorot and Kaiming He are their authors."""


def named(init: str | Callable[..., Any]) -> Callable[..., Any]:
    """Return the initialiser ``(tensor, *, seed)`` named ``init``, or ``init`` itself if it is a function.

    Raises `autograd.errors.DomainError` for an unknown name.
    """
    return init if callable(init) else INITIALISERS[choice(init, "init", INITIALISERS)]
