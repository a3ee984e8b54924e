# mypy: ignore-errors
# PyTorch lives in an environment of its own.
import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.works import NORM_EPS

ACTIVATIONS = {"sigmoid": nn.Sigmoid, "tanh": nn.Tanh, "relu": nn.ReLU}


class Net:
    def __init__(self, work, layers, x, labels):
        modules = []
        for weight, _, *affine in layers:
            modules += [
                nn.Linear(weight.shape[1], weight.shape[0]),
                *([nn.LayerNorm(weight.shape[0], eps=NORM_EPS)] if affine else []),
                ACTIVATIONS[work.activation](),
                *([nn.Dropout(work.dropout)] if work.dropout else []),
            ]
        while not isinstance(modules[-1], nn.Linear):
            modules.pop()
        self.model = nn.Sequential(*modules).to(getattr(torch, work.dtype))
        with torch.no_grad():
            for parameter, array in zip(self.model.parameters(), (p for layer in layers for p in layer), strict=True):
                parameter.copy_(torch.from_numpy(array))
        self.forms = [len(layer) for layer in layers]
        self.optimizer = getattr(torch.optim, work.optimizer)(self.model.parameters(), lr=work.rate)
        self.x, self.labels = torch.from_numpy(x), torch.from_numpy(labels)
        self.loss = F.binary_cross_entropy_with_logits if work.binary else F.cross_entropy

    def step(self):
        self.optimizer.zero_grad()
        loss = self.loss(self.model(self.x), self.labels)
        loss.backward()
        self.optimizer.step()
        return loss

    def layers(self):
        arrays = iter([p.detach().numpy() for p in self.model.parameters()])
        return [tuple(next(arrays) for _ in range(count)) for count in self.forms]


class Product:
    def __init__(self, work, layers, x, labels, direction):
        self.parameters, self.direction = (
            tuple(torch.from_numpy(p) for layer in given for p in layer) for given in (layers, direction)
        )
        self.x, self.labels = torch.from_numpy(x), torch.from_numpy(labels)

    def loss(self, *parameters):
        x = self.x
        *hidden, (weight, bias) = zip(parameters[::2], parameters[1::2], strict=True)
        for w, b in hidden:
            x = torch.sigmoid(F.linear(x, w, b))
        return F.cross_entropy(F.linear(x, weight, bias), self.labels)

    def step(self):
        self.products = torch.autograd.functional.hvp(self.loss, self.parameters, self.direction)[1]

    def product(self):
        arrays = [p.numpy() for p in self.products]
        return list(zip(arrays[::2], arrays[1::2], strict=True))


class Scalars:
    def __init__(self, program, values):
        self.program = program
        self.leaves = [torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in values]

    def step(self):
        for leaf in self.leaves:
            leaf.grad = None
        value = self.program(self.leaves, torch.relu)
        value.backward()
        return value

    def gradient(self):
        return [leaf.grad.item() for leaf in self.leaves]


class Chain:
    def __init__(self, work, x, w, b):
        self.work = work
        self.x = torch.from_numpy(x).requires_grad_()
        self.w, self.b = torch.from_numpy(w), torch.from_numpy(b)

    def step(self):
        self.x.grad = None
        value = self.work.run(self.x, self.w, self.b, torch.tanh, torch.sigmoid).sum()
        value.backward()
        return value

    def gradient(self):
        return self.x.grad.numpy()
