"""Broadcasting and axis arithmetic on tuples. No arrays."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from functools import lru_cache

from glassgrad.autograd.common.messages import brief
from glassgrad.autograd.errors import AxisError, DomainError, DTypeError, ShapeError

Shape = tuple[int, ...]
Axis = int | Sequence[int] | None


def normalize_axes(axis: Axis, ndim: int) -> Shape:
    """The axes that ``axis`` names, as distinct numbers from 0 to ``ndim - 1``, in the order given; ``None`` is all.

    Raises `AxisError` for an axis out of range, `DomainError` for one named twice, `DTypeError` for anything but
    integers.

    >>> normalize_axes(-1, 3), normalize_axes(None, 2), normalize_axes((2, 0), 3)
    ((2,), (0, 1), (2, 0))
    """
    if axis is None:
        return tuple(range(ndim))
    given = tuple(axis) if isinstance(axis, tuple | list) else (axis,)
    for a in given:
        if isinstance(a, bool) or not hasattr(a, "__index__") or getattr(a, "shape", ()) != ():
            raise DTypeError(f"axis {brief(a)} is not a whole number: give one.")
        if not -ndim <= a < ndim:
            if not ndim:
                raise AxisError(f"axis {a} names a dimension of an array of shape (), which has none.")
            raise AxisError(f"axis {a} is out of range for {ndim} dimension(s): choose from {-ndim} to {ndim - 1}.")
    axes = tuple(operator.index(a) % ndim for a in given)
    if len(set(axes)) != len(axes):
        raise DomainError(f"axis {given} names a dimension twice: give each one once.")
    return axes


def normalize_axis(axis: Axis, ndim: int) -> int:
    """The one axis that ``axis`` names, from 0 to ``ndim - 1``. Raises as `normalize_axes` does, and `DTypeError` for
    none or several.

    >>> normalize_axis(-1, 3)
    2
    """
    if axis is None or isinstance(axis, tuple | list):
        raise DTypeError(f"axis {axis!r} does not name one axis: give a whole number.")
    return normalize_axes(axis, ndim)[0]


def keepdims_shape(shape: Shape, axis: Axis) -> Shape:
    """``shape`` with the axes of a reduction kept as ones.

    >>> keepdims_shape((2, 3, 4), (0, -1))
    (1, 3, 1)
    """
    axes = normalize_axes(axis, len(shape))
    return tuple(1 if i in axes else n for i, n in enumerate(shape))


def size(shape: Shape, axis: Axis = None) -> int:
    """The number of elements along the given axes.

    >>> size((2, 3, 4)), size((2, 3, 4), axis=(0, 1)), size(())
    (24, 6, 1)
    """
    return math.prod(shape if axis is None else (shape[a] for a in normalize_axes(axis, len(shape))))


def broadcast_shapes(*shapes: Shape) -> Shape:
    """The shape that ``shapes`` broadcast to. Raises `ShapeError` where they do not.

    >>> broadcast_shapes((5, 1), (3,), ())
    (5, 3)
    """
    ndim = max(map(len, shapes), default=0)
    result = [1] * ndim
    for shape in shapes:
        for i, n in enumerate(shape, ndim - len(shape)):
            if n != 1 and result[i] not in (1, n):
                told = f"shapes {' and '.join(map(str, shapes))} do not broadcast: their axis {i - ndim}"
                raise ShapeError(f"{told} is {result[i]} in one and {n} in another; make them equal, or one of them 1.")
            result[i] = n if n != 1 else result[i]
    return tuple(result)


@lru_cache(maxsize=4096)
def broadcast_axes(wide: Shape, narrow: Shape) -> Shape:
    """The axes of ``wide`` along which an array of shape ``narrow`` is repeated when broadcast to it.

    Raises `ShapeError` if it can't be broadcast.

    >>> broadcast_axes((7, 5, 3), (5, 1))
    (0, 2)
    """
    lead = len(wide) - len(narrow)
    if lead < 0 or any(n not in (1, wide[i + lead]) for i, n in enumerate(narrow)):
        raise ShapeError(f"an array of shape {narrow} can't be broadcast to shape {wide}.")
    return (*range(lead), *(i + lead for i, n in enumerate(narrow) if n == 1 and wide[i + lead] != 1))


def along(axis: int, index: object) -> tuple[object, ...]:
    """An index that applies ``index`` to one axis (0 or more) and takes all of the others.

    >>> along(1, slice(2))
    (slice(None, None, None), slice(None, 2, None), Ellipsis)
    """
    return (*[slice(None)] * axis, index, ...)


def expanded_shape(shape: Shape, axis: Axis) -> Shape:
    """``shape`` with ones inserted at the positions ``axis`` of the result.

    >>> expanded_shape((2, 3), -1), expanded_shape((2, 3), (0, 2))
    ((2, 3, 1), (1, 2, 1, 3))
    """
    count = len(axis) if isinstance(axis, Sequence) else axis is not None
    ones = normalize_axes(axis, len(shape) + count) if count else ()
    sizes = iter(shape)
    return tuple(1 if i in ones else next(sizes) for i in range(len(shape) + count))


def inverse_permutation(axes: Sequence[int]) -> Shape:
    """The inverse of a permutation of axes.

    >>> inverse_permutation((2, 0, 1)), inverse_permutation((-1, 0))
    ((1, 2, 0), (1, 0))
    """
    return tuple(sorted(range(len(axes)), key=lambda i: axes[i] % len(axes)))
