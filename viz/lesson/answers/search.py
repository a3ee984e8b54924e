"""Chapter 9: how many layers, how many neurons."""

from __future__ import annotations

import math

from glassgrad import autograd as ag
from glassgrad import nn
from glassgrad.viz.drawing.words import say
from glassgrad.viz.lesson.answers import said
from glassgrad.viz.lesson.exercises import Exercise

DEEPER, SHALLOW = (256, 30, 30, 10), (256, 30, 10)
ACCURACY, IMAGES = 0.97, 1000
DEPTHS, WIDTHS = 4, 5


def exercises() -> tuple[Exercise, ...]:
    """The parameters of a deeper network; the standard error of an accuracy; the size of a grid."""
    made = {sizes: list(nn.MLP(sizes, seed=0).named_parameters()) for sizes in (DEEPER, SHALLOW)}
    total, less = (sum(p.size for _, p in parameters) for parameters in made.values())
    weights = sum(p.size for name, p in made[DEEPER] if name.endswith("weight"))
    count = Exercise(
        total,
        say(
            "{more} more than 256-30-10. Most parameters are in the first layer, so depth is cheap here.",
            more=total - less,
        ),
        [
            (less, say("That is 256-30-10. The second hidden layer has 30·30 weights and 30 biases.")),
            (weights, say("Those are the weights. There are 30 + 30 + 10 biases as well.")),
            (less + 30 * 30, say("You forgot the 30 biases of the new layer.")),
            (less + 256 * 30 + 30, say("The second hidden layer reads the 30 neurons before it, not the 256 pixels.")),
        ],
        say("Three layers: 256 to 30, 30 to 30, 30 to 10. Inputs times neurons plus neurons, and add."),
    )

    p = ag.Tensor(ACCURACY)
    error = ag.sqrt(p * (1 - p) / IMAGES).item()
    spread = Exercise(
        error,
        say(
            "About {error} percent. {images} images do not tell two networks apart that differ by less.",
            error=said(100 * error),
            images=IMAGES,
        ),
        [
            (100 * error, say("That is in percent. Give a fraction, such as 0.97: divide by 100.")),
            ((p * (1 - p)).item(), say("Still to do: divide by n = 1000, then the root.")),
            (error**2, say("That is the variance. The standard error is its root.")),
            (
                error * math.sqrt(IMAGES),
                say("That is the spread of a single answer. Divide by the root of the number of images."),
            ),
            (error / math.sqrt(IMAGES), say("You divided by the number of images. Divide by its root.")),
            (1 - ACCURACY, say("That is the share of wrong answers. How much does it vary by chance?")),
        ],
        say("The root of p (1 - p) / n, with p = 0.97 and n = 1000."),
    )

    grid = Exercise(
        sum(WIDTHS**depth for depth in range(1, DEPTHS + 1)),
        say(
            "5 + 25 + 125 + 625. That is why a search tries random choices and stops bad trials, and does not try all."
        ),
        [
            (
                DEPTHS * WIDTHS,
                say("That is with the same width in every layer. Here each layer has a width of its own."),
            ),
            (
                WIDTHS**DEPTHS,
                say("Those are the networks with four hidden layers. There are also those with one, two and three."),
            ),
            (
                sum(WIDTHS**depth for depth in range(1, DEPTHS)),
                say("Those have one to three hidden layers. There may be four."),
            ),
            (DEPTHS**WIDTHS, say("The other way round: each of the layers chooses among five widths.")),
        ],
        say("With d hidden layers there are 5 to the power of d choices. Add them for d = 1 to 4."),
    )
    return count, spread, grid
