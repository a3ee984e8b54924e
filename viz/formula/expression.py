"""Expressions as text: Python's grammar gives the tree, and nothing of it is run as Python.

An expression has names, numbers, vectors and matrices, arithmetic, `.T`, indices and registered operations by name.

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
import math
import sys
import unicodedata
import warnings
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any

import numpy as np

from glassgrad import autograd as ag
from glassgrad.autograd.errors import AutogradError
from glassgrad.viz.drawing.texts import clipped, one_line
from glassgrad.viz.recorded.names import LOSSES

SHOWN = 80  # characters of the text in a message
EXACT = 2**53  # integers up to here stay ints: floats represent them exactly

OPERATORS: dict[type[ast.AST], str] = {ast.Add: "add", ast.Sub: "subtract", ast.Mult: "multiply", ast.Div: "divide"}
OPERATORS |= {ast.FloorDiv: "floor_divide", ast.Mod: "remainder", ast.Pow: "power", ast.MatMult: "matmul"}
OPERATORS |= {ast.USub: "negative", ast.UAdd: "positive"}

FOREIGN = (
    "`{}` cannot be used in an expression, which is made of names, numbers, [vectors], + - * / @ ** and operations such"
    " as sigmoid(x)"
)

FAILURES = (AutogradError, ArithmeticError, LookupError, TypeError, ValueError, MemoryError)
"""The errors of an operation whose operands do not fit."""


class ExpressionError(ValueError):
    """An error in an expression: a ``message``, and the ``piece`` of the text that it is about."""

    def __init__(self, message: str, piece: str = "") -> None:
        self.message, self.piece = message, clipped(one_line(piece), SHOWN)
        super().__init__(f"{message}\n    {self.piece}" if piece else message)


class Expression:
    """A parsed text: one expression, or several with names, on lines or separated by `;`.

    ``names``: those that need a value, in their order. ``computed``: those that a statement gives one. ``targets``:
    names on the right side of a difference, or in a loss's second argument. ``fixed``: names used only where there is
    no gradient, such as indices. ``whole``: ``fixed`` and labels.

    Raises `ExpressionError` for text that is not an expression.
    """

    def __init__(self, text: str) -> None:
        self._text = "\n".join(line.strip() for line in text.strip().split("\n"))
        self._statements = [self._statement(node) for node in _parsed(self._text)]
        if not self._statements:
            raise ExpressionError("there is no expression")
        self.computed, uses = {"pi"}, list[tuple[str, ag.Op, int]]()
        for given, node in self._statements:
            uses += [use for use in self._uses(node) if use[0] not in self.computed]
            self.computed.add(given)
        self.names = tuple(dict.fromkeys(name for name, *_ in uses))
        self.targets = {name for name, op, i in uses if i == 1 and op.name in ("subtract", *LOSSES)}
        self.fixed = {*self.names} - {name for name, op, i in uses if _is_differentiable(op, i)}
        self.whole = self.fixed | {name for name, op, i in uses if _is_label(op, i)}

    def compute(self, values: Mapping[str, ag.Tensor]) -> tuple[ag.Tensor, dict[str, ag.Tensor]]:
        """The recorded result, and the value of every name, given or computed.

        Raises `ExpressionError` for a name without value, and for values that do not fit.
        """
        result, known = self.values(values)
        if not isinstance(result, ag.Tensor) or result.node is None:
            raise self.wrong(
                "nothing here can be differentiated: no operation is applied to a name that takes a gradient"
            )
        return result, {name: x for name, x in known.items() if isinstance(x, ag.Tensor)}

    def values(self, given: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
        """The result, and the value of every name: Tensors, arrays and numbers."""
        known: dict[str, Any] = {"pi": math.pi, **given}
        for name, node in self._statements:
            result = known[name] = self._value(node, known)
            if name and isinstance(result, ag.Tensor) and not isinstance(node, ast.Name):
                result.name = name
        known.pop("", None)  # of an expression without a name
        return result, known

    def wrong(self, message: str, node: ast.AST | None = None) -> ExpressionError:
        """An error at a node of the tree, by default about the result."""
        return ExpressionError(message, self._piece(node or self._statements[-1][1]))

    def _piece(self, node: ast.AST) -> str:
        return ast.get_source_segment(self._text, node) or ""

    def _statement(self, node: ast.stmt) -> tuple[str, ast.expr]:
        """The name that a statement computes, empty if it has none, and its right-hand side."""
        match node:
            case ast.Expr():
                return "", node.value
            case ast.Assign(targets=[ast.Name(id=name)]):
                return name, node.value
            case ast.Assign():
                raise self.wrong("give one name on the left of =, as in u = w*x", node.targets[-1])
        raise self.wrong(FOREIGN.format(type(node).__name__.lower()), node)

    # ------------------------------------------------------------ the meaning of a node

    def _uses(self, node: ast.expr, op: ag.Op = ag.OPS["positive"], i: int = 0) -> Iterator[tuple[str, ag.Op, int]]:
        """Every name in a node, with the operation whose argument number ``i`` it is."""
        if isinstance(node, ast.Name):
            yield node.id, op, i
        elif isinstance(node, ast.List | ast.Tuple):
            for item in node.elts:
                yield from self._uses(item)
        elif not isinstance(node, ast.Constant):
            called, operands, _ = self._call(node)
            for place, operand in enumerate(operands):
                yield from self._uses(operand, called, place)

    def _call(self, node: ast.expr) -> tuple[ag.Op, list[ast.expr], dict[str, Any]]:
        """The operation that a node calls, its operands and its parameters."""
        match node:
            case ast.BinOp(op=ast.BitXor()):
                raise self.wrong("a power is written **, as in x**2, and not ^", node)
            case ast.BinOp() if type(node.op) in OPERATORS:
                return ag.OPS[OPERATORS[type(node.op)]], [node.left, node.right], {}
            case ast.UnaryOp() if type(node.op) in OPERATORS:
                return ag.OPS[OPERATORS[type(node.op)]], [node.operand], {}
            case ast.Attribute(attr="T"):
                return ag.OPS["matrix_transpose"], [node.value], {}
            case ast.Subscript():
                return ag.OPS["getitem"], [node.value], {"index": self._index(node.slice)}
            case ast.Call(func=ast.Name(id=name)) if name in ag.OPS:
                params = {word.arg or "**": self._literal(word.value) for word in node.keywords}
                if len(params) < len(node.keywords):
                    raise self.wrong("a parameter is given twice", node)
                return ag.OPS[name], node.args, params
            case ast.Call(func=ast.Name(id=name)):
                hint = _near(name, ag.OPS) or ": `python -m glassgrad.viz --help` lists all"
                raise self.wrong(f"there is no operation {name}{hint}", node.func)
        raise self.wrong(FOREIGN.format(type(node).__name__.lower()), node)

    def _literal(self, node: ast.expr) -> Any:
        try:
            return ast.literal_eval(node)
        except (ValueError, TypeError):
            raise self.wrong("a parameter is given as a literal, as in axis=1", node) from None

    def _index(self, node: ast.expr | None) -> Any:
        match node:
            case ast.Tuple():
                return tuple(map(self._index, node.elts))
            case ast.Slice():
                return slice(*map(self._index, (node.lower, node.upper, node.step)))
            case None:
                return None
        if type(value := self._literal(node)) is not int:
            raise self.wrong("an index is made of whole numbers, as in x[0] or x[1:, 0]; by a name: take(x, i)", node)
        return value

    # ------------------------------------------------------------ values

    def _value(self, node: ast.expr, known: Mapping[str, Any]) -> Any:
        """The value of a node: a Tensor, an array or a number."""
        if isinstance(node, ast.Name):
            if node.id not in known:
                hint = _near(node.id, known) or f": add one, as in {node.id}=0.5"
                raise self.wrong(f"{node.id} has no value{hint}", node)
            return known[node.id]
        if isinstance(node, ast.Constant):
            return self._number(node.value, node)
        if isinstance(node, ast.List | ast.Tuple):
            return self._array(node, [self._value(item, known) for item in node.elts])
        op, nodes, params = self._call(node)
        operands = [self._value(operand, known) for operand in nodes]
        numbers = all(type(x) in (int, float) for x in operands)
        try:
            with np.errstate(all="ignore"):  # the picture shows values that are not finite
                result = op(*(_floating(x, op, i, numbers) for i, x in enumerate(operands)), **params)
        except FAILURES as error:
            raise self.wrong(str(error).strip().rstrip(".") or type(error).__name__, node) from None
        if isinstance(result, ag.Tensor) and not (numbers and result.node is None and result.shape == ()):
            return result
        value: Any = result.item() if isinstance(result, ag.Tensor) else result
        whole = all(type(x) is int for x in operands) and type(value) is float and value.is_integer()
        return self._number(int(value) if whole else value, node)

    def _number(self, value: Any, node: ast.AST) -> Any:
        """A number that a float can hold; an integer stays an int where that is exact."""
        if type(value) not in (int, float):
            what = {str: "text", bytes: "text", complex: "a complex number"}.get(type(value), repr(value))
            raise self.wrong(f"{what} stands where a number is expected", node)
        if not abs(value) <= sys.float_info.max:
            raise self.wrong("this is not a number, or larger than a float64 can hold", node)
        return value if type(value) is float or abs(value) <= EXACT else float(value)

    def _array(self, node: ast.expr, entries: list[Any]) -> np.ndarray:
        """A vector or a matrix of numbers."""
        if any(isinstance(entry, ag.Tensor) for entry in entries):
            raise self.wrong(
                "a vector in brackets has numbers only: write stack(u, v) for names, concat(u, v) for vectors", node
            )
        if len({np.shape(entry) for entry in entries}) != 1 or np.ndim(entries[0]) >= 32:
            raise self.wrong("this has rows of different lengths, no entries, or more than 32 axes", node)
        return np.asarray(entries)


def read_value(text: str) -> Any:
    """A number, or a nested list of them as an array, from its text.

    Raises `ExpressionError` for anything else.

    >>> read_value("-0.5"), read_value("[[1, 2], [3, 4]]").shape
    (-0.5, (2, 2))
    """
    read = Expression(text)
    value = None if read.names else read.values({})[0]
    if not isinstance(value, int | float | np.ndarray) or read.computed != {"pi", ""}:
        raise read.wrong("a value is a number, a vector or a matrix, as in 0.5, [1, 2] or [[1, 2], [3, 4]]")
    return value


def normal(name: str) -> str:
    """A name as Python's grammar reads it: `ﬁ` is `fi`."""
    return unicodedata.normalize("NFKC", name)


def _parsed(text: str) -> list[ast.stmt]:
    """The statements of a text. Raises `ExpressionError` for text that is not Python's grammar."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python warns about programs, not about expressions
            tree = ast.parse(text)
        ast.dump(tree)  # recursive, as whatever reads the tree
        return tree.body
    except SyntaxError as error:
        line, said = (error.text or "").strip("\n"), error.msg.partition(" (<unknown>")[0]
        hint = ": a product is written with *, as in 2*x" if "literal" in said else ""
        raise ExpressionError(f"this can't be read: {said}{hint}", line) from None
    except (RecursionError, MemoryError):
        raise ExpressionError("this is too deeply nested: name parts of it, as in u = …; L = …") from None
    except ValueError:
        raise ExpressionError("this contains characters that are not text") from None


def _near(name: str, known: Iterable[str]) -> str:
    return "".join(f": did you mean {near}?" for near in get_close_matches(name, list(known), 1))


def _is_differentiable(op: ag.Op, i: int) -> bool:
    return op.variadic or (i < len(op.args) and op.args[i] in op.rules)


def _is_label(op: ag.Op, i: int) -> bool:
    return i == 1 and op.name == "cross_entropy"


def _floating(x: Any, op: ag.Op, i: int, numbers: bool) -> Any:
    """A differentiable array as floats, and a number among ``numbers``: integers overflow, and have no reciprocals."""
    if not (isinstance(x, np.ndarray) or numbers) or not _is_differentiable(op, i) or _is_label(op, i):
        return x
    return np.asarray(x, np.float64)
