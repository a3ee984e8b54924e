"""Chapter 10: convolution, recurrence and shortcuts."""

import math
from typing import Any

from glassgrad import autograd as ag
from glassgrad import nn

SIDE, FILTER, STRIDE, PADDING = 28, 5, 2, 1
FACTOR, STEPS = 0.9, 50
DEPTH = 20


def window() -> dict[str, Any]:
    """The size of a feature map."""

    def side(**options: Any) -> int:
        return int(nn.Conv2d(1, 6, FILTER, seed=0, **options)(ag.zeros((1, 1, SIDE, SIDE), dtype="float32")).shape[-1])

    answer, unpadded = side(stride=STRIDE, padding=PADDING), side(stride=STRIDE)
    steps, rounded, area, unstrided = answer - 1, answer + 1, answer**2, side(padding=PADDING)
    return locals()


def time() -> dict[str, Any]:
    """A gradient over time."""
    h, factor, steps = ag.Tensor(1.0, requires_grad=True), FACTOR, STEPS
    last, _ = ag.scan(lambda h, _: (FACTOR * h, None), h, length=steps)
    (answer,) = ag.gradients([last], [h])
    multiple, exponential, shorter = factor * steps, math.exp(-steps * factor), factor ** (steps - 1)
    return locals()


def residual() -> dict[str, Any]:
    """A gradient through twenty layers with shortcuts."""
    local = ag.grad(ag.sigmoid)(0.0)
    block = 1 + local
    answer, plain, added, multiple = block**DEPTH, local**DEPTH, 1 + DEPTH * local, DEPTH * block
    around, alone = 1 + plain, 1.0
    return locals()
