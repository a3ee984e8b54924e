"""What a hidden layer is for: two moons, which no line separates, bent layer by layer until one does.

    python examples/feature_space.py [FOLDER]

It needs matplotlib (pip install "glassgrad[plots]").
"""

import sys
from pathlib import Path

import numpy as np

import nn
import viz


def two_moons(n, noise, seed):
    """Two half circles that reach into each other, n points each: (2n, 2) float32 and (2n,) integer labels."""
    rng = np.random.default_rng(seed)
    angle = rng.uniform(0, np.pi, (2, n))
    upper = np.stack([np.cos(angle[0]), np.sin(angle[0])], axis=-1)
    lower = np.stack([1 - np.cos(angle[1]), 0.5 - np.sin(angle[1])], axis=-1)
    points = np.concatenate([upper, lower]) + rng.normal(0, noise, (2 * n, 2))
    return points.astype("float32"), np.repeat([0, 1], n)


cross_entropy = nn.functional.cross_entropy
x, labels = two_moons(100, noise=0.1, seed=0)
for sizes in ([2, 2], [2, 2, 2, 2]):
    model = nn.MLP(sizes, activation="tanh", seed=0)
    optimizer = nn.optim.Adam(model.parameters(), lr=0.03)
    nn.fit(model, cross_entropy, optimizer, (x, labels), epochs=150, batch_size=50, progress=False)
    print(f"{'-'.join(map(str, sizes))}: {100 * nn.evaluate(model, cross_entropy, (x, labels)).accuracy:.1f} % right")

folder = Path(sys.argv[1] if len(sys.argv) > 1 else "runs/examples")
folder.mkdir(parents=True, exist_ok=True)
plot = viz.feature_space(model, x, labels, classes=["upper moon", "lower moon"], title="Two moons, bent apart")
print("drawn:", plot.save(folder / "feature_space.png"))
