"""Neural networks on top of `autograd`: layers, losses, optimizers, data, training, saving. float32 is the default."""

from typing import TYPE_CHECKING as _TYPE_CHECKING

import autograd

if not (hasattr(autograd, "OPS") and hasattr(autograd, "Graph")):
    import sys

    sentence = (
        "nn needs the autograd of glassgrad, and `import autograd` found another project's in "
        f"{next(iter(getattr(autograd, '__path__', '?')))}: the two can't share an environment; install glassgrad in a "
        "fresh one (python -m venv)."
    )
    if sys.argv[:1] == ["-m"]:  # `python -m nn` is starting: no traceback for its user
        print(f"python -m nn: {sentence}", file=sys.stderr)
        sys.exit(2)
    raise ImportError(sentence)

from autograd.interop.hints import NETWORKS as _NETWORKS
from autograd.interop.hints import missing as _missing
from nn import data, functional, init, models, optim, parallel, tuning
from nn.models import MLP
from nn.modules.activation import (
    ELU,
    GELU,
    Identity,
    LeakyReLU,
    LogSoftmax,
    ReLU,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Tanh,
)
from nn.modules.attention import MultiheadAttention, TransformerEncoderLayer
from nn.modules.containers import ModuleDict, ModuleList, Residual, Sequential
from nn.modules.convolution import Conv1d, Conv2d, Conv3d, ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from nn.modules.dropout import Dropout, Dropout1d, Dropout2d, Dropout3d
from nn.modules.embedding import Embedding, PositionalEncoding
from nn.modules.linear import Flatten, Linear, Unflatten
from nn.modules.losses import (
    BCEWithLogitsLoss,
    CrossEntropyLoss,
    HuberLoss,
    L1Loss,
    MSELoss,
    NLLLoss,
    SmoothL1Loss,
)
from nn.modules.module import Module, Parameter, activations, functional_call
from nn.modules.normalization import (
    BatchNorm1d,
    BatchNorm2d,
    BatchNorm3d,
    GroupNorm,
    InstanceNorm1d,
    InstanceNorm2d,
    InstanceNorm3d,
    LayerNorm,
    RMSNorm,
)
from nn.modules.pooling import (
    AdaptiveAvgPool1d,
    AdaptiveAvgPool2d,
    AdaptiveAvgPool3d,
    AdaptiveMaxPool1d,
    AdaptiveMaxPool2d,
    AdaptiveMaxPool3d,
    AvgPool1d,
    AvgPool2d,
    AvgPool3d,
    LocalResponseNorm,
    MaxPool1d,
    MaxPool2d,
    MaxPool3d,
)
from nn.modules.recurrent import GRU, LSTM, RNN, GRUCell, LSTMCell, RNNCell
from nn.saving import load, load_metadata, load_model, save
from nn.saving.onnx import load_onnx, save_onnx
from nn.saving.pytorch import from_torch
from nn.training import History, evaluate, fit
from nn.tuning import search

if not _TYPE_CHECKING:  # so that type checkers report missing names
    __getattr__ = _missing(__name__, _NETWORKS)


__all__ = [
    "AdaptiveAvgPool1d", "AdaptiveAvgPool2d", "AdaptiveAvgPool3d", "AdaptiveMaxPool1d", "AdaptiveMaxPool2d",
    "AdaptiveMaxPool3d", "AvgPool1d", "AvgPool2d", "AvgPool3d", "BCEWithLogitsLoss", "BatchNorm1d", "BatchNorm2d",
    "BatchNorm3d", "Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d",
    "CrossEntropyLoss", "Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "ELU", "Embedding", "Flatten", "GELU", "GRU",
    "GRUCell", "GroupNorm", "History", "HuberLoss", "Identity", "InstanceNorm1d", "InstanceNorm2d", "InstanceNorm3d",
    "L1Loss", "LSTM", "LSTMCell", "LayerNorm", "LeakyReLU", "Linear", "LocalResponseNorm", "LogSoftmax", "MLP",
    "MSELoss", "MaxPool1d", "MaxPool2d", "MaxPool3d", "Module", "ModuleDict", "ModuleList", "MultiheadAttention",
    "NLLLoss", "Parameter", "PositionalEncoding", "RMSNorm", "RNN", "RNNCell", "ReLU", "Residual", "Sequential", "SiLU",
    "Sigmoid", "SmoothL1Loss", "Softmax", "Softplus", "Tanh", "TransformerEncoderLayer", "Unflatten", "activations",
    "data", "evaluate", "fit", "from_torch", "functional", "functional_call", "init", "load", "load_metadata",
    "load_model", "load_onnx", "models", "optim", "parallel", "save", "save_onnx", "search", "tuning",
]  # fmt: skip
