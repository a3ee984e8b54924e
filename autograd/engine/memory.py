"""In-place writes: which memory was written to, and when.

A graph saves arrays for its rules, and an optimizer writes into the arrays of parameters. Backward on a graph that was
recorded before the last noted write checks the saved arrays (`written_at`), and raises if one was overwritten. Writes
are recorded per memory, not per array, so that views, detached Tensors and constants are covered.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from contextlib import suppress
from threading import RLock
from typing import Any

from glassgrad.autograd.engine.graph import stamp

LAST = 0
"""The key of the latest write in `WRITES`. No object has this id."""

WRITES: dict[int, int] = {LAST: 0}
"""The time, on the graph's clock, of the last write to each memory, by the id of the array that owns the memory."""

CLOCKS: dict[int, list[int]] = {}
"""The same for memory that compiled programs write to: lists of one time, which is quick to set."""

_lock = RLock()  # else a thread could overwrite a later time with an earlier one


def base_of(array: Any) -> Any:
    """The object whose memory ``array`` is a view of; ``None`` if it owns its memory."""
    base = getattr(array, "base", None)
    return getattr(array, "obj", None) if base is None else base  # a memoryview calls it ``obj``


def owner(array: Any) -> Any:
    """The object that owns the memory of ``array``: itself, unless it is a view."""
    while (base := base_of(array)) is not None:
        array = base
    return array


def written(array: Any) -> None:
    """Note that ``array`` was written to in place."""
    key = id(array if getattr(array, "base", None) is None else owner(array))
    if key not in WRITES:
        _remember(key, owner(array))
    with _lock:
        WRITES[key] = WRITES[LAST] = stamp()


def all_written(arrays: Iterable[Any]) -> None:
    """Note that all of ``arrays`` were written to in place, as compiled programs do at every call."""
    owners = {id(place): place for place in map(owner, arrays)}
    for key in owners.keys() - WRITES.keys():
        _remember(key, owners[key])
    with _lock:
        WRITES.update(dict.fromkeys((*owners, LAST), stamp()))


def written_at(array: Any) -> int:
    """The time of the last recorded write to the memory of ``array``; 0 if there was none.

    >>> import numpy
    >>> w = numpy.ones(3)
    >>> written(w[1:])
    >>> written_at(w) == written_at(w[:1]) > written_at(numpy.ones(3)) == 0
    True
    """
    key = id(owner(array))
    return max(WRITES.get(key, 0), *CLOCKS.get(key, (0,)))


def clock_of(memory: Any) -> list[int]:
    """The list of one time that a compiled program sets at each call, before it writes to this memory."""
    key = id(memory)
    if key not in CLOCKS:
        CLOCKS[key] = [0]
        with suppress(TypeError):
            weakref.finalize(memory, CLOCKS.pop, key, None).atexit = False
    return CLOCKS[key]


def _remember(key: int, array: Any) -> None:
    """Arrange that the entry of ``array`` in `WRITES` is removed when the array is freed."""
    with suppress(TypeError):  # a buffer without weak references: its entry stays
        weakref.finalize(array, WRITES.pop, key, None).atexit = False
