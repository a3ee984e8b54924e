"""The names of a trace's values: those of the user's lines and modules, ``d_h`` for the gradient of ``h``, and
for other values a name made of the operation and its operands (``x_at_w``)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from glassgrad.autograd.compiler.ir.names import value_name
from glassgrad.autograd.compiler.ir.program import GRADIENT, UPDATED, Instruction, Value
from glassgrad.autograd.compiler.ir.words import BEFORE, BETWEEN, derived
from glassgrad.autograd.compiler.tracing.lines import Lines

PLAIN = frozenset(
    ("", *BETWEEN, *BEFORE, "positive", "power", "reshape", "permute_dims", "matrix_transpose", "getitem", "astype")
)
"""The operations of a single instruction, or of none: their results are named after the operands. Those of others are
named after the operation."""


class _Names:
    """The names given so far, each unique, and the form of each: a named value is an ``atom``."""

    def __init__(self, taken: Iterable[Value]) -> None:
        self.forms: dict[Value, str] = dict.fromkeys(taken, "atom")
        self.counts: dict[str, int] = {value.name: 1 for value in self.forms}

    def operand(self, value: Value) -> tuple[str, str]:
        """The name of a value and its form, which is empty for a numbered name."""
        return value.name, self.forms.get(value, "")

    def give(self, value: Value, name: str, form: str = "atom") -> None:
        """Name ``value``, with a number appended if the name is taken."""
        if name in self.counts:
            self.count(f"{name}_", value, form, 2)
        else:
            self.counts[name] = 1
            value.name, self.forms[value] = name, form

    def count(self, base: str, value: Value, form: str = "", start: int = 1) -> None:
        """Name ``value`` with ``base`` and the next number."""
        number = self.counts.get(base, start)
        while (name := f"{base}{number}") in self.counts:
            number += 1
        self.counts[base], self.counts[name] = number + 1, 1
        value.name, self.forms[value] = name, form


def name_values(
    instructions: Iterable[Instruction], others: Iterable[Value], lines: Lines, updates: Mapping[Value, Value]
) -> None:
    """Name the results of instructions, in order. The choices are, first to last: ``d_h`` for the gradient of ``h``,
    the name in the user's line or the module, ``w_new`` for the update of a state ``w``, the name within an operation,
    and a name made of the operands. ``others``, the inputs, states and constants, keep their names."""
    names = _Names(others)
    given, gradients, local = lines.names("output") | lines.names("assigned"), lines.gradients, lines.names("local")
    states = {value: state for state, value in updates.items()}
    for instruction in instructions:
        value = instruction.out
        if value in gradients:
            names.give(value, f"{GRADIENT}{gradients[value].name}")
        elif value in given:
            names.give(value, value_name(given[value]))
        elif value in states:
            names.give(value, f"{states[value].name}{UPDATED}")
        elif value in local:
            names.give(value, value_name(local[value]))
        else:
            operation = "" if value.name[1:].isdigit() else value.name.rstrip("_0123456789")
            text, form = derived(instruction, names.operand) if operation in PLAIN else ("", "")
            if text:
                names.give(value, text, form)
            elif operation:
                names.count(f"{operation}_", value, "atom")
            else:
                names.count("t", value)
