"""A user's program, as type checkers see it and as Python runs it: tests/autograd/test_types.py does both."""

import numpy as np

from glassgrad import autograd as ag
from glassgrad import nn
from glassgrad.autograd import Tensor

rng = np.random.default_rng(0)
x = Tensor(rng.normal(size=(64, 2)), dtype="float32")
labels = ag.asarray((rng.random(64) > 0.5).astype("int64"))


def swish(z: Tensor) -> Tensor:
    return z * ag.sigmoid(z)


class Net(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Linear(2, width, seed=0)
        self.last = nn.Linear(width, 2, seed=1)
        self.scale = nn.Parameter([1.0])

    def forward(self, x: Tensor, training: bool = True) -> Tensor:
        hidden = swish(self.first(x))
        if training:
            hidden = nn.functional.dropout(hidden, 0.1, generator=rng)
        return self.last(hidden) * self.scale


net = Net(16)
optimizer = nn.optim.Adam(net.parameters(), lr=0.01)


@ag.compile
def step(x: Tensor, labels: Tensor) -> Tensor:
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(net(x), labels)
    loss.backward()
    optimizer.step()
    return loss


losses = [float(step(x, labels)) for _ in range(10)]
logits = net(x, training=False)
correct = (logits.argmax(axis=1) == labels).mean()

w = Tensor([1.0, 2.0], requires_grad=True, name="w")
y = ag.sin(w) + 1 - 2.0 * w.exp().sum(axis=0, keepdims=True) / 3
energy = (y @ w).sum()
energy.backward(retain_graph=True)
slope = ag.gradients(energy, w)
both = ag.gradients(energy, [w, y])


def loss_of(params: dict[str, Tensor], x: Tensor) -> Tensor:
    return ((x @ params["w"] + params["b"]) ** 2).mean()


params = {"w": Tensor([0.5, -0.5]), "b": Tensor(0.1)}
gradient = ag.grad(loss_of)(params, x)
value, pull = ag.vjp(swish, w)
curvature = ag.hessian(lambda z: (z**3).sum())([1.0, 2.0])
decomposition = ag.linalg.svd(x)
with ag.no_grad():
    w -= 0.1 * slope
