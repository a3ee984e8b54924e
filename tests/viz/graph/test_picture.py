"""The picture in DOT: cards, ports, edges, boxes, what is said and what is hidden."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad import nn, viz
from glassgrad.autograd.engine.operation import REQUIRED
from glassgrad.viz.drawing import style
from glassgrad.viz.drawing.errors import DrawingError
from glassgrad.viz.graph.picture import draw_graph
from tests.sampling import sampled, waiting
from tests.viz.graph.test_layout import perceptron
from tests.viz.laid_out import LaidOut, node, parameter, words
from tests.viz.pictures import scalar_neuron

T = ag.Tensor
SVG = "{http://www.w3.org/2000/svg}"


def edge(picture, identity):
    """Tail, head and attributes of an edge."""
    (line,) = re.findall(rf"^.*\bid={identity}[ \]].*$", picture.source, flags=re.MULTILINE)
    tail, head, attributes = re.match(r"\s*(\S+) -> (\S+) \[(.*)\]", line).groups()
    return tail, head, attributes


def edges(picture, kind):
    return re.findall(rf"\bid=({kind}_\w+)", picture.source)


@pytest.fixture(scope="module")
def network():
    return draw_graph(perceptron(2), gradients=True)


@pytest.fixture(scope="module")
def neuron():
    return scalar_neuron()


class TestScalarCard:
    def test_no_solid_edge_crosses_a_dashed_one(self, neuron):
        assert crossings(neuron) == 0

    def test_full_precision_in_tooltips(self, neuron):
        assert 'TITLE="a1 = 0.7310585786300049"' in neuron.source
        assert re.search(r'TITLE="∂L/∂w = -0\.105754185568\d+"', neuron.source)
        assert re.search(r'TITLE="∂a1/∂t2 = a1·\(1 - a1\) = 0\.196611933241\d+"', neuron.source)


class TestAccumulation:
    def test_over_four_uses_the_rest_is_one_addend(self):
        x = y = parameter(2.0, name="x")
        for _ in range(4):
            y = y + x
        picture = draw_graph(y, gradients=True)
        assert "∂L/∂x = 1 + 1 + 1 + 2 more = 5" in words(node(picture, "x"))
        landed = [edge(picture, identity)[0] for identity in edges(picture, "b") if identity.startswith("b_x_")]
        assert sorted(landed) == ["x:g0:s", "x:g1:s", "x:g2:s", *["x:g3:s"] * 2]
        assert "again" not in words(picture.source)


class TestUsesFarAway:
    """A value used far below its first use is drawn again there, small, with what it adds: no line crosses it all."""

    def test_beside_a_tensor_card(self):
        W, h = parameter(np.eye(3) / 2, name="W"), T(np.ones((2, 3)), name="h")
        for _ in range(6):
            h = ag.tanh(h @ W)
        picture = draw_graph(ag.sum(h), gradients=True, view="ops")
        assert re.match(r"W \(3, 3\) AGAIN adds rms [\d.e-]+$", words(node(picture, "W_at_z4_1")))
        assert edge(picture, "f_W_z4_1")[:2] == ("W_at_z4_1:v:s", "z4:f1:n")
        assert edge(picture, "b_W_z4_1")[:2] == ("W_at_z4_1:g:s", "z4:b1")

    def test_two_uses_are_far_apart_only_over_a_long_way(self):
        def tied(layers):
            weights = [parameter(np.eye(2), name=f"W{i}") for i in range(layers)]
            h = T(np.ones((2, 2)), name="x")
            for w in [*weights, *weights[::-1]]:
                h = ag.tanh(h @ w)
            return draw_graph(ag.sum(h), gradients=True, view="ops")

        assert "AGAIN" not in tied(3).source
        assert set(re.findall(r"^\s+(\w+)_at_\w+ \[", tied(6).source, flags=re.MULTILINE)) == {"W0", "W1", "W2"}

    def test_a_value_waits_where_it_is_used_not_where_it_could_be_made(self):
        U, h = parameter(np.eye(2), name="U"), T(np.zeros(2), name="h")
        for t in range(6):
            h = ag.tanh(h + U @ T(np.full(2, float(t)), name=f"x{t}"))
        picture = draw_graph(ag.sum(h), gradients=True, view="ops")
        assert len(re.findall(r"^\s+U_at_\w+ \[", picture.source, flags=re.MULTILINE)) == 3


class TestTensorCard:
    @pytest.mark.parametrize(
        "name", sampled([name for name, op in ag.OPS.items() if op.args == ("x",) and op.rules], 5)
    )
    def test_a_number_among_arrays(self, name):
        op = ag.OPS[name]
        given = {p: v for p, v in op.params.items() if v is not REQUIRED}
        x = parameter(0.75 if name != "acosh" else 1.75, name="x")
        try:
            y = op(x, **given)
        except (ag.errors.AutogradError, TypeError):
            pytest.skip("it takes no single number, or asks for parameters")
        L = ag.sum(parameter([1.0, 2.0], name="w") * (ag.real(y) if y.dtype.kind == "c" else y))
        assert "<svg" in draw_graph(L, gradients=True, view="ops").svg()
        assert viz.step_through(L)
        assert viz.check_graph(L)

    def test_no_edges_cross(self, network):
        assert crossings(network) == 0

    def test_three_operands(self):
        a, b = parameter([1.0, 2.0]), parameter([3.0, 4.0])
        h = ag.where(a > 1.5, a * a, b)
        picture = draw_graph(ag.sum(h), names={"a": a, "b": b, "h": h}, gradients=True)
        assert {"f_mask_h_0", "f_t1_h_1", "f_b_h_2"} <= set(edges(picture, "f"))
        assert edges(picture, "b").count("b_mask_h_0") == 0
        assert "∂L/∂h if mask else 0" in words(node(picture, "h"))
        assert "b 0 if mask else ∂L/∂h" in words(node(picture, "h"))


class TestSizes:
    def shown(self, array):
        return node(draw_graph(ag.sum(parameter(array, name="x") * 1.0), gradients=True), "t1")

    def test_long_ones_are_cut(self):
        assert "0 1 2 3 4 ..." in words(self.shown(np.arange(30.0)))

    def test_large_ones_are_marks(self):
        label = self.shown(np.random.default_rng(0).normal(size=(20, 30)))
        assert label.count("BGCOLOR") == 1 + style.STRIP_BINS + style.THUMB_ROWS * style.THUMB_COLUMNS
        assert "(20, 30) sd" in words(label)
        assert "rms 1.0" in words(label)

    def test_empty_ones_say_so(self):
        assert "empty" in words(self.shown(np.zeros((0, 3))))

    def test_booleans(self):
        x = parameter([1.0, 2.0], name="x")
        assert "False True" in words(node(draw_graph(ag.sum(ag.where(x > 1.5, x, 0.0))), "mask"))


class TestNotComputed:
    @pytest.fixture
    def picture(self):
        x = parameter(3.0, name="x")
        return draw_graph(x * x + x)

    def test_one_line_says_so_and_how_to_have_them_and_no_card(self, picture):
        assert words(node(picture, "x")) == "PARAM x = 3"
        assert words(node(picture, "L")).endswith("L = t1 + x = 12")
        assert "gradients: not computed (call .backward() before, or give gradients=True)" in words(picture.source)

    def test_where_they_are_left_out_nothing_is_said_of_them(self):
        x, v = parameter(3.0, name="x"), parameter([1.0, 2.0], name="v")
        for y in (x * x + x, ag.sum(v * v * x)):
            picture = draw_graph(y, gradients=False)
            assert not re.search("computed|from", words(picture.source))
            assert "gradient" not in words(picture.source)
            assert "x = 3" in words(picture.source).replace("3.000", "3")


class TestModules:
    def blocks(self, count):
        class Block(nn.Module):
            def __init__(self, seed):
                self.a, self.b = nn.Linear(3, 3, seed=seed), nn.Linear(3, 3, seed=seed + 1)

            def forward(self, x):
                return x + ag.tanh(self.b(ag.relu(self.a(x))))

        net = nn.Sequential(*(Block(i) for i in range(count)))
        return ag.sum(net(T([[1.0, 2.0, 3.0]], dtype="float32")))

    def boxes(self, picture):
        labels = re.findall(r"subgraph cluster_\w+ \{\n.*?label=<(.*?)> labeljust", picture.source)
        return [words(label).strip() for label in labels]

    def test_two_networks_of_one_class_are_not_the_same_network_called_twice(self):
        generator, critic = nn.MLP([2, 3, 2], seed=0), nn.MLP([2, 3, 1], seed=1)
        z, real = T([[1.0, 2.0]], dtype="float32"), T([[0.5, 0.5]], dtype="float32")
        loss = ag.sum(critic(real)) - ag.sum(critic(generator(z)))
        picture = draw_graph(loss, view="ops")
        assert sorted(self.boxes(picture)) == ["MLP 13 parameters", "MLP 17 parameters", "the same MLP, call 2"]
        assert draw_graph(loss).source.count("the same Linear, call 2") == 2
        assert picture.title == "MLP, 30 parameters"

    def test_layers_of_one_class_with_other_parameters_are_apart(self):
        gate, one, other = nn.Linear(2, 1, seed=0), nn.Linear(2, 2, seed=1), nn.Linear(2, 2, seed=2)
        x = T([[1.0, 2.0]], dtype="float32")
        said = words(draw_graph(ag.sum(gate(x) * one(x) + gate(x) * other(x))).source)
        assert (said.count(" Linear "), said.count("the same Linear, call 2")) == (3, 1)

    def test_over_sixty_cards_and_where_a_depth_is_given_modules_are_rows(self):
        loss = self.blocks(9)
        assert "one row per module" in draw_graph(loss, gradients=True).source
        assert "f_z1_a1_0" in draw_graph(loss, view="ops").source
        assert "one row per module" in draw_graph(self.blocks(2), depth=1).source

    def test_a_large_parameter_in_a_network_asks_for_the_module_table(self):
        net = nn.MLP([16, 8, 2], seed=0)
        y = ag.cross_entropy(net(T(np.ones((4, 16)), dtype="float32")), [0, 1, 0, 1])
        assert "one row per module" in draw_graph(y, gradients=True).source
        assert "one row per module" in draw_graph(y, names=locals() | {"n": 3}).source
        assert "not computed" in draw_graph(y).source
        assert "f_z1_a1_0" in draw_graph(y, view="ops").source

    @pytest.mark.parametrize("count", [5_000, waiting(20_000)])
    def test_many_thousand_operations_take_no_time(self, count):
        y = parameter(1.0)
        for _ in range(count):
            y = ag.sin(y)
        assert f"{count - 2:,} ops not drawn" in words(draw_graph(y, gradients=True).source)


class TestTrouble:
    @pytest.mark.parametrize(
        "draw",
        [
            lambda loss, name: viz.draw_graph(loss, title=name, gradients=True),
            lambda loss, name: viz.draw_graph(loss, depth=1, gradients=True),
            lambda loss, name: viz.draw_modules(loss),
            lambda loss, name: viz.draw_model(loss),
            lambda loss, name: viz.draw_tape(loss),
        ],
    )
    def test_control_characters_of_names_leave_a_picture_readable(self, draw):
        name = "a\x00b\x1b[0m\ud800\ufffe<&>\n\t" + 200 * "n"
        model = nn.ModuleDict({name: nn.Linear(2, 2, seed=0), "b": nn.Linear(2, 1, seed=1)})
        x, w = T([[1.0, -1.0]], name=name), parameter(2.0, name="w" + name)
        loss = ag.sum(model["b"](ag.tanh(model[name](x))) * w)
        root = ElementTree.fromstring(draw(loss, name).svg())
        assert "a\ufffdb\ufffd[0m\ufffd\ufffd<&>" in " ".join(root.itertext())

    @pytest.mark.parametrize("draw", [draw_graph, viz.draw_modules, viz.draw_tape, viz.draw_model, viz.check_graph])
    def test_the_dark_theme_uses_its_own_colours_only(self, draw):
        used = set(re.findall("#[0-9a-f]{6}", draw(perceptron(2), theme="dark").source))
        assert style.DARK.paper in used
        light_only = {v for k, v in vars(style.LIGHT).items() if k != "name"} - set(vars(style.DARK).values())
        assert not used & light_only


# ---------------------------------------------------------------- geometry


def crossings(picture):
    """How often solid and dashed edges cross."""
    lines = {"f": [], "b": []}
    for name, line in LaidOut(picture).lines.items():
        lines[name[0]].append(np.array(line.points))
    return sum(crossed(f, b) for f in lines["f"] for b in lines["b"])


def crossed(one, other):
    a, b = one[:-1, None], one[1:, None]
    c, d = other[None, :-1], other[None, 1:]

    def side(p, q, r):
        return np.sign(
            (q[..., 0] - p[..., 0]) * (r[..., 1] - p[..., 1]) - (q[..., 1] - p[..., 1]) * (r[..., 0] - p[..., 0])
        )

    apart = (side(a, b, c) * side(a, b, d) < 0) & (side(c, d, a) * side(c, d, b) < 0)
    return int(apart.sum())


def test_complex_numbers_are_refused_and_their_program_is_drawn():
    x = parameter([1.0, 2.0], name="x")
    for draw in (viz.step_through, viz.snapshot, viz.draw_modules):
        with pytest.raises(DrawingError, match="this graph has a complex leaf, and pictures and derivations"):
            draw(ag.sum(abs(parameter([1 + 2j], name="z"))))
    assert "dft" in words(draw_graph(ag.trace(lambda x: ag.sum(abs(ag.fft.fft(x))), x)).source)
