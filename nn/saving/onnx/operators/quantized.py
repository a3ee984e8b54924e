"""Integers with a scale and a zero point in place of floats.

The derivative of rounding is 0, so no gradient passes a QuantizeLinear; the scale of a DequantizeLinear gets one.
"""

from __future__ import annotations

import numpy

from glassgrad import autograd as ag
from glassgrad.autograd.errors import ShapeError
from glassgrad.nn.saving.onnx.operators.windows import conv
from glassgrad.nn.saving.onnx.table import along, axis_in, bounded, cast, column, concrete, dtype_of, is_float, operator


def _along(values, x, axis, block_size):
    """Scales or zero points, broadcast against ``x``: one, or one for each entry or block of an axis."""
    if values is None or values.ndim == 0 or (values.ndim == 1 and values.shape[0] == 1 and not block_size):
        return values
    axis = axis_in(axis, x.ndim)
    if block_size:
        return along(ag.repeat(values, repeats=block_size, axis=axis), axis, slice(0, x.shape[axis]))
    if values.shape != x.shape[axis : axis + 1]:
        raise ShapeError(f"there are {values.shape} scales or zero points for axis {axis} of x {x.shape}")
    return column(values, x.ndim - 1 - axis)


@operator("QuantizeLinear")
def quantize(x, scale, zero_point=None, *, axis=1, block_size=0, output_dtype=0, precision=0, saturate=1):
    """``round(x / scale) + zero_point``, limited to the range of the integers."""
    dtype = zero_point.dtype if zero_point is not None else dtype_of(output_dtype or 2)
    if precision:
        x, scale = cast(x, dtype_of(precision)), cast(scale, dtype_of(precision))
    y = ag.round(ag.divide(x if is_float(x) else cast(x, scale.dtype), _along(scale, x, axis, block_size)))
    return _shifted(y, _along(zero_point, x, axis, block_size), numpy.dtype(dtype))


def _shifted(y, zero_point, dtype):
    """``y`` plus a zero point as an integer of ``dtype``."""
    limits = numpy.iinfo(dtype)
    y = y if zero_point is None else ag.add(y, cast(zero_point, y.dtype))
    return cast(ag.clip(y, float(limits.min), float(limits.max)), dtype)


@operator("DequantizeLinear")
def dequantize(x, scale, zero_point=None, *, axis=1, block_size=0, output_dtype=0):
    """``(x - zero_point) · scale``."""
    wide = _centred(x, _along(zero_point, x, axis, block_size))
    dtype = dtype_of(output_dtype) if output_dtype else scale.dtype
    return cast(ag.multiply(cast(wide, scale.dtype), _along(scale, x, axis, block_size)), dtype)


@operator("DynamicQuantizeLinear")
def dynamic_quantize(x):
    """``x`` as unsigned bytes, with the scale and zero point that its largest and smallest element need."""
    low, high = ag.minimum(ag.min(x), 0.0), ag.maximum(ag.max(x), 0.0)
    scale = ag.divide(ag.subtract(high, low), 255.0)
    scale = ag.where(ag.equal(scale, 0), 1.0, scale)
    zero_point = _shifted(ag.round(ag.divide(ag.negative(low), scale)), None, numpy.dtype("uint8"))
    return quantize(x, scale, zero_point), cast(scale, "float32"), zero_point


def _centred(x, zero_point, by_row=False):
    """Bytes minus their zero point, one or (``by_row``) one for each row."""
    wide = cast(x, "int32")
    if zero_point is None:
        return wide
    shift = cast(zero_point, "int32")
    return ag.subtract(wide, ag.expand_dims(shift, axis=-1) if by_row and shift.ndim else shift)


@operator("MatMulInteger")
def matmul_integer(a, b, a_zero_point=None, b_zero_point=None):
    """The matrix product of bytes, in 32 bits."""
    bounded((*a.shape[:-1][-1:], *b.shape[1:][-1:]), "int32")
    return cast(ag.matmul(_centred(a, a_zero_point, by_row=True), _centred(b, b_zero_point)), "int32")


@operator("ConvInteger", passes=conv)
def conv_integer(x, weight, x_zero_point=None, w_zero_point=None, **options):
    """The convolution of bytes, in 32 bits."""
    shift = w_zero_point
    if shift is not None and shift.ndim:
        shift = column(shift, weight.ndim - 1)
    # Computed in floats: float64 represents all these integers exactly.
    z = conv(cast(_centred(x, x_zero_point), "float64"), cast(_centred(weight, shift), "float64"), **options)
    return cast(z, "int32")


@operator("QLinearConv", passes=conv)
def quantized_conv(
    x, x_scale, x_zero_point, weight, w_scale, w_zero_point, y_scale, y_zero_point, bias=None, **options
):
    """The convolution of quantized values, quantized."""
    z = conv_integer(x, weight, x_zero_point, w_zero_point, **options)
    z = z if bias is None else ag.add(z, column(bias, x.ndim - 2))
    scale = ag.divide(ag.multiply(x_scale, w_scale), y_scale)
    scale = column(scale, x.ndim - 2) if scale.ndim else scale
    return _shifted(ag.round(ag.multiply(cast(z, "float32"), scale)), y_zero_point, y_zero_point.dtype)


@operator("QLinearMatMul")
def quantized_matmul(a, a_scale, a_zero_point, b, b_scale, b_zero_point, y_scale, y_zero_point):
    """The matrix product of quantized matrices, quantized."""
    z = matmul_integer(a, b, a_zero_point, b_zero_point)
    scale = ag.divide(ag.multiply(cast(a_scale, "float32"), cast(b_scale, "float32")), cast(y_scale, "float32"))
    y = ag.round(ag.multiply(cast(z, "float32"), scale))
    return _shifted(y, y_zero_point, y_zero_point.dtype)


@operator("NonMaxSuppression", known="boxes scores count iou_threshold score_threshold")
def non_max_suppression(boxes, scores, count=None, iou_threshold=None, score_threshold=None, *, center_point_box=0):
    """The best boxes of each class that do not overlap a better one: rows of (sample, class, box)."""
    limit = 0 if count is None else int(concrete(count).reshape(()))
    overlap = 0.0 if iou_threshold is None else float(iou_threshold.reshape(()))
    least = -numpy.inf if score_threshold is None else float(score_threshold.reshape(()))
    if center_point_box:
        middle, half = boxes[..., :2], boxes[..., 2:] / 2
        boxes = numpy.concatenate([middle - half, middle + half], axis=-1)
    low, high = numpy.minimum(boxes[..., :2], boxes[..., 2:]), numpy.maximum(boxes[..., :2], boxes[..., 2:])
    found = []
    for sample, classes, _ in numpy.ndindex(*scores.shape[:2], 1):
        of_class = scores[sample, classes]
        kept: list[int] = []
        for i in numpy.argsort(-of_class, kind="stable"):
            if len(kept) >= limit or of_class[i] <= least:
                break
            common = numpy.minimum(high[sample, i], high[sample, kept]) - numpy.maximum(
                low[sample, i], low[sample, kept]
            )
            shared = numpy.prod(numpy.maximum(common, 0), axis=-1)
            areas = numpy.prod(high[sample] - low[sample], axis=-1)
            union = areas[i] + areas[kept] - shared
            if not (shared > overlap * union).any():
                kept.append(i)
        found += [(sample, classes, i) for i in kept]
    return numpy.asarray(found, "int64").reshape(-1, 3)
