"""Convolution, pooling and resampling: operators over ``(batch, channels, *space)``."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy

from glassgrad import autograd as ag
from glassgrad.autograd.common.validation import choice
from glassgrad.autograd.errors import DomainError, ShapeError, SizeError
from glassgrad.autograd.ops.windows import per_axis
from glassgrad.nn.functional.spatial import mean_pool, plain, resampled, shortened, to_the_end
from glassgrad.nn.saving.onnx.table import STEPS, axis_in, bounded, column, ints, operator

# ------------------------------------------------------------------------------------------------------------ geometry


def _pads(auto_pad, pads, space, size, strides, dilations):
    """The padding (before, behind) of each axis of ``space``."""
    axes = len(size)
    if auto_pad == "VALID":
        return [(0, 0)] * axes
    if auto_pad in ("NOTSET", ""):
        given = [0] * (2 * axes) if pads is None else list(pads)
        if len(given) != 2 * axes:
            raise ShapeError(f"pads {given} are not two for each of {axes} axes")
        return [*zip(given[:axes], given[axes:], strict=True)]
    choice(auto_pad, "auto_pad", ("NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"))
    geometry = zip(space, size, strides, dilations, strict=True)
    return [_halves((-(-n // s) - 1) * s + d * (k - 1) + 1 - n, auto_pad) for n, k, s, d in geometry]


def _halves(total, auto_pad):
    """The padding before and behind; with ``"SAME_UPPER"`` the larger half is behind."""
    small, large = max(total, 0) // 2, -(-max(total, 0) // 2)
    return (small, large) if auto_pad == "SAME_UPPER" else (large, small)


def _check_frame(x, pads):
    bounded((*x.shape[:2], *(n + max(a, 0) + max(b, 0) for n, (a, b) in zip(x.shape[2:], pads, strict=True))), x.dtype)


# -------------------------------------------------------------------------------------------------------- convolution


@operator("Conv")
def conv(
    x, weight, bias=None, *, auto_pad="NOTSET", dilations=None, group=1, kernel_shape=None, pads=None, strides=None
):
    """The convolution of ``x`` with a weight (out, in / group, *size)."""
    axes = weight.ndim - 2
    strides, dilations = per_axis(strides or 1, axes, "strides"), per_axis(dilations or 1, axes, "dilations")
    around = _pads(auto_pad, pads, x.shape[2:], weight.shape[2:], strides, dilations)
    _check_frame(x, around)
    return ag.conv(
        x, weight, bias, stride=plain(strides), padding=plain(around), dilation=plain(dilations), groups=group
    )


@operator("ConvTranspose")
def conv_transpose(
    x, weight, bias=None, *, auto_pad="NOTSET", dilations=None, group=1, kernel_shape=None, output_padding=None,
    output_shape=None, pads=None, strides=None,
):  # fmt: skip
    """The transposed convolution with a weight (in, out / group, *size)."""
    axes = weight.ndim - 2
    size = weight.shape[2:]
    strides, dilations = per_axis(strides or 1, axes, "strides"), per_axis(dilations or 1, axes, "dilations")
    more = (0,) * axes if output_padding is None else tuple(output_padding)
    geometry = [*zip(x.shape[2:], size, strides, dilations, more, strict=True)]
    reach = [(n - 1) * s + d * (k - 1) + 1 + m for n, k, s, d, m in geometry]
    if output_shape is not None or auto_pad.startswith("SAME"):
        wanted = [n * s for n, _, s, _, _ in geometry] if output_shape is None else list(output_shape)[-axes:]
        around = [_halves(r - w, auto_pad) for r, w in zip(reach, wanted, strict=True)]
    else:
        around = _pads(auto_pad, pads, x.shape[2:], size, strides, dilations)
        wanted = [r - a - b for r, (a, b) in zip(reach, around, strict=True)]
    if min(wanted) < 1:
        raise ShapeError(f"the padding {around} leaves nothing of x {x.shape}: the result would be {wanted}")
    bounded((x.shape[0], weight.shape[1] * group, *wanted), x.dtype)
    z = ag.conv_input(
        x, weight, space=tuple(wanted), stride=plain(strides), padding=plain(around), dilation=plain(dilations),
        groups=group,
    )  # fmt: skip
    return z if bias is None else ag.add(z, column(bias, axes))


# ------------------------------------------------------------------------------------------------------------ pooling


def _pooling(x, *, kernel_shape, auto_pad="NOTSET", ceil_mode=0, dilations=None, pads=None, strides=None):
    """The windows of a pooling, with the padding that ``ceil_mode`` extends at the end, and the declared padding."""
    axes = x.ndim - 2
    size = per_axis(kernel_shape, axes, "kernel_shape")
    strides, dilations = per_axis(strides or 1, axes, "strides"), per_axis(dilations or 1, axes, "dilations")
    around = _pads(auto_pad, pads, x.shape[2:], size, strides, dilations)
    full = [*to_the_end(x.shape[2:], size, strides, dilations, around)] if ceil_mode else around
    _check_frame(x, full)
    return {"size": size, "stride": strides, "padding": tuple(full), "dilation": dilations}, around


@operator("MaxPool", passes=_pooling)
def max_pool(x, *, storage_order=0, **options):
    """The largest element of each window."""
    return ag.max_pool(x, **shortened(_pooling(x, **options)[0]))


@operator("AveragePool", passes=_pooling)
def average_pool(x, *, count_include_pad=0, **options):
    """The mean of each window; ``count_include_pad``: whether the zeros of the padding count."""
    windows, around = _pooling(x, **options)
    return mean_pool(x, windows, around if count_include_pad else [(0, 0)] * len(around))


operator("GlobalAveragePool")(lambda x: ag.mean(x, axis=tuple(range(2, x.ndim)), keepdims=True))
operator("GlobalMaxPool")(lambda x: ag.max(x, axis=tuple(range(2, x.ndim)), keepdims=True))


# --------------------------------------------------------------------------------------------------------- resampling


COORDINATES: dict[str, Callable[..., Any]] = {
    "half_pixel": lambda new, n, m, scale: (new + 0.5) / scale - 0.5,
    "pytorch_half_pixel": lambda new, n, m, scale: (new + 0.5) / scale - 0.5 if m > 1 else new - 0.5,
    "align_corners": lambda new, n, m, scale: new * ((n - 1) / max(m - 1, 1)),
    "asymmetric": lambda new, n, m, scale: new / scale,
    "tf_half_pixel_for_nn": lambda new, n, m, scale: (new + 0.5) / scale,
}
"""The coordinates of the ``m`` new elements, numbered by ``new``, among the ``n`` old ones."""

NEAREST: dict[str, Callable[[Any], Any]] = {
    "floor": numpy.floor,
    "ceil": numpy.ceil,
    "round_prefer_floor": lambda places: numpy.ceil(places - 0.5),
    "round_prefer_ceil": lambda places: numpy.floor(places + 0.5),
}


@operator("Resize", since=11, known="roi scales sizes")
def resize(
    x, roi=None, scales=None, sizes=None, *, antialias=0, axes=None, coordinate_transformation_mode="half_pixel",
    cubic_coeff_a=-0.75, exclude_outside=0, extrapolation_value=0.0, keep_aspect_ratio_policy="stretch",
    mode="nearest", nearest_mode="round_prefer_floor",
):  # fmt: skip
    """``x`` resampled along its axes, by factors or to sizes."""
    choice(mode, "mode", ("nearest", "linear", "cubic"))
    rounded = NEAREST[choice(nearest_mode, "nearest_mode", NEAREST)]
    coordinates = COORDINATES[choice(coordinate_transformation_mode, "coordinate_transformation_mode", COORDINATES)]
    along = [axis_in(a, x.ndim) for a in (range(x.ndim) if axes is None else axes)]
    if sizes is not None and sizes.size:
        to = ints(sizes)
        factors = [m / x.shape[a] for m, a in zip(to, along, strict=True)]
    elif scales is not None and scales.size:
        factors = [float(s) for s in scales]
        to = [math.floor(x.shape[a] * s) for s, a in zip(factors, along, strict=True)]
    else:
        raise DomainError("it has neither scales nor sizes")
    new = dict(zip(along, to, strict=True))
    bounded([new.get(i, n) for i, n in enumerate(x.shape)], x.dtype)
    for axis, factor, m in zip(along, factors, to, strict=True):
        n = x.shape[axis]
        if n == m and factor == 1:
            continue
        places = coordinates(numpy.arange(m, dtype="float64"), n, m, factor)
        if mode == "nearest":
            x = ag.take(x, numpy.clip(rounded(places), 0, n - 1).astype("int64"), axis=axis)
        else:
            shrink = min(factor, 1.0) if antialias else 1.0
            if shrink * STEPS < 1:
                raise SizeError(f"antialias is for factors of at least 1/{STEPS:,}, not {factor}")
            bounded((m + 1, math.ceil(4 / shrink)), "float64")
            x = resampled(x, axis, places, cubic_coeff_a if mode == "cubic" else None, shrink, bool(exclude_outside))
    return x


@operator("Upsample", "Resize", known="scales")
def upsample(x, scales, *, mode="nearest"):
    """``x`` resampled by factors, as before opset 11."""
    return resize(
        x, scales=numpy.asarray(scales), mode={"bilinear": "linear"}.get(mode, mode),
        coordinate_transformation_mode="asymmetric", nearest_mode="floor",
    )  # fmt: skip
