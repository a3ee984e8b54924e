"""Memory is written to only once all that it shows was read: views of any depth, in any order of memory."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad.autograd import trees
from glassgrad.autograd.compiler.executable import Executable
from glassgrad.autograd.compiler.ir.program import Instruction, Program, Value
from glassgrad.autograd.compiler.targets.device import DeviceExecutable
from glassgrad.autograd.compiler.targets.emit import has_kernel
from glassgrad.autograd.compiler.targets.plan import Plan, schedule
from glassgrad.autograd.compiler.trace import ARRAY
from glassgrad.autograd.engine.tensor import wrap
from tests import standin
from tests.autograd.compiler.oracle import check
from tests.autograd.compiler.targets.plans import check_plan

FLOAT = np.dtype("float64")

CHAINS: dict[str, Callable[[Any], Any]] = {
    "a slice of a flat copy": lambda h: ag.reshape(h, (-1,))[::2],
    "a slice of a flat transpose": lambda h: ag.reshape(h.T, (-1,))[1::2],
    "a flat copy of a slice": lambda h: ag.reshape(h[:, 1:], (-1,)),
    "a row of another shape": lambda h: ag.reshape(h, (2, 2, 16))[1, 0],
    "repeated": lambda h: ag.broadcast_to(ag.reshape(h, (1, -1)), (3, 64))[:, ::3],
    "backwards and turned": lambda h: ag.permute_dims(ag.reshape(h[::-1], (2, 2, 16)), (2, 1, 0))[3:],
    "a copy of a view of a copy": lambda h: ag.reshape(ag.reshape(h, (-1,))[::2].reshape((4, 8)).T, (-1,))[4:],
}


@pytest.mark.parametrize("chain", list(CHAINS.values()), ids=list(CHAINS))
def test_the_buffer_of_a_view_is_not_reused_before_its_last_read(chain: Callable[[Any], Any]) -> None:
    """What is reshaped of some views of a hidden layer must be copied."""

    def loss(x: Any, w: Any) -> Any:
        h = ag.tanh(x @ w)
        v = chain(h)
        return ag.mean(h * h) + ag.mean(v * v)

    x, w = (ag.asarray(np.random.default_rng(i).standard_normal(shape)) for i, shape in enumerate([(4, 8), (8, 16)]))
    function = ag.value_and_grad(loss, (0, 1))
    check(function, x, w)
    check_plan(plan_of(ag.trace(function, x, w).optimized()))


HAZARDS = """
a copy of a state kept in columns | v = reshape p; n = add p x; a = tanh v | p | p<-n | a
a copy of a state, made before it is written to | n = add p x; t = permute_dims p; m = matmul t x | p | p<-n | m
a view of the old value returned | t = permute_dims p; n = add p x | p | p<-n | t
the old value for another state | t = permute_dims p; n = add p x | p q | p<-n q<-t |
an exchange | a = positive p; b = positive q | p q | p<-q q<-p | a b
a state read turned by its own update | t = permute_dims p; n = add p t | p | p<-n | n
a new value, and a view of it | n = add p x; t = permute_dims n; a = tanh t | p | p<-n | t a n
an argument read at the end | n = add p x; a = tanh n; b = add a x | p | p<-n | b x
a copy into a state kept in columns | t = permute_dims q; v = reshape t | p q | p<-v | v
two states of one value | n = add p x | p q | p<-n q<-n | n
"""
"""Lines, states, updates and results of programs."""


def rows(table: str) -> list[Any]:
    """The rows of a table as parameters of a test."""
    parts = [[part.strip() for part in line.split("|")] for line in table.strip().splitlines()]
    return [pytest.param(*rest, id=name) for name, *rest in parts]


def bound(program: Program, device: str = "cpu") -> Executable:
    """A program as it is carried out, after all passes and on the arrays of its states."""
    lists = ("changes", "guards", "settings", "ungraded", "given", "delivered", "cleared")
    count = len(program.outputs)
    leaves, structure = trees.flatten([ARRAY] * count)
    flags = {"is_tensor": [False] * count, "recorded": [False] * count, "made": [""] * count}
    result = SimpleNamespace(leaves=leaves, structure=structure, values=program.outputs, **flags)
    trace: Any = SimpleNamespace(
        name=program.name, program=program, result=result, device=device, is_differentiated=False, numbers={},
        paths=[value.name for value in program.inputs], captured=[], replaced=[], left={},
        **{name: [] for name in lists},
    )  # fmt: skip
    if device != "cpu":
        return DeviceExecutable(trace)
    executable = Executable(trace)
    check_plan(executable.plan)
    return executable


@pytest.mark.parametrize("device", ["cpu", "cuda:0"])
@pytest.mark.parametrize(("text", "states", "updates", "outputs"), rows(HAZARDS))
@pytest.mark.parametrize("order", ["C", "F"])
def test_each_hazard_is_handled(
    text: str, states: str, updates: str, outputs: str, order: Any, device: str, gpu: Any
) -> None:
    """In two calls; results are looked at in the end."""
    flat = (16,) if "reshape p" in text else (4, 4)
    other = {"q": (2, 8), "t": (8, 2)} if "reshape t" in text else {}
    program = program_of(text, states, updates, outputs, v=flat, a=flat, **other)

    def there(array: Any) -> Any:
        return array if device == "cpu" else gpu.ndarray(array)

    values = {s: np.arange(16.0).reshape(s.shape) * (i + 1) for i, s in enumerate(program.states)}
    for state, array in values.items():
        state.origin.data = there(np.array(array, order="C" if state.name == "q" else order))
    executable = bound(program, device)
    found, expected = [], []
    for argument in (np.eye(4), np.ones((4, 4))):
        results, new = program.run(argument, states=values)
        values |= new
        expected += [np.array(array) for array in (*results, *values.values())]
        assert executable.is_settled()
        found += executable.finish(executable.run(there(argument)))
        found += [np.array(numbers(state.origin._data)) for state in values]
    for one, wanted in zip(map(numbers, found), expected, strict=True):
        np.testing.assert_allclose(one, wanted, rtol=1e-12)


def numbers(array: Any) -> Any:
    return array.held if isinstance(array, standin.Array) else array


def program_of(text: str, states: str = "", updates: str = "", outputs: str = "", **shapes: Any) -> Program:
    """A program from lines such as ``b = negative a``, on values of shape (4, 4), or of that of their name."""
    values: dict[str, Value] = {}

    def of(name: str, kind: str = "temporary") -> Value:
        if name not in values:
            shape = shapes.get(name, (4, 4))
            origin = wrap(np.zeros(shape)) if kind == "state" else None
            values[name] = Value(kind, shape, FLOAT, name, origin=origin)
        return values[name]

    inputs = [of("x", "input")]
    for name in states.split():
        of(name, "state")
    instructions = []
    for line in filter(None, map(str.strip, text.split(";"))):
        out, op, *args = line.replace("=", " ").split()
        params = {"shape": shapes.get(out)} if op == "reshape" else {"axes": (1, 0)} if op == "permute_dims" else {}
        instructions.append(Instruction(op, tuple(map(of, args)), params, of(out)))
    pairs = [pair.split("<-") for pair in updates.split()]
    return Program("f", inputs, instructions, [of(n) for n in outputs.split()], {of(s): of(v) for s, v in pairs})


SCHEDULES = """
updates follow all that does not need them | m = subtract q x; n = subtract p x; a = tanh p; b = exp m | p q | p<-n q<-m | a b | | a m b n
an update waits for a view of the old value | t = permute_dims p; n = subtract p x; a = tanh t | p | p<-n | a | | t a n
an update follows what may raise | n = subtract p x; a = tanh x | p | p<-n | a | a | a n
an update that is read does not wait | m = subtract p x; a = tanh m; b = exp p | p | p<-m | a b | | m a b
updates that wait for each other | m = add p q; n = subtract q p | p q | p<-m q<-n | | | m n
"""  # noqa: E501
"""Lines, states, updates, results, what may raise, and the order of a plan."""


@pytest.mark.parametrize(("text", "states", "updates", "outputs", "raising", "expected"), rows(SCHEDULES))
def test_the_order_of_a_plan(text: str, states: str, updates: str, outputs: str, raising: str, expected: str) -> None:
    order = schedule(program_of(text, states, updates, outputs), lambda i: i.out.name not in raising.split())
    assert " ".join(i.out.name for i in order) == expected


def plan_of(program: Program) -> Plan:
    """The plan on copies of the states."""
    return Plan(program, {state: np.array(state.origin.data) for state in program.states}, has_kernel)


def test_the_validator_sees_a_buffer_that_is_given_back_too_early(monkeypatch: pytest.MonkeyPatch) -> None:
    program = program_of("h = tanh x; t = permute_dims h; a = exp x; b = sin a; c = add t b", outputs="c")
    check_plan(plan_of(program))

    def without_views(plan: Plan) -> dict[Value, int]:
        return {value: i for i, instruction in enumerate(plan.order) for value in (*instruction.args, instruction.out)}

    monkeypatch.setattr(Plan, "last_reads", without_views)
    with pytest.raises(AssertionError, match=r"f: a = exp\(x\) writes to the memory of t \(4, 4\) float64, which is"):
        check_plan(plan_of(program))


def test_the_validator_sees_a_state_that_is_written_too_early(monkeypatch: pytest.MonkeyPatch) -> None:
    program = program_of("m = negative x; a = tanh p", "p", "p<-m", "a m")
    monkeypatch.setattr(Plan, "_may_write_home", lambda *_: True)
    monkeypatch.setattr("glassgrad.autograd.compiler.targets.plan.schedule", lambda program, _: program.instructions)
    with pytest.raises(AssertionError, match="writes to the memory of p"):
        check_plan(plan_of(program))


def test_results_lie_in_memory_as_their_arguments_do() -> None:
    """As NumPy lays out a new array, so that what is reduced or joined next is read in its own order."""

    def f(x: Any) -> Any:
        z = ag.permute_dims(ag.tanh(x), (0, 3, 1, 2))
        return ag.max(ag.reshape(ag.exp(z), (2, 6, 2, 2, 2, 2)), axis=(3, 5))

    x = np.random.default_rng(0).standard_normal((2, 4, 4, 6))
    program = ag.trace(f, x).optimized()
    plan = Plan(program, {}, has_kernel)
    check_plan(plan)
    arrays = {i.op: plan.arrays[i.out] for i in program.instructions if i.out in plan.arrays}
    eager = np.exp(np.tanh(x).transpose(0, 3, 1, 2))
    assert arrays["exp"].strides == eager.strides
    assert arrays["max"].strides == eager.reshape(2, 6, 2, 2, 2, 2).max((3, 5)).strides
    np.testing.assert_array_equal(ag.compile(f)(ag.Tensor(x)).numpy(), f(ag.Tensor(x)).numpy())
