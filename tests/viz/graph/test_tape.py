"""The tape and its mirror: every operation beside its derivative, and between them what was kept."""

import re

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad import nn
from glassgrad.viz.drawing import style
from glassgrad.viz.graph.picture import draw_graph
from glassgrad.viz.graph.tape import draw_tape, kept
from glassgrad.viz.recorded.scene import Scene
from tests.viz.graph.test_picture import edge, edges, node, words
from tests.viz.laid_out import LaidOut

T = ag.Tensor


def parameter(value, name=None):
    return T(value, requires_grad=True, name=name)


@pytest.fixture(scope="module")
def neuron():
    w, x, b, y = (parameter(v) for v in (2.0, 1.0, -1.0, 1.0))
    u = w * x
    z = u + b
    a = ag.sigmoid(z)
    d = a - y
    L = d**2
    return draw_tape(L, names=locals(), inputs=[x], targets=[y])


class TestNeuron:
    def test_words(self, neuron):
        assert neuron.title == "L = (σ(w·x + b) - y)²: the tape and its mirror"
        assert "down the left: ops as recorded" in words(neuron.source)
        assert neuron.alt == (
            f"{neuron.title}. Kept: w, x, a, d. Gradients: ∂L/∂w = -0.1058, ∂L/∂x = -0.2115, ∂L/∂b = -0.1058, "
            "∂L/∂y = 0.5379."
        )

    def test_the_tape(self, neuron):
        assert words(node(neuron, "w")) == "PARAM w = 2"
        assert words(node(neuron, "x")) == "INPUT x = 1"
        assert words(node(neuron, "y")) == "TARGET y = 1"
        assert words(node(neuron, "u")) == "× u = w·x = 2"
        assert words(node(neuron, "a")) == "σ a = σ(z) = 0.7311"
        assert words(node(neuron, "L")) == "x² L = d² = 0.07233"

    def test_the_mirror(self, neuron):
        assert words(node(neuron, "d_u")) == "∂× ∂L/∂w = ∂L/∂u·x = -0.1058 ∂L/∂x = ∂L/∂u·w = -0.2115"
        assert words(node(neuron, "d_z")) == "∂+ ∂L/∂u = ∂L/∂z = -0.1058 ∂L/∂b = ∂L/∂z = -0.1058"
        assert words(node(neuron, "d_a")) == "∂σ ∂L/∂z = ∂L/∂a·a·(1 - a) = -0.1058"
        assert words(node(neuron, "d_d")) == "∂− ∂L/∂a = ∂L/∂d = -0.5379 ∂L/∂y = -∂L/∂d = 0.5379"
        assert words(node(neuron, "d_L")) == "∂x² ∂L/∂d = 2·∂L/∂L·d = -0.5379"
        assert words(node(neuron, "g_w")) == "∂L/∂w = -0.1058"
        assert words(node(neuron, "seed")) == "seed ∂L/∂L = 1"

    def test_derivatives_are_dashed_and_italic(self, neuron):
        for key in ("d_u", "d_L"):
            assert f'COLOR="{style.LIGHT.grad}" BGCOLOR="{style.LIGHT.grad_bg}" STYLE="ROUNDED,DASHED"' in node(
                neuron, key
            )
            assert "<I><B>∂" in node(neuron, key)
        assert re.match(r'<TABLE BORDER="2.4".*STYLE="DASHED"', node(neuron, "g_w"))
        assert re.match(r'<TABLE BORDER="1".*STYLE="DASHED"', node(neuron, "g_y"))

    @pytest.mark.parametrize(
        ("key", "what"), [("u", "w, x"), ("z", "nothing"), ("a", "a"), ("d", "nothing"), ("L", "d")]
    )
    def test_saved_values_stand_between_the_columns(self, neuron, key, what):
        assert words(node(neuron, f"k_{key}")) == f"kept: {what}"
        tail, link, attributes = edge(neuron, f"l_{key}_0")
        assert (tail, link) == (key, f"k_{key}")
        assert "style=dotted" in attributes
        assert edge(neuron, f"l_{key}_1")[:2] == (link, f"d_{key}")

    def test_edges(self, neuron):
        assert edge(neuron, "f_z_a_0")[:2] == ("z", "a")
        tail, head, attributes = edge(neuron, "b_z_a_0")
        assert (tail, head) == ("d_z", "d_a")
        assert "dir=back" in attributes
        assert "style=dashed" in attributes
        assert "-0.1058" in words(attributes)
        assert edge(neuron, "b_w_u_0")[:2] == ("g_w", "d_u")
        assert edge(neuron, "b_seed")[:2] == ("d_L", "seed")
        assert len(edges(neuron, "f")) == len(edges(neuron, "b")) - 1

    def test_two_straight_columns_and_derivatives_beside_their_operations(self, neuron):
        cards = LaidOut(neuron).cards
        left, right = [cards[key] for key in "uzadL"], [cards[f"d_{key}"] for key in "uzadL"]
        assert len({card.x for card in left}) == len({card.x for card in right}) == 1
        assert [card.y for card in left] == [card.y for card in right]
        assert [card.y for card in left] == sorted((card.y for card in left), reverse=True)
        for key in "wxby":
            assert cards[key].y == cards[f"g_{key}"].y

    def test_it_renders(self, neuron):
        svg = neuron.svg()
        assert svg.count('class="node card') == 19
        assert int(re.search(r'<svg width="(\d+)pt"', svg)[1]) <= style.WIDTH + 10


def test_kept_is_what_the_engine_saved():
    x, w, s = parameter(np.ones((3, 2)), "x"), parameter(np.ones((2, 2)), "w"), T(np.full((3, 2), 0.5), name="s")
    y = ag.sum(ag.concat([ag.tanh(x @ w) * s, x / w[0]]) ** 2)
    for card in Scene(y).cards:
        if card.node is not None:
            arrays = [saved for saved in card.node.saved if hasattr(saved, "shape")]
            assert len({id(a) for a in arrays}) == len(kept(card)), card.name
            assert sorted(map(np.shape, arrays)) == sorted(one.shape for one in kept(card))


def test_only_the_used_rules_keep():
    x, c = parameter(3.0, "x"), T(2.0, name="c")
    picture = draw_tape(x * c)
    assert words(node(picture, "k_L")) == "kept: c"
    assert "g_c" not in picture.source
    assert words(node(picture, "d_L")) == "∂× ∂L/∂x = ∂L/∂L·c = 2"


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


def test_tensors():
    layer = nn.Linear(2, 3)
    X = T(np.ones((4, 2)))
    L = nn.functional.cross_entropy(layer(X), T([0, 1, 2, 0]))
    picture = draw_tape(L, names={"X": X})
    assert words(node(picture, "z1")) == "linear z1 = X·W1ᵀ + b1 (4, 3)"
    assert re.fullmatch(
        r"∂linear ∂L/∂W1 = \(∂L/∂z1\)ᵀ·X = rms \S+ ∂L/∂b1 = Σ∂L/∂z1 = rms \S+", words(node(picture, "d_z1"))
    )
    assert words(node(picture, "k_z1")) == "kept: X"
    assert "kept for the derivative of z1: X (4, 2)" in picture.source


def test_several_outputs_and_given_gradients():
    a = parameter([1.0, -2.0], "a")
    s, q = ag.sum(a * a), ag.exp(a)
    picture = draw_tape([s, q], names={"s": s, "q": q}, gradients=[T(3.0), T([1.0, 1.0])])
    assert words(node(picture, "seed_s")) == "seed ∂(s + q)/∂s = 3"
    assert words(node(picture, "seed_q")) == "seed ∂(s + q)/∂q = rms 1.0"
    assert picture.title == "s, q: 3 operations, the tape and its mirror"


def test_an_output_used_again_adds_its_seed():
    x = parameter(2.0, "x")
    p = x * 3.0
    q = p * p
    picture = draw_tape([p, q], names={"p": p, "q": q})
    assert "∂(p + q)/∂p = 6 + 6 + 1 = 13" in words(node(picture, "d_p"))
    assert words(node(picture, "seed_p")) == "seed ∂(p + q)/∂p = 1"


def test_a_long_tape_shows_its_ends_and_what_is_hidden():
    y = x = parameter(0.3, "x")
    weights = []
    for _ in range(50):
        weights.append(parameter(0.9))
        y = ag.sin(y) * weights[-1]
    picture = draw_tape(y + x)
    assert words(picture.source).count("... 71 ops not drawn") == 2
    assert picture.source.count('class="card bwd"') == 30
    assert "71 ops" not in picture.title
    assert edge(picture, "f_t15_not_drawn")[:2] == ("t15", "not_drawn")
    assert edge(picture, "b_t15_not_drawn")[:2] == ("d_t15", "not_drawn_back")
    picture.svg()


def test_parallel_edges_have_a_row_each():
    x = parameter(2.0, "x")
    s = ag.sin(x)
    picture = draw_tape(s * s, names={"s": s})
    assert words(node(picture, "d_L")) == "∂× ∂L/∂s (left) = ∂L/∂L·s = 0.9093 ∂L/∂s (right) = ∂L/∂L·s = 0.9093"
    assert [edge(picture, f"b_s_L_{i}")[:2] for i in (0, 1)] == [("d_s", "d_L")] * 2
    assert "label" not in edge(picture, "b_s_L_0")[2]


def test_names_that_would_clash():
    u, d_u, g_u, seed = (parameter(v, name) for v, name in ((1.0, "u"), (2.0, "d_u"), (3.0, "g_u"), (4.0, "seed")))
    picture = draw_tape(u * d_u + g_u * seed)
    keys = re.findall(r"^\t(\w+) \[.*\bclass=\"card", picture.source, flags=re.MULTILINE)
    assert len(keys) == len(set(keys)) == 4 + 3 + 3 + 4 + 1
    assert words(node(picture, "d_u")) == "PARAM d_u = 2"
    assert words(node(picture, "seed_2")) == "seed ∂L/∂L = 1"


def test_dark_theme(neuron):
    x = parameter(2.0, "x")
    picture = draw_tape(ag.sin(x), theme="dark")
    assert style.DARK.grad_bg in picture.source
    assert style.LIGHT.grad not in picture.source


def test_gradients_are_not_left_out():
    x = parameter([1.0, 2.0])
    with pytest.raises(ValueError, match="a tape shows derivatives: gradients= must be True, or the outputs'"):
        draw_tape(ag.sum(x), gradients=False)
    with pytest.raises(ValueError, match="need its upstream gradient"):
        draw_tape(ag.sin(x))


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
            assert f"L = {value:g}." in picture.alt
            assert f"∂L/∂x = {after:g}." in picture.alt
            assert f"∂L/∂x = {after:g}." in draw_tape(slope).alt
            picture.svg()

    def test_of_a_network(self):
        w, x = parameter([[0.5, -1.0], [0.3, 0.2]], "w"), T([[1.0, 2.0]], name="x")
        L = ag.sum(ag.tanh(x @ w))
        slope = ag.gradients(L, w, create_graph=True)
        penalty = ag.sum(slope * slope)
        (expected,) = ag.gradients([penalty], [w])
        scene = Scene(penalty, gradients=True)
        (card,) = [card for card in scene.cards if card.name == "w"]
        np.testing.assert_allclose(card.gradient, expected.data, rtol=1e-12)
        assert len(card.addends) >= 1
        picture = draw_graph(penalty, gradients=True)
        assert {"tanh", "matmul"} <= {c.node.op.name for c in scene.cards if c.node is not None}
        picture.svg()
