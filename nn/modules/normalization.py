"""Layer, RMS, group, batch and instance normalisation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Unpack

from glassgrad.autograd import Tensor, asarray
from glassgrad.autograd.common.validation import flag, number, whole, wholes
from glassgrad.autograd.errors import DomainError, ShapeError
from glassgrad.nn import functional as F
from glassgrad.nn.init import _filled
from glassgrad.nn.modules.module import FunctionModule, Module, Parameter, Placed, as_floating, parameter

Spaces = tuple[tuple[str, ...], ...]
"""The names of the spatial axes of each shape of input that a layer takes."""


class LayerNorm(FunctionModule, function=F.layer_norm):
    """Normalise each sample over its last axes to mean 0 and variance 1, then scale by ``weight`` and add ``bias``.

    ``normalized_shape``: the lengths of these axes, an integer for one axis; input and output
    ``(…, *normalized_shape)``. ``weight`` starts at 1 and ``bias`` at 0; they are ``None`` if ``elementwise_affine`` or
    ``bias`` is false. ``eps`` is added to the variance. See `nn.functional.layer_norm`.

    >>> from glassgrad import nn
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
        **made: Unpack[Placed],
    ) -> None:
        self.normalized_shape = _lengths(normalized_shape)
        self.eps = number(eps, "eps", 0)
        self.elementwise_affine = flag(elementwise_affine, "elementwise_affine")
        affine = self.elementwise_affine, self.elementwise_affine and bias
        self.weight, self.bias = _weight_and_bias(self.normalized_shape, *affine, made)


class RMSNorm(FunctionModule, function=F.rms_norm):
    """Divide each sample by the root of its mean square over its last axes, then scale by ``weight``.

    ``normalized_shape``: the lengths of these axes, an integer for one axis; input and output ``(…,
    *normalized_shape)``. ``weight`` starts at 1; it is ``None`` without ``elementwise_affine``. ``eps`` is added to the
    mean square. See `nn.functional.rms_norm`.

    >>> from glassgrad import nn
    >>> nn.RMSNorm(2, eps=0.0)([[3.0, 4.0]])
    Tensor([[0.848528,  1.13137]], op=multiply)
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float | None = None,
        elementwise_affine: bool = True,
        **made: Unpack[Placed],
    ) -> None:
        self.normalized_shape = _lengths(normalized_shape)
        self.eps = None if eps is None else number(eps, "eps", 0)
        self.elementwise_affine = flag(elementwise_affine, "elementwise_affine")
        self.weight, _ = _weight_and_bias(self.normalized_shape, self.elementwise_affine, False, made)


class GroupNorm(FunctionModule, function=F.group_norm):
    """Normalise each group of channels of each sample to mean 0 and variance 1, then scale and shift each channel.

    ``num_groups`` divides ``num_channels``; neighbours form a group. Input and output ``(batch, num_channels, …)``.
    ``weight`` starts at 1 and ``bias`` at 0; they are ``None`` without ``affine``. ``eps`` is added to the variance.
    See `nn.functional.group_norm`. Raises `autograd.errors.DomainError` for groups that do not divide the channels.

    >>> from glassgrad import nn
    >>> nn.GroupNorm(2, 4)([[1.0, 3.0, 10.0, 30.0]]).data.round(2).tolist()
    [[-1.0, 1.0, -1.0, 1.0]]
    """

    def __init__(
        self, num_groups: int, num_channels: int, eps: float = 1e-5, affine: bool = True, **made: Unpack[Placed]
    ) -> None:
        self.num_groups = whole(num_groups, "num_groups")
        self.num_channels = whole(num_channels, "num_channels")
        if self.num_channels % self.num_groups:
            raise DomainError(f"GroupNorm: num_groups = {num_groups} does not divide num_channels = {num_channels}.")
        self.eps, self.affine = number(eps, "eps", 0), flag(affine, "affine")
        self.weight, self.bias = _weight_and_bias((self.num_channels,), affine, affine, made)


class _ChannelNorm(Module):
    """Base of batch and instance normalisation: parameters and running statistics of each channel."""

    running_mean: Tensor | None
    running_var: Tensor | None
    spaces: ClassVar[Spaces]
    normalize: Callable[..., Tensor]

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        **made: Unpack[Placed],
    ) -> None:
        self.num_features = whole(num_features, "num_features")
        self.eps, self.momentum = number(eps, "eps", 0), number(momentum, "momentum", 0, 1)
        self.affine, self.track_running_stats = flag(affine, "affine"), flag(track_running_stats, "track_running_stats")
        self.weight, self.bias = _weight_and_bias((self.num_features,), affine, affine, made)
        if track_running_stats:
            for name, value in (("running_mean", 0.0), ("running_var", 1.0)):
                self.register_buffer(name, _filled(self.num_features, value, **made))
        else:
            self.running_mean = self.running_var = None

    def forward(self, x: Any) -> Tensor:
        """``(batch, num_features, …)`` to the same shape."""
        mean, var = self.running_mean, self.running_var
        x = asarray(as_floating(x, self.weight if mean is None else mean))
        if x.ndim not in (2 + len(space) for space in self.spaces):
            taken = " or ".join(f"({', '.join(('batch', 'num_features', *space))})" for space in self.spaces)
            raise ShapeError(f"{type(self).__name__} takes {taken}; it was given shape {x.shape}.")
        own = self.training or mean is None
        return self.normalize(x, mean, var, self.weight, self.bias, own, self.momentum, self.eps)


class BatchNorm1d(_ChannelNorm):
    """Normalise each feature over the batch to mean 0 and variance 1, then scale by ``weight`` and add ``bias``.

    Input and output ``(batch, num_features)`` or ``(batch, num_features, length)``. Evaluation uses the buffers
    ``running_mean`` (initially 0) and ``running_var`` (initially 1), exponential moving averages that training updates
    with weight ``momentum`` for the new batch; without ``track_running_stats`` there are none, and evaluation uses the
    batch. ``weight`` starts at 1 and ``bias`` at 0; they are ``None`` without ``affine``. ``eps`` is added to the
    variance. See `nn.functional.batch_norm`.

    >>> from glassgrad import nn
    >>> [name for name, _ in nn.BatchNorm1d(3).named_buffers()]
    ['running_mean', 'running_var']
    """

    spaces: ClassVar[Spaces] = ((), ("length",))
    normalize = staticmethod(F.batch_norm)


class BatchNorm2d(BatchNorm1d):
    """`BatchNorm1d` for images: normalise each channel over the batch and space.

    Input and output ``(batch, num_features, height, width)``.
    """

    spaces = (("height", "width"),)


class BatchNorm3d(BatchNorm1d):
    """`BatchNorm1d` for volumes, ``(batch, num_features, depth, height, width)``."""

    spaces = (("depth", "height", "width"),)


class InstanceNorm1d(_ChannelNorm):
    """Normalise each channel of each sample to mean 0 and variance 1, then scale by ``weight`` and add ``bias``.

    Input and output ``(batch, num_features, length)``. ``track_running_stats`` adds the buffers
    ``running_mean`` and ``running_var`` as in `BatchNorm1d`, and evaluation uses them. ``weight`` and ``bias`` are
    ``None`` without ``affine``, as by default. ``eps`` is added to the variance. See `nn.functional.instance_norm`.

    >>> from glassgrad import nn
    >>> nn.InstanceNorm1d(2)([[[1.0, 3.0], [10.0, 30.0]]]).data.round(2).tolist()
    [[[-1.0, 1.0], [-1.0, 1.0]]]
    """

    spaces: ClassVar[Spaces] = (("length",),)
    normalize = staticmethod(F.instance_norm)

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        **made: Unpack[Placed],
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, **made)


class InstanceNorm2d(InstanceNorm1d):
    """`InstanceNorm1d` for images, ``(batch, num_features, height, width)``."""

    spaces = (("height", "width"),)


class InstanceNorm3d(InstanceNorm1d):
    """`InstanceNorm1d` for volumes, ``(batch, num_features, depth, height, width)``."""

    spaces = (("depth", "height", "width"),)


def _lengths(normalized_shape: int | Sequence[int]) -> tuple[int, ...]:
    given = normalized_shape if isinstance(normalized_shape, Sequence) else (normalized_shape,)
    return wholes(given, "normalized_shape")


def _weight_and_bias(
    shape: tuple[int, ...], weight: bool, bias: bool, made: Placed
) -> tuple[Parameter | None, Parameter | None]:
    """A weight of ones and a bias of zeros, or ``None``."""
    return (parameter(shape, 1.0, **made) if weight else None, parameter(shape, **made) if flag(bias, "bias") else None)


NORMS: dict[str, Callable[..., Module]] = {"layer": LayerNorm, "batch": BatchNorm1d}
"""Normalisation layers by the names that `nn.MLP` takes."""
