"""The numbers of pictures are the engine's own."""

from __future__ import annotations

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad.viz.recorded.evaluate import evaluate


def test_values_and_gradients_are_the_engines():
    rng = np.random.default_rng(0)
    w = ag.Tensor(rng.normal(size=(3, 2)), requires_grad=True)
    h = ag.tanh(ag.Tensor(rng.normal(size=(5, 3))) @ w)
    y = ag.sum(h * h)
    seen = evaluate(y)
    assert seen.value(h.node) == pytest.approx(h.numpy() if not h.requires_grad else h.detach().numpy())
    assert seen.gradient(h.node) == pytest.approx(ag.gradients(y, h).numpy())
    y.backward()
    assert seen.gradient(w) == pytest.approx(w.grad.numpy())


@pytest.mark.parametrize(
    ("name", "compute"),
    [
        ("jvp", lambda x: ag.jvp(lambda x: ag.sum(x * x), (x,), (x,))[1]),
        ("vmap", lambda x: ag.sum(ag.vmap(lambda x: x * x)(x))),
    ],
)
def test_a_graph_through_a_transform_is_refused_with_what_to_draw(name, compute):
    x = ag.Tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(ag.errors.DTypeError, match=rf"the function of {name}, .* viz.draw_graph\(autograd.trace"):
        evaluate(compute(x))
    assert ag.trace(compute, x)


def test_no_grad_attribute_is_touched_and_no_graph_is_released():
    x = ag.Tensor(3.0, requires_grad=True)
    y = x * x
    evaluate(y)
    assert x.grad is None
    y.backward()
    assert float(x.grad) == 6.0


def test_contributions_have_the_shape_of_their_input():
    b = ag.Tensor(np.zeros(3), requires_grad=True)
    z = np.ones((4, 3)) + b
    (part,) = [p for p in evaluate(ag.sum(z)).contributions[z.node] if p is not None]
    assert part.shape == (3,)
    assert part.tolist() == [4.0, 4.0, 4.0]


def test_no_gradients_of_several_numbers_unless_seeded():
    x = ag.Tensor([1.0, 2.0], requires_grad=True)
    y = x * 3.0
    assert evaluate(y).gradients == {}
    assert evaluate(y, seeds=[np.array([1.0, 10.0])]).gradient(x).tolist() == [3.0, 30.0]


def test_constants_have_values_and_no_gradient():
    x = ag.Tensor([1.0, 2.0], requires_grad=True)
    constant = np.array([2.0, 3.0])
    seen = evaluate(ag.sum(x * constant))
    assert seen.value(constant) is constant
    assert seen.gradient(constant) is None
