"""Normalisation and dropout as layers."""

import copy
import pickle

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad import nn

X = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)


def test_dropout_drops_in_training_only_and_by_its_seed():
    layer = nn.Dropout(0.4, seed=3)
    x = np.ones((50, 20), np.float32)
    first, second = layer(x), layer(x)
    assert (first.data != second.data).any()
    again = nn.Dropout(0.4, seed=np.random.default_rng(3))
    assert (again(x).data == first.data).all()
    twins = copy.deepcopy(again), pickle.loads(pickle.dumps(again))
    assert all((twin(x).data == second.data).all() for twin in twins)
    np.testing.assert_array_equal(layer.eval()(x).data, x)
    assert repr(layer) == "Dropout(p=0.4)"


@pytest.mark.parametrize(
    ("layer", "names", "described"),
    [
        (nn.LayerNorm(3), ["weight", "bias"], "LayerNorm(3)"),
        (nn.LayerNorm([5, 3], bias=False), ["weight"], "LayerNorm((5, 3), bias=False)"),
        (nn.LayerNorm(3, elementwise_affine=False), [], "LayerNorm(3, elementwise_affine=False)"),
        (
            nn.BatchNorm1d(3, momentum=0.5),
            ["weight", "bias", "running_mean", "running_var"],
            "BatchNorm1d(3, momentum=0.5)",
        ),
        (nn.BatchNorm1d(3, affine=False), ["running_mean", "running_var"], "BatchNorm1d(3, affine=False)"),
    ],
)
def test_norms_start_without_effect_and_have_the_parameters_asked_for(layer, names, described):
    assert sorted(layer.state_dict()) == sorted(names)
    assert repr(layer).partition(":")[0] == described
    y = layer(X)
    assert y.dtype == ag.float32
    axis = 0 if isinstance(layer, nn.BatchNorm1d) else None if len(layer.normalized_shape) == 2 else -1
    np.testing.assert_allclose(y.data.mean(axis), 0, atol=1e-6)
    np.testing.assert_allclose(y.data.var(axis), 1, rtol=1e-3)


def test_batch_norm_evaluates_with_running_statistics():
    layer = nn.BatchNorm1d(3)
    for _ in range(200):
        layer(X)
    np.testing.assert_allclose(layer.running_mean.data, X.mean(0), rtol=1e-4)
    np.testing.assert_allclose(layer.running_var.data, X.var(0, ddof=1), rtol=1e-4)
    layer.eval()
    one_by_one = np.concatenate([layer(X[i : i + 1]).data for i in range(len(X))])
    expected = (X - X.mean(0)) / np.sqrt(X.var(0, ddof=1) + 1e-5)
    np.testing.assert_allclose(one_by_one, expected, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(layer.running_mean.data, X.mean(0), rtol=1e-4)
