"""Minibatches of training and validation data."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

from glassgrad.autograd import Tensor, asarray
from glassgrad.autograd.backends import NUMPY, is_inexact, namespace
from glassgrad.autograd.common.messages import of_type
from glassgrad.autograd.errors import DTypeError
from glassgrad.nn.data.dataset import in_batches, minibatches
from glassgrad.nn.init import generator
from glassgrad.nn.modules.module import Module
from glassgrad.nn.parallel import Parallel


class Batches:
    """The minibatches of an epoch as Tensors on the model's device; floating ones have the model's dtype.

    If that device is a GPU and all samples are given at once, they are moved there once and batches are gathered there,
    so that an epoch copies only the order of the samples to the GPU.
    """

    def __init__(self, data: Any, name: str, model: Module, batch_size: int, parallel: Parallel | None = None) -> None:
        first = next(model.parameters(), None)
        self.dtype: Any = None if first is None else first.dtype
        self.device = None if first is None else first.device
        self.data, self.batch_size, self.parallel = data, batch_size, parallel
        self.pair: Any = None  # the arrays of all samples (x, y)
        if isinstance(data, tuple) and len(data) == 2:
            x, y = (asarray(part).detach() for part in data)
            like_x, like_y = (NUMPY.broadcast_to(0.0, part.shape) for part in (x, y))
            minibatches(like_x, like_y, batch_size, None)  # raises now for data that can't be batched
            there = "cpu" if self.device is None or parallel is not None else self.device
            self.pair = tuple(self._cast(part.to(there)).data for part in (x, y))
        elif not isinstance(data, Iterable) or isinstance(data, Iterator):
            raise DTypeError(
                f"{name} is {of_type(data)}: give (x, y), or an iterable of batches (x, y) that can be "
                "iterated once per epoch (a generator is empty after the first)."
            )

    def __len__(self) -> int:
        """The number of batches; 0 if unknown."""
        if self.pair is not None:
            return math.ceil(len(self.pair[0]) / self.batch_size)
        return len(self.data) if hasattr(self.data, "__len__") else 0

    def order(self, seed: Any) -> Any:
        """The order of the rows of `pair`, random unless ``seed`` is None."""
        rows = len(self.pair[0])
        order = NUMPY.arange(rows) if seed is None else generator(seed).permutation(rows)
        return namespace(self.pair[0]).asarray(order)

    def epoch(self, seed: Any) -> Iterator[tuple[Tensor, Tensor]]:
        """Iterate over the batches, in random order unless ``seed`` is None."""
        drawn = None if seed is None or self.pair is None else self.order(seed)
        for batch in self.data if self.pair is None else in_batches(self.pair, drawn, self.batch_size):
            if not isinstance(batch, tuple | list) or len(batch) != 2:
                raise DTypeError(
                    f"the data yields {of_type(batch)} instead of a batch (x, y): give all samples as one "
                    "tuple (x, y), or an iterable of such batches."
                )
            x, y = batch if self.parallel is None else self.parallel.shard(*batch)
            x, y = asarray(x, device=self.device), asarray(y, device=self.device)
            yield (x, y) if self.pair is not None else (self._cast(x), self._cast(y))

    def _cast(self, values: Tensor) -> Tensor:
        """Floating values in the model's dtype. Integers stay: they may be labels, or indices into an embedding."""
        return values if self.dtype is None or not is_inexact(values.dtype) else values.to(self.dtype)


def row_count(y: Tensor) -> int:
    """Number of samples of a batch."""
    return len(y) if y.ndim else 1
