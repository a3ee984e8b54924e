"""Strips, thumbnails, pictures and gauges: how many cells, and how dark."""

from __future__ import annotations

import re

import numpy as np
import pytest

from glassgrad.viz.drawing import marks, style
from glassgrad.viz.drawing.style import LIGHT
from tests.viz.laid_out import printed


def grounds(label):
    """The colours of the cells, row by row."""
    rows = re.findall("<TR>(.*?)</TR>", printed(label))
    return [re.findall('BGCOLOR="(#[0-9a-f]{6})"', line) for line in rows]


def test_strip_has_a_cell_per_bin_and_darkest_where_most_are():
    (cells,) = grounds(marks.strip(np.array([0.0] * 50 + [1.0] * 2)))
    assert len(cells) == style.STRIP_BINS
    assert cells[0] == style.VALUE_RAMP[-1]
    assert cells[1] == style.VALUE_RAMP[0]
    assert cells[-1] != style.VALUE_RAMP[0]  # two of fifty still show


def test_thumbnail_has_at_most_ten_by_twenty_six_cells():
    cells = grounds(marks.thumbnail(np.ones((500, 256))))
    assert (len(cells), len(cells[0])) == (10, 26)
    assert {c for line in cells for c in line} == {style.GRAD_RAMP[-1]}


def test_thumbnail_marks_what_is_not_finite():
    cells = grounds(marks.thumbnail(np.array([[1.0, np.nan, 0.0]])))
    assert cells == [[style.GRAD_RAMP[-1], LIGHT.bad, style.GRAD_RAMP[0]]]


def test_image_runs_from_its_smallest_to_its_largest_value():
    cells = grounds(marks.image(np.array([[-1.0, 0.0], [1.0, 1.0]]), side=10))
    assert cells == [[style.VALUE_RAMP[0], style.VALUE_RAMP[3]], [style.VALUE_RAMP[-1]] * 2]
    assert marks.image_size(np.zeros((8, 16)), 130) == (130, 66)


@pytest.mark.parametrize(
    ("rms", "filled"),
    [
        (0.0, 0),
        (1e-9, 0),
        (1e-7, 0),
        (1e-6, 12),
        (3.2e-5, 30),
        (0.034, 66),
        (0.19, 75),
        (1.0, 84),
        (1e5, 84),
        (np.nan, 0),
    ],
)
def test_gauge_is_a_bar_on_a_log_scale(rms, filled):
    bar = re.findall(r'WIDTH="(\d+)" HEIGHT="9" FIXEDSIZE="true" BGCOLOR="([^"]*)"', printed(marks.gauge(rms)))
    lengths = {colour: sum(int(width) for width, own in bar if own == colour) for _, colour in bar}
    assert lengths.get(LIGHT.grad, 0) == filled
    assert lengths.get(LIGHT.paper, 0) == 84 - filled


def test_channels_stand_side_by_side_and_a_gradient_has_the_places_of_its_values():
    array = np.arange(2 * 6 * 36.0).reshape(2, 6, 6, 6) - 40
    for gradient in (False, True):
        label, drawn, of = marks.maps(array, gradient)
        assert (drawn, of) == (4, 6)
        assert printed(label).count("<TABLE") == 1 + 4
        assert printed(label).count('FIXEDSIZE="true"') == 4 * 37
    assert marks.maps(array[:, :1])[1:] == (2, 2)  # of one channel, the examples
    assert marks.maps(np.zeros((6, 3))) is marks.maps(np.zeros((40, 40))) is marks.maps(np.zeros(6)) is None
