"""Chapter 2: layers; the lecture's network of 2-2-2-2."""

from __future__ import annotations

from glassgrad import autograd as ag
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
    first, unbiased = output(origin, layers=1), output(origin, bias=False, layers=1)
    at_zero = Exercise(
        first,
        "At the origin only the biases are left: σ(1) and σ(0).",
        {
            "Those are the sums z. The layer's output is σ of each.": output(origin, sigmoid=False, layers=1),
            "You left out the biases. Without them every neuron gives one half at the origin.": unbiased,
            "That is the output of the whole network. Stop after the first layer.": output(origin),
            "That is the first layer at (1, -1). Here the input is (0, 0).": output(x, layers=1),
        },
        "Put 0 for both inputs: what is left of w1·x1 + w2·x2 + b? Then σ.",
    )

    weights = sum(len(w) * len(w[0]) for w, _ in LAYERS)
    biases = sum(len(b) for _, b in LAYERS)
    count = Exercise(
        weights + biases,
        "{weights} weights, four in each layer, and {biases} biases, one for each neuron.",
        {
            "Those are the weights. Each neuron has a bias, too.": weights,
            "Those are the biases. Each line is a weight, too.": biases,
            "You gave each layer one bias. Each neuron has a bias of its own.": weights + len(LAYERS),
            "You counted four layers. The two inputs are not neurons: they have no weights.": weights + biases + 4 + 2,
            "You gave the two inputs biases. They are numbers that come in, not neurons.": weights + biases + 2,
        },
        "Three layers. Each has 2 · 2 lines and 2 neurons; each line is a weight, each neuron has a bias.",
        weights=weights,
        biases=biases,
    )

    steps = [output(x, sigmoid=False, layers=n) for n in (1, 2, 3)]
    one, two, linear = (f"({float(z[0]):.4g}, {float(z[1]):.4g})" for z in steps)
    without = Exercise(
        steps[-1],
        "The layers give {one}, then {two}, then {linear}. Together they are one matrix and one bias: one layer.",
        {
            "You left out the biases. Only σ is taken away.": output(x, sigmoid=False, bias=False),
            "That is the network with its activations. Leave σ out.": output(x),
            "That is what leaves the first layer. Two layers are still to come.": steps[0],
            "That is what leaves the second layer. One layer is still to come.": steps[1],
        },
        "The first layer gives {one}. Put these into the second layer, its numbers into the third, without σ.",
        one=one,
        two=two,
        linear=linear,
    )
    return at_zero, count, without
