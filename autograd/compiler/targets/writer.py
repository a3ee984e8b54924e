"""`Writer`: the lines of the emitted function, the names in them, and the array that each name stands for.

A view of another array is a line before the function, which runs once: ``flat = miss.reshape((4,))``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy

from glassgrad.autograd.common import shapes
from glassgrad.autograd.compiler.ir.names import identifier
from glassgrad.autograd.compiler.ir.primitives import index_text, is_view
from glassgrad.autograd.compiler.ir.program import Instruction, Origin, Value
from glassgrad.autograd.compiler.targets.plan import Plan

WIDTH = 90
"""Comments are aligned without regard to lines of code that are longer."""

MANY = 4
"""How many arrays a line of the header lists."""


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
        self.lines: list[tuple[str, str, Origin | None]] = []
        """The lines of code, each with its comment and the user's line that it computes."""
        self.opening = 0
        """The number of leading lines that belong to no user line."""
        self.origin: Origin | None = None
        self.names: dict[Value, str] = {}
        self.views: dict[str, tuple[str, str]] = {}
        """For each view: the name of its base, and the expression that makes it."""
        self.numbers: dict[str, Any] = {}
        self.constants: dict[str, Value] = {}
        self.makers = self.program.producers()
        self.written = {
            v: s for s, v in self.program.updates.items() if v is not s and plan.arrays.get(v) is plan.homes[s]
        }
        self.known: dict[str, Any] = {identifier(self.program.name): self.program}
        """What each name means."""
        for value in self.program.inputs:
            self.of(value)

    # ----------------------------------------------------------------------------------------------------------- names

    def fresh(self, text: str, thing: Any = None) -> str:
        """A name for ``thing``, or for something new: ``text``, with underscores where it means something else."""
        name, thing = identifier(text), object() if thing is None else thing
        while self.known.setdefault(name, thing) is not thing:
            name += "_"
        return name

    def bind(self, text: str, thing: Any) -> str:
        """The name in the source that is bound to ``thing``: ``text``, or a free variant of it."""
        name = self.fresh(text, thing)
        self.scope[name] = thing
        return name

    def seen(self, text: str, base: str, expression: str) -> str:
        """The name of a view of ``base``, made by ``expression``: ``text``, or a free variant of it."""
        name = next((name for name, view in self.views.items() if view == (base, expression)), None)
        if name is None:
            self.views[name := self.fresh(text)] = base, expression
        return name

    def of(self, value: Value) -> str:
        """The name of a value's array."""
        if value not in self.names:
            maker, name = self.makers.get(value), value.name
            if value in self.written:
                self.names[value] = self.of(self.written[value])
                return self.names[value]
            if value.kind == "constant" and not value.shape:
                name = _number_name(value)
                name = f"{name}_{value.dtype}" if identifier(name) in self.known else name
            elif maker is not None and maker.op == "permute_dims" and maker.params["axes"] == (1, 0):
                name = f"{self.of(maker.args[0])}_T"
            name = self.names[value] = self.fresh(name)
            if value in self.plan.arrays:
                self._tell(value, name)
        return self.names[value]

    def _tell(self, value: Value, name: str) -> None:
        """Bind a name to its array, or write the line of a view. Note constants for the header."""
        maker = self.makers.get(value)
        if value in self.plan.within:
            whole, start = self.plan.within[value]
            base = self.of(whole)
            self.views[name] = base, piece_text(base, {"start": start, "shape": value.shape})
        elif maker is not None and is_view(maker) and value in self.plan.roots:
            base = self.of(maker.args[0])
            self.views[name] = base, self.view_text(maker, base)
        else:
            self.scope[name] = self.plan.arrays[value]
            if value.kind == "constant":
                (self.constants if value.shape else self.numbers)[name] = value

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
            return f"{self.bind('broadcast_to', numpy.broadcast_to)}({x}, {tuple(params['shape'])})"
        return f"{x}.reshape({tuple(instruction.out.shape)})"

    # ----------------------------------------------------------------------------------------------------------- lines

    def line(self, text: str, shape: shapes.Shape | None = None, remark: str = "") -> None:
        """Add a line that writes an array of ``shape``."""
        told = remark if shape is None else f"{shape} {remark}".rstrip()
        self.lines.append((text, told, self.origin))

    def body(self) -> list[str]:
        """The lines in blocks, each under a comment with the user's line that it computes."""
        origins = [origin for *_, origin in self.lines]
        for i in reversed(range(self.opening, len(origins) - 1)):  # lines without an origin join the next ones
            origins[i] = origins[i] or origins[i + 1]
        found: list[tuple[str, str]] = []
        last = None
        for (text, remark, _), origin in zip(self.lines, origins, strict=True):
            told = None if origin is None else str(origin)
            if told is not None and told != last:
                found += [("", ""), (f"# {_one_line(told)}", "")]
            last = told
            found.append((text, remark))
        width = max((len(text) for text, remark in found if remark and len(text) < WIDTH), default=0)
        return [f"{text:{width}}  # {_one_line(remark)}" if remark else text for text, remark in found]

    def header(self, used: set[str]) -> list[str]:
        """Comments that list the arrays that no line makes: constants, and packed states that no line reads alone."""
        found = []
        for title, told in (
            ("Constants", [f"{n} {value.shape} {value.dtype}" for n, value in self.constants.items() if n in used]),
            ("Numbers, as arrays", [name for name in self.numbers if name in used]),
            ("Packed states", [piece for name, piece in self._pieces() if name not in used]),
        ):
            found += [f"# {title}: {', '.join(told[k : k + MANY])}" for k in range(0, len(told), MANY)]
        return found

    def _pieces(self) -> Iterator[tuple[str, str]]:
        """The name and the text of each packed state."""
        for whole, members in self.program.packed.items():
            for member, start in members if whole in self.names else ():
                name = identifier(member.name)
                yield name, f"{name} = {piece_text(self.names[whole], {'start': start, 'shape': member.shape})}"

    def before(self, used: set[str]) -> list[str]:
        """The lines of the views that are used, each after its base. Adds the names of these to ``used``."""
        for name, (base, _) in reversed(self.views.items()):
            used |= {base} if name in used else set()
        lines = [f"{name} = {expression}" for name, (_, expression) in self.views.items() if name in used]
        return ["# Views of other arrays, made once", *lines, ""] if lines else []


def _one_line(text: str) -> str:
    """``text`` without line breaks, which would end the comment."""
    return " ".join(text.split())
