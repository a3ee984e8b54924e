"""Plots that only the lesson uses: descents on surfaces and curves, gradients layer by layer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from glassgrad import autograd as ag
from glassgrad.viz.drawing import style
from glassgrad.viz.drawing.style import LIGHT
from glassgrad.viz.plots.figure import Plot, axes_at, colour_map, name_lines, plain_axes, titled_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MARKS = "so^Dv"
SPAN, SIDE = (-11.0, 9.0), 81  # of the weights of a surface, and points along each axis

Loss = Callable[..., ag.Tensor]
"""A loss of the weighted sums z of one neuron, ``loss(z, y, reduction=...)``, such as those of `nn.functional`."""


def two_clouds(n: int = 40, seed: int = 1) -> tuple[ag.Tensor, ag.Tensor]:
    """Two classes of points that overlap a little: (2n, 2), and their labels 0 and 1 as (2n, 1), both float64."""
    rng = np.random.default_rng(seed)
    y = np.repeat([[0.0], [1.0]], n, axis=0)
    return ag.asarray(rng.normal(0, 1, (2 * n, 2)) + np.where(y == 1, 1.0, -1.0)), ag.asarray(y)


def descend(
    loss: Loss, x: ag.Tensor, y: ag.Tensor, start: Sequence[float], rate: float = 1.0, steps: int = 60
) -> np.ndarray:
    """Gradient descent of a neuron without bias, (steps + 1, n + 2): its n weights, loss and norm of the gradient."""
    w = ag.Tensor([[float(v) for v in start]], requires_grad=True)
    seen = []
    for _ in range(steps + 1):
        value = loss(x @ w.T, y)
        (gradient,) = ag.gradients([value], [w])
        seen.append((*w.detach().numpy()[0], value.item(), float(ag.linalg.vector_norm(gradient))))
        w = ag.Tensor(w.detach() - rate * gradient, requires_grad=True)
    return np.array(seen)


def surfaces(losses: Mapping[str, Loss], x: ag.Tensor, y: ag.Tensor, paths: Mapping[str, np.ndarray]) -> Plot:
    """Losses of one neuron over its two weights, darker where larger, the descent on each, and the gradients' norms.

    ``paths``: what `descend` gives for each loss. Needs matplotlib (``pip install "glassgrad[plots]"``).
    """
    steps, title = max(map(len, paths.values())) - 1, "Why cross-entropy and not squared error"
    line = f"one sigmoid neuron     the same start, {steps} steps     stronger = a larger loss     a mark is a step"
    with titled_figure(9.6, 7.0, title, line) as figure:
        for place, (name, path) in enumerate(paths.items()):
            axes = axes_at(figure, 0.7 + 4.6 * place, 2.9, 4.0, 3.0)
            plain_axes(axes, f"{name.capitalize()}: {path[0, 2]:.3g} → {path[-1, 2]:.3g}", "weight 1", "weight 2")
            _landscape(axes, losses[name], x, y, path, MARKS[place])
        norms = {f"{name}: {path[0, 3]:.2g} → {path[-1, 3]:.2g}": path[:, 3] for name, path in paths.items()}
        _gradients(axes_at(figure, 0.7, 0.55, 6.4, 1.4), norms, range(steps + 1), "Norm of the gradient", "step")
    ends = "; ".join(f"{name}: loss {path[0, 2]:.3g} → {path[-1, 2]:.3g}" for name, path in paths.items())
    return Plot(figure, f"{title}. {ends}")


def _landscape(axes: Any, loss: Loss, x: ag.Tensor, y: ag.Tensor, path: np.ndarray, mark: str) -> None:
    """The loss over both weights, with the path of the descent."""
    w1, w2 = np.meshgrid(*[np.linspace(*SPAN, SIDE)] * 2)
    z = x @ ag.asarray(np.stack([w1.ravel(), w2.ravel()]))  # (examples, pairs): every pair is a neuron
    with ag.no_grad():
        each = loss(z, ag.broadcast_to(y, shape=z.shape), reduction="none")
        values = ag.mean(each, axis=0).numpy().reshape(SIDE, SIDE)
    axes.grid(False)
    axes.contourf(w1, w2, values, 20, cmap=colour_map(style.ramp(style.VALUE_RAMP[0], style.VALUE_RAMP[4], 64)))
    axes.contour(w1, w2, values, 10, colors=[LIGHT.muted], linewidths=0.6)
    low = np.unravel_index(values.argmin(), values.shape)
    axes.plot(w1[low], w2[low], "x", markersize=7, markeredgewidth=1.8, color=LIGHT.ink)
    look = {"marker": mark, "markersize": 4.5, "markerfacecolor": LIGHT.paper, "markeredgecolor": LIGHT.ink}
    axes.plot(path[:, 0], path[:, 1], color=LIGHT.ink, linewidth=1.2, **look)
    end = "start" if np.linalg.norm(path[-1, :2] - path[0, :2]) > 1 else f"start, and after {len(path) - 1} steps"
    for words, place in (("lowest", (w1[low], w2[low])), (end, path[0, :2])):
        axes.annotate(words, place, (8, -12), textcoords="offset points", fontsize=style.CAPTION, color=LIGHT.ink)


def _gradients(axes: Axes, series: Mapping[str, Any], at: Sequence[int], title: str, below: str) -> None:
    """Sizes of gradients, which are dashed, on a logarithmic axis."""
    ends = {}
    for (name, sizes), mark in zip(series.items(), MARKS, strict=False):
        look: dict[str, Any] = {"marker": mark, "markerfacecolor": LIGHT.paper, "markevery": 1 + len(sizes) // 25}
        (drawn,) = axes.semilogy(at, sizes, "--", color=LIGHT.grad, linewidth=1.6, **look)
        ends[name] = float(sizes[-1]), drawn
    plain_axes(axes, title, below)
    axes.locator_params("x", integer=True)
    name_lines(axes, ends)


def descents(
    loss: Callable[[Any], ag.Tensor],
    start: float,
    rates: Sequence[float],
    steps: int = 8,
    *,
    title: str = "Gradient descent",
) -> Plot:
    """Gradient descent of one weight, a panel for each learning rate: the loss as a curve, and each step on it.

    ``loss`` is a function of one number, given as a Tensor of any shape. Of steps that diverge the first three are
    drawn. Needs matplotlib (``pip install "glassgrad[plots]"``).
    """
    slope = ag.grad(lambda w: ag.sum(loss(w)))
    line = "the loss over the weight     each mark is a step, the ring the start"
    with titled_figure(2.5 * len(rates) + 0.3, 3.2, title, line) as figure:
        ends = []
        for place, rate in enumerate(rates):
            path = [float(start)]
            for _ in range(steps):
                path.append(path[-1] - rate * float(slope(ag.Tensor(path[-1]))))
            ends.append(path[-1])
            axes = axes_at(figure, 2.5 * place + 0.55, 0.5, 1.95, 1.75)
            _curve(axes, loss, np.array(path), f"rate {rate:g}")
    said = ", ".join(f"rate {rate:g}: {end:.3g}" for rate, end in zip(rates, ends, strict=True))
    return Plot(figure, f"{title}. The weight after {steps} steps: {said}")


def _curve(axes: Axes, loss: Callable[[Any], ag.Tensor], path: np.ndarray, name: str) -> None:
    diverges = abs(path[-1] - path[-2]) > abs(path[1] - path[0])
    path = path[:4] if diverges else path
    margin = 0.6 * np.ptp(path)
    at = np.linspace(path.min() - margin, path.max() + margin, 200)
    with ag.no_grad():
        curve, values = (np.asarray(loss(ag.Tensor(w)).numpy()) for w in (at, path))
    axes.plot(at, curve, color=LIGHT.fwd, linewidth=1.6)
    axes.plot(path, values, "--", color=LIGHT.grad, linewidth=1.2, marker="o", markersize=4, markerfacecolor=LIGHT.grad)
    axes.plot(path[:1], values[:1], "o", markersize=8, markerfacecolor="none", markeredgecolor=LIGHT.ink)
    axes.locator_params(nbins=4)
    plain_axes(axes, f"{name}: diverges" if diverges else name, "weight")


def by_layer(series: Mapping[str, Sequence[float]], *, title: str, label: str) -> Plot:
    """Sizes by layer on a logarithmic axis, a line for each series. ``label``: the quantity.

    Needs matplotlib (``pip install "glassgrad[plots]"``).
    """
    with titled_figure(7.4, 3.6, title, label) as figure:
        layers = range(1, 1 + max(map(len, series.values())))
        _gradients(axes_at(figure, 0.7, 0.55, 5.2, 2.35), series, layers, "", "layer")
    said = "; ".join(
        f"{name}: {sizes[0]:.1e} in layer 1, {sizes[-1]:.1e} in the last" for name, sizes in series.items()
    )
    return Plot(figure, f"{title}. {said}")
