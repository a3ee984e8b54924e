"""The NumPy calls that compute an instruction into its array: a writer for each kind."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy

from glassgrad.autograd.common import shapes
from glassgrad.autograd.compiler.ir.inference import function_of
from glassgrad.autograd.compiler.ir.interpreter import translated
from glassgrad.autograd.compiler.ir.primitives import (
    ELEMENTWISE,
    REDUCTIONS,
    index_text,
    into,
    is_basic,
    is_view,
    pieces_of,
)
from glassgrad.autograd.compiler.ir.program import Instruction, Value, algebra
from glassgrad.autograd.compiler.targets.writer import Writer, piece_text
from glassgrad.autograd.ops.loops.scan import Loop, scan_into

Kernel = Callable[[Writer, Instruction], None]


def kernel_of(instruction: Instruction) -> str | None:
    """The kernel for an instruction, or ``None`` where it is computed by its definition."""
    op, out = instruction.op, instruction.out
    if op in ELEMENTWISE:
        return None if op == "power" and out.dtype.kind in "iu" else "elementwise"  # it raises for negative exponents
    if op in REDUCTIONS and (op not in ("sum", "prod") or out.dtype == instruction.args[0].dtype):
        return "reduction"
    if op == "matmul":
        return "dot" if all(len(a.shape) <= 2 for a in instruction.args) else "matmul"
    if op == "op":
        if isinstance(instruction.params["options"].get("loop"), Loop):
            return "loop"
        return None if into(instruction) is None else op
    if op in ("setitem", "add_at"):
        return op if len(instruction.args) == 2 and is_basic(instruction.params["index"]) else None
    return op if op in KERNELS else None


def has_kernel(instruction: Instruction) -> bool:
    """Whether an instruction can write its result into a given array."""
    return is_view(instruction) or kernel_of(instruction) is not None


# --------------------------------------------------------------------------------------------------------- elementwise


def _elementwise(writer: Writer, instruction: Instruction) -> None:
    name, out = instruction.op, instruction.out
    spread, target = _spread(writer, instruction), writer.of(out)
    if spread is not None:
        writer.line(f"{target}[...] = {writer.of(spread)}", out.shape)
    args = [target if value is spread else writer.of(value) for value in instruction.args]
    last = f"out={target}" if name in ("maximum", "minimum") else target  # NumPy deprecates a third positional one
    call = f"{writer.bind(name, getattr(numpy, name))}({', '.join([*args, last])})"
    writer.line(call, out.shape)


def _spread(writer: Writer, instruction: Instruction) -> Value | None:
    """An operand that is copied into the result first: broadcasting a bias in the call itself would take NumPy longer
    than both. ``None`` where there is none, or where the result lies in the memory of an operand or of a state.
    """
    out, arrays = instruction.out, writer.plan.arrays
    long = [value for value in instruction.args if shapes.size(value.shape) > 1]
    repeated = [value for value in long if value.shape != out.shape]
    if len(repeated) != 1 or len(long) < 2 or any(value.dtype != out.dtype for value in instruction.args):
        return None
    others = [*(arrays[value] for value in long if value in arrays), *writer.plan.homes.values()]
    return None if any(numpy.may_share_memory(arrays[out], other) for other in others) else repeated[0]


def _astype(writer: Writer, instruction: Instruction) -> None:
    out = instruction.out
    place = "..." if out.shape else "()"
    writer.line(f"{writer.of(out)}[{place}] = {writer.of(instruction.args[0])}", out.shape)


def _where(writer: Writer, instruction: Instruction) -> None:
    """`where`; ``x where condition, else 0`` by bits, multiplied by 0 or 1: a masked copy mispredicts branches."""
    (condition, x, y), out = instruction.args, instruction.out
    names, name, arrays = [writer.of(value) for value in instruction.args], writer.of(out), writer.plan.arrays
    by_bits = _is_zero(y) and condition in arrays and x in arrays and out.dtype.itemsize in (1, 2, 4, 8)
    if by_bits and x.dtype == out.dtype and shapes.size(out.shape) > 1:
        call = f"{writer.bind('multiply', numpy.multiply)}({_bits(writer, x)}, {names[0]}, {_bits(writer, out)})"
        writer.line(call, out.shape, f"{names[1]} where {names[0]}, else 0")
        return
    writer.line(f"{name}[...] = {names[2]}", out.shape)
    writer.line(f"{writer.bind('copyto', numpy.copyto)}({name}, {names[1]}, where={names[0]})", out.shape)


def _is_zero(value: Value) -> bool:
    """Whether a value is the constant number 0, not -0."""
    return value.kind == "constant" and not value.shape and not numpy.asarray(value.data).tobytes().strip(b"\0")


def _bits(writer: Writer, value: Value) -> str:
    """An array's bits as integers."""
    name = writer.of(value)
    if value.dtype.kind in "iu":
        return name
    kind = f"i{value.dtype.itemsize}"
    return writer.seen(f"{name}_bits", name, f"{name}.view({kind!r})")


# ---------------------------------------------------------------------------------------------------------- reductions


def _reduction(writer: Writer, instruction: Instruction) -> None:
    (x,), out, params = instruction.args, instruction.out, instruction.params
    name, axis, target = writer.of(x), params["axis"], writer.of(out)
    axis = axis[0] if axis is not None and len(axis) == 1 else axis
    if instruction.op == "sum" and len(x.shape) > 2 and x.dtype.char in "fd":  # as eagerly, by BLAS, which rounds less
        total = writer.bind("sum_of", function_of("sum"))
        writer.line(f"{target}[...] = {total}({name}, {axis}, None, {params['keepdims']})", out.shape)
        return
    ufunc = REDUCTIONS[instruction.op]
    function = writer.bind(f"{ufunc}_reduce", getattr(numpy, ufunc).reduce)
    kept_axes = ", True" if params["keepdims"] else ""
    writer.line(f"{function}({name}, {axis}, None, {target}{kept_axes})", out.shape)


# ------------------------------------------------------------------------------------------------------------ products


def _dot(writer: Writer, instruction: Instruction) -> None:
    x, y, target = [writer.of(value) for value in (*instruction.args, instruction.out)]
    writer.line(f"{x}.dot({y}, {target})", instruction.out.shape)


def _matmul(writer: Writer, instruction: Instruction) -> None:
    given = ", ".join(map(writer.of, (*instruction.args, instruction.out)))
    writer.line(f"{writer.bind('matmul', numpy.matmul)}({given})", instruction.out.shape)


# ------------------------------------------------------------------------------------------------- moving and picking


def _reshape(writer: Writer, instruction: Instruction) -> None:
    """Copy a reshape that can't be a view."""
    out = instruction.out
    writer.line(f"{writer.of(out)}[...] = {writer.of(instruction.args[0])}.reshape({out.shape})", out.shape)


def _pack(writer: Writer, instruction: Instruction) -> None:
    """Copy the parts that were not computed directly into the buffer."""
    name = writer.of(instruction.out)
    for arg, params in pieces_of(instruction):
        if writer.plan.within.get(arg) != (instruction.out, params["start"]):
            target = writer.seen(f"{name}_{params['start']}", name, piece_text(name, params))
            writer.line(f"{target}[...] = {writer.of(arg)}", arg.shape)


def _take(writer: Writer, instruction: Instruction) -> None:
    (x, indices), out, axis = instruction.args, instruction.out, instruction.params["axis"]
    name, places, target = writer.of(x), writer.of(indices), writer.of(out)
    writer.line(f"{name}.take({places}, {axis}, {target}, 'clip')", out.shape)


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
    writer.line(f"{function}(None, {dtype}, {name})", out.shape, "random numbers")


def _whole(writer: Writer, instruction: Instruction) -> None:
    """Call the kernel of an operation."""
    out, args = writer.of(instruction.out), [writer.of(arg) for arg in instruction.args]
    name = writer.bind(f"{instruction.params['name']}_into_{out}", into(instruction))
    writer.line(f"{name}({', '.join([out, *args])})", instruction.out.shape, algebra(instruction))


def _loop(writer: Writer, instruction: Instruction) -> None:
    """A function that runs a loop and writes the results of all steps into a given array."""
    loop, name = instruction.params["options"]["loop"], writer.of(instruction.out)
    run = translated(instruction, f"the compiled {writer.program.name}", partial(scan_into, loop=loop))
    function = writer.bind(repr(loop), run)
    args = [writer.of(arg) for arg in instruction.args]
    told = f"{loop.length} steps of {loop.ran.name}"
    writer.line(f"{function}({', '.join([name, *args])})", instruction.out.shape, told)


KERNELS: dict[str, Kernel] = {
    "add_at": _setitem,
    "astype": _astype,
    "copy": _astype,
    "dot": _dot,
    "op": _whole,
    "draw": _draw,
    "elementwise": _elementwise,
    "loop": _loop,
    "matmul": _matmul,
    "pack": _pack,
    "reduction": _reduction,
    "reshape": _reshape,
    "setitem": _setitem,
    "take_sure": _take,
    "where": _where,
}
