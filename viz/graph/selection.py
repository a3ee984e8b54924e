"""The part of a large graph that is drawn: the values around one."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from glassgrad.viz.recorded.scene import Card, Scene

NEAR = 12  # cards around a value


@dataclass(frozen=True)
class Selection:
    """The cards to be drawn, and their description."""

    cards: frozenset[Card]
    title: str
    reading: str


def surroundings(scene: Scene, around: object) -> Selection:
    """The values nearest to one: those that it is computed from, and those computed from it.

    ``around``: a Tensor, or its name in the picture. Raises `DrawingError` where the graph has no such value.
    """
    start = scene.found(around, "around")
    seen: dict[Card, None] = {start: None}
    queue = deque([(start, True), (start, False)])
    while queue and len(seen) < NEAR:
        card, is_up = queue.popleft()
        for other in [s.tail for s in card.sockets] if is_up else [use.head for use in card.uses]:
            if other not in seen and len(seen) < NEAR:
                seen[other] = None
                queue.append((other, is_up))
    reading = f"the nearest values that {start.name} is computed from, and that are computed from it"
    return Selection(frozenset(seen), f"around {start.name}", reading)
