"""A plan as Python source: straight lines, one operation each, with ``out=`` wherever NumPy has it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy

from autograd import shapes
from autograd.compiler.ir.primitives import ELEMENTWISE, INFIX, REDUCTIONS, compute, function_of
from autograd.compiler.ir.program import Instruction, Program, Value, algebra, identifier
from autograd.compiler.passes.optimize import optimize
from autograd.compiler.targets.plan import Plan, is_view
from autograd.memory import owner
from autograd.messages import in_words

FUNCTIONS = frozenset(
    (*ELEMENTWISE, *(f"{ufunc}_reduce" for ufunc in REDUCTIONS.values()), "copyto", "float", "float32", "float64")
)
"""What the source calls: no value has these names."""


def _number_name(value: Value) -> str:
    """What a constant that is a number is called: ``c_0_5`` for 0.5."""
    is_number = value.kind == "constant" and not value.shape
    return identifier(f"c_{value.data!s}".replace("e-", "e_minus_").replace("-", "minus_")) if is_number else ""


def _same(one: Any, other: Any) -> bool:
    return one is other or (callable(one) and callable(other) and bool(one == other))


class Emitter:
    """Source and the names in it, for one plan."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.program = plan, plan.program
        self.scope: dict[str, Any] = {}
        self.lines: list[tuple[str, str]] = []
        self.names: dict[Value, str] = {}
        self.before: dict[Value, str] = {}
        self.makers = self.program.producers()
        self.written = {
            v: s for s, v in self.program.updates.items() if v is not s and plan.arrays.get(v) is plan.homes[s]
        }
        self.taken = {self.program.name}
        for value in self.program.inputs:
            self.of(value)

    def fresh(self, name: str) -> str:
        """A name that nothing has in the source yet, ``name`` if it can be."""
        while name in self.taken or name in self.scope or name in FUNCTIONS:
            name += "_"
        self.taken.add(name)
        return name

    def bind(self, name: str, thing: Any) -> str:
        """Have ``name``, or one like it that is free, mean ``thing`` in the source; returns it."""
        while name in self.taken or not _same(self.scope.get(name, thing), thing):
            name += "_"
        self.scope[name] = thing
        return name

    def of(self, value: Value) -> str:
        """The name of a value's array."""
        if value not in self.names:
            if (source := self.transposed(value)) is not None:
                self.names[value] = self.turned(source)
                return self.names[value]
            if (state := self.written.get(value)) is not None:
                self.names[value] = self.of(state)
                return self.names[value]
            name = self.names[value] = self.fresh(_number_name(value) or value.name)
            if value in self.plan.arrays:
                self.scope[name] = self.plan.arrays[value]
        return self.names[value]

    def transposed(self, value: Value) -> Value | None:
        """The matrix that ``value`` is the transpose of, where both show one memory."""
        maker = self.makers.get(value)
        seen = maker is not None and maker.op == "permute_dims" and len(value.shape) == 2 and value in self.plan.arrays
        return maker.args[0] if maker is not None and seen else None

    def is_turned(self, value: Value) -> bool:
        """Whether a matrix is kept transposed."""
        return value in self.program.flipped and value in self.plan.arrays

    def turned(self, value: Value) -> str:
        """A value as it is beside a transposed matrix: a matrix transposed, a row upright."""
        source = self.transposed(value)
        if source is not None:
            return self.of(source)
        name = self.of(value)
        if len(value.shape) == 2:
            return self.bind(f"{name}_T", self.plan.turned(value)) if value in self.plan.arrays else f"{name}.T"
        if len(value.shape) == 1:
            if value in self.plan.arrays:
                return self.bind(f"{name}_upright", self.plan.arrays[value][:, None])
            return f"{name}[:, None]"
        return name

    def line(self, text: str, comment: str = "") -> None:
        """One more line."""
        self.lines.append((text, comment))

    def source(self) -> str:
        """The whole function as text."""
        plan, program = self.plan, self.program
        apart = _apart([plan.homes[state] for state in program.updates])
        for value in self._exposed():
            own = self.bind("apart", apart)
            self.line(f"{self.of(value)} = {own}({self.of(value)})", "a copy, if it is memory of a state")
        read = {arg for i in plan.order if i.out not in plan.numbers for arg in i.args}
        for value in [v for v in program.values() if v.kind == "knob"] + [i.out for i in plan.order]:
            if (value.kind == "knob" or value in plan.numbers) and value in read:
                self.line(f"{self.of(value)}[()] = {self.number(value)}", "read at each call")
        for instruction in plan.order:
            self.instruction(instruction)
        self._copies()
        returned = ", ".join(self._returned(value) for value in program.outputs)
        self.line(f"return [{returned}]")
        width = max((len(text) for text, comment in self.lines if comment and len(text) < 90), default=0)
        body = "\n".join(
            f"    {text:{width}}  # {comment}".rstrip() if comment else f"    {text}" for text, comment in self.lines
        )
        return f"def {program.name}({', '.join(map(self.of, program.inputs))}):\n{body}\n"

    def number(self, value: Value, level: int = 0) -> str:
        """What is computed of knobs alone, as an expression of Python's."""
        if value.kind == "knob":
            mapping, key = value.origin
            return f"{self.bind(f'{value.name}_of', mapping)}[{key!r}]"
        if value.kind == "constant":
            number = value.data.item()
            return repr(number) if numpy.isfinite(number) else f"float('{number}')"
        instruction = self.plan.numbers[value]
        texts = [self.number(arg, 1) for arg in instruction.args]
        if instruction.op == "astype":
            return texts[0]
        text = f"-{texts[0]}" if instruction.op == "negative" else f" {INFIX[instruction.op]} ".join(texts)
        return f"({text})" if level else text

    def _copies(self) -> None:
        """States that could not be written earlier; what is wanted of an old value is kept first."""
        copies = [(s, v) for s, v in self.plan.copies if s is not v]
        targets = {s for s, _ in copies}
        for value in dict.fromkeys([*(v for _, v in copies), *self.program.outputs]):
            if self.plan.roots.get(value, value) in targets:
                name = self.fresh(f"{self.of(value)}_before")
                self.line(f"{name} = {self.of(value)}.copy()", "before it is written to")
                self.before[value] = name
        for state, value in copies:
            name = self.before.get(value) or self.of(value)
            self.line(f"{self.bind('copyto', numpy.copyto)}({self.of(state)}, {name})", f"{state.shape}")

    def _exposed(self) -> list[Value]:
        """The inputs that are read after the first state is written to, whose memory theirs may be."""
        plan, homes = self.plan, [self.plan.homes[state] for state in self.program.updates]
        first = len(plan.order)
        for i, instruction in enumerate(plan.order):
            array = plan.arrays.get(instruction.out)
            if array is not None and any(numpy.may_share_memory(array, home) for home in homes):
                first = min(first, i)
        last = plan.last_reads() if homes else {}
        return [v for v in self.program.inputs if last.get(v, -1) > first or last.get(v) == len(plan.order)]

    def _returned(self, value: Value) -> str:
        if value in self.before:
            return self.before[value] if value.shape else f"{self.before[value]}[()]"
        name = self.of(value)
        if value in self.plan.arrays or self.plan.roots.get(value, value).kind == "input":
            return f"{name}[()]" if not value.shape else f"{name}.copy()"
        return name

    # ------------------------------------------------------------------------------------------------- instructions

    def instruction(self, instruction: Instruction) -> None:
        """The lines of one instruction."""
        out = instruction.out
        comment = f"{out.shape}"
        if out in self.plan.numbers:
            return
        if out in self.plan.arrays:
            if is_view(instruction) and self._is_seen(instruction):
                return
            KERNELS[_kernel(instruction)](self, instruction, self.of(out), comment)  # type: ignore[index]
        elif instruction.op == "check_range":
            self._check_range(instruction)
        else:
            self.fallback(instruction, comment)

    def _check_range(self, instruction: Instruction) -> None:
        """One look at all elements; without their sign, negative ones are larger than any other."""
        value, params = instruction.args[0], instruction.params
        x = self.of(value)
        unsigned = f"u{value.dtype.itemsize}"
        check = self.bind("check_range", function_of("check_range"))
        refuse = self.bind(f"{instruction.out.name}_refuse", params["refuse"])
        options = "".join(f", {k}={v!r}" for k, v in params["options"].items())
        call = f"{check}({x}, {params['stop']}, {refuse}{options})"
        if not value.shape or 0 in value.shape:
            self.line(call)
            return
        if value in self.plan.arrays:
            seen = self.bind(f"{x}_unsigned", self.plan.arrays[value].view(unsigned))
        else:
            seen = self.fresh(f"{x}_unsigned")
            self.line(f"{seen} = {x}.view({unsigned!r})")
        self.line(f"if {seen}.item({seen}.argmax()) >= {params['stop']}:", "a label that is none")
        self.line(f"    {call}")

    def _is_seen(self, instruction: Instruction) -> bool:
        source = self.plan.arrays.get(instruction.args[0])
        return source is not None and (
            shapes.size(instruction.out.shape) == 0 or numpy.shares_memory(source, self.plan.arrays[instruction.out])
        )

    def fallback(self, instruction: Instruction, comment: str) -> None:
        """A new array at each call, by the definition."""
        args = [self.of(arg) for arg in instruction.args]
        out = self.of(instruction.out)
        op, params = instruction.op, instruction.params
        if op == "permute_dims":
            text = f"{args[0]}.T" if params["axes"] == (1, 0) else f"{args[0]}.transpose({params['axes']})"
        elif op == "reshape":
            text = f"{args[0]}.reshape({params['shape']})"
        else:
            name = self.bind(f"{out}_by", _anew(instruction, self.program.name))
            text, comment = f"{name}({', '.join(args)})", f"{comment} {algebra(instruction)}"
        self.line(f"{out} = {text}", comment)


def _anew(instruction: Instruction, name: str) -> Callable[..., Any]:
    """An instruction by its definition, in memory of its own unless the plan knows that it is a view. What NumPy raises
    is said in this package's words."""
    op, params, viewed = instruction.op, instruction.params, is_view(instruction)

    def anew(*arrays: Any) -> Any:
        try:
            out = compute(op, params, arrays)
        except Exception as error:
            given = ", ".join(map(repr, instruction.args))
            said = f"the compiled {name} can't compute {instruction!r} from {given}"
            raise in_words(said, error) from error
        shared = not viewed and (out.base is not None or any(out is array for array in arrays))
        return out.copy() if shared else out

    return anew


def _apart(homes: Sequence[Any]) -> Callable[[Any], Any]:
    """What copies an array whose memory is that of a state."""
    memories = frozenset(id(owner(home)) for home in homes)
    return lambda array: array.copy() if id(owner(array)) in memories else array


def source_of(program: Program) -> str:
    """The source of a program, optimized and planned on copies of its states."""
    better = optimize(program)
    homes = {state: numpy.array(state.origin.data) for state in better.states}
    return Emitter(Plan(better, homes, has_kernel)).source()


Kernel = Callable[[Emitter, Instruction, str, str], None]


def _kernel(instruction: Instruction) -> str | None:
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
    return op if op in KERNELS else None


def has_kernel(instruction: Instruction) -> bool:
    """Whether an instruction can write its result where it is told to."""
    return is_view(instruction) or _kernel(instruction) is not None


def _elementwise(emitter: Emitter, instruction: Instruction, out: str, comment: str) -> None:
    name = instruction.op
    function = emitter.bind(name, getattr(numpy, name))
    if emitter.is_turned(instruction.out):
        args, out = [emitter.turned(arg) for arg in instruction.args], emitter.turned(instruction.out)
    else:
        args = [emitter.of(arg) for arg in instruction.args]
    last = f"out={out}" if name in ("maximum", "minimum") else out  # of these a third argument is deprecated
    emitter.line(f"{function}({', '.join([*args, last])})", comment)


def _reduction(emitter: Emitter, instruction: Instruction, out: str, comment: str) -> None:
    ufunc = REDUCTIONS[instruction.op]
    function = emitter.bind(f"{ufunc}_reduce", getattr(numpy, ufunc).reduce)
    x, params = emitter.of(instruction.args[0]), instruction.params
    axis = params["axis"]
    axis = axis[0] if axis is not None and len(axis) == 1 else axis
    if emitter.is_turned(instruction.args[0]) and isinstance(axis, int) and not params["keepdims"]:
        x, axis = emitter.turned(instruction.args[0]), 1 - axis
    kept = ", True" if params["keepdims"] else ""
    emitter.line(f"{function}({x}, {axis}, None, {out}{kept})", comment)


def _dot(emitter: Emitter, instruction: Instruction, out: str, comment: str) -> None:
    if emitter.is_turned(instruction.out):
        y, x = map(emitter.turned, instruction.args)
        out = emitter.turned(instruction.out)
    else:
        x, y = map(emitter.of, instruction.args)
    emitter.line(f"{x}.dot({y}, {out})", comment)


def _matmul(emitter: Emitter, instruction: Instruction, out: str, comment: str) -> None:
    x, y = map(emitter.of, instruction.args)
    emitter.line(f"{emitter.bind('matmul', numpy.matmul)}({x}, {y}, {out})", comment)


def _astype(emitter: Emitter, instruction: Instruction, out: str, comment: str) -> None:
    copyto = emitter.bind("copyto", numpy.copyto)
    emitter.line(f"{copyto}({out}, {emitter.of(instruction.args[0])}, 'unsafe')", comment)


def _copied(emitter: Emitter, instruction: Instruction, out: str, comment: str) -> None:
    """A reshape that memory does not allow: copied in the argument's own shape, where the result can be seen in it."""
    copyto, x, array = emitter.bind("copyto", numpy.copyto), instruction.args[0], emitter.plan.arrays[instruction.out]
    if array.flags.c_contiguous:
        emitter.line(f"{copyto}({emitter.bind(f'{out}_as', array.reshape(x.shape))}, {emitter.of(x)})", comment)
    else:
        emitter.line(f"{copyto}({out}, {emitter.of(x)}.reshape({array.shape}))", comment)


def _pack(emitter: Emitter, instruction: Instruction, out: str, comment: str) -> None:
    """What was not written to its place in the buffer is copied there."""
    whole, start = emitter.plan.arrays[instruction.out], 0
    for arg, flip in zip(instruction.args, instruction.params["flips"], strict=True):
        piece = compute("piece", {"start": start, "shape": arg.shape, "flip": flip}, (whole,))
        start += piece.size
        if arg not in emitter.plan.placed or not numpy.shares_memory(emitter.plan.arrays[arg], piece):
            target = emitter.bind(f"{out}_{start}", piece)
            emitter.line(f"{emitter.bind('copyto', numpy.copyto)}({target}, {emitter.of(arg)})", comment)


def _take(emitter: Emitter, instruction: Instruction, out: str, comment: str) -> None:
    x, indices = map(emitter.of, instruction.args)
    axis = instruction.params["axis"]
    if emitter.is_turned(instruction.out):
        x, out, axis = emitter.turned(instruction.args[0]), emitter.turned(instruction.out), 1 - axis
    emitter.line(f"{x}.take({indices}, {axis}, {out}, 'clip')", comment)


def _where(emitter: Emitter, instruction: Instruction, out: str, comment: str) -> None:
    copyto = emitter.bind("copyto", numpy.copyto)
    condition, x, y = map(emitter.of, instruction.args)
    emitter.line(f"{copyto}({out}, {y})", comment)
    emitter.line(f"{copyto}({out}, {x}, where={condition})")


def _draw(emitter: Emitter, instruction: Instruction, out: str, comment: str) -> None:
    params = instruction.params
    function = emitter.bind(f"{out}_draw", getattr(params["generator"], params["method"]))
    dtype = emitter.bind(f"{params['dtype']}", params["dtype"].type)
    place = f"out={out}" if params["method"] == "standard_exponential" else out
    emitter.line(f"{function}(None, {dtype}, {place})", comment)


def _with_ones(emitter: Emitter, instruction: Instruction, out: str, comment: str) -> None:
    """What was not written beside the ones is copied there."""
    (x,) = instruction.args
    part = emitter.plan.arrays[instruction.out][:, :-1]
    if x not in emitter.plan.placed or not numpy.shares_memory(emitter.plan.arrays[x], part):
        target = emitter.bind(f"{out}_part", part)
        emitter.line(f"{emitter.bind('copyto', numpy.copyto)}({target}, {emitter.of(x)})", comment)


KERNELS: dict[str, Kernel] = {
    "with_ones": _with_ones,
    "elementwise": _elementwise,
    "reduction": _reduction,
    "dot": _dot,
    "matmul": _matmul,
    "astype": _astype,
    "copy": _astype,
    "reshape": _copied,
    "where": _where,
    "pack": _pack,
    "take_sure": _take,
    "draw": _draw,
}
