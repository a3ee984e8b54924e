"""Convolutions and pooling as layers: PyTorch's shapes and values, and what they refuse."""

import numpy as np
import pytest

from glassgrad import nn

F = nn.functional


X = np.random.default_rng(0).normal(size=(2, 4, 7, 6))


@pytest.mark.parametrize("mode", ["zeros", "reflect", "replicate", "circular"])
def test_convolution_layers_agree_with_pytorch_in_every_padding_mode(mode):
    torch = pytest.importorskip("torch")
    theirs = torch.nn.Conv2d(4, 6, 3, padding=(2, 1), groups=2, padding_mode=mode, dtype=torch.float64)
    ours = nn.Conv2d(4, 6, 3, padding=(2, 1), groups=2, padding_mode=mode, dtype="float64")
    ours.load_state_dict({name: value.numpy() for name, value in theirs.state_dict().items()})
    np.testing.assert_allclose(ours(X).data, theirs(torch.tensor(X)).detach().numpy(), atol=1e-12)


def test_max_pooling_of_one_sample_without_a_batch_gives_its_indices():
    values, indices = F.max_pool2d(X, 3, 2, 1, return_indices=True)
    value, index = F.max_pool2d(X[0], 3, 2, 1, return_indices=True)
    np.testing.assert_array_equal(value.data, values.data[0])
    np.testing.assert_array_equal(index.data, indices.data[0])


def test_same_padding_keeps_the_size_and_one_sample_needs_no_batch():
    layer = nn.Conv1d(4, 2, 4, padding="same", dilation=3, seed=0, dtype="float64")
    x = X[:, :, :, 0]
    assert layer(x).shape == (2, 2, 7)
    np.testing.assert_allclose(layer(x[0]).data, layer(x).data[0])
