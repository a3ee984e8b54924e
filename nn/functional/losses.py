"""Losses, labels and accuracy."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import Any

from glassgrad import autograd as ag
from glassgrad.autograd import Tensor, asarray
from glassgrad.autograd.backends import as_dtype, is_host, is_inexact, namespace
from glassgrad.autograd.common.validation import choice, number, whole
from glassgrad.autograd.errors import DomainError, DTypeError, ShapeError
from glassgrad.autograd.ops.nnet import check_batch, check_pair, refuse_complex

REDUCTIONS = "mean", "sum", "none"


def cross_entropy(
    logits: Any,
    target: Any,
    weight: Any = None,
    *,
    ignore_index: int | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """Cross-entropy between ``softmax(logits)`` and the target; see `autograd.cross_entropy`.

    ``logits``: ``(…, classes)``. ``target``: integer labels ``(…)``, or probabilities ``(…, classes)``. ``weight``: a
    factor for each class, ``(classes,)``; the mean over labels is then weighted by that of each label. Labels equal to
    ``ignore_index`` count as absent; the mean is NaN if all are. ``label_smoothing`` mixes the target with equal
    probabilities of all classes (Szegedy et al., 2016, section 7).

    Raises `autograd.errors.DomainError` for the result of a softmax in place of logits (softmax would be applied
    twice), for a ``label_smoothing`` outside 0 … 1, and for ``ignore_index`` with probabilities.

    >>> cross_entropy([[0.0, 0.0]], [1])
    Tensor(0.693147)
    >>> cross_entropy([[0.0, 0.0], [3.0, 0.0]], [1, -100], ignore_index=-100)
    Tensor(0.693147)
    """
    _refuse_twice("cross_entropy", logits, "softmax", "Softmax")
    if weight is None and ignore_index is None and not label_smoothing:
        return ag.cross_entropy(logits, target, reduction=reduction)
    logits, target = asarray(logits), asarray(target)
    classes = logits.shape[-1] if logits.shape else 0
    weight = _class_weights(weight, classes, logits.dtype)
    share = number(label_smoothing, "label_smoothing", 0, 1) / max(classes, 1)

    def losses(labels: Any) -> Tensor:
        found = _weighted(ag.cross_entropy(logits, labels, reduction="none"), labels, weight)
        if not label_smoothing:
            return found
        equal = ag.ones_like(logits) if weight is None else ag.broadcast_to(weight, logits.shape)
        rest = ag.cross_entropy(logits, equal, reduction="none")
        return (1 - label_smoothing) * found + share * rest

    if target.shape != logits.shape:
        return _reduced(losses, target, weight, ignore_index, reduction)
    if ignore_index is not None:
        raise DomainError(
            f"ignore_index = {ignore_index} is for labels, and cross_entropy was given probabilities {target.shape}: "
            "leave it out, or give labels."
        )
    mixed = target if not label_smoothing else (1 - label_smoothing) * target + share
    return ag.cross_entropy(logits, mixed if weight is None else mixed * weight, reduction=reduction)


def _refuse_twice(name: str, logits: Any, applied: str, layer: str) -> None:
    """Raise `DomainError` for the result of the function that the loss applies itself."""
    node = getattr(logits, "node", None)
    if node is not None and node.op.name == applied:
        raise DomainError(
            f"{name} was given the result of a {applied}, and applies {applied} itself: give it the logits. Leave out "
            f"the last nn.{layer}(), or build nn.MLP without output={applied!r}."
        )


def nll_loss(
    log_prob: Any, target: Any, weight: Any = None, *, ignore_index: int | None = None, reduction: str = "mean"
) -> Tensor:
    """Minus the log-probability of each label: `cross_entropy` for the result of a ``log_softmax``.

    ``log_prob``: ``(…, classes)``. ``target``: integer labels ``(…)``. ``weight``, ``ignore_index``: as in
    `cross_entropy`. Raises `autograd.errors.ShapeError` for other shapes, `autograd.errors.DomainError` for the result
    of a softmax, which are probabilities, and as `one_hot` does for the labels.

    >>> nll_loss([[-0.5, -1.0], [-2.0, -0.25]], [1, 0])
    Tensor(1.5)
    """
    log_prob, target = asarray(log_prob), asarray(target)
    if not log_prob.ndim or target.shape != log_prob.shape[:-1]:
        raise ShapeError(
            f"nll_loss takes log-probabilities (…, classes) and labels (…); it was given shapes {log_prob.shape} and "
            f"{target.shape}."
        )
    if log_prob.node is not None and log_prob.node.op.name == "softmax":
        raise DomainError(
            "nll_loss takes log-probabilities, and was given the result of softmax: apply log_softmax to the logits, "
            "or give them to cross_entropy."
        )
    check_batch("nll_loss", log_prob.shape, reduction)
    weight = _class_weights(weight, log_prob.shape[-1], log_prob.dtype)

    def losses(labels: Any) -> Tensor:
        chosen = ag.where(_one_hot("nll_loss", labels, log_prob.shape[-1], "bool"), log_prob, 0)
        return _weighted(-ag.sum(chosen, axis=-1), labels, weight)

    return _reduced(losses, target, weight, ignore_index, reduction)


def _class_weights(weight: Any, classes: int, dtype: Any) -> Any:
    if weight is None:
        return None
    weight = asarray(weight)
    if weight.shape != (classes,):
        raise ShapeError(f"weight has the shape {weight.shape}: give one factor for each class, ({classes},).")
    return ag.astype(weight, dtype)


def _weighted(losses: Tensor, labels: Any, weight: Any) -> Tensor:
    return losses if weight is None else losses * ag.take(weight, labels, axis=0)


def _reduced(losses: Callable[[Any], Tensor], labels: Any, weight: Any, ignored: int | None, reduction: str) -> Tensor:
    """``losses(labels)``, 0 for the label ``ignored``: each of them, their sum, or their weighted mean."""
    choice(reduction, "reduction", REDUCTIONS)
    kept = None if ignored is None else labels != whole(ignored, "ignore_index", -sys.maxsize)
    counted = labels if kept is None else ag.where(kept, labels, 0)
    found = losses(counted)
    found = found if kept is None else ag.where(kept, found, 0)
    if reduction != "mean":
        return found if reduction == "none" else ag.sum(found)
    shares = _weighted(ag.ones_like(found), counted, weight)
    if kept is None:
        return ag.sum(found) / ag.sum(shares)
    total = ag.sum(ag.where(kept, shares, 0))
    return ag.sum(found) / ag.where(total == 0, math.nan, total)  # as 0 / 0, which warns


def mse_loss(prediction: Any, target: Any, *, reduction: str = "mean") -> Tensor:
    """Mean of the squared differences; ``reduction="sum"`` or ``"none"`` sums them or returns each.

    Raises `autograd.errors.ShapeError` unless both have the same shape.

    >>> mse_loss([1.0, 2.0], [1.0, 4.0])
    Tensor(2.0)
    """
    prediction, target = (asarray(x) if isinstance(x, list | tuple) else x for x in (prediction, target))
    check_pair("mse_loss", prediction, target, reduction)
    return ag.squared_error(prediction, target, reduction=reduction)


def l1_loss(prediction: Any, target: Any, *, reduction: str = "mean") -> Tensor:
    """Mean of the absolute differences, with derivative 0 where they are 0. Otherwise as `mse_loss`.

    >>> l1_loss([1.0, 2.0], [1.0, 4.0])
    Tensor(1.0)
    """
    return _of_difference("l1_loss", ag.abs, prediction, target, reduction)


def huber_loss(prediction: Any, target: Any, *, reduction: str = "mean", delta: float = 1.0) -> Tensor:
    """``d² / 2`` of each difference d up to ``delta``, and ``delta · (|d| - delta / 2)`` beyond.

    Otherwise as `mse_loss`. P. J. Huber, "Robust estimation of a location parameter", 1964. Raises
    `autograd.errors.DomainError` unless ``delta`` is positive.

    >>> huber_loss([1.0, 2.0], [1.5, 5.0], reduction="none")
    Tensor([0.125,   2.5])
    """
    delta = number(delta, "delta", 1e-300)
    refuse_complex("huber_loss", prediction, target)

    def losses(d: Tensor) -> Any:
        return ag.clip(d, -delta, delta) ** 2 * 0.5 + ag.relu(ag.abs(d) - delta) * delta

    return _of_difference("huber_loss", losses, prediction, target, reduction)


def binary_cross_entropy_with_logits(logits: Any, target: Any, *, reduction: str = "mean") -> Tensor:
    """Cross-entropy of ``sigmoid(logits)`` to the target; see `autograd.binary_cross_entropy_with_logits`.

    Raises `autograd.errors.DomainError` for the result of a sigmoid in place of logits, as sigmoid would be applied
    twice.

    >>> binary_cross_entropy_with_logits([0.0, 100.0], [1.0, 1.0], reduction="none")
    Tensor([0.693147, 0.0])
    """
    _refuse_twice("binary_cross_entropy_with_logits", logits, "sigmoid", "Sigmoid")
    return ag.binary_cross_entropy_with_logits(logits, target, reduction=reduction)


def _of_difference(name: str, losses: Callable[[Tensor], Any], prediction: Any, target: Any, reduction: str) -> Tensor:
    """``losses(prediction - target)``, of one shape: each of them, their sum, or their mean."""
    choice(reduction, "reduction", REDUCTIONS)
    x, y = asarray(prediction), asarray(target)
    check_pair(name, x, y, reduction)
    found: Tensor = losses(x - y)
    return found if reduction == "none" else ag.mean(found) if reduction == "mean" else ag.sum(found)


def one_hot(labels: Any, classes: int, *, dtype: Any = "float32") -> Tensor:
    """One-hot encoding of integer labels, ``(…)`` to ``(…, classes)``.

    Raises `autograd.errors.DTypeError` for labels that are not integers, `autograd.errors.DomainError` for labels
    outside 0 … classes - 1. On a GPU these give NaN instead, as a check would have to wait for the device.

    >>> one_hot([2, 0], 3)
    Tensor([[0.0, 0.0, 1.0],
            [1.0, 0.0, 0.0]], dtype=float32)
    """
    return _one_hot("one_hot", labels, classes, dtype)


def _one_hot(name: str, labels: Any, classes: int, dtype: Any) -> Tensor:
    """`one_hot`, called ``name`` in messages."""
    labels = asarray(labels)
    if is_inexact(labels.dtype):
        raise DTypeError(f"{name} takes integer labels; it was given {labels.dtype} {labels.shape}.")
    if not is_host(labels.data):
        rows = ag.one_hot(labels, classes=classes, dtype=as_dtype(dtype))
        return ag.where(((labels >= 0) & (labels < classes)).reshape((*labels.shape, 1)), rows, math.nan)
    classes = whole(classes, "classes")
    if labels.size:
        namespace(labels.data).check_range(labels.data, classes, _refuse_labels, name=name, classes=classes)
    return ag.one_hot(labels, classes=classes, dtype=as_dtype(dtype))


def _refuse_labels(low: int, high: int, name: str, classes: int) -> None:
    hint = f" Give ignore_index={low} to leave that label out." if low < 0 and name == "nll_loss" else ""
    raise DomainError(f"{name} was given labels from {low} to {high}; {classes} classes are 0 to {classes - 1}.{hint}")
