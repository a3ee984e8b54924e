"""How large ∂L/∂h_t is at each step t of a recurrent network, for an RNN beside an LSTM.

    python examples/gradients_over_time.py [FOLDER]

The loss depends on the last state alone. On its way back the gradient is multiplied by one Jacobian matrix
∂h_t/∂h_{t-1} for each step: in an RNN it shrinks by about the same factor each time (or grows). In an LSTM it also goes
along the cell c, where a step multiplies it by the forget gate alone. So the bias of that gate decides how far back a
loss is felt. S. Hochreiter, "Untersuchungen zu dynamischen neuronalen Netzen", 1991; Y. Bengio et al., "Learning
long-term dependencies with gradient descent is difficult", 1994. It needs matplotlib (pip install "glassgrad[plots]").
"""

import argparse
from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure

from glassgrad import autograd as ag
from glassgrad import nn
from glassgrad.viz.drawing import style

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("folder", nargs="?", type=Path, default="runs/examples")
folder = parser.parse_args().folder

F = nn.functional
STEPS, BATCH, INPUTS, HIDDEN = 60, 64, 8, 32

rng = np.random.default_rng(0)
x = ag.Tensor(rng.normal(size=(STEPS, BATCH, INPUTS)))
target = ag.Tensor(rng.normal(size=(BATCH, HIDDEN)))


def sizes(cell, state, h_of, with_h):
    """The norm of ∂L/∂h_t for each t. To each state h_t a zero is added whose gradient is ∂L/∂h_t."""
    zeros = ag.zeros((STEPS, BATCH, HIDDEN), requires_grad=True)

    def step(state, now):
        x, zero = now
        state = cell(x, state)
        return with_h(state, h_of(state) + zero), None

    last, _ = ag.scan(step, state, (x, zeros))
    F.mse_loss(h_of(last), target).backward()
    return np.linalg.norm(zeros.grad.numpy().reshape(STEPS, -1), axis=1)


def lstm(forget):
    """An LSTM cell whose forget gate starts from this bias."""
    cell = nn.LSTMCell(INPUTS, HIDDEN, seed=0, dtype="float64")
    bias = cell.bias_ih.detach().numpy().copy()
    bias[HIDDEN : 2 * HIDDEN] = forget
    cell.load_state_dict({**cell.state_dict(), "bias_ih": bias})
    return cell


h = ag.zeros((BATCH, HIDDEN))
simple = nn.RNNCell(INPUTS, HIDDEN, seed=0, dtype="float64")
pair = {"h_of": lambda s: s[0], "with_h": lambda s, h: (h, s[1])}
curves = {
    "RNN": sizes(simple, h, lambda h: h, lambda _, h: h),
    "LSTM, forget gate from 0": sizes(lstm(0.0), (h, h), **pair),
    "LSTM, forget gate from 3": sizes(lstm(3.0), (h, h), **pair),
}
for name, curve in curves.items():
    factor = (curve[0] / curve[-1]) ** (1 / (STEPS - 1))
    print(f"{name}: at the first step {curve[0] / curve[-1]:.0e} of the last, × {factor:.2f} a step")
first = {name: curve[0] / curve[-1] for name, curve in curves.items()}
assert first["RNN"] < 1e-8
assert first["LSTM, forget gate from 3"] > 1e4 * first["RNN"]

theme = style.LIGHT
fonts = {"font.sans-serif": [style.FONT, "Arial", "Liberation Sans", "DejaVu Sans"], "axes.unicode_minus": False}
with rc_context(fonts):
    figure = Figure(figsize=(7.2, 4.2), facecolor=theme.paper)
    axes = figure.add_axes((0.11, 0.13, 0.60, 0.70))
    colours = (theme.grad, theme.muted, style.VALUE_RAMP[-1])
    for (name, curve), colour, mark in zip(curves.items(), colours, "os^", strict=True):
        axes.semilogy(range(1, STEPS + 1), curve, color=colour, marker=mark, markersize=3, linewidth=1.2)
        axes.annotate(name, (1, curve[0]), (6, 0), textcoords="offset points", color=colour, va="center")
    axes.invert_xaxis()
    axes.set_xlabel("step t, the last one at the left: the way that the gradient goes")
    axes.set_title("Size of ∂L/∂h_t", loc="left", fontsize=style.NAME, fontweight="bold", color=theme.ink)
    axes.spines[["top", "right"]].set_visible(False)
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / "gradients_over_time.png", dpi=160)
print("drawn:", folder / "gradients_over_time.png")
