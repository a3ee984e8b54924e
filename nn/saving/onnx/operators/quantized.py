"""Integers with a scale and a zero point in place of floats.

The derivative of rounding is 0, so no gradient passes a QuantizeLinear; the scale of a DequantizeLinear gets one.
"""

from __future__ import annotations

import numpy

from glassgrad import autograd as ag
from glassgrad.autograd.errors import ShapeError
from glassgrad.nn.saving.onnx.operators.reductions import matmul
from glassgrad.nn.saving.onnx.operators.windows import conv
from glassgrad.nn.saving.onnx.table import axis_in, cast, column, dtype_of, is_float, operator


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
    y = y if zero_point is None else ag.add(y, cast(_along(zero_point, x, axis), y.dtype))
    limits = numpy.iinfo(dtype)
    return cast(ag.clip(y, float(limits.min), float(limits.max)), dtype)


@operator("DequantizeLinear")
def dequantize(x, scale, zero_point=None, *, axis=1, block_size=0, output_dtype=0):
    """``(x - zero_point) · scale``."""
    wide = cast(x, "int32")
    if zero_point is not None:
        wide = ag.subtract(wide, cast(_along(zero_point, x, axis), "int32"))
    dtype = dtype_of(output_dtype) if output_dtype else scale.dtype
    return cast(ag.multiply(cast(wide, scale.dtype), _along(scale, x, axis)), dtype)


def _exact(x, scale, zero_point, axis=0):
    """A quantized value as float64, which has room for the products of its integers and scales."""
    return dequantize(x, cast(scale, "float64"), zero_point, axis=axis)


ONE = numpy.ones(())


@operator("MatMulInteger")
def matmul_integer(a, b, a_zero_point=None, b_zero_point=None):
    """The matrix product of bytes, in 32 bits."""
    return cast(matmul(_exact(a, ONE, a_zero_point, -2), _exact(b, ONE, b_zero_point, -1)), "int32")


@operator("ConvInteger", passes=conv)
def conv_integer(x, weight, x_zero_point=None, w_zero_point=None, **options):
    """The convolution of bytes, in 32 bits."""
    return cast(conv(_exact(x, ONE, x_zero_point), _exact(weight, ONE, w_zero_point), **options), "int32")


@operator("QLinearConv", passes=conv)
def quantized_conv(
    x, x_scale, x_zero_point, weight, w_scale, w_zero_point, y_scale, y_zero_point, bias=None, **options
):
    """The convolution of quantized values, quantized."""
    by = ag.multiply(cast(x_scale, "float64"), w_scale)
    bias = None if bias is None else _exact(bias, by, None)
    z = conv(_exact(x, x_scale, x_zero_point), _exact(weight, w_scale, w_zero_point), bias, **options)
    return quantize(z, cast(y_scale, "float64"), y_zero_point)


@operator("QLinearMatMul")
def quantized_matmul(a, a_scale, a_zero_point, b, b_scale, b_zero_point, y_scale, y_zero_point):
    """The matrix product of quantized matrices, quantized."""
    z = matmul(_exact(a, a_scale, a_zero_point, -2), _exact(b, b_scale, b_zero_point, -1))
    return quantize(z, cast(y_scale, "float64"), y_zero_point)
