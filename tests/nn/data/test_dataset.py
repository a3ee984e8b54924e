import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from glassgrad import nn
from glassgrad.nn.data import hold_out, minibatches


@given(n=st.integers(1, 50), size=st.integers(1, 60), seed=st.integers(0, 9))
def test_an_epoch_has_every_row_once_with_its_own_label(n, size, seed):
    x, y = np.arange(2 * n).reshape(n, 2), np.arange(n)
    batches = list(minibatches(x, y, size, seed))
    assert all((a == x[b]).all() for a, b in batches)
    assert all(len(b) == size for _, b in batches[:-1])
    assert sorted(np.concatenate([b for _, b in batches]).tolist()) == list(range(n))


def labels(*arguments, **options):
    return [y.tolist() for _, y in minibatches(np.eye(20), np.arange(20), 8, *arguments, **options)]


def test_a_seed_draws_the_same_order_again_and_another_seed_another():
    assert labels(3) == labels(3) == labels(np.random.default_rng(3)) != labels(4)


def test_the_names_of_the_package_are_the_public_ones():
    assert dir(nn.data) == sorted(nn.data.__all__)


def test_the_order_is_drawn_when_the_epoch_is_asked_for_not_at_its_first_batch():
    generator = np.random.default_rng(3)
    epochs = [minibatches(np.eye(20), np.arange(20), 20, generator) for _ in range(2)]
    second, first = [next(epoch)[1].tolist() for epoch in reversed(epochs)]
    assert [first] == [y.tolist() for _, y in minibatches(np.eye(20), np.arange(20), 20, 3)]
    assert first != second


def test_without_a_seed_rows_come_as_they_are_and_are_not_copied():
    x = np.eye(5)
    batches = list(minibatches(x, np.arange(5), 2, None))
    assert [y.tolist() for _, y in batches] == [[0, 1], [2, 3], [4]]
    assert np.shares_memory(batches[0][0], x)


@given(n=st.integers(2, 40), data=st.data())
def test_hold_out_parts_the_rows_and_keeps_their_order(n, data):
    count = data.draw(st.integers(1, n - 1))
    x, y = np.arange(n) * 3, np.arange(n)
    x_kept, y_kept, x_held, y_held = hold_out(x, y, count, seed=n)
    assert len(y_held) == count
    assert sorted([*y_kept.tolist(), *y_held.tolist()]) == list(range(n))
    assert (np.diff(y_kept) > 0).all()
    assert (np.diff(y_held) > 0).all()
    assert (x_kept == 3 * y_kept).all()
    assert (x_held == 3 * y_held).all()


def test_hold_out_draws_from_its_seed():
    first, again, other = (hold_out(range(50), range(50), 10, seed)[3].tolist() for seed in (0, 0, 1))
    assert first == again != other
