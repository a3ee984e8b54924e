"""The picture of one window: what it says is what the engine computes."""

from __future__ import annotations

import re

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad import nn, viz
from glassgrad.viz.drawing.words import speaking
from tests.viz.outline import words

RNG = np.random.default_rng(0)


def convolution(shape=(2, 2, 6, 6), weight=(3, 2, 3, 3), **params):
    x = ag.Tensor(RNG.normal(size=shape), requires_grad=True, name="x")
    w = ag.Tensor(RNG.normal(size=weight), requires_grad=True, name="w")
    b = ag.Tensor(RNG.normal(size=weight[:1]), requires_grad=True, name="b")
    return x, w, ag.conv(x, w, b, **params)


def texts(picture):
    """The words of the grids, then those above them, of which the last is the sum."""
    (window,) = picture.items
    return words(window.label) + words(picture.graph["label"])


def last_number(said):
    return float(re.findall(r"-?\d[\d.]*(?:e-?\d+)?", said)[-1])


@pytest.mark.parametrize("params", [{}, {"stride": 2, "padding": 1}, {"dilation": 2}, {"padding": ((0, 2), (1, 0))}])
def test_the_sum_is_the_output(params):
    _, _, y = convolution(**params)
    for at in ((0, 0, 0, 0), (1, 2, 1, 1)):
        picture = viz.plot_window(y, at=at)
        assert last_number(texts(picture)[-1]) == pytest.approx(float(y.data[at]), rel=1e-3)
        assert f"The window of z1[{','.join(map(str, at))}]" in texts(picture)


@pytest.mark.parametrize("params", [{}, {"stride": 2, "padding": 1}, {"dilation": 2}])
def test_the_sum_over_the_outputs_reached_is_the_gradient(params):
    x, _, y = convolution(**params)
    loss = ag.sum(ag.tanh(y))
    gradient = ag.gradients(loss, x).data
    for point in ((0, 0, 0, 0), (1, 1, 3, 4)):
        picture = viz.plot_window(y, point=point, loss=loss)
        assert last_number(texts(picture)[-1]) == pytest.approx(float(gradient[point]), rel=1e-3)
    assert "∂L/∂z1[0,0]" in texts(viz.plot_window(y, point=(0, 0, 0, 0), loss=loss))


def test_groups_read_their_own_channels():
    x, _, y = convolution((1, 4, 5, 5), (6, 2, 2, 2), groups=2)
    picture = viz.plot_window(y, at=(0, 4, 0, 0))
    assert {"x[0,2]", "x[0,3]", "w[4,0]", "w[4,1]"} <= set(texts(picture))
    loss = ag.sum(y * y)
    picture = viz.plot_window(y, point=(0, 3, 2, 2), loss=loss)
    assert last_number(texts(picture)[-1]) == pytest.approx(float(ag.gradients(loss, x).data[0, 3, 2, 2]), rel=1e-3)


POOLS = [
    lambda x: ag.max_pool(x, size=3, stride=1),
    lambda x: ag.sum_pool(x, size=3, stride=1),
    lambda x: nn.functional.avg_pool2d(x, 3, stride=1),
]


@pytest.mark.parametrize("pool", POOLS, ids=["max", "sum", "mean"])
def test_pooling(pool):
    x = ag.Tensor(RNG.normal(size=(1, 2, 6, 6)), requires_grad=True, name="x")
    y = pool(x)
    loss = ag.sum(y * y)
    gradient = ag.gradients(loss, x).data
    said = texts(viz.plot_window(y, at=(0, 1, 2, 3)))[-1]
    assert last_number(said) == pytest.approx(float(y.data[0, 1, 2, 3]), rel=1e-3)
    most = np.unravel_index(int(np.argmax(np.abs(gradient))), gradient.shape)
    for point in [tuple(map(int, most)), (0, 0, 0, 0), (0, 1, 3, 2)]:
        said = texts(viz.plot_window(y, point=point, loss=loss))[-1]
        assert last_number(said) == pytest.approx(float(gradient[point]), rel=1e-3, abs=1e-12)


def test_one_axis_of_space(tmp_path):
    x = ag.Tensor(RNG.normal(size=(1, 1, 8)), requires_grad=True, name="x")
    w = ag.Tensor(RNG.normal(size=(2, 1, 3)), requires_grad=True, name="w")
    y = ag.conv(x, w, stride=2)
    loss = ag.sum(ag.sin(y))
    picture = viz.plot_window(y, point=(0, 0, 4), loss=loss)
    assert last_number(texts(picture)[-1]) == pytest.approx(float(ag.gradients(loss, x).data[0, 0, 4]), rel=1e-3)
    assert viz.plot_window(y, at=(0, 1, 2)).save(tmp_path / "w.png").stat().st_size > 1000


def test_entries_outside_of_the_input_are_0_in_a_sum_and_empty_in_a_maximum():
    x = ag.Tensor(-1.0 - RNG.random((1, 1, 4, 4)), requires_grad=True, name="x")
    for y, line, row in (
        (ag.max_pool(x, size=2, padding=1), "not counted", "-1"),
        (ag.sum_pool(x, size=2, padding=1), "counted as 0", "-1 | 0 | 0 | 0"),
    ):
        picture = viz.plot_window(y, at=(0, 0, 0, 0))
        assert any(f"grey = outside of the input, {line}" in text for text in texts(picture))
        assert texts(picture)[2] == row


def test_in_chinese_no_english_word_is_left():
    x, _, y = convolution((1, 6, 4, 4), (1, 6, 2, 2), padding=1)
    pooled = ag.max_pool(x, size=2, padding=1)
    with speaking("zh"):
        drawn = [viz.plot_window(of, at=(0, 0, 0, 0)) for of in (y, pooled)]
        drawn += [viz.plot_window(of, point=(0, 0, 1, 1), loss=ag.sum(of)) for of in (y, pooled)]
        told = [
            part for picture in drawn for part in (picture.title, *re.findall("<text[^>]*>([^<]*)<", picture.svg()))
        ]
    assert [said for said in told if re.search("[a-z]{3}", said.replace("max_", ""))] == []
