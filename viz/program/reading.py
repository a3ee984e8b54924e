"""A program as it is read: the part of each line (forward, backward, update), and the lines that stand on one card."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby

from glassgrad.autograd.compiler.ir.program import GRADIENT, Instruction, Program, Value

FORWARD, BACKWARD, UPDATE = "forward", "backward", "update"

LINES = 8  # of a card


@dataclass(eq=False)
class Block:
    """The lines of one card."""

    part: str
    lines: list[Value]


@dataclass(eq=False)
class Home:
    """States that one card reads first or that are updated together, the lines of their updates, and that card."""

    states: list[Value]
    lines: list[Value]
    reader: Block | None


class Reading:
    """The lines of a program, the part that each belongs to, and the card that it stands on."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.producers = program.producers()
        self.written = dict(program.lines())
        self.reads = {value: self._read(self.producers[value]) for value in self.written}
        self.readers: dict[Value, list[Value]] = {}
        for value, read in self.reads.items():
            for arg in read:
                self.readers.setdefault(arg, []).append(value)
        self.part = self._parts()
        self.knobs = [value for value in program.values() if value.kind == "knob"]
        self.blocks = self._blocks()
        self.homes = self._homes()

    def _read(self, instruction: Instruction) -> list[Value]:
        """The values that a line reads, including those of expressions written inside it."""
        found: dict[Value, None] = {}
        for arg in instruction.args:
            inner = self.producers.get(arg)
            found.update(dict.fromkeys([arg] if inner is None or arg in self.written else self._read(inner)))
        return list(found)

    def _before(self, values: Iterable[Value]) -> set[Value]:
        """These values and everything they are computed from."""
        found: set[Value] = set()
        pending = list(values)
        while pending:
            value = pending.pop()
            if value not in found:
                found.add(value)
                pending += self.producers[value].args if value in self.producers else ()
        return found

    def _parts(self) -> dict[Value, str]:
        """The part of each instruction's value: forward, backward or update.

        A gradient is known by its name or by the line that it was recorded for, and what is computed from one is
        backward too, unless only a state's new value needs it.
        """
        needed, new = self._before(self.program.outputs), self._before(self.program.updates.values())
        part: dict[Value, str] = {}
        for value, made in self.producers.items():
            if value.name.startswith(GRADIENT) or (made.origin and made.origin.order):
                part[value] = BACKWARD
            elif value in new and value not in needed:
                part[value] = UPDATE
            else:
                part[value] = BACKWARD if any(part.get(arg) == BACKWARD for arg in made.args) else FORWARD
        return part

    def is_trained(self, state: Value) -> bool:
        """Whether a state is a parameter, or a buffer of packed parameters."""
        members = [member for member, _ in self.program.packed.get(state, ())]
        return any(map(self.is_trained, members)) or bool(getattr(state.origin, "requires_grad", False))

    def _blocks(self) -> list[Block]:
        """The cards of values and gradients: runs of lines of one part, from one line of the user's code in one module.

        They follow one another as their lines do, so no two of them wait for each other.
        """
        blocks: list[Block] = []
        for (part, _), run in groupby(self.written, lambda value: (self.part[value], self.producers[value].origin)):
            lines = list(run)
            if part != UPDATE:
                blocks += [Block(part, lines[i : i + LINES]) for i in range(0, len(lines), LINES)]
        return blocks

    def _homes(self) -> list[Home]:
        """The states, with the lines that compute their new values: a run for each parameter."""
        reader = {arg: b for b in reversed(self.blocks) if b.part == FORWARD for v in b.lines for arg in self.reads[v]}
        new = {value: state for state, value in self.program.updates.items()}
        runs: list[list[Value]] = []
        for value in (value for value in self.written if self.part[value] == UPDATE):
            last = runs[-1][-1] if runs else value
            is_done = last in new and self.is_trained(new[last])
            if not runs or is_done or self.producers[last].origin != self.producers[value].origin:
                runs.append([])
            runs[-1].append(value)
        keys: dict[Value, Block | Value] = {}
        homes: dict[Block | Value, Home] = {}

        def home(key: Block | Value) -> Home:
            return homes.setdefault(key, Home([], [], key if isinstance(key, Block) else None))

        for run in runs:
            states = [new[value] for value in run if value in new]
            key = next((reader[state] for state in states if state in reader), run[0])
            keys |= dict.fromkeys(states, key)
            home(key).lines += run
        for state in self.program.states:
            home(keys.get(state, reader.get(state, state))).states.append(state)
        return list(homes.values())
