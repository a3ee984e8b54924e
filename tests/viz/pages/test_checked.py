"""The checks of pages that do not compute: right rules are never called wrong, small faults always."""

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad import nn
from glassgrad.viz.pages import checked
from glassgrad.viz.recorded.scene import Scene


def graph(name, dtype):
    """A graph by name, its numbers of a dtype."""
    drawn = np.random.default_rng(0)

    def values(*shape):
        return ag.Tensor(drawn.normal(size=shape).astype(dtype), requires_grad=True, name="x")

    def run(model, x):
        for p in model.parameters():
            p.data = p.data.astype(dtype)
        return model.eval()(x)

    if name == "rnn":
        return ag.sum(run(nn.RNN(3, 4, seed=0), values(8, 1, 3))[0] ** 2)
    if name == "text":
        sizes = {"d_model": 8, "nhead": 2, "num_layers": 1, "dim_feedforward": 8, "max_len": 6, "seed": 0}
        return ag.mean(run(nn.models.char_transformer(7, **sizes), ag.Tensor([[0, 1, 2, 3, 4]])) ** 2)
    if name == "maps":
        layers = nn.Conv2d(1, 3, 3, seed=0), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(27, 4, seed=1)
        return ag.cross_entropy(run(nn.Sequential(*layers), values(1, 1, 8, 8)), ag.Tensor([1]))
    if name == "sizes":
        x = ag.Tensor(np.array([1e-8, 1e6, 3], dtype), requires_grad=True, name="x")
        return ag.sum(ag.log(x) * x**0.5)
    if name == "rounded":
        x = ag.Tensor(np.array([2.5, 1e-3], dtype), requires_grad=True, name="x")
        return ag.sum(x * 1e-3 + ag.Tensor(np.array([1e7, -1e6], dtype), name="c"))
    x = ag.Tensor(np.array([0, 1, -1, 0], dtype), requires_grad=True, name="x")
    return ag.sum(ag.relu(x) + ag.abs(x) + ag.maximum(x, -x))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["rnn", "text", "maps", "sizes", "rounded", "ties"])
def test_right_rules_and_a_thousandth_too_much(name, dtype, monkeypatch):
    scene = Scene(graph(name, dtype), gradients=True)
    found = checked.edge_verdicts(scene)
    kinks = int(name == "ties")  # |x| at 0
    assert sorted(found.values()) == ["kink"] * kinks + ["right"] * (len(found) - kinks)
    assert len(found) > 2
    judge = checked.verdict
    monkeypatch.setattr(checked, "verdict", lambda f, x, g, claimed, v: judge(f, x, g, 1.001 * claimed, v))
    faults = checked.edge_verdicts(scene)
    assert all(verdict == "wrong" or name == "ties" for verdict in faults.values()), faults
    assert "wrong" in faults.values()


def test_masked_scores_are_not_moved():
    x = ag.Tensor(np.ones((3, 4)), requires_grad=True, name="x")
    y = ag.sum(ag.softmax(x + ag.Tensor(np.triu(np.full((3, 4), -9e307), 1))) ** 2)
    assert set(checked.edge_verdicts(Scene(y, gradients=True)).values()) == {"right"}
