"""Why cross-entropy and not squared error: both as a landscape over two weights, and the way down from a bad start.

    python examples/cross_entropy.py [FOLDER]

Where a sigmoid is saturated its slope p (1 − p) is next to 0. The squared error's gradient, 2 (p − y) p (1 − p) x, dies
of it however wrong the answer p is; in the cross-entropy's, (p − y) x, the slope has cancelled. It needs matplotlib
(pip install "glassgrad[plots]").
"""

import sys
from pathlib import Path

import numpy as np

import autograd as ag
import nn
from viz.lesson import figures

F = nn.functional
START = (-9.0, -7.0)

x, y = figures.two_clouds()
losses = {
    "squared error": lambda z, y, reduction="mean": F.mse_loss(ag.sigmoid(z), y, reduction=reduction),
    "cross-entropy": lambda z, y, reduction="mean": F.binary_cross_entropy_with_logits(z, y, reduction=reduction),
}
folder = Path(sys.argv[1] if len(sys.argv) > 1 else "runs/examples")
folder.mkdir(parents=True, exist_ok=True)
path = figures.surfaces(losses, x, y, start=START).save(folder / "cross_entropy.png")

norms = {}
for name, loss in losses.items():
    first, *_, last = figures.descend(loss, x, y, START)
    norms[name] = first[3]
    print(
        f"{name}: gradient {first[3]:.2g} at the start, loss {first[2]:.3g} → {last[2]:.3g} in 60 steps,"
        f" weights moved by {np.linalg.norm(last[:2] - first[:2]):.2g}"
    )
ratio = norms["cross-entropy"] / norms["squared error"]
print(f"where nearly every answer is wrong, cross-entropy pulls {ratio:.0f} times as hard: it is steep there, not flat")
print("drawn:", path)
