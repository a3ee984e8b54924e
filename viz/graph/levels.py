"""The levels of a wide graph: which operations stand side by side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

PASSING = 16  # points that the lines of an edge take between the cards of a level


def levels(
    above: Mapping[str, Sequence[str]], width: Mapping[str, float], most: float, tall: Collection[str] = ()
) -> dict[str, int]:
    """The level of each operation, counted from the last one upwards, so that no level is much wider than ``most``.

    ``above``: the operations, in topological order, each with its operands that are operations too, the one drawn
    straight above it first. ``width``: the width of each in points. ``tall``: those that take two levels. A column that
    has begun goes on, and another begins where there is room.

    >>> levels({"a": [], "b": [], "c": ["a", "b"]}, {"a": 60, "b": 60, "c": 60}, 100)
    {'c': 0, 'a': 1, 'b': 2}
    """
    depth: dict[str, int] = {}
    for key, tails in above.items():
        depth[key] = 1 + max((depth[tail] for tail in tails), default=0)
    waiting = Counter(tail for tails in above.values() for tail in tails)
    lowest = dict.fromkeys(above, 0)  # the level above all uses
    ready = [key for key in above if not waiting[key]]
    found: dict[str, int] = {}
    ahead: set[str] = set()  # the next operations of columns
    level = 0
    while ready:
        passing = sum(tail not in found and tail not in ahead for key in found for tail in above[key])
        room, placed = most - PASSING * passing, list[str]()
        here = [key for key in ready if lowest[key] <= level]
        for key in sorted(here, key=lambda key: (key not in ahead, -depth[key])):
            if key in ahead or not placed or width[key] <= room:
                room -= width[key]
                placed.append(key)
        for key in placed:
            ready.remove(key)
            found[key] = level
            for tail in above[key]:
                lowest[tail] = max(lowest[tail], level + 1 + (key in tall))
                waiting[tail] -= 1
                if not waiting[tail]:
                    ready.append(tail)
                    ahead.update({tail} & {above[key][0]})
        level += 1
    return found
