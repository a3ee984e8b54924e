"""Hand-written NumPy as one would write it first: a new array for every result."""

from typing import Any

import numpy as np

from benchmarks.works import LEARNING_RATE, Array, Layers
from benchmarks.works import Chain as Work
from benchmarks.works import Net as Training


def sigmoid(x: Array) -> Array:
    return 0.5 * np.tanh(0.5 * x) + 0.5


class Net:
    def __init__(self, work: Training, layers: Layers, x: Array, labels: Array) -> None:
        self.parameters = [(weight.copy(), bias.copy()) for weight, bias in layers]
        self.x, self.labels = x, labels
        self.binary = work.binary
        self.rows = np.arange(len(x))

    def step(self) -> Any:
        activations = [self.x]
        for weight, bias in self.parameters[:-1]:
            activations.append(sigmoid(activations[-1] @ weight.T + bias))
        weight, bias = self.parameters[-1]
        logits = activations[-1] @ weight.T + bias
        if self.binary:
            loss = (np.logaddexp(0, logits) - self.labels * logits).mean()
            delta = sigmoid(logits) - self.labels
        else:
            logits = logits - logits.max(axis=1, keepdims=True)
            exponentials = np.exp(logits)
            sums = exponentials.sum(axis=1, keepdims=True)
            loss = (np.log(sums[:, 0]) - logits[self.rows, self.labels]).mean()
            delta = exponentials / sums
            delta[self.rows, self.labels] -= 1
        delta = delta / len(delta)
        for i in reversed(range(len(self.parameters))):
            weight, bias = self.parameters[i]
            weight_gradient, bias_gradient = delta.T @ activations[i], delta.sum(axis=0)
            if i:
                delta = (delta @ weight) * activations[i] * (1 - activations[i])
            weight -= LEARNING_RATE * weight_gradient
            bias -= LEARNING_RATE * bias_gradient
        return loss

    def layers(self) -> Layers:
        return self.parameters


class Chain:
    def __init__(self, work: Work, x: Array, w: Array, b: Array) -> None:
        self.count, self.x, self.w, self.b = work.operations // 4, x, w, b

    def step(self) -> Any:
        x, kept = self.x, []
        for _ in range(self.count):
            t = np.tanh(x * self.w + self.b)
            x = sigmoid(t)
            kept.append((t, x))
        value = x.sum()
        g = np.ones_like(x)
        for t, s in reversed(kept):
            g = g * s * (1 - s)
            g = g * (1 - t * t)
            g = g * self.w
        self.g = g
        return value

    def gradient(self) -> Array:
        return self.g
