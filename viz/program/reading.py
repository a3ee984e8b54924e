"""A program as it is read: the part of each line (forward, backward, update), and the lines that stand on one card."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import groupby

from glassgrad.autograd.compiler.ir.program import GRADIENT, Instruction, Program, Value

FORWARD, BACKWARD, UPDATE = "forward", "backward", "update"


@dataclass(eq=False)
class Card:
    """What stands on one card: inputs or states, and lines."""

    part: str  # of the lines that are not updates; "given" if there are none
    given: list[Value] = field(default_factory=list)
    lines: list[Value] = field(default_factory=list)


class Reading:
    """The lines of a program, the part that each belongs to, and the card that it stands on."""

    def __init__(self, program: Program, folded: bool = False) -> None:
        self.program, self.folded = program, folded
        self.producers = program.producers()
        self.written = dict(program.lines())
        self.reads = {value: self._read(self.producers[value]) for value in self.written}
        self.new = {value: state for state, value in program.updates.items()}
        self.part = self._parts()
        self.blocks = self._blocks()
        self.loose = self._loose()

    def _read(self, instruction: Instruction) -> list[Value]:
        """The values that a line reads, including those of expressions written inside it."""
        found: dict[Value, None] = {}
        for arg in instruction.args:
            inner = self.producers.get(arg)
            found.update(dict.fromkeys([arg] if inner is None or arg in self.written else self._read(inner)))
        return list(found)

    def _before(self, values: Iterable[Value], trained: Iterable[Value] = ()) -> set[Value]:
        """These values and everything they are computed from; nothing that only those of ``trained`` are."""
        found = {*values}
        for value, made in reversed(self.producers.items()):
            found.update(made.args if value in found and value not in trained else ())
        return found

    def _parts(self) -> dict[Value, str]:
        """The part of each instruction's value: forward, backward or update.

        A gradient is known by the line that it was recorded for, the first one by its name; what is computed from one
        is backward too, unless only a state's new value needs it.
        """
        names = {f"{GRADIENT}{value.name}" for value in self.producers}
        slopes, marked, trained, part = set[Value](), set[Value](), set[Value](), dict[Value, str]()
        for value, made in self.producers.items():
            is_first = value.name in names and all(arg.kind == "constant" for arg in made.args)
            if is_first or (made.origin and made.origin.order):
                slopes.add(value)
            if value in slopes or not marked.isdisjoint(made.args):
                (trained if value in self.new else marked).add(value)
        needed, new = self._before(self.program.outputs, trained), self._before(self.new)
        for value, made in self.producers.items():
            is_late = any(part.get(arg) == BACKWARD for arg in made.args)
            if value in slopes or (is_late and value.name.startswith(GRADIENT)):
                part[value] = BACKWARD
            elif value in trained or (value in new and value not in needed):
                part[value] = UPDATE
            else:
                part[value] = BACKWARD if is_late else FORWARD
        return part

    def is_trained(self, state: Value) -> bool:
        """Whether a state is a parameter, or a buffer of packed parameters."""
        members = [member for member, _ in self.program.packed.get(state, ())]
        return any(map(self.is_trained, members)) or bool(getattr(state.origin, "requires_grad", False))

    def _blocks(self) -> list[Card]:
        """The cards of values and gradients: runs of lines of one part, from one line of the user's code in one module;
        of a folded program, from one module.

        They follow one another as their lines do, so no two of them wait for each other.
        """
        origins = {value: self.producers[value].origin for value in self.written}
        home = {v: (self.part[v], (self.folded and made and made.scope) or made) for v, made in origins.items()}
        runs = groupby(home, home.__getitem__)
        return [Card(part, lines=[*run]) for (part, _), run in runs if part != UPDATE]

    def _loose(self) -> list[Card]:
        """The cards of inputs, and of states that no card reads. All others are rows of the first card that reads them;
        inputs only of a folded program.

        The lines that compute the new value of a state stand on its card, with the states that only they read.
        """
        forward = [block for block in self.blocks if block.part == FORWARD]
        reader = {arg: block for block in reversed(forward) for v in block.lines for arg in self.reads[v]}
        source = {value: block for block in forward for value in block.lines}
        updates = [value for value in self.written if self.part[value] == UPDATE]
        for value, arg in ((line, arg) for line in updates for arg in self.reads[line]):
            source |= {value: source[arg]} if arg in source else {}
        loose, home = defaultdict[Value, Card](lambda: Card("given")), {**reader}
        for value in reversed(updates):
            home[value] = reader.get(self.new.get(value, value)) or home.get(value) or source.get(value) or loose[value]
            home |= {arg: home[value] for arg in self.reads[value] if arg not in reader}
        for value in updates:
            home[value].lines.append(value)
        for given in (*self.program.inputs, *self.program.states):
            card = home.get(given) if self.folded or given.kind != "input" else None
            (card or loose[given]).given.append(given)
        return [*loose.values()]
