"""Splitting, broadcasting and moving axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from glassgrad.autograd import backends
from glassgrad.autograd.common import shapes, validation
from glassgrad.autograd.common.messages import shown
from glassgrad.autograd.engine.tensor import Tensor
from glassgrad.autograd.errors import ShapeError
from glassgrad.autograd.functions.conversion import asarray
from glassgrad.autograd.ops.indexing import take
from glassgrad.autograd.ops.shaping import as_python, broadcast_to, concat, permute_dims, reshape


def broadcast_arrays(*arrays: Any) -> list[Tensor]:
    """The arrays, each repeated to the shape that all of them broadcast to. Raises `ShapeError` where they don't.

    >>> from glassgrad import autograd as ag
    >>> ag.broadcast_arrays(ag.Tensor([1.0, 2.0]), 5.0)
    [Tensor([1.0, 2.0]), Tensor([5.0, 5.0])]
    """
    tensors = [asarray(x) for x in arrays]
    shape = shapes.broadcast_shapes(*(x.shape for x in tensors))
    return [broadcast_to(x, shape=shape) for x in tensors]


def moveaxis(x: Any, source: int | Sequence[int], destination: int | Sequence[int]) -> Tensor:
    """``x`` with the axes ``source`` moved to the positions ``destination``, the others in their order.

    >>> from glassgrad import autograd as ag
    >>> ag.moveaxis(ag.zeros((2, 3, 4)), 0, -1).shape
    (3, 4, 2)
    """
    x = asarray(x)
    ndim = x.ndim
    start, end = shapes.normalize_axes(source, ndim), shapes.normalize_axes(destination, ndim)
    if len(start) != len(end):
        raise ShapeError(f"moveaxis was given {len(start)} source(s), {len(end)} destination(s): give one for each.")
    rest = iter([i for i in range(ndim) if i not in start])
    places = dict(zip(end, start, strict=True))
    return permute_dims(x, axes=tuple(places[i] if i in places else next(rest) for i in range(ndim)))


def unstack(x: Any, axis: int = 0) -> tuple[Tensor, ...]:
    """The entries of ``x`` along ``axis``, each without that axis.

    >>> from glassgrad import autograd as ag
    >>> ag.unstack(ag.Tensor([[1.0, 2.0], [3.0, 4.0]]), axis=1)
    (Tensor([1.0, 3.0]), Tensor([2.0, 4.0]))
    """
    x = asarray(x)
    place = shapes.normalize_axis(axis, x.ndim)
    return tuple(x[shapes.along(place, i)] for i in range(x.shape[place]))


def split(x: Any, indices_or_sections: int | Sequence[int], axis: int = 0) -> tuple[Tensor, ...]:
    """``x`` cut along ``axis``: into a number of equal parts, or before each of the given indices, as in NumPy.

    Raises `ShapeError` where the axis can't be cut into equal parts.

    >>> from glassgrad import autograd as ag
    >>> ag.split(ag.Tensor([1.0, 2.0, 3.0, 4.0]), 2), ag.split(ag.Tensor([1.0, 2.0, 3.0]), [1])
    ((Tensor([1.0, 2.0]), Tensor([3.0, 4.0])), (Tensor([1.0]), Tensor([2.0, 3.0])))
    """
    x = asarray(x)
    place = shapes.normalize_axis(axis, x.ndim)
    length = x.shape[place]
    given = as_python(indices_or_sections)
    if isinstance(given, int):
        if given < 1 or length % given:
            raise ShapeError(f"axis {axis} of length {length} can't be split into {given} equal parts.")
        cuts = [length // given * i for i in range(1, given)]
    else:
        cuts = list(given)
    return tuple(x[shapes.along(place, slice(a, b))] for a, b in zip([0, *cuts], [*cuts, length], strict=True))


def repeat(x: Any, repeats: Any, axis: int | None = None) -> Tensor:
    """Each element ``repeats`` times (a number, or one for each) along ``axis``, or of the flattened array.

    >>> from glassgrad import autograd as ag
    >>> ag.repeat(ag.Tensor([1.0, 2.0]), repeats=2), ag.repeat(ag.Tensor([1.0, 2.0]), repeats=(3, 1))
    (Tensor([1.0, 1.0, 2.0, 2.0]), Tensor([1.0, 1.0, 1.0, 2.0]))
    """
    x = reshape(x, shape=(-1,)) if axis is None else asarray(x)
    place = shapes.normalize_axis(axis or 0, x.ndim)
    try:
        places = backends.NUMPY.repeat(backends.NUMPY.arange(x.shape[place]), as_python(repeats))
    except (MemoryError, OverflowError, ValueError) as error:
        told = f"repeat can't take the counts {shown(repeats)} for {x.shape[place]} entries"
        raise backends.in_words(told, error) from error
    return take(x, asarray(places, device=x.device), axis=place)


def diff(x: Any, *, axis: int = -1, n: int = 1, prepend: Any = None, append: Any = None) -> Tensor:
    """Differences of consecutive elements along ``axis``, taken ``n`` times. ``prepend`` and ``append`` are joined to
    ``x`` first.

    >>> from glassgrad import autograd as ag
    >>> ag.diff(ag.Tensor([1.0, 4.0, 9.0])), ag.diff(ag.Tensor([1.0, 4.0, 9.0]), n=2)
    (Tensor([3.0, 5.0]), Tensor([2.0]))
    """
    parts = [asarray(part) for part in (prepend, x, append) if part is not None]
    if not validation.whole(n, "diff: n", least=0):  # as in NumPy, without prepend and append
        return asarray(x)
    whole: Tensor = concat(parts, axis=axis) if len(parts) > 1 else parts[0]
    place = shapes.normalize_axis(axis, whole.ndim)
    for _ in range(n):
        whole = whole[shapes.along(place, slice(1, None))] - whole[shapes.along(place, slice(-1))]
    return whole
