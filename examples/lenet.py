"""LeNet-5 reads handwritten digits: trained on images moved at random, and the pixels that it goes by.

    python examples/lenet.py [FOLDER]

It needs matplotlib (pip install "glassgrad[plots]"). The whole job, with more digits and epochs and a report:
python -m glassgrad.nn digits --model lenet.
"""

import argparse
from pathlib import Path

from glassgrad import nn, viz

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("folder", nargs="?", type=Path, default="runs/examples")
folder = parser.parse_args().folder

folder.mkdir(parents=True, exist_ok=True)
cross_entropy = nn.functional.cross_entropy
digits = nn.data.digits()
images, held_out = (x.reshape(-1, 1, 16, 16) for x in (digits.x_train[:12000], digits.x_test[:2000]))

model = nn.models.lenet5(size=16, activation="relu", seed=0)
print(model)
batches = nn.data.Batches(images, digits.y_train[:12000], 50, seed=0, augment=[nn.data.shift(1)])
optimizer = nn.optim.AdamW(model.parameters(), lr=0.003)
nn.fit(model, cross_entropy, optimizer, batches, epochs=3, compile=True)
result = nn.evaluate(model, cross_entropy, (held_out, digits.y_test[:2000]))
print(f"{100 * result.accuracy:.1f} % of 2,000 held-out digits are right")

loss = cross_entropy(model(images[:50]), digits.y_train[:50])
print("drawn:", viz.draw_graph(loss, gradients=True).save(folder / "lenet.svg"))
print("drawn:", viz.saliency(model, held_out[:6], digits.y_test[:6]).save(folder / "saliency.png"))
