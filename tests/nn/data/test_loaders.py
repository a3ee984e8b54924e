import gzip
import hashlib
import re
import struct
from pathlib import Path

import numpy as np
import pytest

from glassgrad import nn
from glassgrad.autograd.errors import DomainError
from glassgrad.nn.data import mnist, semeion
from glassgrad.nn.data.download import RemoteFile
from glassgrad.nn.data.loaders import REMOTE, parse_idx, parse_semeion
from glassgrad.nn.errors import DataError, DownloadError

COPY = Path(__file__).parents[4] / "shared" / "data" / "semeion.data.gz"


@pytest.fixture
def serve(home, tmp_path, monkeypatch):
    """Put the set's files, in their table's order, on the local server and ask for them there."""
    monkeypatch.setenv("GLASSGRAD_DATA", str(tmp_path))

    def serve(name, *contents):
        files = tuple(
            RemoteFile(file.name, hashlib.sha256(content).hexdigest(), (home.put(file.name, content),))
            for file, content in zip(REMOTE[name], contents, strict=True)
        )
        monkeypatch.setitem(nn.data.loaders.REMOTE, name, files)

    return serve


def idx(array):
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


GREY = np.arange(5 * 28 * 28).astype(np.uint8).reshape(5, 28, 28)
LABELS = np.array([5, 0, 4, 1, 9], np.uint8)
INK = np.random.default_rng(0).integers(0, 2, (8, 256))
SEMEION = "".join(
    " ".join([*(f"{pixel:.4f}" for pixel in image), *("1" if label == row % 10 else "0" for label in range(10))])
    + " \n"
    for row, image in enumerate(INK)
).encode()


def mnist_files(grey=GREY, labels=LABELS):
    return [gzip.compress(content) for content in (idx(grey), idx(labels), idx(grey[:2]), idx(labels[:2]))]


def test_mnist_is_grey_from_zero_to_one(serve, tmp_path):
    serve("mnist", *mnist_files())
    data = mnist()
    assert (data.name, data.image_shape, data.classes) == ("mnist", (28, 28), tuple("0123456789"))
    assert (data.x_train.shape, data.x_test.shape) == ((5, 784), (2, 784))
    assert data.x_train.dtype == np.float32
    np.testing.assert_allclose(data.x_train, GREY.reshape(5, 784) / 255, rtol=1e-6)
    assert data.y_train.tolist() == [5, 0, 4, 1, 9]
    assert data.y_test.tolist() == [5, 0]
    assert data.y_test.dtype == np.int64
    assert data.licence == "CC BY-SA 3.0"
    assert sorted(path.name for path in (tmp_path / "mnist").iterdir()) == sorted(file.name for file in REMOTE["mnist"])


def test_mnist_files_may_be_unpacked(serve, tmp_path):
    serve("mnist", *mnist_files())
    wanted = mnist(folder=tmp_path)
    for path in tmp_path.glob("*.gz"):
        path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
        path.unlink()
    serve("mnist", *[b""] * 4)  # nothing is to be downloaded
    found = mnist(folder=tmp_path)
    np.testing.assert_array_equal(found.x_train, wanted.x_train)
    np.testing.assert_array_equal(found.y_test, wanted.y_test)
    assert not [*tmp_path.glob("*.gz")]


def test_the_folder_may_be_given(serve, tmp_path, home):
    serve("mnist", *mnist_files())
    mnist(folder=tmp_path / "mine")
    asked = len(home.asked)
    assert asked == len(list((tmp_path / "mine").iterdir())) == 4
    mnist(folder=str(tmp_path / "mine"))
    assert len(home.asked) == asked


@pytest.mark.parametrize("load", [mnist, semeion])
def test_the_dtype_is_an_option_of_all(serve, load):
    serve("mnist", *mnist_files())
    serve("semeion", SEMEION)
    data = load("float64", **({"test_size": 2} if load is semeion else {}))
    assert data.x_train.dtype == data.x_test.dtype == np.float64


def test_semeion_is_split_by_its_seed(serve):
    serve("semeion", SEMEION)
    data = semeion(test_size=3)
    assert (data.name, data.image_shape) == ("semeion", (16, 16))
    assert (len(data.x_train), len(data.x_test)) == (5, 3)
    for x, y in ((data.x_train, data.y_train), (data.x_test, data.y_test)):
        assert (x == INK[y]).all()
    assert semeion(test_size=3).y_test.tolist() == data.y_test.tolist()
    assert any(semeion(test_size=3, seed=seed).y_test.tolist() != data.y_test.tolist() for seed in (1, 2, 3))
    with pytest.raises(DomainError, match="count = 8 of 8 rows leaves none"):
        semeion(test_size=8)


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda b: b"no gzip", "train-images-idx3-ubyte.gz is not a compressed file, or is damaged."),
        (lambda b: b[:-20], "train-images-idx3-ubyte.gz is truncated, or unpacks to more than"),
    ],
)
def test_a_damaged_archive(serve, damage, sentence):
    first, *others = mnist_files()
    serve("mnist", damage(first), *others)
    with pytest.raises(DataError, match=re.escape(sentence)):
        mnist()


def test_every_remote_file_has_a_sha256_and_a_home():
    for files in REMOTE.values():
        for file in files:
            assert len(bytes.fromhex(file.sha256)) == 32
            assert file.urls
            assert all(re.fullmatch(rf"https://\S+/{re.escape(file.name)}", url) for url in file.urls)


def test_the_loader_reports_a_failed_download(serve, home, tmp_path):
    serve("semeion", SEMEION)
    home.pages.clear()
    with pytest.raises(DownloadError, match="could not be downloaded"):
        semeion()
    assert not list((tmp_path / "semeion").iterdir())


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


LINE = SEMEION.splitlines()[0]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b" \n",
        SEMEION[:-30],
        LINE[:-4],
        b"\xff" + LINE,
        b"0.5" + LINE[6:],
        b"nan" + LINE[6:],
        LINE[:-2] + b"1",
        LINE.replace(b" 1 0", b" 0 0"),
    ],
)
def test_invalid_semeion_files_raise(content):
    with pytest.raises(
        DataError, match="the file has a line that is not 256 pixels of 0 or 1 and a one-hot label of 10"
    ):
        parse_semeion(content, "the file")


@pytest.mark.skipif(not COPY.exists(), reason="no copy of Semeion's file here")
def test_the_true_file_of_semeion(tmp_path):
    (tmp_path / "semeion.data").write_bytes(gzip.decompress(COPY.read_bytes()))
    data = semeion(folder=tmp_path)
    assert (len(data.x_train), len(data.x_test)) == (1200, 393)
    labels = np.concatenate([data.y_train, data.y_test])
    assert np.bincount(labels).tolist() == [161, 162, 159, 159, 161, 159, 161, 158, 155, 158]
    assert np.bincount(data.y_test).min() > 25
    zeros = data.x_train[data.y_train == 0].mean(axis=0).reshape(16, 16)
    assert zeros[8, 8] < 0.1 < 0.6 < zeros[8, :3].max(), "a 0 is empty within and inked at its side"
