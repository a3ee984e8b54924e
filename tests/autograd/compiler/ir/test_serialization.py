"""Programs as JSON: they survive it, and a text from anywhere is a program or one kind of error in a sentence."""

from __future__ import annotations

import contextlib
import json
import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from glassgrad import autograd as ag
from glassgrad import nn
from glassgrad.autograd.compiler import Program
from glassgrad.autograd.compiler.ir import serialization
from glassgrad.autograd.compiler.ir.primitives import Slot
from glassgrad.autograd.compiler.ir.program import Instruction, Value
from glassgrad.autograd.errors import AutogradError, DeclarationError, DomainError
from glassgrad.autograd.testing.strategies import programs
from tests.autograd.compiler.oracle import agree, orders

F64 = np.dtype("float64")
few = settings(max_examples=max(2, settings.default.max_examples // 5))  # type: ignore[union-attr]


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


def within(c: Any, x: Any) -> Any:
    """A step with a loop of its own, constants, and a matrix that may have no inverse."""
    weight = np.eye(3) + 0.1
    inner, _ = ag.scan(lambda a, b: (a * b + weight[0, 1], None), c, ag.stack([x, x]))
    return inner @ weight, ag.linalg.inv(ag.eye(3) * (1 + ag.sum(c * c)))


def counted(c: Any, x: Any) -> Any:
    """A step with a carry of integers, by which it picks."""
    total, place = c
    return (total + ag.take(x, place % 3, axis=0), place + 1), (ag.argmax(x), 2.0)


LOOPS: dict[str, Any] = {
    "sums": lambda x: ag.scan(lambda c, x: (c + x, None), x[0], x),
    "both ways": lambda x: [ag.scan(lambda c, x: (ag.tanh(c * x), c), x[0], x, reverse=r) for r in (False, True)],
    "a loop within": lambda x: ag.scan(within, x[0], x),
    "integers": lambda x: ag.scan(counted, (ag.zeros(()), ag.zeros((), dtype="int64")), x),
    "gradients": ag.grad(lambda x: ag.scan(lambda c, x: (ag.sin(c * x), c), x[0], x)[0].sum()),
    "gradients of gradients": lambda x: ag.hvp(
        lambda x: ag.scan(lambda c, x: (ag.sin(c * x), c), x[0], x)[0].sum(), [x], [x]
    )[0],
    "no steps": lambda x: ag.scan(lambda c, x: (c + x, c), x[0], x[:0]),
}
"""Functions with loops."""


@pytest.mark.parametrize("name", LOOPS)
def test_loops_survive_json(name: str) -> None:
    x = np.linspace(-1, 2, 12).reshape(4, 3)
    program = ag.trace(LOOPS[name], x)
    read = Program.from_json(program.to_json())
    assert str(read) == str(program)
    assert read.explain() == program.explain()
    assert Program.from_json(read.to_json()).to_json() == read.to_json()
    wanted = program.run(x)[0]
    agree(read.run(x)[0], wanted, "as traced")
    agree(read.optimized().run(x)[0], wanted, "optimized")
    assert read.source.startswith("def ")
    for loop in (i.params["options"]["loop"] for i in read.instructions if i.op == "op"):
        loop.body.runs = 10**6  # so that its kernel is made now
    agree(read.run(x)[0], wanted, "by the kernel of the step")


def test_a_recurrent_training_step_survives_json() -> None:
    model = nn.LSTM(3, 5, seed=0)
    optimizer = nn.optim.SGD(model.parameters(), lr=0.1)

    def step(x: ag.Tensor) -> ag.Tensor:
        loss = model(x)[0].square().mean()
        loss.backward()
        optimizer.step()
        return loss

    x = np.random.default_rng(0).standard_normal((2, 6, 3)).astype("float32")
    program = ag.trace(step, x)
    read = Program.from_json(program.to_json())
    one, other = program.run(x), read.run(x)
    agree(other[0], one[0], "outputs")
    agree(list(other[1].values()), list(one[1].values()), "updates")
    assert read.explain() == program.explain()  # which joins the loop of the result with that of its gradient


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"carries": -1}, "is not a step of a loop"),
        ({"carries": 2}, "is not a step of a loop"),
        ({"xs": 5}, "is not a step of a loop"),
        ({"core": 0}, "there is no body of number 0"),
        ({"instructions": []}, "is returned and never made"),
        ({"updates": [[0, 2]]}, "can't become"),
        ({"carries": True}, "and not of type int"),
    ],
)
def test_the_step_of_a_loop_is_checked(change: dict[str, Any], said: str) -> None:
    content = json.loads(ag.trace(LOOPS["sums"], np.ones((4, 3))).to_json())
    content["bodies"][0] |= change
    refused(content, said)


@pytest.mark.parametrize(
    ("of", "said"),
    [
        ([1, 4, "float64", False], "there is no body of number 1"),
        ([None, 4, "float64", False], "there is no body of number None"),
        ([0, 3, "float64", False], "does not fit the arguments that it was recorded for"),
        ([0, 4, "float32", False], "does not fit the arguments that it was recorded for"),
        ([0, 10**9, "float64", False], "is not a loop of up to"),
        ([0, -1, "float64", False], "is not a loop of up to"),
        ([0, 4, "float64", 1], "is not a loop of up to"),
        ([0, 4], "not enough values"),
    ],
)
def test_a_loop_is_given_what_its_step_takes(of: list[Any], said: str) -> None:
    content = json.loads(ag.trace(LOOPS["sums"], np.ones((4, 3))).to_json())
    (call,) = (i for i in content["instructions"] if i["op"] == "op")
    call["params"]["of"]["options"]["of"]["loop"]["of"] = of
    refused(content, said)


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
    with pytest.raises(DeclarationError, match=r"DomainError is not a function that checks labels"):
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
def test_parameters_survive_json(part: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = Value("input", (2,), F64, "x"), Value("temporary", (2,), F64, "y")
    program = Program("f", [x], [Instruction("positive", (x,), {"call": ((Slot(0), part), {})}, y)], [y])
    monkeypatch.setattr(serialization, "validate", lambda program: None)  # NumPy does not take most of these
    text = program.to_json()
    json.loads(text)
    found = Program.from_json(text).instructions[0].params["call"][0][1]
    assert repr(found) == repr(part)


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
    with pytest.raises(DeclarationError, match=r"'system' is not a generator of NumPy's|does not draw by 'spawn'"):
        Program.from_json(text.replace(before, after))


def test_values_that_a_file_cannot_hold_raise() -> None:
    class Own(np.random.PCG64):
        pass

    program = ag.trace(lambda: ag.random.uniform(2, generator=np.random.Generator(Own(0))))
    with pytest.raises(DeclarationError, match=r"a file can't hold Generator.*can't be written as JSON"):
        program.to_json()


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"name": 1}', "3"])
def test_a_file_that_is_no_program(text: str) -> None:
    with pytest.raises(DeclarationError, match="is not a program that to_json wrote"):
        Program.from_json(text)


def test_a_program_read_is_validated() -> None:
    content = json.loads(ag.trace(ag.exp, ag.ones(2)).to_json())
    content["values"][1]["shape"] = [5]
    with pytest.raises(DeclarationError, match=r"exp\(x\) gives \(2,\) float64, and the program says \(5,\)"):
        Program.from_json(json.dumps(content))


# ---------------------------------------------------------------------------------------------- texts from anywhere


def text_of(f: Any, *arrays: Any) -> Any:
    """A traced function as the content of a JSON text."""
    return json.loads(ag.trace(f, *arrays).to_json())


def exponential() -> Any:
    return text_of(ag.exp, ag.Tensor([1.0, 2.0], name="x"))


def refused(content: Any, said: str) -> None:
    with pytest.raises(DeclarationError, match=said):
        Program.from_json(json.dumps(content))


@pytest.mark.parametrize(
    "op", ["f2py.os.system", "os.system", "load", "ctypeslib.load_library", "save", "linalg", "__class__", "einsum", ""]
)
def test_a_text_calls_nothing_but_primitives(op: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    content = exponential()
    path = str(tmp_path / "touched")
    call = {"kind": "tuple", "of": [{"kind": "tuple", "of": [f"touch {path}"]}, {"kind": "dict", "of": {}}]}
    content["instructions"][0] |= {"op": op, "params": {"kind": "dict", "of": {"call": call}}}
    refused(content, f"{op!r} is not an operation of a program")
    assert list(tmp_path.iterdir()) == []


def test_a_call_of_numpys_that_is_no_primitive_is_not_written() -> None:
    program = ag.trace(lambda x: ag.backends.namespace(x.data).kron(x.data, x.data), ag.ones(2))
    assert program.instructions[0].op == "kron"
    assert program.run(np.ones(2))[0][0].tolist() == [1.0] * 4
    with pytest.raises(DeclarationError, match="a file can't hold a call of NumPy's kron"):
        program.to_json()


@pytest.mark.parametrize("name", ["exp", "relu", "no_such_operation", None, 3])
def test_only_some_operations_are_read_as_one_instruction(name: Any) -> None:
    content = exponential()
    params = {
        "name": name,
        "inputs": {"kind": "tuple", "of": [{"kind": "slot", "of": 0}]},
        "options": {"kind": "dict", "of": {}},
        "count": 0,
    }
    content["instructions"][0] |= {"op": "op", "params": {"kind": "dict", "of": params}}
    refused(content, "is not an operation that (was declared here|is computed as a whole)")


def test_an_operation_of_ones_own_survives_json() -> None:
    @ag.op("looked at")
    def looked_at_for_json(xp: Any, x: Any, *, scale: float) -> Any:
        return x * scale if float(xp.sum(x)) > 0 else -x

    try:
        text = ag.trace(lambda x: looked_at_for_json(x, scale=3.0), np.ones(2)).to_json()
        assert Program.from_json(text).run(np.ones(2))[0][0].tolist() == [3.0, 3.0]
        content = json.loads(text)
        for value in content["values"]:
            value["shape"] = [1 << 21]
        refused(content, "too many to find its result's shape")
    finally:
        del ag.OPS["looked_at_for_json"], ag.backends.FORWARDS["looked_at_for_json"]
    with pytest.raises(DeclarationError, match="'looked_at_for_json' is not an operation that was declared here"):
        Program.from_json(text)


def test_absurd_sizes_are_refused_before_anything_is_made_of_them() -> None:
    content = exponential()
    for value in content["values"]:
        value["shape"] = [10**6, 10**6]
    refused(content, r"an array of shape \(1000000, 1000000\) is larger than")
    content = text_of(lambda x: ag.tile(x, (2, 2)), np.ones((2, 2)))
    (instruction,) = content["instructions"]
    instruction["params"]["of"]["call"]["of"][0]["of"][1] = {"kind": "tuple", "of": [10**9, 10**9]}
    refused(content, r"gives \(2000000000, 2000000000\) float64, and the program says \(4, 4\)")
    content["values"][0]["shape"] = [1] * 65
    refused(content, "no array has the shape")


def test_names_and_kinds_of_any_length_are_refused_in_a_sentence() -> None:
    for place, key in (([], "name"), (["values", 0], "name"), (["values", 0], "kind")):
        holder = content = exponential()
        for step in place:
            holder = holder[step]
        holder[key] = "x" * 5000
        program, said = read(json.dumps(content))
        assert program is None
        assert len(said) < 300


def test_containers_within_containers_have_a_limit() -> None:
    part: Any = 1
    for _ in range(100_000):
        part = [part]
    content = exponential()
    with pytest.raises(DeclarationError, match="RecursionError"):
        Program.from_json(json.dumps(content).replace("[2]", "[" * 100_000 + "]" * 100_000))
    for _ in range(40):
        part = {"kind": "tuple", "of": [part if type(part) is dict else 1]}
    content["instructions"][0]["params"] = {"kind": "dict", "of": {"axis": part}}
    refused(content, "is nested too deeply")


@pytest.mark.parametrize(
    ("bits", "place", "wrong"),
    [
        (np.random.MT19937, "pos", 10**6),
        (np.random.MT19937, "pos", -1),
        (np.random.Philox, "buffer_pos", 10**6),
        (np.random.PCG64, "has_uint32", 7),
        (np.random.SFC64, "state", 3),
        (np.random.PCG64, "state", None),
    ],
)
def test_states_of_generators_are_checked(bits: Any, place: str, wrong: Any) -> None:
    """NumPy takes a position as it is, and reads there."""
    content = text_of(lambda: ag.random.uniform(2, generator=np.random.Generator(bits(0))))

    def changed(part: Any) -> None:
        for key, inner in part.items():
            if key == place and not (isinstance(inner, dict) and isinstance(wrong, int) and place == "pos"):
                part[key] = wrong
                return
            if isinstance(inner, dict):
                changed(inner)

    changed(content["generators"][0])
    refused(content, f"'({place}|key|state)' is .*, which is not part of a generator's state")


def test_a_line_of_a_source_is_a_line() -> None:
    content = exponential()
    for origin in (["a.py:1", "y = 1", "", 10**18], ["a.py:1", "y = 1", "", -1], ["a.py:1", 3, "", 0]):
        content["instructions"][0]["origin"] = origin
        refused(content, "is not a line of a source")


JUNK = [
    None, True, 0, -1, 2, 7, 10**9, 10**40, 2.5, float("nan"), "", "x", "µ", "exp", "lambda", "O", "f2py.os.system", [],
    [-1], [10**9, 10**9], {}, {"kind": "slot", "of": 0}, {"kind": "slot", "of": 99}, {"kind": "dict", "of": {"out": 1}},
    {"kind": "slice", "of": [None, None, 0]}, {"kind": "tuple", "of": [True, 2]}, {"kind": "list", "of": [0, 1]},
    {"kind": "..."}, {"kind": "dtype", "of": "O"}, {"kind": "refusal", "of": ["os", "system"]}, "linalg.svd", "reshape",
    {"kind": "array", "shape": [1], "dtype": "int64", "of": "AAAAAAAAAAA="}, "getitem", "draw", "op",
    {"kind": "complex", "of": "ab"}, {"kind": "loop", "of": [0, 4, "float64", False]}, {"kind": "loop", "of": 0},
]  # fmt: skip


def places_in(part: Any) -> Iterator[tuple[Any, Any]]:
    """Every place in a JSON content, as the container and the key."""
    for key in list(part) if isinstance(part, dict) else range(len(part)) if isinstance(part, list) else ():
        yield part, key
        yield from places_in(part[key])


def mutated(content: Any, rng: random.Random) -> str:
    """A text that differs from ``content`` in a few places."""
    content = json.loads(json.dumps(content))
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        places = list(places_in(content["instructions"] if rng.random() < 0.5 else content))
        (holder, key), (other, name) = rng.choice(places), rng.choice(places)
        change = rng.random()
        if change < 0.5:
            holder[key] = rng.choice(JUNK)
        elif change < 0.6:
            del holder[key]
        elif change < 0.8:
            holder[key] = json.loads(json.dumps(other[name]))
        elif isinstance(holder, list):
            rng.shuffle(holder)
        elif type(holder[key]) is int:
            holder[key] += rng.choice([-1, 1])
    text = json.dumps(content)
    if rng.random() < 0.1:
        at = rng.randrange(len(text))
        text = text[:at] + rng.choice(["", "}", "9" * 5000]) + text[at + rng.choice([0, 1, 5]) :]
    return text


def contents() -> list[Any]:
    """Programs of all kinds: a training step, an optimized one, draws, indices, functions of NumPy's."""
    model = nn.MLP([4, 3, 2], seed=0)
    optimizer, rng = nn.optim.SGD(model.parameters(), lr=0.1, momentum=0.9), np.random.Generator(np.random.MT19937(1))

    def step(x: ag.Tensor, y: ag.Tensor) -> ag.Tensor:
        loss = nn.functional.cross_entropy(model(nn.functional.dropout(x, 0.5, generator=rng)), y)
        loss.backward()
        optimizer.step()
        return loss

    def functions(x: ag.Tensor) -> Any:
        picked = x[:, np.arange(3)], x[::2, None], ag.setitem(x, 0.0, index=(0, slice(1, None))), ag.sort(x)
        parts = ag.linalg.svd(x), ag.concat([x, x], axis=1), ag.tile(x, (2, 1)), ag.repeat(x, 2, axis=0)
        return (
            picked,
            parts,
            ag.roll(x, 1),
            ag.cumulative_sum(x, axis=0),
            ag.argmax(x),
            ag.clip(x, 0.0, 1.0),
            ag.tril(x),
        )

    trained = ag.trace(step, np.ones((5, 4), "float32"), np.array([0, 1, 1, 0, 1]))
    of_functions = ag.trace(functions, np.arange(9.0).reshape(3, 3) + np.eye(3))
    loops = ag.trace(lambda x: [LOOPS[name](x) for name in ("a loop within", "gradients")], np.ones((4, 3)))
    return [json.loads(program.to_json()) for program in (trained, trained.optimized(), of_functions, loops, loops)]


def read(text: str) -> tuple[Program | None, str]:
    """The program of a text, or the error that it is refused with."""
    try:
        return Program.from_json(text), ""
    except DeclarationError as error:
        return None, str(error)


def test_a_mutated_text_is_a_program_that_runs_and_prints_or_one_kind_of_error() -> None:
    rng, originals, loaded = random.Random(0), contents(), 0
    for _ in range(150):
        program, said = read(mutated(rng.choice(originals), rng))
        if program is None:
            assert "\n" not in said
            assert len(said) < 2000
            continue
        loaded += 1
        assert str(program)
        assert program.explain()
        arrays = [np.zeros(value.shape, value.dtype) for value in program.inputs]
        with np.errstate(all="ignore"), contextlib.suppress(AutogradError):  # an index out of range, a wrong label
            program.run(*arrays)
    assert loaded > 3
