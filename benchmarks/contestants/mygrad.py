# mypy: ignore-errors
# MyGrad lives in an environment of its own.
import mygrad as mg
from mygrad.nnet.activations import relu, sigmoid
from mygrad.nnet.losses import softmax_crossentropy

from benchmarks.works import LEARNING_RATE

mg.turn_memory_guarding_off()  # as its documentation advises for speed


class Net:
    def __init__(self, work, layers, x, labels):
        self.parameters = [(mg.tensor(weight.T.copy()), mg.tensor(bias)) for weight, bias in layers]
        self.x, self.labels = x, labels
        self.loss = self.binary if work.binary else softmax_crossentropy

    @staticmethod
    def binary(logits, labels):
        return mg.mean(mg.logaddexp(0, logits) - labels * logits)

    def step(self):
        x = self.x
        *hidden, (weight, bias) = self.parameters
        for w, b in hidden:
            x = sigmoid(mg.matmul(x, w) + b)
        loss = self.loss(mg.matmul(x, weight) + bias, self.labels)
        loss.backward()
        for layer in self.parameters:
            for p in layer:
                p.data -= LEARNING_RATE * p.grad
                p.null_grad()
        return loss

    def layers(self):
        return [(weight.data.T, bias.data) for weight, bias in self.parameters]


class Scalars:
    def __init__(self, program, values):
        self.program = program
        self.leaves = [mg.tensor(v) for v in values]

    def step(self):
        for leaf in self.leaves:
            leaf.null_grad()
        value = self.program(self.leaves, relu)
        value.backward()
        return value

    def gradient(self):
        return [leaf.grad.item() for leaf in self.leaves]


class Chain:
    def __init__(self, work, x, w, b):
        self.work, self.x, self.w, self.b = work, mg.tensor(x), w, b

    def step(self):
        self.x.null_grad()
        value = self.work.run(self.x, self.w, self.b, mg.tanh, sigmoid).sum()
        value.backward()
        return value

    def gradient(self):
        return self.x.grad
