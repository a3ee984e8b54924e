"""The embedded digits: MNIST's 70 000, cropped to the ink, 16×16, ink or no ink, one bit per pixel.

``tests/digits.py`` made ``digits.npz``; its licence is in LICENSE-digits.md beside it.
"""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import numpy as np
from numpy.typing import DTypeLike, NDArray

from glassgrad.autograd.backends import as_dtype
from glassgrad.nn.data.dataset import Dataset
from glassgrad.nn.errors import DataError

PATH = Path(__file__).with_name("digits.npz")
SHA256 = "24f245b7bd227ba34d4b91d30262546da29022880da3a14f33b29640d298ab30"
TRAIN = 60_000


def digits(dtype: DTypeLike = np.float32) -> Dataset:
    """Load the embedded digits: 60 000 for training and 10 000 for the test, 16×16, 1 = ink, 0 = no ink.

    The split is MNIST's own, so no writer is in both parts. Needs no network.

    Args:
        dtype: floating dtype of the images, which take 72 MB in float32.

    Raises:
        DataError: the file in the package is missing or damaged.

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
    images, labels = unpack(_read())
    x, y = images.astype(dtype), labels.astype(np.int64)
    parts = x[:TRAIN], y[:TRAIN], x[TRAIN:], y[TRAIN:]
    source = "MNIST (Yann LeCun, Corinna Cortes), cropped to the ink, 16×16, ink or no ink"
    return Dataset("digits", *parts, (16, 16), tuple("0123456789"), source, "CC BY-SA 3.0")


def _read() -> bytes:
    try:
        packed = PATH.read_bytes()
    except OSError as error:
        raise DataError(f"{PATH.name} can't be read ({error.strerror}): install glassgrad again.") from None
    if hashlib.sha256(packed).hexdigest() != SHA256:
        raise DataError(f"{PATH.name} is not this version's file (its sha256 differs): install glassgrad again.")
    return packed


def unpack(packed: bytes) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return the images (n, 256), uint8 of 0 and 1, and the labels (n,), uint8."""
    with np.load(io.BytesIO(packed), allow_pickle=False) as file:
        return np.unpackbits(file["bits"], axis=1), file["labels"]
