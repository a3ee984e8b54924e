"""A step of a loop that is run often is compiled, and computes the same bits."""

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad import nn
from glassgrad.autograd.compiler.scan import repeated
from glassgrad.autograd.errors import DomainError
from glassgrad.autograd.ops.loops import scan as scan_module
from glassgrad.autograd.ops.loops.derivative import derivative_of
from tests.measured import in_threads

RNG = np.random.default_rng(0)


def everything(carries, xs, consts):
    """A step with a carry that nothing changes, a number, two that are exchanged, and results of every kind."""
    h, still, count, left, right = carries
    x, label = xs
    (w,) = consts
    new = ag.tanh(h @ w + x) + still
    picked = ag.where(label > 1, new, h)
    return [new, still, count + 1.0, right, left], [h, left, new, x, picked, picked.sum(), count]


def arguments(dtype, rng):
    h, still = rng.normal(size=(2, 3)).astype(dtype), rng.normal(size=3).astype(dtype)
    pair = [rng.normal(size=4).astype(dtype) for _ in range(2)]
    x, label = rng.normal(size=(5, 2, 3)).astype(dtype), rng.integers(0, 4, (5, 2, 1))
    return [h, still, np.asarray(0.0, dtype), *pair], [x, label], [rng.normal(size=(3, 3)).astype(dtype)]


def values(result):
    return [np.asarray(t.detach().data) for part in result for t in part]


@pytest.fixture
def hot(monkeypatch):
    """Every body is compiled at its first run."""
    monkeypatch.setattr(scan_module, "HOT", 0)


def outcome(dtype, reverse):
    rng = np.random.default_rng(0)
    carries, xs, consts = arguments(dtype, rng)
    leaves = [ag.Tensor(a, requires_grad=a.dtype.kind == "f") for a in (*carries, *xs, *consts)]

    def step(carries, xs, consts):
        return everything(carries, xs, consts)

    result = repeated(step, leaves[:5], leaves[5:7], leaves[7:], reverse=reverse)
    sum((t * t).sum() for part in result for t in part).backward()
    return values(result) + [t.grad.data for t in leaves if t.requires_grad]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("reverse", [False, True])
def test_the_kernel_computes_the_same_bits(dtype, reverse, monkeypatch):
    monkeypatch.setattr(scan_module, "HOT", 0)
    found = outcome(dtype, reverse)
    monkeypatch.setattr(scan_module, "KERNELS", [])
    for a, b in zip(found, outcome(dtype, reverse), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_loop_body_is_compiled_when_it_is_hot():
    def step(carries, xs, consts):
        return [ag.sin(carries[0] + xs[0])], []

    c, x = ag.ones(2), ag.Tensor(RNG.normal(size=(40, 2)))
    first, second, third = (repeated(step, [c], [x])[0][0].data for _ in range(3))
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(first, third)
    total, _ = repeated(step, [ag.ones(2, requires_grad=True)], [x])
    loop = next(n for n in ag.Graph(total[0]).nodes if n.op is ag.OPS["scan_packed"]).params["loop"]
    assert "sin(" in loop.body.kernel.source
    assert derivative_of(loop.body, (True, False)).forward.kernel is None


@pytest.mark.usefixtures("hot")
def test_two_threads_use_one_body():
    layer = nn.GRU(3, 4, seed=0)
    inputs = [RNG.normal(size=(30, 2, 3)).astype("float32") for _ in range(4)]
    expected = [layer(x)[0].data for x in inputs]
    for found in in_threads(*[lambda x=x: [layer(x)[0].data for _ in range(10)] for x in inputs]):
        np.testing.assert_array_equal(found, [expected.pop(0)] * 10)


@pytest.mark.usefixtures("hot")
def test_labels_are_validated_at_each_step():
    def step(carries, xs, consts):
        return [carries[0] + ag.cross_entropy(consts[0], xs[0])], []

    logits, labels = ag.Tensor(RNG.normal(size=(2, 3))), np.array([[0, 1], [2, 0]])
    assert repeated(step, [ag.Tensor(0.0)], [labels], [logits])[0][0].item() > 0
    with pytest.raises(DomainError, match="was given the label 3"):
        repeated(step, [ag.Tensor(0.0)], [labels + 1], [logits])


def test_a_compiled_step_runs_a_loop_once_forward_and_once_back():
    layer = nn.LSTM(3, 4, seed=0)
    x = RNG.normal(size=(6, 2, 3)).astype("float32")

    @ag.compile
    def step(x):
        layer.zero_grad()
        loss = (layer(x)[0] ** 2).sum()
        loss.backward()
        return loss

    step(ag.Tensor(x))
    assert step(ag.Tensor(x)).item() == pytest.approx((layer(x)[0] ** 2).sum().item(), rel=1e-6)
    (program,) = step.programs
    assert sum(i.op == "op" for i in program.instructions) == 2
    assert "lstm_6_times(" in step.source
    assert "lstm_6_times_in_reverse(" in step.source
    assert "def step_of_forward_of_lstm(" in step.source
    assert "def step_of_gradient_of_lstm(" in step.source
