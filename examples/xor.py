"""XOR, which no single layer can compute: a 2-4-1 network learns it, and its graph is drawn.

    python examples/xor.py [FOLDER]
"""

import argparse
from pathlib import Path

from glassgrad import autograd as ag
from glassgrad import nn, viz

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("folder", nargs="?", type=Path, default="runs/examples")
folder = parser.parse_args().folder

x = ag.Tensor([[0, 0], [0, 1], [1, 0], [1, 1]], dtype="float32", name="x")
y = ag.Tensor([[0], [1], [1], [0]], dtype="float32", name="y")

model = nn.MLP([2, 4, 1], seed=0)
optimizer = nn.optim.Adam(model.parameters(), lr=0.05)
for step in range(1, 301):
    loss = nn.functional.binary_cross_entropy_with_logits(model(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 100 == 0:
        print(f"step {step}: loss {loss.item():.4f}")

with ag.no_grad():
    for row, p in zip(x.tolist(), ag.sigmoid(model(x)).tolist(), strict=True):
        print(f"{row[0]:.0f} xor {row[1]:.0f} = {p[0]:.3f}")

folder.mkdir(parents=True, exist_ok=True)
loss = nn.functional.binary_cross_entropy_with_logits(model(x), y)  # with the weights after the last step
print("drawn:", viz.draw_graph(loss, inputs=[x], targets=[y]).save(folder / "xor.svg"))
