"""Each picture of the gallery is drawn as its text says, no wider than a page, and no line of it runs through a card.

``KEEP=1 python -m pytest`` writes the texts anew.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad import nn, viz
from glassgrad.viz.drawing import style
from tests.autograd.compiler.test_training import step_of as training_step
from tests.viz.kept import assert_kept
from tests.viz.laid_out import LaidOut
from tests.viz.outline import GALLERY, outline
from tests.viz.pictures import PICTURES, F, curvature, drawn_after_backward, held, leaf, numbers


def test_every_picture_has_its_text():
    assert {path.stem for path in GALLERY.glob("*.txt")} == PICTURES.keys()


@cache
def shown(name: str) -> Any:
    if name.startswith("onnx"):
        pytest.importorskip("onnx")
    return PICTURES[name]()


@pytest.mark.parametrize("name", PICTURES)
class TestPicture:
    def test_it_is_drawn_as_its_text_says(self, name):
        assert_kept(GALLERY / f"{name}.txt", outline(shown(name)))

    def test_it_fits_on_a_page_and_no_line_runs_through_a_card(self, name):
        picture = LaidOut(shown(name))
        assert picture.width <= style.WIDTH
        for id_, line in picture.lines.items():
            ends = [card for card in picture.cards.values() if card.near(line.start) or card.near(line.end)]
            for key, card in picture.cards.items():
                assert card in ends or not any(card.holds(*point, slack=2) for point in line.points), (id_, key)


LABELS = ["golden retriever", "German shepherd dog", "African bush elephant", "steam locomotive", "electric ray"]
MANY = np.random.default_rng(0).integers(0, 26, 9999)


def long_names() -> ag.Tensor:
    a, b, c = (leaf(1.5e-6 * i, f"coefficient_number_{i}_of_the_polynomial") for i in (1, 2, 3))
    return a * b + ag.sin(a) * ag.exp(c) + b * c


def attention() -> ag.Tensor:
    x = held(100 * numbers(1, 12, 16, dtype="float32"), "x")
    return ag.mean(nn.MultiheadAttention(16, 1, batch_first=True, seed=0)(x, x, x)[0] ** 2)


def network(*sizes: int, **options: Any) -> viz.Picture:
    return viz.draw_network(nn.MLP(sizes, "tanh", seed=0), numbers(sizes[0], dtype="float32"), **options)


def window() -> viz.Picture:
    x, w = leaf(numbers(1, 3, 28, 28), "x"), leaf(numbers(2, 3, 7, 7), "w")
    return viz.plot_window(F.conv2d(x, w, padding=3), at=(0, 1, 4, 4))


class Branches(nn.Module):
    def __init__(self) -> None:
        self.parts = nn.ModuleList(nn.MLP([32, 16, 8], "relu", seed=i) for i in range(8))

    def forward(self, x: Any) -> ag.Tensor:
        return ag.concat([part(x) for part in self.parts], axis=1)


class Dense(nn.Module):
    """Each layer reads all earlier ones."""

    def __init__(self) -> None:
        self.layers = nn.ModuleList(nn.Linear(4 * i, 4, seed=i, dtype="float64") for i in range(1, 9))

    def forward(self, x: Any) -> ag.Tensor:
        read = [x]
        for layer in self.layers:
            read.append(ag.relu(layer(ag.concat(read, axis=1))))
        return ag.concat(read, axis=1)


def deep_step() -> Any:
    model = nn.Sequential(*[nn.TransformerEncoderLayer(4, 2, 4, seed=0) for _ in range(4)])
    step = training_step(model, nn.optim.Adam(model.parameters()), F.mse_loss)
    return ag.trace(step, *[ag.zeros((1, 3, 4), dtype="float32")] * 2).optimized()


def vmap_of_a_scan() -> ag.Tensor:
    w, x = leaf(numbers(3, 3), "w"), held(numbers(2, 5, 3), "x")
    read = ag.vmap(lambda x: ag.scan(lambda h, x: (ag.tanh(w @ h + x), None), ag.zeros(3), x)[0])
    return ag.sum(read(x) ** 2)


WIDE = {  # what users have, and the gallery has not
    "small network": lambda: network(3, 4, 4, 2, target=0),
    "deep network": lambda: network(20, *[32] * 6, 10, target=3),
    "network of an image": lambda: network(256, *[32] * 4, 10, target=3, image=(16, 16)),
    "network with long names": lambda: network(256, 16, 8, 5, target=3, image=(16, 16), classes=LABELS),
    "large window": window,
    "long names": lambda: viz.draw_graph(long_names(), gradients=True),
    "tape": lambda: viz.draw_tape(F.cross_entropy(nn.MLP([3, 4, 4, 2], seed=0)(held(numbers(2, 3), "x")), [0, 1])),
    "attention with warnings": lambda: viz.draw_modules(attention()),
    "curvature of arrays": lambda: viz.draw_graph(ag.sum(curvature(leaf(numbers(2, 6), "x")) ** 2), gradients=True),
    "tape of a curvature": lambda: viz.draw_tape(curvature(leaf(0.5, "x"))),
    "many leaves": lambda: drawn_after_backward(ag.sum(ag.concat([leaf(numbers(2), f"w{i}") for i in range(20)]))),
    "many numbers": lambda: drawn_after_backward(ag.sum(ag.stack([leaf(float(i), f"w{i}") for i in range(8)]))),
    "vmap of a scan": lambda: viz.draw_graph(vmap_of_a_scan(), gradients=True),
    "program of many lines": lambda: viz.draw_graph(deep_step()),
    "modules that read all earlier ones": lambda: viz.draw_modules(ag.sum(Dense()(held(numbers(2, 4), "x")))),
    "many branches": lambda: viz.draw_model(Branches(), (2, 32)),
    "long title": lambda: viz.draw_graph(leaf(1.0, "w") * 2, title="a title of several words " * 9),
    "confusion": lambda: viz.plot_confusion(MANY, MANY[::-1]),
    "confusion of many classes": lambda: viz.plot_confusion(MANY, MANY[::-1] + 30),
    "confusion of long names": lambda: viz.plot_confusion(MANY % 5, MANY // 6, classes=LABELS),
    "history": lambda: viz.plot_history(dict.fromkeys(["loss", "accuracy", "lr", "norm"], (3.0, 2.0))),
}


@pytest.mark.parametrize("name", WIDE)
def test_what_users_have_fits_on_a_page_at_a_size_that_is_read(name):
    svg = WIDE[name]()._repr_svg_()
    assert float(re.search(r'width="([\d.]+)pt"', svg)[1]) <= style.WIDTH
    sizes = re.findall(r'(?:font-size="|font-size: |font: (?:\w+ )?)([\d.]+)', svg)
    assert min(map(float, sizes)) >= 9
