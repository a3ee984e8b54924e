"""The layout of a derivation: its sections and rows, as text and as LaTeX."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from glassgrad import autograd as ag
from glassgrad.autograd.engine.graph import vertex_of
from glassgrad.viz.drawing import numbers as digits
from glassgrad.viz.drawing.words import say
from glassgrad.viz.formula.paths import Way, count_of_paths
from glassgrad.viz.formula.writer import ONE_LINE, ONE_LINE_STEPS, Both, Line, Writer, equation, number
from glassgrad.viz.recorded.loops import Recurrence, inputs_of, recurrences
from glassgrad.viz.recorded.names import PARAM, derivative
from glassgrad.viz.recorded.notation import windows
from glassgrad.viz.recorded.notation.latex import tex_name, tex_number, tex_said, text_mode
from glassgrad.viz.recorded.notation.symbols import NAMES, Symbol
from glassgrad.viz.recorded.scene import Card, Scene

LOOPS = 2  # loops whose step is written
FOLDED = 16  # lines of a section; in a longer one repeated blocks are folded
ENTRIES = 16  # of a Tensor whose numbers are all written
REPEATS = 4  # a block repeated so often is folded; the first stays written
PERIOD = 40  # lines of the longest block
GAP = "    "
BLANK = Both(" ", " ")
Row = tuple[Both | Symbol, ...]  # the cells of a row; the last may have several lines


@dataclass(frozen=True)
class Section:
    """A part of a derivation: its title, its rows, and heads of its columns."""

    title: str
    rows: list[Row]
    heads: tuple[str, ...] = ()


class Layout:
    """The headline, the sections and the check of a `Derivation`, in the present language."""

    def __init__(self, told: Any) -> None:
        self._told = told
        self._scene, self._wrt, self._write = told._scene, told._wrt, told._write
        self.headline = self._headline()
        self.sections = self._sections()
        self.check = "" if told.check is None else str(told.check)
        self.notice = self._scene.notice if told.with_numbers else ()

    def _headline(self) -> Both:
        """The derivative, or the tangent, and its value."""
        write, card, told = self._write, self._wrt, self._told
        if told._start is not None:
            card, along = told.end, write.value(told._start).text
            name: Both = Both() + write.value(card)
            notes = [say("the derivative of {y} along {direction}", y=told.value.name, direction=along)]
        else:
            names = write.end.name, card.name
            name = Both(derivative(*names), derivative(*names, tex_name, tex=True))
            notes = [say("a sum over {n} paths", n=count_of_paths(told.paths))] * (told.paths > 1)
            notes += [say("where {name} is given", name=write.bar(write.end).text)] * self._scene.seeded
            notes += [say("{name} is {path}", name=card.name, path=card.path)] * bool(card.path)
        if card.shape:
            name += BLANK + space(card.shape)
        elif told.with_numbers:
            name = equation(name, number(digits.scalar(told.gradient)))
        return name + words("".join(say(", {note}", note=note) for note in notes))

    def _sections(self) -> list[Section]:
        """The paths, the equations forward and backward, index formulas, steps of loops, the formula in one line."""
        write, told, sections = self._write, self._told, []
        if told.ways:
            sections.append(Section("", without_empty([self._way_row(way) for way in told.ways])))
        rows, title = self._rows(told.forward), say("forward")
        if told._start is not None:
            rows.insert(0, self._start(told._start))
            title = say("forward, each value with its tangent")
        sections.append(Section(title, rows))
        if told.backward:
            target = say("backward, {end} to {wrt}", end=write.end.name, wrt=self._wrt.name)
            numeric = self._scene.scalar and told.with_numbers
            heads = (say("upstream × local"), say("= contribution")) if numeric else ()
            sections.append(Section(target, self._rows(told.backward), heads))
        if rows := self._index_rows():
            sections.append(Section(say("entry by entry"), rows))
        sections += self._steps()
        if len(told.backward) > 1 or (told._start is not None and told.one_line is not None):
            left = write.bar(self._wrt) if told._start is None else write.value(told.end)
            sections.append(Section(say("in one line"), [self._one_line(left)]))
        return sections

    def _start(self, card: Card) -> Row:
        """The direction of a tangent."""
        name = self._write.value(card)
        if not card.shape:
            return (equation(name, number(digits.scalar(card.value))),)
        return (name, space(card.shape), *([entries(card.value)] if self._told.with_numbers else []))

    def _steps(self) -> list[Section]:
        """One step of each loop on the path, forward and backward."""
        made = []
        seen, names = self._scene.seen, self._scene.names
        for loop in recurrences(seen.graph.nodes, seen, names)[:LOOPS]:
            card = self._scene.card(loop.node)
            if card is not None and card in self._write.way and loop.gradients is not None:
                title = say("one step of {loop}, which runs {n} times", loop=loop.title, n=loop.loop.length)
                made.append(Section(title, self._step(loop)))
        return made

    def _step(self, loop: Recurrence) -> list[Row]:
        ends, seeds, names = loop.cell()
        cell = Scene(ends, names=names, inputs=inputs_of(names, loop), gradients=seeds)
        write = Writer(cell, cell.cards, self._write.end.name)
        handed = {cell.card(vertex_of(names[f"{name}[t]"])) for name in loop.carries if f"{name}[t]" in names}
        rows: list[Row] = [(equation(write.value(card), cell.formula(card)),) for card in cell.operations]
        for card in reversed(cell.cards):
            uses = [use for use in card.uses if use.passes and use.contribution is not None]
            left = Both() + write.bar(card)
            if uses:
                right = Both() + write.total([write.term(use) for use in uses])
                if card in handed:
                    step = say("from step {step}", step="t+1"), tex_said("from step {step}", step="t+1")
                    right += Both(f" + ({step[0]})", f" + ({step[1]})")
                elif card.role == PARAM:
                    right = Both("Σ over t of ", r"\sum_{t} ") + right
                rows.append((equation(left, right),))
            elif card in handed:
                rows.append((left + words(say(" comes from step t+1 and from uses of the results")),))
        return rows

    def _index_rows(self) -> list[Row]:
        """The operations over windows as index formulas, and the meaning of the letters."""
        forms: dict[str, list[tuple[Symbol, windows.IndexFormula, dict[str, Symbol]]]] = {}
        formulas = list[windows.IndexFormula]()
        for line in (*self._told.forward, *self._told.backward):
            if (found := _indexed(line.right)) is not None:
                formula, operands = found
                formulas.append(formula)
                forms.setdefault(formula.text("", {arg: arg for arg in operands}), []).append((line.left, *found))
        if not formulas:
            return []
        rows: list[Row] = []
        for (left, formula, operands), *others in forms.values():
            text = formula.text(left.text, {arg: x.text for arg, x in operands.items()})
            written = Both(text, formula.text(left.tex, {arg: x.tex for arg, x in operands.items()}, tex=True))
            if names := [name for name, *_ in others]:  # the same formula, with other names
                text = say("; so too {names}", names=say(", ").join(name.text for name in names))
                written += Both(text, tex_said("; so too {names}", names=", ".join(name.tex for name in names)))
            rows.append((written,))
        axes = max(len(formula.pads) for formula in formulas)
        place, tap, point = (",".join(some[:axes]) for some in (windows.PLACES, windows.TAPS, windows.POINTS))
        said = say("n: example; o, c: channels; {p}: window; {i}: place in it", p=place, i=tap)
        if any(f"{point}]" in row[0].text for row in rows):
            said += say("; {u}: place in its input", u=point)
        rows.append((words(said),))
        if any(any(map(any, formula.pads)) for formula in formulas):
            rows.append((words(say("entries outside of an input are 0, and never a maximum")),))
        return rows

    def _one_line(self, left: Symbol) -> Row:
        chain = self._told.one_line
        if chain is None:
            limits = {"n": ONE_LINE, "steps": ONE_LINE_STEPS}
            return (words(say("left out: it would be longer than {n} characters or {steps} steps", **limits)),)
        return (equation(left, chain),)

    def _way_row(self, way: Way) -> Row:
        size = [digits.rms(way.contribution)] if self._told.with_numbers and self._wrt.shape else []
        notes = [say("rms {number}", number=rms) for rms in size]
        if way.count > 1:
            notes.append(say("{n} paths", n=count_of_paths(way.count)))
        return words(way.through), way.formula, words(say(", ").join(notes))

    def _rows(self, lines: Sequence[Line]) -> list[Row]:
        """The rows of a section, of blocks that repeat the first."""
        rows: list[Row] = []
        start = 0
        for first, period, times in repeats(self._signs(lines)) if len(lines) > FOLDED else []:
            rows += map(self._row, lines[start : first + period])
            start = first + period * times
            rows.append(self._folded(lines[first + period : start], period))
        return [*rows, *map(self._row, lines[start:])]

    def _signs(self, lines: Sequence[Line]) -> list[Any]:
        """What is alike in lines that repeat: the formula without the numbers of its names, and the operations and the
        distances of what it reads.
        """
        at = {line.card: i for i, line in enumerate(lines)}
        signs: list[Any] = []
        for i, line in enumerate(lines):
            uses = self._write.uses(line.card) if line.bar else line.card.sockets
            near = [(use.head.operation.op, at.get(use.head if line.bar else use.tail, i) - i) for use in uses]
            signs.append((re.sub(r"\b([^\W\d]+)\d+", r"\1", line.text), near))
        return signs

    def _folded(self, lines: Sequence[Line], period: int) -> Row:
        """A row in place of blocks like the one above it: their layers, or their first and last name."""
        names = [line.card.name for line in lines]
        layers = [int(name[1:]) for name in names if re.fullmatch(r"z\d+", name)]
        label = say("{one} to {other}", one=names[0], other=names[-1])
        if len(layers) * period == len(lines) and max(layers) - min(layers) + 1 == len(layers):
            label = say("layers {a} to {b}", a=min(layers), b=max(layers))
        cells = [words(say("{label}: as above, {n} times", label=label, n=len(lines) // period))]
        if self._told.with_numbers and lines[0].bar:
            sizes = [digits.rms(line.value) for line in (lines[0], lines[-1]) if line.value is not None]
            cells.append(words(say("rms {number}", number=say("{one} to {other}", one=sizes[0], other=sizes[-1]))))
        return tuple(cells)

    def _row(self, line: Line) -> Row:
        if line.card.is_loop:
            return (line,)
        cells: tuple[Both | Symbol, ...] = (line,) if self._scene.scalar else (line, space(line.card.shape))
        if not self._told.with_numbers or line.value is None:
            return cells
        if line.with_numbers is None:
            return *cells, entries(line.value)
        written, equals = line.with_numbers, Both("= ", "= ")
        if not line.bar:
            written = equals + written
        elif written.tex.startswith("-"):
            written = Both(written.text, f"{{-}}{written.tex[1:]}")  # a sign, not a difference
        return line, written, equals + number(digits.scalar(line.value))

    # ------------------------------------------------------------ text and LaTeX

    @property
    def text(self) -> str:
        """The derivation as plain text, in columns."""
        parts = [self.headline.text, *self.notice]
        for section in self.sections:
            rows = [("  " + row[0].text, *(cell.text for cell in row[1:])) for row in section.rows]
            if section.title:
                parts.append("")
                rows.insert(0, (section.title, *section.heads))
            parts += in_columns(rows)
        if self.check:
            parts += ["", self.check]
        return "\n".join(parts) + "\n"

    @property
    def latex(self) -> str:
        r"""The derivation in LaTeX: an `alignat*` for each section, for a notebook or a document with `amssymb`."""
        parts = [environment([(cell,) for cell in (self.headline, *map(words, self.notice))])]
        parts += [environment(section.rows, section.title) for section in self.sections]
        if self.check:
            parts.append(environment([(words(self.check),)]))
        return "".join(parts)


def _indexed(right: Symbol) -> tuple[windows.IndexFormula, dict[str, Symbol]] | None:
    """The index formula of an operation over windows of named values, and these by argument; None for another."""
    if right.head not in windows.WINDOWED:
        return None
    op = ag.OPS[right.head]
    operands = {arg: right.parts[arg] for arg in op.args if right.parts[arg] is not None}
    if any(x.head not in NAMES for x in operands.values()):
        return None
    params = {name: right.parts[name].value for name in op.params}
    found = windows.formula(op.name, {arg: x.shape for arg, x in operands.items()}, params)
    return None if found is None else (found, operands)


# ---------------------------------------------------------------- rows


def words(text: str) -> Both:
    """Words of the present language."""
    return Both(text, rf"\text{{{text_mode(text)}}}" if text else "")


def space(shape: tuple[int, ...]) -> Both:
    """A shape, in LaTeX the set of its arrays."""
    sizes = r" \times ".join(map(str, shape))
    return Both(digits.shape(shape), r"\in \mathbb{R}" + (f"^{{{sizes}}}" if shape else ""))


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
        entry = number(digits.scalar(value))
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
