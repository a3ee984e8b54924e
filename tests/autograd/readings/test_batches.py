"""`vmap` beside Python loops over the examples."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glassgrad import autograd as ag
from glassgrad import nn
from glassgrad.autograd import Tensor, backends, jvp, vmap
from glassgrad.autograd.errors import DomainError, DTypeError, GradientError
from glassgrad.nn import functional as F
from tests.autograd.readings.test_forward import close
from tests.calls import Case
from tests.declared import declared
from tests.operations import TABLE

RNG = np.random.default_rng(0)
W, X, Y = RNG.standard_normal((4, 3)), RNG.standard_normal((5, 3)), np.array([0, 3, 1, 2, 0])
BY_VALUES = {"nonzero_indices": "nonzero", "unique_parts": "unique_all"}
EXAMPLES = 3


def rows(x: Any) -> Any:
    """Examples like ``x``, near enough to be in an operation's domain, too."""
    return np.stack([x, x * 1.01, x * 1.02] if backends.is_inexact(x.dtype) else [x] * EXAMPLES)


def check_operation(name: str, data: st.DataObject) -> None:
    """One call, each argument batched alone and all of them together."""
    case = data.draw(TABLE[name].cases)
    arrays = [i for i, x in enumerate(case.arrays) if hasattr(x, "dtype")]
    for own in [*([i] for i in arrays), *([arrays] if len(arrays) > 1 else [])]:
        check_call(ag.OPS[name], case, own)


def check_call(op: Any, case: Case, own: list[int]) -> None:
    """Value, gradient and tangent with examples of the arguments ``own``."""

    def f(*xs: Any) -> Tensor:
        given = list(case.arrays)
        for i, x in zip(own, xs, strict=True):
            given[i] = x
        return op(*given, **case.params)

    xs = [rows(case.arrays[i]) for i in own]
    each = [[x[b] for x in xs] for b in range(EXAMPLES)]
    expected = [f(*one) for one in each]
    if len({y.shape for y in expected}) > 1:
        return
    check_rows(vmap(f)(*xs), expected, 1e-10)
    floats = [k for k, i in enumerate(own) if backends.is_real(case.arrays[i].dtype)]
    floats = [k for k in floats if op.args[0 if op.variadic else own[k]] in op.rules]
    if not floats or not backends.is_real(expected[0].dtype):
        return
    weights = RNG.standard_normal(expected[0].shape)
    slope = ag.grad(lambda *xs: ag.sum(f(*xs) * weights), argnums=tuple(floats))
    for k, found in enumerate(vmap(slope)(*xs)):
        check_rows(found, [slope(*one)[k] for one in each], 1e-9)
    vs = [RNG.standard_normal(np.shape(xs[k])) for k in floats]

    def along(*given: Any) -> Tensor:
        xs, vs = list(given[: len(own)]), given[len(own) :]

        def of_floats(*some: Any) -> Tensor:
            for k, x in zip(floats, some, strict=True):
                xs[k] = x
            return f(*xs)

        return jvp(of_floats, tuple(xs[k] for k in floats), vs)[1]

    check_rows(vmap(along)(*xs, *vs), [along(*one, *(v[b] for v in vs)) for b, one in enumerate(each)], 1e-9)


def check_rows(found: Tensor, expected: list[Tensor], tolerance: float) -> None:
    for one, other in zip(found.data, expected, strict=True):
        assert close(one, other.data, tolerance)


@pytest.mark.parametrize("name", sorted(TABLE.keys() - BY_VALUES.keys()))
@settings(max_examples=2, deadline=None)
@given(data=st.data())
def test_every_operation_is_that_of_each_example(name: str, data: st.DataObject) -> None:
    with np.errstate(all="ignore"):
        check_operation(name, data)


@pytest.mark.check
@pytest.mark.parametrize("name", sorted(TABLE.keys() - BY_VALUES.keys()))
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_every_operation_is_that_of_each_example_at_many_calls(name: str, data: st.DataObject) -> None:
    with np.errstate(all="ignore"):
        check_operation(name, data)


@pytest.mark.parametrize("name", sorted(BY_VALUES))
def test_a_shape_that_depends_on_values_is_refused_by_name(name: str) -> None:
    with pytest.raises(DomainError, match=f"vmap can't compute {BY_VALUES[name]}, because the shape"):
        vmap(lambda x: ag.OPS[name](x, **({"part": "counts"} if "parts" in name else {})))(X)


def loss(w: Any, x: Any) -> Tensor:
    return ag.sum(ag.tanh(w @ x) ** 2)


PER_EXAMPLE = np.stack([ag.grad(loss)(W, x).data for x in X])


class TestNesting:
    def test_gradients_of_each_example(self) -> None:
        np.testing.assert_allclose(vmap(ag.grad(loss), in_axes=(None, 0))(W, X).data, PER_EXAMPLE, rtol=1e-12)

    def test_a_gradient_through_it(self) -> None:
        given = ag.grad(lambda w: ag.sum(vmap(loss, in_axes=(None, 0))(w, X)))(W)
        captured = ag.grad(lambda w: ag.sum(vmap(lambda x: loss(w, x))(X)))(W)
        np.testing.assert_allclose(given.data, PER_EXAMPLE.sum(axis=0), rtol=1e-12)
        np.testing.assert_allclose(captured.data, PER_EXAMPLE.sum(axis=0), rtol=1e-12)

    def test_a_gradient_of_the_norms_of_gradients(self) -> None:
        norms = lambda w: ag.sum(vmap(ag.grad(loss), in_axes=(None, 0))(w, X) ** 2)  # noqa: E731
        loops = lambda w: sum(ag.sum(ag.grad(loss)(w, x) ** 2) for x in X)  # noqa: E731
        np.testing.assert_allclose(ag.grad(norms)(W).data, ag.grad(loops)(W).data, rtol=1e-10)

    def test_within_itself(self) -> None:
        found = vmap(lambda x: vmap(lambda row: row @ x)(ag.asarray(W)))(X)
        np.testing.assert_allclose(found.data, X @ W.T, rtol=1e-12)

    def test_a_tangent_through_it(self) -> None:
        found = jvp(lambda w: vmap(lambda x: ag.tanh(w @ x).sum())(X), (W,), (W,))[1]
        expected = jvp(lambda w: ag.tanh(ag.asarray(X) @ w.T).sum(axis=1), (W,), (W,))[1]
        np.testing.assert_allclose(found.data, expected.data, rtol=1e-12)

    def test_backward_after_it(self) -> None:
        w = Tensor(W, requires_grad=True)
        vmap(lambda x: loss(w, x))(X).sum().backward()
        np.testing.assert_allclose(w.grad.data, PER_EXAMPLE.sum(axis=0), rtol=1e-12)

    def test_of_a_loop_and_within_its_function(self) -> None:
        carries, xs = RNG.standard_normal((5, 2)), RNG.standard_normal((5, 4, 2))
        last = lambda c, xs: ag.scan(lambda c, x: (ag.tanh(c * 0.9 + x), c), c, xs)[0].sum()  # noqa: E731
        expected = [ag.grad(last)(c, x).data for c, x in zip(carries, xs, strict=True)]
        np.testing.assert_allclose(vmap(ag.grad(last))(carries, xs).data, expected, rtol=1e-10)
        inside = ag.scan(lambda c, x: (vmap(lambda a: ag.tanh(a * 2.0))(c) + x, c), carries[0], xs[0])[0]
        outside = ag.scan(lambda c, x: (ag.tanh(c * 2.0) + x, c), carries[0], xs[0])[0]
        np.testing.assert_allclose(inside.data, outside.data, rtol=1e-12)

    @pytest.mark.parametrize("target", ["numpy", "c"])
    def test_compiled(self, target: str) -> None:
        f = lambda w, x: vmap(ag.grad(lambda w, x, y: ag.cross_entropy(w @ x, y)), in_axes=(None, 0, 0))(w, x, Y)  # noqa: E731
        compiled = ag.compile(f, target=target)
        for scale in (1.0, 2.0):
            found = compiled(Tensor(W), Tensor(scale * X))
            np.testing.assert_allclose(found.data, f(W, scale * X).data, rtol=1e-9, atol=1e-12)

    def test_of_a_compiled_function(self) -> None:
        compiled = ag.compile(ag.tanh)
        compiled(Tensor(X[0]))
        np.testing.assert_array_equal(vmap(compiled)(X).data, np.tanh(X))

    def test_under_detect_anomaly(self) -> None:
        with ag.detect_anomaly():
            found = vmap(ag.grad(loss), in_axes=(None, 0))(W, X)
        np.testing.assert_allclose(found.data, PER_EXAMPLE, rtol=1e-12)


class TestArguments:
    def test_axes(self) -> None:
        found = vmap(lambda a, b: a * b, in_axes=(1, None), out_axes=1)(X, np.arange(5.0))
        np.testing.assert_array_equal(found.data, X * np.arange(5.0)[:, None])
        assert vmap(lambda x: x.sum(), in_axes=-1)(X).shape == (3,)
        found = vmap(lambda a, b: {"a": a, "ab": a * b}, out_axes={"a": 0, "ab": 1})(X, b=X)
        np.testing.assert_array_equal(found["a"].data, X)
        np.testing.assert_array_equal(found["ab"].data, (X * X).T)

    def test_trees(self) -> None:
        found = vmap(lambda p: {"sum": p["a"] + p["b"], "rest": [p["a"]]})({"a": X, "b": X})
        np.testing.assert_array_equal(found["sum"].data, 2 * X)
        np.testing.assert_array_equal(found["rest"][0].data, X)

    def test_a_result_that_is_the_same_for_all_examples_is_repeated(self) -> None:
        np.testing.assert_array_equal(vmap(lambda x: ag.asarray(W[0]))(X).data, np.stack([W[0]] * 5))

    def test_draws(self) -> None:
        def noisy(x: Any) -> Tensor:
            return x + ag.random.normal((2,), generator=generator)

        generator = np.random.default_rng(1)
        different = vmap(noisy)(np.zeros((5, 2))).data
        np.testing.assert_array_equal(different, np.random.default_rng(1).standard_normal((5, 2)))
        generator = np.random.default_rng(1)
        same = vmap(noisy, randomness="same")(np.zeros((5, 2))).data
        np.testing.assert_array_equal(same, np.stack([np.random.default_rng(1).standard_normal(2)] * 5))
        generator = np.random.default_rng(1)
        nested = vmap(vmap(noisy))(np.zeros((5, 4, 2))).data
        np.testing.assert_array_equal(nested, np.random.default_rng(1).standard_normal((5, 4, 2)))

    def test_writes_and_iteration(self) -> None:
        def f(x: Any) -> Tensor:
            h = ag.zeros((3,))
            h[0], h[1] = x[0], x[1] * 2
            h[1:] += x[0]
            return h * sum(a * a for a in x)

        np.testing.assert_allclose(vmap(f)(X).data, np.stack([f(Tensor(x)).data for x in X]), rtol=1e-12)
        expected = np.stack([ag.jacobian(f)(x).data for x in X])
        np.testing.assert_allclose(vmap(ag.jacobian(f))(X).data, expected, rtol=1e-12)


OPTIONS: dict[str, Any] = {"dtype": "float64", "seed": 0}


class Last(nn.Module):
    """The last output of a recurrent layer, classified."""

    def __init__(self, layer: Any) -> None:
        super().__init__()
        self.layer, self.head = layer, nn.Linear(5, 3, **OPTIONS)

    def forward(self, x: Any) -> Tensor:
        return self.head(self.layer(x)[0][:, -1])


class Attention(nn.Module):
    """Self-attention, classified."""

    def __init__(self) -> None:
        super().__init__()
        self.attention, self.head = nn.MultiheadAttention(4, 2, **OPTIONS), nn.Linear(4, 3, **OPTIONS)

    def forward(self, x: Any) -> Tensor:
        return self.head(self.attention(x, x, x)[0].mean(axis=1))


NETWORKS: dict[str, tuple[Callable[[], nn.Module], Any]] = {
    "dense": (
        lambda: nn.Sequential(
            nn.Linear(4, 5, **OPTIONS), nn.Tanh(), nn.LayerNorm(5, dtype="float64"), nn.Linear(5, 3, **OPTIONS)
        ),
        RNG.standard_normal((5, 4)),
    ),
    "convolutional": (
        lambda: nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1, **OPTIONS), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(4, 4, 3, groups=2, **OPTIONS), nn.GELU(), nn.AvgPool2d(2), nn.Flatten(),
            nn.Linear(4, 3, **OPTIONS),
        ),
        RNG.standard_normal((5, 1, 8, 8)),
    ),
    "LSTM": (lambda: Last(nn.LSTM(4, 5, **OPTIONS)), RNG.standard_normal((5, 6, 4))),
    "GRU": (lambda: Last(nn.GRU(4, 5, **OPTIONS)), RNG.standard_normal((5, 6, 4))),
    "attention": (Attention, RNG.standard_normal((5, 6, 4))),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_gradients_of_each_example_of_a_network(name: str) -> None:
    build, xs = NETWORKS[name]
    model, labels = build(), np.array([0, 2, 1, 1, 0])
    parameters = dict(model.named_parameters())

    def of_one(p: Any, x: Any, y: Any) -> Tensor:
        return F.cross_entropy(nn.functional_call(model, p, x[None]), y[None])

    slope = ag.grad(of_one)
    found = vmap(slope, in_axes=(None, 0, 0))(parameters, xs, labels)
    for i, (x, y) in enumerate(zip(xs, labels, strict=True)):
        for path, expected in slope(parameters, x, y).items():
            np.testing.assert_allclose(found[path].data[i], expected.data, rtol=1e-8, atol=1e-12)


def test_functions_of_matrices_in_an_operation_of_one_s_own() -> None:
    with pytest.raises(DTypeError, match=r"wave can't take x = .*Batched"):
        vmap(declared(lambda xp, x: np.sin(x), "wave"))(X)
    with pytest.raises(DomainError, match=r"vmap can't compute linalg.norm, because it does not know"):
        vmap(declared(lambda xp, x: xp.linalg.norm(x), "length"))(X)
    spectrum = declared(lambda xp, x: xp.linalg.eigvalsh(x) * 2, "spectrum")
    squares = RNG.standard_normal((2, 3, 4, 4))
    np.testing.assert_allclose(vmap(vmap(spectrum))(squares).data, spectrum(squares).data)


def test_statistics_are_not_overwritten() -> None:
    norm = nn.BatchNorm1d(3)
    with pytest.raises(GradientError, match=r"vmap has for each of its examples: call .eval\(\)"):
        vmap(norm)(RNG.standard_normal((2, 6, 3)))
    assert norm.state_dict()["running_mean"].tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("name", ["inv", "cholesky", "eigvalsh", "svdvals", "pinv", "qr", "slogdet"])
def test_decompositions_have_tangents_outside_of_vmap(name: str) -> None:
    def f(a: Any) -> Tensor:
        found = getattr(ag.linalg, name)(a @ a.mT)
        return found[1] if isinstance(found, tuple) else found

    a, v = RNG.standard_normal((2, 3, 2, 2)) + 2 * np.eye(2)
    expected = [ag.jvp(f, (x,), (d,))[1].data for x, d in zip(a, v, strict=True)]
    np.testing.assert_allclose(ag.jvp(vmap(f), (a,), (v,))[1].data, expected, rtol=1e-7)


def test_a_value_kept_from_inside_has_no_numbers() -> None:
    kept: list[Tensor] = []

    def keep(x: Any) -> Tensor:
        kept.append(x)
        return x

    vmap(keep)(X)
    for read in (Tensor.numpy, lambda x: (x.sum() + 1.0).item(), lambda x: ag.compile(Tensor.sum)(x).item()):
        with pytest.raises(GradientError, match="kept from within the function of vmap, which has ended"):
            read(kept[0])
    assert "Batched" in repr(kept[0])
