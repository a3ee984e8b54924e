"""The program itself: what it checks, how it reads, how it runs and how it is written down."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

import autograd as ag
import nn
from autograd.compiler.ir.primitives import Slot
from autograd.compiler.ir.program import Instruction, Program, Value, identifier
from autograd.errors import DeclarationError, DomainError
from autograd.testing.strategies import programs
from tests.autograd.compiler.oracle import agree, orders

F64 = np.dtype("float64")
few = settings(max_examples=max(2, settings.default.max_examples // 5))  # type: ignore[union-attr]


def value(kind: str, name: str, shape: Any = (2,), **more: Any) -> Value:
    return Value(kind, shape, F64, name, **more)


def doubled() -> tuple[Program, Value, Value, Instruction]:
    """``y = x + x``, and its parts."""
    x, y = value("input", "x"), value("temporary", "y")
    add = Instruction("add", (x, x), {}, y)
    return Program("double", [x], [add], [y]), x, y, add


# ---------------------------------------------------------------------------------------------------------- validate


def test_a_right_program_is_valid() -> None:
    program, *_ = doubled()
    program.validate()


def test_a_value_read_before_it_is_made() -> None:
    program, _, y, add = doubled()
    z = value("temporary", "z")
    program.instructions = [Instruction("exp", (y,), {}, z), add]
    with pytest.raises(DeclarationError, match=r"double: z = exp\(y\) reads y before it is made"):
        program.validate()


def test_a_value_made_twice() -> None:
    program, x, y, _ = doubled()
    program.instructions.append(Instruction("exp", (x,), {}, y))
    with pytest.raises(DeclarationError, match=r"double: y = exp\(x\) makes a value that exists already"):
        program.validate()


def test_an_input_that_is_made() -> None:
    program, x, y, _ = doubled()
    program.instructions.append(Instruction("exp", (y,), {}, x))
    with pytest.raises(DeclarationError, match="makes a value that exists already"):
        program.validate()


@pytest.mark.parametrize(("shape", "dtype"), [((3,), "float64"), ((2,), "float32")])
def test_a_value_of_another_shape_or_dtype(shape: Any, dtype: str) -> None:
    program, x, _, _ = doubled()
    wrong = Value("temporary", shape, np.dtype(dtype), "y")
    program.instructions, program.outputs = [Instruction("add", (x, x), {}, wrong)], [wrong]
    with pytest.raises(DeclarationError, match=r"double: y = x \+ x gives \(2,\) float64, and the program says"):
        program.validate()


def test_a_state_of_another_shape() -> None:
    program, _, y, _ = doubled()
    state = value("state", "w", (3,), origin=ag.zeros(3))
    program.updates = {state: y}
    with pytest.raises(DeclarationError, match=r"double: the state w \(3,\) float64 can't become y \(2,\) float64"):
        program.validate()


def test_what_is_no_state_can_not_be_updated() -> None:
    program, x, y, _ = doubled()
    program.updates = {x: y}
    with pytest.raises(DeclarationError, match="can't become"):
        program.validate()


def test_an_output_that_is_never_made() -> None:
    program, *_ = doubled()
    program.outputs = [value("temporary", "z")]
    with pytest.raises(DeclarationError, match=r"double: z \(2,\) float64 is returned and never made"):
        program.validate()


# --------------------------------------------------------------------------------------------------------------- text


def text_of(f: Any, *inputs: Any) -> list[str]:
    f.__name__ = "f"
    return [line.strip() for line in str(ag.trace(f, *inputs)).splitlines()]


def test_a_training_step_reads_as_one_would_write_it() -> None:
    w = ag.Tensor(np.ones((3, 2)), requires_grad=True, name="w")
    optimizer = nn.optim.SGD([w], lr=0.1)

    def step(x: ag.Tensor) -> ag.Tensor:
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
        (lambda x: ag.random.uniform(4, generator=np.random.default_rng(0)), "drawn (4,) = generator.random((4,))"),
    ],
)
def test_instructions_read_as_algebra(f: Any, line: str) -> None:
    assert line in text_of(f, ag.Tensor(np.ones((2, 3)), name="x"))


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("layers.0.weight", "layers_0_weight"),
        ("0", "_0"),
        ("lambda", "_lambda"),
        ("", "value"),
        ("a b-c", "a_b_c"),
        ("ü", "ü"),
    ],
)
def test_identifiers(text: str, name: str) -> None:
    assert identifier(text) == name
    assert name.isidentifier()


def test_explain_tells_of_each_pass() -> None:
    text = ag.trace(lambda x: ((x.T.T + 0.0) * 2.0) * 3.0 + ag.exp(x) + ag.exp(x), ag.ones((2, 3))).explain()
    lines = text.splitlines()
    assert lines[0].endswith("instructions as traced")
    assert any("common subexpressions" in line and "less 1 exp" in line for line in lines)
    assert any("algebra" in line and "permute_dims" in line for line in lines)


def test_source_is_python() -> None:
    program = ag.trace(lambda x: ag.exp(x) + 1.0, ag.ones((2, 3)))
    assert program.source.startswith("def _lambda(")
    compile(program.source, "source", "exec")


# ---------------------------------------------------------------------------------------------------------------- run


def test_run_changes_nothing() -> None:
    w = ag.Tensor([1.0, 2.0], requires_grad=True, name="w")
    optimizer = nn.optim.SGD([w], lr=0.5)

    def step(x: ag.Tensor) -> ag.Tensor:
        loss = (x * w).sum()
        loss.backward()
        optimizer.step()
        return loss

    program = ag.trace(step, ag.ones(2))
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


def test_run_wants_as_many_arrays_as_there_are_inputs() -> None:
    with pytest.raises(ValueError, match="zip"):
        doubled()[0].run()


def test_values_states_uses_and_producers() -> None:
    w = ag.Tensor([1.0, 2.0], name="w")
    program = ag.trace(lambda x: (x * w) + (x * 2.0), ag.Tensor([1.0, 1.0], name="x"))
    assert [v.name for v in program.states] == ["w"]
    assert program.states[0].origin is w
    assert [v.kind for v in program.values()] == ["input", "state", "temporary", "constant", "temporary", "temporary"]
    (x,) = program.inputs
    assert [i.op for i in program.uses()[x]] == ["multiply", "multiply"]
    assert program.producers()[program.outputs[0]].op == "add"
    assert x.nbytes == 16


# --------------------------------------------------------------------------------------------------------------- JSON


@few
@given(program=programs())
def test_programs_survive_json(program: Any) -> None:
    tensors = program.tensors()
    for order, f in orders(program, 2):
        with np.errstate(all="ignore"):
            traced = ag.trace(f, *tensors)
            read = Program.from_json(traced.to_json())
            assert str(read) == str(traced), order
            arrays = [x.data for x in tensors]
            agree(read.run(*arrays)[0], traced.run(*arrays)[0], order)


def test_a_long_chain_of_transposes_can_be_printed() -> None:
    def turn(x: ag.Tensor) -> ag.Tensor:
        for _ in range(3000):
            x = x.T
        return x

    assert "x_3001 (2, 3) = x_2999.T.T" in str(ag.trace(turn, ag.ones((2, 3))))


def test_a_training_step_survives_json() -> None:
    model = nn.MLP([4, 3, 2], seed=0)
    optimizer = nn.optim.Adam(model.parameters(), lr=0.1)

    def step(x: ag.Tensor) -> ag.Tensor:
        loss = model(x).square().mean()
        loss.backward()
        optimizer.step()
        return loss

    x = np.ones((5, 4), dtype="float32")
    program = ag.trace(step, x)
    read = Program.from_json(program.to_json())
    one, other = program.run(x), read.run(x)
    agree(other[0], one[0], "outputs")
    agree(list(other[1].values()), list(one[1].values()), "updates")
    assert not {id(s.origin) for s in read.updates} & {id(s.origin) for s in program.updates}
    assert read.explain() == program.explain()


@pytest.mark.parametrize("loss", ["labels", "one-hot"])
def test_checks_of_labels_survive_json(loss: str) -> None:
    def step(x: ag.Tensor, y: ag.Tensor) -> ag.Tensor:
        if loss == "one-hot":
            return nn.functional.cross_entropy(x, nn.functional.one_hot(y, 3))  # type: ignore[no-any-return]
        return nn.functional.cross_entropy(x, y)  # type: ignore[no-any-return]

    x = np.ones((2, 3), dtype="float32")
    program = ag.trace(step, x, np.array([0, 1]))
    read = Program.from_json(program.to_json())
    agree(read.run(x, np.array([2, 0]))[0], program.run(x, np.array([2, 0]))[0], "outputs")
    for each in (program, read):
        with pytest.raises(DomainError, match="label"):
            each.run(x, np.array([0, 3]))
    content = program.to_json().replace("_refuse_labels", "DomainError")
    with pytest.raises(DeclarationError, match=r"names what is no check of labels here, .*DomainError"):
        Program.from_json(content)


@pytest.mark.parametrize(
    "part",
    [
        None, True, 3, 2.5, float("inf"), float("nan"), "text", ..., Slot(3), np.dtype("float32"), slice(1, None, 2),
        (1, (2, [3, {"a": ...}])), {"kind": "slot", "of": 1}, np.arange(6.0).reshape(2, 3), np.float32(2.5),
        np.array([True, False]), np.zeros((0, 3)), 1 + 2j,
    ],
    ids=repr,
)  # fmt: skip
def test_parameters_survive_json(part: Any) -> None:
    x, y = value("input", "x"), value("temporary", "y")
    program = Program("f", [x], [Instruction("positive", (x,), {"call": ((Slot(0), part), {})}, y)], [y])
    text = program.to_json()
    json.loads(text)
    found = Program.from_json.__func__(_Unchecked, text).instructions[0].params["call"][0][1]  # type: ignore[attr-defined]
    assert repr(found) == repr(part)


class _Unchecked(Program):
    def validate(self) -> None:
        """What the call does with the part is no matter here."""


@pytest.mark.parametrize("bits", [np.random.PCG64, np.random.MT19937, np.random.Philox, np.random.SFC64])
def test_generators_go_on_from_where_they_were(bits: Any) -> None:
    one, other = (np.random.Generator(bits(seed)) for seed in (1, 2))
    one.random(3, "float32")

    def draws() -> Any:
        kept = ag.random.bernoulli(0.5, 8, generator=one)
        return kept, ag.random.normal(3, generator=other), ag.random.exponential(2, generator=one)

    text = ag.trace(draws).to_json()
    program = Program.from_json(text)
    for _ in range(2):
        for found, expected in zip(program.run()[0], draws(), strict=True):
            np.testing.assert_array_equal(found, expected.data)
    assert program.to_json() != text, "they have moved on"


@pytest.mark.parametrize(("before", "after"), [('"PCG64"', '"system"'), ('"method": "random"', '"method": "spawn"')])
def test_a_file_names_generators_and_draws_that_there_are(before: str, after: str) -> None:
    text = ag.trace(lambda: ag.random.uniform(2, generator=np.random.default_rng(0))).to_json()
    assert before in text
    with pytest.raises(DeclarationError, match="is no program that to_json wrote"):
        Program.from_json(text.replace(before, after))


def test_what_a_file_can_not_hold_is_told() -> None:
    class Own(np.random.PCG64):
        pass

    program = ag.trace(lambda: ag.random.uniform(2, generator=np.random.Generator(Own(0))))
    with pytest.raises(DeclarationError, match=r"a file can't hold Generator.*can't be written as JSON"):
        program.to_json()


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"name": 1}', "3"])
def test_a_file_that_is_no_program(text: str) -> None:
    with pytest.raises(DeclarationError, match="is no program that to_json wrote"):
        Program.from_json(text)


def test_a_program_read_is_validated() -> None:
    content = json.loads(ag.trace(ag.exp, ag.ones(2)).to_json())
    content["values"][1]["shape"] = [5]
    with pytest.raises(DeclarationError, match=r"exp\(x\) gives \(2,\) float64, and the program says \(5,\)"):
        Program.from_json(json.dumps(content))
