"""`fit`: epochs of minibatches."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from os import PathLike
from time import perf_counter
from typing import Any

from glassgrad.autograd.backends import NUMPY
from glassgrad.autograd.common.validation import check_function, check_instance, flag, number, whole
from glassgrad.autograd.errors import DomainError
from glassgrad.nn.errors import TrainingError
from glassgrad.nn.hints import told
from glassgrad.nn.init import generator
from glassgrad.nn.modules.module import Module
from glassgrad.nn.optim import Optimizer
from glassgrad.nn.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau
from glassgrad.nn.parallel import Parallel
from glassgrad.nn.training.batches import Batches
from glassgrad.nn.training.checkpoint import Checkpoint
from glassgrad.nn.training.evaluation import check_model, evaluate, evaluate_batches, modes_restored
from glassgrad.nn.training.history import History
from glassgrad.nn.training.report import Report
from glassgrad.nn.training.step import Interrupts, Step


@told
def fit(
    model: Module,
    loss: Callable[[Any, Any], Any],
    optimizer: Optimizer,
    data: Any,
    *,
    epochs: int | None = None,
    batch_size: int = 64,
    seed: Any = 0,
    validation: Any = None,
    schedule: LRScheduler | None = None,
    patience: int | None = None,
    max_norm: float | None = None,
    callback: Callable[[History], Any] | None = None,
    progress: bool = True,
    parallel: Parallel | None = None,
    compile: bool | str = False,
    check: bool = False,
    resume: str | PathLike[str] | None = None,
) -> History:
    """Train ``model`` in place; return the `History`.

    With validation data the model ends with the weights of the epoch with the lowest validation loss, however the
    training ended; otherwise with the latest weights. Ctrl-C ends the training after its step or
    its validation, keeps these weights and sets ``history.interrupted``; no exception is raised. A second Ctrl-C acts
    at once. An update is never left half done.

    The model is trained in training mode; modules in it that are in evaluation mode while it is not, stay so: a
    `BatchNorm2d` after ``eval()`` keeps its statistics. All modes are restored.

    Args:
        model: called with a batch of x.
        loss: ``loss(output, y)`` returns the mean loss of the batch, a scalar Tensor. Of a model that returns
            ``(output, state)``, as recurrent ones do, the losses of ``nn`` are given the output.
        optimizer: made with the model's parameters.
        data: ``(x, y)``, arrays or Tensors with a row per sample, or an iterable of batches ``(x, y)`` that is iterated
            once per epoch. Floating values are cast to the dtype of the model's parameters, and all are moved to their
            device; integers stay integers, as labels or indices. On a GPU an epoch does not wait for the device, except
            for the live line: losses are read at its end.
        epochs: number of passes over the data; there is no default.
        batch_size: samples per step; the last batch of an epoch may be smaller.
        seed: integer or NumPy Generator that draws the order of the samples in each epoch; ``None`` keeps their order.
        validation: held-out data, given like ``data``, to evaluate after each epoch. Of arrays the first rows are
            evaluated before the training, too, so that what does not fit the model is refused at once.
        schedule: stepped after every epoch; `ReduceLROnPlateau` with the validation (else the training) loss.
        patience: stop when the validation loss has not improved for this many epochs.
        max_norm: limit of the norm of all gradients, for clipping.
        callback: called with the history after every epoch; stops the training by returning ``True``.
        progress: whether to write to standard output: a terminal shows a live line, a file one plain line per epoch.
        parallel: train together with the other processes of this `nn.parallel.Parallel`. Each calls ``fit`` with the
            same arguments and the whole data, and gets the same weights and history; rank 0 alone shows progress and
            calls ``callback``. Ctrl-C ends all of them.
        compile: run each step as a program of `autograd.compile`, with the same result up to rounding. It saves
            Python's time per operation, which matters most for small batches and layers; measure your own. Model and
            loss are then called once, for the trace. If they can't be traced, a line says why and the training runs
            without, as it does with ``parallel``. ``"auto"`` or ``"c"`` runs steps as C where there is a C compiler
            (see `autograd.compile`); if the data are arrays, many steps in one call of up to a twentieth of a second,
            during which the live line and Ctrl-C wait.
        check: compute each compiled step without compiling, too, and compare (see `autograd.compile`).
        resume: a file, ``.npz`` or ``.safetensors``, to which the training is written after each epoch; if it is there
            already, the training goes on from it, up to ``epochs`` epochs in all. The result is that of a training
            that was never stopped, bit for bit: the file holds weights, optimizer, schedule, history, the best weights,
            and the generators of ``seed``, modules (attributes ``generator``) and `nn.data.Batches`.

    Raises:
        nn.errors.FileError: ``resume`` is another file, and `nn.errors.StateError`, if it is of another training.
        nn.errors.TrainingError: loss or weights are not finite. The model has the kept weights, the error the
            ``history`` so far.
        nn.errors.ParallelError: the processes of ``parallel`` were given different things.
        autograd.errors.ShapeError: x and y do not fit each other, or the loss is not a scalar.
        autograd.errors.CheckError: with ``check``, a compiled step differs; it has changed nothing.
        autograd.errors.DTypeError: an argument of another type, such as the class of a loss.
        autograd.errors.DomainError: a count below 1, ``patience`` without ``validation``, an optimizer of another
            model, a schedule of another optimizer, or cross-entropy of a model that ends in softmax.

    >>> import numpy as np
    >>> from glassgrad import nn
    >>> x = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    >>> model = nn.MLP([2, 8, 2], seed=0)
    >>> optimizer = nn.optim.Adam(model.parameters(), lr=0.1)
    >>> data = x, np.array([0, 1, 1, 0])
    >>> history = nn.fit(model, nn.functional.cross_entropy, optimizer, data, epochs=100, progress=False)
    >>> history.accuracy[-1]
    1.0
    """
    check_model(model, loss)
    check_instance(optimizer, Optimizer, "optimizer", "one of nn.optim, made with the model's parameters")
    own = {id(p) for p in model.parameters()}
    if not any(id(p) in own for group in optimizer.param_groups for p in group["params"]):
        raise DomainError(
            "the optimizer has none of the model's parameters, so nothing would be learned: make a new optimizer with "
            "model.parameters() whenever you make a new model."
        )
    epochs = whole(epochs, "epochs")
    whole(batch_size, "batch_size")
    if patience is not None and whole(patience, "patience") and validation is None:
        raise DomainError("patience watches the validation loss: give validation=(x, y) as well.")
    if max_norm is not None:
        number(max_norm, "max_norm", 1e-300)
    if callback is not None:
        check_function(callback, "callback", "a function of the history")
    if schedule is not None:
        check_instance(schedule, LRScheduler, "schedule", "one of nn.optim.lr_scheduler")
        if schedule.optimizer is not optimizer:
            raise DomainError("the schedule has another optimizer, so nothing would follow it: make it with this one.")
    if parallel is not None:
        check_instance(parallel, Parallel, "parallel", "an nn.parallel.Parallel")

    batches = Batches(data, "data", model, batch_size, parallel)
    held_out = None
    if validation is not None:
        held_out = Batches(validation, "validation", model, max(batch_size, 1000), parallel)
        if held_out.pair is not None:  # what does not fit the model is refused now, not after an epoch
            evaluate(model, loss, tuple(part[:batch_size] for part in held_out.pair))
    rng = None if seed is None else generator(seed)
    first = parallel is None or parallel.rank == 0
    checkpoint = Checkpoint(resume, model, optimizer, schedule, rng, data)
    history = checkpoint.load()
    if parallel is not None:
        settings = epochs, batch_size, len(batches), held_out and len(held_out), patience, max_norm, history.epochs
        rng = parallel.start(model, optimizer, rng, settings, chain(*(b.pair or () for b in (batches, held_out) if b)))
    report = Report(flag(progress, "progress") and first, epochs, len(batches), history.epochs)
    interrupts = Interrupts()
    checkpoint.take(weights=False)
    step = Step(model, loss, optimizer, max_norm, parallel, compile, flag(check, "check"), interrupts, report)
    if first and not history.epochs:  # now, as the file may be refused
        checkpoint.save(history, best=False)
    damaged = False
    with interrupts, modes_restored(model):
        try:
            for epoch in range(history.epochs + 1, epochs + 1 if not history.stopped_early else 0):
                start = perf_counter()
                trained = step.epoch(batches, rng)
                held = None if held_out is None else evaluate_batches(model, loss, held_out, parallel)
                step.check_weights()
                history._add(trained, held, optimizer.param_groups[0]["lr"], perf_counter() - start)
                checkpoint.take(weights=held is None or history.best_epoch == epoch)
                if isinstance(schedule, ReduceLROnPlateau):
                    schedule.step((held or trained).loss)
                elif schedule is not None:
                    schedule.step()
                report.epoch(history)
                interrupts.check()
                answer = callback(history) if first and callback is not None else None
                stop = isinstance(answer, bool | NUMPY.bool_) and bool(answer)
                stop = stop or (patience is not None and epoch - (history.best_epoch or 0) >= patience)
                history.stopped_early = stop
                if first:
                    checkpoint.save(history, best=held is not None)
                if parallel is not None:  # others wait for the file
                    history.stopped_early = stop = any(parallel.sum(stop))
                interrupts.check()
                if stop:
                    break
        except KeyboardInterrupt:
            history.interrupted = True
            if parallel is not None:
                raise  # it ends all ranks
        except TrainingError as error:
            damaged, error.history = True, history
            raise
        finally:
            damaged = damaged or interrupts.broken
            interrupts.ignored = True  # the rest is quick and must complete
            checkpoint.restore(weights=damaged or history.best_epoch is not None, state=damaged)
            history.stopped_early = history.stopped_early and history.epochs < epochs
            history._set_note(damaged)
            report.clear()
    report.line(history.note)
    return history
