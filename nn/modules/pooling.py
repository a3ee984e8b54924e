"""Pooling over one, two and three spatial axes, and local response normalisation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from glassgrad.autograd import Tensor
from glassgrad.nn.functional import spatial
from glassgrad.nn.modules.module import Module

Many = int | Sequence[int]


class _Pool(Module):
    """Base of the poolings: ``pool`` is the function of `nn.functional`."""

    pool: ClassVar[Callable[..., Any]]

    def __init_subclass__(cls, pool: Callable[..., Any] | None = None) -> None:
        super().__init_subclass__()
        if pool is not None:
            cls.pool = staticmethod(pool)


class _MaxPool(_Pool):
    """The largest element of each window.

    ``kernel_size``, ``stride`` (by default ``kernel_size``), ``padding``, ``dilation``: a number, or one for each axis.
    ``ceil_mode``: the last window may reach over the end.
    """

    def __init__(
        self,
        kernel_size: Many,
        stride: Many | None = None,
        padding: Many = 0,
        dilation: Many = 1,
        *,
        ceil_mode: bool = False,
    ) -> None:
        self.kernel_size, self.stride, self.padding = kernel_size, stride, padding
        self.dilation, self.ceil_mode = dilation, ceil_mode

    def forward(self, x: Any) -> Tensor:
        """``(batch, channels, *space)`` to ``(batch, channels, *smaller space)``."""
        return self.pool(x, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode)  # type: ignore[no-any-return]


class MaxPool1d(_MaxPool, pool=spatial.max_pool1d):
    """The largest element of each window, over one spatial axis."""


class MaxPool2d(_MaxPool, pool=spatial.max_pool2d):
    """The largest element of each window, over two spatial axes."""


class MaxPool3d(_MaxPool, pool=spatial.max_pool3d):
    """The largest element of each window, over three spatial axes."""


class _AvgPool(_Pool):
    """The mean of each window.

    ``kernel_size``, ``stride`` (by default ``kernel_size``), ``padding``: a number, or one for each axis.
    ``ceil_mode``: the last window may reach over the end. ``count_include_pad``: whether the zeros of the padding
    count.
    """

    def __init__(
        self,
        kernel_size: Many,
        stride: Many | None = None,
        padding: Many = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        self.kernel_size, self.stride, self.padding = kernel_size, stride, padding
        self.ceil_mode, self.count_include_pad = ceil_mode, count_include_pad

    def forward(self, x: Any) -> Tensor:
        """``(batch, channels, *space)`` to ``(batch, channels, *smaller space)``."""
        return self.pool(x, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad)  # type: ignore[no-any-return]


class AvgPool1d(_AvgPool, pool=spatial.avg_pool1d):
    """The mean of each window, over one spatial axis."""


class AvgPool2d(_AvgPool, pool=spatial.avg_pool2d):
    """The mean of each window, over two spatial axes."""


class AvgPool3d(_AvgPool, pool=spatial.avg_pool3d):
    """The mean of each window, over three spatial axes."""


class _Adaptive(_Pool):
    """A pooling to ``output_size``: a number, or one for each axis, ``None`` to keep it."""

    def __init__(self, output_size: Any) -> None:
        self.output_size = output_size

    def forward(self, x: Any) -> Tensor:
        """``(batch, channels, *space)`` to ``(batch, channels, *output_size)``."""
        return self.pool(x, self.output_size)  # type: ignore[no-any-return]


class AdaptiveAvgPool1d(_Adaptive, pool=spatial.adaptive_avg_pool1d):
    """The mean of each of ``output_size`` windows, over one spatial axis."""


class AdaptiveAvgPool2d(_Adaptive, pool=spatial.adaptive_avg_pool2d):
    """The mean of each of ``output_size`` windows, over two spatial axes."""


class AdaptiveAvgPool3d(_Adaptive, pool=spatial.adaptive_avg_pool3d):
    """The mean of each of ``output_size`` windows, over three spatial axes."""


class AdaptiveMaxPool1d(_Adaptive, pool=spatial.adaptive_max_pool1d):
    """The largest element of each of ``output_size`` windows, over one spatial axis."""


class AdaptiveMaxPool2d(_Adaptive, pool=spatial.adaptive_max_pool2d):
    """The largest element of each of ``output_size`` windows, over two spatial axes."""


class AdaptiveMaxPool3d(_Adaptive, pool=spatial.adaptive_max_pool3d):
    """The largest element of each of ``output_size`` windows, over three spatial axes."""


class LocalResponseNorm(Module):
    """`nn.functional.local_response_norm` as a layer: divide by a power of the mean square over ``size`` channels."""

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def forward(self, x: Any) -> Tensor:
        """``(batch, channels, *space)`` to the same shape."""
        return spatial.local_response_norm(x, self.size, self.alpha, self.beta, self.k)
