"""Convolutions and transposed convolutions over one, two and three axes of space."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from autograd import Tensor, zeros
from autograd.common.validation import whole
from autograd.errors import DomainError
from autograd.ops.windows import per_axis
from nn import init as initialisers
from nn.functional import spatial
from nn.modules.module import Module, Parameter, as_floating

Many = int | Sequence[int]


class _Convolution(Module):
    """Base of all convolutions: sizes, weights and their initialisation."""

    axes: ClassVar[int]
    transposed: ClassVar[bool] = False

    def _make(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Many,
        stride: Many,
        dilation: Many,
        groups: int,
        bias: bool,
        seed: Any,
        init: str | Callable[..., Any],
        dtype: Any,
        device: str | None,
    ) -> None:
        self.in_channels, self.out_channels = (
            whole(in_channels, "in_channels"),
            whole(out_channels, "out_channels"),
        )
        self.kernel_size = per_axis(kernel_size, self.axes, "kernel_size")
        self.stride, self.dilation = per_axis(stride, self.axes, "stride"), per_axis(dilation, self.axes, "dilation")
        self.groups = whole(groups, "groups")
        if in_channels % groups or out_channels % groups:
            raise DomainError(
                f"{type(self).__name__}: groups = {groups} must divide the {in_channels} input and the {out_channels} "
                "output channels."
            )
        first, second = (in_channels, out_channels) if self.transposed else (out_channels, in_channels)
        shape = (first, second // groups, *self.kernel_size)
        self.weight = Parameter(zeros(shape, dtype=dtype), dtype=dtype, device=device)
        initialisers.named(init)(self.weight, seed=seed)
        self.bias = Parameter(zeros(out_channels, dtype=dtype), dtype=dtype, device=device) if bias else None

    def arguments(self) -> dict[str, Any]:
        """The sizes, and whether there is a bias."""
        names = ["in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation", "groups"]
        names += ["output_padding"] if self.transposed else ["padding_mode"]
        return {name: spatial.plain(getattr(self, name)) for name in names} | {"bias": self.bias is not None}


class _Conv(_Convolution):
    """A convolution over ``axes`` axes of space; see `Conv2d`."""

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
        seed: Any = None,
        init: str | Callable[..., Any] = "kaiming_uniform",
        dtype: Any = "float32",
        device: str | None = None,
    ) -> None:
        self._make(in_channels, out_channels, kernel_size, stride, dilation, groups, bias, seed, init, dtype, device)
        if padding_mode not in ("zeros", *spatial.PADDED):
            raise DomainError(
                f"padding_mode = {padding_mode!r}: choose 'zeros', {', '.join(map(repr, spatial.PADDED))}."
            )
        self.padding = spatial.pads_of(padding, self.kernel_size, self.stride, self.dilation)
        self.padding_mode = padding_mode

    def forward(self, x: Any) -> Tensor:
        """``(batch, in_channels, *space)`` to ``(batch, out_channels, *space)``."""
        padding: Any = self.padding
        if self.padding_mode != "zeros":
            pads = [n for pair in reversed(self.padding) for n in pair]
            x, padding = spatial.pad(x, pads, self.padding_mode), 0
        return _CONV[self.axes](as_floating(x, self.weight), self.weight, self.bias, self.stride, padding,
        self.dilation, self.groups)


_CONV = {1: spatial.conv1d, 2: spatial.conv2d, 3: spatial.conv3d}


class Conv1d(_Conv):
    """A layer of convolutions over one axis of space; see `Conv2d`."""

    axes = 1


class Conv2d(_Conv):
    """A layer of convolutions: every output channel is a weighted sum over a window that slides over all inputs.

    ``weight``: ``(out_channels, in_channels / groups, *kernel_size)``, ``bias``: ``(out_channels,)`` or ``None``. Input
    ``(batch, in_channels, *space)``, output ``(batch, out_channels, *space)``. ``kernel_size``, ``stride``,
    ``padding``, ``dilation``: a number, or one for each axis; ``padding`` also ``"same"`` or ``"valid"``.
    ``padding_mode``: ``"zeros"``, ``"reflect"``, ``"replicate"`` or ``"circular"``. Weights start from ``init`` (a name
    in `nn.init` or a function ``(tensor, *, seed)``; He's uniform by default), biases from 0.

    Raises `autograd.errors.DomainError` for sizes below 1 and for groups that do not divide the channels.

    >>> import autograd as ag
    >>> import nn
    >>> layer = nn.Conv2d(3, 8, 5, padding="same", seed=0)
    >>> layer, layer(ag.zeros((1, 3, 16, 16), dtype="float32")).shape
    (Conv2d(3, 8, 5, padding=2), (1, 8, 16, 16))
    """

    axes = 2


class Conv3d(_Conv):
    """A layer of convolutions over three axes of space; see `Conv2d`."""

    axes = 3


class _ConvTranspose(_Convolution):
    """A layer of transposed convolutions, which undo the change of size of a convolution with the same parameters.

    ``weight``: ``(in_channels, out_channels / groups, *kernel_size)``, ``bias``: ``(out_channels,)`` or ``None``. Input
    ``(batch, in_channels, *space)``, output ``(batch, out_channels, *space)``. ``output_padding`` chooses among the
    sizes that a convolution takes to that of the input. Weights start from ``init``, biases from 0.
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
        seed: Any = None,
        init: str | Callable[..., Any] = "kaiming_uniform",
        dtype: Any = "float32",
        device: str | None = None,
    ) -> None:
        self._make(in_channels, out_channels, kernel_size, stride, dilation, groups, bias, seed, init, dtype, device)
        self.padding = per_axis(padding, self.axes, "padding", 0)
        self.output_padding = per_axis(output_padding, self.axes, "output_padding", 0)

    def forward(self, x: Any) -> Tensor:
        """``(batch, in_channels, *space)`` to ``(batch, out_channels, *space)``."""
        options = (self.stride, self.padding, self.output_padding, self.groups, self.dilation)
        return _CONV_TRANSPOSE[self.axes](as_floating(x, self.weight), self.weight, self.bias, *options)


_CONV_TRANSPOSE = {1: spatial.conv_transpose1d, 2: spatial.conv_transpose2d, 3: spatial.conv_transpose3d}


class ConvTranspose1d(_ConvTranspose):
    """A layer of transposed convolutions over one axis of space."""

    axes = 1


class ConvTranspose2d(_ConvTranspose):
    """A layer of transposed convolutions over two axes of space."""

    axes = 2


class ConvTranspose3d(_ConvTranspose):
    """A layer of transposed convolutions over three axes of space."""

    axes = 3
