"""The complex step: exact where everything is analytic, silent where it is not."""

from functools import partial

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad.autograd import Tensor
from glassgrad.autograd.testing import complexstep
from glassgrad.autograd.testing.complexstep import run
from tests.declared import declared


def along(f, *inputs):
    """``f``'s derivative when all elements of its inputs move alike."""
    xs = [Tensor(x, requires_grad=True) for x in inputs]

    def outputs(xs):
        ys = f(*xs)
        return ys if isinstance(ys, tuple) else (ys,)

    def moved(i, values):
        ys = outputs([Tensor(values.reshape(x.shape), requires_grad=True) if x is xs[i] else x for x in xs])
        return np.concatenate([y.data.reshape(-1).astype(float) for y in ys])

    ys = outputs(xs)
    graph, epsilon = ag.Graph(*ys), max(float(np.finfo(y.dtype).eps) for y in ys)
    found = [
        complexstep.along(partial(run, graph, x), partial(moved, i), x.data.reshape(-1), np.ones(x.size), epsilon)
        for i, x in enumerate(xs)
    ]
    return None if any(part is None for part in found) else np.sum(found, axis=0)


@pytest.mark.parametrize(
    ("f", "slope", "at"),
    [
        (ag.sin, np.cos, 0.7),
        (ag.abs, np.sign, -0.7),
        (ag.sign, lambda x: 0 * x, -0.7),
        (ag.floor, lambda x: 0 * x, 1.7),
        (ag.relu, lambda x: (x > 0) * 1.0, 0.7),
        (lambda x: ag.logaddexp(x, 800.0 - x), lambda x: -np.tanh(400.0 - x), 0.7),
        (ag.gelu, None, 0.7),
        (lambda x: ag.clip(x, min=0.0, max=3.0), lambda x: 0 * x + 1.0, 0.7),
        (lambda x: x**-3.5, lambda x: -3.5 * x**-4.5, 0.7),
        (lambda x: ag.astype(x * x, "float32"), lambda x: 2 * x, 0.7),
    ],
)
def test_is_exact(f, slope, at):
    found = along(f, [at, 2 * at])
    x = np.array([at, 2 * at])
    expected = slope(x) if slope else ag.grad(lambda x: ag.sum(f(x)))(x).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-14, atol=1e-14)


def test_several_outputs_and_constants():
    found = along(lambda x, w: (x @ w, Tensor([5.0]), x), [[1.0, 2.0]], [[3.0], [4.0]])
    np.testing.assert_allclose(found, [3 + 4 + 1 + 2, 0.0, 1.0, 1.0])


def test_an_assignment_of_a_moved_value_to_a_constant():
    np.testing.assert_allclose(along(lambda x: ag.setitem(np.zeros(3), x * x, index=1), 3.0), [0.0, 6.0, 0.0])


def test_no_answer_where_an_operation_is_not_analytic():
    modulus = declared(lambda xp, x: xp.real(x) ** 2 + xp.imag(x) ** 2, x=lambda g, x: 2 * g * x)
    assert along(modulus, [1.0]) is None
    assert along(lambda x: ag.sin(modulus(x)), [1.0]) is None


def test_no_answer_where_a_value_is_detached():
    assert along(lambda x: x * x.detach(), [1.0, 2.0]) is None
    assert along(lambda x: 1e-9 * x * x.detach(), [1.0, 2.0]) is None


def test_no_answer_where_a_forward_refuses_complex_numbers():
    def strict(xp, x):
        if x.dtype.kind == "c":
            raise TypeError
        return x * x

    assert along(declared(strict, x=lambda g, x: 2 * g * x), [1.0]) is None


def test_no_answer_for_an_input_that_was_written_to():
    def f(x):
        y = x * 1.0
        y[0] = 5.0
        return y

    np.testing.assert_allclose(along(f, [1.0, 2.0]), [0.0, 1.0])


def test_rules_are_not_used():
    cube = declared(lambda xp, x: x * x * x, x=lambda g, x: g * 0.0)
    np.testing.assert_allclose(along(cube, [2.0]), [12.0])
