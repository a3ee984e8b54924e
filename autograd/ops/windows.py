"""Operations over sliding windows: convolution and pooling, along any number of axes.

Shapes are PyTorch's, ``(n, channels, *space)``. In memory the results are channels-last, ``(n, *space, channels)``:
each window is then a few contiguous runs, and the products of a convolution need no transpose.

A convolution is one trilinear form, ``T(x, w, g) = Σ x[n, c, s·i + d·k - p] w[o, c, k] g[n, o, i]``, with the stride s,
the dilation d and the padding p. Its derivative with respect to each factor is an operation on the other two: `conv`,
`conv_input` and `conv_weight`. So the three are closed under differentiation. The same holds for the sums over windows
and for picking their maxima.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache, reduce
from itertools import product, repeat
from typing import Any, NamedTuple

from glassgrad.autograd.engine.operation import Op, op
from glassgrad.autograd.errors import DomainError, DTypeError, ShapeError

TILE = 1 << 17
"""How many elements of windows are copied for one matrix product: about half of what a core's cache holds."""

PIECE = 1 << 20
"""How many elements are compared at a time in pooling, and how many products are added in a transposed convolution."""

ROWS = 384
"""The least number of rows of a product, because BLAS packs the other matrix again for each product."""

SHORT = 13
"""Windows with fewer contiguous elements than this are copied element by element, each for a row of windows at once."""

LINE = 16
"""At least how many channels are compared at a time: the elements in a cache line."""

Space = tuple[int, ...]
Pads = tuple[tuple[int, int], ...]

# ------------------------------------------------------------------------------------------------------------- geometry


def _each(value: Any, axes: int) -> tuple[Any, ...]:
    """``value`` as a tuple; a single value is repeated for all ``axes``. Integers become Python's."""
    values = tuple(value) if isinstance(value, Iterable) and getattr(value, "shape", True) else (value,) * axes
    return tuple(operator.index(v) if type(v) is not bool and hasattr(v, "__index__") else v for v in values)


def per_axis(value: int | Sequence[int], axes: int, name: str, least: int = 1) -> Space:
    """``value``, one for all axes or one for each, as a tuple of ``axes`` integers."""
    values = _each(value, axes)
    if len(values) != axes or not all(type(v) is int and v >= least for v in values):
        way = f"give an integer of at least {least}, or one for each of the {axes} spatial axes"
        raise DomainError(f"{name} = {value!r}: {way}.")
    return values


def pads_per_axis(padding: Any, axes: int) -> Pads:
    """``padding``, one for all axes, one for each, or (before, after) for each, as a pair for each axis."""
    pairs = tuple(_each(p, 2) for p in _each(padding, axes))
    if len(pairs) != axes or not all(len(p) == 2 and all(type(v) is int and v >= 0 for v in p) for p in pairs):
        way = f"give an integer of at least 0, or one, or a pair (before, after), for each of the {axes} spatial axes"
        raise DomainError(f"padding = {padding!r}: {way}.")
    return pairs


class Windows(NamedTuple):
    """How windows slide along the axes of ``space``, and how many there are, ``counts``."""

    space: Space
    size: Space
    stride: Space
    pads: Pads
    dilation: Space
    counts: Space

    @property
    def wide(self) -> Space:
        """The space with its padding."""
        return tuple(n + a + b for n, (a, b) in zip(self.space, self.pads, strict=True))


def windows_of(
    name: str, space: Sequence[int], size: Any, stride: Any, padding: Any, dilation: Any, counts: Any = None
) -> Windows:
    """The windows over ``space``, from one parameter for all axes or one for each; ``counts``: by default as many as
    fit. Raises `ShapeError` where none does.
    """
    axes, space = len(space), tuple(space)
    size = per_axis(size, axes, "size")
    stride, pads = size if stride is None else per_axis(stride, axes, "stride"), pads_per_axis(padding, axes)
    found = Windows(space, size, stride, pads, per_axis(dilation, axes, "dilation"), counts or ())
    if counts:
        return found
    reach = tuple(d * (k - 1) + 1 for k, d in zip(size, found.dilation, strict=True))
    counts = tuple((n - r) // s + 1 for n, r, s in zip(found.wide, reach, stride, strict=True))
    if min(counts, default=1) < 1:
        raise ShapeError(f"{name}: the window, {reach}, is larger than the input, {found.wide} with its padding.")
    return found._replace(counts=counts)


def _channels_last(xp: Any, x: Any) -> Any:
    return xp.permute_dims(x, axes=(0, *range(2, len(x.shape)), 1))


def _channels_first(xp: Any, x: Any) -> Any:
    return xp.permute_dims(x, axes=(0, len(x.shape) - 1, *range(1, len(x.shape) - 1)))


class Into(NamedTuple):
    """The namespace of a forward that writes its result into ``out``, as in a compiled program."""

    xp: Any
    out: Any


def _result(xp: Any, shape: Sequence[int], *inputs: Any) -> tuple[Any, Any]:
    """The namespace to compute with, and an array (n, channels, *space) for the result of an operation on ``inputs``,
    channels-last in memory.
    """
    if type(xp) is Into:
        return xp
    dtype = inputs[0].dtype if len(inputs) == 1 else xp.result_type(*(x.dtype for x in inputs))
    xp.opaque(tuple(shape), dtype)
    n, channels, *space = shape
    return xp, _channels_first(xp, xp.empty((n, *space, channels), dtype=dtype))


def windowed(symbol: str, **notation: Any) -> Callable[[Callable[..., Any]], Op]:
    """`op`, for a forward that begins with `_result`: so it is its own kernel, whose results are channels-last."""

    def declare(forward: Callable[..., Any]) -> Op:
        made = op(symbol, **notation)(forward)
        made.into = lambda xp, out, *arrays, **how: forward(Into(xp, out), *arrays, **how)
        made.order = lambda ndim: (0, *range(2, ndim), 1)
        return made

    return declare


def _padded(xp: Any, x: Any, pads: Sequence[tuple[int, int]], value: float = 0.0) -> Any:
    """``x``, channels-last, framed by ``value`` where a pad is positive, cropped where it is negative; contiguous."""
    space = x.shape[1:-1]
    kept = [slice(max(-a, 0), max(min(n + b, n), -a, 0)) for n, (a, b) in zip(space, pads, strict=True)]
    inside = x[(slice(None), *kept, ...)]
    wide = tuple(n + a + b for n, (a, b) in zip(space, pads, strict=True))
    if inside.shape[1:-1] == wide:
        return xp.contiguous(inside)
    out = xp.full((x.shape[0], *wide, x.shape[-1]), value, dtype=x.dtype)
    out[:, *(slice(max(a, 0), n - max(b, 0)) for n, (a, b) in zip(wide, pads, strict=True)), :] = inside
    return out


def _tiles(n: int, space: Space, each: int) -> Iterator[tuple[Any, ...]]:
    """Indices of the output, a few images or rows at a time, whose windows have about `TILE` elements; ``each``: the
    elements of a window.
    """
    bound, whole = max(TILE, ROWS * each), math.prod(space) * each
    images = max(1, min(n, -(-bound // max(whole, 1))))
    rows = -(-space[0] // max(1, whole // bound))
    for i in range(0, n, images):
        for r in range(0, space[0], rows):
            yield slice(i, i + images), slice(r, r + rows), ...


def _matrices(xp: Any, x: Any, groups: int) -> Any:
    """``x``, whose last axis are channels, as a matrix (rows, channels / groups) for each group: where ``x`` is
    contiguous, a view.
    """
    rows = xp.reshape(x, (math.prod(x.shape[:-1]), groups, x.shape[-1] // groups))
    return xp.permute_dims(rows, axes=(1, 0, 2))


def _is_short(size: Space, channels: int, groups: int) -> bool:
    """Whether windows are copied element by element."""
    return math.prod(size) > 1 and channels // groups * (size[-1] if groups == 1 else 1) < SHORT


def _seen(xp: Any, x: Any, windows: Windows) -> Any:
    """The windows of ``x`` (n, *space, channels), padded, as (n, *counts, *size, channels)."""
    return xp.sliding_windows(x, windows.size, windows.stride, windows.dilation, windows.counts)


def _columns(xp: Any, x: Any, windows: Windows, groups: int, short: bool) -> Iterator[tuple[Any, Any]]:
    """Tiles of the output, each with its windows of ``x`` (channels-last, padded) as a matrix (rows, taps · channels)
    for each group; (rows, channels · taps) if they are ``short``.
    """
    seen, size = _seen(xp, x, windows), windows.size
    axes, channels, taps = len(size), x.shape[-1], math.prod(size)
    if short:
        seen = xp.permute_dims(seen, axes=(2 * axes + 1, *range(axes + 1, 2 * axes + 1), *range(axes + 1)))
    elif groups == 1 == windows.dilation[-1]:  # in NumPy a view
        seen = xp.reshape(seen, (*seen.shape[:-2], size[-1] * channels))
    for tile in _tiles(x.shape[0], windows.counts, taps * channels):
        if short:
            part = xp.contiguous(seen[(slice(None),) * (axes + 1) + tile])
            yield tile, xp.reshape(part, (groups, taps * channels // groups, math.prod(part.shape[axes + 1 :]))).mT
        else:
            part = seen[tile]
            rows = math.prod(part.shape[: axes + 1])
            part = xp.permute_dims(xp.reshape(part, (rows, taps, groups, channels // groups)), axes=(2, 0, 1, 3))
            yield tile, xp.reshape(part, (groups, rows, taps * channels // groups))


def _by_tap(xp: Any, x: Any, windows: Windows) -> Iterator[tuple[Any, Any, Any]]:
    """Tiles of the output, with each tap and the elements of ``x`` (channels-last, padded) at it."""
    seen = _seen(xp, x, windows)
    for tile in _tiles(x.shape[0], windows.counts, 4 * x.shape[-1]):
        for tap in product(*map(range, windows.size)):
            yield tile, tap, seen[tile][..., *tap, :]


def _correlate(xp: Any, out: Any, x: Any, weight: Any, windows: Windows, groups: int) -> None:
    """The convolution of ``x``, channels-last and padded, with ``weight``, written into ``out`` (n, *space, out) a tile
    at a time.
    """
    outside, inside = weight.shape[:2]
    if groups == x.shape[-1] == outside > 1:  # each channel alone: no products of matrices
        out[...] = 0
        for tile, tap, seen in _by_tap(xp, x, windows):
            out[tile] += seen * weight[:, 0, *tap]
        return
    rows, taps = outside // groups, math.prod(windows.size)
    # Of few windows elements are copied into the order of the weight, instead of a weight that is larger than they are.
    short = 0 < math.prod(out.shape[:-1]) < rows or _is_short(windows.size, x.shape[-1], groups)
    w = xp.reshape(weight, (groups, rows, inside, taps))
    w = xp.reshape(w if short else xp.permute_dims(w, axes=(0, 1, 3, 2)), (groups, rows, inside * taps)).mT
    for tile, columns in _columns(xp, x, windows, groups, short):
        xp.matmul_into(columns, w, _matrices(xp, out[tile], groups))


def _spread_products(xp: Any, out: Any, y: Any, weight: Any, windows: Windows, groups: int) -> None:
    """The transposed convolution of ``y`` with ``weight``, written into ``out``, all channels-last: the product of each
    element and the weight is added to its window, of a few images at a time.
    """
    (outside, inside), taps = weight.shape[:2], math.prod(windows.size)
    w = xp.reshape(weight, (groups, outside // groups, inside * taps))
    images = max(1, PIECE // max(1, math.prod(windows.counts) * groups * inside * taps))
    for i in range(0, y.shape[0], images):
        some, few = y[i : i + images, ...], out[i : i + images, ...]
        if inside == 1 == outside // groups:
            shares = (some * weight[:, 0, *tap] for tap in product(*map(range, windows.size)))
        else:
            parts = xp.empty((*some.shape[:-1], groups * inside * taps), dtype=out.dtype)
            xp.matmul_into(_matrices(xp, some, groups), w, _matrices(xp, parts, groups))
            parts = xp.reshape(parts, (*some.shape[:-1], groups * inside, taps))
            shares = (parts[..., tap] for tap in range(taps))
        _spread(xp, few, shares, windows)


def _check_groups(name: str, groups: Any, channels: int, which: str) -> None:
    if type(groups) is not int or groups < 1 or channels % groups:
        raise DomainError(f"{name}: groups must divide the {channels} {which} channels; it is {groups!r}.")


def _check_conv(x: Any, weight: Any, bias: Any, groups: int) -> None:
    """Raise for an input, a weight and a bias whose shapes do not fit a convolution."""
    if len(weight.shape) < 3 or 0 in weight.shape:
        raise ShapeError(f"conv takes a weight (out, in / groups, *size) without zeros; it was given {weight.shape}.")
    _check_groups("conv", groups, weight.shape[0], "output")
    channels, biases = weight.shape[1] * groups, bias is None or bias.shape == weight.shape[:1]
    if len(x.shape) != len(weight.shape) or x.shape[1] != channels or not biases:
        wanted = f"x (batch, {channels}, *space), of as many axes, and a bias {weight.shape[:1]} or none"
        given = f"x {x.shape} and a bias {getattr(bias, 'shape', None)}"
        raise ShapeError(f"conv with the weight {weight.shape} in {groups} group(s) takes {wanted}, not {given}.")


# ---------------------------------------------------------------------------------------------------------- convolution


@windowed("∗", text="{x} ∗ {weight} + {bias}", tex=r"{x} \ast {weight} + {bias}", level=1)
def conv(xp, x, weight, bias=None, *, stride=1, padding=0, dilation=1, groups=1, space=None):
    """The convolution (cross-correlation, as in PyTorch) of ``x`` with ``weight``, plus ``bias``.

    ``x``: (batch, in, *space). ``weight``: (out, in / groups, *size). ``bias``: (out,) or ``None``. The result is
    (batch, out, *windows). ``stride``, ``dilation``: an integer, or one for each spatial axis; ``padding``: likewise,
    or a pair (before, after) for each axis. ``groups``: the number of groups of channels, each with its own part of the
    weight. ``space``: the number of windows along each axis, by default as many as fit.

    Raises `ShapeError` for shapes that do not fit and for a window larger than the padded input, `DomainError` for
    other parameters.

    >>> from glassgrad import autograd as ag
    >>> x = ag.Tensor([[[1.0, 2.0, 3.0, 4.0]]])
    >>> ag.conv(x, ag.Tensor([[[1.0, -1.0]]]), padding=1)
    Tensor([[[-1.0, -1.0, -1.0, -1.0, 4.0]]])
    """
    _check_conv(x, weight, bias, groups)
    windows = windows_of("conv", x.shape[2:], weight.shape[2:], stride, padding, dilation, space)
    xp, out = _result(xp, (x.shape[0], weight.shape[0], *windows.counts), x, weight)
    last = _channels_last(xp, out)
    _correlate(xp, last, _padded(xp, _channels_last(xp, x), windows.pads), weight, windows, groups)
    if bias is not None:  # a line of the output at a time: its runs of channels may be short
        last += xp.contiguous(xp.broadcast_to(bias, last.shape[-2:]))
    return out


@windowed("∗ᵀ", text="{y} ∗ᵀ {weight}", tex=r"{y} \ast^{{T}} {weight}", level=2)
def conv_input(xp, y, weight, *, space, stride=1, padding=0, dilation=1, groups=1):
    """The gradient of `conv` with respect to its input, for the upstream gradient ``y``: a transposed convolution.

    ``y``: (batch, out, *windows). ``weight``: (out, in / groups, *size). ``space``: the input's. The result is (batch,
    in, *space). The other parameters are those of `conv`.

    >>> from glassgrad import autograd as ag
    >>> ag.conv_input(ag.Tensor([[[1.0, 2.0]]]), ag.Tensor([[[1.0, 10.0]]]), space=(4,), stride=2)
    Tensor([[[ 1.0, 10.0,  2.0, 20.0]]])
    """
    if not len(y.shape) == len(weight.shape) == len(space) + 2 or y.shape[1] != weight.shape[0]:
        given = f"y {y.shape}, weight {weight.shape} and space {space}"
        raise ShapeError(f"conv_input takes (batch, out, *windows), (out, in / groups, *size) and space, not {given}.")
    _check_groups("conv_input", groups, y.shape[1], "output")
    outside, inside, *size = weight.shape
    windows, axes = windows_of("conv_input", space, size, stride, padding, dilation, y.shape[2:]), len(size)
    geometry = list(zip(*windows, strict=True))
    if any(m and (m - 1) * s + d * (k - 1) >= n + sum(p) for n, k, s, p, d, m in geometry):
        raise ShapeError(f"conv_input: {windows.counts} windows of size {windows.size} reach beyond the input {space}.")
    xp, out = _result(xp, (y.shape[0], groups * inside, *space), y, weight)
    g, last, rows = _channels_last(xp, y), _channels_last(xp, out), outside // groups
    if max(windows.stride) > 1 or rows > min(2 * inside, y.shape[0] * math.prod(windows.counts)):
        _spread_products(xp, last, g, weight, windows, groups)
        return out
    turned = xp.reshape(weight, (groups, rows, inside, *size))[..., *[slice(None, None, -1)] * axes]
    turned = xp.permute_dims(turned, axes=(0, 2, 1, *range(3, 3 + axes)))
    around = [(d * (k - 1) - a, n - m + a) for n, k, _, (a, _), d, m in geometry]
    turned = xp.reshape(turned, (groups * inside, rows, *size))
    _correlate(xp, last, _padded(xp, g, around), turned, windows._replace(counts=(*space,)), groups)
    return out


@windowed("∗ʷ", text="{x} ∗ʷ {y}", tex=r"{x} \ast^{{w}} {y}", level=2)
def conv_weight(xp, x, y, *, size, stride=1, padding=0, dilation=1, groups=1):
    """The gradient of `conv` with respect to its weight, for the upstream gradient ``y``.

    ``x``: (batch, in, *space). ``y``: (batch, out, *windows). ``size``: the weight's, along each spatial axis. The
    result is (out, in / groups, *size). The other parameters are those of `conv`.

    >>> from glassgrad import autograd as ag
    >>> ag.conv_weight(ag.Tensor([[[1.0, 2.0, 3.0]]]), ag.Tensor([[[1.0, 10.0]]]), size=(2,))
    Tensor([[[21.0, 32.0]]])
    """
    if not len(x.shape) == len(y.shape) == len(size) + 2 or x.shape[0] != y.shape[0]:
        given = f"x {x.shape}, y {y.shape} and size {size}"
        raise ShapeError(f"conv_weight takes x (batch, in, *space), y (batch, out, *windows) and size, not {given}.")
    _check_groups("conv_weight", groups, x.shape[1], "input")
    _check_groups("conv_weight", groups, y.shape[1], "output")
    xp, out = _result(xp, (y.shape[1], x.shape[1] // groups, *size), x, y)
    windows = windows_of("conv_weight", x.shape[2:], size, stride, padding, dilation, y.shape[2:])
    x, g, last = _padded(xp, _channels_last(xp, x), windows.pads), _channels_last(xp, y), _channels_last(xp, out)
    channels, outside = x.shape[-1], g.shape[-1]
    if groups == channels == outside > 1:
        last[...] = 0
        for tile, tap, seen in _by_tap(xp, x, windows):
            last[:, *tap, 0] += xp.sum(xp.reshape(seen * g[tile], (-1, channels)), axis=0)
        return out
    short = _is_short(windows.size, channels, groups)
    target = out if short else last
    if 0 in g.shape:
        target[...] = 0
    for i, (tile, columns) in enumerate(_columns(xp, x, windows, groups, short)):
        found = xp.empty(target.shape, dtype=out.dtype) if i or short else target
        parts = xp.reshape(found, (groups, outside // groups, columns.shape[-1]))
        xp.matmul_into(_matrices(xp, g[tile], groups).mT, columns, parts)
        if i:
            target += found
        elif short:
            target[...] = found
    return out


conv.vjp(
    x=lambda xp, g, weight, x_shape, space, **how: xp.conv_input(g, weight, space=x_shape[2:], **how),
    weight=lambda xp, g, x, weight_shape, space, **how: xp.conv_weight(x, g, size=weight_shape[2:], **how),
    bias=lambda xp, g: xp.sum(g, axis=(0, *range(2, len(g.shape)))),
)
conv_input.vjp(
    y=lambda xp, g, weight, y_shape, space, **how: xp.conv(g, weight, space=y_shape[2:], **how),
    weight=lambda xp, g, y, weight_shape, space, **how: xp.conv_weight(g, y, size=weight_shape[2:], **how),
)
conv_weight.vjp(
    x=lambda xp, g, y, x_shape, size, **how: xp.conv_input(y, g, space=x_shape[2:], **how),
    y=lambda xp, g, x, y_shape, size, **how: xp.conv(x, g, space=y_shape[2:], **how),
)


# -------------------------------------------------------------------------------------------------------------- pooling


def _pooling(
    name: str, shape: Sequence[int], size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1
) -> Windows:
    """The windows of a pooling of ``shape``."""
    if len(shape) < 3:
        raise ShapeError(f"{name} takes x (batch, channels, *space); it was given shape {shape}.")
    return windows_of(name, shape[2:], size, stride, padding, dilation)


@lru_cache(maxsize=64)
def _taps(windows: Windows) -> tuple[tuple[slice, ...], ...]:
    """For each tap, the index into the padded space of the elements of all windows at that tap."""
    axes = (
        [slice(k * d, k * d + s * (m - 1) + 1, s) for k in range(n)] for _, n, s, _, d, m in zip(*windows, strict=True)
    )
    return tuple(product(*axes))


def _framed(xp: Any, x: Any, pads: Pads) -> Any:
    """``x`` (n, channels, *space) framed by zeros."""
    return _channels_first(xp, _padded(xp, _channels_last(xp, x), pads)) if any(map(any, pads)) else x


def _spread(xp: Any, out: Any, shares: Iterable[Any], windows: Windows) -> None:
    """Write into ``out``, channels-last, for each element the sum of its shares in all windows."""
    is_framed = any(map(any, windows.pads))
    framed = xp.empty((out.shape[0], *windows.wide, out.shape[-1]), dtype=out.dtype) if is_framed else out
    every = math.prod(windows.wide) == math.prod(windows.counts) * math.prod(windows.size)
    once = every and all(s > d * (k - 1) for _, k, s, _, d, _ in zip(*windows, strict=True))
    if not once:
        framed[...] = 0
    for tap, share in zip(_taps(windows), shares, strict=False):
        if once:
            framed[:, *tap, :] = share
        else:
            framed[:, *tap, :] += share
    if is_framed:
        out[...] = framed[:, *(slice(a, a + n) for n, (a, _) in zip(windows.space, windows.pads, strict=True)), :]


def _lowest(xp: Any, dtype: Any) -> Any:
    if not xp.isdtype(dtype, ("real floating", "integral")):
        raise DTypeError(f"max pooling was given {dtype}: give real numbers, which have an order.")
    return -math.inf if xp.isdtype(dtype, "real floating") else xp.iinfo(dtype).min


def _check_places(name: str, y: Any, shape: Sequence[int], places: str) -> None:
    if y.shape != tuple(shape):
        raise ShapeError(f"{name} takes y of shape {tuple(shape)}, an element for each {places}; it has {y.shape}.")


def _pool(xp: Any, x: Any, windows: Windows) -> tuple[list[Any], list[Any], Any]:
    """The parts of max pooling of ``x``, channels-last: for each tap the index into the padded ``x`` and the elements
    there, one per window; and the maxima.
    """
    framed = _padded(xp, x, windows.pads, _lowest(xp, x.dtype))
    taps = [(slice(None), *tap, ...) for tap in _taps(windows)]
    parts = [framed[tap] for tap in taps]
    if windows.stride[-1] > 1:  # not contiguous: copies are compared faster
        parts = [xp.contiguous(part) for part in parts]
    return taps, parts, reduce(xp.maximum, parts)


def _places(xp: Any, x: Any, windows: Windows) -> Iterator[tuple[Any, Any]]:
    """For each tap of max pooling of ``x``: its index into the padded ``x``, and the mask of windows whose first
    maximum or last NaN is at this tap. The padding is never chosen.
    """
    (taps, parts, high), pads = _pool(xp, x, windows), windows.pads
    free, inside, late = high == high, None, []
    if any(map(any, pads)) and xp.may_hold(high == _lowest(xp, x.dtype)):
        inside = _padded(xp, xp.ones((1, *x.shape[1:-1], 1), dtype=xp.bool), pads, False)
    if xp.may_hold(nan := high != high):
        for part in reversed(parts):
            late.append((part != part) & nan)
            nan ^= late[-1]
    for tap, part in zip(taps, parts, strict=True):
        here = part == high
        here &= free if inside is None else free & inside[tap]
        free ^= here
        yield tap, here | late.pop() if late else here


def _images(x: Any) -> Iterator[tuple[Any, ...]]:
    """Indices of a few images of ``x``, channels-last, that fit into a cache; of large images a few channels each."""
    count = max(1, PIECE // max(1, math.prod(x.shape[1:])))
    step = max(LINE, PIECE // max(1, math.prod(x.shape[1:-1])))
    for i in range(0, x.shape[0], count):
        for c in range(0, x.shape[-1], step):
            yield slice(i, min(i + count, x.shape[0])), ..., slice(c, min(c + step, x.shape[-1]))


@windowed("max pool", text="max_pool({x})", tex=r"\operatorname{{maxpool}}({x})")
def max_pool(xp, x, *, size, stride=None, padding=0, dilation=1):
    """The largest element of each window.

    ``x``: (batch, channels, *space); the result is (batch, channels, *windows). ``size``, ``stride`` (by default
    ``size``), ``dilation``: an integer, or one for each spatial axis; ``padding``, which is never the largest,
    likewise or a pair (before, after) for each axis. The gradient goes to the first maximum, or to the last NaN, as in
    PyTorch.

    >>> from glassgrad import autograd as ag
    >>> ag.max_pool(ag.Tensor([[[1.0, 3.0, 2.0, 0.0]]]), size=2)
    Tensor([[[3.0, 2.0]]])
    """
    windows = _pooling("max_pool", x.shape, size, stride, padding, dilation)
    xp, out = _result(xp, (*x.shape[:2], *windows.counts), x)
    x, last = _channels_last(xp, x), _channels_last(xp, out)
    for some in _images(x):
        *_, last[some] = _pool(xp, x[some], windows)
    return out


@windowed("max unpool", text="max_unpool({y}, {x})", tex=r"\operatorname{{unpool}}({y}, {x})")
def max_unpool(xp, y, x, *, size, stride=None, padding=0, dilation=1):
    """Each element of ``y`` where its window of ``x`` has its first maximum or last NaN, 0 elsewhere: the gradient of
    `max_pool`.

    ``y``: (batch, channels, *windows). ``x``: (batch, channels, *space), and so is the result.

    >>> from glassgrad import autograd as ag
    >>> ag.max_unpool(ag.Tensor([[[5.0, 7.0]]]), ag.Tensor([[[1.0, 3.0, 2.0, 0.0]]]), size=2)
    Tensor([[[0.0, 5.0, 7.0, 0.0]]])
    """
    windows = _pooling("max_unpool", x.shape, size, stride, padding, dilation)
    _check_places("max_unpool", y, (*x.shape[:2], *windows.counts), "window of x")
    xp, out = _result(xp, x.shape, y)
    x, y, last = (_channels_last(xp, z) for z in (x, y, out))
    for some in _images(x):
        sent, places = xp.contiguous(y[some]), _places(xp, x[some], windows)
        _spread(xp, last[some], (xp.masked(sent, here) for _, here in places), windows)
    return out


@windowed("at max", text="at_max({y}, {x})", tex=r"\operatorname{{atmax}}({y}, {x})")
def at_max(xp, y, x, *, size, stride=None, padding=0, dilation=1):
    """The element of ``y`` where each window of ``x`` has its first maximum or last NaN: the gradient of `max_unpool`.

    ``y``, ``x``: (batch, channels, *space). The result is (batch, channels, *windows).

    >>> from glassgrad import autograd as ag
    >>> ag.at_max(ag.Tensor([[[0, 1, 2, 3]]]), ag.Tensor([[[1.0, 3.0, 2.0, 0.0]]]), size=2).tolist()
    [[[1, 2]]]
    """
    windows = _pooling("at_max", x.shape, size, stride, padding, dilation)
    _check_places("at_max", y, x.shape, "element of x")
    xp, out = _result(xp, (*x.shape[:2], *windows.counts), y)
    x, y, last = (_channels_last(xp, z) for z in (x, y, out))
    for some in _images(x):
        found = _padded(xp, y[some], windows.pads)
        last[some] = sum(xp.masked(found[tap], here) for tap, here in _places(xp, x[some], windows))
    return out


max_pool.vjp(x=lambda xp, g, x, **how: xp.max_unpool(g, x, **how))
max_unpool.vjp(y=lambda xp, g, x, **how: xp.at_max(g, x, **how), x=None)
at_max.vjp(y=lambda xp, g, x, **how: xp.max_unpool(g, x, **how), x=None)


@windowed("Σ pool", text="sum_pool({x})", tex=r"\operatorname{{sumpool}}({x})")
def sum_pool(xp, x, *, size, stride=None, padding=0, dilation=1):
    """The sum over each window; the parameters are those of `max_pool`.

    >>> from glassgrad import autograd as ag
    >>> ag.sum_pool(ag.Tensor([[[1.0, 3.0, 2.0, 0.0]]]), size=2, stride=1)
    Tensor([[[4.0, 5.0, 2.0]]])
    """
    windows = _pooling("sum_pool", x.shape, size, stride, padding, dilation)
    xp, out = _result(xp, (*x.shape[:2], *windows.counts), x)
    framed = _framed(xp, x, windows.pads)
    first, *others = _taps(windows)
    out[...] = framed[..., *first]
    for tap in others:
        out += framed[..., *tap]
    return out


@windowed("Σ unpool", text="sum_unpool({y})", tex=r"\operatorname{{spread}}({y})")
def sum_unpool(xp, y, *, space, size, stride=None, padding=0, dilation=1):
    """Each element of ``y`` added to every element of its window: the gradient of `sum_pool` with respect to its input.

    ``y``: (batch, channels, *windows). ``space``: the input's. The result is (batch, channels, *space).

    >>> from glassgrad import autograd as ag
    >>> ag.sum_unpool(ag.Tensor([[[5.0, 7.0]]]), space=(3,), size=2, stride=1)
    Tensor([[[ 5.0, 12.0,  7.0]]])
    """
    windows = _pooling("sum_unpool", (0, 0, *space), size, stride, padding, dilation)
    xp, out = _result(xp, (*y.shape[:2], *space), y)
    y = xp.contiguous(_channels_last(xp, y))
    _spread(xp, _channels_last(xp, out), repeat(y), windows)
    return out


sum_pool.vjp(x=lambda xp, g, x_shape, **how: xp.sum_unpool(g, space=x_shape[2:], **how))
sum_unpool.vjp(y=lambda xp, g, space, **how: xp.sum_pool(g, **how))


# ------------------------------------------------------------------------------------------------------ unfold and fold


@op("unfold", text="unfold({x})", tex=r"\operatorname{{unfold}}({x})")
def unfold(xp, x, *, size, stride=1, padding=0, dilation=1):
    """All windows as columns: (batch, channels, *space) becomes (batch, channels · taps, windows), as in PyTorch.

    >>> from glassgrad import autograd as ag
    >>> ag.unfold(ag.Tensor([[[1.0, 2.0, 3.0]]]), size=2)
    Tensor([[[1.0, 2.0],
             [2.0, 3.0]]])
    """
    windows = _pooling("unfold", x.shape, size, stride, padding, dilation)
    shape = x.shape[0], x.shape[1] * math.prod(windows.size), math.prod(windows.counts)
    xp.opaque(shape, x.dtype)
    framed = _framed(xp, x, windows.pads)
    return xp.reshape(xp.stack([framed[..., *tap] for tap in _taps(windows)], axis=2), shape)


@windowed("fold", text="fold({y})", tex=r"\operatorname{{fold}}({y})")
def fold(xp, y, *, space, size, stride=1, padding=0, dilation=1):
    """Columns added where `unfold` took them from: (batch, channels · taps, windows) becomes (batch, channels, *space).

    >>> from glassgrad import autograd as ag
    >>> ag.fold(ag.Tensor([[[1.0, 2.0], [2.0, 3.0]]]), space=(3,), size=2)
    Tensor([[[1.0, 4.0, 3.0]]])
    """
    windows = _pooling("fold", (0, 0, *space), size, stride, padding, dilation)
    taps, count = math.prod(windows.size), math.prod(windows.counts)
    if len(y.shape) != 3 or y.shape[1] % taps or y.shape[2] != count:
        wanted = f"columns (batch, channels · {taps}, {count}) for space {space} and size {windows.size}"
        raise ShapeError(f"fold takes {wanted}; it was given shape {y.shape}.")
    xp, out = _result(xp, (y.shape[0], y.shape[1] // taps, *space), y)
    columns = xp.reshape(y, (y.shape[0], y.shape[1] // taps, taps, *windows.counts))
    shares = (_channels_last(xp, columns[:, :, i, ...]) for i in range(taps))
    _spread(xp, _channels_last(xp, out), shares, windows)
    return out


unfold.vjp(x=lambda xp, g, x_shape, **how: xp.fold(g, space=x_shape[2:], **how))
fold.vjp(y=lambda xp, g, space, **how: xp.unfold(g, **how))
