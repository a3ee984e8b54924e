"""From text to statements: Python's grammar gives the tree, and nothing of it is ever run as Python.

The reader knows names, numbers, vectors and matrices, arithmetic, `.T`, indices and registered operations by name. It
refuses everything else, with the position in the text.
"""

from __future__ import annotations

import ast
import math
import operator
import re
import warnings
from collections.abc import Callable
from difflib import get_close_matches
from typing import Any

import numpy as np

from glassgrad import autograd as ag
from glassgrad.autograd.engine.operation import REQUIRED
from glassgrad.autograd.interop.hints import FUNCTIONS
from glassgrad.viz.formula.syntax import Call, Constant, ExpressionError, Name, Part, Span, Statement, joined, uses_in

LENGTH = 4_000  # characters of an expression

DEPTH = 200  # levels of nesting

AXES = 8  # of a literal
EXACT = 2**53  # integers up to here stay ints: floats represent them exactly

OPERATORS = {
    ast.Add: ("add", operator.add),
    ast.Sub: ("subtract", operator.sub),
    ast.Mult: ("multiply", operator.mul),
    ast.Div: ("divide", operator.truediv),
    ast.FloorDiv: ("floor_divide", operator.floordiv),
    ast.Mod: ("remainder", operator.mod),
    ast.Pow: ("power", lambda x, y: float(x) ** float(y)),  # powers of ints could be huge
    ast.MatMult: ("matmul", None),
}
SIGNS: dict[type[ast.unaryop], tuple[str, Callable[[Any], Any]]] = {
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

_CALLED: dict[type[ast.AST], str] = {
    ast.Await: "await", ast.BoolOp: "and/or", ast.Compare: "a comparison", ast.Dict: "a dictionary",
    ast.DictComp: "a comprehension", ast.GeneratorExp: "a comprehension", ast.IfExp: "if/else",
    ast.JoinedStr: "an f-string", ast.Lambda: "a lambda", ast.ListComp: "a comprehension", ast.NamedExpr: "`:=`",
    ast.Set: "a set", ast.SetComp: "a comprehension", ast.Starred: "a starred argument", ast.Slice: "a slice",
    ast.AugAssign: "an assignment that changes a name", ast.AnnAssign: "an annotation", ast.Import: "an import",
    ast.ImportFrom: "an import", ast.FunctionDef: "a function", ast.ClassDef: "a class", ast.Delete: "del",
}  # fmt: skip


class Reader:
    """From text to `Statement`s."""

    def __init__(self, text: str, length: int = LENGTH) -> None:
        self.text = text
        if len(text) > length:
            raise self._fail(f"this is longer than {length:,} characters", Span(0, 0, 1))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # Python warns about programs, not about expressions
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
            raise self._fail("this contains characters that are not text", Span(0, 0, 1)) from None
        self.lines = [line.encode() for line in text.split("\n")]

    def _fail(self, message: str, span: Span) -> ExpressionError:
        return ExpressionError(message, self.text, span)

    def span(self, node: Any) -> Span:
        """The position of a node of the tree; its first line if it has several."""
        line: int = node.lineno - 1
        raw = self.lines[line]  # the tree counts in bytes
        more = node.end_lineno != node.lineno
        stop = len(raw) if more else node.end_col_offset
        return Span(line, len(raw[: node.col_offset].decode()), len(raw[:stop].decode()), more)

    def wrong(self, message: str, where: Any) -> ExpressionError:
        """An error at a node of the tree or a part made of it."""
        return self._fail(message, where.span if hasattr(where, "span") else self.span(where))

    def statements(self) -> list[Statement]:
        """The statements of the text."""
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
            for use, _ in uses_in(statement.part):
                if use.name in made - known:
                    raise self.wrong(f"{use.name} is used before it is computed", use)
            known.add(statement.name)
        return found

    def _assignment(self, node: ast.Assign, made: set[str | None]) -> Statement:
        target = node.targets[0]
        if len(node.targets) > 1 or not isinstance(target, ast.Name):
            raise self.wrong("give one name on the left of =, as in u = w*x", node.targets[-1])
        if target.id in made:
            raise self.wrong(f"{target.id} was computed before: use another name", target)
        return Statement(target.id, self.part(node.value, 0), self.span(target))

    def part(self, node: ast.expr, depth: int) -> Part:
        """The part for a node of the tree. Raises `ExpressionError` for syntax that expressions do not have."""
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
            f"{what} cannot be used in an expression, which is made of names, numbers, [vectors], + - * / @ ** and"
            " operations such as sigmoid(x)",
            node,
        )

    # ------------------------------------------------------------ numbers

    def _number(self, value: Any, node: Any) -> Any:
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

    def _folded(self, node: Any, function: Any, *numbers: Any) -> Constant:
        """The value of a function of constants."""
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
                        "a vector in brackets has numbers only: write stack(u, v) for names, concat(u, v) for vectors",
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
            hint = f"did you mean {near[0]}?" if near else "`python -m glassgrad.viz --help` lists all"
            raise self.wrong(f"there is no operation {name}: {hint}", node.func)
        op = OPERATIONS[name]
        operands = [self.part(argument, depth) for argument in node.args]
        if not op.variadic and len(operands) > len(op.args):
            raise self.wrong(f"{_signature(op)} was given {len(operands)} arguments", node.args[len(op.args)])
        named: dict[str, Part] = {}
        params: dict[str, Any] = {}
        for given in node.keywords:
            if given.arg is None:
                raise self.wrong("a starred argument cannot be used in an expression", given)
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
            raise self.wrong(f"{_signature(op)} was not given {joined(missing)}", node)
        operands += [named[argument] for argument in op.args if argument in named]
        for parameter, default in op.params.items():
            if default is REQUIRED and parameter not in params:
                raise self.wrong(f"{_signature(op)} needs {parameter}=, a literal", node)
        return Call(op, tuple(operands), params, self.span(node))

    def _literal(self, node: ast.expr) -> Any:
        """The value of a parameter: a number, a word of `WORDS`, True, False, None, or a tuple."""
        if isinstance(node, ast.List | ast.Tuple):
            return tuple(self._literal(item) for item in node.elts)
        if isinstance(node, ast.Constant):
            if node.value is None or isinstance(node.value, bool) or node.value in WORDS:
                return node.value
            if isinstance(node.value, str):
                raise self.wrong(f"the value of a parameter may be one of the words {', '.join(WORDS)}", node)
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
        raise self.wrong("an index is made of whole numbers, as in x[0] or x[1:, 0]; by a name: take(x, i)", node)


def _is_number(part: Part) -> bool:
    return isinstance(part, Constant) and type(part.value) in (int, float)


def _signature(op: ag.Op) -> str:
    """The signature of an operation: `sum(x, axis=None, keepdims=False)`."""
    given = [f"{arg}, …" if op.variadic else f"[{arg}]" if arg in op.optional else arg for arg in op.args]
    given += [f"{name}=" if value is REQUIRED else f"{name}={value!r}" for name, value in op.params.items()]
    return f"{op.name}({', '.join(given)})"
