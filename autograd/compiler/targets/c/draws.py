"""Random numbers by NumPy's own C functions."""

from __future__ import annotations

import ctypes
import importlib
from functools import cache


@cache
def address_of(name: str) -> int:
    """The address of a function of ``numpy/random/distributions.h`` in NumPy's module; 0 if the module hides it."""
    try:
        library = ctypes.CDLL(importlib.import_module("numpy.random._generator").__file__ or "")
        return ctypes.cast(getattr(library, name), ctypes.c_void_p).value or 0
    except (AttributeError, ImportError, OSError):
        return 0
