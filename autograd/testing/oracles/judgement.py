"""The judgement that all checks share: do the rules of a function agree with its finite differences?

A `Judge` compares ``uᵀ J v`` by the rules (one reverse pass for ``u``) with differences along ``v``: for every output
``u`` and element ``v`` where there are few, else in random directions. The verdict is

- ``ok``: they agree, and at least one comparison is above the tolerance;
- ``wrong``: at least one comparison disagrees;
- ``kink``: nothing is wrong, but the function is not differentiable at some elements, where a rule may give any slope
between those at nearby points;
- ``unchecked``: no comparison could show a fault: all derivatives are within the tolerance or rounding, or all elements
are at a kink or an edge of the domain.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Protocol

import numpy as np

from glassgrad.autograd.testing.oracles.differences import Differences, Slopes, Truths, Vector

OK, WRONG, KINK, UNCHECKED = "ok", "wrong", "kink", "unchecked"
DIFFERENCES = "finite differences"
FEW = 16
"""How many kinks, and non-finite gradients, are examined one by one."""

PERIOD = 16381
"""The random numbers for a large function repeat after so many elements. A prime, so that no axis has that length."""


class Differentiable(Protocol):
    """A function from vectors to vectors, and its vector-Jacobian product by the rules."""

    x: Vector
    y: Vector

    def f(self, x: Vector) -> Vector:
        """Its value at another point."""

    def vjp(self, u: Vector) -> Vector:
        """``uᵀ J`` at ``x`` by the rules. Raises `RuleError` where a rule can't be run."""


class RuleError(Exception):
    """A rule raised an error."""


@dataclass
class Comparison:
    """``uᵀ J v`` by the rules and by an oracle, such as finite differences.

    At a kink ``low`` and ``high`` bound the slopes that a rule may give, and ``numeric`` is the nearest of them.
    """

    u: Vector
    v: Vector
    rule: float
    numeric: float
    tolerance: float
    oracle: str = DIFFERENCES
    step: float = 0.0
    low: float | None = None
    high: float | None = None

    @cached_property
    def excess(self) -> float:
        """The error in units of the tolerance."""
        return float(_excess(np.array(self.rule), np.array(self.numeric), np.array(self.tolerance)))

    @cached_property
    def error(self) -> float:
        """The error relative to the larger of ``rule`` and ``numeric``."""
        return float(_relative(np.array(self.rule), np.array(self.numeric)))

    @cached_property
    def single(self) -> bool:
        """Whether it compares the derivative of one output with respect to one element."""
        return bool(np.count_nonzero(self.v) == 1 == np.count_nonzero(self.u) and self.u.max() == 1.0)

    @cached_property
    def order(self) -> tuple[bool, bool, float, float]:
        """Sort key, from the best comparison to the worst."""
        return self.excess > 1, self.single, self.excess, self.error


class Weights:
    """Several weightings ``us`` of the outputs ``y``, and what all comparisons by them need."""

    def __init__(self, us: Vector, y: Vector) -> None:
        self.us = us
        self.sizes = np.abs(us)
        self.totals = self.sizes.sum(axis=1)
        self.full = bool(us.all())
        self.single = (us.max(axis=1, initial=0.0) == 1.0) & ((us != 0).sum(axis=1) == 1)
        self.scales = np.maximum(1.0, np.abs(self.times(us, y)).sum(axis=1))

    def times(self, us: Vector, values: Vector) -> Vector:
        """Each of ``us``, or of their absolute values, times ``values``; 0 times anything is 0."""
        return us * values if self.full else _times(us, values)


@dataclass
class Comparisons:
    """Comparisons along one ``v``, as arrays with an entry for each row of the weights."""

    weights: Weights
    v: Vector
    rules: Vector
    numeric: Vector
    tolerances: Vector
    oracle: str
    steps: Vector | None

    @property
    def shown(self) -> Truths:
        """Mask of the comparisons that would reveal a wrong rule: a side is larger than the tolerance.

        Zeros count only where all of them are zero. A single zero shows nothing about the other derivatives.
        """
        size = np.maximum(np.abs(self.rules), np.abs(self.numeric))
        scales = self.weights.scales
        rounding = 4 * np.finfo(np.float64).eps * scales
        zero = (np.abs(self.rules) <= rounding).all() & (self.tolerances <= 1e-4 * scales)
        return np.asarray((size > 2 * self.tolerances) | zero)

    @cached_property
    def excess(self) -> Vector:
        """Their errors in units of the tolerance."""
        return _excess(self.rules, self.numeric, self.tolerances)

    def worst(self) -> Comparison:
        """The comparison with the largest error; one of a single output if such a one fails."""
        error = _relative(self.rules, self.numeric)
        k = int(np.lexsort((error, self.excess, self.weights.single, self.excess > 1))[-1])
        u = self.weights.us[k]
        step = 0.0 if self.steps is None else float(self.steps[u != 0].max(initial=0.0))
        return Comparison(
            u, self.v, float(self.rules[k]), float(self.numeric[k]), float(self.tolerances[k]), self.oracle, step
        )


def _excess(rules: Vector, numeric: Vector, tolerances: Vector) -> Vector:
    with np.errstate(all="ignore"):
        error = np.where(rules == numeric, 0.0, np.abs(rules - numeric))  # also where a sum of both overflows
        return np.where(np.isfinite(error), np.where(error > 0, error / tolerances, 0.0), np.inf)


def _relative(rules: Vector, numeric: Vector) -> Vector:
    with np.errstate(all="ignore"):
        error = np.abs(rules - numeric) / np.maximum(np.abs(rules), np.abs(numeric))
    return np.where(rules == numeric, 0.0, np.where(np.isfinite(error), error, np.inf))


@dataclass
class Judgement:
    """The findings of a `Judge`; ``worst`` is the comparison with the largest error relative to the tolerance."""

    verdict: str = UNCHECKED
    worst: Comparison | None = None
    compared: int = 0
    wrong: int = 0
    shown: int = 0
    kinks: list[Comparison] = field(default_factory=list)
    lost: int = 0
    moved: bool = False

    def add(self, found: Comparisons, shows: bool = True) -> None:
        """Count comparisons, and keep the worst. ``shows=False``: rules were compared with rules."""
        if len(found.rules):
            self.compared += len(found.rules)
            self.wrong += int(np.count_nonzero(found.excess > 1))
            self.shown += int(np.count_nonzero(found.shown)) * shows
            self.moved |= bool(found.numeric.any())
            self.keep(found.worst())

    def keep(self, found: Comparison) -> None:
        """Take ``found`` as the worst, if it is worse. Failing comparisons of single elements come before sums."""
        if self.worst is None or found.order > self.worst.order:
            self.worst = found

    def fail(self, found: Comparison) -> None:
        """Count a comparison that is wrong."""
        self.compared += 1
        self.wrong += 1
        self.keep(found)

    def concluded(self) -> Judgement:
        """The judgement, with the verdict that follows from its counts."""
        self.verdict = WRONG if self.wrong else UNCHECKED if not self.shown else KINK if self.kinks else OK
        return self


class Judge:
    """Compares the rules of ``function`` with differences of its values.

    Two values agree if they differ by at most ``atol``, plus ``rtol`` times their size (for many compared as one, the
    root of the sum of squares), plus the error of the difference quotient. With ``brief``, for large functions, one
    weighting of the outputs is compared along two directions, and by a forward difference where that agrees.
    """

    def __init__(
        self,
        function: Differentiable,
        differences: Differences,
        *,
        rtol: float,
        atol: float = 0.0,
        max_elements: int,
        rng: np.random.Generator,
        brief: bool = False,
    ) -> None:
        self.function, self.differences, self.rtol, self.atol, self.rng = function, differences, rtol, atol, rng
        n, m = function.x.size, function.y.size
        self.brief = brief and not differences.chosen
        self.single = n <= max_elements and not self.brief
        self.lost: Truths = np.zeros(n, bool)
        # Besides the unit vectors two random ones: a rule that ignores g, or is not linear in it, may pass the former.
        us = np.resize(rng.standard_normal(min(m, PERIOD)), (1, m)) if self.brief else rng.standard_normal((2, m))
        us = np.concatenate([np.eye(m), us]) if m <= max_elements else us
        us = us if differences.seen.all() else us * differences.seen
        kept = us.any(axis=1)
        self.weights = Weights(us if kept.all() else us[kept], function.y)
        # Single elements, and sums of all: at a tie each of two equal elements may have any slope, but not their sum.
        self.vs = np.concatenate([np.eye(n), self._directions(n)]) if self.single else self._directions(n)
        self.pulled: dict[bytes, Vector] = {}
        self.stacked: tuple[Vector, Vector] | None = None

    def _directions(self, n: int) -> Vector:
        if n <= 1 and self.single:
            return np.zeros((0, n))
        if self.brief:
            return np.resize(self.rng.uniform(0.5, 1.5, PERIOD), (2, n)) if n > 1 else np.ones((1, 1))
        signs = self.rng.choice([-1.0, 1.0], (1 if self.single else 3, n))
        return np.concatenate([np.ones((1, n)), signs]) * self.rng.uniform(0.5, 1.5, n)

    def judge(self) -> Judgement:
        """The verdict."""
        found = Judgement()
        if not (self.function.x.size and self.function.y.size):
            self.function.vjp(np.ones(self.function.y.size))  # an empty input, too, must not raise
            found.verdict = OK
        elif len(self.weights.us):
            self._leave_out_non_finite(found)
            left_out = self.lost | (self.differences.scale == 0)
            some = left_out.any()
            for v in self._upwards(self.vs) if self.brief else self.vs:
                kept = np.where(left_out, 0.0, v) if some else v
                if np.count_nonzero(kept) > 1 or (kept.any() and v.max() == 1.0):
                    self._compare(found, kept)
            found.concluded()
        return found

    def _upwards(self, vs: Vector) -> Iterable[Vector]:
        """Directions in which errors do not cancel.

        The first has the signs of the gradient, so that a small factor in one of many elements is seen. The second has
        one sign, so that a constant added to all of them is seen.
        """
        return np.where(self._rows(self.weights)[0][0] < 0, -vs[0], vs[0]), *vs[1:]

    def row(self, u: Vector) -> Vector:
        """``uᵀ J`` by the rules, 0 for the elements that are left out."""
        key = u.tobytes()
        if key not in self.pulled:
            self.pulled[key] = self.function.vjp(u)
        return np.where(self.lost, 0.0, self.pulled[key]) if self.lost.any() else self.pulled[key]

    def _rows(self, weights: Weights) -> tuple[Vector, Vector]:
        """``uᵀ J`` by the rules for several ``u``, and the largest size in each row; kept for ``self.weights``."""
        if weights is not self.weights or self.stacked is None:
            rows = np.reshape([self.row(u) for u in weights.us], (len(weights.us), self.function.x.size))
            found = rows, np.abs(rows).max(axis=1, initial=0.0)
            if weights is not self.weights:
                return found
            self.stacked = found
        return self.stacked

    def compared(
        self,
        weights: Weights,
        v: Vector,
        slopes: Vector,
        doubt: Vector,
        rtol: float,
        atol: float,
        oracle: str = DIFFERENCES,
        steps: Vector | None = None,
    ) -> Comparisons:
        """``uᵀ J v`` by the rules and by ``slopes`` along ``v``, of which each may be wrong by ``doubt``."""
        rows, terms = self._rows(weights)
        direction = self.differences.direction(v)
        moved = rows * direction.unit_step
        weighted = weights.times(weights.us, slopes)
        size = _norms(weighted)
        if direction.count > 1:
            size = np.maximum(size, _norms(moved))
        # Terms that cancel leave rounding errors of the size of the terms, perhaps in other outputs.
        terms = terms if oracle == DIFFERENCES else terms.max(initial=0.0)
        longest = max(1.0, direction.longest / direction.unit)
        rounding = 100 * self.differences.epsilon * (weights.totals + terms) * longest
        doubts = weights.times(weights.sizes, doubt).sum(axis=1)
        tolerances = atol * math.sqrt(direction.count) + rtol * size + doubts + rounding
        return Comparisons(weights, v, moved.sum(axis=1), weighted.sum(axis=1), tolerances, oracle, steps)

    def by_differences(self, us: Weights | Vector, v: Vector, slopes: Slopes) -> Comparisons:
        """``uᵀ J v`` by the rules and by differences along ``v``."""
        weights = us if isinstance(us, Weights) else Weights(us, self.function.y)
        return self.compared(weights, v, slopes.middle, slopes.noise, self.rtol, self.atol, steps=slopes.step)

    def _compare(self, found: Judgement, v: Vector) -> None:
        if self.brief:
            ahead = self.by_differences(self.weights, v, self.differences.ahead(v))
            if (ahead.excess <= 1).all() and ahead.shown.any():
                found.add(ahead)
                return
        slopes = self.differences.along(v)
        quick = self.by_differences(self.weights, v, slopes)
        bent = slopes.gap(1e-3) & self.differences.seen
        agrees = not bent.any() and (quick.excess <= 1).all() and quick.shown.any()
        if self.differences.chosen or agrees:
            found.add(quick)
            return
        before = replace(found, kinks=[*found.kinks])
        self._compare_settled(found, v)
        for improve in (self.differences.measure_noise, self.differences.refine):  # rounding, or a step too wide?
            if found.wrong > before.wrong:
                improve(v)
                vars(found).update(vars(replace(before, kinks=[*before.kinks])))
                self._compare_settled(found, v)

    def _compare_settled(self, found: Judgement, v: Vector) -> None:
        """Compare with the slopes on which two steps agree, and elsewhere with slopes at nearby points."""
        slopes, clear = self.differences.settled(v)
        rough = ~clear & self.differences.seen
        if rough.any():
            self._compare_nearby(found, v, np.flatnonzero(rough))
        us = self.weights.us * clear
        compared = self.by_differences(self.weights if clear.all() else us[us.any(axis=1)], v, slopes)
        # At a kink, zero derivatives of the other outputs show nothing about the element.
        found.add(compared, shows=bool(not rough.any() or compared.numeric.any()))

    def _compare_nearby(self, found: Judgement, v: Vector, outputs: Iterable[int]) -> None:
        """Compare at a kink, where a rule may give any slope between those of nearby points."""
        if len(found.kinks) >= FEW:
            found.lost += 1
            return
        low, high, bounded = self.differences.nearby(v, self.rng)
        for count, j in enumerate(outputs):
            if count >= FEW or not bounded[j]:
                found.lost += 1
                continue
            c = self.at_kink(np.eye(1, self.function.y.size, int(j))[0], v, float(low[j]), float(high[j]))
            if c.excess > 1:
                found.fail(c)
            elif np.count_nonzero(v) == 1 or not self.single:
                found.kinks.append(c)

    def at_kink(self, u: Vector, v: Vector, low: float, high: float) -> Comparison:
        """The rule along ``v``, compared with the nearest slope in the interval from ``low`` to ``high``."""
        rule = float(self.row(u) @ self.differences.direction(v).unit_step)
        nearest = min(max(rule, low), high) if np.isfinite(rule) else (low + high) / 2
        tolerance = self.atol + 1e-3 * max(abs(low), abs(high)) + 1e-9
        return Comparison(u, v, rule, nearest, tolerance, low=low, high=high)

    def _leave_out_non_finite(self, found: Judgement) -> None:
        """Handle elements whose rule is not finite: they fail if the slope is finite, and are left out if it is not."""
        rows, _ = self._rows(self.weights)
        if np.isfinite(rows).all():
            return
        for count, e in enumerate(np.flatnonzero(~np.isfinite(rows).all(axis=0))):
            if count < FEW and self.differences.seen.all() and self.differences.scale[e]:
                k = int(np.argmin(np.isfinite(rows[:, e])))
                v = np.eye(1, self.function.x.size, int(e))[0]
                c = self._not_finite(self.weights.us[k], v, float(rows[k, e]))
                if c is not None:
                    found.fail(c)
            self.lost[e] = True
            self.stacked = None
            found.lost += 1

    def _not_finite(self, u: Vector, v: Vector, rule: float) -> Comparison | None:
        """The finite slope, if any, to compare with a rule whose result is not finite."""
        slopes, clear = self.differences.settled(v)
        if clear[u != 0].all():
            return Comparison(u, v, rule, float(_times(u[None], slopes.middle).sum()), 0.0)
        low, high, bounded = self.differences.nearby(v, self.rng)
        j = int(np.argmax(~clear & (u != 0)))
        if not (bounded | clear)[u != 0].all():
            return None
        unit = np.eye(1, u.size, j)[0]
        return Comparison(unit, v, rule, float(low[j] + high[j]) / 2, 0.0, low=float(low[j]), high=float(high[j]))

    # ------------------------------------------------------------ the single elements behind a comparison of many

    def traced(self, c: Comparison) -> Comparison:
        """The comparison of one output and one element that makes ``c``, a comparison of many, fail; ``c`` if there is
        none.
        """
        if c.single or c.low is not None:
            return c
        slopes_of: dict[bytes, Vector] = {}
        clear = self.differences.settled(c.v)[1]

        def error(u: Vector, v: Vector) -> float:
            key = v.tobytes()
            if key not in slopes_of:
                slopes_of[key] = np.where(clear, self.differences.along(v).middle, 0.0)
            direction = self.differences.direction(v)
            difference = float(self.row(u * clear) @ direction.step) - float(u @ slopes_of[key]) * direction.unit
            return abs(difference) if np.isfinite(difference) else np.inf

        v = halved(c.v, lambda part: error(c.u, part))
        u = halved(c.u * clear, lambda part: error(part, v))
        one_u, one_v = np.sign(np.abs(u)), np.sign(np.abs(v))
        slopes, settled = self.differences.settled(one_v)
        single = self.by_differences(one_u[None], one_v, slopes).worst()
        return single if single.excess > 1 and settled[one_u != 0].all() else c

    def kink(self, c: Comparison) -> Comparison:
        """The comparison of one element that is at a kink, found among the elements that ``c`` moved."""
        if np.count_nonzero(c.v) == 1:
            return c

        def gap(part: Vector) -> float:
            slopes = self.differences.along(part)
            return float(np.abs(c.u) @ np.abs(slopes.upper - slopes.lower))

        v = np.sign(np.abs(halved(c.v, gap)))
        low, high, _ = self.differences.nearby(v, self.rng)
        j = int(np.argmax(np.abs(c.u)))
        return self.at_kink(c.u, v, float(low[j]), float(high[j]))


def _norms(rows: Vector) -> Vector:
    return np.asarray(np.sqrt(np.einsum("ij,ij->i", rows, rows)))


def _times(us: Vector, values: Vector) -> Vector:
    """Each ``u`` times ``values``, 0 where ``u`` is 0, whatever the value."""
    return np.where(us != 0, us * np.where(us != 0, values, 0.0), 0.0)


def halved(weights: Vector, error: Callable[[Vector], float]) -> Vector:
    """``weights`` with all but one of them zero, found by bisection: the half with the larger error is kept."""
    alive = np.flatnonzero(weights)
    part = weights
    while alive.size > 1:
        parts = []
        for half in np.array_split(alive, 2):
            part = np.zeros_like(weights)
            part[half] = weights[half]
            parts.append((error(part), half, part))
        _, alive, part = max(parts, key=lambda p: p[0])
    return part
