"""Saliency maps against gradients computed by hand."""

from __future__ import annotations

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad import nn, viz

RNG = np.random.default_rng(0)
W = RNG.normal(size=(3, 4))
X = RNG.normal(size=(2, 4))


def linear(x):
    return x @ ag.Tensor(W.T)


def squares(x):
    """Scores whose gradient 2·w·x depends on the input."""
    return (x * x) @ ag.Tensor(W.T)


class Net(nn.Module):
    """A convolution of 1 × 1, a ReLU, the mean over space, and a linear layer."""

    def __init__(self):
        self.conv, self.relu = nn.Conv2d(2, 3, 1, seed=0, dtype="float64"), nn.ReLU()
        self.pool, self.flatten = nn.AdaptiveAvgPool2d(1), nn.Flatten()
        self.dropout, self.fc = nn.Dropout(0.5, seed=0), nn.Linear(3, 4, seed=1, dtype="float64")

    def forward(self, x):
        return self.fc(self.dropout(self.flatten(self.pool(self.relu(self.conv(x))))))


class TestGradient:
    def test_of_a_linear_model_it_is_the_weights(self):
        found = viz.saliency(linear, X, target=1)
        assert np.allclose(found.gradient, [W[1], W[1]], atol=1e-12)
        assert np.allclose(found.map, np.abs(found.gradient))
        assert np.allclose(found.scores, X @ W.T)

    def test_the_target_is_the_largest_score_or_one_for_each(self):
        assert np.array_equal(viz.saliency(linear, X).target, (X @ W.T).argmax(axis=1))
        assert np.allclose(viz.saliency(linear, X, target=[2, 0]).gradient, W[[2, 0]])

    def test_of_a_network_it_agrees_with_differences(self):
        model = Net()
        x = RNG.normal(size=(1, 2, 3, 4))
        found = viz.saliency(model, x, target=2)
        expected = np.zeros_like(x)
        model.eval()
        for index in np.ndindex(x.shape):
            step = np.zeros_like(x)
            step[index] = 1e-6
            up, down = (float(model(ag.Tensor(x + s)).data[0, 2]) for s in (step, -step))
            expected[index] = (up - down) / 2e-6
        assert np.allclose(found.gradient, expected, atol=1e-8)
        assert np.allclose(found.map, np.abs(expected).max(axis=1), atol=1e-8)

    def test_the_mode_of_every_part_and_the_parameters_stay(self):
        model = Net()
        model.relu.eval()
        before = [part.training for part in model.modules()]
        viz.saliency(model, RNG.normal(size=(1, 2, 3, 4)))
        assert [part.training for part in model.modules()] == before
        assert all(p.grad is None for p in model.parameters())


class TestSmoothGrad:
    def test_it_is_the_mean_of_the_gradients_at_noisy_inputs(self):
        found = viz.saliency(squares, X, target=0, samples=5)
        rng = np.random.default_rng(0)
        spread = 0.15 * (X.max(axis=1, keepdims=True) - X.min(axis=1, keepdims=True))
        points = [X + spread * rng.standard_normal(X.shape) for _ in range(5)]
        assert np.allclose(found.gradient, np.mean([2 * W[0] * point for point in points], axis=0))
        assert found.method == "SmoothGrad"


class TestGradCam:
    def test_it_is_the_sum_of_maps_weighted_by_their_mean_gradient(self):
        model = Net()
        x = RNG.normal(size=(2, 2, 3, 4))
        found = viz.saliency(model, x, target=[1, 3], layer="relu")
        conv, fc = model.conv.weight.data[:, :, 0, 0], model.fc.weight.data
        maps = np.maximum(np.einsum("kc,ncij->nkij", conv, x) + model.conv.bias.data[:, None, None], 0)
        alpha = fc[[1, 3]] / (3 * 4)  # ∂score/∂A is the same at each place: the pool takes a mean
        assert np.allclose(found.map, np.maximum(np.einsum("nk,nkij->nij", alpha, maps), 0))
        assert found.gradient is None

    def test_a_smaller_map_is_interpolated_to_the_size_of_the_input(self):
        pool = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False, seed=0, dtype="float64"), nn.AvgPool2d(2), nn.Flatten())
        pool[0].weight.data[...] = 1.0
        x = np.zeros((1, 1, 4, 4))
        x[0, 0, :2, 2:] = 4.0
        found = viz.saliency(pool, x, target=1, layer="1")
        # Pooled it is [[0, 4], [0, 0]], and α is the mean of one 1 among 4.
        assert np.allclose(found.map[0], np.outer([1, 0.75, 0.25, 0], [0, 0.25, 0.75, 1]))


class TestPicture:
    def test_it_is_saved(self, tmp_path):
        pytest.importorskip("matplotlib")
        x = RNG.normal(size=(2, 1, 8, 8))
        model = nn.Sequential(nn.Conv2d(1, 2, 3, seed=0), nn.ReLU(), nn.Flatten(), nn.Linear(72, 3, seed=1))
        for found in (viz.saliency(model, x), viz.saliency(model, x, layer="1")):
            assert found.save(tmp_path / "map.png").read_bytes().startswith(b"\x89PNG")
        assert "score" in viz.saliency(model, x).save(tmp_path / "map.svg").read_text()
