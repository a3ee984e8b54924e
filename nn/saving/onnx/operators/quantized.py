"""Integers with a scale and a zero point in place of floats.

The derivative of rounding is 0, so no gradient passes a QuantizeLinear; the scale of a DequantizeLinear gets one.
"""

from __future__ import annotations

import numpy

from glassgrad import autograd as ag
from glassgrad.autograd.errors import ShapeError
from glassgrad.nn.saving.onnx.operators.windows import conv
from glassgrad.nn.saving.onnx.table import axis_in, bounded, cast, column, dtype_of, is_float, operator


def _along(values, x, axis):
    """Scales or zero points, broadcast against ``x``: one, or one for each entry of an axis."""
    if values is None or values.ndim == 0 or values.shape == (1,):
        return values
    axis = axis_in(axis, x.ndim)
    if values.shape != x.shape[axis : axis + 1]:
        raise ShapeError(f"there are {values.shape} scales or zero points for axis {axis} of x {x.shape}")
    return column(values, x.ndim - 1 - axis)


@operator("QuantizeLinear")
def quantize(x, scale, zero_point=None, *, axis=1, block_size=0, output_dtype=0, precision=0, saturate=1):
    """``round(x / scale) + zero_point``, limited to the range of the integers."""
    dtype = zero_point.dtype if zero_point is not None else dtype_of(output_dtype or 2)
    if precision:
        x, scale = cast(x, dtype_of(precision)), cast(scale, dtype_of(precision))
    y = ag.round(ag.divide(x if is_float(x) else cast(x, scale.dtype), _along(scale, x, axis)))
    return _shifted(y, _along(zero_point, x, axis), numpy.dtype(dtype))


def _shifted(y, zero_point, dtype):
    """``y`` plus a zero point as an integer of ``dtype``."""
    limits = numpy.iinfo(dtype)
    y = y if zero_point is None else ag.add(y, cast(zero_point, y.dtype))
    return cast(ag.clip(y, float(limits.min), float(limits.max)), dtype)


@operator("DequantizeLinear")
def dequantize(x, scale, zero_point=None, *, axis=1, block_size=0, output_dtype=0):
    """``(x - zero_point) · scale``."""
    wide = _centred(x, _along(zero_point, x, axis))
    dtype = dtype_of(output_dtype) if output_dtype else scale.dtype
    return cast(ag.multiply(cast(wide, scale.dtype), _along(scale, x, axis)), dtype)


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
