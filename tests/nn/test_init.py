"""Initialisers: the distributions of their papers, and seeds."""

import math

import numpy as np
import pytest

from glassgrad import nn

OUT, IN = 300, 500

BOUNDS = {"xavier_uniform_": math.sqrt(6 / (IN + OUT)), "kaiming_uniform_": math.sqrt(2) * math.sqrt(3 / IN)}
DEVIATIONS = {"xavier_normal_": math.sqrt(2 / (IN + OUT)), "kaiming_normal_": math.sqrt(2 / IN)}


@pytest.mark.parametrize(("name", "bound"), BOUNDS.items())
def test_uniform_fills_its_interval(name, bound):
    values = getattr(nn.init, name)(nn.Parameter(np.zeros((OUT, IN))), seed=0).data
    assert abs(values).max() <= bound
    assert abs(values).max() > 0.999 * bound
    assert values.std() == pytest.approx(bound / math.sqrt(3), rel=0.01)
    assert abs(values.mean()) < 0.01 * bound


@pytest.mark.parametrize(("name", "deviation"), DEVIATIONS.items())
def test_normal_has_its_deviation(name, deviation):
    values = getattr(nn.init, name)(nn.Parameter(np.zeros((OUT, IN))), seed=0).data
    assert values.std() == pytest.approx(deviation, rel=0.01)
    assert abs(values.mean()) < 0.01 * deviation
    assert abs(values).max() > 4 * deviation


@pytest.mark.parametrize("name", ["xavier_uniform_", "xavier_normal_", "kaiming_uniform_", "kaiming_normal_"])
def test_the_gain_scales(name):
    initialise = getattr(nn.init, name)
    one, three = (initialise(nn.Parameter(np.zeros((4, 5))), gain=gain, seed=1).data for gain in (1.0, 3.0))
    np.testing.assert_allclose(three, 3 * one, rtol=1e-6)


def test_the_rest():
    values = nn.init.uniform_(nn.Parameter(np.zeros(1000)), -2, 3, seed=0).data
    assert -2 <= values.min() < -1.9
    assert 2.9 < values.max() <= 3
    values = nn.init.normal_(nn.Parameter(np.zeros(10_000)), 5, 2, seed=0).data
    assert (values.mean(), values.std()) == (pytest.approx(5, abs=0.1), pytest.approx(2, abs=0.1))


def test_a_kernel_counts_its_field():
    p = nn.Parameter(np.zeros((8, 4, 3, 3)))
    bound = math.sqrt(3 / (4 * 9))
    assert 0.95 * bound < abs(nn.init.kaiming_uniform_(p, gain=1.0, seed=0).data).max() <= bound


@pytest.mark.parametrize("name", sorted(nn.init.INITIALISERS))
def test_a_layer_takes_each_by_name(name):
    a, b = (nn.Linear(4, 3, init=name, seed=2).weight.data for _ in range(2))
    assert (a == b).all()
    assert (name == "zeros") == (not a.any())


def test_a_layer_takes_a_function():
    layer = nn.Linear(4, 3, init=lambda tensor, *, seed: nn.init.constant_(tensor, 2.0))
    assert (layer.weight.data == 2).all()


def test_no_hidden_state_of_numpy_is_used_or_changed():
    np.random.seed(0)
    before = np.random.get_state()[1].copy()
    nn.MLP([3, 4, 2])
    assert (np.random.get_state()[1] == before).all()
