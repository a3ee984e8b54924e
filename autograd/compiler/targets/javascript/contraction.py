"""`contract`: sums of products, as of matrices and of convolutions, with blocks of the result in registers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from autograd.compiler.targets.javascript.script import Script
from autograd.compiler.targets.nests import View, added, times

Axis = tuple[int, ...]
"""A length, and the strides of the arrays along it."""


def merged(axes: Sequence[Axis]) -> list[Axis]:
    """The axes, those that lie alike in all arrays as one."""
    found: list[Axis] = []
    for n, *steps in axes:
        if n == 1:
            continue
        if found and all(far == near * n for far, near in zip(found[-1][1:], steps, strict=True)):
            found[-1] = (found[-1][0] * n, *steps)
        else:
            found.append((n, *steps))
    return found


def block_of(n: int) -> int:
    """How many rows, or columns, of the result are computed at once: a divisor of ``n`` where there is one."""
    return next((b for b in (4, 3, 2) if n % b == 0), min(4, max(n, 1)))


def _tiles(n: int) -> Iterator[tuple[int, int, int]]:
    """From where to where, and how many at once."""
    block = block_of(n)
    whole = n - n % block
    if whole:
        yield 0, whole, block
    if whole < n:
        yield whole, n, n - whole


def contract(
    script: Script,
    axes: Sequence[Axis],
    sums: Sequence[Axis],
    x: View,
    y: View,
    out: View,
    dtype: Any,
    *,
    accumulates: bool = False,
    start: str = "0",
) -> None:
    """Write ``out = Σ x · y``, or ``out += Σ x · y``.

    ``axes``: those of the result, each a length and its strides in x, y and out. ``sums``: those that are summed over,
    each a length and its strides in x and y. Of the views only ``data`` and where they begin count. Blocks of up to 4
    by 4 sums are in registers: along an axis that y does not have, and along one that x does not have. ``start``: where
    the sums begin, an expression in the place ``$o`` of the result.
    """
    axes, sums = merged(axes), merged(sums)
    rows = max((a for a in axes if not a[2] and a[1]), default=(1, 0, 0, 0), key=lambda a: a[0])
    columns = max((a for a in axes if not a[1] and a[2]), default=(1, 0, 0, 0), key=lambda a: a[0])
    around = [a for a in axes if a is not rows and a is not columns]
    pad = ""
    places = [x.start, y.start, out.start]
    for depth, (n, *steps) in enumerate(around):
        script.lines.append(f"{pad}for (let $q{depth} = 0; $q{depth} < {n}; $q{depth}++) {{")
        places = [added(p if p != "0" else "", times(f"$q{depth}", s)) for p, s in zip(places, steps, strict=True)]
        pad += "  "
    for i0, i1, height in _tiles(rows[0]):
        for j0, j1, width in _tiles(columns[0]):
            heads = [
                added(p if p != "0" else "", times("i", r), times("j", c))
                for p, r, c in zip(places, rows[1:], columns[1:], strict=True)
            ]
            spans = [("i", i0, i1, height), ("j", j0, j1, width)]
            script.lines += [
                pad + line for line in _tile(spans, heads, sums, rows, columns, x, y, out, dtype, accumulates, start)
            ]
    for depth in reversed(range(len(around))):
        script.lines.append("  " * depth + "}")


def _tile(
    spans: Sequence[tuple[str, int, int, int]],
    places: Sequence[str],
    sums: Sequence[Axis],
    rows: Axis,
    columns: Axis,
    x: View,
    y: View,
    out: View,
    dtype: Any,
    accumulates: bool,
    start: str,
) -> list[str]:
    """The loops over blocks of one size."""
    height, width = range(spans[0][3]), range(spans[1][3])
    cells = [(r, c) for r in height for c in width]
    lines = [" ".join(f"for (let {v} = {a}; {v} < {b}; {v} += {by})" for v, a, b, by in spans) + " {"]
    shifts = {(r, c): added(places[2] if places[2] != "0" else "", r * rows[3] + c * columns[3]) for r, c in cells}
    begin = {cell: start.replace("$o", shifts[cell]) for cell in cells}
    names = {(r, c): f"$s{r}{c}" for r, c in cells}
    lines.append(f"  let {', '.join(f'{names[cell]} = {begin[cell]}' for cell in cells)};")
    lines.append(f"  let $x = {places[0]}, $y = {places[1]};")
    pad = "  "
    for depth, (n, step, other) in enumerate(sums):
        if depth < len(sums) - 1:  # the inmost loop alone moves on; others begin anew
            lines.append(f"{pad}for (let $p{depth} = 0; $p{depth} < {n}; $p{depth}++) {{")
        else:
            by = "".join(f", {name} += {s}" for name, s in (("$x", step), ("$y", other)) if s)
            lines.append(f"{pad}for (let $p{depth} = 0; $p{depth} < {n}; $p{depth}++{by}) {{")
        pad += "  "
    reads = [f"$x{r} = {x.data}[{added('$x', r * rows[1])}]" for r in height]
    reads += [f"$y{c} = {y.data}[{added('$y', c * columns[2])}]" for c in width]
    lines.append(f"{pad}const {', '.join(reads)};")
    lines.append(pad + " ".join(f"{names[r, c]} += $x{r} * $y{c};" for r, c in cells))
    for depth in reversed(range(len(sums))):
        pad = "  " * (depth + 1)
        lines.append(f"{pad}}}")
        if depth:  # back to the start of this loop, and on in the one around it
            n, *own = sums[depth]
            moves = [s - n * t for s, t in zip(sums[depth - 1][1:], own, strict=True)]
            lines.append(pad + " ".join(f"{v} += {m};" for v, m in zip(("$x", "$y"), moves, strict=True) if m))
    sign = "+=" if accumulates else "="
    truth = " ? 1 : 0" if dtype.kind == "b" else ""
    lines.append("  " + " ".join(f"{out.data}[{shifts[cell]}] {sign} {names[cell]}{truth};" for cell in cells))
    return [*lines, "}"]


__all__ = ["contract"]
