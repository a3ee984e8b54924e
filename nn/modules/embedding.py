"""Embeddings of integers and of positions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Unpack

from glassgrad.autograd import Tensor, asarray
from glassgrad.autograd.backends import NUMPY
from glassgrad.autograd.common.validation import whole
from glassgrad.autograd.errors import DomainError, ShapeError
from glassgrad.nn import functional as F
from glassgrad.nn import init as initialisers
from glassgrad.nn.functional.attention import checked_row
from glassgrad.nn.modules.module import Drawn, Module, Placed, as_floating, parameter


class Embedding(Module):
    """A row of ``weight`` for each integer from 0 to num_embeddings - 1: ``(…)`` to ``(…, embedding_dim)``.

    ``weight``: ``(num_embeddings, embedding_dim)``, drawn by ``init``, by default from the normal distribution. The row
    ``padding_idx`` starts at 0 and gets no gradient. ``seed``: an integer, a NumPy Generator, or ``None`` for fresh
    entropy. See `nn.functional.embedding`.

    >>> from glassgrad import nn
    >>> layer = nn.Embedding(10, 3, padding_idx=0, seed=0)
    >>> layer([[4, 1], [0, 0]]).shape, layer.weight[0].tolist()
    ((2, 2, 3), [0.0, 0.0, 0.0])
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        *,
        init: str | Callable[..., Any] = "normal",
        **made: Unpack[Drawn],
    ) -> None:
        self.num_embeddings = whole(num_embeddings, "num_embeddings")
        self.embedding_dim = whole(embedding_dim, "embedding_dim")
        self.padding_idx = None if padding_idx is None else checked_row(padding_idx, self.num_embeddings)
        self.weight = parameter((self.num_embeddings, self.embedding_dim), initialisers.named(init), **made)
        if self.padding_idx is not None and initialisers.LOADING.get() is None:
            rows = self.weight.detach()
            rows[self.padding_idx] = 0.0
            self.weight.data = rows.data

    def forward(self, indices: Any) -> Tensor:
        """Integers ``(…)`` to ``(…, embedding_dim)``."""
        return F.embedding(indices, self.weight, self.padding_idx)


def _waves(shape: tuple[int, ...]) -> Any:
    length, features = shape
    angle = NUMPY.arange(length)[:, None] * 10000.0 ** (-NUMPY.arange(0, features, 2) / features)
    return NUMPY.stack([NUMPY.sin(angle), NUMPY.cos(angle)], axis=-1).reshape(shape)


class PositionalEncoding(Module):
    """Add sines and cosines of the position: ``(…, length, d_model)`` to the same shape.

    Features 2i and 2i + 1 of position p get the sine and the cosine of ``p / 10000^(2i / d_model)``, as attention
    ignores the order of its inputs. They are the buffer ``pe``, ``(max_len, d_model)``. A. Vaswani et al., "Attention
    is all you need", NeurIPS 2017, section 3.5. Raises `autograd.errors.ShapeError` for sequences longer than
    ``max_len``.

    >>> from glassgrad import nn
    >>> nn.PositionalEncoding(2, max_len=3)([[0.0, 0.0], [0.0, 0.0]])
    Tensor([[     0.0,      1.0],
            [0.841471, 0.540302]])
    """

    pe: Tensor

    def __init__(self, d_model: int, max_len: int = 1024, **made: Unpack[Placed]) -> None:
        self.d_model, self.max_len = whole(d_model, "d_model"), whole(max_len, "max_len")
        if self.d_model % 2:
            raise DomainError(f"PositionalEncoding: d_model = {d_model} is odd: features are pairs, sine and cosine.")
        self.register_buffer("pe", initialisers._filled((self.max_len, self.d_model), **made))
        initialisers._set(self.pe, _waves)

    def forward(self, x: Any) -> Tensor:
        """``(…, length, d_model)`` to the same shape."""
        x = asarray(as_floating(x, self.pe))
        if x.ndim < 2 or x.shape[-1] != self.d_model or x.shape[-2] > self.max_len:
            raise ShapeError(
                f"{self._described()} takes (…, length, {self.d_model}) of a length up to {self.max_len}; it was given "
                f"shape {x.shape}."
            )
        return x + self.pe[: x.shape[-2]]  # type: ignore[no-any-return]
