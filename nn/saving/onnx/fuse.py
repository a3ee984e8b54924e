"""Layers that are several operations here and one node in ONNX: normalization with its scale and bias."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

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

    def have_one_shape(self, names: Names, *keys: str) -> bool:
        """Whether all values of a match are constants of the same shape."""
        found: list[Any] = [self.constants.get(names[key]) for key in keys]
        return all(x is not None and x.shape == found[0].shape for x in found)


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


LAYER_NORM = "Add*", ("Mul", ("LayerNormalization", "x", "ones"), "scale"), "bias"
FACTOR = "Mul*", "weight", ("Div", 1.0, ("Sqrt", ("Add", "var", "epsilon")))
BATCH_NORM = "Add*", ("Mul", "x", ("Reshape?", FACTOR)), ("Reshape?", ("Sub", "bias", ("Mul", "mean", FACTOR)))
STATE = "weight", "bias", "mean", "var"
"""What `nn.functional.batch_norm` computes in evaluation."""


def fused(onnx: Any, nodes: list[Any], outputs: list[str], constants: Mapping[str, Any]) -> list[Any]:
    """The nodes with one node for each layer norm and batch norm.

    ``constants``: the arrays of the initializers that no caller may change.
    """
    graph = Graph(nodes, outputs, constants)
    return [_norm(onnx, graph, node) or node for node in nodes]


def _norm(onnx: Any, graph: Graph, node: Any) -> Any:
    """The norm of which a node is the last, ``None`` where it is none."""
    names: Names = {}
    if matches(graph, node.output[0], LAYER_NORM, names) and graph.have_one_shape(names, "ones", "scale", "bias"):
        old = graph.made[names["LayerNormalization"]]
        new = onnx.helper.make_node(old.op_type, [names[n] for n in ("x", "scale", "bias")], node.output, old.name)
        new.attribute.extend(old.attribute)
        return new
    names = {}
    if matches(graph, node.output[0], BATCH_NORM, names) and graph.have_one_shape(names, *STATE):
        epsilon, name = graph.number(names["epsilon"]), f"{node.name.rpartition('/')[0]}/BatchNormalization"
        given = [names["x"], *(names[n] for n in STATE)]
        return (
            None
            if epsilon is None
            else onnx.helper.make_node("BatchNormalization", given, node.output, name, epsilon=epsilon)
        )
    return None
