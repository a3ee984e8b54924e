"""The formulas of gradients in a scene, in the names of its picture: rules run on symbols, and their sums."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from glassgrad.autograd.common.shapes import broadcast_axes
from glassgrad.viz.drawing.texts import clipped
from glassgrad.viz.recorded.loops import RESULT
from glassgrad.viz.recorded.names import LOOP, PARAM, derivative, fresh
from glassgrad.viz.recorded.notation.latex import tex_name, tex_number
from glassgrad.viz.recorded.notation.namespace import Notation
from glassgrad.viz.recorded.notation.symbols import ATOM, CALL, PRODUCT, SUM, WORDS, Symbol
from glassgrad.viz.recorded.scene import Card, Scene, Socket

ONE_LINE = 240  # characters of the formula in one line
ONE_LINE_STEPS = 40  # equations combined into it
LOOSE = ("remainder", "floor_divide", "where")  # as factors, these need brackets


@dataclass(frozen=True)
class Both:
    """A piece of a derivation as text and in LaTeX."""

    text: str = ""
    tex: str = ""

    def __add__(self, other: Both | Symbol) -> Both:
        return Both(self.text + other.text, self.tex + other.tex)


@dataclass(frozen=True, kw_only=True)
class Line(Both):
    """``left = right``: the equation of a card's value, or with ``bar`` of its gradient; ``value`` is the engine's.

    ``with_numbers`` is the right-hand side substituted.
    """

    card: Card
    bar: bool
    left: Symbol
    right: Symbol
    value: np.ndarray | None
    with_numbers: Both | None


def number(text: str) -> Both:
    """Numbers, with signs between them."""
    return Both(text, tex_number(text))


def equation(left: Both | Symbol, right: Both | Symbol) -> Both:
    """``left = right``."""
    return Both(f"{left.text} = {right.text}", f"{left.tex} = {right.tex}")


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
        return f"Σ over {over} of {text}", rf"\sum{below} {tex}", WORDS


class Writer:
    """The gradients of a scene, along the cards of ``way``. ``end``: the name of what is differentiated, by default its
    end's.
    """

    def __init__(self, scene: Scene, way: Collection[Card], end: str | None = None) -> None:
        self.scene, self.way = scene, way
        self.say = scene.say = AxesNotation(scene.scalar)
        taken: set[str] = set()
        for card in scene.cards:
            short = clipped("".join(c if c.isprintable() else "\ufffd" for c in card.name))
            card.name = fresh(short, taken)  # two long names may be equal when cut
            taken.add(card.name)
        self.end = next(card for card in scene.cards if card.place in scene.ends)
        self.differentiated = end or self.end.name
        self.steps = [card for card in reversed(scene.cards) if card in way and card is not self.end]

    def value(self, card: Card) -> Symbol:
        """The name of a card's value; a constant as its number."""
        return card.written(self.say)

    def uses(self, card: Card) -> list[Socket]:
        """The uses of a card that are on the way, and send a gradient."""
        return [use for use in card.addends if use.head in self.way and use.contribution is not None]

    def bar(self, card: Card) -> Symbol:
        """The name of the gradient at a card, `∂L/∂a`."""
        names = self.differentiated, card.name
        itself = names[0] == names[1] and names[0].startswith("∂")  # a derivative with respect to itself
        text, tex = ("1", "1") if itself else (derivative(*names), derivative(*names, tex_name, tex=True))
        return self.say.symbol(text, card.upstream, tex)

    def upstream(self, card: Card) -> Symbol:
        """The gradient at a card as a factor in a formula; at the end of the graph it is 1."""
        bar = self.bar(card)
        if card is not self.end or self.scene.seeded:
            return bar
        return Symbol(self.say, "1", "1", ATOM, bar.value, "number", 1.0)

    def sent(self, socket: Socket, g: Symbol) -> Symbol:
        """The gradient that the rule computes from ``g`` for a socket."""
        self.say.for_parameter = socket.tail.role == PARAM
        made = self.scene.pull(socket, g)
        if socket.head.operation.op.name != LOOP:
            return made
        tail = self.value(socket.tail)  # the steps of a loop are written in a section of their own
        tex = rf"\operatorname{{scan\_back}}({g.tex})[{tail.tex}]"
        return Symbol(self.say, f"scan_back({g.text})[{tail.text}]", tex, CALL, made.value, "scan_back")

    def term(self, socket: Socket) -> Symbol:
        """One addend of a gradient: `upstream · local` for scalars, the rule's result for Tensors.

        In LaTeX, as a textbook has it, nothing is multiplied by 1, and the end's own gradient is 1.
        """
        upstream = self.upstream(socket.head)
        if not self.scene.scalar:
            return self.sent(socket, upstream)
        term, short = product(self.bar(socket.head), socket.local), chained(upstream, socket.local)
        term.tex, term.tex_level = short.tex, short.tex_level
        return term

    def total(self, terms: Sequence[Symbol]) -> Symbol:
        """The sum of terms."""
        if len(terms) == 1:
            return terms[0]
        text, tex, value = "", "", sum(term.value for term in terms)
        if terms[0].head == RESULT:  # of one loop: several gradients, which are no sum
            texts, texs = ([getattr(term, form) for term in terms] for form in ("text", "tex"))
            return Symbol(self.say, ", ".join(texts), r",\ ".join(texs), SUM, value)
        for term in terms:
            for_text, for_tex = term.within(SUM)
            text = _added(text, f"({for_text})" if term.head == "where" else for_text, term.level)
            tex = _added(tex, for_tex, term.tex_level)
        return Symbol(self.say, text, tex, SUM, value)


def _added(whole: str, term: str, level: float) -> str:
    if not whole:
        return term
    return f"{whole} - {term[1:]}" if term.startswith("-") and level >= PRODUCT else f"{whole} + {term}"


def product(upstream: Symbol, local: Symbol) -> Symbol:
    """The product of two scalars."""
    loose = local.text.startswith("-") or local.head in LOOSE
    (left, tex_left), (right, tex_right) = upstream.within(PRODUCT), local.within(ATOM + 1 if loose else PRODUCT)
    value = upstream.value * local.value
    return Symbol(upstream.space, f"{left} · {right}", rf"{tex_left} \cdot {tex_right}", PRODUCT, value)


def chained(upstream: Symbol, local: Symbol) -> Any:
    """A product of scalars, in which nothing is multiplied by 1."""
    if 1 in (upstream.number, local.number):
        return local if upstream.number == 1 else upstream
    return upstream.space.call("negative", upstream) if local.number == -1 else product(upstream, local)
