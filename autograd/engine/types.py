"""Types for annotations."""

from __future__ import annotations

from typing import Any, Protocol, TypeAlias

from glassgrad.autograd.engine.tensor import Tensor


class Array(Protocol):
    """An array of NumPy, CuPy or another library of the array API."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The length of each axis."""

    @property
    def dtype(self) -> Any:
        """The kind of number."""


ArrayLike: TypeAlias = Tensor | Array | complex | list[Any] | tuple[Any, ...]
"""An argument of an operation: a Tensor, an array, a number (also int, float and bool), or nested lists of numbers."""
