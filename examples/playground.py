"""A page in which a network trains: two moons, which no line separates, bent layer by layer until one does.

    python examples/playground.py [FOLDER]

It writes two pages. In moons.html drag a point, a weight or the learning rate, and press Train. In vanishing.html the
gauges of the first layers stay low: five layers of sigmoids pass hardly any gradient back.
"""

import argparse
from pathlib import Path

import numpy as np

from glassgrad import nn, viz

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("folder", nargs="?", type=Path, default="runs/examples")
folder = parser.parse_args().folder

def two_moons(n, noise, seed):
    """Two half circles that reach into each other, n points each: (2n, 2) points and (2n, 1) targets, 0 and 1."""
    rng = np.random.default_rng(seed)
    angle = rng.uniform(0, np.pi, (2, n))
    upper = np.stack([np.cos(angle[0]), np.sin(angle[0])], axis=-1)
    lower = np.stack([1 - np.cos(angle[1]), 0.5 - np.sin(angle[1])], axis=-1)
    points = np.concatenate([upper, lower]) + rng.normal(0, noise, (2 * n, 2))
    return points, np.repeat([[0.0], [1.0]], n, axis=0)


folder.mkdir(parents=True, exist_ok=True)
x, y = two_moons(80, noise=0.12, seed=0)
loss = nn.functional.binary_cross_entropy_with_logits
names = ["upper moon", "lower moon"]

model = nn.MLP([2, 8, 8, 1], activation="tanh", seed=0)
adam = nn.optim.Adam(model.parameters(), lr=0.03)
print(viz.playground(model, loss, x, y, folder / "moons.html", optimizer=adam, classes=names))

deep = nn.MLP([2, 6, 6, 6, 6, 1], activation="sigmoid", seed=0)
title = "Five layers of sigmoids: where does the gradient go?"
sgd = nn.optim.SGD(deep.parameters(), lr=2.0)
print(viz.playground(deep, loss, x, y, folder / "vanishing.html", optimizer=sgd, classes=names, title=title))
