"""NumPy as a namespace, with faster functions where NumPy's wrappers cost as much as a small computation."""

from __future__ import annotations

import contextlib
import ctypes
import math
import os
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

import numpy

from glassgrad.autograd.backends.dtypes import FLAT, REALS
from glassgrad.autograd.backends.spaces import FORWARDS, SPACES, Namespace
from glassgrad.autograd.common import shapes


def _keep_freed_memory() -> None:
    """Make glibc keep up to 512 MiB of freed memory for later arrays of at most 128 MiB, unless the environment sets a
    limit. Otherwise it returns the pages to the system, and each training step waits for new ones: that of a small
    convolutional network takes twice as long.
    """
    limits = "MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES"
    with contextlib.suppress(AttributeError, OSError, TypeError):  # another allocator
        mallopt = ctypes.CDLL(None).mallopt
        if not os.environ.keys() & {*limits}:
            mallopt(-1, 512 << 20)  # M_TRIM_THRESHOLD of malloc.h
            mallopt(-3, 128 << 20)  # M_MMAP_THRESHOLD


_keep_freed_memory()


def _scalar(function: Callable[..., Any]) -> Callable[..., Any]:
    """``function``, returning NumPy scalars instead of 0-d arrays, whose arithmetic takes ten times as long."""

    def scalar(*args: Any, **kwargs: Any) -> Any:
        out = function(*args, **kwargs)
        return out if out.ndim else out[()]

    return scalar


def _astype(x: Any, dtype: Any, copy: bool = True) -> Any:
    if x.dtype.kind == "c" and numpy.dtype(dtype).kind not in "cb":
        raise TypeError(f"complex numbers can't be converted to {dtype}: take their .real and .imag")
    out = x.astype(dtype, copy=copy)
    return out if out.ndim else out[()]


_no_axis = partial(shapes.normalize_axes, ndim=0)  # NumPy accepts axis 0 of a scalar, but the gradient rules do not

SHORT = range(2, 33)
"""Lengths of rows for which NumPy spends longer on starting a row than on reducing it."""


def _reduction(ufunc: Any) -> Callable[..., Any]:
    def reduce(x: Any, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> Any:
        if (axis == -1 or axis == 1) and x.ndim == 2 and x.shape[1] in SHORT and x.shape[0] > 16:
            found = ufunc.reduce(x.T.copy(), 0, dtype)  # many elements per inner loop
            return found[:, None] if keepdims else found
        return ufunc.reduce(x, axis if x.ndim else _no_axis(axis), dtype, None, keepdims)

    return reduce


_ones = lru_cache(maxsize=256)(numpy.ones)  # (count, dtype)
_reduced: Callable[..., Any] = numpy.add.reduce


def _sum(x: Any, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> Any:
    """The sum. BLAS sums columns and short rows of a matrix as a product with ones, up to five times as fast."""
    if axis is not None and x.ndim > 1 and x.dtype.char in "fd" and x.size > 1:  # BLAS sums one -0.0 to -0.0
        if x.ndim == 2 and (axis == 0 or axis == (0,)):
            sums = _ones(x.shape[0], x.dtype).dot(x)
            return sums[None] if keepdims else sums
        if x.ndim == 2 and (axis == -1 or axis == 1) and x.shape[1] in SHORT:
            sums = x.dot(_ones(x.shape[1], x.dtype))
            return sums[:, None] if keepdims else sums
        if x.ndim > 2 and type(axis) is tuple:
            gone = shapes.normalize_axes(axis, x.ndim)
            kept = [a for a in range(x.ndim) if a not in gone]
            rows = x.transpose(*gone, *kept)
            if kept and rows.flags.c_contiguous:  # such as channels-last images, over batch and space
                shape = shapes.keepdims_shape(x.shape, gone) if keepdims else [x.shape[a] for a in kept]
                return _sum(rows.reshape(-1, math.prod(x.shape[a] for a in kept)), 0).reshape(shape)
    return _reduced(x, axis if x.ndim else _no_axis(axis), dtype, None, keepdims)


def _matmul(x: Any, y: Any) -> Any:
    """The product. All rows of ``x`` times one matrix are one product: NumPy would copy a transposed ``y`` for each."""
    if x.ndim == 2 == y.ndim:
        return x.dot(y)  # which has less overhead
    if x.ndim > 2 == y.ndim:
        return x.reshape(math.prod(x.shape[:-1]), x.shape[-1]).dot(y).reshape(*x.shape[:-1], y.shape[1])
    return numpy.matmul(x, y)


_identity = lru_cache(maxsize=64)(numpy.identity)  # (count, dtype)


def _one_hot(labels: Any, classes: int, dtype: Any = "float64") -> Any:
    """Rows of an identity matrix where the classes are few: a tenth of the time of comparisons."""
    if classes > 128:
        return FORWARDS["one_hot"](NUMPY, labels, classes=classes, dtype=dtype)
    return _identity(classes, dtype).take(labels, 0)


MANY = 4096
"""From this number of elements on, choosing by bits is faster than `numpy.where`, which branches at each element."""


def _masked(x: Any, mask: Any) -> Any:
    """``x`` where ``mask`` is true, 0 elsewhere: the bits, as integers, times 1 or 0."""
    if x.dtype.char not in "efd" or not x.shape:
        return numpy.where(mask, x, x.dtype.type(0))
    times = mask.astype(f"i{x.dtype.itemsize}")
    return numpy.multiply(times, x.view(times.dtype), times if mask.shape == x.shape else None).view(x.dtype)


def _where(condition: Any, x: Any, y: Any) -> Any:
    """`numpy.where`. Scalars are chosen in Python, five times as fast, and numbers or 0 by their bits."""
    kind, other = type(x), type(y)
    if type(condition) is numpy.bool_:
        if kind is other and kind in FLAT:
            return x if condition else y
        if kind is float and other in REALS:
            return other(x) if condition else y
        if other is float and kind in REALS:
            return x if condition else kind(y)
    elif type(condition) is numpy.ndarray and condition.size >= MANY and condition.dtype.char == "?":
        if kind is float and other is numpy.ndarray:
            condition, x, y, kind, other = ~condition, y, x, other, kind
        if kind is numpy.ndarray and x.dtype.char in "efd" and other is float and repr(y) == "0.0":
            return _masked(x, condition)
    out = numpy.where(condition, x, y)
    return out if out.ndim else out[()]


def _contiguous(x: Any) -> Any:
    """``x`` in row-major order. Contiguous rows are copied as one element each, without a loop for each."""
    rows = not x.flags.c_contiguous and x.strides[-1] == x.itemsize and x.shape[-1] > 1
    return x.view(f"V{x.shape[-1] * x.itemsize}").copy().view(x.dtype) if rows else numpy.asarray(x, order="C")


def _reshape(x: Any, shape: Any, copy: bool | None = None) -> Any:
    return x.reshape(shape) if copy is None else numpy.reshape(x, shape, copy=copy)


NUMPY = Namespace(numpy)
SPACES.update(dict.fromkeys((numpy.ndarray, *FLAT), NUMPY))

# Replacements for functions of NumPy: its `astype` rejects NumPy scalars, and its wrappers around reductions and
# transposes cost more than a microsecond a call, as much as the computation of a small layer.
vars(NUMPY).update(
    astype=_astype, sum=_sum, prod=_reduction(numpy.multiply), max=_reduction(numpy.maximum),
    min=_reduction(numpy.minimum), all=_reduction(numpy.logical_and), any=_reduction(numpy.logical_or), matmul=_matmul,
    contiguous=_contiguous, masked=_masked, matmul_into=numpy.matmul, one_hot=_one_hot,
    matrix_transpose=lambda x: x.mT, where=_where, reshape=_scalar(_reshape),
    **{n: _scalar(getattr(numpy, n)) for n in ("clip", "zeros_like", "ones_like", "full_like", "broadcast_to")},
)  # fmt: skip
