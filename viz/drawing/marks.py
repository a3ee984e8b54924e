"""Arrays too large for numbers, as small marks inside a card: strip, thumbnail, picture, gauge, staircase.

Each is an HTML-like table.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from viz.drawing import numbers, style
from viz.drawing.render import cell, row, table, text
from viz.drawing.style import Theme

GAUGE = (-7, 0)  # decades: one cell each from 1e-7 to 1


def pixels(colours: Sequence[Sequence[str]], width: int, height: int, theme: Theme) -> str:
    """A framed grid of coloured cells, each `width` × `height` points."""
    across, down = len(colours[0]), len(colours)
    rows = (row(*(cell(width=width, height=height, fixedsize=True, bgcolor=c) for c in line)) for line in colours)
    # The frame is outside the cells: 2 points more than they need, or the engine rounds a cell away.
    size = {"width": across * width + 2, "height": down * height + 2}
    return table(*rows, border=1, color=theme.hair, fixedsize=True, **size)


def strip(array: np.ndarray, theme: Theme, *, width: int = 5, height: int = 18) -> str:
    """The histogram of an array's finite entries: one cell per bin, darker is more of them."""
    counts = numbers.bins(array)
    most = max(int(counts.max(initial=0)), 1)
    # Keep every non-empty bin visible.
    shares = [max(n / most, 1 / 6) if n else 0.0 for n in counts.tolist()]
    return pixels([[style.on_ramp(share) for share in shares]], width, height, theme)


def thumbnail(array: np.ndarray, theme: Theme, *, width: int = 104, height: int = 42) -> str:
    """Block means of the absolute values, darker is larger, at most `width` × `height` points; `bad` where not finite.

    The rows of a weight of a convolution are its filters.
    """
    means = numbers.blocks(array.reshape(len(array), -1) if array.ndim > 2 else array)
    finite = means[np.isfinite(means)]
    most = float(finite.max(initial=0.0)) or 1.0
    colours = [
        [style.on_ramp(x / most, style.GRAD_RAMP) if math.isfinite(x) else theme.bad for x in line]
        for line in means.tolist()
    ]
    down, across = means.shape
    return pixels(colours, max(width // across, 1), max(min(height // down, 14), 1), theme)


def image(array: np.ndarray, theme: Theme, *, side: int) -> str:
    """A picture (height, width), its smallest value lightest and its largest darkest; its longer side about `side`."""
    values = array.astype(float)
    finite = values[np.isfinite(values)]
    low, high = float(finite.min(initial=math.inf)), float(finite.max(initial=-math.inf))
    span = high - low if high > low else 1.0
    colours = [
        [style.on_ramp((x - low) / span) if math.isfinite(x) else theme.bad for x in line] for line in values.tolist()
    ]
    pixel = _pixel(array, side)
    return pixels(colours, pixel, pixel, theme)


def _pixel(array: np.ndarray, side: int) -> int:
    return max(side // int(max(array.shape)), 1)


def image_size(array: np.ndarray, side: int) -> tuple[int, int]:
    """Width and height of what `image` draws, its frame included."""
    return array.shape[1] * _pixel(array, side) + 2, array.shape[0] * _pixel(array, side) + 2


def decades(rms: float) -> int:
    """How many cells of the gauge are filled: one per decade, 1e-7 none and 1 all of them.

    >>> decades(0.0), decades(1e-7), decades(4.1e-5), decades(1.0), decades(40.0)
    (0, 0, 3, 7, 7)
    """
    low, high = GAUGE
    if not rms > 0:
        return 0
    return min(max(round(min(math.log10(rms), high) - low), 0), high - low)


def gauge(rms: float, theme: Theme) -> str:
    """The size of a gradient on a log scale."""
    filled = decades(rms)
    cells = (
        cell(
            width=9,
            height=9,
            fixedsize=True,
            border=1,
            color=theme.grad,
            bgcolor=theme.grad if i < filled else theme.paper,
        )
        for i in range(GAUGE[1] - GAUGE[0])
    )
    return table(row(*cells), cellspacing=1)


STAIRS = 40  # columns; of more blocks, several share one
STAIR_WIDTH = 15  # points, of a column
DECADES = 14  # cells high; of more decades, several share one


def staircase(sizes: Sequence[float], theme: Theme) -> str:
    """Sizes on a log scale beside each other: one column per block, one cell per decade, zero and less than all empty.

    Of more than 40 blocks, each column stands for several of them and shows the smallest. A size that is not finite
    fills its column in the colour of a failure.
    """
    together = -(-len(sizes) // STAIRS)
    # A value that is not finite is never averaged away.
    columns = [
        min(part, key=lambda size: size if math.isfinite(size) else -math.inf)
        for part in (sizes[i : i + together] for i in range(0, len(sizes), together))
    ]
    powers = [round(math.log10(size)) for size in columns if math.isfinite(size) and size > 0] or [0]
    low, high = min(powers) - 1, max(powers) + 1
    step = -(-(high - low + 1) // DECADES)
    width = max(min(STAIR_WIDTH, 13 * STAIR_WIDTH // len(columns)), 4)
    lines = []
    for i, power in enumerate(range(low + step * ((high - low) // step), low - 1, -step)):
        label = (f"1e{power}" if power else "1") if i % 2 == 0 else " "
        cells = [cell(text(label, style.TAG, theme.muted), width=26, height=8, align="RIGHT")]
        for size in columns:
            filled = size > 0 and round(math.log10(size)) >= power if math.isfinite(size) else True
            colour = theme.grad if math.isfinite(size) else theme.bad
            cells.append(cell(width=width, height=8, fixedsize=True, bgcolor=colour if filled else theme.paper))
        lines.append(row(*cells))
    n = len(columns)
    if n <= 13:
        below = [cell(text(i + 1, style.TAG, theme.muted), width=width, height=11, fixedsize=True) for i in range(n)]
    else:
        half = n // 2
        below = [
            cell(text(1, style.TAG, theme.muted), colspan=half, align="LEFT"),
            cell(text(len(sizes), style.TAG, theme.muted), colspan=n - half, align="RIGHT"),
        ]
    # Cells and gaps, or the engine stretches the stairs apart.
    whole = {"width": 30 + n * (width + 1), "height": 9 * len(lines) + 14}
    return table(*lines, row(cell(" "), *below), cellspacing=1, fixedsize=True, **whole)


def picture_of(batch: np.ndarray, example: int = 0, shape: tuple[int, int] | None = None) -> np.ndarray | None:
    """One example of a batch as a picture (height, width), or None where it is none.

    A batch of pictures is (n, height, width), (n, 1, height, width), or flat: (n, d) with d the square of 8 to 32. A
    single flat example is (d,). ``shape`` gives height and width where they cannot be seen.

    >>> picture_of(np.zeros((100, 256))).shape, picture_of(np.zeros((100, 30)))
    ((16, 16), None)
    """
    low, high = style.IMAGE_SIDES
    one = batch[example] if batch.ndim > 1 else batch
    if shape is not None:
        return one.reshape(shape) if one.size == shape[0] * shape[1] else None
    one = one[0] if one.ndim == 3 and one.shape[0] == 1 else one
    if one.ndim == 1 and math.isqrt(one.size) ** 2 == one.size:
        one = one.reshape(math.isqrt(one.size), -1)
    return one if one.ndim == 2 and all(low <= n <= high for n in one.shape) else None
