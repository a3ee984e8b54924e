"""Where things stand in a picture: straight chains, no wider than a page, no line through a card."""

from __future__ import annotations

import re

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad import nn
from glassgrad.viz.drawing import style
from glassgrad.viz.drawing.render import Engine, RenderError, _laid_out
from glassgrad.viz.graph.drawing import Drawing
from glassgrad.viz.graph.loop import draw_loop
from glassgrad.viz.graph.picture import draw_graph
from glassgrad.viz.recorded.scene import Scene
from tests.viz.laid_out import LaidOut, node, parameter, words
from tests.viz.pictures import curvature

T = ag.Tensor


def perceptron(layers):
    model = nn.MLP([2, *[3] * (layers - 1), 2], seed=0)
    return nn.functional.mse_loss(model(T([[1.0, -1.0]], name="x")), T([[1.0, 0.0]], name="y"))


def chain(layers):
    h = T(1.0, name="x")
    for i in range(layers):
        h = ag.tanh(h * parameter(0.9, f"w{i}") + parameter(0.1, f"b{i}"))
    return (h - 1.0) ** 2


def reversed_chain(layers):
    """The spine is the second operand of each product."""
    h = T(1.0, name="x")
    for i in range(layers):
        h = ag.tanh(parameter(0.9, f"w{i}") * h)
    return h


def residual():
    block = nn.Residual(nn.Sequential(nn.Linear(2, 2, seed=0), nn.Tanh(), nn.Linear(2, 2, seed=1)))
    model = nn.Sequential(block, nn.Linear(2, 1, seed=2))
    return nn.functional.mse_loss(model(T([[1.0, -1.0]], name="x")), T([[1.0]], name="y"))


class Twice(nn.Module):
    def __init__(self):
        self.linear = nn.Linear(2, 2, seed=0)

    def forward(self, x):
        return self.linear(ag.tanh(self.linear(x)))


def twice():
    return nn.functional.mse_loss(Twice()(T([[1.0, -1.0]], name="x")), T([[1.0, 0.0]], name="y"))


GRAPHS = {
    "lecture": lambda: perceptron(2),
    "12 layers": lambda: perceptron(12),
    "chain": lambda: chain(16),
    "reversed chain": lambda: reversed_chain(12),
    "residual": residual,
    "twice": twice,
}


@pytest.fixture(scope="module")
def drawn():
    return {name: LaidOut(draw_graph(make(), gradients=True)) for name, make in GRAPHS.items()}


@pytest.mark.parametrize("name", ["lecture", "12 layers", "chain", "reversed chain", "residual"])
def test_a_chain_is_drawn_straight_down(drawn, name):
    """All values that go from one operation to the next, and arrive at its first row, have one x."""
    lines = {id_: line for id_, line in drawn[name].lines.items() if re.match(r"f_(?![Wwb]\d)", id_)}  # of no parameter
    down = [line for line in lines.values() if abs(line.start[0] - line.end[0]) < 3 and line.start[1] > line.end[1]]
    xs = [x for line in down for x, _ in (line.start, line.end)]
    assert len(down) >= {"lecture": 4, "12 layers": 24, "chain": 48, "reversed chain": 23, "residual": 4}[name]
    assert max(xs) - min(xs) < 5


def test_a_picture_is_laid_out_once(monkeypatch):
    runs, run = [], Engine.run
    monkeypatch.setattr(Engine, "run", lambda *args: runs.append(args) or run(*args))
    _laid_out.cache_clear()
    draw_graph(chain(4), gradients=True).svg()
    assert len(runs) == 1


def test_another_layout_is_tried_where_the_engine_fails(monkeypatch):
    failed, run = set(), Engine.run

    def once(engine, source, *args):
        if not failed or source in failed:
            failed.add(source)
            raise RenderError("the engine found no way between the cards")
        return run(engine, source, *args)

    monkeypatch.setattr(Engine, "run", once)
    _laid_out.cache_clear()
    picture = draw_graph(chain(4), gradients=True)
    assert failed
    assert picture.svg()


@pytest.mark.parametrize("hidden", [2, 4, 8, 16])
@pytest.mark.parametrize("layer", [nn.RNN, nn.LSTM, nn.GRU])
def test_a_recurrent_cell_is_no_wider_than_a_page(layer, hidden):
    random = np.random.default_rng(0)
    out, _ = layer(3, hidden, seed=0)(T(random.normal(size=(30, 3, 3)), name="x"))
    assert draw_loop(ag.sum(out**2)).size()[0] <= style.WIDTH


def test_two_networks_side_by_side_are_no_wider_than_a_page():
    x = T(np.ones((2, 3)), name="x")
    total = nn.MLP([3, 4, 2], seed=0)(x) + nn.MLP([3, 4, 2], seed=1)(x)
    assert draw_graph(nn.functional.cross_entropy(total, np.array([0, 1])), view="ops", gradients=True).size()[0] <= 680


def test_a_module_that_is_called_twice_has_its_parameters_beside_each_call(drawn):
    picture = drawn["twice"]
    first, z1, again, z2 = (picture.cards[key].y for key in ("W1", "z1", "W1_at_z2_1", "z2"))
    assert first > z1 > again > z2
    assert picture.cards["W1_at_z2_1"].height < picture.cards["W1"].height
    assert picture.width <= 660
    source = draw_graph(twice(), gradients=True).source
    assert "the same Linear, call 2" in source
    assert source.count("6 parameters") == 1


def test_no_line_runs_through_the_title_of_a_module():
    model = nn.Sequential(nn.Linear(4, 4, seed=0), nn.LayerNorm(4), nn.ReLU())
    for loss in ag.mean(model(T(np.arange(8.0).reshape(2, 4), name="x")) ** 2), residual():
        picture = LaidOut(draw_graph(loss, gradients=True))
        assert picture.titles
        for id_, line in picture.lines.items():
            for name, title in picture.titles.items():
                assert not any(title.holds(*point, slack=3) for point in line.points), (id_, name)


def test_what_fits_on_no_page_stands_in_one_column_and_each_operation_says_what_else_it_reads():
    scene = Scene(curvature(parameter(0.5, "x")), gradients=True)
    picture = Drawing(scene).draw()
    drawn = LaidOut(picture)
    column = [drawn.cards[card.key] for card in scene.operations]
    assert [box.y for box in column] == sorted((box.y for box in column), reverse=True)
    assert max(box.x for box in column) - min(box.x for box in column) < 1
    assert drawn.width <= style.WIDTH
    for card in scene.operations:  # a line for each operand, from its own card or from a small one
        for socket in card.sockets:
            tail = re.search(rf'\t("?\w+"?):v:s -> {card.key}:f{socket.index}:n', picture.source)[1].strip('"')
            assert tail == socket.tail.key or words(node(picture, tail)).startswith(f"{socket.tail.name} = "), tail


def test_many_operands_are_the_rows_of_one_card_with_what_each_is_sent():
    w = [parameter([float(i), 1.0], f"w{i}") for i in range(12)]
    picture = draw_graph(ag.sum(ag.concat([*w, T([2.0, 3.0], name="c")]) ** 2), gradients=True)
    assert words(node(picture, "t1")).startswith("13 values concat t1 = concat(w0, w1, w2,")
    said = words(node(picture, "t1_rows"))
    first = "w0 (2,) PARAM ∂L/∂t1[0:2, ...] ∂L/∂w0 = rms 1.4 w1 (2,) PARAM ∂L/∂t1[2:4, ...] ∂L/∂w1 = rms 2.0"
    assert said.startswith(first)
    assert said.endswith("∂L/∂w11 = rms 16 c (2,) INPUT no grad")
    assert re.findall(r"t1_rows:(\w):s", picture.source) == ["v", "g"]
    stacked = draw_graph(ag.sum(ag.stack([x[0] for x in w])), gradients=True)
    assert re.search(r"t1 = 0 AGAIN ∂L/∂t13\[0, ...\] adds 1", words(node(stacked, "t13_rows")))


def test_an_operation_on_leaves_stands_above_its_use():
    w, u = parameter(0.5, "w"), parameter(0.8, "u")
    h = ag.tanh(u * T(1.0, name="x1"))
    for t, x in enumerate([-0.5, 2.0]):
        h = ag.tanh(w * h + u * T(x, name=f"x{t + 2}"))
    cards = LaidOut(draw_graph(h, gradients=True)).cards
    for beside, product in (("t2", "t3"), ("t5", "t6")):  # w·h and u·x of one step
        assert cards[product].y == pytest.approx(cards[beside].y, abs=12)


def test_a_gradient_stands_in_the_columns_of_its_value():
    net, x = nn.Linear(6, 2, seed=0), T(np.random.default_rng(0).normal(size=(3, 6)), name="x")
    ends = LaidOut(draw_graph(ag.sum(ag.exp(3.0 * net(x))), gradients=True)).right_ends("t2")
    assert len(ends) == 12
    for column in (ends[::2], ends[1::2]):
        assert max(column) - min(column) < 1.5


@pytest.mark.parametrize("layer", [nn.RNN, nn.LSTM])
def test_the_arrow_of_a_loop_runs_through_no_card(layer):
    random = np.random.default_rng(0)
    out = layer(3, 4, seed=0)(T(random.normal(size=(30, 2, 3)), name="x"))[0]
    drawn = LaidOut(draw_loop(ag.sum(out**2)))
    (arrow,) = (line for id_, line in drawn.lines.items() if id_.startswith("l_h_t"))
    for key, card in drawn.cards.items():
        assert not any(card.holds(*point, slack=3) for point in arrow.points), key
