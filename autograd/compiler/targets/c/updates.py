"""Fused updates ``w -= scale * (x @ y)`` of states, which never store the product."""

from __future__ import annotations

from collections.abc import Container

from glassgrad.autograd.compiler.ir.program import Instruction, Program, Value, roots

OP = "subtract_product"


def with_products_in_place(program: Program, left_out: Container[Value] = ()) -> Program:
    """The program with ``new = w - scale * (x @ y)`` as one instruction where ``new`` is the next value of the state
    ``w``.

    It comes after all reads of ``w``, because it overwrites it. States that are ``left_out`` are computed as before.
    """
    makers, uses, root_of = program.producers(), program.uses(), roots(program.instructions)
    kept = [*program.outputs, *program.updates.values()]
    place = {i: n for n, i in enumerate(program.instructions)}
    gone: set[Instruction] = set()
    behind: dict[int, list[Instruction]] = {}
    read_at: dict[Value, list[int]] = {}
    for instruction, n in place.items():
        for arg in instruction.args:
            read_at.setdefault(root_of.get(arg, arg), []).append(n)

    def within(value: Value) -> bool:
        return value not in kept and len(uses[value]) == 1 and uses[value][0].args.count(value) == 1

    for state, new in program.updates.items():
        last = makers.get(new)
        if state in left_out or last is None or last.op != "subtract" or last.args[0] is not state:
            continue
        scaled = makers.get(last.args[1])
        if uses[new] or kept.count(new) > 1 or scaled is None or scaled.op != "multiply" or not within(scaled.out):
            continue
        scale, found = sorted(scaled.args, key=lambda value: len(value.shape))
        made = makers.get(found)
        if made is None or made.op != "matmul" or scale.shape or found.shape != state.shape or not within(found):
            continue
        values = [state, scale, *made.args]
        if {v.dtype for v in (*values, new)} != {state.dtype} or state.dtype.kind != "f":
            continue
        if any(len(v.shape) != 2 or root_of.get(v, v) is state for v in made.args) or 0 in (
            *state.shape,
            *made.args[0].shape,
        ):
            continue
        readers = [n for n in read_at[state] if n != place[last]]
        at = max([place[made], *([place[makers[scale]]] if scale in makers else []), *readers])
        behind.setdefault(at, []).append(Instruction(OP, tuple(values), {"parts": (made, scaled, last)}, new))
        gone |= {made, scaled, last}
    instructions = [
        step for n, i in enumerate(program.instructions) for step in ([] if i in gone else [i]) + behind.get(n, [])
    ]
    return program.changed(instructions=instructions)
