"""The tape and its mirror: the recorded operations, downwards on the left, and their derivatives, upwards on the right.

Dotted lines between them stand for the values that each operation saves for its derivative. Most of the memory of a
training holds such values.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any

import numpy as np

from glassgrad import autograd as ag
from glassgrad.viz.drawing import numbers, style
from glassgrad.viz.drawing.errors import DrawingError
from glassgrad.viz.drawing.labels import Label, caption, cell, frame, grad_text, row, table, text
from glassgrad.viz.drawing.render import Picture
from glassgrad.viz.drawing.style import Theme
from glassgrad.viz.drawing.texts import clipped, short
from glassgrad.viz.graph.cards import BRIEF, Cards
from glassgrad.viz.graph.drawing import edge_looks, scene_title
from glassgrad.viz.recorded.names import LOSS, PARAM, fresh
from glassgrad.viz.recorded.scene import Card, Scene, Socket
from glassgrad.viz.recorded.validation import recorded

READING = (
    caption("down the left: ops as recorded", "fwd"),
    grad_text("up the right: the derivative op of each"),
    caption("dotted: the values it had to keep"),
)
SHORT = caption("no lines over more than 4 rows: the formulas name what they read")


def draw_tape(
    y: ag.Tensor,
    *,
    names: Mapping[str, Any] | None = None,
    inputs: Iterable[ag.Tensor] = (),
    targets: Iterable[ag.Tensor] = (),
    gradients: Any = True,
    title: str | None = None,
    theme: str | Theme = "light",
) -> Picture:
    """The tape and its mirror: the operations as recorded, beside each its derivative, between them the kept values.

    Arguments are as in `draw_graph`. ``gradients``: the upstream gradient of an output that is not a scalar, a Tensor
    of its shape.

    Raises `DrawingError` where nothing was recorded, for an unknown theme, for an output that is not a scalar without
    ``gradients``, for several outputs or complex numbers, and for more than 60 operations.

    >>> x = ag.Tensor(3.0, requires_grad=True, name="x")
    >>> draw_tape(x * x).title
    'L = x·x: the tape and its mirror'
    """
    if gradients is False or gradients is None:
        raise DrawingError("a tape shows derivatives: gradients= must be True, or the output's upstream gradient")
    if len(recorded(y)) > 1:
        raise DrawingError("a tape has one output: draw one at a time")
    scene = Scene(y, names=names, inputs=inputs, targets=targets, gradients=gradients)
    if (many := len(scene.operations)) > style.CARDS:
        raise DrawingError(
            f"a tape of {numbers.count(many)} operations is too long to be read, {style.CARDS} at most: draw a value "
            "within the graph, or the table of draw_modules"
        )
    return _Tape(scene).draw(title).themed(theme)


def kept(card: Card) -> list[Card]:
    """The values that an operation saves for its derivative: those that its rules take as arguments.

    Constants, parameters of the operation and shapes do not count.
    """
    op = card.operation.op
    used = op.plans[card.operation.mask].keep([True] * len(op.args), True)
    tails = [socket.tail for socket in card.sockets if used[0 if op.variadic else socket.index]]
    return list(dict.fromkeys([*tails, *([card] if used[-1] else [])]))


class _Tape:
    """One drawing: operations on levels, their derivatives beside them, the leaves outside."""

    def __init__(self, scene: Scene) -> None:
        self.scene, self.cards = scene, Cards(scene)
        self.keys = {card.key for card in scene.cards}
        parts = [card for card in scene.cards if card.node is not None or card.gradient is not None]
        self.back = {card: fresh(f"{'g' if card.node is None else 'd'}_{card.key}", self.keys) for card in parts}
        """The keys of the boxes that stand for derivatives, and for the gradients of leaves."""

    def draw(self, title: str | None) -> Picture:
        """The picture; ``title``: its headline. Where it is too wide, with short formulas and without long lines."""
        scene, brief = self.scene, self.cards.brief
        title = title if title is not None else f"{scene_title(scene)}: the tape and its mirror"
        told: dict[str, Any] = {"title": title, "notice": scene.notice, "names": {card.name for card in scene.cards}}
        told["reading"] = [(*READING, SHORT) if brief else READING]
        self.picture = Picture("tape", nodesep=style.NODESEP_LANES, **told)
        above: dict[str, str] = {}
        for card in scene.cards:
            columns = self._leaf(card) if card.node is None else self._operation(card)
            self.picture.same_rank(columns.values())
            for column, key in columns.items():
                if column in above:  # a straight column
                    self.picture.edge(above[column], key, style="invis", weight=style.WEIGHT_SPINE)
            above |= columns
        at = {card: i for i, card in enumerate(scene.cards)}
        for card in scene.operations:
            for socket in card.sockets:
                if brief and at[card] - at[socket.tail] > style.FAR:
                    continue
                forward, backward = edge_looks(socket)
                self.picture.edge(socket.tail.key, card.key, **forward)
                if socket.sent is not None:
                    self.picture.edge(self.back[socket.tail], self.back[card], **backward)
            if card.place in scene.ends and card.gradient is not None:
                self._seed(card)
        if brief or self.picture.size()[0] <= style.WIDTH:
            return self.picture
        self.cards.brief, self.cards.longest = True, BRIEF
        return self.draw(title)

    # ------------------------------------------------------------ cards

    def _leaf(self, card: Card) -> dict[str, str]:
        """Draw a leaf and its gradient; return their keys by column."""
        self.picture.node(card.key, self._card(card), cls=f"card {card.role}", group="forward")
        if card not in self.back:
            return {"forward": card.key}
        border = style.PARAMETER_BORDER if card.role == PARAM else style.BORDER
        self.picture.node(self.back[card], _dashed(self._sum(card), border), cls="card grad", group="backward")
        self.picture.edge(card.key, self.back[card], style="invis")
        return {"forward": card.key, "backward": self.back[card]}

    def _operation(self, card: Card) -> dict[str, str]:
        """Draw an operation, the values kept and its derivative; return their keys by column."""
        keeps, link = kept(card), fresh(f"k_{card.key}", self.keys)
        names = clipped(", ".join(short(one.name) for one in keeps), self.cards.longest)
        told = ", ".join(f"{one.name} {numbers.shape(one.shape)}" for one in keeps) or "nothing"
        title = f"kept for the derivative of {card.name}: {told}"
        said = cell(caption(f"kept: {names or 'nothing'}"), title=title)
        columns = {
            card.key: (self._card(card), f"card {'loss' if card.role == LOSS else 'act'}", "forward"),
            link: (table(row(said), cellpadding=2), "link", "kept"),
            self.back[card]: (self._backward(card), "card bwd", "backward"),
        }
        for key, (label, kind, column) in columns.items():
            self.picture.node(key, label, cls=kind, group=column)
        for i, (left, right) in enumerate(pairwise(columns)):
            self.picture.edge(left, right, cls="link", id=f"l_{card.key}_{i}")
        return {column: key for key, (_, _, column) in columns.items()}

    def _card(self, card: Card) -> Label:
        """A leaf or an operation: its tag or badge, its name, its formula, and the value or its shape."""
        formula = "" if card.node is None else f" = {self.scene.formula(card).text}"
        head = cell(self.cards.headings(card, shape=not card.is_loop), title=f"{card.told}{formula}")
        return self.cards.whole(card, table(row(head), **self.cards.frame(card, 5)))

    def _backward(self, card: Card) -> Label:
        """The derivative of an operation: for each operand with a gradient, the rule and its result."""
        said, size = self.cards.badge(card)
        symbol = text(f"∂{said}", min(size, 14), "grad", bold=True, italic=True)
        badge = cell(symbol, width=30, sides="R", border=1, color="hair")
        rows = [self._sum(card)] if len(self._addends(card)) > 1 and not card.is_loop else []
        rows += [self._rule(socket) for socket in card.sockets if socket.contribution is not None]
        return table(row(badge, cell(table(*rows, cellpadding=1))), **frame("derivative", cellpadding=4))

    def _rule(self, socket: Socket) -> Label:
        whole = self.scene.pull(socket, self.scene.say.symbol(self.cards.by(socket.head), socket.head.gradient)).text
        formula = whole if len(whole) <= self.cards.longest else "by its rule"
        by = f"{self.cards.by(socket.tail)}{f' {socket.mark}' if socket.mark else ''}"
        parts = [text(f"{by} = ", style.GRAD_LABEL, "grad", italic=True)]
        parts += [text(f"{formula} = ", style.CELL, "ink"), self._number(socket.sent)]
        return row(cell(*parts, align="LEFT", title=f"{by} = {whole} = {numbers.full(socket.sent)}"))

    def _sum(self, card: Card) -> Label:
        """The gradient of a value; where it has several addends, these or their number before it."""
        parts = self._addends(card)
        said = "" if len(parts) < 2 else f"sum of {len(parts)}: "
        if said and not card.shape and len(parts) <= style.ADDENDS:
            said = f"{' + '.join(numbers.scalar(part) for part in parts)} = "
        label = text(f"{self.cards.by(card)} = {said}", style.GRAD_LABEL, "grad", italic=True)
        return row(cell(label, self._number(card.gradient), align="LEFT", title=self.cards.gradient_told(card)))

    def _number(self, array: Any) -> Label:
        """A gradient: the number, or the rms of several."""
        if array.shape:
            return text(f"rms {numbers.rms(array)}", style.GRAD_LABEL, "grad", italic=True)
        return self.cards.number(numbers.scalar(array), style.GRADIENT, "grad", bold=True, italic=True)

    def _addends(self, card: Card) -> list[np.ndarray]:
        """The addends of a gradient, one for each use."""
        return [use.contribution for use in card.addends if use.contribution is not None]

    def _seed(self, card: Card) -> None:
        """Draw the upstream gradient of an output."""
        key = fresh("seed", self.keys)
        label = text(f"seed  {self.cards.by(card)} = ", style.GRAD_LABEL, "grad", italic=True)
        self.picture.node(key, _dashed(row(cell(label, self._number(card.gradient)))), cls="card grad")
        self.picture.edge(card.key, key, cls="link", id=f"l_{key}")
        self.picture.edge(self.back[card], key, cls="bwd", id=f"b_{key}")


def _dashed(inside: Label, width: float = style.BORDER) -> Label:
    return table(inside, cellpadding=3, color="grad", bgcolor="paper", style="DASHED", border=width)
