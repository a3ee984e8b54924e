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

import ast
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
from glassgrad.viz.formula.syntax import ExpressionError, Source, joined
from glassgrad.viz.recorded.names import LOSSES

VALUE_LENGTH = 100_000  # characters of a value

ENTRIES = 1_000_000  # of all arrays of a computation together

NAMED = 40  # characters of the longest text used as a name

FAILURES = (AutogradError, ArithmeticError, LookupError, TypeError, ValueError, MemoryError)
"""The errors of an operation whose operands do not fit."""


class Expression:
    """A parsed text: one expression, or several with names, on lines or separated by `;`.

    ``names``: those that need a value, in their order. ``computed``: those that a statement gives one. ``targets``:
    names on the right side of a difference, or in a loss's second argument. ``fixed``: names used only where there is
    no gradient, such as indices. ``whole``: ``fixed`` and labels.

    Raises `ExpressionError` for text that is not an expression.
    """

    def __init__(self, text: str) -> None:
        self._source = source = Source(text)
        self._statements = source.statements()
        self.computed = {statement.name for statement in self._statements}
        self._free: list[ast.Name] = []
        self.targets, self.fixed, self.whole = set[str](), set[str](), set[str]()
        flowing, read, known = set[str](), set[str](), set[str | None]()
        for statement in self._statements:
            for use, place in source.uses(statement.value):
                read.add(use.id)
                if use.id in self.computed:
                    if use.id not in known:
                        raise source.wrong(f"{use.id} is used before it is computed", use)
                    continue
                self._free.append(use)
                if place is None or is_differentiable(*place):
                    flowing.add(use.id)
                if place is not None and is_target(*place):
                    self.targets.add(use.id)
                if place is not None and is_label(*place):
                    self.whole.add(use.id)
            known.add(statement.name)
        self.names = tuple(dict.fromkeys(use.id for use in self._free))
        self.fixed = set(self.names) - flowing
        self.whole |= self.fixed
        for statement in self._statements[:-1]:
            if statement.name is None:
                raise source.wrong("only the last expression may do without a name: write u = … here", statement.head)
            if statement.name not in read:
                raise source.wrong(f"{statement.name} is computed and never used", statement.head)

    def compute(self, values: Mapping[str, ag.Tensor]) -> tuple[ag.Tensor, dict[str, ag.Tensor]]:
        """The recorded result, and the value of every name, given or computed.

        Raises `ExpressionError` for a name without value, for values that do not fit and for results that would be too
        large.
        """
        self.expect(values)
        computing = _Computing(self._source, {"pi": math.pi, **values})
        result: Any = None
        for statement in self._statements:
            result = computing.of(statement.value)
            if statement.name is not None:
                computing.known[statement.name] = result
                if isinstance(result, ag.Tensor) and not isinstance(statement.value, ast.Name):
                    result.name = statement.name
        if not isinstance(result, ag.Tensor) or result.node is None:
            raise self.wrong(
                "nothing here can be differentiated: no operation is applied to a name that takes a gradient"
            )
        return result, {name: x for name, x in computing.known.items() if isinstance(x, ag.Tensor)}

    def wrong(self, message: str) -> ExpressionError:
        """An error about the result."""
        return self._source.wrong(message, self._statements[-1].value)

    def expect(self, values: Collection[str]) -> None:
        """Raise `ExpressionError` if a name has no value."""
        missing = [use for use in self._free if use.id not in values and use.id != "pi"]
        if missing:
            names = list(dict.fromkeys(use.id for use in missing))
            near = get_close_matches(names[0].lower(), [n.lower() for n in values], 1)
            there = [name for name in values if near and name.lower() == near[0]]
            hint = f"; did you mean {there[0]}?" if there else f": add one, as in {names[0]}=0.5"
            verb = "has no value" if len(names) == 1 else "have no values"
            raise self._source.wrong(f"{joined(names)} {verb}{hint}", missing[0])


def read_value(text: str) -> Any:
    """A number, or a nested list of them as an array, from its text.

    Raises `ExpressionError` for anything else.

    >>> read_value("-0.5"), read_value("[[1, 2], [3, 4]]").shape
    (-0.5, (2, 2))
    """
    source = Source(text, VALUE_LENGTH)
    (statement, *more) = source.statements()
    value = source.constant(statement.value)
    if more or statement.name is not None or value is None:
        raise source.wrong(
            "a value is a number, a vector or a matrix, as in 0.5, [1, 2] or [[1, 2], [3, 4]]", statement.head
        )
    return value


def is_name(name: str) -> bool:
    """Whether it is a name in expressions."""
    return name.isidentifier() and not keyword.iskeyword(name)


def normal(name: str) -> str:
    """A name as Python's grammar reads it: `ﬁ` is `fi`."""
    return unicodedata.normalize("NFKC", name)


def is_target(op: ag.Op, i: int) -> bool:
    """Whether this argument is compared with a result: the right side of a difference, the target of a loss."""
    return i == 1 and (op.name == "subtract" or op.name in LOSSES)


def is_label(op: ag.Op, i: int) -> bool:
    """Whether this argument may be an integer class."""
    return i == 1 and op.name == "cross_entropy"


def is_differentiable(op: ag.Op, i: int) -> bool:
    """Whether the operation has a gradient with respect to this argument."""
    return (op.args[0] if op.variadic else op.args[i]) in op.rules


class _Computing:
    """One computation: the values of the names, and the number of entries that may still be computed."""

    def __init__(self, source: Source, values: Mapping[str, Any]) -> None:
        self.source, self.known, self.left = source, dict(values), ENTRIES

    def of(self, node: ast.expr) -> Any:
        """The value of a node: a Tensor, an array or a number."""
        if isinstance(node, ast.Name):
            return self.known[node.id]
        constant = self.source.constant(node)
        if constant is not None:
            return constant
        op, nodes, params = self.source.call(node)
        operands = [_flowing(self.of(operand), op, i) for i, operand in enumerate(nodes)]
        numbers = all(type(x) in (int, float) for x in operands)
        if numbers:
            operands = [ag.asarray(float(x) if is_differentiable(op, i) else x) for i, x in enumerate(operands)]
        if _entries(op, operands, params) > self.left:
            limit = f"this would be more numbers than the {ENTRIES:,} that an expression may have"
            raise self.source.wrong(limit, node)
        try:
            with np.errstate(all="ignore"):  # the picture shows values that are not finite
                result: ag.Tensor = op(*operands, **params)
        except FAILURES as error:
            said = str(error).strip().rstrip(".") or type(error).__name__
            raise self.source.wrong(said, node) from None
        self.left -= result.size
        if result.node is None and numbers and result.shape == ():
            return result.item()
        if result.node is None:
            result.name = self._written(node, op)
        return result

    def _written(self, node: ast.expr, op: ag.Op) -> str | None:
        """The name of a value without gradient: its text, unless that is long."""
        text = self.source.piece(node)
        if "\n" in text or len(text) > NAMED:
            return None
        return text if text.startswith(op.name) else f"({text})"


def _flowing(x: Any, op: ag.Op, i: int) -> Any:
    """A differentiable operand as floats: integers overflow, and have no reciprocals."""
    if isinstance(x, np.ndarray) and is_differentiable(op, i) and not is_label(op, i):
        return x.astype(np.float64)
    return x


def _entries(op: ag.Op, operands: Sequence[Any], params: Mapping[str, Any]) -> int:
    """The number of entries of a result, which is traced and not computed; 0 where the operation will refuse it."""
    classes = params.get("classes")
    if type(classes) is int and classes > ENTRIES:  # one_hot has an array of all classes also where it is traced
        return classes
    try:
        program = ag.trace(lambda *given: op(*given, **params), *operands)
    except FAILURES:
        return 0
    return sum(size(out.shape) for out in program.outputs)
