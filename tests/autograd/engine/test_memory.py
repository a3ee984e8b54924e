"""Memory written to in place: no graph computes with numbers that are no longer there, whoever's array that was."""

import gc
import itertools
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from glassgrad import autograd as ag
from glassgrad import nn
from glassgrad.autograd import Tensor
from glassgrad.autograd.engine import backward, memory
from glassgrad.autograd.errors import DTypeError, GradientError, ShapeError


def leaf(values, name=None):
    return Tensor(values, requires_grad=True, name=name)


@pytest.fixture
def w():
    return leaf([1.0, 2.0], "w")


def step(*leaves):
    """An optimizer's step, which writes into the leaves' arrays."""
    for p in leaves:
        p.grad = ag.ones_like(p)
    nn.optim.SGD(leaves, lr=0.5).step()
    for p in leaves:
        p.grad = None


STALE = r"was changed after \w+ had used it, so this graph's gradients would be wrong: compute the forward again, or "


# -------------------------------------------------------------------------------------------- what an optimizer changes


@pytest.mark.parametrize(
    "constant",
    [
        lambda w: w.detach(),
        lambda w: w.detach().reshape(1, 2)[0],
        lambda w: ag.asarray(w.data),
        lambda w: w.data,
        lambda w: w.data[::-1],
        lambda w: w.detach().numpy(),
        lambda w: ag.asarray(np.frombuffer(w.data)),
        lambda w: np.asarray(memoryview(w.data)),
    ],
    ids=["detach", "a view", "asarray", "data", "a view of data", "numpy", "a buffer", "a memoryview"],
)
def test_constants_that_share_a_parameters_memory(w, constant):
    x = leaf([3.0, 4.0])
    y, z = (constant(w) * x).sum(), (w.detach().clone() * x).sum()
    step(w)
    with pytest.raises(GradientError, match=STALE):
        y.backward()
    assert x.grad is None
    z.backward()
    assert_array_equal(x.grad.data, [1.0, 2.0])


def test_the_message_names_the_tensor(w):
    x = leaf([3.0, 4.0])
    y, z = (w.detach() * x).sum(), (w.data * x).sum()
    step(w)
    for f, name in ((y, "'w' "), (z, "")):
        with pytest.raises(
            GradientError, match=rf"^the value {name}\(2,\) float64 was changed after multiply had used"
        ):
            f.backward()


def test_a_saved_result_that_became_a_parameter(w):
    y = ag.sigmoid(w)
    p = y.detach().requires_grad_()
    step(p)
    with pytest.raises(GradientError, match=r"\(2,\) float64 was changed after sigmoid had used it"):
        y.sum().backward()


def recorded(y, x):
    return ag.gradients(y, x, create_graph=True)


@pytest.mark.parametrize(
    ("f", "ask"),
    [
        (lambda w, x: (w * w + x).sum(), Tensor.backward),
        (lambda w, x: ag.einsum("i,ij->", w.detach(), ag.stack([x, x])), Tensor.backward),
        (lambda w, x: recorded((w * x * x).sum(), x).sum(), Tensor.backward),
        (lambda w, x: (w.detach() * x * x).sum(), recorded),
    ],
    ids=["a leaf", "of many arguments", "second order", "a recorded gradient"],
)
@pytest.mark.parametrize("replaced", [False, True])
def test_what_a_graph_saved_and_a_step_wrote_to(w, f, ask, replaced):
    x = leaf([3.0, 4.0])
    y = f(w, x)
    step(w)
    if replaced:
        w.data = np.array([7.0, 8.0])
    with pytest.raises(GradientError, match=STALE):
        ask(y, *[x] * (ask is recorded))
    assert w.grad is x.grad is None


def test_a_hook_that_changes_what_is_still_to_be_used(w):
    x = leaf([3.0, 4.0])
    u = w.detach() * x
    u.register_hook(lambda g: step(w))
    with pytest.raises(GradientError, match=STALE):
        u.sum().backward()
    assert x.grad is None


@pytest.mark.parametrize(
    ("pick", "change"),
    [
        (lambda x, i: x[i], [2, 2]),
        (lambda x, i: x[i, ...], [2, 2]),
        (lambda x, i: ag.getitem(x, index=i), [2, 2]),
        (lambda x, i: ag.roll(x, shift=i, axis=(0, 0)), [2, 2]),
        (lambda x, i: ag.pad(x, pad_width=i)[:3], [3, 0]),
    ],
)
def test_a_list_that_is_written_to_later_changes_no_gradient(pick, change):
    weights, given = np.array([1.0, 10.0, 100.0]), [0, 1]
    expected = ag.grad(lambda x: (pick(x, [0, 1]) * weights[: len(pick(x, [0, 1]))]).sum())([1.0, 2.0, 3.0])
    x = leaf([1.0, 2.0, 3.0])
    picked = pick(x, given)
    given[:] = change
    (picked * weights[: len(picked)]).sum().backward()
    assert_array_equal(x.grad.data, expected.data)


def test_an_index_that_its_owner_changes_later():
    x = leaf([1.0, 2.0, 3.0])
    rows, mask, listed, given = np.array([0, 1]), np.array([True, False, True]), [0, 2], Tensor([0, 1])
    y = x[rows].sum() + x[mask].sum() + x[listed].sum() + x[given].sum()
    rows[:], mask[:], listed[:] = 2, False, [1, 1]
    given.data[:] = 2
    y.backward()
    assert x.grad.tolist() == [4.0, 2.0, 2.0]


# -------------------------------------------------------------------------------------------------- what is not refused


@pytest.mark.parametrize(
    ("f", "expected"), [(lambda w, v, x: v * x, [1.0, 2.0]), (lambda w, v, x: w.detach() + x, [1.0, 1.0])]
)
def test_writes_to_other_memory_or_to_what_no_rule_reads(w, f, expected):
    v, x = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    y = f(w, v, x).sum()
    step(w)
    y.backward()
    assert_array_equal(x.grad.data, expected)


def test_numbers_are_never_changed_in_place():
    w, x = leaf(2.0), leaf(3.0)
    y = w.detach() * x
    step(w)
    y.backward()
    assert (x.grad.item(), w.item()) == (2.0, 1.5)


# --------------------------------------------------------------------------------------------------- what can't be seen


def test_writes_into_the_raw_array_are_not_noticed_until_declared(w):
    x, c = leaf([3.0, 4.0]), np.array([1.0, 2.0])
    y, z = (w * x).sum(), (c * x).sum()
    w.data[0] = c[0] = 10.0
    z.backward()
    assert_array_equal(x.grad.data, [10.0, 2.0])  # of the value that it did not have
    memory.written(w.data)
    with pytest.raises(GradientError, match=STALE):
        y.backward()


# --------------------------------------------------------------------------------------------------------- the notebook


def test_entries_go_with_their_arrays():
    gc.collect()
    before = len(memory.WRITES)
    arrays = [np.ones(3) for _ in range(20)]
    memory.written(*arrays[:10])
    for a in arrays[10:]:
        memory.written(a[1:])
    memory.clock_of(a)[0] = later = memory.written_at(a) + 1
    assert memory.written_at(a[1:]) == later > memory.written_at(arrays[0].T) == memory.written_at(arrays[9][:1]) > 0
    assert len(memory.WRITES) == before + 20
    del arrays, a
    gc.collect()
    assert len(memory.WRITES) == before


def test_memory_that_no_array_owns_is_noted_too():
    buffer = bytearray(16)
    one, other = np.frombuffer(buffer), np.frombuffer(buffer)
    assert memory.owner(one[1:]) is buffer
    memory.written(one)
    assert memory.written_at(other[1:]) > memory.written_at(np.frombuffer(bytearray(16))) == 0


# ----------------------------------------------------------------------------------------- other silent wrong gradients


def test_a_recorded_float_does_not_go_into_integers():
    x, counts = leaf(1.5), Tensor([1, 2], name="counts")
    told = r"Tensor 'counts' \(2,\) int64 can't record a value of float64: use floats, or value\.detach\(\)"
    with pytest.raises(DTypeError, match=told):
        counts[0] = x * 2.0
    assert counts.tolist() == [1, 2]
    counts[0] = (x * 2.0).detach()
    counts[1] = 7.9
    assert counts.tolist() == [3, 7]


def test_no_gradient_goes_through_integers():
    x = leaf(1.5)
    y = ag.setitem(Tensor([1, 2]), x, index=0)
    with pytest.raises(GradientError, match=r"a rule returned .* for an input of dtype int64"):
        (y * 2.0).sum().backward()
    with pytest.raises(GradientError, match=r"\(\) int64 has no derivative: it holds integers"):
        y.sum().backward()
    assert x.grad is None


@pytest.mark.parametrize("f", [ag.exp, lambda w: w * w])
def test_a_leaf_of_another_shape_gets_no_gradient_of_the_old_one(w, f):
    y = f(w).sum()
    w.data = np.ones(5)
    with pytest.raises(ShapeError, match=r"'w' \(5,\) float64 got a gradient of shape \(2,\)|a rule returned a"):
        y.backward()
    assert w.grad is None


# ----------------------------------------------------------------------------------------------- broken off at any line


class Interrupted(BaseException):
    """As Ctrl-C raises it, between any two lines, or instructions, of the package."""


def broken_off(work, at, within=()):
    """Run ``work`` and raise `Interrupted` at that many lines of the package (instructions of the functions called
    ``within``); whether it came so far.
    """
    left = at

    def trace(frame, event, _):
        nonlocal left
        name = frame.f_code.co_filename
        if not name.startswith((PACKAGE, NETS, "<operation")):
            return None
        frame.f_trace_opcodes = frame.f_code.co_name in within
        if event in ("line", "opcode"):
            left -= 1
            if left == 0:
                raise Interrupted
        return trace

    sys.settrace(trace)
    try:
        work()
    except Interrupted:
        return True
    finally:
        sys.settrace(None)
        for lock in (backward._accumulating, memory._lock):
            while lock._is_owned():  # between taking it and the block below it, where Python handles no signal
                lock.release()
    return False


PACKAGE, NETS = (str(Path(p.__file__).parent) for p in (ag, nn))


def every_break(prepare, within=()):
    """What ``prepare`` made, broken off at every place in turn: (its work's owner, how far it came)."""
    for at in itertools.count(1):
        work, kept = prepare()
        if not broken_off(work, at, within):
            assert at > 40, "so few lines can't have been all"
            return
        yield kept


def test_backward_broken_off_anywhere_leaves_all_grads_or_none():
    def prepare():
        leaves = [leaf([1.0, 2.0]) for _ in range(4)]
        a, b, c, d = leaves
        (a * b + c * d).sum().backward()
        u = a * b
        u.retain_grad()
        y = (u + c * d).sum()
        return y.backward, [[t, t.grad] for t in (*leaves, u)]

    states = {tuple(t.grad is before for t, before in kept) for kept in every_break(prepare, within=("backward",))}
    assert states == {(True,) * 5, (False,) * 5}


@pytest.mark.parametrize("make", [nn.optim.SGD, partial(nn.optim.SGD, momentum=0.9), nn.optim.Adam, nn.optim.RMSprop])
def test_after_an_interrupted_step_graphs_of_every_written_tensor_are_refused(make):
    def prepare():
        leaves = [leaf([1.0, 2.0]), leaf([3.0, 4.0])]
        optimizer = make(leaves, lr=0.5)
        for p in leaves:
            p.grad = ag.ones(2)
        x = leaf([1.0, 1.0])
        return optimizer.step, (*leaves, x, (leaves[0].detach() * x + leaves[1].detach() * x).sum())

    refused = 0
    for w, v, x, y in every_break(prepare, within=("step", "update")):
        try:
            slope = ag.gradients(y, x).tolist()
        except GradientError:
            refused += 1
        else:
            assert slope == [4.0, 6.0], f"of {w.tolist()} and {v.tolist()}, which it had not been computed from"
    assert refused > 5
