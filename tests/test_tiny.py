"""Ten claims, each small enough to be read at once."""

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad import nn
from glassgrad.autograd import Tensor


def test_a_derivative():
    assert ag.grad(lambda x: x**3)(2.0).item() == 12.0


def test_backward_fills_in_the_gradients():
    w = Tensor([1.0, 2.0], requires_grad=True)
    (w * w).sum().backward()
    assert w.grad.tolist() == [2.0, 4.0]


def test_broadcasting_is_undone():
    b = Tensor([0.0, 0.0], requires_grad=True)
    (np.ones((5, 2)) + b).sum().backward()
    assert b.grad.tolist() == [5.0, 5.0]


def test_derivatives_of_derivatives():
    assert ag.hessian(lambda x: x[0] ** 2 * x[1])([1.0, 3.0]).tolist() == [[6.0, 2.0], [2.0, 0.0]]


def test_numpy_functions_record():
    x = Tensor(0.5, requires_grad=True)
    np.sin(x).backward()
    assert x.grad.item() == np.cos(0.5)


def test_an_operation_is_declared_once_and_checked():
    @ag.op("x⁴")
    def tiny_fourth(xp, x):
        return x * x * x * x

    tiny_fourth.vjp(x=lambda g, x: 4 * g * x * x * x)
    assert ag.testing.gradcheck(tiny_fourth, [1.0, -2.0])
    assert ag.testing.gradgradcheck(tiny_fourth, [1.0, -2.0])


def test_a_wrong_derivative_is_found():
    with pytest.raises(ag.errors.GradcheckError, match="nothing recorded leads from the outputs to it"):
        ag.testing.gradcheck(lambda x: ag.exp(x.detach()), [1.0])


def test_the_graph_can_be_read():
    x = Tensor(3.0, requires_grad=True, name="x")
    nodes = ag.Graph(x * x + x).nodes
    assert [node.name or node.op.symbol for node in nodes] == ["x", "×", "+"]


def test_layers_of_neurons():
    a = Tensor([1.0, -1.0])
    for weight, bias in (
        ([[1.0, -2.0], [-1.0, 1.0]], [1.0, 0.0]),
        ([[2.0, -1.0], [-2.0, -1.0]], [0.0, 0.0]),
        ([[3.0, -1.0], [-1.0, 4.0]], [-2.0, 2.0]),
    ):
        a = ag.sigmoid(ag.linear(a, weight, bias))
    assert ag.round(100 * a).tolist() == [62.0, 83.0]


def test_a_network_learns_exclusive_or():
    x, y = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], "float32"), np.array([[0], [1], [1], [0]], "float32")
    net = nn.MLP([2, 8, 1], seed=0)
    optimizer = nn.optim.Adam(net.parameters(), lr=0.1)
    for _ in range(200):
        optimizer.zero_grad()
        ag.binary_cross_entropy_with_logits(net(x), y).backward()
        optimizer.step()
    assert (ag.sigmoid(net(x)) > 0.5).tolist() == [[False], [True], [True], [False]]
