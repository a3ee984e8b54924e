"""One line of Python for each step, in the graph's names, and the user's own line where it is known.

`t1 = w * x` and `w.grad += t1.grad * x`: the second is the operation's rule, run on the names of the graph.
"""

from __future__ import annotations

import linecache
import re
from pathlib import Path
from typing import Any

import numpy as np

from glassgrad import autograd as ag
from glassgrad.autograd.common.shapes import broadcast_axes
from glassgrad.viz.drawing import numbers
from glassgrad.viz.drawing.words import say
from glassgrad.viz.recorded.notation.symbols import PRODUCT, Symbol
from glassgrad.viz.recorded.scene import Card, Scene, Socket

SIGNS = {"add": "+", "subtract": "-", "multiply": "*", "divide": "/", "power": "**", "matmul": "@"}
SIGNS |= {"remainder": "%", "floor_divide": "//"}
CODE = str.maketrans({"²": "**2", "³": "**3", "ᵀ": ".T", "×": "*", "√": "sqrt", "≠": "!=", "≤": "<=", "≥": ">="})


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


def backward_line(socket: Socket) -> str:
    """The gradient that is sent through a socket: ``w.grad += t1.grad * x``."""
    scene, head, tail = socket.scene, socket.head, socket.tail
    up, sign = f"{head.name}.grad", "+=" if len(tail.addends) > 1 else "="
    if scene.scalar:
        factor = _as_code(socket.local, "*")
        loose = socket.local.level < PRODUCT or factor.startswith("-")
        product = {"1": up, "-1": f"-{up}"}.get(factor, f"{up} * ({factor})" if loose else f"{up} * {factor}")
        return f"{tail.name}.grad {sign} {product}"
    sent, summed = socket.sent_from(up), ""
    part, shape = head.shape, tail.shape
    if sent.head == "sum" and part != shape and _keeps_axes(head.node):
        axes = ", ".join(map(str, broadcast_axes(part, shape)))
        sent, summed = sent.inner[0], say("  # summed over axis {axes}", axes=axes)
    code = _as_code(sent, "@")
    if code == up and part != shape and not summed:
        code = f"reshape({up}, {numbers.shape(shape)})"
    return f"{tail.name}.grad {sign} {code}{summed}"


def _as_code(symbol: Symbol, dot: str) -> str:
    """A formula as Python writes it; between names ``·`` is the operator ``dot``."""
    text = re.sub(r"\b([\d.]+\)?)·", r"\1 * ", symbol.text)
    return text.replace("·", f" {dot} ").replace("Σ", "sum ").translate(CODE)


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
