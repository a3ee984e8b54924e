"""`Dataset`, labelled images in two parts, and minibatches of arrays."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from glassgrad.autograd.backends import check_mask
from glassgrad.autograd.common.validation import pair, whole
from glassgrad.autograd.errors import DomainError, ShapeError
from glassgrad.nn.init import generator

Images = NDArray[Any]  # (n, d), a float dtype
Labels = NDArray[np.int64]  # (n,)


@dataclass(frozen=True, eq=False)
class Dataset:
    """Labelled images, one row each, in a training and a test part.

    Attributes:
        name: as for ``--data``.
        x_train, x_test: images (n, d), floats, 0 = paper, 1 = full ink; row-major pixels.
        y_train, y_test: labels (n,), integers from 0 to ``len(classes) - 1``.
        image_shape: (height, width) with height · width = d.
        classes: the name of each label.
        source: origin of the images.
        licence: their licence.

    Raises:
        ShapeError: images and labels that do not fit each other, ``image_shape`` or ``classes``.

    >>> import numpy as np
    >>> pixels = Dataset("pixels", np.eye(4), np.arange(4), np.eye(4)[:1], np.arange(1), (2, 2), ("a", "b", "c", "d"))
    >>> pixels
    Dataset('pixels': 4 to train, 1 to test, 2×2 pixels, 4 classes)
    """

    name: str
    x_train: Images = field(repr=False)
    y_train: Labels = field(repr=False)
    x_test: Images = field(repr=False)
    y_test: Labels = field(repr=False)
    image_shape: tuple[int, int]
    classes: tuple[str, ...]
    source: str = ""
    licence: str = ""

    def __post_init__(self) -> None:
        height, width = pair(self.image_shape, f"image_shape of {self.name!r}")
        for part, x, y in (("train", self.x_train, self.y_train), ("test", self.x_test, self.y_test)):
            fits = x.ndim == 2 and x.shape[1] == height * width and y.shape == x.shape[:1]
            if not fits or (y.size and not 0 <= y.min() <= y.max() < len(self.classes)):
                raise ShapeError(
                    f"x_{part} of {self.name!r} has shape {x.shape} and y_{part} has {y.shape}: give a row of "
                    f"{height * width} pixels, {height}×{width}, and a label from 0 to {len(self.classes) - 1} for "
                    "each of n images."
                )

    def __repr__(self) -> str:
        height, width = self.image_shape
        counts = f"{len(self.x_train)} to train, {len(self.x_test)} to test"
        return f"Dataset({self.name!r}: {counts}, {height}×{width} pixels, {len(self.classes)} classes)"


def minibatches(
    x: ArrayLike, y: ArrayLike, batch_size: int, seed: int | np.random.Generator | None
) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
    """Iterate once over the rows of ``x`` and ``y``, ``batch_size`` at a time.

    An integer seed gives the same order at every call. A Generator gives a new order at every call; its own seed
    reproduces the whole training.

    Args:
        x: (n, ...), any dtype.
        y: (n, ...), any dtype: labels or targets.
        batch_size: rows per batch, at least 1; the last batch may be smaller.
        seed: an int or a `numpy.random.Generator` that draws the order of the rows; None keeps it, as in `nn.fit`.

    Returns:
        An iterator over (rows of x, the same rows of y): copies, or views without a seed.

    Raises:
        ShapeError: different lengths, or no rows.
        DomainError: a batch size below 1.
        DTypeError: a batch size that is not an integer.

    >>> import numpy as np
    >>> generator = np.random.default_rng(0)
    >>> for epoch in range(2):
    ...     print([y.tolist() for x, y in minibatches(np.eye(5), np.arange(5), 2, generator)])
    [[2, 4], [3, 0], [1]]
    [[4, 1], [2, 0], [3]]
    """
    x, y = _same_length(x, y)
    batch_size = whole(batch_size, "batch_size")
    if len(x) == 0:
        raise ShapeError(f"x has shape {x.shape}, which has no rows: give at least one.")
    return in_batches((x, y), None if seed is None else generator(seed).permutation(len(x)), batch_size)


def in_batches(pair: tuple[Any, Any], order: Any, size: int) -> Iterator[tuple[Any, Any]]:
    """Iterate over the rows of a pair of arrays in an ``order``, ``None`` for theirs, so many at a time."""
    x, y = pair
    for start in range(0, len(x), size):
        if order is None:
            yield x[start : start + size], y[start : start + size]
        else:
            rows = order[start : start + size]
            yield x.take(rows, axis=0), y.take(rows, axis=0)


def hold_out(
    x: ArrayLike, y: ArrayLike, count: int, seed: int | np.random.Generator
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Split off ``count`` random rows for validation or a test.

    Args:
        x: (n, ...), any dtype.
        y: (n, ...), any dtype.
        count: number of rows to hold out, from 1 to n − 1.
        seed: an int or a `numpy.random.Generator`.

    Returns:
        x and y of the n − count remaining rows, then x and y of the held-out rows; all in their original order.

    Raises:
        ShapeError: different lengths.
        DomainError: a count outside 1 … n − 1.
        DTypeError: a count that is not an integer.

    >>> import numpy as np
    >>> [part.tolist() for part in hold_out(np.arange(6) * 10, np.arange(6), 2, seed=0)]
    [[0, 10, 40, 50], [0, 1, 4, 5], [20, 30], [2, 3]]
    """
    x, y = _same_length(x, y)
    if whole(count, "count") >= len(x):
        raise DomainError(f"count = {count} of {len(x)} rows leaves none: give a count below {len(x)}.")
    held = np.zeros(len(x), dtype=bool)
    held[generator(seed).permutation(len(x))[:count]] = True
    return x[~held], y[~held], x[held], y[held]


def _same_length(x: ArrayLike, y: ArrayLike) -> tuple[NDArray[Any], NDArray[Any]]:
    for given in (x, y):
        check_mask(given)
    x, y = np.asarray(x), np.asarray(y)
    if x.ndim == 0 or y.ndim == 0 or len(x) != len(y):
        raise ShapeError(f"x has shape {x.shape} and y has shape {y.shape}: give both the same number of rows.")
    return x, y
