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
    def test_over_250_operations_are_refused(self, neurons):
        with pytest.raises(ValueError, match="this graph has 283 operations outside of modules, too many for a pict"):
            draw_graph(neurons[0])
        assert len(LaidOut(draw_graph(neurons[1][0])).cards) == 132

    def test_a_loop_that_folds_stays_a_table(self):
        w = T(np.eye(2) / 2, requires_grad=True, name="w")
        h = T(np.ones((1, 2)), name="h")
        for _ in range(150):
            h = ag.tanh(h @ w)
        assert "150 ×" in draw_graph(ag.sum(h), gradients=True).source
