"""Pictures of digits as files: of any size, dark on light or light on dark, with one digit each."""

from __future__ import annotations

import io
import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glassgrad.autograd.common.files import read_file
from glassgrad.autograd.errors import DomainError
from glassgrad.nn.commands.terminal import Refused, reason
from glassgrad.nn.data.embedded import SIZE, to_ink

FORMATS = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM")
"""Formats to open. Some others that Pillow knows run programs, such as Ghostscript for EPS."""

MAX_BYTES, MAX_PIXELS = 64 * 2**20, 20_000_000
CONTRAST = 40  # of 255: a smaller difference between ink and paper is noise
FAINT = (0.05, 0.4)  # bounds of the threshold, as a fraction of the contrast, below which grain and shadows are removed
LARGE = 16 * SIZE  # pixels: larger pictures are scaled down first
# As fractions of the ink's longer side: strokes thinner than THIN (MNIST has almost none) are widened to STROKE.
THIN, STROKE = 0.08, 0.12


def read_image(path: Path) -> NDArray[np.bool_]:
    """The picture in a file, prepared as the training digits were: (16, 16), True = ink. Raises `Refused`."""
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        content = io.BytesIO(read_file(path, MAX_BYTES))
        with warnings.catch_warnings(action="ignore"), Image.open(content, formats=FORMATS) as image:
            if math.prod(image.size) > MAX_PIXELS:
                raise Image.DecompressionBombError
            if image.mode.startswith(("I", "F")):
                raise Refused(f"{path} has more than 8 bits for each pixel: save it with 8, as photographs are")
            grey = _grey(ImageOps.exif_transpose(image))
        return to_ink(_widen(_ink(grey)))
    except UnidentifiedImageError:
        raise Refused(f"{path} is not a picture: give one of {', '.join(FORMATS)}") from None
    except Image.DecompressionBombError:
        raise Refused(f"{path} has too many pixels: give a picture of at most {MAX_PIXELS:,}") from None
    except DomainError:
        raise Refused(f"{path} shows no digit: there is nothing darker or lighter than its background") from None
    except OSError as error:
        raise Refused(f"{path} cannot be read: {reason(error)}") from None
    except (ValueError, SyntaxError, TypeError, EOFError, IndexError, OverflowError, RuntimeError, MemoryError):
        raise Refused(f"{path} is a damaged picture") from None


def _grey(image: Any) -> NDArray[np.float64]:
    """Brightness, 0 to 255, on white paper, scaled down if the picture is large."""
    from PIL import Image

    image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    image.thumbnail((LARGE, LARGE), Image.Resampling.BOX)
    image = image.convert("RGBA")
    return np.asarray(Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("L"), float)


def _ink(grey: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Distance from the paper, 0 = paper to 255 = full ink."""
    apart = grey - _paper(grey)
    contrast = np.abs(apart).max()
    if contrast < CONTRAST:
        return np.zeros(grey.shape, np.uint8)
    ink = np.clip((-apart if -apart.min() > apart.max() else apart) / contrast, 0, 1)
    border = np.concatenate([apart[0], apart[-1], apart[:, 0], apart[:, -1]])
    faint = np.clip(5 * np.percentile(np.abs(border), 90) / contrast, *FAINT)
    return np.where(ink < faint, 0, 255 * ink).astype(np.uint8)


def _paper(grey: NDArray[np.float64]) -> NDArray[np.float64]:
    """The grey of the paper at each pixel, where light may fall from one side: a plane through the border.

    What lies far from it, such as strokes that reach the border, is left out and the plane fitted again.
    """
    plane = np.stack([np.ones(grey.shape), *np.indices(grey.shape)], axis=-1)
    edge = np.ones(grey.shape, bool)
    edge[1:-1, 1:-1] = False
    points, values = plane[edge], grey[edge]
    paper = np.array([np.median(values), 0.0, 0.0])
    for _ in range(3):
        far = np.abs(points @ paper - values)
        near = far <= max(3 * np.median(far), 1.0)
        paper = np.linalg.lstsq(points[near], values[near], rcond=None)[0]
    return plane @ paper  # type: ignore[no-any-return]


def _widen(ink: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """``ink`` with strokes at least as wide as in the training data, as thin ones would vanish when scaled down."""
    from PIL import Image, ImageFilter, ImageOps

    image = Image.fromarray(ink)
    image = image.crop(image.getbbox())
    if stroke_width(image) < THIN * max(image.size):
        missing = round((STROKE * max(image.size) - stroke_width(image)) / 2)  # on either side of the stroke
        image = ImageOps.expand(image, missing).filter(ImageFilter.MaxFilter(2 * missing + 1))
    return np.asarray(image)


def stroke_width(image: Any) -> float:
    """Width of the pen in pixels: area over half the outline, as for a line of that width."""
    padded = np.pad(np.asarray(image) > 127, 1)
    outline = (padded[1:] != padded[:-1]).sum() + (padded[:, 1:] != padded[:, :-1]).sum()
    return float(2 * padded.sum() / outline * 4 / np.pi) if outline else 0.0
