# mypy: ignore-errors
# DeZero lives in an environment of its own.
import numpy as np

np.int = int  # DeZero names what NumPy removed in 1.24

import dezero.functions as F  # noqa: E402
from dezero import Variable  # noqa: E402
from dezero.models import MLP  # noqa: E402
from dezero.optimizers import SGD  # noqa: E402

from benchmarks.works import LEARNING_RATE  # noqa: E402


class Net:
    def __init__(self, work, layers, x, labels):
        self.model = MLP([len(bias) for _, bias in layers], activation=F.sigmoid)
        self.model(x[:1])  # its weights get their shapes at the first call
        for layer, (weight, bias) in zip(self.model.layers, layers, strict=True):
            layer.W.data, layer.b.data = weight.T.copy(), bias.copy()
        self.optimizer = SGD(LEARNING_RATE).setup(self.model)
        self.loss = self.binary if work.binary else F.softmax_cross_entropy
        # With int64 labels its one-hot would turn the backward pass into float64.
        self.x, self.labels = x, labels if work.binary else labels.astype(np.int16)

    @staticmethod
    def binary(logits, labels):
        p = F.sigmoid(logits)
        return -F.sum(labels * F.log(p) + (1 - labels) * F.log(1 - p)) / len(labels)

    def step(self):
        loss = self.loss(self.model(self.x), self.labels)
        self.model.cleargrads()
        loss.backward()
        self.optimizer.update()
        return loss.data

    def layers(self):
        return [(layer.W.data.T, layer.b.data) for layer in self.model.layers]


class Scalars:
    def __init__(self, program, values):
        self.program = program
        self.leaves = [Variable(np.array(v)) for v in values]

    def step(self):
        for leaf in self.leaves:
            leaf.cleargrad()
        value = self.program(self.leaves, F.relu)
        value.backward()
        return value.data

    def gradient(self):
        return [float(leaf.grad.data) for leaf in self.leaves]


class Chain:
    def __init__(self, work, x, w, b):
        self.work, self.x, self.w, self.b = work, Variable(x), w, b

    def step(self):
        self.x.cleargrad()
        value = F.sum(self.work.run(self.x, self.w, self.b, F.tanh, F.sigmoid))
        value.backward()
        return value.data

    def gradient(self):
        return self.x.grad.data
