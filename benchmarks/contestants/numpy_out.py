"""Hand-written NumPy with every buffer allocated once and ``out=`` everywhere: what a careful person reaches."""

from functools import partial
from typing import Any

import numpy as np

from benchmarks.works import LEARNING_RATE, Array, Layers
from benchmarks.works import Net as Training


def sigmoid_into(x: Array) -> None:
    np.multiply(x, HALF, out=x)
    np.tanh(x, out=x)
    np.multiply(x, HALF, out=x)
    np.add(x, HALF, out=x)


# 0-d arrays: a Python float is converted at every call.
HALF, ONE, RATE = (np.array(value, np.float32) for value in (0.5, 1, LEARNING_RATE))


class Net:
    def __init__(self, work: Training, layers: Layers, x: Array, labels: Array) -> None:
        self.parameters = [(weight.copy(), bias.copy()) for weight, bias in layers]
        self.x, self.labels = x, labels
        self.binary = work.binary
        batch = len(x)
        self.rows, self.batch = np.arange(batch), np.array(batch, np.float32)
        self.ones = np.ones(batch, np.float32)
        empty = partial(np.empty, dtype=np.float32)
        self.outputs = [empty((batch, len(bias))) for _, bias in layers]
        self.deltas = [empty((batch, len(bias))) for _, bias in layers]
        self.gradients = [(empty(weight.shape), empty(bias.shape)) for weight, bias in layers]
        self.column, self.per_sample = empty((batch, 1)), empty((batch,))

    def step(self) -> Any:
        x = self.x
        for (weight, bias), output in zip(self.parameters, self.outputs, strict=True):
            x.dot(weight.T, output)
            np.add(output, bias, out=output)
            if output is not self.outputs[-1]:
                sigmoid_into(output)
            x = output
        loss = self.loss()
        for i in reversed(range(len(self.parameters))):
            (weight, bias), (weight_gradient, bias_gradient) = self.parameters[i], self.gradients[i]
            delta = self.deltas[i]
            below = self.outputs[i - 1] if i else self.x
            delta.T.dot(below, weight_gradient)
            self.ones.dot(delta, bias_gradient)
            if i:
                d = self.deltas[i - 1]
                delta.dot(weight, d)
                np.multiply(d, below, out=d)
                np.subtract(ONE, below, out=below)
                np.multiply(d, below, out=d)
            np.multiply(weight_gradient, RATE, out=weight_gradient)
            np.subtract(weight, weight_gradient, out=weight)
            np.multiply(bias_gradient, RATE, out=bias_gradient)
            np.subtract(bias, bias_gradient, out=bias)
        return loss

    def loss(self) -> Any:
        """The loss; its gradient is left in the last of the deltas."""
        z, delta = self.outputs[-1], self.deltas[-1]
        if self.binary:
            np.multiply(self.labels, z, out=delta)
            np.logaddexp(0, z, out=self.column)
            np.subtract(self.column, delta, out=self.column)
            loss = self.column.mean()
            sigmoid_into(z)
            np.subtract(z, self.labels, out=delta)
        else:
            z.max(axis=1, keepdims=True, out=self.column)
            np.subtract(z, self.column, out=z)
            np.exp(z, out=delta)
            delta.sum(axis=1, keepdims=True, out=self.column)
            np.divide(delta, self.column, out=delta)
            np.log(self.column[:, 0], out=self.per_sample)
            np.subtract(self.per_sample, z[self.rows, self.labels], out=self.per_sample)
            loss = self.per_sample.mean()
            delta[self.rows, self.labels] -= ONE
        np.divide(delta, self.batch, out=delta)
        return loss

    def layers(self) -> Layers:
        return self.parameters
