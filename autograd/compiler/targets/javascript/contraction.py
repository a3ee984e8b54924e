"""`contract`: sums of products, as of matrices and of convolutions, with blocks of the result in registers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from glassgrad.autograd.compiler.targets.nested.script import Script
from glassgrad.autograd.compiler.targets.nests import Axis, View, added, merged, times

Span = tuple[int, int, int]
"""The start and end along an axis, and the number of entries computed at once."""


def block_of(n: int) -> int:
    """The number of rows or columns of the result computed at once: a divisor of ``n`` if possible."""
    return next((b for b in (4, 3, 2) if n % b == 0), min(4, max(n, 1)))


def _tiles(n: int) -> Iterator[Span]:
    """The blocks along an axis of length ``n``: those of full size, and the remainder."""
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
    adds: bool = False,
) -> None:
    """Write ``out = Σ x · y``, or ``out += Σ x · y``; see `Script.contract`.

    Blocks of up to 4 by 4 sums are in registers: along an axis that y does not have, and along one that x does not
    have.
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
    tile = _Tile(x, y, out, sums, rows, columns, dtype, adds)
    for i in _tiles(rows[0]):
        for j in _tiles(columns[0]):
            script.lines += [pad + line for line in tile.lines(places, i, j)]
    for depth in reversed(range(len(around))):
        script.lines.append("  " * depth + "}")


@dataclass
class _Tile:
    """Blocks of the result of one size, and the sums of each."""

    x: View
    y: View
    out: View
    sums: Sequence[Axis]
    rows: Axis
    columns: Axis
    dtype: Any
    adds: bool

    def lines(self, places: Sequence[str], i: Span, j: Span) -> list[str]:
        """The loops over blocks; ``places``: where x, y and the result begin within the loops around."""
        heads, terms = [], [[place] for place in places]
        for letter, (start, stop, block), (_, *steps) in (("i", i, self.rows), ("j", j, self.columns)):
            is_loop = stop - start > block
            if is_loop:
                heads.append(f"for (let {letter} = {start}; {letter} < {stop}; {letter} += {block})")
            for term, step in zip(terms, steps, strict=True):
                term.append(times(letter, step) if is_loop else str(start * step))
        x, y, out = (added(*(part for part in term if part != "0")) for term in terms)
        cells = [(r, c) for r in range(i[2]) for c in range(j[2])]
        return [
            f"{' '.join(heads)} {{".lstrip(),
            f"  let {', '.join(f'$s{r}{c} = 0' for r, c in cells)};",
            f"  let $x = {x}, $y = {y};",
            *("  " + line for line in self._summed(i[2], j[2])),
            f"  const $o = {out};",
            "  " + " ".join(self._written(r, c) for r, c in cells),
            "}",
        ]

    def _summed(self, height: int, width: int) -> list[str]:
        """The loops over the sums: ``$x`` and ``$y`` advance in the innermost loop, and outer loops correct them."""
        found, last = [], len(self.sums) - 1
        for depth, (n, *steps) in enumerate(self.sums):
            moves = zip(("$x", "$y"), steps if depth == last else (0, 0), strict=True)
            by = "".join(f", {name} += {step}" for name, step in moves if step)
            found.append(f"{'  ' * depth}for (let $p{depth} = 0; $p{depth} < {n}; $p{depth}++{by}) {{")
        pad = "  " * len(self.sums)
        reads = [f"$x{r} = {self.x.data}[{added('$x', r * self.rows[1])}]" for r in range(height)]
        reads += [f"$y{c} = {self.y.data}[{added('$y', c * self.columns[2])}]" for c in range(width)]
        found.append(f"{pad}const {', '.join(reads)};")
        found.append(pad + " ".join(f"$s{r}{c} += $x{r} * $y{c};" for r in range(height) for c in range(width)))
        for depth in reversed(range(len(self.sums))):
            pad = "  " * depth
            found.append(f"{pad}}}")
            if depth:  # from the end of this loop to the next step of the one around it
                n, *own = self.sums[depth]
                rest = [step - n * done for step, done in zip(self.sums[depth - 1][1:], own, strict=True)]
                back = [f"{name} += {move};" for name, move in zip(("$x", "$y"), rest, strict=True) if move]
                found += [pad + " ".join(back)] if back else []
        if not self.sums:
            found = ["{", *("  " + line for line in found), "}"]
        return found

    def _written(self, r: int, c: int) -> str:
        place = added("$o", r * self.rows[3] + c * self.columns[3])
        truth = " ? 1 : 0" if self.dtype.kind == "b" else ""
        return f"{self.out.data}[{place}] {'+=' if self.adds else '='} $s{r}{c}{truth};"
