"""Matrix products in blocks whose sums stay in registers, for sizes at which BLAS is slower."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from glassgrad.autograd.compiler.targets.c.build import processor
from glassgrad.autograd.compiler.targets.c.numpys import Blas
from glassgrad.autograd.compiler.targets.language import C
from glassgrad.autograd.compiler.targets.nested.script import Script
from glassgrad.autograd.compiler.targets.nests import View, added, times


class Text(Script):
    """The text in C that products are written into."""

    blas: Blas | None
    types: dict[str, str]
    operations: int

    def function(self, name: str, parameters: str, lines: Sequence[str]) -> str:
        """The name of a function of these lines."""
        raise NotImplementedError


@dataclass(frozen=True)
class Matrix:
    """A matrix in ``data``: ``start`` is the expression of the index of its first element."""

    data: str
    start: str
    rows: int
    columns: int
    row_step: int
    column_step: int

    @property
    def turned(self) -> Matrix:
        """The transpose."""
        return Matrix(self.data, self.start, self.columns, self.rows, self.column_step, self.row_step)

    @property
    def pointer(self) -> str:
        """The expression of its first element's address."""
        return self.data if self.start == "0" else f"{self.data} + {self.start}"

    def leading(self, by_rows: bool) -> int | None:
        """BLAS' leading dimension: the step from a row to the next, if rows are contiguous; or that of columns, unless
        ``by_rows``. ``None`` if they are not contiguous.
        """
        if not by_rows:
            return self.turned.leading(True)
        if self.columns > 1 and self.column_step != 1:
            return None
        step = self.row_step if self.rows > 1 else max(self.columns, 1)
        return step if step >= max(self.columns, 1) else None


@cache
def registers() -> tuple[int, int]:
    """How many registers hold vectors, and the bytes of one."""
    told = processor().split()
    if "avx512f" in told:
        return 32, 64
    return (16, 32) if {"avx2", "x86_64", "AMD64"} & {*told} else (32, 16)


def cycles(a: Matrix, b: Matrix, out: Matrix, dtype: Any, minus: str = "") -> float:
    """The estimated cycles of ``out = a @ b`` in blocks: two vector products at a time, of four cycles each."""
    m, n, k = out.rows, out.columns, a.columns
    rows = {vectors: heights(m, most_rows() * 2 // vectors) for vectors in (1, 2)}
    taken = [
        count * max(4, height * len(starts) / 2)
        for _, starts in _panels(n, dtype, minus)
        for _, count, height in rows[len(starts)]
    ]
    copied = 0.4 * n * k if b.column_step != 1 and n > 1 else 0
    scattered = m * n if out.column_step != 1 and n > 1 else 0
    return 50 + copied + scattered + k * sum(taken)


def _panels(n: int, dtype: Any, minus: str) -> list[tuple[int, list[int]]]:
    """The panels of one or two vectors that a row of ``n`` entries is cut into: for each the entries of a vector, and
    the columns at which its vectors begin.

    The last vector may overlap the one before it: some entries are then written twice. With ``minus`` only those of one
    panel overlap, which are all read before one is written.
    """
    width, start = min(lanes(dtype), 1 << n.bit_length() - 1), 0
    found: list[tuple[int, list[int]]] = []
    while start < n:
        if start + width > n and (not minus or (found and found[-1][0] == width and len(found[-1][1]) == 1)):
            start = n - width
        while start + width > n:
            width //= 2
        if found and found[-1][0] == width and len(found[-1][1]) == 1:
            found[-1][1].append(start)
        else:
            found.append((width, [start]))
        start += width
    return found


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


def in_blocks(source: Text, a: Matrix, b: Matrix, out: Matrix, dtype: Any, minus: str = "") -> None:
    """Write ``out = a @ b``, or ``out -= minus * (a @ b)``, as a function that goes from block to block."""
    m, n, k, kind = out.rows, out.columns, a.columns, C.types[str(dtype)]
    if 1 not in (b.row_step, b.column_step, n):
        b = _in_rows(source, b, dtype)
    alike: dict[tuple[int, int, int], list[int]] = {}
    for width, starts in _panels(n, dtype, minus):
        alike.setdefault((width, len(starts), starts[-1] - starts[0]), []).append(starts[0])
    lines, panel = [], ""
    if b.column_step != 1 and n > 1:  # a panel at a time is transposed, and read while it is in the cache
        panel = source.scratch("panel", (k, max(gap + width for width, _, gap in alike)), dtype).data
    for (width, vectors, gap), starts in alike.items():
        column = "j" if len(starts) > 1 else str(starts[0] or "")
        pad = "  " * (len(starts) > 1)
        if len(starts) > 1:
            lines.append(f"for (long j = {starts[0]}; j <= {starts[-1]}; j += {2 * width}) {{")
        y, step = added("y", column and times(column, b.column_step)), b.row_step
        if panel:
            f, count = "f" if dtype.itemsize == 4 else "", gap + width
            lines.append(f"{pad}gg_transpose{f}({k}, {count}, {y}, {b.column_step}, panel);")
            y, step = "panel", count
        for first, count, height in heights(m, most_rows() * 2 // vectors):
            row = "i" if count > 1 else str(first or "")
            name = _block(source, height, vectors, width, a, out, kind, minus)
            x = added("x", row and times(row, a.row_step))
            z = added("z", row and times(row, out.row_step), column and times(column, out.column_step))
            loop = f"for (long i = 0; i < {count * height}; i += {height}) " if count > 1 else ""
            given = f"{x}, {a.row_step}, {a.column_step}, {y}, {step}, {gap}, {z}, {out.row_step}"
            lines.append(f"{pad}{loop}{name}({k}, {given}{', factor' if minus else ''});")
        lines += ["}"] if len(starts) > 1 else []
    called(source, lines, a, b, out, kind, minus, panel)


def called(
    source: Text, lines: list[str], a: Matrix, b: Matrix, out: Matrix, kind: str, minus: str, panel: str = ""
) -> None:
    """Write a call of a function with these lines, in which the matrices are ``x``, ``y`` and ``z``, the number
    ``minus`` is ``factor``, and the array ``panel`` holds parts of y."""
    more = {f"const {kind} factor": minus, f"{kind} *restrict panel": panel}
    more = {parameter: text for parameter, text in more.items() if text}
    parameters = [f"const {kind} *restrict x", f"const {kind} *restrict y", f"{kind} *restrict z", *more]
    name = f"{'subtract_' if minus else ''}product_{out.rows}x{a.columns}x{out.columns}"
    name = source.function(name, ", ".join(parameters), lines)
    source.lines.append(f"{name}({', '.join([a.pointer, b.pointer, out.pointer, *more.values()])});")


def _block(
    source: Text, rows: int, vectors: int, width: int, a: Matrix, out: Matrix, kind: str, minus: str
) -> str:  # fmt: skip
    """The name of the function that computes a block of the result: ``rows`` rows of ``vectors`` vectors of ``width``
    entries.

    Its parameters: ``n`` is the length of the sum, ``right`` and ``below`` are the steps of x along columns and rows,
    ``next`` and ``down`` those along rows of y and z, and ``gap`` is the distance of the second vector from the first.
    """
    vector = f"gg_{kind}{width}" if width > 1 else kind
    right, below = ("1", "below") if a.column_step == 1 else ("right", "1" if a.row_step == 1 else "below")
    places = [(r, v, f"z{r}" if vectors == 1 else f"z{r}_{v}") for r in range(rows) for v in range(vectors)]

    def at(name: str, *terms: tuple[int, str]) -> str:
        return added(name, *(step if n == 1 else f"{n} * {step}" for n, step in terms if n))

    lines = [
        f"{vector} {', '.join(f'{name} = {{0}}' for *_, name in places)};",
        f"for (long p = 0; p < n; p++, x += {right}, y += next) {{",
        *(f"  const {vector} y{v} = *(const {vector} *)({at('y', (v, 'gap'))});" for v in range(vectors)),
        *(f"  {name} += *({at('x', (r, below))}) * y{v};" for r, v, name in places),
        "}",
    ]
    in_piece = out.column_step == 1 or width == 1
    for row in range(0, len(places), vectors):
        reads, writes = [], []
        for r, v, name in places[row : row + vectors]:
            place = at("z", (r, "down"), (v, "gap" if out.column_step == 1 else f"gap * {out.column_step}"))
            entry, part, each = f"*({vector} *)({place})", name, list[str]()
            if not in_piece:  # unrolled, else a compiler would keep the sums in memory
                entry, part = f"({place})[j * {out.column_step}]", f"{name}[j]"
                each = [f'_Pragma("GCC unroll {width}")', f"for (long j = 0; j < {width}; j++)"]
            reads += [*each, f"{part} = {entry} - factor * {part};"] if minus else []
            writes += [*each, f"{entry} = {part};"]
        lines += reads + writes
    parameters = (
        f"long n, const {kind} *restrict x, long below, long right, const {kind} *restrict y, long next, long gap, "
        f"{kind} *restrict z, long down{f', const {kind} factor' if minus else ''}"
    )
    return source.function(f"block_{rows}x{vectors * width}", parameters, lines)


def _in_rows(source: Text, b: Matrix, dtype: Any) -> Matrix:
    """A row-major copy of ``b``."""
    made = source.scratch(f"{b.data}_in_rows", (b.rows, b.columns), dtype)
    base = "" if b.start == "0" else b.start
    source.copy(View(b.data, (b.rows, b.columns), (b.row_step, b.column_step), base=base), made)
    return Matrix(made.data, "0", b.rows, b.columns, b.columns, 1)
