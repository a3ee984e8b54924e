"""Convolutions beside PyTorch: each work runs, and all contestants are measured."""

import numpy as np
import pytest

import nn
from benchmarks import convolution


def test_all_contestants_of_a_convolution_and_of_a_step_are_measured():
    torch = pytest.importorskip("torch")
    x, weight = np.ones((2, 3, 5, 5), np.float32), np.ones((4, 3, 3, 3), np.float32)
    found = convolution.seconds(convolution.convolutions(torch, x, weight, {"padding": 1}), rounds=2)
    assert list(found) == ["torch", "channels_last", "eager"]
    layers = (("Conv2d", 1, 2, 3, 4), ("Flatten",), ("Linear", 32, 10))
    found = convolution.seconds(convolution.steps(torch, layers), rounds=2)
    assert list(found) == ["torch", "channels_last", "eager", "compiled", "C"]
    assert all(seconds > 0 for seconds in found.values())


def test_published_networks_are_measured_beside_one_another():
    torch = pytest.importorskip("torch")
    theirs = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.Flatten(), torch.nn.Linear(4 * 6 * 6, 5))
    ours = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4 * 6 * 6, 5))
    found = convolution.seconds(convolution.published(torch, theirs, ours, side=8), rounds=2)
    assert list(found) == ["torch", "eager"]
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        np.testing.assert_allclose(mine.grad.data, other.grad.numpy(), rtol=1e-4, atol=1e-4)
