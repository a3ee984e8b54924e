"""Index formulas: what is written, computed entry by entry, is what the engine computes."""

from __future__ import annotations

import math

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad.viz.recorded.notation.windows import formula, geometry

RNG = np.random.default_rng(0)


def computed(found, arrays):
    """The values of a formula, from its terms."""
    join = max if found.kind == "max" else sum
    entries = found.terms(arrays)
    products = ([math.prod(arrays[arg].flat[at] for arg, at in term) for term in terms] for terms in entries)
    return np.reshape([join(part) if part else 0.0 for part in products], found.shape)


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


@pytest.mark.parametrize(("x_shape", "w_shape", "stride", "padding", "dilation", "groups"), CONVOLUTIONS)
def test_convolutions_and_both_derivatives(x_shape, w_shape, stride, padding, dilation, groups):
    x, w, b = (RNG.normal(size=shape) for shape in (x_shape, w_shape, w_shape[:1]))
    params = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    xt, wt, bt = (ag.Tensor(a, requires_grad=True) for a in (x, w, b))
    y = ag.conv(xt, wt, bt, **params)
    forward = formula("conv", {"x": x.shape, "weight": w.shape, "bias": b.shape}, {**params, "space": None})
    assert np.allclose(computed(forward, {"x": x, "weight": w, "bias": b}), y.data)
    g = RNG.normal(size=y.shape)
    dx, dw = ag.gradients(y, (xt, wt), ag.Tensor(g))
    by_weight = formula("conv_weight", {"x": x.shape, "y": g.shape}, {**params, "size": w.shape[2:]})
    assert np.allclose(computed(by_weight, {"x": x, "y": g}), dw.data)
    by_input = formula("conv_input", {"y": g.shape, "weight": w.shape}, {**params, "space": x.shape[2:]})
    assert np.allclose(computed(by_input, {"y": g, "weight": w}), dx.data)


POOLS = [
    ((2, 2, 6), 2, None, 0, 1),
    ((1, 2, 5, 6), (2, 3), (1, 2), ((0, 1), (1, 1)), 1),
    ((1, 1, 7, 7), 2, 2, 1, 2),
    ((1, 1, 4, 4, 4), 2, 1, 0, 1),
]


@pytest.mark.parametrize(("shape", "size", "stride", "padding", "dilation"), POOLS)
@pytest.mark.parametrize("name", ["max_pool", "sum_pool"])
def test_pooling_and_its_derivative(name, shape, size, stride, padding, dilation):
    x = RNG.integers(0, 5, size=shape).astype(float)  # with ties, where the first one counts
    params = {"size": size, "stride": stride, "padding": padding, "dilation": dilation}
    t = ag.Tensor(x, requires_grad=True)
    y = ag.OPS[name](t, **params)
    assert np.allclose(computed(formula(name, {"x": shape}, params), {"x": x}), y.data)
    g = RNG.normal(size=y.shape)
    dx = ag.gradients(y, t, ag.Tensor(g))
    if name == "max_pool":
        back = formula("max_unpool", {"y": g.shape, "x": shape}, params)
        assert np.allclose(computed(back, {"y": g, "x": x}), dx.data)
        again = ag.OPS["at_max"](ag.Tensor(x * 2), t, **params)
        picked = formula("at_max", {"y": shape, "x": shape}, params)
        assert np.allclose(computed(picked, {"y": x * 2, "x": x}), again.data)
    else:
        back = formula("sum_unpool", {"y": g.shape}, {**params, "space": shape[2:]})
        assert np.allclose(computed(back, {"y": g}), dx.data)


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
    read = {(at, place, tap) for place in np.ndindex(g.out) for tap, at, inside in g.window(place) if inside}
    reached = {(point, place, tap) for point in np.ndindex(g.space) for place, tap in g.reached(point)}
    assert read == reached
