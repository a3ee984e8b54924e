"""Chapter 8: hidden layers bend space until a line suffices."""

from __future__ import annotations

import autograd as ag
from viz.lesson.exercises import Exercise

POINTS, LABELS = ((0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0)), (0.0, 1.0, 1.0, 0.0)
STEEP = 20.0
THRESHOLDS = (0.5, 1.5)


def hidden(x: ag.Tensor) -> ag.Tensor:
    """The two hidden neurons: whether at least one input is 1, and whether both are."""
    return ag.sigmoid(STEEP * (ag.sum(x, axis=-1, keepdims=True) - ag.Tensor(THRESHOLDS)))


def exercises() -> tuple[Exercise, ...]:
    """XOR by one neuron; where a hidden layer puts a point; the pieces of a sum of three ReLUs."""
    x, y = ag.Tensor(POINTS), ag.Tensor(LABELS)
    # These lines divide the four points in every way in which a line can divide them.
    axis = ag.linspace(-1.5, 1.5, 13)
    w1, w2, b = (ag.reshape(axis, shape=shape) for shape in ((-1, 1, 1, 1), (1, -1, 1, 1), (1, 1, -1, 1)))
    right = ag.sum(ag.equal(w1 * x[:, 0] + w2 * x[:, 1] + b > 0, y > 0.5), axis=-1)
    best = int(ag.max(right))
    line = Exercise(
        best,
        (
            "A line can cut off one corner, so that three of the four are right. No line gets all four.",
            "一条直线能切下一个角，使四个中三个正确；没有哪条直线能全部分对。",
        ),
        [
            (
                len(POINTS),
                "Try to draw it: a line with (0, 1) and (1, 0) on one side and the other two on the other.",
                "画画看：要有一条直线，一侧是 (0, 1) 和 (1, 0)，另一侧是其余两点。",
            ),
            (
                best - 1,
                "That is what guessing gives. A line that cuts off one corner does better.",
                "这和瞎猜一样。切下一个角的直线会更好。",
            ),
        ],
        (
            "A neuron with a threshold divides the plane by a straight line. Draw the four points.",
            "带阈值的神经元用一条直线把平面分成两半。把四个点画出来。",
        ),
    )

    at = ag.round(hidden(x))
    moved = Exercise(
        at[1],
        (
            "0 + 1 is above 0.5 and below 1.5. (1, 0) goes to the same place: the layer has folded the plane.",
            "0 + 1 大于 0.5 而小于 1.5。(1, 0) 也到了同一处：这一层把平面折叠了起来。",
        ),
        [
            (
                x[1],
                "That is the point itself. Put x1 + x2 into both neurons.",
                "这是点本身。请把 x1 + x2 代入两个神经元。",
            ),
            (
                at[3],
                "That is where (1, 1) goes. Here the sum is 1, less than 1.5.",
                "这是 (1, 1) 去的地方。这里的和是 1，小于 1.5。",
            ),
            (
                at[0],
                "That is where (0, 0) goes. Here the sum is 1, more than 0.5.",
                "这是 (0, 0) 去的地方。这里的和是 1，大于 0.5。",
            ),
            (
                ag.sum(x[1]) - ag.Tensor(THRESHOLDS),
                "Those are the sums before σ. A steep σ makes 1 of what is positive and 0 of what is negative.",
                "这是 σ 之前的和。很陡的 σ 把正数变成 1，负数变成 0。",
            ),
        ],
        (
            "x1 + x2 = 1. Is that above 0.5? Is it above 1.5? A steep σ answers with 1 or 0.",
            "x1 + x2 = 1。它大于 0.5 吗？大于 1.5 吗？很陡的 σ 会用 1 或 0 来回答。",
        ),
    )

    kinks = ag.Tensor([-1.0, 0.0, 2.0])
    u = ag.linspace(-3.0, 3.0, 25) + 0.1
    slopes = ag.grad(lambda u: ag.sum(ag.relu(u[:, None] - kinks)))(u)
    pieces = 1 + int(ag.sum(ag.abs(slopes[1:] - slopes[:-1]) > 0.5))
    n = kinks.size
    bends = Exercise(
        pieces,
        (
            "Each ReLU has one kink, and three kinks divide the line into four pieces. More neurons, more bends.",
            "每个 ReLU 有一个折点，三个折点把直线分成四段。神经元越多，弯折越多。",
        ),
        [
            (
                n,
                "That is the number of kinks. Three cuts make one piece more.",
                "这是折点的个数；切三刀得到的段数要多一。",
            ),
            (
                2**n,
                "Each neuron is on or off, but along a line they switch one after the other.",
                "每个神经元有开关两种状态，但沿着一条直线它们是逐个切换的。",
            ),
            (
                2 * n,
                "Each neuron adds one kink, not two pieces of its own.",
                "每个神经元只增加一个折点，而不是自带两段。",
            ),
            (
                1,
                "Without activations there would be one piece. Each ReLU adds a kink.",
                "没有激活函数才只有一段；每个 ReLU 增加一个折点。",
            ),
        ],
        (
            "Where does ReLU(u - c) change its slope? Count these places for three neurons.",
            "ReLU(u - c) 在哪里改变斜率？数一数三个神经元共有几处。",
        ),
    )
    return line, moved, bends
