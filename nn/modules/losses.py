"""Losses as modules."""

from __future__ import annotations

from typing import Any

from glassgrad.autograd import Tensor, asarray
from glassgrad.autograd.common.validation import choice, number
from glassgrad.nn import functional as F
from glassgrad.nn.functional.losses import REDUCTIONS
from glassgrad.nn.modules.module import FunctionModule


class _Loss(FunctionModule):
    """Base of the losses. A loss is not part of a network, so calling it records no scope."""

    def __init__(self, *, reduction: str = "mean") -> None:
        self.reduction = choice(reduction, "reduction", REDUCTIONS)

    def __call__(self, prediction: Any, target: Any) -> Tensor:
        """Predictions and targets, as the function takes them, to a scalar; to each loss with ``reduction="none"``."""
        return self.forward(prediction, target)


class MSELoss(_Loss, function=F.mse_loss):
    """`nn.functional.mse_loss` as a module."""


class L1Loss(_Loss, function=F.l1_loss):
    """`nn.functional.l1_loss` as a module."""


class HuberLoss(_Loss, function=F.huber_loss):
    """`nn.functional.huber_loss` as a module."""

    def __init__(self, *, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__(reduction=reduction)
        self.delta = number(delta, "delta", 1e-300)


class BCEWithLogitsLoss(_Loss, function=F.binary_cross_entropy_with_logits):
    """`nn.functional.binary_cross_entropy_with_logits` as a module."""


class NLLLoss(_Loss, function=F.nll_loss):
    """`nn.functional.nll_loss` as a module; the ``weight`` of classes is a buffer."""

    weight: Tensor | None = None

    def __init__(self, weight: Any = None, *, ignore_index: int | None = None, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self.ignore_index = ignore_index
        if weight is not None:
            self.register_buffer("weight", asarray(weight))


class CrossEntropyLoss(NLLLoss, function=F.cross_entropy):
    """`nn.functional.cross_entropy` as a module; the ``weight`` of classes is a buffer."""

    def __init__(
        self,
        weight: Any = None,
        *,
        ignore_index: int | None = None,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(weight, ignore_index=ignore_index, reduction=reduction)
        self.label_smoothing = label_smoothing
