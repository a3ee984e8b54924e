"""A function at given inputs, its derivatives by the rules, and a report on their comparison with differences."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from glassgrad.autograd.common.shapes import Shape
from glassgrad.autograd.errors import DomainError, GradcheckError
from glassgrad.autograd.testing.oracles.differences import Differences, Vector
from glassgrad.autograd.testing.oracles.judgement import (
    DIFFERENCES,
    UNCHECKED,
    WRONG,
    Comparison,
    Comparisons,
    Judge,
    Judgement,
    Weights,
)
from glassgrad.autograd.testing.oracles.reports import Jacobians, factor

Function = Callable[..., Any]
COMPLEX, TWICE = "complex step", "double backward"
MOST = 100
"""With more outputs no Jacobian is printed."""


class Point(ABC):
    """A function ``f`` at some inputs: all outputs as one vector ``y``, and ``uᵀ J`` by the rules.

    ``base`` holds the values of the inputs that are checked, flat, by their position, and ``shapes`` their shapes;
    ``dtype`` is the coarsest dtype of inputs and outputs; ``constant`` says whether outputs may depend on no input.
    """

    f: Function
    f_name: str
    base: dict[int, Vector]
    shapes: dict[int, Shape]
    names: Sequence[str]
    y: Vector
    results: Sequence[str]
    outputs: Sequence[Shape]
    dtype: np.dtype[Any]
    constant: bool = False
    captured: Mapping[int, Any] = {}
    oracles: tuple[str, ...] = ()
    recorded: str = ""
    analytic: str = "rules"
    gives: str = "the rules give"
    unknown: str = ""

    @abstractmethod
    def moved(self, i: int, values: Vector) -> Vector:
        """``y`` with other values of input ``i``."""

    @abstractmethod
    def rules(self, u: Vector) -> dict[int, Vector]:
        """``uᵀ J`` by the rules, for each checked input. Raises `RuleError` where a rule can't be run."""

    def along(self, oracle: str, i: int, v: Vector) -> Vector | None:
        """``J v`` for input ``i`` by another oracle; ``None`` where it does not apply."""
        return None

    def connected(self, i: int) -> bool:
        """Whether a gradient flows from the outputs to input ``i``."""
        return True

    def causes(self, oracle: str, ratio: str) -> list[str]:
        """Possible causes where the rules agree with finite differences and not with another oracle."""
        return [ratio]

    def disturb(self) -> None:
        """Call the function at other inputs, to expose rules that keep values of the last call."""
        for i, values in self.base.items():
            try:
                self.moved(i, values + 0.01 * np.maximum(1.0, np.abs(values)))
            except Exception:  # the other inputs may be outside of the domain
                continue

    @property
    def epsilon(self) -> float:
        """The machine epsilon of the coarsest dtype."""
        return float(np.finfo(self.dtype).eps)

    def call(self, i: int) -> str:
        """The name of input ``i``, for a message."""
        return f"input {i}{f' ({self.names[i]!r})' if self.names[i] else ''}"

    def output(self, u: Vector) -> tuple[int, Vector]:
        """The output that ``u``, a single element, belongs to, and ``u`` within it."""
        at, k = int(np.argmax(np.abs(u))), 0
        sizes = [int(np.prod(shape)) for shape in self.outputs]
        while at >= sizes[k]:
            at, k = at - sizes[k], k + 1
        return k, np.eye(1, sizes[k], at)[0]

    def check_finite(self) -> None:
        """Raise `DomainError` for an output that is not finite."""
        start = 0
        for k, shape in enumerate(self.outputs):
            stop = start + int(np.prod(shape))
            if not np.isfinite(self.y[start:stop]).all():
                raise DomainError(f"output {k} of {self.f_name} is not finite here: choose inputs at which it is.")
            start = stop

    def check_input(self, i: int, values: Vector) -> None:
        """Raise `DomainError` for an input that is not finite."""
        if not np.isfinite(values).all():
            where = tuple(int(n) for n in np.argwhere(~np.isfinite(values))[0])
            raise DomainError(
                f"{self.call(i)} is {values[where]} at {list(where)}: differences need finite inputs; choose others."
            )

    def check_repeats(self, again: Vector) -> None:
        """Raise `GradcheckError` where a second call gave other values."""
        if again.shape != self.y.shape or not np.array_equal(again, self.y, equal_nan=True):
            raise GradcheckError(
                f"{self.f_name} gave two different answers to the same inputs, so differences of them tell nothing: "
                "have it draw from a generator that it seeds itself, or call .eval() of a module with dropout."
            )

    def nothing_checked(self) -> GradcheckError:
        """The error where no output depends on any input."""
        return GradcheckError(
            f"nothing was checked: no output of {self.f_name} depends on any input. It must compute from the Tensors "
            "that it is given, not from others of the same values."
        )


class _OfInput:
    """A point as a function of one of its inputs."""

    def __init__(self, point: Point, i: int, pulled: dict[bytes, dict[int, Vector]]) -> None:
        self.point, self.i, self.pulled = point, i, pulled
        self.x, self.y = point.base[i], point.y

    def f(self, x: Vector) -> Vector:
        return self.point.moved(self.i, x)

    def vjp(self, u: Vector) -> Vector:
        key = u.tobytes()
        if key not in self.pulled:
            self.pulled[key] = self.point.rules(u)
        return self.pulled[key][self.i]


def compare(
    point: Point, *, eps: float | None, atol: float | None, rtol: float | None, max_elements: int, seed: int
) -> dict[int, Judgement]:
    """The judgement of each checked input. Raises `GradcheckError` where a derivative is wrong."""
    third, half = point.epsilon ** (1 / 3), point.epsilon ** (1 / 2)
    pulled: dict[bytes, dict[int, Vector]] = {}
    many = sum(point.base[i].size for i in point.captured) > max_elements
    judges = {
        i: Judge(
            _OfInput(point, i, pulled),
            Differences(partial(point.moved, i), x, point.y, point.epsilon, eps),
            rtol=third if rtol is None else rtol,
            atol=0.0 if atol is None else atol,
            max_elements=min(max_elements, max(1, x.size - 1)) if many and i in point.captured else max_elements,
            rng=np.random.default_rng(seed),  # the same weights of the outputs for each input
        )
        for i, x in point.base.items()
    }
    point.disturb()
    found = {i: judge.judge() for i, judge in judges.items()}
    inputs = found.keys() - point.captured.keys()
    if not (
        point.constant
        or any(f.moved or point.connected(i) for i, f in found.items() if i not in point.captured or not inputs)
        or (point.outputs and not point.y.size)
    ):
        raise point.nothing_checked()
    rng = np.random.default_rng(seed)
    for oracle in point.oracles:
        for i, judge in judges.items():
            if not any(f.wrong for f in found.values()) and point.y.size and point.base[i].size:
                v = rng.uniform(0.5, 1.5, point.base[i].size) * rng.choice([-1.0, 1.0], point.base[i].size)
                v = np.where(judge.lost, 0.0, v)
                told = by_oracle(point, judge, oracle, i, judge.weights, v, atol, half if rtol is None else rtol)
                if told is not None and not found[i].kinks:
                    found[i].add(told, shows=oracle != TWICE)
                    found[i].concluded()
    wrong = {i: f for i, f in found.items() if f.verdict == WRONG}
    if wrong:
        i = max(wrong, key=lambda i: 0.0 if (worst := wrong[i].worst) is None else worst.excess)
        counts = sum(f.wrong for f in found.values()), sum(f.compared for f in found.values())
        worst = found[i].worst
        assert worst is not None
        raise GradcheckError(_report(point, judges[i], i, judges[i].traced(worst), *counts))
    return found


def by_oracle(
    point: Point, judge: Judge, oracle: str, i: int, weights: Weights, v: Vector, atol: float | None, rtol: float
) -> Comparisons | None:
    """The rules compared with an oracle along ``v``; ``None`` where the oracle does not apply."""
    direction = judge.differences.direction(v)
    told = point.along(oracle, i, direction.step) if v.any() else None
    if told is None or not np.isfinite(told[judge.differences.seen]).all():
        return None
    slopes = told / direction.unit
    half = point.epsilon ** (1 / 2)
    return judge.compared(weights, v, slopes, np.zeros_like(slopes), rtol, half / 10 if atol is None else atol, oracle)


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


def _report(point: Point, judge: Judge, i: int, c: Comparison, wrong: int, compared: int) -> str:
    single = np.count_nonzero(c.v) == 1
    where = _element(c.v, point.shapes[i]) if single else ", all elements moved at once,"
    here = f"{point.base[i][int(np.argmax(np.abs(c.v)))]:.6g}, " if single else ""
    digits = 6 if f"{c.rule:.6g}" != f"{c.numeric:.6g}" else 15
    jacobians = (
        Jacobians(judge, c) if judge.single and judge.function.y.size <= MOST and c.oracle == DIFFERENCES else None
    )
    lines = [
        f"the derivative of {_result(point, c.u)} with respect to {point.call(i)}{where} is wrong:",
        _line("at this input", f"{here}in {point.dtype}"),
        _line(f"analytic ({point.analytic})", f"{c.rule:.{digits}g}"),
        *(_line(o.oracle, f"{o.numeric:.{digits}g}{_step(o)}") for o in _told(point, judge, i, c)),
        *([] if c.low is None else [_line("slopes nearby", f"from {c.low:.6g} to {c.high:.6g}")]),
        _line("difference", f"{abs(c.rule - c.numeric):.6g}, more than the tolerance {c.tolerance:.2g}"),
    ]
    if jacobians is not None:
        lines.append(jacobians.table(f"{point.call(i)}", partial(_label, point), lambda e: _index(e, point.shapes[i])))
    causes = _causes(point, judge, i, c, jacobians)
    lines += [
        f"{wrong} of {compared} comparisons fail. What may be wrong:",
        *(f"  - {cause.replace('the rules give', point.gives)}" for cause in causes),
    ]
    lines += [f"Recorded operations: {point.recorded}."] if point.recorded else []
    return "\n".join(line for line in lines if line)


def _line(name: str, value: str) -> str:
    return f"    {name:19} {value}"


def _told(point: Point, judge: Judge, i: int, c: Comparison) -> list[Comparison]:
    """The derivative that ``c`` compares, by each oracle."""
    if c.low is not None:
        return []
    found = []
    for oracle in (DIFFERENCES, *point.oracles):
        if oracle == c.oracle:
            found.append(c)
        elif oracle == DIFFERENCES:
            found.append(judge.by_differences(c.u[None], c.v, judge.differences.settled(c.v)[0]).worst())
        elif (other := by_oracle(point, judge, oracle, i, Weights(c.u[None], point.y), c.v, None, 0.0)) is not None:
            found.append(other.worst())
    return found


def _step(c: Comparison) -> str:
    return f"   (step {c.step:.2g})" if c.step else ""


def _result(point: Point, u: Vector) -> str:
    """A description of the output that ``u`` selects: one element, or a weighted sum of all."""
    if not _unit(u):
        return "all outputs weighted with random numbers"
    k, part = point.output(u)
    return f"{point.results[k]}{_element(part, point.outputs[k])}"


def _unit(u: Vector) -> bool:
    """Whether ``u`` selects a single output with weight 1."""
    return bool(np.count_nonzero(u) == 1 and u.max() == 1.0)


def _label(point: Point, j: int) -> str:
    """An element of the outputs, as the name of a row."""
    k, part = point.output(np.eye(1, point.y.size, j)[0])
    index = _index(int(np.argmax(part)), point.outputs[k])
    return f"{k} {index}" if len(point.outputs) > 1 else index


def _index(e: int, shape: Shape) -> str:
    return str([int(n) for n in np.unravel_index(e, shape)]) if shape else "()"


def _element(weights: Vector, shape: Shape) -> str:
    return f" {_index(int(np.argmax(np.abs(weights))), shape)}" if shape else ""


def _causes(point: Point, judge: Judge, i: int, c: Comparison, jacobians: Jacobians | None) -> list[str]:
    """Possible causes, the likeliest first."""
    found = []
    if point.dtype.itemsize < 8:
        found.append(
            f"{point.dtype} has too few digits for differences: give float64 inputs, and float64 parameters in "
            f"{point.f_name}."
        )
    if not np.isfinite(c.rule):
        found.append(
            "the rules give no finite number: a division by 0, or a branch of `where` that is not finite although it "
            "is not chosen; guard its argument with another `where`."
        )
    if not np.isfinite(c.numeric):
        found.append(f"{point.f_name} is not finite a step away from here: move the input from the edge of its domain.")
    if not (np.isfinite(c.rule) and np.isfinite(c.numeric)):
        return found
    if c.low is not None:
        return [*found, "there is a kink or a jump here, and the rules' slope is not between those at nearby points."]
    if c.oracle != DIFFERENCES:
        return [*found, *point.causes(c.oracle, factor(np.array(c.rule), np.array(c.numeric)))]
    if judge.differences.chosen and (sides := _kink(judge, c)):
        return [*found, sides]
    if not point.connected(i):
        found.append(
            "the values depend on this input, but nothing recorded leads from the outputs to it: .detach(), .data, "
            "NumPy or no_grad on the way, or an operation that has no rule for this argument."
        )
    elif c.numeric == 0.0:
        found.append(
            "the values do not move at all: an operation is piecewise constant here, and its gradient is zero."
        )
    elif jacobians is not None:
        found += jacobians.causes()
    elif ratio := factor(np.array(c.rule), np.array(c.numeric)):
        found.append(ratio)
    if not _unit(c.u):
        found.append("a rule is not linear in g, as every derivative is: each output by itself agrees.")
    return found or [point.unknown]


def _kink(judge: Judge, c: Comparison) -> str:
    """The one-sided slopes, where a chosen step goes over a kink or a jump."""
    slopes = judge.differences.along(c.v)
    j = int(np.argmax(np.abs(c.u)))
    if not slopes.gap(1e-2)[j]:
        return ""
    return (
        f"a kink or a jump is within the step: the slope is {slopes.lower[j]:.3g} below and {slopes.upper[j]:.3g} "
        "above; move the input away, or leave out eps."
    )
