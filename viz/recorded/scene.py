"""The content of a graph's picture: its cards, their names and roles, and the values and gradients between them.

Names and roles come from the graph alone, numbers from `viz.recorded.evaluate`, derivatives from rules run on symbols.
Nothing is drawn here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from glassgrad import autograd as ag
from glassgrad.autograd.common.validation import refused
from glassgrad.autograd.engine.graph import Node, vertex_of
from glassgrad.viz.drawing import numbers
from glassgrad.viz.drawing.errors import DrawingError
from glassgrad.viz.drawing.words import say
from glassgrad.viz.recorded.calls import Call, call_tree
from glassgrad.viz.recorded.evaluate import Evaluation, evaluate
from glassgrad.viz.recorded.loops import RESULT, result_of
from glassgrad.viz.recorded.lowered import lowered
from glassgrad.viz.recorded.names import LOOP, PARAM, Names
from glassgrad.viz.recorded.notation.namespace import Notation
from glassgrad.viz.recorded.notation.symbols import Symbol
from glassgrad.viz.recorded.since import notice
from glassgrad.viz.recorded.validation import numbers_of, recorded

if TYPE_CHECKING:
    from glassgrad.autograd.testing import NodeCheck

LISTED = 6  # names of values in a message


@dataclass(eq=False, repr=False)
class Card:
    """An operation and the tensor it makes, or a leaf."""

    place: Any  # its Node, or its leaf
    node: Node | None  # the operation; of a result of a loop, that of `result_of`; None for a leaf
    key: str  # its name in DOT and in ids
    name: str  # as it is shown
    role: str
    value: np.ndarray
    gradient: np.ndarray | None  # None if there is none, or none was computed
    path: str | None = None  # of a parameter in its module, where that is not the name shown
    sockets: list[Socket] = field(default_factory=list)
    uses: list[Socket] = field(default_factory=list)
    group: Call | None = None
    depth: int = 0  # operations on the longest path to here
    doubted: bool = False  # its gradient has passed a wrong rule

    @property
    def operation(self) -> Node:
        """The operation of a card that is not a leaf."""
        assert self.node is not None
        return self.node

    @property
    def is_loop(self) -> bool:
        """Whether this is a loop: its array, which holds all of its results and more, is not shown."""
        return self.node is not None and self.node.op.name == LOOP

    @property
    def is_result(self) -> bool:
        """Whether this is a result of a loop."""
        return self.node is not None and self.node is not self.place

    @property
    def scope(self) -> tuple[tuple[str, str], ...]:
        """The modules, outermost first, that an operation was recorded in: path and class of each."""
        return tuple(self.place.scope or ())

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the value."""
        return tuple(self.value.shape)

    @property
    def needs_grad(self) -> bool:
        """Whether this requires a gradient."""
        return bool(self.place.requires_grad)

    def written(self, say: Notation) -> Symbol:
        """The name as a piece of a formula."""
        return say.symbol(self.name, self.value)

    @property
    def told(self) -> str:
        """The value in full precision."""
        return self.name if self.is_loop else f"{self.name} = {numbers.full(self.value)}"

    @property
    def upstream(self) -> np.ndarray:
        """The gradient, or ones where none was computed."""
        return np.ones_like(self.value) if self.gradient is None else self.gradient

    @property
    def wrong(self) -> bool:
        """Whether a rule of this operation was checked and found wrong."""
        return any(socket.wrong for socket in self.sockets)

    @cached_property
    def is_lost(self) -> bool:
        """Whether a nan or inf first appears here."""
        if not is_finite(self.value):
            return all(is_finite(socket.tail.value) for socket in self.sockets)
        return not is_finite(self.gradient) and all(is_finite(use.head.gradient) for use in self.uses)

    @property
    def failed(self) -> bool:
        """Whether a rule of the operation is wrong, or a nan or inf first appears here."""
        return self.wrong or self.is_lost

    @cached_property
    def addends(self) -> list[Socket]:
        """The uses that contribute to the gradient."""
        return [use for use in self.uses if use.passes]


@dataclass(eq=False, repr=False)
class Socket:
    """One operand of an operation: its value enters here, and its gradient leaves."""

    scene: Scene
    head: Card  # the operation
    tail: Card  # the operand
    index: int  # its place among the operation's inputs
    mark: str = ""  # distinguishes uses of one tensor by one operation: `(left)`, `(right)`
    check: NodeCheck | None = None  # the result of checking the rule for this operand
    doubted: bool = False  # the gradient sent here has passed a wrong rule

    @property
    def wrong(self) -> bool:
        """Whether the rule for this operand was checked and found wrong."""
        return self.check is not None and self.check.verdict == "wrong"

    @cached_property
    def passes(self) -> bool:
        """Whether gradients pass through here."""
        return bool(self.head.operation.mask >> self.index & 1)

    @cached_property
    def contribution(self) -> np.ndarray | None:
        """The gradient that the engine sent through here, in the operand's shape."""
        place = self.head.place.inputs[0] if self.head.is_result else self.head.place
        parts = self.scene.seen.contributions.get(place, ())
        return parts[self.index] if self.index < len(parts) else None

    @property
    def sent(self) -> np.ndarray | None:
        """`contribution` as it is told: to a loop, whose array is not shown, the gradient of the result."""
        return self.head.gradient if self.head.is_result else self.contribution

    @property
    def told(self) -> str:
        """The gradient sent through here, in full precision."""
        return "" if self.sent is None else f"{self.head.name} sends {numbers.full(self.sent)} to {self.tail.name}"

    @cached_property
    def local(self) -> Symbol:
        """The derivative of the operation with respect to this operand: its rule run on symbols, with upstream gradient
        1.
        """
        return self.scene.pull(self, self.one)

    @property
    def one(self) -> Symbol:
        """A gradient of ones in the shape of the value, written as ``1``."""
        ones = np.ones_like(self.head.value)
        return Symbol(self.scene.say, "1", "1", value=ones, number=1.0)

    def sent_from(self, name: str) -> Symbol:
        """The gradient that the rule computes from the gradient of the card, called ``name``; at the end of the graph
        that is 1.
        """
        head = self.head
        if head.shape == () and head.place in self.scene.ends and not self.scene.seeded:
            return self.local
        return self.scene.pull(self, self.scene.say.upstream(name, head.upstream))

    @cached_property
    def slope(self) -> Symbol | None:
        """The elementwise derivative of an operation of one operand that works elementwise; else None."""
        head = self.head
        alike = len(head.sockets) == 1 and head.shape == self.tail.shape
        if not alike or head.value.dtype.kind != "f" or not head.value.size:
            return None
        say = self.scene.say
        probe = np.linspace(1.0, 2.0, head.value.size, dtype=head.value.dtype).reshape(head.shape)
        ones = self.scene.pull(self, self.one)
        probed = self.scene.pull(self, say.upstream("G", probe))
        slopes = np.broadcast_to(np.asarray(ones.value), head.shape)
        with np.errstate(all="ignore"):
            same = np.allclose(np.asarray(probed.value), probe * slopes, rtol=1e-4, atol=1e-12, equal_nan=True)
        return Symbol(say, ones.text, ones.tex, ones.level, slopes) if same else None


class Scene:
    """The cards of the graph that computed ``outputs``, in topological order.

    ``names``: what to call Tensors (other entries are ignored). ``inputs``, ``targets``: Tensors to be shown
    in that role. ``gradients``: True computes them, False leaves them out, None computes them if a leaf has a
    ``.grad``; a Tensor or a list of them gives the upstream gradients of the outputs.

    Raises `DrawingError` where nothing was recorded, and for gradients of an output that is not a scalar.
    """

    def __init__(
        self,
        outputs: ag.Tensor | Sequence[ag.Tensor],
        *,
        names: Mapping[str, Any] | None = None,
        inputs: Iterable[Any] = (),
        targets: Iterable[Any] = (),
        gradients: Any = None,
    ) -> None:
        ys, constants = lowered(recorded(outputs), names, inputs, targets)
        self._computed = {id(constant._data): constant for constant in constants}
        with np.errstate(all="ignore"):  # values that are not finite are shown in the picture
            self.seen, self.seeds = _evaluated(ys, gradients)
        self.seeded = self.seeds is not None
        graph = self.seen.graph
        self.ends: dict[Any, None] = dict.fromkeys(graph.outputs)
        self.names = Names(graph, names, inputs, targets)
        self.notice = notice(self.seen, self.names)
        self.cards: list[Card] = []
        self.made: dict[Any, Card] = {}
        """The cards by their nodes and leaves."""
        flat = {place.inputs[0] for place in self.names.results}
        for place in self.names.places:
            if place not in flat:
                self._add(place)
        self.scalar = all(card.shape == () for card in self.cards)
        self.say = Notation(self.scalar)
        self.computed = bool(self.seen.gradients)
        self.left_out = gradients is False
        self.tree = call_tree(place for place in graph.nodes if place not in flat)
        self._group(self.tree)

    def _add(self, place: Any) -> None:
        node, name = place if isinstance(place, Node) else None, self.names[place]
        node = result_of(place, self.names) if place in self.names.results else node
        known = self.names.roles[place], self.seen.value(place), self.seen.gradient(place)
        card = Card(place, node, name.key, name.shown, *known, name.path)
        self.cards.append(card)
        self.made[place] = card
        seats = [(i, tail) for i, given in enumerate((node or place).inputs) if (tail := self.card(given)) is not None]
        for i, tail in seats:
            same = [j for j, other in seats if other is tail]
            card.sockets.append(Socket(self, card, tail, i, _mark(same.index(i), len(same), len(seats))))
            tail.uses.append(card.sockets[-1])
            card.depth = max(card.depth, tail.depth + 1)

    def _group(self, tree: Call) -> None:
        """Note each call on its operations and on the parameters that it alone uses."""
        inside = [tree]
        for call in inside:
            inside += call.calls
            for node in call.own if call.is_module else ():
                self.made[node].group = call
        for card in self.cards:
            homes = {use.head.group for use in card.uses}
            if card.role == PARAM and len(homes) == 1:
                card.group = homes.pop()

    @property
    def choices(self) -> list[str]:
        """The names of constants that may have been computed from the values, and of what is computed with them: masks,
        positions, and those of the rules of a transform.
        """
        return [card.name for card in self.cards if self._is_held(card)]

    def _is_held(self, card: Card) -> bool:
        if card.node is None:
            sorts = any(use.index and use.head.operation.op.name == "take_along_axis" for use in card.uses)
            return not card.needs_grad and (sorts or self._is_choice(card.place.data))
        index = card.node.params.get("index")
        held = [x.data for x in card.node.inputs if hasattr(x, "data") and self.card(x) is None]
        return any(map(self._is_choice, (*held, *(index if isinstance(index, tuple) else (index,)))))

    def _is_choice(self, array: Any) -> bool:
        return str(getattr(array, "dtype", "")) == "bool" or id(array) in self._computed

    @property
    def views(self) -> dict[Card, tuple[Card, str, dict[str, Any]]]:
        """`Names.views` by cards."""
        cards = self.made
        known = ((place, of, op, params) for place, (of, op, params) in self.names.views.items())
        return {cards[x]: (cards[of], op, params) for x, of, op, params in known if x in cards and of in cards}

    def card(self, given: Any) -> Card | None:
        """The card of an entry of a node's inputs; None for a number."""
        place = self.names.place(given)
        return None if place is None else self.made.get(place)

    def found(self, given: Any, argument: str) -> Card:
        """The card of a Tensor, or of a name that a card shows. Raises `DrawingError` where there is none."""
        if isinstance(given, str):
            card = next((card for card in self.cards if given in (card.name, card.path)), None)
        elif hasattr(given, "requires_grad"):
            card = self.card(vertex_of(given))
        else:
            raise refused(given, argument, "a Tensor of the graph, or the name that a card shows")
        if card is None:
            said = repr(given) if isinstance(given, str) else "this Tensor"
            more = " and so on" if len(self.cards) > LISTED else ""
            names = ", ".join(card.name for card in self.cards[:LISTED])
            raise DrawingError(f"{argument}: {said} is not a value of the graph, whose values are called {names}{more}")
        return card

    @cached_property
    def operations(self) -> list[Card]:
        """The cards that are not leaves."""
        return [card for card in self.cards if card.node is not None]

    @cached_property
    def end(self) -> str:
        """The name of the differentiated output, as in `∂L/∂w`."""
        names = [self.made[place].name for place in self.ends]
        return names[0] if len(names) == 1 else f"({' + '.join(names)})" if len(names) < 4 else "(sum of outputs)"

    def operands(self, card: Card, inside: Mapping[Card, Symbol] | None = None) -> list[Any]:
        """The operands of an operation: names, or formulas from ``inside``; numbers as they stand in the graph."""
        found = []
        for given in card.operation.inputs:
            if (tail := self.card(given)) is not None:
                found.append(inside[tail] if inside else tail.written(self.say))
            else:
                found.append(given.item() if hasattr(given, "item") else given)
        return found

    def pull(self, socket: Socket, g: Symbol) -> Symbol:
        """The gradient that the operation's rule computes from ``g`` for a socket."""
        head, node = socket.head, socket.head.operation
        out = self.say.symbol(head.name, head.value)
        part: Symbol = self.say.pull(node.op, socket.index, self.operands(head), out, node.params, g)
        if head.is_result:  # the places of its entries in the loop's array are not written
            part = Symbol(self.say, g.text, g.tex, g.level, part.value, RESULT, tex_level=g.tex_level)
        return part

    def formula(self, card: Card) -> Symbol:
        """The formula of an operation, in the names of its operands."""
        return self.say.apply(card.operation.op, self.operands(card), card.operation.params, card.value)

    def formula_of(self, card: Card, inside: Mapping[Card, Symbol]) -> Symbol:
        """The formula of an operation, in these formulas of its operands."""
        return self.say.composed(card.operation.op, self.operands(card, inside), card.operation.params, card.value)

    def expression(self, limit: int) -> str | None:
        """The first output as one formula of the leaves, or None where that is longer than ``limit``."""
        found = self.composed(self.made[next(iter(self.ends))], limit)
        return None if found is None else found.text

    def composed(self, end: Card, limit: int) -> Symbol | None:
        """A value as one formula of the leaves, or None where one of its parts is longer than ``limit``."""
        written: dict[Card, Symbol] = {}
        for card in self.cards:
            written[card] = card.written(self.say) if card.node is None else self.formula_of(card, written)
            if card.node is not None and len(written[card].text) > limit:
                return None
        return written[end]


# ---------------------------------------------------------------- numbers


def is_finite(array: np.ndarray | None) -> bool:
    """Whether no entry is nan or inf."""
    return array is None or array.dtype.kind != "f" or bool(np.isfinite(array).all())


def computes_gradients(ys: Sequence[ag.Tensor], gradients: Any) -> bool:
    """Whether gradients are computed: as requested; by default, if a leaf has one and every output is a scalar."""
    if gradients is not None:
        return gradients is not False
    leaves = [place for place in ag.Graph(*ys).nodes if place.op is None and place.requires_grad]
    return any(leaf.grad is not None for leaf in leaves) and all(y.size == 1 for y in ys)


def _evaluated(ys: list[ag.Tensor], gradients: Any) -> tuple[Evaluation, list[np.ndarray] | None]:
    """The numbers, and the upstream gradients of the outputs where they were given."""
    asked = gradients is not None and gradients is not False
    if gradients is None:
        gradients = computes_gradients(ys, gradients)
    shapes, seeds = [tuple(y.shape) for y in ys], None
    if not isinstance(gradients, bool):  # numbers in lists are the gradient of a single output
        several = isinstance(gradients, list | tuple) and (len(ys) > 1 or any(hasattr(x, "dtype") for x in gradients))
        seeds = [numbers_of(seed, "gradients=") for seed in (gradients if several else [gradients])]
    is_missing = gradients is True and any(y.size != 1 for y in ys)
    if is_missing or (seeds is not None and [seed.shape for seed in seeds] != shapes):
        given = f" and not {', '.join(numbers.shape(seed.shape) for seed in seeds)}" if seeds else ""
        raise DrawingError(
            f"each output needs an upstream gradient of its shape, {', '.join(map(numbers.shape, shapes))}{given}:"
            " reduce it to a scalar, or give gradients="
        )
    seen = evaluate(ys, gradients is not False, seeds)
    for place, y in zip(seen.graph.outputs, ys, strict=True):
        if asked and (now := seen.values[place].shape) != tuple(y.shape):
            raise DrawingError(
                "gradients can't be drawn: leaves have changed since the graph was recorded, and an output of shape"
                f" {numbers.shape(y.shape)} has shape {numbers.shape(now)} now; compute it again"
            )
    return seen, seeds


def _mark(which: int, often: int, operands: int) -> str:
    if often == 1:
        return ""
    return say("(right)" if which else "(left)") if operands == 2 else f"({which + 1})"
