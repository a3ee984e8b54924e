"""Losses as modules."""

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad import nn

X = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)


@pytest.mark.parametrize(
    ("loss", "function"),
    [
        (nn.CrossEntropyLoss, nn.functional.cross_entropy),
        (nn.MSELoss, nn.functional.mse_loss),
        (nn.BCEWithLogitsLoss, nn.functional.binary_cross_entropy_with_logits),
        (nn.L1Loss, nn.functional.l1_loss),
        (nn.HuberLoss, nn.functional.huber_loss),
    ],
)
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_losses_equal_the_functions_and_have_no_scope(loss, function, reduction):
    output = ag.Tensor(X, requires_grad=True)
    target = np.abs(X) / np.abs(X).sum(1, keepdims=True)
    module = loss(reduction=reduction)
    value = module(output, target)
    assert value.item() == function(output, target, reduction=reduction).item()
    assert value.node.scope is None
    assert repr(module) == f"{loss.__name__}({'' if reduction == 'mean' else 'reduction=' + repr(reduction)})"


def test_options_of_the_cross_entropy_module():
    labels, weight = [0, 1, -1, 2, 2], [1.0, 2.0, 0.5]
    module = nn.CrossEntropyLoss(weight, ignore_index=-1, label_smoothing=0.1)
    expected = nn.functional.cross_entropy(X, labels, weight=weight, ignore_index=-1, label_smoothing=0.1)
    assert module(X, labels).item() == expected.item()
    assert dict(module.named_buffers())["weight"].tolist() == weight
    assert repr(module) == "CrossEntropyLoss(weight=(1.0, 2.0, 0.5), ignore_index=-1, label_smoothing=0.1)"
