"""`search`: find the depth, the widths and other settings of a network, on Optuna.

Each trial builds a network, trains it, and is pruned if it learns worse than the others did. The trials are in
a file that several processes or machines can share: they need nothing else to work together.
"""

from __future__ import annotations

import json
import math
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from glassgrad.autograd.backends import NUMPY
from glassgrad.autograd.common.files import open_file
from glassgrad.autograd.common.messages import brief, of_type
from glassgrad.autograd.common.validation import check_function, check_instance, number, whole
from glassgrad.autograd.errors import DTypeError
from glassgrad.nn import functional as F
from glassgrad.nn import optim
from glassgrad.nn.data import hold_out
from glassgrad.nn.errors import FileError, TrainingError
from glassgrad.nn.modules.module import Module
from glassgrad.nn.training import History, evaluate, fit
from glassgrad.nn.tuning.spaces import chosen

JOURNAL = b'{"op_code"'  # the first bytes of a journal
# Optuna's states of trials that have ended, and ours.
ENDED = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed"}
FINALS = 1 / 3  # the share of the budget that the trials leave to the finals


@dataclass(frozen=True)
class Trial:
    """One network that a search tried; ``print`` shows it in a line.

    Attributes:
        number: in the order of their start.
        choice: the values from the space.
        state: ``"complete"``, ``"pruned"`` (learned worse than the others, or the time was over), ``"failed"``, or
            ``"running"``, also that of a killed process.
        accuracy: best fraction of held-out rows classified correctly; ``None`` before the first epoch.
        curve: that fraction after each epoch.
        parameters: how many the network has.
        layers: the width of each layer with weights, from input to output: a sketch of the network.
        seconds: of training.
        seed: of the network and of the order of the samples.
        error: why it failed.
    """

    number: int
    choice: dict[str, Any]
    state: str
    accuracy: float | None
    curve: tuple[float, ...]
    parameters: int = 0
    layers: tuple[int, ...] = ()
    seconds: float = 0.0
    seed: int = 0
    error: str = ""

    @property
    def settings(self) -> str:
        """The choice in a few words: ``mlp, hidden 219-105, tanh, lr 0.0031``."""
        return ", ".join(
            value if isinstance(value, str) else f"{name} {_short(value)}"
            for name, value in self.choice.items()
            if value != ()
        )

    def __str__(self) -> str:
        """Return number, accuracy, settings, size and time."""
        share = "      -" if self.accuracy is None else f"{100 * self.accuracy:5.2f} %"
        why = self.error or "interrupted"
        end = {"pruned": f", pruned after {len(self.curve)}", "failed": f", failed: {why}", "running": ", running"}
        size = f"{self.settings:40} {self.parameters:9,} parameters"
        return f"trial {self.number:3}  {share}  {size}  {self.seconds:5.1f} s{end.get(self.state, '')}"


def _short(value: Any) -> str:
    """A value of a choice as text."""
    if isinstance(value, tuple | list):
        return "-".join(map(_short, value))
    return f"{value:.2g}" if isinstance(value, float) else str(value)


@dataclass(frozen=True)
class Finalist:
    """One of the best choices, trained anew with several seeds.

    Attributes:
        trial: the trial that made the choice.
        validation: the fraction of held-out rows classified correctly, for each seed.
        test: the fraction of test rows classified correctly, for each seed.
    """

    trial: Trial
    validation: tuple[float, ...]
    test: tuple[float, ...]

    def __str__(self) -> str:
        """Return settings, size, and accuracies with half their spread."""
        size = f"{self.trial.settings:40} {self.trial.parameters:9,} parameters"
        return f"  {size}  held out {_spread(self.validation)}, test {_spread(self.test)}"


@dataclass(frozen=True, repr=False)
class SearchResult:
    """The result of a search; ``print`` shows its `summary`.

    Attributes:
        trials: all trials of the study, other processes' included.
        finalists: the best choices with the spread over seeds, best first; after Ctrl-C or at the end of the budget
            those that were trained by then.
        model: the trained network of the best finalist, or without finals that of the best trial which this process
            completed; ``None`` if it completed none.
        interrupted: whether Ctrl-C ended the search.
        study: Optuna's study, with its own pictures and queries.
    """

    trials: list[Trial]
    finalists: list[Finalist]
    model: Module | None
    interrupted: bool
    study: Any

    @property
    def best(self) -> Trial | None:
        """The trial with the best validation accuracy, of those that ran to their end if there are any."""
        return max(_ranked(self.trials), key=lambda trial: trial.accuracy or 0.0, default=None)

    def pareto(self) -> list[Trial]:
        """The trials that no smaller network equals in accuracy, by number of parameters."""
        front: list[Trial] = []
        for trial in sorted(_ranked(self.trials), key=lambda t: (t.parameters, -(t.accuracy or 0.0))):
            if not front or (trial.accuracy or 0.0) > (front[-1].accuracy or 0.0):
                front.append(trial)
        return front

    def summary(self) -> str:
        """The number of trials, the best, the finalists with their spread over seeds, and caveats."""
        counts = sorted(Counter(trial.state for trial in self.trials).items())
        lines = [f"trials: {', '.join(f'{count} {state}' for state, count in counts) or 'none'}"]
        if self.interrupted:
            lines.append("interrupted: the storage keeps the study; run the same search again to continue")
        if self.best is not None:
            lines += ["", "best on the held-out rows:", f"  {self.best}"]
        if self.finalists:
            lines += [
                "",
                f"trained again, seeds: {len(self.finalists[0].test)}",
                *map(str, self.finalists),
                "",
                "The best of many trials was chosen by the held-out rows, so its accuracy there is too high.",
                "The test rows were used once by this search, at its end; one that continues it uses them again.",
                "Differences within the spread over seeds mean nothing.",
            ]
        return "\n".join(lines)

    def __repr__(self) -> str:
        """Return the summary, and where to see more."""
        return f"{self.summary()}\n\nviz.plot_search(result).save('search.svg') draws the trials."


def _spread(values: tuple[float, ...]) -> str:
    mean = sum(values) / len(values)
    return f"{100 * mean:.2f} ± {100 * max(abs(v - mean) for v in values):.2f} %"


def _ranked(trials: list[Trial]) -> list[Trial]:
    """The complete trials; if there are none, all trials with an accuracy."""
    known = [trial for trial in trials if trial.accuracy is not None]
    return [trial for trial in known if trial.state == "complete"] or known


def search(
    build: Callable[..., Module],
    data: Any,
    space: Any,
    *,
    trials: int = 30,
    budget: float | None = None,
    epochs: int = 5,
    batch_size: int = 100,
    optimizer: Callable[..., optim.Optimizer] = optim.Adam,
    loss: Callable[[Any, Any], Any] = F.cross_entropy,
    held_out: float = 1 / 6,
    finalists: int = 3,
    seeds: int = 3,
    storage: str | Path | None = None,
    name: str = "search",
    seed: int = 0,
    compile: bool = True,
    callback: Callable[[Trial], Any] | None = None,
) -> SearchResult:
    """Train networks chosen from ``space``, and return the best one with all trials.

    A part of the training rows is held out, once, and judges every trial. The test rows are used at the end, to score
    the finalists: the best choices, trained anew on the same rows with several seeds.

    Args:
        build: ``build(seed=seed, **choice)`` returns a classifier; ``lr`` and ``batch_size`` of the choice go to the
            training, not to it.
        data: a `nn.data.Dataset`, or ``(x_train, y_train, x_test, y_test)`` with integer labels.
        space: a dict of names and ranges: a pair of integers or floats, a list to choose from, or `Widths`. A range
            whose end is at least 10 times its start is drawn from on a logarithmic scale. Or a function that returns
            the choice for a trial of Optuna, whose ``suggest_…`` methods may be called conditionally.
        trials: how many are to end, for all processes together; those already in the storage count. A trial that fails
            counts, and a killed one does not. Of several processes each ends the trial that it is in.
        budget: seconds for all: after two thirds no trial starts, and the rest is for the finals, of which those that
            are not trained by then are left out. A training ends after the epoch in which its time is over.
        epochs: of each trial.
        optimizer: ``optimizer(parameters, lr=lr)``; ``lr`` is .001 unless the space has one.
        held_out: the share of training rows that is held out.
        finalists, seeds: how many choices are trained anew, and how often each; 0 finalists leave the test rows alone.
        storage: a file that keeps the study. Processes on any machines that name the same one share the work: run the
            same search in each. A killed one loses its trial only. Without it the study is not kept.
        name: of the study in the storage.
        seed: of the held-out rows, the choices and the networks.
        compile: run the training steps as programs of `autograd.compile`.
        callback: called with each `Trial` of this process that has ended.

    T. Akiba et al., "Optuna: a next-generation hyperparameter optimization framework", KDD 2019. Choices by J.
    Bergstra et al., "Algorithms for hyper-parameter optimization", NeurIPS 2011 (TPE); trials below the median of the
    others at the same epoch are pruned. Ctrl-C ends the search and keeps the study and the best model.

    Raises:
        Exception: what ``build`` or the training raised, if every trial failed so.
        ImportError: without Optuna (``pip install "glassgrad[search]"``).
        autograd.errors.DomainError: a count below 1.
        nn.errors.FileError: a storage that can't be used.

    >>> import numpy as np
    >>> from glassgrad import nn
    >>> x = np.random.default_rng(0).normal(size=(300, 2)).astype("float32")
    >>> y = (x[:, 0] * x[:, 1] > 0).astype("int64")
    >>> def build(hidden, seed):
    ...     return nn.MLP([2, *hidden, 2], "tanh", seed=seed)
    >>> space = {"hidden": nn.tuning.Widths(layers=(1, 2), width=(4, 16)), "lr": (0.001, 0.1)}
    >>> found = nn.search(build, (x[:200], y[:200], x[200:], y[200:]), space, trials=3, seeds=2)
    >>> len(found.trials), len(found.finalists[0].test)
    (3, 2)
    >>> print(found)  # doctest: +ELLIPSIS
    trials: 3 complete
    <BLANKLINE>
    best on the held-out rows:
      trial ...
    """
    check_function(build, "build", "a function that returns a module")
    check_function(optimizer, "optimizer", "a class of nn.optim")
    for value, called in ((trials, "trials"), (epochs, "epochs"), (batch_size, "batch_size"), (seeds, "seeds")):
        whole(value, called)
    whole(finalists, "finalists", 0)
    limit = math.inf if budget is None else number(budget, "budget", 0)
    start = time.time()
    ends = start + limit * (1 - FINALS if finalists else 1)  # no training starts then, or goes on
    x, y, *test = _four(data)
    x, y, *held = hold_out(x, y, max(1, round(number(held_out, "held_out", 0, 1) * len(x))), seed)
    optuna = _optuna()
    study = _study(optuna, storage, name)
    errors: list[Exception] = []
    kept: list[tuple[float, Module]] = []  # the most accurate network of the complete trials
    finals: list[tuple[Finalist, Module]] = []
    interrupted = False

    def is_over(history: History) -> bool:
        return time.time() > ends and history.epochs < epochs

    def built(choice: dict[str, Any], own_seed: int) -> Module:
        options = {name: value for name, value in choice.items() if name not in ("lr", "batch_size")}
        return check_instance(build(seed=own_seed, **options), Module, "what build returned", "an nn.Module")

    def trained(model: Module, choice: dict[str, Any], own_seed: int, after: Callable[[History], bool]) -> History:
        history = fit(
            model,
            loss,
            optimizer(model.parameters(), lr=choice.get("lr", 0.001)),
            (x, y),
            epochs=epochs,
            batch_size=choice.get("batch_size", batch_size),
            seed=own_seed,
            validation=tuple(held),
            callback=after,
            progress=False,
            compile=compile,
        )
        if history.interrupted:
            raise KeyboardInterrupt
        return history

    def objective(trial: Any) -> float:
        own_seed = seed + trial.number  # differs between processes, and between calls that continue a study
        study.sampler = optuna.samplers.TPESampler(seed=own_seed)
        trial.set_user_attr("seed", own_seed)

        def after(history: History) -> bool:
            trial.report(history.validation_accuracy[-1] or 0.0, history.epochs)
            return is_over(history) or (history.epochs < epochs and trial.should_prune())

        try:
            choice = chosen(trial, space)
            trial.set_user_attr("choice", _as_json(choice))
            model = built(choice, own_seed)
            trial.set_user_attr("parameters", sum(p.size for p in model.parameters()))
            trial.set_user_attr("layers", _widths(model))
            history = trained(model, choice, own_seed, after)
        except TrainingError:
            trial.set_user_attr("error", "it diverged")
            raise
        except Exception as error:
            trial.set_user_attr("error", f"{type(error).__name__}: {error}"[:200])
            errors.append(error)
            raise
        trial.set_user_attr("seconds", sum(history.seconds))
        if history.stopped_early:
            raise optuna.TrialPruned
        accuracy = _accuracy(history)
        kept[:] = [(accuracy, model)] if not kept or accuracy > kept[0][0] else kept
        return accuracy

    def final(trial: Trial) -> Iterator[tuple[float, float, Module]]:
        for own_seed in range(seed + 1000, seed + 1000 + seeds):
            if time.time() > ends:
                return
            model = built(trial.choice, own_seed)
            try:
                history = trained(model, trial.choice, own_seed, is_over)
            except TrainingError as error:
                history = error.history  # and the model has the weights of its best epoch
            if is_over(history):
                return
            yield _accuracy(history), evaluate(model, loss, tuple(test)).accuracy or 0.0, model

    def tell(_: Any, frozen: Any) -> None:
        if callback is not None:
            callback(_trial(frozen))

    try:
        states = tuple(optuna.trial.TrialState[name] for name in ENDED)
        if len(study.get_trials(deepcopy=False, states=states)) < trials:
            enough = optuna.study.MaxTrialsCallback(trials, states)
            left = None if limit == math.inf else max(0.0, ends - time.time())
            study.optimize(objective, timeout=left, callbacks=[tell, enough], catch=(Exception,))
        tried = [*map(_trial, study.get_trials(deepcopy=False))]
        if errors and all(trial.state == "failed" for trial in tried):
            raise errors[-1]
        best = sorted(_ranked(tried), key=lambda trial: -(trial.accuracy or 0.0))[:finalists]
        ends = start + limit
        for trial in best:
            runs = [*final(trial)]
            if len(runs) == seeds or (runs and trial is best[0]):
                validation, scores, models = zip(*runs, strict=True)
                finals.append((Finalist(trial, validation, scores), models[validation.index(max(validation))]))
    except KeyboardInterrupt:
        interrupted = True
    finals.sort(key=lambda final: -sum(final[0].validation))
    tried = [*map(_trial, study.get_trials(deepcopy=False))]
    model = finals[0][1] if finals else kept[0][1] if kept else None
    return SearchResult(tried, [f for f, _ in finals], model, interrupted, study)


def _optuna() -> Any:
    try:
        import optuna
    except ImportError:
        raise ImportError('nn.search needs Optuna: pip install "glassgrad[search]"') from None
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)  # a trial tells why it failed
    return optuna


def _four(data: Any) -> tuple[Any, Any, Any, Any]:
    if hasattr(data, "x_train"):
        data = data.x_train, data.y_train, data.x_test, data.y_test
    if not isinstance(data, tuple | list) or len(data) != 4:
        raise DTypeError(f"data is {of_type(data)}: give a Dataset, or (x_train, y_train, x_test, y_test).")
    x, y, x_test, y_test = map(NUMPY.asarray, data)
    if y.dtype.kind not in "iu" or y.ndim != 1:
        raise DTypeError(f"search takes integer labels, one for each row; y has shape {y.shape} and dtype {y.dtype}.")
    return x, y, x_test, y_test


def _as_json(choice: dict[str, Any]) -> str:
    try:
        return json.dumps(choice, default=lambda value: getattr(value, "tolist", lambda: list(value))())
    except (TypeError, ValueError):
        advice = "choose among numbers, strings, booleans and lists of these, and let build look up the rest"
        raise DTypeError(f"a study can't keep the choice {brief(choice)}: {advice}.") from None


def _study(optuna: Any, storage: Any, name: str) -> Any:
    """The study in a file, or for ``None`` in memory, made if it is not there."""
    kept = None
    if storage is not None:
        if "://" in str(storage):
            raise FileError(f"storage = {str(storage)!r} is an address: give a file, a journal of Optuna.")
        path = Path(storage)
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            if path.exists():
                with open_file(path) as file:
                    if file.read(len(JOURNAL)) not in (JOURNAL, b""):  # Optuna would append to any file
                        raise ValueError
            kept = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(path)))
        except (LookupError, TypeError, ValueError):
            raise FileError(f"{path} is not a journal of a search, or is damaged: name another file.") from None
    pruner = optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=1)
    return optuna.create_study(storage=kept, study_name=name, direction="maximize", load_if_exists=True, pruner=pruner)


def _widths(model: Module) -> list[int]:
    """The width of each layer. The weights of a recurrent one have a row for each gate; its width is its state's."""
    weights = [(name, p.shape) for name, p in model.named_parameters() if p.ndim > 1 and "weight_ih" not in name]
    return [int(shape[1 if "weight_hh" in name else 0]) for name, shape in weights]


def _accuracy(history: History) -> float:
    return max((a for a in history.validation_accuracy if a is not None), default=0.0)


def _trial(frozen: Any) -> Trial:
    """A trial of Optuna's as one of ours. A file has lists where tuples were."""
    curve, given = frozen.intermediate_values, frozen.user_attrs
    return Trial(
        frozen.number,
        {name: tuple(v) if isinstance(v, list) else v for name, v in json.loads(given.get("choice", "{}")).items()},
        ENDED.get(frozen.state.name, "running"),
        max(curve.values(), default=None),
        tuple(curve[epoch] for epoch in sorted(curve)),
        given.get("parameters", 0),
        tuple(given.get("layers", ())),
        given.get("seconds", 0.0),
        given.get("seed", 0),
        given.get("error", ""),
    )
