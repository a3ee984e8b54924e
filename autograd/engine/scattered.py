"""Gradients that are zero except at an index, such as that of an array of which one row was read."""

from __future__ import annotations

from typing import Any

from glassgrad.autograd.common.shapes import Shape


class Scattered:
    """An array of ``shape`` with ``values`` at ``index``, which repeats no element, and zeros elsewhere. It is made
    only when needed.

    Other gradients are added in place, into an array with no other references. So the gradient of an array that is read
    piece by piece, as by ``for row in x``, takes linear instead of quadratic time.
    """

    __slots__ = ("xp", "values", "index", "shape", "dtype", "_total")

    __array_ufunc__ = None  # NumPy's arrays leave `array + scattered` to `__radd__`

    def __init__(self, xp: Any, values: Any, index: Any, shape: Shape) -> None:
        self.xp, self.values, self.index, self.shape, self.dtype = xp, values, index, shape, values.dtype
        self._total: Any = None

    def array(self) -> Any:
        """The gradient as an array."""
        if self._total is None:
            self._total = self.xp.scatter_add(self.values, index=self.index, shape=self.shape)
        return self._total

    def __add__(self, other: Any) -> Scattered:
        total = self.array()
        if type(other) is not Scattered:
            total += other
        else:
            other._add_to(total)
        return self

    def __radd__(self, other: Any) -> Scattered:
        total = self.xp.asarray(other, copy=True)
        self._add_to(total)
        self._total = total
        return self

    def _add_to(self, total: Any) -> None:
        if self._total is not None:
            total += self._total
        else:
            self.xp.add_to_part(total, self.index, self.values)


def dense(gradient: Any) -> Any:
    """A gradient as an array or a Tensor."""
    return gradient.array() if type(gradient) is Scattered else gradient
