"""The matrix products of the BLAS that NumPy has loaded."""

from __future__ import annotations

import ctypes
import importlib
from dataclasses import dataclass
from functools import cache
from typing import Any

SYMBOLS = (
    ("scipy_cblas_{}gemm64_", "int64_t"),
    ("cblas_{}gemm64_", "int64_t"),
    ("scipy_cblas_{}gemm", "int"),
    ("cblas_{}gemm", "int"),
)
"""What ``cblas_sgemm`` and ``cblas_dgemm`` are called in builds of OpenBLAS and its like; the integers they take."""


@dataclass(frozen=True)
class Blas:
    """``cblas_sgemm`` and ``cblas_dgemm``: where they are, and the type of their integers in C."""

    single: int
    double: int
    integer: str


@cache
def numpys_blas() -> Blas | None:
    """The BLAS that NumPy's own module is linked with; ``None`` where it has none that can be called."""
    try:
        library: Any = ctypes.CDLL(importlib.import_module("numpy._core._multiarray_umath").__file__)
    except (ImportError, OSError, TypeError):
        return None
    for pattern, integer in SYMBOLS:
        try:
            single, double = (
                ctypes.cast(getattr(library, pattern.format(t)), ctypes.c_void_p).value or 0 for t in "sd"
            )
        except AttributeError:
            continue
        return Blas(single, double, integer)
    return None


__all__ = ["Blas", "numpys_blas"]
