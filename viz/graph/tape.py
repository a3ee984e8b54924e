"""The tape and its mirror: the recorded operations, downwards on the left, and their derivatives, upwards on the right.

Dotted lines between them stand for the values that each operation saves for its derivative. Most of the memory of a
training holds such values.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from glassgrad import autograd as ag
from glassgrad.viz.drawing import numbers, style
from glassgrad.viz.drawing.errors import DrawingError
from glassgrad.viz.drawing.labels import Label, caption, cell, frame, grad_text, row, table, text
from glassgrad.viz.drawing.render import Picture
from glassgrad.viz.drawing.style import Theme
from glassgrad.viz.drawing.texts import clipped
from glassgrad.viz.graph.cards import Cards
from glassgrad.viz.graph.drawing import TITLE
from glassgrad.viz.graph.parts import FORMULA, short, tag_of
from glassgrad.viz.recorded.names import LOSS, PARAM, fresh
from glassgrad.viz.recorded.scene import Card, Scene, Socket
from glassgrad.viz.recorded.validation import recorded

ABOVE, BESIDE = 2, 1  # leaves in a row above the first operation, and beside one; more are higher up
NODESEP = 0.06  # inches
ENDS = 15  # operations drawn at either end of a long tape


def draw_tape(
    y: ag.Tensor | Sequence[ag.Tensor],
    *more: ag.Tensor,
    names: Mapping[str, Any] | None = None,
    inputs: Iterable[ag.Tensor] = (),
    targets: Iterable[ag.Tensor] = (),
    gradients: Any = True,
    title: str | None = None,
    theme: str | Theme = "light",
) -> Picture:
    """The tape and its mirror: the operations as recorded, beside each its derivative, between them the kept values.

    Arguments are as in `draw_graph`. ``gradients``: the upstream gradient of an output that is not a scalar, a Tensor
    of its shape (several outputs, a list). A tape of more than 60 operations shows its first and last 15.

    Raises `DrawingError` where nothing was recorded, for an unknown theme, and for an output that is not a scalar
    without ``gradients``.

    >>> x = ag.Tensor(3.0, requires_grad=True, name="x")
    >>> draw_tape(x * x).alt
    'L = x·x: the tape and its mirror. Kept: x. Gradients: ∂L/∂x = 6.'
    """
    if gradients is False or gradients is None:
        raise DrawingError("a tape shows derivatives: gradients= must be True, or the outputs' upstream gradients")
    ys = [*recorded(y), *(recorded(more) if more else ())]
    scene = Scene(ys, names=names, inputs=inputs, targets=targets, gradients=gradients)
    return _Tape(scene).draw(title).themed(theme)


def kept(card: Card) -> list[Card]:
    """The values that an operation saves for its derivative: those that its rules take as arguments.

    Constants, parameters of the operation and shapes do not count.
    """
    node = card.operation
    op = node.op
    if op.variadic:
        wanted = {want for _, wants in op.rules.values() for want in wants}
        tails = [socket.tail for socket in card.sockets] if op.args[0] in wanted else []
    else:
        used = [op.rules[arg][1] for i, arg in enumerate(op.args) if node.mask >> i & 1]
        wanted = {want for wants in used for want in wants}
        tails = [socket.tail for socket in card.sockets if op.args[socket.index] in wanted]
    return list(dict.fromkeys([*tails, *([card] if "out" in wanted else [])]))


class _Tape:
    """One drawing: operations on levels, their derivatives beside them, the leaves outside."""

    def __init__(self, scene: Scene) -> None:
        self.scene, self.cards = scene, Cards(scene)
        operations = scene.operations
        self.hidden = operations[ENDS:-ENDS] if len(operations) > style.CARDS else []
        self.unseen = set(self.hidden)
        self.tape: list[Card | None] = [*operations]
        if self.hidden:
            self.tape[ENDS:-ENDS] = [None]
        self.level = {card: i for i, card in enumerate(self.tape) if card is not None}
        leaves = (card for card in scene.cards if card.node is None)
        self.leaves = [card for card in leaves if not all(use.head in self.unseen for use in card.uses)]
        self.taken = {card.key for card in scene.cards}
        self.gap, self.gap_back = self._fresh("not_drawn"), self._fresh("not_drawn_back")
        self.neighbours: dict[tuple[str, str], bool] = {}  # in a column: whether an edge joins them
        self.back = {card: self._fresh(f"d_{card.key}") for card in self.level}
        self.result = {leaf: self._fresh(f"g_{leaf.key}") for leaf in self.leaves if leaf.gradient is not None}

    def draw(self, title: str | None) -> Picture:
        """The picture; ``title``: its headline."""
        scene = self.scene
        title = title if title is not None else self._title(len(scene.operations))
        told: dict[str, Any] = {"title": title, "reading": [self._reading()], "alt": self._alt(title)}
        told["notice"] = scene.notice
        self.picture = Picture("tape", names={card.name for card in scene.cards}, nodesep=NODESEP, **told)
        self._levels()
        for card in self.level:
            for socket in card.sockets:
                self._edges(socket)
        for card in [*self.level, *self.leaves]:
            if any(use.head in self.unseen for use in card.uses):
                self._into_gap(card)
        self._seeds()
        for ends, is_joined in self.neighbours.items():
            if not is_joined:
                self.picture.edge(*ends, style="invis", weight=style.WEIGHT_SPINE)
        return self.picture

    def _join(self, upper: str, lower: str, **attributes: Any) -> None:
        """Draw an edge; one between neighbours of a column keeps it straight."""
        if (ends := (upper, lower)) in self.neighbours:
            self.neighbours[ends] = True
            attributes["weight"] = style.WEIGHT_SPINE
        self.picture.edge(upper, lower, **attributes)

    def _fresh(self, key: str) -> str:
        return fresh(key, self.taken)

    # ------------------------------------------------------------ words

    def _title(self, operations: int) -> str:
        scene = self.scene
        written = scene.expression(TITLE) if len(scene.ends) == 1 else None
        ends = ", ".join(card.name for card in scene.cards if card.place in scene.ends)
        what = f"{ends} = {written}" if written else f"{clipped(ends)}: {numbers.counted(operations, 'operation')}"
        return f"{what}{':' if written else ','} the tape and its mirror"

    def _reading(self) -> list[Label]:
        return [
            caption("down the left: ops as recorded", "fwd"),
            grad_text("up the right: the derivative op of each"),
            caption("dotted: the values it had to keep"),
        ]

    def _alt(self, title: str) -> str:
        keeps = dict.fromkeys(one.name for card in self.level for one in kept(card))
        return f"{title}. Kept: {', '.join(keeps) or 'nothing'}. Gradients: {self.cards.gradients_of([*self.result])}."

    # ------------------------------------------------------------ cards

    def _levels(self) -> None:
        """Draw each operation on a level of its own, its leaves beside the one before it or further up."""
        beside: dict[int, list[Card]] = {}
        for card, i in self.level.items():
            for leaf in dict.fromkeys(socket.tail for socket in card.sockets if socket.tail.node is None):
                if any(leaf in placed for placed in beside.values()):
                    continue
                at = i - 1
                while len(beside.get(at, [])) == (ABOVE if at < 0 else BESIDE):
                    at -= 1
                beside.setdefault(at, []).append(leaf)
        above: list[str] = []
        for i in range(min(beside, default=0), len(self.tape)):
            leaves = beside.get(i, [])
            for leaf in leaves:
                self.picture.node(leaf.key, self._leaf(leaf), cls=f"card {leaf.role}")
                if leaf in self.result:
                    self.picture.node(self.result[leaf], self._result(leaf), cls="card grad")
            columns = self._operation(self.tape[i]) if i >= 0 else []
            results = [self.result[leaf] for leaf in leaves if leaf in self.result]
            level = [*(leaf.key for leaf in reversed(leaves)), *columns, *results]
            self.picture.same_rank(level)
            for left, right in pairwise(level):
                if not {left, right} <= {*columns}:
                    self.picture.edge(left, right, style="invis")
            self.neighbours |= dict.fromkeys(zip(above, columns, strict=False), False)
            above = columns

    def _operation(self, card: Card | None) -> list[str]:
        """Draw an operation, its derivative, and the values kept between them; return their keys."""
        if card is None:
            words = f"... {numbers.count(len(self.hidden))} ops not drawn"
            for key, column in ((self.gap, "forward"), (self.gap_back, "backward")):
                self.picture.node(key, table(row(cell(caption(words), cellpadding=6))), cls="gap", group=column)
            return [self.gap, self.gap_back]
        link, back = self._fresh(f"k_{card.key}"), self.back[card]
        keeps = kept(card)
        names = ", ".join(short(one.name) for one in keeps[:4]) + (f" and {len(keeps) - 4} more" * (len(keeps) > 4))
        told = ", ".join(f"{one.name} {numbers.shape(one.shape)}" for one in keeps) or "nothing"
        title = f"kept for the derivative of {card.name}: {told}"
        shown = caption(f"kept: {names or 'nothing'}")
        said = table(row(cell(shown, id=f"{card.key}_kept", title=title)), cellpadding=2)
        kind = "loss" if card.role == LOSS else "act"
        self.picture.node(card.key, self._forward(card), cls=f"card {kind}", group="forward")
        self.picture.node(link, said, cls="link", group="kept")
        self.picture.node(back, self._backward(card), cls="card bwd", group="backward")
        self.picture.edge(card.key, link, cls="link", id=f"l_{card.key}_0")
        self.picture.edge(link, back, cls="link", id=f"l_{card.key}_1")
        return [card.key, link, back]

    def _leaf(self, leaf: Card) -> Label:
        tag = cell(text(tag_of(leaf), style.TAG, "muted"))
        return self.cards.whole(leaf, table(row(tag, self._named(leaf, "")), **self.cards.frame(leaf, 5)))

    def _forward(self, card: Card) -> Label:
        said, size = self.cards.badge(card)
        ground = self.cards.sign(card)
        badge = cell(text(said, size, "fwd", bold=True), port="o", width=26, **ground)
        formula = clipped(self.scene.formula(card).text, FORMULA)
        inside = table(row(badge, self._named(card, f" = {formula}")), **self.cards.frame(card, 5))
        return self.cards.whole(card, inside)

    def _named(self, card: Card, formula: str) -> Label:
        """The name, the formula, and the value or its shape."""
        value = f" = {numbers.scalar(card.value[()])}" if not card.shape else f"   {numbers.shape(card.shape)}"
        name = text(clipped(card.name), style.NAME, "ink", bold=True)
        title = f"{card.name}{formula} = {numbers.full(card.value)}"
        return cell(name, text(f"{formula}{value}", style.CELL, "ink"), id=f"{card.key}_val", title=title)

    def _result(self, leaf: Card) -> Label:
        width = style.PARAMETER_BORDER if leaf.role == PARAM else style.BORDER
        return self._dashed(self._sum(leaf), width)

    def _dashed(self, inside: Label, width: float = style.BORDER) -> Label:
        frame = {"color": "grad", "bgcolor": "paper", "style": "DASHED", "border": width}
        return table(inside, cellpadding=3, **frame)

    def _parts(self, card: Card) -> str:
        """The addends of a gradient, such as `3 + 4 = `; empty where there is one."""
        seeded = card.place in self.scene.ends
        if len(card.addends) + seeded < 2:
            return ""
        if card.shape:
            return f"sum of {len(card.addends) + seeded}: "
        said = [number for number, _ in self.cards.addends(card)]
        if seeded:
            said.append(numbers.scalar(self._seed(card)[()]))
        return f"{' + '.join(said)} = "

    def _number(self, array: np.ndarray) -> Label:
        """A gradient: the number, or the rms of several."""
        if array.shape:
            return text(f"rms {numbers.rms(array)}", style.GRAD_LABEL, "grad", italic=True)
        return self.cards.number(numbers.scalar(array[()]), style.GRADIENT, "grad", bold=True, italic=True)

    def _backward(self, card: Card) -> Label:
        """The derivative of an operation: for each operand with a gradient, the rule and its result."""
        said, size = self.cards.badge(card)
        symbol = text(f"∂{said}", min(size, 14), "grad", bold=True, italic=True)
        badge = cell(symbol, width=30, sides="R", border=1, color="hair")
        rows = []
        if len(card.addends) + (card.place in self.scene.ends) > 1:
            rows.append(self._sum(card))
        rows += [self._rule(card, socket) for socket in card.sockets if socket.contribution is not None]
        around = frame("derivative", cellpadding=4)
        return table(row(badge, cell(table(*rows, cellpadding=1))), **around)

    def _sum(self, card: Card) -> Label:
        assert card.gradient is not None
        label = text(f"{self.cards.by(card)} = {self._parts(card)}", style.GRAD_LABEL, "grad", italic=True)
        return row(cell(label, self._number(card.gradient), align="LEFT", **self.cards.hook(card, "grad")))

    def _rule(self, card: Card, socket: Socket) -> Label:
        contribution = socket.contribution
        assert contribution is not None
        g = self.scene.say.symbol(self.cards.by(card), card.gradient)
        whole = self.scene.pull(socket, g).text
        formula = whole if len(whole) <= FORMULA else f"by the rule of {card.operation.op.name}"
        by = f"{self.cards.by(socket.tail)}{f' {socket.mark}' if socket.mark else ''}"
        parts = [text(f"{by} = ", style.GRAD_LABEL, "grad", italic=True)]
        parts += [text(f"{formula} = ", style.CELL, "ink"), self._number(contribution)]
        title = f"{by} = {whole} = {numbers.full(contribution)}"
        return row(cell(*parts, align="LEFT", id=f"{card.key}_vjp{socket.index}", title=title))

    # ------------------------------------------------------------ edges

    def _edges(self, socket: Socket) -> None:
        tail, head = socket.tail, socket.head
        ids = f"{tail.key}_{head.key}_{socket.index}"
        forward: dict[str, Any] = {"cls": "fwd", "id": f"f_{ids}"}
        backward: dict[str, Any] = {"cls": "bwd", "id": f"b_{ids}"}
        above = self.result.get(tail) if tail.node is None else self.back.get(tail, self.gap_back)
        source = tail.key if tail.node is None or tail in self.level else self.gap
        self._join(source, head.key, tooltip=f"forward: {tail.name}", **forward)
        part = socket.contribution
        if part is None or not above:
            return
        label = None
        if tail.node is not None and not socket.mark:  # of parallel edges the rows of the card show the numbers
            said = numbers.scalar(part[()]) if not part.shape else f"rms {numbers.rms(part)}"
            number = grad_text(said)
            label = table(row(cell(" ", width=7), cell(number), cell(" ", width=7)))
        told = f"gradient: {head.name} sends {numbers.full(part, 8)} to {tail.name}"
        self._join(above, self.back[head], label=label, tooltip=told, **backward)

    def _into_gap(self, card: Card) -> None:
        """Draw one edge into the gap of omitted operations, and one back."""
        self.picture.edge(card.key, self.gap, cls="fwd", id=f"f_{card.key}_{self.gap}")
        above = self.back.get(card) or self.result.get(card)
        if above:
            ids = f"b_{card.key}_{self.gap}"
            self.picture.edge(above, self.gap_back, cls="bwd", id=ids)

    def _seed(self, card: Card) -> np.ndarray:
        """The upstream gradient of an output."""
        assert card.gradient is not None
        parts = [use.contribution for use in card.addends if use.contribution is not None]
        return np.asarray(card.gradient - sum(parts)) if parts else card.gradient

    def _seeds(self) -> None:
        for card in self.level:
            if card.place not in self.scene.ends or card.gradient is None:
                continue
            key, seed = self._fresh(f"seed_{card.key}" if len(self.scene.ends) > 1 else "seed"), self._seed(card)
            label = text(f"seed  {self.cards.by(card)} = ", style.GRAD_LABEL, "grad", italic=True)
            inside = row(cell(label, self._number(seed)))
            self.picture.node(key, self._dashed(inside), cls="card grad")
            self.picture.edge(card.key, key, cls="link", id=f"l_{key}")
            self.picture.edge(self.back[card], key, cls="bwd", id=f"b_{key}")
