"""Diagonals, cross products and norms.

A matrix is the last two axes of an array; the axes before them are a batch.
"""

from __future__ import annotations

import builtins
import math
from typing import Any

from glassgrad.autograd.common import shapes
from glassgrad.autograd.engine.operation import op
from glassgrad.autograd.errors import DomainError
from glassgrad.autograd.ops.elementwise import conjugate

# ------------------------------------------------------------------------------------------------------------ diagonals


def _places(m: int, n: int, offset: int) -> slice:
    """The positions of a diagonal in the flattened (m, n) matrix."""
    start = offset if offset >= 0 else -offset * n
    count = builtins.min(m, n, m + offset, n - offset)
    return slice(start, start + (count - 1) * (n + 1) + 1, n + 1) if count > 0 else slice(0, 0)


@op("diag", text="diagonal({x})", tex=r"\operatorname{{diag}}({x})", view=True)
def diagonal(xp, x, *, offset=0):
    """The elements (i, i + offset) of matrices, ``(..., m, n)`` to ``(..., k)``.

    >>> from glassgrad import autograd as ag
    >>> ag.linalg.diagonal(ag.Tensor([[1.0, 2.0], [3.0, 4.0]]))
    Tensor([1.0, 4.0])
    """
    if len(x.shape) < 2:
        raise ValueError("it needs at least two axes; the diagonal is in the last two")
    *batch, m, n = x.shape
    return xp.reshape(x, shape=(*batch, m * n))[..., _places(m, n, offset)]


def _diagonal_by_x(xp: Any, g: Any, x_shape: shapes.Shape, offset: int) -> Any:
    *batch, m, n = x_shape
    flat = xp.scatter_add(g, index=(..., _places(m, n, offset)), shape=(*batch, m * n))
    return xp.reshape(flat, shape=x_shape)


diagonal.vjp(x=_diagonal_by_x)


# -------------------------------------------------------------------------------------------------------- cross product


@op("×", text="cross({x}, {y})", tex=r"{x} \times {y}", level=2, broadcasts=True)
def cross(xp, x, y, *, axis=-1):
    """The cross products of the vectors of three elements along ``axis``; the other axes broadcast.

    >>> from glassgrad import autograd as ag
    >>> ag.linalg.cross(ag.Tensor([1.0, 0.0, 0.0]), ag.Tensor([0.0, 1.0, 0.0]))
    Tensor([0.0, 0.0, 1.0])
    """
    ndims = [len(getattr(z, "shape", ())) for z in (x, y)]
    if axis >= 0 and len(set(ndims)) > 1:
        raise DomainError(f"cross of x and y of different numbers of axes takes an axis of -1 or lower, not {axis}.")
    shapes.normalize_axis(axis, builtins.min(ndims))
    if not x.shape[axis] == y.shape[axis] == 3:
        raise ValueError(f"the vectors have {x.shape[axis]} elements in x and {y.shape[axis]} in y, and need 3 each")
    forward = xp.roll(x, shift=-1, axis=axis) * xp.roll(y, shift=-2, axis=axis)
    return forward - xp.roll(x, shift=-2, axis=axis) * xp.roll(y, shift=-1, axis=axis)


cross.vjp(x=lambda xp, g, y, axis: xp.cross(y, g, axis=axis), y=lambda xp, g, x, axis: xp.cross(g, x, axis=axis))


# ---------------------------------------------------------------------------------------------------------------- norms


@op("‖x‖", text="‖{x}‖", tex=r"\left\Vert {x} \right\Vert_{{{ord}}}")
def vector_norm(xp, x, *, axis=None, keepdims=False, ord=2):
    """The norm of the vectors along ``axis`` (a number, a tuple of them, or ``None`` for all): ``sum(|x|**ord)**(1 /
    ord)``.

    ``ord=inf`` and ``-inf`` are the largest and the smallest absolute value, equal ones sharing the gradient;
    ``ord=0`` counts nonzero elements. Where the norm has a kink, at the zero vector and, for ``ord <= 1``, at zero
    elements, the derivative is taken as 0, as in PyTorch.

    >>> from glassgrad import autograd as ag
    >>> ag.linalg.vector_norm(ag.Tensor([3.0, -4.0])), ag.grad(ag.linalg.vector_norm)([0.0, 0.0])
    (Tensor(5.0), Tensor([0.0, 0.0]))
    """
    size = xp.abs(x)
    if ord in (math.inf, -math.inf):
        return (xp.max if ord > 0 else xp.min)(size, axis=axis, keepdims=keepdims)
    if ord in (0, 1):
        return xp.sum(size if ord else xp.astype(size != 0, size.dtype), axis=axis, keepdims=keepdims)
    if ord == 2:
        return xp.sqrt(xp.sum(size * size, axis=axis, keepdims=keepdims))
    return xp.sum(size**ord, axis=axis, keepdims=keepdims) ** (1 / ord)


def _norm_by_x(xp: Any, g: Any, x: Any, out: Any, x_shape: Any, axis: Any, ord: Any) -> Any:
    kept = shapes.keepdims_shape(x_shape, axis)
    g, out = xp.reshape(g, shape=kept), xp.reshape(out, shape=kept)
    if ord == 0:
        return xp.zeros_like(x)
    if ord == 1:
        return g * conjugate(xp, xp.sign(x))
    if ord in (math.inf, -math.inf):
        chosen = xp.astype(xp.abs(x) == out, g.dtype)
        return conjugate(xp, xp.sign(x)) * chosen * (g / xp.sum(chosen, axis=axis, keepdims=True))
    origin = out == 0
    unit = xp.where(origin, 0.0, x / xp.where(origin, 1.0, out))
    if ord == 2:
        return g * conjugate(xp, unit)
    return g * conjugate(xp, xp.sign(unit)) * xp.where(unit == 0, 1.0, xp.abs(unit)) ** (ord - 1)


vector_norm.vjp(x=_norm_by_x)
