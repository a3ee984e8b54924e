"""What the table of operations can't draw: single points at which a derivative is a convention."""

import math

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad.autograd import Tensor
from glassgrad.autograd.testing import gradgradcheck


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_relu_of_many_numbers_has_the_bits_of_few(dtype):
    numbers = [0.0, -0.0, INF, -INF, math.nan, -math.nan, 1.5, -1.5, 1e-40, -1e-40]
    x = np.tile(np.asarray(numbers, dtype), (200, 20))
    expected = np.asarray([ag.relu(Tensor(row, dtype=dtype)).numpy() for row in x])
    for relu in (ag.relu, ag.compile(ag.relu)):
        assert relu(Tensor(x)).numpy().tobytes() == expected.tobytes()
        assert relu(Tensor(x).T).numpy().tobytes() == expected.T.tobytes()


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
def test_forward_mode_is_right_where_an_upstream_gradient_is_zero(name):
    # J v is the derivative of vᵀJ by v at v = 0: a rule that were cut off there would lose it.
    f, at, slopes, *_ = GUARDED[name]
    assert ag.jvp(f, (at,), ([1.0, 1.0],))[1].tolist() == pytest.approx(slopes)


@pytest.mark.parametrize(("name", "other"), [("multiply_no_nan", INF), ("xdivy", 0.0)])
def test_a_zero_of_the_gradient_wins(name, other):
    def op(g, slope):
        return ag.OPS[name](slope, g) if name == "multiply_no_nan" else ag.OPS[name](g, slope)

    assert op(Tensor([0.0, 0.0]), Tensor([other, float("nan")])).tolist() == [0.0, 0.0]
    with np.errstate(all="ignore"):
        assert op(Tensor([2.0, -2.0]), Tensor([other, other])).tolist() == [INF, -INF]
        assert np.isnan(op(Tensor([float("nan")]), Tensor([other])).data)
    assert op(Tensor([3.0], dtype="float32"), 2).dtype == ag.float32


def test_the_mixed_derivative_of_a_power_at_exponent_zero():
    """x^(y-1) (1 + y log x)"""
    hessian = ag.hessian(lambda p: p[0] ** p[1])([2.0, 0.0])
    np.testing.assert_allclose(hessian.data, [[0.0, 0.5], [0.5, np.log(2) ** 2]])
    third = ag.jacobian(ag.hessian(lambda p: p[0] ** p[1]))([2.0, 1.0])
    np.testing.assert_allclose(third.data[0, 0], [0.0, 0.5])


def test_the_derivatives_of_softplus_are_exact_where_they_are_close_to_zero():
    assert ag.grad(ag.softplus)(-40.0).item() == pytest.approx(np.exp(-40), rel=1e-12)
    assert ag.grad(lambda x: ag.logaddexp(x, 0.0))(-36.5).item() == pytest.approx(np.exp(-36.5), rel=1e-12)
    assert ag.grad(ag.softplus)(np.float32(-18)).item() == pytest.approx(np.exp(-18), rel=1e-6)
    assert ag.grad(lambda x: ag.log(ag.softplus(x)))(-40.0).item() == pytest.approx(1.0)
    assert ag.grad(ag.grad(lambda x: ag.log(ag.softplus(x))))(-30.0).item() == pytest.approx(-np.exp(-30) / 2, rel=0.03)
    assert [ag.grad(ag.softplus)(x).item() for x in (-np.inf, -1000.0, 1000.0, np.inf)] == [0, 0, 1, 1]


@np.errstate(all="ignore")
def test_remainder_gradient_uses_the_floored_quotient():
    """1 / 0.1 is rounded up to 10, and the remainder is that of 9."""
    assert ag.remainder(1.0, 0.1).item() == pytest.approx(0.1)
    assert ag.grad(lambda y: ag.remainder(1.0, y))(0.1).item() == -9
    assert ag.grad(lambda y: ag.where(y != 0, ag.remainder(1.0, y), 0.0).sum())([0.0, 0.3]).tolist() == [0, -3]


@pytest.mark.parametrize("size", [1e-170, 1.0, 1e170])
def test_an_angle_has_derivatives_at_any_distance(size):
    slopes = ag.grad(lambda p: ag.atan2(p[0], p[1]))([3 * size, 4 * size])
    np.testing.assert_allclose(slopes.data, [4 / 25 / size, -3 / 25 / size])
    if size == 1:
        assert gradgradcheck(ag.atan2, ag.Tensor(3.0, requires_grad=True), ag.Tensor(4.0, requires_grad=True))


@pytest.mark.parametrize(("condition", "x", "y"), [(True, 2.0, [1.0, 2.0]), (False, 2, [1.0, 2.0]), (True, 1.0, 2.0)])
def test_numbers_of_where_are_weak(condition, x, y):
    y = np.float32(y) if isinstance(y, list) else y
    got, wanted = ag.where(condition, x, y), np.where(condition, x, y)
    assert (got.tolist(), got.dtype) == (wanted.tolist(), wanted.dtype)


@pytest.mark.parametrize("f", [ag.add, ag.subtract, ag.multiply, ag.divide, ag.power, ag.equal, ag.less], ids=str)
def test_numbers_alone_are_arrays(f):
    for x in (1j, 1.5, 2, True):
        for y in (2j, 0.5, 3, True):
            if f.name == "subtract" and x is True is y:
                continue  # which NumPy refuses
            got, wanted = f(x, y), getattr(np, f.name)(np.asarray(x)[()], np.asarray(y)[()])
            assert (got.shape, got.tolist()) == ((), wanted.tolist())


def test_slopes_far_out_keep_their_digits():
    assert ag.grad(ag.expm1)(-40.0).item() == pytest.approx(math.exp(-40.0), rel=1e-14)
    assert ag.grad(ag.asinh)(ag.Tensor(1e30, dtype="float32")).item() == pytest.approx(1e-30, rel=1e-6)
