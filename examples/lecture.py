"""The lecture's worked example: a 2-2-2-2 sigmoid network with given weights, its outputs layer by layer.

    python examples/lecture.py [FOLDER]

With a folder the network, a squared error and all its gradients are drawn there.
"""

import argparse
from pathlib import Path

from glassgrad import autograd as ag
from glassgrad import nn

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("folder", nargs="?", type=Path)
folder = parser.parse_args().folder

model = nn.MLP([2, 2, 2, 2], activation="sigmoid", output="sigmoid", dtype="float64")
model.load_state_dict({
    "layers.0.weight": [[1, -2], [-1, 1]], "layers.0.bias": [1, 0],
    "layers.2.weight": [[2, -1], [-2, -1]], "layers.2.bias": [0, 0],
    "layers.4.weight": [[3, -1], [-1, 4]], "layers.4.bias": [-2, 2],
})  # fmt: skip
print(model)

for x in ([1.0, -1.0], [0.0, 0.0]):
    values = [ag.Tensor(x)]
    for layer in model:
        values.append(layer(values[-1]))
    shown = [values[0], *values[2::2]]  # the input, and what each sigmoid gives
    print(" → ".join(f"[{a:.2f}, {b:.2f}]" for a, b in (value.tolist() for value in shown)))

x, target = ag.Tensor([[1.0, -1.0]], name="x"), ag.Tensor([[1.0, 0.0]], name="y")
loss = nn.functional.mse_loss(model(x), target, reduction="sum")
loss.backward()
print(f"squared error to {target.tolist()[0]}: {loss.item():.4f}, and the gradient of the first weights:")
print(model.layers[0].weight.grad)

if folder:
    from glassgrad import viz

    folder.mkdir(parents=True, exist_ok=True)
    print("drawn:", viz.draw_graph(loss).save(folder / "lecture.svg"))
