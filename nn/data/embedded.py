"""The embedded digits: MNIST's 70 000, cropped to the ink, 16×16, ink or no ink, one bit per pixel.

``tests/digits.py`` made ``digits.npz``; its licence is in LICENSE-digits.md beside it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import DTypeLike

from glassgrad.autograd.backends import as_dtype
from glassgrad.nn.data.dataset import Dataset

PATH = Path(__file__).with_name("digits.npz")
TRAIN = 60_000


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
