"""Layer and batch normalisation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from autograd import Tensor, asarray, ones, zeros
from autograd.errors import ShapeError
from autograd.validation import number, whole
from nn import functional as F
from nn.modules.module import Module, Parameter, as_floating


class LayerNorm(Module):
    """Normalise each sample over its last axes to mean 0 and variance 1, then scale by ``weight`` and add ``bias``.

    ``normalized_shape``: the lengths of these axes, an integer for one axis; input and output
    ``(…, *normalized_shape)``. ``weight`` starts at 1 and ``bias`` at 0; they are ``None`` if ``elementwise_affine`` or
    ``bias`` is false. ``eps`` is added to the variance. See `nn.functional.layer_norm`.

    >>> import nn
    >>> layer = nn.LayerNorm(3)
    >>> layer.weight.tolist(), layer.bias.tolist()
    ([1.0, 1.0, 1.0], [0.0, 0.0, 0.0])
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        *,
        dtype: Any = "float32",
        device: str | None = None,
    ) -> None:
        given = normalized_shape if isinstance(normalized_shape, Sequence) else (normalized_shape,)
        self.normalized_shape = tuple(whole(n, f"normalized_shape[{i}]") for i, n in enumerate(given))
        self.eps = number(eps, "eps", 0)
        affine = elementwise_affine, elementwise_affine and bias
        self.weight, self.bias = _weight_and_bias(self.normalized_shape, *affine, dtype, device)

    def forward(self, x: Any) -> Any:
        """``(…, *normalized_shape)`` to the same shape."""
        return F.layer_norm(as_floating(x, self.weight), self.normalized_shape, self.weight, self.bias, self.eps)

    def arguments(self) -> dict[str, Any]:
        """The shape, eps, and whether there are a weight and a bias."""
        return {
            "normalized_shape": self.normalized_shape,
            "eps": self.eps,
            "elementwise_affine": self.weight is not None,
            "bias": self.bias is not None or self.weight is None,
        }


class BatchNorm1d(Module):
    """Normalise each feature over the batch to mean 0 and variance 1, then scale by ``weight`` and add ``bias``.

    Input and output ``(batch, num_features)`` or ``(batch, num_features, length)``. Evaluation uses the buffers
    ``running_mean`` (initially 0) and ``running_var`` (initially 1), exponential moving averages that training updates
    with weight ``momentum`` for the new batch. ``weight`` starts at 1 and ``bias`` at 0; they are ``None`` without
    ``affine``. ``eps`` is added to the variance. See `nn.functional.batch_norm`.

    >>> import nn
    >>> [name for name, _ in nn.BatchNorm1d(3).named_buffers()]
    ['running_mean', 'running_var']
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = True,
        *,
        dtype: Any = "float32",
        device: str | None = None,
    ) -> None:
        self.num_features = whole(num_features, "num_features")
        self.eps, self.momentum = number(eps, "eps", 0), number(momentum, "momentum", 0, 1)
        self.weight, self.bias = _weight_and_bias((self.num_features,), affine, affine, dtype, device)
        self.register_buffer("running_mean", zeros(self.num_features, dtype=dtype, device=device))
        self.register_buffer("running_var", ones(self.num_features, dtype=dtype, device=device))

    def forward(self, x: Any) -> Any:
        """``(batch, num_features, …)`` to the same shape."""
        running = self.running_mean, self.running_var
        return F.batch_norm(
            as_floating(x, self.running_mean), *running, self.weight, self.bias, self.training, self.momentum, self.eps
        )

    def arguments(self) -> dict[str, Any]:
        """The number of features, eps, momentum, and whether there are a weight and a bias."""
        given = {"num_features": self.num_features, "eps": self.eps, "momentum": self.momentum}
        return given | {"affine": self.weight is not None}


class BatchNorm2d(BatchNorm1d):
    """`BatchNorm1d` for images: normalise each channel over the batch and space.

    Input and output ``(batch, num_features, height, width)``.
    """

    def forward(self, x: Any) -> Any:
        """``(batch, num_features, height, width)`` to the same shape."""
        return super().forward(_with_axes(self, x, 4, "(batch, num_features, height, width)"))


class BatchNorm3d(BatchNorm1d):
    """`BatchNorm1d` for volumes, ``(batch, num_features, depth, height, width)``."""

    def forward(self, x: Any) -> Any:
        """``(batch, num_features, depth, height, width)`` to the same shape."""
        return super().forward(_with_axes(self, x, 5, "(batch, num_features, depth, height, width)"))


def _with_axes(module: Module, x: Any, axes: int, shape: str) -> Any:
    x = asarray(x)
    if x.ndim != axes:
        raise ShapeError(f"{type(module).__name__} takes {shape}; it was given shape {x.shape}.")
    return x


def _weight_and_bias(
    shape: tuple[int, ...], weight: bool, bias: bool, dtype: Any, device: str | None
) -> tuple[Parameter | None, Parameter | None]:
    """A weight of ones and a bias of zeros; ``None`` for each that is not wanted."""
    return (
        Parameter(ones(shape, dtype=dtype), dtype=dtype, device=device) if weight else None,
        Parameter(zeros(shape, dtype=dtype), dtype=dtype, device=device) if bias else None,
    )


NORMS: dict[str, Callable[..., Module]] = {"layer": LayerNorm, "batch": BatchNorm1d}
"""Normalisation layers by the names that `nn.MLP` takes."""
