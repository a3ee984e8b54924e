"""Domains: sets of numbers at which an operation is finite, with no kink, jump or pole nearby."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from glassgrad.autograd.common.validation import number

COUNT = 64
"""How many evenly spaced numbers a domain offers: enough for two arrays of 27 elements that are all different."""

SPECIAL = tuple(s * x for x in (0.0, 1.0, 100.0, 10.0, 1000.0, 1e-5, 5.0, 30.0, 2.0, 300.0) for s in (1.0, -1.0))
"""Numbers at which rules often fail: ±0, near 0, ±1, ±2, and large ones, where exponentials over- and underflow."""


@dataclass(frozen=True)
class Domain:
    """The numbers from ``low`` to ``high`` that are at least ``gap`` away from each number in ``avoid``.

    Arrays are drawn from 64 of them, evenly spaced (`numbers`), or from ``only``, where these are given. ``limits`` are
    the bounds outside of which the operation can't be tested; by default ``low`` and ``high``. A value computed by
    another operation may be an argument if the domain `holds` it; `special` numbers are tried if it `holds` them.

    >>> from glassgrad.autograd.testing import Domain
    >>> positive = Domain(0.2, 4.0, limits=(0.2, float("inf")))
    >>> positive.holds([0.3, 100.0]), positive.holds([0.1])
    (True, False)
    >>> positive.special
    [1.0, 100.0, 10.0, 1000.0, 5.0, 30.0, 2.0, 300.0]
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
        """The numbers that arrays are drawn from, in ascending order."""
        raster = [round(self.low + (i + 0.5) * (self.high - self.low) / COUNT, 4) for i in range(COUNT)]
        return list(self.only) or [x for x in raster if all(abs(x - a) > self.gap for a in self.avoid)]

    @cached_property
    def special(self) -> list[float]:
        """The numbers of `SPECIAL` in the domain."""
        return [x for x in SPECIAL if self.holds(x)]

    @cached_property
    def separate(self) -> list[float]:
        """`numbers`, and the `special` ones that are more than ``gap`` away from all of them and from each other."""
        found = list(self.numbers)
        for x in self.special:
            found += [x] if all(abs(x - y) > self.gap for y in found) else []
        return found

    def share(self, i: int, count: int) -> Domain:
        """The domain with every ``count``-th number, from the ``i``-th on. Two shares have no number in common."""
        return replace(self, only=tuple(self.numbers[i::count])) if count > 1 else self

    def holds(self, values: Any) -> bool:
        """Whether all ``values`` lie in the domain."""
        x = np.asarray(values, dtype=np.float64).reshape(-1)
        if self.only:
            return bool(np.isin(x, self.only).all())
        low, high = (self.low, self.high) if self.limits is None else self.limits
        away = all(bool((np.abs(x - a) > self.gap).all()) for a in self.avoid)
        return away and bool(((x >= low) & (x <= high)).all())


def distinct(values: Any) -> bool:
    """Whether no two of ``values`` are within ``Domain.gap`` of each other: a small step keeps their order."""
    x = np.sort(np.asarray(values, dtype=np.float64).reshape(-1))
    return bool((np.diff(x) > Domain.gap).all())


ANYWHERE = (-math.inf, math.inf)
REAL = Domain(limits=ANYWHERE)
POSITIVE = Domain(0.2, 4.0, limits=(0.2, math.inf))
NONZERO = Domain(avoid=(0.0,), gap=0.2, limits=ANYWHERE)
INSIDE = Domain(-0.9, 0.9)
UNIT = Domain(0.02, 0.98)
STEPS = Domain(-3.4, 3.4, avoid=tuple(i / 2 for i in range(-7, 8)))
INTEGERS = Domain(only=tuple(float(i) for i in range(-4, 5)))
