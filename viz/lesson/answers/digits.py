"""Chapter 4: from ink to ten probabilities."""

from __future__ import annotations

from glassgrad import autograd as ag
from glassgrad import nn
from glassgrad.viz.lesson.exercises import Exercise

LOGITS = (2.0, 1.0, 0.0)
SIZES = (256, 30, 10)


def exercises() -> tuple[Exercise, ...]:
    """A softmax of three numbers; the same logits all raised; the parameters of 256-30-10."""
    z = ag.Tensor(LOGITS)
    e, p = ag.exp(z), ag.softmax(z)
    softmax = Exercise(
        p,
        "The powers of e are {first}, {second} and 1; each is divided by their sum, {total}.",
        {
            "Those are the powers of e. Divide each by their sum, so that they add up to 1.": e,
            "You divided the scores themselves by their sum. Take e to the power of each first.": z / ag.sum(z),
            "That is the sigmoid of each. Those do not add up to 1: softmax lets the classes compete.": ag.sigmoid(z),
            "That is in percent. Probabilities go from 0 to 1.": 100 * p,
            "e to the power of 0 is 1, not 0.": (e - ag.equal(z, 0.0)) / ag.sum(e[:2]),
            "You divided by the largest power. Divide by the sum of all three.": e / ag.max(e),
        },
        "e to the power of each score, divided by the sum of the three powers. They add up to 1.",
        first=e[0],
        second=e[1],
        total=ag.sum(e),
    )

    high = z + 100
    raised = ag.softmax(high)[0]
    shift = Exercise(
        raised,
        "A factor e to the power of 100 cancels in the fraction: only differences of scores count.",
        {
            "Large scores alone do not make a probability large: the other two grew as much.": 1.0,
            "You divided the scores themselves. Take e to the power of each first.": high[0] / ag.sum(high),
            "A probability of 0 would mean that this class lost. It still has the largest score.": 0.0,
        },
        "Write the fraction with e to the power of 100 as a factor in front of every term.",
    )

    model = nn.MLP(SIZES, seed=0)
    shapes = {name: p.size for name, p in model.named_parameters()}
    total, biases = sum(shapes.values()), sum(size for name, size in shapes.items() if name.endswith("bias"))
    direct = SIZES[0] * SIZES[2] + SIZES[2]
    count = Exercise(
        total,
        "256·30 + 30 in the first layer, 30·10 + 10 in the second: {weights} weights, {biases} biases.",
        {
            "Those are the weights. Each of the 40 neurons has a bias, too.": total - biases,
            "You forgot the 10 biases of the output layer.": total - SIZES[2],
            "That is the first layer. The output layer has parameters, too.": SIZES[0] * SIZES[1] + SIZES[1],
            "You gave the 256 pixels biases. They are inputs, not neurons.": total + SIZES[0],
            "You left the hidden layer out: there is no direct way from a pixel to an output.": direct,
        },
        "For each layer: inputs times neurons, and one bias for each neuron. Then add the two layers.",
        weights=total - biases,
        biases=biases,
    )
    return softmax, shift, count
