"""Recurrent networks for text and for pictures read row by row, and the base of all language models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Unpack

from glassgrad.autograd import Tensor, asarray, no_grad, reshape, softmax
from glassgrad.autograd.backends import NUMPY, to_numpy
from glassgrad.autograd.common.validation import choice, number, pair, whole
from glassgrad.autograd.errors import DomainError, ShapeError
from glassgrad.nn.init import generator
from glassgrad.nn.modules.embedding import Embedding
from glassgrad.nn.modules.linear import Linear
from glassgrad.nn.modules.module import Drawn, Module
from glassgrad.nn.modules.recurrent import GRU, LSTM, RNN

KINDS: dict[str, Callable[..., Module]] = {"rnn": RNN, "lstm": LSTM, "gru": GRU}
"""Recurrent layers by the names that `CharRNN` and `RowRecurrent` take."""


class LanguageModel(Module):
    """Base of language models: at each position of a text they give the logits of the next symbol."""

    symbols: int

    def _next(self, tokens: Any, state: Any) -> tuple[Any, Any]:
        """Logits (batch, symbols) of the symbol after ``tokens`` (batch, length), and the next state."""
        raise NotImplementedError(f"{type(self).__name__} defines no _next(tokens, state).")

    def sample(
        self, count: int = 1, *, start: Any = (0,), length: int = 100, temperature: float = 1.0, seed: Any = None
    ) -> list[list[int]]:
        """Draw ``count`` continuations of ``start`` from the model, as lists of symbols.

        A text ends before the symbol 0, or after ``length`` symbols. ``temperature`` divides the logits: below 1 it
        makes likely symbols likelier. ``seed``: an integer, a NumPy Generator, or ``None``.

        >>> from glassgrad import nn
        >>> nn.models.char_rnn(3, hidden=4, seed=0).sample(2, length=5, seed=0)
        [[1], []]
        """
        count, length = whole(count, "count"), whole(length, "length")
        temperature, draw = number(temperature, "temperature", 1e-6), generator(seed)
        begun = [whole(symbol, "start[i]", 0) for symbol in start]
        if not begun or max(begun) >= self.symbols:
            raise DomainError(f"start = {start!r}: give at least one symbol, from 0 to {self.symbols - 1}.")
        columns: list[Any] = []
        going, state, tokens = True, None, NUMPY.asarray([begun] * count)
        was_training = self.training
        self.eval()
        try:
            with no_grad():
                for _ in range(length):
                    logits, state = self._next(tokens, state)
                    chances = to_numpy(softmax(logits / temperature).data)
                    bounds = NUMPY.cumulative_sum(NUMPY.asarray(chances, dtype="float64"), axis=1)
                    columns.append((bounds < draw.random((count, 1)) * bounds[:, -1:]).sum(1))
                    going = going & (columns[-1] != 0)
                    if not going.any():
                        break
                    tokens = columns[-1][:, None]
        finally:
            self.train(was_training)
        rows = NUMPY.stack([*columns, NUMPY.zeros(count, int)], axis=1).tolist()  # each ends at its first 0
        return [row[: row.index(0)] for row in rows]


class CharRNN(LanguageModel):
    """A recurrent language model: the logits of the next symbol at each position of a text.

    Input: integers (batch, length) from 0 to symbols - 1. Output: logits (batch, length, symbols), and the state after
    the last position, to pass with the next piece of text. ``kind``: ``"rnn"``, ``"lstm"`` or ``"gru"``, with
    ``num_layers`` layers of ``hidden`` units after an embedding of ``embedding_dim``.

    >>> from glassgrad import nn
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
        **made: Unpack[Drawn],
    ) -> None:
        self.symbols = whole(symbols, "symbols")
        self.embedding = Embedding(symbols, embedding_dim, **made)
        layers = {"num_layers": num_layers, "dropout": dropout, "batch_first": True}
        self.reader = KINDS[choice(kind, "kind", KINDS)](embedding_dim, hidden, **layers, **made)
        self.head = Linear(hidden, symbols, **made)

    def forward(self, tokens: Any, state: Any = None, *, lengths: Any = None) -> tuple[Tensor, Any]:
        """Integers (batch, length) to logits (batch, length, symbols) and the state; ``lengths`` as in `nn.RNN`."""
        outputs, state = self.reader(self.embedding(tokens), state, lengths=lengths)
        return self.head(outputs), state

    def _next(self, tokens: Any, state: Any) -> tuple[Any, Any]:
        logits, state = self(tokens, state)
        return logits[:, -1], state


char_rnn = CharRNN


class RowRecurrent(Module):
    """A classifier that reads a picture row by row, and classifies it by the last state.

    ``size``: (height, width). ``kind``: ``"rnn"``, ``"lstm"`` or ``"gru"``. ``hidden``: the size of the
    state of each of ``num_layers`` layers. Input: pictures of ``size``, (batch, height · width), or of a shape such as
    (batch, 1, height, width). Output: logits (batch, classes).

    >>> import numpy as np
    >>> from glassgrad import nn
    >>> nn.models.RowRecurrent((4, 3), 2, "gru", hidden=8, seed=0)(np.ones((5, 12))).shape
    (5, 2)
    """

    def __init__(
        self,
        size: Sequence[int],
        classes: int = 10,
        kind: str = "lstm",
        hidden: int = 128,
        num_layers: int = 1,
        **made: Unpack[Drawn],
    ) -> None:
        self.size = pair(size, "size")
        self.rows = KINDS[choice(kind, "kind", KINDS)](self.size[1], hidden, num_layers, batch_first=True, **made)
        self.head = Linear(hidden, classes, **made)

    def forward(self, x: Any) -> Any:
        """Pictures to logits (batch, classes)."""
        states, _ = self.rows(rows_of(self, x))
        return self.head(states[:, -1])


def rows_of(model: Any, x: Any) -> Any:
    """Pictures of ``model.size`` as sequences of rows: (batch, height, width)."""
    x = asarray(x)
    height, width = model.size
    if x.ndim < 2 or x.size != x.shape[0] * height * width:
        raise ShapeError(f"{type(model).__name__} takes (batch, {height * width}); it was given shape {x.shape}.")
    return reshape(x, shape=(x.shape[0], height, width))
