"""A program as it is read: the part of each line (forward, backward, update), and the lines that stand on one card."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from glassgrad.autograd.compiler.ir.primitives import ELEMENTWISE, VIEWS
from glassgrad.autograd.compiler.ir.program import GRADIENT, Instruction, Program, Value

FORWARD, BACKWARD, UPDATE = "forward", "backward", "update"

LINES = 8  # of an operation's card

_COUNTED = re.compile(r"t\d+")


@dataclass(eq=False)
class Block:
    """The lines of one card."""

    part: str
    lines: list[Value]


@dataclass(eq=False)
class Home:
    """States that are updated together, the views of them, and the lines of their update."""

    states: list[Value]
    views: list[Value]
    lines: list[Value]


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
        self.knobs = self._knobs()
        self.homes = self._homes()
        self.part |= dict.fromkeys((v for home in self.homes for v in home.views), FORWARD)
        self.part |= dict.fromkeys((v for v in self.knobs if v in self.part), UPDATE)
        self.home_of = {v: home for home in self.homes for v in (*home.states, *home.views, *home.lines)}
        self.blocks = self._blocks()
        self.block_of = {v: block for block in self.blocks for v in block.lines}

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

        Values that only gradients need are backward. An update consists of the elementwise operations on the way to a
        state's new value, in the state's shape. The gradient itself is the result of a product or a sum, or has the
        name of one.
        """
        program = self.program
        gradients = {v for v in self.producers if self._is_gradient(v)}
        gradients |= {v for v in program.outputs if self._before([v]) & self._seeds()}
        results = [v for v in program.outputs if v not in gradients]
        unread = [v for v in self.written if v not in self.readers and v not in program.updates.values()]
        ends = [v for v in (*results, *unread) if not v.shape and v not in gradients]
        forward = self._before(ends or results)
        updates: set[Value] = set()
        for state, value in program.updates.items():
            pending = [value]
            while pending:
                v = pending.pop()
                made = self.producers.get(v)
                if made is None or v in gradients | forward | updates or v.shape not in (state.shape, ()):
                    continue
                if made.op in ELEMENTWISE or made.op == "astype":
                    updates.add(v)
                    pending += made.args
        backward = self._before(gradients) - forward - updates
        return {v: UPDATE if v in updates else BACKWARD if v in backward else FORWARD for v in self.producers}

    def _seeds(self) -> set[Value]:
        """The seeds of gradients (ones), unless a pass has removed them."""
        return {
            i.out
            for i in self.program.instructions
            if i.op == "broadcast_to" and i.args[0].kind == "constant" and not i.out.shape and i.args[0].data == 1
        }

    def _knobs(self) -> list[Value]:
        """Knobs (numbers read at each call, such as the learning rate), and shared lines computed from knobs alone."""
        knobs = [value for value in self.program.values() if value.kind == "knob"]
        kinds: dict[Value, set[str]] = {}  # of a value and of all that it is computed from
        for line in self.program.instructions:
            kinds[line.out] = {line.out.kind}.union(*(kinds.get(arg, {arg.kind}) for arg in line.args))
        allowed = {"knob", "constant", "temporary"}
        made = [v for v in self.written if "knob" in kinds[v] <= allowed]
        readers = {v: self.readers.get(v, []) for v in made}
        return knobs + [v for v in made if len(readers[v]) > 1 or any(self.part[r] != UPDATE for r in readers[v])]

    def _homes(self) -> list[Home]:
        """States with their views and updates, and with the gradients that only these updates read."""
        program = self.program
        found: dict[Value, list[Value]] = {state: [state] for state in program.states}

        def join(one: Value, other: Value) -> None:
            mine, theirs = found[one], found.setdefault(other, [other])
            if mine is not theirs:
                mine += theirs
                found.update(dict.fromkeys(theirs, mine))

        counts = {state for state in program.updates if not state.shape}  # and numbers that are computed of them
        views = set[Value]()
        for value in self.written:
            arg, *more = self.reads[value] or [value]
            if arg in found and not more and self.producers[value].op in VIEWS:
                views.add(value)
                join(arg, value)
            elif self.part[value] == UPDATE and value not in self.knobs:
                found[value] = [value]
            if not value.shape and not counts.isdisjoint(self.reads[value]):
                counts.add(value)
        for value in list(found):
            for arg in self.reads[value] if self.part.get(value) == UPDATE else ():
                counts_for_others = arg in counts and value.shape
                if arg in found and (self.part.get(arg) == UPDATE or arg in program.updates) and not counts_for_others:
                    join(arg, value)
        for state, value in program.updates.items():
            if value in found:
                join(state, value)
        for value in reversed(self.written):
            if self.part[value] == BACKWARD and self._is_gradient(value) and value not in program.outputs:
                alone = {id(found.get(reader)): reader for reader in self.readers.get(value, [])}
                if len(alone) == 1 and (reader := next(iter(alone.values()))) in found:
                    join(reader, value)
        order = {value: i for i, value in enumerate((*program.states, *self.written))}
        homes = []
        for members in {id(members): members for members in found.values()}.values():
            members.sort(key=order.__getitem__)
            states = [value for value in members if value.kind == "state"]
            lines = [value for value in members if value.kind != "state" and value not in views]
            homes.append(Home(states, [value for value in members if value in views], lines))
        return homes

    def _is_gradient(self, value: Value) -> bool:
        return value.name.startswith(GRADIENT)

    def _is_step(self, arg: Value, value: Value) -> bool:
        """Whether ``arg`` is an intermediate result within ``value``.

        It is from the same line and module of the user's code or, if these are unknown, has no name of its own.
        """
        one, other = self.producers[arg].origin, self.producers[value].origin
        return one == other if one and other else _COUNTED.fullmatch(arg.name) is not None

    def _blocks(self) -> list[Block]:
        """The cards. An intermediate result that only one line reads joins its card; a product begins a card."""
        found: dict[Value, Block] = {}
        kept = {*self.program.outputs, *self.program.updates.values()}
        for value in self.written:
            if value in self.home_of or value in self.knobs:
                continue
            block = Block(self.part[value], [])
            starts = self._is_product(value)
            view = self.producers[value].op in VIEWS
            for arg in self.reads[value]:
                other = found.get(arg)
                if starts or other is None or other.part != block.part or other.lines[-1] is not arg:
                    continue
                # A value that others read too ends a card, so that no two cards depend on each other.
                step = self._is_step(arg, value)
                inner = other.lines if step and not view else other.lines[:-1]
                closed = any(v in kept or not {*self.readers[v]} <= {*other.lines, value} for v in inner)
                if not closed and (view or step) and len(block.lines) + len(other.lines) < LINES:
                    block.lines += other.lines
            block.lines.append(value)
            found.update(dict.fromkeys(block.lines, block))
        order = {value: i for i, value in enumerate(self.written)}
        blocks = list(dict.fromkeys(found[value] for value in self.written if value in found))
        for block in blocks:
            block.lines.sort(key=order.__getitem__)
        return sorted(blocks, key=lambda block: order[block.lines[-1]])

    def _is_product(self, value: Value) -> bool:
        made = self.producers[value]
        inner = [self.producers[arg].op for arg in made.args if arg in self.producers and arg not in self.written]
        return bool(value.shape) and "matmul" in (made.op, *inner)
