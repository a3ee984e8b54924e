"""What can go wrong in networks and training, as sentences; the tree goes on from `autograd.errors`.

::

    AutogradError
    ├── StateError      (ValueError)         a state that does not fit what it is loaded into; nothing was loaded
    ├── FileError       (ValueError)         a file that nn.save did not write, or that was damaged since
    ├── TrainingError   (ArithmeticError)    a loss that is no longer a number
    └── ParallelError   (RuntimeError)       a rank that failed or is lost, or no MPI
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from autograd.errors import AutogradError

if TYPE_CHECKING:
    from nn.training import History


class StateError(AutogradError, ValueError):
    """A state that does not fit what it is loaded into; nothing was loaded."""


class FileError(AutogradError, ValueError):
    """A file that `nn.save` did not write, or that was damaged since."""


class TrainingError(AutogradError, ArithmeticError):
    """The loss is no longer a number. ``history`` is what was reached before."""

    history: History


class ParallelError(AutogradError, RuntimeError):
    """A rank of `nn.parallel` failed or is lost, or there is no MPI. ``history`` is what `nn.fit` reached before."""

    history: History
