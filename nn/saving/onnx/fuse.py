"""Layers that are several operations here and one node in ONNX: normalization with its scale and bias."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from glassgrad.nn.saving.onnx.write import used_inside

Names = dict[str, str]
"""A match of a pattern: the value for each of its names, and the result of each node by its operator."""


class Graph:
    """Nodes by their outputs, the number of uses of each value, and the arrays of constants."""

    def __init__(self, nodes: list[Any], outputs: list[str], constants: Mapping[str, Any]) -> None:
        self.made = {name: node for node in nodes for name in node.output}
        self.uses = Counter([*outputs, *(name for node in nodes for name in (*node.input, *used_inside(node)))])
        self.constants = constants

    def number(self, name: str) -> float | None:
        """The number of a constant value, else ``None``."""
        array = self.constants.get(name)
        return float(array.reshape(())) if array is not None and array.size == 1 else None

    def have_one_shape(self, *names: str) -> bool:
        """Whether all values are constants of the same shape."""
        return all(n in self.constants for n in names) and len({self.constants[n].shape for n in names}) == 1

    def group(self, name: str) -> int:
        """The number of groups of the convolution that makes a value."""
        return next((a.i for a in self.made[name].attribute if a.name == "group"), 1)


def matches(graph: Graph, value: str, pattern: Any, names: Names) -> bool:
    """Whether a pattern is how a value is computed; ``names`` takes what it found.

    A pattern is a name for any value, a number for a constant, or ``(operator, *patterns)`` for a node. Only the result
    of one with a ``*`` may be used elsewhere, too, and ``Reshape?`` may be missing. Inputs are in the order in which
    the layers of ``nn`` write them.
    """
    if isinstance(pattern, str):
        return names.setdefault(pattern, value) == value
    if not isinstance(pattern, tuple):
        return bool(graph.number(value) == pattern)
    op_type, *parts = pattern
    node = graph.made.get(value)
    if node is None or node.op_type != op_type.strip("?*") or (graph.uses[value] > 1 and not op_type.endswith("*")):
        return op_type == "Reshape?" and matches(graph, value, parts[0], names)
    names[op_type] = value
    inputs = node.input[: 1 if node.op_type == "Reshape" else None]
    return len(inputs) == len(parts) and all(matches(graph, x, p, names) for x, p in zip(inputs, parts, strict=True))


class Rule(NamedTuple):
    """Replaces a match of ``pattern`` for which ``holds`` is true by one node ``op_type`` with the ``inputs``.

    The new node has the attributes of the pattern's node with that operator.
    """

    pattern: tuple[Any, ...]
    op_type: str
    inputs: str
    holds: Callable[[Graph, Names], Any]


FACTOR = "Mul*", "weight", ("Div", 1.0, ("Sqrt", ("Add", "var", "epsilon")))

RULES = (
    Rule(
        ("Mul*", ("LayerNormalization", "x", "ones"), "scale"), "LayerNormalization", "x scale",
        lambda g, n: g.have_one_shape(n["scale"], n["ones"]) and (g.constants[n["ones"]] == 1).all(),
    ),
    Rule(
        ("Add*", ("LayerNormalization", "x", "scale"), "bias"), "LayerNormalization", "x scale bias",
        lambda g, n: g.have_one_shape(n["scale"], n["bias"]),
    ),
    Rule(  # as `nn.functional.batch_norm` evaluates
        ("Add*", ("Mul", "x", ("Reshape?", FACTOR)), ("Reshape?", ("Sub", "bias", ("Mul", "mean", FACTOR)))),
        "BatchNormalization", "x weight bias mean var",
        lambda g, n: g.number(n["epsilon"]) is not None
        and g.have_one_shape(n["weight"], n["bias"], n["mean"], n["var"]),
    ),
    Rule(
        ("Add*", ("ConvTranspose", "x", "weight"), ("Reshape", "bias")), "ConvTranspose", "x weight bias",
        lambda g, n: n["bias"] in g.constants and n["weight"] in g.constants
        and g.constants[n["bias"]].shape == (g.constants[n["weight"]].shape[1] * g.group(n["ConvTranspose"]),),
    ),
    Rule(  # the mean of windows as their sum, which is a mean times their size, divided by it
        ("Mul*", ("Mul", ("AveragePool", "x"), "count"), "share"), "AveragePool", "x",
        lambda g, n: abs((g.number(n["count"]) or 0) * (g.number(n["share"]) or 0) - 1) < 1e-6,
    ),
)  # fmt: skip


def fused(onnx: Any, nodes: list[Any], outputs: list[str], constants: Mapping[str, Any]) -> list[Any]:
    """The nodes with one node for each layer norm, batch norm, mean of windows, and transposed convolution.

    ``constants``: the arrays of the initializers that no caller may change.
    """
    graph = Graph(nodes, outputs, constants)
    found = []
    for node in nodes:
        new = _replacement(onnx, graph, node)
        graph.made |= dict.fromkeys(new.output, new)
        found.append(new)
    return found


def _replacement(onnx: Any, graph: Graph, node: Any) -> Any:
    """The node that takes the place of a node and those before it; the node itself where no rule holds."""
    for pattern, kind, inputs, holds in RULES:
        names: Names = {}
        if matches(graph, node.output[0], pattern, names) and holds(graph, names):
            given = [names[name] for name in inputs.split()]
            if old := graph.made.get(names.get(kind, "")):
                new = onnx.helper.make_node(kind, given, [*node.output], old.name or node.name)
                new.attribute.extend(old.attribute)
                return new
            name = f"{node.name.rpartition('/')[0]}/{kind}"
            return onnx.helper.make_node(kind, given, [*node.output], name, epsilon=graph.number(names["epsilon"]))
    return node
