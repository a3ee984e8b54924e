"""Chains of elementwise instructions, each of which a target writes as one nest of loops.

A matrix product, a view or a sort is a step of its own. The elementwise instructions between two of them (bias and
activation, the slope of an activation, the whole update of an optimizer) are one `Kernel`, and values that only a sum
reads are computed within the sum.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from glassgrad.autograd.compiler.ir.inference import resolved
from glassgrad.autograd.compiler.ir.primitives import ELEMENTWISE, REDUCTIONS
from glassgrad.autograd.compiler.ir.program import Instruction, Program, Value, in_order, roots

FUSED = ELEMENTWISE | {"where", "astype", "copy", "broadcast_to"}

MOST = 64
"""The largest number of instructions in a kernel: browsers do not optimize functions whose text is long."""


@dataclass(eq=False)
class Kernel:
    """Several elementwise instructions as one nest of loops from ``inputs`` to ``outputs``.

    With ``reduction``, an instruction, the result of ``instructions`` is reduced.
    """

    inputs: list[Value]
    outputs: list[Value]
    instructions: list[Instruction]
    reduction: Instruction | None = None


def computed_in(instruction: Instruction) -> tuple[Any, ...]:
    """The dtypes in which an instruction takes its arguments."""
    op, args = instruction.op, instruction.args
    if op in ("astype", "copy", "broadcast_to"):
        return tuple(a.dtype for a in args)
    if op == "where":
        return args[0].dtype, instruction.out.dtype, instruction.out.dtype
    return resolved(op, tuple(a.dtype for a in args))[:-1]


def fusable(instruction: Instruction) -> bool:
    """Whether an instruction is part of a kernel."""
    return instruction.op in FUSED and 0 not in instruction.out.shape


def alone(instruction: Instruction) -> Kernel:
    """The kernel of one instruction."""
    return Kernel(inputs_of([instruction]), [instruction.out], [instruction])


def fuse(program: Program) -> list[Kernel | Instruction]:
    """The program as kernels and single instructions, in an order in which they can run.

    Elementwise instructions of one shape are fused if no other instruction lies between: the level of a value is the
    number of other instructions on the longest path to it, and a kernel takes up to `MOST` of one level and shape. A
    value that can be recomputed from values in memory is computed where it is needed.
    """
    kept = {*program.outputs, *program.updates.values()}
    uses = program.uses()
    inside = _within_reductions(program, uses, kept)
    levels = _levels(program, uses, kept, inside)
    groups: dict[Any, list[Instruction]] = {}
    place: dict[Instruction, Any] = {}
    counts: Counter[Any] = Counter()
    for instruction in program.instructions:
        if instruction in inside:
            continue
        key: Any = instruction
        if fusable(instruction):
            kind = levels[instruction], instruction.out.shape
            key = *kind, counts[kind] // MOST
            counts[kind] += 1
        place[instruction] = key
        groups.setdefault(key, []).append(instruction)
    place |= inside
    before: dict[Instruction, list[Instruction]] = {}
    for instruction in filter(inside.__contains__, program.instructions):
        before.setdefault(inside[instruction], []).append(instruction)
    steps: list[Kernel | Instruction] = []
    for key in _sorted(groups, place, program):
        if isinstance(key, Instruction):
            reduced = before.get(key)
            steps.append(key if reduced is None else Kernel(inputs_of(reduced), [key.out], reduced, key))
        else:
            members = dict.fromkeys(groups[key])
            made = [i.out for i in members]
            read = {v for v in made if v in kept or any(u not in members for u in uses[v])}
            steps.append(Kernel(inputs_of(groups[key]), [v for v in made if v in read], groups[key]))
    return steps


def _levels(
    program: Program, uses: dict[Value, list[Instruction]], kept: set[Value], inside: dict[Instruction, Instruction]
) -> dict[Instruction, int]:
    """The number of other instructions before each one, as large as possible for those that can be recomputed."""
    level_of: dict[Value, int] = {}
    levels: dict[Instruction, int] = {}
    late: dict[Instruction, bool] = {}
    makers = program.producers()
    others = {i for i in program.instructions if not fusable(i) or i in inside}
    in_memory = {
        value
        for value in program.values()
        if value not in makers or value in kept or makers[value] in others or any(u in others for u in uses[value])
    }
    for instruction in program.instructions:
        level = levels[instruction] = max((level_of.get(arg, 0) for arg in instruction.args), default=0)
        level_of[instruction.out] = level + (instruction in others and instruction not in inside)
        known = all(arg in in_memory or late[makers[arg]] for arg in instruction.args)
        late[instruction] = known and instruction not in others
    for instruction in reversed(program.instructions):
        if late[instruction] and instruction.out not in in_memory and uses[instruction.out]:
            levels[instruction] = max(levels[instruction], min(levels[u] for u in uses[instruction.out]))
    return levels


def inputs_of(members: Sequence[Instruction]) -> list[Value]:
    """The values that instructions read and do not compute, except single constants, written as numbers."""
    made = {i.out for i in members}
    return list(dict.fromkeys(
        arg for i in members for arg in i.args if arg not in made and not (arg.kind == "constant" and not arg.shape)
    ))  # fmt: skip


def _within_reductions(
    program: Program, uses: dict[Value, list[Instruction]], kept: set[Value]
) -> dict[Instruction, Instruction]:
    """For each instruction read only by a reduction, that reduction."""
    makers = program.producers()
    inside: dict[Instruction, Instruction] = {}
    for reduction in program.instructions:
        if reduction.op not in REDUCTIONS or 0 in reduction.args[0].shape:
            continue
        value, count = reduction.args[0], 0
        pending = [value]
        while pending and count < MOST:
            maker = makers.get(pending.pop())
            if maker is None or maker in inside or maker.out.shape != value.shape or not fusable(maker):
                continue
            alone = all(u is reduction or inside.get(u) is reduction for u in uses[maker.out])
            if alone and maker.out not in kept:
                inside[maker] = reduction
                count += 1
                pending += maker.args
    return inside


def _sorted(groups: dict[Any, list[Instruction]], place: dict[Instruction, Any], program: Program) -> list[Any]:
    """The groups in topological order, otherwise in the program's order; random numbers are drawn in that order."""
    makers = {i.out: place[i] for i in program.instructions}
    needs: dict[Any, dict[Any, None]] = {key: {} for key in groups}
    for instruction in program.instructions:
        key = place[instruction]
        needs[key] |= {makers[v]: None for v in instruction.args if v in makers and makers[v] != key}
    for draw, later in pairwise([i for i in program.instructions if i.op == "draw"]):
        needs[later][draw] = None
    return in_order(groups, needs.__getitem__)


def updated_in_place(program: Program, steps: Sequence[Kernel | Instruction]) -> dict[Value, Value]:
    """The new values of states that kernels may write over the old ones, each with its state.

    The old value is not read later, has no views that the kernel reads, and is neither a result nor the new value of
    a state.
    """
    root_of = roots(program.instructions)
    made_at: dict[Value, int] = {}
    read_at: dict[Value, int] = {root_of.get(v, v): len(steps) for v in (*program.outputs, *program.updates.values())}
    for i, step in reversed([*enumerate(steps)]):
        if isinstance(step, Kernel) and step.reduction is None:
            made_at.update(dict.fromkeys(step.outputs, i))
        for value in step.inputs if isinstance(step, Kernel) else step.args:
            read_at.setdefault(root_of.get(value, value), i)
    found: dict[Value, Value] = {}
    for state, value in program.updates.items():
        at = made_at.get(value)
        if at is None or value in found or value in program.outputs or value.shape != state.shape:
            continue
        step = steps[at]
        assert isinstance(step, Kernel)
        seen = any(v is not state and root_of.get(v) is state for v in step.inputs)
        if read_at.get(state, -1) <= at and not seen:
            found[value] = state
    return found
