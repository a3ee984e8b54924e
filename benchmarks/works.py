"""The works: what every contestant computes, and the float64 reference that it is held against.

A-E are whole training steps of a fully connected sigmoid net (forward, loss, backward, SGD update in place) in float32.
F and G count Python's cost per operation: F on scalars, G on vectors of 16 float32. B64, T, L, M and H are what a
compiler was not tuned on: B in float64, dropout, layer normalisation, Adam, and a product with the Hessian.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Layers = list[tuple[Array, ...]]  # per layer: weight (out, in), bias (out,), and with a norm its gain and shift (out,)

LEARNING_RATE = 0.03
NORM_EPS = 1e-5
BETAS, ADAM_EPS = (0.9, 0.999), 1e-8


# --- nets -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Net:
    """A net and its batch. One output neuron means binary cross-entropy, more mean softmax cross-entropy.

    In every hidden layer: linear, layer normalisation (if ``norm``), activation, dropout with probability ``dropout``.
    """

    key: str
    sizes: tuple[int, ...]
    batch: int
    activation: str = "sigmoid"
    norm: bool = False
    dropout: float = 0.0
    optimizer: str = "SGD"
    dtype: str = "float32"

    def __str__(self) -> str:
        first, *hidden, last = self.sizes
        repeated = f"[{hidden[0]}]x{len(hidden)}" if len(hidden) > 2 else "-".join(map(str, hidden))
        plain = Net(self.key, self.sizes, self.batch)
        special = {
            "activation": self.activation,
            "norm": "layer normalisation",
            "dropout": f"dropout {self.dropout}",
            "optimizer": self.optimizer,
            "dtype": self.dtype,
        }
        told = [words for name, words in special.items() if getattr(self, name) != getattr(plain, name)]
        return ", ".join([f"{first}-{repeated}-{last}", *told, f"batch {self.batch}"])

    @property
    def binary(self) -> bool:
        return self.sizes[-1] == 1

    @property
    def rate(self) -> float:
        """The learning rate. Adam's steps are of its size, whatever the gradient's is."""
        return LEARNING_RATE if self.optimizer == "SGD" else 0.001

    def layers(self) -> Layers:
        """Initial weights, for which 16 layers pass the gradient on and training goes down.

        Glorot's uniform, for the sigmoid times 4 for its slope at 0, where the biases put the neurons: what enters is
        about 1/2.
        """
        draw = np.random.default_rng(0)
        layers: Layers = []
        for inputs, outputs in itertools.pairwise(self.sizes):
            bound = (4 if self.activation == "sigmoid" else 1) * np.sqrt(6 / (inputs + outputs))
            weight = draw.uniform(-bound, bound, (outputs, inputs)).astype(self.dtype)
            layer = weight, -weight.sum(axis=1) / 2
            if self.norm and len(layers) < len(self.sizes) - 2:
                layer += draw.uniform(0.5, 1.5, outputs), draw.uniform(-0.5, 0.5, outputs)
            layers.append(tuple(array.astype(self.dtype) for array in layer))
        return layers

    def samples(self) -> tuple[Array, Array]:
        """The batch: ink or no ink (A: points of the plane) and labels, int64 (batch,), for A float (batch, 1)."""
        draw = np.random.default_rng(1)
        if self.binary:
            x = draw.normal(size=(self.batch, self.sizes[0])).astype(self.dtype)
            return x, (x.prod(axis=1, keepdims=True) > 0).astype(self.dtype)
        x = (draw.random((self.batch, self.sizes[0])) < 0.3).astype(self.dtype)
        return x, draw.integers(self.sizes[-1], size=self.batch)

    def targets(self) -> Array:
        """The labels as float64, to be subtracted from the output's probabilities: one-hot, or as they are."""
        labels = self.samples()[1]
        return labels.astype(np.float64) if self.binary else np.eye(self.sizes[-1])[labels]


TRAINED = {
    net.key: net
    for net in (
        Net("A", (2, 16, 16, 1), 100),
        Net("C", (256, 30, 10), 10),
        Net("B", (256, 500, 500, 10), 100),
        Net("D", (256, *[128] * 16, 10), 64),
        Net("E", (784, 2048, 2048, 10), 512),
    )
}
BEYOND = {
    net.key: net
    for net in (
        replace(TRAINED["B"], key="B64", dtype="float64"),
        Net("T", (64, 64, 64, 10), 32, activation="tanh", dropout=0.5),
        Net("L", (64, 64, 64, 10), 32, activation="relu", norm=True),
        Net("M", (64, 64, 64, 10), 32, optimizer="Adam"),
    )
}
NETS = {**TRAINED, **BEYOND}


def slopes(net: Net, layers: Layers, masks: Sequence[Array] | None = None) -> tuple[Any, Layers]:
    """The loss and its gradient, written for plainness: exp and log as in the definitions.

    ``masks`` are what is kept of every hidden layer, (batch, out). The weights may be complex: see `product_reference`.
    """
    act, slope_of = ACTIVATIONS[net.activation]
    x, target = net.samples()[0].astype(np.float64), net.targets()
    inputs, kept = [x], []
    for i, (weight, bias, *affine) in enumerate(layers[:-1]):
        z = inputs[-1] @ weight.T + bias
        normed = deviation = None
        if affine:
            centred = z - z.mean(axis=1, keepdims=True)
            deviation = np.sqrt((centred**2).mean(axis=1, keepdims=True) + NORM_EPS)
            normed = centred / deviation
            z = affine[0] * normed + affine[1]
        scale = 1.0 if masks is None else masks[i] / (1 - net.dropout)
        kept.append((z, normed, deviation, scale))
        inputs.append(act(z) * scale)
    logits = inputs[-1] @ layers[-1][0].T + layers[-1][1]
    if net.binary:
        p = 1 / (1 + np.exp(-logits))
        loss = -(target * np.log(p) + (1 - target) * np.log(1 - p)).mean()
    else:
        p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        loss = -np.log((p * target).sum(axis=1)).mean()
    delta = (p - target) / net.batch
    gradient: Layers = [(delta.T @ inputs[-1], delta.sum(axis=0))]
    for i in reversed(range(len(layers) - 1)):
        z, normed, deviation, scale = kept[i]
        delta = (delta @ layers[i + 1][0]) * scale * slope_of(z)
        more: tuple[Array, ...] = ()
        if normed is not None:
            more = (delta * normed).sum(axis=0), delta.sum(axis=0)
            delta = delta * layers[i][2]
            along = delta.mean(axis=1, keepdims=True) + normed * (delta * normed).mean(axis=1, keepdims=True)
            delta = (delta - along) / deviation
        gradient.insert(0, (delta.T @ inputs[i], delta.sum(axis=0), *more))
    return loss, gradient


def sigmoid(z: Array) -> Array:
    y: Array = 1 / (1 + np.exp(-z))
    return y


ACTIVATIONS: dict[str, tuple[Callable[[Array], Array], Callable[[Array], Array]]] = {
    "sigmoid": (sigmoid, lambda z: sigmoid(z) * (1 - sigmoid(z))),
    "tanh": (np.tanh, lambda z: 1 - np.tanh(z) ** 2),
    "relu": (lambda z: z * (z > 0), lambda z: z > 0),
}


def train_reference(net: Net, steps: int, draw: Any = None) -> tuple[list[float], Layers]:
    """Losses and updated parameters in float64. ``draw``: the generator that drops; without it nothing is dropped."""
    layers: Layers = [tuple(array.astype(np.float64) for array in layer) for layer in net.layers()]
    moments = [[(np.zeros_like(p), np.zeros_like(p)) for p in layer] for layer in layers]
    losses = []
    for t in range(1, steps + 1):
        masks = draw and [draw.random((net.batch, n)) >= net.dropout for n in net.sizes[1:-1]]
        loss, gradients = slopes(net, layers, masks)
        losses.append(float(loss))
        for i, gradient in enumerate(gradients):
            if net.optimizer == "Adam":
                moments[i], gradient = zip(  # noqa: B905
                    *(adam(t, *moment, g) for moment, g in zip(moments[i], gradient, strict=True))
                )
            layers[i] = tuple(p - net.rate * g for p, g in zip(layers[i], gradient, strict=True))
    return losses, layers


def adam(t: int, mean: Array, square: Array, g: Array) -> tuple[tuple[Array, Array], Array]:
    """The running means after step ``t``, and the direction (D. Kingma, J. Ba: Adam, ICLR 2015, algorithm 1)."""
    first, second = BETAS
    mean, square = first * mean + (1 - first) * g, second * square + (1 - second) * g**2
    return (mean, square), mean / (1 - first**t) / (np.sqrt(square / (1 - second**t)) + ADAM_EPS)


# --- H: a product with the Hessian ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Product:
    """The Hessian of a net's loss by its parameters, times a vector."""

    key: str
    net: Net

    def __str__(self) -> str:
        return f"the Hessian of {self.net}, times a vector"

    def direction(self) -> Layers:
        """The vector, in the form of the parameters."""
        draw = np.random.default_rng(5)
        return [tuple(draw.normal(size=p.shape).astype(p.dtype) for p in layer) for layer in self.net.layers()]


HESSIAN = Product("H", Net("H", (64, 64, 64, 10), 32))


def product_reference(work: Product) -> Layers:
    """By the complex step, see below: the slope of the gradient along the direction."""
    pairs = zip(work.net.layers(), work.direction(), strict=True)
    moved: Layers = [tuple(p + 1j * TINY * v for p, v in zip(*pair, strict=True)) for pair in pairs]
    return [tuple(g.imag / TINY for g in layer) for layer in slopes(work.net, moved)[1]]


# --- F: scalars -----------------------------------------------------------------------------------------------------

Program = Callable[[Sequence[Any], Callable[[Any], Any]], Any]


def run_mlp(leaves: Sequence[Any], relu: Callable[[Any], Any]) -> Any:
    """micrograd's MLP(2, [16, 16, 1]) for one sample, scalar by scalar as micrograd does it: 640 operations."""
    values = iter(leaves)
    x = [next(values), next(values)]
    for outputs, active in ((16, True), (16, True), (1, False)):
        neurons = []
        for _ in range(outputs):
            total = next(values)
            for value in x:
                total = next(values) * value + total
            neurons.append(relu(total) if active else total)
        x = neurons
    return x[0]


def run_tree(leaves: Sequence[Any], relu: Callable[[Any], Any]) -> Any:
    """A balanced binary tree over 8192 leaves, levels of sums and products in turn: 8191 operations."""
    level, multiply = list(leaves), False
    while len(level) > 1:
        pairs = zip(level[::2], level[1::2], strict=True)
        level = [a * b for a, b in pairs] if multiply else [a + b for a, b in pairs]
        multiply = not multiply
    return level[0]


def line_of(operations: int) -> Program:
    """x·w and x+b in turn, for those who have no vectors to go deep with."""

    def run_line(leaves: Sequence[Any], relu: Callable[[Any], Any]) -> Any:
        x, w, b = leaves
        for _ in range(operations // 2):
            x = x * w + b
        return x

    return run_line


@dataclass(frozen=True)
class Scalars:
    """A program over scalars; the gradient with respect to every leaf is asked for. float64, as micrograd's floats."""

    key: str
    program: Program
    leaves: int
    operations: int

    def __str__(self) -> str:
        return f"{self.operations} scalar operations"

    def values(self) -> list[float]:
        draw = np.random.default_rng(2)
        if self.program is run_tree:  # sum then product of a pair: (2a)² keeps a quarter a quarter
            return [float(v) for v in draw.normal(0.25, 0.02, self.leaves)]
        return [float(v) for v in draw.uniform(-1, 1, self.leaves)]


SCALARS = {
    work.key: work
    for work in (Scalars("F mlp", run_mlp, 2 + 16 * 3 + 16 * 17 + 17, 640), Scalars("F tree", run_tree, 8192, 8191))
}


# --- G: a chain -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Chain:
    """x·w, x+b, tanh(x), sigmoid(x), and again, on float32 (16,); then the sum. The gradient of x is asked for.

    With w = 4 and b = -2 the four together have the slope 1 at their fixed point 1/2, so that the gradient neither
    vanishes (float32 is slow near zero) nor explodes, however deep the chain is.
    """

    key: str
    operations: int

    def __str__(self) -> str:
        return f"{self.operations} vector operations"

    def inputs(self) -> tuple[Array, Array, Array]:
        """x, w and b."""
        x = np.random.default_rng(3).uniform(0.4, 0.6, 16).astype(np.float32)
        return x, np.full(16, 4, np.float32), np.full(16, -2, np.float32)

    def run(self, x: Any, w: Any, b: Any, tanh: Callable[[Any], Any], sigmoid: Callable[[Any], Any]) -> Any:
        for _ in range(self.operations // 4):
            x = sigmoid(tanh(x * w + b))
        return x


CHAIN = Chain("G", 10_000)
SHORT_CHAIN = Chain("G short", 400)  # verified; rounding errors of float32 add up along the long one


# The derivatives of F, G and H are checked by the complex step, f'(x) = Im f(x + ih) / h, exact to rounding for a tiny
# h (W. Squire, G. Trapp: Using complex variables to estimate derivatives of real functions, SIAM Review 40, 1998).
TINY = 1e-30


def scalars_reference(work: Scalars, direction: Array) -> tuple[float, float]:
    """The value, and its derivative along the direction (leaves,)."""
    leaves = [complex(value, TINY * step) for value, step in zip(work.values(), direction, strict=True)]
    result = work.program(leaves, lambda z: z if z.real > 0 else 0j)
    return result.real, result.imag / TINY


def chain_reference(work: Chain) -> tuple[float, Array]:
    """The value (the sum), and its derivative by every element of x."""
    x, w, b = (array.astype(np.complex128) for array in work.inputs())
    result = work.run(x + TINY * 1j, w, b, np.tanh, lambda z: 1 / (1 + np.exp(-z)))
    return float(result.real.sum()), result.imag / TINY


WORKS: dict[str, Net | Product | Scalars | Chain] = {
    **TRAINED,
    **BEYOND,
    HESSIAN.key: HESSIAN,
    **SCALARS,
    CHAIN.key: CHAIN,
}
