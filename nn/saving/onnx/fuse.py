"""Layers that are several operations here and one node in ONNX: normalization with its scale and bias."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy

from nn.saving.onnx.write import used_inside


class _Graph:
    """Nodes by their outputs, the number of uses of each value, and the arrays of constants."""

    def __init__(self, nodes: list[Any], outputs: list[str], constants: Mapping[str, Any]) -> None:
        self.made = {name: node for node in nodes for name in node.output}
        self.uses = Counter([*outputs, *(name for node in nodes for name in (*node.input, *used_inside(node)))])
        self.constants = constants

    def node(self, name: str, op_type: str, alone: bool = True) -> Any:
        """The node of this operator that makes a value, else ``None``; ``alone``: only if it is used once."""
        node = self.made.get(name)
        return node if node is not None and node.op_type == op_type and (not alone or self.uses[name] == 1) else None

    def number(self, name: str) -> float | None:
        """The number of a constant value, else ``None``."""
        array = self.constants.get(name)
        return float(array.reshape(())) if array is not None and array.size == 1 else None

    def vector(self, name: str) -> str:
        """The value before it is reshaped to a column."""
        node = self.node(name, "Reshape")
        return node.input[0] if node is not None else name


def fused(onnx: Any, nodes: list[Any], outputs: list[str], constants: Mapping[str, Any]) -> list[Any]:
    """The nodes with one node for each layer norm, batch norm, mean of windows, and transposed convolution.

    ``constants``: the arrays of the initializers that no caller may change.
    """
    graph = _Graph(nodes, outputs, constants)
    found = []
    for node in nodes:
        made = next((m for rule in RULES if (m := rule(onnx, graph, node)) is not None), None)
        new = node if made is None else made
        if new is not node:
            new.name = new.name or node.name
            graph.made |= dict.fromkeys(new.output, new)
        found.append(new)
    return found


def _sides(node: Any) -> list[tuple[str, str]]:
    """The two arguments of a node, in both orders."""
    a, b = node.input
    return [(a, b), (b, a)]


def _layer_norm(onnx: Any, graph: _Graph, node: Any) -> Any:
    """``norm(x) · scale``, and then ``+ bias``."""
    if node.op_type == "Mul":
        for x, scale in _sides(node):
            norm = graph.node(x, "LayerNormalization")
            ones = None if norm is None else graph.constants.get(norm.input[1])
            weight = graph.constants.get(scale)
            if ones is not None and weight is not None and weight.shape == ones.shape and numpy.all(ones == 1):
                return _copy(onnx, norm, node, [norm.input[0], scale])
    if node.op_type == "Add":
        for x, bias in _sides(node):
            norm = graph.node(x, "LayerNormalization")
            array = graph.constants.get(bias)
            if norm is not None and len(norm.input) == 2 and array is not None:
                weight = graph.constants.get(norm.input[1])
                if weight is not None and weight.shape == array.shape:
                    return _copy(onnx, norm, node, [*norm.input, bias])
    return None


def _copy(onnx: Any, node: Any, last: Any, inputs: list[str]) -> Any:
    """A copy of ``node`` with other inputs and the output of ``last``, the last node that it replaces."""
    new = onnx.NodeProto()
    new.CopyFrom(node)
    del new.input[:], new.output[:]
    new.input.extend(inputs)
    new.output.extend(last.output)
    return new


def _biased(onnx: Any, graph: _Graph, node: Any) -> Any:
    """A transposed convolution ``+ bias``."""
    if node.op_type == "Add":
        for x, column in _sides(node):
            conv, bias = graph.node(x, "ConvTranspose"), graph.constants.get(graph.vector(column))
            weight = None if conv is None else graph.constants.get(conv.input[1])
            if conv is not None and len(conv.input) == 2 and bias is not None and weight is not None:
                groups = next((a.i for a in conv.attribute if a.name == "group"), 1)
                if bias.shape == (weight.shape[1] * groups,) and graph.vector(column) != column:
                    return _copy(onnx, conv, node, [*conv.input, graph.vector(column)])
    return None


def _mean(onnx: Any, graph: _Graph, node: Any) -> Any:
    """The mean of windows as a sum, which is a mean times their size, divided by it."""
    if node.op_type == "Mul":
        for total, part in _sides(node):
            times = graph.node(total, "Mul")
            for mean, count in _sides(times) if times is not None else []:
                pool, n, share = graph.node(mean, "AveragePool"), graph.number(count), graph.number(part)
                if pool is not None and n is not None and share is not None and abs(n * share - 1) < 1e-6:
                    return _copy(onnx, pool, node, [*pool.input])
    return None


def _batch_norm(onnx: Any, graph: _Graph, node: Any) -> Any:
    """``x · f + (bias - mean · f)`` with ``f = scale / √(var + ε)``, as `nn.functional.batch_norm` evaluates."""
    if node.op_type != "Add":
        return None
    for product, shift in _sides(node):
        times, minus = graph.node(product, "Mul"), graph.node(graph.vector(shift), "Sub")
        moved = None if minus is None else graph.node(minus.input[1], "Mul")
        if times is None or moved is None:
            continue
        for mean, factor in _sides(moved):
            for x, column in _sides(times):
                scale = _scale_of(graph, factor)
                if graph.vector(column) == factor and scale is not None:
                    weight, var, epsilon = scale
                    bias = minus.input[0]
                    shapes = {graph.constants[n].shape for n in (weight, bias, mean, var) if n in graph.constants}
                    if len(shapes) == 1 and all(n in graph.constants for n in (weight, bias, mean, var)):
                        return onnx.helper.make_node(
                            "BatchNormalization", [x, weight, bias, mean, var], [*node.output],
                            name=node.name.rpartition("/")[0] + "/BatchNormalization", epsilon=epsilon,
                        )  # fmt: skip
    return None


def _scale_of(graph: _Graph, factor: str) -> tuple[str, str, float] | None:
    """Weight, variance and ε of ``weight · 1 / √(var + ε)``."""
    node = graph.node(factor, "Mul", alone=False)
    for weight, inverse in _sides(node) if node is not None else []:
        division = graph.node(inverse, "Div")
        is_one = division is not None and graph.number(division.input[0]) == 1
        root = graph.node(division.input[1], "Sqrt") if is_one else None
        total = None if root is None else graph.node(root.input[0], "Add")
        for var, number in _sides(total) if total is not None else []:
            epsilon = graph.number(number)
            if epsilon is not None:
                return weight, var, epsilon
    return None


RULES = (_layer_norm, _batch_norm, _biased, _mean)
