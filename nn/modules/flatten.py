"""Layers that change shapes alone."""

from __future__ import annotations

import math
from typing import Any

from autograd import Tensor, asarray, reshape
from autograd.errors import ShapeError
from nn.modules.module import PlainModule


class Flatten(PlainModule):
    """Flatten each sample of a batch to one row, as a `Linear` takes images."""

    def forward(self, x: Any) -> Tensor:
        """``(batch, …)`` to ``(batch, product of the other lengths)``."""
        x = asarray(x)
        if not x.shape:
            raise ShapeError("Flatten takes a batch of shape (n, …); it was given a single number.")
        return reshape(x, shape=(x.shape[0], math.prod(x.shape[1:])))
