"""NumPy as a namespace, with faster functions where NumPy's wrappers cost as much as a small computation."""

from __future__ import annotations

import ctypes
import math
import operator
import os
from collections.abc import Callable
from functools import lru_cache, partial
from operator import mul
from typing import Any

import numpy

from glassgrad.autograd.backends.dtypes import FLAT, PYTHON_SCALARS, REALS, is_complex
from glassgrad.autograd.backends.spaces import FORWARDS, SPACES, Namespace
from glassgrad.autograd.common import shapes

NUMPY = Namespace(numpy)
NUMPY.in_place = True


def _keep_freed_memory() -> None:
    """Make glibc keep up to 512 MiB of freed memory for later arrays of at most 128 MiB, unless the environment sets a
    limit. Otherwise it returns the pages to the system, and each training step waits for new ones: that of a small
    convolutional network takes twice as long.
    """
    if any(name in os.environ for name in ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES")):
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # another allocator
        return
    mallopt(-1, 512 << 20)  # M_TRIM_THRESHOLD of malloc.h
    mallopt(-3, 128 << 20)  # M_MMAP_THRESHOLD


_keep_freed_memory()
SPACES.update(dict.fromkeys((numpy.ndarray, *FLAT), NUMPY))


def _astype(x: Any, dtype: Any, copy: bool = True) -> Any:
    if is_complex(x.dtype) and numpy.dtype(dtype).kind not in "cb":
        raise TypeError(f"complex numbers can't be converted to {dtype}: take their .real and .imag")
    return numpy.asarray(x).astype(dtype, copy=copy)[()]


_none = partial(shapes.normalize_axes, ndim=0)  # NumPy accepts axis 0 of a scalar, but the gradient rules do not


def _reduction(ufunc: Any) -> Callable[..., Any]:
    def reduce(x: Any, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> Any:
        return ufunc.reduce(x, axis if x.ndim else _none(axis), dtype, None, keepdims)

    return reduce


LARGE = 1 << 14
"""From this number of elements on, an elementwise call is faster: a column times a row than BLAS' product, and `clip`
than `numpy.maximum` with a number, whose loop has no vector instructions."""


def _matmul(x: Any, y: Any) -> Any:
    """The matrix product. `dot` has less overhead for two matrices, and calls BLAS also for a column times a row."""
    if not x.ndim == 2 == y.ndim:
        return numpy.matmul(x, y)
    if x.shape[1] == 1 == y.shape[0] and x.size * y.size >= LARGE and x.dtype == y.dtype and x.dtype.char in "fd":
        out = x * y  # as the gradient of a large weight for a single example
        out += 0.0  # makes -0.0 into 0.0, as a sum of products is
        return out
    return x.dot(y)


@lru_cache(maxsize=256)
def _ones(count: int, dtype: Any) -> Any:
    ones = numpy.ones(count, dtype)
    ones.flags.writeable = False
    return ones


def _check_range(array: Any, stop: int, refuse: Callable[..., None], **options: Any) -> None:
    """Call ``refuse`` unless all elements are from 0 to ``stop - 1``."""
    if not _is_within(array, stop):
        refuse(int(array.min()), int(array.max()), **options)


def _is_within(array: Any, stop: int) -> bool:
    """Whether all elements are from 0 to ``stop - 1``. Read as unsigned integers, negative ones are too large. For few
    elements `argmax` takes a sixth of the time of `maximum.reduce`.
    """
    unsigned = array.view(f"u{array.dtype.itemsize}")
    return not array.size or unsigned.item(unsigned.argmax()) < stop


FEW = 128
"""Up to this number of classes, one-hot rows come from a cached identity matrix."""


@lru_cache(maxsize=64)
def _identity(count: int, dtype: Any) -> Any:
    return numpy.eye(count, dtype=dtype)


def _one_hot(labels: Any, classes: int, dtype: Any = "float64") -> Any:
    if labels.shape and classes <= FEW and labels.dtype.kind in "iu" and _is_within(labels, classes):
        return _identity(classes, dtype).take(labels, 0)
    return FORWARDS["one_hot"](NUMPY, labels, classes=classes, dtype=dtype)


SHORT = range(2, 33)
"""Lengths of rows for which NumPy spends longer on starting a row than on reducing it."""


@lru_cache(maxsize=256)
def _as_columns(shape: shapes.Shape, axis: shapes.Shape, keepdims: bool) -> tuple[shapes.Shape, ...]:
    """The order of axes and the shape that make a sum over ``axis`` one over the rows of a matrix, and the shape of the
    result.
    """
    gone = shapes.normalize_axes(axis, len(shape))
    kept = [a for a in range(len(shape)) if a not in gone]
    matrix = math.prod(shape[a] for a in gone), math.prod(shape[a] for a in kept)
    result = tuple(1 if a in gone else n for a, n in enumerate(shape) if keepdims or a in kept)
    return (*sorted(gone), *kept), matrix, result


def _sum(x: Any, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> Any:
    """The sum. BLAS sums columns and short rows of a matrix as a product with ones, up to five times as fast."""
    if type(axis) is tuple and x.ndim > 2 and x.dtype.char in "fd" and x.size:
        found = _as_columns if {int}.issuperset(map(type, axis)) else _as_columns.__wrapped__  # True is 1 to a cache
        order, matrix, shape = found(x.shape, axis, keepdims)
        rows = x.transpose(order)
        if rows.flags.c_contiguous and len(axis) < x.ndim:  # such as channels-last images, over batch and space
            return _sum(rows.reshape(matrix), 0).reshape(shape)
    if axis is not None and x.ndim == 2 and x.dtype.char in "fd" and x.size > 1:  # BLAS makes -0.0 of one -0.0
        if axis == 0 or axis == (0,):
            sums = _ones(x.shape[0], x.dtype).dot(x)
            return sums[None] if keepdims else sums
        if (axis == -1 or axis == 1) and x.shape[1] in SHORT:
            sums = x.dot(_ones(x.shape[1], x.dtype))
            return sums[:, None] if keepdims else sums
    return numpy.add.reduce(x, axis if x.ndim else _none(axis), dtype, None, keepdims)  # type: ignore[call-overload]


def _extreme(ufunc: Any) -> Callable[..., Any]:
    def reduce(x: Any, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> Any:
        if (axis == -1 or axis == 1) and x.ndim == 2 and x.shape[1] in SHORT and x.shape[0] > 16:
            found = ufunc.reduce(x.T.copy(), 0)  # reduce rows of the transpose: many elements per inner loop
            return found[:, None] if keepdims else found
        return ufunc.reduce(x, axis if x.ndim else _none(axis), dtype, None, keepdims)

    return reduce


def _scalar(function: Callable[..., Any]) -> Callable[..., Any]:
    """``function``, returning NumPy scalars instead of 0-d arrays, whose arithmetic takes ten times as long."""

    def scalar(*args: Any, **kwargs: Any) -> Any:
        out = function(*args, **kwargs)
        return out if out.ndim else out[()]

    return scalar


MANY = 4096
"""From this number of elements on, choosing by bits is faster than `numpy.where`, which branches at each element."""


def _masked(x: Any, mask: Any) -> Any:
    """``x`` where ``mask`` is true, 0 elsewhere: the bits, as integers, times 1 or 0."""
    if x.dtype.char not in "efd" or not x.shape:
        return numpy.where(mask, x, x.dtype.type(0))
    times = mask.astype(f"i{x.dtype.itemsize}")
    return numpy.multiply(times, x.view(times.dtype), times if mask.shape == x.shape else None).view(x.dtype)


def _chosen(condition: Any, x: Any, y: Any) -> Any:
    """`numpy.where` for large floating-point arrays, by bit operations; ``None`` for other operands."""
    if type(x) is not numpy.ndarray or x.dtype.char not in "efd":
        return _chosen(~condition, y, x) if type(x) is float and type(y) is numpy.ndarray else None
    if type(y) is float:
        return _masked(x, condition) if y == 0 and not numpy.signbit(y) else None
    if type(y) is not numpy.ndarray or x.dtype != y.dtype or not condition.shape == x.shape == y.shape:
        return None
    bits = -condition.astype(f"i{x.dtype.itemsize}")  # all bits where it is true, none elsewhere
    chosen = x.view(bits.dtype) ^ y.view(bits.dtype)
    chosen &= bits
    chosen ^= y.view(bits.dtype)
    return chosen.view(x.dtype)


def _where(condition: Any, x: Any, y: Any) -> Any:
    """`numpy.where`. Scalars are chosen in Python, five times as fast; many elements by bits, twenty times as fast."""
    if type(condition) is numpy.ndarray and condition.size >= MANY and condition.dtype.char == "?":
        chosen = _chosen(condition, x, y)
        if chosen is not None:
            return chosen
    if type(condition) is numpy.bool_:
        kind, other = type(x), type(y)
        if kind is other and kind in FLAT:
            return x if condition else y
        if kind is float and other in REALS:
            return other(x) if condition else y
        if other is float and kind in REALS:
            return x if condition else kind(y)
    out = numpy.where(condition, x, y)
    return out if out.ndim else out[()]


def positive_part(x: Any, out: Any = None) -> Any:
    """``numpy.maximum(x, 0.0)``, for many floating-point numbers."""
    out = numpy.clip(x, 0.0, math.inf, out)
    out += 0.0  # makes -0.0 into 0.0
    return out


def _maximum(x: Any, y: Any) -> Any:
    large = type(x) is numpy.ndarray and x.size >= LARGE and x.dtype.char in "fd"
    return positive_part(x) if large and type(y) is float and repr(y) == "0.0" else numpy.maximum(x, y)


def _strong(operation: Callable[[Any, Any], Any], harmless: int) -> Callable[[Any, Any], Any]:
    """``operation(x, y)``, but 0 where ``x`` is 0: there ``y`` is replaced by ``harmless``."""

    def strong(x: Any, y: Any) -> Any:
        kind = type(y)
        if kind in PYTHON_SCALARS:
            return operation(x, y)
        if type(x) in FLAT and kind in FLAT:
            return operation(x, y if x else kind(harmless))
        zero = x == 0
        return operation(x, _where(zero, float(harmless), y) if numpy.count_nonzero(zero) else y)

    return strong


def _strided_windows(x: Any, size: Any, stride: Any, dilation: Any, counts: Any) -> Any:
    for length, taps, step, gap, count in zip(x.shape[1:-1], size, stride, dilation, counts, strict=True):
        if count and (count - 1) * step + (taps - 1) * gap >= length:  # would read past the end of the array
            raise ValueError(f"{count} windows of size {taps} reach beyond an axis of length {length}")
    n, *space, channels = x.strides
    steps = (*map(mul, space, stride), *map(mul, space, dilation))
    shape = (x.shape[0], *counts, *size, x.shape[-1])
    return numpy.lib.stride_tricks.as_strided(x, shape, (n, *steps, channels), writeable=False)


@lru_cache(maxsize=256)
def _run(size: int) -> Any:
    return numpy.dtype((numpy.void, size))


def _runs(x: Any) -> Any:
    """``x`` with each contiguous row viewed as one element, so that NumPy copies rows without a loop for each."""
    return x.view(_run(x.shape[-1] * x.itemsize)) if x.strides[-1] == x.itemsize and x.shape[-1] > 1 else x


def _contiguous(x: Any) -> Any:
    return x if x.flags.c_contiguous else _runs(x).copy().view(x.dtype)


def _copy_into(x: Any, out: Any) -> None:
    runs, places = _runs(x), _runs(out)
    if runs.dtype == places.dtype:
        places[...] = runs
    else:
        out[...] = x


SMALL = 10**6
"""Up to this number of multiplications OpenBLAS reads matrices in place; for larger products it copies them first."""


def _least() -> tuple[int, int]:
    """The values of `ROWS` and `COLUMNS` for this BLAS and this processor."""
    about: Any = numpy.show_config(mode="dicts")
    blas, found = about["Build Dependencies"].get("blas", {}), about["SIMD Extensions"].get("found", ())
    wide = "X86_V4" in found or "AVX512_SKX" in found
    return (8, 16) if wide and "openblas" in blas.get("name", "") else (100, 100)


ROWS, COLUMNS = _least()
"""The least number of rows and of columns in a piece of a product. With AVX-512, OpenBLAS is fastest on products that
it does not copy, short pieces included; with other instructions only on long ones."""


def _piece(length: int, each: int, least: int) -> int:
    """The length of the pieces to cut an axis into, so that each product takes at most `SMALL` multiplications; 0 where
    it would be below ``least``. ``each``: multiplications per element of the axis.
    """
    most = SMALL // each
    if most < least:
        return 0
    piece = -(-length // -(-length // most))
    return min(piece + -piece % 8, most - most % 8)  # a multiple of the length of a vector register


def _pieces(length: int, each: int) -> int:
    """The number of pieces to cut an axis into, so that each product takes at most `SMALL` multiplications; 0 where the
    pieces would be short or unequal. ``each``: multiplications per element of the axis.
    """
    least = max(1, -(-length * each // SMALL))
    return next((n for n in range(least, 2 * least) if length % n == 0), 0) if least <= length // 100 else 0


def short_pieces(x: tuple[int, ...], y: tuple[int, ...]) -> int:
    """The number of rows in each of the equal pieces into which to cut a matrix of shape ``x``, so that the product
    with one of shape ``y`` is faster; 0 where the whole product is not known to be slower.
    """
    if len(x) != 2 or len(y) != 2 or x[0] <= ROWS or math.prod(x) * y[1] <= SMALL:
        return 0
    most = min(SMALL // (x[1] * y[1]), x[0] // 2)
    return next((n for n in range(most, ROWS - 1, -1) if x[0] % n == 0), 0)


def _line_columns(line: int, inner: int, columns: int) -> int:
    """Implements `Namespace.line_columns`."""
    fitting = (n for n in (128, 64, 32) if columns % n == 0 and line * inner * n <= SMALL)
    return next(fitting, 0) if line >= 2 * ROWS else 0


def _matmul_into(x: Any, y: Any, out: Any) -> None:
    """Implements `Namespace.matmul_into`. Large matrices are multiplied in pieces, in as little as half the time."""
    (rows, inner), columns = x.shape, y.shape[1]
    out, turned = out.reshape(rows, columns), x.strides[0] < x.strides[1]
    if turned and y.strides[0] < y.strides[1]:  # the slowest case of BLAS
        product = numpy.empty((columns, rows), out.dtype)
        _matmul_into(y.T, x.T, product)
        out[...] = product.T
    elif rows * inner * columns <= SMALL:
        numpy.matmul(x, y, out=out)
    elif piece := _piece(rows, inner * columns, COLUMNS if turned else ROWS):
        main = rows - rows % piece
        numpy.matmul(x[:main].reshape(-1, piece, inner), y, out=out[:main].reshape(-1, piece, columns))
        if main < rows:
            numpy.matmul(x[main:], y, out=out[main:])
    elif piece := _piece(columns, inner * rows, COLUMNS):
        main = columns - columns % piece
        parts, places = (z[:, :main].reshape(z.shape[0], -1, piece).swapaxes(0, 1) for z in (y, out))
        numpy.matmul(x, parts, out=places)
        if main < columns:
            numpy.matmul(x, y[:, main:], out=out[:, main:])
    elif n := _pieces(inner, rows * columns):
        numpy.add.reduce(y.reshape(n, -1, columns).mT @ x.T.reshape(n, -1, rows), 0, out=out.T)
    else:
        numpy.matmul(x, y, out=out)


_multiply_strong = _strong(operator.mul, 0)

# Replacements for functions of NumPy: its `astype` rejects NumPy scalars, and its wrappers around reductions and
# transposes cost more than a microsecond a call, as much as the computation of a small layer.
vars(NUMPY).update(
    astype=_astype,
    sum=_sum,
    prod=_reduction(numpy.multiply),
    max=_extreme(numpy.maximum),
    min=_extreme(numpy.minimum),
    all=_reduction(numpy.logical_and),
    any=_reduction(numpy.logical_or),
    matmul=_matmul,
    check_range=_check_range,
    one_hot=_one_hot,
    sliding_windows=_strided_windows,
    contiguous=_contiguous,
    copy_into=_copy_into,
    masked=_masked,
    maximum=_maximum,
    matmul_into=_matmul_into,
    line_columns=_line_columns,
    matrix_transpose=lambda x: x.mT,
    where=_where,
    multiply_no_nan=lambda x, y: _multiply_strong(y, x),
    xdivy=_strong(operator.truediv, 1),
    reshape=_scalar(
        lambda x, shape, copy=None: x.reshape(shape) if copy is None else numpy.reshape(x, shape, copy=copy)
    ),
    **{
        name: _scalar(getattr(numpy, name)) for name in ("clip", "zeros_like", "ones_like", "full_like", "broadcast_to")
    },
)
