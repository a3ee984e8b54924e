"""Locks that a process made by a fork can use."""

from __future__ import annotations

import os
import weakref
from typing import TypeVar

Lock = TypeVar("Lock")

_LOCKS: weakref.WeakSet[object] = weakref.WeakSet()


def fork_safe(lock: Lock) -> Lock:
    """``lock``, released in the child of a fork: the thread that holds it is not there."""
    _LOCKS.add(lock)
    return lock


def _release() -> None:
    for lock in _LOCKS:
        lock._at_fork_reinit()  # type: ignore[attr-defined]


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_release)
