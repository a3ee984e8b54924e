"""Chapter 4: from ink to ten probabilities."""

from __future__ import annotations

import autograd as ag
import nn
from viz.lesson.answers import said
from viz.lesson.exercises import Exercise

LOGITS = (2.0, 1.0, 0.0)
SIZES = (256, 30, 10)


def exercises() -> tuple[Exercise, ...]:
    """A softmax of three numbers; the same logits all raised; the parameters of 256-30-10."""
    z = ag.Tensor(LOGITS)
    e, p = ag.exp(z), ag.softmax(z)
    softmax = Exercise(
        p,
        (
            f"The powers of e are {said(e[0])}, {said(e[1])} and 1; each is divided by their sum, {said(ag.sum(e))}.",
            f"e 的各次幂是 {said(e[0])}、{said(e[1])} 和 1，再各除以它们的和 {said(ag.sum(e))}。",
        ),
        [
            (
                e,
                "Those are the powers of e. Divide each by their sum, so that they add up to 1.",
                "这是 e 的各次幂。还要各除以它们的和，使总和为 1。",
            ),
            (
                z / ag.sum(z),
                "You divided the scores themselves by their sum. Take e to the power of each first.",
                "你直接用得分除以得分之和了。应先对每个得分取 e 的幂。",
            ),
            (
                ag.sigmoid(z),
                "That is the sigmoid of each. Those do not add up to 1: softmax lets the classes compete.",
                "这是各自的 sigmoid，加起来不是 1；softmax 让各类互相竞争。",
            ),
            (100 * p, "That is in percent. Probabilities go from 0 to 1.", "这是百分数；概率在 0 到 1 之间。"),
            ((e - ag.equal(z, 0.0)) / ag.sum(e[:2]), "e to the power of 0 is 1, not 0.", "e 的 0 次方是 1，不是 0。"),
            (
                e / ag.max(e),
                "You divided by the largest power. Divide by the sum of all three.",
                "你除以了最大的那个幂；应除以三个的和。",
            ),
        ],
        (
            "e to the power of each score, divided by the sum of the three powers. They add up to 1.",
            "先对每个得分取 e 的幂，再除以三个幂之和；结果加起来是 1。",
        ),
    )

    raised = ag.softmax(z + 100)[0]
    shift = Exercise(
        raised,
        (
            "A factor e to the power of 100 cancels in the fraction: only differences of scores count.",
            "分子和分母都多了因子 e 的 100 次方，约掉了：只有得分之差起作用。",
        ),
        [
            (
                1.0,
                "Large scores alone do not make a probability large: the other two grew as much.",
                "得分大并不意味着概率大：另外两个也增大了同样多。",
            ),
            (
                ag.sum(z[0] + 100) / ag.sum(z + 100),
                "You divided the scores themselves. Take e to the power of each first.",
                "你直接用得分相除了。应先对每个得分取 e 的幂。",
            ),
            (
                0.0,
                "A probability of 0 would mean that this class lost. It still has the largest score.",
                "概率为 0 意味着这一类输了，但它的得分仍然最大。",
            ),
        ],
        (
            "Write the fraction with e to the power of 100 as a factor in front of every term.",
            "把分式写出来：每一项前面都有因子 e 的 100 次方。",
        ),
    )

    model = nn.MLP(SIZES, seed=0)
    shapes = {name: p.size for name, p in model.named_parameters()}
    total, biases = sum(shapes.values()), sum(size for name, size in shapes.items() if name.endswith("bias"))
    count = Exercise(
        total,
        (
            f"256·30 + 30 in the first layer, 30·10 + 10 in the second: {total - biases} weights, {biases} biases.",
            f"第一层 256·30 + 30，第二层 30·10 + 10：{total - biases} 个权重和 {biases} 个偏置。",
        ),
        [
            (
                total - biases,
                "Those are the weights. Each of the 40 neurons has a bias, too.",
                "这只是权重；40 个神经元各有一个偏置。",
            ),
            (total - SIZES[2], "You forgot the 10 biases of the output layer.", "你忘了输出层的 10 个偏置。"),
            (
                SIZES[0] * SIZES[1] + SIZES[1],
                "That is the first layer. The output layer has parameters, too.",
                "这只是第一层；输出层也有参数。",
            ),
            (
                total + SIZES[0],
                "You gave the 256 pixels biases. They are inputs, not neurons.",
                "你给 256 个像素也加了偏置；它们是输入，不是神经元。",
            ),
            (
                SIZES[0] * SIZES[2] + SIZES[2],
                "You left the hidden layer out: there is no direct way from a pixel to an output.",
                "你漏了隐藏层：像素与输出之间没有直接的连接。",
            ),
        ],
        (
            "For each layer: inputs times neurons, and one bias for each neuron. Then add the two layers.",
            "每一层：输入数乘神经元数，再加每个神经元一个偏置。两层相加。",
        ),
    )
    return softmax, shift, count
