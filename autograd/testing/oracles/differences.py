"""Finite differences of a function of a vector, with an estimate of their error.

No single step size fits all functions: rounding errors grow as the step shrinks; curvature, kinks and poles nearby
matter as it grows. So a slope counts only where two steps, one ten times the other, agree (compare the ladder of steps
in C. J. F. Ridders, Advances in Engineering Software 4, 1982, 75-76). Where no two agree, the function is not
differentiable there; the slopes at points nearby then bound what a rule may give (F. H. Clarke's generalized gradient,
1975).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np

Vector = np.ndarray[Any, np.dtype[np.float64]]
Truths = np.ndarray[Any, np.dtype[np.bool_]]

PAIRS = (
    *((1.0, 0.1), (10.0, 1.0), (100.0, 10.0), (1000.0, 100.0)),
    *((10.0**-k, 10.0 ** (-k - 1)) for k in range(1, 10)),
)
"""Pairs of steps, in units of the first, that must agree: larger ones first, which round less and can't cancel to 0."""

NEARBY = (0.01, 0.001)
"""The distances of the nearby points at which slopes are taken, relative to the scale of an element."""

SAMPLES = 6


@dataclass
class Slopes:
    """For each output the central and one-sided difference quotients, and a bound on their rounding error."""

    middle: Vector
    lower: Vector
    upper: Vector
    noise: Vector
    step: Vector

    def gap(self, limit: float) -> Truths:
        """Where the one-sided slopes differ by more than rounding, and by more than ``limit`` relatively."""
        size = np.maximum(np.abs(self.lower), np.abs(self.upper))
        return np.asarray(np.abs(self.upper - self.lower) > 4 * self.noise + limit * size)

    def of(self, outputs: Any) -> Slopes:
        """The slopes of some of the outputs."""
        return Slopes(*(getattr(self, field.name)[outputs] for field in fields(self)))

    def replace(self, outputs: Any, other: Slopes) -> None:
        """Take the slopes of some of the outputs from ``other``."""
        for field in fields(self):
            getattr(self, field.name)[outputs] = getattr(other, field.name)


@dataclass
class Direction:
    """A direction in the units of `Differences`: how far one step moves each element, and the divisor of slopes.

    For one element slopes are partial derivatives; for several the divisor is 1.
    """

    step: Vector
    count: int
    longest: float

    @property
    def unit(self) -> float:
        """The divisor of slopes."""
        return self.longest if self.count == 1 else 1.0

    @cached_property
    def unit_step(self) -> Vector:
        """``step`` in units of the divisor: the rules' gradient times this is comparable with slopes."""
        return self.step / self.unit if self.count == 1 else self.step


class Differences:
    """Slopes of ``f`` at ``x``, where its value is ``y``.

    Elements are moved in units of ``scale``: their magnitude, at least 1, and 0 for those that are not finite. ``eps``
    is the first step, by default near the cube root of the machine epsilon ``epsilon``, where rounding and truncation
    errors meet. Outputs that are not finite are left out: ``seen`` says which are.
    """

    def __init__(
        self, f: Callable[[Vector], Vector], x: Vector, y: Vector, epsilon: float, eps: float | None = None
    ) -> None:
        self.f, self.x, self.y, self.epsilon, self.chosen = f, x, y, epsilon, eps is not None
        # Powers of 2, so that x ± step is exact for most x: a magnitude is rounded up by a carry into its exponent.
        self.eps = 2.0 ** round(math.log2(epsilon) / 3) if eps is None else eps
        magnitude = np.maximum(1.0, np.abs(x), dtype=np.float64).view(np.int64)
        self.scale = np.where(np.isfinite(x), ((magnitude + (2**52 - 1)) & -(2**52)).view(np.float64), 0.0)
        self.seen = np.isfinite(y)
        self.limit = 10 * epsilon ** (1 / 3) / 4
        """How closely two steps must agree, relatively."""
        self.noise = np.zeros(y.shape)
        """The measured rounding error of the values."""
        self._direction: tuple[Vector, Direction] | None = None
        self._refined: dict[bytes, tuple[Slopes, Truths]] = {}

    def direction(self, v: Vector) -> Direction:
        """The `Direction` of ``v``. The last one is cached."""
        if self._direction is None or self._direction[0] is not v:
            step = self.scale * v
            longest = max(step.max(initial=0.0), -step.min(initial=0.0))
            self._direction = v, Direction(step, int(np.count_nonzero(v)), float(longest))
        return self._direction[1]

    def along(self, v: Vector, part: float = 1.0, at: Vector | None = None, outputs: Any = slice(None)) -> Slopes:
        """The slopes of the outputs along ``v`` at ``x``, or at ``at``, with ``part`` times the first step."""
        x, y = (self.x, self.y) if at is None else (at, self.f(at))
        direction = self.direction(v)
        step, width = part * self.eps * direction.step, part * self.eps * direction.unit
        after, before = self.f(x + step), self.f(x - step)
        some = np.abs(after[:: 1 + y.size // 1000])
        some = some[np.isfinite(some)]
        common = 5 * np.median(some) if y.size > 1 and some.size else 0.0  # a factorization's errors are of one size
        after, before, y = after[outputs], before[outputs], y[outputs]
        size = np.maximum(np.maximum(np.abs(after), np.abs(before)), common)
        noise = np.maximum(10 * self.epsilon * size, self.noise[outputs])
        slopes = np.stack([(after - before) / 2, y - before, after - y, noise]) / width
        middle, lower, upper, noise = np.where(self.seen[outputs], slopes, 0.0)
        noise += 4 * self.epsilon / (part * self.eps) * np.abs(middle)  # x ± step is rounded, too
        return Slopes(middle, lower, upper, noise, np.full(y.shape, part * self.eps * direction.longest))

    def ahead(self, v: Vector) -> Slopes:
        """Forward differences along ``v``: one evaluation instead of two, with a larger error."""
        direction = self.direction(v)
        after = self.f(self.x + self.eps * direction.step)
        noise = np.maximum(np.abs(after), self.size)
        noise *= 10 * self.epsilon / (self.eps * direction.unit)
        slope = after - self.y
        slope /= self.eps * direction.unit
        if not self.seen.all():
            slope, noise = np.where(self.seen, slope, 0.0), np.where(self.seen, noise, 0.0)
        return Slopes(slope, slope, slope, noise, np.broadcast_to(self.eps * direction.longest, self.y.shape))

    @cached_property
    def size(self) -> Vector:
        """The magnitude of the outputs."""
        return np.abs(self.y)

    def measure_noise(self, v: Vector) -> None:
        """Measure the rounding error of the values near ``x`` along ``v``, which cancellation may make large.

        The standard deviation is estimated from fifth differences, over a few units in the last place up to wide steps,
        on the smoother side (J. J. Moré and S. M. Wild, SIAM J. Sci. Comput. 33, 2011, 1292-1314). Where the values
        change only once the points are far enough apart, the first change counts as the rounding error.
        """
        near = 32 * self.epsilon * 64.0 ** np.arange(12)
        spacings = (*near[near < self.eps], *(self.eps * part for part in (0.382, 0.618, 1.0, 39.6, 64.0)))
        noise, still = np.zeros(self.y.shape), np.zeros(self.y.shape, bool)
        for apart in spacings:
            deviations, moves = [], []
            for way in (1.0, -1.0):
                values = np.stack([self.f(self.x + way * k * apart * self.scale * v) for k in range(7)])
                steps = np.diff(values, axis=0)
                moves.append(np.abs(steps).max(axis=0))
                deviations.append(np.sqrt(np.square(np.diff(steps, 4, axis=0)).mean(axis=0) / 252))
            found = np.maximum(10 * np.minimum(*deviations), np.where(still, np.minimum(*moves), 0.0))
            noise = np.maximum(noise, found)
            still = np.minimum(*moves) == 0
        self.noise = np.maximum(self.noise, np.where(np.isfinite(noise), noise, 0.0))

    def refine(self, v: Vector) -> None:
        """Replace slopes along ``v`` in `settled` by those to which smaller and smaller steps converge, if they do.

        For a fast oscillation wide steps agree on the mean slope, and its values look like rounding. But rounding
        errors grow as steps shrink; only truncation errors shrink twice in a row.
        """
        kept, clear = self.settled(v)
        parts = 4.0 ** -np.arange(18)
        slopes = [self.along(v, part) for part in parts]
        middle, lower, upper = (np.stack([getattr(s, side) for s in slopes]) for side in ("middle", "lower", "upper"))
        with np.errstate(all="ignore"):
            differ, bend = np.abs(np.diff(middle, axis=0)), np.abs(upper - lower)
            shrinks = (differ[1:] < differ[:-1] / 4) & (bend[2:] < bend[1:-1] / 2)  # at a kink `bend` does not shrink
            width = parts[3:, None] * self.eps * self.direction(v).unit
            doubt = 4 * differ[2:] + 10 * self.epsilon * self.size / width
            small = doubt <= 4e-4 * np.maximum(np.abs(middle[3:]), np.abs(kept.middle))
            doubt = np.where(shrinks[1:] & shrinks[:-1] & small, doubt, np.inf)
        best = doubt.argmin(axis=0), np.arange(self.y.size)
        found, doubt = middle[3:][best], doubt[best]
        other = self.seen & np.isfinite(doubt) & ~(clear & (np.abs(found - kept.middle) <= kept.noise + doubt))
        step = parts[3:][best[0]] * self.eps * self.direction(v).longest
        kept.replace(other, Slopes(found, found, found, doubt, step).of(other))
        self._refined[v.tobytes()] = kept, clear | other

    def settled(self, v: Vector) -> tuple[Slopes, Truths]:
        """The slope of each output from the first pair of steps that agree, and which outputs have such a pair.

        Pairs with little rounding are preferred. ``noise`` includes the difference of the two steps.
        """
        if (refined := self._refined.get(v.tobytes())) is not None:
            return refined
        kept, clear = self.along(v), ~self.seen
        tried = {1.0: kept.of(self.seen)}
        left = np.flatnonzero(self.seen)  # the outputs without a precise pair so far
        opened = np.zeros(left.size)
        for pair in PAIRS:
            for part in pair:
                if part not in tried:
                    tried[part] = self.along(v, part, outputs=left)
            one, other = (tried[part] for part in pair)
            differ = np.abs(one.middle - other.middle)
            rounding = np.maximum(one.noise, other.noise)
            agree = differ <= self.limit * np.maximum(np.abs(one.middle), np.abs(other.middle)) + rounding
            between = np.abs(one.upper - one.lower)
            wide = np.abs(other.upper - other.lower) > 0.5 * between
            kinked = one.gap(100 * self.limit) & other.gap(100 * self.limit) & wide
            kinked |= (between > 0.5 * opened) & (opened > 0)  # rounding may hide a kink that wider steps showed
            np.copyto(opened, between, where=kinked)
            flat = (one.upper == 0) & (one.lower == 0)
            # Below the first step rounding errors grow: agreement of slopes that are mostly rounding does not count.
            visible = 0.05 * np.maximum(np.abs(one.upper), np.abs(one.lower))
            sound = ((rounding if pair[0] < 1 else one.noise) <= visible) | flat
            agree &= ~kinked & np.isfinite(rounding) & (sound if pair[0] < 1 else True)
            precise = agree & sound
            new = agree & ~clear[left] | precise & (pair[0] >= 1)
            if new.any():
                doubt = one.noise + (4 if pair[0] > 1 else 2) * differ  # wide steps may agree before they converge
                kept.replace(left[new], Slopes(one.middle, one.lower, one.upper, doubt, one.step).of(new))
                clear[left[new]] = True
                rest = ~(new & precise)
                left, opened = left[rest], opened[rest]
                tried = {part: slopes.of(rest) for part, slopes in tried.items()}
            if not left.size:
                break
        return kept, clear

    def nearby(self, v: Vector, rng: np.random.Generator) -> tuple[Vector, Vector, Truths]:
        """For each output the least and largest slope along ``v`` at nearby points, and whether these are bounded.

        Slopes are unbounded where they grow as the points come closer, as those of a square root at 0.
        """
        offsets = rng.uniform(-1.0, 1.0, (SAMPLES // 2, self.x.size))
        ends, sizes, smooths = [], [], []
        for radius in NEARBY:
            low, high = np.full(self.y.size, np.inf), np.full(self.y.size, -np.inf)
            for at in (self.x + way * radius * self.scale * offset for offset in offsets for way in (1.0, -1.0)):
                slopes = self.along(v, min(1.0, 0.01 * radius / self.eps), at)
                smooths.append(np.isfinite(slopes.middle) & ~slopes.gap(0.01))
                sizes.append(np.abs(slopes.middle))
                _widen(low, high, slopes.middle, slopes.noise, smooths[-1])
            ends.append((low, high))
        (far_low, far_high), (low, high) = ends
        # Slopes at both radii can be compared only in the same directions.
        both = np.logical_and(smooths[:SAMPLES], smooths[SAMPLES:])
        far, size = (np.where(both, part, 0.0).max(axis=0) for part in (sizes[:SAMPLES], sizes[SAMPLES:]))
        bounded = both.any(axis=0) & (size <= 1.5 * far)
        # As the points come closer the ends move on; we assume, by at most as much again.
        slack = np.where(bounded, np.maximum(np.abs(low - far_low), np.abs(high - far_high)), 0.0)
        low, high = low - slack, high + slack
        near, nearer = self.along(v, 0.1), self.along(v, 0.01)
        for one, other in ((near.lower, nearer.lower), (near.upper, nearer.upper)):
            _widen(low, high, one, near.noise, np.isfinite(one) & (np.abs(other) <= 2 * np.abs(one) + nearer.noise))
        return low, high, bounded


def _widen(low: Vector, high: Vector, slopes: Vector, noise: Vector, where: Truths) -> None:
    """Widen the intervals from ``low`` to ``high`` in place, so that they contain ``slopes``."""
    np.copyto(low, np.minimum(low, slopes - noise), where=where)
    np.copyto(high, np.maximum(high, slopes + noise), where=where)
