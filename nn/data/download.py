"""Download files: try several sources, verify, cache.

A file is held in memory until its checksum is right, and then written to the cache in one step, so the cache never
holds a part of a file. `pooch` is not used: it needs requests, platformdirs and packaging, and limits neither size nor
time.
"""

from __future__ import annotations

import hashlib
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from glassgrad.autograd.common.files import write_file
from glassgrad.nn.errors import CacheError, DownloadError

LIMIT = 64 * 2**20  # bytes, several times the largest file here
TIMEOUT = 20.0  # seconds without a byte


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
        CacheError: the folder can't be read or written.
        DownloadError: no source gave the right file; nothing was written.
    """
    path = folder / file.name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if path.exists() and file.matches(content := path.read_bytes()):
            return content
        content = _download(file, path)
        write_file(path, content)
    except DownloadError:
        raise
    except OSError as error:
        why = getattr(error, "reason", error.strerror)
        raise CacheError(
            f"The folder for downloaded data, {folder}, can't be used ({why}): set GLASSGRAD_DATA to a folder that can "
            "be written."
        ) from None
    return content


def _download(file: RemoteFile, path: Path) -> bytes:
    import urllib.request  # imports a sixth of what this package does
    from http.client import HTTPException

    if sys.stderr.isatty():
        print(f"downloading {file.name}", file=sys.stderr)
    failures = []
    for url in file.urls:
        request = urllib.request.Request(url, headers={"User-Agent": "glassgrad"})
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT) as response:
                content: bytes = response.read(LIMIT)
            if file.matches(content):
                return content
            why: object = "it sent another file, or a part of it (the sha256 differs)"
        except (OSError, HTTPException) as error:
            why = getattr(error, "reason", error)
        failures.append(f"{urlsplit(url).hostname}: {why}")
    differs = f"your file {path} differs from the one that is wanted, and " if path.exists() else ""
    raise DownloadError(
        f"{differs}{file.name} could not be downloaded ({'; '.join(failures)}): check the network and try again, or "
        f"put the file with sha256 {file.sha256} at {path} yourself."
    )
