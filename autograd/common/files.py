"""Reading and writing regular files; writes are atomic."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from contextlib import suppress
from os import PathLike
from pathlib import Path
from shutil import copymode
from typing import IO

from glassgrad.autograd.common.validation import as_path
from glassgrad.autograd.errors import AutogradError, WriteError


def user_cache() -> Path:
    """The folder of this package in the user's cache folder (XDG)."""
    xdg = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (xdg if xdg.is_absolute() else Path("~/.cache").expanduser()) / "glassgrad"


def open_file(path: str | PathLike[str]) -> IO[bytes]:
    """Open a regular file for reading.

    Raises `OSError` for anything else: a pipe would block, and a device such as ``/dev/zero`` never ends.
    """
    path = as_path(path)
    _check_regular(path)
    return path.open("rb")


def read_file(path: str | PathLike[str], limit: int = 2**24) -> bytes:
    """Return the content of a regular file of at most ``limit`` bytes. Raises `OSError` for anything else."""
    with open_file(path) as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise OSError(errno.EFBIG, f"it is larger than {limit / 2**20:g} MiB", str(path))
    return content


def write_file(path: str | PathLike[str], content: bytes | Callable[[IO[bytes]], object]) -> None:
    """Write ``content``, bytes or a function that writes into an open file, so that no reader sees a part of it.

    A temporary file beside ``path`` takes its place in one step. An existing file keeps its permissions, and the
    temporary file never has wider ones; a link keeps pointing where it did. On an error ``path`` is as it was.
    Raises `autograd.errors.WriteError` if the file can't be written.
    """
    path = as_path(path)
    target = Path(os.path.realpath(path))
    draft = target.with_name(f".{target.name[:40]}.{os.urandom(6).hex()}.part")
    try:
        _check_regular(target)
        with draft.open("xb") as file:
            if target.exists():
                copymode(target, draft)  # before there is any content
            if callable(content):
                content(file)
            else:
                file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(target)
    except BaseException as error:
        with suppress(OSError):
            draft.unlink()
        if isinstance(error, OSError) and not isinstance(error, AutogradError):
            raise WriteError(path, error) from None
        raise


def _check_regular(path: Path) -> None:
    """Raise `OSError` for a folder, a device or a pipe."""
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, "it is a folder", str(path))
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "it is a device or a pipe", str(path))
