"""The picture of a `Program`: values on the left, gradients on the right, and a state with the lines that update it on
the card that reads it.

A card holds lines as ``print(program)`` writes them; of a program wider than a page, the results of a module. A program
is drawn without being run.
"""

from __future__ import annotations

import re
import textwrap
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from itertools import pairwise
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
        ask = "one at a time" if count == 1 else "two of them, before and after"
        raise DrawingError(f"to draw programs, give {ask}; this was given {', '.join(map(of_type, given))}")
    if asked := [name for name, value in options.items() if value is not None and value is not False and value != ()]:
        raise DrawingError(
            f"a Program has no values, so {asked[0]}= cannot be used with it: draw the graph that a call of the"
            " function itself records"
        )
    return found


def draw_program(program: Program, title: str | None = None) -> Picture:
    """The picture of a program. Raises `DrawingError` for one too large to be read as a picture."""
    for folded in (False, True):
        if len((reading := Reading(program, folded)).blocks) <= style.CARDS_LOOSE:
            picture = _Drawing(reading).draw(title)
            if folded or picture.size()[0] <= style.WIDTH:
                return picture
    raise DrawingError(
        f"{program.name} has {numbers.count(len(program.instructions))} instructions, too many for a picture: print it,"
        " or draw the graph that a call of the function itself records"
    )


class _Drawing:
    """One drawing: a card for each run of lines; a state is a row of the card that reads it first."""

    def __init__(self, reading: Reading) -> None:
        self.reading, self.program, self.folded, self.new = reading, reading.program, reading.folded, reading.new
        new = (value for value, state in self.new.items() if reading.is_trained(state) or not self.folded)
        self.main = {*self.program.outputs, *new}  # and the values that other cards read
        self.taken: set[str] = set()
        self.key: dict[Card, str] = {}

    def draw(self, title: str | None) -> Picture:
        """The picture; ``title``: its headline."""
        reading, program = self.reading, self.program
        if title is None:
            title = f"{program.name}: {numbers.counted(len(program.instructions), 'instruction')}"
        marks = [caption("solid = value going forward", "fwd")]
        if BACKWARD in reading.part.values():
            marks.append(grad_text("dashed = gradient coming back"))
            marks.append(caption("formulas name what has no line" if self.folded else "dotted = kept for it"))
        marks += [caption("<- = new value of a state", "knob")] * bool(program.updates)
        self.picture = Picture("program", title=title, reading=[marks], nodesep=style.NODESEP_COMPACT, ranksep=0.3)
        edges = defaultdict[tuple[Card, Card, str], list[Value]](list)
        cards = (*reading.loose, *reading.blocks)
        home = {value: card for card in cards for value in (*card.given, *card.lines)}
        for value, arg in ((value, arg) for value, args in reading.reads.items() for arg in args if arg in home):
            way = BACKWARD if reading.part.get(arg) == BACKWARD else FORWARD if reading.part[value] == FORWARD else ""
            if home[arg] is not home[value] and (way or not self.folded):
                edges[home[arg], home[value], way].append(arg)
        self.main.update(*edges.values())
        uses = Counter(end for tail, head, way in edges for end in ((tail, way), (way, head)))
        near = {*pairwise(reading.blocks)}
        for tail, head, way in [*edges] * self.folded:
            if max(uses[tail, way], uses[way, head]) > style.ADDENDS and (tail, head) not in near:
                del edges[tail, head, way]
        for card in cards:
            self._card(card)
        for edge in edges:
            self._edge(*edge)
        down, up = ([self.key[b] for b in reading.blocks if b.part == part] for part in (FORWARD, BACKWARD))
        for names in [*pairwise(down), *pairwise(up[::-1])] * self.folded:  # straight columns
            self.picture.edge(*names, style="invis", weight=style.WEIGHT_COLUMN)
        return self.picture

    # ------------------------------------------------------------ cards

    def _card(self, card: Card) -> None:
        given, lines = card.given, card.lines
        returned = [value for value in lines if value in self.program.outputs]
        read = dict.fromkeys(arg for value in lines for arg in self.reading.reads[value])
        notes = [f"RETURNED  {clipped(value.name)}" for value in returned]
        notes += [f"CONSTANT  {v.name} {numbers.shape(v.shape)}" for v in read if v.kind == "constant" and v.shape]
        notes += [f"KNOB  {v.name}, read at each call" for v in read if v.kind == "knob"]
        cells = [*map(self._given, given)]
        if hidden := [value for value in lines if self.folded and value not in self.main]:
            cells.append(cell(caption(f"{numbers.counted(len(hidden), 'line')} not drawn"), align="LEFT"))
        cells += [self._line(v, card.part == BACKWARD) for v in lines if v not in hidden]
        cells += [cell(text(said, style.TAG, "muted"), align="LEFT") for said in notes]
        kind = {FORWARD: "operation", BACKWARD: "derivative"}.get(card.part, "data")
        if any(map(self.reading.is_trained, given)):
            kind = "parameter"
        elif card.part == FORWARD and not all(value.shape for value in returned):
            kind = "loss"
        self.key[card] = fresh(identifier([*given, *lines[::-1]][0].name), self.taken)
        label = table(row(cell(table(*map(row, cells), color="hair"), cellpadding=4)), **frame(kind, cellpadding=2))
        self.picture.node(self.key[card], label, cls=f"card {kind}")

    def _given(self, value: Value) -> Label:
        """The cell of a value that no line of the program makes."""
        tag = "INPUT" if value.kind == "input" else "PARAM" if self.reading.is_trained(value) else "STATE"
        name = text(clipped(value.name), style.NAME, "ink", bold=True)
        shape = caption(f" {numbers.shape(value.shape)}")
        return cell(text(f"{tag}  ", style.TAG, "muted"), name, shape, align="LEFT", cellpadding=2)

    def _line(self, value: Value, italic: bool) -> Label:
        """The cell of a line as it prints, or of the new value of a state."""
        formula, main = self.reading.written[value], value in self.main
        size = style.CELL if main else style.CAPTION
        new = self.new[value].name if value in self.new else ""
        whole = f"{value.name} {numbers.shape(value.shape)} = {formula}" + (f", which becomes {new}" if new else "")
        name, shape = clipped(new or value.name), " " if new else f" {numbers.shape(value.shape)}"
        if new and any(value in args for args in (*self.reading.reads.values(), self.program.outputs)):
            formula = f"{value.name} = {formula}"  # the name by which other lines read it
        named = text(name, size + main, "ink", bold=main, italic=italic) + caption(shape)
        lines = wrapped(f" {'<-' if new else '='} {formula}", taken=len(name + shape))
        first, *others = (text(line, size, "ink", italic=italic) for line in lines)
        return cell(aligned(named + first, *others), align="LEFT", title=whole, cellpadding=1)

    # ------------------------------------------------------------ edges

    def _edge(self, tail: Card, head: Card, way: str) -> None:
        """Draw an edge from the card that computes values to one that reads them."""
        ends = self.key[tail], self.key[head]
        ids = "_".join(ends)
        if way == BACKWARD:
            weight = style.WEIGHT_GRADIENT if head.part == FORWARD else 1  # a folded card is level with its gradients
            self.picture.edge(*ends[::-1], cls="bwd", id=f"b_{ids}", weight=weight)
        elif way == FORWARD:
            self.picture.edge(*ends, cls="fwd", id=f"f_{ids}", weight=style.WEIGHT_SPINE if tail.lines else 8)
        else:
            # A derivative is level with the values kept for it, so that the two sides mirror each other.
            level = {"minlen": 0} if (tail.part, head.part) == (FORWARD, BACKWARD) else {"constraint": False}
            self.picture.edge(*ends, cls="link", id=f"l_{ids}", **level)


def wrapped(words: str, width: int = WIDTH, taken: int = 0) -> list[str]:
    """A line of a program in rows of this many characters, the first with some ``taken``; operators begin rows."""
    words = re.sub(r"\w+", lambda name: clipped(name[0], 38), words)
    bound = "x" * taken + re.sub(r" ([^\w\s(]+) (?=\S)", " \\1\xa0", words)
    rows = textwrap.wrap(
        bound, width, subsequent_indent="    ", max_lines=ROWS, placeholder=" ...", break_long_words=False,
        break_on_hyphens=False,
    )  # fmt: skip
    return [row.replace("\xa0", " ") for row in (rows[0][taken:], *rows[1:])]
