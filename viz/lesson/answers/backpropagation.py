"""Chapter 7: backpropagation by hand, in one neuron and in the lecture's network."""

from typing import Any

from glassgrad import autograd as ag
from glassgrad.viz.lesson.answers.layers import INPUT, LAYERS, output

W, X, B, Y = 1.0, 3.0, -2.0, 1.0
TARGET = (1.0, 0.0)


def neuron() -> dict[str, Any]:
    """A weight of one neuron."""
    w, x = ag.Tensor(W, requires_grad=True), X
    z = w * x + B
    p = ag.sigmoid(z)
    answer, at_z, at_p = ag.gradients([(p - Y) ** 2], [w, z, p])
    (local,) = ag.gradients([p], [z])
    straight, half, negative, level = at_p * x, answer / 2, -answer, at_p * p * x
    return locals()


def last_layer() -> dict[str, Any]:
    """The lecture's network from the outputs of its second layer on: its values and gradients."""
    a = ag.Tensor(output(INPUT, layers=2), requires_grad=True)
    w = ag.Tensor(LAYERS[2][0], requires_grad=True)
    z = w @ a + ag.Tensor(LAYERS[2][1])
    p = ag.sigmoid(z)
    at_w, at_a, at_z, at_p = ag.gradients([ag.sum((p - ag.Tensor(TARGET)) ** 2)], [w, a, z, p])
    one, two = at_z * w[:, 0]
    return locals()


def weight() -> dict[str, Any]:
    """A weight of the last layer."""
    net = last_layer()
    at_w, delta, a, crossed = net["at_w"], net["at_z"][1], net["a"][0], net["two"]
    answer, straight, half = at_w[1, 0], net["at_p"][1] * a, at_w[1, 0] / 2
    entry_01, entry_11, entry_00 = at_w[0, 1], at_w[1, 1], at_w[0, 0]
    return locals()


def paths() -> dict[str, Any]:
    """A neuron from which two paths lead to the loss."""
    net = last_layer()
    one, two, (answer, neighbour) = net["one"], net["two"], net["at_a"]
    mean, difference, deltas = (one + two) / 2, one - two, ag.sum(net["at_z"])
    straight = net["at_p"] @ net["w"][:, 0]
    return locals()
