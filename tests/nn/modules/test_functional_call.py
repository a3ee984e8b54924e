"""A module as a function of its parameters."""

import functools

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad import nn
from glassgrad.nn.errors import StateError

X = np.random.default_rng(0).normal(size=(6, 2))
NET = nn.MLP([2, 3, 1], "tanh", seed=0, dtype="float64")


def loss(parameters, net=NET):
    return ag.mean(nn.functional_call(net, parameters, X) ** 2)


def test_other_values_are_used_and_the_modules_own_stay():
    before = {name: p.tolist() for name, p in NET.named_parameters()}
    weight = ag.zeros((1, 3))
    assert nn.functional_call(NET, {"layers.2.weight": weight, "layers.2.bias": [0.5]}, X).tolist() == [[0.5]] * 6
    assert {name: p.tolist() for name, p in NET.named_parameters()} == before
    assert all(isinstance(p, nn.Parameter) for p in NET.parameters())


def test_the_module_is_put_back_after_an_error():
    with pytest.raises(ag.errors.ShapeError):
        nn.functional_call(NET, {"layers.0.bias": ag.ones(3)}, ag.ones((2, 5)))
    assert isinstance(NET.layers[0].bias, nn.Parameter)


def test_its_derivatives_with_respect_to_the_parameters_are_those_of_backward():
    parameters = dict(NET.named_parameters())
    gradient = ag.grad(loss)(parameters)
    NET.zero_grad()
    ag.mean(NET(X) ** 2).backward()
    assert {n: g.tolist() for n, g in gradient.items()} == {n: p.grad.tolist() for n, p in parameters.items()}
    assert ag.testing.gradgradcheck(lambda w: loss({"layers.0.weight": w}), NET.layers[0].weight)
    v = {name: ag.ones(p.shape) for name, p in parameters.items()}
    hessian = ag.hessian(loss)(parameters)
    total = sum(ag.sum(block) for row in hessian.values() for block in row.values()).item()
    (product,) = ag.hvp(loss, (parameters,), (v,))
    assert sum(ag.sum(part).item() for part in product.values()) == pytest.approx(total)


def test_compiled_it_computes_the_same():
    compiled = ag.compile(loss)
    parameters = {name: ag.Tensor(p.data * 2) for name, p in NET.named_parameters()}
    assert compiled(parameters).item() == pytest.approx(loss(parameters).item(), rel=1e-12)
    assert len(compiled.programs) == 1


def test_a_shared_parameter_is_replaced_wherever_it_is():
    first = nn.Linear(2, 2, seed=0, dtype="float64")
    second = nn.Linear(2, 2, seed=1, dtype="float64")
    second.weight = first.weight
    net = nn.Sequential(first, second)
    out = nn.functional_call(net, {"0.weight": ag.zeros((2, 2)), "0.bias": [0.0, 0.0], "1.bias": [1.0, 2.0]}, X)
    assert out.tolist() == [[1.0, 2.0]] * 6
    assert second.weight is first.weight


def test_an_unknown_path_is_refused():
    for unknown in ("1.weight", "0.weights", "0.weight.x", "0", ""):
        with pytest.raises(StateError, match="unexpected"):
            nn.functional_call(nn.Sequential(nn.Linear(2, 2)), {unknown: ag.zeros((2, 2))}, X)


def test_a_dict_after_the_inputs_has_keyword_arguments_as_in_pytorch():
    class Optional(nn.Module):
        def forward(self, x, scale=None):
            return x if scale is None else x * scale

    call = functools.partial(nn.functional_call, Optional(), {})
    x = ag.ones(2)
    for inputs in (x, (x,)):
        assert call(inputs, {}).tolist() == call(inputs).tolist() == [1.0, 1.0]
        assert call(inputs, {"scale": 3}).tolist() == call(inputs, scale=3).tolist() == [3.0, 3.0]
    assert call((x, 2)).tolist() == [2.0, 2.0]
