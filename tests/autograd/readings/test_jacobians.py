"""Jacobians and Hessians by either mode. `tests/autograd/functions/test_transforms.py` has those of one array."""

from typing import Any

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad.autograd import Tensor, jacfwd, jacobian, jacrev
from glassgrad.autograd.readings import jacobians

RNG = np.random.default_rng(0)
X = RNG.standard_normal(3)


def scalar(x: Any) -> Tensor:
    return ag.sum(ag.sin(x) * ag.exp(-x * x))


HESSIAN = ag.hessian(scalar)(X).data
EITHER = pytest.mark.parametrize("mode", [jacfwd, jacrev, jacobian])


def test_the_hessian_is_that_of_finite_differences() -> None:
    step, units = 1e-5, np.eye(3)
    slope = lambda x: ag.grad(scalar)(x).data  # noqa: E731
    expected = [(slope(X + step * u) - slope(X - step * u)) / (2 * step) for u in units]
    np.testing.assert_allclose(HESSIAN, expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("outer", [jacfwd, jacrev, jacobian])
@pytest.mark.parametrize("inner", [jacfwd, jacrev, jacobian, ag.grad])
def test_all_nestings_give_the_hessian(outer: Any, inner: Any) -> None:
    np.testing.assert_allclose(outer(inner(scalar))(X).data, HESSIAN, rtol=1e-10)
    for f in (
        lambda x: (ag.scan(lambda c, y: (c * y, c + y), x[0], x[np.array([1, 2])])[1] ** 2).sum(),
        lambda x: ag.scan(lambda c, y: (ag.tanh(c * y + x[0]), c), x[1], x)[0],
        lambda x: ag.linalg.cholesky(4 * np.eye(3) + x[:, None] * x).sum(),
        lambda x: ag.sum(ag.linalg.inv(4 * np.eye(3) + x[:, None] * x)),
    ):
        expected = jacrev(ag.grad(f))(X).data
        np.testing.assert_allclose(outer(inner(f))(X).data, expected, rtol=1e-10, atol=1e-14)


def test_third_derivatives() -> None:
    expected = jacfwd(jacfwd(jacfwd(scalar)))(X).data
    for found in (jacrev(ag.hessian(scalar)), jacfwd(jacrev(jacrev(scalar)))):
        np.testing.assert_allclose(found(X).data, expected, rtol=1e-10)


@EITHER
def test_trees_several_arguments_and_further_results(mode: Any) -> None:
    def f(p: Any, scale: Any) -> Any:
        return {"y": ag.tanh(p["w"] @ X) * scale, "z": p["b"].sum()}, "aux"

    p = {"w": RNG.standard_normal((2, 3)), "b": np.ones(2)}
    blocks, aux = mode(f, argnums=(0, 1), has_aux=True)(p, 2.0)
    by_p, by_scale = blocks["y"]
    slope = 1 - np.tanh(p["w"] @ X) ** 2
    expected = 2 * slope[:, None, None] * np.eye(2)[:, :, None] * X
    np.testing.assert_allclose(by_p["w"].data, expected, rtol=1e-12)
    np.testing.assert_array_equal(by_p["b"].data, np.zeros((2, 2)))
    np.testing.assert_allclose(by_scale.data, np.tanh(p["w"] @ X), rtol=1e-12)
    assert aux == "aux"


@EITHER
def test_empty_and_constant_results(mode: Any) -> None:
    assert mode(lambda x: x[:0])(X).shape == (0, 3)
    np.testing.assert_array_equal(mode(lambda x: Tensor([1.0, 2.0]))(X).data, np.zeros((2, 3)))


def test_the_jacobian_takes_fewer_directions(monkeypatch: pytest.MonkeyPatch) -> None:
    seeds: list[int] = []
    whole = jacobians.eye
    monkeypatch.setattr(jacobians, "eye", lambda n, **options: (seeds.append(n), whole(n, **options))[1])

    def tall(x: Any, y: Any) -> Any:
        return ag.concat([x, ag.stack([y, y * y])]) * x[0], ag.asarray(1.0)

    for f, expected in ((tall, [4]), (lambda x, y: tall(x, y)[0][:2], [2])):
        found = jacobian(f, (0, 1))(X, 2.0)
        assert seeds == expected
        for own, other in zip(ag.trees.leaves(found), ag.trees.leaves(jacrev(f, (0, 1))(X, 2.0)), strict=True):
            np.testing.assert_allclose(own.data, other.data, rtol=1e-12)
        seeds.clear()


def test_hooks_are_called_with_the_gradients_of_each_row() -> None:
    def hooked(x: Any) -> Any:
        y = ag.exp(x)
        y.register_hook(lambda g: ag.clip(g, 0.0, 0.5))
        return ag.concat([y, y])

    np.testing.assert_allclose(jacobian(hooked)(X).data, jacrev(hooked)(X).data)


def test_many_rows_are_computed_a_part_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    f = lambda x: ag.tanh(ag.asarray(np.outer(X, X)) @ x)  # noqa: E731
    expected = jacrev(f)(X).data
    monkeypatch.setattr(jacobians, "AT_ONCE", 2)
    np.testing.assert_array_equal(jacrev(f)(X).data, expected)


@EITHER
def test_all_directions_are_of_one_function_where_it_draws(mode: Any) -> None:
    f = lambda x: x * x * ag.random.normal(x.shape, generator=np.random.default_rng(0), dtype="float64")  # noqa: E731
    np.testing.assert_allclose(mode(f)(X).data, np.diag(2 * f(Tensor(X)).data / X))
    hessian = ag.hessian(lambda x: f(x).sum())(X).data
    np.testing.assert_allclose(hessian, np.diag(2 * f(Tensor(X)).data / X**2))
