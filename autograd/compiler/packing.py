"""States together: equal counters become one, and small states that are updated alike lie in one buffer and are updated
by one call each."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Sequence
from typing import Any

import numpy

from autograd import shapes
from autograd.compiler.optimize import Rewriter
from autograd.compiler.primitives import ELEMENTWISE
from autograd.compiler.program import Instruction, Program, Value
from autograd.tensor import wrap

HOMES: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()
"""The memory that programs keep states in."""

SMALL = 1 << 16
"""The bytes of the largest state that is packed: a larger one is updated at once, while its gradient is in the cache."""


class Match:
    """Whether two values are computed alike, from corresponding states and leaves."""

    def __init__(self, program: Program, producers: dict[Value, Instruction]) -> None:
        self.program, self.producers = program, producers
        self.pairs: dict[Value, Value] = {}
        self.leaves: dict[Value, Value] = {}
        self.states: dict[Value, Value] = {}

    def alike(self, a: Value, b: Value, shape: shapes.Shape, other: shapes.Shape) -> bool:
        """Whether ``a``, of a state of ``shape``, corresponds to ``b``, of one of shape ``other``."""
        if a.shape != shape or b.shape != other:
            return a is b and not a.shape
        if a in self.pairs:
            return self.pairs[a] is b
        if a.dtype != b.dtype:
            return False
        self.pairs[a] = b
        if a.kind == "state" and a in self.program.updates:
            if b.kind != "state" or b not in self.program.updates or b in self.states.values():
                return False
            self.states[a] = b
            return self.alike(self.program.updates[a], self.program.updates[b], shape, other)
        x, y = self.producers.get(a), self.producers.get(b)
        if x is not None and x.op in ELEMENTWISE and all(v.shape in (shape, ()) for v in x.args):
            same = y is not None and y.op == x.op and len(y.args) == len(x.args)
            return same and y is not None and all(self.alike(p, q, shape, other) for p, q in zip(x.args, y.args, strict=True))
        if x is None or y is None or (y.op in ELEMENTWISE and all(v.shape in (other, ()) for v in y.args)):
            return False
        self.leaves[a] = b
        return True


def same_counters(program: Program) -> Program:
    """Keep one of several counters that are equal and counted alike, as Adam's steps."""
    producers = program.producers()
    counters = [
        s for s, v in program.updates.items()
        if not s.shape and not {*_leaves(v, producers)} - {s} and s.origin is not None
    ]  # fmt: skip
    merged: dict[Value, Value] = {}
    for i, a in enumerate(counters):
        for b in counters[:i]:
            if b not in merged and a.dtype == b.dtype and a.origin.data == b.origin.data:
                if _same_count(program.updates[a], program.updates[b], a, b, producers):
                    merged[a] = b
                    break
    if not merged:
        return program
    writer = Rewriter(program)
    writer.now.update(merged)
    for instruction in program.instructions:
        writer.keep(instruction)
    changed = writer.finish()
    changed.updates = {s: v for s, v in changed.updates.items() if s not in merged}
    changed.merged = {**program.merged, **merged}
    return changed


def _leaves(value: Value, producers: dict[Value, Instruction]) -> Iterable[Value]:
    """What a number is computed from, apart from constants; itself where it is no arithmetic of numbers."""
    if value.kind == "constant":
        return
    instruction = producers.get(value)
    if instruction is None or instruction.op not in ELEMENTWISE or value.shape:
        yield value
        return
    for arg in instruction.args:
        yield from _leaves(arg, producers)


def _same_count(x: Value, y: Value, a: Value, b: Value, producers: dict[Value, Instruction]) -> bool:
    if x is a or y is b:
        return x is a and y is b
    p, q = producers.get(x), producers.get(y)
    if p is None or q is None:
        return x is y
    return p.op == q.op and all(_same_count(s, t, a, b, producers) for s, t in zip(p.args, q.args, strict=True))


def pack(program: Program, small: int = SMALL) -> Program:
    """Put small states that are updated alike into one buffer, and their gradients into another."""
    producers = program.producers()
    free = [
        s for s in program.updates
        if s.shape and s.dtype.kind == "f" and s.nbytes <= small
    ]  # fmt: skip
    for first in free:
        group: list[tuple[Value, Match]] = []
        taken: set[Value] = set()
        for state in free:
            if state in taken:
                continue
            match = Match(program, producers)
            if match.alike(first, state, first.shape, state.shape) and not taken & {*match.states.values()}:
                group.append((state, match))
                taken |= {*match.states.values()}
        if len(group) > 1:
            return pack(packed(program, group), small)
    return program


def packed(program: Program, group: Sequence[tuple[Value, Match]]) -> Program:
    """The program with the states of ``group`` (and those updated with them) in one flat state for each role."""
    writer = Rewriter(program)
    producers = program.producers()
    _, first = group[0]
    sizes = [shapes.size(state.shape) for state, _ in group]
    starts = [sum(sizes[:i]) for i in range(len(sizes))]
    flat: dict[Value, Value] = {}
    homes = dict(program.packed)
    updates = dict(program.updates)
    for role in first.states:
        members = [match.states[role] for _, match in group]
        whole = Value("state", (sum(sizes),), role.dtype, writer.name(f"packed_{role.name}"))
        parts = [(m.origin.data, m in program.flipped) for m in members]
        now = numpy.concatenate([(a.T if flip else a).reshape(-1) for a, flip in parts])
        whole.origin = wrap(now, name=whole.name)
        homes[whole] = []
        flat[role] = whole
        for member, start in zip(members, starts, strict=True):
            inner = homes.pop(member, [(member, 0)])
            homes[whole] += [(each, start + offset) for each, offset in inner]
            piece = {"start": start, "shape": member.shape, "flip": member in program.flipped}
            writer.now[member] = writer.emit("piece", (whole,), piece, member.name)
            del updates[member]
    interior = {a for a in first.pairs if a not in first.leaves and a not in first.states}
    place = {match.pairs[a]: (a, i) for i, (_, match) in enumerate(group) for a in interior}
    done: dict[Value, int] = dict.fromkeys(interior, 0)
    waiting = {match.leaves[leaf]: leaf for _, match in group for leaf in first.leaves}
    left = {leaf: len(group) for leaf in first.leaves}

    def whole_of(value: Value) -> Value:
        return flat[value] if value in flat else writer.of(value)

    def pack_leaf(leaf: Value) -> None:
        members: list[Value] = []
        flips: list[bool] = []
        for state, match in group:
            member = writer.of(match.leaves[leaf])
            inner = writer.producers.get(member)
            if inner is not None and inner.op == "pack":  # what is packed already is packed here as well
                members += inner.args
                flips += inner.params["flips"]
            else:
                members.append(member)
                flips.append(state in program.flipped)
        flat[leaf] = writer.emit("pack", members, {"flips": tuple(flips)}, f"packed_{leaf.name}")

    for value, leaf in waiting.items():
        if value not in producers:
            left[leaf] -= 1
    for instruction in program.instructions:
        out = instruction.out
        if out in place:
            role, i = place[out]
            done[role] += 1
            if done[role] == len(group):
                for arg in producers[role].args:
                    if arg in first.leaves and arg not in flat:
                        pack_leaf(arg)
                flat[role] = writer.emit(instruction.op, [whole_of(a) for a in producers[role].args], {}, f"packed_{role.name}")
            continue
        writer.keep(instruction)
    # What is read of the packed results elsewhere is a piece of them.
    outside = {arg for i in program.instructions if i.out not in place for arg in i.args}
    outside |= {*program.outputs, *updates.values()}
    kept = writer.instructions
    writer.instructions = []
    for value, (role, i) in place.items():
        if value in outside:
            piece = {"start": starts[i], "shape": value.shape, "flip": group[i][0] in program.flipped}
            writer.now[value] = writer.emit("piece", (flat[role],), piece, value.name)
    for instruction in kept:  # some of them read what was packed only after them
        writer.keep(instruction)
    changed = writer.finish()
    changed.updates = {s: writer.of(v) for s, v in updates.items()}
    changed.updates |= {flat[role]: flat[program.updates[role]] for role in first.states}
    changed.packed = homes
    return _ordered(changed)


def _ordered(program: Program) -> Program:
    """Instructions behind what they read, else in their order."""
    producers = program.producers()
    done: dict[Instruction, None] = {}

    def need(instruction: Instruction) -> None:
        stack = [instruction]
        while stack:
            top = stack[-1]
            missing = [producers[a] for a in top.args if a in producers and producers[a] not in done]
            if missing:
                stack += missing
            else:
                done[top] = None
                stack.pop()

    for instruction in program.instructions:
        if instruction not in done:
            need(instruction)
    return program.changed(instructions=list(done))
