"""A recorded graph as programs for a page: every number of it as a function of its leaves.

The graph is replayed from leaves that are states, and the engine's own backward pass is traced with it: values,
gradients, contributions and gears are outputs of one program, ``see``. A state that is 0 is added to every computed
value, so that it can be held off what its operation gives. ``probe`` is the forward alone, with a second such state on
each operand: it draws slices of the output, and checks every gradient by differences. All is computed in float64.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from glassgrad import autograd as ag
from glassgrad.autograd.common.shapes import broadcast_axes
from glassgrad.autograd.compiler.ir.program import Program
from glassgrad.autograd.compiler.passes.optimize import COMMON, optimize
from glassgrad.autograd.engine.graph import vertex_of
from glassgrad.autograd.engine.operation import OPS
from glassgrad.autograd.errors import AutogradError, TargetError
from glassgrad.autograd.ops.loops.body import Body
from glassgrad.autograd.ops.loops.scan import Loop
from glassgrad.viz.drawing.texts import clipped
from glassgrad.viz.drawing.words import say
from glassgrad.viz.pages.emitted import shared_names, too_large
from glassgrad.viz.recorded.evaluate import host
from glassgrad.viz.recorded.layers import products as multiply_adds
from glassgrad.viz.recorded.scene import Card, Scene, Socket

OTHER = (
    "computed in float64, as this page would, {number} has another value: it depends on rounding, as at a "
    "kink, or on chance."
)
SMALL = 200_000
"""Multiply-adds of a pass up to which gradients of data are computed too: the gears below them turn as all others."""


class NotLive(Exception):
    """The reason why the numbers of a page stay as they were recorded."""

    def __init__(self, reason: str) -> None:
        super().__init__(say("These numbers are as recorded: {reason}", reason=reason))


class GraphProgram(NamedTuple):
    """The two programs of a graph in JavaScript, and where its numbers are among their states and outputs.

    Both programs take one ``memory``, in which a state has one name. `graphProgram` of ``program.js`` reads
    ``positions``: ``value``, ``gradient`` and ``gear`` are positions in the outputs of ``see``, by the key of a card
    or, of a gear, of a socket (``head/0``); so is ``contribution``, the gradient that is sent through a socket.
    ``probed`` is the position of each operation's value in the outputs of ``probe``. ``leaf``, ``hold`` and ``nudge``
    are the names of states, the last with their lengths. ``end`` is the key of the output. Of a graph of single numbers
    ``tangent`` is the derivative of each operation along the leaves' states ``seed``, by forward mode.
    """

    see: str
    probe: str
    positions: dict[str, Any]


def graph_program(scene: Scene) -> GraphProgram:
    """The programs of a scene of one scalar output.

    Raises `NotLive` where they would be too large, an operation can't be written in JavaScript, or the graph computed
    in float64 has other values.
    """
    check_size(scene)
    return _Traced(scene, sum(map(products, scene.cards)) < SMALL).emitted()


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


def products(card: Card) -> int:
    """The multiply-adds of an operation, forward and backward."""
    if card.node is None:
        return 0
    sizes = [card.value.size, *(socket.tail.value.size for socket in card.sockets)]
    return 3 * multiply_adds([card.node]) or 4 * max(sizes)


def socket_key(socket: Socket) -> str:
    """The key of a socket in a page."""
    return f"{socket.head.key}/{socket.index}"


class _Traced:
    """The Tensors of both programs. ``data``: whether gradients of data are computed too."""

    def __init__(self, scene: Scene, data: bool) -> None:
        self.scene = scene
        leaves = [card for card in scene.cards if card.node is None]
        self.leaves = {card: _state(card, data or card.needs_grad) for card in leaves if card not in scene.views}
        (self.end,) = (card for card in scene.operations if card.place in scene.ends)
        held = [card for card in scene.operations if card.value.dtype.kind == "f" and card is not self.end]
        self.holds = {card: _zeros(card, f"hold_{card.key}") for card in held}
        seeded = [card for card in self.leaves if scene.scalar and card.value.dtype.kind == "f"]
        self.seeds = {card: _zeros(card, f"seed_{card.key}") for card in seeded}
        movable = [s for card in scene.cards for s in card.sockets if s.tail.value.dtype.kind == "f"]
        self.nudges = {s: _zeros(s.tail, f"to_{s.head.key}_{s.index}") for s in movable}
        self.params = {card: double_params(card.operation.params) for card in scene.operations}
        self.recorded: dict[str, Any] = {}  # what was recorded of each output of `see`, by its kind and key; or None

    def emitted(self) -> GraphProgram:
        """Both programs as text. Raises `NotLive`."""
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            try:
                see = ag.trace(self.see)
                self.compare(see.run()[0])
                see = optimize(see, COMMON)
                if large := too_large(0, 0, len(see.instructions)):
                    raise NotLive(f"{large}.")
                probe = optimize(ag.trace(self.probe), COMMON)
                _share_indices(see, probe)
                names = shared_names([see, probe])
                text = see.javascript("see", comments=False)
                forward = probe.javascript("probe", comments=False, states=False)
            except TargetError as error:
                raise NotLive(_unwritable(error)) from None
            except AutogradError as error:
                why = clipped(" ".join(str(error).split()), 200)
                raise NotLive(say("the graph can't be traced ({why}).", why=why)) from None
        found: dict[str, Any] = {kind: {} for kind in ("value", "gradient", "contribution", "gear", "tangent")}
        for position, (kind, key) in enumerate(map(_parted, self.recorded)):
            found[kind][key] = position
        found["end"] = self.end.key
        found["probed"] = {card.key: position for position, card in enumerate(self.scene.operations)}
        for kind, states in (("leaf", self.leaves), ("hold", self.holds), ("seed", self.seeds)):
            found[kind] = {card.key: names[state] for card, state in states.items() if state in names}
        nudges = {s: state for s, state in self.nudges.items() if state in names}
        found["nudge"] = {socket_key(s): (names[state], s.tail.value.size) for s, state in nudges.items()}
        return GraphProgram(text, forward, found)

    def replay(self, nudged: bool = False, **leaves: Any) -> tuple[dict[Card, Any], dict[Card, Any]]:
        """The forward pass from the states, or from ``leaves`` by key: each operation's result, and the value that goes
        on from there.
        """
        results, values = {}, {card: leaves.get(card.key, state) for card, state in self.leaves.items()}
        for card, (root, op, params) in self.scene.views.items():
            results[card] = values[card] = OPS[op].apply(values[root], **params)
        for card in self.scene.operations:
            node = card.operation
            operands = list(node.inputs)
            for socket in card.sockets:
                operand = values[socket.tail]
                operands[socket.index] = operand + self.nudges[socket] if nudged and socket in self.nudges else operand
            results[card] = node.op.apply(*operands, **self.params[card])
            results[card].name = card.key
            values[card] = results[card] + self.holds[card] if card in self.holds else results[card]
        return results, values

    def probe(self) -> list[Any]:
        """The value of each operation, with a nudge on each of its operands."""
        values = self.replay(nudged=True)[1]
        return [ag.asarray(values[card]) for card in self.scene.operations]

    def see(self) -> list[Any]:
        """Values, gradients, contributions, gears and tangents."""
        results, values = self.replay()
        found = {f"value {card.key}": values[card] for card in self.scene.cards}
        self.recorded = {f"value {card.key}": card.value for card in self.scene.cards}
        cards = {vertex_of(tensor): card for card, tensor in (self.leaves | results).items()}
        for node, total, parts in ag.backward_steps([results[self.end]], [_ones(results[self.end])]):
            if (seen := cards.get(node)) is not None:  # else it is the addition of what a value is held off
                found[f"gradient {seen.key}"], self.recorded[f"gradient {seen.key}"] = total, seen.gradient
                for socket, part in _sent(seen, parts):
                    name = f"contribution {socket_key(socket)}"
                    found[name], self.recorded[name] = part, socket.contribution
        for card in self.scene.operations:
            if results[card].requires_grad and any(map(has_gear, card.sockets)):
                _, _, parts = next(iter(ag.backward_steps([results[card]], [_ones(results[card])])))
                sent = _sent(card, parts)
                found |= {f"gear {socket_key(socket)}": part for socket, part in sent if has_gear(socket)}
        if self.seeds:
            seeded, along = [self.leaves[card] for card in self.seeds], list(self.seeds.values())
            tangents = zip(filter(_is_float, self.scene.operations), ag.jvp(self.moving, seeded, along)[1], strict=True)
            found |= {f"tangent {card.key}": tangent for card, tangent in tangents}
        self.recorded = {name: self.recorded.get(name) for name in found}
        return list(map(ag.asarray, found.values()))

    def moving(self, *leaves: Any) -> list[Any]:
        """The values of operations as a function of the leaves that have a seed."""
        values = self.replay(**{card.key: leaf for card, leaf in zip(self.seeds, leaves, strict=True)})[1]
        return [ag.asarray(values[card]) for card in self.scene.operations if _is_float(card)]

    def compare(self, results: list[Any]) -> None:
        """Raise `NotLive` if a number differs from the recorded one in the first 9 digits.

        If something was recorded in float32, 3 digits agree, or all but a millionth of the largest value, or of the
        largest gradient: one that cancels, as that of the sum of a softmax, consists of rounding errors of the others.
        """
        exact = all(card.value.dtype == np.float64 or not _is_float(card) for card in self.scene.cards)
        near, largest = 1e-9 if exact else 1e-3, {True: 0.0, False: 0.0}
        known = [
            (name, np.asarray(recorded), np.asarray(found, float))
            for (name, recorded), found in zip(self.recorded.items(), results, strict=True)
            if recorded is not None
        ]
        for name, recorded, _ in known:
            is_value = name.startswith("value ")
            largest[is_value] = max(largest[is_value], _size(recorded))
        for name, recorded, found in known:
            least = max(near * _size(recorded), 0.0 if exact else 1e-6 * largest[name.startswith("value ")])
            if found.shape != recorded.shape or not np.allclose(found, recorded * 1.0, near, least, equal_nan=True):
                raise NotLive(say(OTHER, number=_called(*_parted(name))))


def _size(array: np.ndarray) -> float:
    """The largest number of a floating array but for masks, 0 of another."""
    if array.dtype.kind != "f":
        return 0.0
    return float(np.max(np.abs(array), initial=0.0, where=np.abs(array) < 1e30))


def _share_indices(*programs: Program) -> None:
    """Let programs share arrays that are an index, of which each trace makes states of its own."""
    kept: dict[Any, Any] = {}
    for program in programs:
        for value in program.values():
            if value.kind == "state" and value.dtype.kind in "bi":
                array = host(value.origin)
                value.origin = kept.setdefault((array.dtype.str, array.shape, array.tobytes()), value.origin)


def has_gear(socket: Socket) -> bool:
    """Whether the operand's change reaches the result entry by entry, times a number of its own: a gear."""
    tail, head = socket.tail.value, socket.head.value
    if tail.dtype.kind != "f" or head.dtype.kind != "f" or tail.shape != head.shape:
        return False
    return tail.ndim == 0 or bool(socket.head.operation.op.broadcasts) or socket.slope is not None


def double_params(params: dict[str, Any]) -> dict[str, Any]:
    """The parameters of an operation, with float64 in place of smaller dtypes, also in the body of a loop."""
    found = dict(params)
    if "dtype" in found:
        found["dtype"] = _double(found["dtype"])
    loop = found.get("loop")
    if isinstance(loop, Loop) and len({_double(dtype) for dtype in loop.ran.dtypes}) == len(loop.ran.dtypes):
        saving = loop.saving and _double_body(loop.saving)
        found["loop"] = replace(loop, body=_double_body(loop.body), saving=saving, dtype=_double(loop.dtype))
    return found


def _double_body(body: Body) -> Body:
    types = {i: (shape, _double(dtype)) for i, (shape, dtype) in body.types.items()}
    constants = {i: _in_double_array(value) for i, value in body.constants.items()}
    steps = [step._replace(params=double_params(step.params)) for step in body.steps]
    counts = body.carries, body.xs, body.consts
    return Body(body.name, body.names, counts, types, constants, steps, body.outputs, body.record)


def _double(dtype: Any) -> Any:
    """float64 in place of another floating dtype."""
    return ag.float64 if dtype is not None and np.dtype(str(dtype)).kind == "f" else dtype


def _in_double_array(value: Any) -> Any:
    """An array of a body, in float64 where it is floating."""
    return value.astype(np.float64) if getattr(getattr(value, "dtype", None), "kind", "") == "f" else value


def _state(card: Card, differentiable: bool) -> ag.Tensor:
    """A leaf as a state of the program; floating ones in float64."""
    kind = card.value.dtype.kind
    dtype = "float64" if kind == "f" else "bool" if kind == "b" else "int64"
    return ag.Tensor(np.array(card.value, dtype), differentiable and kind == "f", name=card.key)


def _is_float(card: Card) -> bool:
    return card.value.dtype.kind == "f"


def _zeros(card: Card, name: str) -> ag.Tensor:
    return ag.Tensor(np.full(card.shape, -0.0), name=name)  # x + 0.0 would make 0.0 of -0.0


def _ones(tensor: Any) -> Any:
    return ag.ones_like(tensor.detach()).data


def _sent(card: Card, parts: Any) -> Iterator[tuple[Socket, Any]]:
    """The sockets of a card that get something of its rules' results, each with it, in the shape of its operand."""
    for socket in card.sockets:
        if socket.index < len(parts) and parts[socket.index] is not None:
            yield socket, _fitted(ag.asarray(parts[socket.index]), socket.tail.shape)


def _parted(name: str) -> tuple[str, str]:
    """The kind and the key of an output."""
    kind, _, key = name.partition(" ")
    return kind, key


def _fitted(part: Any, shape: tuple[int, ...]) -> Any:
    """A contribution in the shape of its operand."""
    if tuple(part.shape) == shape:
        return part
    if part.size < np.prod(shape):
        return ag.broadcast_to(part, shape=shape)
    return ag.reshape(ag.sum(part, axis=tuple(broadcast_axes(tuple(part.shape), shape))), shape)


def _unwritable(error: TargetError) -> str:
    """The operation that can't be written, or the reason given by the target."""
    said = " ".join(str(error).split())
    if named := re.search(r"(\S+) is not among the functions", said):
        return say("{operation} cannot be written in JavaScript.", operation=named[1])
    return f"{said.partition('JavaScript: ')[2].partition('. Compute')[0]}."


def _called(kind: str, key: str) -> str:
    """The number with this label, in words."""
    name, _, index = key.partition("/")
    sentences = {"value": "the value of {name}", "gradient": "the gradient of {name}"}
    sent = "the gradient that {name} sends to operand {n}"
    return say(sentences.get(kind, sent), name=name, n=int(index or 0) + 1)
