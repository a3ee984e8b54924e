"""Convolution, pooling, padding and resampling of arrays ``(batch, channels, *space)``, under PyTorch's names.

`nn.functional` offers all of them. Each family (``conv1d``, ``conv2d``, ``conv3d``) is one function for any number of
spatial axes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from typing import Any

from glassgrad import autograd as ag
from glassgrad.autograd import Tensor, asarray
from glassgrad.autograd.backends import NUMPY, is_inexact
from glassgrad.autograd.common.validation import choice, number, wholes
from glassgrad.autograd.errors import DomainError, ShapeError
from glassgrad.autograd.ops.windows import pads_per_axis, per_axis
from glassgrad.nn.functional.normalization import by_channel

Many = int | Sequence[int]
"""A number for all spatial axes, or one for each."""


def family(function: Any) -> tuple[Callable[..., Any], ...]:
    """``function(x, ...)`` of any number of spatial axes as three functions, for one, two and three of them."""

    def for_axes(axes: int) -> Callable[..., Any]:
        space = ", ".join(("depth", "height", "width")[3 - axes :] if axes > 1 else ("length",))
        name = f"{function.__name__.lstrip('_')}{axes}d"

        @wraps(function)
        def of_axes(x: Any, *args: Any, **options: Any) -> Any:
            x = asarray(x)
            if x.ndim == axes + 1:  # one sample without a batch, as in PyTorch
                out = function(ag.expand_dims(x, axis=0), *args, **options)
                return tuple(ag.squeeze(y, axis=0) for y in out) if isinstance(out, tuple) else ag.squeeze(out, axis=0)
            if x.ndim != axes + 2:
                raise ShapeError(
                    f"{name} takes x (batch, channels, {space}), or one sample (channels, {space}); it was given shape "
                    f"{x.shape}."
                )
            return function(x, *args, **options)

        of_axes.__name__ = of_axes.__qualname__ = name
        of_axes.__doc__ = (function.__doc__ or "").replace("*space", space)
        return of_axes

    return tuple(map(for_axes, (1, 2, 3)))


# ---------------------------------------------------------------------------------------------------------- convolution


def plain(values: Any) -> Any:
    """A tuple of equal numbers, or of equal pairs of them, as one number: shorter in pictures and reprs."""
    values = tuple(values) if isinstance(values, list) else values
    if not isinstance(values, tuple) or len(set(values)) != 1:
        return values
    one = plain(values[0])
    return values if isinstance(one, tuple) else one


def pads_of(padding: Any, size: Sequence[int], stride: Sequence[int], dilation: Sequence[int]) -> Any:
    """PyTorch's padding, ``"same"`` and ``"valid"`` included, as a pair for each axis."""
    if padding != "same":
        return pads_per_axis(0 if padding == "valid" else padding, len(size))
    if any(s != 1 for s in stride):
        raise DomainError(f"padding='same' keeps the size only with stride 1; the stride is {tuple(stride)}.")
    total = [d * (k - 1) for k, d in zip(size, dilation, strict=True)]
    return tuple((n // 2, n - n // 2) for n in total)


def conv(
    x: Any, weight: Any, bias: Any = None, stride: Many = 1, padding: Any = 0, dilation: Many = 1, groups: int = 1
) -> Tensor:
    """The convolution of ``x`` with ``weight``, plus ``bias``.

    ``x``: (batch, in, *space). ``weight``: (out, in / groups, *space). ``bias``: (out,) or ``None``. ``stride``,
    ``dilation``: a number, or one for each axis. ``padding``: likewise, or a pair (before, after) for each axis, or
    ``"same"`` or ``"valid"``. The result is (batch, out, *space). Raises `autograd.errors.ShapeError` and
    `autograd.errors.DomainError` for arguments that do not fit.
    """
    axes, weight = x.ndim - 2, asarray(weight)
    stride, dilation = per_axis(stride, axes, "stride"), per_axis(dilation, axes, "dilation")
    pads = pads_of(padding, weight.shape[2:], stride, dilation)
    return ag.conv(x, weight, bias, stride=plain(stride), padding=plain(pads), dilation=plain(dilation), groups=groups)


def conv_transpose(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Many = 1,
    padding: Many = 0,
    output_padding: Many = 0,
    groups: int = 1,
    dilation: Many = 1,
) -> Tensor:
    """The transposed convolution: the gradient of a convolution with respect to its input, as an operation of its own.

    ``x``: (batch, in, *space). ``weight``: (in, out / groups, *space). ``bias``: (out,) or ``None``.
    ``output_padding``: added to the end of each axis of the result, because convolutions of several input sizes give
    the size of ``x``. The result is (batch, out, *space).
    """
    axes, weight = x.ndim - 2, asarray(weight)
    stride, dilation = per_axis(stride, axes, "stride"), per_axis(dilation, axes, "dilation")
    pads, more = per_axis(padding, axes, "padding", 0), per_axis(output_padding, axes, "output_padding", 0)
    if any(m >= max(s, d) for m, s, d in zip(more, stride, dilation, strict=True)):
        raise DomainError(f"output_padding {more} must be smaller than the stride {stride} or the dilation {dilation}.")
    space = tuple(
        (n - 1) * s - 2 * p + d * (k - 1) + m + 1
        for n, s, p, d, k, m in zip(x.shape[2:], stride, pads, dilation, weight.shape[2:], more, strict=False)
    )
    if min(space, default=1) < 1:
        raise ShapeError(f"conv_transpose{axes}d: padding {pads} leaves nothing of x {x.shape}: the result is {space}.")
    z = ag.conv_input(
        x, weight, space=space, stride=plain(stride), padding=plain(pads), dilation=plain(dilation), groups=groups
    )
    return by_channel(z, None, bias)


# -------------------------------------------------------------------------------------------------------------- pooling


def _windows(
    name: str, x: Tensor, kernel_size: Many, stride: Any, padding: Many, dilation: Many, ceil_mode: bool
) -> dict[str, Any]:
    """The parameters of a pooling as its operation takes them."""
    axes = x.ndim - 2
    size, dilation = per_axis(kernel_size, axes, "kernel_size"), per_axis(dilation, axes, "dilation")
    stride, pads = size if stride is None else per_axis(stride, axes, "stride"), per_axis(padding, axes, "padding", 0)
    if any(2 * p > k for p, k in zip(pads, size, strict=True)):
        raise DomainError(f"{name}: padding {pads} is more than half of kernel_size {size}: a window would be empty.")
    both = tuple((p, p) for p in pads)
    if ceil_mode:
        both = to_the_end(x.shape[2:], size, stride, dilation, both)
    return {"size": size, "stride": stride, "padding": both, "dilation": dilation}


def to_the_end(
    space: Sequence[int],
    size: Sequence[int],
    stride: Sequence[int],
    dilation: Sequence[int],
    pads: Sequence[tuple[int, int]],
) -> tuple[tuple[int, int], ...]:
    """The padding that includes a last, incomplete window, unless it begins in the padding at the end."""
    found = []
    for n, k, s, d, (before, behind) in zip(space, size, stride, dilation, pads, strict=True):
        span = d * (k - 1) + 1
        count = -(-(n + before + behind - span) // s) + 1
        count -= (count - 1) * s >= n + before
        found.append((before, max(behind, (count - 1) * s + span - n - before)))
    return tuple(found)


def shortened(windows: dict[str, Any]) -> dict[str, Any]:
    """The parameters without those at their defaults; the others shortened by `plain`."""
    stride = {} if windows["stride"] == windows["size"] else {"stride": plain(windows["stride"])}
    return {name: plain(value) for name, value in windows.items() if name != "stride"} | stride


def max_pool(
    x: Tensor,
    kernel_size: Many,
    stride: Many | None = None,
    padding: Many = 0,
    dilation: Many = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest element of each window of ``kernel_size``.

    ``x``: (batch, channels, *space). ``stride``: ``kernel_size`` by default. ``ceil_mode``: the last window may reach
    over the end. ``return_indices``: also return the index of each maximum in the flattened space of its channel. Of
    several maxima the first counts, of several NaN the last, as in PyTorch; the gradient goes to that element.
    """
    windows = _windows("max_pool", x, kernel_size, stride, padding, dilation, ceil_mode)
    out = ag.max_pool(x, **shortened(windows))
    if not return_indices:
        return out
    places = NUMPY.broadcast_to(NUMPY.arange(math.prod(x.shape[2:])).reshape(x.shape[2:]), x.shape)
    return out, ag.at_max(asarray(places, device=x.device), x.detach(), **shortened(windows))


def avg_pool(
    x: Tensor,
    kernel_size: Many,
    stride: Many | None = None,
    padding: Many = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """The mean of each window of ``kernel_size``.

    ``x``: (batch, channels, *space). ``count_include_pad``: whether the zeros of the padding count.
    """
    windows = _windows("avg_pool", x, kernel_size, stride, padding, 1, ceil_mode)
    return mean_pool(x, windows, tuple((p, p) if count_include_pad else (0, 0) for p, _ in windows["padding"]))


def mean_pool(x: Any, windows: dict[str, Any], counted: Sequence[tuple[int, int]]) -> Tensor:
    """The mean of each of the ``windows``, which are those of `autograd.sum_pool`.

    ``counted``: the part of their padding (before, behind) of each axis whose zeros count.
    """
    total: Tensor = ag.sum_pool(x, **shortened(windows))
    beyond = tuple((a - c, b - d) for (a, b), (c, d) in zip(windows["padding"], counted, strict=True))
    if not any(map(any, beyond)):
        return total * (1 / math.prod(windows["size"]))  # type: ignore[no-any-return]
    framed = (n + a + b for n, (a, b) in zip(x.shape[2:], counted, strict=True))
    ones = asarray(NUMPY.ones((1, 1, *framed)), dtype=x.dtype, device=x.device)
    return total / ag.sum_pool(ones, **{**windows, "padding": beyond})


def _adaptive(output_size: Any, space: Sequence[int]) -> list[list[tuple[int, int]]]:
    """The windows (start, stop) of an adaptive pooling along each axis; ``None`` in ``output_size`` keeps an axis."""
    axes = len(space)
    if 0 in space:
        raise ShapeError(f"an adaptive pooling was given an axis without elements: space is {tuple(space)}.")
    given = tuple(output_size) if isinstance(output_size, Iterable) else (output_size,) * axes
    sizes = per_axis(tuple(space[i] if s is None else s for i, s in enumerate(given)), axes, "output_size")
    return [[(i * n // m, -(-(i + 1) * n // m)) for i in range(m)] for n, m in zip(space, sizes, strict=True)]


def adaptive_max_pool(x: Tensor, output_size: Any) -> Tensor:
    """The largest element of each of ``output_size`` windows that cover the space evenly.

    ``x``: (batch, channels, *space). ``output_size``: a number, or one (or ``None``, to keep an axis) for each axis.
    """
    size = []
    for axis, spans in enumerate(_adaptive(output_size, x.shape[2:]), 2):  # the windows one after the other,
        length = max(b - a for a, b in spans)  # made equally long
        index = [min(a + i, b - 1) for a, b in spans for i in range(length)]
        x = x if index == [*range(x.shape[axis])] else _take(x, index, axis)
        size.append(length)
    return ag.max_pool(x, size=plain(size))


def adaptive_avg_pool(x: Tensor, output_size: Any) -> Tensor:
    """The mean of each of ``output_size`` windows that cover the space evenly.

    ``x``: (batch, channels, *space). ``output_size``: a number, or one (or ``None``, to keep an axis) for each axis.
    """
    windows = _adaptive(output_size, x.shape[2:])
    if all(len(spans) == 1 for spans in windows):
        return x.mean(axis=tuple(range(2, x.ndim)), keepdims=True)
    for axis, spans in enumerate(windows, 2):
        place = NUMPY.arange(x.shape[axis])
        if len(spans) != len(place):
            shares = NUMPY.stack([((a <= place) & (place < b)) / (b - a) for a, b in spans], axis=1)
            shares = asarray(shares, dtype=ag.result_type(x, 1.0), device=x.device)
            x = ag.moveaxis(ag.tensordot(x, shares, axes=((axis,), (0,))), -1, axis)
    return x


conv1d, conv2d, conv3d = family(conv)
conv_transpose1d, conv_transpose2d, conv_transpose3d = family(conv_transpose)
max_pool1d, max_pool2d, max_pool3d = family(max_pool)
avg_pool1d, avg_pool2d, avg_pool3d = family(avg_pool)
adaptive_max_pool1d, adaptive_max_pool2d, adaptive_max_pool3d = family(adaptive_max_pool)
adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d = family(adaptive_avg_pool)


def local_response_norm(x: Any, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Tensor:
    """``x / (k + alpha · mean(x²))^beta``, with the mean over ``size`` neighbouring channels, padded with zeros.

    ``x``: (batch, channels, *space). A. Krizhevsky, I. Sutskever and G. Hinton, "ImageNet classification with deep
    convolutional neural networks", 2012, in PyTorch's form.

    >>> local_response_norm([[[1.0], [1.0]]], 2, alpha=1.0, beta=1.0).tolist()
    [[[0.6666666666666666], [0.5]]]
    """
    x = asarray(x)
    (size,) = per_axis(size, 1, "size")
    alpha, beta, k = number(alpha, "alpha"), number(beta, "beta"), number(k, "k")
    rows = ag.reshape(x * x, shape=(x.shape[0], 1, x.shape[1], math.prod(x.shape[2:])))
    total = ag.sum_pool(rows, size=(size, 1), stride=1, padding=((size // 2, (size - 1) // 2), (0, 0)))
    return ag.divide(x, (ag.reshape(total, shape=x.shape) * (alpha / size) + k) ** beta)


# ----------------------------------------------------------------------------------------- windows, padding, resampling


def unfold(x: Any, kernel_size: Many, dilation: Many = 1, padding: Many = 0, stride: Many = 1) -> Tensor:
    """All windows as columns: (batch, channels, *space) to (batch, channels · elements of a window, windows).

    >>> unfold([[[[1.0, 2.0], [3.0, 4.0]]]], (2, 1)).tolist()
    [[[1.0, 2.0], [3.0, 4.0]]]
    """
    return ag.unfold(asarray(x), size=kernel_size, stride=stride, padding=padding, dilation=dilation)


def fold(
    x: Any, output_size: Many, kernel_size: Many, dilation: Many = 1, padding: Many = 0, stride: Many = 1
) -> Tensor:
    """Add columns at the positions that `unfold` took them from.

    (batch, channels · elements of a window, windows) to (batch, channels, *output_size).

    >>> fold([[[1.0, 2.0], [3.0, 4.0]]], (2, 2), (2, 1)).tolist()
    [[[[1.0, 2.0], [3.0, 4.0]]]]
    """
    space = tuple(output_size) if isinstance(output_size, Iterable) else (output_size,) * 2
    return ag.fold(asarray(x), space=space, size=kernel_size, stride=stride, padding=padding, dilation=dilation)


PADDED = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}
"""PyTorch's modes of padding, with NumPy's names for them."""


def pad(x: Any, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Any:
    """``x`` padded as in PyTorch: ``pad`` has a pair (before, after) for the last axis, the one before it, and so on.

    Negative numbers crop. ``mode``: ``"constant"`` (of ``value``, by default 0), ``"reflect"``, ``"replicate"`` or
    ``"circular"``.

    >>> pad([1.0, 2.0, 3.0], (2, 1), "reflect")
    Tensor([3.0, 2.0, 1.0, 2.0, 3.0, 2.0])
    """
    x, given = asarray(x), wholes(pad, "pad", -(2**62))
    if len(given) % 2 or len(given) > 2 * x.ndim:
        raise DomainError(f"pad takes a pair of integers for each of at most {x.ndim} axes, last first: {given!r}.")
    pairs = [(0, 0)] * (x.ndim - len(given) // 2) + [*zip(given[::2], given[1::2], strict=True)][::-1]
    if any(n + a + b < 0 for n, (a, b) in zip(x.shape, pairs, strict=True)):
        raise ShapeError(f"pad {given!r} crops more than x {x.shape} has.")
    if mode == "constant":
        x, pairs = cropped(x, pairs)
        return ag.pad(x, pad_width=pairs, constant_values=0 if value is None else value)
    return ag.pad(x, pad_width=pairs, mode=PADDED[choice(mode, "mode", ("constant", *PADDED))])


def cropped(x: Any, pairs: list[tuple[int, int]]) -> tuple[Any, list[tuple[int, int]]]:
    """``x`` without the elements that negative numbers of a padding take away, and the padding that is left."""
    kept = tuple(slice(max(-a, 0), n - max(-b, 0)) for n, (a, b) in zip(x.shape, pairs, strict=True))
    whole = all(part == slice(0, n) for part, n in zip(kept, x.shape, strict=True))
    return x if whole else ag.getitem(x, index=kept), [(max(a, 0), max(b, 0)) for a, b in pairs]


def interpolate(
    x: Any,
    size: Many | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool = False,
) -> Any:
    """Resample ``x`` (batch, channels, *space) to ``size``, or by ``scale_factor``.

    ``mode``: ``"nearest"``, or ``"linear"`` (also called ``"bilinear"``, ``"trilinear"``): interpolate between the two
    neighbours along each axis. ``align_corners``: map the first and the last elements onto each other, as in PyTorch.

    >>> interpolate([[[1.0, 3.0]]], 4, mode="linear").tolist()
    [[[1.0, 1.5, 2.5, 3.0]]]
    """
    x = asarray(x)
    axes = x.ndim - 2
    if axes < 1:
        raise ShapeError(f"interpolate takes x (batch, channels, *space); it was given shape {x.shape}.")
    if (size is None) == (scale_factor is None):
        raise DomainError("interpolate needs size or scale_factor: give one of them.")
    if size is not None:
        sizes = per_axis(size, axes, "size")
        steps = [n / m for n, m in zip(x.shape[2:], sizes, strict=True)]
    else:
        given = scale_factor if isinstance(scale_factor, Sequence) else (scale_factor,) * axes
        factors = [number(factor, "scale_factor") for factor in given]
        if len(factors) != axes:
            raise DomainError(f"scale_factor is one number, or one for each of the {axes} spatial axes, not {given!r}.")
        sizes = per_axis(tuple(math.floor(n * f) for n, f in zip(x.shape[2:], factors, strict=True)), axes, "size")
        steps = [1 / factor for factor in factors]
    choice(mode, "mode", ("nearest", "linear", "bilinear", "trilinear"))
    for axis, (m, step) in enumerate(zip(sizes, steps, strict=True), 2):
        n, new = x.shape[axis], NUMPY.arange(m, dtype="float64")
        if mode == "nearest":
            x = _take(x, NUMPY.minimum(NUMPY.floor(new * step), n - 1), axis)
        elif m != n:  # else as in PyTorch the same, even if a factor would move the sampling points
            corners = new * ((n - 1) / max(m - 1, 1))
            x = resampled(x, axis, corners if align_corners else NUMPY.maximum((new + 0.5) * step - 0.5, 0))
    return x


def resampled(
    x: Any, axis: int, places: Any, cubic: float | None = None, shrink: float = 1.0, inside: bool = False
) -> Any:
    """``x`` between its elements at the ``places`` along an axis, beyond which those at the edges go on.

    Linear, or with Keys' kernel of the coefficient ``cubic``. ``shrink``: below 1, the kernel is that much wider, as a
    smaller picture needs. ``inside``: elements beyond the edges do not count.
    """
    n, reach = x.shape[axis], (1 if cubic is None else 2) / shrink
    taps = NUMPY.floor(places - reach)[:, None] + NUMPY.arange(1, 2 * math.ceil(reach) + 1)
    d = NUMPY.abs(places[:, None] - taps) * shrink
    if cubic is None:
        weights = NUMPY.maximum(1 - d, 0.0)
    else:
        near = ((cubic + 2) * d - (cubic + 3)) * d * d + 1
        weights = NUMPY.where(d <= 1, near, NUMPY.where(d < 2, (((d - 5) * d + 8) * d - 4) * cubic, 0.0))
    if inside:
        weights = NUMPY.where((taps < 0) | (taps >= n), 0.0, weights)
    if inside or shrink < 1:
        weights = weights / weights.sum(axis=1, keepdims=True)
    weights = weights.reshape(*weights.shape, *(1,) * (x.ndim - 1 - axis)).astype(
        x.dtype if is_inexact(x.dtype) else "float64"
    )
    index = NUMPY.clip(taps, 0, n - 1)
    parts = (_take(x, index[:, k], axis) * asarray(weights[:, k], device=x.device) for k in range(taps.shape[1]))
    return sum(parts, start=next(parts))


def _take(x: Any, index: Any, axis: int) -> Tensor:
    return ag.take(x, asarray(NUMPY.asarray(index, dtype="int64"), device=x.device), axis=axis)
