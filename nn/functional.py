"""What layers and losses compute, under PyTorch's names: operations of `autograd`, and what one line makes of them."""

from __future__ import annotations

from typing import Any

from autograd import (
    Tensor,
    asarray,
    astype,
    binary_cross_entropy_with_logits,
    cross_entropy,
    gelu,
    leaky_relu,
    linear,
    log_softmax,
    relu,
    sigmoid,
    softmax,
    softplus,
    tanh,
)
from autograd import one_hot as one_hot_of
from autograd import squared_error as mse_loss
from autograd.backends import as_dtype, is_inexact
from autograd.errors import DomainError, DTypeError, ShapeError

__all__ = [
    "accuracy",
    "binary_cross_entropy_with_logits",
    "cross_entropy",
    "gelu",
    "leaky_relu",
    "linear",
    "log_softmax",
    "mse_loss",
    "one_hot",
    "relu",
    "sigmoid",
    "softmax",
    "softplus",
    "tanh",
]


def one_hot(labels: Any, classes: int, *, dtype: Any = "float32") -> Tensor:
    """Integer labels ``(…)`` as ``(…, classes)``: 1 at the label, 0 elsewhere.

    Raises `autograd.errors.DTypeError` for labels that are no integers and `autograd.errors.DomainError` for labels
    outside of ``0 … classes - 1``.

    >>> one_hot([2, 0], 3)
    Tensor([[0.0, 0.0, 1.0],
            [1.0, 0.0, 0.0]], dtype=float32)
    """
    labels = asarray(labels)
    if is_inexact(labels.dtype):
        raise DTypeError(f"one_hot takes integer labels; it was given {labels.dtype} of shape {labels.shape}.")
    low, high = (int(labels.min()), int(labels.max())) if labels.size else (0, -1)
    if low < 0 or high >= classes:
        raise DomainError(
            f"labels from {low} to {high} do not fit {classes} classes, numbered from 0 to {classes - 1}."
        )
    return one_hot_of(labels, classes=classes, dtype=as_dtype(dtype))  # type: ignore[no-any-return]


def accuracy(logits: Any, labels: Any) -> float:
    """The share of samples whose largest output is their label's: logits ``(…, classes)``, integer labels ``(…)``.

    Raises `autograd.errors.ShapeError` where these shapes do not fit or there is no sample.

    >>> accuracy([[0.2, 0.8], [0.9, 0.1]], [1, 1])
    0.5
    """
    logits, labels = asarray(logits), asarray(labels)
    if logits.shape[:-1] != labels.shape or not logits.ndim or not labels.size:
        raise ShapeError(
            "accuracy needs logits (…, classes) and integer labels (…), of one sample at least; it was given shapes "
            f"{logits.shape} and {labels.shape}."
        )
    return float(astype(logits.detach().argmax(axis=-1) == labels, "float64").mean())
