"""A graph for any batch size, from the graphs for two batch sizes."""

from __future__ import annotations

from typing import Any

import numpy

from glassgrad.nn.saving.onnx.write import NotWritten, used_inside

SIZES = 61, 67
"""The two batch sizes: primes, so that no other length equals one of them."""


def for_any_batch(onnx: Any, model: Any, other: Any) -> Any:
    """Return ``model`` for any batch size.

    ``model`` was written for the first of `SIZES`, and ``other`` for the second. A number that differs depends on the
    batch size.

    In the shape of a Reshape the batch size becomes -1; in that of an Expand it is computed from an input. Raises
    `NotWritten` where anything else depends on the batch size.
    """
    graph, others = model.graph, {t.name: t for t in other.graph.initializer}
    if [n.SerializeToString() for n in graph.node] != [n.SerializeToString() for n in other.graph.node]:
        raise NotWritten("its operations depend on the batch size: write it without dynamic_batch.")
    computed: list[Any] = []
    for tensor in list(graph.initializer):
        twin = others[tensor.name]
        if tensor.SerializeToString() == twin.SerializeToString():
            continue
        values, twins = (onnx.numpy_helper.to_array(t) for t in (tensor, twin))
        takers = [node for node in graph.node if tensor.name in (*node.input, *used_inside(node))]
        kinds = {node.op_type if tensor.name in node.input[1:2] else "" for node in takers}
        is_shape = values.ndim == 1 and values.shape == twins.shape and kinds <= {"Reshape", "Expand"}
        differs = values != twins if is_shape else numpy.ones(1, bool)
        if is_shape and kinds == {"Reshape"} and differs.sum() == 1 and -1 not in values:
            tensor.CopyFrom(onnx.numpy_helper.from_array(numpy.where(differs, -1, values), tensor.name))
            continue
        if not is_shape or {*zip(values[differs].tolist(), twins[differs].tolist(), strict=True)} != {SIZES}:
            raise NotWritten(f"{tensor.name} depends on the batch size: write it without dynamic_batch.")
        parts = ["batch_size" if d else f"{tensor.name}_part_{i}" for i, d in enumerate(differs)]
        fixed = [(name, n) for name, n, d in zip(parts, values, differs, strict=True) if not d]
        graph.initializer.extend(onnx.numpy_helper.from_array(numpy.array([n]), name) for name, n in fixed)
        graph.initializer.remove(tensor)
        computed.append(onnx.helper.make_node("Concat", parts, [tensor.name], name=f"/{tensor.name}", axis=0))
    if computed:
        counted = next(i.name for i in graph.input if i.type.tensor_type.shape.dim)
        size = onnx.helper.make_node("Shape", [counted], ["batch_size"], name="/batch_size", start=0, end=1)
        nodes = [size, *computed, *graph.node]
        del graph.node[:]
        graph.node.extend(nodes)
    for declared, twin in zip((*graph.input, *graph.output), (*other.graph.input, *other.graph.output), strict=True):
        dims = declared.type.tensor_type.shape.dim, twin.type.tensor_type.shape.dim
        for a, b in zip(*dims, strict=True):
            if a.dim_value != b.dim_value:
                if (a.dim_value, b.dim_value) != SIZES:
                    raise NotWritten(
                        f"an axis of {declared.name} depends on the batch size, but is another number: write it "
                        "without dynamic_batch."
                    )
                a.dim_param = "batch"
    return model
