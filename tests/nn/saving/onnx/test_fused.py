"""Networks as onnxruntime writes them once it has optimized them, and the fused operators one by one."""

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad import nn
from glassgrad.autograd.errors import DomainError

pytest.importorskip("onnx")
ort = pytest.importorskip("onnxruntime")

from tests.nn.saving.onnx.files import FLOAT, TensorProto, helper, saved, value  # noqa: E402


def run(path, feed, optimized=None):
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    if optimized is not None:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
        options.optimized_model_filepath = str(optimized)
    return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"]).run(None, feed)


def conv(*layers):
    return nn.Sequential(nn.Conv2d(1, 3, 3, seed=0), *layers, nn.Conv2d(3, 2, 3, padding=1, seed=1), nn.Tanh())


@pytest.mark.parametrize(
    ("model", "shape", "operator"),
    [
        (nn.MLP([4, 8, 3], "relu", seed=0), (2, 4), "FusedGemm"),
        (conv(nn.ReLU()), (2, 1, 6, 6), "FusedConv"),
        (conv(nn.BatchNorm2d(3), nn.Sigmoid()).eval(), (2, 1, 6, 6), "FusedConv"),
        (conv(nn.LeakyReLU(0.2)), (2, 1, 6, 6), "FusedConv"),
    ],
)
def test_networks_that_onnxruntime_has_optimized(model, shape, operator, tmp_path):
    x = np.random.default_rng(0).standard_normal(shape).astype("float32")
    written, optimized = str(tmp_path / "a.onnx"), tmp_path / "b.onnx"
    nn.save_onnx(model, written, x)
    (want,) = run(written, {"x": x}, optimized)
    assert operator.encode() in optimized.read_bytes()
    net = nn.load_onnx(optimized)
    y = net(x)
    np.testing.assert_allclose(y.data, want, rtol=1e-5, atol=1e-6)
    (y * y).sum().backward()
    assert all(p.grad is not None for p in net.parameters())


A, B = (np.random.default_rng(i).standard_normal(s).astype("float32") for i, s in enumerate([(2, 3, 4), (4, 5)]))
ROW = np.linspace(-1, 1, 4, dtype="float32")
X4, W4 = (np.random.default_rng(0).standard_normal(s).astype("float32") for s in ((1, 2, 5, 5), (2, 2, 3, 3)))


@pytest.mark.parametrize(
    ("operator", "inputs", "attributes"),
    [
        ("FusedConv", (X4, W4, ROW[:2], np.ones((1, 2, 3, 3), "float32")), {"activation": "Relu"}),
        ("FusedConv", (X4, W4), {"activation": "Clip", "activation_params": [0.0, 0.5], "pads": [1, 1, 1, 1]}),
        ("FusedConv", (X4, W4), {"activation": "HardSigmoid", "activation_params": [0.1, 0.4]}),
        ("FusedGemm", (A[0], B), {"activation": "LeakyRelu", "activation_alpha": 0.3, "alpha": 0.5}),
        ("FusedMatMul", (A, A), {"transB": 1, "alpha": 0.5}),
        ("FusedMatMul", (A, A), {"transA": 1}),
        ("Gelu", (A,), {}),
        ("BiasGelu", (A, ROW), {}),
        ("FastGelu", (A,), {}),
        ("FastGelu", (A, ROW), {}),
        ("QuickGelu", (A,), {"alpha": 1.5}),
        ("SkipLayerNormalization", (A, A[::-1].copy(), ROW, ROW, ROW), {"epsilon": 1e-3}),
        ("SkipSimplifiedLayerNormalization", (A, A, ROW), {"epsilon": 1e-3}),
        ("Binarizer", (A[0],), {"threshold": 0.5}),
        ("Scaler", (A[0],), {"offset": [0.5, 1.0, 2.0, 3.0], "scale": [1.0, 2.0, 0.5, 4.0]}),
        ("Normalizer", (np.vstack([A[0], np.zeros((1, 4), "float32")]),), {"norm": "L1"}),
        ("Normalizer", (A[0],), {"norm": "L2"}),
        ("Normalizer", (np.abs(A[0]),), {"norm": "MAX"}),
    ],
)
def test_fused_operators_give_the_numbers_of_onnxruntime(operator, inputs, attributes, tmp_path):
    domain = "ai.onnx.ml" if operator in ("Binarizer", "Scaler", "Normalizer") else "com.microsoft"
    path = file_of(tmp_path, operator, inputs, attributes, domain)
    (want,) = run(str(path), {f"x{i}": x for i, x in enumerate(inputs)})
    got = nn.load_onnx(path)(*inputs)
    assert got.dtype == want.dtype
    np.testing.assert_allclose(got.data, want, rtol=1e-5, atol=1e-6)


Q, K, V = (np.random.default_rng(i).standard_normal((2, n, 4)).astype("float32") for i, n in enumerate((3, 5, 5)))
BIAS12 = np.linspace(-1, 1, 12, dtype="float32")
SEEN = np.array([[1, 1, 1, 1, 0], [1, 1, 0, 0, 0]], "int32")
IDS, KINDS = np.array([[3, 1, 0], [2, 2, 1]], "int32"), np.array([[0, 0, 1], [1, 0, 1]], "int32")
W12 = np.random.default_rng(3).standard_normal((4, 12)).astype("float32")


@pytest.mark.parametrize(
    ("operator", "inputs", "attributes"),
    [
        ("MultiHeadAttention", (Q, K, V), {"num_heads": 2}),
        ("MultiHeadAttention", (Q, K, V, BIAS12, SEEN), {"num_heads": 2, "scale": 0.3}),
        ("MultiHeadAttention", (Q, K, V, None, None, np.ones((1, 2, 3, 5), "float32")), {"num_heads": 2}),
        ("MultiHeadAttention", (K, K, V, BIAS12), {"num_heads": 1, "unidirectional": 1}),
        ("Attention", (K, W12, BIAS12), {"num_heads": 2}),
        ("Attention", (K, W12, BIAS12, SEEN), {"num_heads": 4}),
        ("Attention", (K, W12, BIAS12), {"num_heads": 2, "unidirectional": 1}),
        ("EmbedLayerNormalization", (IDS, KINDS, W12[:, :4], W12[:, 4:8], W12[:2, 8:], ROW, ROW), {"epsilon": 1e-5}),
        ("EmbedLayerNormalization", (IDS, None, W12[:, :4], W12[:, 4:8], None, ROW, ROW), {"epsilon": 1e-5}),
    ],
)
def test_fused_attention_gives_the_numbers_of_onnxruntime(operator, inputs, attributes, tmp_path):
    if operator == "MultiHeadAttention" and any(x is SEEN for x in inputs) and ort.__version__.startswith("1.20."):
        pytest.skip("onnxruntime 1.20 gives other numbers for this mask than its later versions")
    names = ["" if x is None else f"x{i}" for i, x in enumerate(inputs)]
    more = ["lengths"] if operator == "EmbedLayerNormalization" else []
    node = helper.make_node(operator, names, ["y", *more], domain="com.microsoft", **attributes)
    given = {name: np.ascontiguousarray(x) for name, x in zip(names, inputs, strict=True) if name}
    values = [value(n, x.shape, FLOAT if x.dtype.kind == "f" else TensorProto.INT32) for n, x in given.items()]
    path = saved(tmp_path, [node], values, [value("y", None)], domains=["com.microsoft"])
    (want,) = run(str(path), given)
    np.testing.assert_allclose(nn.load_onnx(path)(**given).data, want, rtol=1e-4, atol=1e-5)


def file_of(folder, operator, inputs, attributes, domain):
    names = [f"x{i}" for i in range(len(inputs))]
    node = helper.make_node(operator, names, ["y"], domain=domain, **attributes)
    values = [value(name, x.shape) for name, x in zip(names, inputs, strict=True)]
    return saved(folder, [node], values, [value("y", None)], domains=[domain])


def test_the_sum_is_the_fourth_output_of_a_skip(tmp_path):
    node = helper.make_node("SkipLayerNormalization", ["x", "s", "g"], ["y", "", "", "t"], domain="com.microsoft")
    values = [value("x", A.shape), value("s", A.shape), value("g", (4,))]
    path = saved(tmp_path, [node], values, [value("y", None), value("t", None)], domains=["com.microsoft"])
    y, total = nn.load_onnx(path)(A, A, ROW)
    assert (total.data == A + A).all()
    assert isinstance(y, ag.Tensor)


@pytest.mark.parametrize(
    ("operator", "inputs", "attributes", "sentence"),
    [
        ("FusedConv", (X4, W4), {"activation": "Swish"}, "its activation 'Swish' is not supported"),
        ("FusedMatMul", (A, A), {"transBatchA": 1}, "transBatchA and transBatchB are not supported"),
        ("Normalizer", (A[0],), {"norm": "L3"}, "norm = 'L3': choose 'MAX', 'L1' or 'L2'"),
    ],
)
def test_variants_that_are_refused(operator, inputs, attributes, sentence, tmp_path):
    domain = "ai.onnx.ml" if operator == "Normalizer" else "com.microsoft"
    with pytest.raises(DomainError, match=sentence):
        nn.load_onnx(file_of(tmp_path, operator, inputs, attributes, domain))(*inputs)
