"""Indexing: everything that NumPy's takes, with duplicates, and ``x[i] = v``."""

from typing import Any

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad import nn
from glassgrad.autograd.errors import IndexingError, ShapeError
from glassgrad.autograd.testing import gradcheck, gradgradcheck

X = np.random.default_rng(0).normal(size=(3, 4, 2))
MASK = np.random.default_rng(1).random(size=(3, 4)) < 0.5

INDICES: list[Any] = [
    0,
    -1,
    np.int64(1),
    slice(None),
    slice(None, None, -2),
    slice(3, 0, -1),
    slice(0, 0),
    ...,
    None,
    (),
    (1, 2, 0),
    (..., 1),
    (None, 1, ..., None),
    (slice(1, None), None, slice(None, 2)),
    [0, 2, 0],
    np.array([[0, 1], [1, 1]]),
    np.array([], dtype=int),
    (slice(None), [1, 1, 3]),
    ([0, 1], [2, 3]),
    ([0, 1], slice(None), [1, 1]),
    (np.array([[0], [2]]), np.array([1, 1, 3])),
    (0, [1, 1]),
    (..., [0, 0, 1]),
    (None, [2, 2], ..., 0),
    MASK,
    (MASK, 1),
    X > 0,
    (MASK, [0]),
    (slice(None), MASK[0]),
    ([0, 0, 2], MASK[0][:4].nonzero()[0][:1]),
    [True, False, True],
    True,
    False,
    (True, 0),
    np.uint8(2),
    np.array(1),
]


@pytest.mark.parametrize("index", INDICES, ids=repr)
def test_getitem_as_in_numpy(index: Any) -> None:
    x = ag.Tensor(X)
    np.testing.assert_array_equal(x[index].data, X[index])
    assert x[index].shape == X[index].shape
    if X[index].size:
        assert gradcheck(lambda x: x[index], X)
        assert gradgradcheck(lambda x: x[index] ** 2, X)


@pytest.mark.parametrize("index", INDICES, ids=repr)
def test_setitem_as_in_numpy(index: Any) -> None:
    shape = X[index].shape
    value = np.random.default_rng(2).normal(size=shape)
    expected = X.copy()
    expected[index] = value
    np.testing.assert_array_equal(ag.setitem(X, value, index=index).data, expected)
    if value.size:
        assert gradcheck(lambda x, v: ag.setitem(x, v, index=index), X, value)
        assert gradgradcheck(lambda x, v: ag.setitem(x, v, index=index) ** 2, X, value)


@pytest.mark.parametrize("index", INDICES, ids=repr)
def test_scatter_add_is_add_at(index: Any) -> None:
    x = np.random.default_rng(3).normal(size=X[index].shape)
    expected = np.zeros(X.shape)
    np.add.at(expected, index, x)
    np.testing.assert_allclose(ag.scatter_add(x, index=index, shape=X.shape).data, expected, atol=1e-15)


def test_tensors_are_indices() -> None:
    x = ag.Tensor(X)
    rows, mask = ag.Tensor([0, 2, 0]), x > 0
    np.testing.assert_array_equal(x[rows].data, X[[0, 2, 0]])
    np.testing.assert_array_equal(x[:, ag.Tensor([1, 1])].data, X[:, [1, 1]])
    np.testing.assert_array_equal(x[mask].data, X[X > 0])
    np.testing.assert_array_equal(x[rows[1]].data, X[2])
    np.testing.assert_array_equal(ag.take(x, rows, axis=0).data, X[[0, 2, 0]])


@pytest.mark.parametrize(
    ("use", "array"),
    [
        (lambda x, i: ag.take(x, i, axis=0), [0, 1, 3]),
        (lambda x, i: x[i], [0, 1, 3]),
        (lambda x, i: x[i, 0], [0, 1, 3]),
        (lambda x, i: ag.take_along_axis(x, i, axis=0), [[0, 1, 2, 2], [1, 3, 0, 0]]),
        (lambda x, i: ag.repeat(x, i, axis=0), [1, 2, 0, 1]),
        (lambda x, i: ag.where(i, x, 2 * x), [[True, False, False, True]]),
        (lambda x, i: ag.cross_entropy(x, i, reduction="none"), [0, 1, 2, 3]),
        (lambda x, i: nn.functional.embedding(i, x), [0, 1, 3]),
        (lambda x, i: x * i, [[0], [1], [2], [3]]),
    ],
)
def test_an_array_of_integers_that_its_owner_changes_later(use, array) -> None:
    x, kept = ag.Tensor(np.arange(16.0).reshape(4, 4) ** 0.5, requires_grad=True), np.array(array)
    y = use(x, kept)
    (expected,) = ag.gradients([y], [x], [np.arange(1.0, y.size + 1).reshape(y.shape)])
    kept[...] = np.roll(kept, 1)
    (gradient,) = ag.gradients([y], [x], [np.arange(1.0, y.size + 1).reshape(y.shape)])
    np.testing.assert_array_equal(gradient.data, expected.data)


def test_the_last_of_two_values_for_one_element_gets_the_gradient() -> None:
    value = ag.Tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = ag.setitem(np.zeros(2), value, index=[0, 1, 0])
    np.testing.assert_array_equal(y.data, [3.0, 2.0])
    y.backward(np.array([10.0, 20.0]))
    np.testing.assert_array_equal(value.grad.data, [0.0, 20.0, 10.0])


@pytest.mark.parametrize("shape", [(1,), (1, 2), (2,), (1, 3, 1), (1, 1, 3, 2)])
def test_an_assigned_value_is_broadcast(shape: tuple[int, ...]) -> None:
    value = np.random.default_rng(4).normal(size=shape)
    assert gradcheck(lambda x, v: ag.setitem(x, v, index=(slice(None), 1)), X, value)


@pytest.mark.parametrize("index", [(), 0, (0, 1), ..., (0, ...), (0, 1, ...), (slice(1), 0), np.array([1, 0])])
@pytest.mark.parametrize("shape", [(), (1,), (3,), (1, 1), (1, 3), (2, 1), (1, 2, 3)])
def test_values_fit_in_compiled_functions_as_they_do_eagerly(index: Any, shape: tuple[int, ...]) -> None:
    def filled(x: Any, value: Any) -> Any:
        return ag.setitem(x, value, index=index)

    for x in (np.zeros((2, 3)), np.zeros((2, 3, 3)), np.zeros(())):
        given = ag.Tensor(x), ag.full(shape, 2.0, dtype="float64")
        try:
            expected = filled(*given)
        except (ShapeError, IndexingError) as error:
            with pytest.raises(type(error)):
                ag.compile(filled)(*given)
        else:
            np.testing.assert_array_equal(ag.compile(filled)(*given).data, expected.data)


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("descending", [False, True])
def test_sort(axis: int, descending: bool) -> None:
    expected = np.sort(X, axis=axis)
    expected = np.flip(expected, axis=axis) if descending else expected
    np.testing.assert_array_equal(ag.sort(X, axis=axis, descending=descending).data, expected)
    assert gradcheck(lambda x: ag.sort(x, axis=axis, descending=descending), X)
