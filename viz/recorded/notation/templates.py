"""The templates of operations filled with operands: brackets where precedence requires them, parameters by name."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from string import Formatter
from typing import Any

import numpy as np

from glassgrad.viz.drawing import numbers
from glassgrad.viz.recorded.notation.latex import brackets, tex_escape, tex_number, tex_word
from glassgrad.viz.recorded.notation.symbols import CALL, DERIVATIVE, FRACTION, POWER, PRODUCT, SUM, Symbol

COPIES = frozenset(("positive", "astype", "broadcast_to", "to_device", "conj", "real"))
SILENT = COPIES | {"reshape", "expand_dims", "squeeze"}

COMPARISONS = ("equal", "not_equal", "less", "less_equal", "greater", "greater_equal")

# Right operands that need no brackets at the same precedence: a + (b - c) = a + b - c.
SIDES = {"add": ("add", "subtract"), "multiply": ("multiply", "divide"), "matmul": ("matmul",)} | dict.fromkeys(
    ("where", "logical_and", "logical_or", "bitwise_and", "bitwise_or"), COMPARISONS
)
UNTOLD = frozenset(("keepdims", "copy", "dtype", "stable", "shape", "reduction", "add", "classes"))
INDICES = 6  # an array of up to so many indices is written out
OPENING, CLOSING = set("([{|⌊⌈,="), set(")]}|⌋⌉,")


def filled(form: str, parts: Mapping[str, Symbol], level: float, name: str, *, tex: bool = False) -> str:
    """An operation's template with its operands, in brackets where precedence requires it."""
    literals, fields = pieces_of(form)
    out = []
    for i, (before, field) in enumerate(zip(literals, fields, strict=False)):
        part, after = parts[field], literals[i + 1].lstrip()
        written = part.tex if tex else part.text
        shut_in = before.rstrip()[-1:] in OPENING and (after[:1] in CLOSING or after.startswith(r"\right"))
        if before.endswith("^") and part.number is not None and float(part.number).is_integer():
            before, written = before[:-1], _raised(written)
        elif before.endswith("[") and after.startswith("]") and isinstance(part.value, tuple):
            written = written.removeprefix("(").removesuffix(")")
        elif part.head in COMPARISONS and SIDES.get(name) is not COMPARISONS:  # Iverson: 1 where it holds, else 0
            written = rf"\left[{written}\right]" if tex else f"[{written}]"
        elif not shut_in and _loose(part, _asked(before, after, level), name, first=not before, tex=tex):
            written = brackets(written) if tex else f"({written})"
        elif tex and after[:1] in ("_", "^") and after[0] in written:
            written = f"{{{written}}}"  # LaTeX takes no second index at one place
        out += [before, written]
    return "".join([*out, literals[-1]])


def _asked(before: str, after: str, level: float) -> float:
    """The precedence from which on an operand at this position needs no brackets."""
    if before.rstrip()[-1:] in OPENING and after.startswith(("- ", "+ ")):  # as x in (x - y)²
        return SUM / 2  # a sum needs none, a phrase does
    if before.endswith(("- ", "+ ")) and after[:1] in CLOSING:  # as y
        return PRODUCT
    if after[:1] in ("ᵀ", "^") and level < POWER:
        return POWER
    product = after.startswith(("·", "×", r"\,")) or before.rstrip().endswith(("·", "×", r"\,"))
    return max(level, PRODUCT) if product else level


@cache
def pieces_of(form: str) -> tuple[list[str], list[str]]:
    """The parts of a template: the texts around its fields, one more than fields, and the fields."""
    literals, fields = [""], []
    for literal, field, _, _ in Formatter().parse(form):
        literals[-1] += literal
        if field is not None:
            fields.append(field)
            literals.append("")
    return literals, fields


def _loose(part: Symbol, level: float, name: str, *, first: bool, tex: bool) -> bool:
    """Whether an operand needs brackets where this precedence is asked for."""
    binds = part.tex_level if tex else part.level
    if tex and binds == FRACTION:
        return binds < level
    if part.head == "where" and name != "where" and not tex:  # in LaTeX it has a brace of its own
        return True
    signed = part.text.startswith("-") and name not in COMPARISONS
    if first and name in SILENT:
        return False
    rest = part.scaled[1]
    if name in ("matmul", "linear") and rest is not None and rest.head in ("multiply", "divide"):
        return True  # an elementwise product beside a matrix product
    if part.head == DERIVATIVE and name in ("divide", "matmul", "linear"):
        return True
    if binds < level or (signed and not (first and level < POWER)):
        return True
    if binds > level or level >= CALL:
        return False
    if first:
        return level == POWER or (name == "multiply" and part.head == "divide")
    return part.head not in SIDES.get(name, ())


def named_parameters(op: Any, parts: Mapping[str, Symbol], form: str) -> list[str]:
    """The parameters to name in a formula: those that its template lacks and whose value is not the default."""
    given = {name: parts[name].value for name in op.params if name not in UNTOLD.union(pieces_of(form)[1])}
    return [
        name
        for name, x in given.items()
        if x is not None
        and not (isinstance(x, int | float | str) and x == op.params[name])
        # Sums along the last axis that keep it, as in a softmax, are clear without.
        and not (name == "axis" and x == -1 and "keepdims" in parts and parts["keepdims"].value)
    ]


def with_parameters(op: Any, form: str, told: Sequence[str], *, tex: bool = False) -> str:
    """A template with its parameters named after the operands; one without brackets is written as a call."""
    word = rf"\operatorname{{{{{tex_escape(op.name)}}}}}" if tex else op.name
    if not (form.endswith(")") and form.count("(") == 1):
        shown = [arg for arg in op.args if arg not in op.optional or arg in pieces_of(form)[1]]
        form = f"{word}({', '.join(f'{{{arg}}}' for arg in shown)})"
    names = (rf"\mathrm{{{{{tex_escape(name)}}}}}" if tex else name for name in told)
    return f"{form[:-1]}{''.join(f', {name}={{{field}}}' for name, field in zip(names, told, strict=True))})"


def without_operand(name: str, form: str) -> str:
    """A template without an operand that was not given, and without the sign before it."""
    return re.sub(r"(\s*[+\-×·,]\s*)?\{+" + name + r"\}+", "", form, count=1)


def _raised(number: str) -> str:
    return number.translate(str.maketrans("0123456789-.", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻·"))


def parameter(x: Any) -> str:
    """A parameter of an operation, or a constant array, as it is written in a formula."""
    if isinstance(x, Symbol):
        return x.text
    if isinstance(x, slice):
        bounds = ["" if b is None else parameter(b) for b in (x.start, x.stop)]
        return ":".join(bounds) + (f":{parameter(x.step)}" if x.step is not None else "")
    if isinstance(x, tuple | list):
        inside = ", ".join(map(parameter, x))
        return f"({inside}{',' if len(x) == 1 else ''})" if isinstance(x, tuple) else f"[{inside}]"
    if isinstance(x, type):
        return x.__name__
    if getattr(x, "shape", ()):
        is_written = x.ndim == 1 and x.size <= INDICES and np.dtype(x.dtype).kind in "iub"
        return f"[{', '.join(map(str, x.tolist())) if is_written else numbers.shape(x.shape)}]"
    if isinstance(x, int | float | np.generic) or hasattr(x, "item"):
        return numbers.constant(x)
    return "..." if x is Ellipsis else getattr(x, "name", None) or getattr(x, "__name__", None) or str(x)


def tex_parameter(x: Any) -> str:
    """`parameter` in LaTeX."""
    text = parameter(x)
    if isinstance(x, str) or x is None or isinstance(x, bool) or (text and text[0].isalpha()):
        return tex_word(text)
    return tex_number(text) if isinstance(x, int | float) else tex_escape(text)
