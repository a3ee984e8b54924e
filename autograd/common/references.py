"""Whether anyone else refers to an object, by CPython's reference counts."""

from __future__ import annotations

import sys
from typing import Any

_OWN = 0


def other_references(x: Any) -> int:
    """The number of references to ``x`` besides the variable that the caller passes.

    >>> x = []
    >>> both = (x, x)
    >>> other_references(x)
    2
    """
    return sys.getrefcount(x) - _OWN


def _of_a_variable() -> int:
    probe = object()
    return other_references(probe)


_OWN = _of_a_variable()  # 3 in Python 3.11; Python 3.14 borrows references of variables, which are not counted
