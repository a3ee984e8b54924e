"""Operators that ONNX defines by other operators: the nodes that have no row in the table are written out."""

from __future__ import annotations

from typing import Any

from glassgrad.nn.saving.onnx.table import row_of

OLDEST = 11
"""The oldest opset of a definition by nodes that mean the same today."""

DOMAIN = "written out"
"""The domain of the functions that are added."""


def define(onnx: Any, model: Any, opset: int) -> bool:
    """Make a function of each node of the main graph that has no row and that ONNX defines by other nodes.

    Returns whether there are any; the functions are still to be inlined.
    """
    nodes = [n for n in model.graph.node if n.domain in ("", "ai.onnx") and row_of(n.op_type, opset) is None]
    types = _types(onnx, model) if nodes else {}
    found = False
    for i, node in enumerate(nodes):
        body = _function(onnx, node, opset, types)
        if body is None:  # the node is refused by its name
            continue
        body.domain, body.name, found = DOMAIN, f"{node.op_type} {i}", True
        for inner in body.node:
            inner.name = f"{node.name or i}/{inner.op_type}"
        node.domain, node.op_type = body.domain, body.name
        model.functions.append(body)
    if found:
        model.opset_import.append(onnx.helper.make_opsetid(DOMAIN, 1))
    return found


def _function(onnx: Any, node: Any, opset: int, types: dict[str, bytes]) -> Any:
    """The function that a node is, after its attributes have got their defaults; ``None`` where it is none."""
    function = onnx.FunctionProto()
    try:
        schema = onnx.defs.get_schema(node.op_type, opset)
        given = {a.name for a in node.attribute}
        defaults = (a.default_value for a in schema.attributes.values() if a.name not in given)
        node.attribute.extend(a for a in defaults if a.name)
        function.ParseFromString(_body(schema, node, opset, types))
        (used,) = [o for o in function.opset_import if not o.domain]
    except Exception:  # of many classes
        return None
    is_old = used.version < OLDEST
    used.version = opset  # the package checks the nodes as those of this opset
    return None if is_old or not function.node else function


def _body(schema: Any, node: Any, opset: int, types: dict[str, bytes]) -> bytes:
    """The function that an operator is, for the types of a node's inputs."""
    versions = [v for v in schema.context_dependent_function_opset_versions if v <= opset]
    if not versions:
        return bytes(schema.get_function_with_opset_version(opset))
    given = [types[name] if name else b"" for name in node.input]
    text = node.SerializeToString()
    return bytes(schema.get_context_dependent_function_with_opset_version(max(versions), text, given))


def _types(onnx: Any, model: Any) -> dict[str, bytes]:
    """The types of values, as far as the package ``onnx`` can tell."""
    try:
        graph = onnx.shape_inference.infer_shapes(model).graph
    except Exception:
        graph = model.graph
    known = {x.name: x.type for x in (*graph.input, *graph.output, *graph.value_info)}
    for tensor in graph.initializer:
        known[tensor.name] = onnx.helper.make_tensor_type_proto(tensor.data_type, tensor.dims)
    return {name: kind.SerializeToString() for name, kind in known.items()}
