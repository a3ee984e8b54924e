"""The rows of a batch that this process computes under `nn.parallel`; read by layers."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, NamedTuple


class Shard(NamedTuple):
    """Rows ``start`` to ``stop - 1`` of a batch of ``batch_size`` rows.

    ``all_reduce`` returns the sum of an array over all ranks.
    """

    start: int
    stop: int
    batch_size: int
    all_reduce: Callable[[Any], Any]


SHARD: ContextVar[Shard | None] = ContextVar("nn_shard", default=None)
"""The shard being computed, or ``None`` if this process computes the whole batch.

A layer that draws random numbers or combines rows needs it to give the result that one process would."""
