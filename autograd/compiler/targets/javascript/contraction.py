"""`contract`: sums of products, as of matrices and of convolutions, with blocks of the result in registers."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any, Protocol

from glassgrad.autograd.compiler.targets.nests import Axis, View, added, merged, times

NONE = (1, 0, 0, 0)
"""An axis of length 1."""


class Text(Protocol):
    """The script that products are written into: its lines, its functions, and the names of those for products, by
    size of block, number of sums, dtype, and whether they add."""

    lines: list[str]
    functions: list[str]
    products: dict[Any, str]

    def fresh(self, text: str) -> str:
        """An unused variable."""


def contract(
    script: Text, axes: Sequence[Axis], sums: Sequence[Axis], x: View, y: View, out: View, dtype: Any, *,
    adds: bool = False,
) -> None:  # fmt: skip
    """Write ``out = Σ x · y``, or ``out += Σ x · y``; see `Script.contract`.

    Products call a few functions: browsers soon make a short function fast that is called often, and are slow to do so
    with a long one that has the loops of many products.
    """
    axes, sums = merged(axes), merged(sums) or [(1, 0, 0)]
    rows = max((a for a in axes if not a[2] and a[1]), default=NONE, key=lambda a: a[0])
    columns = max((a for a in axes if not a[1] and a[2]), default=NONE, key=lambda a: a[0])
    around = [a for a in axes if a is not rows and a is not columns]
    places = [x.start, y.start, out.start]
    for depth, (n, *steps) in enumerate(around):
        script.lines.append(f"{'  ' * depth}for (let $q{depth} = 0; $q{depth} < {n}; $q{depth}++) {{")
        places = [added(p if p != "0" else "", times(f"$q{depth}", s)) for p, s in zip(places, steps, strict=True)]
    height, width = (_block_of(n, adds) for n in (rows[0], columns[0]))
    key = height, width, len(sums), str(dtype), adds
    if key not in script.products:
        script.products[key] = script.fresh(f"sums_{height}x{width}")
        script.functions += _function(script.products[key], height, width, len(sums), dtype, adds)
    strides = rows[1], rows[3], columns[2], columns[3]
    given = [x.data, y.data, out.data, *places, rows[0], columns[0], *strides, *chain(*sums)]
    script.lines.append(f"{'  ' * len(around)}{script.products[key]}({', '.join(map(str, given))});")
    script.lines += ["  " * depth + "}" for depth in reversed(range(len(around)))]


def _block_of(n: int, adds: bool) -> int:
    """The number of rows or columns computed at once. Where nothing is added, the last block may overlap another."""
    return next((b for b in (4, 3, 2) if n % b == 0), 1 if adds else min(4, max(n, 1)))


def _function(name: str, height: int, width: int, depth: int, dtype: Any, adds: bool) -> list[str]:
    """The function of blocks of ``height`` by ``width`` sums in registers, each over ``depth`` axes.

    Where x begins, and its step from row to row; likewise y and its columns, and the result. Then each sum's length and
    its steps in x and y. ``| 0`` says that an integer has 32 bits, and saves checks.
    """
    given = ["x", "y", "out", "atX", "atY", "atOut", "rows", "columns", "rowX", "rowOut", "columnY", "columnOut"]
    given += [f"{letter}{k}" for k in range(depth) for letter in ("n", "x", "y")]
    cells = [(r, c) for r in range(height) for c in range(width)]
    sums: list[str] = []
    for k in range(depth):  # an axis within another one has gone to its end when the outer one goes on
        back = [f" - n{k + 1} * {letter}{k + 1}" if k + 1 < depth else "" for letter in ("x", "y")]
        moves = f"p = p + x{k}{back[0]} | 0, q = q + y{k}{back[1]} | 0"
        sums.append(f"{'  ' * k}for (let $p{k} = 0; $p{k} < n{k}; $p{k}++, {moves}) {{")
    pad = "  " * depth
    reads = [f"$x{r} = x[{added('p', times('rowX', r))} | 0]" for r in range(height)]
    reads += [f"$y{c} = y[{added('q', times('columnY', c))} | 0]" for c in range(width)]
    sums.append(f"{pad}const {', '.join(reads)};")
    sums.append(pad + " ".join(f"$s{r}{c} += $x{r} * $y{c};" for r, c in cells))
    sums += ["  " * k + "}" for k in reversed(range(depth))]
    truth = " ? 1 : 0" if dtype.kind == "b" else ""
    written = (
        f"out[{added('o', times('rowOut', r), times('columnOut', c))} | 0] {'+=' if adds else '='} $s{r}{c}{truth};"
        for r, c in cells
    )
    return [
        f"function {name}({', '.join(given)}) {{",
        f"  for (let $i = 0; $i < rows; $i += {height}) for (let $j = 0; $j < columns; $j += {width}) {{",
        f"    const i = $i + {height} > rows ? rows - {height} : $i;",
        f"    const j = $j + {width} > columns ? columns - {width} : $j;",
        f"    let {', '.join(f'$s{r}{c} = 0' for r, c in cells)};",
        "    let p = atX + i * rowX | 0, q = atY + j * columnY | 0;",
        *("    " + line for line in sums),
        "    const o = atOut + i * rowOut + j * columnOut | 0;",
        "    " + " ".join(written),
        "  }",
        "}",
    ]
