"""A derivation as rows in columns, each cell as plain text and as LaTeX."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from glassgrad.viz.drawing import numbers as digits
from glassgrad.viz.drawing.words import say
from glassgrad.viz.recorded.notation.latex import tex_number, text_mode

ENTRIES = 16  # of a Tensor whose numbers are all written
REPEATS = 4  # a block repeated so often is folded; the first stays written
PERIOD = 40  # lines of the longest block
GAP = "    "


class Written(Protocol):
    """What has a form as text and one in LaTeX: a `Symbol`, a `Line`, a `Both`."""

    @property
    def text(self) -> str:
        """As text."""

    @property
    def tex(self) -> str:
        """In LaTeX."""


@dataclass(frozen=True)
class Both:
    """A piece of a derivation as text and in LaTeX."""

    text: str = ""
    tex: str = ""

    def __add__(self, other: Written) -> Both:
        return Both(self.text + other.text, self.tex + other.tex)


def words(text: str) -> Both:
    """Words of the present language."""
    return Both(text, rf"\text{{{text_mode(text)}}}" if text else "")


def number(text: str) -> Both:
    """Numbers, with signs between them."""
    return Both(text, tex_number(text))


def space(shape: tuple[int, ...]) -> Both:
    """A shape, in LaTeX the set of its arrays."""
    sizes = r" \times ".join(map(str, shape))
    return Both(digits.shape(shape), r"\in \mathbb{R}" + (f"^{{{sizes}}}" if shape else ""))


def equation(left: Written, right: Written) -> Both:
    """``left = right``."""
    return Both(f"{left.text} = {right.text}", f"{left.tex} = {right.tex}")


Row = tuple[Written, ...]  # the cells of a row; the last may have several lines


@dataclass(frozen=True)
class Section:
    """A part of a derivation: its title, its rows, and heads of its columns."""

    title: str
    rows: list[Row]
    heads: tuple[str, ...] = ()


def repeats(signs: Sequence[Any]) -> list[tuple[int, int, int]]:
    """The blocks repeated in a row: the index of the first, the length of one, the number of repetitions.

    >>> repeats("xabababab")
    [(1, 2, 4)]
    """
    found, i = [], 0
    while i < len(signs):
        runs = [(period, _times(signs, i, period)) for period in range(1, min(PERIOD, (len(signs) - i) // REPEATS) + 1)]
        period, times = max(runs, key=lambda run: run[0] * run[1] * (run[1] >= REPEATS), default=(1, 1))
        if times >= REPEATS:
            found.append((i, period, times))
        i += period * times if times >= REPEATS else 1
    return found


def _times(signs: Sequence[Any], i: int, period: int) -> int:
    """How often the block that begins at ``i`` stands there in a row."""
    times = 1
    while signs[i : i + period] == signs[i + times * period : i + (times + 1) * period]:
        times += 1
    return times


def columns_of(text: str) -> int:
    """The number of columns that a text takes in a monospace font."""
    wide = ("W", "F")
    return sum(0 if unicodedata.combining(c) else 1 + (unicodedata.east_asian_width(c) in wide) for c in text)


def in_columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows as lines with aligned columns; a row with fewer cells than most, such as a folded one, does not widen them.

    >>> in_columns([("a", "1"), ("long", "2")])
    ['a       1', 'long    2']
    """
    full = max((len(row) for row in rows), default=0)
    widths = [max(columns_of(row[i]) for row in rows if len(row) == full) for i in range(full)]
    lines = []
    for row in rows:
        *cells, last = row
        padded = (
            cell + " " * max(0, width - columns_of(cell)) + GAP for cell, width in zip(cells, widths, strict=False)
        )
        start, (first, *below) = "".join(padded), last.split("\n")
        lines += [f"{start}{first}".rstrip(), *(" " * columns_of(start) + line for line in below)]
    return lines


def without_empty(rows: list[Row]) -> list[Row]:
    """Rows without the empty columns."""
    kept = [i for i in range(len(rows[0])) if any(row[i].text for row in rows)]
    return [tuple(row[i] for i in kept) for row in rows]


def entries(value: np.ndarray) -> Both:
    """The numbers of a Tensor, or their rms if they are many."""
    if not value.shape:
        entry = number(digits.scalar(value[()]))
        aligned = entry.text if entry.text.startswith("-") else f" {entry.text}"  # below and above the signs of others
        return Both(aligned, entry.tex)
    if value.size > ENTRIES or not value.size:
        return words(say("rms {number}", number=digits.rms(value)) if value.size else say("no entries"))
    table = digits.table(value)
    wide = 1 + max(len(entry.lstrip("-")) for row in table.rows for entry in row)
    first, *below = ("   ".join(entry.rjust(wide) for entry in row) for row in table.rows)
    rows = r" \\ ".join(" & ".join(map(tex_number, row)) for row in table.rows)
    factor = rf"10^{{{table.exponent}}} \, " if table.exponent else ""
    text = "\n".join([f"{first}   {table.factor}".rstrip(), *below])
    return Both(text, rf"{factor}\begin{{pmatrix}} {rows} \end{{pmatrix}}")


def environment(rows: Sequence[Row], title: str = "") -> str:
    """Rows in columns, as a LaTeX display."""
    columns = max(map(len, rows))
    lines = [rf"& \textbf{{{text_mode(title)}}}"] if title else []
    lines += ["& " + r" && \qquad ".join(cell.tex for cell in row) for row in rows]
    inside = " \\\\\n".join(lines)
    return f"\\begin{{alignat*}}{{{columns}}}\n{inside}\n\\end{{alignat*}}\n"
