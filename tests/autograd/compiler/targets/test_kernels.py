"""Kernels: which instructions are written as one nest of loops."""

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad import nn
from glassgrad.autograd.compiler.passes.optimize import COMMON, optimize
from glassgrad.autograd.compiler.targets.kernels import Kernel, fuse, updated_in_place
from tests.autograd.compiler.test_training import step_of


def program_of(function, *arrays):
    return optimize(ag.trace(function, *arrays), COMMON)


def kernels_of(function, *arrays):
    return [step for step in fuse(program_of(function, *arrays)) if isinstance(step, Kernel)]


def train(optimizer, loss=nn.functional.cross_entropy):
    """The program of a training step, and its kernels and other steps."""
    model = nn.MLP([4, 5, 5, 3], seed=0)
    step = step_of(model, optimizer(model.parameters()), loss)
    program = program_of(step, ag.ones((7, 4), dtype="float32"), ag.ones((7, 3), dtype="float32"))
    return program, fuse(program)


def test_a_chain_is_one_kernel():
    (kernel,) = kernels_of(lambda x, y: ag.tanh(x * y + 1.0) - y, ag.ones((3, 4)), ag.ones(4))
    assert [i.op for i in kernel.instructions] == ["multiply", "add", "tanh", "subtract"]
    assert [v.name for v in (*kernel.inputs, *kernel.outputs)] == ["x", "y", "subtract_1"]


def test_a_value_read_only_by_a_sum_is_fused_into_it():
    kernel, scaled = kernels_of(lambda x, y: ((x - y) ** 2).sum(axis=1) * 0.5, ag.ones((3, 4)), ag.ones((3, 4)))
    assert [i.op for i in (*kernel.instructions, kernel.reduction)] == ["subtract", "multiply", "sum"]
    assert [i.op for i in scaled.instructions] == ["multiply"]


def test_the_derivative_of_an_activation_is_fused_into_its_user():
    _, steps = train(lambda p: nn.optim.SGD(p, lr=0.1))
    kernels = [s for s in steps if isinstance(s, Kernel)]
    forward = [k for k in kernels if any(i.op == "tanh" for i in k.instructions)]
    assert [len(k.outputs) for k in forward] == [1, 1]  # the activation, and not its slope


@pytest.mark.parametrize("optimizer", ["SGD", "Adam", "RMSprop"])
def test_updates_are_in_place(optimizer):
    program, steps = train(lambda p: getattr(nn.optim, optimizer)(p, lr=0.1))
    assert set(updated_in_place(program, steps).values()) == set(program.updates)


def test_a_state_that_is_read_afterwards_is_not_written_early():
    w = ag.Tensor([1.0, 2.0], name="w")

    def function(x):
        before = w * x
        with ag.no_grad():
            w[...] = w + 1.0
        return before.sum(), (w * x).sum()

    program = program_of(function, ag.ones(2))
    steps = fuse(program)
    for value in updated_in_place(program, steps):
        at = next(i for i, s in enumerate(steps) if isinstance(s, Kernel) and value in s.outputs)
        later = [v for s in steps[at + 1 :] for v in (s.inputs if isinstance(s, Kernel) else s.args)]
        assert all(v.kind != "state" for v in later)


def test_random_numbers_are_drawn_in_the_programs_order():
    generator = np.random.default_rng(0)

    def function(x, w):
        y = x @ w
        doubled = y * 2.0
        first, second = (ag.random.uniform((3,), generator=generator) for _ in range(2))
        return doubled, y + second, first @ w

    program = program_of(function, ag.ones(3), ag.ones((3, 3)))
    drawn = [i for i in program.instructions if i.op == "draw"]
    assert [step for step in fuse(program) if step in drawn] == drawn
