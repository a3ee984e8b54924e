import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad import nn, viz
from glassgrad.autograd.errors import DomainError, DTypeError, ShapeError, SizeError

pytest.importorskip("onnx")
from tests import onnx_export
from tests.nn.saving.onnx.files import FLOAT, INT64, helper, linear, numpy_helper, saved, value

X = np.arange(8, dtype="float32").reshape(2, 4)


def test_parameters_have_the_names_of_the_file_and_gradients(tmp_path):
    model = nn.load_onnx(linear(tmp_path))
    assert [(n, p.name, p.shape) for n, p in model.named_parameters()] == [
        ("fc.weight", "fc.weight", (3, 4)), ("fc.bias", "fc.bias", (3,)),
    ]  # fmt: skip
    y = model(X)
    w, b = model.parameters()
    np.testing.assert_allclose(y.data, np.maximum(X @ w.data.T + b.data, 0), rtol=1e-6)
    y.sum().backward()
    np.testing.assert_allclose(w.grad.data, (y.data > 0).T.astype("float32") @ X, rtol=1e-6)


def test_inputs_and_outputs_have_the_names_of_the_file(tmp_path):
    model = nn.load_onnx(linear(tmp_path))
    assert model.inputs == (("x", "float32", ("batch", 4)),)
    assert model.outputs == ("y",)
    assert model(X).name == "y"


@pytest.mark.parametrize(
    ("args", "error", "sentence"),
    [
        ((), DomainError, r"inputs are x, in this order; it was given 0\."),
        ((X, X), DomainError, "given 2"),
        ((X[0],), ShapeError, r"'x' has the shape \(batch, 4\); it was given \(4,\)"),
        ((X[:, :3],), ShapeError, r"'x' has the shape \(batch, 4\); it was given \(2, 3\)"),
        ((X + 1j,), DTypeError, "'x' is float32; it was given complex64"),
        (("abc",), DTypeError, "'x': str of dtype <U3 holds no numbers"),
    ],
)
def test_wrong_inputs_are_refused_in_a_sentence(tmp_path, args, error, sentence):
    with pytest.raises(error, match=sentence):
        nn.load_onnx(linear(tmp_path))(*args)


def test_a_picture_shows_the_array_that_was_given_not_what_the_network_makes_of_it_first(tmp_path):
    nodes = [helper.make_node("Transpose", ["x"], ["t"]), helper.make_node("MatMul", ["w", "t"], ["y"])]
    weight = {"w": np.ones((3, 4), "float32")}
    model = nn.load_onnx(saved(tmp_path, nodes, [value("x", [2, 4])], [value("y", [3, 2])], weight))
    assert "(2, 4)" in viz.draw_modules(ag.sum(model(X))).source


def test_numbers_of_another_dtype_are_cast_to_the_declared_one(tmp_path):
    model = nn.load_onnx(linear(tmp_path))
    for given in (X.astype("float64"), X.astype("int64"), X.tolist(), ag.Tensor(X)):
        y = model(given)
        assert y.dtype == "float32"
        np.testing.assert_array_equal(y.data, model(X).data)


def test_a_compiled_import_gives_the_same_numbers(tmp_path):
    model = nn.load_onnx(linear(tmp_path))

    def step(x):
        loss = (model(x) ** 2).sum()
        model.zero_grad()
        loss.backward()
        return loss, [p.grad for p in model.parameters()]

    want, got = step(X), ag.compile(step)(X)
    for w, g in zip([want[0], *want[1]], [got[0], *got[1]], strict=True):
        np.testing.assert_array_equal(g.data, w.data)


def test_operations_carry_the_scope_of_the_nodes_name(tmp_path):
    graph = ag.Graph(nn.load_onnx(linear(tmp_path))(X))
    assert [node.scope for node in graph.nodes if node.op] == [
        (("", "ONNXModel"), ("fc", "fc")), (("", "ONNXModel"), ("relu", "relu")),
    ]  # fmt: skip


def shape_arithmetic(folder):
    """Flatten as exporters write it: Reshape to (first axis of x, -1), by Shape, Gather, Unsqueeze and Concat."""
    nodes = [
        helper.make_node("Shape", ["x"], ["s"]),
        helper.make_node("Gather", ["s", "zero"], ["n"], axis=0),
        helper.make_node("Unsqueeze", ["n", "axes"], ["n1"]),
        helper.make_node("Concat", ["n1", "rest"], ["to"], axis=0),
        helper.make_node("Reshape", ["x", "to"], ["flat"]),
        helper.make_node("Mul", ["flat", "scale"], ["y"]),
    ]
    constants = {"zero": np.int64(0), "axes": np.int64([0]), "rest": np.int64([-1]), "scale": np.float32([2.0])}
    return saved(folder, nodes, [value("x", ["n", 2, 3])], [value("y", ["n", 6])], constants)


def test_shape_arithmetic_vanishes_from_graph_and_program(tmp_path):
    model = nn.load_onnx(shape_arithmetic(tmp_path))
    x = ag.ones((4, 2, 3), dtype="float32")
    assert [node.op.name for node in ag.Graph(model(x)).nodes if node.op] == ["multiply"]  # the reshape has no gradient
    program = ag.trace(model, x)
    assert [i.op for i in program.instructions] == ["reshape", "multiply"]


def test_a_branch_on_a_known_value_is_decided(tmp_path):
    def branch(name, op):
        return helper.make_graph([helper.make_node(op, ["x", "w"], [name])], name, [], [value(name, [2])])

    nodes = [
        helper.make_node("Equal", ["rate", "rate_16k"], ["is_16k"]),
        helper.make_node("If", ["is_16k"], ["y"], then_branch=branch("a", "Mul"), else_branch=branch("b", "Add")),
    ]
    constants = {"rate_16k": np.int64(16000), "w": np.float32([3.0, 4.0])}
    inputs = [value("x", [2]), value("rate", [], INT64)]
    model = nn.load_onnx(saved(tmp_path, nodes, inputs, [value("y", [2])], constants))
    x = ag.Tensor([1.0, 2.0], dtype="float32")
    np.testing.assert_array_equal(model(x, 16000).data, [3.0, 8.0])
    np.testing.assert_array_equal(model(x, 8000).data, [4.0, 6.0])
    compiled = ag.compile(lambda x: model(x, 16000))
    np.testing.assert_array_equal(compiled(x).data, [3.0, 8.0])
    with pytest.raises(ag.errors.TraceError, match=r"If.*needs a value that is not known before the program runs"):
        ag.compile(model)(x, ag.Tensor(16000))


def test_weights_in_constant_nodes_become_parameters_and_small_constants_do_not(tmp_path):
    weight = numpy_helper.from_array(np.ones((4, 3), "float32"))
    nodes = [
        helper.make_node("Constant", [], ["w"], value=weight),
        helper.make_node("Constant", [], ["two"], value_float=2.0),
        helper.make_node("MatMul", ["x", "w"], ["z"]),
        helper.make_node("Pow", ["z", "two"], ["y"]),
    ]
    model = nn.load_onnx(saved(tmp_path, nodes, [value("x", [2, 4])], [value("y", [2, 3])]))
    assert [(n, p.shape) for n, p in model.named_parameters()] == [("w", (4, 3))]


def batch_norm(folder):
    r = np.random.default_rng(0)
    names = ["scale", "bias", "mean", "var"]
    node = helper.make_node("BatchNormalization", ["x", *names], ["y"], epsilon=1e-3)
    constants = {n: r.uniform(0.5, 1.5, 3).astype("float32") for n in names}
    return saved(folder, [node], [value("x", [2, 3, 4])], [value("y", [2, 3, 4])], constants)


def test_batch_normalization_has_gradients_and_statistics_that_are_buffers(tmp_path):
    model = nn.load_onnx(batch_norm(tmp_path))
    assert [n for n, _ in model.named_parameters()] == ["scale", "bias"]
    assert [n for n, _ in model.named_buffers()] == ["mean", "var"]
    x = np.random.default_rng(1).standard_normal((2, 3, 4)).astype("float32")
    reference = nn.BatchNorm1d(3, eps=1e-3).eval()
    state = model.state_dict()
    reference.load_state_dict(
        {"weight": state["scale"], "bias": state["bias"], "running_mean": state["mean"], "running_var": state["var"]}
    )
    y, want = model(x), reference(x)
    np.testing.assert_allclose(y.data, want.data, rtol=1e-6)
    (y * y).sum().backward()
    (want * want).sum().backward()
    for p, q in zip(model.parameters(), reference.parameters(), strict=True):
        np.testing.assert_allclose(p.grad.data, q.grad.data, rtol=1e-5)


def test_names_that_a_module_needs_itself_get_an_underscore(tmp_path):
    node = helper.make_node("Mul", ["x", "forward"], ["y"])
    path = saved(tmp_path, [node], [value("x", [2])], [value("y", [2])], {"forward": np.float32([2, 3])})
    model = nn.load_onnx(path)
    assert [n for n, _ in model.named_parameters()] == ["forward_"]
    np.testing.assert_array_equal(model([1, 1]).data, [2, 3])


@pytest.mark.parametrize(
    "name", ["MLP", "LeNet5", "LSTM", "GRU", "TransformerEncoderLayer", "BatchNorm2d", "Embedding"]
)
def test_an_import_runs_on_a_gpu(name, tmp_path, gpu):
    make, *inputs = onnx_export.LAYERS[name]
    model = make().eval()
    nn.save_onnx(model, tmp_path / "model.onnx", *inputs)
    loaded = nn.load_onnx(tmp_path / "model.onnx").to("cuda")
    found, wanted = (onnx_export.flat(values) for values in (
        loaded(*(ag.Tensor(x).to("cuda") for x in inputs)), model(*inputs),
    ))  # fmt: skip
    for got, want in zip(found, wanted, strict=True):
        assert got.device == "cuda:0"
        np.testing.assert_allclose(got.to("cpu").data, want.data, atol=1e-6)
    sum((y * y).sum() for y in found).backward()
    assert all(p.grad.device == "cuda:0" for p in loaded.parameters())


@pytest.mark.parametrize("operator", ["NegativeLogLikelihoodLoss", "SoftmaxCrossEntropyLoss"])
@pytest.mark.parametrize("label", [-1, 4])
def test_labels_that_are_not_classes_are_refused(operator, label, tmp_path):
    node = helper.make_node(operator, ["x", "labels"], ["y"], ignore_index=-100)
    inputs = [value("x", (2, 4)), value("labels", (2,), INT64)]
    loss = nn.load_onnx(saved(tmp_path, [node], inputs, [value("y", ())]))
    assert loss(X, np.array([-100, 3])).data == loss(X[1:].repeat(2, axis=0), np.array([3, 3])).data
    with pytest.raises(DomainError, match=r"labels? .*4 classes"):
        loss(X, np.array([0, label]))


def test_several_outputs_are_a_tuple_and_unused_nodes_are_dropped(tmp_path):
    nodes = [
        helper.make_node("Split", ["x"], ["a", "b"], axis=0, num_outputs=2),
        helper.make_node("Exp", ["a"], ["unused"]),
    ]
    model = nn.load_onnx(saved(tmp_path, nodes, [value("x", [4])], [value("a", [2]), value("b", [2])]))
    a, b = model([1.0, 2.0, 3.0, 4.0])
    assert (a.tolist(), b.tolist()) == ([1.0, 2.0], [3.0, 4.0])


def test_loops_with_a_known_count_run(tmp_path):
    body = helper.make_graph(
        [
            helper.make_node("Mul", ["state", "w"], ["next"]),
            helper.make_node("Identity", ["going"], ["still"]),
            helper.make_node("Identity", ["next"], ["seen"]),
        ],
        "body",
        [value("i", [], INT64), value("going", [], 9), value("state", [1])],
        [value("still", [], 9), value("next", [1]), value("seen", [1])],
    )
    node = helper.make_node("Loop", ["count", "", "x"], ["last", "all"], body=body)
    constants = {"count": np.int64(3), "w": np.float32([2.0])}
    outputs = [value("last", [1]), value("all", [3, 1])]
    model = nn.load_onnx(saved(tmp_path, [node], [value("x", [1])], outputs, constants))
    last, seen = model([1.0])
    assert (last.tolist(), seen.tolist()) == ([8.0], [[2.0], [4.0], [8.0]])
    last.sum().backward()
    assert next(model.parameters()).grad.tolist() == [12.0]  # 3 w²


@pytest.mark.parametrize("ways", [{"scan_input_directions": [1]}, {"scan_output_directions": [1]}])
def test_a_scan_of_two_directions_is_refused(ways, tmp_path):
    """One direction was taken for that of the inputs and the outputs."""
    s, v, t = (value(name, [1]) for name in "svt")
    body = helper.make_graph([helper.make_node("Add", ["s", "v"], ["t"])], "body", [s, v], [t, v])
    node = helper.make_node("Scan", ["zero", "x"], ["", "y"], body=body, num_scan_inputs=1, **ways)
    net = nn.load_onnx(saved(tmp_path, [node], [value("x", [2, 1])], [value("y", [2, 1])], {"zero": np.zeros(1, "f4")}))
    with pytest.raises(DomainError, match="some values forward and over others backward"):
        net([[1.0], [2.0]])


def test_functions_in_the_file_are_inlined(tmp_path):
    square = helper.make_function(
        "own", "Square", ["a"], ["b"], [helper.make_node("Mul", ["a", "a"], ["b"])], [helper.make_opsetid("", 21)]
    )
    node = helper.make_node("Square", ["x"], ["y"], domain="own")
    path = saved(tmp_path, [node], [value("x", [2])], [value("y", [2])], functions=[square], domains=["own"])
    assert nn.load_onnx(path)([2.0, 3.0]).tolist() == [4.0, 9.0]


def test_bfloat16_weights_are_widened(tmp_path):
    weight = helper.make_tensor("w", 16, [2], [1.5, -2.0])
    nodes = [helper.make_node("Cast", ["w"], ["w32"], to=FLOAT), helper.make_node("Mul", ["x", "w32"], ["y"])]
    model = nn.load_onnx(saved(tmp_path, nodes, [value("x", [2])], [value("y", [2])], {"w": weight}))
    assert model([2.0, 2.0]).tolist() == [3.0, -4.0]
    assert next(model.parameters()).dtype == "float32"


def test_weights_may_lie_in_a_file_beside_the_model(tmp_path):
    path = linear(tmp_path)
    want = nn.load_onnx(path)(X).data
    import onnx

    model = onnx.load(path)
    for tensor in model.graph.initializer:
        tensor.raw_data = numpy_helper.to_array(tensor).tobytes()
    onnx.save(model, path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    assert (tmp_path / "weights.bin").exists()
    np.testing.assert_array_equal(nn.load_onnx(path)(X).data, want)


def test_the_missing_package_is_said_with_its_command(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "onnx", None)
    with pytest.raises(ag.errors.DependencyError, match=r"pip install \"glassgrad\[onnx\]\""):
        nn.load_onnx(linear(tmp_path))


@pytest.mark.parametrize(
    ("node", "want"),
    [
        (helper.make_node("Unique", ["x"], ["y"]), [1.0, 3.0]),
        (helper.make_node("ScatterElements", ["x", "at", "more"], ["y"], reduction="max"), [3.0, 2.0, 3.0]),
    ],
)
def test_operators_and_attributes_without_a_derivative_say_so(node, want, tmp_path):
    constants = {"at": np.int64([1, 2]), "more": np.float32([2.0, 0.0])}
    net = nn.load_onnx(saved(tmp_path, [node], [value("x", (3,))], [value("y", None)], constants))
    x = ag.Tensor([3.0, 1.0, 3.0], dtype="float32", requires_grad=True)
    with pytest.raises(
        DomainError, match=rf"{node.op_type} .* has no derivative here: call the network under autograd"
    ):
        net(x)
    with ag.no_grad():
        assert net(x).tolist() == want


@pytest.mark.parametrize("first", ["SequenceConstruct", "SplitToSequence"])
def test_a_gradient_through_a_sequence_is_refused(first, tmp_path):
    """It was missing without a word."""
    nodes = [helper.make_node(first, ["x"], ["s"]), helper.make_node("SequenceAt", ["s", "at"], ["y"])]
    net = nn.load_onnx(saved(tmp_path, nodes, [value("x", (1, 3))], [value("y", (1, 3))], {"at": np.int64(0)}))
    with pytest.raises(DomainError, match=rf"{first} .* has no derivative here: call the network under autograd"):
        net(ag.Tensor([[3.0, 1.0, 3.0]], dtype="float32", requires_grad=True))
    assert net(np.float32([[3.0, 1.0, 3.0]])).tolist() == [[3.0, 1.0, 3.0]]


@pytest.mark.parametrize("direction", ["forward", "bidirectional"])
@pytest.mark.parametrize("name", ["Tanh", "Relu"])
def test_activations_of_recurrent_operators_are_those_of_pytorch(name, direction, tmp_path):
    ways = 1 + (direction == "bidirectional")
    node = helper.make_node(
        "RNN", ["x", "w", "r"], ["", "y"], hidden_size=1, activations=[name] * ways, direction=direction
    )
    weights = {key: np.full((ways, 1, 1), 0.5, "float32") for key in "wr"}
    net = nn.load_onnx(saved(tmp_path, [node], [value("x", (1, 1, 1))], [value("y", None)], weights))
    want = np.tanh(0.5) if name == "Tanh" else 0.5
    np.testing.assert_allclose(net(np.ones((1, 1, 1), "float32")).data, np.full((ways, 1, 1), want), rtol=1e-6)


def test_an_lstm_may_say_that_its_gates_are_not_coupled_as_pytorch_does(tmp_path):
    node = helper.make_node("LSTM", ["x", "w", "w"], ["", "y"], hidden_size=1, input_forget=0)
    weights = {"w": np.zeros((1, 4, 1), "float32")}
    net = nn.load_onnx(saved(tmp_path, [node], [value("x", (1, 1, 1))], [value("y", None)], weights))
    assert net(np.ones((1, 1, 1), "float32")).tolist() == [[[0.0]]]


@pytest.mark.parametrize(
    ("places", "rounding", "want"),
    [
        ({}, "floor", [0, 0, 1, 2]), ({}, "ceil", [0, 1, 2, 2]), ({}, "round_prefer_ceil", [0, 1, 1, 2]),
        ({"coordinate_transformation_mode": "tf_half_pixel_for_nn"}, "floor", [0, 1, 1, 2]),
    ],
)  # fmt: skip
def test_resize_to_the_nearest_has_a_gradient(places, rounding, want, tmp_path):
    node = helper.make_node("Resize", ["x", "roi", "scales"], ["y"], nearest_mode=rounding, **places)
    given = {"roi": np.float32([]), "scales": np.float32([4 / 3])}
    net = nn.load_onnx(saved(tmp_path, [node], [value("x", (3,))], [value("y", None)], given, opset=11))
    x = ag.Tensor([0.0, 1.0, 2.0], dtype="float32", requires_grad=True)
    y = net(x)
    y.sum().backward()
    assert (y.tolist(), x.grad.tolist()) == (want, [want.count(i) for i in range(3)])


def test_results_without_a_name_are_not_computed(tmp_path):
    node = helper.make_node("LayerNormalization", ["x", "w"], ["y", "", ""])
    path = saved(tmp_path, [node], [value("x", (2, 4))], [value("y", (2, 4))], {"w": np.ones(4, "float32")})
    assert nn.load_onnx(path)(X).requires_grad


def test_sizes_of_operators_that_the_package_computes_are_bounded(tmp_path):
    node = helper.make_node("MelWeightMatrix", ["bins", "n", "rate", "low", "high"], ["y"])
    given = {"n": np.int64(16), "rate": np.int64(8192), "low": np.float32(0), "high": np.float32(4096)}
    net = nn.load_onnx(saved(tmp_path, [node], [value("bins", (), INT64)], [value("y", None)], given))
    assert net(8).shape == (9, 8)
    with pytest.raises(SizeError, match="the limit for a size that a file chooses"):
        net(2**40)
