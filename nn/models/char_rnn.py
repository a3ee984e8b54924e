"""A recurrent network that reads and writes text character by character."""

from __future__ import annotations

from typing import Any

from autograd import Tensor
from autograd.common.validation import number, whole
from autograd.errors import DomainError
from nn.init import generator
from nn.models.language import LanguageModel
from nn.models.recurrent import KINDS
from nn.modules.embedding import Embedding
from nn.modules.linear import Linear


class CharRNN(LanguageModel):
    """A language model: at each place of a text the logits of the symbol that comes next.

    Input: integers (batch, length) from 0 to symbols - 1. Output: logits (batch, length, symbols), and the state behind
    the last place, from which the next piece of text can go on. ``kind``: ``"rnn"``, ``"lstm"`` or ``"gru"``, with
    ``num_layers`` layers of ``hidden`` units behind an embedding of ``embedding_dim``.

    >>> import nn
    >>> model = nn.models.char_rnn(27, hidden=16, seed=0)
    >>> logits, (h, c) = model([[0, 5, 3]])
    >>> logits.shape, h.shape
    ((1, 3, 27), (1, 1, 16))
    """

    def __init__(
        self,
        symbols: int,
        kind: str = "lstm",
        embedding_dim: int = 32,
        hidden: int = 128,
        num_layers: int = 1,
        dropout: float = 0.0,
        *,
        seed: Any = None,
        dtype: Any = "float32",
    ) -> None:
        if kind not in tuple(KINDS):
            raise DomainError(f"CharRNN has no kind {kind!r}: choose {', '.join(KINDS)}.")
        draw = generator(seed)
        self.symbols, self.embedding_dim = whole(symbols, "symbols"), whole(embedding_dim, "embedding_dim")
        self.kind, self.hidden, self.num_layers = kind, whole(hidden, "hidden"), whole(num_layers, "num_layers")
        self.dropout = number(dropout, "dropout", 0, 1)
        self.embedding = Embedding(symbols, embedding_dim, seed=draw, dtype=dtype)
        layers = {"num_layers": num_layers, "dropout": dropout, "batch_first": True}
        self.reader = KINDS[kind](embedding_dim, hidden, **layers, seed=draw, dtype=dtype)
        self.head = Linear(hidden, symbols, seed=draw, dtype=dtype)

    def forward(self, tokens: Any, state: Any = None, *, lengths: Any = None) -> tuple[Tensor, Any]:
        """Integers (batch, length) to logits (batch, length, symbols) and the state; ``lengths`` as in `nn.RNN`."""
        outputs, state = self.reader(self.embedding(tokens), state, lengths=lengths)
        return self.head(outputs), state

    def _next(self, tokens: Any, state: Any) -> tuple[Any, Any]:
        logits, state = self(tokens, state)
        return logits[:, -1], state


def char_rnn(symbols: int, kind: str = "lstm", **options: Any) -> CharRNN:
    """`CharRNN`: a recurrent language model over so many symbols.

    ``options``: ``embedding_dim``, ``hidden``, ``num_layers``, ``dropout``, ``seed``, ``dtype``.
    """
    return CharRNN(symbols, kind, **options)
