"""A plan as Python source: straight lines, one NumPy call each, with ``out=`` wherever NumPy has it."""

from __future__ import annotations

import itertools
import linecache
import weakref
from functools import partial
from typing import Any

import numpy

from glassgrad.autograd.common import shapes
from glassgrad.autograd.compiler.ir.inference import function_of
from glassgrad.autograd.compiler.ir.interpreter import translated
from glassgrad.autograd.compiler.ir.names import identifier
from glassgrad.autograd.compiler.ir.primitives import (
    ELEMENTWISE,
    REDUCTIONS,
    index_text,
    into,
    is_basic,
    is_view,
    pieces_of,
)
from glassgrad.autograd.compiler.ir.program import Instruction, Origin, Value, algebra
from glassgrad.autograd.compiler.targets.plan import Plan, by_definition
from glassgrad.autograd.ops.loops.scan import Loop, scan_into

WIDTH = 90
"""Comments are aligned without regard to lines of code that are longer."""

_numbers = itertools.count(1)


def load(source: str, scope: dict[str, Any], title: str, owner: Any) -> None:
    """Run ``source`` with ``scope`` as its globals. Tracebacks show its lines as long as ``owner`` lives."""
    file = f"<{title} {next(_numbers)}>"
    exec(compile(source, file, "exec"), scope)
    linecache.cache[file] = len(source), None, source.splitlines(True), file
    weakref.finalize(owner, linecache.cache.pop, file, None)


def kernel_of(instruction: Instruction) -> str | None:
    """The kernel for an instruction, a method of `Emitter`; ``None`` where it is computed by its definition."""
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
        return None if into(instruction) is None else "whole"
    if op in ("setitem", "add_at"):
        return "assigned" if len(instruction.args) == 2 and is_basic(instruction.params["index"]) else None
    if op in ("astype", "copy"):
        return "copied"
    return op if op in ("draw", "pack", "reshape", "take_sure", "where") else None


def has_kernel(instruction: Instruction) -> bool:
    """Whether an instruction can write its result into a given array."""
    return is_view(instruction) or kernel_of(instruction) is not None


def piece_text(whole: str, params: dict[str, Any]) -> str:
    """The expression for one piece of a flat buffer, reshaped."""
    start, shape = params["start"], tuple(params["shape"])
    part = f"{whole}[{start}:{start + shapes.size(shape)}]"
    return part if len(shape) == 1 else f"{part}.reshape({shape})"


class Emitter:
    """The source of one plan, and in ``scope`` its globals: the array that each name stands for, and functions.

    A view of another array is a line before the function, which runs once: ``flat = miss.reshape((4,))``.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan, self.program = plan, plan.program
        self.scope: dict[str, Any] = {}
        self.lines: list[tuple[str, str, Origin | None]] = []
        """The lines of code, each with its comment and the user's line that it computes."""
        self.origin: Origin | None = None
        self.names: dict[Value, str] = {}
        self.views: dict[str, tuple[str, str]] = {}
        """For each view: the name of its base, and the expression that makes it."""
        self.old: dict[Value, str] = {}
        self.makers = self.program.producers()
        self.written = {
            v: s for s, v in self.program.updates.items() if v is not s and plan.arrays.get(v) is plan.homes[s]
        }
        self.known: dict[str, Any] = {identifier(self.program.name): self.program}
        """What each name means."""
        for value in self.program.inputs:
            self.of(value)

    def source(self, carries: int | None = None) -> str:
        """The function as text. A step of a loop with ``carries`` returns arrays that the next step overwrites."""
        plan, program = self.plan, self.program
        for value in [v for v in plan.arrays if v.kind == "knob"]:
            self.line(f"{self.of(value)}[()] = {self._knob(value)}", remark="read at each call")
        opening = len(self.lines)
        for instruction in plan.order:
            self.origin = instruction.origin
            self.instruction(instruction)
        self.origin = None
        # States that could not be written earlier; old values that are still needed are copied first.
        copies = [(s, v) for s, v in self.plan.copies if s is not v]
        targets = {s for s, _ in copies}
        for value in dict.fromkeys([*(v for _, v in copies), *self.program.outputs]):
            if self.plan.roots.get(value, value) in targets:
                name = self.fresh(f"{self.of(value)}_before")
                self.line(f"{name} = {self.of(value)}.copy()", value.shape, "before it is written to")
                self.old[value] = name
        for state, value in copies:
            self.line(f"{self.of(state)}[...] = {self.old.get(value) or self.of(value)}", state.shape)
        returned: list[str] = []
        for n, value in enumerate(program.outputs):
            is_lent = carries is not None and (n >= carries or value in self.plan.arrays)
            text = self.of(value) if is_lent else self._returned(value)
            returned.append(f"{text}.copy()" if value.shape and text in returned and not is_lent else text)
        body = [*self._blocks(opening), f"return [{', '.join(returned)}]"]
        for whole, members in program.packed.items():
            for member, start in members if whole in self.names else ():
                text = piece_text(self.names[whole], {"start": start, "shape": member.shape})
                self.seen(member.name, self.names[whole], text)
        views = [f"{name} = {expression}" for name, (_, expression) in self.views.items()]
        views = ["# Views of other arrays, made once", *views, ""] if views else []
        text = "\n".join(f"    {line}".rstrip() for line in body)
        head = f"def {identifier(program.name)}({', '.join(map(self.of, program.inputs))}):"
        return "\n".join([*views, head, f"{text}\n"])

    # ----------------------------------------------------------------------------------------------------------- names

    def fresh(self, text: str, thing: Any = None) -> str:
        """A name for ``thing``, or for something new: ``text``, with underscores where it means something else."""
        name, thing = identifier(text), object() if thing is None else thing
        while self.known.setdefault(name, thing) is not thing:
            name += "_"
        return name

    def bind(self, text: str, thing: Any) -> str:
        """The name in the source that is bound to ``thing``: ``text``, or a free variant of it."""
        name = self.fresh(text, thing)
        self.scope[name] = thing
        return name

    def seen(self, text: str, base: str, expression: str) -> str:
        """The name of a view of ``base``, made by ``expression``: ``text``, or a free variant of it."""
        name = next((name for name, view in self.views.items() if view == (base, expression)), None)
        if name is None:
            self.views[name := self.fresh(text)] = base, expression
        return name

    def of(self, value: Value) -> str:
        """The name of a value's array, which is bound to it; or of a view, whose line is written."""
        if value not in self.names:
            maker, name = self.makers.get(value), value.name
            if value in self.written:
                self.names[value] = self.of(self.written[value])
                return self.names[value]
            if value.kind == "constant" and not value.shape:  # c_0_5 for 0.5
                name = f"c_{value.data!s}".replace("e-", "e_minus_").replace("-", "minus_")
                name = f"{name}_{value.dtype}" if identifier(name) in self.known else name
            elif maker is not None and maker.op == "permute_dims" and maker.params["axes"] == (1, 0):
                name = f"{self.of(maker.args[0])}_T".removesuffix("_T_T")
            name = self.names[value] = self.fresh(name)
            if value not in self.plan.arrays:
                return name
            if value in self.plan.within:
                whole, start = self.plan.within[value]
                base = self.of(whole)
                self.views[name] = base, piece_text(base, {"start": start, "shape": value.shape})
            elif maker is not None and is_view(maker) and value in self.plan.roots:
                base = self.of(maker.args[0])
                self.views[name] = base, self._view_text(maker, base)
            else:
                self.scope[name] = self.plan.arrays[value]
        return self.names[value]

    def _view_text(self, instruction: Instruction, x: str) -> str:
        """The Python expression for a view."""
        op, params = instruction.op, instruction.params
        if op == "getitem":
            index = params["index"] if isinstance(params["index"], tuple) else (params["index"],)
            whole = (*index, ...) if not instruction.out.shape and ... not in index else params["index"]
            return f"{x}[{index_text(whole)}]"
        if op == "piece":
            return piece_text(x, params)
        if op == "permute_dims":
            axes = tuple(params["axes"])
            return f"{x}.T" if axes == tuple(range(len(axes)))[::-1] else f"{x}.transpose({axes})"
        if op == "broadcast_to":
            return f"{self.bind('broadcast_to', numpy.broadcast_to)}({x}, {tuple(params['shape'])})"
        return f"{x}.reshape({tuple(instruction.out.shape)})"

    # ----------------------------------------------------------------------------------------------------------- lines

    def line(self, text: str, shape: shapes.Shape | None = None, remark: str = "") -> None:
        """Add a line that writes an array of ``shape``."""
        self.lines.append((text, remark if shape is None else f"{shape} {remark}".rstrip(), self.origin))

    def _blocks(self, opening: int) -> list[str]:
        """The lines in blocks, each under a comment with the user's line that it computes; the ``opening`` ones have
        none.
        """
        origins = [origin for *_, origin in self.lines]
        for i in reversed(range(opening, len(origins) - 1)):  # lines without an origin join the next ones
            origins[i] = origins[i] or origins[i + 1]
        found: list[tuple[str, str]] = []
        last = None
        for (text, remark, _), origin in zip(self.lines, origins, strict=True):
            told = None if origin is None else str(origin)
            if told is not None and told != last:
                found += [("", ""), (f"# {_one_line(told)}", "")]
            last = told
            found.append((text, remark))
        width = max((len(text) for text, remark in found if remark and len(text) < WIDTH), default=0)
        return [f"{text:{width}}  # {_one_line(remark)}" if remark else text for text, remark in found]

    def _knob(self, value: Value) -> str:
        mapping, key = value.origin
        return f"{self.bind(f'{value.name}_of', mapping)}[{key!r}]"

    def _returned(self, value: Value) -> str:
        if value in self.old:
            return self.old[value] if value.shape else f"{self.old[value]}[()]"
        name = self.of(value)
        if value in self.plan.arrays or self.plan.roots.get(value, value).kind == "input":
            return f"{name}[()]" if not value.shape else f"{name}.copy()"
        return f"{self.bind('row_major', numpy.ascontiguousarray)}({name})" if len(value.shape) > 1 else name

    # ------------------------------------------------------------------------------------------------- instructions

    def instruction(self, instruction: Instruction) -> None:
        """The lines of one instruction."""
        out, plan = instruction.out, self.plan
        if out in plan.arrays:
            if not is_view(instruction) or out not in plan.roots:
                getattr(self, f"_{kernel_of(instruction)}")(instruction)
        elif instruction.op == "check_range":
            params = instruction.params
            check = self.bind("check_range", function_of("check_range"))
            refuse = self.bind(f"{out.name}_refuse", params["refuse"])
            options = "".join(f", {k}={v!r}" for k, v in params["options"].items())
            self.line(f"{check}({self.of(instruction.args[0])}, {params['stop']!r}, {refuse}{options})")
        elif is_view(instruction):
            self.line(f"{self.of(out)} = {self._view_text(instruction, self.of(instruction.args[0]))}", out.shape)
        else:  # into a new array
            args, name = [self.of(arg) for arg in instruction.args], self.of(out)
            function = self.bind(f"{name}_by", by_definition(instruction, self.program.name))
            self.line(f"{name} = {function}({', '.join(args)})", out.shape, algebra(instruction))

    def _elementwise(self, instruction: Instruction) -> None:
        name, out = instruction.op, instruction.out
        spread, target = self._spread(instruction), self.of(out)
        if spread is not None:
            self.line(f"{target}[...] = {self.of(spread)}", out.shape)
        args = [target if value is spread else self._operand(value, out) for value in instruction.args]
        last = f"out={target}" if name in ("maximum", "minimum") else target  # NumPy deprecates a third positional one
        self.line(f"{self.bind(name, getattr(numpy, name))}({', '.join([*args, last])})", out.shape)

    def _operand(self, value: Value, out: Value) -> str:
        """An operand; of one element as an array of shape (), which NumPy does not have to broadcast."""
        name, is_one = self.of(value), value.shape and shapes.size(value.shape) == 1
        if is_one and value in self.plan.arrays and out.shape != value.shape:
            return self.seen(f"{name}_number", name, f"{name}.reshape(())")
        return name

    def _spread(self, instruction: Instruction) -> Value | None:
        """An operand that is copied into the result first: broadcasting a bias in the call itself would take NumPy
        longer than both. ``None`` where there is none, or where the result lies in the memory of an operand or of a
        state.
        """
        out, arrays = instruction.out, self.plan.arrays
        long = [value for value in instruction.args if shapes.size(value.shape) > 1]
        repeated = [value for value in long if value.shape != out.shape]
        if len(repeated) != 1 or len(long) < 2 or any(value.dtype != out.dtype for value in instruction.args):
            return None
        others = [*(arrays[value] for value in long if value in arrays), *self.plan.homes.values()]
        return None if any(numpy.may_share_memory(arrays[out], other) for other in others) else repeated[0]

    def _copied(self, instruction: Instruction) -> None:
        out = instruction.out
        self.line(f"{self.of(out)}[{'...' if out.shape else '()'}] = {self.of(instruction.args[0])}", out.shape)

    def _where(self, instruction: Instruction) -> None:
        """`where`; ``x where condition, else 0`` by bits, multiplied by 0 or 1: a masked copy mispredicts branches."""
        (condition, x, y), out = instruction.args, instruction.out
        names, name, arrays = [self.of(value) for value in instruction.args], self.of(out), self.plan.arrays
        by_bits = _is_zero(y) and condition in arrays and x in arrays and out.dtype.itemsize in (1, 2, 4, 8)
        if by_bits and x.dtype == out.dtype and shapes.size(out.shape) > 1:
            call = f"{self.bind('multiply', numpy.multiply)}({self._bits(x)}, {names[0]}, {self._bits(out)})"
            self.line(call, out.shape, f"{names[1]} where {names[0]}, else 0")
            return
        self.line(f"{name}[...] = {names[2]}", out.shape)
        self.line(f"{self.bind('copyto', numpy.copyto)}({name}, {names[1]}, where={names[0]})", out.shape)

    def _bits(self, value: Value) -> str:
        """An array's bits as integers."""
        name = self.of(value)
        if value.dtype.kind in "iu":
            return name
        return self.seen(f"{name}_bits", name, f"{name}.view('i{value.dtype.itemsize}')")

    def _reduction(self, instruction: Instruction) -> None:
        (x,), out, params = instruction.args, instruction.out, instruction.params
        name, axis, target = self.of(x), params["axis"], self.of(out)
        axis = axis[0] if axis is not None and len(axis) == 1 else axis
        if instruction.op == "sum" and len(x.shape) > 2 and x.dtype.char in "fd":  # as eagerly, by BLAS: rounds less
            total = self.bind("sum_of", function_of("sum"))
            self.line(f"{target}[...] = {total}({name}, {axis}, None, {params['keepdims']})", out.shape)
            return
        ufunc = REDUCTIONS[instruction.op]
        function = self.bind(f"{ufunc}_reduce", getattr(numpy, ufunc).reduce)
        self.line(f"{function}({name}, {axis}, None, {target}{', True' * params['keepdims']})", out.shape)

    def _dot(self, instruction: Instruction) -> None:
        self.line("{}.dot({}, {})".format(*map(self.of, (*instruction.args, instruction.out))), instruction.out.shape)

    def _matmul(self, instruction: Instruction) -> None:
        given = ", ".join(map(self.of, (*instruction.args, instruction.out)))
        self.line(f"{self.bind('matmul', numpy.matmul)}({given})", instruction.out.shape)

    def _reshape(self, instruction: Instruction) -> None:
        """Copy a reshape that can't be a view."""
        out = instruction.out
        self.line(f"{self.of(out)}[...] = {self.of(instruction.args[0])}.reshape({out.shape})", out.shape)

    def _pack(self, instruction: Instruction) -> None:
        """Copy the parts that were not computed directly into the buffer."""
        name = self.of(instruction.out)
        for arg, params in pieces_of(instruction):
            if arg.kind != "constant" and self.plan.within.get(arg) != (instruction.out, params["start"]):
                target = self.seen(f"{name}_{params['start']}", name, piece_text(name, params))
                self.line(f"{target}[...] = {self.of(arg)}", arg.shape)

    def _take_sure(self, instruction: Instruction) -> None:
        name, places, target = map(self.of, (*instruction.args, instruction.out))
        self.line(f"{name}.take({places}, {instruction.params['axis']}, {target}, 'clip')", instruction.out.shape)

    def _assigned(self, instruction: Instruction) -> None:
        """Write or add to a part of an array, or of a copy if the array is still read."""
        (x, values), out = instruction.args, instruction.out
        name, index = self.of(out), instruction.params["index"]
        target = f"{name}[{index_text(index)}]"
        if self.plan.arrays.get(x) is not self.plan.arrays[out]:
            self.line(f"{name}[...] = {self.of(x)}", out.shape)
        self.line(f"{target} {'+=' if instruction.op == 'add_at' else '='} {self.of(values)}", values.shape)

    def _draw(self, instruction: Instruction) -> None:
        params, out = instruction.params, instruction.out
        function = self.bind(params["method"], getattr(params["generator"], params["method"]))
        dtype = self.bind(f"{params['dtype']}", params["dtype"].type)
        self.line(f"{function}(None, {dtype}, {self.of(out)})", out.shape, "random numbers")

    def _whole(self, instruction: Instruction) -> None:
        """Call the kernel of an operation."""
        out, args = self.of(instruction.out), [self.of(arg) for arg in instruction.args]
        name = self.bind(f"{instruction.params['name']}_into_{out}", into(instruction))
        self.line(f"{name}({', '.join([out, *args])})", instruction.out.shape, algebra(instruction))

    def _loop(self, instruction: Instruction) -> None:
        """Call a function that runs a loop and writes the results of all steps into a given array."""
        loop, out = instruction.params["options"]["loop"], self.of(instruction.out)
        run = translated(instruction, f"the compiled {self.program.name}", partial(scan_into, loop=loop))
        args = [self.of(arg) for arg in instruction.args]
        call = f"{self.bind(repr(loop), run)}({', '.join([out, *args])})"
        self.line(call, instruction.out.shape, f"{loop.length} steps of {loop.ran.name}")


def _is_zero(value: Value) -> bool:
    """Whether a value is the constant number 0, not -0."""
    return value.kind == "constant" and not value.shape and not numpy.asarray(value.data).tobytes().strip(b"\0")


def _one_line(text: str) -> str:
    """``text`` without line breaks, which would end the comment."""
    return " ".join(text.split())
