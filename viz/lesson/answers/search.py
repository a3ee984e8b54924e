"""Chapter 9: how many layers, how many neurons."""

from __future__ import annotations

import math

from glassgrad import autograd as ag
from glassgrad import nn
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
        "{more} more than 256-30-10. Most parameters are in the first layer, so depth is cheap here.",
        {
            "That is 256-30-10. The second hidden layer has 30·30 weights and 30 biases.": less,
            "Those are the weights. There are 30 + 30 + 10 biases as well.": weights,
            "You forgot the 30 biases of the new layer.": less + 30 * 30,
            "The second hidden layer reads the 30 neurons before it, not the 256 pixels.": less + 256 * 30 + 30,
        },
        "Three layers: 256 to 30, 30 to 30, 30 to 10. Inputs times neurons plus neurons, and add.",
        more=total - less,
    )

    p = ag.Tensor(ACCURACY)
    error = ag.sqrt(p * (1 - p) / IMAGES)
    single = math.sqrt(ACCURACY * (1 - ACCURACY))
    spread = Exercise(
        error,
        "About {error} percent. {images} images do not tell two networks apart that differ by less.",
        {
            "That is in percent. Give a fraction, such as 0.97: divide by 100.": 100 * error,
            "Still to do: divide by n = 1000, then the root.": (p * (1 - p)),
            "That is the variance. The standard error is its root.": error**2,
            "That is the spread of a single answer. Divide by the root of the number of images.": single,
            "You divided by the number of images. Divide by its root.": error / math.sqrt(IMAGES),
            "That is the share of wrong answers. How much does it vary by chance?": 1 - ACCURACY,
        },
        "The root of p (1 - p) / n, with p = 0.97 and n = 1000.",
        error=100 * error,
        images=IMAGES,
    )

    *shallow, deepest = (WIDTHS**depth for depth in range(1, DEPTHS + 1))
    grid = Exercise(
        sum(shallow) + deepest,
        "5 + 25 + 125 + 625. That is why a search tries random choices and stops bad trials, and does not try all.",
        {
            "That is with the same width in every layer. Here each layer has a width of its own.": DEPTHS * WIDTHS,
            "Those are the networks with four hidden layers. There are also those with one, two and three.": deepest,
            "Those have one to three hidden layers. There may be four.": sum(shallow),
            "The other way round: each of the layers chooses among five widths.": DEPTHS**WIDTHS,
        },
        "With d hidden layers there are 5 to the power of d choices. Add them for d = 1 to 4.",
    )
    return count, spread, grid
