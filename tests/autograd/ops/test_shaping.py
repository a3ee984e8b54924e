"""Shapes: what is made of several operations, and what does not fit, in words."""

from typing import Any

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad.autograd.testing import gradcheck

X = np.random.default_rng(0).normal(size=(2, 6, 3))


@pytest.mark.parametrize(("where", "axis"), [(2, 0), (3, 1), (3, -1), ([1, 4], 1), ([0, 2, 2], -1), ([], 0)])
def test_split_as_in_numpy(where: Any, axis: int) -> None:
    parts, expected = ag.split(X, where, axis=axis), np.split(X, where, axis=axis)
    assert len(parts) == len(expected)
    for part, array in zip(parts, expected, strict=True):
        np.testing.assert_array_equal(part.data, array)
    assert gradcheck(lambda x: ag.split(x, where, axis=axis), X)


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_unstack_undoes_stack(axis: int) -> None:
    parts = ag.unstack(X, axis=axis)
    assert len(parts) == X.shape[axis]
    np.testing.assert_array_equal(ag.stack(parts, axis=axis).data, X)
    assert gradcheck(lambda x: ag.unstack(x, axis=axis), X)


@pytest.mark.parametrize(
    ("ours", "expected"),
    [
        (lambda x: ag.repeat(x, repeats=np.int64(2), axis=np.int64(1)), np.repeat(X, 2, axis=1)),
        (lambda x: ag.repeat(x, repeats=np.array(2)), np.repeat(X, 2)),
        (lambda x: ag.repeat(x, repeats=ag.Tensor([0, 2, 1]), axis=2), np.repeat(X, [0, 2, 1], axis=2)),
        (lambda x: ag.tile(x, repetitions=np.array([2, 1])), np.tile(X, [2, 1])),
        (lambda x: ag.roll(x, shift=np.int64(1), axis=np.int64(0)), np.roll(X, 1, axis=0)),
        (lambda x: ag.pad(x, pad_width=np.int64(1)), np.pad(X, 1)),
        (lambda x: ag.pad(x, pad_width=np.array([[1, 0], [0, 1], [2, 2]])), np.pad(X, [[1, 0], [0, 1], [2, 2]])),
        (lambda x: ag.split(x, np.int64(2), axis=np.int64(1))[1], np.split(X, 2, axis=1)[1]),
        (lambda x: ag.split(x, np.array([1, 4]), axis=1)[1], np.split(X, [1, 4], axis=1)[1]),
        (lambda x: ag.expand_dims(x, axis=np.int64(0)), X[None]),
        (lambda x: ag.mean(x, axis=np.int64(1)), X.mean(axis=1)),
    ],
)
def test_parameters_may_be_numpys(ours: Any, expected: Any) -> None:
    np.testing.assert_allclose(ours(X).data, expected)
    assert gradcheck(ours, X)


def test_an_axis_may_be_a_numpy_integer_after_a_list() -> None:
    assert ag.stack([ag.ones(2), ag.zeros(2)], np.int64(1)).tolist() == [[1.0, 0.0], [1.0, 0.0]]


def test_results_that_the_array_api_defines_as_lists():
    assert type(ag.meshgrid([1.0], [2.0])) is type(ag.broadcast_arrays([1.0], 2.0)) is list


@pytest.mark.parametrize("join", [ag.concat, ag.stack])
def test_fifteen_thousand_inputs_get_their_gradients(join: ag.Op) -> None:
    inputs = [ag.Tensor([float(i)], requires_grad=i % 3 != 1) for i in range(15_000)]
    (join(inputs, axis=0) ** 2).sum().backward()
    assert all((x.grad is None) == (i % 3 == 1) for i, x in enumerate(inputs))
    assert [x.grad.item() for x in inputs[::3] if x.grad is not None] == [2.0 * i for i in range(0, 15_000, 3)]
