"""What the table of operations can't draw: single points at which a derivative is a convention."""

import pytest

import autograd as ag
from autograd import OPS, Tensor
from autograd.errors import DTypeError


@pytest.mark.parametrize("name", ["atan2", "hypot"])
def test_at_the_origin_the_gradient_is_zero_and_finite_is_the_next(name):
    x, y = (Tensor(0.0, requires_grad=True) for _ in range(2))
    slopes = ag.gradients(OPS[name](x, y), [x, y], create_graph=True)
    assert [s.item() for s in slopes] == [0.0, 0.0]
    assert all(abs(g.item()) <= 1.0 for s in slopes for g in ag.gradients(s, [x, y]))


def test_a_tensor_as_a_parameter_is_refused():
    with pytest.raises(DTypeError, match="slope is a Tensor and must be a number, by which nothing is differentiated"):
        ag.leaky_relu(Tensor([1.0, -2.0], requires_grad=True), slope=Tensor(0.5, requires_grad=True))


def test_the_limits_of_clip_get_the_gradient_of_what_is_beyond():
    x, low, high = (Tensor(v, requires_grad=True) for v in ([-5.0, 0.0, 0.5, 1.0, 5.0], 0.0, 1.0))
    ag.sum(ag.clip(x, low, high)).backward()
    assert (x.grad.tolist(), low.grad.item(), high.grad.item()) == ([0.0, 1.0, 1.0, 1.0, 0.0], 1.0, 1.0)
