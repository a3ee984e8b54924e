"""Searching, counting and unique elements. The results are integers, which have no gradient."""

from __future__ import annotations

from glassgrad.autograd.common.validation import choice
from glassgrad.autograd.engine.operation import op


@op("nonzero", text="nonzero({x})")
def nonzero_indices(xp, x):
    """The indices of the elements that are not 0, a row for each axis, in row-major order. No gradient.

    >>> from glassgrad import autograd as ag
    >>> ag.nonzero_indices(ag.Tensor([[0.0, 2.0], [3.0, 0.0]]))
    Tensor([[0, 1],
            [1, 0]])
    """
    if not x.shape:
        raise ValueError("an array of shape () has no axis to search along")
    return xp.stack(xp.nonzero(x))


@op("#", text="count_nonzero({x})", tex=r"\#({x} \neq 0)")
def count_nonzero(xp, x, *, axis=None, keepdims=False):
    """How many elements over ``axis`` are not 0, as int64. No gradient.

    >>> from glassgrad import autograd as ag
    >>> ag.count_nonzero(ag.Tensor([[0.0, 2.0], [3.0, 1.0]]), axis=0)
    Tensor([1, 2])
    """
    return xp.sum(xp.astype(x != 0, xp.int64), axis=axis, keepdims=keepdims)


@op("searchsorted", text="searchsorted({x}, {y})", tex=r"\operatorname{{searchsorted}}({x}, {y})")
def searchsorted(xp, x, y, sorter=None, *, side="left"):
    """The indices at which elements of ``y`` are to be inserted into ``x`` (one-dimensional, ascending) to keep it
    sorted.

    ``side``: before (``"left"``) or after (``"right"``) equal elements of ``x``. ``sorter``: integers that sort ``x``
    where it is not sorted. No gradient.

    >>> from glassgrad import autograd as ag
    >>> ag.searchsorted(ag.Tensor([1.0, 2.0, 3.0]), ag.Tensor([2.0, 9.0]))
    Tensor([1, 3])
    """
    choice(side, "side", ("left", "right"))
    return xp.searchsorted(x if sorter is None else xp.take(x, sorter, axis=0), y, side=side)


# ------------------------------------------------------------------------------------------------------- what is unique


@op("unique", text="unique({x})", tex=r"\operatorname{{unique}}({x})")
def unique_parts(xp, x, *, part):
    """Indices, inverse indices or counts of the unique elements of ``x``. No gradient.

    ``part``: ``"indices"``, the first occurrence of each in the flattened ``x``; ``"inverse_indices"``, the index of
    each element of ``x`` among the unique ones; ``"counts"``, how often each occurs.

    >>> from glassgrad import autograd as ag
    >>> ag.unique_parts(ag.Tensor([5.0, 3.0, 5.0]), part="counts")
    Tensor([1, 2])
    """
    return getattr(xp.unique_all(x), choice(part, "part", ("indices", "inverse_indices", "counts")))
