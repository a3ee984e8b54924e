"""``search``: find the depth and the widths of a network for the digits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from importlib import util
from pathlib import Path
from typing import Annotated, Any

from glassgrad.autograd.errors import AutogradError
from glassgrad.nn import optim
from glassgrad.nn.commands.networks import NETWORKS
from glassgrad.nn.commands.options import Count, Folder, From0, Range, at_least
from glassgrad.nn.commands.terminal import PROGRAM, Refused, list_files, reason
from glassgrad.nn.data import DATASETS, Dataset
from glassgrad.nn.errors import printable
from glassgrad.nn.modules.module import Module
from glassgrad.nn.saving import save
from glassgrad.nn.tuning import SearchResult, Widths, search, suggest

DEFAULT = Path("runs/search")
FINALISTS = SEEDS = 3


def build(model: str, shape: tuple[int, int], classes: int, *, hidden: Any, seed: int, **choice: Any) -> Module:
    """The untrained network for a choice of `space`."""
    return NETWORKS[model].build(shape, classes, hidden, seed, **choice)


MODELS = ("mlp", "cnn")


def space(
    models: Sequence[str], layers: tuple[int, int], width: tuple[int, int], shape: tuple[int, int], trial: Any
) -> dict[str, Any]:
    """The choices of a trial: the kind of network, its depth and widths, and the learning rate."""
    model = suggest(trial, "model", [*models]) if len(models) > 1 else models[0]
    choice: dict[str, Any] = {"model": model}
    rate = suggest(trial, f"{model}_lr", (3e-4, 3e-2))
    if model == "mlp":
        choice["hidden"] = suggest(trial, "mlp", Widths(layers, width))
        choice["activation"] = suggest(trial, "activation", ["sigmoid", "tanh", "relu"])
    else:
        halvings = min(3, shape[0].bit_length() - 1)
        choice["channels"] = suggest(trial, "cnn_channels", Widths((1, halvings), (4, 32)))
        choice["hidden"] = suggest(trial, "cnn", Widths((0, 1), width))
    return choice | {"lr": rate}


def find(
    data: Annotated[str, {"choices": DATASETS, "metavar": "DATA"}],
    *,
    models: Annotated[Sequence[str], {"nargs": "+", "choices": MODELS}] = ("mlp",),
    trials: Count = 30,
    layers: Range = (1, 3),
    width: Range = (16, 256),
    epochs: Count = 5,
    budget: Annotated[float | None, {"type": partial(at_least, 1e-12), "metavar": "SECONDS"}] = None,
    storage: Annotated[str | None, {"metavar": "FILE"}] = None,
    seed: From0 = 0,
    out: Folder = None,
) -> bool:
    """Find how many layers and how many neurons a network should have.

    It tries networks of different kinds, depths and widths on handwritten
    digits, stops the bad ones early, trains the best three again with three
    seeds, and reports. The same command given again continues the search; given
    twice at once, in two terminals or on two machines, both share it.

      python -m glassgrad.nn search digits --trials 30 --layers 1:4 --width 16:512 --budget 120
      python -m glassgrad.nn search digits --models mlp cnn --storage runs/shared.journal

    Args:
        data: data set: digits, mnist
        models: kinds of network to try (default: mlp)
        trials: networks to try, earlier ones included (default: 30)
        layers: hidden layers of an mlp (default: 1:3)
        width: neurons of each hidden layer (default: 16:256)
        epochs: passes over the data in each trial (default: 5)
        budget: seconds for all (default: no limit)
        storage: where trials are kept (default: search.journal in DIR)
        seed: seed of all random numbers (default: 0)
        out: folder for the results (default: runs/search)

    Returns whether Ctrl-C ended the search.
    """
    for package, extra in (("optuna", "search"), ("matplotlib", "demo")):
        if util.find_spec(package) is None:
            raise Refused(f'the search needs {package}: pip install "glassgrad[{extra}]"')
    digits = DATASETS[data]()
    folder = out or DEFAULT
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Refused(f"{folder} cannot be written to: {reason(error)}") from None
    storage = storage or str(folder / "search.journal")
    shape = digits.image_shape
    print(f"{trials} trials on {digits.name}: {', '.join(models)}; the study is kept in {printable(storage)}")
    limit = "" if budget is None else f", all in about {budget:g} s"
    print(f"then the best {FINALISTS} are trained again with {SEEDS} seeds{limit}\n", flush=True)
    try:
        found = search(
            partial(build, shape=shape, classes=len(digits.classes)),
            digits,
            partial(space, models, layers, width, shape),
            trials=trials,
            budget=budget,
            epochs=epochs,
            optimizer=optim.Adam,
            storage=storage,
            seed=seed,
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
    if any(trial.accuracy is not None for trial in found.trials):
        yield (
            viz.plot_search(found).save(folder / "search.svg"),
            "networks, learning curves, and accuracy against size",
        )
