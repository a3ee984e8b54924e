"""Fully connected layers, and the shapes before and after them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Unpack

from glassgrad.autograd import Tensor, asarray, reshape
from glassgrad.autograd.common.validation import flag, whole, wholes
from glassgrad.nn import functional as F
from glassgrad.nn import init as initialisers
from glassgrad.nn.modules.module import Drawn, Module, as_floating, parameter


class Linear(Module):
    """Affine map ``x · weightᵀ + bias``.

    ``weight``: ``(out_features, in_features)``, one row per neuron, drawn by ``init``: a name in `nn.init` or a
    function ``(tensor, *, seed)``, Glorot's uniform by default. ``bias``: ``(out_features,)``, starting at 0, or
    ``None``. Input ``(…, in_features)``, output ``(…, out_features)``. ``seed``: an integer, a NumPy Generator, or
    ``None`` for fresh entropy. Raises `autograd.errors.DomainError` for sizes below 1.

    >>> from glassgrad import nn
    >>> layer = nn.Linear(3, 2, seed=0)
    >>> layer.weight.shape, layer.bias
    ((2, 3), Tensor([0.0, 0.0], dtype=float32, name='bias', requires_grad=True))
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        init: str | Callable[..., Any] = "xavier_uniform",
        **made: Unpack[Drawn],
    ) -> None:
        self.in_features = whole(in_features, "in_features")
        self.out_features = whole(out_features, "out_features")
        self.weight = parameter((self.out_features, self.in_features), initialisers.named(init), **made)
        self.bias = parameter(self.out_features, **made) if flag(bias, "bias") else None

    def forward(self, x: Any) -> Tensor:
        """``(…, in_features)`` to ``(…, out_features)``."""
        return F.linear(as_floating(x, self.weight), self.weight, self.bias)


class Flatten(Module):
    """Flatten each sample of a batch to one row, for instance before a `Linear` layer."""

    def forward(self, x: Any) -> Tensor:
        """``(batch, …)`` to ``(batch, product of the other lengths)``."""
        x = asarray(x)
        return reshape(x, shape=(x.shape[0], math.prod(x.shape[1:])))


class Unflatten(Module):
    """Split axis ``dim`` into axes of ``unflattened_size``, for instance rows of pixels into images.

    >>> from glassgrad import nn
    >>> nn.Unflatten(1, (1, 2, 3))([[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]]).shape
    (1, 1, 2, 3)
    """

    def __init__(self, dim: int, unflattened_size: Sequence[int]) -> None:
        self.dim = whole(dim, "dim", -64)
        self.unflattened_size = wholes(unflattened_size, "unflattened_size")

    def forward(self, x: Any) -> Any:
        """``(…, product of unflattened_size, …)`` to ``(…, *unflattened_size, …)``."""
        x = asarray(x)
        at = range(x.ndim)[self.dim]
        return reshape(x, shape=(*x.shape[:at], *self.unflattened_size, *x.shape[at + 1 :]))
