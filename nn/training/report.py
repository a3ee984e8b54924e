"""Progress of a training as text."""

from __future__ import annotations

import shutil
import sys
from time import perf_counter
from typing import TextIO

from glassgrad.nn.training.evaluation import Tally
from glassgrad.nn.training.history import History


class Report:
    """A live line on a terminal; elsewhere a plain line per epoch; nothing without a stream.

    `tqdm` is not used: it would be a dependency of every installation, and writes carriage returns into files.
    """

    def __init__(self, progress: bool | TextIO, epochs: int, batches: int, done: int = 0) -> None:
        self.stream = None if progress is False else sys.stdout if progress is True else progress
        self.live = self.stream is not None and hasattr(self.stream, "isatty") and self.stream.isatty()
        self.epochs, self.batches, self.done, self.before = epochs, batches, done, done
        self.start = self.shown = perf_counter()

    def batch(self, tally: Tally) -> None:
        """Update the live line, at most ten times a second."""
        if not self.live or (now := perf_counter()) - self.shown < 0.1:
            return
        self.shown = now
        share = min(1.0, tally.batches / self.batches) if self.batches else 0.0
        parts = [self._epoch(self.done + 1), f"{100 * share:3.0f} %" if self.batches else f"batch {tally.batches}"]
        parts += _numbers(*tally.result())
        completed = (self.done + share - self.before) / (self.epochs - self.before)
        if completed:
            parts.append(f"{duration((now - self.start) * (1 / completed - 1))} left")
        self._overwrite("  ".join(parts))

    def epoch(self, history: History) -> None:
        """Write the line of a completed epoch."""
        self.done = history.epochs
        parts = [self._epoch(self.done), *_numbers(history.loss[-1], history.accuracy[-1])]
        if (held := history.validation_loss[-1]) is not None:
            parts += ["validation:", *_numbers(held, history.validation_accuracy[-1])]
        self.line("  ".join([*parts, duration(history.seconds[-1])]))

    def line(self, text: str) -> None:
        """Write a line that stays."""
        if self.stream is None:
            return
        self.clear()
        self.stream.write(f"{text}\n")
        if hasattr(self.stream, "flush"):
            self.stream.flush()

    def clear(self) -> None:
        """Erase the live line."""
        if self.live:
            self._overwrite("", end="\r")

    def _overwrite(self, text: str, end: str = "") -> None:
        assert self.stream is not None
        wide = shutil.get_terminal_size().columns - 1
        self.stream.write(f"\r{text[:wide]:{wide}}{end}")
        self.stream.flush()

    def _epoch(self, epoch: int) -> str:
        return f"epoch {epoch:{len(str(self.epochs))}}/{self.epochs}"


def _numbers(loss: float, accuracy: float | None) -> list[str]:
    return [f"loss {loss:.4f}", *([] if accuracy is None else [f"accuracy {100 * accuracy:5.2f} %"])]


def duration(seconds: float) -> str:
    """A time in words, such as ``2 h 01 min``."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"
