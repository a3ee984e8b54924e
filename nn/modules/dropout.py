"""Dropout of elements and of channels."""

from __future__ import annotations

from typing import Any

from glassgrad.autograd.common.validation import number
from glassgrad.nn import functional as F
from glassgrad.nn.init import generator
from glassgrad.nn.modules.module import FunctionModule


class Dropout(FunctionModule, function=F.dropout):
    """In training set each element to 0 with probability ``p`` and divide the others by ``1 - p``; else return x.

    ``seed``: an integer, a NumPy Generator that advances with each call, or ``None`` for fresh entropy; it is not saved
    with the module. Raises `autograd.errors.DomainError` for ``p`` outside [0, 1]. See `nn.functional.dropout`.

    >>> from glassgrad import nn
    >>> layer = nn.Dropout(0.5, seed=0)
    >>> layer([1.0, 2.0, 3.0, 4.0]), layer.eval()([1.0, 2.0, 3.0, 4.0])
    (Tensor([0.0, 4.0, 6.0, 8.0]), Tensor([1.0, 2.0, 3.0, 4.0]))
    """

    def __init__(self, p: float = 0.5, *, seed: Any = None) -> None:
        self.p = number(p, "p", 0, 1)
        self.generator = generator(seed)


class Dropout1d(Dropout, function=F.dropout1d):
    """`Dropout` of whole channels of sequences, ``(batch, channels, length)``."""


class Dropout2d(Dropout, function=F.dropout2d):
    """`Dropout` of whole channels of images, ``(batch, channels, height, width)``.

    >>> from glassgrad import nn
    >>> nn.Dropout2d(0.5, seed=0)([[[[1.0, 2.0]], [[3.0, 4.0]]]]).tolist()
    [[[[0.0, 0.0]], [[6.0, 8.0]]]]
    """


class Dropout3d(Dropout, function=F.dropout3d):
    """`Dropout` of whole channels of volumes, ``(batch, channels, depth, height, width)``."""
