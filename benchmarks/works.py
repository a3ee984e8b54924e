"""The works A-G: what every contestant computes, and the float64 reference that it is held against.

A-E are whole training steps of a fully connected sigmoid net (forward, loss, backward, SGD update in place) in float32.
F and G count Python's cost per operation: F on scalars, G on vectors of 16 float32.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Layers = list[tuple[Array, Array]]  # one (weight (out, in), bias (out,)) per layer

LEARNING_RATE = 0.03


# --- A-E: nets ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Net:
    """A net and its batch. One output neuron means binary cross-entropy, more mean softmax cross-entropy."""

    key: str
    sizes: tuple[int, ...]
    batch: int

    def __str__(self) -> str:
        first, *hidden, last = self.sizes
        repeated = f"[{hidden[0]}]x{len(hidden)}" if len(hidden) > 2 else "-".join(map(str, hidden))
        return f"{first}-{repeated}-{last}, batch {self.batch}"

    @property
    def binary(self) -> bool:
        return self.sizes[-1] == 1

    def layers(self) -> Layers:
        """Initial float32 weights, for which 16 layers pass the gradient on and training goes down.

        Glorot's uniform, times 4 for sigmoid's slope at 0, where the biases put the neurons: what enters is about 1/2.
        """
        draw = np.random.default_rng(0)
        layers = []
        for inputs, outputs in itertools.pairwise(self.sizes):
            bound = 4 * np.sqrt(6 / (inputs + outputs))
            weight = draw.uniform(-bound, bound, (outputs, inputs)).astype(np.float32)
            layers.append((weight, -weight.sum(axis=1) / 2))
        return layers

    def samples(self) -> tuple[Array, Array]:
        """The batch: ink or no ink (A: points of the plane) and labels, int64 (batch,), for A float32 (batch, 1)."""
        draw = np.random.default_rng(1)
        if self.binary:
            x = draw.normal(size=(self.batch, self.sizes[0])).astype(np.float32)
            return x, (x.prod(axis=1, keepdims=True) > 0).astype(np.float32)
        x = (draw.random((self.batch, self.sizes[0])) < 0.3).astype(np.float32)
        return x, draw.integers(self.sizes[-1], size=self.batch)

    def targets(self) -> Array:
        """The labels as float32, to be subtracted from the output's probabilities: one-hot, or as they are."""
        labels = self.samples()[1]
        return labels if self.binary else np.eye(self.sizes[-1], dtype=np.float32)[labels]


NETS = {
    net.key: net
    for net in (
        Net("A", (2, 16, 16, 1), 100),
        Net("C", (256, 30, 10), 10),
        Net("B", (256, 500, 500, 10), 100),
        Net("D", (256, *[128] * 16, 10), 64),
        Net("E", (784, 2048, 2048, 10), 512),
    )
}


def train_reference(net: Net, steps: int) -> tuple[list[float], Layers]:
    """Losses and updated parameters in float64, written for plainness: exp and log as in the definitions."""
    layers = [(w.astype(np.float64), b.astype(np.float64)) for w, b in net.layers()]
    x, target = net.samples()[0].astype(np.float64), net.targets().astype(np.float64)
    losses = []
    for _ in range(steps):
        activations = [x]
        for weight, bias in layers[:-1]:
            activations.append(1 / (1 + np.exp(-(activations[-1] @ weight.T + bias))))
        logits = activations[-1] @ layers[-1][0].T + layers[-1][1]
        if net.binary:
            p = 1 / (1 + np.exp(-logits))
            losses.append(float(-(target * np.log(p) + (1 - target) * np.log(1 - p)).mean()))
        else:
            p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
            losses.append(float(-np.log((p * target).sum(axis=1)).mean()))
        delta = (p - target) / net.batch
        for i in reversed(range(len(layers))):
            weight, bias = layers[i]
            gradient = delta.T @ activations[i], delta.sum(axis=0)
            delta = (delta @ weight) * activations[i] * (1 - activations[i])
            layers[i] = weight - LEARNING_RATE * gradient[0], bias - LEARNING_RATE * gradient[1]
    return losses, layers


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
    for work in (
        Scalars("F mlp", run_mlp, 2 + 16 * 3 + 16 * 17 + 17, 640),
        Scalars("F tree", run_tree, 8192, 8191),
    )
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


# The derivatives of F and G are checked by the complex step, f'(x) = Im f(x + ih) / h, exact to rounding for a tiny h
# (W. Squire, G. Trapp: Using complex variables to estimate derivatives of real functions, SIAM Review 40, 1998).
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


WORKS: dict[str, Net | Scalars | Chain] = {**NETS, **SCALARS, CHAIN.key: CHAIN}
