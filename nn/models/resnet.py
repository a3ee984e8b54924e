"""ResNet: K. He, X. Zhang, S. Ren and J. Sun, "Deep residual learning for image recognition", 2016."""

from __future__ import annotations

from typing import Any, ClassVar, Unpack

from glassgrad.autograd import Tensor
from glassgrad.autograd.common.validation import choice
from glassgrad.nn.modules.activation import ReLU
from glassgrad.nn.modules.containers import Sequential
from glassgrad.nn.modules.convolution import Conv2d
from glassgrad.nn.modules.linear import Flatten, Linear
from glassgrad.nn.modules.module import Drawn, Module, placed
from glassgrad.nn.modules.normalization import BatchNorm2d
from glassgrad.nn.modules.pooling import AdaptiveAvgPool2d, MaxPool2d


class Block(Module):
    """Convolutions beside a shortcut, whose output is added to theirs; the first one of 3×3 has the stride."""

    kernels: ClassVar[tuple[int, ...]]
    expansion: ClassVar[int] = 1  # the last convolution has so many times the ``width``

    def __init__(self, inputs: int, width: int, stride: int, made: Drawn) -> None:
        outputs, before = width * self.expansion, inputs
        for i, kernel in enumerate(self.kernels):
            after = outputs if i + 1 == len(self.kernels) else width
            step = stride if i == self.kernels.index(3) else 1
            conv = Conv2d(before, after, kernel, step, kernel // 2, bias=False, **made)
            setattr(self, f"conv{i + 1}", conv)
            setattr(self, f"bn{i + 1}", BatchNorm2d(after, **placed(made)))
            before = after
        self.relu = ReLU()
        self.downsample = None  # the input itself is added, unless the shape changes
        if stride > 1 or inputs != outputs:
            shortcut = Conv2d(inputs, outputs, 1, stride, bias=False, **made)
            self.downsample = Sequential(shortcut, BatchNorm2d(outputs, **placed(made)))

    def forward(self, x: Any) -> Tensor:
        """``(batch, inputs, height, width)`` to ``(batch, expansion · width, …)``, its space divided by the stride."""
        out = x
        for i in range(1, len(self.kernels) + 1):
            out = out if i == 1 else self.relu(out)
            out = getattr(self, f"bn{i}")(getattr(self, f"conv{i}")(out))
        return self.relu(out + (x if self.downsample is None else self.downsample(x)))


class BasicBlock(Block):
    """Two 3×3 convolutions beside a shortcut."""

    kernels = (3, 3)


class Bottleneck(Block):
    """A 1×1 convolution to fewer channels, a 3×3 one, a 1×1 one to four times as many, beside a shortcut."""

    kernels = (1, 3, 1)
    expansion = 4


LAYERS: dict[int, tuple[type[Block], tuple[int, ...]]] = {
    18: (BasicBlock, (2, 2, 2, 2)),
    34: (BasicBlock, (3, 4, 6, 3)),
    50: (Bottleneck, (3, 4, 6, 3)),
    101: (Bottleneck, (3, 4, 23, 3)),
    152: (Bottleneck, (3, 8, 36, 3)),
}
"""The block and the number of blocks in each stage, by depth."""


class ResNet(Module):
    """A stem, four stages of residual blocks, and one linear layer on the mean over space.

    ``depth``: 18, 34, 50, 101 or 152. ``small``: a 3×3 stem without pooling, for images of at least 16×16. Input
    ``(batch, channels, height, width)``, output logits ``(batch, classes)``. The stride of a bottleneck is on its 3×3
    convolution, and parameters are named as torchvision's.
    """

    def __init__(
        self, depth: int = 18, classes: int = 1000, channels: int = 3, small: bool = False, **made: Unpack[Drawn]
    ) -> None:
        block, counts = LAYERS[choice(depth, "depth", LAYERS)]
        self.conv1 = Conv2d(channels, 64, *((3, 1, 1) if small else (7, 2, 3)), bias=False, **made)
        self.bn1 = BatchNorm2d(64, **placed(made))
        self.relu = ReLU()
        self.maxpool = None if small else MaxPool2d(3, 2, 1)
        inputs = 64
        for stage, count in enumerate(counts):
            width, blocks = 64 << stage, []
            for i in range(count):
                blocks.append(block(inputs, width, 2 if stage and not i else 1, made))
                inputs = width * block.expansion
            setattr(self, f"layer{stage + 1}", Sequential(*blocks))
        self.avgpool = AdaptiveAvgPool2d(1)
        self.flatten = Flatten()
        self.fc = Linear(inputs, classes, **made)

    def forward(self, x: Any) -> Tensor:
        """Images ``(batch, channels, height, width)`` to logits ``(batch, classes)``."""
        x = self.relu(self.bn1(self.conv1(x)))
        x = x if self.maxpool is None else self.maxpool(x)
        for stage in range(1, 5):
            x = getattr(self, f"layer{stage}")(x)
        return self.fc(self.flatten(self.avgpool(x)))


def resnet18(classes: int = 1000, **options: Any) -> ResNet:
    """`ResNet` with 18 layers: 11,689,512 parameters for 1000 classes.

    ``options``: ``channels``, ``small`` (a 3×3 stem, for images of at least 16×16), ``seed``, ``dtype``, ``device``.
    """
    return ResNet(18, classes, **options)


def resnet34(classes: int = 1000, **options: Any) -> ResNet:
    """`ResNet` with 34 layers: 21,797,672 parameters for 1000 classes.

    ``options``: ``channels``, ``small`` (a 3×3 stem, for images of at least 16×16), ``seed``, ``dtype``, ``device``.
    """
    return ResNet(34, classes, **options)


def resnet50(classes: int = 1000, **options: Any) -> ResNet:
    """`ResNet` with 50 layers: 25,557,032 parameters for 1000 classes.

    ``options``: ``channels``, ``small`` (a 3×3 stem, for images of at least 16×16), ``seed``, ``dtype``, ``device``.
    """
    return ResNet(50, classes, **options)


def resnet101(classes: int = 1000, **options: Any) -> ResNet:
    """`ResNet` with 101 layers: 44,549,160 parameters for 1000 classes.

    ``options``: ``channels``, ``small`` (a 3×3 stem, for images of at least 16×16), ``seed``, ``dtype``, ``device``.
    """
    return ResNet(101, classes, **options)


def resnet152(classes: int = 1000, **options: Any) -> ResNet:
    """`ResNet` with 152 layers: 60,192,808 parameters for 1000 classes.

    ``options``: ``channels``, ``small`` (a 3×3 stem, for images of at least 16×16), ``seed``, ``dtype``, ``device``.
    """
    return ResNet(152, classes, **options)
