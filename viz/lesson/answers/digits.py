"""Chapter 4: from ink to ten probabilities."""

from __future__ import annotations

from glassgrad import autograd as ag
from glassgrad import nn
from glassgrad.viz.drawing.words import say
from glassgrad.viz.lesson.answers import said
from glassgrad.viz.lesson.exercises import Exercise

LOGITS = (2.0, 1.0, 0.0)
SIZES = (256, 30, 10)


def exercises() -> tuple[Exercise, ...]:
    """A softmax of three numbers; the same logits all raised; the parameters of 256-30-10."""
    z = ag.Tensor(LOGITS)
    e, p = ag.exp(z), ag.softmax(z)
    softmax = Exercise(
        p,
        say(
            "The powers of e are {first}, {second} and 1; each is divided by their sum, {total}.",
            first=said(e[0]),
            second=said(e[1]),
            total=said(ag.sum(e)),
        ),
        [
            (e, say("Those are the powers of e. Divide each by their sum, so that they add up to 1.")),
            (z / ag.sum(z), say("You divided the scores themselves by their sum. Take e to the power of each first.")),
            (
                ag.sigmoid(z),
                say("That is the sigmoid of each. Those do not add up to 1: softmax lets the classes compete."),
            ),
            (100 * p, say("That is in percent. Probabilities go from 0 to 1.")),
            ((e - ag.equal(z, 0.0)) / ag.sum(e[:2]), say("e to the power of 0 is 1, not 0.")),
            (e / ag.max(e), say("You divided by the largest power. Divide by the sum of all three.")),
        ],
        say("e to the power of each score, divided by the sum of the three powers. They add up to 1."),
    )

    raised = ag.softmax(z + 100)[0]
    shift = Exercise(
        raised,
        say("A factor e to the power of 100 cancels in the fraction: only differences of scores count."),
        [
            (1.0, say("Large scores alone do not make a probability large: the other two grew as much.")),
            (
                ag.sum(z[0] + 100) / ag.sum(z + 100),
                say("You divided the scores themselves. Take e to the power of each first."),
            ),
            (0.0, say("A probability of 0 would mean that this class lost. It still has the largest score.")),
        ],
        say("Write the fraction with e to the power of 100 as a factor in front of every term."),
    )

    model = nn.MLP(SIZES, seed=0)
    shapes = {name: p.size for name, p in model.named_parameters()}
    total, biases = sum(shapes.values()), sum(size for name, size in shapes.items() if name.endswith("bias"))
    count = Exercise(
        total,
        say(
            "256·30 + 30 in the first layer, 30·10 + 10 in the second: {weights} weights, {biases} biases.",
            weights=total - biases,
            biases=biases,
        ),
        [
            (total - biases, say("Those are the weights. Each of the 40 neurons has a bias, too.")),
            (total - SIZES[2], say("You forgot the 10 biases of the output layer.")),
            (SIZES[0] * SIZES[1] + SIZES[1], say("That is the first layer. The output layer has parameters, too.")),
            (total + SIZES[0], say("You gave the 256 pixels biases. They are inputs, not neurons.")),
            (
                SIZES[0] * SIZES[2] + SIZES[2],
                say("You left the hidden layer out: there is no direct way from a pixel to an output."),
            ),
        ],
        say("For each layer: inputs times neurons, and one bias for each neuron. Then add the two layers."),
    )
    return softmax, shift, count
