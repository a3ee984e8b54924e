"""Chapter 3: a layer as a matrix, several examples as a batch."""

import math
from itertools import pairwise
from typing import Any

from glassgrad import autograd as ag
from glassgrad.viz.lesson.answers.layers import LAYERS

BATCH = ((1.0, -1.0), (2.0, 0.5), (0.0, 0.0))
SIZES, EXAMPLES = (256, 30, 10), 100


def entry() -> dict[str, Any]:
    """An entry of X Wᵀ + b."""
    x, w, b = ag.Tensor(BATCH), *map(ag.Tensor, LAYERS[0])
    z = x @ w.T + b
    answer, column, unbiased = z[1, 0], (x @ w + b)[1, 0], (x @ w.T)[1, 0]
    entry_00, entry_11, entry_01 = z[0, 0], z[1, 1], z[0, 1]
    old, activated = x[1][::-1] @ w[0] + b[0], ag.sigmoid(answer)
    return locals()


def shape() -> dict[str, Any]:
    """The shape of a weight."""
    inputs, neurons, outputs = SIZES
    answer, turned, second = (neurons, inputs), (inputs, neurons), (outputs, neurons)
    result, batch = (EXAMPLES, neurons), (EXAMPLES, inputs)
    return locals()


def products() -> dict[str, Any]:
    """The number of multiplications."""
    examples, one_example = EXAMPLES, sum(a * b for a, b in pairwise(SIZES))
    answer, nested = examples * one_example, examples * math.prod(SIZES)
    first_layer, biased = examples * SIZES[0] * SIZES[1], examples * (one_example + sum(SIZES[1:]))
    return locals()
