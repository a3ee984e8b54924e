"""Activation layers, and `Flatten`."""

import numpy as np
import pytest

import nn

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
        (nn.Flatten(), lambda x: x.reshape(len(x), -1)),
    ],
)
def test_activations_compute_their_formula(layer, formula):
    x = X.reshape(5, 3, 1)
    np.testing.assert_allclose(layer(x).data, formula(x), rtol=2e-6)
    assert not [*layer.parameters()]


def test_gelu_agrees_with_its_tanh_form_roughly():
    approximation = 0.5 * X * (1 + np.tanh(np.sqrt(2 / np.pi) * (X + 0.044715 * X**3)))
    np.testing.assert_allclose(nn.GELU()(X).data, approximation, atol=1e-3)


def test_flatten_an_empty_batch():
    assert nn.Flatten()(np.zeros((0, 2, 3))).shape == (0, 6)
    assert nn.Flatten()([[[1.0], [2.0]]]).shape == (1, 2)
