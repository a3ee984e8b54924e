"""Arrays too large for numbers, as small marks inside a card: strip, thumbnail, picture, gauge, staircase.

Each is an HTML-like table.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from glassgrad.viz.drawing import numbers, style
from glassgrad.viz.drawing.labels import Label, cell, row, table, text

BLANK = "#fefefe"  # of zero, and around a smaller square: white in both themes, like the ramps
GAUGE = (-7, 0)  # the first and the last power of ten
PIXELS, FEWEST, MAPS = 144, 4, 4  # of a map at most, on a side at least, and side by side
IMAGE = 1024  # pixels of an input at most
PER_DECADE = 12  # points


def pixels(colours: Sequence[Sequence[str]], width: int, height: int, small: np.ndarray | None = None) -> Label:
    """A framed grid of coloured cells, each `width` × `height` points; cells in the mask ``small`` have a white rim."""
    size: dict[str, Any] = {"width": width, "height": height, "fixedsize": True}
    rim = {"border": max(min(width, height) // 4, 1), "color": BLANK}
    rows = []
    for i, line in enumerate(colours):
        rims = [rim if small is not None and small[i, j] else {} for j in range(len(line))]
        rows.append(row(*(cell(**size, bgcolor=colour, **rim) for colour, rim in zip(line, rims, strict=True))))
    # The frame is outside the cells: 2 points more than they need, or the engine rounds a cell away.
    whole = {"width": len(colours[0]) * width + 2, "height": len(colours) * height + 2}
    return table(*rows, border=1, color="hair", fixedsize=True, **whole)


def _shades(shares: np.ndarray, ramp: tuple[str, ...]) -> list[list[str]]:
    """The colour of each share of the largest size; `bad` where it is not finite."""
    return [[style.on_ramp(x, ramp) if math.isfinite(x) else "bad" for x in line] for line in shares.tolist()]


def strip(array: np.ndarray) -> Label:
    """The histogram of an array's finite entries: one cell per bin, darker is more of them."""
    counts = numbers.bins(array)
    most = max(int(counts.max(initial=0)), 1)
    # Keep every non-empty bin visible.
    shares = [max(n / most, 1 / 6) if n else 0.0 for n in counts.tolist()]
    return pixels([[style.on_ramp(share) for share in shares]], 5, 18)


def thumbnail(array: np.ndarray) -> Label:
    """Block means of the absolute values, darker is larger, at most 104 × 42 points; `bad` where not finite.

    A block whose sum is negative is a smaller square. The rows of a weight of a convolution are its filters.
    """
    matrix = array.reshape(len(array), -1) if array.ndim > 2 else array
    means, sums = numbers.blocks(matrix), numbers.blocks(matrix, signed=True)
    finite = means[np.isfinite(means)]
    colours = _shades(means / (float(finite.max(initial=0.0)) or 1.0), style.GRAD_RAMP)
    down, across = means.shape
    return pixels(colours, max(104 // across, 1), max(min(42 // down, 14), 1), small=sums < 0)


def _ranged(values: np.ndarray, low: float | None = None) -> np.ndarray:
    """Values as shares of the way from the smallest finite one, or ``low``, to the largest."""
    finite = values[np.isfinite(values)]
    least = float(finite.min(initial=math.inf)) if low is None else low
    span = float(finite.max(initial=least)) - least
    with np.errstate(invalid="ignore"):  # inf - inf, where nothing is finite
        return (values - least) / (span or 1.0)


def image(array: np.ndarray, *, side: int) -> Label:
    """A picture (height, width), its smallest value lightest and its largest darkest; its longer side about `side`."""
    pixel = _pixel(array, side)
    return pixels(_shades(_ranged(array.astype(float)), style.VALUE_RAMP), pixel, pixel)


def maps(array: np.ndarray, gradient: bool = False, limit: int = PIXELS) -> tuple[Label, int, int] | None:
    """The channels of the first example side by side, in one scale of colours; how many are drawn, and of how many.

    A matrix is one channel. Of a gradient, darker is larger and smaller squares are negative. None for arrays that are
    no pictures, or have more than ``limit`` pixels.
    """
    if array.ndim < 2 or min(array.shape[-2:]) < FEWEST or math.prod(array.shape[-2:]) > limit or not array.size:
        return None
    while array.ndim > 3:
        array = array[0] if array.shape[1] > 1 else array[:, 0]
    channels = array.reshape(-1, *array.shape[-2:]).astype(float)
    drawn = channels[: min(max(2 * PIXELS // channels[0].size, 1), MAPS)]
    shares = _ranged(np.abs(drawn), 0.0) if gradient else _ranged(drawn)
    pixel = max(40 // max(drawn.shape[1:]), 3)
    shades = [_shades(one, style.GRAD_RAMP if gradient else style.VALUE_RAMP) for one in shares]
    negative = drawn < 0 if gradient else [None] * len(drawn)
    cells = (cell(pixels(shade, pixel, pixel, small)) for shade, small in zip(shades, negative, strict=True))
    return table(row(*cells), cellspacing=2), len(drawn), len(channels)


def _pixel(array: np.ndarray, side: int) -> int:
    return max(side // int(max(array.shape)), 1)


def image_size(array: np.ndarray, side: int) -> tuple[int, int]:
    """Width and height of the picture that `image` draws, its frame included."""
    return array.shape[1] * _pixel(array, side) + 2, array.shape[0] * _pixel(array, side) + 2


def decades(rms: float) -> float:
    """The decades of the gauge that are filled: none at 1e-7 and 7 at 1."""
    low, high = GAUGE
    return min(max(math.log10(rms), low), high) - low if rms > 0 else 0.0


def gauge(rms: float) -> Label:
    """The size of a gradient on a log scale: a bar, with a rule after each decade."""
    low, high = GAUGE
    filled = round(PER_DECADE * decades(rms))
    cells = []
    for i in range(high - low):
        here = min(max(filled - PER_DECADE * i, 0), PER_DECADE)
        for width, colour in ((here, "grad"), (PER_DECADE - here, "paper"), (1, "hair")):
            if width and (colour != "hair" or i + 1 < high - low):
                cells.append(cell(width=width, height=9, fixedsize=True, bgcolor=colour))
    whole = (PER_DECADE + 1) * (high - low) + 1
    return table(row(*cells), border=1, color="grad", fixedsize=True, width=whole, height=11)


STAIRS, DECADES = 40, 14  # columns and cells above each other at most
STAIR_WIDTH = 15  # points, of a column


def staircase(sizes: Sequence[float]) -> Label:
    """Bars of sizes on a log scale: one column per block, one cell per decade; zero and the smallest sizes are empty.

    Of more than 40 blocks, every second, third and so on is drawn. A size that is not finite fills its column in the
    colour of a failure.
    """
    columns = sizes[:: -(-len(sizes) // STAIRS)]
    powers = [round(math.log10(size)) if math.isfinite(size) and size > 0 else None for size in columns]
    known = [power for power in powers if power is not None] or [0]
    high = max(known) + 1
    levels = range(high, max(min(known) - 2, high - DECADES), -1)
    n = len(columns)
    width = max(min(STAIR_WIDTH, 13 * STAIR_WIDTH // n), 4)
    lines = []
    for i, level in enumerate(levels):
        label = (f"1e{level}" if level else "1") if i % 2 == 0 else " "
        cells = [cell(text(label, style.TAG, "muted"), width=30, height=8, align="RIGHT", fixedsize=True)]
        for size, power in zip(columns, powers, strict=True):
            colour = "bad" if not math.isfinite(size) else "grad" if power is not None and power >= level else "paper"
            cells.append(cell(width=width, height=8, fixedsize=True, bgcolor=colour))
        lines.append(row(*cells))
    ends = [cell(text(1, style.TAG, "muted"), colspan=-(-n // 2), align="LEFT")]
    ends += [cell(text(len(sizes), style.TAG, "muted"), colspan=n // 2, align="RIGHT")] * (n > 1)
    # The size of cells and gaps is fixed, or the engine would stretch the stairs.
    whole = {"width": 34 + n * (width + 1), "height": 9 * len(lines) + 17}
    return table(*lines, row(cell(" "), *ends), cellspacing=1, fixedsize=True, **whole)
