"""Matrix products of the BLAS library loaded by NumPy."""

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
def numpys_blas() -> Blas | None:
    """The BLAS that NumPy's own module is linked with; ``None`` where it has none that can be called."""
    try:
        library: Any = ctypes.CDLL(importlib.import_module("numpy._core._multiarray_umath").__file__)
    except (ImportError, OSError, TypeError):
        return None
    for pattern, integer, counted in SYMBOLS:
        try:
            single, double = (
                ctypes.cast(getattr(library, pattern.format(t)), ctypes.c_void_p).value or 0 for t in "sd"
            )
        except AttributeError:
            continue
        return Blas(single, double, integer, getattr(library, counted, lambda: 1)())
    return None
