"""What the passes take out, what the plan saves, what the source says. That values stay is in `test_table`."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad import nn
from glassgrad.autograd.compiler.ir.program import Program
from glassgrad.autograd.compiler.passes import optimize
from tests.autograd.compiler.oracle import agree, check
from tests.autograd.compiler.test_training import OPTIMIZERS, batches, mlp, step_of
from tests.sampling import waiting

X = ag.Tensor(np.arange(1.0, 7.0).reshape(2, 3), requires_grad=True, name="x")


def optimized(f: Any, *inputs: Any) -> Program:
    """The program of ``f`` after all passes, which also compute the same."""
    check(f, *inputs)
    return optimize.optimize(ag.trace(f, *inputs))


def ops(program: Program) -> list[str]:
    """The calls of a program, sorted."""
    return sorted(instruction.op for instruction in program.instructions)


def dropped(z: Any, *_: Any) -> Any:
    return z


@pytest.mark.parametrize(
    ("f", "left"),
    [
        pytest.param(lambda x: dropped(x * 2, ag.exp(x)), ["multiply"], id="dead code"),
        pytest.param(lambda x: ag.exp(x.reshape(6).reshape((2, 3))), ["exp"], id="reshape of reshape"),
        pytest.param(lambda x: ag.exp((x.T @ x).T), ["exp", "matmul", "permute_dims"], id="transposed product"),
        pytest.param(lambda x: x * (ag.ones(()) + 2.0).exp(), ["multiply"], id="constants"),
        pytest.param(lambda x: ag.exp(x.astype("float64")), ["exp"], id="a cast to itself"),
    ],
)
def test_redundant_work_is_removed(f: Any, left: list[str]) -> None:
    assert [op for op in ops(optimized(f, X)) if op not in ("reshape", "copy")] == left


def test_effects_are_kept_in_their_order() -> None:
    rng = np.random.default_rng(0)

    def f(x: ag.Tensor, y: ag.Tensor) -> ag.Tensor:
        ag.random.uniform(3, generator=rng)
        nn.functional.cross_entropy(x, y)
        ag.random.normal(3, generator=rng)
        return x * 2

    program = optimize.optimize(ag.trace(f, X, ag.Tensor([0, 1])))
    kept = [i for i in program.instructions if i.op in ("draw", "check_range")]
    assert [i.params.get("method", i.op) for i in kept] == ["random", "check_range", "standard_normal"]


def test_constants_that_are_equal_by_chance_are_not_merged() -> None:
    """0.0 and -0.0, 1 and 1.0 and True, NaN, float32 and float64: constants of their own."""

    def f(x: ag.Tensor) -> Any:
        zeros = ag.copysign(x, 0.0), ag.copysign(x, -0.0)
        return (
            *zeros,
            x * 1,
            x.astype("int64") * 1,
            x.astype("int64") * 1.0,
            x + float("nan"),
            x.astype("float32") * 2.0,
        )

    check(f, X)


@pytest.mark.parametrize("name", ["SGD momentum", "Adam"])
def test_small_states_are_updated_together(name: str) -> None:
    """The source has one update for all parameters of a small net, and Adam one counter."""
    model = mlp().to("float64")
    step = ag.compile(step_of(model, OPTIMIZERS[name](model.parameters())))
    for batch in batches(3):
        step(*batch)
    ((executable,),) = step._executables.values()
    small, large = executable.optimized, executable.program
    assert len(large.updates) == {"SGD momentum": 8, "Adam": 13}[name]
    assert len(small.updates) == {"SGD momentum": 2, "Adam": 4}[name]


@pytest.mark.parametrize(
    ("sizes", "batch", "products", "sums"),
    [
        pytest.param([2, 16, 16, 1], 100, 3, 1, id="all layers"),
        pytest.param([40, 16, 16, 1], 100, 2, 1, id="many inputs"),
        pytest.param([2, 16, 1], 8, 0, 0, id="a small batch"),
        pytest.param([2, 16, 1], 3000, 2, 0, id="a large batch"),
    ],
)
def test_layers_of_few_columns_take_their_biases_along(sizes: list[int], batch: int, products: int, sums: int) -> None:
    """A product has the weight beside the bias, and the gradients of all biases are one product."""
    model = nn.MLP(sizes, seed=0)
    optimizer = nn.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    step = ag.compile(step_of(model, optimizer, nn.functional.mse_loss), check=True)
    draw = np.random.default_rng(0)
    for _ in range(3):
        step(*(ag.Tensor(draw.standard_normal((batch, n)), dtype="float32") for n in (sizes[0], 1)))
        for parameter in model.parameters():
            parameter.data[...] *= 0.9  # is read at each call
    assert (step.source.count("_with_bias.dot("), step.source.count("_rows.dot(ones, d_")) == (products, sums)


def test_other_sums_and_products_stay_as_they_are() -> None:
    """A bias of several columns for one, and gradients that are draws, and sums weighted otherwise."""
    draw, kind = np.random.default_rng(0), "float32"
    states = [
        ag.Tensor(draw.standard_normal(shape), dtype=kind, requires_grad=True, name=name)
        for name, shape in {"u": (16, 3), "w": (1, 16), "d": (16,), "v": (16,), "c": (16,), "b": (16,)}.items()
    ]
    optimizer = nn.optim.SGD(states, lr=0.1)

    @ag.compile(check=True)
    def step(x: Any) -> Any:
        u, w, d, v, c, b = states
        optimizer.zero_grad()
        product = ag.tanh(x @ u.T + c)
        loss = (d * ag.random.normal(16, dtype=kind, generator=draw)).sum() + (
            v * (ag.arange(100, dtype=kind) @ product)
        ).sum()
        loss = loss + ag.tanh(product @ w.T + b).mean()
        loss.backward()
        optimizer.step()
        return loss

    for _ in range(3):
        step(ag.Tensor(np.random.default_rng(1).standard_normal((100, 3)), dtype=kind))
    assert step.source.count("_with_bias.dot(") == 1


def test_the_source_writes_into_what_is_there() -> None:
    """Each line is a call with a place for its result."""
    model = mlp().to("float64")
    step = ag.compile(step_of(model, OPTIMIZERS["Adam"](model.parameters())))
    step(*batches(1)[0])
    lines = [line.split("#")[0].strip() for line in step.source.partition("def step(")[2].splitlines()[1:]]
    made = [line for line in lines if re.search(r"\w = (?!x\.T)", line) and not line.startswith("loss = ")]  # a number
    assert made == []
    assert lines[-1].startswith("return [")


def test_buffers_are_used_again() -> None:
    """A chain of any length needs two places at most."""

    def chain(x: ag.Tensor) -> ag.Tensor:
        for _ in range(50):
            x = ag.tanh(x @ x)
        return x

    compiled = ag.compile(chain)
    compiled(ag.ones((100, 100)))
    ((executable,),) = compiled._executables.values()
    assert executable.plan.pool.size <= 2 * 80_064
    check(chain, ag.Tensor(np.eye(4) * 0.5))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1), (3, 33), (40, 2), (64, 65), (0, 3), (3, 0)])
def test_matrix_products_in_every_orientation(shape: tuple[int, int], dtype: str) -> None:
    rng = np.random.default_rng(0)
    m, n = shape
    a = ag.Tensor(rng.standard_normal((m, n)), dtype=dtype, requires_grad=True)
    b = ag.Tensor(rng.standard_normal((n, m)), dtype=dtype, requires_grad=True)

    def f(a: ag.Tensor, b: ag.Tensor) -> Any:
        y = ag.tanh(a @ b + (b.T @ a.T) @ (a @ a.T))
        z = (y @ y.T).sum(axis=0) + y.sum(axis=1) + (a * b.T).sum(axis=1)
        return ag.gradients((z * z).sum(), [a, b])

    check(f, a, b)


def test_long_programs_compile_without_recursion() -> None:
    def deep(x: ag.Tensor) -> Any:
        y = x = x.detach().requires_grad_()
        for _ in range(1500):
            y = ag.tanh(y * 1.01)
        return ag.gradients(nn.functional.cross_entropy(y, y.argmax(axis=-1)), x)

    x = ag.Tensor([[0.1, 0.2]])
    agree(ag.compile(deep)(x), deep(x), "1500 layers")


@pytest.mark.parametrize("count", [300, waiting(1500)])
def test_states_with_a_long_history_compile_in_no_time(count: int) -> None:
    """Hundreds of calls deep, and with so many ways from the result to the state that nobody can go them all."""

    def step(states: Any) -> None:
        for state in states:
            value = state
            for _ in range(count):
                value = value * 0.5 + value * 0.51
            state.data = value.data

    for value in (1.0, [1.0, 2.0]):
        eager, compiled = ([ag.Tensor(value), ag.Tensor(value)] for _ in range(2))
        step(eager)
        ag.compile(lambda compiled=compiled: step(compiled))()
        agree(compiled, eager, f"{value}")


def test_the_source_reads_in_the_names_of_the_trace() -> None:
    """Numbers by their value, transposes by their matrix, states by themselves; modules keep their numbers."""
    model = nn.MLP([4, 3, 2], seed=0, activation="tanh")
    optimizer = nn.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    program = ag.trace(step_of(model, optimizer, nn.functional.mse_loss), np.ones((5, 4), "f4"), np.ones((5, 2), "f4"))
    made = {value.name for value in program.optimized().values()}
    assert {"layers_0_T", "layers_1_T", "layers_2"} <= made
    source = program.source
    for text in ("layers_2_weight", "c_0_9", ".dot(", "layers_0", "return [loss[()]]"):
        assert text in source
    update = next(line for line in source.splitlines() if line.strip().startswith("subtract(parameters, "))
    assert update.split(")")[0].endswith(" parameters")
    assert "c_1e_minus_05" in ag.trace(lambda x: x + 1e-5, X).source


def test_a_long_sum_keeps_its_digits():
    x = ag.Tensor(np.full((3000, 1000), 0.1, dtype="float32"))
    for function in (ag.mean, lambda x: ag.sum(x) / 3e6, lambda x: ag.mean(ag.mean(x, axis=0))):
        assert ag.compile(function)(x).item() == pytest.approx(0.1, rel=1e-5)
