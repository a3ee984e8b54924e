"""The feature space of a network: the examples before and after every layer, and the decision boundaries.

The network is run once and its chain of linear layers is read from the recorded graph, as in `draw_network`. A layer of
two neurons is drawn as the plane it is and one of three as space; the points of a wider one are projected, and the
panel says so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from glassgrad import autograd as ag
from glassgrad.autograd.engine.graph import vertex_of
from glassgrad.autograd.errors import AutogradError
from glassgrad.viz.drawing import numbers, style
from glassgrad.viz.drawing.errors import DrawingError
from glassgrad.viz.drawing.style import LIGHT
from glassgrad.viz.drawing.texts import clipped
from glassgrad.viz.plots.chain import linear_chain
from glassgrad.viz.plots.figure import Plot, class_numbers, titled_figure
from glassgrad.viz.plots.spaces import (
    GAP,
    LETTER,
    MARKS,
    PILE,
    RINGS,
    SIDE,
    Decision,
    Examples,
    Panel,
    are_marks,
    class_scores,
    draw_panel,
    mark_of,
    neighbours,
    spans_of,
    widened,
)
from glassgrad.viz.recorded.evaluate import Evaluation, evaluate
from glassgrad.viz.recorded.validation import class_names, numbers_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

POINTS = 500  # examples drawn; a larger set is sampled evenly
PANELS = 6  # with more panels, wide layers are left out
COLUMNS = 3

KEY = 0.22  # inches from one line of the key to the next
HEAD, BETWEEN, FOOT = 1.22, 1.1, 0.55  # inches: above the first row, from one to the next, below the last
LINES, SAMPLES = 15, 201  # of the input's grid: lines each way, points on a line

RANGES = {"sigmoid": (0.0, 1.0), "tanh": (-1.0, 1.0), "softmax": (0.0, 1.0)}


def feature_space(
    model: Callable[[Any], ag.Tensor],
    x: Any,
    labels: Any,
    *,
    classes: Sequence[str] | None = None,
    title: str | None = None,
) -> Plot:
    """The examples before and after the layers of a network: a panel for the input and one for every hidden layer.

    ``model`` is called with ``x``, (n, features) or (n, ...) if it flattens its input, and must be a chain of linear
    layers with elementwise activations, one hidden layer of which has two or three neurons. ``labels`` is (n,)
    integers. ``classes``: their names. The predicted class is the index of the largest output; for a single output it
    is 1 above 0, or above 0.5 after a sigmoid.

    Each class has its own mark: its name if that is one character, a numeral from 5 classes on, else a shape. A wrong
    answer is ringed; many wrong answers have a bar below instead. The number of points at one place is written there.
    Planes show the decision: a background for each class and the boundary. In a space of three neurons the boundaries
    are lines at ten heights, and the three walls behind show the decision on them. With two inputs, a grid over them is
    carried through every layer. More than three numbers are projected onto the first two principal components, with
    their share of the variance.

    Raises `DrawingError` for a network with no such layer or of another kind, one input, fewer than two examples, more
    than 10 classes, labels that do not fit, and values that are not finite.

    >>> w = ag.Tensor([[4.0, 4.0], [-4.0, -4.0]], requires_grad=True)
    >>> v = ag.Tensor([[1.0, 1.0]], requires_grad=True)
    >>> def xor(x):
    ...     hidden = ag.sigmoid(ag.linear(x, w, ag.Tensor([-6.0, 2.0])))
    ...     return ag.linear(hidden, v, ag.Tensor([-0.5]))
    >>> feature_space(xor, [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], [1, 0, 0, 1])
    Plot('Feature space 2-2-1: 4 of 4 right')
    """
    given = numbers_of(x, "x")
    if given.ndim < 2 or len(given) < 2:
        raise DrawingError(
            f"x of shape {numbers.shape(given.shape)} is not a set of examples: give (n, features) with n at least 2"
        )
    n = len(given)
    flat = given.ndim == 2 and given.shape[1] == 2
    grid, shape = _grid(given.astype(float)) if flat else (np.empty((0, 2)), (0, 0))
    kept = given.dtype if given.dtype.kind == "f" else float
    with np.errstate(all="ignore"):
        try:
            output, chain = linear_chain(model, np.concatenate([given, grid.astype(kept)]) if flat else given)
        except AutogradError:
            linear_chain(model, given)  # its error names the shape that was given
            raise
    entered = chain[0][0].inputs[0]
    sizes = [int(entered.shape[-1]), *(int(node.shape[-1]) for node, _, _ in chain)]
    _check_sizes(sizes)
    k = max(sizes[-1], 2)
    names = [f"class {c}" for c in range(k)] if classes is None else class_names(classes, k)
    if k > len(MARKS):
        raise DrawingError(f"{k} classes cannot be told apart by their marks: feature_space draws up to {len(MARKS)}")
    true = class_numbers(labels, n, "labels", "examples", k)
    seen = evaluate(output, gradients=False)
    last = chain[-1][1]
    said = class_scores(seen.value(vertex_of(output)).reshape(n + len(grid), -1), last)[:n].argmax(-1)

    places = [(entered, "", sizes[0]), *((end, words, int(node.shape[-1])) for node, words, end in chain[:-1])]
    wide = sum(size > 3 for _, _, size in places[1:])
    omitted = wide if len(places) > PANELS else 0
    panels = [
        _panel(seen, i, place, words, size, n, shape)
        for i, (place, words, size) in enumerate(places)
        if size > 1 and (i == 0 or size <= 3 or not omitted)
    ]
    if lost := next((panel for panel in panels if not np.isfinite(panel.points).all()), None):
        raise DrawingError(
            f"there are numbers that are not finite in the panel {lost.title!r}, so it cannot be drawn: look for nan"
            " or inf in x, then in the parameters"
        )
    chosen = np.unique(np.linspace(0, n - 1, min(n, POINTS)).astype(int))
    right = int((said == true).sum())
    words = "-".join(map(str, sizes))
    summary = f"{title or f'Feature space {words}'}: {right:,} of {n:,} right"

    columns = min(COLUMNS, len(panels))
    rows = -(-len(panels) // columns)
    many = int((said[chosen] != true[chosen]).sum()) > RINGS
    reading = [f"{'bar below' if many else 'ring'} = wrong answer"] * (right < n)
    reading += ["thick line = where the answer changes"]
    planes = [panel for panel in panels if panel.points.shape[1] == 2]
    reading += ["blue lines = the same at ten heights of a space"] * (len(planes) < len(panels))
    piled = any((neighbours(panel.points[chosen], spans_of(panel, chosen)) >= PILE).any() for panel in planes)
    reading += [f"{PILE}× = {PILE} points in one place"] * piled
    reading += ["thin lines = a grid over the inputs"] * flat
    reading += [f"{len(chosen)} of {n:,} points drawn"] * (len(chosen) < n)
    reading += [f"{numbers.counted(omitted, 'wider layer')} not drawn"] * (omitted > 0)
    line = "     ".join(reading)
    width = columns * (GAP + SIDE) + 0.3
    names = [clipped(" ".join(name.split())) for name in names]
    beside = max(1, min(k, int((width - 0.3) / (0.36 + LETTER * max(map(len, names))))))  # classes in a line of the key
    head = HEAD + KEY * (-(-k // beside) - 1)
    height = head + rows * SIDE + (rows - 1) * BETWEEN + FOOT
    examples = Examples(true, said, chosen, names)
    with titled_figure(width, height, summary, line) as figure:
        _key(figure, names, beside)
        for i, panel in enumerate(panels):
            left = (i % columns) * (GAP + SIDE) + GAP
            bottom = height - head - SIDE - (i // columns) * (SIDE + BETWEEN)
            decide = None if panel.end is None else Decision(seen, vertex_of(output), panel.end, last)
            draw_panel(figure, (left, bottom, SIDE, SIDE), panel, examples, decide)
    return Plot(figure, summary, classes or ())


def _check_sizes(sizes: list[int]) -> None:
    """Raise `DrawingError` for a network without a plane or space to draw."""
    if not any(size in (2, 3) for size in sizes[1:-1]):
        hidden = ", ".join(map(str, sizes[1:-1]))
        have = f"its hidden layers have {hidden} neurons" if hidden else "it has no hidden layer"
        raise DrawingError(
            f"the feature space of a {'-'.join(map(str, sizes))} network cannot be drawn: {have}; give it a hidden"
            f" layer of 2 or 3 neurons, such as {'-'.join(map(str, [*sizes[:-1], 2, sizes[-1]]))}"
        )
    if sizes[0] < 2:
        raise DrawingError("a network with one input has no plane to bend: feature_space needs at least two inputs")


def _grid(x: np.ndarray) -> tuple[np.ndarray, tuple[int, int]]:
    """A grid over the points, line by line; the number of its lines and of the points on each."""
    (left, right), (low, high) = (widened(x[:, i]) for i in range(2))
    along, up = np.linspace(left, right, SAMPLES), np.linspace(low, high, SAMPLES)
    lines = [np.stack([np.full(SAMPLES, a), up], -1) for a in np.linspace(left, right, LINES)]
    lines += [np.stack([along, np.full(SAMPLES, b)], -1) for b in np.linspace(low, high, LINES)]
    return np.concatenate(lines), (len(lines), SAMPLES)


def _panel(seen: Evaluation, number: int, place: Any, words: str, size: int, n: int, shape: tuple[int, int]) -> Panel:
    values = seen.value(place).reshape(-1, size).astype(float)
    title = ", ".join([f"layer {number}: {size} neurons", *([words] if words else [])]) if number else "input"
    axes = tuple(f"{'neuron' if number else 'input'} {i + 1}" for i in range(size))
    end, limits = place, RANGES.get(words)
    if size > 3:
        values, share = _projected(values, n)
        title = title if number else f"input: {size} numbers"
        axes = tuple(f"component {i + 1}: {100 * share[i]:.0f} % of the variance" for i in range(2))
        end = limits = None
    lines = values[n:].reshape(*shape, -1) if shape[0] else ()
    return Panel(number, title, axes, values[:n], list(lines), end, limits)


def _projected(values: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """All values projected onto the first two principal components of the first ``n``, and their shares of variance."""
    if not np.isfinite(values[:n]).all():
        return values[:, :2], np.zeros(2)
    middle = values[:n].mean(0)
    _, sizes, directions = np.linalg.svd(values[:n] - middle, full_matrices=False)
    two = directions[:2]
    # The sign of a component is arbitrary: its largest entry is made positive, so that pictures are reproducible.
    two = two * np.where(two[[0, 1], np.abs(two).argmax(1)] < 0, -1.0, 1.0)[:, None]
    share: np.ndarray = sizes[:2] ** 2 / (np.sum(sizes**2) or 1.0)
    return (values - middle) @ two.T, share


def _key(figure: Figure, names: list[str], beside: int) -> None:
    """Draw the marks and the names of the classes, so many ``beside`` each other."""
    from matplotlib.lines import Line2D

    width, height = figure.get_size_inches()
    marks = [Line2D([], [], **mark_of(c, names, 6.5)) for c in range(len(names))]
    shown = [""] * len(names) if are_marks(names) else names
    place: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (0.1 / width, 1 - 0.6 / height), "ncols": beside}
    space: dict[str, Any] = {"frameon": False, "borderpad": 0, "handlelength": 0.8, "handletextpad": 0.5}
    figure.legend(marks, shown, fontsize=style.CAPTION, labelcolor=LIGHT.ink, labelspacing=0.6, **place, **space)
