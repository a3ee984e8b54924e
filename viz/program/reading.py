"""A program as it is read: the part of each line (forward, backward, update), and the lines that stand on one card."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from glassgrad.autograd.compiler.ir.program import GRADIENT, Instruction, Program, Value

FORWARD, BACKWARD, UPDATE = "forward", "backward", "update"

LINES = 8  # of a card


@dataclass(eq=False)
class Card:
    """What stands on one card: inputs or states, and lines."""

    part: str  # of the lines, "input" or "state"
    given: list[Value] = field(default_factory=list)
    lines: list[Value] = field(default_factory=list)


class Reading:
    """The lines of a program, the part that each belongs to, and the card that it stands on."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.producers = program.producers()
        self.written = dict(program.lines())
        self.reads = {value: self._read(self.producers[value]) for value in self.written}
        self.part = self._parts()
        self.blocks = self._blocks()
        self.states = self._states()

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

    def _blocks(self) -> list[Card]:
        """The cards of values and gradients: runs of lines of one part, from one line of the user's code in one module.

        They follow one another as their lines do, so no two of them wait for each other.
        """
        blocks: list[Card] = []
        for (part, _), run in groupby(self.written, lambda value: (self.part[value], self.producers[value].origin)):
            lines = list(run)
            if part != UPDATE:
                blocks += [Card(part, lines=lines[i : i + LINES]) for i in range(0, len(lines), LINES)]
        return blocks

    def _states(self) -> dict[Any, Card]:
        """The states, a card for those that one card reads first, with the lines that compute their new values; the key
        is that card.

        Such lines are in runs that end with a parameter; the other states of a run stand with it.
        """
        reader = {arg: b for b in reversed(self.blocks) if b.part == FORWARD for v in b.lines for arg in self.reads[v]}
        new = {value: state for state, value in self.program.updates.items()}
        runs: list[list[Value]] = []
        for value in (value for value in self.written if self.part[value] == UPDATE):
            last = runs[-1][-1] if runs else value
            is_done = last in new and self.is_trained(new[last])
            if not runs or is_done or self.producers[last].origin != self.producers[value].origin:
                runs.append([])
            runs[-1].append(value)
        cards, home = defaultdict[Any, Card](lambda: Card("state")), dict[Value, Any]()
        for run in runs:
            states = [new[value] for value in run if value in new]
            key = next((reader[state] for state in states if state in reader), run[0])
            cards[key].lines += run
            home |= dict.fromkeys(states, key)
        for state in self.program.states:
            cards[home.get(state, reader.get(state, state))].given.append(state)
        return cards
