"""In-place writes: which memory was written to, and when.

A graph saves arrays for its rules, and an optimizer writes into the arrays of parameters. Backward on a graph that was
recorded before the last noted write checks the saved arrays (`written_at`), and raises if one was overwritten. Writes
are recorded per memory, not per array, so that views, detached Tensors and constants are covered.
"""

from __future__ import annotations

import weakref
from contextlib import suppress
from threading import RLock
from typing import Any

from glassgrad.autograd.engine.graph import stamp

LATEST = [0]
"""The time, on the graph's clock, of the last write to any memory."""

WRITES: dict[int, list[int]] = {}
"""The time of the last write to each memory, by the id of the array that owns it: in a list, which programs set."""

_lock = RLock()  # else a thread could overwrite a later time with an earlier one


def base_of(array: Any) -> Any:
    """The object whose memory ``array`` is a view of; ``None`` if it owns its memory."""
    return array.obj if type(array) is memoryview else getattr(array, "base", None)


def owner(array: Any) -> Any:
    """The object that owns the memory of ``array``: itself, unless it is a view."""
    while (base := base_of(array)) is not None:
        array = base
    return array


def clock_of(memory: Any) -> list[int]:
    """The list that holds the time of the last write to the memory that an array owns."""
    key = id(memory)
    if (clock := WRITES.get(key)) is None:
        with suppress(TypeError):  # a buffer without weak references: its entry stays
            weakref.finalize(memory, WRITES.pop, key, None).atexit = False
        clock = WRITES.setdefault(key, [0])
    return clock


def written(*arrays: Any) -> None:
    """Note that ``arrays`` were written to in place."""
    with _lock:
        now = LATEST[0] = stamp()
        for array in arrays:
            (WRITES.get(id(array)) or clock_of(owner(array)))[0] = now


def written_at(array: Any) -> int:
    """The time of the last recorded write to the memory of ``array``; 0 if there was none.

    >>> import numpy
    >>> w = numpy.ones(3)
    >>> written(w[1:])
    >>> written_at(w) == written_at(w[:1]) > written_at(numpy.ones(3)) == 0
    True
    """
    return WRITES.get(id(owner(array)), (0,))[0]
