"""Learning curves: a panel for each quantity."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from autograd.common.validation import refused
from viz.drawing import numbers, style
from viz.drawing.errors import DrawingError
from viz.plots.figure import Plot, axes_at, heading, new_figure, panel_title, plain_axes, settings
from viz.recorded.validation import numbers_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


PANEL = (4.3, 3.0)  # inches, one panel of the learning curves

GOALS = {"loss": min, "error": min, "accuracy": max}  # the best value, by the last word of a series' name
SKIPPED = ("epoch", "epochs", "step", "steps", "seconds", "time")
HELD_OUT = ("val", "valid", "validation", "test", "heldout")


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
    epochs, panels = _series(history)
    return _plot(epochs, panels, title, style.theme_named(theme))


def histories(history: Any) -> list[Plot]:
    """One `plot_history` for each quantity, for pages that show them below one another."""
    epochs, panels = _series(history)
    plots = []
    for quantity, series in panels.items():
        plot = _plot(epochs, {quantity: series}, quantity[:1].upper() + quantity[1:], style.LIGHT)
        plot.figure.axes[0].set_title("", loc="left")  # it is the headline
        plots.append(plot)
    return plots


def _series(history: Any) -> tuple[np.ndarray, dict[str, dict[str, np.ndarray]]]:
    """The epochs, and the series of each quantity."""
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
            f"there is nothing to plot in a history with {', '.join(given) or 'no series'}: plot_history needs names"
            " such as 'loss' or 'validation_accuracy', each with a number per epoch, at least one of them finite"
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
    return epochs, panels


def _plot(epochs: np.ndarray, panels: Mapping[str, Mapping[str, np.ndarray]], title: str, colours: style.Theme) -> Plot:
    """The panels of these series."""
    with settings():
        figure = new_figure(PANEL[0] * len(panels), PANEL[1] + 0.65, colours)
        words = [
            _curves(figure, i, quantity, epochs, series, colours) for i, (quantity, series) in enumerate(panels.items())
        ]
        held = any(_held_out(name) for series in panels.values() for name in series)
        line = "disc = training;  open square = validation;  ring = its best" if held else "disc = training"
        heading(figure, title, line, colours)
    count = numbers.counted(len(epochs), "epoch")
    best = "".join(f", {word}" for word in words if word)
    return Plot(figure, f"{title}: {', '.join(panels)} over {count}{best}")


def _quantity(name: str) -> str:
    words = name.lower().replace("-", "_").split("_")
    rest = [word for word in words if word not in HELD_OUT and word not in ("train", "training")]
    return {"lr": "learning rate", "acc": "accuracy"}.get(" ".join(rest), " ".join(rest) or name)


def _held_out(name: str) -> bool:
    return any(word in HELD_OUT for word in name.lower().replace("-", "_").split("_"))


def _curves(
    figure: Figure, place: int, quantity: str, epochs: np.ndarray, series: Mapping[str, np.ndarray], theme: style.Theme
) -> str:
    """Draw one panel; returns the words on its best validation epoch."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

    left, right, bottom, top = 0.75, 1.15, 0.5, 1.0  # inches around the axes; the lines' names stand on the right
    height = figure.get_size_inches()[1]
    axes = axes_at(figure, place * PANEL[0] + left, bottom, PANEL[0] - left - right, height - bottom - top)
    plain_axes(axes, theme)
    panel_title(axes, quantity, theme)
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
    """Write the name and last number of each line right of its end, without overlaps."""
    axes.get_ylim()  # makes matplotlib compute the limits
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
