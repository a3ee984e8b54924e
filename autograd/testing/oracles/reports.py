"""The report on a wrong derivative: both Jacobians, and the likely cause."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from glassgrad.autograd.testing.oracles.differences import Truths, Vector
from glassgrad.autograd.testing.oracles.judgement import Comparison, Judge

ROWS, COLUMNS = 5, 3
"""How much of a Jacobian is printed, around the entry that is most wrong."""

LARGEST = 400
"""In a larger Jacobian only the printed entries are computed."""


class Jacobians:
    """The Jacobian by the rules and by differences: of some ``outputs`` with respect to some ``inputs``."""

    def __init__(self, judge: Judge, c: Comparison) -> None:
        self.judge = judge
        j, i = int(np.argmax(np.abs(c.u))), int(np.argmax(np.abs(c.v)))
        m, n = judge.function.y.size, judge.function.x.size
        small = m * n <= LARGEST
        self.outputs = np.arange(m) if small else _window(j, m, ROWS)
        self.inputs = np.arange(n) if small else _window(i, n, COLUMNS)
        self.worst = j, i
        units = np.eye(m)[self.outputs]
        self.analytic = np.stack([judge.row(u) for u in units])[:, self.inputs]
        columns, clear = zip(*(judge.differences.settled(v) for v in np.eye(n)[self.inputs]), strict=True)
        seen = np.stack(clear, axis=1) & judge.differences.seen[:, None]
        self.numeric = np.where(seen, np.stack([slopes.middle for slopes in columns], axis=1), np.nan)[self.outputs]
        doubt = np.stack([slopes.noise for slopes in columns], axis=1)[self.outputs]
        self.difference = self.analytic - self.numeric
        with np.errstate(all="ignore"):
            allowed = judge.atol + 1e3 * judge.rtol * np.abs(self.numeric) + doubt + 1e-12
            self.wrong: Truths = ~np.isnan(self.numeric) & ~(
                np.abs(self.difference) <= np.maximum(allowed, c.tolerance)
            )

    def table(self, input: str, output_label: Callable[[int], str], input_label: Callable[[int], str]) -> str:
        """Text of at most five rows and three columns around the worst entry; empty for a 1x1 Jacobian."""
        rows = np.flatnonzero(np.isin(self.outputs, _window(self.worst[0], self.judge.function.y.size, ROWS)))
        columns = np.flatnonzero(np.isin(self.inputs, _window(self.worst[1], self.judge.function.x.size, COLUMNS)))
        if rows.size * columns.size < 2:
            return ""
        heads = [input_label(int(self.inputs[k])) for k in columns]
        labels = [output_label(int(self.outputs[k])) for k in rows]
        left, width = max(map(len, labels)), max(10, *map(len, heads)) + 1

        def line(label: str, parts: Sequence[Sequence[str]]) -> str:
            blocks = ["".join(f"{part:{width}}" for part in block) for block in parts]
            return f"    {label:{left}}  {'  '.join(f'{block:{width * len(columns)}}' for block in blocks)}".rstrip()

        matrices = (self.analytic, self.numeric, self.difference)
        whole = self.judge.function.y.size * self.judge.function.x.size == rows.size * columns.size
        return "\n".join(
            [
                f"Jacobian{'' if whole else ' in part'}, outputs down and {input} across:",
                line("", [["analytic"], ["numeric"], ["difference"]]),
                line("", [heads] * 3),
                *(
                    line(label, [[_number(a[k, e]) for e in columns] for a in matrices])
                    for k, label in zip(rows, labels, strict=True)
                ),
            ]
        )

    def causes(self) -> list[str]:
        """Causes that the pattern of wrong entries suggests, the likeliest first."""
        if not self.wrong.any():
            return []
        rules, numeric = self.analytic[self.wrong], self.numeric[self.wrong]
        x, columns = np.abs(self.judge.function.x[self.inputs]), self.wrong.any(axis=0)
        most = x[~columns].max(initial=0.0)
        sizes = {self.judge.function.x.size, self.judge.function.y.size}
        square = self.analytic.shape[0] == self.analytic.shape[1] > 1
        if square and _close(self.analytic, self.numeric.T):
            return ["the analytic Jacobian is the numeric one transposed."]
        if square and not self.wrong.diagonal().any() and not rules.any():
            return ["the analytic Jacobian has only its diagonal: each output depends on the other elements, too."]
        if not columns.all() and not x[columns].any() and x[~columns].all():
            return ["only elements that are exactly 0 are wrong: a guard against division by 0 loses the derivative."]
        if not columns.all() and x[columns].min() > max(3.0, most):
            return [f"only elements beyond ±{most:.4g} are wrong: an overflow, or a branch for large values."]
        if not rules.any():
            return ["the rules give exactly zero: a rule leaves out a way by which the values depend on this input."]
        ratio = factor(rules, numeric, sizes)
        return [ratio] if ratio else []


def factor(rules: Vector, numeric: Vector, sizes: set[int] | None = None) -> str:
    """Explanation where all ``rules`` are the same simple multiple of ``numeric``; otherwise empty."""
    from fractions import Fraction  # slow to import, and used only here

    rules, numeric = np.atleast_1d(rules), np.atleast_1d(numeric)
    if not (np.isfinite(rules).all() and np.isfinite(numeric).all() and numeric.all()):
        return ""
    ratios = rules / numeric
    if not (ratios.all() and np.ptp(ratios) <= 1e-4 * np.abs(ratios[0])):
        return ""
    ratio = Fraction(float(np.median(ratios))).limit_denominator(max([12, *(sizes or ())]))
    small = max(abs(ratio.numerator), ratio.denominator)
    natural = 4 if rules.size == 1 else 12  # one ratio may be close to a simple fraction by chance
    if ratio == 1 or not ratio or (small > natural and small not in (sizes or ())):
        return ""
    if abs(float(np.median(ratios)) / float(ratio) - 1) > 1e-4:
        return ""
    if ratio == -1:
        return "a rule has the wrong sign."
    if sizes and small in sizes and small > 12 and min(abs(ratio.numerator), ratio.denominator) == 1:
        return f"the rules give {ratio} times the difference, and {small} elements are involved: a mean for a sum?"
    return f"the rules give {ratio} times the difference: a rule has a factor too few or too many."


def _close(one: Vector, other: Vector) -> bool:
    return bool(np.allclose(one, other, rtol=1e-4, atol=1e-9, equal_nan=False)) and not np.allclose(one, one.T)


def _window(k: int, size: int, length: int) -> Any:
    start = max(0, min(k - length // 2, size - length))
    return np.arange(start, min(start + length, size))


def _number(x: float) -> str:
    return "-" if np.isnan(x) else f"{x + 0.0:.4g}"
