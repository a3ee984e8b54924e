"""`Sequential`."""

import numpy as np
import pytest

from glassgrad import nn
from glassgrad.autograd.errors import DTypeError

X = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)


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


def test_sequential_refuses_other_objects():
    with pytest.raises(
        DTypeError, match=r"takes modules; entry '1' is type: give a layer such as nn.Sigmoid\(\) \(with"
    ):
        nn.Sequential(nn.Tanh(), nn.Sigmoid)
