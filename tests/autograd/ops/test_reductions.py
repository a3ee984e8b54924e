"""Reductions at their special points: ties, zeros, infinities, nothing to reduce."""

import itertools
from typing import Any

import numpy as np
import pytest

from glassgrad import autograd as ag


@pytest.mark.parametrize("length", [1, 2, 3, 7, 64, 1000])
def test_the_derivative_of_a_cumulative_product_of_any_length(length: int) -> None:
    x, g = np.random.default_rng(length).normal(size=(2, length)) * 0.9
    expected, later = [], 0.0
    for i in reversed(range(length)):
        later = g[i] + (x[i + 1] * later if i + 1 < length else 0.0)
        expected.insert(0, np.prod(x[:i]) * later)
    found = ag.grad(lambda x: ag.sum(g * ag.cumulative_prod(x)))(x)
    np.testing.assert_allclose(found.data, expected, rtol=1e-9, atol=1e-12)


def test_sums_over_some_axes_of_arrays_in_any_order_in_memory() -> None:
    x = np.random.default_rng(0).normal(size=(2, 3, 4, 5))
    for order in itertools.permutations(range(4)):
        t = ag.asarray(np.ascontiguousarray(x.transpose(order)).transpose(np.argsort(order)), copy=False)
        for count in (1, 2, 3, 4):
            for axis in itertools.permutations(range(-2, 2), count):
                for keepdims in (False, True):
                    expected = x.sum(axis, keepdims=keepdims)
                    np.testing.assert_allclose(ag.sum(t, axis=axis, keepdims=keepdims).data, expected, 1e-12, 1e-12)


@pytest.mark.parametrize("order", "CF")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(), (1,), (1, 1), (1, 3), (3, 1), (2, 2), (1, 1, 1), (2, 1, 3), (1, 2, 3), (200, 3)])
def test_a_sum_of_negative_zeros_has_the_sign_of_numpys(shape: tuple[int, ...], dtype: str, order: Any) -> None:
    """Seed 1600002754 of the search: eager mode gave -0.0 for one number, the compiled program 0.0."""
    zeros = np.full(shape, -0.0, dtype, order)
    x = ag.asarray(zeros, copy=False)
    axes = [axes for count in range(len(shape) + 1) for axes in itertools.combinations(range(len(shape)), count)]
    for axis in [None, *axes, *range(len(shape))]:
        np.testing.assert_array_equal(np.signbit(ag.sum(x, axis=axis).data), np.signbit(np.sum(zeros, axis=axis)))


def test_the_standard_deviation_of_equal_values_has_a_kink_however_their_mean_is_rounded():
    assert np.std([0.1] * 3) != 0
    rows = ag.grad(lambda x: ag.std(x, axis=1, keepdims=True).sum())([[0.1] * 3, [1.0, 2.0, 3.0]])
    np.testing.assert_allclose(rows.data, [[0, 0, 0], [-np.sqrt(1 / 6), 0, np.sqrt(1 / 6)]], atol=1e-12)


@np.errstate(over="ignore")
def test_a_cumulative_product_whose_later_products_overflow():
    x = [1e-300, 1e200, 1e200]
    assert ag.grad(lambda x: ag.cumulative_prod(x)[0])(x).tolist() == [1, 0, 0]
    np.testing.assert_allclose(ag.grad(lambda x: ag.cumulative_prod(x)[1])(x).data, [1e200, 1e-300, 0])


@pytest.mark.parametrize("values", [[0.0, 1e-4], [1e-4, 2e-4]])
def test_std_whose_square_vanishes_has_a_finite_slope(values):
    assert np.isfinite(ag.grad(ag.std)(ag.Tensor(np.array(values, dtype="float16"))).data).all()
    assert np.isfinite(ag.grad(ag.std)(ag.Tensor(np.array(values, dtype="float32") * 1e-20)).data).all()


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_overflowing_products_give_no_gradient_where_the_upstream_gradient_is_zero():
    x = ag.Tensor(np.full(60, 10.0, dtype="float32"))
    assert ag.grad(lambda x: ag.sum(ag.cumulative_prod(x)[:2]))(x).tolist() == [11.0, 10.0, *[0.0] * 58]


@pytest.mark.parametrize("axis", [None, 0, (0, 1)])
def test_the_mean_of_float16_does_not_overflow(axis: Any) -> None:
    x = np.full((100, 2), 1000.0, dtype="float16")
    for found in (ag.mean(x, axis=axis), ag.compile(lambda x: ag.mean(x, axis=axis))(ag.Tensor(x))):
        assert found.dtype == "float16"
        np.testing.assert_array_equal(found.data, x.mean(axis=axis))
    assert ag.grad(ag.mean)(x).dtype == "float16"


@pytest.mark.parametrize("dtype", ["uint8", "int16", "bool", "float32"])
@pytest.mark.parametrize("name", ["sum", "prod", "cumulative_sum", "cumulative_prod"])
def test_the_dtype_of_a_total_is_the_one_asked_for(name, dtype):
    x = ag.asarray(np.array([3, 5], dtype="uint8"))
    whole = getattr(ag, name)(x)
    assert whole.dtype == "uint64"  # as in NumPy
    found = getattr(ag, name)(x, dtype=dtype)
    assert found.dtype == dtype
    assert np.array_equal(found.data, np.asarray(whole.data).astype(dtype))
    assert ag.compile(lambda x: getattr(ag, name)(x, dtype=dtype))(x).dtype == dtype
