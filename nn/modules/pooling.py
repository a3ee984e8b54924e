"""Pooling over one, two and three axes of space, and other layers without weights for arrays with space."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from autograd import Tensor
from nn.functional import spatial
from nn.modules.module import PlainModule

Many = int | Sequence[int]


class _MaxPool(PlainModule):
    """The largest element of each window: ``(batch, channels, *space)`` to the same with less space.

    ``kernel_size``, ``stride`` (by default ``kernel_size``), ``padding``, ``dilation``: a number, or one for each axis.
    ``ceil_mode``: a last window may reach over the end.
    """

    pool: Callable[..., Any]

    def __init__(
        self,
        kernel_size: Many,
        stride: Many | None = None,
        padding: Many = 0,
        dilation: Many = 1,
        ceil_mode: bool = False,
    ) -> None:
        self.kernel_size, self.stride, self.padding = kernel_size, stride, padding
        self.dilation, self.ceil_mode = dilation, ceil_mode

    def forward(self, x: Any) -> Tensor:
        """``(batch, channels, *space)`` to the same with less space."""
        return self.pool(x, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode)  # type: ignore[no-any-return]


class MaxPool1d(_MaxPool):
    """The largest element of each window, over one axis of space."""

    pool = staticmethod(spatial.max_pool1d)


class MaxPool2d(_MaxPool):
    """The largest element of each window, over two axes of space."""

    pool = staticmethod(spatial.max_pool2d)


class MaxPool3d(_MaxPool):
    """The largest element of each window, over three axes of space."""

    pool = staticmethod(spatial.max_pool3d)


class _AvgPool(PlainModule):
    """The mean of each window: ``(batch, channels, *space)`` to the same with less space.

    ``kernel_size``, ``stride`` (by default ``kernel_size``), ``padding``: a number, or one for each axis.
    ``ceil_mode``: a last window may reach over the end. ``count_include_pad``: whether the zeros of the padding count.
    """

    pool: Callable[..., Any]

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
        """``(batch, channels, *space)`` to the same with less space."""
        return self.pool(x, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad)  # type: ignore[no-any-return]


class AvgPool1d(_AvgPool):
    """The mean of each window, over one axis of space."""

    pool = staticmethod(spatial.avg_pool1d)


class AvgPool2d(_AvgPool):
    """The mean of each window, over two axes of space."""

    pool = staticmethod(spatial.avg_pool2d)


class AvgPool3d(_AvgPool):
    """The mean of each window, over three axes of space."""

    pool = staticmethod(spatial.avg_pool3d)


class _Adaptive(PlainModule):
    """A pooling to ``output_size``, a number or one (``None`` keeps an axis) for each axis, whatever the input's size.
    """

    pool: Callable[..., Any]

    def __init__(self, output_size: Any) -> None:
        self.output_size = output_size

    def forward(self, x: Any) -> Tensor:
        """``(batch, channels, *space)`` to ``(batch, channels, *output_size)``."""
        return self.pool(x, self.output_size)  # type: ignore[no-any-return]


class AdaptiveAvgPool1d(_Adaptive):
    """The mean of each of ``output_size`` windows, over one axis of space."""

    pool = staticmethod(spatial.adaptive_avg_pool1d)


class AdaptiveAvgPool2d(_Adaptive):
    """The mean of each of ``output_size`` windows, over two axes of space."""

    pool = staticmethod(spatial.adaptive_avg_pool2d)


class AdaptiveAvgPool3d(_Adaptive):
    """The mean of each of ``output_size`` windows, over three axes of space."""

    pool = staticmethod(spatial.adaptive_avg_pool3d)


class AdaptiveMaxPool1d(_Adaptive):
    """The largest element of each of ``output_size`` windows, over one axis of space."""

    pool = staticmethod(spatial.adaptive_max_pool1d)


class AdaptiveMaxPool2d(_Adaptive):
    """The largest element of each of ``output_size`` windows, over two axes of space."""

    pool = staticmethod(spatial.adaptive_max_pool2d)


class AdaptiveMaxPool3d(_Adaptive):
    """The largest element of each of ``output_size`` windows, over three axes of space."""

    pool = staticmethod(spatial.adaptive_max_pool3d)


class LocalResponseNorm(PlainModule):
    """Each element divided by a power of the mean square of its neighbours in ``size`` channels; see
    `nn.functional.local_response_norm`.
    """

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def forward(self, x: Any) -> Tensor:
        """``(batch, channels, *space)`` to the same."""
        return spatial.local_response_norm(x, self.size, self.alpha, self.beta, self.k)
