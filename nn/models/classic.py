"""Convolutions followed by fully connected layers: LeNet-5, AlexNet and VGG.

Y. LeCun, L. Bottou, Y. Bengio and P. Haffner, "Gradient-based learning applied to document recognition", 1998.
A. Krizhevsky, "One weird trick for parallelizing convolutional neural networks", 2014.
K. Simonyan and A. Zisserman, "Very deep convolutional networks for large-scale image recognition", 2015.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Unpack

from glassgrad.autograd import Tensor
from glassgrad.autograd.common.validation import choice, whole
from glassgrad.nn.modules.activation import ReLU, activation_layer
from glassgrad.nn.modules.containers import Sequential
from glassgrad.nn.modules.convolution import Conv2d
from glassgrad.nn.modules.dropout import Dropout
from glassgrad.nn.modules.linear import Flatten, Linear
from glassgrad.nn.modules.module import Drawn, Module, placed
from glassgrad.nn.modules.normalization import BatchNorm2d
from glassgrad.nn.modules.pooling import AdaptiveAvgPool2d, AvgPool2d, MaxPool2d


class LeNet5(Module):
    """Two convolutions, each followed by a pooling, and three fully connected layers: 61,706 parameters by default.

    ``size``: the height and width of the images, at least 12. ``activation``: a name as `nn.MLP` takes it. Input
    ``(batch, channels, size, size)``, output logits ``(batch, classes)``. The second convolution sees all six maps, as
    is usual today.
    """

    def __init__(
        self, classes: int = 10, channels: int = 1, size: int = 28, activation: str = "tanh", **made: Unpack[Drawn]
    ) -> None:
        act, side = activation_layer(activation), (whole(size, "size", 12) // 2 - 4) // 2
        self.features = Sequential(
            Conv2d(channels, 6, 5, padding=2, **made), act(), AvgPool2d(2),
            Conv2d(6, 16, 5, **made), act(), AvgPool2d(2),
        )  # fmt: skip
        self.flatten = Flatten()
        self.classifier = Sequential(
            Linear(16 * side * side, 120, **made), act(), Linear(120, 84, **made), act(), Linear(84, classes, **made)
        )

    def forward(self, x: Any) -> Tensor:
        """Images ``(batch, channels, size, size)`` to logits ``(batch, classes)``."""
        return self.classifier(self.flatten(self.features(x)))


lenet5 = LeNet5


class FeatureClassifier(Module):
    """Base of networks that pool the ``features`` of an image to one size and classify them."""

    features: Callable[..., Any]
    avgpool: Callable[..., Any]
    flatten: Callable[..., Any]
    classifier: Callable[..., Any]

    def forward(self, x: Any) -> Tensor:
        """Images ``(batch, channels, height, width)`` to logits ``(batch, classes)``."""
        return self.classifier(self.flatten(self.avgpool(self.features(x))))  # type: ignore[no-any-return]


class AlexNet(FeatureClassifier):
    """Five convolutions and three fully connected layers: 61,100,840 parameters for 1000 classes.

    Input ``(batch, channels, 224, 224)``, or with ``small``, a 3×3 stem, any size of at least 16; output logits
    ``(batch, classes)``. Parameters are named as torchvision's.
    """

    def __init__(
        self, classes: int = 1000, channels: int = 3, small: bool = False, dropout: float = 0.5, **made: Unpack[Drawn]
    ) -> None:
        draw = made["seed"]
        first = Conv2d(channels, 64, 3, padding=1, **made) if small else Conv2d(channels, 64, 11, 4, 2, **made)
        self.features = Sequential(
            first, ReLU(), MaxPool2d(3, 2),
            Conv2d(64, 192, 5, padding=2, **made), ReLU(), MaxPool2d(3, 2),
            Conv2d(192, 384, 3, padding=1, **made), ReLU(),
            Conv2d(384, 256, 3, padding=1, **made), ReLU(),
            Conv2d(256, 256, 3, padding=1, **made), ReLU(), MaxPool2d(3, 2),
        )  # fmt: skip
        side = 1 if small else 6
        self.avgpool = AdaptiveAvgPool2d(side)
        self.flatten = Flatten()
        self.classifier = Sequential(
            Dropout(dropout, seed=draw), Linear(256 * side * side, 4096, **made), ReLU(),
            Dropout(dropout, seed=draw), Linear(4096, 4096, **made), ReLU(),
            Linear(4096, classes, **made),
        )  # fmt: skip


alexnet = AlexNet


CONVOLUTIONS = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}
"""Convolutions in each of the five stages, by depth, the number of layers with weights."""

WIDTHS = 64, 128, 256, 512, 512


class VGG(FeatureClassifier):
    """Stages of 3×3 convolutions, each ended by a max pooling, and three fully connected layers.

    ``depth``: 11, 13, 16 or 19. ``batch_norm``: after every convolution. Input ``(batch, channels, 224, 224)``, or with
    ``small`` any size; output logits ``(batch, classes)``. Parameters are named as torchvision's.
    """

    def __init__(
        self,
        depth: int = 16,
        classes: int = 1000,
        channels: int = 3,
        batch_norm: bool = False,
        small: bool = False,
        dropout: float = 0.5,
        **made: Unpack[Drawn],
    ) -> None:
        choice(depth, "depth", CONVOLUTIONS)
        draw = made["seed"]

        def features() -> Iterator[Module]:
            before = channels
            for width, count in zip(WIDTHS, CONVOLUTIONS[depth], strict=True):
                for _ in range(count):
                    yield Conv2d(before, width, 3, padding=1, **made)
                    if batch_norm:
                        yield BatchNorm2d(width, **placed(made))
                    yield ReLU()
                    before = width
                yield MaxPool2d(2, 2, ceil_mode=small)

        self.features = Sequential(*features())
        side, hidden = (1, 512) if small else (7, 4096)
        self.avgpool = AdaptiveAvgPool2d(side)
        self.flatten = Flatten()
        self.classifier = Sequential(
            Linear(512 * side * side, hidden, **made), ReLU(), Dropout(dropout, seed=draw),
            Linear(hidden, hidden, **made), ReLU(), Dropout(dropout, seed=draw),
            Linear(hidden, classes, **made),
        )  # fmt: skip


def vgg11(classes: int = 1000, **options: Any) -> VGG:
    """`VGG` with 11 layers: 132,863,336 parameters for 1000 classes.

    ``options``: ``channels``, ``batch_norm``, ``small`` (images of at least 16×16), ``dropout``, ``seed``, ``dtype``,
    ``device``.
    """
    return VGG(11, classes, **options)


def vgg13(classes: int = 1000, **options: Any) -> VGG:
    """`VGG` with 13 layers: 133,047,848 parameters for 1000 classes.

    ``options``: ``channels``, ``batch_norm``, ``small`` (images of at least 16×16), ``dropout``, ``seed``, ``dtype``,
    ``device``.
    """
    return VGG(13, classes, **options)


def vgg16(classes: int = 1000, **options: Any) -> VGG:
    """`VGG` with 16 layers: 138,357,544 parameters for 1000 classes.

    ``options``: ``channels``, ``batch_norm``, ``small`` (images of at least 16×16), ``dropout``, ``seed``, ``dtype``,
    ``device``.
    """
    return VGG(16, classes, **options)


def vgg19(classes: int = 1000, **options: Any) -> VGG:
    """`VGG` with 19 layers: 143,667,240 parameters for 1000 classes.

    ``options``: ``channels``, ``batch_norm``, ``small`` (images of at least 16×16), ``dropout``, ``seed``, ``dtype``,
    ``device``.
    """
    return VGG(19, classes, **options)
