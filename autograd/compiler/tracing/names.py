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


def name_values(
    instructions: Iterable[Instruction], others: Iterable[Value], lines: Lines, updates: Mapping[Value, Value]
) -> None:
    """Name the results of instructions, in order. The choices are, first to last: ``d_h`` for the gradient of ``h``,
    the name in the user's line or the module, ``w_new`` for the update of a state ``w``, the name within an operation,
    and a name made of the operands. ``others``, the inputs, states and constants, keep their names."""
    forms = dict.fromkeys(others, "atom")  # a named value is an atom
    counts = {value.name: 1 for value in forms}
    given = {value: value_name(name) for value, name in lines.names("local").items()}
    given |= {value: f"{state.name}{UPDATED}" for state, value in updates.items()}
    given |= {value: value_name(name) for kind in ("output", "assigned") for value, name in lines.names(kind).items()}

    def give(value: Value, name: str, form: str = "atom", start: int = 0) -> None:
        """Name ``value``, with the next number appended if ``start`` is given or the name is taken."""
        if start or name in counts:
            base, start = (name, start) if start else (f"{name}_", 2)
            number = counts.get(base, start)
            while (name := f"{base}{number}") in counts:
                number += 1
            counts[base] = number + 1
        counts[name] = 1
        value.name, forms[value] = name, form

    for instruction in instructions:
        value = instruction.out
        if value in lines.gradients:
            give(value, f"{GRADIENT}{lines.gradients[value].name}")
        elif value in given:
            give(value, given[value])
        else:
            operation = "" if value.name[1:].isdigit() else value.name.rstrip("_0123456789")
            known = derived(instruction, lambda x: (x.name, forms.get(x, ""))) if operation in PLAIN else ("", "")
            if known[0]:
                give(value, *known)
            else:
                give(value, f"{operation}_" if operation else "t", "atom" if operation else "", 1)
