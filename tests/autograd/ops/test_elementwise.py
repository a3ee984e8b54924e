"""What the table of operations can't draw: single points at which a derivative is a convention."""

import numpy as np
import pytest

import autograd as ag
from autograd import OPS, Tensor
from autograd.errors import DTypeError


@pytest.mark.parametrize("name", ["atan2", "hypot"])
def test_at_the_origin_all_derivatives_are_zero(name):
    x, y = (Tensor(0.0, requires_grad=True) for _ in range(2))
    slopes = ag.gradients(OPS[name](x, y), [x, y], create_graph=True)
    assert [s.item() for s in slopes] == [0.0, 0.0]
    assert [g.item() for s in slopes for g in ag.gradients(s, [x, y])] == [0.0] * 4


def test_a_tensor_as_a_parameter_is_refused():
    with pytest.raises(DTypeError, match="slope is a Tensor and must be a number, by which nothing is differentiated"):
        ag.leaky_relu(Tensor([1.0, -2.0], requires_grad=True), slope=Tensor(0.5, requires_grad=True))


def test_the_limits_of_clip_get_the_gradient_of_what_is_beyond():
    x, low, high = (Tensor(v, requires_grad=True) for v in ([-5.0, 0.0, 0.5, 1.0, 5.0], 0.0, 1.0))
    ag.sum(ag.clip(x, low, high)).backward()
    assert (x.grad.tolist(), low.grad.item(), high.grad.item()) == ([0.0, 1.0, 1.0, 1.0, 0.0], 1.0, 1.0)


INF = float("inf")
GUARDED = {
    "log": (lambda x: ag.where(x > 0, ag.log(x), 0.0), [0.0, 2.0], [0.0, 0.5], [0.0, -0.25], [0.0, 0.25]),
    "sqrt": (lambda x: ag.where(x > 0, ag.sqrt(x), 0.0), [-1.0, 4.0], [0.0, 0.25], [0.0, -1 / 32], [0.0, 3 / 256]),
    "divide": (lambda x: ag.where(x != 0, 2 / x, 0.0), [0.0, 2.0], [0.0, -0.5], [0.0, 0.5], [0.0, -0.75]),
    "reciprocal": (
        lambda x: ag.where(x != 0, ag.reciprocal(x), 0.0),
        [0.0, 2.0],
        [0.0, -0.25],
        [0.0, 0.25],
        [0.0, -0.375],
    ),
    "power": (lambda x: ag.where(x > 0, x**0.5, 0.0), [-1.0, 4.0], [0.0, 0.25], [0.0, -1 / 32], [0.0, 3 / 256]),
    "exp": (lambda x: ag.where(x < 9, ag.exp(x), 0.0), [1000.0, 0.0], [0.0, 1.0], [0.0, 1.0], [0.0, 1.0]),
    "asin": (lambda x: ag.where(abs(x) < 1, ag.asin(x), 0.0), [1.0, 0.0], [0.0, 1.0], [0.0, 0.0], [0.0, 1.0]),
}


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", GUARDED)
def test_where_guards_to_any_order(name, dtype):
    f, at, *derivatives = GUARDED[name]
    x = Tensor(at, requires_grad=True, dtype=dtype)
    y = f(x)
    for expected in derivatives:
        y = ag.gradients(y.sum(), x, create_graph=True)
        assert y.dtype == x.dtype
        assert y.tolist() == pytest.approx(expected, rel=1e-6)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", GUARDED)
def test_forward_mode_sees_the_slopes_though_0_arrives_on_its_way(name):
    # J v is the derivative of vᵀJ by v at v = 0: a rule that were cut off there would lose it.
    f, at, slopes, *_ = GUARDED[name]
    assert ag.jvp(f, (at,), ([1.0, 1.0],))[1].tolist() == pytest.approx(slopes)


@pytest.mark.parametrize("name", ["through", "over"])
def test_zero_wins_on_the_left_alone(name):
    op, other = ag.OPS[name], {"through": INF, "over": 0.0}[name]
    assert op(Tensor([0.0, 0.0]), Tensor([other, float("nan")])).tolist() == [0.0, 0.0]
    with np.errstate(all="ignore"):
        assert op(Tensor([2.0, -2.0]), Tensor([other, other])).tolist() == [INF, -INF]
        assert np.isnan(op(Tensor([float("nan")]), Tensor([other])).data)
    assert op(Tensor([3.0], dtype="float32"), 2).dtype == ag.float32


def test_logaddexp_of_nothing_sends_nothing():
    x, y = Tensor([-INF, -INF, 0.0], requires_grad=True), Tensor([-INF, 0.0, -INF], requires_grad=True)
    ag.logaddexp(x, y).sum().backward()
    assert (x.grad.tolist(), y.grad.tolist()) == ([0.0, 0.0, 1.0], [0.0, 1.0, 0.0])
