"""Chapter 8: hidden layers bend space until a line suffices."""

from __future__ import annotations

from glassgrad import autograd as ag
from glassgrad.viz.lesson.exercises import Exercise

POINTS, LABELS = ((0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0)), (0.0, 1.0, 1.0, 0.0)
STEEP = 20.0
THRESHOLDS = (0.5, 1.5)


def hidden(x: ag.Tensor) -> ag.Tensor:
    """The two hidden neurons: whether at least one input is 1, and whether both are."""
    return ag.sigmoid(STEEP * (ag.sum(x, axis=-1, keepdims=True) - ag.Tensor(THRESHOLDS)))


def exercises() -> tuple[Exercise, ...]:
    """XOR by one neuron; where a hidden layer puts a point; the pieces of a sum of three ReLUs."""
    x, y = ag.Tensor(POINTS), ag.Tensor(LABELS)
    # These lines divide the four points in every way in which a line can divide them.
    axis = ag.linspace(-1.5, 1.5, 13)
    w1, w2, b = (ag.reshape(axis, shape=shape) for shape in ((-1, 1, 1, 1), (1, -1, 1, 1), (1, 1, -1, 1)))
    right = ag.sum(ag.equal(w1 * x[:, 0] + w2 * x[:, 1] + b > 0, y > 0.5), axis=-1)
    best = int(ag.max(right))
    line = Exercise(
        best,
        "A line can cut off one corner, so that three of the four are right. No line gets all four.",
        {
            "Try to draw it: a line with (0, 1) and (1, 0) on one side and the other two on the other.": len(POINTS),
            "That is what guessing gives. A line that cuts off one corner does better.": best - 1,
        },
        "A neuron with a threshold divides the plane by a straight line. Draw the four points.",
    )

    at = ag.round(hidden(x))
    sums = ag.sum(x[1]) - ag.Tensor(THRESHOLDS)
    moved = Exercise(
        at[1],
        "0 + 1 is above 0.5 and below 1.5. (1, 0) goes to the same place: the layer has folded the plane.",
        {
            "That is the point itself. Put x1 + x2 into both neurons.": x[1],
            "That is where (1, 1) goes. Here the sum is 1, less than 1.5.": at[3],
            "That is where (0, 0) goes. Here the sum is 1, more than 0.5.": at[0],
            "Those are the sums before σ. A steep σ makes 1 of what is positive and 0 of what is negative.": sums,
        },
        "x1 + x2 = 1. Is that above 0.5? Is it above 1.5? A steep σ answers with 1 or 0.",
    )

    kinks = ag.Tensor([-1.0, 0.0, 2.0])
    u = ag.linspace(-3.0, 3.0, 25) + 0.1
    slopes = ag.grad(lambda u: ag.sum(ag.relu(u[:, None] - kinks)))(u)
    pieces = 1 + int(ag.sum(ag.abs(slopes[1:] - slopes[:-1]) > 0.5))
    n = kinks.size
    bends = Exercise(
        pieces,
        "Each ReLU has one kink, and three kinks divide the line into four pieces. More neurons, more bends.",
        {
            "That is the number of kinks. Three cuts make one piece more.": n,
            "Each neuron is on or off, but along a line they switch one after the other.": 2**n,
            "Each neuron adds one kink, not two pieces of its own.": 2 * n,
            "Without activations there would be one piece. Each ReLU adds a kink.": 1,
        },
        "Where does ReLU(u - c) change its slope? Count these places for three neurons.",
    )
    return line, moved, bends
