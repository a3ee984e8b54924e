"""Learning-rate schedules, with PyTorch's names. Each is a formula of the epoch, so rounding does not accumulate.

>>> from glassgrad import autograd as ag, nn
>>> optimizer = nn.optim.SGD([ag.Tensor(1.0, requires_grad=True)], lr=1.0)
>>> schedule = nn.optim.lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.1)
>>> rates = []
>>> for epoch in range(4):
...     rates.append(optimizer.param_groups[0]["lr"])
...     schedule.step()
>>> rates
[1.0, 1.0, 0.1, 0.1]
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from glassgrad.autograd.common.messages import shown
from glassgrad.autograd.common.validation import check_function, check_instance, number, real, whole, wholes
from glassgrad.autograd.errors import DomainError
from glassgrad.nn.errors import StateError
from glassgrad.nn.hints import told
from glassgrad.nn.optim.optimizer import Optimizer


class LRScheduler:
    """Base of all schedules: `step`, called after every epoch, sets each group's ``"lr"`` to ``lr_at(epoch, base)``.

    ``base`` is the group's rate when its first schedule was made. Creating a schedule sets the rate of epoch 0. A
    subclass defines ``lr_at``.
    """

    _state: tuple[str, ...] = ("epoch",)

    def __init_subclass__(cls) -> None:
        if "__init__" in vars(cls):
            cls.__init__ = told(cls.__init__)  # type: ignore[method-assign]

    def __init__(self, optimizer: Optimizer) -> None:
        self.optimizer, self.epoch = check_instance(optimizer, Optimizer, "optimizer", "one of nn.optim"), 0
        self._go()

    def lr_at(self, epoch: int, base: float) -> float:
        """The learning rate in ``epoch`` (from 0), given the initial rate ``base``."""
        raise NotImplementedError(f"{type(self).__name__} defines no lr_at(epoch, base): define the schedule there.")

    def _go(self, **state: Any) -> None:
        """Have this state, and set the rates of its epoch. If one is refused, the state stays as it was."""
        before = self.state_dict()
        vars(self).update(state)
        try:
            for group in self.optimizer.param_groups:
                base = group.get("initial_lr", group["lr"])
                group.update(initial_lr=base, lr=self.lr_at(self.epoch, base))
        except BaseException:
            vars(self).update(before)
            raise

    def step(self) -> None:
        """Go to the next epoch."""
        self._go(epoch=self.epoch + 1)

    def state_dict(self) -> dict[str, Any]:
        """The state of the schedule, for `nn.save`; the rates themselves are in the optimizer's state."""
        return {name: getattr(self, name) for name in self._state}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the state from `state_dict`, and set the rates of its epoch.

        Raises `nn.errors.StateError`, and changes nothing, for the state of another schedule.
        """
        mine = {name: type(value) for name, value in self.state_dict().items()}
        if not isinstance(state, Mapping) or {name: type(value) for name, value in state.items()} != mine:
            wanted = ", ".join(f"{name} ({kind.__name__})" for name, kind in mine.items())
            raise StateError(
                f"{type(self).__name__} has the state {wanted}; it was given {shown(state)}, the state of another "
                "schedule. Nothing was loaded."
            )
        whole(state["epoch"], "epoch", 0)
        self._go(**state)


class LambdaLR(LRScheduler):
    """Multiply the initial rate by ``factor(epoch)``."""

    def __init__(self, optimizer: Optimizer, factor: Callable[[int], float]) -> None:
        self.factor = check_function(factor, "factor", "a function of the epoch, such as lambda epoch: 0.9**epoch")
        super().__init__(optimizer)

    def lr_at(self, epoch: int, base: float) -> float:
        """``base · factor(epoch)``."""
        return base * real(self.factor(epoch), "factor(epoch)")


class StepLR(LRScheduler):
    """Multiply the rate by ``gamma`` every ``step_size`` epochs."""

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1) -> None:
        self.step_size, self.gamma = whole(step_size, "step_size"), number(gamma, "gamma", 0)
        super().__init__(optimizer)

    def lr_at(self, epoch: int, base: float) -> float:
        """``base · gamma^⌊epoch / step_size⌋``."""
        return base * self.gamma ** (epoch // self.step_size)


class MultiStepLR(LRScheduler):
    """Multiply the rate by ``gamma`` at each epoch of ``milestones``."""

    def __init__(self, optimizer: Optimizer, milestones: Sequence[int], gamma: float = 0.1) -> None:
        self.milestones = sorted(wholes(milestones, "milestones"))
        self.gamma = number(gamma, "gamma", 0)
        super().__init__(optimizer)

    def lr_at(self, epoch: int, base: float) -> float:
        """``base · gamma^(milestones reached)``."""
        return base * self.gamma ** bisect_right(self.milestones, epoch)


class ExponentialLR(StepLR):
    """Multiply the rate by ``gamma`` every epoch."""

    def __init__(self, optimizer: Optimizer, gamma: float) -> None:
        super().__init__(optimizer, 1, gamma)


class CosineAnnealingLR(LRScheduler):
    """Lower the rate along half a cosine to ``eta_min`` within ``T_max`` epochs; then it rises again.

    I. Loshchilov and F. Hutter, "SGDR: stochastic gradient descent with warm restarts", ICLR 2017, (5), without
    restarts.
    """

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0) -> None:
        self.T_max, self.eta_min = whole(T_max, "T_max"), number(eta_min, "eta_min", 0)
        super().__init__(optimizer)

    def lr_at(self, epoch: int, base: float) -> float:
        """``eta_min + (base - eta_min) · (1 + cos(π · epoch / T_max)) / 2``."""
        return self.eta_min + (base - self.eta_min) * (1 + math.cos(math.pi * epoch / self.T_max)) / 2


class LinearLR(LRScheduler):
    """Multiply the initial rate by a factor that goes linearly from ``start_factor`` to ``end_factor``."""

    def __init__(
        self, optimizer: Optimizer, start_factor: float = 1 / 3, end_factor: float = 1.0, total_iters: int = 5
    ) -> None:
        self.start_factor = number(start_factor, "start_factor", 0)
        self.end_factor = number(end_factor, "end_factor", 0)
        self.total_iters = whole(total_iters, "total_iters")
        super().__init__(optimizer)

    def lr_at(self, epoch: int, base: float) -> float:
        """``base · (start_factor + (end_factor - start_factor) · min(epoch / total_iters, 1))``."""
        return base * (self.start_factor + (self.end_factor - self.start_factor) * min(epoch / self.total_iters, 1.0))


class SequentialLR(LRScheduler):
    """Use several schedules in turn: at each epoch of ``milestones`` the next one starts, at its own epoch 0.

    >>> from glassgrad import autograd as ag, nn
    >>> optimizer = nn.optim.SGD([ag.Tensor(1.0, requires_grad=True)], lr=0.8)
    >>> lr_scheduler = nn.optim.lr_scheduler
    >>> warmup = lr_scheduler.LinearLR(optimizer, start_factor=0.25, total_iters=3)
    >>> decay = lr_scheduler.CosineAnnealingLR(optimizer, T_max=4)
    >>> schedule = lr_scheduler.SequentialLR(optimizer, [warmup, decay], milestones=[3])
    >>> [round(schedule.lr_at(epoch, 0.8), 3) for epoch in range(8)]
    [0.2, 0.4, 0.6, 0.8, 0.683, 0.4, 0.117, 0.0]
    """

    def __init__(self, optimizer: Optimizer, schedulers: Sequence[LRScheduler], milestones: Sequence[int]) -> None:
        self.milestones = sorted(wholes(milestones, "milestones"))
        wanted = "one of nn.optim.lr_scheduler"
        check_instance(schedulers, Iterable, "schedulers", "a list of schedules")  # type: ignore[type-abstract]
        self.schedulers = [check_instance(schedule, LRScheduler, "a schedule", wanted) for schedule in schedulers]
        if any(isinstance(schedule, ReduceLROnPlateau) for schedule in schedulers):
            raise DomainError("SequentialLR can't contain ReduceLROnPlateau, which needs a value: step it alone.")
        if len(milestones) != len(schedulers) - 1:
            raise DomainError(
                f"SequentialLR was given {len(schedulers)} schedules and {len(milestones)} milestones: give one "
                "milestone fewer than schedules."
            )
        super().__init__(optimizer)

    def lr_at(self, epoch: int, base: float) -> float:
        """The rate of the current schedule."""
        current = bisect_right(self.milestones, epoch)
        return self.schedulers[current].lr_at(epoch - (self.milestones[current - 1] if current else 0), base)


class ReduceLROnPlateau(LRScheduler):
    """Multiply the rate by ``factor`` when ``value`` has not improved for more than ``patience`` epochs.

    ``step(value)`` takes a value to minimise, such as the validation loss; an improvement is a decrease by more than
    the fraction ``threshold``. The rate stays at least ``min_lr``.
    """

    _state = ("epoch", "best", "bad_epochs", "scale")

    def __init__(
        self,
        optimizer: Optimizer,
        *,
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        min_lr: float = 0.0,
    ) -> None:
        self.factor, self.patience = number(factor, "factor", 0, 1), whole(patience, "patience", 0)
        self.threshold, self.min_lr = number(threshold, "threshold"), number(min_lr, "min_lr", 0)
        self.best, self.bad_epochs, self.scale = math.inf, 0, 1.0
        super().__init__(optimizer)

    def lr_at(self, epoch: int, base: float) -> float:
        """``base`` with the reductions so far, at least ``min_lr``."""
        return max(base * self.scale, min(self.min_lr, base))

    def step(self, value: float) -> None:  # type: ignore[override]
        """Go to the next epoch, given the ``value`` of this one. NaN counts as no improvement."""
        value, best, bad, scale = real(value, "value"), self.best, self.bad_epochs + 1, self.scale
        margin = self.threshold * abs(best) if math.isfinite(best) else 0.0
        if value < best - margin:
            best, bad = value, 0
        if bad > self.patience:
            scale, bad = scale * self.factor, 0
        self._go(epoch=self.epoch + 1, best=best, bad_epochs=bad, scale=scale)
