"""Factors and determinants: what is singular, degenerate or not square."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad.autograd import linalg
from glassgrad.autograd.errors import AnomalyError, DomainError, GradientError
from glassgrad.autograd.testing import gradcheck, gradgradcheck

RNG = np.random.default_rng(0)
SHAPES = [(3, 3), (4, 2), (2, 4), (1, 3), (3, 1), (2, 3, 2)]


def leaf(x: Any) -> ag.Tensor:
    return ag.Tensor(x, requires_grad=True)


def symmetric(n: int = 3) -> Any:
    x = RNG.normal(size=(n, n))
    return x + x.T


def turned(values: Any) -> Any:
    """A symmetric matrix with these eigenvalues."""
    axes = np.linalg.qr(np.random.default_rng(len(values)).normal(size=(len(values),) * 2))[0]
    return (axes * np.asarray(values)) @ axes.T


# ------------------------------------------------------------------------------------------------------- determinants


def test_the_second_derivative_of_the_determinant_in_closed_form() -> None:
    """det of a 2 by 2 matrix is a d - b c, also where every singular value is the same; a singular one is refused."""
    expected = [[[[0, 0], [0, 1]], [[0, 0], [-1, 0]]], [[[0, -1], [0, 0]], [[1, 0], [0, 0]]]]
    for matrix in (np.eye(2), np.diag([1.0, 1e-9])):
        np.testing.assert_allclose(ag.hessian(linalg.det)(matrix).data, expected, atol=1e-14)
    with pytest.raises(DomainError, match=r"det \(\) float64 has no derivative here: Singular matrix"):
        ag.grad(linalg.det)(np.ones((2, 2)))


def test_the_logarithm_of_a_determinant_does_not_overflow() -> None:
    x = leaf(np.eye(200) * 1e3)
    sign, logarithm = linalg.slogdet(x)
    assert (sign.item(), logarithm.item()) == (1.0, pytest.approx(200 * np.log(1e3)))
    logarithm.backward()
    np.testing.assert_allclose(x.grad.data, np.eye(200) * 1e-3)


# --------------------------------------------------------------------------------------------------------------- solve


@pytest.mark.parametrize(
    ("x", "y"), [((2, 2), (2,)), ((3, 2, 2), (2,)), ((3, 2, 2), (2, 4)), ((2, 2), (3, 2, 4)), ((3, 1, 2, 2), (5, 2, 1))]
)
def test_the_sides_of_an_equation_broadcast(x: Any, y: Any) -> None:
    a, b = RNG.normal(size=x), RNG.normal(size=y)
    np.testing.assert_allclose(
        (a @ linalg.solve(a, b).data[..., None])[..., 0] if len(y) == 1 else a @ linalg.solve(a, b).data,
        np.broadcast_to(b, linalg.solve(a, b).shape),
        atol=1e-10,
    )
    assert gradcheck(linalg.solve, a, b)
    assert gradgradcheck(linalg.solve, a, b)


# -------------------------------------------------------------------------------------------------- symmetric matrices


@pytest.mark.parametrize("call", [linalg.eigvalsh, linalg.cholesky, lambda x: linalg.eigh(x)[1] ** 2])
def test_only_the_symmetric_part_counts_and_its_gradient_is_symmetric(call: Any) -> None:
    x = turned([1.0, 2.0, 4.0])
    skew = np.triu(np.ones((3, 3)), 1)
    skew -= skew.T
    np.testing.assert_allclose(call(x + skew).data, call(x).data, atol=1e-12)
    t = leaf(x + skew)
    ag.sum(call(t) * RNG.normal(size=call(t).shape)).backward()
    np.testing.assert_allclose(t.grad.data, t.grad.data.T, atol=1e-12)


@pytest.mark.parametrize("values", [(1.0, 1.0, 2.0), (0.0, 0.0, 0.0), (1.0, 1.0, 1.0, 5.0)])
def test_eigenvalues_have_derivatives_where_they_are_equal(values: Any) -> None:
    """Where what is computed from them treats equal ones equally: here the trace of the exponential of x."""
    x = turned(values)
    w, v = np.linalg.eigh(x)
    slope = ag.grad(lambda x: ag.sum(ag.exp(linalg.eigvalsh(x))))(x)
    np.testing.assert_allclose(slope.data, (v * np.exp(w)) @ v.T, atol=1e-12)
    slope = ag.grad(lambda x: ag.sum(linalg.svdvals(x)) if x.ndim == 2 else x)(np.asarray(x) + np.eye(len(x)))
    np.testing.assert_allclose(slope.data, np.eye(len(x)), atol=1e-12)


@pytest.mark.parametrize("values", [(1.0, 1.0, 2.0), (0.0, 0.0, 3.0)])
@pytest.mark.parametrize("call", [ag.eigenvectors, lambda x: linalg.eigh(x)[1], ag.singular_vectors])
def test_vectors_of_equal_values_have_no_derivative(call: Any, values: Any) -> None:
    x = leaf(turned(values))
    y = ag.sum(call(x) ** 3)
    assert np.isnan(ag.gradients(y, x).data).all()
    with ag.detect_anomaly(), pytest.raises(AnomalyError, match=r"eigenvectors|singular_vectors"):
        ag.gradients(ag.sum(call(x) ** 3), x)


def test_values_alone_are_not_touched_by_the_vectors_that_are_equal() -> None:
    """The decomposition gives both, and what is not used sends nothing."""
    x = leaf(np.eye(3))
    values, vectors = linalg.eigh(x)
    ag.sum(values).backward()
    np.testing.assert_allclose(x.grad.data, np.eye(3), atol=1e-15)
    assert vectors.shape == (3, 3)


def test_a_matrix_function_by_its_eigenvectors() -> None:
    """The square root of a positive definite matrix: its derivative solves a Sylvester equation."""

    def root(x: ag.Tensor) -> ag.Tensor:
        w, v = linalg.eigh(x)
        return (v * ag.sqrt(w)) @ v.mT

    x = turned([1.0, 2.0, 5.0])
    np.testing.assert_allclose(root(ag.Tensor(x)).data @ root(ag.Tensor(x)).data, x, atol=1e-12)
    assert gradcheck(root, x)
    assert gradgradcheck(root, x)
    direction = symmetric()
    value, tangent = ag.jvp(root, (x,), (direction,))
    np.testing.assert_allclose(value.data @ tangent.data + tangent.data @ value.data, direction, atol=1e-10)


# ------------------------------------------------------------------------------------------- singular values, QR, rank


@pytest.mark.parametrize("shape", SHAPES)
def test_a_decomposition_multiplies_to_the_matrix(shape: tuple[int, ...]) -> None:
    x = RNG.normal(size=shape)
    u, s, vh = linalg.svd(x, full_matrices=False)
    np.testing.assert_allclose(((u * ag.expand_dims(s, axis=-2)) @ vh).data, x, atol=1e-12)
    q, r = linalg.qr(x)
    np.testing.assert_allclose((q @ r).data, x, atol=1e-12)
    np.testing.assert_allclose(ag.triu(r).data, r.data)

    def again(x: ag.Tensor) -> ag.Tensor:
        u, s, vh = linalg.svd(x, full_matrices=False)
        q, r = linalg.qr(x)
        return (u * ag.expand_dims(s * s, axis=-2)) @ vh + ag.sin(q) @ r

    assert gradcheck(again, x)
    assert gradgradcheck(again, x)


@pytest.mark.parametrize("shape", SHAPES)
def test_square_factors_are_orthogonal(shape: tuple[int, ...]) -> None:
    m, n = shape[-2:]
    x = RNG.normal(size=shape)
    u, s, vh = linalg.svd(x)
    assert (u.shape[-2:], s.shape[-1], vh.shape[-2:]) == ((m, m), min(m, n), (n, n))
    for factor in (u, vh, linalg.qr(x, mode="complete").Q):
        np.testing.assert_allclose(
            (factor @ factor.mT).data, np.broadcast_to(np.eye(factor.shape[-1]), factor.shape), atol=1e-12
        )
    core = np.zeros(shape)
    core[..., range(min(m, n)), range(min(m, n))] = s.data
    np.testing.assert_allclose((u @ core @ vh).data, x, atol=1e-12)
    q, r = linalg.qr(x, mode="complete")
    assert (q.shape[-2:], r.shape) == ((m, m), shape)
    np.testing.assert_allclose((q @ r).data, x, atol=1e-12)
    assert gradcheck(lambda x: (linalg.svd(x).S, linalg.qr(x, mode="complete").R), x)


@pytest.mark.parametrize("derive", [
    ag.jacfwd, lambda f: ag.hessian(lambda x: ag.sum(f(x))),
    lambda f: lambda x: ag.jvp(f, (x,), (x,)), lambda f: lambda x: ag.jet(f, (x,), ((x,),)),
])  # fmt: skip
def test_completed_factors_have_no_derivative(derive: Any) -> None:
    tall = RNG.normal(size=(3, 2))
    factors = (lambda x: linalg.svd(x).U, lambda x: linalg.svd(x.mT).Vh, lambda x: linalg.qr(x, mode="complete").Q)
    for factor in factors:
        with pytest.raises(GradientError, match="pass full_matrices=False to svd, mode='reduced' to qr"):
            derive(factor)(tall)


@pytest.mark.parametrize("matrix", [np.zeros((2, 2)), np.ones((3, 2)), np.ones((2, 3)), turned([0.0, 1.0, 2.0])])
def test_the_factors_of_dependent_columns_have_no_derivative(matrix: Any) -> None:
    assert np.isnan(ag.grad(lambda x: ag.sum(ag.qr_factors(x)))(matrix).data).any()


def test_vectors_of_a_singular_value_zero() -> None:
    """In a square matrix they are the only ones of theirs; in another they may turn into the space that is left."""
    square = RNG.normal(size=(3, 3))
    square[2] = square[0] + square[1]
    assert np.isfinite(ag.grad(lambda x: ag.sum(ag.singular_vectors(x) ** 3))(square).data).all()
    tall = np.vstack([square, square[:1]])
    assert np.isnan(ag.grad(lambda x: ag.sum(ag.singular_vectors(x) ** 3))(tall).data).all()


def test_the_rank() -> None:
    x = RNG.normal(size=(2, 4, 2)) @ RNG.normal(size=(2, 2, 3))
    assert linalg.matrix_rank(x).tolist() == np.linalg.matrix_rank(x).tolist() == [2, 2]
    assert linalg.matrix_rank(np.diag([1.0, 0.1, 0.01]), rtol=0.05).item() == 2
    stack = np.stack([np.diag([1.0, 0.1])] * 2)
    assert linalg.matrix_rank(stack, rtol=np.array([0.5, 0.05])).tolist() == [1, 2]
    assert not linalg.matrix_rank(leaf(stack)).requires_grad
    np.testing.assert_allclose(linalg.pinv(stack, rtol=np.array([0.5, 0.05])).data[:, 1, 1], [0.0, 10.0], atol=1e-12)


def test_the_pseudo_inverse_at_a_constant_rank() -> None:
    """Moved along matrices of its rank, a matrix that lacks full rank has the derivative that the rule says."""
    left, right = RNG.normal(size=(4, 2)), RNG.normal(size=(2, 3))
    assert gradcheck(lambda a, b: linalg.pinv(a @ b, rtol=1e-8), left, right)


@pytest.mark.parametrize("kind", [np.float64, np.float32, np.array, ag.Tensor])
def test_a_tolerance_may_be_any_kind_of_number(kind) -> None:
    x, rtol = ag.Tensor(np.diag([1.0, 0.1]), requires_grad=True), kind(0.5)
    found = linalg.pinv(x, rtol=rtol)
    assert np.array_equal(found.data, [[1.0, 0.0], [0.0, 0.0]])
    assert ag.gradients(found, [x], seeds=ag.ones((2, 2)), create_graph=True)[0].shape == (2, 2)
    assert linalg.matrix_rank(x, rtol=rtol).item() == 1
    compiled = ag.compile(lambda x, rtol: linalg.pinv(x, rtol=rtol))
    assert np.array_equal(compiled(x.detach(), rtol[()] if kind is np.array else rtol).data, found.data)


def test_equal_eigenvalues_and_dependent_columns_are_found_to_rounding():
    """However the values were rounded, no large number comes out."""
    for seed in range(60):
        rng = np.random.default_rng(seed)
        n = int(rng.integers(2, 12))
        values = rng.normal(size=n)
        values[1] = values[0]
        q = np.linalg.qr(rng.normal(size=(n, n)))[0]
        assert np.isnan(ag.grad(lambda x: (ag.linalg.eigh(x)[1] ** 3).sum())((q * values) @ q.T).data).all()
        narrow = rng.normal(size=(6, 2)) @ rng.normal(size=(2, 3))
        assert np.isnan(ag.grad(lambda x: (ag.linalg.qr(x)[0] ** 3).sum())(narrow).data).all()
