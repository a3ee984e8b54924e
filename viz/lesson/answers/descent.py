"""Chapter 6: gradient descent by hand, and the learning rate at which it diverges."""

from __future__ import annotations

from glassgrad import autograd as ag
from glassgrad.viz.lesson.exercises import Exercise

X, Y, START, RATE = 3.0, 5.0, 0.0, 0.05
SECOND = (1.0, 1.0)


def loss(w: ag.Tensor, x: float = X, y: float = Y) -> ag.Tensor:
    """The squared error of one weight on one example."""
    return (w * x - y) ** 2


def exercises() -> tuple[Exercise, ...]:
    """The first step; the rate at which it diverges; two examples and their mean."""
    slope, first = ag.grad(loss)(START), loss(ag.Tensor(START))
    down = RATE * slope
    step = Exercise(
        START - down,
        "The gradient is 2 (w·x - y)·x = {slope}, the step 0 - {rate}·({slope}).",
        {
            "You went uphill. The step goes against the gradient: minus the rate times the gradient.": START + down,
            "You forgot the factor x: the inner derivative of w·x - y with respect to w.": START - down / X,
            "You forgot the 2 of the square's derivative.": START - down / 2,
            "You forgot the learning rate.": START - slope,
            "That is the gradient. Now take the step.": slope,
            "You stepped by the loss. The step is the rate times the derivative of the loss.": RATE * first,
        },
        "w - η · dL/dw, with dL/dw = 2 (w·x - y)·x at w = 0.",
        slope=slope,
        rate=RATE,
    )

    bend = ag.grad(ag.grad(loss))(START)
    limit = Exercise(
        2 / bend,
        "A step multiplies the distance to the minimum by 1 - η·{bend}: by -1 at η = 2/{bend}.",
        {
            "At that rate the first step lands on the minimum. Twice as much is needed to get no nearer.": 1 / bend,
            "That is the second derivative. The limit is 2 divided by it.": bend,
            "You forgot the 2 of the square: the second derivative is 2·x·x.": 2 / (bend / 2),
            "You used x once. It comes in twice: the second derivative is 2·x·x.": 2 / (bend / X),
            "At 0.12 it diverges already, at 0.1 not yet: the limit lies between them. Compute it.": 0.12,
            "That is the minimum, not a rate.": Y / X,
        },
        "Each step multiplies the distance to the minimum by 1 - η·L''. When is that -1?",
        bend=bend,
    )

    other = ag.grad(lambda w: loss(w, *SECOND))(START)
    between = ag.grad(lambda w: loss(w, (X + SECOND[0]) / 2, (Y + SECOND[1]) / 2))(START)
    batch = Exercise(
        (slope + other) / 2,
        "The mean of {slope} and {other}. With the mean, the same rate serves any batch size.",
        {
            "That is the sum. The loss here is the mean of the two errors, so divide by 2.": slope + other,
            "You forgot the 2 of the square's derivative.": (slope + other) / 4,
            "That is the first example alone.": slope,
            "That is the second example alone.": other,
            "You averaged the examples. Average their gradients instead: the loss squares each error first.": between,
            "The sign is wrong: both predictions are too small, so the loss falls when w grows.": -(slope + other) / 2,
        },
        "The gradient of a mean is the mean of the gradients: one for each example, at w = 0.",
        slope=slope,
        other=other,
    )
    return step, limit, batch
