"""Layers that only change shapes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from autograd import Tensor, asarray, reshape
from autograd.common.validation import refused, whole
from autograd.errors import ShapeError
from nn.modules.module import PlainModule


class Flatten(PlainModule):
    """Flatten each sample of a batch to one row, for instance before a `Linear` layer."""

    def forward(self, x: Any) -> Tensor:
        """``(batch, …)`` to ``(batch, product of the other lengths)``."""
        x = asarray(x)
        if not x.shape:
            raise ShapeError("Flatten takes a batch of shape (n, …); it was given a single number.")
        return reshape(x, shape=(x.shape[0], math.prod(x.shape[1:])))


class Unflatten(PlainModule):
    """Split axis ``dim`` into axes of ``unflattened_size``, for instance rows of pixels into images.

    >>> import nn
    >>> nn.Unflatten(1, (1, 2, 3))([[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]]).shape
    (1, 1, 2, 3)
    """

    def __init__(self, dim: int, unflattened_size: Sequence[int]) -> None:
        self.dim = whole(dim, "dim", -64)
        if not isinstance(unflattened_size, Sequence):
            raise refused(unflattened_size, "unflattened_size", "a tuple of lengths, such as (1, 16, 16)")
        self.unflattened_size = tuple(whole(n, f"unflattened_size[{i}]") for i, n in enumerate(unflattened_size))

    def forward(self, x: Any) -> Any:
        """``(…, product of unflattened_size, …)`` to ``(…, *unflattened_size, …)``."""
        x = asarray(x)
        fits = -x.ndim <= self.dim < x.ndim
        if not fits or x.shape[self.dim] != math.prod(self.unflattened_size):
            raise ShapeError(
                f"{self._described()} needs {math.prod(self.unflattened_size)} elements along axis {self.dim}; it was "
                f"given shape {x.shape}."
            )
        at = self.dim % x.ndim
        return reshape(x, shape=(*x.shape[:at], *self.unflattened_size, *x.shape[at + 1 :]))
