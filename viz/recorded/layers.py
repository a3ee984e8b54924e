"""Layers in words: the geometry of an operation, the lines that describe a block, and the products that it computes."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from glassgrad import autograd as ag
from glassgrad.autograd.engine.graph import Node
from glassgrad.viz.drawing import numbers
from glassgrad.viz.recorded.calls import trained
from glassgrad.viz.recorded.loops import loops_in
from glassgrad.viz.recorded.names import LOOP, LOSSES, states_of
from glassgrad.viz.recorded.rows import Row

BESIDE = "beside: "
POOLS = ("max_pool", "sum_pool")
ABBREVIATIONS = {"BatchNorm": "BN", "LayerNorm": "LN", "GroupNorm": "GN", "InstanceNorm": "IN"}


def geometry(node: Node) -> list[str]:
    """The window of a convolution or a pooling, its channels, and its settings where they are not the usual ones.

    >>> x = ag.Tensor([[[1.0, 2.0, 3.0, 4.0]]])
    >>> w = ag.Tensor([[[1.0, -1.0]]], requires_grad=True)
    >>> geometry(ag.conv(x, w, stride=2).node)
    ['2', '1', 'stride 2']
    """
    name, params = node.op.name, node.params
    if name == "linear":
        return [f"{numbers.count(node.inputs[0].shape[-1])} → {numbers.count(node.shape[-1])}"]
    if name in POOLS:
        size = params["size"]
        stride = params.get("stride")
        return [_window(size, len(node.shape) - 2), *([f"stride {_sides(stride)}"] if stride not in (None, 1) else [])]
    if name not in ("conv", "conv_input"):
        return []
    weight = node.inputs[1]
    said = [_window(tuple(weight.shape[2:]), len(weight.shape) - 2), str(node.shape[1])]
    for key, usual in (("stride", 1), ("dilation", 1)):
        if _sides(params[key]) != str(usual):
            said.append(f"{key} {_sides(params[key])}")
    groups = params["groups"]
    if groups > 1:
        said.append("depthwise" if groups == weight.shape[0] and weight.shape[1] == 1 else f"{groups} groups")
    return said


def described(nodes: Sequence[Node]) -> str:
    """The geometry of a layer's operation over windows; for a recurrent layer, its steps and its state."""
    if loops := loops_in(nodes):
        loop = loops[0].params["loop"]
        state = loop.body.types[0][0] if loop.body.carries else ()
        return f"× {loop.length}" + (f", state {state[-1]}" if state else "")
    found = [words for node in nodes if (words := geometry(node))]
    return ", ".join(found[0]) if len(found) == 1 else ""


def _window(size: Any, axes: int) -> str:
    sides = (size,) * axes if isinstance(size, int) else size
    return "×".join(map(str, sides))


def _sides(value: Any) -> str:
    sides = (value,) if isinstance(value, int) else tuple(value)
    return str(sides[0]) if len(set(sides)) == 1 else "×".join(map(str, sides))


def products(nodes: Iterable[Node]) -> int:
    """The number of multiply-adds of convolutions and matrix products.

    >>> x, w = ag.Tensor([[1.0, 2.0]]), ag.Tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], requires_grad=True)
    >>> products([ag.linear(x, w).node])
    6
    """
    operations = [node for node in nodes if node.op is not None]
    shapes = {node: [getattr(x, "shape", ()) for x in node.inputs] for node in operations}
    plain = sum(_products(node.op.name, node.shape, shapes[node]) for node in operations)
    looped = 0
    for node in loops_in(operations):
        body = node.params["loop"].body
        steps = (_products(s.op.name, body.types[s.out][0], [body.types[a][0] for a in s.args]) for s in body.steps)
        looped += int(node.params["loop"].length) * sum(steps)
    return plain + looped


def _products(name: str, out: Sequence[int], shapes: Sequence[Sequence[int]]) -> int:
    """The multiply-adds of one operation, from the shapes of its result and its arguments."""
    if name not in ("conv", "conv_input", "linear", "matmul"):
        return 0
    x, weight = shapes[:2]
    if name == "conv":
        return math.prod(map(int, (*out, *weight[1:])))
    if name == "conv_input":
        return math.prod(map(int, (*x, *weight[1:])))
    return math.prod(map(int, out)) * int(x[-1])


def is_heavy(nodes: Sequence[Node]) -> bool:
    """Whether a call gets its own line: it has a weight or a sliding window, or joins several values."""
    heavy = (*POOLS, *LOSSES, LOOP)
    return joins(nodes) or any(n.op.name in heavy or any(len(p.shape) > 1 for p in trained(n)) for n in nodes)


def joins(nodes: Sequence[Node]) -> bool:
    """Whether these operations join several values from outside."""
    inside = set(nodes)
    return len({given for node in nodes for given in node.inputs if isinstance(given, Node)} - inside) > 1


def graph_title(nodes: Sequence[Node], parameters: int) -> str:
    """The title of a graph: its models, or the number of its operations."""
    models = dict.fromkeys(node.scope[0][1] for node in nodes if node.scope and node.scope[0][0] == "")
    many = f", {numbers.counted(parameters, 'parameter')}" if parameters else ""
    return f"{' + '.join(models) or numbers.counted(sum(states_of(x) is None for x in nodes), 'operation')}{many}"


def lines(rows: Iterable[Row]) -> list[tuple[str, str]]:
    """A block in words, one line for each layer with a weight, pooling or join: the layer, and the operations after it.

    A layer that does not read the line above it is marked ``beside``.
    """
    said: list[tuple[str, str]] = []
    last: set[Any] = set()
    rows = list(rows)
    inside = {node for row in rows for node in row.nodes}
    read = Counter(id(x) for node in inside for x in node.inputs if isinstance(x, ag.Tensor) and not x.requires_grad)
    shared = {key for key, times in read.items() if times > 1}  # constants, of which the input may be one
    for label, part in ((call.label, call.nodes) for row in rows for call in row.of.layers):
        given = {x for node in part for x in node.inputs if (isinstance(x, Node) and x not in part) or id(x) in shared}
        if said and not is_heavy(part) and given <= last:
            head, tail = said[-1]
            said[-1] = head, f"{tail}, {_short(label)}" if tail else _short(label)
        else:
            beside = BESIDE if last and not given & last else ""
            joined = _joined(part, given, inside) if len(given) > 1 and len(part) == 1 else ""
            said.append((joined or f"{beside}{label} {described(part)}".strip(), ""))
            last = set()
        last |= set(part)
    return said


def has_shortcut(said: Sequence[tuple[str, str]]) -> bool:
    """Whether these lines describe a residual block: its input, or a layer beside it, is added to what it computes."""
    heads = [head for head, _ in said]
    return "+ input" in heads or (sum(head.startswith(BESIDE) for head in heads) == 1 and "Add" in heads)


def _joined(part: Sequence[Node], given: set[Any], inside: set[Node]) -> str:
    """A sum or product of a block with its input, as `+ input`."""
    symbol = {"add": "+", "multiply": "×"}.get(part[0].op.name, "")
    return f"{symbol} input" if symbol and given & inside and given - inside else ""


def _short(label: str) -> str:
    return next((short for long, short in ABBREVIATIONS.items() if label.startswith(long)), label)
