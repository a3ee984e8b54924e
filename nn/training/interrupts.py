"""Ctrl-C during a training."""

from __future__ import annotations

import signal
import threading
from typing import Any

from glassgrad.nn.parallel import Parallel


class Interrupts:
    """A context in which Ctrl-C waits for the next `check`; a second Ctrl-C acts at once.

    With ``parallel`` the first one waits for the next synchronisation, so that all ranks stop at the same step.

    Attributes:
        broken: whether weights are being written; if an error leaves it True, they may be half updated.
        ignored: whether Ctrl-C has no effect.
    """

    def __init__(self, parallel: Parallel | None) -> None:
        self.parallel = parallel
        self.broken = self.waiting = self.ignored = False
        self.previous: Any = None

    def __enter__(self) -> Interrupts:
        # Replace Python's default handler only, not one of the user's. Only the main thread may do so.
        main = threading.current_thread() is threading.main_thread()
        if main and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            self.previous = signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(self, *error: object) -> None:
        if self.previous is not None:
            signal.signal(signal.SIGINT, self.previous)

    def _handle(self, number: int, frame: Any) -> None:
        if self.ignored:
            return
        if self.waiting:
            raise KeyboardInterrupt
        self.waiting = True
        if self.parallel is not None:
            self.parallel.interrupted = True

    def check(self) -> None:
        """End an update, and raise `KeyboardInterrupt` if a Ctrl-C is waiting."""
        self.broken = False
        if self.waiting and self.parallel is None:
            raise KeyboardInterrupt
