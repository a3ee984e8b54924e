"""Where each value of a program lies: buffers reused as soon as nobody reads them, results written in place.

A plan goes through the instructions in an order of its own (checks first, updates as early as they may be) and gives
every value an array that exists before the first call, or says that it is made anew at each call.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy

from autograd import shapes
from autograd.compiler.ir.primitives import EFFECTS, ELEMENTWISE, REDUCTIONS, VIEWS, Slot, compute
from autograd.compiler.ir.program import Instruction, Program, Value

PYTHONS = frozenset(("add", "subtract", "multiply", "negative", "astype"))
"""What Python's arithmetic does with single numbers as NumPy does."""

ALIGNED = 64
"""Buffers begin at multiples of this many bytes: a line of the cache."""


def aligned(nbytes: int) -> Any:
    """Bytes of memory that begin at a line of the cache."""
    raw = numpy.empty(nbytes + ALIGNED, numpy.uint8)
    start = -raw.ctypes.data % ALIGNED
    return raw[start : start + nbytes]


def schedule(program: Program, has_kernel: Callable[[Instruction], bool] = lambda _: True) -> list[Instruction]:
    """The instructions with checks and what they need first, and each update right after the last read of the old
    value, so that a gradient lives no longer than it must; but behind all that may raise (what has no kernel)."""
    producers = program.producers()
    first: dict[Instruction, None] = {}
    wanted: set[Value] = set()
    drawn = False
    for instruction in program.instructions[::-1]:
        draws = instruction.op == "draw"
        if instruction.op == "check_range" or instruction.out in wanted or (draws and drawn):
            first[instruction] = None
            wanted.update(instruction.args)
            drawn = drawn or draws  # those before it come before it, too
    order = [*reversed(first), *(i for i in program.instructions if i not in first)]
    roots = _roots(order)
    for state, value in program.updates.items():
        update = producers.get(value)
        if update is None or update in first or update.op not in ELEMENTWISE:
            continue
        before = order.index(update)
        order.remove(update)
        place = 0
        for i, other in enumerate(order):
            made = other.out in update.args
            reads = any(roots.get(arg, arg) is state for arg in other.args)
            if made or reads or not has_kernel(other):
                place = i + 1
        read = any(value in other.args for other in order[before:place])
        order.insert(before if read else place, update)
    return order


def _is_basic(index: Any) -> bool:
    parts = index if isinstance(index, tuple) else (index,)
    return all(p is None or p is ... or isinstance(p, int | slice) for p in parts) and not _has_slots(index)


def _has_slots(index: Any) -> bool:
    if isinstance(index, slice):
        return _has_slots((index.start, index.stop, index.step))
    return type(index) is Slot or (isinstance(index, tuple | list) and any(map(_has_slots, index)))


def is_view(instruction: Instruction) -> bool:
    """Whether an instruction only sees its argument otherwise, where memory allows it."""
    return instruction.op in VIEWS or (
        instruction.op == "getitem" and len(instruction.args) == 1 and _is_basic(instruction.params["index"])
    )


def view_of(instruction: Instruction, array: Any) -> Any:
    """What a view shows of ``array``: an array also where the shape is ()."""
    op, params = instruction.op, instruction.params
    if op == "getitem":
        index = params["index"] if isinstance(params["index"], tuple) else (params["index"],)
        return array[index if ... in index else (*index, ...)]
    if op == "piece":
        return compute(op, params, (array,))
    if op == "broadcast_to":
        return numpy.broadcast_to(array, params["shape"])
    return array.reshape(params["shape"]) if op == "reshape" else array.transpose(params["axes"])


def _roots(order: Sequence[Instruction]) -> dict[Value, Value]:
    """The value whose memory each view shows."""
    roots: dict[Value, Value] = {}
    for instruction in order:
        if is_view(instruction):
            arg = instruction.args[0]
            roots[instruction.out] = roots.get(arg, arg)
    return roots


class Pool:
    """Blocks of memory, given out, taken back and given out again."""

    def __init__(self) -> None:
        self.free: list[Any] = []
        self.arrays: dict[Any, Any] = {}
        self.nbytes = 0

    def take(self, shape: shapes.Shape, dtype: Any) -> tuple[Any, Any]:
        """A block and the array of ``shape`` in it; the same array object for the same use of a block."""
        nbytes = max(shapes.size(shape) * dtype.itemsize, 1)
        fitting = [block for block in self.free if nbytes <= block.nbytes <= max(2 * nbytes, 4096)]
        if fitting:
            block = min(fitting, key=lambda b: b.nbytes)
            self.free = [b for b in self.free if b is not block]
        else:
            block = aligned(nbytes)
            self.nbytes += nbytes
        key = id(block), shape, dtype
        if key not in self.arrays:
            array = block[: shapes.size(shape) * dtype.itemsize].view(dtype).reshape(shape)
            self.arrays[key] = block, array
        return self.arrays[key]  # type: ignore[no-any-return]

    def give(self, block: Any) -> None:
        """Take a block back."""
        self.free.append(block)


class Plan:
    """The order of a program's instructions and the array of each value.

    ``homes``: the array of each state. ``arrays`` has an entry for every value that lies somewhere before the call;
    ``made`` are those made at each call; ``copies`` the states that take their value at the end.
    """

    def __init__(self, program: Program, homes: dict[Value, Any], has_kernel: Callable[[Instruction], bool]) -> None:
        self.program, self.homes = program, homes
        self.order = schedule(program, has_kernel)
        self.roots = _roots(self.order)
        self.arrays: dict[Value, Any] = dict(homes)
        self.copies: list[tuple[Value, Value]] = []
        self.numbers = self._numbers()
        self.placed: set[Value] = set()
        self._transposes: dict[int, tuple[Any, Any]] = {}
        self.pool = Pool()
        self.in_place = 0
        self._has_kernel = has_kernel
        self._assign()

    def _assign(self) -> None:
        program, arrays = self.program, self.arrays
        for value in program.values():
            if value.kind == "constant":
                data = numpy.asarray(value.data)
                arrays[value] = numpy.ascontiguousarray(data.T).T if value in program.flipped else data
            elif value.kind == "knob":
                arrays[value] = numpy.zeros((), value.dtype)
        roots: dict[Value, Value] = {}
        last = self.last_reads()
        blocks: dict[Value, Any] = {}
        targets = {value: state for state, value in reversed(program.updates.items())}
        written: set[Value] = set()
        within = self._within(last)
        for i, instruction in enumerate(self.order):
            out = instruction.out
            if out in self.numbers:
                arrays[out] = numpy.zeros((), out.dtype)
                continue
            if is_view(instruction):
                source = arrays.get(instruction.args[0])
                if source is None:
                    continue
                seen = view_of(instruction, source)
                if not seen.size or numpy.shares_memory(seen, source):
                    arrays[out] = seen
                    roots[out] = roots.get(instruction.args[0], instruction.args[0])
                    continue
            elif not self._has_kernel(instruction):
                continue
            if instruction.op in ("pack", "with_ones") and out in arrays:
                continue
            if instruction.op == "with_ones":
                arrays[out] = self._with_ones(out)
                continue
            if out in within:
                whole, start, flip = within[out]
                if start < 0:
                    arrays[whole] = self._with_ones(whole)
                    arrays[out] = arrays[whole][:, :-1]
                else:
                    if whole not in arrays:
                        blocks[whole], arrays[whole] = self.pool.take(whole.shape, whole.dtype)
                    piece = {"start": start, "shape": out.shape, "flip": flip}
                    arrays[out] = compute("piece", piece, (arrays[whole],))
                self.placed.add(out)
                self._give_back(blocks, last, i, out)
                continue
            state = targets.get(out)
            if state is not None and self._may_write_home(instruction, state, i, last, roots):
                arrays[out] = self.homes[state]
                written.add(state)
                continue
            reused = self._reused(instruction, i, last, roots, blocks)
            if reused is not None:
                arrays[out], blocks[out] = arrays[reused], blocks.pop(reused)
                self.in_place += 1
            else:
                shape = out.shape[::-1] if out in program.flipped else out.shape
                blocks[out], arrays[out] = self.pool.take(shape, out.dtype)
                if out in program.flipped:
                    arrays[out] = self._transpose(arrays[out])
            self._give_back(blocks, last, i, out)
        self.copies = [(s, v) for s, v in program.updates.items() if s not in written]

    def _give_back(self, blocks: dict[Value, Any], last: dict[Value, int], i: int, out: Value) -> None:
        for value in [v for v in blocks if last.get(v, -1) <= i and v is not out]:
            self.pool.give(blocks.pop(value))

    def turned(self, value: Value) -> Any:
        """The transpose of a value's array: one object for one array, so that NumPy sees what is in place."""
        return self._transpose(self.arrays[value])

    def _transpose(self, array: Any) -> Any:
        if id(array) not in self._transposes:
            other = array.T
            self._transposes[id(array)], self._transposes[id(other)] = (array, other), (other, array)
        return self._transposes[id(array)][1]

    def _with_ones(self, out: Value) -> Any:
        """A buffer of its own, transposed, whose last column is 1 from now on."""
        rows, columns = out.shape
        block = aligned(shapes.size(out.shape) * out.dtype.itemsize).view(out.dtype).reshape(columns, rows)
        block[-1] = 1
        return block.T

    def _within(self, last: dict[Value, int]) -> dict[Value, tuple[Value, int, bool]]:
        """For what is only made to be packed, where it is to be written in the buffer."""
        found: dict[Value, tuple[Value, int, bool]] = {}
        kept = {*self.program.outputs, *self.program.updates.values()}
        makers = {i.out: i for i in self.order}
        for instruction in self.order:
            if instruction.op == "with_ones":
                arg = instruction.args[0]
                maker = makers.get(arg)
                if maker is not None and not is_view(maker) and self._has_kernel(maker) and arg not in kept:
                    found.setdefault(arg, (instruction.out, -1, True))
            if instruction.op != "pack":
                continue
            start = 0
            for arg, flip in zip(instruction.args, instruction.params["flips"], strict=True):
                maker = makers.get(arg)
                if maker is not None and not is_view(maker) and self._has_kernel(maker) and arg not in kept:
                    found.setdefault(arg, (instruction.out, start, flip))
                start += shapes.size(arg.shape)
        for arg, (whole, _, _) in found.items():  # the buffer is needed as long as what lies in it
            last[whole] = max(last[whole], last[arg])
        return found

    def _numbers(self) -> dict[Value, Instruction]:
        """What is computed of knobs and numbers alone, and is left to Python's arithmetic."""
        found: dict[Value, Instruction] = {}
        for instruction in self.order:
            out, args = instruction.out, instruction.args
            if (
                not out.shape
                and out.dtype.kind == "f"
                and instruction.op in PYTHONS
                and all(a.kind in ("knob", "constant") or a in found for a in args)
                and any(a.kind == "knob" or a in found for a in args)
            ):
                found[out] = instruction
        return found

    def last_reads(self) -> dict[Value, int]:
        """Where each value, or a view of it, is read last."""
        roots = self.roots
        last: dict[Value, int] = {}
        for i, instruction in enumerate(self.order):
            for arg in instruction.args:
                last[arg] = last[roots.get(arg, arg)] = i
            last.setdefault(instruction.out, i)
        for value in [*self.program.outputs, *self.program.updates.values()]:
            last[value] = last[roots.get(value, value)] = len(self.order)
        return last

    def _may_write_home(
        self, instruction: Instruction, state: Value, i: int, last: dict[Value, int], roots: dict[Value, Value]
    ) -> bool:
        home = self.homes[state]
        own = [arg for arg in instruction.args if roots.get(arg, arg) is state]
        if last.get(state, -1) > i or not isinstance(home, numpy.ndarray):
            return False
        return not own or (instruction.op in ELEMENTWISE and all(self.arrays.get(arg) is home for arg in own))

    def _reused(
        self,
        instruction: Instruction,
        i: int,
        last: dict[Value, int],
        roots: dict[Value, Value],
        blocks: dict[Value, Any],
    ) -> Value | None:
        """The argument whose place the result may take."""
        out = instruction.out
        if instruction.op not in ELEMENTWISE or shapes.size(out.shape) <= 1:
            return None
        for arg in instruction.args:
            if arg in blocks and last[arg] <= i and arg.shape == out.shape and arg.dtype == out.dtype:
                others = [a for a in instruction.args if a is not arg and roots.get(a, a) is arg]
                if not others:
                    return arg
        return None


__all__ = ["EFFECTS", "REDUCTIONS", "Plan", "Pool", "is_view", "schedule"]
