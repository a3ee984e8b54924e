"""Shapes and axes: reshaping, joining, repeating and padding; the same values in another dtype or on another device."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from itertools import chain
from typing import Any

from glassgrad.autograd import backends
from glassgrad.autograd.common import shapes
from glassgrad.autograd.common.validation import choice
from glassgrad.autograd.engine.operation import op
from glassgrad.autograd.errors import DomainError, DTypeError


def as_python(value: Any) -> Any:
    """A parameter as a Python integer or a list of them; it may be given as a NumPy number, an array or a Tensor."""
    given = value.tolist() if hasattr(value, "tolist") else value
    if not _whole(given):
        raise DTypeError(f"{given!r} was given: whole numbers, or lists of them, are needed.")
    return given


def _whole(value: Any) -> bool:
    return all(map(_whole, value)) if isinstance(value, list | tuple) else hasattr(value, "__index__")


# ------------------------------------------------------------------------------------------------------------ the shape


@op("reshape", text="{x} as {shape}", tex=r"\operatorname{{reshape}}({x})", level=0, view=True)
def reshape(xp, x, *, shape, copy=None):
    """The elements of ``x`` in row-major order as an array of ``shape``; one entry may be -1, and is inferred.

    ``copy``: ``True`` always copies, ``False`` never; ``None`` copies where memory can't be shared. Raises
    `DomainError` where a copy is needed and ``copy`` is ``False``.

    >>> from glassgrad import autograd as ag
    >>> ag.reshape(ag.Tensor([1.0, 2.0, 3.0, 4.0]), shape=(2, -1))
    Tensor([[1.0, 2.0],
            [3.0, 4.0]])
    """
    return xp.reshape(x, shape=shape) if copy is None else xp.reshape(x, shape=shape, copy=copy)


reshape.vjp(x=lambda xp, g, x_shape: xp.reshape(g, shape=x_shape))


@op("expand dims", text="{x}", tex="{x}", view=True)
def expand_dims(xp, x, *, axis=0):
    """``x`` with new axes of length 1 at ``axis``, a number or a tuple of them, counted in the result.

    >>> from glassgrad import autograd as ag
    >>> ag.expand_dims(ag.Tensor([1.0, 2.0]), axis=-1).shape
    (2, 1)
    """
    return xp.reshape(x, shape=shapes.expanded_shape(x.shape, axis))


expand_dims.vjp(x=lambda xp, g, x_shape: xp.reshape(g, shape=x_shape))


@op("squeeze", text="{x}", tex="{x}", view=True)
def squeeze(xp, x, *, axis):
    """``x`` without the axes ``axis``, a number or a tuple of them, which must be of length 1.

    >>> from glassgrad import autograd as ag
    >>> ag.squeeze(ag.Tensor([[1.0], [2.0]]), axis=1)
    Tensor([1.0, 2.0])
    """
    return xp.squeeze(x, axis=shapes.normalize_axes(axis, x.ndim))


squeeze.vjp(x=lambda xp, g, x_shape: xp.reshape(g, shape=x_shape))


@op("permute", text="permute({x}, {axes})", tex=r"\operatorname{{permute}}({x})", view=True)
def permute_dims(xp, x, *, axes):
    """``x`` with its axes in the order of ``axes``.

    >>> from glassgrad import autograd as ag
    >>> ag.permute_dims(ag.zeros((2, 3, 4)), axes=(2, 0, 1)).shape
    (4, 2, 3)
    """
    return xp.permute_dims(x, axes=axes)


permute_dims.vjp(x=lambda xp, g, axes: xp.permute_dims(g, axes=shapes.inverse_permutation(axes)))


@op("broadcast", text="{x}", tex="{x}", broadcasts=True)
def broadcast_to(xp, x, *, shape):
    """``x`` repeated to ``shape`` without a copy: new axes in front, axes of length 1 stretched.

    >>> from glassgrad import autograd as ag
    >>> ag.broadcast_to(ag.Tensor([1.0, 2.0]), shape=(2, 2))
    Tensor([[1.0, 2.0],
            [1.0, 2.0]])
    """
    return xp.broadcast_to(x, shape=shape)


broadcast_to.vjp(x=lambda g: g)


# --------------------------------------------------------------------------------------------------- together and apart


@op("concat", text="concat({arrays})", tex=r"[{arrays}]")
def concat(xp, *arrays, axis=0):
    """Arrays, given as a list or one by one, joined along ``axis``; with ``axis=None`` they are flattened first.

    >>> from glassgrad import autograd as ag
    >>> ag.concat([ag.Tensor([1.0, 2.0]), ag.Tensor([3.0])])
    Tensor([1.0, 2.0, 3.0])
    """
    return xp.concat(arrays, axis=axis)


def _cut(xp: Any, g: Any, arrays_shape: Sequence[shapes.Shape], axis: int | None) -> tuple[Any, ...]:
    parts, start = [], 0
    for shape in arrays_shape:
        count = shapes.size(shape) if axis is None else shape[axis]
        place = 0 if axis is None else axis % len(shape)
        parts.append(xp.reshape(g[shapes.along(place, slice(start, start + count))], shape=shape))
        start += count
    return tuple(parts)


concat.vjp(arrays=_cut)


@op("stack", text="stack({arrays})", tex=r"[{arrays}]")
def stack(xp, *arrays, axis=0):
    """Arrays of one shape, given as a list or one by one, joined along a new ``axis``.

    >>> from glassgrad import autograd as ag
    >>> ag.stack([ag.Tensor([1.0, 2.0]), ag.Tensor([3.0, 4.0])], axis=1)
    Tensor([[1.0, 3.0],
            [2.0, 4.0]])
    """
    return xp.stack(arrays, axis=axis)


def _entries(g: Any, arrays_shape: Sequence[shapes.Shape], axis: int) -> tuple[Any, ...]:
    place = shapes.normalize_axis(axis, len(arrays_shape[0]) + 1)
    return tuple(g[shapes.along(place, i)] for i in range(len(arrays_shape)))


stack.vjp(arrays=_entries)


# ------------------------------------------------------------------------------------------------- order and repetition


@op("flip", tex=r"\operatorname{{flip}}({x})", view=True)
def flip(xp, x, *, axis=None):
    """The elements in reverse order along ``axis``: a number, a tuple of them, or ``None`` for all.

    >>> from glassgrad import autograd as ag
    >>> ag.flip(ag.Tensor([1.0, 2.0, 3.0]))
    Tensor([3.0, 2.0, 1.0])
    """
    return xp.flip(x, axis=axis)


flip.vjp(x=lambda xp, g, axis: xp.flip(g, axis=axis))


def _negated(shift: int | Sequence[int]) -> int | tuple[int, ...]:
    return -shift if isinstance(shift, int) else tuple(-s for s in shift)


@op("roll", tex=r"\operatorname{{roll}}({x})")
def roll(xp, x, *, shift, axis=None):
    """The elements shifted by ``shift`` along ``axis``; those shifted beyond the end reappear at the start.

    ``axis=None`` rolls the flattened array. ``shift`` and ``axis`` may be tuples.

    >>> from glassgrad import autograd as ag
    >>> ag.roll(ag.Tensor([1.0, 2.0, 3.0]), shift=1)
    Tensor([3.0, 1.0, 2.0])
    """
    whole = x if axis is not None else xp.reshape(x, shape=(-1,))
    shifts, axes = _times(shift), _times(0 if axis is None else axis)
    count = builtins.max(len(shifts), len(axes))
    if {len(shifts), len(axes)} - {1, count}:
        raise ValueError(f"it needs one shift for each axis; it got {len(shifts)} for {len(axes)}")
    shifts, axes = (given * count if len(given) == 1 else given for given in (shifts, axes))
    for by, along in zip(shifts, axes, strict=True):
        place, length = shapes.normalize_axis(along, len(whole.shape)), whole.shape[along]
        cut = -by % builtins.max(length, 1)
        ends = [whole[shapes.along(place, part)] for part in (slice(cut, None), slice(cut))]
        whole = xp.concat(ends, axis=place)
    return xp.reshape(whole, shape=x.shape)


roll.vjp(x=lambda xp, g, shift, axis: xp.roll(g, shift=_negated(as_python(shift)), axis=axis))


def _times(repetitions: Any) -> tuple[int, ...]:
    times = as_python(repetitions)
    return (times,) if isinstance(times, int) else tuple(times)


@op("tile", tex=r"\operatorname{{tile}}({x})")
def tile(xp, x, *, repetitions):
    """Copies of ``x`` side by side: ``repetitions`` along each axis, counted from the last axis.

    >>> from glassgrad import autograd as ag
    >>> ag.tile(ag.Tensor([1.0, 2.0]), repetitions=(2, 2))
    Tensor([[1.0, 2.0, 1.0, 2.0],
            [1.0, 2.0, 1.0, 2.0]])
    """
    return xp.tile(x, _times(repetitions))


def _tiles_gathered(xp: Any, g: Any, x_shape: Any, repetitions: Any) -> Any:
    times = _times(repetitions)
    ndim = len(g.shape)
    times = (*[1] * (ndim - len(times)), *times)
    shape = (*[1] * (ndim - len(x_shape)), *x_shape)
    apart = xp.reshape(g, shape=tuple(n for pair in zip(times, shape, strict=True) for n in pair))
    return xp.reshape(xp.sum(apart, axis=tuple(range(0, 2 * ndim, 2))), shape=x_shape)


tile.vjp(x=_tiles_gathered)


def _pad_width(pad_width: Any, ndim: int) -> list[tuple[int, int]]:
    """A number before and one after for each axis, from what NumPy's ``pad`` takes: a number, a pair, or all pairs."""
    given = as_python(pad_width)
    try:
        pairs: list[tuple[int, int]] = backends.NUMPY.broadcast_to(given, (ndim, 2)).tolist()
    except ValueError:
        pairs = [(-1, -1)]
    if builtins.min(chain(*pairs), default=0) < 0:
        way = "give a number, a pair (before, after), or a pair for each axis, none of them negative"
        raise DomainError(f"pad_width {pad_width!r} does not fit {ndim} axes: {way}.")
    return pairs


def _inside(pad_width: Any, shape: shapes.Shape) -> tuple[slice, ...]:
    return tuple(
        slice(before, before + n) for (before, _), n in zip(_pad_width(pad_width, len(shape)), shape, strict=True)
    )


def _positions(xp: Any, mode: str, pad_width: Any, shape: shapes.Shape) -> list[tuple[int, Any]]:
    """For each axis that is padded, the indices of its elements after padding."""
    choice(mode, "mode", ("constant", "reflect", "edge", "wrap"))
    around = zip(_pad_width(pad_width, len(shape)), shape, strict=True)
    return [
        (axis, xp.asarray(backends.NUMPY.pad(range(n), pair, mode=mode)))
        for axis, (pair, n) in enumerate(around)
        if any(pair)
    ]


@op("pad", tex=r"\operatorname{{pad}}({x})")
def pad(xp, x, *, pad_width, constant_values=0, mode="constant"):
    """``x`` with more elements around it. ``pad_width``: a number, a pair (before, after), or a pair for each axis.

    ``mode``: ``"constant"`` (of ``constant_values``), ``"reflect"``, ``"edge"`` or ``"wrap"``, as in NumPy.

    >>> from glassgrad import autograd as ag
    >>> ag.pad(ag.Tensor([1.0, 2.0]), pad_width=(1, 2)), ag.pad(ag.Tensor([1.0, 2.0]), pad_width=1, mode="edge")
    (Tensor([0.0, 1.0, 2.0, 0.0, 0.0]), Tensor([1.0, 1.0, 2.0, 2.0]))
    """
    if mode != "constant":
        for axis, indices in _positions(xp, mode, pad_width, x.shape):
            x = xp.take(x, indices, axis=axis)
        return x
    around = _pad_width(pad_width, len(x.shape))
    shape = tuple(before + n + after for (before, after), n in zip(around, x.shape, strict=True))
    if constant_values == 0:
        return xp.scatter_add(x, index=_inside(pad_width, x.shape), shape=shape)
    return xp.setitem(xp.full(shape, constant_values, dtype=x.dtype), x, index=_inside(pad_width, x.shape))


def _pad_by_x(xp: Any, g: Any, x_shape: shapes.Shape, pad_width: Any, mode: str) -> Any:
    if mode == "constant":
        return g[_inside(pad_width, x_shape)]
    for axis, indices in reversed(_positions(xp, mode, pad_width, x_shape)):
        shape = (*g.shape[:axis], x_shape[axis], *g.shape[axis + 1 :])
        g = xp.scatter_take(g, indices, axis=axis, shape=shape)
    return g


pad.vjp(x=_pad_by_x)


# ------------------------------------------------------------------------------------------------------------ triangles


def _has_matrices(x: Any) -> Any:
    """``x``. Raises for a vector, which NumPy would extend to a matrix."""
    if len(x.shape) < 2:
        raise ValueError("it needs at least two axes; the triangle is in the last two")
    return x


@op("tril", tex=r"\operatorname{{tril}}({x})")
def tril(xp, x, *, k=0):
    """The last two axes' lower triangle, up to the ``k``-th diagonal; zeros above.

    >>> from glassgrad import autograd as ag
    >>> ag.tril(ag.ones((2, 2)))
    Tensor([[1.0, 0.0],
            [1.0, 1.0]])
    """
    return xp.tril(_has_matrices(x), k=k)


tril.vjp(x=lambda xp, g, k: xp.tril(g, k=k))


@op("triu", tex=r"\operatorname{{triu}}({x})")
def triu(xp, x, *, k=0):
    """The last two axes' upper triangle, from the ``k``-th diagonal on; zeros below.

    >>> from glassgrad import autograd as ag
    >>> ag.triu(ag.ones((2, 2)), k=1)
    Tensor([[0.0, 1.0],
            [0.0, 0.0]])
    """
    return xp.triu(_has_matrices(x), k=k)


triu.vjp(x=lambda xp, g, k: xp.triu(g, k=k))


# ------------------------------------------------------------------------------------------------- dtypes and devices


@op("astype", text="{x} as {dtype}", tex=r"{x}", level=1)
def astype(xp, x, *, dtype):
    """``x`` in another dtype. The gradient comes back in the dtype of ``x``; none passes through integers."""
    return xp.astype(x, dtype)


astype.vjp(x=lambda g: g)
astype.uneven = True  # the gradient has to be cast back


@op("→", text="{x} on {device}", tex="{x}", level=1)
def to_device(xp, x, *, device):
    """``x`` on another device; the gradient flows back to the device of ``x``."""
    return backends.to_device(x, device)


to_device.vjp(x=lambda xp, g, x: xp.to_device(g, device=backends.device_of(x)))
