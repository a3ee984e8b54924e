"""Real networks beside onnxruntime: those of the package ``onnx``, and those of packages that are perhaps not there."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad import nn
from tests.sampling import waiting

onnx = pytest.importorskip("onnx")
ort = pytest.importorskip("onnxruntime")

LIGHT = Path(onnx.__file__).parent / "backend/test/data/light"
SILERO, RAPIDOCR = "silero_vad/data", "rapidocr_onnxruntime/models"


def path_of(file):
    """The path of a file in an installed package. Skips the test where the package is missing."""
    spec = importlib.util.find_spec(file.split("/")[0])
    if spec is None:
        pytest.skip(f"the package {file.split('/')[0]} is not installed")
    return Path(spec.submodule_search_locations[0]).parent / file


def beside_onnxruntime(path, feed, tolerance=1e-5):
    """The network, and its outputs, which are those of onnxruntime."""
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    wanted = ort.InferenceSession(path, options).run(None, feed)
    model = nn.load_onnx(path)
    found = model(*(int(x) if x.ndim == 0 else x for x in (feed[i.name] for i in model.inputs)))
    found = found if isinstance(found, tuple) else (found,)
    for got, want in zip(found, wanted, strict=True):
        assert got.shape == want.shape
        np.testing.assert_allclose(got.data, want, rtol=0, atol=tolerance * max(np.abs(want).max(), 1e-3))
    return model, found


def check_gradients(model, found, but=()):
    """Every parameter has a gradient, except those whose names begin with one of ``but``."""
    sum((y * y).sum() for y in found if y.requires_grad).backward()
    missing = [n for n, p in model.named_parameters() if p.grad is None and not n.startswith(tuple(but))]
    assert not missing
    assert all(np.isfinite(p.grad.data).all() for p in model.parameters() if p.grad is not None)


def noise(*shape):
    return np.random.default_rng(0).standard_normal(shape).astype("float32")


def picture(*shape):
    return np.random.default_rng(0).uniform(0, 1, shape).astype("float32")


TEXT = "gradient of the loss", "from the output to the input", "0.1234 5.678"


def written(height, width):
    """A picture of lines of text, (1, 3, height, width), from -1 to 1."""
    image = pytest.importorskip("PIL.Image").new("RGB", (width, height), "white")
    draw = pytest.importorskip("PIL.ImageDraw").Draw(image)
    for i, y in enumerate(range(16, height - 20, 50)):
        draw.text((10, y), TEXT[i % 3], fill="black", font_size=20 if i % 3 else 32)
    return np.asarray(image, "float32").transpose(2, 0, 1)[None] / 127.5 - 1


@pytest.mark.parametrize(
    ("file", "input"),
    [
        waiting("light_bvlc_alexnet.onnx", "data_0"),
        ("light_inception_v1.onnx", "data_0"),
        waiting("light_resnet50.onnx", "gpu_0/data_0"),
        waiting("light_vgg19.onnx", "data_0"),
    ],
)
def test_networks_of_the_package_onnx(file, input):
    """Their weights are constants, each of one repeated number."""
    model, _ = beside_onnxruntime(LIGHT / file, {input: picture(1, 3, 224, 224)})
    x = ag.Tensor(picture(1, 3, 224, 224), requires_grad=True)
    model(x).sum().backward()
    assert np.isfinite(x.grad.data).all()


VOICE = {"input": noise(1, 576), "state": noise(2, 1, 128), "sr": np.asarray(16000)}


@pytest.mark.parametrize(
    ("file", "but"),
    [
        ("silero_vad_16k_op15.onnx", ()),
        ("silero_vad.onnx", ("If_0_else_branch__Inline_0__", "If_0_then_branch__Inline_0__")),
        ("silero_vad_half.onnx", ()),
    ],
)
def test_silero_vad(file, but):
    """A speech detector; ``silero_vad.onnx`` holds a network for each of two rates, of which one runs."""
    path = path_of(f"{SILERO}/{file}")
    names = {i.name for i in ort.InferenceSession(path).get_inputs()}
    model, found = beside_onnxruntime(path, {name: x for name, x in VOICE.items() if name in names})
    check_gradients(model, found, but)
    assert sum(p.size for p in model.parameters() if p.grad is not None) == (309_632 if but else 309_633)


def test_silero_vad_over_a_sequence_with_a_recurrent_layer():
    path = path_of(f"{SILERO}/silero_vad_16k_sequence.onnx")
    feed = {"input": noise(5, 576), "h": noise(1, 1, 128), "c": noise(1, 1, 128)}
    check_gradients(*beside_onnxruntime(path, feed))


def test_magika():
    """Which type a file has, from its first and last bytes."""
    path = path_of("magika/models/standard_v3_3/model.onnx")
    feed = {"bytes": np.random.default_rng(0).integers(0, 256, (2, 2048)).astype("int32")}
    check_gradients(*beside_onnxruntime(path, feed))


@pytest.mark.parametrize(
    ("file", "image"),
    [
        ("ch_ppocr_mobile_v2.0_cls_infer.onnx", lambda: picture(2, 3, 48, 192)),
        ("ch_PP-OCRv4_rec_infer.onnx", lambda: written(48, 160)),
    ],
)
def test_rapidocr(file, image):
    """A classifier of a text's direction, and a text reader."""
    check_gradients(*beside_onnxruntime(path_of(f"{RAPIDOCR}/{file}"), {"x": image()}))


@pytest.mark.parametrize("size", [(64, 160), (320, 480)])
def test_rapidocr_text_detector(size, tmp_path):
    """Its logits, of up to 190, are those of onnxruntime like the outputs of other networks.

    The sigmoid behind them has a slope of up to 1/4, so that 1e-5 of the largest logit may be 5e-4 of a probability.
    """
    file, image = path_of(f"{RAPIDOCR}/ch_PP-OCRv4_det_infer.onnx"), written(*size)
    network = onnx.load(file)
    *rest, last = network.graph.node
    assert last.op_type == "Sigmoid"
    del network.graph.node[:]
    network.graph.node.extend(rest)
    network.graph.output[0].name = last.input[0]
    onnx.save(network, tmp_path / "logits.onnx")
    with ag.no_grad():
        _, (logits,) = beside_onnxruntime(tmp_path / "logits.onnx", {"x": image})
    largest = np.abs(logits.data).max()
    model, found = beside_onnxruntime(file, {"x": image}, largest * 1e-5 / 4)
    assert largest > 100
    assert (found[0].data > 0.3).mean() > 0.03  # it has found text
    check_gradients(model, found)


def test_compiled_networks_give_the_same_numbers():
    path = path_of(f"{SILERO}/silero_vad_16k_op15.onnx")
    model = nn.load_onnx(path)
    x, state = ag.Tensor(VOICE["input"]), ag.Tensor(VOICE["state"])

    def step(x, state):
        model.zero_grad()
        p, new = model(x, state, 16000) if len(model.inputs) == 3 else model(x, state)
        (p.sum() + (new * new).sum()).backward()
        return p, new, [q.grad for q in model.parameters()]

    want, got = step(x, state), ag.compile(step)(x, state)
    for w, g in zip([*want[:2], *want[2]], [*got[:2], *got[2]], strict=True):
        np.testing.assert_allclose(g.data, w.data, rtol=1e-6, atol=1e-7)
