"""Chains of elementwise instructions as one CUDA kernel each, for CuPy to compile.

A matrix product, a view or a sort is a step of its own. The elementwise instructions between two of them (bias and
activation, the slope of an activation, the whole update of an optimizer) are one `Kernel`, and values that only a sum
reads are computed within the sum. The body of a kernel is C++ that a reader can follow: one line for each instruction,
in the names of the program.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Any

import numpy

from glassgrad.autograd.compiler.ir.inference import resolved
from glassgrad.autograd.compiler.ir.names import identifier, unique
from glassgrad.autograd.compiler.ir.program import Instruction, Program, Value, knob_arithmetic, roots
from glassgrad.autograd.compiler.targets.language import C_TYPES, CPP, FUNCTIONS, OF_TWO

EXPRESSIONS, REDUCE = CPP.expressions, CPP.reductions

OF_FLOATS = frozenset(
    (
        *FUNCTIONS, *OF_TWO, "isfinite", "isinf", "isnan", "signbit", "power", "copysign", "nextafter", "abs",
        "reciprocal", "sign", "logaddexp", "remainder", "divide",
    )
)  # fmt: skip
REMAINDER = "({1} == 0) ? 0 : ((({0} % {1}) + {1}) % {1})"
"""``remainder`` of integers, with the sign of the divisor."""

_DTYPES = frozenset(map(numpy.dtype, C_TYPES))
OF_NUMBERS = frozenset(("add", "subtract", "multiply", "negative", "square", "maximum", "minimum"))
OF_TRUTHS = frozenset(("logical_and", "logical_or", "logical_xor", "logical_not"))

LIMITS = """
#ifndef INFINITY
#define INFINITY __int_as_float(0x7f800000)
#define NAN __int_as_float(0x7fffffff)
#endif
""".strip()
"""Macros of C++'s <cmath> that CUDA's run-time compiler lacks."""


@dataclass(eq=False)
class Kernel:
    """Several elementwise instructions as one call: ``out, … = name(*inputs)``.

    With ``reduction``, an instruction, the result of ``instructions`` is reduced, and the instructions ``behind`` are
    then applied to the only result.
    """

    name: str
    inputs: list[Value]
    outputs: list[Value]
    instructions: list[Instruction]
    reduction: Instruction | None = None
    behind: Sequence[Instruction] = ()

    def __post_init__(self) -> None:
        taken: set[str] = set()
        self.names: dict[Value, str] = {}
        for value in [*self.inputs, *(i.out for i in (*self.instructions, *self.behind)), *self.outputs]:
            if value in self.names:
                continue
            name = identifier(value.name, CPP.words, ascii=True, prefix="x_")
            while {name, f"{name}_out"} & taken:
                name += "_"
            taken |= {name, f"{name}_out"}
            self.names[value] = name

    @property
    def in_params(self) -> str:
        """The inputs as CuPy's kernels declare them."""
        return ", ".join(f"{value.dtype} {self.names[value]}" for value in self.inputs)

    @property
    def out_params(self) -> str:
        """The results as CuPy's kernels declare them."""
        return ", ".join(f"{value.dtype} {self._result(value)}" for value in self.outputs)

    def _result(self, value: Value) -> str:
        return f"{self.names[value]}_out"

    def _term(self, value: Value, dtype: Any) -> str:
        """An argument, cast where the instruction computes in another dtype."""
        if value.kind == "constant" and not value.shape:
            return CPP.literal(value.data.item(), dtype)
        name = self.names[value]
        return name if value.dtype == dtype else f"({C_TYPES[str(dtype)]}){name}"

    @property
    def lines(self) -> list[str]:
        """A line of C++ for each instruction."""
        lines = []
        for instruction in self.instructions:
            out = instruction.out
            kind = C_TYPES[str(out.dtype)]
            terms = [self._term(a, d) for a, d in zip(instruction.args, computed_in(instruction), strict=True)]
            lines.append(f"const {kind} {self.names[out]} = {_expression(instruction, terms)};")
        return lines

    @property
    def operation(self) -> str:
        """The body of an elementwise kernel."""
        results = [f"{self._result(value)} = {self.names[value]};" for value in self.outputs]
        return "\n".join([*self.lines, *results])

    @property
    def preamble(self) -> str:
        """The preamble of a kernel: definitions of infinity and NaN, and the function that a reduction calls."""
        text = self.entry if self.reduction is not None and self.instructions else ""
        limits = re.search("INFINITY|NAN", " ".join([text, *self.arguments]))
        return "\n".join(part for part in (LIMITS if limits else "", text) if part)

    @property
    def entry(self) -> str:
        """The function that a reduction calls for each entry."""
        assert self.reduction is not None
        arguments = ", ".join(f"const {C_TYPES[str(v.dtype)]} {self.names[v]}" for v in self.inputs)
        value = self.reduction.args[0]
        body = "\n".join(f"    {line}" for line in [*self.lines, f"return {self.names[value]};"])
        return f"__device__ inline {C_TYPES[str(value.dtype)]} {self.name}_of({arguments}) {{\n{body}\n}}"

    @property
    def arguments(self) -> tuple[str, ...]:
        """The arguments of CuPy's ``ElementwiseKernel`` or ``ReductionKernel``."""
        if self.reduction is None:
            return self.in_params, self.out_params, self.operation, self.name
        entry = f"{self.name}_of({', '.join(self.names[v] for v in self.inputs)})"
        if not self.instructions:
            entry = self.names[self.inputs[0]]
        combine, start = REDUCE[self.reduction.op]
        combine = combine.format(a="a", b="b")
        result, value = "a", self.reduction.out
        for instruction in self.behind:
            pairs = zip(instruction.args, computed_in(instruction), strict=True)
            terms = [f"({result})" if arg is value else self._term(arg, dtype) for arg, dtype in pairs]
            value = instruction.out
            result = _expression(instruction, terms)
        last = f"{self._result(self.outputs[0])} = {result}"
        return self.in_params, self.out_params, entry, combine, last, start, self.name

    @property
    def source(self) -> str:
        """The kernel as Python source that makes it."""
        maker = "ElementwiseKernel" if self.reduction is None else "ReductionKernel"
        texts = [repr(text) for text in self.arguments]
        if self.reduction is None:
            texts[2] = _block(self.operation)
        if self.preamble:
            texts.append(f"preamble={_block(self.preamble)}")
        return f"{self.name} = {maker}(\n    " + ",\n    ".join(texts) + ",\n)"

    def make(self, cupy: Any) -> Any:
        """The kernel itself; CuPy compiles it when it is first called."""
        maker = cupy.ElementwiseKernel if self.reduction is None else cupy.ReductionKernel
        return maker(*self.arguments, preamble=self.preamble)


def _block(text: str) -> str:
    lines = "\n".join(f"    {line}" for line in text.splitlines())
    return f'"""\n{lines}\n    """'


def _expression(instruction: Instruction, terms: Sequence[str]) -> str:
    whole = instruction.op == "remainder" and instruction.out.dtype.kind == "i"
    template = REMAINDER if whole else EXPRESSIONS[instruction.op]
    return template.format(*terms, T=C_TYPES[str(instruction.out.dtype)], F="")


def computed_in(instruction: Instruction) -> tuple[Any, ...]:
    """The dtypes in which an instruction takes its arguments."""
    op, args = instruction.op, instruction.args
    if op in ("astype", "copy", "broadcast_to"):
        return tuple(a.dtype for a in args)
    if op == "where":
        return args[0].dtype, instruction.out.dtype, instruction.out.dtype
    return resolved(op, tuple(a.dtype for a in args))[:-1]


def fusable(instruction: Instruction) -> bool:
    """Whether a kernel can compute an instruction."""
    op, out = instruction.op, instruction.out
    if op not in EXPRESSIONS or 0 in out.shape or any(v.dtype not in _DTYPES for v in (*instruction.args, out)):
        return False
    kinds = {dtype.kind for dtype in computed_in(instruction)}
    if op in OF_FLOATS:
        return kinds == {"f"} or (op == "remainder" and kinds == {"i"})
    return "b" not in kinds if op in OF_NUMBERS else op not in OF_TRUTHS or kinds == {"b"}


def alone(instruction: Instruction) -> Kernel:
    """The kernel of one instruction."""
    return Kernel(instruction.out.name, inputs_of([instruction]), [instruction.out], [instruction])


def knobs(program: Program) -> list[Kernel]:
    """A kernel for each instruction of the `knob_arithmetic`."""
    return [alone(i) for i in knob_arithmetic(program.instructions).values()]


def fuse(program: Program) -> list[Kernel | Instruction]:
    """The program as kernels and single instructions, in an order in which they can run.

    Elementwise instructions of one shape and memory order are fused if no other instruction lies between: the level of
    a value is the number of other instructions on the longest path to it, and a kernel takes all of one level, shape
    and order, unless another order lies between. A value that can be recomputed from values in memory is computed where
    it is needed; instructions for states alone come last. The `knob_arithmetic` is left out.
    """
    known = knob_arithmetic(program.instructions)
    program = program.changed(instructions=[i for i in program.instructions if i.out not in known])
    kept = {*program.outputs, *program.updates.values()}
    uses = program.uses()
    inside = _within_reductions(program, uses, kept)
    after = _behind_reductions(program, uses, kept, inside)
    levels = _levels(program, uses, kept, inside, after)
    last = _only_kept(program, uses)
    groups: dict[Any, list[Instruction]] = {}
    place: dict[Instruction, Any] = {}
    turns: dict[Value, int] = {}  # changes of memory order before a value; odd if column-major
    for instruction in program.instructions:
        if instruction in inside or instruction in after:
            continue
        key: Any = instruction
        if fusable(instruction):
            level = math.inf if instruction in last else levels[instruction]
            turned = instruction.out in program.flipped
            before_it = [turns.get(arg, 0) for arg in instruction.args]
            turns[instruction.out] = max([turned, *(n + (n % 2 != turned) for n in before_it)])
            key = level, instruction.out.shape, turns[instruction.out]
        place[instruction] = key
        groups.setdefault(key, []).append(instruction)
    place |= inside | after
    before, behind = _by_reduction(program, inside), _by_reduction(program, after)
    steps: list[Kernel | Instruction] = []
    for key in _sorted(groups, place, program):
        if isinstance(key, Instruction):
            around = before.get(key, []), behind.get(key, [])
            steps.append(_reduction(key, *around) if any(around) else key)
        else:
            members = dict.fromkeys(groups[key])
            made = [i.out for i in members]
            read = {v for v in made if v in kept or any(u not in members for u in uses[v])}
            steps.append(Kernel("", inputs_of(groups[key]), [v for v in made if v in read], groups[key]))
    _name(program, steps)
    return steps


def _by_reduction(program: Program, taken: dict[Instruction, Instruction]) -> dict[Instruction, list[Instruction]]:
    """The instructions fused into each reduction, in the program's order."""
    found: dict[Instruction, list[Instruction]] = {}
    for instruction in program.instructions:
        if instruction in taken:
            found.setdefault(taken[instruction], []).append(instruction)
    return found


def _name(program: Program, steps: Sequence[Kernel | Instruction]) -> None:
    """Name kernels after the states that they update or the values that they make."""
    states = {value: state for state, value in program.updates.items()}
    names: set[str] = set()
    for step in steps:
        if isinstance(step, Kernel):
            updated = [states[v].name for v in step.outputs if v in states]
            made = next((v.name for v in step.outputs if not re.fullmatch(r"(all_)?t\d+", v.name)), "")
            does = "_".join(dict.fromkeys(i.op for i in step.instructions))
            base = f"update_{updated[0]}" if updated else made or does[:40].strip("_")
            name = unique(identifier(f"{base}_kernel", CPP.words, ascii=True, prefix="x_"), names)
            names.add(name)
            step.name = name


def _levels(
    program: Program,
    uses: dict[Value, list[Instruction]],
    kept: set[Value],
    inside: dict[Instruction, Instruction],
    after: dict[Instruction, Instruction],
) -> dict[Instruction, int]:
    """The number of other instructions before each one, as large as possible for those that can be recomputed."""
    level_of: dict[Value, int] = {}
    levels: dict[Instruction, int] = {}
    late: dict[Instruction, bool] = {}
    makers = program.producers()
    others = {i for i in program.instructions if not fusable(i) or i in inside or i in after}
    in_memory = {
        value
        for value in program.values()
        if value not in makers or value in kept or makers[value] in others or any(u in others for u in uses[value])
    }
    for instruction in program.instructions:
        level = levels[instruction] = max((level_of.get(arg, 0) for arg in instruction.args), default=0)
        within = instruction in inside or (instruction in after and instruction.args)
        level_of[instruction.out] = level if within or instruction not in others else level + 1
        known = all(arg in in_memory or late[makers[arg]] for arg in instruction.args)
        late[instruction] = known and instruction not in others
    for instruction in reversed(program.instructions):
        if late[instruction] and instruction.out not in in_memory and uses[instruction.out]:
            levels[instruction] = max(levels[instruction], min(levels[u] for u in uses[instruction.out]))
    return levels


def inputs_of(members: Sequence[Instruction]) -> list[Value]:
    """The values that instructions read and do not compute, except single constants, written as numbers."""
    made = {i.out for i in members}
    return list(dict.fromkeys(
        arg for i in members for arg in i.args if arg not in made and not (arg.kind == "constant" and not arg.shape)
    ))  # fmt: skip


def _reduction(reduction: Instruction, before: list[Instruction], behind: list[Instruction]) -> Kernel:
    inputs = inputs_of(before) if before else [reduction.args[0]]
    return Kernel("", inputs, [behind[-1].out if behind else reduction.out], before, reduction, behind)


def _is_reduced(reduction: Instruction) -> bool:
    """Whether a kernel can do a reduction."""
    return (
        reduction.op in REDUCE
        and reduction.out.dtype == reduction.args[0].dtype
        and (str(reduction.out.dtype) in ("float32", "float64") and 0 not in reduction.args[0].shape)
    )


def _within_reductions(
    program: Program, uses: dict[Value, list[Instruction]], kept: set[Value]
) -> dict[Instruction, Instruction]:
    """For each instruction read only by a reduction, that reduction."""
    makers = program.producers()
    inside: dict[Instruction, Instruction] = {}
    for reduction in program.instructions:
        if not _is_reduced(reduction):
            continue
        value = reduction.args[0]
        pending = [value]
        while pending:
            maker = makers.get(pending.pop())
            if maker is None or maker in inside or maker.out.shape != value.shape or not fusable(maker):
                continue
            numbers = any(a.kind == "knob" or (a.kind == "temporary" and a not in makers) for a in maker.args)
            alone = all(u is reduction or inside.get(u) is reduction for u in uses[maker.out])
            if alone and not numbers and maker.out not in kept:  # CuPy's reductions take no numbers
                inside[maker] = reduction
                pending += maker.args
    return inside


def _behind_reductions(
    program: Program,
    uses: dict[Value, list[Instruction]],
    kept: set[Value],
    inside: dict[Instruction, Instruction],
) -> dict[Instruction, Instruction]:
    """For each instruction that reads only a reduction's result and numbers, that reduction.

    Instructions ``inside`` a reduction are left out.
    """
    after: dict[Instruction, Instruction] = {}
    for reduction in program.instructions:
        value = reduction.out
        while _is_reduced(reduction) and value not in kept and len(uses[value]) == 1:
            (use,) = uses[value]
            numbers = all(a is value or (a.kind == "constant" and not a.shape) for a in use.args)
            same = use.out.shape == value.shape and use.out.dtype == value.dtype
            if not numbers or not fusable(use) or not same or use in inside:
                break
            after[use] = reduction
            value = use.out
    return after


def _only_kept(program: Program, uses: dict[Value, list[Instruction]]) -> set[Instruction]:
    """The instructions needed only for the new values of states."""
    outputs, found = set(program.outputs), set()
    for instruction in reversed(program.instructions):
        if instruction.out not in outputs and fusable(instruction) and all(u in found for u in uses[instruction.out]):
            found.add(instruction)
    return found


def _sorted(groups: dict[Any, list[Instruction]], place: dict[Instruction, Any], program: Program) -> list[Any]:
    """The groups in topological order, otherwise in the program's order; those for states alone at the end."""
    makers = {i.out: place[i] for i in program.instructions}
    needs: dict[Any, set[Any]] = {key: set() for key in groups}
    for instruction in program.instructions:
        key = place[instruction]
        needs[key] |= {makers[v] for v in instruction.args if v in makers and makers[v] != key}
    keys = sorted(groups, key=lambda key: not isinstance(key, Instruction) and key[0] == math.inf)
    rank = {key: i for i, key in enumerate(keys)}
    needed_by: dict[Any, list[Any]] = {}
    for key in keys:
        for need in needs[key]:
            needed_by.setdefault(need, []).append(key)
    missing = {key: len(needs[key]) for key in keys}
    ready = [rank[key] for key in keys if not missing[key]]  # a heap: the smallest rank is next
    order = []
    while ready:
        key = keys[heappop(ready)]
        order.append(key)
        for other in needed_by.get(key, ()):
            missing[other] -= 1
            if not missing[other]:
                heappush(ready, rank[other])
    assert len(order) == len(keys), f"{program.name}: kernels wait for each other"
    return order


def updated_in_place(program: Program, steps: Sequence[Kernel | Instruction]) -> dict[Value, Value]:
    """The new values of states that kernels may write over the old ones, each with its state.

    The old value is not read later, has no views that the kernel reads, and is neither a result nor the new value of
    a state.
    """
    root_of = roots(program.instructions)
    made_at: dict[Value, int] = {}
    read_at: dict[Value, int] = {root_of.get(v, v): len(steps) for v in (*program.outputs, *program.updates.values())}
    for i, step in reversed([*enumerate(steps)]):
        if isinstance(step, Kernel) and step.reduction is None:
            made_at.update(dict.fromkeys(step.outputs, i))
        for value in step.inputs if isinstance(step, Kernel) else step.args:
            read_at.setdefault(root_of.get(value, value), i)
    found: dict[Value, Value] = {}
    for state, value in program.updates.items():
        at = made_at.get(value)
        if at is None or value in found or value in program.outputs or value.shape != state.shape:
            continue
        step = steps[at]
        assert isinstance(step, Kernel)
        seen = any(v is not state and root_of.get(v) is state for v in step.inputs)
        if read_at.get(state, -1) <= at and not seen:
            found[value] = state
    return found
