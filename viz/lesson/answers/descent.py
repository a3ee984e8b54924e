"""Chapter 6: gradient descent by hand, and the learning rate at which it diverges."""

from __future__ import annotations

import autograd as ag
from viz.lesson.answers import TWO, said
from viz.lesson.exercises import Exercise

X, Y, START, RATE = 3.0, 5.0, 0.0, 0.05
SECOND = (1.0, 1.0)


def loss(w: ag.Tensor, x: float = X, y: float = Y) -> ag.Tensor:
    """The squared error of one weight on one example."""
    return (w * x - y) ** 2


def exercises() -> tuple[Exercise, ...]:
    """The first step; the rate at which it diverges; two examples and their mean."""
    slope = ag.grad(loss)(START).item()
    error = (ag.Tensor(START) * X - Y).item()
    step = Exercise(
        START - RATE * slope,
        (
            f"The gradient is 2 (w·x - y)·x = {said(slope)}, the step 0 - {said(RATE)}·({said(slope)}).",
            f"梯度是 2 (w·x - y)·x = {said(slope)}，w 沿反方向走：0 - {said(RATE)}·({said(slope)})。",
        ),
        [
            (
                START + RATE * slope,
                "You went uphill. The step goes against the gradient: minus the rate times the gradient.",
                "你往上坡走了。应沿梯度的反方向：减去学习率乘梯度。",
            ),
            (
                START - RATE * 2 * error,
                "You forgot the factor x: the inner derivative of w·x - y with respect to w.",
                "你忘了因子 x：它是 w·x - y 对 w 的内层导数。",
            ),
            (START - RATE * slope / 2, *TWO),
            (START - slope, "You forgot the learning rate.", "你忘了乘学习率。"),
            (slope, "That is the gradient. Now take the step.", "这是梯度；还要走一步。"),
            (
                RATE * loss(ag.Tensor(START)).item(),
                "You stepped by the loss. The step is the rate times the derivative of the loss.",
                "你用损失本身走了一步；应该用损失的导数。",
            ),
        ],
        ("w - η · dL/dw, with dL/dw = 2 (w·x - y)·x at w = 0.", "w - η · dL/dw，其中 w = 0 处 dL/dw = 2 (w·x - y)·x。"),
    )

    bend = ag.grad(ag.grad(loss))(START).item()
    limit = Exercise(
        2 / bend,
        (
            f"A step multiplies the distance to the minimum by 1 - η·{said(bend)}: by -1 at η = 2/{said(bend)}.",
            f"每一步，到最小值的距离都乘以 1 - η·{said(bend)}。η 达到 2/{said(bend)} 时，它等于 -1，再大就更远。",
        ),
        [
            (
                1 / bend,
                "At that rate the first step lands on the minimum. Twice as much is needed to get no nearer.",
                "用这个学习率，第一步就落在最小值上；要再大一倍才不再靠近。",
            ),
            (bend, "That is the second derivative. The limit is 2 divided by it.", "这是二阶导数；界限是 2 除以它。"),
            (
                2 / (bend / 2),
                "You forgot the 2 of the square: the second derivative is 2·x·x.",
                "你忘了平方的因子 2：二阶导数是 2·x·x。",
            ),
            (
                2 / (bend / X),
                "You used x once. It comes in twice: the second derivative is 2·x·x.",
                "x 你只用了一次，应该有两次：二阶导数是 2·x·x。",
            ),
            (
                0.12,
                "At 0.12 it diverges already, at 0.1 not yet: the limit lies between them. Compute it.",
                "0.12 已经发散，0.1 还没有：界限在两者之间，请把它算出来。",
            ),
            (Y / X, "That is the minimum, not a rate.", "这是最小值的位置，不是学习率。"),
        ],
        (
            "Each step multiplies the distance to the minimum by 1 - η·L''. When is that -1?",
            "每一步把到最小值的距离乘以 1 - η·L''。它何时等于 -1？",
        ),
    )

    other = ag.grad(lambda w: loss(w, *SECOND))(START).item()
    batch = Exercise(
        (slope + other) / 2,
        (
            f"The mean of {said(slope)} and {said(other)}. With the mean, the same rate serves any batch size.",
            f"{said(slope)} 与 {said(other)} 的平均。取平均时，同一学习率适用于任何批量大小。",
        ),
        [
            (
                slope + other,
                "That is the sum. The loss here is the mean of the two errors, so divide by 2.",
                "这是总和。这里的损失是两个误差的平均，所以要除以 2。",
            ),
            ((slope + other) / 4, *TWO),
            (slope, "That is the first example alone.", "这只是第一个样本。"),
            (other, "That is the second example alone.", "这只是第二个样本。"),
            (
                ag.grad(lambda w: loss(w, (X + SECOND[0]) / 2, (Y + SECOND[1]) / 2))(START).item(),
                "You averaged the examples. Average their gradients instead: the loss squares each error first.",
                "你先把样本平均了。应平均它们的梯度：中间隔着平方。",
            ),
            (
                -(slope + other) / 2,
                "The sign is wrong: both predictions are too small, so the loss falls when w grows.",
                "符号反了：两个预测都偏小，w 增大时损失应减小。",
            ),
        ],
        (
            "The gradient of a mean is the mean of the gradients: one for each example, at w = 0.",
            "平均的梯度等于梯度的平均：在 w = 0 处对每个样本各求一个。",
        ),
    )
    return step, limit, batch
