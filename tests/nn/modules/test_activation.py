"""Activation layers, and `Flatten`."""

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad import nn

X = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)


@pytest.mark.parametrize(
    ("layer", "formula"),
    [
        (nn.Sigmoid(), lambda x: 1 / (1 + np.exp(-x))),
        (nn.Tanh(), np.tanh),
        (nn.ReLU(), lambda x: np.maximum(x, 0)),
        (nn.LeakyReLU(0.1), lambda x: np.where(x > 0, x, 0.1 * x)),
        (nn.Softplus(), lambda x: np.log1p(np.exp(x))),
        (nn.Softmax(), lambda x: np.exp(x) / np.exp(x).sum(-1, keepdims=True)),
        (nn.Softmax(axis=0), lambda x: np.exp(x) / np.exp(x).sum(0)),
        (nn.Softmax(dim=0), lambda x: np.exp(x) / np.exp(x).sum(0)),
        (nn.LeakyReLU(negative_slope=0.1), lambda x: np.where(x > 0, x, 0.1 * x)),
        (nn.LogSoftmax(dim=0), lambda x: x - np.log(np.exp(x).sum(0))),
        (nn.LogSoftmax(axis=0), lambda x: x - np.log(np.exp(x).sum(0))),
        (nn.SiLU(), lambda x: x / (1 + np.exp(-x))),
        (nn.ELU(0.5), lambda x: np.where(x > 0, x, 0.5 * np.expm1(x))),
        (nn.Identity(), lambda x: x),
        (nn.Flatten(), lambda x: x.reshape(len(x), -1)),
    ],
)
def test_activations_compute_their_formula(layer, formula):
    x = X.reshape(5, 3, 1)
    np.testing.assert_allclose(layer(x).data, formula(x), rtol=2e-6)
    assert not [*layer.parameters()]


def test_arguments_by_pytorchs_names_are_saved(tmp_path):
    net = nn.Sequential(nn.LeakyReLU(negative_slope=0.5), nn.Softmax(dim=0))
    nn.save(net, tmp_path / "net.npz")
    assert repr(nn.load_model(tmp_path / "net.npz")) == repr(net)
    assert nn.load_model(tmp_path / "net.npz")(X).tolist() == net(X).tolist()


@pytest.mark.parametrize("activation", ["silu", "elu"])
def test_a_network_with_a_composed_activation_is_compiled_saved_and_exported(activation, tmp_path):
    model = nn.MLP([3, 4, 2], activation, seed=0)
    nn.save(model, tmp_path / "m.npz")
    assert nn.load_model(tmp_path / "m.npz")(X).tolist() == model(X).tolist()
    np.testing.assert_allclose(ag.compile(model)(X).data, model(X).data, rtol=1e-6)
    assert ag.testing.gradgradcheck(nn.MLP([3, 4, 2], activation, seed=0, dtype="float64"), X[:2].astype("float64"))
