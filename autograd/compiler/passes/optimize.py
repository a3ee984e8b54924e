"""The passes: each takes a `Program` and gives one that computes the same values with less work.

`optimize` runs them in the order of `PASSES`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from functools import partial

from glassgrad.autograd.compiler.ir.primitives import ELEMENTWISE
from glassgrad.autograd.compiler.ir.program import Program, Value, method
from glassgrad.autograd.compiler.passes.algebra import algebra
from glassgrad.autograd.compiler.passes.packing import pack, with_biases
from glassgrad.autograd.compiler.passes.rewrite import Rewriter, dead_code

# ---------------------------------------------------------------------------------------------- computed as transposes

FEW = 32
"""Up to so many columns, a long array is computed as its transpose."""


def _of_few_columns(program: Program, products: Set[Value]) -> set[Value]:
    """The arrays of few columns, as NumPy adds a bias along the longer axis: those of shapes whose arrays meet no
    others in a call, which takes longer with both orders.
    """
    calls = [i for i in program.instructions if i.op in (*ELEMENTWISE, "astype", "copy", "where")]
    made = products | {i.out for i in calls}
    fixed = {v.shape for v in (*program.outputs, *program.updates, *({a for i in calls for a in i.args} - made))}
    tables = {v.shape for v in made if len(v.shape) == 2 and v.shape[0] > v.shape[1] > 1} - fixed
    tables = {(rows, columns) for rows, columns in tables if columns <= FEW}
    return {v for v in made if v.shape in tables | {(rows, 1) for rows, _ in tables}}


def transposed(program: Program, tables: bool = False) -> Program:
    """Compute a product of matrices that is only read as its transpose as ``b.T @ a.T``, as nothing reads across rows.
    ``tables``: also arrays of few columns.
    """
    products = {i.out: i for i in program.instructions if i.op == "matmul" and {len(a.shape) for a in i.args} == {2}}
    turns = {i.out: i.args[0] for i in program.instructions if i.op == "permute_dims" and i.params["axes"] == (1, 0)}
    read = {*program.outputs, *program.updates.values()}
    read |= {arg for i in program.instructions if i.out not in turns for arg in i.args}
    wanted = {x for x in turns.values() if x in products and x not in read}
    wanted |= _of_few_columns(program, products.keys()) if tables else set()
    writer, names = Rewriter(program), {x: out.name for out, x in turns.items()}
    turned: dict[Value, Value] = {}

    def turn(x: Value) -> Value:
        if x in turned or x in turns:
            return turned.get(x) or writer.of(turns[x])
        op, way = ("reshape", {"shape": (*x.shape, 1)}) if len(x.shape) == 1 else ("permute_dims", {"axes": (1, 0)})
        return turned.setdefault(x, writer.emit(op, (writer.of(x),), way, f"{x.name}_T"))

    for instruction in writer:
        out, op = instruction.out, instruction.op
        if out in wanted:
            args = [turn(arg) if arg.shape else arg for arg in instruction.args[:: -1 if op == "matmul" else 1]]
            writer.taken.discard(names.get(out, ""))
            turned[out] = writer.emit(op, args, instruction.params, names.get(out, f"{out.name}_T"))
            writer.now[out] = writer.emit("permute_dims", (turned[out],), {"axes": (1, 0)}, out.name)
        elif turns.get(out) in turned:
            writer.now[out] = turned[turns[out]]
        elif op == "matmul" and instruction.args[1] in wanted and len(out.shape) == 1:
            args = [turned[instruction.args[1]], writer.of(instruction.args[0])]
            writer.now[out] = writer.emit(op, args, {}, out.name)
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
    ("transposes", partial(transposed, tables=True)),
    ("pack", pack),
    ("biases", with_biases),
]
"""The passes for NumPy's calls."""


def steps(program: Program, passes: Sequence[tuple[str, Pass]] = PASSES) -> list[tuple[str, Program]]:
    """The program after each pass, with the pass's name."""
    return [(name, program := change(program)) for name, change in passes]


@method("optimized")
def optimize(program: Program, passes: Sequence[tuple[str, Pass]] = PASSES) -> Program:
    """The program after all passes."""
    return steps(program, passes)[-1][1]
