"""The picture of a `Program`: values on the left, gradients on the right, and between them its states, each beside the
lines that update it.

A card holds lines as ``print(program)`` writes them. A program is drawn without being run.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from glassgrad.autograd.common.messages import of_type
from glassgrad.autograd.compiler.ir.program import Program, Value
from glassgrad.viz.drawing import numbers, style
from glassgrad.viz.drawing.errors import DrawingError
from glassgrad.viz.drawing.labels import Label, aligned, caption, cell, frame, grad_text, row, table, text
from glassgrad.viz.drawing.render import Picture
from glassgrad.viz.drawing.texts import clipped, identifier
from glassgrad.viz.program.reading import BACKWARD, FORWARD, UPDATE, Block, Home, Reading
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
    return _Drawing(reading).draw(title)


class _Drawing:
    """One drawing."""

    def __init__(self, reading: Reading) -> None:
        self.reading, self.program = reading, reading.program
        self.taken: set[str] = set()
        self.card: dict[Value, str] = {}  # the card of each value
        self.part: dict[str, str] = {}  # what each card is: a part of the program, "input", "knob" or "state"
        self.right: set[tuple[str, str]] = set()  # what stands on the right of a card that reads it

    def draw(self, title: str | None) -> Picture:
        """The picture; ``title``: its headline."""
        reading, count = self.reading, numbers.counted(len(self.program.instructions), "instruction")
        title = title if title is not None else f"{self.program.name}: {count}"
        self.picture = Picture(
            "program", title=title, reading=[self._marks()], nodesep=style.NODESEP_COMPACT, ranksep=0.3
        )
        for value in self.program.inputs:
            self._card(value.name, "data", [self._named("INPUT", value)], [value], "input")
        if reading.knobs:
            rows = [self._named("KNOB", value, " read at each call") for value in reading.knobs]
            self._card("knobs", "data", rows, reading.knobs, "knob")
        for block in reading.blocks:
            self._block(block)
        for home in reading.homes:
            self._home(home)
        for value in self.program.inputs:
            readers = {*reading.readers.get(value, ())}
            later = [b for b in reading.blocks[1:] if b.part == FORWARD and not readers.isdisjoint(b.lines)]
            if later:
                self._beside(self.card[later[-1].lines[0]], self.card[value])
        self._edges()
        return self.picture

    def _card(
        self, name: str, kind: str, rows: Sequence[Label], values: Iterable[Value], part: str, **more: Any
    ) -> str:
        """Draw the card of these values; return its key."""
        key = fresh(identifier(name), self.taken)
        self.card.update(dict.fromkeys(values, key))
        self.part[key] = part
        label = table(row(cell(table(*rows, color="hair"), cellpadding=4)), **frame(kind, cellpadding=2))
        self.picture.node(key, label, **{"cls": f"card {part}", **more})
        return key

    def _beside(self, key: str, *others: str) -> None:
        """Put cards on the right of the one that reads the first of them."""
        self.right.add((others[0], key))
        self.picture.same_rank([key, *others])

    # ------------------------------------------------------------ words

    def _marks(self) -> list[Label]:
        parts = set(self.reading.part.values())
        marks = [caption("solid = value going forward", "fwd")]
        if BACKWARD in parts:
            marks.append(grad_text("dashed = gradient coming back"))
            marks.append(caption("dotted = kept for it"))
        if self.program.updates:
            marks.append(caption("thick = new value of a state", "knob"))
        return marks

    # ------------------------------------------------------------ cards

    def _line(
        self, value: Value, *, main: bool, ink: str = "ink", mut: str = "muted", italic: bool = False, new: str = ""
    ) -> Label:
        """A line as ``name shape = formula``, or ``new <- formula`` for the new value of a state."""
        formula, size = self.reading.written[value], style.CELL if main else style.CAPTION
        whole = f"{value.name} {numbers.shape(value.shape)} = {formula}" + (f", which becomes {new}" if new else "")
        name, shape = clipped(new or value.name), "" if new else f" {numbers.shape(value.shape)}"
        named = text(name, size + main, ink, bold=main, italic=italic) + (caption(shape, mut) if shape else ())
        lines = wrapped(f" {'<-' if new else '='} {formula}", taken=len(name + shape))
        first, *others = (text(line, size, ink, italic=italic) for line in lines)
        return cell(aligned(named + first, *others), align="LEFT", title=whole, cellpadding=1)

    def _named(self, tag: str, value: Value, note: str = "") -> Label:
        """The row of a value that no line of the program makes."""
        name = text(clipped(value.name), style.NAME, "ink", bold=True)
        shape = caption(f" {note or numbers.shape(value.shape)}")
        return row(cell(text(f"{tag}  ", style.TAG, "muted"), name, shape, align="LEFT", cellpadding=2))

    def _block(self, block: Block) -> None:
        returned = [v for v in block.lines if v in self.program.outputs]
        loss = block.part == FORWARD and any(not v.shape for v in returned)
        back = block.part == BACKWARD
        ink, mut = ("loss_ink", "loss_mut") if loss else ("ink", "muted")
        mains = {block.lines[-1], *returned}
        rows = [row(self._line(v, main=v in mains, ink=ink, mut=mut, italic=back)) for v in block.lines]
        read = dict.fromkeys(v for value in block.lines for v in self.reading.reads[value])
        arrays = [f"CONSTANT  {v.name} {numbers.shape(v.shape)}" for v in read if v.kind == "constant" and v.shape]
        rows += [
            row(cell(text(said, style.TAG, mut), align="LEFT")) for said in [*["RETURNED"] * bool(returned), *arrays]
        ]
        kind = "loss" if loss else "derivative" if back else "operation"
        look = {"cls": "card loss"} if loss else {}
        self._card(block.lines[-1].name, kind, rows, block.lines, block.part, group=block.part, **look)

    def _home(self, home: Home) -> None:
        """Draw states on the right of their reader, and beside them their updates."""
        reading, new, cards = self.reading, {v: state.name for state, v in self.program.updates.items()}, []
        if home.states:
            trained = any(map(reading.is_trained, home.states))
            rows = [self._named("PARAM" if reading.is_trained(v) else "STATE", v) for v in home.states]
            kind = "parameter" if trained else "data"
            cards.append(self._card(home.states[0].name, kind, rows, home.states, "state"))
        if home.lines:
            rows = [row(self._line(value, main=value in new, new=new.get(value, ""))) for value in home.lines]
            cards.append(self._card(f"{home.lines[-1].name}_update", "update", rows, home.lines, UPDATE))
        if home.states and home.lines:
            told = f"new value of {', '.join(v.name for v in home.states if v in self.program.updates)}"
            self.picture.edge(*cards, cls="update", id=f"u_{cards[0]}", tooltip=told)
        if home.reader:
            self._beside(self.card[home.reader.lines[0]], *cards)
        else:
            self.picture.same_rank(cards)

    # ------------------------------------------------------------ edges

    def _edges(self) -> None:
        drawn: set[tuple[str, str]] = set()
        for value in self.reading.written:
            head = self.card.get(value, "")
            for arg in self.reading.reads[value]:
                tail = self.card.get(arg, head)
                if head and tail != head and (tail, head) not in drawn and arg not in self.reading.knobs:
                    drawn.add((tail, head))
                    self._edge(arg, tail, head, self.part[tail], self.part[head])

    def _edge(self, value: Value, tail: str, head: str, source: str, target: str) -> None:
        """Draw an edge from the card that computes a value to one that reads it."""
        if (source, target) == ("state", UPDATE):
            return  # beside each other, joined by the edge of the update
        common: dict[str, Any] = {"tooltip": f"{value.name} {numbers.shape(value.shape)}"}
        if source == BACKWARD:
            self.picture.edge(head, tail, cls="bwd", id=f"b_{head}_{tail}", **common)
        elif target == FORWARD:
            beside = (tail, head) in self.right
            common |= {"dir": "back"} if beside else {"weight": 8 if source == "state" else style.WEIGHT_SPINE}
            ends = (head, tail) if beside else (tail, head)
            self.picture.edge(*ends, cls="fwd", id=f"f_{tail}_{head}", **common)
        else:
            # A derivative is level with the values kept for it, so that the two sides mirror each other.
            common |= {"minlen": 0} if (source, target) == (FORWARD, BACKWARD) else {"constraint": False}
            self.picture.edge(tail, head, cls="link", id=f"l_{tail}_{head}", **common)


def wrapped(words: str, width: int = WIDTH, taken: int = 0) -> list[str]:
    """A line of a program in rows of this many characters, the first with some ``taken``; operators begin rows."""
    bound = "x" * taken + re.sub(r" ([^\w\s(]+) (?=\S)", " \\1\xa0", words)
    look: dict[str, Any] = {"subsequent_indent": "    ", "max_lines": ROWS, "placeholder": " ..."}
    look |= {"break_long_words": False, "break_on_hyphens": False}
    rows = textwrap.wrap(bound, width, **look)
    return [row.replace("\xa0", " ") for row in (rows[0][taken:], *rows[1:])]
