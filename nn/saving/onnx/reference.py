"""Operators that have no derivative here: the package ``onnx`` itself computes them, with NumPy."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy

from glassgrad.autograd import Tensor, is_grad_enabled
from glassgrad.autograd.errors import AutogradError, DomainError
from glassgrad.nn.saving.onnx.table import Row, bounded, concrete, is_float

NAMES = frozenset({
    "Adagrad", "Adam", "ArrayFeatureExtractor", "Binarizer", "BitCast", "BitShift", "MelWeightMatrix",
    "Momentum", "NonMaxSuppression", "Scaler", "TensorScatter", "TfIdfVectorizer", "Unique",
})  # fmt: skip


def reference_row(onnx: Any, node: Any, opset: int) -> Row | None:
    """The row of a node whose operator is one of `NAMES`, else ``None``."""
    try:
        schema = onnx.defs.get_schema(node.op_type, opset, node.domain) if node.op_type in NAMES else None
    except onnx.defs.SchemaError:  # of another opset or domain
        schema = None
    if schema is None:
        return None
    inputs = tuple(x.name for x in schema.inputs)
    known = frozenset(inputs if all(y.type_str == "tensor(int64)" for y in schema.outputs) else ())
    many = schema.inputs[-1].option == onnx.defs.OpSchema.FormalParameterOption.Variadic
    function = partial(_computed, onnx, node, opset)
    return Row(node.op_type, opset, function, inputs, tuple(schema.attributes), known, many, False)


def _computed(onnx: Any, node: Any, opset: int, *values: Any, **attributes: Any) -> tuple[Any, ...]:
    """The results of a node. Its ``attributes`` are in ``node``, too."""
    from onnx.reference import ReferenceEvaluator

    given = {name: numpy.asarray(concrete(x)) for name, x in zip(node.input, values, strict=False) if name}
    graph = onnx.helper.make_graph(
        [node], node.op_type, [], [onnx.ValueInfoProto(name=name) for name in node.output if name],
        [onnx.numpy_helper.from_array(x, name) for name, x in given.items()],
    )  # fmt: skip
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid(node.domain, opset)])
    try:
        inferred = onnx.shape_inference.infer_shapes(model, data_prop=True).graph.output
        for shape in [[d.dim_value for d in y.type.tensor_type.shape.dim] for y in inferred]:
            bounded(shape)
        results = tuple(map(numpy.asarray, ReferenceEvaluator(model).run(None, {})))
    except AutogradError:
        raise
    except Exception as error:  # of many classes
        raise DomainError(f"the package onnx can't compute it: {str(error)[:300]}") from error
    trained = any(isinstance(x, Tensor) and x.requires_grad for x in values)
    if trained and is_grad_enabled() and any(map(is_float, results)):
        raise DomainError("it has no derivative here: call the network under autograd.no_grad()")
    return results
