"""Convolutions and transposed convolutions over one, two and three spatial axes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Unpack

from glassgrad.autograd import Tensor
from glassgrad.autograd.common.validation import choice, flag, whole
from glassgrad.autograd.errors import DomainError
from glassgrad.autograd.ops.windows import per_axis
from glassgrad.nn import init as initialisers
from glassgrad.nn.functional import spatial
from glassgrad.nn.modules.module import Drawn, FunctionModule, as_floating, parameter

Many = int | Sequence[int]


class _Conv(FunctionModule):
    """A convolution over ``axes`` spatial axes; see `Conv2d`."""

    axes: ClassVar[int]
    transposed: ClassVar[bool] = False

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Many,
        stride: Many = 1,
        padding: Any = 0,
        dilation: Many = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        *,
        init: str | Callable[..., Any] = "kaiming_uniform",
        **made: Unpack[Drawn],
    ) -> None:
        channels = whole(out_channels, "out_channels"), whole(in_channels, "in_channels")
        self.out_channels, self.in_channels = channels
        self.kernel_size = per_axis(kernel_size, self.axes, "kernel_size")
        self.stride, self.dilation = per_axis(stride, self.axes, "stride"), per_axis(dilation, self.axes, "dilation")
        self.groups = whole(groups, "groups")
        if self.in_channels % groups or self.out_channels % groups:
            raise DomainError(
                f"{type(self).__name__}: groups = {groups} must divide the {in_channels} input and the {out_channels} "
                "output channels."
            )
        rows, columns = channels[::-1] if self.transposed else channels
        self.weight = parameter((rows, columns // groups, *self.kernel_size), initialisers.named(init), **made)
        self.bias = parameter(out_channels, **made) if flag(bias, "bias") else None
        self.padding = spatial.pads_of(padding, self.kernel_size, self.stride, self.dilation)
        self.padding_mode = choice(padding_mode, "padding_mode", ("zeros", *spatial.PADDED))

    def forward(self, x: Any) -> Tensor:
        """``(batch, in_channels, *space)`` to ``(batch, out_channels, *space)``."""
        if self.padding_mode == "zeros":
            return super().forward(x)
        x = spatial.pad(x, [n for pair in reversed(self.padding) for n in pair], self.padding_mode)
        x = as_floating(x, self.weight)
        return self._function(x, self.weight, self.bias, self.stride, 0, self.dilation, self.groups)  # type: ignore[no-any-return]


class Conv1d(_Conv, function=spatial.conv1d):
    """A convolution over one spatial axis; see `Conv2d`."""

    axes = 1


class Conv2d(_Conv, function=spatial.conv2d):
    """A convolution: each output channel is a weighted sum over a window that slides over the input.

    ``weight``: ``(out_channels, in_channels / groups, *kernel_size)``, ``bias``: ``(out_channels,)`` or ``None``. Input
    ``(batch, in_channels, *space)``, output ``(batch, out_channels, *space)``. ``kernel_size``, ``stride``,
    ``padding``, ``dilation``: a number, or one for each axis; ``padding`` also ``"same"`` or ``"valid"``.
    ``padding_mode``: ``"zeros"``, ``"reflect"``, ``"replicate"`` or ``"circular"``. Weights start from ``init`` (a name
    in `nn.init` or a function ``(tensor, *, seed)``; He's uniform by default), biases from 0.

    Raises `autograd.errors.DomainError` for sizes below 1 and for groups that do not divide the channels.

    >>> from glassgrad import autograd as ag
    >>> from glassgrad import nn
    >>> layer = nn.Conv2d(3, 8, 5, padding="same", seed=0)
    >>> layer, layer(ag.zeros((1, 3, 16, 16), dtype="float32")).shape
    (Conv2d(3, 8, 5, padding='same'), (1, 8, 16, 16))
    """

    axes = 2


class Conv3d(_Conv, function=spatial.conv3d):
    """A convolution over three spatial axes; see `Conv2d`."""

    axes = 3


class _ConvTranspose(_Conv):
    """A transposed convolution, which undoes the change of size of a convolution with the same arguments.

    ``weight``: ``(in_channels, out_channels / groups, *kernel_size)``, ``bias``: ``(out_channels,)`` or ``None``. Input
    ``(batch, in_channels, *space)``, output ``(batch, out_channels, *space)``. ``output_padding`` is added to
    the end of each axis of the output. Weights start from ``init``, biases from 0.
    """

    transposed = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Many,
        stride: Many = 1,
        padding: Many = 0,
        output_padding: Many = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Many = 1,
        *,
        init: str | Callable[..., Any] = "kaiming_uniform",
        **made: Unpack[Drawn],
    ) -> None:
        sizes = in_channels, out_channels, kernel_size, stride, 0, dilation, groups
        super().__init__(*sizes, bias, init=init, **made)
        self.padding = per_axis(padding, self.axes, "padding", 0)
        self.output_padding = per_axis(output_padding, self.axes, "output_padding", 0)


class ConvTranspose1d(_ConvTranspose, function=spatial.conv_transpose1d):
    """A transposed convolution over one spatial axis."""

    axes = 1


class ConvTranspose2d(_ConvTranspose, function=spatial.conv_transpose2d):
    """A transposed convolution over two spatial axes."""

    axes = 2


class ConvTranspose3d(_ConvTranspose, function=spatial.conv_transpose3d):
    """A transposed convolution over three spatial axes."""

    axes = 3
