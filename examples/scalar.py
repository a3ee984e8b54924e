"""One sigmoid neuron, one squared error: L = (σ(w·x + b) − y)², with every value and every local derivative drawn.

    python examples/scalar.py [FOLDER]
"""

import argparse
from pathlib import Path

from glassgrad import autograd as ag
from glassgrad import viz

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("folder", nargs="?", type=Path, default="runs/examples")
folder = parser.parse_args().folder

w = ag.Tensor(2.0, requires_grad=True, name="w")
b = ag.Tensor(-1.0, requires_grad=True, name="b")
x = ag.Tensor(1.0, name="x")
y = ag.Tensor(1.0, name="y")

loss = (ag.sigmoid(w * x + b) - y) ** 2
loss.name = "L"
loss.backward()
print(f"L = {loss.item():.4g}, ∂L/∂w = {w.grad.item():.4g}, ∂L/∂b = {b.grad.item():.4g}")

folder.mkdir(parents=True, exist_ok=True)
print("drawn:", viz.draw_graph(loss).save(folder / "scalar.svg"))
