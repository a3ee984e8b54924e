"""Pictures are prepared as the training digits were."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from glassgrad.nn.commands.images import read_image
from glassgrad.nn.commands.terminal import Refused
from glassgrad.nn.data.embedded import to_ink
from tests.measured import memory_below
from tests.nn.commands.helpers import grey, refused

DRAWN = {
    "light on dark": lambda ink, _: Image.fromarray(ink),
    "dark on light": lambda ink, _: Image.fromarray(255 - ink),
    "noise": lambda ink, rng: Image.fromarray((225 - 0.7 * ink + rng.normal(0, 6, ink.shape)).astype(np.uint8)),
    "low contrast": lambda ink, _: Image.fromarray((150 - ink // 4).astype(np.uint8)),
    "a shadow": lambda ink, _: Image.fromarray(((255 - ink) * np.linspace(1, 0.75, ink.shape[1])).astype(np.uint8)),
    "colours": lambda ink, _: Image.merge("RGB", [Image.fromarray(255 - ink // n) for n in (1, 2, 3)]),
    "dark on nothing": lambda ink, _: Image.merge("LA", [Image.fromarray(np.zeros_like(ink)), Image.fromarray(ink)]),
    "a palette": lambda ink, _: Image.fromarray(255 - ink).convert("P"),
    "one bit": lambda ink, _: Image.fromarray(255 - ink).convert("1"),
    "wide": lambda ink, _: Image.fromarray(np.pad(255 - ink, ((0, 0), (0, 900)), constant_values=255)),
    "small": lambda ink, _: Image.fromarray(ink).resize((24, 24), Image.Resampling.LANCZOS),
    "large": lambda ink, _: Image.fromarray(255 - ink).resize((3000, 3000)),
}


@pytest.mark.parametrize("look", DRAWN)
def test_predict_recognises_drawn_digits(look, data, tmp_path):
    rng = np.random.default_rng(0)
    for number in range(6):
        path = tmp_path / f"{number}.png"
        DRAWN[look](grey(data, number), rng).save(path)
        seen = data.x_test[number].reshape(16, 16) > 0
        assert (read_image(path) == seen).mean() > (0.9 if look == "small" else 0.97)


def test_a_picture_like_mnist_is_prepared_as_in_training(data, tmp_path):
    rng = np.random.default_rng(0)
    picture = np.zeros((28, 28), np.uint8)
    picture[4:24, 6:20] = rng.choice([20, 120, 255], (10, 7)).repeat(2, axis=0).repeat(2, axis=1)
    Image.fromarray(picture).save(tmp_path / "x.png")
    np.testing.assert_array_equal(read_image(tmp_path / "x.png"), to_ink(picture))


def test_a_thin_pen_is_read(small, data, tmp_path, capsys):
    """Scaled down to 16 pixels, a line of 4 in 900 would vanish."""
    line = np.zeros((900, 900), np.uint8)
    line[200:700, 448:452] = 255
    Image.fromarray(255 - line).save(tmp_path / "one.png")
    ink = read_image(tmp_path / "one.png")
    assert (ink.sum(axis=0) > 0).sum() in (1, 2, 3)
    assert ink.any(axis=1).all()


def test_a_turned_photo_is_turned_back(data, tmp_path):
    image = Image.fromarray(255 - grey(data, 0))
    exif = Image.Exif()
    exif[0x0112] = 6  # "turn by 90 degrees clockwise to see it"
    image.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "turned.jpg", exif=exif, quality=95)
    assert (read_image(tmp_path / "turned.jpg") == (data.x_test[0].reshape(16, 16) > 0)).mean() > 0.97


def test_a_blank_picture_is_refused(small, tmp_path, capsys):
    noise = np.random.default_rng(0).integers(-3, 4, (60, 60))
    for grey_of_paper in (200, 246 + noise):
        Image.fromarray(np.broadcast_to(grey_of_paper, (60, 60)).astype(np.uint8)).save(tmp_path / "x.png")
        sentence = refused(capsys, "predict", small / "model.npz", tmp_path / "x.png")
        assert sentence.endswith("x.png shows no digit: there is nothing darker or lighter than its background")


@pytest.mark.parametrize("kind", [np.uint16, np.float32])
def test_a_deep_picture_is_refused(kind, tmp_path):
    Image.fromarray(np.zeros((20, 20), kind)).save(tmp_path / "x.tif")
    with pytest.raises(Refused, match=r"x.tif has more than 8 bits for each pixel: save it with 8"):
        read_image(tmp_path / "x.tif")


def test_only_known_formats_are_opened(tmp_path, monkeypatch):
    """Pillow runs Ghostscript for EPS."""
    monkeypatch.setattr("subprocess.Popen", lambda *_, **__: pytest.fail("a program was started"))
    eps = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n"
    avif = b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf" + bytes(100)
    for content in (eps, avif, b"%PDF-1.4\n", b"\0\0\1\0\1\0" + bytes(99)):
        (tmp_path / "x.png").write_bytes(content)
        with pytest.raises(Refused, match=r"x\.png is not a picture: give one of PNG, JPEG, GIF, BMP, TIFF, WEBP, PPM"):
            read_image(tmp_path / "x.png")


def png_header(width, height):
    """A PNG file whose header claims a size, without any pixels."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    chunk = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    return b"\x89PNG\r\n\x1a\n" + chunk + struct.pack(">I", 10**6) + b"IDAT"


@pytest.mark.parametrize("size", [(5000, 4001), (10**5, 10**5)])
def test_the_size_is_checked_before_pixels_are_decoded(size, tmp_path):
    (tmp_path / "x.png").write_bytes(png_header(*size))
    with pytest.raises(Refused, match=r"pixels: give a picture of at most 20,000,000"):
        read_image(tmp_path / "x.png")


@pytest.mark.parametrize("mode", ["L", "RGBA", "P"])
def test_a_large_picture_takes_little_memory(mode, tmp_path):
    side = 3000
    image = Image.new("RGBA" if mode == "RGBA" else "L", (side, side), 255)
    image.paste("black", (side // 2, 300, side // 2 + 300, side - 300))
    image.convert(mode).save(tmp_path / "x.tif")
    with memory_below(16 * side * side):  # Pillow's own memory, up to 4 bytes a pixel, is not counted
        ink = read_image(tmp_path / "x.tif")
    assert ink.any(axis=1).all()
