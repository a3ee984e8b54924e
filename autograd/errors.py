"""The exceptions of this package.

Each is also the builtin exception that a user would expect::

    AutogradError
    ├── ShapeError        (ValueError)           shapes that do not fit each other
    ├── DTypeError        (TypeError)            a dtype or a type that the operation can't take
    ├── DeviceError       (ValueError)           arrays of different devices, or a device that isn't available
    ├── DomainError       (ValueError)           a value that is not allowed: a label, an option
    │   └── AxisError     (IndexError)           an axis that an array does not have
    ├── IndexingError     (IndexError)           an index that does not exist
    ├── SizeError         (MemoryError)          an array larger than the memory
    ├── DependencyError   (ImportError)          an optional package that is not installed
    ├── WriteError        (OSError)              a file that can't be written
    ├── GradientError     (RuntimeError)         a gradient that can't be computed, or not again
    ├── DeclarationError  (TypeError)            an operation or a rule declared with an unknown name
    ├── TraceError        (TypeError)            code that a trace can't follow, such as a branch on a value
    ├── CheckError        (AssertionError)       a compiled function that differs from the function itself
    ├── TargetError       (NotImplementedError)  a program that can't be written in a target's language
    ├── AnomalyError      (FloatingPointError)   the first NaN or Inf, under ``detect_anomaly``
    └── GradcheckError    (AssertionError)       gradients that disagree with finite differences

A message says what was given, what was expected and what to do.
"""

from typing import Any


class AutogradError(Exception):
    """The base of every error that this package raises on purpose."""


class ShapeError(AutogradError, ValueError):
    """Shapes that do not fit each other."""


class DTypeError(AutogradError, TypeError):
    """A dtype, or a Python type, that the operation can't take."""


class DeviceError(AutogradError, ValueError):
    """Arrays of different devices, or a device that isn't available."""


class DomainError(AutogradError, ValueError):
    """A value that is not allowed: a label, an option."""


class AxisError(DomainError, IndexError):
    """An axis that an array does not have, as NumPy's."""


class IndexingError(AutogradError, IndexError):
    """An index that does not exist."""


class SizeError(AutogradError, MemoryError):
    """An array larger than the memory."""


class DependencyError(AutogradError, ImportError):
    """An optional package that is not installed."""


class WriteError(AutogradError, OSError):
    """A file that can't be written. Its previous content is unchanged. ``reason`` is the system's message."""

    def __init__(self, path: object, error: OSError) -> None:
        self.reason = error.strerror or str(error) or type(error).__name__
        advice = "Name a file in a folder that exists, is yours and has room"
        super().__init__(f"{path} can't be written: {self.reason}. {advice}.")


class GradientError(AutogradError, RuntimeError):
    """A gradient that can't be computed, or can't be computed a second time."""


class DeclarationError(AutogradError, TypeError):
    """An invalid declaration of an operation or a rule, for instance with an unknown name."""


class TraceError(AutogradError, TypeError):
    """Code that a trace can't follow. ``tracer``, where given, can record the current operation as a whole."""

    def __init__(self, message: str, tracer: Any = None) -> None:
        self.tracer = tracer
        super().__init__(message)


class CheckError(AutogradError, AssertionError):
    """Raised by `compile` with ``check=True`` where the program and the function differ."""


class TargetError(AutogradError, NotImplementedError):
    """A program that can't be written in the language of a target, such as JavaScript."""


class AnomalyError(AutogradError, FloatingPointError):
    """The first NaN or Inf, found under ``detect_anomaly``."""


class GradcheckError(AutogradError, AssertionError):
    """Gradients that disagree with finite differences."""
