"""One drawing of a scene's cards: the boxes of modules, the positions of the cards, and the edges between them."""

from __future__ import annotations

import math
from collections import defaultdict
from itertools import pairwise
from typing import Any

from glassgrad.autograd.engine.graph import Node
from glassgrad.viz.drawing import numbers, style
from glassgrad.viz.drawing.labels import Label, caption, cell, grad_text, row, table, text, width
from glassgrad.viz.drawing.render import Picture
from glassgrad.viz.drawing.texts import clipped, identifier
from glassgrad.viz.graph.cards import FEW, Cards, addends
from glassgrad.viz.recorded.calls import Call
from glassgrad.viz.recorded.layers import described, graph_title
from glassgrad.viz.recorded.names import OP, PARAM, fresh
from glassgrad.viz.recorded.scene import Card, Scene, Socket

TITLE = 60  # characters of the longest expression used as a title
ROOMS = (0, 560, 420, 280)  # points of a level, tried in turn until a picture fits; 0: any
GAP = 12  # points between two cards of a level
ROOMY, ROOMY_ARRAYS = 5, 8  # cards of numbers side by side, and of arrays, that have room for all words and large type


class Drawing:
    """One drawing of a scene: the positions of the operands, and the picture."""

    def __init__(self, scene: Scene) -> None:
        self.scene, self.cards = scene, Cards(scene)
        operations = scene.operations
        self.branched = len({card.depth for card in operations}) < len(operations)  # some stand side by side
        few = len(self.scene.cards) <= (ROOMY if scene.scalar else ROOMY_ARRAYS)
        self.cards.compact = not few and (self.branched or not scene.scalar)
        self.cards.beside = self.cards.compact and self.branched
        self.keys = {card.key for card in scene.cards}
        self.again = self._far()
        self.nested = True  # whether parts of a model have boxes around those of their own parts: these take much room
        self.labels: dict[Card, Label] = {}
        self.level: dict[Card, int] = {}
        self.column: list[Card] = []  # the operations, where they stand in one column

    def draw(self, title: str | None = None) -> Picture:
        """The picture; ``title``: its headline. Where it is too wide, without boxes around boxes, then with fewer cards
        on a level, then with one operation on each.
        """
        said = title if title is not None else self._title()
        picture = self._drawn(said)
        for room in (*ROOMS, None, None):
            if _extent(picture)[0] > style.WIDTH:
                self.nested, self.level = False, self._levels(room) if room else {}
                if room is None:
                    self._in_one_column()
                picture = min(picture, self._drawn(said), key=_extent)
        return picture

    def _in_one_column(self) -> None:
        """Let one operation stand below the other. What else it reads stands beside the one above, as small cards or,
        where these have no room, as the rows of one.
        """
        self.apart = bool(self.column)
        self.column, self.again = self.scene.operations, {}
        self.cards.compact = self.cards.beside = self.cards.brief = True
        self.labels.clear()
        for above, card in zip([None, *self.column], self.column, strict=False):
            beside = [s for s in card.sockets if s.tail is not above]
            small = [s for s in beside if s.tail.node is not None or s is not s.tail.uses[0]]
            self.again |= {s: self._fresh(f"{s.tail.key}_at_{card.key}_{s.index}") for s in small}
            rows = sorted((s for s in beside if s in small or len(s.tail.uses) == 1), key=lambda s: s.sent is None)
            room = style.WIDTH - (self._size(above) if above else 0)
            if len(rows) >= FEW or (rows[1:] and sum(map(self._beside, beside)) > room):
                self.cards.rows |= dict.fromkeys(rows, rows)
                self.again |= dict.fromkeys(rows, self._fresh(f"{card.key}_rows"))

    def _drawn(self, title: str) -> Picture:
        scene, self.keys = self.scene, {card.key for card in self.scene.cards} | {*self.again.values()}
        shape: dict[str, Any] = {}
        if self.cards.compact or not scene.scalar:
            nodesep = style.NODESEP_COMPACT if self.branched else style.NODESEP_TENSOR
            shape = {"nodesep": nodesep, "ranksep": style.RANKSEP_TENSOR}
        if len(self.scene.cards) > 2 * style.CARDS:
            shape |= {"nslimit": 1, "nslimit1": 1}
        names = {card.name for card in scene.cards} | {path for card in scene.cards for path, _ in card.scope if path}
        told: dict[str, Any] = {"title": title, "reading": self._reading(), "notice": scene.notice, "names": names}
        self.picture = Picture("graph", **told, **shape)
        self._place(scene.tree)
        for card in scene.cards:
            if card.node is None and self._home(card) is None and not (card.uses and self.again.keys() >= {*card.uses}):
                self._node(card)
        for above, card in zip([None, *self.column], self.column, strict=False):
            apart = [self.again.get(s, s.tail.key) for s in self.cards.ends(card) if s.tail is not above and self.apart]
            if above:
                self.picture.edge(above.key, card.key, style="invis", weight=style.WEIGHT_COLUMN)
                apart.insert(0, above.key)
            for one, other in pairwise(apart):
                self.picture.edge(one, other, style="invis")
        for card in self.scene.cards:
            for socket in self.cards.ends(card):
                self._edges(socket)
        return self.picture

    # ------------------------------------------------------------ words

    def _title(self) -> str:
        return scene_title(self.scene)

    def _reading(self) -> list[list[Label]]:
        """The lines below the title: the meaning of each mark that is drawn."""
        scene = self.scene
        parts = [caption("solid = value going forward", "fwd")]
        if scene.left_out:
            return [parts]
        if not scene.computed:
            unknown = "gradients: not computed (call .backward() before, or give gradients=True)"
            return [[*parts, grad_text(unknown)]]
        compact = scene.scalar and self.cards.compact
        sign = ": upstream × local = contribution" if scene.scalar and not compact else ""
        parts.append(grad_text(f"dashed = gradient coming back{sign}"))
        if compact:
            parts.append(caption("× = local derivative with respect to the operand before it", "ink"))
        if not scene.scalar:
            parts.append(grad_text("behind the name of an operand = the gradient sent to it"))
        if compact:
            parts.append(grad_text(f"italic = ∂{scene.end}/∂(this card)"))
        if any(len(card.addends) > 1 for card in self.scene.cards):
            parts.append(grad_text("used more than once: one addend per use"))
        if any(use.tail.node is not None or len(use.tail.uses) > 1 for use in self.again):
            parts.append(caption("again = its own card is further up and has the sum"))
        return [parts]

    # ------------------------------------------------------------ cards

    def _place(self, call: Call) -> None:
        """Draw the operations of a call, those of a module in a box of their own."""
        for part in call.parts:
            if isinstance(part, Node):
                self._operation(self.scene.made[part])
            elif self._is_boxed(part):
                key = self._fresh(part.path or part.label)
                with self.picture.cluster(key, self._box_label(part), labeljust="r"):  # no line comes in there
                    self._place(part)
            else:
                self._place(part)

    def _is_boxed(self, call: Call) -> bool:
        """Whether a module gets a box: it is not all there is, and has several parts."""
        if call.calls and call.path and not self.nested:
            return False
        level = sum(len(card.scope) >= len(call.scope) for card in self.scene.operations)
        return len(call.parts) > 1 and len(call.nodes) < level

    def _box_label(self, call: Call) -> Label:
        path, title = call.scope[-1]
        cards = [self.scene.made[node] for node in call.nodes]
        own = list(dict.fromkeys(s.tail for card in cards for s in card.sockets if s.tail.role == PARAM))
        notes = [*filter(None, (path, described(call.nodes)))]
        if own and call.call > 1:
            title = f"the same {title}, call {call.call}"
        elif own:
            notes.append(numbers.counted(sum(card.value.size for card in own), "parameter"))
        return text(title, style.CAPTION, "muted", bold=True) + caption("   ".join(["", *notes]))

    def _operation(self, card: Card) -> None:
        """Draw an operation, with the module that has it alone, and the parameters that it alone uses."""
        self._node(card)
        for socket in self.cards.ends(card):
            if socket in self.again:
                uses = self.cards.rows.get(socket, [socket])
                self.picture.node(self.again[socket], self.cards.again(*uses), cls="card again")
            elif self._home(socket.tail) is card:
                self._node(socket.tail)

    def _home(self, leaf: Card) -> Card | None:
        """The only operation in a module that uses a parameter, apart from those that have a small card of it."""
        heads = {use.head for use in leaf.uses if use not in self.again}
        alone = leaf.role == PARAM and len(heads) == 1
        return head if alone and (head := heads.pop()).group is not None else None

    def _label(self, card: Card) -> Label:
        if card not in self.labels:
            note = caption(clipped(card.path)) if card.path else ()
            if card.node is not None and (call := card.group) is not None and len(call.parts) == 1:
                note = self._box_label(call)
            self.labels[card] = self.cards.card(card, note)
        return self.labels[card]

    def _node(self, card: Card) -> None:
        kind = "act" if card.role == OP else card.role
        failed = " failed" if card.failed else ""
        self.picture.node(card.key, self._label(card), cls=f"card {kind}{failed}")

    def _fresh(self, name: str) -> str:
        return fresh(identifier(name), self.keys)

    # ------------------------------------------------------------ uses far away

    def _far(self) -> dict[Socket, str]:
        """The uses of values far below their first use, each with the key of its own small card.

        Lines across the whole picture, as to the weights of a loop, are unreadable and take minutes to lay out.
        """
        again: dict[Socket, str] = {}
        rank = self._ranks()
        for card in self.scene.cards:
            uses = card.uses
            if len(uses) < 2:
                continue
            many = len(uses) > style.ADDENDS
            reach = style.FAR if many or self.branched else style.FAR_OF_FEW
            if many and card.node is None and self.scene.scalar and self.branched:
                reach = 0  # a fan of lines from a leaf would be a tangle
            near = min(rank[use.head] for use in uses) + reach
            for use in uses:
                group = use.head.group
                # The parameters of a module that is called again stand beside each call.
                called = group is not None and group.call > 1 and card.role == PARAM and not self.scene.scalar
                if rank[use.head] > near or (called and use is not uses[0]):
                    again[use] = self._fresh(f"{card.key}_at_{use.head.key}_{use.index}")
        return again

    def _ranks(self) -> dict[Card, int]:
        """The level that each card stands on: the lowest above its uses."""
        rank: dict[Card, int] = {}
        for card in reversed(self.scene.cards):
            rank[card] = min((rank[use.head] for use in card.uses), default=card.depth + 1) - 1
        return rank

    def _size(self, card: Card) -> float:
        return width(self._label(card)) + GAP

    def _beside(self, socket: Socket) -> float:
        """The room of the card of an operand beside the one above."""
        return width(self.cards.again(socket)) + GAP if socket in self.again else self._size(socket.tail)

    def _levels(self, room: float) -> dict[Card, int]:
        """The level of each card, from below: just above its uses, or further up where a level has no room for it."""
        level: dict[Card, int] = {}
        taken = defaultdict[int, float](float)
        for card in reversed(self.scene.cards):
            at = max((level[use.head] + 1 for use in card.uses if use not in self.again), default=0)
            while taken[at] and taken[at] + self._size(card) > room:
                at += 1
            level[card] = at
            taken[at] += self._size(card)
            taken[at + 1] += sum(map(self._beside, set(card.sockets) & self.again.keys()))
        return level

    # ------------------------------------------------------------ edges

    def _edges(self, socket: Socket) -> None:
        tail, head = socket.tail, socket.head
        forward, backward = edge_looks(socket)
        i, at, is_again = socket.index, self.again.get(socket, tail.key), socket in self.again
        if socket is self.cards.spine(head) and (tail.node is not None or not self.scene.scalar):
            forward["weight"] = style.WEIGHT_SPINE
            backward["weight"] = 0 if self.scene.scalar else style.WEIGHT_GRADIENT
        else:  # an operation on leaves alone stands near its use, not below the leaves
            forward["weight"], backward["weight"] = 4 if tail.depth == 1 and self.scene.scalar else 2, 0
        if tail in self.level and not is_again:
            forward["minlen"] = backward["minlen"] = self.level[tail] - self.level[head]
        self.picture.edge(f"{at}:v:s", f"{head.key}:f{i}:n", label=self._shape(tail), **forward)
        if socket.sent is not None:
            # The last operand's gradient leaves at the right edge of the card, where it crosses nothing.
            last = len(head.sockets) > 1 and socket is head.sockets[-1]
            end = f"{head.key}:b{i}{'' if last else ':n'}"
            landing = "g" if is_again else _landing(socket)
            self.picture.edge(f"{at}:{landing}:s", end, label=self._product(socket), **backward)

    def _shape(self, tail: Card) -> Label | None:
        if self.scene.scalar or tail.is_loop or self.column or (self.branched and self.cards.compact):
            return None  # lines side by side: no room
        return caption(f"  {numbers.shape(tail.shape)}")

    def _product(self, socket: Socket) -> Label | None:
        """The label of a gradient edge: `upstream × local = contribution`."""
        upstream, part = socket.head.gradient, socket.contribution
        if not self.scene.scalar or self.cards.compact or upstream is None or part is None:
            return None
        said = numbers.product(upstream, socket.local.value, part) + " ?" * socket.doubted
        return table(row(cell(" ", width=7), cell(grad_text(said, "muted" if socket.doubted else "grad"))))


def _extent(picture: Picture) -> tuple[float, float]:
    """The size of a picture; infinite where the engine fails, as it may where many lines meet."""
    return picture.size() if picture.size()[0] else (math.inf, math.inf)


def edge_looks(socket: Socket) -> tuple[dict[str, Any], dict[str, Any]]:
    """How the edges of an operand look: of its value, and of its gradient."""
    ids, told = f"{socket.tail.key}_{socket.head.key}_{socket.index}", f"gradient: {socket.told}"
    backward = {"cls": "bwd", "id": f"b_{ids}", "tooltip": told} | ({"color": "muted"} if socket.doubted else {})
    return {"cls": "fwd", "id": f"f_{ids}", "tooltip": f"forward: {socket.tail.told}"}, backward


def _landing(socket: Socket) -> str:
    """The port of a card where the gradient of one of its uses arrives."""
    uses = socket.tail.addends
    if len(uses) < 2:
        return "g"
    return f"g{min(uses.index(socket), len(addends(socket.tail)))}"


def scene_title(scene: Scene) -> str:
    """The title of a scene: its output as a formula where that is short."""
    if len(scene.ends) == 1 and (written := scene.expression(TITLE)):
        return f"{scene.end} = {written}"
    total = sum(card.value.size for card in scene.cards if card.role == PARAM)
    return graph_title([card.operation for card in scene.operations], total)
