"""A residual block cures a vanishing gradient: twenty sigmoid layers without and with shortcuts, beside each other.

    python examples/residual.py [FOLDER]

It needs matplotlib (pip install "glassgrad[plots]").
"""

import argparse
from pathlib import Path

import matplotlib as mpl
import numpy as np

from glassgrad import autograd as ag
from glassgrad import nn

mpl.use("agg")
from matplotlib import pyplot as plt

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("folder", nargs="?", type=Path, default="runs/examples")
folder = parser.parse_args().folder

DEPTH, WIDTH = 20, 32
cross_entropy = nn.functional.cross_entropy
digits = nn.data.digits()
x, labels = digits.x_train[:2000], digits.y_train[:2000]
held_out = digits.x_test[:2000], digits.y_test[:2000]


def network(shortcut):
    """A layer in, twenty alike, a layer out; with ``shortcut`` each of the twenty adds to what it is given."""
    draw = np.random.default_rng(0)
    blocks = [nn.Sequential(nn.Linear(WIDTH, WIDTH, seed=draw), nn.Sigmoid()) for _ in range(DEPTH)]
    hidden = [nn.Residual(block) for block in blocks] if shortcut else blocks
    return nn.Sequential(nn.Linear(256, WIDTH, seed=draw), *hidden, nn.Linear(WIDTH, 10, seed=draw))


def gradients(model):
    """The root mean square of ∂L/∂W in each of the twenty layers, the first one first."""
    weights = [p for name, p in model.named_parameters() if p.shape == (WIDTH, WIDTH)]
    found = ag.gradients([cross_entropy(model(x), labels)], weights)
    return [float((g * g).mean().sqrt()) for g in found]


figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
for shortcut, name, colour in ((False, "without shortcuts", "#c44e52"), (True, "with shortcuts", "#2a6f97")):
    model = network(shortcut)
    before = gradients(model)
    optimizer = nn.optim.Adam(model.parameters(), lr=0.002)
    data, quiet = (x, labels), {"progress": False, "compile": True}
    history = nn.fit(model, cross_entropy, optimizer, data, epochs=12, batch_size=50, **quiet)
    accuracy = nn.evaluate(model, cross_entropy, held_out).accuracy
    print(f"{name}: ∂L/∂W of layer 1 is {before[0]:.1e}, of layer {DEPTH} {before[-1]:.1e}; ", end="")
    print(f"trained, {100 * accuracy:.1f} % of the held-out digits are right")
    left.semilogy(range(1, DEPTH + 1), before, "o-", color=colour, label=name)
    right.plot(range(1, history.epochs + 1), history.loss, "o-", color=colour, label=name)
left.set(title="Size of the gradient in each layer, before training", xlabel="layer", ylabel="rms of ∂L/∂W")
left.set_xticks([1, 5, 10, 15, 20])
right.set(title="Loss while training", xlabel="epoch", ylabel="cross-entropy", ylim=0)
for axes in (left, right):
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)

folder.mkdir(parents=True, exist_ok=True)
figure.savefig(folder / "residual.png", dpi=150)
print("drawn:", folder / "residual.png")
