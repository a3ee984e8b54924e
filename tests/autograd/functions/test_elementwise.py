"""Elementwise functions composed of operations."""

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad.autograd.testing import gradcheck, gradgradcheck

POINTS = {
    "digamma": ([-1.3, 0.3, 4.0],),
    "fmax": ([1.0, 2.0, -1.0], [2.0, 1.0, 0.0]),
    "fmin": ([1.0, 2.0, -1.0], [2.0, 1.0, 0.0]),
    "fmod": ([5.0, -5.0, 5.0, -5.0, 0.2], [3.0, 3.0, -3.0, -3.0, 0.7]),
    "rsqrt": ([0.3, 2.0],),
}


@pytest.mark.parametrize("name", POINTS)
def test_derivatives_to_second_order(name):
    assert gradcheck(getattr(ag, name), *POINTS[name])
    assert gradgradcheck(getattr(ag, name), *POINTS[name])


@pytest.mark.parametrize("name", ["fmax", "fmin", "fmod", "deg2rad", "rad2deg"])
def test_values_are_those_of_numpy(name):
    given = (POINTS | {"deg2rad": ([-90.0, 30.0],), "rad2deg": ([-1.0, 2.0],)})[name]
    assert np.allclose(getattr(ag, name)(*given).data, getattr(np, name)(*given), rtol=1e-15, atol=0)
    if len(given) == 2 and name != "fmod":
        for pair in ([np.nan, 1.0], [1.0, np.nan], [np.nan, np.nan]):
            assert np.array_equal(getattr(ag, name)(*pair).data, getattr(np, name)(*pair), equal_nan=True)


def test_special_functions_of_subnormal_and_infinite_numbers():
    pytest.importorskip("scipy")
    x = ag.Tensor([5e-324, -1e-310, 1e-310, 0.0, 1e308, np.inf, -np.inf])
    assert np.allclose(ag.lgamma(x).data, [744.44007, 713.80138, 713.80138, np.inf, np.inf, np.inf, np.inf])


@pytest.mark.parametrize("kind", [np.int64, np.array, ag.Tensor])
def test_orders_axes_and_strides_are_any_kind_of_integer(kind):
    pytest.importorskip("scipy")
    assert ag.polygamma([2.0], order=kind(1)).item() == ag.polygamma([2.0], order=1).item()
    assert [t.shape for t in ag.split(ag.ones((2, 4)), 2, axis=kind(1))] == [(2, 2), (2, 2)]
    assert ag.conv(np.ones((1, 1, 4, 4)), np.ones((1, 1, 2, 2)), stride=kind(2)).shape == (1, 1, 2, 2)
