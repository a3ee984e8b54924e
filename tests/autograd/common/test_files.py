"""Files are read if they are regular and written whole or not at all."""

import os
import stat

import pytest

from glassgrad.autograd.common.files import open_file, read_file, write_file
from glassgrad.autograd.errors import WriteError


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_content_is_bytes_or_a_function(tmp_path):
    write_file(tmp_path / "a", b"content")
    write_file(tmp_path / "b", lambda file: file.write(b"content"))
    assert read_file(tmp_path / "a") == read_file(tmp_path / "b") == b"content"
    assert names(tmp_path) == ["a", "b"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, OSError])
def test_an_error_leaves_the_file_unchanged(error, tmp_path):
    path = tmp_path / "a"
    write_file(path, b"before")

    def fail(file):
        file.write(b"half")
        raise error("no")

    with pytest.raises(WriteError if error is OSError else error):
        write_file(path, fail)
    assert path.read_bytes() == b"before"
    assert names(tmp_path) == ["a"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
def test_permissions_are_kept_and_never_wider_on_the_way(tmp_path):
    (tmp_path / "usual").touch()
    write_file(tmp_path / "new", b"")
    assert mode(tmp_path / "new") == mode(tmp_path / "usual")
    private = tmp_path / "private"
    private.touch()
    seen = []
    for permissions in (0o600, 0o640, 0o444):
        private.chmod(permissions)
        write_file(private, lambda file: seen.append(stat.S_IMODE(os.fstat(file.fileno()).st_mode)))
        assert mode(private) == permissions
    assert seen == [0o600, 0o640, 0o444]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such links")
def test_a_symbolic_link_keeps_its_target(tmp_path):
    write_file(tmp_path / "target", b"before")
    (tmp_path / "link").symlink_to("target")
    write_file(tmp_path / "link", b"after")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_bytes() == b"after"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes in this file system")
def test_pipes_and_devices_are_neither_read_nor_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", "/dev/zero"):
        for read in (open_file, read_file):
            with pytest.raises(OSError, match="it is a device or a pipe"):
                read(path)
    with pytest.raises(WriteError, match="pipe can't be written: it is a device or a pipe"):
        write_file(tmp_path / "pipe", b"")


def test_the_size_of_a_file_that_is_read_is_limited(tmp_path):
    write_file(tmp_path / "a", b"12345")
    assert read_file(tmp_path / "a", limit=5) == b"12345"
    with pytest.raises(OSError, match="it is larger than"):
        read_file(tmp_path / "a", limit=4)
    with pytest.raises(IsADirectoryError):
        read_file(tmp_path)
    with pytest.raises(FileNotFoundError):
        read_file(tmp_path / "none")
