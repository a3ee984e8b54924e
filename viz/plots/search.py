"""Pictures of a search for a network: sketches of networks, learning curves, and accuracy against size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from glassgrad.viz.drawing import numbers, style
from glassgrad.viz.drawing.errors import DrawingError
from glassgrad.viz.drawing.style import LIGHT
from glassgrad.viz.drawing.texts import clipped
from glassgrad.viz.plots.figure import Plot, axes_at, panel_title, plain_axes, plain_numbers, titled_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH, HEIGHT = 9.4, 6.2  # inches
SKETCHES = 10  # networks that are sketched, the best first


def plot_search(result: Any, *, title: str = "Search for a network") -> Plot:
    """The trials of `nn.search`: sketches of the best networks, learning curves, and accuracy against size.

    ``result``: what `nn.search` returned, or anything with its ``trials`` and ``pareto()``. A sketch has a bar for each
    layer, as high as the logarithm of its width, stronger if the network is accurate. Learning curves of trials that
    were stopped end in a cross. The line in the third panel joins the networks that no smaller network equals in
    accuracy. The choices one by one are drawn by Optuna: ``optuna.visualization.matplotlib.plot_slice(result.study)``.

    Raises `DrawingError` if no trial has an accuracy.
    """
    known = [trial for trial in getattr(result, "trials", ()) if trial.accuracy is not None]
    if not known:
        raise DrawingError("no trial of this search has an accuracy: give a search that nn.search returned")
    ranked = sorted(known, key=lambda trial: (trial.state != "complete", -trial.accuracy))
    done = sum(trial.state == "complete" for trial in result.trials)
    tried = numbers.counted(len(result.trials), "trial")
    line = f"{tried}, {done} of them complete; stronger = more accurate"
    accuracies = np.array([trial.accuracy for trial in known])
    low, quarter, three = np.quantile(accuracies, [0.2, 0.25, 0.75])  # a few bad networks do not use up the range
    floor = float(accuracies[accuracies >= quarter - 3 * (three - quarter)].min())  # the lowest that is no outlier
    shares = 0.2 + 0.8 * np.clip((accuracies - low) / (accuracies.max() - low or 1.0), 0, 1)
    colours = {id(trial): style.on_ramp(float(share)) for trial, share in zip(known, shares, strict=True)}
    with titled_figure(WIDTH, HEIGHT, title, line) as figure:
        _sketches(axes_at(figure, 0.35, 3.4, 8.95, 1.7), ranked[:SKETCHES], colours)
        _curves(axes_at(figure, 0.75, 0.55, 3.85, 2.3), known, ranked[0], floor, colours)
        _front(axes_at(figure, 5.45, 0.55, 3.8, 2.3), known, result.pareto(), floor, colours)
    said = f"best {100 * ranked[0].accuracy:.2f} % with {_named(ranked[0])}"
    return Plot(figure, f"{title}: {tried}, {said}")


def _named(trial: Any) -> str:
    kind = trial.choice.get("model")
    sizes = "-".join(map(str, trial.layers))
    return f"{kind} {sizes}" if kind else sizes or "no layers"


def _sketches(axes: Axes, trials: Sequence[Any], colours: dict[int, str]) -> None:
    """Each network as bars, one for each layer, as high as the logarithm of its width."""
    axes.set(xlim=(0, SKETCHES), ylim=(-0.6, 1))
    widest = max((width for trial in trials for width in trial.layers), default=1)
    for place, trial in enumerate(trials):
        heights, step = np.log1p(trial.layers) / np.log1p(widest), 0.78 / max(4, len(trial.layers))
        at = place + 0.5 + step * (np.arange(len(heights)) - (len(heights) - 1) / 2)
        look: dict[str, Any] = {"color": colours[id(trial)], "edgecolor": LIGHT.ink, "linewidth": 0.7}
        axes.bar(at, heights, 0.72 * step, 0.5 - heights / 2, **look)
        words = f"{100 * trial.accuracy:.1f} %{'' if trial.state == 'complete' else ' ×'}"
        words = "\n".join([words, *(clipped(part, 11) for part in _named(trial).split(" ", 1))])
        axes.text(place + 0.5, -0.08, words, fontsize=style.TAG, color=LIGHT.ink, ha="center", va="top")
    axes.set_axis_off()
    panel_title(axes, "The best networks, layer by layer")


def _curves(axes: Axes, trials: Sequence[Any], best: Any, floor: float, colours: dict[int, str]) -> None:
    plain_axes(axes, "Held-out accuracy while learning", "epoch   (thick: the best;  ×: pruned)")
    for trial in trials:
        look: dict[str, Any] = {"color": colours[id(trial)], "linewidth": 1.1, "zorder": 2}
        look |= {"color": LIGHT.ink, "linewidth": 2.2, "zorder": 3} if trial is best else {}
        axes.plot(range(1, len(trial.curve) + 1), trial.curve, **look)
        if trial.state == "pruned":
            axes.plot(len(trial.curve), trial.curve[-1], "x", color=LIGHT.muted, markersize=5, zorder=4)
    starts = sorted(share for trial in trials for share in trial.curve if trial.accuracy >= floor)
    axes.set_ylim(bottom=starts[len(starts) // 20] - 0.01)
    axes.locator_params("x", integer=True, min_n_ticks=1)
    plain_numbers(axes.yaxis, lambda y: f"{100 * y:g} %")


def _front(axes: Axes, trials: Sequence[Any], front: Sequence[Any], floor: float, colours: dict[int, str]) -> None:
    """Discs of complete trials, crosses of those that were stopped; outliers stand at the lower edge."""
    from matplotlib.ticker import LogLocator

    low = "; triangle: lower" * any(trial.accuracy < floor for trial in trials)
    plain_axes(axes, "Accuracy against size", f"parameters   (line: none smaller is as accurate{low})")

    def place(trial: Any) -> tuple[int, float]:
        return max(1, trial.parameters), max(floor, trial.accuracy)

    for trial in trials:
        mark = "v" if trial.accuracy < floor else "o" if trial.state == "complete" else "x"
        edge = LIGHT.muted if mark == "x" else LIGHT.ink
        look: dict[str, Any] = {"markerfacecolor": colours[id(trial)], "markeredgecolor": edge, "markeredgewidth": 0.9}
        axes.plot(*place(trial), mark, markersize=5 if mark == "x" else 6.5, clip_on=False, zorder=3, **look)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(base=10, subs=(1.0, 2.0, 5.0), numticks=5))
    plain_numbers(axes.xaxis)
    plain_numbers(axes.yaxis, lambda y: f"{100 * y:g} %")
    if front:
        axes.step(*zip(*map(place, front), strict=True), where="post", color=LIGHT.fwd, linewidth=1.2, zorder=2)
    for trial in (*front[:1], *front[1:][-1:]):
        last = trial is front[-1]
        beside: dict[str, Any] = {"xytext": (-7, 4) if last else (7, -9), "ha": "right" if last else "left"}
        look = {"textcoords": "offset points", "fontsize": style.TAG, "color": LIGHT.muted}
        axes.annotate(_named(trial), place(trial), **beside, **look)
