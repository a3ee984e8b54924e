"""AlexNet: A. Krizhevsky, "One weird trick for parallelizing convolutional neural networks", 2014."""

from __future__ import annotations

from typing import Any

from nn.init import generator
from nn.models.vision import FeatureClassifier
from nn.modules.activation import ReLU
from nn.modules.containers import Sequential
from nn.modules.convolution import Conv2d
from nn.modules.dropout import Dropout
from nn.modules.flatten import Flatten
from nn.modules.linear import Linear
from nn.modules.pooling import AdaptiveAvgPool2d, MaxPool2d


class AlexNet(FeatureClassifier):
    """Five convolutions and three fully connected layers, with the parameters' names of torchvision.

    Input ``(batch, channels, 224, 224)``, or with ``small`` any size from 16 on; output logits ``(batch, classes)``.
    """

    def __init__(
        self,
        classes: int = 1000,
        channels: int = 3,
        small: bool = False,
        dropout: float = 0.5,
        *,
        seed: Any = None,
        dtype: Any = "float32",
    ) -> None:
        draw = generator(seed)
        made: dict[str, Any] = {"seed": draw, "dtype": dtype}
        first = Conv2d(channels, 64, 3, padding=1, **made) if small else Conv2d(channels, 64, 11, 4, 2, **made)
        self.classes, self.channels, self.small, self.dropout = classes, channels, small, dropout
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


def alexnet(classes: int = 1000, **options: Any) -> AlexNet:
    """`AlexNet`: 61,100,840 parameters for 1000 classes.

    ``options``: ``channels``, ``small`` (a 3×3 stem, for images from 16×16 on), ``dropout``, ``seed``, ``dtype``.
    """
    return AlexNet(classes, **options)
