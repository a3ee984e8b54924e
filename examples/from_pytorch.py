"""A network of PyTorch, opened in a line: drawn, its gradients compared, and trained further.

    python examples/from_pytorch.py [FOLDER]

It needs PyTorch.
"""

import argparse
from pathlib import Path

from glassgrad import nn, viz

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("folder", nargs="?", type=Path, default="runs/examples")
folder = parser.parse_args().folder

import torch  # noqa: E402, after the options, so that --help does without it

digits = nn.data.digits()
images, labels = digits.x_train[:2000].reshape(-1, 1, 16, 16), digits.y_train[:2000]

torch.manual_seed(0)
theirs = torch.nn.Sequential(
    *(torch.nn.Conv2d(1, 8, 3, stride=2), torch.nn.BatchNorm2d(8), torch.nn.ReLU()),
    *(torch.nn.Flatten(), torch.nn.Linear(8 * 7 * 7, 10)),
)
model = nn.from_torch(theirs, torch.zeros(2, 1, 16, 16))  # an example of the input
print(model)

loss = nn.functional.cross_entropy(model(images[:50]), labels[:50])
loss.backward()
torch.nn.functional.cross_entropy(theirs(torch.tensor(images[:50])), torch.tensor(labels[:50]).long()).backward()
for (name, ours), other in zip(model.named_parameters(), theirs.parameters(), strict=True):
    print(f"∂L/∂{name}: differs from PyTorch's by at most {abs(ours.grad.numpy() - other.grad.numpy()).max():.0e}")

optimizer = nn.optim.Adam(model.parameters(), lr=0.01)
history = nn.fit(model, nn.functional.cross_entropy, optimizer, (images, labels), epochs=3, progress=False)
print(history)

folder.mkdir(parents=True, exist_ok=True)
print("drawn:", viz.draw_model(model, (1, 1, 16, 16)).save(folder / "from_pytorch.svg"))
