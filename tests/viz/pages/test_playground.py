"""The playground: refusals, its numbers against Python's, and how it is used, in headless Chromium."""

import re
from pathlib import Path

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad import nn, viz
from glassgrad.viz.drawing.errors import DrawingError
from glassgrad.viz.pages import emitted
from glassgrad.viz.pages.playground import _Document
from tests.training import updating
from tests.viz.pages.browser import LOW_CONTRAST, browse
from tests.viz.pages.browser import needs_chromium as needs_browser

BCE = nn.functional.binary_cross_entropy_with_logits
POINTS = np.array([[0.0, 0.1], [1.0, 0.2], [0.3, 0.9], [0.8, 1.0], [0.4, 0.4]])
LABELS = np.array([0, 1, 1, 0, 1])


def moons(n=40):
    random = np.random.default_rng(0)
    angle = random.uniform(0, np.pi, (2, n))
    upper = np.stack([np.cos(angle[0]), np.sin(angle[0])], -1)
    lower = np.stack([1 - np.cos(angle[1]), 0.5 - np.sin(angle[1])], -1)
    return np.concatenate([upper, lower]) + random.normal(0, 0.1, (2 * n, 2)), np.repeat([0, 1], n)


def model(*sizes, activation="tanh"):
    return nn.MLP(list(sizes), activation=activation, seed=0)


def entropy(p, y):
    return -ag.mean(y * ag.log(p) + (1 - y) * ag.log(1 - p))


def descent(network, lr=0.1):
    return nn.optim.SGD(network.parameters(), lr=lr)


def document(network, loss=BCE, y=LABELS, optimizer=None):
    return _Document(network, loss, POINTS, y, optimizer or descent(network), None)


# ---------------------------------------------------------------- what Python makes of it


def test_nothing_of_the_callers_changes():
    network = model(2, 3, 1)
    optimizer = nn.optim.Adam(network.parameters(), lr=0.1)
    tensors = [*network.parameters(), *(t for state in optimizer.state.values() for t in state.values())]
    loss = BCE(network(ag.Tensor(POINTS.astype("float32"))), ag.Tensor(LABELS[:, None].astype("float32")))
    loss.backward()
    before = [(t.data, np.array(t.data), t.grad) for t in tensors]
    viz.playground(network, BCE, POINTS, LABELS[:, None].astype(float), optimizer=optimizer)
    for tensor, (array, copy, grad) in zip(tensors, before, strict=True):
        assert tensor.data is array or tensor.shape == ()
        assert tensor.dtype == copy.dtype
        np.testing.assert_array_equal(tensor.data, copy)
        assert tensor.grad is grad


@pytest.mark.parametrize(
    ("network", "loss", "y", "cut", "found"),
    [
        (model(2, 3, 1), BCE, LABELS[:, None].astype(float), 0.0, LABELS),
        (model(2, 3, 1), nn.functional.mse_loss, LABELS[:, None].astype(float), 0.5, LABELS),
        (model(2, 3, 1), nn.functional.mse_loss, 2.0 * LABELS[:, None] - 1, 0.0, LABELS),
        (nn.Sequential(model(2, 3, 1), nn.Sigmoid()), entropy, LABELS[:, None].astype(float), 0.5,
         LABELS),
        (model(2, 3, 3), nn.functional.cross_entropy, [0, 1, 2, 0, 1], 0.0, [0, 1, 2, 0, 1]),
        (model(2, 3, 2), nn.functional.mse_loss, np.eye(2)[LABELS], 0.0, LABELS),
    ],
)  # fmt: skip
def test_classes_are_read_from_y_and_the_cut_from_the_loss(network, loss, y, cut, found):
    made = document(network, loss, y=y)
    assert made.cut == cut
    assert made.targets.classes.tolist() == list(found)
    np.testing.assert_array_equal(made.targets.codes[made.targets.classes].reshape(np.shape(y)), y)


def test_the_model_may_be_a_function_of_tensors_of_one_name():
    first, second = (ag.Tensor(v, requires_grad=True, name="w") for v in (np.ones((3, 2)), np.ones((1, 3))))
    sgd = nn.optim.SGD([first, second], lr=0.1)
    network = lambda x: ag.linear(ag.relu(ag.linear(x, first, None)), second, None)  # noqa: E731
    made = document(network, y=LABELS[:, None].astype(float), optimizer=sgd)
    names = {layer["w"] for layer in made.layers}
    assert len(names) == 2
    for program in made.made.programs.values():
        assert {state.name for state in program.states if state.origin is first or state.origin is second} == names


def test_too_large_is_a_sentence_with_its_numbers(monkeypatch):
    monkeypatch.setattr(emitted, "PRODUCTS", 10_000)
    with pytest.raises(
        DrawingError, match=r"14,553 multiplications a step, about 0.0066 ms in a browser.*fewer examples"
    ):
        document(model(2, 3, 1), y=LABELS[:, None].astype(float))


def test_names_are_escaped_and_the_page_is_saved(tmp_path):
    evil, file = '</script><img src=x onerror="boom()"> & "q"', tmp_path / "a.html"
    loss = nn.functional.cross_entropy
    network = model(2, 2)
    named = {"optimizer": descent(network), "classes": [evil, "b"], "title": evil}
    page = viz.playground(network, loss, POINTS, LABELS, file, **named)
    assert file.read_text("utf-8") == page.html
    assert "<img" not in page.html
    assert page.html.count("</script>") == 3
    assert not re.search(r"\beval\(|new Function", page.html)


# ---------------------------------------------------------------- in the browser


class Mirror:
    """The same training in Python, in float64."""

    def __init__(self, optimizer):
        self.model = model(2, 8, 8, 1)
        for p in self.model.parameters():
            p.data = p.data.astype("float64")
        self.optimizer = optimizer(self.model.parameters())
        x, labels = moons()
        self.x, self.y = ag.Tensor(x), ag.Tensor(labels[:, None].astype(float))

    def loss(self):
        self.optimizer.zero_grad()
        loss = BCE(self.model(self.x), self.y)
        loss.backward()
        return loss.item()

    def train(self, steps):
        for _ in range(steps):
            self.loss()
            self.optimizer.step()


# Chromium draws only a few frames of a page that it dumps: in the script a frame is a timer.
SCRIPT = Path(__file__).with_name("playground.js").read_text("utf-8")


@pytest.mark.check
@needs_browser
def test_the_page_trains_as_python_does_and_everything_can_be_moved(tmp_path):
    x, labels = moons()
    network = model(2, 8, 8, 1)
    adam = nn.optim.Adam(network.parameters(), lr=0.03)
    page = viz.playground(network, BCE, x, labels[:, None].astype(float), optimizer=adam)
    script = f"{SCRIPT} await train(); await turnWeights(); await moveData(); await rest(); {{{LOW_CONTRAST}}}"
    seen = browse(page, tmp_path, script, "", "--virtual-time-budget=60000", "--window-size=1280,800")

    def close(found, wanted):
        return abs(found - wanted) <= 1e-12 * max(1, abs(wanted))

    mirror = Mirror(lambda parameters: nn.optim.Adam(parameters, lr=0.03))
    assert seen["title"] == "2-8-8-1: how a network bends space"
    assert close(seen["start"]["loss"], mirror.loss())
    mirror.train(50)
    assert close(seen["half"]["loss"], mirror.loss())
    mirror.train(50)
    assert seen["full"] == seen["trained"]
    assert seen["trained"]["step"] == 100
    assert close(seen["trained"]["loss"], mirror.loss())
    layers = [layer for layer in mirror.model.layers if isinstance(layer, nn.Linear)]
    for size, layer in zip(seen["gauges"], layers, strict=True):
        assert close(size, np.sqrt(np.mean(layer.weight.grad.data**2)))
    assert np.allclose(seen["filled"], np.clip(np.log10(seen["gauges"]) + 7, 0, 7), atol=1e-5)

    weight = layers[0].weight
    trained = float(weight.data[1, 1])
    assert seen["code"].startswith("d_layers_0_weight (8, 2) = ")
    for name, value in {
        "chosen": trained,
        "nudged": round(trained + 0.1, 2),
        "zero": 0.0,
        "typed": 1.25,
        "undone": trained,
        "dragged": round(trained + 0.52, 2),
        "escaped": trained,
        "line": round(trained + 0.3, 2),
    }.items():
        found = seen[name]
        weight.data = np.where(np.arange(16).reshape(8, 2) == 3, value, weight.data)
        assert close(found["weight"], value), name
        assert close(found["loss"], mirror.loss()), name
        assert close(found["gradient"], weight.grad.data[1, 1]), name
        assert found["word"] == "ok"
    weight.data = np.where(np.arange(16).reshape(8, 2) == 3, trained, weight.data)
    assert seen["role"] == "spinbutton"
    assert seen["label"] == seen["typing"] == "W1[1, 1], the chosen parameter"

    assert seen["focused"] == "plane"
    low, high = x.min(0) - 0.12 * np.ptp(x, 0), x.max(0) + 0.12 * np.ptp(x, 0)
    mirror.x.data[0] = np.clip(mirror.x.data[0] + (0.05, 0.25), low, high)
    assert close(seen["moved"]["loss"], mirror.loss())
    mirror.x.data[-1] = 0.0
    assert seen["pulled"]["loss"] == pytest.approx(mirror.loss(), rel=1e-6)  # the pointer's place is rounded
    mirror.y.data[-1] = 0.0
    assert seen["other"]["loss"] == pytest.approx(mirror.loss(), rel=1e-6)

    assert (seen["back"]["step"], seen["again"]["step"]) == (50, 51)
    assert seen["layers"] == [
        "Input space",
        "After layer 1",
        "After layer 1 to after layer 2",
        "After layer 2",
        "Output",
    ]
    assert (seen["large"], seen["pressed"]) == ("x1", "true")
    assert seen["ran"]["step"] > 51
    assert seen["rate"] == pytest.approx(0.03 * 1.02**10, rel=1e-2)
    assert seen["fresh"]["step"] == 0
    assert seen["fresh"]["loss"] != seen["start"]["loss"]
    assert (seen["small"], seen["low"]) == ([], [])
    assert seen["wide"] <= seen["width"]


@pytest.mark.check
@needs_browser
def test_plain_descent_three_classes_and_a_narrow_dark_page(tmp_path):
    x, labels = moons(20)
    labels = labels + (x[:, 0] > 1) * labels
    network = model(2, 16, 3, activation="relu")
    page = viz.playground(network, nn.functional.cross_entropy, x, labels, optimizer=descent(network, 0.2))
    script = (
        f"{SCRIPT} for (let k = 0; k < 100; k++) el('one').click();"
        f"seen.trained = state(); seen.said = text('#planesaid'); layout(); {{{LOW_CONTRAST}}}"
        "seen.fit = getComputedStyle(el('maps')).objectFit;"
    )
    seen = browse(page, tmp_path, script, "#theme=dark", "--virtual-time-budget=9000", "--window-size=390,900")
    assert seen["fit"] == "contain", "on paper, which has another width, the maps lie where the drawing of neurons does"
    for p in network.parameters():
        p.data = p.data.astype("float64")
    optimizer = nn.optim.SGD(network.parameters(), lr=0.2)
    step = updating(optimizer, lambda: nn.functional.cross_entropy(network(ag.Tensor(x)), ag.Tensor(labels)))
    assert abs(seen["trained"]["loss"] - [step() for _ in range(101)][-1].item()) < 1e-12
    assert seen["trained"]["word"] == "ok"
    assert seen["said"].endswith("of 40 right")
    assert (seen["small"], seen["low"]) == ([], [])
    assert seen["wide"] <= seen["width"] <= 500


@pytest.mark.check
@needs_browser
def test_a_slope_that_is_lost_in_the_rounding_of_a_large_loss_is_not_called_wrong(tmp_path):
    x = np.random.default_rng(0).normal(size=(20, 2)) * 1e-5
    network = nn.MLP([2, 3, 1], activation="relu", seed=0)
    loss = lambda z, y: nn.functional.mse_loss(z, 1e7 * (2 * y - 1))  # noqa: E731
    page = viz.playground(network, loss, x, [[0.0], [1.0]] * 10, optimizer=descent(network))
    seen = browse(
        page,
        tmp_path,
        SCRIPT + "await frame('start'); seen.said = el('wcheck').textContent;",
        "",
        "--virtual-time-budget=9000",
    )
    assert seen["start"]["word"] == "not checked"
    assert seen["said"] == "not checkeda small change of it is lost in the rounding of L"
