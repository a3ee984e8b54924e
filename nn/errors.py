"""Errors of networks, training and data; the base class and the other errors are in `autograd.errors`."""

from __future__ import annotations

from typing import Any

from glassgrad.autograd.errors import AutogradError


class StateError(AutogradError, ValueError):
    """A state dict does not fit the module or optimizer; nothing was loaded."""


def printable(text: Any) -> str:
    r"""``text`` with control characters escaped: names from files could change colours or titles of a terminal.

    >>> printable("four\x1b[31m.png")
    'four\\x1b[31m.png'
    """
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in str(text))


class FileError(AutogradError, ValueError):
    """A file has an unknown format, is damaged, or needs features that are not supported."""

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


class ConversionError(AutogradError, ValueError):
    """A network of another library can't be converted: it has no graph, or operations without a counterpart."""


class TrainingError(AutogradError, ArithmeticError):
    """The loss or the weights became NaN or infinite. ``history``: the `nn.History` of the completed epochs."""

    history: Any


class ParallelError(AutogradError, RuntimeError):
    """The ranks of `nn.parallel` were given different things, or MPI is missing."""


class DataError(AutogradError, ValueError):
    """A data file has unexpected content or is damaged."""


class DownloadError(AutogradError, OSError):
    """A file could not be downloaded from any of its sources."""


class CacheError(AutogradError, OSError):
    """The folder for downloaded files can't be read or written."""
