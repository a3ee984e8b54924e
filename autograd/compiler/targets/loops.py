"""`StepKernel`: one step of a loop as generated code for NumPy's arrays, on buffers that are allocated once."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import numpy

from glassgrad.autograd.compiler.ir.program import Program, method
from glassgrad.autograd.compiler.passes.optimize import COMMON, optimize
from glassgrad.autograd.compiler.targets.emit import Emitter, has_kernel, kernel_of, load
from glassgrad.autograd.compiler.targets.plan import Plan, aligned
from glassgrad.autograd.compiler.tracing.bodies import program_of
from glassgrad.autograd.ops.loops.body import Body


class StepKernel:
    """One step of ``body`` as a function of arrays; its code is ``source``.

    Whoever calls it holds the ``lock``, as all use the same arrays.
    """

    def __init__(self, body: Body) -> None:
        self.lock = threading.Lock()
        program = optimize(program_of(body, apart=True).changed(name=f"step_of_{body.name}"), COMMON)
        self._same = [*body.inputs[body.carries + body.xs :], *(step.out for step in body.split[0])]
        self._carries = [aligned(max(v.nbytes, 1))[: v.nbytes].view(v.dtype).reshape(v.shape) for v in program.inputs]
        del self._carries[body.carries :]
        emitter = Emitter(Plan(program, {}, has_kernel))
        self.source = emitter.source(body.carries)
        load(self.source, emitter.scope, f"step of {body.name}", self)
        self._run = emitter.scope.pop(program.name)

    def __call__(
        self, carries: Sequence[Any], rows: Sequence[Any], same: dict[int, Any], stacks: Sequence[Any], order: range
    ) -> list[Any]:
        """The last carries of a loop; the ys of step t are put into ``stack[t]``. ``rows``: the xs, stacked; ``same``:
        the values that are the same at all steps, by number."""
        always = [same[number] for number in self._same]
        homes, run, count = self._carries, self._run, len(carries)
        for home, carry in zip(homes, carries, strict=True):
            home[...] = carry
        for t in order:
            found = run(*homes, *[x[t] for x in rows], *always)
            for stack, y in zip(stacks, found[count:], strict=True):
                stack[t] = y
            for home, carry in zip(homes, found, strict=False):
                home[...] = carry
        return [home.copy() for home in homes]


def step_kernel(body: Body) -> StepKernel:
    """The kernel of a body, made at its first use."""
    if not isinstance(body.kernel, StepKernel):
        body.kernel = StepKernel(body)
    return body.kernel


def with_steps(source: str, program: Program) -> str:
    """The source of a program, followed by those of the steps of its loops."""
    loops = dict.fromkeys(i.params["options"]["loop"] for i in program.instructions if kernel_of(i) == "loop")
    return "\n\n".join([source, *[f"# A step of {loop!r}\n{step_kernel(loop.ran).source}" for loop in loops]])


@method("source")
def source_of(program: Program) -> str:
    """The source of a program, optimized and planned on copies of its states."""
    better = optimize(program)
    homes = {state: numpy.array(state.origin._data) for state in better.states}
    return with_steps(Emitter(Plan(better, homes, has_kernel)).source(), better)
