"""The feature space: a panel per layer, marks by class, the grid carried through, the decision, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad import nn
from glassgrad.viz.plots.features import HEIGHTS, MARKS, feature_space

matplotlib = pytest.importorskip("matplotlib", reason="the extra `plots` is not installed")

RNG = np.random.default_rng(0)
X, LABELS = RNG.normal(size=(40, 2)), np.arange(40) % 2


def titles(plot):
    return [axes.get_title(loc="left") for axes in plot.figure.axes]


def texts(plot):
    return [text.get_text() for text in plot.figure.findobj(matplotlib.text.Text) if text.get_text()]


def lines(axes, start):
    return [line for line in axes.get_lines() if (line.get_gid() or "").startswith(start)]


def xor(scale=1.0):
    """A network that computes XOR in two hidden neurons (is one on, are both), exactly where the steps are steep."""
    model = nn.MLP([2, 2, 1], output="sigmoid", dtype="float64", seed=0)
    model.load_state_dict({
        "layers.0.weight": [[20, 20], [20, 20]], "layers.0.bias": [-10, -30],
        "layers.2.weight": [[20 * scale, -20 * scale]], "layers.2.bias": [-10 * scale],
    })  # fmt: skip
    return model


CORNERS, XOR = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]), np.array([0, 1, 1, 0])


class TestPanels:
    def test_points_are_the_activations(self):
        model = nn.MLP([2, 2, 2], dtype="float64", seed=0)
        plot = feature_space(model, X, LABELS)
        with ag.no_grad():
            hidden = model[:2](ag.Tensor(X)).numpy()
        for c in range(2):
            (marks,) = lines(plot.figure.axes[1], f"class_{c}")
            np.testing.assert_allclose(marks.get_xydata(), hidden[c == LABELS])

    def test_a_line_of_the_grid_is_carried_through_the_layer(self):
        model = nn.MLP([2, 2, 2], dtype="float64", seed=0)
        before, after = feature_space(model, X, LABELS).figure.axes
        assert len(lines(before, "grid_")) == len(lines(after, "grid_")) == 30
        for one, other in zip(lines(before, "grid_"), lines(after, "grid_"), strict=True):
            with ag.no_grad():
                np.testing.assert_allclose(model[:2](ag.Tensor(one.get_xydata())).numpy(), other.get_xydata())
        assert all(np.ptp(line.get_xydata(), axis=0).min() == 0 for line in lines(before, "grid_"))  # straight

    def test_more_inputs_are_projected_and_it_says_so(self):
        x = RNG.normal(size=(30, 4)) * [9.0, 3.0, 0.0, 0.0]
        plot = feature_space(nn.MLP([4, 2, 3], seed=0), x, np.arange(30) % 3)
        first, second = plot.figure.axes
        assert titles(plot) == ["input: 4 numbers", "layer 1: 2 neurons, sigmoid"]
        shares = np.linalg.eigvalsh(np.cov(x.T))[::-1]
        assert first.get_xlabel() == f"component 1: {100 * shares[0] / shares.sum():.0f} % of the variance"
        assert first.get_ylabel() == f"component 2: {100 * shares[1] / shares.sum():.0f} % of the variance"
        assert (second.get_xlabel(), second.get_ylabel()) == ("neuron 1", "neuron 2")
        assert not lines(second, "grid_")
        drawn = np.concatenate([line.get_xydata() for line in lines(first, "class_")])
        np.testing.assert_allclose(np.sort(drawn.var(0, ddof=1)), np.sort(shares[:2]), rtol=1e-5)

    def test_only_some_of_many_points_are_drawn_and_it_says_so(self):
        x = RNG.normal(size=(2001, 2))
        plot = feature_space(nn.MLP([2, 2, 2], seed=0), x, np.arange(2001) % 2)
        assert sum(len(line.get_xdata()) for line in lines(plot.figure.axes[0], "class_")) == 500
        assert any("500 of 2,001 points drawn" in text for text in texts(plot))
        assert "of 2,001 right" in plot.description


class TestMarks:
    def test_every_class_has_its_own_shape_in_every_panel_and_in_the_key(self):
        plot = feature_space(nn.MLP([2, 3, 2, 10], seed=0), X, np.arange(40) % 10)
        for axes in (*plot.figure.axes, plot.figure.legends[0]):
            marks = axes.get_lines() if axes in plot.figure.legends else lines(axes, "class_")
            assert [line.get_marker() for line in marks] == list(MARKS)
        assert {f"class {c}" for c in range(10)} <= set(texts(plot))

    def test_wrong_answers_are_marked_and_counted(self):
        plot = feature_space(xor(), CORNERS, np.array([0, 1, 1, 1]), classes=["same", "different"])
        assert plot.description == "Feature space 2-2-1: 3 of 4 right"
        for axes in plot.figure.axes:
            (bar,) = lines(axes, "wrong")
            (point,) = bar.get_xydata()
            (marks,) = lines(axes, "class_1")
            np.testing.assert_allclose(point, marks.get_xydata()[-1])
        assert any("bar below = wrong answer" in text for text in texts(plot))
        assert {"same", "different"} <= set(texts(plot))

    def test_any_name_is_shown_as_it_is_and_within_the_picture(self, tmp_path):
        names = [
            "$x$",
            '<b> & "q"',
            "two\nlines",
            "\\frac{",
            *[f"a long name of class {c}" for c in range(5)],
            "n" * 200,
        ]
        plot = feature_space(nn.MLP([2, 2, 10], seed=0), X, np.arange(40) % 10, classes=names, title="a $b$ c")
        plot.figure.draw_without_rendering()
        drawn = plot.figure.legends[0].get_texts()
        assert [text.get_text() for text in drawn[:4]] == ["$x$", '<b> & "q"', "two lines", "\\frac{"]
        assert len(drawn[9].get_text()) < 30
        frames = [text.get_window_extent() for text in (*plot.figure.texts, *drawn)]
        assert min(frame.y0 for frame in frames) > max(axes.get_window_extent().y1 for axes in plot.figure.axes)
        plot.save(tmp_path / "a.png")


class TestDecision:
    @pytest.mark.parametrize("output", [1, 3])
    def test_ground_and_answer_agree_in_every_plane(self, output):
        model = nn.MLP([2, 2, 2, output], "tanh", dtype="float64", seed=3)
        with ag.no_grad():
            out = model(ag.Tensor(X)).numpy()
            rest = [model(ag.Tensor(X)), model[2:](ag.Tensor(X)), model[4:](ag.Tensor(X))]
        assert out.shape == (40, output)
        for axes, answers in zip(feature_space(model, X, LABELS).figure.axes, rest, strict=True):
            (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
            inside = (X[:, 0] > left) & (X[:, 0] < right) & (X[:, 1] > low) & (X[:, 1] < high)
            numbers = answers.numpy()
            said = numbers.argmax(-1) if output > 1 else (numbers[:, 0] > 0).astype(int)
            grounds = [ground.get_paths()[0] for ground in axes.collections if ground.get_zorder() == 0]
            ground = np.stack([path.contains_points(X) for path in grounds])
            assert inside.sum() > 10
            # A point within half a cell of the boundary may stand on the other side's ground.
            assert np.mean(ground.argmax(0)[inside] == said[inside]) > 0.9
            assert (ground[:, inside].sum(0) == 1).mean() > 0.9

    def test_xor_is_a_line_after_the_layer_and_two_before(self):
        before, after = feature_space(xor(), CORNERS, XOR).figure.axes
        pieces = [
            sum(len(path.to_polygons(closed_only=False)) for path in axes.collections[1].get_paths())
            for axes in (before, after)
        ]
        assert pieces == [2, 1]

    def test_the_walls_of_a_space_show_the_answers_there(self):
        model = nn.MLP([2, 3, 2], "tanh", dtype="float64", seed=0)
        model.load_state_dict({
            **model.state_dict(), "layers.2.weight": [[1, 0, -0.5], [0, 0, 0]], "layers.2.bias": [0, 0],
        })  # fmt: skip
        plot = feature_space(model, X, LABELS)
        space = plot.figure.axes[1]
        walls, heights = space.collections[:9], space.collections[9:]
        assert len(walls) == 1 + 4 + 4  # one answer on the left; behind and below two grounds and a line for each
        assert len(heights) == 2 * HEIGHTS
        for line in walls[6::2]:  # on the floor
            across = np.concatenate([path.vertices[:, 0] for path in line.get_paths()])
            np.testing.assert_allclose(across, space.get_zlim()[0] / 2, atol=0.03)  # neuron 1 = neuron 3 / 2
        assert "the same at ten heights" in "".join(texts(plot))
