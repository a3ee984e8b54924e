"""Several programs on overlapping sets of parameters: right, and at rest after the first round."""

from collections.abc import Callable
from typing import Any

import numpy as np

import autograd as ag
import nn


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
        known.append([next(iter(step._executables.values())) for step in compiled])
    for p, q in zip(models[0].parameters(), models[1].parameters(), strict=True):
        np.testing.assert_allclose(q.data, p.data, rtol=1e-12)
    assert known[1] == known[2] == known[-1]  # none was traced anew because another one had moved a parameter
