"""Expressions as text: Python's, of names, numbers, vectors and operations by name, with nothing else in reach.

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
import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from copy import deepcopy
from difflib import get_close_matches
from typing import Any, TypeAlias

import numpy as np

from glassgrad import autograd as ag
from glassgrad.autograd.errors import AutogradError
from glassgrad.autograd.interop.hints import FUNCTIONS
from glassgrad.viz.drawing.texts import UNPRINTABLE
from glassgrad.viz.formula.columns import columns_of
from glassgrad.viz.recorded.names import LOSSES

FAILURES = (AutogradError, ArithmeticError, LookupError, TypeError, ValueError, MemoryError, RecursionError)
"""The errors of an operation whose operands do not fit."""

ALLOWED = (
    ast.Module, ast.Expr, ast.Assign, ast.Name, ast.expr_context, ast.Constant, ast.BinOp, ast.UnaryOp, ast.Call,
    ast.keyword, ast.Attribute, ast.Subscript, ast.Slice, ast.List, ast.Tuple, ast.Add, ast.Sub, ast.Mult, ast.Div,
    ast.FloorDiv, ast.Mod, ast.Pow, ast.MatMult, ast.USub, ast.UAdd,
)  # fmt: skip

# Operations that occur only in derivatives, or that concern storage, cannot be called.
_INNER = (
    "astype", "contract", "getitem", "last_written", "multiply_no_nan", "scatter_add", "scatter_along_axis",
    "scatter_take", "setitem", "to_device", "xdivy",
)  # fmt: skip

OPERATIONS = {name: operation for name, operation in ag.OPS.items() if name not in _INNER}
"""The operations that may be called, by name."""

Place: TypeAlias = tuple[ag.Op, int]
"""An operation, and the index of one of its arguments."""


class ExpressionError(ValueError):
    """An error in an expression: a ``message``, and the ``text`` with the position of what is wrong."""

    def __init__(self, message: str, text: str = "", node: Any = None) -> None:
        super().__init__(message)
        self.message, self.text, self.node = message, text, node

    def __str__(self) -> str:
        return f"{self.message}\n{self.marked}" if self.node is not None else self.message

    @property
    def marked(self) -> str:
        """The line of the text, with carets under the wrong part."""
        line = UNPRINTABLE.sub("\ufffd", self.text.split("\n")[self.node.lineno - 1])
        raw, more = line.encode(), self.node.end_lineno != self.node.lineno  # the tree counts in bytes
        before, wrong = (
            raw[: self.node.col_offset],
            raw[self.node.col_offset : None if more else self.node.end_col_offset],
        )
        spaces, carets = (columns_of(part.decode(errors="replace")) for part in (before, wrong))
        return f"    {line}\n    {' ' * spaces}{'^' * max(carets, 1)}"


class Expression:
    """A parsed text: one expression, or several with names, on lines or separated by `;`.

    ``names``: those that need a value, in their order. ``computed``: those that a statement gives one. ``targets``:
    names on the right side of a difference, or in a loss's second argument. ``fixed``: names used only where there is
    no gradient, such as indices. ``whole``: ``fixed`` and labels.

    Raises `ExpressionError` for text that is not an expression.
    """

    def __init__(self, text: str) -> None:
        self.text = "\n".join(line.strip() for line in text.strip().split("\n"))
        tree = self._parsed()
        for node in ast.walk(tree):
            self._check(node)
        self._statements = [(self._name(node), node.value) for node in tree.body]  # type: ignore[attr-defined]
        if not self._statements:
            raise ExpressionError("there is no expression")
        self.computed = {name for name, _ in self._statements if name}
        self._free: list[ast.Name] = []
        self.targets, self.whole = set[str](), set[str]()
        flowing, read, known = set[str](), set[str](), set[str | None]()
        for name, value in self._statements:
            for use, place in _uses(value):
                read.add(use.id)
                if use.id in self.computed:
                    if use.id not in known:
                        raise self._wrong(f"{use.id} is used before it is computed", use)
                    continue
                self._free.append(use)
                flowing |= {use.id} if place is None or _is_differentiable(*place) else set()
                self.targets |= {use.id} if place is not None and _is_target(*place) else set()
                self.whole |= {use.id} if place is not None and _is_label(*place) else set()
            if name in known:
                raise self._wrong(f"{name} was computed before: use another name", value)
            known.add(name)
        self.names = tuple(dict.fromkeys(use.id for use in self._free))
        self.fixed = set(self.names) - flowing
        self.whole |= self.fixed
        for name, value in self._statements[:-1]:
            if name is None:
                raise self._wrong("only the last expression may do without a name: write u = … here", value)
            if name not in read:
                raise self._wrong(f"{name} is computed and never used", value)

    def _parsed(self) -> ast.Module:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # Python warns about programs, not about expressions
                return ast.parse(self.text)
        except SyntaxError as error:
            said = error.msg.partition(" (<unknown>")[0]
            at = ast.Name("", lineno=error.lineno or 1, col_offset=0, end_lineno=error.lineno or 1)
            line = self.text.split("\n")[min(at.lineno, self.text.count("\n") + 1) - 1]
            at.lineno = at.end_lineno = min(at.lineno, self.text.count("\n") + 1)
            at.col_offset = len(line[: max((error.offset or 1) - 1, 0)].encode())
            at.end_col_offset = at.col_offset + 1
            hint = "; a product is written with *, as in 2*x" if "decimal literal" in said else ""
            raise self._wrong(f"this can't be read: {said}{hint}", at) from None
        except (RecursionError, MemoryError):
            raise ExpressionError("this is too deeply nested") from None
        except ValueError:
            raise ExpressionError("this contains characters that are not text") from None

    def _check(self, node: ast.AST) -> None:
        """Refuse what expressions do not have."""
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitXor):
            raise self._wrong("a power is written **, as in x**2, and not ^", node)
        if isinstance(node, ast.Attribute) and node.attr != "T":
            raise self._wrong(f"the only thing after a dot is .T, the transpose, and not .{node.attr}", node)
        if isinstance(node, ast.Call):
            name = node.func.id if isinstance(node.func, ast.Name) else ""
            if name not in OPERATIONS:
                known = FUNCTIONS.get(name, "").rpartition(".")[2]
                near = [known] if known in OPERATIONS else get_close_matches(name, OPERATIONS, 1)
                hint = f"did you mean {near[0]}?" if near else "`python -m glassgrad.viz --help` lists all"
                raise self._wrong(f"there is no operation {name or ast.unparse(node.func)}: {hint}", node.func)
            for i, given in enumerate(node.keywords):
                if given.arg is None or (given.arg in OPERATIONS[name].params and not _is_literal(given.value)):
                    raise self._wrong("a parameter is given as a literal, as in axis=1", given)
                if given.arg in [other.arg for other in node.keywords[:i]]:
                    raise self._wrong(f"{given.arg} is given twice", given)
        if isinstance(node, ast.Constant) and node.value == math.inf:
            raise self._wrong("this number is larger than a float64 can hold", node)
        constant = isinstance(node, ast.Constant) and type(node.value) not in (int, float, bool, str, type(None))
        if (
            constant
            or not isinstance(node, ALLOWED)
            or isinstance(node, ast.BitOr | ast.BitAnd | ast.LShift | ast.RShift)
        ):
            raise self._wrong(
                f"`{type(node).__name__.lower()}` cannot be used in an expression, which is made of names, numbers,"
                " [vectors], + - * / @ ** and operations such as sigmoid(x)",
                node,
            )

    def _name(self, node: ast.stmt) -> str | None:
        if not isinstance(node, ast.Assign):
            return None
        target = node.targets[0]
        if len(node.targets) > 1 or not isinstance(target, ast.Name):
            raise self._wrong("give one name on the left of =, as in u = w*x", node.targets[-1])
        return target.id

    def _wrong(self, message: str, node: ast.AST) -> ExpressionError:
        return ExpressionError(message, self.text, node if hasattr(node, "lineno") else None)

    def compute(self, values: Mapping[str, ag.Tensor]) -> tuple[ag.Tensor, dict[str, ag.Tensor]]:
        """The recorded result, and the value of every name, given or computed.

        Raises `ExpressionError` for a name without value and for values that do not fit.
        """
        self.expect(values)
        known: dict[str, Any] = {**SCOPE, "pi": math.pi, **values}
        result: Any = None
        for name, value in self._statements:
            result = self.run(_Written().visit(deepcopy(value)), value, known)
            if np.iscomplexobj(getattr(result, "data", result)):
                raise self._wrong("this is not a real number", value)
            if name is not None:
                known[name] = result
                if isinstance(result, ag.Tensor) and not isinstance(value, ast.Name):
                    result.name = name
        if not isinstance(result, ag.Tensor) or result.node is None:
            raise self.wrong(
                "nothing here can be differentiated: no operation is applied to a name that takes a gradient"
            )
        return result, {name: x for name, x in known.items() if isinstance(x, ag.Tensor)}

    def run(self, written: ast.expr, value: ast.expr, known: dict[str, Any]) -> Any:
        """What a tree computes; ``value`` is the part of the text that errors are about."""
        try:
            with np.errstate(all="ignore"):  # the picture shows values that are not finite
                return eval(compile(ast.fix_missing_locations(ast.Expression(written)), "expression", "eval"), known)
        except OverflowError:
            raise self._wrong("this number is larger than a float64 can hold", value) from None
        except FAILURES as error:
            raise self._wrong(str(error).strip().rstrip(".") or type(error).__name__, value) from None

    def wrong(self, message: str) -> ExpressionError:
        """An error about the result."""
        return self._wrong(message, self._statements[-1][1])

    def expect(self, values: Collection[str]) -> None:
        """Raise `ExpressionError` if a name has no value."""
        missing = [use for use in self._free if use.id not in values and use.id != "pi"]
        if missing:
            names = list(dict.fromkeys(use.id for use in missing))
            near = get_close_matches(names[0].lower(), [n.lower() for n in values], 1)
            there = [name for name in values if near and name.lower() == near[0]]
            hint = f"; did you mean {there[0]}?" if there else f": add one, as in {names[0]}=0.5"
            verb = "has no value" if len(names) == 1 else "have no values"
            raise self._wrong(f"{_joined(names)} {verb}{hint}", missing[0])


def read_value(text: str) -> Any:
    """A number, or a nested list of them as an array, from its text.

    Raises `ExpressionError` for anything else.

    >>> read_value("-0.5"), read_value("[[1, 2], [3, 4]]").shape
    (-0.5, (2, 2))
    """
    read = Expression(text)
    (name, node), *more = read._statements
    if more or name or not _is_literal(node):
        said = "a value is a number, a vector or a matrix, as in 0.5, [1, 2] or [[1, 2], [3, 4]]"
        raise ExpressionError(said, read.text, node)
    array = read.run(ast.Call(ast.Name("index()", ast.Load()), [_Powers().visit(node)], []), node, dict(SCOPE))
    if not np.isfinite(array).all():
        raise ExpressionError("this number is larger than a float64 can hold", read.text, node)
    return array if array.ndim else array.item()


def is_name(name: str) -> bool:
    """Whether it is a name in expressions."""
    return name.isidentifier() and not keyword.iskeyword(name)


def normal(name: str) -> str:
    """A name as Python's grammar reads it: `ﬁ` is `fi`."""
    return unicodedata.normalize("NFKC", name)


class _Powers(ast.NodeTransformer):
    """Powers of numbers in floats: those of ints could be huge."""

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        are_numbers = isinstance(node.op, ast.Pow) and not any(_uses(node.left))
        self.generic_visit(node)
        if are_numbers:
            node.left = ast.Call(ast.Name("float()", ast.Load()), [node.left], [])
        return node


class _Written(_Powers):
    """The tree as it is run: operations by keys that no name has, and lists as arrays."""

    def visit_Call(self, node: ast.Call) -> ast.expr:
        op = OPERATIONS[node.func.id]  # type: ignore[attr-defined]
        args = [self._operand(arg, op, i) for i, arg in enumerate(node.args)]
        keywords = [
            ast.keyword(given.arg, self._operand(given.value, op, op.args.index(given.arg)))
            if given.arg in op.args
            else ast.keyword(given.arg, _Tuples().visit(given.value))
            for given in node.keywords
        ]
        return ast.Call(ast.Name(f"{op.name}()", ast.Load()), args, keywords)

    def _operand(self, node: ast.expr, op: ag.Op, i: int) -> ast.expr:
        has_names = any(_uses(node))
        written: ast.expr = node if _is_literal(node) else self.visit(node)
        if has_names:
            return written
        is_index = not _is_differentiable(op, i) or _is_label(op, i)
        return ast.Call(ast.Name("index()" if is_index else "array()", ast.Load()), [written], [])

    def visit_List(self, node: ast.List) -> ast.expr:
        return ast.Call(ast.Name("array()", ast.Load()), [node], [])

    def visit_Tuple(self, node: ast.Tuple) -> ast.expr:
        return ast.Call(ast.Name("array()", ast.Load()), [node], [])

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        node.value = self.visit(node.value)
        return node


class _Tuples(ast.NodeTransformer):
    """Lists as tuples: the values of parameters."""

    def visit_List(self, node: ast.List) -> ast.expr:
        return ast.Tuple(node.elts, ast.Load())


def _array(value: Any) -> Any:
    """A number or nested list in float64."""
    return _entries(value).astype(np.float64)


def _entries(value: Any) -> Any:
    """A number or nested list as an array."""
    try:
        entries = np.asarray(value)
    except (AutogradError, TypeError):
        entries = np.asarray(None)
    except ValueError:
        raise ValueError("the rows of a matrix have the same length") from None
    if entries.dtype.kind not in "if" or not entries.size:
        raise TypeError("a vector in brackets has numbers only: write stack(u, v) for names, concat(u, v) for vectors")
    return entries


SCOPE: dict[str, Any] = {
    "__builtins__": {},
    "array()": _array,
    "index()": _entries,
    "float()": lambda value: float(value) if isinstance(value, int) else value,
    **{f"{name}()": op for name, op in OPERATIONS.items()},
}
"""What an expression can reach, apart from its names."""


def _uses(node: ast.expr, place: Place | None = None) -> Iterator[tuple[ast.Name, Place | None]]:
    """Every name in an expression, with the argument that it is."""
    if isinstance(node, ast.Name):
        yield node, place
    elif isinstance(node, ast.Call):
        op = OPERATIONS[node.func.id]  # type: ignore[attr-defined]
        for i, given in enumerate(node.args):
            yield from _uses(given, (op, i))
        for given in node.keywords:
            yield from _uses(given.value, (op, op.args.index(given.arg)) if given.arg in op.args else None)
    else:
        for i, child in enumerate(x for x in ast.iter_child_nodes(node) if isinstance(x, ast.expr)):
            minus = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub)
            yield from _uses(child, (ag.OPS["subtract"], i) if minus else None)


def _is_literal(node: ast.expr) -> bool:
    """Whether it has no names, and calls nothing."""
    return not any(isinstance(part, ast.Name | ast.Call) for part in ast.walk(node))


def _is_target(op: ag.Op, i: int) -> bool:
    """Whether this argument is compared with a result: the right side of a difference, the target of a loss."""
    return i == 1 and (op.name == "subtract" or op.name in LOSSES)


def _is_label(op: ag.Op, i: int) -> bool:
    """Whether this argument may be an integer class."""
    return i == 1 and op.name == "cross_entropy"


def _is_differentiable(op: ag.Op, i: int) -> bool:
    """Whether the operation has a gradient with respect to this argument."""
    return (op.args[0] if op.variadic else op.args[min(i, len(op.args) - 1)]) in op.rules


def _joined(names: Sequence[str]) -> str:
    """Names as in `a, b and c`."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
