"""Chapter 10: convolution, recurrence and shortcuts."""

from __future__ import annotations

import math

from glassgrad import autograd as ag
from glassgrad import nn
from glassgrad.viz.lesson.exercises import Exercise

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
        "(28 + 2·1 - 5) / 2 is 12.5. There is no room for half a step, and the first position counts: 12 + 1.",
        {
            "You counted steps: there is one more position. Or you left out the padding: {unpadded} as well.": size - 1,
            "You rounded up. Where the filter would reach beyond the padding there is no output.": size + 1,
            "That is the number of positions in the picture. The question is how many there are along one side.": size
            ** 2,
            "That is with stride 1. The filter moves two pixels at a time.": unstrided,
        },
        "How many positions, two pixels apart, does a filter of width 5 have on a row of 28 + 2·1 pixels?",
        unpadded=unpadded,
    )

    h = ag.Tensor(1.0, requires_grad=True)
    last, _ = ag.scan(lambda h, _: (FACTOR * h, None), h, length=STEPS)
    (kept,) = ag.gradients([last], [h])
    time = Exercise(
        kept,
        "0.9 to the power of {steps}: the start is hardly felt. With a factor above 1 the gradient would explode.",
        {
            "You multiplied by the number of steps. Each step multiplies by 0.9 again: a power.": FACTOR * STEPS,
            "That is one step. There are 50.": FACTOR,
            "It is small, but not as small: the factor at each step is 0.9.": math.exp(-STEPS * FACTOR),
            "That is 49 steps. The exponent is 50.": FACTOR ** (STEPS - 1),
        },
        "The chain rule has one factor 0.9 for each step, and the factors are multiplied.",
        steps=STEPS,
    )

    local = ag.grad(ag.sigmoid)(0.0)
    plain, shortcut, added = local**DEPTH, (1 + local) ** DEPTH, 1 + DEPTH * local
    residual = Exercise(
        shortcut,
        "Each block is x + σ(x), with slope 1 + {local}. Without the 1 only {plain} would arrive.",
        {
            "That is without shortcuts. With them a block also passes the gradient unchanged: slope 1 + 0.25.": plain,
            "One shortcut around all twenty layers gives that. Here each layer has its own.": 1 + plain,
            "The shortcuts alone give 1. The layers add their own paths: 1 + 0.25 at each block.": 1.0,
            "You added the slopes. The blocks stand one after the other, so their slopes are multiplied.": added,
            "You multiplied by the number of blocks. Each block multiplies once more: a power.": DEPTH * (1 + local),
            "That is one block. There are twenty.": 1 + local,
        },
        "The slope of x + σ(x) where σ' = 0.25, to the power of 20.",
        local=local,
        plain=plain,
    )
    return window, time, residual
