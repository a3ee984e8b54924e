"""Files: what comes back, what is refused, and that a failure leaves nothing."""

import copy
import pickle
import re
import zipfile

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad import nn
from glassgrad.nn.errors import FileError
from tests.bad_input.test_files import archive, npy
from tests.bad_input.test_files import described as with_header
from tests.measured import memory_below
from tests.promises.kept_files import every_layer

X = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)

MODELS = [
    nn.MLP([3, 4, 2], seed=0),
    nn.MLP([3, 2], seed=0, dtype="float64"),
    nn.MLP([3, 4, 4, 2], "tanh", "softmax", norm="batch", dropout=0.2, seed=0),
    nn.Sequential(nn.Flatten(), nn.Linear(3, 2, bias=False), nn.LeakyReLU(0.3), nn.Sequential(nn.GELU(), nn.Softmax())),
    nn.Sequential({"hidden": nn.Linear(3, 3), "act": nn.Softplus(), "relu": nn.ReLU(), "tanh": nn.Tanh()}),
    nn.MLP([3, 4, 2], seed=0)[:-1],
    nn.Linear(3, 2),
]


@pytest.mark.parametrize("model", MODELS, ids=lambda m: type(m).__name__)
def test_a_model_round_trip(model, tmp_path):
    for _ in range(3):
        model(X)  # statistics of a batch norm
    path = tmp_path / "model.npz"
    nn.save(model, path)
    twin = nn.load_model(path)
    assert repr(twin) == repr(model)
    assert [*twin.state_dict()] == [*nn.load(path)] == [*model.state_dict()]
    assert [p.dtype for p in twin.parameters()] == [p.dtype for p in model.parameters()]
    np.testing.assert_array_equal(twin.eval()(X).data, model.eval()(X).data)
    assert all(p.requires_grad for p in twin.parameters())
    with np.load(path) as file:  # NumPy alone
        np.testing.assert_array_equal(*(state[next(iter(model.state_dict()))] for state in (file, nn.load(path))))


@pytest.mark.parametrize(
    "make",
    [
        every_layer,
        lambda: nn.Sequential(nn.Residual(nn.Linear(2, 3, seed=1), nn.Linear(2, 3, seed=2))),
        lambda: nn.models.CharRNN(7, "gru", hidden=5, dropout=0.5, num_layers=2, seed=0),
        lambda: nn.models.CharTransformer(7, 8, 2, 1, 9, 5, seed=0),
        lambda: nn.models.RowTransformer((4, 3), 2, d_model=8, nhead=2, seed=0),
        lambda: nn.Sequential(nn.RMSNorm((2, 3), eps=0.1), nn.InstanceNorm1d(3), nn.Embedding(5, 4, padding_idx=-1)),
        lambda: nn.models.LeNet5(3, channels=1, size=16, seed=0),
        *(
            lambda kind=kind: kind(classes=3, channels=1, small=True, seed=0)
            for kind in (nn.models.AlexNet, nn.models.VGG, nn.models.ResNet, nn.models.GoogLeNet)
        ),
    ],
)
def test_every_layer_comes_back_as_it_was_made(make, tmp_path):
    model = make()
    nn.save(model, tmp_path / "model.npz")
    twin = nn.load_model(tmp_path / "model.npz")
    assert repr(twin) == repr(model)
    assert [m._described() for m in twin.modules()] == [m._described() for m in model.modules()]
    back = twin.state_dict()
    assert [*back] == [*model.state_dict()]
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(back[name].data, value.data)


@pytest.mark.parametrize("ending", ["npz", "safetensors"])
def test_a_metadata_round_trip(ending, tmp_path):
    path = tmp_path / f"model.{ending}"
    nn.save(MODELS[0], path, metadata={"classes": ["null", "één"], "shape": [16, 16]})
    assert nn.load_metadata(path) == {"classes": ["null", "één"], "shape": [16, 16]}
    nn.save(MODELS[0], path)
    assert nn.load_metadata(path) == {}


@pytest.mark.parametrize("ending", ["npz", "safetensors"])
def test_a_checkpoint_round_trip(ending, tmp_path):
    content = {
        "model": MODELS[0].state_dict(),
        "epoch": 3,
        "best": 0.25,
        "limit": float("inf"),
        "note": "ü",
        "nothing": None,
        "flag": True,
        "nested": [{"a": np.arange(3)}, [ag.Tensor(1.5)], (1, 2)],
        "": np.float32(2.0),
        "__glassgrad__": np.zeros(2),
        "empty": np.zeros((0, 3), bool),
    }
    nn.save(content, tmp_path / f"c.{ending}")
    back = nn.load(tmp_path / f"c.{ending}")
    assert list(back) == list(content)
    assert {k: back[k] for k in ("epoch", "best", "limit", "note", "nothing", "flag")} == {
        "epoch": 3, "best": 0.25, "limit": float("inf"), "note": "ü", "nothing": None, "flag": True,
    }  # fmt: skip
    assert back["nested"][0]["a"].tolist() == [0, 1, 2]
    assert (back["nested"][1][0].item(), back["nested"][2]) == (1.5, [1, 2])
    assert (back[""].item(), back[""].dtype) == (2.0, ag.float32)
    assert back["__glassgrad__"].tolist() == [0, 0]
    assert (back["empty"].shape, str(back["empty"].dtype)) == ((0, 3), "bool")
    MODELS[0].load_state_dict(back["model"])


def test_equal_content_gives_equal_bytes(tmp_path):
    nn.save(MODELS[0], tmp_path / "a.npz")
    nn.save(MODELS[0], tmp_path / "b.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


class Own(nn.Module):
    def __init__(self, width=3):
        self.hidden = nn.Linear(2, width, seed=0)


def test_a_class_of_ones_own_is_saved_as_weights(tmp_path):
    path, own = tmp_path / "own.npz", Own()
    for model in (own, nn.Sequential(own)):
        nn.save(model, path)
        with pytest.raises(FileError, match=r"as Own is not a class of nn: build it .*load_state_dict"):
            nn.load_model(path)
    again = nn.Sequential(Own())
    again.load_state_dict(nn.load(path))
    assert again[0].hidden.weight.tolist() == own.hidden.weight.tolist()
    other = type("Linear", (Own,), {})
    nn.save(other(), path)
    with pytest.raises(FileError, match="as Linear is not a class of nn"):
        nn.load_model(path)
    nn.save({"a": 1}, path)
    with pytest.raises(FileError, match="holds 'a dict', which nn can't build"):
        nn.load_model(path)


def test_the_arguments_of_a_class_of_ones_own_are_not_noted():
    assert Own(4).arguments() is None
    assert repr(Own(4)).startswith("Own: 12 parameters\n")
    layer = nn.Linear(np.int64(4), 2, bias=False)
    for twin in (layer, copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert twin.arguments() == {"in_features": 4, "out_features": 2, "bias": False}


def test_an_attribute_that_was_changed_counts_where_it_has_an_arguments_name(tmp_path):
    path = tmp_path / "m.npz"
    layer = nn.Dropout(0.5)
    layer.p = 0.25
    nn.save(layer, path)
    assert nn.load_model(path).p == 0.25
    conv = nn.Conv2d(1, 2, 3, padding=1)
    conv.stride = (2, 2)
    nn.save(conv, path)
    x = ag.ones((1, 1, 5, 5), dtype="float32")
    assert nn.load_model(path)(x).tolist() == conv(x).tolist()
    conv.padding_mode = abs
    nn.save(conv, path)
    with pytest.raises(FileError, match="as Conv2d was made with other arguments than numbers, strings and lists"):
        nn.load_model(path)


def test_modes_and_frozen_parameters_come_back(tmp_path):
    """A network for evaluation gave other outputs: dropout was on again."""
    path = tmp_path / "m.npz"
    model = nn.Sequential(nn.Linear(3, 8, seed=0), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 2, seed=1)).eval()
    model[2].train()
    model[0].requires_grad_(False)
    nn.save(model, path)
    back = nn.load_model(path)
    assert [m.training for m in back.modules()] == [m.training for m in model.modules()]
    assert [p.requires_grad for p in back.parameters()] == [False, False, True, True, True, True]
    nn.save(model.eval(), path)
    assert nn.load_model(path)(X).tolist() == model(X).tolist()


@pytest.mark.parametrize("ending", ["npz", "safetensors"])
def test_tied_weights_and_modules_come_back_tied(ending, tmp_path):
    path = tmp_path / f"m.{ending}"
    layer = nn.Linear(3, 3, seed=0)
    nn.save(nn.Sequential(layer, nn.ReLU(), nn.Sequential(layer, nn.Tanh())), path)
    back = nn.load_model(path)
    assert back[0] is back[2][0]
    assert [name for name, _ in back.named_parameters()] == ["0.weight", "0.bias"]
    assert back[0].weight.tolist() == layer.weight.tolist()
    model = nn.models.char_transformer(5, max_len=9, d_model=8, nhead=2, num_layers=1, dim_feedforward=16)
    model.head.weight = model.embedding.weight
    nn.save(model, path)
    back = nn.load_model(path).eval()
    assert back.head.weight is back.embedding.weight
    assert back([[1, 2, 3]]).tolist() == model.eval()([[1, 2, 3]]).tolist()


def test_what_was_added_to_a_module_is_named(tmp_path):
    path, model = tmp_path / "m.npz", nn.Sequential(nn.Linear(2, 2))
    model.register_buffer("seen", ag.Tensor([True, False]))
    nn.save(model, path)
    with pytest.raises(FileError, match=r"a model: 'seen' is not in Sequential: build it in Python and call"):
        nn.load_model(path)


def test_an_altered_mlp_is_not_passed_off_as_a_plain_one(tmp_path):
    model = nn.MLP([3, 4, 2], seed=0)
    model.layers[1] = nn.ReLU()
    nn.save(model, tmp_path / "m.npz")
    with pytest.raises(FileError, match=r"changed after it was made, .* new MLP\(\(3, 4, 2\)\) differs: build it"):
        nn.load_model(tmp_path / "m.npz")


# ------------------------------------------------------------------------------------ files that are not what they say


def refused(path, why, load=nn.load):
    with pytest.raises(
        FileError, match=rf"^{re.escape(str(path))} can't be read as a (file of nn.save|model): .*"
    ) as error:
        load(path)
    assert why in str(error.value)


MANY = 10**9


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        ("MLP", {"sizes": [10**6, 10**6, 2]}),
        ("LayerNorm", {"normalized_shape": MANY}),
        ("RMSNorm", {"normalized_shape": MANY}),
        ("GroupNorm", {"num_groups": 1, "num_channels": MANY}),
        ("BatchNorm1d", {"num_features": MANY}),
        ("PositionalEncoding", {"d_model": 2, "max_len": MANY}),
        ("CharTransformer", {"symbols": 2, "max_len": MANY}),
        ("LSTM", {"input_size": 1, "hidden_size": 1, "num_layers": MANY}),
    ],
)
def test_a_model_of_any_claimed_size_is_refused_without_memory_and_at_once(kind, arguments, tmp_path):
    """They took 2.4 GB, and an LSTM of many layers never ended."""
    path = tmp_path / "x.npz"
    described = {"class": kind, "arguments": arguments}
    path.write_bytes(with_header({"format": 1, "architecture": described, "content": {"dict": {}}}))
    with memory_below(2**24):
        refused(path, "can't be read as a model: it describes more weights than it holds", nn.load_model)


LINEAR = {"class": "Linear", "arguments": {"in_features": 1, "out_features": 1, "bias": False}}


@pytest.mark.parametrize(
    ("architecture", "weights", "why"),
    [
        *(
            ({"class": name, "arguments": {}}, {}, f"it names a layer '{name}', which nn lacks")
            for name in ("os.system", "Part", "ONNXModel", "_Conv", "LanguageModel", "Module")
        ),
        ({"class": "Linear"}, {}, "it has no entry 'arguments'"),
        ({"class": "Sigmoid", "arguments": {"colour": "red"}}, {}, "Sigmoid: got an unexpected keyword argument"),
        (LINEAR, {"w": np.zeros((1, 1))}, "'weight' is missing"),
        (LINEAR, {"weight": np.zeros((1, 1), int)}, "its 'weight' is (1, 1) of int64, not (1, 1) of float32"),
        (LINEAR, {"weight": np.zeros((1, 2))}, "its 'weight' is (1, 2) of float64, not (1, 1)"),
    ],
)
def test_invalid_architectures_are_refused(architecture, weights, why, tmp_path):
    path = tmp_path / "x.npz"
    content = {"dict": {name: {"array": name} for name in weights}}
    path.write_bytes(with_header({"format": 1, "architecture": architecture, "content": content}, **weights))
    refused(path, why, nn.load_model)


def test_ctrl_c_while_a_member_is_opened(tmp_path, monkeypatch):
    opened = zipfile.ZipFile.open

    def interrupted(*args, **options):
        opened(*args, **options)
        raise KeyboardInterrupt

    monkeypatch.setattr(zipfile.ZipFile, "open", interrupted)
    with pytest.raises(KeyboardInterrupt):
        nn.save({"a": 1}, tmp_path / "x.npz")
    assert not [*tmp_path.iterdir()]


def test_a_member_that_is_there_twice(tmp_path):
    with pytest.warns(UserWarning, match="Duplicate name"):
        (tmp_path / "x.npz").write_bytes(archive([("a.npy", npy(np.zeros(2)))] * 2))
    with pytest.raises(FileError, match=r"its member 'a\.npy' is not an array, or occurs twice"):
        nn.load(tmp_path / "x.npz")


def test_arguments_of_numpys_are_numbers(tmp_path):
    nn.save(nn.LeakyReLU(np.float32(0.25)), tmp_path / "m.npz", metadata={"rate": np.float32(0.5)})
    assert nn.load_model(tmp_path / "m.npz").slope == 0.25
    assert nn.load_metadata(tmp_path / "m.npz") == {"rate": 0.5}


FOREIGN = {
    "a single NumPy array": (npy(np.zeros(3)), "read it with numpy.load"),
    "a pickle, which can run any code": (pickle.dumps({"a": 1}), "write its arrays with numpy.savez"),
    "an ONNX model": (b"\x08\x08\x12\x07pytorch", "open it with nn.load_onnx"),
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_a_file_of_another_format_is_named(kind, tmp_path):
    content, advice = FOREIGN[kind]
    (tmp_path / "m").write_bytes(content)
    for read in (nn.load, nn.load_model, nn.load_metadata):
        with pytest.raises(FileError, match=rf"m is {kind}, which nn.load does not read: {advice}\."):
            read(tmp_path / "m")


@pytest.mark.parametrize("write", [np.savez, np.savez_compressed])
def test_a_plain_numpy_archive_is_a_state_dict(write, tmp_path):
    write(tmp_path / "m.npz", weight=np.ones((1, 2)), bias=np.zeros(1))
    model = nn.Linear(2, 1)
    model.load_state_dict(nn.load(tmp_path / "m.npz"))
    assert model.weight.tolist() == [[1.0, 1.0]]
    with pytest.raises(FileError, match="holds 'a NumPy archive', which nn can't build"):
        nn.load_model(tmp_path / "m.npz")
    assert nn.load_metadata(tmp_path / "m.npz") == {}


def test_messages_do_not_repeat_the_content_of_a_file(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, x=np.ones(10_000))
    raw = path.read_bytes()
    path.write_bytes(raw[:26] + b"\xff\x7f" + raw[28:])  # the length of the first member's name
    with pytest.raises(FileError, match="File name in directory") as error:
        nn.load(path)
    assert len(str(error.value)) < 1000 + len(str(path))
