"""Ask a trained network about picture files: any size, dark on light or light on dark, one digit in each."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from importlib import util
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import autograd as ag
from autograd.backends import to_numpy
from autograd.errors import AutogradError
from autograd.messages import shown
from nn.commands.digits import Refused, reason
from nn.data.ink import SIZE, to_ink
from nn.modules.module import Module
from nn.saving import load_metadata, load_model

CONTRAST = 40  # of 255: less than this between ink and paper is noise
FAINT = (0.05, 0.4)  # of the contrast: what is less is paper with its grain and shadows, which the border tells
LARGE = 16 * SIZE  # pixels: what is larger is scaled down first
THIN, STROKE = 0.08, 0.12  # of the longer side of the ink: a pen thinner than nearly all of MNIST's is widened


def predict(model: Path, images: Sequence[Path]) -> None:
    """Print what ``model`` sees in each picture, and how sure it is. Raises `Refused` before anything is printed."""
    if util.find_spec("PIL") is None:
        raise Refused("reading pictures needs Pillow: pip install 'glassgrad[demo]'")
    network, facts = _load(model)
    inks = np.stack([read(path) for path in images])
    with ag.no_grad():
        try:
            outputs = network.eval()(ag.asarray(inks.reshape(len(inks), -1), dtype="float32"))
            table = to_numpy((outputs if facts["loss"] == "mse" else ag.softmax(outputs)).data)
        except AutogradError as error:
            raise Refused(f"{model} is no network for pictures of {SIZE} × {SIZE}: {str(error).rstrip('.')}") from None
    if table.shape != (len(inks), len(facts["classes"])):
        raise Refused(f"{model} answers with {table.shape[-1]} numbers, and names {len(facts['classes'])} classes")
    wide = max(len("picture"), *(len(str(path)) for path in images))
    print(f"{'picture':{wide}}  digit  " + "".join(f"{name:>8}" for name in facts["classes"]))
    for path, row in zip(images, table, strict=True):
        shares = "".join(f"{100 * p:6.1f} %" for p in row)
        print(f"{path!s:{wide}}  {facts['classes'][row.argmax()]:>5}  {shares}")


def _load(path: Path) -> tuple[Module, dict[str, Any]]:
    """The network in the file and the facts that `nn.commands.digits` left with it."""
    try:
        facts, network = load_metadata(path), load_model(path)
    except OSError as error:
        raise Refused(f"{path} cannot be read: {reason(error)}") from None
    except AutogradError as error:
        raise Refused(str(error).rstrip(".")) from None
    if not {"data", "loss", "classes"} <= set(facts):
        raise Refused(f"{path} does not come from `python -m nn digits`, so what it wants to see is not known")
    if not isinstance(facts["classes"], list) or not all(isinstance(name, str) for name in facts["classes"]):
        raise Refused(f"{path} names no classes: {shown(facts['classes'])}")
    if facts["data"] != "digits":
        raise Refused(
            f"{path} has learned from {facts['data']}; pictures are prepared as the digits inside the package were, "
            "so give a model that was trained on --data digits"
        )
    return network, facts


def read(path: Path) -> NDArray[np.bool_]:
    """The picture in a file as the network has learned to see one: (16, 16), True = ink. Raises `Refused`."""
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with warnings.catch_warnings(action="ignore"), Image.open(path) as image:  # Pillow's, of what is said here
            grey = _grey(ImageOps.exif_transpose(image))
    except UnidentifiedImageError:
        raise Refused(f"{path} is no picture that Pillow reads") from None
    except Image.DecompressionBombError:
        raise Refused(f"{path} is too large a picture for one digit") from None
    except OSError as error:
        raise Refused(f"{path} cannot be read: {reason(error)}") from None
    except (ValueError, SyntaxError, TypeError, EOFError, IndexError, OverflowError):
        raise Refused(f"{path} is a damaged picture") from None
    try:
        return to_ink(_widened(_ink(grey)))
    except AutogradError:
        raise Refused(f"{path} shows no digit: there is nothing darker or lighter than its background") from None


def _grey(image: Any) -> NDArray[np.float64]:
    """Brightness, 0 to 255, scaled down where the picture is large."""
    from PIL import Image

    if image.mode.startswith(("I", "F")):
        values = np.nan_to_num(np.asarray(image, float), posinf=0.0, neginf=0.0)
        # Of as many bits as the brightest takes, or from 0 to 1: the range that they happen to span would make contrast
        # of noise.
        low, high = min(values.min(), 0.0), 2.0 ** np.ceil(np.log2(max(values.max(), 1.0) + 1)) - 1
        image = Image.fromarray((255 * (values - low) / (high - low)).astype(np.uint8))
    if "transparency" in image.info or image.mode in ("RGBA", "LA", "PA", "La", "RGBa"):
        image = image.convert("RGBA")
        drawn, opaque = np.asarray(image.convert("L"), float), np.asarray(image.getchannel("A"), float) / 255
        ground = 0 if (drawn * opaque).sum() > 128 * opaque.sum() else 255
        image = Image.fromarray((drawn * opaque + ground * (1 - opaque)).round().astype(np.uint8))
    image = image.convert("L")
    image.thumbnail((LARGE, LARGE), Image.Resampling.BOX)
    return np.asarray(image, float)


def _ink(grey: NDArray[np.float64]) -> NDArray[np.uint8]:
    """0 = paper, 255 = full ink: how far a pixel is from the paper, which is what the border mostly shows."""
    border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    paper = np.median(border)
    darker, lighter = paper - grey.min(), grey.max() - paper
    contrast = max(darker, lighter)
    if contrast < CONTRAST:
        return np.zeros(grey.shape, np.uint8)
    ink = np.clip((paper - grey if darker > lighter else grey - paper) / contrast, 0, 1)
    faint = np.clip(5 * np.percentile(np.abs(border - paper), 90) / contrast, *FAINT)
    return np.where(ink < faint, 0, 255 * ink).astype(np.uint8)


def _widened(ink: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The same with strokes at least as wide as a pen's in the training data; scaled down, thin ones would vanish."""
    from PIL import Image, ImageFilter

    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    if not rows.size:
        return ink
    ink = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    if stroke(ink > 127) >= THIN * max(ink.shape):
        return ink
    scale = max(1.0, 4 * SIZE / max(ink.shape))  # room for a stroke to grow in steps that are small beside it
    height, width = (max(1, round(side * scale)) for side in ink.shape)
    ink = np.asarray(Image.fromarray(ink).resize((width, height), Image.Resampling.BICUBIC))
    lacking = round((STROKE * max(ink.shape) - stroke(ink > 127)) / 2)  # on either side of the stroke
    grown = Image.fromarray(np.pad(ink, lacking))
    for _ in range(lacking):
        grown = grown.filter(ImageFilter.MaxFilter(3))
    return np.asarray(grown)


def stroke(ink: NDArray[np.bool_]) -> float:
    """The width of the pen, in pixels: a line of that width has its area over half its outline."""
    padded = np.pad(ink, 1)
    outline = (padded[1:] != padded[:-1]).sum() + (padded[:, 1:] != padded[:, :-1]).sum()
    return float(2 * ink.sum() / outline * 4 / np.pi) if outline else 0.0
