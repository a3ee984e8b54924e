"""``digits``: train a network on handwritten digits, test it, and draw what happened."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from importlib import util
from itertools import chain, count
from pathlib import Path

import numpy as np

from glassgrad.autograd.backends import space_on
from glassgrad.nn import optim
from glassgrad.nn.commands.networks import NETWORKS
from glassgrad.nn.commands.results import Run, name_of, save_weights, training_set, validation_size
from glassgrad.nn.commands.settings import LOSSES, OPTIMIZERS, Settings
from glassgrad.nn.commands.terminal import Refused, list_files, reason
from glassgrad.nn.data import DATASETS, Batches, Dataset, hold_out, shift
from glassgrad.nn.errors import ParallelError, TrainingError
from glassgrad.nn.modules.activation import Sigmoid
from glassgrad.nn.modules.containers import Sequential
from glassgrad.nn.modules.module import Module
from glassgrad.nn.parallel import Parallel, launched
from glassgrad.nn.training import History, fit

DEFAULT, SETTINGS = Path("runs/digits"), "settings.json"


def train(options: Namespace) -> bool:
    """Train and test a network, and write the results to a folder; return whether Ctrl-C ended the training.

    Raises `Refused`, before anything is written, for settings or a folder that can't be used.

    ``options``: those of the command. ``out`` is by default ``runs/digits`` or the first free name after it. With
    ``parallel`` the processes that mpirun started train together; rank 0 alone prints and writes.
    """
    if launched() > 1 and not options.parallel:  # each would train its own network
        raise Refused(f"mpirun has started {launched()} processes: add --parallel to train one network with them")
    with Parallel() if options.parallel else nullcontext() as parallel:
        return _run(Settings.of(vars(options)), options, parallel).interrupted


def _run(settings: Settings, options: Namespace, parallel: Parallel | None) -> History:
    """The history of the training with ``settings``, after its results have been written."""
    if util.find_spec("matplotlib") is None:
        raise Refused('the learning curves need matplotlib: pip install "glassgrad[demo]"')
    data = DATASETS[settings.data]()
    digits = len(data.x_train) - validation_size(data)
    if settings.batch > digits:
        raise Refused(f"batch is {settings.batch}: give at most {digits:,}, the number of digits to learn from")
    device = settings.device if parallel is None else parallel.device(settings.device)
    space_on(device)  # raises if there is no such device
    model = built(settings, data).to(device)
    folder, made = (None, []) if parallel is not None and parallel.rank else claim(settings, options.out)
    try:
        print(_opening(settings, data, model, parallel), end="\n\n", flush=True)
        with np.errstate(all="ignore"):  # a training that diverges is reported, not warned of
            history = _train(model, settings, data, folder, parallel)
    except BaseException:
        if folder is not None:
            release(folder, made)
        raise
    if folder is not None:
        from glassgrad.viz.drawing.words import speaking  # imported here, so that commands start fast

        run = Run(model, settings, data, history, folder)
        print(f"\n{run.table()}, after {sum(history.seconds):.1f} s of training\n")
        with speaking(options.language):
            list_files(folder, chain(run.files(), run.pictures()))
    return history


def built(settings: Settings, data: Dataset) -> Module:
    """The untrained network; for the mean squared error its outputs are those of a sigmoid."""
    own = settings.model == "mlp" and settings.loss == "mse"
    given = data.image_shape, len(data.classes), settings.hidden, settings.seed
    model = NETWORKS[settings.model].build(*given, **({"output": "sigmoid"} if own else {}))
    return Sequential(model, Sigmoid()) if settings.loss == "mse" and not own else model


def claim(settings: Settings, out: Path | None) -> tuple[Path, list[Path]]:
    """The folder ``out``, or the first free one after `DEFAULT`, claimed for one run by creating its settings.json; and
    the folders that were made for it.

    Raises `Refused` for a folder that is not empty or can't be written to.
    """
    names = [out] if out else chain([DEFAULT], (DEFAULT.with_name(f"{DEFAULT.name}-{n}") for n in count(2)))
    try:
        for path in names:
            made = [folder for folder in (path, *path.parents) if not folder.exists()]
            path.mkdir(parents=True, exist_ok=True)
            if not any(path.iterdir()):
                with suppress(FileExistsError), (path / SETTINGS).open("xb") as file:  # another run may claim it now
                    file.write(settings.json())
                    return path, made
    except OSError as error:
        raise Refused(f"{out or DEFAULT} cannot be written to ({reason(error)}): name another with --out") from None
    raise Refused(f"{out} is not empty: name another folder, or remove it")


def release(folder: Path, made: Sequence[Path]) -> None:
    """Remove the settings of a run that left no results, and the folders that were made for it."""
    if [path.name for path in folder.iterdir()] == [SETTINGS]:
        (folder / SETTINGS).unlink()
        for empty in made:
            empty.rmdir()


def _train(model: Module, settings: Settings, data: Dataset, folder: Path | None, parallel: Parallel | None) -> History:
    """The history of the training. Raises `Refused` if it fails, `KeyboardInterrupt` without a complete epoch.

    Of several processes the first writes the weights after every epoch, in case one is lost.
    """
    state = "no epoch was complete"

    def keep(history: History) -> None:
        nonlocal state
        assert folder is not None
        state = f"the weights of epoch {history.epochs} are in {save_weights(model, settings, data, folder)}"

    x, y, *held = hold_out(data.x_train, data.y_train, validation_size(data), settings.seed)
    moved = [shift(settings.shift, data.image_shape)]
    optimizer = OPTIMIZERS[settings.optimizer](model.parameters(), lr=settings.lr)
    try:
        history = fit(
            model,
            LOSSES[settings.loss],
            optimizer,
            Batches(x, y, settings.batch, settings.seed, augment=moved) if settings.shift else (x, y),
            epochs=settings.epochs,
            batch_size=settings.batch,
            seed=settings.seed,
            validation=tuple(held),
            schedule=optim.lr_scheduler.CosineAnnealingLR(optimizer, settings.epochs),
            callback=keep if parallel and folder else None,
            parallel=parallel,
            compile="c",
        )
    except ParallelError as error:
        raise Refused(f"{str(error).rstrip('.')}{f'; {state}' if folder else ''}") from None
    except TrainingError as error:
        raise Refused(f"{str(error).partition(': ')[0]}: give a smaller --lr. No results were written") from None
    if not history.epochs:
        raise KeyboardInterrupt
    return history


def _opening(settings: Settings, data: Dataset, model: Module, parallel: Parallel | None) -> str:
    """A description of the run, in three lines."""
    device = settings.device
    if parallel is not None:
        device += f" by {parallel.size} process{'es' if parallel.size > 1 else ''}"
    height, width = data.image_shape
    parameters = sum(p.size for p in model.parameters())
    moved = f", moved by up to {settings.shift} pixel{'s' * (settings.shift > 1)}" if settings.shift else ""
    return (
        f"{data.name}: {training_set(data)}, {len(data.x_test):,} held out, {height}×{width}{moved}\n"
        f"{name_of(model, settings)}, {parameters:,} parameters, on {device}, from seed {settings.seed}\n"
        f"{settings.loss}, {settings.optimizer}, batches of {settings.batch}, learning rate from {settings.lr:g} to 0"
    )
