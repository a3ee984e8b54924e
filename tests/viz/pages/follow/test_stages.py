"""The page that follows layers of maps or steps of time: numbers, windows, verdicts, and what a reader does."""

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad import nn, viz
from glassgrad.viz.pages.follow import stages
from glassgrad.viz.pages.follow.network import read
from tests.viz.pages.browser import browse, needs_chromium
from tests.viz.pages.follow.test_token import TOOLS

LONG = "--virtual-time-budget=90000"


class Residual(nn.Module):
    """x + convolution of x."""

    def __init__(self):
        self.inner = nn.Conv2d(3, 3, 3, padding=1, seed=1)

    def forward(self, x):
        return ag.tanh(x + self.inner(x))


class Reader(nn.Module):
    """Letters, read by a recurrent layer."""

    def __init__(self, layer, **options):
        self.embedding = nn.Embedding(6, 3, seed=0)
        self.reader = layer(3, 4, batch_first=True, seed=1, **options)
        self.head = nn.Linear(4, 6, seed=2)

    def forward(self, x):
        return self.head(self.reader(self.embedding(x))[0])


def doubled(model):
    for p in model.parameters():
        p.data = np.asarray(p.data, "float64")
    return model


def maps():
    first, last = nn.Conv2d(1, 3, 5, stride=2, padding=2, seed=0), nn.Linear(12, 4, seed=2)
    return doubled(nn.Sequential(first, nn.ReLU(), Residual(), nn.MaxPool2d(2), nn.Flatten(), last))


IMAGE = np.random.default_rng(0).normal(size=(1, 1, 8, 8))


def gradients(model, x, target, which):
    x = ag.Tensor(x, requires_grad=x.dtype.kind == "f")
    output = model(x)
    losses = ag.cross_entropy(ag.reshape(output, (-1, output.shape[-1])), np.ravel(target), reduction="none")
    ag.sum(losses * which).backward()
    return x.grad, {name: np.ravel(p.grad.data) for name, p in model.named_parameters()}


@needs_chromium
def test_maps(tmp_path):
    page = viz.follow(maps(), IMAGE, [2], classes=["a", "b", "c", "d"])
    seen = browse(page, tmp_path, TOOLS + "await maps();", "", LONG)
    x, parameters = gradients(maps(), IMAGE, [2], 1.0)
    np.testing.assert_allclose(seen["x"], np.ravel(x.data), rtol=1e-9, atol=1e-15)
    for name, found in seen["parameters"].items():
        np.testing.assert_allclose(found, parameters[name], rtol=1e-9, atol=1e-15)
    assert seen["verdict"].startswith("✓")
    assert seen["unsure"] == 0
    assert seen["labels"] == ["x", "Conv2d, ReLU", "Residual", "MaxPool2d"]
    assert sum(seen["share"]) == pytest.approx(1)
    assert seen["cone"] == [[[0, 4], [0, 4]], [[1, 1], [1, 1]]]
    assert seen["up"][1] == [[0, 1], [0, 1]]
    assert seen["sent"].endswith("✓")
    assert 0 < seen["patches"] <= 3
    assert seen["frames"] > 2
    assert all(found.startswith("✗") for found in seen["faults"].values()), seen["faults"]
    assert seen["at"] == [1, 2, 9, "Conv2d, ReLU 2: 2, 1"]
    assert seen["painted"][1] == seen["painted"][2] != seen["painted"][0]
    assert seen["target"] == 0
    assert seen["said"] == "MaxPool2d"
    assert seen["dark"]
    assert "You guessed 20 %" in seen["answer"]


@pytest.mark.check
@needs_chromium
def test_a_large_one_is_recorded_with_means_and_its_shares(tmp_path, monkeypatch):
    monkeypatch.setattr(stages, "LIVE", 100)
    monkeypatch.setattr(stages, "SIDE", 4)
    seen = browse(viz.follow(maps(), IMAGE, [2]), tmp_path, TOOLS + "await recordedMaps();", "", LONG)
    x, _ = gradients(maps(), IMAGE, [2], 1.0)
    assert seen["verdict"].startswith("as recorded, not checked")
    assert seen["sizes"] == [[4, 4, 1], [4, 4, 3], [4, 4, 3], [2, 2, 3]]
    means = x.data.reshape(4, 2, 4, 2).mean(axis=(1, 3))
    np.testing.assert_allclose(seen["x"], means.ravel(), rtol=1e-6, atol=1e-9)
    assert sum(seen["share"]) == pytest.approx(1)
    assert seen["length"] == pytest.approx(float(np.sqrt(np.square(x.data).sum())))
    assert seen["reached"] == [np.count_nonzero(x.data), 64]
    assert seen["frames"] == 2
    assert "mean of 4 values" in seen["cell"]


@pytest.mark.check
@needs_chromium
@pytest.mark.parametrize(
    ("layer", "options", "names"),
    [
        (nn.LSTM, {}, ["i", "f", "g", "o", "c", "h"]),
        (nn.GRU, {"num_layers": 2}, [f"{name}{layer}" for layer in (1, 2) for name in "rznh"]),
        (nn.RNN, {}, ["h"]),
    ],
)
def test_time(layer, options, names, tmp_path):
    model = doubled(Reader(layer, **options))
    text = [0, 1, 2, 3, 1, 0]
    page = viz.follow(model, text, symbols=["·", *"abcde"])
    seen = browse(page, tmp_path, TOOLS + "await time();", "", LONG)
    which = np.eye(5)[3]
    _, parameters = gradients(model, np.array([text[:-1]]), text[1:], which)
    for name, found in seen["parameters"].items():
        np.testing.assert_allclose(found, parameters[name], rtol=1e-9, atol=1e-15)
    states = model.reader(model.embedding(np.array([text[:-1]])))[0]
    np.testing.assert_allclose(seen["values"], states.data[0, 2], rtol=1e-12)
    assert seen["verdict"].startswith("✓")
    assert seen["names"] == names
    assert seen["tokens"] == ["·", "a", "b", "c", "a"]
    assert seen["reach"][4:] == [0]
    assert all(length > 0 for length in seen["reach"][:4])
    assert seen["fault"].startswith("✗")
    assert seen["fell"]
    assert seen["undone"]
    assert seen["chosen"] == 1
    assert seen["left"] == [True, False, ""]
    assert seen["word"] == "·dab"


def test_windows_have_a_size_for_each_axis():
    wide = nn.Conv2d(1, 2, (3, 5), stride=(1, 2), padding=(0, 1), seed=0), nn.MaxPool2d((2, 1)), nn.Flatten()
    flat = nn.Conv1d(2, 2, 3, padding=1, dilation=2, seed=0), nn.MaxPool1d(2), nn.Flatten()
    for layers, x, windows in (
        (wide, IMAGE, [((3, 1, 0), (5, 2, 1)), ((2, 2, 0), (1, 1, 0))]),
        (flat, IMAGE.reshape(1, 2, 32), [((1, 1, 0), (5, 1, 1)), ((1, 1, 0), (2, 2, 0))]),
    ):
        found = stages.Maps(read(nn.Sequential(*layers), x, None, None))
        assert [stage.window for stage in found.stages[1:]] == windows
    assert [stage.size for stage in found.stages] == [(1, 32), (1, 30), (1, 15)]


@pytest.mark.check
@needs_chromium
def test_a_loss_of_numbers_names_no_class_and_frozen_weights_do_not_learn(tmp_path):
    named = nn.Module()
    named.x = nn.Parameter(np.ones((3, 2)))  # a weight with the name of the input
    named.forward = lambda x: ag.exp(ag.tanh(x @ named.x))
    assert list(read(named, np.ones((1, 3)), None, None).memory) == ["x"]
    frozen = doubled(nn.Sequential(nn.Linear(3, 4, seed=0), nn.Tanh(), nn.Linear(4, 1, seed=1)))
    for p in frozen.parameters():
        p.requires_grad = False
    page = viz.follow(frozen, [[1.0, 2.0, 3.0]], [0.5], loss=lambda output, y: (output - y) ** 2)
    script = """
      seen.verdict = await checked(); seen.said = text('#sentence'); seen.classes = all('[data-class]').length;
      seen.learn = el('step') === null; document.dispatchEvent(press('Escape')); seen.loss = S.loss;
    """
    seen = browse(page, tmp_path, TOOLS + script, "", LONG)
    assert seen["verdict"].startswith("✓")
    assert seen["said"].startswith("The loss is ")
    assert [seen[name] for name in ("classes", "learn", "loss")] == [0, True, 0]
