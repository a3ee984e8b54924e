"""Losses."""

from __future__ import annotations

from functools import partial

from glassgrad import autograd as ag
from glassgrad.nn.functional import losses
from glassgrad.nn.saving.onnx.table import number, operator


@operator("NegativeLogLikelihoodLoss")
def nll_loss(log_prob, target, weight=None, *, ignore_index=None, reduction="mean"):
    """Minus the log-probability (batch, classes, ...) of each label (batch, ...), weighted by class."""
    log_prob = ag.moveaxis(log_prob, 1, -1)
    return losses.nll_loss(log_prob, target, weight, ignore_index=ignore_index, reduction=reduction)


@operator("SoftmaxCrossEntropyLoss")
def softmax_cross_entropy(scores, labels, weights=None, *, ignore_index=None, reduction="mean", outputs=1):
    """The negative log-likelihood of the softmax of scores (batch, classes, ...)."""
    given = ag.moveaxis(scores, 1, -1), labels, weights
    loss = losses.cross_entropy(*given, reduction=reduction, ignore_index=ignore_index)
    return loss if outputs < 2 else (loss, ag.log_softmax(scores, axis=1))


# ------------------------------------------------------------------------------------------------------------ updates


def _updated(rule, per_parameter, rate, count, *values, **options):
    """An update of any number of parameters: inputs are R, T, then all parameters, all gradients, all states."""
    n = len(values) // per_parameter
    found = [rule(rate, count, *values[i::n], **options) for i in range(n)]
    return tuple(value for part in zip(*found, strict=True) for value in part)


def _adagrad(rate, count, x, g, h, *, decay_factor=0.0, epsilon=1e-6, norm_coefficient=0.0):
    g = g + norm_coefficient * x
    h = h + g * g
    return x - rate / (1 + number(count) * decay_factor) * g / (ag.sqrt(h) + epsilon), h


def _momentum(rate, count, x, g, v, *, alpha, beta, mode, norm_coefficient):
    g = g + norm_coefficient * x
    v = alpha * v + (beta if number(count) > 0 else 1.0) * g
    return x - rate * (g + alpha * v if mode == "nesterov" else v), v


def _adam(
    rate, count, x, g, v, h, *, alpha=0.9, beta=0.999, epsilon=1e-6, norm_coefficient=0.0, norm_coefficient_post=0.0
):
    g = g + norm_coefficient * x
    v, h = alpha * v + (1 - alpha) * g, beta * h + (1 - beta) * g * g
    t = number(count)
    if t > 0:
        rate = rate * ((1 - beta**t) ** 0.5 / (1 - alpha**t))
    x = x - rate * v / (ag.sqrt(h) + epsilon)
    return (1 - norm_coefficient_post) * x, v, h


for _name, _rule, _count in (("Adagrad", _adagrad, 3), ("Momentum", _momentum, 3), ("Adam", _adam, 4)):
    operator(f"ai.onnx.preview.training::{_name}", known="count", passes=_rule)(partial(_updated, _rule, _count))
