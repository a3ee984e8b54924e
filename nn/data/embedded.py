"""The embedded digits: MNIST's 70 000, cropped to the ink, 16×16, ink or no ink, one bit per pixel.

`to_ink` reduces a picture of a digit in the same way. ``tests/digits.py`` made ``digits.npz``; its licence is in
LICENSE-digits.md beside it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import DTypeLike, NDArray

from glassgrad.autograd.backends import as_dtype
from glassgrad.autograd.errors import DomainError
from glassgrad.nn.data.dataset import Dataset

PATH = Path(__file__).with_name("digits.npz")
TRAIN = 60_000
SIZE = 16
THRESHOLD = 102  # of 255: darker pixels are ink


def digits(dtype: DTypeLike = np.float32) -> Dataset:
    """Load the embedded digits: 60 000 for training and 10 000 for the test, 16×16, 1 = ink, 0 = no ink.

    The split is MNIST's own, so no writer is in both parts. Needs no network.

    Args:
        dtype: floating dtype of the images, which take 72 MB in float32.

    >>> data = digits()
    >>> data
    Dataset('digits': 60000 to train, 10000 to test, 16×16 pixels, 10 classes)
    >>> for row in data.x_train[1].reshape(data.image_shape):
    ...     print("".join(" █"[int(ink)] for ink in row).rstrip())
             ███
            █████
           ██████
         ██████ ██
         ██████ ██
        ███     ███
       ███      ███
      ███       ███
      ██        ███
     ███        ███
     ███       ███
     ██       ███
     ███     ███
     ████ ████
      ███████
       ████
    """
    dtype = as_dtype(dtype)
    with np.load(PATH, allow_pickle=False) as file:
        x, y = np.unpackbits(file["bits"], axis=1).astype(dtype), file["labels"].astype(np.int64)
    parts = x[:TRAIN], y[:TRAIN], x[TRAIN:], y[TRAIN:]
    source = "MNIST (Yann LeCun, Corinna Cortes), cropped to the ink, 16×16, ink or no ink"
    return Dataset("digits", *parts, (16, 16), tuple("0123456789"), source, "CC BY-SA 3.0")


def to_ink(grey: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Crop to the ink, scale the longer side to 16 pixels, centre the shorter one, and apply a threshold.

    The crop is the smallest box around all ink. It keeps its aspect ratio: stretched to a square, like Semeion's
    digits, a 1 would become a black block. Needs Pillow, for its Lanczos filter.

    Args:
        grey: (height, width), uint8, 0 = paper, 255 = full ink.

    Returns:
        (16, 16), bool: True = ink, where the scaled picture is above 102/255.

    Raises `DomainError` for a picture without ink.

    >>> import numpy as np
    >>> picture = np.zeros((28, 28), np.uint8)
    >>> picture[4:24, 9:14] = 255
    >>> ink = to_ink(picture)
    >>> ink.sum(axis=0).tolist()
    [0, 0, 0, 0, 0, 0, 16, 16, 16, 16, 0, 0, 0, 0, 0, 0]
    """
    from PIL import Image

    rows, columns = np.flatnonzero(grey.any(axis=1)), np.flatnonzero(grey.any(axis=0))
    if not rows.size:
        raise DomainError(f"The picture of shape {grey.shape} is blank: there is no ink to crop to.")
    box = grey[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    scale = SIZE / max(box.shape)
    height, width = (max(1, round(side * scale)) for side in box.shape)
    scaled = np.asarray(Image.fromarray(box).resize((width, height), Image.Resampling.LANCZOS))
    top, left = (SIZE - height) // 2, (SIZE - width) // 2
    ink = np.zeros((SIZE, SIZE), dtype=np.bool_)
    ink[top : top + height, left : left + width] = scaled > THRESHOLD
    return ink
