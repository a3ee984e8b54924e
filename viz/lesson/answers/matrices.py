"""Chapter 3: a layer as a matrix, several examples as a batch."""

from __future__ import annotations

import math
from itertools import pairwise

from glassgrad import autograd as ag
from glassgrad.viz.lesson.answers.layers import LAYERS
from glassgrad.viz.lesson.exercises import Exercise

BATCH = ((1.0, -1.0), (2.0, 0.5), (0.0, 0.0))
SIZES, EXAMPLES = (256, 30, 10), 100


def exercises() -> tuple[Exercise, ...]:
    """An entry of X Wᵀ + b; the shape of a weight; the number of multiplications."""
    x, (weight, bias) = ag.Tensor(BATCH), LAYERS[0]
    w, b = ag.Tensor(weight), ag.Tensor(bias)
    z, turned = x @ w.T + b, x @ w + b
    entry = Exercise(
        z[1, 0],
        "Row 1 of X is the example (2, 0.5), row 0 of W the neuron (1, -2): 2·1 + 0.5·(-2) + 1.",
        {
            "You used column 0 of W. A neuron's weights are a row of W: that is why Wᵀ stands in X Wᵀ.": turned[1, 0],
            "You forgot the bias, 1.": (x @ w.T)[1, 0],
            "That is entry [0, 0]: rows are counted from 0. Or you lost the sign of the weight -2.": z[0, 0],
            "That is entry [1, 1], the second neuron. Columns are counted from 0.": z[1, 1],
            "That is entry [0, 1]: the row says which example, the column which neuron.": z[0, 1],
            "That is the old second example, (0.5, 2). It is now (2, 0.5).": (x[1][::-1] @ w[0] + b[0]),
            "That is σ of it. The question is z.": ag.sigmoid(z)[1, 0],
        },
        "Entry [1, 0] is row 1 of X times row 0 of W, plus entry 0 of b. Both count from 0.",
    )

    output = EXAMPLES, SIZES[1]
    shape = Exercise(
        (SIZES[1], SIZES[0]),
        "One row for each of the 30 neurons, one column for each of the 256 inputs: (out, in), as in PyTorch.",
        {
            "That is Wᵀ. Here and in PyTorch W has a row for each neuron: (out, in).": (SIZES[0], SIZES[1]),
            "That is the second layer, from 30 neurons to 10.": (SIZES[2], SIZES[1]),
            "That is the shape of the layer's output. The weights do not know how large the batch is.": output,
            "That is the shape of X. The weights do not know how large the batch is.": (EXAMPLES, SIZES[0]),
        },
        "Two numbers: how many neurons, and how many inputs each of them reads.",
    )

    once = sum(a * b for a, b in pairwise(SIZES))
    nested = EXAMPLES * math.prod(SIZES)
    products = Exercise(
        EXAMPLES * once,
        "{examples} · (256·30 + 30·10): each example meets each weight once.",
        {
            "That is one example. There are 100 in the batch.": once,
            "You multiplied the layers with each other. They run one after the other, so add their counts.": nested,
            "That is the first layer only. The second one has 30·10 weights.": EXAMPLES * SIZES[0] * SIZES[1],
            "You counted the biases. They are added, not multiplied.": EXAMPLES * (once + sum(SIZES[1:])),
        },
        "Count the weights of each layer. Each is multiplied once for each example.",
        examples=EXAMPLES,
    )
    return entry, shape, products
