"""Values and trees as HTML for a notebook: without scripts, and small enough to be shown at once.

A tile stands for one entry of an array, in a colour of its value. Those that are left out are counted, never averaged.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Callable, Sequence
from html import escape
from itertools import islice, product
from typing import Any

ROWS, COLUMNS, FACETS = 16, 24, 4  # tiles that are shown along an axis, and matrices of an array of more axes
WRITTEN = 64  # up to so many tiles the numbers are written in them
COUNTED = 20_000  # up to so many entries all are counted in the statistics

STYLE = "font-family:ui-monospace,monospace;font-size:12px;line-height:1.5"
INKS = {"wrong": "#c00", "kink": "#a60", "unchecked": "#a60"}
LOW, HIGH = (33, 102, 172), (178, 24, 43)  # of the largest negative and the largest positive value; 0 is white

Host = Callable[[Any], Any]


def block(*parts: str) -> str:
    """HTML in the style of all that is shown."""
    return f'<div style="{STYLE}">{"".join(parts)}</div>'


def card(title: str, notes: Sequence[str], *parts: str) -> str:
    """A block with a headline: what it is, and notes on it, as text; the ``parts`` are HTML."""
    said = "".join(f" · {escape(note)}" for note in notes)
    return block(f"<div><b>{escape(title)}</b>{said}</div>", *parts)


def line(text: str) -> str:
    """A line of text, indented as `folded` is."""
    return f'<div style="margin-left:2em">{escape(text)}</div>'


def folded(title: str, content: str, *, opened: bool = False) -> str:
    """Content, HTML, that opens at a click on its title, text."""
    mark = " open" if opened else ""
    return f'<details{mark} style="margin-left:1em"><summary>{escape(title)}</summary>{content}</details>'


def table(head: Sequence[str], rows: Sequence[Sequence[str]], inks: Sequence[str] = ()) -> str:
    """Texts in rows and columns; ``inks`` are the colours of the rows."""
    cells = "".join(f'<th style="text-align:left">{escape(text)}</th>' for text in head)
    lines = [
        f'<tr style="color:{ink}">'
        + "".join(f'<td style="text-align:left">{escape(text)}</td>' for text in row)
        + "</tr>"
        for row, ink in zip(rows, inks or ["inherit"] * len(rows), strict=True)
    ]
    return f"<table><thead><tr>{cells}</tr></thead><tbody>{''.join(lines)}</tbody></table>"


def tiles(array: Any, host: Host) -> str:
    """The entries of an array of any device as tiles. ``host`` copies a part of it to NumPy."""
    if not array.size:
        return "<div>no entries</div>"
    matrix = array.reshape((1,) * max(0, 2 - array.ndim) + tuple(array.shape))
    *leading, height, width = matrix.shape
    rows, columns = _ends(height, ROWS), _ends(width, COLUMNS)
    places = list(islice(product(*map(range, leading)), FACETS))
    blocks = [host(matrix[place][rows][:, columns]).tolist() for place in places]
    shown = [value for block in blocks for row in block for value in row]
    whole = array.size <= COUNTED
    scale = _Scale(host(array).ravel().tolist() if whole else shown, whole)
    parts = []
    for place, block in zip(places, blocks, strict=True):
        parts += [f"<div>{list(place)}</div>"] * (array.ndim > 2)
        lines = []
        for i, (row, values) in enumerate(zip(rows, block, strict=True)):
            indices = [(*place, row, column)[matrix.ndim - array.ndim :] for column in columns]
            cells = [scale.tile(v, index, len(shown) <= WRITTEN) for v, index in zip(values, indices, strict=True)]
            if width > COLUMNS:
                cells.insert(COLUMNS // 2, f"<td>… {width - COLUMNS:,}</td>")
            if height > ROWS and i == ROWS // 2:
                lines.append(f'<tr><td colspan="{len(columns) + 1}">⋮ {height - ROWS:,} rows</td></tr>')
            lines.append(f"<tr>{''.join(cells)}</tr>")
        parts.append(f'<table style="border-spacing:1px;border-collapse:separate">{"".join(lines)}</table>')
    hidden = math.prod(leading) - len(places)
    more = f"<div>… {hidden:,} more of shape {(height, width)}</div>" if hidden else ""
    return f"{''.join(parts)}{more}<div>{escape(scale.text)}</div>"


def _ends(length: int, most: int) -> list[int]:
    """The places that are shown along an axis: all, or those at both ends."""
    return [*range(length)] if length <= most else [*range(most // 2), *range(length - most // 2, length)]


class _Scale:
    """The colours of values, and what is said of them."""

    def __init__(self, values: Sequence[Any], whole: bool) -> None:
        self.complex = any(isinstance(value, complex) for value in values)
        sizes = [abs(value) if self.complex else value for value in values]
        finite = [size for size in sizes if math.isfinite(size)]
        self.most = float(max(map(abs, finite), default=0)) or 1.0
        said = []
        if finite:
            names = ("|min|", "|mean|", "|max|") if self.complex else ("min", "mean", "max")
            found = zip(names, (min(finite), sum(finite) / len(finite), max(finite)), strict=True)
            said = [f"{name} {number(value)}" for name, value in found]
        nan = sum(map(math.isnan, sizes))
        infinite = len(sizes) - len(finite) - nan
        said += [f"{count:,} {name}" for count, name in ((nan, "NaN"), (infinite, "infinite")) if count]
        self.text = ", ".join(said) + ("" if whole else ", of the entries shown")

    def colour(self, value: Any) -> str:
        """The background and the ink of a tile."""
        size = float(abs(value)) if self.complex else float(value)
        if not math.isfinite(size):
            return "background:#fd0;color:#000"
        share = min(1.0, abs(size) / self.most)
        red, green, blue = (round(255 - share * (255 - part)) for part in (HIGH if size > 0 else LOW))
        return f"background:rgb({red},{green},{blue});color:{'#fff' if share > 0.6 else '#000'}"

    def tile(self, value: Any, index: Sequence[int], written: bool) -> str:
        """A tile, whose tooltip says its value."""
        text = number(value) if written or not cmath.isfinite(value) else ""
        where = f"[{', '.join(map(str, index))}] = " if index else ""
        size = "padding:0 4px;text-align:right" if written else "padding:0;width:10px;height:10px;font-size:8px"
        return f'<td title="{where}{value!r}" style="{self.colour(value)};{size}">{text}</td>'


def number(value: Any) -> str:
    """A number with four digits; whole numbers as they are.

    >>> number(0.5), number(-12345.678), number(3), number(True), number(1 + 2j)
    ('0.5', '-1.235e+04', '3', 'True', '1+2j')
    """
    return f"{value:.4g}" if isinstance(value, float | complex) else str(value)
