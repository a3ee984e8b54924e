"""The layout of a derivation: its sections and rows, as text and as LaTeX."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from glassgrad import autograd as ag
from glassgrad.autograd.engine.graph import vertex_of
from glassgrad.viz.drawing import numbers as digits
from glassgrad.viz.drawing.words import say
from glassgrad.viz.formula.columns import (
    Both,
    Row,
    Section,
    Written,
    entries,
    environment,
    equation,
    in_columns,
    number,
    repeats,
    space,
    without_empty,
    words,
)
from glassgrad.viz.formula.paths import Way, count_of_paths
from glassgrad.viz.formula.writer import ONE_LINE, ONE_LINE_STEPS, Line, Writer
from glassgrad.viz.recorded.loops import Recurrence, inputs_of, recurrences
from glassgrad.viz.recorded.names import PARAM, derivative
from glassgrad.viz.recorded.notation import windows
from glassgrad.viz.recorded.notation.latex import tex_name, tex_said
from glassgrad.viz.recorded.notation.symbols import NAMES, Symbol
from glassgrad.viz.recorded.scene import Card, Scene

LOOPS = 2  # loops whose step is written
FOLDED = 16  # lines of a section; in a longer one repeated blocks are folded
ROWS, ENDS = 40, 15  # rows of a section; a longer section shows so many at either end
BLANK = Both(" ", " ")


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
        write, wrt, told = self._write, self._wrt, self._told
        if told._start is not None:
            along = write.value(told._start).text
            said = say(", the derivative of {y} along {direction}", y=told.value.name, direction=along)
            return self._valued(Both() + write.value(told.end), told.end) + words(said)
        names = write.end.name, wrt.name
        notes = []
        if told.paths > 1:
            notes.append(say("a sum over {n} paths", n=count_of_paths(told.paths)))
        if self._scene.seeded:
            notes.append(say("where {name} is given", name=write.bar(write.end).text))
        if wrt.path:
            notes.append(say("{name} is {path}", name=wrt.name, path=wrt.path))
        slope = Both(derivative(*names), derivative(*names, tex_name, tex=True))
        return self._valued(slope, wrt) + words("".join(say(", {note}", note=note) for note in notes))

    def _valued(self, name: Both, card: Card) -> Both:
        """A name with its shape, or with its number, which is what the derivation derives."""
        if card.shape:
            return name + BLANK + space(card.shape)
        return equation(name, number(digits.scalar(self._told.gradient[()]))) if self._told.with_numbers else name

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
            return (equation(name, number(digits.scalar(card.value[()]))),)
        return (name, space(card.shape), *([entries(card.value)] if self._told.with_numbers else []))

    def _steps(self) -> list[Section]:
        """One step of each loop on the path, forward and backward."""
        made = []
        for loop in recurrences(self._scene.seen.graph.nodes, self._scene.seen)[:LOOPS]:
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
        for line in (*self._told.forward, *self._told.backward):
            if (found := _indexed(line.right)) is not None:
                formula, operands = found
                forms.setdefault(formula.text("", {arg: arg for arg in operands}), []).append((line.left, *found))
        rows: list[Row] = []
        for (left, formula, operands), *others in forms.values():
            text = formula.text(left.text, {arg: x.text for arg, x in operands.items()})
            written = Both(text, formula.text(left.tex, {arg: x.tex for arg, x in operands.items()}, tex=True))
            if names := [name for name, *_ in others]:  # the same formula, with other names
                text = say("; so too {names}", names=say(", ").join(name.text for name in names))
                written += Both(text, tex_said("; so too {names}", names=", ".join(name.tex for name in names)))
            rows.append((written,))
        pads = [pad for same in forms.values() for _, formula, _ in same for pad in formula.pads]
        if not pads:
            return []
        axes = max(len(formula.pads) for same in forms.values() for _, formula, _ in same)
        letters = [",".join(some[:axes]) for some in (windows.PLACES, windows.TAPS, windows.POINTS)]
        said = say("n: example; o, c: channels; {p}: window; {i}: place in it", p=letters[0], i=letters[1])
        if any(f"{letters[2]}]" in row[0].text for row in rows):
            said += say("; {u}: place in its input", u=letters[2])
        notes = [said]
        if any(map(any, pads)):
            notes.append(say("entries outside of an input are 0, and never a maximum"))
        rows.extend((words(note),) for note in notes)
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
        """The rows of a section: of blocks that repeat the first, and of too many rows those at both ends."""
        rows: list[Row] = []
        start = 0
        for first, period, times in repeats(self._signs(lines)) if len(lines) > FOLDED else []:
            rows += map(self._row, lines[start : first + period])
            start = first + period * times
            rows.append(self._folded(lines[first + period : start], period))
        rows += map(self._row, lines[start:])
        if len(rows) > ROWS:
            hidden = say("... {n} lines not shown", n=digits.count(len(rows) - 2 * ENDS))
            rows[ENDS:-ENDS] = [(words(hidden),)]
        return rows

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
        cells: tuple[Written, ...] = (line,) if self._scene.scalar else (line, space(line.shape))
        if not self._told.with_numbers or line.value is None:
            return cells
        if line.with_numbers is None:
            return *cells, entries(line.value)
        written, equals = line.with_numbers, Both("= ", "= ")
        if not line.bar:
            written = equals + written
        elif written.tex.startswith("-"):
            written = Both(written.text, f"{{-}}{written.tex[1:]}")  # a sign, not a difference
        return line, written, equals + number(digits.scalar(line.value[()]))

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
