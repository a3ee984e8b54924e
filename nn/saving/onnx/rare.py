"""Rare operators and attributes, which the package ``onnx`` computes, without a derivative."""

from __future__ import annotations

from collections.abc import Container
from functools import partial
from typing import Any

import numpy

from glassgrad.autograd import Tensor, is_grad_enabled
from glassgrad.autograd.errors import AutogradError, DomainError, SizeError
from glassgrad.nn.saving.onnx.table import STEPS, Row, arrays, bounded, is_float

UNDIFFERENTIATED = frozenset({
    "Adagrad", "Adam", "AffineGrid", "ArrayFeatureExtractor", "Attention", "Binarizer", "BitCast", "BitShift",
    "BlackmanWindow", "CausalConvWithState", "CenterCropPad", "Col2Im", "Compress", "ConcatFromSequence", "CumProd",
    "DFT", "DeformConv", "DynamicQuantizeLinear", "EyeLike", "GridSample", "HammingWindow", "HannWindow", "Hardmax",
    "LinearAttention", "LpNormalization", "LpPool", "MaxUnpool", "MeanVarianceNormalization", "MelWeightMatrix",
    "Momentum", "NonMaxSuppression", "NonZero", "OneHot", "OptionalGetElement", "OptionalHasElement",
    "RMSNormalization", "ReverseSequence", "RoiAlign", "RotaryEmbedding", "STFT", "Scaler", "SequenceAt",
    "SequenceConstruct", "SequenceEmpty", "SequenceErase", "SequenceInsert", "SequenceLength", "SequenceMap",
    "Shrink", "SpaceToDepth", "SplitToSequence", "SwiGLU", "TensorScatter", "TfIdfVectorizer", "Unique",
})  # fmt: skip

WITH_MORE = "LayerNormalization", "MaxPool"
"""Operators of which this holds where a node takes more than the first result."""

RARE: dict[str, Container[Any]] = {
    "block_size": range(1, 2**63),
    "coordinate_transformation_mode": (b"tf_crop_and_resize", b"half_pixel_symmetric"), "detect_negative": (0,),
    "detect_positive": (0,), "exclusive": (1,), "keep_aspect_ratio_policy": (b"not_larger", b"not_smaller"),
    "layout": (1,), "reduction": (b"mul", b"max", b"min"), "reverse": (1,), "select_last_index": (1,),
    "training_mode": (1,),
}  # fmt: skip
"""Attributes of other operators, and the values with which they have no derivative here either."""


def is_computed(row: Row) -> bool:
    """Whether the package ``onnx`` computes a row."""
    return isinstance(row.function, partial) and row.function.func is _computed


def reference_row(onnx: Any, node: Any, opset: int) -> Row | None:
    """The row of a node that the package ``onnx`` computes, by its operator or a rare attribute, else ``None``."""
    is_rare = any((a.s or a.i) in RARE.get(a.name, ()) for a in node.attribute)
    is_rare |= node.op_type in UNDIFFERENTIATED or (node.op_type in WITH_MORE and any(node.output[1:]))
    try:
        schema = onnx.defs.get_schema(node.op_type, opset, node.domain) if is_rare else None
    except onnx.defs.SchemaError:  # of another opset or domain
        schema = None
    if schema is None:
        return None
    inputs = tuple(x.name for x in schema.inputs)
    known = frozenset(inputs if all(y.type_str == "tensor(int64)" for y in schema.outputs) else ())
    function = partial(_computed, onnx, node, opset)
    return Row(node.op_type, opset, function, inputs, tuple(schema.attributes), known)


def _computed(onnx: Any, node: Any, opset: int, *values: Any, **attributes: Any) -> tuple[Any, ...]:
    """The results of a node. Its ``attributes`` are in ``node``, too."""
    from onnx.reference import ReferenceEvaluator

    if attributes.get("padding_mode") == "border" and "cubic" in attributes.get("mode", ""):
        raise DomainError("the package onnx, which computes 'cubic', has wrong values at padding_mode = 'border'")
    if node.op_type == "SplitToSequence" and max(values[0].shape, default=0) > STEPS:
        raise SizeError(f"x has an axis of more than {STEPS:,} entries, the limit for a sequence")
    given = {name: arrays(x) for name, x in zip(node.input, values, strict=False) if name}
    known = [onnx.numpy_helper.from_array(x, name) for name, x in given.items() if isinstance(x, numpy.ndarray)]
    outputs = [onnx.ValueInfoProto(name=name) for name in node.output if name]
    graph = onnx.helper.make_graph([node], node.op_type, [], outputs, known)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid(node.domain, opset)])
    try:
        inferred = onnx.shape_inference.infer_shapes(model, data_prop=True).graph.output
        for shape in [[d.dim_value for d in y.type.tensor_type.shape.dim] for y in inferred]:
            bounded(shape)
        named = {
            y.name: arrays(value) for y, value in zip(outputs, ReferenceEvaluator(model).run(None, given), strict=True)
        }
    except AutogradError:
        raise
    except Exception as error:  # of many classes
        raise DomainError(f"the package onnx can't compute it: {str(error)[:300]}") from error
    results = tuple(map(named.get, node.output))
    trained = any(isinstance(x, Tensor) and x.requires_grad for x in values)
    if trained and is_grad_enabled() and _has_floats([*results]):
        raise DomainError("it has no derivative here: call the network under autograd.no_grad()")
    return results


def _has_floats(value: Any) -> bool:
    """Whether a result, or an entry of a sequence, has values that depend on its inputs without a jump."""
    return any(map(_has_floats, value)) if isinstance(value, list) else value is not None and is_float(value)
