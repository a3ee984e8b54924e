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
from glassgrad.autograd.compiler.targets.javascript.functions import FUNCTIONS
from glassgrad.autograd.compiler.targets.kernels import fuse, updated_in_place
from glassgrad.autograd.compiler.targets.language import JAVASCRIPT, string
from glassgrad.autograd.compiler.targets.nested import Script as Base
from glassgrad.autograd.compiler.targets.nests import Axis, View, added, merged, times
from glassgrad.autograd.errors import TargetError

PART = 12_000
"""The largest number of characters of a function: V8 does not optimize a function of more than 60 kB of bytecode, which
then takes up to 18 times as long."""

SHORT = 64
"""Constants of up to this number of elements are written as numbers, larger ones in base64."""


NONE = (1, 0, 0, 0)
"""An axis of length 1."""


class Script(Base):
    """The text of ``program`` as a function of ``memory``; see `Program.javascript`."""

    language = JAVASCRIPT

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
        where = "" if view == View.of(view.data, view.shape) else f", {list(view.strides)}, {view.offset}"
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

    def contract(
        self, axes: Sequence[Axis], sums: Sequence[Axis], x: View, y: View, out: View, dtype: Any, *,
        adds: bool = False,
    ) -> None:  # fmt: skip
        """Write ``out = Σ x · y``, or ``out += Σ x · y``; see `nested.Script.contract`.

        Products call a few functions: browsers soon make a short function fast that is called often, and are slow to
        do so with a long one that has the loops of many products.
        """
        axes, sums = merged(axes), merged(sums) or [(1, 0, 0)]
        rows = max((a for a in axes if not a[2] and a[1]), default=NONE, key=lambda a: a[0])
        columns = max((a for a in axes if not a[1] and a[2]), default=NONE, key=lambda a: a[0])
        around = [a for a in axes if a is not rows and a is not columns]
        places = [x.start, y.start, out.start]
        for depth, (n, *steps) in enumerate(around):
            self.lines.append(f"{'  ' * depth}for (let $q{depth} = 0; $q{depth} < {n}; $q{depth}++) {{")
            places = [added(p if p != "0" else "", times(f"$q{depth}", s)) for p, s in zip(places, steps, strict=True)]
        height, width = (_block_of(n, adds) for n in (rows[0], columns[0]))
        key = height, width, len(sums), str(dtype), adds
        if key not in self.products:
            self.products[key] = self.fresh(f"sums_{height}x{width}")
            self.functions += _function(self.products[key], height, width, len(sums), dtype, adds)
        strides = rows[1], rows[3], columns[2], columns[3]
        given = [x.data, y.data, out.data, *places, rows[0], columns[0], *strides, *chain(*sums)]
        self.lines.append(f"{'  ' * len(around)}{self.products[key]}({', '.join(map(str, given))});")
        self.lines += ["  " * depth + "}" for depth in reversed(range(len(around)))]


def _block_of(n: int, adds: bool) -> int:
    """The number of rows or columns computed at once. Where nothing is added, the last block may overlap another."""
    return next((b for b in (4, 3, 2) if n % b == 0), 1 if adds else min(4, max(n, 1)))


def _function(name: str, height: int, width: int, depth: int, dtype: Any, adds: bool) -> list[str]:
    """The function of blocks of ``height`` by ``width`` sums in registers, each over ``depth`` axes.

    Where x begins, and its step from row to row; likewise y and its columns, and the result. Then each sum's length and
    its steps in x and y. ``| 0`` says that an integer has 32 bits, and saves checks.
    """
    given = ["x", "y", "out", "atX", "atY", "atOut", "rows", "columns", "rowX", "rowOut", "columnY", "columnOut"]
    given += [f"{letter}{k}" for k in range(depth) for letter in ("n", "x", "y")]
    cells = [(r, c) for r in range(height) for c in range(width)]
    sums: list[str] = []
    for k in range(depth):  # an axis within another one has gone to its end when the outer one goes on
        back = [f" - n{k + 1} * {letter}{k + 1}" if k + 1 < depth else "" for letter in ("x", "y")]
        moves = f"p = p + x{k}{back[0]} | 0, q = q + y{k}{back[1]} | 0"
        sums.append(f"{'  ' * k}for (let $p{k} = 0; $p{k} < n{k}; $p{k}++, {moves}) {{")
    pad = "  " * depth
    reads = [f"$x{r} = x[{added('p', times('rowX', r))} | 0]" for r in range(height)]
    reads += [f"$y{c} = y[{added('q', times('columnY', c))} | 0]" for c in range(width)]
    sums.append(f"{pad}const {', '.join(reads)};")
    sums.append(pad + " ".join(f"$s{r}{c} += $x{r} * $y{c};" for r, c in cells))
    sums += ["  " * k + "}" for k in reversed(range(depth))]
    truth = " ? 1 : 0" if dtype.kind == "b" else ""
    written = (
        f"out[{added('o', times('rowOut', r), times('columnOut', c))} | 0] {'+=' if adds else '='} $s{r}{c}{truth};"
        for r, c in cells
    )
    return [
        f"function {name}({', '.join(given)}) {{",
        f"  for (let $i = 0; $i < rows; $i += {height}) for (let $j = 0; $j < columns; $j += {width}) {{",
        f"    const i = $i + {height} > rows ? rows - {height} : $i;",
        f"    const j = $j + {width} > columns ? columns - {width} : $j;",
        f"    let {', '.join(f'$s{r}{c} = 0' for r, c in cells)};",
        "    let p = atX + i * rowX | 0, q = atY + j * columnY | 0;",
        *("    " + line for line in sums),
        "    const o = atOut + i * rowOut + j * columnOut | 0;",
        "    " + " ".join(written),
        "  }",
        "}",
    ]


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
