"""The user's lines in a program: what an instruction was recorded for, and the names that lines give."""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad import nn
from glassgrad.autograd.compiler.ir.program import Origin, Program

X, Y = ag.ones((5, 3), dtype="float32"), ag.zeros((5, 2), dtype="float32")
FILE = "test_lines.py"


def a_step() -> Any:
    w = ag.Tensor(np.ones((3, 2), "f4"), requires_grad=True, name="w")
    optimizer = nn.optim.SGD([w], lr=0.1)

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        h = ag.tanh(x @ w)
        loss = nn.functional.mse_loss(h, y)
        loss.backward()
        optimizer.step()
        return loss

    return step


def origins(program: Program) -> dict[str, str]:
    """For each value that an instruction makes the text of its line, "d " in front for each order of the gradient."""
    return {i.out.name: f"{'d ' * i.origin.order}{i.origin.text}" for i in program.instructions if i.origin}


def names(program: Program) -> list[str]:
    return [i.out.name for i in program.instructions]


def test_each_instruction_knows_the_users_line() -> None:
    """A gradient has the name of its value behind one prefix; passes keep lines and names."""
    program = ag.trace(a_step(), X, Y)
    found = origins(program)
    assert found["h"] == "h = ag.tanh(x @ w)"
    assert found["loss"] == "loss = nn.functional.mse_loss(h, y)"
    assert found["d_h"] == "d loss = nn.functional.mse_loss(h, y)"
    assert found["d_w"] == "d h = ag.tanh(x @ w)"
    assert found["w_new"] == "optimizer.step()"
    assert [n for n in names(program) if n.startswith("d_")] == ["d_loss", "d_h", "d_x_at_w", "d_w"]
    lines = [i.origin.line.partition(":") for i in program.instructions if i.origin]
    assert all(file == FILE and number.isdigit() for file, _, number in lines)
    better = program.optimized()
    assert all(i.origin is not None for i in better.instructions)
    assert origins(better)["h"] == "h = ag.tanh(x @ w)"
    assert {"h", "d_h", "loss"} <= set(names(better))


def test_what_no_grad_decorates_belongs_to_the_users_line() -> None:
    w = ag.Tensor([1.0, 2.0], requires_grad=True)

    @ag.no_grad()
    def doubled(x: Any) -> Any:
        return 2 * x

    def step(x: Any) -> Any:
        y = doubled(x)
        w.grad = y
        return nn.optim.clip_grad_norm_([w], 1.0)

    found = origins(ag.trace(step, ag.ones(2)))
    assert found.pop("y") == "return 2 * x"
    assert {*found.values()} == {"return nn.optim.clip_grad_norm_([w], 1.0)"}


def test_the_last_tensor_of_a_call_has_the_assigned_name() -> None:
    def two(x: Any) -> Any:
        z = ag.exp(x)
        return ag.log(z) * 2.0

    def step(x: Any) -> Any:
        y = two(x)
        y = y + 1.0
        total = ag.sum(y)
        return total  # noqa: RET504

    assert names(ag.trace(step, X)) == ["z", "log_z", "y", "y_2", "total"]


def test_each_turn_of_a_loop_begins_anew() -> None:
    def step(x: Any) -> Any:
        h = x
        for _ in range(3):
            h = ag.tanh(h)
        return h

    assert names(ag.trace(step, X)) == ["h", "h_2", "h_3"]


def test_modules_name_what_they_return() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            self.norm, self.out = nn.LayerNorm(3), nn.Linear(3, 2, seed=0)

        def forward(self, x: Any) -> Any:
            return self.out(ag.tanh(self.norm(x)))

    net = Net()
    found = names(ag.trace(net, X))
    assert "norm" in found
    assert "out" in found
    assert found.index("norm") < found.index("tanh_norm") < found.index("out")
    paths = {i.out.name: i.origin.scope for i in ag.trace(net, X).instructions if i.origin}
    assert paths["norm"] == "norm"
    assert paths["out"] == "out"


def test_a_module_without_a_name_is_called_by_its_class() -> None:
    net = nn.Sequential(nn.Linear(3, 2, seed=0), nn.Tanh())
    assert {"linear_0", "tanh_1"} <= set(names(ag.trace(net, X)))


def test_values_computed_within_an_operation_have_their_own_names() -> None:
    labels = ag.asarray(np.zeros(5, int))
    found = names(ag.trace(lambda x: ag.cross_entropy(x, labels), X))
    assert "shifted" in found
    assert found[-1] == "cross_entropy_1"


def test_names_of_operands_can_be_read_in_one_way_only() -> None:
    def f(x: Any, y: Any) -> Any:
        return (x - (y - x)) * (x + y) + x * x, (x @ y.T) ** 2, 3.0 * x + y * 0.25

    found = names(ag.trace(f, X, ag.ones((5, 3), dtype="float32")))
    assert {"y_minus_x", "x_plus_y", "squared_x", "y_T", "x_at_y_T", "squared_x_at_y_T", "scaled_y"} <= set(found)
    assert "x_times_3_plus_scaled_y" in found
    assert not any("minus_y_minus" in n or "plus_y_times" in n for n in found)


def test_a_second_derivative_is_labelled() -> None:
    def f(x: Any) -> Any:
        y = x**3
        return ag.sum(y)

    program = ag.trace(ag.grad(lambda x: ag.sum(ag.grad(f)(x))), X)
    orders = {i.origin.order for i in program.instructions if i.origin and i.origin.text == "y = x**3"}
    assert {0, 1, 2} <= orders
    assert str(Origin("a.py:3", "y = x**3", "", 2)) == "gradient of the gradient of y = x**3, a.py:3"


def test_a_function_of_these_packages_tells_its_own_lines() -> None:
    layer = nn.Linear(3, 2, seed=0)
    found = {i.origin.line.partition(":")[0] for i in ag.trace(layer.forward, X).instructions if i.origin}
    assert found
    assert FILE not in found


@pytest.mark.usefixtures("no_collector")
def test_frames_are_released() -> None:
    class Kept:
        pass

    held = []

    def step(x: Any) -> Any:
        thing = Kept()
        held.append(weakref.ref(thing))
        y = ag.tanh(x)
        return y  # noqa: RET504

    ag.trace(step, X)
    assert held[0]() is None
