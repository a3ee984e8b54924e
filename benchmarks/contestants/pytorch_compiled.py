# mypy: ignore-errors
# PyTorch lives in an environment of its own.
import torch
import torch.nn.functional as F
from torch.func import grad, grad_and_value, jvp

from benchmarks.works import ADAM_EPS, BETAS, NORM_EPS


def loss(parameters, x, labels, work):
    *hidden, (weight, bias) = parameters
    for w, b, *affine in hidden:
        x = F.linear(x, w, b)
        if affine:
            x = F.layer_norm(x, w.shape[:1], *affine, eps=NORM_EPS)
        x = getattr(torch, work.activation)(x)
        if work.dropout:
            x = F.dropout(x, work.dropout)
    logits = F.linear(x, weight, bias)
    return F.binary_cross_entropy_with_logits(logits, labels) if work.binary else F.cross_entropy(logits, labels)


@torch.compile(dynamic=False)
def train(parameters, moments, count, x, labels, work):
    """The whole step, update included, as one graph: torch.compile would break it at a backward()."""
    gradients, value = grad_and_value(loss)(parameters, x, labels, work)
    if work.optimizer == "Adam":
        first, second = BETAS
        count = count + 1  # not in place: torch 2.13 loses the update of a 0-d tensor
        size, scale = work.rate / (1 - first**count), 1 / (1 - second**count)
    for layer, gradient, moment in zip(parameters, gradients, moments, strict=True):
        for p, g, (m, v) in zip(layer, gradient, moment, strict=True):
            if work.optimizer == "Adam":
                m.mul_(first).add_((1 - first) * g)
                v.mul_(second).add_((1 - second) * g * g)
                g = size / work.rate * m / ((v * scale).sqrt() + ADAM_EPS)
            p.sub_(work.rate * g)
    return value, count


@torch.compile(dynamic=False)
def multiply(parameters, direction, x, labels, work):
    return jvp(lambda p: grad(loss)(p, x, labels, work), (parameters,), (direction,))[1]


class Net:
    def __init__(self, work, layers, x, labels):
        torch.compiler.reset()  # of many works it would compile the later ones for any shape, or not at all
        self.work = work
        self.parameters = [tuple(map(torch.from_numpy, layer)) for layer in layers]
        adam = work.optimizer == "Adam"
        self.moments = [
            [(torch.zeros_like(p), torch.zeros_like(p)) if adam else (None, None) for p in layer]
            for layer in self.parameters
        ]
        self.count = torch.zeros((), dtype=torch.float64)
        self.x, self.labels = torch.from_numpy(x), torch.from_numpy(labels)

    def step(self):
        loss, self.count = train(self.parameters, self.moments, self.count, self.x, self.labels, self.work)
        return loss

    def layers(self):
        return [tuple(p.numpy() for p in layer) for layer in self.parameters]


class Product:
    def __init__(self, work, layers, x, labels, direction):
        self.work = work
        self.parameters, self.direction = (
            [tuple(map(torch.from_numpy, layer)) for layer in given] for given in (layers, direction)
        )
        self.x, self.labels = torch.from_numpy(x), torch.from_numpy(labels)

    def step(self):
        self.products = multiply(self.parameters, self.direction, self.x, self.labels, self.work)

    def product(self):
        return [tuple(p.numpy() for p in layer) for layer in self.products]
