"""Weights of Keras: read from its files, converted to the layout of ``nn``."""

import io
import json
import zipfile
from contextlib import suppress

import numpy as np
import pytest

from glassgrad import nn
from glassgrad.nn.errors import FileError, StateError
from glassgrad.nn.saving.keras import KerasWeights

h5py = pytest.importorskip("h5py")
DRAW = np.random.default_rng(0)


def arrays(*shapes):
    return [DRAW.normal(size=shape).astype("float32") for shape in shapes]


KERNEL, BIAS = arrays((3, 3, 1, 2), (2,))
NORM = [*arrays((2,), (2,), (2,)), np.ones(2, "float32")]
DENSE = arrays((2 * 2 * 2, 3), (3,))
LAYERS = {"conv2d": [KERNEL, BIAS], "batch_normalization": NORM, "flatten": [], "dense": DENSE}
CONFIG = {
    "config": {
        "layers": [
            {"class_name": "Conv2D", "config": {"name": "first", "data_format": "channels_last"}},
            {"class_name": "BatchNormalization", "config": {"name": "norm", "epsilon": 0.001}},
            {"class_name": "Flatten", "config": {"name": "flat"}},
            {"class_name": "Dense", "config": {"name": "last"}},
        ]
    }
}


def weights_h5(path, layers=LAYERS):
    with h5py.File(path, "w") as file:
        for name, values in layers.items():
            group = file.create_group(f"layers/{name}/vars")
            for i, value in enumerate(values):
                group[str(i)] = value
        file["optimizer/vars/0"] = np.ones(3)
    return path


def keras_zip(path, layers=LAYERS, config=CONFIG):
    content = io.BytesIO()
    weights_h5(content, layers)
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("config.json", json.dumps(config))
        file.writestr("model.weights.h5", content.getvalue())
    return path


def older_h5(path):
    roles = {"conv2d": ("kernel", "bias"), "dense": ("kernel", "bias")}
    roles["batch_normalization"] = ("gamma", "beta", "moving_mean", "moving_variance")
    names = dict(zip(LAYERS, ("first", "norm", "flat", "last"), strict=True))
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps(CONFIG)
        for kind, name in names.items():
            for role, value in zip(roles.get(kind, ()), LAYERS[kind], strict=False):
                file[f"model_weights/{name}/{name}/{role}:0"] = value
    return path


def model(eps=1e-3):
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2, eps=eps), nn.Flatten(), nn.Linear(8, 3)).eval()


@pytest.mark.parametrize(
    ("write", "name"),
    [(keras_zip, "m.keras"), (weights_h5, "m.weights.h5"), (older_h5, "m.h5")],
    ids=lambda a: str(a)[:12],
)
def test_a_convolutional_net_computes_as_in_keras(write, name, tmp_path):
    net = model()
    net.load_state_dict(nn.load(write(tmp_path / name)))
    x = DRAW.normal(size=(2, 4, 4, 1)).astype("float32")  # as in Keras
    windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), (1, 2))  # (batch, 2, 2, 1, 3, 3)
    y = np.einsum("nhwcij,ijco->nhwo", windows, KERNEL) + BIAS
    gamma, beta, mean, variance = NORM
    y = (y - mean) / np.sqrt(variance + 1e-3) * gamma + beta
    expected = y.reshape(2, -1) @ DENSE[0] + DENSE[1]
    np.testing.assert_allclose(net(np.moveaxis(x, -1, 1)).data, expected, atol=1e-5)


def test_depthwise_and_transposed_kernels(tmp_path):
    depthwise, transposed = arrays((3, 3, 2, 2), (2, 2, 5, 4))
    net = nn.Sequential(nn.Conv2d(2, 4, 3, groups=2, bias=False), nn.ConvTranspose2d(4, 5, 2, bias=False))
    layers = {"depthwise_conv2d": [depthwise], "conv2d_transpose": [transposed]}
    net.load_state_dict(nn.load(weights_h5(tmp_path / "m.h5", layers)))
    for channel in range(2):
        for i in range(2):
            np.testing.assert_array_equal(net[0].weight.data[2 * channel + i, 0], depthwise[:, :, channel, i])
    np.testing.assert_array_equal(net[1].weight.data, transposed.transpose(3, 2, 0, 1))


def test_layers_of_one_kind_are_matched_in_their_order(tmp_path):
    layers = {f"dense_{i}" if i else "dense": [np.full((1, 1), i, "float32")] for i in range(12)}
    net = nn.Sequential(*(nn.Linear(1, 1, bias=False) for _ in range(12)))
    net.load_state_dict(nn.load(weights_h5(tmp_path / "m.h5", layers)))
    assert [layer.weight.item() for layer in net] == [*range(12)]


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def keras_gru(x, kernel, recurrent, bias):
    """As Keras writes it, with reset_after=True: the gates are update, reset, new."""
    h = np.zeros((x.shape[1], recurrent.shape[0]))
    for step in x:
        z, r, n = np.split(step @ kernel + bias[0], 3, axis=-1)
        hz, hr, hn = np.split(h @ recurrent + bias[1], 3, axis=-1)
        update = sigmoid(z + hz)
        h = update * h + (1 - update) * np.tanh(n + sigmoid(r + hr) * hn)
    return h


def keras_lstm(x, kernel, recurrent, bias):
    """The gates are input, forget, cell, output."""
    h = c = np.zeros((x.shape[1], recurrent.shape[0]))
    for step in x:
        i, f, g, o = np.split(step @ kernel + h @ recurrent + bias, 4, axis=-1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
    return h


def test_recurrent_layers_compute_as_in_keras(tmp_path):
    x = DRAW.normal(size=(4, 2, 3)).astype("float32")
    gru, lstm = arrays((3, 6), (2, 6), (2, 6)), arrays((3, 8), (2, 8), (8,))
    with h5py.File(tmp_path / "m.weights.h5", "w") as file:
        for path, values in {"gru/cell": gru, "lstm/cell": lstm, "embedding": arrays((7, 3))}.items():
            for i, value in enumerate(values):
                file[f"layers/{path}/vars/{i}"] = value
    net = nn.ModuleDict({"e": nn.Embedding(7, 3), "g": nn.GRU(3, 2), "l": nn.LSTM(3, 2)})
    net.load_state_dict(nn.load(tmp_path / "m.weights.h5"))
    np.testing.assert_allclose(net["g"](x)[1].data[0], keras_gru(x, *gru), atol=1e-5)
    np.testing.assert_allclose(net["l"](x)[1][0].data[0], keras_lstm(x, *lstm), atol=1e-5)


@pytest.mark.parametrize(
    "name", ["layers/bidirectional/forward_layer/cell/vars/0", "bidirectional/b/forward_lstm/kernel:0"]
)
def test_a_bidirectional_layer_is_refused(name, tmp_path):
    with h5py.File(tmp_path / "m.weights.h5", "w") as file:
        file[name] = np.zeros((3, 8))
    for net in (nn.LSTM(3, 2), nn.LSTM(3, 2, bidirectional=True)):
        with pytest.raises(StateError, match=r"bidirectional(/forward_layer)? has no counterpart here"):
            net.load_state_dict(nn.load(tmp_path / "m.weights.h5"))


def test_layers_that_do_not_fit_are_named(tmp_path):
    weights = nn.load(keras_zip(tmp_path / "m.keras"))
    assert isinstance(weights, KerasWeights)
    for net, why in [
        (model(1e-5), r"layers/batch_normalization has epsilon 0.001 and 1 has eps=1e-05: build it with eps=0.001"),
        (nn.Sequential(*model(), nn.Linear(3, 1)), r"the file has no further 'dense' layer for 4, Linear\(3, 1\)"),
        (model()[:-1], "layers/dense has no counterpart here"),
    ]:
        before = {name: value.tolist() for name, value in net.state_dict().items()}
        with pytest.raises(StateError, match=why):
            net.load_state_dict(weights)
        assert {name: value.tolist() for name, value in net.state_dict().items()} == before
    with pytest.raises(StateError, match="separable_conv2d has no counterpart here"):
        model().load_state_dict(nn.load(weights_h5(tmp_path / "m.h5", {"separable_conv2d": arrays((3, 3, 1, 1))})))


def test_links_and_claims_of_size_are_refused(tmp_path):
    path = tmp_path / "m.h5"
    with h5py.File(path, "w") as file:
        file["a"] = h5py.ExternalLink("other.h5", "/b")
    with pytest.raises(FileError, match="a is a link"):
        nn.load(path)
    with h5py.File(path, "w") as file:
        file.create_dataset("a", shape=(10**6, 10**6), chunks=(10, 10), dtype="f4")
    with pytest.raises(FileError, match="larger than it can hold"):
        nn.load(path)
    with h5py.File(path, "w") as file:
        file["a"] = np.array([b"text"])
    with pytest.raises(FileError, match="its array 'a' has dtype"):
        nn.load(path)


def test_small_files_take_neither_memory_nor_time(tmp_path):
    path = tmp_path / "m.h5"
    with h5py.File(path, "w") as file:
        group = file
        for _ in range(40):
            group["a"] = group["b"] = group = group.create_group("c")
    with pytest.raises(FileError, match="b is there twice"):
        nn.load(path)
    with h5py.File(path, "w") as file:
        file.create_dataset("a", shape=(2, 2), maxshape=(None, None), chunks=(2**13, 2**14), dtype="f4")
    with pytest.raises(FileError, match="'a' is not within the file, or larger than it can hold"):
        nn.load(path)
    with zipfile.ZipFile(tmp_path / "m.keras", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("model.weights.h5", np.random.default_rng(0).bytes(2**20))
        file.writestr("config.json", "[" + "[]," * 2**21 + "[]]")
    with pytest.raises(FileError, match=r"its config\.json has more than 4,194,304 bytes"):
        nn.load(tmp_path / "m.keras")


@pytest.mark.parametrize(
    "config",
    [
        3, [], "x", {"config": 3}, {"config": {"layers": 3}}, {"config": {"layers": [1]}},
        {"config": {"layers": {"a": 1}}}, {"config": {"layers": [{"config": 3}]}},
        {"config": {"layers": [{"config": {"name": [], "epsilon": {}}}]}},
    ],
)  # fmt: skip
def test_a_configuration_of_another_structure_is_refused_or_harmless(config, tmp_path):
    loaded = nn.load(keras_zip(tmp_path / "m.keras", config=config))
    with suppress(StateError):
        model().load_state_dict(loaded)


@pytest.mark.parametrize(
    "name", ["vars", "layers/vars", "model_weights", "lstm/vars/0", "forward_x/vars/1", "bidirectional/vars/0"]
)
def test_arrays_of_another_structure_are_refused(name, tmp_path):
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file[name] = np.zeros((0, 3), "float32")
    for module in (model(), nn.LSTM(3, 2), nn.LSTM(3, 2, bidirectional=True)):
        with pytest.raises(StateError):
            module.load_state_dict(nn.load(tmp_path / "m.h5"))


def test_cut_files_are_refused(tmp_path):
    for path in (keras_zip(tmp_path / "m.keras"), weights_h5(tmp_path / "m.h5")):
        whole = path.read_bytes()
        for length in range(0, len(whole), 997):
            path.write_bytes(whole[:length])
            with pytest.raises(FileError):
                nn.load(path)
