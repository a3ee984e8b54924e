"""One line of Python for each step, in the graph's names, and the user's own line where it is known.

`t1 = w * x` and `w.grad += t1.grad * x`: the second is the operation's rule with the names of the graph in place of its
arguments.
"""

from __future__ import annotations

import ast
import linecache
import re
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from glassgrad import autograd as ag
from glassgrad.autograd.common.shapes import broadcast_axes
from glassgrad.viz.drawing import numbers
from glassgrad.viz.drawing.words import say
from glassgrad.viz.recorded.scene import Card, Scene, Socket

SIGNS = {"add": "+", "subtract": "-", "multiply": "*", "divide": "/", "power": "**", "matmul": "@"}
SIGNS |= {"remainder": "%", "floor_divide": "//"}
MATHS = {"·": " * ", "²": "**2", "³": "**3", "ᵀ": ".T", "×": "*", "Σ": "sum "}
PLAINLY: dict[str, tuple[ast.operator, int]] = {"matmul": (ast.MatMult(), 0), "multiply_no_nan": (ast.Mult(), 1)}
"""Helpers of two arguments that are written as an operator; the index of the argument that comes first."""

PLACE = re.compile(r"\b_place_(\w+)_\b")


def forward_line(scene: Scene, card: Card) -> str:
    """The operation that makes a card: ``t1 = w * x``."""
    node = card.operation
    given = [_operand(scene, x) for x in node.inputs]
    name = node.op.name
    if name in SIGNS and len(given) == 2:
        return f"{card.name} = {given[0]} {SIGNS[name]} {given[1]}"
    if name == "negative":
        return f"{card.name} = -{given[0]}"
    if name == "getitem":
        return f"{card.name} = {given[0]}[{_value(node.params['index'])}]"
    named = [f"{k}={_value(v)}" for k, v in node.params.items() if v is not None and not _is_default(node.op, k, v)]
    return f"{card.name} = {name}({', '.join([*(x for x in given if x), *named])})"


def backward_line(socket: Socket, rule: str | None) -> str:
    """The gradient that is sent through a socket: ``w.grad += t1.grad * x``; ``rule`` is the source of the rule."""
    sent = _substituted(socket, rule) if rule is not None and rule.startswith("lambda") else None
    sign = "+=" if len(socket.tail.addends) > 1 else "="
    if sent is None:
        sent = _from_formula(socket)
    summed = ""
    part, shape = socket.head.shape, socket.tail.shape
    if part != shape and len(part) >= len(shape) and _keeps_axes(socket.head.node) and socket.sent.head == "sum":
        axes = ", ".join(map(str, broadcast_axes(part, shape)))
        summed = say("  # summed over axis {axes}", axes=axes) if axes else ""
    return f"{socket.tail.name}.grad {sign} {sent}{summed}"


def user_line(card: Card) -> tuple[str, str] | None:
    """The line of the user's program that called the operation, and where it is.

    None unless `step_through` called the program, or it ran within `autograd.detect_anomaly`.
    """
    origin = getattr(card.place, "origin", None)
    found = re.match(r"(.+?):(\d+)(?:,|$)", str(origin)) if origin else None
    if found is None:
        return None
    line = linecache.getline(found[1], int(found[2])).strip()
    return (line, f"{Path(found[1]).name}, line {found[2]}") if line else None


def _keeps_axes(node: Any) -> bool:
    """Whether the result has all axes of the broadcast operands; a product of vectors sums over some."""
    if node.op.name == "linear":
        return True
    try:
        shape = np.broadcast_shapes(*(getattr(given, "shape", ()) for given in node.inputs))
    except ValueError:
        return False
    return bool(node.op.broadcasts) and shape == tuple(node.shape)


# ---------------------------------------------------------------- the rule in the graph's names


def _substituted(socket: Socket, rule: str) -> str | None:
    """The expression of a rule that is a lambda, in the graph's names; None where it has no such form."""
    head, node = socket.head, socket.head.operation
    if node.op.variadic:
        return None
    given = dict(zip(node.op.args, node.inputs, strict=False))
    passed = [k for k, v in node.params.items() if v is not None and not _is_default(node.op, k, v)]
    named = ("g", "out", *given, *(f"{arg}_shape" for arg in given), *node.params)
    written = _template(rule, named, tuple(passed))
    if written is None:
        return None

    values = {name: _operand(socket.scene, x) for name, x in given.items()}
    shapes = {f"{name}_shape": f"{value}.shape" for name, value in values.items()}
    values = {name: _value(x) for name, x in node.params.items()} | values
    written_out = {name: f"({value})" if value.startswith("-") else value for name, value in values.items()}
    written_out = shapes | written_out | {"g": f"{head.name}.grad", "out": head.name}
    return PLACE.sub(lambda found: written_out[found[1]], written)


@cache
def _template(rule: str, names: tuple[str, ...], passed: tuple[str, ...]) -> str | None:
    """The expression of a lambda with a place for each of these names; None where it has no such form.

    ``passed``: the parameters that stand for ``**rest``, of which the rule names none.
    """
    try:
        tree = ast.parse(rule, mode="eval").body
    except SyntaxError:
        return None
    if not isinstance(tree, ast.Lambda):
        return None
    rest = [ast.keyword(name, ast.Name(name)) for name in passed if name not in {arg.arg for arg in tree.args.args}]

    class Names(ast.NodeTransformer):
        def visit_Attribute(self, found: ast.Attribute) -> Any:
            if isinstance(found.value, ast.Name) and found.value.id == "xp":
                return ast.Name(found.attr)
            return self.generic_visit(found)

        def visit_Call(self, found: ast.Call) -> Any:
            found.keywords = [one for k in found.keywords for one in ([k] if k.arg else rest)]
            call = self.generic_visit(found)
            assert isinstance(call, ast.Call)
            name, args = getattr(call.func, "id", ""), call.args
            if name in PLAINLY and len(args) == 2:
                operator, order = PLAINLY[name]
                return ast.BinOp(args[order], operator, args[1 - order])
            if name == "_rows":  # `_rows` makes a matrix with an example in each row
                return args[-1]
            return call

        def visit_Name(self, found: ast.Name) -> Any:
            return ast.Name(f"_place_{found.id}_") if found.id in names else found

    written = ast.unparse(Names().visit(tree.body))
    # A call of a library helper would not help a reader.
    return None if re.search(r"\b_(?!place)\w+\(", written) else written


def _from_formula(socket: Socket) -> str:
    """The formula of a gradient as code, in which the gradient of the card has its name."""
    scene, up = socket.scene, f"{socket.head.name}.grad"
    symbol = socket.local if scene.scalar else socket.sent_from(up)
    text = symbol.text
    for sign, code in MATHS.items():
        text = text.replace(sign, code)
    if not scene.scalar:
        return text
    return up if text == "1" else f"{up} * {f'({text})' if symbol.level < 2 or text.startswith('-') else text}"


def _operand(scene: Scene, given: Any) -> str:
    card = scene.card(given)
    if card is not None:
        return card.name
    return "" if given is None else _value(given)


def _value(x: Any) -> str:
    if isinstance(x, np.generic | np.ndarray | ag.Tensor) and x.ndim == 0:
        x = x.item()
    if isinstance(x, float):
        return numbers.constant(x) if x or x.hex()[0] != "-" else "-0.0"
    said = " ".join(repr(x).split())
    return said if len(said) <= 40 else f"{said[:37]}..."


def _is_default(op: Any, name: str, value: Any) -> bool:
    try:
        return bool(op.params[name] == value)
    except (TypeError, ValueError):
        return False
