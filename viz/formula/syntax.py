"""The grammar of expressions: Python's gives the tree, and nothing of it is ever run as Python.

An expression has names, numbers, vectors and matrices, arithmetic, `.T`, indices and registered operations by name.
Everything else is refused, with its position in the text.
"""

from __future__ import annotations

import ast
import math
import operator
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, TypeAlias

import numpy as np

from glassgrad import autograd as ag
from glassgrad.autograd.engine.operation import REQUIRED
from glassgrad.autograd.interop.hints import FUNCTIONS
from glassgrad.viz.drawing.texts import clipped, one_line

SHOWN = 80  # characters of the text in a message
LENGTH = 4_000  # characters of an expression
DEPTH = 200  # levels of nesting
AXES = 8  # of a literal
EXACT = 2**53  # integers up to here stay ints: floats represent them exactly

OPERATORS: dict[type[ast.AST], tuple[str, Callable[..., Any] | None]] = {
    ast.Add: ("add", operator.add),
    ast.Sub: ("subtract", operator.sub),
    ast.Mult: ("multiply", operator.mul),
    ast.Div: ("divide", operator.truediv),
    ast.FloorDiv: ("floor_divide", operator.floordiv),
    ast.Mod: ("remainder", operator.mod),
    ast.Pow: ("power", lambda x, y: float(x) ** float(y)),  # powers of ints could be huge
    ast.MatMult: ("matmul", None),
    ast.USub: ("negative", operator.neg),
    ast.UAdd: ("positive", operator.pos),
}
WORDS = ("mean", "sum", "none")  # words that may be the value of a parameter

# Operations that occur only in derivatives, or that concern storage, cannot be called.
_INNER = (
    "astype", "contract", "getitem", "last_written", "multiply_no_nan", "scatter_add", "scatter_along_axis",
    "scatter_take", "setitem", "to_device", "xdivy",
)  # fmt: skip

OPERATIONS = {name: operation for name, operation in ag.OPS.items() if name not in _INNER}
"""The operations that may be called, by name."""

Call: TypeAlias = tuple[ag.Op, Sequence[ast.expr], dict[str, Any]]
"""An operation, the nodes of its operands, and its parameters."""

Place: TypeAlias = tuple[ag.Op, int]
"""An operation, and the index of one of its arguments."""


class ExpressionError(ValueError):
    """An error in an expression: a ``message``, and the ``piece`` of the text that it is about."""

    def __init__(self, message: str, piece: str = "") -> None:
        self.message, self.piece = message, clipped(one_line(piece), SHOWN)
        super().__init__(f"{message}\n    {self.piece}" if piece else message)


@dataclass(frozen=True)
class Statement:
    """An expression and the name of its value; ``head`` is the node that a message about it marks."""

    name: str | None
    value: ast.expr
    head: ast.expr


class Source:
    """A text without indentation and surrounding blanks, and the meaning of the nodes of its tree."""

    def __init__(self, text: str, length: int = LENGTH) -> None:
        self.text = text = "\n".join(line.strip() for line in text.strip().split("\n"))
        if len(text) > length:
            raise ExpressionError(f"this is longer than {length:,} characters")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # Python warns about programs, not about expressions
                self._tree = ast.parse(text)
        except SyntaxError as error:
            line = (error.text or "").strip("\n")
            start = max((error.offset or 1) - 1, 0)
            for found in re.finditer(r"(?<![\w.])(\d[\d.]*)([^\W\d_]\w*)", line):
                if found.start() <= start <= found.end():  # as in 2x
                    raise ExpressionError(f"a product is written with *, as in {found[1]}*{found[2]}", line) from None
            said = "too deeply nested" if "nested" in error.msg else error.msg.partition(" (<unknown>")[0]
            raise ExpressionError(f"this can't be read: {said}", line) from None
        except (RecursionError, MemoryError):
            raise ExpressionError("this is too deeply nested") from None
        except ValueError:
            raise ExpressionError("this contains characters that are not text") from None
        level: list[ast.AST] = [self._tree]
        for _ in range(DEPTH + 3):  # that of a value in the tree is 2
            level = [child for node in level for child in ast.iter_child_nodes(node)]
        if placed := [node for node in level if hasattr(node, "lineno")]:
            said = f"this is nested deeper than {DEPTH} levels: name parts of it, as in u = …; L = …"
            raise self.wrong(said, placed[0])

    def piece(self, node: ast.AST) -> str:
        """The text of a node of the tree."""
        return ast.get_source_segment(self.text, node) or ""

    def wrong(self, message: str, node: ast.AST) -> ExpressionError:
        """An error at a node of the tree."""
        return ExpressionError(message, self.piece(node))

    def statements(self) -> list[Statement]:
        """The statements of the text."""
        found: list[Statement] = []
        for node in self._tree.body:
            if isinstance(node, ast.Expr):
                found.append(Statement(None, node.value, node.value))
                continue
            if not isinstance(node, ast.Assign):
                raise self._foreign(node)
            target = node.targets[0]
            if len(node.targets) > 1 or not isinstance(target, ast.Name):
                raise self.wrong("give one name on the left of =, as in u = w*x", node.targets[-1])
            if any(target.id == statement.name for statement in found):
                raise self.wrong(f"{target.id} was computed before: use another name", target)
            found.append(Statement(target.id, node.value, target))
        if not found:
            raise ExpressionError("there is no expression")
        return found

    def uses(self, node: ast.expr, place: Place | None = None) -> Iterator[tuple[ast.Name, Place | None]]:
        """Every name in an expression, with the argument that it is.

        Raises `ExpressionError` for syntax that expressions do not have.
        """
        if isinstance(node, ast.Name):
            yield node, place
        elif self.constant(node) is None:
            op, operands, _ = self.call(node)
            for i, operand in enumerate(operands):
                yield from self.uses(operand, (op, i))

    def _foreign(self, node: ast.AST) -> ExpressionError:
        return self.wrong(
            f"`{type(node).__name__.lower()}` cannot be used in an expression, which is made of names, numbers,"
            " [vectors], + - * / @ ** and operations such as sigmoid(x)",
            node,
        )

    # ------------------------------------------------------------ numbers

    def constant(self, node: ast.expr, axes: int = 1) -> Any:
        """The number or array of a node without names and operations; None for any other node."""
        match node:
            case ast.Constant():
                return self._number(node.value, node)
            case ast.List() | ast.Tuple():
                return np.asarray(self._entries(node, axes))
            case ast.BinOp() | ast.UnaryOp():
                numbers = []
                for operand in (node.left, node.right) if isinstance(node, ast.BinOp) else (node.operand,):
                    numbers.append(self.constant(operand))
                    if type(numbers[-1]) not in (int, float):
                        return None
                _, function = OPERATORS.get(type(node.op), ("", None))
                return None if function is None else self._folded(node, function, numbers)
        return None

    def _number(self, value: Any, node: ast.AST) -> Any:
        """A number that a float can hold; an integer stays an int where that is exact."""
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

    def _folded(self, node: ast.AST, function: Callable[..., Any], numbers: Sequence[Any]) -> Any:
        """The value of a function of numbers."""
        try:
            value = function(*numbers)
        except ZeroDivisionError:
            raise self.wrong("this divides by zero", node) from None
        except OverflowError:
            value = math.inf
        if isinstance(value, complex):
            raise self.wrong("this is not a real number", node)
        if all(type(x) is int for x in numbers) and float(value).is_integer() and abs(value) <= EXACT:
            value = int(value) if function is not operator.truediv else value
        return self._number(value, node)

    def _entries(self, node: ast.List | ast.Tuple, axes: int) -> list[Any]:
        """A vector or matrix as a list of numbers or arrays."""
        if axes > AXES:
            raise self.wrong(f"this has more than {AXES} axes", node)
        if not node.elts:
            raise self.wrong("this has no entries", node)
        entries: list[Any] = []
        for item in node.elts:
            entry = self.constant(item, axes + 1)
            if entry is None:
                raise self.wrong(
                    "a vector in brackets has numbers only: write stack(u, v) for names, concat(u, v) for vectors",
                    item,
                )
            if entries and np.shape(entry) != np.shape(entries[0]):
                raise self.wrong(
                    f"this entry has shape {np.shape(entry)} and the first one {np.shape(entries[0])}: the rows of a"
                    " matrix have the same length",
                    item,
                )
            entries.append(entry)
        return entries

    # ------------------------------------------------------------ operations

    def call(self, node: ast.expr) -> Call:
        """The operation that a node calls. Raises `ExpressionError` for a node that calls none."""
        match node:
            case ast.BinOp(op=ast.BitXor()):
                raise self.wrong("a power is written **, as in x**2, and not ^", node)
            case ast.BinOp() if type(node.op) in OPERATORS:
                return ag.OPS[OPERATORS[type(node.op)][0]], (node.left, node.right), {}
            case ast.UnaryOp() if type(node.op) in OPERATORS:
                return ag.OPS[OPERATORS[type(node.op)][0]], (node.operand,), {}
            case ast.Call():
                return self._named(node)
            case ast.Attribute():
                if node.attr != "T":
                    raise self.wrong(f"the only thing after a dot is .T, the transpose, and not .{node.attr}", node)
                return ag.OPS["matrix_transpose"], (node.value,), {}
            case ast.Subscript():
                return ag.OPS["getitem"], (node.value,), {"index": self._index(node.slice)}
        raise self._foreign(node)

    def _named(self, node: ast.Call) -> Call:
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
            hint = f"did you mean {near[0]}?" if near else "`python -m glassgrad.viz --help` lists all"
            raise self.wrong(f"there is no operation {name}: {hint}", node.func)
        op = OPERATIONS[name]
        operands = list(node.args)
        if not op.variadic and len(operands) > len(op.args):
            raise self.wrong(f"{_signature(op)} was given {len(operands)} arguments", node.args[len(op.args)])
        named: dict[str, ast.expr] = {}
        params: dict[str, Any] = {}
        for given in node.keywords:
            if given.arg is None:
                raise self.wrong("a starred argument cannot be used in an expression", given)
            if given.arg in params or given.arg in named:
                raise self.wrong(f"{given.arg} is given twice", given)
            if given.arg in op.params:
                params[given.arg] = self._literal(given.value)
            elif not op.variadic and given.arg in op.args[len(operands) :]:
                named[given.arg] = given.value
            else:
                raise self.wrong(f"{_signature(op)} has no parameter {given.arg}", given)
        filled = [*op.args[: len(operands)], *named]
        wanted = op.args if op.variadic else op.args[: max(len(filled), len(op.args) - len(op.optional))]
        if missing := [argument for argument in wanted if argument not in filled]:
            raise self.wrong(f"{_signature(op)} was not given {joined(missing)}", node)
        operands += [named[argument] for argument in op.args if argument in named]
        for parameter, default in op.params.items():
            if default is REQUIRED and parameter not in params:
                raise self.wrong(f"{_signature(op)} needs {parameter}=, a literal", node)
        return op, operands, params

    def _literal(self, node: ast.expr) -> Any:
        """The value of a parameter: a number, a word of `WORDS`, True, False, None, or a tuple."""
        if isinstance(node, ast.List | ast.Tuple):
            return tuple(self._literal(item) for item in node.elts)
        if isinstance(node, ast.Constant):
            if node.value is None or isinstance(node.value, bool) or node.value in WORDS:
                return node.value
            if isinstance(node.value, str):
                raise self.wrong(f"the value of a parameter may be one of the words {', '.join(WORDS)}", node)
        value = self.constant(node)
        if value is None:
            raise self.wrong("a parameter is given as a literal, as in axis=1", node)
        return value

    def _index(self, node: ast.expr) -> Any:
        if isinstance(node, ast.Tuple):
            return tuple(self._index(item) for item in node.elts)
        if isinstance(node, ast.Slice):
            return slice(*(None if end is None else self._whole(end) for end in (node.lower, node.upper, node.step)))
        return self._whole(node)

    def _whole(self, node: ast.expr) -> int:
        value = self.constant(node)
        if type(value) is int:
            return value
        raise self.wrong("an index is made of whole numbers, as in x[0] or x[1:, 0]; by a name: take(x, i)", node)


def _signature(op: ag.Op) -> str:
    """The signature of an operation: `sum(x, axis=None, keepdims=False)`."""
    given = [f"{arg}, …" if op.variadic else f"[{arg}]" if arg in op.optional else arg for arg in op.args]
    given += [f"{name}=" if value is REQUIRED else f"{name}={value!r}" for name, value in op.params.items()]
    return f"{op.name}({', '.join(given)})"


def joined(names: Sequence[str]) -> str:
    """Names as in `a, b and c`."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
