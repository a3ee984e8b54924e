"""`contract`: sums of products in C, as matrix products wherever the operands can be read as matrices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod
from typing import Any

from glassgrad.autograd.compiler.targets.c.blocks import Text, cycles, in_blocks, lanes, suffix, turned
from glassgrad.autograd.compiler.targets.language import C
from glassgrad.autograd.compiler.targets.nests import Axis, View, added, merged, times

SHORT = 16
"""From this length on, a contiguous axis is better than a longer one."""

LONG = 1024
"""Sums of more products than this are computed in parts, which rounds less and lets operands stay in the cache."""

LARGE = 1 << 20
"""From this number of bytes in a part of the second operand on, BLAS is faster, because it copies operands in order."""

SHARED = 1 << 22
"""From this number of multiplications on, BLAS divides a product among threads."""

ROW_MAJOR, COLUMN_MAJOR, AS_IT_IS, TRANSPOSED = 101, 102, 111, 112
"""The constants of ``cblas_sgemm`` for memory orders and transposes."""


def contract(
    source: Text, axes: Sequence[Axis], sums: Sequence[Axis], x: View, y: View, out: View, dtype: Any, *,
    adds: bool = False,
) -> None:  # fmt: skip
    """Write ``out = Σ x · y``, or ``out += Σ x · y``; see `Script.contract`.

    The axes that y lacks are rows, those that x lacks are columns. An operand whose rows and sums can't be read with
    one step each is copied in order, which makes a convolution a product with the matrix of its windows.
    """
    axes, sums = [a for a in axes if a[0] != 1], [a for a in sums if a[0] != 1]
    if dtype.kind != "f":
        raise source.refuse(source.now, "is a product of whole numbers or of truths: cast them to float32 or float64")
    if 0 in (n for n, *_ in (*axes, *sums)):
        if not adds:
            source.fill(replace(out, shape=tuple(a[0] for a in axes), strides=tuple(a[3] for a in axes)), "0")
        return
    rows = [a for a in axes if a[1] and not a[2]]
    columns = [a for a in axes if a[2] and not a[1]]
    around = [a for a in axes if a not in rows and a not in columns]
    if source.types[x.data] != C.types[str(dtype)]:
        x, around, rows, sums = _copied(source, x, dtype, around, rows, sums, 1)
    if source.types[y.data] != C.types[str(dtype)]:
        y, around, columns, sums = _copied(source, y, dtype, around, columns, sums, 2)
    if adds:  # several products may belong to one entry
        short, long = sorted((rows, columns), key=lambda own: own[-1][0] if own else 0)
        of = [*around, *short, *long]  # so that the longest axis is contiguous
        shape = tuple(a[0] for a in of)
        made = source.scratch(f"{out.data}_in_order", shape, dtype)
        contract(source, [(*a[:3], s) for a, s in zip(of, made.strides, strict=True)], sums, x, y, made, dtype)
        source.copy(made, replace(out, shape=shape, strides=tuple(a[3] for a in of)), "+=")
        return
    if _is_scattered(rows, sums, 1):
        x, around, rows, sums = _copied(source, x, dtype, around, rows, sums, 1)
    if _is_scattered(columns, sums, 2):
        y, around, columns, sums = _copied(source, y, dtype, around, columns, sums, 2)
    _products(source, around, merged(rows), merged(columns), merged(sums), x, y, out, dtype)


def _is_scattered(own: Sequence[Axis], sums: Sequence[Axis], k: int) -> bool:
    """Whether the sums over an operand, or its ``own`` axes, need several loops where the result needs one. ``k``: the
    position of the operand's steps in an `Axis`, 1 for x and 2 for y."""
    of_both, of_result = (merged([(a[0], *(a[i] for i in places)) for a in own]) for places in ((k, 3), (3,)))
    return len(merged([(a[0], a[k]) for a in sums])) > 1 or len(of_both) > len(of_result)


def _copied(
    source: Text, x: View, dtype: Any, around: Sequence[Axis], own: Sequence[Axis], sums: Sequence[Axis], k: int
) -> tuple[View, list[Axis], list[Axis], list[Axis]]:
    """A copy of an operand whose axes are ``around``, its ``own`` and the sums; and these axes with the copy's steps.

    ``k``: the position of the operand's steps in an `Axis`, 1 for x and 2 for y.
    """
    own_last = bool(own) and (not sums or own[-1][0] >= sums[-1][0])  # so that the longest axis is contiguous
    parts = [around, sums, own] if own_last else [around, own, sums]
    of = [a for part in parts for a in part]
    shown = [n for n, a in enumerate(of) if a[k]]  # not repeated along axes that it lacks
    shape = tuple(of[n][0] for n in shown)
    made = source.scratch(f"{x.data}_in_order", shape, dtype)
    source.copy(replace(x, shape=shape, strides=tuple(of[n][k] for n in shown)), made)
    steps = dict(zip(shown, made.strides, strict=True))
    new = iter([(*a[:k], steps.get(n, 0), *a[k + 1 :]) for n, a in enumerate(of)])
    first, second, third = ([next(new) for _ in part] for part in parts)
    return made, first, *((third, second) if own_last else (second, third))


def _products(
    source: Text, around: Sequence[Axis], rows: list[Axis], columns: list[Axis], sums: list[Axis], x: View, y: View,
    out: View, dtype: Any,
) -> None:  # fmt: skip
    """A matrix product of the longest row axis and the longest column axis, within loops over the other axes."""
    row, column = _longest(rows), _longest(columns)
    total = sums[0] if sums else (1, 0, 0)
    others = [*around, *(a for a in rows if a is not row), *(a for a in columns if a is not column)]
    row, column = row or (1, 0, 0, 0), column or (1, 0, 0, 0)
    shapes = (row[0], total[0]), (total[0], column[0]), (row[0], column[0])
    steps_of = (row[1], total[1]), (total[2], column[2]), (row[3], column[3])
    seen = [replace(v, shape=n, strides=s) for v, n, s in zip((x, y, out), shapes, steps_of, strict=True)]
    lines = source.lines
    for depth, (n, *steps) in enumerate(others, 1):
        letter = f"$q{depth}"
        lines.append(f"for (long {letter} = 0; {letter} < {n}; {letter}++) {{")
        seen = [replace(v, base=added(v.base, times(letter, s))) if s else v for v, s in zip(seen, steps, strict=True)]
    product(source, seen[0], seen[1], seen[2], dtype)
    lines += ["}"] * len(others)


def _longest(axes: Sequence[Axis]) -> Axis | None:
    """The axis for a matrix product: the longest, or one along which the result is contiguous if that is not short."""
    return max(axes, key=lambda a: (abs(a[3]) == 1 and a[0] >= SHORT, a[0]), default=None)


def product(source: Text, a: View, b: View, out: View, dtype: Any) -> None:
    """``out = a @ b``: sums along both operands, blocks in registers, or a call of BLAS where that is faster."""
    (m, n), k = out.shape, a.shape[1]
    source.operations += m * n * k
    if 1 in (m, n) and a.strides[1] == b.strides[0] == 1 and k >= SHORT:
        x, y, z = (a, b, out) if n == 1 else (turned(b), turned(a), turned(out))
        given = x.shape[0], k, x.pointer, x.strides[0], y.pointer, z.pointer, z.strides[0]
        source.lines.append(f"gg_dots{suffix(dtype)}({', '.join(map(str, given))});")
        return
    cost, way = _best_blocks(a, b, out, dtype)
    if call := _by_blas(source, a, b, out, dtype, cost):
        source.lines.append(call)
    else:
        _in_parts(source, *way, dtype)


def subtract_product(source: Text, out: View, factor: View, a: View, b: View, dtype: Any) -> bool:
    """Write ``out -= factor * (a @ b)`` in blocks, without memory for the product; return whether that pays."""
    cost, way = _best_blocks(a, b, out, dtype)
    fits = way[2].strides[1] == 1 and way[2].shape[1] >= lanes(dtype) and 0 < a.shape[1] <= LONG
    if dtype.kind != "f" or not fits or _by_blas(source, a, b, out, dtype, cost):
        return False
    source.operations += prod(a.shape) * b.shape[1]
    in_blocks(source, *way, dtype, "-= GG_APART(*factor * {})", {"factor": factor})
    return True


def _best_blocks(a: View, b: View, out: View, dtype: Any) -> tuple[float, tuple[View, View, View]]:
    """About how many cycles blocks take, and the matrices of the faster way: as they are, or transposed."""
    ways = [(a, b, out), (turned(b), turned(a), turned(out))]
    costs = [cycles(*way, dtype) for way in ways]
    return min(costs), ways[costs.index(min(costs))]


def _in_parts(source: Text, a: View, b: View, out: View, dtype: Any) -> None:
    """``out = a @ b`` in blocks; a long sum is computed in parts, one after another."""
    k = a.shape[1]
    first = (k - 1) % LONG + 1
    in_blocks(source, a[:, :first], b[:first], out, dtype)
    if first < k:
        source.lines.append(f"for (long $p = {first}; $p < {k}; $p += {LONG}) {{")
        x = replace(a[:, :LONG], base=added(a.base, times("$p", a.strides[1])))
        y = replace(b[:LONG], base=added(b.base, times("$p", b.strides[0])))
        in_blocks(source, x, y, out, dtype, "+= {}")
        source.lines.append("}")


def _leading(matrix: View, by_rows: bool) -> int | None:
    """BLAS' leading dimension: the step from a row to the next, if rows are contiguous; or that of columns, unless
    ``by_rows``. ``None`` if they are not contiguous.
    """
    if not by_rows:
        return _leading(turned(matrix), True)
    (rows, columns), (row_step, column_step) = matrix.shape, matrix.strides
    if columns > 1 and column_step != 1:
        return None
    step = row_step if rows > 1 else max(columns, 1)
    return step if step >= max(columns, 1) else None


def _by_blas(source: Text, a: View, b: View, out: View, dtype: Any, cost: float) -> str:
    """The call of BLAS; nothing if it can't read and write these matrices, or not in fewer than ``cost`` cycles."""
    (m, n), k = out.shape, a.shape[1]
    by_rows = _leading(out, True) is not None
    steps = [(_leading(x, by_rows), _leading(x, not by_rows)) for x in (a, b)]
    leading = _leading(out, by_rows)
    if source.blas is None or leading is None or (None, None) in steps:
        return ""
    is_large = min(k, LONG) * n * dtype.itemsize > LARGE or (source.blas.threads > 1 and m * n * k > SHARED)
    if not is_large and cost < 1000 + 0.65 * prod(a.shape) * b.shape[1] / lanes(dtype):  # about the cycles of BLAS
        return ""
    given = [AS_IT_IS if one is not None else TRANSPOSED for one, _ in steps]
    first, second = (two if one is None else one for one, two in steps)
    arguments = [
        ROW_MAJOR if by_rows else COLUMN_MAJOR, *given, m, n, k, 1,
        a.pointer, first, b.pointer, second, 0, out.pointer, leading,
    ]  # fmt: skip
    return f"table->{'s' if dtype.itemsize == 4 else 'd'}gemm({', '.join(map(str, arguments))});"
