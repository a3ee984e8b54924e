"""Filters and feature maps as tiles."""

from __future__ import annotations

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad import nn, viz
from glassgrad.viz.drawing import style

pytest.importorskip("matplotlib", reason="the extra `plots` is not installed")


def tiles(plot):
    return [axes for axes in plot.figure.axes if (axes.get_gid() or "").startswith("tile_")]


def texts(plot):
    return [text.get_text() for text in plot.figure.texts]


def test_a_tile_per_filter_on_one_scale_on_which_entries_that_are_not_finite_stand_out():
    weight = np.zeros((3, 1, 2, 2))
    weight[0, 0], weight[1, 0, 0, 0] = [[1.0, -1.0], [np.inf, np.nan]], -0.25
    plot = viz.plot_filters(weight)
    first, second, third = (axes.get_images()[0] for axes in tiles(plot))
    assert first.get_clim() == second.get_clim() == third.get_clim() == (-1, 1)
    assert len({tuple(image.cmap.colors) for image in (first, second, third)}) == 1
    assert first.get_array().mask.tolist() == [[False, False], [True, True]]
    assert tiles(plot)[0].patch.get_hatch()
    below = "faintest = most negative, middle = 0, strongest = most positive, up to 1; crossed = not finite"
    assert below in texts(plot)


def test_signed_colours_keep_the_sign_in_grey():
    for gradient in (False, True):
        light = [style.luminance(colour) for colour in style.signed_ramp(gradient)]
        assert light == sorted(light, reverse=True)


class TestFeatureMaps:
    def model(self):
        layers = nn.Conv2d(1, 10, 3, seed=0), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(90, 2, seed=1)
        return nn.Sequential(*layers)

    def test_a_row_per_layer_with_space(self, tmp_path):
        x = np.random.default_rng(0).normal(size=(2, 1, 8, 8)).astype(np.float32)
        plot = viz.plot_feature_maps(self.model(), x)
        assert len(tiles(plot)) == 1 + 3 * 8
        assert {"0  Conv2d", "1  ReLU", "2  MaxPool2d"} <= set(texts(plot))
        assert plot.save(tmp_path / "maps.png").stat().st_size > 1000

    def test_a_layer_whose_result_is_flattened_is_one_of_them(self):
        layer, x = nn.Conv2d(1, 2, 3, seed=0), np.ones((1, 1, 6, 6), np.float32)
        plot = viz.plot_feature_maps(lambda x: nn.functional.relu(layer(x)).flatten(1), x)
        assert repr(plot).endswith("Conv2d (2, 4, 4), ReLU (2, 4, 4)')")

    def test_one_layer_has_all_its_channels(self):
        x = ag.Tensor(np.ones((1, 1, 8, 8), np.float32), name="x")
        assert len(tiles(viz.plot_feature_maps(self.model(), x, layer="0"))) == 10
