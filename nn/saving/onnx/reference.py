"""Operators that have no derivative here: the package ``onnx`` itself computes them, with NumPy."""

from __future__ import annotations

from collections.abc import Container
from functools import partial
from typing import Any

import numpy

from glassgrad.autograd import Tensor, is_grad_enabled
from glassgrad.autograd.errors import AutogradError, DomainError
from glassgrad.nn.saving.onnx.table import Row, bounded, concrete, is_float

NAMES = frozenset({
    "Adagrad", "Adam", "ArrayFeatureExtractor", "Binarizer", "BitCast", "BitShift", "Col2Im", "Compress", "DFT",
    "DeformConv", "EyeLike", "Hardmax", "LpPool", "MaxUnpool", "MelWeightMatrix", "Momentum", "NonMaxSuppression",
    "NonZero", "RoiAlign", "STFT", "Scaler", "TensorScatter", "TfIdfVectorizer", "Unique",
})  # fmt: skip

WITH_MORE = "LayerNormalization", "MaxPool"
"""Operators of which this holds where a node takes more than the first result."""

RARE: dict[str, Container[Any]] = {
    "block_size": range(1, 2**63), "coordinate_transformation_mode": (b"tf_crop_and_resize",), "detect_negative": (0,),
    "detect_positive": (0,), "keep_aspect_ratio_policy": (b"not_larger", b"not_smaller"), "layout": (1,),
    "reduction": (b"mul", b"max", b"min"), "select_last_index": (1,), "training_mode": (1,),
}  # fmt: skip
"""Attributes of other operators, and the values with which they have no derivative here either."""


def is_computed(row: Row) -> bool:
    """Whether the package ``onnx`` computes a row."""
    return isinstance(row.function, partial) and row.function.func is _computed


def reference_row(onnx: Any, node: Any, opset: int) -> Row | None:
    """The row of a node whose operator is one of `NAMES`, or that has an attribute of `RARE`, else ``None``."""
    is_rare = any((a.s or a.i) in RARE.get(a.name, ()) for a in node.attribute)
    is_rare |= node.op_type in NAMES or (node.op_type in WITH_MORE and len(node.output) > 1)
    try:
        schema = onnx.defs.get_schema(node.op_type, opset, node.domain) if is_rare else None
    except onnx.defs.SchemaError:  # of another opset or domain
        schema = None
    if schema is None:
        return None
    inputs = tuple(x.name for x in schema.inputs)
    known = frozenset(inputs if all(y.type_str == "tensor(int64)" for y in schema.outputs) else ())
    many = schema.inputs[-1].option == onnx.defs.OpSchema.FormalParameterOption.Variadic
    function = partial(_computed, onnx, node, opset)
    return Row(node.op_type, opset, function, inputs, tuple(schema.attributes), known, many)


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
