import gzip
import re
import struct

import numpy as np
import pytest

from glassgrad import nn
from glassgrad.nn.data import mnist
from glassgrad.nn.data.loaders import HOMES, MNIST, parse_idx
from glassgrad.nn.errors import DataError
from tests.nn.data.test_download import sha256


@pytest.fixture
def serve(home, tmp_path, monkeypatch):
    """Put MNIST's files, in their table's order, on the local server and ask for them there."""
    monkeypatch.setenv("GLASSGRAD_DATA", str(tmp_path))

    def serve(*contents):
        files = dict(zip(MNIST, contents, strict=True))
        monkeypatch.setattr(nn.data.loaders, "MNIST", {name: sha256(content) for name, content in files.items()})
        monkeypatch.setattr(nn.data.loaders, "HOMES", [home.url.rstrip("/")])
        for name, content in files.items():
            home.put(name, content)

    return serve


def idx(array):
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


GREY = np.arange(5 * 28 * 28).astype(np.uint8).reshape(5, 28, 28)
LABELS = np.array([5, 0, 4, 1, 9], np.uint8)


def mnist_files(grey=GREY, labels=LABELS):
    return [gzip.compress(content) for content in (idx(grey), idx(labels), idx(grey[:2]), idx(labels[:2]))]


def test_mnist_is_grey_from_zero_to_one(serve, tmp_path):
    serve(*mnist_files())
    data = mnist()
    assert mnist("float64").x_test.dtype == np.float64
    assert (data.name, data.image_shape, data.classes) == ("mnist", (28, 28), tuple("0123456789"))
    assert (data.x_train.shape, data.x_test.shape) == ((5, 784), (2, 784))
    assert data.x_train.dtype == np.float32
    np.testing.assert_allclose(data.x_train, GREY.reshape(5, 784) / 255, rtol=1e-6)
    assert data.y_train.tolist() == [5, 0, 4, 1, 9]
    assert data.y_test.tolist() == [5, 0]
    assert data.y_test.dtype == np.int64
    assert data.licence == "CC BY-SA 3.0"
    assert sorted(path.name for path in (tmp_path / "mnist").iterdir()) == sorted(MNIST)


def test_files_of_ones_own_are_read_packed_or_not_and_never_replaced(tmp_path):
    for name, content in zip(MNIST, mnist_files(), strict=True):
        (tmp_path / name).write_bytes(content)
    for _ in range(2):
        found = mnist(folder=tmp_path)
        np.testing.assert_allclose(found.x_train, GREY.reshape(5, 784) / 255, rtol=1e-6)
        assert found.y_test.tolist() == [5, 0]
        for path in tmp_path.glob("*images*.gz"):
            path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
            path.unlink()
    (tmp_path / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(FileNotFoundError, match=r"t10k-labels-idx1-ubyte\.gz"):
        mnist(folder=tmp_path)


def test_every_remote_file_has_a_sha256_and_homes():
    assert all(len(bytes.fromhex(digest)) == 32 for digest in MNIST.values())
    assert all(re.fullmatch(r"https://\S+[^/]", home) for home in HOMES)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "images is not an IDX file of bytes with 3 axes (it starts with )."),
        (idx(LABELS), "images is not an IDX file of bytes with 3 axes (it starts with 00 00 08 01)."),
        (b"\0\0\x0d\3" + idx(GREY)[4:], "(it starts with 00 00 0d 03)."),
        (idx(GREY)[:10], "images is not an IDX file of bytes with 3 axes"),
        (idx(GREY)[:-1], "images has the shape (5, 28, 28) in its header and 3919 bytes: it is damaged."),
        (idx(GREY) + b"\0", "images has the shape (5, 28, 28) in its header and 3921 bytes: it is damaged."),
        (
            b"\0\0\x08\3" + b"\xff" * 12,
            "images has the shape (4294967295, 4294967295, 4294967295) in its header and 0 bytes",
        ),
        (idx(GREY[:0]), "images has the shape (0, 28, 28) in its header and 0 bytes: it is damaged."),
    ],
)
def test_invalid_idx_files_raise(content, sentence):
    with pytest.raises(DataError, match=re.escape(sentence)):
        parse_idx(content, 3, "images")
