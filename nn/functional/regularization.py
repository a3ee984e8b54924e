"""Dropout of elements and of whole channels; `nn.functional` offers all of it."""

from __future__ import annotations

from typing import Any

from glassgrad.autograd import Tensor, asarray, random
from glassgrad.autograd.common.validation import flag, number
from glassgrad.nn.functional.sharding import SHARD
from glassgrad.nn.functional.spatial import family


def dropout(x: Any, p: float = 0.5, training: bool = True, *, generator: Any) -> Tensor:
    """Set each element to 0 with probability ``p`` and divide the others by ``1 - p``; return x if not ``training``.

    The division keeps the mean. ``generator``: a NumPy Generator, advanced by each call. N. Srivastava et al.,
    "Dropout: a simple way to prevent neural networks from overfitting", JMLR 15, 2014. Raises
    `autograd.errors.DomainError` for ``p`` outside [0, 1].

    >>> import numpy
    >>> dropout([1.0, 2.0, 3.0, 4.0], generator=numpy.random.default_rng(0))
    Tensor([0.0, 4.0, 6.0, 8.0])
    """
    number(p, "p", 0, 1)
    x = asarray(x)
    return _masked(x, x.shape, p, generator) if flag(training, "training") and p else x


def _masked(x: Tensor, shape: tuple[int, ...], p: float, generator: Any) -> Tensor:
    """``x`` times a random mask of ``shape``, which broadcasts against it."""
    rows, shard = None, SHARD.get()
    if shard is not None and shape[:1] == (shard.stop - shard.start,):  # the same mask as one process would draw
        shape, rows = (shard.batch_size, *shape[1:]), slice(shard.start, shard.stop)
    kept = random.bernoulli(1 - p, shape, generator=generator, dtype=x.dtype, device=x.device)
    kept = kept if rows is None else kept[rows]
    mask = kept * (1 / (1 - p) if p < 1 else 0.0)
    mask.name = "mask"
    return x * mask


def _dropout(x: Tensor, p: float = 0.5, training: bool = True, *, generator: Any) -> Tensor:
    """Set each channel to 0 with probability ``p`` and divide the others by ``1 - p``, while training.

    ``x``: (batch, channels, *space), or one sample without the batch. Neighbours in a channel are alike, so dropping
    single elements would have little effect. ``generator``: a NumPy Generator, advanced by each call. J. Tompson et
    al., "Efficient object localization using convolutional networks", CVPR 2015.
    """
    number(p, "p", 0, 1)
    shape = (*x.shape[:2], *(1,) * (x.ndim - 2))
    return _masked(x, shape, p, generator) if flag(training, "training") and p else x


dropout1d, dropout2d, dropout3d = family(_dropout)
