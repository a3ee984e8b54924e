"""Operators that compute element by element."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy

from glassgrad import autograd as ag
from glassgrad.autograd import Tensor
from glassgrad.autograd.common.validation import choice
from glassgrad.autograd.errors import DomainError
from glassgrad.nn.functional import activations
from glassgrad.nn.saving.onnx.table import (
    axis_in,
    bounded,
    broadcastable,
    cast,
    column,
    dtype_of,
    is_float,
    number,
    operator,
    scalar,
)

# ---------------------------------------------------------------------------------------------------------- arithmetic


def _binary(function, x, y, *, axis=None, broadcast=0):
    if axis is not None and y.ndim < x.ndim:  # before opset 7: that of x which the first axis of y is
        y = ag.reshape(y, shape=(*y.shape, *(1,) * (x.ndim - axis_in(axis, x.ndim) - y.ndim)))
    broadcastable(x, y)
    return function(_as_number(x, y), _as_number(y, x))


def _as_number(x, other):
    """``x`` as a Python number, which a picture shows, if it is one known number and the result does not change."""
    alike = isinstance(other, Tensor) and other.dtype == x.dtype and x.dtype.kind == "f" and other.ndim >= x.ndim
    return x.item() if alike and isinstance(x, numpy.ndarray) and x.size == 1 else x


def _unary(function, x):
    return function(x)


def _many(function, *values):
    broadcastable(*values)
    return functools.reduce(function, values)


def _divide(x, y):
    """The quotient; of integers rounded toward 0."""
    if isinstance(x, float) or is_float(x):
        return ag.divide(x, y)
    return ag.floor_divide(ag.subtract(x, ag.fmod(x, y)), y)


def _power(x, y):
    """``x`` to ``y`` in the dtype of ``x``."""
    if isinstance(x, float) or isinstance(y, float) or x.dtype == y.dtype:
        return ag.power(x, scalar(y))
    if is_float(x):
        return ag.power(x, scalar(cast(y, x.dtype)))
    return cast(ag.power(cast(x, "float64"), y), x.dtype)


BINARY: dict[str, Callable[..., Any]] = {
    "Add": ag.add, "Sub": ag.subtract, "Mul": ag.multiply, "Div": _divide, "Pow": _power, "Equal": ag.equal,
    "Greater": ag.greater, "GreaterOrEqual": ag.greater_equal, "Less": ag.less, "LessOrEqual": ag.less_equal,
    "And": ag.logical_and, "Or": ag.logical_or, "Xor": ag.logical_xor, "BitwiseAnd": ag.bitwise_and,
    "BitwiseOr": ag.bitwise_or, "BitwiseXor": ag.bitwise_xor,
}  # fmt: skip

UNARY: dict[str, Callable[..., Any]] = {
    "Abs": ag.abs, "Acos": ag.acos, "Acosh": ag.acosh, "Asin": ag.asin, "Asinh": ag.asinh, "Atan": ag.atan,
    "Atanh": ag.atanh, "BitwiseNot": ag.bitwise_invert, "Ceil": ag.ceil, "Cos": ag.cos, "Cosh": ag.cosh, "Erf": ag.erf,
    "Exp": ag.exp, "Floor": ag.floor, "Identity": lambda x: x, "IsInf": ag.isinf, "IsNaN": ag.isnan, "Log": ag.log,
    "Mish": activations.mish, "Neg": ag.negative, "Not": ag.logical_not, "Reciprocal": ag.reciprocal, "Relu": ag.relu,
    "Round": ag.round, "Sigmoid": ag.sigmoid, "Sign": ag.sign, "Sin": ag.sin, "Sinh": ag.sinh, "Softplus": ag.softplus,
    "Sqrt": ag.sqrt, "Tan": ag.tan, "Tanh": ag.tanh,
}  # fmt: skip

MANY: dict[str, Callable[..., Any]] = {"Max": ag.maximum, "Min": ag.minimum, "Sum": ag.add}

for _kind, _rows in ((_binary, BINARY), (_unary, UNARY), (_many, MANY)):
    for _name, _function in _rows.items():
        operator(_name)(functools.partial(_kind, _function))


@operator("Mean")
def mean(*values):
    """The mean of several values."""
    broadcastable(*values)
    return functools.reduce(ag.add, values) * (1 / len(values))


@operator("Mod")
def mod(x, y, *, fmod=0):
    """The remainder, with the sign of the divisor or, by ``fmod``, of the dividend."""
    broadcastable(x, y)
    return cast(ag.fmod(x, y), x.dtype) if fmod else ag.remainder(x, y)


@operator("Where")
def where(condition, x, y):
    """``x`` where the condition holds, else ``y``."""
    broadcastable(condition, x, y)
    return ag.where(condition, x, y)


@operator("Clip")
def clip(x, min=None, max=None):
    """``x`` between ``min`` and ``max``; ``max`` if ``min`` is larger."""
    return x if min is max is None else ag.clip(x, scalar(min), scalar(max))


# -------------------------------------------------------------------------------------------------------- activations


SELU = 1.67326319217681884765625, 1.05070102214813232421875
"""ONNX's alpha and gamma of Selu."""

ACTIVATIONS: dict[str, Callable[..., Any]] = {
    "LeakyRelu": lambda x, *, alpha=0.01: ag.leaky_relu(x, slope=alpha),
    "Elu": lambda x, *, alpha=1.0: activations.elu(x, alpha),
    "Celu": lambda x, *, alpha=1.0: activations.elu(x, alpha, input_scale=1 / alpha),
    "Selu": lambda x, *, alpha=SELU[0], gamma=SELU[1]: activations.elu(x, alpha, scale=gamma),
    "ThresholdedRelu": lambda x, *, alpha=1.0: ag.where(ag.greater(x, alpha), x, 0.0),
    "HardSigmoid": lambda x, *, alpha=0.2, beta=0.5: ag.clip(x * alpha + beta, 0.0, 1.0),
    "HardSwish": lambda x: x * activations.hardsigmoid(x),
    "Swish": lambda x, *, alpha=1.0: activations.silu(x, alpha=alpha),
    "Softsign": lambda x: ag.divide(x, ag.abs(x) + 1),
}

for _name, _function in ACTIVATIONS.items():
    operator(_name)(_function)


@operator("PRelu")
def prelu(x, slope):
    """``x`` where positive, else ``slope · x``."""
    if slope.ndim == 1 and x.ndim > 2 and slope.shape[0] == x.shape[1] != x.shape[-1]:  # before opset 7: by channel
        slope = column(slope, x.ndim - 2)
    return ag.where(ag.less(x, 0), ag.multiply(slope, x), x)


@operator("Gelu")
def gelu(x, *, approximate="none"):
    """``x · Φ(x)``, exact or approximated by ``"tanh"``."""
    return activations.gelu_tanh(x) if choice(approximate, "approximate", ("none", "tanh")) == "tanh" else ag.gelu(x)


# ------------------------------------------------------------------------------------------------------------- dtypes


def _converted(x, dtype):
    with numpy.errstate(invalid="ignore", over="ignore"):
        return cast(x, dtype)


operator("Cast")(lambda x, *, to, saturate=1, round_mode="up": _converted(x, dtype_of(to)))
operator("CastLike")(lambda x, like, *, saturate=1, round_mode="up": _converted(x, like.dtype))


@operator("Dropout", known="ratio training_mode")
def dropout(x, ratio=None, training_mode=None, *, seed=None, is_test=0, outputs=1):
    """``x`` unchanged, because an imported network is evaluated; also, on request, a mask of trues."""
    if training_mode is not None and number(training_mode) and (ratio is None or number(ratio)):
        raise DomainError("training_mode is on: it would drop elements at random, which is not supported")
    return (x, numpy.ones(bounded(x.shape, "bool"), "bool")) if outputs > 1 else x
