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

from glassgrad.autograd.common import shapes
from glassgrad.autograd.compiler import executable
from glassgrad.autograd.compiler.executable import Executable
from glassgrad.autograd.compiler.ir.program import Program
from glassgrad.autograd.compiler.passes import optimize, packing, rewrite
from glassgrad.autograd.compiler.targets import emit
from glassgrad.autograd.compiler.targets.plan import Plan
from glassgrad.autograd.compiler.tracing import tracer
from glassgrad.autograd.compiler.tracing.surroundings import Surroundings
from glassgrad.autograd.compiler.tracing.traced import Traced
from tests.steps.readings import compare
from tests.steps.search import step_of

TRACE = sys.modules["glassgrad.autograd.compiler.trace"]
TABLE = Path(__file__).parents[1] / "docs/faults.md"
FIRST = 500_000
"""The seed of the first step: the same steps for every fault."""

MOST = 150
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
    return emit.KERNELS, name, lambda right: lambda emitter, instruction: right(emitter, turned(instruction))


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


def first_piece(old: Any) -> Any:
    """Packed pieces of one size all lie where the first does."""

    def piece(self: Any, role: Any, i: int, like: Any) -> Any:
        same = shapes.size(like.shape) == shapes.size(self.members[0][0].shape)
        return old(self, role, 0 if same else i, like)

    return piece


def too_short(old: Any) -> Any:
    """Results live until before the last instruction."""
    return lambda self: {v: min(i, len(self.order) - 2) for v, i in old(self).items()}


def views_forgotten(old: Any) -> Any:
    """Views of temporaries show no other memory."""
    return lambda self: {k: v for k, v in old(self).items() if v.kind != "temporary"}


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


FAULTS: dict[str, tuple[Any, Any, Change]] = {
    "trace: the last update of a state is forgotten": after("dead code", without_update),
    "trace: a view is a copy": (Traced, "as_view", lambda old: lambda self, seen, *path: Traced(self.tracer, seen)),
    "trace: writes to the memory of a view are not noticed": (
        Traced,
        "value",
        lambda old: property(lambda self: self._value),
    ),
    "trace: a reshape is a view in any order": (tracer, "_splits", lambda old: lambda *_: True),
    "guards: variables and attributes are not watched": (Surroundings, "watched", lambda old: lambda self: []),
    "guards: numbers in arrays are not compared": (TRACE, "contents", lambda old: lambda *_: []),
    "pass: minus is taken for plus": after("algebra", rewritten("subtract", to_plus)),
    "pass: the terms of a quotient are exchanged": after("algebra", rewritten("divide", divided_swapped)),
    "pass: the branches of where are exchanged": after("algebra", rewritten("where", where_swapped)),
    "pass: a reduction goes along the other axis": after("algebra", rewritten("sum", other_axis)),
    "pass: a random draw is dropped": after("dead code", without_unread_draws),
    "pass: equal calls with other parameters are one": (rewrite, "_frozen", lambda old: lambda part: None),
    "pass: x - y and y - x are one": (rewrite, "COMMUTE", lambda old: old | {"subtract"}),
    "pass: draws are computed once": (rewrite, "EFFECTS", lambda old: frozenset()),
    "pass: a factor is folded upside down": after("algebra", rewritten("multiply", folded)),
    "pass: packed pieces lie in another order": (packing._Group, "piece", first_piece),
    "plan: nothing is read after its first use": (
        Plan,
        "last_reads",
        lambda old: lambda self: dict.fromkeys(old(self), 0),
    ),
    "plan: a buffer is used again too early": (Plan, "last_reads", too_early),
    "plan: results need not live to the end": (Plan, "last_reads", too_short),
    "plan: reads of views are not credited": (Plan, "_find_roots", views_forgotten),
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
        lambda old: lambda self: self.holds(),
    ),
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
    for count in range(1, most + 1):
        step = step_of(FIRST + count)
        with planted(name):
            verdict = compare(step)
        if verdict.is_fault and not compare(step).is_fault:
            return count, verdict.culprit
    return 0, ""


ORDER = ("trace", "guards", "pass", "plan", "emitter", "bindings")

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
