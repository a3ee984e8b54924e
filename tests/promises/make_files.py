"""Small files of every kind that must always load: ``python -m tests.promises.make_files`` wrote them at 7ba52f13.

Kept for the record, and run again only for a kind of file that did not exist: an existing file is never replaced, for
it stands for those that users have. Archives name layers by their classes alone, never by a module's path. The files
``old_*.npz`` come from earlier commits, whose archives had no ``layers`` and no ``attributes``, and of an MLP fewer
arguments: 39e14f61 (``old_mlp``) and f4f77518 (the others), each by ``nn.save`` of the module in `OLD`.
"""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
import zipfile
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


def moved(model: nn.Module) -> nn.Module:
    """The module after a pass in training mode, so that averages of a normalization are not those of a new one."""
    shape = (6, 1, 8, 8)
    model(np.random.default_rng(1).normal(size=shape).astype("float32"))
    return model


def convolutional() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 3, 3, padding=1, seed=0), nn.BatchNorm2d(3), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.2, seed=1),
        nn.Flatten(), nn.Linear(48, 4, seed=2),
    )  # fmt: skip


def residual() -> nn.Module:
    body = nn.Sequential(nn.Linear(5, 5, seed=0), nn.LayerNorm(5), nn.GELU(), nn.Linear(5, 5, bias=False, seed=1))
    narrow = nn.Sequential({"a": nn.Linear(5, 3, seed=2), "b": nn.SiLU()})
    return nn.Sequential({"same": nn.Residual(body), "other": nn.Residual(narrow, nn.Linear(5, 3, seed=3))})


def frozen() -> nn.Module:
    model = moved(convolutional()).eval()
    model[0].requires_grad_(False)
    return model


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


def lenet5() -> nn.Module:
    """Weights of few digits, so that the file compresses well."""
    model = nn.models.LeNet5(10, activation="relu", seed=0)
    for p in model.parameters():
        p.data = np.where(np.arange(p.size) % 17, 0, np.round(p.data.reshape(-1), 2)).reshape(p.shape).astype("float32")
    return model


MODELS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...] | int]] = {
    "mlp.npz": (lambda: nn.MLP([4, 8, 3], "relu", "softmax", seed=0, norm="layer", dropout=0.1), (2, 4)),
    "mlp.safetensors": (lambda: nn.MLP([4, 8, 3], seed=1), (2, 4)),
    "float64.npz": (lambda: nn.MLP([4, 3], seed=2, dtype="float64"), (2, 4)),
    "convolutional.npz": (lambda: moved(convolutional()), (2, 1, 8, 8)),
    "frozen.npz": (frozen, (2, 1, 8, 8)),
    "lenet5.npz": (lenet5, (2, 1, 28, 28)),
    "residual.npz": (residual, (2, 5)),
    "lstm.npz": (lambda: nn.models.RowRecurrent((4, 3), 2, "lstm", 5, 2, seed=0), (2, 12)),
    "gru.npz": (lambda: nn.models.char_rnn(7, "gru", 3, 4, 2, 0.1, seed=0), 7),
    "encoder.npz": (lambda: nn.TransformerEncoderLayer(8, 2, 12, norm_first=True, batch_first=True, seed=0), (2, 3, 8)),
    "char_transformer.npz": (lambda: nn.models.char_transformer(7, 8, 2, 1, 12, 16, seed=0), 7),
    "row_transformer.safetensors": (lambda: nn.models.RowTransformer((4, 3), 2, 8, 2, 1, 12, seed=0), (2, 12)),
    "own.npz": (lambda: Net((4, 3), {"scale": 0.5}, None), (2, 4)),
    "every_layer.npz": (every_layer, ()),
}
"""The module of each archive, and the shape of an input, or how many symbols there are; () for none."""

OLD = {
    "old_mlp.npz": (lambda: nn.MLP([4, 8, 3], "relu", seed=0), (2, 4)),
    "old_convolutional.npz": (
        lambda: nn.Sequential(
            nn.Conv2d(1, 2, 3, padding=1, seed=0), nn.BatchNorm2d(2), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
            nn.Linear(32, 3, seed=1),
        ),
        (2, 1, 8, 8),
    ),
    "old_residual.npz": (lambda: nn.Residual(nn.Linear(3, 3, seed=0)), (2, 3)),
    "old_encoder.npz": (lambda: nn.TransformerEncoderLayer(8, 2, 12, seed=0), (3, 2, 8)),
}  # fmt: skip

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

    def checkpoint(self) -> dict[str, Any]:
        parts = {"model": self.model, "optimizer": self.optimizer, "schedule": self.schedule}
        return {name: part.state_dict() for name, part in parts.items()} | {
            "epoch": 3, "generator": json.dumps(self.rng.bit_generator.state), "best": None, "history": [0.5, 0.25]
        }  # fmt: skip

    def resume(self, saved: Mapping[str, Any]) -> None:
        self.model.load_state_dict(saved["model"])
        self.optimizer.load_state_dict(saved["optimizer"])
        self.schedule.load_state_dict(saved["schedule"])
        self.rng.bit_generator.state = json.loads(saved["generator"])


def exported_function(x: Any) -> Any:
    return {"y": ag.softmax(x @ np.arange(6.0, dtype="float32").reshape(3, 2)), "norm": ag.sqrt((x * x).sum(axis=-1))}


NETWORKS: dict[str, tuple[Callable[[], Callable[..., Any]], tuple[int, ...], bool]] = {
    "mlp.onnx": (lambda: nn.MLP([4, 8, 3], "gelu", seed=0), (2, 4), True),
    "convolutional.onnx": (lambda: moved(convolutional()).eval(), (2, 1, 8, 8), False),
    "lstm.onnx": (lambda: nn.models.RowRecurrent((4, 3), 2, "lstm", 5, seed=0), (2, 12), False),
    "transformer.onnx": (lambda: nn.models.RowTransformer((4, 3), 2, 8, 2, 1, 12, seed=0).eval(), (2, 12), False),
    "function.onnx": (lambda: exported_function, (2, 3), False),
}
"""What each ONNX file was written from, the shape of its input, and whether its batch may be any."""


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


# ------------------------------------------------------------------------------------------------------------- writing


def example(shape: tuple[int, ...] | int, dtype: Any = "float32") -> np.ndarray:
    """An input for a module."""
    draw = np.random.default_rng(7)
    return draw.integers(0, shape, (2, 5)) if isinstance(shape, int) else draw.normal(size=shape).astype(dtype)


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
    model = MODELS[name][0]()
    model.load_state_dict(nn.load(FOLDER / name))
    return model


class Maker:
    """Writes files that are not there, and what is expected of them."""

    def __init__(self) -> None:
        FOLDER.mkdir(exist_ok=True)
        self.values: dict[str, np.ndarray] = dict(np.load(VALUES)) if VALUES.exists() else {}
        self.facts: dict[str, Any] = json.loads(FACTS.read_text(encoding="utf-8")) if FACTS.exists() else {}

    def make(self) -> None:
        for name, (build, shape) in MODELS.items():
            if not (FOLDER / name).exists():
                model = build()
                nn.save(model, FOLDER / name, metadata={"made": "at 7ba52f13", "classes": ["é", "b"]})
                if name in ("lenet5.npz", "every_layer.npz"):
                    compress(FOLDER / name)
                self.expect(name, shape)
        for name, (_, shape) in OLD.items():
            if (FOLDER / name).exists() and name not in self.facts:
                self.expect(name, shape)
        for name in OPTIMIZERS:
            if not (FOLDER / name).exists():
                self.checkpoint(name)
        for name, network in NETWORKS.items():
            if not (FOLDER / name).exists():
                self.onnx(name, *network)
        self.arrays()
        self.study()
        self.texts()
        self.predicted()
        np.savez_compressed(VALUES, **self.values)
        lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(fact)}" for name, fact in sorted(self.facts.items()))
        FACTS.write_text(f"{{\n{lines}\n}}\n", encoding="utf-8")

    def expect(self, name: str, shape: tuple[int, ...] | int) -> None:
        """What an archive gives."""
        model = loaded(name)
        self.facts[name] = {"parts": parts(model), "state": digest(model.state_dict())}
        if shape != ():
            x = example(shape, next(iter(model.parameters())).dtype)
            self.values[f"{name}:x"] = x
            for i, y in enumerate(outputs(model.eval()(x))):
                self.values[f"{name}:y{i}"] = y

    def checkpoint(self, name: str) -> None:
        training = Training(name)
        for _ in range(3):
            training.epoch()
        nn.save(training.checkpoint(), FOLDER / name)
        self.facts[name] = {"state": digest(training.model.state_dict())}
        training.epoch()
        for path, p in training.model.state_dict().items():
            self.values[f"{name}:{path}"] = np.asarray(p.data)
        self.facts[name]["lr"] = [group["lr"] for group in training.optimizer.param_groups]
        self.facts[name]["draw"] = training.rng.random()

    def onnx(self, name: str, build: Callable[[], Any], shape: tuple[int, ...], dynamic: bool) -> None:
        x = example(shape)
        nn.save_onnx(build(), FOLDER / name, x, dynamic_batch=dynamic)
        self.values[f"{name}:x"] = x
        for i, y in enumerate(outputs(nn.load_onnx(FOLDER / name)(x))):
            self.values[f"{name}:y{i}"] = y

    def arrays(self) -> None:
        """State dicts, and archives that other programs wrote."""
        state = {**nn.MLP([3, 2], seed=0).state_dict(), "half": np.arange(3, dtype="float16"), "scalar": np.float64(2)}
        for name in ("weights.npz", "weights.safetensors"):
            if not (FOLDER / name).exists():
                nn.save(state, FOLDER / name, metadata={"note": "é", "n": 1})
                self.facts[name] = {"state": digest(state)}
        plain = {"w": np.arange(6.0).reshape(2, 3), "layer.b": np.array([True, False]), "n": np.array(3)}
        if not (FOLDER / "numpy.npz").exists():
            np.savez_compressed(FOLDER / "numpy.npz", **plain)
            self.facts["numpy.npz"] = {"state": digest(plain)}
        if not (FOLDER / "other.safetensors").exists():
            from safetensors.numpy import save_file

            save_file(plain, FOLDER / "other.safetensors", {"format": "np"})
            self.facts["other.safetensors"] = {"state": digest(plain)}

    def study(self) -> None:
        path = FOLDER / "study.journal"
        if not path.exists():
            self.facts[path.name] = trial_facts(search(path, 3).trials)
            # The machine that made the trials is nobody's business.
            text = re.sub(r'"process":\["\w+",\d+\]', '"process":["0",1]', path.read_text(encoding="utf-8"))
            path.write_text(text, encoding="utf-8")

    def texts(self) -> None:
        """A history of a training."""
        if not (path := FOLDER / "history.json").exists():
            x, y, *held = searched()
            model = nn.MLP([2, 4, 2], seed=0)
            history = nn.fit(
                model, nn.functional.cross_entropy, nn.optim.Adam(model.parameters(), 0.01), (x, y), epochs=3,
                validation=tuple(held), progress=False,
            )  # fmt: skip
            history.save(path)
            self.facts[path.name] = json.loads(path.read_text(encoding="utf-8"))

    def predicted(self) -> None:
        """A network of ``python -m glassgrad.nn digits``, to be asked for the digit in a picture."""
        from PIL import Image

        if not (path := FOLDER / "digits.npz").exists():
            data = nn.data.digits()
            model = nn.MLP([256, 10], seed=0)
            optimizer = nn.optim.Adam(model.parameters(), 0.01)
            nn.fit(model, nn.functional.cross_entropy, optimizer, (data.x_train[:2000], data.y_train[:2000]), epochs=3,
                   progress=False)  # fmt: skip
            metadata = {"data": "digits", "loss": "cross-entropy", "classes": list("0123456789")}
            nn.save(model, path, metadata=metadata)
            image = 255 - np.round(255 * data.x_test[0].reshape(16, 16)).astype("uint8")
            Image.fromarray(image).resize((64, 64)).save(FOLDER / "digit.png")
            self.facts[path.name] = {"digit": int(data.y_test[0])}


def compress(path: Path) -> None:
    """The archive with its members compressed, as NumPy's `savez_compressed` writes them."""
    with tempfile.TemporaryDirectory() as folder:
        new = Path(folder, path.name)
        with zipfile.ZipFile(path) as old, zipfile.ZipFile(new, "w", zipfile.ZIP_DEFLATED) as archive:
            for member in old.infolist():
                archive.writestr(zipfile.ZipInfo(member.filename), old.read(member), zipfile.ZIP_DEFLATED)
        path.write_bytes(new.read_bytes())


if __name__ == "__main__":
    Maker().make()
