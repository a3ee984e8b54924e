"""Losses as modules."""

from __future__ import annotations

from typing import Any

from autograd import Tensor, asarray
from nn import functional as F
from nn.modules.module import Module


class _Loss(Module):
    """Base of the losses. A loss is not part of a network, so calling it records no scope."""

    def __init__(self, reduction: str = "mean") -> None:
        self.reduction = reduction

    def __call__(self, prediction: Any, target: Any) -> Tensor:
        return self.forward(prediction, target)  # type: ignore[no-any-return]


class CrossEntropyLoss(_Loss):
    """`nn.functional.cross_entropy` as a module; the ``weight`` of classes is a buffer."""

    def __init__(
        self,
        reduction: str = "mean",
        *,
        weight: Any = None,
        ignore_index: int | None = None,
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(reduction)
        self.ignore_index = ignore_index
        self.label_smoothing = label_smoothing
        if weight is None:
            self.weight = None
        else:
            self.register_buffer("weight", asarray(weight))

    def forward(self, logits: Any, labels: Any) -> Tensor:
        """Logits ``(…, classes)`` and integer labels ``(…)`` or probabilities ``(…, classes)`` to a scalar."""
        return F.cross_entropy(
            logits,
            labels,
            self.reduction,
            weight=self.weight,
            ignore_index=self.ignore_index,
            label_smoothing=self.label_smoothing,
        )


class MSELoss(_Loss):
    """`nn.functional.mse_loss` as a module."""

    def forward(self, prediction: Any, target: Any) -> Tensor:
        """Predictions and targets of one shape to a scalar."""
        return F.mse_loss(prediction, target, reduction=self.reduction)


class BCEWithLogitsLoss(_Loss):
    """`nn.functional.binary_cross_entropy_with_logits` as a module."""

    def forward(self, logits: Any, target: Any) -> Tensor:
        """Logits and targets in [0, 1] of one shape to a scalar."""
        return F.binary_cross_entropy_with_logits(logits, target, reduction=self.reduction)
