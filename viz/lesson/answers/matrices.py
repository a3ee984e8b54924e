"""Chapter 3: a layer as a matrix, several examples as a batch."""

from __future__ import annotations

import math
from itertools import pairwise

import autograd as ag
from viz.lesson.answers.layers import LAYERS
from viz.lesson.exercises import Exercise

BATCH = ((1.0, -1.0), (2.0, 0.5), (0.0, 0.0))
SIZES, EXAMPLES = (256, 30, 10), 100


def exercises() -> tuple[Exercise, ...]:
    """An entry of X Wᵀ + b; the shape of a weight; the number of multiplications."""
    x, (weight, bias) = ag.Tensor(BATCH), LAYERS[0]
    w, b = ag.Tensor(weight), ag.Tensor(bias)
    z = x @ w.T + b
    entry = Exercise(
        z[1, 0].item(),
        (
            "Row 1 of X is the example (2, 0.5), row 0 of W the neuron (1, -2): 2·1 + 0.5·(-2) + 1.",
            "X 的第 1 行是样本 (2, 0.5)，W 的第 0 行是神经元 (1, -2)：2·1 + 0.5·(-2) + 1。",
        ),
        [
            (
                (x @ w + b)[1, 0].item(),
                "You used column 0 of W. A neuron's weights are a row of W: that is why Wᵀ stands in X Wᵀ.",
                "你用了 W 的第 0 列。一个神经元的权重是 W 的一行，所以式子里写的是 X Wᵀ。",
            ),
            ((x @ w.T)[1, 0].item(), "You forgot the bias, 1.", "你忘了偏置 1。"),
            (
                z[0, 0].item(),
                "That is entry [0, 0]: rows are counted from 0. Or you lost the sign of the weight -2.",
                "这是 [0, 0]，行要从 0 开始数；漏了权重 -2 的负号也会得到它。",
            ),
            (
                z[1, 1].item(),
                "That is entry [1, 1], the second neuron. Columns are counted from 0.",
                "这是 [1, 1]，即第二个神经元。列从 0 开始数。",
            ),
            (
                z[0, 1].item(),
                "That is entry [0, 1]: the row says which example, the column which neuron.",
                "这是 [0, 1]：行表示哪个样本，列表示哪个神经元。",
            ),
            (
                (x[1][::-1] @ w[0] + b[0]).item(),
                "That is the old second example, (0.5, 2). It is now (2, 0.5).",
                "这是原来的第二个样本 (0.5, 2)；现在它是 (2, 0.5)。",
            ),
            (ag.sigmoid(z)[1, 0].item(), "That is σ of it. The question is z.", "这已经取了 σ；问的是 z。"),
        ],
        (
            "Entry [1, 0] is row 1 of X times row 0 of W, plus entry 0 of b. Both count from 0.",
            "[1, 0] 是 X 的第 1 行与 W 的第 0 行的内积，再加 b 的第 0 个数，都从 0 开始数。",
        ),
    )

    shape = Exercise(
        (SIZES[1], SIZES[0]),
        (
            "One row for each of the 30 neurons, one column for each of the 256 inputs: (out, in), as in PyTorch.",
            "30 个神经元各占一行，256 个输入各占一列：形状是 (out, in)，与 PyTorch 相同。",
        ),
        [
            (
                (SIZES[0], SIZES[1]),
                "That is Wᵀ. Here and in PyTorch W has a row for each neuron: (out, in).",
                "这是 Wᵀ 的形状。这里和 PyTorch 一样，W 的每一行是一个神经元：(out, in)。",
            ),
            (
                (SIZES[2], SIZES[1]),
                "That is the second layer, from 30 neurons to 10.",
                "这是第二层的形状：从 30 个神经元到 10 个。",
            ),
            (
                (EXAMPLES, SIZES[1]),
                "That is the shape of the layer's output. The weights do not know how large the batch is.",
                "这是该层输出的形状。权重与批量大小无关。",
            ),
            (
                (EXAMPLES, SIZES[0]),
                "That is the shape of X. The weights do not know how large the batch is.",
                "这是 X 的形状。权重与批量大小无关。",
            ),
        ],
        (
            "Two numbers: how many neurons, and how many inputs each of them reads.",
            "两个数：有多少个神经元，每个神经元读多少个输入。",
        ),
    )

    once = sum(a * b for a, b in pairwise(SIZES))
    products = Exercise(
        EXAMPLES * once,
        (
            f"{EXAMPLES} · (256·30 + 30·10): each example meets each weight once.",
            f"{EXAMPLES} · (256·30 + 30·10)：每个样本与每个权重各相乘一次。",
        ),
        [
            (once, "That is one example. There are 100 in the batch.", "这是一个样本的次数；一批有 100 个。"),
            (
                EXAMPLES * math.prod(SIZES),
                "You multiplied the layers with each other. They run one after the other, so their counts are added.",
                "你把各层相乘了。各层先后进行，次数应该相加。",
            ),
            (
                EXAMPLES * SIZES[0] * SIZES[1],
                "That is the first layer only. The second one has 30·10 weights.",
                "这只是第一层；第二层有 30·10 个权重。",
            ),
            (
                EXAMPLES * (once + sum(SIZES[1:])),
                "You counted the biases. They are added, not multiplied.",
                "你把偏置也算进去了；偏置是加法，不是乘法。",
            ),
        ],
        (
            "Count the weights of each layer. Each is multiplied once for each example.",
            "先数每一层的权重。对每个样本，每个权重都要乘一次。",
        ),
    )
    return entry, shape, products
