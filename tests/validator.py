"""Each program is validated in the tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from glassgrad.autograd.compiler import trace as tracing
from glassgrad.autograd.compiler.ir.program import Program
from glassgrad.autograd.compiler.ir.validator import validate, validate_pass
from glassgrad.autograd.compiler.passes import optimize

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
