"""Gradients of arrays that are read piece by piece: the numbers of the dense ones, in one array."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from glassgrad import autograd as ag
from glassgrad.autograd import Tensor
from glassgrad.autograd.engine.scattered import Scattered

READINGS = {
    "rows": lambda x: sum((i + 1.0) * row.sum() for i, row in enumerate(x)),
    "unstack": lambda x: sum((i + 1.0) * column.sum() for i, column in enumerate(ag.unstack(x, axis=1))),
    "slices that overlap": lambda x: (x[:3] ** 2).sum() + (x[1:] ** 3).sum() + x[2, 1],
    "an element twice": lambda x: (x[[0, 0, 2], [1, 1, 1]] ** 2).sum() + (x[[0, 0]] * 3.0).sum(),
    "a mask": lambda x: (x[x.data > 0] ** 2).sum() + x[0].sum(),
    "rows by take": lambda x: (ag.take(x, [3, 0, 3], axis=0) ** 2).sum() + ag.take(x, [[1]], axis=-1).sum(),
    "pieces and the whole": lambda x: x[0].sum() + (x * x).sum() + x[1].sum() + x.sum(),
    "the whole, then pieces": lambda x: (x * x).sum() + x[1].sum(),
    "pieces of pieces": lambda x: sum((row[1:] * row[:-1]).sum() for row in x),
    "float32 among float64": lambda x: (ag.take(x.astype("float32"), [1, 1], axis=0) ** 2).sum() + x[0].sum(),
}


@pytest.mark.parametrize("name", READINGS)
@pytest.mark.parametrize("leaf", [True, False], ids=["a leaf", "a computed value"])
def test_the_gradient_is_that_of_dense_contributions(name, leaf):
    start = Tensor(np.random.default_rng(0).normal(size=(4, 3)), requires_grad=True)
    x = start if leaf else start * 2.0
    y = READINGS[name](x)
    *_, (_, dense, _) = ag.backward_steps([y], [1.0])
    found = ag.gradients(y, start)
    assert_array_equal(found.data, dense)
    y.backward()
    assert_array_equal(start.grad.data, dense)
    assert isinstance(start.grad.data, np.ndarray)


def test_shared_arrays_are_not_added_to_in_place():
    x = Tensor(np.zeros((2, 2)), requires_grad=True)
    seen = []
    y = x * 1.0
    y.register_hook(lambda g: seen.append(g.data))
    seed = np.ones((2, 2))
    z = +y  # its rule hands on the array that it gets
    total = ag.backward_steps([z, y[0]], [seed, np.ones(2)], sparse=True)
    gradients = {node.op.name: g for node, g, _ in total if node.op}
    assert_array_equal(seed, np.ones((2, 2)))
    assert_array_equal(gradients["multiply"], [[2.0, 2.0], [1.0, 1.0]])
    assert_array_equal(seen[0], [[2.0, 2.0], [1.0, 1.0]])


def test_the_work_grows_linearly_with_the_pieces():
    """Each row is added once, to one array: no array of the whole size is made for a row."""
    x = Tensor(np.ones((50, 2)), requires_grad=True)
    y = sum((row * row).sum() for row in x)
    parts = [part for node, _, parts in ag.backward_steps([y], [1.0], sparse=True) for part in parts]
    sparse = [part for part in parts if isinstance(part, Scattered)]
    assert len(sparse) == 50
    assert sum(part._total is not None for part in sparse) == 1


def test_hooks_and_checks_see_arrays():
    x = Tensor(np.ones((3, 2)), requires_grad=True)
    seen = []
    x.register_hook(lambda g: seen.append(g.tolist()))
    with ag.detect_anomaly():
        (x[0] + x[1]).sum().backward()
    (x[0] + x[1]).sum().backward()
    assert seen == [[[1.0, 1.0], [1.0, 1.0], [0.0, 0.0]]] * 2


def test_second_order_is_recorded():
    x = Tensor([1.0, 2.0, 3.0], requires_grad=True)
    (slope,) = ag.gradients([x[0] * x[1] + x[1] * x[2]], [x], create_graph=True)
    assert ag.gradients(slope[1], x).tolist() == [1.0, 0.0, 1.0]


def test_a_compiled_loop_over_rows_writes_into_one_total():
    x = ag.Tensor(np.random.default_rng(0).normal(size=(6, 2, 3)))
    w = ag.Tensor(np.random.default_rng(1).normal(size=(3, 3)), requires_grad=True)

    def step(x):
        z, h = x @ w, ag.zeros((2, 3))
        for t in range(6):
            h = ag.tanh(z[t] + h + z[t, 1:] * z[t][0])
        w.zero_grad()
        loss = (h * h).sum()
        loss.backward()
        return loss

    compiled, found = ag.compile(step), []
    for function in (step, compiled):
        function(x)
        found.append(w.grad.numpy())
    np.testing.assert_allclose(found[1], found[0], rtol=1e-12)
    whole = [line for line in compiled.source.splitlines() if line.endswith("# (6, 2, 3)")]
    assert len(whole) == 2, "the product, and zeros for the total of the gradient"
