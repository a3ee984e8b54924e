"""Rules for the shape and dtype of each primitive's result, given those of its arguments.

A rule takes values (anything with a shape and a dtype) and, by name, the parameters of an instruction. It raises the
errors that NumPy would raise. Rules compute with shapes alone, so the check of a program costs the same for any size.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from functools import lru_cache
from math import prod
from typing import Any

import numpy

from glassgrad.autograd.backends import NUMPY
from glassgrad.autograd.common.shapes import (
    Shape,
    broadcast_shapes,
    keepdims_shape,
    normalize_axes,
    size,
)
from glassgrad.autograd.errors import TraceError

Typed = tuple[Shape, Any]
"""The shape and dtype of a value."""

BOOL, INT = numpy.dtype(bool), numpy.dtype(numpy.intp)
DRAWS = ("random", "standard_normal", "standard_exponential")
"""The methods of a NumPy generator by which an instruction can draw."""


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
def _dtype_of(name: str, *dtypes: Any) -> Any:
    """The dtype that NumPy's function gives for arrays of these dtypes, found on small identity matrices; a tuple of
    dtypes where it has several results."""
    found = function_of(name)(*(numpy.eye(2, dtype=dtype) for dtype in dtypes))
    return tuple(part.dtype for part in found) if isinstance(found, tuple) else found.dtype


def _check_integers(*numbers: Any) -> None:
    """Raise `TypeError` unless all ``numbers`` are integers."""
    for number in numbers:
        if isinstance(number, bool):
            raise TypeError(f"{number} is not a whole number")
        operator.index(number)


def _check_axes(axes: Any, ndim: int) -> None:
    """Raise `ValueError` for axes that are not a tuple of nonnegative integers: passes and targets rely on it."""
    if type(axes) is not tuple or axes != normalize_axes(axes, ndim):
        raise ValueError(f"axes = {axes!r} are not numbers from 0 to {ndim - 1} in a tuple")


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
        if type(keepdims) is not bool:
            raise ValueError(f"keepdims = {keepdims!r} is neither True nor False")
        if axis is not None:
            _check_axes(axis, len(x.shape))
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


def sizes(shape: Any) -> Shape:
    """``shape`` as a tuple. Raises `ValueError` for invalid lengths."""
    given = (shape,) if isinstance(shape, int) else tuple(shape)
    _check_integers(*given)
    found = tuple(map(operator.index, given))
    if len(found) > 64 or any(n < 0 for n in found):
        raise ValueError(f"no array has the shape {shape}")
    return found


def reshape(x: Any, *, shape: Any) -> Typed:
    """The given shape; one length may be -1 and is computed from the others."""
    given = (shape,) if isinstance(shape, int) else tuple(shape)
    if -1 in given:
        known = prod(n for n in given if n != -1)
        given = tuple((size(x.shape) // known if known else 0) if n == -1 else n for n in given)
    found = sizes(given)
    if size(found) != size(x.shape):
        raise ValueError(f"cannot reshape an array of shape {x.shape} into {shape}")
    return found, x.dtype


def broadcast_to(x: Any, *, shape: Any) -> Typed:
    """The given shape, if ``x`` broadcasts to it."""
    if broadcast_shapes(x.shape, sizes(shape)) != tuple(shape):
        raise ValueError(f"{x.shape} does not broadcast to {shape}")
    return tuple(shape), x.dtype


def permute_dims(x: Any, *, axes: Any) -> Typed:
    """The permuted shape; ``axes`` must name every axis once."""
    _check_axes(axes, len(x.shape))
    if len(axes) != len(x.shape):
        raise ValueError(f"axes = {axes} don't match an array of shape {x.shape}")
    return tuple([x.shape[a] for a in axes]), x.dtype


def piece(x: Any, *, start: int, shape: Shape) -> Typed:
    """A piece of a flat array."""
    _check_integers(start)
    if len(x.shape) != 1 or not 0 <= start <= start + size(sizes(shape)) <= x.shape[0]:
        raise ValueError(f"an array of shape {x.shape} has no piece of shape {shape} at {start}")
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
        return numpy.broadcast_to(numpy.zeros((), index.dtype), index.shape)
    if unknown is None:
        raise IndexError("the number of elements that a boolean mask selects depends on values")
    mask = numpy.zeros(index.shape, bool)
    mask.reshape(-1)[:unknown] = True
    return mask


def _indexed(shape: Shape, index: Any, unknown: int | None = None) -> Shape:
    """The shape of ``x[index]``; the arrays in ``index`` may be values without data."""
    return numpy.broadcast_to(numpy.False_, shape)[_standing(index, unknown)].shape  # type: ignore[no-any-return]


def getitem(x: Any, *more: Any, index: Any) -> Typed:
    """The shape of ``x[index]``."""
    return _indexed(x.shape, index), x.dtype


def written(x: Any, value: Any, *more: Any, index: Any) -> Typed:
    """The shape and dtype of ``x``; ``value`` must broadcast to the shape of ``x[index]``."""
    target = _indexed(x.shape, index, unknown=1)  # one value fits any number of elements
    narrow = value.shape[max(len(value.shape) - len(target), 0) :]  # leading axes of length 1 are ignored
    if size(narrow) != size(value.shape) or broadcast_shapes(narrow, target) != target:
        raise ValueError(f"could not broadcast {value.shape} into {target}")
    is_element = not target and not any(part is ... for part in (index if isinstance(index, tuple) else (index,)))
    if is_element and value.shape:
        raise ValueError(f"an element can't be set to an array of shape {value.shape}")
    return x.shape, x.dtype


def take_sure(x: Any, indices: Any, *, axis: int) -> Typed:
    """The shape of ``take``."""
    _check_axes((axis,), len(x.shape))
    if indices.dtype.kind not in "iu":
        raise IndexError(f"an array of {indices.dtype} is not an index")
    return (*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :]), x.dtype


# ------------------------------------------------------------------------------------------------------------- effects


def draw(*, generator: Any, method: str, shape: Shape, dtype: Any, options: dict[str, Any]) -> Typed:
    """The given shape and dtype."""
    if method not in DRAWS or not hasattr(generator, method) or options != {}:
        raise ValueError(f"a {type(generator).__name__} does not draw by {method!r}, but by {', '.join(DRAWS)}")
    if dtype not in (numpy.float32, numpy.float64):
        raise TypeError(f"numbers are drawn in float32 or float64, not in {dtype}")
    return sizes(shape), dtype


def check_range(x: Any, *, stop: int, refuse: Callable[..., None], options: dict[str, Any]) -> Typed:
    """A bool that no instruction reads."""
    _check_integers(stop)
    if x.dtype.kind not in "iu" or not callable(refuse) or not isinstance(options, dict):
        raise TypeError(f"a range check needs integers, a function and options, not {x.dtype}, {refuse!r}, {options}")
    return (), BOOL
