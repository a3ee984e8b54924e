"""Fully connected layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from autograd import Tensor, zeros
from autograd.common.validation import whole
from nn import functional as F
from nn import init as initialisers
from nn.modules.module import Parameter, PlainModule, as_floating


class Linear(PlainModule):
    """Affine map ``x · weightᵀ + bias``.

    ``weight``: ``(out_features, in_features)``, one row per neuron, drawn by ``init``: a name in `nn.init` or a
    function ``(tensor, *, seed)``, Glorot's uniform by default. ``bias``: ``(out_features,)``, starting at 0, or
    ``None``. Input ``(…, in_features)``, output ``(…, out_features)``. ``seed``: an integer, a NumPy Generator, or
    ``None`` for fresh entropy. Raises `autograd.errors.DomainError` for sizes below 1.

    >>> import nn
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
        seed: Any = None,
        init: str | Callable[..., Any] = "xavier_uniform",
        dtype: Any = "float32",
        device: str | None = None,
    ) -> None:
        self.in_features = whole(in_features, "in_features")
        self.out_features = whole(out_features, "out_features")
        self.weight = Parameter(zeros((self.out_features, self.in_features), dtype=dtype), dtype=dtype, device=device)
        initialisers.named(init)(self.weight, seed=seed)
        self.bias = Parameter(zeros(self.out_features, dtype=dtype), dtype=dtype, device=device) if bias else None

    def forward(self, x: Any) -> Tensor:
        """``(…, in_features)`` to ``(…, out_features)``."""
        return F.linear(as_floating(x, self.weight), self.weight, self.bias)
