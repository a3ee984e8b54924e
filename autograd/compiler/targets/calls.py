"""The NumPy calls that compute an instruction into its array: a writer for each kind, and the choice of the fastest."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy

from glassgrad.autograd.common import shapes
from glassgrad.autograd.compiler.ir.primitives import (
    ELEMENTWISE,
    REDUCTIONS,
    Slot,
    index_text,
    into,
    is_basic,
    is_view,
    piece_of,
    pieces_of,
)
from glassgrad.autograd.compiler.ir.program import Instruction, Value, algebra
from glassgrad.autograd.compiler.passes.optimize import ADDENDS
from glassgrad.autograd.compiler.targets.writer import Writer, piece_text
from glassgrad.autograd.ops.loops.scan import Loop, scan_into

Kernel = Callable[[Writer, Instruction], None]

# Costs in nanoseconds, measured on one machine and rounded: they only decide which of two ways is faster.
CALL = 500
"""A call of a NumPy function on small arrays."""
LOOP = 4
"""An inner loop of an elementwise call."""
REDUCED_LOOP = {"max": 30, "min": 30, "sum": 9, "prod": 9, "any": 20, "all": 20}
"""An inner loop of a reduction."""
ENTRY = 0.4
"""An entry that is not adjacent to the previous one."""
SLICES = 32
"""The largest number of slices that are reduced one after another."""
SELECTED = 512
"""From this number of entries on, ``where`` computes with bits: a masked copy mispredicts branches."""


def kernel_of(instruction: Instruction) -> str | None:
    """The kernel for an instruction, or ``None`` where it is computed by its definition."""
    op, out = instruction.op, instruction.out
    if op in ELEMENTWISE:
        return None if op == "power" and out.dtype.kind in "iu" else "elementwise"  # it raises for negative exponents
    if op in REDUCTIONS and (op not in ("sum", "prod") or out.dtype == instruction.args[0].dtype):
        return "reduction"
    if op == "matmul":
        return "dot" if all(len(a.shape) <= 2 for a in instruction.args) else "matmul"
    if op == "draw":
        method, kind = instruction.params["method"], out.dtype.char
        plain = method in ("random", "standard_normal", "standard_exponential") and not instruction.params["options"]
        return "draw" if plain and kind in "fd" else None
    if op in ("concat", "stack"):
        return op if _joined(instruction) is not None else None
    if op == "op":
        loop = instruction.params["options"].get("loop")
        if isinstance(loop, Loop):
            return None if loop.body.may_raise else "loop"
        return None if into(instruction) is None else op
    if op in ("setitem", "add_at"):
        return op if len(instruction.args) == 2 and is_basic(instruction.params["index"]) else None
    return op if op in KERNELS else None


def has_kernel(instruction: Instruction) -> bool:
    """Whether an instruction can write its result into a given array."""
    return is_view(instruction) or kernel_of(instruction) is not None


def _joined(instruction: Instruction) -> int | None:
    """The axis along which arrays of one dtype are joined, ``None`` for any other form of the call."""
    args, options = instruction.params["call"]
    count = len(instruction.args)
    plain = args == (tuple(map(Slot, range(count))),) and list(options) == ["axis"] and type(options["axis"]) is int
    alike = all(arg.dtype == instruction.out.dtype for arg in instruction.args)
    return options["axis"] % len(instruction.out.shape) if plain and alike and instruction.out.shape else None


# --------------------------------------------------------------------------------------------------------- elementwise


def _elementwise(writer: Writer, instruction: Instruction) -> None:
    name, out = instruction.op, instruction.out
    *args, target = [writer.of(value) for value in (*instruction.args, out)]
    last = f"out={target}" if name in ("maximum", "minimum") else target  # NumPy deprecates a third positional one
    call = f"{writer.bind(name, getattr(numpy, name))}({', '.join([*args, last])})"
    writer.line(call, out.shape)


def _astype(writer: Writer, instruction: Instruction) -> None:
    out = instruction.out
    writer.line(f"{writer.of(out)}[...] = {writer.of(instruction.args[0])}", out.shape)


def _where(writer: Writer, instruction: Instruction) -> None:
    """`where` by bits, multiplied by 0 or 1: a NaN or infinity that is not chosen has no effect."""
    (condition, x, y), out = instruction.args, instruction.out
    names = [writer.of(value) for value in instruction.args]
    name, arrays = writer.of(out), writer.plan.arrays
    itemsize, count = out.dtype.itemsize, shapes.size(out.shape)
    zero = _is_zero(y)
    known = all(value in arrays for value in (condition, x, y)) and itemsize in (1, 2, 4, 8)
    if not known or (x.dtype, y.dtype) != (out.dtype, out.dtype) or count < (2 if zero else SELECTED):
        writer.line(f"{name}[...] = {names[2]}", out.shape)
        writer.line(f"{writer.bind('copyto', numpy.copyto)}({name}, {names[1]}, where={names[0]})", out.shape)
        return
    x_, y_, out_ = (_bits(writer, value) for value in (x, y, out))
    multiply = writer.bind("multiply", numpy.multiply)
    if zero:
        writer.line(f"{multiply}({x_}, {names[0]}, {out_})", out.shape, f"{names[1]} where {names[0]}, else 0")
        return
    subtract, add = writer.bind("subtract", numpy.subtract), writer.bind("add", numpy.add)
    writer.line(f"{subtract}({x_}, {y_}, {out_})", out.shape, f"{names[1]} where {names[0]}, else {names[2]}")
    writer.line(f"{multiply}({out_}, {names[0]}, {out_})", out.shape)
    writer.line(f"{add}({out_}, {y_}, {out_})", out.shape)


def _is_zero(value: Value) -> bool:
    """Whether a value is the constant number 0, not -0."""
    return value.kind == "constant" and not value.shape and not numpy.asarray(value.data).tobytes().strip(b"\0")


def _bits(writer: Writer, value: Value) -> str:
    """An array's bits as integers."""
    name, array = writer.of(value), writer.plan.arrays[value]
    if value.dtype.kind in "iu":
        return name
    kind = f"i{value.dtype.itemsize}"
    bits = writer.once(array, kind, lambda: array.view(kind))
    return writer.seen(f"{name}_bits", bits, name, f"{name}.view({kind!r})")


# ---------------------------------------------------------------------------------------------------------- reductions


def _reduction(writer: Writer, instruction: Instruction) -> None:
    (x,), out, params = instruction.args, instruction.out, instruction.params
    if slices := _slices(writer, instruction):
        _reduce_slices(writer, instruction, slices)
        return
    if (matrix := _as_matrix(writer, instruction)) is not None:
        kept, count, array, text = matrix
        ones = writer.bind(f"ones_{count}", _ones(writer, count, x.dtype))
        rows = writer.seen(f"{writer.of(x)}_rows", array, writer.of(x), text)
        flat = writer.plan.arrays[out].reshape(kept)
        target = writer.of(out)
        if len(out.shape) != 1:
            target = writer.seen(f"{target}_flat", flat, target, f"{target}.reshape({kept})")
        writer.line(f"{rows}.dot({ones}, {target})", flat.shape, "a sum as a product")
        return
    ufunc = REDUCTIONS[instruction.op]
    function = writer.bind(f"{ufunc}_reduce", getattr(numpy, ufunc).reduce)
    name, axis = writer.of(x), params["axis"]
    axis = axis[0] if axis is not None and len(axis) == 1 else axis
    kept_axes = ", True" if params["keepdims"] else ""
    writer.line(f"{function}({name}, {axis}, None, {writer.of(out)}{kept_axes})", out.shape)


def _loops(shape: shapes.Shape, *strides: Sequence[int]) -> int:
    """The number of inner loops that NumPy runs over arrays of these strides; it merges contiguous axes."""
    axes = sorted((a for a, n in enumerate(shape) if n > 1), key=lambda a: sum(abs(s[a]) for s in strides))
    inner = 1
    for i, axis in enumerate(axes):
        if i and any(s[axis] != s[axes[i - 1]] * shape[axes[i - 1]] for s in strides):
            break
        inner *= shape[axis]
    return shapes.size(shape) // inner


def _slices(writer: Writer, instruction: Instruction) -> list[tuple[Any, ...]]:
    """The indices of slices to reduce one after the other, where that is faster: few slices of a large array."""
    (x,), op = instruction.args, instruction.op
    array, out = writer.plan.arrays.get(x), writer.plan.arrays[instruction.out]
    axes = shapes.normalize_axes(instruction.params["axis"], len(x.shape))
    count = shapes.size(x.shape, axes)
    fits = not instruction.params["keepdims"] and 2 <= count <= SLICES and 0 not in x.shape
    if array is None or not fits or x.dtype.kind == "c" or x.dtype.char == "e":  # NumPy sums float16 in float32
        return []
    rest = iter(out.strides)
    spread = [0 if a in axes else next(rest) for a in range(len(x.shape))]
    whole = 2 * CALL + _loops(x.shape, array.strides, spread) * REDUCED_LOOP[op] + array.size * ENTRY / 2
    strides = [s for a, s in enumerate(array.strides) if a not in axes]
    apart = (count - (op != "sum")) * (CALL + _loops(out.shape, strides, out.strides) * LOOP + out.size * ENTRY)
    if 1.3 * apart > whole:
        return []
    choices: Iterator[Sequence[Any]] = (range(n) if a in axes else (slice(None),) for a, n in enumerate(x.shape))
    return [(*index, ...) for index in itertools.product(*choices)]


def _reduce_slices(writer: Writer, instruction: Instruction, slices: Sequence[tuple[Any, ...]]) -> None:
    (x,), out = instruction.args, instruction.out
    array, name, target = writer.plan.arrays[x], writer.of(x), writer.of(out)
    ufunc = REDUCTIONS[instruction.op]
    function = writer.bind(ufunc, getattr(numpy, ufunc))
    letters = iter("ijklmn")
    axes = {a: next(letters) for a in shapes.normalize_axes(instruction.params["axis"], len(x.shape))}
    index = ", ".join([*(axes.get(a, ":") for a in range(len(x.shape))), *["..."] * (not out.shape)])
    turns = " ".join(f"for {letter} in range({x.shape[a]})" for a, letter in axes.items())
    told = f"[{name}[{index}] {turns}]"
    arrays = writer.once(array, str(slices), lambda: [array[index] for index in slices])
    parts = writer.seen(f"{name}_slices", arrays, name, told)
    place = "out=" if ufunc in ("maximum", "minimum") else ""
    writer.line(f"{function}({parts}[0], {parts}[1], {place}{target})", out.shape)
    if len(slices) > 2:
        writer.line(f"for part in {parts}[2:]: {function}({target}, part, {place}{target})", out.shape)
    if ufunc == "add" and out.dtype.kind == "f":
        writer.line(f"{function}({target}, 0, {target})", out.shape, "0 where all are -0")


def _as_matrix(writer: Writer, instruction: Instruction) -> tuple[shapes.Shape, int, Any, str] | None:
    """A sum over leading or trailing axes as a matrix times ones.

    Returns the number of results, the number of terms in each sum, the matrix (a view), and its expression.
    """
    (x,), out = instruction.args, instruction.out
    array = writer.plan.arrays.get(x)
    if instruction.op != "sum" or x.dtype.char not in "fd" or array is None or instruction.params["keepdims"]:
        return None
    gone = shapes.normalize_axes(instruction.params["axis"], len(x.shape))
    kept = tuple(a for a in range(len(x.shape)) if a not in gone)
    count = shapes.size(x.shape, gone)
    if len(x.shape) < 3 or not kept or 0 in x.shape or not 1 < count <= ADDENDS:
        return None
    shape = (shapes.size(out.shape), count)
    try:
        matrix = array.transpose((*kept, *gone)).reshape(shape, copy=False)
        writer.plan.arrays[out].reshape(shape[:1], copy=False)
    except ValueError:
        return None
    if not matrix.flags.forc:
        return None
    return shape[:1], count, matrix, f"{writer.of(x)}.transpose({(*kept, *gone)}).reshape({shape})"


def _ones(writer: Writer, count: int, dtype: Any) -> Any:
    return writer.ones.setdefault((count, dtype), numpy.ones(count, dtype))


# ------------------------------------------------------------------------------------------------------------ products


def _dot(writer: Writer, instruction: Instruction) -> None:
    first, second, target = map(writer.of, (*instruction.args, instruction.out))
    writer.line(f"{first}.dot({second}, {target})", instruction.out.shape)


def _matmul(writer: Writer, instruction: Instruction) -> None:
    """A stack of matrices times one matrix is one product if the rows of the stack are contiguous."""
    (x, y), out = instruction.args, instruction.out
    arrays, names = writer.plan.arrays, [writer.of(value) for value in (x, y, out)]
    if len(y.shape) == 2 and len(x.shape) > 2 and {x, y} <= arrays.keys() and arrays[y].flags.forc:
        left, target = arrays[x], arrays[out]
        if left.flags.c_contiguous and target.flags.c_contiguous and left.size and target.size:
            rows = [
                writer.seen(f"{name}_rows", array.reshape(-1, n), name, f"{name}.reshape(-1, {n})")
                for name, array in ((names[0], left), (names[2], target))
                for n in array.shape[-1:]
            ]
            writer.line(f"{rows[0]}.dot({names[1]}, {rows[1]})", (left.size // x.shape[-1], out.shape[-1]))
            return
    writer.line(f"{writer.bind('matmul', numpy.matmul)}({', '.join(names)})", out.shape)


# ------------------------------------------------------------------------------------------------- moving and picking


def _copied(writer: Writer, instruction: Instruction) -> None:
    """Copy a reshape that can't be a view. A contiguous result is written in the argument's shape."""
    (x,), out = instruction.args, instruction.out
    assert instruction.op == "reshape", instruction
    target, source, array = writer.of(out), writer.of(x), writer.plan.arrays[out]
    if x.shape != out.shape and array.flags.c_contiguous:
        target = writer.seen(f"{target}_as", array.reshape(x.shape), target, f"{target}.reshape({x.shape})")
    elif x.shape != out.shape:
        source = f"{source}.reshape({out.shape})"
    writer.line(f"{target}[...] = {source}", x.shape if array.flags.c_contiguous else out.shape)


def _pack(writer: Writer, instruction: Instruction) -> None:
    """Copy the parts that were not computed directly into the buffer."""
    name, whole = writer.of(instruction.out), writer.plan.arrays[instruction.out]
    for arg, params in pieces_of(instruction):
        piece = piece_of(whole, **params)
        if arg not in writer.plan.placed or not numpy.shares_memory(writer.plan.arrays[arg], piece):
            target = writer.seen(f"{name}_{params['start']}", piece, name, piece_text(name, params))
            writer.line(f"{target}[...] = {writer.of(arg)}", arg.shape)


def _take(writer: Writer, instruction: Instruction) -> None:
    (x, indices), out, axis = instruction.args, instruction.out, instruction.params["axis"]
    name, places, target = writer.of(x), writer.of(indices), writer.of(out)
    writer.line(f"{name}.take({places}, {axis}, {target}, 'clip')", out.shape)


def _join(writer: Writer, instruction: Instruction) -> None:
    """Copy each array into its part of the result."""
    name = writer.of(instruction.out)
    for arg, index in zip(instruction.args, _parts_of(instruction), strict=True):
        if shapes.size(arg.shape):
            writer.line(f"{name}[{index_text(index)}] = {writer.of(arg)}", arg.shape)


def _parts_of(instruction: Instruction) -> Iterator[tuple[Any, ...]]:
    axis = _joined(instruction)
    assert axis is not None
    before: tuple[Any, ...] = (slice(None),) * axis
    start = 0
    for i, arg in enumerate(instruction.args):
        if instruction.op == "stack":
            yield (*before, i)
        else:
            yield (*before, slice(start, start + arg.shape[axis]))
            start += arg.shape[axis]


def _setitem(writer: Writer, instruction: Instruction) -> None:
    """Write or add to a part of an array, or of a copy if the array is still read."""
    (x, values), out = instruction.args, instruction.out
    name, index = writer.of(out), instruction.params["index"]
    target = f"{name}[{index_text(index)}]"
    if writer.plan.arrays.get(x) is not writer.plan.arrays[out]:
        writer.line(f"{name}[...] = {writer.of(x)}", out.shape)
    writer.line(f"{target} {'+=' if instruction.op == 'add_at' else '='} {writer.of(values)}", values.shape)


def _draw(writer: Writer, instruction: Instruction) -> None:
    params, out = instruction.params, instruction.out
    name = writer.of(out)
    function = writer.bind(params["method"], getattr(params["generator"], params["method"]))
    dtype = writer.bind(f"{params['dtype']}", params["dtype"].type)
    place = f"out={name}" if params["method"] == "standard_exponential" else name
    writer.line(f"{function}(None, {dtype}, {place})", out.shape, "random numbers")


def _whole(writer: Writer, instruction: Instruction) -> None:
    """Call the kernel of an operation."""
    out, args = writer.of(instruction.out), [writer.of(arg) for arg in instruction.args]
    name = writer.bind(f"{instruction.params['name']}_into_{out}", into(instruction))
    writer.line(f"{name}({', '.join([out, *args])})", instruction.out.shape, algebra(instruction))


def _loop(writer: Writer, instruction: Instruction) -> None:
    """A function that runs a loop and writes the results of all steps into a given array."""
    loop, name = instruction.params["options"]["loop"], writer.of(instruction.out)
    function = writer.bind(repr(loop), partial(scan_into, loop=loop))
    args = [writer.of(arg) for arg in instruction.args]
    told = f"{loop.length} steps of {loop.body.name}"
    writer.line(f"{function}({', '.join([name, *args])})", instruction.out.shape, told)


KERNELS: dict[str, Kernel] = {
    "add_at": _setitem,
    "astype": _astype,
    "concat": _join,
    "copy": _astype,
    "dot": _dot,
    "op": _whole,
    "draw": _draw,
    "elementwise": _elementwise,
    "loop": _loop,
    "matmul": _matmul,
    "pack": _pack,
    "reduction": _reduction,
    "reshape": _copied,
    "setitem": _setitem,
    "stack": _join,
    "take_sure": _take,
    "where": _where,
}
