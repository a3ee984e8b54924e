"""Pack small states with the same update into one buffer, which one call updates."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from itertools import takewhile
from typing import Any

import numpy

from glassgrad.autograd import backends
from glassgrad.autograd.common import shapes
from glassgrad.autograd.compiler.ir.primitives import ELEMENTWISE, piece_of
from glassgrad.autograd.compiler.ir.program import GRADIENT, UPDATED, Instruction, Program, Value, in_order
from glassgrad.autograd.compiler.ir.words import derived, form_of_name
from glassgrad.autograd.compiler.passes.rewrite import Rewriter
from glassgrad.autograd.engine.memory import owner

HOMES: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()
"""The memory in which programs keep states, by id."""

SMALL = 1 << 16
"""The size in bytes of the largest state that is packed: larger ones are updated while the gradient is in cache."""


def note_home(array: Any) -> None:
    """Remember that a program keeps states in the memory of ``array``."""
    memory = owner(array)
    if isinstance(memory, numpy.ndarray):  # a buffer of another library can't be referenced weakly
        HOMES[id(memory)] = memory


def shared_buffer(dtype: Any, nbytes: int, members: Sequence[tuple[Value, int]]) -> Any:
    """The array in which an earlier program has packed these members in this order; ``None`` if there is none."""
    first = members[0][0].origin._data
    memory = owner(first)
    if id(memory) not in HOMES or not isinstance(memory, numpy.ndarray) or not memory.flags.c_contiguous:
        return None
    offset = first.ctypes.data - memory.ctypes.data
    raw = memory.reshape(-1).view(numpy.uint8)[offset : offset + nbytes]
    if raw.nbytes < nbytes:
        return None
    flat = raw.view(dtype)
    for member, start in members:
        view = piece_of(flat, start, member.shape)
        array = member.origin._data
        if owner(array) is not memory or array.ctypes.data != view.ctypes.data or array.strides != view.strides:
            return None
    return flat


def can_share_buffer(program: Program, states: Sequence[Value]) -> bool:
    """Whether states can be packed in this order without moving them out of another program's buffer: otherwise two
    programs would move them back and forth at each call.
    """
    members: list[tuple[Value, int]] = []
    start = 0
    for state in states:
        members += [(each, start + offset) for each, offset in program.packed.get(state, [(state, 0)])]
        start += shapes.size(state.shape)
    if not any(id(owner(member.origin._data)) in HOMES for member, _ in members):
        return True
    dtype = members[0][0].dtype
    return shared_buffer(dtype, start * dtype.itemsize, members) is not None


class Match:
    """Whether two values are computed by the same operations from corresponding states and leaves."""

    def __init__(self, program: Program, producers: dict[Value, Instruction]) -> None:
        self.program, self.producers = program, producers
        self.pairs: dict[Value, Value] = {}
        self.leaves: dict[Value, Value] = {}
        self.states: dict[Value, Value] = {}

    def alike(self, a: Value, b: Value, shape: shapes.Shape, other: shapes.Shape) -> bool:
        """Whether ``a``, computed for a state of ``shape``, corresponds to ``b``, for a state of shape ``other``."""
        pending = [(a, b)]
        while pending:  # not recursive: the computation of a state may be thousands of calls deep
            further = self._further(*pending.pop(), shape, other)
            if further is None:
                return False
            pending += further[::-1]
        # A value that is only moved to a state, as when two states are swapped, is not computed with the others.
        return not any(self.program.updates[state] in self.leaves for state in self.states)

    def _further(
        self, a: Value, b: Value, shape: shapes.Shape, other: shapes.Shape
    ) -> list[tuple[Value, Value]] | None:
        """The further pairs that must correspond if ``a`` and ``b`` do; ``None`` if these can't."""
        if a.shape != shape or b.shape != other:
            return [] if a is b and not a.shape else None
        if a in self.pairs:
            return [] if self.pairs[a] is b else None
        if a.dtype != b.dtype:
            return None
        self.pairs[a] = b
        updates = self.program.updates
        if a.kind == "state" and a in updates:
            if b.kind != "state" or b not in updates or b in self.states.values() or b in self.program.pinned:
                return None
            self.states[a] = b
            return [(updates[a], updates[b])]
        x, y = self.producers.get(a), self.producers.get(b)
        if x is not None and x.op in ELEMENTWISE and all(v.shape in (shape, ()) for v in x.args):
            same = y is not None and y.op == x.op and len(y.args) == len(x.args)
            return list(zip(x.args, y.args, strict=True)) if same and y is not None else None
        if x is None or y is None or (y.op in ELEMENTWISE and all(v.shape in (other, ()) for v in y.args)):
            return None
        self.leaves[a] = b
        return []

    @property
    def computed(self) -> set[Value]:
        """The states and intermediate values of ``b``; members of one buffer must not share any."""
        return {b for a, b in self.pairs.items() if a not in self.leaves}


def pack(program: Program) -> Program:
    """Pack small states with the same update into one buffer, and their gradients into another."""
    producers = program.producers()
    free = [
        s for s in program.updates
        if s.shape and s.dtype.kind == "f" and s.nbytes <= SMALL and s not in program.pinned
    ]  # fmt: skip
    for first in free:
        group: list[tuple[Value, Match]] = []
        taken: set[Value] = set()
        for state in free:
            if state in taken:
                continue
            match = Match(program, producers)
            alike = match.alike(first, state, first.shape, state.shape) and not taken & match.computed
            if alike:
                group.append((state, match))
                taken |= match.computed
        roles = group[0][1].states if group else ()
        kept = all(can_share_buffer(program, [m.states[r] for _, m in group]) for r in roles)
        if len(group) > 1 and kept and any(state is first for state, _ in group):
            together = packed(program, group)
            if together is not None:
                return pack(together)
    return program


def packed_name(names: Sequence[str], otherwise: str = "packed") -> str:
    """The name of a buffer with these members: what all their names end with, or ``otherwise``.

    >>> packed_name(["d_l_0_weight", "d_l_0_bias"]), packed_name(["l_0_weight", "l_2_weight"], "parameters")
    ('d_parameters', 'parameters')
    >>> packed_name(["l_0_weight_exp_avg", "l_2_bias_exp_avg"]), packed_name(["t1", "t2"])
    ('all_exp_avg', 'packed')
    """
    if all(name.startswith(GRADIENT) for name in names):
        return f"{GRADIENT}parameters"
    ends = zip(*[name.split("_")[:0:-1] for name in names], strict=False)
    shared = [parts[0] for parts in takewhile(lambda parts: len({*parts}) == 1, ends)]
    return f"all_{'_'.join(shared[::-1])}" if shared and otherwise != "parameters" else otherwise


def _operand(value: Value) -> tuple[str, str]:
    name = value.name.removesuffix(UPDATED)
    return name, form_of_name(name)


class _Together:
    """Stands for a Tensor: its array is the buffer of several states, created when first used."""

    __slots__ = ("states",)

    def __init__(self, states: Sequence[Value]) -> None:
        self.states = states

    data = property(lambda self: self._data)

    @property
    def _data(self) -> Any:
        parts = [state.origin._data for state in self.states]
        return backends.namespace(*parts).concat([part.reshape(-1) for part in parts])


class _Group:
    """States that are packed into one buffer for each role (weight, momentum), and the computation that they share."""

    def __init__(self, writer: Rewriter, program: Program, members: Sequence[tuple[Value, Match]]) -> None:
        self.writer, self.program, self.members = writer, program, members
        self.first = members[0][1]
        sizes = [shapes.size(state.shape) for state, _ in members]
        self.starts = [sum(sizes[:i]) for i in range(len(sizes))]
        self.flat: dict[Value, Value] = {}
        self.interior = [a for a in self.first.pairs if a not in self.first.leaves and a not in self.first.states]
        self.left = dict.fromkeys(self.interior, len(members))

    def pack_states(self, homes: dict[Value, list[tuple[Value, int]]], updates: dict[Value, Value]) -> None:
        """Create a flat state for each role, and replace every state by a piece of it."""
        writer = self.writer
        for role in self.first.states:
            states = [match.states[role] for _, match in self.members]
            whole = Value("state", (sum(shapes.size(s.shape) for s in states),), role.dtype, "")
            whole.origin = _Together(states)
            homes[whole], self.flat[role] = [], whole
            for i, (state, start) in enumerate(zip(states, self.starts, strict=True)):
                homes[whole] += [(each, start + offset) for each, offset in homes.pop(state, [(state, 0)])]
                writer.taken.discard(state.name)
                writer.now[state] = self.piece(role, i, state)
                del updates[state]
            kind = "parameters" if all(each.origin.requires_grad for each, _ in homes[whole]) else "states"
            whole.name = writer.name(packed_name([each.name for each, _ in homes[whole]], kind))

    def piece(self, role: Value, i: int, like: Value) -> Value:
        """The part of a flat value that belongs to the i-th member."""
        params = {"start": self.starts[i], "shape": like.shape}
        return self.writer.emit("piece", (self.flat[role],), params, like.name)

    def whole_of(self, value: Value) -> Value:
        """The flat value for a value of the first member; gradients are packed at first use."""
        if value in self.first.leaves and value not in self.flat:
            self._pack_leaf(value)
        return self.flat[value] if value in self.flat else self.writer.of(value)

    def _pack_leaf(self, leaf: Value) -> None:
        parts: list[Value] = []
        for _, match in self.members:
            part = self.writer.of(match.leaves[leaf])
            inner = self.writer.producers.get(part)
            if inner is not None and inner.op == "pack":  # packed already: its members are packed here
                parts += inner.args
            else:
                parts.append(part)
        name = packed_name([part.name for part in parts])
        self.flat[leaf] = self.writer.emit("pack", parts, {}, name)

    def met(self, role: Value) -> None:
        """Count a member's instruction for ``role``; the last one is emitted for all members."""
        self.left[role] -= 1
        if not self.left[role]:
            made = self.first.producers[role]
            args = [self.whole_of(arg) for arg in made.args]
            state = next((s for s in self.first.states if self.program.updates[s] is role), None)
            name = derived(Instruction(made.op, tuple(args), {}, made.out), _operand)[0]
            name = name or packed_name([match.pairs[role].name for _, match in self.members])
            name = name if state is None else f"{self.flat[state].name}{UPDATED}"
            self.flat[role] = self.writer.emit(made.op, args, {}, name)


def packed(program: Program, members: Sequence[tuple[Value, Match]]) -> Program | None:
    """The program with the states of ``members``, and those updated with them, in one flat state per role.

    ``None`` if they can't be updated at once because one update is needed for another's gradient.
    """
    writer = Rewriter(program)
    homes, updates = dict(program.packed), dict(program.updates)
    group = _Group(writer, program, members)
    group.pack_states(homes, updates)
    place = {match.pairs[role]: (role, i) for i, (_, match) in enumerate(members) for role in group.interior}
    for instruction in writer:
        if instruction.out in place:
            group.met(place[instruction.out][0])
        else:
            writer.keep(instruction)
    # Other readers of a packed result read a piece of it.
    outside = {arg for i in program.instructions if i.out not in place for arg in i.args}
    outside |= {*program.outputs, *updates.values()}
    for value, (role, i) in place.items():
        if value in outside:
            writer.now[value] = group.piece(role, i, value)
    again = Rewriter(writer.finish())  # replaces also what was read before the pieces existed
    again.now = writer.now
    for instruction in again.program.instructions:
        again.keep(instruction)
    changed = again.finish()
    changed.updates = {s: writer.of(v) for s, v in updates.items()}
    changed.updates |= {group.flat[role]: group.flat[program.updates[role]] for role in group.first.states}
    changed.packed = homes
    makers = changed.producers()
    try:
        order = in_order(changed.instructions, lambda i: [makers[arg] for arg in i.args if arg in makers])
    except ValueError:
        return None
    return changed.changed(instructions=order)
