"""Reductions, and running totals."""

from __future__ import annotations

import math
from typing import Any

from glassgrad.autograd.backends import is_complex
from glassgrad.autograd.common import shapes
from glassgrad.autograd.engine.operation import op
from glassgrad.autograd.errors import ShapeError
from glassgrad.autograd.ops.elementwise import check_real, conjugate


def _kept(xp: Any, value: Any, shape: shapes.Shape, axis: shapes.Axis) -> Any:
    """A reduction's result with the reduced axes of ``shape`` as ones, so that it broadcasts against the operand."""
    return xp.reshape(value, shape=shapes.keepdims_shape(shape, axis))


def _spread(xp: Any, g: Any, x_shape: shapes.Shape, axis: shapes.Axis) -> Any:
    """``g`` broadcast to the shape of the operand."""
    return xp.broadcast_to(g if axis is None else _kept(xp, g, x_shape, axis), shape=x_shape)


# ----------------------------------------------------------------------------------------------------- sums and moments


@op("Σ", text="sum({x})", tex=r"\sum {x}", level=2)
def sum(xp, x, *, axis=None, keepdims=False):
    """The sum over ``axis``: a number, a tuple of them, or ``None`` for all. Integers and booleans are summed as int64.
    ``dtype``: the elements are cast to it first.

    >>> from glassgrad import autograd as ag
    >>> ag.sum(ag.Tensor([[1.0, 2.0], [3.0, 4.0]]), axis=0)
    Tensor([4.0, 6.0])
    """
    return xp.sum(x, axis=axis, keepdims=keepdims)


sum.vjp(x=_spread)


@op("Σ ranks")
def all_reduce(xp, x, *, add):
    """The sum of ``x`` over all processes, in each of them; ``add`` computes it from this process's array.

    Its gradient is that of the sum of the losses of all processes, so the operation is its own adjoint.

    >>> from glassgrad import autograd as ag
    >>> ag.all_reduce(ag.Tensor([1.0, 2.0]), add=lambda mine: mine + mine)  # of two processes with the same array
    Tensor([2.0, 4.0])
    """
    return add(x)


all_reduce.vjp(x=lambda xp, g, add: xp.all_reduce(g, add=add))


@op("mean", tex=r"\operatorname{{mean}}({x})")
def mean(xp, x, *, axis=None, keepdims=False):
    """The mean over ``axis``: a number, a tuple of them, or ``None`` for all. The mean of no elements is NaN, as in
    PyTorch.

    >>> from glassgrad import autograd as ag
    >>> ag.mean(ag.Tensor([[1.0, 2.0], [3.0, 4.0]]), axis=1, keepdims=True)
    Tensor([[1.5],
            [3.5]])
    """
    if x.dtype == "float16":  # summed in float32, as in NumPy, because 66 numbers of 1000 overflow in float16
        return xp.astype(mean.forward(xp, xp.astype(x, "float32"), axis=axis, keepdims=keepdims), x.dtype)
    return xp.sum(x, axis=axis, keepdims=keepdims) / shapes.size(x.shape, axis)


mean.vjp(x=lambda xp, g, x_shape, axis: _spread(xp, g / shapes.size(x_shape, axis), x_shape, axis))


def _squares(xp: Any, x: Any) -> Any:
    return xp.real(x * xp.conj(x)) if is_complex(x.dtype) else x * x


@op("mean ²", tex=r"\operatorname{{mean\,square}}({x})")
def mean_square(xp, x, *, axis=None, keepdims=False):
    """The mean of the squares over ``axis``: a number, a tuple of them, or ``None`` for all. That of no elements is
    NaN.

    >>> from glassgrad import autograd as ag
    >>> ag.mean_square(ag.Tensor([[3.0, 1.0], [1.0, 7.0]]), axis=0)
    Tensor([5.0, 25.0])
    """
    return xp.sum(_squares(xp, x), axis=axis, keepdims=keepdims) / shapes.size(x.shape, axis)


mean_square.vjp(
    x=lambda xp, g, x, x_shape, axis: conjugate(xp, x) * _kept(xp, g * 2 / shapes.size(x_shape, axis), x_shape, axis)
)


def _weight(x_shape: shapes.Shape, axis: shapes.Axis, correction: float) -> float:
    """The factor from a sum of squared deviations to the variance; NaN for too few elements."""
    degrees = shapes.size(x_shape, axis) - correction
    return 1 / degrees if degrees > 0 else math.nan


def _centred(xp: Any, x: Any, axis: shapes.Axis) -> Any:
    return x - xp.sum(x, axis=axis, keepdims=True) / shapes.size(x.shape, axis)


def _variance(xp: Any, x: Any, axis: shapes.Axis, correction: float, keepdims: bool) -> Any:
    squares = _squares(xp, _centred(xp, x, axis))
    return xp.sum(squares, axis=axis, keepdims=keepdims) * _weight(x.shape, axis, correction)


@op("var", tex=r"\operatorname{{var}}({x})")
def var(xp, x, *, axis=None, correction=0, keepdims=False):
    """The variance over ``axis``: the sum of squared deviations from the mean, divided by their number less
    ``correction``.

    ``correction`` is 0 by default, as in NumPy and the array API (PyTorch: 1). The variance of ``correction`` elements
    or fewer is NaN.

    >>> from glassgrad import autograd as ag
    >>> ag.var(ag.Tensor([1.0, 2.0, 3.0]), correction=1)
    Tensor(1.0)
    """
    return _variance(xp, x, axis, correction, keepdims)


var.vjp(
    x=lambda xp, g, x, x_shape, axis, correction: (
        _kept(xp, g, x_shape, axis) * (2 * _weight(x_shape, axis, correction)) * conjugate(xp, _centred(xp, x, axis))
    )
)


@op("std", tex=r"\operatorname{{std}}({x})")
def std(xp, x, *, axis=None, correction=0, keepdims=False):
    """The standard deviation over ``axis``, the square root of `var`.

    Where all values are equal it has a kink, and all derivatives are taken as 0, as in PyTorch; likewise where the
    values are so close that their squared deviations underflow.

    >>> from glassgrad import autograd as ag
    >>> ag.std(ag.Tensor([1.0, 2.0, 3.0]), correction=1)
    Tensor(1.0)
    """
    return xp.sqrt(_variance(xp, x, axis, correction, keepdims))


def _std_by_x(xp: Any, g: Any, x: Any, x_shape: Any, out: Any, axis: Any, correction: Any) -> Any:
    flat = out == 0
    if 0 not in x_shape and not is_complex(x.dtype):  # the mean of equal values may be rounded, so that out is not 0
        highest, lowest = (extreme(x, axis=axis, keepdims=True) for extreme in (xp.max, xp.min))
        flat = flat | (xp.reshape(highest == lowest, shape=out.shape) & (out == out))
    share = xp.where(flat, 0.0, g * _weight(x_shape, axis, correction) / xp.where(flat, 1.0, out))
    return _kept(xp, share, x_shape, axis) * conjugate(xp, _centred(xp, x, axis))


std.vjp(x=_std_by_x)


def _precision(xp: Any, centred: Any, axis: shapes.Axis, eps: float) -> Any:
    """One over the standard deviation of values with mean 0."""
    total = xp.sum(centred * centred, axis=axis, keepdims=True)
    return 1 / xp.sqrt(total / shapes.size(centred.shape, axis) + eps)


@op("standardize", tex=r"\operatorname{{standardize}}({x})")
def standardize(xp, x, *, axis=-1, eps=1e-5):
    """``(x - mean(x)) / √(var(x) + eps)`` over ``axis``.

    ``axis``: a number, a tuple of them, or ``None`` for all. The common part of layer and batch normalisation: J. Ba,
    J. Kiros and G. Hinton, "Layer normalization", 2016; S. Ioffe and C. Szegedy, "Batch normalization", ICML 2015.

    >>> from glassgrad import autograd as ag
    >>> ag.standardize(ag.Tensor([[1.0, 3.0], [5.0, 5.0]]), eps=0.0001)
    Tensor([[-0.99995, 0.99995],
            [     0.0,     0.0]])
    """
    check_real(x)
    centred = _centred(xp, x, axis)
    centred *= _precision(xp, centred, axis, eps)  # in place: this array is ours alone
    return centred


def _standardize_by_x(xp: Any, g: Any, x: Any, out: Any, axis: Any, eps: Any) -> Any:
    # A shift of x does not change the result, nor (except for eps) does a scaling: these components of g are removed.
    shared = _centred(xp, g, axis) - out * (xp.sum(g * out, axis=axis, keepdims=True) / shapes.size(x.shape, axis))
    return shared * _precision(xp, _centred(xp, x, axis), axis, eps)


standardize.vjp(x=_standardize_by_x)


@op("logsumexp", text="log Σ exp({x})", tex=r"\ln \sum e^{{{x}}}")
def logsumexp(xp, x, *, axis=None, keepdims=False):
    """``log(sum(exp(x)))`` over ``axis`` without overflow. Where all elements are -inf, or there are none, it is -inf
    and its gradient is 0 (PyTorch: NaN).

    >>> from glassgrad import autograd as ag
    >>> ag.logsumexp(ag.Tensor([1000.0, 1000.0]))
    Tensor(1000.69)
    """
    if not shapes.size(x.shape, axis):
        return xp.sum(x, axis=axis, keepdims=keepdims) - math.inf  # the logarithm of an empty sum
    top = xp.max(xp.real(x) if is_complex(x.dtype) else x, axis=axis, keepdims=True)
    top = xp.where(xp.isfinite(top), top, 0.0)
    total = xp.sum(xp.exp(x - top), axis=axis, keepdims=True)
    result = xp.where(total == 0, -math.inf, xp.log(xp.where(total == 0, 1.0, total)) + top)
    return result if keepdims else xp.squeeze(result, axis=shapes.normalize_axes(axis, x.ndim))


def _softmax_of(xp: Any, g: Any, x: Any, x_shape: Any, out: Any, axis: Any) -> Any:
    safe = xp.where(out == -math.inf, 0.0, out)
    shares = xp.exp(x - _kept(xp, safe, x_shape, axis))
    total = xp.sum(shares, axis=axis, keepdims=True)  # 1, except that out is rounded
    return _kept(xp, g, x_shape, axis) * (shares / xp.where(total == 0, 1.0, total))


logsumexp.vjp(x=_softmax_of)


# ------------------------------------------------------------------------------------------------------------- extremes


def _shared(xp: Any, g: Any, x: Any, x_shape: Any, out: Any, axis: Any) -> Any:
    """``g`` shared equally by the elements that are equal to the extreme."""
    chosen = xp.astype(x == _kept(xp, out, x_shape, axis), g.dtype)
    return chosen * (_kept(xp, g, x_shape, axis) / xp.sum(chosen, axis=axis, keepdims=True))


@op("max", tex=r"\max({x})")
def max(xp, x, *, axis=None, keepdims=False):
    """The largest element over ``axis``. Equal largest elements share the gradient equally, as in PyTorch's ``amax``.

    >>> from glassgrad import autograd as ag
    >>> ag.grad(ag.max)([3.0, 1.0, 3.0])
    Tensor([0.5, 0.0, 0.5])
    """
    return xp.max(x, axis=axis, keepdims=keepdims)


max.vjp(x=_shared)


@op("min", tex=r"\min({x})")
def min(xp, x, *, axis=None, keepdims=False):
    """The smallest element over ``axis``. Equal smallest elements share the gradient equally, as in PyTorch's ``amin``.

    >>> from glassgrad import autograd as ag
    >>> ag.min(ag.Tensor([[3.0, 1.0], [2.0, 5.0]]), axis=1)
    Tensor([1.0, 2.0])
    """
    return xp.min(x, axis=axis, keepdims=keepdims)


min.vjp(x=_shared)


@op("argmax")
def argmax(xp, x, *, axis=None, keepdims=False):
    """The position of the largest element along ``axis``, or in the flattened array; the first of equal ones.

    No gradient.

    >>> from glassgrad import autograd as ag
    >>> ag.argmax(ag.Tensor([1.0, 3.0, 2.0]))
    Tensor(1)
    """
    return xp.argmax(x, axis=axis, keepdims=keepdims)


@op("argmin")
def argmin(xp, x, *, axis=None, keepdims=False):
    """The position of the smallest element along ``axis``, or in the flattened array; the first of equal ones.

    No gradient.

    >>> from glassgrad import autograd as ag
    >>> ag.argmin(ag.Tensor([[1.0, 3.0], [2.0, 0.0]]), axis=0)
    Tensor([0, 1])
    """
    return xp.argmin(x, axis=axis, keepdims=keepdims)


@op("all")
def all(xp, x, *, axis=None, keepdims=False):
    """Whether every element over ``axis`` is true (not zero). No gradient.

    >>> from glassgrad import autograd as ag
    >>> ag.all(ag.Tensor([1.0, 2.0]) > 0)
    Tensor(True)
    """
    return xp.all(x, axis=axis, keepdims=keepdims)


@op("any")
def any(xp, x, *, axis=None, keepdims=False):
    """Whether some element over ``axis`` is true (not zero). No gradient.

    >>> from glassgrad import autograd as ag
    >>> ag.any(ag.Tensor([1.0, 2.0]) > 3)
    Tensor(False)
    """
    return xp.any(x, axis=axis, keepdims=keepdims)


# ------------------------------------------------------------------------------------------------------- running totals


def _running_axis(ndim: int, axis: int | None) -> int:
    """The axis of a running total, counted from 0; it may be left out for one-dimensional arrays."""
    if (axis is None and ndim != 1) or isinstance(axis, tuple | list):
        raise ShapeError(f"a running total runs along one axis, and the array has {ndim}: say which, as in axis=0.")
    return shapes.normalize_axis(0 if axis is None else axis, ndim)


def _after_initial(g: Any, axis: int, include_initial: bool) -> Any:
    return g[shapes.along(axis, slice(1, None))] if include_initial else g


@op("Σ…", text="cumulative_sum({x})", tex=r"\operatorname{{cumsum}}({x})")
def cumulative_sum(xp, x, *, axis=None, include_initial=False):
    """The sums of the first 1, 2, … elements along ``axis``; with ``include_initial`` a 0 comes before them.

    >>> from glassgrad import autograd as ag
    >>> ag.cumulative_sum(ag.Tensor([1.0, 2.0, 3.0]), include_initial=True)
    Tensor([0.0, 1.0, 3.0, 6.0])
    """
    return xp.cumulative_sum(x, axis=_running_axis(x.ndim, axis), include_initial=include_initial)


def _cumulative_sum_by_x(xp: Any, g: Any, x_shape: Any, axis: Any, include_initial: Any) -> Any:
    axis = _running_axis(len(x_shape), axis)
    g = _after_initial(g, axis, include_initial)
    return xp.flip(xp.cumulative_sum(xp.flip(g, axis=axis), axis=axis), axis=axis)


cumulative_sum.vjp(x=_cumulative_sum_by_x)


@op("Π…", text="cumulative_prod({x})", tex=r"\operatorname{{cumprod}}({x})")
def cumulative_prod(xp, x, *, axis=None, include_initial=False):
    """The products of the first 1, 2, … elements along ``axis``; with ``include_initial`` a 1 comes before them.

    Its rule does not divide, so it is right for zeros, too, to any order.

    >>> from glassgrad import autograd as ag
    >>> ag.cumulative_prod(ag.Tensor([2.0, 3.0, 4.0]))
    Tensor([2.0, 6.0, 24.0])
    """
    return xp.cumulative_prod(x, axis=_running_axis(x.ndim, axis), include_initial=include_initial)


def _products_before(xp: Any, x: Any, axis: int) -> Any:
    """For each element the product of those before it."""
    return xp.cumulative_prod(x, axis=axis, include_initial=True)[shapes.along(axis, slice(-1))]


def recurrence_back(xp: Any, x: Any, g: Any, axis: int) -> Any:
    """``s[i] = g[i] + x[i+1] * s[i+1]`` along ``axis``, in log2(n) whole-array steps: pairs of a factor and a term
    compose associatively (Hillis and Steele 1986; Blelloch 1990).
    """
    factor, step = xp.roll(x, shift=-1, axis=axis), 1
    while step < g.shape[axis]:
        head, later, tail = (shapes.along(axis, s) for s in (slice(-step), slice(step, None), slice(-step, None)))
        # Missing entries are 0, and stay 0 even if the products overflow.
        g = xp.concat([g[head] + xp.multiply_no_nan(factor[head], g[later]), g[tail]], axis=axis)
        factor = xp.concat([factor[head] * factor[later], factor[tail]], axis=axis)
        step *= 2
    return g


def _cumulative_prod_by_x(xp: Any, g: Any, x: Any, x_shape: Any, axis: Any, include_initial: Any) -> Any:
    # Element i is a factor of all products from the i-th on. Its gradient is the product of the elements before it,
    # times g[i] + x[i+1] g[i+1] + x[i+1] x[i+2] g[i+2] + …
    axis = _running_axis(len(x_shape), axis)
    g = _after_initial(g, axis, include_initial)
    # The gradient is 0 where the second factor is, even if the products before it have overflowed.
    return xp.multiply_no_nan(_products_before(xp, x, axis), recurrence_back(xp, x, g, axis))


cumulative_prod.vjp(x=_cumulative_prod_by_x)


# ------------------------------------------------------------------------------------------------------------- products


@op("Π", text="prod({x})", tex=r"\prod {x}", level=2)
def prod(xp, x, *, axis=None, keepdims=False):
    """The product over ``axis``. Its rule multiplies the other elements instead of dividing, so it is right for zeros,
    too.

    >>> from glassgrad import autograd as ag
    >>> ag.grad(ag.prod)([2.0, 0.0, 5.0])
    Tensor([0.0, 10.0, 0.0])
    """
    return xp.prod(x, axis=axis, keepdims=keepdims)


def _product_of_others(xp: Any, x: Any, x_shape: shapes.Shape, axis: shapes.Axis) -> Any:
    """For each element the product of the others that are reduced with it."""
    axes = shapes.normalize_axes(axis, len(x_shape))
    order = (*axes, *(i for i in range(len(x_shape)) if i not in axes))
    moved = xp.permute_dims(x, axes=order)
    flat = xp.reshape(moved, shape=(shapes.size(x_shape, axis), *moved.shape[len(axes) :]))
    others = _products_before(xp, flat, 0) * xp.flip(_products_before(xp, xp.flip(flat, axis=0), 0), axis=0)
    return xp.permute_dims(xp.reshape(others, shape=moved.shape), axes=shapes.inverse_permutation(order))


prod.vjp(x=lambda xp, g, x, x_shape, axis: _kept(xp, g, x_shape, axis) * _product_of_others(xp, x, x_shape, axis))


for _reduction in (sum, cumulative_sum, cumulative_prod, prod):
    _reduction.casts = True
