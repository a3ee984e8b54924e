"""The formulas of a scene, in the names of its picture."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from glassgrad.viz.drawing.texts import clipped
from glassgrad.viz.drawing.words import say
from glassgrad.viz.formula.forms import Form, Name
from glassgrad.viz.formula.tracer import Traced, Tracer, form_of
from glassgrad.viz.recorded.names import LOOP, PARAM, derivative, fresh
from glassgrad.viz.recorded.notation.latex import brackets, tex_of
from glassgrad.viz.recorded.notation.symbols import ATOM, CALL, PRODUCT, SUM, Symbol
from glassgrad.viz.recorded.scene import Card, Scene, Socket

TERMS = 4  # addends of a gradient that are all written; above, the largest 3 and the rest as one sum
ONE_LINE = 240  # characters of the formula in one line
ONE_LINE_STEPS = 40  # equations combined into it


class Writer:
    """The formulas of a scene, in its names or (``general``) in names without numbers: `z` for `z1`, `z2`."""

    def __init__(self, scene: Scene, general: bool = False, end: str | None = None) -> None:
        self.scene, self.general, self.differentiated = scene, general, end
        self.say = Tracer(scene.scalar)
        self.end = next(card for card in scene.cards if card.place in scene.ends)
        self._values: dict[Card, Traced] = {}
        self._names: dict[Card, str] = {}
        self._taken: set[str] = set()
        self._bars: dict[Card, Traced] = {}
        self._locals: dict[Socket, Traced] = {}

    def named(self, card: Card) -> str:
        """The name of a card, unique also where it was shortened."""
        if card not in self._names:
            short = clipped("".join(c if c.isprintable() else "\ufffd" for c in card.name))
            self._names[card] = fresh(short, self._taken)  # two long names may be equal when cut
            self._taken.add(self._names[card])
        name = self._names[card]
        if self.general and (card.node is not None or len(card.uses) == 1) and card is not self.end:
            return re.sub(r"_?\d+$", "", name) or name
        return name

    def value(self, card: Card) -> Traced:
        """The name of a card's value as a symbol; a constant as its number."""
        if card not in self._values:
            name = self.named(card)
            literal = card.number is not None or card.one_minus is not None
            written = card.written(self.say) if literal else self.say.symbol(name, card.value, tex_of(name))
            self._values[card] = Traced(written, Name(card.key))
        return self._values[card]

    def bar(self, card: Card) -> Traced:
        """The name of the gradient at a card, `∂L/∂a`."""
        if card not in self._bars:
            name, end = self.named(card), self.differentiated or self.named(self.end)
            itself = end == name and end.startswith("∂")  # a derivative with respect to itself
            text, tex = ("1", "1") if itself else (derivative(end, name), derivative(end, name, tex_of, tex=True))
            gradient = card.gradient if card.gradient is not None else np.ones_like(card.value)
            self._bars[card] = Traced(self.say.symbol(text, gradient, tex), Name(card.key, bar=True))
        return self._bars[card]

    def upstream(self, card: Card) -> Traced:
        """The gradient at a card as a factor in a formula; at the end of the graph it is 1 and not written."""
        bar = self.bar(card)
        if card is not self.end or self.scene.seeded:
            return bar
        return Traced(Symbol(self.say, "1", "1", ATOM, bar.value, "number", 1.0), bar.form)

    def forward(self, card: Card) -> Traced:
        """The right-hand side of an operation."""
        node = card.operation
        return self.say.apply(node.op, self._operands(card), node.params, card.value)

    def sent(self, socket: Socket, g: Symbol) -> Traced:
        """The gradient that the rule computes from ``g`` for a socket."""
        head, node = socket.head, socket.head.operation
        self.say.for_parameter = socket.tail.role == PARAM
        made = self.say.pull(node.op, socket.index, self._operands(head), self.value(head), node.params, g)
        made = made if isinstance(made, Traced) else Traced(made, form_of(made))
        if node.op.name != LOOP:
            return made
        tail = self.value(socket.tail)  # the steps of a loop are written in a section of their own
        tex = rf"\operatorname{{scan\_back}}({g.tex})[{tail.tex}]"
        short = Symbol(self.say, f"scan_back({g.text})[{tail.text}]", tex, CALL, made.value, "scan_back")
        return Traced(short, made.form)

    def local(self, socket: Socket) -> Traced:
        """The derivative of an operation on scalars with respect to one operand: its rule with upstream gradient 1."""
        if socket not in self._locals:
            one = Symbol(self.say, "1", "1", ATOM, np.ones_like(socket.head.value), "number", 1.0)
            self._locals[socket] = self.sent(socket, Traced(one, 1.0))
        return self._locals[socket]

    def _operands(self, card: Card) -> list[Any]:
        tails = {socket.index: socket.tail for socket in card.sockets}
        return [
            self.value(tails[i]) if i in tails else item(given) if np.ndim(given) == 0 else given
            for i, given in enumerate(card.operation.inputs)
        ]

    def term(self, socket: Socket) -> Traced:
        """One addend of a gradient: `upstream · local` for scalars, the rule's result for Tensors."""
        if not self.scene.scalar:
            return self.sent(socket, self.upstream(socket.head))
        return self.product(self.bar(socket.head), self.local(socket))

    def product(self, upstream: Traced, local: Traced) -> Traced:
        """The product of two scalars as text with both factors, in LaTeX without factors of 1."""
        tight = local.level >= PRODUCT and not local.text.startswith("-") and local.head not in LOOSE
        text, tex = (local.text, local.tex) if tight else (f"({local.text})", brackets(local.tex))
        if upstream.level < PRODUCT:
            upstream = Traced(bracketed(upstream), upstream.form)
        value = None if upstream.value is None else upstream.value * local.value
        # In LaTeX as a textbook has it: nothing is multiplied by 1, and the end's own gradient is 1.
        tex, tex_level = rf"{upstream.tex} \cdot {tex}", float(PRODUCT)
        if local.number in (1, -1):
            tex, tex_level = ("-" if local.number == -1 else "") + upstream.tex, min(upstream.tex_level, PRODUCT)
        elif upstream.form == Name(self.end.key, bar=True) and not self.scene.seeded:
            tex, tex_level = local.tex, local.tex_level
        written = Symbol(self.say, f"{upstream.text} · {text}", tex, PRODUCT, value, tex_level=tex_level)
        return Traced(written, Form("multiply", (upstream.form, local.form)))

    def total(self, terms: Sequence[Traced], more: int = 0) -> Traced:
        """The sum of terms, of which the last ``more`` are counted rather than written."""
        form = terms[0].form if len(terms) == 1 else Form("(total)", tuple(term.form for term in terms))
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
        return Traced(Symbol(self.say, text, tex, SUM), form)


LOOSE = ("remainder", "floor_divide", "where")  # as factors, these need brackets


def _addend(text: str, first: bool, level: float) -> str:
    """A term of a sum with the sign before it."""
    if first:
        return text
    return f" - {text[1:]}" if text.startswith("-") and level >= PRODUCT else f" + {text}"


def bracketed(x: Symbol) -> Symbol:
    """A formula in brackets."""
    return Symbol(x.space, f"({x.text})", brackets(x.tex), ATOM, x.value)


def scalar_product(write: Writer, upstream: Traced, local: Traced) -> Traced:
    """A product of scalars, in which nothing is multiplied by 1."""
    form = Form("multiply", (upstream.form, local.form))
    if local.number == 1:
        return Traced(upstream, form)
    if upstream.number == 1:
        return Traced(local, form)
    return write.product(upstream, local)


def item(value: Any) -> Any:
    """An array without axes as a Python number."""
    return value.item() if hasattr(value, "item") else value


@dataclass(frozen=True)
class Line:
    """``left = right``: one equation. ``value`` is the engine's; ``with_numbers`` the right-hand side substituted."""

    name: Name
    left: Symbol
    right: Traced
    shape: tuple[int, ...]
    value: np.ndarray | None = None
    with_numbers: tuple[str, str] = ("", "")

    @property
    def text(self) -> str:
        """The equation as text."""
        return f"{self.left.text} = {self.right.text}"

    @property
    def tex(self) -> str:
        """The equation in LaTeX."""
        return f"{self.left.tex} = {self.right.tex}"
