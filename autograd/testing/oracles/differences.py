"""Finite differences of a function of a vector, with an estimate of their error.

One step size does not fit all: rounding errors grow as the step shrinks, curvature, kinks and poles nearby matter as it
grows. So a slope counts only where two steps, one ten times the other, agree (compare the ladder of steps in C. J. F.
Ridders, Advances in Engineering Software 4, 1982, 75-76). Where no two agree, the function is not differentiable there;
the slopes at points nearby then bound what a rule may give (F. H. Clarke's generalized gradient, 1975).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
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
"""How far away the slopes nearby are taken, relative to the scale of an element."""

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

    def replace(self, other: Slopes, where: Truths) -> None:
        """Take the values of ``other`` where ``where`` is true."""
        for field in fields(self):
            np.copyto(getattr(self, field.name), getattr(other, field.name), where=where)


class Differences:
    """Slopes of ``f`` at ``x``, where its value is ``y``.

    Elements are moved in units of ``scale``: their magnitude, at least 1, and 0 for those that are not finite. ``eps``
    is the first step, by default near the cube root of the machine epsilon ``epsilon``, where rounding and truncation
    errors meet. Outputs that are not finite are left out: ``seen`` says which are.
    """

    def __init__(
        self,
        f: Callable[[Vector], Vector],
        x: Vector,
        y: Vector,
        epsilon: float,
        eps: float | None = None,
    ) -> None:
        self.f, self.x, self.y, self.epsilon, self.chosen = f, x, y, epsilon, eps is not None
        # Powers of 2, so that x ± step is exact for most x.
        self.eps = 2.0 ** round(math.log2(epsilon) / 3) if eps is None else eps
        finite = np.isfinite(x)
        magnitude = np.maximum(1.0, np.abs(np.where(finite, x, 1.0)))
        self.scale = np.where(finite, 2.0 ** np.ceil(np.log2(magnitude)), 0.0)
        self.seen = np.isfinite(y)
        self.limit = 10 * epsilon ** (1 / 3) / 4
        """How closely two steps must agree, relatively."""
        self.noise = np.zeros(y.shape)
        """The measured rounding error of the values."""

    def unit(self, v: Vector) -> float:
        """The divisor of slopes along ``v``; for a unit vector it makes them partial derivatives."""
        return float((self.scale * np.abs(v)).max()) if np.count_nonzero(v) == 1 else 1.0

    def along(self, v: Vector, part: float = 1.0, at: Vector | None = None) -> Slopes:
        """The slopes of every output along ``v`` at ``x``, or at ``at``, with ``part`` times the first step."""
        x, y = (self.x, self.y) if at is None else (at, self.f(at))
        step, width = part * self.eps * self.scale * v, part * self.eps * self.unit(v)
        after, before = self.f(x + step), self.f(x - step)
        size = np.maximum(np.abs(after), np.abs(before))
        if size.size > 1:  # in a factorization the elements share the rounding of all
            finite = size[np.isfinite(size)]
            size = np.maximum(size, 5 * np.median(finite)) if finite.size else size
        noise = np.maximum(10 * self.epsilon * size, self.noise)
        slopes = np.stack([(after - before) / 2, y - before, after - y, noise]) / width
        middle, lower, upper, noise = np.where(self.seen, slopes, 0.0)
        noise += 4 * self.epsilon / (part * self.eps) * np.abs(middle)  # x ± step is rounded, too
        return Slopes(middle, lower, upper, noise, np.full(y.shape, float(np.abs(step).max())))

    def ahead(self, v: Vector) -> Slopes:
        """Forward differences along ``v``: one evaluation instead of two, with a larger error."""
        step, width = self.eps * self.scale * v, self.eps * self.unit(v)
        after = self.f(self.x + step)
        noise = np.maximum(10 * self.epsilon * np.maximum(np.abs(after), np.abs(self.y)), self.noise)
        slope, noise = np.where(self.seen, np.stack([after - self.y, noise]) / width, 0.0)
        return Slopes(slope, slope, slope, noise, np.full(self.y.shape, float(np.abs(step).max())))

    def measure_noise(self, v: Vector) -> None:
        """Measure the rounding error of the values near ``x`` along ``v``, which cancellation may make large.

        The standard deviation is estimated from fifth differences, over a few units in the last place up to wide steps,
        on the smoother side (J. J. Moré and S. M. Wild, SIAM J. Sci. Comput. 33, 2011, 1292-1314). Where the values
        move only as the points come further apart, the first move is a unit of rounding.
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

    def settled(self, v: Vector) -> tuple[Slopes, Truths]:
        """The slopes by the first pair of steps that agree, for each output, and which outputs have such a pair.

        Pairs with little rounding are preferred. ``noise`` includes the difference of the two steps.
        """
        tried: dict[float, Slopes] = {}
        kept, clear = self.along(v), ~self.seen
        precise, opened = clear.copy(), np.zeros(self.y.shape)
        for pair in PAIRS:
            for part in pair:
                if part not in tried:
                    tried[part] = self.along(v, part)
            one, other = (tried[part] for part in pair)
            differ = np.abs(one.middle - other.middle)
            rounding = np.maximum(one.noise, other.noise)
            agree = differ <= self.limit * np.maximum(np.abs(one.middle), np.abs(other.middle)) + rounding
            between = np.abs(one.upper - one.lower)
            wide = np.abs(other.upper - other.lower) > 0.5 * between
            kinked = one.gap(100 * self.limit) & other.gap(100 * self.limit) & wide
            kinked |= (between > 0.5 * opened) & (opened > 0)  # rounding hides no kink that wider steps saw
            np.copyto(opened, between, where=kinked)
            flat = (one.upper == 0) & (one.lower == 0)
            # Below the first step rounding grows: where it is all there is, two steps agree on nothing.
            visible = 0.05 * np.maximum(np.abs(one.upper), np.abs(one.lower))
            sound = ((rounding if pair[0] < 1 else one.noise) <= visible) | flat
            agree &= ~kinked & np.isfinite(rounding) & (sound if pair[0] < 1 else True)
            new = agree & np.where(sound & (pair[0] >= 1), ~precise, ~clear)
            if new.any():
                doubt = one.noise + (4 if pair[0] > 1 else 2) * differ  # wide steps may agree before they converge
                kept.replace(Slopes(one.middle, one.lower, one.upper, doubt, one.step), new)
                clear |= new
                precise |= new & sound
            if precise.all():
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
        # Only in the same directions can both be compared.
        both = np.logical_and(smooths[:SAMPLES], smooths[SAMPLES:])
        far, size = (np.where(both, part, 0.0).max(axis=0) for part in (sizes[:SAMPLES], sizes[SAMPLES:]))
        bounded = both.any(axis=0) & (size <= 1.5 * far)
        # As the points come closer the ends still move: by as much again, at most.
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
