"""Derivatives of functions: against closed forms, and nested in one another."""

import math
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

from glassgrad import autograd as ag
from glassgrad.autograd import Tensor

A = np.array([[2.0, -1.0, 0.5], [-1.0, 3.0, 0.0], [0.5, 0.0, 1.0]])
X = np.array([0.3, -1.2, 2.0])
V = np.array([1.0, 2.0, -0.5])


def quadratic(x):
    return 0.5 * (x @ (ag.asarray(A) @ x))


def field(x):
    """A vector of two: (x₀ x₁, sin x₂)."""
    return ag.stack([x[0] * x[1], ag.sin(x[2])])


FIELD_JACOBIAN = np.array([[X[1], X[0], 0.0], [0.0, 0.0, np.cos(X[2])]])


# --------------------------------------------------------------------------------------------------------- closed forms


class TestGrad:
    def test_the_results_are_constants_and_arguments_stay_as_they_are(self):
        x = Tensor(X)
        value, slope = ag.value_and_grad(quadratic)(x)
        assert not value.requires_grad
        assert not slope.requires_grad
        assert not x.requires_grad
        assert x.grad is None

    def test_the_gradient_at_a_recorded_argument_is_recorded_and_changes_no_grad(self):
        x = Tensor(X, requires_grad=True)
        value, slope = ag.value_and_grad(quadratic)(x)
        assert x.grad is None
        (value + slope.sum()).backward()
        assert_allclose(x.grad.data, A @ X + A.sum(axis=0))

    def test_works_under_no_grad(self):
        with ag.no_grad():
            slope = ag.grad(quadratic)(Tensor(X, requires_grad=True))
        assert_allclose(slope.data, A @ X)
        assert not slope.requires_grad


class TestVjpAndJvp:
    def test_vjp_is_the_transposed_jacobian_times_a_vector(self):
        y, pull = ag.vjp(field, X)
        assert_allclose(y.data, [X[0] * X[1], np.sin(X[2])])
        for u in ([1.0, 0.0], [2.0, -3.0]):  # the same pull again
            (slope,) = pull(u)
            assert_allclose(slope.data, np.array(u) @ FIELD_JACOBIAN)

    def test_a_pull_under_no_grad_is_not_recorded(self):
        _, pull = ag.vjp(lambda x: x**3, Tensor(2.0, requires_grad=True))
        assert pull(1.0)[0].requires_grad
        with ag.no_grad():
            (slope,) = pull(1.0)
        assert (slope.item(), slope.requires_grad) == (12.0, False)


# -------------------------------------------------------------------------------------------------------------- nesting


class TestNesting:
    def test_grad_of_grad_to_any_order(self):
        f, values = (lambda x: x**5), []
        for _ in range(6):
            f = ag.grad(f)
            values.append(f(2.0).item())
        assert values == pytest.approx([80, 160, 240, 240, 120, 0])

    def test_an_inner_function_that_closes_over_all(self):
        # f(x) = d/dy (x² y³) at y = x, so 3 x⁴; the argument and the closure both count.
        f = lambda x: ag.grad(lambda y: x * x * y**3)(x)  # noqa: E731
        assert ag.grad(f)(2.0).item() == 12 * 8

    def test_closing_over_a_leaf_records(self):
        w = Tensor(3.0, requires_grad=True)
        slope = ag.grad(lambda x: w * x * x)(2.0)
        slope.backward()
        assert (slope.item(), w.grad.item()) == (12.0, 4.0)

    def test_jacobian_of_grad_is_the_hessian_and_jvp_of_grad_its_product(self):
        f = lambda x: ag.exp(x).sum() * x[0]  # noqa: E731
        hessian = ag.hessian(f)(X).data
        assert_allclose(ag.jacobian(ag.grad(f))(X).data, hessian)
        assert_allclose(ag.jvp(ag.grad(f), (X,), (V,))[1].data, hessian @ V)
        assert_allclose(ag.hvp(f, (X,), (V,))[0].data, hessian @ V)
        assert_allclose(hessian, hessian.T)

    def test_grad_through_vjp_and_jvp(self):
        through_vjp = ag.grad(lambda x: ag.vjp(lambda z: z**3, x)[1](1.0)[0])
        through_jvp = ag.grad(lambda x: ag.jvp(lambda z: z**3, (x,), (1.0,))[1])
        assert through_vjp(2.0).item() == pytest.approx(12.0)
        assert through_jvp(2.0).item() == pytest.approx(12.0)

    def test_grad_by_the_tangent_and_the_cotangent(self):
        assert ag.grad(lambda v: ag.jvp(lambda z: z**3, (2.0,), (v,))[1])(5.0).item() == pytest.approx(12.0)
        pull = ag.vjp(lambda z: z**3, 2.0)[1]
        assert ag.grad(lambda u: pull(u)[0])(5.0).item() == pytest.approx(12.0)
        (by_v,) = ag.gradients([ag.hvp(quadratic, (X,), (v := Tensor(V, requires_grad=True),))[0].sum()], [v])
        assert_allclose(by_v.data, A.sum(axis=0))

    def test_aux_beside_a_value_that_depends_on_no_outer_variable(self):
        inner = lambda y: lambda x: (x * x, {"seen": y * y})  # noqa: E731
        assert ag.grad(lambda y: ag.grad(inner(y), has_aux=True)(2.0)[1]["seen"])(3.0).item() == 6.0
        assert ag.grad(lambda y: ag.vjp(inner(y), 2.0, has_aux=True)[2]["seen"])(3.0).item() == 6.0

    def test_under_no_grad_inside_nothing_flows(self):
        @ag.no_grad()
        def slope(x):
            return ag.grad(lambda y: y * y)(x)

        assert ag.grad(lambda x: x * slope(x))(3.0).item() == 6.0  # slope(x) is the constant 6


INNER: dict[str, Any] = {
    "jvp": lambda v: (ag.jvp(ag.sin, ([0.3, 1.2],), (v,))[1] ** 2).sum(),
    "vjp": lambda v: (ag.vjp(ag.sin, [0.3, 1.2])[1](v)[0] ** 2).sum(),
    "hvp": lambda v: (ag.hvp(lambda x: (x**3).sum(), ([0.3, 1.2],), (v,))[0] ** 2).sum(),
}


@pytest.mark.parametrize("inner", INNER)
def test_a_gradient_by_a_tangent_is_recorded_for_nobody(inner: str) -> None:
    """Variables of an inner transform that is done are no reason to record: an iteration would keep all its steps."""
    v = ag.Tensor([1.0, 1.0])
    for _ in range(3):
        slope = ag.grad(INNER[inner])(v)
        assert not slope.requires_grad
        v = v - 0.1 * slope
    assert len(ag.Graph(v).nodes) == 1
    hessian = ag.hessian(INNER[inner])([1.0, 2.0]).data
    linear = {"jvp": np.cos([0.3, 1.2]), "vjp": np.cos([0.3, 1.2]), "hvp": 6 * np.array([0.3, 1.2])}[inner]
    np.testing.assert_allclose(hessian, np.diag(2 * linear**2), atol=1e-12)


class TestTrees:
    def test_the_gradient_has_the_structure_of_the_argument(self):
        params = {"w": ag.Tensor([1.0, 2.0]), "layers": [(ag.Tensor(3.0), np.array([4.0, 5.0]))]}

        def loss(p):
            ((a, b),) = p["layers"]
            return (p["w"] * p["w"]).sum() * a + (b * b).sum()

        value, slope = ag.value_and_grad(loss)(params)
        assert (value.item(), slope["w"].tolist()) == (56.0, [6.0, 12.0])
        assert [part.tolist() for part in slope["layers"][0]] == [5.0, [8.0, 10.0]]
        assert isinstance(slope["layers"][0], tuple)


def test_a_constant_can_be_taken_of_the_variable_in_words():
    def f(x):
        with ag.no_grad():
            scale = float(x)
        return scale * x * x.item() * math.sin(2.0) * float(ag.Tensor(1.0))

    assert ag.grad(f)(3.0).item() == pytest.approx(9 * math.sin(2.0))


def test_a_function_that_writes_to_a_recorded_argument_is_differentiated_at_what_it_was_given():
    def f(x):
        x[0] = 3 * x[0]
        return (x**2).sum()

    assert_allclose(ag.grad(f)(Tensor([1.0, 2.0], requires_grad=True)).data, [18.0, 4.0])
    assert_allclose(ag.grad(lambda x: ag.grad(f)(x).sum())([1.0, 2.0]).data, [18.0, 2.0])


# ------------------------------------------------------------------------------------------------------- within no_grad


def test_transforms_differentiate_within_no_grad_and_are_constants_outside() -> None:
    with ag.no_grad():
        assert ag.jvp(ag.log, (2.0,), (1.0,))[1].item() == 0.5
        assert ag.jacfwd(ag.log)([2.0]).item() == 0.5
        assert ag.hessian(lambda x: ag.sum(ag.log(x)))([2.0]).item() == -0.25
        assert ag.vmap(ag.grad(ag.log))([2.0, 4.0]).tolist() == [0.5, 0.25]

    def f(x: Any) -> Any:
        with ag.no_grad():
            constant = ag.jvp(lambda y: y * y * x, (x,), (1.0,))[1]
        return constant * x

    assert ag.grad(f)(3.0).item() == ag.jvp(f, (3.0,), (1.0,))[1].item() == 18.0
