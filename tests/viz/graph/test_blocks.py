"""The picture of an architecture: its cards, its branches, and what is said of equal blocks."""

from __future__ import annotations

import re

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad import nn
from glassgrad.viz.drawing import style
from glassgrad.viz.graph.blocks import draw_model
from glassgrad.viz.recorded.summary import summary
from tests.viz.laid_out import LaidOut, words

pytestmark = pytest.mark.usefixtures("shapes_only")


def cards(picture):
    """The cards by their key, each as its words."""
    found = re.findall(r"^\t+(\w+) \[label=<(.*?)> class=block", picture.source, flags=re.MULTILINE)
    return {key: words(label) for key, label in found}


def edges(picture):
    return re.findall(r'id="?f_(\w+)', picture.source)


PUBLISHED = {"alexnet": (61_100_840, 15), "vgg16": (138_357_544, 23)}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_networks_fit_on_a_page(name):
    parameters, most = PUBLISHED[name]
    model = getattr(nn.models, name)().eval()
    picture = draw_model(model, (1, 3, 224, 224))
    assert picture.title == f"{type(model).__name__}: {parameters:,} parameters"
    assert len(cards(picture)) <= most
    assert "not drawn" not in picture.source


def test_activations_stand_behind_the_layer_they_follow():
    picture = draw_model(nn.models.vgg11(batch_norm=True).eval(), (1, 3, 224, 224))
    shown = [*cards(picture).values()]
    assert "features.0 1×64×224×224 1,920 Conv2d 3×3, 64 BN, ReLU" in shown
    assert not any(said.startswith("ReLU") for said in shown)


class Twice(nn.Module):
    """One linear layer called twice, with another one between."""

    def __init__(self):
        self.inner, self.other = nn.Linear(4, 4, seed=0), nn.Linear(4, 4, seed=1)

    def forward(self, x):
        return self.inner(self.other(self.inner(x)))


def test_a_module_called_twice_says_so():
    shown = [*cards(draw_model(Twice(), (2, 4))).values()]
    assert "inner: the same Linear, call 2 2×4 shared Linear 4 → 4" in shown
    assert draw_model(Twice(), (2, 4)).title == "Twice: 40 parameters"


def test_a_frozen_part_is_drawn_and_stays_frozen():
    model = nn.Sequential(nn.Linear(4, 3, seed=0), nn.ReLU(), nn.Linear(3, 2, seed=1))
    for p in model[0].parameters():
        p.requires_grad = False
    picture = draw_model(model, (2, 4))
    assert any(said == "0 2×3 15 Linear 4 → 3 ReLU" for said in cards(picture).values())
    assert [p.requires_grad for p in model.parameters()] == [False, False, True, True]


def test_nothing_of_the_model_changes():
    model = nn.Sequential(nn.Conv2d(1, 2, 3, seed=0), nn.BatchNorm2d(2), nn.ReLU())
    before = {name: np.array(array.data) for name, array in model.named_buffers()}
    draw_model(model, (2, 1, 8, 8))
    after = dict(model.named_buffers())
    assert all(np.array_equal(before[name], after[name].data) for name in before)


def test_the_depth_opens_modules():
    model = nn.models.resnet18().eval()
    assert any(said.startswith("conv1") for said in cards(draw_model(model, (1, 3, 64, 64), depth=3)).values())
    closed = cards(draw_model(model, (1, 3, 64, 64), depth=1))
    assert any(re.match("layer4 .* Conv2d 3×3", said) for said in closed.values())


class Branching(nn.Module):
    """It looks at its values."""

    def __init__(self):
        self.linear = nn.Linear(2, 2, seed=0)

    def forward(self, x):
        return self.linear(x) if float(ag.sum(x)) > 0 else x


def test_constants_of_a_model_are_no_inputs():
    class Shifted(nn.Module):
        def __init__(self):
            self.linear = nn.Linear(4, 4, seed=0)

        def forward(self, x):
            return self.linear(x) + ag.Tensor(np.ones(4, np.float32))

    shown = [*cards(draw_model(Shifted(), (2, 4))).values()]
    assert len([said for said in shown if "input" in said]) == 1


class Sampled(nn.Module):
    """Takes a number and a pair beside its input, as a network for speech may."""

    def __init__(self):
        self.embedding, self.linear = nn.Embedding(10, 4, seed=0), nn.Linear(4, 2, seed=1)

    def forward(self, tokens, state, rate, mask=None):
        if rate not in (8000, 16000):
            raise ValueError(f"unknown rate {rate}")
        return self.linear(self.embedding(tokens) + state[0]) * state[1]


@pytest.mark.parametrize("rate", [16000, np.array(16000), ag.Tensor(16000)])
@pytest.mark.parametrize("tokens", [np.array([[1, 2]]), [[1, 2]]])
def test_examples_are_what_the_model_takes(tokens, rate):
    examples = tokens, ((1, 2, 4), 0.5), rate, None
    picture = draw_model(Sampled(), *examples)
    assert picture.title == "Sampled: 50 parameters"
    assert "Embedding" in " ".join(cards(picture).values())
    assert summary(Sampled(), *examples).parameters == 50


def test_a_model_that_depends_on_values_is_refused():
    with pytest.raises(ValueError, match="can't be followed without values"):
        draw_model(Branching(), (1, 2))


def test_no_line_crosses_the_title_of_a_module_beside_which_a_head_stands():
    model = nn.models.GoogLeNet(10, seed=0)
    picture = LaidOut(draw_model(model, (2, 3, 224, 224), depth=2))
    assert len(picture.titles) == 11
    folded = LaidOut(draw_model(model, (2, 3, 224, 224)))
    assert not folded.titles  # with its heads, it is opened by one level only: two would be wider than a page
    assert folded.width < style.WIDTH < picture.width
    for id_, line in picture.lines.items():
        for name, title in picture.titles.items():
            assert not any(title.holds(*point, slack=1) for point in line.points), (id_, name)
