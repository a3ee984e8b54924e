"""Parts of large graphs: the values around one."""

from __future__ import annotations

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad.viz.graph.picture import draw_graph
from tests.viz.laid_out import LaidOut

T = ag.Tensor


@pytest.fixture(scope="module")
def neurons():
    """A 2-10-10-1 network of scalars: 283 operations outside of modules. The loss, and the activations of layer 2."""
    random = np.random.default_rng(0)

    def neuron(xs, tag):
        total = T(float(random.normal()), requires_grad=True, name=f"b{tag}")
        for i, x in enumerate(xs):
            total = total + T(float(random.normal()), requires_grad=True, name=f"w{tag}_{i}") * x
        return ag.tanh(total)

    layer = [neuron([T(0.5, name="x1"), T(-1.0, name="x2")], f"1{j}") for j in range(10)]
    layer = [neuron(layer, f"2{j}") for j in range(10)]
    return (neuron(layer, "3") - 1.0) ** 2, layer


class TestLooseGraphs:
    def test_over_250_operations_those_around_the_output(self, neurons):
        assert draw_graph(neurons[0]).title == "L: around L, of 283 operations"

    def test_a_loop_that_folds_stays_a_table(self):
        w = T(np.eye(2) / 2, requires_grad=True, name="w")
        h = T(np.ones((1, 2)), name="h")
        for _ in range(150):
            h = ag.tanh(h @ w)
        assert "150 ×" in draw_graph(ag.sum(h), gradients=True).source


class TestAround:
    def test_a_value_by_its_tensor_or_its_name(self, neurons):
        loss, layer = neurons
        picture = draw_graph(loss, gradients=True, around=layer[3])
        assert picture.title == "L: around a14, of 283 operations"
        assert draw_graph(loss, gradients=True, around="a14").source == picture.source

    def test_operands_above_and_uses_below(self, neurons):
        drawn = LaidOut(draw_graph(neurons[0], gradients=True, around="a14"))
        middle = drawn.cards["a14"].y
        assert len(drawn.cards) <= 12
        assert any(card.y > middle for card in drawn.cards.values())
        assert any(card.y < middle for card in drawn.cards.values())
        assert drawn.width < 1100

    def test_of_a_small_graph_everything(self):
        x = T(2.0, requires_grad=True, name="x")
        picture = draw_graph(x * x + x, gradients=True, around=x)
        assert picture.title == "L = x·x + x"
        assert set(LaidOut(picture).cards) == {"x", "t1", "L"}

    def test_refusals(self, neurons):
        loss, _ = neurons
        with pytest.raises(ValueError, match="around: 'q' is not a value of the graph, whose values are called"):
            draw_graph(loss, around="q")
        with pytest.raises(ValueError, match="around: this Tensor is not a value of the graph"):
            draw_graph(loss, around=T(1.0))
        with pytest.raises(TypeError, match="a Tensor of the graph, or the name that a card shows"):
            draw_graph(loss, around=3)
