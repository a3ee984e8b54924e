"""A program on a GPU: its instructions one by one, as calls of CuPy's functions.

Nothing in it waits for the GPU. All values are computed before the first state is written.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from glassgrad.autograd import backends
from glassgrad.autograd.compiler.executable import Executable
from glassgrad.autograd.compiler.ir.program import Value, roots
from glassgrad.autograd.compiler.passes.optimize import COMMON, optimize
from glassgrad.autograd.compiler.targets.plan import by_definition


class DeviceExecutable(Executable):
    """One program on a GPU, bound to the arrays of its states there."""

    optimize = staticmethod(partial(optimize, passes=COMMON))

    def bind(self) -> None:
        """Take the arrays of the states."""
        program, space = self.optimized, backends.space_on(self.trace.device)
        space.enter()  # type: ignore[misc]
        values = [*program.values()]
        knobs = [value for value in values if value.kind == "knob"]
        kept = self.homes | {value: space.asarray(value.data) for value in values if value.kind == "constant"}
        # As in eager mode, labels are not checked on a GPU: that would wait for it.
        instructions = [i for i in program.instructions if i.op != "check_range"]
        calls, read = list[Any](), {*program.outputs, *program.updates.values()}
        for i in reversed(instructions):
            last = [v for v in {*i.args, i.out} - read if v.kind == "temporary"]  # which nothing needs afterwards
            calls.insert(0, (i.out, i.args, by_definition(i, program.name, space), last))
            read |= {*last}
        root_of = roots(instructions)
        updates = [(self.homes[s], v, root_of.get(v, v).kind != "temporary") for s, v in program.updates.items()]

        def run(*arrays: Any) -> list[Any]:
            space.enter()  # type: ignore[misc]
            found = dict(zip(program.inputs, arrays, strict=True)) | kept
            for knob in knobs:
                mapping, key = knob.origin
                found[knob] = space.full((), float(mapping[key]), dtype=knob.dtype)
            for out, args, compute, last in calls:
                found[out] = compute(*[found[arg] for arg in args])
                for value in last:
                    del found[value]
            results = [found[value].copy() for value in program.outputs]
            new = [found[value].copy() if lasts else found[value] for _, value, lasts in updates]
            for (home, *_), array in zip(updates, new, strict=True):
                home[...] = array
            return results

        self._install(f"{program.name} = run\n", {"run": run})

    def _home(self, state: Value) -> Any:
        return state.origin._data

    @property
    def text(self) -> str:
        """The program, as it prints."""
        return str(self.optimized)
