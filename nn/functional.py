"""Functions of layers and losses under PyTorch's names. Most are operations of `autograd`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from autograd import (
    Tensor,
    all_reduce,
    asarray,
    astype,
    binary_cross_entropy_with_logits,
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
from autograd import cross_entropy as cross_entropy_op
from autograd import one_hot as one_hot_op
from autograd import squared_error as squared_error_op
from autograd.backends import as_dtype, is_host, is_inexact, namespace
from autograd.errors import DomainError, DTypeError, ShapeError
from autograd.interop.hints import NETWORK_FUNCTIONS, hint
from autograd.validation import number, whole
from nn.sharding import SHARD, Shard
from nn.spatial import (
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    adaptive_avg_pool3d,
    adaptive_max_pool1d,
    adaptive_max_pool2d,
    adaptive_max_pool3d,
    avg_pool1d,
    avg_pool2d,
    avg_pool3d,
    conv1d,
    conv2d,
    conv3d,
    conv_transpose1d,
    conv_transpose2d,
    conv_transpose3d,
    fold,
    interpolate,
    local_response_norm,
    max_pool1d,
    max_pool2d,
    max_pool3d,
    pad,
    unfold,
)

__all__ = [
    "accuracy", "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d", "adaptive_max_pool1d",
    "adaptive_max_pool2d", "adaptive_max_pool3d", "avg_pool1d", "avg_pool2d", "avg_pool3d", "batch_norm",
    "binary_cross_entropy_with_logits", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d",
    "conv_transpose3d", "cross_entropy", "dropout", "fold", "gelu", "interpolate", "layer_norm", "leaky_relu", "linear",
    "local_response_norm", "log_softmax", "max_pool1d", "max_pool2d", "max_pool3d", "mse_loss", "one_hot", "pad",
    "relu", "sigmoid", "softmax", "softplus", "tanh", "unfold",
]  # fmt: skip


if not TYPE_CHECKING:  # so that type checkers report missing names

    def __getattr__(name: str) -> Any:
        raise AttributeError(f"nn.functional has no {name!r}{hint(name, NETWORK_FUNCTIONS)}.")


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


def dropout(x: Any, p: float = 0.5, training: bool = True, *, generator: Any) -> Tensor:
    """Set each element to 0 with probability ``p`` and divide the others by ``1 - p``; return x if not ``training``.

    The division keeps the mean. ``generator``: a NumPy Generator, advanced by each call. N. Srivastava et al.,
    "Dropout: a simple way to prevent neural networks from overfitting", JMLR 15, 2014. Raises
    `autograd.errors.DomainError` for ``p`` outside [0, 1].

    >>> import numpy
    >>> dropout([1.0, 2.0, 3.0, 4.0], generator=numpy.random.default_rng(0))
    Tensor([0.0, 4.0, 6.0, 8.0])
    """
    number(p, "p", 0, 1)
    x = asarray(x)
    if not training or p == 0:
        return x  # type: ignore[no-any-return]
    shape, rows, shard = x.shape, None, SHARD.get()
    if shard is not None and shape[:1] == (shard.stop - shard.start,):  # the same mask as one process would draw
        shape, rows = (shard.batch_size, *shape[1:]), slice(shard.start, shard.stop)
    kept = random.bernoulli(1 - p, shape, generator=generator, dtype=x.dtype, device=x.device)
    kept = kept if rows is None else kept[rows]
    mask = kept * (1 / (1 - p) if p < 1 else 0.0)
    mask.name = "mask"
    return x * mask  # type: ignore[no-any-return]


def layer_norm(
    x: Any, normalized_shape: int | Sequence[int], weight: Any = None, bias: Any = None, eps: float = 1e-5
) -> Tensor:
    """Normalise each sample over its last axes to mean 0 and variance 1, then scale by ``weight`` and add ``bias``.

    ``normalized_shape``: the lengths of these axes, and the shape of ``weight`` and ``bias``. ``eps`` is added to the
    variance. J. Ba, J. Kiros and G. Hinton, "Layer normalization", 2016. Raises `autograd.errors.ShapeError` if the
    shape of ``x`` does not end in ``normalized_shape``.

    >>> layer_norm([[1.0, 2.0, 3.0]], 3, eps=0.0)
    Tensor([[-1.22474, 0.0, 1.22474]])
    """
    shape = tuple(normalized_shape) if isinstance(normalized_shape, Sequence) else (normalized_shape,)
    x = asarray(x)
    if x.shape[-len(shape) :] != shape or not shape:
        raise ShapeError(f"layer_norm over {shape} was given x of shape {x.shape}, which does not end in {shape}.")
    axes = tuple(range(-len(shape), 0))
    return _scale_and_shift(standardize(x, axis=axes if len(axes) > 1 else -1, eps=eps), weight, bias)


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
    """Normalise each channel (axis 1) to mean 0 and variance 1, then scale by ``weight`` and add ``bias``.

    ``x``: ``(batch, channels, …)``; the others ``(channels,)``. In ``training`` mean and variance are those of the
    batch, and ``running ← (1 - momentum) · running + momentum · batch`` updates ``running_mean`` and ``running_var``
    (the latter with the unbiased variance); otherwise the running ones are used. S. Ioffe and C. Szegedy, "Batch
    normalization: accelerating deep network training by reducing internal covariate shift", ICML 2015. Raises
    `autograd.errors.ShapeError` for another number of channels, and in training for a single value per channel.

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
        shard = SHARD.get()
        count = math.prod(x.shape[i] for i in axes)
        if shard is not None:
            count = count * shard.batch_size // (shard.stop - shard.start)
        if count < 2:
            raise ShapeError(
                f"batch_norm was given {x.shape}, fewer than two values per channel, which have no variance: train on "
                "larger batches, or evaluate with training=False."
            )
        if shard is None:
            with no_grad():
                mean, var = x.mean(axes), x.var(axes, correction=1)
            x = standardize(x, axis=axes, eps=eps)
        else:
            x, mean, var = _standardize_across_ranks(x, axes, eps, count, shard)
        with no_grad():
            _move_average(running_mean, mean, momentum)
            _move_average(running_var, var, momentum)
    else:
        scale = 1 / (running_var + eps).sqrt()
        weight = scale if weight is None else weight * scale
        bias = (0.0 if bias is None else bias) - running_mean * weight
    if x.ndim > 2:
        column = (-1, *(1,) * (x.ndim - 2))
        weight, bias = (t if t is None else reshape(t, shape=column) for t in (weight, bias))
    return _scale_and_shift(x, weight, bias)


def _standardize_across_ranks(
    x: Tensor, axes: tuple[int, ...], eps: float, count: int, shard: Shard
) -> tuple[Tensor, Tensor, Tensor]:
    """Standardised ``x``, and mean and unbiased variance of the ``count`` values per channel on all ranks."""
    mean = all_reduce(x.sum(axes, keepdims=True), add=shard.all_reduce) / count
    centred = x - mean
    var = all_reduce((centred * centred).sum(axes, keepdims=True), add=shard.all_reduce) / count
    flat, spread = mean.detach().reshape((-1,)), var.detach().reshape((-1,)) * (count / (count - 1))
    return centred / (var + eps).sqrt(), flat, spread


def _scale_and_shift(x: Tensor, weight: Any, bias: Any) -> Tensor:
    """``x · weight + bias``, without those that are None."""
    x = x if weight is None else x * weight
    return x if bias is None else x + bias


def _move_average(running: Tensor, new: Tensor, momentum: float) -> None:
    """Update a moving average, not in place: a recorded graph may hold the old array."""
    running._set((1 - momentum) * running.data + momentum * new.to(running.dtype).data)


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
