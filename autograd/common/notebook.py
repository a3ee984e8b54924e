"""Values and trees as HTML for a notebook: without scripts, and small enough to be shown at once.

An entry of an array stands in a colour of its value. Those that are left out are counted, never averaged.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from html import escape
from typing import Any

ROWS, COLUMNS = 16, 12  # so many entries are shown along an axis

STYLE = "font-family:ui-monospace,monospace;font-size:12px;line-height:1.5"
INKS = {"wrong": "#c00", "kink": "#a60", "unchecked": "#a60"}
BELOW, ABOVE = "33,102,172", "178,24,43"  # the colours of negative and of positive values


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


def tiles(array: Any, host: Callable[[Any], Any]) -> str:
    """The entries of an array of any device, each in a colour of its value, in rows along the last axis. ``host``
    copies those that are shown to NumPy.
    """
    if not array.size:
        return "<div>no entries</div>"
    rows = array.reshape((-1, array.shape[-1] if array.ndim else 1))
    shown = host(rows[:ROWS, :COLUMNS])
    most = max((size for size in map(abs, shown.ravel().tolist()) if math.isfinite(size)), default=0) or 1
    lines = [f"<tr>{''.join(_tile(value, most) for value in row)}</tr>" for row in shown.tolist()]
    hidden = f"<div>… {array.size - shown.size:,} more entries</div>" if shown.size < array.size else ""
    return f"<table>{''.join(lines)}</table>{hidden}"


def _tile(value: Any, most: float) -> str:
    """An entry in a colour of its share of the largest one."""
    tone = BELOW if not isinstance(value, complex) and value < 0 else ABOVE
    colour = f"rgba({tone},{0.6 * abs(value) / most:.2f})" if math.isfinite(abs(value)) else "#fd0"
    text = f"{value:.4g}" if isinstance(value, float | complex) else str(value)
    return f'<td style="background:{colour};padding:0 4px;text-align:right">{text}</td>'
