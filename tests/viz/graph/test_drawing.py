"""Graphs of many operations outside of modules."""

from __future__ import annotations

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad.viz.graph.picture import draw_graph
from tests.viz.laid_out import LaidOut

T = ag.Tensor


class TestLooseGraphs:
    def test_over_250_operations_are_refused(self):
        rng, values = np.random.default_rng(0), [T(0.5, requires_grad=True, name="x")]
        for _ in range(150):
            values.append(ag.sin(values[-1]) * values[rng.integers(len(values))])
        with pytest.raises(ValueError, match="a table of 281 rows is too long to be read"):
            draw_graph(values[-1])
        assert len(LaidOut(draw_graph(values[20])).cards) > 40

    def test_a_loop_that_folds_stays_a_table(self):
        w = T(np.eye(2) / 2, requires_grad=True, name="w")
        h = T(np.ones((1, 2)), name="h")
        for _ in range(150):
            h = ag.tanh(h @ w)
        assert "150 ×" in draw_graph(ag.sum(h), gradients=True).source
