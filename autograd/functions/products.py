"""Products of vectors, matrices and arrays of more axes, by named axes or pairs of them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, islice
from typing import Any

from glassgrad.autograd.backends import NUMPY, to_device
from glassgrad.autograd.common import shapes
from glassgrad.autograd.common.validation import check_instance
from glassgrad.autograd.engine.tensor import Tensor
from glassgrad.autograd.errors import DomainError, DTypeError, ShapeError
from glassgrad.autograd.functions.conversion import asarray
from glassgrad.autograd.ops.elementwise import multiply
from glassgrad.autograd.ops.linalg import contract
from glassgrad.autograd.ops.shaping import as_python, reshape


def outer(x: Any, y: Any) -> Tensor:
    """The product of every element of ``x`` (m elements) with every element of ``y`` (n elements), of shape (m, n).

    >>> from glassgrad import autograd as ag
    >>> ag.outer(ag.Tensor([1.0, 2.0]), ag.Tensor([3.0, 4.0]))
    Tensor([[3.0, 4.0],
            [6.0, 8.0]])
    """
    return multiply(reshape(x, shape=(-1, 1)), reshape(y, shape=(1, -1)))


_LABELS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_ALL_LABELS = _LABELS + "".join(map(chr, range(0x100, 0x200)))  # enough labels for the axes of `...`, too


def _spelled_out(term: str, ndim: int, dots: str, subscripts: str) -> str:
    """``term`` with labels from ``dots``, counted from the right, in place of its ellipsis."""
    before, ellipsis, after = term.partition("...")
    count = ndim - len(before) - len(after)
    if not {*before, *after} <= {*_LABELS} or count < 0 or (count and not ellipsis):
        raise ShapeError(f"einsum {subscripts!r}: write a letter for each of {ndim} axes in {term!r}, or one '...'.")
    return before + (dots[len(dots) - count :] if count else "") + after


def einsum(subscripts: str, *operands: Any) -> Tensor:
    """A sum of products over named axes, as NumPy's: ``einsum("ij,jk->ik", x, y)`` is ``x @ y``.

    Each operand has a term of ``subscripts``, one letter an axis. The result has the letters after ``->`` in that
    order, or without an arrow those that occur once, sorted. A letter twice in a term takes a diagonal; ``...`` stands
    for the axes that have no letter, broadcast. Products are taken from left to right, so that the order of the
    operands decides the work. Raises `DomainError` for an invalid label, and `ShapeError` for axes that do not fit
    their labels.

    >>> from glassgrad import autograd as ag
    >>> x = ag.Tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> ag.einsum("ij,j->i", x, [10.0, 1.0]), ag.einsum("ii", x), ag.einsum("...j->...", x)
    (Tensor([12.0, 34.0]), Tensor(5.0), Tensor([3.0, 7.0]))
    """
    check_instance(subscripts, str, "einsum's first argument", "its subscripts, a string such as 'ij,jk->ik'")
    tensors = [asarray(x) for x in operands]
    given, arrow, wanted = subscripts.replace(" ", "").partition("->")
    written = given.split(",")
    if len(written) != len(tensors):
        raise ShapeError(f"einsum {subscripts!r}: {len(written)} term(s) for {len(tensors)} operands: write one each.")
    free = (c for c in _ALL_LABELS if c not in subscripts)
    depths = (x.ndim - len(t.replace("...", "")) for t, x in zip(written, tensors, strict=True) if "..." in t)
    dots = "".join(islice(free, max([0, *depths])))
    terms = [_spelled_out(t, x.ndim, dots, subscripts) for t, x in zip(written, tensors, strict=True)]
    everything = "".join(terms)
    once = sorted(c for c in everything if everything.count(c) == 1 and c not in dots)
    result = wanted.replace("...", dots) if arrow else dots + "".join(once)
    if wrong := [c for c in result if result.count(c) > 1 or c not in everything]:
        raise DomainError(f"einsum {subscripts!r}: the result has {wrong[0]!r} twice, or in no term: write it once.")
    sizes = _label_sizes(terms, tensors, subscripts)
    for i, (term, x) in enumerate(zip(terms, tensors, strict=True)):
        axes = [a for a, label in enumerate(term) if x.shape[a] == sizes[label]]  # one that is broadcast is dropped
        x = reshape(x, shape=tuple(x.shape[a] for a in axes)) if len(axes) < x.ndim else x
        labels = [term[a] for a in axes]
        terms[i] = "".join(dict.fromkeys(labels))
        if len(terms[i]) < len(labels):  # a diagonal
            lines = NUMPY.meshgrid(*(NUMPY.arange(sizes[label]) for label in terms[i]), indexing="ij")
            x = x[tuple(to_device(lines[terms[i].index(label)], x.device) for label in labels)]
        tensors[i] = x
    return contract(*tensors, subscripts=f"{','.join(terms)}->{result}")


def _label_sizes(terms: Sequence[str], tensors: Sequence[Tensor], subscripts: str) -> dict[str, int]:
    """The length of each label's axes."""
    sizes: dict[str, int] = {}
    for label, n in chain.from_iterable(zip(t, x.shape, strict=True) for t, x in zip(terms, tensors, strict=True)):
        if sizes.setdefault(label, n) == 1:
            sizes[label] = n
        elif n not in (1, sizes[label]):
            raise ShapeError(f"einsum {subscripts!r}: {label!r} is {sizes[label]} in one operand and {n} in another.")
    return sizes


def tensordot(x: Any, y: Any, axes: int | tuple[Sequence[int], Sequence[int]] = 2) -> Tensor:
    """The sum of products over pairs of axes. ``axes``: the axes of ``x`` and those of ``y``, or a number n: the last n
    of ``x`` with the first n of ``y``.

    The result has the other axes of ``x``, then those of ``y``. Raises `ShapeError` where a pair differs in length.

    >>> from glassgrad import autograd as ag
    >>> ag.tensordot(ag.ones((2, 3, 4)), ag.ones((4, 3, 5)), axes=((1, 2), (1, 0))).shape
    (2, 5)
    """
    x, y = asarray(x), asarray(y)
    pairs = getattr(axes, "tolist", lambda: axes)()
    if isinstance(pairs, int):
        pairs = [*range(x.ndim - pairs, x.ndim)], [*range(pairs)]
    if not isinstance(pairs, list | tuple) or len(pairs) != 2:
        raise DTypeError(f"tensordot: axes = {axes!r}: give a number, or a pair: the axes of x and the axes of y.")
    of_x, of_y = (shapes.normalize_axes(as_python(p), z.ndim) for p, z in zip(pairs, (x, y), strict=True))
    if [x.shape[i] for i in of_x] != [y.shape[j] for j in of_y]:
        raise ShapeError(f"tensordot pairs axes {of_x} of x {x.shape} with {of_y} of y {y.shape}: pair equal lengths.")
    xs = _ALL_LABELS[: x.ndim]
    paired = dict(zip(of_y, of_x, strict=True))
    ys = "".join(xs[paired[j]] if j in paired else _ALL_LABELS[x.ndim + j] for j in range(y.ndim))
    result = "".join(label for label in xs + ys if (xs + ys).count(label) == 1)
    return contract(x, y, subscripts=f"{xs},{ys}->{result}")
