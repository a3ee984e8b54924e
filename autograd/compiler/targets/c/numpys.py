"""Functions of the libraries that NumPy has loaded: matrix products of its BLAS, and its random numbers."""

from __future__ import annotations

import ctypes
import importlib
from dataclasses import dataclass
from functools import cache
from typing import Any

SYMBOLS = (
    ("scipy_cblas_{}gemm64_", "int64_t", "scipy_openblas_get_num_threads64_"),
    ("cblas_{}gemm64_", "int64_t", "openblas_get_num_threads64_"),
    ("scipy_cblas_{}gemm", "int", "scipy_openblas_get_num_threads"),
    ("cblas_{}gemm", "int", "openblas_get_num_threads"),
)
"""The names of ``cblas_sgemm`` and ``cblas_dgemm`` in builds of OpenBLAS and its like, the integers that they take, and
the function that returns the number of threads."""


@dataclass(frozen=True)
class Blas:
    """The addresses of ``cblas_sgemm`` and ``cblas_dgemm``, the type of their integers in C, and the number of threads
    that they use."""

    single: int
    double: int
    integer: str
    threads: int = 1


@cache
def _library(module: str) -> Any:
    """The library of a module, or ``None``."""
    try:
        return ctypes.CDLL(importlib.import_module(module).__file__ or "")
    except (ImportError, OSError, TypeError):
        return None


def _address(library: Any, name: str) -> int:
    """The address of a function; 0 where the library has none of this name."""
    found = getattr(library, name, None)
    return ctypes.cast(found, ctypes.c_void_p).value or 0 if found else 0


@cache
def address_of(name: str) -> int:
    """The address of a function of ``numpy/random/distributions.h`` in NumPy's module; 0 if the module hides it."""
    return _address(_library("numpy.random._generator"), name)


@cache
def numpys_blas() -> Blas | None:
    """The BLAS that NumPy's own module is linked with; ``None`` where it has none that can be called."""
    library = _library("numpy._core._multiarray_umath")
    for pattern, integer, counted in SYMBOLS:
        single, double = (_address(library, pattern.format(kind)) for kind in "sd")
        if single and double:
            return Blas(single, double, integer, getattr(library, counted, lambda: 1)())
    return None
