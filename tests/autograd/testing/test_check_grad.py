"""`check_grad`: derivatives written by hand of functions of NumPy arrays."""

import re

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad.autograd.errors import DTypeError, GradcheckError
from glassgrad.autograd.testing import check_grad


def message(*args, **options):
    with pytest.raises(GradcheckError) as caught:
        check_grad(*args, **options)
    return str(caught.value)


def softmax_loss(logits, labels):
    shifted = logits - logits.max(axis=1, keepdims=True)
    return -np.mean((shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))[np.arange(len(labels)), labels])


def softmax_loss_gradient(logits, labels):
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    p = shifted / shifted.sum(axis=1, keepdims=True)
    p[np.arange(len(labels)), labels] -= 1
    return p / len(labels)


class TestPasses:
    def test_a_gradient_of_a_number(self):
        assert check_grad(lambda x: np.sum(x**3), lambda x: 3 * x**2, [[1.0, 2.0], [0.0, -1.0]])
        assert check_grad(lambda x, y: x @ y, lambda x, y: (y, x), [1.0, 2.0], [3.0, 4.0])

    def test_the_derivative_of_each_element(self):
        assert check_grad(np.tanh, lambda x: 1 - np.tanh(x) ** 2, np.ones((2, 3)))
        assert check_grad(np.sin, np.cos, 0.3)

    def test_a_jacobian(self):
        a = np.arange(6.0).reshape(2, 3)
        assert check_grad(lambda x: a @ x, lambda x: a, np.ones(3))

    def test_an_upstream_gradient(self):
        assert check_grad(np.matmul, lambda x, y, g: (g @ y.T, x.T @ g), np.eye(2), np.ones((2, 3)), vjp=True)
        assert check_grad(lambda x: (np.sin(x), x.sum()), lambda x, g, h: np.cos(x) * g + h, [1.0, 2.0], vjp=True)

    def test_integers_are_handed_on(self):
        assert check_grad(softmax_loss, softmax_loss_gradient, np.eye(3), np.array([0, 2, 1]))

    def test_float32_is_checked_in_float64(self):
        assert check_grad(np.exp, np.exp, np.float32([0.3, 2.0]))

    def test_functions_that_are_not_analytic(self):
        assert check_grad(np.abs, np.sign, [1.0, -2.0])
        assert check_grad(lambda x: np.maximum(x, 0.0), lambda x: np.where(x > 0, 1.0, 0.0), [0.0, 2.0])


def test_outputs_of_two_dtypes_have_the_tolerance_of_the_coarser():
    def f(x):
        return np.cos(np.exp(-x * x).astype("float32")), np.sum(x * x)

    def df(x, g, h):
        y = np.exp(-x * x)
        return g * np.sin(y) * y * 2 * x + 2 * x * h

    draw = np.random.default_rng(0)
    assert all(check_grad(f, df, draw.normal(size=3) * 3, vjp=True) for _ in range(40))


def test_an_output_of_integers_is_refused_beside_others():
    with pytest.raises(DTypeError, match=r"output 1 of f is \(2,\) int64"):
        check_grad(lambda x: (2 * x, np.argsort(x)), lambda x, g, h: 2 * g, [1.0, 2.0], vjp=True)


def test_under_no_grad():
    with ag.no_grad():
        assert check_grad(np.sin, np.cos, [1.0, 2.0])


class TestMessage:
    @pytest.mark.parametrize("f", [lambda b: np.ones((4, 3)) + b, lambda b: b.sum(keepdims=True)])
    def test_a_gradient_that_still_has_to_be_summed_or_broadcast(self, f):
        """A rule of an operation may leave a sum over broadcast axes to it; ``df`` may not."""
        said = message(f, lambda b, g: g, [1.0, 2.0, 3.0], vjp=True)
        assert re.match(r"df returned a gradient of shape .* for an input of shape \(3,\): with vjp=True", said)

    def test_an_error_in_df(self):
        assert message(np.sin, lambda x: x[5], [1.0]).startswith("df raised IndexError: index 5 is out of bounds")

    def test_a_wrong_gradient(self):
        said = message(softmax_loss, lambda x, y: 2 * softmax_loss_gradient(x, y), np.eye(3), np.array([0, 2, 1]))
        assert "the derivative of output 0 with respect to input 0 ('logits') [" in said
        assert "analytic (df)" in said

    def test_a_small_error(self):
        said = message(np.exp, lambda x: np.exp(x) * (1 + 3e-7), [1.0])
        assert "analytic (df)       2.71828264394" in said

    def test_nothing_shown(self):
        assert "unchecked" in message(lambda x: np.maximum(x, 0.0).sum(), np.sign, [0.0])
