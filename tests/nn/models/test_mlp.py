"""The multilayer perceptron."""

import numpy as np

from glassgrad import nn

X = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)


def test_mlp_is_linear_layers_with_activations_between():
    model = nn.MLP([3, 5, 4, 2], activation="tanh", output="softmax", seed=0)
    assert [type(layer).__name__ for layer in model] == ["Linear", "Tanh", "Linear", "Tanh", "Linear", "Softmax"]
    assert len(model) == 6
    assert [p.name for p in model.parameters()][:2] == ["layers.0.weight", "layers.0.bias"]
    np.testing.assert_allclose(model(X).data.sum(1), 1, rtol=1e-6)
    assert repr(model).startswith("MLP((3, 5, 4, 2), activation='tanh', output='softmax'): 54 parameters\n")


def test_mlp_ends_in_logits_and_slices_into_features():
    model = nn.MLP([3, 5, 2], seed=0)
    assert model[-1] is model.layers[2]
    features = model[:-1]
    assert isinstance(features, nn.Sequential)
    np.testing.assert_array_equal(model[-1](features(X)).data, model(X).data)
    assert [p.name for p in features.parameters()] == ["layers.0.weight", "layers.0.bias"]


def test_an_mlp_with_norms_and_dropout():
    model = nn.MLP([3, 5, 4, 2], "tanh", norm="layer", dropout=0.3, seed=0)
    kinds = ["Linear", "LayerNorm", "Tanh", "Dropout"]
    assert [type(layer).__name__ for layer in model] == [*kinds, *kinds, "Linear"]
    assert repr(model).startswith("MLP((3, 5, 4, 2), activation='tanh', norm='layer', dropout=0.3): 72 parameters\n")
    assert (nn.MLP([3, 5, 4, 2], "tanh", seed=0)[0].weight.data == model[0].weight.data).all()
    twin = nn.MLP([3, 5, 4, 2], "tanh", norm="layer", dropout=0.3, seed=0)
    for _ in range(2):
        assert (model(X).data == twin(X).data).all()
    assert (model(X).data != model(X).data).any()
    model.eval()
    np.testing.assert_array_equal(model(X).data, model(X).data)
    assert [type(layer).__name__ for layer in nn.MLP([3, 2], output="softmax", norm="batch")] == ["Linear", "Softmax"]
