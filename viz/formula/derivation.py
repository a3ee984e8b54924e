"""The derivation of a gradient: the forward equations, then the chain rule from the result back to one Tensor.

Every right-hand side is an operation in its own notation, or its rule run on symbols, which also computes its value.
Names are the picture's, numbers the engine's.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypedDict, Unpack, overload
from unicodedata import east_asian_width

import numpy as np

from glassgrad import autograd as ag
from glassgrad.autograd.common.messages import describe
from glassgrad.autograd.common.validation import check_instance
from glassgrad.autograd.engine.graph import vertex_of
from glassgrad.autograd.errors import GradientError
from glassgrad.viz.drawing import numbers as digits
from glassgrad.viz.drawing import words
from glassgrad.viz.drawing.errors import DrawingError
from glassgrad.viz.drawing.files import saved
from glassgrad.viz.formula.check import Check, checked
from glassgrad.viz.formula.layout import Layout
from glassgrad.viz.formula.paths import Way, between, counts, ways
from glassgrad.viz.formula.writer import ONE_LINE, ONE_LINE_STEPS, Both, Line, Writer, chained, equation, number
from glassgrad.viz.recorded.loops import RESULT
from glassgrad.viz.recorded.lowered import with_tangent
from glassgrad.viz.recorded.notation.latex import fallback, tex_number
from glassgrad.viz.recorded.notation.namespace import Notation
from glassgrad.viz.recorded.notation.symbols import Symbol
from glassgrad.viz.recorded.scene import Card, Scene, Socket
from glassgrad.viz.recorded.validation import numbers_of, recorded

INSERTED = 100_000  # numbers of a graph that are inserted by default
DERIVED = 16  # the most leaves for which `wrt` is not needed


class _Written:
    """A text and its LaTeX, which is saved as either and shows itself in a notebook.

    ``latex`` is for a notebook or a document with `amssymb`.
    """

    text: str
    latex: str
    _language: str

    @property
    def document(self) -> str:
        """`latex` as a document of its own, for pdfLaTeX, XeLaTeX and LuaLaTeX; a Chinese one for XeLaTeX with ctex."""
        body, package = self.latex, ""
        foreign = sorted({c for c in body if ord(c) > 0xFF})  # LaTeX knows the others
        if self._language == "zh":
            package, foreign = "\\usepackage{ctex}\n", [c for c in foreign if east_asian_width(c) not in "WF"]
        declared = "".join(f"\\DeclareUnicodeCharacter{{{ord(c):04X}}}{{{fallback(c)}}}\n" for c in foreign)
        shown = f"\\ifdefined\\DeclareUnicodeCharacter\n{declared}\\fi\n" if declared else ""
        template = (Path(__file__).parent / "document.tex").read_text(encoding="utf-8")
        return template.replace("PACKAGES\n", package + shown).replace("BODY\n", body)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the derivation; the suffix (.txt, .tex) says how. Returns the path of the file written.

        A .tex file is a document that compiles by itself. A file is written whole or not at all.

        Raises `DrawingError` for another suffix, `WriteError` for a folder that cannot be written.
        """
        return saved("a derivation", path, {".txt": lambda: self.text, ".tex": lambda: self.document})

    def __str__(self) -> str:
        return self.text

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        return {"text/plain": self.text, "text/latex": self.latex}


class Derivation(_Written):
    """The derivation of one Tensor's gradient; made by `explain`.

    ``text`` and ``latex`` are two forms of the same lines, `save` puts one into a file, and a notebook shows it.
    ``forward`` and ``backward`` are all equations (`Line`) in the order in which they are computed; ``gradient`` is the
    engine's. ``paths`` counts the paths from the result back, and where there are several, ``ways`` are the addends.
    ``one_line`` is the whole chain as one formula, None where that is
    too long to be read. ``check`` compares with a central difference, None where no numbers are shown or there are
    none.
    """

    _start: Card | None = None  # the direction of a tangent

    def __init__(self, scene: Scene, wrt: Card, on_the_way: set[Card], with_numbers: bool) -> None:
        self._scene, self._wrt, self.with_numbers = scene, wrt, with_numbers
        self._write = Writer(scene, on_the_way)
        self.forward: tuple[Line, ...] = tuple(map(self._forward, scene.operations))
        self.backward: tuple[Line, ...] = tuple(map(self._backward, self._write.steps))
        self.paths: int = counts(self._write)[wrt]
        self.one_line: Symbol | None = self._composed()
        self.ways: tuple[Way, ...] = ways(self._write, wrt, with_numbers) if self.paths > 1 else ()
        self.check: Check | None = checked(scene, wrt, on_the_way) if with_numbers else None
        self._lay_out(wrt.gradient)

    def _lay_out(self, gradient: Any) -> None:
        self.gradient: np.ndarray = gradient
        layout, self._language = Layout(self), words.language()
        self.text, self.latex = layout.text, layout.latex

    # ------------------------------------------------------------ equations

    def _forward(self, card: Card) -> Line:
        written = self._substituted(card) if self._scene.scalar else None
        return _line(card, False, self._write.value(card), self._scene.formula(card), written)

    def _substituted(self, card: Card) -> Both:
        """The operation with its operands' values inserted."""
        node, plain = card.operation, Notation()

        def inserted(given: Any) -> Any:
            tail = self._scene.card(given)
            if tail is None and node.op.name != "multiply":  # as a plain number it would be written without ·
                return given
            text = digits.constant(given) if tail is None else digits.scalar(tail.value)
            return plain.symbol(text, given if tail is None else tail.value, tex_number(text))

        made = plain.apply(node.op, [*map(inserted, node.inputs)], node.params)
        return Both(made.text.replace(" × ", " · "), made.tex.replace(r"\odot", r"\cdot"))

    def _backward(self, card: Card) -> Line:
        uses = self._write.uses(card)
        right = self._write.total([self._write.term(use) for use in uses])
        return _line(card, True, self._write.bar(card), right, self._products(uses) if self._scene.scalar else None)

    def _products(self, uses: list[Socket]) -> Both:
        """The sum of `upstream × local` over the uses, in numbers."""
        parts: list[str] = []
        for use in uses:
            assert use.head.gradient is not None
            first, local = digits.scalar(use.head.gradient), digits.scalar(use.local.value)
            parts.append(f"{digits.bracketed(first) if parts else first} × {digits.bracketed(local)}")
        return number(" + ".join(parts))

    def _composed(self) -> Symbol | None:
        """The gradient as one formula, upstream gradients replaced by their formulas; None if that is too long."""
        write = self._write
        found = {write.end: write.upstream(write.end)}
        if len(write.steps) > ONE_LINE_STEPS:
            return None
        for card in write.steps:
            if self._scene.scalar:
                terms = [chained(found[use.head], use.local) for use in write.uses(card)]
            else:
                sent = [write.sent(use, found[use.head]) for use in write.uses(card)]
                equal = {term.text: [other for other in sent if other.text == term.text] for term in sent}
                terms = [write.say.call("multiply", len(same), same[0]) for same in equal.values()]
                terms = sent if sent[0].head == RESULT else terms
            found[card] = write.total(terms)
            if len(found[card].text) > ONE_LINE:
                return None
        return found[self._wrt]

    def __repr__(self) -> str:
        return f"<Derivation {self.text.splitlines()[0]!r}>"


class ForwardDerivation(Derivation):
    """The derivation of a Tensor's tangent, which is its derivative along a direction; made by `explain`.

    ``forward`` are the equations of values and tangents in the order in which they are computed; ``gradient`` is the
    tangent of the result, ``one_line`` its formula, and ``check`` compares it with a central difference.
    """

    def __init__(self, scene: Scene, start: Card, end: Card, with_numbers: bool, check: Check | None) -> None:
        self._scene, self._wrt, self._write = scene, start, Writer(scene, scene.cards)
        self._start, self.end, self.with_numbers, self.check = start, end, with_numbers, check
        self.value = next(card for card in scene.cards if card.place in scene.ends and card is not end)
        self.forward, self.backward = tuple(map(self._forward, scene.operations)), ()
        self.paths, self.ways, self.one_line = 1, (), scene.composed(end, ONE_LINE)
        self._lay_out(end.value)


def _line(card: Card, bar: bool, left: Symbol, right: Symbol, with_numbers: Both | None) -> Line:
    both, value = equation(left, right), card.gradient if bar else card.value
    return Line(both.text, both.tex, card=card, bar=bar, left=left, right=right, value=value, with_numbers=with_numbers)


class Derivations(_Written, tuple[Derivation, ...]):
    """The derivations of several gradients, one after the other: a tuple of `Derivation`, made by `explain`."""

    def __init__(self, parts: Iterable[Derivation]) -> None:
        self._language = self[0]._language
        self.text = "\n\n".join(part.text for part in self)
        self.latex = "\n".join(part.latex for part in self)

    def __repr__(self) -> str:
        return f"<Derivations {list(self)}>"


class _Options(TypedDict, total=False):
    names: Mapping[str, Any] | None
    numbers: bool | None
    gradient: Any
    mode: str
    tangent: Any


@overload
def explain(y: ag.Tensor, *, wrt: ag.Tensor | str, **options: Unpack[_Options]) -> Derivation: ...


@overload
def explain(
    y: ag.Tensor, *, wrt: list[Any] | tuple[Any, ...] | None = None, **options: Unpack[_Options]
) -> Derivations: ...


def explain(
    y: ag.Tensor,
    *,
    wrt: ag.Tensor | str | Iterable[ag.Tensor | str] | None = None,
    names: Mapping[str, Any] | None = None,
    numbers: bool | None = None,
    gradient: Any = None,
    mode: str = "reverse",
    tangent: Any = None,
) -> Derivation | Derivations:
    """Derive ∂y/∂wrt on the graph that computed ``y``: the forward equations, then the chain rule back to ``wrt``.

    ``wrt``: any Tensor of the graph that requires grad, a leaf or an intermediate one, or its name in pictures. For a
    list of them, and for None, which takes every leaf that requires grad, the result is a tuple of derivations that
    prints and saves as one does. ``names``: names for Tensors; ``names=locals()`` names each after its variable.
    ``numbers``: True inserts the current values, of more than 16 entries the rms, and checks the gradient by a central
    difference, False writes formulas only, None inserts them unless there are more than 100,000. ``gradient``: the
    upstream gradient, in the shape of ``y``, if ``y`` is not a scalar.

    With ``mode="forward"`` the equations are those of forward mode: each value with its tangent ``ẋ``, from a
    ``tangent`` of ``wrt``, which by default is 1 for a scalar, to that of ``y``, which may have any shape.

    The words are in the language of `viz.lesson.speak`, English at first.

    Raises `GradientError` where ``wrt`` does not require grad or ``y`` does not depend on it, `ValueError` where
    nothing was recorded, for an unknown name, for more than 16 leaves of which none was chosen, and for a ``y`` that is
    not a scalar without ``gradient``, or a ``wrt`` without ``tangent``.

    >>> x, w = ag.Tensor(1.0, name="x"), ag.Tensor(2.0, requires_grad=True, name="w")
    >>> print(explain(ag.exp(w * x), wrt="w", numbers=False))
    ∂L/∂w
    <BLANKLINE>
    forward
      t1 = w·x
      L = exp(t1)
    <BLANKLINE>
    backward, L to w
      ∂L/∂t1 = ∂L/∂L · L
      ∂L/∂w = ∂L/∂t1 · x
    <BLANKLINE>
    in one line
      ∂L/∂w = L · x
    <BLANKLINE>
    >>> print(explain(ag.exp(w * x), wrt="w", mode="forward", numbers=False))
    L̇, the derivative of L along ẇ
    <BLANKLINE>
    forward, each value with its tangent
      ẇ = 1
      t1 = w·x
      ṫ1 = ẇ·x
      L = exp(t1)
      L̇ = L·ṫ1
    <BLANKLINE>
    in one line
      L̇ = exp(w·x)·(ẇ·x)
    <BLANKLINE>
    """
    if mode not in ("reverse", "forward"):
        raise DrawingError(f"mode= is 'reverse' or 'forward', not {mode!r}")
    if mode == "forward" and gradient is not None:
        raise DrawingError("gradient= is the upstream gradient of reverse mode: give the direction of wrt as tangent=")
    if mode == "reverse" and tangent is not None:
        raise DrawingError("tangent= is the direction of forward mode: call explain with mode='forward'")
    recorded(check_instance(y, ag.Tensor, "y", "the computed Tensor"), "derive")
    if gradient is None and y.size != 1 and mode == "reverse":
        raise DrawingError(
            f"y has shape {digits.shape(y.shape)} and is not a scalar: reduce it to one, for instance with .sum(), or "
            "give its upstream gradient as gradient="
        )
    seeds = mode == "reverse" if gradient is None else [ag.asarray(gradient)]
    scene = Scene(y, names=names, gradients=seeds)
    if numbers is None:
        numbers = sum(card.value.size for card in scene.cards) <= INSERTED
    if wrt is None:
        leaves = [card for card in scene.cards if card.node is None and card.needs_grad]
        leaves = [card for card in leaves if mode == "forward" or card.gradient is not None]
        if len(leaves) > DERIVED:
            raise DrawingError(f"{len(leaves)} leaves require grad: choose some as wrt, such as {leaves[0].name}")
        wrt = [card.place for card in leaves]

    several = not isinstance(wrt, ag.Tensor | str) and isinstance(wrt, Iterable)
    found = [_path(scene, one) for one in wrt] if several else [_path(scene, wrt)]
    with np.errstate(all="ignore"):
        if mode == "forward":
            derived = [_forward(scene, *path, names, numbers, tangent) for path in found]
        else:
            derived = [Derivation(scene, *path, bool(numbers)) for path in found]
    if derived:
        return Derivations(derived) if several else derived[0]
    raise DrawingError("wrt has no entry: give a Tensor of the graph, or its name")


def _path(scene: Scene, wrt: Any) -> tuple[Card, set[Card]]:
    """The card of a Tensor or name, and those on the way from there to the result."""
    place = vertex_of(wrt) if isinstance(wrt, ag.Tensor) else scene.found(wrt, "wrt").place
    if not place.requires_grad:
        raise GradientError(
            f"Tensor {describe(place)} does not require grad, so the graph does not record its gradient: create it with"
            " requires_grad=True and compute again"
        )
    found = scene.card(place)
    on_the_way = between(scene, found) if found is not None else set()
    if found is None or not on_the_way:
        raise GradientError(
            f"y does not depend on Tensor {describe(place)}, so there is no path to derive along: give a Tensor that y"
            " was computed from"
        )
    return found, on_the_way


def _forward(
    scene: Scene, wrt: Card, on_the_way: set[Card], names: Mapping[str, Any] | None, numbers: Any, tangent: Any
) -> Derivation:
    """The derivation of the tangent of the result along that of ``wrt``."""
    (end,) = scene.ends
    if wrt.place is end:
        raise DrawingError("wrt is y itself: give a Tensor that y was computed from")
    if tangent is None and wrt.shape:
        raise DrawingError(
            f"{wrt.name} has shape {digits.shape(wrt.shape)}: give the direction along which y is differentiated as "
            "tangent=, in this shape"
        )
    direction = numbers_of(1.0 if tangent is None else tangent, "tangent=").astype(wrt.value.dtype)
    if direction.shape != wrt.shape:
        raise DrawingError(
            f"tangent= has shape {digits.shape(direction.shape)}, and {wrt.name}, whose direction it is, "
            f"{digits.shape(wrt.shape)}: give one of this shape"
        )
    value, slope, start = with_tangent(end, scene.names, wrt.place, direction)
    both = Scene([value, slope], names=names, gradients=False)
    both.notice = scene.notice
    stop = both.found(slope, "y")
    check = checked(scene, wrt, on_the_way, direction, stop.value) if numbers else None
    return ForwardDerivation(both, both.found(start, "tangent"), stop, bool(numbers), check)
