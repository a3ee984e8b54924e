"""Products of vectors, matrices and arrays of more axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from glassgrad.autograd.backends import is_complex
from glassgrad.autograd.common import shapes
from glassgrad.autograd.engine.operation import op
from glassgrad.autograd.errors import DomainError
from glassgrad.autograd.ops.elementwise import conjugate


def _rows(xp: Any, x: Any) -> Any:
    """``x`` as a matrix with its last axis as columns and all others as rows."""
    return x if x.ndim == 2 else xp.reshape(x, shape=(shapes.size(x.shape[:-1]), x.shape[-1]))


# ------------------------------------------------------------------------------------------------------ matrix products


@op("ᵀ", text="{x}ᵀ", tex="{x}^{{T}}", level=3, view=True)
def matrix_transpose(xp, x):
    """The last two axes swapped: ``(..., m, n)`` becomes ``(..., n, m)``.

    >>> from glassgrad import autograd as ag
    >>> ag.matrix_transpose(ag.Tensor([[1.0, 2.0]]))
    Tensor([[1.0],
            [2.0]])
    """
    if len(x.shape) < 2:
        raise ValueError("it needs at least two axes, of which it swaps the last two")
    return x.mT


matrix_transpose.vjp(x=lambda g: g.mT)


@op("·", text="{x} · {y}", tex=r"{x} \, {y}", level=2)
def matmul(xp, x, y):
    """The matrix product ``x @ y``: ``(..., m, k)`` with ``(..., k, n)`` gives ``(..., m, n)``, leading axes broadcast.

    As in NumPy a one-dimensional ``x`` is a row, a one-dimensional ``y`` a column, and that axis is dropped from the
    result.

    >>> from glassgrad import autograd as ag
    >>> ag.matmul(ag.Tensor([[1.0, 2.0], [3.0, 4.0]]), ag.Tensor([10.0, 1.0]))
    Tensor([12.0, 34.0])
    """
    try:
        return xp.matmul(x, y)
    except ValueError:
        fitting = "x (..., m, k) and y (..., k, n), or vectors (k,), with leading axes that broadcast"
        raise ValueError(f"it takes {fitting}; multiply by a number with *") from None


def _matmul_by_x(xp: Any, g: Any, y: Any, x_shape: Any, y_shape: Any) -> Any:
    if len(y_shape) == 1:
        return (g if len(x_shape) == 1 else xp.expand_dims(g, axis=-1)) * y
    return xp.squeeze(y @ xp.expand_dims(g, axis=-1), axis=-1) if len(x_shape) == 1 else xp.matmul(g, y.mT)


def _matmul_by_y(xp: Any, g: Any, x: Any, x_shape: Any, y_shape: Any) -> Any:
    if len(x_shape) == 1:
        return g * x if len(y_shape) == 1 else xp.expand_dims(x, axis=-1) * xp.expand_dims(g, axis=-2)
    if len(y_shape) == 1:
        return xp.squeeze(x.mT @ xp.expand_dims(g, axis=-1), axis=-1)
    if len(y_shape) == 2 < len(x_shape):  # one product, instead of the sum of a stack of products
        return xp.matmul(_rows(xp, x).mT, _rows(xp, g))
    return xp.matmul(x.mT, g)


matmul.vjp(x=_matmul_by_x, y=_matmul_by_y)


@op("linear", text="{x} · {weight}ᵀ + {bias}", tex=r"{x} \, {weight}^{{T}} + {bias}", level=1)
def linear(xp, x, weight, bias=None):
    """The affine map of a layer, ``x @ weight.T + bias``.

    ``x``: (..., in), a batch of any leading shape. ``weight``: (out, in), a row for each neuron. ``bias``: (out,) or
    ``None``. The result is (..., out).

    >>> from glassgrad import autograd as ag
    >>> ag.linear(ag.Tensor([1.0, -1.0]), ag.Tensor([[1.0, -2.0], [-1.0, 1.0]]), ag.Tensor([1.0, 0.0]))
    Tensor([4.0, -2.0])
    """
    try:
        if weight.ndim != 2:
            raise ValueError
        z = xp.matmul(x, weight.T)
        if bias is not None:
            z += bias  # in place: no one else has the product
    except (ValueError, TypeError) as error:
        raise _no_layer(x, weight, bias, error) from None
    return z


def _no_layer(x: Any, weight: Any, bias: Any, error: Exception) -> Exception:
    """The error for a weight or bias that does not fit."""
    if len(weight.shape) != 2:
        return ValueError(f"weight has {len(weight.shape)} axes and needs two, (outputs, inputs)")
    if not x.shape or x.shape[-1] != weight.shape[1]:
        return ValueError(
            f"the last axis of x must be of length {weight.shape[1]}, the inputs of a weight (outputs, inputs)"
        )
    if bias is not None and bias.shape != weight.shape[:1]:
        return ValueError(f"bias must have shape {weight.shape[:1]}, one number for each output of the weight")
    return error


linear.vjp(
    x=lambda xp, g, weight: xp.matmul(g, weight),
    weight=lambda xp, g, x: xp.matmul(_rows(xp, g).T, _rows(xp, x)),
    bias=lambda g: g,
)


@op("·", text="{x} · {y}", tex=r"{x} \cdot {y}", level=2, broadcasts=True)
def vecdot(xp, x, y, *, axis=-1):
    """The dot products of the vectors that lie along ``axis``: -1 or lower, because ``x`` and ``y`` broadcast.

    Complex numbers in ``x`` are conjugated, and integers keep their dtype.

    >>> from glassgrad import autograd as ag
    >>> ag.vecdot(ag.Tensor([[1.0, 2.0], [3.0, 4.0]]), ag.Tensor([10.0, 1.0]))
    Tensor([12.0, 34.0])
    """
    if axis >= 0:
        raise DomainError(f"vecdot counts its axis from the end, as x and y broadcast: {axis} must be -1 or lower.")
    shapes.normalize_axis(axis, min(len(getattr(z, "shape", ())) for z in (x, y)))
    if x.shape[axis] != y.shape[axis]:
        raise ValueError(f"vectors of {x.shape[axis]} elements in x and of {y.shape[axis]} in y have no dot product")
    product = (xp.conj(x) if is_complex(x.dtype) else x) * y
    total = xp.sum(product, axis=axis)
    return xp.astype(total, product.dtype) if total.dtype != product.dtype else total


vecdot.vjp(
    x=lambda xp, g, y, axis: conjugate(xp, xp.expand_dims(g, axis=axis) * y),
    y=lambda xp, g, x, axis: xp.expand_dims(g, axis=axis) * conjugate(xp, x),
)


# ----------------------------------------------------------------------------------------------- products by named axes


def _summed(xp: Any, x: Any, labels: str, keep: str) -> tuple[Any, str]:
    """``x`` summed over the axes whose labels are not in ``keep``."""
    axes = tuple(i for i, label in enumerate(labels) if label not in keep)
    return (xp.sum(x, axis=axes) if axes else x), "".join(label for label in labels if label in keep)


def _arranged(xp: Any, x: Any, labels: str, groups: Sequence[str], sizes: dict[str, int]) -> Any:
    """``x`` with its axes in the order of ``groups``; the axes of each group but the first are merged into one."""
    x = xp.permute_dims(x, axes=tuple(labels.index(label) for label in "".join(groups)))
    batch, *merged = groups
    return xp.reshape(x, shape=(*(sizes[i] for i in batch), *(shapes.size(tuple(sizes[i] for i in m)) for m in merged)))


def _contracted(xp: Any, x: Any, xs: str, y: Any, ys: str, keep: str) -> tuple[Any, str]:
    """``x`` (labels ``xs``) times ``y`` (labels ``ys``), summed over the labels not in ``keep``, as one product."""
    x, xs = _summed(xp, x, xs, keep + ys)
    y, ys = _summed(xp, y, ys, keep + xs)
    sizes = dict(zip(xs + ys, (*x.shape, *y.shape), strict=True))
    inner = "".join(i for i in xs if i in ys and i not in keep)
    batch = "".join(i for i in xs if i in ys and i in keep)
    left = "".join(i for i in xs if i not in ys)
    right = "".join(i for i in ys if i not in xs)
    if inner:
        z = _arranged(xp, x, xs, (batch, left, inner), sizes) @ _arranged(xp, y, ys, (batch, inner, right), sizes)
    else:
        z = _arranged(xp, x, xs, (batch, left, ""), sizes) * _arranged(xp, y, ys, (batch, "", right), sizes)
    labels = batch + left + right
    return xp.reshape(z, shape=tuple(sizes[i] for i in labels)), labels


@op("Σ", text="einsum('{subscripts}', {arrays})", tex=r"\mathrm{{einsum}}_{{{subscripts}}}({arrays})")
def contract(xp, *arrays, subscripts):
    """The operation behind `einsum`: a sum of products over named axes, ``subscripts`` like ``"ij,jk->ik"``.

    Stricter than `einsum`: the labels of an array are distinct, a label has one length, and the labels of the result
    are given. The arrays are multiplied from left to right, each time as one matrix product.

    >>> from glassgrad import autograd as ag
    >>> ag.contract(ag.Tensor([1.0, 2.0]), ag.Tensor([3.0, 4.0]), subscripts="i,j->ij")
    Tensor([[3.0, 4.0],
            [6.0, 8.0]])
    """
    *terms, result = subscripts.replace("->", ",").split(",")
    value, labels = arrays[0], terms[0]
    for i in range(1, len(arrays)):
        value, labels = _contracted(xp, value, labels, arrays[i], terms[i], keep="".join((result, *terms[i + 1 :])))
    value, labels = _summed(xp, value, labels, result)
    return xp.permute_dims(value, axes=tuple(labels.index(i) for i in result))


def _contract_by_arrays(xp: Any, g: Any, arrays: Any, arrays_shape: Any, subscripts: str) -> tuple[Any, ...]:
    """The gradient of an array: the contraction of ``g`` with the other arrays, repeated along the axes that it alone
    has.
    """
    *terms, result = subscripts.replace("->", ",").split(",")
    gradients = []
    for i, (term, shape) in enumerate(zip(terms, arrays_shape, strict=True)):
        others = [j for j in range(len(terms)) if j != i]
        known = "".join(label for label in term if label in result or any(label in terms[j] for j in others))
        given = ",".join([result, *(terms[j] for j in others)])
        part = xp.contract(g, *(arrays[j] for j in others), subscripts=f"{given}->{known}")
        part = xp.reshape(part, shape=tuple(n if label in known else 1 for label, n in zip(term, shape, strict=True)))
        gradients.append(xp.broadcast_to(part, shape=shape))
    return tuple(gradients)


contract.vjp(arrays=_contract_by_arrays)
