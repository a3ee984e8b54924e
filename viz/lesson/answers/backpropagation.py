"""Chapter 7: backpropagation by hand, in one neuron and in the lecture's network."""

from __future__ import annotations

from glassgrad import autograd as ag
from glassgrad.viz.lesson.answers.layers import LAYERS, output
from glassgrad.viz.lesson.exercises import Exercise

W, X, B, Y = 1.0, 3.0, -2.0, 1.0
INPUT, TARGET = (1.0, -1.0), (1.0, 0.0)


def exercises() -> tuple[Exercise, ...]:
    """A weight of one neuron; a weight of the lecture's last layer; a neuron from which two paths lead to the loss."""
    return _neuron(), *_network()


def _neuron() -> Exercise:
    w = ag.Tensor(W, requires_grad=True)
    z = w * X + B
    p = ag.sigmoid(z)
    loss = (p - Y) ** 2
    right, at_z, at_p = ag.gradients([loss], [w, z, p])
    (local,) = ag.gradients([p], [z])
    return Exercise(
        right,
        "Backward along the path: 2 (p - y) = {at_p}, times σ'(z) = {local}, times x = {x}.",
        {
            "You forgot the factor σ'(z): the gradient also passes the activation.": at_p * X,
            "That is ∂L/∂z, which is also ∂L/∂b. For w there is one more factor, x.": at_z,
            "You forgot the 2 of the square's derivative.": right / 2,
            "The sign is wrong. p is too small and x positive, so the loss falls when w grows.": -right,
            "You used σ(z) for σ'(z). The slope is p (1 - p).": at_p * p * X,
            "That is ∂L/∂p. Go on to z and then to w.": at_p,
        },
        "Three factors: 2 (p - y), then σ'(z) = p (1 - p), then x. Here p = σ({z}) = {p}.",
        at_p=at_p,
        local=local,
        x=X,
        z=z,
        p=p,
    )


def _network() -> tuple[Exercise, Exercise]:
    """The lecture's network, from the outputs of its second layer on."""
    a = ag.Tensor(output(ag.Tensor(INPUT), layers=2), requires_grad=True)
    w = ag.Tensor(LAYERS[2][0], requires_grad=True)
    z = w @ a + ag.Tensor(LAYERS[2][1])
    p = ag.sigmoid(z)
    loss = ag.sum((p - ag.Tensor(TARGET)) ** 2)
    at_w, at_a, at_z, at_p = ag.gradients([loss], [w, a, z, p])
    crossed = at_z[1] * w[1, 0]
    right = at_w[1, 0]
    weight = Exercise(
        right,
        "δ of the second output, 2 (p - y) σ'(z) = {delta}, times the first input, a = {a}.",
        {
            "That is δ of the second output, ∂L/∂z. The weight multiplies a, so a is one more factor.": at_z[1],
            "You forgot the factor σ'(z) of the second output.": at_p[1] * a[0],
            "That is entry [0, 1]: the row says which output neuron, the column which input.": at_w[0, 1],
            "You took the second input. Entry [1, 0] meets the first one.": at_w[1, 1],
            "That is entry [0, 0], of the first output.": at_w[0, 0],
            "You multiplied δ by the weight. That is for the input's gradient; here multiply by the input.": crossed,
            "You forgot the 2 of the square, or took the mean of the two errors. The loss is their sum.": right / 2,
        },
        "∂L/∂W[1, 0] = δ of output 1 times input 0 of that layer, with δ = 2 (p - y) p (1 - p).",
        delta=at_z[1],
        a=a[0],
    )

    one, two = at_z[0] * w[0, 0], crossed
    paths = Exercise(
        at_a[0],
        "Both outputs read this neuron, and both paths count: {one} + ({two}).",
        {
            "You followed the path to the first output only. The neuron also reaches the second: add both.": one,
            "You followed the path to the second output only. The neuron also reaches the first: add both.": two,
            "That is the mean of the two paths, or a 2 of the square is missing. Paths are added.": (one + two) / 2,
            "You subtracted the second path. Its weight is -1: the sign is in the weight already.": one - two,
            "You forgot the factor σ'(z) on both paths.": at_p[0] * w[0, 0] + at_p[1] * w[1, 0],
            "You added the two δ. Each must be multiplied by the weight of its path.": ag.sum(at_z),
            "That is the second neuron of this layer. The first one's weights are column 0 of W.": at_a[1],
        },
        "One product for each path: δ of the output times the weight between. Then add the two.",
        one=one,
        two=two,
    )
    return weight, paths
