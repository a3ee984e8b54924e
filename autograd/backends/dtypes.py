"""Types of numbers and of arrays of shape ()."""

from __future__ import annotations

import numpy

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
