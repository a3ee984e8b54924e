"""`ag.loop`: many steps in a call leave and return what as many calls do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad import nn
from glassgrad.autograd.compiler import Steps
from glassgrad.autograd.compiler.targets.c.executable import NativeExecutable
from tests.autograd.compiler.targets.c.native import needs_compiler

RNG = np.random.default_rng(0)
DATA = RNG.standard_normal((40, 4)), RNG.integers(0, 3, 40)
ROWS = np.stack([RNG.permutation(40)[:32].reshape(4, 8) for _ in range(8)]).reshape(32, 8)


def trained(target: str) -> tuple[Any, Any, Any]:
    """A model, its optimizer and its compiled step."""
    model = nn.MLP([4, 6, 3], seed=0).to("float64")
    optimizer = nn.optim.Adam(model.parameters(), lr=0.01)

    @ag.compile(target=target)
    def step(x: Any, labels: Any) -> Any:
        optimizer.zero_grad()
        output = model(x)
        loss = nn.functional.cross_entropy(output, labels)
        loss.backward()
        optimizer.step()
        return loss, {"output": output, "name": "fixed"}

    return model, optimizer, step


def same(one: Any, other: Any) -> None:
    """Raise unless two models have the same parameters."""
    for p, q in zip(one.parameters(), other.parameters(), strict=True):
        np.testing.assert_allclose(p.data, q.data, rtol=1e-10, atol=1e-12)


@needs_compiler
@pytest.mark.parametrize("target", ["numpy", "c"])
def test_a_loop_is_as_many_calls(target):
    model, _, step = trained(target)
    losses, more = ag.loop(step, DATA, ROWS)
    assert isinstance(step._latest(), NativeExecutable) == (target == "c")
    reference, _, one = trained("numpy")
    expected = [one(ag.Tensor(DATA[0][row]), ag.Tensor(DATA[1][row])) for row in ROWS]
    np.testing.assert_allclose(losses.data, [loss.data for loss, _ in expected], rtol=1e-12)
    np.testing.assert_allclose(more["output"].data, [out["output"].data for _, out in expected], rtol=1e-10)
    assert more["name"] == "fixed"
    same(model, reference)


@needs_compiler
@pytest.mark.parametrize("target", ["numpy", "c"])
def test_steps_before_a_refused_step_take_effect(target):
    model, _, step = trained(target)
    labels = DATA[1].copy()
    labels[int(ROWS[20, 3])] = 7
    before = [t for t in range(32) if not (labels[ROWS[t]] == 7).any()]
    first = next(t for t in range(32) if t not in before)
    with pytest.raises(ValueError, match="2"):
        ag.loop(step, (DATA[0], labels), ROWS)
    reference, _, one = trained("numpy")
    for row in ROWS[:first]:
        one(ag.Tensor(DATA[0][row]), ag.Tensor(DATA[1][row]))
    same(model, reference)


@needs_compiler
def test_after_ctrl_c_the_steps_that_ran_are_counted(monkeypatch):
    model, _, step = trained("c")
    ag.loop(step, DATA, ROWS[:2])
    native = step._latest()
    run = native._loop

    def interrupted(*args: Any) -> None:
        run(*args)
        raise KeyboardInterrupt

    monkeypatch.setattr(native, "_loop", interrupted)
    steps = Steps(step, DATA, ROWS[2:])
    with pytest.raises(KeyboardInterrupt):
        steps.several()
    assert steps.done > 1
    reference, _, one = trained("numpy")
    for row in ROWS[: 2 + steps.done]:
        one(ag.Tensor(DATA[0][row]), ag.Tensor(DATA[1][row]))
    same(model, reference)


@needs_compiler
def test_gradients_are_those_of_the_last_step():
    found = {}
    for target in ("numpy", "c"):
        w = ag.Tensor(np.ones(3), requires_grad=True)

        @ag.compile(target=target)
        def step(x: Any, w: Any = w) -> Any:
            w.grad = None
            loss = ((w * x) ** 2).sum()
            loss.backward()
            return loss

        losses = ag.loop(step, [np.arange(30.0).reshape(10, 3)], np.arange(10)[:, None])
        found[target] = losses.data, w.grad.data.copy()  # type: ignore[union-attr]
    for one, other in zip(found["c"], found["numpy"], strict=True):
        np.testing.assert_allclose(one, other)


@needs_compiler
def test_data_and_results_of_any_form():
    pick = ag.compile(lambda x, y: (x[:, 0], np.float32(1) * y), target="c")
    x, y = np.arange(24.0).reshape(2, 3, 4).T, np.arange(4, dtype="f4")
    first, second = ag.loop(pick, (ag.Tensor(x), y), [[3, 0], [1, 1], [2, 0]])
    np.testing.assert_array_equal(first.data, x[[[3, 0], [1, 1], [2, 0]]][:, :, 0])
    np.testing.assert_array_equal(second.data, [[3, 0], [1, 1], [2, 0]])
