"""A derivation as rows in columns: plain text, and LaTeX."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from glassgrad.viz.drawing import numbers as digits
from glassgrad.viz.drawing.words import say
from glassgrad.viz.formula.check import ENTRIES
from glassgrad.viz.recorded.notation.latex import tex_number, tex_text, text_mode

FOLDED = 16  # lines of a section; in a longer one repeated blocks are folded
REPEATS = 4  # a block repeated so often is folded; the first stays written
PERIOD = 40  # lines of the longest block

GAP = "    "
CALLED = r"[\w√}]$|\\(?!odot|cdot|times|sum)[a-z]+ $"  # the text before the brackets of a call


@dataclass(frozen=True)
class Row:
    """A row of a section: its cells as text and as LaTeX, and lines of text below it."""

    text: tuple[str, ...]
    tex: tuple[str, ...]
    below: tuple[str, ...] = ()


@dataclass(frozen=True)
class Section:
    """A part of a derivation: its title, its rows, heads of its columns and the gaps between them."""

    title: str
    rows: list[Row]
    heads: tuple[str, ...] = ()
    gaps: tuple[str, ...] = ()


def repeats(signs: Sequence[Any]) -> list[tuple[int, int, int]]:
    """The blocks repeated in a row: the index of the first, the length of one, the number of repetitions.

    >>> repeats("xabababab")
    [(1, 2, 4)]
    """
    found, i = [], 0
    while i < len(signs):
        best = (0, 0)
        for period in range(1, min(PERIOD, (len(signs) - i) // REPEATS) + 1):
            n = i + period
            while n < len(signs) and signs[n] == signs[n - period]:
                n += 1
            times = (n - i) // period
            if times >= REPEATS and times * period > best[0] * best[1]:
                best = (period, times)
        if best[1]:
            found.append((i, *best))
        i += best[0] * best[1] or 1
    return found


def columns_of(text: str) -> int:
    """The number of columns that a text takes in a monospace font."""
    wide = ("W", "F")
    return sum(0 if unicodedata.combining(c) else 1 + (unicodedata.east_asian_width(c) in wide) for c in text)


def in_columns(rows: Sequence[Sequence[str]], gaps: Sequence[str] = ()) -> list[str]:
    """Rows as lines with aligned columns; a row with fewer cells than most, such as a folded one, does not widen them.

    >>> in_columns([("a", "1"), ("long", "2")])
    ['a       1', 'long    2']
    """
    full = max((len(row) for row in rows), default=0)
    widths = [max(columns_of(row[i]) for row in rows if len(row) == full) for i in range(full)]
    lines = []
    for row in rows:
        *cells, last = row
        padded = [
            cell + " " * max(0, widths[i] - columns_of(cell)) + (gaps[i] if i < len(gaps) else GAP)
            for i, cell in enumerate(cells)
        ]
        lines.append("".join([*padded, last]).rstrip())
    return lines


def without_empty(rows: list[Row]) -> list[Row]:
    """Rows without the empty columns."""
    kept = [i for i in range(len(rows[0].text)) if any(row.text[i] for row in rows)]
    return [Row(tuple(row.text[i] for i in kept), tuple(row.tex[i] for i in kept)) for row in rows]


def entries(value: np.ndarray) -> list[str]:
    """The numbers of a Tensor as lines, or their rms if they are many."""
    if not value.shape:
        number = digits.scalar(value[()])
        return [number if number.startswith("-") else f" {number}"]  # below and above the signs of others
    if value.size > ENTRIES or not value.size:
        return [say("rms {number}", number=digits.rms(value)) if value.size else say("no entries")]
    table = digits.table(value)
    wide = 1 + max(len(entry.lstrip("-")) for row in table.rows for entry in row)
    lines = ["   ".join(entry.rjust(wide) for entry in row) for row in table.rows]
    return [f"{lines[0]}   {table.factor}".rstrip(), *lines[1:]]


def nested_brackets(text: str) -> str:
    """Nested brackets as ( ) and [ ] in turn, ( ) innermost; those of a call stay round.

    >>> nested_brackets("((a - y)·σ(z))·W"), nested_brackets("(((a - y)·b)·W)·c")
    ('[(a - y)·σ(z)]·W', '([(a - y)·b]·W)·c')
    """
    out, open_at = list(text), [[0, 0]]
    for i, c in enumerate(text):
        if c == "(":
            open_at.append([i, 0])
        elif c == ")" and len(open_at) > 1:
            start, height = open_at.pop()
            before = text[:start]
            called = not before.endswith("\\left") and re.search(CALLED, before[-30:]) is not None
            if height % 2 and not called:
                out[start], out[i] = "[", "]"
            open_at[-1][1] = max(open_at[-1][1], height if called else height + 1)
    return "".join(out)


COLUMN = r" && \qquad "


def environment(rows: Sequence[Row], title: str = "") -> str:
    """Rows in columns, as a LaTeX display."""
    columns = max(len(row.tex) for row in rows)
    lines = [rf"& \textbf{{{text_mode(title)}}}"] if title else []
    lines += ["& " + COLUMN.join(row.tex) for row in rows]
    inside = " \\\\\n".join(lines)
    return f"\\begin{{alignat*}}{{{columns}}}\n{inside}\n\\end{{alignat*}}\n"


def tex_entries(value: np.ndarray) -> str:
    """The numbers of a Tensor in LaTeX, or their rms."""
    if not value.shape or value.size > ENTRIES or not value.size:
        (entry,) = entries(value)
        return tex_text(entry) if value.shape else tex_number(entry.strip())
    table = digits.table(value)
    rows = r" \\ ".join(" & ".join(map(tex_number, row)) for row in table.rows)
    factor = rf"10^{{{table.exponent}}} \, " if table.exponent else ""
    return rf"{factor}\begin{{pmatrix}} {rows} \end{{pmatrix}}"


def escape_markdown(text: str) -> str:
    """Text with the characters escaped that mean something in Markdown."""
    return re.sub(r"([\\`*_{}\[\]<>#|$])", r"\\\1", text)
