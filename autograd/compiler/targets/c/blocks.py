"""Blocks of sums of products that stay in registers, for products and convolutions of sizes at which BLAS is slower."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from types import MappingProxyType
from typing import Any

from glassgrad.autograd.compiler.targets.c.build import processor
from glassgrad.autograd.compiler.targets.c.numpys import Blas
from glassgrad.autograd.compiler.targets.language import C
from glassgrad.autograd.compiler.targets.nested.script import Script
from glassgrad.autograd.compiler.targets.nests import Axis, View, added, counting, times

READ = ("x", "y", "w", "bias", "factor")
"""The names of arrays that are only read."""


class Text(Script):
    """The text in C that products are written into."""

    blas: Blas | None
    types: dict[str, str]
    operations: int

    def function(self, name: str, parameters: str, lines: Sequence[str]) -> str:
        """The name of a function of these lines."""
        raise NotImplementedError


@cache
def registers() -> tuple[int, int]:
    """How many registers hold vectors, and the bytes of one."""
    told = processor().split()
    if "avx512f" in told:
        return 32, 64
    return (16, 32) if {"avx2", "x86_64", "AMD64"} & {*told} else (32, 16)


def lanes(dtype: Any) -> int:
    """How many numbers are in a vector."""
    return registers()[1] // int(dtype.itemsize)


def most_rows() -> int:
    """The largest number of rows of a block of two vectors whose sums stay in registers."""
    return 10 if registers()[0] == 32 else 6


def heights(m: int, most: int) -> list[tuple[int, int, int]]:
    """The blocks of at most ``most`` rows that ``m`` rows are cut into: for each height the first row, the number of
    blocks, and the height. All blocks have one height if that can be at least half the maximum.
    """
    even = (height for height in range(most, most // 2, -1) if m % height == 0)
    height = next(even, -(-m // -(-m // most)))
    return [(0, m // height, height), *([(m - m % height, 1, m % height)] if m % height else [])]


def block(
    source: Text, kind: str, width: int, loops: Sequence[Axis], rows: Sequence[int], vectors: Sequence[int],
    downs: Sequence[int], gaps: Sequence[int], written: str, pieces: tuple[int, int] = (1, 0),
) -> str:  # fmt: skip
    """The name of the function that computes ``z[r, v] = Σ x[r] y[v]`` for all ``rows`` and ``vectors``.

    ``loops``: the lengths of the sums and their steps in x and y. ``downs`` and ``gaps``: where the rows and vectors
    lie in z. ``written``: how z is written. ``pieces``: in how many pieces each vector of y lies, and how far apart.
    """
    vector, loops = f"gg_{kind}{width}" if width > 1 else kind, [a for a in loops if a[0] != 1]
    names = [[f"z{r}_{v}" for v in range(len(vectors))] for r in range(len(rows))]
    places = [added(*(times(f"i{k}", a[of]) for k, a in enumerate(loops))) for of in (1, 2)]
    lines = [f"{vector} {', '.join(f'{name} = {{0}}' for row in names for name in row)};"]
    lines += [f"{'  ' * k}{counting(f'i{k}', n, 'long')}" for k, (n, *_) in enumerate(loops)]
    pad = "  " * len(loops)
    lines += [f"{pad}const {kind} *const $x = x + {places[0]}, *const $y = y + {places[1]};"]
    for v, at in enumerate(vectors):
        lines.append(f"{pad}const {vector} y{v} = {_loaded(kind, width, at, *pieces)};")
    for at, row in zip(rows, names, strict=True):
        lines += [f"{pad}{name} += $x[{at}] * y{v};" for v, name in enumerate(row)]
    lines += ["}"] * len(loops)
    for r, (down, row) in enumerate(zip(downs, names, strict=True)):
        for gap, name in zip(gaps, row, strict=True):
            lines.append(f"*({vector} *)(z + {down + gap}) {written.format(name, r=r)};")
    more = "".join(f", const {kind} *restrict {name}" for name in ("bias", "factor") if name in written)
    parameters = f"const {kind} *restrict x, const {kind} *restrict y, {kind} *restrict z{more}"
    return source.function(f"block_{len(rows)}x{len(vectors) * width}", parameters, lines)


def _loaded(kind: str, width: int, at: int, pieces: int, step: int) -> str:
    """The expression of a vector that lies in ``pieces``, ``step`` apart from ``at`` on."""
    if pieces == 1:
        return f"*(const gg_{kind}{width} *)($y + {at})" if width > 1 else f"$y[{at}]"
    halves = [_loaded(kind, width // 2, at + k * step * pieces // 2, pieces // 2, step) for k in range(2)]
    places = ", ".join(map(str, range(width)))
    return f"GG_JOINED(gg_{kind}{width // 2}, gg_{kind}{width}, {halves[0]}, {halves[1]}, {places})"


def called(source: Text, name: str, lines: Sequence[str], given: Mapping[str, View], kind: str) -> None:
    """Write a call of a function with these lines, in which the arrays have the names of ``given``."""
    parameters = [f"{'const ' * (n in READ)}{kind} *restrict {n}" for n in given]
    name = source.function(name, ", ".join(parameters), lines)
    source.lines.append(f"{name}({', '.join(view.pointer for view in given.values())});")


def in_order(source: Text, x: View, dtype: Any) -> View:
    """``x`` or a row-major copy."""
    if x.is_contiguous:
        return x
    made = source.scratch(f"{x.data}_in_order", x.shape, dtype)
    _copy(source, x, made, dtype)
    return made


def _copy(source: Text, x: View, out: View, dtype: Any) -> None:
    """Write ``out = x``; in blocks, if it is the transpose of a matrix."""
    if len(x.shape) == 2 and x.strides[0] == 1 and out.is_contiguous:
        given = *x.shape, x.pointer, x.strides[1], out.pointer
        source.lines.append(f"gg_transpose{suffix(dtype)}({', '.join(map(str, given))});")
    else:
        source.copy(x, out)


def turned(matrix: View) -> View:
    """The transpose."""
    return matrix.permuted((1, 0))


def suffix(dtype: Any) -> str:
    """The suffix of C's functions of a dtype."""
    return "f" if dtype.itemsize == 4 else ""


# ------------------------------------------------------------------------------------------------------------ products


def cycles(a: View, b: View, out: View, dtype: Any) -> float:
    """The estimated cycles of ``out = a @ b`` in blocks: two vector products at a time, of four cycles each."""
    (m, n), k = out.shape, a.shape[1]
    rows = {vectors: heights(m, most_rows() * 2 // vectors) for vectors in (1, 2)}
    taken = [
        count * max(4, height * len(starts) / 2)
        for _, starts in _panels(n, dtype)
        for _, count, height in rows[len(starts)]
    ]
    copied = 0.4 * n * k if b.strides[1] != 1 and n > 1 else 0
    scattered = m * n if out.strides[1] != 1 and n > 1 else 0
    return 50 + copied + scattered + k * sum(taken)


def _panels(n: int, dtype: Any, *, adds: bool = False) -> list[tuple[int, list[int]]]:
    """The panels of one or two vectors that a row of ``n`` entries is cut into: for each the entries of a vector, and
    the columns at which its vectors begin.

    The last panel may overlap the one before it, where nothing is added: some entries are then written twice.
    """
    width, start = min(lanes(dtype), 1 << n.bit_length() - 1), 0
    found: list[tuple[int, list[int]]] = []
    while start < n:
        if start + width > n and not adds:
            start = n - width
        while start + width > n:
            width //= 2
        if found and found[-1][0] == width and len(found[-1][1]) == 1:
            found[-1] = width, [start - width if start >= width else 0, start]
        else:
            found.append((width, [start]))
        start += width
    return found


def in_blocks(
    source: Text, a: View, b: View, out: View, dtype: Any, written: str = "= {}",
    more: Mapping[str, View] = MappingProxyType({}),
) -> None:  # fmt: skip
    """Write ``out = a @ b`` as a function that goes from block to block.

    ``written``: how the sums are written, by which a product can also be added. ``more``: further arrays that it names.
    """
    (m, n), k, kind, adds = out.shape, a.shape[1], C.types[str(dtype)], written != "= {}"
    if n > 1 and 1 not in b.strides:
        b = in_order(source, b, dtype)
    if n > 1 and out.strides[1] != 1:
        made = source.scratch(f"{out.data}_in_order", out.shape, dtype)
        in_blocks(source, a, b, made, dtype)
        if adds:
            source.copy(made, out, "+=")
        else:
            _copy(source, turned(made), turned(out), dtype)
        return
    alike: dict[tuple[int, int, int, int], list[int]] = {}
    for width, starts in _panels(n, dtype, adds=adds):
        alike.setdefault((width, len(starts), starts[-1] - starts[0], starts[0] % (2 * width)), []).append(starts[0])
    lines = []
    given = {"x": a, "y": b, "z": out, **more}
    if turns := n > 1 and b.strides[1] != 1:  # a panel at a time, so that it stays in the cache
        given["panel"] = source.scratch("panel", (k, max(width + gap for width, _, gap, _ in alike)), dtype)
    for (width, vectors, gap, _), starts in alike.items():
        column, pad = ("j", "  ") if len(starts) > 1 else (str(starts[0] or ""), "")
        if pad:
            lines.append(f"for (long j = {starts[0]}; j <= {starts[-1]}; j += {2 * width}) {{")
        y = added("y", column and times(column, b.strides[1]))
        gaps, loops = [0, gap][:vectors], [(k, a.strides[1], width + gap if turns else b.strides[0])]
        if turns:
            lines.append(f"{pad}gg_transpose{suffix(dtype)}({k}, {width + gap}, {y}, {b.strides[1]}, panel);")
            y = "panel"
        for first, count, height in heights(m, most_rows() * 2 // vectors):
            row = "i" if count > 1 else str(first or "")
            steps, downs = ([r * view.strides[0] for r in range(height)] for view in (a, out))
            function = block(source, kind, width, loops, steps, gaps, downs, gaps, written)
            x, z = (
                added(view, row and times(row, step)) for view, step in (("x", a.strides[0]), ("z", out.strides[0]))
            )
            loop = f"for (long i = 0; i < {count * height}; i += {height}) " if count > 1 else ""
            lines.append(f"{pad}{loop}{function}({', '.join([x, y, added(z, column), *more])});")
        lines += ["}"] if pad else []
    called(source, f"product_{m}x{k}x{n}", lines, given, kind)
