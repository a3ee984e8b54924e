"""How a program reads: its text, which is executed in `printed.evaluate`, and its values and uses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad import nn
from glassgrad.autograd.compiler.ir.program import Instruction, Program, Value
from glassgrad.autograd.compiler.ir.validator import validate
from tests.autograd.compiler.ir.printed import check_printed, evaluate
from tests.autograd.compiler.test_training import step_of

RNG = np.random.default_rng(0)


def text_of(f: Any, *inputs: Any) -> list[str]:
    f.__name__ = "f"
    return [line.strip() for line in str(ag.trace(f, *inputs)).splitlines()]


def test_a_training_step_reads_as_one_would_write_it() -> None:
    w = ag.Tensor(np.ones((3, 2)), requires_grad=True, name="w")
    optimizer = nn.optim.SGD([w], lr=0.1)

    def step(x: ag.Tensor) -> ag.Tensor:
        optimizer.zero_grad()
        loss = (x @ w).square().sum()
        loss.backward()
        optimizer.step()
        return loss

    x = ag.Tensor(np.ones((5, 3)), name="x")
    assert text_of(step, x) == [
        "f(x (5, 3)):",
        "x_at_w (5, 2) = x @ w",
        "squared_x_at_w (5, 2) = x_at_w * x_at_w",
        "loss () = sum(squared_x_at_w)",
        "d_loss () = broadcast_to(1.0, shape=())",
        "d_squared_x_at_w (5, 2) = broadcast_to(d_loss, shape=(5, 2))",
        "t1 (5, 2) = 2.0 * x_at_w",
        "d_x_at_w (5, 2) = d_squared_x_at_w * t1",
        "d_w (3, 2) = x.T @ d_x_at_w",
        "lr_times_d_w (3, 2) = lr * d_w",
        "w_new (3, 2) = w - lr_times_d_w",
        "w (3, 2) <- w_new",
        "return loss",
    ]


@pytest.mark.parametrize(
    ("f", "line"),
    [
        (lambda x: -x, "minus_x (2, 3) = -x"),
        (lambda x: x.T, "x_T (3, 2) = x.T"),
        (lambda x: x.T @ x, "x_T_at_x (3, 3) = x.T @ x"),
        (lambda x: (x - (x - 1.0)) * 2.0, "subtract_1_times_two (2, 3) = subtract_1 * 2.0"),
        (lambda x: x**2 > 1, "squared_x_above_one (2, 3) = squared_x > 1.0"),
        (lambda x: x[0, 1:, None], "getitem_1 (2, 1) = x[0, 1:, None]"),
        (lambda x: x[..., ::2], "getitem_1 (2, 2) = x[..., ::2]"),
        (lambda x: ag.concat([x, x], axis=1), "concat_1 (2, 6) = concat((x, x), axis=1)"),
        (lambda x: ag.max(x, axis=0), "max_x (3,) = max(x, axis=(0,))"),
        (lambda x: ag.where(x > 0, x, 0.0), "where_1 (2, 3) = where(x_above_zero, x, 0.0)"),
        (lambda x: ag.random.uniform(4, generator=RNG), "drawn (4,) = generator.random((4,))"),
    ],
)
def test_instructions_read_as_algebra(f: Any, line: str) -> None:
    assert line in text_of(f, ag.Tensor(np.ones((2, 3)), name="x"))


F64 = np.dtype("float64")


def program_of(*calls: Any) -> Program:
    """A program of instructions ``(op, args, params, shape)`` on ``x`` (2, 3): integers among the arguments are values,
    counted from ``x``, and other numbers constants."""
    values: list[Value] = [Value("input", (2, 3), F64, "x")]
    instructions = []
    for op, args, params, shape in calls:
        given = tuple(
            values[a] if type(a) is int else Value("constant", (), F64, f"c{i}", np.float64(a))
            for i, a in enumerate(args)
        )
        values.append(Value("temporary", shape, F64, f"y{len(values)}"))
        instructions.append(Instruction(op, given, params, values[-1]))
    program = Program("f", values[:1], instructions, values[-1:])
    validate(program)
    return program


@pytest.mark.parametrize(
    ("program", "line"),
    [
        (program_of(("permute_dims", (0,), {"axes": (0, 1)}, (2, 3))), "permute_dims(x, axes=(0, 1))"),
        (program_of(("power", (-2.0, 0), {}, (2, 3))), "(-2.0) ** x"),
        (program_of(("power", (0, -2.0), {}, (2, 3))), "x ** (-2.0)"),
        (program_of(("subtract", (0, -2.0), {}, (2, 3))), "x - -2.0"),
        (program_of(("negative", (-2.0,), {}, ())), "-(-2.0)"),
        (program_of(("getitem", (-2.0,), {"index": (None,)}, (1,))), "asarray(-2.0)[None]"),
        (program_of(("setitem", (0, 1.5), {"index": (0, slice(1, None))}, (2, 3))), "setitem(x, 1.5, index=s_[0, 1:])"),
        (program_of(("add_at", (0, 1.5), {"index": ...}, (2, 3))), "add_at(x, 1.5, index=s_[...])"),
        (
            program_of(
                ("reshape", (0,), {"shape": (6,)}, (6,)),
                ("piece", (1,), {"start": 1, "shape": (2, 2)}, (2, 2)),
            ),
            "piece(y1, start=1, shape=(2, 2))",
        ),
        (program_of(("pack", (0, 0), {}, (12,))), "pack(x, x)"),
        (program_of(("copy", (0,), {}, (2, 3))), "copy(x)"),
    ],
)  # fmt: skip
def test_text_that_could_be_misread(program: Program, line: str) -> None:
    x = np.arange(6.0).reshape(2, 3) + 1
    assert f" = {line}\n" in str(program)
    check_printed(program, x)


def test_results_of_a_factorization_are_told_apart() -> None:
    x = np.array([[2.0, 1.0], [0.5, 3.0], [1.0, 1.0]])
    program = ag.trace(lambda x: ag.linalg.svd(x, full_matrices=False), x)
    assert "linalg.svd(x, full_matrices=False)[1]" in str(program)
    check_printed(program, x)


def test_generators_are_told_apart() -> None:
    one, other = np.random.default_rng(1), np.random.default_rng(2)
    program = ag.trace(
        lambda: (
            ag.random.uniform(2, generator=one),
            ag.random.normal(3, generator=other, dtype="float32"),
            ag.random.uniform((), generator=one),
        )
    )
    text = str(program)
    assert "= generator.random((2,))" in text
    assert "= generator_2.standard_normal((3,), dtype=float32)" in text
    found, _ = evaluate(program)
    for array, expected in zip(found, program.run()[0], strict=True):
        np.testing.assert_array_equal(array, expected)


def test_the_printed_training_step_computes_its_values() -> None:
    model = nn.MLP([4, 3, 2], seed=0)
    arrays = np.random.default_rng(0).standard_normal((5, 4)).astype("float32"), np.array([0, 1, 1, 0, 1])
    program = ag.trace(step_of(model, nn.optim.Adam(model.parameters(), lr=0.1)), *arrays)
    check_printed(program, *arrays)
    check_printed(program.optimized(), *arrays)


def test_an_operation_as_a_whole_reads_as_its_call() -> None:
    @ag.op("looked at")
    def looked_at_for_text(xp: Any, x: Any, *, scale: float, names: tuple[str, ...] = ("a",)) -> Any:
        if float(xp.sum(x)) < 0:
            return -x * scale
        return x * scale

    program = ag.trace(lambda x: looked_at_for_text(x, scale=2.0), np.ones(3))
    assert "looked_at_for_text(x, scale=2.0, names=('a',))" in str(program)
    check_printed(program, np.ones(3))


def test_a_long_chain_of_transposes_can_be_printed() -> None:
    def turn(x: ag.Tensor) -> ag.Tensor:
        for _ in range(3000):
            x = x.T
        return x

    assert "x_3001 (2, 3) = x_2999.T.T" in str(ag.trace(turn, ag.ones((2, 3))))


def test_a_notebook_shows_the_text_of_a_program() -> None:
    program = ag.trace(lambda x: ag.where(x < 1.0, x, 0.0), ag.ones((2, 3)))
    assert repr(program) == str(program)
