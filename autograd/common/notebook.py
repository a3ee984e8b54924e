"""Trees and tables as HTML for a notebook, without scripts."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

STYLE = "font-family:ui-monospace,monospace;font-size:12px;line-height:1.5"
INKS = {"wrong": "#c00", "kink": "#a60", "unchecked": "#a60"}


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
