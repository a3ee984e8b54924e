"""Chapter 9: how many layers, how many neurons."""

from __future__ import annotations

import math

import autograd as ag
import nn
from viz.lesson.answers import said
from viz.lesson.exercises import Exercise

DEEPER, SHALLOW = (256, 30, 30, 10), (256, 30, 10)
ACCURACY, IMAGES = 0.97, 1000
DEPTHS, WIDTHS = 4, 5


def exercises() -> tuple[Exercise, ...]:
    """The parameters of a deeper network; the standard error of an accuracy; the size of a grid."""
    made = {sizes: list(nn.MLP(sizes, seed=0).named_parameters()) for sizes in (DEEPER, SHALLOW)}
    total, less = (sum(p.size for _, p in parameters) for parameters in made.values())
    weights = sum(p.size for name, p in made[DEEPER] if name.endswith("weight"))
    count = Exercise(
        total,
        (
            f"{total - less} more than 256-30-10. Most parameters are in the first layer, so depth is cheap here.",
            f"比 256-30-10 多 {total - less} 个。几乎所有参数都在第一层，所以这里加深很便宜。",
        ),
        [
            (
                less,
                "That is 256-30-10. The second hidden layer has 30·30 weights and 30 biases.",
                "这是 256-30-10 的参数数目；第二个隐藏层还有 30·30 个权重和 30 个偏置。",
            ),
            (
                weights,
                "Those are the weights. There are 30 + 30 + 10 biases as well.",
                "这只是权重，还有 30 + 30 + 10 个偏置。",
            ),
            (less + 30 * 30, "You forgot the 30 biases of the new layer.", "你忘了新增那一层的 30 个偏置。"),
            (
                less + 256 * 30 + 30,
                "The second hidden layer reads the 30 neurons before it, not the 256 pixels.",
                "第二个隐藏层读的是前面 30 个神经元，不是 256 个像素。",
            ),
        ],
        (
            "Three layers: 256 to 30, 30 to 30, 30 to 10. Inputs times neurons plus neurons, and add.",
            "三层：256 到 30，30 到 30，30 到 10。各层是输入数乘神经元数再加神经元数，然后求和。",
        ),
    )

    p = ag.Tensor(ACCURACY)
    error = ag.sqrt(p * (1 - p) / IMAGES).item()
    spread = Exercise(
        error,
        (
            f"About {said(100 * error)} percent. {IMAGES} images do not tell two networks apart that differ by less.",
            f"约 {said(100 * error)} 个百分点。差别小于它的两个网络，用 {IMAGES} 张图片分不出高下。",
        ),
        [
            (
                100 * error,
                "That is in percent. Give a fraction, such as 0.97: divide by 100.",
                "这是百分数；请像 0.97 那样写成比例，即再除以 100。",
            ),
            ((p * (1 - p)).item(), "Still to do: divide by n = 1000, then the root.", "还要除以 n = 1000，再开平方。"),
            (error**2, "That is the variance. The standard error is its root.", "这是方差；标准误差是它的平方根。"),
            (
                error * math.sqrt(IMAGES),
                "That is the spread of a single answer. Divide by the root of the number of images.",
                "这是单个答案的离散程度；还要除以图片数的平方根。",
            ),
            (
                error / math.sqrt(IMAGES),
                "You divided by the number of images. Divide by its root.",
                "你除以了图片数；应除以它的平方根。",
            ),
            (
                1 - ACCURACY,
                "That is the share of wrong answers. How much does it vary by chance?",
                "这是错误率；问的是它会随机波动多少。",
            ),
        ],
        ("The root of p (1 - p) / n, with p = 0.97 and n = 1000.", "p (1 - p) / n 的平方根，其中 p = 0.97，n = 1000。"),
    )

    grid = Exercise(
        sum(WIDTHS**depth for depth in range(1, DEPTHS + 1)),
        (
            "5 + 25 + 125 + 625. That is why a search tries random choices and stops bad trials, and does not try all.",
            "5 + 25 + 125 + 625。所以要随机搜索并及早停掉差的尝试，而不是逐个试遍。",
        ),
        [
            (
                DEPTHS * WIDTHS,
                "That is with the same width in every layer. Here each layer has a width of its own.",
                "这是每层宽度相同的情况；这里每一层各有自己的宽度。",
            ),
            (
                WIDTHS**DEPTHS,
                "Those are the networks with four hidden layers. There are also those with one, two and three.",
                "这只是四个隐藏层的网络，还有一层、两层和三层的。",
            ),
            (
                sum(WIDTHS**depth for depth in range(1, DEPTHS)),
                "Those have one to three hidden layers. There may be four.",
                "这只算了一到三个隐藏层，还有四层的。",
            ),
            (
                DEPTHS**WIDTHS,
                "The other way round: each of the layers chooses among five widths.",
                "反了：是每一层在五种宽度里选一种。",
            ),
        ],
        (
            "With d hidden layers there are 5 to the power of d choices. Add them for d = 1 to 4.",
            "有 d 个隐藏层时，共有 5 的 d 次方种选择。对 d = 1 到 4 求和。",
        ),
    )
    return count, spread, grid
