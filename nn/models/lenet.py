"""LeNet-5: Y. LeCun, L. Bottou, Y. Bengio and P. Haffner, "Gradient-based learning applied to document recognition",
1998.
"""

from __future__ import annotations

from typing import Any

from autograd import Tensor
from autograd.common.validation import whole
from autograd.errors import DomainError
from nn.init import generator
from nn.modules.activation import ACTIVATIONS
from nn.modules.containers import Sequential
from nn.modules.convolution import Conv2d
from nn.modules.flatten import Flatten
from nn.modules.linear import Linear
from nn.modules.module import PlainModule
from nn.modules.pooling import AvgPool2d


class LeNet5(PlainModule):
    """Two convolutions, each followed by a pooling, and three fully connected layers.

    ``size``: the height and width of the images, from 14 on. ``activation``: a name as `nn.MLP` takes it. Input
    ``(batch, channels, size, size)``, output logits ``(batch, classes)``. The second convolution sees all six maps, as
    is usual today.
    """

    def __init__(
        self,
        classes: int = 10,
        channels: int = 1,
        size: int = 28,
        activation: str = "tanh",
        *,
        seed: Any = None,
        dtype: Any = "float32",
    ) -> None:
        if whole(size, "size") < 14:
            raise DomainError(f"LeNet5: images of {size} × {size} are too small for its windows: give at least 14.")
        if activation not in tuple(ACTIVATIONS):
            raise DomainError(f"LeNet5 has no activation {activation!r}: choose {', '.join(ACTIVATIONS)}.")
        made: dict[str, Any] = {"seed": generator(seed), "dtype": dtype}
        self.classes, self.channels, self.size, self.activation = classes, channels, size, activation
        act, side = ACTIVATIONS[activation], (size // 2 - 4) // 2
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


def lenet5(classes: int = 10, **options: Any) -> LeNet5:
    """`LeNet5`: 61,706 parameters for ten classes and images of 28×28.

    ``options``: ``channels``, ``size``, ``activation``, ``seed``, ``dtype``.
    """
    return LeNet5(classes, **options)
