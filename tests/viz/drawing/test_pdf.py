"""A PDF drawn from the SVG of a picture: its size, its shapes, and text as wide as the layout took it for."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

pytest.importorskip("matplotlib")

from glassgrad import autograd as ag
from glassgrad import nn
from glassgrad.viz.drawing.pdf import _drawn, _patches, _width, pdf_of
from glassgrad.viz.graph.picture import draw_graph
from glassgrad.viz.plots.network import draw_network


@pytest.fixture(scope="module")
def svg():
    w = ag.Tensor(2.0, requires_grad=True, name="w")
    return draw_graph(ag.tanh(w * 0.5 + w), gradients=True).svg()


def test_one_page_of_the_size_of_the_picture(svg):
    content = pdf_of(svg)
    assert content.startswith(b"%PDF")
    width, height = map(float, re.search(r'viewBox="\S+ \S+ (\S+) (\S+)"', svg).groups())
    box = re.search(rb"/MediaBox \[ 0 0 (\S+) (\S+) \]", content)
    assert (float(box[1]), float(box[2])) == pytest.approx((width, height))
    assert content.count(b"/Type /Page\n") + content.count(b"/Type /Page ") == 1
    assert content == pdf_of(svg)


def test_every_shape_and_text_is_drawn_within_the_page(svg):
    network = draw_network(nn.MLP([2, 2, 1], seed=0), [1.0, -1.0], [0.5]).svg()
    for picture in (svg, network):
        root = ElementTree.fromstring(picture.encode())
        left, top, width, height = map(float, root.get("viewBox").split())
        tags = [element.tag.rpartition("}")[2] for element in root.iter()]
        found = list(_drawn(root, (0.0, 0.0)))
        for tag in ("polygon", "polyline", "path", "ellipse", "text"):
            assert tags.count(tag) == sum(drawn == tag for drawn, *_ in found), tag
        for tag, given, shift in found:
            for patch in _patches(tag, given, *shift):
                box = patch.get_path().get_extents(patch.get_patch_transform())
                assert box.x0 >= left - 1, given
                assert box.x1 <= left + width + 1, given
                assert box.y0 >= top - 1, given
                assert box.y1 <= top + height + 1, given


def test_text_is_no_wider_than_the_layout_took_it_for(svg):
    for tag, given, shift in _drawn(ElementTree.fromstring(svg.encode()), (0.0, 0.0)):
        if tag == "text" and given["said"].strip():
            (outline,) = _patches(tag, given, *shift)
            laid_out = _width(given["said"].rstrip(), given.get("font-weight") == "bold") * float(given["font-size"])
            drawn = outline.get_path().get_extents().x1 - float(given["x"]) - shift[0]
            assert drawn <= laid_out + 0.01, given["said"]


def test_the_widths_are_those_of_helvetica():
    assert _width("1234", bold=False) == pytest.approx(4 * 0.556)
    assert _width("W", bold=True) == pytest.approx(0.944)
