"""Chapter 9: how many layers, how many neurons."""

import math
from typing import Any

from glassgrad import autograd as ag
from glassgrad import nn

DEEPER, SHALLOW = (256, 30, 30, 10), (256, 30, 10)
ACCURACY, IMAGES = 0.97, 1000
DEPTHS, WIDTHS = 4, 5


def count() -> dict[str, Any]:
    """The parameters of a deeper network."""
    deep, flat = ([*nn.MLP(sizes, seed=0).named_parameters()] for sizes in (DEEPER, SHALLOW))
    answer, shallow = (sum(p.size for _, p in parameters) for parameters in (deep, flat))
    weights, more = sum(p.size for name, p in deep if name.endswith("weight")), answer - shallow
    unbiased, pixels = shallow + 30 * 30, shallow + 256 * 30 + 30
    return locals()


def spread() -> dict[str, Any]:
    """The standard error of an accuracy."""
    p, images = ag.Tensor(ACCURACY), IMAGES
    product, wrong = p * (1 - p), 1 - ACCURACY
    answer = ag.sqrt(product / images)
    percent, variance, single, divided = 100 * answer, answer**2, ag.sqrt(product), answer / math.sqrt(images)
    return locals()


def grid() -> dict[str, Any]:
    """The size of a grid."""
    *shallow, deepest = (WIDTHS**depth for depth in range(1, DEPTHS + 1))
    three = sum(shallow)
    answer, same_width, exchanged = three + deepest, DEPTHS * WIDTHS, DEPTHS**WIDTHS
    return locals()
