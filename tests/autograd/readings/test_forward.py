"""`jvp` and the tangent rules that it derives, beside two reverse passes and finite differences."""

import copy
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glassgrad import autograd as ag
from glassgrad.autograd import Tensor, backends, jvp
from glassgrad.autograd.errors import DeclarationError, GradientError
from glassgrad.autograd.readings.forward import RULES, TangentRule
from tests.declared import declared
from tests.measured import memory_below
from tests.operations import TABLE

RNG = np.random.default_rng(0)
X, V, W = RNG.standard_normal(3), RNG.standard_normal(3), RNG.standard_normal((4, 3))
WITH_RULES = sorted(name for name in TABLE if ag.OPS[name].rules)


def by_two_reverse_passes(f: Callable[..., Tensor], xs: Sequence[Any], vs: Sequence[Any]) -> Any:
    """``J v`` as the transpose of the transpose: another way, which derives no rule."""
    tensors = [Tensor(x, requires_grad=True) for x in xs]
    y = f(*tensors)
    dummy = ag.zeros_like(y, requires_grad=True)
    pulled = ag.gradients([y], tensors, [dummy], create_graph=True) if y.requires_grad else ()
    pairs = [(p, v) for p, v in zip(pulled, vs, strict=False) if p.requires_grad]
    if not pairs:
        return np.zeros(y.shape)
    return ag.gradients([p for p, _ in pairs], [dummy], [ag.asarray(v) for _, v in pairs])[0].data


def close(found: Any, expected: Any, tolerance: float) -> bool:
    size = 1 + np.max(np.abs(expected), initial=0.0, where=np.isfinite(expected))
    return np.shape(found) == np.shape(expected) and np.allclose(
        found, expected, rtol=tolerance, atol=tolerance * size, equal_nan=True
    )


def check_operation(name: str, data: st.DataObject) -> None:
    """The tangent of one call, beside two reverse passes and central differences."""
    op, case = ag.OPS[name], data.draw(TABLE[name].cases)
    places = [
        i
        for i, x in enumerate(case.arrays)
        if backends.is_real(getattr(x, "dtype", None) or "bool") and op.args[0 if op.variadic else i] in op.rules
    ]

    def f(*xs: Any) -> Tensor:
        given = list(case.arrays)
        for i, x in zip(places, xs, strict=True):
            given[i] = x
        return op(*given, **case.params)

    xs = [case.arrays[i] for i in places]
    vs = [RNG.standard_normal(np.shape(x)) for x in xs]
    if not places or not backends.is_inexact(f(*xs).dtype):
        return
    value, along = jvp(f, tuple(xs), tuple(vs))
    np.testing.assert_array_equal(value.data, f(*xs).data)
    assert close(along.data, by_two_reverse_passes(f, xs, vs), 1e-9)
    step = 1e-6
    ends = [f(*(x + sign * step * v for x, v in zip(xs, vs, strict=True))).data for sign in (1, -1)]
    slope = (ends[0] - ends[1]) / (2 * step)
    if value.dtype == np.float64 and np.isfinite(slope).all() and np.isfinite(along.data).all():
        assert close(along.data, slope, 1e-3)

    weights = RNG.standard_normal(value.shape)
    scalar, places = (lambda *xs: ag.sum(ag.real(f(*xs)) * weights)), tuple(range(len(xs)))
    expected = ag.hvp(scalar, xs, vs)
    over_reverse = jvp(ag.grad(scalar, places), xs, vs)[1]
    over_forward = ag.grad(lambda *xs: jvp(scalar, xs, vs)[1], places)(*xs)
    for found in (*zip(over_reverse, expected, strict=True), *zip(over_forward, expected, strict=True)):
        assert close(*(y.data for y in found), 1e-8)


@pytest.mark.parametrize("name", WITH_RULES)
@settings(max_examples=3, deadline=None)
@given(data=st.data())
def test_the_tangent_of_every_operation(name: str, data: st.DataObject) -> None:
    with np.errstate(all="ignore"):
        check_operation(name, data)


@pytest.mark.check
@pytest.mark.parametrize("name", WITH_RULES)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_the_tangent_of_every_operation_at_many_calls(name: str, data: st.DataObject) -> None:
    with np.errstate(all="ignore"):
        check_operation(name, data)


def quartic(x: Any) -> Tensor:
    return ag.sum(ag.sin(x) * ag.exp(-x * x))


class TestNesting:
    def test_of_itself(self) -> None:
        hessian = ag.hessian(quartic)(X).data
        found = jvp(lambda x: jvp(quartic, (x,), (V,))[1], (X,), (W[0],))[1]
        assert found.item() == pytest.approx(W[0] @ hessian @ V)

    def test_of_grad_and_of_it_by_grad(self) -> None:
        expected = ag.hvp(quartic, (X,), (V,))[0].data
        np.testing.assert_allclose(jvp(ag.grad(quartic), (X,), (V,))[1].data, expected, rtol=1e-12)
        np.testing.assert_allclose(ag.grad(lambda x: jvp(quartic, (x,), (V,))[1])(X).data, expected, rtol=1e-12)

    def test_perturbations_of_nested_calls_stay_apart(self) -> None:
        """The example of J. Siskind and B. Pearlmutter, "Perturbation confusion and referential transparency", 2005."""
        found = jvp(lambda x: x * jvp(lambda y: x + y, (1.0,), (1.0,))[1], (1.0,), (1.0,))
        assert [y.item() for y in found] == [1.0, 1.0]

    def test_captured_tensors(self) -> None:
        f = lambda w, x: ag.sum(ag.sin(x * w) * w)  # noqa: E731
        found = ag.grad(lambda w: jvp(lambda x: f(w, x), (X,), (V,))[1])(X + 1)
        expected = ag.grad(lambda w: ag.sum(ag.grad(f, 1)(w, X) * V))(X + 1)
        np.testing.assert_allclose(found.data, expected.data, rtol=1e-10)

    def test_backward_after_it(self) -> None:
        x = Tensor(X, requires_grad=True)
        jvp(quartic, (x,), (V,))[1].backward()
        np.testing.assert_allclose(x.grad.data, ag.hvp(quartic, (X,), (V,))[0].data, rtol=1e-12)


def loop(carry: Any, xs: Any, w: Any) -> Tensor:
    last, ys = ag.scan(lambda c, x: (ag.tanh(w @ c + x), c * x), carry, xs)
    return (ys**2).sum() + last.sum()


LOOP = RNG.standard_normal(2), RNG.standard_normal((5, 2)), RNG.standard_normal((2, 2))
ALONG = RNG.standard_normal(2), RNG.standard_normal((5, 2)), RNG.standard_normal((2, 2))


class TestElsewhere:
    def test_of_a_loop_and_of_its_gradient(self) -> None:
        assert jvp(loop, LOOP, ALONG)[1].item() == pytest.approx(by_two_reverse_passes(loop, LOOP, ALONG))
        found = jvp(ag.grad(loop, argnums=(0, 1, 2)), LOOP, ALONG)[1]
        for along, expected in zip(found, ag.hvp(loop, LOOP, ALONG), strict=True):
            np.testing.assert_allclose(along.data, expected.data, rtol=1e-9)

    def test_within_the_function_of_a_loop(self) -> None:
        def step(c: Any, x: Any) -> Any:
            y = jvp(lambda z: ag.sin(z) * x, (c,), (x,))[1]
            return y, y

        def run(c: Any, xs: Any) -> Tensor:
            return ag.scan(step, c, xs)[1]

        c, rows = LOOP[0], []
        for x in LOOP[1]:
            c = np.cos(c) * x * x
            rows.append(c)
        np.testing.assert_allclose(run(*LOOP[:2]).data, rows, rtol=1e-12)
        written = lambda c, xs: ag.scan(lambda c, x: (ag.cos(c) * x * x,) * 2, c, xs)[1].sum()  # noqa: E731
        found = ag.grad(lambda c, xs: run(c, xs).sum(), argnums=(0, 1))(*LOOP[:2])
        for one, other in zip(found, ag.grad(written, argnums=(0, 1))(*LOOP[:2]), strict=True):
            np.testing.assert_allclose(one.data, other.data, rtol=1e-9)

    @pytest.mark.parametrize("target", ["numpy", "c"])
    def test_compiled(self, target: str) -> None:
        f = lambda x, v: jvp(lambda x: ag.softmax(ag.tanh(Tensor(W) @ x)), (x,), (v,))[1]  # noqa: E731
        compiled = ag.compile(f, target=target)
        for scale in (1.0, 2.0):
            np.testing.assert_allclose(compiled(Tensor(scale * X), Tensor(V)).data, f(scale * X, V).data, rtol=1e-12)

    def test_compiled_of_a_loop(self) -> None:
        compiled = ag.compile(lambda *xs: jvp(loop, xs, ALONG)[1])
        assert compiled(*map(Tensor, LOOP)).item() == pytest.approx(jvp(loop, LOOP, ALONG)[1].item())

    def test_of_a_compiled_function(self) -> None:
        compiled = ag.compile(quartic)
        compiled(Tensor(X))
        assert jvp(compiled, (X,), (V,))[1].item() == jvp(quartic, (X,), (V,))[1].item()

    def test_under_detect_anomaly(self) -> None:
        with ag.detect_anomaly():
            assert jvp(quartic, (X,), (V,))[1].item() == jvp(quartic, (X,), (V,))[1].item()
            with pytest.raises(ag.errors.AnomalyError, match="sqrt"):
                jvp(lambda x: ag.sqrt(x).sum(), (np.zeros(2),), (np.ones(2),))

    def test_detached_values_and_no_grad_inside_have_no_tangent(self) -> None:
        def f(x: Any) -> Tensor:
            with ag.no_grad():
                y = x * x
            return y * x

        assert jvp(f, (3.0,), (1.0,))[1].item() == 9.0
        for copied in (Tensor.detach, Tensor, copy.copy, copy.deepcopy, lambda x: Tensor(x.data)):
            assert jvp(lambda x: copied(x) * x, (3.0,), (1.0,))[1].item() == 3.0  # noqa: B023  (called at once)
            assert ag.grad(lambda x: copied(x) * x)(3.0).item() == 3.0  # noqa: B023
        with ag.no_grad():
            assert jvp(lambda x: x * x, (3.0,), (1.0,))[1].item() == 6.0

    def test_writes_in_place(self) -> None:
        def f(x: Any) -> Tensor:
            h = ag.zeros((3,))
            h[0] = x[0]
            h[1:] += x[1:] * x[0]
            return h

        np.testing.assert_allclose(jvp(f, (X,), (V,))[1].data, by_two_reverse_passes(f, [X], [V]), rtol=1e-12)

    def test_draws_are_the_same_for_value_and_tangent(self) -> None:
        f = lambda x: x * ag.random.normal((3,), generator=np.random.default_rng(1))  # noqa: E731
        value, along = jvp(f, (X,), (V,))
        np.testing.assert_allclose(along.data / V, value.data / X)


def test_memory_does_not_grow_with_the_number_of_operations() -> None:
    def f(x: Any) -> Tensor:
        for _ in range(400):
            x = ag.sin(x) * 1.01
        return x.sum()

    big = np.ones(10**5)
    with memory_below(10 * big.nbytes):
        jvp(f, (big,), (big,))


class TestTangentRule:
    def test_is_derived_once_for_each_shape_and_kind_of_parameter(self) -> None:
        RULES.clear()
        for x in (X, X + 1, X[:2]):
            jvp(ag.exp, (x,), (x,))
        for stop in (1, np.int64(1), 1):  # of which a program holds what the rule was derived with
            jvp(lambda x, stop=stop: x[:stop], (X,), (X,))
        assert len(RULES) == 4

    def test_is_derived_once_for_all_numbers_unless_it_computes_with_them(self) -> None:
        for function, count in ((lambda x, c: x * c, 1), (lambda x, c: c / x, 1), (lambda x, c: x**c, 3)):
            RULES.clear()
            for c in (2.5, 0.5, 3.5):
                x = ag.exp(X)
                tangent = jvp(lambda x, c=c, f=function: f(x, c), (x,), (V,))[1]
                expected = ag.grad(lambda x, c=c, f=function: ag.sum(f(x, c)))(x) * V
                np.testing.assert_allclose(tangent.data, expected.data, rtol=1e-12)
            assert len([rule for rule in RULES.values() if rule and rule.for_any_number]) == count

    def test_is_shown_as_python(self) -> None:
        rule = TangentRule(ag.multiply, [X, X], X, {0: X, 1: X}, {})
        assert str(rule).startswith("def tangent(xp, x, y, d_x, d_y):\n")
        assert "xp.multiply(d_y, x)" in str(rule)

    def test_a_mask_is_written_as_places(self) -> None:
        picked = X.min() < X
        rule = TangentRule(ag.getitem, [X], X[picked], {0: X}, {"index": picked})
        np.testing.assert_array_equal(rule([X], X[picked], {0: V}), V[picked])

    @pytest.mark.parametrize(
        "rule",
        [
            lambda g: g.detach(),
            lambda xp, g: xp.stop_gradient(g) + g,
            lambda xp, g: xp.maximum(g, -100.0),
            lambda xp, g: xp.relu(g),
            lambda xp, g: g + xp.sin(g),
            lambda g: 2 * g + 1e-3,
            lambda x: 2 * x,
        ],
    )
    @pytest.mark.parametrize("dtype", ["float64", "float32"])
    def test_a_rule_that_is_not_linear_is_refused_by_name(self, rule: Any, dtype: str) -> None:
        bent = declared(lambda xp, x: +x, "bent", x=rule)
        v = V.astype(dtype)
        for reading in (
            ag.jacfwd(bent),
            ag.sparse_jacobian(bent),
            ag.compile(lambda x: jvp(bent, (x,), (v,))[1]),
            ag.compile(lambda x: ag.jet(bent, (x,), ([v],))[1]),
            lambda x: ag.jet(bent, (x,), ([v],)),
            lambda x: jvp(lambda x: ag.scan(lambda c, row: (c + bent(row), row), 0.0, x)[0], (x,), (v,)),
        ):
            with pytest.raises(DeclarationError, match="a rule of bent is not linear in g"):
                reading(Tensor(X, dtype=dtype))

    @pytest.mark.parametrize("dtype", ["float64", "float32"])
    def test_a_rule_whose_terms_cancel_is_linear(self, dtype: str) -> None:
        rule = lambda xp, g, out: out * (g - xp.sum(g * out, axis=-1, keepdims=True))  # noqa: E731
        saturated = declared(lambda xp, x: xp.softmax(x, axis=-1), "saturated", {"broadcasts": False}, x=rule)
        for rows, size in enumerate((1.0, 10.0, 30.0, 200.0), 2):  # each shape is checked once
            x = (size * np.random.default_rng(0).normal(size=(rows, 4))).astype(dtype)
            np.testing.assert_allclose(
                jvp(saturated, (x,), (x,))[1].data, jvp(ag.softmax, (x,), (x,))[1].data, atol=1e-5
            )

    def test_an_operation_without_a_rule_is_refused_by_name(self) -> None:
        with pytest.raises(DeclarationError, match="bare has no rule for x"):
            jvp(declared(lambda xp, x: +x, "bare"), (X,), (V,))


WEIGHT = Tensor(X, requires_grad=True)


def _backward_inside(x: Any) -> Tensor:
    (WEIGHT * x).sum().backward()
    return x


def test_a_refused_backward_changes_no_gradient() -> None:
    with pytest.raises(GradientError):
        jvp(_backward_inside, (X,), (V,))
    kept: list[Tensor] = []
    jvp(lambda x: kept.append(x) or x, (X,), (V,))  # type: ignore[func-returns-value]
    with pytest.raises(GradientError, match="kept from within the function of jvp, which has ended"):
        _backward_inside(kept[0])
    assert WEIGHT.grad is None
