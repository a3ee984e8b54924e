"""Transforms of functions whose arguments and results are trees: structures and values as JAX's."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.testing import assert_allclose

from glassgrad import autograd as ag
from glassgrad.autograd import trees

W, B, X = np.array([[0.3, -1.2], [2.0, 0.5]]), np.array([0.1, -0.4]), np.array([1.5, -0.7])
PARAMS: dict[str, Any] = {"layers": [(W, B), (W.T, 2 * B)], "scale": np.array(1.5)}


def network(np_like, params, x):
    """A dict of two results."""
    for w, b in params["layers"]:
        x = np_like.tanh(w @ x + b)
    return {"out": params["scale"] * x, "norm": (x * x).sum()}


def loss(np_like, params, x):
    out = network(np_like, params, x)
    return (out["out"] ** 2).sum() + out["norm"]


def ours(params, x):
    return network(ag, params, x)


def our_loss(params, x):
    return loss(ag, params, x)


def assert_same(found, wanted):
    """The same containers and values, up to the kind of array."""
    if isinstance(wanted, dict):
        assert sorted(found) == sorted(wanted)
        for key in wanted:
            assert_same(found[key], wanted[key])
    elif isinstance(wanted, list | tuple):
        assert type(found) is type(wanted)
        assert len(found) == len(wanted)
        for f, w in zip(found, wanted, strict=True):
            assert_same(f, w)
    else:
        assert isinstance(found, ag.Tensor)
        assert found.shape == wanted.shape
        assert_allclose(found.data, np.asarray(wanted), rtol=1e-10, atol=1e-12)


@pytest.fixture(scope="module")
def jax():
    jax = pytest.importorskip("jax")
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    yield jax
    jax.config.update("jax_enable_x64", before)


class TestAgainstJax:
    @pytest.fixture
    def theirs(self, jax):
        return lambda params, x: network(jax.numpy, params, x)

    @pytest.fixture
    def their_loss(self, jax):
        return lambda params, x: loss(jax.numpy, params, x)

    def test_vjp(self, jax, theirs):
        value, pull = ag.vjp(ours, PARAMS, X)
        wanted, their_pull = jax.vjp(theirs, PARAMS, X)
        assert_same(value, wanted)
        seed = {"out": B, "norm": np.array(2.0)}
        assert_same(pull(seed), their_pull(seed))

    def test_jvp(self, jax, theirs):
        direction = trees.map(np.ones_like, PARAMS), 2 * X
        assert_same(ag.jvp(ours, (PARAMS, X), direction), jax.jvp(theirs, (PARAMS, X), direction))

    @pytest.mark.parametrize("argnums", [0, 1, (0, 1)])
    def test_jacobian(self, jax, theirs, argnums):
        assert_same(ag.jacobian(ours, argnums)(PARAMS, X), jax.jacrev(theirs, argnums)(PARAMS, X))

    @pytest.mark.parametrize("argnums", [0, (0, 1)])
    def test_hessian(self, jax, their_loss, argnums):
        assert_same(ag.hessian(our_loss, argnums)(PARAMS, X), jax.hessian(their_loss, argnums)(PARAMS, X))

    def test_value_and_grad(self, jax, their_loss):
        found = ag.value_and_grad(our_loss, (0, 1))(PARAMS, X)
        assert_same(found, jax.value_and_grad(their_loss, (0, 1))(PARAMS, X))

    def test_hvp(self, jax, their_loss):
        direction = trees.map(np.ones_like, PARAMS), 2 * X
        slopes = jax.grad(their_loss, (0, 1))
        assert_same(ag.hvp(our_loss, (PARAMS, X), direction), jax.jvp(slopes, (PARAMS, X), direction)[1])

    def test_aux(self, jax):
        def f(x):
            return {"y": x * x}, {"twice": 2 * x}

        def g(x):
            return (x**3).sum(), {"twice": 2 * x}

        (value, pull, aux), (wanted, their_pull, their_aux) = ag.vjp(f, X, has_aux=True), jax.vjp(f, X, has_aux=True)
        assert_same((value, aux), (wanted, their_aux))
        assert_same(pull({"y": B}), their_pull({"y": B}))
        assert_same(ag.jvp(f, (X,), (B,), has_aux=True), jax.jvp(f, (jax.numpy.asarray(X),), (B,), has_aux=True))
        for name in ("jacobian", "hessian", "grad", "value_and_grad"):
            theirs = getattr(jax, "jacrev" if name == "jacobian" else name)
            h = f if name == "jacobian" else g
            assert_same(getattr(ag, name)(h, has_aux=True)(X), theirs(h, has_aux=True)(jax.numpy.asarray(X)))
        products, aux = ag.hvp(g, (X,), (B,), has_aux=True)
        assert_same((products, aux), ((6 * X * B,), {"twice": 2 * X}))


class Point(NamedTuple):
    x: Any
    y: Any


@dataclass
class Layer:
    weight: Any
    bias: Any


class TestStructures:
    def test_named_tuples_and_dataclasses_come_back_as_such(self):
        slope = ag.grad(lambda p: p.x * p.y)(Point(2.0, 3.0))
        assert isinstance(slope, Point)
        assert (slope.x.item(), slope.y.item()) == (3.0, 2.0)
        slope = ag.grad(lambda layer: (layer.weight @ X + layer.bias).sum())(Layer(W, B))
        assert isinstance(slope, Layer)
        assert_allclose(slope.weight.data, np.stack([X, X]))
        assert_allclose(slope.bias.data, [1.0, 1.0])

    def test_the_order_of_keys_does_not_matter(self):
        _, pull = ag.vjp(lambda x: {"a": 2 * x, "b": 3 * x}, 1.0)
        assert pull({"b": 1.0, "a": 10.0})[0].item() == 23.0
        _, tangent = ag.jvp(lambda p: p["a"] * p["b"], ({"a": 2.0, "b": 3.0},), ({"b": 1.0, "a": 0.0},))
        assert tangent.item() == 2.0

    def test_a_result_that_depends_on_nothing_has_zeros(self):
        f = lambda x: (x * x, ag.ones((2,)))  # noqa: E731
        assert [j.tolist() for j in ag.jacobian(f)(3.0)] == [6.0, [0.0, 0.0]]
        assert ag.vjp(f, 3.0)[1]((1.0, [1.0, 1.0]))[0].item() == 6.0
        assert [t.tolist() for t in ag.jvp(f, (3.0,), (1.0,))[1]] == [6.0, [0.0, 0.0]]

    def test_transforms_nest_over_trees(self):
        f = lambda p: p["a"] ** 3 * p["b"]  # noqa: E731
        second = ag.grad(lambda p: ag.grad(f)(p)["a"])({"a": 2.0, "b": 5.0})
        assert (second["a"].item(), second["b"].item()) == (60.0, 12.0)

    def test_aux_holds_no_graph(self):
        _, aux = ag.grad(lambda x: (x * x, {"seen": [x * 2]}), has_aux=True)(3.0)
        assert not aux["seen"][0].requires_grad
