"""Backpropagation as a list of steps, each in words, formulas and numbers.

One step per operation forward, one per operand backward, and one for each sum of gradients. The order is that of the
engine's backward pass, formulas are its rules run on symbols, numbers are its results, and the code shown is the line
that ran. Nothing is drawn here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby, islice
from typing import Any

import numpy as np

from glassgrad import autograd as ag
from glassgrad.autograd.testing import NodeCheck
from glassgrad.viz.drawing import numbers, style, words
from glassgrad.viz.drawing.words import say
from glassgrad.viz.formula.writer import window_params
from glassgrad.viz.graph.parts import addends
from glassgrad.viz.graph.tape import kept
from glassgrad.viz.pages.lines import backward_line, forward_line
from glassgrad.viz.pages.sources import source_of, walk_line
from glassgrad.viz.recorded.names import LAYERS, OP, derivative
from glassgrad.viz.recorded.notation import windows
from glassgrad.viz.recorded.notation.symbols import PRODUCT, SUM, UPSTREAM, Symbol
from glassgrad.viz.recorded.reasons import reason
from glassgrad.viz.recorded.rows import TITLES
from glassgrad.viz.recorded.scene import Card, Scene, Socket

ROOM = style.SMALL_ROWS, style.SMALL_COLUMNS  # rows and columns; a larger array is shown as a thumbnail
TIGHT = style.TABLE_ROWS, style.TABLE_COLUMNS
WINDOWED = 24, 10  # the same for the arrays of an operation over windows, whose channels stand below each other
PRODUCTS = 6000  # products of a result up to which its entries can be hovered over
TERMS = 6  # terms written of a sum that can't be hovered over
SECTIONS = 60  # sections of a page; if there are more, modules are joined
SECTION, PIECE = 60, 40  # operations of a section; a longer one is cut into pieces

PRODUCT_OF_TWO = [[[[0, 0], [1, 0]]]]  # the terms of a number that is upstream times local

# rules over windows in words
BACK = {
    "conv": "Each output of the convolution is read back through its window.",
    "conv_weight": "An entry of the weight multiplied one entry of every window: its gradient is the sum over them.",
    "conv_input": "An entry of the input was read by several windows: from each comes its gradient times the weight by"
    " which it was read.",
    "max_unpool": "The gradient goes to the entry that was the largest of its window, and the others get 0.",
    "at_max": "Each window gives the entry at the position of its maximum.",
    "sum_unpool": "Every entry of a window gets the gradient of its sum.",
    "sum_pool": "The gradients of a window are added up.",
    "max_pool": "The largest of each window is taken.",
}

MEET = "{used}, and each use changes {end}, so the gradients are added. Now the gradient is complete."

SPREAD = (
    "{tail} of shape {shape} was broadcast to the shape of {head}, so its gradient is the sum over the broadcast axes."
)

RATE = "{by} is a rate: when {name} grows by a small h, {end} changes by {by}\u00a0·\u00a0h."
RATES = "Each entry is a rate: when that entry of {name} grows by a small h, {end} changes by the rate times h."

# ---------------------------------------------------------------- arrays


class Arrays:
    """The arrays of a page, each stored once: its numbers, or a thumbnail if it is large."""

    def __init__(self) -> None:
        self.shown: list[dict[str, Any]] = []
        self.sources: list[Any] = []  # kept: an id stands for an array only as long as the array lives
        self._known: dict[tuple[int, bool, tuple[int, int]], int] = {}

    def add(self, value: Any, gradient: bool = False, room: tuple[int, int] = ROOM) -> int:
        """The number of this array; gradients have the other ramp and another caption.

        ``room``: the rows and columns up to which it is shown in numbers; a thumbnail stands for a larger one.
        """
        known = (id(value), gradient, room)
        if known not in self._known:
            self.sources.append(value)
            self._known[known] = len(self.shown)
            self.shown.append(_shown(np.asarray(value), gradient, room))
        return self._known[known]


def is_small(array: np.ndarray, room: tuple[int, int] = ROOM) -> bool:
    """Whether every entry is shown as a number."""
    columns = array.shape[-1] if array.ndim else 1
    return bool(array.size) and columns <= room[1] and array.size <= room[0] * columns


def _shown(array: np.ndarray, gradient: bool, room: tuple[int, int]) -> dict[str, Any]:
    record: dict[str, Any] = {"n": numbers.shape(array.shape)} if array.ndim else {}
    if not array.size:
        return record | {"c": say("empty")}
    if array.ndim == 0:
        said = numbers.scalar(array[()])
        full = str(array[()])
        return record | ({"t": [[said]]} if said == full else {"t": [[said]], "r": [[full]]})
    if is_small(array, room) or array.dtype.kind not in "fiub":
        table = numbers.table(array, *room)
        record |= {"t": table.rows} | ({"k": table.factor} if table.factor else {})
        if array.ndim > 2 and is_small(array, room):
            record["b"] = array.shape[-2]
        if is_small(array, room):
            record["r"] = [[str(x) for x in line] for line in array.reshape(-1, array.shape[-1]).tolist()]
        return record
    means = numbers.blocks(array)
    most = float(means[np.isfinite(means)].max(initial=0.0)) or 1.0
    last = len(style.GRAD_RAMP) - 1
    with np.errstate(invalid="ignore"):
        levels = np.where(np.isfinite(means), np.clip(np.round(means / most * last), 0, last), 9)
    record["p"] = [bytes(line).decode() for line in (levels + ord("0")).astype(np.uint8)]
    record["g"] = int(gradient)
    rms = say("rms {number}", number=numbers.rms(array))
    record["c"] = rms if gradient else words.matched(numbers.summary(array))
    return record


# ---------------------------------------------------------------- the rule against a difference


@dataclass(frozen=True)
class Verdict:
    """The comparison of a rule with a central difference at the recorded inputs: "ok", "wrong", "kink" or "skipped"."""

    kind: str
    words: str


def _verdict(check: NodeCheck) -> Verdict:
    size = check.error or 0.0
    error = numbers.exponential(size, 0) if 0 < size < 1e-3 else numbers.short(size)
    note = words.matched(check.note)
    if check.verdict == "ok":
        how = say(", along random directions") if check.element is None else ""
        return Verdict("ok", say("central difference agrees: relative error {error}", error=error) + how)
    if check.verdict == "wrong":
        where = say(" at {place}", place=f"[{', '.join(map(str, check.element))}]") if check.element else ""
        said = say("central difference disagrees.")
        if check.rule is not None and check.numeric is not None:
            rule, numeric = numbers.scalar(check.rule), numbers.scalar(check.numeric)
            sentence = "central difference disagrees{where}: rule {rule}, numeric {numeric}, relative error {error}."
            said = say(sentence, where=where, rule=rule, numeric=numeric, error=error)
        return Verdict("wrong", words.joined(said, f"{note[:1].upper()}{note[1:]}"))
    sentence = "the rule takes a slope at {note}" if check.verdict == "kink" else "not checked: {note}"
    return Verdict(check.verdict, say(sentence, note=note))


# ---------------------------------------------------------------- the steps


@dataclass(eq=False)
class Step:
    """One step. ``eq`` has the matrices and the operators between them; ``link`` says which entries a result's entry
    depends on.

    ``link``: "mm" as in a matrix product, "el" elementwise, "sum" all; "lin", "win" and "max" list the terms of each
    entry: products of places in the arrays, ``[array, place]``, or of numbers as text.
    """

    phase: str  # "f" forward, "b" backward
    card: Card  # the operation, or the value whose gradients are summed
    tag: str
    title: str
    words: str
    form: str
    code: tuple[str, str] | None
    eq: list[dict[str, Any]]
    link: str = ""
    terms: list[Any] = field(default_factory=list)
    entry: str = ""
    show: list[str] = field(default_factory=list)
    edges: list[str] = field(default_factory=list)
    verdict: Verdict | None = None
    complete: Card | None = None  # whose gradient is complete with this step
    socket: str = ""  # "HEAD/0", through which a gradient is sent
    line: str = ""  # of Python, in the graph's names
    section: int = 0
    doubt: str = ""  # why the result is not reliable


@dataclass(eq=False)
class Section:
    """Operations that are folded together: those of a module, or a run of loose ones."""

    title: str
    path: str
    cards: list[Card]


class Story:
    """The steps of a scene, in the engine's order.

    ``checks``: the results of `autograd.testing.check_nodes`. Numbers within sentences are written as `⟦n⟧`, the array
    ``n`` of `arrays`, which the page fills in; with ``live`` also ratios of two arrays' sizes, as `⟦n/m⟧`.
    """

    def __init__(self, scene: Scene, checks: Iterable[NodeCheck] = (), live: bool = False) -> None:
        self.scene, self.live = scene, live
        self.slopes: dict[int, Socket] = {}
        """For each array of local derivatives, by its id, the operand that it belongs to."""
        self.fixed: set[int] = set()
        """The ids of arrays that do not depend on the leaves."""
        self.seeds: dict[Card, np.ndarray] = {}
        for i, place in enumerate(scene.seen.graph.outputs):
            end = scene.card(place)
            assert end is not None
            if end.gradient is not None:
                seed = np.ones_like(end.value) if scene.seeds is None else scene.seeds[i]
                self.seeds[end] = self.seeds[end] + seed if end in self.seeds else seed
        self.checks = {(check.node, check.index): _verdict(check) for check in checks}
        wrong = [headline(card) for card in scene.cards if card.wrong]
        doubt = "Not reliable: this has come through the wrong rule of {names}."
        self.doubt = say(doubt, names=_listed(wrong)) if wrong else ""
        self.arrays = Arrays()
        self.sections = sections(scene)
        self.home = {card: i for i, section in enumerate(self.sections) for card in section.cards}
        for card in list(self.home):  # a leaf belongs to the section of its first use
            for socket in card.sockets:
                self.home.setdefault(socket.tail, self.home[card])
        self.forward = [self._forward(card) for card in scene.operations]
        self.backward = list(self._backwards())

    def by(self, card: Card) -> str:
        """The name of the gradient at a card, such as `∂L/∂w`."""
        return derivative(self.scene.end, card.name)

    # ------------------------------------------------------------ forward

    def _forward(self, card: Card) -> Step:
        node = card.operation
        show = [f"a_{card.key}_val", f"a_{card.key}_loc"]
        if self.scene.scalar:
            show += [f"a_{card.key}_vjp{socket.index}" for socket in card.sockets if socket.passes]
        eq, link, terms = self._computed(card)
        return Step(
            "f",
            card,
            tag=card.name,
            title=say("{operation} makes {name}", operation=headline(card, named=False), name=card.name),
            words=words.joined(_doc(node.op), self._kept(card)),
            form=f"{card.name} = {self.scene.formula(card).text}",
            code=source_of(node.op.forward),
            eq=eq,
            link=link,
            terms=terms,
            show=show,
            edges=[f"f_{s.tail.key}_{card.key}_{s.index}" for s in card.sockets],
            line=forward_line(self.scene, card),
            section=self.home[card],
        )

    def _kept(self, card: Card) -> str:
        """The values that the operation saved for its derivative."""
        if not any(socket.passes for socket in card.sockets):
            return ""
        names = [one.name for one in kept(card)]
        if not names:
            return say("Nothing has to be kept for the backward pass.")
        return say("Kept for the backward pass: {names}.", names=_listed(names))

    def _computed(self, card: Card) -> tuple[list[dict[str, Any]], str, list[Any]]:
        """The operands, the result, and which entries of the operands make each entry of the result."""
        node = card.operation
        result = self._matrix(card.value, card.name, "act")
        name, sockets = node.op.name, card.sockets
        tails = [socket.tail for socket in sockets]
        if name == "linear" and tails[0].value.ndim > 0 and len(tails) == sum(x is not None for x in node.inputs):
            x, weight = tails[0], tails[1]
            eq = [self._of(x), _sign("·"), self._matrix(weight.value.T, f"{weight.name}ᵀ", _kind(weight))]
            eq += [_sign("+"), self._of(tails[2])] if len(tails) > 2 else []
            small = all(is_small(t.value) and t.value.ndim <= 2 for t in (*tails, card)) and is_small(weight.value.T)
            return [*eq, _sign("="), result], "mm" if small else "", []
        if name == "matmul" and len(tails) == 2:
            eq = [self._of(tails[0]), _sign("·"), self._of(tails[1]), _sign("="), result]
            small = all(is_small(t.value) and t.value.ndim == 2 for t in (*tails, card))
            return eq, "mm" if small else "", []
        if name in windows.WINDOWED and (found := self._windowed(card)) is not None:
            return found
        eq = []
        signs = {"add": "+", "subtract": "-", "multiply": "×", "divide": "/"}
        binary = name in signs and len(tails) == 2
        for i, tail in enumerate(tails):
            eq += [_sign(signs[name] if binary else ",")] if i else []
            eq.append(self._of(tail))
        if not binary:
            eq = [_sign(words.matched(node.op.symbol if not set(node.op.symbol) & style.NO_GLYPH else name)), *eq]
        if len(tails) > 6:
            eq = [*eq[:7], _sign("..."), *eq[-1:]]
            return [*eq, _sign("="), result], "", []
        terms = self._entries(card)
        return [*eq, _sign("="), result], "el" if terms else "", terms

    def _windowed(self, card: Card) -> tuple[list[dict[str, Any]], str, list[Any]] | None:
        """An operation over windows whose arrays are small: its operands, and the terms of each entry."""
        node = card.operation
        tails = {node.op.args[socket.index]: socket.tail for socket in card.sockets}
        if len(tails) < sum(given is not None for given in node.inputs):
            return None
        linked = self._linked(node.op, {arg: tail.value for arg, tail in tails.items()}, node.params, card.value)
        if linked is None:
            return None
        link, terms = linked
        eq: list[dict[str, Any]] = []
        for arg, tail in tails.items():
            if eq:
                eq.append(_sign("+" if arg == "bias" else node.op.symbol))
            eq.append(self._matrix(tail.value, tail.name, _kind(tail), WINDOWED))
        if len(tails) == 1:
            eq.insert(0, _sign(node.op.symbol))
        return [*eq, _sign("="), self._matrix(card.value, card.name, "act", WINDOWED)], link, terms

    def _linked(
        self, op: Any, arrays: dict[str, np.ndarray], params: Any, result: np.ndarray
    ) -> tuple[str, list[Any]] | None:
        """The link of an operation over windows and the terms of each entry; None for large arrays or many terms."""
        if not all(is_small(array, WINDOWED) for array in (*arrays.values(), result)):
            return None
        found = windows.formula(op.name, {arg: array.shape for arg, array in arrays.items()}, params)
        assert found is not None
        at = {arg: i for i, arg in enumerate(arrays)}
        terms = [[[[at[arg], where] for arg, where in term] for term in entry] for entry in found.terms(arrays)]
        if sum(map(len, terms)) > PRODUCTS:
            return None
        return "max" if found.kind == "max" else "win", terms

    def _entries(self, card: Card) -> list[str]:
        """The formula of an entry of an entry-by-entry operation, with ``⟦0⟧``, ``⟦1⟧`` in place of the operands."""
        node = card.operation
        arrays = [card.value, *(socket.tail.value for socket in card.sockets)]
        acts_alone = len(card.sockets) == 1 and card.sockets[0].passes and card.sockets[0].slope is not None
        alike = node.op.broadcasts or all(a.ndim == 0 for a in arrays) or acts_alone
        if not alike or node.op.variadic or not all(is_small(a) and a.ndim <= 2 for a in arrays):
            return []
        if card.shape != np.broadcast_shapes(*(a.shape for a in arrays[1:])):  # the operation also sums
            return []
        say = self.scene.say
        places = {socket.index: say.symbol(f"⟦{k}⟧", socket.tail.value) for k, socket in enumerate(card.sockets)}
        symbols = enumerate(self.scene.symbols(card))
        return [say.apply(node.op, [places.get(i, symbol) for i, symbol in symbols], node.params, card.value).text]

    # ------------------------------------------------------------ backward

    def _backwards(self) -> Iterator[Step]:
        for end in self.seeds:
            yield self._seed(end)
        arrived: dict[Card, list[Socket]] = {}
        for place in self.scene.seen.gradients:
            card = self.scene.card(place)
            assert card is not None
            for socket in card.sockets:
                if not socket.passes or socket.contribution is None:
                    continue
                tail = socket.tail
                arrived.setdefault(tail, []).append(socket)
                own = tail in self.seeds
                yield self._socket(socket, own, self._expected(tail) + own)
                if len(arrived[tail]) == self._expected(tail) and len(arrived[tail]) + own > 1:
                    yield self._sum(tail, arrived[tail])

    def _expected(self, card: Card) -> int:
        """The number of its uses that send a gradient."""
        return sum(use.contribution is not None for use in card.addends)

    def _seed(self, card: Card) -> Step:
        g, whole = self.seeds[card], self._expected(card) == 0
        self.fixed.add(id(g))
        by = self.by(card)
        if self.scene.seeded:
            why = "This is the upstream gradient of {name}, as it was given."
        elif len(self.seeds) == 1:
            why = "The derivative of {name} with respect to itself is 1. The backward pass starts with it."
        else:
            why = "The sum of the outputs is differentiated: each of them counts once."
        return Step(
            "b",
            card,
            tag=card.name,
            title=say("The gradient starts at {name}", name=card.name),
            words=say(why, name=card.name),
            form=f"{by if whole else _addend(1, by)} = {numbers.scalar(g[()]) if g.ndim == 0 else 'G'}",
            code=walk_line("+ seed"),
            eq=[self._matrix(g, by if whole else say("seed"), "grad")],
            show=[f"a_{card.key}_grad", f"a_{card.key}_glab"] if whole else [],
            complete=card if whole else None,
            section=self.home[card],
        )

    def _socket(self, socket: Socket, own: int, of: int) -> Step:
        head, tail = socket.head, socket.tail
        node, part = head.operation, socket.contribution
        assert part is not None
        by = self.by(tail)
        form, eq, link, terms, why, entry = self._sent(socket)
        whole, uses = of == 1, tail.addends
        nth = [use for use in uses if use.contribution is not None].index(socket) + 1 + own
        if not whole:
            used = say("{used}: this is addend {nth} of {of}.", used=self._used(tail), nth=nth, of=of)
            why = words.joined(why, used)
        elif tail.node is None:
            why = words.joined(why, self._rate(tail))
        show = [f"a_{tail.key}_glab", f"a_{head.key}_adds{socket.index}"]
        if len(uses) > 1:
            show.append(f"a_{tail.key}_g{min(uses.index(socket), len(addends(tail)))}")
        elif whole:
            show.append(f"a_{tail.key}_grad")
        if not self.scene.scalar:
            show.append(f"a_{head.key}_vjp{socket.index}")
        to = f"{tail.name} {socket.mark}".rstrip()
        return Step(
            "b",
            head,
            tag=tail.name,
            title=say("{operation} sends its gradient to {name}", operation=headline(head), name=to),
            words=why,
            form=f"{by if whole else _addend(nth, by)} = {form}",
            code=source_of(node.op.rules[socket.argument][0]),
            eq=eq,
            link=link,
            terms=terms,
            entry=entry,
            show=show,
            edges=[f"b_{tail.key}_{head.key}_{socket.index}"],
            verdict=self.checks.get((node, socket.index)),
            complete=tail if whole else None,
            socket=f"{head.key}/{socket.index}",
            line=backward_line(socket),
            section=self.home[head],
            doubt=self.doubt if socket.doubted and not socket.wrong else "",
        )

    def _sent(self, socket: Socket) -> tuple[str, list[dict[str, Any]], str, list[Any], str, str]:
        """Formula, matrices, links, terms, words and one entry of the gradient sent through a socket."""
        head, tail, part, g = socket.head, socket.tail, socket.contribution, socket.head.gradient
        assert part is not None
        assert g is not None
        result = self._matrix(part, self.by(tail) if len(tail.addends) < 2 else say("contribution"), "grad")
        ratio = self._ratio(part, g)
        if self.scene.scalar:
            local = socket.local
            value = np.array(local.value, dtype=float).reshape(())
            self.slopes[id(value)] = socket
            up = self.by(head)
            name = derivative(head.name, tail.name) + (f" {socket.mark}" if socket.mark else "")
            eq = [self._upstream(g, up), _sign("×"), self._local(value, name)]
            loose = local.level < PRODUCT or local.text.startswith("-")
            said = f"{up} · {f'({local.text})' if loose else local.text}"
            why = reason(socket, self._told(value, "local"), self._told_card)
            return said, [*eq, _sign("="), result], "lin", PRODUCT_OF_TWO, why, ""
        sent = socket.sent
        body, summed = (sent.inner[0], True) if sent.head == "sum" and len(sent.inner) == 1 else (sent, False)
        lead = [_sign("Σ")] if summed else []
        more = ""
        if summed and not (head.operation.op.name in LAYERS and socket.index == 2):  # whose reason says so
            more = say(SPREAD, tail=tail.name, shape=numbers.shape(tail.shape), head=head.name)
        if body.head == "matmul" and len(body.inner) == 2 and all(np.ndim(s.value) == 2 for s in body.inner):
            first, second = body.inner
            eq = [self._factor(first), _sign("·"), self._factor(second)]
            a, b = np.asarray(first.value), np.asarray(second.value)
            small = is_small(a) and is_small(b) and is_small(part) and not summed and part.ndim == 2
            hover = say(" Hover a number in the result to see its factors.") if small else ""
            entry = "" if small or summed or part.ndim != 2 else _product_entry(a, b, part)
            why = words.joined(reason(socket) + hover, more)
            return sent.text, [*lead, *eq, _sign("="), result], "mm" if small else "", [], why, entry
        if body.head in windows.WINDOWED and not summed and (found := self._sent_back(socket, body)) is not None:
            eq, link, terms, why = found
            eq += [_sign("="), self._matrix(part, result["l"], "grad", WINDOWED)]
            return sent.text, eq, link, terms, why, ""
        factors = _factors(body)
        terms = self._jacobian(socket, None if factors is None else np.asarray(factors[0]))
        if factors is not None:
            slope, label = factors
            if not re.search(r"[^\W\d]", label):  # numbers alone
                self.fixed.add(id(slope))
            eq = [*lead, self._upstream(g, "G"), _sign("×"), self._local(slope, label)]
            why = words.joined(reason(socket, label), "" if slope.ndim == 0 else ratio, more)
            entry = "" if terms else _entrywise_entry(g, slope, part)
            return sent.text, [*eq, _sign("="), result], "lin" if terms else "", terms, why, entry
        eq = [self._upstream(g, "G"), _sign("→"), result]
        why = words.joined(reason(socket), ratio, more)
        return sent.text, [*lead, *eq], "lin" if terms else "", terms, why, ""

    def _sent_back(self, socket: Socket, sent: Symbol) -> tuple[list[dict[str, Any]], str, list[Any], str] | None:
        """A gradient that is an operation over windows: its operands, the terms of each entry, and words."""
        head, part = socket.head, socket.contribution
        assert part is not None
        op = ag.OPS[sent.head]
        operands = [symbol for symbol in sent.inner if getattr(symbol.value, "shape", ())]
        symbols = dict(zip(op.args, operands, strict=False))
        arrays = {arg: np.asarray(symbol.value) for arg, symbol in symbols.items()}
        params = window_params(op, head.operation, part.shape)
        linked = self._linked(op, arrays, params, part)
        written = windows.formula(sent.head, {arg: array.shape for arg, array in arrays.items()}, params)
        assert written is not None
        formula = written.text(self.by(socket.tail), {arg: symbol.text for arg, symbol in symbols.items()})
        why = words.joined(say(BACK[sent.head]), say("Entry by entry: {formula}.", formula=formula))
        if linked is None:
            return None
        eq: list[dict[str, Any]] = []
        for symbol in symbols.values():
            eq += [_sign(op.symbol)] if eq else []
            eq.append(self._factor(symbol, WINDOWED))
        if len(eq) == 1:
            eq.insert(0, _sign(op.symbol))
        return eq, *linked, why

    def _jacobian(self, socket: Socket, slope: np.ndarray | None) -> list[Any]:
        """The terms of each entry of the gradient sent through ``socket``; empty for large arrays.

        A term is an entry of G times a factor: an entry of ``slope``, the local derivative that is shown, or a number
        as text.
        """
        part, g = socket.contribution, socket.head.gradient
        assert part is not None
        assert g is not None
        if not (is_small(part) and is_small(g)):
            return []
        columns = []
        for i in range(g.size):
            unit = np.zeros(g.size, dtype=g.dtype)
            unit[i] = 1
            sent = self.scene.pull(socket, self.scene.say.upstream("G", unit.reshape(g.shape) if g.ndim else unit[0]))
            columns.append(np.broadcast_to(np.asarray(sent.value, dtype=float), part.shape).ravel())
        jacobian = np.array(columns).reshape(g.size, part.size)
        place = None if slope is None else _place(jacobian, slope, g.shape, part.shape)
        terms: list[list[Any]] = [[] for _ in range(part.size)]
        for j, i in np.argwhere(jacobian.T).tolist():
            terms[j].append([[0, i], str(float(jacobian[i, j])) if place is None else [1, int(place[i, j])]])
        if slope is not None and slope.shape == g.shape == part.shape:  # a factor of 0 is shown where it belongs
            terms = [term or [[[0, j], [1, j]]] for j, term in enumerate(terms)]
        return terms

    def _used(self, card: Card) -> str:
        n = self._expected(card)
        times = {1: "{name} is used once", 2: "{name} is used twice"}.get(n, "{name} is used {n} times")
        also = say(" and is an output itself") if card in self.seeds else ""
        return say(times, name=card.name, n=n) + also

    def _rate(self, leaf: Card) -> str:
        """The meaning of the gradient of a leaf."""
        meaning = RATES if leaf.value.ndim else RATE
        return say(meaning, by=self.by(leaf), name=leaf.name, end=self.scene.end)

    def _addend(self, socket: Socket) -> str:
        """The gradient that a use sends, as a formula of its upstream gradient."""
        g = self.scene.say.symbol(self.by(socket.head), socket.head.gradient)
        sent = self.scene.pull(socket, g)
        return f"({sent.text})" if sent.level < PRODUCT and sent.level != SUM else sent.text

    def _sum(self, tail: Card, parts: list[Socket]) -> Step:
        by = self.by(tail)
        parts = sorted(parts, key=tail.uses.index)  # in the order of the card
        several = [(self.seeds[tail], say("seed"))] if tail in self.seeds else []
        for socket in parts:
            assert socket.contribution is not None
            several.append((socket.contribution, say("from {name}", name=f"{socket.head.name} {socket.mark}".rstrip())))
        shown = several if len(several) <= style.ADDENDS else several[: style.ADDENDS - 1]
        eq: list[dict[str, Any]] = []
        for part, label in shown:
            eq += [*([_sign("+")] if eq else []), self._matrix(part, label, "grad")]
        if rest := several[len(shown) :]:
            together = rest[0][0]
            for part, _ in rest[1:]:
                together = self.scene.say.noted("add", (together, part), {}, np.asarray(together + part))
            eq += [_sign("+"), self._matrix(together, _more(len(rest)), "grad")]
        total = tail.gradient
        assert total is not None
        eq += [_sign("="), self._matrix(total, by, "grad")]
        if self.scene.scalar:
            terms = [self._told(part) for part, _ in several]
        else:
            terms = [say("seed")] * (len(several) - len(parts)) + [self._addend(socket) for socket in parts]
        more = [_more(len(terms) - style.ADDENDS + 1)] if len(terms) > style.ADDENDS else []
        written = " + ".join([*terms[: style.ADDENDS - len(more)], *more]).replace(" + -", " - ")
        written += f" = {self._told(total)}" if self.scene.scalar else ""
        return Step(
            "b",
            tail,
            tag=f"Σ {tail.name}",
            title=say("{n} gradients meet at {name}", n=len(several), name=tail.name),
            words=words.joined(
                say(MEET, used=self._used(tail), end=self.scene.end), "" if tail.node else self._rate(tail)
            ),
            form=f"{by} = {written}",
            code=walk_line("+ part"),
            eq=eq,
            link="sum" if is_small(total) else "",
            show=[f"a_{tail.key}_grad", *(f"a_{tail.key}_g{len(shown)}" for _ in rest[:1])],
            complete=tail,
            section=self.home[tail],
            doubt=self.doubt if tail.doubted else "",
        )

    # ------------------------------------------------------------ numbers and matrices

    def _told(self, value: Any, kind: str = "grad") -> str:
        """A number within a sentence."""
        return f"⟦{self.arrays.add(value, kind == 'grad')}⟧"

    def _told_card(self, card: Card) -> str:
        """The value of a card within a sentence."""
        return self._told(card.value, _kind(card))

    def _ratio(self, part: np.ndarray, g: np.ndarray) -> str:
        came, goes = numbers.root_mean_square(g), numbers.root_mean_square(part)
        if not came or not np.isfinite(goes / came) or abs(goes / came - 1) < 0.005:
            return ""
        said = numbers.short(goes / came)
        if self.live:
            said = f"⟦{self.arrays.add(part, True)}/{self.arrays.add(g, True)}⟧"
        return say("The gradient that is sent has {ratio} times the size of the upstream gradient (rms).", ratio=said)

    def _matrix(self, value: Any, label: str, kind: str, room: tuple[int, int] = ROOM) -> dict[str, Any]:
        return {"m": self.arrays.add(value, kind == "grad", room), "l": label, "k": kind}

    def _of(self, card: Card) -> dict[str, Any]:
        return self._matrix(card.value, card.name, _kind(card))

    def _factor(self, symbol: Symbol, room: tuple[int, int] = ROOM) -> dict[str, Any]:
        return (self._upstream if _holds_g(symbol) else self._local)(symbol.value, symbol.text, room)

    def _upstream(self, value: Any, name: str, room: tuple[int, int] = ROOM) -> dict[str, Any]:
        return self._matrix(value, say("upstream {name}", name=name), "grad", room)

    def _local(self, value: Any, name: str, room: tuple[int, int] = ROOM) -> dict[str, Any]:
        return self._matrix(value, say("local {name}", name=name), "local", room)


# ---------------------------------------------------------------- sections


def sections(scene: Scene) -> list[Section]:
    """The operations in order, grouped by call of a module; runs of operations outside of modules are groups, too.

    The modules are the innermost ones or, if there are too many, outer ones; long groups are cut.
    """
    cards = scene.operations
    made: list[Section] = []
    for depth in range(max((len(card.scope) for card in cards), default=0), -1, -1):
        made = _cut(cards, depth)
        if len(made) <= SECTIONS:
            break
    return made


def _cut(cards: list[Card], depth: int) -> list[Section]:
    made: list[Section] = []
    start = 1
    for scope, run in groupby(cards, key=lambda card: card.scope[:depth]):
        inside = list(run)
        modules = bool(scope)
        for piece in _pieces(inside):
            run_of = say("Operations {a} to {b}", a=start, b=start + len(piece) - 1)
            many = run_of if len(piece) > 1 else headline(piece[0])
            if modules and len(piece) == len(inside):
                group = piece[0].group
                whole = group is not None and group.scope == scope
                many = group.title if whole and group is not None else scope[-1][1]
            elif modules and len(piece) > 1:
                one, other = (card.group.title if card.group else headline(card) for card in (piece[0], piece[-1]))
                ends = {"one": one, "other": other, "a": start, "b": start + len(piece) - 1}
                many = say("{one} to {other}" if one != other else "{one}, {a} to {b}", **ends)
            made.append(Section(many, scope[-1][0] if modules else "", piece))
            start += len(piece)
    return made


def _pieces(cards: list[Card]) -> Iterator[list[Card]]:
    """A long run of operations cut into pieces; a short call of a module stays in one piece."""
    if len(cards) <= SECTION:
        yield cards
        return
    piece: list[Card] = []
    for _, run in groupby(cards, key=lambda card: card.group):
        inside = list(run)
        for i in range(0, len(inside), PIECE):
            part = inside[i : i + PIECE]
            if piece and len(piece) + len(part) > PIECE:
                yield piece
                piece = []
            piece += part
    yield piece


# ---------------------------------------------------------------- words


def headline(card: Card, named: bool = True) -> str:
    """The name of an operation in a sentence: its module's if it is the whole module, else its own.

    ``named``: with the name of its result.
    """
    node, group = card.node, card.group
    if node is None:
        return card.name
    if group is not None and len(list(islice((c for c in group.cards if c.node is not None), 2))) == 1:
        return group.title
    said = say(TITLES.get(node.op.name) or str(node.op.name).replace("_", " ").capitalize())
    return f"{said} {card.name}" if named and card.role == OP else said


def _doc(op: Any) -> str:
    """The first sentence of an operation's description."""
    said = " ".join((op.__doc__ or "").strip().partition("\n\n")[0].split()).replace("``", "")
    said = said.partition(". ")[0].rstrip(".:")
    said = f"{said}." if said else f"{str(op.name).replace('_', ' ').capitalize()}."
    if words.language() == "en" or ag.OPS.get(op.name) is not op or words.said(said) != said:
        return say(said)
    return say("Its value, by the formula below.")


def _listed(names: list[str]) -> str:
    names = names if len(names) <= 5 else [*names[:4], _more(len(names) - 4)]
    return names[0] if len(names) == 1 else say("{some} and {last}", some=say(", ").join(names[:-1]), last=names[-1])


def _more(n: int) -> str:
    return say("{n} more", n=n)


def _addend(nth: int, by: str) -> str:
    return say("addend {nth} of {by}", nth=nth, by=by)


def _sign(said: str) -> dict[str, Any]:
    return {"s": said}


def _kind(card: Card) -> str:
    return {"param": "knob", "input": "data", "target": "data"}.get(card.role, "act")


# ---------------------------------------------------------------- how a gradient is put together


def _holds_g(symbol: Symbol) -> bool:
    """Whether a formula contains G."""
    return symbol.head == UPSTREAM or any(map(_holds_g, symbol.inner))


def _factors(symbol: Symbol) -> tuple[np.ndarray, str] | None:
    """The other factor and its notation, if a formula is G times something that does not contain G."""
    if symbol.head == UPSTREAM:
        return np.asarray(1.0), "1"
    noted = symbol.space.noted
    if not _holds_g(symbol):  # at the end of the graph G is 1 and is not written
        return (np.asarray(symbol.value), symbol.text) if np.ndim(symbol.value) else None
    if symbol.head == "negative":
        inner = _factors(symbol.inner[0])
        if inner is None:
            return None
        said = f"-{inner[1]}" if inner[1].replace("_", "").isalnum() else f"-({inner[1]})"
        return noted("negative", (inner[0],), {}, -inner[0]), said
    if symbol.head in ("multiply", "divide") and len(symbol.inner) == 2:
        one, other = symbol.inner
        if _holds_g(one) == _holds_g(other) or (symbol.head == "divide" and _holds_g(other)):
            return None
        inner = _factors(one if _holds_g(one) else other)
        if inner is None:
            return None
        rest = other if _holds_g(one) else one
        value, said = np.asarray(rest.value), f"({rest.text})" if rest.level < 3 and inner[1] != "1" else rest.text
        if value is not rest.value:
            noted("positive", (rest.value,), {}, value)
        with np.errstate(all="ignore"):
            if symbol.head == "divide":
                bracketed = f"({rest.text})" if rest.level < 3 else rest.text
                return np.asarray(noted("divide", (inner[0], value), {}, inner[0] / value)), f"{inner[1]} / {bracketed}"
            if inner[1] == "1" and value.dtype.kind == "f":
                return value, said
            product = f"{said}·{inner[1]}" if rest.number is not None else f"{inner[1]} × {said}"
            made = noted("multiply", (inner[0], value), {}, inner[0] * value)
            return np.asarray(made), said if inner[1] == "1" else product
    return None


def _place(
    jacobian: np.ndarray, slope: np.ndarray, upstream: tuple[int, ...], result: tuple[int, ...]
) -> np.ndarray | None:
    """The position in ``slope`` of the factor from each entry of the upstream gradient to each of the result."""

    def spread(shape: tuple[int, ...], places: np.ndarray) -> np.ndarray | None:
        try:
            return np.broadcast_to(places, shape).ravel()
        except ValueError:
            return None

    places = np.arange(slope.size).reshape(slope.shape)
    i, j = np.nonzero(jacobian)
    by_upstream, by_result = spread(upstream, places), spread(result, places)
    by_row = spread(result, places.reshape(-1, *[1] * (len(result) - 1))) if slope.ndim == 1 else None
    for found, at in ((by_result, j), (by_upstream, i), (by_row, j)):
        if found is not None and np.allclose(slope.ravel()[found[at]], jacobian[i, j], rtol=1e-6, atol=0):
            return np.broadcast_to(found[:, None] if at is i else found, jacobian.shape)
    return None


LARGEST = "the largest entry, {at}: {said}"


def _product_entry(a: np.ndarray, b: np.ndarray, out: np.ndarray) -> str:
    """The largest entry of a product of matrices, written out."""
    if not out.size:
        return ""
    i, j = np.unravel_index(int(np.argmax(np.abs(out))), out.shape)
    pairs = list(zip(a[i].tolist(), b[:, j].tolist(), strict=True))
    shown = pairs if len(pairs) <= TERMS else pairs[: TERMS // 2]
    said = " + ".join(f"{numbers.scalar(x)} × {numbers.bracketed(numbers.scalar(y))}" for x, y in shown)
    rest = len(pairs) - len(shown)
    said = f"{said} + {say('{n} more', n=numbers.count(rest))}" if rest else said
    return say(LARGEST, at=f"({i}, {j})", said=f"{said} = {numbers.scalar(out[i, j])}")


def _entrywise_entry(g: np.ndarray, local: np.ndarray, out: np.ndarray) -> str:
    """The largest entry of a product entry by entry, written out."""
    if g.shape != out.shape or not out.size:
        return ""
    at = np.unravel_index(int(np.argmax(np.abs(out))), out.shape)
    try:
        factor = np.broadcast_to(local, out.shape)[at]
    except ValueError:
        return ""
    where = ", ".join(str(int(i)) for i in at)
    return say(LARGEST, at=f"({where})", said=numbers.product(g[at], factor, out[at]))
