"""What a page is told of a recorded graph: its values with the names that a reader sees, and how they can be folded."""

from __future__ import annotations

import linecache
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from glassgrad.autograd.engine.operation import OPS
from glassgrad.viz.drawing import numbers, words
from glassgrad.viz.drawing.texts import clipped, one_line
from glassgrad.viz.pages.emitted import packed
from glassgrad.viz.pages.graph_program import socket_key
from glassgrad.viz.recorded.calls import Call
from glassgrad.viz.recorded.names import ACTIVATIONS, INPUT, LAYERS, LOSS, PARAM, TARGET
from glassgrad.viz.recorded.notation.symbols import Symbol
from glassgrad.viz.recorded.rows import belongings
from glassgrad.viz.recorded.scene import Card, Scene, Socket

LONG, SHORT = 34, 18  # characters of an expression that stands for a name, on a wide and on a narrow bar
GEAR = 18  # characters of a formula beside a gear
WHOLE = 256  # entries up to which a recorded array is told whole; of a larger one its block means
ROLES = {PARAM: "param", INPUT: "data", TARGET: "target", LOSS: "loss"}
GIVEN = re.compile(r"[za]\d+")  # generated names that a reader expects for layers
*MARKS, OUT, UPSTREAM = (chr(0xE000 + i) for i in range(13))
"""Stand for operands, the result and its gradient in a formula: the page fills in their numbers or their names."""


class Words:
    """The names of a scene's values: a user's own, else the expression that computes the value."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.name: dict[Card, str] = {}
        self.short: dict[Card, str] = {}
        self.symbol: dict[Card, Symbol] = {}
        for card in scene.cards:
            self.symbol[card], *names = self._called(card)
            self.name[card], self.short[card] = map(readable, names)

    def _called(self, card: Card) -> tuple[Symbol, str, str]:
        """What stands for a value in formulas, its name, and its short name."""
        scene, say = self.scene, self.scene.say
        if card.is_loop:
            steps = card.operation.params["loop"].length
            name = words.say("{cell}, {n} steps", cell=card.name, n=steps)
            return card.written(say), name, name
        if card in scene.views:
            tail, op, params = scene.views[card]
            symbol = say.composed(OPS[op], [tail.written(say)], params, card.value)
            return symbol, symbol.text, symbol.text
        is_layer = not scene.scalar and GIVEN.fullmatch(card.name)
        if card.node is None or card.is_result or card.place in scene.names.given or card.role == LOSS or is_layer:
            return card.written(say), card.name, card.name
        whole, brief = (scene.formula_of(card, inside) for inside in (self.symbol, self._dotted(card)))
        symbol, short = whole if len(whole.text) <= LONG else brief, whole if len(whole.text) <= SHORT else brief
        return symbol, clipped(readable(symbol.text), LONG), clipped(readable(short.text), SHORT)

    def _dotted(self, card: Card, marks: Sequence[str] = ()) -> dict[Card, Symbol]:
        """The operands with dots instead of formulas, or with marks as long as there are some."""
        say, tails = self.scene.say, dict.fromkeys(socket.tail for socket in card.sockets)
        named = {tail for tail in tails if tail.node is None or self.name[tail] == readable(tail.name)}
        short = zip(tails, [*marks, *"…" * len(tails)], strict=False)
        return {tail: self.symbol[tail] if tail in named else say.symbol(mark, tail.value) for tail, mark in short}

    def formula(self, card: Card) -> str:
        """The operation in the names of its operands; of numbers, with marks for the page to fill in."""
        inside = self._dotted(card) if len(self.name[card]) >= LONG else self.symbol
        if self.scene.scalar:
            tails = list(dict.fromkeys(socket.tail for socket in card.sockets))
            if len(tails) > len(MARKS):
                return ""
            inside = {tail: self.scene.say.symbol(mark, tail.value) for tail, mark in zip(tails, MARKS, strict=False)}
        return clipped(readable(self.scene.formula_of(card, inside).text), 60)

    def on_paper(self, card: Card) -> str:
        """The operation in short names of its operands, which a worksheet gives to all; empty if they have them."""
        steps = {s.tail for s in card.sockets if s.tail.node is not None and s.tail.key != self.name[s.tail]}
        if self.scene.scalar or not steps or card.is_loop:
            return ""
        inside = self.symbol | {tail: self.scene.say.symbol(tail.key, tail.value) for tail in steps}
        return readable(self.scene.formula_of(card, inside).text)

    def gear(self, socket: Socket) -> str:
        """What a socket passes on, as a formula with marks, its rule run on symbols; empty where it is too long."""
        head, say = socket.head, self.scene.say
        if not (socket.passes or self.scene.scalar):
            return ""
        out = say.symbol(OUT, head.value)
        g = socket.one if self.scene.scalar else say.upstream(UPSTREAM, head.upstream)
        operands = self.scene.operands(head, self._dotted(head, MARKS))
        part = say.pull(head.operation.op, socket.index, operands, out, head.operation.params, g)
        said = "" if part is None else readable(part.text)
        symbol = head.operation.op.symbol
        shown = said.replace(OUT, symbol if symbol.isalpha() else self.short[head])
        return said if len(shown) <= GEAR else ""


def readable(text: str) -> str:
    """A formula on one line with a true minus."""
    return re.sub(r"(?<!\w)-(?=[\s\w(])", "\u2212", one_line(text))


def title_of(words: Words) -> str:
    """The headline: the formula of the output, with dots for long operands."""
    scene = words.scene
    if len(scene.ends) != 1:
        return scene.end
    if (written := scene.expression(60)) is None:
        end = next(card for card in scene.operations if card.place in scene.ends)
        written = one_line(scene.formula_of(end, words.symbol).text)
    return f"{scene.end} = {clipped(written, 60)}"


def user_line(card: Card) -> str:
    """The line of the user's program that called the operation, and where it is.

    Empty unless `step_through` called the program, or it ran within `autograd.detect_anomaly`.
    """
    origin = getattr(card.place, "origin", None)
    found = re.match(r"(.+?):(\d+)(?:,|$)", str(origin)) if origin else None
    line = linecache.getline(found[1], int(found[2])).strip() if found else ""
    return f"{Path(found[1]).name}:{found[2]}  {clipped(line, 80)}" if found and line else ""


def cards_of(words: Words, live: bool) -> dict[str, Any]:
    """Each card: ``n`` name, ``s`` short name, ``r`` role, ``f`` formula, ``in`` operands and so on."""
    scene, said = words.scene, {}
    buffers = belongings(scene.tree)
    for card in scene.cards:
        name, short = words.name[card], words.short[card]
        record: dict[str, Any] = {"n": clipped(name, 48), "s": short if short != name else None}
        record |= {"sh": list(card.shape) or None, "whole": 1 if card.value.dtype.kind != "f" else None}
        record |= {"buffer": 1 if id(card.place) in buffers else None, "loop": 1 if card.is_loop else None}
        if card in scene.views:
            tail, op, _ = scene.views[card]
            record |= {"op": op.replace("_", " "), "f": name, "in": [[tail.key, 0, 0, ""]]}
        else:
            record["r"] = ROLES.get(card.role)
        if card.node is not None:
            record["op"] = card.operation.op.name.removesuffix("_packed").replace("_", " ")
            record |= {"f": words.formula(card), "w": words.on_paper(card) or None, "line": user_line(card) or None}
            record["in"] = [[s.tail.key, s.index, int(s.passes), words.gear(s)] for s in card.sockets]
        if not live:
            record |= {"v": array_of(card.value), "g": None if card.gradient is None else array_of(card.gradient)}
        said[card.key] = {key: value for key, value in record.items() if value is not None}
    return said


def array_of(array: np.ndarray) -> dict[str, Any]:
    """A recorded array: its entries in base64, or its size and block means where it is large."""
    if array.size <= WHOLE:
        return {"e": packed(array, "f8")}
    blocks = numbers.blocks(array)
    return {"size": numbers.root_mean_square(array), "b": packed(blocks), "w": blocks.shape[1], "n": array.size}


def sockets_of(scene: Scene) -> dict[str, Any]:
    """What a recorded page is told of each socket: the gradient sent through it, and its gear where it has one."""
    said: dict[str, Any] = {}
    for card in scene.operations:
        for socket in card.sockets:
            if socket.contribution is None:
                continue
            record: dict[str, Any] = {"s": array_of(socket.contribution)}
            if socket.tail.gradient is not None and len(socket.tail.addends) > 1:
                sent, whole = np.asarray(socket.contribution), np.asarray(socket.tail.gradient)
                record["share"] = float(np.vdot(sent, whole) / square) if (square := np.vdot(whole, whole)) else 0.0
            if scene.scalar:
                record["gear"] = array_of(np.asarray(socket.local.value, float))
            elif (slope := socket.slope) is not None:
                record["gear"] = array_of(np.asarray(slope.value))
            said[socket_key(socket)] = record
    return said


# ---------------------------------------------------------------- folds


def folds_of(words: Words) -> list[Any]:
    """The operations in the order of recording, as a tree: a key, or a fold ``{"t": title, "p": path, "in": [...]}``.

    A fold is a module's call, or a layer: an operation with parameters and the activations that follow it alone. Each
    is a run of operations without a gap, so no path leaves it and comes back.
    """
    scene = words.scene
    ordered = sorted(scene.operations, key=_recorded)
    calls = _folded(scene.tree, {card.place: card.key for card in ordered})
    tree = _layered(calls, {card.key: card for card in ordered}, words)
    last = max((i for i, entry in enumerate(tree) if isinstance(entry, dict)), default=-1)
    if not scene.scalar and 0 <= last < len(tree) - 2:
        tree[last + 1 :] = [{"t": words.name[ordered[-1]], "p": "", "in": tree[last + 1 :], "loss": 1}]
    return tree


def _folded(call: Call, keys: Mapping[Any, str]) -> list[Any]:
    """The parts of a call: operations, and calls of several as folds; of what is one call alone, the parts of that."""
    found = list[Any]()
    for part in call.parts:
        within = _folded(part, keys) if isinstance(part, Call) else [keys[part]]
        found.append({"t": part.label, "p": part.path, "in": within} if len(within) > 1 else within[0])
    return found[0]["in"] if len(found) == 1 and isinstance(found[0], dict) else found


def _layered(tree: Sequence[Any], cards: dict[str, Card], words: Words) -> list[Any]:
    """The tree with an operation that has parameters and the activations after it as one fold, and with the views of a
    constant where they are read first.
    """
    scene, made = words.scene, list[Any]()  # folds, and runs of operations
    for entry in tree:
        last = made[-1] if made else None
        if isinstance(entry, dict):
            made.append(entry | {"in": _layered(entry["in"], cards, words)})
        elif isinstance(last, list) and not scene.scalar and _continues(cards[entry], [cards[key] for key in last]):
            last.append(entry)
        else:
            views = (v for v in scene.views if cards[entry] is min((use.head for use in v.uses), key=_recorded))
            made += [*([view.key] for view in views), [entry]]
    return [run if isinstance(run, dict) else _layer(run, cards, words) if len(run) > 1 else run[0] for run in made]


def _recorded(card: Card) -> int:
    return card.operation.index


def _continues(card: Card, run: Sequence[Card]) -> bool:
    """Whether an operation takes states out of a loop, or is an activation, or the bias, of the layer before it."""
    if card.is_result and card.sockets[0].tail in run:
        return True
    before, tails, name = run[-1], [socket.tail for socket in card.sockets], card.operation.op.name
    if before not in tails or len(before.uses) != 1 or not (_is_layer(before) or run[1:]):
        return False
    others = [tail for tail in tails if tail is not before]
    bias = name == "add" and all(tail.role == PARAM for tail in others) and _is_layer(before)
    return bias or (not others and name in (*ACTIVATIONS, "elu", "silu", "softmax"))


def _is_layer(card: Card) -> bool:
    return card.operation.op.name in (*LAYERS, "matmul")


def _layer(keys: Sequence[str], cards: Mapping[str, Card], named: Words) -> dict[str, Any]:
    """The fold of a layer: `Layer 2` where its values are numbered, else the name of its loop or of its operation."""
    first, second = cards[keys[0]], cards[keys[1]]
    title, numbered = first.operation.op.name.capitalize(), re.search(r"\d+$", first.name)
    if numbered := numbered or re.search(r"\d+$", second.name):
        title = words.say("Layer {number}", number=numbered[0])
    title = named.name[first] if first.is_loop else title
    return {"t": title, "p": first.path or "", "in": list(keys), "layer": 1}
