"""NumPy's own functions in C that fill an array with random numbers."""

from __future__ import annotations

import ctypes
import importlib
from functools import cache


@cache
def address_of(name: str) -> int:
    """Where the function of ``numpy/random/distributions.h`` is, in NumPy's own module; 0 where that hides it."""
    try:
        library = ctypes.CDLL(importlib.import_module("numpy.random._generator").__file__ or "")
        return ctypes.cast(getattr(library, name), ctypes.c_void_p).value or 0
    except (AttributeError, ImportError, OSError):
        return 0


__all__ = ["address_of"]
