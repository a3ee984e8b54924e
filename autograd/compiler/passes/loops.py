"""Merge loops whose results another loop computes, too."""

from __future__ import annotations

from glassgrad.autograd.compiler.ir.program import Instruction, Program
from glassgrad.autograd.compiler.passes.rewrite import Rewriter
from glassgrad.autograd.ops.loops.scan import Loop


def _loop_of(instruction: Instruction) -> Loop | None:
    loop = instruction.params["options"].get("loop") if instruction.op == "op" else None
    return loop if isinstance(loop, Loop) else None


def joined_loops(program: Program) -> Program:
    """Merge two runs of the same loop, one for its results and one that also saves values for the gradient: the
    second computes the results of the first, too.
    """
    loops = [(i, loop) for i in program.instructions if (loop := _loop_of(i)) is not None]
    longer: dict[Instruction, Instruction] = {}
    for first, loop in loops:
        for second, other in loops:
            same = first.args == second.args and (loop.length, loop.reverse) == (other.length, other.reverse)
            if same and other.body.core is loop.body and loop.dtype == other.dtype:
                longer.setdefault(first, second)
    if not longer:
        return program
    writer = Rewriter(program)
    for instruction in writer:
        if instruction in longer:
            second = longer[instruction]
            while second in longer:
                second = longer[second]
            if second.out not in writer.producers:
                writer.put(Instruction(second.op, instruction.args, second.params, second.out, second.origin))
            part = {"index": slice(0, instruction.out.shape[0])}
            writer.now[instruction.out] = writer.emit("getitem", (second.out,), part, instruction.out.name)
        elif instruction.out not in writer.producers:
            writer.keep(instruction)
    return writer.finish()
