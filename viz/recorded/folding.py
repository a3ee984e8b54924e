"""Repeated blocks in a table of rows, and a summary of them.

Nothing is drawn here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, takewhile
from typing import Any

import numpy as np

from glassgrad import autograd as ag
from glassgrad.autograd.common.validation import whole
from glassgrad.autograd.engine.graph import Node
from glassgrad.viz.drawing import numbers
from glassgrad.viz.recorded.calls import Scope
from glassgrad.viz.recorded.evaluate import Evaluation
from glassgrad.viz.recorded.names import Names
from glassgrad.viz.recorded.rows import Caution, Link, Row, rows_of

BLOCKS = 3  # so many equal blocks in a row, or more, are folded
FEWEST = 2  # the same if there is no room
LONGEST = 64  # rows of the longest block


@dataclass(frozen=True)
class Repeat:
    """Equal blocks in a row; each is the tuple of its rows, in the order of execution."""

    home: Scope  # the modules around
    blocks: tuple[tuple[Row, ...], ...]

    @property
    def key(self) -> str:
        """Its name in DOT, that of its first row."""
        return self.rows[0].key

    @cached_property
    def modules(self) -> list[tuple[str, str]]:
        """Path and class of the first and the last block; empty if blocks are no modules, apart from operations between
        these, and no calls of one module.
        """
        ends = ([row.scope for row in block if row.path is not None] for block in (self.blocks[0], self.blocks[-1]))
        return [scope[-1] for scope in map(_common, ends) if len(scope) > (1 if self.shares else len(self.home))]

    @property
    def title(self) -> str:
        """The class of a module that is repeated, else the layers of a block."""
        labels = [label for _, label in self.modules[:1]] or [row.label for row in self.blocks[0] if row.nodes]
        return ", ".join(labels) if len(labels) <= 2 else f"{labels[0]}, ..."

    @property
    def path(self) -> str:
        """The paths of the first and the last block, or of their rows."""
        ends = [path for path, _ in self.modules] or [row.path or row.title for row in (self.rows[0], self.rows[-1])]
        return " to ".join(dict.fromkeys(ends))

    @property
    def rows(self) -> list[Row]:
        """All rows that are folded."""
        return [row for block in self.blocks for row in block]

    @property
    def nodes(self) -> list[Node]:
        """All operations that are folded."""
        return [node for row in self.rows for node in row.nodes]

    @property
    def shares(self) -> bool:
        """Whether the blocks share one weight, as the steps of a recurrent network do."""
        weights = [id(row.weight.tensor) for row in self.rows if row.weight]
        return len(set(weights)) < len(weights)

    def sizes(self, seen: Evaluation) -> list[float] | None:
        """The rms of each block's gradient: of its largest weight, or of its output if it has none.

        For a weight shared by all blocks it is the rms of the block's contribution. None if no gradient was computed.
        """
        shares = self.shares
        found = [_size(block, seen, shares) for block in self.blocks]
        return None if any(size is None for size in found) else [size for size in found if size is not None]

    @property
    def warnings(self) -> list[Caution]:
        """The warnings of the folded rows, one of each kind, with the number of blocks that have it.

        EXPLODING excludes VANISHING: if gradients grow from block to block, the smallest ones are not a fault.
        """
        found = Counter[str]()
        for block in self.blocks:
            found.update({caution.word: 1 for caution in chain.from_iterable(row.warnings for row in block)})
        if "EXPLODING" in found:
            del found["VANISHING"]
        return [Caution(word, (f"in {n} of {len(self.blocks)} blocks",)) for word, n in found.items()]


def _size(block: Sequence[Row], seen: Evaluation, added: bool) -> float | None:
    weights = [row.weight.tensor for row in block if row.weight]
    place = max(weights, key=lambda tensor: tensor.size) if weights else block[-1].place
    if weights and added:
        sent = seen.sent([node for row in block for node in row.nodes], place)
        return None if sent is None else numbers.root_mean_square(sent)
    return seen.size(place)


# ---------------------------------------------------------------- finding repeated blocks


def folded(
    rows: Sequence[Row], links: Sequence[Link], outputs: Sequence[Any], fewest: int = BLOCKS
) -> list[Row | Repeat]:
    """The rows, with ``fewest`` or more equal blocks in a row as one `Repeat`; inputs that several rows read are first.

    A block has one or several parts of a module, each a row or all rows of a module. Blocks are equal if they have the
    same modules, operations, shapes and connections; their numbers may differ. An output of the graph is never folded,
    an input only if a single block reads it, as x[t].
    """
    readers = Counter(link.tail for link in links)
    rows = sorted(rows, key=lambda row: bool(row.nodes) or readers[row.key] == 1)
    looks = _looks(rows, readers, outputs)
    scopes = [row.scope for row in rows]
    for i, row in enumerate(rows):
        if not row.nodes:  # an input within a module is a part of it
            after = next(row.scope for row in rows[i:] if row.nodes)
            scopes[i] = _common([scopes[i - 1], after]) if i else ()
    drawn: list[Row | Repeat] = []

    def opened(at: int, end: int, depth: int) -> None:
        """Draw or fold these rows, which are parts of one module at this depth."""
        part = {i: scopes[i][: depth + 1] if len(scopes[i]) > depth else i for i in range(at, end)}
        while at < end:
            stops = [i for i in range(at + 1, end + 1) if i == end or part[i] != part[i - 1]]
            runs = (_run(rows, looks, at, stop - at, stops) for stop in stops if stop - at <= LONGEST)
            found = [Repeat(scopes[at][:depth], run) for run in runs if len(run) >= fewest]
            begins = any(row.parameters for row in rows[at : stops[0]])
            found = [x for x in found if x.modules or begins or not any(row.parameters for row in x.blocks[0])]
            if found:
                drawn.append(max(found, key=lambda x: (len(x.rows), -len(x.blocks[0]))))
                at += len(drawn[-1].rows)
            elif stops[0] > at + 1:
                opened(at, stops[0], depth + 1)
                at = stops[0]
            else:
                drawn.append(rows[at])
                at += 1

    opened(0, len(rows), 0)
    return drawn


def _common(scopes: Iterable[Scope]) -> Scope:
    """The modules that all these scopes begin with."""
    levels = zip(*scopes, strict=False)
    return tuple(level[0] for level in takewhile(lambda level: len(set(level)) == 1, levels))


Look = tuple[tuple[Any, ...], tuple[int, ...], tuple[str, ...]]
"""The features by which rows are compared: their own, the distances to the rows that they read, and these rows.

Inputs do not count as steps: they stand where they are first used. A source that is not shown is "".
"""


def _looks(rows: Sequence[Row], readers: Mapping[str, int], outputs: Sequence[Any]) -> list[Look | None]:
    at: dict[str, int] = {}
    steps = 0
    for row in rows:
        at[row.key] = steps if row.nodes else steps - 1
        steps += bool(row.nodes)
    ends = set(map(id, outputs))
    looks: list[Look | None] = []
    for row in rows:
        if id(row.place) in ends or (not row.nodes and readers[row.key] != 1):
            looks.append(None)
            continue
        if not row.nodes:
            looks.append((("input", tuple(np.shape(row.place))), (), ()))
            continue
        own = (
            tuple(label for _, label in row.scope),
            tuple((node.op.name, node.shape, _settings(node)) for node in row.nodes),
            tuple(tuple(p.tensor.shape) for p in row.parameters),
        )
        back = tuple(at[row.key] - at[source] if source else 0 for source in row.reads)
        looks.append((own, back, tuple(source or "" for source in row.reads)))
    return looks


def _settings(node: Any) -> tuple[Any, ...]:
    """The parameters of an operation, without the index t of x[t], which changes from step to step."""
    plain = ((name, value) for name, value in node.params.items() if isinstance(value, bool | int | float | str))
    return tuple((name, value) for name, value in plain if (node.op.name, name) != ("getitem", "index"))


def _alike(one: Look | None, other: Look | None) -> bool:
    if one is None or other is None or one[0] != other[0] or len(one[1]) != len(other[1]):
        return False
    # A value that all blocks read, such as a mask, is one row; a source that is not shown may be an initial state.
    pairs = zip(*one[1:], *other[1:], strict=True)
    return all(step == back or source == from_ or "" in (source, from_) for step, source, back, from_ in pairs)


def _run(
    rows: Sequence[Row], looks: Sequence[Look | None], at: int, period: int, stops: Sequence[int]
) -> tuple[tuple[Row, ...], ...]:
    """Blocks of this length that are like the first one, each up to one of the ``stops``.

    Each reads from the one before: equal branches side by side do not count.
    """
    blocks = [tuple(rows[at : at + period])]
    for here in range(at + period, stops[-1], period):
        before = {row.key for row in blocks[-1]}
        own = looks[here : here + period]
        same = here + period in stops and all(map(_alike, looks[here - period : here], own))
        if not same or not any(before.intersection(look[2]) for look in own if look):
            break
        blocks.append(tuple(rows[here : here + period]))
    return tuple(blocks)


def depths(graph: ag.Graph, depth: int | None) -> list[int | None]:
    """The depths to which modules may be opened, deepest first; only ``depth``, unless it is None."""
    deepest = max((len(node.scope or ()) for node in graph.nodes), default=0)
    return [depth] if depth is not None or not deepest else [None, *range(deepest - 1, 0, -1)]


def readable(
    called: Names, limit: int, depth: int | None = None, fold: bool = True, closed: bool = False
) -> tuple[list[Row], list[Link], list[Row | Repeat]]:
    """The rows of a graph, the links between them, and the rows with equal blocks folded; see `rows_of`.

    ``depth``: how deep modules are opened; None opens as many levels as leave no more than ``limit`` rows.
    """
    found = []
    for level in depths(called.graph, depth):
        rows, links = rows_of(called, level, closed)
        for fewest in (BLOCKS, FEWEST) if fold else (0,):
            units = folded(rows, links, called.graph.outputs, fewest) if fold else list[Row | Repeat](rows)
            if len(units) <= limit:
                return rows, links, units
            found.append((rows, links, units))
    return min(found, key=lambda parts: len(parts[2]))


def check_depth(depth: int | None) -> None:
    """Raise an error for an invalid ``depth``."""
    if depth is not None:
        whole(depth, "depth", 0)
