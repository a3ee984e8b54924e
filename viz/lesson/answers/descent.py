"""Chapter 6: gradient descent by hand, and the learning rate at which it diverges."""

from typing import Any

from glassgrad import autograd as ag

X, Y, START, RATE = 3.0, 5.0, 0.0, 0.05
SECOND = (1.0, 1.0)


def loss(w: ag.Tensor, x: float = X, y: float = Y) -> ag.Tensor:
    """The squared error of one weight on one example."""
    return (w * x - y) ** 2


def step() -> dict[str, Any]:
    """The first step."""
    slope, rate = ag.grad(loss)(START), RATE
    move = rate * slope
    answer, uphill, outer, half = START - move, START + move, START - move / X, START - move / 2
    unscaled, by_loss = START - slope, rate * loss(ag.Tensor(START))
    return locals()


def limit() -> dict[str, Any]:
    """The rate at which it diverges."""
    bend = ag.grad(ag.grad(loss))(START)
    answer, landing, half, once = 2 / bend, 1 / bend, 2 / (bend / 2), 2 / (bend / X)
    tried, minimum = 0.12, Y / X
    return locals()


def batch() -> dict[str, Any]:
    """The gradient of two examples' mean."""
    slope, other = ag.grad(loss)(START), ag.grad(lambda w: loss(w, *SECOND))(START)
    total = slope + other
    answer, half, negative = total / 2, total / 4, -total / 2
    between = ag.grad(lambda w: loss(w, (X + SECOND[0]) / 2, (Y + SECOND[1]) / 2))(START)
    return locals()
