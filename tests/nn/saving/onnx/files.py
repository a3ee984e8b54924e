"""Small ONNX files for tests."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64


def value(name, shape, dtype=FLOAT):
    return helper.make_tensor_value_info(name, dtype, shape)


def model(nodes, inputs, outputs, constants=None, opset=21, functions=(), domains=()):
    """A model of ``nodes``; ``inputs`` and ``outputs`` are value infos, ``constants`` arrays by name."""
    initializers = [
        array if isinstance(array, TensorProto) else numpy_helper.from_array(np.asarray(array), name)
        for name, array in (constants or {}).items()
    ]
    graph = helper.make_graph(nodes, "test", inputs, outputs, initializers)
    opsets = [helper.make_opsetid("", opset), *(helper.make_opsetid(d, 1) for d in domains)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10, functions=list(functions))


def saved(folder, *args, **options):
    """The path of a file with that `model`."""
    path = folder / "model.onnx"
    path.write_bytes(model(*args, **options).SerializeToString())
    return path


def linear(folder):
    """``y = relu(x @ weight.T + bias)`` with the names of a PyTorch module."""
    r = np.random.default_rng(0)
    nodes = [
        helper.make_node("Gemm", ["x", "fc.weight", "fc.bias"], ["/fc/Gemm_output_0"], name="/fc/Gemm", transB=1),
        helper.make_node("Relu", ["/fc/Gemm_output_0"], ["y"], name="/relu/Relu"),
    ]
    constants = {
        "fc.weight": r.standard_normal((3, 4)).astype("float32"),
        "fc.bias": r.standard_normal(3).astype("float32"),
    }
    return saved(folder, nodes, [value("x", ["batch", 4])], [value("y", ["batch", 3])], constants)


__all__ = ["FLOAT", "INT64", "helper", "linear", "model", "numpy_helper", "onnx", "saved", "value"]
