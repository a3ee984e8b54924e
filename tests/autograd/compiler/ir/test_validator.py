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
from glassgrad.autograd.compiler.passes import optimize
from tests.validator import validate

F64 = np.dtype("float64")
Pass = Callable[[Program], Program]


def value(kind: str, name: str, shape: Any = (2,), **more: Any) -> Value:
    return Value(kind, shape, F64, name, **more)


def doubled() -> tuple[Program, Value, Value]:
    """``y = x + x``, and its values."""
    x, y = value("input", "x"), value("temporary", "y")
    return Program("double", [x], [Instruction("add", (x, x), {}, y)], [y]), x, y


# -------------------------------------------------------------------------------------------------------- programs


def reads_early(program: Program, x: Value, y: Value) -> None:
    program.instructions.insert(0, Instruction("exp", (y,), {}, value("temporary", "z")))


def makes_twice(program: Program, x: Value, y: Value) -> None:
    program.instructions.append(Instruction("exp", (x,), {}, y))


def says(shape: Any, dtype: str) -> Callable[..., None]:
    def other(program: Program, x: Value, y: Value) -> None:
        y.shape, y.dtype = shape, np.dtype(dtype)

    return other


def has(**changes: Any) -> Callable[..., None]:
    """Changes of the one instruction."""

    def other(program: Program, x: Value, y: Value) -> None:
        for name, change in changes.items():
            setattr(program.instructions[0], name, change)

    return other


def returns_what_nobody_made(program: Program, x: Value, y: Value) -> None:
    program.outputs.append(value("temporary", "z"))


def reads(other: Value) -> Callable[..., None]:
    def reading(program: Program, x: Value, y: Value) -> None:
        program.instructions[0].args = (x, other)

    return reading


def updates(state: Value) -> Callable[..., None]:
    def updating(program: Program, x: Value, y: Value) -> None:
        program.updates = {state: y}

    return updating


def called(name: Any) -> Callable[..., None]:
    def naming(program: Program, x: Value, y: Value) -> None:
        y.name = name

    return naming


def kept(**fields: Any) -> Callable[..., None]:
    def keeping(program: Program, x: Value, y: Value) -> None:
        for name, content in fields.items():
            setattr(program, name, content)

    return keeping


W = value("state", "w", origin=ag.zeros(2))
V = value("state", "v", origin=ag.zeros(2))
BOTH = value("state", "both", (4,))

BROKEN: dict[str, tuple[Callable[..., None], str]] = {
    "reads before it is made": (reads_early, r"z = exp\(y\) reads y before it is made"),
    "makes a value twice": (makes_twice, r"y = exp\(x\) makes a value that exists already"),
    "another shape": (says((3,), "float64"), r"y = x \+ x gives \(2,\) float64, and the program says \(3,\) float64"),
    "another dtype": (says((2,), "float32"), r"gives \(2,\) float64, and the program says \(2,\) float32"),
    "no operation": (has(op="f2py.os.system"), r"y = f2py.os.system\(…\) can't be computed.*no operation 'f2py.os.sys"),
    "too few arguments": (has(op="where"), r"y = where\(…\) can't be computed from \(x \(2,\).*missing 1 required"),
    "an unknown parameter": (has(params={"axis": 0}), r"can't be computed.*unexpected keyword argument 'axis'"),
    "an axis that is not there": (
        has(op="sum", args=(W,), params={"axis": (1,), "keepdims": False}),
        "axis 1 is out of range",
    ),
    "an output that is never made": (returns_what_nobody_made, r"z \(2,\) float64 is returned and never made"),
    "an input that is not there": (reads(value("input", "z")), "z .* is read as an input, and the program has no such"),
    "a constant of another shape": (
        reads(value("constant", "c", data=np.ones(3))),
        r"the constant c \(2,\) float64 holds an array of \(3,\) float64",
    ),
    "a state whose Tensor changed": (
        reads(value("state", "w", origin=ag.zeros(3))),
        r"the state w \(2,\) float64 holds an array of \(3,\)",
    ),
    "a knob of several numbers": (reads(value("knob", "lr", origin=({}, "lr"))), "the knob lr .* must be one real"),
    "a name twice": (called("x"), r"two values are called x: x \(2,\) float64 and x \(2,\) float64"),
    "a name of a function": (called("exp"), "no value can be called 'exp'"),
    "a state of another shape": (
        updates(value("state", "w", (3,), origin=ag.zeros(3))),
        r"the state w \(3,\) float64 can't become y \(2,\) float64",
    ),
    "an input twice": (lambda program, x, y: program.inputs.append(x), "the inputs must be different values"),
    "a packed state with a gap": (kept(packed={BOTH: [(W, 0), (V, 3)]}), r": v \(2,\) float64 at 3 does not fit"),
    "a packed state that is too long": (kept(packed={BOTH: [(W, 0)]}), "must have the 2 elements of its members"),
    "a packed state that is read": (
        lambda program, x, y: (reads(W)(program, x, y), kept(packed={BOTH: [(W, 0), (V, 2)]})(program, x, y)),
        r": w \(2,\) float64 at 0 does not fit",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", BROKEN)
def test_each_fault_of_a_program_is_reported(fault: str) -> None:
    program, x, y = doubled()
    breaks, said = BROKEN[fault]
    breaks(program, x, y)
    with pytest.raises(AssertionError, match=f"^double: .*{said}"):
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
    with pytest.raises(AssertionError, match=f"^the pass '{re.escape(fault)}' breaks step: .*{said}"):
        optimize.optimize(program, passes)


def test_a_trace_is_validated() -> None:
    def wrong(x: ag.Tensor) -> ag.Tensor:
        y = x + 1
        y.data.value.shape = (3,)
        return y

    with pytest.raises(AssertionError, match=r"wrong: .* = x \+ 1.0 gives \(2,\) float64, and the program"):
        ag.compile(wrong)(ag.ones(2))
