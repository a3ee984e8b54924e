"""Operators that read or write elements by index."""

from __future__ import annotations

import numpy

from glassgrad import autograd as ag
from glassgrad.autograd.common.validation import choice
from glassgrad.autograd.errors import IndexingError, ShapeError
from glassgrad.nn.saving.onnx.table import along, axis_in, bounded, cast, column, is_known, operator


def indices_in(indices, n):
    """``indices``, which may count from the end, as numbers from 0 to ``n - 1``.

    Raises `IndexingError` for known ones out of range.
    """
    indices = cast(indices, "int64")
    if is_known(indices):
        if indices.size and not (-n <= indices.min() and indices.max() < n):
            raise IndexingError(f"the indices go from {indices.min()} to {indices.max()}, and there are {n} entries")
        return numpy.where(indices < 0, indices + n, indices)
    return ag.where(indices < 0, indices + n, indices)


@operator("Gather")
def gather(x, indices, *, axis=0):
    """Entries of an axis, in the shape of ``indices``."""
    axis = axis_in(axis, x.ndim)
    places = indices_in(indices, x.shape[axis])
    bounded((*x.shape[:axis], *places.shape, *x.shape[axis + 1 :]), x.dtype)
    if is_known(places) and places.ndim == 0:
        return along(x, axis, int(places))
    return ag.take(x, places, axis=axis)


def _of_axis(x, indices, axis):
    """Indices along an axis, one for each element, as an index of ``x``."""
    if indices.ndim != x.ndim:
        raise ShapeError(f"the indices {indices.shape} need as many axes as x {x.shape}")
    index = [column(numpy.arange(n), x.ndim - 1 - i) for i, n in enumerate(indices.shape)]
    index[axis] = indices_in(indices, x.shape[axis])
    return tuple(index)


def _of_tuples(x, indices, batch_dims=0):
    """Tuples of indices, along the last axis, as an index of ``x``."""
    depth = indices.shape[-1]
    if not 0 < depth <= x.ndim - batch_dims or indices.shape[:batch_dims] != x.shape[:batch_dims]:
        raise ShapeError(f"the indices {indices.shape} do not fit x {x.shape}")
    batch = [column(numpy.arange(n), indices.ndim - 2 - i) for i, n in enumerate(x.shape[:batch_dims])]
    return (*batch, *(indices_in(indices[..., i], x.shape[batch_dims + i]) for i in range(depth)))


@operator("GatherElements")
def gather_elements(x, indices, *, axis=0):
    """For each index the element at that position of an axis."""
    return ag.getitem(x, index=_of_axis(x, indices, axis))


@operator("GatherND")
def gather_nd(x, indices, *, batch_dims=0):
    """The parts of ``x`` that tuples of indices name."""
    index = _of_tuples(x, indices, batch_dims)
    bounded((*indices.shape[:-1], *x.shape[len(index) :]), x.dtype)
    return ag.getitem(x, index=index)


def _scattered(x, index, updates, reduction):
    """``x`` with ``updates`` written at an index, or added there."""
    if choice(reduction, "reduction", ("none", "add")) == "none":
        return ag.setitem(x, updates, index=index)
    return ag.add(x, ag.scatter_add(updates, index=index, shape=x.shape))


@operator("ScatterElements", "Scatter")
def scatter_elements(x, indices, updates, *, axis=0, reduction="none"):
    """``x`` with each update at the position given by its index along an axis."""
    if indices.shape != updates.shape:
        raise ShapeError(f"the indices {indices.shape} do not fit the updates {updates.shape}")
    return _scattered(x, _of_axis(x, indices, axis), updates, reduction)


@operator("ScatterND")
def scatter_nd(x, indices, updates, *, reduction="none"):
    """``x`` with updates at the parts that tuples of indices name."""
    index = _of_tuples(x, indices)
    if updates.shape != (*indices.shape[:-1], *x.shape[len(index) :]):
        raise ShapeError(f"the updates {updates.shape} do not fit indices {indices.shape} of x {x.shape}")
    return _scattered(x, index, updates, reduction)
