"""Chapter 8: hidden layers bend space until a line suffices."""

from typing import Any

from glassgrad import autograd as ag

POINTS, LABELS = ag.Tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]), ag.Tensor([0.0, 1.0, 1.0, 0.0])
STEEP = 20.0
THRESHOLDS = (0.5, 1.5)


def line() -> dict[str, Any]:
    """XOR by one neuron."""
    # These lines divide the four points in every way in which a line can divide them.
    axis = ag.linspace(-1.5, 1.5, 13)
    w1, w2, b = (ag.reshape(axis, shape=shape) for shape in ((-1, 1, 1, 1), (1, -1, 1, 1), (1, 1, -1, 1)))
    right = ag.equal(w1 * POINTS[:, 0] + w2 * POINTS[:, 1] + b > 0, LABELS > 0.5)
    answer, every = int(ag.max(ag.sum(right, axis=-1))), len(POINTS)
    guessed = answer - 1
    return locals()


def moved() -> dict[str, Any]:
    """Where a hidden layer puts a point: one neuron tells whether at least one input is 1, the other whether both."""
    every = ag.sum(POINTS, axis=-1, keepdims=True) - ag.Tensor(THRESHOLDS)
    at_00, _, answer, at_11 = ag.round(ag.sigmoid(STEEP * every))
    point, sums = POINTS[1], every[1]
    return locals()


def bends() -> dict[str, Any]:
    """The pieces of a sum of three ReLUs."""
    at = ag.Tensor([-1.0, 0.0, 2.0])
    u = ag.linspace(-3.0, 3.0, 25) + 0.1
    slopes = ag.grad(lambda u: ag.sum(ag.relu(u[:, None] - at)))(u)
    answer, kinks = 1 + int(ag.sum(ag.abs(slopes[1:] - slopes[:-1]) > 0.5)), at.size
    powers, doubled, straight = 2**kinks, 2 * kinks, 1
    return locals()
