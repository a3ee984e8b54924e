"""Chapter 7: backpropagation by hand, in one neuron and in the lecture's network."""

from __future__ import annotations

import autograd as ag
from viz.lesson.answers import TWO, said
from viz.lesson.answers.layers import LAYERS, output
from viz.lesson.exercises import Exercise

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
    right, at_z, at_p = (g.item() for g in ag.gradients([loss], [w, z, p]))
    local = ag.gradients([p], [z])[0].item()
    return Exercise(
        right,
        (
            f"Backward along the path: 2 (p - y) = {said(at_p)}, times σ'(z) = {said(local)}, times x = {said(X)}.",
            f"沿路径往回乘：2 (p - y) = {said(at_p)}，乘 σ'(z) = {said(local)}，再乘 x = {said(X)}。",
        ),
        [
            (
                at_p * X,
                "You forgot the factor σ'(z): the gradient also passes the activation.",
                "你忘了因子 σ'(z)：梯度还要经过激活函数。",
            ),
            (
                at_z,
                "That is ∂L/∂z, which is also ∂L/∂b. For w there is one more factor, x.",
                "这是 ∂L/∂z，也就是 ∂L/∂b。对 w 还要再乘 x。",
            ),
            (right / 2, *TWO),
            (
                -right,
                "The sign is wrong. p is too small and x positive, so the loss falls when w grows.",
                "符号反了。p 太小而 x 为正，w 增大时损失应减小。",
            ),
            (
                at_p * p.item() * X,
                "You used σ(z) for σ'(z). The slope is p (1 - p).",
                "你把 σ(z) 当成了 σ'(z)；斜率是 p (1 - p)。",
            ),
            (at_p, "That is ∂L/∂p. Go on to z and then to w.", "这是 ∂L/∂p；继续往回，先到 z，再到 w。"),
        ],
        (
            f"Three factors: 2 (p - y), then σ'(z) = p (1 - p), then x. Here p = σ({said(z)}) = {said(p)}.",
            f"三个因子：2 (p - y)，然后 σ'(z) = p (1 - p)，然后 x。这里 p = σ({said(z)}) = {said(p)}。",
        ),
    )


def _network() -> tuple[Exercise, Exercise]:
    """The lecture's network, from the outputs of its second layer on."""
    a = ag.Tensor(output(ag.Tensor(INPUT), layers=2), requires_grad=True)
    w = ag.Tensor(LAYERS[2][0], requires_grad=True)
    z = w @ a + ag.Tensor(LAYERS[2][1])
    p = ag.sigmoid(z)
    loss = ag.sum((p - ag.Tensor(TARGET)) ** 2)
    at_w, at_a, at_z, at_p = ag.gradients([loss], [w, a, z, p])
    weight = Exercise(
        at_w[1, 0],
        (
            f"δ of the second output, 2 (p - y) σ'(z) = {said(at_z[1])}, times the first input, a = {said(a[0])}.",
            f"第二个输出的 δ 是 2 (p - y) σ'(z) = {said(at_z[1])}，再乘第一个输入 a = {said(a[0])}。",
        ),
        [
            (
                at_z[1],
                "That is δ of the second output, ∂L/∂z. The weight multiplies a, so a is one more factor.",
                "这是第二个输出的 δ，即 ∂L/∂z。权重乘的是 a，所以还要再乘 a。",
            ),
            (at_p[1] * a[0], "You forgot the factor σ'(z) of the second output.", "你忘了第二个输出的因子 σ'(z)。"),
            (
                at_w[0, 1],
                "That is entry [0, 1]: the row says which output neuron, the column which input.",
                "这是 [0, 1]：行表示哪个输出神经元，列表示哪个输入。",
            ),
            (
                at_w[1, 1],
                "You took the second input. Entry [1, 0] meets the first one.",
                "你用了第二个输入；[1, 0] 对应的是第一个输入。",
            ),
            (at_w[0, 0], "That is entry [0, 0], of the first output.", "这是 [0, 0]，属于第一个输出。"),
            (
                at_z[1] * w[1, 0],
                "You multiplied δ by the weight. That is for the gradient of the input; here multiply by the input.",
                "你用 δ 乘了权重，那是求输入的梯度；求权重的梯度要乘输入。",
            ),
            (
                at_w[1, 0] / 2,
                "You forgot the 2 of the square, or took the mean of the two errors. The loss is their sum.",
                "你忘了平方的因子 2，或者取了两个误差的平均；这里的损失是它们的和。",
            ),
        ],
        (
            "∂L/∂W[1, 0] = δ of output 1 times input 0 of that layer, with δ = 2 (p - y) p (1 - p).",
            "∂L/∂W[1, 0] = 第 1 个输出的 δ 乘该层的第 0 个输入，其中 δ = 2 (p - y) p (1 - p)。",
        ),
    )

    one, two = at_z[0] * w[0, 0], at_z[1] * w[1, 0]
    paths = Exercise(
        at_a[0],
        (
            f"Both outputs read this neuron, and both paths count: {said(one)} + ({said(two)}).",
            f"两个输出都读这个神经元，两条路径都要算：{said(one)} + ({said(two)})。",
        ),
        [
            (
                one,
                "You followed the path to the first output only. The neuron also reaches the second: add both.",
                "你只走了通向第一个输出的路径。它还通向第二个输出：两条要相加。",
            ),
            (
                two,
                "You followed the path to the second output only. The neuron also reaches the first: add both.",
                "你只走了通向第二个输出的路径。它还通向第一个输出：两条要相加。",
            ),
            (
                (one + two) / 2,
                "That is the mean of the two paths, or a 2 of the square is missing. Paths are added.",
                "这是两条路径的平均，或者漏了平方的因子 2。路径应相加。",
            ),
            (
                one - two,
                "You subtracted the second path. Its weight is -1: the sign is in the weight already.",
                "你把第二条路径减掉了。它的权重是 -1，符号已经在权重里了。",
            ),
            (
                at_p[0] * w[0, 0] + at_p[1] * w[1, 0],
                "You forgot the factor σ'(z) on both paths.",
                "两条路径上你都忘了因子 σ'(z)。",
            ),
            (
                ag.sum(at_z),
                "You added the two δ. Each must be multiplied by the weight of its path.",
                "你把两个 δ 直接相加了；各自要先乘路径上的权重。",
            ),
            (
                at_a[1],
                "That is the second neuron of this layer. The first one's weights are column 0 of W.",
                "这是该层的第二个神经元。第一个神经元的权重在 W 的第 0 列。",
            ),
        ],
        (
            "One product for each path: δ of the output times the weight between. Then add the two.",
            "每条路径一个乘积：输出的 δ 乘中间的权重，然后把两个相加。",
        ),
    )
    return weight, paths
