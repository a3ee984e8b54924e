"""Sorted and unique elements, and where the nonzero ones are."""

from __future__ import annotations

from typing import Any, NamedTuple

from glassgrad.autograd.engine.tensor import Tensor
from glassgrad.autograd.functions.shaping import unstack
from glassgrad.autograd.ops.indexing import argsort, take, take_along_axis
from glassgrad.autograd.ops.searching import nonzero_indices, unique_parts
from glassgrad.autograd.ops.shaping import reshape


def sort(x: Any, axis: int = -1, *, descending: bool = False, stable: bool = True) -> Tensor:
    """``x`` sorted along ``axis``; each gradient flows to the element's original position. Equal elements keep their
    order, ``stable`` or not.

    >>> from glassgrad import autograd as ag
    >>> ag.sort(ag.Tensor([3.0, 1.0, 2.0]), descending=True)
    Tensor([3.0, 2.0, 1.0])
    """
    return take_along_axis(x, argsort(x, axis=axis, descending=descending), axis=axis)


def nonzero(x: Any, /) -> tuple[Tensor, ...]:
    """The indices of the elements that are not 0, an array for each axis, as an index takes them. No gradient.

    >>> from glassgrad import autograd as ag
    >>> ag.nonzero(ag.Tensor([[0.0, 2.0], [3.0, 0.0]]))
    (Tensor([0, 1]), Tensor([1, 0]))
    """
    return unstack(nonzero_indices(x))


class UniqueAllResult(NamedTuple):
    """The result of `unique_all`."""

    values: Tensor
    indices: Tensor
    inverse_indices: Tensor
    counts: Tensor


class UniqueCountsResult(NamedTuple):
    """The result of `unique_counts`."""

    values: Tensor
    counts: Tensor


class UniqueInverseResult(NamedTuple):
    """The result of `unique_inverse`."""

    values: Tensor
    inverse_indices: Tensor


def unique_values(x: Any, /) -> Tensor:
    """The unique elements of ``x``, ascending. The gradient of each goes to its first occurrence.

    >>> from glassgrad import autograd as ag
    >>> ag.unique_values(ag.Tensor([5.0, 3.0, 5.0]))
    Tensor([3.0, 5.0])
    """
    return take(reshape(x, shape=(-1,)), unique_parts(x, part="indices"), axis=0)


def unique_all(x: Any, /) -> UniqueAllResult:
    """`unique_values`, the index of the first occurrence of each in the flattened ``x``, the index of each element of
    ``x`` among them, and how often each occurs.

    >>> from glassgrad import autograd as ag
    >>> ag.unique_all(ag.Tensor([5.0, 3.0, 5.0])).inverse_indices
    Tensor([1, 0, 1])
    """
    parts = (unique_parts(x, part=part) for part in UniqueAllResult._fields[1:])
    return UniqueAllResult(unique_values(x), *parts)


def unique_counts(x: Any, /) -> UniqueCountsResult:
    """`unique_values`, and how often each occurs.

    >>> from glassgrad import autograd as ag
    >>> ag.unique_counts(ag.Tensor([5.0, 3.0, 5.0]))
    UniqueCountsResult(values=Tensor([3.0, 5.0]), counts=Tensor([1, 2]))
    """
    return UniqueCountsResult(unique_values(x), unique_parts(x, part="counts"))


def unique_inverse(x: Any, /) -> UniqueInverseResult:
    """`unique_values`, and the index of each element of ``x`` among them.

    >>> from glassgrad import autograd as ag
    >>> ag.unique_inverse(ag.Tensor([5.0, 3.0, 5.0])).inverse_indices
    Tensor([1, 0, 1])
    """
    return UniqueInverseResult(unique_values(x), unique_parts(x, part="inverse_indices"))
