"""The settings of a run: the options of the command line."""

from __future__ import annotations

import json
import math
import platform
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import partial
from typing import Any

import numpy as np

from glassgrad import autograd as ag
from glassgrad.nn import optim
from glassgrad.nn.commands.networks import NETWORKS
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


def count(text: str, least: int = 1) -> int:
    """The whole number in the ``text`` of an option."""
    if not text.isdecimal() or int(text[:20]) < least:
        raise ArgumentTypeError(f"{text!r} is not a whole number of at least {least}")
    return int(text)


def rate(text: str) -> float:
    """The learning rate in the ``text`` of an option."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise ArgumentTypeError(f"{text!r} is not a learning rate above 0")
    return value


from_0 = partial(count, least=0)


def _option(default: Any, words: str, **how: Any) -> Any:
    """A field of `Settings`: its default, its description in the help, and how argparse reads it."""
    return field(default=default, metadata={"help": words, **how})


@dataclass(frozen=True)
class Settings:
    """The settings of a run, each one an option. Values are those of the options, which argparse has checked."""

    model: str = _option("mlp", "kind of network (default: mlp)", choices=NETWORKS)
    hidden: tuple[int, ...] = _option(
        (100,),
        "neurons of each hidden layer (default for mlp: 100; --hidden alone: no hidden layer)",
        type=count,
        nargs="*",
        metavar="N",
    )
    loss: str = _option("cross-entropy", "loss to minimise (default: cross-entropy)", choices=LOSSES)
    data: str = _option("digits", "data set (default: digits, included in the package)", choices=DATASETS)
    optimizer: str = _option("adamw", "optimization algorithm (default: adamw)", choices=OPTIMIZERS)
    epochs: int = _option(12, "passes over the data (default: 12 for mlp)", type=count, metavar="N")
    batch: int = _option(100, "digits per step (default: 100)", type=count, metavar="N")
    lr: float = _option(0.01, "learning rate (default: depends on model, optimizer and loss)", type=rate, metavar="X")
    shift: int = _option(
        0, "move digits at random by up to N pixels (default: 0 for mlp, else 1)", type=from_0, metavar="N"
    )
    seed: int = _option(0, "seed of all random numbers (default: 0)", type=from_0, metavar="N")
    device: str = _option("cpu", "cpu or cuda (default: cpu)", metavar="NAME")

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Settings:
        """The settings with these values, and the network's own for those that are missing or ``None``.

        Raises `Refused` for hidden layers of a network whose layers are fixed.

        >>> Settings.of({"hidden": [500, 500], "lr": None}).hidden
        (500, 500)
        >>> Settings.of({"model": "cnn"}).hidden
        (128,)
        """
        known = {field.name for field in fields(cls)}
        given = {name: value for name, value in given.items() if name in known and value is not None}
        network = NETWORKS[given.get("model", cls.model)]
        hidden = given.get("hidden", network.hidden) or ()
        if hidden and network.hidden is None:
            raise Refused(f"hidden is {list(hidden)}, but the layers of {given['model']} are fixed: leave it out")
        default: Any = (network.rates or RATES)[given.get("optimizer", cls.optimizer)]
        lr = default[given.get("loss", cls.loss)] if isinstance(default, dict) else default
        own = {"epochs": network.epochs, "shift": network.shift, "lr": lr}
        return cls(**own | given | {"hidden": tuple(hidden)})

    def command(self) -> str:
        """The command that repeats the run."""
        values = {name: " ".join(map(str, value)) if name == "hidden" else value for name, value in vars(self).items()}
        return f"{PROGRAM} digits {' '.join(f'--{name} {value}'.strip() for name, value in values.items())}"

    def json(self) -> bytes:
        """The settings as JSON, with the versions in use."""
        versions = {"glassgrad": ag.__version__, "python": platform.python_version(), "numpy": np.__version__}
        return (json.dumps({**asdict(self), "versions": versions}, indent=2) + "\n").encode()


def add_settings(parser: ArgumentParser) -> None:
    """Let ``parser`` take the settings as options."""
    group = parser.add_argument_group("network and learning")
    for setting in fields(Settings):
        group.add_argument(f"--{setting.name}", **setting.metadata)
