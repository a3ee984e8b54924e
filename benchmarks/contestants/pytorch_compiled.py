# mypy: ignore-errors
import torch

from benchmarks.contestants import pytorch


class Net(pytorch.Net):
    """The whole step, update included, through torch.compile."""

    def __init__(self, layers, x, labels):
        super().__init__(layers, x, labels)
        self.step = torch.compile(super().step)
