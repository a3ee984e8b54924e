"""GoogLeNet: C. Szegedy and others, "Going deeper with convolutions", 2015, with batch normalisation."""

from __future__ import annotations

from typing import Any, NamedTuple, Unpack

from glassgrad.autograd import Tensor, concat
from glassgrad.nn.modules.activation import ReLU
from glassgrad.nn.modules.containers import Sequential
from glassgrad.nn.modules.convolution import Conv2d
from glassgrad.nn.modules.dropout import Dropout
from glassgrad.nn.modules.linear import Flatten, Linear
from glassgrad.nn.modules.module import Drawn, Module, placed
from glassgrad.nn.modules.normalization import BatchNorm2d
from glassgrad.nn.modules.pooling import AdaptiveAvgPool2d, MaxPool2d


class Heads(NamedTuple):
    """The output of a `GoogLeNet` with ``aux`` in training: the logits, and those of the two auxiliary heads."""

    logits: Any
    aux2: Any
    aux1: Any


class BasicConv2d(Module):
    """A convolution without bias that keeps the size, or divides it by ``stride``, batch normalisation and ReLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int, made: Drawn, stride: int = 1) -> None:
        self.conv = Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False, **made)
        self.bn = BatchNorm2d(outputs, eps=0.001, **placed(made))
        self.relu = ReLU()

    def forward(self, x: Any) -> Tensor:
        """``(batch, inputs, height, width)`` to ``(batch, outputs, height, width)``."""
        return self.relu(self.bn(self.conv(x)))


class Inception(Module):
    """Four branches side by side, joined along the channels: 1×1, 3×3, 3×3 behind a narrower 1×1, and max pooling.

    The third branch has 3×3 windows, as in torchvision, where the paper has 5×5.
    """

    def __init__(self, widths: tuple[int, ...], made: Drawn) -> None:
        inputs, one, three_in, three, five_in, five, pool = widths
        self.branch1 = BasicConv2d(inputs, one, 1, made)
        self.branch2 = Sequential(BasicConv2d(inputs, three_in, 1, made), BasicConv2d(three_in, three, 3, made))
        self.branch3 = Sequential(BasicConv2d(inputs, five_in, 1, made), BasicConv2d(five_in, five, 3, made))
        self.branch4 = Sequential(MaxPool2d(3, 1, 1, ceil_mode=True), BasicConv2d(inputs, pool, 1, made))

    def forward(self, x: Any) -> Tensor:
        """``(batch, inputs, height, width)`` to ``(batch, outputs, height, width)``, the outputs of all branches."""
        return concat([self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)], axis=1)


class InceptionAux(Module):
    """An auxiliary classifier in the middle of the network, for larger gradients in its early layers."""

    def __init__(self, inputs: int, classes: int, dropout: float, made: Drawn) -> None:
        self.pool = AdaptiveAvgPool2d(4)
        self.conv = BasicConv2d(inputs, 128, 1, made)
        self.flatten = Flatten()
        self.fc1 = Linear(2048, 1024, **made)
        self.relu = ReLU()
        self.dropout = Dropout(dropout, seed=made["seed"])
        self.fc2 = Linear(1024, classes, **made)

    def forward(self, x: Any) -> Tensor:
        """``(batch, inputs, height, width)`` to logits ``(batch, classes)``."""
        return self.fc2(self.dropout(self.relu(self.fc1(self.flatten(self.conv(self.pool(x)))))))


INCEPTIONS: dict[str, tuple[int, ...]] = {
    "3a": (192, 64, 96, 128, 16, 32, 32),
    "3b": (256, 128, 128, 192, 32, 96, 64),
    "4a": (480, 192, 96, 208, 16, 48, 64),
    "4b": (512, 160, 112, 224, 24, 64, 64),
    "4c": (512, 128, 128, 256, 24, 64, 64),
    "4d": (512, 112, 144, 288, 32, 64, 64),
    "4e": (528, 256, 160, 320, 32, 128, 128),
    "5a": (832, 256, 160, 320, 32, 128, 128),
    "5b": (832, 384, 192, 384, 48, 128, 128),
}
"""The channels of each module: its input, and those of its branches (the paper's table 1)."""


class GoogLeNet(Module):
    """Nine inception modules between a stem and one linear layer, with two auxiliary heads.

    13,004,888 parameters for 1000 classes, 6,624,904 with ``aux=False``. ``aux``: with the auxiliary heads; while
    training the result is then `Heads`, else logits. ``small``: a 3×3 stem without pooling, for images of at least
    16×16. Input ``(batch, channels, height, width)``, logits ``(batch, classes)``. Parameters are named as
    torchvision's.
    """

    def __init__(
        self,
        classes: int = 1000,
        channels: int = 3,
        aux: bool = True,
        small: bool = False,
        dropout: float = 0.2,
        **made: Unpack[Drawn],
    ) -> None:
        draw = made["seed"]
        self.conv1 = BasicConv2d(channels, 64, *((3, made) if small else (7, made, 2)))
        self.maxpool1 = None if small else MaxPool2d(3, 2, ceil_mode=True)
        self.conv2 = BasicConv2d(64, 64, 1, made)
        self.conv3 = BasicConv2d(64, 192, 3, made)
        self.maxpool2 = MaxPool2d(3, 2, ceil_mode=True)
        for name, widths in INCEPTIONS.items():
            setattr(self, f"inception{name}", Inception(widths, made))
        self.maxpool3, self.maxpool4 = MaxPool2d(3, 2, ceil_mode=True), MaxPool2d(2, 2, ceil_mode=True)
        self.aux1 = InceptionAux(512, classes, 0.7, made) if aux else None
        self.aux2 = InceptionAux(528, classes, 0.7, made) if aux else None
        self.avgpool = AdaptiveAvgPool2d(1)
        self.flatten = Flatten()
        self.dropout = Dropout(dropout, seed=draw)
        self.fc = Linear(1024, classes, **made)

    def forward(self, x: Any) -> Tensor | Heads:
        """Images ``(batch, channels, height, width)`` to logits ``(batch, classes)``, or while training to `Heads`."""
        x = self.conv1(x)
        x = x if self.maxpool1 is None else self.maxpool1(x)
        x = self.maxpool2(self.conv3(self.conv2(x)))
        early: dict[str, Any] = {}
        for name in INCEPTIONS:
            if name == "4a":
                x = self.maxpool3(x)
            if name == "5a":
                x = self.maxpool4(x)
            x = getattr(self, f"inception{name}")(x)
            head = {"4a": self.aux1, "4d": self.aux2}.get(name)
            if head is not None and self.training:
                early[name] = head(x)
        logits = self.fc(self.dropout(self.flatten(self.avgpool(x))))
        return Heads(logits, early["4d"], early["4a"]) if early else logits


googlenet = GoogLeNet
