"""The difference of two graphs, or of one graph at two steps of training, side by side and row by row."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from itertools import cycle, zip_longest
from typing import Any

import numpy as np

from glassgrad import autograd as ag
from glassgrad.autograd.common.validation import refused
from glassgrad.autograd.compiler import Program
from glassgrad.viz.drawing import numbers, style
from glassgrad.viz.drawing.labels import Label, aligned, caption, table, text
from glassgrad.viz.drawing.labels import row as row_
from glassgrad.viz.drawing.render import Picture
from glassgrad.viz.drawing.style import Theme
from glassgrad.viz.drawing.texts import clipped
from glassgrad.viz.drawing.words import say
from glassgrad.viz.graph.modules import ROWS, ROWS_KEPT
from glassgrad.viz.graph.row_cards import (
    column,
    draw_card,
    draw_omission,
    hold_in_column,
    row_edge,
    warning,
)
from glassgrad.viz.program.passes import draw_passes
from glassgrad.viz.program.picture import programs
from glassgrad.viz.recorded.evaluate import Evaluation, evaluate
from glassgrad.viz.recorded.folding import check_depth
from glassgrad.viz.recorded.names import Names, fresh
from glassgrad.viz.recorded.rows import Link, Row, rows_of, warn
from glassgrad.viz.recorded.since import notice
from glassgrad.viz.recorded.validation import recorded

COLUMNS = (120, 172, 140, 172)  # points: name, before, change, after
ENTRIES = 12  # of an array whose entries are written
LINE = 28  # characters of a line
PARAMETERS = 3  # parameters of a row that are compared one by one
SEARCHED = 1_000_000  # pairs of rows to compare; in larger graphs rows are paired by position


def snapshot(y: ag.Tensor | Sequence[ag.Tensor], gradients: bool = True) -> Evaluation:
    """The numbers of the graph that computed ``y`` as they are now, kept for a later `diff`.

    The forward is recomputed from the leaves' current values, gradients by the engine's own backward. Everything is
    copied, so an optimizer may then change the leaves in place.

    Raises `DrawingError` when no operation was recorded for ``y``.

    >>> w = ag.Tensor(2.0, requires_grad=True, name="w")
    >>> before = snapshot(w * w)
    >>> with ag.no_grad():
    ...     w[...] = 3.0
    >>> float(before.values[w]), float(before.gradients[w])
    (2.0, 4.0)
    """
    seen = evaluate(recorded(y, "compare"), gradients)
    values, sent = ({place: np.array(array) for place, array in of.items()} for of in (seen.values, seen.gradients))
    return replace(seen, values=values, gradients=sent, contributions={})


def diff(
    a: ag.Tensor | Evaluation | Program,
    b: ag.Tensor | Evaluation | Program,
    *,
    names: Mapping[str, Any] | None = None,
    labels: tuple[str, str] = ("before", "after"),
    depth: int | None = None,
    title: str | None = None,
    theme: str | Theme = "light",
) -> Picture:
    """Draw two graphs side by side, with what changed between them: values and gradients, rows added and removed.

    ``a`` and ``b``: recorded Tensors, whose numbers are computed from their leaves' present values, or what `snapshot`
    has kept. For one graph at two steps of training, take the snapshot before the step, since the step changes the
    leaves: ``before = viz.snapshot(loss)``, then train, then ``viz.diff(before, loss)``.

    There is one row per module, and per operation outside of any. Rows are matched in the order of execution by module,
    operation and path. The column between the graphs shows the ratio of each quantity's rms in ``b`` to that in ``a``
    (the ratio of the numbers themselves, if each is a single one) and, for values, the rms of the difference.
    ``names``: what to call Tensors, for example ``locals()``. ``labels``: what to call the two. ``depth``: how deep
    modules are opened, as in `draw_modules`. If there are more than 40 rows, the first 15 and the last 15 are drawn.

    Two programs, ``diff(program, program.optimized())``, are drawn line by line, and between them the change of each
    line, with the pass that made it if the second program is the first one optimised. Nothing is run.

    Raises `DrawingError` when no operation was recorded, for a program together with something else, and for an unknown
    theme.

    >>> w = ag.Tensor(2.0, requires_grad=True, name="w")
    >>> loss = w * w
    >>> before = snapshot(loss)
    >>> with ag.no_grad():
    ...     w[...] = 1.0
    >>> diff(before, loss).alt
    'What changed: L 4 → 1. 1 row changed. Multiply: L × 0.25, w × 0.5, ∂L/∂w × 0.5.'
    """
    check_depth(depth)
    colours = style.theme_named(theme)
    if not isinstance(labels, tuple | list) or [type(word) for word in labels] != [str, str]:
        raise refused(labels, "labels", "two words, one for each side, such as ('before', 'after')")
    if found := programs((a, b), {"names": names, "depth": depth}, count=2):
        return draw_passes(found[0], found[1], labels, title).themed(colours)
    assert not isinstance(a, Program)
    assert not isinstance(b, Program)
    sides = (_Side.of(a, names, depth), _Side.of(b, names, depth))
    # Beside a snapshot of the same output, present values are what is asked for.
    kept = {place for given in (a, b) if isinstance(given, Evaluation) for place in given.graph.outputs}
    noted: dict[str, None] = {}
    for given, side, label in zip((a, b), sides, labels, strict=True):
        if isinstance(given, Evaluation) or kept.isdisjoint(side.seen.graph.outputs):
            first, *others = notice(side.seen, Names(side.seen.graph, names)) or ("",)
            noted |= dict.fromkeys([say("{}: {}").format(label, first), *others] if first else ())
    return _Diff(sides, labels).draw(title, tuple(noted)).themed(colours)


# ---------------------------------------------------------------- matching rows


@dataclass(frozen=True)
class _Side:
    """One of the two graphs: its numbers, its rows, and the links between them."""

    seen: Evaluation
    rows: list[Row]
    links: list[Link]
    end: str  # the name of the differentiated output

    @classmethod
    def of(cls, y: ag.Tensor | Evaluation, names: Mapping[str, Any] | None, depth: int | None) -> _Side:
        if not isinstance(y, Evaluation):
            y = evaluate(recorded(y, "compare"))
        rows, links = rows_of(y.graph, names, depth)
        warn(rows, y)
        end = next(row.letter for row in rows if y.is_output(row.place))
        return cls(y, rows, links, end)

    def quantities(self, row: Row) -> list[tuple[str, np.ndarray, np.ndarray | None]]:
        """The value a row makes and its first parameters, with their gradients."""
        places = [(row.letter, row.place)] + [(p.name, p.tensor) for p in row.parameters[:PARAMETERS]]
        return [(name, self.seen.value(place), self.seen.gradient(place)) for name, place in places]


@dataclass
class _Pair:
    """A row of the picture: matching rows of the two graphs, or a row of one graph alone."""

    key: str
    rows: tuple[Row | None, Row | None]

    @property
    def row(self) -> Row:
        """The row of the second graph, or else that of the first."""
        row = self.rows[1] or self.rows[0]
        assert row is not None
        return row

    @property
    def word(self) -> str:
        """`added`, `removed`, `replaced`, or empty for a row of both graphs."""
        before, after = self.rows
        if before is None or after is None:
            return "added" if before is None else "removed"
        return "" if _look(before) == _look(after) else "replaced"

    @property
    def title(self) -> str:
        """The title of the row; both titles of a replaced one."""
        titles = dict.fromkeys(clipped(row.title, 20 if self.word != "replaced" else 12) for row in self.rows if row)
        return " → ".join(titles)


@dataclass(frozen=True)
class _Change:
    """The change of a quantity from one graph to the other, in words."""

    name: str
    words: str
    changed: bool
    factor: float = 1.0  # ratio of the rms


def _look(row: Row) -> tuple[Any, ...]:
    """The key by which rows of two graphs are matched."""
    return row.label, row.path, tuple(node.op.name for node in row.nodes), row.letter if not row.nodes else ""


def _matched(one: list[Row], other: list[Row]) -> Iterator[tuple[Row | None, Row | None]]:
    """Pairs of rows in one order: matching rows, replaced rows, and rows of one graph alone."""
    a, b = [list(map(_look, rows)) for rows in (one, other)]
    # Equal rows at both ends, usually most of them, need no search.
    most = min(len(a), len(b))
    head = next((i for i in range(most) if a[i] != b[i]), most)
    tail = next((i for i in range(most - head) if a[-1 - i] != b[-1 - i]), most - head)
    yield from zip(one[:head], other[:head], strict=True)
    one_left, other_left = one[head : len(one) - tail], other[head : len(other) - tail]
    if len(one_left) * len(other_left) > SEARCHED:
        yield from zip_longest(one_left, other_left)
    else:
        matcher = SequenceMatcher(None, a[head : len(a) - tail], b[head : len(b) - tail], autojunk=False)
        for _, i, j, k, m in matcher.get_opcodes():
            yield from zip_longest(one_left[i:j], other_left[k:m])
    yield from zip(one[len(one) - tail :], other[len(other) - tail :], strict=True)


def _change(name: str, a: np.ndarray | None, b: np.ndarray | None, *, moved: bool) -> _Change | None:
    """The change of an array; None if one side lacks it."""
    if a is None or b is None or a.dtype.kind not in "fiub" or b.dtype.kind not in "fiub":
        return None
    same = a.shape == b.shape
    if same and np.array_equal(a, b, equal_nan=a.dtype.kind == "f" and b.dtype.kind == "f"):
        return _Change(name, "same", False)
    sizes = numbers.root_mean_square(a), numbers.root_mean_square(b)
    lost = [not np.isfinite(array).all() for array in (a, b)]
    if any(lost):
        word = "not finite in both" if all(lost) else "no longer finite" if lost[1] else "finite again"
        return _Change(name, word, True, math.inf)
    if not all(sizes):
        words, factor = ("from 0" if not sizes[0] else "to 0"), math.inf
    else:
        factor = float(b.reshape(())) / float(a.reshape(())) if a.size == b.size == 1 else sizes[1] / sizes[0]
        words = f"× {numbers.bracketed(numbers.short(factor))}"
    if not same:
        words += f", {numbers.shape(a.shape)} → {numbers.shape(b.shape)}"
    elif moved:
        step = b.astype(float) - a.astype(float)
        words += f", moved {numbers.short(step.reshape(())[()]) if step.size == 1 else numbers.rms(step)}"
    return _Change(name, words, True, factor)


# ---------------------------------------------------------------- the picture


class _Diff:
    """The drawing of two graphs side by side."""

    def __init__(self, sides: tuple[_Side, _Side], labels: tuple[str, str]) -> None:
        self.sides, self.labels = sides, labels
        self.pairs: list[_Pair] = []
        self.at: tuple[dict[str, str], dict[str, str]] = ({}, {})  # of each graph: the pair of a row, by their keys
        taken = {"heads", "hidden"}
        for rows in _matched(sides[0].rows, sides[1].rows):
            here = rows[1] or rows[0]
            assert here is not None
            key = fresh(here.key, taken)
            self.pairs.append(_Pair(key, rows))
            for at, row in zip(self.at, rows, strict=True):
                if row is not None:
                    at[row.key] = key
        self.changes = {pair.key: self._changes(pair) for pair in self.pairs}

    def _changes(self, pair: _Pair) -> list[tuple[_Change | None, _Change | None]]:
        """The changes of each common quantity: of its value and of its gradient."""
        before, after = pair.rows
        if before is None or after is None:
            return []
        a, b = self.sides[0].quantities(before), self.sides[1].quantities(after)
        by = f"∂{self.sides[1].end}/∂"
        return [
            (_change(name, value, now, moved=True), _change(f"{by}{name}", gradient, then, moved=False))
            for (_, value, gradient), (name, now, then) in zip(a, b, strict=False)
        ]

    def _flat(self, pair: _Pair) -> list[_Change]:
        return [change for both in self.changes[pair.key] for change in both if change is not None]

    def draw(self, title: str | None, noted: Sequence[str]) -> Picture:
        title = title if title is not None else self._title()
        reading = [
            [caption(f"left: {self.labels[0]}, right: {self.labels[1]}, between: × ratio of rms")],
            [caption(self._counts(self.pairs))],
        ]
        told: dict[str, Any] = {"title": title, "reading": reading, "alt": self._alt(title), "notice": noted}
        picture = Picture("diff", nodesep=0.3, **told)
        hidden = self.pairs[ROWS_KEPT:-ROWS_KEPT] if len(self.pairs) > ROWS else []
        at = {pair.key: pair.key for pair in self.pairs} | {pair.key: "hidden" for pair in hidden}
        self._heads(picture)
        drawn = ["heads"]
        for pair in self.pairs:
            key = at[pair.key]
            if key in drawn:
                continue
            drawn.append(key)
            if key == "hidden":
                self._fold(picture, hidden)
            else:
                self._card(picture, pair)
        self._edges(picture, at, drawn)
        return picture

    # ------------------------------------------------------------ words

    def _title(self) -> str:
        ends = [side.seen.value(side.seen.graph.outputs[0]) for side in self.sides]
        if any(end.size != 1 for end in ends):
            return "What changed"
        a, b = (numbers.scalar(end.reshape(())[()]) for end in ends)
        return f"What changed: {self.sides[1].end} {a} → {b}"

    def _counts(self, pairs: Sequence[_Pair]) -> str:
        counts = Counter(
            pair.word or ("changed" if any(change.changed for change in self._flat(pair)) else "the same")
            for pair in pairs
        )
        found = [(counts[w], w) for w in ("added", "removed", "replaced", "changed", "the same") if counts[w]]
        first = f"{numbers.counted(found[0][0], 'row')} {found[0][1]}"
        return ", ".join([first, *(f"{numbers.count(n)} {word}" for n, word in found[1:])])

    def _alt(self, title: str) -> str:
        said = []
        for pair in self.pairs:
            changes = [f"{change.name} {change.words.split(',')[0]}" for change in self._flat(pair) if change.changed]
            if pair.word or changes:
                said.append(f"{pair.title}: {', '.join(([pair.word] if pair.word else []) + changes)}.")
        more = f" And {len(said) - 12} rows more." if len(said) > 12 else ""
        return " ".join([f"{title}.", f"{self._counts(self.pairs)}.", *said[:12]]) + more

    # ------------------------------------------------------------ cards

    def _heads(self, picture: Picture) -> None:
        words = (" ", *(clipped(label, 24) for label in (self.labels[0], "change", self.labels[1])))
        cells = (
            column(text(word, style.NAME, "ink", bold=True), width, port)
            for word, width, port in zip(words, COLUMNS, ("v", None, None, None), strict=True)
        )
        picture.node("heads", table(row_(*cells), cellpadding=4), cls="heads")

    def _card(self, picture: Picture, pair: _Pair) -> None:
        row = pair.row
        side = self.sides[0 if pair.word == "removed" else 1]
        loss = side.seen.is_output(row.place) and row.place.shape == () and pair.word != "removed"
        cautions = [caution for there in pair.rows if there for caution in there.warnings]
        more = {"color": "muted", "bgcolor": "paper"} if pair.word == "removed" else {}
        name = [text(pair.title, style.NAME, "ink", bold=True)]
        if pair.word:
            name.append(text(pair.word.upper(), style.TAG, "ink", bold=True))
        if row.path and not row.title.startswith(row.path):
            name.append(caption(clipped(row.path)))
        if (rest := len(row.parameters) - PARAMETERS) > 0:
            name.append(caption(f"{numbers.counted(rest, 'parameter')} not drawn"))
        cells = [column(aligned(*name), COLUMNS[0], "v", valign="TOP")]
        heights: list[list[int]] = []
        for which, width, label in ((0, COLUMNS[1], self.labels[0]), (1, COLUMNS[3], self.labels[1])):
            there = pair.rows[which]
            if there is None:
                lines, tip = [caption(f"not in {clipped(label, 20)}")], f"not in {label}"
            else:
                said, tip = self._numbers(self.sides[which], there)
                heights.append([len(part) for part in said])
                lines = [line for part in said for line in part]
                lines += [line for caution in there.warnings for line in warning(caution, style.CAPTION)]
            told: dict[str, Any] = {"id": f"{pair.key}_{'ab'[which]}", "title": tip, "valign": "TOP"}
            cells.append(column(aligned(*lines), width, f"g{which}", True, **told))
        lines = []
        tall = [max(sizes) for sizes in zip_longest(*heights, fillvalue=1)]  # lines, on the taller side
        both = zip((change for pair in self.changes[pair.key] for change in pair), cycle(("ink", "grad")), strict=False)
        for (change, colour), height in zip(both, tall, strict=False):
            lines += [self._changed(change, colour, italic=colour == "grad"), *[caption(" ")] * (height - 1)]
        middle = aligned(*lines or [caption(pair.word)])
        cells.insert(2, column(middle, COLUMNS[2], None, True, valign="TOP"))
        draw_card(picture, row, cells, cautions, pair.key, loss=loss, cls=pair.word, **more)

    def _numbers(self, side: _Side, row: Row) -> tuple[list[list[Label]], str]:
        """The lines with each quantity of a row on one side, and their full precision."""
        said, tips = [], []
        for name, value, gradient in side.quantities(row):
            by = f"∂{side.end}/∂{name}"
            said.append(self._number(clipped(name, 14), value, "ink", italic=False))
            tips.append(f"{name} = {numbers.full(value, 8)}")
            if gradient is None:
                said.append([caption("no gradient")])
            else:
                said.append(self._number(clipped(by, 18), gradient, "grad", italic=True))
                tips.append(f"{by} = {numbers.full(gradient, 8)}")
        return said, "; ".join(tips)

    def _number(self, name: str, array: np.ndarray, colour: str, *, italic: bool) -> list[Label]:
        """The lines of a quantity: its entries, or the rms of a large array."""
        ink: dict[str, Any] = {"size": style.CAPTION, "colour": colour, "italic": italic}
        if array.dtype.kind not in "fiub":
            return [text(f"{name}  {numbers.shape(array.shape)} {array.dtype}", **ink)]
        if 1 < array.size <= ENTRIES and array.shape[-1] <= style.TABLE_COLUMNS and np.isfinite(array).all():
            shown = numbers.table(array)
            first, *rest = (" ".join(line) for line in shown.rows)
            head = f"{name} {shown.factor}".strip()
            lines = [f"{head} =", first, *rest] if rest or len(head + first) > LINE else [f"{head} =  {first}"]
            return [text(line, **ink) for line in lines]
        said = numbers.scalar(array.reshape(())[()]) if array.size == 1 else numbers.rms(array)
        lost = said.lstrip("-") in ("nan", "inf")
        words = f"{name} = {said}" if array.size == 1 else f"rms {name}  {said}"
        return [text(words, **(ink | ({"colour": "bad", "bold": True} if lost else {})))]

    def _changed(self, change: _Change | None, colour: str, *, italic: bool = False) -> Label:
        if change is None:
            return caption(" ")
        lost = "finite" in change.words
        colour = "bad" if lost else colour if change.changed else "muted"
        return text(clipped(change.words, 34), style.CAPTION, colour, italic=italic and change.changed, bold=lost)

    def _fold(self, picture: Picture, hidden: Sequence[_Pair]) -> None:
        """Draw one card for the omitted rows: their number, their changes, and the largest change among them."""
        sides = [[row for pair in hidden if (row := pair.rows[i]) is not None] for i in (0, 1)]
        ops = [sum(len(row.nodes) for row in rows) for rows in sides]
        said = numbers.count(ops[1]) if ops[0] == ops[1] else f"{numbers.count(ops[0])} and {numbers.count(ops[1])}"
        name = [text(f"... {said} ops", style.NAME, "ink", bold=True)]
        name.append(text("not drawn", style.NAME, "ink", bold=True))
        middle = [caption(word) for word in self._counts(hidden).split(", ")]
        warned = [Counter(caution.word for row in rows for caution in row.warnings) for rows in sides]
        boxes = [[caption(f"▲ {word} in {n}", "warn") for word, n in counts.items()] for counts in warned]
        columns = zip((name, boxes[0], middle, boxes[1]), COLUMNS, ("v", "g0", None, "g1"), strict=True)
        draw_omission(
            picture, [column(aligned(*lines) or (" ",), width, port, valign="TOP") for lines, width, port in columns]
        )

    # ------------------------------------------------------------ edges

    def _edges(self, picture: Picture, at: Mapping[str, str], drawn: Sequence[str]) -> None:
        """Draw an edge for each link of either graph, with the shapes of its value."""
        rank = {key: i for i, key in enumerate(drawn)}
        found: dict[tuple[str, str], dict[int, str]] = {}
        for which, (side, keys) in enumerate(zip(self.sides, self.at, strict=True)):
            for link in side.links:
                tail, head = at[keys[link.tail]], at[keys[link.head]]
                if tail != head:
                    shape = numbers.shape(side.seen.value(link.place).shape)
                    found.setdefault((tail, head), {}).setdefault(which, shape)
        for (tail, head), shapes in found.items():
            only = f"only {clipped(self.labels[min(shapes)], 20)}: " if len(shapes) == 1 else ""
            words = caption(f"  {only}{' → '.join(dict.fromkeys(shapes.values()))}")
            row_edge(picture, drawn[rank[tail] : rank[head] + 1], "v", "g1", words, cls="fwd", id=f"f_{tail}_{head}")
        hold_in_column(picture, drawn, found)
