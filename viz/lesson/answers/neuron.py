"""Chapter 1: one neuron."""

from typing import Any

from glassgrad import autograd as ag

X, WEIGHTS, BIAS = ag.Tensor([1.0, -1.0]), ag.Tensor([1.0, -2.0]), 1.0
OTHER = ag.Tensor([-1.0, 1.0])
LOWER = -2.0  # the bias of exercise 3


def output() -> dict[str, Any]:
    """The output of another neuron."""
    z = ag.vecdot(OTHER, X)
    answer = y = ag.sigmoid(z)
    unsigned, positive, biased = ag.sigmoid(ag.vecdot(OTHER, ag.abs(X))), ag.sigmoid(-z), ag.sigmoid(z + BIAS)
    exponential, first = ag.exp(z), ag.sigmoid(ag.vecdot(WEIGHTS, X) + BIAS)
    return locals()


def balance() -> dict[str, Any]:
    """The bias that makes the output one half."""
    weighted, lost = (ag.vecdot(WEIGHTS, given) for given in (X, ag.abs(X)))
    answer, change, z = -weighted, -weighted - BIAS, weighted + BIAS
    bias, zero, half = BIAS, 0.0, 0.5
    return locals()


def slope() -> dict[str, Any]:
    """The slope of the output with respect to a weight."""
    w = ag.Tensor(WEIGHTS, requires_grad=True)
    z = ag.vecdot(w, X) + LOWER
    y = ag.sigmoid(z)
    answer, outside = (ag.gradients([end], [w])[0][1] for end in (y, ag.sigmoid(ag.vecdot(w, X) + BIAS)))
    (local,) = ag.gradients([y], [z])
    inner = X[1]
    weight, level, step = w[1] * local, y * inner, ag.sigmoid(z + inner) - y
    return locals()
