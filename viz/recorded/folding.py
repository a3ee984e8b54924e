"""Repeated blocks in a table of rows, and a summary of them.

Nothing is drawn here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from glassgrad import autograd as ag
from glassgrad.autograd.common.validation import whole
from glassgrad.viz.drawing import numbers
from glassgrad.viz.recorded.evaluate import Evaluation
from glassgrad.viz.recorded.names import fresh
from glassgrad.viz.recorded.rows import Caution, Link, Row, rows_of

BLOCKS = 3  # so many equal blocks in a row, or more, are folded
FEWEST = 2  # the same if there is no room
LONGEST = 64  # rows of the longest block


@dataclass(frozen=True)
class Repeat:
    """Equal blocks in a row; each is the tuple of its rows, in the order of execution."""

    key: str  # its name in DOT
    title: str
    blocks: tuple[tuple[Row, ...], ...]

    @property
    def rows(self) -> list[Row]:
        """All rows that are folded."""
        return [row for block in self.blocks for row in block]

    @property
    def path(self) -> str:
        """The paths of the first and the last block as text; of their rows, if a block is not a whole module."""
        ends = [row.path or row.title for row in (self.rows[0], self.rows[-1])]
        if _module(self.blocks) is not None:
            ends = [_shared(block)[-1][0] for block in (self.blocks[0], self.blocks[-1])]
        return " to ".join(dict.fromkeys(ends))

    @property
    def inputs(self) -> list[Row]:
        """The inputs of the first block that only it reads."""
        return [row for row in self.blocks[0] if not row.nodes]

    @property
    def shares(self) -> bool:
        """Whether the blocks share one weight, as the steps of a recurrent network do."""
        return _share(self.blocks)

    def sizes(self, seen: Evaluation) -> list[float] | None:
        """The rms of each block's gradient: of its largest weight, or of its output if it has none.

        For a weight shared by all blocks it is the rms of the block's contribution. None if no gradient was computed.
        """
        shares = self.shares
        found = [_size(block, seen, shares) for block in self.blocks]
        return None if any(size is None for size in found) else [size for size in found if size is not None]

    @property
    def warnings(self) -> list[Caution]:
        """The warnings of the folded rows, one of each kind: the number of blocks that have it, and the worst numbers.

        EXPLODING excludes VANISHING: if gradients grow from block to block, the smallest ones are not a fault.
        """
        found: dict[str, list[tuple[int, Caution]]] = {}
        for i, block in enumerate(self.blocks, 1):
            for caution in chain.from_iterable(row.warnings for row in block):
                found.setdefault(caution.word, []).append((i, caution))
        if "EXPLODING" in found:
            found.pop("VANISHING", None)
        cautions = []
        for word, hit in found.items():
            first, worst = (min if word == "VANISHING" else max)(hit, key=lambda pair: pair[1].number)
            where = f"in {len(dict(hit))} of {len(self.blocks)} blocks"
            cautions.append(Caution(word, (where, f"block {first}:", *worst.lines), worst.number))
        return cautions


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
    """The rows, with ``fewest`` or more equal blocks in a row as one `Repeat`.

    Blocks are equal if they have the same modules, operations, shapes and connections; their numbers may differ. An
    output of the graph is never folded, an input only if a single block reads it, as x[t].
    """
    looks = _looks(rows, links, outputs)
    keys = {row.key for row in rows}
    drawn: list[Row | Repeat] = []
    at = 0
    while at < len(rows):
        periods = range(1, min(LONGEST, (len(rows) - at) // fewest) + 1)
        runs = (_run(rows, looks, at, period) for period in periods if _alike(looks[at], looks[at + period]))
        blocks = max(
            (run for run in runs if len(run) >= fewest and _belong(run)),
            key=lambda run: (len(run) * len(run[0]), -len(run[0])),
            default=(),
        )
        if blocks:
            n = sum(isinstance(unit, Repeat) for unit in drawn) + 1
            drawn.append(Repeat(fresh(f"repeat_{n}", keys), _title(blocks), blocks))
        else:
            drawn.append(rows[at])
        at += sum(map(len, blocks)) or 1
    return drawn


@dataclass(frozen=True)
class _Look:
    """The features by which rows are compared: their own, and the distances to the rows that they read.

    Inputs do not count as steps: they stand where they are first used. A source that is not shown is "".
    """

    own: tuple[Any, ...]
    steps: tuple[int, ...]
    sources: tuple[str, ...]


def _looks(rows: Sequence[Row], links: Sequence[Link], outputs: Sequence[Any]) -> list[_Look | None]:
    at: dict[str, int] = {}
    steps = 0
    for row in rows:
        at[row.key] = steps if row.nodes else steps - 1
        steps += bool(row.nodes)
    ends = set(map(id, outputs))
    readers = Counter(link.tail for link in links)
    looks: list[_Look | None] = []
    for row in rows:
        if id(row.place) in ends or (not row.nodes and readers[row.key] != 1):
            looks.append(None)
            continue
        if not row.nodes:
            looks.append(_Look(("input", tuple(np.shape(row.place))), (), ()))
            continue
        own = (
            tuple(label for _, label in row.scope),
            tuple((node.op.name, node.shape, _settings(node)) for node in row.nodes),
            tuple(tuple(p.tensor.shape) for p in row.parameters),
        )
        back = tuple(at[row.key] - at[source] if source else 0 for source in row.reads)
        looks.append(_Look(own, back, tuple(source or "" for source in row.reads)))
    return looks


def _settings(node: Any) -> tuple[Any, ...]:
    """The parameters of an operation, without the index t of x[t], which changes from step to step."""
    plain = ((name, value) for name, value in node.params.items() if isinstance(value, bool | int | float | str))
    return tuple((name, value) for name, value in plain if (node.op.name, name) != ("getitem", "index"))


def _alike(one: _Look | None, other: _Look | None) -> bool:
    if one is None or other is None or one.own != other.own or len(one.steps) != len(other.steps):
        return False
    # A value that all blocks read, such as a mask, is one row; a source that is not shown may be an initial state.
    return all(
        step == other.steps[i] or one.sources[i] == other.sources[i] or "" in (one.sources[i], other.sources[i])
        for i, step in enumerate(one.steps)
    )


def _run(rows: Sequence[Row], looks: Sequence[_Look | None], at: int, period: int) -> tuple[tuple[Row, ...], ...]:
    """Blocks of this length that are like the first one; each reads from the one before: equal branches side by side do
    not count.
    """
    blocks = [tuple(rows[at : at + period])]
    for here in range(at + period, len(rows) - period + 1, period):
        before = {row.key for row in blocks[-1]}
        own = looks[here : here + period]
        same = all(map(_alike, looks[here - period : here], own))
        if not same or not any(before.intersection(look.sources) for look in own if look):
            break
        blocks.append(tuple(rows[here : here + period]))
    return tuple(blocks)


def _belong(blocks: Sequence[Sequence[Row]]) -> bool:
    """Whether each block is a whole module, or all are parts of one that begin with a parameter, if there is any."""
    if not _running(blocks[0]):
        return False
    parts = [row for block in blocks for row in _running(block)]
    homes = {row.scope[:-1] if row.path is not None else row.scope for row in parts}
    begins = bool(blocks[0][0].parameters) or not any(row.parameters for row in blocks[0])
    return (len(homes) == 1 and begins) or _module(blocks) is not None


def _module(blocks: Sequence[Sequence[Row]]) -> str | None:
    """The common label of the blocks' modules; None if the blocks are parts of one module."""
    shared = [_shared(block) for block in blocks]
    if len(set(shared)) == 1 and len(shared[0]) > 1 and _share(blocks):
        return shared[0][-1][1]  # one module called again and again
    if len(set(shared)) < len(shared) or not all(shared) or len({len(scope) for scope in shared}) > 1:
        return None
    return shared[0][-1][1]


def _share(blocks: Sequence[Sequence[Row]]) -> bool:
    """Whether the blocks share a weight."""
    weights = [id(row.weight.tensor) for block in blocks for row in block if row.weight]
    return len(set(weights)) < len(weights)


def _running(block: Sequence[Row]) -> list[Row]:
    """The rows of a block, without input rows."""
    return [row for row in block if row.nodes]


def shared_scope(rows: Iterable[Row]) -> tuple[tuple[str, str], ...]:
    """The modules that all these rows are in."""
    levels = zip(*(row.scope for row in rows), strict=False)
    return tuple(level[0] for level in levels if len(set(level)) == 1)


def _shared(block: Sequence[Row]) -> tuple[tuple[str, str], ...]:
    """The modules that all rows of a block are in; operations between modules do not count."""
    rows = _running(block)
    return shared_scope([row for row in rows if row.path is not None] or rows)


def _title(blocks: Sequence[Sequence[Row]]) -> str:
    labels = [row.label for row in _running(blocks[0])]
    if label := _module(blocks):
        return label
    return ", ".join(labels) if len(labels) <= 2 else f"{labels[0]}, ..."


def depths(graph: ag.Graph, depth: int | None) -> list[int | None]:
    """The depths to which modules may be opened, deepest first; only ``depth``, unless it is None."""
    deepest = max((len(node.scope or ()) for node in graph.nodes), default=0)
    return [depth] if depth is not None or not deepest else [None, *range(deepest - 1, 0, -1)]


def readable(
    graph: ag.Graph, limit: int, depth: int | None = None, fold: bool = True, **called: Any
) -> tuple[list[Row], list[Link], list[Row | Repeat]]:
    """The rows of a graph, the links between them, and the rows with equal blocks folded.

    ``depth``: how deep modules are opened; None opens as many levels as leave no more than ``limit`` rows. ``called``:
    the names and roles that `rows_of` takes.
    """
    found: list[tuple[list[Row], list[Link], list[Row | Repeat]]] = []
    for level in depths(graph, depth):
        rows, links = rows_of(graph, depth=level, **called)
        for fewest in (BLOCKS, FEWEST) if fold else (0,):
            units = folded(rows, links, graph.outputs, fewest) if fold else list[Row | Repeat](rows)
            if len(units) <= limit:
                return rows, links, units
            found.append((rows, links, units))
    return min(found, key=lambda parts: len(parts[2]))


def check_depth(depth: int | None) -> None:
    """Raise an error for an invalid ``depth``."""
    if depth is not None:
        whole(depth, "depth", 0)
