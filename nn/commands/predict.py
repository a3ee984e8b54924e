"""``predict``: classify picture files with a trained network."""

from __future__ import annotations

import io
from importlib import util
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from glassgrad import autograd as ag
from glassgrad.autograd.backends import to_numpy
from glassgrad.autograd.common.files import write_file
from glassgrad.nn.commands.images import read_image
from glassgrad.nn.commands.terminal import PROGRAM, Refused, reason
from glassgrad.nn.errors import printable
from glassgrad.nn.modules.module import Module
from glassgrad.nn.saving import load_metadata, load_model


def predict(
    model: Annotated[Path, {"type": Path, "metavar": "MODEL"}],
    images: Annotated[list[Path], {"type": Path, "nargs": "+", "metavar": "IMAGE"}],
    *,
    show: Annotated[Path | None, {"type": Path, "metavar": "FILE"}] = None,
) -> None:
    """Tell which digit each picture shows.

    It prints all probabilities. A picture shows one digit, dark on light or
    light on dark, in any size.

      python -m glassgrad.nn predict runs/digits/model.npz four.png seven.jpg

    Args:
        model: model.npz of a run
        images: picture files (PNG, JPEG, GIF, BMP, TIFF, WEBP, PPM)
        show: write a picture of what the network saw there, as PNG

    Raises `Refused` before anything is printed, or after the others for pictures that can't be read or are empty.
    """
    if util.find_spec("PIL") is None:
        raise Refused('reading pictures needs Pillow: pip install "glassgrad[demo]"')
    network, metadata = _load(model)
    classes = metadata["classes"]
    read, problems = {}, []
    for path in images:
        try:
            read[path] = read_image(path)
        except Refused as problem:
            problems.append(str(problem))
    if not read:
        raise Refused("; ".join(problems))
    inks = np.stack([*read.values()])
    with ag.no_grad():
        outputs = network.eval()(ag.asarray(inks.reshape(len(inks), -1), dtype="float32"))
        table = to_numpy((outputs if metadata["loss"] == "mse" else ag.softmax(outputs)).data)
    if table.shape != (len(inks), len(classes)):
        raise Refused(f"{model} gives {table.shape[-1]} numbers for {len(classes)} classes: train it again")
    if not np.isfinite(table).all():
        raise Refused(f"{model} gives numbers that are not finite: train it again")
    names = [printable(path) for path in read]
    wide = max(len("picture"), *map(len, names))
    print(f"{'picture':{wide}}  digit  " + "".join(f"{printable(name):>8}" for name in classes))
    for name, row in zip(names, table, strict=True):
        shares = "".join(f"{100 * p:6.1f} %" for p in row)
        print(f"{name:{wide}}  {printable(classes[row.argmax()]):>5}  {shares}")
    if show is not None:
        _show(inks, show)
    if problems:
        raise Refused("; ".join(problems))


def _show(inks: NDArray[np.bool_], path: Path) -> None:
    """Write a picture of the prepared inks, side by side in the order of the table."""
    from PIL import Image

    row = np.hstack([*np.pad(~inks, ((0, 0), (1, 1), (1, 1)))])  # white paper in black frames
    content = io.BytesIO()
    Image.fromarray(row).resize((8 * row.shape[1], 8 * row.shape[0])).save(content, "PNG")
    write_file(path, content.getvalue())
    print(f"{printable(path)} shows what the network saw")


def _load(path: Path) -> tuple[Module, dict[str, Any]]:
    """The network in the file, and the metadata that a run left with it."""
    try:
        metadata, network = load_metadata(path), load_model(path)
    except OSError as error:
        raise Refused(f"{path} cannot be read: {reason(error)}") from None
    classes = metadata.get("classes")
    named = isinstance(classes, list) and all(isinstance(name, str) for name in classes)
    if not named or "loss" not in metadata or metadata.get("data") != "digits":
        raise Refused(
            f"{path} does not come from `{PROGRAM} digits --data digits`, and pictures are prepared like its digits: "
            "give the model.npz of such a run"
        )
    return network, metadata
