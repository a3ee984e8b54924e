"""The module table: a network too large for cards, one row per module.

A row shows the module's name and size, the histogram of its output, the gradient of its weights as a thumbnail, that
gradient's size on a gauge of decades, and a warning where something is wrong. Operations outside of any module have
rows of their own.
"""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
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
from glassgrad.viz.drawing.texts import clipped, short, text_width
from glassgrad.viz.graph import row_cards
from glassgrad.viz.recorded.evaluate import Evaluation, evaluate
from glassgrad.viz.recorded.folding import Repeat, check_depth, readable
from glassgrad.viz.recorded.layers import described, graph_title, has_shortcut, lines
from glassgrad.viz.recorded.loops import GATES, Recurrence, loops_in, recurrences
from glassgrad.viz.recorded.names import ACTIVATIONS, LOSSES, Names, derivative
from glassgrad.viz.recorded.rows import Caution, Link, Parameter, Row, entries, names_of, slopes, warn
from glassgrad.viz.recorded.since import notice
from glassgrad.viz.recorded.validation import recorded

ROWS = 40  # of a table, where modules may be opened less
MOST = 120  # of any table
COLUMNS = (138, 142, 118, 104, 4)  # points: name and warnings, strip, thumbnail, gauge, the end of lines beside rows
LINE = 28  # characters of a caption that fit into the second column
LANES = (6, 2, 1)  # values that pass a row on its right, tried in turn; of longer lines there are words


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
    it, and no ``.grad`` changes. ``names``, ``inputs``, ``targets``: as in `draw_graph`. Of an input with axes of
    pixels, the first example is drawn.

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
    called = Names(seen.graph, names, inputs, targets)
    rows, links, units = readable(called, ROWS, depth, fold)
    if len(units) > MOST:
        raise DrawingError(
            f"a table of {numbers.count(len(units))} rows is too long to be read: draw a value within the graph, open "
            "fewer modules with depth=, fold equal blocks, or put operations into modules, which are one row each; "
            "view='ops' draws a card for each operation"
        )
    warn(rows, seen)
    return _Table(rows, links, units, seen, notice(seen, called)).draw(title).themed(theme)


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

    def draw(self, title: str | None) -> Picture:
        """The picture; ``title``: its headline. Where it is too wide, more of the long lines are words."""
        for lanes in LANES:
            self.far = self._far(lanes)
            picture = self._drawn(title)
            if self.far == self._far(LANES[-1]) or picture.size()[0] <= style.WIDTH:  # measuring takes a layout
                break
        return picture

    def _drawn(self, title: str | None) -> Picture:
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
            self._card(unit)
        self._edges({row.key: unit.key for unit in self.units for row in unit.rows})
        return self.picture

    def _far(self, lanes: int) -> dict[tuple[str, str], str]:
        """The names of values read from so far above that shorter lines fill the lanes, by the cards at both ends."""
        at = {row.key: unit for unit in self.units for row in unit.rows}
        rank = {unit.key: i for i, unit in enumerate(self.units)}
        names = {row.key: row.letter if at[row.key] is row else at[row.key].title for row in self.rows}
        found = {(at[link.tail].key, at[link.head].key): names[link.tail] for link in self.links}
        taken, far = Counter[int](), {}
        for tail, head in sorted(found, key=lambda ends: rank[ends[1]] - rank[ends[0]]):
            between = range(rank[tail] + 1, rank[head])
            if any(taken[i] >= lanes for i in between):
                far[tail, head] = found[tail, head]
            else:
                taken.update(between)
        return far

    def _by(self, name: str) -> str:
        return derivative(self.end, name, short)

    # ------------------------------------------------------------ cards

    def _card(self, unit: Row | Repeat) -> None:
        """Draw a card: its name and warnings; its values, their gradient and the size of that, each with a tooltip.

        Of equal blocks and of a loop over time, one column has values and gradient, and the frame is triple. A double
        frame marks numbers that are not finite.
        """
        loops = recurrences(unit.nodes, self.seen) if isinstance(unit, Row) else []
        if isinstance(unit, Repeat):
            kind, head, cells = self._repeat(unit)
        else:
            kind, head, cells = self._loop(unit, loops[0]) if loops else self._row(unit)
        if told := [name for (_, end), name in reversed(self.far.items()) if end == unit.key]:
            head += aligned(*map(caption, _wrapped(f"also reads {', '.join(told)}")))
        folded, failed = len(cells) == 2, any(caution.word == "NOT FINITE" for caution in unit.warnings)
        widths = [sum(COLUMNS[1:3]), COLUMNS[3]] if folded else COLUMNS[1:4]
        rule = {"sides": "L", "border": 1, "color": "hair"}
        ports = ["g" if shown is cells[-1] else None for shown in cells]
        parts = list(zip(cells, widths, ports, strict=True))[: None if self.seen.gradients else -1]
        drawn = [_column(x, width, port, title=tip, **rule) for (x, tip), width, port in parts]
        drawn.append(_column(caption(" "), COLUMNS[4], "side"))
        if unit.warnings:
            head = table(row_(cell(head, align="LEFT", balign="LEFT")), row_(cell(self._boxes(unit.warnings))))
        look = frame("failed" if failed else "data" if kind == "input" else kind)
        if folded:
            look |= {"border": style.PARAMETER_BORDER, "style": None}
        label = table(row_(_column(head, COLUMNS[0], "v"), *drawn), cellpadding=4, **look)
        for _ in range(2 * folded):
            label = table(row_(cell(label)), border=1, color=look["color"], bgcolor="paper", cellspacing=3)
        if failed and not folded:
            label = table(row_(cell(label)), border=4, color="bad", bgcolor="paper", cellpadding=2)
        cls = f"module {'folded' if folded else kind}{' failed' * failed}"
        self.picture.node(unit.key, label, group="rows", cls=cls)
        if loops or (isinstance(unit, Repeat) and unit.shares):
            row_cards.loop_edge(self.picture, unit.key, "side:e", loops[0].loop.length if loops else len(unit.blocks))
        elif isinstance(unit, Row) and unit.of.calls and has_shortcut(lines([unit])):
            row_cards.shortcut_edge(self.picture, unit.key)

    def _row(self, row: Row) -> tuple[str, Label, list[tuple[Label, str]]]:
        """The kind of a row, its name, and the cells with its values and their gradient."""
        place, name = (row.weight.tensor, row.weight.name) if row.weight else (row.place, row.letter)
        array, gradient = self.seen.value(row.place), self.seen.gradient(place)
        kind = "parameter" if row.parameters else "operation" if row.nodes else "input"
        if row is self.output and array.size == 1 and not row.parameters:
            kind = "loss"
        sent = f"{self._by(name)}: {'not computed' if gradient is None else numbers.full(gradient)}"
        middle = caption(" ")
        if row.weight:
            middle = self._weight(row.weight)
        elif len(row.nodes) == 1 and row.op in ACTIVATIONS:
            mean, steepest = map(numbers.short, slopes(row.nodes[0], self.seen))
            slope = grad_text(f"mean {row.nodes[0].op.symbol}′ = {mean}")
            middle = aligned(slope, caption(f"largest possible {steepest}"))
        size = self._measured(place, name, gradient)
        return kind, self._head(row), [(self._values(row, array), numbers.full(array)), (middle, sent), (size, sent)]

    def _head(self, row: Row) -> Label:
        """The name of a row, with the sizes of its parts and its path."""
        shared, total = [p.name for p in row.parameters if p.shared], entries([row])
        size = f"shares {' and '.join(shared[:2])}" if shared else numbers.counted(total, "parameter") if total else ""
        if not row.nodes:
            array = self.seen.value(row.place)
            name = text(f"{clipped(row.letter, 14)}  input", style.NAME, "ink", bold=True)
            return aligned(name, caption(f"{numbers.shape(array.shape)} {array.dtype}"))
        if row.call > 1:
            captions = [f"the same {row.label}, call {row.call}"]
        elif row.of.calls:
            captions = [*filter(None, [size]), *_contents([row])]
        elif row.op in LOSSES:
            captions = [f"{LOSSES[row.op]}, {row.nodes[-1].params.get('reduction', 'mean')}"]
        else:
            captions = _wrapped("    ".join(filter(None, (described(row.nodes), size))))
            captions += [f"{len(row.nodes)} ops"] * (len(row.nodes) > 1)
        symbol = row.nodes[-1].op.symbol if not row.parameters and len({node.op for node in row.nodes}) == 1 else ""
        name = text(clipped(row.title, 20), style.NAME, "ink", bold=True)
        if len(symbol) == 1 and symbol != "·" and row.op not in LOSSES:
            name = text(f"{symbol}  ", style.BADGE_SMALL, "fwd", bold=True) + name
        if row.path and not row.title.startswith(row.path):
            captions.append(clipped(row.path))
        return aligned(name, *map(caption, captions))

    def _values(self, row: Row, array: np.ndarray) -> Label:
        if array.size == 1:
            return aligned(text(f"{short(row.letter)} = {numbers.scalar(array)}", style.VALUE, "ink"))
        if array.dtype.kind not in "fiub" or array.size == 0:
            return aligned(caption(f"{row.letter}: {numbers.shape(array.shape)} {array.dtype}"))
        if row.op == "softmax" and array.ndim == 4 and (heads := marks.maps(array[0])):
            return _stacked(heads[0], caption(f"{row.letter}: weights of {heads[1]} of {heads[2]} heads"))
        finite, spread = array[np.isfinite(array)].astype(float), f"  {numbers.spread(array)}"
        extent = f": {numbers.short(finite.min())} to {numbers.short(finite.max())}" if finite.size else ""
        words = _fitted(f"{row.letter}{extent}", spread, COLUMNS[1], caption)
        if not row.nodes and 2 < array.ndim < 5 and (drawn := marks.maps(array[0], limit=marks.IMAGE)):
            index = f"0, :{drawn[1]}" if drawn[1] < drawn[2] else "0"
            return _stacked(drawn[0], aligned(caption(f"{clipped(row.letter, 14)}[{index}]"), words))
        return _stacked(marks.strip(array), words)

    def _weight(self, weight: Parameter) -> Label:
        array = self.seen.gradient(weight.tensor)
        if array is None:
            return caption(" " if weight.tensor.requires_grad else "no grad needed")
        words = _fitted(self._by(weight.name), f"  {numbers.shape(weight.tensor.shape)}", COLUMNS[2], grad_text)
        return _stacked(marks.thumbnail(array), words)

    def _measured(self, place: Any, name: str, gradient: np.ndarray | None) -> Label:
        """The size of a gradient, on a gauge unless it is a single number."""
        if gradient is None:
            return caption("not computed" if getattr(place, "requires_grad", False) else "no grad needed")
        if gradient.size == 1:
            return aligned(grad_text(f"{self._by(name)} = {numbers.scalar(gradient)}"))
        size = numbers.root_mean_square(gradient)
        words = _fitted(f"rms {self._by(name)}", f" {numbers.rms(size)}", COLUMNS[3], grad_text)
        return _stacked(marks.gauge(size), words)

    def _boxes(self, warnings: Iterable[Caution]) -> Label:
        boxes = []
        for caution in warnings:
            ink, ground = ("bad", "bad_bg") if caution.word == "NOT FINITE" else ("warn", "warn_bg")
            inside = row_(cell(aligned(*row_cards.warning(caution, style.CELL)), align="LEFT", balign="LEFT"))
            boxes.append(row_(cell(table(inside, border=1, color=ink, bgcolor=ground, cellpadding=4))))
        return table(*boxes, cellspacing=2)

    def _repeat(self, repeat: Repeat) -> tuple[str, Label, list[tuple[Label, str]]]:
        """The card of equal blocks: their number, the parts of one, and the gradient of each."""
        of, rows = len(repeat.blocks), repeat.rows
        own = [p for row in rows for p in row.parameters if not p.shared]
        words = [
            *_contents(repeat.blocks[0]),
            *[f"{of} inputs of {numbers.shape(row.place.shape)}" for row in repeat.blocks[0] if not row.nodes][:1],
            *[f"{numbers.counted(entries(rows), 'parameter')} in {numbers.count(len(own))} tensors"] * bool(own),
            f"{numbers.count(len(repeat.nodes))} ops not drawn",
        ]
        by = self._by("W" if any(row.weight for row in rows) else "(output)")
        by = f"part of {by}" if repeat.shares else by
        return self._stairs(repeat, of, words, by, repeat.sizes(self.seen), "block")

    def _loop(self, row: Row, loop: Recurrence) -> tuple[str, Label, list[tuple[Label, str]]]:
        """The card of a loop over time: the size of the gradient of its state after every step."""
        total, by = entries([row]), self._by(loop.carries[0] if loop.carries else "(state)")
        words = [numbers.counted(total, "parameter")] * bool(total) + [f"{len(loop.body.steps)} ops in a step"]
        named = [GATES[name] for name in loop.gates]
        words += [", ".join(named[i : i + 2]) for i in range(0, len(named), 2)]
        sizes = loop.sizes() if loop.carries else None
        return self._stairs(row, int(loop.loop.length), words, by, sizes, "step")

    def _stairs(
        self, unit: Row | Repeat, of: int, words: list[str], by: str, sizes: list[float] | None, each: str
    ) -> tuple[str, Label, list[tuple[Label, str]]]:
        """The card of ``of`` blocks or steps, with a staircase of their gradients."""
        own = any(row.parameters for row in unit.rows)
        name = text(f"{of} ×", style.COUNT, "knob" if own else "fwd", bold=True)
        name += text(f"  {clipped(unit.title, 20)}", style.NAME, "ink", bold=True)
        told, stairs, ends = f"rms {by} of {each} 1 to {of}", caption(" "), caption(" ")
        if sizes is not None:
            stairs = _stacked(grad_text(told), marks.staircase(sizes))
            ends = aligned(
                *map(grad_text, [f"rms {by}", *(f"{each} {i}:  {numbers.rms(sizes[i - 1])}" for i in (1, of))])
            )
        tip = f"{told}: {', '.join(map(numbers.rms, sizes)) if sizes else 'not computed'}"
        words = [*([clipped(unit.path)] if unit.path else []), *words]
        return "parameter" if own else "operation", aligned(name, *map(caption, words)), [(stairs, tip), (ends, tip)]

    # ------------------------------------------------------------ edges

    def _edges(self, at: Mapping[str, str]) -> None:
        drawn = list(dict.fromkeys(at.values()))
        rank = {key: i for i, key in enumerate(drawn)}
        by_key = {row.key: row for row in self.rows}
        uses = Counter(id(link.place) for link in self.links)
        joined: set[tuple[str, str]] = set()
        for link in self.links:
            tail, head = at[link.tail], at[link.head]
            if tail == head or (tail, head) in joined or (tail, head) in self.far:
                continue
            joined.add((tail, head))
            near = rank[head] - rank[tail] == 1
            passing = drawn[rank[tail] : rank[head] + 1]
            label = caption(f"  {numbers.shape(self.seen.value(link.place).shape)}") if near else ()
            row_cards.row_edge(self.picture, passing, "v", "side", label, cls="fwd", id=f"f_{tail}_{head}")
            gradient = self.seen.sent(by_key[link.head].nodes, link.place)
            if gradient is None:
                continue
            size, row = numbers.root_mean_square(gradient), by_key[link.tail]
            name = self._by(row.letter) if link.place is row.place else "gradient"
            words = f"rms {name} {numbers.rms(size)}"
            if uses[id(link.place)] > 1:
                words = f"rms {numbers.rms(size)}, part of {name}"
            label, look = grad_text(f"    {words}") if near else (), row_cards.gradient_edge(size)
            row_cards.row_edge(self.picture, passing, "g", "side", label, id=f"b_{tail}_{head}", tooltip=words, **look)
        row_cards.hold_in_column(self.picture, drawn, joined)


def _column(content: Label, width: int, port: str | None, **attributes: Any) -> Label:
    return cell(content, port=port, width=width, align="LEFT", balign="LEFT", **attributes)


def _contents(rows: Iterable[Row]) -> list[str]:
    """The layers of a block in at most 3 lines of a caption."""
    return _wrapped(", ".join(", ".join(filter(None, line)) for line in lines(rows)))


def _wrapped(words: str) -> list[str]:
    return textwrap.wrap(words, LINE + 2, max_lines=3, placeholder=" ...")


def _stacked(mark: Label, words: Label) -> Label:
    cells = cell(mark, align="LEFT", valign="BOTTOM"), cell(words, align="LEFT", valign="TOP")
    return table(*map(row_, cells), cellpadding=1)


def _fitted(name: str, more: str, width: int, written: Callable[[str], Label]) -> Label:
    """A name and a number or shape on one line, or on two where it is long, so that all rows are equally wide."""
    if text_width(name + more, style.CAPTION) <= width - 10:
        return written(name + more)
    return aligned(written(clipped(name, width // 5)), written(more.strip()))
