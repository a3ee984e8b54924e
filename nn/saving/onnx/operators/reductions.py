"""Sums and other reductions, softmax, matrix products, sorting, normalization."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy

from glassgrad import autograd as ag
from glassgrad.autograd.errors import DomainError, ShapeError
from glassgrad.nn import functional as F
from glassgrad.nn.saving.onnx.table import along, axis_in, bounded, cast, dtype_of, ints, is_float, number, operator

# ---------------------------------------------------------------------------------------------------------- reductions


def _reduction(function, x, axes=None, *, keepdims=1, noop_with_empty_axes=0):
    gone = () if axes is None else tuple(ints(axes))
    gone = gone or (() if noop_with_empty_axes else tuple(range(x.ndim)))
    return cast(function(x, axis=gone, keepdims=bool(keepdims)), x.dtype)


def _floating(x):
    return x if is_float(x) else ag.astype(x, "float64")


def _squares(x, **axes):
    return ag.sum(ag.multiply(x, x), **axes)


def _log_sum_exp(x, axis, keepdims):
    x = _floating(x)
    return ag.logsumexp(x, axis=axis, keepdims=keepdims) if axis else ag.log(ag.exp(x))


REDUCTIONS: dict[str, Callable[..., Any]] = {
    "Sum": ag.sum,
    "Mean": ag.mean,
    "Prod": ag.prod,
    "Max": lambda x, **axes: (ag.any if x.dtype.kind == "b" else ag.max)(x, **axes),
    "Min": lambda x, **axes: (ag.all if x.dtype.kind == "b" else ag.min)(x, **axes),
    "L1": lambda x, **axes: ag.sum(ag.abs(x), **axes),
    "L2": lambda x, **axes: ag.sqrt(_squares(_floating(x), **axes)),
    "SumSquare": _squares,
    "LogSum": lambda x, **axes: ag.log(ag.sum(x, **axes)),
    "LogSumExp": _log_sum_exp,
}

for _name, _function in REDUCTIONS.items():
    operator(f"Reduce{_name}", known="axes")(partial(_reduction, _function))


def _place_of(function, x, *, axis=0, keepdims=1, select_last_index=0):
    return function(x, axis=axis, keepdims=bool(keepdims))


operator("ArgMax")(partial(_place_of, ag.argmax))
operator("ArgMin")(partial(_place_of, ag.argmin))


def _of_axis(function, x, *, axis=-1):
    return function(x, axis=axis)


def _flattened(function, x, *, axis=1):
    """As before opset 13: all axes from ``axis`` on are one."""
    axis = axis_in(axis, x.ndim) if x.ndim else 0
    if axis == x.ndim - 1:
        return function(x, axis=axis)
    rows = function(ag.reshape(x, shape=(math.prod(x.shape[:axis]), math.prod(x.shape[axis:]))), axis=1)
    return ag.reshape(rows, shape=x.shape)


for _name, _function in {"Softmax": ag.softmax, "LogSoftmax": ag.log_softmax}.items():
    operator(_name, since=13)(partial(_of_axis, _function))
    operator(_name)(partial(_flattened, _function))


@operator("NegativeLogLikelihoodLoss")
def nll_loss(log_prob, target, weight=None, *, ignore_index=None, reduction="mean"):
    """Minus the log-probability (batch, classes, ...) of each label (batch, ...), weighted by class."""
    log_prob = ag.moveaxis(log_prob, 1, -1)
    return F.nll_loss(log_prob, target, weight, ignore_index=ignore_index, reduction=reduction)


@operator("SoftmaxCrossEntropyLoss")
def cross_entropy(scores, labels, weights=None, *, ignore_index=None, reduction="mean"):
    """The loss of the log-softmax of scores (batch, classes, ...), and that log-softmax."""
    log_prob = ag.log_softmax(scores, axis=1)
    return nll_loss(log_prob, labels, weights, ignore_index=ignore_index, reduction=reduction), log_prob


@operator("CumSum", known="axis")
def cumulative_sum(x, axis, *, exclusive=0, reverse=0):
    """The sums of the elements along an axis up to each one. The package ``onnx`` computes others."""
    return cast(ag.cumulative_sum(x, axis=number(axis)), x.dtype)


# ------------------------------------------------------------------------------------------------------------ products


@operator("MatMul")
def matmul(x, y):
    """The matrix product."""
    if x.ndim and y.ndim:
        bounded((*numpy.broadcast_shapes(x.shape[:-2], y.shape[:-2]), *x.shape[:-1][-1:], *y.shape[1:][-1:]))
    return ag.matmul(x, y)


@operator("Gemm")
def gemm(a, b, c=None, *, alpha=1.0, beta=1.0, transA=0, transB=0, broadcast=0):
    """``alpha · a b + beta · c``, either matrix transposed."""
    if a.ndim != 2 or b.ndim != 2:
        raise ShapeError(f"Gemm takes matrices; it was given {a.shape} and {b.shape}")
    bounded((a.shape[1 if transA else 0], b.shape[0 if transB else 1]))
    a = ag.permute_dims(a, axes=(1, 0)) if transA else a
    if transB and alpha == 1 and beta == 1 and (c is None or c.shape == b.shape[:1]):
        return ag.linear(a, b, c)
    z = ag.matmul(a, ag.permute_dims(b, axes=(1, 0)) if transB else b)
    z = z if alpha == 1 else cast(ag.multiply(z, alpha), z.dtype)
    return z if c is None else ag.add(z, c if beta == 1 else cast(ag.multiply(c, beta), c.dtype))


@operator("Einsum")
def einsum(*operands, equation):
    """Einstein's sum over named axes."""
    sizes: dict[str, int] = {}
    terms, _, result = equation.replace(" ", "").partition("->")
    for term, operand in zip(terms.split(","), operands, strict=True):
        if "." not in term:
            sizes |= dict(zip(term, operand.shape, strict=True))
    if set(result) <= set(sizes):
        bounded([sizes[letter] for letter in result])
    return ag.einsum(equation, *operands)


operator("Det")(ag.det)

# ------------------------------------------------------------------------------------------------------------- orders


def in_order(x, descending=False, *, axis=-1, count=None):
    """The elements along an axis in order, or the first ``count`` of these, and their indices."""
    order = along(ag.argsort(x, axis=axis, descending=descending), axis, slice(count))
    return ag.take_along_axis(x, order, axis=axis), order


@operator("TopK", known="k")
def top_k(x, k, *, axis=-1, largest=1, sorted=1):
    """The ``k`` largest (or smallest) elements along an axis, in order, and their indices."""
    count = int(number(k))
    if not 0 <= count <= x.shape[axis]:
        raise DomainError(f"k = {count} must be from 0 to the {x.shape[axis]} elements of the axis")
    return in_order(x, bool(largest), axis=axis, count=count)


# ------------------------------------------------------------------------------------------------------- normalization


@operator("BatchNormalization")
def batch_normalization(
    x, scale, bias, mean, var, *, epsilon=1e-5, momentum=0.9, training_mode=0, spatial=1, is_test=0
):
    """``x`` normalized by a known mean and variance of each channel."""
    if not spatial and scale.ndim != 1:
        raise DomainError("spatial=0, statistics for each element, is not supported")
    return cast(F.batch_norm(x, ag.asarray(mean), ag.asarray(var), scale, bias, eps=epsilon), x.dtype)


operator("InstanceNormalization")(
    lambda x, scale, bias, *, epsilon=1e-5: F.group_norm(x, x.shape[1], scale, bias, epsilon)
)


operator("GroupNormalization", since=21)(
    lambda x, scale, bias, *, epsilon=1e-5, num_groups, stash_type=1: F.group_norm(x, num_groups, scale, bias, epsilon)
)


@operator("LayerNormalization")
def layer_normalization(x, scale, bias=None, *, axis=-1, epsilon=1e-5, stash_type=1):
    """The axes from ``axis`` on normalized together."""
    axes = tuple(range(axis_in(axis, x.ndim), x.ndim))
    wide = cast(x, ag.result_type(x.dtype, dtype_of(stash_type)))
    y = ag.multiply(cast(ag.standardize(wide, axis=axes if len(axes) > 1 else axes[0], eps=epsilon), x.dtype), scale)
    return y if bias is None else ag.add(y, bias)


operator("LRN")(lambda x, *, size, alpha=0.0001, beta=0.75, bias=1.0: F.local_response_norm(x, size, alpha, beta, bias))
