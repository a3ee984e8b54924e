"""The programs of a live page: every number of a recorded graph as a function of its leaves, to be run in the page.

The graph is replayed from leaves that are states, and the engine's own backward pass is traced with it: values,
gradients, contributions and local slopes are outputs of one program. A second program is the forward alone, with a
number that can be added to each operand on its way into an operation; it draws slices of the loss, nudges values, and
checks every gradient by central differences. Both are written in JavaScript by `Program.javascript`.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from glassgrad import autograd as ag
from glassgrad.autograd.common.shapes import broadcast_axes
from glassgrad.autograd.common.shapes import size as size_of
from glassgrad.autograd.compiler.ir.program import Program
from glassgrad.autograd.compiler.passes.optimize import COMMON, optimize
from glassgrad.autograd.engine.graph import vertex_of
from glassgrad.autograd.errors import AutogradError, TargetError
from glassgrad.viz.drawing.texts import clipped
from glassgrad.viz.drawing.words import say
from glassgrad.viz.pages.emitted import too_large
from glassgrad.viz.pages.steps import Story
from glassgrad.viz.recorded.layers import products as multiply_adds
from glassgrad.viz.recorded.notation.namespace import Origin
from glassgrad.viz.recorded.scene import Card, Scene, Socket

OTHER = (
    "computed in float64, as this page would, {number} has another value: it depends on rounding, as at a "
    "kink, or on chance."
)


class NotLive(Exception):
    """The reason why the numbers of a page stay as they were recorded."""

    def __init__(self, reason: str) -> None:
        super().__init__(say("These numbers are as recorded: {reason}", reason=reason))


@dataclass(eq=False)
class Live:
    """The two programs of a page as text, and where each number stands in their outputs.

    ``arrays``: the index of each of the story's arrays, by its id, among the outputs of ``see``.
    """

    see: str
    probe: str
    record: dict[str, Any]
    arrays: dict[int, int] = field(default_factory=dict)

    @property
    def checked(self) -> set[str]:
        """The operands whose rules the page compares with differences itself."""
        return {f"{head}/{i}" for head, i, *_ in self.record["nudges"]}.intersection(self.record["s"])


def live_of(scene: Scene, story: Story) -> Live:
    """The programs of a scene of one scalar output, whose notation keeps origins.

    Arrays of the story that are not a value, gradient or contribution are computed again as the notation says. An array
    without a known computation has no output: the page says that it is as recorded.

    Raises `NotLive` where the program is too long, or an operation can't be written in JavaScript.
    """
    made = _Traced(scene, scene.say.origins or {}, story.slopes)
    wanted = [source for source in story.arrays.sources if isinstance(source, np.ndarray | np.generic)]
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            see = ag.trace(lambda: made.see(wanted))
            probe = ag.trace(made.probe)
            made.compare(see)
            see, probe = optimize(see, COMMON), optimize(probe, COMMON)
            if large := too_large(0, 0, len(see.instructions)):
                raise NotLive(f"{large}.")
            one = see.javascript("see", every=False, comments=False)
            other = probe.javascript("probe", every=False, comments=False, states=False)
        except TargetError as error:
            raise NotLive(_unreadable(error)) from None
        except AutogradError as error:
            why = clipped(" ".join(str(error).split()), 200)
            raise NotLive(say("the graph can't be traced ({why}).", why=why)) from None
    return Live(one, other, made.record(see, probe), made.arrays)


def _unreadable(error: TargetError) -> str:
    """The operation that can't be written, or the reason given by the target."""
    said = " ".join(str(error).split())
    if named := re.search(r"(\S+) is not among the functions", said):
        return say("{operation} cannot be written in JavaScript.", operation=named[1])
    return f"{said.partition('JavaScript: ')[2].partition('. Compute')[0]}."


# ---------------------------------------------------------------- size


def check_size(scene: Scene) -> None:
    """Raise `NotLive` for a graph that is not one scalar's, or is too large to run in a page."""
    ends = [scene.card(place) for place in scene.seen.graph.outputs]
    if len(ends) != 1 or ends[0] is None or ends[0].value.size != 1 or scene.seeded:
        raise NotLive(say("a page is live for one output that is a single number."))
    leaves = [card for card in scene.cards if card.node is None]
    weights, work = sum(card.value.size for card in leaves), sum(map(products, scene.cards))
    lines = len(scene.operations)  # at least: derivatives come to it
    if large := too_large(work, weights, lines):
        one = say(" One example is live: step_through(loss_of(x[:1]), live=True).")
        raise NotLive(f"{large}.{'' if too_large(0, weights, lines) else one}")
    for card in leaves:
        if (dtype := card.value.dtype).kind not in "fiub":
            raise NotLive(say("{name} is {dtype}, which no page computes with.", name=card.name, dtype=dtype))


def products(card: Card) -> int:
    """The multiply-adds of an operation, forward and backward."""
    if card.node is None:
        return 0
    sizes = [card.value.size, *(socket.tail.value.size for socket in card.sockets)]
    return 3 * multiply_adds([card.node]) or 4 * max(sizes)


# ---------------------------------------------------------------- the trace


class _Traced:
    """The Tensors of both programs."""

    def __init__(self, scene: Scene, origins: dict[int, Origin], slopes: dict[int, Socket]) -> None:
        self.scene, self.origins, self.slopes = scene, origins, slopes
        self.leaves = {card: _state(card) for card in scene.cards if card.node is None}
        movable = [s for card in scene.cards for s in card.sockets if s.tail.value.dtype.kind == "f"]
        self.nudges = {s: ag.Tensor(np.zeros(s.tail.shape), name=f"to_{s.head.key}_{s.index}") for s in movable}
        self.labels: list[tuple[str, str]] = []
        self.expected: list[Any] = []
        self.arrays: dict[int, int] = {}
        end = scene.card(scene.seen.graph.outputs[0])
        assert end is not None
        self.end = end

    def replay(self, nudge: Callable[[Socket, Any], Any] | None = None) -> dict[Card, Any]:
        """The forward pass, recomputed from the states; each operand passes through ``nudge``."""
        made: dict[Card, Any] = dict(self.leaves)
        for card in self.scene.operations:
            node = card.operation
            operands = list(node.inputs)
            for socket in card.sockets:
                operand = made[socket.tail]
                operands[socket.index] = operand if nudge is None else nudge(socket, operand)
            made[card] = node.op.apply(*operands, **node.params)
            made[card].name = card.key
        return made

    def probe(self) -> list[Any]:
        """The value of each operation, with a nudge on each of its operands."""
        made = self.replay(lambda socket, x: x + self.nudges[socket] if socket in self.nudges else x)
        return [ag.asarray(made[card]) for card in self.scene.operations]

    def see(self, wanted: list[Any]) -> list[Any]:
        """Values, gradients, contributions, slopes, and then the other arrays of the page."""
        made = self.replay()
        known: dict[int, Any] = {}
        outputs: list[Any] = []
        self.labels, self.expected, self.arrays = [], [], {}

        def add(kind: str, key: str, tensor: Any, recorded: Any) -> None:
            if recorded is not None:
                known.setdefault(id(recorded), tensor)
                self.arrays.setdefault(id(recorded), len(outputs))
            outputs.append(tensor)
            self.labels.append((kind, key))
            self.expected.append(recorded)

        for card in self.scene.cards:
            add("v", card.key, made[card], card.value)
        cards = {vertex_of(tensor): card for card, tensor in made.items()}
        one = ag.ones_like(made[self.end].detach()).data
        for node, total, passed in ag.backward_steps([made[self.end]], [one]):
            card = cards[node]
            add("g", card.key, ag.asarray(total), card.gradient)
            for socket in card.sockets:
                part = passed[socket.index] if socket.index < len(passed) else None
                if part is not None and socket.contribution is not None:
                    add("s", _key(socket), _fitted(ag.asarray(part), socket.tail.shape), socket.contribution)
        if self.scene.scalar:
            for card in self.scene.operations:
                if not any(socket.passes for socket in card.sockets):
                    continue
                _, _, passed = next(iter(ag.backward_steps([made[card]], [one])))
                for socket in card.sockets:
                    if socket.passes and passed[socket.index] is not None:
                        add("l", _key(socket), ag.asarray(passed[socket.index]), np.asarray(socket.local.value))
            where = {label: i for i, label in enumerate(self.labels)}
            for value, socket in self.slopes.items():
                if ("l", _key(socket)) in where:
                    self.arrays[value] = where["l", _key(socket)]
        for card in self.scene.cards if not self.scene.scalar else ():
            slope = card.sockets[0].slope if len(card.sockets) == 1 and card.sockets[0].passes else None
            if slope is None:
                continue
            _, _, passed = next(iter(ag.backward_steps([made[card]], [ag.ones_like(made[card].detach()).data])))
            part = ag.asarray(passed[card.sockets[0].index])
            add("slopes", card.key, ag.broadcast_to(part, card.shape), np.asarray(slope.value))
        for value in wanted:
            if id(value) not in self.arrays and (tensor := self._derived(value, known)) is not None:
                add("d", "", ag.asarray(tensor), value)
        return [ag.asarray(tensor) for tensor in outputs]

    def _derived(self, value: Any, known: dict[int, Any]) -> Any:
        """The Tensor of an array that the notation computed from others; None where it is not known how."""
        if id(value) in known:
            return known[id(value)]
        origin = self.origins.get(id(value))
        if origin is None:
            base = getattr(value, "base", None)
            if base is None or value.ndim < 2 or (value.shape, value.strides) != (base.shape[::-1], base.strides[::-1]):
                return None
            inner = self._derived(base, known)
            return None if inner is None else ag.permute_dims(inner, tuple(range(value.ndim))[::-1])
        arguments = [self._argument(x, known) for x in origin.args]
        if any(x is None for x in arguments):
            return None
        try:
            with ag.no_grad():
                found = ag.asarray(_computed(origin.name, *arguments, **origin.params))
        except (AutogradError, AttributeError, TypeError, ValueError):
            return None
        if tuple(found.shape) != np.shape(value):
            return None
        known[id(value)] = found
        return found

    def _argument(self, x: Any, known: dict[int, Any]) -> Any:
        if isinstance(x, tuple | list):
            several = [self._argument(one, known) for one in x]
            return None if any(one is None for one in several) else tuple(several)
        found = self._derived(x, known) if isinstance(x, np.ndarray | np.generic) else x
        return x if found is None and isinstance(x, np.ndarray) and x.dtype.kind in "ib" and not x.ndim else found

    def compare(self, see: Program) -> None:
        """Run ``see``, and leave out derived arrays that differ from the recorded ones.

        Raises `NotLive` if a value or a gradient differs.
        """
        results, _ = see.run()
        rough = self._rounding()
        for i, (found, recorded) in enumerate(zip(results, self.expected, strict=True)):
            kind, key = self.labels[i]
            if recorded is None or _alike(found, recorded, rough.get("v" if kind == "v" else "g")):
                continue
            if kind != "d":
                raise NotLive(say(OTHER, number=_called(kind, key)))
            self.arrays = {value: at for value, at in self.arrays.items() if at != i}

    def _rounding(self) -> dict[str, float]:
        """The tolerance for float32: a millionth of the largest value, or of the largest gradient.

        A gradient that cancels, as that of the sum of a softmax, consists of rounding errors of the others. Empty if
        everything was recorded in float64.
        """
        if all(card.value.dtype == np.float64 or card.value.dtype.kind != "f" for card in self.scene.cards):
            return {}
        largest = {"v": 0.0, "g": 0.0}
        for (kind, _), recorded in zip(self.labels, self.expected, strict=True):
            if recorded is not None and np.asarray(recorded).dtype.kind == "f":
                size = np.abs(recorded, dtype=float)
                group = "v" if kind == "v" else "g"
                largest[group] = max(largest[group], float(np.max(size, initial=0.0, where=np.isfinite(size))))
        return {group: 1e-6 * size for group, size in largest.items()}

    def record(self, see: Program, probe: Program) -> dict[str, Any]:
        """The positions of all numbers in the outputs, for the page's script."""
        names = [{id(v.origin): v.name for v in program.states} for program in (see, probe)]
        ours = {id(tensor) for tensor in (*self.leaves.values(), *self.nudges.values())}
        kept = [
            [mine.name for mine in program.states if id(mine.origin) not in ours] for program in (see, probe)
        ]  # arrays that stand in the graph as parameters, such as indices
        scene = self.scene
        where: dict[str, dict[str, int]] = {kind: {} for kind in ("v", "g", "s", "l", "slopes")}
        for i, (kind, key) in enumerate(self.labels):
            if kind in where:
                where[kind][key] = i
        leaves = [
            [card.key, *(name.get(id(tensor), "") for name in names), 0 if card.value.dtype.kind == "f" else 1]
            for card, tensor in self.leaves.items()
        ]
        return {
            **{kind: found for kind, found in where.items() if found or kind != "slopes"},
            "leaves": leaves,
            **({"kept": list(map(list, zip(*kept, strict=True)))} if len(kept[0]) == len(kept[1]) > 0 else {}),
            "nudges": [
                [socket.head.key, socket.index, names[1][id(tensor)], size_of(tensor.shape)]
                for socket, tensor in self.nudges.items()
                if id(tensor) in names[1]
            ],
            "at": {card.key: at for at, card in enumerate(scene.operations)},
            "end": self.end.key,
            "cards": {card.key: self._card(card) for card in scene.cards},
        }

    def _card(self, card: Card) -> dict[str, Any]:
        said: dict[str, Any] = {"role": card.role} | ({"shape": list(card.shape)} if card.shape else {})
        if card.node is not None:
            said["in"] = [[s.index, s.tail.key, int(s.passes), s.mark] for s in card.sockets]
        return said


def _key(socket: Socket) -> str:
    return f"{socket.head.key}/{socket.index}"


def _state(card: Card) -> ag.Tensor:
    """A leaf as a state of the program; floating ones in float64."""
    value, place = card.value, card.place
    kind = value.dtype.kind
    dtype = "float64" if kind == "f" else "bool" if kind == "b" else "int64"
    return ag.Tensor(np.array(value, dtype), getattr(place, "requires_grad", False) and kind == "f", name=card.key)


def _fitted(part: Any, shape: tuple[int, ...]) -> Any:
    """A contribution in the shape of its operand."""
    if tuple(part.shape) == shape:
        return part
    return ag.reshape(ag.sum(part, axis=tuple(broadcast_axes(tuple(part.shape), shape))), shape)


def _computed(name: str, *args: Any, **params: Any) -> Any:
    """A call of the notation with Tensors: by the operation ``name``, or else the function of `autograd`."""
    if name == "(fit)":
        x, shape = ag.asarray(args[0]), args[1]
        if axes := broadcast_axes(x.shape, shape) if x.ndim >= len(shape) else ():
            x = ag.sum(x, axis=axes)
        return ag.broadcast_to(x, shape=shape) if x.size == 1 else ag.reshape(x, shape=shape)
    op = ag.OPS.get(name)
    if op is None:
        return getattr(ag, name)(*args, **params)
    if not op.variadic:  # a method takes an operation's parameters by position too
        params |= dict(zip(op.params, args[len(op.args) :], strict=False))
        args = args[: len(op.args)]
    return op.apply(*args, **params)


def _called(kind: str, key: str) -> str:
    """The number with this label, in words."""
    name, _, index = key.partition("/")
    sentences = {"v": "the value of {name}", "g": "the gradient of {name}"}
    sent = "the gradient that {name} sends to operand {n}"
    return say(sentences.get(kind, sent), name=name, n=int(index or 0) + 1)


def _alike(found: Any, recorded: Any, rough: float | None) -> bool:
    """Whether two arrays agree to 9 digits or, if ``rough`` is given, to 3 digits or up to that difference."""
    found, recorded = np.asarray(found), np.asarray(recorded)
    if found.shape != recorded.shape:
        return False
    near = 1e-9 if rough is None else 1e-3
    size = float(np.max(np.abs(recorded[np.isfinite(recorded)]), initial=0.0)) if recorded.dtype.kind == "f" else 0.0
    least = max(near * size, rough or 0.0)
    return bool(np.allclose(found.astype(float), recorded.astype(float), rtol=near, atol=least, equal_nan=True))
