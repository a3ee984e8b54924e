"""Data sets of digits to download: `mnist`, `semeion`, `usps`. Each is verified, and kept in the cache.

The parsers here check every size and run no code.
"""

from __future__ import annotations

import bz2
import io
import math
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from glassgrad.autograd.backends import as_dtype
from glassgrad.autograd.common.files import read_file
from glassgrad.autograd.common.validation import as_path
from glassgrad.autograd.errors import DomainError
from glassgrad.nn.data.dataset import Dataset, hold_out
from glassgrad.nn.data.download import LIMIT, RemoteFile, cache_folder, fetch
from glassgrad.nn.errors import DataError

MNIST_HOMES = "https://ossci-datasets.s3.amazonaws.com/mnist", "https://storage.googleapis.com/cvdf-datasets/mnist"
USPS_HOMES = tuple(
    f"https://{host}.csie.ntu.edu.tw/~cjlin/libsvmtools/datasets/multiclass" for host in ("www", "ntucsu")
)
SEMEION_HOMES = ("https://archive.ics.uci.edu/ml/machine-learning-databases/semeion",)


def _remote(name: str, sha256: str, homes: tuple[str, ...]) -> RemoteFile:
    return RemoteFile(name, sha256, tuple(f"{home}/{name}" for home in homes))


REMOTE = {
    "mnist": tuple(
        _remote(f"{name}-ubyte.gz", sha256, MNIST_HOMES)
        for name, sha256 in (
            ("train-images-idx3", "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
            ("train-labels-idx1", "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
            ("t10k-images-idx3", "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
            ("t10k-labels-idx1", "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
        )
    ),
    "semeion": (
        _remote("semeion.data", "f43228ae3da5ea6a3c95069d53450b86166770e3b719dcc333182128fe08d4b1", SEMEION_HOMES),
    ),
    "usps": (
        _remote("usps.bz2", "3771e9dd6ba685185f89867b6e249233dd74652389f263963b3b741e994b034f", USPS_HOMES),
        _remote("usps.t.bz2", "a9c0164e797d60142a50604917f0baa604f326e9a689698763793fa5d12ffc4e", USPS_HOMES),
    ),
}
"""The files of each data set, training before test. MNIST and USPS have the SHA-256 that torchvision publishes."""


def _home(name: str, folder: str | Path | None) -> Path:
    return cache_folder() / name if folder is None else as_path(folder, "folder")


def _fetch(name: str, folder: str | Path | None) -> list[bytes]:
    return [fetch(file, _home(name, folder)) for file in REMOTE[name]]


def _dataset(name: str, side: int, parts: Sequence[NDArray[Any]], source: str, licence: str) -> Dataset:
    """Digits of ``side`` × ``side`` pixels: images and labels for training, then those of the test."""
    x_train, y_train, x_test, y_test = parts
    classes = tuple("0123456789")
    return Dataset(name, x_train, y_train, x_test, y_test, (side, side), classes, source, licence)


def mnist(dtype: DTypeLike = np.float32, *, folder: str | Path | None = None) -> Dataset:
    """MNIST as published: 60 000 training and 10 000 test digits, 28×28, grey from 0 (paper) to 1 (ink).

    Args:
        dtype: floating dtype of the images.
        folder: where the files are kept, or yours are, compressed or not; by default ``mnist`` in
            `nn.data.cache_folder`.

    Raises:
        CacheError, DownloadError: the files can't be obtained.
        DataError: a file has unexpected content.
    """
    dtype = as_dtype(dtype)
    parts = []
    for file in REMOTE["mnist"]:
        unpacked = _home("mnist", folder) / file.name.removesuffix(".gz")
        if unpacked.is_file():
            content = read_file(unpacked, LIMIT)
        else:
            content = fetch(file, unpacked.parent)
            content = _decompress(content, zlib.decompressobj(wbits=31), file.name)
        parts.append(parse_idx(content, 3 if "images" in file.name else 1, file.name))
    levels = (np.arange(256) / 255).astype(dtype)
    x_train, x_test = (levels[images.reshape(len(images), -1)] for images in parts[::2])
    y_train, y_test = (labels.astype(np.int64) for labels in parts[1::2])
    source = "MNIST (Yann LeCun, Corinna Cortes, Christopher J. C. Burges)"
    return _dataset("mnist", 28, (x_train, y_train, x_test, y_test), source, "CC BY-SA 3.0")


def semeion(
    dtype: DTypeLike = np.float32,
    *,
    test_size: int = 393,
    seed: int = 0,
    folder: str | Path | None = None,
) -> Dataset:
    """Semeion's 1593 digits, 16×16, 1 = ink, 0 = no ink, each stretched to fill the square.

    The file does not say which digits are for the test, nor who wrote them. The split is drawn at random, by default
    1200 training and 393 test digits; about 80 writers wrote every digit twice, so a writer may be in both parts.

    ``test_size``: number of test digits. ``seed``: of the split. The rest is as for `mnist`. Raises also `DomainError`
    if no digit is left for training, or for the test.
    """
    dtype = as_dtype(dtype)
    (text,) = _fetch("semeion", folder)
    images, labels = parse_semeion(text, REMOTE["semeion"][0].name)
    source = (
        "Semeion Handwritten Digit, UCI Machine Learning Repository, DOI 10.24432/C5SC8V "
        "(Tactile Srl, Brescia; Semeion Research Center, Rome)"
    )
    return _dataset("semeion", 16, hold_out(images.astype(dtype), labels, test_size, seed), source, "CC BY 4.0")


def usps(
    dtype: DTypeLike = np.float32,
    *,
    threshold: float | None = None,
    folder: str | Path | None = None,
) -> Dataset:
    """USPS: digits from envelopes, 7291 for training and 2007 for the test, 16×16, grey from 0 (paper) to 1 (ink).

    ``threshold``: None keeps the grey; otherwise 1 = ink where the grey is above it, else 0. The embedded digits use
    0.4. The rest is as for `mnist`. Raises also `DomainError` for a threshold outside [0, 1).
    """
    dtype = as_dtype(dtype)
    if threshold is not None and not (isinstance(threshold, int | float) and 0 <= threshold < 1):
        raise DomainError(f"threshold = {threshold!r} is out of range: give a number from 0 to below 1.")
    parts: list[NDArray[Any]] = []
    for content, file in zip(_fetch("usps", folder), REMOTE["usps"], strict=True):
        grey, labels = parse_usps(_decompress(content, bz2.BZ2Decompressor(), file.name), file.name)
        parts += [(grey if threshold is None else grey > threshold).astype(dtype), labels]
    source = (
        "USPS, as LIBSVM gives it (Jonathan J. Hull, A database for handwritten text recognition research, IEEE PAMI "
        "16(5), 1994)"
    )
    return _dataset("usps", 16, parts, source, "none stated")


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


def parse_semeion(content: bytes, name: str) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return images (n, 256) of 0 and 1 and labels (n,) from Semeion's file: lines of 256 pixels and a one-hot label.

    Raises:
        DataError: a line of another form.
    """
    table = _parse_table(content, 266, name)
    if not np.isin(table, (0, 1)).all() or (table[:, 256:].sum(axis=1) != 1).any():
        raise DataError(f"{name} has a line that is not 256 pixels of 0 or 1 and a one-hot label of 10: it is damaged.")
    return table[:, :256], table[:, 256:].argmax(axis=1)


def parse_usps(content: bytes, name: str) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return images (n, 256) from 0 to 1 and labels (n,) from LIBSVM's file: lines ``label 1:grey … 256:grey``.

    The label is the digit + 1, and the grey goes from −1 to 1.

    Raises:
        DataError: a line of another form.
    """
    table = _parse_table(content.replace(b":", b" "), 513, name)
    labels, indices, grey = table[:, 0] - 1, table[:, 1::2], table[:, 2::2]
    if not (np.isin(labels, range(10)).all() and (indices == range(1, 257)).all() and (abs(grey) <= 1).all()):
        raise DataError(f"{name} has a line that is not a label 1 to 10 and 256 values from -1 to 1: it is damaged.")
    return (grey + 1) / np.float32(2), labels.astype(np.int64)


def _parse_table(content: bytes, columns: int, name: str) -> NDArray[np.float32]:
    if not content.decode("ascii", "replace").strip():
        raise DataError(f"{name} is empty: it is damaged.")
    try:
        table = np.loadtxt(io.StringIO(content.decode("ascii")), np.float32, comments=None, ndmin=2)
    except ValueError:
        raise DataError(f"{name} is not a table with {columns} numbers per line: it is damaged.") from None
    if table.shape[1] != columns:
        raise DataError(f"{name} has {table.shape[1]} numbers per line instead of {columns}: it is damaged.")
    return table


def _decompress(content: bytes, decompressor: Any, name: str) -> bytes:
    try:
        unpacked: bytes = decompressor.decompress(content, LIMIT)
    except (zlib.error, OSError):
        raise DataError(f"{name} is not a compressed file, or is damaged.") from None
    if not decompressor.eof:
        raise DataError(f"{name} is truncated, or unpacks to more than {LIMIT} bytes: it is damaged.")
    return unpacked
