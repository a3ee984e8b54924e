"""The difference of two graphs, or of one graph at two steps of training, side by side and row by row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from itertools import zip_longest
from typing import Any

import numpy as np

from glassgrad import autograd as ag
from glassgrad.autograd.common.validation import refused
from glassgrad.autograd.compiler import Program
from glassgrad.viz.drawing import numbers, style
from glassgrad.viz.drawing.labels import RULE, Label, aligned, caption, cell, frame, table, text
from glassgrad.viz.drawing.labels import row as row_
from glassgrad.viz.drawing.render import Picture
from glassgrad.viz.drawing.style import Theme
from glassgrad.viz.drawing.texts import clipped
from glassgrad.viz.drawing.words import say
from glassgrad.viz.graph.modules import ROWS
from glassgrad.viz.graph.row_cards import warning
from glassgrad.viz.program.passes import draw_passes, shortened
from glassgrad.viz.program.picture import programs
from glassgrad.viz.recorded.evaluate import Evaluation, evaluate
from glassgrad.viz.recorded.folding import check_depth
from glassgrad.viz.recorded.names import Names
from glassgrad.viz.recorded.rows import Row, rows_of, warn
from glassgrad.viz.recorded.since import notice
from glassgrad.viz.recorded.validation import recorded

COLUMNS = (120, 172, 140, 172)  # points: name, before, change, after
ENTRIES = 12  # of an array whose entries are written
ROWS_KEPT = 15  # at either end of a table of more than 40
LINE = 28  # characters of a line
PARAMETERS = 3  # parameters of a row that are compared one by one


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
    modules are opened, as in `draw_modules`. Of a long run of rows that stay the same the ends are drawn, and of more
    than 40 rows the first and the last 15.

    Two programs, ``diff(program, program.optimized())``, are drawn line by line, and between them the change of each
    line, with the pass that made it if the second program is the first one optimised. Nothing is run.

    Raises `DrawingError` when no operation was recorded, for a program together with something else, and for an unknown
    theme.

    >>> w = ag.Tensor(2.0, requires_grad=True, name="w")
    >>> loss = w * w
    >>> before = snapshot(loss)
    >>> with ag.no_grad():
    ...     w[...] = 1.0
    >>> diff(before, loss).title
    'What changed: L 4 → 1'
    """
    check_depth(depth)
    if not isinstance(labels, tuple | list) or [type(word) for word in labels] != [str, str]:
        raise refused(labels, "labels", "two words, one for each side, such as ('before', 'after')")
    if found := programs((a, b), {"names": names, "depth": depth}, count=2):
        return draw_passes(found[0], found[1], labels, title).themed(theme)
    assert not isinstance(a, Program)
    assert not isinstance(b, Program)
    sides = (_Side.of(a, names, depth), _Side.of(b, names, depth))
    # Beside a snapshot of the same output, present values are what is asked for.
    kept = {place for given in (a, b) if isinstance(given, Evaluation) for place in given.graph.outputs}
    noted: dict[str, None] = {}
    for given, side, label in zip((a, b), sides, labels, strict=True):
        if isinstance(given, Evaluation) or kept.isdisjoint(side.seen.graph.outputs):
            said = notice(side.seen, Names(side.seen.graph, names))
            noted |= dict.fromkeys([*(say("{}: {}").format(label, first) for first in said[:1]), *said[1:]])
    return _draw(sides, labels, title, tuple(noted)).themed(theme)


# ---------------------------------------------------------------- matching rows


Quantity = tuple[str, np.ndarray | None, str]
"""A value or a gradient of a row on one side: its name, its array and the colour of its text."""


@dataclass(frozen=True)
class _Side:
    """One of the two graphs: its numbers and its rows."""

    seen: Evaluation
    rows: list[Row]
    end: str  # the name of the differentiated output

    @classmethod
    def of(cls, y: ag.Tensor | Evaluation, names: Mapping[str, Any] | None, depth: int | None) -> _Side:
        if not isinstance(y, Evaluation):
            y = evaluate(recorded(y, "compare"))
        rows, _ = rows_of(y.graph, names, depth)
        warn(rows, y)
        end = next(row.letter for row in rows if y.is_output(row.place))
        return cls(y, rows, end)

    def quantities(self, row: Row | None) -> Iterator[Quantity]:
        """The value a row makes and its first parameters, each with its gradient."""
        parameters = [(p.name, p.tensor) for p in row.parameters[:PARAMETERS]] if row else []
        for name, place in [(row.letter, row.place), *parameters] if row else ():
            yield name, self.seen.value(place), "ink"
            yield f"∂{self.end}/∂{name}", self.seen.gradient(place), "grad"


_Line = tuple[Quantity | None, Quantity | None, str]
"""A quantity on both sides, and its change in words: "same", "" where a side has none."""


@dataclass(frozen=True)
class _Pair:
    """A row of the picture: a row of each graph, or of one of them alone, and its quantities line by line."""

    rows: tuple[Row | None, Row | None]
    lines: list[_Line]

    @property
    def word(self) -> str:
        """The difference of the two rows."""
        before, after = self.rows
        if before is None or after is None:
            return "added" if before is None else "removed"
        if _look(before) != _look(after):
            return "replaced"
        return "changed" if any(words not in ("", "same") for _, _, words in self.lines) else "the same"


def _look(row: Row) -> tuple[Any, ...]:
    """The key by which rows of two graphs are matched."""
    return row.label, row.path, tuple(node.op.name for node in row.nodes), row.letter if not row.nodes else ""


def _matched(one: list[Row], other: list[Row]) -> Iterator[tuple[Row | None, Row | None]]:
    """Pairs of rows in one order: matching rows, replaced rows, and rows of one graph alone."""
    matcher = SequenceMatcher(None, list(map(_look, one)), list(map(_look, other)), autojunk=False)
    for _, i, j, k, m in matcher.get_opcodes():
        yield from zip_longest(one[i:j], other[k:m])


def _change(before: Quantity | None, after: Quantity | None) -> str:
    """The change of an array in words; empty if one side lacks it."""
    a, b = (side and side[1] for side in (before, after))
    if a is None or b is None or after is None or a.dtype.kind not in "fiub" or b.dtype.kind not in "fiub":
        return ""
    same = a.shape == b.shape
    if same and np.array_equal(a, b, equal_nan=a.dtype.kind == "f" and b.dtype.kind == "f"):
        return "same"
    lost = [not np.isfinite(array).all() for array in (a, b)]
    if any(lost):
        return "not finite in both" if all(lost) else "no longer finite" if lost[1] else "finite again"
    sizes = numbers.root_mean_square(a), numbers.root_mean_square(b)
    if not all(sizes):
        words = "from 0" if not sizes[0] else "to 0"
    else:
        factor = float(b.reshape(())) / float(a.reshape(())) if a.size == b.size == 1 else sizes[1] / sizes[0]
        words = f"× {numbers.bracketed(numbers.short(factor))}"
    if not same:
        return f"{words}, {numbers.shape(a.shape)} → {numbers.shape(b.shape)}"
    if after[2] == "grad":
        return words
    step = b.astype(float) - a.astype(float)
    return f"{words}, moved {numbers.short(step.reshape(())[()]) if step.size == 1 else numbers.rms(step)}"


# ---------------------------------------------------------------- the picture


def _draw(sides: tuple[_Side, _Side], labels: tuple[str, str], title: str | None, noted: Sequence[str]) -> Picture:
    pairs = []
    for rows in _matched(sides[0].rows, sides[1].rows):
        both = zip_longest(*(side.quantities(row) for side, row in zip(sides, rows, strict=True)))
        pairs.append(_Pair(rows, [(one, other, _change(one, other)) for one, other in both]))
    ends = [side.seen.value(side.seen.graph.outputs[0]).reshape(-1) for side in sides]
    if title is None:
        a, b = (numbers.scalar(end[0]) if end.size == 1 else "" for end in ends)
        title = f"What changed: {sides[1].end} {a} → {b}" if a and b else "What changed"
    reading = [[caption("between: × ratio of rms")], [caption(_counts(pairs))]]
    picture = Picture("diff", title=title, reading=reading, notice=noted)
    heads = (" ", *(clipped(label, 24) for label in (labels[0], "change", labels[1])))
    drawn = [row_(*(_cell(text(word, style.NAME, "ink", bold=True), i) for i, word in enumerate(heads)))]
    for part in _folded(pairs):
        drawn.append(RULE)
        drawn += [row_(_cell(caption(f"... {part}"), 0, colspan=4))] if isinstance(part, str) else _rows(part, labels)
    inside = row_(cell(table(*drawn, color="hair"), cellpadding=4))
    picture.node("lines", table(inside, **frame("lines")), cls="module")
    return picture


def _folded(pairs: Sequence[_Pair]) -> list[_Pair | str]:
    """The drawn rows, with a text for each group of rows that are not."""
    parts = shortened(pairs, "rows the same", "the same")
    if len(parts) > ROWS:
        hidden = [part for part in parts[ROWS_KEPT:-ROWS_KEPT] if not isinstance(part, str)]
        parts[ROWS_KEPT:-ROWS_KEPT] = [f"{_counts(hidden)}, not drawn"]
    return parts


def _counts(pairs: Sequence[_Pair]) -> str:
    counts = Counter(pair.word for pair in pairs)
    found = [(counts[w], w) for w in ("added", "removed", "replaced", "changed", "the same") if counts[w]]
    first = f"{numbers.counted(found[0][0], 'row')} {found[0][1]}"
    return ", ".join([first, *(f"{numbers.count(n)} {word}" for n, word in found[1:])])


def _rows(pair: _Pair, labels: tuple[str, str]) -> list[Label]:
    """The rows of the table with the quantities of a pair, its name in the first."""
    there = [row for row in pair.rows if row]
    last = there[-1]
    title = " → ".join(dict.fromkeys(clipped(row.title, 20 if pair.word != "replaced" else 12) for row in there))
    name = [text(title, style.NAME, "ink", bold=True)]
    if pair.word in ("added", "removed", "replaced"):
        name.append(text(pair.word.upper(), style.TAG, "ink", bold=True))
    if last.path and not last.title.startswith(last.path):
        name.append(caption(clipped(last.path, 24)))
    if (rest := len(last.parameters) - PARAMETERS) > 0:
        name.append(caption(f"{numbers.counted(rest, 'parameter')} not drawn"))
    name += [line for row in there for caution in row.warnings for line in warning(caution, style.CAPTION)]
    drawn = [_cell(aligned(*name), 0, rowspan=len(pair.lines))]
    for i, (before, after, words) in enumerate(pair.lines):
        ink = after[2] if after and words not in ("", "same") else "muted"
        lost = "finite" in words
        said = text(words or " ", style.CAPTION, "bad" if lost else ink, italic=ink == "grad", bold=lost)
        one, other = (
            _number(side) if row else caption(f"not in {clipped(label, 20)}")
            for row, side, label in zip(pair.rows, (before, after), labels, strict=True)
        )
        cells = _cell(one, 1) + _cell(said, 2) + _cell(other, 3)
        drawn[i:] = [row_(*drawn[i:], cells)]
    return drawn


def _number(quantity: Quantity | None) -> Label:
    """A quantity: its entries, or the rms of a large array."""
    name, array, colour = quantity or (" ", None, "ink")
    if array is None:
        return caption("no gradient" if quantity else " ")
    name = clipped(name, 18)
    ink: dict[str, Any] = {"size": style.CAPTION, "colour": colour, "italic": colour == "grad"}
    if array.dtype.kind not in "fiub":
        return text(f"{name}  {numbers.shape(array.shape)} {array.dtype}", **ink)
    if 1 < array.size <= ENTRIES and array.shape[-1] <= style.TABLE_COLUMNS and np.isfinite(array).all():
        shown = numbers.table(array)
        entries = [" ".join(line) for line in shown.rows]
        head = f"{name} {shown.factor}".strip()
        short = len(entries) == 1 and len(head + entries[0]) <= LINE
        lines = [f"{head} =  {entries[0]}"] if short else [f"{head} =", *entries]
        return aligned(*(text(line, **ink) for line in lines))
    said = numbers.scalar(array.reshape(())[()]) if array.size == 1 else numbers.rms(array)
    words = f"{name} = {said}" if array.size == 1 else f"rms {name}  {said}"
    return text(words, **(ink | ({"colour": "bad", "bold": True} if said.lstrip("-") in ("nan", "inf") else {})))


def _cell(content: Label, column: int, **attributes: Any) -> Label:
    return cell(content, width=COLUMNS[column], align="LEFT", balign="LEFT", valign="TOP", cellpadding=2, **attributes)
