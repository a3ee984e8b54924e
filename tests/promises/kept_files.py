"""Small files of every kind that must always load, and what they were written from.

They were written at 7ba52f13, and those called ``old_*.npz`` by earlier commits, whose archives had no ``layers`` and
no ``attributes``: 39e14f61 (``old_mlp``) and f4f77518 (the others). A file is never replaced, for it stands for those
that users have. Archives name layers by their classes alone, never by a module's path.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from glassgrad import autograd as ag
from glassgrad import nn

FOLDER = Path(__file__).with_name("files")
VALUES, FACTS = FOLDER / "expected.npz", FOLDER / "expected.json"


# ---------------------------------------------------------------------------------------------------- classes of users


class Gate(nn.Module):
    """A class with a parameter and a constant of its own."""

    def __init__(self, width: int, scale: float = 1.0) -> None:
        self.scale = scale
        self.shift = nn.Parameter(np.linspace(-1, 1, width, dtype="float32"))

    def forward(self, x: Any) -> ag.Tensor:
        return ag.sigmoid(x * self.scale + self.shift)


class Net(nn.Module):
    """A class whose arguments hold a tuple, a dict and None."""

    def __init__(self, sizes: tuple[int, ...], options: dict[str, float], note: str | None = None) -> None:
        self.note = note
        self.body = nn.MLP([*sizes], "tanh", seed=3)
        self.gate = Gate(sizes[-1], **options)

    def forward(self, x: Any) -> ag.Tensor:
        return self.gate(self.body(x))


# ------------------------------------------------------------------------------------------------------------- content


def every_layer() -> nn.Module:
    """Each layer of `nn` with arguments that are not the defaults, where it has any."""
    sizes = {"1d": 1, "2d": 2, "3d": 3}
    layers: list[nn.Module] = [
        *(nn.Sigmoid(), nn.Tanh(), nn.ReLU(), nn.GELU(), nn.Softplus(), nn.SiLU(), nn.ELU(0.5), nn.Identity()),
        *(nn.LeakyReLU(0.2), nn.Softmax(1), nn.LogSoftmax(1), nn.Flatten(), nn.Unflatten(1, (2, 2))),
        nn.MultiheadAttention(4, 2, 0.1, False, kdim=3, vdim=5, batch_first=True, seed=0),
        nn.TransformerEncoderLayer(4, 2, 6, 0.2, "gelu", 1e-4, True, True, False, seed=0),
        *(nn.ModuleList([nn.Tanh()]), nn.Embedding(5, 3, 1, seed=0), nn.PositionalEncoding(4, 8)),
        *(nn.Linear(2, 3, False, seed=0), nn.LayerNorm((2, 3), 1e-4, bias=False), nn.RMSNorm(3, 1e-4)),
        *(nn.GroupNorm(2, 4, 1e-4, False), nn.LocalResponseNorm(3, 1e-3, 0.5, 2.0)),
        nn.RNN(3, 2, 2, "relu", False, True, 0.1, True, seed=0),
        *(kind(3, 2, 2, False, True, 0.1, True, seed=0) for kind in (nn.LSTM, nn.GRU)),
        nn.RNNCell(3, 2, False, "relu", seed=0),
        *(kind(3, 2, False, seed=0) for kind in (nn.LSTMCell, nn.GRUCell)),
        nn.Dropout(0.3, seed=0),
    ]
    for end, axes in sizes.items():
        conv, transposed = getattr(nn, f"Conv{end}"), getattr(nn, f"ConvTranspose{end}")
        layers += [
            conv(2, 4, (2,) * axes, 2, 1, 1, 2, False, seed=0),
            conv(1, 1, 3, padding="same", padding_mode="reflect", seed=0),
            transposed(2, 4, (2,) * axes, 2, 1, 1, 2, False, 2, seed=0),
            getattr(nn, f"Dropout{end}")(0.3, seed=0),
            getattr(nn, f"BatchNorm{end}")(3, 1e-4, 0.2, False),
            getattr(nn, f"InstanceNorm{end}")(3, 1e-4, 0.2, True, True),
            getattr(nn, f"MaxPool{end}")(3, 2, 1, 2, ceil_mode=True),
            getattr(nn, f"AvgPool{end}")(3, 2, 1, True, False),
            getattr(nn, f"AdaptiveAvgPool{end}")(2),
            getattr(nn, f"AdaptiveMaxPool{end}")((2,) * axes if axes > 1 else 2),
        ]
    return nn.ModuleDict({f"{type(layer).__name__}_{i}": layer for i, layer in enumerate(layers)})


OPTIMIZERS: dict[str, Callable[[Any], nn.optim.Optimizer]] = {
    "sgd.npz": lambda p: nn.optim.SGD(p, 0.1, 0.9, weight_decay=0.01, nesterov=True),
    "adam.npz": lambda p: nn.optim.Adam(p, 0.01, (0.8, 0.99), weight_decay=0.01),
    "adamw.safetensors": lambda p: nn.optim.AdamW(p, 0.01),
    "rmsprop.npz": lambda p: nn.optim.RMSprop(p, 0.01, momentum=0.5, centered=True),
}
"""The optimizer of each checkpoint, of two groups of parameters."""

SCHEDULES: dict[str, Callable[[nn.optim.Optimizer], Any]] = {
    "sgd.npz": lambda o: nn.optim.lr_scheduler.StepLR(o, 2, 0.5),
    "adam.npz": lambda o: nn.optim.lr_scheduler.CosineAnnealingLR(o, 10, 0.001),
    "adamw.safetensors": lambda o: nn.optim.lr_scheduler.LinearLR(o, 0.5, 1.0, 4),
    "rmsprop.npz": lambda o: nn.optim.lr_scheduler.ReduceLROnPlateau(o, factor=0.5, patience=0),
}


class Training:
    """A network, its optimizer, its schedule and its generator of numbers."""

    def __init__(self, name: str) -> None:
        self.model = nn.MLP([3, 4, 2], seed=0)
        first, second = [*self.model[0].parameters()], [*self.model[2].parameters()]
        groups = [{"params": first}, {"params": second, "lr": 0.05}]
        self.optimizer, self.rng = OPTIMIZERS[name](groups), np.random.default_rng(5)
        self.schedule = SCHEDULES[name](self.optimizer)

    def epoch(self) -> None:
        x = self.rng.normal(size=(8, 3)).astype("float32")
        loss = nn.functional.mse_loss(self.model(x), np.ones((8, 2), "float32"))
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        plateau = isinstance(self.schedule, nn.optim.lr_scheduler.ReduceLROnPlateau)
        self.schedule.step(*[loss.item()] * plateau)

    def resume(self, saved: Mapping[str, Any]) -> None:
        self.model.load_state_dict(saved["model"])
        self.optimizer.load_state_dict(saved["optimizer"])
        self.schedule.load_state_dict(saved["schedule"])
        self.rng.bit_generator.state = json.loads(saved["generator"])


OLD = ("old_mlp.npz", "old_convolutional.npz", "old_residual.npz", "old_encoder.npz")
NETWORKS = ("mlp.onnx", "convolutional.onnx", "lstm.onnx", "transformer.onnx", "function.onnx")


def searched() -> tuple[np.ndarray, ...]:
    """The data of the search."""
    draw = np.random.default_rng(0)
    x = draw.normal(size=(240, 2)).astype("float32")
    y = (x[:, 0] * x[:, 1] > 0).astype("int64")
    return x[:180], y[:180], x[180:], y[180:]


def network(hidden: tuple[int, ...], activation: str, seed: int) -> nn.Module:
    return nn.MLP([2, *hidden, 2], activation, seed=seed)


def search(storage: Path, trials: int) -> nn.tuning.SearchResult:
    """The search whose study is kept."""
    space = {"hidden": nn.tuning.Widths((1, 2), (4, 16)), "activation": ["tanh", "relu"], "lr": (0.001, 0.1)}
    return nn.search(
        network, searched(), space, trials=trials, epochs=2, finalists=0, storage=storage, name="kept", compile=False
    )


def digest(state: Mapping[str, Any]) -> dict[str, str]:
    """Dtype, shape and a hash of the values of each Tensor of a state dict."""
    arrays = {name: np.asarray(value.data if isinstance(value, ag.Tensor) else value) for name, value in state.items()}
    return {
        name: f"{a.dtype} {list(a.shape)} {hashlib.sha256(np.ascontiguousarray(a).tobytes()).hexdigest()[:16]}"
        for name, a in arrays.items()
    }


def parts(model: nn.Module) -> dict[str, list[Any]]:
    """Class, arguments, mode and frozen parameters of each module in a module, as JSON."""
    found = {
        path: [
            type(part).__name__, part.arguments(), part.training,
            [name for name, p in part.named_parameters() if "." not in name and not p.requires_grad],
        ]
        for path, part in model.named_modules()
    }  # fmt: skip
    return json.loads(json.dumps(found))


def outputs(y: Any) -> list[np.ndarray]:
    """The arrays of a module's result."""
    if isinstance(y, Mapping):
        y = [*y.values()]
    return [a for part in y for a in outputs(part)] if isinstance(y, tuple | list) else [np.asarray(y.data)]


def trial_facts(trials: list[nn.tuning.Trial]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(json.dumps([vars(trial) for trial in trials]))
    return [{name: value for name, value in facts.items() if name != "error"} for facts in found]  # it came later


def loaded(name: str) -> nn.Module:
    """The module in a file; of the classes above only the weights are read."""
    if name != "own.npz":
        return nn.load_model(FOLDER / name)
    model = Net((4, 3), {"scale": 0.5}, None)
    model.load_state_dict(nn.load(FOLDER / name))
    return model
