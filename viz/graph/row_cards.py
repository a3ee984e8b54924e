"""Parts shared by tables with one card per row: captions, frames, gradient edges."""

from __future__ import annotations

import math
from collections.abc import Container, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from glassgrad.viz.drawing import style
from glassgrad.viz.drawing.render import Picture, cell, frame, row, table, text
from glassgrad.viz.drawing.style import Theme
from glassgrad.viz.recorded.rows import Caution, Row


@dataclass(frozen=True)
class Look:
    """The colours of the text on a card: names and values, captions, gradients, rules, the badge.

    Of a row's card also its ``kind`` and the ``frame`` around it.
    """

    ink: str
    muted: str
    grad: str
    hair: str
    badge: str
    failed: bool
    kind: str = ""
    frame: dict[str, Any] = field(default_factory=dict)


def look_of(theme: Theme, *, failed: bool, is_dark: bool, **more: Any) -> Look:
    """The colours on a card; ``is_dark``: on that of the loss, unless it ``failed``."""
    if is_dark and not failed:
        return Look(theme.loss_ink, theme.loss_mut, theme.loss_grad, theme.loss_hair, theme.loss_ink, failed, **more)
    return Look(theme.ink, theme.muted, theme.grad, theme.hair, theme.paper if failed else theme.fwd, failed, **more)


class RowCards:
    """Texts and cards of rows in one theme."""

    theme: Theme

    def caption(self, words: object, colour: str | None = None) -> str:
        """Small text."""
        return text(words, style.CAPTION, colour or self.theme.muted)

    def gradient(self, words: object, colour: str | None = None) -> str:
        """Small text about a gradient."""
        return text(words, style.CAPTION, colour or self.theme.grad, italic=True)

    def warning(self, caution: Caution, size: int) -> list[str]:
        """The lines of a warning, its word in this size."""
        ink = self.theme.bad if caution.word == "NOT FINITE" else self.theme.warn
        return [text(f"▲ {caution.word}", size, ink, bold=True), *(self.caption(w, ink) for w in caution.lines)]

    def look(self, row: Row, cautions: Sequence[Caution], *, loss: bool) -> Look:
        """The look of a row's card."""
        failed = any(caution.word == "NOT FINITE" for caution in cautions)
        kind = "input" if not row.nodes else "parameter" if row.parameters else "loss" if loss else "operation"
        rounded = {"style": "ROUNDED"} if kind in ("loss", "operation") and not failed else {}
        drawn = frame(self.theme, "failed" if failed else "data" if kind == "input" else kind, **rounded)
        return look_of(self.theme, failed=failed, is_dark=kind == "loss", kind=kind, frame=drawn)

    def draw_card(self, picture: Picture, key: str, cells: Sequence[str], look: Look, *, cls: str = "") -> None:
        """Draw the card of a row; a double border marks numbers that are not finite."""
        label = table(row(*cells), cellpadding=4, **look.frame)
        if look.failed:
            label = table(row(cell(label)), border=4, color=self.theme.bad, bgcolor=self.theme.paper, cellpadding=2)
        picture.node(key, label, group="rows", cls=" ".join(filter(None, ("module", look.kind, cls))))

    def draw_omission(self, picture: Picture, cells: Sequence[str]) -> None:
        """Draw the card that stands for rows that are not drawn."""
        frame = {"border": 1, "color": self.theme.hair, "bgcolor": self.theme.panel, "cellpadding": 4}
        picture.node("hidden", table(row(*cells), **frame), group="rows", cls="module folded")


def column(content: str, width: int, port: str | None = None, hair: str | None = None, **attributes: Any) -> str:
    """A cell of a row's card; ``hair``: the colour of a rule at its left."""
    rule = {"sides": "L", "border": 1, "color": hair} if hair else {}
    return cell(content, port=port, width=width, align="LEFT", balign="LEFT", **rule, **attributes)


def left_aligned(*lines: str) -> str:
    """Lines of a cell, one below the other."""
    return "".join(f'{line}<BR ALIGN="LEFT"/>' for line in lines)


def row_edge(picture: Picture, rows: Sequence[str], port: str, side: str, label: str, **attributes: Any) -> None:
    """Draw an edge from the first of these rows to the last: straight down, or on the right of the rows between.

    On the right it runs through a point beside each row, because Graphviz would lead it through the table.
    """
    if len(rows) == 2:
        picture.edge(f"{rows[0]}:{port}:s", f"{rows[1]}:{port}:n", label=label, weight=20, **attributes)
        return
    between, colour, back = rows[1:-1], picture.theme.fwd, attributes.get("dir") == "back"
    points = [f"{attributes['id']}_{i}" for i in range(len(between))]
    look: dict[str, Any] = {"shape": "point", "width": 0.02, "height": 0.02, "id": None}
    look |= {"style": "invis"} if back else {"color": colour, "fillcolor": colour}
    lane = attributes["id"]  # nodes of one group stand in a straight line
    for key, beside in zip(points, between, strict=True):
        middle = key == points[(len(points) - 1) // 2]
        picture.node(key, label if middle else " ", group=lane, **({"cls": "skip"} if middle else look))
        picture.same_rank([beside, key])
        picture.edge(f"{beside}:{side}:e", key, style="invis")
    # The last tail has no compass point, with which Graphviz may draw a loop at the end of a steep edge.
    tails = [f"{rows[0]}:{side}:e", *(f"{key}:s" for key in points[:-1]), points[-1]]
    heads = [*(f"{key}:n" for key in points), f"{rows[-1]}:{side}:e"]
    for i, (tail, head) in enumerate(zip(tails, heads, strict=True)):
        one = attributes if i == (0 if back else len(points)) else attributes | {"dir": "none"}
        picture.edge(tail, head, weight=5, **(one | {"id": f"{attributes['id']}_{i}"} if i else one))


def loop_edge(picture: Picture, key: str, side: str, times: int) -> None:
    """Draw the arrow of a loop, from a card to itself."""
    words = text(f" × {times}", style.GRAD_LABEL, picture.theme.fwd, bold=True)
    picture.edge(f"{key}:{side}", f"{key}:{side}", label=words, cls="fwd loop", id=f"l_{key}")


def hold_in_column(picture: Picture, keys: Sequence[str], joined: Container[tuple[str, str]]) -> None:
    """Keep the rows in order, also where no edge joins one to the next."""
    for tail, head in pairwise(keys):
        if (tail, head) not in joined:
            picture.edge(f"{tail}:v:s", f"{head}:v:n", style="invis", weight=20)


def gradient_edge(size: float, theme: Theme) -> dict[str, Any]:
    """How a gradient edge looks: its width and its contrast are a log scale of the rms, from 1e-6 to 1e-1."""
    t = min(max((math.log10(size) + 6) / 5, 0.0), 1.0) if size > 0 and math.isfinite(size) else 0.0
    # A larger gradient has more contrast to the paper, in either theme.
    ends = style.GRAD_EDGE if theme is not style.DARK else style.GRAD_EDGE[::-1]
    return {
        "dir": "back",
        "arrowtail": "vee",
        "style": "dashed",
        "cls": "bwd",
        "penwidth": round(1 + 6 * t, 2),
        "color": style.mix(*ends, t) if math.isfinite(size) else theme.bad,
        "arrowsize": round(0.62 - 0.27 * t, 2),
    }
