"""The judge that all checks share, and its report: do the rules of a function agree with its finite differences?

A `Judge` compares ``uᵀ J v`` by the rules (one reverse pass for ``u``) with differences along ``v``: for every output
``u`` and element ``v`` where there are few, else in random directions. There are three verdicts:

- ``ok``: they agree, and at least one comparison is above the tolerance;
- ``wrong``: at least one comparison disagrees;
- ``unchecked``: no comparison could show a fault: all derivatives are within the tolerance or rounding, or all elements
are at a kink, where a rule may give any slope between those at nearby points, or at an edge of the domain.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any

import numpy as np

from glassgrad.autograd.common.shapes import Shape
from glassgrad.autograd.errors import GradcheckError
from glassgrad.autograd.testing.differences import Differences, Slopes, Truths, Vector
from glassgrad.autograd.testing.points import Point

OK, WRONG, UNCHECKED = "ok", "wrong", "unchecked"
FEW = 16
"""How many kinks, and non-finite gradients, are examined one by one."""


@dataclass(frozen=True)
class Comparison:
    """``uᵀ J v`` by the rules and by finite differences; or several, one for each row of ``u``: then the numbers are
    arrays.

    At a kink ``low`` and ``high`` bound the slopes that a rule may give, and ``numeric`` is the nearest of them.
    """

    u: Vector
    v: Vector
    rule: Any
    numeric: Any
    tolerance: Any
    scale: Any = 1.0
    step: Any = 0.0
    low: float | None = None
    high: float | None = None

    @cached_property
    def excess(self) -> Any:
        """The error in units of the tolerance."""
        return self._relative_to(self.tolerance)

    @cached_property
    def error(self) -> Any:
        """The error relative to the larger of ``rule`` and ``numeric``."""
        return self._relative_to(np.maximum(np.abs(self.rule), np.abs(self.numeric)))

    def _relative_to(self, size: Any) -> Any:
        with np.errstate(all="ignore"):
            error = np.where(np.equal(self.rule, self.numeric), 0.0, np.abs(np.subtract(self.rule, self.numeric)))
            return np.where(np.isfinite(error), np.where(error > 0, error / size, 0.0), np.inf)[()]

    @property
    def single(self) -> bool:
        """Whether it compares the derivative of one output with respect to one element."""
        return bool(unit(self.v) and unit(self.u))

    @property
    def order(self) -> tuple[bool, bool, float, float]:
        """Sort key, from the best comparison to the worst: failing ones of single elements come before sums."""
        return self.excess > 1, self.single, self.excess, self.error

    @property
    def shown(self) -> Truths:
        """Mask of the rows that would reveal a wrong rule: a side is larger than the tolerance.

        Zeros count only where all of them are zero. A single zero shows nothing about the other derivatives.
        """
        size = np.maximum(np.abs(self.rule), np.abs(self.numeric))
        rounding = 4 * np.finfo(np.float64).eps * self.scale
        zero = (np.abs(self.rule) <= rounding).all() & (self.tolerance <= 1e-4 * self.scale)
        return np.asarray((size > 2 * self.tolerance) | zero)

    def worst(self) -> Comparison:
        """The row with the largest error; one of a single output if such a one fails."""
        k = int(np.lexsort((self.error, self.excess, unit(self.u), self.excess > 1))[-1])
        rule, numeric, tolerance = (float(part[k]) for part in (self.rule, self.numeric, self.tolerance))
        step = float(self.step[self.u[k] != 0].max(initial=0.0))
        return replace(self, u=self.u[k], rule=rule, numeric=numeric, tolerance=tolerance, step=step)


def unit(weights: Vector) -> Any:
    """Whether a single element, of each row, has a weight, and that is 1."""
    return (np.count_nonzero(weights, axis=-1) == 1) & (weights.max(axis=-1, initial=0.0) == 1.0)


@dataclass
class Judgement:
    """The findings of a `Judge`; ``worst`` is the comparison with the largest error relative to the tolerance."""

    worst: Comparison | None = None
    wrong: int = 0
    shown: int = 0
    kinks: list[Comparison] = field(default_factory=list)
    lost: int = 0

    @property
    def verdict(self) -> str:
        """One of the three verdicts."""
        return WRONG if self.wrong else OK if self.shown else UNCHECKED

    def add(self, found: Comparison, shows: bool = True) -> None:
        """Count the rows of a comparison, and keep the worst. ``shows=False``: zeros among them show nothing."""
        if len(found.u):
            self.wrong += int(np.count_nonzero(found.excess > 1))
            self.shown += int(np.count_nonzero(found.shown)) * shows
            self._keep(found.worst())

    def fail(self, found: Comparison) -> None:
        """Count a comparison that is wrong."""
        self.wrong += 1
        self._keep(found)

    def _keep(self, found: Comparison) -> None:
        self.worst = found if self.worst is None else max(self.worst, found, key=lambda c: c.order)


class Judge:
    """Compares the rules of a point for one input with differences of its values.

    Two values agree if they differ by at most ``atol``, plus ``rtol`` times their size (for many compared as one, the
    root of the sum of squares), plus the error of the difference quotient. Where they do not, other steps are tried.
    """

    def __init__(
        self,
        point: Point,
        i: int,
        *,
        rtol: float | None = None,
        atol: float | None = None,
        eps: float | None = None,
        max_elements: int,
        rng: np.random.Generator,
    ) -> None:
        self.point, self.i, self.x, self.y = point, i, point.base[i], point.y
        self.differences = Differences(partial(point.moved, i), self.x, self.y, point.epsilon, eps)
        self.limits = point.epsilon**0.5 if rtol is None else rtol, 0.0 if atol is None else atol
        self.rng = rng
        n, m = self.x.size, self.y.size
        self.single = n <= max_elements
        self.lost: Truths = np.zeros(n, bool)
        # Besides the unit vectors two random ones: a rule that ignores g, or is not linear in it, may pass the former.
        us = rng.standard_normal((2, m))
        us = np.concatenate([np.eye(m), us]) if m <= max_elements else us
        us = _times(self.differences.seen, us)
        self.us = us[us.any(axis=1)]

    def judge(self) -> Judgement:
        """The verdict."""
        found = Judgement()
        if not (self.x.size and self.y.size):
            self.point.pulled(np.ones(self.y.size))  # an empty input, too, must not raise
            found.shown = 1  # more than this there is not to show
        elif len(self.us):
            for count, e in enumerate(np.flatnonzero(~np.isfinite(self.rows).all(axis=0))):
                if count < FEW and self.differences.seen.all():  # wrong if the slope is finite
                    self._compare(alone := Judgement(), self._kept(np.eye(1, self.x.size, int(e))[0]))
                    if alone.wrong and alone.worst is not None:
                        found.fail(alone.worst)
                self.lost[e] = True
                found.lost += 1
            vars(self).pop("rows")
            for v in self._directions():
                kept = self._kept(v)
                if np.count_nonzero(kept) > 1 or (kept.any() and v.max() == 1.0):
                    self._compare(found, kept)
        return found

    def _kept(self, v: Vector) -> Vector:
        """``v`` without the elements that are left out."""
        return np.where(self.lost | (self.differences.scale == 0), 0.0, v)

    def _directions(self) -> Vector:
        """Single elements, and sums of all: at a tie each of two equal elements may have any slope, but not their sum.

        Of the sums the first has the signs of the gradient, so that a small factor in one of many elements is seen; the
        second has one sign, so that a constant added to all is seen.
        """
        n = self.x.size
        if n == 1:
            return np.eye(n)
        sums = self.rng.uniform(0.5, 1.5, (2, n))
        sums[0] *= np.where(self.row(self.us[-1]) < 0, -1.0, 1.0)
        return np.concatenate([np.eye(n), sums]) if self.single else sums

    def row(self, u: Vector) -> Vector:
        """``uᵀ J`` by the rules, 0 for the elements that are left out."""
        return np.where(self.lost, 0.0, self.point.pulled(u)[self.i])

    @cached_property
    def rows(self) -> Vector:
        """A row for each of ``us``."""
        return self._rows_of(self.us)

    def _rows_of(self, us: Vector) -> Vector:
        return np.reshape([self.row(u) for u in us], (len(us), self.x.size))

    def compared(self, us: Vector, v: Vector, slopes: Slopes) -> Comparison:
        """``uᵀ J v`` by the rules and by ``slopes`` along ``v``."""
        (step, divisor), (rtol, atol) = self.differences.direction(v), self.limits
        rows, count = self.rows if us is self.us else self._rows_of(us), np.count_nonzero(v)
        moved, weighted, sizes = _times(step / divisor, rows), _times(us, slopes.middle), np.abs(us)
        size = np.linalg.norm(weighted, axis=1)
        if count > 1:
            size = np.maximum(size, np.linalg.norm(moved, axis=1))
        # Terms that cancel leave rounding errors of the size of the terms, perhaps in other outputs.
        terms = np.abs(rows).max(axis=1, initial=0.0)
        longest = max(1.0, float(np.abs(step).max()) / divisor)
        rounding = 100 * self.point.epsilon * (sizes.sum(axis=1) + terms) * longest
        tolerances = atol * count**0.5 + rtol * size + _times(sizes, slopes.noise).sum(axis=1) + rounding
        scales = np.maximum(1.0, np.abs(_times(us, self.y)).sum(axis=1))
        return Comparison(us, v, moved.sum(axis=1), weighted.sum(axis=1), tolerances, scales, slopes.step)

    def _compare(self, found: Judgement, v: Vector) -> None:
        slopes = self.differences.along(v)
        if self.differences.chosen:  # a step that no other may replace: half of it shows its error
            error = 2 * np.abs(slopes.middle - self.differences.along(v, 0.5).middle)
            slopes = slopes._replace(noise=slopes.noise + error)
        quick = self.compared(self.us, v, slopes)
        bent = (slopes.gap(1e-3) & self.differences.seen).any()
        if self.differences.chosen or (not bent and (quick.excess <= 1).all() and quick.shown.any()):
            found.add(quick)
            return
        slopes, clear = self.differences.settled(v)
        compared = self._by(slopes, clear, v)
        if (compared.excess > 1).any():  # the values may oscillate within wide steps, or be mostly rounding
            self.differences.measure_noise(v, 1e-4)
            fine, sure = self.differences.settled(v, fine=True)
            if not sure.all():
                self.differences.measure_noise(v)
                slopes, clear = self.differences.settled(v)
            slopes, clear = Slopes(*np.where(sure, fine, slopes)), clear | sure
            compared = self._by(slopes, clear, v)
        rough = np.flatnonzero(~clear & self.differences.seen)
        if rough.size:
            self._compare_nearby(found, v, rough)
        # At a kink, zero derivatives of the other outputs show nothing about the element.
        found.add(compared, shows=bool(not rough.size or compared.numeric.any()))

    def _by(self, slopes: Slopes, clear: Truths, v: Vector) -> Comparison:
        """The comparison by those outputs of which two steps agree."""
        us = self.us if clear.all() else self.us * clear
        return self.compared(us if us.any(axis=1).all() else us[us.any(axis=1)], v, slopes)

    def _compare_nearby(self, found: Judgement, v: Vector, outputs: Iterable[int]) -> None:
        """Compare at a kink, where a rule may give any slope between those of nearby points."""
        if len(found.kinks) >= FEW:
            found.lost += 1
            return
        low, high, bounded = self.differences.nearby(v, self.rng)
        step, divisor = self.differences.direction(v)
        for count, j in enumerate(outputs):
            if count >= FEW or not bounded[j]:
                found.lost += 1
                continue
            u = np.eye(1, self.y.size, int(j))[0]
            rule, (least, most) = float(self.row(u) @ step) / divisor, (float(low[j]), float(high[j]))
            nearest = min(max(rule, least), most) if np.isfinite(rule) else (least + most) / 2
            tolerance = self.limits[1] + 1e-3 * max(abs(least), abs(most)) + 1e-9
            c = Comparison(u, v, rule, nearest, tolerance, low=least, high=most)
            if c.excess > 1:
                found.fail(c)
            elif np.count_nonzero(v) == 1 or not self.single:
                found.kinks.append(c)

    def traced(self, c: Comparison) -> Comparison:
        """The comparison of one output and one element that makes ``c``, a comparison of many, fail, found by halving;
        ``c`` if there is none.
        """
        found = c
        while c.low is None and found.u.any() and not found.single:  # outputs whose slope is not clear have no weight
            several = not unit(found.v)
            halves = []
            for half in np.array_split(np.flatnonzero(found.v if several else found.u), 2):
                kept = np.zeros((found.v if several else found.u).size)
                kept[half] = 1.0
                u, v = (found.u, kept) if several else (kept, found.v)
                slopes, clear = self.differences.settled(v)
                halves.append(self.compared((u * clear)[None], v, slopes).worst())
            found = max(halves, key=lambda half: half.order)
        return found if found.excess > 1 else c


def _times(us: Any, values: Any) -> Vector:
    """Weights times values; 0 where a weight is 0, whatever the value."""
    return np.where(us != 0, us * np.where(us != 0, values, 0.0), 0.0)


# -------------------------------------------------------------------------------------------------------- all inputs


def compare(point: Point, *, max_elements: int, seed: int, **tolerances: Any) -> dict[int, Judgement]:
    """The judgement of each checked input. Raises `GradcheckError` where a derivative is wrong."""
    many = sum(point.base[i].size for i in point.captured) > max_elements
    judges = {}
    for i, x in point.base.items():
        most = min(max_elements, max(1, x.size - 1)) if many and i in point.captured else max_elements
        rng = np.random.default_rng(seed)  # the same weights of the outputs for each input
        judges[i] = Judge(point, i, max_elements=most, rng=rng, **tolerances)
    point.disturb()
    found = {i: judge.judge() for i, judge in judges.items()}
    wrong = any(f.wrong for f in found.values())
    inputs = [i for i in found if i not in point.captured] or [*found]
    if not (point.constant or (point.outputs and not point.y.size) or wrong or any(map(point.connected, inputs))):
        raise nothing_checked(point)
    if worst := {i: f.worst for i, f in found.items() if f.verdict == WRONG and f.worst is not None}:
        i = max(worst, key=lambda i: worst[i].excess)
        raise GradcheckError(_report(judges[i], judges[i].traced(worst[i])))
    return found


def nothing_checked(point: Point) -> GradcheckError:
    """The error where no output depends on any input."""
    return GradcheckError(
        f"nothing was checked: no output of {point.f_name} depends on any input. It must compute from the Tensors "
        "that it is given, not from others of the same values."
    )


# ------------------------------------------------------------------------------------------------------------- in words


def unchecked(point: Point, i: int, found: Judgement) -> str:
    """Why nothing was shown about an input, and what to do."""
    what = f"unchecked: nothing was shown about the derivative with respect to {point.call(i)}"
    if found.kinks:
        return f"{what}: all its elements are at kinks, where any slope between both sides is right. Move them away."
    if found.worst is None:
        return f"{what}: {point.f_name} is not finite, or not differentiable, at all its elements. Choose others."
    c = found.worst
    return (
        f"{what}: all derivatives are within the tolerance. The one that comes nearest is "
        f"{max(abs(c.rule), abs(c.numeric)):.3g}, the tolerance {c.tolerance:.2g}: choose inputs at which the values "
        "move more, or a smaller atol."
    )


def check_shown(point: Point, found: dict[int, Judgement]) -> None:
    """Raise `GradcheckError` for an unchecked input; if outputs may be constant, only if all are unchecked."""
    told = [unchecked(point, i, f) for i, f in found.items() if f.verdict == UNCHECKED]
    if told and not (point.constant and len(told) < len(found)):
        raise GradcheckError("\n".join(told))


def _report(judge: Judge, c: Comparison) -> str:
    point, i = judge.point, judge.i
    single = np.count_nonzero(c.v) == 1
    where = spot(index_of(c.v, point.shapes[i])) if single else ", all elements moved at once,"
    here = f"{point.base[i][int(np.argmax(np.abs(c.v)))]:.6g}, " if single else ""
    digits = 6 if f"{c.rule:.6g}" != f"{c.numeric:.6g}" else 15
    lost = (
        "nothing recorded leads from the outputs to it: .detach(), .data, NumPy or no_grad on the way, or an operation "
        "that has no rule for this argument."
    )
    lines = [
        f"the derivative of {_result(point, c.u)} with respect to {point.call(i)}{where} is wrong:",
        _line("at this input", f"{here}in {point.dtype}"),
        _line(f"analytic ({point.analytic})", f"{c.rule:.{digits}g}"),
        *([_line("finite differences", f"{c.numeric:.{digits}g}   (step {c.step:.2g})")] if c.low is None else []),
        _line("difference", f"{abs(c.rule - c.numeric):.6g}, more than the tolerance {c.tolerance:.2g}"),
    ]
    if why := cause(c, lost * (not point.connected(i))):
        lines.append(f"What may be wrong: {why}")
    if np.isnan(c.rule) and not c.numeric:
        lines.append("Where g is 0 and so is out, g / out is NaN, and xp.xdivy(g, out) is 0.")
    lines += [f"Recorded operations: {point.recorded}."] if point.recorded else []
    return "\n".join(lines)


def _line(name: str, value: str) -> str:
    return f"    {name:19} {value}"


def _result(point: Point, u: Vector) -> str:
    """A description of the output that ``u`` selects: one element, or a weighted sum of all."""
    if not unit(u):
        return "all outputs weighted with random numbers"
    k, (shape, part) = next((k, part) for k, part in enumerate(point.parts(u)) if part[1].any())
    return f"{point.results[k]}{spot(index_of(part, shape))}"


def index_of(weights: Vector, shape: Shape) -> tuple[int, ...] | None:
    """The index of the one element that has a weight; ``None`` if there are several."""
    several = np.count_nonzero(weights) != 1
    return None if several else tuple(int(n) for n in np.unravel_index(int(np.argmax(np.abs(weights))), shape))


def spot(index: tuple[int, ...] | None) -> str:
    """An index as text, for a name before it; empty for a number."""
    return f" {list(index)}" if index else ""


def cause(c: Comparison, lost: str = "") -> str:
    """What may be wrong, as far as the numbers of a comparison tell; ``lost`` if no gradient arrives at all."""
    if not np.isfinite(c.rule):
        return "the rule gives no finite number, although the derivative is finite."
    if c.low is not None:
        return f"at a kink the rule's slope is not between those nearby, {c.low:.6g} and {c.high:.6g}."
    if not unit(c.u):
        return "the rule is not linear in g, as every derivative is: for single results it is right."
    return lost or "a rule has the wrong sign." * (abs(c.rule + c.numeric) <= 1e-4 * abs(c.rule))
