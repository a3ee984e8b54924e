"""Normalisation over samples, channels, groups and batches; `nn.functional` offers all of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextvars import ContextVar
from typing import Any

from glassgrad.autograd import Tensor, all_reduce, asarray, mean_square, no_grad, reshape, standardize
from glassgrad.autograd.backends import epsilon
from glassgrad.autograd.common.validation import check_instance, flag, whole
from glassgrad.autograd.errors import DomainError, ShapeError
from glassgrad.nn.functional.sharding import SHARD, Shard

WHOLE: ContextVar[Any] = ContextVar("whole", default=None)
"""What computes `layer_norm`, and `batch_norm` in evaluation, as one operation each, for `nn.save_onnx`."""


def _last_axes(name: str, x: Any, normalized_shape: int | Sequence[int], **affine: Any) -> tuple[Tensor, Any]:
    """``x`` as a Tensor, and the axes of ``normalized_shape``, a number or a tuple of numbers."""
    shape = tuple(normalized_shape) if isinstance(normalized_shape, Sequence) else (normalized_shape,)
    x = asarray(x)
    if x.shape[-len(shape) :] != shape or not shape:
        raise ShapeError(f"{name} over {shape} was given x of shape {x.shape}, which does not end in {shape}.")
    for which, given in affine.items():
        if given is not None and asarray(given).shape != shape:
            raise ShapeError(f"{name} over {shape} takes a {which} of that shape; it was given {asarray(given).shape}.")
    return x, tuple(range(-len(shape), 0)) if len(shape) > 1 else -1


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
    x, axes = _last_axes("layer_norm", x, normalized_shape, weight=weight, bias=bias)
    if (norms := WHOLE.get()) is not None and weight is not None:
        with no_grad():  # a file records no gradient
            return asarray(norms.layer_normalization(x, weight, bias, axis=-asarray(weight).ndim, eps=eps))
    return _scale_and_shift(standardize(x, axis=axes, eps=eps), weight, bias)


def rms_norm(x: Any, normalized_shape: int | Sequence[int], weight: Any = None, eps: float | None = None) -> Tensor:
    """Divide each sample by the root of its mean square over the last axes, then scale by ``weight``.

    ``normalized_shape``: the lengths of these axes, and the shape of ``weight``. ``eps`` is added to the mean square;
    by default it is the distance from 1 to the next number of the dtype. B. Zhang and R. Sennrich, "Root mean square
    layer normalization", NeurIPS 2019. Raises `autograd.errors.ShapeError` if the shape of ``x`` does not end in
    ``normalized_shape``.

    >>> rms_norm([[3.0, 4.0]], 2, eps=0.0)
    Tensor([[0.848528, 1.13137]])
    """
    x, axes = _last_axes("rms_norm", x, normalized_shape, weight=weight)
    squares = mean_square(x, axis=axes, keepdims=True)
    return _scale_and_shift(x / (squares + (epsilon(x.dtype) if eps is None else eps)).sqrt(), weight, None)


def group_norm(x: Any, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Tensor:
    """Normalise each group of channels of each sample to mean 0 and variance 1, then scale by ``weight`` and add
    ``bias``.

    ``x``: (batch, channels, …). ``num_groups`` divides the channels; neighbours form a group. ``weight``, ``bias``:
    (channels,). Y. Wu and K. He, "Group normalization", ECCV 2018. Raises `autograd.errors.ShapeError` for other shapes
    and `autograd.errors.DomainError` for groups that do not divide the channels.

    >>> group_norm([[1.0, 3.0, 10.0, 30.0]], 2, eps=0.0)
    Tensor([[-1.0, 1.0, -1.0, 1.0]])
    """
    x = asarray(x)
    if x.ndim < 2:
        raise ShapeError(f"group_norm takes x (batch, channels, …); it was given shape {x.shape}.")
    if x.shape[1] % whole(num_groups, "num_groups"):
        raise DomainError(f"group_norm: num_groups = {num_groups} does not divide the channels of x {x.shape}.")
    if 0 in x.shape[1:]:
        raise ShapeError(f"group_norm was given x of shape {x.shape}: a group has no values, hence no variance.")
    members = math.prod(x.shape[1:]) // num_groups
    groups = standardize(reshape(x, shape=(x.shape[0], num_groups, members)), axis=-1, eps=eps)
    return by_channel(reshape(groups, shape=x.shape), weight, bias)


def instance_norm(
    x: Any,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Any = None,
    bias: Any = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Normalise each channel of each sample to mean 0 and variance 1, then scale by ``weight`` and add ``bias``.

    ``x``: (batch, channels, *space); the others (channels,). Where ``running_mean`` and ``running_var`` are given, they
    are updated as by `batch_norm` with the mean over the batch, and used if not ``use_input_stats``. D. Ulyanov, A.
    Vedaldi and V. Lempitsky, "Instance normalization", 2016. Raises `autograd.errors.ShapeError` for other shapes and
    for a channel of a single value.

    >>> instance_norm([[[1.0, 3.0], [10.0, 30.0]]], eps=0.0)
    Tensor([[[-1.0, 1.0],
             [-1.0, 1.0]]])
    """
    x = asarray(x)
    if x.ndim < 3:
        raise ShapeError(f"instance_norm takes x (batch, channels, *space); it was given shape {x.shape}.")
    if not use_input_stats:
        return batch_norm(x, running_mean, running_var, weight, bias, False, momentum, eps)
    if math.prod(x.shape[2:]) < 2:
        raise ShapeError(
            f"instance_norm was given {x.shape}, fewer than two values in each channel of a sample, which have no "
            "variance."
        )
    axes = tuple(range(2, x.ndim))
    _check_channels("instance_norm", x, running_mean)
    for running, each in zip((running_mean, running_var), _statistics(x, axes, running_mean), strict=True):
        _move_average(running, each if each is None else each.mean(0), momentum)
    return by_channel(standardize(x, axis=axes, eps=eps), weight, bias)


def batch_norm(
    x: Any,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Normalise each channel (axis 1) to mean 0 and variance 1, then scale by ``weight`` and add ``bias``.

    ``x``: ``(batch, channels, …)``; the others ``(channels,)``. In ``training`` the mean and variance of the batch
    are used, and ``running ← (1 - momentum) · running + momentum · batch`` updates ``running_mean`` and ``running_var``
    (the latter with the unbiased variance), unless they are ``None``; otherwise the running ones are used. S. Ioffe and
    C. Szegedy, "Batch normalization: accelerating deep network training by reducing internal covariate shift", ICML
    2015. Raises `autograd.errors.ShapeError` for another number of channels, and in training for a single value per
    channel.

    >>> from glassgrad import autograd as ag
    >>> mean, var = ag.zeros(1), ag.ones(1)
    >>> batch_norm([[1.0], [3.0]], mean, var, training=True, eps=0.0).tolist(), mean
    ([[-1.0], [1.0]], Tensor([0.2]))
    """
    x = asarray(x)
    for name, running in (("running_mean", running_mean), ("running_var", running_var)):
        if running is not None:
            check_instance(running, Tensor, name, "a Tensor, which training updates, or None")
    _check_channels("batch_norm", x, running_mean)
    if not flag(training, "training"):
        if running_mean is None or running_var is None:
            raise DomainError("batch_norm needs running_mean and running_var, unless training=True.")
        if (norms := WHOLE.get()) is not None and weight is not None and bias is not None:
            with no_grad():
                return asarray(norms.batch_normalization(x, weight, bias, running_mean, running_var, eps=eps))
        scale = 1 / (running_var + eps).sqrt()
        weight = scale if weight is None else weight * scale
        return by_channel(x, weight, (0.0 if bias is None else bias) - running_mean * weight)
    axes, shard = (0, *range(2, x.ndim)), SHARD.get()
    count = math.prod(x.shape[i] for i in axes)
    if shard is not None:
        count = count * shard.batch_size // (shard.stop - shard.start)
    if count < 2:
        raise ShapeError(
            f"batch_norm was given {x.shape}, fewer than two values per channel, which have no variance: train on "
            "larger batches, or evaluate with training=False."
        )
    if shard is None and x.ndim == 2:  # as a rule small: one operation has less overhead
        normal, (mean, var) = standardize(x, axis=axes, eps=eps), _statistics(x, axes, running_mean)
    else:  # scaled by one factor for each channel, in fewer passes over memory
        weight = 1.0 if weight is None else _per_channel("weight", weight, x)
        normal, mean, var = _centred(x, axes, count, shard)
        weight = weight / (var + eps).sqrt()
        mean, var = mean.detach().reshape((-1,)), var.detach() * (count / (count - 1))
    _move_average(running_mean, mean, momentum)
    _move_average(running_var, var, momentum)
    return by_channel(normal, weight, bias)


def _centred(x: Tensor, axes: tuple[int, ...], count: int, shard: Shard | None) -> tuple[Tensor, Tensor, Tensor]:
    """``x`` less its mean, this mean, and the variance, of the ``count`` values per channel on all ranks."""
    if shard is None:
        mean = x.mean(axes, keepdims=True)
        centred = x - mean
        return centred, mean, mean_square(centred, axis=axes)
    mean = all_reduce(x.sum(axes, keepdims=True), add=shard.all_reduce) / count
    centred = x - mean
    return centred, mean, all_reduce((centred * centred).sum(axes), add=shard.all_reduce) / count


def _statistics(x: Tensor, axes: tuple[int, ...], running: Tensor | None) -> tuple[Any, Any]:
    """Mean and unbiased variance over ``axes``; ``None`` where there is no average to update."""
    if running is None:
        return None, None
    with no_grad():
        return x.mean(axes), x.var(axes, correction=1)


def _check_channels(name: str, x: Tensor, running_mean: Tensor | None) -> None:
    if x.ndim < 2 or (running_mean is not None and x.shape[1:2] != running_mean.shape):
        channels = "" if running_mean is None else f" over {running_mean.shape} channels"
        raise ShapeError(f"{name}{channels} takes (batch, channels, …); it was given {x.shape}.")


def _per_channel(name: str, values: Any, x: Tensor) -> Tensor:
    found: Tensor = asarray(values)
    if found.shape != x.shape[1:2]:
        raise ShapeError(f"{name} is {found.shape}: give {x.shape[1:2]}, one number for each channel.")
    return found


def by_channel(x: Tensor, weight: Any, bias: Any) -> Tensor:
    """``x`` (batch, channels, …) times ``weight`` (channels,) plus ``bias`` (channels,), where they are given."""
    column = (-1, *(1,) * (x.ndim - 2))
    given = {"weight": weight, "bias": bias}
    for name, t in given.items():
        if t is not None:
            t = _per_channel(name, t, x)
            given[name] = t if x.ndim == 2 else reshape(t, shape=column)
    return _scale_and_shift(x, **given)


def _scale_and_shift(x: Tensor, weight: Any, bias: Any) -> Tensor:
    """``x · weight + bias``, without a factor or a summand that is ``None``."""
    x = x if weight is None else x * weight
    return x if bias is None else x + bias


def _move_average(running: Tensor | None, new: Any, momentum: float) -> None:
    """Update a moving average, if there is one, not in place: a recorded graph may hold the old array."""
    if running is not None:
        with no_grad():
            running.data = (1 - momentum) * running.data + momentum * new.to(running.dtype).data
