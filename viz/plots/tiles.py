"""Tiles: small arrays as pictures, with their sign, in rows and columns.

Sign needs no hue: lightness goes one way, from the most negative entry (lightest) to the most positive (darkest), and a
line below says so, in words that hold on a dark page, too, where pictures are inverted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from glassgrad.viz.drawing import numbers, style
from glassgrad.viz.drawing.style import LIGHT
from glassgrad.viz.drawing.texts import clipped, text_width
from glassgrad.viz.plots.figure import Plot, axes_at, colour_map, titled_figure, write

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LEFT, TOP, GAP = 0.15, 0.72, 0.1  # inches


@dataclass(frozen=True)
class Tile:
    """An array to be drawn, and the words below it.

    ``kind``: "picture" (dark is large; three channels are red, green and blue), "value" and "gradient" (signed), or
    "size" (absolute values of a gradient). ``most``: the largest absolute value of the scale, None for the tile's own.
    ``outline``: an array whose half maximum is drawn as a line on it. ``frame``: whether it has a thick frame.
    """

    array: np.ndarray
    caption: str = ""
    note: str = ""
    kind: str = "value"
    most: float | None = None
    outline: np.ndarray | None = None
    frame: bool = False


def sheet(
    rows: Sequence[Sequence[Tile]],
    title: str,
    line: str,
    alt: str,
    *,
    names: Sequence[str] = (),
    side: float = 0.86,
    across: int = 8,
    classes: Sequence[str] = (),
) -> Plot:
    """Tiles in rows, each with a name at its left; a row of more than ``across`` tiles goes on below.

    ``side``: of a tile, in inches. ``classes``: the user's names, which are not translated.
    """
    room = int(13.5 * (side + GAP))  # characters
    margin = LEFT + max((text_width(name, 1.2 * style.CAPTION) / 72 + GAP for name in names), default=0.0)
    lines: list[tuple[str, Sequence[Tile]]] = []
    for row, name in zip(rows, names or [""] * len(rows), strict=True):
        lines += [("" if i else name, row[i : i + across]) for i in range(0, len(row), across)]
    heights = [side + 0.17 * any(t.caption for t in row) + 0.15 * any(t.note for t in row) + GAP for _, row in lines]
    height = TOP + sum(heights)
    signed = [tile for row in rows for tile in row if _is_signed(tile)]
    scales = {tile.most for tile in signed} - {None}  # all tiles on one of them are drawn alike
    with titled_figure(margin + max(len(row) for _, row in lines) * (side + GAP), height, title, line) as figure:
        top = height - TOP
        for i, ((name, row), tall) in enumerate(zip(lines, heights, strict=True)):
            write(figure, LEFT, top - side / 2, name, style.CAPTION, LIGHT.ink, va="center")
            for j, tile in enumerate(row):
                left = margin + j * (side + GAP)
                axes = axes_at(figure, left, top - side, side, side)
                _draw(axes, tile, _is_signed(tile) or tile.most in scales)
                axes.set_gid(f"tile_{i}_{j}")
                middle = left + side / 2
                note = LIGHT.bad if tile.frame else LIGHT.muted
                caption, below = clipped(tile.caption, room), clipped(tile.note, room)
                write(figure, middle, top - side - 0.03, caption, style.CAPTION, LIGHT.ink, va="top", ha="center")
                write(figure, middle, top - side - 0.18, below, style.SMALL, note, va="top", ha="center")
            top -= tall
        crossed = ["crossed = not finite"] * any(not np.isfinite(tile.array).all() for row in rows for tile in row)
        below = "; ".join([*_signs(signed), *crossed])
        write(figure, LEFT, 0, below, style.CAPTION, LIGHT.muted, va="top")
    return Plot(figure, alt, classes)


def _is_signed(tile: Tile) -> bool:
    return tile.kind in ("value", "gradient") and bool(np.nanmin(tile.array, initial=0.0) < 0)


def _draw(axes: Axes, tile: Tile, signed: bool) -> None:
    array = np.asarray(tile.array, dtype=float)
    array = np.where(np.isfinite(array), array, np.nan)  # has the colour of the axes
    down, across = array.shape[:2]
    low, high = float(np.nanmin(array, initial=np.inf)), float(np.nanmax(array, initial=-np.inf))
    if array.ndim == 3:
        axes.imshow(np.clip((array - low) / (high - low or 1.0), 0, 1), interpolation="nearest")
    else:
        most = (max(-low, high, 0.0) if tile.most is None else tile.most) or 1.0
        if signed:
            ramp, low, high = style.signed_ramp(tile.kind == "gradient"), -most, most
        else:
            ends = style.VALUE_RAMP if tile.kind in ("picture", "value") else style.GRAD_RAMP
            ramp = style.ramp(ends[0], ends[-1], 64)
            if tile.kind != "picture" or tile.most is not None:
                low, high = 0.0, most
        high = high if high > low else low + 1.0
        axes.imshow(array, cmap=colour_map(ramp), interpolation="nearest", vmin=low, vmax=high)
    if tile.outline is not None and np.nanmax(tile.outline) > 0:
        for colour, width in ((LIGHT.paper, 3.0), (LIGHT.grad, 1.4)):
            axes.contour(tile.outline, [float(np.nanmax(tile.outline)) / 2], colors=[colour], linewidths=width)
    axes.set(xlim=(-0.5, across - 0.5), ylim=(down - 0.5, -0.5), xticks=[], yticks=[], aspect="equal")
    axes.patch.set(facecolor=LIGHT.bad_bg, edgecolor=LIGHT.bad, hatch="xxxx")
    axes.spines[:].set(color=LIGHT.bad if tile.frame else LIGHT.hair, linewidth=2.2 if tile.frame else 0.8)


def _signs(tiles: Sequence[Tile]) -> list[str]:
    """The words on the colours of signs, if there are any."""
    most = {tile.most or 0.0 for tile in tiles}
    upto = f", up to {numbers.short(*most)}" if len(most) == 1 and any(most) else ""
    return [f"faintest = most negative, middle = 0, strongest = most positive{upto}"] * bool(tiles)
