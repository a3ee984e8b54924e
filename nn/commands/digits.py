"""The main job: train a network on handwritten digits, say how well it reads, and draw what happened."""

from __future__ import annotations

import json
import math
import os
import platform
import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from importlib import metadata, util
from itertools import chain, count, pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import autograd as ag
from autograd.backends import to_numpy
from autograd.errors import AutogradError, DeviceError
from autograd.files import read_file, write_file
from nn import optim
from nn.data import DATASETS, Dataset, hold_out
from nn.errors import ParallelError, TrainingError
from nn.functional import cross_entropy, mse_loss, one_hot
from nn.modules.layers import MLP, Linear
from nn.parallel import Parallel
from nn.saving import save
from nn.training import History, fit

COPIES = 7  # of its parameters, while a network is made and trained: weights, gradients, moments, best ones, first draw
HELD_OUT = 12  # one in so many training digits is kept for validation
BAR = 20  # characters of the longest bar
MISTAKES = 50  # on their sheet, at most
SHEET = 100  # digits on the other one
HESITANT = 0.9  # the neuron view shows the first digit that is read right with less certainty: there all can be seen


class Refused(Exception):
    """A sentence for whoever asked for what cannot be done."""


def squared_error(outputs: ag.Tensor, labels: ag.Tensor) -> Any:
    """Mean squared error of ``outputs`` (n, classes) against 1 for the right class and 0 for the others."""
    return mse_loss(outputs, one_hot(labels, outputs.shape[-1], dtype=outputs.dtype))


LOSSES: dict[str, Callable[[Any, Any], Any]] = {"cross-entropy": cross_entropy, "mse": squared_error}

OPTIMIZERS: dict[str, Callable[..., optim.Optimizer]] = {
    "sgd": partial(optim.SGD, momentum=0.9),
    "adam": optim.Adam,
    "adamw": partial(optim.AdamW, weight_decay=0.1),
    "rmsprop": optim.RMSprop,
}

RATES = {"sgd": {"cross-entropy": 0.5, "mse": 0.2}, "adam": 0.005, "adamw": 0.01, "rmsprop": 0.002}
"""Learning rates that suit an optimizer, or an optimizer and a loss."""

DATA = tuple(DATASETS)


@dataclass(frozen=True)
class Settings:
    """All that decides how a run goes. Raises `Refused` for a value that makes no sense.

    >>> Settings().with_options({"hidden": [500, 500]}).sizes(256, 10)
    (256, 500, 500, 10)
    """

    hidden: tuple[int, ...] = (100,)
    loss: str = "cross-entropy"
    optimizer: str = "adamw"
    epochs: int = 12
    batch: int = 100
    lr: float | None = None
    seed: int = 0
    device: str = "cpu"
    data: str = "digits"

    def __post_init__(self) -> None:
        for name, known in (("loss", LOSSES), ("optimizer", OPTIMIZERS), ("data", DATASETS)):
            value = getattr(self, name)
            if not isinstance(value, str) or value not in known:
                raise Refused(f"{name} is {value!r}, but it can be {' or '.join(known)}")
        if not isinstance(self.hidden, list | tuple):
            raise Refused(f"hidden is {self.hidden!r}, but it lists the neurons of each hidden layer")
        object.__setattr__(self, "hidden", tuple(self.hidden))
        counts = [("hidden", n, 1) for n in self.hidden]
        for name, n, least in [*counts, ("epochs", self.epochs, 1), ("batch", self.batch, 1), ("seed", self.seed, 0)]:
            if type(n) is not int or n < least:
                raise Refused(f"{name} is {n!r}, but it is a whole number from {least} on")
        if self.lr is not None and not (type(self.lr) in (int, float) and 0 < self.lr < float("inf")):
            raise Refused(f"lr is {self.lr!r}, but a learning rate is a number above 0")
        if not isinstance(self.device, str):
            raise Refused(f"device is {self.device!r}, but it is cpu or cuda")

    @property
    def rate(self) -> float:
        """The learning rate: ``lr``, or else one that suits the optimizer and the loss."""
        usual: Any = RATES[self.optimizer]
        return self.lr or float(usual[self.loss] if isinstance(usual, dict) else usual)

    def sizes(self, inputs: int, classes: int) -> tuple[int, ...]:
        """The sizes of all layers."""
        return (inputs, *self.hidden, classes)

    def with_options(self, options: Mapping[str, Any]) -> Settings:
        """The same settings but for the ``options`` that are given (not None)."""
        return replace(self, **{name: value for name, value in options.items() if value is not None})

    def save(self, path: Path) -> None:
        """Write them as JSON, with the versions they were used with."""
        versions = {"python": platform.python_version(), "numpy": np.__version__}
        content = {**asdict(self), "lr": self.rate, "versions": {"glassgrad": _version(), **versions}}
        write_file(path, (json.dumps(content, indent=2) + "\n").encode())

    @classmethod
    def load(cls, path: Path) -> Settings:
        """Read what `save` wrote. Raises `Refused` for a file that is none."""
        try:
            content = json.loads(read_file(path))
            content.pop("versions", None)
            unknown = sorted(set(content) - {field.name for field in fields(cls)})
        except OSError as error:
            raise Refused(f"{path} cannot be read: {reason(error)}") from None
        except (ValueError, AttributeError, TypeError, RecursionError):
            raise Refused(f"{path} is no settings file: give the settings.json that a run left") from None
        if unknown:
            raise Refused(f"{path} sets {', '.join(unknown)}, which nothing is known of")
        return cls(**content)


def train(
    settings: Settings, out: Path | None = None, overwrite: bool = False, parallel: Parallel | None = None
) -> None:
    """Do the job and leave its results in the folder ``out``; raises `Refused` before anything is written.

    ``out``: by default ``runs/digits`` or the first free name after it. A folder that is not empty is refused unless
    ``overwrite`` is true and an earlier run made it; then that run's files are replaced. ``parallel``: the processes
    that train together; rank 0 alone prints and writes.
    """
    if util.find_spec("matplotlib") is None:
        raise Refused("the learning curves need matplotlib: pip install 'glassgrad[demo]'")
    data = _load(settings)
    _check_size(settings, data)
    try:
        model = MLP(
            settings.sizes(data.x_train.shape[1], len(data.classes)),
            output="sigmoid" if settings.loss == "mse" else None,
            seed=settings.seed,
            device=settings.device if parallel is None else parallel.device(settings.device),
        )
    except DeviceError as error:
        raise Refused(str(error).rstrip(".")) from None
    first = parallel is None or parallel.rank == 0
    folder, made = _claim(out, overwrite) if first else (Path(), [])
    with _taken_back(made):
        print(_opening(settings, data, model, parallel), end="\n\n", flush=True)
        with np.errstate(all="ignore"):  # what comes of an overflow is said in words
            history = _trained(model, settings, data, folder, parallel)
        if not first:
            return
        probabilities = _probabilities(model, settings, data.x_test)
        print(f"\n{_results(data, probabilities.argmax(axis=1))}, after {sum(history.seconds):.1f} s of training\n")
        print(f"in {folder}:", flush=True)
        results = _files(model, settings, data, history, folder)
        for path, words in _written(
            chain(results, _pictures(model, settings, data, history, probabilities, folder)), folder
        ):
            print(f"  {path.name:14}  {words}", flush=True)


def _trained(model: MLP, settings: Settings, data: Dataset, folder: Path, parallel: Parallel | None) -> History:
    """The history of the training. Raises `Refused`, and what was written before an epoch was done goes again."""
    keep = None
    if parallel is not None and parallel.rank == 0:
        keep = _Keep(model, settings, data, folder, parallel)
    try:
        history = _fit(model, settings, data, keep, parallel)
        if not history.epochs:
            raise KeyboardInterrupt  # before there was anything to keep
    except ParallelError as error:
        raise Refused(f"{str(error).rstrip('.')}{f'; {keep.words}' if keep else ''}") from None
    except (AutogradError, KeyboardInterrupt) as error:
        if keep is not None:
            keep.forget()
        if isinstance(error, KeyboardInterrupt):
            raise
        if isinstance(error, TrainingError):
            raise Refused(f"{str(error).partition(': ')[0]}: give a smaller --lr. No results were written") from None
        raise Refused(str(error).rstrip(".")) from None
    return history


def _written(results: Iterable[tuple[Path, str]], folder: Path) -> Iterator[tuple[Path, str]]:
    """The results as they are written; raises `Refused` where they can't be."""
    try:
        yield from results
    except OSError as error:
        raise Refused(f"{folder} cannot be written to any more: {reason(error)}") from None


def _version() -> str:
    try:
        return metadata.version("glassgrad")
    except metadata.PackageNotFoundError:
        return "not installed"


def reason(error: OSError) -> str:
    """Why the system refused, in its words."""
    return str(getattr(error, "reason", None) or error.strerror or error).lower()


def _load(settings: Settings) -> Dataset:
    try:
        return DATASETS[settings.data]()
    except (AutogradError, OSError) as error:
        raise Refused(str(error).rstrip(".")) from None


def _check_size(settings: Settings, data: Dataset) -> None:
    """Refuse batches of more digits than there are, and a network larger than the memory."""
    digits = len(data.x_train) - _validated(data)
    if settings.batch > digits:
        raise Refused(f"batch is {settings.batch}, but there are {digits:,} digits to learn from")
    sizes = settings.sizes(data.x_train.shape[1], len(data.classes))
    parameters = sum(b * (a + 1) for a, b in pairwise(sizes))
    taken, there = COPIES * 4 * parameters / 1e9, _memory() / 1e9
    if taken > there:
        raise Refused(
            f"a network with hidden layers of {', '.join(map(str, settings.hidden))} neurons has {parameters:,} "
            f"parameters, and training it takes about {taken:,.0f} GB of memory, where there are {there:,.0f}"
        )


def _memory() -> float:
    """How many bytes of memory this machine has, as far as it says so."""
    try:
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, ValueError, OSError):
        return math.inf


def _empty(folder: Path) -> bool:
    return not any(folder.iterdir())


@contextmanager
def _taken_back(folders: Iterable[Path]) -> Iterator[None]:
    """Where what is done within it fails, ``folders`` go again unless there is something in them."""
    try:
        yield
    except BaseException:
        for folder in folders:
            with suppress(OSError):
                folder.rmdir()
        raise


def _claim(out: Path | None, overwrite: bool) -> tuple[Path, list[Path]]:
    """The folder for the results: there, ours, and writable; and those that had to be made, the innermost first."""
    usual = Path("runs/digits")
    names = chain([usual], (usual.with_name(f"{usual.name}-{n}") for n in count(2)))
    try:
        folder = out or next(path for path in names if not path.exists() or (path.is_dir() and _empty(path)))
        made = [path for path in (folder, *folder.parents) if not path.exists()]
        folder.mkdir(parents=True, exist_ok=True)
        if not _empty(folder):
            if not overwrite:
                raise Refused(f"{folder} is not empty: name another folder, or replace the run in it with --overwrite")
            if not (folder / "settings.json").is_file():
                raise Refused(f"{folder} holds other things than an earlier run: name another folder")
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        why = reason(error)
        raise Refused(f"{out or usual} cannot be written to ({why}): name another folder with --out") from None
    return folder, made


class _Keep:
    """Called after every epoch, writes the weights in case that a rank is lost, and says where they are: ``words``.

    In a new folder they are there from the start; an earlier run is left as it was until an epoch is done.
    """

    def __init__(self, model: MLP, settings: Settings, data: Dataset, folder: Path, parallel: Parallel) -> None:
        self.model, self.settings, self.data, self.folder, self.parallel = model, settings, data, folder, parallel
        self.early: list[Path] = []
        if _empty(folder):
            self(History())
        else:
            self._say(f"the earlier run in {folder} is as it was")

    def __call__(self, history: History) -> None:
        settings = self.folder / "settings.json"
        self.settings.save(settings)
        weights = _save_weights(self.model, self.settings, self.data, self.folder)
        self.early = [] if history.epochs else [settings, weights]
        when = f"of epoch {history.epochs}" if history.epochs else "from before the training"
        self._say(f"the weights {when} are in {weights}")

    def _say(self, words: str) -> None:
        self.words = words
        lost = f"one of {self.parallel.size} ranks was lost, or the run was stopped from outside"
        self.parallel.last_words = f"python -m nn digits: {lost}; {words}"

    def forget(self) -> None:
        """Take back what was written before an epoch was done."""
        for path in self.early:
            path.unlink(missing_ok=True)


def _opening(settings: Settings, data: Dataset, model: MLP, parallel: Parallel | None) -> str:
    """What will be done, in three lines."""
    place = (
        settings.device
        if parallel is None
        else f"{settings.device} by {parallel.size} process{'es' if parallel.size > 1 else ''}"
    )
    height, width = data.image_shape
    net = "-".join(map(str, model.sizes))
    parameters = sum(p.size for p in model.parameters())
    return (
        f"{data.name}: {_learned(data)}, {len(data.x_test):,} held out, {height}×{width}\n"
        f"{net} sigmoid network, {parameters:,} parameters, on {place}, from seed {settings.seed}\n"
        f"{settings.loss}, {settings.optimizer}, batches of {settings.batch}, learning rate from {settings.rate:g} to 0"
    )


def _validated(data: Dataset) -> int:
    """How many of the training digits are kept for validation."""
    return max(1, len(data.x_train) // HELD_OUT)


def _learned(data: Dataset) -> str:
    """What the training digits are used for, in words."""
    kept = _validated(data)
    return f"{len(data.x_train) - kept:,} digits to learn from, {kept:,} to choose the weights by"


def _fit(
    model: MLP, settings: Settings, data: Dataset, keep: _Keep | None = None, parallel: Parallel | None = None
) -> History:
    x, y, x_validation, y_validation = hold_out(data.x_train, data.y_train, _validated(data), settings.seed)
    optimizer = OPTIMIZERS[settings.optimizer](model.parameters(), lr=settings.rate)
    return fit(
        model,
        LOSSES[settings.loss],
        optimizer,
        (x, y),
        epochs=settings.epochs,
        batch_size=settings.batch,
        seed=settings.seed,
        validation=(x_validation, y_validation),
        schedule=optim.lr_scheduler.CosineAnnealingLR(optimizer, settings.epochs),
        callback=keep,
        parallel=parallel,
        compile=True,
    )


def _probabilities(model: MLP, settings: Settings, images: NDArray[Any]) -> NDArray[Any]:
    """What the network gives each class of each image: (n, classes)."""
    with ag.no_grad():
        outputs = model(ag.asarray(images, device=settings.device))
        return to_numpy((outputs if settings.loss == "mse" else ag.softmax(outputs)).data)


def _results(data: Dataset, predictions: NDArray[Any]) -> str:
    """A row per class, with a bar as long as its mistakes, and the test accuracy."""
    classes = len(data.classes)
    table = np.zeros((classes, classes), int)
    np.add.at(table, (data.y_test, predictions), 1)
    wrong = table.sum(axis=1) - table.diagonal()
    lines = [f"digit     of   right   wrong{'':{BAR + 4}}read as (how often)"]
    for k, name in enumerate(data.classes):
        of = int(table[k].sum())
        share = f"{100 * table[k, k] / of:5.1f} %" if of else "     - "
        confused = [i for i in np.argsort(-table[k], kind="stable") if i != k and table[k, i]][:2]
        read = ", ".join(f"{data.classes[i]} ({table[k, i]})" for i in confused)
        bar = "█" * round(BAR * wrong[k] / max(1, wrong.max()))
        lines.append(f"{name:>5} {of:6} {share} {wrong[k]:5}  {bar:{BAR}}  {read}".rstrip())
    total = int(wrong.sum())
    accuracy = 100 * (1 - total / len(predictions))
    return "\n".join([*lines, "", f"test accuracy {accuracy:.2f} %, {total} of {len(predictions):,} wrong"])


def _save_weights(model: MLP, settings: Settings, data: Dataset, folder: Path) -> Path:
    path = folder / "model.npz"
    save(model, path, metadata={"data": data.name, "classes": list(data.classes), "loss": settings.loss})
    return path


def _files(model: MLP, settings: Settings, data: Dataset, history: History, folder: Path) -> Iterator[tuple[Path, str]]:
    """Write what a later run or program reads; each file with what it holds."""
    yield _save_weights(model, settings, data, folder), "the weights"
    path = folder / "history.json"
    history.save(path)
    yield path, "loss and accuracy of every epoch"
    path = folder / "settings.json"
    settings.save(path)
    yield path, f"to run it again: python -m nn digits --settings {path}"


def _pictures(
    model: MLP, settings: Settings, data: Dataset, history: History, probabilities: NDArray[Any], folder: Path
) -> Iterator[tuple[Path, str]]:
    """Draw into ``folder``, one picture after the other; each with what it shows."""
    import viz

    shape = data.image_shape
    x = ag.Tensor(data.x_train[: settings.batch], device=settings.device, dtype="float32", name="x")
    y = ag.Tensor(data.y_train[: settings.batch], device=settings.device, name="y")
    graph = viz.draw_graph(LOSSES[settings.loss](model(x), y), inputs=[x], targets=[y], gradients=True)
    predictions = probabilities.argmax(axis=1)
    certainty = probabilities[np.arange(len(predictions)), predictions]
    hesitant = np.flatnonzero((predictions == data.y_test) & (certainty < HESITANT))
    one = int(hesitant[0]) if len(hesitant) else 0
    neurons = viz.draw_network(model, data.x_test[one], int(data.y_test[one]), image=shape)
    for picture, name, words in (
        (graph, "graph", f"values and gradients of {len(x)} digits on their way through the network"),
        (neurons, "neurons", f"a held-out {data.classes[data.y_test[one]]} from neuron to neuron"),
    ):
        yield from _saved(picture, folder / f"{name}.svg", words)

    yield viz.plot_history(history).save(folder / "curves.png"), "loss and accuracy, epoch by epoch"
    wrong = np.flatnonzero(predictions != data.y_test)
    surest = wrong[np.argsort(-certainty[wrong], kind="stable")][:MISTAKES]
    first = np.arange(min(SHEET, len(predictions)))
    for name, rows, title, words in (
        ("digits", first, None, "the first held-out digits as the network reads them"),
        ("mistakes", surest, f"The {len(surest)} mistakes it was surest of", "the mistakes it was surest of"),
    ):
        if len(rows):
            images, labels = data.x_test[rows].reshape(-1, *shape), data.y_test[rows]
            sheet = viz.plot_digits(
                images, labels, predictions[rows], certainty[rows], classes=data.classes, title=title
            )
            yield sheet.save(folder / f"{name}.png"), words
    page = _report(model, settings, data, history, probabilities, graph)
    yield page.save(folder / "report.html"), "all of it on one page, with a pad to draw digits on"


def _report(
    model: MLP, settings: Settings, data: Dataset, history: History, probabilities: NDArray[Any], modules: Any
) -> Any:
    """The page with everything: what the pictures show, a few digits neuron by neuron, and two step by step."""
    import viz
    from viz.pages.page import step_through
    from viz.pages.report import Held, Specimen, lab_report

    images = data.x_test.reshape(-1, *data.image_shape)
    held = Held(images, data.y_test, probabilities, data.classes, crop=settings.data == "digits")
    neurons = []
    for i in _specimens(held, len(data.classes)):
        true, said = (data.classes[k] for k in (held.labels[i], held.predictions[i]))
        picture = viz.draw_network(model, data.x_test[i], int(data.y_test[i]), image=data.image_shape)
        neurons.append(Specimen(images[i], true if true == said else f"{true} read as {said}", picture))
    x = ag.Tensor(data.x_train[:2], device=settings.device, dtype="float32", name="x")
    y = ag.Tensor(data.y_train[:2], device=settings.device, name="y")
    steps = step_through(LOSSES[settings.loss](model(x), y), inputs=[x], targets=[y], title="Two digits")
    net = "-".join(map(str, model.sizes))
    return lab_report(
        title=f"Handwritten digits, read by a {net} network",
        history=history,
        held=held,
        layers=_layers(model, "softmax" if settings.loss == "cross-entropy" else ""),
        modules=modules,
        neurons=neurons,
        steps=steps,
        facts={
            data.name: _learned(data),
            "parameters": f"{sum(p.size for p in model.parameters()):,}",
            "loss": settings.loss,
            "optimizer": f"{settings.optimizer}, learning rate from {settings.rate:g}, batches of {settings.batch}",
            "training": f"{history.epochs} epochs in {sum(history.seconds):.1f} s on {settings.device}",
            "seed": str(settings.seed),
        },
    )


def _specimens(held: Any, classes: int) -> Iterator[int]:
    """Two digits of each class: the first that is read right with some doubt, and the mistake it was surest of."""
    right = held.predictions == held.labels
    for k in range(classes):
        sure = np.flatnonzero((held.labels == k) & right)
        doubtful = sure[held.certainty[sure] < HESITANT]
        yield from (*doubtful[:1], *sure[:1])[:1]
        yield from held.surest_mistakes[held.labels[held.surest_mistakes] == k][:1]


def _layers(model: MLP, last: str) -> list[tuple[Any, Any, str]]:
    """Weight, bias and activation of every layer; ``last`` is what makes probabilities of the outputs."""
    layers: list[tuple[Any, Any, str]] = []
    for module in model.layers:
        if isinstance(module, Linear):
            layers.append((module.weight, module.bias, ""))
        else:
            layers[-1] = (*layers[-1][:2], type(module).__name__.lower())
    return [*layers[:-1], (*layers[-1][:2], layers[-1][2] or last)]


def _saved(picture: Any, path: Path, words: str) -> Iterator[tuple[Path, str]]:
    """Save as SVG and PNG; without an engine there is one .gv, and the words say how to get one."""
    import viz

    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            saved = picture.save(path)
        except viz.RenderError as error:
            yield picture.save(path.with_suffix(".gv")), f"not drawn: {error}"
            return
    if said:
        yield saved, f"not drawn: {said[0].message}"
        return
    yield saved, words
    yield picture.save(path.with_suffix(".png")), "the same"
