"""The reference interpreter: the numbers, fresh arrays, and what it says where something does not fit."""

from __future__ import annotations

from typing import Any

import numpy as np

from glassgrad import autograd as ag
from glassgrad import nn
from glassgrad.autograd.compiler.ir.program import Program
from tests.training import updating


def test_run_changes_nothing() -> None:
    w = ag.Tensor([1.0, 2.0], requires_grad=True, name="w")
    optimizer = nn.optim.SGD([w], lr=0.5)
    program = ag.trace(updating(optimizer, lambda x: (x * w).sum()), ag.ones(2))
    for _ in range(2):
        outputs, updates = program.run(np.array([1.0, 3.0]))
        assert outputs[0] == 7.0
        assert {state.name: array.tolist() for state, array in updates.items()} == {"w": [0.5, 0.5]}
        assert w.tolist() == [1.0, 2.0]
    (state,) = updates
    again, _ = program.run(np.array([1.0, 3.0]), states={state: np.zeros(2)})
    assert again[0] == 0.0
    optimizer.param_groups[0]["lr"] = 1.0
    assert [array.tolist() for array in program.run(np.array([1.0, 3.0]))[1].values()] == [[0.0, -1.0]]


def all_views() -> tuple[Program, Any]:
    """A program whose results are its input, a state, a constant and views of these, and its state's Tensor."""
    w, constant = ag.Tensor(np.ones((2, 2)), name="w"), np.full((2, 2), 3.0)

    def f(x: ag.Tensor) -> Any:
        w.data[...] = w.data.T
        return x, x.T, x[0], ag.reshape(x, (4,)), w, w.T, ag.asarray(constant), ag.broadcast_to(x[0], (3, 2)), x

    return ag.trace(f, ag.ones((2, 2))), (w, constant)


def test_results_share_no_memory_with_what_was_given_nor_with_each_other() -> None:
    program, (w, constant) = all_views()
    x = np.arange(4.0).reshape(2, 2)
    results, updates = program.run(x)
    made = [*results, *updates.values()]
    for i, array in enumerate(made):
        assert array.flags.writeable
        for other in (x, w.data, constant, *made[:i]):
            assert not np.shares_memory(array, other)
    for array in made:
        array[...] = -1.0
    assert x.tolist() == [[0.0, 1.0], [2.0, 3.0]]
    assert w.tolist() == [[1.0, 1.0], [1.0, 1.0]]
    again, _ = program.run(x)
    assert again[0].tolist() == [[0.0, 1.0], [2.0, 3.0]]
    assert again[6].tolist() == constant.tolist() == [[3.0, 3.0], [3.0, 3.0]]
