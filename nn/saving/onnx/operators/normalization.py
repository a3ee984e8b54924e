"""Normalization."""

from __future__ import annotations

from glassgrad import autograd as ag
from glassgrad.autograd.errors import DomainError
from glassgrad.nn import functional as F
from glassgrad.nn.saving.onnx.table import axis_in, cast, dtype_of, operator


@operator("BatchNormalization")
def batch_normalization(
    x, scale, bias, mean, var, *, epsilon=1e-5, momentum=0.9, training_mode=0, spatial=1, is_test=0
):
    """``x`` normalized by a known mean and variance of each channel."""
    if not spatial and scale.ndim != 1:
        raise DomainError("spatial=0, statistics for each element, is not supported")
    return cast(F.batch_norm(x, ag.asarray(mean), ag.asarray(var), scale, bias, eps=epsilon), x.dtype)


operator("InstanceNormalization")(
    lambda x, scale, bias, *, epsilon=1e-5: F.group_norm(x, x.shape[1], scale, bias, epsilon)
)
operator("GroupNormalization", since=21)(
    lambda x, scale, bias, *, epsilon=1e-5, num_groups, stash_type=1: F.group_norm(x, num_groups, scale, bias, epsilon)
)


@operator("LayerNormalization")
def layer_normalization(x, scale, bias=None, *, axis=-1, epsilon=1e-5, stash_type=1):
    """The axes from ``axis`` on normalized together."""
    axes = tuple(range(axis_in(axis, x.ndim), x.ndim))
    wide = cast(x, ag.result_type(x.dtype, dtype_of(stash_type)))
    y = ag.multiply(cast(ag.standardize(wide, axis=axes if len(axes) > 1 else axes[0], eps=epsilon), x.dtype), scale)
    return y if bias is None else ag.add(y, bias)


@operator("LpNormalization")
def lp_normalization(x, *, axis=-1, p=2):
    """``x`` divided by its p-norm along an axis, 0 where that is 0."""
    total = ag.sum(ag.abs(x) if p == 1 else ag.multiply(x, x), axis=axis, keepdims=True)
    norm = total if p == 1 else ag.sqrt(total)
    return ag.divide(x, ag.where(ag.equal(norm, 0), 1.0, norm))


operator("LRN")(lambda x, *, size, alpha=0.0001, beta=0.75, bias=1.0: F.local_response_norm(x, size, alpha, beta, bias))
