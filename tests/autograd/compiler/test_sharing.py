"""Several programs on overlapping sets of parameters: right, and at rest after the first round."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import autograd as ag
import nn
from autograd.errors import TraceError


def steps(model: nn.MLP) -> list[Callable[[Any, Any], Any]]:
    """Steps of three optimizers: of all parameters, of the last layer, and of two in another order."""
    parameters = list(model.parameters())
    optimizers = [
        nn.optim.SGD(parameters, lr=0.1),
        nn.optim.SGD(parameters[2:], lr=0.1),
        nn.optim.Adam([parameters[3], parameters[0]], lr=0.1),
    ]

    def step_of(optimizer: Any) -> Callable[[Any, Any], Any]:
        def step(x: Any, y: Any) -> Any:
            model.zero_grad()
            loss = nn.functional.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            model.zero_grad()
            return loss

        return step

    return list(map(step_of, optimizers))


def test_three_programs_take_turns() -> None:
    models = [nn.MLP([4, 5, 3], seed=0).to("float64") for _ in range(2)]
    eager, compiled = steps(models[0]), [ag.compile(step) for step in steps(models[1])]
    draw = np.random.default_rng(0)
    known = []
    for _ in range(6):
        x, y = draw.normal(size=(7, 4)), draw.integers(0, 3, 7)
        for one, other in zip(eager, compiled, strict=True):
            np.testing.assert_allclose(other(ag.Tensor(x), ag.Tensor(y)).data, one(ag.Tensor(x), ag.Tensor(y)).data)
        known.append([next(iter(step._executables.values()))[0] for step in compiled])
    for p, q in zip(models[0].parameters(), models[1].parameters(), strict=True):
        np.testing.assert_allclose(q.data, p.data, rtol=1e-12)
    assert known[1] == known[2] == known[-1]  # none was traced anew because another one had moved a parameter


def test_programs_that_take_turns_on_states_in_memory_of_others_bind_anew():
    """Two batch sizes and two modes alternate; the weight is a view into a longer array."""
    w = ag.Tensor(np.linspace(-1.0, 1.0, 64).reshape(16, 4), requires_grad=True, name="w")
    w.data = np.concatenate([w.data.reshape(-1)] * 2)[1 : 1 + w.size].reshape(w.shape)
    layer = nn.Sequential(nn.Linear(16, 16, seed=1, dtype="float64"), nn.Tanh())
    parameters = [w, *layer.parameters()]

    def step(x):
        t = x @ w.T
        loss = (ag.min(t) ** 2).sum() + 0.0 * layer(t).sum()
        for p in parameters:
            p.zero_grad()
        loss.backward()
        for p in parameters:
            p.data = p.data - 0.5 * p.grad.data
        return loss

    def run(function):
        rng, start = np.random.default_rng(0), [p.data.copy() for p in parameters]
        found = []
        for n, train in ((4, True), (96, True), (4, False), (4, True), (4, True)):
            layer.train(train)
            found.append(function(rng.standard_normal((n, 4))).item())
        for p, data in zip(parameters, start, strict=True):
            p.data = data
        return found

    assert run(ag.compile(step)) == pytest.approx(run(step), rel=1e-12)


def test_an_argument_that_the_function_also_captures_and_updates_is_refused():
    q, other = ag.Tensor([1.0, 2.0, 3.0]), ag.Tensor([4.0, 5.0, 6.0])

    @ag.compile
    def doubled(x):
        with ag.no_grad():
            q[...] = q * 2
        return x + 0

    assert_array_equal(doubled(other).numpy(), [4, 5, 6])
    with pytest.raises(TraceError, match=r"which it also captures and updates: .* clone\(\)"):
        doubled(q)
    assert_array_equal(q.numpy(), [2, 4, 6], "the refused call has changed nothing")
    assert_array_equal(doubled(q.clone()).numpy(), [2, 4, 6])
