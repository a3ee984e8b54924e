"""Faults of the compiler, planted one at a time: how many random steps does it take to see each?

``python -m tests.faults`` plants each and writes the table of docs/faults.md.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import ANY

from glassgrad.autograd.common.contexts import WATCHED
from glassgrad.autograd.compiler import executable
from glassgrad.autograd.compiler.compiled import Compiled
from glassgrad.autograd.compiler.executable import Executable
from glassgrad.autograd.compiler.ir.program import Instruction, Program, Value
from glassgrad.autograd.compiler.passes import algebra, optimize, packing
from glassgrad.autograd.compiler.passes.algebra import _Algebra
from glassgrad.autograd.compiler.targets import emit, language
from glassgrad.autograd.compiler.targets.c import executable as native
from glassgrad.autograd.compiler.targets.c import source
from glassgrad.autograd.compiler.targets.plan import PARTIAL, Plan
from glassgrad.autograd.compiler.tracing.surroundings import SCOPE, Guard, Surroundings
from glassgrad.autograd.compiler.tracing.traced import Traced
from glassgrad.autograd.compiler.tracing.tracer import Tracer
from tests.steps.readings import compare
from tests.steps.search import step_of

TABLE = Path(__file__).parents[1] / "docs/faults.md"
FIRST = 500_000
"""The seed of the first step: the same steps for every fault."""

MOST = 300
"""The steps after which the search for a fault is given up."""

Change = Callable[[Any], Any]


def after(pass_name: str, change: Callable[[Program], Program]) -> tuple[Any, Any, Change]:
    """``change`` done to what a pass gives."""
    i = [name for name, _ in optimize.PASSES].index(pass_name)
    return optimize.PASSES, i, lambda old: (old[0], lambda program: change(old[1](program)))


def rewritten(op: str, turned: Callable[[Any], Any]) -> Callable[[Program], Program]:
    """A pass that changes the instructions of one kind."""
    return lambda program: program.changed(instructions=[turned(i) if i.op == op else i for i in program.instructions])


def kernel(name: str, turned: Callable[[Any], Any]) -> tuple[Any, Any, Change]:
    """An emitter that is given other instructions of one kind."""
    return emit.Emitter, f"_{name}", lambda right: lambda emitter, instruction: right(emitter, turned(instruction))


def swapped(instruction: Any) -> Any:
    """The first two arguments in the other order."""
    first, second, *rest = instruction.args
    return replace(instruction, args=(second, first, *rest))


def without_update(program: Program) -> Program:
    """The last state keeps its value."""
    return program.changed(updates=dict([*program.updates.items()][:-1]))


def other_axis(instruction: Any) -> Any:
    """A reduction of a square matrix along the other axis."""
    axis, shape = instruction.params["axis"], instruction.args[0].shape
    if axis in ((0,), (1,)) and len(shape) == 2 and shape[0] == shape[1]:
        return replace(instruction, params={**instruction.params, "axis": (1 - axis[0],)})
    return instruction


def along_the_other(right: Any) -> Any:
    """The rule of a reduction, given that along the other axis."""

    def reduction(self: Any, op: str, x: Any, params: Any, out: Any) -> Any:
        turned = other_axis(Instruction(op, (x,), params, out))
        return right(self, op, x, turned.params, out)

    return reduction


def where_swapped(instruction: Any) -> Any:
    """A choice with its branches exchanged."""
    condition, x, y = instruction.args
    return replace(instruction, args=(condition, y, x))


def divided_swapped(instruction: Any) -> Any:
    """A quotient of equal shapes upside down."""
    return swapped(instruction) if instruction.args[0].shape == instruction.args[1].shape else instruction


def without_unread_draws(program: Program) -> Program:
    """Draws that nobody reads are not done."""
    read = {arg for instruction in program.instructions for arg in instruction.args}
    return program.changed(instructions=[i for i in program.instructions if i.op != "draw" or i.out in read])


def packed_with(change: Callable[[Instruction], Instruction]) -> Change:
    """States packed together, with each instruction changed."""

    def planted(old: Any) -> Any:
        def packed(program: Program, group: Any) -> Program:
            found = old(program, group)
            return found.changed(instructions=[change(i) for i in found.instructions])  # type: ignore[no-any-return]

        return packed

    return planted


def first_piece(i: Instruction) -> Instruction:
    """Packed pieces lie where the first does."""
    return replace(i, params={**i.params, "start": 0}) if i.op == "piece" else i


def too_short(old: Any) -> Any:
    """Results live until before the last instruction."""
    return lambda self: {v: min(i, len(self.order) - 2) for v, i in old(self).items()}


def views_forgotten(old: Any) -> Any:
    """Views of temporaries show no other memory."""
    return lambda *given: {k: v for k, v in old(*given).items() if v.kind != "temporary"}


def written_early(old: Any) -> Any:
    """States are written wherever their array allows it."""
    return lambda self, instruction, state, i, last: self.homes[state].flags.c_contiguous


def uncopied(old: Any) -> Any:
    """Results are the program's own buffers."""
    return lambda self, value: old(self, value).removesuffix(".copy()")


def too_early(old: Any) -> Any:
    """Buffers are taken one instruction before the last that reads them."""
    return lambda self: {v: max(0, i - 1) for v, i in old(self).items()}


def folded(instruction: Any) -> Any:
    """A factor of 0.5 is taken for 2."""
    args = instruction.args
    halves = [a for a in args if a.kind == "constant" and a.shape == () and a.data == 0.5]
    return replace(instruction, op="divide") if halves and args[1] is halves[0] else instruction


def to_plus(instruction: Any) -> Any:
    """Plus for minus."""
    return replace(instruction, op="add") if instruction.op == "subtract" else instruction


def rule(name: str, wrong: Callable[..., Any]) -> tuple[Any, Any, Change]:
    """A rule of the algebra: ``wrong(self, args, params, out)`` where it gives a value, else the right one."""

    def change(right: Any) -> Any:
        def either(self: Any, args: Any, params: Any, out: Any) -> Any:
            found = wrong(self, args, params, out)
            return right(self, args, params, out) if found is None else found

        return either

    return _Algebra, name, change


def without_minus(self: Any, args: Any, params: Any, out: Any) -> Any:
    """x - (-y) is x - y."""
    more = self.opposite(args[1], out)
    return None if more is None else self.emit("subtract", (args[0], more), {}, out.name)


def uncast(self: Any, args: Any, params: Any, out: Any) -> Any:
    """A cast to float32 that rounds nothing."""
    same = args[0].dtype.kind == "f" and str(params["dtype"]) == "float32" and args[0].dtype != params["dtype"]
    return self.emit("positive", args, {}, out.name) if same else None


def last_term_missing(program: Program) -> Program:
    """The ones that columns are summed with end with a 0."""
    known: dict[Any, Any] = {}

    def short(arg: Any) -> Any:
        if arg.kind != "constant" or len(arg.shape) != 1 or arg.shape[0] < 2 or not (arg.data == 1).all():
            return arg
        data = arg.data.copy()
        data[-1] = 0
        return known.setdefault(arg, Value("constant", arg.shape, arg.dtype, arg.name, data))

    return rewritten("matmul", lambda i: replace(i, args=tuple(map(short, i.args))))(program)


def numbers_alike(old: Any) -> Any:
    """Numbers that differ are no reason to update two states apart."""

    def update_of(*given: Any) -> Any:
        found = old(*given)
        return found and found._replace(key=tuple(None if isinstance(part, Value) else part for part in found.key))

    return update_of


def over_others(old: Any) -> Any:
    """A result is written over an argument that another argument is a view of."""

    def reused(self: Any, instruction: Any, i: int, last: Any, blocks: Any) -> Any:
        out = instruction.out
        for arg in instruction.args:
            if arg in blocks and last[arg] <= i and (arg.shape, arg.dtype) == (out.shape, out.dtype):
                return arg
        return None

    return reused


def over_what_is_read(old: Any) -> Any:
    """A part is written in an array that is read later."""

    def reused(self: Any, instruction: Any, i: int, last: Any, blocks: Any) -> Any:
        arg = instruction.args[0] if instruction.op in PARTIAL else None
        return arg if arg in blocks else old(self, instruction, i, last, blocks)

    return reused


def without_lines(part: str) -> Change:
    """A finish without the lines that have ``part``."""

    def change(old: Any) -> Any:
        return lambda self, scope: "".join(f"{line}\n" for line in old(self, scope).splitlines() if part not in line)

    return change


def renamed(name: str, other: str) -> Callable[[Any], Any]:
    """One operation for another."""
    return lambda instruction: replace(instruction, op=other) if instruction.op == name else instruction


def freed_early(old: Any) -> Any:
    """Temporaries are freed one step before they are read last."""
    return lambda self, program, steps: {v: max(0, n - 1) for v, n in old(self, program, steps).items()}


def all_in_place(old: Any) -> Any:
    """States are written while they are read."""

    def updated(program: Program, steps: Any) -> Any:
        made = {v for step in steps if isinstance(step, source.Kernel) and not step.reduction for v in step.outputs}
        pairs = {value: state for state, value in program.updates.items() if value in made}
        return {v: s for v, s in pairs.items() if v.shape == s.shape and v not in program.outputs}

    return updated


def signless(old: Any) -> Any:
    """0 and -0 are one constant."""
    return lambda self, array: old(self, abs(array) if not array.shape and array == 0 else array)


FAULTS: dict[str, tuple[Any, Any, Change]] = {
    "trace: the last update of a state is forgotten": after("dead code", without_update),
    "trace: a view is a copy": (
        Traced,
        "viewed",
        lambda old: lambda self, part: Traced(self.tracer, self.tracer.part_of(self.value, part)),
    ),
    "trace: writes to the memory of a view are not noticed": (
        Traced,
        "value",
        lambda old: property(lambda self: self._value),
    ),
    "guards: variables and attributes are not watched": (
        Surroundings,
        "_note",
        lambda old: lambda self, holder, key, name, kind="": self._visit(Guard.of(holder, key, name).value, name),
    ),
    "guards: numbers in arrays are not compared": (SCOPE, "content_of", lambda old: lambda *_: ANY),
    "pass: minus is taken for plus": after("algebra", rewritten("subtract", to_plus)),
    "pass: the terms of a quotient are exchanged": after("algebra", rewritten("divide", divided_swapped)),
    "pass: the branches of where are exchanged": after("algebra", rewritten("where", where_swapped)),
    "pass: a reduction goes along the other axis": (_Algebra, "_reduction", along_the_other),
    "pass: a random draw is dropped": after("dead code", without_unread_draws),
    "pass: equal calls with other parameters are one": (algebra, "_frozen", lambda old: lambda part: None),
    "pass: x - y and y - x are one": (algebra, "COMMUTE", lambda old: old | {"subtract"}),
    "pass: draws are computed once": (algebra, "EFFECTS", lambda old: frozenset()),
    "pass: a factor is folded upside down": after("algebra", rewritten("multiply", folded)),
    "pass: packed pieces lie in another order": (packing, "packed", packed_with(first_piece)),
    "plan: nothing is read after its first use": (
        Plan,
        "last_reads",
        lambda old: lambda self: dict.fromkeys(old(self), 0),
    ),
    "plan: a buffer is used again too early": (Plan, "last_reads", too_early),
    "plan: results need not live to the end": (Plan, "last_reads", too_short),
    "plan: reads of views are not credited": (sys.modules[Plan.__module__], "roots", views_forgotten),
    "plan: states are written while they are read": (Plan, "_may_write_home", written_early),
    "plan: the last copies into states are left out": (
        Plan,
        "_assign",
        lambda old: lambda self: (old(self), self.copies.clear()),
    ),
    "emitter: minus is taken for plus": kernel("elementwise", to_plus),
    "emitter: the branches of where are exchanged": kernel("where", where_swapped),
    "emitter: a reduction goes along the other axis": kernel("reduction", other_axis),
    "emitter: results are not copied": (emit.Emitter, "_returned", uncopied),
    "bindings: arrays that others hold are moved": (executable, "_is_shared", lambda old: lambda tensor: False),
    "bindings: arrays that were exchanged are not taken up": (
        Executable,
        "resettle",
        lambda old: lambda self: not self.broken_guards(),
    ),
    "pass: x + 0 is x": (algebra, "is_zero", lambda old: lambda v, negative: old(v, True) or old(v, False)),
    "pass: x - (-y) is x - y": rule("_subtract", without_minus),
    "pass: -(-x) is -x": rule("_negative", lambda self, args, params, out: self.opposite(args[0], out) and args[0]),
    "pass: a root is the number": rule(
        "_power", lambda self, args, params, out: args[0] if algebra.number_of(args[1]) == 0.5 else None
    ),
    "pass: a cast rounds nothing": rule("_astype", uncast),
    "pass: sums as products leave out the last term": after("algebra", last_term_missing),
    "pass: states with other numbers are updated together": (packing, "update_of", numbers_alike),
    "trace: 0 and -0 are one": (Tracer, "constant", signless),
    "trace: += makes a new array": (Traced, "__iadd__", lambda old: lambda self, other: self + other),
    "trace: a copy is the array itself": (Traced, "copy", lambda old: lambda self, order="C": self),
    "trace: gradients from before the call are forgotten": (
        Tracer,
        "gradient",
        lambda old: lambda self, tensor, raw: old(self, tensor, raw if id(tensor) in self.gradients else None),
    ),
    "trace: gradients are not cleared": (
        Tracer,
        "take_gradients",
        lambda old: lambda self: [(tensor, value) for tensor, value in old(self) if value is not None],
    ),
    "trace: learning rates are constants": (
        Tracer,
        "knob",
        lambda old: lambda self, mapping, key, name: dict.get(mapping, key),
    ),
    "guards: options and frozen parameters are not watched": (Tracer, "guard", lambda old: lambda self, *_: None),
    "guards: attributes of modules are not watched": (
        Tracer,
        "attribute_read",
        lambda old: lambda self, kind, *read: None if kind in WATCHED else old(self, kind, *read),
    ),
    "guards: the latest program is always right": (
        Compiled,
        "_found",
        lambda old: lambda self, known: known[0] if known else None,
    ),
    "plan: a result is written over what another argument sees": (Plan, "_reused", over_others),
    "plan: a part is written in an array that is read later": (Plan, "_reused", over_what_is_read),
    "emitter: sums are products": kernel("reduction", renamed("sum", "prod")),
    "emitter: a write to a part is added": kernel("assigned", renamed("setitem", "add_at")),
    "emitter: every number is 0 in a choice": (
        emit,
        "_is_zero",
        lambda old: lambda value: value.kind == "constant" and not value.shape,
    ),
    "emitter: learning rates are read once": (
        emit.Emitter,
        "_knob",
        lambda old: lambda self, value: repr(float(value.origin[0][value.origin[1]])),
    ),
    "emitter: the largest is the smallest": kernel("reduction", renamed("max", "min")),
    "emitter: the smaller is the larger": kernel("elementwise", renamed("minimum", "maximum")),
    "bindings: gradients are not set": (Executable, "_ending", without_lines(".grad = wrap(outputs[")),
    "bindings: gradients stay": (Executable, "_ending", without_lines(".grad = None")),
    "bindings: states that get another array keep theirs": (Executable, "_ending", without_lines("._data = out")),
    "C: plus for minus": (language.C.expressions, "subtract", lambda old: "{0} + {1}"),
    "C: the smaller is the larger": (language.C.expressions, "minimum", lambda old: "gg_maximum({0}, {1})"),
    "C: exp is expm1": (language.C.expressions, "exp", lambda old: "gg_expm1{F}({0})"),
    "C: the branches of where are exchanged": (language.C.expressions, "where", lambda old: "{0} ? {2} : {1}"),
    "C: greater is greater or equal": (language.C.expressions, "greater", lambda old: "{0} >= {1}"),
    "C: states are written while they are read": (source, "updated_in_place", all_in_place),
    "C: temporaries are freed early": (source.Source, "_last_reads", freed_early),
    "C: learning rates are not read": (native.NativeExecutable, "_knobs", lambda old: lambda self, scope: []),
}
"""Where each fault is: an object and the name or key of what is changed, and the change."""


@contextmanager
def planted(name: str) -> Iterator[None]:
    """Within it the compiler has the fault."""
    holder, key, change = FAULTS[name]
    by_key = isinstance(holder, dict | list)
    old = holder[key] if by_key else getattr(holder, key)
    if by_key:
        holder[key] = change(old)
    else:
        setattr(holder, key, change(old))
    try:
        yield
    finally:
        if by_key:
            holder[key] = old
        else:
            setattr(holder, key, old)


def seen_after(name: str, most: int) -> tuple[int, str]:
    """The number of the first step that shows the fault, 0 where none of ``most`` does, and the culprit."""
    target = "c" if name.startswith("C:") else "numpy"
    for count in range(1, most + 1):
        step = step_of(FIRST + count)
        with planted(name):
            verdict = compare(step, target)
        if verdict.is_fault and not compare(step, target).is_fault:
            return count, verdict.culprit
    return 0, ""


ORDER = ("trace", "guards", "pass", "plan", "emitter", "bindings", "C")

HEADER = """# Faults of the compiler

Planted one at a time by `tests/faults.py`: how many random training steps it takes until one shows it
(`tests.steps`, [testing](testing.md)), and the reading that is named. Written by `python -m tests.faults`.

| fault | seen at step | named |
|---|---|---|
"""


def main() -> None:
    """Write the page."""
    rows = []
    for name in sorted(FAULTS, key=lambda name: ORDER.index(name.partition(":")[0])):
        count, culprit = seen_after(name, MOST)
        rows.append(f"| {name} | {count or f'not in {MOST}'} | {culprit} |")
        print(rows[-1], flush=True)
    TABLE.write_text(HEADER + "\n".join(rows) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
