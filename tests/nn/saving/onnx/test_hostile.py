"""Files that are damaged, or made to do harm: a sentence each, and bounded memory."""

import random

import numpy as np
import pytest

from glassgrad import nn
from glassgrad.autograd.errors import AutogradError, DomainError, SizeError
from glassgrad.nn.errors import FileError
from tests.measured import memory_below

pytest.importorskip("onnx")
from tests.nn.saving.onnx.files import FLOAT, INT64, helper, linear, onnx, saved, value

X, Y = [value("x", [2])], [value("y", [2])]


def refused(path, sentence):
    """The file is refused with this sentence, and not much memory is taken."""
    with memory_below(2**26), pytest.raises(FileError, match=sentence):
        nn.load_onnx(path)


@pytest.mark.parametrize("content", [b"", b"ONNX", b"\x08\x0a" * 50, bytes(range(256)), b"\xff" * 1000, b"PK\x03\x04"])
def test_other_files(tmp_path, content):
    path = tmp_path / "a.onnx"
    path.write_bytes(content)
    refused(path, "not an ONNX file, or is damaged")
    with pytest.raises(OSError, match="device or a pipe"):
        nn.load_onnx("/dev/zero")


def test_all_unknown_operators_are_listed_at_once(tmp_path):
    nodes = [
        helper.make_node("Multinomial", ["x"], ["a"]),
        helper.make_node("Fancy", ["a"], ["b"], domain="com.me"),
        helper.make_node("Fancy", ["b"], ["c"], domain="com.me"),
        helper.make_node("Relu", ["c"], ["y"]),
    ]
    path = saved(tmp_path, nodes, X, Y, domains=["com.me"])
    refused(path, r"not supported: com.me::Fancy \(2 nodes\), Multinomial\. docs/onnx.md")


@pytest.mark.parametrize("opset", [0, 29, 10**9])
def test_unknown_opsets(tmp_path, opset):
    refused(
        saved(tmp_path, [helper.make_node("Relu", ["x"], ["y"])], X, Y, opset=opset), "opsets 1 to 28 are supported"
    )


@pytest.mark.parametrize(
    ("nodes", "sentence"),
    [
        ([("Relu", ["z"], ["y"], {})], "topologically sorted, however input 'z' of node: name: OpType: Relu is"),
        ([("Relu", ["y"], ["y"], {})], "topologically sorted, however input 'y'"),
        ([("Relu", ["x"], ["x"], {})], "'x' has been used as output names multiple times"),
        ([("Relu", ["x"], ["z"], {})], "Graph output 'y' is not an output of any node"),
        ([("Relu", ["x", "x"], ["y"], {})], r"Relu:14. has input size 2 not in range \[min=1, max=1\]"),
        ([("Add", ["x"], ["y"], {})], r"Add:14. has input size 1 not in range \[min=2, max=2\]"),
        ([("Relu", ["x"], ["y"], {"alpha": 1.0})], "its attribute 'alpha' is not supported"),
        ([("Cast", ["x"], ["y"], {"to": 8})], "attribute 'to' has the dtype STRING, which is not supported"),
        ([("Cast", ["x"], ["y"], {"to": 17})], "dtype FLOAT8E4M3FN, which is not supported"),
    ],
)
def test_graphs_that_make_no_sense(tmp_path, nodes, sentence):
    made = [helper.make_node(op, inputs, outputs, **attributes) for op, inputs, outputs, attributes in nodes]
    refused(saved(tmp_path, made, X, Y), sentence)


def test_dtypes_that_are_not_supported(tmp_path):
    strings = helper.make_tensor("s", onnx.TensorProto.STRING, [1], [b"a"])
    node = helper.make_node("Identity", ["s"], ["y"])
    refused(saved(tmp_path, [node], X, [value("y", [1], 8)], {"s": strings}), "initializer 's' has the dtype STRING")
    refused(saved(tmp_path, [node], [value("s", [1], 8)], [value("y", [1], 8)]), "input 's' has the dtype STRING")


def weight(dims, raw):
    tensor = onnx.TensorProto(name="w", data_type=FLOAT, dims=dims)
    tensor.raw_data = raw
    return tensor


@pytest.mark.parametrize("dims", [[2**40], [2**62, 2**62], [-1], [-5, -5], [3], [2**31, 0, 4]])
def test_initializers_with_a_wrong_shape_are_refused(tmp_path, dims):
    node = helper.make_node("Mul", ["x", "w"], ["y"])
    refused(saved(tmp_path, [node], X, Y, {"w": weight(dims, b"\0" * 8)}), "the initializer 'w' ")


CREATE = {
    "ConstantOfShape": ([2**20, 2**20], lambda: helper.make_node("ConstantOfShape", ["n"], ["big"])),
    "Expand": ([2**40], lambda: helper.make_node("Expand", ["one", "n"], ["big"])),
    "Tile": ([2**40], lambda: helper.make_node("Tile", ["one", "n"], ["big"])),
    "Pad": ([2**40, 0], lambda: helper.make_node("Pad", ["one", "n"], ["big"])),
    "Range": (2**40, lambda: helper.make_node("Range", ["zero", "n", "step"], ["big"])),
    "Resize": ([2**40], lambda: helper.make_node("Resize", ["one", "", "", "n"], ["big"])),
}


@pytest.mark.parametrize("name", CREATE)
@pytest.mark.parametrize("is_constant", [True, False])
def test_sizes_that_a_file_chooses_are_bounded(tmp_path, name, is_constant):
    size, node = CREATE[name]
    size = np.int64(size)
    constants = {"one": np.float32([1]), "zero": np.int64(0), "step": np.int64(1)}
    nodes = [node(), helper.make_node("Size", ["big"], ["y"])]
    inputs = [] if is_constant else [value("n", size.shape, INT64)]
    constants |= {"n": size} if is_constant else {}
    path = saved(tmp_path, nodes, inputs, [value("y", [], INT64)], constants)
    if is_constant:
        limit = 1 if name == "ConstantOfShape" else 0.0312
        refused(path, rf"{name} .node 0., given .*the limit for a size that a file chooses is {limit} GiB")
    else:
        with pytest.raises(SizeError, match=rf"{name} .node 0., given .*the limit"):
            nn.load_onnx(path)(size)


def test_products_that_explode_are_bounded(tmp_path):
    nodes = [helper.make_node("Mul", ["a", "b"], ["y"])]
    path = saved(tmp_path, nodes, [value("a", ["n", 1]), value("b", [1, "n"])], [value("y", ["n", "n"])])
    with pytest.raises(SizeError, match="Mul"):
        nn.load_onnx(path)(np.ones((2**17, 1), "float32"), np.ones((1, 2**17), "float32"))


def test_large_inputs_may_have_large_results(tmp_path, monkeypatch):
    monkeypatch.setattr("glassgrad.nn.saving.onnx.model.LIMIT", 2**10)
    nodes = [helper.make_node("Tile", ["x", "n"], ["y"])]
    path = saved(tmp_path, nodes, [value("x", ["n"]), value("n", [1], INT64)], [value("y", ["m"])])
    assert nn.load_onnx(path)(np.ones(100, "float32"), np.int64([60])).shape == (6000,)
    with pytest.raises(SizeError, match="Tile"):
        nn.load_onnx(path)(np.ones(100, "float32"), np.int64([70]))


def test_more_outputs_than_a_node_has(tmp_path):
    node = helper.make_node("Split", ["x"], ["y"], num_outputs=10**9)
    with pytest.raises(ValueError, match="num_outputs=1000000000"):
        nn.load_onnx(saved(tmp_path, [node], X, Y))([1.0, 2.0])


def test_constants_that_double_are_bounded(tmp_path):
    nodes = [helper.make_node("Concat", [f"c{i}", f"c{i}"], [f"c{i + 1}"], axis=0) for i in range(60)]
    nodes += [helper.make_node("Slice", ["c60", "zero", "two"], ["d"]), helper.make_node("Add", ["x", "d"], ["y"])]
    constants = {"c0": np.zeros(2**10, "int32"), "zero": np.int64([0]), "two": np.int64([2])}
    refused(saved(tmp_path, nodes, [value("x", [2], 6)], [value("y", [2], 6)], constants), "limit")


def test_loops_without_end_are_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr("glassgrad.nn.saving.onnx.operators.control.STEPS", 1000)
    body = helper.make_graph(
        [helper.make_node("Identity", ["c"], ["d"]), helper.make_node("Identity", ["s"], ["t"])], "body",
        [value("i", [], INT64), value("c", [], 9), value("s", [2])], [value("d", [], 9), value("t", [2])],
    )  # fmt: skip
    node = helper.make_node("Loop", ["", "", "x"], ["y"], body=body)
    with pytest.raises(DomainError, match=r"Loop .node 0., given .*more than 1,000 times"):
        nn.load_onnx(saved(tmp_path, [node], X, Y))([1.0, 2.0])


def test_functions_that_call_each_other_or_themselves(tmp_path):
    def function(name, *calls):
        names = ["a", *(f"v{i}" for i in range(len(calls) - 1)), "b"]
        nodes = [
            helper.make_node(call, [names[i]], [names[i + 1]], domain="" if call == "Relu" else "own")
            for i, call in enumerate(calls)
        ]
        return helper.make_function(
            "own", name, ["a"], ["b"], nodes, [helper.make_opsetid("", 21), helper.make_opsetid("own", 1)]
        )

    def path(call, *functions):
        node = helper.make_node(call, ["x"], ["y"], domain="own")
        return saved(tmp_path, [node], X, Y, functions=functions, domains=["own"])

    refused(path("F", function("F", "G"), function("G", "F")), "calls itself")
    doubling = [function("F0", "Relu", "Relu"), *(function(f"F{i}", f"F{i - 1}", f"F{i - 1}") for i in range(1, 40))]
    refused(path("F39", *doubling), "more than 200,000 nodes, the limit")


@pytest.mark.parametrize(
    "entries",
    [
        {"location": "../secret.bin"},
        {"location": "a/../../secret.bin"},
        {"location": "/etc/passwd"},
        {"location": "link.bin"},
        {"location": ""},
        {"location": "missing.bin"},
        {"location": "data.bin", "offset": "4"},
        {"location": "data.bin", "offset": "-4"},
        {"location": "data.bin", "length": "4"},
        {"location": "data.bin", "offset": "x"},
    ],
)
def test_external_data_stays_in_the_folder(tmp_path, entries):
    folder = tmp_path / "inside"
    folder.mkdir()
    (tmp_path / "secret.bin").write_bytes(b"\0" * 8)
    (folder / "data.bin").write_bytes(b"\0" * 8)
    (folder / "link.bin").symlink_to(tmp_path / "secret.bin")
    tensor = onnx.TensorProto(name="w", data_type=FLOAT, dims=[2], data_location=onnx.TensorProto.EXTERNAL)
    for key, text in entries.items():
        tensor.external_data.add(key=key, value=text)
    refused(
        saved(folder, [helper.make_node("Mul", ["x", "w"], ["y"])], X, Y, {"w": tensor}),
        "the initializer 'w' (can't be read|lies in)",
    )


def test_many_weights_in_one_place_of_another_file(tmp_path):
    (tmp_path / "data.bin").write_bytes(b"\0" * 8)
    tensors, nodes = {}, []
    for i in range(20):
        tensor = onnx.TensorProto(name=f"w{i}", data_type=FLOAT, dims=[2], data_location=onnx.TensorProto.EXTERNAL)
        tensor.external_data.add(key="location", value="data.bin")
        tensors[f"w{i}"] = tensor
        nodes.append(helper.make_node("Mul", [f"v{i}" if i else "x", f"w{i}"], [f"v{i + 1}" if i < 19 else "y"]))
    refused(saved(tmp_path, nodes, X, Y, tensors), "needs more bytes of 'data.bin' than earlier tensors left")


@pytest.mark.parametrize("fill", [0.0, 2.0])
def test_many_large_constants_of_a_small_file(fill, tmp_path):
    """All together took 3.6 GB, and later 1 GB and 19 s."""
    filled = helper.make_tensor("fill", FLOAT, [1], [fill])
    nodes = [helper.make_node("ConstantOfShape", ["n"], [f"c{i}"], value=filled) for i in range(40)]
    nodes += [helper.make_node("Sum", ["x", *(f"c{i}" for i in range(40))], ["y"])]
    path = saved(tmp_path, nodes, X, Y, {"n": np.array([2**27], "int64")})
    refused(path, r"and 0\.5 GiB; the limit for a size that a file chooses is 0")


def test_a_large_constant_of_one_number_takes_no_memory(tmp_path):
    """It was a parameter of 1 GiB, and took 8 s."""
    node = helper.make_node("ConstantOfShape", ["n"], ["c"], value=helper.make_tensor("fill", FLOAT, [1], [2.0]))
    path = saved(tmp_path, [node, helper.make_node("Mul", ["x", "c"], ["y"])], X, Y, {"n": np.array([2**28], "int64")})
    with memory_below(2**24):
        assert not [*nn.load_onnx(path).parameters()]


def test_a_sequence_of_many_parts(tmp_path):
    nodes = [helper.make_node("SplitToSequence", ["c"], ["s"]), helper.make_node("SequenceLength", ["s"], ["y"])]
    constant = helper.make_node("ConstantOfShape", ["n"], ["c"])
    path = saved(tmp_path, [constant, *nodes], X, [value("y", [], INT64)], {"n": np.array([2**22], "int64")})
    with pytest.raises(SizeError, match=r"SplitToSequence .* axis of more than 100,000 entries"):
        nn.load_onnx(path)([1.0, 2.0])


def test_a_resize_of_many_elements_to_one(tmp_path):
    """It took a minute: a step of Python for each element."""
    node = helper.make_node("Resize", ["c", "", "", "one"], ["y"], mode="linear", antialias=1)
    constants = {"n": np.array([2**18], "int64"), "one": np.int64([1])}
    path = saved(tmp_path, [helper.make_node("ConstantOfShape", ["n"], ["c"]), node], X, [value("y", [1])], constants)
    refused(path, "antialias is for factors of at least 1/100,000, not 3.8")


def test_attributes_of_another_kind(tmp_path):
    for op, attributes in (("ConstantOfShape", {"value": 1}), ("Softmax", {"axis": "a"}), ("Transpose", {"perm": 1.5})):
        node = helper.make_node(op, ["x"], ["y"], **attributes)
        with pytest.raises(AutogradError, match=op):
            nn.load_onnx(saved(tmp_path, [node], X, Y))([1.0, 2.0])


def test_names_reach_the_terminal_without_control_characters(tmp_path):
    node = helper.make_node("\x1b[2J", ["x"], ["y"])
    with pytest.raises(FileError) as error:
        nn.load_onnx(saved(tmp_path, [node], X, Y))
    assert str(error.value).isprintable()
    node = helper.make_node("Mul", ["\x1b[2J", "w\n"], ["y\a"])
    path = saved(tmp_path, [node], [value("\x1b[2J", ["\n"])], [value("y\a", [2])], {"w\n": np.float32([1, 2])})
    model = nn.load_onnx(path)
    assert repr(model).replace("\n", "").isprintable()
    with pytest.raises(DomainError) as error:
        model(1, 1)
    assert str(error.value).isprintable()


def test_long_names_and_many_parts_take_no_time(tmp_path):
    node = helper.make_node("Relu", ["x"], ["y"], name="a/" * 10**6 + "_" * 10**6)
    assert nn.load_onnx(saved(tmp_path, [node], X, Y))([1.0, -2.0]).tolist() == [1.0, 0.0]


def test_errors_in_a_node_name_it_and_the_shapes(tmp_path):
    node = helper.make_node("MatMul", ["x", "w"], ["y"], name="/head/MatMul")
    path = saved(tmp_path, [node], [value("x", None)], [value("y", None)], {"w": np.ones((3, 4), "float32")})
    with pytest.raises(AutogradError, match=r"MatMul '/head/MatMul', given \(2, 5\) and \(3, 4\): "):
        nn.load_onnx(path)(np.ones((2, 5), "float32"))


def test_mutated_files_end_in_a_value_or_in_a_sentence(tmp_path):
    """Bytes of a small network changed at random: it loads and runs, or is refused by an error of ours."""
    content = linear(tmp_path).read_bytes()
    r = random.Random(0)
    path = tmp_path / "mutated.onnx"
    outcomes = {"ran": 0, "refused": 0}
    for _ in range(400):
        changed = bytearray(content)
        for _ in range(r.randint(1, 6)):
            i = r.randrange(len(changed))
            changed[i] = r.choice([0, 1, 255, r.randrange(256), changed[i] ^ (1 << r.randrange(8))])
        path.write_bytes(changed[: r.randrange(len(changed))] if r.random() < 0.2 else changed)
        try:
            nn.load_onnx(path)(np.ones((2, 4), "float32"))
            outcomes["ran"] += 1
        except AutogradError:
            outcomes["refused"] += 1
    assert min(outcomes.values()) > 20
