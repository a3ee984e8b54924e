"""Predictions of a classifier: a sheet of images, and the confusion matrix."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from glassgrad.viz.drawing import numbers, style
from glassgrad.viz.drawing.errors import DrawingError
from glassgrad.viz.drawing.labels import Label, aligned, caption, cell, row, table, text, width
from glassgrad.viz.drawing.render import Picture
from glassgrad.viz.drawing.texts import clipped, wrapped
from glassgrad.viz.plots.figure import Plot, class_numbers, percent
from glassgrad.viz.plots.tiles import Tile, sheet
from glassgrad.viz.recorded.evaluate import host
from glassgrad.viz.recorded.validation import class_names, numbers_of

CELL = 0.72  # inches, one digit of the sheet
COLUMNS, ROOM = 10, 11  # digits in a row, characters below one
GROUNDS = style.VALUE_RAMP[1:4] + style.VALUE_RAMP[5:]  # on which numbers have contrast, also on a dark page


def _pictures(images: Any) -> np.ndarray:
    """Images as (n, height, width), from that shape, (n, 1, height, width) or flat squares (n, side²)."""
    given = numbers_of(images, "images")
    shape = given.shape[-2:] if given.ndim != 2 else (math.isqrt(given.shape[1]),) * 2
    if given.ndim < 2 or not given.size or given.size != len(given) * math.prod(shape):
        raise DrawingError(
            f"images of shape {numbers.shape(given.shape)} cannot be laid out on a sheet: give (n, height, width) with"
            " n at least 1, or n flat squares (n, side * side)"
        )
    return given.reshape(-1, *shape).astype(float)


def plot_digits(
    images: Any,
    labels: Any = None,
    predictions: Any = None,
    probabilities: Any = None,
    *,
    classes: Sequence[str] | None = None,
    title: str | None = None,
) -> Plot:
    """A sheet of small images, each with its prediction; a mistake has a thick frame and its true label.

    ``images`` is (n, height, width), or (n, side²) for flat squares; ``labels`` and ``predictions`` are (n,) integers;
    ``probabilities`` is (n,), of the predicted class, or (n, classes), from which ``predictions`` follow when they are
    not given. ``classes``: their names, instead of numbers. All may be Tensors or arrays.

    Raises `DrawingError` for shapes that do not go together.

    >>> import numpy as np
    >>> plot_digits(np.eye(16)[None].repeat(3, 0), labels=[1, 7, 7], predictions=[1, 1, 7])
    Plot('3 images, 1 mistake: number 2 is 7, read as 1')
    """
    pictures = _pictures(images)
    n = len(pictures)
    certainty = None if probabilities is None else numbers_of(probabilities, "probabilities").astype(float)
    if certainty is not None and certainty.ndim == 2 and len(certainty) == n:
        predictions = certainty.argmax(axis=1) if predictions is None else predictions
        certainty = certainty[np.arange(n), class_numbers(predictions, n, "predictions", k=certainty.shape[1])]
    if certainty is not None and certainty.shape != (n,):
        raise DrawingError(
            f"probabilities of shape {numbers.shape(certainty.shape)} do not go with {n} images: give (n,), of the"
            " predicted class, or (n, classes)"
        )
    said = None if predictions is None else class_numbers(predictions, n, "predictions")
    true = None if labels is None else class_numbers(labels, n, "labels")
    word: Callable[[int], str] = str
    if classes is not None:
        most = max((int(k.max()) + 1 for k in (true, said) if k is not None), default=0)
        word = class_names(classes, max(np.size(classes), most)).__getitem__
    wrong = np.zeros(n, dtype=bool) if said is None or true is None else said != true
    kind = numbers.counted(n, "image")
    mistakes = int(wrong.sum())
    if title is None:
        title = kind if said is None or true is None else f"{kind}, {numbers.counted(mistakes, 'mistake')}"
    line = "as the network sees them" if said is None else "the predicted class"
    line += " and its probability" * (certainty is not None)
    line += "; thick frame = mistake, with the true class" * (mistakes > 0)
    finite = pictures[np.isfinite(pictures)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    tiles = []
    for i, picture in enumerate(pictures):
        named = true if said is None else said
        sure = "" if certainty is None else f"  {percent(certainty[i])}"
        caption = "" if named is None else word(named[i])[: ROOM - len(sure) if sure else None] + sure
        note = f"is {word(true[i])}" if wrong[i] and true is not None else ""
        tiles.append(Tile(picture - low, caption, note, "picture", high - low, frame=bool(wrong[i])))
    listed = [f"number {i + 1} is {word(true[i])}, read as {word(said[i])}" for i in np.flatnonzero(wrong)[:5]]  # type: ignore[index]
    more = f"; and {mistakes - 5} more" if mistakes > 5 else ""
    described = f"{title}" + (": " + "; ".join(listed) + more if listed else "")
    return sheet([tiles], title, line, described, side=CELL, across=COLUMNS, classes=classes or ())


def plot_confusion(labels: Any, predictions: Any, *, classes: Sequence[str] | None = None) -> Picture:
    """Confusion matrix: a row for each true class, a column for each predicted one.

    ``labels`` and ``predictions`` are (n,) integers from 0. The diagonal, the correct predictions, is boxed; other
    cells are darker the more mistakes they have. The recall of each class is on the right, the precision of each
    prediction below. Of more classes than fit on a page, about 20, those with the most mistakes are drawn.

    Raises `DrawingError` for shapes that do not go together or integers outside of ``classes``.

    >>> plot_confusion([0, 0, 1, 1], [0, 1, 1, 1])
    <Picture '3 of 4 right (75 %)'>
    """
    n = int(np.size(host(labels)))
    true, said = class_numbers(labels, n, "labels", "examples"), class_numbers(predictions, n, "predictions", "labels")
    k = int(max(true.max(), said.max())) + 1
    names = [str(i) for i in range(k)] if classes is None else class_names(classes, max(k, np.size(classes)))
    k = len(names)
    counts = np.zeros((k, k), dtype=int)
    np.add.at(counts, (true, said), 1)
    right, total = int(np.trace(counts)), int(counts.sum())
    mistakes = counts - np.diag(np.diag(counts))
    most = int(mistakes.max())
    share = f"{100 * right / total:.2f} %" if total >= 1000 else percent(right / total)
    summary = f"{right:,} of {total:,} right ({share})"
    worst = ""
    if most:
        a, b = divmod(int(mistakes.argmax()), k)
        worst = f", most often {names[a]} read as {names[b]} ({numbers.counted(most, 'time')})"

    coded = k > 16 and max(map(len, names)) > 3  # numbers above the columns, for want of room
    told = [f"{i} {name}" if coded else name for i, name in enumerate(names)]
    bold = [text(clipped(name), style.CELL, "ink", bold=True) for name in told]
    space = style.WIDTH - 90 - max(map(width, bold))
    fit = int(space / 23)
    drawn = sorted(np.argsort(-mistakes.sum(0) - mistakes.sum(1), kind="stable")[:fit].tolist())
    room = space / len(drawn)  # for a column
    heads = [wrapped(str(i) if coded else names[i], 1.1 * style.CELL, room - 6) for i in drawn]
    heads = [[clipped(word, max(int(room / 5.2), 5)) for word in words] for words in heads]
    above = [aligned(*(text(word, style.CELL, "ink", bold=True) for word in words), side="CENTER") for words in heads]
    lines = [row(cell(""), *map(cell, above), cell(caption("recall")))]
    for i in drawn:
        recall = cell(_share(counts[i, i], counts[i].sum()))
        cells = (_count(int(counts[i, j]), i == j, most, min(30, int(room) - 5)) for j in drawn)
        lines.append(row(cell(bold[i], align="RIGHT"), *cells, recall))
    shares = (cell(_share(counts[i, i], counts[:, i].sum(), room > 38)) for i in drawn)
    lines.append(row(cell(caption("precision"), align="RIGHT"), *shares))
    line = [caption("row = true class"), caption("column = predicted class"), caption("boxed = right")]
    line += [caption(f"{fit} of {k} classes, those with the most mistakes")] * (k > fit)
    kept = {*names, *told, *itertools.chain(*heads)}
    picture = Picture("confusion", title=summary, reading=[line], alt=summary + worst, names=kept)
    picture.node("counts", table(*lines, cellpadding=4 if room > 38 else 1, color="hair"))
    return picture


def _share(part: int, whole: int, exact: bool = True) -> Label:
    return caption("none" if not whole else percent(part / whole) if exact else f"{part / whole:.0%}")


def _count(n: int, right: bool, most: int, width: int) -> Label:
    """A cell of the confusion matrix: darker the more mistakes, boxed where they are right."""
    look: dict[str, Any] = {"width": width, "height": 26, "border": 1, "color": "hair"}
    if right:
        return cell(caption(n, "ink"), **look | {"border": 2, "color": "ink"})
    ground = style.on_ramp(n / most, GROUNDS) if n else "paper"
    return cell(caption(n, f"on@{ground}") if n else "", bgcolor=ground, **look)
