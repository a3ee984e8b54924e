"""Norms, powers and ranks of matrices, the last two axes of an array; the axes before them are a batch."""

from __future__ import annotations

import builtins
import math
from typing import Any

from glassgrad.autograd.common.messages import describe
from glassgrad.autograd.engine.namespace import TENSORS
from glassgrad.autograd.engine.tensor import Tensor
from glassgrad.autograd.errors import DomainError, DTypeError, ShapeError
from glassgrad.autograd.functions.conversion import asarray
from glassgrad.autograd.functions.creation import ones_like
from glassgrad.autograd.ops.elementwise import abs, where
from glassgrad.autograd.ops.factorizations import inv, svdvals, tolerance
from glassgrad.autograd.ops.linalg import matmul
from glassgrad.autograd.ops.matrices import vector_norm
from glassgrad.autograd.ops.reductions import max, min, sum
from glassgrad.autograd.ops.shaping import reshape, tril, triu


def matrix_norm(x: Any, /, *, keepdims: bool = False, ord: float | str | None = "fro") -> Tensor:
    """The norm of matrices, ``(..., m, n)`` to ``(...)``, or ``(..., 1, 1)`` with ``keepdims``.

    ``ord``: ``"fro"`` the root of the sum of squares, ``"nuc"`` the sum of the singular values, ``2`` and ``-2`` the
    largest and the smallest of these, ``1`` and ``-1`` the largest and the smallest sum of absolute values in a column,
    ``inf`` and ``-inf`` in a row. Where several are the largest they share the gradient.

    >>> from glassgrad import autograd as ag
    >>> x = ag.Tensor([[3.0, 0.0], [0.0, -4.0]])
    >>> [ag.linalg.matrix_norm(x, ord=ord).item() for ord in ("fro", "nuc", 2, -2, 1, -float("inf"))]
    [5.0, 7.0, 4.0, 3.0, 4.0, 3.0]
    """
    x = asarray(x)
    if ord in ("fro", None):
        norm: Tensor = vector_norm(x, axis=(-2, -1))
    elif ord == "nuc":
        norm = sum(svdvals(x), axis=-1)
    elif ord in (2, -2):
        norm = (max if ord == 2 else min)(svdvals(x), axis=-1)
    elif ord in (1, -1, math.inf, -math.inf):
        along, across = (-2, -1) if ord in (1, -1) else (-1, -1)
        norm = (max if ord in (1, math.inf) else min)(sum(abs(x), axis=along), axis=across)
    else:
        raise DomainError(f"matrix_norm: ord is {ord!r}; choose 'fro', 'nuc', 1, -1, 2, -2, inf or -inf.")
    return reshape(norm, shape=(*x.shape[:-2], 1, 1)) if keepdims else norm


def matrix_power(x: Any, n: int, /) -> Tensor:
    """``x @ x @ …``, ``n`` times, of square matrices: by repeated squaring, and of the inverse where ``n`` is negative.

    >>> from glassgrad import autograd as ag
    >>> ag.linalg.matrix_power(ag.Tensor([[1.0, 1.0], [0.0, 1.0]]), 5)
    Tensor([[1.0, 5.0],
            [0.0, 1.0]])
    """
    if not hasattr(n, "__index__"):
        raise DTypeError(f"matrix_power: n = {n!r} is not a whole number: give one.")
    x = asarray(x)
    if x.ndim < 2 or x.shape[-1] != x.shape[-2]:
        raise ShapeError(f"matrix_power takes square matrices, and was given {describe(x)}.")
    if n == 0:  # the identity, whose gradient is 0
        return where(False, x, triu(tril(ones_like(x))))
    power = x = x if n > 0 else inv(x)
    for digit in bin(builtins.abs(n))[3:]:
        power = matmul(power, power)
        power = matmul(power, x) if digit == "1" else power
    return power


def matrix_rank(x: Any, /, *, rtol: Any = None) -> Tensor:
    """How many singular values of matrices ``(..., m, n)`` are larger than ``rtol`` times the largest: integers of
    shape ``(...)``. ``rtol`` is a number, or one for each matrix; by default max(m, n) * eps. No gradient.

    >>> from glassgrad import autograd as ag
    >>> ag.linalg.matrix_rank(ag.Tensor([[1.0, 2.0], [2.0, 4.0]]))
    Tensor(1)
    """
    x = asarray(x).detach()
    values = svdvals(x)
    cut = tolerance(TENSORS, x.shape, values.dtype, rtol)
    return sum(values > cut * values[..., :1], axis=-1)
