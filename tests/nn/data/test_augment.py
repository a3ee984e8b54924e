"""Batches of images that are changed at random."""

import numpy as np
import pytest

from glassgrad.nn.data import Batches, crop, flip, shift

X = np.random.default_rng(0).random((10, 1, 6, 5)).astype("float32")
Y = np.arange(10)


def epochs(seed, count=2, **options):
    batches = Batches(X, Y, 4, seed, **options)
    return [[(x.copy(), y.copy()) for x, y in batches] for _ in range(count)]


def test_the_same_seed_gives_the_same_epochs_and_each_epoch_other_images():
    options = {"augment": [shift(1), flip()]}
    first, again, other = epochs(3, **options), epochs(3, **options), epochs(4, **options)
    for one, two in zip(first, again, strict=True):
        for (x, y), (v, w) in zip(one, two, strict=True):
            np.testing.assert_array_equal(x, v)
            np.testing.assert_array_equal(y, w)
            assert x.dtype == np.float32
    assert sorted(np.concatenate([y for _, y in first[0]])) == list(range(10))
    assert any((x != v).any() for (x, _), (v, _) in zip(first[0], first[1], strict=False) if x.shape == v.shape)
    assert any((x != v).any() for (x, _), (v, _) in zip(first[0], other[0], strict=False) if x.shape == v.shape)


def test_nothing_is_changed_without_augment():
    (batches,) = epochs(0, 1)
    assert len(batches) == len(Batches(X, Y, 4)) == 3
    np.testing.assert_array_equal(np.concatenate([x for x, _ in batches]), X[np.concatenate([y for _, y in batches])])


@pytest.mark.parametrize("flat", [False, True])
def test_a_shift_moves_each_image_by_itself_and_lets_zeros_in(flat):
    x = np.repeat(X[:1], 300, axis=0)
    given = (x.reshape(300, 30), shift(1, (6, 5))) if flat else (x, shift(1))
    moved = given[1](given[0], np.random.default_rng(0)).reshape(300, 6, 5)
    padded = np.pad(X[0, 0], 1)
    possible = [padded[i : i + 6, j : j + 5] for i in range(3) for j in range(3)]
    kinds = [next(k for k, p in enumerate(possible) if (p == m).all()) for m in moved]
    assert set(kinds) == set(range(9))


def test_crop_takes_windows_and_flip_mirrors():
    cut = crop((4, 3))(X, np.random.default_rng(0))
    assert cut.shape == (10, 1, 4, 3)
    assert all(
        any((X[n, 0, i : i + 4, j : j + 3] == cut[n, 0]).all() for i in range(3) for j in range(3)) for n in range(10)
    )
    np.testing.assert_array_equal(flip(1.0)(X, np.random.default_rng(0)), X[..., ::-1])
    some = flip(0.5)(X, np.random.default_rng(0))
    assert 0 < sum((a != b).any() for a, b in zip(some, X, strict=True)) < 10
