"""Softmax and the losses: beside PyTorch, at the edge of the numbers, and what they refuse, in words."""

from typing import Any

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad.autograd.testing import gradcheck

RNG = np.random.default_rng(0)
REDUCTIONS = ["mean", "sum", "none"]


@pytest.mark.parametrize("scale", [1e4, -1e4])
def test_cross_entropy_of_extreme_logits(scale: float) -> None:
    x = ag.Tensor([[scale, 0.0, -scale]], requires_grad=True)
    loss = ag.cross_entropy(x, [0])
    loss.backward()
    assert loss.item() == (0.0 if scale > 0 else 2e4)
    assert np.isfinite(x.grad.data).all()


@pytest.mark.parametrize("target", [[1, 0], [[0, 1], [1, 0]], [[0.25, 0.75], [0.5, 0.5]]])
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_cross_entropy_keeps_float32(target: Any, reduction: str) -> None:
    x = ag.Tensor(np.ones((2, 2)), dtype="float32", requires_grad=True)
    loss = ag.cross_entropy(x, np.array(target), reduction=reduction)
    loss.sum().backward()
    assert loss.dtype == x.grad.dtype == ag.float32


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int32, np.uint64])
def test_labels_of_any_integer_dtype(dtype: Any) -> None:
    labels = np.array([0, 2], dtype=dtype)
    assert ag.cross_entropy(np.zeros((2, 3)), labels).item() == pytest.approx(np.log(3))


def test_binary_cross_entropy_never_overflows() -> None:
    x = ag.Tensor([1e4, -1e4, 1e4, -1e4], requires_grad=True)
    loss = ag.binary_cross_entropy_with_logits(x, [1.0, 0.0, 0.0, 1.0], reduction="none")
    np.testing.assert_array_equal(loss.data, [0.0, 0.0, 1e4, 1e4])
    loss.sum().backward()
    np.testing.assert_array_equal(x.grad.data, [0.0, 0.0, 1.0, -1.0])


def test_a_squared_error_against_a_number_keeps_float32() -> None:
    x = ag.Tensor([1.0, 3.0], dtype="float32", requires_grad=True)
    loss = ag.squared_error(x, 1.0)
    loss.backward()
    assert (loss.item(), loss.dtype, x.grad.dtype) == (2.0, ag.float32, ag.float32)
    np.testing.assert_array_equal(x.grad.data, [0.0, 2.0])


@pytest.mark.parametrize("function", [ag.softmax, ag.log_softmax, lambda x: ag.cross_entropy(x, [2, 0])])
def test_differences_of_unsigned_integers_do_not_wrap_around(function) -> None:
    x = np.array([[1, 2, 250], [0, 0, 3]], "uint8")
    np.testing.assert_array_equal(function(x).data, function(x.astype("float64")).data)


@pytest.mark.parametrize("function", [ag.softmax, ag.log_softmax], ids=lambda op: op.name)
def test_softmax_of_extreme_numbers(function: ag.Op) -> None:
    x = ag.Tensor([[1e4, 1e4, -1e4], [-np.inf, 0.0, 0.0]], requires_grad=True)
    y = function(x)
    rows = y.data if function is ag.softmax else np.exp(y.data)
    np.testing.assert_allclose(rows, [[0.5, 0.5, 0.0], [0.0, 0.5, 0.5]])
    y[:, 1].sum().backward()
    assert np.isfinite(x.grad.data).all()


def test_binary_cross_entropy_of_one_number_and_many_targets():
    t = np.array([[0.0, 1.0, 1.0], [0.0, 0.0, 1.0]])
    for reduction in ("mean", "sum"):
        gradcheck(lambda z, y, how=reduction: ag.binary_cross_entropy_with_logits(z, y, reduction=how), 0.3, t)
    gradcheck(lambda z, y: ag.sum(ag.binary_cross_entropy_with_logits(z, y, reduction="none") ** 2), 0.3, t)
    gradcheck(ag.binary_cross_entropy_with_logits, t, 0.3)
