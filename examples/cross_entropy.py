"""Why cross-entropy and not squared error: both as a landscape over two weights, and the way down from a bad start.

    python examples/cross_entropy.py [FOLDER or PATH.png]

Where a sigmoid is saturated its slope p (1 − p) is next to 0. The squared error's gradient, 2 (p − y) p (1 − p) x, dies
of it however wrong the answer p is; in the cross-entropy's, (p − y) x, the slope has cancelled. It needs matplotlib
(pip install 'glassgrad[plots]').
"""

import sys
from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

import autograd as ag
import nn
from viz.drawing import style

F = nn.functional
STEPS, RATE, START, SPAN = 60, 1.0, (-9.0, -7.0), (-11.0, 9.0)

# Two classes that overlap a little, so that both losses have their minimum at weights of moderate size.
rng = np.random.default_rng(1)
y = ag.asarray(np.repeat([[0.0], [1.0]], 40, axis=0))
x = ag.asarray(rng.normal(0, 1, (80, 2)) + np.where(y.numpy() == 1, 1.0, -1.0))

LOSSES = {
    "squared error": lambda z, y, reduction="mean": F.mse_loss(ag.sigmoid(z), y, reduction=reduction),
    "cross-entropy": lambda z, y, reduction="mean": F.binary_cross_entropy_with_logits(z, y, reduction=reduction),
}


def descend(loss):
    """Gradient descent from START: weights, loss and norm of the gradient before every step."""
    neuron = nn.Linear(2, 1, bias=False, dtype="float64")
    neuron.load_state_dict({"weight": [START]})
    optimizer = nn.optim.SGD(neuron.parameters(), lr=RATE)
    seen = []
    for _ in range(STEPS + 1):
        value = loss(neuron(x), y)
        optimizer.zero_grad()
        value.backward()
        gradient = neuron.weight.grad.numpy()
        seen.append((*neuron.weight.detach().numpy()[0], value.item(), np.linalg.norm(gradient)))
        optimizer.step()
    return np.array(seen)


def surface(loss, side=81):
    """The loss at side × side pairs of weights: the two axes, and (side, side) values."""
    axis = np.linspace(*SPAN, side)
    w1, w2 = np.meshgrid(axis, axis)
    z = x @ ag.asarray(np.stack([w1.ravel(), w2.ravel()]))  # (examples, pairs): every pair is a neuron
    with ag.no_grad():
        each = loss(z, ag.broadcast_to(y, shape=z.shape), reduction="none")
        return w1, w2, ag.mean(each, axis=0).numpy().reshape(side, side)


paths = {name: descend(loss) for name, loss in LOSSES.items()}
theme = style.LIGHT
MARK = {"squared error": "s", "cross-entropy": "o"}
FONTS = {"font.sans-serif": [style.FONT, "Arial", "Liberation Sans", "DejaVu Sans"], "axes.unicode_minus": False}
caption = {"fontsize": style.CAPTION, "color": theme.muted}
halo = [withStroke(linewidth=3, foreground=theme.paper)]  # words on the surface
words = {"fontsize": style.CAPTION, "color": theme.ink, "ha": "center", "path_effects": halo, "zorder": 5}
heading = {"fontsize": style.NAME, "fontweight": "bold", "color": theme.ink}


def landscape(axes, name):
    """The loss over both weights, and the descent lying on it."""
    w1, w2, values = surface(LOSSES[name])
    colours = ListedColormap(style.ramp(style.VALUE_RAMP[0], style.VALUE_RAMP[-1], 64))
    axes.plot_surface(w1, w2, values, cmap=colours, rcount=41, ccount=41, edgecolor=theme.paper, linewidth=0.2)
    path, lift = paths[name], 0.02 * np.ptp(values)  # above the surface, or the line is half sunk into it
    mark = {"marker": MARK[name], "markersize": 4.5, "markerfacecolor": theme.paper, "markeredgecolor": theme.ink}
    axes.plot(path[:, 0], path[:, 1], path[:, 2] + lift, color=theme.ink, linewidth=1.2, zorder=3, **mark)
    low = np.unravel_index(values.argmin(), values.shape)
    axes.plot(w1[low], w2[low], values[low] + lift, "x", markersize=7, markeredgewidth=1.8, color=theme.ink, zorder=4)
    axes.text(w1[low] + 2.0, w2[low] + 2.0, values[low], "lowest", va="top", **words)
    end = "start" if np.linalg.norm(path[-1, :2] - path[0, :2]) > 1 else f"start, and after {STEPS} steps"
    axes.text(*path[0, :2], path[0, 2] + 4 * lift, end, **words)
    for axis, label in ((axes.xaxis, "weight 1"), (axes.yaxis, "weight 2"), (axes.zaxis, "loss")):
        axis.set_label_text(label, **caption)
        axis.set_pane_color(theme.panel)
        axis.line.set_color(theme.hair)
    axes.tick_params(labelsize=style.SMALL, colors=theme.muted, grid_color=theme.hair, grid_linewidth=0.5, pad=0)
    axes.locator_params(nbins=4)
    axes.view_init(30, 28)
    axes.set_box_aspect((1, 1, 0.75), zoom=1.0)


def norms(axes):
    """The length of the gradient before every step; gradients are dashed."""
    for name, path in paths.items():
        mark = {"marker": MARK[name], "markevery": 5, "markerfacecolor": theme.paper}
        axes.semilogy(path[:, 3], "--", color=theme.grad, linewidth=1.6, **mark)
        axes.annotate(
            f"{name}\n{path[0, 3]:.2g} at the start, {path[-1, 3]:.2g} in the end",
            (STEPS, path[-1, 3]),
            xytext=(12, 0),
            textcoords="offset points",
            va="center",
            fontsize=style.CAPTION,
            color=theme.ink,
        )
    axes.set_title("Norm of the gradient", loc="left", **heading)
    axes.set_xlabel("step", **caption)
    axes.tick_params(labelsize=style.CAPTION, colors=theme.muted, which="both")
    axes.grid(axis="y", color=theme.hair, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(theme.hair)


with rc_context(FONTS):
    figure = Figure(figsize=(9.6, 7.0), facecolor=theme.paper)
    figure.text(0.02, 0.97, "Why cross-entropy and not squared error", va="top", **{**heading, "fontsize": style.TITLE})
    line = f"one sigmoid neuron     the same far start, rate {RATE:g}, {STEPS} steps     a mark on a surface is a step"
    figure.text(0.02, 0.93, line, va="top", **caption)
    for place, name in enumerate(LOSSES):
        left = 0.02 + 0.49 * place
        figure.text(left, 0.87, name.capitalize(), va="top", **heading)
        path = paths[name]
        losses = f"loss {path[0, 2]:.3g} at the start, {path[-1, 2]:.3g} after {STEPS} steps"
        figure.text(left, 0.84, losses, va="top", **caption)
        landscape(figure.add_axes((left + 0.01, 0.33, 0.45, 0.51), projection="3d", computed_zorder=False), name)
    norms(figure.add_axes((0.07, 0.08, 0.67, 0.2)))
    path = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    path = path if path.suffix else path / "cross_entropy.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=style.DPI)

for name, (first, *_, last) in paths.items():
    print(
        f"{name}: gradient {first[3]:.2g} at the start, loss {first[2]:.3g} → {last[2]:.3g} in {STEPS} steps,"
        f" weights moved by {np.linalg.norm(last[:2] - first[:2]):.2g}"
    )
ratio = paths["cross-entropy"][0, 3] / paths["squared error"][0, 3]
print(f"where nearly every answer is wrong, cross-entropy pulls {ratio:.0f} times as hard: it is steep there, not flat")
print("drawn:", path)
