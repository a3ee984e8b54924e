"""Creation: NumPy's values, in the dtype and place asked for."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad.autograd.testing import gradcheck, gradgradcheck


@pytest.mark.parametrize(
    ("ours", "expected"),
    [
        (lambda: ag.zeros(()), np.zeros(())),
        (lambda: ag.arange(1.0, 0.0, -0.25), np.arange(1.0, 0.0, -0.25)),
        (lambda: ag.ones_like([1, 2], dtype=ag.float64), np.ones(2)),
        (lambda: ag.zeros_like(2.0), np.zeros(())),
        (lambda: ag.linspace(ag.Tensor(0.0), ag.Tensor([1.0]), 3), np.linspace(0, 1, 3)),
        (lambda: ag.full(2, ag.Tensor(3.0)), np.full(2, 3.0)),
        (lambda: ag.full_like(ag.Tensor([1.0]), ag.Tensor(3.0)), np.full(1, 3.0)),
    ],
)
def test_values_as_numpy_makes_them(ours: Callable[[], Any], expected: Any) -> None:
    made = ours()
    np.testing.assert_array_equal(made.data, expected)
    assert (made.dtype, made.shape, made.device) == (expected.dtype, expected.shape, "cpu")
    assert not made.requires_grad


@pytest.mark.parametrize("make", [ag.empty, ag.zeros, ag.ones])
def test_leaves_to_differentiate_by(make: Any) -> None:
    x = make((2, 3), requires_grad=True)
    assert x.requires_grad
    assert x.is_leaf
    assert x.shape == (2, 3)
    x.backward(np.ones((2, 3)))  # no sum: what empty finds in memory may overflow
    assert (x.grad.data == 1).all()


def test_like_takes_over_shape_and_dtype() -> None:
    x = ag.Tensor(np.ones((2, 3)), dtype="float32", requires_grad=True)
    made = ag.empty_like(x)
    assert (made.shape, made.dtype, made.requires_grad) == ((2, 3), ag.float32, False)
    assert ag.zeros_like(x, requires_grad=True).requires_grad


@pytest.mark.parametrize("indexing", ["xy", "ij"])
@pytest.mark.parametrize("lengths", [(2,), (2, 3), (2, 3, 4)])
def test_meshgrid_as_in_numpy(indexing: Any, lengths: tuple[int, ...]) -> None:
    axes = [np.linspace(0.0, 1.0, n) for n in lengths]
    for ours, theirs in zip(ag.meshgrid(*axes, indexing=indexing), np.meshgrid(*axes, indexing=indexing), strict=True):
        np.testing.assert_array_equal(ours.data, theirs)
    assert gradcheck(lambda *xs: ag.meshgrid(*xs, indexing=indexing), *axes)


@pytest.mark.parametrize(
    "make",
    [
        lambda xp, a, b: xp.full((2, 3), a),
        lambda xp, a, b: xp.full(3, a, dtype="float32"),
        lambda xp, a, b: xp.full_like(np.ones(3, dtype="float32"), b),
        *(
            lambda xp, a, b, num=num, endpoint=endpoint: xp.linspace(a, b, num, endpoint=endpoint)
            for num in (0, 1, 2, 5)
            for endpoint in (True, False)
        ),
        lambda xp, a, b: xp.linspace(a, 7.0, 4, dtype="float32"),
        lambda xp, a, b: xp.linspace(-1, b, 4),
    ],
)
def test_a_value_that_requires_grad_gets_its_gradient_and_gives_numpys_values(make: Callable[..., Any]) -> None:
    a, b = (ag.Tensor(value, requires_grad=True) for value in (0.3, 2.1))
    made, expected = make(ag, a, b), make(np, 0.3, 2.1)
    assert made.requires_grad
    assert made.dtype == expected.dtype
    np.testing.assert_allclose(made.data, expected, rtol=1e-14)
    if made.dtype == "float64" and made.size:
        gradcheck(lambda a, b: make(ag, a, b) + 0 * a * b, a, b)
        gradgradcheck(lambda a, b: make(ag, a, b) ** 2 + a * b, a, b)
    with ag.no_grad():
        np.testing.assert_array_equal(make(ag, a, b).data, expected)


def test_numpys_functions_record_a_value_that_requires_grad() -> None:
    like = ag.zeros(3)
    np.testing.assert_allclose(ag.grad(lambda a: np.full_like(like, a).sum())(2.0).data, 3)
    np.testing.assert_allclose(ag.grad(lambda a: np.linspace(0.0, a, 5).sum())(2.0).data, 2.5)


def test_a_filled_tensor_can_be_written_to() -> None:
    a = ag.Tensor(2.0, requires_grad=True)
    filled = ag.full(3, a)
    filled[1] = a * a
    filled.sum().backward()
    assert a.grad is not None
    assert a.grad.item() == 2 + 2 * 2.0
