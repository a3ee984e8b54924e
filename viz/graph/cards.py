"""Cards: an operation and the tensor it makes, or a leaf, as an HTML-like table with ports for its edges.

Ports: `v` the value, `g` the gradient (`g0`, `g1`, ... its addends), `f0`, `b0`, ... the value of an operand coming in
and its gradient going out. Cells with numbers carry their full precision as a tooltip.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from glassgrad.viz.drawing import marks, numbers, style
from glassgrad.viz.drawing.labels import Label, caption, cell, frame, grad_text, row, table, text
from glassgrad.viz.drawing.texts import clipped, short
from glassgrad.viz.recorded.loops import GATES, Recurrence
from glassgrad.viz.recorded.names import INPUT, LOSS, OP, PARAM, derivative
from glassgrad.viz.recorded.scene import Card, Scene, Socket, is_finite

TAGS = {PARAM: "PARAM", INPUT: "INPUT", "target": "TARGET"}
FORMULA = 46  # characters of a formula on a card; the whole of it is in the tooltip
DERIVATIVE, BRIEF = 36, 18  # of a derivative, and where cards stand side by side
FILLERS = (cell("", cellpadding=0),) * 6
WHOLE: dict[str, Any] = {"colspan": style.SMALL_COLUMNS + len(FILLERS), "align": "LEFT"}
FEW = 4  # operands of an operation, up to which there is room for their names
VERDICTS = ("skipped", "unchecked", "ok", "kink", "wrong")  # results of a check, the most important last


class Cards:
    """The cards of one scene."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.compact = self.beside = False  # whether cards are as narrow as they can be, and stand side by side
        self.brief = False  # whether names are short
        self.longest = FORMULA  # characters of a formula
        self.rows: dict[Socket, list[Socket]] = {}  # of operands that stand in one card of rows: all of these

    def ends(self, card: Card) -> list[Socket]:
        """The operands that have a place of their own on a card: the first of those in rows stands for all of them."""
        return [socket for socket in card.sockets if self.rows.get(socket, [socket])[0] is socket]

    def operand(self, socket: Socket) -> str:
        """The name of an operand."""
        if socket in self.rows:
            return f"{len(self.rows[socket])} values"
        few = len(socket.head.sockets) <= FEW
        return clipped(socket.tail.name, style.NAME_LENGTH_INSIDE if few else style.NAME_LENGTH_INSIDE // 2)

    def spine(self, card: Card) -> Socket:
        """The operand straight above the operation: the one with the longest computation, else the first input."""
        ends = self.ends(card)
        deepest = max(ends, key=lambda socket: socket.tail.depth)
        if deepest.tail.node is not None:
            return deepest
        return next((socket for socket in ends if socket.tail.role == INPUT), deepest)

    # ------------------------------------------------------------ words

    def by(self, card: Card) -> str:
        """The name of the gradient at a card, such as `∂L/∂w`."""
        return derivative(self.scene.end, card.name, short)

    def local(self, socket: Socket) -> tuple[str, str]:
        """The derivative of an operation with respect to an operand, as written on a scalar card, and in full."""
        by = derivative(socket.head.name, socket.tail.name, short)
        formula, value = socket.local.text, socket.local.value
        number = numbers.scalar(value)
        sides = [by + (f" {socket.mark}" if socket.mark else "")]
        if socket.local.number is None and len(formula) <= DERIVATIVE:
            sides.append(f"({formula})" if socket.local.head == "where" else formula)
        said = f"× {number}" if self.compact else " = ".join([*sides, number])
        return said, f"{by} = {formula} = {numbers.full(value)}"

    def sent(self, socket: Socket) -> tuple[str, str]:
        """The gradient sent through a socket of a tensor card, as written there, and in full."""
        if not self.scene.computed:
            return " ", " "
        if not socket.passes:
            return "no grad", "no gradient is asked for here"
        whole = socket.sent_from(self.by(socket.head)).text
        longest = BRIEF if self.beside else DERIVATIVE
        return whole if len(whole) <= longest else "by its rule", f"sent to {socket.tail.name}: {whole}"

    # ------------------------------------------------------------ parts

    def gradient_told(self, card: Card) -> str:
        """The gradient at a card in full precision."""
        return f"{self.by(card)} = {numbers.full(card.gradient)}"

    def frame(self, card: Card, padding: int) -> dict[str, Any]:
        """Border and ground of a card by its role."""
        if card.failed:
            return frame("failed", cellpadding=padding)
        kind = {PARAM: "parameter", LOSS: "loss", OP: "operation"}.get(card.role, "data")
        return frame(kind, cellpadding=padding)

    def whole(self, card: Card, inside: Label) -> Label:
        """A card; a failed one has a double border, which is seen without colour."""
        if not card.failed:
            return inside
        colours = {"border": 4, "color": "bad", "bgcolor": "paper"}
        if not card.is_lost:
            return table(row(cell(inside)), cellspacing=3, **colours)
        word = text("NOT FINITE" if not is_finite(card.value) else "GRADIENT", style.TAG, "paper", bold=True)
        said = table(row(cell(word, bgcolor="bad", cellpadding=3)))
        return table(row(cell(inside), cell(said)), cellpadding=2, **colours)

    def grad_ink(self, card: Card) -> str:
        """The colour of a gradient's numbers: muted where they passed through a wrong rule."""
        return "muted" if card.doubted else "grad"

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
        return cell(inside, align="LEFT", title=told, **hair, **attributes)

    def number(self, said: str, size: int, colour: str, *, bold: bool = False, italic: bool = False) -> Label:
        """A number as text; nan and inf stand out."""
        lost = said.strip().lstrip("-").removesuffix(" ?") in ("nan", "inf")
        return text(said, size, "bad" if lost else colour, bold=bold or lost, italic=italic)

    def badge(self, card: Card) -> tuple[str, int]:
        """The operation's symbol and its type size."""
        op = card.operation.op
        # A dot alone is hardly visible.
        said = op.name if op.symbol == "·" or set(op.symbol) & style.NO_GLYPH else op.symbol
        exponent = card.operation.inputs[-1]
        if op.name == "power" and isinstance(exponent, int | float) and exponent in range(2, 10):
            said = f"x{'²³⁴⁵⁶⁷⁸⁹'[int(exponent) - 2]}"
        said = said.replace("_", " ")
        return said, style.BADGE if len(said) == 1 else style.BADGE_SMALL if len(said) <= 3 else style.NAME

    def name(self, card: Card, size: int = style.NAME) -> Label:
        """The name, bold; shorter where many operands of an operation stand side by side."""
        many = self.brief or (card.node is None and any(len(use.head.sockets) > FEW for use in card.uses))
        name = clipped(card.name, style.NAME_LENGTH_INSIDE if many else style.NAME_LENGTH)
        return text(name, size, "ink", bold=True)

    # ------------------------------------------------------------ cards

    def card(self, card: Card, note: Label = ()) -> Label:
        """The card of an operation or a leaf: operands, name, formula, value and gradient, one below the other.

        The value leaves below the operand that `spine` gives, and the gradient below what is sent to that operand, so
        that a chain of operations is a straight line down and one up. A single number stands behind the name, and its
        gradient at the end of that line.
        """
        ends, foot = self._operands(card), {"height": 2, "cellpadding": 0}
        columns, uses = max(len(ends), 2), self._uses(card)
        lines = [row(*ends)] if ends else []
        if card.shape:
            head = self.headings(card), note
            lines += [row(cell(part, colspan=columns, align="LEFT")) for part in head if part]
            has_gradient = card.gradient is not None and not card.is_loop
            told = card.told + (f"; {self.gradient_told(card)}" if has_gradient else "")
            lines.append(row(cell(self._arrays(card), colspan=columns, title=told)))
        else:
            wide = columns - self.scene.scalar  # among arrays, the gradient has a line of its own
            shown = cell(self.headings(card), align="LEFT", colspan=wide, title=card.told)
            sent = cell(self._number_gradient(card, uses), colspan=columns - wide or columns)
            lines.append(row(shown, sent) if self.scene.scalar else row(shown) + row(sent))
            uses = []
        parts = cell(table(row(*uses), cellpadding=2, cellspacing=3), cellpadding=1) if uses else None
        port = "g" if card.shape or not self.scene.computed or not card.needs_grad else None
        last = cell("", port="v", **foot), parts or cell("", port=port, **foot)
        lines.append(row(*[cell("", **foot)] * (columns - 2), *last))
        inside = table(*lines, cellpadding=1 if self.compact else 2)
        if verdict := self.verdict(card):
            inside = table(row(cell(inside), verdict))
        return self.whole(card, table(row(cell(inside)), **self.frame(card, 2)))

    def _operands(self, card: Card) -> list[Label]:
        """The cells of a card's first row: the operands before the spine's, if there are any; the spine's; what is sent
        to it, and the operands after it.
        """
        if card.node is None:
            return []
        sockets, rule = self.ends(card), {"sides": "B", "border": 1, "color": "hair"}
        at = sockets.index(self.spine(card))
        ends = [cell(self._ends(sockets[:at]), **rule)] if at else []
        named = caption(self.operand(sockets[at]), "ink")
        ends.append(cell(named, port=f"f{sockets[at].index}", valign="BOTTOM", **rule, cellpadding=3))
        return [*ends, cell(self._ends(sockets[at:], named=False), **rule)]

    def _ends(self, sockets: Sequence[Socket], named: bool = True) -> Label:
        """The operands beside one another: the name of each (of the first if ``named``), and behind it the local
        derivative or, of arrays, the gradient that is sent.
        """
        cells, is_local = [], self.scene.scalar
        for i, socket in enumerate(sockets):
            if i:
                cells.append(cell(" ", width=6 if self.compact and is_local else 14))
            if i or named:
                name = caption(self.operand(socket), "ink")
                cells.append(cell(name, port=f"f{socket.index}", valign="BOTTOM", cellpadding=3))
            if socket.passes or not is_local:
                cells.append(self._part(socket, socket not in self.rows))
        return table(row(*cells or [cell(" ")]))

    def _part(self, socket: Socket, is_said: bool) -> Label:
        """The cell of the local derivative or, of arrays, of the gradient that is sent; empty unless it ``is_said``."""
        is_local = self.scene.scalar
        said, whole = self.local(socket) if is_local else self.sent(socket)
        colour = "bad" if socket.wrong else "ink" if is_local else "grad" if socket.passes else "muted"
        sent = text(said if is_said else " ", style.CAPTION, colour, italic=not is_local)
        return cell(sent, port=f"b{socket.index}", title=whole, cellpadding=3, align="LEFT", valign="BOTTOM")

    def headings(self, card: Card, shape: bool = False) -> Label:
        """Badge, name and formula, or of a leaf its tag; behind them a single number, or the shape of a leaf and, with
        ``shape``, of any array.
        """
        is_leaf = card.node is None
        parts = text(f"{TAGS[card.role]} ", style.TAG, "muted") if is_leaf else ()
        parts += self.name(card)
        if not is_leaf:
            formula = clipped(self.scene.formula(card).text, self.longest)
            parts += text(f" = {formula}", style.CELL, "ink")
        if not card.shape:
            parts += text("  = ", style.CELL, "ink") + self.number(numbers.scalar(card.value), style.VALUE, "ink")
        elif is_leaf or shape:
            parts += caption(f"  {numbers.shape(card.shape)}")
        if is_leaf:
            return parts
        said, size = self.badge(card)
        if not card.failed:
            return text(f"{said}  ", size, "fwd", bold=True) + parts
        badge = text(said, size, "fwd", bold=True)
        return table(row(cell(badge, cellpadding=3, bgcolor="bad"), cell("  ", parts)))

    def _number_gradient(self, card: Card, uses: Sequence[Label]) -> Label:
        """The gradient of a single number, and the addends that it is the sum of."""
        if not card.needs_grad:
            return grad_text("   no grad", "muted")
        if not self.scene.computed:
            return text(" ", style.CAPTION, "grad")
        said = " " if self.compact and self.scene.scalar else f"   {self.by(card)} = "
        cells = [cell(text(said, style.GRAD_LABEL, "grad", italic=True))]
        for i, use in enumerate(uses):
            cells += [cell(text(" + ", style.GRAD_LABEL, "grad"))] * bool(i) + [use]
        cells += [cell(text(" = ", style.GRAD_LABEL, "grad"))] * bool(uses)
        if card.gradient is None:
            number, told = text("no gradient", style.GRAD_LABEL, "muted", italic=True), None
        else:
            said, told = f"{numbers.scalar(card.gradient)}{' ?' * card.doubted}", self.gradient_told(card)
            number = self.number(said, style.GRADIENT, self.grad_ink(card), bold=not card.doubted, italic=True)
        cells.append(cell(number, port="g", title=told))
        # Graphviz spreads spare room over all columns: empty ones keep label and number together.
        return table(row(*FILLERS, *cells) if self.scene.scalar else row(*cells, *FILLERS))

    def _uses(self, card: Card) -> list[Label]:
        """A cell for each use of a value, at which an edge of its gradient ends; none where it is used once."""
        if len(card.addends) < 2 or not self.scene.computed:
            return []
        rule = {"border": 1, "sides": "B", "color": self.grad_ink(card)}
        shown, cells = addends(card), []
        for i, use in enumerate(shown):
            part = use.sent
            where = f"from {short(use.head.name)} {use.mark}".rstrip()
            told = where if part is None else f"{where}: {numbers.full(part)}"
            said = (where if part is None or card.shape else numbers.scalar(part)) + " ?" * use.doubted
            cells.append(cell(grad_text(said, self.grad_ink(card)), port=f"g{i}", title=told, **rule))
        if rest := card.addends[len(shown) :]:
            told = f"from {', '.join(use.head.name for use in rest)}"
            cells.append(cell(grad_text(f"{len(rest)} more"), port=f"g{len(shown)}", title=told, **rule))
        return cells

    def again(self, *uses: Socket) -> Label:
        """The small card of a value that is used far below its own card, with the addend that this use contributes; or
        a card with a row for each of several values, with the local derivatives or the gradients sent.
        """
        lines, alone = list[Label](), len(uses) == 1
        for use in uses:
            card = use.tail
            said = "" if card.is_loop else numbers.shape(card.shape) if card.shape else numbers.scalar(card.value)
            value = caption(f"  {said}" if card.shape else f" = {said}", "ink")
            tag = TAGS[card.role] if card.node is None and len(card.uses) == 1 else "AGAIN"
            head = self.name(card, style.CELL), value, text(f"  {tag}", style.TAG, "muted")
            cells = [cell(*head, align="LEFT", title=card.told, colspan=2 if alone else None)]
            cells += [] if alone else [self._part(use, use.passes or not self.scene.scalar)]
            if use.passes and use.sent is not None:
                size = f"rms {numbers.rms(use.sent)}" if use.sent.shape else numbers.scalar(use.sent)
                own = grad_text(f"{self.by(card)} = ") if tag != "AGAIN" else ()
                adds = own + grad_text(f"{'' if own else 'adds '}{size}{' ?' * use.doubted}")
                cells.append(cell(adds, align="LEFT", title=use.told, colspan=2 if alone else None))
            lines += map(row, cells) if alone else [row(*cells)]
        foot = row(*(cell("", port=port, height=1, cellpadding=0) for port in "vg"))
        small = self.frame(uses[0].tail, 3) | {"border": 1, "style": "DASHED"}
        return table(*lines, foot, **small if alone else frame("lines", cellpadding=3))

    # ------------------------------------------------------------ arrays

    def _arrays(self, card: Card) -> Label:
        """The value of an array and, column below column, its gradient."""
        if card.is_loop:
            return self._gates(card)
        lines = self._entries(card, card.value, False)
        if self.scene.computed:
            sums = f" = sum of {len(card.addends)}" * (len(card.addends) > 1)
            if card.gradient is None:
                label = grad_text(f"{self.by(card)} no grad" if card.node is not None else "no grad", "muted")
            else:
                label = grad_text(f"{self.by(card)}{sums} =") + (grad_text(" ?", "muted") * card.doubted)
            lines += [row(cell(label, **WHOLE)), *self._entries(card, card.gradient, True)]
        return table(*lines, cellpadding=1 if self.compact else 2)

    def _gates(self, card: Card) -> Label:
        """The gates of a loop at its last step."""
        loop, cells = Recurrence(card.operation, self.scene.seen, self.scene.names), []
        for name, values in loop.gates.items():
            lines = self._entries(card, values, False)
            head = row(cell(caption(f"{name}[{loop.order[-1] + 1}], {GATES[name]}", "ink"), **WHOLE))
            cells.append(cell(table(head, *lines), valign="TOP"))
        pairs = (row(*cells[i : i + 2]) for i in range(0, len(cells), 2))
        return table(*pairs, cellspacing=2) if cells else caption(" ")

    def _entries(self, card: Card, array: np.ndarray | None, gradient: bool) -> list[Label]:
        """The rows with the numbers of an array, or with a mark if there are many."""
        if array is None:
            return []
        ink, known = self.grad_ink(card) if gradient else "ink", array.dtype.kind in "fiub"
        small = array.shape[-1] <= style.TABLE_COLUMNS
        if array.size == 0:
            return [row(cell(caption("empty"), **WHOLE))]
        if (small or not self.compact) and array.size <= style.SMALL_ROWS * style.SMALL_COLUMNS:
            shown = numbers.table(array, style.SMALL_ROWS, style.SMALL_COLUMNS)
            size = style.CELL if small and len(shown.rows) <= style.TABLE_ROWS and not self.compact else style.SMALL
            gap = " " * (2 - self.compact)
            cells = (
                [cell(self.number(gap + said, size, ink, italic=gradient), align="RIGHT") for said in line]
                for line in shown.rows
            )
            factor = [row(cell(caption(shown.factor, ink), **WHOLE))] if shown.factor else []
            return [*factor, *(row(*line, *FILLERS) for line in cells)]
        limit = marks.IMAGE if card.role == INPUT and array.ndim > 2 else marks.PIXELS
        found = marks.maps(array, gradient, limit) if known else None
        if gradient:
            mark, said = found[0] if found else marks.thumbnail(array), grad_text(f"rms {numbers.rms(array)}", ink)
        else:
            mark = found[0] if found else marks.strip(array) if known else caption(" ")
            some = f"  {found[1]} of {found[2]} drawn" if found and found[1] < found[2] else ""
            said = caption(f"{numbers.shape(array.shape)}  {numbers.spread(array)}{some}")
        return [row(cell(part, **WHOLE)) for part in (mark, said)]


def addends(card: Card) -> list[Socket]:
    """The uses whose addends are written out one by one."""
    uses = card.addends
    return uses if len(uses) <= style.ADDENDS else uses[: style.ADDENDS - 1]
