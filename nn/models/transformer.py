"""Transformers for text and for pictures read row by row: A. Vaswani et al., "Attention is all you need", 2017."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

from glassgrad.autograd.backends import NUMPY
from glassgrad.autograd.common.validation import pair, whole
from glassgrad.nn.models.recurrent import LanguageModel, rows_of
from glassgrad.nn.modules.attention import TransformerEncoderLayer
from glassgrad.nn.modules.containers import ModuleList
from glassgrad.nn.modules.embedding import Embedding, PositionalEncoding
from glassgrad.nn.modules.linear import Linear
from glassgrad.nn.modules.module import Drawn, Module, placed
from glassgrad.nn.modules.normalization import LayerNorm


class _Transformer(Module):
    """Base of both Transformers: layers that normalise first, and a linear head after one more normalisation."""

    def _make(
        self, outputs: int, max_len: int, num_layers: int, layer: tuple[int, int, int, float], made: Drawn
    ) -> None:
        """``layer``: the sizes of a `TransformerEncoderLayer`, ``d_model`` first."""
        d_model = layer[0]
        self.position = PositionalEncoding(d_model, max_len, **placed(made))
        self.layers = ModuleList(
            TransformerEncoderLayer(*layer, "gelu", batch_first=True, norm_first=True, **made)
            for _ in range(whole(num_layers, "num_layers"))
        )
        self.norm = LayerNorm(d_model, **placed(made))
        self.head = Linear(d_model, outputs, **made)

    def _encoded(self, x: Any, is_causal: bool) -> Any:
        x = self.position(x)
        for layer in self.layers:
            x = layer(x, is_causal=is_causal)
        return self.norm(x)


class CharTransformer(LanguageModel, _Transformer):
    """A language model: the logits of the next symbol at each position of a text.

    Input: integers (batch, length) from 0 to symbols - 1, of a length up to ``max_len``. Output: (batch, length,
    symbols). A position attends to itself and those before it. ``d_model``: features of each position, ``nhead`` heads,
    ``num_layers`` layers with ``dim_feedforward`` hidden neurons.

    >>> from glassgrad import nn
    >>> model = nn.models.char_transformer(27, d_model=16, nhead=2, num_layers=1, seed=0)
    >>> model([[0, 5, 3]]).shape
    (1, 3, 27)
    """

    def __init__(
        self,
        symbols: int,
        d_model: int = 64,
        nhead: int = 4,
        num_layers: int = 2,
        dim_feedforward: int = 256,
        max_len: int = 256,
        dropout: float = 0.1,
        **made: Unpack[Drawn],
    ) -> None:
        self.symbols, self.max_len = whole(symbols, "symbols"), whole(max_len, "max_len")
        self.embedding = Embedding(symbols, d_model, **made)
        self._make(symbols, max_len, num_layers, (d_model, nhead, dim_feedforward, dropout), made)

    def forward(self, tokens: Any) -> Any:
        """Integers (batch, length) to logits (batch, length, symbols)."""
        return self.head(self._encoded(self.embedding(tokens), is_causal=True))

    def _next(self, tokens: Any, state: Any) -> tuple[Any, Any]:
        """The state is the text so far, its last ``max_len`` symbols."""
        text = tokens if state is None else NUMPY.concat([state, tokens], axis=1)
        text = text[:, -self.max_len :]
        return self(text)[:, -1], text


char_transformer = CharTransformer


class RowTransformer(_Transformer):
    """A classifier that reads a picture as a sequence of its rows.

    ``size``: (height, width). Input: pictures (batch, height · width), or of a shape such as (batch, 1, height, width).
    Output: logits (batch, classes), from the mean over the rows.

    >>> import numpy as np
    >>> from glassgrad import nn
    >>> nn.models.RowTransformer((4, 3), 2, d_model=8, nhead=2, seed=0)(np.ones((5, 12))).shape
    (5, 2)
    """

    def __init__(
        self,
        size: Sequence[int],
        classes: int = 10,
        d_model: int = 64,
        nhead: int = 4,
        num_layers: int = 2,
        dim_feedforward: int = 128,
        dropout: float = 0.1,
        **made: Unpack[Drawn],
    ) -> None:
        self.size = pair(size, "size")
        self.rows = Linear(self.size[1], d_model, **made)
        self._make(classes, self.size[0], num_layers, (d_model, nhead, dim_feedforward, dropout), made)

    def forward(self, x: Any) -> Any:
        """Pictures to logits (batch, classes)."""
        return self.head(self._encoded(self.rows(rows_of(self, x)), is_causal=False).mean(1))
