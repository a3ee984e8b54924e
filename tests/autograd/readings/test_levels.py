"""What levels have in common: gradients that leave them, writes, what is kept, and values that are no arrays."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad import nn
from glassgrad.autograd import Tensor, hessian, jacfwd, jvp, vmap
from glassgrad.autograd.errors import DTypeError, GradientError
from tests.declared import declared

X = Tensor([1.0, 2.0, 3.0])
ONE = Tensor(1.0)


class TestGradientsOfWhatALevelDoesNotChange:
    """No value of these graphs is lifted, and yet a gradient passes through the level."""

    def test_of_vmap(self) -> None:
        assert ag.grad(lambda a: vmap(lambda x: a * 2)(X).sum())(0.3).item() == 6.0

    def test_of_jvp(self) -> None:
        assert ag.grad(lambda a: jvp(lambda x: a * 2, (ONE,), (ONE,))[1])(0.3).item() == 0.0
        assert ag.grad(lambda a: jvp(lambda x: a * 2, (ONE,), (ONE,))[0])(0.3).item() == 2.0

    def test_of_a_hessian_of_a_linear_function(self) -> None:
        slope = ag.grad(lambda w: hessian(lambda x: (w * x).sum())(X).sum())(X)
        np.testing.assert_array_equal(slope.data, np.zeros(3))

    def test_by_backward(self) -> None:
        """A penalty on gradients, as networks are trained with."""
        w = Tensor([1.0, 2.0, 3.0], requires_grad=True)
        (vmap(ag.grad(lambda x: ag.sin(x * w).sum()))(X.reshape(1, 3)) ** 2).sum().backward()
        expected = ag.grad(lambda w: (ag.cos(X * w) * w) @ (ag.cos(X * w) * w))(w.detach())
        np.testing.assert_allclose(w.grad.data, expected.data, rtol=1e-12)


class TestRulesOfOnesOwn:
    def test_a_name_that_is_declared_again(self) -> None:
        made = (lambda xp, x: 2 * x, lambda g: 2 * g), (lambda xp, x: x * x, lambda g, x: 2 * g * x)
        slopes = [jvp(declared(f, "of_one_name", x=rule), (Tensor(3.0),), (ONE,))[1].item() for f, rule in made]
        assert slopes == [2.0, 6.0]

    def test_a_rule_that_reads_what_changes(self) -> None:
        scaled = declared(lambda xp, x: x * FACTOR[0], "scaled_by_global", x=lambda g: g * FACTOR[0])
        for factor in (2.0, 5.0):
            FACTOR[0] = factor
            assert jvp(scaled, (ONE,), (ONE,))[1].item() == factor


FACTOR: list[float] = [1.0]


def test_numbers_that_are_equal_and_not_the_same_have_rules_of_their_own() -> None:
    slopes = [jvp(lambda x, zero=zero: ag.copysign(x, zero), (ONE,), (ONE,))[1].item() for zero in (0.0, -0.0)]
    assert slopes == [1.0, -1.0]


def dropped(x: Any) -> Tensor:
    return (nn.functional.dropout(x, 0.5, generator=np.random.default_rng(0)) ** 2).sum()


def test_all_rows_of_a_hessian_have_the_same_draws() -> None:
    x = ag.ones(4)
    np.testing.assert_array_equal(hessian(dropped)(x).data, ag.jacrev(ag.grad(dropped))(x).data)
    draw = lambda x: (x, ag.random.normal((), generator=np.random.default_rng(0)))  # noqa: E731
    assert jacfwd(draw, has_aux=True)(X)[1].item() == np.random.default_rng(0).standard_normal()


def by_slice(x: Any) -> Tensor:
    y = x * 1.0
    y[:1] += 10.0
    return y


def by_chain(x: Any) -> Tensor:
    y = (x * 1.0).reshape(1, 3)
    y[0][1] = 5.0
    y.reshape(-1)[0] = x[0] * 7.0
    y.T[2] *= 2.0
    return y


def by_rows(x: Any) -> Tensor:
    y = (x * x).reshape(3, 1)
    for row in y:
        row *= x[1]
    return y


def into_zeros(x: Any) -> Tensor:
    y = ag.zeros(3)
    for i in range(3):
        y[i] = x[i] * x[0]
    return y


def summed_up(x: Any) -> Tensor:
    """A number that is picked, or reshaped to one, has no memory, so that no write to it reaches `x`."""
    y = x * 1.0
    total = y[0]
    total += y[1]
    for element in y:
        element *= 2.0
    y[1:2].reshape(()).__iadd__(5.0)
    y[2, ...].__iadd__(1.0)  # an array of shape () has
    y[2, ...].detach().__iadd__(1.0)
    return ag.concat([y, total.reshape(1)])


@pytest.mark.parametrize("f", [by_slice, by_chain, by_rows, into_zeros, summed_up])
def test_writes_through_views(f: Callable[[Any], Tensor]) -> None:
    np.testing.assert_allclose(vmap(f)(X.reshape(1, 3)).data[0], f(X).data)
    np.testing.assert_allclose(jacfwd(f)(X).data, ag.jacrev(f)(X).data)
    scalar = lambda x: (f(x) ** 2).sum()  # noqa: E731
    np.testing.assert_allclose(vmap(ag.grad(scalar))(X.reshape(1, 3)).data[0], ag.grad(scalar)(X).data)
    np.testing.assert_allclose(ag.compile(vmap(f))(X.reshape(1, 3)).data[0], f(X).data)
    np.testing.assert_allclose(ag.compile(f)(X).data, f(X).data)
    np.testing.assert_allclose(ag.compile(hessian(scalar))(X).data, ag.jacrev(ag.grad(scalar))(X).data)


def test_a_view_in_a_third_derivative() -> None:
    f = lambda x: (x[:2] * x[1:].detach()).sum() + (x @ x).reshape(1).sum()  # noqa: E731
    assert ag.jacobian(ag.jacobian(ag.jacobian(f)))(X).shape == (3, 3, 3)


@pytest.mark.parametrize("inner", [jacfwd, ag.jacrev])
@pytest.mark.parametrize("outer", [jacfwd, ag.jacrev])
def test_a_third_derivative_of_what_vmap_shares(inner: Any, outer: Any) -> None:
    """Gradients of its result are of levels within that of `vmap`, which has ended."""

    def slope(f: Callable[[Any], Tensor]) -> Tensor:
        return outer(ag.grad(lambda x: ag.sum(inner(lambda u: f(u) @ u)(x) ** 2)))(X)  # type: ignore[no-any-return]

    found = slope(lambda u: vmap(lambda a: vmap(lambda b: a * b * u)(u) @ u)(u))
    np.testing.assert_allclose(found.data, slope(lambda u: u[:, None] * (u @ u) * u).data, rtol=1e-12)


def test_the_value_beside_a_gradient_is_no_constant() -> None:
    def cube(x: Any) -> Any:
        return ag.value_and_grad(lambda x: (x**3, x**2), has_aux=True)(x)[0]

    three, one = Tensor(3.0), Tensor(1.0)
    assert [slope.item() for slope in jvp(cube, (three,), (one,))[1]] == [27.0, 6.0]
    assert [slope.item() for slope in ag.jet(lambda x: cube(x)[0], (three,), ((one, Tensor(0.0)),))[1]] == [27.0, 18.0]
    assert vmap(jacfwd(lambda x: ag.vjp(ag.sin, x)[0]))(X).tolist() == ag.cos(X).tolist()


def test_no_grad_around_an_inner_transform() -> None:
    def f(x: Any) -> Tensor:
        with ag.no_grad():
            slope = jvp(lambda y: y**3, (x,), (ONE,))[1]
        return slope * x

    assert [jvp(f, (2.0,), (ONE,))[1].item(), jacfwd(f)(2.0).item(), ag.grad(f)(2.0).item()] == [12.0] * 3


def test_a_loop_whose_body_indexes() -> None:
    def run(w: Any) -> Tensor:
        return ag.scan(lambda c, x: (c * w[0] + w[x.shape[0] - 1 :].sum(), c), ONE, X.reshape(3, 1))[0]

    w = RNG.standard_normal((2, 2))
    expected = [ag.grad(run)(row).data for row in w]
    np.testing.assert_allclose(vmap(ag.grad(run))(w).data, expected, rtol=1e-12)
    np.testing.assert_allclose(hessian(run)(w[0]).data, ag.jacrev(ag.grad(run))(w[0]).data, rtol=1e-10)


RNG = np.random.default_rng(0)
SYMMETRIC = np.array([[[2.0, 0.5], [0.5, 3.0]]])
MATRIX_FUNCTIONS = {
    **{name: getattr(ag.linalg, name) for name in ("cholesky", "det", "eigvalsh", "inv", "pinv", "svdvals")},
    "qr": lambda x: ag.linalg.qr(x).R, "slogdet": lambda x: ag.linalg.slogdet(x).logabsdet,
    "solve": lambda x: ag.linalg.solve(x, ag.ones(2)),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(MATRIX_FUNCTIONS))
def test_hessians_over_batches_of_matrices(name: str) -> None:
    f = lambda x: (vmap(MATRIX_FUNCTIONS[name])(x) ** 2).sum()  # noqa: E731
    np.testing.assert_allclose(hessian(f)(SYMMETRIC).data, ag.jacrev(ag.grad(f))(SYMMETRIC).data, atol=1e-12)


def test_indices_of_two_levels() -> None:
    rows, places = np.arange(8.0).reshape(2, 4), np.array([[0, 1], [2, 3]])
    expected = rows[:, places].transpose(1, 0, 2)
    for pick in (lambda x, i: x[i], lambda x, i: ag.take(x, i, axis=0)):
        found = vmap(lambda i, pick=pick: vmap(lambda x: pick(x, i))(rows))(places)
        np.testing.assert_array_equal(found.data, expected)
    slopes = vmap(vmap(ag.grad(lambda x, i: x[i].sum())))(np.ones((2, 3, 4)), np.zeros((2, 3, 2), int))
    np.testing.assert_array_equal(slopes.data, np.broadcast_to([2.0, 0, 0, 0], (2, 3, 4)))


CAPTURED = Tensor([1.0, 1.0])


def write_to_argument(w: Any, x: Any) -> Any:
    w += x
    return w


def write_to_captured(x: Any) -> Any:
    CAPTURED[0] = x
    return x


@pytest.mark.parametrize(
    "call",
    [
        lambda: vmap(write_to_argument, in_axes=(None, 0))(CAPTURED, X),
        lambda: vmap(write_to_captured)(X),
        lambda: jvp(write_to_captured, (ONE,), (ONE,)),
        lambda: ag.jet(write_to_captured, (1.0,), ([1.0],)),
    ],
)
def test_a_tensor_from_outside_keeps_its_value(call: Callable[[], Any]) -> None:
    with pytest.raises(GradientError, match=r"wrote to Tensor \(2,\) float64, which is from outside"):
        call()
    assert CAPTURED.tolist() == [1.0, 1.0]
    assert CAPTURED.node is None


def test_a_tensor_from_outside_keeps_its_value_after_an_error() -> None:
    def fails(x: Any) -> Any:
        CAPTURED[0] = x
        raise KeyError("mine")

    with pytest.raises(KeyError):
        vmap(fails)(X)
    assert CAPTURED.tolist() == [1.0, 1.0]
    assert vmap(ag.sin)(X).shape == (3,)


def test_numbers_that_become_arrays_keep_their_derivative() -> None:
    for f in (
        lambda x: ag.full((2,), x).sum(),
        lambda x: ag.full_like(X, x).sum(),
        lambda x: ag.linspace(0.0, x, 5).sum(),
    ):
        assert jvp(f, (ONE,), (ONE,))[1].item() == ag.grad(f)(ONE).item()
    np.testing.assert_array_equal(vmap(lambda x: ag.full((2,), x))(X).data, [[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]])


def test_a_write_through_detach_that_would_lose_a_derivative_is_refused() -> None:
    def f(x: Any) -> Tensor:
        y = x * 1.0
        y.detach()[0] = 9.0
        return y

    assert vmap(f)(X.reshape(1, 3)).tolist() == [[9.0, 2.0, 3.0]]
    with pytest.raises(GradientError, match=r"is detached from Tensor .* a copy made with"):
        jvp(f, (X,), (X,))


def test_axes_in_the_structure_of_an_argument() -> None:
    found = vmap(lambda p: p["a"] * p["b"], in_axes=({"a": 0, "b": None},))({"a": X, "b": Tensor(2.0)})
    assert found.tolist() == [2.0, 4.0, 6.0]


def by_numpy_alone(x: Any) -> Any:
    return x * np.cbrt(x)


def into_an_array(x: Any) -> Any:
    a = np.ones(3)
    a *= x
    return x * a


@pytest.mark.parametrize("f", [by_numpy_alone, into_an_array])
@pytest.mark.parametrize("transform", [lambda f: jvp(f, (X,), (X,)), lambda f: jacfwd(f)(X), lambda f: ag.grad(f)(X)])
def test_numpy_does_not_compute_with_the_values_of_what_is_differentiated(f: Any, transform: Any) -> None:
    with pytest.raises(DTypeError, match=r"can't be recorded|can't record Tensors"):
        transform(f)


def test_retain_grad_inside_does_not_stop_backward_outside() -> None:
    w = Tensor(2.0, requires_grad=True)

    def f(x: Any) -> Tensor:
        y = x * w
        y.retain_grad()
        return y * y

    vmap(f)(X).sum().backward()
    assert w.grad.item() == 2 * 2.0 * 14.0
