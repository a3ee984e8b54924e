"""Operators that the package ``onnx`` computes."""

import numpy as np
import pytest

from glassgrad import nn
from glassgrad.autograd.errors import DomainError
from glassgrad.nn.errors import FileError

pytest.importorskip("onnx")
ort = pytest.importorskip("onnxruntime")

from tests.nn.saving.onnx.files import helper, saved, value  # noqa: E402


def drawn(*shape):
    return np.random.default_rng(0).standard_normal(shape).astype("float32")


@pytest.mark.parametrize(
    ("operator", "shapes", "attributes", "opset"),
    [
        ("Attention", [("n", 2, "t", 4)] * 3, {"is_causal": 1}, 23),
        ("RotaryEmbedding", [("n", "h", "t", 4), ("n", "t", 2), ("n", "t", 2)], {}, 23),
        ("AffineGrid", [("n", 2, 3), (4,)], {}, 21),
    ],
)
def test_they_give_the_numbers_of_onnxruntime(operator, shapes, attributes, opset, tmp_path):
    if opset > 21:
        pytest.importorskip("onnx", minversion="1.19")
        pytest.importorskip("onnxruntime", minversion="1.23")
    names = [f"x{i}" for i in range(len(shapes))]
    node = helper.make_node(operator, names, ["y"], **attributes)
    inputs = [value(name, shape, 7 if shape == (4,) else 1) for name, shape in zip(names, shapes, strict=True)]
    path = saved(tmp_path, [node], inputs, [value("y", None)], opset=opset)
    sizes = {"n": 2, "t": 5, "h": 2}
    arrays = [drawn(*(sizes.get(n, n) for n in shape)) if shape != (4,) else np.array([2, 1, 3, 4]) for shape in shapes]
    (want,) = ort.InferenceSession(str(path)).run(None, dict(zip(names, arrays, strict=True)))
    np.testing.assert_allclose(nn.load_onnx(path)(*arrays).data, want, rtol=1e-5, atol=1e-6)


def test_what_the_package_onnx_has_wrong_is_refused(tmp_path):
    """Cubic samples beyond the border differ there from onnxruntime's and PyTorch's by .15 and more."""
    node = helper.make_node("GridSample", ["x", "grid"], ["y"], mode="cubic", padding_mode="border")
    inputs = [value("x", (1, 1, 5, 6)), value("grid", (1, 4, 4, 2))]
    model = nn.load_onnx(saved(tmp_path, [node], inputs, [value("y", None)], opset=20))
    with pytest.raises(DomainError, match="has wrong values at padding_mode = 'border'"):
        model(drawn(1, 1, 5, 6), drawn(1, 4, 4, 2))


def test_a_network_that_onnxruntime_has_optimized_is_named(tmp_path):
    x, options = drawn(2, 4), ort.SessionOptions()
    nn.save_onnx(nn.MLP([4, 8, 3], "relu", seed=0), tmp_path / "a.onnx", x)
    options.optimized_model_filepath = str(tmp_path / "b.onnx")
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    ort.InferenceSession(str(tmp_path / "a.onnx"), options)
    with pytest.raises(FileError, match=r"com\.microsoft::FusedGemm\. .* Open the file that onnxruntime optimized\."):
        nn.load_onnx(tmp_path / "b.onnx")
