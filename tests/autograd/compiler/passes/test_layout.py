"""Orders in memory: facts before ties, ties before wishes, and whoever is left without pays for a copy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad import nn
from glassgrad.autograd.compiler.ir.program import Program
from glassgrad.autograd.compiler.passes.layout import Orders, augment, cost_of
from glassgrad.autograd.compiler.passes.optimize import optimize, steps
from tests.autograd.compiler.targets.test_plan import program_of


def turned(program: Program, free: bool = False) -> dict[str, bool | None]:
    """For each value whether `Orders` has it transposed; ``None`` where it may choose."""
    orders = Orders(program)
    found = {}
    for value in program.values():
        group, by = orders.find(value)
        found[value.name] = orders.pinned[group] ^ by if group in orders.pinned else None
    return found


def test_elementwise_operands_share_a_memory_order() -> None:
    found = turned(program_of("a = tanh x; b = negative a; t = permute_dims b; m = matmul t b", outputs="m"))
    assert found == {"x": False, "a": False, "b": False, "t": True, "m": None}


def test_states_keep_their_layout() -> None:
    program = program_of("n = subtract p x; m = matmul n n", "p", "p<-n", "m")
    (state,) = program.states
    assert turned(program)["n"] is False
    state.origin.data = np.asfortranarray(state.origin.data)
    assert turned(program) == {"x": False, "p": True, "n": True, "m": None}


def test_values_with_different_fixed_orders_keep_them() -> None:
    """An argument in rows and a state in columns, added: the sum goes with one, and reads the other across its rows."""
    program = program_of("a = add p x; b = add a x; v = reshape b", "p", "", "v", v=(16,))
    (state,) = program.states
    state.origin.data = np.asfortranarray(state.origin.data)
    found = turned(program)
    assert (found["x"], found["p"]) == (False, True)
    assert found["a"] == found["b"] is not None
    (add, *_), *_ = program.instructions, None
    both = {v: bool(found[v.name]) for v in program.values()}
    assert cost_of(add, lambda v: both[v]) > cost_of(add, lambda v: False)


def test_a_reshape_of_columns_pays_for_its_copy() -> None:
    (_, reshape) = program_of("a = tanh x; v = reshape a", outputs="v", v=(16,)).instructions
    assert cost_of(reshape, lambda _: False) == 0 < cost_of(reshape, lambda _: True)


@pytest.mark.parametrize("order", ["C", "F"])
def test_random_numbers_are_drawn_in_rows(order: Any) -> None:
    weight = ag.Tensor(np.asarray(np.arange(12.0).reshape(3, 4), order=order), name="w")
    rng = np.random.default_rng(0)

    def f(x: ag.Tensor) -> ag.Tensor:
        return (x + ag.random.uniform((3, 4), generator=rng)) * weight

    program = optimize(ag.trace(f, ag.ones((3, 4))))
    assert not any(i.op == "draw" and i.out in program.flipped for i in program.instructions)


def layer(width: int, batch: int, given: int) -> Program:
    """A training step of one layer that is given an argument."""
    model = nn.Linear(given, width, seed=0)
    optimizer = nn.optim.SGD(model.parameters(), lr=0.1)

    def step(x: ag.Tensor) -> ag.Tensor:
        optimizer.zero_grad()
        loss = (model(x) ** 2).mean()
        loss.backward()
        optimizer.step()
        return loss

    return dict(steps(ag.trace(step, ag.ones((batch, given), dtype="float32"))))["common subexpressions of counters"]


@pytest.mark.parametrize(("given", "copied"), [(2, True), (500, False)])
def test_a_small_argument_is_copied_beside_ones(given: int, copied: bool) -> None:
    program = layer(16, 100, given)
    assert ("with_ones" in [i.op for i in augment(program).instructions]) is copied


def test_a_layer_whose_input_another_update_computes_keeps_its_bias() -> None:
    """The input would be packed away with the state that it updates."""
    one, two = nn.Linear(3, 4, seed=0), nn.Linear(3, 4, seed=1)
    x = ag.Tensor(np.random.default_rng(0).standard_normal((6, 3)))
    one.to("float64")
    two.to("float64")

    def step(x: ag.Tensor) -> ag.Tensor:
        h = -x
        loss = (one(h) ** 2).sum()
        of_weight, of_bias = ag.gradients(loss, (one.weight, one.bias))
        with ag.no_grad():
            one.weight.data = (one.weight - of_weight).data
            one.bias.data = (one.bias - of_bias).data
        other = (two(one.weight) ** 2).sum()
        slopes = ag.gradients(other, (two.weight, two.bias))
        with ag.no_grad():
            two.weight.data = (two.weight - slopes[0]).data
            two.bias.data = (two.bias - slopes[1]).data
        return loss + other

    before = [p.detach().numpy().copy() for p in (*one.parameters(), *two.parameters())]
    expected = step(x).item()
    after = [p.detach().numpy().copy() for p in (*one.parameters(), *two.parameters())]
    for p, array in zip((*one.parameters(), *two.parameters()), before, strict=True):
        p.data = array
    assert ag.compile(step)(x).item() == pytest.approx(expected, rel=1e-12)
    for p, array in zip((*one.parameters(), *two.parameters()), after, strict=True):
        np.testing.assert_allclose(p.detach().numpy(), array, rtol=1e-12)
