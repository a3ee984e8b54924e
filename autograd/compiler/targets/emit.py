"""A plan as Python source: straight lines, one operation each, with ``out=`` wherever NumPy has it."""

from __future__ import annotations

import itertools
import linecache
import re
import weakref
from typing import Any

import numpy

from glassgrad.autograd.compiler.ir.inference import function_of
from glassgrad.autograd.compiler.ir.names import identifier
from glassgrad.autograd.compiler.ir.primitives import is_view
from glassgrad.autograd.compiler.ir.program import Instruction, Value, algebra
from glassgrad.autograd.compiler.targets.calls import KERNELS, kernel_of
from glassgrad.autograd.compiler.targets.plan import Plan, by_definition
from glassgrad.autograd.compiler.targets.writer import Writer

_numbers = itertools.count(1)

NAMES = re.compile(r"[^\s!-/:-@\[-^`{-~]+")
"""Names and numbers: what is between spaces and punctuation. ``\\w+`` takes three times as long."""


def load(source: str, scope: dict[str, Any], title: str, owner: Any) -> None:
    """Run ``source`` with ``scope`` as its globals. Tracebacks show its lines as long as ``owner`` lives."""
    file = f"<{title} {next(_numbers)}>"
    exec(compile(source, file, "exec"), scope)
    linecache.cache[file] = len(source), None, source.splitlines(True), file
    weakref.finalize(owner, linecache.cache.pop, file, None)


class Emitter(Writer):
    """The source of one plan, and in ``scope`` its globals."""

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan)
        self.old: dict[Value, str] = {}

    def source(self, lends: bool = False) -> str:
        """The whole function as text. With ``lends`` it returns arrays that the next call overwrites."""
        plan, program = self.plan, self.program
        for value in [v for v in plan.arrays if v.kind == "knob"]:
            self.line(f"{self.of(value)}[()] = {self._knob(value)}", remark="read at each call")
        self.opening = len(self.lines)
        for instruction in plan.order:
            self.origin = instruction.origin
            self.instruction(instruction)
        self.origin = None
        self._copies()
        returned: list[str] = []
        for value in program.outputs:
            text = self.of(value) if lends and value in self.plan.arrays else self._returned(value)
            returned.append(f"{text}.copy()" if value.shape and text in returned else text)
        body = [*self.body(), f"return [{', '.join(returned)}]"]
        used = set(NAMES.findall(" ".join([*(text for text, *_ in self.lines), *returned])))
        views = self.before(used)
        text = "\n".join(f"    {line}".rstrip() for line in (*self.header(used), *body))
        head = f"def {identifier(program.name)}({', '.join(map(self.of, program.inputs))}):"
        return "\n".join([*views, head, f"{text}\n"])

    def _knob(self, value: Value) -> str:
        mapping, key = value.origin
        return f"{self.bind(f'{value.name}_of', mapping)}[{key!r}]"

    def _copies(self) -> None:
        """Write the states that could not be written earlier; old values that are still needed are copied first."""
        copies = [(s, v) for s, v in self.plan.copies if s is not v]
        targets = {s for s, _ in copies}
        for value in dict.fromkeys([*(v for _, v in copies), *self.program.outputs]):
            if self.plan.roots.get(value, value) in targets:
                name = self.fresh(f"{self.of(value)}_before")
                self.line(f"{name} = {self.of(value)}.copy()", value.shape, "before it is written to")
                self.old[value] = name
        for state, value in copies:
            name = self.old.get(value) or self.of(value)
            self.line(f"{self.of(state)}[...] = {name}", state.shape)

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
                KERNELS[kernel_of(instruction) or ""](self, instruction)
        elif instruction.op == "check_range":
            self._check_range(instruction)
        elif is_view(instruction):
            text = self.view_text(instruction, self.of(instruction.args[0]))
            self.line(f"{self.of(out)} = {text}", out.shape)
        else:
            self._definition(instruction)

    def _check_range(self, instruction: Instruction) -> None:
        params = instruction.params
        check = self.bind("check_range", function_of("check_range"))
        refuse = self.bind(f"{instruction.out.name}_refuse", params["refuse"])
        options = "".join(f", {k}={v!r}" for k, v in params["options"].items())
        self.line(f"{check}({self.of(instruction.args[0])}, {params['stop']!r}, {refuse}{options})")

    def _definition(self, instruction: Instruction) -> None:
        """The line that computes an instruction into a new array."""
        args, out = [self.of(arg) for arg in instruction.args], self.of(instruction.out)
        name = self.bind(f"{out}_by", by_definition(instruction, self.program.name))
        self.line(f"{out} = {name}({', '.join(args)})", instruction.out.shape, algebra(instruction))
