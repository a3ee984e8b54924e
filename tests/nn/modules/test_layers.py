"""Layers: shapes, operations, seeds, slices."""

import copy
import pickle

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
        ((0, 2), DomainError, "in_features = 0: give a number from 1 on."),
        ((2, -1), DomainError, "out_features = -1: give a number from 1 on."),
        ((2, 1.5), DTypeError, "out_features = 1.5 is a float: give a whole number."),
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
    with pytest.raises(DTypeError, match=r"MLP takes the sizes of its layers as a list such as \[256, 10\]; it was"):
        nn.MLP(3)
    with pytest.raises(ShapeError, match=r"MLP needs at least the sizes of its input and output; it was given \[2\]"):
        nn.MLP([2])
    with pytest.raises(DomainError, match=r"sizes\[1\] = 0: give a number from 1 on"):
        nn.MLP([2, 0])
    with pytest.raises(DomainError, match=r"init = 'magic' is unknown: choose one of xavier_uniform"):
        nn.MLP([2, 2], init="magic")
    with pytest.raises(DomainError, match=r"seed = 'x' is not a seed: give a nonnegative integer"):
        nn.MLP([2, 2], seed="x")


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
    with pytest.raises(DomainError, match=r"p = -0.1 is out of range: give a finite number from 0 to 1\."):
        nn.Dropout(-0.1)
    with pytest.raises(DomainError, match=r"seed = 'x' is not a seed"):
        nn.Dropout(seed="x")


@pytest.mark.parametrize(
    ("layer", "names", "described"),
    [
        (nn.LayerNorm(3), ["weight", "bias"], "LayerNorm((3,))"),
        (nn.LayerNorm([5, 3], bias=False), ["weight"], "LayerNorm((5, 3), bias=False)"),
        (nn.LayerNorm(3, elementwise_affine=False), [], "LayerNorm((3,), elementwise_affine=False)"),
        (
            nn.BatchNorm1d(3, momentum=0.5),
            ["weight", "bias", "running_mean", "running_var"],
            "BatchNorm1d(3, momentum=0.5)",
        ),
        (nn.BatchNorm1d(3, affine=False), ["running_mean", "running_var"], "BatchNorm1d(3, affine=False)"),
    ],
)
def test_norms_hold_what_they_are_asked_to_and_start_as_the_plain_ones(layer, names, described):
    assert sorted(layer.state_dict()) == sorted(names)
    assert repr(layer).partition(":")[0] == described
    y = layer(X)
    assert y.dtype == ag.float32
    axis = 0 if isinstance(layer, nn.BatchNorm1d) else None if len(layer.normalized_shape) == 2 else -1
    np.testing.assert_allclose(y.data.mean(axis), 0, atol=1e-6)
    np.testing.assert_allclose(y.data.var(axis), 1, rtol=1e-3)


def test_batch_norm_remembers_what_it_has_seen_for_evaluation():
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


@pytest.mark.parametrize("module", [nn.LayerNorm, nn.BatchNorm1d])
def test_norms_refuse_sizes(module):
    with pytest.raises(DomainError, match=r"= 0: give a number from 1 on"):
        module(0)


def test_an_mlp_with_norms_and_dropout():
    model = nn.MLP([3, 5, 4, 2], "tanh", norm="layer", dropout=0.3, seed=0)
    kinds = ["Linear", "LayerNorm", "Tanh", "Dropout"]
    assert [type(layer).__name__ for layer in model] == [*kinds, *kinds, "Linear"]
    assert repr(model).startswith("MLP((3, 5, 4, 2), activation='tanh', norm='layer', dropout=0.3): 72 parameters\n")
    plain = nn.MLP([3, 5, 4, 2], "tanh", seed=0)
    assert (plain[0].weight.data == model[0].weight.data).all()
    twin = nn.MLP([3, 5, 4, 2], "tanh", norm="layer", dropout=0.3, seed=0)
    for _ in range(2):
        assert (model(X).data == twin(X).data).all()
    assert (model(X).data != model(X).data).any()
    model.eval()
    np.testing.assert_array_equal(model(X).data, model(X).data)
    assert [type(layer).__name__ for layer in nn.MLP([3, 2], output="softmax", norm="batch")] == ["Linear", "Softmax"]
    with pytest.raises(DomainError, match=r"norm 'group' is unknown: choose one of layer, batch, or None\."):
        nn.MLP([3, 2], norm="group")


@pytest.mark.parametrize("norm", ["layer", "batch"])
def test_norms_and_dropout_learn(norm):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 2))
    y = (x.prod(1) > 0).astype(int)  # no line parts these
    model = nn.MLP([2, 32, 2], "relu", norm=norm, dropout=0.1, seed=0)
    optimizer = nn.optim.Adam(model.parameters(), lr=0.03)
    nn.fit(model, nn.functional.cross_entropy, optimizer, (x, y), epochs=20, batch_size=20, progress=False)
    assert nn.evaluate(model, nn.functional.cross_entropy, (x, y)).accuracy > 0.9


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
