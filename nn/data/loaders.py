"""Digits from their public homes: `mnist`, `semeion`, `usps`. Downloaded once, checked, and kept in the cache.

The files are read by the parsers here and by nothing else: no pickle, no code, and every size is checked.
"""

from __future__ import annotations

import bz2
import io
import math
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from autograd.backends import as_dtype
from autograd.errors import DomainError
from autograd.validation import as_path
from nn.data.dataset import Dataset, hold_out
from nn.data.download import LIMIT, Progress, RemoteFile, cache_folder, fetch
from nn.data.errors import DataError

DIGITS = tuple("0123456789")


def _mnist(name: str, md5: str) -> RemoteFile:
    homes = ("https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/")
    return RemoteFile(name, f"md5:{md5}", tuple(home + name for home in homes))


def _usps(name: str, md5: str) -> RemoteFile:
    homes = ("www.csie.ntu.edu.tw", "ntucsu.csie.ntu.edu.tw")
    return RemoteFile(
        name, f"md5:{md5}", tuple(f"https://{home}/~cjlin/libsvmtools/datasets/multiclass/{name}" for home in homes)
    )


REMOTE = {
    "mnist": (
        _mnist("train-images-idx3-ubyte.gz", "f68b3c2dcbeaaa9fbdd348bbdeb94873"),
        _mnist("train-labels-idx1-ubyte.gz", "d53e105ee54ea40749a09fcbcd1e9432"),
        _mnist("t10k-images-idx3-ubyte.gz", "9fb629c4189551a2d022fa330f9573f3"),
        _mnist("t10k-labels-idx1-ubyte.gz", "ec29112dd5afa0611ce80d1b7f02629c"),
    ),
    "semeion": (
        RemoteFile(
            "semeion.data",
            "sha256:f43228ae3da5ea6a3c95069d53450b86166770e3b719dcc333182128fe08d4b1",
            (
                "https://archive.ics.uci.edu/ml/machine-learning-databases/semeion/semeion.data",
                "https://archive.ics.uci.edu/static/public/178/semeion+handwritten+digit.zip#semeion.data",
            ),
        ),
    ),
    "usps": (
        _usps("usps.bz2", "ec16c51db3855ca6c91edd34d0e9b197"),
        _usps("usps.t.bz2", "8ea070ee2aca1ac39742fdd1ef5ed118"),
    ),
}


def _fetch(name: str, folder: str | Path | None, progress: Progress | None) -> list[bytes]:
    home = cache_folder() / name if folder is None else as_path(folder, "folder")
    return [fetch(file, home, progress) for file in REMOTE[name]]


def mnist(
    dtype: DTypeLike = np.float32, *, folder: str | Path | None = None, progress: Progress | None = None
) -> Dataset:
    """MNIST as it was published: 60 000 digits to train and 10 000 to test, 28×28, grey from 0 (paper) to 1 (ink).

    Args:
        dtype: of the images, a float dtype.
        folder: where the four files are kept; by default ``mnist`` in the cache (`nn.data.cache_folder`).
        progress: see `nn.data.download.fetch`.

    Raises:
        CacheError, DownloadError: the files can't be had.
        DataError: a file does not hold what it should.
    """
    dtype = as_dtype(dtype)
    names = [file.name for file in REMOTE["mnist"]]
    files = [
        parse_idx(_gunzip(content, name), 3 if "images" in name else 1, name)
        for content, name in zip(_fetch("mnist", folder, progress), names, strict=True)
    ]
    x_train, y_train, x_test, y_test = files
    for x, y, name in ((x_train, y_train, names[1]), (x_test, y_test, names[3])):
        if len(x) != len(y) or (y > 9).any():
            raise DataError(
                f"{name} holds {len(y)} labels up to {y.max()}, but {len(x)} labels from 0 to 9 were expected."
            )
    return Dataset(
        name="mnist",
        x_train=_grey(x_train, dtype),
        y_train=y_train.astype(np.int64),
        x_test=_grey(x_test, dtype),
        y_test=y_test.astype(np.int64),
        image_shape=(x_train.shape[1], x_train.shape[2]),
        classes=DIGITS,
        source="MNIST (Yann LeCun, Corinna Cortes, Christopher J. C. Burges)",
        licence="CC BY-SA 3.0",
    )


def _grey(images: NDArray[np.uint8], dtype: DTypeLike) -> NDArray[Any]:
    levels = (np.arange(256) / 255).astype(dtype)
    return levels[images.reshape(len(images), -1)]


def semeion(
    dtype: DTypeLike = np.float32,
    *,
    test_size: int = 393,
    seed: int = 0,
    folder: str | Path | None = None,
    progress: Progress | None = None,
) -> Dataset:
    """Semeion's 1593 digits, 16×16, 1 = ink, 0 = no ink, each stretched to fill the square.

    The file names no split and no writers. The split is drawn at random: by default 1200 digits to train, 393 to test;
    about 80 writers wrote every digit twice, so the same hand may be in both parts.

    Args:
        dtype: of the images, a float dtype.
        test_size: how many digits to hold out for the test.
        seed: what the split is drawn from.
        folder: where the file is kept; by default ``semeion`` in the cache (`nn.data.cache_folder`).
        progress: see `nn.data.download.fetch`.

    Raises:
        CacheError, DownloadError: the file can't be had.
        DataError: the file does not hold what it should.
        DomainError: nothing would be left to train on, or to test.
    """
    dtype = as_dtype(dtype)
    (text,) = _fetch("semeion", folder, progress)
    images, labels = parse_semeion(text, REMOTE["semeion"][0].name)
    x_train, y_train, x_test, y_test = hold_out(images.astype(dtype), labels, test_size, seed)
    return Dataset(
        name="semeion",
        x_train=x_train,
        y_train=y_train,
        x_test=x_test,
        y_test=y_test,
        image_shape=(16, 16),
        classes=DIGITS,
        source="Semeion Handwritten Digit, UCI Machine Learning Repository, DOI 10.24432/C5SC8V "
        "(Tactile Srl, Brescia; Semeion Research Center, Rome)",
        licence="CC BY 4.0",
    )


def usps(
    dtype: DTypeLike = np.float32,
    *,
    threshold: float | None = None,
    folder: str | Path | None = None,
    progress: Progress | None = None,
) -> Dataset:
    """USPS: digits off envelopes, 7291 to train and 2007 to test, 16×16, grey from 0 (paper) to 1 (ink).

    Args:
        dtype: of the images, a float dtype.
        threshold: None keeps the grey; otherwise 1 = ink where the grey is above it, 0 = no ink elsewhere. The embedded
            digits use 0.4.
        folder: where the two files are kept; by default ``usps`` in the cache (`nn.data.cache_folder`).
        progress: see `nn.data.download.fetch`.

    Raises:
        CacheError, DownloadError: the files can't be had.
        DataError: a file does not hold what it should.
        DomainError: a threshold that no grey is above, or every grey.
    """
    dtype = as_dtype(dtype)
    if threshold is not None and not (isinstance(threshold, int | float) and 0 <= threshold < 1):
        wanted = "give a number from 0 to below 1"
        raise DomainError(f"The threshold is {threshold!r}, but grey goes from 0 to 1: {wanted}.")
    parts: list[NDArray[Any]] = []
    for content, file in zip(_fetch("usps", folder, progress), REMOTE["usps"], strict=True):
        grey, labels = parse_usps(_bunzip2(content, file.name), file.name)
        parts += [(grey if threshold is None else grey > threshold).astype(dtype), labels]
    x_train, y_train, x_test, y_test = parts
    return Dataset(
        name="usps",
        x_train=x_train,
        y_train=y_train,
        x_test=x_test,
        y_test=y_test,
        image_shape=(16, 16),
        classes=DIGITS,
        source="USPS, as LIBSVM gives it (Jonathan J. Hull, A database for handwritten text recognition research, "
        "IEEE PAMI 16(5), 1994)",
        licence="none stated",
    )


def parse_idx(content: bytes, ndim: int, name: str) -> NDArray[np.uint8]:
    """The array in an IDX file of unsigned bytes: MNIST's format.

    Two zero bytes, the type (8 = unsigned byte), the number of axes, each axis's length as a big-endian uint32, then
    the values in C order.

    Args:
        content: the file.
        ndim: how many axes to expect.
        name: what to call the file in an error.

    Raises:
        DataError: another format, or a file that is cut or too long.

    >>> parse_idx(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 8, 9]), ndim=1, name="labels").tolist()
    [7, 8, 9]
    """
    start = 4 + 4 * ndim
    if len(content) < start or content[:4] != bytes([0, 0, 8, ndim]):
        raise DataError(
            f"{name} is no IDX file of unsigned bytes with {ndim} axes (it starts with {content[:4].hex(' ')})."
        )
    shape = tuple(int(length) for length in np.frombuffer(content, ">u4", ndim, offset=4))
    if len(content) - start != math.prod(shape) or 0 in shape:
        raise DataError(
            f"{name} tells the shape {shape}, but has {len(content) - start} bytes of values: it is damaged."
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def parse_semeion(content: bytes, name: str) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Images (n, 256) of 0 and 1 and labels (n,) from Semeion's file: a line of 256 pixels, then the label one-hot.

    Raises:
        DataError: lines of another kind.
    """
    table = _table(content, 266, name)
    if not np.isin(table, (0, 1)).all() or (table[:, 256:].sum(axis=1) != 1).any():
        raise DataError(f"{name} does not hold 256 pixels of 0 or 1 and one label of 10 in every line: it is damaged.")
    return table[:, :256], table[:, 256:].argmax(axis=1)


def parse_usps(content: bytes, name: str) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Images (n, 256) from 0 to 1 and labels (n,) from LIBSVM's file: a line of ``label 1:grey … 256:grey``.

    There the label is the digit + 1 and the grey goes from −1 to 1.

    Raises:
        DataError: lines of another kind.
    """
    table = _table(content.replace(b":", b" "), 513, name)
    labels, indices, grey = table[:, 0] - 1, table[:, 1::2], table[:, 2::2]
    if not (np.isin(labels, range(10)).all() and (indices == range(1, 257)).all() and (abs(grey) <= 1).all()):
        raise DataError(
            f"{name} does not hold a label from 1 to 10 and 256 values from -1 to 1 in every line: it is damaged."
        )
    return (grey + 1) / np.float32(2), labels.astype(np.int64)


def _table(content: bytes, columns: int, name: str) -> NDArray[np.float32]:
    if not content.decode("ascii", "replace").strip():
        raise DataError(f"{name} is empty: it is damaged.")
    try:
        table = np.loadtxt(io.StringIO(content.decode("ascii")), np.float32, comments=None, ndmin=2)
    except ValueError:
        raise DataError(f"{name} is not a table of numbers with {columns} in every line: it is damaged.") from None
    if table.shape[1] != columns:
        raise DataError(f"{name} has {table.shape[1]} numbers in a line, but {columns} were expected: it is damaged.")
    return table


def _gunzip(content: bytes, name: str) -> bytes:
    unpacker = zlib.decompressobj(wbits=31)
    try:
        unpacked = unpacker.decompress(content, LIMIT)
    except zlib.error:
        raise DataError(f"{name} is no gzip file, or is damaged.") from None
    return _all_of(unpacked, unpacker.eof, name)


def _bunzip2(content: bytes, name: str) -> bytes:
    unpacker = bz2.BZ2Decompressor()
    try:
        unpacked = unpacker.decompress(content, LIMIT)
    except OSError:
        raise DataError(f"{name} is no bzip2 file, or is damaged.") from None
    return _all_of(unpacked, unpacker.eof, name)


def _all_of(unpacked: bytes, eof: bool, name: str) -> bytes:
    if not eof:
        raise DataError(f"{name} is cut, or unpacks to more than {LIMIT} bytes: it is damaged.")
    return unpacked
