"""The effect of passes on a `Program`: its lines before and after, side by side, with the pass that changed each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import groupby
from typing import Any

from glassgrad.autograd.compiler.ir.program import Program, Value
from glassgrad.autograd.compiler.passes.optimize import steps
from glassgrad.viz.drawing import numbers, style
from glassgrad.viz.drawing.labels import RULE, Label, aligned, caption, cell, frame, grad_text, row, table, text
from glassgrad.viz.drawing.render import Picture
from glassgrad.viz.program.picture import wrapped
from glassgrad.viz.program.reading import BACKWARD, UPDATE, Reading

WIDTH = 59  # characters of a line
ROWS, ENDS = 120, 50  # lines of a picture; a longer one shows the first and the last
SAME = 3  # unchanged lines in a row; a longer run shows one at either end
MARKS = {"gone": "-", "new": "+", "changed": "~", "": " "}


@dataclass(frozen=True)
class Line:
    """A line of a program as it prints, and its part (forward, backward, update)."""

    key: object  # identifies the line in both programs
    whole: str
    part: str


@dataclass(frozen=True)
class Pair:
    """A line before and after; ``word`` says whether it is gone, new or changed, ``by`` the pass that did it."""

    before: Line | None
    after: Line | None
    by: str = ""

    @property
    def word(self) -> str:
        """One of `MARKS`."""
        if self.before is None or self.after is None:
            return "new" if self.before is None else "gone"
        return "" if self.before.whole == self.after.whole else "changed"


def draw_passes(
    before: Program, after: Program, labels: Sequence[str] = ("before", "after"), title: str | None = None
) -> Picture:
    """The picture of two programs beside each other."""
    pairs = matched(before, after)
    counts = Counter(pair.word for pair in pairs)
    said = ", ".join(f"{numbers.count(counts[word])} {word or 'the same'}" for word in MARKS if counts[word])
    if title is None:
        sizes = [numbers.count(len(program.instructions)) for program in (before, after)]
        title = f"{after.name}: {sizes[0]} instructions → {sizes[1]}"
    marks = [
        caption("- struck through = gone"),
        text("+ bold = new", style.CAPTION, "ink", bold=True),
        caption("~ = reads other values"),
        grad_text("italic = gradient"),
    ]
    reading = [marks, [caption(f"lines: {said}")]]
    picture = Picture("passes", title=title, reading=reading)
    heads = (text(label, style.NAME, "ink", bold=True) for label in (labels[0], " ", labels[1]))
    rows = [row(*(cell(head, align="LEFT", cellpadding=3) for head in heads)), RULE]
    for part in _folded(pairs):
        gap = cell(caption(f"... {part}"), colspan=3, align="LEFT", cellpadding=4)
        rows.append(row(gap) if isinstance(part, str) else _row(part))
    inside = row(cell(table(*rows, color="hair"), cellpadding=5))
    picture.node("lines", table(inside, **frame("lines")), cls="module")
    return picture


def lines_of(program: Program, shared: set[Value]) -> dict[object, Line]:
    """The lines of a program by key: the value if it is in both programs, else its name and shape."""
    reading = Reading(program)

    def key(value: Value) -> object:
        return value if value in shared else (value.name, value.shape)

    found = [
        Line(key(value), f"{value.name} {value.shape} = {formula}", reading.part[value])
        for value, formula in reading.written.items()
    ]
    found += [
        Line((key(state), "update"), f"{state.name} {state.shape} <- {value.name}", UPDATE)
        for state, value in program.updates.items()
    ]
    found.append(Line("return", f"return {', '.join(value.name for value in program.outputs)}", ""))
    return {line.key: line for line in found}


def matched(before: Program, after: Program) -> list[Pair]:
    """The lines of both programs side by side; lines of the same value are in one pair."""
    shared = {*before.values()} & {*after.values()}
    left, right = lines_of(before, shared), lines_of(after, shared)
    by, keys = _passes(before, left, right, shared), ([*left], [*right])

    def pair(key: object, before: Line | None, after: Line | None) -> Pair:
        if (before and after) is None and key in left and key in right:
            return Pair(before, after, "moved")
        here = before is not None, after is not None, key
        return Pair(before, after, by.get(here) or by.get((True, False, key), ""))  # or printed inline for a while

    found: list[Pair] = []
    for tag, i, j, k, m in SequenceMatcher(None, *keys, autojunk=False).get_opcodes():
        if tag == "equal":
            found += [pair(key, left[key], right[key]) for key in keys[0][i:j]]
        else:
            found += [pair(key, left[key], None) for key in keys[0][i:j]]
            found += [pair(key, None, right[key]) for key in keys[1][k:m]]
    return found


def _passes(
    before: Program, left: dict[object, Line], right: dict[object, Line], shared: set[Value]
) -> dict[tuple[bool, bool, object], str]:
    """The pass that removed, wrote or changed each line, by whether the line was there before and after it; empty
    unless ``right`` is the optimised program.
    """
    told: dict[tuple[bool, bool, object], str] = {}
    old = left
    for name, program in steps(before):
        new = lines_of(program, shared)
        changed = [key for key in old.keys() | new.keys() if old.get(key) != new.get(key)]
        told |= {(key in old, key in new, key): name for key in changed}
        old = new
    return told if list(old.values()) == list(right.values()) else {}


def _folded(pairs: Sequence[Pair]) -> list[Pair | str]:
    """The drawn rows, with a text for each group of omitted rows."""
    rows = shortened(pairs, "lines the same", "")
    if len(rows) > ROWS:
        hidden = [entry for entry in rows[ENDS:-ENDS] if not isinstance(entry, str)]
        rows[ENDS:-ENDS] = [f"{numbers.count(len(hidden))} lines not drawn"]
    return rows


def shortened(pairs: Iterable[Any], said: str, word: str) -> list[Any]:
    """The pairs, with a text in place of the middle of each long run of equal ones, those with this ``word``."""
    rows = []
    for found, run in groupby(pairs, key=lambda pair: pair.word):
        part = list(run)
        if found == word and (more := len(part) - 2 * SAME) > 1:
            part[SAME:-SAME] = [f"{numbers.count(more)} {said}"]
        rows += part
    return rows


def _row(pair: Pair) -> Label:
    mark = MARKS[pair.word] + (f" {pair.by}    " if pair.word and pair.by else "")
    middle = cell(caption(mark), align="LEFT", cellpadding=2, width=116)
    return row(_line(pair.before, pair.word), middle, _line(pair.after, pair.word))


def _line(line: Line | None, word: str) -> Label:
    if line is None:
        return cell(" ")
    italic = line.part == BACKWARD
    ink = "muted" if word == "gone" else "grad" if italic else "ink"
    look = {"bold": word == "new", "italic": italic, "struck": word == "gone"}
    lines = (text(part, style.CAPTION, ink, **look) for part in wrapped(line.whole, WIDTH))
    return cell(aligned(*lines), align="LEFT", cellpadding=2)
