"""The picture of an architecture: a card per block with its layers, branches side by side, equal blocks once.

A card shows its layers, its output shape and its number of parameters. No values are needed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from glassgrad import autograd as ag
from glassgrad.viz.drawing import numbers, style
from glassgrad.viz.drawing.labels import aligned, caption, cell, frame, row, table, text
from glassgrad.viz.drawing.render import Picture
from glassgrad.viz.drawing.style import Theme
from glassgrad.viz.drawing.texts import clipped
from glassgrad.viz.graph.row_cards import loop_edge, shortcut_edge
from glassgrad.viz.recorded.calls import Scope
from glassgrad.viz.recorded.folding import FEWEST, Repeat, check_depth, depths, folded
from glassgrad.viz.recorded.follow import follow
from glassgrad.viz.recorded.layers import ABBREVIATIONS, graph_title, has_shortcut, is_heavy, lines
from glassgrad.viz.recorded.loops import loops_in
from glassgrad.viz.recorded.names import Names
from glassgrad.viz.recorded.rows import Link, Row, entries, names_of, rows_of
from glassgrad.viz.recorded.validation import recorded

CARDS = 72  # on a page, at most
PAGE = 2.2  # largest ratio of height to width
NARROW = 450  # points: the least width of a page
JOIN = 90  # width for each value that a card joins
LINES = 12  # written on a card; further ones are counted


def draw_model(
    model: Any, *examples: Any, depth: int | None = None, title: str | None = None, theme: str | Theme = "light"
) -> Picture:
    """The architecture of a model: a card per block with its layers, the shape of its output and its parameters.

    Nothing is computed: the model is traced with shapes alone, in its present mode (training or not). ``examples``: its
    inputs, each an array, a Tensor, a number, or a shape with the batch first. A recorded result,
    ``draw_model(model(x))``, is drawn without examples, for a model that depends on values. ``depth``: how deep modules
    are opened, 1 for the direct parts of the model; None opens as many levels as fit on a page. ``title``: the
    headline. ``theme``: "light" or "dark".

    Equal blocks in a row are one card with their number. Branches are drawn side by side. Operations without weights,
    such as activations, are written after their layer.

    Raises `DrawingError` for anything but a model and its inputs, and for a model that depends on values.

    >>> from glassgrad import nn
    >>> picture = draw_model(nn.models.lenet5(seed=0), (1, 1, 28, 28))
    >>> picture.title
    'LeNet5: 61,706 parameters'
    """
    check_depth(depth)
    if isinstance(model, ag.Tensor) and not examples:
        return draw_blocks(ag.Graph(*recorded(model)), depth=depth, title=title).themed(theme)

    def read(graph: ag.Graph, inputs: list[ag.Tensor]) -> Picture:
        total = sum(int(p.size) for p in model.parameters())
        said = title if title is not None else f"{type(model).__name__}: {numbers.count(total)} parameters"
        return draw_blocks(graph, inputs=inputs, depth=depth, title=said, closed=True)

    return follow(model, examples, read).themed(theme)


def draw_blocks(
    graph: ag.Graph,
    *,
    inputs: Iterable[Any] = (),
    depth: int | None = None,
    title: str | None = None,
    closed: bool = False,
) -> Picture:
    """The architecture of a recorded graph; see `draw_model`. ``closed``: ``inputs`` are all its inputs."""
    names, tried = Names(graph, None, inputs), list[_Blocks]()
    for level in depths(graph, depth):
        rows, links = rows_of(names, level, closed)
        tried.append(_Blocks(rows, links, graph.outputs))
        if depth is None and len(tried[-1].cards) <= CARDS:
            picture = tried[-1].draw(title)
            width, height = picture.size()
            if width <= style.WIDTH and height <= PAGE * max(width, NARROW):
                return picture
    least = min(tried, key=lambda drawn: len(drawn.cards))
    pictures = (least.draw(title, levels) for levels in (1, 2, 3))  # with branches in so many rows
    return next((picture for picture in pictures if picture.size()[0] <= style.WIDTH), least.draw(title, 2))


@dataclass(eq=False)
class _Card:
    """Rows that are drawn as one card, in the order of execution."""

    key: str
    units: list[Row | Repeat]

    @property
    def rows(self) -> list[Row]:
        """All rows of the card, those of equal blocks included."""
        return [row for unit in self.units for row in unit.rows]

    @property
    def first(self) -> Row:
        """The row that gives the card its position in the model."""
        block = self.units[0].blocks[0]
        return next((row for row in block if row.nodes), block[0])

    @property
    def home(self) -> Scope:
        """The modules around the card, without the model and without the module that it draws."""
        return tuple(level for level in self.units[0].home if level[0])


class _Blocks:
    """One drawing: the cards and the edges between them."""

    def __init__(self, rows: Sequence[Row], links: Sequence[Link], outputs: Sequence[Any]) -> None:
        self.outputs = {id(output) for output in outputs}
        units = folded(rows, links, outputs, FEWEST)
        at = {row.key: i for i, unit in enumerate(units) for row in unit.rows}
        edges = dict.fromkeys((at[link.tail], at[link.head]) for link in links if at[link.tail] != at[link.head])
        into, out = Counter(head for _, head in edges), Counter(tail for tail, _ in edges)
        above = {head: tail for tail, head in edges if into[head] == 1 and out[tail] == 1}
        self.cards: list[_Card] = []
        card_of: dict[int, _Card] = {}
        for i, unit in enumerate(units):
            card = card_of.get(above.get(i, -1))
            if card is None or not self._follows(unit, card):
                card = _Card(unit.key, [])
                self.cards.append(card)
            card.units.append(unit)
            card_of[i] = card
        ends = ((card_of[tail], card_of[head]) for tail, head in edges)
        self.edges = [pair for pair in dict.fromkeys(ends) if pair[0] is not pair[1]]

    def _follows(self, unit: Row | Repeat, card: _Card) -> bool:
        """Whether a row, the only reader of a card, can be written on its last line."""
        if isinstance(unit, Repeat) or isinstance(card.units[0], Repeat) or not card.first.nodes:
            return False
        light = bool(unit.nodes) and not is_heavy(unit.nodes) and not unit.of.calls
        same = not card.first.of.calls and card.home == _Card("", [unit]).home
        return light and same and id(unit.place) not in self.outputs

    # ------------------------------------------------------------ drawing

    def draw(self, title: str | None, levels: int = 1) -> Picture:
        rows = [row for card in self.cards for row in card.rows]
        title = title if title is not None else graph_title([node for row in rows for node in row.nodes], _size(rows))
        tails = {word for card in self.cards for _, tail in _lines(card) for word in tail.split(", ")}
        short = sorted({f"{a} = {name}" for name, a in ABBREVIATIONS.items() if a in tails})
        what = "layers and the operations after them" + (f" ({', '.join(short)})" if short else "")
        reading = [caption(what, "ink")]
        reading.append(caption("right: shape of the output, parameters"))
        if any(isinstance(unit, Repeat) for card in self.cards for unit in card.units):
            reading.append(caption("n × = equal blocks one after another"))
        gaps: dict[str, Any] = {"nodesep": 0.14 if levels == 1 else 0.12, "ranksep": 0.17}
        picture = Picture("blocks", title=title, reading=[reading], names=names_of(rows), **gaps)
        self.boxes = set[Scope]()
        self._place(picture, self.cards, 0)
        for tail, head in self.edges:
            ids, beside = f"f_{tail.key}_{head.key}", [end for start, end in self.edges if start is tail]
            down = self._levels(tail, head) + (beside.index(head) % levels if len(beside) > 2 else 0)
            picture.edge(tail.key, head.key, cls="fwd", id=ids, minlen=down)
        for card in self.cards:
            if times := _times(card):
                loop_edge(picture, card.key, "e", times)
            if has_shortcut(_lines(card)):
                shortcut_edge(picture, card.key)
        return picture

    def _levels(self, tail: _Card, head: _Card) -> int:
        """How many levels an edge goes down: past the title of each box that it leaves."""
        return 1 + sum(tail.home[:depth] in self.boxes - {head.home[:depth]} for depth in range(len(tail.home) + 1))

    def _place(self, picture: Picture, cards: Sequence[_Card], depth: int, box: str = "") -> None:
        """Draw the cards, those of a module in a box of their own; ``box``: the path of the one around them."""
        for home, run in groupby(cards, key=lambda card: card.home[: depth + 1]):
            inside = list(run)
            if len(home) <= depth:
                for card in inside:
                    self._card(picture, card, box)
            elif len(inside) > 1:
                path, label = home[-1]
                size = _size(row for card in inside for row in card.rows)
                label = "" if label in ("Sequential", path) else f"  {label}"
                words = text(f"{path}{label}", style.CAPTION, "ink", bold=True)
                words += caption(f"   {numbers.count(size) if size else ''}")
                key = f"{inside[0].key}_{depth}"
                self.boxes.add(home)
                with picture.cluster(key, "", margin=6):
                    self._place(picture, inside, depth + 1, path)
                    # The title is a card below the others: lines run around cards, and across the labels of boxes.
                    picture.node(f"{key}_title", words, cls="title", id=None)
                    picture.edge(inside[-1].key, f"{key}_title", style="invis", weight=0)
            else:
                self._place(picture, inside, depth + 1, box)

    def _card(self, picture: Picture, card: _Card, box: str) -> None:
        first, unit = card.first, card.units[0]
        own, end = entries(card.rows), card.units[-1].blocks[-1][-1]
        is_end = id(end.place) in self.outputs and not end.parameters and len(card.units) == 1
        kind = "data" if not first.nodes else "parameter" if own else "operation"
        around = frame(kind) | ({"border": style.PARAMETER_BORDER / 2} if own else {})
        path = self._caption(card, box)
        said = [text(path, style.TAG, "muted")] if path else []
        if not first.nodes:
            said.append(text(f"{first.letter}  input", style.CELL, "ink", bold=True))
        for head, tail in _lines(card):
            words = text(head, style.CAPTION, "ink", bold=bool(first.nodes) and len(card.rows) == 1 and is_end)
            said.append(words + (caption(f"  {tail}") if tail else ()))
        shape = "×".join(map(str, end.place.shape)) or "()"
        size = f"   {numbers.count(own)}" if own else "   shared" if first.call > 1 else ""
        joined = sum(head is card for _, head in self.edges)
        bar = min(JOIN * joined, style.WIDTH - 100) if joined > 2 and not own else None  # for straight lines
        top, *rest = said  # the sizes stand beside the first line, so that branches side by side are narrow
        sizes = text(f"  {shape}{size}", style.SMALL, "muted")
        lines = [row(cell(top, align="LEFT", width=bar), cell(sizes, align="RIGHT"))]
        if rest:
            lines.append(row(cell(aligned(*rest), align="LEFT", balign="LEFT", colspan=2)))
        times = f"{len(unit.blocks)} ×" if isinstance(unit, Repeat) else ""
        cells = [cell(table(*lines), port=None if times else "v")]
        if times:
            count = text(times, style.COUNT - 4, "knob" if own else "fwd", bold=True)
            cells.insert(0, cell(count, align="LEFT", port="v"))
        label = table(row(*cells), cellpadding=2, **around)
        if times:
            label = table(row(cell(label)), border=1, color=around["color"], bgcolor="paper", cellspacing=2)
        told = f"{first.path or first.title}: {numbers.shape(end.place.shape)}"
        picture.node(card.key, label, cls="block", tooltip=told)

    def _caption(self, card: _Card, box: str) -> str:
        """The path of the block in the model, without that of its box, and the number of the call."""
        unit, first = card.units[0], card.first
        if isinstance(unit, Repeat):
            return f"{clipped(unit.path, 30)}   {unit.title}"
        if first.path is None:
            return ""
        path = first.path or first.label
        short = path.removeprefix(f"{box}.")
        said = clipped(path if short.isdigit() else short, 30)
        if first.call > 1:
            return f"{said}: the same {first.label}, call {first.call}"
        return f"{said}  {first.label}" if first.of.calls and first.label != "Sequential" else said


def _times(card: _Card) -> int:
    """The number of runs of a card in a loop: a recorded loop, or repeated calls of one module."""
    loops = loops_in(node for row in card.rows for node in row.nodes)
    if loops:
        return int(max(node.params["loop"].length for node in loops))
    return next((len(unit.blocks) for unit in card.units if isinstance(unit, Repeat) and unit.shares), 0)


def _lines(card: _Card) -> list[tuple[str, str]]:
    """The layers of a card; of one block, if it stands for equal blocks."""
    said = lines(row for unit in card.units for row in unit.blocks[0])
    return said if len(said) <= LINES else [*said[: LINES - 1], (f"... {len(said) - LINES + 1} more", "")]


def _size(rows: Iterable[Row]) -> int:
    """The entries of the parameters of rows, each counted once."""
    found = (p for row in rows for p in row.parameters)
    return sum(int(tensor.size) for tensor in {id(p.tensor): p.tensor for p in found}.values())
