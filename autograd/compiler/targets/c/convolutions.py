"""Convolutions in C without copies of windows: blocks of the result stay in registers in a loop over the taps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod
from typing import Any

from glassgrad.autograd.compiler.targets.c.blocks import (
    Text,
    block,
    called,
    heights,
    in_order,
    lanes,
    most_rows,
    suffix,
)
from glassgrad.autograd.compiler.targets.language import C
from glassgrad.autograd.compiler.targets.nested.windows import Windows
from glassgrad.autograd.compiler.targets.nests import Nest, View, added, contiguous, times

LONG = 1024
"""Sums of more pixels than this are computed in parts, which rounds less."""

LARGE = 1 << 20
"""Of weights of more bytes, products of copied windows by BLAS take no longer: these copies are read often."""

SHARED = 1 << 22
"""From this number of multiplications for an image on, BLAS divides the product among threads."""

WASTE = 1.5
"""Up to this ratio of the products that are computed to those that are needed it pays not to copy windows."""


def _pays(source: Text, size: Sequence[int], outputs: int, pixels: int, dtype: Any) -> bool:
    """Whether to compute without copies of windows. ``size``: that of a window, with its channels."""
    each = prod(size) * outputs
    shared = source.blas is not None and source.blas.threads > 1 and each * pixels > SHARED
    small = 0 < each * dtype.itemsize <= LARGE and pixels > 0
    return dtype.kind == "f" and prod(size[1:]) > 1 and small and not shared


def convolve(source: Text, out: View, x: View, weight: View, bias: View | None, windows: Windows, dtype: Any) -> bool:
    """Write ``out = conv(x, weight) + bias``, with vectors along the rows of images; return whether that pays.

    A block has several output channels, and two vectors of pixels from rows below each other. A vector covers several
    rows where they are short.
    """
    kind, counts, taps = C.types[str(dtype)], windows.counts, prod(weight.shape[1:])
    images, outputs = out.shape[:2]
    if not _pays(source, weight.shape[1:], outputs, prod(counts), dtype) or {*windows.stride} != {1}:
        return False
    height, length = (1, *counts)[-2:]
    whole = lanes(dtype)
    piece = min(whole, 1 << length.bit_length() - 1)
    pieces = min(whole // piece, 1 << height.bit_length() - 1) if piece == length else 1
    vectors = 2 if height >= 2 * pieces else 1
    tall, width = vectors * pieces, pieces * piece
    computed = prod(counts[:-2]) * -(-height // tall) * tall * -(-length // piece) * piece * max(whole // width // 2, 1)
    if piece * dtype.itemsize < 16 or computed > WASTE * min(prod(counts), prod(windows.space)):
        return False
    if not images or not out.is_contiguous or not _are(source, kind, x, weight, *([bias] if bias else [])):
        return False
    weight, bias = in_order(source, weight, dtype), bias and in_order(source, bias, dtype)
    image, lines, given = _image(source, x, windows, dtype, last=True)
    below = image.strides[-2] if len(counts) > 1 else 0
    steps = contiguous(weight.shape)[1:]
    along = (image.strides[0], *(s * d for s, d in zip(image.strides[1:], windows.dilation, strict=True)))
    loops = list(zip(weight.shape[1:], steps, along, strict=True))
    plane = contiguous(out.shape)[1]
    places, ends = ["", ""], 0
    for axis, (n, step) in enumerate(zip(counts, (*[1] * (len(counts) - 2), tall, piece)[-len(counts) :], strict=True)):
        letter = f"p{axis}"
        lines += _overlapping(letter, n, step)
        letter, ends = (f"${letter}" if n % step else letter), ends + 1
        strides = image.strides[1 + axis], out.strides[2 + axis]
        places = [added(p, times(letter, s)) for p, s in zip(places, strides, strict=True)]
    for first, count, rows in heights(outputs, most_rows() * 2 // vectors):
        name = block(
            source, kind, width, loops, [r * taps for r in range(rows)], [v * pieces * below for v in range(vectors)],
            [r * plane for r in range(rows)], [v * pieces * length for v in range(vectors)],
            "= {}" if bias is None else "= {} + bias[{r}]", (pieces, below),
        )  # fmt: skip
        lines.append(f"for (long o = {first}; o < {first + count * rows}; o += {rows})")
        more = "" if bias is None else ", bias + o"
        lines.append(f"  {name}(w + o * {taps}, {image.data} + {places[0]}, z + o * {plane} + {places[1]}{more});")
    lines += ["}"] * ends
    given |= {"w": weight, "z": out, **({"bias": bias} if bias else {})}
    _called(source, "conv", images, lines, given, kind, {"x": x.strides[0], "z": out.strides[0]})
    source.operations += images * outputs * taps * prod(counts)
    return True


def convolve_weight(source: Text, out: View, x: View, y: View, windows: Windows, dtype: Any) -> bool:
    """Write the gradient of the weight, with vectors along the output channels; return whether that pays."""
    kind, counts = C.types[str(dtype)], windows.counts
    images, outputs, size = x.shape[0], y.shape[1], out.shape[1:]
    width = min(lanes(dtype), 1 << (outputs - 1).bit_length()) if outputs else 0
    if not _pays(source, size, outputs, prod(counts), dtype) or width * dtype.itemsize < 16:
        return False
    if not images or not _are(source, kind, x, y):
        return False
    y = in_order(source, y, dtype)
    image, lines, given = _image(source, x, windows, dtype)
    wide, pixels = -(-outputs // width) * width, prod(counts)
    total = source.scratch("total", (prod(size), wide), dtype, "0")
    row = prod(counts[1:])
    parts = heights(counts[0], max(1, LONG // row))
    turned = source.scratch("turned", (parts[0][2] * row * outputs + wide,), dtype)  # reads go beyond its rows
    steps = [s * n for s, n in zip(image.strides[1:], windows.stride, strict=True)]
    taps = [image.strides[0], *(s * d for s, d in zip(image.strides[1:], windows.dilation, strict=True))]
    for begin, count, part in parts:
        lines += [f"for (long p = {begin}; p < {begin + count * part}; p += {part}) {{"]
        lines += [f"  gg_transpose{suffix(dtype)}({part * row}, {outputs}, y + p * {row}, {pixels}, turned);"]
        loops = list(zip((part, *counts[1:]), steps, [s * outputs for s in contiguous(counts)], strict=True))
        for start in range(0, wide, 2 * width):
            vectors = range(start, min(start + 2 * width, wide), width)
            for axes, rows in _tiles(size, taps):
                places = [f"{image.data} + {times('p', steps[0])}", f"total + {start}"]
                heads = []
                for k, (first, count, n, *strides) in enumerate(axes):
                    heads.append(f"for (long q{k} = {first}; q{k} < {first + count * n}; q{k} += {n}) ")
                    places = [
                        added(p, times(f"q{k}", s * o)) for p, s, o in zip(places, strides, (1, wide), strict=True)
                    ]
                gaps = [v - start for v in vectors]
                downs = [r * wide for r in range(len(rows))]
                name = block(source, kind, width, loops, rows, gaps, downs, gaps, "+= {}")
                lines.append(f"  {''.join(heads)}{name}({places[0]}, turned + {start}, {places[1]});")
        lines += ["}"]
    given |= {"y": y, "turned": turned, "total": total}
    _called(source, "conv_weight", images, lines, given, kind, {"x": x.strides[0], "y": y.strides[0]})
    source.copy(replace(total, shape=out.shape, strides=(1, *(s * wide for s in contiguous(size)))), out)
    source.operations += images * outputs * prod(size) * pixels
    return True


def _tiles(size: Sequence[int], steps: Sequence[int]) -> list[tuple[list[Any], list[int]]]:
    """The taps as blocks of rows: the axes to loop over, each as the first index, the number of steps, the length of a
    step, and the strides in the image and among the taps; and where the rows of a block lie in the image."""
    rows, axis, most = [0], len(size), most_rows()
    own = contiguous(size)
    while axis and len(rows) * size[axis - 1] <= most:
        axis -= 1
        rows = [k * steps[axis] + row for k in range(size[axis]) for row in rows]
    if not axis:
        return [([], rows)]
    axes = [(0, size[k], 1, steps[k], own[k]) for k in range(axis - 1)]
    return [
        (
            [*axes, (first, count, n, steps[axis - 1], own[axis - 1])],
            [k * steps[axis - 1] + row for k in range(n) for row in rows],
        )
        for first, count, n in heights(size[axis - 1], most // len(rows))
    ]


def _overlapping(letter: str, n: int, step: int) -> list[str]:
    """The lines that begin a loop over blocks of ``step``, the last of which may overlap the one before."""
    lines = [f"for (long {letter} = 0; {letter} < {n}; {letter} += {step}) {{"]
    lines += [f"const long ${letter} = {letter} < {n - step} ? {letter} : {n - step};"] if n % step else []
    return lines


def _are(source: Text, kind: str, *views: View) -> bool:
    """Whether the elements of all are of this kind."""
    return all(source.types[view.data] == kind for view in views)


def _image(
    source: Text, x: View, windows: Windows, dtype: Any, *, last: bool = False
) -> tuple[View, list[str], dict[str, View]]:
    """One image with its padding; the lines that copy it where that is needed; and the arrays of these lines by their
    names. ``last``: it must be contiguous along the last axis."""
    own = View("x", x.shape[1:], x.strides[1:])
    if not windows.is_framed and (x.strides[-1] == 1 or not last):
        return own, [], {"x": x}
    frame = source.scratch(f"{x.data}_framed", (x.shape[1], *windows.wide), dtype, "0")
    image = View.of("frame", frame.shape)
    nest = Nest(own.shape, [own, windows.inside(image)])
    return image, nest.lines([(len(nest.loops), f"{nest.at(1)} = {nest.at(0)};")], (), "long"), {"x": x, "frame": frame}


def _called(
    source: Text, name: str, images: int, lines: Sequence[str], given: dict[str, View], kind: str, steps: dict[str, int]
) -> None:
    """Write a call of a function that runs ``lines`` for each image. ``steps``: those from image to image."""
    head = ", ".join(["b++", *(f"{n} += {step}" for n, step in steps.items())])
    lines = [f"for (long b = 0; b < {images}; {head}) {{", *(f"  {line}" for line in lines), "}"]
    called(source, name, lines, given, kind)
