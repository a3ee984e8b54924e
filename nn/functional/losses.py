"""Losses, labels and accuracy."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from autograd import Tensor, asarray, astype, ones_like, take, where
from autograd import cross_entropy as cross_entropy_op
from autograd import one_hot as one_hot_op
from autograd import squared_error as squared_error_op
from autograd import sum as sum_of
from autograd.backends import as_dtype, is_host, is_inexact, namespace
from autograd.common.validation import whole
from autograd.errors import DomainError, DTypeError, ShapeError


def cross_entropy(logits: Any, target: Any, reduction: str = "mean") -> Tensor:
    """Cross-entropy between ``softmax(logits)`` and the target; see `autograd.cross_entropy`.

    ``logits``: ``(…, classes)``. ``target``: integer labels ``(…)``, or probabilities ``(…, classes)``. Raises
    `autograd.errors.DomainError` for the result of a softmax in place of logits: softmax would be applied twice.

    >>> cross_entropy([[0.0, 0.0]], [1])
    Tensor(0.693147)
    """
    node = getattr(logits, "node", None)
    if node is not None and node.op.name == "softmax":
        raise DomainError(
            "cross_entropy was given the result of a softmax, and applies softmax itself: give it the logits. Leave "
            "out the last nn.Softmax(), or build nn.MLP without output='softmax'."
        )
    return cross_entropy_op(logits, target, reduction=reduction)


def negative_log_likelihood(log_prob: Any, labels: Any) -> Tensor:
    """Minus the log-probability ``(…, classes)`` of each label ``(…)``; refuses labels that are not classes."""
    return -sum_of(where(one_hot(labels, log_prob.shape[-1], dtype="bool"), log_prob, 0), axis=-1)


def of_labels(losses: Callable[[Any], Tensor], labels: Any, weight: Any, ignored: int | None, reduction: str) -> Tensor:
    """The ``losses`` of labels, weighted by class, and 0 for the label ``ignored``; their sum or weighted mean."""
    kept = None if ignored is None else labels != ignored
    counted = labels if kept is None else where(kept, labels, 0)
    found = losses(counted)
    shares = ones_like(found) if weight is None else take(weight, counted, axis=0)
    if kept is not None:
        found, shares = where(kept, found, 0), where(kept, shares, 0)
    found = found if weight is None else found * shares
    if reduction == "none":
        return found
    return sum_of(found) if reduction == "sum" else sum_of(found) / sum_of(shares)


def mse_loss(prediction: Any, target: Any, reduction: str = "mean") -> Tensor:
    """Mean of the squared differences; ``reduction="sum"`` or ``"none"`` sums them or returns each.

    Raises `autograd.errors.ShapeError` unless both have the same shape.

    >>> mse_loss([1.0, 2.0], [1.0, 4.0])
    Tensor(2.0)
    """
    shape, labels = getattr(prediction, "shape", None), getattr(target, "shape", None)
    if shape and labels == shape[:-1] and shape != labels and not is_inexact(target.dtype):
        raise ShapeError(
            f"mse_loss compares element by element; it was given predictions {shape} and integer labels {labels}: give "
            f"nn.functional.one_hot(labels, {shape[-1]}) as the target, or use cross_entropy."
        )
    return squared_error_op(prediction, target, reduction=reduction)


def one_hot(labels: Any, classes: int, *, dtype: Any = "float32") -> Tensor:
    """One-hot encoding of integer labels, ``(…)`` to ``(…, classes)``.

    Raises `autograd.errors.DTypeError` for labels that are not integers, `autograd.errors.DomainError` for labels
    outside 0 … classes - 1. On a GPU these give NaN instead, as a check would have to wait for the device.

    >>> one_hot([2, 0], 3)
    Tensor([[0.0, 0.0, 1.0],
            [1.0, 0.0, 0.0]], dtype=float32)
    """
    labels = asarray(labels)
    if is_inexact(labels.dtype):
        raise DTypeError(f"one_hot takes integer labels; it was given {labels.dtype} {labels.shape}.")
    if not is_host(labels.data):
        rows = one_hot_op(labels, classes=classes, dtype=as_dtype(dtype))
        return where(((labels >= 0) & (labels < classes)).reshape((*labels.shape, 1)), rows, math.nan)
    classes = whole(classes, "classes")
    if labels.size:
        namespace(labels.data).check_range(labels.data, classes, _refuse_labels, classes=classes)
    return one_hot_op(labels, classes=classes, dtype=as_dtype(dtype))


def _refuse_labels(low: int, high: int, classes: int) -> None:
    raise DomainError(f"one_hot was given labels from {low} to {high}; {classes} classes are 0 to {classes - 1}.")


def accuracy(logits: Any, labels: Any) -> float:
    """Fraction of samples whose largest logit is that of their label: logits ``(…, classes)``, integer labels ``(…)``.

    Raises `autograd.errors.ShapeError` for other shapes or no sample, `autograd.errors.DTypeError` for labels that are
    not integers.

    >>> accuracy([[0.2, 0.8], [0.9, 0.1]], [1, 1])
    0.5
    """
    logits, labels = asarray(logits), asarray(labels)
    if logits.shape[:-1] != labels.shape or not logits.ndim or not labels.size:
        raise ShapeError(
            "accuracy takes logits (…, classes) and integer labels (…) of at least one sample; it was given shapes "
            f"{logits.shape} and {labels.shape}."
        )
    if is_inexact(labels.dtype):
        raise DTypeError(f"accuracy takes integer labels; it was given {labels.dtype} {labels.shape}.")
    return float(astype(logits.detach().argmax(axis=-1) == labels, "float64").mean())
