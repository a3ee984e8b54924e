"""Pictures of a search for a network: sketches of networks, learning curves, accuracy against size and choices."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from glassgrad.autograd.common.validation import refused
from glassgrad.viz.drawing import style
from glassgrad.viz.drawing.errors import DrawingError
from glassgrad.viz.drawing.style import LIGHT
from glassgrad.viz.plots.figure import Plot, axes_at, panel_title, plain_axes, plain_numbers, titled_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH, HEIGHT = 10.0, 9.4  # inches
SKETCHES = 10  # networks that are sketched, the best first


def plot_search(result: Any, *, title: str = "Search for a network") -> Plot:
    """The trials of `nn.search`: sketches of the best networks, learning curves, accuracy against size and choices.

    ``result``: what `nn.search` returned, or anything with its ``trials`` and ``pareto()``. A sketch has a bar for each
    layer, as high as the logarithm of its width, dark if the network is accurate. Learning curves of trials that were
    stopped end in a cross. The line in the third panel joins the networks that no smaller network equals in accuracy.

    Raises `DrawingError` if no trial has an accuracy.
    """
    if not hasattr(result, "trials") or not hasattr(result, "pareto"):
        raise refused(result, "result", "what nn.search returned")
    known = [trial for trial in result.trials if trial.accuracy is not None]
    if not known:
        raise DrawingError("no trial of this search has an accuracy: there is nothing to plot")
    ranked = sorted(known, key=lambda trial: (trial.state != "complete", -trial.accuracy))
    ordered = sorted(trial.accuracy for trial in known)
    low, high = ordered[len(ordered) // 5], ordered[-1]  # so that a few bad networks do not use up the range of colours
    done = sum(trial.state == "complete" for trial in result.trials)
    line = f"{len(result.trials)} trials, {done} of them complete; dark = accurate"
    with titled_figure(WIDTH, HEIGHT, title, line) as figure:
        panels = _Panels(known, low, high)
        panels.sketches(axes_at(figure, 0.35, 6.55, 9.3, 1.75), ranked[:SKETCHES])
        panels.curves(axes_at(figure, 0.75, 3.55, 4.0, 2.3), ranked[0])
        panels.front(axes_at(figure, 5.7, 3.55, 3.95, 2.3), result.pareto())
        for i, (name, values) in enumerate(_choices(known).items()):
            panels.slice(axes_at(figure, 0.75 + 3.15 * i, 0.55, 2.55, 1.95), name, values)
    best = ranked[0]
    said = f"best {100 * best.accuracy:.2f} % with {_named(best)}"
    return Plot(figure, f"{title}: {len(result.trials)} trials, {said}")


def _named(trial: Any) -> str:
    kind = trial.choice.get("model")
    sizes = "-".join(map(str, trial.layers))
    return f"{kind} {sizes}" if kind else sizes or "no layers"


@dataclass
class _Panels:
    """The panels of one picture. ``low``, ``high``: the accuracies at the ends of the range of colours."""

    trials: Sequence[Any]
    low: float
    high: float

    @cached_property
    def floor(self) -> float:
        """The lowest accuracy that is no outlier: not three interquartile ranges below the lower quartile."""
        low, high = np.quantile([trial.accuracy for trial in self.trials], [0.25, 0.75])
        return float(min(trial.accuracy for trial in self.trials if trial.accuracy >= low - 3 * (high - low)))

    def colour(self, trial: Any) -> str:
        span = self.high - self.low
        return style.on_ramp(0.2 + 0.8 * max(0.0, trial.accuracy - self.low) / span if span > 0 else 1.0)

    def sketches(self, axes: Axes, trials: Sequence[Any]) -> None:
        """Each network as bars, one for each layer."""
        from matplotlib.patches import Rectangle

        tallest = max((math.log2(1 + n) for trial in trials for n in trial.layers), default=1.0)
        axes.set_xlim(0, SKETCHES)
        axes.set_ylim(-0.75, 1.05)
        for place, trial in enumerate(trials):
            shown = trial.layers[:12]
            step = 0.78 / max(4, len(shown))
            left = place + 0.5 - step * len(shown) / 2
            for i, n in enumerate(shown):
                height = math.log2(1 + n) / tallest
                bar = Rectangle(
                    (left + i * step, 0.5 - height / 2), 0.72 * step, height,
                    facecolor=self.colour(trial), edgecolor=LIGHT.ink, linewidth=0.7,
                )  # fmt: skip
                axes.add_patch(bar)
            stopped = "" if trial.state == "complete" else " ×"
            middle: dict[str, Any] = {"ha": "center", "va": "top"}
            said = f"{100 * trial.accuracy:.1f} %{stopped}"
            axes.text(place + 0.5, -0.08, said, fontsize=style.CAPTION, color=LIGHT.ink, **middle)
            sizes = "-".join(map(str, trial.layers[:3])) + ("…" if len(trial.layers) > 3 else "")
            axes.text(place + 0.5, -0.27, sizes, fontsize=style.TAG, color=LIGHT.muted, **middle)
            kind = trial.choice.get("model") or trial.choice.get("activation") or ""
            axes.text(place + 0.5, -0.43, str(kind)[:10], fontsize=style.TAG, color=LIGHT.muted, **middle)
        axes.set_axis_off()
        panel_title(axes, "The best networks, layer by layer")

    def curves(self, axes: Axes, best: Any) -> None:
        from matplotlib.ticker import MaxNLocator

        plain_axes(axes, "Held-out accuracy while learning", "epoch   (black: the best;  ×: pruned)")
        for trial in self.trials:
            epochs = range(1, len(trial.curve) + 1)
            first = trial is best
            colour = LIGHT.ink if first else self.colour(trial)
            axes.plot(epochs, trial.curve, color=colour, linewidth=2.2 if first else 1.1, zorder=3 if first else 2)
            if trial.state == "pruned":
                axes.plot(len(trial.curve), trial.curve[-1], "x", color=LIGHT.muted, markersize=5, zorder=4)
        starts = sorted(share for t in self.trials for share in t.curve if t.accuracy >= self.floor)
        axes.set_ylim(bottom=starts[len(starts) // 20] - 0.01)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        _share(axes)

    def points(self, axes: Axes, xs: Sequence[float | None]) -> None:
        """Discs of complete trials, crosses of those that were stopped; outliers stand at the lower edge."""
        for x, trial in zip(xs, self.trials, strict=True):
            if x is None:
                continue
            stopped = trial.state != "complete"
            axes.plot(
                x, max(self.floor, trial.accuracy), "v" if trial.accuracy < self.floor else "x" if stopped else "o",
                markersize=5 if stopped else 6.5,
                markerfacecolor=self.colour(trial), markeredgecolor=LIGHT.muted if stopped else LIGHT.ink,
                markeredgewidth=0.9, clip_on=False, zorder=3,
            )  # fmt: skip
        _share(axes)

    def front(self, axes: Axes, front: Sequence[Any]) -> None:
        plain_axes(axes, "Accuracy against size", "parameters   (line: no smaller network is as accurate)")
        self.points(axes, [max(1, trial.parameters) for trial in self.trials])
        _logarithmic(axes)
        if front:
            xs, ys = [max(1, t.parameters) for t in front], [max(self.floor, t.accuracy) for t in front]
            axes.step(xs, ys, where="post", color=LIGHT.fwd, linewidth=1.2, zorder=2)
        for trial in {id(trial): trial for trial in (*front[:1], *front[-1:])}.values():
            last = trial is front[-1]
            axes.annotate(
                _named(trial), (max(1, trial.parameters), max(self.floor, trial.accuracy)),
                xytext=(-7 if last else 7, 4 if last else -9), textcoords="offset points",
                ha="right" if last else "left", fontsize=style.TAG, color=LIGHT.muted,
            )  # fmt: skip

    def slice(self, axes: Axes, name: str, values: Sequence[float | None]) -> None:
        """Accuracy against one choice."""
        from matplotlib.ticker import MaxNLocator

        first = name == "hidden layers"
        plain_axes(axes, "Accuracy against each choice" if first else "", name)
        known = [x for x in values if x is not None]
        if known:
            self.points(axes, values)
            if not first and min(known) > 0:
                _logarithmic(axes)
        axes.tick_params(labelsize=style.SMALL)
        if first:
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def _share(axes: Axes) -> None:
    plain_numbers(axes.yaxis, lambda y: f"{100 * y:g} %")


def _logarithmic(axes: Axes) -> None:
    """A logarithmic horizontal axis with few, plain numbers."""
    from matplotlib.ticker import LogLocator

    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(base=10, subs=(1.0, 2.0, 5.0), numticks=5))
    plain_numbers(axes.xaxis)


def _choices(trials: Sequence[Any]) -> dict[str, list[float | None]]:
    """Depth, width and learning rate of each trial."""
    hidden = [trial.layers[:-1] for trial in trials]
    return {
        "hidden layers": [float(len(h)) for h in hidden],
        "mean width": [float(np.exp(np.mean(np.log(h)))) if h else None for h in hidden],
        "learning rate": [trial.choice.get("lr") for trial in trials],
    }
