"""Chapter 2: layers; the lecture's network of 2-2-2-2."""

from typing import Any

from glassgrad import autograd as ag

LAYERS = (
    (((1.0, -2.0), (-1.0, 1.0)), (1.0, 0.0)),
    (((2.0, -1.0), (-2.0, -1.0)), (0.0, 0.0)),
    (((3.0, -1.0), (-1.0, 4.0)), (-2.0, 2.0)),
)
"""The lecture's weights and biases, layer by layer."""

ORIGIN, INPUT = ag.Tensor([0.0, 0.0]), ag.Tensor([1.0, -1.0])


def output(x: ag.Tensor, sigmoid: bool = True, bias: bool = True, layers: int = len(LAYERS)) -> ag.Tensor:
    """The output of the lecture's network, optionally without activations or biases."""
    for weight, b in LAYERS[:layers]:
        x = ag.Tensor(weight) @ x + (ag.Tensor(b) if bias else 0.0)
        x = ag.sigmoid(x) if sigmoid else x
    return x


def origin() -> dict[str, Any]:
    """The first layer at the origin."""
    answer, z = output(ORIGIN, layers=1), output(ORIGIN, sigmoid=False, layers=1)
    unbiased, whole, elsewhere = output(ORIGIN, bias=False, layers=1), output(ORIGIN), output(INPUT, layers=1)
    return locals()


def count() -> dict[str, Any]:
    """The number of parameters."""
    weights, biases = sum(len(w) * len(w[0]) for w, _ in LAYERS), sum(len(b) for _, b in LAYERS)
    answer = weights + biases
    one_bias, four_layers, biased_inputs = weights + len(LAYERS), answer + 4 + 2, answer + 2
    return locals()


def linear() -> dict[str, Any]:
    """The network without activations."""
    first, second, answer = steps = [output(INPUT, sigmoid=False, layers=n) for n in (1, 2, 3)]
    one, two, three = (f"({float(z[0]):.4g}, {float(z[1]):.4g})" for z in steps)
    unbiased, activated = output(INPUT, sigmoid=False, bias=False), output(INPUT)
    return locals()
