"""Text for error messages."""

from __future__ import annotations

from typing import Any


def describe(x: Any) -> str:
    """``'w1' (3, 2) float64``: name, shape and dtype of a Tensor, an array or a constant.

    >>> from glassgrad import autograd as ag
    >>> describe(ag.Tensor([1.0, 2.0], name="w"))
    "'w' (2,) float64"
    """
    if not (hasattr(x, "shape") and hasattr(x, "dtype")):
        return shown(x)
    name = getattr(x, "name", None)
    return f"{f'{name!r} ' if isinstance(name, str) else ''}{x.shape} {x.dtype}"


def brief(x: Any) -> str:
    """``x`` in one line: `describe` of an array that has axes, else the first line of `shown`."""
    first, more, _ = shown(x).partition("\n")
    return describe(x) if getattr(x, "shape", ()) else f"{first}{'…' * bool(more)}"


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
