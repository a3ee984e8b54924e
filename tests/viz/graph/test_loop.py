"""Loops over time: the numbers of their steps, and the pictures."""

from __future__ import annotations

import re

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad import nn, viz
from glassgrad.viz.drawing import numbers, style
from glassgrad.viz.graph.modules import draw_modules
from glassgrad.viz.recorded.evaluate import evaluate
from glassgrad.viz.recorded.loops import recurrences
from tests.viz.laid_out import words

TIMES = 7


class Net(nn.Module):
    """A recurrent layer and a linear one on its last output."""

    def __init__(self, layer):
        self.rnn, self.fc = layer(3, 4, seed=0, dtype="float64"), nn.Linear(4, 2, seed=1, dtype="float64")

    def forward(self, x, state=None):
        out, _ = self.rnn(x, state) if state is not None else self.rnn(x)
        return self.fc(out[-1])


class Cell(nn.Module):
    """h → tanh(W·h + U·x)."""

    def __init__(self):
        self.h, self.x = nn.Linear(4, 4, seed=0), nn.Linear(3, 4, seed=1)

    def forward(self, h, x):
        return ag.tanh(self.h(h) + self.x(x))


class Loop(nn.Module):
    """A plain Python loop over one cell."""

    def __init__(self):
        self.cell, self.fc = Cell(), nn.Linear(4, 2, seed=2)

    def forward(self, xs):
        h = ag.zeros((2, 4), dtype="float32")
        for t in range(len(xs)):
            h = self.cell(h, xs[t])
        return self.fc(h)


def sequence(dtype="float64"):
    return ag.Tensor(np.random.default_rng(0).normal(size=(TIMES, 2, 3)).astype(dtype), name="x")


def the_loss(model, x, *state):
    return nn.functional.cross_entropy(model(x, *state), np.array([0, 1]))


def the_loop(loss):
    seen = evaluate([loss])
    (loop,) = recurrences(seen.graph.nodes, seen)
    return loop


class TestNumbers:
    @pytest.mark.parametrize("layer", [nn.RNN, nn.GRU, nn.LSTM])
    def test_the_gradient_of_the_first_state_is_the_engines(self, layer):
        state = [ag.Tensor(np.full((1, 2, 4), 0.1), requires_grad=True) for _ in range(1 + (layer is nn.LSTM))]
        model = Net(layer)
        loss = the_loss(model, sequence(), tuple(state) if layer is nn.LSTM else state[0])
        loop = the_loop(loss)
        for i, given in enumerate(state):
            expected = ag.gradients(loss, given).data[0]
            assert np.allclose(loop.gradients[0][i], expected, rtol=1e-9, atol=1e-15)
        assert loop.carries == ["h", "c"][: len(state)]
        assert loop.consts[0] == "weight_hh_l0"

    def test_the_gradient_after_each_step_agrees_with_a_loop_written_out(self):
        w = ag.Tensor(np.array([[0.9, 0.2], [-0.3, 0.7]]), requires_grad=True, name="w")
        xs = np.random.default_rng(1).normal(size=(TIMES, 2))
        step = lambda h, x: (ag.tanh(w @ h + x), ag.tanh(w @ h + x))  # noqa: E731
        h, ys = ag.scan(step, ag.Tensor(np.ones(2)), ag.Tensor(xs))
        sizes = the_loop(ag.sum(h) + ag.sum(ys * ys)).sizes()
        states = [ag.Tensor(np.ones(2), requires_grad=True)]
        for x in xs:
            states.append(ag.tanh(w @ states[-1] + ag.Tensor(x)))
        total = ag.sum(states[-1]) + sum(ag.sum(h * h) for h in states[1:])
        # The ys are recorded apart from the carries here, so only what the carries hand on comes back to them.
        carried = ag.gradients(total, states[1:])
        own = [2 * state.data for state in states[1:]]
        expected = [numbers.root_mean_square(g.data - part) for g, part in zip(carried, own, strict=True)]
        assert sizes == pytest.approx(expected, rel=1e-9)

    def test_a_reversed_loop_runs_from_the_end(self):
        start, xs = ag.Tensor(0.0, requires_grad=True), ag.Tensor(np.ones(4))
        h, _ = ag.scan(lambda h, x: (h * 0.5 + x, None), start, xs, reverse=True)
        loop = the_loop(h)
        assert loop.order == [3, 2, 1, 0]
        assert loop.sizes() == pytest.approx([0.125, 0.25, 0.5, 1.0])


class TestCell:
    @pytest.mark.parametrize(("step", "ways"), [(1, "u"), (2, "tu"), (TIMES, "t")])
    def test_lines_lead_to_the_steps_that_there_are(self, step, ways):
        source = viz.draw_loop(the_loss(Net(nn.LSTM), sequence()), step=step).source
        back = re.findall(r"style=dashed.*?id=([tu])_|id=([tu])_.*?style=dashed", source)
        assert sorted(map("".join, back)) == sorted(2 * ways)  # of h and of c, from the next step and to the one before

    def test_beside_the_arrow_of_a_chain_a_dashed_one_goes_back_in_time(self):
        loss = the_loss(Net(nn.RNN), sequence())
        (line,) = re.findall(r".*id=t_.*", viz.draw_loop(loss).source)
        assert "style=dashed" in line
        assert "arrowtail=vee" in line
        assert "id=t_" not in viz.draw_loop(2 * ag.reshape(loss, shape=(1,))[[0, 0]]).source  # no gradients

    @pytest.mark.parametrize("layer", [nn.RNN, nn.GRU, nn.LSTM])
    def test_each_step_fits_on_a_page_and_their_gradients_add_up_to_the_whole(self, layer):
        loss = the_loss(model := Net(layer), sequence())
        loop, total = the_loop(loss), 0.0
        for which in range(TIMES):
            ends, seeds, names = loop.cell(which)
            total += ag.gradients(ends, names["weight_hh_l0"], [ag.Tensor(seed) for seed in seeds]).data
        assert np.allclose(total, ag.gradients(loss, model.rnn.weight_hh_l0).data)
        picture = viz.draw_loop(loss, step=2)
        assert picture.title == f"{TIMES} × {layer.__name__}: step 2"
        assert picture.size()[0] <= style.WIDTH


class TestFolded:
    def test_a_recurrent_layer_is_one_row_with_a_staircase(self):
        loss = the_loss(Net(nn.LSTM), sequence())
        picture = draw_modules(loss)
        text = words(picture)
        assert f"{TIMES} × LSTM" in text
        assert f"rms ∂L/∂h of step 1 to {TIMES}" in text
        sizes = the_loop(loss).sizes()
        assert f"step 1: {numbers.rms(sizes[0])} step {TIMES}: {numbers.rms(sizes[-1])}" in text
        assert "id=l_LSTM" in picture.source
        assert "x2" not in text  # the zeros that the state starts from are not an input

    def test_a_python_loop_over_a_cell_is_one_row_with_a_staircase(self):
        loss = the_loss(Loop(), sequence("float32"))
        picture = draw_modules(loss)
        text = words(picture)
        assert f"{TIMES} × Cell" in text
        assert f"{TIMES} inputs of (2, 3)" in text
        assert f"rms part of ∂L/∂W of block 1 to {TIMES}" in text
        assert "id=l_" in picture.source

    @pytest.mark.parametrize("model", [Net(nn.GRU), Loop()])
    def test_the_architecture_has_one_card_with_an_arrow(self, model):
        x = sequence() if isinstance(model, Net) else sequence("float32")
        picture = viz.draw_model(model, x)
        assert len(re.findall("id=l_", picture.source)) == 1
        assert f"× {TIMES}" in words(picture)

    def test_the_summary_counts_every_step(self):
        found = viz.summary(Net(nn.LSTM), sequence())
        assert found.layers[0].layer == f"LSTM × {TIMES}, state 4"
        assert found.products == TIMES * 2 * 16 * 3 + TIMES * 2 * 16 * 4 + 2 * 4 * 2


def test_the_first_axis_of_a_loop_is_no_batch():
    x = ag.Tensor(np.random.default_rng(0).normal(size=(30, 2, 3)), name="x")
    for first in (False, True):
        loss = ag.sum(nn.LSTM(3, 4, batch_first=first, seed=0)(x)[0] ** 2)
        picture = draw_modules(loss)
        assert picture.title == "LSTM, 144 parameters"
        (output,) = re.findall(r"<FONT[^>]*><B>Σ  </B>", picture.source)
        assert style.LIGHT.fwd not in output  # dark on dark
