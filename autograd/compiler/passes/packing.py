"""Pack small states with the same update into one buffer, which one call updates."""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Sequence
from functools import partial
from itertools import accumulate, takewhile
from typing import Any, NamedTuple

import numpy

from glassgrad.autograd import backends
from glassgrad.autograd.common import shapes
from glassgrad.autograd.compiler.ir.primitives import ELEMENTWISE, piece_of
from glassgrad.autograd.compiler.ir.program import GRADIENT, UPDATED, Instruction, Program, Value
from glassgrad.autograd.compiler.ir.words import derived
from glassgrad.autograd.compiler.passes.rewrite import Rewriter, dead_code
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


def shared_buffer(members: Sequence[tuple[Value, int]]) -> Any:
    """The array in which an earlier program has packed these members in this order; ``None`` if there is none."""
    first, nbytes = members[0][0].origin._data, sum(member.nbytes for member, _ in members)
    memory = owner(first)
    if id(memory) not in HOMES or not isinstance(memory, numpy.ndarray) or not memory.flags.c_contiguous:
        return None
    offset = first.ctypes.data - memory.ctypes.data
    raw = memory.reshape(-1).view(numpy.uint8)[offset : offset + nbytes]
    if raw.nbytes < nbytes:
        return None
    flat = raw.view(members[0][0].dtype)
    for member, start in members:
        view = piece_of(flat, start, member.shape)
        array = member.origin._data
        if owner(array) is not memory or array.ctypes.data != view.ctypes.data or array.strides != view.strides:
            return None
    return flat


def can_share_buffer(states: Sequence[Value]) -> bool:
    """Whether states can be packed in this order without moving them out of another program's buffer: otherwise two
    programs would move them back and forth at each call.
    """
    ends = accumulate(shapes.size(state.shape) for state in states)
    moved = any(id(owner(state.origin._data)) in HOMES for state in states)
    return not moved or shared_buffer([*zip(states, (0, *ends), strict=False)]) is not None


class Update(NamedTuple):
    """How the new value of a state is computed.

    ``key`` is equal for states that can be updated by the same calls. These have corresponding values at the same
    places of ``states`` (those that are updated together, as a momentum), ``leaves`` (gradients) and ``made`` (results
    of elementwise calls).
    """

    key: tuple[Any, ...]
    states: list[Value]
    leaves: list[Value]
    made: list[Value]


def update_of(program: Program, producers: dict[Value, Instruction], state: Value) -> Update | None:
    """The update of a state; ``None`` if it can't be computed for several states at once."""
    found = Update((), [], [], [])
    numbers: dict[Value, int] = {}
    key: list[Any] = []
    pending = [state]
    while pending:  # not recursive: the computation of a state may be thousands of calls deep
        value = pending.pop()
        if value.shape != state.shape or value in numbers:
            if value.shape not in (state.shape, ()):
                return None
            key.append(numbers.get(value, value))
            continue
        numbers[value] = len(numbers)
        maker = producers.get(value)
        if value in program.updates and value not in program.pinned:
            found.states.append(value)
            key.append(value.dtype)
            pending.append(program.updates[value])
        elif maker is None:
            return None
        elif maker.op in ELEMENTWISE and all(arg.shape in (state.shape, ()) for arg in maker.args):
            found.made.append(value)
            key.append((maker.op, value.dtype))
            pending += maker.args[::-1]
        else:
            found.leaves.append(value)
            key.append((None, value.dtype))
    # A value that is only moved to a state, as when two states are swapped, is not computed with the others.
    moved = any(program.updates[each] in found.leaves for each in found.states)
    return None if moved else found._replace(key=tuple(key))


def pack(program: Program) -> Program:
    """Pack small states with the same update into one buffer, and their gradients into another. Updates of which
    something else reads a result stay apart."""
    producers, uses = program.producers(), program.uses()
    ends = Counter([*program.outputs, *program.updates.values()])
    groups: dict[Any, list[Update]] = {}
    for state in program.updates:
        if not state.shape or state.nbytes > SMALL or state in program.pinned or state in program.packed:
            continue
        if state.dtype.kind == "f":
            update = update_of(program, producers, state)
            if update is not None:
                groups.setdefault(update.key, []).append(update)
    for alike in groups.values():
        group: list[Update] = []
        taken: set[Value] = set()
        for update in alike:
            own, computed = Counter(map(program.updates.get, update.states)), {*update.states, *update.made}
            inside = all(ends[v] == own[v] and all(use.out in computed for use in uses[v]) for v in update.made)
            if inside and taken.isdisjoint(computed):
                group.append(update)
                taken |= computed
        group.sort(key=lambda update: -len(update.states[0].shape))  # biases are neighbours
        roles = zip(*(update.states for update in group), strict=True)
        if len(group) > 1 and all(can_share_buffer(states) for states in roles):
            together = packed(program, group)
            return pack(together) if len(groups) > 1 or len(alike) > len(group) else together
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


def _sums(last: Instruction, i: Instruction) -> bool:
    """Whether an instruction sums the rows of a small matrix by the same ones as the last."""
    if i.op != "matmul" or i.args[1] is not last.args[-1]:
        return False
    x, ones = i.args
    return ones.kind == "constant" and len(ones.shape) == 1 and x.dtype == ones.dtype and x.nbytes <= SMALL


def packed(program: Program, group: Sequence[Update]) -> Program:
    """The program with the states of ``group``, and those updated with them, in one flat state for each role, such as
    weight and momentum."""
    writer, first, makers = Rewriter(program), group[0], program.producers()
    homes, updates = dict(program.packed), dict(program.updates)
    sizes = [shapes.size(update.states[0].shape) for update in group]
    starts = [sum(sizes[:i]) for i in range(len(sizes))]
    flat: dict[Value, Value] = {}  # for values of the first update, those for all
    for role, *others in zip(*(update.states for update in group), strict=True):
        states = [role, *others]
        whole = flat[role] = Value("state", (sum(sizes),), role.dtype, "", origin=_Together(states))
        homes[whole] = [*zip(states, starts, strict=True)]
        for member, start in homes[whole]:
            writer.taken.discard(member.name)
            writer.now[member] = writer.emit("piece", (whole,), {"start": start, "shape": member.shape}, member.name)
            del updates[member]
        kind = "parameters" if all(each.origin.requires_grad for each, _ in homes[whole]) else "states"
        whole.name = writer.name(packed_name([each.name for each, _ in homes[whole]], kind))
    leaves = {of[0]: of for of in zip(*(update.leaves for update in group), strict=True)}
    made = {value: k for update in group for k, value in enumerate(update.made)}
    seen: Counter[int] = Counter()

    def together(value: Value) -> Value:
        """The value for all updates in place of that of the first."""
        if value in leaves and value not in flat:
            parts, name = [*leaves[value]], packed_name([part.name for part in leaves[value]])
            sums = [*takewhile(partial(_sums, makers[parts[-1]]), [makers[part] for part in parts[::-1]])]
            if len(sums) > 1:  # in one product
                ones, names = sums[0].args[1], [part.name for part in parts[-len(sums) :]]
                summed = "_and_".join(names) if len(names) < 4 else f"{names[0]}_to_{names[-1]}"
                tables = writer.emit("pack", [i.args[0] for i in sums[::-1]], {}, f"{name}_tables")
                shape = tables.shape[0] // ones.shape[0], *ones.shape
                rows = writer.emit("reshape", (tables,), {"shape": shape}, f"{name}_rows")
                parts[-len(sums) :] = [writer.emit("matmul", (rows, ones), {}, summed)]
            flat[value] = writer.emit("pack", parts, {}, name)
        return flat.get(value) or writer.of(value)

    for instruction in writer:
        k = made.get(instruction.out)
        if k is None:
            writer.keep(instruction)
            continue
        seen[k] += 1
        if seen[k] == len(group):
            role = makers[first.made[k]]
            args = [*map(together, role.args)]
            state = next((s for s in first.states if program.updates[s] is role.out), None)
            call = Instruction(role.op, tuple(args), {}, role.out)
            name = derived(call, lambda value: (value.name.removesuffix(UPDATED), "atom"))[0]
            name = name or packed_name([update.made[k].name for update in group])
            name = f"{flat[state].name}{UPDATED}" if state is not None else name
            flat[role.out] = writer.emit(role.op, args, {}, name)
    changed = writer.finish()
    changed.updates = {s: writer.of(v) for s, v in updates.items()}
    changed.updates |= {flat[role]: flat[program.updates[role]] for role in first.states}
    changed.packed = homes
    return dead_code(changed)


def with_biases(program: Program) -> Program:
    """Compute ``W @ x + b`` as W beside b times x above ones, where that is less work. One call gathers the weights of
    all layers, with their biases, from the state in which they are packed."""
    makers, uses, packed = program.producers(), program.uses(), [*program.packed][:1]
    pieces = {i.out: i for i in program.instructions if i.op == "piece" and [*i.args] == packed}
    computed = {i.out for i in program.instructions if i.op in ELEMENTWISE}  # above the ones, without a copy
    layers: dict[Value, tuple[Any, Value, str]] = {}
    for i in program.instructions:
        product, column = map(makers.get, i.args) if i.op == "add" else (None, None)
        if product and column and (product.op, column.op, uses[product.out]) == ("matmul", "reshape", [i]):
            weight, x = product.args
            parts = [pieces[arg] for arg in (weight, *column.args) if arg in pieces]
            rows, columns, count = weight.shape[0], x.shape[0], x.shape[-1]
            pays = 4 * columns <= count and (columns <= rows or x in computed)
            shape_of = [x.shape, column.out.shape, *[part.out.shape for part in parts]]
            if pays and shape_of == [(columns, count), (rows, 1), (rows, columns), (rows,)]:
                places = [piece_of(numpy.arange(packed[0].shape[0]), **part.params) for part in parts]
                layers[i.out] = numpy.column_stack(places), x, f"{weight.name}_with_bias"
    if not layers:
        return program
    writer, start = Rewriter(program), 0
    where = writer.constant(numpy.concat([table.reshape(-1) for table, *_ in layers.values()]), "places")
    gathered = writer.emit("take_sure", (*packed, where), {"axis": 0}, "weights_with_biases")
    for instruction in writer:
        if instruction.out not in layers:
            writer.keep(instruction)
            continue
        table, x, name = layers[instruction.out]
        ones = writer.constant(numpy.ones(x.shape[1], x.dtype), "ones")
        flat = writer.emit("pack", (writer.of(x), ones), {}, f"{x.name}_and_1")
        wide = writer.emit("reshape", (flat,), {"shape": (table.shape[1], x.shape[1])}, f"{x.name}_with_1")
        both = writer.emit("piece", (gathered,), {"start": start, "shape": table.shape}, name)
        writer.now[instruction.out] = writer.emit("matmul", (both, wide), {}, instruction.out.name)
        start += table.size
    return dead_code(writer.finish())
