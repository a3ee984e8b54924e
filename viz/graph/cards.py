"""Cards: an operation and the tensor it makes, or a leaf, as an HTML-like table with ports for its edges.

Ports: `v` the value, `g` the gradient (`g0`, `g1`, ... its addends), `f0`, `b0`, ... the value of an operand coming in
and its gradient going out. Cells with an id (`NAME_val`, `NAME_grad`, `NAME_glab`, `NAME_loc`, `NAME_vjp0`)
carry their full precision as a tooltip.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Any

import numpy as np

from viz.drawing import marks, numbers, style
from viz.drawing.render import cell, clipped, row, table, text, text_width
from viz.drawing.style import Theme
from viz.recorded.names import INPUT, LOSS, OP, PARAM, derivative
from viz.recorded.notation import Notation
from viz.recorded.scene import Card, Scene, Socket

TAGS = {PARAM: "PARAM", INPUT: "INPUT", "target": "TARGET"}
CONST = "CONST"  # the tag of a constant that is called by its value
FORMULA = 46  # characters of a formula on a card; the whole of it is in the tooltip
DERIVATIVE = 36
FILLERS = (cell("", cellpadding=0),) * 6
SLOPES = 4  # so many slopes are written beside the formula
VERDICTS = ("skipped", "unchecked", "ok", "kink", "wrong")  # of a check, the one that matters most last


class Cards:
    """The cards of one scene in one theme."""

    def __init__(self, scene: Scene, theme: Theme) -> None:
        self.scene, self.theme = scene, theme
        self.compact = False  # whether cards are as narrow as they can be
        self.hidden: Container[Card] = ()  # cards that are not drawn

    def _operand(self, socket: Socket) -> str:
        """The name of an operand; of one that is not drawn, behind dots."""
        return f"{'... ' if socket.tail in self.hidden else ''}{short(socket.tail.name)}"

    # ------------------------------------------------------------ widths

    def widest(self, hidden: Container[Card] = ()) -> float:
        """About how wide the widest level of the graph is, in points, without the cards that are not drawn."""
        levels: dict[int, float] = {}
        for card in self.scene.cards:
            if card in hidden:
                continue
            level = card.depth if card.node is not None else min((use.head.depth for use in card.uses), default=1) - 1
            levels[level] = levels.get(level, 0.0) + self.width(card) + 72 * style.NODESEP
        return max(levels.values(), default=0.0)

    def width(self, card: Card) -> float:
        """About how wide a card is."""
        gradient = card.gradient is not None
        if not self.scene.scalar:
            value, back = self._array_width(card.value), 30 + self._array_width(card.gradient) if gradient else 40
            below = max(value, back) if self.compact else value + back
            to = "" if self.compact else "to : "
            sent = (f"{to}{short(s.tail.name)}{self.sent(s)[0]}" for s in card.sockets)
            return 12 + max(below, sum(text_width(words, style.CAPTION) + 24 for words in sent))
        said = f"{card.name} = {numbers.scalar(card.value[()])}"
        parts = [numbers.scalar(use.contribution[()]) for use in addends(card) if use.contribution is not None]
        below = text_width(said, style.VALUE) + text_width("".join(parts), style.GRAD_LABEL) + 12 * len(parts)
        below += text_width(f"{self.by(card)} = 0.0000", style.GRAD_LABEL) + 40 if gradient else 60
        said_above = (short(s.tail.name) + (self.local(s)[0] if s.passes else "") for s in card.sockets)
        return 40 + max(below, sum(text_width(words, style.CAPTION) + 20 for words in said_above))

    def _array_width(self, array: np.ndarray | None) -> float:
        if array is None or not array.size:
            return 30
        size = _size_of(array) if array.shape else style.VALUE
        if size is None:
            return 5 * style.STRIP_BINS + 10
        lines = numbers.table(array, style.SMALL_ROWS, style.SMALL_COLUMNS).rows
        return max(sum(text_width(said, size) + 4 for said in line) for line in lines)

    # ------------------------------------------------------------ words

    def by(self, card: Card) -> str:
        """`∂L/∂w`."""
        return derivative(self.scene.end, card.name, short)

    def local(self, socket: Socket) -> tuple[str, str]:
        """The derivative of an operation with respect to an operand, as written on the scalar card, and in full."""
        by = f"∂{short(socket.head.name)}/∂{short(socket.tail.name)}"
        formula, value = socket.local.text, socket.local.value
        number = numbers.scalar(np.asarray(value).reshape(())[()])
        number = number if socket.local.number is not None else numbers.padded(number)
        if self.compact:
            return f"∂ {number}", f"{by} = {formula} = {numbers.full(value)}"
        sides = [by + (f" {socket.mark}" if socket.mark else "")]
        if socket.local.number is None and len(formula) <= DERIVATIVE:
            sides.append(f"({formula})" if socket.local.head == "where" else formula)
        return " = ".join([*sides, number]), f"{by} = {formula} = {numbers.full(value)}"

    def sent(self, socket: Socket) -> tuple[str, str]:
        """The gradient sent through a socket of a tensor card, as written there, and in full."""
        if not socket.passes:
            return f"{short(socket.tail.name)} needs no grad", "no gradient is asked for here"
        whole = socket.sent.text
        written = f"G × {prime(socket)}" if has_prime(socket) else whole
        if len(written) > DERIVATIVE:
            assert socket.head.node is not None
            written = f"by the rule of {socket.head.node.op.name}"
        return written, f"sent to {socket.tail.name}: {whole}"

    # ------------------------------------------------------------ parts

    def frame(self, card: Card, padding: int) -> dict[str, Any]:
        """Border and ground of a card by its role."""
        theme = self.theme
        border, ground, width = {
            PARAM: (theme.knob, theme.knob_bg, style.PARAMETER_BORDER),
            LOSS: (theme.loss_bg, theme.loss_bg, style.BORDER),
            OP: (theme.fwd, theme.fwd_bg, style.BORDER),
        }.get(card.role, (theme.data, theme.data_bg, style.BORDER))
        frame: dict[str, Any] = {"border": width, "cellpadding": padding, "color": border, "bgcolor": ground}
        if self.failed(card):
            return frame | {"border": style.BORDER, "color": theme.bad, "bgcolor": theme.bad_bg}
        return frame | ({"style": "ROUNDED"} if card.node is not None else {})

    def failed(self, card: Card) -> bool:
        """Whether a rule is wrong, or a nan or inf first appears here."""
        return card.wrong or self._lost(card)

    def _lost(self, card: Card) -> bool:
        if _finite(card.value) and (card.gradient is None or _finite(card.gradient)):
            return False
        if not _finite(card.value):
            return all(_finite(socket.tail.value) for socket in card.sockets)
        return all(use.head.gradient is None or _finite(use.head.gradient) for use in card.uses)

    def whole(self, card: Card, inside: str) -> str:
        """A card, with a double border if it failed: that does not depend on hue."""
        if not self.failed(card):
            return inside
        if not self._lost(card):
            return table(row(cell(inside)), border=4, cellspacing=3, color=self.theme.bad, bgcolor=self.theme.paper)
        word = "NOT FINITE" if not _finite(card.value) else "GRADIENT"
        said = table(
            row(cell(text(word, style.TAG, self.theme.paper, bold=True), bgcolor=self.theme.bad, cellpadding=3))
        )
        return table(
            row(cell(inside), cell(said)), border=4, cellpadding=2, color=self.theme.bad, bgcolor=self.theme.paper
        )

    def ink(self, card: Card) -> str:
        """Names and values on this card."""
        return self.theme.loss_ink if self._dark(card) else self.theme.ink

    def _muted(self, card: Card) -> str:
        return self.theme.loss_mut if self._dark(card) else self.theme.muted

    def _rule(self, card: Card) -> str:
        return self.theme.loss_hair if self._dark(card) else self.theme.hair

    def _grad(self, card: Card) -> str:
        return self.theme.loss_grad if self._dark(card) else self.theme.grad

    def _arrived(self, card: Card) -> str:
        """The colour of the numbers of a gradient."""
        return self._muted(card) if card.doubted else self._grad(card)

    def sign(self, card: Card) -> dict[str, Any]:
        """The ground of a badge: reversed where the operation failed."""
        return {"bgcolor": self.theme.bad} if self.failed(card) else {}

    def badge_ink(self, card: Card) -> str:
        """The colour of a badge."""
        if self.failed(card):
            return self.theme.paper
        return self.theme.loss_ink if self._dark(card) else self.theme.fwd

    def verdict(self, card: Card, **attributes: Any) -> str:
        """The cell that says what came of checking the operation's rules; nothing where they were not checked."""
        checks = [socket.check for socket in card.sockets if socket.check is not None]
        if not checks:
            return ""
        worst = max(checks, key=lambda check: (VERDICTS.index(check.verdict), check.error or 0.0))
        theme, caption, dark = self.theme, style.CAPTION, self._dark(card)
        if card.wrong:
            said = [cell(text("WRONG", style.GRAD_LABEL, theme.paper, bold=True), bgcolor=theme.bad, cellpadding=3)]
            if len(card.sockets) > 1 or worst.element:
                spot = f" at {list(worst.element)}" if worst.element else ""
                said.append(cell(text(f"by {worst.argument}{spot}", caption, theme.bad), align="LEFT"))
            error = f"rel. error {numbers.scalar(worst.error)}"
            said += [
                cell(text(f"rule {numbers.scalar(worst.rule)}", caption, theme.bad), align="LEFT"),
                cell(text(f"numeric {numbers.scalar(worst.numeric)}", caption, theme.bad), align="LEFT"),
                cell(text(error, caption, theme.bad, bold=True), align="LEFT"),
            ]
            inside = table(*map(row, said), cellpadding=1)
        elif worst.verdict == "ok":
            colour = theme.ok_bg if dark else theme.ok
            error = numbers.exponential(worst.error, 0) if worst.error else "0"
            inside = text("ok ", style.GRAD_LABEL, colour, bold=True) + text(error, caption, colour)
        elif worst.verdict == "kink":
            inside = text("kink", style.GRAD_LABEL, theme.warn_bg if dark else theme.warn, bold=True)
        else:
            inside = text("not checked", caption, self._muted(card))
        told = " / ".join(" ".join(str(check).split()) for check in checks)
        hair = {"sides": "L", "border": 1, "color": self._rule(card)}
        return cell(inside, align="LEFT", id=f"{card.key}_check", title=told, **hair, **attributes)

    def _dark(self, card: Card) -> bool:
        return card.role == LOSS and not self.failed(card)

    def number(self, said: str, size: int, colour: str, *, bold: bool = False, italic: bool = False) -> str:
        """A number as text; nan and inf stand out."""
        lost = said.strip().lstrip("-").removesuffix(" ?") in ("nan", "inf")
        if lost:
            dark = colour in (self.theme.loss_ink, self.theme.loss_grad)
            colour = self.theme.bad_bg if dark else self.theme.bad
        return text(said, size, colour, bold=bold or lost, italic=italic)

    def badge(self, card: Card) -> tuple[str, int]:
        """The operation's symbol and its type size."""
        assert card.node is not None
        op = card.node.op
        # A dot alone would hardly be seen.
        said = op.name if op.symbol == "·" or set(op.symbol) & style.NO_GLYPH else op.symbol
        if power := _power(card):
            said = power
        said = said.replace("_", " ")
        return said, style.BADGE if len(said) == 1 else style.BADGE_SMALL if len(said) <= 3 else style.NAME

    def _name(self, card: Card, size: int = style.NAME) -> str:
        return text(clipped(card.name), size, self.ink(card), bold=True)

    # ------------------------------------------------------------ scalars

    def scalar(self, card: Card) -> str:
        """The card of a single number."""
        value = numbers.padded(numbers.scalar(card.value[()]))
        formula, alone = "", self.compact and len(card.sockets) == 1
        if _says_more(card) and not alone:
            written = self.scene.formula(card).text
            formula = f"{written} = " if len(written) <= FORMULA else ""
        named = [
            self._name(card),
            text(f" = {formula}", style.CELL if formula else style.VALUE, self.ink(card)),
            self.number(value, style.VALUE, self.ink(card)),
        ]

        def shown(port: str | None, **attributes: Any) -> str:
            title = f"{card.name} = {numbers.full(card.value)}"
            return cell(*named, port=port, align="LEFT", id=f"{card.key}_val", title=title, **attributes)

        gradient = self._scalar_gradient(card)
        if card.node is None:
            tag = cell(text(tag_of(card), style.TAG, self.theme.muted), port="o")
            frame = self.frame(card, 3 if self.compact else 5)
            return self.whole(card, table(row(tag, shown("v"), gradient), **frame))
        hair = {"border": 1, "color": self._rule(card)}
        said, size = self.badge(card)
        before, spine, after = split(card.sockets, card)
        verdict = self.verdict(card)
        badge = cell(
            text(said, size, self.badge_ink(card), bold=True),
            port="o",
            width=22 if self.compact else 30,
            rowspan=3 if before else 2,
            sides="R",
            **hair,
            **self.sign(card),
        )
        if spine is None:
            return self.whole(card, table(row(badge, shown("v"), gradient, verdict), **self.frame(card, 5)))
        rule = {"sides": "B", "cellpadding": 2, **hair}
        top = [cell(table(row(*self._scalar_sockets(card, before))), **rule)] if before else []
        # A card that is narrow has no room for its formula beside the value.
        said = self.scene.formula(card).text if alone and _says_more(card) else self._operand(spine)
        name = text(clipped(said, FORMULA), style.CAPTION, self.ink(card))
        top.append(cell(name, port=f"f{spine.index}", valign="BOTTOM", **(rule | {"cellpadding": 5})))
        rest = row(*self._scalar_sockets(card, [spine, *after], named=False))
        top.append(cell(table(rest), align="LEFT", colspan=2 if verdict else None, **rule))
        lines = [row(badge, *top)]
        if before:  # the value leaves below the operand of the spine
            foot = {"height": 2, "cellpadding": 0}
            lines.append(row(shown(None, colspan=2), gradient, verdict))
            lines.append(row(cell("", **foot), cell("", port="v", **foot), cell("", **foot)))
        else:
            lines.append(row(shown("v"), gradient, verdict))
        return self.whole(card, table(*lines, **self.frame(card, 3 if self.compact else 5)))

    def _scalar_sockets(self, card: Card, sockets: Sequence[Socket], named: bool = True) -> list[str]:
        """For each operand its name (of the first if ``named``) and the local derivative."""
        cells = []
        for i, socket in enumerate(sockets):
            if i:
                cells.append(cell(" ", width=6 if self.compact else 14))
            if i or named:
                name = text(self._operand(socket), style.CAPTION, self.ink(card))
                cells.append(cell(name, port=f"f{socket.index}", valign="BOTTOM", cellpadding=3))
            if socket.passes:
                said, whole = self.local(socket)
                cells.append(
                    cell(
                        text(said, style.CAPTION, self.theme.bad if socket.wrong else self.ink(card)),
                        port=f"b{socket.index}",
                        align="LEFT",
                        valign="BOTTOM",
                        cellpadding=3,
                        id=f"{card.key}_vjp{socket.index}",
                        title=whole,
                    )
                )
        return cells or [cell(" ")]

    def _scalar_gradient(self, card: Card) -> str:
        if not card.needs_grad:
            return cell(text("no grad", style.CAPTION, self.theme.muted, italic=True), port="g")
        if self.scene.left_out:
            return cell(" ", port="g")
        label = cell(
            text("G =" if self.compact else f"{self.by(card)} =", style.GRAD_LABEL, self._grad(card), italic=True),
            align="RIGHT",
            cellpadding=2,
            id=f"{card.key}_glab",
            title=f"gradient of {self.scene.end} by {card.name}",
        )
        if card.gradient is None:
            word = "not computed" if not self.scene.computed else "none arrives"
            missing = text(word, style.GRAD_LABEL, self._muted(card), italic=True)
            cells = [label, cell(missing, port="g", cellpadding=2)]
            return cell(table(row(*cells), cellpadding=2), cellpadding=3)
        cells = [label]
        shown = addends(card)
        if len(card.addends) > 1:
            for i, (said, whole) in enumerate(self._addends(card, shown)):
                if i:
                    cells.append(cell(text("+", style.GRAD_LABEL, self._grad(card)), cellpadding=1))
                cells.append(
                    cell(
                        self.number(
                            f"{said} ?" if i < len(shown) and shown[i].doubted else said,
                            style.GRAD_LABEL,
                            self._arrived(card),
                            italic=True,
                        ),
                        port=f"g{i}",
                        border=1,
                        sides="B",
                        color=self._grad(card),
                        cellpadding=1 if self.compact else 3,
                        id=f"{card.key}_g{i}",
                        title=whole,
                    )
                )
            cells.append(cell(text("=", style.GRAD_LABEL, self._grad(card)), cellpadding=1))
        said = f"{numbers.padded(numbers.scalar(card.gradient[()]))}{' ?' if card.doubted else ''}"
        cells.append(
            cell(
                self.number(said, style.GRADIENT, self._arrived(card), bold=not card.doubted, italic=True),
                port="g",
                align="LEFT",
                cellpadding=2,
                id=f"{card.key}_grad",
                title=f"{self.by(card)} = {numbers.full(card.gradient)}",
            )
        )
        # Room to spare is shared out among columns: empty ones keep label and number together.
        return cell(
            table(row(*FILLERS, *cells), cellpadding=1 if self.compact else 2), cellpadding=1 if self.compact else 3
        )

    def _addends(self, card: Card, shown: Sequence[Socket]) -> list[tuple[str, str]]:
        """Each addend as written, and where it comes from."""
        said = []
        for use in shown:
            assert use.contribution is not None
            number = numbers.padded(numbers.scalar(use.contribution[()]))
            where = f"from {use.head.name} {use.mark}".rstrip()
            said.append((number, f"{where}: {numbers.full(use.contribution)}"))
        if rest := card.addends[len(shown) :]:
            total = sum(float(use.contribution[()]) for use in rest if use.contribution is not None)
            said.append((f"{len(rest)} more", f"{len(rest)} more, together {total}"))
        return said

    # ------------------------------------------------------------ tensors

    def tensor(self, card: Card, left: Sequence[Socket] = (), right: Sequence[Socket] = ()) -> str:
        """The card of an operation that makes a tensor, with its operands on top and those of the sides.

        The value stands below the operand of the spine and its gradient below what is sent to it, so that a chain of
        operations is a straight line down and one up.
        """
        hair = {"border": 1, "color": self._rule(card)}
        top = [socket for socket in card.sockets if socket not in left and socket not in right]
        before, spine, after = split(top, card)
        verdict = self.verdict(card, rowspan=2 if len(card.addends) > 1 or self.compact else None)
        wide = 2 + bool(before) + bool(verdict)
        inside = []
        if spine is not None:
            rule = {"sides": "B", **hair}
            name = text(self._operand(spine), style.CAPTION, self.ink(card))
            ends = [self._ends(card, before, True, **rule)] if before else []
            ends.append(cell(name, port=f"f{spine.index}", valign="BOTTOM", cellpadding=3, **rule))
            if after:
                ends.append(self._ends(card, [spine, *after], False, colspan=1 + bool(verdict), **rule))
            else:
                ends.append(self._sends(card, spine, colspan=1 + bool(verdict), cellpadding=3, **rule))
            inside.append(row(*ends))
        if before and not self.compact:
            shown = self.shown(card, card.value, style.VALUE)
            headline = cell(*self._headings(card), align="LEFT")
            inside.append(self._rows(card, shown, verdict, headline))
        else:
            inside += [self._headline(card, wide), self.value_and_gradient(card, verdict, bool(before))]
        middle = cell(table(*inside, cellpadding=3))
        sides = [
            cell(self._side(card, sockets), cellpadding=0, sides=edge, **hair) if sockets else ""
            for sockets, edge in ((left, "R"), (right, "L"))
        ]
        return self.whole(card, table(row(sides[0], middle, sides[1]), **self.frame(card, 2)))

    def _ends(self, card: Card, sockets: Sequence[Socket], named: bool, **attributes: Any) -> str:
        """Several operands beside one another: the name of each (of the first if ``named``) and what is sent to it."""
        cells = []
        for i, socket in enumerate(sockets):
            if i:
                cells.append(cell(" ", width=14))
            if i or named:
                name = text(self._operand(socket), style.CAPTION, self.ink(card))
                cells.append(cell(name, port=f"f{socket.index}", valign="BOTTOM", cellpadding=3))
            cells.append(self._sends(card, socket, cellpadding=3))
        return cell(table(row(*cells)), cellpadding=0, **attributes)

    def _sends(self, card: Card, socket: Socket, **attributes: Any) -> str:
        said, whole = self.sent(socket)
        if self.compact:  # the name stands beside it
            said = said if socket.passes else "no grad"
        elif socket.passes:
            said = f"to {short(socket.tail.name)}{f' {socket.mark}' if socket.mark else ''}: {said}"
        return self._back(card, socket, said, whole, **attributes)

    def _side(self, card: Card, sockets: Sequence[Socket]) -> str:
        rows = []
        for socket in sockets:
            name = text(self._operand(socket), style.CAPTION, self.ink(card), bold=True)
            rows.append(row(cell(name, port=f"f{socket.index}", cellpadding=5)))
            said, whole = self.sent(socket)
            rows.append(row(self._back(card, socket, said if socket.passes else "no grad", whole, cellpadding=5)))
        return table(*rows)

    def _back(self, card: Card, socket: Socket, said: str, whole: str, **attributes: Any) -> str:
        colour = self._grad(card) if socket.passes else self._muted(card)
        colour = self.theme.bad if socket.wrong else colour
        return cell(
            text(said, style.CAPTION, colour, italic=True),
            port=f"b{socket.index}",
            id=f"{card.key}_vjp{socket.index}",
            title=whole,
            **attributes,
        )

    def _headings(self, card: Card) -> list[str]:
        """Badge, name and formula."""
        said, size = self.badge(card)
        written = self.scene.formula(card).text
        # Where the badge is a word, a formula that only repeats it says nothing.
        formula = f" = {clipped(written, FORMULA)}"
        badge = text(said if self.failed(card) else f"{said}  ", size, self.badge_ink(card), bold=True)
        parts = [badge, self._name(card), text(formula, style.CELL, self.ink(card))]
        if self.failed(card):
            parts = [table(row(cell(badge, cellpadding=3, **self.sign(card)), cell("  ", *parts[1:])))]
        return parts

    def _headline(self, card: Card, wide: int) -> str:
        parts = self._headings(card)
        slopes = [socket for socket in card.sockets if socket.passes and has_prime(socket)]
        if not slopes:
            return row(cell(*parts, colspan=wide, align="LEFT"))
        (socket,) = slopes
        assert socket.slope is not None
        values = np.asarray(socket.slope.value)
        label = f"{prime(socket)} = "
        few = 2 if self.compact else SLOPES
        if values.size <= few and values.ndim <= 2 and values.shape[-1:] in ((), (values.size,)):
            shown = numbers.table(values)
            label = f"{prime(socket)}{f' {shown.factor}' if shown.factor else ''} = {'  '.join(shown.rows[0])}"
        else:
            label = f"mean {prime(socket)} = {numbers.short(float(np.mean(values)))}"
        return row(
            cell(*parts, align="LEFT"),
            cell(
                text(label, style.CAPTION, self.theme.bad if socket.wrong else self._grad(card), italic=True),
                colspan=wide - 1 if wide > 2 else None,
                id=f"{card.key}_loc",
                title=f"{prime(socket)} = {socket.slope.text} = {numbers.full(values)}",
            ),
        )

    def value_and_gradient(self, card: Card, verdict: str = "", indented: bool = False) -> str:
        """The rows with value and gradient; below the gradient, where it is a sum, a cell for each use.

        ``indented``: behind an empty column.
        """
        return self._rows(card, self.shown(card, card.value, style.VALUE), verdict, cell(" ") if indented else "")

    def _rows(self, card: Card, shown: str, verdict: str = "", before: str = "") -> str:
        several = len(card.addends) > 1
        stacked = self.compact and card.shape != ()
        value = cell(
            table(row(cell(shown), cell("") if stacked else "")),  # or its columns would be pulled apart
            port=None if several or stacked else "v",
            colspan=(2 + bool(before)) if stacked else None,
            id=f"{card.key}_val",
            title=f"{card.name} = {numbers.full(card.value)}",
        )
        parts = cell(self._parts(card), cellpadding=1)
        if not stacked:
            rows = row(before, value, self._gradient(card), verdict)
            # The value leaves at the bottom of the card, also where the addends make it deeper.
            return rows + row(cell(" ") if before else "", cell(" ", port="v"), parts) if several else rows
        gradient = self._gradient(card, colspan=2 + bool(before), bare=True)
        foot = {"height": 2, "cellpadding": 0}
        last = [cell("", **foot)] if before else []
        last += [cell("", port="v", **foot), parts if several else cell("", port="g", **foot)]
        return row(value, verdict) + row(gradient) + row(*last)

    def _gradient(self, card: Card, bare: bool = False, **attributes: Any) -> str:
        """The cell with the gradient; ``bare``: without its port."""
        port = None if bare else "g"
        if card.gradient is None:
            word = "not computed" if card.needs_grad and not self.scene.computed else "no grad"
            word = f"G {word}" if card.node is not None else word
            word = " " if self.scene.left_out and card.needs_grad else word
            return cell(text(word, style.CAPTION, self._muted(card), italic=True), port=port, **attributes)
        many = f" = sum of {len(card.addends)}" if len(card.addends) > 1 else ""
        label = f"G{many}{self._factor(card.gradient)} ="
        inside = row(
            cell(
                text(label, style.CAPTION, self._grad(card), italic=True),
                id=f"{card.key}_glab",
                title=f"G = {self.by(card)}",
            ),
            cell(self.shown(card, card.gradient, style.GRADIENT, gradient=True)),
            cell("") if bare else "",
            cell(text("?", style.GRADIENT, self._muted(card), italic=True)) if card.doubted else "",
        )
        return cell(
            table(inside, cellpadding=1),
            port=port,
            id=f"{card.key}_grad",
            title=f"{self.by(card)} = {numbers.full(card.gradient)}",
            **attributes,
        )

    def _parts(self, card: Card) -> str:
        """One cell for each use of a tensor, where the gradient that it sends arrives."""
        shown = addends(card)
        cells = []
        for i, use in enumerate(shown):
            size = f", rms {numbers.rms(use.contribution)}" if use.contribution is not None else ""
            said = f"from {short(use.head.name)}{f' {use.mark}' if use.mark else ''}"
            cells.append((f"g{i}", f"{said} ?" if use.doubted else said, f"{said}{size}"))
        if rest := card.addends[len(shown) :]:
            names = ", ".join(use.head.name for use in rest)
            cells.append((f"g{len(shown)}", f"+ {len(rest)} more", f"from {names}"))
        colour = self._arrived(card) if self.scene.computed else self._muted(card)
        return table(
            row(
                *(
                    cell(
                        text(said, style.CAPTION, colour, italic=True),
                        port=port,
                        border=1,
                        sides="B",
                        color=colour,
                        id=f"{card.key}_{port}",
                        title=whole,
                    )
                    for port, said, whole in cells
                )
            ),
            cellpadding=2,
            cellspacing=3,
        )

    # ------------------------------------------------------------ leaves among tensors

    def leaf(self, card: Card, side: str = "") -> str:
        """The card of a leaf: on a side of its operation ("left", "right"), or above it."""
        muted = self.theme.muted
        head = [
            self._name(card, style.VALUE),
            text(f"  {numbers.shape(card.shape)}  ", style.CAPTION, muted),
            text(tag_of(card), style.TAG, muted),
        ]
        rows = [row(cell(*head, colspan=2, align="LEFT"))]
        if card.path:
            rows.append(row(cell(text(clipped(card.path), style.CAPTION, muted), colspan=2, align="LEFT")))
        title = f"{card.name} = {numbers.full(card.value)}"
        picture = (
            marks.picture_of(card.value)
            if card.role == INPUT and card.value.size and card.value.dtype.kind in "fiub"
            else None
        )
        if not side:
            if picture is not None:
                drawn = marks.image(picture, self.theme, side=64)
                many = card.value.size // picture.size
                caption = text(f"1 of {numbers.count(many)}" if many > 1 else " ", style.CAPTION, muted)
                shown = table(row(cell(drawn)), row(cell(caption)))
            else:
                shown = self.shown(card, card.value, style.CELL)
            rows.append(self._rows(card, shown))
            return self.whole(card, table(*rows, **self.frame(card, 3)))
        numbers_at, words_at = (("v", "g"), (None, None)) if side == "left" else ((None, None), ("v", "g"))
        widths = self._columns(card)
        rows.append(
            row(
                cell(text("value", style.CAPTION, muted), align="LEFT", port=words_at[0]),
                cell(
                    self.shown(card, card.value, style.CELL, widths=widths),
                    port=numbers_at[0],
                    align="RIGHT",
                    id=f"{card.key}_val",
                    title=title,
                ),
            )
        )
        rule = {"sides": "T", "border": 1, "color": self.theme.hair}
        if card.gradient is None:
            word = "grad not computed" if card.needs_grad and not self.scene.computed else "no grad"
            word = " " if self.scene.left_out and card.needs_grad else word
            said = text(word, style.CAPTION, muted, italic=True)
            rows.append(row(cell(said, colspan=2, port="g", align="LEFT", **rule)))
        else:
            label = f"grad{self._factor(card.gradient)}{' ?' if card.doubted else ''}"
            if len(card.addends) > 1:
                label = f"sum of {len(card.addends)}{label.removeprefix('grad')}"
            by = self.by(card)
            rows.append(
                row(
                    cell(
                        text(label, style.CAPTION, self.theme.grad, italic=True),
                        align="LEFT",
                        port=words_at[1],
                        id=f"{card.key}_glab",
                        title=f"gradient of {self.scene.end} by {card.name}",
                        **rule,
                    ),
                    cell(
                        self.shown(card, card.gradient, style.CELL, gradient=True, widths=widths),
                        port=numbers_at[1],
                        align="RIGHT",
                        id=f"{card.key}_grad",
                        title=f"{by} = {numbers.full(card.gradient)}",
                        **rule,
                    ),
                )
            )
        return self.whole(card, table(*rows, **self.frame(card, 3)))

    def again(self, uses: Sequence[Socket], beside: bool = False) -> str:
        """The small card of a value that is used far below its own card, with what that use adds to its gradient.

        ``beside``: it stands beside the operation, not above it.
        """
        stacked = self.compact and not beside
        card, muted = uses[0].tail, self.theme.muted
        said = numbers.shape(card.shape) if card.shape else numbers.padded(numbers.scalar(card.value[()]))
        value = f"  {said}" if card.shape else f" = {said}"
        name = text(clipped(card.name), style.CELL, self.theme.ink, bold=True)
        cells = [
            cell(
                name,
                text(value, style.CAPTION, self.theme.ink),
                text("  AGAIN", style.TAG, muted),
                port=None if stacked else "v",
                align="LEFT",
                colspan=2 if stacked else None,
                title=f"{card.name} = {numbers.full(card.value)}",
            ),
        ]
        parts = [use.contribution for use in uses if use.passes and use.contribution is not None]
        if parts:
            part = np.asarray(sum(parts[1:], start=parts[0]))
            size = numbers.padded(numbers.scalar(part[()])) if not part.shape else f"rms {numbers.rms(part)}"
            doubt = " ?" if any(use.doubted for use in uses) else ""
            said = text(f"adds {size}{doubt}", style.CAPTION, self.theme.grad, italic=True)
            title = f"{', '.join(use.head.name for use in uses)} adds {numbers.full(part)} to {self.by(card)}"
            identity = f"{uses[0].head.key}_adds{uses[0].index}"
            more: dict[str, Any] = {"colspan": 2} if stacked else {"port": "g"}
            cells.append(cell(said, align="LEFT", id=identity, title=title, **more))
        frame = self.frame(card, 3) | {"border": 1, "style": "DASHED"}
        if not stacked:
            return table(*(map(row, cells) if beside else [row(*cells)]), **frame)
        foot = [cell("", port=port, height=1, cellpadding=0) for port in "vg"]
        return table(*map(row, cells), row(*foot), **frame)

    # ------------------------------------------------------------ arrays

    def _size_of(self, array: np.ndarray) -> int | None:
        """The type size of a table of these numbers, or None where there are too many."""
        if self.compact and array.ndim and array.shape[-1] > style.TABLE_COLUMNS:
            return None
        return _size_of(array)

    def _factor(self, array: np.ndarray) -> str:
        listed = array.shape and self._size_of(array)
        factor = numbers.table(array, style.SMALL_ROWS, style.SMALL_COLUMNS).factor if listed else ""
        return f" {factor}" if factor else ""

    def _columns(self, card: Card) -> list[int]:
        """Column widths that the value and the gradient of a parameter share."""
        widths: list[int] = []
        for array, italic in ((card.value, False), (card.gradient, True)):
            size = None if array is None else self._size_of(array)
            if array is None or size is None:
                continue
            for line in numbers.table(array, style.SMALL_ROWS, style.SMALL_COLUMNS).rows:
                widths += [0] * (len(line) - len(widths))
                for j, said in enumerate(line):
                    widths[j] = max(widths[j], round(text_width(said, min(size, style.CELL)) + 4 + italic))
        return widths

    def shown(
        self, card: Card, array: np.ndarray, size: int, *, gradient: bool = False, widths: Sequence[int] = ()
    ) -> str:
        """An array on a card: its numbers, or a summary if it is large."""
        colour = self._arrived(card) if gradient else self.ink(card)
        if array.size == 0:
            return text("empty", style.CAPTION, self._muted(card))
        if array.shape == ():
            return self.number(numbers.padded(numbers.scalar(array[()])), size, colour, italic=gradient)
        most = self._size_of(array)
        if most is None:
            return self._mark(card, array, gradient)
        size = min(size, style.CAPTION) if self.compact else size
        lines = []
        for line in numbers.table(array, style.SMALL_ROWS, style.SMALL_COLUMNS).rows:
            cells = []
            for j, said in enumerate(line):
                wide = {"width": widths[j]} if j < len(widths) else {}
                cells.append(cell(self.number(said, min(size, most), colour, italic=gradient), align="RIGHT", **wide))
            lines.append(row(*cells))
        grid = table(*lines, cellpadding=1 if self.compact else 2)
        factor = "" if gradient else self._factor(array)
        if not factor:
            return grid
        return table(row(cell(text(f"{factor.strip()} ", style.CAPTION, self._muted(card))), cell(grid)))

    def _mark(self, card: Card, array: np.ndarray, gradient: bool) -> str:
        if gradient:
            drawn = marks.thumbnail(array, self.theme)
            said = text(f"rms {numbers.rms(array)}", style.CAPTION, self._arrived(card), italic=True)
        else:
            drawn = (
                marks.strip(array, self.theme) if array.dtype.kind in "fiub" else text(" ", style.CAPTION, "#000000")
            )
            said = text(f"{numbers.shape(array.shape)}  {_spread(array)}", style.CAPTION, self._muted(card))
        return table(row(cell(drawn, align="LEFT")), row(cell(said, align="LEFT")), cellpadding=1)


# ---------------------------------------------------------------- small questions


def spine_of(card: Card) -> Socket | None:
    """The operand above the operation: the one with the longest computation, else the first input."""
    sockets = card.sockets
    deepest = max(sockets, key=lambda socket: socket.tail.depth, default=None)
    if deepest is None or deepest.tail.node is not None:
        return deepest
    return next((socket for socket in sockets if socket.tail.role == INPUT), deepest)


def split(sockets: Sequence[Socket], card: Card) -> tuple[Sequence[Socket], Socket | None, Sequence[Socket]]:
    """The operands before that of the spine, it, and those behind it; without it the first counts as it."""
    if not sockets:
        return (), None, ()
    spine = spine_of(card)
    at = sockets.index(spine) if spine in sockets else 0
    return sockets[:at], sockets[at], sockets[at + 1 :]


def short(name: str) -> str:
    """A name inside of a card."""
    return clipped(name, style.NAME_LENGTH_INSIDE)


def tag_of(card: Card) -> str:
    """The word that says what a leaf is."""
    return CONST if card.number is not None else TAGS[card.role]


def addends(card: Card) -> list[Socket]:
    """The uses whose addends are written out one by one."""
    uses = card.addends
    return uses if len(uses) <= style.ADDENDS else uses[: style.ADDENDS - 1]


def has_prime(socket: Socket) -> bool:
    """Whether a tensor card writes `G × σ′` here: a function of one operand, entry by entry, that has a name."""
    assert socket.head.node is not None
    symbol = socket.head.node.op.symbol
    named = symbol.replace(" ", "").isalpha() and "," not in socket.head.node.op.text
    return named and socket.slope is not None and socket.slope.number is None


def prime(socket: Socket) -> str:
    """The name of a function's derivative."""
    assert socket.head.node is not None
    power = _power(socket.head)
    return f"({power})′" if power else f"{socket.head.node.op.symbol}′"


def _power(card: Card) -> str | None:
    """A power with a number as its exponent: x² says more than xʸ."""
    assert card.node is not None
    exponent = card.node.inputs[-1]
    if card.node.op.name != "power" or not isinstance(exponent, int | float):
        return None
    say = Notation()
    return say.apply(card.node.op, [say.symbol("x"), exponent], {}).text


def _says_more(card: Card) -> bool:
    """Whether a scalar's formula says more than its badge and its sockets: it has constants or parameters in it."""
    node = card.node
    if node is None or node.op.name == "power":
        return False
    given = [name for name, value in node.params.items() if value is not None and value != node.op.params[name]]
    return bool(given) or len(card.sockets) < sum(x is not None for x in node.inputs)


def _finite(array: np.ndarray) -> bool:
    return array.dtype.kind not in "fc" or bool(np.isfinite(array).all())


def _size_of(array: np.ndarray) -> int | None:
    """The type size of a table of these numbers, or None where there are too many."""
    columns = array.shape[-1] if array.ndim else 1
    lines = array.size // columns if columns else 0
    if lines <= style.TABLE_ROWS and columns <= style.TABLE_COLUMNS:
        return style.VALUE
    return style.SMALL if array.size <= style.SMALL_ROWS * style.SMALL_COLUMNS else None


def _spread(array: np.ndarray) -> str:
    finite = array[np.isfinite(array)].astype(float)
    if not finite.size:
        return "none finite"
    return f"mean {numbers.short(finite.mean())}" if finite.min() >= 0 else f"sd {numbers.short(finite.std())}"
