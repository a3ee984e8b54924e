"""The operations of PyTorch's exported graphs, ATen, as calls of ours: one row for each."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

from glassgrad import autograd as ag
from glassgrad.autograd import Tensor, asarray
from glassgrad.autograd.backends import NUMPY
from glassgrad.autograd.errors import DomainError
from glassgrad.nn import functional as F
from glassgrad.nn.errors import ConversionError
from glassgrad.nn.functional import recurrence, spatial
from glassgrad.nn.functional.activations import elu, gelu_tanh, hardsigmoid, mish, silu
from glassgrad.nn.saving.onnx.operators.reductions import in_order
from glassgrad.nn.saving.onnx.operators.shaping import scatter_elements
from glassgrad.nn.saving.onnx.operators.windows import resize
from glassgrad.nn.saving.onnx.table import along, at, parts_of

NAMES = {
    "dim": "axis", "dims": "axis", "dimension": "axis", "keepdim": "keepdims", "diagonal": "k", "max": "max",
    "min": "min", "negative_slope": "slope", "norm": "norm", "ord": "ord", "reduction": "reduction",
}  # fmt: skip
"""Arguments of ATen that a row takes by keyword, under our name; it takes the others in ATen's order. One that is
``None`` or ``[]``, such as the axes of a sum of all, is left out."""

REDUCTIONS = ("none", "mean", "sum")
"""PyTorch's reductions of losses by their numbers."""

IGNORED = {
    "compute_mode", "copy", "cudnn_enable", "cudnn_enabled", "device", "dtype", "generator", "half_to_float",
    "implicit", "layout", "memory_format", "non_blocking", "path", "pin_memory", "scale_grad_by_freq", "sorted",
    "sparse", "sparse_grad", "stable", "train", "training", "use_input_stats",
}  # fmt: skip
"""Arguments of ATen that no row is given: about devices, layout and speed, the mode in which it was followed, and the
dtype, which is that of PyTorch's own result."""

Row = Callable[..., Any]


def with_indices(best, where, x, other=None, *, axis=None, keepdims=False):
    """PyTorch's ``max`` or ``min``: of all elements, of an axis with the indices, or elementwise of two arrays."""
    if other is not None:
        return (ag.maximum if best is ag.max else ag.minimum)(x, other)
    if axis is None:
        return best(x)
    index = where(x, axis=axis, keepdims=True)
    values = ag.take_along_axis(x, index, axis=axis)
    return (values, index) if keepdims else (ag.squeeze(values, axis=axis), ag.squeeze(index, axis=axis))


def add(x, other, *, alpha=1):
    return x + (other if alpha == 1 else other * alpha)


def divide(x, other, *, rounding_mode=None):
    if rounding_mode is None:
        return x / other
    return ag.floor_divide(x, other) if rounding_mode == "floor" else ag.trunc(x / other)


def glu(x, axis=-1):
    left, right = chunk(x, 2, axis)
    return left * ag.sigmoid(right)


def prelu(x, weight):
    weight = weight if weight.size == 1 or x.ndim < 2 else weight.reshape((-1, *(1,) * (x.ndim - 2)))
    return ag.where(x > 0, x, weight * x)


def addmm(bias, x, y, *, beta=1, alpha=1):
    return add(bias if beta == 1 else bias * beta, ag.matmul(x, y), alpha=alpha)


def pool(function, x, kernel_size, stride=None, *args, **options):
    """A pooling whose empty stride means the size of the window."""
    if len(args) > 3:
        raise ConversionError("divisor_override of an average pooling is not converted: multiply by the quotient.")
    return function(x, kernel_size, stride or None, *args, **options)


def upsample(mode, x, size, *rest, antialias=False):
    """Resampling. ``rest``: whether corners align (not for ``"nearest"``), and factors where there is no size.

    ``antialias``: of all the pixels that a smaller picture leaves out.
    """
    align = mode != "nearest" and rest[0]
    if mode != "cubic" and not antialias:
        given = {"size": size} if size is not None else {"scale_factor": tuple(rest[-1])}
        return spatial.interpolate(x, **given, mode=mode, align_corners=align)
    to = {"sizes": NUMPY.asarray(size)} if size is not None else {"scales": NUMPY.asarray(rest[-1])}
    return resize(
        x, **to, axes=[2, 3], mode=mode, antialias=antialias, exclude_outside=antialias,
        cubic_coeff_a=-0.5 if antialias else -0.75,
        coordinate_transformation_mode="align_corners" if align else "half_pixel",
    )  # fmt: skip


def bilinear(x, y, weight, bias=None):
    out = ag.einsum("...i,oij,...j->...o", x, weight, y)
    return out if bias is None else out + bias


def embedding_bag(weight, index, offsets, mode=0, factors=None, with_end=False, row=-1):
    """The sum (mode 0) or mean (1) of the rows of each bag; a bag begins at its offset."""
    if mode == 2:
        raise DomainError("embedding_bag is converted with the modes sum and mean.")
    offsets = offsets[:-1] if with_end else offsets
    bag = ag.sum(ag.arange(len(index))[:, None] >= offsets, axis=1) - 1
    inside = (bag == ag.arange(len(offsets))[:, None]) & (True if row is None or row < 0 else index != row)
    rows, counts = F.embedding(index, weight), ag.sum(inside, axis=1, keepdims=True)
    out = ag.matmul(inside.astype(rows.dtype), rows if factors is None else rows * factors[:, None])
    return out if mode == 0 else out / ag.maximum(counts, 1).astype(out.dtype), None, None, None


def flatten(x, start_dim=0, end_dim=-1):
    if x.ndim == 0:
        return x.reshape((1,))
    start, end = start_dim % x.ndim, end_dim % x.ndim
    return x.reshape((*x.shape[:start], math.prod(x.shape[start : end + 1]), *x.shape[end + 1 :]))


def unflatten(x, sizes, axis):
    axis %= x.ndim
    return x.reshape((*x.shape[:axis], *sizes, *x.shape[axis + 1 :]))


def squeeze(x, axis=None):
    axes = range(x.ndim) if axis is None else [a % x.ndim for a in (axis if isinstance(axis, tuple) else [axis])]
    return ag.squeeze(x, axis=tuple(i for i in axes if x.shape[i] == 1)) if x.ndim else x


def transpose(x, first, second):
    order = [*range(x.ndim)]
    order[first], order[second] = order[second], order[first]
    return ag.permute_dims(x, axes=tuple(order)) if x.ndim else x


def expand(x, size):
    kept = (*(1,) * (len(size) - x.ndim), *x.shape)
    return ag.broadcast_to(x, shape=tuple(k if n == -1 else n for n, k in zip(size, kept, strict=True)))


def split(x, sizes, axis=0):
    n = x.shape[axis]
    return parts_of(x, [min(sizes, n - i) for i in range(0, n, sizes)] if isinstance(sizes, int) else sizes, axis)


def chunk(x, chunks, axis=0):
    return split(x, -(-x.shape[axis] // chunks), axis)


def everywhere(indices):
    """An index with ``None`` replaced by full slices."""
    return tuple(slice(None) if i is None else i for i in indices)


def written(x, where, values, accumulate=False):
    """``x`` with ``values`` at an index, or added there."""
    if accumulate:
        values = ag.broadcast_to(values, shape=x[where].shape)
        return x + ag.scatter_add(values.astype(x.dtype), index=where, shape=x.shape)
    return ag.setitem(x, values.astype(x.dtype), index=where)


def scattered(reduction, x, index, values, axis):
    """``x`` with values at indices along an axis, or added there."""
    values = asarray(values, dtype=x.dtype)
    values = values[tuple(map(slice, index.shape))] if values.ndim else ag.broadcast_to(values, shape=index.shape)
    return scatter_elements(x, index, values, axis=axis, reduction=reduction)


def windows(x, size, step, axis):
    """PyTorch's ``unfold``: windows of an axis, along a new last axis."""
    starts = ag.arange(0, x.shape[axis] - size + 1, step)
    return ag.moveaxis(ag.take(x, starts[:, None] + ag.arange(size), axis=axis), axis % x.ndim + 1, -1)


def batch_norm_of_batch(x, weight, bias, *rest):
    *running, momentum, eps = rest
    mean, var = running or (None, None)
    return F.batch_norm(x, mean, var, weight, bias, True, momentum, eps), None, None


def variance(function, x, unbiased=True, *, correction=None, **axes):
    return function(x, correction=int(unbiased) if correction is None else correction, **axes)


def attention(query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, **rest):
    if dropout_p:
        raise DomainError("scaled_dot_product_attention with dropout is converted in evaluation mode only.")
    if rest.pop("enable_gqa", False):
        key, value = (ag.repeat(x, query.shape[-3] // x.shape[-3], axis=-3) for x in (key, value))
    return F.scaled_dot_product_attention(query, key, value, attn_mask, 0.0, is_causal, rest.get("scale"))


def nll_loss(x, target, weight=None, ignore=-100, **options):
    return F.nll_loss(ag.moveaxis(x, 1, -1) if x.ndim > 2 else x, target, weight, ignore_index=ignore, **options)


SAME = (
    "abs", "acos", "acosh", "all", "any", "arange", "argmax", "argmin", "asin", "asinh", "atan", "atan2", "atanh",
    "bitwise_and", "bitwise_or", "bitwise_xor", "ceil", "copysign", "cos", "cosh", "digamma", "erf", "erfc", "exp",
    "exp2", "expm1", "flip", "floor", "floor_divide", "fmod", "full", "hypot", "isfinite", "isinf", "isnan", "lgamma",
    "log", "log10", "log1p", "log2", "log_softmax", "logaddexp", "logical_and", "logical_not", "logical_or",
    "logical_xor", "logsumexp", "matmul", "maximum", "mean", "minimum", "outer", "prod", "reciprocal", "relu",
    "remainder", "roll", "round", "rsqrt", "sigmoid", "sign", "sin", "sinc", "sinh", "softmax", "sqrt", "square",
    "stack", "sum", "tan", "tanh", "tril", "triu", "trunc", "where", "xlogy",
)  # fmt: skip
"""Functions with the same names and arguments."""

PLAIN = {
    "eq": "equal", "ne": "not_equal", "lt": "less", "le": "less_equal", "gt": "greater", "ge": "greater_equal",
    "neg": "negative", "bitwise_not": "bitwise_invert", "mul": "multiply", "pow": "power", "mm": "matmul",
    "bmm": "matmul", "mv": "matmul", "dot": "matmul", "detach": "stop_gradient", "detach_copy": "stop_gradient",
    "clamp": "clip", "clamp_min": "clip", "clamp_max": "clip",
    "amax": "max", "amin": "min", "cumsum": "cumulative_sum", "cumprod": "cumulative_prod", "gather": "take_along_axis",
    "index_select": "take", "mT": "matrix_transpose", "movedim": "moveaxis", "repeat": "tile", "unbind": "unstack",
    "unsqueeze": "expand_dims",
}  # fmt: skip
"""Functions with the same arguments, by their names here."""

WINDOWS = [f"{kind}{n}d" for kind in ("conv", "conv_transpose", "adaptive_avg_pool") for n in (1, 2, 3)]
POOLS = [f"{kind}_pool{n}d" for kind in ("max", "avg") for n in (1, 2, 3)]
"""Functions over 1, 2 or 3 spatial axes, with the same arguments here."""

ROWS: dict[str, Row] = {
    **{name: getattr(ag, name) for name in SAME},
    **{name: getattr(ag, ours) for name, ours in PLAIN.items()},
    "add": add,
    "sub": lambda x, other, alpha=1: x - (other if alpha == 1 else other * alpha),
    "rsub": lambda x, other, alpha=1: other - (x if alpha == 1 else x * alpha),
    "div": divide,
    "cat": lambda arrays, axis=0: ag.concat([a for a in arrays if a.shape != (0,)], axis=axis),
    "masked_fill": lambda x, mask, value: ag.where(mask, value, x),
    # activations
    "relu6": lambda x: ag.clip(x, 0, 6),
    "hardtanh": lambda x, min_val=-1.0, max_val=1.0: ag.clip(x, min_val, max_val),
    "hardsigmoid": hardsigmoid,
    "hardswish": lambda x: x * hardsigmoid(x),
    "leaky_relu": F.leaky_relu,
    "elu": elu,
    "selu": lambda x: elu(x, 1.6732632423543772, scale=1.0507009873554805),
    "gelu": lambda x, approximate="none": gelu_tanh(x) if approximate == "tanh" else F.gelu(x),
    "silu": silu,
    "mish": mish,
    "softplus": lambda x, beta=1.0, threshold=20.0: ag.where(x * beta > threshold, x, F.softplus(x * beta) / beta),
    "log_sigmoid": lambda x: -F.softplus(-x),
    "prelu": prelu,
    "glu": glu,
    # products, layers and losses
    "linear": F.linear,
    **dict.fromkeys(("addmm", "baddbmm"), addmm),
    "einsum": lambda equation, arrays: ag.einsum(equation, *arrays),
    **{name: getattr(spatial, name) for name in WINDOWS},
    **{name: partial(pool, getattr(spatial, name)) for name in POOLS},
    "max_pool2d_with_indices": partial(pool, partial(spatial.max_pool2d, return_indices=True)),
    "adaptive_max_pool1d": lambda x, size: (spatial.adaptive_max_pool1d(x, size), None),
    "adaptive_max_pool2d": lambda x, size: (spatial.adaptive_max_pool2d(x, size), None),
    "adaptive_max_pool3d": lambda x, size: (spatial.adaptive_max_pool3d(x, size), None),
    **dict.fromkeys(("upsample_nearest1d", "upsample_nearest2d"), partial(upsample, "nearest")),
    **dict.fromkeys(("upsample_linear1d", "upsample_bilinear2d"), partial(upsample, "linear")),
    "upsample_bicubic2d": partial(upsample, "cubic"),
    "_upsample_bicubic2d_aa": partial(upsample, "cubic", antialias=True),
    "_upsample_bilinear2d_aa": partial(upsample, "linear", antialias=True),
    "layer_norm": F.layer_norm,
    "_native_batch_norm_legit": batch_norm_of_batch,
    "group_norm": F.group_norm,
    "rms_norm": F.rms_norm,
    "embedding": lambda weight, index, row=-1: F.embedding(index, weight, row if row >= 0 else None),
    "embedding_bag": embedding_bag,
    "bilinear": bilinear,
    **{f"fft_{name}": getattr(ag.fft, name) for name in ("fft", "ifft", "rfft", "irfft")},
    **{f"linalg_{name}": getattr(ag.linalg, name) for name in ("cholesky", "det", "inv", "vector_norm")},
    "linalg_solve": lambda a, b: ag.linalg.solve(a, b[..., None])[..., 0] if b.ndim < a.ndim else ag.linalg.solve(a, b),
    "one_hot": F.one_hot,
    "scaled_dot_product_attention": attention,
    "mse_loss": F.mse_loss,
    **dict.fromkeys(("nll_loss", "nll_loss2d"), nll_loss),
    # shapes
    **dict.fromkeys(("view", "_unsafe_view", "reshape"), ag.reshape),
    "view_as_real": lambda x: ag.stack([ag.real(x), ag.imag(x)], axis=-1),
    "view_as_complex": lambda x: x[..., 0] + 1j * x[..., 1],
    "flatten": flatten,
    "unflatten": unflatten,
    "squeeze": squeeze,
    "transpose": transpose,
    "t": lambda x: x if x.ndim < 2 else transpose(x, 0, 1),
    "permute": lambda x, axis=(): ag.permute_dims(x, axes=axis),
    "expand": expand,
    "expand_as": lambda x, other: expand(x, other.shape),
    "tile": lambda x, axis: ag.tile(x, repetitions=axis),
    "repeat_interleave": lambda x, repeats, output_size=None, axis=None: ag.repeat(x, repeats, axis=axis),
    **dict.fromkeys(("split", "split_with_sizes", "unsafe_split"), split),
    "chunk": chunk,
    "sort": in_order,
    "topk": lambda x, k, largest=True, axis=-1: in_order(x, largest, axis=axis, count=k),
    "unfold": windows,
    "select": lambda x, index, axis: along(x, axis, index),
    "slice": lambda x, start=None, end=None, step=1, axis=0: along(x, axis, slice(start, end, step)),
    "index": lambda x, indices: x[everywhere(indices)],
    "copy": lambda x, source: ag.broadcast_to(source.astype(x.dtype), shape=x.shape),
    "slice_scatter": lambda x, source, start=None, end=None, step=1, axis=0: written(
        x, at(x, axis, slice(start, end, step)), source
    ),
    "select_scatter": lambda x, source, index, axis: written(x, at(x, axis, index), source),
    **dict.fromkeys(
        ("index_put", "_unsafe_index_put"), lambda x, indices, *values: written(x, everywhere(indices), *values)
    ),
    "scatter": partial(scattered, "none"),
    "scatter_add": partial(scattered, "add"),
    "pad": spatial.pad,
    **dict.fromkeys(
        ("contiguous", "clone", "alias", "lift_fresh_copy", "positive", "to", "_to_copy", "type_as"), lambda x, *_: x
    ),
    # reductions
    "max": partial(with_indices, ag.max, ag.argmax),
    "min": partial(with_indices, ag.min, ag.argmin),
    "var": partial(variance, ag.var),
    "std": partial(variance, ag.std),
    # new arrays
    **dict.fromkeys(("zeros", "empty"), lambda size: ag.full(size, 0)),
    "ones": lambda size: ag.full(size, 1),
    **dict.fromkeys(("zeros_like", "empty_like", "full_like", "fill"), lambda x, value=0: ag.full(x.shape, value)),
    "ones_like": lambda x: ag.full(x.shape, 1),
    **dict.fromkeys(("new_zeros", "new_empty", "new_full"), lambda x, size, value=0: ag.full(size, value)),
    "new_ones": lambda x, size: ag.full(size, 1),
    "scalar_tensor": asarray,
    "sym_size": lambda x, axis: x.shape[axis],
    "sym_numel": lambda x: x.size,
    "item": lambda x: x.item(),
}
"""``(arguments, see `NAMES`) → result``, by the name of the operation without its overload. The result is then cast to
the dtype of PyTorch's: int64 and float32 give float32 there, and an array with axes comes before a single number."""


def batch_norm(module, x, weight, bias, mean, var, momentum, eps):
    """Batch normalisation; with the statistics of the batch in the module's training mode, or where it has none."""
    if module.training and mean is not None and not momentum:  # as PyTorch exports momentum=None
        raise DomainError("batch normalisation with momentum=None is not trained here: give a momentum, or call eval()")
    return F.batch_norm(x, mean, var, weight, bias, module.training or mean is None, momentum, eps)


def instance_norm(module, x, weight, bias, mean, var, momentum, eps):
    """Instance normalisation; with running statistics only in evaluation of a module that has them."""
    if mean is None or module.training:
        return F.instance_norm(x, mean, var, weight, bias, True, momentum, eps)
    return F.batch_norm(x, mean, var, weight, bias, False, momentum, eps)


def dropout(module, x, p):
    """Dropout, in the module's training mode."""
    return F.dropout(x, p, module.training, generator=module.generator)


def feature_dropout(module, x, p):
    """Dropout of whole channels, in the module's training mode."""
    return {3: F.dropout1d, 4: F.dropout2d, 5: F.dropout3d}[x.ndim](x, p, module.training, generator=module.generator)


def recurrent(kind, module, x, state, weights, biases, layers, p, bidirectional, batch_first=False):
    """Outputs and last states of recurrent layers; dropout between them in the module's training mode."""
    directions, size = 1 + bidirectional, 4 if biases else 2
    if len(weights) != layers * directions * size:
        raise DomainError(f"{kind} with projections, or of packed sequences, is not converted: give padded ones.")
    states = [state] if isinstance(state, Tensor) else state
    one = [[*weights[i : i + size], None, None][:4] for i in range(0, len(weights), size)]
    grouped = [one[i : i + directions] for i in range(0, len(one), directions)]
    x = transpose(x, 0, 1) if batch_first else x
    x, last = recurrence.layers(kind, x, states, grouped, lambda x: dropout(module, x, p))
    return (transpose(x, 0, 1) if batch_first else x, *last)


STATEFUL: dict[str, Row] = {
    "batch_norm": batch_norm,
    "_native_batch_norm_legit_no_training": lambda *args: (batch_norm(*args), None, None),  # as it is decomposed
    "instance_norm": instance_norm,
    "dropout": dropout,
    "feature_dropout": feature_dropout,
    **{name: partial(recurrent, name.removeprefix("rnn_")) for name in ("lstm", "gru", "rnn_tanh", "rnn_relu")},
}
"""Rows that are also given the module, for its mode and its generator: ``(module, *arguments)``."""


PYTHON = "_operator", "math", "builtins"
"""The modules of Python's functions on sizes, which a graph may call."""
