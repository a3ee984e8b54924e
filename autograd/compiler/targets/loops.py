"""`StepKernel`: one step of a loop as generated code for NumPy's arrays, on buffers that are allocated once."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import numpy

from glassgrad.autograd.backends import SPACES
from glassgrad.autograd.common.contexts import TRACER, holding
from glassgrad.autograd.compiler.ir.program import Instruction, Program, Stored, Value, method
from glassgrad.autograd.compiler.passes.optimize import COMMON, optimize
from glassgrad.autograd.compiler.targets.calls import has_kernel, kernel_of
from glassgrad.autograd.compiler.targets.emit import Emitter, load
from glassgrad.autograd.compiler.targets.plan import Plan, aligned
from glassgrad.autograd.compiler.tracing import namespace  # noqa: F401  (which backends then know)
from glassgrad.autograd.compiler.tracing.traced import Traced
from glassgrad.autograd.compiler.tracing.tracer import Tracer
from glassgrad.autograd.ops.loops.body import Body


class StepKernel:
    """One step of ``body`` as a function that updates the carries in place; its code is ``source``.

    Whoever calls it holds the ``lock``, as all use the same arrays.
    """

    def __init__(self, body: Body) -> None:
        self.lock = threading.Lock()
        program, self._carries, self._ys = _program(body)
        homes = {state: state.origin._data for state in program.states}
        emitter = Emitter(Plan(program, homes, has_kernel))
        self.source = emitter.source()
        load(self.source, emitter.scope, f"step of {body.name}", self)
        self._run = emitter.scope.pop(program.name)

    def __call__(
        self, carries: Sequence[Any], rows: Sequence[Any], same: Sequence[Any], stacks: Sequence[Any], order: range
    ) -> list[Any]:
        """The last carries of a loop; the ys of step t are put into ``stack[t]``. ``rows``: the xs, stacked; ``same``:
        the consts, and the values computed before the loop."""
        for home, carry in zip(self._carries, carries, strict=True):
            home[...] = carry
        run = self._run
        for t in order:
            run(*[x[t] for x in rows], *same)
            for stack, y in zip(stacks, self._ys, strict=True):
                stack[t] = y
        return [home.copy() for home in self._carries]


def step_kernel(body: Body) -> StepKernel:
    """The kernel of a body, made at its first use."""
    if not isinstance(body.kernel, StepKernel):
        body.kernel = StepKernel(body)
    return body.kernel


def with_steps(source: str, program: Program) -> str:
    """The source of a program, followed by those of the steps of its loops."""
    loops = dict.fromkeys(i.params["options"]["loop"] for i in program.instructions if kernel_of(i) == "loop")
    steps = [f"# A step of {loop!r}\n{step_kernel(loop.body).source}" for loop in loops]
    return "\n\n".join([source, *steps])


@method("source")
def source_of(program: Program) -> str:
    """The source of a program, optimized and planned on copies of its states."""
    better = optimize(program)
    homes = {state: numpy.array(state.origin._data) for state in better.states}
    return with_steps(Emitter(Plan(better, homes, has_kernel)).source(), better)


def _program(body: Body) -> tuple[Program, list[Any], list[Any]]:
    """The step as a program whose states are carries and ys; the arrays of the carries, and those of the ys."""
    tracer = Tracer()
    space = SPACES[Traced]
    before_all, step = body.functions(space)
    with holding(TRACER, tracer):
        inputs = [tracer.input(*body.types[i], body.names[i]) for i in body.inputs]
        first = body.carries + body.xs
        rows, consts = inputs[body.carries : first], inputs[first:]
        same = [tracer.input(x.shape, x.dtype, f"same_{i}") for i, x in enumerate(before_all(space, *consts))]
        count = len(tracer.instructions)
        outputs = step(space, *inputs, *same)
        instructions = tracer.instructions[count:]
        results = [tracer.lift(out) for out in outputs]
    for instruction in instructions:
        instruction.origin = None
    carries = [_state(x.value) for x in inputs[: body.carries]]
    now = dict(zip((x.value for x in inputs[: body.carries]), carries, strict=True))
    for instruction in instructions:
        instruction.args = tuple(now.get(arg, arg) for arg in instruction.args)
    results = [now.get(value, value) for value in results]
    updates = {s: v for s, v in zip(carries, results, strict=False) if s is not v}
    ys, before = [], dict[Value, Value]()  # the carries that are results, as they are before the step
    for i, value in enumerate(results[body.carries :]):
        if value in carries and value not in before:
            before[value] = Value("temporary", value.shape, value.dtype, f"{value.name}_before")
            instructions.insert(0, Instruction("copy", (value,), {}, before[value]))
        value = before.get(value, value)
        state = next((s for s, new in updates.items() if new is value), None) or _state(value, f"y_{i}")
        updates[state] = value
        ys.append(state.origin._data)
    given = [*rows, *consts, *same]
    program = Program(f"step_of_{body.name}", [x.value for x in given], instructions, [], updates)
    return optimize(program, COMMON), [s.origin._data for s in carries], ys


def _state(value: Value, name: str = "") -> Value:
    home = aligned(max(value.nbytes, 1))[: value.nbytes].view(value.dtype).reshape(value.shape)
    home[...] = 0
    return Value("state", value.shape, numpy.dtype(value.dtype), name or value.name, origin=Stored(home))
