"""Locks that can be used in a forked process."""

from __future__ import annotations

import os
import weakref
from typing import TypeVar

Lock = TypeVar("Lock")

_LOCKS: weakref.WeakSet[object] = weakref.WeakSet()


def fork_safe(lock: Lock) -> Lock:
    """``lock``, made to be free in a forked process: the thread that held it does not exist there."""
    _LOCKS.add(lock)
    return lock


def _release() -> None:
    for lock in _LOCKS:
        lock._at_fork_reinit()  # type: ignore[attr-defined]


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_release)
