"""Chapter 5: why cross-entropy and not squared error."""

import math
from typing import Any

from glassgrad import autograd as ag

Z, Y = -5.0, 1.0


def slopes() -> dict[str, Any]:
    """Both losses of a neuron that is wrong and saturated, and their slopes with respect to z and to p."""
    z = ag.Tensor(Z, requires_grad=True)
    p = ag.sigmoid(z)
    (local,) = ag.gradients([p], [z])
    error, entropy = (p - Y) ** 2, -ag.log(p)
    (flat, outer), (steep, steepest) = (ag.gradients([loss], [z, p]) for loss in (error, entropy))
    return locals()


def squared() -> dict[str, Any]:
    """The slope of the squared error."""
    known = slopes()
    answer = known["flat"]
    return known | {"answer": answer, "half": answer / 2, "negative": -answer}


def cross() -> dict[str, Any]:
    """The slope of the cross-entropy."""
    known = slopes()
    answer = known["steep"]
    return known | {"answer": answer, "negative": -answer, "times": answer / known["flat"]}


def guess() -> dict[str, Any]:
    """The cross-entropy of a guess among ten."""
    answer = ag.cross_entropy(ag.zeros((1, 10)), ag.asarray([3]))
    decimal, binary, p = math.log10(10), math.log2(10), 0.1
    negative, mean, every = -answer, answer / 10, 10 * answer
    return locals()
