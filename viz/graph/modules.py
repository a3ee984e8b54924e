"""The module table: a network too large for cards, one row per module.

A row shows the module's name and size, the histogram of its output, the gradient of its weights as a thumbnail, that
gradient's size on a gauge of decades, and a warning where something is wrong. Operations outside of any module have
rows of their own.
"""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from glassgrad import autograd as ag
from glassgrad.viz.drawing import marks, numbers, style
from glassgrad.viz.drawing.errors import DrawingError
from glassgrad.viz.drawing.labels import Label, aligned, caption, cell, frame, grad_text, table, text
from glassgrad.viz.drawing.labels import row as row_
from glassgrad.viz.drawing.render import Picture
from glassgrad.viz.drawing.style import Theme
from glassgrad.viz.drawing.texts import clipped, text_width
from glassgrad.viz.graph.row_cards import (
    column,
    gradient_edge,
    hold_in_column,
    loop_edge,
    row_edge,
    shortcut_edge,
    warning,
)
from glassgrad.viz.recorded.evaluate import Evaluation, evaluate
from glassgrad.viz.recorded.folding import Repeat, check_depth, readable
from glassgrad.viz.recorded.layers import described, graph_title, has_shortcut, lines
from glassgrad.viz.recorded.loops import Recurrence, loops_in, recurrences
from glassgrad.viz.recorded.names import ACTIVATIONS, LOSSES, Names
from glassgrad.viz.recorded.rows import Caution, Link, Parameter, Row, entries, names_of, percent, score, slopes, warn
from glassgrad.viz.recorded.since import notice
from glassgrad.viz.recorded.validation import recorded

ROWS = 40  # of a table, where modules may be opened less
MOST = 120  # of any table
COLUMNS = (146, 142, 118, 104, 122)  # points: name, strip, thumbnail, gauge, warning
NOTHING = 4  # points of the last column where there is no warning
LINE = 28  # characters of a caption that fit into the second column


def draw_modules(
    y: ag.Tensor,
    *,
    names: Mapping[str, ag.Tensor] | None = None,
    inputs: Iterable[ag.Tensor] = (),
    targets: Iterable[ag.Tensor] = (),
    title: str | None = None,
    theme: str | Theme = "light",
    gradients: bool = True,
    depth: int | None = None,
    fold: bool = True,
) -> Picture:
    """The module table of the graph that computed ``y``: one row per module, gradients on the right.

    ``y`` is any recorded Tensor; gradients are shown when it has one element and ``gradients`` is true, otherwise the
    table says "not computed". Values and gradients are computed afresh for the picture: nothing is kept in training for
    it, and no ``.grad`` changes. ``names``, ``inputs``, ``targets``: as in `draw_graph`. Of an input whose rows are
    squares of 8 to 32 pixels, the first is drawn as a picture.

    ``depth``: how deep modules are opened: 1 draws a row for each direct part of the model, 2 opens those as well, and
    0 draws the model as one row. None opens as many levels as fit into 40 rows. ``fold``: 3 or more equal blocks in a
    row (2, if there is no room) become one card with their number and the gradient of each as a staircase.

    Raises `DrawingError` when no operation was recorded for ``y``, or the table has more than 120 rows.

    >>> w = ag.Tensor([[0.5, -1.0]], requires_grad=True, name="w")
    >>> picture = draw_modules(ag.sum(ag.tanh(w)))
    >>> picture.title
    '2 operations, 2 parameters'
    """
    ys = recorded(y)
    if len(ys) != 1:
        raise DrawingError(f"the module table is drawn for one output, not for {len(ys)}: draw them one by one")
    check_depth(depth)
    seen = evaluate(ys, gradients)
    rows, links, units = readable(seen.graph, ROWS, depth, fold, names=names, inputs=inputs, targets=targets)
    if len(units) > MOST:
        raise DrawingError(
            f"a table of {numbers.count(len(units))} rows is too long to be read: draw a value within the graph, open "
            "fewer modules with depth=, fold equal blocks, or put operations into modules, which are one row each; "
            "view='ops' draws a card for each operation"
        )
    warn(rows, seen)
    said = notice(seen, Names(seen.graph, names, inputs, targets))
    return _Table(rows, links, units, seen, said).draw(title).themed(theme)


@dataclass(eq=False)
class _Table:
    """One drawing of a module table."""

    rows: list[Row]
    links: list[Link]
    units: list[Row | Repeat]
    seen: Evaluation
    notice: tuple[str, ...]

    def __post_init__(self) -> None:
        rows, seen = self.rows, self.seen
        self.output = next(row for row in rows if seen.is_output(row.place))
        self.end = self.output.letter
        self.last = COLUMNS[4] if any(row.warnings for row in rows) else NOTHING

    def draw(self, title: str | None) -> Picture:
        """The picture; ``title``: its headline."""
        if self.seen.gradients:
            rows = ["one row per module; backward edges: width and contrast on a log scale of rms gradient"]
            marked = ["thumbnail = weight gradient, small squares negative", "gauge = 1e-7 to 1, a rule per decade"]
        else:
            rows = ["one row per module", "solid = values, going down"]
            marked = ["gradients: not computed (call .backward() before, or give gradients=True)"]
        signs = [caption("strip = histogram of values", "fwd"), *map(grad_text, marked)]
        if any(isinstance(unit, Repeat) or loops_in(unit.nodes) for unit in self.units):
            signs.append(caption("staircase = one column per block or step"))
        title = title or graph_title([node for row in self.rows for node in row.nodes], entries(self.rows))
        words: dict[str, Any] = {"title": title, "names": names_of(self.rows)}
        words |= {"reading": [list(map(caption, rows)), signs], "notice": self.notice}
        self.picture = Picture("modules", nodesep=style.NODESEP_LANES, **words)
        for unit in self.units:
            self._unit(unit)
        self._edges({row.key: unit.key for unit in self.units for row in unit.rows})
        return self.picture

    # ------------------------------------------------------------ words

    def _parameters(self, rows: Iterable[Row]) -> str:
        return numbers.counted(total, "parameter") if (total := entries(rows)) else "no parameters"

    def _by(self, name: str) -> str:
        return f"∂{self.end}/∂{name}"

    # ------------------------------------------------------------ cards

    def _put(
        self, unit: Row | Repeat, kind: str, head: Label, cells: Sequence[tuple[Label, str]], own: bool = False
    ) -> None:
        """Draw a card: its name; its values, their gradient and the size of that, each with a tooltip; its warnings.

        Of folded blocks, one column has values and gradient; their frame is triple, and says whether parameters are
        their ``own``. A double frame marks numbers that are not finite.
        """
        key, failed = unit.key, any(caution.word == "NOT FINITE" for caution in unit.warnings)
        folded = kind == "folded"
        widths = [sum(COLUMNS[1:3]), COLUMNS[3]] if folded else COLUMNS[1:4]
        drawn = [column(head, COLUMNS[0], "v")]
        for (content, tip), width in zip(cells, widths, strict=True):
            port = "g" if width == COLUMNS[3] else None
            if not port or self.seen.gradients:
                drawn.append(column(content, width, port, True, title=tip))
        drawn.append(column(self._boxes(unit.warnings), self.last, "side", self.last > NOTHING))
        usual = {"input": "data", "folded": "parameter" if own else "operation"}.get(kind, kind)
        look = frame("failed" if failed else usual)
        if folded:
            look |= {"border": style.PARAMETER_BORDER, "style": None}
        label = table(row_(*drawn), cellpadding=4, **look)
        for _ in range(2 * folded):
            label = table(row_(cell(label)), border=1, color=look["color"], bgcolor="paper", cellspacing=3)
        if failed and not folded:
            label = table(row_(cell(label)), border=4, color="bad", bgcolor="paper", cellpadding=2)
        self.picture.node(key, label, group="rows", cls=f"module {kind}{' failed' * failed}")

    def _unit(self, unit: Row | Repeat) -> None:
        """Draw the card of a row, of equal blocks, or of a loop over time."""
        if isinstance(unit, Repeat):
            self._repeat(unit)
        elif loops := recurrences(unit.nodes, self.seen):
            self._loop(unit, loops[0])
        else:
            place, name = (unit.weight.tensor, unit.weight.name) if unit.weight else (unit.place, unit.letter)
            value, size = self.seen.value(unit.place), self._measured(place, name)
            if not unit.nodes:
                kind, (head, values, middle) = "input", self._input(unit)
            elif unit is self.output and value.size == 1:
                kind, (head, values, middle) = "loss", self._loss(unit)
                size = aligned(text(f"{self._by(unit.letter)} = 1", style.GRAD_LABEL, "grad", italic=True))
            else:
                kind, (head, values, middle) = "operation", self._cells(unit)
            kind = "parameter" if unit.parameters else kind
            array = self.seen.gradient(place)
            sent = f"{self._by(name)}: {'not computed' if array is None else numbers.full(array)}"
            self._put(unit, kind, head, [(values, numbers.full(value)), (middle, sent), (size, sent)])
            if unit.of.calls and has_shortcut(lines([unit])):
                shortcut_edge(self.picture, unit.key)

    def _head(self, row: Row, *captions: str) -> Label:
        single = row.nodes and len({node.op.name for node in row.nodes}) == 1 and not row.parameters
        symbol = row.nodes[-1].op.symbol if single else ""
        name = text(clipped(row.title, 20), style.NAME, "ink", bold=True)
        if len(symbol) == 1 and symbol != "·" and row.op not in LOSSES:
            name = text(f"{symbol}  ", style.BADGE_SMALL, "fwd", bold=True) + name
        captions = (*captions, clipped(row.path)) if row.path and not row.title.startswith(row.path) else captions
        return aligned(name, *map(caption, captions))

    def _cells(self, row: Row) -> tuple[Label, Label, Label]:
        """Name, values and gradient of a module or an operation."""
        shared = [p.name for p in row.parameters if p.shared]
        size = f"shares {' and '.join(shared[:2])}" if shared else self._parameters([row])
        if row.call > 1:
            captions = [f"the same {row.label}, call {row.call}"]
        elif row.of.calls:
            captions = [size, *_contents([row])]
        else:
            captions = _wrapped("    ".join(filter(None, (described(row.nodes), size))))
            captions += [f"{len(row.nodes)} ops"] * (len(row.nodes) > 1)
        array = self.seen.value(row.place)
        values = self._values(row.letter, array)
        if row.op == "softmax" and array.ndim == 4 and (heads := marks.maps(array)):
            values = self._stacked(heads[0], caption(f"{row.letter}: weights of {heads[1]} of {heads[2]} heads"))
        return self._head(row, *captions), values, self._weight(row.weight) if row.weight else self._slope(row)

    def _values(self, letter: str, array: np.ndarray) -> Label:
        if array.size == 1:
            return aligned(text(f"{letter} = {numbers.scalar(array.reshape(())[()])}", style.VALUE, "ink"))
        if array.dtype.kind not in "fiub" or array.size == 0:
            return aligned(caption(f"{letter}: {numbers.shape(array.shape)} {array.dtype}"))
        if array.ndim <= 2 and _is_small(array):
            words = caption(f"{letter}  {numbers.shape(array.shape)}")
            return self._stacked(self._numbers(array, "ink"), words)
        finite, spread = array[np.isfinite(array)].astype(float), numbers.spread(array)
        lines = [f"{letter}: {spread}"]
        if finite.size:
            extent = f"{letter}: {numbers.short(finite.min())} to {numbers.short(finite.max())}"
            lines = [f"{extent},  {spread}"] if len(extent + spread) <= LINE else [extent, spread]
        return self._stacked(marks.strip(array), aligned(*map(caption, lines)))

    def _numbers(self, array: np.ndarray, colour: str, *, italic: bool = False) -> Label:
        shown = numbers.table(array)
        size = style.CAPTION if array.shape[-1:] < (style.TABLE_COLUMNS,) else style.SMALL
        cells = [[cell(text(x, size, colour, italic=italic), align="RIGHT") for x in line] for line in shown.rows]
        grid = table(*(row_(*line) for line in cells), cellpadding=1, cellspacing=1)
        # The second cell, empty or not, takes up the room that would pull the columns apart.
        return table(row_(cell(grid), cell(caption(shown.factor), valign="BOTTOM")))

    def _stacked(self, mark: Label, words: Label) -> Label:
        cells = cell(mark, align="LEFT", valign="BOTTOM"), cell(words, align="LEFT", valign="TOP")
        return table(*map(row_, cells), cellpadding=1)

    def _weight(self, weight: Parameter) -> Label:
        array = self.seen.gradient(weight.tensor)
        if array is None:
            return caption(" " if weight.tensor.requires_grad else "no grad needed")
        words = self._fitted(self._by(weight.name), f"  {numbers.shape(weight.tensor.shape)}", COLUMNS[2])
        if _is_small(array):
            return self._stacked(self._numbers(array, "grad", italic=True), words)
        return self._stacked(marks.thumbnail(array), words)

    def _slope(self, row: Row) -> Label:
        node = row.nodes[-1]
        if len(row.nodes) != 1 or node.op.name not in ACTIVATIONS:
            return caption(" ")
        mean, steepest = slopes(node, self.seen)
        return aligned(
            grad_text(f"mean {node.op.symbol}′ = {numbers.short(mean)}"),
            caption(f"largest possible {numbers.short(steepest)}"),
        )

    def _measured(self, place: Any, name: str) -> Label:
        """The size of a gradient on a gauge."""
        size = self.seen.size(place)
        if size is None:
            return caption("not computed" if getattr(place, "requires_grad", False) else "no grad needed")
        words = self._fitted(f"rms {self._by(name)}", f" {numbers.rms(size)}", COLUMNS[3])
        return self._stacked(marks.gauge(size), words)

    def _fitted(self, name: str, number: str, width: int) -> Label:
        """A long name and a number on two lines, so that no row is wider than the others."""
        if text_width(name + number, style.CAPTION) <= width - 10:
            return grad_text(name + number)
        return aligned(grad_text(clipped(name, width // 5)), grad_text(number.strip()))

    def _boxes(self, warnings: Iterable[Caution]) -> Label:
        boxes = []
        for caution in warnings:
            ink, ground = ("bad", "bad_bg") if caution.word == "NOT FINITE" else ("warn", "warn_bg")
            inside = row_(cell(aligned(*warning(caution, style.CELL)), align="LEFT", balign="LEFT"))
            boxes.append(row_(cell(table(inside, border=1, color=ink, bgcolor=ground, cellpadding=4))))
        return table(*boxes, cellspacing=2) if boxes else caption(" ")

    def _input(self, row: Row) -> tuple[Label, Label, Label]:
        array = self.seen.value(row.place)
        size, values, words = f"{numbers.shape(array.shape)} {array.dtype}", self._values(row.letter, array), [" "]
        picture = marks.picture_of(array) if array.dtype.kind in "fiub" and array.size else None
        if picture is not None:
            many = len(array) if array.ndim > 1 else 1
            size = f"{numbers.counted(many, 'image')} of {' × '.join(map(str, picture.shape))}"
            values = table(row_(cell(marks.image(picture, side=56))), cellpadding=2)
            words = [f"image 1 of {numbers.count(many)}"]
            words.append(f"values {numbers.short(array.min())} to {numbers.short(array.max())}")
        name = text(f"{clipped(row.letter, 14)}  input", style.NAME, "ink", bold=True)
        return aligned(name, caption(size)), values, aligned(*map(caption, words))

    def _loss(self, row: Row) -> tuple[Label, Label, Label]:
        node = row.nodes[-1]
        captions = [self._parameters([row]) if row.parameters else f"{len(row.nodes)} ops"] * (len(row.nodes) > 1)
        if node.op.name in LOSSES:
            captions = [f"{LOSSES[node.op.name]}, {node.params.get('reduction', 'mean')}"]
        value = numbers.scalar(self.seen.value(row.place).reshape(())[()])
        values = [text(f"{row.letter} = {value}", style.NAME, "ink", bold=True)]
        judged = caption(" ")
        if result := score(node, self.seen):
            values.append(caption(f"chance level {result.formula} = {numbers.scalar(result.chance)}"))
            what, said = "accuracy", f"{percent(result.right / result.of)} of {numbers.count(result.of)}"
            if result.of == 1:
                what, said = "prediction", "right" if result.right else "wrong"
            judged = aligned(caption(what), text(said, style.CELL, "ink"))
        return self._head(row, *captions), aligned(*values), judged

    def _repeat(self, repeat: Repeat) -> None:
        """Draw one card for equal blocks: their number, the parts of one, and the gradient of each."""
        of, rows = len(repeat.blocks), repeat.rows
        own = [p for row in rows for p in row.parameters if not p.shared]
        words = [
            clipped(repeat.path),
            *_contents(repeat.blocks[0]),
            *[f"{of} inputs of {numbers.shape(row.place.shape)}" for row in repeat.blocks[0] if not row.nodes][:1],
            self._parameters(rows) + (f" in {numbers.count(len(own))} tensors" if own else ""),
            f"{numbers.count(sum(len(row.nodes) for row in rows))} ops not drawn",
        ]
        by = self._by("W" if any(row.weight for row in rows) else "(output)")
        by = f"part of {by}" if repeat.shares else by
        self._stairs(repeat, of, words, by, repeat.sizes(self.seen), "block", repeat.shares)

    def _loop(self, row: Row, loop: Recurrence) -> None:
        """Draw one card for a loop over time: the size of the gradient of its state after every step."""
        words = [*([row.path] if row.path else []), self._parameters([row]), f"{len(loop.body.steps)} ops in a step"]
        by, sizes = self._by(loop.carries[0] if loop.carries else "(state)"), loop.sizes() if loop.carries else None
        self._stairs(row, int(loop.loop.length), words, by, sizes, "step", True)

    def _stairs(
        self, unit: Row | Repeat, of: int, words: list[str], by: str, sizes: list[float] | None, each: str, loops: bool
    ) -> None:
        """Draw the card of ``of`` blocks or steps, with a staircase of their gradients."""
        own = any(row.parameters for row in unit.rows)
        name = text(f"{of} ×", style.COUNT, "knob" if own else "fwd", bold=True)
        name += text(f"  {clipped(unit.title, 20)}", style.NAME, "ink", bold=True)
        told, stairs, ends = f"rms {by} of {each} 1 to {of}", caption(" "), caption(" ")
        if sizes is not None:
            together = -(-of // marks.STAIRS)
            said = told + (f", the smallest of {together} each" if together > 1 else "")
            parts = grad_text(said), marks.staircase(sizes)
            stairs = table(*(row_(cell(part, align="LEFT")) for part in parts), cellpadding=1)
            lines = [f"rms {by}", *(f"{each} {i}:  {numbers.rms(sizes[i - 1])}" for i in (1, of))]
            ends = aligned(*map(grad_text, lines))
        tip = f"{told}: {', '.join(map(numbers.rms, sizes)) if sizes else 'not computed'}"
        self._put(unit, "folded", aligned(name, *map(caption, words)), [(stairs, tip), (ends, tip)], own)
        if loops:
            loop_edge(self.picture, unit.key, "side:e", of)

    # ------------------------------------------------------------ edges

    def _edges(self, at: Mapping[str, str]) -> None:
        drawn = list(dict.fromkeys(at.values()))
        rank = {key: i for i, key in enumerate(drawn)}
        by_key = {row.key: row for row in self.rows}
        uses = Counter(id(link.place) for link in self.links)
        joined: set[tuple[str, str]] = set()
        for link in self.links:
            tail, head = at[link.tail], at[link.head]
            if tail == head or (tail, head) in joined:
                continue
            joined.add((tail, head))
            near = rank[head] - rank[tail] == 1
            passing = drawn[rank[tail] : rank[head] + 1]
            label = caption(f"  {numbers.shape(self.seen.value(link.place).shape)}") if near else ()
            row_edge(self.picture, passing, "v", "side", label, cls="fwd", id=f"f_{tail}_{head}")
            gradient = self.seen.sent(by_key[link.head].nodes, link.place)
            if gradient is None:
                continue
            size, row = numbers.root_mean_square(gradient), by_key[link.tail]
            name = self._by(row.letter) if link.place is row.place else "gradient"
            words = f"rms {name} {numbers.rms(size)}"
            if uses[id(link.place)] > 1:
                words = f"rms {numbers.rms(size)}, part of {name}"
            label, look = grad_text(f"    {words}") if near else (), gradient_edge(size)
            row_edge(self.picture, passing, "g", "side", label, id=f"b_{tail}_{head}", tooltip=words, **look)
        hold_in_column(self.picture, drawn, joined)


def _contents(rows: Iterable[Row]) -> list[str]:
    """The layers of a block in at most 3 lines of a caption."""
    return _wrapped(", ".join(", ".join(filter(None, line)) for line in lines(rows)))


def _wrapped(words: str) -> list[str]:
    return textwrap.wrap(words, LINE + 2, max_lines=3, placeholder=" ...")


def _is_small(array: np.ndarray) -> bool:
    columns = array.shape[-1] if array.ndim else 1
    return 0 < array.size <= style.TABLE_ROWS * columns and columns <= style.TABLE_COLUMNS
