"""`fit`: epochs of minibatches, with progress, validation, early stopping, history, and a Ctrl-C that loses nothing."""

from __future__ import annotations

import json
import math
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field, fields
from itertools import chain
from os import PathLike
from time import perf_counter
from typing import Any, NamedTuple, TextIO

from autograd import Tensor, asarray, isfinite, no_grad, stack, take
from autograd import all as all_of
from autograd import compile as compiled
from autograd.backends import NUMPY, is_host, is_inexact
from autograd.errors import DomainError, DTypeError, ShapeError, TraceError
from autograd.files import read_file, write_file
from autograd.messages import shown
from autograd.validation import check_function, check_instance, number, refused, whole
from nn.data import minibatches
from nn.errors import FileError, ParallelError, TrainingError
from nn.init import generator
from nn.modules.module import Module
from nn.optim import Optimizer, clip_grad_norm_
from nn.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau
from nn.parallel import Parallel


@dataclass
class History:
    """What happened in a training, one entry per completed epoch.

    Attributes:
        loss: mean training loss of the epoch, measured while the weights changed.
        accuracy: share of training samples classified right, measured likewise; ``None`` where there are no classes.
        validation_loss, validation_accuracy: after the epoch; ``None`` without validation data.
        lr: the learning rate of the epoch (of the first parameter group).
        seconds: wall-clock time of the epoch, validation included.
        best_epoch: the epoch, counted from 1, with the lowest validation loss; ``None`` without validation.
        interrupted: whether Ctrl-C ended the training.
        stopped_early: whether ``patience`` or the callback did.
        note: which weights were kept and why, a sentence.
    """

    loss: list[float] = field(default_factory=list)
    accuracy: list[float | None] = field(default_factory=list)
    validation_loss: list[float | None] = field(default_factory=list)
    validation_accuracy: list[float | None] = field(default_factory=list)
    lr: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    best_epoch: int | None = None
    interrupted: bool = False
    stopped_early: bool = False
    note: str = ""

    @property
    def epochs(self) -> int:
        """The number of completed epochs."""
        return len(self.loss)

    def _add(self, trained: Evaluation, held: Evaluation | None, lr: float, seconds: float) -> None:
        """One more completed epoch."""
        self.loss.append(trained.loss)
        self.accuracy.append(trained.accuracy)
        self.validation_loss.append(None if held is None else held.loss)
        self.validation_accuracy.append(None if held is None else held.accuracy)
        self.lr.append(lr)
        self.seconds.append(seconds)
        if held is not None:
            lowest = math.inf if self.best_epoch is None else self.validation_loss[self.best_epoch - 1]
            if lowest is None or held.loss < lowest:
                self.best_epoch = self.epochs

    def save(self, path: str | PathLike[str]) -> None:
        """Write it as JSON, whole or not at all. Raises `OSError` where the file can't be written."""
        text = json.dumps(asdict(self), indent=2) + "\n"
        write_file(path, text.encode())

    @classmethod
    def load(cls, path: str | PathLike[str]) -> History:
        """Read what `save` wrote. Raises `nn.errors.FileError` for a file that is no history."""
        try:
            content = json.loads(read_file(path))
            if not isinstance(content, dict) or set(content) != {f.name for f in fields(cls)}:
                raise ValueError("it has other entries")
            for f in fields(cls):
                if not _fits(content[f.name], f.default):
                    raise ValueError(f"its {f.name} is {shown(content[f.name])}")
        except (ValueError, RecursionError) as error:
            raise FileError(f"{path} is no training history: {error}. Give a file that History.save wrote.") from None
        return cls(**content)


def _fits(value: Any, usual: Any) -> bool:
    """Whether a history may have it where a fresh one has ``usual``: a bool, a text, a number or None, or many."""
    if isinstance(usual, bool | str):
        return isinstance(value, type(usual))
    if usual is None:
        return value is None or (isinstance(value, int | float) and not isinstance(value, bool))
    return isinstance(value, list) and all(_fits(item, None) for item in value)


class Evaluation(NamedTuple):
    """Mean loss and share of samples classified right (``None`` where there are no classes)."""

    loss: float
    accuracy: float | None


class _Tally:
    """Sums over the batches so far. Accuracy counts while labels are integers ``(…)`` and outputs ``(…, classes)``.

    On a GPU the sums are there, and `result` waits for them.
    """

    def __init__(self) -> None:
        self.batches, self.samples, self.labels = 0, 0, 0
        self.loss: Any = 0.0
        self.right: Any = 0
        self.classes = True

    def add(self, output: Any, y: Tensor, loss: Any) -> None:
        self.batches += 1
        if output is None:
            return
        count = _count(y)
        self.samples += count
        self.loss = self.loss + count * loss
        fits = isinstance(output, Tensor) and output.ndim > 0 and output.shape[:-1] == y.shape
        self.classes = self.classes and fits and not is_inexact(y.dtype)
        if self.classes:
            self.labels += y.size
            self.right = self.right + (output.data.argmax(-1) == y.data).sum()

    def result(self, parallel: Parallel | None = None) -> Evaluation:
        """Of what was added here, or with ``parallel`` on all ranks."""
        sums = self.samples, self.labels, float(asarray(self.loss)), int(asarray(self.right)), not self.classes
        samples, labels, loss, right, others = sums if parallel is None else parallel.total(*sums)
        if not samples:
            raise DomainError("the data has no batches: give at least one sample.")
        return Evaluation(loss / samples, None if others or not labels else right / labels)


def _count(y: Tensor) -> int:
    return len(y) if y.ndim else 1


class _Batches:
    """The minibatches of an epoch as Tensors, in the model's dtype and on its device.

    Where that is a GPU and all samples are given at once, they are moved there once, and batches are gathered there: an
    epoch copies nothing to it but the order of the samples.
    """

    def __init__(self, data: Any, name: str, model: Module, batch_size: int, parallel: Parallel | None = None) -> None:
        first = next(model.parameters(), None)
        self.dtype: Any = None if first is None else first.dtype
        self.device = None if first is None else first.device
        self.data, self.batch_size, self.parallel = data, batch_size, parallel
        self.pair: Any = None
        self.there = False
        if isinstance(data, tuple) and len(data) == 2:
            x, y = (asarray(part).detach() for part in data)
            like_x, like_y = (NUMPY.broadcast_to(0.0, part.shape) for part in (x, y))
            minibatches(like_x, like_y, batch_size, None, shuffle=False)  # refuses now what can't be batched later
            self.there = self.device not in (None, "cpu") and parallel is None
            place = self.device if self.there and self.device is not None else "cpu"
            x, y = self._cast(x.to(place), y.to(place))
            self.pair = (x, y) if self.there else (x.numpy(), y.numpy())
        elif not isinstance(data, Iterable) or isinstance(data, Iterator):
            raise DTypeError(
                f"{name} is a {type(data).__name__}: give (x, y), or an iterable that yields batches (x, y) anew for "
                "every epoch (a generator is empty after one)."
            )

    def __len__(self) -> int:
        """The number of batches, 0 where it is not known."""
        if self.pair is not None:
            return math.ceil(len(self.pair[0]) / self.batch_size)
        return len(self.data) if hasattr(self.data, "__len__") else 0

    def epoch(self, seed: Any) -> Iterator[tuple[Tensor, Tensor]]:
        batches = self.data
        if self.pair is not None:
            x, y = self.pair
            if self.there:
                batches = self._gathered(x, y, seed)
            else:
                batches = minibatches(x, y, self.batch_size, seed, shuffle=seed is not None)
        for batch in batches:
            if not isinstance(batch, tuple | list) or len(batch) != 2:
                raise DTypeError(
                    f"the data yields a {type(batch).__name__} where a batch (x, y) should be: give all samples as one "
                    "tuple (x, y), or an iterable of such batches."
                )
            x, y = batch if self.parallel is None else self.parallel.share(*batch)
            yield self._cast(asarray(x, device=self.device), asarray(y, device=self.device))

    def _cast(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """x, and y where it is floating, in the model's dtype."""
        if self.dtype is None:
            return x, y
        return x.to(self.dtype), y.to(self.dtype) if is_inexact(y.dtype) else y

    def _gathered(self, x: Tensor, y: Tensor, seed: Any) -> Iterator[tuple[Tensor, Tensor]]:
        """What `minibatches` yields, on the device of x and y."""
        order = None if seed is None else asarray(generator(seed).permutation(len(x)), device=self.device)
        for start in range(0, len(x), self.batch_size):
            rows = slice(start, start + self.batch_size)
            yield (x[rows], y[rows]) if order is None else (take(x, order[rows], axis=0), take(y, order[rows], axis=0))


def _value(loss: Any) -> Any:
    """The loss as a number; on a GPU, which would have to be waited for, as an array of shape () there."""
    if not isinstance(loss, Tensor) or loss.size != 1:
        shape = getattr(loss, "shape", type(loss).__name__)
        raise ShapeError(f"loss(output, y) must give one number, the mean over the batch; it gave {shape}.")
    return float(loss) if is_host(loss.data) else loss.detach().reshape(()).astype("float64").data


def _evaluate(
    model: Module, loss: Callable[[Any, Any], Any], batches: _Batches, parallel: Parallel | None = None
) -> Evaluation:
    tally = _Tally()
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with no_grad():
            for x, y in batches.epoch(None):
                if parallel is None or parallel.counts:
                    output = model(x)
                    tally.add(output, y, _value(loss(output, y)))
    finally:
        for module, mode in modes:
            module.training = mode
    return tally.result(parallel)


def evaluate(model: Module, loss: Callable[[Any, Any], Any], data: Any, *, batch_size: int = 1000) -> Evaluation:
    """The loss and accuracy of ``model`` on ``data``, in evaluation mode and without recording.

    ``data`` as in `fit`. Accuracy is the share of samples whose largest output is their integer label's.

    >>> import numpy as np, nn
    >>> model = nn.MLP([4, 3], seed=0)
    >>> result = nn.evaluate(model, nn.functional.cross_entropy, (np.eye(4), np.array([0, 1, 2, 0])))
    >>> 0 <= result.accuracy <= 1
    True
    """
    check_instance(model, Module, "model", "an nn.Module")
    check_function(loss, "loss", "a function of an output and y")
    return _evaluate(model, loss, _Batches(data, "data", model, batch_size))


def fit(
    model: Module,
    loss: Callable[[Any, Any], Any],
    optimizer: Optimizer,
    data: Any,
    *,
    epochs: int,
    batch_size: int = 64,
    seed: Any = 0,
    validation: Any = None,
    schedule: LRScheduler | None = None,
    patience: int | None = None,
    max_norm: float | None = None,
    callback: Callable[[History], Any] | None = None,
    progress: bool | TextIO = True,
    parallel: Parallel | None = None,
    compile: bool = False,
) -> History:
    """Train ``model`` in place; returns the `History`.

    With validation data the model ends with the weights of the epoch whose validation loss was lowest, however the
    training ended; without, with the latest. Ctrl-C ends the training, keeps these weights and says so: no exception
    leaves, and ``history.interrupted`` is true. An update is never left half done.

    Args:
        model: what is trained; called with a batch of x.
        loss: ``loss(output, y)`` gives the mean loss of the batch, a scalar Tensor.
        optimizer: made with the model's parameters.
        data: ``(x, y)``, arrays or Tensors with a row per sample, or an iterable that yields batches ``(x, y)`` anew
            for every epoch. x, and y where it is floating, are cast to the dtype of the model's parameters and moved
            to their device. On a GPU nothing within an epoch waits for it: losses are read at its end, and for the live
            line, at most ten times a second; all samples given at once are moved there once.
        epochs: how often to go through the data.
        batch_size: samples per step; the last batch of an epoch may be smaller.
        seed: an integer or NumPy Generator, which draws the order of the samples in each epoch; ``None`` keeps their
        order.
        validation: held-out data to judge the weights by after each epoch, given like ``data``.
        schedule: stepped after every epoch; `ReduceLROnPlateau` gets the validation loss (without, the training loss).
        patience: stop when the validation loss has not been beaten for this many epochs.
        max_norm: clip the norm of all gradients to this.
        callback: called with the history after every epoch; stops the training by returning ``True``.
        progress: ``True`` for standard output, or another stream, or ``False``. On a terminal one live line per epoch
        with
            the time that is left; elsewhere one plain line per epoch.
        parallel: train together with the other processes of this `nn.parallel.Parallel`. Every one calls ``fit`` alike,
            with the whole data, and gets the same weights and history; rank 0 alone shows progress and is called back.
        compile: run each step as a program of `autograd.compile`, the same to rounding and faster. The model and the
            loss are then called for the trace only, not at each step. Where it can't be (a model or loss that branches
            on values) the training says so and goes on without. With ``parallel`` the gradients are computed so, but
            not where a layer looks at the other ranks' rows (`BatchNorm1d`, `Dropout`).

    Raises:
        nn.errors.TrainingError: the loss is not finite; the model has the kept weights, the error the ``history`` so
        far. autograd.errors.ShapeError: x and y do not fit each other, or the loss is no scalar.
        nn.errors.ParallelError: another process of ``parallel`` failed or is lost; it has the ``history`` so far.
        autograd.errors.DomainError: a count below 1, patience without validation, or an optimizer of another model.

    >>> import numpy as np, nn
    >>> x = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    >>> model = nn.MLP([2, 8, 2], seed=0)
    >>> optimizer = nn.optim.Adam(model.parameters(), lr=0.1)
    >>> data = x, np.array([0, 1, 1, 0])
    >>> history = nn.fit(model, nn.functional.cross_entropy, optimizer, data, epochs=100, progress=False)
    >>> history.accuracy[-1]
    1.0
    """
    check_instance(model, Module, "model", "an nn.Module")
    check_function(loss, "loss", "a function of an output and y")
    check_instance(optimizer, Optimizer, "optimizer", "one of nn.optim, made with the model's parameters")
    for name, count in (("epochs", epochs), ("batch_size", batch_size), ("patience", patience)):
        if count is not None or name != "patience":
            whole(count, name)
    if max_norm is not None:
        number(max_norm, "max_norm", 0)
    if callback is not None:
        check_function(callback, "callback", "a function of the history")
    if schedule is not None:
        check_instance(schedule, LRScheduler, "schedule", "one of nn.optim.lr_scheduler")
    if not isinstance(progress, bool) and not hasattr(progress, "write"):
        raise refused(progress, "progress", "True, False or a stream to write to")
    if parallel is not None:
        check_instance(parallel, Parallel, "parallel", "an nn.parallel.Parallel")
    if patience is not None and validation is None:
        raise DomainError("patience watches the validation loss: give validation=(x, y) as well.")
    mine = {id(p) for p in model.parameters()}
    if not any(id(p) in mine for group in optimizer.param_groups for p in group["params"]):
        raise DomainError(
            "the optimizer has none of the model's parameters, so nothing would be learned: make it anew with "
            "model.parameters() whenever you make the model anew."
        )
    batches = _Batches(data, "data", model, batch_size, parallel)
    held_out = None
    if validation is not None:
        held_out = _Batches(validation, "validation", model, max(batch_size, 1000), parallel)
    rng = None if seed is None else generator(seed)
    first = parallel is None or parallel.rank == 0
    if parallel is not None:
        facts = epochs, batch_size, len(batches), held_out and len(held_out), patience, max_norm
        rng = parallel.start(model, optimizer, rng, facts, chain(*(b.pair or () for b in (batches, held_out) if b)))
    report = _Report(progress if first else False, epochs, len(batches))
    program = _Program(model, loss, optimizer, max_norm, report, parallel)
    program.holds = compile
    history = History()
    modes = [(module, module.training) for module in model.modules()]
    kept, damaged = model.state_dict(), False
    accumulated = optimizer._accumulated()

    with _Interrupts(parallel) as interrupts:
        try:
            for epoch in range(1, epochs + 1):
                start = perf_counter()
                drawn = batches.epoch(rng)
                trained = _train(model, loss, optimizer, drawn, max_norm, interrupts, report, parallel, program)
                held = None if held_out is None else _evaluate(model, loss, held_out, parallel)
                _check_finite(model, epoch, optimizer)
                interrupts.held = True
                history._add(trained, held, optimizer.param_groups[0]["lr"], perf_counter() - start)
                if held is None or history.best_epoch == epoch:
                    kept = model.state_dict()
                accumulated = optimizer._accumulated()
                if isinstance(schedule, ReduceLROnPlateau):
                    schedule.step((held or trained).loss)
                elif schedule is not None:
                    schedule.step()
                report.epoch(history)
                interrupts.release()
                answer = callback(history) if first and callback is not None else None
                enough = isinstance(answer, bool | NUMPY.bool_) and bool(answer)
                if parallel is not None:
                    enough = any(parallel.total(enough))
                if enough or (patience is not None and epoch - (history.best_epoch or 0) >= patience):
                    history.stopped_early = epoch < epochs
                    break
        except KeyboardInterrupt:
            history.interrupted = True
        except TrainingError as error:
            damaged, error.history = True, history
            raise
        except ParallelError as error:
            error.history = history
            raise
        finally:
            damaged = damaged or interrupts.updating
            interrupts.ignored = True  # what follows is quick, and must be whole
            if damaged or history.best_epoch is not None:
                model.load_state_dict(kept)
            for tensor, before in accumulated if damaged else ():
                tensor._set(before.data)
            for module, mode in modes:
                module.training = mode
            history.note = _note(history, damaged)
            report.clear()
    report.line(history.note)
    return history


def _train(
    model: Module,
    loss: Callable[[Any, Any], Any],
    optimizer: Optimizer,
    batches: Iterator[tuple[Tensor, Tensor]],
    max_norm: float | None,
    interrupts: _Interrupts,
    report: _Report,
    parallel: Parallel | None,
    program: _Program,
) -> Evaluation:
    """One epoch."""
    tally = _Tally()
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    model.train()
    for x, y in batches:
        if program.holds and parallel is None:
            interrupts.held = interrupts.updating = True
            try:
                done = program(x, y)
            except Exception as error:  # refused, or raised by what is traced: before anything was written
                interrupts.updating = isinstance(error, FloatingPointError | MemoryError)
                raise
            interrupts.updating = False
            interrupts.release()
            if done is not None:
                output, value = done
                if type(value) is float and not math.isfinite(value):
                    raise _diverged(value, f"epoch {report.done + 1}, batch {tally.batches + 1}", optimizer)
                tally.add(output, y, value)
                report.batch(tally)
                continue
        optimizer.zero_grad()
        output, value, count = None, 0.0, _count(y)
        if parallel is None:
            output = model(x)
            lost = loss(output, y)
            value = _value(lost)
            if type(value) is not float or math.isfinite(value):
                lost.backward()
        elif count and program.holds and (done := program(x, y)) is not None:
            output, value = done
        elif count:
            with parallel.together():
                output = model(x)
                lost = loss(output, y)
            value = _value(lost)
            (count * lost).backward()  # also where it is not finite, for others may wait for this rank's part
        if parallel is not None:
            value = parallel.average(parameters, float(value), count)
        if type(value) is float and not math.isfinite(value):
            raise _diverged(value, f"epoch {report.done + 1}, batch {tally.batches + 1}", optimizer)
        if max_norm is not None:
            clip_grad_norm_(parameters, max_norm)
        interrupts.held = interrupts.updating = True
        optimizer.step()
        interrupts.updating = False
        interrupts.release()
        tally.add(output if parallel is None or parallel.counts else None, y, value)
        report.batch(tally)
    if parallel is not None:
        parallel.match(model.buffers())
    trained = tally.result(parallel)
    if not math.isfinite(trained.loss):  # on a GPU the batches were not waited for
        raise _diverged(trained.loss, f"epoch {report.done + 1}", optimizer)
    return trained


class _Program:
    """A training step as a compiled program, while it can be one (``holds``); in ``parallel`` what precedes the sum of
    all ranks' gradients.
    """

    def __init__(
        self,
        model: Module,
        loss: Callable[[Any, Any], Any],
        optimizer: Optimizer,
        max_norm: float | None,
        report: _Report,
        parallel: Parallel | None,
    ) -> None:
        self.report, self.parallel, self.holds = report, parallel, True
        self.parameters = parameters = [p for group in optimizer.param_groups for p in group["params"]]

        def step(x: Tensor, y: Tensor) -> tuple[Any, Tensor, list[Tensor | None]]:
            optimizer.zero_grad()
            output = model(x)
            lost: Tensor = loss(output, y)
            if not isinstance(lost, Tensor) or lost.size != 1:
                _value(lost)  # which refuses it
            if parallel is not None:
                (_count(y) * lost).backward()
                return output, lost, [p.grad for p in parameters]
            lost.backward()
            if max_norm is not None:
                clip_grad_norm_(parameters, max_norm)
            optimizer.step()
            return output, lost, []

        self.step = compiled(step)

    def __call__(self, x: Tensor, y: Tensor) -> tuple[Any, Any] | None:
        """The step's output and loss, or ``None``, and nothing done, where it can't be compiled."""
        try:
            with nullcontext() if self.parallel is None else self.parallel.apart():
                output, lost, gradients = self.step(x, y)
        except TraceError as error:
            self.holds = False
            self.report.line(f"Not compiled, which is slower: {error}")
            return None
        for p, gradient in zip(self.parameters, gradients, strict=False):  # none where the step was whole
            p.grad = gradient
        return output, _value(lost)


def _diverged(value: float, when: str, optimizer: Optimizer) -> TrainingError:
    return TrainingError(
        f"The loss became {value} in {when}, at learning rate {optimizer.param_groups[0]['lr']:g}: try a smaller one, "
        "clip the gradients by max_norm, and look for such values in the data. The model has its last good weights."
    )


def _check_finite(model: Module, epoch: int, optimizer: Optimizer) -> None:
    """Refuse an epoch whose last step has ended in what is no number, before its weights are kept."""
    trained = {id(p) for group in optimizer.param_groups for p in group["params"] if p.requires_grad}
    finite = {name: all_of(isfinite(p.detach())) for name, p in model.named_parameters() if id(p) in trained}
    if finite and not all_of(stack(list(finite.values()))):  # one look for all, as a GPU has to be waited for
        name = next(name for name, each in finite.items() if not each)
        raise _diverged(math.nan, f"the last step of epoch {epoch}, which left {name} not finite", optimizer)


class _Interrupts:
    """Within it a Ctrl-C waits while ``held``; a second one does not. ``updating``: weights are half changed.

    In ``parallel`` the first one waits for the next meeting, so that all ranks stop at the same place.
    """

    def __init__(self, parallel: Parallel | None) -> None:
        self.parallel = parallel
        self.held = self.updating = self.waiting = self.ignored = False
        self.before: Any = None

    def __enter__(self) -> _Interrupts:
        # Only Python's own answer to Ctrl-C is replaced, and only the main thread may do it.
        main = threading.current_thread() is threading.main_thread()
        if main and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            self.before = signal.signal(signal.SIGINT, self._answer)
        return self

    def __exit__(self, *error: object) -> None:
        if self.before is not None:
            signal.signal(signal.SIGINT, self.before)

    def _answer(self, number: int, frame: Any) -> None:
        if self.ignored:
            return
        if self.parallel is not None and not self.parallel.interrupted:
            self.parallel.interrupted = True
            return
        if not self.held or self.waiting:
            raise KeyboardInterrupt
        self.waiting = True

    def release(self) -> None:
        """Hold no longer: what waited is raised."""
        self.held = False
        if self.waiting:
            self.waiting = False
            raise KeyboardInterrupt


class _Report:
    """Progress as text: a live line on a terminal, one plain line per epoch elsewhere, nothing without a stream."""

    def __init__(self, progress: bool | TextIO, epochs: int, batches: int) -> None:
        self.stream = None if progress is False else sys.stdout if progress is True else progress
        self.live = self.stream is not None and hasattr(self.stream, "isatty") and self.stream.isatty()
        self.epochs, self.batches, self.done = epochs, batches, 0
        self.start = self.shown = perf_counter()
        self.width = 0

    def batch(self, tally: _Tally) -> None:
        now = perf_counter()
        if not self.live or now - self.shown < 0.1:
            return
        self.shown = now
        share = min(1.0, tally.batches / self.batches) if self.batches else 0.0
        parts = [self._head(self.done + 1), f"{100 * share:3.0f} %" if self.batches else f"batch {tally.batches}"]
        parts += _numbers(*tally.result())
        completed = (self.done + share) / self.epochs
        if completed:
            parts.append(f"{_duration((now - self.start) * (1 / completed - 1))} left")
        self._overwrite("  ".join(parts))

    def epoch(self, history: History) -> None:
        self.done = history.epochs
        parts = [self._head(self.done), *_numbers(history.loss[-1], history.accuracy[-1])]
        if (held := history.validation_loss[-1]) is not None:
            parts += ["validation:", *_numbers(held, history.validation_accuracy[-1])]
        self.line("  ".join([*parts, _duration(history.seconds[-1])]))

    def _head(self, epoch: int) -> str:
        return f"epoch {epoch:{len(str(self.epochs))}}/{self.epochs}"

    def _overwrite(self, text: str) -> None:
        text = text[: shutil.get_terminal_size().columns - 1]
        assert self.stream is not None
        self.stream.write(f"\r{text:{self.width}}")
        self.stream.flush()
        self.width = len(text)

    def clear(self) -> None:
        """Take the live line away."""
        if self.width:
            self._overwrite("")
            self._overwrite("")

    def line(self, text: str) -> None:
        """A line that stays."""
        if self.stream is None:
            return
        self.clear()
        self.stream.write(f"{text}\n")
        if hasattr(self.stream, "flush"):
            self.stream.flush()


def _numbers(loss: float, accuracy: float | None) -> list[str]:
    return [f"loss {loss:.4f}", *([] if accuracy is None else [f"accuracy {100 * accuracy:5.2f} %"])]


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"


def _note(history: History, damaged: bool) -> str:
    """How the training ended and which weights the model has."""
    if history.interrupted:
        end = f"Interrupted after epoch {history.epochs}" if history.epochs else "Interrupted in the first epoch"
    elif history.stopped_early:
        end = f"Stopped after epoch {history.epochs}"
    else:
        end = f"Ended after epoch {history.epochs}"
    if history.best_epoch is not None:
        lowest = history.validation_loss[history.best_epoch - 1]
        kept = f"those of epoch {history.best_epoch}, which had the lowest validation loss ({lowest:.4f})"
    elif damaged:
        kept = f"those of epoch {history.epochs}" if history.epochs else "those from before the training"
    else:
        kept = "the latest"
    return f"{end}: the weights are {kept}."
