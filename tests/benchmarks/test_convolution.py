"""Convolutions beside PyTorch: each work runs, and all contestants are measured."""

import numpy as np
import pytest

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
