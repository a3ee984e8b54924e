"""The settings of a run."""

from __future__ import annotations

import json
import math
import platform
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from glassgrad import autograd as ag
from glassgrad.autograd.common.files import read_file
from glassgrad.nn import optim
from glassgrad.nn.commands.networks import NETWORKS
from glassgrad.nn.commands.terminal import Refused, reason
from glassgrad.nn.data import DATASETS
from glassgrad.nn.functional import cross_entropy, mse_loss, one_hot

LANGUAGES = ("en", "zh")  # the languages of `viz`, which would be slow to import for each command


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
    """The settings of a run; ``None`` stands for the network's own. Raises `Refused` for invalid values.

    >>> Settings().with_options({"hidden": [500, 500], "lr": None}).hidden
    (500, 500)
    >>> Settings(model="cnn").completed().hidden
    (128,)
    """

    model: str = "mlp"
    hidden: Any = None
    loss: str = "cross-entropy"
    optimizer: str = "adamw"
    epochs: Any = None
    batch: int = 100
    lr: float | None = None
    shift: Any = None
    seed: int = 0
    device: str = "cpu"
    data: str = "digits"

    def __post_init__(self) -> None:
        choices = ("model", NETWORKS), ("loss", LOSSES), ("optimizer", OPTIMIZERS), ("data", DATASETS)
        for name, known in choices:
            value = getattr(self, name)
            if not isinstance(value, str) or value not in known:
                raise Refused(f"{name} is {value!r}: give {' or '.join(known)}")
        if not isinstance(self.hidden, list | tuple | None):
            raise Refused(f"hidden is {self.hidden!r}: give a list with the number of neurons of each hidden layer")
        if self.hidden is not None:
            object.__setattr__(self, "hidden", tuple(self.hidden))
            if self.hidden and NETWORKS[self.model].hidden is None:
                raise Refused(f"hidden is {list(self.hidden)}, but the layers of {self.model} are fixed: leave it out")
        counts = [("hidden", n, 1) for n in self.hidden or ()]
        counts += [(name, n, 1) for name in ("epochs", "batch") if (n := getattr(self, name)) is not None]
        counts += [(name, n, 0) for name in ("shift", "seed") if (n := getattr(self, name)) is not None]
        for name, n, least in counts:
            if type(n) is not int or n < least:
                raise Refused(f"{name} is {n!r}: give a whole number of at least {least}")
        if self.lr is not None and not (type(self.lr) in (int, float) and 0 < self.lr < math.inf):
            raise Refused(f"lr is {self.lr!r}: give a learning rate above 0")
        if not isinstance(self.device, str):
            raise Refused(f"device is {self.device!r}: give cpu or cuda")

    def completed(self) -> Settings:
        """These settings, with the network's defaults in place of each ``None``."""
        network = NETWORKS[self.model]
        own = {"hidden": network.hidden or (), "epochs": network.epochs, "shift": network.shift, "lr": self.rate}
        return self.with_options({name: value for name, value in own.items() if getattr(self, name) is None})

    @property
    def rate(self) -> float:
        """The learning rate: ``lr``, or the default of the network, the optimizer and the loss."""
        default: Any = (NETWORKS[self.model].rates or RATES)[self.optimizer]
        return self.lr or float(default[self.loss] if isinstance(default, dict) else default)

    def with_options(self, options: Mapping[str, Any]) -> Settings:
        """These settings, changed by the ``options`` that are not None."""
        return replace(self, **{name: value for name, value in options.items() if value is not None})

    def json(self) -> bytes:
        """The settings as JSON, with the versions in use."""
        versions = {"glassgrad": ag.__version__, "python": platform.python_version(), "numpy": np.__version__}
        return (json.dumps({**asdict(self.completed()), "versions": versions}, indent=2) + "\n").encode()

    @classmethod
    def load(cls, path: Path) -> Settings:
        """Read the settings that a run wrote. Raises `Refused` for another file."""
        try:
            content = json.loads(read_file(path).decode())
            content.pop("versions", None)
            unknown = sorted(set(content) - {field.name for field in fields(cls)})
        except OSError as error:
            raise Refused(f"{path} cannot be read: {reason(error)}") from None
        except (ValueError, AttributeError, TypeError, RecursionError):
            raise Refused(f"{path} is not a settings file: give the settings.json of a run") from None
        if unknown:
            raise Refused(f"{path} sets {', '.join(unknown)}, which is not a setting: remove it")
        return cls(**content)
