"""glassgrad's eager mode, by its public names only."""

from collections.abc import Sequence
from typing import Any

import autograd as ag
import nn
from benchmarks.works import LEARNING_RATE, Array, Layers, Program
from benchmarks.works import Chain as Work
from nn import functional as F


class Net:
    def __init__(self, layers: Layers, x: Array, labels: Array) -> None:
        self.model = nn.MLP([x.shape[1], *(len(bias) for _, bias in layers)], activation="sigmoid")
        given = [array for layer in layers for array in layer]
        for parameter, array in zip(self.model.parameters(), given, strict=True):
            with ag.no_grad():
                parameter[...] = array
        self.optimizer = nn.optim.SGD(self.model.parameters(), lr=LEARNING_RATE)
        self.x, self.labels = ag.Tensor(x), ag.Tensor(labels)
        binary = self.labels.dtype == ag.float32
        self.loss = F.binary_cross_entropy_with_logits if binary else F.cross_entropy

    def step(self) -> ag.Tensor:
        self.optimizer.zero_grad()
        loss: ag.Tensor = self.loss(self.model(self.x), self.labels)
        loss.backward()
        self.optimizer.step()
        return loss

    def layers(self) -> Layers:
        arrays = [parameter.detach().numpy() for parameter in self.model.parameters()]
        return list(zip(arrays[::2], arrays[1::2], strict=True))


class Scalars:
    def __init__(self, program: Program, values: Sequence[float]) -> None:
        self.program = program
        self.leaves = [ag.Tensor(value, requires_grad=True) for value in values]

    def step(self) -> ag.Tensor:
        for leaf in self.leaves:
            leaf.grad = None
        value: ag.Tensor = self.program(self.leaves, ag.relu)
        value.backward()
        return value

    def gradient(self) -> list[Any]:
        return [leaf.grad.item() for leaf in self.leaves if leaf.grad is not None]


class Chain:
    def __init__(self, work: Work, x: Array, w: Array, b: Array) -> None:
        self.work, self.x, self.w, self.b = work, ag.Tensor(x, requires_grad=True), ag.Tensor(w), ag.Tensor(b)

    def step(self) -> ag.Tensor:
        self.x.grad = None
        value: ag.Tensor = self.work.run(self.x, self.w, self.b, ag.tanh, ag.sigmoid).sum()
        value.backward()
        return value

    def gradient(self) -> Array:
        assert self.x.grad is not None
        array: Array = self.x.grad.numpy()
        return array
