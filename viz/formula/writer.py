"""The formulas of a scene, in the names of its picture: forwards in their notation, and rules run on symbols."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from glassgrad.autograd.common.shapes import broadcast_axes
from glassgrad.viz.drawing.texts import clipped
from glassgrad.viz.drawing.words import say
from glassgrad.viz.formula.columns import Written
from glassgrad.viz.recorded.names import LOOP, PARAM, derivative, fresh
from glassgrad.viz.recorded.notation.latex import brackets, tex_of
from glassgrad.viz.recorded.notation.namespace import Notation
from glassgrad.viz.recorded.notation.symbols import ATOM, CALL, PRODUCT, SUM, UNKNOWN, Symbol
from glassgrad.viz.recorded.scene import Card, Scene, Socket

TERMS = 4  # addends of a gradient that are all written; above, the largest 3 and the rest as one sum
ONE_LINE = 240  # characters of the formula in one line
ONE_LINE_STEPS = 40  # equations combined into it


@dataclass(frozen=True)
class Name:
    """A value of the graph by its key in the picture, or with ``bar`` its gradient."""

    key: str
    bar: bool = False


class AxesNotation(Notation):
    """A notation in which a sum that undoes broadcasting names the axes that it runs over."""

    def __init__(self, scalar: bool) -> None:
        super().__init__(scalar)
        self.for_parameter = False  # whether the gradient is that of a parameter: then leading axes are the batch

    def _summed(self, part: Symbol, shape: tuple[int, ...]) -> tuple[str, str, int]:
        axes, (text, tex) = broadcast_axes(part.shape, shape), part.within(PRODUCT)
        many, listed = "axes" if len(axes) > 1 else "axis", ", ".join(map(str, axes))
        over, below = f"{many} {listed}", rf"_{{\mathrm{{{many}}}\,{listed}}}"
        if len(axes) == part.ndim:
            over, below = "all entries", ""
        elif self.for_parameter and axes == tuple(range(part.ndim - len(shape))) and shape:
            over, below = "the batch", r"_{\mathrm{batch}}"
        return f"Σ over {over} of {text}", rf"\sum{below} {tex}", 0  # words are bracketed beside anything else


class Writer:
    """The formulas of a scene, in its names. ``end``: the name of what is differentiated, by default its end's."""

    def __init__(self, scene: Scene, end: str | None = None) -> None:
        self.scene, self.differentiated = scene, end
        self.say = AxesNotation(scene.scalar)
        self.end = next(card for card in scene.cards if card.place in scene.ends)
        self._values: dict[Card, Symbol] = {}
        self._names: dict[Card, str] = {}
        self._taken: set[str] = set()
        self._bars: dict[Card, Symbol] = {}
        self._locals: dict[Socket, Symbol] = {}

    def named(self, card: Card) -> str:
        """The name of a card, unique also where it was shortened."""
        if card not in self._names:
            short = clipped("".join(c if c.isprintable() else "\ufffd" for c in card.name))
            self._names[card] = fresh(short, self._taken)  # two long names may be equal when cut
            self._taken.add(self._names[card])
        return self._names[card]

    def value(self, card: Card) -> Symbol:
        """The name of a card's value as a symbol; a constant as its number."""
        if card not in self._values:
            name = self.named(card)
            literal = card.number is not None or card.made is not None
            written = card.written(self.say) if literal else self.say.symbol(name, card.value, tex_of(name))
            self._values[card] = written
        return self._values[card]

    def bar(self, card: Card) -> Symbol:
        """The name of the gradient at a card, `∂L/∂a`."""
        if card not in self._bars:
            name, end = self.named(card), self.differentiated or self.named(self.end)
            itself = end == name and end.startswith("∂")  # a derivative with respect to itself
            text, tex = ("1", "1") if itself else (derivative(end, name), derivative(end, name, tex_of, tex=True))
            gradient = card.gradient if card.gradient is not None else np.ones_like(card.value)
            self._bars[card] = self.say.symbol(text, gradient, tex)
        return self._bars[card]

    def upstream(self, card: Card) -> Symbol:
        """The gradient at a card as a factor in a formula; at the end of the graph it is 1 and not written."""
        bar = self.bar(card)
        if card is not self.end or self.scene.seeded:
            return bar
        return Symbol(self.say, "1", "1", ATOM, bar.value, "number", 1.0)

    def forward(self, card: Card) -> Symbol:
        """The right-hand side of an operation."""
        node = card.operation
        return self.say.apply(node.op, self._operands(card), node.params, card.value)

    def sent(self, socket: Socket, g: Symbol) -> Symbol:
        """The gradient that the rule computes from ``g`` for a socket."""
        head, node = socket.head, socket.head.operation
        self.say.for_parameter = socket.tail.role == PARAM
        made: Symbol = self.say.pull(node.op, socket.index, self._operands(head), self.value(head), node.params, g)
        if node.op.name != LOOP:
            return made
        tail = self.value(socket.tail)  # the steps of a loop are written in a section of their own
        tex = rf"\operatorname{{scan\_back}}({g.tex})[{tail.tex}]"
        return Symbol(self.say, f"scan_back({g.text})[{tail.text}]", tex, CALL, made.value, "scan_back")

    def local(self, socket: Socket) -> Symbol:
        """The derivative of an operation on scalars with respect to one operand: its rule with upstream gradient 1."""
        if socket not in self._locals:
            one = Symbol(self.say, "1", "1", ATOM, np.ones_like(socket.head.value), "number", 1.0)
            self._locals[socket] = self.sent(socket, one)
        return self._locals[socket]

    def _operands(self, card: Card) -> list[Any]:
        tails = {socket.index: socket.tail for socket in card.sockets}
        return [
            self.value(tails[i]) if i in tails else item(given) if np.ndim(given) == 0 else given
            for i, given in enumerate(card.operation.inputs)
        ]

    def term(self, socket: Socket) -> Symbol:
        """One addend of a gradient: `upstream · local` for scalars, the rule's result for Tensors."""
        if not self.scene.scalar:
            return self.sent(socket, self.upstream(socket.head))
        return self.product(self.bar(socket.head), self.local(socket))

    def product(self, upstream: Symbol, local: Symbol) -> Symbol:
        """The product of two scalars as text with both factors, in LaTeX without factors of 1."""
        tight = local.level >= PRODUCT and not local.text.startswith("-") and local.head not in LOOSE
        text, tex = (local.text, local.tex) if tight else (f"({local.text})", brackets(local.tex))
        is_end = upstream is self.bar(self.end)
        if upstream.level < PRODUCT:
            upstream = bracketed(upstream)
        value = None if upstream.value is None else upstream.value * local.value
        # In LaTeX as a textbook has it: nothing is multiplied by 1, and the end's own gradient is 1.
        tex, tex_level = rf"{upstream.tex} \cdot {tex}", float(PRODUCT)
        if local.number in (1, -1):
            tex, tex_level = ("-" if local.number == -1 else "") + upstream.tex, min(upstream.tex_level, PRODUCT)
        elif is_end and not self.scene.seeded:
            tex, tex_level = local.tex, local.tex_level
        return Symbol(self.say, f"{upstream.text} · {text}", tex, PRODUCT, value, tex_level=tex_level)

    def total(self, terms: Sequence[Symbol], more: int = 0) -> Symbol:
        """The sum of terms, of which the last ``more`` are counted rather than written."""
        if len(terms) == 1:
            return terms[0]
        text, tex = "", ""
        for i, term in enumerate(terms[: len(terms) - more]):
            for_text = f"({term.text})" if term.level < SUM or term.head == "where" else term.text
            for_tex = brackets(term.tex) if term.level < SUM else term.tex
            text += _addend(for_text, i == 0, term.level)
            tex += _addend(for_tex, i == 0, term.tex_level)
        if more:
            said = say("{n} more", n=more)
            text, tex = f"{text} + ({said})", rf"{tex} + (\text{{{said}}})"
        value = UNKNOWN if any(term.value is UNKNOWN for term in terms) else sum(term.value for term in terms)
        return Symbol(self.say, text, tex, SUM, value)


LOOSE = ("remainder", "floor_divide", "where")  # as factors, these need brackets


def _addend(text: str, first: bool, level: float) -> str:
    """A term of a sum with the sign before it."""
    if first:
        return text
    return f" - {text[1:]}" if text.startswith("-") and level >= PRODUCT else f" + {text}"


def bracketed(x: Symbol) -> Symbol:
    """A formula in brackets."""
    return Symbol(x.space, f"({x.text})", brackets(x.tex), ATOM, x.value)


def scalar_product(write: Writer, upstream: Symbol, local: Symbol) -> Symbol:
    """A product of scalars, in which nothing is multiplied by 1."""
    if local.number == 1:
        return upstream
    if upstream.number == 1:
        return local
    return write.product(upstream, local)


def item(value: Any) -> Any:
    """An array without axes as a Python number."""
    return value.item() if hasattr(value, "item") else value


@dataclass(frozen=True)
class Line:
    """``left = right``: one equation. ``value`` is the engine's; ``with_numbers`` the right-hand side substituted."""

    name: Name
    left: Symbol
    right: Symbol
    shape: tuple[int, ...]
    value: np.ndarray | None = None
    with_numbers: Written | None = None

    @property
    def text(self) -> str:
        """The equation as text."""
        return f"{self.left.text} = {self.right.text}"

    @property
    def tex(self) -> str:
        """The equation in LaTeX."""
        return f"{self.left.tex} = {self.right.tex}"
