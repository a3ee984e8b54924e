"""The part of a large graph that is drawn: the heaviest paths, or the values around one."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

import numpy as np

from glassgrad.viz.drawing import numbers
from glassgrad.viz.recorded.scene import Card, Scene

MOST = 40  # operations on the heaviest paths
NEAR = 12  # cards around a value
PATHS = 6
TRIED = 50  # leaves whose path is considered


@dataclass(frozen=True)
class Selection:
    """The cards to be drawn, and their description."""

    cards: frozenset[Card]
    title: str
    reading: str


def heaviest_paths(scene: Scene) -> Selection | None:
    """The paths of the largest gradients back to leaves, at each value through its largest addend.

    A path longer than 40 operations keeps its two ends. None if no gradient was computed.
    """
    leaves = [card for card in scene.cards if card.node is None and card.gradient is not None and card.addends]
    leaves.sort(key=lambda card: -_size(card.gradient))
    kept: dict[Card, None] = {}
    ends: list[Card] = []
    for leaf in leaves[:TRIED]:
        path = _path(leaf)
        if len(path) > MOST and not kept:
            path = path[: MOST // 2] + path[-(MOST // 2) :]
        if len(ends) < PATHS and len(dict.fromkeys([*kept, *path])) - len(ends) <= MOST:
            kept |= dict.fromkeys([leaf, *path])
            ends.append(leaf)
    if not ends:
        return None
    names = ", ".join(card.name for card in ends[:4]) + (f" and {len(ends) - 4} more" if len(ends) > 4 else "")
    many = f"the {len(ends)} heaviest paths" if len(ends) > 1 else "the heaviest path"
    return Selection(frozenset(kept), many, f"path = from {scene.end} back to {names}, by the largest addend each time")


def _size(gradient: np.ndarray | None) -> float:
    """The rms of a gradient; infinity if it is not finite, so that its path is drawn."""
    size = numbers.root_mean_square(gradient)
    return size if math.isfinite(size) else math.inf


def _path(leaf: Card) -> list[Card]:
    """The operations from a leaf to the output, at each value along the use with the largest gradient."""
    path: list[Card] = []
    card = leaf
    while uses := [use for use in card.addends if use.contribution is not None]:
        card = max(uses, key=lambda use: _size(use.contribution)).head
        path.append(card)
    return path


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
