"""Mean loss and accuracy over batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from glassgrad.autograd import Tensor, asarray, no_grad
from glassgrad.autograd.backends import is_host, is_inexact
from glassgrad.autograd.common.validation import check_instance, refused
from glassgrad.autograd.errors import DomainError, DTypeError, ShapeError
from glassgrad.nn.hints import told
from glassgrad.nn.modules.module import Module
from glassgrad.nn.parallel import Parallel
from glassgrad.nn.training.batches import Batches, row_count


class Evaluation(NamedTuple):
    """Mean loss, and fraction of samples classified correctly (``None`` without classes)."""

    loss: float
    accuracy: float | None


class Tally:
    """Running sums of loss and accuracy, on the device until `result` is called.

    There is an accuracy if outputs are ``(…, classes)`` and targets are integer labels ``(…)`` or one-hot.
    """

    def __init__(self) -> None:
        self.batches, self.samples, self.labels = 0, 0, 0
        self.loss: Any = 0.0
        self.correct: Any = 0
        self.classes: Any = True

    def add(self, output: Any, y: Tensor, loss: Any) -> None:
        """Add a batch; ``output=None`` if another rank counts it."""
        self.batches += 1
        if output is None:
            return
        rows = row_count(y)
        self.samples += rows
        self.loss = self.loss + rows * loss
        if self.classes is not False:
            self._classify(output, y)

    def add_steps(self, outputs: Any, ys: Tensor, losses: Any) -> None:
        """Add several batches of equal size, stacked."""
        steps, rows = ys.shape[:2]
        by_row = isinstance(outputs, Tensor) and outputs.shape[:2] == (steps, rows)  # else there are no classes
        output = outputs.reshape((steps * rows, *outputs.shape[2:])) if by_row else ()
        self.add(output, ys.reshape((steps * rows, *ys.shape[2:])), float(losses.mean()))
        self.batches += steps - 1

    def _classify(self, output: Any, y: Tensor) -> None:
        labels: Any = None
        if isinstance(output, Tensor) and output.ndim:
            if output.shape[:-1] == y.shape and not is_inexact(y.dtype):
                labels = y.data
            elif output.shape == y.shape and y.shape[-1] > 1:
                one_hot = ((y.data == 0) | (y.data == 1)).all() & (y.data.sum(-1) == 1).all()
                self.classes = (self.classes & one_hot) if not is_host(y.data) else bool(one_hot)
                labels = y.data.argmax(-1)
        if labels is None:
            self.classes = False
        if self.classes is not False:
            self.labels += labels.size
            self.correct = self.correct + (output.data.argmax(-1) == labels).sum()

    def result(self, parallel: Parallel | None = None) -> Evaluation:
        """Mean loss and accuracy so far; with ``parallel`` over all ranks."""
        unclassified = not bool(asarray(self.classes))
        sums = self.samples, self.labels, float(asarray(self.loss)), int(asarray(self.correct)), unclassified
        samples, labels, loss, correct, ranks = sums if parallel is None else parallel.sum(*sums)
        if not samples:
            raise DomainError("the data has no batches: give at least one sample.")
        return Evaluation(loss / samples, None if ranks or not labels else correct / labels)


def check_model(model: Any, loss: Any) -> None:
    """Raise `DTypeError` unless these are a module and a loss of its output."""
    check_instance(model, Module, "model", "an instance of nn.Module")
    if isinstance(loss, type) or not callable(loss):
        raise refused(loss, "loss", "a function of (output, y), such as nn.functional.mse_loss, or nn.MSELoss()")


def forward(model: Module, x: Tensor, loss: Callable[[Any, Any], Any]) -> Any:
    """The output of ``model``; of (output, state), as recurrent networks return, the first if ``loss`` is one of nn.

    Raises `DTypeError` for other tuples, which the losses of nn do not take.
    """
    output = model(x)
    if not isinstance(output, tuple) or not str(getattr(loss, "__module__", "")).startswith("glassgrad.nn."):
        return output
    if type(output) is tuple and len(output) == 2 and isinstance(output[0], Tensor):
        return output[0]
    raise DTypeError(
        f"the model returns {len(output)} outputs, and this loss takes one: give a loss of your own, for instance "
        "lambda out, y: nn.functional.cross_entropy(out[0], y)."
    )


def loss_value(loss: Any) -> Any:
    """The loss as a float; on a GPU an array of shape (), since a float would wait for the device."""
    if not isinstance(loss, Tensor) or loss.size != 1:
        shape = getattr(loss, "shape", type(loss).__name__)
        raise ShapeError(f"loss(output, y) must return one number, the mean over the batch; it returned {shape}.")
    return float(loss) if is_host(loss.data) else loss.detach().reshape(()).astype("float64").data


@contextmanager
def modes_restored(model: Module) -> Iterator[None]:
    """A context that restores the training or evaluation mode of every module."""
    modes = [(module, module.training) for module in model.modules()]
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


def evaluate_batches(
    model: Module, loss: Callable[[Any, Any], Any], batches: Batches, parallel: Parallel | None = None
) -> Evaluation:
    """`evaluate` without checks; with ``parallel`` over the batches of all ranks together."""
    tally = Tally()
    with modes_restored(model), no_grad():
        model.eval()
        for x, y in batches.epoch(None):
            if parallel is None or parallel.counts:
                output = forward(model, x, loss)
                tally.add(output, y, loss_value(loss(output, y)))
    return tally.result(parallel)


@told
def evaluate(model: Module, loss: Callable[[Any, Any], Any], data: Any, *, batch_size: int = 1000) -> Evaluation:
    """Return loss and accuracy of ``model`` on ``data``, in evaluation mode and without recording.

    ``data`` as in `fit`. Accuracy is the fraction of samples whose largest output is that of their label.

    >>> import numpy as np
    >>> from glassgrad import nn
    >>> model = nn.MLP([4, 3], seed=0)
    >>> result = nn.evaluate(model, nn.functional.cross_entropy, (np.eye(4), np.array([0, 1, 2, 0])))
    >>> 0 <= result.accuracy <= 1
    True
    """
    check_model(model, loss)
    return evaluate_batches(model, loss, Batches(data, "data", model, batch_size))
