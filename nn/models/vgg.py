"""VGG: K. Simonyan and A. Zisserman, "Very deep convolutional networks for large-scale image recognition", 2015."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from autograd.errors import DomainError
from nn.init import generator
from nn.models.vision import FeatureClassifier, of_depth
from nn.modules.activation import ReLU
from nn.modules.containers import Sequential
from nn.modules.convolution import Conv2d
from nn.modules.dropout import Dropout
from nn.modules.flatten import Flatten
from nn.modules.linear import Linear
from nn.modules.module import Module
from nn.modules.normalization import BatchNorm2d
from nn.modules.pooling import AdaptiveAvgPool2d, MaxPool2d

CONVOLUTIONS = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}
"""How many convolutions each of the five stages has, by the number of layers with weights."""

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
        *,
        seed: Any = None,
        dtype: Any = "float32",
    ) -> None:
        if depth not in tuple(CONVOLUTIONS):
            raise DomainError(f"VGG has no depth {depth!r}: choose {', '.join(map(str, CONVOLUTIONS))}.")
        draw = generator(seed)
        made: dict[str, Any] = {"seed": draw, "dtype": dtype}
        self.depth, self.classes, self.channels = depth, classes, channels
        self.batch_norm, self.small, self.dropout = batch_norm, small, dropout

        def features() -> Iterator[Module]:
            before = channels
            for width, count in zip(WIDTHS, CONVOLUTIONS[depth], strict=True):
                for _ in range(count):
                    yield Conv2d(before, width, 3, padding=1, **made)
                    if batch_norm:
                        yield BatchNorm2d(width, dtype=dtype)
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


OPTIONS = "``channels``, ``batch_norm``, ``small`` (for images from 16×16 on), ``dropout``, ``seed``, ``dtype``"

vgg11 = of_depth(VGG, 11, "132,863,336", OPTIONS)
vgg13 = of_depth(VGG, 13, "133,047,848", OPTIONS)
vgg16 = of_depth(VGG, 16, "138,357,544", OPTIONS)
vgg19 = of_depth(VGG, 19, "143,667,240", OPTIONS)
