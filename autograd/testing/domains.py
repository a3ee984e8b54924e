"""Numbers that an operation may be tested at: finite there, with no kink, jump or pole close by."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from autograd.validation import number

COUNT = 48  # more than the elements of the largest array drawn, 27, so that all of these can differ


@dataclass(frozen=True)
class Domain:
    """The numbers from ``low`` to ``high`` that are at least ``gap`` away from each number in ``avoid``.

    Arrays are drawn from 48 of them, evenly spaced (`numbers`), or from ``only``, where these are given. ``limits`` are
    the bounds outside of which the operation can't be tested; by default ``low`` and ``high``. A value computed by
    another operation serves as an argument where it `holds`.

    >>> from autograd.testing import Domain
    >>> positive = Domain(0.2, 4.0, limits=(0.2, float("inf")))
    >>> positive.holds([0.3, 100.0]), positive.holds([0.1])
    (True, False)
    """

    low: float = -3.0
    high: float = 3.0
    avoid: tuple[float, ...] = ()
    gap: float = 0.03
    limits: tuple[float, float] | None = None
    only: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        number(self.high, "high", low=number(self.low, "low"))

    @cached_property
    def numbers(self) -> list[float]:
        """What arrays are drawn from, in ascending order."""
        raster = [round(self.low + (i + 0.5) * (self.high - self.low) / COUNT, 4) for i in range(COUNT)]
        return list(self.only) or [x for x in raster if all(abs(x - a) > self.gap for a in self.avoid)]

    @property
    def even(self) -> Domain:
        """Every second number: none of these is near one of `odd`."""
        return Domain(self.low, self.high, self.avoid, self.gap, self.limits, tuple(self.numbers[::2]))

    @property
    def odd(self) -> Domain:
        """The other numbers."""
        return Domain(self.low, self.high, self.avoid, self.gap, self.limits, tuple(self.numbers[1::2]))

    def holds(self, values: Any) -> bool:
        """Whether every one of ``values`` may be given to the operation."""
        x = np.asarray(values, dtype=np.float64).reshape(-1)
        if self.only:
            return bool(np.isin(x, self.only).all())
        low, high = (self.low, self.high) if self.limits is None else self.limits
        away = all(bool((np.abs(x - a) > self.gap).all()) for a in self.avoid)
        return away and bool(((x >= low) & (x <= high)).all())


def distinct(values: Any, gap: float = Domain.gap) -> bool:
    """Whether no two of ``values`` are within ``gap``: then a small step does not change their order."""
    x = np.sort(np.asarray(values, dtype=np.float64).reshape(-1))
    return bool((np.diff(x) > gap).all())


ANYWHERE = (-math.inf, math.inf)
REAL = Domain(limits=ANYWHERE)
POSITIVE = Domain(0.2, 4.0, limits=(0.2, math.inf))
NONZERO = Domain(avoid=(0.0,), gap=0.2, limits=ANYWHERE)
INSIDE = Domain(-0.9, 0.9)
STEPS = Domain(-3.4, 3.4, avoid=tuple(i / 2 for i in range(-7, 8)))
INTEGERS = Domain(only=tuple(float(i) for i in range(-4, 5)))
