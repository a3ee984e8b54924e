"""The public functions still draw all pictures; whether they are as good, eyes decide (`pictures.beside`)."""

from __future__ import annotations

import gzip
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.promises import pictures

pytest.importorskip("matplotlib")

QUICK = (
    "accumulation", "own_operation", "wrong_rule", "matrix_product", "softmax_cross_entropy", "training_difference",
    "scan", "hostile_names",
)  # fmt: skip


def svg(name: str, folder: Path) -> ElementTree.Element:
    """The root of a picture that is drawn anew."""
    pictures.PICTURES[name]().save(folder / f"{name}.svg")
    return ElementTree.parse(folder / f"{name}.svg").getroot()


def check(name: str, folder: Path) -> None:
    """A picture is well-formed SVG with a size, content, and no element that runs code."""
    root = svg(name, folder)
    tags = [element.tag.rpartition("}")[2] for element in root.iter()]
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert root.get("width")
    assert root.get("height")
    assert len(tags) > 20
    assert not {"script", "foreignObject"} & {*tags}


@pytest.mark.parametrize("name", QUICK)
def test_quick_pictures_are_drawn(name, tmp_path):
    check(name, tmp_path)


@pytest.mark.check
@pytest.mark.parametrize("name", [name for name in pictures.PICTURES if name not in QUICK])
def test_all_pictures_are_drawn(name, tmp_path):
    if name.startswith("onnx"):
        pytest.importorskip("onnx")
    check(name, tmp_path)


def test_every_picture_is_kept():
    for suffix in (".svgz", ".png"):
        assert {path.stem for path in pictures.KEPT.glob(f"*{suffix}")} == {*pictures.PICTURES}
    for path in pictures.KEPT.glob("*.svgz"):
        ElementTree.fromstring(gzip.decompress(path.read_bytes()))


def test_new_pictures_are_laid_beside_the_kept_ones(tmp_path, capsys):
    pictures.main(["accumulation", "--out", str(tmp_path), "--beside"])
    assert "accumulation" in capsys.readouterr().out
    (tmp_path / "accumulation.svg").write_text("<svg/>")
    page = pictures.beside(["accumulation"], tmp_path)
    assert page.count("data:image/svg+xml;base64,") == 2
    assert "Equal to the last byte: none." in page
    (tmp_path / "accumulation.svg").write_bytes(gzip.decompress((pictures.KEPT / "accumulation.svgz").read_bytes()))
    page = pictures.beside(["accumulation"], tmp_path)
    assert "Equal to the last byte: accumulation." in page
    assert "<img" not in page
