"""Dtypes by the array API's names, and type promotion."""

from __future__ import annotations

import builtins
from types import SimpleNamespace
from typing import Any

from glassgrad.autograd import backends
from glassgrad.autograd.engine.namespace import TENSORS
from glassgrad.autograd.errors import DomainError, DTypeError

NAMES = (
    "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float32", "float64", "complex64",
    "complex128",
)  # fmt: skip

__all__ = [  # noqa: PLE0604
    *NAMES, "__array_api_version__", "__array_namespace_info__", "can_cast", "finfo", "iinfo", "isdtype", "result_type",
]  # fmt: skip

API_VERSIONS = ("2021.12", "2022.12", "2023.12", "2024.12")
"""The versions of the array API standard whose names are all here, with the signatures of the last version."""

__array_api_version__ = API_VERSIONS[-1]

(
    bool, int8, int16, int32, int64, uint8, uint16, uint32, uint64, float32, float64, complex64, complex128
) = map(backends.as_dtype, NAMES)  # fmt: skip


def _dtype(given: Any) -> Any:
    """A dtype from itself, its name, a Tensor or an array of it."""
    return backends.as_dtype(given if isinstance(given, type) else getattr(given, "dtype", given))


def result_type(*arrays_and_dtypes: Any) -> Any:
    """The dtype of a result computed from arrays, Tensors, Python numbers and dtypes. Python numbers do not promote
    arrays of the same kind.

    >>> from glassgrad import autograd as ag
    >>> ag.result_type(ag.Tensor([1.0], dtype="float32"), 2.0), ag.result_type(ag.float32, ag.int64)
    (dtype('float32'), dtype('float64'))
    """
    if not arrays_and_dtypes:
        raise DTypeError("result_type takes arrays and dtypes, at least one.")
    given = [x if type(x) in backends.PYTHON_SCALARS else _dtype(x) for x in arrays_and_dtypes]
    return backends.NUMPY.result_type(*given)


def can_cast(from_: Any, to: Any, /) -> builtins.bool:
    """Whether every value of a dtype, or of an array's dtype, can be represented in the dtype ``to``.

    >>> from glassgrad import autograd as ag
    >>> ag.can_cast(ag.float32, ag.float64), ag.can_cast(ag.Tensor([1.0]), ag.int64)
    (True, False)
    """
    return builtins.bool(backends.NUMPY.can_cast(_dtype(from_), _dtype(to)))


def isdtype(dtype: Any, kind: Any) -> builtins.bool:
    """Whether a dtype is of a kind: ``"bool"``, ``"signed integer"``, ``"unsigned integer"``, ``"integral"``, ``"real
    floating"``, ``"complex floating"``, ``"numeric"``, a dtype, or one of a tuple of these.

    >>> from glassgrad import autograd as ag
    >>> ag.isdtype(ag.float32, "real floating"), ag.isdtype(ag.float32, ("integral", ag.float64))
    (True, False)
    """
    kinds = tuple(k if isinstance(k, str) else _dtype(k) for k in (kind if isinstance(kind, tuple) else (kind,)))
    try:
        return backends.NUMPY.isdtype(_dtype(dtype), kinds)  # type: ignore[no-any-return]
    except ValueError as error:
        raise DomainError(f"isdtype: {error}") from None


def finfo(type: Any, /) -> Any:
    """The limits of a floating-point dtype, or of an array's: ``bits``, ``eps``, ``max``, ``min``, ``smallest_normal``.

    >>> from glassgrad import autograd as ag
    >>> ag.finfo(ag.float32).bits, ag.finfo(ag.Tensor([1.0])).eps
    (32, 2.220446049250313e-16)
    """
    found = _limits("finfo", type)
    numbers = {name: float(getattr(found, name)) for name in ("eps", "max", "min", "smallest_normal")}
    return SimpleNamespace(bits=found.bits, dtype=found.dtype, **numbers)


def iinfo(type: Any, /) -> Any:
    """The limits of an integer dtype, or of an array's: ``bits``, ``max``, ``min``.

    >>> from glassgrad import autograd as ag
    >>> ag.iinfo(ag.int8).max
    127
    """
    return _limits("iinfo", type)


def _limits(name: str, given: Any) -> Any:
    try:
        return getattr(backends.NUMPY, name)(_dtype(given))
    except ValueError as error:  # finfo of integers, or iinfo of floats
        raise DTypeError(f"{name}: {str(error).rstrip('.')}.") from None


def __array_namespace_info__() -> Any:
    """The capabilities and dtypes of this namespace, for the array API: NumPy's. GPUs are among `devices` alone.

    >>> from glassgrad import autograd as ag
    >>> ag.__array_namespace_info__().dtypes(kind="real floating")
    {'float32': dtype('float32'), 'float64': dtype('float64')}
    """
    return backends.NUMPY.__array_namespace_info__()


vars(TENSORS).update({name: globals()[name] for name in __all__})
