"""Learning curves: a panel for each quantity."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from glassgrad.autograd.common.validation import refused
from glassgrad.viz.drawing import numbers, style, words
from glassgrad.viz.drawing.errors import DrawingError
from glassgrad.viz.drawing.style import LIGHT
from glassgrad.viz.drawing.texts import clipped, one_line
from glassgrad.viz.plots.figure import Plot, name_lines, plain_axes, plain_numbers, titled_figure
from glassgrad.viz.recorded.validation import numbers_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes


PANEL, ACROSS, TOP = (4.3, 2.4), 2, 0.65  # inches: one panel, so many side by side, and the title above all

GOALS = {"loss": min, "error": min, "accuracy": max}  # the best value, by the last word of a series' name
SKIPPED = ("epoch", "epochs", "step", "steps", "seconds", "time")
HELD_OUT = ("val", "valid", "validation", "test", "heldout")
MARKS = "os^DvPX"  # of runs, which differ without colour

Series = Mapping[str, np.ndarray]  # of one quantity, by name


def plot_history(history: Any, *, title: str = "Learning curves") -> Plot:
    """Learning curves: one panel per quantity, the training series with discs, that of validation with open squares.

    ``history`` maps names to one number per epoch (a mapping, or an object with such attributes, as `nn.fit` returns
    it). The last words of a name give the quantity (``loss``, ``accuracy``, ``lr``, ...); ``val``, ``validation`` or
    ``test`` in it marks held-out data. Missing numbers are nan or None; ``epoch``, if present, is the horizontal axis;
    a learning rate that never changes is left out. The best validation epoch is ringed and named.

    A dict or a list of up to 7 histories compares runs: their curves share the panels. Each run has its own mark and
    lightness; validation is dashed with open marks. The names stand beside a panel, that of the highest line first.

    Raises `DrawingError` when there is nothing to plot, a series has another length, or there are too many runs or
    two of one name.

    >>> plot_history({"loss": [1.0, 0.5], "validation_loss": [1.1, 0.7]})
    Plot('Learning curves: loss over 2 epochs; best validation loss: 0.7 at epoch 2')
    >>> plot_history({"SGD": {"loss": [1.0, 0.5]}, "Adam": {"loss": [0.8, 0.2]}})
    Plot('Learning curves of 2 runs (SGD, Adam): loss over 2 epochs')
    """
    runs = _runs(history)
    if not 0 < len(runs) <= len(MARKS):
        raise DrawingError(f"{len(runs)} runs can't be drawn in one panel: give 1 to {len(MARKS)} histories")
    return _plot({name: _series(run, name) for name, run in runs.items()}, title)


def histories(history: Any) -> list[Plot]:
    """One `plot_history` for each quantity, for pages that show them below one another."""
    epochs, panels = _series(history)
    plots = []
    for quantity, series in panels.items():
        plot = _plot({"": (epochs, {quantity: series})}, quantity[:1].upper() + quantity[1:])
        plot.figure.axes[0].set_title("", loc="left")  # it is the headline
        plots.append(plot)
    return plots


def _runs(history: Any) -> dict[str, Any]:
    """The histories of several runs by name; the name of a single history is empty."""
    if isinstance(history, list | tuple):
        return {words.say("run {n}", n=i + 1): run for i, run in enumerate(history)}
    if not isinstance(history, Mapping) or not history:
        return {"": history}
    runs = (isinstance(run, Mapping) or (hasattr(run, "__dict__") and not np.ndim(run)) for run in history.values())
    if not all(runs):
        return {"": history}
    names = [one_line(name) for name in history]
    if "" in names or len(set(names)) < len(names):
        raise DrawingError(f"runs named {', '.join(map(repr, history))}: give each a name of its own")
    return dict(zip(names, history.values(), strict=True))


def _series(history: Any, run: str = "") -> tuple[np.ndarray, dict[str, dict[str, np.ndarray]]]:
    """The epochs, and the series of each quantity."""
    of = f" of run {run!r}" if run else ""
    given = history if isinstance(history, Mapping) else getattr(history, "__dict__", None)
    if given is None:
        raise refused(history, "history", "what nn.fit returned, or a dict of lists")
    columns = {
        one_line(name): numbers_of([math.nan if x is None else x for x in xs], f"the series {name!r}").astype(float)
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
            f"there is nothing to plot in a history{of} with {', '.join(given) or 'no series'}: plot_history needs"
            " names such as 'loss' or 'validation_accuracy', each with a number per epoch, at least one of them finite"
        )
    if epochs is None:
        epochs = np.arange(1.0, 1 + max(len(xs) for series in panels.values() for xs in series.values()))
    for series in panels.values():
        for name, xs in series.items():
            if len(xs) != len(epochs):
                raise DrawingError(
                    f"the series {name!r}{of} has {len(xs)} numbers for {len(epochs)} epochs: give one per epoch, nan"
                    " or None where there is none"
                )
    return epochs, panels


def _plot(runs: Mapping[str, tuple[np.ndarray, Mapping[str, Series]]], title: str) -> Plot:
    """The panels of these runs, whose name is empty if there is only one."""
    quantities = list(dict.fromkeys(quantity for _, panels in runs.values() for quantity in panels))
    held = any(_held_out(name) for _, panels in runs.values() for series in panels.values() for name in series)
    line = "" if "" in runs else "a mark for each run"
    if held:
        line = "disc = training;  open square = validation" if "" in runs else f"{line};  dashed and open = validation"
        line += ";  ring = its best"
    words = []
    across, down = min(len(quantities), ACROSS), -(-len(quantities) // ACROSS)
    height = PANEL[1] * down + TOP
    with titled_figure(PANEL[0] * across, height, title, line) as figure:
        for i, quantity in enumerate(quantities):
            axes = figure.add_subplot(down, across, i + 1)
            there = {name: (epochs, panels[quantity]) for name, (epochs, panels) in runs.items() if quantity in panels}
            words.append(_curves(axes, quantity, there, list(runs)))
        figure.set_layout_engine("constrained", rect=(0, 0, 1, 1 - TOP / height), w_pad=0.1, h_pad=0.1)
    count = numbers.counted(max(len(epochs) for epochs, _ in runs.values()), "epoch")
    best = "".join(f"; {word}" for word in words if word)
    title = title if "" in runs else f"{title} of {numbers.counted(len(runs), 'run')} ({', '.join(runs)})"
    return Plot(figure, f"{title}: {', '.join(quantities)} over {count}{best}", [name for name in runs if name])


def _quantity(name: str) -> str:
    words = name.lower().replace("-", "_").split("_")
    rest = [word for word in words if word not in HELD_OUT and word not in ("train", "training")]
    return {"lr": "learning rate", "acc": "accuracy"}.get(" ".join(rest), " ".join(rest) or name)


def _held_out(name: str) -> bool:
    return any(word in HELD_OUT for word in name.lower().replace("-", "_").split("_"))


def _curves(axes: Axes, quantity: str, runs: Mapping[str, tuple[np.ndarray, Series]], order: Sequence[str]) -> str:
    """Draw one panel; returns the words on the best validation epochs. ``order``: the names of all runs."""
    several = "" not in runs
    plain_axes(axes, quantity, "epoch")
    axes.locator_params("x", integer=True, nbins=6, min_n_ticks=1)
    drawn = np.concatenate([xs[np.isfinite(xs)] for _, series in runs.values() for xs in series.values()])
    last = (quantity.split() or [""])[-1]
    share = last in ("accuracy", "error") and drawn.min() >= 0 and drawn.max() <= 1
    if not share and drawn.min() > 0 and drawn.max() > 20 * drawn.min():
        axes.set_yscale("log")
    plain_numbers(axes.yaxis, (lambda y: f"{100 * y:g} %") if share else numbers.short)

    say = (lambda y: f"{100 * y:.2f} %") if share else numbers.short
    shades = style.ramp(style.mix(LIGHT.fwd, LIGHT.paper, 0.35), LIGHT.ink, max(len(order), 2))
    goal = GOALS.get(last)
    sentences: list[str] = []
    ends: dict[str, tuple[float, Any]] = {}
    for run, (epochs, series) in runs.items():
        for name, ys in sorted(series.items(), key=lambda item: _held_out(item[0])):
            held = _held_out(name)
            colour = shades[order.index(run)] if several else LIGHT.ink if held else LIGHT.fwd
            look: dict[str, Any] = {"color": colour, "markersize": 4.5, "markeredgewidth": 1.2}
            look |= {"marker": MARKS[order.index(run)] if several else "s" if held else "o"}
            look |= {"markerfacecolor": LIGHT.paper if held else colour}
            line: dict[str, Any] = {"linewidth": 1.6, "linestyle": "--" if held and several else "-"}
            line |= {"markevery": max(1, len(epochs) // 15) if len(epochs) > 30 else 1}
            line |= {"gid": one_line(f"series_{name}{f'_{run}' if several else ''}")}
            (drawn_line,) = axes.plot(epochs, ys, **look, **line, clip_on=False, zorder=3 if held else 2)
            known = np.flatnonzero(np.isfinite(ys))
            label = run if several else "validation" if held else "training" if len(series) > 1 else "last"
            if not several or held or not any(map(_held_out, series)):
                ends[f"{clipped(label)}   {say(ys[known[-1]])}"] = float(ys[known[-1]]), drawn_line
            if held and goal is not None:
                at = min(known, key=lambda i: ys[i]) if goal is min else max(known, key=lambda i: ys[i])
                ring: dict[str, Any] = {"markersize": 11, "markerfacecolor": "none", "color": LIGHT.ink}
                (circle,) = axes.plot(epochs[at], ys[at], "o", clip_on=False, zorder=4, **ring)
                when = f"{say(ys[at])} at epoch {numbers.short(epochs[at])}"
                sentences.append(f"{run} {when}" if several else when)
                if not several:
                    ends[f"best in epoch {numbers.short(epochs[at])}   {say(ys[at])}"] = float(ys[at]), circle
    name_lines(axes, ends)
    return f"best validation {quantity}: {'; '.join(sentences)}" if sentences else ""
