"""The settings of a run: the options of the command line."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from typing import Annotated, Any

import numpy as np

from glassgrad import autograd as ag
from glassgrad.nn import optim
from glassgrad.nn.commands.networks import NETWORKS
from glassgrad.nn.commands.options import Count, From0, Positive, at_least
from glassgrad.nn.commands.terminal import PROGRAM, Refused
from glassgrad.nn.data import DATASETS
from glassgrad.nn.functional import cross_entropy, mse_loss, one_hot


def one_hot_mse(outputs: ag.Tensor, labels: ag.Tensor) -> Any:
    """Mean squared error between ``outputs`` (n, classes) and one-hot labels."""
    return mse_loss(outputs, one_hot(labels, outputs.shape[-1], dtype=outputs.dtype))


LOSSES: dict[str, Callable[[Any, Any], Any]] = {"cross-entropy": cross_entropy, "mse": one_hot_mse}

OPTIMIZERS: dict[str, Callable[..., optim.Optimizer]] = {
    "sgd": partial(optim.SGD, momentum=0.9),
    "adam": optim.Adam,
    "adamw": partial(optim.AdamW, weight_decay=0.1),
    "rmsprop": optim.RMSprop,
}

RATES = {"sgd": {"cross-entropy": 0.5, "mse": 0.2}, "adam": 0.005, "adamw": 0.01, "rmsprop": 0.002}
"""Default learning rates, by optimizer or by optimizer and loss."""


@dataclass(frozen=True)
class Settings:
    """The settings of a run, each one an option of the command, which argparse has checked.

    Attributes:
        model: kind of network (default: mlp)
        hidden: neurons of each hidden layer (default for mlp: 100; --hidden alone: no hidden layer)
        loss: loss to minimise (default: cross-entropy)
        data: data set (default: digits, included in the package)
        optimizer: optimization algorithm (default: adamw)
        epochs: passes over the data (default: 12 for mlp)
        batch: digits per step (default: 100)
        lr: learning rate (default: depends on model, optimizer and loss)
        shift: move digits at random by up to N pixels (default: 0 for mlp, else 1)
        seed: seed of all random numbers (default: 0)
        device: cpu or cuda (default: cpu)
    """

    model: Annotated[str, {"choices": NETWORKS}] = "mlp"
    hidden: Annotated[tuple[int, ...], {"type": partial(at_least, 1), "nargs": "*", "metavar": "N"}] = (100,)
    loss: Annotated[str, {"choices": LOSSES}] = "cross-entropy"
    data: Annotated[str, {"choices": DATASETS}] = "digits"
    optimizer: Annotated[str, {"choices": OPTIMIZERS}] = "adamw"
    epochs: Count = 12
    batch: Count = 100
    lr: Positive = 0.01
    shift: From0 = 0
    seed: From0 = 0
    device: Annotated[str, {"metavar": "NAME"}] = "cpu"

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Settings:
        """The settings with these values, and the network's own for those that are missing.

        Raises `Refused` for hidden layers of a network whose layers are fixed.

        >>> Settings.of({"hidden": [500, 500]}).hidden
        (500, 500)
        >>> Settings.of({"model": "cnn"}).hidden
        (128,)
        """
        network = NETWORKS[given.get("model", cls.model)]
        hidden = given.get("hidden", network.hidden) or ()
        if hidden and network.hidden is None:
            raise Refused(f"hidden is {list(hidden)}, but the layers of {given['model']} are fixed: leave it out")
        default: Any = (network.rates or RATES)[given.get("optimizer", cls.optimizer)]
        lr = default[given.get("loss", cls.loss)] if isinstance(default, dict) else default
        own = {"epochs": network.epochs, "shift": network.shift, "lr": lr}
        return cls(**{**own, **given, "hidden": tuple(hidden)})

    def command(self) -> str:
        """The command that repeats the run."""
        values = {name: " ".join(map(str, value)) if name == "hidden" else value for name, value in vars(self).items()}
        return f"{PROGRAM} digits {' '.join(f'--{name} {value}'.strip() for name, value in values.items())}"

    def json(self) -> bytes:
        """The settings as JSON, with the versions in use."""
        versions = {"glassgrad": ag.__version__, "python": platform.python_version(), "numpy": np.__version__}
        return (json.dumps({**asdict(self), "versions": versions}, indent=2) + "\n").encode()
