"""Random augmentation of images: shifts, crops and flips."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from glassgrad.autograd.common.validation import check_function, check_instance, number, pair, whole
from glassgrad.autograd.errors import ShapeError
from glassgrad.nn.data.dataset import _same_length, minibatches
from glassgrad.nn.init import generator

Augmentation = Callable[[NDArray[Any], np.random.Generator], NDArray[Any]]
"""``augment(images, generator)`` returns a new array of as many images."""


class Batches:
    """Batches of ``x`` and ``y`` in random order, with random augmentation; give it to `nn.fit` as the data.

    Each iteration is one epoch, with new random numbers from ``seed``; the same seed gives the same sequence of epochs.

    Args:
        x: images (n, ...), floating.
        y: (n, ...), any dtype: labels or targets. They are not changed.
        batch_size: rows per batch; the last batch may be smaller.
        seed: an int, a `numpy.random.Generator`, or None for fresh entropy.
        augment: augmentations to apply to each batch in order, such as ``shift(1)``.

    Raises:
        ShapeError: different lengths, or no rows.
        DomainError: a batch size below 1.

    >>> import numpy as np
    >>> from glassgrad.nn.data import Batches, shift
    >>> batches = Batches(np.eye(4).reshape(4, 2, 2), np.arange(4), 3, seed=0, augment=[shift(1)])
    >>> [y.tolist() for x, y in batches], [y.tolist() for x, y in batches]
    ([[2, 0, 1], [3]], [[0, 2, 1], [3]])
    """

    def __init__(
        self,
        x: ArrayLike,
        y: ArrayLike,
        batch_size: int,
        seed: int | np.random.Generator | None = 0,
        *,
        augment: Sequence[Augmentation] = (),
    ) -> None:
        self.x, self.y = _same_length(x, y)
        self.batch_size = whole(batch_size, "batch_size")
        check_instance(augment, Iterable, "augment", "a list of functions")  # type: ignore[type-abstract]
        self.augment = tuple(check_function(change, "augment", "functions such as shift(1)") for change in augment)
        self.generator = generator(seed)
        next(minibatches(self.x, self.y, batch_size, None))  # checks the arguments
        for change in self.augment:  # checks them too, without drawing from the seed
            change(self.x[:1], np.random.default_rng(0))

    def __len__(self) -> int:
        """The number of batches."""
        return math.ceil(len(self.x) / self.batch_size)

    def __iter__(self) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
        """Iterate over one epoch."""
        for x, y in minibatches(self.x, self.y, self.batch_size, self.generator):
            for change in self.augment:
                x = change(x, self.generator)
            yield x, y


def _as_images(x: NDArray[Any], shape: tuple[int, int] | None) -> NDArray[Any]:
    """A batch of (n, height, width), (n, channels, height, width) or rows of pixels as (n, channels, height, width)."""
    if shape is None and x.ndim in (3, 4):
        return x if x.ndim == 4 else x[:, None]
    if shape is None or x.ndim != 2 or x.shape[1] != math.prod(pair(shape, "image_shape")):
        raise ShapeError(
            "an augmentation takes images (n, height, width) or (n, channels, height, width), or rows of pixels with "
            f"image_shape=(height, width); it was given shape {x.shape} and image_shape={shape}."
        )
    return x.reshape(len(x), 1, *shape)


def crop(size: int | tuple[int, int], padding: int = 0, image_shape: tuple[int, int] | None = None) -> Augmentation:
    """An augmentation for `Batches`: a window of ``size`` at a random position of each image.

    ``size``: height and width of the window, an int for both. ``padding``: zeros added around each image first.
    ``image_shape``: (height, width) where images are rows of pixels. NumPy refuses a window larger than the images with
    their padding.

    >>> import numpy as np
    >>> crop(2)(np.arange(9.0).reshape(1, 3, 3), np.random.default_rng(0))
    array([[[4., 5.],
            [7., 8.]]])
    """
    window = pair((size, size) if isinstance(size, int) else size, "size")
    return _cropping(window, whole(padding, "padding", 0), image_shape)


def shift(pixels: int, image_shape: tuple[int, int] | None = None) -> Augmentation:
    """An augmentation for `Batches`: each image moved by up to ``pixels`` along both axes and filled up with zeros.

    ``image_shape``: (height, width) where images are rows of pixels.

    >>> import numpy as np
    >>> shift(1)(np.ones((1, 2, 2)), np.random.default_rng(3))
    array([[[0., 1.],
            [0., 0.]]])
    """
    return _cropping(None, whole(pixels, "pixels", 0), image_shape)


def _cropping(window: tuple[int, int] | None, padding: int, image_shape: tuple[int, int] | None) -> Augmentation:
    """A window of each padded image, as large as the image if ``window`` is ``None``."""

    def cropped(x: NDArray[Any], generator: np.random.Generator) -> NDArray[Any]:
        images = _as_images(x, image_shape)
        height, width = window or images.shape[2:]
        around = (padding, padding)
        padded = np.pad(images, ((0, 0), (0, 0), around, around)) if padding else images
        windows = np.lib.stride_tricks.sliding_window_view(padded, (height, width), (2, 3))
        down, right = (generator.integers(n, size=len(x)) for n in windows.shape[2:4])
        cut = windows[np.arange(len(x)), :, down, right]
        return cut.reshape(*x.shape[:-2], height, width) if x.ndim > 2 else cut.reshape(len(x), height * width)

    return cropped


def flip(p: float = 0.5, image_shape: tuple[int, int] | None = None) -> Augmentation:
    """An augmentation for `Batches`: each image mirrored left to right with probability ``p``.

    ``image_shape``: (height, width) where images are rows of pixels. Not for digits and letters.

    >>> import numpy as np
    >>> flip(1.0)(np.arange(4.0).reshape(1, 2, 2), np.random.default_rng(0))
    array([[[1., 0.],
            [3., 2.]]])
    """
    p = number(p, "p", 0, 1)

    def mirrored(x: NDArray[Any], generator: np.random.Generator) -> NDArray[Any]:
        images = _as_images(x, image_shape)
        turned = generator.random(len(x)) < p
        return np.where(turned[:, None, None, None], images[..., ::-1], images).reshape(x.shape)

    return mirrored
