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
from typing import Any, NamedTuple

import numpy as np

Vector = np.ndarray[Any, np.dtype[np.float64]]
Truths = np.ndarray[Any, np.dtype[np.bool_]]

PAIRS = tuple((10.0**k, 10.0 ** (k - 1)) for k in (0, 1, 2, 3, *range(-1, -10, -1)))
"""Pairs of steps, in units of the first, that must agree: larger ones first, which round less and can't cancel to 0."""

NEARBY = (0.01, 0.001)
"""The distances of the nearby points at which slopes are taken, relative to the scale of an element."""


class Slopes(NamedTuple):
    """For each output the central and one-sided difference quotients, a bound on their rounding error, and the step."""

    middle: Vector
    lower: Vector
    upper: Vector
    noise: Vector
    step: Vector

    def gap(self, limit: float) -> Truths:
        """Where the one-sided slopes differ by more than rounding, and by more than ``limit`` relatively."""
        size = np.maximum(np.abs(self.lower), np.abs(self.upper))
        return np.asarray(np.abs(self.upper - self.lower) > 4 * self.noise + limit * size)


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
        # Powers of 2, so that x ± step is exact for most x.
        self.eps = 2.0 ** round(math.log2(epsilon) / 3) if eps is None else eps
        size = np.where(np.isfinite(x), np.maximum(1.0, np.abs(x)), 1.0)
        self.scale = np.where(np.isfinite(x), np.exp2(np.ceil(np.log2(size))), 0.0)
        self.seen = np.isfinite(y)
        self.limit = 10 * epsilon ** (1 / 3) / 4
        """How closely two steps must agree, relatively."""
        self.noise = np.zeros(y.shape)
        """The measured rounding error of the values."""

    def direction(self, v: Vector) -> tuple[Vector, float]:
        """How far a step moves each element along ``v``, and the divisor of slopes: of one element they are partial
        derivatives, of several the divisor is 1.
        """
        step = self.scale * v
        return step, float(np.abs(step).max()) if np.count_nonzero(v) == 1 else 1.0

    def along(self, v: Vector, part: float = 1.0, at: Vector | None = None) -> Slopes:
        """The slopes of the outputs along ``v`` at ``x``, or at ``at``, with ``part`` times the first step."""
        x, y = (self.x, self.y) if at is None else (at, self.f(at))
        step, unit = self.direction(v)
        width = part * self.eps
        after, before = self.f(x + width * step), self.f(x - width * step)
        size = np.maximum(np.abs(after), np.abs(before))
        some = size[:: 1 + y.size // 1000]
        some = some[np.isfinite(some)]
        common = 5 * np.median(some) if y.size > 1 and some.size else 0.0  # a factorization's errors are of one size
        noise = np.maximum(10 * self.epsilon * np.maximum(size, common), self.noise)
        slopes = np.stack([(after - before) / 2, y - before, after - y, noise]) / (width * unit)
        middle, lower, upper, noise = np.where(self.seen, slopes, 0.0)
        noise += 4 * self.epsilon / width * np.abs(middle)  # x ± step is rounded, too
        return Slopes(middle, lower, upper, noise, np.full(y.shape, width * np.abs(step).max(initial=0.0)))

    def measure_noise(self, v: Vector, part: float = 1.0) -> None:
        """Measure the rounding error of the values near ``x`` along ``v``, which cancellation may make large, by steps
        near ``part`` times the first.

        The standard deviation is estimated from fifth differences on the smoother side (J. J. Moré and S. M. Wild, SIAM
        J. Sci. Comput. 33, 2011, 1292-1314).
        """
        for apart in part * self.eps * np.array((0.382, 0.618, 1.0, 39.6, 64.0)):
            sides = []
            for way in (apart, -apart):
                values = np.stack([self.f(self.x + way * k * self.scale * v) for k in range(7)])
                sides.append(np.sqrt(np.square(np.diff(values, 5, axis=0)).mean(axis=0) / 252))
            found = 10 * np.minimum(*sides)
            self.noise = np.maximum(self.noise, np.where(np.isfinite(found), found, 0.0))

    def settled(self, v: Vector, fine: bool = False) -> tuple[Slopes, Truths]:
        """The slope of each output from the first pair of steps that agree, and which outputs have such a pair.

        Pairs with little rounding are preferred. ``noise`` includes the difference of the two steps. ``fine``: only by
        small steps that hardly round, because the values may oscillate within the others.
        """
        kept = self.along(v)
        tried, clear, precise = {1.0: kept}, ~self.seen, ~self.seen
        opened, bent = np.zeros(self.y.size), min(100 * self.limit, 0.5)  # at the kink of `relu` slopes differ by 1
        for pair in PAIRS[4:] if fine else PAIRS:
            for part in pair:
                if part not in tried:
                    tried[part] = self.along(v, part)
            one, other = (tried[part] for part in pair)
            differ = np.abs(one.middle - other.middle)
            rounding = np.maximum(one.noise, other.noise)
            agree = differ <= self.limit * np.maximum(np.abs(one.middle), np.abs(other.middle)) + rounding
            between = np.abs(one.upper - one.lower)
            wide = np.abs(other.upper - other.lower) > 0.5 * between
            kinked = one.gap(bent) & other.gap(bent) & wide
            kinked |= (between > 0.5 * opened) & (opened > 0)  # rounding may hide a kink that wider steps showed
            opened = np.where(kinked, between, opened)
            # Below the first step rounding errors grow: agreement of slopes that are mostly rounding does not count.
            visible = (1e-3 if fine else 0.05) * np.maximum(np.abs(one.upper), np.abs(one.lower))
            large = pair[0] >= 1
            sound = ((one.noise if large else rounding) < visible) | ((one.upper == 0) & (one.lower == 0) & (not fine))
            agree &= ~kinked & np.isfinite(rounding) & (large | sound) & ~precise
            new = agree & (~clear | (sound & large))
            doubt = one.noise + (4 if pair[0] > 1 else 2) * differ  # wide steps may agree before they converge
            kept = Slopes(*np.where(new, one._replace(noise=doubt), kept))
            clear, precise = clear | new, precise | (new & sound)
            if precise.all():
                break
        return kept, clear

    def nearby(self, v: Vector, rng: np.random.Generator) -> tuple[Vector, Vector, Truths]:
        """For each output the least and largest slope along ``v`` at nearby points, and whether these are bounded.

        Slopes are unbounded where they grow as the points come closer, as those of a square root at 0.
        """
        offsets = rng.uniform(-1.0, 1.0, (3, self.x.size))
        found = []
        for radius in NEARBY:
            part = min(1.0, 0.01 * radius / self.eps)
            points = [self.x + radius * self.scale * offset for offset in (*offsets, *-offsets)]
            slopes = [self.along(v, part, point) for point in points]
            smooth = np.stack([np.isfinite(s.middle) & ~s.gap(0.01) for s in slopes])
            ends = np.stack([[s.middle - s.noise, s.middle + s.noise] for s in slopes], axis=1)
            found.append(np.where(smooth, ends, np.nan))
        both = np.isfinite(found[0][0]) & np.isfinite(found[1][0])  # only the same directions can be compared
        far, near = (np.where(both, np.abs(ends).max(axis=0), 0.0).max(axis=0) for ends in found)
        bounded = both.any(axis=0) & (near <= 1.5 * far)
        lows, highs = (
            np.fmin.reduce([ends[0] for ends in found], axis=1),
            np.fmax.reduce([ends[1] for ends in found], axis=1),
        )
        # As the points come closer the ends move on; we assume, by at most as much again.
        slack = np.where(bounded, np.maximum(np.abs(lows[1] - lows[0]), np.abs(highs[1] - highs[0])), 0.0)
        low, high = lows[1] - slack, highs[1] + slack
        wide, narrow = self.along(v, 0.1), self.along(v, 0.01)
        for one, other in ((wide.lower, narrow.lower), (wide.upper, narrow.upper)):
            # A slope that grows as the step shrinks is that of a jump, where a rule may give anything.
            width = np.where(np.abs(other) <= 2 * np.abs(one) + narrow.noise, wide.noise, np.inf)
            low, high = np.fmin(low, one - width), np.fmax(high, one + width)
        return low, high, bounded
