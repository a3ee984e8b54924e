"""What layers and losses compute, under PyTorch's names: operations of `autograd`, and what one line makes of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from autograd import (
    Tensor,
    across,
    asarray,
    astype,
    binary_cross_entropy_with_logits,
    cross_entropy,
    gelu,
    leaky_relu,
    linear,
    log_softmax,
    no_grad,
    random,
    relu,
    reshape,
    sigmoid,
    softmax,
    softplus,
    standardize,
    tanh,
    where,
)
from autograd import one_hot as one_hot_of
from autograd import squared_error as mse_loss
from autograd.backends import as_dtype, is_host, is_inexact, namespace
from autograd.errors import DomainError, DTypeError, ShapeError
from autograd.validation import number, whole
from nn.parallel import SHARE

__all__ = [
    "accuracy",
    "batch_norm",
    "binary_cross_entropy_with_logits",
    "cross_entropy",
    "dropout",
    "gelu",
    "layer_norm",
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
    outside of ``0 … classes - 1``. On a GPU, where looking at them would be to wait, these give NaN.

    >>> one_hot([2, 0], 3)
    Tensor([[0.0, 0.0, 1.0],
            [1.0, 0.0, 0.0]], dtype=float32)
    """
    labels = asarray(labels)
    if is_inexact(labels.dtype):
        raise DTypeError(f"one_hot takes integer labels; it was given {labels.dtype} of shape {labels.shape}.")
    if not is_host(labels.data):
        rows = one_hot_of(labels, classes=classes, dtype=as_dtype(dtype))
        return where(((labels >= 0) & (labels < classes)).reshape((*labels.shape, 1)), rows, math.nan)
    classes = whole(classes, "classes")
    if labels.size:
        namespace(labels.data).check_range(labels.data, classes, _refuse_labels, classes=classes)
    return one_hot_of(labels, classes=classes, dtype=as_dtype(dtype))


def _refuse_labels(low: int, high: int, classes: int) -> None:
    raise DomainError(f"labels from {low} to {high} do not fit {classes} classes, numbered from 0 to {classes - 1}.")


def dropout(x: Any, p: float = 0.5, training: bool = True, *, generator: Any) -> Tensor:
    """``x`` with every element set to 0 with probability ``p`` and the others divided by ``1 - p``; while not
    ``training``, ``x`` itself.

    ``generator``: a NumPy Generator, which each call moves on. N. Srivastava, G. Hinton, A. Krizhevsky, I. Sutskever
    and R. Salakhutdinov, "Dropout: a simple way to prevent neural networks from overfitting", JMLR 15, 2014; scaled
    while training, so that the mean is kept. Raises `autograd.errors.DomainError` for a ``p`` outside of 0 to 1.

    >>> import numpy
    >>> dropout([1.0, 2.0, 3.0, 4.0], generator=numpy.random.default_rng(0))
    Tensor([0.0, 4.0, 6.0, 8.0])
    """
    if not 0 <= number(p, "p") <= 1:
        raise DomainError(f"p = {p!r} is out of range: a probability is a number from 0 to 1.")
    given = asarray(x)
    if not training or p == 0:
        return given
    shape, rows, share = given.shape, None, SHARE.get()
    if share is not None and shape[:1] == (share.end - share.first,):  # drawn for the whole batch
        shape, rows = (share.rows, *shape[1:]), slice(share.first, share.end)
    kept = random.bernoulli(1 - p, shape, generator=generator, dtype=given.dtype, device=given.device)
    kept = kept if rows is None else kept[rows]
    mask: Tensor = kept * (1 / (1 - p) if p < 1 else 0.0)
    mask.name = "mask"
    dropped: Tensor = given * mask
    return dropped


def layer_norm(
    x: Any, normalized_shape: int | Sequence[int], weight: Any = None, bias: Any = None, eps: float = 1e-5
) -> Tensor:
    """Every sample with mean 0 and variance 1 over its last axes, then times ``weight`` plus ``bias``.

    ``normalized_shape``: the lengths of these axes, and the shape of ``weight`` and ``bias``. ``eps`` is added to the
    variance. J. Ba, J. Kiros and G. Hinton, "Layer normalization", 2016. Raises `autograd.errors.ShapeError` where
    ``x`` does not end in ``normalized_shape``.

    >>> layer_norm([[1.0, 2.0, 3.0]], 3, eps=0.0)
    Tensor([[-1.22474, 0.0, 1.22474]])
    """
    shape = tuple(normalized_shape) if isinstance(normalized_shape, Sequence) else (normalized_shape,)
    x = asarray(x)
    if x.shape[-len(shape) :] != shape or not shape:
        raise ShapeError(f"layer_norm over the shape {shape} was given {x.shape}, which does not end in it.")
    axes = tuple(range(-len(shape), 0))
    return _rescaled(standardize(x, axis=axes if len(axes) > 1 else -1, eps=eps), weight, bias)


def batch_norm(
    x: Any,
    running_mean: Tensor,
    running_var: Tensor,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Every channel of ``x`` with mean 0 and variance 1, then times ``weight`` plus ``bias``; channels are axis 1.

    ``x``: ``(batch, channels, …)``; the others ``(channels,)``. While ``training``, mean and variance are those of the
    batch, and ``running_mean`` and ``running_var`` (with the variance's n - 1) move by the share ``momentum`` towards
    them; else mean and variance are the running ones. S. Ioffe and C. Szegedy, "Batch normalization: accelerating deep
    network training by reducing internal covariate shift", ICML 2015. Raises `autograd.errors.ShapeError` for another
    number of channels, and while training for a single value per channel, which has no variance.

    >>> import autograd as ag
    >>> mean, var = ag.zeros(1), ag.ones(1)
    >>> batch_norm([[1.0], [3.0]], mean, var, training=True, eps=0.0).tolist(), mean
    ([[-1.0], [1.0]], Tensor([0.2]))
    """
    x = asarray(x)
    if x.ndim < 2 or x.shape[1:2] != running_mean.shape:
        raise ShapeError(
            f"batch_norm over {running_mean.shape} channels takes (batch, channels, …); it was given {x.shape}."
        )
    axes = (0, *range(2, x.ndim))
    if training:
        share = SHARE.get()
        count = math.prod(x.shape[i] for i in axes)
        if share is not None:
            count = count * share.rows // (share.end - share.first)
        if count < 2:
            raise ShapeError(
                f"batch_norm was given {x.shape}, fewer than two values per channel, which have no variance: train on "
                "larger batches, or evaluate with training=False."
            )
        if share is None:
            with no_grad():
                mean, var = x.mean(axes), x.var(axes, correction=1)
            x = standardize(x, axis=axes, eps=eps)
        else:
            x, mean, var = _standardized_together(x, axes, eps, count, share.add)
        with no_grad():
            _follow(running_mean, mean, momentum)
            _follow(running_var, var, momentum)
    else:
        scale = 1 / (running_var + eps).sqrt()
        weight = scale if weight is None else weight * scale
        bias = (0.0 if bias is None else bias) - running_mean * weight
    if x.ndim > 2:
        column = (-1, *(1,) * (x.ndim - 2))
        weight, bias = (t if t is None else reshape(t, shape=column) for t in (weight, bias))
    return _rescaled(x, weight, bias)


def _standardized_together(
    x: Tensor, axes: tuple[int, ...], eps: float, count: int, add: Callable[[Any], Any]
) -> tuple[Tensor, Tensor, Tensor]:
    """``x`` by the mean and the variance of all ranks' ``count`` values per channel, and these (with count - 1)."""
    mean = across(x.sum(axes, keepdims=True), add=add) / count
    centred = x - mean
    var = across((centred * centred).sum(axes, keepdims=True), add=add) / count
    flat, spread = mean.detach().reshape((-1,)), var.detach().reshape((-1,)) * (count / (count - 1))
    return centred / (var + eps).sqrt(), flat, spread


def _rescaled(x: Tensor, weight: Any, bias: Any) -> Tensor:
    """``x · weight + bias``, as far as these are given."""
    x = x if weight is None else x * weight
    return x if bias is None else x + bias


def _follow(running: Tensor, now: Tensor, momentum: float) -> None:
    """Move ``running`` towards ``now``: a new array, so that a graph that has read the old one stays right."""
    running._set((1 - momentum) * running.data + momentum * now.to(running.dtype).data)


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
    if is_inexact(labels.dtype):
        raise DTypeError(f"accuracy takes integer labels; it was given {labels.dtype} of shape {labels.shape}.")
    return float(astype(logits.detach().argmax(axis=-1) == labels, "float64").mean())
