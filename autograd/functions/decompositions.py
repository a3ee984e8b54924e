"""Matrix decompositions with several results."""

from __future__ import annotations

from typing import Any, NamedTuple

from glassgrad.autograd.common.validation import choice
from glassgrad.autograd.engine.tensor import Tensor
from glassgrad.autograd.errors import GradientError
from glassgrad.autograd.functions.conversion import asarray
from glassgrad.autograd.ops import factorizations
from glassgrad.autograd.ops.shaping import concat, pad


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


def _completed(columns: Tensor, way: str) -> Tensor:
    """Orthonormal columns, completed to a basis. Raises where a gradient flows to them."""
    whole: Tensor = concat([columns, factorizations.orthogonal_complement(columns.detach())], axis=-1)

    def refuse(gradient: Any) -> None:
        raise GradientError(f"a gradient flows to columns that complete a basis, which have no derivative: pass {way}.")

    if whole.requires_grad:
        whole.register_hook(refuse)
    return whole


class SVDResult(NamedTuple):
    """The result of `svd`."""

    U: Tensor
    S: Tensor
    Vh: Tensor


def svd(x: Any, /, *, full_matrices: bool = True) -> SVDResult:
    """The singular value decomposition ``x == (U * S[..., None, :]) @ Vh`` of matrices (..., m, n).

    S, descending, is of shape (..., k) with k = min(m, n), U is (..., m, k) and Vh (..., k, n); with ``full_matrices``
    U and Vh are completed to square ones. Their derivatives: see `singular_vectors`. A completed factor has none, and
    raises `GradientError` where one is asked for.

    >>> from glassgrad import autograd as ag
    >>> u, s, vh = ag.linalg.svd(ag.Tensor([[3.0, 0.0], [0.0, 4.0], [0.0, 0.0]]), full_matrices=False)
    >>> u.shape, s, vh.shape
    ((3, 2), Tensor([4.0, 3.0]), (2, 2))
    """
    x = asarray(x)
    ut, vh = factorizations.halves(x, factorizations.singular_vectors(x))
    u, (m, n) = ut.mT, x.shape[-2:]
    if full_matrices and m > n:
        u = _completed(u, "full_matrices=False")
    if full_matrices and m < n:
        vh = _completed(vh.mT, "full_matrices=False").mT
    return SVDResult(u, factorizations.svdvals(x), vh)


class QRResult(NamedTuple):
    """The result of `qr`."""

    Q: Tensor
    R: Tensor


def qr(x: Any, /, *, mode: str = "reduced") -> QRResult:
    """``x == Q @ R`` with orthonormal columns of Q and an upper triangular R, of matrices (..., m, n).

    With ``mode="reduced"`` Q is (..., m, k) and R (..., k, n), k = min(m, n); with ``"complete"`` they are (..., m, m)
    and (..., m, n). The derivative exists where the first k columns of ``x`` are independent, else it is NaN; a
    completed Q has none and raises `GradientError` where one is asked for.

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
        q = _completed(q, "mode='reduced'")
        r = pad(r, pad_width=(*[(0, 0)] * (x.ndim - 2), (0, m - n), (0, 0)))
    return QRResult(q, r)
