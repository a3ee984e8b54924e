"""What plots say: each has its words and numbers in `texts/`, where a change shows as a difference.

``KEEP=1 python -m pytest`` writes the texts anew.
"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad import nn, viz
from tests.viz.kept import assert_kept
from tests.viz.outline import outline
from tests.viz.plots.test_features import CORNERS, XOR, xor
from tests.viz.plots.test_network import lecture
from tests.viz.plots.test_search import TRIALS, result

pytest.importorskip("matplotlib", reason="the extra `plots` is not installed")

TEXTS = Path(__file__).with_name("texts")
RNG = np.random.default_rng(0)
X, LABELS, PICTURES = RNG.normal(size=(40, 2)), np.arange(40) % 2, RNG.normal(size=(2, 1, 8, 8)).astype("float32")
FORTY = ag.Tensor(np.outer(np.arange(40.0), [1, 0, 0]))
SOFTMAX = nn.Sequential(nn.Linear(3, 4, seed=0), nn.Softmax())
CURVES = {"loss": [1.0, 0.6, 0.4], "validation_loss": [1.1, 0.7, 0.9], "accuracy": [0.5, 0.7, 0.9]}
FITTED = SimpleNamespace(loss=[1.0, 0.5], validation_loss=[None, None], lr=[0.1, 0.1], seconds=[3.0, 2.0], note="end")


def ones(*shape):
    return np.ones((1, *shape), np.float32)


def numbers(*shape):
    return np.random.default_rng(0).normal(size=shape)


def network(*given, **options):
    return lambda: viz.draw_network(*given, **options)


def space(*given, **options):
    return lambda: viz.feature_space(*given, **options)


def history(*given):
    return lambda: viz.plot_history(*given)


def flat(*layers):
    return nn.Sequential(nn.Flatten(), *layers)


def convolutional():
    layers = nn.Conv2d(1, 10, 3, seed=0), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(90, 2, seed=1)
    return nn.Sequential(*layers)


def window(**which):
    x, w = (ag.Tensor(numbers(*shape), True, name=name) for shape, name in (((1, 6, 5, 5), "x"), ((1, 6, 2, 2), "w")))
    y = ag.conv(x, w, stride=2)
    return viz.plot_window(y, **which, loss=ag.sum(y) if "point" in which else None)


EXAMPLES = {
    "lecture": network(lecture, [1.0, -1.0], [1.0, 0.0], title="2-2-2-2 net, neuron by neuron"),
    "no_target": network(lecture, [0.0, 0.0]),
    "class_of_sigmoids": network(lecture, [1.0, -1.0], 0),
    "own_loss": network(lecture, [1.0, -1.0], [1.0, 0.0], loss=lambda y, t: ag.sum(ag.abs(y - t))),
    "digit": network(nn.MLP([64, 9, 10], seed=1), np.random.default_rng(0).random((1, 64)), 3, image=(8, 8)),
    "classes": network(nn.MLP([4, 9, 3], seed=1), ones(4), 2, classes=["setosa", "versicolor", "virginica"]),
    "one_output": network(nn.MLP([2, 3, 1], "tanh", seed=0), [0.5, -1.0], 1),
    "regression": network(nn.MLP([2, 20, 2], "relu", seed=0), [0.5, -1.0], [0.25, 1.5]),
    "softmax": network(SOFTMAX, ones(3), 2),
    "image": network(flat(nn.Linear(30, 12, seed=0)), ones(5, 6), 0, image=(5, 6)),
    "many_outputs": network(lambda x: ag.linear(x, FORTY, None), [1.0, 0.0, 0.0], 5),
    "names": network(nn.MLP([3, 40, 2], seed=0), ["width", "height", "age"], classes=["cat", "dog"]),
    "history": history({**CURVES, "validation_accuracy": [0.4, 0.8, 0.75]}),
    "history_of_an_object": history(FITTED),
    "history_with_a_changing_rate": history({"loss": [1.0, 0.5], "lr": [0.1, 0.05]}),
    "histories": history([{"loss": [1.0, 0.5, 0.4]}, {"loss": [0.9], "accuracy": [0.5]}]),
    "digits": lambda: viz.plot_digits(numbers(5, 16, 16), [1, 2, 3, 4, 5], [1, 2, 8, 4, 5]),
    "digits_of_probabilities": lambda: viz.plot_digits(
        numbers(1, 64), probabilities=[[0.1, 0.9]], classes=["cat", "dog"]
    ),
    "confusion": lambda: viz.plot_confusion([0, 0, 0, 2, 2, 2, 2], [0, 0, 2, 2, 2, 2, 0]),
    "spaces": space(nn.MLP([2, 5, 3, 2, 2], "tanh", seed=0), X, LABELS),
    "space_of_images": space(flat(nn.Linear(9, 2, seed=0), nn.Linear(2, 2, seed=1)), numbers(6, 3, 3), [0, 1] * 3),
    "space_of_many_points": space(nn.MLP([2, 2, 2], seed=0), numbers(2001, 2), np.arange(2001) % 2),
    "space_of_a_sigmoid": space(xor(scale=0.01), CORNERS, XOR),  # its outputs are above 0, half of them above 0.5
    "filters": lambda: viz.plot_filters(nn.Linear(6, 70, seed=0).weight.reshape(70, 1, 2, 3)),
    "filters_of_channels": lambda: viz.plot_filters(nn.Conv2d(3, 10, 5, seed=0)),
    "maps": lambda: viz.plot_feature_maps(convolutional(), PICTURES),
    "maps_of_a_layer": lambda: viz.plot_feature_maps(convolutional(), PICTURES, layer="0"),
    "saliency": lambda: viz.saliency(convolutional(), PICTURES, target=1),
    "saliency_of_rows": lambda: viz.saliency(nn.Linear(3, 2, seed=0, dtype="float64"), numbers(9, 3), 0, samples=3),
    "no_saliency": lambda: viz.saliency(convolutional(), 0 * PICTURES, target=0, layer="1"),
    "search": lambda: viz.plot_search(result(TRIALS)),
    "window_of_channels": lambda: window(at=(0, 0, 0, 0)),
    "no_window": lambda: window(point=(0, 0, 4, 4)),
}


def test_every_example_has_its_text():
    assert {path.stem for path in TEXTS.glob("*.txt")} == EXAMPLES.keys()


@pytest.mark.parametrize("name", EXAMPLES)
def test_it_says_what_its_text_says(name):
    assert_kept(TEXTS / f"{name}.txt", outline(EXAMPLES[name]()))
