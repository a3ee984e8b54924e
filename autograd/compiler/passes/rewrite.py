"""`Rewriter`, by which passes write new programs, and two passes that tidy up: dead code, common subexpressions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy

from glassgrad.autograd.compiler.ir.names import unique
from glassgrad.autograd.compiler.ir.primitives import EFFECTS, ELEMENTWISE, infer
from glassgrad.autograd.compiler.ir.program import Instruction, Origin, Program, Value


class Rewriter:
    """Writes a new program from an old one: maps old values to new ones and gives fresh names."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.instructions: list[Instruction] = []
        self.producers: dict[Value, Instruction] = {}
        self.now: dict[Value, Value] = {}
        values = [*program.values()]
        self.taken = {*ELEMENTWISE, *(value.name for value in values)}
        self.stops = {i.args[0]: i.params["stop"] for i in program.instructions if i.op == "check_range"}
        self.constants = {(v.dtype, str(v.data)): v for v in values if v.kind == "constant" and not v.shape}
        self.origin: Origin | None = None
        """The user's line that new instructions are for."""

    def __iter__(self) -> Iterator[Instruction]:
        """Iterate over the old instructions; instructions emitted meanwhile belong to the same user's line. What
        replaces a result may have its name."""
        for instruction in self.program.instructions:
            self.origin = instruction.origin
            if instruction.out not in self.producers:
                self.taken.discard(instruction.out.name)
            yield instruction

    def of(self, value: Value) -> Value:
        """The new value for ``value``."""
        return self.now.get(value, value)

    def array(self, data: Any, base: str = "c") -> Value:
        """A new constant."""
        return Value("constant", data.shape, data.dtype, self.name(base), data)

    def is_within(self, indices: Value, stop: int) -> bool:
        """Whether the program checks that all ``indices`` are in ``range(stop)``."""
        producer = self.producers.get(indices)
        if producer is not None and producer.op == "reshape":
            indices = producer.args[0]
        return indices in self.stops and self.stops[indices] <= stop

    def name(self, base: str) -> str:
        """A free name: ``base``, with a number if it is taken."""
        name = unique(base, self.taken)
        self.taken.add(name)
        return name

    def scalar(self, number: float, dtype: Any) -> Value:
        """A constant of shape () for ``number``."""
        data = numpy.asarray(number, dtype)[()]
        key = data.dtype, str(data)
        if key not in self.constants:
            self.constants[key] = Value("constant", (), data.dtype, self.name("c"), data)
        return self.constants[key]

    def emit(self, op: str, args: Sequence[Value], params: dict[str, Any] | None = None, like: str = "") -> Value:
        """Emit a new instruction and return its value."""
        params = params or {}
        shape, dtype = infer(op, params, args)
        out = Value("temporary", tuple(shape), dtype, self.name(like or "t"))
        self.put(Instruction(op, tuple(args), params, out, self.origin))
        return out

    def put(self, instruction: Instruction) -> None:
        """Append an instruction unchanged."""
        self.instructions.append(instruction)
        self.producers[instruction.out] = instruction
        self.taken.add(instruction.out.name)

    def keep(self, instruction: Instruction) -> None:
        """Append an old instruction with its arguments replaced by their new values."""
        op, params, out = instruction.op, instruction.params, instruction.out
        if not self.now.keys().isdisjoint(instruction.args):
            instruction = Instruction(op, tuple(map(self.of, instruction.args)), params, out, instruction.origin)
        self.put(instruction)

    def finish(self) -> Program:
        """The new program."""
        old = self.program
        updates = {state: self.of(value) for state, value in old.updates.items()}
        return old.changed(instructions=self.instructions, outputs=[self.of(v) for v in old.outputs], updates=updates)


# ----------------------------------------------------------------------------------------------------------- dead code


def without_unread(program: Program) -> Program:
    """Remove the instructions whose results are not used."""
    wanted = {*program.outputs, *program.updates.values()}
    kept = []
    for instruction in reversed(program.instructions):
        if instruction.out in wanted or instruction.op in EFFECTS:
            kept.append(instruction)
            wanted.update(instruction.args)
    return program.changed(instructions=kept[::-1])


def dead_code(program: Program) -> Program:
    """Remove the instructions whose results are not used, and updates that leave a state as it is."""
    updates = {state: value for state, value in program.updates.items() if state is not value}
    return without_unread(program.changed(updates=updates))


# ----------------------------------------------------------------------------------------------- common subexpressions


def _frozen(part: Any) -> Any:
    """Parameters as a hashable key."""
    if isinstance(part, dict):
        return tuple((key, _frozen(value)) for key, value in part.items())
    if isinstance(part, tuple | list):
        return (type(part), *map(_frozen, part))
    if isinstance(part, slice):
        return slice, _frozen(part.start), _frozen(part.stop), _frozen(part.step)
    if isinstance(part, float):
        return float, str(part)
    try:
        hash(part)
    except TypeError:
        return id(part)
    return type(part), part


COMMUTE = frozenset(("add", "multiply", "equal", "not_equal", "logical_and", "logical_or"))
"""Commutative operations. ``maximum`` is not: with 0 and -0 the result depends on the order."""


def common_subexpressions(program: Program) -> Program:
    """Compute equal expressions once."""
    writer = Rewriter(program)
    seen: dict[Any, Value] = {}
    for instruction in writer:
        if instruction.op in EFFECTS:
            writer.keep(instruction)
            continue
        args = [id(writer.of(arg)) for arg in instruction.args]
        key = instruction.op, *(sorted(args) if instruction.op in COMMUTE else args), _frozen(instruction.params)
        if key in seen:
            writer.now[instruction.out] = seen[key]
        else:
            seen[key] = instruction.out
            writer.keep(instruction)
    return writer.finish()
