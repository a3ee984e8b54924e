"""The derivation of a gradient: the forward equations, then the chain rule from the result back to one Tensor.

Every right-hand side is an operation in its own notation, or its rule run on symbols. A line keeps the calls that were
made (`Form`), so that formulas can be evaluated as well as read (`Derivation.evaluate`). Names are the picture's,
numbers the engine's.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any

import numpy as np

import autograd as ag
from autograd.errors import DTypeError, GradientError
from autograd.files import write_file
from autograd.graph import vertex_of
from autograd.messages import describe
from autograd.shapes import broadcast_axes
from autograd.validation import as_path, check_instance
from viz.drawing import numbers as digits
from viz.drawing.errors import DrawingError
from viz.drawing.render import clipped
from viz.formula.algebra import Algebra, substituted
from viz.formula.forms import Form, Name, compute, leaves_of, names_in, run
from viz.recorded import windows
from viz.recorded.loops import LOOP, Recurrence, recurrences
from viz.recorded.names import PARAM, derivative, fresh, tex_derivative
from viz.recorded.notation import ATOM, CALL, GREEK, PRODUCT, SUM, UNKNOWN, Notation, Symbol, brackets, tex_name
from viz.recorded.scene import Card, Scene, Socket
from viz.recorded.validation import recorded

TERMS = 4  # addends of a gradient that are all written; above, the largest 3 and the rest as one sum
LARGEST = 3
LOOPS = 2  # whose step is written
INDEXED = 12  # formulas with indices; the others have the same form
PATHS = 4  # paths that are all listed; above, the same
STEPS = 4  # places of a path that are all named
FOLDED = 16  # lines of a section; above, repeated blocks are folded
REPEATS = 4  # as often a block must stand in a row to be folded: the first stays to be read
PERIOD = 40  # lines of the longest block that is looked for
ROWS, ENDS = 40, 15  # rows of a section that are all shown; above, as many from either end
ONE_LINE = 240  # characters of the formula in one line
ONE_LINE_STEPS = 40
READABLE = 80  # characters of a formula in which values are replaced by their formulas
SHORTER = 0.8  # of the chain's length, from which on a shorter form of the same values is worth reading
PARTS = 200  # of a formula that is simplified
ENTRIES = 16  # of a Tensor whose every entry is checked, and whose graph is shown with numbers unasked
TOLERANCE = 1e-4  # relative error up to which a gradient is confirmed in float64
GAP = "    "
CALLED = r"[\w√}]$|\\(?!odot|cdot|times|sum)[a-z]+ $"  # what stands before the brackets of a call
ONE_LETTER = r"([^\W\d_])_?(\d*)"  # and a number: a name that a bar fits on

# ---------------------------------------------------------------- forms


class Traced(Symbol):
    """A symbol that remembers the calls which made it."""

    __slots__ = ("form",)

    def __init__(self, written: Symbol, form: Any) -> None:
        super().__init__(
            written.space,
            written.text,
            written.tex,
            written.level,
            written.value,
            written.head,
            written.number,
            written.inner,
            written.tex_level,
        )
        self.form = form
        self.reshaped, self.places, self.spread = written.reshaped, written.places, written.spread


def form_of(x: Any) -> Any:
    """The calls behind a symbol, or a constant as it is."""
    if isinstance(x, Traced):
        return x.form
    if isinstance(x, Symbol):
        return x.number if x.number is not None else x.value
    return type(x)(map(form_of, x)) if type(x) in (tuple, list) else x


class Tracer(Notation):
    """The namespace of symbols that remember. Where broadcasting is undone, it says over what the sum runs."""

    def __init__(self, scalar: bool) -> None:
        super().__init__(scalar)
        self.for_parameter = False  # whether what is written now goes to a parameter: then leading axes are the batch
        self._within = False  # a call: what notation does there to write it shorter is no call of the rule's

    def call(self, name: str, *args: Any, **params: Any) -> Any:
        """The function of these arguments: its value, its notation, and the call itself."""
        if self._within:
            return super().call(name, *args, **params)
        self._within = True
        try:
            made = super().call(name, *args, **params)
        finally:
            self._within = False
        form = Form(name, form_of(args), {k: form_of(x) for k, x in params.items()})
        if isinstance(made, tuple):
            return tuple(Traced(part, Form("part", (form, i))) for i, part in enumerate(made))
        return Traced(made, form)

    def apply(self, op: Any, inputs: Sequence[Any], params: Mapping[str, Any], value: Any = UNKNOWN) -> Traced:
        """An operation of these symbols in its own notation."""
        given = inputs if not op.variadic else (tuple(inputs),)
        form = Form(op.name, form_of(tuple(given)), {k: form_of(x) for k, x in params.items()})
        return Traced(super().apply(op, inputs, params, value), form)

    def _fitted(self, part: Symbol, shape: tuple[int, ...]) -> Symbol:
        written = super()._fitted(part, shape)
        if part.value is UNKNOWN or part.shape == shape:
            return written
        if written.head == "sum" and len(part.shape) >= len(shape) and written.number is None:
            text, tex = self._over(part, shape)
            inside = part.text if part.level >= PRODUCT else f"({part.text})"
            tex_inside = part.tex if part.tex_level >= PRODUCT else brackets(part.tex)
            # Level 0: as words it is bracketed wherever it stands beside anything.
            written = Symbol(
                self, f"Σ over {text} of {inside}", f"{tex} {tex_inside}", 0, written.value, "sum", inner=(part,)
            )
        return Traced(written, Form("fit", (form_of(part), shape)))

    def _over(self, part: Symbol, shape: tuple[int, ...]) -> tuple[str, str]:
        axes = broadcast_axes(part.shape, shape)
        if len(axes) == part.ndim:
            return "all entries", r"\sum"
        if self.for_parameter and axes == tuple(range(part.ndim - len(shape))) and shape:
            return "the batch", r"\sum_{\mathrm{batch}}"
        many = "axes" if len(axes) > 1 else "axis"
        listed = ", ".join(map(str, axes))
        return f"{many} {listed}", rf"\sum_{{\mathrm{{{many}}}\,{listed}}}"


# ---------------------------------------------------------------- writing with the names of a scene


class _Writer:
    """The formulas of a scene, in its names or (``general``) without their numbers: `z` for `z1`, `z2`, and so on."""

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
        if card not in self._names:
            short = clipped("".join(c if c.isprintable() else "\ufffd" for c in card.name))
            self._names[card] = fresh(short, self._taken)  # two long names may be one when cut
            self._taken.add(self._names[card])
        name = self._names[card]
        if self.general and (card.node is not None or len(card.uses) == 1) and card is not self.end:
            return re.sub(r"_?\d+$", "", name) or name
        return name

    def value(self, card: Card) -> Traced:
        if card not in self._values:
            name = self.named(card)
            literal = card.number is not None or card.one_minus is not None
            written = card.written(self.say) if literal else self.say.symbol(name, card.value, _tex(name))
            self._values[card] = Traced(written, Name(card.key))
        return self._values[card]

    def bar(self, card: Card) -> Traced:
        """The name of the gradient at a card: `∂L/∂a` among scalars, a bar on one letter among Tensors."""
        if card not in self._bars:
            text, tex = self._bar(self.named(card))
            gradient = card.gradient if card.gradient is not None else np.ones_like(card.value)
            self._bars[card] = Traced(self.say.symbol(text, gradient, tex), Name(card.key, bar=True))
        return self._bars[card]

    def is_barred(self, card: Card) -> bool:
        """Whether its gradient is written with a bar, and not as ∂L/∂a."""
        return not self.scene.scalar and re.fullmatch(ONE_LETTER, self.named(card)) is not None

    def _bar(self, name: str) -> tuple[str, str]:
        match = re.fullmatch(ONE_LETTER, name)
        if match and not self.scene.scalar:
            letter, index = match.groups()
            tex = rf"\bar{{{_tex(letter)}}}" + (f"_{{{index}}}" if index else "")
            return unicodedata.normalize("NFC", f"{letter}\u0304{index}"), tex
        end = self.differentiated or self.named(self.end)
        if end == name and end.startswith("∂"):  # as itself: ∂²y/∂x∂∂y/∂x says nothing
            return "1", "1"
        return derivative(end, name), tex_derivative(end, name, _tex)

    def upstream(self, card: Card) -> Traced:
        """The gradient at a card as it stands in a formula: at the end of the graph it is 1, and not written."""
        bar = self.bar(card)
        if card is not self.end or self.scene.seeded:
            return bar
        return Traced(Symbol(self.say, "1", "1", ATOM, bar.value, "number", 1.0), bar.form)

    def forward(self, card: Card) -> Traced:
        """The right-hand side of an operation."""
        assert card.node is not None
        return self.say.apply(card.node.op, self._operands(card), card.node.params, card.value)

    def sent(self, socket: Socket, g: Symbol) -> Traced:
        """The gradient that the rule computes from ``g`` for a socket."""
        head = socket.head
        assert head.node is not None
        self.say.for_parameter = socket.tail.role == PARAM
        made = self.say.pull(head.node.op, socket.index, self._operands(head), self.value(head), head.node.params, g)
        made = made if isinstance(made, Traced) else Traced(made, form_of(made))
        return self._looped(made, socket, g) if head.node.op.name == LOOP else made

    def _looped(self, made: Traced, socket: Socket, g: Symbol) -> Traced:
        """The gradient of a loop, which is a loop in reverse: in short, as its steps are written apart."""
        tail = self.value(socket.tail)
        tex = rf"\operatorname{{scan\_back}}({g.tex})[{tail.tex}]"
        short = Symbol(self.say, f"scan_back({g.text})[{tail.text}]", tex, CALL, made.value, "scan_back")
        return Traced(short, made.form)

    def local(self, socket: Socket) -> Traced:
        """The derivative of an operation on scalars with respect to one operand: its rule with upstream gradient 1."""
        if socket not in self._locals:
            self._locals[socket] = self._local(socket)
        return self._locals[socket]

    def _local(self, socket: Socket) -> Traced:
        one = Symbol(self.say, "1", "1", ATOM, np.ones_like(socket.head.value), "number", 1.0)
        return self.sent(socket, Traced(one, 1.0))

    def _operands(self, card: Card) -> list[Any]:
        assert card.node is not None
        tails = {socket.index: socket.tail for socket in card.sockets}
        return [
            self.value(tails[i]) if i in tails else _item(given) if np.ndim(given) == 0 else given
            for i, given in enumerate(card.node.inputs)
        ]

    def term(self, socket: Socket) -> Traced:
        """One addend of a gradient: `upstream · local` for scalars, the rule's result for Tensors."""
        if not self.scene.scalar:
            return self.sent(socket, self.upstream(socket.head))
        return self.product(self.bar(socket.head), self.local(socket))

    def product(self, upstream: Traced, local: Traced) -> Traced:
        tight = local.level >= PRODUCT and not local.text.startswith("-") and local.head not in LOOSE
        text, tex = (local.text, local.tex) if tight else (f"({local.text})", brackets(local.tex))
        if upstream.level < PRODUCT:
            upstream = Traced(_bracketed(upstream), upstream.form)
        value = None if upstream.value is None else upstream.value * local.value
        # In LaTeX as a textbook has it: nothing is multiplied by 1, and the end's own gradient is 1.
        tex, tex_level = rf"{upstream.tex} \cdot {tex}", float(PRODUCT)
        if local.number in (1, -1):
            tex, tex_level = ("-" if local.number == -1 else "") + upstream.tex, min(upstream.tex_level, PRODUCT)
        elif upstream.form == Name(self.end.key, bar=True) and not self.scene.seeded:
            tex, tex_level = local.tex, local.tex_level
        written = Symbol(self.say, f"{upstream.text} · {text}", tex, PRODUCT, value, tex_level=tex_level)
        return Traced(written, Form("multiply", (upstream.form, local.form)))

    def written(self, form: Any, cards: Mapping[str, Card]) -> Traced:
        """A formula of calls in notation."""

        def call(name: str, *args: Any, **params: Any) -> Any:
            if name == "part":
                return args[0][args[1]]
            if name == "total":
                made = self.total([Traced(self.say.lift(x), None) for x in args])
                values = [self.say.lift(x).value for x in args]
                made.value = None if any(x is UNKNOWN for x in values) else sum(values[1:], values[0])
                return made  # with its value, so that a sum over its axes is written
            if name == "fit":
                return self.say._fitted(self.say.lift(args[0]), args[1])
            op = ag.OPS.get(name)
            if op is not None and not op.broadcasts:  # such as a single label: it asks a number for its shape
                args = tuple(self.say.array(x) if isinstance(x, int | float) else x for x in args)
            return self.say.call(name, *args, **params)

        def symbol(name: Name) -> Symbol:
            return self.upstream(cards[name.key]) if name.bar else self.value(cards[name.key])

        made = run(form, call, symbol)
        return Traced(self.say.lift(made), form)

    def total(self, terms: Sequence[Traced], more: int = 0) -> Traced:
        """The sum of terms, of which the last ``more`` are counted rather than written."""
        form = terms[0].form if len(terms) == 1 else Form("total", tuple(term.form for term in terms))
        if len(terms) == 1:
            return terms[0]
        text, tex = "", ""
        for i, term in enumerate(terms[: len(terms) - more]):
            for_text = f"({term.text})" if term.level < SUM or term.head == "where" else term.text
            for_tex = brackets(term.tex) if term.level < SUM else term.tex
            text += _addend(for_text, i == 0, term.level)
            tex += _addend(for_tex, i == 0, term.tex_level)
        if more:
            text, tex = f"{text} + ({more} more)", rf"{tex} + (\text{{{more} more}})"
        return Traced(Symbol(self.say, text, tex, SUM), form)


LOOSE = ("remainder", "floor_divide", "where")  # not to be written as a factor without brackets


def _addend(text: str, first: bool, level: float) -> str:
    """A term of a sum with the sign before it."""
    if first:
        return text
    return f" - {text[1:]}" if text.startswith("-") and level >= PRODUCT else f" + {text}"


def _bracketed(x: Symbol) -> Symbol:
    return Symbol(x.space, f"({x.text})", brackets(x.tex), ATOM, x.value)


# ---------------------------------------------------------------- what is found


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


@dataclass(frozen=True)
class Way:
    """One path, or several (``count``), from ``wrt`` to the result, and its contribution."""

    through: str
    formula: tuple[str, str]
    contribution: np.ndarray
    count: int = 1


@dataclass(frozen=True)
class Check:
    """The gradient beside central differences of the forward, computed in float64.

    ``numeric`` is the difference quotient (of the first entry, if there are several), ``error`` its largest difference
    to the gradient relative to the largest entry, ``noise`` the uncertainty of the quotient, likewise relative.
    ``where`` names the value that was moved.
    """

    numeric: float
    error: float
    noise: float
    where: str

    @property
    def confirmed(self) -> bool:
        """Whether both agree within the uncertainty of the difference."""
        return self.error <= TOLERANCE + self.noise

    def __str__(self) -> str:
        if not np.isfinite(self.error):
            return "not checked: values near by are not finite"
        if self.where == NOWHERE:
            return "nothing to check: there are no entries"
        several = self.where.startswith(" in all")
        compared = "central differences" if several else f"central difference {digits.scalar(self.numeric)}"
        error = digits.exponential(self.error, 0) if self.error else "0"
        said = f"{compared}{self.where}, {'largest ' if several else ''}relative error {error}"
        if not self.confirmed:
            return f"NOT CONFIRMED: {said}: a rule is wrong, or a kink is near by"
        if self.error > TOLERANCE:
            return f"checked as far as rounding allows, the gradient is so small: {said}"
        return f"checked: {said}"


DIRECTION = " along a random direction"
NOWHERE = " nowhere"


@dataclass(frozen=True)
class _Row:
    """A row of a section: its cells as text and as LaTeX, and lines of text below it."""

    text: tuple[str, ...]
    tex: tuple[str, ...]
    below: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Section:
    title: str
    rows: list[_Row]
    heads: tuple[str, ...] = ()
    gaps: tuple[str, ...] = ()


class Derivation:
    """The derivation of one Tensor's gradient; made by `explain`.

    ``text``, ``markdown`` and ``latex`` are three writings of the same lines, `save` puts one into a file, and a
    notebook shows it. ``forward`` and ``backward`` are the equations (`Line`) in the order in which they are computed,
    none folded; `evaluate` computes the written formulas, ``gradient`` is the engine's. ``paths`` counts the paths from
    the result back, and where there are several, ``ways`` are the addends: all, or the largest three and the rest as
    one. ``one_line`` is the whole chain as one formula, None where that is too long to be read, and ``simplified`` a
    shorter form of it, None where there is none; ``check`` compares with a central difference, None where no numbers
    are shown.
    """

    def __init__(self, scene: Scene, wrt: Card, on_the_way: set[Card], with_numbers: bool) -> None:
        self._scene, self._wrt, self._way = scene, wrt, on_the_way
        self._write = _Writer(scene)
        self._by_key = {card.key: card for card in scene.cards}
        self.with_numbers = with_numbers
        self.forward: tuple[Line, ...] = tuple(self._forward(card) for card in scene.cards if card.node is not None)
        self.backward: tuple[Line, ...] = tuple(
            self._backward(card) for card in _chain(scene, on_the_way) if card is not self._write.end
        )
        self.paths = _counted(scene, on_the_way)[wrt]
        self.one_line: Traced | None = self._composed()
        self._algebra = Algebra(self._worth, self._data(), lambda form: self._write.written(form, self._by_key).text)
        self.simplified: Traced | None = self._simplified()
        self.ways: tuple[Way, ...] = self._ways() if self.paths > 1 else ()
        self.check: Check | None = _checked(scene, wrt, on_the_way) if with_numbers else None

    @property
    def gradient(self) -> np.ndarray:
        """The gradient, as the engine computes it."""
        found = self._wrt.gradient
        assert found is not None
        return found

    # ------------------------------------------------------------ equations

    def _forward(self, card: Card) -> Line:
        right = self._write.forward(card)
        written = self._substituted(card) if self._scene.scalar else ("", "")
        return Line(Name(card.key), self._write.value(card), right, card.shape, card.value, written)

    def _substituted(self, card: Card) -> tuple[str, str]:
        """The operation with its operands' numbers in it."""
        assert card.node is not None
        plain = Notation()
        tails = {socket.index: socket.tail for socket in card.sockets}
        operands: list[Any] = []
        for i, given in enumerate(card.node.inputs):
            if i in tails:
                number = digits.scalar(tails[i].value[()])
                operands.append(plain.symbol(number, tails[i].value, _number(number)))
            elif card.node.op.name == "multiply":  # a constant there would be written without a sign
                operands.append(plain.symbol(digits.constant(given), given, _number(digits.constant(given))))
            else:
                operands.append(given)
        written = plain.apply(card.node.op, operands, card.node.params)
        return written.text.replace(" × ", " · "), written.tex.replace(r"\odot", r"\cdot")

    def _backward(self, card: Card) -> Line:
        sockets = [use for use in card.uses if use.passes and use.head in self._way]
        more = 0
        if len(sockets) > TERMS:
            sockets.sort(key=lambda use: -_size(use.contribution))
            more = len(sockets) - LARGEST
        right = self._write.total([self._write.term(use) for use in sockets], more)
        written = self._products(sockets, more) if self._scene.scalar else ("", "")
        return Line(Name(card.key, bar=True), self._write.bar(card), right, card.shape, card.gradient, written)

    def _products(self, sockets: list[Socket], more: int) -> tuple[str, str]:
        """`upstream × local`, summed."""
        parts: list[str] = []
        for use in sockets[: len(sockets) - more]:
            upstream, local = use.head.gradient, self._write.local(use).value
            assert upstream is not None
            first = digits.scalar(upstream[()])
            parts.append(
                f"{digits.bracketed(first) if parts else first} × {digits.bracketed(digits.scalar(_item(local)))}"
            )
        if more:
            rest = sum(float(use.contribution[()]) for use in sockets[-more:] if use.contribution is not None)
            parts.append(digits.bracketed(digits.scalar(rest)))
        text = " + ".join(parts)
        return text, _number(text)

    # ------------------------------------------------------------ the chain as one formula

    def _composed(self) -> Traced | None:
        """The gradient with each upstream replaced by its own formula, as long as that can be read."""
        write = self._write
        found: dict[Card, Traced] = {}
        steps = [card for card in _chain(self._scene, self._way) if card is not write.end]
        if len(steps) > ONE_LINE_STEPS:
            return None
        for card in steps:
            terms = []
            for use in card.uses:
                if not (use.passes and use.head in self._way):
                    continue
                upstream = found.get(use.head)
                if not self._scene.scalar:
                    terms.append(write.sent(use, write.upstream(use.head) if upstream is None else upstream))
                elif upstream is None:
                    local = write.local(use)
                    seeded = write.bar(use.head)
                    terms.append(
                        write.product(seeded, local)
                        if self._scene.seeded
                        else Traced(local, Form("multiply", (seeded.form, local.form)))
                    )
                else:
                    terms.append(_times(write, upstream, write.local(use)))
            found[card] = write.total(terms)
            if len(found[card].text) > ONE_LINE:
                return None
            if found[card].value is UNKNOWN and not self._scene.scalar:
                found[card].value = card.gradient  # a sum: rules may ask for its shape
        return found.get(self._wrt)

    def _worth(self, name: Name) -> Any:
        card = self._by_key[name.key]
        gradient = np.ones_like(card.value) if card.gradient is None else card.gradient
        return ag.asarray(gradient if name.bar else card.value)

    def _data(self) -> list[Name]:
        return [Name(card.key) for card in self._scene.cards if card.node is None and not card.needs_grad]

    def _forms(self, generated: bool) -> dict[Name, Any]:
        """What stands for each value, or only for those that are nothing but numbered."""
        return {
            line.name: line.right.form
            for line in self.forward
            if self._by_key[line.name.key] is not self._write.end
            and (not generated or re.fullmatch(r"t\d+", self._write.named(self._by_key[line.name.key])))
        }

    def _simplified(self) -> Traced | None:
        """The gradient in a shorter form than the chain, if there is one: numbered values by their formulas."""
        if self.one_line is None or len(self.forward) > ONE_LINE_STEPS:
            return None
        seed = {} if self._scene.seeded else {Name(self._write.end.key, bar=True): 1.0}
        self._write.say.for_parameter = self._wrt.role == PARAM
        for forms in (self._forms(True), {}):
            form = substituted(self.one_line.form, forms | seed, PARTS)
            short = self._shortened(form)
            if short is not None and len(short.text) <= READABLE and _signs(short.text) != _signs(self.one_line.text):
                replaced = forms and names_in(form) - seed.keys() != names_in(self.one_line.form) - seed.keys()
                return short if replaced or len(short.text) < SHORTER * len(self.one_line.text) else None
        return None

    def _expression(self) -> Traced | None:
        """The result as one formula of the leaves, where that is short."""
        end = self._write.end
        if not 1 < len(self.forward) <= ONE_LINE_STEPS:
            return None
        form = substituted(self.forward[-1].right.form, self._forms(False), PARTS)
        found = self._shortened(form) if self.forward[-1].name == Name(end.key) else None
        return found if found is not None and len(found.text) <= READABLE else None

    def _shortened(self, form: Any) -> Traced | None:
        """A formula simplified; None where it is too long, or where its numbers have more digits than are written."""
        if form is None:
            return None
        short = self._algebra.simplified(form)
        given = {leaf for leaf in leaves_of(form) if type(leaf) in (int, float)}
        made = {leaf for leaf in leaves_of(short) if type(leaf) in (int, float)} - given
        return self._write.written(short, self._by_key) if all(map(self._write.say.is_exact, made)) else None

    # ------------------------------------------------------------ paths

    def _ways(self) -> tuple[Way, ...]:
        """The paths if they are few or all scalar, else the uses of ``wrt``: the largest, and the rest as one."""
        uses = [use for use in self._wrt.uses if use.passes and use.head in self._way]
        counts = _counted(self._scene, self._way)
        if self._scene.scalar and any(counts[use.head] > 1 for use in uses):
            return self._largest_paths()
        ways = [self._use(use, counts[use.head]) for use in uses]
        if len(ways) <= PATHS:
            return tuple(ways)
        ways.sort(key=lambda way: -_size(way.contribution))
        rest = ways[LARGEST:]
        total = sum((way.contribution for way in rest), np.zeros(self._wrt.shape))
        return (*ways[:LARGEST], self._rest(total, sum(way.count for way in rest)))

    def _rest(self, total: np.ndarray, count: int) -> Way:
        number = digits.scalar(total[()]) if self.with_numbers and not total.shape else ""
        return Way(f"the other {_many(count)} as one sum", (number, _number(number)), total)

    def _use(self, use: Socket, count: int) -> Way:
        write, head = self._write, use.head
        assert use.contribution is not None
        if head is write.end:
            through = "directly"
        else:
            right = write.forward(head)
            through = f"through {write.named(head)} = {right.text}"
        if use.mark and head is not write.end:
            assert head.node is not None
            word = {SUM: "term", PRODUCT: "factor"}.get(head.node.op.level, "operand")
            which = use.mark.strip("()")
            through += f", {word} {which}" if which.isdigit() else f", {which} {word}"
        term = write.term(use)
        text, tex = term.text, term.tex
        if self._scene.scalar and self.with_numbers:
            assert head.gradient is not None
            product = digits.product(head.gradient[()], _item(write.local(use).value), use.contribution[()])
            text, tex = f"{text} = {product}", f"{tex} = {_number(product)}"
        return Way(through, (text, tex), use.contribution, count)

    def _largest_paths(self) -> tuple[Way, ...]:
        """Of scalars: by dynamic programming, the largest products of local derivatives along a path.

        The largest path through a node contains the largest path to it, since all share the remaining factors.
        """
        best: dict[Card, list[tuple[float, Any]]] = {self._write.end: [(self._seed(), None)]}
        keep = PATHS if self.paths <= PATHS else LARGEST
        for card in _chain(self._scene, self._way):
            if card is self._write.end:
                continue
            known = [
                (
                    value * float(_item(self._write.local(use).value)),
                    (use, path),
                )  # linked, so that paths share their start
                for use in card.uses
                if use.passes and use.head in self._way
                for value, path in best[use.head]
            ]
            best[card] = sorted(known, key=lambda way: -abs(way[0]))[:keep]
        ways = [self._path(value, path) for value, path in best[self._wrt]]
        if self.paths > PATHS:
            rest = float(self.gradient[()]) - sum(float(way.contribution) for way in ways)
            ways.append(self._rest(np.asarray(rest), self.paths - LARGEST))
        return tuple(ways)

    def _seed(self) -> float:
        arriving = self._write.end.gradient
        return 1.0 if arriving is None else float(arriving[()])

    def _path(self, value: float, linked: Any) -> Way:
        write, path = self._write, []
        while linked is not None:
            use, linked = linked
            path.append(use)
        path.reverse()
        places = [write.named(use.head) for use in reversed(path[1:])]
        if len(places) > STEPS:
            places = [*places[:2], f"{len(places) - 3} more", places[-1]]
        through = f"through {', '.join(places)}" if places else "directly"
        if path[-1].mark:
            through += f" {path[-1].mark}"
        if len(path) > STEPS:
            written = ("", "")
        else:
            locals_ = [write.local(use) for use in path]
            factor = locals_[0]
            for local in locals_[1:]:
                factor = _times(write, factor, local)
            written = (factor.text, factor.tex)
        if self.with_numbers:
            said = digits.scalar(value)
            equals = " = " if written[0] else ""
            written = (f"{written[0]}{equals}{said}", f"{written[1]}{equals}{_number(said)}")
        return Way(through, written, np.asarray(value))

    # ------------------------------------------------------------ numbers of the formulas

    def evaluate(self, values: Mapping[ag.Tensor, Any] | None = None) -> ag.Tensor:
        """The gradient computed from the written lines alone: forward, then backward, each from those before it.

        ``values``: other values for leaves of the graph, so that the derivation can be read as a function; leaves that
        are left out have their own.

        >>> x = ag.Tensor(3.0, requires_grad=True, name="x")
        >>> told = explain(x * x + x, wrt=x)
        >>> told.evaluate().item(), told.evaluate({x: 5.0}).item()
        (7.0, 11.0)
        """
        check_instance(values or {}, Mapping, "values", "a dict from Tensors to values")  # type: ignore[type-abstract]
        other = {vertex_of(tensor): value for tensor, value in (values or {}).items()}
        known: dict[Name, Any] = {}
        for card in self._scene.cards:
            if card.node is None:
                known[Name(card.key)] = ag.asarray(other.get(card.place, card.value))
        end = self._write.end
        known[Name(end.key, bar=True)] = ag.asarray(end.gradient)
        for line in (*self.forward, *self.backward):
            known[line.name] = run(line.right.form, compute, known.__getitem__)
        found: ag.Tensor = ag.asarray(known[Name(self._wrt.key, bar=True)])
        return found

    # ------------------------------------------------------------ sections

    @property
    def _headline(self) -> _Row:
        write, wrt = self._write, self._wrt
        names = write.named(write.end), write.named(wrt)
        bar, tex = derivative(*names), tex_derivative(*names, _tex)
        bars = [card for card in _chain(self._scene, self._way) if write.is_barred(card)]
        short = write.bar(wrt)
        if wrt in bars:
            bar, tex = f"{short.text} = {bar}", f"{short.tex} = {tex}"
        if wrt.shape:
            bar, tex = f"{bar} {digits.shape(wrt.shape)}", f"{tex} {_space(wrt.shape)}"
        elif self.with_numbers:
            number = digits.scalar(self.gradient[()])
            bar, tex = f"{bar} = {number}", f"{tex} = {_number(number)}"
        notes = []
        if self.paths > 1:
            notes.append(f"a sum over {_many(self.paths)} paths")
        if self._scene.seeded:
            notes.append(f"where {write.bar(write.end).text} is given")
        if wrt.path:
            notes.append(f"{write.named(wrt)} is {wrt.path}")
        said = "".join(f", {note}" for note in notes)
        bar, tex = bar + said, tex + (_text(said) if said else "")
        if other := next((card for card in bars if card not in (wrt, write.end)), None):  # what a bar means
            left, names = write.bar(other), (names[0], write.named(other))
            bar = f"{bar}; {left.text} = {derivative(*names)}"
            tex = rf"{tex};\quad {left.tex} = {tex_derivative(*names, _tex)}"
        return _Row((bar,), (tex,))

    @cached_property
    def _sections(self) -> list[_Section]:
        write = self._write
        sections = []
        if self.ways:
            sections.append(_Section("", _without_empty([self._way_row(way) for way in self.ways])))
        sections.append(_Section("forward", self._rows(self.forward), gaps=(GAP, GAP)))
        if self.backward:
            target = f"backward, {write.named(write.end)} to {write.named(self._wrt)}"
            heads = ("upstream × local", "= contribution") if self._scene.scalar and self.with_numbers else ()
            gaps = (GAP, "  ") if self._scene.scalar else (GAP, GAP)
            sections.append(_Section(target, self._rows(self.backward), heads, gaps))
        if rows := self._index_rows():
            sections.append(_Section("entry by entry", rows))
        sections += self._steps()
        if len(self.backward) > 1:
            sections.append(_Section("in one line", self._one_line_rows()))
        return sections

    def _steps(self) -> list[_Section]:
        """One step of each loop on the way, forward and back."""
        made = []
        for loop in recurrences(self._scene.seen.graph.nodes, self._scene.seen)[:LOOPS]:
            card = self._scene.card(loop.node)
            if card is not None and card in self._way and loop.gradients is not None:
                title = f"one step of {loop.title}, which runs {loop.loop.length} times"
                made.append(_Section(title, self._step(loop)))
        return made

    def _step(self, loop: Recurrence) -> list[_Row]:
        ends, seeds, names = loop.cells(1)
        inputs = [x for name, x in names.items() if x.node is None and name not in loop.consts]
        cell = Scene(ends, names=names, inputs=inputs, gradients=seeds)
        write = _Writer(cell, end=self._write.named(self._write.end))
        handed = {cell.card(vertex_of(names[f"{name}[t]"])) for name in loop.carries if f"{name}[t]" in names}
        rows = []
        for card in cell.cards:
            if card.node is not None:
                left, right = write.value(card), write.forward(card)
                rows.append(_Row((f"{left.text} = {right.text}",), (f"{left.tex} = {right.tex}",)))
        for card in reversed(cell.cards):
            uses = [use for use in card.uses if use.passes and use.contribution is not None]
            left = write.bar(card)
            if not uses and card in handed:
                said = " comes from step t+1, and from what reads the results"
                rows.append(_Row((f"{left.text}{said}",), (rf"{left.tex}\text{{{said}}}",)))
            if not uses:
                continue
            right = write.total([write.term(use) for use in uses])
            text, tex = right.text, right.tex
            if card in handed:
                text, tex = f"{text} + (from step t+1)", rf"{tex} + (\text{{from step }} t+1)"
            elif card.role == PARAM:
                text, tex = f"Σ over t of {text}", rf"\sum_{{t}} {tex}"
            rows.append(_Row((f"{left.text} = {text}",), (f"{left.tex} = {tex}",)))
        return rows

    def _index_rows(self) -> list[_Row]:
        """The operations over windows with their indices, and what the letters stand for."""
        written = map(self._indexed, (*self.forward, *self.backward))
        found = [said for said in written if said is not None]
        if not found:
            return []
        rows = [_Row((text,), (tex,)) for text, tex, _ in found]
        if len(rows) > INDEXED:
            hidden = f"... {len(rows) - INDEXED} more of the same form"
            rows[INDEXED:] = [_Row((hidden,), (_text(hidden),))]
        axes = max(place.axes for _, _, place in found)
        letters = [",".join(some[:axes]) for some in (windows.PLACES, windows.TAPS, windows.POINTS)]
        said = f"n: example; o, c: channels; {letters[0]}: window; {letters[1]}: place in it"
        if any(f"{letters[2]}]" in text for text, _, _ in found):
            said += f"; {letters[2]}: place in its input"
        notes = [said]
        if any(any(pad) for _, _, place in found for pad in place.pads):
            notes.append("outside of an input are zeros, and no maximum")
        return [*rows, *(_Row((note,), (_text(note),)) for note in notes)]

    def _indexed(self, line: Line) -> tuple[str, str, windows.Geometry] | None:
        """A line as an index formula, in text and in LaTeX, where it is an operation over windows of named values."""
        form = line.right.form
        if not isinstance(form, Form) or form.name not in windows.WINDOWED:
            return None
        op = ag.OPS[form.name]
        given = {arg: x for arg, x in zip(op.args, form.args, strict=False) if x is not None}
        if not all(isinstance(x, Name) for x in given.values()):
            return None
        symbols = {arg: self._symbol(name) for arg, name in given.items()}
        shapes = {arg: symbol.shape for arg, symbol in symbols.items()}
        params = {name: form.params.get(name, usual) for name, usual in op.params.items()}
        found = windows.formula(form.name, shapes, params)
        assert found is not None
        text = found.text(line.left.text, {arg: symbol.text for arg, symbol in symbols.items()})
        tex = found.tex(line.left.tex, {arg: symbol.tex for arg, symbol in symbols.items()})
        return text, tex, windows.geometry(form.name, shapes, params)

    def _symbol(self, name: Name) -> Symbol:
        card = self._by_key[name.key]
        return self._write.bar(card) if name.bar else self._write.value(card)

    def _one_line_rows(self) -> list[_Row]:
        rows, write = [], self._write
        if (whole := self._expression()) is not None:
            end = write.value(write.end)
            rows.append(_Row((f"{end.text} = {_nested(whole.text)}",), (f"{end.tex} = {_nested(whole.tex)}",)))
        left, chain, short = write.bar(self._wrt), self.one_line, self.simplified
        if chain is None:
            said = f"left out: it would be longer than {ONE_LINE} characters or {ONE_LINE_STEPS} steps"
            return [*rows, _Row((said,), (rf"\text{{{said}}}",))]
        text, tex = f"{left.text} = {_nested(chain.text)}", f"{left.tex} = {_nested(chain.tex)}"
        if short is not None:
            remarks = "".join(f", because {said}" for said in self._algebra.remarks)
            text = f"{text} = {_nested(short.text)}{remarks}"
            tex = f"{tex} = {_nested(short.tex)}" + (_text(remarks) if remarks else "")
        return [*rows, _Row((text,), (tex,))]

    def _way_row(self, way: Way) -> _Row:
        size = [digits.rms(way.contribution)] if self.with_numbers and self._wrt.shape else []
        notes = [f"rms {rms}" for rms in size]
        if way.count > 1 and way.formula[0]:
            notes.append(f"{_many(way.count)} paths")
        said = ", ".join(notes)
        text, tex = way.formula
        return _Row((way.through, text, said), (_text(way.through), tex, _text(said) if said else ""))

    def _rows(self, lines: Sequence[Line]) -> list[_Row]:
        """The lines of a section, repeated blocks folded; of too many rows both ends."""
        rows: list[_Row] = []
        start = 0
        for first, period, times in _repeats(self._signs(lines)) if len(lines) > FOLDED else []:
            rows += map(self._row, lines[start : first + period])
            rows.append(self._folded(lines[first + period : first + period * times], period))
            start = first + period * times
        rows += map(self._row, lines[start:])
        if len(rows) > ROWS:
            hidden = f"... {digits.count(len(rows) - 2 * ENDS)} lines not shown"
            rows[ENDS:-ENDS] = [_Row((hidden,), (rf"\text{{{hidden}}}",))]
        return rows

    def _row(self, line: Line) -> _Row:
        if self._scene.scalar:
            if not self.with_numbers or line.value is None:
                return _Row((line.text,), (line.tex,))
            number = digits.scalar(line.value[()])
            text, tex = line.with_numbers
            lead = "" if line.name.bar else "= "
            if line.name.bar and tex.startswith("-"):
                tex = f"{{-}}{tex[1:]}"  # a sign, not a difference to what is left of it
            return _Row((line.text, f"{lead}{text}", f"= {number}"), (line.tex, f"{lead}{tex}", f"= {_number(number)}"))
        shape, space = digits.shape(line.shape), _space(line.shape)
        if not self.with_numbers or line.value is None:
            return _Row((line.text, shape), (line.tex, space))
        first, *below = _entries(line.value)
        return _Row((line.text, shape, first), (line.tex, space, _tex_entries(line.value)), tuple(below))

    # ------------------------------------------------------------ folding

    def _signs(self, lines: Sequence[Line]) -> list[Any]:
        """The form of a line without its numbers: the formula and the distance to its operands."""
        write = _Writer(self._scene, general=True)
        at = {line.name: i for i, line in enumerate(lines)}
        self._general: dict[Name, tuple[str, str]] = {}
        signs: list[Any] = []
        for i, line in enumerate(lines):
            card = self._by_key[line.name.key]
            if line.name.bar:
                uses = [use for use in card.uses if use.passes and use.head in self._way]
                if len(uses) > TERMS:
                    signs.append(i)
                    continue
                left, right = write.bar(card), write.total([write.term(use) for use in uses])
                near = [at.get(Name(use.head.key, bar=True), i) - i for use in uses]
            else:
                left, right = write.value(card), write.forward(card)
                near = [at[Name(s.tail.key)] - i if s.tail.node is not None else 0 for s in card.sockets]
            self._general[line.name] = f"{left.text} = {right.text}", f"{left.tex} = {right.tex}"
            signs.append((self._general[line.name], tuple(near)))
        return signs

    def _folded(self, lines: Sequence[Line], period: int) -> _Row:
        count = len(lines) // period
        block = [self._general[line.name] for line in lines[:period]]
        label = self._label(lines, period)
        text = f"{label}: {count} × ({'; '.join(text for text, _ in block)})"
        equations = r";\; ".join(tex for _, tex in block)
        tex = rf"{_text(f'{label}: ')} {count} \times {brackets(equations)}"
        if not self.with_numbers or not lines[0].name.bar:
            return _Row((text,), (tex,))
        sizes = [digits.rms(line.value) for line in (lines[0], lines[-1]) if line.value is not None]
        said = f"rms {' to '.join(sizes)}"
        return _Row((text, said), (tex, rf"\text{{{said}}}"))

    def _label(self, lines: Sequence[Line], period: int) -> str:
        """`layers 2 to 15`, where each block has its layer, else the first and the last of the names."""
        write = self._write
        names = [line.left.text if not line.name.bar else write.named(self._by_key[line.name.key]) for line in lines]
        layers = [int(name[1:]) for name in names if re.fullmatch(r"z\d+", name)]
        if len(layers) * period == len(lines) and max(layers) - min(layers) + 1 == len(layers):
            return f"layers {min(layers)} to {max(layers)}"
        return f"{names[0]} to {names[-1]}"

    # ------------------------------------------------------------ three writings

    @property
    def text(self) -> str:
        """The derivation as plain text, in columns."""
        (headline,) = self._headline.text
        parts = [headline]
        for section in self._sections:
            cells = [(f"  {row.text[0]}", *row.text[1:]) for row in section.rows]
            if section.heads:
                cells.insert(0, (section.title, *section.heads))
            lines = _columns(cells, section.gaps)
            if section.title:
                parts += ["", lines.pop(0) if section.heads else section.title]
            for row, line in zip(section.rows, lines, strict=True):
                parts.append(line)
                column = _width(line) - _width(row.text[-1])
                parts += [" " * column + below for below in row.below]
        if self.check is not None:
            parts += ["", str(self.check)]
        return "\n".join(parts) + "\n"

    @property
    def latex(self) -> str:
        r"""The derivation in LaTeX: an `alignat*` for each section, for a notebook or a document with `amssymb`."""
        parts = [_environment([self._headline])]
        parts += [_environment(section.rows, section.title) for section in self._sections]
        if self.check is not None:
            parts.append(_environment([_Row((), (_text(str(self.check)),))]))
        return "".join(parts)

    @property
    def markdown(self) -> str:
        """The derivation as Markdown, its equations as LaTeX between `$$`."""
        (headline,) = self._headline.tex
        parts = [f"$${headline}$$"]
        for section in self._sections:
            if section.title:
                parts.append(f"**{_markdown(section.title)}**")
            rows = " \\\\\n".join("& " + COLUMN.join(row.tex) for row in section.rows)
            parts.append(f"$$\n\\begin{{aligned}}\n{rows}\n\\end{{aligned}}\n$$")
        if self.check is not None:
            parts.append(str(self.check))
        return "\n\n".join(parts) + "\n"

    @property
    def document(self) -> str:
        """`latex` as a document of its own, for pdfLaTeX, XeLaTeX and LuaLaTeX."""
        body = self.latex
        foreign = sorted({c for c in body if ord(c) > 0xFF})  # those below it knows
        declared = "".join(f"\\DeclareUnicodeCharacter{{{ord(c):04X}}}{{{_fallback(c)}}}\n" for c in foreign)
        shown = f"\\ifdefined\\DeclareUnicodeCharacter\n{declared}\\fi\n" if declared else ""
        return (
            "\\documentclass[fleqn]{article}\n"
            "\\usepackage[a4paper,landscape,margin=1cm]{geometry}\n"
            "\\usepackage{amsmath,amssymb}\n"
            f"{shown}"
            "\\allowdisplaybreaks\n\\pagestyle{empty}\n"
            f"\\begin{{document}}\n\\small\n{body}\\end{{document}}\n"
        )

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the derivation; the suffix (.txt, .md, .tex) says how. Returns the path of the file written.

        A .tex file is a document that compiles by itself. A file is written whole or not at all.

        Raises `DrawingError` for another suffix, `WriteError` for a folder that cannot be written.
        """
        target = as_path(path)
        writings = {".txt": "text", ".md": "markdown", ".tex": "document"}
        if target.suffix.lower() not in writings:
            raise DrawingError(f"a derivation saves as {', '.join(writings)}, not as {target.name!r}")
        write_file(target, getattr(self, writings[target.suffix.lower()]).encode())
        return target

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        (headline,) = self._headline.text
        return f"<Derivation {headline!r}>"

    def _repr_markdown_(self) -> str:
        return self.markdown

    def _repr_latex_(self) -> str:
        return self.latex

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        return {"text/plain": self.text, "text/markdown": self.markdown, "text/latex": self.latex}


# ---------------------------------------------------------------- explain


def explain(
    y: ag.Tensor,
    *,
    wrt: ag.Tensor,
    names: Mapping[str, Any] | None = None,
    numbers: bool | None = None,
    gradient: Any = None,
) -> Derivation:
    """Derive ∂y/∂wrt on the graph that computed ``y``: the forward equations, then the chain rule back to ``wrt``.

    ``wrt``: any Tensor of the graph that requires grad, a leaf or an intermediate one. ``names``: names for Tensors;
    ``names=locals()`` names each after its variable. ``numbers``: True inserts the current values and checks the
    gradient by a central difference, False writes formulas only, None inserts them if every value has at most 16
    entries. ``gradient``: the upstream gradient of a ``y`` that is no scalar, of its shape.

    Raises `GradientError` where ``wrt`` does not require grad or ``y`` does not depend on it, `ValueError` where
    nothing was recorded and for a ``y`` that is no scalar without ``gradient``.

    >>> x, w = ag.Tensor(1.0, name="x"), ag.Tensor(2.0, requires_grad=True, name="w")
    >>> print(explain(ag.exp(w * x), wrt=w, numbers=False))
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
      L = exp(w·x)
      ∂L/∂w = L · x
    <BLANKLINE>
    """
    _only_tensors(y, wrt)
    recorded(y, "derive")
    if not wrt.requires_grad:
        raise GradientError(
            f"Tensor {describe(wrt)} does not require grad, so nothing was recorded to derive by it: create it with"
            " requires_grad=True and compute again"
        )
    if gradient is None and y.size != 1:
        raise DrawingError(
            f"y has shape {digits.shape(y.shape)} and is no scalar: reduce it to one, for instance with .sum(), or give"
            " its upstream gradient as gradient="
        )
    scene = Scene(y, names=names, gradients=True if gradient is None else [ag.asarray(gradient)])
    found = scene.card(vertex_of(wrt))
    on_the_way = _between(scene, found) if found is not None else set()
    if found is None or not on_the_way:
        raise GradientError(
            f"y does not depend on Tensor {describe(wrt)}, so there is no path to derive along: give a Tensor that y"
            " was computed from"
        )
    if numbers is None:
        numbers = all(card.value.size <= ENTRIES for card in scene.cards)
    with np.errstate(all="ignore"):
        return Derivation(scene, found, on_the_way, bool(numbers))


def _only_tensors(*given: Any) -> None:
    for x in given:
        if not isinstance(x, ag.Tensor):
            raise DTypeError(f"explain takes Tensors for y and wrt, and was given {x!r} ({type(x).__name__})")


def _between(scene: Scene, wrt: Card) -> set[Card]:
    """The cards on the paths from the end back to ``wrt``, both included; empty where there is none."""
    above = {wrt}
    for card in scene.cards:
        if any(socket.passes and socket.tail in above for socket in card.sockets):
            above.add(card)
    reached = {card for card in above if card.place in scene.ends}
    for card in reversed(scene.cards):
        if card in reached and card is not wrt:
            reached |= {socket.tail for socket in card.sockets if socket.passes and socket.tail in above}
    return reached if wrt in reached else set()


def _chain(scene: Scene, on_the_way: set[Card]) -> list[Card]:
    """The cards on the way, in the order in which their gradients are complete."""
    return [card for card in reversed(scene.cards) if card in on_the_way]


def _counted(scene: Scene, on_the_way: set[Card]) -> dict[Card, int]:
    """The number of paths from the end to each card."""
    counts: dict[Card, int] = {}
    for card in _chain(scene, on_the_way):
        counts[card] = sum(counts[use.head] for use in card.uses if use.passes and use.head in on_the_way) or 1
    return counts


def _times(write: _Writer, upstream: Traced, local: Traced) -> Traced:
    """A product of scalars, in which nothing is multiplied by 1."""
    form = Form("multiply", (upstream.form, local.form))
    if local.number == 1:
        return Traced(upstream, form)
    if upstream.number == 1:
        return Traced(local, form)
    return write.product(upstream, local)


# ---------------------------------------------------------------- the check


def _checked(scene: Scene, wrt: Card, on_the_way: set[Card]) -> Check:
    """The gradient beside central differences: of every entry where they are few, else along one random direction.

    Two steps, one half the other, are extrapolated to none (Richardson 1911), and what the halving changed is taken as
    uncertain.
    """
    if not wrt.value.size:
        return Check(0.0, 0.0, 0.0, NOWHERE)
    (end,) = (card for card in scene.cards if card.place in scene.ends)
    base = wrt.value.astype(np.float64)
    exact, seed = np.asarray(wrt.gradient, dtype=np.float64), np.asarray(end.gradient, dtype=np.float64)
    steps = np.finfo(np.float64).eps ** (1 / 4) * np.maximum(1.0, np.abs(base))

    def slopes(direction: np.ndarray) -> tuple[float, float, float]:
        """The derivative along a direction, by differences and by the gradient, and how uncertain the first is."""
        length = float(np.linalg.norm(steps * direction))

        def quotient(share: float) -> float:
            step = share * steps * direction
            up, down = (_moved(scene, wrt, end, on_the_way, base + sign * step) for sign in (1.0, -1.0))
            return float(np.sum(seed * (up - down))) / (2 * share * length)

        wide, narrow = quotient(1.0), quotient(0.5)
        return (4 * narrow - wide) / 3, float(np.sum(exact * steps * direction)) / length, abs(wide - narrow)

    if base.size > ENTRIES:
        found, where = [slopes(np.random.default_rng(0).standard_normal(base.shape))], DIRECTION
    else:
        found = [slopes(unit.reshape(base.shape)) for unit in np.eye(base.size)]
        where = f" in all {base.size} entries" if base.shape else ""
    numeric, rule, uncertain = (np.array(column) for column in zip(*found, strict=True))
    size = float(np.max(np.abs([numeric, rule]))) or 1.0
    # Sums on the way to the result round too: a few units in its last place.
    rounding = 16 * np.finfo(np.float64).eps * float(np.sum(np.abs(seed * end.value))) / float(np.min(steps, initial=1))
    noise = float(np.max(uncertain)) + rounding
    return Check(float(numeric[0]), float(np.max(np.abs(numeric - rule))) / size, noise / size, where)


def _moved(scene: Scene, wrt: Card, end: Card, on_the_way: set[Card], value: np.ndarray) -> np.ndarray:
    """The result for another value of ``wrt``, recomputed in float64."""
    values: dict[Card, Any] = {wrt: value}
    with ag.no_grad():
        for card in scene.cards:
            if card.node is None or card is wrt or card not in on_the_way:
                continue
            given = list(card.node.inputs)
            for socket in card.sockets:
                tail = socket.tail
                known = tail.value.astype(np.float64) if tail.value.dtype.kind == "f" else tail.value
                given[socket.index] = values.get(tail, known)
            values[card] = card.node.op.apply(*given, **card.node.params).data
    return np.asarray(values[end], dtype=np.float64)


# ---------------------------------------------------------------- repeated blocks


def _repeats(signs: Sequence[Any]) -> list[tuple[int, int, int]]:
    """The blocks that stand several times in a row: where the first starts, how long one is, how often it comes.

    >>> _repeats("xabababab")
    [(1, 2, 4)]
    """
    found, i = [], 0
    while i < len(signs):
        best = (0, 0)
        for period in range(1, min(PERIOD, (len(signs) - i) // REPEATS) + 1):
            n = i + period
            while n < len(signs) and signs[n] == signs[n - period]:
                n += 1
            times = (n - i) // period
            if times >= REPEATS and times * period > best[0] * best[1]:
                best = (period, times)
        if best[1]:
            found.append((i, *best))
        i += best[0] * best[1] or 1
    return found


# ---------------------------------------------------------------- text


def _width(text: str) -> int:
    """Columns that a text takes in a monospace face."""
    wide = ("W", "F")
    return sum(0 if unicodedata.combining(c) else 1 + (unicodedata.east_asian_width(c) in wide) for c in text)


def _columns(rows: Sequence[Sequence[str]], gaps: Sequence[str] = ()) -> list[str]:
    """Rows in columns; one with fewer cells than most, such as a folded one, does not widen them.

    >>> _columns([("a", "1"), ("long", "2")])
    ['a       1', 'long    2']
    """
    full = max((len(row) for row in rows), default=0)
    widths = [max(_width(row[i]) for row in rows if len(row) == full) for i in range(full)]
    lines = []
    for row in rows:
        *cells, last = row
        padded = [
            cell + " " * max(0, widths[i] - _width(cell)) + (gaps[i] if i < len(gaps) else GAP)
            for i, cell in enumerate(cells)
        ]
        lines.append("".join([*padded, last]).rstrip())
    return lines


def _without_empty(rows: list[_Row]) -> list[_Row]:
    """Rows without the columns in which nothing stands."""
    kept = [i for i in range(len(rows[0].text)) if any(row.text[i] for row in rows)]
    return [_Row(tuple(row.text[i] for i in kept), tuple(row.tex[i] for i in kept)) for row in rows]


def _entries(value: np.ndarray) -> list[str]:
    """The numbers of a Tensor as lines, or how large they are."""
    if not value.shape:
        number = digits.scalar(value[()])
        return [number if number.startswith("-") else f" {number}"]  # below and above the signs of others
    if value.size > ENTRIES or not value.size:
        return [f"rms {digits.rms(value)}" if value.size else "no entries"]
    table = digits.table(value)
    wide = 1 + max(len(entry.lstrip("-")) for row in table.rows for entry in row)
    lines = ["   ".join(entry.rjust(wide) for entry in row) for row in table.rows]
    return [f"{lines[0]}   {table.factor}".rstrip(), *lines[1:]]


def _nested(text: str) -> str:
    """Brackets in brackets told apart: ( ) innermost, [ ] around them, ( ) around those. Those of a call stay round.

    >>> _nested("((a - y)·σ(z))·W"), _nested("(((a - y)·b)·W)·c")
    ('[(a - y)·σ(z)]·W', '([(a - y)·b]·W)·c')
    """
    out, open_at = list(text), [[0, 0]]
    for i, c in enumerate(text):
        if c == "(":
            open_at.append([i, 0])
        elif c == ")" and len(open_at) > 1:
            start, height = open_at.pop()
            before = text[:start]
            called = not before.endswith("\\left") and re.search(CALLED, before[-30:]) is not None
            if height % 2 and not called:
                out[start], out[i] = "[", "]"
            open_at[-1][1] = max(open_at[-1][1], height if called else height + 1)
    return "".join(out)


def _signs(text: str) -> list[str]:
    """The characters of a formula in order, without its spaces."""
    return sorted(re.sub(r"\s", "", text))


def _many(count: int) -> str:
    return digits.count(count) if count < 10**12 else f"more than 1e{len(str(count)) - 1}"


def _size(array: np.ndarray | None) -> float:
    return 0.0 if array is None else digits.root_mean_square(array)


def _item(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value


# ---------------------------------------------------------------- LaTeX

_SPECIAL = {c: f"\\{c}" for c in "{}%#&$_"} | {
    "\\": r"\textbackslash{}",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
}
_MATHEMATICAL = (
    GREEK
    | {c: rf"{{}}^{{{plain}}}" for c, plain in zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁻ᵀ", [*"0123456789-", "T"], strict=True)}
    | {"∂": r"\partial", "·": r"\cdot", "×": r"\times", "√": r"\surd", "Σ": r"\Sigma", "Π": r"\Pi", "…": r"\ldots"}
    | {"≤": r"\leq", "≥": r"\geq", "≠": r"\neq", "−": "-", "<": "<", ">": ">", "|": "|"}
)


COLUMN = r" && \qquad "


def _environment(rows: Sequence[_Row], title: str = "") -> str:
    """Rows in columns, as a display of its own."""
    columns = max(len(row.tex) for row in rows)
    lines = [rf"& \textbf{{{_words(title)}}}"] if title else []
    lines += ["& " + COLUMN.join(row.tex) for row in rows]
    inside = " \\\\\n".join(lines)
    return f"\\begin{{alignat*}}{{{columns}}}\n{inside}\n\\end{{alignat*}}\n"


def _tex(name: str) -> str:
    r"""A name in LaTeX; what is not ASCII stands as text, for pdfLaTeX has it in no mathematical face.

    >>> _tex("w1"), _tex("größe"), _tex("a b")
    ('w_{1}', '\\mathrm{gr\\text{öß}e}', '\\mathrm{a\\ b}')
    """
    written = tex_name(name)
    if not written.isascii():
        written = re.sub(r"[^\x00-\x7f]+", lambda match: rf"\text{{{match[0]}}}", written)
    return written.replace(" ", r"\ ") if " " in name else written


def _words(text: str) -> str:
    r"""Text for `\text{}`: what is special in LaTeX escaped, mathematical characters as mathematics.

    >>> _words("q = x·y_1")
    'q = x$\\cdot$y\\_1'
    """
    parts = re.split("(\\w\u0304)", unicodedata.normalize("NFD", text))
    barred = (rf"$\bar{{{part[0]}}}$" for part in parts[1::2])
    plain = (
        "".join(
            f"${_MATHEMATICAL[c]}$" if c in _MATHEMATICAL else _SPECIAL.get(c, c)
            for c in unicodedata.normalize("NFC", part)
        )
        for part in parts[::2]
    )
    return "".join(chain.from_iterable(zip_longest(plain, barred, fillvalue="")))


def _text(words: str) -> str:
    return rf"\text{{{_words(words)}}}"


def _space(shape: tuple[int, ...]) -> str:
    r"""Where the values of a shape are from.

    >>> _space((3, 2)), _space(())
    ('\\in \\mathbb{R}^{3 \\times 2}', '\\in \\mathbb{R}')
    """
    sizes = r" \times ".join(map(str, shape))
    return rf"\in \mathbb{{R}}^{{{sizes}}}" if shape else r"\in \mathbb{R}"


def _number(text: str) -> str:
    r"""Numbers in LaTeX.

    >>> _number("2 × 4.14e-5")
    '2 \\times 4.14 \\cdot 10^{-5}'
    """
    text = re.sub(r"(?<=\d)e(-?\d+)", r" \\cdot 10^{\1}", text.replace("×", r"\times"))
    return re.sub(r"\b(nan|inf)\b", r"\\mathrm{\1}", text)


def _tex_entries(value: np.ndarray) -> str:
    if not value.shape or value.size > ENTRIES or not value.size:
        (entry,) = _entries(value)
        return _text(entry) if value.shape else _number(entry.strip())
    table = digits.table(value)
    rows = r" \\ ".join(" & ".join(map(_number, row)) for row in table.rows)
    factor = rf"10^{{{table.exponent}}} \, " if table.exponent else ""
    return rf"{factor}\begin{{pmatrix}} {rows} \end{{pmatrix}}"


def _fallback(c: str) -> str:
    """How pdfLaTeX sets a character that it may have no glyph for."""
    if c in _MATHEMATICAL:
        return rf"\ensuremath{{{_MATHEMATICAL[c]}}}"
    plain = "".join(d for d in unicodedata.normalize("NFKD", c) if d.isascii())
    return plain if plain.isalnum() else rf"\text{{[U+{ord(c):04X}]}}"


def _markdown(text: str) -> str:
    return re.sub(r"([\\`*_{}\[\]<>#|$])", r"\\\1", text)
