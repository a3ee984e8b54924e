"""Chapter 10: convolution, recurrence and shortcuts."""

from __future__ import annotations

import math

import autograd as ag
import nn
from viz.lesson.answers import said
from viz.lesson.exercises import Exercise

SIDE, FILTER, STRIDE, PADDING, CHANNELS = 28, 5, 2, 1, 6
FACTOR, STEPS = 0.9, 50
DEPTH = 20


def exercises() -> tuple[Exercise, ...]:
    """The size of a feature map; a gradient over time; a gradient through twenty layers with shortcuts."""
    layer = nn.Conv2d(1, CHANNELS, FILTER, stride=STRIDE, padding=PADDING, seed=0)
    size = layer(ag.zeros((1, 1, SIDE, SIDE), dtype="float32")).shape[-1]
    bare = nn.Conv2d(1, CHANNELS, FILTER, stride=STRIDE, seed=0)
    dense = nn.Conv2d(1, CHANNELS, FILTER, padding=PADDING, seed=0)
    unpadded, unstrided = (net(ag.zeros((1, 1, SIDE, SIDE), dtype="float32")).shape[-1] for net in (bare, dense))
    window = Exercise(
        size,
        (
            "(28 + 2·1 - 5) / 2 is 12.5. There is no room for half a step, and the first position counts: 12 + 1.",
            "(28 + 2·1 - 5) / 2 = 12.5。半步放不下，再加上起点：12 + 1。",
        ),
        [
            (
                size - 1,
                f"You counted steps: there is one more position. Or you left out the padding: {unpadded} as well.",
                f"你数的是步数，位置要比步数多一；或者漏了填充，那样也得到 {unpadded}。",
            ),
            (
                size + 1,
                "You rounded up. Where the filter would reach beyond the padding there is no output.",
                "你向上取整了。滤波器超出填充范围的地方没有输出。",
            ),
            (
                size * size,
                "That is the number of positions in the picture. The question is how many there are along one side.",
                "这是整张图片上的位置数；问的是一条边上有几个。",
            ),
            (
                unstrided,
                "That is with stride 1. The filter moves two pixels at a time.",
                "这是步幅为 1 的情况；滤波器一次移动两个像素。",
            ),
        ],
        (
            "How many positions, two pixels apart, does a filter of width 5 have on a row of 28 + 2·1 pixels?",
            "在一行 28 + 2·1 个像素上，宽 5 的滤波器每次移两个像素，有几个位置？",
        ),
    )

    h = ag.Tensor(1.0, requires_grad=True)
    last, _ = ag.scan(lambda h, _: (FACTOR * h, None), h, length=STEPS)
    (kept,) = ag.gradients([last], [h])
    time = Exercise(
        kept,
        (
            f"0.9 to the power of {STEPS}: the start is hardly felt. With a factor above 1 the gradient would explode.",
            f"0.9 连乘 {STEPS} 次：几乎感觉不到起点。因子大于 1 时梯度就会爆炸。",
        ),
        [
            (
                FACTOR * STEPS,
                "You multiplied by the number of steps. Each step multiplies by 0.9 again: a power.",
                "你乘了步数。每一步都再乘一次 0.9，应该是幂。",
            ),
            (FACTOR, "That is one step. There are 50.", "这只是一步；共有 50 步。"),
            (
                math.exp(-STEPS * FACTOR),
                "It is small, but not as small: the factor at each step is 0.9.",
                "结果很小，但没有那么小：每一步的因子就是 0.9。",
            ),
            (FACTOR ** (STEPS - 1), "That is 49 steps. The exponent is 50.", "这是 49 步；指数应是 50。"),
        ],
        (
            "The chain rule has one factor 0.9 for each step, and the factors are multiplied.",
            "链式法则中每一步有一个因子 0.9，它们要相乘。",
        ),
    )

    local = ag.grad(ag.sigmoid)(0.0).item()
    plain, shortcut = local**DEPTH, (1 + local) ** DEPTH
    residual = Exercise(
        shortcut,
        (
            f"Each block is x + σ(x), with slope 1 + {said(local)}. Without the 1 only {said(plain)} would arrive.",
            f"每一块是 x + σ(x)，斜率是 1 + {said(local)}。没有那个 1 就只剩 {said(plain)}：什么也传不到。",
        ),
        [
            (
                plain,
                "That is without shortcuts. With them a block also passes the gradient on unchanged: slope 1 + 0.25.",
                "这是没有捷径的情况。有捷径时，每一块还会把梯度原样传下去：斜率是 1 + 0.25。",
            ),
            (
                1 + plain,
                "One shortcut around all twenty layers gives that. Here each layer has its own.",
                "这是一条捷径跨过全部二十层的结果；这里每一层各有一条。",
            ),
            (
                1.0,
                "The shortcuts alone give 1. The layers add their own paths: 1 + 0.25 at each block.",
                "只走捷径是 1；各层自己的路径也要加上：每块是 1 + 0.25。",
            ),
            (
                1 + DEPTH * local,
                "You added the slopes. The blocks stand one after the other, so their slopes are multiplied.",
                "你把斜率相加了。各块前后相接，斜率应相乘。",
            ),
            (
                DEPTH * (1 + local),
                "You multiplied by the number of blocks. Each block multiplies once more: a power.",
                "你乘了块数。每一块都再乘一次，应该是幂。",
            ),
            (1 + local, "That is one block. There are twenty.", "这只是一块；共有二十块。"),
        ],
        (
            "The slope of x + σ(x) where σ' = 0.25, to the power of 20.",
            "先求 σ' = 0.25 处 x + σ(x) 的斜率，再取 20 次方。",
        ),
    )
    return window, time, residual
