"""Chapter 2: layers; the lecture's network of 2-2-2-2."""

from __future__ import annotations

from glassgrad import autograd as ag
from glassgrad.viz.drawing.words import say
from glassgrad.viz.lesson.answers import said
from glassgrad.viz.lesson.exercises import Exercise

LAYERS = (
    (((1.0, -2.0), (-1.0, 1.0)), (1.0, 0.0)),
    (((2.0, -1.0), (-2.0, -1.0)), (0.0, 0.0)),
    (((3.0, -1.0), (-1.0, 4.0)), (-2.0, 2.0)),
)
"""The lecture's weights and biases, layer by layer."""


def output(x: ag.Tensor, sigmoid: bool = True, bias: bool = True, layers: int = len(LAYERS)) -> ag.Tensor:
    """The output of the lecture's network, optionally without activations or biases."""
    for weight, b in LAYERS[:layers]:
        x = ag.Tensor(weight) @ x + (ag.Tensor(b) if bias else 0.0)
        x = ag.sigmoid(x) if sigmoid else x
    return x


def exercises() -> tuple[Exercise, ...]:
    """The first layer at the origin; the number of parameters; the network without activations."""
    origin, x = ag.zeros(2), ag.Tensor([1.0, -1.0])
    first = output(origin, layers=1)
    at_zero = Exercise(
        first,
        say("At the origin only the biases are left: σ(1) and σ(0)."),
        [
            (output(origin, sigmoid=False, layers=1), say("Those are the sums z. The layer's output is σ of each.")),
            (
                output(origin, bias=False, layers=1),
                say("You left out the biases. Without them every neuron gives one half at the origin."),
            ),
            (output(origin), say("That is the output of the whole network. Stop after the first layer.")),
            (output(x, layers=1), say("That is the first layer at (1, -1). Here the input is (0, 0).")),
        ],
        say("Put 0 for both inputs: what is left of w1·x1 + w2·x2 + b? Then σ."),
    )

    weights = sum(len(w) * len(w[0]) for w, _ in LAYERS)
    biases = sum(len(b) for _, b in LAYERS)
    count = Exercise(
        weights + biases,
        say(
            "{weights} weights, four in each layer, and {biases} biases, one for each neuron.",
            weights=weights,
            biases=biases,
        ),
        [
            (weights, say("Those are the weights. Each neuron has a bias, too.")),
            (biases, say("Those are the biases. Each line is a weight, too.")),
            (weights + len(LAYERS), say("You gave each layer one bias. Each neuron has a bias of its own.")),
            (
                weights + biases + 4 + 2,
                say("You counted four layers. The two inputs are not neurons: they have no weights."),
            ),
            (weights + biases + 2, say("You gave the two inputs biases. They are numbers that come in, not neurons.")),
        ],
        say("Three layers. Each has 2 · 2 lines and 2 neurons; each line is a weight, each neuron has a bias."),
    )

    steps = [output(x, sigmoid=False, layers=n) for n in (1, 2, 3)]
    one, two, linear = (f"({said(z[0])}, {said(z[1])})" for z in steps)
    without = Exercise(
        steps[-1],
        say(
            "The layers give {one}, then {two}, then {linear}. Together they are one matrix and one bias: one layer.",
            one=one,
            two=two,
            linear=linear,
        ),
        [
            (output(x, sigmoid=False, bias=False), say("You left out the biases. Only σ is taken away.")),
            (output(x), say("That is the network with its activations. Leave σ out.")),
            (steps[0], say("That is what leaves the first layer. Two layers are still to come.")),
            (steps[1], say("That is what leaves the second layer. One layer is still to come.")),
        ],
        say(
            "The first layer gives {one}. Put these into the second layer, its numbers into the third, without σ.",
            one=one,
        ),
    )
    return at_zero, count, without
