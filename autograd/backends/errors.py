"""Conversion of a backend's errors to this package's."""

from __future__ import annotations

import re
from collections.abc import Mapping

from numpy.exceptions import AxisError
from numpy.linalg import LinAlgError

from glassgrad.autograd.errors import AutogradError, DomainError, DTypeError, IndexingError, ShapeError, SizeError

OURS: Mapping[type, type[Exception]] = {
    AxisError: DomainError,
    LinAlgError: DomainError,
    IndexError: IndexingError,
    TypeError: DTypeError,
    ValueError: ShapeError,
    ArithmeticError: DomainError,
    MemoryError: SizeError,
}
"""This package's error for each builtin error that a backend raises because of its arguments."""

_OF_SHAPES = re.compile("shape|broadcast|dimension|size|sequence|length|elements|square|axes|sides|match")
"""Words of a backend's ValueError about shapes. Any other ValueError is about a value."""


def in_words(said: str, error: Exception, kinds: Mapping[type, type[Exception]] = OURS) -> Exception:
    """A backend's ``error`` converted to one of this package, with ``said`` in front of its text.

    Returns ``error`` itself if it is one of this package already, or was not caused by the arguments.
    """
    kind = next((ours for builtin, ours in kinds.items() if isinstance(error, builtin)), None)
    if kind is ShapeError and not _OF_SHAPES.search(str(error)):
        kind = DomainError
    if kind is None or isinstance(error, AutogradError | FloatingPointError):
        return error
    return kind(f"{said}: {str(error).strip().rstrip('.')}.")
