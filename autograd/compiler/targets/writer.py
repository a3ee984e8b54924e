"""`Writer`: the lines of the emitted function, the names in them, and the array that each name stands for.

A view of another array is an alias: the header lists it as a Python expression, `flat = miss.reshape((4,))`.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from glassgrad.autograd.common import shapes
from glassgrad.autograd.compiler.ir.names import identifier
from glassgrad.autograd.compiler.ir.primitives import ELEMENTWISE, REDUCTIONS, index_text, is_view
from glassgrad.autograd.compiler.ir.program import Instruction, Origin, Value
from glassgrad.autograd.compiler.targets.plan import Plan

FUNCTIONS = frozenset(
    (
        *ELEMENTWISE, *(f"{ufunc}_reduce" for ufunc in REDUCTIONS.values()), "broadcast_to", "copyto", "float",
        "float32", "float64", "part", "range",
    )
)  # fmt: skip
"""Functions that the source calls: no value has these names."""

WIDTH = 110
"""The largest number of characters of a header line. Comments are aligned without regard to lines of code that are
nearly as long."""


@dataclass(slots=True)
class Line:
    """A line of code, its comment, and the user's line that it computes."""

    text: str
    remark: str
    origin: Origin | None


def piece_text(whole: str, params: dict[str, Any]) -> str:
    """The expression for one piece of a flat buffer, reshaped."""
    start, shape = params["start"], tuple(params["shape"])
    part = f"{whole}[{start}:{start + shapes.size(shape)}]"
    return part if len(shape) == 1 else f"{part}.reshape({shape})"


def _number_name(value: Value) -> str:
    """The name of a scalar constant: ``c_0_5`` for 0.5."""
    return f"c_{value.data!s}".replace("e-", "e_minus_").replace("-", "minus_")


class Writer:
    """Collects the lines and names of one plan's source."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.program = plan, plan.program
        self.scope: dict[str, Any] = {}
        self.lines: list[Line] = []
        self.opening = 0
        """The number of leading lines that belong to no user line."""
        self.origin: Origin | None = None
        self.names: dict[Value, str] = {}
        self.aliases: dict[str, tuple[str, str]] = {}
        """For each view: the name of its base, and the expression that makes it."""
        self._made: dict[Any, tuple[Any, Any]] = {}
        self.numbers: dict[str, Any] = {}
        self.constants: dict[str, Value] = {}
        self.makers = self.program.producers()
        self.written = {
            v: s for s, v in self.program.updates.items() if v is not s and plan.arrays.get(v) is plan.homes[s]
        }
        self.taken = {identifier(self.program.name)}
        for value in self.program.inputs:
            self.of(value)

    # ----------------------------------------------------------------------------------------------------------- names

    def fresh(self, name: str) -> str:
        """A name not used in the source yet: ``name``, followed by underscores if it is taken."""
        name = identifier(name)
        while name in self.taken or name in self.scope or name in FUNCTIONS:
            name += "_"
        self.taken.add(name)
        return name

    def bind(self, name: str, thing: Any) -> str:
        """Bind ``thing`` to ``name``, or to a free variant of it, in the source; returns the name."""
        name = identifier(name)
        while name in self.taken or self.scope.get(name, thing) is not thing:
            name += "_"
        self.scope[name] = thing
        return name

    def seen(self, name: str, array: Any, base: str, expression: str) -> str:
        """`bind` for a view of ``base``, made by ``expression``."""
        name = self.bind(name, array)
        self.aliases[name] = base, expression
        return name

    def of(self, value: Value) -> str:
        """The name of a value's array."""
        if value not in self.names:
            if (source := self.transposed(value)) is not None:
                self.names[value] = self._transpose(source)
            elif (state := self.written.get(value)) is not None:
                self.names[value] = self.of(state)
            else:
                number = value.kind == "constant" and not value.shape
                name = _number_name(value) if number else value.name
                if number and identifier(name) in self.taken:
                    name = f"{name}_{value.dtype}"
                name = self.names[value] = self.fresh(name)
                if value in self.plan.arrays:
                    self.scope[name] = self.plan.arrays[value]
                    self._tell(value, name)
        return self.names[value]

    def _tell(self, value: Value, name: str) -> None:
        """Note constants and views for the header."""
        maker = self.makers.get(value)
        if value.kind == "constant":
            (self.constants if value.shape else self.numbers)[name] = value
        elif value in self.plan.within:
            whole, start = self.plan.within[value]
            base = self.of(whole)
            self.aliases[name] = base, piece_text(base, {"start": start, "shape": value.shape})
        elif maker is not None and is_view(maker) and value in self.plan.roots:
            base = self.of(maker.args[0])
            self.aliases[name] = base, self.view_text(maker, base)

    def view_text(self, instruction: Instruction, x: str) -> str:
        """The Python expression for a view."""
        op, params = instruction.op, instruction.params
        if op == "getitem":
            index = params["index"] if isinstance(params["index"], tuple) else (params["index"],)
            whole = (*index, ...) if not instruction.out.shape and ... not in index else params["index"]
            return f"{x}[{index_text(whole)}]"
        if op == "piece":
            return piece_text(x, params)
        if op == "permute_dims":
            axes = tuple(params["axes"])
            return f"{x}.T" if axes == tuple(range(len(axes)))[::-1] else f"{x}.transpose({axes})"
        if op == "broadcast_to":
            return f"broadcast_to({x}, {tuple(params['shape'])})"
        return f"{x}.reshape({tuple(instruction.out.shape)})"

    def transposed(self, value: Value) -> Value | None:
        """The matrix that ``value`` is the transpose of, or ``None``."""
        maker = self.makers.get(value)
        if maker is None or maker.op != "permute_dims" or tuple(maker.params["axes"]) != (1, 0):
            return None
        return maker.args[0]

    def _transpose(self, value: Value) -> str:
        """The name of the transpose of a matrix."""
        source = self.transposed(value)
        if source is not None:
            return self.of(source)
        name, array = self.of(value), self.plan.arrays.get(value)
        if array is None:
            return f"{name}.T"
        return self.seen(f"{name}_T", self.once(array, "T", lambda: array.T), name, f"{name}.T")

    def once(self, array: Any, key: str, make: Callable[[], Any]) -> Any:
        """The cached result of ``make`` for ``array``: NumPy recognizes in-place operations by identical arguments."""
        if (id(array), key) not in self._made:
            self._made[id(array), key] = array, make()
        return self._made[id(array), key][1]

    # ----------------------------------------------------------------------------------------------------------- lines

    def line(self, text: str, shape: shapes.Shape | None = None, remark: str = "") -> None:
        """Add a line that writes an array of ``shape``."""
        told = " ".join(filter(None, ("" if shape is None else f"{tuple(shape)}", remark)))
        self.lines.append(Line(text, told, self.origin))

    def body(self) -> list[str]:
        """The lines in blocks, each under a comment with the user's line that it computes."""
        origins = [line.origin for line in self.lines]
        for i in reversed(range(self.opening, len(origins) - 1)):  # lines without an origin join the next ones
            origins[i] = origins[i] or origins[i + 1]
        found: list[tuple[str, str]] = []
        last = None
        for line, origin in zip(self.lines, origins, strict=True):
            told = None if origin is None else str(origin)
            if told is not None and told != last:
                found += [("", ""), (f"# {_one_line(told)}", "")]
            last = told
            found.append((line.text, line.remark))
        width = max((len(text) for text, remark in found if remark and len(text) < WIDTH - 20), default=0)
        return [f"{text:{width}}  # {_one_line(remark)}" if remark else text for text, remark in found]

    def header(self) -> list[str]:
        """Comments that list arrays which no line computes: packed states, views, constants."""
        used = set(re.findall(r"\w+", " ".join(line.text for line in self.lines)))
        found: list[str] = []
        views = self._views(used)
        used |= set(re.findall(r"\w+", " ".join(views)))
        for title, lines in (
            ("States packed into one buffer:", self._pieces()),
            ("Views of the same memory (X_T is X.T):", views),
        ):
            if lines:
                found += [f"# {title}", *(f"#   {line}" for line in lines)]
        constants = {name: value for name, value in self.constants.items() if name in used}
        for title, told in (
            ("Constants", [f"{name} {value.shape} {value.dtype}" for name, value in constants.items()]),
            ("Numbers, as arrays", [name for name in self.numbers if name in used]),
        ):
            text = f"{title}: {', '.join(told)}"
            found += textwrap.wrap(text, WIDTH, initial_indent="# ", subsequent_indent="#   ") if told else []
        return found

    def _pieces(self) -> list[str]:
        found = []
        for whole, members in self.program.packed.items():
            if whole in self.names:
                for member, start in members:
                    text = piece_text(self.names[whole], {"start": start, "shape": member.shape})
                    found.append(f"{identifier(member.name)} = {text}")
        return found

    def _views(self, used: set[str]) -> list[str]:
        """The views that lines use, each after its base."""
        wanted = {*used}
        for name, (base, _) in reversed(self.aliases.items()):
            wanted |= {base} if name in wanted else set()
        pieces = {line.partition(" = ")[0] for line in self._pieces()}
        return [
            f"{name} = {expression}"
            for name, (base, expression) in self.aliases.items()
            if name in wanted - pieces and (name, expression) != (f"{base}_T", f"{base}.T")
        ]


def _one_line(text: str) -> str:
    """``text`` without line breaks, which would end the comment."""
    return " ".join(text.split())
