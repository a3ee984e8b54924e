"""Derivations of every kind, each beside its text and LaTeX in `derivations/`."""

import re
from pathlib import Path

import numpy as np

from glassgrad import autograd as ag
from glassgrad import nn
from glassgrad.viz.formula.derivation import explain

KEPT = Path(__file__).with_name("derivations")


def leaf(value, name):
    return ag.Tensor(value, requires_grad=True, name=name)


def normal(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape)


def neuron():
    """L = (σ(w·x + b) − y)², and its Tensors by name."""
    w, b, x, y = leaf(2.0, "w"), leaf(-1.0, "b"), ag.Tensor(1.0, name="x"), ag.Tensor(1.0, name="y")
    u = w * x
    z = u + b
    a = ag.sigmoid(z)
    d = a - y
    return {"w": w, "b": b, "x": x, "y": y, "u": u, "z": z, "a": a, "d": d, "L": d**2}


def net(depth=3, width=2, batch=1, bias=True, seed=0):
    """A net of sigmoid layers with a squared error: the loss, its weights, its biases."""
    rng = np.random.default_rng(seed)
    h = ag.Tensor(rng.normal(size=(batch, width)))
    weights = [ag.Tensor(rng.normal(size=(width, width)), requires_grad=True) for _ in range(depth)]
    biases = [ag.Tensor(rng.normal(size=width), requires_grad=True) if bias else None for _ in range(depth)]
    for weight, b in zip(weights, biases, strict=True):
        h = ag.sigmoid(ag.linear(h, weight, b))
    loss = ag.squared_error(h, ag.Tensor(rng.uniform(size=(batch, width))), reduction="sum")
    return loss, weights, biases


def recurrent():
    """The loss of a recurrent layer's last state, and its recurrent weight."""
    layer = nn.RNN(3, 2, seed=0, dtype="float64")
    return ag.sum(ag.square(layer(ag.Tensor(normal(0, 5, 2, 3), name="x"))[0][-1])), layer.weight_hh_l0


def convolutional():
    """The loss of a small convolutional network, and its first weight."""
    x, w, v = (
        ag.Tensor(normal(0, 2, 1, 6, 6), name="x"),
        leaf(normal(1, 2, 1, 3, 3), "w"),
        leaf(normal(2, 2, 1, 2, 2), "v"),
    )
    a = ag.tanh(ag.conv(x, w, stride=2, padding=1))
    return ag.sum(ag.tanh(ag.OPS["max_pool"](ag.conv(a, v, groups=2), size=2))), w


def of_neuron(wrt, **options):
    t = neuron()
    return explain(t["L"], wrt=t[wrt], names=t, **options)


def several_paths():
    x = leaf(3.0, "x")
    q = x * x
    f = q + x
    return explain(f, wrt=x, names={"x": x, "q": q, "f": f})


def of_net(part="weights", place=0, numbers=None, **sizes):
    loss, weights, biases = net(**sizes)
    return explain(loss, wrt={"weights": weights, "biases": biases}[part][place], numbers=numbers)


def broadcast(name):
    x, y, s = leaf(np.ones((2, 1, 3)), "x"), ag.Tensor(np.ones((2, 4, 3)), name="y"), leaf(2.0, "s")
    return explain(ag.sum(x * y * s), wrt=name)


def upstream():
    w = leaf([1.0, 2.0], "w")
    y = ag.exp(w)
    return explain(y, wrt=w, names={"y": y}, gradient=np.array([1.0, -3.0]))


def two_convolutions():
    model = nn.Sequential(*(nn.Conv2d(1, 1, 3, seed=i, dtype="float64") for i in range(2)))
    return explain(ag.sum(model(ag.Tensor(normal(0, 1, 1, 6, 6), name="x")) ** 2), wrt=model[0].weight)


def parameter():
    model = nn.MLP([2, 3, 2], dtype="float64", seed=0)
    loss = ag.cross_entropy(model(ag.Tensor(np.ones((4, 2)))), np.array([0, 1, 1, 0]))
    return explain(loss, wrt=next(iter(model.parameters())))


def of(function, x):
    return explain(function(x), wrt=x)


def row():
    return leaf(np.array([[1.0, 2e-5]]), "x")


def counted_addends():
    w = leaf([[0.1, 0.2], [0.3, 0.4]], "w")
    a = ag.tanh(w @ leaf([0.5, -0.6], "v"))
    return explain(ag.sum(ag.sin(a * a)), wrt=w)


EXAMPLES = {
    "neuron": lambda: of_neuron("w"),
    "formulas": lambda: of_neuron("w", numbers=False),
    "intermediate": lambda: of_neuron("z"),
    "itself": lambda: of_neuron("L"),
    "forward_mode": lambda: of_neuron("w", mode="forward"),
    "several_paths": several_paths,
    "tensors": lambda: of_net(numbers=False),
    "tables": of_net,
    "rms": lambda: of_net(width=5, batch=3),
    "batch": lambda: of_net("biases", batch=3),
    "axis": lambda: broadcast("x"),
    "all_entries": lambda: broadcast("s"),
    "upstream": upstream,
    "folded": lambda: of_net(depth=16, batch=3, numbers=True),
    "folded_formulas": lambda: of_net("biases", 3, depth=16, batch=3, numbers=False),
    "quotient": lambda: of(lambda x: ag.exp(x * x + x) / (x + 1e-9), leaf(3.0, "a_b")),
    "softmax": lambda: of(lambda x: ag.sum(ag.softmax(x, axis=-1)[0, 1:] ** 2), row()),
    "cross_entropy": lambda: of(lambda x: ag.cross_entropy(x, np.array([1])), row()),
    "where": lambda: of(lambda x: ag.sum(ag.where(x > 0.5, x, ag.abs(x) ** 1.5)), row()),
    "smallest": lambda: of(lambda x: ag.sum(ag.min(x, axis=1)), leaf([[1.0, 2.0], [4.0, 3.0]], "x")),
    "counted_addends": counted_addends,
    "windows": lambda: explain(convolutional()[0], wrt="w"),
    "two_convolutions": two_convolutions,
    "loop": lambda: explain(recurrent()[0], wrt="weight_hh_l0"),
    "parameter": parameter,
}


def outline(told):
    """The text and the LaTeX of a derivation; the error of its check, which differs by machine, is left out."""
    return re.sub(r"(?<=relative error )[\d.e-]+", "…", f"{told.text}\n{told.latex}")
