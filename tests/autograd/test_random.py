"""Draws: their distributions, their generator, their place in the graph, and the one seam for who traces."""

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad.autograd import random

DRAWS = {
    "uniform": random.uniform,
    "normal": random.normal,
    "bernoulli": lambda shape, **options: random.bernoulli(0.3, shape, **options),
}
MOMENTS = {"uniform": (1 / 2, 1 / 12), "normal": (0, 1), "bernoulli": (0.3, 0.21)}
N = 20_000


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", DRAWS)
def test_mean_and_variance_are_the_distributions(name, dtype):
    drawn = DRAWS[name]((N,), generator=rng(), dtype=dtype)
    assert drawn.dtype == dtype
    mean, variance = MOMENTS[name]
    # Five standard errors; of a variance, those of the distribution with the heaviest tails (kurtosis 9).
    assert drawn.data.mean() == pytest.approx(mean, abs=5 * (variance / N) ** 0.5)
    assert drawn.data.var() == pytest.approx(variance, abs=5 * (8 / N) ** 0.5 * variance)


def test_parameters_shift_and_scale():
    u = random.uniform((N,), generator=rng(), low=-2.0, high=3.0)
    np.testing.assert_allclose(u.data, -2 + 5 * rng().random(N), rtol=1e-12)
    z = random.normal((N,), generator=rng(), mean=4, std=0.5)
    np.testing.assert_allclose(z.data, 4 + 0.5 * rng().standard_normal(N), rtol=1e-12)


@pytest.mark.parametrize("shape", [(), 3, (3,), [2, 3], (0, 2), (np.int64(2), 1)])
@pytest.mark.parametrize("name", DRAWS)
def test_shapes(name, shape):
    drawn = DRAWS[name](shape, generator=rng())
    assert drawn.shape == np.zeros(shape).shape
    assert (type(drawn.data) is np.ndarray) == bool(drawn.shape)


def test_a_probability_of_0_and_1_is_sure_and_may_be_a_tensor():
    assert not random.bernoulli(0.0, (N,), generator=rng(), dtype="float32").data.any()
    assert random.bernoulli(1, (N,), generator=rng()).data.all()
    drawn = random.bernoulli(ag.Tensor([0.0, 1.0, 0.5], requires_grad=True), (N, 3), generator=rng())
    assert drawn.dtype == ag.bool
    assert not drawn.requires_grad
    np.testing.assert_allclose(drawn.data.mean(0), [0, 1, 0.5], atol=0.02)


def test_a_permutation_holds_each_number_once_and_every_order_is_alike():
    assert sorted(random.permutation(100, generator=rng()).tolist()) == list(range(100))
    assert random.permutation(0, generator=rng()).shape == (0,)
    generator = rng()
    orders = [tuple(random.permutation(3, generator=generator).tolist()) for _ in range(3000)]
    counts = np.unique(orders, axis=0, return_counts=True)[1]
    assert len(counts) == 6
    assert abs(counts - 500).max() < 110  # five standard errors


def test_gradients_flow_to_the_parameters():
    mean = ag.Tensor([1.0, 2.0], requires_grad=True)
    std = ag.Tensor(0.5, requires_grad=True)

    def draw(mean, std):
        return random.normal((3, 2), generator=rng(), mean=mean, std=std)

    ag.testing.gradcheck(draw, mean, std)
    draw(mean, std).sum().backward()
    np.testing.assert_allclose(std.grad.data, rng().standard_normal((3, 2)).sum())
    np.testing.assert_allclose(mean.grad.data, [3, 3])
    high = ag.Tensor(2.0, requires_grad=True)
    random.uniform((5,), generator=rng(), high=high).sum().backward()
    np.testing.assert_allclose(high.grad.data, rng().random(5).sum())


def test_random_numbers_are_constants_of_the_graph():
    x = ag.Tensor(np.ones(1000), requires_grad=True)
    generator = rng()
    mask = random.bernoulli(0.5, x.shape, generator=generator, dtype="float64")
    y = (x * mask).sum()
    moved = generator.bit_generator.state
    graph = ag.Graph(y)
    assert any(node is mask for node in graph.nodes)
    assert graph.replay()[y.node].data == y.data
    y.backward()
    np.testing.assert_array_equal(x.grad.data, mask.data)
    assert generator.bit_generator.state == moved
