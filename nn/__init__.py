"""Networks on top of `autograd`: layers, losses, optimizers, data, training, saving. float32 is the default."""

from typing import TYPE_CHECKING as _TYPE_CHECKING

import autograd

if not (hasattr(autograd, "OPS") and hasattr(autograd, "Graph")):
    import sys

    sentence = (
        "nn needs the autograd of glassgrad, and `import autograd` found another project's in "
        f"{next(iter(getattr(autograd, '__path__', '?')))}: the two can't share an environment; run "
        "`pip uninstall autograd`, then `pip install --force-reinstall glassgrad`."
    )
    if sys.argv[:1] == ["-m"]:  # `python -m nn` is being looked for: whoever typed it has no use for a traceback
        print(f"python -m nn: {sentence}", file=sys.stderr)
        sys.exit(2)
    raise ImportError(sentence)

from nn import data, functional, init, optim, parallel
from nn.modules.layers import (
    GELU,
    MLP,
    BatchNorm1d,
    BCEWithLogitsLoss,
    CrossEntropyLoss,
    Dropout,
    Flatten,
    LayerNorm,
    LeakyReLU,
    Linear,
    MSELoss,
    ReLU,
    Sequential,
    Sigmoid,
    Softmax,
    Softplus,
    Tanh,
)
from nn.modules.module import Module, Parameter
from nn.saving import load, load_metadata, load_model, save
from nn.training import History, evaluate, fit

if not _TYPE_CHECKING:  # a checker is to see what is not there

    def __getattr__(name: str) -> object:
        from autograd.interop.hints import NETWORKS, hint

        raise AttributeError(f"nn has no {name!r}{hint(name, NETWORKS)}.")


__all__ = [
    "GELU",
    "MLP",
    "BCEWithLogitsLoss",
    "BatchNorm1d",
    "CrossEntropyLoss",
    "Dropout",
    "Flatten",
    "History",
    "LayerNorm",
    "LeakyReLU",
    "Linear",
    "MSELoss",
    "Module",
    "Parameter",
    "ReLU",
    "Sequential",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Tanh",
    "data",
    "evaluate",
    "fit",
    "functional",
    "init",
    "load",
    "load_metadata",
    "load_model",
    "optim",
    "parallel",
    "save",
]
