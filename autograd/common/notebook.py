"""Values and trees as HTML for a notebook: without scripts, and small enough to be shown at once.

A tile stands for one entry of an array, in a colour of its value. Those that are left out are counted, never averaged.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from html import escape
from itertools import product
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
    *leading, height, width = (1,) * max(0, 2 - array.ndim) + tuple(array.shape)
    rows, columns = _ends(height, ROWS), _ends(width, COLUMNS)
    shown = host(array.reshape((-1, height, width))[:FACETS][:, rows][:, :, columns])
    values = host(array) if array.size <= COUNTED else shown
    bar = "|" if values.dtype.kind == "c" else ""
    sizes = (abs(values) if bar else values).astype(float)
    finite = sizes[abs(sizes) < math.inf]
    most = float(abs(finite).max(initial=0)) or 1.0
    said = [f"{bar}{name}{bar} {number(getattr(finite, name)())}" for name in ("min", "mean", "max") if finite.size]
    nan = int((sizes != sizes).sum())
    counts = (nan, "NaN"), (sizes.size - finite.size - nan, "infinite")
    said += [f"{count:,} {name}" for count, name in counts if count]
    said += ["of the entries shown"] * (values is shown)
    parts = []
    for place, block in zip(product(*map(range, leading)), shown.tolist(), strict=False):
        parts += [f"<div>{list(place)}</div>"] * bool(place)
        lines = []
        for row, entries in zip(rows, block, strict=True):
            indices = [(*place, row, column)[max(0, 2 - array.ndim) :] for column in columns]
            cells = [_tile(v, index, most, shown.size <= WRITTEN) for v, index in zip(entries, indices, strict=True)]
            cells.insert(COLUMNS // 2, f"<td>… {width - COLUMNS:,}</td>" if width > COLUMNS else "")
            lines.append(f"<tr>{''.join(cells)}</tr>")
        more = f'<tr><td colspan="{len(columns) + 1}">⋮ {height - ROWS:,} rows</td></tr>'
        lines.insert(ROWS // 2, more if height > ROWS else "")
        parts.append(f'<table style="border-spacing:1px;border-collapse:separate">{"".join(lines)}</table>')
    hidden = math.prod(leading) - len(shown)
    parts += [f"<div>… {hidden:,} more of shape {(height, width)}</div>"] * bool(hidden)
    return f"{''.join(parts)}<div>{escape(', '.join(said))}</div>"


def _ends(length: int, most: int) -> list[int]:
    """The places that are shown along an axis: all, or those at both ends."""
    return [*range(length)] if length <= most else [*range(most // 2), *range(length - most // 2, length)]


def _tile(value: Any, index: Sequence[int], most: float, written: bool) -> str:
    """A tile in the colour of its share of the largest value; its tooltip says its value."""
    size = abs(value) if isinstance(value, complex) else value
    text = number(value) if written or not math.isfinite(size) else ""
    where = f"[{', '.join(map(str, index))}] = " if index else ""
    form = "padding:0 4px;text-align:right" if written else "padding:0;width:10px;height:10px;font-size:8px"
    colours = "background:#fd0;color:#000"
    if math.isfinite(size):
        share = abs(size) / most
        red, green, blue = (round(255 - share * (255 - part)) for part in (HIGH if size > 0 else LOW))
        colours = f"background:rgb({red},{green},{blue});color:{'#fff' if share > 0.6 else '#000'}"
    return f'<td title="{where}{value!r}" style="{colours};{form}">{text}</td>'


def number(value: Any) -> str:
    """A number with four digits; whole numbers as they are.

    >>> number(0.5), number(-12345.678), number(3), number(True), number(1 + 2j)
    ('0.5', '-1.235e+04', '3', 'True', '1+2j')
    """
    return f"{value:.4g}" if isinstance(value, float | complex) else str(value)
