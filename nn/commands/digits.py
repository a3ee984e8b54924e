"""``digits``: train a network on handwritten digits, test it, and draw what happened."""

from __future__ import annotations

from importlib import util
from itertools import chain, count
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from glassgrad.autograd.backends import space_on
from glassgrad.nn import optim
from glassgrad.nn.commands.networks import NETWORKS
from glassgrad.nn.commands.options import Folder
from glassgrad.nn.commands.results import Run, name_of, training_set, validation_size
from glassgrad.nn.commands.settings import LOSSES, OPTIMIZERS, Settings
from glassgrad.nn.commands.terminal import Refused, list_files, reason
from glassgrad.nn.data import DATASETS, Batches, Dataset, hold_out, shift
from glassgrad.nn.errors import TrainingError
from glassgrad.nn.modules.activation import Sigmoid
from glassgrad.nn.modules.containers import Sequential
from glassgrad.nn.modules.module import Module
from glassgrad.nn.training import History, fit

DEFAULT = Path("runs/digits")


def train(
    *,
    out: Folder = None,
    language: Annotated[str | None, {"choices": ("en", "zh")}] = None,
    **settings: Annotated[Any, Settings],
) -> bool:
    """Train a network on handwritten digits and draw the results.

    It tells the accuracy on the held-out digits: 16 x 16 black or white pixels,
    or those of --data. Weights, history, settings and a report go to a folder.
    Ctrl-C ends the training and keeps the results.

      python -m glassgrad.nn digits
      python -m glassgrad.nn digits --model cnn
      python -m glassgrad.nn digits --hidden 500 500 --epochs 20 --out runs/large
      python -m glassgrad.nn digits --loss mse --optimizer sgd

    Args:
        out: new folder for the results (default: runs/digits, or a free name)
        language: language of the report (default: en)

    Returns whether Ctrl-C ended the training. Raises `Refused`, before anything is written.
    """
    if util.find_spec("matplotlib") is None:
        raise Refused('the learning curves need matplotlib: pip install "glassgrad[demo]"')
    chosen = Settings.of(settings)
    data = DATASETS[chosen.data]()
    digits = len(data.x_train) - validation_size(data)
    if chosen.batch > digits:
        raise Refused(f"batch is {chosen.batch}: give at most {digits:,}, the number of digits to learn from")
    space_on(chosen.device)  # raises if there is no such device
    model = built(chosen, data).to(chosen.device)
    folder = claimed(out)
    try:
        print(_opening(chosen, data, model), end="\n\n", flush=True)
        with np.errstate(all="ignore"):  # a training that diverges is reported, not warned of
            history = _train(model, chosen, data)
    except BaseException:
        folder.rmdir()
        raise
    from glassgrad.viz.drawing.words import speaking  # imported here, so that commands start fast

    run = Run(model.eval(), chosen, data, history, folder)
    print(f"\n{run.accuracy()}, after {sum(history.seconds):.1f} s of training\n")
    with speaking(language):
        list_files(folder, chain(run.files(), run.report()))
    return history.interrupted


def built(settings: Settings, data: Dataset) -> Module:
    """The untrained network; for the mean squared error its outputs are those of a sigmoid."""
    own = settings.model == "mlp" and settings.loss == "mse"
    given = data.image_shape, len(data.classes), settings.hidden, settings.seed
    model = NETWORKS[settings.model].build(*given, **({"output": "sigmoid"} if own else {}))
    return Sequential(model, Sigmoid()) if settings.loss == "mse" and not own else model


def claimed(out: Path | None) -> Path:
    """The folder ``out``, or the first free one after `DEFAULT`, made for this run alone.

    Raises `Refused` for one that is there already or can't be made.
    """
    for path in [out] if out else chain([DEFAULT], (DEFAULT.with_name(f"{DEFAULT.name}-{n}") for n in count(2))):
        try:
            path.mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError as error:
            raise Refused(f"{path} cannot be written to ({reason(error)}): name another with --out") from None
        return path
    raise Refused(f"{out} is there already: name another folder, or remove it")


def _train(model: Module, settings: Settings, data: Dataset) -> History:
    """The history of the training. Raises `Refused` if it fails, `KeyboardInterrupt` without a complete epoch."""
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
            compile="c",
        )
    except TrainingError as error:
        raise Refused(f"{str(error).partition(': ')[0]}: give a smaller --lr. No results were written") from None
    if not history.epochs:
        raise KeyboardInterrupt
    return history


def _opening(settings: Settings, data: Dataset, model: Module) -> str:
    """A description of the run, in three lines."""
    height, width = data.image_shape
    parameters = sum(p.size for p in model.parameters())
    moved = f", moved by up to {settings.shift} pixel{'s' * (settings.shift > 1)}" if settings.shift else ""
    return (
        f"{data.name}: {training_set(data)}, {len(data.x_test):,} held out, {height}×{width}{moved}\n"
        f"{name_of(model, settings)}, {parameters:,} parameters, on {settings.device}, from seed {settings.seed}\n"
        f"{settings.loss}, {settings.optimizer}, batches of {settings.batch}, learning rate from {settings.lr:g} to 0"
    )
