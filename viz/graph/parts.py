"""The parts of cards: their words, frames, numbers and arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from glassgrad.viz.drawing import marks, numbers, style
from glassgrad.viz.drawing.labels import Label, caption, cell, frame, grad_text, row, table, text
from glassgrad.viz.drawing.texts import clipped, text_width
from glassgrad.viz.drawing.words import say
from glassgrad.viz.recorded.names import INPUT, LOSS, OP, PARAM, derivative
from glassgrad.viz.recorded.notation.namespace import Notation
from glassgrad.viz.recorded.scene import Card, Scene, Socket

TAGS = {PARAM: "PARAM", INPUT: "INPUT", "target": "TARGET"}
CONST = "CONST"  # the tag of a constant whose name is its value
FORMULA = 46  # characters of a formula on a card; the whole of it is in the tooltip
DERIVATIVE, BRIEF = 36, 16  # of a derivative, and where cards stand side by side
FILLERS = (cell("", cellpadding=0),) * 6
FEW = 4  # operands of an operation, up to which there is room for their names
COLUMN_GAP, NARROW_GAP = 7, 3  # points from one column of a table to the next, and where room is short
SLOPES = 4  # up to so many slopes are written beside the formula; of more, only the mean
VERDICTS = ("skipped", "unchecked", "ok", "kink", "wrong")  # results of a check, the most important last


class CardParts:
    """Everything that cards of one scene have in common."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.compact = False  # whether cards are as narrow as they can be
        self._failed: dict[Card, bool] = {}

    def operand(self, socket: Socket) -> str:
        """The name of an operand."""
        few = len(socket.head.sockets) <= FEW
        return clipped(socket.tail.name, style.NAME_LENGTH_INSIDE if few else style.NAME_LENGTH_INSIDE // 2)

    def spine(self, card: Card) -> Socket:
        """The operand straight above the operation: the one with the longest computation, else the first input."""
        deepest = max(card.sockets, key=lambda socket: socket.tail.depth)
        if deepest.tail.node is not None:
            return deepest
        return next((socket for socket in card.sockets if socket.tail.role == INPUT), deepest)

    def split(self, sockets: Sequence[Socket], card: Card) -> tuple[Sequence[Socket], Socket, Sequence[Socket]]:
        """The sockets before the spine's, the spine's (the first if it is not among them), and those after it."""
        spine = self.spine(card)
        at = sockets.index(spine) if spine in sockets else 0
        return sockets[:at], sockets[at], sockets[at + 1 :]

    # ------------------------------------------------------------ words

    def by(self, card: Card) -> str:
        """The name of the gradient at a card, such as `∂L/∂w`."""
        return derivative(self.scene.end, card.name, short)

    def gradients_of(self, leaves: Sequence[Card]) -> str:
        """The gradients of at most 8 leaves, in words."""
        found = [
            f"rms {self.by(leaf)} {numbers.rms(leaf.gradient)}"
            if leaf.shape
            else f"{self.by(leaf)} = {numbers.scalar(np.asarray(leaf.gradient)[()])}"
            for leaf in leaves[:8]
        ]
        return ", ".join(found) + (say(" and {n} more", n=len(leaves) - 8) if len(leaves) > 8 else "")

    def local(self, socket: Socket) -> tuple[str, str]:
        """The derivative of an operation with respect to an operand, as written on a scalar card, and in full."""
        by = derivative(socket.head.name, socket.tail.name, short)
        formula, value = socket.local.text, socket.local.value
        number = numbers.scalar(np.asarray(value).reshape(())[()])
        if self.compact:
            return f"× {number}", f"{by} = {formula} = {numbers.full(value)}"
        sides = [by + (f" {socket.mark}" if socket.mark else "")]
        if socket.local.number is None and len(formula) <= DERIVATIVE:
            sides.append(f"({formula})" if socket.local.head == "where" else formula)
        return " = ".join([*sides, number]), f"{by} = {formula} = {numbers.full(value)}"

    def sent(self, socket: Socket) -> tuple[str, str]:
        """The gradient sent through a socket of a tensor card, as written there, and in full."""
        if not self.scene.computed:
            return " ", " "
        if not socket.passes:
            return "no grad", "no gradient is asked for here"
        whole = socket.sent_from(self.by(socket.head)).text
        written = f"{self.by(socket.head)} × {prime(socket)}" if has_prime(socket) else whole
        if len(written) > (BRIEF if self.compact else DERIVATIVE):
            written = "by its rule"
        return written, f"sent to {socket.tail.name}: {whole}"

    # ------------------------------------------------------------ parts

    def hook(self, card: Card, part: str) -> dict[str, str]:
        """The id and the tooltip of a cell with the value ("val"), the gradient ("grad") or its label ("glab")."""
        if part == "val":
            title = f"{card.name} = {numbers.full(card.value)}"
        elif part == "grad":
            title = f"{self.by(card)} = {numbers.full(card.gradient)}"
        else:
            title = f"gradient of {self.scene.end} with respect to {card.name}"
        return {"id": f"{card.key}_{part}", "title": title}

    def frame(self, card: Card, padding: int) -> dict[str, Any]:
        """Border and ground of a card by its role."""
        if self.failed(card):
            return frame("failed", cellpadding=padding)
        kind = {PARAM: "parameter", LOSS: "loss", OP: "operation"}.get(card.role, "data")
        return frame(kind, cellpadding=padding)

    def failed(self, card: Card) -> bool:
        """Whether a rule of the operation is wrong, or a nan or inf first appears here."""
        if card not in self._failed:
            self._failed[card] = card.wrong or self._lost(card)
        return self._failed[card]

    def _lost(self, card: Card) -> bool:
        if _finite(card.value) and (card.gradient is None or _finite(card.gradient)):
            return False
        if not _finite(card.value):
            return all(_finite(socket.tail.value) for socket in card.sockets)
        return all(use.head.gradient is None or _finite(use.head.gradient) for use in card.uses)

    def whole(self, card: Card, inside: Label) -> Label:
        """A card; a failed one has a double border, which is seen without colour."""
        if not self.failed(card):
            return inside
        colours = {"border": 4, "color": "bad", "bgcolor": "paper"}
        if not self._lost(card):
            return table(row(cell(inside)), cellspacing=3, **colours)
        word = text("NOT FINITE" if not _finite(card.value) else "GRADIENT", style.TAG, "paper", bold=True)
        said = table(row(cell(word, bgcolor="bad", cellpadding=3)))
        return table(row(cell(inside), cell(said)), cellpadding=2, **colours)

    def grad_ink(self, card: Card) -> str:
        """The colour of a gradient's numbers: muted where they passed through a wrong rule."""
        return "muted" if card.doubted else "grad"

    def sign(self, card: Card) -> dict[str, Any]:
        """The ground of a badge: reversed where the operation failed."""
        return {"bgcolor": "bad"} if self.failed(card) else {}

    def verdict(self, card: Card, **attributes: Any) -> Label:
        """The cell with the result of the gradient check; empty where the rules were not checked."""
        checks = [socket.check for socket in card.sockets if socket.check is not None]
        if not checks:
            return ()
        worst = max(checks, key=lambda check: (VERDICTS.index(check.verdict), check.error or 0.0))
        if card.wrong:
            spot = f" at {list(worst.element)}" if worst.element else ""
            lines = [f"by {worst.argument}{spot}"] if len(card.sockets) > 1 or worst.element else []
            lines += [f"rule {numbers.scalar(worst.rule)}", f"numeric {numbers.scalar(worst.numeric)}"]
            lines.append(f"rel. error {numbers.scalar(worst.error)}")
            said = [cell(text("WRONG", style.GRAD_LABEL, "paper", bold=True), bgcolor="bad", cellpadding=3)]
            said += [cell(text(line, style.CAPTION, "bad", bold=line is lines[-1]), align="LEFT") for line in lines]
            inside = table(*map(row, said), cellpadding=1)
        elif worst.verdict == "ok":
            error = numbers.exponential(worst.error, 0) if worst.error else "0"
            inside = text("ok ", style.GRAD_LABEL, "ok", bold=True) + caption(error, "ok")
        elif worst.verdict == "kink":
            inside = text("kink", style.GRAD_LABEL, "warn", bold=True)
        else:
            inside = caption("not checked")
        told = "; ".join(" ".join(str(check).split()) for check in checks)
        hair = {"sides": "L", "border": 1, "color": "hair"}
        return cell(inside, align="LEFT", id=f"{card.key}_check", title=told, **hair, **attributes)

    def number(self, said: str, size: int, colour: str, *, bold: bool = False, italic: bool = False) -> Label:
        """A number as text; nan and inf stand out."""
        lost = said.strip().lstrip("-").removesuffix(" ?") in ("nan", "inf")
        return text(said, size, "bad" if lost else colour, bold=bold or lost, italic=italic)

    def badge(self, card: Card) -> tuple[str, int]:
        """The operation's symbol and its type size."""
        op = card.operation.op
        # A dot alone is hardly visible.
        said = op.name if op.symbol == "·" or set(op.symbol) & style.NO_GLYPH else op.symbol
        said = (_power(card) or said).replace("_", " ")
        return said, style.BADGE if len(said) == 1 else style.BADGE_SMALL if len(said) <= 3 else style.NAME

    def name(self, card: Card, size: int = style.NAME) -> Label:
        """The name, bold; shorter where many operands of an operation stand side by side."""
        many = card.node is None and any(len(use.head.sockets) > FEW for use in card.uses)
        name = clipped(card.name, style.NAME_LENGTH_INSIDE if many else style.NAME_LENGTH)
        return text(name, size, "ink", bold=True)

    # ------------------------------------------------------------ arrays

    def _size_of(self, array: np.ndarray) -> int | None:
        """The type size of a table of these numbers, or None where there are too many."""
        columns = array.shape[-1] if array.ndim else 1
        if columns <= style.TABLE_COLUMNS and array.size <= columns * style.TABLE_ROWS:
            return style.VALUE
        if self.compact and columns > style.TABLE_COLUMNS:
            return None
        return style.SMALL if array.size <= style.SMALL_ROWS * style.SMALL_COLUMNS else None

    def factor(self, array: np.ndarray) -> str:
        """The common factor of a table of these numbers, such as ` ×1e-3`."""
        listed = array.shape and self._size_of(array)
        factor = numbers.table(array, style.SMALL_ROWS, style.SMALL_COLUMNS).factor if listed else ""
        return f" {factor}" if factor else ""

    def columns(self, arrays: Sequence[np.ndarray | None], size: int) -> list[int]:
        """The column widths that tables of these arrays share, in numbers of a type size."""
        widths: list[int] = []
        many = any(array is not None and array.shape[-1:] > (2,) for array in arrays)
        gap = NARROW_GAP if self.compact and many else COLUMN_GAP
        for array in arrays:
            most = None if array is None else self._size_of(array)
            if array is None or most is None:
                continue
            for line in numbers.table(array, style.SMALL_ROWS, style.SMALL_COLUMNS).rows:
                widths += [0] * (len(line) - len(widths))
                for j, said in enumerate(line):
                    widths[j] = max(widths[j], round(text_width(said, min(size, most)) + gap))
        return widths

    def shown(
        self, card: Card, array: np.ndarray, size: int, widths: Sequence[int], *, gradient: bool = False
    ) -> Label:
        """An array on a card: its numbers in columns of these widths, or a summary if it is large."""
        colour = self.grad_ink(card) if gradient else "ink"
        if array.size == 0:
            return caption("empty")
        if array.shape == ():
            return self.number(numbers.scalar(array[()]), size, colour, italic=gradient)
        most = self._size_of(array)
        if most is None:
            return self._mark(card, array, gradient)
        lines = []
        for line in numbers.table(array, style.SMALL_ROWS, style.SMALL_COLUMNS).rows:
            cells = []
            for j, said in enumerate(line):
                written = self.number(said, min(size, most), colour, italic=gradient)
                cells.append(cell(written, align="RIGHT", width=widths[j]))
            lines.append(row(*cells))
        return table(*lines, cellpadding=1 if self.compact else 2)

    def _mark(self, card: Card, array: np.ndarray, gradient: bool) -> Label:
        found = marks.maps(array, gradient) if array.dtype.kind in "fiub" else None
        if gradient:
            drawn = found[0] if found else marks.thumbnail(array)
            said = grad_text(f"rms {numbers.rms(array)}", self.grad_ink(card))
        else:
            known = array.dtype.kind in "fiub"
            drawn = found[0] if found else marks.strip(array) if known else caption(" ", "#000000")
            some = f"  {found[1]} of {found[2]} channels" if found and found[1] < found[2] else ""
            said = caption(f"{numbers.shape(array.shape)}  {numbers.spread(array)}{some}")
        return table(row(cell(drawn, align="LEFT")), row(cell(said, align="LEFT")), cellpadding=1)


def short(name: str) -> str:
    """A name shortened for use inside of a card."""
    return clipped(name, style.NAME_LENGTH_INSIDE)


def tag_of(card: Card) -> str:
    """The tag of a leaf, such as PARAM."""
    return CONST if card.number is not None else TAGS[card.role]


def addends(card: Card) -> list[Socket]:
    """The uses whose addends are written out one by one."""
    uses = card.addends
    return uses if len(uses) <= style.ADDENDS else uses[: style.ADDENDS - 1]


def has_prime(socket: Socket) -> bool:
    """Whether a tensor card writes a gradient as `∂L/∂a × σ′`: for a named elementwise function of one operand."""
    op = socket.head.operation.op
    named = op.symbol.replace(" ", "").isalpha() and "," not in op.text
    return named and socket.slope is not None and socket.slope.number is None


def prime(socket: Socket) -> str:
    """The name of a function's derivative."""
    power = _power(socket.head)
    return f"({power})′" if power else f"{socket.head.operation.op.symbol}′"


def _power(card: Card) -> str | None:
    """The badge of a power with a constant exponent, such as x²; None for other operations."""
    node, say = card.operation, Notation()
    exponent = node.inputs[-1]
    if node.op.name != "power" or not isinstance(exponent, int | float):
        return None
    return say.apply(node.op, [say.symbol("x"), exponent], {}).text


def says_more(card: Card) -> bool:
    """Whether a scalar's formula has constants or parameters, which badge and operands do not show."""
    node = card.node
    if node is None or node.op.name == "power":
        return False
    given = [name for name, value in node.params.items() if value is not None and value != node.op.params[name]]
    return bool(given) or len(card.sockets) < sum(x is not None for x in node.inputs)


def _finite(array: np.ndarray) -> bool:
    return array.dtype.kind not in "fc" or bool(np.isfinite(array).all())
