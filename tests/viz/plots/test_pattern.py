"""Pictures of sparse matrices."""

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad import viz
from glassgrad.viz.drawing.style import luminance

sparse = pytest.importorskip("scipy.sparse")


def chain(x):
    return ag.sum(x[1:] * x[:-1] ** 2)


def test_each_entry_is_a_square_in_the_colour_of_its_group():
    plot = viz.plot_pattern(ag.sparse_hessian(chain)(np.ones(20)), symmetric=True)
    assert plot.description == "Pattern: 20 × 20, 57 nonzeros, 3 groups of columns"
    (axes,) = plot.figure.axes
    assert all(place == round(place) for place in [*axes.get_xticks(), *axes.get_yticks()])
    (image,) = axes.images
    cells = image.get_array()
    assert (cells >= 0).sum() == 57
    assert len({tuple(np.unique(column[column >= 0])) for column in cells.T}) == 3
    assert [int(text.get_text()) - 1 for text in axes.texts] == [c for c in cells.reshape(-1).tolist() if c >= 0]


def test_groups_differ_in_lightness():
    (axes,) = viz.plot_pattern(sparse.eye_array(30) + sparse.eye_array(30, k=1)).figure.axes
    assert not axes.texts, "too many squares for numbers"
    paper, first, second = axes.images[0].get_cmap().colors
    assert min(abs(luminance(a) - luminance(b)) for a, b in ((paper, first), (paper, second), (first, second))) > 0.04


def test_shapes_at_the_ends(tmp_path):
    viz.plot_pattern(sparse.csr_array((2, 9))).save(tmp_path / "empty.svg")
    viz.plot_pattern(sparse.csr_array(np.ones((40, 1)))).save(tmp_path / "column.png")
    one = viz.plot_pattern(sparse.csr_array([[1.0]]))
    assert one.description == "Pattern: 1 × 1, 1 nonzero, 1 group of columns"
