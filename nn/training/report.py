"""Progress of a training as text."""

from __future__ import annotations

import shutil
import sys
from time import perf_counter

from glassgrad.nn.training.evaluation import Tally
from glassgrad.nn.training.history import History


class Report:
    """A live line on a terminal; elsewhere a plain line per epoch; nothing unless ``shown``.

    `tqdm` is not used: it would be a dependency of every installation, and writes carriage returns into files.
    """

    def __init__(self, shown: bool, epochs: int, batches: int, done: int = 0) -> None:
        self.shown, self.live = shown, shown and getattr(sys.stdout, "isatty", bool)()
        self.epochs, self.batches, self.done = epochs, batches, done
        self.updated = perf_counter()

    def batch(self, tally: Tally) -> None:
        """Update the live line, at most ten times a second."""
        if self.live and (now := perf_counter()) - self.updated >= 0.1:
            self.updated = now
            share = f"{100 * tally.batches / self.batches:3.0f} %" if self.batches else f"batch {tally.batches}"
            self._overwrite("  ".join([self._epoch(self.done + 1), share, *_numbers(*tally.result())]))

    def epoch(self, history: History) -> None:
        """Write the line of a completed epoch."""
        self.done = history.epochs
        parts = [self._epoch(self.done), *_numbers(history.loss[-1], history.accuracy[-1])]
        if (held := history.validation_loss[-1]) is not None:
            parts += ["validation:", *_numbers(held, history.validation_accuracy[-1])]
        self.line("  ".join([*parts, f"{history.seconds[-1]:.1f} s"]))

    def line(self, text: str) -> None:
        """Write a line that stays."""
        if self.shown:
            self.clear()
            print(text, flush=True)

    def clear(self) -> None:
        """Erase the live line."""
        if self.live:
            self._overwrite("", end="\r")

    def _overwrite(self, text: str, end: str = "") -> None:
        wide = shutil.get_terminal_size().columns - 1
        print(f"\r{text[:wide]:{wide}}", end=end, flush=True)

    def _epoch(self, epoch: int) -> str:
        return f"epoch {epoch:{len(str(self.epochs))}}/{self.epochs}"


def _numbers(loss: float, accuracy: float | None) -> list[str]:
    return [f"loss {loss:.4f}", *([] if accuracy is None else [f"accuracy {100 * accuracy:5.2f} %"])]
