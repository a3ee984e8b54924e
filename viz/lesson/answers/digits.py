"""Chapter 4: from ink to ten probabilities."""

from typing import Any

from glassgrad import autograd as ag
from glassgrad import nn

LOGITS = ag.Tensor([2.0, 1.0, 0.0])
SIZES = (256, 30, 10)


def softmax() -> dict[str, Any]:
    """A softmax of three numbers."""
    powers, answer = ag.exp(LOGITS), ag.softmax(LOGITS)
    first, second, total = powers[0], powers[1], ag.sum(powers)
    scores, sigmoids, percent = LOGITS / ag.sum(LOGITS), ag.sigmoid(LOGITS), 100 * answer
    lost, relative = (powers - ag.equal(LOGITS, 0.0)) / (first + second), powers / ag.max(powers)
    return locals()


def shift() -> dict[str, Any]:
    """The first probability with all logits raised."""
    high = LOGITS + 100
    answer, scores, one, zero = ag.softmax(high)[0], high[0] / ag.sum(high), 1.0, 0.0
    return locals()


def count() -> dict[str, Any]:
    """The parameters of 256-30-10."""
    inputs, hidden, outputs = SIZES
    sizes = {name: p.size for name, p in nn.MLP(SIZES, seed=0).named_parameters()}
    answer, biases = sum(sizes.values()), sum(size for name, size in sizes.items() if name.endswith("bias"))
    weights, unbiased, biased_inputs = answer - biases, answer - outputs, answer + inputs
    first_layer, direct = inputs * hidden + hidden, inputs * outputs + outputs
    return locals()
