"""The verdict on each input of a point, and the report on a derivative that is wrong or unchecked."""

from __future__ import annotations

import numpy as np

from glassgrad.autograd.common.shapes import Shape
from glassgrad.autograd.errors import GradcheckError
from glassgrad.autograd.testing.oracles.differences import Vector
from glassgrad.autograd.testing.oracles.judgement import UNCHECKED, WRONG, Comparison, Judge, Judgement, unit
from glassgrad.autograd.testing.oracles.points import Point


def compare(
    point: Point, *, eps: float | None, atol: float | None, rtol: float | None, max_elements: int, seed: int
) -> dict[int, Judgement]:
    """The judgement of each checked input. Raises `GradcheckError` where a derivative is wrong."""
    many = sum(point.base[i].size for i in point.captured) > max_elements
    judges = {
        i: Judge(
            point,
            i,
            eps=eps,
            rtol=rtol,
            atol=atol,
            max_elements=min(max_elements, max(1, x.size - 1)) if many and i in point.captured else max_elements,
            rng=np.random.default_rng(seed),  # the same weights of the outputs for each input
        )
        for i, x in point.base.items()
    }
    point.disturb()
    found = {i: judge.judge() for i, judge in judges.items()}
    wrong = any(f.wrong for f in found.values())
    inputs = [i for i in found if i not in point.captured] or [*found]
    if not (point.constant or (point.outputs and not point.y.size) or wrong or any(map(point.connected, inputs))):
        raise nothing_checked(point)
    rng = np.random.default_rng(seed)
    for i, judge in judges.items():
        if not wrong and point.y.size and judge.x.size:
            v = rng.uniform(0.5, 1.5, judge.x.size) * rng.choice([-1.0, 1.0], judge.x.size)
            told = judge.by_complex_step(judge.us, np.where(judge.lost, 0.0, v))
            if told is not None and not found[i].kinks:
                found[i].add(told)
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
    where = spot(c.v, point.shapes[i]) if single else ", all elements moved at once,"
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
        *(
            _line(o.oracle, f"{o.numeric:.{digits}g}{f'   (step {o.step:.2g})' * bool(o.step)}")
            for o in _told(judge, c)
        ),
        _line("difference", f"{abs(c.rule - c.numeric):.6g}, more than the tolerance {c.tolerance:.2g}"),
    ]
    if why := cause(c) or lost * (not point.connected(i)) or factor(c.rule, c.numeric):
        lines.append(f"What may be wrong: {why.replace('the rules give', point.gives)}")
    lines += [f"Recorded operations: {point.recorded}."] if point.recorded else []
    return "\n".join(lines)


def _line(name: str, value: str) -> str:
    return f"    {name:19} {value}"


def _told(judge: Judge, c: Comparison) -> list[Comparison]:
    """The derivative that ``c`` compares, by each oracle; at a kink there is no single one."""
    if c.low is not None:
        return []
    differences = judge.by_differences(c.u[None], c.v, judge.differences.settled(c.v)[0])
    exact = judge.by_complex_step(c.u[None], c.v)
    found = [differences.worst(), *([] if exact is None else [exact.worst()])]
    return [c if other.oracle == c.oracle else other for other in found]


def _result(point: Point, u: Vector) -> str:
    """A description of the output that ``u`` selects: one element, or a weighted sum of all."""
    if not unit(u):
        return "all outputs weighted with random numbers"
    k, (shape, part) = next((k, part) for k, part in enumerate(point.parts(u)) if part[1].any())
    return f"{point.results[k]}{spot(part, shape)}"


def index_of(weights: Vector, shape: Shape) -> tuple[int, ...]:
    """The index of the element with the largest weight."""
    return tuple(int(n) for n in np.unravel_index(int(np.argmax(np.abs(weights))), shape))


def spot(weights: Vector, shape: Shape) -> str:
    """That index as text, for a name before it; empty for a number."""
    return f" {list(index_of(weights, shape))}" if shape else ""


def cause(c: Comparison) -> str:
    """What the numbers of a comparison tell of the fault, if it is not a factor."""
    if not np.isfinite(c.rule):
        return "the rule gives no finite number, although the derivative is finite."
    if c.low is not None:
        return f"at a kink the rule's slope is not between those nearby, {c.low:.6g} and {c.high:.6g}."
    if not unit(c.u):
        return "the rule is not linear in g, as every derivative is: for single results it is right."
    return ""


def factor(rule: float, numeric: float) -> str:
    """Explanation where ``rule`` is a simple multiple of ``numeric``; otherwise empty."""
    from fractions import Fraction  # slow to import, and used only here

    if not (np.isfinite(rule) and np.isfinite(numeric) and rule and numeric):
        return ""
    ratio = Fraction(rule / numeric).limit_denominator(12)
    if not ratio or ratio == 1 or max(abs(ratio.numerator), ratio.denominator) > 4:
        return ""  # one ratio may be close to another fraction by chance
    if abs(rule / numeric / float(ratio) - 1) > 1e-4:
        return ""
    if ratio == -1:
        return "a rule has the wrong sign."
    return f"the rules give {ratio} times the difference: a rule has a factor too few or too many."
