"""`Script`: a program as the text of one JavaScript function over typed arrays."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

import numpy

from glassgrad.autograd import backends
from glassgrad.autograd.common.shapes import size
from glassgrad.autograd.compiler.ir.interpreter import present
from glassgrad.autograd.compiler.ir.program import Instruction, Program, Value
from glassgrad.autograd.compiler.passes.optimize import COMMON, optimize
from glassgrad.autograd.compiler.targets.javascript.contraction import contract
from glassgrad.autograd.compiler.targets.javascript.functions import FUNCTIONS
from glassgrad.autograd.compiler.targets.kernels import fuse, updated_in_place
from glassgrad.autograd.compiler.targets.language import JAVASCRIPT, string
from glassgrad.autograd.compiler.targets.nested import Script as Base
from glassgrad.autograd.compiler.targets.nests import View
from glassgrad.autograd.errors import TargetError

PART = 12_000
"""The largest number of characters of a function: V8 does not optimize a function of more than 60 kB of bytecode, which
then takes up to 18 times as long."""

SHORT = 64
"""Constants of up to this number of elements are written as numbers, larger ones in base64."""


class Script(Base):
    """The text of ``program`` as a function of ``memory``; see `Program.javascript`."""

    language, contract = JAVASCRIPT, contract

    def __init__(self, program: Program, name: str | None, *, comments: bool, states: bool) -> None:
        super().__init__(program, name or program.name)
        self.comments, self.states = comments, states
        self.heads: list[str] = []
        self.functions: list[str] = []
        self.products: dict[Any, str] = {}

    # ---------------------------------------------------------------------------------------------- of the language

    def view(self, value: Value) -> View:
        """The view of a value, whose array is declared at its first use."""
        if value not in self.views:
            kind, name, length = self.type_of(value), self.name_of(value), size(value.shape)
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
        """The value of a state or knob before the first run; zeros for an input."""
        if value.kind == "input":
            return ""
        if value.kind == "state" and not self.states:
            return ", null"
        return f", () => {literal(backends.to_numpy(present(value)), kind)}"

    def scratch(self, like: str, shape: Sequence[int], dtype: Any, start: str = "") -> View:
        """Another array, with a name like that of ``like``."""
        name, kind = self.fresh(like), JAVASCRIPT.types[str(dtype)]
        filled = f".fill({start})" if start not in ("", "0") else ""
        self.heads.append(f"const {name} = new {kind}({size(tuple(shape))}){filled};")
        return View.of(name, shape)

    def refused(self, condition: str, said: str) -> str:
        """The line that throws an error where a condition holds."""
        return f"if ({condition}) throw new RangeError({string(said)});"

    def fill(self, view: View, text: str) -> None:
        """Fill an array with one number."""
        self.lines.append(f"{view.data}.fill({text});")

    # ------------------------------------------------------------------------------------------------------- the whole

    def text(self) -> str:
        """The function."""
        if self.given.packed:
            raise TargetError(
                f"{self.given.name} can't be written in JavaScript: it is optimized, and its states lie in one buffer. "
                "Write the program as it was traced."
            )
        program = self.given = optimize(self.given, COMMON)
        self.in_place = updated_in_place(program, fuse(program))
        for value in program.inputs:
            self.view(value)
        for value, state in self.in_place.items():
            self.views[value] = self.view(state)
        run = self.called("run", self.parts(program))
        commit = self.called("commit", [self._copied(source, target) for source, target in self.commits(program)])
        ends = [
            *self._listed("inputs", program.inputs, [value.name for value in program.inputs]),
            *self._listed("outputs", program.outputs, program.keys),
            "return { run, commit, inputs, outputs };",
        ]
        body = [*GIVEN.splitlines(), *self.heads, *self.functions, *run, *commit, *ends]
        lines = ["'use strict';", "memory ??= {};", *self._helpers("\n".join(body)), *body]
        return "\n".join([f"function {self.name}(memory) {{", *(f"  {line}" for line in lines), "}\n"])

    def _listed(self, name: str, values: Sequence[Value], names: Sequence[str]) -> list[str]:
        """The lines of a list of values, which can also be read by their names."""
        named = [f"{string(called)}: {name}[{i}]" for i, called in enumerate(names)]
        return [
            f"const {name} = [{', '.join(map(self._entry, values))}];",
            *([f"Object.assign({name}, {{ {', '.join(named)} }});"] if named else []),
        ]

    def called(self, name: str, parts: Sequence[list[str]]) -> list[str]:
        """The function ``name()`` as text, or several that V8 optimizes, and one that calls them."""
        groups: list[list[str]] = [[]]
        length = 0
        for lines in parts:
            more = sum(len(line) + 5 for line in lines)
            if groups[-1] and length + more > PART:
                groups.append([])
                length = 0
            groups[-1] += lines
            length += more
        given = ", ".join(self.times)

        def function(name: str, lines: Iterable[str]) -> list[str]:
            return [f"function {name}({given}) {{", *(f"  {line}" for line in lines), "}"]

        if len(groups) == 1:
            return function(name, groups[0])
        names = [self.fresh(f"{name}_{number}") for number in range(1, len(groups) + 1)]
        texts = [function(part, lines) for part, lines in zip(names, groups, strict=True)]
        return [*chain.from_iterable(texts), *function(name, (f"{part}({given});" for part in names))]

    def _copied(self, source: View, target: View) -> list[str]:
        """The lines that copy an array."""
        self.lines = []
        self.copy(source, target)
        return self.lines

    def _entry(self, value: Value) -> str:
        """The entry by which a value can be read."""
        view = self.view(value)
        plain = view == View.of(view.data, view.shape)
        where = "" if plain else f", {list(view.strides)}, {view.offset}"
        return f"seen({view.data}, '{value.dtype}', {list(view.shape)}{where})"

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
        """A comment for each instruction, where comments are wanted."""
        if self.comments:
            super().said(*instructions)

    def copy(self, source: View, target: View, sign: str = "=") -> None:
        """``target = source``, which is broadcast; or ``+=``."""
        source = source.broadcast_to(target.shape)
        length, is_whole = size(target.shape), source.is_contiguous and target.is_contiguous
        if is_whole and sign == "=" and length > SHORT:
            start, place = source.start, target.start
            end = length if start == "0" else f"{start} + {length}"
            self.lines.append(f"{target.data}.set({source.data}.subarray({start}, {end}), {place});")
        else:
            super().copy(source, target, sign)

    def within(self, name: str, parts: Sequence[list[str]]) -> list[str]:
        """Declare a function of ``parts``. Returns the lines that call it."""
        name = self.fresh(name)
        self.functions += self.called(name, parts)
        return [f"{name}({', '.join(self.times)});"]


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
function seen(data, dtype, shape, strides, offset = 0) {
  strides ??= shape.map((_, axis) => shape.slice(axis + 1).reduce((a, b) => a * b, 1));
  return { data, dtype, shape, strides, offset };
}
""".strip()
"""Two functions of each script. ``given`` returns the array of an input, state or knob: that of ``memory``, checked, or
a new one. ``seen`` describes a value for the page.
"""


def literal(array: Any, kind: str) -> str:
    """An array in JavaScript."""
    flat = numpy.ascontiguousarray(array).reshape(-1)
    if not flat.size or ((flat == 0).all() and not numpy.signbit(flat.astype("f8")).any()):
        return f"new {kind}({flat.size})"
    if flat.size > 2 and (flat == flat[0]).all() and flat[0] != 0:
        return f"new {kind}({flat.size}).fill({JAVASCRIPT.literal(flat[0].item(), flat.dtype)})"
    if flat.size <= SHORT:
        return f"{kind}.of({', '.join(JAVASCRIPT.literal(x, flat.dtype).strip('()') for x in flat.tolist())})"
    stored = {"Float64Array": "<f8", "Float32Array": "<f4"}.get(kind, flat.dtype.newbyteorder("<"))
    data = base64.b64encode(flat.astype(stored).tobytes()).decode()
    return f"new {kind}($bytes('{data}').buffer)"
