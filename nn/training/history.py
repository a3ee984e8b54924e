"""The history of a training."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field
from os import PathLike

from glassgrad.autograd.common.files import read_file, write_file
from glassgrad.nn.errors import FileError
from glassgrad.nn.training.evaluation import Evaluation


@dataclass(repr=False)
class History:
    """The history of a training, one list entry per completed epoch.

    Attributes:
        loss: mean training loss, measured while the weights changed.
        accuracy: fraction of training samples classified correctly, likewise; ``None`` without classes.
        validation_loss, validation_accuracy: after the epoch; ``None`` without validation data.
        lr: learning rate of the first parameter group.
        seconds: wall-clock time, validation included.
        best_epoch: epoch, counted from 1, with the lowest validation loss; ``None`` without validation.
        interrupted: whether Ctrl-C ended the training.
        stopped_early: whether ``patience`` or the callback ended it.
        note: a sentence that tells which weights were kept and why.
    """

    loss: list[float] = field(default_factory=list)
    accuracy: list[float | None] = field(default_factory=list)
    validation_loss: list[float | None] = field(default_factory=list)
    validation_accuracy: list[float | None] = field(default_factory=list)
    lr: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    best_epoch: int | None = None
    interrupted: bool = False
    stopped_early: bool = False
    note: str = ""

    @property
    def epochs(self) -> int:
        """Number of completed epochs."""
        return len(self.loss)

    def _add(self, trained: Evaluation, held: Evaluation | None, lr: float, seconds: float) -> None:
        """Append an epoch."""
        self.loss.append(trained.loss)
        self.accuracy.append(trained.accuracy)
        self.validation_loss.append(None if held is None else held.loss)
        self.validation_accuracy.append(None if held is None else held.accuracy)
        self.lr.append(lr)
        self.seconds.append(seconds)
        if held is not None:
            lowest = math.inf if self.best_epoch is None else self.validation_loss[self.best_epoch - 1]
            if lowest is None or held.loss < lowest:
                self.best_epoch = self.epochs

    def _set_note(self, restored: bool) -> None:
        """Set ``note``; ``restored``: the weights of the last completed epoch were restored."""
        end = "Interrupted" if self.interrupted else "Stopped" if self.stopped_early else "Ended"
        if self.best_epoch is not None:
            lowest = self.validation_loss[self.best_epoch - 1]
            kept = f"those of epoch {self.best_epoch}, which had the lowest validation loss ({lowest:.4f})"
        else:
            kept = f"those of epoch {self.epochs}" if restored else "the latest"
        self.note = f"{end} after epoch {self.epochs}: the weights are {kept}."

    def __repr__(self) -> str:
        """Return the first and the last number of each list, and the note."""
        lines = [f"History of {self.epochs} epoch{'s' if self.epochs != 1 else ''}"]
        for name in ("loss", "accuracy", "validation_loss", "validation_accuracy"):
            numbers = getattr(self, name)
            if numbers and numbers[-1] is not None:
                lines.append(f"  {name:19}  {numbers[0]:.4g} to {numbers[-1]:.4g}")
        return "\n".join([*lines, f"  {self.note}"] if self.note else lines)

    def save(self, path: str | PathLike[str]) -> None:
        """Write it as JSON, atomically. Raises `autograd.errors.WriteError` if the file can't be written."""
        write_file(path, (json.dumps(asdict(self), indent=2) + "\n").encode())

    @classmethod
    def load(cls, path: str | PathLike[str]) -> History:
        """Read what `save` wrote. Raises `nn.errors.FileError` for another file, `OSError` if it can't be read."""
        try:
            return cls(**json.loads(read_file(path).decode()))
        except (ValueError, TypeError, RecursionError) as error:
            message = f"{path} is not a training history: {error}. Give a file that History.save wrote."
            raise FileError(message) from None
