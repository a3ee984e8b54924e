"""The picture of a `Program`: values on the left, gradients on the right, and between them its states, each beside the
lines that update it.

A card holds lines as ``print(program)`` writes them. A program is drawn without being run.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from glassgrad.autograd.common.messages import of_type
from glassgrad.autograd.compiler.ir.program import Program, Value
from glassgrad.viz.drawing import numbers, style
from glassgrad.viz.drawing.errors import DrawingError
from glassgrad.viz.drawing.labels import (
    RULE,
    Label,
    aligned,
    caption,
    cell,
    frame,
    grad_text,
    row,
    table,
    text,
)
from glassgrad.viz.drawing.render import Picture
from glassgrad.viz.drawing.texts import clipped, identifier
from glassgrad.viz.program.reading import BACKWARD, FORWARD, UPDATE, Block, Home, Reading
from glassgrad.viz.recorded.names import fresh

WIDTH, ROWS = 30, 4  # characters of a line on a card, and its rows at most; the tooltip has the whole line

ALIKE = 4  # lines of an update; a longer one that several states share is written once
ENDS = 15  # cards drawn at either end of a long part


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
    """The picture of a program: the narrower one, where inputs on the left of cards make it wider than a page."""
    drawn = _Drawing(Reading(program)).draw(title)
    if drawn.size()[0] <= style.WIDTH:
        return drawn
    return min(drawn, _Drawing(Reading(program), inputs_right=True).draw(title), key=Picture.size)


@dataclass(eq=False)
class _Shelf:
    """States that are first read by the same card: the key of their card, and that of their updates."""

    homes: list[Home]
    beside: Block | None
    key: str = ""
    updates: str = ""

    @property
    def states(self) -> list[Value]:
        return [state for home in self.homes for state in home.states]


class _Drawing:
    """One drawing."""

    def __init__(self, reading: Reading, inputs_right: bool = False) -> None:
        self.reading, self.program, self.inputs_right = reading, reading.program, inputs_right
        self.taken: set[str] = set()
        self.card: dict[Value, str] = {}  # the card of each value
        self.first: dict[Any, Home] = {}  # the first states with each form of update
        self.beside: dict[Block, list[str]] = {}  # the inputs that stand beside a card
        self.knobs = set(reading.knobs)
        self.shelves = self._shelves()
        self.right: set[tuple[str, str]] = set()  # what stands on the right of a card that reads it

    def draw(self, title: str | None) -> Picture:
        """The picture; ``title``: its headline."""
        reading, count = self.reading, numbers.counted(len(self.program.instructions), "instruction")
        title = title if title is not None else f"{self.program.name}: {count}"
        self.picture = Picture(
            "program", title=title, reading=[self._marks()], alt=self._alt(title), nodesep=0.15, ranksep=0.3
        )
        for value in self.program.inputs:
            self._leaf(value, "INPUT")
        if self.knobs:
            self._knobs()
        hidden = self._hidden()
        for block in reading.blocks:
            block.key = hidden[block] if block in hidden else self._fresh(block.lines[-1].name)
            self.card.update(dict.fromkeys(block.lines, block.key))
        self.shelves = [shelf for shelf in self.shelves if shelf.beside not in hidden]
        for block in reading.blocks:
            if block not in hidden:
                self._block(block)
        for shelf in self.shelves:
            self._shelf(shelf)
        for block, keys in self.beside.items():
            left = not self.inputs_right or any(shelf.beside is block for shelf in self.shelves)
            self.picture.same_rank([*keys, block.key] if left else [block.key, *keys])
            self.right |= set[tuple[str, str]]() if left else {(key, block.key) for key in keys}
        self._edges()
        return self.picture

    def _fresh(self, name: str) -> str:
        return fresh(identifier(name), self.taken)

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

    def _alt(self, title: str) -> str:
        program = self.program
        said = [f"{title}."]
        for word, values in (("Inputs", program.inputs), ("States", program.states), ("Returns", program.outputs)):
            names = [f"{v.name} {numbers.shape(v.shape)}" for v in values[:8]]
            more = f" and {len(values) - 8} more" if len(values) > 8 else ""
            if names:
                said.append(f"{word}: {', '.join(names)}{more}.")
        return " ".join(said)

    # ------------------------------------------------------------ cards

    def _line(self, value: Value, ink: str, mut: str, *, main: bool, italic: bool = False, new: str = "") -> Label:
        """A line as ``name shape = formula``, or ``new <- formula`` for the new value of a state."""
        formula, size = self.reading.written[value], style.CELL if main else style.CAPTION
        whole = f"{value.name} {numbers.shape(value.shape)} = {formula}" + (f", which becomes {new}" if new else "")
        name, shape = clipped(new or value.name), "" if new else f" {numbers.shape(value.shape)}"
        named = text(name, size + main, ink, bold=main, italic=italic) + (caption(shape, mut) if shape else ())
        lines = wrapped(f" {'<-' if new else '='} {formula}", taken=len(name + shape))
        first, *others = (text(line, size, ink, italic=italic) for line in lines)
        key = self._fresh(f"{value.name}_line")
        return cell(aligned(named + first, *others), align="LEFT", id=key, title=whole, cellpadding=1)

    def _hidden(self) -> dict[Block, str]:
        """The blocks in the middle of a large program, which are not drawn: a card counts their lines."""
        found: dict[Block, str] = {}
        if len(self.reading.blocks) <= style.CARDS:
            return found
        for part in (FORWARD, BACKWARD):
            middle = [block for block in self.reading.blocks if block.part == part][ENDS:-ENDS]
            if not middle:
                continue
            key = self._fresh(f"not_drawn_{part}")
            found.update(dict.fromkeys(middle, key))
            states = sum(len(shelf.states) for shelf in self.shelves if shelf.beside in found) * (part == FORWARD)
            lines = numbers.count(sum(len(block.lines) for block in middle))
            words = f"... {lines} lines{f' and {numbers.count(states)} states' if states else ''} not drawn"
            inside = row(cell(caption(words), cellpadding=6))
            self.picture.node(key, table(inside), cls="gap", group=part)
        return found

    def _leaf(self, value: Value, tag: str) -> None:
        key = self.card[value] = self._fresh(value.name)
        inside = row(self._tag(tag), self._named(value))
        self.picture.node(key, table(inside, **frame("data", cellpadding=2)), cls="card input")
        first = self.reading.first([value])
        if first is not None and first is not self.reading.blocks[0] and first.part == FORWARD:
            self.beside.setdefault(first, []).append(key)

    def _tag(self, word: str) -> Label:
        return cell(text(word, style.TAG, "muted"), cellpadding=3)

    def _named(self, value: Value, **attributes: Any) -> Label:
        return cell(
            text(clipped(value.name), style.NAME, "ink", bold=True),
            caption(f" {numbers.shape(value.shape)}"),
            align="LEFT",
            cellpadding=3,
            **attributes,
        )

    def _knobs(self) -> None:
        key = self._fresh("knobs")
        rows = []
        for value in self.reading.knobs:
            self.card[value] = key
            if value.kind == "knob":
                named = text(clipped(value.name), style.NAME, "ink", bold=True)
                tags = text("KNOB  ", style.TAG, "muted"), caption("  read at each call")
                rows.append(row(cell(tags[0], named, tags[1], align="LEFT")))
            else:
                rows.append(row(self._line(value, "ink", "muted", main=False)))
        self.picture.node(key, table(*rows, **frame("data", cellpadding=2)), cls="card knob")

    def _block(self, block: Block) -> None:
        returned = [v for v in block.lines if v in self.program.outputs]
        loss = block.part == FORWARD and any(not v.shape for v in returned)
        back = block.part == BACKWARD
        ink, mut = ("loss_ink", "loss_mut") if loss else ("ink", "muted")
        rows = [
            row(self._line(v, ink, mut, main=v is block.lines[-1] or v in returned, italic=back)) for v in block.lines
        ]
        rows += [row(cell(text("RETURNED", style.TAG, mut), align="LEFT"))] if returned else []
        rows += self._constants(block.lines, mut)
        kind = "loss" if loss else "derivative" if back else "operation"
        card = frame(kind, style="ROUNDED,DASHED" if kind == "derivative" else "ROUNDED", cellpadding=2)
        inside = row(cell(table(*rows), cellpadding=4))
        cls = f"card {'loss' if loss else block.part}"
        self.picture.node(block.key, table(inside, **card), group=block.part, cls=cls)

    def _constants(self, lines: Sequence[Value], colour: str) -> list[Label]:
        """The constant arrays that these lines read."""
        read = dict.fromkeys(v for line in lines for v in self.reading.reads[line] if v.kind == "constant" and v.shape)
        return [
            row(cell(text(f"CONSTANT  {v.name} {numbers.shape(v.shape)}", style.TAG, colour), align="LEFT"))
            for v in read
        ]

    # ------------------------------------------------------------ states

    def _shelves(self) -> list[_Shelf]:
        """The states by the card that reads them first."""
        reading = self.reading
        found: dict[Any, _Shelf] = {}
        for home in reading.homes:
            first = reading.first([*home.states, *home.views])
            if first is None:
                read = [reading.block_of.get(v) for line in home.lines for v in reading.reads[line]]
                first = next((block for block in reading.blocks if block in read), None)
            found.setdefault(first, _Shelf([], first)).homes.append(home)
        return list(found.values())

    def _shelf(self, shelf: _Shelf) -> None:
        reading = self.reading
        rows = []
        shelf.key = self._fresh(shelf.states[0].name)
        trained = any(_is_trained(self.program, state) for state in shelf.states)
        for home in shelf.homes:
            for state in home.states:
                self.card[state] = shelf.key
                word = "PARAM" if _is_trained(self.program, state) else "STATE"
                rows.append(row(self._tag(word), self._named(state)))
            for view in home.views:
                self.card[view] = shelf.key
                if any(reader not in home.views for reader in reading.readers.get(view, [view])):
                    rows.append(row(cell(" "), self._line(view, "ink", "muted", main=False)))
        card = frame("parameter" if trained else "data", cellpadding=2)
        self.picture.node(shelf.key, table(*rows, **card), cls="card state")
        ends = [shelf.beside.key] if shelf.beside and shelf.beside.part == FORWARD else []
        self.right |= {(shelf.key, end) for end in ends}
        lines = [home for home in shelf.homes if home.lines]
        if not lines:
            return
        shelf.updates = self._fresh(f"{shelf.key}_update")
        rows = []
        for i, home in enumerate(lines):
            if i:
                rows.append(RULE)
            self.card.update(dict.fromkeys(home.lines, shelf.updates))
            like = self._alike(home)
            for value in home.lines:
                if like is not None and reading.part[value] == UPDATE:
                    continue
                back = reading.part[value] == BACKWARD
                new = next((s for s, v in self.program.updates.items() if v is value), None)
                name, ink = new.name if new else "", "grad" if back else "ink"
                rows.append(row(self._line(value, ink, "muted", main=bool(new) or back, italic=back, new=name)))
            if like is not None:
                more = f" and {len(home.states) - 1} more" if home.states[1:] else ""
                words = f"{more} <- as {clipped(like.states[0].name)}, {numbers.count(len(reading.form(home)))} lines"
                first = text(clipped(home.states[0].name), style.CELL + 1, "ink", bold=True)
                rows.append(row(cell(first, caption(words, "ink"), align="LEFT", cellpadding=1)))
        card = frame("update", style="ROUNDED", cellpadding=2)
        inside = row(cell(table(*rows, color="hair"), cellpadding=4))
        self.picture.node(shelf.updates, table(inside, **card), cls="card update")
        self.picture.same_rank([*ends, shelf.key, shelf.updates])

    def _alike(self, home: Home) -> Home | None:
        """Earlier states with the same update, if it is long; else None."""
        form = self.reading.form(home)
        return None if len(form) <= ALIKE or (first := self.first.setdefault(form, home)) is home else first

    # ------------------------------------------------------------ edges

    def _edges(self) -> None:
        parts = {block.key: block.part for block in self.reading.blocks}
        parts |= {shelf.updates: UPDATE for shelf in self.shelves} | {shelf.key: "state" for shelf in self.shelves}
        drawn: set[tuple[str, str]] = set()
        for value in self.reading.written:
            head = self.card.get(value)
            for arg in self.reading.reads[value]:
                tail = self.card.get(arg)
                if head not in parts or tail is None or tail == head or (tail, head) in drawn:
                    continue
                drawn.add((tail, head))
                if arg not in self.knobs:
                    self._edge(arg, tail, head, parts.get(tail, "input"), parts[head])
        for shelf in self.shelves:
            if shelf.updates:
                names = ", ".join(v.name for v in shelf.states if v in self.program.updates)
                told = f"new value of {names}"
                self.picture.edge(shelf.key, shelf.updates, cls="update", id=f"u_{shelf.key}", tooltip=told)

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


def _is_trained(program: Program, state: Value) -> bool:
    """Whether a state is a parameter, or a buffer of packed parameters."""
    members = [member for member, _ in program.packed.get(state, ())]
    return any(_is_trained(program, m) for m in members) or bool(getattr(state.origin, "requires_grad", False))
