"""The validator: each rule, broken by hand or by a pass that is wrong on purpose, is told by name."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad import nn
from glassgrad.autograd.compiler import Program
from glassgrad.autograd.compiler.ir.program import Instruction, Value
from glassgrad.autograd.compiler.ir.validator import validate
from glassgrad.autograd.compiler.passes import optimize
from glassgrad.autograd.errors import DeclarationError

F64 = np.dtype("float64")
Pass = Callable[[Program], Program]


def value(kind: str, name: str, shape: Any = (2,), **more: Any) -> Value:
    return Value(kind, shape, F64, name, **more)


# -------------------------------------------------------------------------------------------------------- programs

BROKEN = r"""
program.instructions.insert(0, Instruction("exp", (y,), {}, z)) | z = exp\(y\) reads y before it is made
program.instructions.append(Instruction("exp", (x,), {}, y)) | y = exp\(x\) makes a value that exists already
y.shape = (3,) | y = x \+ x gives \(2,\) float64, and the program says \(3,\) float64
y.dtype = np.dtype("float32") | gives \(2,\) float64, and the program says \(2,\) float32
add.op = "f2py.os.system" | y = f2py.os.system\(…\) can't be computed.*no operation 'f2py.os.system'
add.op = "where" | y = where\(…\) can't be computed from \(x \(2,\).*missing 1 required
add.params = {"axis": 0} | can't be computed.*unexpected keyword argument 'axis'
add.op, add.args, add.params = "sum", (x,), {"axis": (1,), "keepdims": False} | axis 1 is out of range
program.outputs.append(z) | z \(2,\) float64 is returned and never made
add.args = (x, value("input", "z")) | z .* is read as an input, and the program has no such input
add.args = (x, value("constant", "c", data=np.ones(3))) | the constant c \(2,\) float64 holds an array of \(3,\) float64
add.args = (x, value("state", "w", origin=ag.zeros(3))) | the state w \(2,\) float64 holds an array of \(3,\)
add.args = (x, value("knob", "lr", origin=({}, "lr"))) | the knob lr .* must be one real
y.name = "x" | two values are called x: x \(2,\) float64 and x \(2,\) float64
y.name = "exp" | no value can be called 'exp'
program.updates = {value("state", "w", (3,), origin=ag.zeros(3)): y} | the state w \(3,\) float64 can't become y
program.inputs.append(x) | the inputs must be different values
program.packed = {value("state", "both", (4,)): [(w, 0), (v, 3)]} | : v \(2,\) float64 at 3 does not fit
program.packed = {value("state", "both", (4,)): [(w, 0)]} | must have the 2 elements of its members
add.args = (x, w); program.packed = {value("state", "both", (4,)): [(w, 0), (v, 2)]} | : w \(2,\) .* at 0 does not fit
"""
"""Statements that break ``y = x + x``, and what is said of it."""


@pytest.mark.parametrize("row", BROKEN.strip().splitlines())
def test_each_fault_of_a_program_is_reported(row: str) -> None:
    breaks, said = row.split(" | ")
    x, y, z = value("input", "x"), value("temporary", "y"), value("temporary", "z")
    w, v = (value("state", name, origin=ag.zeros(2)) for name in "wv")
    program = Program("double", [x], [add := Instruction("add", (x, x), {}, y)], [y])
    exec(breaks, {**globals(), **locals()})
    with pytest.raises(DeclarationError, match=f"^double: .*{said}"):
        validate(program)


# -------------------------------------------------------------------------------------------------------------- passes


def step_program() -> Program:
    """A training step with draws, checks, states, counters and small matrices."""
    model = nn.Sequential(nn.Linear(4, 3, seed=0), nn.Tanh(), nn.Linear(3, 2, seed=1))
    optimizer, one, other = (
        nn.optim.Adam(model.parameters(), lr=0.1),
        np.random.default_rng(0),
        np.random.default_rng(1),
    )

    def step(x: ag.Tensor, labels: ag.Tensor) -> Any:
        x = nn.functional.dropout(x, 0.5, generator=one) + ag.random.normal((5, 4), generator=other, dtype="float32")
        loss = nn.functional.cross_entropy(model(x), labels)
        loss.backward()
        optimizer.step()
        return loss, x

    return ag.trace(step, np.ones((5, 4), "float32"), np.array([0, 1, 1, 0, 1]))


def without(op: str) -> Pass:
    """Drop the first instruction of a kind, and read what it read in its place."""

    def change(program: Program) -> Program:
        at = next(i for i, instruction in enumerate(program.instructions) if instruction.op == op)
        return program.changed(instructions=[*program.instructions[:at], *program.instructions[at + 1 :]])

    return change


def moved(program: Program, op: str) -> Program:
    """The second instruction of a kind before the first."""
    first, second, *_ = (i for i in program.instructions if i.op == op)
    rest = [i for i in program.instructions if i is not second]
    return program.changed(instructions=[*rest[: rest.index(first)], second, *rest[rest.index(first) :]])


def other_shape(program: Program) -> Program:
    """A sum that keeps its axes, as a slip in a pass would write it."""
    first = next(i for i in program.instructions if i.op in ("sum", "max") and not i.params["keepdims"])
    wrong = Instruction(first.op, first.args, {**first.params, "keepdims": True}, first.out)
    return program.changed(instructions=[wrong if i is first else i for i in program.instructions])


def without_an_update(program: Program) -> Program:
    return program.changed(updates=dict(list(program.updates.items())[1:]))


def with_an_update(program: Program) -> Program:
    state = Value("state", (), F64, "extra", origin=ag.asarray(0.0))
    return program.changed(updates={**program.updates, state: Value("constant", (), F64, "zero", np.float64(0.0))})


def swapped(program: Program) -> Program:
    return program.changed(outputs=program.outputs[::-1])


WRONG: dict[str, tuple[Pass, str]] = {
    "a value that is read and not made": (without("matmul"), "reads .* before it is made"),
    "a check left out": (
        without("check_range"),
        r"its 3 checks and draws are now 2 or in another order, from number 3",
    ),
    "two draws exchanged": (
        partial(moved, op="draw"),
        "3 checks and draws are now 3 or in another order, from number 1",
    ),
    "another shape": (other_shape, r"= (sum|max)\(.*keepdims=True\) gives .*, and the program says"),
    "an update left out": (without_an_update, "is no longer updated"),
    "an update too many": (with_an_update, "extra .* is now updated"),
    "results exchanged": (swapped, "it took and gave .*, and now takes"),
}


@pytest.mark.parametrize("fault", WRONG)
def test_a_pass_that_breaks_a_program_is_named(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    change, said = WRONG[fault]
    passes = [*optimize.PASSES[:1], (fault, change), *optimize.PASSES[1:]]
    program = step_program()
    with pytest.raises(DeclarationError, match=f"^the pass '{re.escape(fault)}' breaks step: .*{said}"):
        optimize.optimize(program, passes)


def test_a_trace_is_validated() -> None:
    def wrong(x: ag.Tensor) -> ag.Tensor:
        y = x + 1
        y.data.value.shape = (3,)
        return y

    with pytest.raises(DeclarationError, match=r"wrong: .* = x \+ 1.0 gives \(2,\) float64, and the program"):
        ag.compile(wrong)(ag.ones(2))
