"""Softmax and the losses."""

from __future__ import annotations

import math
from typing import Any

from glassgrad.autograd import backends
from glassgrad.autograd.common import shapes
from glassgrad.autograd.common.validation import choice
from glassgrad.autograd.engine.operation import op
from glassgrad.autograd.errors import DomainError, DTypeError, ShapeError

REDUCTIONS = ("mean", "sum", "none")


def _reduced(xp: Any, losses: Any, reduction: str) -> Any:
    """The losses reduced to their mean or sum, or as they are."""
    if reduction == "none":
        return losses
    total = xp.sum(losses)
    return total * (1 / shapes.size(losses.shape)) if reduction == "mean" else total


def _share(g: Any, shape: shapes.Shape, reduction: str) -> Any:
    """The upstream gradient of each loss (of ``shape``), from that of the reduced loss."""
    return g * (1 / shapes.size(shape)) if reduction == "mean" else g


def check_batch(name: str, shape: shapes.Shape, reduction: str) -> None:
    """Raise `ShapeError` for a batch without elements, and `DomainError` for an unknown ``reduction``."""
    choice(reduction, "reduction", REDUCTIONS)
    if 0 in shape:
        raise ShapeError(f"{name} was given an empty batch, of shape {shape}: a loss needs at least one example.")


# -------------------------------------------------------------------------------------------------------------- softmax


def _below_largest(xp: Any, x: Any, axis: Any) -> Any:
    """``x`` minus its largest element along ``axis``. Differences of unsigned integers would wrap around."""
    x = xp.astype(x, xp.float64) if x.dtype.kind == "u" else x
    return x - xp.max(x, axis=axis, keepdims=True)


@op("softmax", tex=r"\operatorname{{softmax}}({x})")
def softmax(xp, x, *, axis=-1):
    """``exp(x)`` divided by its sum along ``axis``: numbers between 0 and 1 that sum to 1. Never overflows.

    >>> from glassgrad import autograd as ag
    >>> ag.softmax(ag.Tensor([1000.0, 1000.0]))
    Tensor([0.5, 0.5])
    """
    if 0 in x.shape:
        return x - xp.sum(x, axis=axis, keepdims=True)  # no elements; the sum checks the axis
    e = xp.exp(_below_largest(xp, x, axis))
    e /= xp.sum(e, axis=axis, keepdims=True)  # in place: this array is ours alone
    return e


softmax.vjp(x=lambda xp, g, out, axis: out * (g - xp.sum(g * out, axis=axis, keepdims=True)))


@op("log softmax", tex=r"\ln \operatorname{{softmax}}({x})")
def log_softmax(xp, x, *, axis=-1):
    """The logarithm of `softmax`, accurate where the softmax is close to 0.

    >>> from glassgrad import autograd as ag
    >>> ag.log_softmax(ag.Tensor([0.0, -1000.0]))
    Tensor([0.0, -1000.0])
    """
    if 0 in x.shape:
        return x - xp.sum(x, axis=axis, keepdims=True)  # no elements; the sum checks the axis
    shifted = _below_largest(xp, x, axis)
    return shifted - xp.log(xp.sum(xp.exp(shifted), axis=axis, keepdims=True))


log_softmax.vjp(x=lambda xp, g, out, axis: g - xp.exp(out) * xp.sum(g, axis=axis, keepdims=True))


@op("one-hot", text="one_hot({labels})", tex=r"\mathbf{{1}}_{{{labels}}}")
def one_hot(xp, labels, *, classes, dtype="float64"):
    """A row for each label: 1 at that class, else 0. Labels (...) become (..., ``classes``). No gradient.

    >>> from glassgrad import autograd as ag
    >>> ag.one_hot([0, 2], classes=3)
    Tensor([[1.0, 0.0, 0.0],
            [0.0, 0.0, 1.0]])
    """
    dtype = getattr(xp, dtype) if isinstance(dtype, str) else dtype
    return xp.astype(labels[..., None] == xp.arange(classes), dtype)


def _refuse_lengths(low: int, high: int, length: int) -> None:
    wrong = low + 1 if low < 0 else high + 1
    raise DomainError(f"sequence_mask was given the length {wrong}: lengths of sequences go from 1 to {length} here.")


@op("mask", text="mask({lengths})", tex=r"\operatorname{{mask}}({lengths})")
def sequence_mask(xp, lengths, *, length):
    """Mask of the valid steps of sequences of different lengths: True at ``[t, …]`` where ``t < lengths[…]``.

    ``lengths``: integers from 1 to ``length``, of any shape (...); the result is (``length``, ...). No gradient. Raises
    `DomainError` for other lengths (not checked on a GPU), `DTypeError` unless they are integers.

    >>> from glassgrad import autograd as ag
    >>> ag.sequence_mask([2, 1], length=3).tolist()
    [[True, True], [True, False], [False, False]]
    """
    if lengths.dtype.kind not in "iu":
        raise DTypeError(f"sequence_mask was given lengths of dtype {lengths.dtype}: give integers.")
    if backends.is_host(lengths):
        xp.check_range(lengths - 1, length, _refuse_lengths, length=length)
    steps = xp.reshape(xp.arange(length), (length,) + (1,) * len(lengths.shape))
    return steps < lengths


# ------------------------------------------------------------------------------------------------------ cross-entropies


def _are_labels(logits: Any, target: Any) -> bool:
    return len(target.shape) == len(logits.shape) - 1


def _check_target(xp: Any, logits: Any, target: Any) -> None:
    """Raise unless the target is a label for each row of logits or a probability for each logit."""
    if not logits.shape or target.shape not in (logits.shape, logits.shape[:-1]):
        given = f"it was given logits {logits.shape} and a target {target.shape}"
        raise ShapeError(f"cross_entropy takes logits (..., classes), and labels (...) or a probability each; {given}.")
    if target.shape == logits.shape:
        return
    if target.dtype.kind not in "iu":
        way = f"give integers, or probabilities of shape {logits.shape}"
        raise DTypeError(f"cross_entropy was given labels of dtype {target.dtype}: {way}.")
    if backends.is_host(target):  # reading the labels of a GPU would wait for it at every call
        xp.check_range(target, logits.shape[-1], _refuse_labels, shape=logits.shape)


def _refuse_labels(low: int, high: int, shape: shapes.Shape) -> None:
    wrong = low if low < 0 else high
    raise DomainError(f"cross_entropy was given the label {wrong} for logits {shape}: give 0 to {shape[-1] - 1}.")


def _probabilities(xp: Any, target: Any, logits: Any) -> Any:
    """Soft or one-hot labels in the dtype of the logits: integers would promote float32."""
    return target if target.dtype == logits.dtype else xp.astype(target, logits.dtype)


@op("cross entropy", text="cross_entropy({logits}, {target})", tex=r"\operatorname{{CE}}({logits}, {target})")
def cross_entropy(xp, logits, target, *, reduction="mean"):
    """The cross-entropy of ``softmax(logits)`` to the target, in nats: ``-sum(target * log_softmax(logits))``.

    ``logits``: (..., classes), before any softmax. ``target``: integer labels of shape (...), or one-hot or soft labels
    of shape (..., classes). ``reduction``: the ``"mean"`` over the examples, their ``"sum"``, or ``"none"`` for one
    loss each.

    Raises `DomainError` for a label that is not a class, `ShapeError` for shapes that do not fit and for an empty
    batch, and `DTypeError` for labels that are not integers. On a GPU the values of labels are not checked, because
    that would wait for the device at every call: there the loss of a label that is not a class is NaN.

    >>> from glassgrad import autograd as ag
    >>> logits = ag.Tensor([[0.0, 0.0], [0.0, 100.0]])
    >>> ag.cross_entropy(logits, [1, 1]), ag.cross_entropy(logits, [[0.5, 0.5], [0.0, 1.0]], reduction="none")
    (Tensor(0.346574), Tensor([0.693147, 0.0]))
    """
    check_batch("cross_entropy", logits.shape, reduction)
    _check_target(xp, logits, target)
    shifted = _below_largest(xp, logits, -1)
    total = xp.log(xp.sum(xp.exp(shifted), axis=-1))
    if _are_labels(logits, target):
        flat, labels = shifted, target
        if target.ndim != 1:
            flat, labels = xp.reshape(shifted, shape=(-1, shifted.shape[-1])), xp.reshape(target, shape=(-1,))
        if xp.in_place:
            chosen = flat[xp.arange(flat.shape[0]), labels]
        else:  # in the body of a loop no index is known
            chosen = xp.take_along_axis(flat, xp.reshape(labels, shape=(-1, 1)), axis=-1)
            chosen = xp.reshape(chosen, shape=labels.shape)
        if not backends.is_host(labels):  # on a GPU an index out of range wraps around
            chosen = xp.where((labels >= 0) & (labels < flat.shape[1]), chosen, math.nan)
        chosen = chosen if labels is target else xp.reshape(chosen, shape=target.shape)
        return _reduced(xp, total - chosen, reduction)
    surprise = total[..., None] - shifted
    return _reduced(xp, xp.sum(_probabilities(xp, target, logits) * surprise, axis=-1), reduction)


def _cross_entropy_by_logits(xp: Any, g: Any, logits: Any, target: Any, reduction: Any) -> Any:
    p = xp.softmax(logits)
    if _are_labels(logits, target):
        slope = p - xp.one_hot(target, classes=logits.shape[-1], dtype=logits.dtype)
    else:
        target = _probabilities(xp, target, logits)
        slope = p * xp.sum(target, axis=-1, keepdims=True) - target
    share = _share(g, logits.shape[:-1], reduction)
    return slope * (share[..., None] if reduction == "none" else share)


def _cross_entropy_by_target(xp: Any, g: Any, logits: Any, reduction: Any) -> Any:
    share = _share(g, logits.shape[:-1], reduction)
    return -xp.log_softmax(logits) * (share[..., None] if reduction == "none" else share)


cross_entropy.vjp(logits=_cross_entropy_by_logits, target=_cross_entropy_by_target)


def refuse_complex(name: str, *arrays: Any) -> None:
    """Raise for complex numbers, whose squares are no sizes."""
    if any(hasattr(x, "dtype") and backends.is_complex(x.dtype) for x in arrays):
        raise DTypeError(f"{name} compares real numbers: of complex ones take mean_square of x - y, or its abs.")


def check_pair(name: str, x: Any, y: Any, reduction: str) -> None:
    """Raise for shapes that would broadcast: (n, 1) against (n,) is a mistake, and would make n² numbers."""
    a, b = getattr(x, "shape", ()), getattr(y, "shape", ())
    if a != b and a and b:
        raise ShapeError(f"{name} compares element by element, and was given shapes {a} and {b}: reshape one of them.")
    check_batch(name, a or b, reduction)


@op(
    "binary cross entropy",
    text="binary_cross_entropy({logits}, {target})",
    tex=r"\operatorname{{BCE}}({logits}, {target})",
)
def binary_cross_entropy_with_logits(xp, logits, target, *, reduction="mean"):
    """The cross-entropy of ``sigmoid(logits)`` to the target, in nats, elementwise, without overflow.

    ``logits`` and ``target`` (numbers from 0 to 1) have one shape. ``reduction``: ``"mean"`` over all elements,
    ``"sum"``, or ``"none"``. Raises `ShapeError` for different shapes and for an empty batch.

    >>> from glassgrad import autograd as ag
    >>> ag.binary_cross_entropy_with_logits(ag.Tensor([0.0, 100.0]), [1.0, 1.0], reduction="none")
    Tensor([0.693147, 0.0])
    """
    check_pair("binary_cross_entropy_with_logits", logits, target, reduction)
    return _reduced(xp, xp.logaddexp(logits, 0.0) - logits * target, reduction)


def _binary_cross_entropy_by_logits(xp: Any, g: Any, logits: Any, target: Any, reduction: Any) -> Any:
    miss = xp.sigmoid(logits) - target
    return miss * _share(g, miss.shape, reduction)


def _binary_cross_entropy_by_target(
    xp: Any, g: Any, logits: Any, logits_shape: Any, target_shape: Any, reduction: Any
) -> Any:
    shape = logits_shape or target_shape  # one of them may be a number
    part = -logits * _share(g, shape, reduction)
    return part if part.shape == shape else xp.broadcast_to(part, shape=shape)


binary_cross_entropy_with_logits.vjp(logits=_binary_cross_entropy_by_logits, target=_binary_cross_entropy_by_target)


@op("squared error", text="({x} - {y})²", tex=r"\left({x} - {y}\right)^2", broadcasts=True)
def squared_error(xp, x, y, *, reduction="mean"):
    """``(x - y)²``, elementwise.

    ``x`` and ``y`` have one shape, or one of them is a number. ``reduction``: ``"mean"`` over all elements, ``"sum"``,
    or ``"none"``. Raises `ShapeError` for different shapes and for an empty batch.

    >>> from glassgrad import autograd as ag
    >>> ag.squared_error(ag.Tensor([1.0, 2.0]), ag.Tensor([1.0, 4.0]), reduction="sum")
    Tensor(4.0)
    """
    check_pair("squared_error", x, y, reduction)
    refuse_complex("squared_error", x, y)
    miss = x - y
    if reduction == "none":
        return miss * miss
    flat = xp.reshape(miss, shape=(-1,))
    total = flat @ flat  # the sum of squares, in one call
    return total * (1 / shapes.size(miss.shape)) if reduction == "mean" else total


def _squared_error_by_x(g: Any, x: Any, y: Any, reduction: Any) -> Any:
    miss = x - y
    return miss * (2 * _share(g, miss.shape, reduction))


squared_error.vjp(x=_squared_error_by_x, y=lambda g, x, y, reduction: -_squared_error_by_x(g, x, y, reduction))
