"""Cards: an operation and the tensor it makes, or a leaf, as an HTML-like table with ports for its edges.

Ports: `v` the value, `g` the gradient (`g0`, `g1`, ... its addends), `f0`, `b0`, ... the value of an operand coming in
and its gradient going out. Cells with numbers carry their full precision as a tooltip.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from glassgrad.viz.drawing import marks, numbers, style
from glassgrad.viz.drawing.labels import Label, aligned, caption, cell, frame, grad_text, row, table, text
from glassgrad.viz.drawing.texts import clipped, text_width
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


class Cards:
    """The cards of one scene."""

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

    # ------------------------------------------------------------ words

    def by(self, card: Card) -> str:
        """The name of the gradient at a card, such as `∂L/∂w`."""
        return derivative(self.scene.end, card.name, short)

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

    def gradient_told(self, card: Card) -> str:
        """The gradient at a card in full precision."""
        return f"{self.by(card)} = {numbers.full(card.gradient)}"

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
        said = (_power(card) or said).replace("_", " ")
        return said, style.BADGE if len(said) == 1 else style.BADGE_SMALL if len(said) <= 3 else style.NAME

    def name(self, card: Card, size: int = style.NAME) -> Label:
        """The name, bold; shorter where many operands of an operation stand side by side."""
        many = card.node is None and any(len(use.head.sockets) > FEW for use in card.uses)
        name = clipped(card.name, style.NAME_LENGTH_INSIDE if many else style.NAME_LENGTH)
        return text(name, size, "ink", bold=True)

    # ------------------------------------------------------------ scalars

    def scalar(self, card: Card) -> Label:
        """The card of a single number."""
        value = numbers.scalar(card.value[()])
        formula, alone = "", self.compact and len(card.sockets) == 1
        if says_more(card) and not alone:
            written = self.scene.formula(card).text
            formula = f"{written} = " if len(written) <= FORMULA else ""
        named = [
            self.name(card),
            text(f" = {formula}", style.CELL if formula else style.VALUE, "ink"),
            self.number(value, style.VALUE, "ink"),
        ]

        def shown(port: str | None, **attributes: Any) -> Label:
            return cell(*named, port=port, align="LEFT", title=value_told(card), **attributes)

        gradient = self._scalar_gradient(card)
        frame = self.frame(card, 3 if self.compact else 5)
        if card.node is None:
            tag = cell(text(tag_of(card), style.TAG, "muted"), port="o")
            return self.whole(card, table(row(tag, shown("v"), gradient), **frame))
        hair = {"border": 1, "color": "hair"}
        said, size = self.badge(card)
        verdict = self.verdict(card)
        # A narrow card has no room for its formula beside the value.
        name = self.scene.formula(card).text if alone and says_more(card) else ""
        top = self._top(card, card.sockets, name, align="LEFT", colspan=2 if verdict else None)
        beside = len(top) > 2
        place = {"port": "o", "width": 22 if self.compact else 30, "rowspan": 3 if beside else 2, "sides": "R"}
        badge = cell(text(said, size, "fwd", bold=True), **place, **hair, **self.sign(card))
        lines = [row(badge, *top)]
        if beside:  # the value leaves below the operand that `spine_of` gives
            foot = {"height": 2, "cellpadding": 0}
            lines.append(row(shown(None, colspan=2), gradient, verdict))
            lines.append(row(cell("", **foot), cell("", port="v", **foot), cell("", **foot)))
        else:
            lines.append(row(shown("v"), gradient, verdict))
        return self.whole(card, table(*lines, **frame))

    def _top(self, card: Card, sockets: Sequence[Socket], name: str = "", **rest: Any) -> list[Label]:
        """The cells of a card's first row: the operands before the spine's, if there are any; the spine's, the first if
        it is not among them, or its ``name``; what is sent to it, and the operands after it.
        """
        at = sockets.index(spine) if (spine := self.spine(card)) in sockets else 0
        rule: dict[str, Any] = {"sides": "B", "border": 1, "color": "hair", "cellpadding": 2 * self.scene.scalar}
        ends = [cell(self._ends(sockets[:at]), **rule)] if at else []
        said = caption(clipped(name or self.operand(sockets[at]), FORMULA), "ink")
        ends.append(
            cell(
                said, port=f"f{sockets[at].index}", valign="BOTTOM", **rule | {"cellpadding": 3 + 2 * self.scene.scalar}
            )
        )
        return [*ends, cell(self._ends(sockets[at:], named=False), **rule, **rest)]

    def _ends(self, sockets: Sequence[Socket], named: bool = True) -> Label:
        """The operands beside one another: the name of each (of the first if ``named``), and behind it the local
        derivative or, of tensors, the gradient that is sent.
        """
        cells = []
        for i, socket in enumerate(sockets):
            if i:
                cells.append(cell(" ", width=6 if self.compact and self.scene.scalar else 14))
            if i or named:
                name = caption(self.operand(socket), "ink")
                cells.append(cell(name, port=f"f{socket.index}", valign="BOTTOM", cellpadding=3))
            if socket.passes or not self.scene.scalar:
                cells.append(self._sends(socket, cellpadding=3, align="LEFT", valign="BOTTOM"))
        return table(row(*cells or [cell(" ")]))

    def _scalar_gradient(self, card: Card) -> Label:
        if not card.needs_grad:
            return cell(grad_text("no grad", "muted"), port="g")
        if not self.scene.computed:
            return cell(" ", port="g")
        narrow = 1 if self.compact else 3
        said = " " if self.compact else f"{self.by(card)} ="  # a page says more of it
        words = text(said, style.GRAD_LABEL, "grad", italic=True)
        cells = [cell(words, align="RIGHT", cellpadding=0 if self.compact else 2)]
        if card.gradient is None:
            missing = text("no gradient", style.GRAD_LABEL, "muted", italic=True)
            return cell(table(row(*cells, cell(missing, port="g", cellpadding=2)), cellpadding=2), cellpadding=3)
        if len(card.addends) > 1:
            for i, (said, look) in enumerate(self._uses(card)):
                if i:
                    cells.append(cell(text("+", style.GRAD_LABEL, "grad"), cellpadding=1))
                number = self.number(said, style.GRAD_LABEL, self.grad_ink(card), italic=True)
                cells.append(cell(number, cellpadding=narrow, **look))
            cells.append(cell(text("=", style.GRAD_LABEL, "grad"), cellpadding=1))
        said = f"{numbers.scalar(card.gradient[()])}{' ?' if card.doubted else ''}"
        number = self.number(said, style.GRADIENT, self.grad_ink(card), bold=not card.doubted, italic=True)
        cells.append(cell(number, port="g", align="LEFT", cellpadding=2, title=self.gradient_told(card)))
        # Graphviz spreads spare room over all columns: empty ones keep label and number together.
        return cell(table(row(*FILLERS, *cells), cellpadding=1 if self.compact else 2), cellpadding=narrow)

    # ------------------------------------------------------------ tensors

    def tensor(self, card: Card, left: Sequence[Socket] = (), right: Sequence[Socket] = ()) -> Label:
        """The card of an operation that makes a tensor, with its operands on top and at the sides.

        The value stands below the operand that `spine_of` gives, and the gradient below the one sent to that operand,
        so that a chain of operations is a straight line down and one up.
        """
        hair = {"border": 1, "color": "hair"}
        top = [socket for socket in card.sockets if socket not in left and socket not in right]
        verdict = self.verdict(card, rowspan=2)
        ends = self._top(card, top, colspan=1 + bool(verdict))
        headline = self._headline(card, len(ends) + bool(verdict))
        inside = [row(*ends), headline, self.value_and_gradient(card, verdict, len(ends) > 2)]
        middle = cell(table(*inside, cellpadding=3))
        sides = [
            cell(self._side(sockets), cellpadding=0, sides=edge, **hair) if sockets else ()
            for sockets, edge in ((left, "R"), (right, "L"))
        ]
        return self.whole(card, table(row(sides[0], middle, sides[1]), **self.frame(card, 2)))

    def _sends(self, socket: Socket, narrow: bool = False, **attributes: Any) -> Label:
        """The cell with the local derivative or, of tensors, the gradient that is sent; ``narrow``: a product on two
        lines.
        """
        is_local = self.scene.scalar
        said, whole = self.local(socket) if is_local else self.sent(socket)
        colour = "bad" if socket.wrong else "ink" if is_local else "grad" if socket.passes else "muted"
        parts = re.split(r"(?=·)", said, maxsplit=1) if narrow else [said]
        lines = [text(part, style.CAPTION, colour, italic=not is_local) for part in parts]
        inside = aligned(*lines) if lines[1:] else lines[0]
        return cell(inside, port=f"b{socket.index}", title=whole, **attributes)

    def _side(self, sockets: Sequence[Socket]) -> Label:
        rows = []
        for socket in sockets:
            name = text(self.operand(socket), style.CAPTION, "ink", bold=True)
            rows.append(row(cell(name, port=f"f{socket.index}", cellpadding=5)))
            rows.append(row(self._sends(socket, narrow=True, cellpadding=5)))
        return table(*rows)

    def _headings(self, card: Card) -> list[Label]:
        """Badge, name and formula."""
        said, size = self.badge(card)
        written = self.scene.formula(card).text
        formula = f" = {clipped(written, FORMULA)}"
        badge = text(said if self.failed(card) else f"{said}  ", size, "fwd", bold=True)
        parts = [badge, self.name(card), text(formula, style.CELL, "ink")]
        if self.failed(card):
            parts = [table(row(cell(badge, cellpadding=3, **self.sign(card)), cell("  ", *parts[1:])))]
        return parts

    def _headline(self, card: Card, wide: int) -> Label:
        parts = self._headings(card)
        slopes = [socket for socket in card.sockets if socket.passes and has_prime(socket)]
        if not slopes:
            return row(cell(*parts, colspan=wide, align="LEFT"))
        (socket,) = slopes
        assert socket.slope is not None
        values = np.asarray(socket.slope.value)
        few = 2 if self.compact else SLOPES
        if values.size <= few and values.ndim <= 2 and values.shape[-1:] in ((), (values.size,)):
            shown = numbers.table(values)
            label = f"{prime(socket)}{f' {shown.factor}' if shown.factor else ''} = {'  '.join(shown.rows[0])}"
        else:
            label = f"mean {prime(socket)} = {numbers.short(float(np.mean(values)))}"
        slope = grad_text(label, "bad" if socket.wrong else "grad")
        told = f"{prime(socket)} = {socket.slope.text} = {numbers.full(values)}"
        return row(cell(*parts, align="LEFT"), cell(slope, colspan=wide - 1 if wide > 2 else None, title=told))

    def value_and_gradient(
        self, card: Card, verdict: Label = (), beside: bool = False, picture: Label = (), size: int = style.VALUE
    ) -> Label:
        """The rows with the value and, column below column, its gradient; if that is a sum, with a cell for each use.

        ``beside``: the value leaves in the second column. ``picture``: the value drawn, empty for its numbers in this
        ``size``.
        """
        (factor, shown), *gradient = self._arrays(card, min(size, style.CAPTION) if self.compact else size)
        whole: dict[str, Any] = {"align": "LEFT", "colspan": 1 + len(FILLERS)}
        lines = [row(cell(caption(factor.strip()), **whole))] if factor else []
        lines.append(row(cell(picture or shown, title=value_told(card)), *FILLERS))
        if self.scene.computed:
            lines.append(row(cell("", height=3, cellpadding=0)))
            told = self.gradient_told(card)
            if not gradient:
                label = grad_text(f"{self.by(card)} no grad" if card.node is not None else "no grad", "muted")
            else:
                ((factor, shown),) = gradient
                many = f" = sum of {len(card.addends)}" if len(card.addends) > 1 else ""
                label = grad_text(f"{self.by(card)}{many}{factor} =") + (grad_text(" ?", "muted") * card.doubted)
                if not card.shape:  # label and number on one line
                    label = table(row(cell(label), cell(shown, title=told)))
            lines.append(row(cell(label, **whole)))
            if gradient and card.shape:
                lines.append(row(cell(shown, title=told), *FILLERS))
        foot = {"height": 2, "cellpadding": 0}
        parts = cell("", port="g", **foot)
        if len(card.addends) > 1:
            uses = (cell(grad_text(said, self.grad_ink(card)), **look) for said, look in self._uses(card))
            parts = cell(table(row(*uses), cellpadding=2, cellspacing=3), cellpadding=1)
        last = [cell("", **foot)] * beside + [cell("", port="v", **foot), parts]
        inside = cell(table(*lines, cellpadding=1), colspan=2 + beside, cellpadding=0)
        return row(inside, verdict) + row(*last)

    def _uses(self, card: Card) -> Iterator[tuple[str, dict[str, Any]]]:
        """What is written for each use of a value at which an edge of its gradient ends, and the look of that cell."""
        rule = {"border": 1, "sides": "B", "color": self.grad_ink(card) if self.scene.computed else "muted"}
        shown = addends(card)
        for i, use in enumerate(shown):
            part, where = use.contribution, f"from {short(use.head.name)} {use.mark}".rstrip()
            told = where if part is None else f"{where}: {numbers.full(part)}"
            said = numbers.scalar(part[()]) if self.scene.scalar and part is not None else where
            yield said + (" ?" if use.doubted else ""), {"port": f"g{i}", "title": told, **rule}
        if rest := card.addends[len(shown) :]:
            told = f"from {', '.join(use.head.name for use in rest)}"
            yield f"{len(rest)} more", {"port": f"g{len(shown)}", "title": told, **rule}

    # ------------------------------------------------------------ leaves among tensors

    def leaf(self, card: Card) -> Label:
        """The card of a leaf."""
        name = self.name(card, style.VALUE)
        head = name, caption(f"  {numbers.shape(card.shape)}  "), text(tag_of(card), style.TAG, "muted")
        rows = [row(cell(*head, colspan=2, align="LEFT"))]
        if card.path:
            rows.append(row(cell(caption(clipped(card.path)), colspan=2, align="LEFT")))
        shown: Label = ()
        known = card.role == INPUT and card.value.size and card.value.dtype.kind in "fiub"
        if known and (picture := marks.picture_of(card.value)) is not None:
            many = card.value.size // picture.size
            which = caption(f"1 of {numbers.count(many)}" if many > 1 else " ")
            shown = table(row(cell(marks.image(picture, side=64))), row(cell(which)))
        rows.append(self.value_and_gradient(card, picture=shown, size=style.CELL))
        return self.whole(card, table(*rows, **self.frame(card, 3)))

    def again(self, use: Socket) -> Label:
        """The small card of a value that is used far below its own card, with the addend that this use contributes."""
        card = use.tail
        said = numbers.shape(card.shape) if card.shape else numbers.scalar(card.value[()])
        name = text(clipped(card.name), style.CELL, "ink", bold=True)
        value = caption(f"  {said}" if card.shape else f" = {said}", "ink")
        head = name, value, text("  AGAIN", style.TAG, "muted")
        lines = [cell(*head, align="LEFT", title=value_told(card), colspan=2)]
        part = use.contribution
        if use.passes and part is not None:
            size = numbers.scalar(part[()]) if not part.shape else f"rms {numbers.rms(part)}"
            adds = grad_text(f"adds {size}{' ?' if use.doubted else ''}")
            title = f"{use.head.name} adds {numbers.full(part)} to {self.by(card)}"
            lines.append(cell(adds, align="LEFT", title=title, colspan=2))
        foot = row(*(cell("", port=port, height=1, cellpadding=0) for port in "vg"))
        return table(*map(row, lines), foot, **self.frame(card, 3) | {"border": 1, "style": "DASHED"})

    # ------------------------------------------------------------ arrays

    def _arrays(self, card: Card, size: int) -> list[tuple[str, Label]]:
        """The value and, if there is one, the gradient: the common factor of their numbers, such as ` ×1e-3`, and the
        numbers in columns of the same widths, or a summary if there are many.
        """
        arrays = [card.value] if card.gradient is None else [card.value, card.gradient]
        listed = [self._listed(array) for array in arrays]
        lines = [(line, min(size, most)) for shown, most in filter(None, listed) for line in shown.rows]
        gap = NARROW_GAP if self.compact and any(len(line) > 2 for line, _ in lines) else COLUMN_GAP
        texts = ([round(text_width(said, most) + gap) for said in line] for line, most in lines)
        widths = [max(column) for column in zip(*texts, strict=True)]
        found = []
        for array, some in zip(arrays, listed, strict=True):
            gradient = array is not card.value
            look: dict[str, Any] = {"colour": self.grad_ink(card) if gradient else "ink", "italic": gradient}
            factor = f" {some[0].factor}" if some and some[0].factor else ""
            if array.size == 0:
                label = caption("empty")
            elif array.shape == ():
                label = self.number(numbers.scalar(array[()]), size, **look)
            elif some is None:
                label = self._mark(card, array, gradient)
            else:
                written = ([self.number(said, min(size, some[1]), **look) for said in line] for line in some[0].rows)
                rows = (
                    row(*(cell(said, align="RIGHT", width=wide) for said, wide in zip(line, widths, strict=True)))
                    for line in written
                )
                label = table(*rows, cellpadding=1 if self.compact else 2)
            found.append((factor, label))
        return found

    def _listed(self, array: np.ndarray) -> tuple[numbers.Table, int] | None:
        """The numbers of an array, and the largest type size of their table; None for a single one, and for many."""
        columns = array.shape[-1] if array.ndim and array.size else 0
        small = columns <= style.TABLE_COLUMNS
        if not columns or not (small or not self.compact) or array.size > style.SMALL_ROWS * style.SMALL_COLUMNS:
            return None
        full = small and array.size <= columns * style.TABLE_ROWS
        return numbers.table(array, style.SMALL_ROWS, style.SMALL_COLUMNS), style.VALUE if full else style.SMALL

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


def value_told(card: Card) -> str:
    """The value of a card in full precision."""
    return f"{card.name} = {numbers.full(card.value)}"


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
