"""The picture of a `Program`: values on the left, gradients on the right, and between them its states, each beside the
lines that update it.

A card holds lines as ``print(program)`` writes them. A program is drawn without being run.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from glassgrad.autograd.common.messages import of_type
from glassgrad.autograd.compiler.ir.program import Program, Value
from glassgrad.viz.drawing import numbers, style
from glassgrad.viz.drawing.errors import DrawingError
from glassgrad.viz.drawing.labels import Label, aligned, caption, cell, frame, grad_text, row, table, text
from glassgrad.viz.drawing.render import Picture
from glassgrad.viz.drawing.texts import clipped, identifier
from glassgrad.viz.program.reading import BACKWARD, FORWARD, Card, Reading
from glassgrad.viz.recorded.names import fresh

WIDTH, ROWS = 30, 4  # characters of a line on a card, and its rows at most; the tooltip has the whole line


def programs(given: Sequence[Any], options: Mapping[str, Any], count: int = 1) -> list[Program]:
    """The programs given to a drawing function; empty if it was given something else.

    Raises `DrawingError` for a program together with something else, for another number than ``count``, and for options
    that need values.
    """
    found = [x for x in given if isinstance(x, Program)]
    if not found:
        return []
    if len(found) != len(given) or len(found) != count:
        what = ", ".join("a Program" if isinstance(x, Program) else of_type(x) for x in given)
        ask = "one at a time" if count == 1 else "two of them, before and after"
        raise DrawingError(f"to draw programs, give {ask}; this was given {what}")
    if asked := [name for name, value in options.items() if value is not None and value is not False and value != ()]:
        raise DrawingError(
            f"a Program has no values, so {asked[0]}= cannot be used with it: draw the graph that a call of the"
            " function itself records"
        )
    return found


def draw_program(program: Program, title: str | None = None) -> Picture:
    """The picture of a program. Raises `DrawingError` for one too large to be read as a picture."""
    reading = Reading(program)
    if len(reading.blocks) > style.CARDS_LOOSE:
        raise DrawingError(
            f"{program.name} has {numbers.count(len(program.instructions))} instructions, too many for a picture: print"
            " it, or draw the graph that a call of the function itself records"
        )
    picture = _Drawing(reading).draw(title)
    return picture if picture.size()[0] <= style.WIDTH else _Drawing(reading, False).draw(title)


class _Drawing:
    """One drawing: a card for each run of lines; states stand on the right of the card that reads them first."""

    def __init__(self, reading: Reading, dotted: bool = True) -> None:
        self.dotted = dotted  # with lines to the values that a derivative keeps, and names in large type
        self.reading, self.program = reading, reading.program
        self.new = {value: state for state, value in self.program.updates.items()}
        self.taken: set[str] = set()
        self.home: dict[Value, Card] = {}
        self.key: dict[Card, str] = {}
        self.right: set[tuple[Card, Card]] = set()  # what stands on the right of a card that reads it

    def draw(self, title: str | None) -> Picture:
        """The picture; ``title``: its headline."""
        reading, program = self.reading, self.program
        if title is None:
            title = f"{program.name}: {numbers.counted(len(program.instructions), 'instruction')}"
        marks, parts = [caption("solid = value going forward", "fwd")], {*reading.part.values()}
        marks += [grad_text("dashed = gradient coming back")] * (BACKWARD in parts)
        marks += [caption("dotted = kept for it")] * (BACKWARD in parts and self.dotted)
        marks += [caption("<- = new value of a state", "knob")] * bool(program.updates)
        self.picture = Picture("program", title=title, reading=[marks], nodesep=style.NODESEP_COMPACT, ranksep=0.3)
        inputs = [Card("input", [value]) for value in program.inputs]
        for card in (*inputs, *reading.blocks, *reading.states.values()):
            self._card(card)
        for card in inputs:
            later = [block for block in reading.blocks[1:] if block.part == FORWARD]
            if readers := [b for b in later if any(card.given[0] in reading.reads[value] for value in b.lines)]:
                self._beside(readers[-1], card)
        for reader, card in reading.states.items():
            if isinstance(reader, Card):
                self._beside(reader, card)
        edges: dict[tuple[Card, Card], None] = {}
        for value, args in reading.reads.items():
            edges |= dict.fromkeys((self.home[arg], self.home[value]) for arg in args if arg in self.home)
        for tail, head in edges:
            if tail is not head:
                self._edge(tail, head)
        return self.picture

    def _beside(self, reader: Card, card: Card) -> None:
        """Put a card on the right of one that reads it."""
        self.right.add((card, reader))
        self.picture.same_rank([self.key[reader], self.key[card]])

    # ------------------------------------------------------------ cards

    def _card(self, card: Card) -> None:
        given, lines = card.given, card.lines
        returned = [value for value in lines if value in self.program.outputs]
        read = dict.fromkeys(arg for value in lines for arg in self.reading.reads[value])
        notes = ["RETURNED"] * bool(returned)
        notes += [f"CONSTANT  {v.name} {numbers.shape(v.shape)}" for v in read if v.kind == "constant" and v.shape]
        notes += [f"KNOB  {v.name}, read at each call" for v in read if v.kind == "knob"]
        main = {*lines[-1:], *returned} if card.part in (FORWARD, BACKWARD) else self.new.keys()
        cells = [*map(self._given, given), *(self._line(v, v in main, card.part == BACKWARD) for v in lines)]
        cells += [cell(text(said, style.TAG, "muted"), align="LEFT") for said in notes]
        kind = {FORWARD: "operation", BACKWARD: "derivative"}.get(card.part, "data")
        if any(map(self.reading.is_trained, given)):
            kind = "parameter"
        elif card.part == FORWARD and not all(value.shape for value in returned):
            kind = "loss"
        self.home |= dict.fromkeys([*given, *lines], card)
        self.key[card] = fresh(identifier((given[:1] or lines[-1:])[0].name), self.taken)
        label = table(row(cell(table(*map(row, cells), color="hair"), cellpadding=4)), **frame(kind, cellpadding=2))
        column = {"group": card.part} if card.part in (FORWARD, BACKWARD) else {}
        self.picture.node(self.key[card], label, cls=f"card {'loss' if kind == 'loss' else card.part}", **column)

    def _given(self, value: Value) -> Label:
        """The cell of a value that no line of the program makes."""
        tag = "INPUT" if value.kind == "input" else "PARAM" if self.reading.is_trained(value) else "STATE"
        name = text(clipped(value.name), style.NAME if self.dotted else style.CELL, "ink", bold=True)
        shape = caption(f" {numbers.shape(value.shape)}")
        return cell(text(f"{tag}  ", style.TAG, "muted"), name, shape, align="LEFT", cellpadding=2)

    def _line(self, value: Value, main: bool, italic: bool) -> Label:
        """The cell of a line as it prints, or of the new value of a state."""
        formula, size = self.reading.written[value], style.CELL if main else style.CAPTION
        new = self.new[value].name if value in self.new else ""
        whole = f"{value.name} {numbers.shape(value.shape)} = {formula}" + (f", which becomes {new}" if new else "")
        name, shape = clipped(new or value.name), "" if new else f" {numbers.shape(value.shape)}"
        named = text(name, size + main, "ink", bold=main, italic=italic) + (caption(shape) if shape else ())
        lines = wrapped(f" {'<-' if new else '='} {formula}", taken=len(name + shape))
        first, *others = (text(line, size, "ink", italic=italic) for line in lines)
        return cell(aligned(named + first, *others), align="LEFT", title=whole, cellpadding=1)

    # ------------------------------------------------------------ edges

    def _edge(self, tail: Card, head: Card) -> None:
        """Draw an edge from the card that computes values to one that reads them."""
        ends = self.key[tail], self.key[head]
        ids = "_".join(ends)
        if tail.part == BACKWARD:
            self.picture.edge(*ends[::-1], cls="bwd", id=f"b_{ids}")
        elif head.part == FORWARD:
            look: dict[str, Any] = {"weight": 8 if tail.part == "state" else style.WEIGHT_SPINE}
            if (tail, head) in self.right:
                ends, look = ends[::-1], {"dir": "back"}
            self.picture.edge(*ends, cls="fwd", id=f"f_{ids}", **look)
        elif self.dotted:
            # A derivative is level with the values kept for it, so that the two sides mirror each other.
            level = {"minlen": 0} if (tail.part, head.part) == (FORWARD, BACKWARD) else {"constraint": False}
            self.picture.edge(*ends, cls="link", id=f"l_{ids}", **level)


def wrapped(words: str, width: int = WIDTH, taken: int = 0) -> list[str]:
    """A line of a program in rows of this many characters, the first with some ``taken``; operators begin rows."""
    bound = "x" * taken + re.sub(r" ([^\w\s(]+) (?=\S)", " \\1\xa0", words)
    look: dict[str, Any] = {"subsequent_indent": "    ", "max_lines": ROWS, "placeholder": " ..."}
    look |= {"break_long_words": False, "break_on_hyphens": False}
    rows = textwrap.wrap(bound, width, **look)
    return [row.replace("\xa0", " ") for row in (rows[0][taken:], *rows[1:])]
