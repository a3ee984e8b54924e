"""Operators that read or write elements by index."""

from __future__ import annotations

import math
from typing import Any

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


@operator("GatherElements")
def gather_elements(x, indices, *, axis=0):
    """For each index the element at that position of an axis."""
    axis = axis_in(axis, x.ndim)
    if indices.ndim != x.ndim:
        raise ShapeError(f"the indices {indices.shape} need as many axes as x {x.shape}")
    places = indices_in(indices, x.shape[axis])
    inside = tuple(slice(0, n) if i != axis else slice(None) for i, n in enumerate(indices.shape))
    return ag.take_along_axis(ag.getitem(x, index=inside), places, axis=axis)


@operator("GatherND")
def gather_nd(x, indices, *, batch_dims=0):
    """The parts of ``x`` that tuples of indices name."""
    flat, shape = _flat_places(x, indices, batch_dims)
    rest = x.shape[batch_dims + len(shape) :]
    bounded((*flat.shape, *rest), x.dtype)
    return ag.take(ag.reshape(x, shape=(math.prod((*x.shape[:batch_dims], *shape)), *rest)), flat, axis=0)


def _flat_places(x, indices, batch_dims):
    """Tuples of indices as row numbers, and the lengths of the axes that they index."""
    depth = indices.shape[-1]
    batch, shape = x.shape[:batch_dims], x.shape[batch_dims : batch_dims + depth]
    if depth > x.ndim - batch_dims or indices.shape[:batch_dims] != batch:
        raise ShapeError(f"the indices {indices.shape} do not fit x {x.shape}")
    flat: Any = 0
    for i, n in enumerate(shape):
        flat = flat * n + indices_in(indices[..., i], n)
    if not shape:
        flat = numpy.zeros(indices.shape[:-1], "int64")
    if batch:
        first = numpy.arange(math.prod(batch)) * math.prod(shape)
        flat = flat + first.reshape(*batch, *(1,) * (indices.ndim - 1 - len(batch)))
    return flat, shape


def _scattered(x, flat, updates, reduction):
    """``x`` as rows, with ``updates`` written to the rows ``flat``, or added to them."""
    if choice(reduction, "reduction", ("none", "add")) == "none":
        return ag.setitem(x, updates, index=(flat,))
    return ag.add(x, ag.scatter_add(updates, index=(flat,), shape=x.shape))


@operator("ScatterElements", "Scatter")
def scatter_elements(x, indices, updates, *, axis=0, reduction="none"):
    """``x`` with each update at the position given by its index along an axis."""
    axis = axis_in(axis, x.ndim)
    if indices.shape != updates.shape or indices.ndim != x.ndim:
        raise ShapeError(f"the indices {indices.shape} and updates {updates.shape} do not fit x {x.shape}")
    places = indices_in(indices, x.shape[axis])
    strides = [math.prod(x.shape[i + 1 :]) for i in range(x.ndim)]
    flat = places * strides[axis]
    for i, n in enumerate(indices.shape):
        if i != axis:
            flat = flat + column(numpy.arange(n) * strides[i], x.ndim - 1 - i)
    out = _scattered(ag.reshape(x, shape=(-1,)), flat.reshape(-1), ag.reshape(updates, shape=(-1,)), reduction)
    return ag.reshape(out, shape=x.shape)


@operator("ScatterND")
def scatter_nd(x, indices, updates, *, reduction="none"):
    """``x`` with updates at the parts that tuples of indices name."""
    flat, shape = _flat_places(x, indices, 0)
    rest = x.shape[len(shape) :]
    if updates.shape != (*indices.shape[:-1], *rest):
        raise ShapeError(f"the updates {updates.shape} do not fit indices {indices.shape} of x {x.shape}")
    rows = ag.reshape(x, shape=(math.prod(shape), *rest))
    out = _scattered(rows, flat.reshape(-1), ag.reshape(updates, shape=(-1, *rest)), reduction)
    return ag.reshape(out, shape=x.shape)
