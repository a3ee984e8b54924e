"""Chapter 6: gradient descent by hand, and the learning rate at which it diverges."""

from __future__ import annotations

from glassgrad import autograd as ag
from glassgrad.viz.drawing.words import say
from glassgrad.viz.lesson.answers import said
from glassgrad.viz.lesson.exercises import Exercise

X, Y, START, RATE = 3.0, 5.0, 0.0, 0.05
SECOND = (1.0, 1.0)


def loss(w: ag.Tensor, x: float = X, y: float = Y) -> ag.Tensor:
    """The squared error of one weight on one example."""
    return (w * x - y) ** 2


def exercises() -> tuple[Exercise, ...]:
    """The first step; the rate at which it diverges; two examples and their mean."""
    slope = ag.grad(loss)(START).item()
    error = (ag.Tensor(START) * X - Y).item()
    step = Exercise(
        START - RATE * slope,
        say(
            "The gradient is 2 (w·x - y)·x = {slope}, the step 0 - {rate}·({slope}).",
            slope=said(slope),
            rate=said(RATE),
        ),
        [
            (
                START + RATE * slope,
                say("You went uphill. The step goes against the gradient: minus the rate times the gradient."),
            ),
            (
                START - RATE * 2 * error,
                say("You forgot the factor x: the inner derivative of w·x - y with respect to w."),
            ),
            (START - RATE * slope / 2, say("You forgot the 2 of the square's derivative.")),
            (START - slope, say("You forgot the learning rate.")),
            (slope, say("That is the gradient. Now take the step.")),
            (
                RATE * loss(ag.Tensor(START)).item(),
                say("You stepped by the loss. The step is the rate times the derivative of the loss."),
            ),
        ],
        say("w - η · dL/dw, with dL/dw = 2 (w·x - y)·x at w = 0."),
    )

    bend = ag.grad(ag.grad(loss))(START).item()
    limit = Exercise(
        2 / bend,
        say("A step multiplies the distance to the minimum by 1 - η·{bend}: by -1 at η = 2/{bend}.", bend=said(bend)),
        [
            (
                1 / bend,
                say("At that rate the first step lands on the minimum. Twice as much is needed to get no nearer."),
            ),
            (bend, say("That is the second derivative. The limit is 2 divided by it.")),
            (2 / (bend / 2), say("You forgot the 2 of the square: the second derivative is 2·x·x.")),
            (2 / (bend / X), say("You used x once. It comes in twice: the second derivative is 2·x·x.")),
            (0.12, say("At 0.12 it diverges already, at 0.1 not yet: the limit lies between them. Compute it.")),
            (Y / X, say("That is the minimum, not a rate.")),
        ],
        say("Each step multiplies the distance to the minimum by 1 - η·L''. When is that -1?"),
    )

    other = ag.grad(lambda w: loss(w, *SECOND))(START).item()
    batch = Exercise(
        (slope + other) / 2,
        say(
            "The mean of {slope} and {other}. With the mean, the same rate serves any batch size.",
            slope=said(slope),
            other=said(other),
        ),
        [
            (slope + other, say("That is the sum. The loss here is the mean of the two errors, so divide by 2.")),
            ((slope + other) / 4, say("You forgot the 2 of the square's derivative.")),
            (slope, say("That is the first example alone.")),
            (other, say("That is the second example alone.")),
            (
                ag.grad(lambda w: loss(w, (X + SECOND[0]) / 2, (Y + SECOND[1]) / 2))(START).item(),
                say("You averaged the examples. Average their gradients instead: the loss squares each error first."),
            ),
            (
                -(slope + other) / 2,
                say("The sign is wrong: both predictions are too small, so the loss falls when w grows."),
            ),
        ],
        say("The gradient of a mean is the mean of the gradients: one for each example, at w = 0."),
    )
    return step, limit, batch
