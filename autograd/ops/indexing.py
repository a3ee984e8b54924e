"""Indexing, scattering and sorting of elements.

An index is whatever NumPy's indexing takes: integers, slices, ``...``, ``None``, boolean masks, arrays of integers.
"""

from __future__ import annotations

from typing import Any

from glassgrad.autograd.backends import NUMPY, assign, is_complex, is_inexact
from glassgrad.autograd.common import shapes
from glassgrad.autograd.engine.operation import op
from glassgrad.autograd.errors import DomainError


def _positions(xp: Any, shape: shapes.Shape) -> Any:
    """The number of each element of an array of ``shape``, in row-major order."""
    space = xp if xp.in_place else NUMPY  # in the body of a loop an index has to be known
    return space.reshape(space.arange(shapes.size(shape)), shape=shape)


def _added(xp: Any, x: Any, places: Any, shape: shapes.Shape) -> Any:
    """Zeros of ``shape`` with each element of ``x`` added at its position, as numbered by `_positions`.

    The adjoint of any way of picking elements: pick their positions in the same way, and add there.
    """
    out = xp.zeros((shapes.size(shape),), dtype=x.dtype)
    places, values = xp.reshape(places, shape=(-1,)), xp.reshape(x, shape=(-1,))
    xp.add.at(out, places, values)
    return xp.reshape(out, shape=shape)


ONE = int, slice, type(None), type(...)
"""The types within an index that name each element once."""


def _may_repeat(index: object) -> bool:
    """Whether an index may name an element twice: only arrays (or lists) of integers can."""
    parts = index if isinstance(index, tuple) else (index,)
    arrays = [part for part in parts if not isinstance(part, ONE) and getattr(part, "shape", True)]
    return any("bool" not in str(getattr(part, "dtype", "")) for part in arrays)


@op("[ ]", text="{x}[{index}]", tex="{x}_{{[{index}]}}", view=True)
def getitem(xp, x, *, index):
    """``x[index]``, with everything that NumPy's indexing takes.

    >>> from glassgrad import autograd as ag
    >>> x = ag.Tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> x[:, 0], x[x > 1.5], x[[0, 0, 1], 1]
    (Tensor([1.0, 3.0]), Tensor([2.0, 3.0, 4.0]), Tensor([2.0, 2.0, 4.0]))
    """
    return x[index]


getitem.vjp(x=lambda xp, g, x_shape, index: xp.scatter_add(g, index=index, shape=x_shape))


@op("[ ]ᵀ", text="scatter({x}, {index})", tex=r"\operatorname{{scatter}}_{{[{index}]}}({x})")
def scatter_add(xp, x, *, index, shape):
    """Zeros of ``shape`` with ``x`` added at ``index``, repeated elements included: the adjoint of `getitem`.

    >>> from glassgrad import autograd as ag
    >>> ag.scatter_add(ag.Tensor([1.0, 2.0, 3.0]), index=[0, 2, 0], shape=(4,))
    Tensor([4.0, 0.0, 2.0, 0.0])
    """
    if not _may_repeat(index):
        out = xp.zeros(shape, dtype=x.dtype)
        out[index] = x
        return out
    return _added(xp, x, _positions(xp, shape)[index], shape)


scatter_add.vjp(x=lambda g, index: g[index])


@op("[ ]=", text="{x} with [{index}] = {value}", tex=r"{x}_{{[{index}] \leftarrow {value}}}")
def setitem(xp, x, value, *, index):
    """A copy of ``x`` with ``value``, broadcast, at ``index``: the new value of a Tensor after ``x[index] = value``.

    If the index names an element twice, the last value stays, and it alone gets a gradient.

    >>> from glassgrad import autograd as ag
    >>> ag.setitem(ag.Tensor([1.0, 2.0, 3.0]), 0.0, index=slice(1, None))
    Tensor([1.0, 0.0, 0.0])
    """
    out = xp.asarray(x, copy=True)
    if is_complex(getattr(value, "dtype", out.dtype)) and not is_complex(out.dtype):
        raise TypeError("a complex value can't be written into a real array")
    if _may_repeat(index):
        assign(out, index, value)
    else:
        out[index] = value
    return out


def _value_of_setitem(xp: Any, g: Any, index: Any, value_shape: shapes.Shape) -> Any:
    part = xp.last_written(g, index=index)
    extra = len(value_shape) - len(part.shape)  # leading axes of length 1, which an assignment ignores
    return xp.reshape(part, shape=(*[1] * extra, *part.shape)) if extra > 0 else part


setitem.vjp(x=lambda xp, g, index: xp.setitem(g, 0.0, index=index), value=_value_of_setitem)


@op("[ ]", text="{x}[{index}]", tex="{x}_{{[{index}]}}")
def last_written(xp, x, *, index):
    """``x[index]``, and 0 where a later entry of the index names the same element: the gradient of `setitem`'s value.

    >>> from glassgrad import autograd as ag
    >>> ag.last_written(ag.Tensor([1.0, 2.0]), index=[0, 1, 0])
    Tensor([0.0, 2.0, 1.0])
    """
    picked = x[index]
    if not _may_repeat(index):
        return picked
    order = _positions(xp, picked.shape)
    last = xp.setitem(_positions(xp, x.shape), order, index=index)
    return xp.where(last[index] == order, picked, 0.0)


last_written.vjp(
    x=lambda xp, g, x_shape, index: xp.setitem(
        xp.scatter_add(xp.zeros_like(g), index=index, shape=x_shape), g, index=index
    )
)


# ------------------------------------------------------------------------------------------------------- along one axis


def _taken(xp: Any, g: Any, indices: Any, axis: int | None) -> Any:
    if is_inexact(indices.dtype):  # NumPy would round a 0-d index down
        raise TypeError("indices must be integers")
    flat = axis is None or (not g.shape and axis in (0, -1))  # a number counts as an array of one entry, as in NumPy
    return xp.take(xp.reshape(g, shape=(-1,)), indices, axis=0) if flat else xp.take(g, indices, axis=axis)


@op("take", tex=r"\operatorname{{take}}({x}, {indices})")
def take(xp, x, indices, *, axis=None):
    """The entries ``indices`` (integers) of ``axis``, or of the flattened array, in the shape of ``indices``.

    >>> from glassgrad import autograd as ag
    >>> ag.take(ag.Tensor([[1.0, 2.0], [3.0, 4.0]]), [1, 0, 1], axis=0)
    Tensor([[3.0, 4.0],
            [1.0, 2.0],
            [3.0, 4.0]])
    """
    return _taken(xp, x, indices, axis)


take.vjp(x=lambda xp, g, indices, x_shape, axis: xp.scatter_take(g, indices, axis=axis, shape=x_shape))


@op("scatter", text="scatter({x}, {indices})", tex=r"\operatorname{{scatter}}({x}, {indices})")
def scatter_take(xp, x, indices, *, axis=None, shape):
    """Zeros of ``shape`` with the entries of ``x`` added at ``indices`` along ``axis``: the adjoint of `take`.

    >>> from glassgrad import autograd as ag
    >>> ag.scatter_take(ag.Tensor([1.0, 2.0, 3.0]), [0, 2, 0], axis=0, shape=(4,))
    Tensor([4.0, 0.0, 2.0, 0.0])
    """
    return _added(xp, x, _taken(xp, _positions(xp, shape), indices, axis), shape)


scatter_take.vjp(x=_taken)


@op("take along", text="take_along_axis({x}, {indices})", tex=r"\operatorname{{take}}({x}, {indices})")
def take_along_axis(xp, x, indices, *, axis=-1):
    """The elements of ``x`` at ``indices`` along ``axis``; both have the same number of axes, as in NumPy.

    >>> from glassgrad import autograd as ag
    >>> ag.take_along_axis(ag.Tensor([[1.0, 2.0], [3.0, 4.0]]), [[1], [0]], axis=1)
    Tensor([[2.0],
            [3.0]])
    """
    return xp.take_along_axis(x, indices, axis=axis)


take_along_axis.vjp(x=lambda xp, g, indices, axis, x_shape: xp.scatter_along_axis(g, indices, axis=axis, shape=x_shape))


@op("scatter along", text="scatter_along_axis({x}, {indices})", tex=r"\operatorname{{scatter}}({x}, {indices})")
def scatter_along_axis(xp, x, indices, *, axis=-1, shape):
    """Zeros of ``shape`` with ``x`` added at ``indices`` along ``axis``: the adjoint of `take_along_axis`.

    >>> from glassgrad import autograd as ag
    >>> ag.scatter_along_axis(ag.Tensor([[5.0], [7.0]]), [[1], [0]], axis=1, shape=(2, 2))
    Tensor([[0.0, 5.0],
            [7.0, 0.0]])
    """
    return _added(xp, x, xp.take_along_axis(_positions(xp, shape), indices, axis=axis), shape)


scatter_along_axis.vjp(x=lambda xp, g, indices, axis: xp.take_along_axis(g, indices, axis=axis))


@op("argsort")
def argsort(xp, x, *, axis=-1, descending=False, stable=True):
    """The indices that sort ``x`` along ``axis``; equal elements keep their order, ``stable`` or not. No gradient.

    >>> from glassgrad import autograd as ag
    >>> ag.argsort(ag.Tensor([3.0, 1.0, 2.0]))
    Tensor([1, 2, 0])
    """
    if not x.shape:  # NumPy takes it as an array of shape (1,)
        raise DomainError("argsort can't take a number: it has no axis to be sorted along.")
    if not descending:
        return xp.argsort(x, axis=axis, stable=True)
    order = xp.argsort(xp.flip(x, axis=axis), axis=axis, stable=True)
    return x.shape[axis] - 1 - xp.flip(order, axis=axis)
