"""Two graphs side by side: what belongs together, what changed, and that a snapshot stays as it was."""

from __future__ import annotations

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad import nn, viz
from glassgrad.viz.difference import diff, snapshot
from glassgrad.viz.recorded.evaluate import evaluate
from tests.viz.laid_out import words


def classifier(sizes=(6, 5, 3), activation="sigmoid"):
    model = nn.MLP(list(sizes), activation=activation, seed=0)
    x = np.random.default_rng(0).normal(size=(8, sizes[0])).astype(np.float32)
    return model, ag.cross_entropy(model(ag.asarray(x)), np.arange(8) % sizes[-1])


def trained(steps=5):
    """A snapshot, the same loss some steps later, and the model."""
    model, loss = classifier()
    before = snapshot(loss)
    optimizer = nn.optim.SGD(model.parameters(), lr=0.5)
    for _ in range(steps):
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss = ag.Graph(loss).replay()[loss.node]
    return before, loss, model


def chain(*functions):
    """A sum of functions of one parameter."""
    h = ag.Tensor(np.linspace(-1.0, 1.0, 6).reshape(2, 3), requires_grad=True, name="w")
    for f in functions:
        h = f(h)
    return ag.sum(h)


class TestSnapshot:
    def test_it_keeps_numbers_that_training_changes(self):
        model, loss = classifier()
        weight = model.layers[0].weight
        was, gradient = weight.detach().numpy().copy(), evaluate(loss).gradients[weight].copy()
        before = snapshot(loss)
        weight.data[...] = 7.0
        assert np.array_equal(before.values[weight], was)
        assert np.array_equal(before.gradients[weight], gradient)
        assert float(before.values[loss.node]) == pytest.approx(float(loss))


class TestOneGraphTwice:
    def test_sizes_ratio_and_way(self):
        w = ag.Tensor([[3.0, 4.0]], requires_grad=True, name="w")
        y = ag.sum(w * w)
        before = snapshot(y)
        w.data[...] = [[6.0, 8.0]]
        text = words(diff(before, y))
        for said in ("w = 3 4", "w = 6 8", "∂L/∂w = 6 8", "∂L/∂w = 12 16"):
            assert said in text
        assert "× 2, moved 3.5" in text  # of w: rms 7.07 / 3.54, difference [3, 4]
        assert "What changed: L 25 → 100" in text

    def test_large_arrays_have_their_rms(self):
        w = ag.Tensor(np.full(16, 3.0), requires_grad=True, name="w")
        text = words(diff(snapshot(ag.sum(w)), ag.sum(w)))
        assert "rms w 3.0" in text
        assert "rms ∂L/∂w 1.0" in text

    def test_single_numbers_are_written_out_with_their_sign(self):
        w = ag.Tensor(2.0, requires_grad=True, name="w")
        y = w * 3.0
        before = snapshot(y)
        with ag.no_grad():
            w[...] = -1.0
        text = words(diff(before, y))
        for expected in ("w = 2", "w = -1", "× (-0.5), moved -3", "∂L/∂w = 3", "same"):
            assert expected in text

    def test_nothing_changed(self):
        _, loss = classifier()
        picture = diff(snapshot(loss), loss)
        assert "5 rows, 0 changed" in words(picture)
        assert "×" not in words(picture).replace("× ratio", "")

    def test_no_longer_finite(self):
        model, loss = classifier()
        before = snapshot(loss)
        model.layers[2].bias.data[0] = np.nan
        picture = diff(before, loss)
        text = words(picture)
        assert "no longer finite" in text
        assert "Linear 2 layers.2 ▲ NOT FINITE" in text

    def test_without_gradients(self):
        _, loss = classifier()
        assert "no gradient" in words(diff(snapshot(loss, gradients=False), loss))


class TestTwoGraphs:
    def test_other_operations_or_modules_are_refused(self):
        x = ag.asarray([[1.0, 2.0]])
        with_bias, without = (ag.sum(nn.Linear(2, 3, bias=bias, seed=0)(x)) for bias in (True, False))
        with pytest.raises(viz.DrawingError, match="these graphs have other modules or operations"):
            diff(with_bias, without)
        for other in (chain(ag.sin, ag.exp, ag.tanh), chain(ag.sin, ag.sigmoid), classifier()[1]):
            with pytest.raises(
                viz.DrawingError, match=r"these graphs have other modules or operations: diff compares one"
            ):
                diff(chain(ag.sin, ag.tanh), other)

    def test_each_side_has_its_own_names(self):
        one, other = (ag.Tensor([2.0, 1.0], requires_grad=True, name=name) for name in ("w", "v"))
        text = words(diff(ag.sum(one * one), ag.sum(other * other)))
        assert text.index("w = 2 1") < text.index("v = 2 1")
        assert "∂L/∂w = 4 2" in text
        assert "∂L/∂v = 4 2" in text

    def test_other_shapes(self):
        text = words(diff(classifier((6, 5, 3))[1], classifier((6, 9, 3))[1]))
        assert "(5, 6) → (9, 6)" in text
        assert "(8, 5) → (8, 9)" in text

    def test_modules_as_rows(self):
        before, loss, _ = trained()
        assert "Linear" not in words(diff(before, loss, depth=0))

    def test_of_a_long_run_of_equal_rows_the_ends_are_drawn(self):
        long = chain(*[ag.sin, ag.cos] * 30)
        assert "... 55 rows the same" in words(diff(snapshot(long), long))


def test_names_and_labels_are_shown_and_cannot_break_it():
    w = ag.Tensor([1.0, 2.0], requires_grad=True)
    y = ag.sum(w * w)
    picture = diff(snapshot(y), y, names={'<b>&"': w, "n": 3}, labels=("<i>", "a&b"))
    assert "&lt;b&gt;&amp;&quot;" in picture.source
    assert "&lt;i&gt;" in picture.source
    picture.svg()
