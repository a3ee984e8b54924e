"""Index formulas as they are written, and the windows that a point is in."""

from __future__ import annotations

import numpy as np
import pytest

from glassgrad.viz.recorded.notation.windows import formula, geometry

CONVOLUTIONS = [
    # shape of x, shape of the weight, stride, padding, dilation, groups
    ((2, 3, 6), (4, 3, 3), 1, 0, 1, 1),
    ((1, 2, 7), (2, 2, 2), 3, 1, 2, 1),
    ((2, 1, 5, 6), (2, 1, 3, 3), 2, 1, 1, 1),
    ((1, 2, 6, 5), (3, 2, 2, 3), (1, 2), ((0, 1), (2, 0)), (2, 1), 1),
    ((1, 4, 5, 5), (6, 2, 3, 3), 1, 1, 1, 2),
    ((2, 3, 5, 5), (3, 1, 3, 3), 2, 1, 1, 3),
    ((1, 2, 5, 4), (4, 1, 2, 2), 1, 0, 1, 2),
    ((1, 2, 4, 4, 3), (2, 2, 2, 2, 2), (1, 2, 1), 1, 1, 1),
]


@pytest.mark.parametrize(
    ("name", "shapes", "params", "written"),
    [
        (
            "conv_weight", {"x": (2, 3, 8, 8), "y": (2, 4, 4, 4)}, {"size": (3, 3), "stride": 2, "padding": 1},
            "R[o,c,i,j] = Σ_{n,p,q} G[n,o,p,q] · x[n,c,2p+i-1,2q+j-1]",
        ),
        (
            "conv_input", {"y": (2, 4, 6, 6), "weight": (4, 3, 3, 3)}, {"space": (8, 8)},
            "R[n,c,u,v] = Σ_{o,i,j} G[n,o,u-i,v-j] · W[o,c,i,j]",
        ),
        (
            "conv_input", {"y": (2, 4, 4), "weight": (4, 3, 3)}, {"space": (8,), "stride": 2, "padding": 1},
            "R[n,c,u] = Σ_{o,i,p: 2p+i-1=u} G[n,o,p] · W[o,c,i]",
        ),
        (
            "conv", {"x": (1, 4, 5, 5), "weight": (6, 2, 3, 3)}, {"groups": 2, "dilation": 2},
            "R[n,o,p,q] = Σ_{c,i,j} W[o,c,i,j] · x[n,2·(o//3)+c,p+2i,q+2j]",
        ),
        (
            "conv", {"x": (1, 3, 5, 5), "weight": (3, 1, 3, 3)}, {"groups": 3},
            "R[n,o,p,q] = Σ_{i,j} W[o,0,i,j] · x[n,o,p+i,q+j]",
        ),
        ("max_pool", {"x": (1, 1, 6, 6)}, {"size": 2}, "R[n,c,p,q] = max_{i,j} x[n,c,2p+i,2q+j]"),
        (
            "max_unpool", {"x": (1, 1, 6), "y": (1, 1, 3)}, {"size": 2},
            "R[n,c,u] = Σ_{p: window p of x is largest at u} G[n,c,p]",
        ),
    ],
)  # fmt: skip
def test_how_they_are_written(name, shapes, params, written):
    assert formula(name, shapes, params).text("R", {"x": "x", "y": "G", "weight": "W"}) == written


def test_other_operations_have_none():
    assert formula("linear", {"x": (1, 2)}, {}) is None


@pytest.mark.parametrize(("x_shape", "w_shape", "stride", "padding", "dilation", "groups"), CONVOLUTIONS)
def test_a_point_reaches_the_outputs_whose_windows_contain_it(x_shape, w_shape, stride, padding, dilation, groups):
    params = {"stride": stride, "padding": padding, "dilation": dilation}
    g = geometry("conv", {"x": x_shape, "weight": w_shape}, params)
    read = {(at, place, tap) for place in np.ndindex(g.counts) for tap, at, inside in g.window(place) if inside}
    reached = {(point, place, tap) for point in np.ndindex(g.space) for place, tap in g.reached(point)}
    assert read == reached
