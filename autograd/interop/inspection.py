"""The array API's inspection of this namespace: its capabilities, devices and dtypes."""

from __future__ import annotations

from typing import Any

from glassgrad.autograd import backends
from glassgrad.autograd.engine.namespace import TENSORS
from glassgrad.autograd.functions import dtypes


class Info:
    """The result of `__array_namespace_info__`."""

    def capabilities(self) -> dict[str, Any]:
        """Boolean masks and shapes that depend on values, and the largest number of axes."""
        return {"boolean indexing": True, "data-dependent shapes": True, "max dimensions": 64}

    def default_device(self) -> str:
        """The device of new Tensors."""
        return "cpu"

    def default_dtypes(self, *, device: Any = None) -> dict[str, Any]:
        """The dtypes of Python's numbers."""
        names = {
            "real floating": "float64", "complex floating": "complex128", "integral": "int64", "indexing": "int64",
        }  # fmt: skip
        return {kind: backends.as_dtype(name) for kind, name in names.items()}

    def devices(self) -> list[str]:
        """The available devices."""
        return list(backends.devices())

    def dtypes(self, *, device: Any = None, kind: Any = None) -> dict[str, Any]:
        """The dtypes by name, all or those of a ``kind`` as in `isdtype`."""
        everything = {name: backends.as_dtype(name) for name in dtypes.NAMES}
        return {name: dtype for name, dtype in everything.items() if kind is None or dtypes.isdtype(dtype, kind)}


def __array_namespace_info__() -> Info:
    """The capabilities, dtypes and devices of this namespace, for the array API.

    >>> from glassgrad import autograd as ag
    >>> ag.__array_namespace_info__().dtypes(kind="real floating")
    {'float32': dtype('float32'), 'float64': dtype('float64')}
    """
    return Info()


TENSORS.__array_namespace_info__ = __array_namespace_info__
