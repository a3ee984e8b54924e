"""Bodies of loops made of programs, for loops that `Program.from_json` reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from glassgrad.autograd.compiler.ir.primitives import Slot, compute
from glassgrad.autograd.compiler.ir.program import Instruction, Program, Value
from glassgrad.autograd.engine.declare.operation import OPS, Op
from glassgrad.autograd.engine.modes import TRACER
from glassgrad.autograd.errors import GradientError
from glassgrad.autograd.ops.loops.body import RAISING, Body, Step
from glassgrad.autograd.ops.loops.scan import Loop


def body_of(program: Program, carries: int, xs: int) -> Body:
    """The `Body` that computes ``program`` at each step. Its inputs are ``carries`` carries, ``xs`` xs, and the consts.

    It has no derivative: a program that was read is run as it is.
    """
    numbers = {value: i for i, value in enumerate(program.values())}
    body = Body(
        program.name, [value.name for value in program.inputs], (carries, xs, len(program.inputs) - carries - xs),
        {number: (value.shape, value.dtype) for value, number in numbers.items()},
        {number: value.data for value, number in numbers.items() if value.kind == "constant"},
        [Step(_operation(i), tuple(numbers[arg] for arg in i.args), {}, numbers[i.out]) for i in program.instructions],
        [numbers[value] for value in program.outputs], _no_derivative,
    )  # fmt: skip
    body.program = program
    return body


def fits(loop: Loop, args: Sequence[Value], params: dict[str, Any]) -> bool:
    """Whether the arguments and parameters of an instruction fit the body of ``loop``."""
    body, count = loop.body, len(args)
    rows = range(body.carries, body.carries + body.xs)
    types = [body.types[i] for i in body.inputs]
    types = [((loop.length, *shape) if i in rows else shape, dtype) for i, (shape, dtype) in enumerate(types)]
    inputs = tuple(map(Slot, range(count)))
    whole = params == {"name": "scan_packed", "inputs": inputs, "options": {"loop": loop}, "count": count}
    return whole and [(arg.shape, arg.dtype) for arg in args] == types and loop.dtype in body.dtypes


def _operation(instruction: Instruction) -> Op:
    """An instruction as an operation; a trace records it as the same instruction."""
    op, params = instruction.op, instruction.params

    def forward(xp: Any, *arrays: Any) -> Any:
        if xp.absorbs:
            tracer = TRACER.get()
            return tracer.emit(op, [tracer.lift(array) for array in arrays], params)
        return compute(op, params, arrays, xp)

    made = Op(forward, op, "", "", 9, False)
    whole = OPS.get(params["name"]) if op == "op" else None
    made.name = op.replace(".", "_")
    made.foreign = op.startswith("linalg.") or (whole is not None and (whole.foreign or whole.__module__ in RAISING))
    return made


def _no_derivative(*_: Any) -> Any:
    raise GradientError("a loop of a program that was read from a text has no derivative: trace the function itself.")
