"""Layers: shapes, operations, seeds, slices."""

import numpy as np
import pytest

import autograd as ag
import nn
from autograd.errors import DomainError, DTypeError, ShapeError

X = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)


def test_linear_has_a_row_per_neuron():
    layer = nn.Linear(3, 2, seed=0)
    y = layer(X)
    assert y.dtype == ag.float32
    np.testing.assert_allclose(y.data, X @ layer.weight.data.T + layer.bias.data, rtol=1e-6)
    assert [node.op.name for node in ag.Graph(y).nodes if node.op] == ["linear"]
    assert layer(X.reshape(5, 1, 3)).shape == (5, 1, 2)
    assert nn.Linear(3, 2, bias=False).bias is None
    assert nn.Linear(3, 2, bias=False)(X).shape == (5, 2)


@pytest.mark.parametrize(
    ("given", "error", "sentence"),
    [
        ((0, 2), DomainError, "in_features = 0: a layer needs at least 1 feature."),
        ((2, -1), DomainError, "out_features = -1: a layer needs at least 1 feature."),
        ((2, 1.5), DTypeError, "out_features = 1.5 is a float: give a whole number of features."),
    ],
)
def test_linear_refuses_sizes(given, error, sentence):
    with pytest.raises(error) as caught:
        nn.Linear(*given)
    assert str(caught.value) == sentence


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
def test_layers_compute_what_they_are_called(layer, formula):
    x = X.reshape(5, 3, 1)
    np.testing.assert_allclose(layer(x).data, formula(x), rtol=2e-6)
    assert not [*layer.parameters()]


def test_gelu_agrees_with_its_tanh_form_roughly():
    approximation = 0.5 * X * (1 + np.tanh(np.sqrt(2 / np.pi) * (X + 0.044715 * X**3)))
    np.testing.assert_allclose(nn.GELU()(X).data, approximation, atol=1e-3)


def test_flatten_an_empty_batch():
    assert nn.Flatten()(np.zeros((0, 2, 3))).shape == (0, 6)
    assert nn.Flatten()([[[1.0], [2.0]]]).shape == (1, 2)


def test_sequential_runs_in_order_and_is_a_sequence():
    layers = [nn.Linear(3, 4, seed=0), nn.Tanh(), nn.Linear(4, 2, seed=1)]
    model = nn.Sequential(*layers)
    np.testing.assert_array_equal(model(X).data, layers[2](layers[1](layers[0](X))).data)
    assert len(model) == 3
    assert [*model] == layers
    assert model[-1] is layers[2]
    with pytest.raises(IndexError):
        model[3]
    assert model.append(nn.Softmax()) is model
    assert model[3](X).shape == (5, 3)
    model[1] = nn.ReLU()
    assert [type(layer).__name__ for layer in model] == ["Linear", "ReLU", "Linear", "Softmax"]


def test_a_slice_shares_parameters_and_their_names():
    model = nn.Sequential(nn.Linear(3, 4), nn.Sigmoid(), nn.Linear(4, 2))
    head = model[2:]
    assert head[0] is model[2]
    assert [path for path, _ in head.named_parameters()] == ["2.weight", "2.bias"]
    assert [p.name for p in model.parameters()] == ["0.weight", "0.bias", "2.weight", "2.bias"]
    features = model[:-1]
    np.testing.assert_array_equal(model(X).data, head(features(X)).data)
    features(X).sum().backward()
    assert model[0].weight.grad is not None


def test_sequential_of_names():
    model = nn.Sequential({"hidden": nn.Linear(3, 4), "act": nn.Sigmoid()})
    assert [*model.state_dict()] == ["hidden.weight", "hidden.bias"]
    assert model.hidden is model[0]


def test_sequential_refuses_what_is_no_module():
    with pytest.raises(
        DTypeError, match=r"takes modules; entry '1' is type: give a layer such as nn.Sigmoid\(\) \(with"
    ):
        nn.Sequential(nn.Tanh(), nn.Sigmoid)


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


def test_mlp_scopes_name_the_layer_in_the_model():
    y = nn.MLP([3, 5, 2], seed=0)(X)
    scopes = [node.scope for node in ag.Graph(y).nodes if node.op]
    assert scopes == [
        (("", "MLP"), ("layers.0", "Linear")),
        (("", "MLP"), ("layers.1", "Sigmoid")),
        (("", "MLP"), ("layers.2", "Linear")),
    ]


@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "relu", "leaky_relu", "gelu", "softplus"])
def test_every_activation_trains(activation):
    model = nn.MLP([3, 4, 2], activation, seed=0)
    nn.functional.cross_entropy(model(X), np.array([0, 1, 0, 1, 1])).backward()
    assert all(np.isfinite(p.grad.data).all() and p.grad.data.any() for p in model.parameters())


def test_mlp_refuses():
    with pytest.raises(DomainError, match=r"activation 'sine' is unknown: choose one of sigmoid, tanh, relu"):
        nn.MLP([2, 2], activation="sine")
    with pytest.raises(DomainError, match=r"activation 'sine' is unknown"):
        nn.MLP([2, 2], output="sine")
    with pytest.raises(DTypeError, match=r"MLP takes the sizes of its layers as a list, like \[256, 10\]; it was"):
        nn.MLP(3)
    with pytest.raises(
        ShapeError, match=r"MLP needs the sizes of its input and its output at least; it was given \[2\]"
    ):
        nn.MLP([2])
    with pytest.raises(DomainError, match=r"sizes\[1\] = 0: a layer needs at least 1 feature"):
        nn.MLP([2, 0])
    with pytest.raises(DomainError, match=r"init = 'magic' is unknown: choose one of xavier_uniform"):
        nn.MLP([2, 2], init="magic")
    with pytest.raises(DomainError, match=r"seed = 'x' is no seed: give an integer"):
        nn.MLP([2, 2], seed="x")


def test_the_seed_decides_and_nothing_else():
    a, b = nn.MLP([3, 4, 2], seed=7), nn.MLP([3, 4, 2], seed=7)
    assert all((p.data == q.data).all() for p, q in zip(a.parameters(), b.parameters(), strict=True))
    assert (nn.MLP([3, 4, 2], seed=8)[0].weight.data != a[0].weight.data).any()
    assert (nn.MLP([3, 4, 2])[0].weight.data != nn.MLP([3, 4, 2])[0].weight.data).any()
    double = nn.MLP([3, 4, 2], seed=7, dtype="float64")
    assert double[0].weight.dtype == ag.float64
    np.testing.assert_array_equal(double[0].weight.data.astype(np.float32), a[0].weight.data)


def test_a_generator_moves_on_from_layer_to_layer():
    rng = np.random.default_rng(0)
    first, second = nn.Linear(2, 2, seed=rng), nn.Linear(2, 2, seed=rng)
    assert (first.weight.data != second.weight.data).any()
    assert (nn.Linear(2, 2, seed=0).weight.data == first.weight.data).all()


@pytest.mark.parametrize(
    ("loss", "function"),
    [
        (nn.CrossEntropyLoss, nn.functional.cross_entropy),
        (nn.MSELoss, nn.functional.mse_loss),
        (nn.BCEWithLogitsLoss, nn.functional.binary_cross_entropy_with_logits),
    ],
)
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_losses_are_the_functions_and_belong_to_no_module(loss, function, reduction):
    output = ag.Tensor(X, requires_grad=True)
    target = np.abs(X) / np.abs(X).sum(1, keepdims=True)
    module = loss(reduction)
    value = module(output, target)
    assert value.item() == function(output, target, reduction=reduction).item()
    assert value.node.scope is None
    assert repr(module) == f"{loss.__name__}({'' if reduction == 'mean' else 'reduction=' + repr(reduction)})"
