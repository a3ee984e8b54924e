"""Download files: try several sources, verify, cache.

A file is held in memory until its checksum is right, and then written to the cache in one step, so the cache never
holds a part of a file. `pooch` is not used: it needs requests, platformdirs and packaging, and limits neither size nor
time.
"""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from glassgrad.autograd.common.files import write_file
from glassgrad.autograd.errors import DomainError
from glassgrad.nn.errors import CacheError, DownloadError

LIMIT = 64 * 2**20  # bytes, several times the largest file here
TIMEOUT = 20.0  # seconds without a byte
SLOWEST = 2000.0  # bytes per second on average, after the first TIMEOUT seconds


@dataclass(frozen=True)
class RemoteFile:
    """A file to download.

    Attributes:
        name: its name in the cache.
        sha256: the SHA-256 of its content, in hexadecimal.
        urls: the sources, in order of preference.
    """

    name: str
    sha256: str
    urls: tuple[str, ...]

    def __post_init__(self) -> None:
        if Path(self.name).name != self.name or self.name in ("", "..") or "\\" in self.name or "\0" in self.name:
            raise DomainError(f"RemoteFile name = {self.name!r}: give the name of a file, without a folder.")

    def matches(self, content: bytes) -> bool:
        """Whether ``content`` has the SHA-256 of the file."""
        return hashlib.sha256(content).hexdigest() == self.sha256


def cache_folder() -> Path:
    """The folder of downloaded files: ``$GLASSGRAD_DATA``, or ``glassgrad`` in the user's cache folder (XDG)."""
    if own := os.environ.get("GLASSGRAD_DATA"):
        return Path(own).expanduser()
    xdg = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (xdg if xdg.is_absolute() else Path("~/.cache").expanduser()) / "glassgrad"


def fetch(file: RemoteFile, folder: Path) -> bytes:
    """Return the content of ``file`` from the cache, or download, verify and cache it; a terminal is told so.

    Args:
        file: the file.
        folder: its folder in the cache; created if missing.

    Raises:
        CacheError: the folder can't be written; nothing was downloaded.
        DownloadError: no source gave the right file; nothing was written.
    """
    path = folder / file.name
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        pass
    except OSError as error:
        raise _unusable(folder, error) from None
    else:
        if file.matches(content):
            return content
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass  # it can be written
        content = _download(file, path)
        write_file(path, content)
    except DownloadError:
        raise
    except OSError as error:
        raise _unusable(folder, error) from None
    return content


def _unusable(folder: Path, error: OSError) -> CacheError:
    why = getattr(error, "reason", error.strerror)
    return CacheError(
        f"The folder for downloaded data, {folder}, can't be used ({why}): set GLASSGRAD_DATA to a folder that can be "
        "written."
    )


def _download(file: RemoteFile, path: Path) -> bytes:
    from http.client import HTTPException

    if sys.stderr.isatty():
        print(f"downloading {file.name}", file=sys.stderr)
    failures = []
    for url in file.urls:
        try:
            content = _get(url)
            if file.matches(content):
                return content
            raise _SourceError("it sent another file (its sha256 differs)")
        except (OSError, HTTPException, _SourceError) as error:
            failures.append(f"{urlsplit(url).hostname}: {_reason(error)}")
    differs = f"your file {path} differs from the one that is wanted, and " if path.exists() else ""
    raise DownloadError(
        f"{differs}{file.name} could not be downloaded ({'; '.join(failures)}): check the network and try again, or "
        f"put the file with sha256 {file.sha256} at {path} yourself."
    )


class _SourceError(Exception):
    """A source answered, but not with the file."""


def _reason(error: Exception) -> str:
    import urllib.error

    match error:
        case urllib.error.HTTPError():
            return f"it answered {error.code} {error.reason}"
        case TimeoutError() | urllib.error.URLError(reason=TimeoutError()):
            return f"no answer within {TIMEOUT:g} seconds"
        case urllib.error.URLError(reason=OSError() as inner):
            return inner.strerror or str(inner)
        case urllib.error.URLError():
            return str(error.reason)
        case OSError(strerror=str() as reason):
            return reason
        case _:
            return str(error) or type(error).__name__


def _get(url: str) -> bytes:
    """The content of a URL."""
    import urllib.request  # imports a sixth of what this package does

    content, start = bytearray(), time.monotonic()
    request = urllib.request.Request(url, headers={"User-Agent": "glassgrad"})
    with urllib.request.urlopen(request, timeout=TIMEOUT) as response:
        length = response.headers.get("Content-Length", "")
        total = int(length) if length.isdecimal() and len(length) < 20 else None
        while piece := response.read1(2**16):
            content += piece
            if len(content) > LIMIT:
                raise _SourceError(f"it sent more than {LIMIT} bytes")
            if len(content) < SLOWEST * (time.monotonic() - start - TIMEOUT):
                raise _SourceError(f"it sent only {len(content)} bytes in {time.monotonic() - start:.0f} seconds")
    if total is not None and len(content) < total:
        raise _SourceError(f"the connection was cut after {len(content)} of {total} bytes")
    return bytes(content)
