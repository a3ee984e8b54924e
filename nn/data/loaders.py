"""MNIST, downloaded at its first use: its files are verified, parsed with every size checked, and kept in the cache."""

from __future__ import annotations

import gzip
import math
from pathlib import Path

import numpy as np
from numpy.typing import DTypeLike, NDArray

from glassgrad.autograd.backends import as_dtype
from glassgrad.autograd.common.files import read_file
from glassgrad.autograd.common.validation import as_path
from glassgrad.nn.data.dataset import Dataset
from glassgrad.nn.data.download import LIMIT, cache_folder, fetch
from glassgrad.nn.errors import DataError

HOMES = "https://ossci-datasets.s3.amazonaws.com/mnist", "https://storage.googleapis.com/cvdf-datasets/mnist"

MNIST = {
    "train-images-idx3-ubyte.gz": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    "train-labels-idx1-ubyte.gz": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    "t10k-images-idx3-ubyte.gz": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    "t10k-labels-idx1-ubyte.gz": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
}
"""The files of MNIST, training before test, with the SHA-256 that torchvision publishes."""


def mnist(dtype: DTypeLike = np.float32, *, folder: str | Path | None = None) -> Dataset:
    """MNIST as published: 60 000 training and 10 000 test digits, 28×28, grey from 0 (paper) to 1 (ink).

    Args:
        dtype: floating dtype of the images.
        folder: of four files of your own under MNIST's names, packed (``.gz``) or not; by default MNIST is downloaded
            to ``mnist`` in `nn.data.cache_folder`.

    Raises:
        CacheError, DownloadError: the files can't be obtained.
        OSError: a file of your own can't be read.
        DataError: a file has unexpected content.
    """
    dtype = as_dtype(dtype)
    home = cache_folder() / "mnist" if folder is None else as_path(folder, "folder")
    parts = []
    for name, sha256 in MNIST.items():
        unpacked = home / name.removesuffix(".gz")
        if unpacked.is_file():
            content = read_file(unpacked, LIMIT)
        else:
            urls = [f"{at}/{name}" for at in HOMES]
            packed = fetch(home / name, sha256, urls) if folder is None else read_file(home / name, LIMIT)
            content = gzip.decompress(packed)
        parts.append(parse_idx(content, 3 if "images" in name else 1, name))
    levels = (np.arange(256) / 255).astype(dtype)
    x_train, x_test = (levels[images.reshape(len(images), -1)] for images in parts[::2])
    y_train, y_test = (labels.astype(np.int64) for labels in parts[1::2])
    source = "MNIST (Yann LeCun, Corinna Cortes, Christopher J. C. Burges)"
    return Dataset("mnist", x_train, y_train, x_test, y_test, (28, 28), tuple("0123456789"), source, "CC BY-SA 3.0")


def parse_idx(content: bytes, ndim: int, name: str) -> NDArray[np.uint8]:
    """Return the array in an IDX file of unsigned bytes, MNIST's format.

    Two zero bytes, the type (8 = unsigned byte), the number of axes, each axis's length as a big-endian uint32, then
    the values in C order.

    Args:
        content: the file.
        ndim: the expected number of axes.
        name: the file's name in an error message.

    Raises:
        DataError: another format, or a truncated file.

    >>> parse_idx(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 8, 9]), ndim=1, name="labels").tolist()
    [7, 8, 9]
    """
    start = 4 + 4 * ndim
    if len(content) < start or content[:4] != bytes([0, 0, 8, ndim]):
        raise DataError(f"{name} is not an IDX file of bytes with {ndim} axes (it starts with {content[:4].hex(' ')}).")
    shape = tuple(int(length) for length in np.frombuffer(content, ">u4", ndim, offset=4))
    if len(content) - start != math.prod(shape) or 0 in shape:
        raise DataError(f"{name} has the shape {shape} in its header and {len(content) - start} bytes: it is damaged.")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)
