"""Chapter 2: layers; the lecture's network of 2-2-2-2."""

from __future__ import annotations

import autograd as ag
from viz.lesson.answers import said
from viz.lesson.exercises import Exercise

LAYERS = (
    (((1.0, -2.0), (-1.0, 1.0)), (1.0, 0.0)),
    (((2.0, -1.0), (-2.0, -1.0)), (0.0, 0.0)),
    (((3.0, -1.0), (-1.0, 4.0)), (-2.0, 2.0)),
)
"""The lecture's weights and biases, layer by layer."""


def output(x: ag.Tensor, sigmoid: bool = True, bias: bool = True, layers: int = len(LAYERS)) -> ag.Tensor:
    """The output of the lecture's network, optionally without activations or biases."""
    for weight, b in LAYERS[:layers]:
        x = ag.Tensor(weight) @ x + (ag.Tensor(b) if bias else 0.0)
        x = ag.sigmoid(x) if sigmoid else x
    return x


def exercises() -> tuple[Exercise, ...]:
    """The first layer at the origin; the number of parameters; the network without activations."""
    origin, x = ag.zeros(2), ag.Tensor([1.0, -1.0])
    first = output(origin, layers=1)
    at_zero = Exercise(
        first,
        ("At the origin only the biases are left: σ(1) and σ(0).", "在原点只剩下偏置：σ(1) 和 σ(0)。"),
        [
            (
                output(origin, sigmoid=False, layers=1),
                "Those are the sums z. The layer's output is σ of each.",
                "这是加权和 z；这一层的输出是对每个数取 σ。",
            ),
            (
                output(origin, bias=False, layers=1),
                "You left out the biases. Without them every neuron gives one half at the origin.",
                "你漏了偏置。没有偏置时，每个神经元在原点都输出二分之一。",
            ),
            (
                output(origin),
                "That is the output of the whole network. Stop after the first layer.",
                "这是整个网络的输出；请停在第一层之后。",
            ),
            (
                output(x, layers=1),
                "That is the first layer at (1, -1). Here the input is (0, 0).",
                "这是输入 (1, -1) 时的第一层；这里的输入是 (0, 0)。",
            ),
        ],
        (
            "Put 0 for both inputs: what is left of w1·x1 + w2·x2 + b? Then σ.",
            "把两个输入都换成 0：w1·x1 + w2·x2 + b 还剩什么？然后取 σ。",
        ),
    )

    weights = sum(len(w) * len(w[0]) for w, _ in LAYERS)
    biases = sum(len(b) for _, b in LAYERS)
    count = Exercise(
        weights + biases,
        (
            f"{weights} weights, four in each layer, and {biases} biases, one for each neuron.",
            f"{weights} 个权重（每层四个），加上 {biases} 个偏置（每个神经元一个）。",
        ),
        [
            (weights, "Those are the weights. Each neuron has a bias, too.", "这只是权重；每个神经元还有一个偏置。"),
            (biases, "Those are the biases. Each line is a weight, too.", "这只是偏置；每条连线还是一个权重。"),
            (
                weights + len(LAYERS),
                "You gave each layer one bias. Each neuron has a bias of its own.",
                "你给每层只加了一个偏置；每个神经元都有自己的偏置。",
            ),
            (
                weights + biases + 4 + 2,
                "You counted four layers. The two inputs are not neurons: they have no weights.",
                "你数了四层。两个输入不是神经元，没有权重。",
            ),
            (
                weights + biases + 2,
                "You gave the two inputs biases. They are numbers that come in, not neurons.",
                "你给两个输入也加了偏置。它们是送进来的数，不是神经元。",
            ),
        ],
        (
            "Three layers. Each has 2 · 2 lines and 2 neurons; each line is a weight, each neuron has a bias.",
            "共三层，每层有 2 · 2 条连线和 2 个神经元；每条连线是一个权重，每个神经元有一个偏置。",
        ),
    )

    steps = [output(x, sigmoid=False, layers=n) for n in (1, 2, 3)]
    one, two, linear = (f"({said(z[0])}, {said(z[1])})" for z in steps)
    without = Exercise(
        steps[-1],
        (
            f"The layers give {one}, then {two}, then {linear}. Together they are one matrix and one bias: one layer.",
            f"各层依次给出 {one}、{two}、{linear}。三次 W x + b 合起来仍是一个矩阵加一个偏置，一层就能算出来。",
        ),
        [
            (
                output(x, sigmoid=False, bias=False),
                "You left out the biases. Only σ is taken away.",
                "你漏了偏置。拿掉的只有 σ。",
            ),
            (output(x), "That is the network with its activations. Leave σ out.", "这是带激活函数的网络；请去掉 σ。"),
            (
                steps[0],
                "That is what leaves the first layer. Two layers are still to come.",
                "这是第一层的输出，后面还有两层。",
            ),
            (
                steps[1],
                "That is what leaves the second layer. One layer is still to come.",
                "这是第二层的输出，后面还有一层。",
            ),
        ],
        (
            f"The first layer gives {one}. Put these into the second layer, its numbers into the third, without σ.",
            f"第一层给出 {one}。把它送入第二层，再把结果送入第三层，都不取 σ。",
        ),
    )
    return at_zero, count, without
