"""Functions of layers and losses under PyTorch's names. Most are operations of `autograd`."""

from __future__ import annotations

from glassgrad.autograd import gelu, leaky_relu, linear, log_softmax, relu, sigmoid, softmax, softplus, tanh
from glassgrad.nn.functional.activations import elu, silu
from glassgrad.nn.functional.attention import embedding, scaled_dot_product_attention
from glassgrad.nn.functional.losses import (
    binary_cross_entropy_with_logits,
    cross_entropy,
    huber_loss,
    l1_loss,
    mse_loss,
    nll_loss,
    one_hot,
)
from glassgrad.nn.functional.normalization import batch_norm, group_norm, instance_norm, layer_norm, rms_norm
from glassgrad.nn.functional.regularization import dropout, dropout1d, dropout2d, dropout3d
from glassgrad.nn.functional.spatial import (
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    adaptive_avg_pool3d,
    adaptive_max_pool1d,
    adaptive_max_pool2d,
    adaptive_max_pool3d,
    avg_pool1d,
    avg_pool2d,
    avg_pool3d,
    conv1d,
    conv2d,
    conv3d,
    conv_transpose1d,
    conv_transpose2d,
    conv_transpose3d,
    fold,
    interpolate,
    local_response_norm,
    max_pool1d,
    max_pool2d,
    max_pool3d,
    pad,
    unfold,
)

__all__ = [
    "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d", "adaptive_max_pool1d",
    "adaptive_max_pool2d", "adaptive_max_pool3d", "avg_pool1d", "avg_pool2d", "avg_pool3d", "batch_norm",
    "binary_cross_entropy_with_logits", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d",
    "conv_transpose3d", "cross_entropy", "dropout", "dropout1d", "dropout2d", "dropout3d", "elu", "embedding", "fold",
    "gelu", "group_norm", "huber_loss", "instance_norm", "interpolate", "l1_loss", "layer_norm", "leaky_relu", "linear",
    "local_response_norm", "log_softmax", "max_pool1d", "max_pool2d", "max_pool3d", "mse_loss", "nll_loss", "one_hot",
    "pad", "relu", "rms_norm", "scaled_dot_product_attention", "sigmoid", "silu", "softmax",
    "softplus", "tanh", "unfold",
]  # fmt: skip
