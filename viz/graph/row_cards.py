"""Parts shared by tables with one card per row: captions, frames, gradient edges."""

from __future__ import annotations

import math
from collections.abc import Container, Sequence
from itertools import pairwise
from typing import Any

from viz.drawing import style
from viz.drawing.render import Picture, cell, row, table, text
from viz.drawing.style import Theme
from viz.recorded.rows import Row


class RowCards:
    """Texts and frames of rows in one theme."""

    theme: Theme

    def caption(self, words: object, colour: str | None = None) -> str:
        """Small text."""
        return text(words, style.CAPTION, colour or self.theme.muted)

    def gradient(self, words: object, colour: str | None = None) -> str:
        """Small text about a gradient."""
        return text(words, style.CAPTION, colour or self.theme.grad, italic=True)

    def double_border(self, label: str) -> str:
        """The card of a row with numbers that are not finite."""
        return table(row(cell(label)), border=4, color=self.theme.bad, bgcolor=self.theme.paper, cellpadding=2)


def left_aligned(*lines: str) -> str:
    """Lines of a cell, one below the other."""
    return "".join(f'{line}<BR ALIGN="LEFT"/>' for line in lines)


def hold_in_column(picture: Picture, keys: Sequence[str], joined: Container[tuple[str, str]]) -> None:
    """Keep the rows in order, also where no edge joins one to the next."""
    for tail, head in pairwise(keys):
        if (tail, head) not in joined:
            picture.edge(f"{tail}:v:s", f"{head}:v:n", style="invis", weight=20)


def frame_of(row: Row, theme: Theme, *, loss: bool) -> tuple[str, dict[str, Any]]:
    """The kind of a row, and the border and background of its card."""
    if not row.nodes:
        return "input", {"border": style.BORDER, "color": theme.data, "bgcolor": theme.data_bg}
    if row.parameters:
        return "parameter", {"border": style.PARAMETER_BORDER, "color": theme.knob, "bgcolor": theme.knob_bg}
    kind, colour, ground = ("loss", theme.loss_bg, theme.loss_bg) if loss else ("operation", theme.fwd, theme.fwd_bg)
    return kind, {"border": style.BORDER, "color": colour, "bgcolor": ground, "style": "ROUNDED"}


def gradient_edge(size: float, theme: Theme) -> dict[str, Any]:
    """How a gradient edge looks: its width and its contrast are a log scale of the rms, from 1e-6 to 1e-1."""
    t = min(max((math.log10(size) + 6) / 5, 0.0), 1.0) if size > 0 and math.isfinite(size) else 0.0
    # The larger, the further from the paper in either theme.
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
