"""Activation functions of imported networks: their values and their derivatives at 0."""

import math

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad.autograd.testing import gradcheck
from glassgrad.nn.functional import activations

X = np.array([-4.0, -1.0, 0.0, 0.5, 4.0])
PHI = [0.5 * (1 + math.erf(x / math.sqrt(2))) for x in X]


@pytest.mark.parametrize(
    ("function", "want", "slope"),
    [
        (activations.elu, np.where(X > 0, X, np.expm1(X)), 1),
        (lambda x: activations.elu(x, 2.0, scale=3.0, input_scale=0.5), 3 * np.where(X > 0, X, 2 * np.expm1(X / 2)), 3),
        (activations.hardsigmoid, np.clip(X / 6 + 0.5, 0, 1), 1 / 6),
        (activations.mish, X * np.tanh(np.log1p(np.exp(X))), 0.6),
        (activations.silu, X / (1 + np.exp(-X)), 0.5),
        (lambda x: activations.silu(x, alpha=2.0), X / (1 + np.exp(-2 * X)), 0.5),
    ],
)
def test_values_and_the_derivative_at_0(function, want, slope):
    x = ag.Tensor(X, requires_grad=True)
    y = function(x)
    np.testing.assert_allclose(y.data, want, rtol=1e-12)
    np.testing.assert_allclose(np.asarray(function(X)), want, rtol=1e-12)
    y.sum().backward()
    assert x.grad[2].item() == pytest.approx(slope)
    gradcheck(function, X[[0, 1, 3]])


def test_the_approximation_of_gelu_is_close():
    np.testing.assert_allclose(activations.gelu_tanh(ag.Tensor(X)).data, X * PHI, atol=5e-4)
