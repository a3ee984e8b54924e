"""Weights to PyTorch and back: equal bits, equal outputs, for every layer that both have and published networks.

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
    **dict.fromkeys(("Conv1d", "ConvTranspose1d"), ((2, 4, 3), (2, 2, 6))),
    **dict.fromkeys(("Conv2d", "ConvTranspose2d"), ((4, 6, 3), (2, 4, 6, 6))),
    **dict.fromkeys(("Conv3d", "ConvTranspose3d"), ((2, 3, 2), (1, 2, 4, 4, 4))),
    **{f"BatchNorm{d}d": ((4,), (2, 4, *(3,) * d)) for d in (1, 2, 3)},
    **dict.fromkeys(("LayerNorm", "RMSNorm"), ((4,), (5, 4))),
    "GroupNorm": ((2, 4), (3, 4, 5)),
    **{f"InstanceNorm{d}d": ((4, 1e-5, 0.1, True), (2, 4, *(3,) * d)) for d in (1, 2, 3)},
    **dict.fromkeys(("RNNCell", "LSTMCell", "GRUCell"), ((3, 4), (5, 3))),
    "Embedding": ((6, 3), "indices"),
    **dict.fromkeys(("RNN", "LSTM", "GRU"), ((3, 4, 2), (5, 2, 3))),
    "MultiheadAttention": ((8, 2), "attention"),
    "TransformerEncoderLayer": ((8, 2, 16), (5, 2, 8)),
}


@pytest.fixture(autouse=True)
def seeded():
    """Equal draws in every order of the tests."""
    DRAW.bit_generator.state = np.random.default_rng(0).bit_generator.state
    torch.manual_seed(0)


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


@pytest.mark.parametrize(
    ("name", "theirs", "own", "side"),
    [
        ("alexnet", {}, {}, 70),
        ("googlenet", {"aux_logits": False, "init_weights": False}, {"aux": False}, 32),
        ("resnet152", {}, {}, 32),
        ("vgg16_bn", {}, {"batch_norm": True}, 32),
    ],
)
def test_a_published_network_round_trip_through_pytorch(name, theirs, own, side, tmp_path):
    net = getattr(pytest.importorskip("torchvision").models, name)(num_classes=3, **theirs).eval()
    ours = getattr(nn.models, name.removesuffix("_bn"))(classes=3, **own).eval()
    check(ours, net, [DRAW.normal(size=(4, 3, side, side)).astype("float32")], tmp_path)
