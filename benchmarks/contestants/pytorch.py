# mypy: ignore-errors
# PyTorch lives in an environment of its own.
import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.works import LEARNING_RATE


class Net:
    def __init__(self, layers, x, labels):
        modules = []
        for weight, bias in layers:
            linear = nn.Linear(weight.shape[1], weight.shape[0])
            with torch.no_grad():
                linear.weight.copy_(torch.from_numpy(weight))
                linear.bias.copy_(torch.from_numpy(bias))
            modules += [linear, nn.Sigmoid()]
        self.model = nn.Sequential(*modules[:-1])
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=LEARNING_RATE)
        self.x, self.labels = torch.from_numpy(x), torch.from_numpy(labels)
        binary = self.labels.dtype == torch.float32
        self.loss = F.binary_cross_entropy_with_logits if binary else F.cross_entropy

    def step(self):
        self.optimizer.zero_grad()
        loss = self.loss(self.model(self.x), self.labels)
        loss.backward()
        self.optimizer.step()
        return loss

    def layers(self):
        arrays = [p.detach().numpy() for p in self.model.parameters()]
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
