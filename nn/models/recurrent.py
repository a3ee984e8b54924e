"""Recurrent networks that read a picture row by row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Unpack

from glassgrad.autograd import asarray, reshape
from glassgrad.autograd.common.validation import choice, pair, whole
from glassgrad.autograd.errors import ShapeError
from glassgrad.nn.modules.linear import Linear
from glassgrad.nn.modules.module import Drawn, Module
from glassgrad.nn.modules.recurrent import GRU, LSTM, RNN

KINDS: dict[str, Callable[..., Module]] = {"rnn": RNN, "lstm": LSTM, "gru": GRU}
"""Recurrent layers by the names that `RowRecurrent` takes."""


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
        self.size, self.classes = pair(size, "size"), whole(classes, "classes")
        self.kind = choice(kind, "kind", KINDS)
        self.hidden, self.num_layers = whole(hidden, "hidden"), whole(num_layers, "num_layers")
        self.rows = KINDS[kind](self.size[1], hidden, num_layers, batch_first=True, **made)
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
