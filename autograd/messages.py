"""Text for error messages, and conversion of a backend's errors."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from autograd import backends
from autograd.errors import AutogradError, DomainError, DTypeError, IndexingError, ShapeError, SizeError

OURS: Mapping[type, type[Exception]] = {
    backends.AxisError: DomainError,
    backends.LinAlgError: DomainError,
    IndexError: IndexingError,
    TypeError: DTypeError,
    ValueError: ShapeError,
    ArithmeticError: DomainError,
    MemoryError: SizeError,
}
"""This package's error for each builtin error that a backend raises because of its arguments."""

_OF_SHAPES = re.compile("shape|broadcast|dimension|size|sequence|length|elements|square|axes|sides|match")
"""Words of a backend's ValueError about shapes. Any other ValueError is about a value."""


def describe(x: Any) -> str:
    """``'w1' (3, 2) float64``: name, shape and dtype of a Tensor, an array or a constant.

    >>> import autograd as ag
    >>> describe(ag.Tensor([1.0, 2.0], name="w"))
    "'w' (2,) float64"
    """
    if not (hasattr(x, "shape") and hasattr(x, "dtype")):
        return shown(x)
    name = getattr(x, "name", None)
    return f"{f'{name!r} ' if isinstance(name, str) else ''}{x.shape} {x.dtype}"


def of_type(x: Any) -> str:
    """``a list`` or ``an int``: the type of ``x`` with its article.

    >>> of_type([]), of_type(3)
    ('a list', 'an int')
    """
    name = type(x).__name__
    return f"{'an' if name.startswith(('ndarray', *'aeioAEIO')) else 'a'} {name}"


def shown(x: Any, length: int = 80) -> str:
    """``repr(x)``, cut to ``length`` characters.

    >>> shown("a" * 100, length=8)
    "'aaaaaa…"
    """
    try:
        text = repr(x)
    except Exception:  # the object's own code failed, or the integer has more digits than Python prints
        return of_type(x)
    return text if len(text) <= length else f"{text[: length - 1]}…"


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
