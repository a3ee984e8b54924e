"""Expressions as text: read without running them as Python, and computed by the registered operations.

>>> from glassgrad import autograd as ag
>>> read = Expression("u = w*x + 1; L = u**2")
>>> read.names
('w', 'x')
>>> result, known = read.compute({"w": ag.Tensor(2.0, requires_grad=True), "x": ag.Tensor(3.0)})
>>> result.item(), known["u"].item()
(49.0, 7.0)
"""

from __future__ import annotations

import keyword
import math
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

import numpy as np

from glassgrad import autograd as ag
from glassgrad.autograd.common.shapes import size
from glassgrad.autograd.errors import AutogradError
from glassgrad.viz.formula.reader import Reader
from glassgrad.viz.formula.syntax import (
    Call,
    Constant,
    ExpressionError,
    Name,
    Part,
    Statement,
    is_differentiable,
    is_label,
    is_target,
    joined,
    uses_in,
)

VALUE_LENGTH = 100_000  # characters of a value

ENTRIES = 1_000_000  # of all arrays of a computation together

NAMED = 40  # characters of the longest text used as a name

FAILURES = (AutogradError, ArithmeticError, LookupError, TypeError, ValueError, MemoryError)
"""The errors of an operation whose operands do not fit."""


class Expression:
    """A parsed text: one expression, or several with names, on lines or separated by `;`.

    ``names``: those that need a value, in their order. ``targets``: names on the right side of a difference, or in a
    loss's second argument. ``fixed``: names used only where there is no gradient, such as indices. ``whole``: ``fixed``
    and labels.

    Raises `ExpressionError` for text that is not an expression.
    """

    def __init__(self, text: str) -> None:
        self.text = _tidy(text)
        reader = Reader(self.text)
        self.statements = reader.statements()
        used = [name for statement in self.statements for name in uses_in(statement.part)]
        made = {statement.name: statement for statement in self.statements}
        # Names that no statement defines need a value from the user.
        self._free = [(use, place) for use, place in used if use.name not in made]
        self.names = tuple(dict.fromkeys(use.name for use, _ in self._free))
        self.targets = {use.name for use, place in self._free if place is not None and is_target(*place)}
        flowing = {use.name for use, place in self._free if place is None or is_differentiable(*place)}
        self.fixed = set(self.names) - flowing
        self.whole = {use.name for use, place in self._free if place is not None and is_label(*place)} | self.fixed
        read = {use.name for use, _ in used}
        for statement in self.statements[:-1]:
            if statement.name is None:
                raise reader.wrong("only the last expression may do without a name: write u = … here", statement)
            if statement.name not in read:
                raise reader.wrong(f"{statement.name} is computed and never used", statement)

    def compute(self, values: Mapping[str, ag.Tensor]) -> tuple[ag.Tensor, dict[str, ag.Tensor]]:
        """The recorded result, and the value of every name, given or computed.

        Raises `ExpressionError` for a name without value, for values that do not fit and for results that would be too
        large.
        """
        self.expect(values)
        computing = _Computing(self.text, {"pi": math.pi, **values})
        for statement in self.statements:
            computing.run(statement)
        result = computing.result
        if not isinstance(result, ag.Tensor) or result.node is None:
            raise self.wrong(
                "nothing here can be differentiated: no operation is applied to a name that takes a gradient"
            )
        return result, {name: x for name, x in computing.known.items() if isinstance(x, ag.Tensor)}

    def wrong(self, message: str) -> ExpressionError:
        """An error about the result."""
        return ExpressionError(message, self.text, self.statements[-1].part.span)

    def expect(self, values: Collection[str]) -> None:
        """Raise `ExpressionError` if a name has no value."""
        missing = [use for use, _ in self._free if use.name not in values and use.name != "pi"]
        if missing:
            names = list(dict.fromkeys(use.name for use in missing))
            near = get_close_matches(names[0].lower(), [n.lower() for n in values], 1)
            there = [name for name in values if near and name.lower() == near[0]]
            hint = f"; did you mean {there[0]}?" if there else f": add one, as in {names[0]}=0.5"
            verb = "has no value" if len(names) == 1 else "have no values"
            raise ExpressionError(f"{joined(names)} {verb}{hint}", self.text, missing[0].span)


def read_value(text: str) -> Any:
    """A number, or a nested list of them as an array, from its text.

    Raises `ExpressionError` for anything else.

    >>> read_value("-0.5"), read_value("[[1, 2], [3, 4]]").shape
    (-0.5, (2, 2))
    """
    text = _tidy(text)
    reader = Reader(text, VALUE_LENGTH)
    (statement, *more) = reader.statements()
    if more or statement.name is not None or not isinstance(statement.part, Constant):
        raise reader.wrong(
            "a value is a number, a vector or a matrix, as in 0.5, [1, 2] or [[1, 2], [3, 4]]", statement
        )
    return statement.part.value


def is_name(name: str) -> bool:
    """Whether it is a name in expressions."""
    return name.isidentifier() and not keyword.iskeyword(name)


def normal(name: str) -> str:
    """A name as Python's grammar reads it: `ﬁ` is `fi`."""
    return unicodedata.normalize("NFKC", name)


def _tidy(text: str) -> str:
    """The text without indentation and surrounding blanks."""
    return "\n".join(line.strip() for line in text.strip().split("\n"))


class _Computing:
    """One computation: the values of the names, and the number of entries that may still be computed."""

    def __init__(self, text: str, values: Mapping[str, Any]) -> None:
        self.text = text
        self.lines = text.split("\n")
        self.known: dict[str, Any] = dict(values)
        self.result: Any = None
        self.left = ENTRIES

    def run(self, statement: Statement) -> None:
        """Compute a statement and store the result under its name."""
        part = statement.part
        self.result = self.of(part)
        if statement.name is not None:
            self.known[statement.name] = self.result
            if isinstance(part, Call) and isinstance(self.result, ag.Tensor):
                self.result.name = statement.name

    def of(self, part: Part) -> Any:
        """The value of a part: a Tensor, an array or a number."""
        if isinstance(part, Name):
            return self.known[part.name]
        if isinstance(part, Constant):
            return part.value
        operands = [_flowing(self.of(operand), part.op, i) for i, operand in enumerate(part.operands)]
        numbers = all(type(x) in (int, float) for x in operands)
        if numbers:
            operands = [ag.asarray(float(x) if is_differentiable(part.op, i) else x) for i, x in enumerate(operands)]
        if _entries(part, operands) > self.left:
            limit = f"this would be more numbers than the {ENTRIES:,} that an expression may have"
            raise ExpressionError(limit, self.text, part.span)
        try:
            with np.errstate(all="ignore"):  # the picture shows values that are not finite
                result: ag.Tensor = part.op(*operands, **part.params)
        except FAILURES as error:
            said = str(error).strip().rstrip(".") or type(error).__name__
            raise ExpressionError(said, self.text, part.span) from None
        self.left -= result.size
        if result.node is not None:
            return result
        if numbers and result.shape == ():
            return result.item()
        result.name = self._written(part)
        return result

    def _written(self, part: Call) -> str | None:
        """The name of a value without gradient: its text, unless that is long."""
        text = self.lines[part.span.line][part.span.start : part.span.stop]
        if part.span.more or len(text) > NAMED:
            return None
        return text if text.startswith(part.op.name) else f"({text})"


def _flowing(x: Any, op: ag.Op, i: int) -> Any:
    """A differentiable operand as floats: integers overflow, and have no reciprocals."""
    if isinstance(x, np.ndarray) and is_differentiable(op, i) and not is_label(op, i):
        return x.astype(np.float64)
    return x


def _entries(call: Call, operands: Sequence[Any]) -> int:
    """The number of entries of a result, which is traced and not computed; 0 where the operation will refuse it."""
    classes = call.params.get("classes")
    if type(classes) is int and classes > ENTRIES:  # one_hot has an array of all classes also where it is traced
        return classes
    try:
        program = ag.trace(lambda *given: call.op(*given, **call.params), *operands)
    except FAILURES:
        return 0
    return sum(size(out.shape) for out in program.outputs)
