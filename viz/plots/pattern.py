"""The pattern of a sparse Jacobian or Hessian, with the columns that are computed together in one colour."""

from __future__ import annotations

from typing import Any

import numpy as np

from glassgrad.autograd.common.validation import refused
from glassgrad.autograd.readings.patterns import groups_of_columns
from glassgrad.viz.drawing import numbers, style
from glassgrad.viz.drawing.errors import DrawingError
from glassgrad.viz.drawing.style import LIGHT
from glassgrad.viz.plots.figure import Plot, axes_at, colour_map, plain_axes, titled_figure

SIDE = 4.0  # inches
MOST = 5_000  # rows or columns
NUMBERED = 24  # rows or columns up to which the squares have the number of their group


def plot_pattern(matrix: Any, *, symmetric: bool = False) -> Plot:
    """The entries of a sparse matrix as squares; columns that are computed together, by one tangent, have one colour.

    ``matrix``: what `autograd.sparse_jacobian` or `autograd.sparse_hessian` returned, or any sparse array of SciPy's.
    ``symmetric``: whether it is a Hessian, which takes fewer groups. Groups differ in lightness, too, and squares of a
    small matrix have their number. Needs SciPy and matplotlib.

    Raises `DrawingError` for a matrix with more than 5,000 rows or columns, and for ``symmetric`` of one that is not
    square.

    >>> from glassgrad import autograd as ag, viz
    >>> H = ag.sparse_hessian(lambda x: (x[1:] * x[:-1] ** 2).sum())([1.0, 2.0, 3.0, 4.0])
    >>> viz.plot_pattern(H, symmetric=True)
    Plot('Pattern: 4 × 4, 9 nonzeros, 3 groups of columns')
    """
    if not hasattr(matrix, "tocoo"):
        raise refused(matrix, "matrix", "a sparse array, such as sparse_jacobian returns")
    if max(matrix.shape) > MOST:
        raise DrawingError(f"a pattern of {matrix.shape[0]} × {matrix.shape[1]} is too fine to be seen: plot a part")
    if symmetric and matrix.shape[0] != matrix.shape[1]:
        raise DrawingError(f"a matrix of {matrix.shape[0]} × {matrix.shape[1]} is not symmetric: leave symmetric= out")
    groups, there = groups_of_columns(matrix, symmetric), matrix.tocoo()
    rows, columns, (height, width) = there.row, there.col, matrix.shape
    count = len({*groups[columns].tolist()})
    said = f"{height} × {width}, {numbers.counted(rows.size, 'nonzero')}, {numbers.counted(count, 'group')} of columns"
    ground = style.ramp(style.mix(LIGHT.fwd, LIGHT.ink, 0.6), style.mix(LIGHT.fwd, LIGHT.paper, 0.7), max(count, 2))
    cells = np.full((height, width), -1)
    cells[rows, columns] = groups[columns]
    wide, tall = (SIDE * n / max(matrix.shape) for n in (width, height))
    with titled_figure(wide + 1.2, tall + 1.4, "Pattern", f"{said}; one number or shade = one group") as figure:
        axes = axes_at(figure, 0.7, 0.5, wide, tall)
        plain_axes(axes, below="columns", beside="rows")
        axes.grid(visible=False)
        axes.locator_params(integer=True, min_n_ticks=1)  # rows and columns are counted
        axes.imshow(cells, cmap=colour_map([LIGHT.paper, *ground]), vmin=-1, vmax=len(ground) - 1, aspect="auto")
        if max(matrix.shape) <= NUMBERED:
            for i, j in zip(rows, columns, strict=True):
                ink = style.text_on(ground[groups[j]])
                axes.text(j, i, str(groups[j] + 1), ha="center", va="center", fontsize=style.SMALL, color=ink)
    return Plot(figure, f"Pattern: {said}")
