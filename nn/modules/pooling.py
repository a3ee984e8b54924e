"""Pooling over one, two and three spatial axes, and local response normalisation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from glassgrad.autograd.common.validation import flag
from glassgrad.nn.functional import spatial
from glassgrad.nn.modules.module import FunctionModule

Many = int | Sequence[int]


class _MaxPool(FunctionModule):
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
        self.dilation, self.ceil_mode = dilation, flag(ceil_mode, "ceil_mode")


class MaxPool1d(_MaxPool, function=spatial.max_pool1d):
    """The largest element of each window, over one spatial axis."""


class MaxPool2d(_MaxPool, function=spatial.max_pool2d):
    """The largest element of each window, over two spatial axes."""


class MaxPool3d(_MaxPool, function=spatial.max_pool3d):
    """The largest element of each window, over three spatial axes."""


class _AvgPool(FunctionModule):
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
        self.ceil_mode = flag(ceil_mode, "ceil_mode")
        self.count_include_pad = flag(count_include_pad, "count_include_pad")


class AvgPool1d(_AvgPool, function=spatial.avg_pool1d):
    """The mean of each window, over one spatial axis."""


class AvgPool2d(_AvgPool, function=spatial.avg_pool2d):
    """The mean of each window, over two spatial axes."""


class AvgPool3d(_AvgPool, function=spatial.avg_pool3d):
    """The mean of each window, over three spatial axes."""


class _Adaptive(FunctionModule):
    """A pooling to ``output_size``: a number, or one for each axis, ``None`` to keep it."""

    def __init__(self, output_size: Any) -> None:
        self.output_size = output_size


class AdaptiveAvgPool1d(_Adaptive, function=spatial.adaptive_avg_pool1d):
    """The mean of each of ``output_size`` windows, over one spatial axis."""


class AdaptiveAvgPool2d(_Adaptive, function=spatial.adaptive_avg_pool2d):
    """The mean of each of ``output_size`` windows, over two spatial axes."""


class AdaptiveAvgPool3d(_Adaptive, function=spatial.adaptive_avg_pool3d):
    """The mean of each of ``output_size`` windows, over three spatial axes."""


class AdaptiveMaxPool1d(_Adaptive, function=spatial.adaptive_max_pool1d):
    """The largest element of each of ``output_size`` windows, over one spatial axis."""


class AdaptiveMaxPool2d(_Adaptive, function=spatial.adaptive_max_pool2d):
    """The largest element of each of ``output_size`` windows, over two spatial axes."""


class AdaptiveMaxPool3d(_Adaptive, function=spatial.adaptive_max_pool3d):
    """The largest element of each of ``output_size`` windows, over three spatial axes."""


class LocalResponseNorm(FunctionModule, function=spatial.local_response_norm):
    """`nn.functional.local_response_norm` as a layer: divide by a power of the mean square over ``size`` channels."""

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k
