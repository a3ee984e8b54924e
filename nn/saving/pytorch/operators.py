"""The operations of PyTorch's exported graphs, ATen, as calls of ours: one row for each."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from functools import partial
from typing import Any

from glassgrad import autograd as ag
from glassgrad.autograd import Tensor, asarray
from glassgrad.autograd.backends import NUMPY
from glassgrad.autograd.errors import DomainError
from glassgrad.nn import functional as F
from glassgrad.nn.functional import recurrence, spatial
from glassgrad.nn.functional.activations import elu, gelu_tanh, hardsigmoid, mish, silu
from glassgrad.nn.saving.onnx.operators.indexing import scatter_elements
from glassgrad.nn.saving.onnx.operators.windows import grid_sample, resize
from glassgrad.nn.saving.onnx.table import along, at, parts_of

IGNORED = {"device", "layout", "pin_memory", "memory_format", "generator", "non_blocking", "implicit", "cudnn_enabled"}
"""Keyword arguments about devices and layout, which are ignored."""

Row = Callable[..., Any]


def floating(x):
    """``x`` in the dtype that PyTorch computes with: integers become float32."""
    x = asarray(x)
    return x if ag.isdtype(x.dtype, ("real floating", "complex floating")) else x.astype("float32")


def of_floats(function, x, *args, **options):
    """``function`` with integers cast to floats first."""
    return function(floating(x), *args, **options)


KINDS = ("bool", "integral", "real floating", "complex floating")


def promoted(function, *args, **options):
    """``function`` of arrays cast to the dtype that PyTorch's promotion gives.

    The kind of dtype (boolean, integer, floating, complex) comes first, so that int64 and float32 give float32; then
    arrays with axes come before single numbers.
    """
    tensors = [a for a in args if isinstance(a, Tensor)]
    if len({a.dtype for a in tensors}) > 1:
        kind = max(map(_kind, tensors))
        of_kind = [a for a in tensors if _kind(a) == kind]
        dtype = ag.result_type(*(a.dtype for a in [a for a in of_kind if a.ndim] or of_kind))
        args = tuple(a.astype(dtype) if isinstance(a, Tensor) and a.dtype != dtype else a for a in args)
    return function(*args, **options)


def _kind(x):
    return next(i for i, kind in enumerate(KINDS) if ag.isdtype(x.dtype, kind))


def axes_of(dim):
    """Axes of a reduction: PyTorch's ``[]`` and ``None`` are all of them."""
    return None if dim is None or dim == [] else tuple(dim) if isinstance(dim, list | tuple) else dim


def reduced(function, x, dim=None, keepdim=False, *, dtype=None):
    """``function`` as a reduction with PyTorch's arguments."""
    x = x if dtype is None else x.astype(dtype)
    return function(x, axis=axes_of(dim), keepdims=keepdim)


def with_indices(best, where, x, dim=None, keepdim=False):
    """PyTorch's ``max`` or ``min``: of all elements, of an axis with the indices, or elementwise of two arrays."""
    if dim is None:
        return best(x)
    if isinstance(dim, Tensor):
        return (ag.maximum if best is ag.max else ag.minimum)(x, dim)
    index = where(x, axis=dim, keepdims=True)
    values = ag.take_along_axis(x, index, axis=dim)
    return (values, index) if keepdim else (ag.squeeze(values, axis=dim), ag.squeeze(index, axis=dim))


def add(x, other, *, alpha=1):
    return x + (other if alpha == 1 else other * alpha)


def subtract(x, other, *, alpha=1):
    return x - (other if alpha == 1 else other * alpha)


def divide(x, other, *, rounding_mode=None):
    if rounding_mode is None:
        return floating(x) / other
    return ag.floor_divide(x, other) if rounding_mode == "floor" else ag.trunc(floating(x) / other).astype(x.dtype)


def glu(x, dim=-1):
    left, right = chunk(x, 2, dim)
    return left * ag.sigmoid(right)


def prelu(x, weight):
    weight = weight if weight.size == 1 or x.ndim < 2 else weight.reshape((-1, *(1,) * (x.ndim - 2)))
    return ag.where(x > 0, x, weight * x)


def softmax_row(function, x, dim, dtype=None):
    """``function``, a softmax or its logarithm, with PyTorch's arguments ``(x, dim, dtype or half_to_float)``."""
    return function(floating(x) if not dtype or dtype is True else x.astype(dtype), axis=dim)


def addmm(bias, x, y, *, beta=1, alpha=1):
    return add(bias if beta == 1 else bias * beta, ag.matmul(x, y), alpha=alpha)


def convolution(x, weight, bias, stride, padding, dilation, transposed, more, groups):
    axes = weight.ndim - 3
    if transposed:
        of = (spatial.conv_transpose1d, spatial.conv_transpose2d, spatial.conv_transpose3d)[axes]
        return of(x, weight, bias, stride, padding, more, groups, dilation)
    return (spatial.conv1d, spatial.conv2d, spatial.conv3d)[axes](x, weight, bias, stride, padding, dilation, groups)


def pool(function, x, kernel_size, stride=None, *args, **options):
    """A pooling whose empty stride means the size of the window."""
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


def grid_sampler(x, grid, mode, padding, align_corners):
    names = ("linear", "nearest", "cubic")[mode], ("zeros", "border", "reflection")[padding]
    return grid_sample(x, grid, mode=names[0], padding_mode=names[1], align_corners=align_corners)


def bilinear(x, y, weight, bias=None):
    out = ag.einsum("...i,oij,...j->...o", x, weight, y)
    return out if bias is None else out + bias


def embedding_bag(weight, index, offsets, scale=False, mode=0, sparse=False, factors=None, with_end=False, row=-1):
    """The sum (mode 0), mean (1) or maximum (2) of the rows of each bag; a bag begins at its offset."""
    offsets = offsets[:-1] if with_end else offsets
    bag = ag.sum(ag.arange(len(index))[:, None] >= offsets, axis=1) - 1
    inside = (bag == ag.arange(len(offsets))[:, None]) & (True if row is None or row < 0 else index != row)
    rows, counts = F.embedding(index, weight), ag.sum(inside, axis=1, keepdims=True)
    if mode == 2:
        return ag.where(counts > 0, ag.max(ag.where(inside[..., None], rows, -ag.inf), axis=1), 0.0), None, None, None
    out = ag.matmul(inside.astype(rows.dtype), rows if factors is None else rows * factors[:, None])
    return out if mode == 0 else out / ag.maximum(counts, 1).astype(out.dtype), None, None, None


def fourier(function, axes, x, sizes=None, dims=None, norm=None):
    """A Fourier transform, of one axis or of several, with PyTorch's arguments."""
    names = ("n", "axis") if axes == -1 else ("s", "axes")
    options = dict(zip(names, (sizes, axes if dims is None else dims), strict=True))
    return function(x, **options, norm=norm or "backward")


def view(x, shape):
    return x.astype(shape) if isinstance(shape, str) else ag.reshape(x, shape=tuple(shape))


def flatten(x, start_dim=0, end_dim=-1):
    if x.ndim == 0:
        return x.reshape((1,))
    start, end = start_dim % x.ndim, end_dim % x.ndim
    return x.reshape((*x.shape[:start], math.prod(x.shape[start : end + 1]), *x.shape[end + 1 :]))


def unflatten(x, dim, sizes):
    dim %= x.ndim
    return x.reshape((*x.shape[:dim], *sizes, *x.shape[dim + 1 :]))


def squeeze(x, dim=None):
    axes = range(x.ndim) if dim is None else [d % x.ndim for d in (dim if isinstance(dim, list | tuple) else [dim])]
    return ag.squeeze(x, axis=tuple(i for i in axes if x.shape[i] == 1)) if x.ndim else x


def transpose(x, first, second):
    order = [*range(x.ndim)]
    order[first], order[second] = order[second], order[first]
    return ag.permute_dims(x, axes=tuple(order)) if x.ndim else x


def expand(x, size):
    kept = (*(1,) * (len(size) - x.ndim), *x.shape)
    return ag.broadcast_to(x, shape=tuple(k if n == -1 else n for n, k in zip(size, kept, strict=True)))


def split(x, sizes, dim=0):
    n = x.shape[dim]
    return parts_of(x, [min(sizes, n - i) for i in range(0, n, sizes)] if isinstance(sizes, int) else sizes, dim)


def chunk(x, chunks, dim=0):
    return split(x, -(-x.shape[dim] // chunks), dim)


def everywhere(indices):
    """An index with ``None`` replaced by full slices."""
    return tuple(slice(None) if i is None else i for i in indices)


def written(x, where, values, accumulate=False):
    """``x`` with ``values`` at an index, or added there."""
    if accumulate:
        values = ag.broadcast_to(values, shape=x[where].shape)
        return x + ag.scatter_add(values.astype(x.dtype), index=where, shape=x.shape)
    return ag.setitem(x, values.astype(x.dtype), index=where)


def scattered(reduction, x, dim, index, values):
    """``x`` with values at indices along an axis, or added there."""
    values = asarray(values, dtype=x.dtype)
    values = values[tuple(map(slice, index.shape))] if values.ndim else ag.broadcast_to(values, shape=index.shape)
    return scatter_elements(x, index, values, axis=dim, reduction=reduction)


def in_order(x, dim=-1, descending=False, count=None):
    """The elements along an axis in order, or the first ``count`` of these, and their indices."""
    order = along(ag.argsort(x, axis=dim, descending=descending), dim, slice(count))
    return ag.take_along_axis(x, order, axis=dim), order


def weight_norm(v, g, dim=0):
    size = norm(v, 2, [i for i in range(v.ndim) if i != dim % v.ndim], True)
    return v * (g / size), size


def windows(x, dim, size, step):
    """PyTorch's ``unfold``: windows of an axis, along a new last axis."""
    starts = ag.arange(0, x.shape[dim] - size + 1, step)
    return ag.moveaxis(ag.take(x, starts[:, None] + ag.arange(size), axis=dim), dim % x.ndim + 1, -1)


def batch_norm_of_batch(x, weight, bias, *rest):
    *running, _training, momentum, eps = rest
    mean, var = running or (None, None)
    return F.batch_norm(x, mean, var, weight, bias, True, momentum, eps), None, None


def pad(x, pad, mode="constant", value=None):
    return spatial.pad(x, pad, mode, 0.0 if value is None else value)


def variance(x, dim=None, unbiased=None, keepdim=False, *, correction=1):
    if isinstance(dim, bool):  # var(x, unbiased)
        dim, unbiased = None, dim
    correction = correction if unbiased is None else int(unbiased)
    return ag.var(x, axis=axes_of(dim), correction=1 if correction is None else correction, keepdims=keepdim)


def norm(x, ord=2, dim=None, keepdim=False, *, dtype=None):
    return ag.linalg.vector_norm(x, axis=axes_of(dim), keepdims=keepdim, ord=ord)


def cumulative(function, x, dim, *, dtype=None):
    return function(x if dtype is None else x.astype(dtype), axis=dim)


def arange(*bounds, dtype=None):
    whole = all(isinstance(b, int) for b in bounds)
    return ag.arange(*bounds, dtype=dtype or ("int64" if whole else "float32"))


def full(size, value, *, dtype=None):
    kinds = {bool: "bool", int: "int64", float: "float32"}
    return ag.full(tuple(size), value, dtype=dtype or kinds.get(type(value), "float32"))


def new(x, size, value=0, *, dtype=None):
    """An array of one value, in the dtype of ``x``."""
    return ag.full(tuple(size), value, dtype=dtype or x.dtype)


def convert(x, *dtypes, dtype=None, **rest):
    """``to`` in all its forms: the dtype is a string here, and devices are ignored."""
    to = dtype or next((d for d in dtypes if isinstance(d, str) and not d.startswith(("cpu", "cuda"))), None)
    return x if to is None else x.astype(to)


def layer_norm(x, shape, weight=None, bias=None, eps=1e-5, *_):
    return F.layer_norm(x, tuple(shape), weight, bias, eps)


def attention(query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, **rest):
    if dropout_p:
        raise DomainError("scaled_dot_product_attention with dropout is converted in evaluation mode only.")
    if rest.pop("enable_gqa", False):
        key, value = (ag.repeat(x, query.shape[-3] // x.shape[-3], axis=-3) for x in (key, value))
    return F.scaled_dot_product_attention(query, key, value, attn_mask, 0.0, is_causal, rest.get("scale"))


def classes_last(x):
    """Scores (batch, classes, ...) as (batch, ..., classes)."""
    return ag.moveaxis(x, 1, -1) if x.ndim > 2 else x


REDUCTIONS = ("none", "mean", "sum")


def cross_entropy(x, target, weight=None, reduction=1, ignore=-100, smoothing=0):
    soft = target.shape == x.shape
    return F.cross_entropy(
        classes_last(x), classes_last(target) if soft else target, weight, reduction=REDUCTIONS[reduction],
        ignore_index=None if soft else ignore, label_smoothing=smoothing,
    )  # fmt: skip


def nll_loss(x, target, weight=None, reduction=1, ignore=-100):
    return F.nll_loss(classes_last(x), target, weight, ignore_index=ignore, reduction=REDUCTIONS[reduction])


FLOATING = (
    "acos", "acosh", "asin", "asinh", "atan", "atanh", "cos", "cosh", "digamma", "erf", "erfc", "exp", "exp2", "expm1",
    "lgamma", "log", "log10", "log1p", "log2", "reciprocal", "rsqrt", "sigmoid", "sin", "sinc", "sinh", "sqrt", "tan",
    "tanh",
)  # fmt: skip
"""Elementwise functions with floating results and the same names here."""

PLAIN = {
    "abs": "abs", "neg": "negative", "ceil": "ceil", "floor": "floor", "round": "round", "trunc": "trunc",
    "square": "square", "sign": "sign", "relu": "relu", "isnan": "isnan", "isinf": "isinf", "isfinite": "isfinite",
    "logical_not": "logical_not", "bitwise_not": "bitwise_invert", "logical_and": "logical_and",
    "logical_or": "logical_or", "logical_xor": "logical_xor", "matmul": "matmul", "mm": "matmul", "bmm": "matmul",
    "mv": "matmul", "dot": "matmul", "outer": "outer", "detach": "stop_gradient",
}  # fmt: skip
"""Functions with the same arguments, by their names here."""

PROMOTED = {
    "mul": "multiply", "maximum": "maximum", "minimum": "minimum", "fmod": "fmod", "remainder": "remainder",
    "eq": "equal", "ne": "not_equal", "lt": "less", "le": "less_equal", "gt": "greater", "ge": "greater_equal",
    "bitwise_and": "bitwise_and", "bitwise_or": "bitwise_or", "bitwise_xor": "bitwise_xor", "pow": "power",
    "floor_divide": "floor_divide", "atan2": "atan2", "hypot": "hypot", "logaddexp": "logaddexp", "xlogy": "xlogy",
    "copysign": "copysign",
}  # fmt: skip
"""Functions of two arrays, which may differ in dtype."""

WINDOWS = [f"{kind}{n}d" for kind in ("conv", "conv_transpose", "adaptive_avg_pool") for n in (1, 2, 3)]
POOLS = [f"{kind}_pool{n}d" for kind in ("max", "avg") for n in (1, 2, 3)]
"""Functions over 1, 2 or 3 spatial axes, with the same arguments here."""

ROWS: dict[str, Row] = {
    **{name: partial(of_floats, getattr(ag, name)) for name in FLOATING},
    **{name: getattr(ag, ours) for name, ours in PLAIN.items()},
    **{name: partial(promoted, getattr(ag, ours)) for name, ours in PROMOTED.items()},
    # arithmetic
    "add": partial(promoted, add),
    "sub": partial(promoted, subtract),
    "rsub": partial(promoted, lambda x, other, alpha=1: subtract(other, x, alpha=alpha)),
    "div": partial(promoted, divide),
    "where": lambda condition, x, y: promoted(partial(ag.where, condition), x, y),
    "masked_fill": lambda x, mask, value: ag.where(mask, asarray(value).astype(x.dtype), x),
    "clamp": lambda x, min=None, max=None: ag.clip(x, min, max),
    "clamp_min": lambda x, min: ag.clip(x, min, None),
    "clamp_max": lambda x, max: ag.clip(x, None, max),
    # activations
    "relu6": lambda x: ag.clip(x, 0, 6),
    "hardtanh": lambda x, min_val=-1.0, max_val=1.0: ag.clip(x, min_val, max_val),
    "hardsigmoid": hardsigmoid,
    "hardswish": lambda x: x * hardsigmoid(x),
    "leaky_relu": lambda x, negative_slope=0.01: F.leaky_relu(x, slope=negative_slope),
    "elu": elu,
    "selu": lambda x: elu(x, 1.6732632423543772, scale=1.0507009873554805),
    "gelu": lambda x, approximate="none": gelu_tanh(x) if approximate == "tanh" else F.gelu(x),
    "silu": silu,
    "mish": mish,
    "softplus": lambda x, beta=1.0, threshold=20.0: ag.where(x * beta > threshold, x, F.softplus(x * beta) / beta),
    "log_sigmoid": lambda x: -F.softplus(-x),
    "prelu": prelu,
    "glu": glu,
    "softmax": partial(softmax_row, ag.softmax),
    "_softmax": partial(softmax_row, ag.softmax),
    "log_softmax": partial(softmax_row, ag.log_softmax),
    "_log_softmax": partial(softmax_row, ag.log_softmax),
    # products, layers and losses
    "linear": F.linear,
    "addmm": addmm,
    "baddbmm": addmm,
    "addmv": addmm,
    "addbmm": lambda b, x, y, beta=1, alpha=1: add(b * beta, ag.sum(ag.matmul(x, y), axis=0), alpha=alpha),
    "einsum": lambda equation, arrays, path=None: ag.einsum(equation, *arrays),
    "convolution": convolution,
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
    **dict.fromkeys(("grid_sampler", "grid_sampler_2d", "grid_sampler_3d"), grid_sampler),
    "layer_norm": layer_norm,
    "native_layer_norm": lambda *args: (layer_norm(*args), None, None),
    "_native_batch_norm_legit": batch_norm_of_batch,
    "group_norm": lambda x, groups, weight=None, bias=None, eps=1e-5, *_: F.group_norm(x, groups, weight, bias, eps),
    "rms_norm": lambda x, shape, weight=None, eps=None: F.rms_norm(x, tuple(shape), weight, eps),
    "embedding": lambda weight, index, row=-1, *_: F.embedding(index, weight, row if row >= 0 else None),
    "embedding_bag": embedding_bag,
    "bilinear": bilinear,
    "cdist": lambda x, y, p=2.0, mode=None: norm(x[..., :, None, :] - y[..., None, :, :], p, -1),
    **{f"linalg_{name}": getattr(ag.linalg, name) for name in ("cholesky", "det", "inv")},
    "linalg_solve": lambda a, b: ag.linalg.solve(a, b[..., None])[..., 0] if b.ndim < a.ndim else ag.linalg.solve(a, b),
    "one_hot": lambda x, classes: F.one_hot(x, classes, dtype="int64"),
    "scaled_dot_product_attention": attention,
    "cross_entropy_loss": cross_entropy,
    "mse_loss": lambda x, target, reduction=1: F.mse_loss(x, target, reduction=REDUCTIONS[reduction]),
    **dict.fromkeys(("nll_loss", "nll_loss2d"), nll_loss),
    # shapes
    "view": view,
    "_unsafe_view": view,
    "reshape": view,
    "view_as_real": lambda x: ag.stack([ag.real(x), ag.imag(x)], axis=-1),
    "view_as_complex": lambda x: x[..., 0] + 1j * x[..., 1],
    "view_as": lambda x, other: x.reshape(other.shape),
    "flatten": flatten,
    "unflatten": unflatten,
    "squeeze": squeeze,
    "unsqueeze": lambda x, dim: ag.expand_dims(x, axis=dim),
    "transpose": transpose,
    "t": lambda x: x if x.ndim < 2 else transpose(x, 0, 1),
    "permute": lambda x, dims: ag.permute_dims(x, axes=tuple(d % x.ndim for d in dims)),
    "movedim": ag.moveaxis,
    "numpy_T": lambda x: ag.permute_dims(x, axes=tuple(range(x.ndim))[::-1]),
    "mT": ag.matrix_transpose,
    "expand": expand,
    "expand_as": lambda x, other: expand(x, other.shape),
    "repeat": lambda x, repeats: ag.tile(x, tuple(repeats)),
    "tile": lambda x, repeats: ag.tile(x, tuple(repeats)),
    "repeat_interleave": lambda x, repeats, dim=None, output_size=None: ag.repeat(x, repeats, axis=dim),
    "cat": lambda arrays, dim=0: promoted(
        lambda *a: ag.concat(list(a), axis=dim), *(a for a in arrays if a.shape != (0,))
    ),
    "stack": lambda arrays, dim=0: ag.stack(list(arrays), axis=dim),
    **dict.fromkeys(("split", "split_with_sizes", "unsafe_split"), split),
    "chunk": chunk,
    "sort": in_order,
    "topk": lambda x, k, dim=-1, largest=True, ordered=True: in_order(x, dim, largest, k),
    "unfold": windows,
    "_weight_norm_interface": weight_norm,
    "unbind": lambda x, dim=0: [along(x, dim, i) for i in range(x.shape[dim])],
    "select": along,
    "slice": lambda x, dim=0, start=None, end=None, step=1: along(x, dim, slice(start, end, step)),
    "narrow": lambda x, dim, start, length: along(x, dim, slice(start, start + length)),
    "index": lambda x, indices: x[everywhere(indices)],
    "copy": lambda x, source, *_: ag.broadcast_to(source.astype(x.dtype), shape=x.shape),
    "fill": lambda x, value: ag.full(x.shape, value, dtype=x.dtype),
    "slice_scatter": lambda x, source, dim=0, start=None, end=None, step=1: written(
        x, at(x, dim, slice(start, end, step)), source
    ),
    "select_scatter": lambda x, source, dim, index: written(x, at(x, dim, index), source),
    **dict.fromkeys(
        ("index_put", "_unsafe_index_put"), lambda x, indices, *values: written(x, everywhere(indices), *values)
    ),
    "index_select": lambda x, dim, index: ag.take(x, index, axis=dim),
    "gather": lambda x, dim, index: ag.take_along_axis(x, index, axis=dim),
    "scatter": partial(scattered, "none"),
    "scatter_add": partial(scattered, "add"),
    "flip": lambda x, dims: ag.flip(x, axis=tuple(dims)),
    "roll": lambda x, shifts, dims=(): ag.roll(x, tuple(shifts), axis=tuple(dims) or None),
    "pad": pad,
    "constant_pad_nd": lambda x, pads, value=0.0: pad(x, pads, "constant", value),
    **dict.fromkeys(("reflection_pad1d", "reflection_pad2d"), lambda x, pads: pad(x, pads, "reflect")),
    **dict.fromkeys(("replication_pad1d", "replication_pad2d"), lambda x, pads: pad(x, pads, "replicate")),
    "tril": lambda x, k=0: ag.tril(x, k=k),
    "triu": lambda x, k=0: ag.triu(x, k=k),
    **dict.fromkeys(("contiguous", "clone", "alias", "lift_fresh_copy", "positive"), lambda x, *_: x),
    "to": convert,
    "_to_copy": convert,
    "type_as": lambda x, other: x.astype(other.dtype),
    # reductions
    "sum": partial(reduced, ag.sum),
    "mean": partial(reduced, ag.mean),
    "amax": partial(reduced, ag.max),
    "amin": partial(reduced, ag.min),
    "prod": partial(reduced, ag.prod),
    "any": partial(reduced, ag.any),
    "all": partial(reduced, ag.all),
    "logsumexp": partial(reduced, ag.logsumexp),
    "max": partial(with_indices, ag.max, ag.argmax),
    "min": partial(with_indices, ag.min, ag.argmin),
    "argmax": partial(reduced, ag.argmax),
    "argmin": partial(reduced, ag.argmin),
    "var": variance,
    "std": lambda *args, **options: ag.sqrt(variance(*args, **options)),
    "var_mean": lambda x, dim=None, *args, **options: (
        variance(x, dim, *args, **options),
        ag.mean(x, axis=axes_of(dim), keepdims=options.get("keepdim", False)),
    ),
    "linalg_vector_norm": norm,
    "cumsum": partial(cumulative, ag.cumulative_sum),
    "cumprod": partial(cumulative, ag.cumulative_prod),
    # new arrays
    **dict.fromkeys(("zeros", "empty"), lambda size, dtype="float32": full(size, 0.0, dtype=dtype)),
    "ones": lambda size, dtype="float32": full(size, 1.0, dtype=dtype),
    "full": full,
    **dict.fromkeys(("zeros_like", "empty_like"), lambda x, dtype=None: new(x, x.shape, dtype=dtype)),
    "ones_like": lambda x, dtype=None: new(x, x.shape, 1, dtype=dtype),
    "full_like": lambda x, value, dtype=None: new(x, x.shape, value, dtype=dtype),
    **dict.fromkeys(("new_zeros", "new_empty", "new_full"), new),
    "new_ones": lambda x, size, dtype=None: new(x, size, 1, dtype=dtype),
    "arange": arange,
    "scalar_tensor": lambda value, dtype=None: full((), value, dtype=dtype),
    "sym_size": lambda x, dim: x.shape[dim],
    "sym_numel": lambda x: x.size,
    "item": lambda x: x.item(),
}
"""``(inputs and parameters as in ATen) → result``, by the name of the operation without its overload."""

for _name in ("fft", "ifft", "rfft", "irfft"):
    ROWS[f"fft_{_name}"] = partial(fourier, getattr(ag.fft, _name), -1)
    ROWS[f"fft_{_name}2"] = partial(fourier, getattr(ag.fft, f"{_name}n"), (-2, -1))
    ROWS[f"fft_{_name}n"] = partial(fourier, getattr(ag.fft, f"{_name}n"), None)


STATEFUL: dict[str, Row] = {}
"""Rows that are also given the module: ``(module, *arguments)``."""


def stateful(*names: str) -> Callable[[Row], Row]:
    """Register a row that depends on the module's mode or generator. With several ``names`` it is given the name."""

    def register(row):
        for name in names:
            STATEFUL[name] = row if len(names) == 1 else lambda module, *args, name=name: row(module, name, *args)
        return row

    return register


@stateful("batch_norm")
def batch_norm(module, x, weight, bias, mean, var, training, momentum, eps, *_):
    """Batch normalisation; with the statistics of the batch in the module's training mode, or where it has none."""
    return F.batch_norm(x, mean, var, weight, bias, module.training or mean is None, momentum, eps)


@stateful("_native_batch_norm_legit_no_training")
def decomposed_batch_norm(module, x, weight, bias, mean, var, momentum, eps):
    """`batch_norm` as it is written where PyTorch decomposes other operations."""
    return batch_norm(module, x, weight, bias, mean, var, False, momentum, eps), None, None


@stateful("instance_norm")
def instance_norm(module, x, weight, bias, mean, var, by_sample, momentum, eps, *_):
    """Instance normalisation; with running statistics only in evaluation of a module that has them."""
    if mean is None or module.training:
        return F.instance_norm(x, mean, var, weight, bias, True, momentum, eps)
    return F.batch_norm(x, mean, var, weight, bias, False, momentum, eps)


@stateful("dropout")
def dropout(module, x, p, train):
    """Dropout, in the module's training mode."""
    return F.dropout(x, p, module.training, generator=module.generator)


@stateful("lstm", "gru", "rnn_tanh", "rnn_relu")
def recurrent(module, kind, x, state, weights, biases, layers, p, train, bidirectional, batch_first):
    """Outputs and last states of recurrent layers; dropout between them in the module's training mode."""
    if not isinstance(layers, int):
        raise DomainError(f"{kind} of packed sequences is not converted: give padded ones.")
    directions, size = 1 + bidirectional, 4 if biases else 2
    if len(weights) != layers * directions * size:
        raise DomainError(f"{kind} with projections is not converted.")
    states = [state] if isinstance(state, Tensor) else state
    one = [[*weights[i : i + size], None, None][:4] for i in range(0, len(weights), size)]
    grouped = [one[i : i + directions] for i in range(0, len(one), directions)]

    def between(x):
        return F.dropout(x, p, module.training, generator=module.generator)

    x = transpose(x, 0, 1) if batch_first else x
    x, last = recurrence.layers(kind.removeprefix("rnn_"), x, states, grouped, between)
    return (transpose(x, 0, 1) if batch_first else x, *last)


@stateful("feature_dropout")
def feature_dropout(module, x, p, train):
    """Dropout of whole channels, in the module's training mode."""
    of = {3: F.dropout1d, 4: F.dropout2d, 5: F.dropout3d}[x.ndim]
    return of(x, p, module.training, generator=module.generator)


SYMBOLS = {
    operator.getitem, operator.add, operator.sub, operator.mul, operator.floordiv, operator.truediv, operator.mod,
    operator.pow, operator.neg, operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge,
    math.ceil, math.floor, math.sqrt, max, min,
}  # fmt: skip
"""Python's functions on sizes, which a graph may call."""
