"""Cards: an operation and the tensor it makes, or a leaf, as an HTML-like table with ports for its edges.

Ports: `v` the value, `g` the gradient (`g0`, `g1`, ... its addends), `f0`, `b0`, ... the value of an operand coming in
and its gradient going out. Cells with an id (`NAME_val`, `NAME_grad`, `NAME_glab`, `NAME_loc`, `NAME_vjp0`)
carry their full precision as a tooltip.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from glassgrad.viz.drawing import marks, numbers, style
from glassgrad.viz.drawing.labels import Label, aligned, caption, cell, grad_text, row, table, text
from glassgrad.viz.drawing.texts import clipped
from glassgrad.viz.graph.parts import (
    FILLERS,
    FORMULA,
    SLOPES,
    CardParts,
    addends,
    has_prime,
    prime,
    says_more,
    short,
    tag_of,
)
from glassgrad.viz.recorded.names import INPUT
from glassgrad.viz.recorded.scene import Card, Socket


class Cards(CardParts):
    """The cards of one scene."""

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
            return cell(*named, port=port, align="LEFT", **self.hook(card, "val"), **attributes)

        gradient = self._scalar_gradient(card)
        frame = self.frame(card, 3 if self.compact else 5)
        if card.node is None:
            tag = cell(text(tag_of(card), style.TAG, "muted"), port="o")
            return self.whole(card, table(row(tag, shown("v"), gradient), **frame))
        hair = {"border": 1, "color": "hair"}
        said, size = self.badge(card)
        before, spine, after = self.split(card.sockets, card)
        verdict = self.verdict(card)
        place = {"port": "o", "width": 22 if self.compact else 30, "rowspan": 3 if before else 2, "sides": "R"}
        badge = cell(text(said, size, "fwd", bold=True), **place, **hair, **self.sign(card))
        rule = {"sides": "B", "cellpadding": 2, **hair}
        top = [cell(self._ends(card, before), **rule)] if before else []
        # A narrow card has no room for its formula beside the value.
        said = self.scene.formula(card).text if alone and says_more(card) else self.operand(spine)
        name = caption(clipped(said, FORMULA), "ink")
        top.append(cell(name, port=f"f{spine.index}", valign="BOTTOM", **(rule | {"cellpadding": 5})))
        rest = self._ends(card, [spine, *after], named=False)
        top.append(cell(rest, align="LEFT", colspan=2 if verdict else None, **rule))
        lines = [row(badge, *top)]
        if before:  # the value leaves below the operand that `spine_of` gives
            foot = {"height": 2, "cellpadding": 0}
            lines.append(row(shown(None, colspan=2), gradient, verdict))
            lines.append(row(cell("", **foot), cell("", port="v", **foot), cell("", **foot)))
        else:
            lines.append(row(shown("v"), gradient, verdict))
        return self.whole(card, table(*lines, **frame))

    def _ends(self, card: Card, sockets: Sequence[Socket], named: bool = True) -> Label:
        """The operands beside one another: the name of each (of the first if ``named``), and behind it the local
        derivative or, of tensors, the gradient that is sent.
        """
        cells = []
        for i, socket in enumerate(sockets):
            if i:
                cells.append(cell(" ", width=6 if self.compact and self.scene.scalar else 14))
            if i or named:
                cells.append(self._operand(card, socket))
            if not self.scene.scalar:
                cells.append(self._sends(card, socket, cellpadding=3))
            elif socket.passes:
                said, whole = self.local(socket)
                written = caption(said, "bad" if socket.wrong else "ink")
                told = {"id": f"{card.key}_vjp{socket.index}", "title": whole, "align": "LEFT", "valign": "BOTTOM"}
                cells.append(cell(written, port=f"b{socket.index}", cellpadding=3, **told))
        return table(row(*cells or [cell(" ")]))

    def _operand(self, card: Card, socket: Socket, **attributes: Any) -> Label:
        """The cell with the name of an operand, at which its edge ends."""
        name = caption(self.operand(socket), "ink")
        return cell(name, port=f"f{socket.index}", valign="BOTTOM", cellpadding=3, **attributes)

    def _scalar_gradient(self, card: Card) -> Label:
        if not card.needs_grad:
            return cell(grad_text("no grad", "muted"), port="g")
        if not self.scene.computed:
            return cell(" ", port="g")
        narrow = 1 if self.compact else 3
        said = " " if self.compact else f"{self.by(card)} ="  # a page says more of it
        words = text(said, style.GRAD_LABEL, "grad", italic=True)
        cells = [cell(words, align="RIGHT", cellpadding=0 if self.compact else 2, **self.hook(card, "glab"))]
        if card.gradient is None:
            missing = text("no gradient", style.GRAD_LABEL, "muted", italic=True)
            return cell(table(row(*cells, cell(missing, port="g", cellpadding=2)), cellpadding=2), cellpadding=3)
        shown = addends(card)
        if len(card.addends) > 1:
            rule = {"border": 1, "sides": "B", "color": "grad", "cellpadding": narrow}
            for i, (said, whole) in enumerate(self.addends(card)):
                if i:
                    cells.append(cell(text("+", style.GRAD_LABEL, "grad"), cellpadding=1))
                said = f"{said} ?" if i < len(shown) and shown[i].doubted else said
                number = self.number(said, style.GRAD_LABEL, self.grad_ink(card), italic=True)
                cells.append(cell(number, port=f"g{i}", id=f"{card.key}_g{i}", title=whole, **rule))
            cells.append(cell(text("=", style.GRAD_LABEL, "grad"), cellpadding=1))
        said = f"{numbers.scalar(card.gradient[()])}{' ?' if card.doubted else ''}"
        number = self.number(said, style.GRADIENT, self.grad_ink(card), bold=not card.doubted, italic=True)
        cells.append(cell(number, port="g", align="LEFT", cellpadding=2, **self.hook(card, "grad")))
        # Graphviz spreads spare room over all columns: empty ones keep label and number together.
        return cell(table(row(*FILLERS, *cells), cellpadding=1 if self.compact else 2), cellpadding=narrow)

    def addends(self, card: Card) -> list[tuple[str, str]]:
        """Each addend of a scalar's gradient as written, and its origin."""
        said, shown = [], addends(card)
        for use in shown:
            assert use.contribution is not None
            number = numbers.scalar(use.contribution[()])
            where = f"from {use.head.name} {use.mark}".rstrip()
            said.append((number, f"{where}: {numbers.full(use.contribution)}"))
        if rest := card.addends[len(shown) :]:
            total = sum(float(use.contribution[()]) for use in rest if use.contribution is not None)
            said.append((f"{len(rest)} more", f"{len(rest)} more, together {total}"))
        return said

    # ------------------------------------------------------------ tensors

    def tensor(self, card: Card, left: Sequence[Socket] = (), right: Sequence[Socket] = ()) -> Label:
        """The card of an operation that makes a tensor, with its operands on top and at the sides.

        The value stands below the operand that `spine_of` gives, and the gradient below the one sent to that operand,
        so that a chain of operations is a straight line down and one up.
        """
        hair = {"border": 1, "color": "hair"}
        top = [socket for socket in card.sockets if socket not in left and socket not in right]
        before, spine, after = self.split(top, card)
        verdict = self.verdict(card, rowspan=2)
        wide = 2 + bool(before) + bool(verdict)
        rule: dict[str, Any] = {"sides": "B", **hair}
        ends = [cell(self._ends(card, before), cellpadding=0, **rule)] if before else []
        ends.append(self._operand(card, spine, **rule))
        rest = {"colspan": 1 + bool(verdict), **rule}
        if after:
            ends.append(cell(self._ends(card, [spine, *after], named=False), cellpadding=0, **rest))
        else:
            ends.append(self._sends(card, spine, cellpadding=3, **rest))
        inside = [row(*ends), self._headline(card, wide), self.value_and_gradient(card, verdict, bool(before))]
        middle = cell(table(*inside, cellpadding=3))
        sides = [
            cell(self._side(card, sockets), cellpadding=0, sides=edge, **hair) if sockets else ()
            for sockets, edge in ((left, "R"), (right, "L"))
        ]
        return self.whole(card, table(row(sides[0], middle, sides[1]), **self.frame(card, 2)))

    def _sends(self, card: Card, socket: Socket, narrow: bool = False, **attributes: Any) -> Label:
        """The cell with the gradient that is sent to an operand; ``narrow``: a product on two lines."""
        said, whole = self.sent(socket)
        colour = "bad" if socket.wrong else "grad" if socket.passes else "muted"
        told = {"port": f"b{socket.index}", "id": f"{card.key}_vjp{socket.index}", "title": whole}
        parts = re.split(r"(?=·)", said, maxsplit=1) if narrow else [said]
        lines = [grad_text(part, colour) for part in parts]
        return cell(aligned(*lines) if lines[1:] else lines[0], **told, **attributes)

    def _side(self, card: Card, sockets: Sequence[Socket]) -> Label:
        rows = []
        for socket in sockets:
            name = text(self.operand(socket), style.CAPTION, "ink", bold=True)
            rows.append(row(cell(name, port=f"f{socket.index}", cellpadding=5)))
            rows.append(row(self._sends(card, socket, narrow=True, cellpadding=5)))
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
        told = {"id": f"{card.key}_loc", "title": f"{prime(socket)} = {socket.slope.text} = {numbers.full(values)}"}
        return row(cell(*parts, align="LEFT"), cell(slope, colspan=wide - 1 if wide > 2 else None, **told))

    def value_and_gradient(
        self, card: Card, verdict: Label = (), beside: bool = False, picture: Label = (), size: int = style.VALUE
    ) -> Label:
        """The rows with the value and, column below column, its gradient; if that is a sum, with a cell for each use.

        ``beside``: the value leaves in the second column. ``picture``: the value drawn, empty for its numbers in this
        ``size``.
        """
        size = min(size, style.CAPTION) if self.compact else size
        widths = self.columns([card.value, card.gradient], size)
        shown = picture or self.shown(card, card.value, size, widths)
        factor = self.factor(card.value) if widths else ""
        whole: dict[str, Any] = {"align": "LEFT", "colspan": 1 + len(FILLERS)}
        lines = [row(cell(caption(factor.strip()), **whole))] if factor else []
        lines.append(row(cell(shown, **self.hook(card, "val")), *FILLERS))
        if self.scene.computed:
            label, *number = self._gradient(card, size, widths)
            told = self.hook(card, "glab")
            numbers_below = [cell(x, **self.hook(card, "grad")) for x in number]
            lines.append(row(cell("", height=3, cellpadding=0)))
            if card.shape or not number:
                lines += [row(cell(label, **whole, **told)), *(row(x, *FILLERS) for x in numbers_below)]
            else:  # label and number on one line
                lines.append(row(cell(table(row(cell(label, **told), *numbers_below)), **whole)))
        grid = table(*lines, cellpadding=1)
        foot = {"height": 2, "cellpadding": 0}
        parts = cell(self._parts(card), cellpadding=1) if len(card.addends) > 1 else cell("", port="g", **foot)
        last = [cell("", **foot)] * beside + [cell("", port="v", **foot), parts]
        return row(cell(grid, colspan=2 + beside, cellpadding=0), verdict) + row(*last)

    def _gradient(self, card: Card, size: int, widths: Sequence[int]) -> list[Label]:
        """The label of the gradient, and below it its numbers."""
        if card.gradient is None:
            return [grad_text(f"{self.by(card)} no grad" if card.node is not None else "no grad", "muted")]
        many = f" = sum of {len(card.addends)}" if len(card.addends) > 1 else ""
        label = f"{self.by(card)}{many}{self.factor(card.gradient)} ="
        shown = self.shown(card, card.gradient, size, widths, gradient=True)
        doubt = grad_text(" ?", "muted") if card.doubted else ()
        return [grad_text(label) + doubt, shown]

    def _parts(self, card: Card) -> Label:
        """A cell for each use of a tensor, at which the edge of its gradient ends."""
        shown = addends(card)
        cells = []
        for use in shown:
            size = f", rms {numbers.rms(use.contribution)}" if use.contribution is not None else ""
            said = f"from {short(use.head.name)}{f' {use.mark}' if use.mark else ''}"
            cells.append((f"{said} ?" if use.doubted else said, f"{said}{size}"))
        if rest := card.addends[len(shown) :]:
            cells.append((f"+ {len(rest)} more", f"from {', '.join(use.head.name for use in rest)}"))
        colour = self.grad_ink(card) if self.scene.computed else "muted"
        rule = {"border": 1, "sides": "B", "color": colour}
        written = []
        for i, (said, whole) in enumerate(cells):
            words, key = grad_text(said, colour), f"{card.key}_g{i}"
            written.append(cell(words, port=f"g{i}", id=key, title=whole, **rule))
        return table(row(*written), cellpadding=2, cellspacing=3)

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
        lines = [cell(*head, align="LEFT", title=self.hook(card, "val")["title"], colspan=2)]
        part = use.contribution
        if use.passes and part is not None:
            size = numbers.scalar(part[()]) if not part.shape else f"rms {numbers.rms(part)}"
            adds = grad_text(f"adds {size}{' ?' if use.doubted else ''}")
            title = f"{use.head.name} adds {numbers.full(part)} to {self.by(card)}"
            lines.append(cell(adds, align="LEFT", id=f"{use.head.key}_adds{use.index}", title=title, colspan=2))
        foot = row(*(cell("", port=port, height=1, cellpadding=0) for port in "vg"))
        return table(*map(row, lines), foot, **self.frame(card, 3) | {"border": 1, "style": "DASHED"})
