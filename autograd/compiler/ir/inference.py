"""Rules for the shape and dtype of each primitive's result, given those of its arguments.

A rule takes values (anything with a shape and a dtype) and, by name, the parameters of an instruction. It raises the
errors that NumPy would raise. Rules compute with shapes alone, so the check of a program costs the same for any size.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy

from glassgrad.autograd.backends import NUMPY
from glassgrad.autograd.common.shapes import Shape, broadcast_shapes, keepdims_shape, normalize_axes, size
from glassgrad.autograd.errors import TraceError

Typed = tuple[Shape, Any]
"""The shape and dtype of a value."""

BOOL, INT = numpy.dtype(bool), numpy.dtype(numpy.intp)


def function_of(name: str, xp: Any = NUMPY) -> Callable[..., Any]:
    """The function ``name`` (``"linalg.qr"``) of a namespace, by default the one that eager mode uses for NumPy."""
    found: Any = xp
    for part in name.split("."):
        found = getattr(found, part)
    return found  # type: ignore[no-any-return]


@lru_cache(maxsize=4096)
def resolved(name: str, dtypes: tuple[Any, ...]) -> tuple[Any, ...]:
    """The dtypes that the ufunc casts its arguments to, and the result's; ``float`` and ``int`` stand for Python's
    numbers, which take the dtype of the arrays."""
    dtypes = tuple(BOOL if kind is bool else kind for kind in dtypes)
    return getattr(numpy, name).resolve_dtypes((*dtypes, None))  # type: ignore[no-any-return]


@lru_cache(maxsize=4096)
def _dtype_of(name: str, dtype: Any) -> Any:
    """The dtype that NumPy's function gives for an array of this dtype, found on a small identity matrix."""
    return function_of(name)(numpy.eye(2, dtype=dtype)).dtype


# ---------------------------------------------------------------------------------------------- ufuncs and reductions


def elementwise(name: str) -> Callable[..., Typed]:
    """The rule of a ufunc."""

    def rule(*values: Any) -> Typed:
        return broadcast_shapes(*[v.shape for v in values]), resolved(name, tuple([v.dtype for v in values]))[-1]

    return rule


def _reduced(x: Any, axis: Any, keepdims: bool) -> Shape:
    axes = normalize_axes(axis, len(x.shape))
    return keepdims_shape(x.shape, axis) if keepdims else tuple(n for i, n in enumerate(x.shape) if i not in axes)


def reduction(name: str) -> Callable[..., Typed]:
    """The rule of a reduction."""

    def rule(x: Any, *, axis: Any, keepdims: bool) -> Typed:
        shape = _reduced(x, axis, keepdims)
        if name in ("max", "min") and 0 in x.shape and 0 not in shape:
            raise ValueError(f"zero-size array to reduction operation {name} which has no identity")
        return shape, _dtype_of(name, x.dtype)

    return rule


def matmul(x: Any, y: Any) -> Typed:
    """Products of matrices, vectors and stacks of matrices."""
    a, b = x.shape, y.shape
    if not a or not b or a[-1] != b[-2 if len(b) > 1 else 0]:
        raise ValueError(f"the inner lengths of {a} and {b} differ")
    rows, columns = a[-2:-1] if len(a) > 1 else (), b[-1:] if len(b) > 1 else ()
    return (*broadcast_shapes(a[:-2], b[:-2]), *rows, *columns), resolved("matmul", (x.dtype, y.dtype))[-1]


def where(condition: Any, x: Any, y: Any) -> Typed:
    """The broadcast shape and the common dtype."""
    return broadcast_shapes(condition.shape, x.shape, y.shape), numpy.result_type(x.dtype, y.dtype)


# ------------------------------------------------------------------------------------------------------------- shapes


_ZEROS = bytes(4096)


def hollow(x: Any) -> Any:
    """A NumPy array of zeros like a value, without memory of its own."""
    return numpy.ndarray(x.shape, x.dtype, _ZEROS, 0, (0,) * len(x.shape))


def view(compute: Callable[..., Any]) -> Callable[..., Typed]:
    """The rule of a function that returns a view."""

    def rule(x: Any, **params: Any) -> Typed:
        return compute(NUMPY, hollow(x), **params).shape, x.dtype

    return rule


def broadcast_to(x: Any, *, shape: Any) -> Typed:
    """The given shape, if ``x`` broadcasts to it."""
    if broadcast_shapes(x.shape, tuple(shape)) != tuple(shape):
        raise ValueError(f"{x.shape} does not broadcast to {shape}")
    return tuple(shape), x.dtype


def pack(*parts: Any) -> Typed:
    """A flat array of the common dtype."""
    if len({x.dtype for x in parts}) != 1:
        raise TypeError("arrays of several dtypes can't be packed")
    return (sum(size(x.shape) for x in parts),), parts[0].dtype


# ----------------------------------------------------------------------------------------------------------- indexing


def _bound(part: Any) -> Any:
    """A bound of a slice as a number."""
    if part is None or isinstance(part, int):
        return part
    if getattr(part, "kind", "") != "constant":
        raise TraceError("the length of a slice with computed bounds depends on values: use autograd.where.")
    return operator.index(part.data)


def _standing(index: Any, unknown: int | None) -> Any:
    """``index`` with arrays in place of values: zeros where they have no data, and masks that choose ``unknown``
    elements.
    """
    if isinstance(index, tuple):
        return tuple(_standing(part, unknown) for part in index)
    if isinstance(index, slice):
        return slice(*map(_bound, (index.start, index.stop, index.step)))
    if not hasattr(index, "kind"):
        return index
    if index.kind == "constant":
        return index.data
    if index.dtype != BOOL:
        return hollow(index)
    if unknown is None:
        raise IndexError("the number of elements that a boolean mask selects depends on values")
    mask = numpy.zeros(index.shape, bool)
    mask.reshape(-1)[:unknown] = True
    return mask


def getitem(x: Any, *more: Any, index: Any) -> Typed:
    """The shape of ``x[index]``; the arrays in ``index`` may be values without data."""
    return hollow(x)[_standing(index, None)].shape, x.dtype


def written(x: Any, value: Any, *more: Any, index: Any) -> Typed:
    """The shape and dtype of ``x``, if NumPy can write ``value`` to ``x[index]``."""
    place = numpy.ndarray(x.shape, x.dtype, bytearray(x.dtype.itemsize), 0, (0,) * len(x.shape))
    place[_standing(index, unknown=1)] = numpy.broadcast_to(place.dtype.type(0), value.shape)  # one fits any number
    return x.shape, x.dtype


def take_sure(x: Any, indices: Any, *, axis: int) -> Typed:
    """The shape of ``take``."""
    return (*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :]), x.dtype
