"""The parts of an expression: names, constants, calls and statements, each with its position in the text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from glassgrad import autograd as ag
from glassgrad.viz.formula.columns import columns_of
from glassgrad.viz.recorded.names import LOSSES

SHOWN = 100  # characters of a line in a message


@dataclass(frozen=True)
class Span:
    """A part of a text: its line and the columns where it starts and stops, counted from 0.

    ``more``: it continues in the next line.
    """

    line: int
    start: int
    stop: int
    more: bool = False


class ExpressionError(ValueError):
    """An error in an expression: a ``message``, and its position ``span`` in ``text``."""

    def __init__(self, message: str, text: str, span: Span) -> None:
        super().__init__(message)
        self.message, self.text, self.span = message, text, span

    def __str__(self) -> str:
        return f"{self.message}\n{self.marked}" if self.text else self.message

    @property
    def marked(self) -> str:
        """The line of the text, with carets under the wrong part."""
        lines = self.text.split("\n")
        line = "".join(c if c.isprintable() else "\ufffd" for c in lines[self.span.line])
        start = min(self.span.start, len(line))
        stop = min(max(self.span.stop, start + 1), max(len(line), start + 1))
        first = max(0, min(start - SHOWN // 4, len(line) - SHOWN))
        last = first + SHOWN
        before, after = "…" * (first > 0), "…" * (last < len(line))
        indent = " " * columns_of(before + line[first:start])
        carets = "^" * max(1, columns_of(line[start : min(stop, last)]))
        return f"    {before}{line[first:last]}{after}\n    {indent}{carets}"


@dataclass(frozen=True)
class Name:
    """A value by its name."""

    name: str
    span: Span


@dataclass(frozen=True)
class Constant:
    """A Python number or an array."""

    value: Any
    span: Span


@dataclass(frozen=True)
class Call:
    """An operation and its arguments."""

    op: ag.Op
    operands: tuple[Part, ...]
    params: dict[str, Any]
    span: Span


Part = Name | Constant | Call


@dataclass(frozen=True)
class Statement:
    """An expression and the name of its value."""

    name: str | None
    part: Part
    span: Span


def joined(names: Sequence[str]) -> str:
    """Names as in `a, b and c`."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


Place = tuple[ag.Op, int]


def uses_in(part: Part, place: Place | None = None) -> Iterator[tuple[Name, Place | None]]:
    """Every name in an expression, with the operation and the index of the argument that it is."""
    if isinstance(part, Name):
        yield part, place
    elif isinstance(part, Call):
        for i, operand in enumerate(part.operands):
            yield from uses_in(operand, (part.op, i))


def is_target(op: ag.Op, i: int) -> bool:
    """Whether this argument is compared with a result: the right side of a difference, the target of a loss."""
    return i == 1 and (op.name == "subtract" or op.name in LOSSES)


def is_label(op: ag.Op, i: int) -> bool:
    """Whether this argument may be an integer class."""
    return i == 1 and op.name == "cross_entropy"


def is_differentiable(op: ag.Op, i: int) -> bool:
    """Whether the operation has a gradient with respect to this argument."""
    return (op.args[0] if op.variadic else op.args[i]) in op.rules
