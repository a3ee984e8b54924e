"""Expressions as text: Python's grammar gives the tree, and nothing of it is ever run as Python.

The reader knows names, numbers, vectors and matrices, arithmetic, `.T`, indices and registered operations by name. It
refuses everything else, with the position in the text. The result is operations alone, applied as if a program had
called them.

>>> import autograd as ag
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
import operator
import re
import unicodedata
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import numpy as np

import autograd as ag
from autograd.errors import AutogradError
from autograd.interop.hints import FUNCTIONS
from autograd.operation import REQUIRED
from viz.recorded.names import LOSSES

LENGTH = 4_000  # characters of an expression
VALUE_LENGTH = 100_000  # characters of a value
DEPTH = 200  # levels of nesting
ENTRIES = 1_000_000  # of all arrays of a computation together
AXES = 8  # of a literal
EXACT = 2**53  # whole numbers that are kept as such: floats hold them exactly
NAMED = 40  # characters that still make a name
SHOWN = 100  # characters of a line around what a message is about

OPERATORS = {
    ast.Add: ("add", operator.add),
    ast.Sub: ("subtract", operator.sub),
    ast.Mult: ("multiply", operator.mul),
    ast.Div: ("divide", operator.truediv),
    ast.FloorDiv: ("floor_divide", operator.floordiv),
    ast.Mod: ("remainder", operator.mod),
    ast.Pow: ("power", lambda x, y: float(x) ** float(y)),  # of whole numbers it would have no end
    ast.MatMult: ("matmul", None),
}
SIGNS: dict[type[ast.unaryop], tuple[str, Callable[[Any], Any]]] = {
    ast.USub: ("negative", operator.neg),
    ast.UAdd: ("positive", operator.pos),
}
WORDS = ("mean", "sum", "none")  # that a parameter may have as its value

# Operations that only derivatives are made of, or that say what a value is stored as, are not for writing.
_INNER = (
    "astype", "contract", "getitem", "last_written", "multiply_no_nan", "scatter_add", "scatter_along_axis",
    "scatter_take", "setitem", "to_device", "xdivy",
)  # fmt: skip

OPERATIONS = {name: operation for name, operation in ag.OPS.items() if name not in _INNER}
"""What may be called, by name."""

_CALLED: dict[type[ast.AST], str] = {
    ast.Await: "await", ast.BoolOp: "and/or", ast.Compare: "a comparison", ast.Dict: "a dictionary",
    ast.DictComp: "a comprehension", ast.GeneratorExp: "a comprehension", ast.IfExp: "if/else",
    ast.JoinedStr: "an f-string", ast.Lambda: "a lambda", ast.ListComp: "a comprehension", ast.NamedExpr: "`:=`",
    ast.Set: "a set", ast.SetComp: "a comprehension", ast.Starred: "a starred argument", ast.Slice: "a slice",
    ast.AugAssign: "an assignment that changes a name", ast.AnnAssign: "an annotation", ast.Import: "an import",
    ast.ImportFrom: "an import", ast.FunctionDef: "a function", ast.ClassDef: "a class", ast.Delete: "del",
}  # fmt: skip


@dataclass(frozen=True)
class Span:
    """A part of a text: its line, and where in it it starts and stops, all counted from 0.

    ``more`` says that it goes on in the next line.
    """

    line: int
    start: int
    stop: int
    more: bool = False


class ExpressionError(ValueError):
    """An error in a text: ``message`` in a sentence, and its position ``span`` in ``text``."""

    def __init__(self, message: str, text: str, span: Span) -> None:
        super().__init__(message)
        self.message, self.text, self.span = message, text, span

    def __str__(self) -> str:
        return f"{self.message}\n{self.marked}" if self.text else self.message

    @property
    def marked(self) -> str:
        """The line of the text, and carets under what the message is about."""
        lines = self.text.split("\n")
        line = "".join(c if c.isprintable() else "\ufffd" for c in lines[self.span.line])
        start = min(self.span.start, len(line))
        stop = min(max(self.span.stop, start + 1), max(len(line), start + 1))
        first = max(0, min(start - SHOWN // 4, len(line) - SHOWN))
        last = first + SHOWN
        before, after = "…" * (first > 0), "…" * (last < len(line))
        indent = " " * _width(before + line[first:start])
        carets = "^" * max(1, _width(line[start : min(stop, last)]))
        return f"    {before}{line[first:last]}{after}\n    {indent}{carets}"


def _width(text: str) -> int:
    """The columns that a terminal takes for a text."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


# ---------------------------------------------------------------- what has been read


@dataclass(frozen=True)
class Name:
    """A value by its name."""

    name: str
    span: Span


@dataclass(frozen=True)
class Constant:
    """A Python number, which stays one, or an array."""

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


class Expression:
    """A text that has been read: one expression, or several that have names, on lines or with `;` between them.

    ``names`` are those that need a value, in their order. ``targets`` of them are compared with: the right side of a
    difference, or a loss's second argument. ``fixed`` stand only where no gradient can flow, as indices do; ``whole``
    are these and labels.

    Raises `ExpressionError` for text that is no expression.
    """

    def __init__(self, text: str) -> None:
        self.text = _tidy(text)
        reader = _Reader(self.text)
        self.statements = reader.statements()
        used = [name for statement in self.statements for name in _uses(statement.part)]
        made = {statement.name: statement for statement in self.statements}
        # Only what is given to it by the user is free; `pi` is, where it is nothing else.
        self._free = [(use, place) for use, place in used if use.name not in made]
        self.names = tuple(dict.fromkeys(use.name for use, _ in self._free))
        self.targets = {use.name for use, place in self._free if place is not None and _compares(*place)}
        flowing = {use.name for use, place in self._free if place is None or _flows(*place)}
        self.fixed = set(self.names) - flowing
        self.whole = {use.name for use, place in self._free if place is not None and _labels(*place)} | self.fixed
        read = {use.name for use, _ in used}
        for statement in self.statements[:-1]:
            if statement.name is None:
                raise reader.wrong("only the last expression may do without a name: write u = … here", statement)
            if statement.name not in read:
                raise reader.wrong(f"{statement.name} is computed and never used", statement)

    def compute(self, values: Mapping[str, ag.Tensor]) -> tuple[ag.Tensor, dict[str, ag.Tensor]]:
        """The result, recorded, and every named value: those given and those made.

        Raises `ExpressionError` for a name without value, for values that do not fit and for what would be too large.
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
        """What is wrong with the result."""
        return ExpressionError(message, self.text, self.statements[-1].part.span)

    def expect(self, values: Collection[str]) -> None:
        """Raise `ExpressionError` where a name is not among those that have values."""
        missing = [use for use, _ in self._free if use.name not in values and use.name != "pi"]
        if missing:
            names = list(dict.fromkeys(use.name for use in missing))
            near = get_close_matches(names[0].lower(), [n.lower() for n in values], 1)
            there = [name for name in values if near and name.lower() == near[0]]
            hint = f"; did you mean {there[0]}?" if there else f": add one, as in {names[0]}=0.5"
            verb = "has no value" if len(names) == 1 else "have no values"
            raise ExpressionError(f"{_and(names)} {verb}{hint}", self.text, missing[0].span)


def read_value(text: str) -> Any:
    """A number, or a nested list of them as an array, from its text.

    Raises `ExpressionError` for anything else.

    >>> read_value("-0.5"), read_value("[[1, 2], [3, 4]]").shape
    (-0.5, (2, 2))
    """
    text = _tidy(text)
    reader = _Reader(text, VALUE_LENGTH)
    (statement, *more) = reader.statements()
    if more or statement.name is not None or not isinstance(statement.part, Constant):
        raise reader.wrong(
            "a value is a number, a vector or a matrix, as in 0.5, [1, 2] or [[1, 2], [3, 4]]", statement
        )
    return statement.part.value


def is_name(name: str) -> bool:
    """Whether an expression can say it."""
    return name.isidentifier() and not keyword.iskeyword(name)


def normal(name: str) -> str:
    """A name as Python's grammar reads it: `ﬁ` is `fi`."""
    return unicodedata.normalize("NFKC", name)


def _tidy(text: str) -> str:
    """The text without indentation and surrounding blanks, which have no meaning here."""
    return "\n".join(line.strip() for line in text.strip().split("\n"))


def _and(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


Place = tuple[ag.Op, int]


def _uses(part: Part, place: Place | None = None) -> Iterator[tuple[Name, Place | None]]:
    """Every name that is read, and as which argument of which operation."""
    if isinstance(part, Name):
        yield part, place
    elif isinstance(part, Call):
        for i, operand in enumerate(part.operands):
            yield from _uses(operand, (part.op, i))


def _compares(op: ag.Op, i: int) -> bool:
    return i == 1 and (op.name == "subtract" or op.name in LOSSES)


def _labels(op: ag.Op, i: int) -> bool:
    return i == 1 and op.name == "cross_entropy"


def _flows(op: ag.Op, i: int) -> bool:
    return (op.args[0] if op.variadic else op.args[i]) in op.rules


# ---------------------------------------------------------------- reading


class _Reader:
    """From text to `Statement`s."""

    def __init__(self, text: str, length: int = LENGTH) -> None:
        self.text = text
        if len(text) > length:
            raise self._fail(f"this is longer than {length:,} characters", Span(0, 0, 1))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of Python's, about programs
                self.tree = ast.parse(text)
        except SyntaxError as error:
            line = min(max(error.lineno or 1, 1), text.count("\n") + 1) - 1
            start = max((error.offset or 1) - 1, 0)
            span = Span(line, start, start + 1)
            for found in re.finditer(r"(?<![\w.])(\d[\d.]*)([^\W\d_]\w*)", text.split("\n")[line]):
                if found.start() <= start <= found.end():  # as in 2x
                    raise self._fail(f"a product is written with *, as in {found[1]}*{found[2]}", span) from None
            said = "too deeply nested" if "nested" in error.msg else error.msg.partition(" (<unknown>")[0]
            raise self._fail(f"this can't be read: {said}", span) from None
        except (RecursionError, MemoryError):
            raise self._fail("this is too deeply nested", Span(0, 0, 1)) from None
        except ValueError:
            raise self._fail("this holds characters that are no text", Span(0, 0, 1)) from None
        self.lines = [line.encode() for line in text.split("\n")]

    def _fail(self, message: str, span: Span) -> ExpressionError:
        return ExpressionError(message, self.text, span)

    def span(self, node: Any) -> Span:
        """Where a node of the tree stands, its first line if it has several."""
        line: int = node.lineno - 1
        raw = self.lines[line]  # the tree counts in bytes
        more = node.end_lineno != node.lineno
        stop = len(raw) if more else node.end_col_offset
        return Span(line, len(raw[: node.col_offset].decode()), len(raw[:stop].decode()), more)

    def wrong(self, message: str, where: Any) -> ExpressionError:
        """What is wrong with a node of the tree, or with what was made of it."""
        return self._fail(message, where.span if hasattr(where, "span") else self.span(where))

    def statements(self) -> list[Statement]:
        """All of the text."""
        found: list[Statement] = []
        for node in self.tree.body:
            if isinstance(node, ast.Expr):
                found.append(Statement(None, self.part(node.value, 0), self.span(node)))
            elif isinstance(node, ast.Assign):
                found.append(self._assignment(node, {statement.name for statement in found}))
            else:
                raise self._foreign(node)
        if not found:
            raise self._fail("there is no expression", Span(0, 0, 1))
        made = {statement.name for statement in found}
        known: set[str | None] = set()
        for statement in found:
            for use, _ in _uses(statement.part):
                if use.name in made - known:
                    raise self.wrong(f"{use.name} is used before it is computed", use)
            known.add(statement.name)
        return found

    def _assignment(self, node: ast.Assign, made: set[str | None]) -> Statement:
        target = node.targets[0]
        if len(node.targets) > 1 or not isinstance(target, ast.Name):
            raise self.wrong("one name stands on the left of =, as in u = w*x", node.targets[-1])
        if target.id in made:
            raise self.wrong(f"{target.id} has been computed already: take another name", target)
        return Statement(target.id, self.part(node.value, 0), self.span(target))

    def part(self, node: ast.expr, depth: int) -> Part:
        """A node of the tree, if it is of the language."""
        if depth > DEPTH:
            raise self.wrong(f"this is nested deeper than {DEPTH} levels: name parts of it, as in u = …; L = …", node)
        depth += 1
        match node:
            case ast.Name():
                return Name(node.id, self.span(node))
            case ast.Constant():
                return Constant(self._number(node.value, node), self.span(node))
            case ast.BinOp():
                return self._binary(node, depth)
            case ast.UnaryOp():
                return self._unary(node, depth)
            case ast.List() | ast.Tuple():
                return Constant(np.asarray(self._entries(node, 1)), self.span(node))
            case ast.Call():
                return self._call(node, depth)
            case ast.Attribute():
                if node.attr != "T":
                    raise self.wrong(f"the only thing after a dot is .T, the transpose, and not .{node.attr}", node)
                return Call(ag.OPS["matrix_transpose"], (self.part(node.value, depth),), {}, self.span(node))
            case ast.Subscript():
                index = self._index(node.slice)
                return Call(ag.OPS["getitem"], (self.part(node.value, depth),), {"index": index}, self.span(node))
        raise self._foreign(node)

    def _foreign(self, node: ast.AST) -> ExpressionError:
        what = _CALLED.get(type(node), f"`{type(node).__name__.lower()}`")
        return self.wrong(
            f"{what} has no place in an expression, which is made of names, numbers, [vectors], + - * / @ ** and"
            " operations such as sigmoid(x)",
            node,
        )

    # ------------------------------------------------------------ numbers

    def _number(self, value: Any, node: Any) -> Any:
        """A number that floats can hold, a whole one as an int where it is exact."""
        if type(value) not in (int, float):
            what = {str: "text", bytes: "text", complex: "an imaginary number"}.get(type(value), repr(value))
            raise self.wrong(f"{what} stands where a number is expected", node)
        try:
            as_float = float(value)
        except OverflowError:
            as_float = math.inf
        if not math.isfinite(as_float):
            raise self.wrong("this number is larger than a float64 can hold", node)
        return value if type(value) is float or abs(value) <= EXACT else as_float

    def _folded(self, node: Any, function: Any, *numbers: Any) -> Constant:
        """The number that numbers make."""
        try:
            value = function(*numbers)
        except ZeroDivisionError:
            raise self.wrong("this divides by zero", node) from None
        except OverflowError:
            value = math.inf
        if isinstance(value, complex):
            raise self.wrong("this is no real number", node)
        if all(type(x) is int for x in numbers) and float(value).is_integer() and abs(value) <= EXACT:
            value = int(value) if function is not operator.truediv else value
        return Constant(self._number(value, node), self.span(node))

    def _entries(self, node: ast.List | ast.Tuple, axes: int) -> list[Any]:
        """A vector or matrix as nested lists of numbers."""
        if axes > AXES:
            raise self.wrong(f"this has more than {AXES} axes", node)
        if not node.elts:
            raise self.wrong("this has no entries", node)
        entries: list[Any] = []
        for item in node.elts:
            if isinstance(item, ast.List | ast.Tuple):
                entry: Any = self._entries(item, axes + 1)
            else:
                read = self.part(item, axes)
                if not isinstance(read, Constant):
                    raise self.wrong(
                        "the entries of a vector are numbers: stack(u, v) makes one of names, concat(u, v) joins them",
                        item,
                    )
                entry = read.value
            if entries and np.shape(entry) != np.shape(entries[0]):
                raise self.wrong(
                    f"this entry has shape {np.shape(entry)} and the first one {np.shape(entries[0])}: the rows of a"
                    " matrix have the same length",
                    item,
                )
            entries.append(entry)
        return entries

    # ------------------------------------------------------------ operations

    def _binary(self, node: ast.BinOp, depth: int) -> Part:
        kind = type(node.op)
        if kind is ast.BitXor:
            raise self.wrong("a power is written **, as in x**2, and not ^", node)
        if kind not in OPERATORS:
            raise self._foreign(node)
        name, function = OPERATORS[kind]
        operands = self.part(node.left, depth), self.part(node.right, depth)
        if function is not None and all(_is_number(x) for x in operands):
            return self._folded(node, function, *(x.value for x in operands if isinstance(x, Constant)))
        return Call(ag.OPS[name], operands, {}, self.span(node))

    def _unary(self, node: ast.UnaryOp, depth: int) -> Part:
        if type(node.op) not in SIGNS:
            raise self._foreign(node)
        name, function = SIGNS[type(node.op)]
        operand = self.part(node.operand, depth)
        if isinstance(operand, Constant) and _is_number(operand):
            return self._folded(node, function, operand.value)
        return Call(ag.OPS[name], (operand,), {}, self.span(node))

    def _call(self, node: ast.Call, depth: int) -> Call:
        if not isinstance(node.func, ast.Name):
            if isinstance(node.func, ast.Attribute):
                raise self.wrong(
                    f"operations are called by their name, as in sum(x), and not as .{node.func.attr}()", node.func
                )
            raise self.wrong("only operations are called, by their name: a product is written with *", node.func)
        name = node.func.id
        if name not in OPERATIONS:
            known = FUNCTIONS.get(name, "").rpartition(".")[2]
            near = [known] if known in OPERATIONS else get_close_matches(name, OPERATIONS, 1)
            hint = f"did you mean {near[0]}?" if near else "`python -m viz --help` lists all"
            raise self.wrong(f"there is no operation {name}: {hint}", node.func)
        op = OPERATIONS[name]
        operands = [self.part(argument, depth) for argument in node.args]
        if not op.variadic and len(operands) > len(op.args):
            raise self.wrong(f"{_signature(op)} was given {len(operands)} arguments", node.args[len(op.args)])
        named: dict[str, Part] = {}
        params: dict[str, Any] = {}
        for given in node.keywords:
            if given.arg is None:
                raise self.wrong("a starred argument has no place in an expression", given)
            if given.arg in params or given.arg in named:
                raise self.wrong(f"{given.arg} is given twice", given)
            if given.arg in op.params:
                params[given.arg] = self._literal(given.value)
            elif not op.variadic and given.arg in op.args[len(operands) :]:
                named[given.arg] = self.part(given.value, depth)
            else:
                raise self.wrong(f"{_signature(op)} has no parameter {given.arg}", given)
        filled = [*op.args[: len(operands)], *named]
        wanted = op.args if op.variadic else op.args[: max(len(filled), len(op.args) - len(op.optional))]
        if missing := [argument for argument in wanted if argument not in filled]:
            raise self.wrong(f"{_signature(op)} was not given {_and(missing)}", node)
        operands += [named[argument] for argument in op.args if argument in named]
        for parameter, default in op.params.items():
            if default is REQUIRED and parameter not in params:
                raise self.wrong(f"{_signature(op)} needs {parameter}=, a literal", node)
        return Call(op, tuple(operands), params, self.span(node))

    def _literal(self, node: ast.expr) -> Any:
        """The value of a parameter: a whole or other number, a word of `WORDS`, True, False, None, or a tuple."""
        if isinstance(node, ast.List | ast.Tuple):
            return tuple(self._literal(item) for item in node.elts)
        if isinstance(node, ast.Constant):
            if node.value is None or isinstance(node.value, bool) or node.value in WORDS:
                return node.value
            if isinstance(node.value, str):
                raise self.wrong(f"the words that a parameter may have are {', '.join(WORDS)}", node)
        if isinstance(node, ast.Constant | ast.UnaryOp | ast.BinOp):
            read = self.part(node, 0)
            if isinstance(read, Constant):
                return read.value
        raise self.wrong("a parameter is given as a literal, as in axis=1", node)

    def _index(self, node: ast.expr) -> Any:
        if isinstance(node, ast.Tuple):
            return tuple(self._index(item) for item in node.elts)
        if isinstance(node, ast.Slice):
            return slice(*(None if end is None else self._whole(end) for end in (node.lower, node.upper, node.step)))
        return self._whole(node)

    def _whole(self, node: ast.expr) -> int:
        read = self.part(node, 0)
        if isinstance(read, Constant) and type(read.value) is int:
            return read.value
        raise self.wrong("an index is made of whole numbers, as in x[0] or x[1:, 0]; take(x, i) takes names", node)


def _is_number(part: Part) -> bool:
    return isinstance(part, Constant) and type(part.value) in (int, float)


def _signature(op: ag.Op) -> str:
    """How an operation is called: `sum(x, axis=None, keepdims=False)`."""
    given = [f"{arg}, …" if op.variadic else f"[{arg}]" if arg in op.optional else arg for arg in op.args]
    given += [f"{name}=" if value is REQUIRED else f"{name}={value!r}" for name, value in op.params.items()]
    return f"{op.name}({', '.join(given)})"


# ---------------------------------------------------------------- computing


class _Computing:
    """One run: what the names stand for, and how many more numbers there may be."""

    def __init__(self, text: str, values: Mapping[str, Any]) -> None:
        self.text = text
        self.lines = text.split("\n")
        self.known: dict[str, Any] = dict(values)
        self.result: Any = None
        self.left = ENTRIES

    def run(self, statement: Statement) -> None:
        """Compute a statement, and let its name stand for the result."""
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
            operands = [ag.asarray(float(x) if _flows(part.op, i) else x) for i, x in enumerate(operands)]
        self._allow(_largest(part.op, operands, part.params), part)
        try:
            with np.errstate(all="ignore"):  # what is not finite is for the picture to show
                result: ag.Tensor = part.op(*operands, **part.params)
        except (AutogradError, ArithmeticError, LookupError, TypeError, ValueError, MemoryError) as error:
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
        """What a value without gradient is called: as it stands in the text, unless that is long."""
        text = self.lines[part.span.line][part.span.start : part.span.stop]
        if part.span.more or len(text) > NAMED:
            return None
        return text if text.startswith(part.op.name) else f"({text})"

    def _allow(self, entries: int, part: Part) -> None:
        if entries > self.left:
            raise ExpressionError(
                f"this would be more numbers than the {ENTRIES:,} that an expression may have", self.text, part.span
            )


def _flowing(x: Any, op: ag.Op, i: int) -> Any:
    """An operand that gradients are for as floats: whole numbers of a fixed size overflow, and have no reciprocals."""
    if isinstance(x, np.ndarray) and _flows(op, i) and not _labels(op, i):
        return x.astype(np.float64)
    return x


def _largest(op: ag.Op, operands: Sequence[Any], params: Mapping[str, Any]) -> int:
    """How many entries a result has at most, told before it takes any memory."""
    shapes = [tuple(np.shape(x.data if isinstance(x, ag.Tensor) else x)) for x in operands]
    sizes: list[int] = [math.prod(shape) for shape in shapes]
    numbers = list(_integers({name: x for name, x in params.items() if name not in ("axis", "constant_values")}))
    if op.name in ("matmul", "linear"):
        shared = shapes[0][-1] if shapes[0] else 1
        return sizes[0] * sizes[1] // max(shared, 1) ** 2 if shared else 0
    if op.name == "broadcast_to":
        return math.prod(numbers)
    if op.name == "repeat":
        return sizes[0] * max(numbers, default=0)
    if op.name in ("tile", "one_hot"):
        return sizes[0] * math.prod(max(n, 1) for n in numbers)
    if op.name == "pad":
        return math.prod(n + 2 * max(numbers, default=0) for n in shapes[0])
    if op.name == "take":
        return sizes[0] * sizes[1] // (_length(shapes[0], params.get("axis")) or 1)
    together = math.prod([max(axis) for axis in _aligned(shapes)])
    return together if op.broadcasts else max(together, sum(sizes))


def _length(shape: tuple[int, ...], axis: Any) -> int:
    """Of an axis that indices replace: 1 where there is no such, as the operation will say itself."""
    if axis is None:
        return math.prod(shape)
    return shape[axis] if type(axis) is int and -len(shape) <= axis < len(shape) else 1


def _aligned(shapes: Sequence[tuple[int, ...]]) -> Iterator[tuple[int, ...]]:
    """The lengths of each axis in all shapes, the last axis first."""
    for i in range(1, max(map(len, shapes)) + 1):
        yield tuple(shape[-i] if i <= len(shape) else 1 for shape in shapes)


def _integers(value: Any) -> Iterator[int]:
    if isinstance(value, Mapping):
        value = tuple(value.values())
    if isinstance(value, tuple):
        for item in value:
            yield from _integers(item)
    elif type(value) is int:
        yield value
