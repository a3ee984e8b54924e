"""One training step, an epoch of them, and Ctrl-C between two steps."""

from __future__ import annotations

import math
import signal
import threading
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import InitVar, dataclass
from typing import Any

from glassgrad import autograd as ag
from glassgrad.autograd import Tensor, asarray
from glassgrad.autograd.backends import is_host
from glassgrad.autograd.compiler import Steps
from glassgrad.autograd.errors import TargetError, TraceError
from glassgrad.nn.errors import TrainingError
from glassgrad.nn.modules.module import Module
from glassgrad.nn.optim import Optimizer, clip_grad_norm_
from glassgrad.nn.parallel import Parallel
from glassgrad.nn.training.batches import Batches, row_count
from glassgrad.nn.training.evaluation import Evaluation, Tally, forward, loss_value
from glassgrad.nn.training.report import Report


class Interrupts:
    """A context in which Ctrl-C waits for the next `check`; a second Ctrl-C acts at once.

    Attributes:
        broken: whether weights are being written; if an error leaves it True, they may be half updated.
        ignored: whether Ctrl-C has no effect.
    """

    def __init__(self) -> None:
        self.broken = self.waiting = self.ignored = False
        self.previous: Any = None

    def __enter__(self) -> Interrupts:
        # Replace Python's default handler only, not one of the user's. Only the main thread may do so.
        main = threading.current_thread() is threading.main_thread()
        if main and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            self.previous = signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(self, *error: object) -> None:
        if self.previous is not None:
            signal.signal(signal.SIGINT, self.previous)

    def _handle(self, number: int, frame: Any) -> None:
        if self.ignored:
            return
        if self.waiting:
            raise KeyboardInterrupt
        self.waiting = True

    def check(self) -> None:
        """End an update, and raise `KeyboardInterrupt` if a Ctrl-C is waiting."""
        self.broken = False
        if self.waiting:
            raise KeyboardInterrupt


@dataclass(eq=False)
class Step:
    """A training step: loss and gradients of a batch, then the update; one compiled program if ``compile``.

    If it can't be compiled, as with ``parallel``, the report says why and it runs uncompiled.
    """

    model: Module
    loss: Callable[[Any, Any], Any]
    optimizer: Optimizer
    max_norm: float | None
    parallel: Parallel | None
    compile: InitVar[bool | str]
    check: InitVar[bool]
    interrupts: Interrupts
    report: Report

    def __post_init__(self, compile: bool | str, check: bool) -> None:
        self.training = [m for m in self.model.modules() if m.training or not self.model.training]
        self.parameters = [p for group in self.optimizer.param_groups for p in group["params"]]
        if compile and self.parallel is not None:
            self.report.line("Not compiled: the steps of several ranks depend on each other.")
            compile = False
        target = "numpy" if compile is True else compile
        self.program = ag.compile(self._traced, target=target, check=check) if target else None

    def epoch(self, batches: Batches, seed: Any) -> Evaluation:
        """Take a step with each batch. Raises `TrainingError` if the loss or a weight is not finite at the end."""
        tally, parallel = Tally(), self.parallel
        for module in self.training:  # not what the user has put into evaluation mode
            module.training = True
        in_c = self.program is not None and self.program.target != "numpy"
        several = in_c and batches.pair is not None and is_host(batches.pair[0])
        if several:
            self._run_rows(batches, seed, tally)
        for x, y in () if several else batches.epoch(seed):
            output, value = self._step(x, y, tally.batches + 1)
            tally.add(output if parallel is None or parallel.counts else None, y, value)
            self.report.batch(tally)
        if parallel is not None:
            self.model.load_state_dict(parallel.broadcast(dict(self.model.named_buffers())), strict=False)
        trained = tally.result(parallel)
        if not math.isfinite(trained.loss):  # on a GPU the loss is not awaited after each batch
            raise self._diverged(trained.loss, f"epoch {self.report.done + 1}")
        return trained

    def _run_rows(self, batches: Batches, seed: Any, tally: Tally) -> None:
        """Take a step with each batch: several in one call while the program runs as C."""
        pair, order, size = batches.pair, batches.order(seed), batches.batch_size
        whole = len(order) - len(order) % size
        for table in (order[:whole].reshape(-1, size), order[None, whole:]):
            steps = Steps(self.program or self._traced, pair, table) if table.size else None
            while steps is not None and steps.done < steps.total:
                first = steps.done
                part = None
                if self.program is not None:
                    self.interrupts.broken = True
                    try:
                        part = steps.several()  # None if Python has to take the next step
                    except Exception as error:  # raised before its step has written anything
                        self.interrupts.broken = isinstance(error, MemoryError)
                        raise
                    self.interrupts.check()
                if part is None:
                    x, y = map(asarray, steps.batch())
                    output, value = self._step(x, y, tally.batches + 1)
                    steps.done += 1
                    tally.add(output, y, value)
                else:
                    outputs, losses = steps.filled(part)
                    losses = losses.reshape((len(losses),))
                    for k, value in enumerate(losses.data.tolist()):
                        if not math.isfinite(value):
                            raise self._diverged(value, f"epoch {self.report.done + 1}, batch {tally.batches + k + 1}")
                    tally.add_steps(outputs, asarray(pair[1][steps.rows[first : steps.done]]), losses)
                self.report.batch(tally)

    def check_weights(self) -> None:
        """Raise `TrainingError` if a trained weight is not finite."""
        trained = {id(p) for p in self.parameters if p.requires_grad}
        finite = {n: ag.all(ag.isfinite(p.detach())) for n, p in self.model.named_parameters() if id(p) in trained}
        if finite and not ag.all(ag.stack(list(finite.values()))):  # one test for all, as it waits for a GPU
            name = next(name for name, each in finite.items() if not each)
            where = f"the last step of epoch {self.report.done + 1}, which left {name} not finite"
            raise self._diverged(math.nan, where)

    def _step(self, x: Tensor, y: Tensor, batch: int) -> tuple[Any, Any]:
        """Update the weights; return output and loss of the batch."""
        done, parallel = self._run_program(x, y) if self.program is not None else None, self.parallel
        if done is None:
            with nullcontext() if parallel is None else parallel.sharded():
                output, loss = self._backward(x, y)
            value = loss_value(loss)
        else:
            output, value = done
        if parallel is not None:
            value = parallel.average_gradients(self.parameters, float(value), row_count(y))
        if type(value) is float and not math.isfinite(value):
            raise self._diverged(value, f"epoch {self.report.done + 1}, batch {batch}")
        if done is None:
            self.interrupts.broken = True
            self._update()
        self.interrupts.check()
        return output, value

    def _backward(self, x: Tensor, y: Tensor) -> tuple[Any, Tensor]:
        """Output and loss, and the gradients in the parameters: with ``parallel`` those of the sum over the rows."""
        self.optimizer.zero_grad()
        output = forward(self.model, x, self.loss)
        loss: Any = self.loss(output, y)
        if not isinstance(loss, Tensor) or loss.size != 1:
            loss_value(loss)  # raises
        (loss if self.parallel is None else row_count(y) * loss).backward()
        return output, loss

    def _update(self) -> None:
        if self.max_norm is not None:
            clip_grad_norm_(self.parameters, self.max_norm)
        self.optimizer.step()

    def _traced(self, x: Tensor, y: Tensor) -> tuple[Any, Tensor]:
        """The function to compile."""
        output, loss = self._backward(x, y)
        self._update()
        return output, loss

    def _run_program(self, x: Tensor, y: Tensor) -> tuple[Any, Any] | None:
        """Output and loss; ``None``, with nothing done, if the step can't be compiled."""
        assert self.program is not None
        try:
            self.interrupts.broken = True
            output, loss = self.program(x, y)
        except TargetError as error:
            self.program = ag.compile(self._traced, check=self.program.check)
            self.report.line(f"Compiled for NumPy: {error}")
            return self._run_program(x, y)
        except TraceError as error:
            self.interrupts.broken, self.program = False, None
            self.report.line(f"Not compiled: {error}")
            return None
        except Exception as error:  # errors of the traced functions come before anything is written
            self.interrupts.broken = isinstance(error, FloatingPointError | MemoryError)
            raise
        return output, loss_value(loss)

    def _diverged(self, value: float, where: str) -> TrainingError:
        return TrainingError(
            f"The loss became {value} in {where}, at learning rate {self.optimizer.param_groups[0]['lr']:g}: try a "
            "smaller one, clip the gradients by max_norm, and look for such values in the data. The model has its last "
            "good weights."
        )
