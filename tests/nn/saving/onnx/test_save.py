from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings

from glassgrad import autograd as ag
from glassgrad import nn
from glassgrad.autograd.errors import TraceError
from glassgrad.nn.errors import ConversionError
from tests.operations import TABLE

onnx = pytest.importorskip("onnx")
ort = pytest.importorskip("onnxruntime")
from tests import onnx_export as export  # noqa: E402
from tests.sampling import sampled  # noqa: E402

F = nn.functional
X = export.noise(2, 4)


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "model.onnx")


# ---------------------------------------------------------------------------------------------- layers and operations


@pytest.mark.parametrize("name", export.LAYERS)
def test_layers_compute_the_same_in_onnxruntime(name, path):
    make, *inputs = export.LAYERS[name]
    export.check_forward(make().eval(), inputs, path)


@pytest.mark.parametrize(
    ("names", "node"),
    [
        ("Linear", "Gemm"), ("Conv1d Conv2d Conv3d", "Conv"), ("LayerNorm", "LayerNormalization"), ("GELU", "Gelu"),
        ("BatchNorm1d BatchNorm2d", "BatchNormalization"), ("MaxPool1d MaxPool2d", "MaxPool"),
    ],
)  # fmt: skip
def test_a_layer_is_one_node_where_onnx_has_one(names, node, path):
    for name in names.split():
        make, *inputs = export.LAYERS[name]
        nn.save_onnx(make().eval(), path, *inputs)
        assert export.nodes(path) == {node: 1}


def test_the_page_lists_the_refused_operations():
    page = (Path(__file__).parents[4] / "docs/onnx.md").read_text()
    assert all(f"`{name}`" in page for name in export.REFUSED)


@pytest.mark.parametrize("name", sampled(export.MODELS, 4))
def test_models_compute_the_same_in_onnxruntime(name, path):
    make, *inputs = export.MODELS[name]
    export.check_network(make().eval(), inputs, path)


@pytest.mark.parametrize("name", sampled([*export.LAYERS, *export.MODELS], 4))
def test_in_float64_they_compute_the_same_to_1e_11(name, path):
    make, *inputs = (export.LAYERS | export.MODELS)[name]
    wide = [x.astype("float64") if x.dtype.kind == "f" else x for x in inputs]
    try:
        export.check_forward(make().eval().to("float64"), wide, path, 1e-11)
    except ort.capi.onnxruntime_pybind11_state.NotImplemented:  # in float64, by onnxruntime
        missing = {"AveragePool", "Conv", "ConvTranspose", "Gelu", "LeakyRelu", "Softplus"}
        assert {*export.nodes(path)} & missing or name == "SiLU"  # which old ones make one node of


def test_every_layer_is_tested():
    kinds = [kind for kind in vars(nn).values() if isinstance(kind, type) and issubclass(kind, nn.Module)]
    made = {kind.__name__ for kind in kinds if kind.__module__.startswith("glassgrad.nn.modules")} - {"Module"}
    assert made <= {*export.LAYERS, *export.CONTAINERS, *export.LOSSES}


@pytest.mark.parametrize("name", export.LOSSES)
def test_losses_compute_the_same_in_onnxruntime(name, path):
    make, *inputs = export.LOSSES[name]
    export.check_forward(make(), inputs, path)


def as_float32(x):
    x = np.asarray(x)
    return x.astype("float32") if x.dtype.kind == "f" else x


@pytest.mark.parametrize("name", sampled(sorted(TABLE), 3))
def test_every_operation_is_written_or_refused_in_a_sentence(name, path):
    operation, written = ag.OPS[name], []

    @settings(
        max_examples=3,
        database=None,
        derandomize=True,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=[*HealthCheck],
    )
    @given(TABLE[name].cases)
    def check(case):
        drawn, params = case
        arrays = [None if x is None else as_float32(x) for x in drawn]
        given = [x for x in arrays if x is not None]

        def function(*values):
            left = iter(values)
            return operation(*(None if x is None else next(left) for x in arrays), **params)

        if any(0 in x.shape for x in given):
            return
        want = np.asarray(function(*given).data)
        try:
            nn.save_onnx(function, path, *given)
        except (ConversionError, TraceError):
            written.append(False)
            return
        (got,) = export.run(path, *given).values()
        assert got.shape == want.shape
        assert got.dtype == want.dtype
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)
        written.append(True)

    check()
    if name in export.REFUSED:
        assert not any(written)
    elif written and not any(written):
        pytest.skip(f"{name} has no counterpart in ONNX: say why in REFUSED of tests/onnx_export.py")


# --------------------------------------------------------------------------------------------------- names and shapes


def test_parameters_inputs_and_nodes_have_their_names_in_an_opset_that_onnxruntime_runs(path):
    model = nn.Sequential(nn.Linear(4, 3, seed=0), nn.Tanh())
    nn.save_onnx(model, path, X, input_names=["features"], output_names=["scores"])
    written = onnx.load(path)
    assert (written.ir_version, written.opset_import[0].version, written.producer_name) == (10, 21, "glassgrad")
    graph = written.graph
    assert [i.name for i in graph.input] == ["features"]
    assert [o.name for o in graph.output] == ["scores"]
    assert [t.name for t in graph.initializer] == ["0.weight", "0.bias"]
    assert [(n.op_type, n.name) for n in graph.node] == [("Gemm", "/0/Gemm"), ("Tanh", "/1/Tanh")]


def test_names_that_are_taken_get_a_number(path):
    output = ag.Tensor(2.0, dtype="float32", name="output")
    nn.save_onnx(lambda x: x * output, path, X)
    assert [*export.run(path, X)] == ["output_1"]


@pytest.mark.parametrize("name", ["MLP", "LeNet5", "LSTM", "TransformerEncoderLayer", "BatchNorm2d"])
def test_a_saved_model_loads_with_equal_names_values_and_gradients(name, path):
    make, *inputs = export.LAYERS[name]
    model = make().eval()
    nn.save_onnx(model, path, *inputs)
    loaded = nn.load_onnx(path)
    shapes = {n: p.shape for n, p in model.named_parameters()}
    assert {n: p.shape for n, p in loaded.named_parameters()} == shapes
    found, wanted = (export.flat(m(*inputs)) for m in (loaded, model))
    for got, want in zip(found, wanted, strict=True):
        np.testing.assert_allclose(got.data, want.data, atol=1e-6)
    for outputs in (found, wanted):
        sum((y * y).sum() for y in outputs).backward()
    gradients = {n: p.grad for n, p in loaded.named_parameters()}
    for n, p in model.named_parameters():
        np.testing.assert_allclose(gradients[n].data, p.grad.data, atol=2e-5)


def test_a_recurrent_layer_stays_one_loop_on_its_way_out_and_in(path):
    model, x = nn.LSTM(4, 3, seed=0), export.noise(20, 2, 4)
    nn.save_onnx(model, path, x)
    assert export.nodes(path)["Scan"] == 1
    operations = [node.op.name for node in ag.Graph(nn.load_onnx(path)(x)[0]).nodes if node.op]
    assert operations.count("scan_packed") == 1
    assert len(operations) < 12


@pytest.mark.parametrize(
    "name", ["MLP", "TransformerEncoderLayer", "GRU", "Conv2d", "BatchNorm2d", "Embedding", "Flatten"]
)
def test_any_number_of_examples(name, path):
    make, example = export.LAYERS[name]
    model = make().eval()
    nn.save_onnx(model, path, example, dynamic_batch=True)
    assert onnx.load(path).graph.input[0].type.tensor_type.shape.dim[0].dim_param == "batch"
    for n in (1, 5):
        x = np.concatenate([example[:1]] * n)
        for got, want in zip(export.run(path, x).values(), export.flat(model(x)), strict=False):
            assert got.shape == want.shape
            np.testing.assert_allclose(got, want.data, atol=1e-6)


# ------------------------------------------------------------------------------------------------------------ refused


def counts():
    calls = []

    def counted(x):
        calls.append(1)
        return x * len(calls)

    return counted


RNG = np.random.default_rng(0)


def drops(x):
    return F.dropout(x, 0.5, generator=RNG)


def learns(path):
    model = nn.Linear(4, 3, seed=0)

    def step(x):
        loss = model(x).sum()
        loss.backward()
        return loss

    nn.save_onnx(step, path, X)


@pytest.mark.parametrize(
    ("save", "sentence"),
    [
        (lambda p: nn.save_onnx(drops, p, X), r"drops can't be written as ONNX: it draws random numbers"),
        (lambda p: nn.save_onnx(counts(), p, X), "counted .* it changes calls at each call"),
        (learns, r"it changes .* gradients, as .* training steps do, .* call model\.eval\(\)"),
        (lambda p: nn.save_onnx(nn.BatchNorm1d(4), p, X), "it changes buffers, parameters"),
        (lambda p: nn.save_onnx(lambda x: x[[0, 2], 1:], p, export.noise(3, 3, 4)), "the index .* no counterpart"),
    ],
)
def test_an_export_that_fails_raises_and_leaves_no_file(path, tmp_path, save, sentence):
    with pytest.raises(ConversionError, match=sentence):
        save(path)
    assert not [*tmp_path.iterdir()]
