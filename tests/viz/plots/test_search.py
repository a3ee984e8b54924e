"""Pictures of a search."""

from types import SimpleNamespace

import pytest

from glassgrad import viz
from glassgrad.nn.tuning import Trial
from glassgrad.viz.drawing.errors import DrawingError


def trial(number, accuracy, state="complete", layers=(8, 10), **choice):
    curve = () if accuracy is None else (accuracy - 0.1, accuracy)
    return Trial(
        number=number, accuracy=accuracy, state=state, layers=layers, curve=curve, parameters=10 * sum(layers),
        seconds=1.5, seed=number, choice={"model": "mlp", "lr": 0.01, **choice},
    )  # fmt: skip


TRIALS = [
    trial(0, 0.9), trial(1, 0.95, layers=(64, 32, 10), hidden=(64, 32)), trial(2, 0.5, "pruned"),
    trial(3, None, "failed"), trial(4, 0.7, layers=(10,), note="<script>"),
]  # fmt: skip


def result(trials):
    front = sorted((t for t in trials if t.state == "complete"), key=lambda t: t.parameters)
    return SimpleNamespace(trials=trials, pareto=lambda: front)


def test_the_picture_names_the_best_network_and_shows_every_trial():
    plot = viz.plot_search(result(TRIALS))
    assert plot.description == "Search for a network: 5 trials, best 95.00 % with mlp 64-32-10"
    sketches, curves, front = plot.figure.axes
    assert len(sketches.patches) == sum(len(t.layers) for t in TRIALS if t.accuracy is not None)
    assert sum(len(line.get_xdata()) == 2 for line in curves.lines) == 4
    assert [line.get_xdata()[0] for line in front.lines[:4]] == [180, 1060, 180, 100]


def test_one_trial_is_enough_and_none_is_refused():
    viz.plot_search(result([trial(0, 0.9)]))
    with pytest.raises(DrawingError, match="no trial of this search has an accuracy"):
        viz.plot_search(result([trial(0, None, "failed")]))


def test_one_outlier_does_not_press_the_others_together():
    good = [trial(n, 0.95 + 0.002 * n, layers=(8 + n, 10)) for n in range(8)]
    for bad in (trial(8, 0.1, layers=(2, 10)), trial(8, 0.1, "pruned")):
        _, curves, front = viz.plot_search(result([*good, bad])).figure.axes
        assert curves.get_ylim()[0] > 0.8
        low, high = front.get_ylim()
        assert (low > 0.9, high > 0.964) == (True, True)
        below = [line for line in front.lines if line.get_marker() == "v"]
        assert [line.get_ydata()[0] for line in below] == [0.95], "at the edge"
