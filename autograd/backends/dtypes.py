"""Dtypes and their kinds."""

from __future__ import annotations

from typing import Any

import numpy

from glassgrad.autograd.errors import DTypeError

FLAT = frozenset(t for t in numpy.sctypeDict.values() if issubclass(t, numpy.number | numpy.bool_))
"""NumPy's scalar types: arrays of shape () whose type is their dtype. Its reductions and 0-d arithmetic give these."""

REALS = frozenset(t for t in FLAT if issubclass(t, numpy.floating))
"""The real floating-point dtypes."""

PLAIN = frozenset(numpy.dtype(t) for t in FLAT)
"""The supported dtypes: numbers and booleans in this machine's byte order."""

PYTHON_SCALARS: set[type] = {float, int, bool, complex}
"""The types of Python's numbers, and of the stand-ins for these that a tracer adds with `add_scalar`."""

PYTHON_REALS = PYTHON_SCALARS - {complex}

ANYWHERE = PYTHON_SCALARS | {type(None)}
"""The types of values that can be combined with arrays of any namespace."""


def add_scalar(kind: type) -> None:
    """Treat objects of a class as Python's real numbers, which take the dtype of the arrays they are combined with."""
    for kinds in (PYTHON_SCALARS, PYTHON_REALS, ANYWHERE):
        kinds.add(kind)


def as_dtype(dtype: Any) -> Any:
    """A dtype from its name, a Python type or itself. Raises `DTypeError` for an unknown one, and for dtypes without
    numbers.

    >>> as_dtype("float32")
    dtype('float32')
    """
    try:
        found = None if dtype is None else numpy.dtype(dtype)
    except (TypeError, ValueError):
        found = None
    if found is None:
        raise DTypeError(f"unknown dtype {dtype!r}: choose float32, float64, int64, bool or another that NumPy knows.")
    if found.kind not in "fciub":
        raise DTypeError(f"dtype {found} holds no numbers: choose float32, float64, int64, bool and the like.")
    return found


def _kind(dtype: Any) -> str:
    """NumPy's letter for the kind of a dtype of any library, which is also the first one of its name: f, c, i, u, b."""
    return getattr(dtype, "kind", None) or str(dtype).rpartition(".")[2][:1]


def is_inexact(dtype: Any) -> bool:
    """Whether ``dtype`` is real or complex floating point."""
    return _kind(dtype) in ("f", "c")


def is_real(dtype: Any) -> bool:
    """Whether ``dtype`` is real floating point."""
    return _kind(dtype) == "f"


def is_complex(dtype: Any) -> bool:
    """Whether ``dtype`` is complex floating point."""
    return _kind(dtype) == "c"


def is_integral(dtype: Any) -> bool:
    """Whether ``dtype`` is an integer, signed or unsigned."""
    return _kind(dtype) in ("i", "u")


def can_cast(dtype: Any, to: Any) -> bool:
    """Whether an array of ``dtype`` may be written into one of ``to``: of the same kind, or a more general one.

    >>> can_cast("float64", "float32"), can_cast("float64", "int64")
    (True, False)
    """
    return numpy.can_cast(dtype, to, "same_kind")


def epsilon(dtype: Any) -> float:
    """The distance from 1 to the next number of a floating-point ``dtype``.

    >>> epsilon("float32") == 2**-23
    True
    """
    return float(numpy.finfo(dtype).eps)
