"""What the table of operations can't draw: single points at which a derivative is a convention."""

import pytest

import autograd as ag
from autograd import OPS, Tensor


@pytest.mark.parametrize("name", ["atan2", "hypot"])
def test_at_the_origin_the_gradient_is_zero_and_finite_is_the_next(name):
    x, y = (Tensor(0.0, requires_grad=True) for _ in range(2))
    slopes = ag.gradients(OPS[name](x, y), [x, y], create_graph=True)
    assert [s.item() for s in slopes] == [0.0, 0.0]
    assert all(abs(g.item()) <= 1.0 for s in slopes for g in ag.gradients(s, [x, y]))
