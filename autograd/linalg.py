"""Linear algebra by the array API's names: the extension ``linalg`` of the namespace.

>>> from glassgrad import autograd as ag
>>> ag.grad(lambda x: ag.linalg.slogdet(x).logabsdet)([[2.0, 0.0], [0.0, 4.0]])
Tensor([[ 0.5,  0.0],
        [ 0.0, 0.25]])
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from glassgrad.autograd.common.messages import describe
from glassgrad.autograd.common.validation import choice
from glassgrad.autograd.engine.namespace import TENSORS
from glassgrad.autograd.engine.tensor import Tensor
from glassgrad.autograd.errors import DomainError, DTypeError, ShapeError
from glassgrad.autograd.functions.conversion import asarray
from glassgrad.autograd.functions.creation import ones_like
from glassgrad.autograd.functions.products import outer, tensordot
from glassgrad.autograd.ops import elementwise, factorizations, reductions, shaping
from glassgrad.autograd.ops.factorizations import cholesky, det, eigvalsh, inv, pinv, svdvals
from glassgrad.autograd.ops.linalg import matmul, matrix_transpose, vecdot
from glassgrad.autograd.ops.matrices import cross, diagonal, vector_norm

__all__ = [
    "cholesky", "cross", "det", "diagonal", "eigh", "eigvalsh", "inv", "matmul", "matrix_norm", "matrix_power",
    "matrix_rank", "matrix_transpose", "outer", "pinv", "qr", "slogdet", "solve", "svd", "svdvals", "tensordot",
    "trace", "vecdot", "vector_norm",
]  # fmt: skip

ELSEWHERE = {
    "cond": "svdvals: the first divided by the last", "dot": "matmul, or vecdot",
    "eig": "eigh, for a symmetric matrix", "eigvals": "eigvalsh, for a symmetric matrix",
    "lstsq": "pinv(a) @ b", "multi_dot": "a @ b @ c",
    "norm": "vector_norm or matrix_norm", "solve_triangular": "solve", "transpose": "matrix_transpose",
}  # fmt: skip
"""For names of other libraries: what to write here instead."""


def solve(x: Any, y: Any) -> Tensor:
    """``z`` with ``x @ z = y``: ``(..., n, n)`` with ``(..., n, k)`` gives ``(..., n, k)``, leading axes broadcast.

    A one-dimensional ``y`` is a single right-hand side; then each solution is one-dimensional, too. Raises
    `DomainError` for a singular ``x``.

    >>> from glassgrad import autograd as ag
    >>> ag.linalg.solve(ag.Tensor([[2.0, 0.0], [0.0, 4.0]]), ag.Tensor([1.0, 1.0]))
    Tensor([0.5, 0.25])
    """
    if (y := asarray(y)).ndim == 1:
        return shaping.squeeze(factorizations.solve(x, shaping.expand_dims(y, axis=-1)), axis=-1)
    return factorizations.solve(x, y)


# -------------------------------------------------------------------------------- decompositions with several results


class SlogdetResult(NamedTuple):
    """The result of `slogdet`."""

    sign: Tensor
    logabsdet: Tensor


def slogdet(x: Any, /) -> SlogdetResult:
    """The sign of the determinant, and the logarithm of its absolute value: ``det(x) == sign * exp(logabsdet)``.

    ``x``: (..., n, n); both results have shape (...).

    >>> from glassgrad import autograd as ag
    >>> ag.linalg.slogdet(ag.Tensor([[2.0, 0.0], [0.0, -0.5]]))
    SlogdetResult(sign=Tensor(-1.0), logabsdet=Tensor(0.0))
    """
    return SlogdetResult(factorizations.sign_det(x), factorizations.log_abs_det(x))


class EighResult(NamedTuple):
    """The result of `eigh`."""

    eigenvalues: Tensor
    eigenvectors: Tensor


def eigh(x: Any, /) -> EighResult:
    """The eigenvalues, ascending, and the orthonormal eigenvectors, as columns, of symmetric matrices (..., n, n).

    Both are of the symmetric part of ``x``. The eigenvalues have derivatives at any ``x``; for the eigenvectors see
    `autograd.eigenvectors`: NaN flows from them where eigenvalues are equal.

    >>> from glassgrad import autograd as ag
    >>> w, v = ag.linalg.eigh(ag.Tensor([[0.0, 2.0], [2.0, 0.0]]))
    >>> w, ag.round(v @ ag.matrix_transpose(v))
    (Tensor([-2.0, 2.0]), Tensor([[1.0, 0.0],
            [0.0, 1.0]]))
    """
    return EighResult(factorizations.eigvalsh(x), factorizations.eigenvectors(x))


def _completed(columns: Tensor) -> Tensor:
    """Orthonormal columns, completed to a basis."""
    return shaping.concat([columns, factorizations.orthogonal_complement(columns)], axis=-1)


class SVDResult(NamedTuple):
    """The result of `svd`."""

    U: Tensor
    S: Tensor
    Vh: Tensor


def svd(x: Any, /, *, full_matrices: bool = True) -> SVDResult:
    """The singular value decomposition ``x == (U * S[..., None, :]) @ Vh`` of matrices (..., m, n).

    S, descending, is of shape (..., k) with k = min(m, n), U is (..., m, k) and Vh (..., k, n); with ``full_matrices``
    U and Vh are completed to square ones. Their derivatives: see `singular_vectors`. A completed factor has none, and
    raises `GradientError` where one is asked for; forward mode, such as `jvp`, asks for that of each result.

    >>> from glassgrad import autograd as ag
    >>> u, s, vh = ag.linalg.svd(ag.Tensor([[3.0, 0.0], [0.0, 4.0], [0.0, 0.0]]), full_matrices=False)
    >>> u.shape, s, vh.shape
    ((3, 2), Tensor([4.0, 3.0]), (2, 2))
    """
    x = asarray(x)
    ut, vh = factorizations.halves(x, factorizations.singular_vectors(x))
    u, (m, n) = ut.mT, x.shape[-2:]
    if full_matrices and m > n:
        u = _completed(u)
    if full_matrices and m < n:
        vh = _completed(vh.mT).mT
    return SVDResult(u, factorizations.svdvals(x), vh)


class QRResult(NamedTuple):
    """The result of `qr`."""

    Q: Tensor
    R: Tensor


def qr(x: Any, /, *, mode: str = "reduced") -> QRResult:
    """``x == Q @ R`` with orthonormal columns of Q and an upper triangular R, of matrices (..., m, n).

    With ``mode="reduced"`` Q is (..., m, k) and R (..., k, n), k = min(m, n); with ``"complete"`` they are (..., m, m)
    and (..., m, n). The derivative exists where the first k columns of ``x`` are independent, else it is NaN; a
    completed Q has none and raises `GradientError` where one is asked for, by forward mode always.

    >>> from glassgrad import autograd as ag
    >>> q, r = ag.linalg.qr(ag.Tensor([[0.0, 1.0], [2.0, 5.0]]))
    >>> ag.round(q @ r)
    Tensor([[0.0, 1.0],
            [2.0, 5.0]])
    """
    choice(mode, "mode", ("reduced", "complete"))
    x = asarray(x)
    qt, r = factorizations.halves(x, factorizations.qr_factors(x))
    q, (m, n) = qt.mT, x.shape[-2:]
    if mode == "complete" and m > n:
        q = _completed(q)
        r = shaping.pad(r, pad_width=(*[(0, 0)] * (x.ndim - 2), (0, m - n), (0, 0)))
    return QRResult(q, r)


# ------------------------------------------------------------------------------------- traces, norms, powers and ranks


def trace(x: Any, offset: int = 0, *, dtype: Any = None) -> Tensor:
    """The sum of the elements (i, i + offset) of matrices, ``(..., m, n)`` to ``(...)``.

    >>> from glassgrad import autograd as ag
    >>> ag.linalg.trace(ag.Tensor([[1.0, 2.0], [3.0, 4.0]]))
    Tensor(5.0)
    """
    return reductions.sum(diagonal(x, offset=offset), axis=-1, dtype=dtype)


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
        norm = reductions.sum(svdvals(x), axis=-1)
    elif ord in (2, -2):
        norm = (reductions.max if ord == 2 else reductions.min)(svdvals(x), axis=-1)
    elif ord in (1, -1, math.inf, -math.inf):
        along, across = (-2, -1) if ord in (1, -1) else (-1, -1)
        extreme = reductions.max if ord in (1, math.inf) else reductions.min
        norm = extreme(reductions.sum(elementwise.abs(x), axis=along), axis=across)
    else:
        raise DomainError(f"matrix_norm: ord is {ord!r}; choose 'fro', 'nuc', 1, -1, 2, -2, inf or -inf.")
    return shaping.reshape(norm, shape=(*x.shape[:-2], 1, 1)) if keepdims else norm


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
        return elementwise.where(False, x, shaping.triu(shaping.tril(ones_like(x))))
    power = x = x if n > 0 else inv(x)
    for digit in bin(abs(n))[3:]:
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
    cut = factorizations.tolerance(TENSORS, x.shape, values.dtype, rtol)
    return reductions.sum(values > cut * values[..., :1], axis=-1)


if not TYPE_CHECKING:  # so that type checkers report missing names

    def __getattr__(name: str) -> object:
        use = f": use {ELSEWHERE[name]}" if name in ELSEWHERE else ""
        raise AttributeError(f"autograd.linalg has no {name!r}{use}.")
