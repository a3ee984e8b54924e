"""Linear layers."""

import numpy as np

from glassgrad import autograd as ag
from glassgrad import nn

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


def test_only_the_seed_decides_the_weights():
    a, b = nn.MLP([3, 4, 2], seed=7), nn.MLP([3, 4, 2], seed=7)
    assert all((p.data == q.data).all() for p, q in zip(a.parameters(), b.parameters(), strict=True))
    assert (nn.MLP([3, 4, 2], seed=8)[0].weight.data != a[0].weight.data).any()
    assert (nn.MLP([3, 4, 2])[0].weight.data != nn.MLP([3, 4, 2])[0].weight.data).any()
    double = nn.MLP([3, 4, 2], seed=7, dtype="float64")
    assert double[0].weight.dtype == ag.float64
    np.testing.assert_array_equal(double[0].weight.data.astype(np.float32), a[0].weight.data)


def test_a_generator_advances_from_layer_to_layer():
    rng = np.random.default_rng(0)
    first, second = nn.Linear(2, 2, seed=rng), nn.Linear(2, 2, seed=rng)
    assert (first.weight.data != second.weight.data).any()
    assert (nn.Linear(2, 2, seed=0).weight.data == first.weight.data).all()
