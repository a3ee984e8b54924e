"""Parts shared by tables with one card per row: captions, frames, gradient edges."""

from __future__ import annotations

import math
from collections.abc import Container, Sequence
from itertools import pairwise
from typing import Any

from glassgrad.viz.drawing import style
from glassgrad.viz.drawing.labels import Label, caption, text
from glassgrad.viz.drawing.render import Picture
from glassgrad.viz.recorded.rows import Caution

LANE = 1.6  # points: the width of a gradient's line beside the rows


def warning(caution: Caution, size: int) -> list[Label]:
    """The lines of a warning, its word in this size."""
    ink = "bad" if caution.word == "NOT FINITE" else "warn"
    return [text(f"▲ {caution.word}", size, ink, bold=True), *(caption(words, ink) for words in caution.lines)]


def row_edge(picture: Picture, rows: Sequence[str], port: str, side: str, label: Label, **attributes: Any) -> None:
    """Draw an edge from the first of these rows to the last: straight down, or on the right of the rows between.

    On the right it runs through a point beside each row, because Graphviz would lead it through the table.
    """
    if len(rows) == 2:
        picture.edge(f"{rows[0]}:{port}:s", f"{rows[1]}:{port}:n", label=label, weight=20, **attributes)
        return
    between, colour, back = rows[1:-1], "fwd", attributes["cls"] == "bwd"
    points = [f"{attributes['id']}_{i}" for i in range(len(between))]
    look: dict[str, Any] = {"shape": "point", "width": 0.02, "height": 0.02, "id": None}
    look |= {"style": "invis"} if back else {"color": colour, "fillcolor": colour}
    lane = attributes["id"]  # nodes of one group stand in a straight line
    attributes |= {"penwidth": LANE, "arrowsize": style.ARROW} if back else {}
    for key, beside in zip(points, between, strict=True):
        middle = label and key == points[(len(points) - 1) // 2]
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
    words = text(f" × {times}", style.GRAD_LABEL, "fwd", bold=True)
    picture.edge(f"{key}:{side}", f"{key}:{side}", label=words, cls="fwd loop", id=f"l_{key}")


def shortcut_edge(picture: Picture, key: str) -> None:
    """Draw the line of a residual block from its input to its end, on the left of its first cell, the port ``v``."""
    picture.edge(f"{key}:v:nw", f"{key}:v:sw", cls="fwd", id=f"s_{key}")


def hold_in_column(picture: Picture, keys: Sequence[str], joined: Container[tuple[str, str]]) -> None:
    """Keep the rows in order, also where no edge joins one to the next."""
    for tail, head in pairwise(keys):
        if (tail, head) not in joined:
            picture.edge(f"{tail}:v:s", f"{head}:v:n", style="invis", weight=20)


def gradient_edge(size: float) -> dict[str, Any]:
    """How a gradient edge looks: its width and its contrast are a log scale of the rms, from 1e-6 to 1e-1."""
    t = min(max((math.log10(size) + 6) / 5, 0.0), 1.0) if size > 0 and math.isfinite(size) else 0.0
    return {
        "cls": "bwd",
        "penwidth": round(1 + 6 * t, 2),
        "color": f"edge@{t}" if math.isfinite(size) else "bad",
        "arrowsize": round(0.62 - 0.27 * t, 2),
    }
