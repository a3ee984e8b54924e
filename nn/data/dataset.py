"""`Dataset`: labelled images in two parts, and the epochs that are drawn from them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from operator import index
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from autograd.backends import check_mask
from autograd.errors import DomainError, DTypeError, ShapeError
from autograd.validation import check_instance, refused
from nn.init import generator

Images = NDArray[Any]  # (n, d), a float dtype
Labels = NDArray[np.int64]  # (n,)


@dataclass(frozen=True, eq=False)
class Dataset:
    """Labelled images, one row each, with a part to train on and a part held out for the test.

    Attributes:
        name: the name that ``--data`` takes.
        x_train, x_test: images (n, d), a float dtype, 0 = paper, 1 = full ink; row-major pixels.
        y_train, y_test: labels (n,), int64, from 0 to ``len(classes) - 1``.
        image_shape: (height, width) with height · width = d.
        classes: what each label stands for.
        source: where the images come from.
        licence: the terms they are under.

    Raises:
        ShapeError: images and labels that do not fit each other or ``image_shape``.
        DTypeError: images that are not floats, or labels that are not int64.
        DomainError: a label outside of ``classes``.

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
        if not isinstance(self.image_shape, tuple | list) or len(self.image_shape) != 2:
            raise refused(self.image_shape, f"image_shape of {self.name!r}", "(height, width)")
        height, width = self.image_shape
        for part, x, y in (("train", self.x_train, self.y_train), ("test", self.x_test, self.y_test)):
            for name, values in (("x", x), ("y", y)):
                check_instance(values, np.ndarray, f"{name}_{part} of {self.name!r}", "a NumPy array")
            if x.ndim != 2 or x.shape[1] != height * width:
                raise ShapeError(
                    f"x_{part} of {self.name!r} has shape {x.shape}, but images of {height}×{width} pixels are rows of "
                    f"shape (n, {height * width}): reshape it."
                )
            if y.shape != x.shape[:1]:
                raise ShapeError(
                    f"y_{part} of {self.name!r} has shape {y.shape}, but x_{part} has {len(x)} images: give one label "
                    f"per image, shape ({len(x)},)."
                )
            if not np.issubdtype(x.dtype, np.floating):
                raise DTypeError(
                    f"x_{part} of {self.name!r} is {x.dtype}, but images are floats: use .astype('float32')."
                )
            if y.dtype != np.int64:
                raise DTypeError(f"y_{part} of {self.name!r} is {y.dtype}, but labels are int64: use .astype('int64').")
            if y.size and not 0 <= y.min() <= y.max() < len(self.classes):
                raise DomainError(
                    f"y_{part} of {self.name!r} has labels from {y.min()} to {y.max()}, but its {len(self.classes)} "
                    f"classes are 0 to {len(self.classes) - 1}."
                )

    def __repr__(self) -> str:
        height, width = self.image_shape
        counts = f"{len(self.x_train)} to train, {len(self.x_test)} to test"
        return f"Dataset({self.name!r}: {counts}, {height}×{width} pixels, {len(self.classes)} classes)"


def minibatches(
    x: ArrayLike,
    y: ArrayLike,
    batch_size: int,
    seed: int | np.random.Generator | None,
    *,
    shuffle: bool = True,
    drop_last: bool = False,
) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
    """One epoch: the rows of ``x`` and ``y``, each once, ``batch_size`` at a time.

    An int draws the same order at every call; a Generator that is used from epoch to epoch draws a new order for each,
    and the whole training is reproduced by the seed that it was made from.

    Args:
        x: (n, ...), any dtype.
        y: (n, ...), any dtype: labels or targets.
        batch_size: rows per batch, at least 1. The last batch holds what is left.
        seed: an int or a `numpy.random.Generator`; None only with ``shuffle=False``.
        shuffle: draw the order of the rows from ``seed``; otherwise they come as they are.
        drop_last: leave out the last batch if it is smaller than ``batch_size``.

    Returns:
        An iterator of (rows of x, the same rows of y), as new arrays (with ``shuffle=False``: as views).

    Raises:
        ShapeError: x and y have different lengths, or no rows at all.
        DomainError: a batch size below 1, or one that leaves no batch; a shuffle without a seed.
        DTypeError: a batch size that is no whole number.

    >>> import numpy as np
    >>> generator = np.random.default_rng(0)
    >>> for epoch in range(2):
    ...     print([y.tolist() for x, y in minibatches(np.eye(5), np.arange(5), 2, generator)])
    [[2, 4], [3, 0], [1]]
    [[4, 1], [2, 0], [3]]
    """
    x, y = _same_length(x, y)
    batch_size = _whole(batch_size, "batch_size")
    if len(x) == 0:
        raise ShapeError(f"x has shape {x.shape}: there are no rows to make a batch of, give at least one.")
    if batch_size < 1:
        raise DomainError(f"batch_size is {batch_size}, but a batch holds at least one row.")
    if drop_last and batch_size > len(x):
        raise DomainError(
            f"batch_size is {batch_size} and drop_last is set, but there are only {len(x)} rows, so no batch would be "
            f"left: use a batch size of at most {len(x)}."
        )
    if shuffle and seed is None:
        raise DomainError(
            "A shuffle needs its seed, so that a run can be repeated: give an int or a numpy.random.Generator, or use "
            "shuffle=False."
        )
    order = generator(seed).permutation(len(x)) if shuffle else None
    return _batches(x, y, order, batch_size, len(x) - len(x) % batch_size if drop_last else len(x))


def _batches(
    x: NDArray[Any], y: NDArray[Any], order: NDArray[np.int64] | None, size: int, end: int
) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
    for start in range(0, end, size):
        if order is None:
            yield x[start : start + size], y[start : start + size]
        else:
            rows = order[start : start + size]
            yield x.take(rows, axis=0), y.take(rows, axis=0)


def hold_out(
    x: ArrayLike, y: ArrayLike, count: int, seed: int | np.random.Generator
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Draw ``count`` rows to be kept from training: for validation, or for a test.

    Args:
        x: (n, ...), any dtype.
        y: (n, ...), any dtype.
        count: how many rows to hold out, from 1 to n − 1.
        seed: an int or a `numpy.random.Generator`.

    Returns:
        x and y of the n − count rows that stay, then x and y of the rows held out; each in the order that they had.

    Raises:
        ShapeError: x and y have different lengths.
        DomainError: nothing would be held out, or nothing would stay.
        DTypeError: a count that is no whole number.

    >>> import numpy as np
    >>> [part.tolist() for part in hold_out(np.arange(6) * 10, np.arange(6), 2, seed=0)]
    [[0, 10, 40, 50], [0, 1, 4, 5], [20, 30], [2, 3]]
    """
    x, y = _same_length(x, y)
    count = _whole(count, "count")
    if not 0 < count < len(x):
        raise DomainError(f"{count} of {len(x)} rows can't be held out: give a count of at least 1 and below {len(x)}.")
    held = np.zeros(len(x), dtype=bool)
    held[generator(seed).permutation(len(x))[:count]] = True
    return x[~held], y[~held], x[held], y[held]


def _same_length(x: ArrayLike, y: ArrayLike) -> tuple[NDArray[Any], NDArray[Any]]:
    x, y = _rows(x, "x"), _rows(y, "y")
    if x.ndim == 0 or y.ndim == 0 or len(x) != len(y):
        raise ShapeError(
            f"x has shape {x.shape} and y has shape {y.shape}, but each row of x needs its own row of y: give both the "
            "same length."
        )
    return x, y


def _rows(given: ArrayLike, name: str) -> NDArray[Any]:
    check_mask(given)
    try:
        return np.asarray(given)
    except ValueError as error:
        raise ShapeError(f"{name} is no array ({error}): make all its rows of one length.") from None


def _whole(number: int, name: str) -> int:
    try:
        return index(number)
    except TypeError:
        raise DTypeError(f"{name} is {number!r}, but it counts rows: give a whole number.") from None
