"""Sparse Jacobians and Hessians: against dense ones, for every operation; how many tangents they take."""

import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from glassgrad import autograd as ag
from glassgrad.autograd.errors import DependencyError, DomainError, DTypeError, SizeError
from glassgrad.autograd.readings import patterns
from glassgrad.autograd.readings.patterns import groups_of_columns
from glassgrad.autograd.testing.programs import Program
from glassgrad.autograd.testing.strategies import programs
from tests.declared import declared
from tests.operations import TABLE

sparse = pytest.importorskip("scipy.sparse")

RULES = sorted(name for name in TABLE if ag.OPS[name].rules)
X = np.random.default_rng(0).standard_normal(12)


def chain(x: Any) -> Any:
    """A scalar whose Hessian is tridiagonal."""
    return ag.sum(ag.sin(x[1:]) * x[:-1] ** 2) + ag.sum(x**4)


def of_one_vector(program: Program) -> Any:
    """A program as a function of one vector, with all its inputs and all its outputs; and that vector."""
    arrays = [*program.inputs.values()]
    ends = np.cumsum([0, *(x.size for x in arrays)])

    def f(z: Any) -> Any:
        parts = zip(arrays, ends[:-1], ends[1:], strict=True)
        outputs = program(*(z[start:end].reshape(x.shape) for x, start, end in parts))
        return ag.concat([y.reshape(-1) for y in outputs])

    return f, np.concatenate([np.zeros(0), *(x.reshape(-1) for x in arrays)])


def assert_equal(found: Any, dense: Any) -> None:
    dense = dense.numpy().reshape(found.shape)
    largest = np.max(np.abs(dense[np.isfinite(dense)]), initial=0.0)
    assert_allclose(found.toarray(), dense, rtol=1e-8, atol=1e-9 * (1 + largest))


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", RULES)
@settings(max_examples=3)
@given(data=st.data())
def test_every_operation_has_the_values_of_its_dense_jacobian_and_hessian(name: str, data: st.DataObject) -> None:
    """So no entry is missing in the pattern."""
    arrays, params = data.draw(TABLE[name].cases)
    f, z = of_one_vector(Program.of(ag.OPS[name], *arrays, **params))
    found = ag.sparse_jacobian(f)(z)
    assert_equal(found, ag.jacfwd(f)(z) if f(z).dtype.kind == "c" else ag.jacobian(f)(z))
    if 0 < z.size * found.nnz < 300 and found.dtype == "float64":
        total = lambda z: ag.sum(f(z) ** 2)  # noqa: E731
        assert_equal(ag.sparse_hessian(total)(z), ag.hessian(total)(z))


@settings(max_examples=40)
@given(programs())
def test_random_programs_have_the_values_of_their_dense_jacobians(program: Program) -> None:
    f, z = of_one_vector(program)
    assert_equal(ag.sparse_jacobian(f)(z), ag.jacobian(f)(z))


@pytest.mark.parametrize(
    ("f", "entries", "groups"),
    [
        (lambda x: x[2:] * x[:-2], 20, 2),
        (lambda x: ag.cumulative_sum(ag.sin(x)), 78, 12),
        (lambda x: ag.cumulative_prod(x.reshape(3, 4), axis=0, include_initial=True), 24, 3),
        (lambda x: ag.softmax(x.reshape(3, 4)), 48, 4),
        (lambda x: ag.std(x.reshape(3, 4), axis=0), 12, 3),
        (lambda x: x.reshape(3, 4) @ np.ones((4, 2)), 24, 4),
        (lambda x: ag.einsum("bi,bj->bij", x.reshape(3, 4), ag.cos(x.reshape(3, 4))), 84, 4),
        (lambda x: ag.conv(x.reshape(1, 1, 12), np.ones((2, 1, 3)), stride=2), 30, 3),
        (lambda x: ag.conv(x.reshape(1, 2, 6), np.ones((4, 1, 2)), groups=2, padding=1), 48, 2),
        (lambda x: ag.max(x.reshape(3, 4), axis=1), 12, 4),
        (ag.sort, 12, 1),
        (lambda x: ag.scan(lambda c, y: (c * y, c + y), 1.0, x)[1], 78, 12),
        (lambda x: ag.vmap(ag.grad(lambda y: ag.sum(y**2)))(x.reshape(3, 4)), 12, 1),
        (lambda x: ag.ones(3), 0, 0),
        (lambda x: x[0] * x[1], 2, 2),
    ],
)  # fmt: skip
def test_patterns_are_as_small_as_they_can_be(f: Any, entries: int, groups: int) -> None:
    found = ag.sparse_jacobian(f)(X)
    assert_equal(found, ag.jacobian(f)(X))
    assert found.nnz == entries
    assert len({*groups_of_columns(found)[found.indices].tolist()}) == groups


def test_a_tridiagonal_hessian_takes_three_tangents_whatever_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = []
    jvp = patterns.jvp
    monkeypatch.setattr(patterns, "jvp", lambda f, xs, vs: taken.append(vs[0].data) or jvp(f, xs, vs))
    assert_equal(ag.sparse_hessian(chain)(X), ag.hessian(chain)(X))
    x = np.linspace(-1, 1, 20_000)
    large = ag.sparse_hessian(chain)(x)
    assert large.nnz == 3 * x.size - 2
    assert_allclose(large.diagonal(1), 2 * x[:-1] * np.cos(x[1:]))
    assert [tangents.value.shape for tangents in taken] == [(3, 12), (3, 20_000)]


def test_a_hessian_takes_fewer_tangents_than_its_columns_would() -> None:
    arrow = lambda x: x[0] * ag.sum(ag.sin(x)) + ag.sum(x**3)  # noqa: E731
    found = ag.sparse_hessian(arrow)(X)
    assert_equal(found, ag.hessian(arrow)(X))
    assert groups_of_columns(found, symmetric=True).max() == 1
    assert groups_of_columns(found).max() == 11


@given(seed=st.integers(0, 10**6), n=st.integers(1, 12), share=st.floats(0.0, 0.6))
def test_groups_can_be_told_apart(seed: int, n: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    wide = sparse.csr_array(rng.random((n, 7)) < share)
    groups = groups_of_columns(wide)
    for row in wide.toarray():
        assert np.unique(groups[row]).size == row.sum()
    half = rng.random((n, n)) < share
    symmetric = sparse.csr_array(half | half.T)
    groups = groups_of_columns(symmetric, symmetric=True)
    for i, j in zip(*symmetric.nonzero(), strict=True):
        row, group = (i, groups[j]) if groups[j] <= groups[i] else (j, groups[i])
        assert (symmetric.toarray()[row] & (groups == group)).sum() == 1


def test_a_user_s_operation_is_read_by_its_rule() -> None:
    straight_through = declared(lambda xp, x: xp.round(x), "straight_through", x=lambda g: 2 * g)
    found = ag.sparse_jacobian(lambda x: straight_through(x[1:]))(X)
    assert_allclose(found.toarray(), 2 * np.eye(12)[1:])
    assert found.nnz == 11


def test_further_arguments_are_passed_on_and_the_dtype_is_the_argument_s() -> None:
    found = ag.sparse_jacobian(lambda x, scale, power=1: scale * x**power)(X.astype("float32"), 2.0, power=2)
    assert isinstance(found, sparse.csr_array)
    assert found.dtype == "float32"
    assert_allclose(found.diagonal(), 4 * X, rtol=1e-6)


@pytest.mark.parametrize("mode", [ag.no_grad, ag.detect_anomaly])
def test_within_other_modes(mode: Any) -> None:
    with mode():
        assert_allclose(ag.sparse_hessian(chain)(X).toarray(), ag.hessian(chain)(X).data)


def test_inputs_without_elements_have_matrices_without_entries() -> None:
    assert ag.sparse_jacobian(ag.sin)(np.zeros((0, 3))).shape == (0, 0)
    assert ag.sparse_jacobian(lambda x: ag.concat([x, ag.ones(2)]))(np.zeros(0)).shape == (2, 0)


def test_what_is_refused_is_refused_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DTypeError, match=r"int64, which has no derivative"):
        ag.sparse_jacobian(ag.argmax)(X)
    draw = lambda x: x[ag.random.permutation(6, generator=np.random.default_rng(0))]  # noqa: E731
    with pytest.raises(DomainError, match="sparse_jacobian calls its function several times"):
        ag.sparse_jacobian(draw)(X)
    with pytest.raises(DomainError, match="sparse_hessian calls its function several times"):
        ag.sparse_hessian(lambda x: draw(x) @ x)(X)
    with pytest.raises(SizeError, match=r"sparse_jacobian: matmul would fill 25,000,000 entries"):
        ag.sparse_jacobian(lambda x: x @ np.ones((5000, 5000)))(np.ones(5000))
    with pytest.raises(DTypeError, match="NumPy can't compute with"):
        ag.vmap(ag.sparse_jacobian(ag.sin))(np.ones((2, 3)))
    monkeypatch.setitem(sys.modules, "scipy", None)
    with pytest.raises(DependencyError, match=r'SciPy, which is not installed: pip install "glassgrad\[special\]"'):
        ag.sparse_jacobian(ag.sin)(X)
