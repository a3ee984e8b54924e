"""The difference of two graphs, or of one graph at two steps of training, side by side and row by row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from glassgrad import autograd as ag
from glassgrad.autograd.common.validation import refused
from glassgrad.autograd.compiler import Program
from glassgrad.viz.drawing import numbers, style
from glassgrad.viz.drawing.errors import DrawingError
from glassgrad.viz.drawing.labels import RULE, Label, aligned, caption, cell, frame, table, text
from glassgrad.viz.drawing.labels import row as row_
from glassgrad.viz.drawing.render import Picture
from glassgrad.viz.drawing.style import Theme
from glassgrad.viz.drawing.texts import clipped
from glassgrad.viz.drawing.words import say
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
LINE = 28  # characters of a line


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
    """Draw two graphs side by side, with what changed between them: values and gradients.

    ``a`` and ``b``: recorded Tensors, whose numbers are computed from their leaves' present values, or what `snapshot`
    has kept. For one graph at two steps of training, take the snapshot before the step, since the step changes the
    leaves: ``before = viz.snapshot(loss)``, then train, then ``viz.diff(before, loss)``.

    There is one row per module, and per operation outside of any; both graphs must have the same ones. The column
    between the graphs shows the ratio of each quantity's rms in ``b`` to that in ``a``
    (the ratio of the numbers themselves, if each is a single one) and, for values, the rms of the difference.
    ``names``: what to call Tensors, for example ``locals()``. ``labels``: what to call the two. ``depth``: how deep
    modules are opened, as in `draw_modules`. Of a long run of rows that stay the same the ends are drawn.

    Two programs, ``diff(program, program.optimized())``, are drawn line by line, and between them the change of each
    line, with the pass that made it if the second program is the first one optimised. Nothing is run.

    Raises `DrawingError` when no operation was recorded, for graphs with other modules or operations, for a program
    together with something else, and for an unknown theme.

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
    seen = [x if isinstance(x, Evaluation) else evaluate(recorded(x, "compare")) for x in (a, b)]
    called = [Names(one.graph, names) for one in seen]
    tables = [rows_of(one, depth)[0] for one in called]
    looks = [[(row.title, row.path, _operations(row)) for row in rows] for rows in tables]
    if looks[0] != looks[1]:
        raise DrawingError(
            "these graphs have other modules or operations: diff compares one graph at two steps of training, or two of"
            " the same operations; draw each of these by itself, with draw_modules or draw_graph"
        )
    tops = [next(r.letter for r in rows if one.is_output(r.place)) for rows, one in zip(tables, seen, strict=True)]
    pairs = [_Pair(rows, _lines(rows, seen, tops)) for rows in zip(*tables, strict=True)]
    # Beside a snapshot of the same output, present values are what is asked for.
    kept = {place for given in (a, b) if isinstance(given, Evaluation) for place in given.graph.outputs}
    noted: dict[str, None] = {}
    for given, side, own, rows, label in zip((a, b), seen, called, tables, labels, strict=True):
        warn(rows, side)
        if isinstance(given, Evaluation) or kept.isdisjoint(side.graph.outputs):
            said = notice(side, own)
            noted |= dict.fromkeys([*(say("{}: {}").format(label, first) for first in said[:1]), *said[1:]])
    ends = [side.value(side.graph.outputs[0]).reshape(-1) for side in seen]
    if title is None:
        was, now = (numbers.scalar(end[0]) if end.size == 1 else "" for end in ends)
        title = f"What changed: {tops[1]} {was} → {now}" if was and now else "What changed"
    changed = sum(pair.word == "changed" for pair in pairs)
    counts = f"{numbers.counted(len(pairs), 'row')}, {numbers.count(changed)} changed"
    reading = [[caption("between: × ratio of rms")], [caption(counts)]]
    picture = Picture("diff", title=title, reading=reading, notice=[*noted])
    heads = (" ", *(clipped(label, 24) for label in (labels[0], "change", labels[1])))
    drawn = [row_(*(_cell(text(word, style.NAME, "ink", bold=True), i) for i, word in enumerate(heads)))]
    for part in shortened(pairs, "rows the same", "the same"):
        gap = row_(_cell(caption(f"... {part}"), 0, colspan=4))
        drawn += [RULE, *([gap] if isinstance(part, str) else _rows(part))]
    inside = row_(cell(table(*drawn, color="hair"), cellpadding=4))
    picture.node("lines", table(inside, **frame("lines")), cls="module")
    return picture.themed(theme)


# ---------------------------------------------------------------- rows


@dataclass(frozen=True)
class _Line:
    """A value or a gradient before and after with its names, the colour of its text, and its change in words."""

    names: tuple[str, str]
    before: np.ndarray | None
    after: np.ndarray | None
    ink: str

    @property
    def change(self) -> str:
        """The change in words: "same", empty where a side has no array of numbers."""
        a, b = self.before, self.after
        if a is None or b is None or a.dtype.kind not in "fiub" or b.dtype.kind not in "fiub":
            return ""
        if a.shape != b.shape:
            return f"{numbers.shape(a.shape)} → {numbers.shape(b.shape)}"
        if np.array_equal(a, b, equal_nan=a.dtype.kind == "f" and b.dtype.kind == "f"):
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
        if self.ink == "grad":
            return words
        step = b.astype(float) - a.astype(float)
        return f"{words}, moved {numbers.short(step.item()) if step.size == 1 else numbers.rms(step)}"


@dataclass(frozen=True)
class _Pair:
    """A row of both graphs, and its lines."""

    rows: tuple[Row, ...]
    lines: list[_Line]

    @property
    def word(self) -> str:
        """Whether anything changed."""
        return "the same" if all(line.change in ("", "same") for line in self.lines) else "changed"


def _operations(row: Row) -> list[tuple[str, list[bool]]]:
    """The operations of a row, and which of their operands are given."""
    return [(node.op.name, [x is not None for x in node.inputs]) for node in row.nodes]


def _lines(rows: Sequence[Row], seen: Sequence[Evaluation], tops: Sequence[str]) -> list[_Line]:
    """The value a row makes and its parameters, each with its gradient."""
    one, other = ([(r.letter, r.place), *((p.name, p.tensor) for p in r.parameters)] for r in rows)
    lines = []
    for (before, was), (after, now) in zip(one, other, strict=False):
        lines.append(_Line((before, after), seen[0].value(was), seen[1].value(now), "ink"))
        names = f"∂{tops[0]}/∂{before}", f"∂{tops[1]}/∂{after}"
        lines.append(_Line(names, seen[0].gradient(was), seen[1].gradient(now), "grad"))
    return lines


def _rows(pair: _Pair) -> list[Label]:
    """The rows of the table with the lines of a pair, its name in the first."""
    last = pair.rows[-1]
    name = [text(clipped(last.title, 20), style.NAME, "ink", bold=True)]
    if last.path and not last.title.startswith(last.path):
        name.append(caption(clipped(last.path, 24)))
    name += [line for row in pair.rows for caution in row.warnings for line in warning(caution, style.CAPTION)]
    drawn = [_cell(aligned(*name), 0, rowspan=len(pair.lines))]
    for i, line in enumerate(pair.lines):
        ink, lost = line.ink if line.change not in ("", "same") else "muted", "finite" in line.change
        said = text(line.change or " ", style.CAPTION, "bad" if lost else ink, italic=ink == "grad", bold=lost)
        cells = _cell(_number(line, 0), 1) + _cell(said, 2) + _cell(_number(line, 1), 3)
        drawn[i:] = [row_(*drawn[i:], cells)]
    return drawn


def _number(line: _Line, side: int) -> Label:
    """One side of a line: its entries, or the rms of a large array."""
    array, name = (line.before, line.after)[side], clipped(line.names[side], 18)
    if array is None:
        return caption("no gradient")
    ink: dict[str, Any] = {"size": style.CAPTION, "colour": line.ink, "italic": line.ink == "grad"}
    if array.dtype.kind not in "fiub":
        return text(f"{name}  {numbers.shape(array.shape)} {array.dtype}", **ink)
    if 1 < array.size <= ENTRIES and array.shape[-1] <= style.TABLE_COLUMNS and np.isfinite(array).all():
        shown = numbers.table(array)
        entries = [" ".join(line) for line in shown.rows]
        head = f"{name} {shown.factor}".strip()
        short = len(entries) == 1 and len(head + entries[0]) <= LINE
        lines = [f"{head} =  {entries[0]}"] if short else [f"{head} =", *entries]
        return aligned(*(text(line, **ink) for line in lines))
    said = numbers.scalar(array) if array.size == 1 else numbers.rms(array)
    words = f"{name} = {said}" if array.size == 1 else f"rms {name}  {said}"
    return text(words, **(ink | ({"colour": "bad", "bold": True} if said.lstrip("-") in ("nan", "inf") else {})))


def _cell(content: Label, column: int, **attributes: Any) -> Label:
    return cell(content, width=COLUMNS[column], align="LEFT", balign="LEFT", valign="TOP", cellpadding=2, **attributes)
