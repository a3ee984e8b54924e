"""A picture as PDF without a Graphviz on the system: the SVG of the engine, drawn again by matplotlib."""

from __future__ import annotations

import io
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from glassgrad.viz.drawing.fonts import families

if TYPE_CHECKING:
    from collections.abc import Iterator

_NUMBER = re.compile(r"-?\d+\.?\d*(?:e-?\d+)?")


def pdf_of(svg: str) -> bytes:
    """The PDF of a picture's SVG, as Graphviz writes it: polygons, curves, ellipses and text.

    Text becomes outlines of the width that the layout assumed, whatever font is installed. Raises `ModuleNotFoundError`
    without matplotlib.
    """
    from matplotlib.figure import Figure

    root = ElementTree.fromstring(svg.encode())
    left, top, width, height = _numbers(root.get("viewBox", ""))
    figure = Figure(figsize=(width / 72, height / 72))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set_xlim(left, left + width)
    axes.set_ylim(top + height, top)
    for tag, given, (dx, dy) in _drawn(root, (0.0, 0.0)):
        for patch in _patches(tag, given, dx, dy):
            axes.add_patch(patch)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="pdf", metadata={"CreationDate": None})
    return buffer.getvalue()


def _numbers(words: str) -> list[float]:
    return [float(x) for x in _NUMBER.findall(words)]


def _drawn(
    element: ElementTree.Element, shift: tuple[float, float]
) -> Iterator[tuple[str, dict[str, Any], tuple[float, float]]]:
    """The shapes and texts in the order of drawing, each with its attributes and its shift."""
    moved = re.search(r"translate\(([^)]*)\)", element.get("transform", ""))
    if moved:
        dx, dy = _numbers(moved[1])
        shift = shift[0] + dx, shift[1] + dy
    for child in element:
        tag = child.tag.rpartition("}")[2]
        if tag in ("polygon", "polyline", "path", "ellipse", "text"):
            yield tag, {**child.attrib, "said": child.text or ""}, shift
        elif tag in ("g", "a"):
            yield from _drawn(child, shift)


def _patches(tag: str, given: dict[str, Any], dx: float, dy: float) -> Iterator[Any]:
    from matplotlib.patches import Ellipse, PathPatch
    from matplotlib.path import Path as Curve

    if tag == "text":
        yield from _text(given, dx, dy)
        return
    look = _look(given)
    if tag == "ellipse":
        x, y, across, down = (float(given[name]) for name in ("cx", "cy", "rx", "ry"))
        yield Ellipse((x + dx, y + dy), 2 * across, 2 * down, **look)
        return
    values = _numbers(given["d" if tag == "path" else "points"])
    points = [(x + dx, y + dy) for x, y in zip(values[::2], values[1::2], strict=True)]
    if tag == "path":  # Graphviz writes one M, then Bézier curves only
        codes = [Curve.MOVETO, *[Curve.CURVE4] * (len(points) - 1)]
    else:
        codes = [Curve.MOVETO, *[Curve.LINETO] * (len(points) - 1)]
        if tag == "polygon":
            codes[-1] = Curve.CLOSEPOLY  # the last point repeats the first
    yield PathPatch(Curve(points, codes), **look)


def _look(given: dict[str, Any]) -> dict[str, Any]:
    width = float(given.get("stroke-width", 1))
    look = {"facecolor": given.get("fill", "black"), "edgecolor": given.get("stroke", "none"), "linewidth": width}
    if dashes := given.get("stroke-dasharray"):
        look["linestyle"] = (0, [n / width for n in _numbers(dashes)])  # matplotlib's unit is the line's width
    return look


@cache
def _widths(bold: bool) -> dict[str, float]:
    """The width of each ASCII character of Helvetica as a share of the type size, from matplotlib's font metrics."""
    import matplotlib

    name = f"Helvetica{'-Bold' if bold else ''}.afm"
    metrics = (Path(matplotlib.get_data_path()) / "fonts/pdfcorefonts" / name).read_text("latin-1")
    found = re.findall(r"^C (\d+) ; WX (\d+)", metrics, flags=re.MULTILINE)
    return {chr(int(code)): int(width) / 1000 for code, width in found if int(code) < 127} | {"'": 0.191, "`": 0.333}


def _width(said: str, bold: bool) -> float:
    return sum(_widths(bold).get(character, 0.556) for character in said)


def _text(given: dict[str, Any], dx: float, dy: float) -> Iterator[Any]:
    from matplotlib.font_manager import FontProperties
    from matplotlib.patches import PathPatch
    from matplotlib.textpath import TextPath
    from matplotlib.transforms import Affine2D

    said, size = given["said"], float(given["font-size"])
    if not said.strip():
        return
    font = FontProperties(
        family=families(said)[0], style=given.get("font-style", "normal"), weight=given.get("font-weight", "normal")
    )
    outline = TextPath((0, 0), said.replace("$", r"\$"), size=size, prop=font)
    drawn, laid_out = float(outline.get_extents().x1), _width(said.rstrip(), font.get_weight() == "bold") * size
    narrower = min(1.0, laid_out / drawn) if drawn > 0 else 1.0
    place = Affine2D().scale(narrower, -1).translate(float(given["x"]) + dx, float(given["y"]) + dy)
    yield PathPatch(outline.transformed(place), facecolor=given.get("fill", "black"), linewidth=0)
