"""The effect of passes on a `Program`: its lines before and after, side by side, with the pass that changed each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import groupby

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


@dataclass(frozen=True)
class Line:
    """A line of a program: its text, its value, and its part (forward, backward, update)."""

    key: object  # identifies the line in both programs
    name: str
    rest: str
    part: str

    @property
    def whole(self) -> str:
        """The line as it prints."""
        return f"{self.name}{self.rest}"


Pair = tuple[Line | None, Line | None]


def draw_passes(
    before: Program, after: Program, labels: Sequence[str] = ("before", "after"), title: str | None = None
) -> Picture:
    """The picture of two programs beside each other."""
    return _Drawing(before, after, labels).draw(title)


def lines_of(program: Program, shared: set[Value]) -> list[Line]:
    """The lines of a program, keyed by the value if it is in both programs, else by name and shape."""
    reading = Reading(program)

    def key(value: Value) -> object:
        return value if value in shared else (value.name, value.shape)

    found = [
        Line(key(value), value.name, f" {value.shape} = {formula}", reading.part[value])
        for value, formula in reading.written.items()
    ]
    found += [
        Line((key(state), "update"), state.name, f" {state.shape} <- {value.name}", UPDATE)
        for state, value in program.updates.items()
    ]
    return [*found, Line("return", "return", f" {', '.join(v.name for v in program.outputs)}", "")]


def matched(before: Sequence[Line], after: Sequence[Line]) -> list[Pair]:
    """Both lists of lines side by side; lines of the same value are in one pair."""
    keys = [[line.key for line in lines] for lines in (before, after)]
    found: list[Pair] = []
    for tag, i, j, k, m in SequenceMatcher(None, keys[0], keys[1], autojunk=False).get_opcodes():
        if tag == "equal":
            found += zip(before[i:j], after[k:m], strict=True)
        else:
            found += [(line, None) for line in before[i:j]]
            found += [(None, line) for line in after[k:m]]
    return found


class _Drawing:
    """One drawing."""

    def __init__(self, before: Program, after: Program, labels: Sequence[str]) -> None:
        self.programs, self.labels = (before, after), labels
        shared = {*before.values()} & {*after.values()}
        lines = lines_of(before, shared), lines_of(after, shared)
        self.both = {line.key for line in lines[0]} & {line.key for line in lines[1]}
        self.pairs = matched(*lines)
        self.passes = self._passes(shared)

    def _passes(self, shared: set[Value]) -> dict[tuple[str, object], str]:
        """The pass that removed, wrote or changed each line; empty unless ``after`` is the optimised ``before``."""
        before, after = self.programs
        told: dict[tuple[str, object], str] = {}
        old = {line.key: line.whole for line in lines_of(before, shared)}
        for name, program in steps(before):
            new = {line.key: line.whole for line in lines_of(program, shared)}
            for key in old.keys() | new.keys():
                if old.get(key) != new.get(key):
                    word = "gone" if key not in new else "new" if key not in old else "changed"
                    told[word, key] = name
            old = new
        return told if list(old.values()) == [line.whole for line in lines_of(after, shared)] else {}

    # ------------------------------------------------------------ words

    def draw(self, title: str | None) -> Picture:
        summary = self._summary()
        counts = [numbers.count(len(program.instructions)) for program in self.programs]
        if title is None:
            title = f"{self.programs[1].name}: {counts[0]} instructions → {counts[1]}"
        marks = [
            caption("- struck through = gone"),
            text("+ bold = new", style.CAPTION, "ink", bold=True),
            caption("~ = reads other values"),
            grad_text("italic = gradient"),
        ]
        reading, alt = [marks, [caption(summary)]], f"{title}. {summary}."
        picture = Picture("passes", title=title, reading=reading, alt=alt)
        heads = (text(label, style.NAME, "ink", bold=True) for label in (self.labels[0], " ", self.labels[1]))
        rows = [row(*(cell(head, align="LEFT", cellpadding=3) for head in heads)), RULE]
        for part in self._folded():
            gap = cell(caption(f"... {part}"), colspan=3, align="LEFT", cellpadding=4)
            rows.append(row(gap) if isinstance(part, str) else self._row(part))
        inside = row(cell(table(*rows, color="hair"), cellpadding=5))
        picture.node("lines", table(inside, **frame("lines")), cls="module")
        return picture

    def _word(self, pair: Pair) -> str:
        before, after = pair
        if before is None or after is None:
            return "new" if before is None else "gone"
        return "" if before.whole == after.whole else "changed"

    def _pass(self, pair: Pair) -> str:
        line = pair[1] or pair[0]
        assert line is not None
        if None in pair and line.key in self.both:
            return "moved"
        word = self._word(pair)
        if word == "changed" and (word, line.key) not in self.passes:  # printed inline for a while
            word = "gone"
        return self.passes.get((word, line.key), "")

    def _summary(self) -> str:
        counts = Counter(map(self._word, self.pairs))
        words = ("gone", "new", "changed", "")
        said = ", ".join(f"{numbers.count(counts[word])} {word or 'the same'}" for word in words if counts[word])
        return f"lines: {said}"

    def _folded(self) -> list[Pair | str]:
        """The drawn rows, with a text for each group of omitted rows."""
        rows: list[Pair | str] = []
        for word, run in groupby(self.pairs, key=self._word):
            part: list[Pair | str] = list(run)
            more = len(part) - 2 * SAME
            short = [*part[:SAME], f"{numbers.count(more)} lines the same", *part[-SAME:]]
            rows += short if not word and more > 1 else part
        if len(rows) > ROWS:
            hidden = [entry for entry in rows[ENDS:-ENDS] if not isinstance(entry, str)]
            rows[ENDS:-ENDS] = [f"{numbers.count(len(hidden))} lines not drawn"]
        return rows

    # ------------------------------------------------------------ cells

    def _row(self, pair: Pair) -> Label:
        word = self._word(pair)
        mark = {"gone": "-", "new": "+", "changed": "~", "": " "}[word]
        told = self._pass(pair)
        middle = cell(caption(f"{mark} {told}    " if told else mark), align="LEFT", cellpadding=2, width=116)
        return row(self._line(pair[0], word), middle, self._line(pair[1], word))

    def _line(self, line: Line | None, word: str) -> Label:
        if line is None:
            return cell(" ")
        ink = "muted" if word == "gone" else "grad" if line.part == BACKWARD else "ink"
        italic = line.part == BACKWARD
        lines = wrapped(line.whole, WIDTH)
        look = {"bold": word == "new", "italic": italic, "struck": word == "gone"}
        return cell(aligned(*(text(part, style.CAPTION, ink, **look) for part in lines)), align="LEFT", cellpadding=2)
