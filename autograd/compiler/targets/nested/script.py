"""`Script`: a program written as loops over arrays, in a language that has both.

Shapes and strides are numbers in the text. A transpose, a broadcast, a slice, and a reshape where memory allows it, are
strides and cost nothing. Each `Kernel` is one nest of loops that computes entry by entry. The functions in `READINGS`
and `WHOLE` write the other instructions, for all languages.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, ClassVar

import numpy

from glassgrad.autograd.common.shapes import normalize_axes
from glassgrad.autograd.compiler.ir.names import identifier, unique
from glassgrad.autograd.compiler.ir.primitives import fill, is_view
from glassgrad.autograd.compiler.ir.program import Instruction, Program, Value, algebra
from glassgrad.autograd.compiler.targets.kernels import FUSED, Kernel, alone, computed_in, fuse
from glassgrad.autograd.compiler.targets.language import EXACT, OF_WHOLE, Language
from glassgrad.autograd.compiler.targets.nests import Nest, View
from glassgrad.autograd.errors import TargetError

Reading = Callable[..., None]
"""``write(script, out, *arrays, **params)``: the arrays are views, ``script.now`` is the instruction."""

READINGS: dict[str, Reading] = {}
"""The functions that write instructions, by operation, for those that are not elementwise, reductions or views."""

WHOLE: dict[str, Reading] = {}
"""The functions that write operations which a program keeps whole."""

INT = numpy.dtype(numpy.int64)


def reading(*ops: str, of: dict[str, Reading] = READINGS) -> Callable[[Reading], Reading]:
    """A decorator for the function that writes these operations."""

    def register(function: Reading) -> Reading:
        of.update(dict.fromkeys(ops, function))
        return function

    return register


whole = partial(reading, of=WHOLE)


class Script:
    """The text of ``program`` in one language. A subclass says where values are stored, and how that language is
    written.
    """

    language: ClassVar[Language]

    def __init__(self, program: Program, name: str) -> None:
        self.given = program
        self.name = identifier(name, self.language.words, ascii=self.language.ascii)
        self.lines: list[str] = []
        self.views: dict[Value, View] = {}
        self.in_place: dict[Value, Value] = {}
        """For each new value that is written directly into a state's array, that state."""
        self.names: dict[Value, str] = {}
        self.taken: set[str] = {self.name}
        self.times: list[str] = []
        """The variables of the loops over time around what is being written."""
        self.now: Instruction
        """The instruction that is being written."""

    # ----------------------------------------------------------------------------------------------- of the language

    def view(self, value: Value) -> View:
        """The view of a value."""
        raise NotImplementedError

    def scratch(self, like: str, shape: Sequence[int], dtype: Any, start: str = "") -> View:
        """Another array, with a name like that of ``like``; ``start``: the number to fill it with, if any."""
        raise NotImplementedError

    def refused(self, condition: str, said: str) -> str:
        """The line that ends the run with an error where a condition holds."""
        raise NotImplementedError

    def convolve(self, out: View, x: View, weight: View, bias: View | None, windows: Any, dtype: Any) -> bool:
        """Write ``out = conv(x, weight) + bias`` of one group without copies of windows; return whether that pays."""
        return False

    def convolve_weight(self, out: View, x: View, y: View, windows: Any, dtype: Any) -> bool:
        """Write the gradient ``out`` of a convolution's weight likewise. ``y``: the upstream gradient."""
        return False

    def contract(self, axes: Any, sums: Any, x: View, y: View, out: View, dtype: Any, *, adds: bool = False) -> None:
        """Write ``out = Σ x · y``, or ``out += Σ x · y``.

        ``axes``: those of the result, each a length and its strides in x, y and out. ``sums``: those that are summed
        over, each a length and its strides in x and y. Of the views only ``data`` and the start are used.
        """
        raise NotImplementedError

    def draw(self, instruction: Instruction) -> None:
        """Random numbers, by the generator that NumPy would draw from."""
        raise self.refuse(instruction, "is not supported there: random numbers can't be drawn")

    def within(self, name: str, parts: Sequence[list[str]]) -> list[str]:
        """The lines that run ``parts`` within the innermost loop over time: these lines, or a call of a function."""
        return [line for part in parts for line in part]

    # ------------------------------------------------------------------------------------------------------- the names

    def name_of(self, value: Value) -> str:
        """The variable of a value's array."""
        if value not in self.names:
            self.names[value] = self.fresh(value.name)
        return self.names[value]

    def fresh(self, text: str) -> str:
        """An unused variable, ``text`` if it is free."""
        words = self.language.words
        name = unique(identifier(text, words, ascii=self.language.ascii), self.taken, words)
        self.taken.add(name)
        return name

    def local(self, value: Value) -> str:
        """The variable of a value's present entry."""
        return f"{self.name_of(value)}$"

    def refuse(self, instruction: Instruction, reason: str) -> TargetError:
        """The error for an instruction that can't be written in this language."""
        said = self.language.safe(repr(instruction))[:200]
        return TargetError(
            f"{self.given.name} can't be written in {self.language.title}: {said} {reason}. Compute it in Python, and "
            "give the function its result as an argument."
        )

    def unwritten(self, instruction: Instruction, name: str) -> TargetError:
        """The error for an operation that the language lacks."""
        kind = "operations" if instruction.op == "op" else "functions"
        return self.refuse(instruction, f"is not supported there: {name} is not among the {kind} that can be written")

    def type_of(self, value: Value) -> str:
        """The type of the elements of ``value``, or of their array."""
        kind = self.language.types.get(str(value.dtype))
        if kind is None:
            raise TargetError(
                f"{self.given.name} can't be written in {self.language.title}: {value.name} is {value.dtype}, for "
                "which it has no arrays. Compute with float32, float64 or int64 in this machine's order of bytes, or "
                "do it in Python."
            )
        return kind

    # ----------------------------------------------------------------------------------------------------------- lines

    def said(self, *instructions: Instruction) -> None:
        """A comment for each instruction, as the program prints it."""
        language = self.language
        texts = [f"{i.out.name} {i.out.shape} = {algebra(i)}" for i in instructions]
        self.lines += [language.comment.format(language.safe(text)) for text in texts]

    def declared(self, name: str, text: str, dtype: Any = INT, *, constant: bool = False) -> str:
        """The line that declares a variable, or a constant."""
        kind = self.language.types.get(str(numpy.dtype(dtype)))
        return f"{self.language.declares[constant].format(kind)} {name} = {text};"

    def loop(self, nest: Nest, within: Sequence[tuple[int, str]], after: Sequence[tuple[int, str]] = ()) -> None:
        """The loops of a nest; see `Nest.lines`."""
        self.lines += nest.lines(within, after, self.language.integer)

    def loop_apart(self, nest: Nest, within: Sequence[tuple[int, str]], written: str, name: str) -> None:
        """The loops of a nest that writes to the array ``written`` alone, each time to another element."""
        self.loop(nest, within)

    def fill(self, view: View, text: str) -> None:
        """Fill an array with the number ``text``."""
        nest = Nest(view.shape, [view])
        self.loop(nest, [(len(nest.loops), f"{nest.at(0)} = {text};")])

    def copy(self, source: View, target: View, sign: str = "=") -> None:
        """``target = source``, which is broadcast; or ``+=``."""
        nest = Nest(target.shape, [source.broadcast_to(target.shape), target])
        self.loop(nest, [(len(nest.loops), f"{nest.at(1)} {sign} {nest.at(0)};")])

    def commits(self, program: Program) -> list[tuple[View, View]]:
        """The copies that give states their new values, unless updated in place."""
        new = [(s, v) for s, v in program.updates.items() if self.in_place.get(v) is not s]
        return self.moves([(self.view(v), self.view(s), v) for s, v in new])

    def moves(self, pairs: Sequence[tuple[View, View, Value]]) -> list[tuple[View, View]]:
        """The copies from sources to targets, each with a value like them; what lies in a target is copied first."""
        pairs = [(source, target, value) for source, target, value in pairs if source != target]
        written = {target.data for _, target, _ in pairs}
        first, late = [], []
        for source, target, value in pairs:
            if source.data in written:
                old = self.scratch(f"old_{source.data}", value.shape, value.dtype)
                first.append((source, old))
                source = old
            late.append((source, target))
        return [*first, *late]

    def parts(self, program: Program) -> list[list[str]]:
        """The lines of each step of a program."""
        before, parts = self.lines, []
        for step in fuse(program):
            self.lines = []
            self.step(step)
            parts.append(self.lines)
        self.lines = before
        return parts

    def step(self, step: Kernel | Instruction) -> None:
        """A kernel, or a single instruction."""
        if isinstance(step, Kernel):
            self.kernel(step)
        else:
            self.instruction(step)

    def instruction(self, instruction: Instruction) -> None:
        """Write an instruction that is not a kernel."""
        op, args, out, params = instruction.op, instruction.args, instruction.out, instruction.params
        seen = self._seen(instruction) if is_view(instruction) else None
        if seen is not None:
            self.views[out] = seen
            return
        self.now, name = instruction, op
        if op == "draw":
            self.draw(instruction)
        elif op == "check_range":
            self._check_range(instruction)
        elif op in self.language.reductions:
            self.kernel(Kernel([args[0]], [out], [], instruction))
        elif op in FUSED and op not in READINGS:
            self.kernel(alone(instruction))
        else:
            name, table = (params["name"], WHOLE) if op == "op" else (op, READINGS)
            if name not in table:
                raise self.unwritten(instruction, name)
            self.said(instruction)
            views = list(map(self.view, args))
            arrays, options = views, params
            if op == "op":
                arrays, options = fill((params["inputs"], params["options"]), views)
            elif "call" in params:
                arrays, options = fill(params["call"], views)
            table[name](self, self.view(out), *arrays, **options)

    def _seen(self, instruction: Instruction) -> View | None:
        """The result of an instruction as a view of its argument; ``None`` where its elements have to be computed."""
        op, x, params = instruction.op, self.view(instruction.args[0]), instruction.params
        if op == "permute_dims":
            return x.permuted(params["axes"])
        if op == "getitem":
            return x[params["index"]]
        return x.reshaped(instruction.out.shape) if op == "reshape" else None

    def _check_range(self, instruction: Instruction) -> None:
        (value,), stop = instruction.args, instruction.params["stop"]
        self.said(instruction)
        nest = Nest(value.shape, [self.view(value)])
        said = f"{value.name} must hold whole numbers from 0 to {stop - 1}."
        line = self.refused(f"!({nest.at(0)} >= 0 && {nest.at(0)} < {stop})", said)
        self.loop(nest, [(len(nest.loops), line)])

    def kernel(self, kernel: Kernel) -> None:
        """Write a kernel as one nest of loops: its instructions, and the reduction of their result."""
        reduction, chain = kernel.reduction, kernel.instructions
        whole = [*chain, *([reduction] if reduction else [])]
        self.said(*whole)
        shape = tuple((reduction.args[0] if reduction else kernel.outputs[0]).shape)
        inputs = [v for v in kernel.inputs if not (v.kind == "constant" and not v.shape)]
        axes = () if reduction is None else normalize_axes(reduction.params["axis"], len(shape))
        outputs = [reduced(self.view(v), shape, axes) if reduction else self.view(v) for v in kernel.outputs]
        nest = self.nest(shape, [*map(self.view, inputs), *outputs], axes)
        inmost = len(nest.loops)
        used = {a for i in whole for a in i.args}
        read = {self.view(v).data for v in inputs}
        depths: dict[Value, int] = {}
        within: list[tuple[int, str]] = []
        for k, value in enumerate(inputs):
            depths[value] = inmost if 0 in shape else nest.depth(k)  # there may be nothing to read
            within.append((depths[value], self.declared(self.local(value), nest.at(k), value.dtype, constant=True)))
        places = {value: nest.at(k) for k, value in enumerate(kernel.outputs, len(inputs))}
        results: list[str] = []
        for i in chain:
            depths[i.out] = max((depths[a] for a in i.args if a in depths), default=0)
            text = self.expression(i)
            if i.out in places and i.out not in used:  # written after everything is read
                results.append(f"{places[i.out]} = {text};")
                continue
            if i.out in places and depths[i.out] == inmost and self.view(i.out).data not in read:
                text = f"{places[i.out]} = {text}"
            elif i.out in places:
                results.append(f"{places[i.out]} = {self.local(i.out)};")
            within.append((depths[i.out], self.declared(self.local(i.out), text, i.out.dtype, constant=True)))
        if reduction is None:
            self.entries(nest, [*within, *((inmost, line) for line in results)])
            return
        element = self.term(reduction.args[0], reduction.args[0].dtype)
        result = self.language.rounded("acc", reduction.out.dtype)
        self.reduction(nest, reduction, element, within, f"{nest.at(len(inputs))} = {result};")

    def start_of(self, op: str, dtype: Any) -> str:
        """The result of a reduction of no elements; for the minimum of integers the largest one, and vice versa."""
        if op in ("max", "min") and dtype.kind in "iub":
            bounds = (0, 1) if dtype.kind == "b" else (numpy.iinfo(dtype).min, numpy.iinfo(dtype).max)
            return self.language.literal(bounds[op == "min"], dtype)
        return self.language.reductions[op][1]

    def nest(self, shape: Any, views: Sequence[View], axes: Sequence[int]) -> Nest:
        """The loops of a kernel, those over ``axes`` within the others."""
        return Nest(shape, views, axes)

    def entries(self, nest: Nest, within: list[tuple[int, str]]) -> None:
        """The loops of a kernel without a reduction."""
        self.loop(nest, within)

    def reduction(
        self, nest: Nest, reduction: Instruction, element: str, within: list[tuple[int, str]], after: str
    ) -> None:
        """The loops of a reduction of ``element``, and the line ``after`` them that stores the result ``acc``."""
        combine, outer = self.language.reductions[reduction.op][0], nest.outer
        start = self.start_of(reduction.op, reduction.out.dtype)
        within.insert(0, (outer, self.declared("acc", start, reduction.out.dtype)))
        within.append((len(nest.loops), f"acc = {combine.format(a='acc', b=element)};"))
        self.loop(nest, within, [(outer, after)])

    def term(self, value: Value, dtype: Any) -> str:
        """An argument, as a number of ``dtype``."""
        if value.kind == "constant" and not value.shape:
            return self.language.literal(value.data.item(), dtype)
        if str(dtype) not in self.language.types:
            said = f"can't be written in {self.language.title}: {value.name} is computed in {dtype}."
            raise TargetError(f"{self.given.name} {said}")
        return self.language.cast(self.local(value), value.dtype, dtype)

    def expression(self, instruction: Instruction) -> str:
        """An elementwise instruction in the language."""
        op, args, dtype = instruction.op, instruction.args, instruction.out.dtype
        self.type_of(instruction.out)
        if op not in self.language.expressions:
            raise self.unwritten(instruction, op)
        if dtype.kind in "iu" and not (op in EXACT or (op in OF_WHOLE and dtype == INT)):
            raise self.refuse(instruction, "computes whole numbers otherwise than by + - * in int64")
        terms = [self.term(a, d) for a, d in zip(args, computed_in(instruction), strict=True)]
        exponent = args[1].data.item() if op == "power" and args[1].kind == "constant" and not args[1].shape else None
        if op == "where" and args[0].dtype.kind != "b":
            terms[0] = f"{terms[0]} != 0"
        if op == "astype" and args[0].dtype.kind == "b":  # a cast would keep compilers from using vectors
            return f"{terms[0]} ? 1 : 0"
        return self.language.computed(op, terms, dtype, exponent)


def reduced(out: View, shape: Sequence[int], axes: Sequence[int]) -> View:
    """The result of a reduction of ``shape`` along ``axes``, with axes of length 1 in their places."""
    if len(out.shape) == len(shape):
        return out.without(*axes)
    for axis in sorted(axes):
        out = out.with_axis(axis, 1)
    return out
