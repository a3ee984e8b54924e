"""Taylor series: against nested `jvp`, for every operation; the cost of high orders; transforms of them."""

from functools import partial
from math import factorial
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from glassgrad import autograd as ag
from glassgrad.autograd.readings import series
from glassgrad.autograd.testing.programs import Program
from glassgrad.autograd.testing.strategies import programs
from tests.autograd.readings.test_patterns import RULES, of_one_vector
from tests.declared import declared
from tests.measured import memory_below
from tests.operations import TABLE

X = np.array([0.3, -0.7, 1.1])
V = np.array([1.0, 0.5, -0.4])
WEIGHTS = [np.random.default_rng(i).standard_normal((3, 3)) for i in range(3)]


def line(v: Any, order: int) -> list[Any]:
    """The derivatives of a straight line with this direction."""
    return [v, *[np.zeros_like(v)] * (order - 1)] if order else []


def slope(f: Any, t: Any) -> Any:
    return ag.jvp(f, (t,), (1.0,))[1]


def nested(f: Any, x: Any, curve: Any) -> list[Any]:
    """The derivatives along a curve by one `jvp` within another."""
    terms = [ag.asarray(term) / float(factorial(k)) for k, term in enumerate(curve, 1)]

    def along(t: Any) -> Any:
        return f(sum((term * t**k for k, term in enumerate(terms, 1)), start=ag.asarray(x)))

    found = []
    for _ in curve:
        along = partial(slope, along)
        found.append(along(0.0).data)
    return found


def mlp(x: Any) -> Any:
    for weight in WEIGHTS:
        x = ag.tanh(x @ weight)
    return x


gated_off = declared(lambda xp, x, y: x * (1 - y), "gated_off", x=lambda g, y: g * (1 - y), y=lambda g, x: -g * x)

FUNCTIONS = {
    "quotient": lambda x: 1 / (2 + x**2), "tanh": ag.tanh, "exp(sin x)": lambda x: ag.exp(ag.sin(x)), "mlp": mlp,
    "quotient of both": lambda x: ag.sin(x) / (2 + ag.cos(x)), "log": lambda x: ag.log(2 + ag.sin(x)),
    "sqrt": lambda x: ag.sqrt(2 + ag.sin(x)), "power": lambda x: (2 + x**2) ** ag.sin(x), "gelu": ag.gelu,
    "product": lambda x: ag.cumulative_prod(ag.sin(x)), "index": lambda x: ag.exp(x[np.array([0, 2, 0])]),
    "bias": lambda x: ag.conv(x[None, None], ag.sin(x[:2])[None, None], np.ones(1)),
    "of users": lambda x: gated_off(x, ag.sin(x)),
    "solve": lambda x: ag.linalg.solve(3 * np.eye(3) + x * x[:, None], x),
}  # fmt: skip


def assert_nested(program: Program) -> None:
    """That three derivatives along a curve are those of nested `jvp`."""
    f, z = of_one_vector(program)
    rng = np.random.default_rng(z.size)
    curve = [rng.standard_normal(z.size), rng.standard_normal(z.size), np.zeros(z.size)]
    _, found = ag.jet(f, (z,), (curve,))
    for term, expected in zip(found, nested(f, z, curve), strict=True):
        largest = np.max(np.abs(expected[np.isfinite(expected)]), initial=0.0)
        assert_allclose(term.data, expected, rtol=1e-9, atol=1e-9 * (1 + largest))


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", RULES)
@settings(max_examples=3)
@given(data=st.data())
def test_every_operation_has_the_derivatives_of_nested_jvp(name: str, data: st.DataObject) -> None:
    arrays, params = data.draw(TABLE[name].cases)
    assert_nested(Program.of(ag.OPS[name], *arrays, **params))


@settings(max_examples=20)
@given(programs(max_steps=6))
def test_random_programs_have_the_derivatives_of_nested_jvp(program: Program) -> None:
    assert_nested(program)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_five_derivatives_are_those_of_nested_jvp(name: str) -> None:
    f, curve = FUNCTIONS[name], [V, 0.3 * V**2, *line(X, 3)]
    value, found = ag.jet(f, (X,), (curve,))
    assert_allclose(value.data, f(ag.Tensor(X)).data, rtol=1e-14)
    for term, expected in zip(found, nested(f, X, curve), strict=True):
        assert_allclose(term.data, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_high_orders_take_polynomially_many_operations(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the same shapes once at each order, where nested derivatives have twice as many each time."""
    counted = [0]
    call = series.LIFTED.call
    monkeypatch.setattr(series.LIFTED, "call", lambda *args: counted.__setitem__(0, counted[0] + 1) or call(*args))
    work = []
    for order in (4, 8):
        counted[0] = 0
        ag.jet(FUNCTIONS[name], (X,), (line(V, order),))
        work.append(counted[0])
    assert work[1] < 8 * work[0]


def test_ten_derivatives_are_the_closed_ones() -> None:
    _, found = ag.jet(lambda x: 1 / x, (2.0,), (line(np.float64(1.0), 10),))
    assert_allclose([d.item() for d in found], [(-1) ** k * factorial(k) / 2.0 ** (k + 1) for k in range(1, 11)])
    _, found = ag.jet(ag.exp, (0.0,), ([1.0] * 10,))  # x = exp(t) - 1: Bell's numbers
    assert_allclose([d.item() for d in found], [1, 2, 5, 15, 52, 203, 877, 4140, 21147, 115975])


@pytest.mark.parametrize("name", ["quotient", "tanh", "exp(sin x)", "mlp", "log"])
def test_jax_has_the_same(name: str) -> None:
    jax = pytest.importorskip("jax")
    jet = pytest.importorskip("jax.experimental.jet").jet
    jnp = jax.numpy

    def network(x: Any) -> Any:
        for weight in WEIGHTS:
            x = jnp.tanh(x @ weight)
        return x

    same = {
        "quotient": lambda x: 1 / (2 + x * x), "tanh": jnp.tanh, "exp(sin x)": lambda x: jnp.exp(jnp.sin(x)),
        "mlp": network, "log": lambda x: jnp.log(2 + jnp.sin(x)),
    }  # fmt: skip
    curve = [V, V**2, X, V, X, V]
    with jax.enable_x64(True):
        _, expected = jet(same[name], (X,), (curve,))
    _, found = ag.jet(FUNCTIONS[name], (X,), (curve,))
    for term, other in zip(found, expected, strict=True):
        assert_allclose(term.data, np.asarray(other), rtol=1e-10, atol=1e-10)


def test_a_loop_is_read_step_by_step() -> None:
    def step(carry: Any, y: Any) -> Any:
        return ag.sin(carry) * y, carry

    def unrolled(x: Any) -> Any:
        carry: Any = 0.5
        for y in x:
            carry, _ = step(carry, y)
        return carry

    curve = line(V, 6)
    _, found = ag.jet(lambda x: ag.scan(step, 0.5, x)[0], (X,), (curve,))
    _, expected = ag.jet(unrolled, (X,), (curve,))
    assert_allclose([d.item() for d in found], [d.item() for d in expected], rtol=1e-12)


@pytest.mark.parametrize("f", [ag.tanh, lambda x: 1 / (2 + x * x), ag.cumulative_prod, lambda x: ag.exp(ag.sin(x))])
def test_within_the_function_of_a_loop(f: Any) -> None:
    def second(x: Any) -> Any:
        return ag.jet(f, (x,), (line(V, 2),))[1][1]

    found = ag.scan(lambda x, t: (second(x), ag.sum(x) * t), ag.asarray(X), ag.asarray([1.0, 2.0]))[0]
    assert_allclose(found.data, second(second(ag.asarray(X))).data, rtol=1e-10)


def test_several_arguments_and_trees_of_results() -> None:
    value, found = ag.jet(lambda x, y: {"a": x * y, "b": [x / y]}, (6.0, 2.0), ([1.0, 0.0], [0.0, 2.0]))
    assert value["a"].item() == 12.0
    assert [d.item() for d in found["a"]] == [2.0, 12.0]
    assert [d.item() for d in found["b"][0]] == [0.5, -3.0]
    value, found = ag.jet(ag.sin, (0.0,), ([],))
    assert (value.item(), found) == (0.0, [])
    _, (first, second) = ag.jet(lambda x: ag.ones(2), (1.0,), ([1.0, 1.0],))
    assert first.tolist() == second.tolist() == [0.0, 0.0]


def test_transforms_nest() -> None:
    third = lambda x: ag.sum(ag.jet(FUNCTIONS["quotient of both"], (x,), (line(np.ones(3), 3),))[1][2])  # noqa: E731
    _, found = ag.jet(FUNCTIONS["quotient of both"], (X,), (line(np.ones(3), 4),))
    assert_allclose(ag.grad(third)(X).data, found[3].data)
    assert_allclose(ag.jvp(third, (X,), (V,))[1].data, found[3].data @ V)
    rows = np.stack([X, V])
    assert_allclose(ag.vmap(third)(rows).data, [third(row).data for row in rows])
    inside = ag.vmap(ag.grad(lambda y: y**4))
    assert_allclose([d.data for d in ag.jet(inside, (X,), (line(np.ones(3), 2),))[1]], [12 * X**2, 24 * X])
    _, (first,) = ag.jet(lambda x: ag.jet(ag.sin, (x,), (line(np.ones(3), 2),))[1][1], (X,), ([V],))
    assert_allclose(first.data, -np.cos(X) * V)


def test_a_captured_tensor_gets_its_gradient() -> None:
    w = ag.Tensor(2.0, requires_grad=True)
    _, (_, second) = ag.jet(lambda x: ag.tanh(w * x), (1.0,), ([1.0, 0.0],))
    second.backward()
    expected = ag.grad(lambda w: ag.grad(ag.grad(lambda x: ag.tanh(w * x)))(1.0))(2.0)
    assert_allclose(w.grad.item(), expected.item())


@pytest.mark.parametrize("mode", [ag.no_grad, ag.detect_anomaly])
def test_within_other_modes(mode: Any) -> None:
    with mode():
        _, found = ag.jet(ag.exp, (0.0,), ([1.0, 0.0],))
    assert [d.item() for d in found] == [1.0, 1.0]


def test_a_jet_can_be_compiled() -> None:
    second = lambda x: ag.jet(ag.tanh, (x,), ([ag.ones_like(x), ag.zeros_like(x)],))[1][1]  # noqa: E731
    assert_allclose(ag.compile(second)(ag.Tensor(X)).data, second(X).data)


def test_memory_does_not_grow_with_the_number_of_operations() -> None:
    def f(x: Any) -> Any:
        for _ in range(60):
            x = ag.sin(x)
        return x

    big = np.ones(20_000)
    with memory_below(40 * big.nbytes):
        ag.jet(f, (big,), (line(big, 3),))
