"""Hand-written NumPy with every buffer allocated once and ``out=`` everywhere: what a careful person reaches."""

from functools import partial
from typing import Any

import numpy as np

from benchmarks.works import ADAM_EPS, BETAS, Array, Layers
from benchmarks.works import Net as Training


class Net:
    def __init__(self, work: Training, layers: Layers, x: Array, labels: Array) -> None:
        self.work, self.x, self.labels, self.binary = work, x, labels, work.binary
        self.parameters = [(weight.copy(), bias.copy()) for weight, bias in layers]
        batch, dtype = len(x), x.dtype
        # 0-d arrays: a Python float is converted at every call.
        numbers = (0.5, 1, work.rate, batch, 1 - work.dropout, 1 / (1 - work.dropout))
        self.half, self.one, self.rate, self.batch, self.keep, self.scale = (np.array(n, dtype) for n in numbers)
        self.rows, self.ones = np.arange(batch), np.ones(batch, dtype)
        empty = partial(np.empty, dtype=dtype)
        self.values = [empty((batch, len(bias))) for _, bias in layers]
        self.deltas = [empty((batch, len(bias))) for _, bias in layers]
        self.gradients = [(empty(weight.shape), empty(bias.shape)) for weight, bias in layers]
        self.column, self.per_sample = empty((batch, 1)), empty((batch,))
        self.outputs = self.values
        self.tanh, self.drops, self.adam = work.activation == "tanh", work.dropout > 0, work.optimizer == "Adam"
        # In float64 exp is the faster of the two.
        self.sigmoid = self.sigmoid_by_exp if dtype == np.float64 else self.sigmoid_by_tanh
        self.activate = (lambda value: np.tanh(value, out=value)) if self.tanh else self.sigmoid
        if self.drops:
            self.random = np.random.default_rng(0)
            self.masks = [empty(value.shape) for value in self.values[:-1]]
            self.kept = [np.empty(value.shape, bool) for value in self.values[:-1]]
            self.outputs = [*map(np.empty_like, self.masks), self.values[-1]]
        if self.adam:
            self.count = 0
            self.moments = [[tuple(np.zeros_like(p) for _ in range(3)) for p in layer] for layer in layers]
            self.fades, self.shares = ([np.array(n, dtype) for n in ns] for ns in (BETAS, (1 - b for b in BETAS)))
            self.eps = np.array(ADAM_EPS, dtype)

    def step(self) -> Any:
        x, one, rate, outputs, activate = self.x, self.one, self.rate, self.outputs, self.activate
        tanh, drops, adam = self.tanh, self.drops, self.adam
        last = len(self.parameters) - 1
        for i, ((weight, bias), value) in enumerate(zip(self.parameters, self.values, strict=True)):
            x.dot(weight.T, value)
            np.add(value, bias, out=value)
            if i < last:
                activate(value)
                if drops:
                    self.drop(i)
            x = outputs[i]
        loss = self.loss()
        if adam:
            self.count += 1
        for i in reversed(range(last + 1)):
            (weight, bias), (weight_gradient, bias_gradient) = self.parameters[i], self.gradients[i]
            delta = self.deltas[i]
            delta.T.dot(outputs[i - 1] if i else self.x, weight_gradient)
            self.ones.dot(delta, bias_gradient)
            if i:
                d, below = self.deltas[i - 1], self.values[i - 1]
                delta.dot(weight, d)
                if drops:
                    np.multiply(d, self.masks[i - 1], out=d)
                factor = below if tanh else d  # 1 - y·y, or y·(1 - y)
                np.multiply(factor, below, out=factor)
                np.subtract(one, below, out=below)
                np.multiply(d, below, out=d)
            if adam:
                self.step_of_adam(i)
                continue
            np.multiply(weight_gradient, rate, out=weight_gradient)
            np.subtract(weight, weight_gradient, out=weight)
            np.multiply(bias_gradient, rate, out=bias_gradient)
            np.subtract(bias, bias_gradient, out=bias)
        return loss

    def sigmoid_by_tanh(self, x: Array) -> None:
        half = self.half
        np.multiply(x, half, out=x)
        np.tanh(x, out=x)
        np.multiply(x, half, out=x)
        np.add(x, half, out=x)

    def sigmoid_by_exp(self, x: Array) -> None:
        np.negative(x, out=x)
        np.exp(x, out=x)
        np.add(x, self.one, out=x)
        np.divide(self.one, x, out=x)

    def drop(self, i: int) -> None:
        mask, kept = self.masks[i], self.kept[i]
        self.random.random(dtype=mask.dtype, out=mask)  # type: ignore[arg-type]
        np.less(mask, self.keep, out=kept)
        np.multiply(kept, self.scale, out=mask)
        np.multiply(self.values[i], mask, out=self.outputs[i])

    def step_of_adam(self, i: int) -> None:
        (first, second), dtype = BETAS, self.x.dtype
        size = np.array(self.work.rate / (1 - first**self.count), dtype)
        scale = np.array(1 / (1 - second**self.count), dtype)
        for p, g, (mean, square, spare) in zip(self.parameters[i], self.gradients[i], self.moments[i], strict=True):
            np.multiply(mean, self.fades[0], out=mean)
            np.multiply(g, self.shares[0], out=spare)
            np.add(mean, spare, out=mean)
            np.multiply(square, self.fades[1], out=square)
            np.multiply(g, g, out=g)
            np.multiply(g, self.shares[1], out=g)
            np.add(square, g, out=square)
            np.multiply(square, scale, out=g)
            np.sqrt(g, out=g)
            np.add(g, self.eps, out=g)
            np.divide(mean, g, out=g)
            np.multiply(g, size, out=g)
            np.subtract(p, g, out=p)

    def loss(self) -> Any:
        """The loss; its gradient is left in the last of the deltas."""
        z, delta = self.values[-1], self.deltas[-1]
        if self.binary:
            np.multiply(self.labels, z, out=delta)
            np.logaddexp(0, z, out=self.column)
            np.subtract(self.column, delta, out=self.column)
            loss = self.column.mean()
            self.sigmoid(z)
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
            delta[self.rows, self.labels] -= self.one
        np.divide(delta, self.batch, out=delta)
        return loss

    def layers(self) -> Layers:
        return self.parameters
