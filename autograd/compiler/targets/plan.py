"""The memory plan of a program: buffers are reused as soon as nothing reads them, and results written in place.

A plan orders the instructions (checks first, updates last) and gives every value an array that exists before the first
call, or marks it as made anew at each call.

One rule keeps it correct: memory is overwritten only after the last read of every value that shares it. So the plan
first finds which values share memory (`roots`), then when each memory is read last, and only then which memory each
value gets.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable
from typing import Any

import numpy

from glassgrad.autograd.backends import NUMPY
from glassgrad.autograd.common import shapes
from glassgrad.autograd.compiler.ir.interpreter import translated
from glassgrad.autograd.compiler.ir.primitives import ELEMENTWISE, REDUCTIONS, compute, is_view, piece_of, pieces_of
from glassgrad.autograd.compiler.ir.program import Instruction, Program, Value, in_order, roots
from glassgrad.autograd.engine.operation import OPS

ALIGNED = 64
"""Buffers begin at multiples of this many bytes: a line of the cache."""


PARTIAL = ("setitem", "add_at")
"""Operations that write to a part of their first argument, and leave the rest as it is."""


def aligned(nbytes: int) -> Any:
    """Bytes of memory aligned to a cache line."""
    raw = numpy.empty(nbytes + ALIGNED, numpy.uint8)
    start = -raw.__array_interface__["data"][0] % ALIGNED
    return raw[start : start + nbytes]


# ------------------------------------------------------------------------------------------------------------ the order


def schedule(program: Program, has_kernel: Callable[[Instruction], bool] = lambda _: True) -> list[Instruction]:
    """The instructions in the order of a plan. Checks and their arguments come first. Updates come last, after all
    instructions that read the old value or may raise (those without a kernel), unless these need a new value."""
    first, producers = _before_all(program), program.producers()
    made = {producers.get(value) for value in program.updates.values()}
    updates = {i for i in made - first.keys() if i is not None and i.op in ELEMENTWISE and has_kernel(i)}
    late = sorted(program.instructions, key=updates.__contains__)
    return in_order([*reversed(first), *late], lambda i: [m for a in i.args if (m := producers.get(a)) in updates])


def _before_all(program: Program) -> dict[Instruction, None]:
    """The checks and the instructions that they need, in reverse order; for a draw also all draws before it."""
    first: dict[Instruction, None] = {}
    wanted: set[Value] = set()
    drawn = False
    for instruction in program.instructions[::-1]:
        draws = instruction.op == "draw"
        if instruction.op == "check_range" or instruction.out in wanted or (draws and drawn):
            first[instruction] = None
            wanted.update(instruction.args)
            drawn = drawn or draws
    return first


# ---------------------------------------------------------------------------------------------------------------- views


def view_of(instruction: Instruction, array: Any) -> Any:
    """The view of ``array``, never a scalar; ``None`` if the strides do not allow a view."""
    op, params = instruction.op, instruction.params
    if op == "getitem":
        index = params["index"] if isinstance(params["index"], tuple) else (params["index"],)
        return array[index if ... in index else (*index, ...)]
    if op == "reshape":
        try:
            return array.reshape(params["shape"], copy=False)
        except ValueError:
            return None
    if op == "broadcast_to" and not array.shape and not params["shape"]:
        return array  # NumPy's `broadcast_to` would return a scalar
    return compute(op, params, (array,))


# ------------------------------------------------------------------------------------------------- made at each call


def by_definition(instruction: Instruction, name: str, space: Any = NUMPY) -> Callable[..., Any]:
    """The function that computes an instruction of the program ``name`` in memory of its own, unless it is known to be
    a view."""
    op, params, viewed = instruction.op, instruction.params, is_view(instruction)

    def made_anew(*arrays: Any) -> Any:
        out = compute(op, params, arrays, space)
        shared = not viewed and (out.base is not None or any(out is array for array in arrays))
        return out.copy() if shared else out

    return translated(instruction, f"the compiled {name}", made_anew)


# --------------------------------------------------------------------------------------------------------------- memory


Block = tuple[int, int]
"""A part of a memory: how many bytes, and from where on."""


class Pool:
    """The blocks of a memory of ``size`` bytes, which grows as they are taken."""

    def __init__(self) -> None:
        self.size = 0
        self._free: list[Block] = []  # the smallest first

    def take(self, nbytes: int) -> Block:
        """A block of at least so many bytes: one that was given back, if its size fits, or a new one."""
        at = bisect_left(self._free, (nbytes, -1))
        if at < len(self._free) and self._free[at][0] <= max(2 * nbytes, 4096):
            return self._free.pop(at)
        start, count = self.size, -(-max(nbytes, 1) // ALIGNED) * ALIGNED
        self.size += count
        return count, start

    def give(self, block: Block) -> None:
        """Return a block to the pool."""
        insort(self._free, block)


class Plan:
    """The order of a program's instructions and the array of each value.

    ``homes``: the array of each state. ``arrays`` has an entry for every value with memory before the call; the others
    are made at each call. ``roots`` maps each value that shares the memory of another to that one: views, and values
    that are computed directly into a part of a larger buffer (``within``, with the buffer and the offset). ``copies``
    are the states whose new values are copied at the end.
    """

    def __init__(self, program: Program, homes: dict[Value, Any], has_kernel: Callable[[Instruction], bool]) -> None:
        self.program, self.homes = program, homes
        self._has_kernel = has_kernel
        self.order = schedule(program, has_kernel)
        self.arrays: dict[Value, Any] = dict(homes)
        self.copies: list[tuple[Value, Value]] = []
        self.pool = Pool()
        self.blocks: dict[Block, Any] = {}
        self._placed: dict[Any, Any] = {}
        self.arrays |= {v: numpy.asarray(v.data) for v in program.values() if v.kind == "constant"}
        self.arrays |= {v: numpy.zeros((), v.dtype) for v in program.values() if v.kind == "knob"}
        self._planned = self._find_planned()
        self.within = self._find_within()
        self.orders: dict[Value, tuple[int, ...]] = {}
        """For values that are not row-major: the order of their axes in memory."""
        self.roots: dict[Value, Value] = {}
        self._assign()

    # ---------------------------------------------------------------------------------- values that share their memory

    def _find_planned(self) -> set[Value]:
        """The temporaries that get an array before the call: results of kernels, and views of them. A view of an
        argument, or of an array that is made at each call, is made at each call."""
        found: set[Value] = set()
        for i in self.order:
            if (i.args[0] in found or i.args[0] in self.arrays) if is_view(i) else self._has_kernel(i):
                found.add(i.out)
        return found

    def _find_within(self) -> dict[Value, tuple[Value, int]]:
        """The values computed directly into a packed buffer, with their offsets. A buffer with a constant in it is kept
        for it alone, and the constant written once."""
        found: dict[Value, tuple[Value, int]] = {}
        computed = {i.out for i in self.order if not is_view(i) and i.op not in ("pack", "op")} & self._planned
        computed -= {*self.program.outputs, *self.program.updates.values()}
        for whole, arg, piece in [(i.out, *piece) for i in self.order if i.op == "pack" for piece in pieces_of(i)]:
            if arg.kind == "constant":
                buffer = self.arrays.setdefault(whole, aligned(whole.nbytes).view(whole.dtype))
                piece_of(buffer, **piece)[...] = arg.data
            elif arg in computed - found.keys():
                found[arg] = whole, piece["start"]
        return found

    def _order_of(self, instruction: Instruction) -> tuple[int, ...] | None:
        """The axes of a result in the memory order that NumPy takes from the argument; ``None`` for row-major."""
        out, axes = instruction.out, range(len(instruction.out.shape))
        if len(axes) < 3:
            return None
        long = [a for a in axes if out.shape[a] > 1]
        if instruction.op == "op":
            order = [a for a in OPS[instruction.params["name"]].order(len(axes)) if a in long]
        elif instruction.op in (*ELEMENTWISE, *REDUCTIONS, "where", "astype", "copy"):
            kept, like = [*axes], next((arg for arg in instruction.args if arg.shape == out.shape), None)
            if instruction.op in REDUCTIONS and not instruction.params["keepdims"]:
                (like,) = instruction.args
                gone = shapes.normalize_axes(instruction.params["axis"], len(like.shape))
                kept = [a for a in range(len(like.shape)) if a not in gone]
            if like not in self.arrays:
                return None
            strides = [abs(self.arrays[like].strides[a]) for a in kept]
            order = sorted(long, key=lambda a: -strides[a]) if all(strides[a] for a in long) else long
        else:
            return None
        return None if order == long else (*order, *(a for a in axes if out.shape[a] <= 1))

    def last_reads(self) -> dict[Value, int]:
        """The last read of the memory of each value; the end if results or states use it. A reshape counts as a view,
        even if it has to copy."""
        owners = roots(self.order, {value: whole for value, (whole, _) in self.within.items()})
        last: dict[Value, int] = {}
        for i, instruction in enumerate(self.order):
            for value in (*instruction.args, instruction.out):
                last[owners.get(value, value)] = i
        for value in (*self.program.outputs, *self.program.updates.values()):
            last[owners.get(value, value)] = len(self.order)
        return last | {value: last[owner] for value, owner in owners.items()}

    # ----------------------------------------------------------------------------------------------- memory of values

    def _assign(self) -> None:
        program, arrays = self.program, self.arrays
        last = self.last_reads()
        blocks: dict[Value, Block] = {}
        over: list[list[Value]] = [[] for _ in range(len(self.order) + 1)]
        for value, i in last.items():
            over[i].append(value)
        targets = {value: state for state, value in reversed(program.updates.items())}
        written: set[Value] = set()
        for i, instruction in enumerate(self.order):
            out, state = instruction.out, targets.get(instruction.out)
            if is_view(instruction):
                (arg,) = instruction.args
                if out in self._planned:
                    seen = view_of(instruction, arrays[arg])
                    arrays[out] = self._take(out, blocks) if seen is None else seen
                if out not in blocks:
                    self.roots[out] = self.roots.get(arg, arg)
            elif out in self.within:
                whole, start = self.within[out]
                self.roots[out] = whole
                if whole not in arrays:
                    arrays[whole] = self._take(whole, blocks)
                arrays[out] = piece_of(arrays[whole], start, out.shape)
            elif out in self._planned and out not in arrays:
                if (order := self._order_of(instruction)) is not None:
                    self.orders[out] = order
                if state is not None and self._may_write_home(instruction, state, i, last):
                    arrays[out] = self.homes[state]
                    written.add(state)
                elif (reused := self._reused(instruction, i, last, blocks)) is not None:
                    arrays[out], blocks[out] = arrays[reused], blocks.pop(reused)
                else:
                    arrays[out] = self._take(out, blocks)
            for value in over[i]:
                if value in blocks:
                    self.pool.give(blocks.pop(value))
        self.copies = [(s, v) for s, v in program.updates.items() if s not in written]

    def _take(self, out: Value, blocks: dict[Value, Block]) -> Any:
        nbytes, order = out.nbytes, self.orders.get(out)
        block = blocks[out] = self.pool.take(nbytes)
        shape = out.shape if order is None else tuple(out.shape[a] for a in order)
        key = block, shape, out.dtype
        if block not in self.blocks:
            self.blocks[block] = aligned(block[0])
        if key not in self._placed:  # NumPy recognizes operations in place by identical arguments
            self._placed[key] = self.blocks[block][:nbytes].view(out.dtype).reshape(shape)
        array = self._placed[key]
        return array if order is None else array.transpose(numpy.argsort(order))

    def _may_write_home(self, instruction: Instruction, state: Value, i: int, last: dict[Value, int]) -> bool:
        """Whether nothing needs the old value of ``state`` any more, except the call that replaces it."""
        home, out = self.homes[state], instruction.out
        if last.get(state, -1) > i or not isinstance(home, numpy.ndarray):
            return False
        if out in self.orders or not home.flags.c_contiguous:
            return False  # views of the value were planned with its own memory order
        own = [arg for arg in instruction.args if self.roots.get(arg, arg) is state]
        return not own or (instruction.op in ELEMENTWISE and all(self.arrays[arg] is home for arg in own))

    def _reused(
        self, instruction: Instruction, i: int, last: dict[Value, int], blocks: dict[Value, Block]
    ) -> Value | None:
        """The argument whose memory the result may reuse."""
        out, count = instruction.out, shapes.size(instruction.out.shape)
        if instruction.op not in (*ELEMENTWISE, *PARTIAL) or count <= 1:
            return None
        if instruction.op in ELEMENTWISE and any(1 < shapes.size(arg.shape) < count for arg in instruction.args):
            return None  # an operand that is broadcast is copied into the result first
        for arg in instruction.args[:1] if instruction.op in PARTIAL else instruction.args:
            if arg in blocks and last[arg] <= i and arg.shape == out.shape and arg.dtype == out.dtype:
                others = [a for a in instruction.args if a is not arg and self.roots.get(a, a) is arg]
                if not others and self.orders.get(arg) == self.orders.get(out):
                    return arg
        return None
