"""Neural networks on top of `autograd`: layers, losses, optimizers, data, training, saving. float32 is the default."""

import sys as _sys

from glassgrad.nn import data, functional, init, models, optim, parallel, tuning
from glassgrad.nn.hints import name_what_is_missing as _name_what_is_missing
from glassgrad.nn.models import MLP
from glassgrad.nn.modules.activation import (
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
from glassgrad.nn.modules.attention import MultiheadAttention, TransformerEncoderLayer
from glassgrad.nn.modules.containers import ModuleDict, ModuleList, Residual, Sequential
from glassgrad.nn.modules.convolution import Conv1d, Conv2d, Conv3d, ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from glassgrad.nn.modules.dropout import Dropout, Dropout1d, Dropout2d, Dropout3d
from glassgrad.nn.modules.embedding import Embedding, PositionalEncoding
from glassgrad.nn.modules.linear import Flatten, Linear, Unflatten
from glassgrad.nn.modules.losses import BCEWithLogitsLoss, CrossEntropyLoss, HuberLoss, L1Loss, MSELoss, NLLLoss
from glassgrad.nn.modules.module import Module, Parameter, activations, functional_call
from glassgrad.nn.modules.normalization import (
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
from glassgrad.nn.modules.pooling import (
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
from glassgrad.nn.modules.recurrent import GRU, LSTM, RNN, GRUCell, LSTMCell, RNNCell
from glassgrad.nn.saving import load, load_metadata, load_model, save
from glassgrad.nn.saving.onnx import load_onnx, save_onnx
from glassgrad.nn.saving.pytorch import from_torch
from glassgrad.nn.training import History, evaluate, fit
from glassgrad.nn.tuning import search

_name_what_is_missing(data, functional, init, optim, optim.lr_scheduler, _sys.modules[__name__])


__all__ = [
    "AdaptiveAvgPool1d", "AdaptiveAvgPool2d", "AdaptiveAvgPool3d", "AdaptiveMaxPool1d", "AdaptiveMaxPool2d",
    "AdaptiveMaxPool3d", "AvgPool1d", "AvgPool2d", "AvgPool3d", "BCEWithLogitsLoss", "BatchNorm1d", "BatchNorm2d",
    "BatchNorm3d", "Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d",
    "CrossEntropyLoss", "Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "ELU", "Embedding", "Flatten", "GELU", "GRU",
    "GRUCell", "GroupNorm", "History", "HuberLoss", "Identity", "InstanceNorm1d", "InstanceNorm2d", "InstanceNorm3d",
    "L1Loss", "LSTM", "LSTMCell", "LayerNorm", "LeakyReLU", "Linear", "LocalResponseNorm", "LogSoftmax", "MLP",
    "MSELoss", "MaxPool1d", "MaxPool2d", "MaxPool3d", "Module", "ModuleDict", "ModuleList", "MultiheadAttention",
    "NLLLoss", "Parameter", "PositionalEncoding", "RMSNorm", "RNN", "RNNCell", "ReLU", "Residual", "Sequential", "SiLU",
    "Sigmoid", "Softmax", "Softplus", "Tanh", "TransformerEncoderLayer", "Unflatten", "activations",
    "data", "evaluate", "fit", "from_torch", "functional", "functional_call", "init", "load", "load_metadata",
    "load_model", "load_onnx", "models", "optim", "parallel", "save", "save_onnx", "search", "tuning",
]  # fmt: skip
