# mypy: ignore-errors
# HIPS autograd lives in an environment of its own.
import autograd.numpy as np
from autograd.scipy.special import expit, logsumexp

from autograd import value_and_grad
from benchmarks.works import LEARNING_RATE


def predict(layers, x):
    *hidden, (weight, bias) = layers
    for w, b in hidden:
        x = expit(np.dot(x, w) + b)
    return np.dot(x, weight) + bias


class Net:
    def __init__(self, work, layers, x, labels):
        self.parameters = [(weight.T.copy(), bias.copy()) for weight, bias in layers]
        self.x, self.labels, self.rows = x, labels, np.arange(len(x))
        self.value_and_grad = value_and_grad(self.binary if work.binary else self.softmax)

    def binary(self, layers):
        logits = predict(layers, self.x)
        return np.mean(np.logaddexp(0, logits) - self.labels * logits)

    def softmax(self, layers):
        logits = predict(layers, self.x)
        return np.mean(logsumexp(logits, axis=1) - logits[self.rows, self.labels])

    def step(self):
        loss, gradients = self.value_and_grad(self.parameters)
        for (weight, bias), (weight_gradient, bias_gradient) in zip(self.parameters, gradients, strict=True):
            weight -= LEARNING_RATE * weight_gradient
            bias -= LEARNING_RATE * bias_gradient
        return loss

    def layers(self):
        return [(weight.T, bias) for weight, bias in self.parameters]


class Chain:
    def __init__(self, work, x, w, b):
        self.x = x
        self.value_and_grad = value_and_grad(lambda x: np.sum(work.run(x, w, b, np.tanh, expit)))

    def step(self):
        value, self.g = self.value_and_grad(self.x)
        return value

    def gradient(self):
        return self.g
