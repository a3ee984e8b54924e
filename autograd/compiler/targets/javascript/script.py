"""`Script`: a program as the text of one JavaScript function over typed arrays.

Shapes and strides are numbers in the text. A transpose, a broadcast, a slice, and a reshape where memory allows it, are
strides and cost nothing; what is computed entry by entry is one loop for each `Kernel`. How each other instruction is
written stands in `READINGS`, which the modules beside this one fill.
"""

from __future__ import annotations

import base64
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy

from autograd import backends
from autograd.compiler.ir.names import identifier, unique
from autograd.compiler.ir.primitives import fill
from autograd.compiler.ir.program import Instruction, Program, Value, algebra, knob_arithmetic
from autograd.compiler.passes.optimize import GPU_PASSES, optimize
from autograd.compiler.targets.javascript.functions import FUNCTIONS
from autograd.compiler.targets.kernels import Kernel, computed_in, fuse, inputs_of, updated_in_place
from autograd.compiler.targets.language import COMPARISONS, JAVASCRIPT, javascript
from autograd.compiler.targets.nests import Nest, View
from autograd.errors import TargetError
from autograd.shapes import normalize_axes, size

PART = 12_000
"""Characters of a function. V8 leaves a function of more than 60 kB of bytecode unoptimized, and it then runs up to 18
times as long."""

SHORT = 64
"""Elements of a constant that are written as numbers; more are written in base64."""

PASSES = [row for row in GPU_PASSES if row[0] not in ("pack", "same counters", "common subexpressions of counters")]
"""The passes that leave every state where it is, so that programs can share them."""

Reading = Callable[["Script", Instruction], None]

READINGS: dict[str, Reading] = {}
"""How an instruction is written, by its operation, where it is neither elementwise nor a reduction."""

WHOLE: dict[str, Callable[..., None]] = {}
"""Likewise for operations that a program has as a whole: ``write(script, out, *arrays, **options)``, of views."""

TRUTHS = frozenset((*COMPARISONS, "logical_and", "logical_or", "logical_xor", "logical_not", "isfinite", "isinf",
                    "isnan", "signbit"))  # fmt: skip


def reading(*ops: str) -> Callable[[Reading], Reading]:
    """Have the decorated function write these operations."""

    def register(function: Reading) -> Reading:
        READINGS.update(dict.fromkeys(ops, function))
        return function

    return register


def whole(*names: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Have the decorated function write these operations, which a program has as a whole."""

    def register(function: Callable[..., None]) -> Callable[..., None]:
        WHOLE.update(dict.fromkeys(names, function))
        return function

    return register


def text_of(text: str) -> str:
    """``text`` within a comment or a string of a script: on one line, and with nothing that ends a script in HTML."""
    text = " ".join(re.split(r"[\n\r\u2028\u2029]+", text))
    return re.sub(r"<(?=[/!a-zA-Z?])", "< ", text)


def string(text: str) -> str:
    """``text`` as a string of JavaScript."""
    return json.dumps(text_of(text))


class Script:
    """The text of ``program`` as a function of ``memory``; see `Program.javascript`."""

    def __init__(self, program: Program, name: str | None, *, every: bool, comments: bool, states: bool) -> None:
        self.given, self.every, self.comments, self.states = program, every, comments, states
        self.name = identifier(name or program.name, JAVASCRIPT.words)
        self.heads: list[str] = []
        self.functions: list[str] = []
        self.lines: list[str] = []
        self.views: dict[Value, View] = {}
        self.names: dict[Value, str] = {}
        self.taken: set[str] = {self.name}
        self.times: list[str] = []
        """The variables of the loops over time around what is being written."""

    # ---------------------------------------------------------------------------------------------------------- values

    def name_of(self, value: Value) -> str:
        """The variable of a value's array."""
        if value not in self.names:
            self.names[value] = self.fresh(value.name)
        return self.names[value]

    def fresh(self, text: str) -> str:
        """A variable that there is not yet, ``text`` if it can be."""
        name = unique(identifier(text, JAVASCRIPT.words), self.taken, JAVASCRIPT.words)
        self.taken.add(name)
        return name

    def array_type(self, value: Value) -> str:
        """The typed array that holds the elements of ``value``."""
        kind = JAVASCRIPT.types.get(str(value.dtype))
        if kind is None:
            advice = {"c": "Compute with its real and its imaginary part", "f": "Cast it to float32"}
            raise TargetError(
                f"{self.given.name} can't be written in JavaScript: {value.name} is {value.dtype}, for which there are "
                f"no arrays. {advice.get(value.dtype.kind, 'Cast it to int64')}, or compute it in Python."
            )
        return kind

    def view(self, value: Value) -> View:
        """Where a value lies. Its array is declared when it is first met."""
        if value not in self.views:
            kind, name, length = self.array_type(value), self.name_of(value), size(value.shape)
            if value.kind == "constant":
                made = literal(numpy.asarray(value.data), kind)
            elif value.kind == "temporary":
                made = f"new {kind}({length})"
            else:
                made = f"given({string(value.name)}, {kind}, {length}{self._initial(value, kind)})"
            self.heads.append(f"const {name} = {made};")
            self.views[value] = View.of(name, value.shape)
        return self.views[value]

    def _initial(self, value: Value, kind: str) -> str:
        """What a state or knob is before the first run; an input is zeros."""
        if value.kind == "input":
            return ""
        if value.kind == "knob":
            mapping, key = value.origin
            array = numpy.asarray(mapping[key], value.dtype)
        elif self.states:
            array = backends.to_numpy(value.origin.data)
        else:
            return ", null"
        return f", () => {literal(array, kind)}"

    def scratch(self, like: str, shape: Sequence[int], dtype: Any, start: str = "") -> View:
        """Another array, called somewhat like ``like``; ``start``: the number that it is filled with, if not 0."""
        name, kind = self.fresh(like), JAVASCRIPT.types[str(dtype)]
        filled = f".fill({start})" if start not in ("", "0") else ""
        self.heads.append(f"const {name} = new {kind}({size(tuple(shape))}){filled};")
        return View.of(name, shape)

    def refuse(self, instruction: Instruction, reason: str) -> TargetError:
        """The error for an instruction that has no reading."""
        return TargetError(
            f"{self.given.name} can't be written in JavaScript: {text_of(repr(instruction))[:200]} {reason}. Compute "
            "it in Python, and give the function its result as an argument."
        )

    # ------------------------------------------------------------------------------------------------------- the whole

    def text(self) -> str:
        """The function."""
        program = self._prepared()
        steps = cut(fuse(program))
        self.in_place = {} if self.every else updated_in_place(program, steps)
        for value in program.inputs:
            self.view(value)
        for value, state in self.in_place.items():
            self.views[value] = self.view(state)
        run = self.called("run", self.parts(program, steps))
        commit = self.called("commit", self._commits(program))
        shown = [*dict.fromkeys(v for v in (*program.values(), *self.given.outputs) if self._is_shown(v))]
        entries = [f"  {_key(v)}: {self._entry(v)}," for v in shown]
        ends = (", ".join(f"values.{v.name}" for v in part) for part in (program.inputs, self.given.outputs))
        returned = "return {{ run, commit, values, inputs: [{}], outputs: [{}] }};".format(*ends)
        body = [*GIVEN.splitlines(), *self.heads, *self.functions, *run, *commit, "const values = {", *entries, "};"]
        lines = ["'use strict';", "memory ??= {};", *self._helpers("\n".join(body)), *body, returned]
        return "\n".join([f"function {self.name}(memory) {{", *(f"  {line}" for line in lines), "}\n"])

    def _prepared(self) -> Program:
        """The program that is written: with all values as results, or with less work."""
        if self.given.packed or self.given.merged:
            raise TargetError(
                f"{self.given.name} can't be written in JavaScript: it is optimized, and its states lie in one buffer. "
                "Write the program as it was traced, with every=False to have it optimized."
            )
        self.given.validate()  # so that every name is one
        if not self.every:
            self.given = optimize(self.given, PASSES)
            return self.given
        made = [i.out for i in self.given.instructions if i.op != "check_range"]
        return self.given.changed(outputs=[*dict.fromkeys([*self.given.outputs, *made])])

    def parts(self, program: Program, steps: Iterable[Kernel | Instruction]) -> Parts:
        """The lines of a program, cut into functions that V8 optimizes."""
        before, self.lines = self.lines, []
        parts = Parts()
        for instruction in knob_arithmetic(program.instructions).values():
            out = instruction.out
            self.kernel(Kernel(out.name, [*dict.fromkeys(instruction.args)], [out], [instruction]))
        parts.take(self.lines)
        for step in steps:
            self.lines = []
            if isinstance(step, Kernel):
                self.kernel(step)
            else:
                self.instruction(step)
            parts.take(self.lines)
        self.lines = before
        return parts

    def called(self, name: str, found: Parts) -> list[str]:
        """The function ``name()`` as text, or several and one that calls them."""
        parts = found.found
        given = ", ".join(self.times)
        if len(parts) == 1:
            return [f"function {name}({given}) {{", *(f"  {line}" for line in parts[0]), "}"]
        names = [self.fresh(f"{name}_{number}") for number in range(1, len(parts) + 1)]
        lines = [
            line
            for part, lines in zip(names, parts, strict=True)
            for line in (f"function {part}({given}) {{", *(f"  {line}" for line in lines), "}")
        ]
        return [*lines, f"function {name}({given}) {{", *(f"  {part}({given});" for part in names), "}"]

    def _commits(self, program: Program) -> Parts:
        """The states that were not updated where they lie take their new values: old ones that are wanted first."""
        pairs = [(self.view(s), self.view(v), v) for s, v in program.updates.items() if v not in self.in_place]
        pairs = [(target, source, value) for target, source, value in pairs if target != source]
        written = {target.data for target, _, _ in pairs}
        parts, late = Parts(), []
        for target, source, value in pairs:
            self.lines = []
            if source.data in written:
                old = self.scratch(f"old_{source.data}", value.shape, value.dtype)
                self.copy(source, old)
                parts.take(self.lines)
                source = old
            late.append((source, target))
        for source, target in late:
            self.lines = []
            self.copy(source, target)
            parts.take(self.lines)
        return parts

    def _is_shown(self, value: Value) -> bool:
        """Whether a value can be read from outside."""
        if value.kind == "constant" or value not in self.views:
            return value in self.given.outputs
        return self.every or value.kind != "temporary" or value in self.given.outputs

    def _entry(self, value: Value) -> str:
        """What can be read of a value."""
        view = self.view(value)
        kind = "output" if value in self.given.outputs and value.kind == "temporary" else value.kind
        plain = view == View.of(view.data, view.shape)
        where = "" if plain else f", {list(view.strides)}, {view.offset}"
        return f"seen({view.data}, '{kind}', '{value.dtype}', {list(view.shape)}{where})"

    @staticmethod
    def _helpers(text: str) -> list[str]:
        """The functions that ``text`` calls, and those that they call."""
        found: dict[str, str] = {}
        pending = [text]
        while pending:
            for name in dict.fromkeys(re.findall(r"\$(\w+)\(", pending.pop())):
                if name not in found:
                    found[name] = FUNCTIONS[name]
                    pending.append(FUNCTIONS[name])
        return [line for name in FUNCTIONS if name in found for line in found[name].strip().splitlines()]

    # ----------------------------------------------------------------------------------------------------------- lines

    def said(self, *instructions: Instruction) -> None:
        """A comment for each instruction, as the program prints it."""
        if self.comments:
            self.lines += [f"// {i.out.name} {i.out.shape} = {text_of(algebra(i))}" for i in instructions]

    def copy(self, source: View, target: View, sign: str = "=") -> None:
        """``target = source``, which is broadcast; or ``+=``."""
        source = source.broadcast_to(target.shape)
        length, is_whole = size(target.shape), source.is_contiguous and target.is_contiguous
        if is_whole and sign == "=" and length > SHORT:
            start, place = source.start, target.start
            end = length if start == "0" else f"{start} + {length}"
            self.lines.append(f"{target.data}.set({source.data}.subarray({start}, {end}), {place});")
            return
        nest = Nest(target.shape, [source, target])
        self.lines += nest.lines([(len(nest.loops), f"{nest.at(1)} {sign} {nest.at(0)};")])

    def instruction(self, instruction: Instruction) -> None:
        """What is no kernel."""
        op, out = instruction.op, instruction.out
        if op in READINGS:
            READINGS[op](self, instruction)
        elif op in JAVASCRIPT.reductions:
            self.kernel(Kernel(out.name, [instruction.args[0]], [out], [], instruction))
        elif op in JAVASCRIPT.expressions:
            self.kernel(Kernel(out.name, inputs_of([instruction]), [out], [instruction]))
        elif op == "op":
            self._whole(instruction)
        else:
            raise self.refuse(instruction, f"has no reading there: {op} is not among the functions that can be written")

    def _whole(self, instruction: Instruction) -> None:
        params = instruction.params
        name = params["name"]
        if name not in WHOLE:
            raise self.refuse(
                instruction, f"has no reading there: {name} is not among the operations that can be written"
            )
        self.said(instruction)
        views = list(map(self.view, instruction.args))
        arrays = fill(params["inputs"], views)
        self.now = instruction
        WHOLE[name](self, self.view(instruction.out), *arrays, **fill(params["options"], views[params["count"] :]))

    def kernel(self, kernel: Kernel) -> None:
        """Instructions entry by entry in one nest of loops, with the reduction of their result and what follows."""
        reduction, chain = kernel.reduction, kernel.instructions
        self.said(*chain, *([reduction] if reduction else []), *kernel.behind)
        shape = tuple((reduction.args[0] if reduction else kernel.outputs[0]).shape)
        inputs = [v for v in kernel.inputs if not (v.kind == "constant" and not v.shape)]
        axes = () if reduction is None else normalize_axes(reduction.params["axis"], len(shape))
        outputs = [reduced(self.view(v), shape, axes) if reduction else self.view(v) for v in kernel.outputs]
        nest = Nest(shape, [*map(self.view, inputs), *outputs], axes)
        inmost, outer = len(nest.loops), nest.outer
        instructions = [*chain, *kernel.behind]
        used = Counter(a for i in (*instructions, *([reduction] if reduction else [])) for a in dict.fromkeys(i.args))
        read, written = {self.view(v).data for v in inputs}, {view.data for view in outputs}
        self.terms: dict[Value, str] = {}
        depths: dict[Value, int] = {}
        within: list[tuple[int, str]] = []
        for k, value in enumerate(inputs):
            depths[value] = nest.depth(k)
            is_last = depths[value] == inmost and nest.views[k].data not in written
            if is_last and reduction is None and used[value] == 1 and all(_reads_once(i, value) for i in chain):
                self.terms[value] = nest.at(k)
            else:
                within.append((depths[value], f"const {local(value)} = {nest.at(k)};"))
        places = {value: nest.at(k) for k, value in enumerate(kernel.outputs, len(inputs))}
        results: list[str] = []
        for i in chain:
            depths[i.out] = max((depths[a] for a in i.args if a in depths), default=0)
            text = self.expression(i)
            if i.out in places and not used[i.out]:  # behind all that is read
                results.append(f"{places[i.out]} = {text};")
                continue
            if i.out in places and depths[i.out] == inmost and self.view(i.out).data not in read:
                text = f"{places[i.out]} = {text}"
            elif i.out in places:
                results.append(f"{places[i.out]} = {local(i.out)};")
            within.append((depths[i.out], f"const {local(i.out)} = {text};"))
        if reduction is None:
            self.lines += nest.lines([*within, *((inmost, line) for line in results)])
            return
        combine, start = JAVASCRIPT.reductions[reduction.op]
        within.insert(0, (outer, f"let acc = {start};"))
        element = self.term(reduction.args[0], reduction.args[0].dtype)
        within.append((inmost, f"acc = {combine.format(a='acc', b=element)};"))
        after = []
        name, text = local(reduction.out), rounded("acc", reduction.out.dtype)
        for i in kernel.behind:
            after.append((outer, f"const {name} = {text};"))
            name, text = local(i.out), self.expression(i)
        after.append((outer, f"{nest.at(len(inputs))} = {text};"))
        self.lines += nest.lines(within, after)

    def term(self, value: Value, dtype: Any) -> str:
        """An argument, as a number of ``dtype``."""
        if value.kind == "constant" and not value.shape:
            return JAVASCRIPT.literal(value.data.item(), dtype)
        exact = value.dtype == dtype or value.dtype.kind == "b" or (value.dtype.itemsize < 4 and dtype.kind == "f")
        name = self.terms.get(value) or local(value)
        return name if exact or dtype != numpy.float32 else f"Math.fround({name})"

    def expression(self, instruction: Instruction) -> str:
        """An elementwise instruction in JavaScript."""
        op, args = instruction.op, instruction.args
        terms = [self.term(a, d) for a, d in zip(args, computed_in(instruction), strict=True)]
        exponent = args[1].data.item() if op == "power" and args[1].kind == "constant" and not args[1].shape else None
        if op == "where" and args[0].dtype.kind != "b":
            terms[0] = f"{terms[0]} != 0"
        if op in TRUTHS:
            return javascript(op, terms, numpy.dtype(bool))
        return javascript(op, terms, instruction.out.dtype, exponent)


def _reads_once(instruction: Instruction, value: Value) -> bool:
    """Whether the expression of an instruction names an argument at most once."""
    template = JAVASCRIPT.expressions.get(instruction.op, "")
    return sum(template.count(f"{{{k}}}") for k, arg in enumerate(instruction.args) if arg is value) < 2


class Parts:
    """Lines, cut into functions that V8 optimizes."""

    def __init__(self) -> None:
        self.found: list[list[str]] = [[]]
        self._length = 0

    def take(self, lines: list[str]) -> None:
        """More lines, which belong together."""
        length = sum(len(line) + 5 for line in lines)
        if self.found[-1] and self._length + length > PART:
            self.found.append([])
            self._length = 0
        self.found[-1] += lines
        self._length += length


GIVEN = """
function given(name, Kind, length, initial) {
  if (!Object.hasOwn(memory, name)) {
    if (initial === undefined) return new Kind(length);
    if (initial === null) throw new Error(`memory.${name} is missing: give a ${Kind.name} of ${length}.`);
    memory[name] = initial();
  }
  const found = memory[name];
  if (!(found instanceof Kind && found.length === length))
    throw new Error(`memory.${name} must be a ${Kind.name} of ${length}.`);
  return found;
}
function seen(data, kind, dtype, shape, strides, offset = 0) {
  strides ??= shape.map((_, axis) => shape.slice(axis + 1).reduce((a, b) => a * b, 1));
  return { data, kind, dtype, shape, strides, offset };
}
""".strip()
"""The array of an input, state or knob: that of ``memory``, checked; an input that isn't there is the program's own.
And a value as a page sees it.
"""


def _key(value: Value) -> str:
    """A value's name as a key of an object, whose prototype it must not be."""
    return "['__proto__']" if value.name == "__proto__" else value.name


def local(value: Value) -> str:
    """The variable of a value's present entry."""
    return f"{identifier(value.name)}$"


def rounded(text: str, dtype: Any) -> str:
    """A double as a number of ``dtype``."""
    return text if dtype == numpy.int64 else javascript("astype", [text], dtype)


def reduced(out: View, shape: Sequence[int], axes: Sequence[int]) -> View:
    """The result of a reduction of ``shape`` along ``axes``, with axes of length 1 in their places."""
    if len(out.shape) == len(shape):
        return out.without(*axes)
    for axis in sorted(axes):
        out = out.with_axis(axis, 1)
    return out


def cut(steps: Iterable[Kernel | Instruction]) -> list[Kernel | Instruction]:
    """The steps, with kernels cut where their text would be longer than a function may be."""
    found: list[Kernel | Instruction] = []
    pending = [*steps][::-1]
    while pending:
        step = pending.pop()
        if not isinstance(step, Kernel) or len(step.instructions) < 2 or _length(step) < PART / 2:
            found.append(step)
            continue
        half = len(step.instructions) // 2
        first, second = step.instructions[:half], step.instructions[half:]
        read = {a for i in (*second, *([step.reduction] if step.reduction else [])) for a in i.args}
        early = [i.out for i in first if i.out in {*step.outputs, *read}]
        late = [value for value in step.outputs if value not in early]
        pending.append(Kernel(step.name, inputs_of(second), late, second, step.reduction, step.behind))
        pending.append(Kernel(step.name, inputs_of(first), early, first))
    return found


def _length(kernel: Kernel) -> int:
    """About how long the text of a kernel is, its comments included."""
    instructions = [*kernel.instructions, *kernel.behind]
    names = sum(len(v.name) for i in instructions for v in (*i.args, i.out))
    return 4 * names + 130 * len(instructions) + 60 * (len(kernel.inputs) + len(kernel.outputs))


def literal(array: Any, kind: str) -> str:
    """An array in JavaScript."""
    flat = numpy.ascontiguousarray(array).reshape(-1)
    if not flat.size or ((flat == 0).all() and not numpy.signbit(flat.astype("f8")).any()):
        return f"new {kind}({flat.size})"
    if flat.size > 2 and (flat == flat[0]).all() and flat[0] != 0:
        return f"new {kind}({flat.size}).fill({JAVASCRIPT.literal(flat[0].item(), flat.dtype)})"
    if flat.size <= SHORT:
        return f"{kind}.of({', '.join(JAVASCRIPT.literal(x, flat.dtype).strip('()') for x in flat.tolist())})"
    if flat.dtype.kind in "iu" and (numpy.diff(flat) == 1).all():
        plus = f" + {flat[0]}" if flat[0] else ""
        return f"{kind}.from({{ length: {flat.size} }}, (_, i) => i{plus})"
    stored = {"Float64Array": "<f8", "Float32Array": "<f4"}.get(kind, flat.dtype.newbyteorder("<"))
    data = base64.b64encode(flat.astype(stored).tobytes()).decode()
    return f"new {kind}($bytes('{data}').buffer)"


__all__ = ["PART", "PASSES", "READINGS", "WHOLE", "Parts", "Script", "cut", "literal", "reading", "reduced", "rounded",
           "string", "text_of", "whole"]  # fmt: skip
