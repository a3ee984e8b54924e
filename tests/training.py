"""A training step, as one writes it."""

from collections.abc import Callable
from typing import Any

from glassgrad import autograd as ag
from glassgrad import nn


def updating(optimizer: nn.optim.Optimizer, loss_of: Callable[..., ag.Tensor]) -> Callable[..., ag.Tensor]:
    """The function that computes ``loss_of`` its inputs, updates the parameters, and returns the loss."""

    def step(*inputs: Any) -> ag.Tensor:
        optimizer.zero_grad()
        loss = loss_of(*inputs)
        loss.backward()
        optimizer.step()
        return loss

    return step
