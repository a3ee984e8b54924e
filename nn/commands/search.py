"""``search``: find the depth and the widths of a network for the digits."""

from __future__ import annotations

import json
import re
from argparse import ArgumentTypeError, Namespace
from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from importlib import util
from pathlib import Path
from typing import Any

from glassgrad.autograd.common.files import write_file
from glassgrad.autograd.errors import AutogradError
from glassgrad.nn import optim
from glassgrad.nn.commands.networks import NETWORKS
from glassgrad.nn.commands.terminal import PROGRAM, Refused, list_files, reason
from glassgrad.nn.data import DATASETS, Dataset
from glassgrad.nn.errors import printable
from glassgrad.nn.modules.module import Module
from glassgrad.nn.saving import save
from glassgrad.nn.tuning import SearchResult, Widths, search, suggest

DEFAULT = Path("runs/search")
FINALISTS = SEEDS = 3
Range = tuple[int, int]


def build(model: str, shape: Range, classes: int, *, hidden: Any, seed: int, **choice: Any) -> Module:
    """The untrained network for a choice of `space`."""
    return NETWORKS[model].build(shape, classes, hidden, seed, **choice)


MODELS = ("mlp", "cnn", "lstm", "gru")


def space(models: list[str], layers: Range, width: Range, shape: Range, trial: Any) -> dict[str, Any]:
    """The choices of a trial: the kind of network, its depth and widths, and the learning rate."""
    model = suggest(trial, "model", models) if len(models) > 1 else models[0]
    choice: dict[str, Any] = {"model": model}
    rate = suggest(trial, f"{model}_lr", (3e-4, 3e-2))
    if model == "mlp":
        choice["hidden"] = suggest(trial, "mlp", Widths(layers, width))
        choice["activation"] = suggest(trial, "activation", ["sigmoid", "tanh", "relu"])
    elif model == "cnn":
        halvings = min(3, shape[0].bit_length() - 1)
        choice["channels"] = suggest(trial, "cnn_channels", Widths((1, halvings), (4, 32)))
        choice["hidden"] = suggest(trial, "cnn", Widths((0, 1), width))
    else:
        choice["hidden"] = suggest(trial, f"{model}_hidden", width)
        choice["layers"] = suggest(trial, f"{model}_layers", (1, 2))
    return choice | {"lr": rate}


def find(options: Namespace) -> bool:
    """Search, print the results, and write the best network, the trials and a report to the folder ``out``.

    Returns whether Ctrl-C ended the search. ``options``: those of the command.
    """
    for package, extra in (("optuna", "search"), ("matplotlib", "demo")):
        if util.find_spec(package) is None:
            raise Refused(f'the search needs {package}: pip install "glassgrad[{extra}]"')
    digits = DATASETS[options.data]()
    folder = options.out or DEFAULT
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Refused(f"{folder} cannot be written to: {reason(error)}") from None
    storage = options.storage or str(folder / "search.journal")
    shape, classes = digits.image_shape, len(digits.classes)
    models, budget = options.models, options.budget
    print(f"{options.trials} trials on {digits.name}: {', '.join(models)}; the study is kept in {printable(storage)}")
    limit = "" if budget is None else f", all in about {budget:g} s"
    print(f"then the best {FINALISTS} are trained again with {SEEDS} seeds{limit}\n", flush=True)
    try:
        found = search(
            partial(build, shape=shape, classes=classes),
            digits,
            partial(space, models, options.layers, options.width, shape),
            trials=options.trials,
            budget=budget,
            epochs=options.epochs,
            optimizer=optim.Adam,
            storage=storage,
            jobs=options.jobs,
            seed=options.seed,
            finalists=FINALISTS,
            seeds=SEEDS,
            callback=lambda trial: print(trial, flush=True),
        )
    except AutogradError:
        raise
    except OSError as error:
        raise Refused(f"{storage} cannot be used: {reason(error)}") from None
    print(f"\n{found.summary()}\n")
    list_files(folder, _files(found, digits, folder))
    return found.interrupted


def _files(found: SearchResult, digits: Dataset, folder: Path) -> Iterator[tuple[Path, str]]:
    """Write the result files; yield each path with a description."""
    from glassgrad import viz

    if found.model is not None:
        path = folder / "model.npz"
        metadata = {"data": digits.name, "classes": list(digits.classes), "loss": "cross-entropy"}
        save(found.model, path, metadata=metadata)
        yield path, f"the best network ({PROGRAM} predict {path} PICTURE)"
    path = folder / "trials.json"
    write_file(path, (json.dumps([asdict(trial) for trial in found.trials], indent=1) + "\n").encode())
    yield path, "every trial: choice, curve, parameters, seconds, seed"
    if any(trial.accuracy is not None for trial in found.trials):
        plot = viz.plot_search(found)
        yield plot.save(folder / "search.svg"), "networks, learning curves, and accuracy against size"
        yield viz.search_report(found).save(folder / "report.html"), "all of it on one page"


def int_range(text: str) -> Range:
    """The bounds in ``text``: ``1:4`` as (1, 4), ``3`` as (3, 3)."""
    match = re.fullmatch(r"(\d{1,6})(?::(\d{1,6}))?", text)
    low, high = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
    if low > high:
        raise ArgumentTypeError(f"{text!r} is not a range: give one as 1:4, or a number")
    return low, high


def seconds(text: str) -> float:
    """``120``, ``120s``, ``2m`` or ``1h`` in seconds."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text)
    if not match:
        raise ArgumentTypeError(f"{text!r} is not a time: give one as 120s, 2m or 1h")
    return float(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[match[2]]
