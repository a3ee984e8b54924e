"""The tape and its mirror: every operation beside its derivative, and between them what was kept."""

import re

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad.viz.graph.picture import draw_graph
from glassgrad.viz.graph.tape import draw_tape, kept
from glassgrad.viz.recorded.scene import Scene
from tests.viz.graph.test_picture import edge, node
from tests.viz.laid_out import LaidOut, parameter, words
from tests.viz.pictures import curvature, tape

T = ag.Tensor


def test_two_straight_columns_and_derivatives_beside_their_operations():
    cards = LaidOut(tape()).cards
    operations = ["t1", "t2", "z1", "a1", "t3", "t4", "t5", "L"]
    left, right = [cards[key] for key in operations], [cards[f"d_{key}"] for key in operations]
    assert len({card.x for card in left}) == len({card.x for card in right}) == 1
    assert [card.y for card in left] == [card.y for card in right]
    assert [card.y for card in left] == sorted((card.y for card in left), reverse=True)
    for key in "wb":
        assert cards[key].y == cards[f"g_{key}"].y


def test_kept_is_what_the_engine_saved():
    x, w, s = parameter(np.ones((3, 2)), "x"), parameter(np.ones((2, 2)), "w"), T(np.full((3, 2), 0.5), name="s")
    y = ag.sum(ag.concat([ag.tanh(x @ w) * s, x / w[0]]) ** 2)
    for card in Scene(y).cards:
        if card.node is not None:
            arrays = [saved for saved in card.node.saved if hasattr(saved, "shape")]
            assert len({id(a) for a in arrays}) == len(kept(card)), card.name
            assert sorted(map(np.shape, arrays)) == sorted(one.shape for one in kept(card))


def test_a_sum_of_several_uses_and_edges_round_what_they_skip():
    x = parameter(2.0, "x")
    h = ag.sin(x)
    y = (h + h * x) * h + x * x
    picture = draw_tape(y)
    assert words(node(picture, "d_t1")).startswith("∂sin ∂L/∂t1 = 1.819 + 0.9093 + 2.728 = 5.456")
    assert words(node(picture, "g_x")) == "∂L/∂x = -2.270 + 0.8268 + 2 + 2 = 2.556"
    assert "∂L/∂x (left) = ∂L/∂t5·x = 2" in words(node(picture, "d_t5"))
    assert "label" not in edge(picture, "b_x_t5_0")[2]
    drawn = LaidOut(picture)
    for key in ("f_t1_t4_1", "b_t1_t4_1"):
        assert not any(
            drawn.cards[at].holds(*point) for at in ("t2", "t3", "d_t2", "d_t3") for point in drawn.lines[key].points
        )


def test_long_lines_are_left_out_where_they_do_not_fit_and_the_picture_says_so():
    picture = draw_tape(curvature(parameter(0.5, "x")))
    assert "no lines over more than 4 rows" in words(picture)
    assert LaidOut(picture).width <= 680
    cards = Scene(curvature(parameter(0.5, "x"))).cards
    at = {card.key: i for i, card in enumerate(cards)}
    ends = {(s.tail.key, card.key) for card in cards for s in card.sockets if at[card.key] - at[s.tail.key] < 5}
    assert {*re.findall(r'id="?f_([^\W_]+)_([^\W_]+)_', picture.source)} == ends


def test_a_given_gradient_is_the_seed():
    a = parameter([1.0, -2.0], "a")
    q = ag.exp(a * a)
    picture = draw_tape(q, names={"q": q}, gradients=T([1.0, 1.0]))
    assert words(node(picture, "seed")) == "seed ∂q/∂q = rms 1.0"


def test_names_that_would_clash():
    u, d_u, g_u, seed = (parameter(v, name) for v, name in ((1.0, "u"), (2.0, "d_u"), (3.0, "g_u"), (4.0, "seed")))
    picture = draw_tape(u * d_u + g_u * seed)
    keys = re.findall(r"^\t(\w+) \[.*\bclass=\"card", picture.source, flags=re.MULTILINE)
    assert len(keys) == len(set(keys)) == 4 + 3 + 3 + 4 + 1
    assert words(node(picture, "d_u")) == "PARAM d_u = 2"
    assert words(node(picture, "seed_2")) == "seed ∂L/∂L = 1"


class TestGradientsAreGraphs:
    """What `create_graph=True` has recorded draws as any graph does, to any order, and so does its tape."""

    def test_to_third_order(self):
        x = parameter(2.0, "x")
        y = x**4
        orders = [4 * 2.0**3, 12 * 2.0**2, 24 * 2.0]
        slope = y
        for value, after in zip(orders, [*orders[1:], 24.0], strict=True):
            slope = ag.gradients(slope, x, create_graph=True)
            assert slope.item() == pytest.approx(value)
            picture = draw_graph(slope, gradients=True)
            assert f"= {value:g} ∂L/∂L = 1" in picture.alt
            assert f" = {after:g}" in picture.alt
            assert f"∂L/∂x = {after:g}" in draw_tape(slope).alt
            picture.svg()
