"""The condition for a memory plan: nothing is overwritten that is read later."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from glassgrad.autograd.compiler.ir.primitives import ELEMENTWISE, is_view, piece_of, pieces_of
from glassgrad.autograd.compiler.ir.program import Instruction, Value
from glassgrad.autograd.compiler.ir.validator import validate
from glassgrad.autograd.compiler.targets.plan import PARTIAL, Plan


def written_by(plan: Plan, instruction: Instruction) -> Iterator[Any]:
    """The arrays that an instruction writes to."""
    out = instruction.out
    if out not in plan.arrays or (is_view(instruction) and out in plan.roots):
        return
    if instruction.op == "pack":
        for arg, piece in pieces_of(instruction):
            if plan.within.get(arg) != (out, piece["start"]):
                yield piece_of(plan.arrays[out], **piece)
    else:
        yield plan.arrays[out]


def check_plan(plan: Plan) -> None:
    """Raise where an instruction overwrites the memory of a value that is read later, or where the program is not well
    formed in the plan's order.

    Looks at the arrays alone, not at how they were chosen.
    """
    program = plan.program.changed(instructions=plan.order)
    validate(program)
    last: dict[Value, int] = {}
    for i, instruction in enumerate(plan.order):
        last.update(dict.fromkeys(instruction.args, i))
    last.update(dict.fromkeys((*program.outputs, *program.updates.values()), len(plan.order)))
    alive = {value for value in last if value.kind != "temporary"}
    for i, instruction in enumerate(plan.order):
        read = instruction.args if instruction.op in ELEMENTWISE else ()  # NumPy handles overlapping arguments
        read = instruction.args[:1] if instruction.op in PARTIAL else read
        alive = {value for value in alive if last[value] > i or (last[value] == i and value not in read)}
        for array in written_by(plan, instruction):
            for value in alive & plan.arrays.keys():
                assert not np.shares_memory(array, plan.arrays[value]), (
                    f"{program.name}: {instruction!r} writes to the memory of {value!r}, which is read later."
                )
        if last.get(instruction.out, -1) > i:
            alive.add(instruction.out)
