"""Plots beside the graphs: learning curves, a sheet of digits with predictions, the confusion matrix.

They need matplotlib (``pip install "glassgrad[plots]"``), which is imported when a plot is made and not before. Its
global state is left alone: no pyplot, no settings that outlive a call.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from autograd.files import write_file
from autograd.validation import as_path, refused
from viz.drawing import numbers, style
from viz.drawing.errors import DrawingError
from viz.recorded.evaluate import host
from viz.recorded.validation import class_names, numbers_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import ListedColormap
    from matplotlib.figure import Figure

FORMATS = (".svg", ".png", ".pdf")
PANEL = (4.3, 3.0)  # inches, one panel of the learning curves
CELL = 0.72  # inches, one digit of the sheet
GOALS = {"loss": min, "error": min, "accuracy": max}  # what "best" means, by the last word of a series' name
SKIPPED = ("epoch", "epochs", "step", "steps", "seconds", "time")
HELD_OUT = ("val", "valid", "validation", "test", "heldout")


class Plot:
    """A finished plot: shows itself in a notebook; ``save(path)`` writes ``.svg``, ``.png`` or ``.pdf``.

    ``figure`` is the matplotlib figure, to be refined by hand; ``description`` says in words what it shows.
    """

    def __init__(self, figure: Figure, description: str) -> None:
        self.figure = figure
        self.description = description

    def save(self, path: str | Path) -> Path:
        """Write the plot in the format of the path's suffix; returns the path.

        Raises `DrawingError` for another suffix, `WriteError` where nothing can be written.
        """
        target = as_path(path)
        if target.suffix.lower() not in FORMATS:
            raise DrawingError(
                f"a plot is saved as {', '.join(FORMATS[:-1])} or {FORMATS[-1]}, not as {target.suffix or 'a file'!r}"
                f" ({target}): give the path one of these suffixes"
            )
        write_file(target, self._rendered(target.suffix.lower()[1:]))
        return target

    def _rendered(self, form: str) -> bytes:
        # No date and no random ids, so that the same plot is the same file.
        metadata: dict[str, Any] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(form, {})
        buffer = io.BytesIO()
        with _settings():
            self.figure.savefig(buffer, format=form, metadata=metadata, dpi=style.DPI)
        return buffer.getvalue()

    def _repr_svg_(self) -> str:
        label = f'role="img" aria-label="{escape(self.description)}"'
        return self._rendered("svg").decode().replace("<svg ", f"<svg {label} ", 1)

    def _repr_png_(self) -> tuple[bytes, dict[str, str]]:
        return self._rendered("png"), {"alt": self.description}

    def __repr__(self) -> str:
        return f"Plot({self.description!r})"


def _settings() -> AbstractContextManager[None]:
    """Matplotlib's settings for the time of one call."""
    try:
        import matplotlib
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            'plots are drawn with matplotlib, which is not installed: pip install "glassgrad[plots]"'
        ) from None
    return matplotlib.rc_context(
        {
            "font.family": ["sans-serif"],
            "font.sans-serif": [style.FONT, "Arial", "Liberation Sans", "Arimo", "DejaVu Sans"],
            "axes.unicode_minus": False,
            "svg.fonttype": "none",
            "svg.hashsalt": "glassgrad",
        }
    )


def _figure(width: float, height: float, theme: style.Theme) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), facecolor=theme.paper, layout=None)


def _heading(figure: Figure, title: str, line: str, theme: style.Theme, left: float = 0.15) -> None:
    """Title and reading line, top left; `left` in inches."""
    width, height = figure.get_size_inches()
    figure.text(
        left / width, 1 - 0.16 / height, title, fontsize=style.TITLE, fontweight="bold", color=theme.ink, va="top"
    )
    figure.text(left / width, 1 - 0.43 / height, line, fontsize=style.CAPTION, color=theme.muted, va="top")


# ---------------------------------------------------------------- learning curves


def plot_history(history: Any, *, title: str = "Learning curves", theme: str | style.Theme = "light") -> Plot:
    """Learning curves: one panel per quantity, the training series with discs, that of validation with open squares.

    ``history`` maps names to one number per epoch (a mapping, or an object with such attributes, as `nn.fit` returns
    it). The last words of a name give the quantity (``loss``, ``accuracy``, ``lr``, ...); ``val``, ``validation`` or
    ``test`` in it marks held-out data. Missing numbers are nan or None; ``epoch``, if there, is the horizontal axis; a
    learning rate that never changes is left out. The best epoch by it is ringed and named.

    Raises `DrawingError` when there is nothing to plot, or a series has another length.

    >>> plot_history({"loss": [1.0, 0.5], "validation_loss": [1.1, 0.7]})
    Plot('Learning curves: loss over 2 epochs, best validation loss 0.7 at epoch 2')
    """
    colours = style.theme_named(theme)
    given = history if isinstance(history, Mapping) else getattr(history, "__dict__", None)
    if given is None:
        raise refused(history, "history", "what nn.fit returned, or a dict of lists")
    columns = {
        name: numbers_of([math.nan if x is None else x for x in xs], f"the series {name!r}").astype(float)
        for name, xs in given.items()
        if not isinstance(xs, str) and np.ndim(xs) == 1
    }
    epochs = next((columns[name] for name in ("epoch", "epochs") if name in columns), None)
    panels: dict[str, dict[str, np.ndarray]] = {}
    for name, xs in columns.items():
        constant = _quantity(name) == "learning rate" and np.all(xs == xs[:1])
        if name.lower() not in SKIPPED and np.isfinite(xs).any() and not constant:
            panels.setdefault(_quantity(name), {})[name] = xs
    if not panels:
        raise DrawingError(
            f"there is nothing to plot in a history with {', '.join(given) or 'no series'}: plot_history wants names"
            " such as 'loss' or 'validation_accuracy', each with one finite number per epoch at least"
        )
    if epochs is None:
        epochs = np.arange(1.0, 1 + max(len(xs) for series in panels.values() for xs in series.values()))
    for series in panels.values():
        for name, xs in series.items():
            if len(xs) != len(epochs):
                raise DrawingError(
                    f"the series {name!r} has {len(xs)} numbers for {len(epochs)} epochs: give one per epoch, nan or"
                    " None where there is none"
                )
    with _settings():
        figure = _figure(PANEL[0] * len(panels), PANEL[1] + 0.65, colours)
        words = [
            _curves(figure, i, quantity, epochs, series, colours) for i, (quantity, series) in enumerate(panels.items())
        ]
        held = any(_held_out(name) for series in panels.values() for name in series)
        line = "disc = training;  open square = validation;  ring = its best" if held else "disc = training"
        _heading(figure, title, line, colours)
    count = f"{len(epochs)} epoch{'s' if len(epochs) != 1 else ''}"
    best = "".join(f", {word}" for word in words if word)
    return Plot(figure, f"{title}: {', '.join(panels)} over {count}{best}")


def histories(history: Any) -> list[Plot]:
    """`plot_history` with a picture of its own for each quantity, so that a page can put them below one another."""
    plot_history(history)  # raises what there is to raise
    given = dict(history if isinstance(history, Mapping) else vars(history))
    shared = {name: given[name] for name in ("epoch", "epochs") if name in given and np.ndim(given[name]) == 1}
    found: dict[str, dict[str, Any]] = {}
    for name, xs in given.items():
        if name.lower() not in SKIPPED and name not in shared and not isinstance(xs, str) and np.ndim(xs) == 1:
            found.setdefault(_quantity(name), {})[name] = xs
    plots = []
    for quantity, series in found.items():
        with suppress(DrawingError):  # a quantity that never changes, or has no number
            plot = plot_history(shared | series, title=quantity[:1].upper() + quantity[1:])
            plot.figure.axes[0].set_title("", loc="left")  # it is the headline
            plots.append(plot)
    return plots


def _quantity(name: str) -> str:
    words = name.lower().replace("-", "_").split("_")
    rest = [word for word in words if word not in HELD_OUT and word not in ("train", "training")]
    return {"lr": "learning rate", "acc": "accuracy"}.get(" ".join(rest), " ".join(rest) or name)


def _held_out(name: str) -> bool:
    return any(word in HELD_OUT for word in name.lower().replace("-", "_").split("_"))


def _curves(
    figure: Figure,
    place: int,
    quantity: str,
    epochs: np.ndarray,
    series: Mapping[str, np.ndarray],
    theme: style.Theme,
) -> str:
    """One panel; returns the sentence about its best validation epoch."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

    width, height = figure.get_size_inches()
    left, right, bottom, top = 0.75, 1.15, 0.5, 1.0  # inches around the axes; the lines' names stand on the right
    axes = figure.add_axes(
        (
            (place * PANEL[0] + left) / width,
            bottom / height,
            (PANEL[0] - left - right) / width,
            (height - bottom - top) / height,
        )
    )
    _plain(axes, theme)
    axes.set_title(quantity, fontsize=style.NAME, fontweight="bold", color=theme.ink, loc="left")
    axes.set_xlabel("epoch", fontsize=style.CAPTION, color=theme.muted)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6, min_n_ticks=1))
    share = quantity.rsplit(maxsplit=1)[-1] in ("accuracy", "error") and all(
        np.nanmin(xs) >= 0 and np.nanmax(xs) <= 1 for xs in series.values()
    )
    finite = np.concatenate([xs[np.isfinite(xs)] for xs in series.values()])
    if not share and finite.min() > 0 and finite.max() > 20 * finite.min():
        axes.set_yscale("log")
        axes.yaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{100 * y:g} %" if share else numbers.short(y)))

    say = (lambda y: f"{100 * y:.2f} %") if share else numbers.short
    sentence = ""
    ends: list[tuple[float, str, str, bool]] = []
    dense = len(epochs) > 30
    for name, ys in sorted(series.items(), key=lambda item: _held_out(item[0])):
        held = _held_out(name)
        colour = theme.ink if held else theme.fwd
        axes.plot(
            epochs,
            ys,
            color=colour,
            linewidth=1.6,
            marker="s" if held else "o",
            markersize=4.5,
            markerfacecolor=theme.paper if held else colour,
            markeredgewidth=1.2,
            markevery=max(1, len(epochs) // 15) if dense else 1,
            clip_on=False,
            zorder=3 if held else 2,
            gid=f"series_{name}",
        )
        known = np.flatnonzero(np.isfinite(ys))
        label = "validation" if held else "training" if len(series) > 1 else ""
        ends.append((float(ys[known[-1]]), label, f"{say(ys[known[-1]])}", held))
        goal = GOALS.get(quantity.rsplit(maxsplit=1)[-1])
        if held and goal is not None:
            at = min(known, key=lambda i: ys[i]) if goal is min else max(known, key=lambda i: ys[i])
            axes.plot(
                epochs[at], ys[at], "o", markersize=11, markerfacecolor="none", color=theme.ink, clip_on=False, zorder=4
            )
            sentence = f"best validation {quantity} {say(ys[at])} at epoch {numbers.short(epochs[at])}"
            best = f"○ {say(ys[at])}, epoch {numbers.short(epochs[at])}"  # short, as the panel's title stands beside it
            axes.set_title(best, loc="right", fontsize=style.CAPTION, color=theme.muted)
    _name_ends(axes, ends, theme)
    return sentence


def _name_ends(axes: Axes, ends: list[tuple[float, str, str, bool]], theme: style.Theme) -> None:
    """The name and last number of each line, right of its end, kept apart: no legend to look up."""
    axes.get_ylim()  # only now the limits follow from the data
    height = axes.get_window_extent().height * 72 / axes.figure.dpi
    gap = 26.0
    placed: list[tuple[float, tuple[float, str, str, bool]]] = []
    for end in sorted(ends, key=lambda end: end[0]):
        y = axes.transAxes.inverted().transform(axes.transData.transform((0, end[0])))[1] * height
        placed.append((max(y, placed[-1][0] + gap) if placed else y, end))
    overshoot = max(0.0, placed[-1][0] - height)
    for y, (_, label, number, held) in placed:
        axes.annotate(
            f"{label}\n{number}" if label else number,
            (1, (y - overshoot) / height),
            xycoords="axes fraction",
            xytext=(10, 0),
            textcoords="offset points",
            va="center",
            fontsize=style.CAPTION,
            color=theme.ink if held else theme.fwd,
            annotation_clip=False,
        )


def _plain(axes: Axes, theme: style.Theme) -> None:
    axes.set_facecolor(theme.paper)
    axes.tick_params(colors=theme.muted, labelsize=style.CAPTION, length=3)
    axes.grid(axis="y", color=theme.hair, linewidth=0.6)
    axes.set_axisbelow(True)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(theme.hair)


# ---------------------------------------------------------------- the sheet of digits


def _value_colours() -> ListedColormap:
    from matplotlib.colors import ListedColormap

    return ListedColormap(list(style.ramp(style.VALUE_RAMP[0], style.VALUE_RAMP[-1], 64)))


def _pictures(images: Any) -> np.ndarray:
    """(n, height, width) of what was given as that, as (n, 1, height, width) or as flat squares (n, side²)."""
    given = numbers_of(images, "images")
    array = given[:, 0] if given.ndim == 4 and given.shape[1] == 1 else given
    if array.ndim == 2:
        side = math.isqrt(array.shape[1])
        if side * side == array.shape[1] and side:
            array = array.reshape(-1, side, side)
    if array.ndim != 3 or 0 in array.shape:
        raise DrawingError(
            f"images of shape {numbers.shape(given.shape)} cannot be laid out on a sheet: give (n, height, width) with"
            " n at least 1, or n flat squares (n, side * side)"
        )
    return array.astype(float)


def _classes_of(values: Any, n: int, name: str, others: str = "images") -> np.ndarray:
    array = np.asarray(host(values))
    if array.shape != (n,) or array.dtype.kind not in "iub":
        raise DrawingError(
            f"{name} of shape {numbers.shape(array.shape)} and dtype {array.dtype} do not go with {n} {others}: give"
            " one integer class for each"
        )
    return array.astype(int)


def plot_digits(
    images: Any,
    labels: Any = None,
    predictions: Any = None,
    probabilities: Any = None,
    *,
    columns: int = 10,
    classes: Sequence[str] | None = None,
    title: str | None = None,
    theme: str | style.Theme = "light",
) -> Plot:
    """A sheet of small images, each with its prediction; a mistake has a thick frame and its true label.

    ``images`` is (n, height, width), or (n, side²) for flat squares; ``labels`` and ``predictions`` are (n,) integers;
    ``probabilities`` is (n,), of the predicted class, or (n, classes), from which ``predictions`` follow when they are
    not given. ``classes`` gives the classes names instead of numbers. Tensors and arrays will do.

    Raises `DrawingError` for shapes that do not go together.

    >>> import numpy as np
    >>> plot_digits(np.eye(16)[None].repeat(3, 0), labels=[1, 7, 7], predictions=[1, 1, 7])
    Plot('3 images, 1 mistake: number 2 is 7, read as 1')
    """
    colours = style.theme_named(theme)
    pictures = _pictures(images)
    n = len(pictures)
    certainty: np.ndarray | None = None
    if probabilities is not None:
        table = numbers_of(probabilities, "probabilities").astype(float)
        if table.ndim not in (1, 2) or len(table) != n:
            raise DrawingError(
                f"probabilities of shape {numbers.shape(table.shape)} do not go with {n} images: give (n,), of the"
                " predicted class, or (n, classes)"
            )
        if table.ndim == 2 and predictions is None:
            predictions = table.argmax(axis=1)
        if table.ndim == 2:
            certainty = table[np.arange(n), _classes_of(predictions, n, "predictions")]
        else:
            certainty = table
    said = None if predictions is None else _classes_of(predictions, n, "predictions")
    true = None if labels is None else _classes_of(labels, n, "labels")

    if classes is not None:
        class_names(classes, max(len(classes), *(int(k.max()) + 1 for k in (true, said) if k is not None), 0))

    def word(k: int) -> str:
        return str(k) if classes is None else classes[k]

    wrong = np.zeros(n, dtype=bool) if said is None or true is None else said != true
    columns = max(1, min(columns, n))
    rows = -(-n // columns)
    kind = f"{n} image{'s' if n != 1 else ''}"
    mistakes = int(wrong.sum())
    judged = said is not None and true is not None
    if title is None:
        title = f"{kind}, {mistakes} mistake{'s' if mistakes != 1 else ''}" if judged else kind
    cell_height = CELL + (0.34 if judged and mistakes else 0.2 if said is not None or true is not None else 0.08)
    left, top, bottom = 0.15, 0.8, 0.12  # inches
    width = max(columns * (CELL + 0.16) + 2 * left, 5.6)
    height = rows * cell_height + top + bottom
    with _settings():
        figure = _figure(width, height, colours)
        line = "what the network says" + (" and how sure it is" if certainty is not None else "")
        if mistakes:
            line += "; thick frame = mistake, with what it is"
        _heading(figure, title, line if said is not None else "as the network sees them", colours)
        ramp = _value_colours()
        finite = pictures[np.isfinite(pictures)]
        low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
        for i, picture in enumerate(pictures):
            row, column = divmod(i, columns)
            x = left + column * (CELL + 0.16) + 0.08
            y = height - top - row * cell_height - CELL
            axes = figure.add_axes((x / width, y / height, CELL / width, CELL / height))
            axes.imshow(picture, cmap=ramp, vmin=low, vmax=high if high > low else low + 1, interpolation="nearest")
            axes.set_xticks([])
            axes.set_yticks([])
            for spine in axes.spines.values():
                spine.set_color(colours.bad if wrong[i] else colours.hair)
                spine.set_linewidth(2.6 if wrong[i] else 0.8)
            axes.set_gid(f"digit_{i}_wrong" if wrong[i] else f"digit_{i}")
            caption = "" if said is None else word(said[i])
            if said is None and true is not None:
                caption = word(true[i])
            sure = "" if certainty is None else _percent(certainty[i])
            under = y - 0.03
            ink = colours.bad if wrong[i] else colours.ink
            figure.text(x / width, under / height, caption, fontsize=style.CELL, fontweight="bold", color=ink, va="top")
            figure.text(
                (x + CELL) / width,
                (under - 0.01) / height,
                sure,
                fontsize=style.SMALL,
                color=colours.muted,
                va="top",
                ha="right",
            )
            if wrong[i] and true is not None:
                figure.text(
                    x / width,
                    (under - 0.15) / height,
                    f"is {word(true[i])}",
                    fontsize=style.SMALL,
                    fontweight="bold",
                    color=colours.bad,
                    va="top",
                )
                figure.text(
                    (x + CELL - 0.02) / width,
                    (under - 0.17) / height,
                    "WRONG",
                    fontsize=style.TAG - 1,
                    fontweight="bold",
                    color=colours.paper,
                    ha="right",
                    va="top",
                    bbox={"facecolor": colours.bad, "edgecolor": "none", "pad": 1.2},
                )
    listed = [f"number {i + 1} is {word(true[i])}, read as {word(said[i])}" for i in np.flatnonzero(wrong)[:5]]  # type: ignore[index]
    more = f" and {mistakes - 5} more" if mistakes > 5 else ""
    return Plot(figure, title + (": " + "; ".join(listed) + more if listed else ""))


def _percent(share: float) -> str:
    """A probability in percent: whole from 10 to 99, finer near certainty, where it matters.

    >>> _percent(0.5), _percent(0.9962), _percent(0.99996), _percent(0.0004)
    ('50 %', '99.6 %', '> 99.9 %', '< 0.1 %')
    """
    value = 100 * float(share)
    if not math.isfinite(value):
        return str(value)
    if 99.95 <= value < 100:
        return "> 99.9 %"
    if 0 < value < 0.05:
        return "< 0.1 %"
    return f"{value:.1f} %" if value < 9.95 or 99 <= value < 100 else f"{value:.0f} %"


# ---------------------------------------------------------------- the confusion matrix


def plot_confusion(
    labels: Any,
    predictions: Any,
    *,
    classes: Sequence[str] | None = None,
    title: str | None = None,
    theme: str | style.Theme = "light",
) -> Plot:
    """Confusion matrix: a row for each true class, a column for each predicted one.

    ``labels`` and ``predictions`` are (n,) integers from 0. The diagonal, the correct predictions, is boxed; other
    cells are darker the more mistakes they have. The recall of each class is on the right, the precision of each
    prediction below.

    Raises `DrawingError` for shapes that do not go together or integers outside of ``classes``.

    >>> plot_confusion([0, 0, 1, 1], [0, 1, 1, 1])
    Plot('3 of 4 right (75 %), most often 0 read as 1 (1 time)')
    """
    colours = style.theme_named(theme)
    true = np.asarray(host(labels))
    if true.ndim != 1 or true.size == 0:
        shape = numbers.shape(true.shape)
        raise DrawingError(f"labels of shape {shape} are no list of classes: give (n,), n at least 1")
    true, said = _classes_of(true, true.size, "labels"), _classes_of(predictions, true.size, "predictions", "labels")
    if classes is not None:
        class_names(classes, len(classes) if isinstance(classes, Sequence) else 0)
    k = len(classes) if classes is not None else int(max(true.max(), said.max())) + 1
    for name, values in (("labels", true), ("predictions", said)):
        if values.min() < 0 or values.max() >= k:
            wrong = int(values[(values < 0) | (values >= k)][0])
            raise DrawingError(f"{name} contain {wrong}, which is none of {k} classes: give integers from 0 to {k - 1}")
    counts = np.zeros((k, k), dtype=int)
    np.add.at(counts, (true, said), 1)
    right, total = int(np.trace(counts)), int(counts.sum())
    names = [str(i) for i in range(k)] if classes is None else list(classes)
    mistakes = counts - np.diag(np.diag(counts))
    most = int(mistakes.max())
    share = f"{100 * right / total:.2f} %" if total >= 1000 else _percent(right / total)
    summary = f"{right:,} of {total:,} right ({share})"
    worst = ""
    if most:
        a, b = divmod(int(mistakes.argmax()), k)
        worst = f", most often {names[a]} read as {names[b]} ({most:,} time{'s' if most != 1 else ''})"

    size = 0.46  # inches of a cell
    margin = 0.35 + 0.085 * max(map(len, names))
    side, edge = k * size, 0.45
    slanted = max(map(len, names)) > 4
    top = 1.05 + (0.07 * max(map(len, names)) if slanted else 0)
    width, height = max(margin + side + 0.95, 5.4), top + side + edge
    with _settings():
        from matplotlib.patches import Rectangle

        figure = _figure(width, height, colours)
        _heading(
            figure, title or summary, "row = what it is     column = what the network says     boxed = right", colours
        )
        axes = figure.add_axes((margin / width, edge / height, side / width, side / height))
        axes.set_xlim(0, k)
        axes.set_ylim(k, 0)
        axes.set_axis_off()
        for i in range(k):
            for j in range(k):
                n = int(counts[i, j])
                ground = colours.paper if i == j or not n else style.on_ramp(0.15 + 0.85 * n / most)
                axes.add_patch(Rectangle((j, i), 1, 1, facecolor=ground, edgecolor=colours.hair, linewidth=0.6))
                ink = colours.ink if ground == colours.paper else style.text_on(ground, colours)
                weight = "bold" if i == j else "normal"
                words = f"{n}" if n or i == j else ""
                axes.text(
                    j + 0.5, i + 0.5, words, ha="center", va="center", fontsize=style.CAPTION, color=ink, weight=weight
                )
            box = Rectangle(
                (i, i), 1, 1, facecolor="none", edgecolor=colours.ink, linewidth=1.8, zorder=3, clip_on=False
            )
            axes.add_patch(box)
            found, claimed = counts[i].sum(), counts[:, i].sum()
            recall = _percent(counts[i, i] / found) if found else "none"
            precision = _percent(counts[i, i] / claimed) if claimed else "none"
            small: dict[str, Any] = {"fontsize": style.SMALL, "color": colours.muted}
            bold: dict[str, Any] = {"fontsize": style.CELL, "color": colours.ink, "weight": "bold"}
            axes.text(-0.25, i + 0.5, names[i], ha="right", va="center", **bold)
            if slanted:
                axes.text(i + 0.4, -0.15, names[i], rotation=45, rotation_mode="anchor", ha="left", va="center", **bold)
            else:
                axes.text(i + 0.5, -0.35, names[i], ha="center", va="center", **bold)
            axes.text(k + 0.2, i + 0.5, recall, ha="left", va="center", **small)
            axes.text(i + 0.5, k + 0.35, precision, ha="center", va="center", **small)
        axes.text(k + 0.2, -0.35, "found", ha="left", va="center", fontsize=style.SMALL, color=colours.muted)
        axes.text(-0.25, k + 0.35, "right", ha="right", va="center", fontsize=style.SMALL, color=colours.muted)
    return Plot(figure, summary + worst)
