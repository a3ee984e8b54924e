"""Systems of equations, inverses, determinants, and decompositions of matrices.

A matrix is the last two axes of an array; the axes before them are a batch. Where a matrix is called symmetric, a
complex one is Hermitian.

A decomposition with several results consists of one operation for the eigenvalues or singular values, which have
derivatives also where some are equal, and one for the factors, packed side by side in one array, which `svd` and `qr`
split.

Factors that are not unique have no derivative: eigenvectors of equal eigenvalues, singular vectors of equal singular
values, and Q of dependent columns. Their gradient is NaN, and `detect_anomaly` names the operation. Values count as
equal if they differ by less than eps times the sum of their absolute values. The eigenvalues and singular values
themselves have derivatives there, if the function of them is symmetric in the equal ones.

The formulas are those of M. B. Giles, "An extended collection of matrix derivative results for forward and reverse mode
algorithmic differentiation" (Oxford, 2008), where no other source is named.
"""

from __future__ import annotations

import math
from typing import Any

from glassgrad.autograd import backends
from glassgrad.autograd.common.shapes import Shape, broadcast_shapes
from glassgrad.autograd.engine.operation import op
from glassgrad.autograd.errors import GradientError
from glassgrad.autograd.ops.elementwise import conjugate


def _square(x: Any) -> Any:
    """``x``; raises `ShapeError` unless its matrices are square."""
    if len(x.shape) < 2 or x.shape[-1] != x.shape[-2]:
        raise ValueError(f"square matrices are needed, in the last two axes, and the shape is {tuple(x.shape)}")
    return x


def _adjoint(xp: Any, x: Any) -> Any:
    """The transpose; the conjugate transpose of complex matrices."""
    return conjugate(xp, x.mT)


def _symmetric(xp: Any, x: Any) -> Any:
    """The symmetric part of ``x``. Functions of it depend on both triangles equally, and have symmetric gradients."""
    return 0.5 * (_square(x) + _adjoint(xp, x))


def _diagonal_of_ones(xp: Any, x: Any) -> Any:
    """The identity matrices in the shape of ``x``."""
    return xp.triu(xp.tril(xp.ones_like(xp.real(x) if backends.is_complex(x.dtype) else x)))


def _columns(xp: Any, weights: Any) -> Any:
    """``weights`` with an axis of length 1 inserted, so that they scale the columns of a matrix."""
    return xp.expand_dims(weights, axis=-2)


def _lower_copied(xp: Any, x: Any) -> Any:
    """The symmetric matrix with the lower triangle of ``x``."""
    copied = xp.tril(x) + _adjoint(xp, xp.tril(x, k=-1))
    return _symmetric(xp, copied) if backends.is_complex(x.dtype) else copied  # with a real diagonal


def _of_each(xp: Any, g: Any) -> Any:
    """``g``, one number for each matrix, with two axes of length 1 added, so that it scales the matrices."""
    return xp.expand_dims(g, axis=(-2, -1))


# ---------------------------------------------------------------------------------------------- inverses and equations


@op("⁻¹", text="{x}⁻¹", tex="{x}^{{-1}}", level=3)
def inv(xp, x):
    """The inverse of square matrices ``(..., n, n)``. Raises `DomainError` for a singular one.

    To solve equations use `solve`, which is faster and more accurate.

    >>> from glassgrad import autograd as ag
    >>> ag.linalg.inv(ag.Tensor([[2.0, 0.0], [0.0, 4.0]]))
    Tensor([[ 0.5,  0.0],
            [ 0.0, 0.25]])
    """
    return xp.linalg.inv(_square(x))


inv.vjp(x=lambda g, out: -(out.mT @ g @ out.mT))


@op("⁻¹·", text="solve({x}, {y})", tex=r"{x}^{{-1}} \, {y}", level=2)
def solve(xp, x, y):
    """``z`` with ``x @ z = y``: ``(..., n, n)`` with ``(..., n, k)`` gives ``(..., n, k)``, leading axes broadcast.

    `autograd.linalg.solve` takes a one-dimensional ``y``, too. Raises `DomainError` for a singular ``x``.

    >>> from glassgrad import autograd as ag
    >>> ag.solve(ag.Tensor([[2.0, 0.0], [0.0, 4.0]]), ag.Tensor([[1.0], [1.0]]))
    Tensor([[ 0.5],
            [0.25]])
    """
    if (batch := _square(x).shape[:-2]) != y.shape[:-2]:  # not every backend's own function broadcasts
        batch = broadcast_shapes(batch, y.shape[:-2])
        x, y = (xp.broadcast_to(z, shape=(*batch, *z.shape[-2:])) for z in (x, y))
    return xp.linalg.solve(x, y)


solve.vjp(x=lambda xp, g, x, out: -(xp.solve(x.mT, g) @ out.mT), y=lambda xp, g, x: xp.solve(x.mT, g))


def tolerance(xp: Any, shape: Shape, dtype: Any, rtol: Any) -> Any:
    """The default ``rtol``: singular values up to ``rtol`` times the largest count as 0."""
    return max(shape[-2:]) * backends.epsilon(dtype) if rtol is None else xp.expand_dims(rtol, axis=-1)


@op("⁺", text="{x}⁺", tex="{x}^{{+}}", level=3)
def pinv(xp, x, rtol=None):
    """The pseudo-inverse (Moore and Penrose) of matrices ``(..., m, n)``, of shape ``(..., n, m)``.

    Singular values up to ``rtol`` times the largest count as 0: a number, or an array with one for each matrix; by
    default max(m, n) * eps. The derivative holds at constant rank (G. H. Golub and V. Pereyra, SIAM Journal on
    Numerical Analysis 10, 1973); it does not exist where a small change of ``x`` changes the rank.

    >>> from glassgrad import autograd as ag
    >>> ag.linalg.pinv(ag.Tensor([[3.0], [4.0]]))
    Tensor([[0.12, 0.16]])
    """
    u, s, vh = xp.linalg.svd(x, full_matrices=False)
    large = s > tolerance(xp, x.shape, s.dtype, rtol) * s[..., :1]
    inverse = xp.where(large, 1.0 / xp.where(large, s, 1.0), 0.0)
    return (_adjoint(xp, vh) * _columns(xp, inverse)) @ _adjoint(xp, u)


def _pinv_by_x(xp: Any, g: Any, x: Any, out: Any) -> Any:
    # d out = -P dX P + P Pᴴ dXᴴ (1 - X P) + (1 - P X) dXᴴ Pᴴ P
    pt, (gt, p, x) = out.mT, (conjugate(xp, z) for z in (g.mT, out, x))
    left, right = gt @ p @ pt, pt @ p @ gt
    return -(pt @ g @ pt) + left - x @ (p @ left) + right - (right @ p) @ x


pinv.vjp(x=_pinv_by_x, rtol=None)


# --------------------------------------------------------------------------------------------------------- determinants


@op("det", text="det({x})", tex=r"\det({x})")
def det(xp, x):
    """The determinant of square matrices ``(..., n, n)``, of shape ``(...)``.

    Its derivative contains the inverse, so that of a singular matrix raises `DomainError`. If the determinant
    overflows or underflows, use `slogdet`.

    >>> from glassgrad import autograd as ag
    >>> ag.linalg.det(ag.Tensor([[1.0, 2.0], [3.0, 5.0]]))
    Tensor(-1.0)
    """
    return xp.linalg.det(_square(x))


det.vjp(x=lambda xp, g, x, out: _of_each(xp, g * out) * xp.inv(x).mT)


@op("log|det|", text="log|det({x})|", tex=r"\ln\left|\det({x})\right|")
def log_abs_det(xp, x):
    """The logarithm of the determinant's absolute value, of shape ``(...)``: a result of `slogdet`.

    -inf for a singular matrix, which has no derivative: that raises `DomainError`.

    >>> from glassgrad import autograd as ag
    >>> ag.log_abs_det(ag.Tensor([[2.0, 0.0], [0.0, -0.5]]))
    Tensor(0.0)
    """
    return xp.linalg.slogdet(_square(x))[1]


log_abs_det.vjp(x=lambda xp, g, x: _of_each(xp, g) * xp.inv(x).mT)


@op("sgn det", text="sign(det({x}))", tex=r"\operatorname{{sgn}}(\det({x}))")
def sign_det(xp, x):
    """The determinant's sign, -1, 0 or 1, of shape ``(...)``: a result of `slogdet`. Piecewise constant: its gradient
    is zero. Of a complex determinant it is ``det / |det|``.

    >>> from glassgrad import autograd as ag
    >>> ag.sign_det(ag.Tensor([[2.0, 0.0], [0.0, -0.5]]))
    Tensor(-1.0)
    """
    return xp.linalg.slogdet(_square(x))[0]


def _sign_det_by_x(xp: Any, g: Any, x: Any, out: Any) -> Any:
    if not backends.is_complex(x.dtype):
        return xp.zeros_like(x)
    return _of_each(xp, xp.imag(g * out) * 1j) * xp.inv(x).mT  # a number of size 1 can only turn


sign_det.vjp(x=_sign_det_by_x)


# ------------------------------------------------------------------------------------------------------------- Cholesky


@op("chol", text="cholesky({x})", tex=r"\operatorname{{chol}}({x})")
def cholesky(xp, x, *, upper=False):
    """The lower triangular L with ``L @ L.mT == x`` for symmetric, positive definite ``(..., n, n)``, or the upper one;
    of complex matrices ``L @ conj(L.mT)``.

    It is computed from the symmetric part of ``x``, and so the gradient is symmetric (I. Murray, "Differentiation of
    the Cholesky decomposition", arXiv:1602.07527, 2016). Raises `DomainError` for a matrix that is not positive
    definite.

    >>> from glassgrad import autograd as ag
    >>> ag.linalg.cholesky(ag.Tensor([[4.0, 2.0], [2.0, 10.0]]))
    Tensor([[2.0, 0.0],
            [1.0, 3.0]])
    """
    factor = xp.linalg.cholesky(_symmetric(xp, x))
    return _adjoint(xp, factor) if upper else factor


def _cholesky_by_x(xp: Any, g: Any, out: Any, upper: bool) -> Any:
    lower, g = (_adjoint(xp, out), _adjoint(xp, g)) if upper else (out, g)
    half = xp.solve(lower.mT, _lower_copied(xp, lower.mT @ g))
    return 0.5 * xp.solve(lower.mT, _adjoint(xp, half))


cholesky.vjp(x=_cholesky_by_x)


# ------------------------------------------------------------------------------------------------- eigenvalues, vectors


@op("λ", text="eigvalsh({x})", tex=r"\lambda({x})")
def eigvalsh(xp, x):
    """The eigenvalues of symmetric matrices ``(..., n, n)``, ascending, of shape ``(..., n)``.

    They are those of the symmetric part of ``x``, and the gradient is symmetric.

    >>> from glassgrad import autograd as ag
    >>> ag.linalg.eigvalsh(ag.Tensor([[0.0, 2.0], [2.0, 0.0]]))
    Tensor([-2.0, 2.0])
    """
    return xp.linalg.eigvalsh(_symmetric(xp, x))


def _eigvalsh_by_x(xp: Any, g: Any, x: Any) -> Any:
    vectors = xp.eigenvectors(x)
    return (conjugate(xp, vectors) * _columns(xp, g)) @ vectors.mT


eigvalsh.vjp(x=_eigvalsh_by_x)


def _rounding(xp: Any, values: Any) -> Any:
    """The difference up to which eigenvalues or singular values count as equal: a few times their rounding error."""
    return 10 * backends.epsilon(values.dtype) * xp.sum(xp.abs(values), axis=-1, keepdims=True)


@op("1/Δ", text="F({x})", tex="F({x})")
def reciprocal_gaps(xp, x):
    """The matrices ``(..., n, n)`` with 1 / (x[j] - x[i]) at (i, j), from values ``(..., n)``; 0 on the
    diagonal, and NaN where two values are equal to rounding. Derivatives of eigenvectors contain it.

    >>> from glassgrad import autograd as ag
    >>> ag.reciprocal_gaps(ag.Tensor([1.0, 3.0]))
    Tensor([[ 0.0, 0.5],
            [-0.5, 0.0]])
    """
    gaps = _columns(xp, x) - xp.expand_dims(x, axis=-1)
    same = _diagonal_of_ones(xp, gaps) > 0
    close = xp.abs(gaps) <= xp.expand_dims(_rounding(xp, x), axis=-1)
    return xp.where(same, 0.0, 1.0 / xp.where(same, 1.0, xp.where(close, math.nan, gaps)))


def _gaps_by_x(xp: Any, g: Any, out: Any) -> Any:
    slopes = g * out * out
    return xp.sum(slopes, axis=-1) - xp.sum(slopes, axis=-2)


reciprocal_gaps.vjp(x=_gaps_by_x)


@op("eigenvectors", text="eigenvectors({x})", tex=r"\operatorname{{eigenvectors}}({x})")
def eigenvectors(xp, x):
    """Orthonormal eigenvectors of symmetric matrices ``(..., n, n)``, as columns, in the order of `eigvalsh`.

    Each is unique up to its sign, or the phase of a complex one, which the backend chooses. The gradient is symmetric.
    It is NaN where eigenvalues are equal, because then there is no derivative, and for a loss that depends on phases.

    >>> from glassgrad import autograd as ag
    >>> abs(ag.eigenvectors(ag.Tensor([[1.0, 0.0], [0.0, 2.0]])))
    Tensor([[1.0, 0.0],
            [0.0, 1.0]])
    """
    return xp.linalg.eigh(_symmetric(xp, x))[1]


def _of_phases(xp: Any, terms: Any, axis: int) -> Any:
    """0, and NaN where a loss depends on the phases of complex vectors, which the backend chooses: where ``terms``, the
    vectors times their upstream gradients, have a sum along ``axis`` that is not real.
    """
    size = xp.sum(xp.abs(terms), axis=axis, keepdims=True)
    turn = xp.abs(xp.imag(xp.sum(terms, axis=axis, keepdims=True)))
    return xp.where(turn > backends.epsilon(size.dtype) ** 0.5 * size, math.nan, xp.zeros_like(size))


def _eigenvectors_by_x(xp: Any, g: Any, x: Any, out: Any) -> Any:
    turns = out.mT @ g
    slopes = 0.5 * (turns - _adjoint(xp, turns)) * xp.reciprocal_gaps(xp.eigvalsh(x))
    if backends.is_complex(x.dtype):
        slopes = slopes + _of_phases(xp, out * g, -2)
    return conjugate(xp, out) @ slopes @ out.mT


eigenvectors.vjp(x=_eigenvectors_by_x)


# --------------------------------------------------------------------------------------------- singular values, vectors


@op("svdvals", text="svdvals({x})", tex=r"\operatorname{{svdvals}}({x})")
def svdvals(xp, x):
    """The singular values of matrices ``(..., m, n)``, descending, of shape ``(..., min(m, n))``.

    >>> from glassgrad import autograd as ag
    >>> ag.linalg.svdvals(ag.Tensor([[0.0, 3.0], [4.0, 0.0]]))
    Tensor([4.0, 3.0])
    """
    return xp.linalg.svd(x, full_matrices=False)[1]


def _svdvals_by_x(xp: Any, g: Any, x: Any) -> Any:
    ut, vh = halves(x, conjugate(xp, xp.singular_vectors(x)))
    return (ut.mT * _columns(xp, g)) @ vh


svdvals.vjp(x=_svdvals_by_x)


def halves(x: Any, factors: Any) -> tuple[Any, Any]:
    """``factors`` split into its first m columns and the rest, for ``x`` of shape (..., m, n)."""
    m = x.shape[-2]
    return factors[..., :m], factors[..., m:]


@op("UᵀVᵀ", text="singular_vectors({x})", tex=r"\operatorname{{singular\ vectors}}({x})")
def singular_vectors(xp, x):
    """The singular vectors of matrices ``(..., m, n)`` as rows, in the order of `svdvals`: ``(..., min(m, n), m + n)``.

    In each row the first m elements are the left vector, the others the (conjugate) right one. Both are unique up to a
    common sign, or phase where they are complex. `svd` takes them apart. The derivative (J. Townsend, "Differentiating
    the singular value decomposition", 2016) is NaN where singular values are equal, for vectors that belong to a
    singular value 0 of a matrix that is not square, and for a loss that depends on phases.

    >>> from glassgrad import autograd as ag
    >>> abs(ag.singular_vectors(ag.Tensor([[0.0, 3.0], [4.0, 0.0]])))
    Tensor([[0.0, 1.0, 1.0, 0.0],
            [1.0, 0.0, 0.0, 1.0]])
    """
    u, _, vh = xp.linalg.svd(x, full_matrices=False)
    return xp.concat([u.mT, vh], axis=-1)


def _singular_vectors_by_x(xp: Any, g: Any, x: Any, out: Any) -> Any:
    s = xp.svdvals(x)
    (ut, vh), (gut, gvh) = halves(x, out), halves(x, g)
    sums = _columns(xp, s) + xp.expand_dims(s, axis=-1)
    turning = xp.reciprocal_gaps(s) / xp.where(sums == 0, 1.0, sums)  # 1 / (s_j² - s_i²)
    of_phases = _of_phases(xp, xp.concat([ut * gut, -vh * gvh], axis=-1), -1) if backends.is_complex(x.dtype) else None
    left, right = ut @ gut.mT, vh @ gvh.mT
    ut, vh = conjugate(xp, ut), conjugate(xp, vh)
    of_left, of_right = left - _adjoint(xp, left), conjugate(xp, right - _adjoint(xp, right))
    core = of_left * turning * _columns(xp, s) + xp.expand_dims(s, axis=-1) * of_right * turning
    if of_phases is not None:  # both vectors turn against each other
        core = core + of_phases + _diagonal_of_ones(xp, core) * (of_left - of_right) / (4 * _columns(xp, s))
    m, n = x.shape[-2:]
    total = ut.mT @ core @ vh
    if m == n:
        return total
    scale = xp.expand_dims(xp.where(s <= _rounding(xp, s), math.nan, s), axis=-1)
    if m > n:  # the part orthogonal to the left singular vectors
        return total + ((gut - left.mT @ ut) / scale).mT @ vh
    return total + ut.mT @ ((gvh - right.mT @ vh) / scale)


singular_vectors.vjp(x=_singular_vectors_by_x)


@op("⊥", text="complement({x})", tex="{x}^{{\\perp}}", level=3)
def orthogonal_complement(xp, x):
    """Columns ``(..., m, m - k)`` that complete orthonormal columns ``(..., m, k)`` to a basis. A gradient is
    refused: any rotation of them would do as well.

    >>> from glassgrad import autograd as ag
    >>> abs(ag.orthogonal_complement(ag.Tensor([[0.0], [1.0]])))
    Tensor([[1.0],
            [0.0]])
    """
    return xp.linalg.qr(x, mode="complete")[0][..., x.shape[-1] :]


def _refused(g: Any) -> Any:
    raise GradientError(
        "a gradient flows to columns that complete a basis, which have no derivative: pass full_matrices=False to svd, "
        "mode='reduced' to qr."
    )


orthogonal_complement.vjp(x=_refused)


# ------------------------------------------------------------------------------------------------------------------- QR


@op("QᵀR", text="qr({x})", tex=r"\operatorname{{qr}}({x})")
def qr_factors(xp, x):
    """Qᵀ and R of ``x == Q @ R``, side by side: ``(..., m, n)`` gives ``(..., k, m + n)`` with ``k = min(m, n)``. The
    diagonal of R is real.

    `qr` takes them apart. The derivative (S. F. Walter and L. Lehmann, "Algorithmic differentiation of linear algebra
    functions", Optimization Methods and Software 28, 2013; for m < n D. A. O. Roberts and L. R. Roberts, "QR and LQ
    decomposition matrix backpropagation algorithms", arXiv:2009.10071, 2020) exists where the first k columns are
    independent; where they are not, to rounding, it is NaN.

    >>> from glassgrad import autograd as ag
    >>> abs(ag.qr_factors(ag.Tensor([[0.0, 1.0], [2.0, 5.0]])))
    Tensor([[0.0, 1.0, 2.0, 5.0],
            [1.0, 0.0, 0.0, 1.0]])
    """
    q, r = xp.linalg.qr(x, mode="reduced")
    return xp.concat([q.mT, r], axis=-1)


def _qr_by_x(xp: Any, g: Any, out: Any, x_shape: Any) -> Any:
    m, n = x_shape[-2:]
    k = min(m, n)
    qt, square, wide = out[..., :m], out[..., m : m + k], out[..., m + k :]
    gqt, gsquare, gwide = g[..., :m], g[..., m : m + k], g[..., m + k :]
    if m < n:  # x = Q [R₁ R₂], and R₂ = Qᵀ x₂
        gqt = gqt + conjugate(xp, gwide @ (wide.mT @ qt))
    turned = _lower_copied(xp, square @ gsquare.mT - gqt @ qt.mT)
    qt = conjugate(xp, qt)
    s = xp.svdvals(square)  # the diagonal of R does not show the rank, because the columns were not pivoted
    flat = xp.expand_dims(s[..., -1:] <= _rounding(xp, s), axis=-1)
    pivots = xp.where((_diagonal_of_ones(xp, square) > 0) & flat, math.nan, square)
    first = xp.solve(pivots, gqt + turned @ qt).mT
    return first if m >= n else xp.concat([first, qt.mT @ gwide], axis=-1)


qr_factors.vjp(x=_qr_by_x)
