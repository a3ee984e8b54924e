"""`Rewriter`, by which passes write new programs, and the pass that removes dead code."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

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
        self.taken = {*ELEMENTWISE, *[value.name for value in program.values()]}
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

    def name(self, base: str) -> str:
        """A free name: ``base``, with a number if it is taken."""
        name = unique(base, self.taken)
        self.taken.add(name)
        return name

    def constant(self, data: Any, base: str = "c") -> Value:
        """A new constant."""
        return Value("constant", data.shape, data.dtype, self.name(base), data)

    def known(self, op: str, args: Sequence[Value], params: dict[str, Any], out: Value) -> Value:
        """The value that an instruction before computed in the same way, or ``out``."""
        return out

    def emit(self, op: str, args: Sequence[Value], params: dict[str, Any] | None = None, like: str = "") -> Value:
        """Emit a new instruction and return its value, or that of an equal one before."""
        params = params or {}
        shape, dtype = infer(op, params, args)
        out = Value("temporary", tuple(shape), dtype, "")
        found = self.known(op, args, params, out)
        if found is out:
            out.name = self.name(like or "t")
            self.put(Instruction(op, tuple(args), params, out, self.origin))
        return found

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


def dead_code(program: Program) -> Program:
    """Remove the instructions whose results are not used, and updates that leave a state as it is."""
    updates = {state: value for state, value in program.updates.items() if state is not value}
    wanted = {*program.outputs, *updates.values()}
    kept = []
    for instruction in reversed(program.instructions):
        if instruction.out in wanted or instruction.op in EFFECTS:
            kept.append(instruction)
            wanted.update(instruction.args)
    return program.changed(instructions=kept[::-1], updates=updates)
