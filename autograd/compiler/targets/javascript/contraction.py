"""`contract`: sums of products, as of matrices and of convolutions, with blocks of the result in registers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

from glassgrad.autograd.compiler.targets.nested import Script
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


class Products(Script):
    """A script whose products call a few functions, each of which is in ``functions``.

    ``products``: their names, by size of block, number of sums, dtype, and whether they add. Browsers soon make a short
    function fast that is called often, and are slow to do so with a long one that has the loops of many products.
    """

    functions: list[str]
    products: dict[tuple[int, int, int, str, bool], str]

    def contract(
        self,
        axes: Sequence[Axis],
        sums: Sequence[Axis],
        x: View,
        y: View,
        out: View,
        dtype: Any,
        *,
        adds: bool = False,
    ) -> None:
        """Write ``out = Σ x · y``, or ``out += Σ x · y``; see `Script.contract`."""
        axes, sums = merged(axes), merged(sums) or [(1, 0, 0)]
        rows = max((a for a in axes if not a[2] and a[1]), default=(1, 0, 0, 0), key=lambda a: a[0])
        columns = max((a for a in axes if not a[1] and a[2]), default=(1, 0, 0, 0), key=lambda a: a[0])
        around = [a for a in axes if a is not rows and a is not columns]
        pad = ""
        places = [x.start, y.start, out.start]
        for depth, (n, *steps) in enumerate(around):
            self.lines.append(f"{pad}for (let $q{depth} = 0; $q{depth} < {n}; $q{depth}++) {{")
            places = [added(p if p != "0" else "", times(f"$q{depth}", s)) for p, s in zip(places, steps, strict=True)]
            pad += "  "
        strides = rows[1], rows[3], columns[2], columns[3]
        for top, bottom, height in _tiles(rows[0]):
            for left, right, width in _tiles(columns[0]):
                name = _function(self, height, width, len(sums), dtype, adds)
                begin = [
                    added(p if p != "0" else "", top * r + left * c)
                    for p, r, c in zip(places, rows[1:], columns[1:], strict=True)
                ]
                given = [x.data, y.data, out.data, *begin, bottom - top, right - left, *strides, *chain(*sums)]
                self.lines.append(f"{pad}{name}({', '.join(map(str, given))});")
        for depth in reversed(range(len(around))):
            self.lines.append("  " * depth + "}")


def _function(script: Products, height: int, width: int, depth: int, dtype: Any, adds: bool) -> str:
    """The name of the function of blocks of ``height`` by ``width`` sums in registers, each over ``depth`` axes.

    Where x begins, and its step from row to row; likewise y and its columns, and the result. Then each sum's length and
    its steps in x and y. ``| 0`` says that an integer has 32 bits, and saves checks.
    """
    key = height, width, depth, str(dtype), adds
    if key in script.products:
        return script.products[key]
    name = script.products[key] = script.fresh(f"sums_{height}x{width}")
    given = ["x", "y", "out", "atX", "atY", "atOut", "rows", "columns", "rowX", "rowOut", "columnY", "columnOut"]
    given += [f"{letter}{k}" for k in range(depth) for letter in ("n", "x", "y")]
    cells = [(r, c) for r in range(height) for c in range(width)]
    sums: list[str] = []
    for k in range(depth):  # an axis within another one has gone to its end when the outer one goes on
        back = [f" - n{k + 1} * {letter}{k + 1}" if k + 1 < depth else "" for letter in ("x", "y")]
        moves = f"p = p + x{k}{back[0]} | 0, q = q + y{k}{back[1]} | 0"
        sums.append(f"{'  ' * k}for (let $p{k} = 0; $p{k} < n{k}; $p{k}++, {moves}) {{")
    pad = "  " * depth
    far = [("rowX", k) for k in range(2, height)] + [("columnY", k) for k in range(2, width)]
    x_places = ["p", "p + rowX", *(f"p + rowX{r}" for r in range(2, height))][:height]
    y_places = ["q", "q + columnY", *(f"q + columnY{c}" for c in range(2, width))][:width]
    reads = [f"$x{r} = x[{place} | 0]" for r, place in enumerate(x_places)]
    reads += [f"$y{c} = y[{place} | 0]" for c, place in enumerate(y_places)]
    sums.append(f"{pad}const {', '.join(reads)};")
    sums.append(pad + " ".join(f"$s{r}{c} += $x{r} * $y{c};" for r, c in cells))
    sums += ["  " * k + "}" for k in reversed(range(depth))]
    truth = " ? 1 : 0" if dtype.kind == "b" else ""
    written = (
        f"out[{added('o', times('rowOut', r), times('columnOut', c))} | 0] {'+=' if adds else '='} $s{r}{c}{truth};"
        for r, c in cells
    )
    script.functions += [
        f"function {name}({', '.join(given)}) {{",
        *(f"  const {step}{k} = {step} * {k};" for step, k in far),
        f"  for (let i = 0; i < rows; i += {height}) for (let j = 0; j < columns; j += {width}) {{",
        f"    let {', '.join(f'$s{r}{c} = 0' for r, c in cells)};",
        "    let p = atX + i * rowX | 0, q = atY + j * columnY | 0;",
        *("    " + line for line in sums),
        "    const o = atOut + i * rowOut + j * columnOut | 0;",
        "    " + " ".join(written),
        "  }",
        "}",
    ]
    return name
