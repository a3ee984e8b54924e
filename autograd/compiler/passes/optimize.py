"""The passes: each takes a `Program` and gives one that computes the same values with less work.

`optimize` runs them in the order of `PASSES` and tells what each did.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy

from autograd import shapes
from autograd.compiler.ir.primitives import EFFECTS, VIEWS
from autograd.compiler.ir.program import Instruction, Program, Value
from autograd.compiler.passes.algebra import algebra
from autograd.compiler.passes.layout import arrange
from autograd.compiler.passes.packing import pack, same_counters
from autograd.compiler.passes.rewrite import Rewriter, common_subexpressions, dead_code, named_plainly

# --------------------------------------------------------------------------------------------------------------- scales

_LINEAR_IN_ALL = frozenset(("add", "subtract"))
_LINEAR_IN_ONE = frozenset(("negative", "sum", *VIEWS))
_LINEAR_IN_EACH = frozenset(("multiply", "matmul"))


def _absorbs(instruction: Instruction, value: Value, scale: Value) -> bool:
    return instruction.op == "multiply" and set(instruction.args) == {value, scale} and value is not scale


def _carries(use: Instruction, value: Value) -> bool:
    """Whether the result is scaled as ``value`` is, if what else it is made of allows it."""
    return (
        use.op in _LINEAR_IN_ONE
        or (use.op in _LINEAR_IN_EACH and use.args.count(value) == 1)
        or (use.op == "divide" and use.args[0] is value and use.args[1] is not value)
        or use.op in _LINEAR_IN_ALL
    )


def _fixed(program: Program, scale: Value, uses: dict[Value, list[Instruction]], last: set[Value]) -> set[Value]:
    """What can't be multiplied by ``scale`` because it would reach what must not change."""
    found = set(last)
    for instruction in reversed(program.instructions):
        out = instruction.out
        if any(not _absorbs(u, out, scale) and (u.out in found or not _carries(u, out)) for u in uses[out]):
            found.add(out)
    return found


def _scaled_by(start: Value, scale: Value, uses: dict[Value, list[Instruction]]) -> set[Value] | None:
    """The products by ``scale`` that are needless if ``start``, which is not `_fixed`, is multiplied by it; ``None``
    where something would be scaled twice, or one half of a sum."""
    scaled: set[Value] = set()
    done: set[Value] = set()
    pending: list[Value] = [start]
    later: list[tuple[Instruction, Value]] = []
    while pending:
        value = pending.pop()
        if value in scaled:
            continue
        scaled.add(value)
        for use in uses[value]:
            if _absorbs(use, value, scale):
                done.add(use.out)
            else:
                pending.append(use.out)
                later.append((use, value))
    for use, value in later:
        others = [arg for arg in use.args if arg is not value]
        if use.op in _LINEAR_IN_ALL:
            if not all(arg in scaled for arg in use.args):
                return None
        elif any(arg in scaled for arg in others):
            return None
    return done


def scale_folding(program: Program) -> Program:
    """Multiply the gradient by the learning rate where it begins and is small, not where it ends in every weight."""
    while True:
        uses = program.uses()
        last = {*program.outputs, *program.updates.values()}
        products: dict[Value, int] = {}
        for instruction in program.instructions:
            if instruction.op == "multiply":
                for i in (0, 1):
                    scale, x = instruction.args[i], instruction.args[1 - i]
                    if not scale.shape and x.shape and scale.dtype == x.dtype and x.dtype.kind == "f":
                        products[scale] = products.get(scale, 0) + 1
        better = _best_fold(program, uses, last, products)
        if better is None:
            return program
        program = better


def _best_fold(program: Program, uses: Any, last: Any, products: dict[Value, int]) -> Program | None:
    made_at = {instruction.out: i for i, instruction in enumerate(program.instructions)}
    for scale, count in products.items():
        if count < 2:
            continue
        after = made_at.get(scale, -1)
        fixed = _fixed(program, scale, uses, last)
        for instruction in program.instructions:
            start = instruction.out
            if not start.shape or start.dtype != scale.dtype or instruction.op in VIEWS or start in fixed:
                continue
            done = _scaled_by(start, scale, uses)
            if done is None or len(done) < 2:
                continue
            if after > made_at[start] and not _can_move(program, scale, made_at[start]):
                continue
            return _folded(program, start, scale, done)
    return None


def _can_move(program: Program, scale: Value, place: int) -> bool:
    """Whether a scale made later can be made before ``place``: it must come from knobs and constants alone."""
    producers = program.producers()
    pending = [scale]
    while pending:
        value = pending.pop()
        if value in producers:
            if producers[value].op in EFFECTS:
                return False
            pending += producers[value].args
        elif value.kind not in ("knob", "constant"):
            return False
    return True


def _folded(program: Program, start: Value, scale: Value, done: set[Value]) -> Program:
    writer = Rewriter(program)
    producers = program.producers()

    def moved(value: Value) -> None:
        if value in producers and value not in writer.producers:
            for arg in producers[value].args:
                moved(arg)
            writer.keep(producers[value])

    for instruction in writer:
        if instruction.out in writer.producers:
            continue
        if instruction.out in done:
            x, y = instruction.args
            writer.now[instruction.out] = writer.of(x if y is scale else y)
            continue
        writer.keep(instruction)
        if instruction.out is start:
            moved(scale)
            writer.now[start] = writer.emit("multiply", (start, scale), {}, "scaled")
    return writer.finish()


# ----------------------------------------------------------------------------------------------------- sums as products


ADDENDS = 1 << 15
"""As many are summed as a product: BLAS adds in long rows, and of more of them float32 loses digits."""


def sums_as_products(program: Program) -> Program:
    """Sum columns, short rows and whole arrays as products with ones: BLAS takes a fraction of the time."""
    writer = Rewriter(program)
    ones: dict[Any, Value] = {}

    def ones_of(count: int, dtype: Any) -> Value:
        if (count, dtype) not in ones:
            ones[count, dtype] = Value("constant", (count,), dtype, writer.name("ones"), numpy.ones(count, dtype))
        return ones[count, dtype]

    for instruction in writer:
        if instruction.op != "sum" or instruction.out.dtype.char not in "fd":
            writer.keep(instruction)
            continue
        x, out = writer.of(instruction.args[0]), instruction.out
        axes = shapes.normalize_axes(instruction.params["axis"], len(x.shape))
        many = shapes.size(x.shape, axes) > ADDENDS
        if instruction.params["keepdims"] or x.dtype != out.dtype or 0 in x.shape or not axes or many:
            writer.keep(instruction)
        elif len(axes) == len(x.shape):
            flat = x if len(x.shape) == 1 else writer.emit("reshape", (x,), {"shape": (shapes.size(x.shape),)}, x.name)
            writer.now[out] = writer.emit("matmul", (flat, ones_of(flat.shape[0], x.dtype)), {}, out.name)
        elif len(x.shape) == 2 and axes == (0,):
            writer.now[out] = writer.emit("matmul", (ones_of(x.shape[0], x.dtype), x), {}, out.name)
        elif len(x.shape) == 2 and axes == (1,):
            writer.now[out] = writer.emit("matmul", (x, ones_of(x.shape[1], x.dtype)), {}, out.name)
        else:
            writer.keep(instruction)
    return writer.finish()


# ------------------------------------------------------------------------------------------------------------ all of it

Pass = Callable[[Program], Program]

PASSES: list[tuple[str, Pass]] = [
    ("dead code", dead_code),
    ("algebra", algebra),
    ("common subexpressions", common_subexpressions),
    ("algebra again", algebra),
    ("scale folding", scale_folding),
    ("algebra after folding", algebra),
    ("sums as products", sums_as_products),
    ("algebra of sums", algebra),
    ("common subexpressions again", common_subexpressions),
    ("same counters", same_counters),
    ("common subexpressions of counters", common_subexpressions),
    ("orders in memory, biases as weights", arrange),
    ("pack", pack),
    ("common subexpressions at last", common_subexpressions),
    ("dead code at last", dead_code),
]


def steps(program: Program) -> list[tuple[str, Program]]:
    """The program after each pass, with the pass's name."""
    found = []
    for name, change in PASSES:
        program = change(program)
        found.append((name, program))
    named_plainly(program)
    return found


def optimize(program: Program) -> Program:
    """The program after all passes."""
    return steps(program)[-1][1]


def explain(program: Program) -> str:
    """A line for each pass: how many instructions are left, which calls it took out and which it wrote."""
    lines = [f"{program.name}: {len(program.instructions)} instructions as traced"]
    width = max(len(name) for name, _ in PASSES)
    before = program
    for name, after in steps(program):
        old, new = _counts(before), _counts(after)
        gone = [f"{old[op] - new.get(op, 0)} {op}" for op in old if old[op] > new.get(op, 0)]
        come = [f"{new[op] - old.get(op, 0)} {op}" for op in new if new[op] > old.get(op, 0)]
        done = "; ".join(
            part
            for part in (f"less {', '.join(gone)}" if gone else "", f"more {', '.join(come)}" if come else "")
            if part
        )
        lines.append(f"  {name:{width}} {len(after.instructions):5}  {done or 'nothing to do'}")
        before = after
    return "\n".join(lines)


def _counts(program: Program) -> dict[str, int]:
    found: dict[str, int] = {}
    for instruction in program.instructions:
        found[instruction.op] = found.get(instruction.op, 0) + 1
    return found
