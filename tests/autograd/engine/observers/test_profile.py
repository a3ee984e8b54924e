"""`profile`: calls and seconds of each operation."""

import threading

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad.autograd import Tensor
from glassgrad.autograd.engine.operation import OPS
from glassgrad.autograd.errors import DomainError


@pytest.fixture
def slow(monkeypatch):
    """An operation that takes 2 seconds forward and 4 backward by a clock of its own; nothing else takes time."""
    now = [0.0]
    monkeypatch.setattr("glassgrad.autograd.engine.observers.profile.perf_counter", lambda: now[0])

    @ag.op("slow")
    def slow(xp, x):
        now[0] += 2.0
        return 2.0 * x

    def rule(xp, g):
        now[0] += 4.0
        return 2.0 * g + 0.0 * xp.exp(g)

    slow.vjp(x=rule)
    yield slow
    del OPS["slow"]


def taken(times):
    return {row.operation: row for row in times.rows}


def test_calls_and_seconds(slow):
    x = Tensor([1.0, 2.0], requires_grad=True)
    with ag.profile() as times:
        thread = threading.Thread(target=lambda: ag.sum(slow(slow(x)) + x).backward())
        thread.start()
        thread.join()
    assert times.rows[0] == ("slow", 2, 4.0, 8.0)
    assert {row[:2] for row in times.rows} == {("slow", 2), ("add", 1), ("sum", 1)}


def test_the_gradients_are_the_same_and_nothing_is_left_behind(slow):
    def state():
        return {op.name: (op.forward, dict(op.rules)) for op in OPS.values()}

    def loss(x):
        return ag.sum(ag.tanh(x[0] * slow(x[1])) ** 2)

    before, x = state(), np.arange(6.0).reshape(2, 3)
    expected = ag.grad(loss)(x)
    with ag.profile():
        assert (ag.grad(loss)(x).data == expected.data).all()
    assert state() == before
    with pytest.raises(DomainError), ag.profile():
        ag.cross_entropy([[1.0]], [7])
    assert state() == before


def test_operations_that_operations_and_recorded_rules_call_are_counted_once(slow):
    @ag.op("calls slow")
    def calls_slow(xp, x):
        return ag.Tensor(x).exp().data + slow(x).data

    x = Tensor(3.0, requires_grad=True)
    with ag.profile() as times:
        calls_slow(1.0)
        ag.gradients(slow(x), x, create_graph=True)
    del OPS["calls_slow"]
    assert taken(times)["slow"] == ("slow", 2, 4.0, 4.0)
    assert taken(times)["calls_slow"] == ("calls_slow", 1, 0.0, 0.0)
    assert taken(times)["exp"].calls == 2


def test_one_at_a_time():
    with ag.profile(), pytest.raises(DomainError, match="taken already"), ag.profile():
        pass
    with ag.profile() as times:
        ag.exp(1.0)
    with times:
        ag.exp(1.0)
    assert taken(times)["exp"].calls == 2


def test_the_table():
    times = ag.profile()
    assert repr(times) == "operation    calls  forward, ms  backward, ms  share"
    times._taken = {"tanh": [3, 0.002, 0.001], "matrix_transpose": [1, 0.001, 0.0], "exp": [0, 0.0, 0.0]}
    assert repr(times).splitlines() == [
        "operation           calls  forward, ms  backward, ms  share",
        "tanh                    3        2.000         1.000    75%",
        "matrix_transpose        1        1.000         0.000    25%",
    ]
