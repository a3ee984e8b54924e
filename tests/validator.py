"""Each program is validated in the tests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

from glassgrad.autograd.compiler import trace as tracing
from glassgrad.autograd.compiler.ir.primitives import EFFECTS
from glassgrad.autograd.compiler.ir.program import Program
from glassgrad.autograd.compiler.ir.validator import faults, validate
from glassgrad.autograd.compiler.passes import optimize
from glassgrad.autograd.errors import DeclarationError

STEPS = optimize.steps


def watch() -> None:
    """From now on, validate each program after its trace and after each pass."""

    def checked(name: str, change: optimize.Pass) -> optimize.Pass:
        def checked_change(program: Program) -> Program:
            after = change(program)
            validate_pass(name, program, after)
            return after

        return checked_change

    def steps(program: Program, passes: Sequence[Any] = optimize.PASSES) -> list[tuple[str, Program]]:
        return STEPS(program, [(name, checked(name, change)) for name, change in passes])

    def traced(*args: Any, **fields: Any) -> Program:
        program = Program(*args, **fields)
        validate(program)
        return program

    optimize.steps = steps
    tracing.Program = traced  # type: ignore[misc, assignment]


def validate_pass(name: str, before: Program, after: Program) -> None:
    """Raise `DeclarationError`, which names the pass, where ``after`` is not well formed or does not agree with
    ``before``: inputs and results are as before; every state that was updated still is, by itself or as a member of a
    packed state; checks and draws are the same, in the same order."""
    for fault in chain(faults(after), _disagreements(before, after)):
        raise DeclarationError(f"the pass {name!r} breaks {after.name}: {fault}.")


def _disagreements(before: Program, after: Program) -> Iterator[str]:
    typed = [[(value.shape, value.dtype) for value in program.outputs] for program in (before, after)]
    if before.inputs != after.inputs or typed[0] != typed[1]:
        took, takes = ((p.inputs, p.outputs) for p in (before, after))
        yield f"it took and gave {took}, and now takes and gives {takes}"
    old, new = _effects(before), _effects(after)
    if old != new:
        place = next((i for i, pair in enumerate(zip(old, new, strict=False)) if pair[0] != pair[1]), len(new))
        yield f"its {len(old)} checks and draws are now {len(new)} or in another order, from number {place + 1} on"
    kept = {*after.updates, *(m for members in after.packed.values() for m, _ in members)}
    moved = [s for s, value in before.updates.items() if s is not value and s not in after.updates]
    yield from (
        f"{m!r} is no longer updated" for s in moved for m, _ in before.packed.get(s, [(s, 0)]) if m not in kept
    )
    yield from (f"{s!r} is now updated" for s in after.updates if s not in before.updates and s not in after.packed)


def _effects(program: Program) -> list[tuple[Any, ...]]:
    """The checks and draws in a form that can be compared, without the names of values."""
    return [
        (i.op, tuple(arg.shape for arg in i.args), {**i.params, "generator": id(i.params.get("generator"))})
        for i in program.instructions
        if i.op in EFFECTS
    ]
