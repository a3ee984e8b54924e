"""Places, counts and what is unique: beside NumPy's, and the gradient of the values."""

from __future__ import annotations

import numpy as np

from glassgrad import autograd as ag

X = np.array([[3.0, 0.0, 1.0], [0.0, 3.0, 1.0]])


def test_unique_agrees_with_numpy() -> None:
    for name in ("unique_all", "unique_counts", "unique_inverse"):
        ours, theirs = getattr(ag, name)(X), getattr(np, name)(X)
        assert ours._fields == theirs._fields
        for one, other in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(one.data, other)
    np.testing.assert_array_equal(ag.unique_values(X).data, np.unique_values(X))
    assert ag.unique_values(np.array([np.nan, np.nan])).shape == (2,)


def test_values_that_are_unique_keep_their_gradient() -> None:
    x = ag.Tensor(X, requires_grad=True)
    ag.sum(ag.unique_values(x) * np.array([1.0, 10.0, 100.0])).backward()
    assert x.grad.tolist() == [[100.0, 1.0, 10.0], [0.0, 0.0, 0.0]]


def test_diff_with_prepend_and_append() -> None:
    x = ag.Tensor([1.0, 4.0], requires_grad=True)
    assert ag.diff(x, prepend=ag.zeros(1), append=[9.0]).tolist() == [1.0, 3.0, 5.0]
    np.testing.assert_array_equal(ag.diff(X, n=2).data, np.diff(X, n=2))
    np.testing.assert_array_equal(ag.diff(X, n=0).data, X)
