"""Norms, powers and diagonals: beside NumPy's, at their kinks, and what is refused."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad.autograd import linalg
from glassgrad.autograd.testing import gradcheck, gradgradcheck

RNG = np.random.default_rng(0)
ORDERS = ("fro", "nuc", 1, -1, 2, -2, math.inf, -math.inf)


@pytest.mark.parametrize("ord", ORDERS)
@pytest.mark.parametrize("shape", [(3, 3), (2, 4), (2, 3, 2)])
def test_norms_of_matrices_as_in_numpy(ord: Any, shape: Any) -> None:
    x = RNG.normal(size=shape)
    for keepdims in (False, True):
        norm = linalg.matrix_norm(x, ord=ord, keepdims=keepdims)
        np.testing.assert_allclose(norm.data, np.linalg.matrix_norm(x, ord=ord, keepdims=keepdims), rtol=1e-12)
    assert gradcheck(lambda x: linalg.matrix_norm(x, ord=ord), x)
    assert gradgradcheck(lambda x: linalg.matrix_norm(x, ord=ord), x)


@pytest.mark.parametrize("ord", [1, 1.5, 2, 3, math.inf, -math.inf, 0])
def test_the_norm_of_zero_has_the_gradient_zero(ord: float) -> None:
    x = ag.Tensor([0.0, 0.0], requires_grad=True)
    slope = ag.gradients(linalg.vector_norm(x, ord=ord), x, create_graph=True)
    assert slope.tolist() == [0.0, 0.0]
    if slope.requires_grad:
        assert np.isfinite(ag.gradients(ag.sum(slope), x).data).all()


@pytest.mark.parametrize("ord", [0.5, 1, 1.5, 2, 3])
def test_a_zero_in_a_vector_is_no_trouble(ord: float) -> None:
    slope = ag.grad(lambda x: linalg.vector_norm(x, ord=ord))([0.0, 2.0])
    assert slope.tolist() == [0.0, pytest.approx(1.0, rel=1e-15)]


@pytest.mark.parametrize("ord", ["fro", 1, math.inf, "nuc", 2])
def test_the_norm_of_a_zero_matrix_has_a_finite_gradient(ord: Any) -> None:
    assert np.isfinite(ag.grad(lambda x: linalg.matrix_norm(x, ord=ord))(np.zeros((2, 2))).data).all()


@pytest.mark.parametrize("n", [-3, -1, 1, 2, 3, 6, 7])
def test_powers_as_in_numpy(n: int) -> None:
    x = RNG.normal(size=(2, 3, 3))
    np.testing.assert_allclose(linalg.matrix_power(x, n).data, np.linalg.matrix_power(x, n), rtol=1e-9)
    assert gradcheck(lambda x: linalg.matrix_power(x, n), x[0])


@pytest.mark.parametrize("x", [[3.0, 0.0, 4.0], [0.0, 1.0, 0.0]], ids=str)
def test_a_norm_is_smooth_where_an_element_is_zero(x):
    size = np.linalg.norm(x)
    unit = np.array(x) / size
    np.testing.assert_allclose(ag.hessian(ag.linalg.vector_norm)(x).data, (np.eye(3) - np.outer(unit, unit)) / size)
    assert gradgradcheck(ag.linalg.vector_norm, ag.Tensor(x, requires_grad=True))
    third = ag.jacobian(ag.hessian(ag.linalg.vector_norm))(x).data
    mixed = -(np.einsum("ij,k->ijk", np.eye(3), unit) + np.einsum("ik,j->ijk", np.eye(3), unit))
    mixed += -np.einsum("jk,i->ijk", np.eye(3), unit) + 3 * np.einsum("i,j,k->ijk", unit, unit, unit)
    np.testing.assert_allclose(third, mixed / size**2, atol=1e-12)


def test_the_frobenius_norm_of_the_identity_has_its_curvature():
    hessian = ag.hessian(ag.linalg.matrix_norm)(np.eye(2)).numpy().reshape(4, 4)
    assert np.trace(hessian) == pytest.approx(3 / np.sqrt(2))


@pytest.mark.parametrize("offset", [-5, -1, 0, 2])
def test_the_trace_of_a_stack_is_numpys_and_has_a_derivative(offset: int) -> None:
    x = np.random.default_rng(0).normal(size=(2, 3, 4))
    np.testing.assert_allclose(linalg.trace(x, offset=offset).data, np.linalg.trace(x, offset=offset))
    slope = ag.grad(lambda x: ag.sum(linalg.trace(x, offset)))(x)
    np.testing.assert_array_equal(slope.data, np.broadcast_to(np.eye(3, 4, k=offset), x.shape))
