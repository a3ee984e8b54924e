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
    FOLDED,
    GAP,
    Row,
    Section,
    entries,
    nested_brackets,
    repeats,
    tex_entries,
    without_empty,
)
from glassgrad.viz.formula.paths import Way, count_of_paths
from glassgrad.viz.formula.writer import ONE_LINE, ONE_LINE_STEPS, TERMS, Line, Name, Writer, window_params
from glassgrad.viz.recorded.loops import Recurrence, inputs_of, recurrences
from glassgrad.viz.recorded.names import PARAM, derivative
from glassgrad.viz.recorded.notation import windows
from glassgrad.viz.recorded.notation.latex import brackets, tex_number, tex_of, tex_said, tex_space, tex_text
from glassgrad.viz.recorded.notation.symbols import Symbol
from glassgrad.viz.recorded.scene import Scene

LOOPS = 2  # loops whose step is written
ROWS, ENDS = 40, 15  # rows of a section; a longer section shows so many at either end


class Layout:
    """The headline, the sections and the check of a `Derivation`, in the present language."""

    def __init__(self, told: Any) -> None:
        self._told = told
        self._scene, self._wrt, self._way, self._write = told._scene, told._wrt, told._way, told._write
        self._by_key = {card.key: card for card in self._scene.cards}
        self.headline, self.sections = self._headline(), self._sections()
        self.check = "" if told.check is None else str(told.check)
        self.notice = self._scene.notice if told.with_numbers else ()

    def _headline(self) -> Row:
        """The derivative and its value."""
        write, wrt = self._write, self._wrt
        names = write.named(write.end), write.named(wrt)
        text, tex = derivative(*names), derivative(*names, tex_of, tex=True)
        if wrt.shape:
            text, tex = f"{text} {digits.shape(wrt.shape)}", f"{tex} {tex_space(wrt.shape)}"
        elif self._told.with_numbers:
            number = digits.scalar(self._told.gradient[()])
            text, tex = f"{text} = {number}", f"{tex} = {tex_number(number)}"
        notes = []
        if self._told.paths > 1:
            notes.append(say("a sum over {n} paths", n=count_of_paths(self._told.paths)))
        if self._scene.seeded:
            notes.append(say("where {name} is given", name=write.bar(write.end).text))
        if wrt.path:
            notes.append(say("{name} is {path}", name=write.named(wrt), path=wrt.path))
        said = "".join(say(", {note}", note=note) for note in notes)
        return Row((text + said,), (tex + (tex_text(said) if said else ""),))

    def _sections(self) -> list[Section]:
        """The paths, the equations forward and backward, index formulas, steps of loops, the formula in one line."""
        write = self._write
        sections = []
        if self._told.ways:
            sections.append(Section("", without_empty([self._way_row(way) for way in self._told.ways])))
        sections.append(Section(say("forward"), self._rows(self._told.forward), gaps=(GAP, GAP)))
        if self._told.backward:
            target = say("backward, {end} to {wrt}", end=write.named(write.end), wrt=write.named(self._wrt))
            numeric = self._scene.scalar and self._told.with_numbers
            heads = (say("upstream × local"), say("= contribution")) if numeric else ()
            gaps = (GAP, "  ") if self._scene.scalar else (GAP, GAP)
            sections.append(Section(target, self._rows(self._told.backward), heads, gaps))
        if rows := self._index_rows():
            sections.append(Section(say("entry by entry"), rows))
        sections += self._steps()
        if len(self._told.backward) > 1:
            sections.append(Section(say("in one line"), self._one_line_rows(self._write.bar(self._wrt))))
        return sections

    def _steps(self) -> list[Section]:
        """One step of each loop on the path, forward and backward."""
        made = []
        for loop in recurrences(self._scene.seen.graph.nodes, self._scene.seen)[:LOOPS]:
            card = self._scene.card(loop.node)
            if card is not None and card in self._way and loop.gradients is not None:
                title = say("one step of {loop}, which runs {n} times", loop=loop.title, n=loop.loop.length)
                made.append(Section(title, self._step(loop)))
        return made

    def _step(self, loop: Recurrence) -> list[Row]:
        ends, seeds, names = loop.cells(1)
        cell = Scene(ends, names=names, inputs=inputs_of(names, loop), gradients=seeds)
        write = Writer(cell, end=self._write.named(self._write.end))
        handed = {cell.card(vertex_of(names[f"{name}[t]"])) for name in loop.carries if f"{name}[t]" in names}
        rows = []
        for card in cell.operations:
            left, right = write.value(card), write.forward(card)
            rows.append(Row((f"{left.text} = {right.text}",), (f"{left.tex} = {right.tex}",)))
        for card in reversed(cell.cards):
            uses = [use for use in card.uses if use.passes and use.contribution is not None]
            left = write.bar(card)
            if not uses and card in handed:
                said = say(" comes from step t+1 and from uses of the results")
                rows.append(Row((f"{left.text}{said}",), (rf"{left.tex}\text{{{said}}}",)))
            if not uses:
                continue
            right = write.total([write.term(use) for use in uses])
            text, tex = right.text, right.tex
            if card in handed:
                text = f"{text} + ({say('from step {step}', step='t+1')})"
                tex = f"{tex} + ({tex_said('from step {step}', step='t+1')})"
            elif card.role == PARAM:
                text, tex = f"Σ over t of {text}", rf"\sum_{{t}} {tex}"
            rows.append(Row((f"{left.text} = {text}",), (f"{left.tex} = {tex}",)))
        return rows

    def _index_rows(self) -> list[Row]:
        """The operations over windows as index formulas, and the meaning of the letters."""
        forms: dict[str, list[tuple[Symbol, str, str, windows.Geometry]]] = {}
        for line in (*self._told.forward, *self._told.backward):
            if (found := self._indexed(line)) is not None:
                form, *written = found
                forms.setdefault(form, []).append((line.left, *written))
        rows = []
        for (_, text, tex, _), *others in forms.values():
            names = [left for left, *_ in others]
            if names:  # the same formula, with other names
                text += say("; so too {names}", names=say(", ").join(name.text for name in names))
                tex += tex_said("; so too {names}", names=", ".join(name.tex for name in names))
            rows.append(Row((text,), (tex,)))
        found_all = [one for same in forms.values() for one in same]
        if not found_all:
            return []
        axes = max(place.axes for *_, place in found_all)
        letters = [",".join(some[:axes]) for some in (windows.PLACES, windows.TAPS, windows.POINTS)]
        said = say("n: example; o, c: channels; {p}: window; {i}: place in it", p=letters[0], i=letters[1])
        if any(f"{letters[2]}]" in text for _, text, _, _ in found_all):
            said += say("; {u}: place in its input", u=letters[2])
        notes = [said]
        if any(any(pad) for *_, place in found_all for pad in place.pads):
            notes.append(say("entries outside of an input are 0, and never a maximum"))
        return [*rows, *(Row((note,), (tex_text(note),)) for note in notes)]

    def _indexed(self, line: Line) -> tuple[str, str, str, windows.Geometry] | None:
        """The form of a line's index formula, the formula in text and LaTeX, and its windows; None if it is not an
        operation over windows of named values.
        """
        card, right = self._by_key[line.name.key], line.right
        if right.head not in windows.WINDOWED:
            return None
        op = ag.OPS[right.head]
        if line.name.bar:
            head = next(use.head for use in card.uses if use.passes and use.head in self._way)
            operands = [symbol for symbol in right.inner if getattr(symbol.value, "shape", ())]
            if any(symbol.inner or symbol.number is not None for symbol in operands):  # not a name
                return None
            symbols = dict(zip(op.args, operands, strict=False))
            params = window_params(op, head.operation, card.shape)
        else:
            symbols = {op.args[socket.index]: self._write.value(socket.tail) for socket in card.sockets}
            params = card.operation.params
            if len(symbols) < sum(given is not None for given in card.operation.inputs):
                return None
        shapes = {arg: symbol.shape for arg, symbol in symbols.items()}
        found = windows.formula(op.name, shapes, params)
        assert found is not None
        text = found.text(line.left.text, {arg: symbol.text for arg, symbol in symbols.items()})
        tex = found.tex(line.left.tex, {arg: symbol.tex for arg, symbol in symbols.items()})
        form = found.text("", {arg: arg for arg in symbols})
        return form, text, tex, windows.geometry(op.name, shapes, params)

    def _one_line_rows(self, left: Symbol) -> list[Row]:
        chain = self._told.one_line
        if chain is None:
            limits = {"n": ONE_LINE, "steps": ONE_LINE_STEPS}
            said = say("left out: it would be longer than {n} characters or {steps} steps", **limits)
            return [Row((said,), (rf"\text{{{said}}}",))]
        text, tex = f"{left.text} = {nested_brackets(chain.text)}", f"{left.tex} = {nested_brackets(chain.tex)}"
        return [Row((text,), (tex,))]

    def _way_row(self, way: Way) -> Row:
        size = [digits.rms(way.contribution)] if self._told.with_numbers and self._wrt.shape else []
        notes = [say("rms {number}", number=rms) for rms in size]
        if way.count > 1 and way.formula[0]:
            notes.append(say("{n} paths", n=count_of_paths(way.count)))
        said = say(", ").join(notes)
        text, tex = way.formula
        return Row((way.through, text, said), (tex_text(way.through), tex, tex_text(said) if said else ""))

    def _rows(self, lines: Sequence[Line]) -> list[Row]:
        """The rows of a section, repeated blocks folded; of too many rows only those at both ends."""
        rows: list[Row] = []
        start = 0
        for first, period, times in repeats(self._signs(lines)) if len(lines) > FOLDED else []:
            rows += map(self._row, lines[start : first + period])
            rows.append(self._folded(lines[first + period : first + period * times], period))
            start = first + period * times
        rows += map(self._row, lines[start:])
        if len(rows) > ROWS:
            hidden = say("... {n} lines not shown", n=digits.count(len(rows) - 2 * ENDS))
            rows[ENDS:-ENDS] = [Row((hidden,), (rf"\text{{{hidden}}}",))]
        return rows

    def _row(self, line: Line) -> Row:
        if self._scene.scalar:
            if not self._told.with_numbers or line.value is None:
                return Row((line.text,), (line.tex,))
            number = digits.scalar(line.value[()])
            text, tex = line.with_numbers
            lead = "" if line.name.bar else "= "
            if line.name.bar and tex.startswith("-"):
                tex = f"{{-}}{tex[1:]}"  # a sign, not a difference
            return Row(
                (line.text, f"{lead}{text}", f"= {number}"), (line.tex, f"{lead}{tex}", f"= {tex_number(number)}")
            )
        shape, space = digits.shape(line.shape), tex_space(line.shape)
        if not self._told.with_numbers or line.value is None:
            return Row((line.text, shape), (line.tex, space))
        first, *below = entries(line.value)
        return Row((line.text, shape, first), (line.tex, space, tex_entries(line.value)), tuple(below))

    # ------------------------------------------------------------ folding

    def _signs(self, lines: Sequence[Line]) -> list[Any]:
        """The pattern of each line: its formula in names without numbers, and the distances to its operands."""
        write = Writer(self._scene, general=True)
        at = {line.name: i for i, line in enumerate(lines)}
        self._general: dict[Name, tuple[str, str]] = {}
        signs: list[Any] = []
        for i, line in enumerate(lines):
            card = self._by_key[line.name.key]
            if line.name.bar:
                uses = [use for use in card.uses if use.passes and use.head in self._way]
                if len(uses) > TERMS:
                    signs.append(i)
                    continue
                left, right = write.bar(card), write.total([write.term(use) for use in uses])
                near = [at.get(Name(use.head.key, bar=True), i) - i for use in uses]
            else:
                left, right = write.value(card), write.forward(card)
                near = [at[Name(s.tail.key)] - i if s.tail.node is not None else 0 for s in card.sockets]
            self._general[line.name] = f"{left.text} = {right.text}", f"{left.tex} = {right.tex}"
            signs.append((self._general[line.name], tuple(near)))
        return signs

    def _folded(self, lines: Sequence[Line], period: int) -> Row:
        count = len(lines) // period
        block = [self._general[line.name] for line in lines[:period]]
        label = say("{label}: ", label=self._label(lines, period))
        text = f"{label}{count} × ({'; '.join(text for text, _ in block)})"
        equations = r";\; ".join(tex for _, tex in block)
        tex = rf"{tex_text(label)} {count} \times {brackets(equations)}"
        if not self._told.with_numbers or not lines[0].name.bar:
            return Row((text,), (tex,))
        sizes = [digits.rms(line.value) for line in (lines[0], lines[-1]) if line.value is not None]
        said = say("rms {number}", number=say("{one} to {other}", one=sizes[0], other=sizes[-1]))
        return Row((text, said), (tex, rf"\text{{{said}}}"))

    def _label(self, lines: Sequence[Line], period: int) -> str:
        """The label of folded lines: `layers 2 to 15` if each block has its layer, else the first and the last name."""
        write = self._write
        names = [line.left.text if not line.name.bar else write.named(self._by_key[line.name.key]) for line in lines]
        layers = [int(name[1:]) for name in names if re.fullmatch(r"z\d+", name)]
        if len(layers) * period == len(lines) and max(layers) - min(layers) + 1 == len(layers):
            return say("layers {a} to {b}", a=min(layers), b=max(layers))
        return say("{one} to {other}", one=names[0], other=names[-1])


class ForwardLayout(Layout):
    """The headline, the section and the check of a `ForwardDerivation`."""

    def _headline(self) -> Row:
        write, told = self._write, self._told
        slope, along = write.value(told.end), write.value(told.start)
        text, tex = slope.text, slope.tex
        if told.end.shape:
            text, tex = f"{text} {digits.shape(told.end.shape)}", f"{tex} {tex_space(told.end.shape)}"
        elif told.with_numbers:
            number = digits.scalar(told.end.value[()])
            text, tex = f"{text} = {number}", f"{tex} = {tex_number(number)}"
        said = say(", the derivative of {y} along {direction}", y=write.named(told.value), direction=along.text)
        return Row((text + said,), (tex + tex_text(said),))

    def _sections(self) -> list[Section]:
        title = say("forward, each value with its tangent")
        found = [Section(title, [self._start(), *self._rows(self._told.forward)], gaps=(GAP, GAP))]
        if rows := self._index_rows():
            found.append(Section(say("entry by entry"), rows))
        if self._told.one_line is not None:
            found.append(Section(say("in one line"), self._one_line_rows(self._write.value(self._told.end))))
        return found

    def _start(self) -> Row:
        """The direction."""
        card = self._told.start
        name = self._write.value(card)
        if not card.shape:
            number = digits.scalar(card.value[()])
            return Row((f"{name.text} = {number}",), (f"{name.tex} = {tex_number(number)}",))
        text, tex = (name.text, digits.shape(card.shape)), (name.tex, tex_space(card.shape))
        if not self._told.with_numbers:
            return Row(text, tex)
        first, *below = entries(card.value)
        return Row((*text, first), (*tex, tex_entries(card.value)), tuple(below))
