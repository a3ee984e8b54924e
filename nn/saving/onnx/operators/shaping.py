"""Operators that change the shape or the order of elements, make arrays, or read and write elements by index."""

from __future__ import annotations

import math

import numpy

from glassgrad import autograd as ag
from glassgrad.autograd.common.validation import choice
from glassgrad.autograd.errors import DomainError, ShapeError
from glassgrad.nn.functional.spatial import cropped
from glassgrad.nn.saving.onnx.table import axis_in, bounded, cast, column, ints, number, operator, parts_of

# -------------------------------------------------------------------------------------------------------------- shapes


operator("Shape")(lambda x, *, start=0, end=None: numpy.asarray(x.shape[start:end], "int64"))
operator("Size")(lambda x: numpy.asarray(math.prod(x.shape), "int64"))


@operator("Reshape", known="shape")
def reshape(x, shape, *, allowzero=0):
    """``x`` in another shape, where 0 keeps an axis (unless ``allowzero``) and -1 is inferred."""
    wanted = ints(shape)
    if not allowzero:
        if any(n == 0 and i >= x.ndim for i, n in enumerate(wanted)):
            raise ShapeError(f"0 in the shape {wanted} keeps an axis that x {x.shape} does not have")
        wanted = [x.shape[i] if n == 0 else n for i, n in enumerate(wanted)]
    return x if tuple(wanted) == x.shape else ag.reshape(x, shape=tuple(wanted))


@operator("Flatten")
def flatten(x, *, axis=1):
    """``x`` as a matrix: the axes before ``axis`` are its rows."""
    axis = axis + x.ndim if axis < 0 else axis
    return ag.reshape(x, shape=(math.prod(x.shape[:axis]), math.prod(x.shape[axis:])))


@operator("Squeeze", known="axes")
def squeeze(x, axes=None):
    """``x`` without axes of length 1: the given ones, or all."""
    gone = tuple(i for i, n in enumerate(x.shape) if n == 1) if axes is None else tuple(ints(axes))
    return ag.squeeze(x, axis=gone) if gone else x


@operator("Unsqueeze", known="axes")
def unsqueeze(x, axes):
    """``x`` with new axes of length 1."""
    return ag.expand_dims(x, axis=tuple(ints(axes)))


operator("Transpose")(lambda x, *, perm=None: ag.permute_dims(x, axes=tuple(perm or range(x.ndim)[::-1])))


@operator("Expand", known="shape")
def expand(x, shape):
    """``x`` broadcast together with a shape."""
    to = bounded(numpy.broadcast_shapes(x.shape, tuple(ints(shape))), x.dtype)
    return x if to == x.shape else ag.broadcast_to(x, shape=to)


@operator("Tile", known="repeats")
def tile(x, repeats):
    """``x`` repeated along each axis."""
    counts = ints(repeats)
    if len(counts) != x.ndim:
        raise ShapeError(f"x {x.shape} needs one number of repeats for each axis: {counts}")
    bounded([n * m for n, m in zip(x.shape, counts, strict=True)], x.dtype)
    return ag.tile(x, tuple(counts))


@operator("Concat")
def concat(*values, axis=1):
    """Values one after the other along an axis."""
    axis = axis_in(axis, values[0].ndim)
    bounded(
        (sum(v.shape[axis] for v in values), *values[0].shape[:axis], *values[0].shape[axis + 1 :]), values[0].dtype
    )
    return values[0] if len(values) == 1 else ag.concat(values, axis=axis)


@operator("Split", known="split")
def split(x, split=None, *, axis=0, num_outputs=None, outputs):
    """``x`` cut along an axis, into parts of the given lengths or of equal ones."""
    n = x.shape[axis]
    lengths = ints(split) if split is not None else [-(-n // outputs)] * outputs
    if split is None:
        lengths[-1] = n - sum(lengths[:-1])
    if sum(lengths) != n or min(lengths, default=0) < 0 or num_outputs not in (None, outputs):
        raise ShapeError(f"axis {axis} of x {x.shape} can't be cut into parts of {lengths}, num_outputs={num_outputs}")
    return tuple(parts_of(x, lengths, axis))


@operator("Slice", known="starts ends axes steps")
def slice_(x, starts, ends, axes=None, steps=None):
    """Ranges of ``x`` along some axes."""
    first, last = ints(starts), ints(ends)
    along = ints(axes) if axes is not None else range(len(first))
    by = ints(steps) if steps is not None else [1] * len(first)
    index = [slice(None)] * x.ndim
    for axis, start, stop, step in zip(along, first, last, by, strict=True):
        axis = axis_in(axis, x.ndim)
        index[axis] = _range(start, stop, step, x.shape[axis])
    return x if all(part == slice(None) for part in index) else ag.getitem(x, index=tuple(index))


def _range(start, stop, step, n):
    """The slice for a range of ``n`` elements, without bounds at their defaults."""
    if step == 0:
        raise DomainError("a step must not be 0")
    begin, end, _ = slice(start, stop, step).indices(n)
    if step > 0:
        return slice(begin or None, end if end < n else None, step if step > 1 else None)
    return slice(begin if begin < n - 1 else None, end if end >= 0 else None, step)


@operator("Pad", known="pads constant_value axes")
def pad(x, pads, constant_value=None, axes=None, *, mode="constant", value=0.0):
    """``x`` padded, or cropped by negative numbers."""
    given = ints(pads)
    along = [axis_in(a, x.ndim) for a in ints(axes)] if axes is not None else [*range(x.ndim)]
    if len(given) != 2 * len(along):
        raise ShapeError(f"x {x.shape} needs a pad before and behind each of {len(along)} axes: {given}")
    width = [(0, 0)] * x.ndim
    for i, axis in enumerate(along):
        width[axis] = given[i], given[i + len(along)]
    bounded([n + a + b for n, (a, b) in zip(x.shape, width, strict=True)], x.dtype)
    x, width = cropped(x, width)
    if not any(map(any, width)):
        return x
    if mode == "constant":
        fill = value if constant_value is None else number(constant_value)
        return ag.pad(x, pad_width=width, constant_values=fill)
    return ag.pad(x, pad_width=width, mode=mode)


@operator("DepthToSpace")
def depth_to_space(x, *, blocksize, mode="DCR"):
    """Channels as blocks of space."""
    n, c, h, w = x.shape
    b = blocksize
    if mode == "DCR":
        blocks = ag.permute_dims(ag.reshape(x, shape=(n, b, b, c // b**2, h, w)), axes=(0, 3, 4, 1, 5, 2))
    else:
        blocks = ag.permute_dims(ag.reshape(x, shape=(n, c // b**2, b, b, h, w)), axes=(0, 1, 4, 2, 5, 3))
    return ag.reshape(blocks, shape=(n, c // b**2, h * b, w * b))


@operator("Trilu", known="k")
def trilu(x, k=None, *, upper=1):
    """The upper or lower triangle of matrices, zeros elsewhere."""
    k = 0 if k is None else max(min(number(k), 2**31), -(2**31))
    return ag.triu(x, k=k) if upper else ag.tril(x, k=k)


# ----------------------------------------------------------------------------------------------------------- creation


@operator("Constant")
def constant(
    *, value=None, value_float=None, value_floats=None, value_int=None, value_ints=None, sparse_value=None,
    value_string=None, value_strings=None,
):  # fmt: skip
    """A constant, as one of several attributes."""
    if value is not None:
        return value
    for floats in (value_float, value_floats):
        if floats is not None:
            return numpy.asarray(floats, "float32")
    for whole in (value_int, value_ints):
        if whole is not None:
            return numpy.asarray(whole, "int64")
    raise DomainError("it has no value of numbers: strings and sparse values are not supported")


@operator("ConstantOfShape", known="shape")
def constant_of_shape(shape, *, value=None):
    """One number in a shape, by default 0."""
    value = numpy.zeros(1, "float32") if value is None else value
    return numpy.broadcast_to(value.reshape(-1)[0], bounded(ints(shape), value.dtype))  # takes no memory


@operator("Range", known="start limit delta")
def range_(start, limit, delta):
    """Numbers from ``start`` to before ``limit`` in steps of ``delta``."""
    low, high, step = number(start), number(limit), number(delta)
    count = max(math.ceil((high - low) / step), 0)
    bounded((count,), start.dtype)
    return (low + numpy.arange(count) * step).astype(start.dtype)


# ------------------------------------------------------------------------------------------------------------ indexing


@operator("Gather")
def gather(x, indices, *, axis=0):
    """Entries of an axis, in the shape of ``indices``."""
    axis = axis_in(axis, x.ndim)
    bounded((*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :]), x.dtype)
    return ag.take(x, cast(indices, "int64"), axis=axis)


def _of_axis(x, indices, axis):
    """Indices along an axis, one for each element, as an index of ``x``."""
    if indices.ndim != x.ndim:
        raise ShapeError(f"the indices {indices.shape} need as many axes as x {x.shape}")
    index = [column(numpy.arange(n), x.ndim - 1 - i) for i, n in enumerate(indices.shape)]
    index[axis] = cast(indices, "int64")
    return tuple(index)


def _of_tuples(x, indices, batch_dims=0):
    """Tuples of indices, along the last axis, as an index of ``x``."""
    depth = indices.shape[-1]
    if not 0 < depth <= x.ndim - batch_dims or indices.shape[:batch_dims] != x.shape[:batch_dims]:
        raise ShapeError(f"the indices {indices.shape} do not fit x {x.shape}")
    batch = [column(numpy.arange(n), indices.ndim - 2 - i) for i, n in enumerate(x.shape[:batch_dims])]
    return (*batch, *(cast(indices[..., i], "int64") for i in range(depth)))


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
