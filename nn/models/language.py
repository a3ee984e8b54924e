"""Base of language models: they write texts, one symbol after the other."""

from __future__ import annotations

from typing import Any

from autograd import no_grad, softmax
from autograd.backends import NUMPY, to_numpy
from autograd.common.validation import number, whole
from autograd.errors import DomainError
from nn.init import generator
from nn.modules.module import PlainModule


class LanguageModel(PlainModule):
    """A module that gives, at each place of a text, the logits of the symbol that comes next."""

    symbols: int

    def _next(self, tokens: Any, state: Any) -> tuple[Any, Any]:
        """Logits (batch, symbols) behind ``tokens`` (batch, length), and the state to go on with; it begins as None."""
        raise NotImplementedError(f"{type(self).__name__} defines no _next(tokens, state).")

    def sample(
        self, count: int = 1, *, start: Any = (0,), length: int = 100, temperature: float = 1.0, seed: Any = None
    ) -> list[list[int]]:
        """``count`` texts that the model writes behind ``start``, as lists of symbols, drawn one after the other.

        A text ends at the symbol 0, which is left out, or after ``length`` symbols. ``temperature``: by what the logits
        are divided: below 1 likely symbols become likelier. ``seed``: an integer, a NumPy Generator, or ``None``.

        >>> import nn
        >>> nn.models.char_rnn(3, hidden=4, seed=0).sample(2, length=5, seed=0)
        [[1], []]
        """
        count, length = whole(count, "count"), whole(length, "length")
        temperature, draw = number(temperature, "temperature", 1e-6), generator(seed)
        begun = [whole(symbol, "start[i]", 0) for symbol in start]
        if not begun or max(begun) >= self.symbols:
            raise DomainError(f"start = {start!r}: give at least one symbol, from 0 to {self.symbols - 1}.")
        texts: list[list[int]] = [[] for _ in range(count)]
        going, state, tokens = [True] * count, None, NUMPY.asarray([begun] * count)
        was_training = self.training
        self.eval()
        try:
            with no_grad():
                for _ in range(length):
                    logits, state = self._next(tokens, state)
                    chances = to_numpy(softmax(logits / temperature).data)
                    bounds = NUMPY.cumulative_sum(NUMPY.asarray(chances, dtype="float64"), axis=1)
                    drawn = (bounds < draw.random((count, 1)) * bounds[:, -1:]).sum(1)
                    for i, symbol in enumerate(drawn.tolist()):
                        going[i] = going[i] and symbol != 0
                        texts[i] += [symbol] * going[i]
                    if not any(going):
                        break
                    tokens = drawn[:, None]
        finally:
            self.train(was_training)
        return texts
