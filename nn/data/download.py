"""Download files: try several sources, verify, cache.

A file is held in memory until its checksum is right, and then written to the cache in one step, so the cache never
holds a part of a file. `pooch` is not used: it needs requests, platformdirs and packaging, and limits neither size nor
time.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlsplit

from glassgrad.autograd.common.files import user_cache, write_file
from glassgrad.nn.errors import CacheError, DownloadError

LIMIT = 64 * 2**20  # bytes, several times the largest file here
TIMEOUT = 20.0  # seconds without a byte


def cache_folder() -> Path:
    """The folder of downloaded files: ``$GLASSGRAD_DATA``, or ``glassgrad`` in the user's cache folder (XDG)."""
    own = os.environ.get("GLASSGRAD_DATA")
    return Path(own).expanduser() if own else user_cache()


def fetch(path: Path, sha256: str, urls: Iterable[str]) -> bytes:
    """Return the content of a file of the cache, or download, verify and cache it; a terminal is told so.

    Args:
        path: its place in the cache; folders are made.
        sha256: the SHA-256 of its content, in hexadecimal.
        urls: the sources, in order of preference.

    Raises:
        CacheError: the folder can't be read or written.
        DownloadError: no source gave the right file; nothing was written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        content = path.read_bytes() if path.exists() else b""
        if _digest(content) != sha256:
            content = _download(path, sha256, urls)
            write_file(path, content)
        return content
    except DownloadError:
        raise
    except OSError as error:
        why = getattr(error, "reason", error.strerror)
        raise CacheError(
            f"The folder for downloaded data, {path.parent}, can't be used ({why}): set GLASSGRAD_DATA to a folder "
            "that can be written."
        ) from None


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _download(path: Path, sha256: str, urls: Iterable[str]) -> bytes:
    import urllib.request  # imports a sixth of what this package does
    from http.client import HTTPException

    if sys.stderr.isatty():
        print(f"downloading {path.name}", file=sys.stderr)
    failures = []
    for url in urls:
        request = urllib.request.Request(url, headers={"User-Agent": "glassgrad"})
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT) as response:
                content: bytes = response.read(LIMIT)
            if _digest(content) == sha256:
                return content
            why: object = "it sent another file, or a part of it (the sha256 differs)"
        except (OSError, HTTPException) as error:
            why = getattr(error, "reason", error)
        failures.append(f"{urlsplit(url).hostname}: {why}")
    differs = f"your file {path} differs from the one that is wanted, and " if path.exists() else ""
    raise DownloadError(
        f"{differs}{path.name} could not be downloaded ({'; '.join(failures)}): check the network and try again, or "
        f"put the file with sha256 {sha256} at {path} yourself."
    )
