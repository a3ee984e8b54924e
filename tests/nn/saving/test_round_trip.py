"""Weights to PyTorch and back: equal bits, equal outputs, for every layer that both have and all networks of nn.models.

Outputs are equal to 1e-12 in float64. In float32 both round, in another order: ours are as near to float64 as theirs.
"""

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad import nn

torch = pytest.importorskip("torch")
files = pytest.importorskip("safetensors.torch")
DRAW = np.random.default_rng(0)

LAYERS = {
    "Linear": ((3, 4), (5, 3)),
    "Conv1d": ((2, 4, 3), (2, 2, 6)),
    "Conv2d": ((4, 6, 3), (2, 4, 6, 6)),
    "Conv3d": ((2, 3, 2), (1, 2, 4, 4, 4)),
    "ConvTranspose1d": ((2, 4, 3), (2, 2, 6)),
    "ConvTranspose2d": ((4, 6, 3), (2, 4, 5, 5)),
    "ConvTranspose3d": ((2, 3, 2), (1, 2, 3, 3, 3)),
    "BatchNorm1d": ((4,), (5, 4)),
    "BatchNorm2d": ((4,), (2, 4, 3, 3)),
    "BatchNorm3d": ((2,), (2, 2, 3, 3, 3)),
    "LayerNorm": ((4,), (5, 4)),
    "GroupNorm": ((2, 4), (3, 4, 5)),
    "RMSNorm": ((4,), (5, 4)),
    **{f"InstanceNorm{d}d": ((4, 1e-5, 0.1, True), (2, 4, *(3,) * d)) for d in (1, 2, 3)},
    "RNNCell": ((3, 4), (5, 3)),
    "LSTMCell": ((3, 4), (5, 3)),
    "GRUCell": ((3, 4), (5, 3)),
    "Embedding": ((6, 3), "indices"),
    "RNN": ((3, 4, 2), (5, 2, 3)),
    "LSTM": ((3, 4, 2), (5, 2, 3)),
    "GRU": ((3, 4, 2), (5, 2, 3)),
    "MultiheadAttention": ((8, 2), "attention"),
    "TransformerEncoderLayer": ((8, 2, 16), (5, 2, 8)),
}


@pytest.fixture(autouse=True)
def seeded():
    """Equal draws in every order of the tests."""
    DRAW.bit_generator.state = np.random.default_rng(0).bit_generator.state
    torch.manual_seed(0)


def images(*shape):
    return DRAW.normal(size=shape).astype("float32")


def randomized(module):
    """Random parameters and buffers, variances positive."""
    with torch.no_grad():
        for name, value in module.state_dict().items():
            if value.is_floating_point():
                drawn = torch.tensor(DRAW.normal(size=value.shape) * 0.3, dtype=value.dtype)
                value.copy_(drawn.abs() + 0.5 if "var" in name else drawn)
    return module


def outputs(module, inputs, dtype):
    """The first output of a module of ours or of PyTorch's that computes in ``dtype``, as an array."""
    inputs = [x.astype(dtype) if x.dtype.kind == "f" else x for x in inputs]
    if isinstance(module, torch.nn.Module):
        with torch.no_grad():
            found = module.to(getattr(torch, dtype))(*map(torch.tensor, inputs))
    else:
        with ag.no_grad():
            found = module.to(dtype)(*inputs)
    return np.asarray((found[0] if isinstance(found, tuple) else found).data)


def distances(ours, theirs, inputs):
    """Of both in float64, and of each in float32 from float64, relative to the largest output or to 1."""
    (mine, exact), (found, expected) = ([outputs(m, inputs, t) for m in (ours, theirs)] for t in ("float64", "float32"))
    assert (mine.dtype, found.dtype) == (np.float64, np.float32)
    scale = max(1, np.abs(exact).max())
    return [np.abs(a - b).max() / scale for a, b in ((mine, exact), (found, exact), (expected, exact))]


def check(ours, theirs, inputs, tmp_path):
    files.save_file(theirs.state_dict(), tmp_path / "theirs.safetensors", metadata={"format": "pt"})
    ours.load_state_dict(nn.load(tmp_path / "theirs.safetensors"))
    nn.save(ours, tmp_path / "ours.safetensors")
    back = files.load_file(tmp_path / "ours.safetensors")
    for name, value in theirs.state_dict().items():
        if not name.endswith("num_batches_tracked"):
            assert torch.equal(back.pop(name), value), name
    assert not back
    in_float64, of_ours, of_theirs = distances(ours, theirs, inputs)
    assert in_float64 < 1e-12
    assert of_ours < max(1e-6, 2 * of_theirs)


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_round_trip_through_pytorch(name, tmp_path):
    arguments, shape = LAYERS[name]
    if shape == "indices":
        inputs = [DRAW.integers(0, 6, (2, 5))]
    elif shape == "attention":
        inputs = [DRAW.normal(size=(5, 2, 8)).astype("float32")] * 3
    else:
        inputs = [DRAW.normal(size=shape).astype("float32")]
    theirs = randomized(getattr(torch.nn, name)(*arguments)).eval()
    check(getattr(nn, name)(*arguments).eval(), theirs, inputs, tmp_path)


@pytest.mark.parametrize("name", ["alexnet", "googlenet", *(f"resnet{depth}" for depth in (18, 34, 50, 101, 152))])
def test_a_published_network_round_trip_through_pytorch(name, tmp_path):
    models = pytest.importorskip("torchvision").models
    theirs, own = {"aux_logits": False, "init_weights": False}, {"aux": False}
    theirs, own = (theirs, own) if name == "googlenet" else ({}, {})
    side = 70 if name == "alexnet" else 32
    net = getattr(models, name)(num_classes=3, **theirs).eval()
    check(getattr(nn.models, name)(classes=3, **own).eval(), net, [images(4, 3, side, side)], tmp_path)


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("depth", [11, 13, 16, 19])
def test_vgg_round_trips_through_pytorch(depth, batch_norm, tmp_path):
    """The full network once; the others with the last layers of small ones, as theirs have 120 million parameters."""
    models, t = pytest.importorskip("torchvision").models, torch.nn
    theirs = getattr(models, f"vgg{depth}{'_bn' * batch_norm}")
    is_full = (depth, batch_norm) == (16, False)
    with torch.device("cpu" if is_full else "meta"):
        net = theirs(num_classes=3)
    if not is_full:
        net.avgpool = t.AdaptiveAvgPool2d(1)
        net.classifier = t.Sequential(
            t.Linear(512, 512), t.ReLU(), t.Dropout(), t.Linear(512, 512), t.ReLU(), t.Dropout(), t.Linear(512, 3)
        )
        net = randomized(net.to_empty(device="cpu"))
    ours = getattr(nn.models, f"vgg{depth}")(classes=3, batch_norm=batch_norm, small=not is_full)
    check(ours.eval(), net.eval(), [images(4, 3, 32, 32)], tmp_path)


class Chain(torch.nn.Module):
    """Named modules of PyTorch and functions, one after the other."""

    def __init__(self, **parts):
        super().__init__()
        self.order = [*parts.values()]
        for name, part in parts.items():
            if isinstance(part, torch.nn.Module):
                setattr(self, name, part)

    def forward(self, x):
        for part in self.order:
            x = part(x)
        return x


class Position(torch.nn.Module):
    """Adds a buffer ``pe``; the weights that are saved fill it."""

    def __init__(self, length, features):
        super().__init__()
        self.register_buffer("pe", torch.zeros(length, features))

    def forward(self, x):
        return x + self.pe[: x.shape[1]]


class Encoder(torch.nn.ModuleList):
    """Layers of a Transformer that normalise first."""

    def __init__(self, is_causal):
        options = {"batch_first": True, "norm_first": True}
        super().__init__(torch.nn.TransformerEncoderLayer(8, 2, 16, 0.1, "gelu", **options) for _ in range(2))
        self.is_causal = is_causal

    def forward(self, x):
        hidden = torch.triu(torch.ones(x.shape[1], x.shape[1], dtype=torch.bool), 1) if self.is_causal else None
        for layer in self:
            x = layer(x, src_mask=hidden)
        return x


def networks():
    """Each network of ours that torchvision lacks, the same in PyTorch, and an input."""
    t, m = torch.nn, nn.models
    sizes = {"d_model": 8, "nhead": 2, "num_layers": 2, "dim_feedforward": 16}
    tokens = DRAW.integers(0, 5, (2, 6))
    linear = [t.Linear(400, 120), t.Tanh(), t.Linear(120, 84), t.Tanh(), t.Linear(84, 10)]
    maps = [t.Conv2d(1, 6, 5, padding=2), t.Tanh(), t.AvgPool2d(2), t.Conv2d(6, 16, 5), t.Tanh(), t.AvgPool2d(2)]
    yield (
        m.MLP([4, 5, 6, 3], norm="batch"),
        Chain(
            layers=t.Sequential(
                t.Linear(4, 5), t.BatchNorm1d(5), t.Sigmoid(), t.Linear(5, 6), t.BatchNorm1d(6), t.Sigmoid(),
                t.Linear(6, 3),
            )
        ),
        images(7, 4),
    )  # fmt: skip
    yield (
        m.lenet5(),
        Chain(features=t.Sequential(*maps), flatten=t.Flatten(), classifier=t.Sequential(*linear)),
        images(2, 1, 28, 28),
    )
    for kind, layer in (("rnn", t.RNN), ("lstm", t.LSTM), ("gru", t.GRU)):
        yield (
            m.RowRecurrent((4, 3), 2, kind, hidden=6, num_layers=2),
            Chain(
                fold=lambda x: x.reshape(-1, 4, 3),
                rows=layer(3, 6, 2, batch_first=True),
                last=lambda found: found[0][:, -1],
                head=t.Linear(6, 2),
            ),
            images(5, 12),
        )
        yield (
            m.char_rnn(5, kind, embedding_dim=3, hidden=6),
            Chain(
                embedding=t.Embedding(5, 3),
                reader=layer(3, 6, batch_first=True),
                all=lambda found: found[0],
                head=t.Linear(6, 5),
            ),
            tokens,
        )
    yield (
        m.RowTransformer((4, 3), 2, **sizes),
        Chain(
            fold=lambda x: x.reshape(-1, 4, 3),
            rows=t.Linear(3, 8),
            position=Position(4, 8),
            layers=Encoder(is_causal=False),
            norm=t.LayerNorm(8),
            mean=lambda x: x.mean(1),
            head=t.Linear(8, 2),
        ),
        images(5, 12),
    )
    yield (
        m.char_transformer(5, max_len=9, **sizes),
        Chain(
            embedding=t.Embedding(5, 8),
            position=Position(9, 8),
            layers=Encoder(is_causal=True),
            norm=t.LayerNorm(8),
            head=t.Linear(8, 5),
        ),
        tokens,
    )


def test_other_networks_round_trip_through_pytorch(tmp_path):
    for ours, theirs, x in networks():
        check(ours.eval(), randomized(theirs).eval(), [x], tmp_path)


def test_these_are_all_networks():
    tested = {type(ours) for ours, _, _ in networks()} | {nn.models.AlexNet, nn.models.VGG, nn.models.GoogLeNet}
    made = {value for value in vars(nn.models).values() if isinstance(value, type)}
    assert made == tested | {nn.models.ResNet}
