"""One example through a network: which neurons and lines are drawn, with which numbers, and what is refused."""

from __future__ import annotations

import re
from html import unescape
from itertools import combinations, pairwise

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad import nn
from glassgrad.viz.drawing import style
from glassgrad.viz.drawing.texts import text_width
from glassgrad.viz.plots.network import draw_network
from tests.viz.laid_out import LaidOut

WEIGHTS = ([[1, -2], [-1, 1]], [[2, -1], [-2, -1]], [[3, -1], [-1, 4]])
BIASES = ([1, 0], [0, 0], [-2, 2])


def lecture(x):
    for w, b in zip(WEIGHTS, BIASES, strict=True):
        x = ag.sigmoid(ag.linear(x, ag.Tensor(np.array(w, float), requires_grad=True), ag.Tensor(np.array(b, float))))
    return x


def words(picture):
    """The text of the labels, without markup."""
    return re.sub(r"\s+", " ", unescape(re.sub("<[^<>]*>", " ", picture.source)))


def ids(picture, start):
    return re.findall(rf'id="?({start}\w*)', picture.source)


def line(picture, name):
    """The DOT of an edge or a node, by its id."""
    return next(text for text in picture.source.splitlines() if re.search(rf'id="?{name}[ "\]]', text))


@pytest.fixture(scope="module")
def small():
    return draw_network(lecture, [1.0, -1.0], [1.0, 0.0])


@pytest.fixture(scope="module")
def large():
    bits = (np.random.default_rng(0).random((1, 256)) < 0.3).astype(np.float32)
    return draw_network(nn.MLP([256, 50, 40, 10], seed=0), bits, 8, image=(16, 16))


class TestLecture:
    def test_every_weight_is_a_line_and_the_negative_ones_are_hollow(self, small):
        lines = ids(small, "w_i")
        negative = [
            f"w_i{k}_{j}_i{k + 1}_{i}" for k, w in enumerate(WEIGHTS) for i in (0, 1) for j in (0, 1) if w[i][j] < 0
        ]
        assert len([name for name in lines if not name.endswith("_in")]) == 12
        assert sorted(name[:-3] for name in lines if name.endswith("_in")) == sorted(negative)
        inside = line(small, f"{negative[0]}_in")
        assert f'color="{style.LIGHT.paper}"' in inside
        assert re.search('pos="[^"]+"', inside)[0] in line(small, negative[0])  # one course, or they part

    def test_one_scale_for_the_whole_picture_and_for_both_signs(self, small):
        lines = LaidOut(small).lines
        low, more = style.WEIGHT_WIDTH
        for k, layer in enumerate(WEIGHTS):
            for (i, j), w in np.ndenumerate(np.array(layer)):
                width = lines[f"w_i{k}_{j}_i{k + 1}_{i}"].width
                assert width == pytest.approx(low + more * abs(w) / 4, abs=0.01), (k, i, j)

    def test_also_the_thinnest_hollow_line_is_hollow(self, small):
        lines = LaidOut(draw_network(nn.MLP([2, 4, 4, 2], seed=1), [1.0, -1.0])).lines
        inside = [line.width for name, line in lines.items() if name.endswith("_in")]
        assert min(inside) >= 0.5


class TestNothingCollides:
    def test_small_numbers_stay_within_their_discs(self):
        weights = [ag.Tensor([[w]]) for w in (-0.001246, 1.5)]
        drawn = draw_network(lambda x: ag.linear(ag.tanh(ag.linear(x, weights[0], None)), weights[1], None), [1.0])
        disc = line(drawn, "n_i1_0")
        found = re.findall(r'POINT-SIZE="(\d+)"[^>]*>(?:<B>)?([^<]+)', disc, re.IGNORECASE)
        assert [said for _, said in found] == ["-0.001246", "z -0.001246"]
        assert all(text_width(said, int(size)) < 2 * 26 - 3 for size, said in found), found

    @pytest.mark.parametrize("sizes", [(2, 2, 2, 2), (2, 4, 4, 2), (4, 3, 3), (3, 6, 5, 2), (2, 8, 8, 1)])
    def test_numbers_are_on_their_lines_and_meet_nothing(self, sizes):
        random = np.random.default_rng(len(sizes))
        model, x, y = nn.MLP(sizes, seed=1), random.normal(size=sizes[0]), random.normal(size=sizes[-1])
        drawn = LaidOut(draw_network(model, x, y))
        solid = {name: box for name, box in drawn.cards.items() if name[0] in "iwbgtL"}
        for (one, a), (other, b) in combinations(solid.items(), 2):
            assert not a.overlaps(b), (one, other)
        numbered = [name for name in solid if name.startswith("w")]
        for name in numbered:
            place, i, j = map(int, name[1:].split("_"))
            ends = drawn.lines[f"w_i{place - 1}_{j}_i{place}_{i}"]
            (x0, y0), (x1, y1) = ends.start, ends.end
            at = solid[name]
            assert abs(at.y - (y0 + (y1 - y0) * (at.x - x0) / (x1 - x0))) < 1, name
        assert len(numbered) == sum(a * b for a, b in pairwise(sizes) if b <= 4 and a * b <= 16)


class TestDigits:
    def test_those_of_a_layer_are_drawn_that_move_the_loss_most(self, large):
        bits = (np.random.default_rng(0).random((1, 256)) < 0.3).astype(np.float32)
        model = nn.MLP([256, 50, 40, 10], seed=0)
        with ag.enable_grad():
            first = ag.sigmoid(model.layers[0](ag.asarray(bits)))
            second = ag.sigmoid(model.layers[2](first))
            loss = ag.cross_entropy(model.layers[4](second), np.array([8]))
        for place, (a, g) in enumerate(zip((first, second), ag.gradients(loss, [first, second]), strict=True), 1):
            effect = np.abs(a.detach().numpy() * g.numpy())[0]
            most = sorted(np.argsort(-effect)[:6].tolist())
            assert ids(large, f"n_i{place}_") == [f"n_i{place}_{k}" for k in most]

    def test_without_a_target_those_are_drawn_that_reach_the_outputs_most(self):
        w, v = np.eye(9), np.array([[0.1, 5.0, 0.2, 4.0, 3.0, 2.0, 0.3, 1.0, 6.0]])
        picture = draw_network(
            lambda x: ag.linear(ag.tanh(ag.linear(x, ag.Tensor(w), None)), ag.Tensor(v), None), np.ones(9)
        )
        assert ids(picture, "n_i1_") == [f"n_i1_{k}" for k in (1, 3, 4, 5, 7, 8)]

    def test_a_line_from_the_picture_stands_for_all_its_weights(self, large):
        bits = (np.random.default_rng(0).random((1, 256)) < 0.3).astype(np.float32)
        weight = nn.MLP([256, 50, 40, 10], seed=0).layers[0].weight.detach().numpy()
        name = next(name for name in ids(large, "w_img") if not name.endswith("_in"))
        said = float(re.search(r": (-?[\d.e-]+)", line(large, name))[1])
        assert said == pytest.approx(float(weight[int(name.rpartition("_")[2])] @ bits[0]), rel=1e-4)


class TestOtherNetworks:
    def test_integer_pixels_and_frozen_parameters_will_do(self):
        model = nn.MLP([64, 10], seed=0)
        for parameter in model.parameters():
            parameter.requires_grad_(False)
        assert "64-10" in draw_network(model, np.ones((1, 64), dtype=np.uint8), 1).title

    def test_it_draws_within_no_grad_and_leaves_gradients_alone(self):
        model = nn.MLP([4, 3], seed=0)
        with ag.no_grad():
            draw_network(model, np.ones((1, 4), dtype=np.float32), 1)
        assert all(parameter.grad is None for parameter in model.parameters())

    def test_not_finite_values_are_drawn(self):
        w = np.array([[1.0, np.nan], [1.0, 1.0]])
        picture = draw_network(lambda x: ag.linear(x, ag.Tensor(w), None), [1.0, 1.0])
        assert style.LIGHT.bad_bg in line(picture, "n_i1_0")
        assert style.LIGHT.bad in line(picture, "w_i0_1_i1_0")
        picture.svg()
