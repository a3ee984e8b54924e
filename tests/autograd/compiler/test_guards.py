"""Whatever a compiled function reads of modules, and is changed between two calls, is followed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad import nn
from glassgrad.autograd.compiler.tracing.surroundings import alike
from tests.autograd.compiler.oracle import follows, traces
from tests.autograd.compiler.targets.c.native import needs_compiler
from tests.training import updating

X = ag.ones((2,), dtype="float32")


def agree(model: nn.Module, change: Callable[[Any], Any], x: Any = X) -> None:
    """The compiled module after ``change`` is the module itself, in values, dtypes and signs."""
    compiled = ag.compile(model)
    compiled(x)
    change(model)
    for _ in range(2):
        got, wanted = compiled(x).detach(), model(x).detach()
        np.testing.assert_array_equal(got.data, wanted.data)
        assert got.dtype == wanted.dtype
        assert str(got.data) == str(wanted.data)  # which tells the sign of a zero


class Scaled(nn.Module):
    def __init__(self, scale: Any = 1.0) -> None:
        self.scale = scale

    def forward(self, x: ag.Tensor) -> Any:
        return x * self.scale


NAN = float("nan")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (2.0, 3.0),
        (NAN, 1.0),
        (0.0, -0.0),
        (2, 2.0),
        (1j, 2j),
        (np.float32(2), np.float32(3)),
        (np.float64(2), 2.0),
        (2.0, nn.Parameter([3.0, 4.0])),
        (1.0, ag.Tensor(1.0)),
        (2.0, np.float32([3, 4])),
    ],
    ids=repr,
)
def test_a_changed_value(before: Any, after: Any) -> None:
    agree(Scaled(before), lambda model: setattr(model, "scale", after))


def test_another_object_of_the_same_value_changes_nothing() -> None:
    model = Scaled(float("1000.5"))
    compiled = ag.compile(model)
    with traces() as count:
        for _ in range(4):
            compiled(X)
            model.scale = float("1000.5")
    assert count() == 1
    assert alike((0.9, NAN), (0.9, float("nan")))
    assert not alike((0.0,), (-0.0,))


class Weighted(nn.Module):
    def __init__(self) -> None:
        self.weight = nn.Parameter([1.0, 2.0])

    def forward(self, x: ag.Tensor) -> Any:
        return x * self.weight

    @ag.compile
    def again(self, x: ag.Tensor) -> Any:
        return x * self.weight


def test_a_parameter_that_is_replaced_however_the_module_is_entered() -> None:
    model = Weighted()
    by_forward, inside = ag.compile(model.forward), ag.compile(lambda x: model.weight * x)
    before = [f(X).tolist() for f in (model.again, by_forward, inside)]
    model.weight = nn.Parameter([5.0, 6.0])
    assert before == [[1.0, 2.0]] * 3
    assert [f(X).tolist() for f in (model.again, by_forward, inside)] == [[5.0, 6.0]] * 3


def test_a_parameter_that_is_frozen_where_the_function_asks_for_it() -> None:
    def run(wrap: Callable[[Any], Any]) -> list[float]:
        one, other = nn.Linear(2, 1, seed=0), nn.Linear(2, 1, seed=1)
        parameters = [*one.parameters(), *other.parameters()]

        def loss_of(x: ag.Tensor) -> Any:
            return one(x).sum() + 0.1 * sum((p * p).sum() for p in parameters if p.requires_grad)

        step = wrap(updating(nn.optim.SGD(parameters, lr=0.1), loss_of))
        losses = []
        for free in (False, True, True, False, True):
            other.requires_grad_(free)
            losses.append(step(X).item())
        return losses

    assert run(ag.compile) == pytest.approx(run(lambda step: step), rel=1e-6)


class Restless(nn.Module):
    """It sets and deletes its own options, and reads them through a property."""

    depth = 0

    def __init__(self) -> None:
        self.layer = nn.Linear(2, 2)

    @property
    def level(self) -> int:
        return self.depth + self.now  # type: ignore[no-any-return, attr-defined]

    def forward(self, x: ag.Tensor) -> Any:
        self.depth, self.now = 0, 1
        for _ in range(3):
            self.depth += 1
            x = self.layer(x) * self.level
        del self.now
        return x


def test_attributes_set_by_the_function_cause_no_new_trace() -> None:
    compiled = ag.compile(Restless())
    compiled(X)
    compiled(X)
    with traces() as count:
        compiled(X)
    assert not count()


def test_an_old_gradient_does_not_matter_in_another_mode() -> None:
    model = nn.Linear(2, 2, seed=0)
    optimizer = nn.optim.SGD(model.parameters(), lr=0.1)

    @ag.compile
    def step(x: ag.Tensor) -> Any:
        loss = model(x).sum()
        if model.training:
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
        return loss

    step(X)
    model.eval()
    model(X).sum().backward()
    assert step(X).item() == pytest.approx(model(X).sum().item())


def test_a_trace_leaves_nothing_behind() -> None:
    slots = [vars(ag.Tensor)[name] for name in ("data", "grad", "requires_grad")]
    with pytest.raises(ZeroDivisionError):
        ag.compile(lambda x: 1 // 0)(X)
    assert [vars(ag.Tensor)[name] for name in ("data", "grad", "requires_grad")] == slots
    assert "__getattribute__" not in vars(nn.Module)


def test_hooks_come_and_go() -> None:
    w = ag.Tensor([1.0, 1.0], requires_grad=True)
    step = ag.compile(updating(nn.optim.SGD([w], lr=0.1), lambda x: ag.mean((x * w) ** 2)))
    x = ag.Tensor([[1.0, 2.0], [3.0, 4.0]])
    step(x)
    before = w.tolist()
    hook = w.register_hook(lambda g: g * 0)
    step(x)
    assert w.tolist() == before
    hook.remove()
    step(x)
    assert w.tolist() != before


def _take_the_first(optimizer: Any) -> None:
    group = optimizer.param_groups[0]
    group["params"][:] = group["params"][:1]


def _doubled(state: Any) -> Any:
    return {p: {name: kept * 2 for name, kept in of_p.items()} for p, of_p in state.items()}


REGROUPED: dict[str, Callable[[Any], Any]] = {
    "a parameter removed": lambda o: o.param_groups[0]["params"].pop(0),
    "parameters replaced in place": _take_the_first,
    "another list of parameters": lambda o: o.param_groups[0].update(params=o.param_groups[0]["params"][1:]),
    "a group added": lambda o: o.param_groups.append(
        {**o.param_groups[0], "params": [o.param_groups[0]["params"].pop()], "lr": 0.01}
    ),
    "another group": lambda o: o.param_groups.__setitem__(0, {**o.param_groups[0], "lr": 0.5}),
    "other groups": lambda o: setattr(o, "param_groups", [{**o.param_groups[0], "params": [next(iter(o.state))]}]),
    "another state Tensor": lambda o: [s.update(momentum_buffer=s["momentum_buffer"] * 2) for s in o.state.values()],
    "another state of a parameter": lambda o: o.state.update(_doubled(o.state)),
    "another state": lambda o: setattr(o, "state", _doubled(o.state)),
}  # fmt: skip


@pytest.mark.parametrize("target", ["numpy", pytest.param("c", marks=needs_compiler)])
@pytest.mark.parametrize("change", REGROUPED.values(), ids=[*REGROUPED])
def test_an_optimizers_groups_and_state_may_be_replaced(change: Callable[[Any], Any], target: str) -> None:
    def trained(wrap: Any) -> list[Any]:
        parameters = [ag.Tensor([1.0, 2.0], requires_grad=True), ag.Tensor([3.0, 4.0], requires_grad=True)]
        optimizer = nn.optim.SGD(parameters, lr=0.1, momentum=0.9)
        take = wrap(updating(optimizer, lambda x: ag.sum((parameters[0] * parameters[1] - x) ** 2)))
        for i in range(5):
            if i == 2:
                optimizer.zero_grad()
                change(optimizer)
            take(ag.Tensor([0.3, 5.0]))
        return parameters

    follows(trained, target, rtol=1e-12)


class Config:
    """Equal to others of its name, whatever its factor."""

    def __init__(self, factor: float) -> None:
        self.factor = factor

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Config)

    def __hash__(self) -> int:
        return 1


def test_an_argument_of_ones_own_class_is_not_compared_by_its_own_equality() -> None:
    compiled = ag.compile(lambda x, config: x * config.factor)
    configs = [Config(2.0), Config(3.0)]
    for config in (*configs, *configs):
        np.testing.assert_array_equal(compiled(X, config).data, X.data * config.factor)
    configs[0].factor = 4.0
    np.testing.assert_array_equal(compiled(X, configs[0]).data, X.data * 4)
    assert len(compiled.programs) == 2


def test_a_large_array_is_read_at_each_call() -> None:
    a = np.ones(10_000)
    f = ag.compile(lambda x: x + a)
    with traces() as count:
        for i in range(4):
            a[i] = i
            agree_exactly(f(ag.ones(10_000)), ag.ones(10_000) + a)
    assert count() == 1


def agree_exactly(found: ag.Tensor, expected: ag.Tensor) -> None:
    np.testing.assert_array_equal(found.data, expected.data)


def test_a_function_may_fill_an_array_with_the_same_numbers_at_each_call() -> None:
    row = np.zeros(3)

    @ag.compile
    def f(x):
        row[:] = np.arange(3.0)
        return x * row

    for _ in range(3):
        assert np.array_equal(f(ag.Tensor(2.0)).data, [0.0, 2.0, 4.0])


def test_a_key_is_another_one_where_its_type_is() -> None:
    scales = {1: 2.0}
    double = ag.compile(lambda x: x * sum(value for key, value in scales.items() if type(key) is int))
    x = ag.ones(3)
    assert [double(x).tolist() for _ in range(3)] == [[2.0] * 3] * 3
    scales[1.0] = scales.pop(1)
    assert double(x).tolist() == [0.0] * 3
