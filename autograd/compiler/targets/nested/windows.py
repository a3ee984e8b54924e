"""Operations over sliding windows as loops: a convolution is a sum of products along strides, and so are both of its
derivatives; a pooling is a reduction over the taps of each window.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import product
from math import prod
from typing import Any

import numpy

from glassgrad.autograd.compiler.ir.program import Instruction, Value
from glassgrad.autograd.compiler.targets.nested.script import Script, whole
from glassgrad.autograd.compiler.targets.nests import Nest, View
from glassgrad.autograd.ops.windows import Space, windows_of
from glassgrad.autograd.ops.windows import Windows as Sliding


class Windows(Sliding):
    """How windows slide over the last axes of an array (batch, channels, *space)."""

    @classmethod
    def over(cls, space: Space, size: Any, counts: Space | None = None, **sliding: Any) -> Windows:
        """The windows of an operation with these parameters."""
        return cls(*windows_of("windows", space, size, counts=counts, **sliding))

    def inside(self, framed: View) -> View:
        """The array without its padding."""
        return framed[(..., *(slice(a, a + n) for n, (a, _) in zip(self.space, self.pads, strict=True)))]

    def seen(self, framed: View) -> View:
        """The windows: (batch, channels, *counts, *size)."""
        first, steps = len(framed.shape) - len(self.space), framed.strides[len(framed.shape) - len(self.space) :]
        taps = tuple(s * d for s, d in zip(steps, self.dilation, strict=True))
        steps = tuple(s * d for s, d in zip(steps, self.stride, strict=True))
        shape = (*framed.shape[:first], *self.counts, *self.size)
        return replace(framed, shape=shape, strides=(*framed.strides[:first], *steps, *taps))

    @property
    def are_apart(self) -> bool:
        """Whether windows do not overlap."""
        return all(step >= (n - 1) * d + 1 for n, step, d in zip(self.size, self.stride, self.dilation, strict=True))

    @property
    def turned(self) -> Windows | None:
        """The windows over the result of a convolution whose products with its turned weight are the gradient of the
        input; ``None`` where there are none."""
        reach = [d * (n - 1) for n, d in zip(self.size, self.dilation, strict=True)]
        before = [r - a for r, (a, _) in zip(reach, self.pads, strict=True)]
        after = [n + r - m - b for n, r, m, b in zip(self.space, reach, self.counts, before, strict=True)]
        if {*self.stride} != {1} or min(*before, *after) < 0:
            return None
        return self._replace(space=self.counts, pads=tuple(zip(before, after, strict=True)), counts=self.space)

    @property
    def is_framed(self) -> bool:
        """Whether there is padding."""
        return any(map(any, self.pads))


def framed(script: Script, x: View, windows: Windows, value: str = "0", dtype: Any = None) -> View:
    """``x`` with its padding, which holds ``value``; ``x`` itself where there is none. ``dtype``: the result's by
    default."""
    if not windows.is_framed:
        return x
    dtype = dtype or script.now.out.dtype
    out = script.scratch(f"{x.data}_framed", (*x.shape[:2], *windows.wide), dtype, value)
    script.copy(x, windows.inside(out))
    return out


@contextmanager
def room(script: Script, out: View, windows: Windows) -> Iterator[View]:
    """Zeros to which windows are added: ``out``, or a larger array if there is padding, which is then cut off."""
    found = out
    if windows.is_framed:
        found = script.scratch(f"{out.data}_framed", (*out.shape[:2], *windows.wide), script.now.out.dtype)
    script.fill(found, "0")
    yield found
    if found is not out:
        script.copy(windows.inside(found), out)


def _axes(windows: View, weight: View, y: View, groups: int) -> tuple[list[Any], list[Any], list[Any]]:
    """The axes of the three factors of a convolution, each with its length and its strides in the windows of x, the
    weight and y: those of y apart from its channels, those of the channels of y, and those of x's channels and taps.
    """
    space = (len(windows.shape) - 2) // 2
    inside, outside = weight.shape[1], weight.shape[0] // groups
    steps, taps = windows.strides[2 : 2 + space], windows.strides[2 + space :]
    of_windows = [(y.shape[0], windows.strides[0], 0, y.strides[0])]
    of_windows += [(n, s, 0, t) for n, s, t in zip(y.shape[2:], steps, y.strides[2:], strict=True)]
    channels = windows.strides[1]
    of_channels = [(groups, inside * channels, outside * weight.strides[0], outside * y.strides[1])]
    of_channels += [(outside, 0, weight.strides[0], y.strides[1])]
    of_taps = [(inside, channels, weight.strides[1], 0)]
    of_taps += [(n, s, t, 0) for n, s, t in zip(weight.shape[2:], taps, weight.strides[2:], strict=True)]
    return of_windows, of_channels, of_taps


@whole("conv")
def _conv(
    script: Script,
    out: View,
    x: View,
    weight: View,
    bias: View | None = None,
    *,
    groups: int,
    space: Any,
    **sliding: Any,
) -> None:
    windows = Windows.over(x.shape[2:], weight.shape[2:], out.shape[2:], **sliding)
    if groups == 1 and script.convolve(out, x, weight, bias, windows, script.now.out.dtype):
        return
    seen = windows.seen(framed(script, x, windows))
    of_windows, of_channels, of_taps = _axes(seen, weight, out, groups)
    script.contract([*of_windows, *of_channels], [a[:3] for a in of_taps], seen, weight, out, script.now.out.dtype)
    if bias is not None:
        for _ in windows.space:
            bias = bias.with_axis(len(bias.shape), 1)
        script.copy(bias, out, "+=")


@whole("conv_input")
def _conv_input(script: Script, out: View, y: View, weight: View, *, space: Space, groups: int, **sliding: Any) -> None:
    windows = Windows.over(space, weight.shape[2:], y.shape[2:], **sliding)
    turned = windows.turned
    if groups == 1 and turned is not None:
        swapped = weight.permuted((1, 0, *range(2, len(weight.shape))))[(..., *[slice(None, None, -1)] * len(space))]
        if script.convolve(out, y, swapped, None, turned, script.now.out.dtype):
            return
    with room(script, out, windows) as found:
        seen = windows.seen(found)
        of_windows, (of_groups, (outside, _, by_weight, by_y)), of_taps = _axes(seen, weight, y, groups)
        axes = [(n, t, w, s) for n, s, w, t in (*of_windows, of_groups, *of_taps)]
        script.contract(axes, [(outside, by_y, by_weight)], y, weight, found, script.now.out.dtype, adds=True)


@whole("conv_weight")
def _conv_weight(script: Script, out: View, x: View, y: View, *, size: Space, groups: int, **sliding: Any) -> None:
    windows = Windows.over(x.shape[2:], size, y.shape[2:], **sliding)
    if groups == 1 and script.convolve_weight(out, x, y, windows, script.now.out.dtype):
        return
    seen = windows.seen(framed(script, x, windows))
    of_windows, of_channels, of_taps = _axes(seen, out, y, groups)
    axes = [(n, s, t, w) for n, s, w, t in (*of_channels, *of_taps)]
    script.contract(axes, [(n, s, t) for n, s, _, t in of_windows], seen, y, out, script.now.out.dtype)


# -------------------------------------------------------------------------------------------------------------- pooling


MOST = 32
"""Up to this number of taps each is a line of its own, so that neighbouring windows are computed at once."""

LARGEST = 64
"""The largest number of taps of windows whose maximum is looked for: each is a few lines."""


def _by_tap(seen: View) -> list[View]:
    """The elements of all windows at each tap."""
    return [seen[(..., *tap)] for tap in product(*(range(seen.shape[axis]) for axis in _taps(seen)))]


def _taps(seen: View) -> range:
    """The axes of the taps."""
    return range(len(seen.shape) // 2 + 1, len(seen.shape))


@whole("max_pool", "sum_pool")
def _pool(script: Script, out: View, x: View, **sliding: Any) -> None:
    windows, now = Windows.over(x.shape[2:], **sliding), script.now
    op, dtype = now.params["name"].removesuffix("_pool"), now.out.dtype
    combine, start = script.language.reductions[op][0], script.start_of(op, dtype)
    seen = windows.seen(framed(script, x, windows, start))
    if prod(windows.size) > MOST or 0 in seen.shape:
        value = Value("temporary", seen.shape, dtype, f"{now.args[0].name}_windows")
        script.views[value] = seen
        script.instruction(Instruction(op, (value,), {"axis": (*_taps(seen),), "keepdims": False}, now.out))
        return
    taps = _by_tap(seen)
    nest = Nest(out.shape, [*taps, out])
    lines = [script.declared("$m0", nest.at(0), dtype, constant=True)]
    for k in range(1, len(taps)):
        lines.append(script.declared(f"$x{k}", nest.at(k), dtype, constant=True))
        text = combine.format(a=f"$m{k - 1}", b=f"$x{k}")
        lines.append(script.declared(f"$m{k}", text, dtype, constant=True))
    lines.append(f"{nest.at(len(taps))} = $m{len(taps) - 1};")
    script.loop_apart(nest, [(len(nest.loops), line) for line in lines], out.data, f"{op}_pool")


def _is_first(nest: Nest, windows: Windows, tap: Sequence[int]) -> str:
    """The condition that a tap is the first of its window outside the padding.

    It holds for a range of windows along each axis. The text is empty if it never holds.
    """
    terms = []
    geometry = zip(windows.space, windows.counts, windows.stride, windows.dilation, windows.pads, tap, strict=True)
    for axis, (n, count, stride, dilation, (before, _), k) in enumerate(geometry, 2):
        inside = [before <= i * stride + k * dilation < before + n for i in range(count)]
        met = [k > 0 and i * stride + (k - 1) * dilation >= before for i in range(count)]
        first = [i for i in range(count) if inside[i] and not met[i]]
        if not first:
            return ""
        terms += [f"{nest.index(axis)} >= {first[0]}"] if first[0] else []
        terms += [f"{nest.index(axis)} <= {first[-1]}"] if first[-1] < count - 1 else []
    return f"({' & '.join(f'({term})' for term in terms) or '1'})"


def _at_largest(script: Script, x: View, other: View, target: View, windows: Windows, adds: bool) -> None:
    """Loops over windows: ``other`` is added to ``target`` at the first maximum or the last NaN, or read from
    ``target`` there. The padding is never chosen.

    Without branches: the position moves to each tap that is larger than those before, or NaN.
    """
    dtype, count = script.now.args[1].dtype, prod(windows.size)
    if count > LARGEST:
        raise script.refuse(script.now, f"looks for the maximum of more than {LARGEST} elements")
    seen = windows.seen(framed(script, x, windows, script.start_of("max", dtype), dtype))
    taps, targets = map(_by_tap, (seen, windows.seen(target)))
    truth = numpy.dtype(f"i{dtype.itemsize}")  # of the size of the elements, for vector instructions
    nest = Nest(other.shape, [*taps, *targets, other], merge=not windows.is_framed)
    combine, inmost = script.language.reductions["max"][0], len(nest.loops)
    lines, largest = [], ""
    for k, tap in enumerate(product(*map(range, windows.size))):
        lines.append(script.declared(f"$x{k}", nest.at(k), dtype, constant=True))
        moves = [_is_first(nest, windows, tap)]
        if k:
            moves += [f"($x{k} > {largest})", f"($x{k} != $x{k})"]
            text = combine.format(a=largest, b=f"$x{k}")
            lines.append(script.declared(f"$m{k}", text, dtype, constant=True))
        lines.append(script.declared(f"$to{k}", " | ".join(filter(None, moves)) or "0", truth, constant=True))
        largest = f"$m{k}" if k else "$x0"
    later, shares = "", list[str]()
    for k in reversed(range(count)):
        here = f"$to{k} & ~({later})" if later else f"$to{k}"
        lines.append(script.declared(f"$is{k}", here, truth, constant=True))
        later = f"{later} | $is{k}" if later else f"$is{k}"
        shares.insert(0, f"($is{k} ? {nest.at(2 * count) if adds else nest.at(count + k)} : 0)")
    if adds:
        lines += [f"{nest.at(count + k)} += {share};" for k, share in enumerate(shares)]
    else:
        lines.append(f"{nest.at(2 * count)} = {' + '.join(shares)};")
    within = [(inmost, line) for line in lines]
    if adds and not windows.are_apart:  # windows that overlap are added to one after the other
        script.loop(nest, within)
    else:
        script.loop_apart(nest, within, targets[0].data if adds else other.data, "at_largest")


@whole("max_unpool")
def _max_unpool(script: Script, out: View, y: View, x: View, **sliding: Any) -> None:
    windows = Windows.over(x.shape[2:], **sliding)
    with room(script, out, windows) as found:
        _at_largest(script, x, y, found, windows, adds=True)


@whole("at_max")
def _at_max(script: Script, out: View, y: View, x: View, **sliding: Any) -> None:
    windows = Windows.over(x.shape[2:], **sliding)
    _at_largest(script, x, out, framed(script, y, windows), windows, adds=False)


@whole("sum_unpool")
def _sum_unpool(script: Script, out: View, y: View, **sliding: Any) -> None:
    windows = Windows.over(**sliding)
    with room(script, out, windows) as found:
        seen = windows.seen(found)
        if prod(windows.size) > MOST or not windows.are_apart:
            for _ in windows.space:
                y = y.with_axis(len(y.shape), 1)
            script.copy(y, seen, "+=")
            return
        taps = _by_tap(seen)
        nest = Nest(y.shape, [*taps, y])
        lines = [(len(nest.loops), f"{nest.at(k)} = {nest.at(len(taps))};") for k in range(len(taps))]
        script.loop_apart(nest, lines, found.data, "sum_unpool")
