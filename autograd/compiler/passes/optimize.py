"""The passes: each takes a `Program` and gives one that computes the same values with less work.

`optimize` runs them in the order of `PASSES`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from glassgrad.autograd.compiler.ir.program import Program, Value, method
from glassgrad.autograd.compiler.passes.algebra import algebra
from glassgrad.autograd.compiler.passes.packing import pack
from glassgrad.autograd.compiler.passes.rewrite import Rewriter, dead_code

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
    return dead_code(writer.finish())


# ------------------------------------------------------------------------------------------------------------ all of it

Pass = Callable[[Program], Program]

COMMON: list[tuple[str, Pass]] = [("algebra", algebra), ("dead code", dead_code)]
"""The passes for every target, which leave every state where it is."""

PASSES: list[tuple[str, Pass]] = [
    ("algebra", partial(algebra, products=True)),
    ("dead code", dead_code),
    ("transposed products", transposed_products),
    ("pack", pack),
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
