"""Weights to PyTorch and back: equal bits, equal outputs, for every layer that both have and for the named networks."""

import numpy as np
import pytest

import autograd as ag
import nn

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
    "Embedding": ((6, 3), "indices"),
    "RNN": ((3, 4, 2), (5, 2, 3)),
    "LSTM": ((3, 4, 2), (5, 2, 3)),
    "GRU": ((3, 4, 2), (5, 2, 3)),
    "MultiheadAttention": ((8, 2), "attention"),
    "TransformerEncoderLayer": ((8, 2, 16), (5, 2, 8)),
}


def randomized(module):
    """Random parameters and buffers, variances positive."""
    with torch.no_grad():
        for name, value in module.state_dict().items():
            if value.is_floating_point():
                drawn = torch.tensor(DRAW.normal(size=value.shape) * 0.3, dtype=value.dtype)
                value.copy_(drawn.abs() + 0.5 if "var" in name else drawn)
    return module


def first(output):
    return output[0] if isinstance(output, tuple) else output


def check(ours, theirs, inputs, tmp_path, tolerance=1e-6):
    files.save_file(theirs.state_dict(), tmp_path / "theirs.safetensors", metadata={"format": "pt"})
    ours.load_state_dict(nn.load(tmp_path / "theirs.safetensors"))
    with ag.no_grad(), torch.no_grad():
        found = first(ours(*inputs)).data
        expected = first(theirs(*map(torch.tensor, inputs))).numpy()
    np.testing.assert_allclose(found, expected, atol=tolerance * max(1, np.abs(expected).max()))
    nn.save(ours, tmp_path / "ours.safetensors")
    back = files.load_file(tmp_path / "ours.safetensors")
    for name, value in theirs.state_dict().items():
        if not name.endswith("num_batches_tracked"):
            assert torch.equal(back.pop(name), value), name
    assert not back


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


NETWORKS = {
    "alexnet": ({}, 70),
    "vgg11": ({}, 32),
    "googlenet": ({"aux_logits": False, "init_weights": False}, 32),
    "resnet18": ({}, 32),
    "resnet50": ({}, 32),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_published_network_round_trip_through_pytorch(name, tmp_path):
    models = pytest.importorskip("torchvision").models
    options, side = NETWORKS[name]
    theirs = getattr(models, name)(num_classes=3, **options).eval()
    ours = getattr(nn.models, name)(classes=3, **({"aux": False} if name == "googlenet" else {})).eval()
    check(ours, theirs, [DRAW.normal(size=(1, 3, side, side)).astype("float32")], tmp_path, tolerance=1e-5)
