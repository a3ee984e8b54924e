"""glassgrad's eager mode, by its public names only."""

from collections.abc import Sequence
from typing import Any

from benchmarks.works import Array, Layers, Program
from benchmarks.works import Chain as Work
from benchmarks.works import Net as Training
from glassgrad import autograd as ag
from glassgrad import nn
from glassgrad.nn import functional as F


class Net:
    def __init__(self, work: Training, layers: Layers, x: Array, labels: Array) -> None:
        norm = "layer" if work.norm else None
        self.model = nn.MLP(work.sizes, work.activation, norm=norm, dropout=work.dropout, seed=0, dtype=work.dtype)
        with ag.no_grad():
            for parameter, array in zip(self.model.parameters(), (p for layer in layers for p in layer), strict=True):
                parameter[...] = array
        self.forms = [len(layer) for layer in layers]
        self.optimizer: nn.optim.Optimizer = getattr(nn.optim, work.optimizer)(self.model.parameters(), lr=work.rate)
        self.x, self.labels = ag.Tensor(x), ag.Tensor(labels)
        self.loss = F.binary_cross_entropy_with_logits if work.binary else F.cross_entropy

    def step(self) -> ag.Tensor:
        self.optimizer.zero_grad()
        loss: ag.Tensor = self.loss(self.model(self.x), self.labels)
        loss.backward()
        self.optimizer.step()
        return loss

    def layers(self) -> Layers:
        arrays = iter([parameter.detach().numpy() for parameter in self.model.parameters()])
        return [tuple(next(arrays) for _ in range(count)) for count in self.forms]


class Product:
    def __init__(self, work: Training, layers: Layers, x: Array, labels: Array, direction: Layers) -> None:
        self.parameters, self.direction = (
            [ag.Tensor(p) for layer in given for p in layer] for given in (layers, direction)
        )
        self.x, self.labels = ag.Tensor(x), ag.Tensor(labels)

    def loss(self, *parameters: ag.Tensor) -> ag.Tensor:
        x: Any = self.x
        *hidden, (weight, bias) = zip(parameters[::2], parameters[1::2], strict=True)
        for w, b in hidden:
            x = F.sigmoid(F.linear(x, w, b))
        loss: ag.Tensor = F.cross_entropy(F.linear(x, weight, bias), self.labels)
        return loss

    def multiply(self) -> tuple[ag.Tensor, ...]:
        products: tuple[ag.Tensor, ...] = ag.hvp(self.loss, self.parameters, self.direction)
        return products

    def step(self) -> None:
        self.products = self.multiply()

    def product(self) -> Layers:
        arrays = [product.numpy() for product in self.products]
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
