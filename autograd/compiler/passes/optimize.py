"""The passes: each takes a `Program` and gives one that computes the same values with less work.

`optimize` runs them in the order of `PASSES`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy

from glassgrad.autograd.common import shapes
from glassgrad.autograd.compiler.ir.program import Program, Value, method
from glassgrad.autograd.compiler.passes.algebra import algebra
from glassgrad.autograd.compiler.passes.packing import pack
from glassgrad.autograd.compiler.passes.rewrite import (
    Rewriter,
    common_subexpressions,
    dead_code,
    without_unread,
)

# ----------------------------------------------------------------------------------------------------- sums as products


ADDENDS = 1 << 15
"""The largest number of terms summed as a product: BLAS adds sequentially, and float32 would lose digits."""


def sums_as_products(program: Program) -> Program:
    """Sum leading axes, rows and whole arrays as products with ones, which BLAS computes faster."""
    writer = Rewriter(program)
    ones: dict[Any, Value] = {}

    def ones_of(count: int, dtype: Any) -> Value:
        if (count, dtype) not in ones:
            ones[count, dtype] = Value("constant", (count,), dtype, writer.name("ones"), numpy.ones(count, dtype))
        return ones[count, dtype]

    def in_shape(x: Value, shape: shapes.Shape, name: str) -> Value:
        return x if x.shape == shape else writer.emit("reshape", (x,), {"shape": shape}, name)

    for instruction in writer:
        if instruction.op != "sum" or instruction.out.dtype.char not in "fd":
            writer.keep(instruction)
            continue
        x, out = writer.of(instruction.args[0]), instruction.out
        axes = shapes.normalize_axes(instruction.params["axis"], len(x.shape))
        count, rest = shapes.size(x.shape, axes), x.shape[len(axes) :]
        fits = 1 < count <= ADDENDS  # a product of one number may be -0, and a sum is not
        if instruction.params["keepdims"] or x.dtype != out.dtype or 0 in x.shape or not fits:
            writer.keep(instruction)
        elif not rest:
            flat = in_shape(x, (count,), x.name)
            writer.now[out] = writer.emit("matmul", (flat, ones_of(count, x.dtype)), {}, out.name)
        elif axes == tuple(range(len(axes))):
            rows = in_shape(x, (count, shapes.size(rest)), f"{x.name}_rows")
            total = writer.emit("matmul", (ones_of(count, x.dtype), rows), {}, out.name)
            writer.now[out] = in_shape(total, rest, out.name)
        elif len(x.shape) == 2:
            writer.now[out] = writer.emit("matmul", (x, ones_of(count, x.dtype)), {}, out.name)
        else:
            writer.keep(instruction)
    return writer.finish()


# ------------------------------------------------------------------------------------------------- transposed products


def transposed_products(program: Program) -> Program:
    """Compute a product of matrices that is only read as its transpose as ``b.T @ a.T``: nothing reads across rows."""
    products = {i.out: i for i in program.instructions if i.op == "matmul" and {len(a.shape) for a in i.args} == {2}}
    turns = {i.out: i.args[0] for i in program.instructions if i.op == "permute_dims" and i.params["axes"] == (1, 0)}
    read = {*program.outputs, *program.updates.values()}
    read |= {arg for i in program.instructions if i.out not in turns for arg in i.args}
    wanted = {out: x for out, x in turns.items() if x in products and x not in read}
    if not wanted:
        return program
    writer = Rewriter(program)

    def transposed(x: Value) -> Value:
        if x in turns and x not in wanted:
            return writer.of(turns[x])
        return writer.emit("permute_dims", (writer.of(x),), {"axes": (1, 0)}, f"{x.name}_T")

    for instruction in writer:
        out = instruction.out
        if out in wanted:
            args = [transposed(arg) for arg in products[wanted[out]].args[::-1]]
            writer.now[out] = writer.emit("matmul", args, {}, out.name)
        else:
            writer.keep(instruction)
    return without_unread(writer.finish())


# ------------------------------------------------------------------------------------------------------------ all of it

Pass = Callable[[Program], Program]

COMMON: list[tuple[str, Pass]] = [
    ("algebra", algebra),
    ("common subexpressions", common_subexpressions),
    ("dead code", dead_code),
]
"""The passes for every target, which leave every state where it is."""

PASSES: list[tuple[str, Pass]] = [
    *COMMON,
    ("sums as products", sums_as_products),
    ("transposed products", transposed_products),
    ("pack", pack),
    ("dead code again", dead_code),
]
"""The passes for NumPy's calls."""


def steps(program: Program, passes: Sequence[tuple[str, Pass]] = PASSES) -> list[tuple[str, Program]]:
    """The program after each pass, with the pass's name."""
    found = []
    for name, change in passes:
        program = change(program)
        found.append((name, program))
    return found


@method("optimized")
def optimize(program: Program, passes: Sequence[tuple[str, Pass]] = PASSES) -> Program:
    """The program after all passes."""
    return steps(program, passes)[-1][1]
