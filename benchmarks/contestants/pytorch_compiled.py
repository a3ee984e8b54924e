# mypy: ignore-errors
# PyTorch lives in an environment of its own.
import torch
import torch.nn.functional as F
from torch.func import grad_and_value

from benchmarks.works import LEARNING_RATE


def loss(parameters, x, labels):
    *hidden, (weight, bias) = parameters
    for w, b in hidden:
        x = torch.sigmoid(F.linear(x, w, b))
    logits = F.linear(x, weight, bias)
    if labels.dtype == torch.float32:
        return F.binary_cross_entropy_with_logits(logits, labels)
    return F.cross_entropy(logits, labels)


@torch.compile
def train(parameters, x, labels):
    """The whole step, update included, as one graph: torch.compile would break it at a backward()."""
    gradients, value = grad_and_value(loss)(parameters, x, labels)
    for layer, gradient in zip(parameters, gradients, strict=True):
        for p, g in zip(layer, gradient, strict=True):
            p.sub_(LEARNING_RATE * g)
    return value


class Net:
    def __init__(self, layers, x, labels):
        self.parameters = [(torch.from_numpy(weight), torch.from_numpy(bias)) for weight, bias in layers]
        self.x, self.labels = torch.from_numpy(x), torch.from_numpy(labels)

    def step(self):
        return train(self.parameters, self.x, self.labels)

    def layers(self):
        return [(weight.numpy(), bias.numpy()) for weight, bias in self.parameters]
