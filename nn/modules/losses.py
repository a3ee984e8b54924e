"""Losses as modules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from glassgrad.autograd import Tensor, asarray
from glassgrad.autograd.common.validation import choice
from glassgrad.nn import functional as F
from glassgrad.nn.functional.losses import REDUCTIONS, positive
from glassgrad.nn.modules.module import Module


class _Loss(Module):
    """Base of the losses. A loss is not part of a network, so calling it records no scope."""

    function: ClassVar[Callable[..., Tensor]]
    options: ClassVar[tuple[str, ...]] = ()

    def __init__(self, *, reduction: str = "mean") -> None:
        self.reduction = choice(reduction, "reduction", REDUCTIONS)

    def __call__(self, prediction: Any, target: Any) -> Tensor:
        return self.forward(prediction, target)

    def forward(self, prediction: Any, target: Any) -> Tensor:
        """Predictions and targets, as the function takes them, to a scalar; to each loss with ``reduction="none"``."""
        options = {name: getattr(self, name) for name in self.options}
        return self.function(prediction, target, reduction=self.reduction, **options)


class MSELoss(_Loss):
    """`nn.functional.mse_loss` as a module."""

    function = staticmethod(F.mse_loss)


class L1Loss(_Loss):
    """`nn.functional.l1_loss` as a module."""

    function = staticmethod(F.l1_loss)


class HuberLoss(_Loss):
    """`nn.functional.huber_loss` as a module."""

    function = staticmethod(F.huber_loss)
    options = ("delta",)

    def __init__(self, *, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__(reduction=reduction)
        self.delta = positive(delta, "delta")


class BCEWithLogitsLoss(_Loss):
    """`nn.functional.binary_cross_entropy_with_logits` as a module."""

    function = staticmethod(F.binary_cross_entropy_with_logits)


class NLLLoss(_Loss):
    """`nn.functional.nll_loss` as a module; the ``weight`` of classes is a buffer."""

    function: ClassVar[Callable[..., Tensor]] = staticmethod(F.nll_loss)
    options: ClassVar[tuple[str, ...]] = ("weight", "ignore_index")
    weight: Tensor | None = None

    def __init__(self, weight: Any = None, *, ignore_index: int | None = None, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self.ignore_index = ignore_index
        if weight is not None:
            self.register_buffer("weight", asarray(weight))


class CrossEntropyLoss(NLLLoss):
    """`nn.functional.cross_entropy` as a module; the ``weight`` of classes is a buffer."""

    function = staticmethod(F.cross_entropy)
    options = ("weight", "ignore_index", "label_smoothing")

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
