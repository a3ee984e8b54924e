"""`compile` with ``check=True``: a call that differs from the function is an error, and changes nothing."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from random import Random
from typing import Any

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad import nn
from glassgrad.autograd.compiler.executable import Executable
from glassgrad.autograd.compiler.ir.program import Program
from glassgrad.autograd.errors import AutogradError, CheckError
from tests.autograd.compiler.targets.c.native import needs_compiler
from tests.autograd.compiler.test_training import step_of
from tests.sampling import waiting
from tests.steps.random_steps import random_step
from tests.steps.readings import Run
from tests.steps.search import NETWORKS

X, Y = ag.Tensor([[0.5, -1.0], [2.0, 1.0]]), ag.Tensor([[1.0], [0.0]])


def training(target: str = "numpy") -> tuple[Any, nn.Module, Any]:
    """A compiled step with dropout, momentum and a running mean; its model; and its generator."""
    generator = np.random.default_rng(0)
    layers = nn.Linear(2, 4, seed=0), nn.BatchNorm1d(4), nn.Dropout(0.5, seed=generator), nn.Linear(4, 1, seed=1)
    model = nn.Sequential(*layers).to("float64")
    step = step_of(model, nn.optim.SGD(model.parameters(), lr=0.1, momentum=0.9), nn.functional.mse_loss)
    return ag.compile(step, target=target, check=True), model, generator  # type: ignore[call-overload]


@pytest.mark.parametrize("target", ["numpy", pytest.param("c", marks=needs_compiler)])
def test_a_step_is_taken_once(target: str) -> None:
    step, model, generator = training(target)
    other, twin, its_own = training(target)
    for _ in range(4):
        found, expected = step(X, Y), other.function(X, Y)
        np.testing.assert_allclose(found.data, expected.data, rtol=1e-10)
    for name, value in model.state_dict().items():
        np.testing.assert_allclose(value.data, twin.state_dict()[name].data, rtol=1e-9, err_msg=name)
    assert generator.bit_generator.state == its_own.bit_generator.state


@pytest.mark.parametrize(("target", "count"), [("numpy", 60), waiting("numpy", 1000), waiting("c", 60)])
def test_random_steps_agree(target: str, count: int) -> None:
    refused = 0
    for seed in range(count):
        step = random_step(Random(9_000_000 + seed), NETWORKS if seed % 2 else None)
        run = Run(step, partial(ag.compile, check=True, target=target))
        try:
            for i in range(len(step.calls)):
                run.line(i)
        except CheckError as error:
            raise AssertionError(f"seed {9_000_000 + seed}") from error
        except AutogradError:
            refused += 1
    assert refused < count * (0.45 if target == "c" else 0.33)  # C refuses more operations


def without_an_update(program: Program) -> Program:
    return program.changed(updates=dict([*program.updates.items()][1:]))


def with_another_operation(program: Program, old: str, new: str) -> Program:
    last = [i for i in program.instructions if i.op == old][-1]
    return program.changed(instructions=[replace(i, op=new) if i is last else i for i in program.instructions])


FAULTS: dict[str, Callable[[Program], Program]] = {
    "a state that keeps its value": without_an_update,
    "a difference for a sum": lambda program: with_another_operation(program, "add", "subtract"),
    "a product for a difference": lambda program: with_another_operation(program, "subtract", "multiply"),
    "a square root that is left out": lambda program: with_another_operation(program, "sqrt", "positive"),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=[*FAULTS])
def test_a_faulty_pass_is_found_and_nothing_is_changed(
    monkeypatch: pytest.MonkeyPatch, fault: Callable[[Program], Program]
) -> None:
    optimize = Executable.optimize
    monkeypatch.setattr(Executable, "optimize", staticmethod(lambda program: fault(optimize(program))))
    step, model, generator = training()
    before = {name: value.data.copy() for name, value in model.state_dict().items()}
    stream = generator.bit_generator.state
    with pytest.raises(CheckError, match=r"the compiled step and the function itself differ at .*: element .* instead"):
        step(X, Y)
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(value.data, before[name], err_msg=name)
    assert generator.bit_generator.state == stream
    assert all(p.grad is None for p in model.parameters())


def test_what_a_program_does_not_see_is_found() -> None:
    """A global that is added after the trace."""
    names: dict[str, Any] = {}
    exec("def scaled(x):\n    return x * globals().get('later', 2)\n", names)
    step = ag.compile(names["scaled"], check=True)
    assert step(X).tolist() == (X * 2).tolist()
    names["later"] = 3
    with pytest.raises(
        CheckError, match=r"the compiled scaled .* at result 0 \(<string>:2\): element \[0, 0\] .* 1 .* 1.5"
    ):
        step(X)


def test_a_function_that_raises_where_its_program_does_not() -> None:
    w = ag.Tensor([1.0, 2.0], name="w")

    def step(x: ag.Tensor) -> None:
        if globals().get("limit_of_sum", 10.0) < 1.0:
            raise ValueError("too much")
        w.data = w.data + x.data

    run = ag.compile(step, check=True)
    run(ag.ones(2))
    globals()["limit_of_sum"] = 0.5
    try:
        with pytest.raises(
            CheckError, match="the compiled step returns, and the function itself raises ValueError: too"
        ):
            run(ag.ones(2))
    finally:
        del globals()["limit_of_sum"]
    assert w.tolist() == [2.0, 3.0]


def test_a_compiled_function_that_calls_another() -> None:
    w = ag.Tensor([1.0, 2.0], requires_grad=True, name="w")
    inner = ag.compile(lambda x: w * x)

    def step(x: ag.Tensor) -> ag.Tensor:
        w.grad = None
        y = inner(x).sum()
        y.backward()
        return y

    assert ag.compile(step, check=True)(ag.ones(2)).item() == 3.0


def test_an_error_of_both_is_that_of_the_program() -> None:
    step = ag.compile(nn.functional.cross_entropy, check=True)
    step(X, ag.Tensor([0, 1]))
    with pytest.raises(ag.errors.DomainError, match="the label 7"):
        step(X, ag.Tensor([0, 7]))


def test_an_environment_variable_checks_every_program() -> None:
    text = (
        "from glassgrad import autograd as ag; print(ag.compile(lambda x: x).check, ag.compile(abs, check=True).check)"
    )
    told = subprocess.run(
        [sys.executable, "-c", text],
        env={"GLASSGRAD_CHECK": "1", "PATH": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.split() == ["True", "True"]


def test_fit_checks_each_step(monkeypatch: pytest.MonkeyPatch) -> None:
    def fitted() -> Any:
        model = nn.MLP([2, 3, 1], seed=0)
        optimizer = nn.optim.Adam(model.parameters(), lr=0.01)
        data = np.float32(X.data), np.float32(Y.data)
        nn.fit(model, nn.functional.mse_loss, optimizer, data, epochs=3, compile=True, check=True, progress=False)
        return model

    fitted()
    optimize = Executable.optimize
    monkeypatch.setattr(Executable, "optimize", staticmethod(lambda program: without_an_update(optimize(program))))
    with pytest.raises(CheckError, match="differ at"):
        fitted()
