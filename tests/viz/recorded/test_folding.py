"""Equal blocks in a row: what counts as equal, what the one card says of them, and how deep modules are opened."""

from __future__ import annotations

import re
from html import unescape

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad import nn
from glassgrad.viz.drawing import marks, numbers, style
from glassgrad.viz.graph.modules import draw_modules
from glassgrad.viz.recorded.evaluate import evaluate
from glassgrad.viz.recorded.folding import Repeat, folded
from glassgrad.viz.recorded.names import Names
from glassgrad.viz.recorded.rows import Caution, rows_of, warn
from tests.viz.laid_out import printed, words


class Block(nn.Module):
    """A layer and its sigmoid."""

    def __init__(self, width, seed=0):
        super().__init__()
        self.linear = nn.Linear(width, width, seed=seed)
        self.activation = nn.Sigmoid()

    def forward(self, x):
        return self.activation(self.linear(x))


class Residual(Block):
    def forward(self, x):
        return x + super().forward(x)


def loss(n, block=Block, width=8, last=3):
    model = nn.Sequential(*(block(width, i) for i in range(n)), nn.Linear(width, last, seed=n))
    x = np.random.default_rng(0).normal(size=(20, width)).astype(np.float32)
    return model, ag.cross_entropy(model(ag.asarray(x)), np.arange(20) % last)


def units(y, depth=None):
    seen = evaluate(y)
    rows, links = rows_of(Names(seen.graph), depth=depth)
    warn(rows, seen)
    return folded(rows, links, seen.graph.outputs), seen


def said(y, depth=None):
    """Each unit as its title, a folded one with its count."""
    found, _ = units(y, depth)
    return [f"{len(u.blocks)} × {u.title}" if isinstance(u, Repeat) else u.title for u in found]


def the_repeat(y):
    found, seen = units(y)
    (repeat,) = (unit for unit in found if isinstance(unit, Repeat))
    return repeat, seen


class TestWhatIsEqual:
    def test_three_blocks_are_folded_and_two_are_not(self):
        assert said(loss(3)[1]) == ["x", "3 × Block", "Linear 4", "Cross-entropy"]
        assert said(loss(2)[1]) == ["x", "Linear 1", "Sigmoid 1", "Linear 2", "Sigmoid 2", "Linear 3", "Cross-entropy"]

    def test_two_are_folded_where_there_is_no_room_and_they_belong_together(self):
        seen = evaluate(loss(2)[1])
        rows, links = rows_of(Names(seen.graph))
        assert [u.title for u in folded(rows, links, seen.graph.outputs, 2) if isinstance(u, Repeat)] == ["Block"]

    def test_two_across_the_border_of_a_module_are_not(self):
        class Late(nn.Module):
            def __init__(self, seed):
                self.first, self.second = nn.Linear(8, 8, seed=seed), nn.Linear(8, 8, seed=seed + 1)

            def forward(self, x):
                return ag.tanh(self.second(ag.tanh(self.first(ag.sin(x)))))

        y = ag.sum(nn.Sequential(Late(0), nn.Linear(8, 8, seed=5))(ag.Tensor(np.ones((2, 8), np.float32))))
        rows, links = rows_of(Names(ag.Graph(y)))
        for unit in folded(rows, links, ag.Graph(y).outputs, 2):
            assert not isinstance(unit, Repeat) or len({row.scope[:2] for row in unit.rows}) == 1

    def test_layers_of_one_module_are_folded_from_their_parameter_on(self):
        model = nn.MLP([5, *[8] * 5, 3], seed=0)
        y = ag.sum(model(ag.asarray(np.ones((4, 5), dtype=np.float32))))
        assert said(y) == ["x", "Linear 1", "Sigmoid 1", "4 × Linear, Sigmoid", "Linear 6", "Sum"]

    def test_another_width_ends_the_run(self):
        h = ag.asarray(np.ones((4, 8)))
        for out, into in [(8, 8)] * 3 + [(7, 8)] + [(7, 7)] * 3:
            h = ag.tanh(ag.linear(h, ag.Tensor(np.ones((out, into)) / 9, requires_grad=True)))
        assert said(ag.sum(h)) == ["x", "3 × Linear, Tanh", "Linear 4", "Tanh 4", "3 × Linear, Tanh", "Sum"]

    def test_another_operation_ends_the_run(self):
        h = ag.Tensor(np.ones((2, 3)), requires_grad=True)
        for f in (ag.sin, ag.sin, ag.sin, ag.cos, ag.sin):
            h = f(h)
        # The first reads a parameter, so it is not like the others.
        assert said(ag.sum(ag.exp(h))) == ["Sin 1", "Sin 2", "Sin 3", "Cos", "Sin 4", "Exp", "Sum"]

    def test_blocks_joined_in_another_way_are_not_equal(self):
        w = [ag.Tensor(np.eye(3), requires_grad=True) for _ in range(4)]
        chain = fan = ag.asarray(np.ones((2, 3)))
        for each in w:
            chain = ag.linear(chain, each)
        assert "4 × Linear" in said(ag.sum(chain))
        first = ag.linear(fan, w[0])
        second = ag.linear(first, w[1])
        third = ag.linear(first, w[2])  # not of the one before
        assert not any("×" in title for title in said(ag.sum(second * third)))

    def test_an_input_of_all_blocks_stays_outside(self):
        mask = ag.Tensor(np.ones((2, 3)), name="mask")
        h = ag.tanh(ag.Tensor(np.ones((2, 3)), requires_grad=True))
        for _ in range(4):
            h = ag.tanh(h * mask)
        assert said(ag.sum(h)) == ["mask", "Tanh 1", "4 × Multiply, Tanh", "Sum"]

    def test_the_output_is_never_folded(self):
        h = ag.Tensor(np.ones((2, 3)), requires_grad=True)
        for _ in range(6):
            h = ag.tanh(h)
        assert said(h) == ["Tanh 1", "4 × Tanh", "Tanh 6"]

    def test_larger_blocks_are_preferred_to_the_repeats_within(self):
        h = ag.asarray(np.ones((2, 3)))
        for _ in range(3):
            h = ag.linear(h, ag.Tensor(np.eye(3), requires_grad=True))
            h = ag.tanh(ag.tanh(ag.tanh(h)))
        assert said(ag.sum(h)) == ["x", "3 × Linear, ...", "Sum"]

    def test_every_row_is_drawn_or_folded_once(self):
        found, seen = units(loss(7, Residual)[1])
        rows, _ = rows_of(Names(seen.graph))
        kept = [row.key for unit in found for row in (unit.rows if isinstance(unit, Repeat) else [unit])]
        assert kept == [row.key for row in rows]


class TestWhatItSays:
    def test_sizes_are_the_engines_gradients(self):
        model, y = loss(4)
        repeat, seen = the_repeat(y)
        y.backward()
        expected = [np.sqrt(np.mean(np.square(model[i].linear.weight.grad.numpy()))) for i in range(4)]
        assert repeat.sizes(seen) == pytest.approx(expected, rel=1e-4)

    def test_without_gradients_there_are_none(self):
        seen = evaluate(loss(4)[1], gradients=False)
        (repeat,) = (u for u in folded(*rows_of(Names(seen.graph)), seen.graph.outputs) if isinstance(u, Repeat))
        assert repeat.sizes(seen) is None

    def test_warnings_say_in_how_many_blocks(self):
        model, y = loss(6)
        for i, bias in ((1, 5.0), (2, 50.0)):
            model[i].linear.bias.data[: 5 if i == 1 else 8] = bias
        repeat, _ = the_repeat(y)
        hit = sum(any(c.word == "VANISHING" for row in block for c in row.warnings) for block in repeat.blocks)
        assert repeat.warnings == [
            Caution("VANISHING", (f"in {hit} of 6 blocks",)), Caution("SATURATED", ("in 2 of 6 blocks",))
        ]  # fmt: skip

    def test_not_finite_is_never_hidden(self):
        model, y = loss(4)
        model[2].linear.weight.data[0, 0] = np.nan
        picture = draw_modules(y)
        assert "▲ NOT FINITE in 4 of 4 blocks" in words(picture)
        (card,) = (line for line in picture.source.splitlines() if 'class="module folded failed"' in line)
        assert style.LIGHT.bad in card


class TestTheCard:
    def test_it_can_be_left_unfolded(self):
        assert "4 ×" in words(draw_modules(loss(4)[1]))
        assert "4 ×" not in words(draw_modules(loss(4)[1], fold=False))


class TestStaircase:
    @staticmethod
    def cells(sizes):
        """Of each column, how many cells are filled, and all cells."""
        lines = [re.findall(r'BGCOLOR="(#\w+)"', line) for line in printed(marks.staircase(sizes)).split("</TR>")]
        columns = list(zip(*(line for line in lines if line), strict=True))
        return [sum(c != style.LIGHT.paper for c in column) for column in columns], len(columns[0])

    def test_one_cell_per_decade(self):
        filled, of = self.cells([1e-5, 1e-4, 1e-4, 1e-2])
        assert filled == [2, 3, 3, 5]
        assert of == 6

    def test_zero_is_empty_and_nan_full_in_the_colour_of_failure(self):
        filled, of = self.cells([0.0, 1e-3, float("nan")])
        assert filled == [0, 2, of]
        assert style.LIGHT.bad in printed(marks.staircase([1.0, float("nan")]))

    def test_many_share_columns_by_their_smallest(self):
        filled, _ = self.cells([1.0, 1e-3] * 40)
        assert len(filled) == 40
        assert set(filled) == {2}

    def test_many_decades_stay_low(self):
        _, of = self.cells([1e-150, 1.0])
        assert of <= marks.DECADES


class TestDepth:
    def test_the_direct_parts_of_a_model_are_one_row_each(self):
        assert said(loss(2)[1], depth=1) == ["x", "Block 1", "Block 2", "Linear", "Cross-entropy"]
        assert said(loss(2)[1], depth=0) == ["x", "Sequential", "Cross-entropy"]
        assert said(loss(2)[1], depth=2) == said(loss(2)[1])

    def test_a_row_has_all_that_is_in_it(self):
        model, y = loss(2)
        rows, _ = rows_of(Names(ag.Graph(y)), depth=0)
        assert {id(p.tensor) for p in rows[1].parameters} == {id(p) for p in model.parameters()}
        assert [p.name for p in rows[1].parameters] == ["W1", "b1", "W2", "b2", "W3", "b3"]
        assert len(rows[1].nodes) == 5

    def test_without_a_model_around_paths_count_from_one(self):
        with ag.scope("a", "A"), ag.scope("a.b", "B"):
            y = ag.sin(ag.Tensor([1.0, 2.0], requires_grad=True))
        assert said(ag.sum(y), depth=1) == ["A", "Sum"]
        assert said(ag.sum(y), depth=0) == ["A", "Sum"]


def test_of_a_weight_that_all_blocks_share_each_says_what_it_adds():
    layer = nn.Linear(3, 3, seed=0)
    h = ag.Tensor(np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32), name="x")
    for _ in range(6):
        h = ag.tanh(layer(h))
    y = ag.sum(h * h)
    repeat, seen = the_repeat(y)
    assert repeat.shares
    nodes = [node for block in repeat.blocks for row in block for node in row.nodes if node.op.name == "linear"]
    expected = [numbers.root_mean_square(seen.contributions[node][1]) for node in nodes]
    assert repeat.sizes(seen) == expected
    assert len(set(expected)) == len(expected)
    assert "rms part of ∂L/∂W of block 1 to" in unescape(draw_modules(y).source)
    assert not the_repeat(loss(4)[1])[0].shares


def test_a_card_of_blocks_never_says_both_vanishing_and_exploding():
    repeat, _ = the_repeat(loss(8)[1])
    rows = repeat.rows
    rows[0].warnings = [Caution("EXPLODING", ("",))]
    rows[-1].warnings = [Caution("VANISHING", ("",))]
    assert [caution.word for caution in repeat.warnings] == ["EXPLODING"]
