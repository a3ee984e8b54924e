"""The feature space of a network: the examples before and after every layer, and the decision boundaries.

The network is run once and its chain of linear layers is read from the recorded graph, as in `draw_network`. A layer of
two neurons is drawn as the plane it is and one of three as space; the points of a wider one are projected, and the
panel says so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from glassgrad import autograd as ag
from glassgrad.autograd.engine.graph import Node, vertex_of
from glassgrad.viz.drawing import numbers, style
from glassgrad.viz.drawing.errors import DrawingError
from glassgrad.viz.drawing.style import LIGHT
from glassgrad.viz.drawing.texts import clipped
from glassgrad.viz.plots.chain import KEEPS_ORDER, linear_chain
from glassgrad.viz.plots.figure import Plot, axes_at, class_numbers, panel_title, plain_axes, titled_figure
from glassgrad.viz.recorded.evaluate import Evaluation, evaluate, host
from glassgrad.viz.recorded.validation import class_names, numbers_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

POINTS = 500  # examples drawn; a larger set is sampled evenly
COLUMNS = 3

BESIDE, KEY = 5, 0.22  # classes in a line of the key, inches from one line to the next
HEAD, BETWEEN, FOOT = 1.22, 1.1, 0.55  # inches: above the first row, from one to the next, below the last
SIDE, GAP = 2.3, 0.62  # inches: a panel, and the gap at its left
LINES, SAMPLES = 15, 201  # of the input's grid: lines each way, points on a line

RANGES = {"sigmoid": (0.0, 1.0), "tanh": (-1.0, 1.0), "softmax": (0.0, 1.0)}
MARKS = "os^DvPX*<>"  # one for each class; every second one is filled dark

FIELD, WALL = 161, 61  # points along each axis at which the decision is computed: of a plane, of a section of space
HEIGHTS = 10  # in a space, at which the boundary is drawn


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

    Each class has a mark of its own. A wrong answer has a bar below its mark.
    Planes show the decision: a background for each class and the boundary. In a space of three neurons the boundaries
    are lines at ten heights, and the three walls behind show the decision on them. With two inputs, a grid over them is
    carried through every layer. More than three numbers are projected onto the first two principal components, with
    their share of the variance.

    Raises `DrawingError` for a network with no such layer or of another kind, fewer than two examples, more than 10
    classes, labels that do not fit, and values that are not finite. A single input has no panel.

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
    n, grid = len(given), np.zeros((0, 2))
    if given.shape[1:] == (2,):
        grid = _grid(given.astype(float))
        given = np.concatenate([given, grid.astype(given.dtype if given.dtype.kind == "f" else float)])
    with np.errstate(all="ignore"):
        output, chain = linear_chain(model, given)
    places = [(chain[0][0].inputs[0], ""), *((end, words) for _, words, end in chain)]
    sizes = [int(place.shape[-1]) for place, _ in places]
    _check_sizes(sizes)
    k = max(sizes[-1], 2)
    names = [f"class {c}" for c in range(k)] if classes is None else class_names(classes, k)
    if k > len(MARKS):
        raise DrawingError(f"{k} classes cannot be told apart by their marks: feature_space draws up to {len(MARKS)}")
    true = class_numbers(labels, n, "labels", "examples", k)
    shown = [clipped(" ".join(name.split())) for name in names]
    drawing = _Drawing(evaluate(output, gradients=False), vertex_of(output), chain[-1][1], shown, true)
    spaces = []
    for number, (place, words) in enumerate(places[:-1]):
        values = drawing.seen.value(place).reshape(-1, sizes[number]).astype(float)
        if not np.isfinite(values[:n]).all():
            where = (
                f"after layer {number}: look for nan or inf in the parameters"
                if number
                else "in x: leave these examples out"
            )
            raise DrawingError(f"there are numbers that are not finite {where}")
        if sizes[number] > 1:
            spaces.append(_space(number, place, words, values, n))
    right = int((drawing.said == true).sum())
    words = "-".join(map(str, sizes))
    summary = f"{title or f'Feature space {words}'}: {right:,} of {n:,} right"
    reading = ["bar below = wrong answer"] * (right < n) + ["thick line = where the answer changes"]
    reading += ["lines through a space = the same at ten heights"] * any(len(space.spans) == 3 for space in spaces)
    reading += ["thin lines = a grid over the inputs"] * (len(grid) > 0)
    reading += [f"{POINTS} of {n:,} points drawn"] * (n > POINTS)
    columns, rows = min(len(spaces), COLUMNS), -(-len(spaces) // COLUMNS)
    head = HEAD + KEY * ((len(names) - 1) // BESIDE)
    height = head + rows * SIDE + (rows - 1) * BETWEEN + FOOT
    with titled_figure(columns * (GAP + SIDE) + 0.3, height, summary, "     ".join(reading)) as figure:
        for i, space in enumerate(spaces):
            left, down = (i % columns) * (GAP + SIDE) + GAP, (i // columns) * (SIDE + BETWEEN)
            drawing.panel(figure, (left, height - head - SIDE - down, SIDE, SIDE), space)
        drawing.key(figure)
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


def _grid(x: np.ndarray) -> np.ndarray:
    """The points of a grid over the examples, line by line."""
    low, high = _widened(x).T
    along, at = (np.linspace(low, high, count, axis=-1) for count in (SAMPLES, LINES))
    across = [np.stack(np.broadcast_arrays(along[0], level), -1) for level in at[1]]
    up = [np.stack(np.broadcast_arrays(level, along[1]), -1) for level in at[0]]
    return np.concatenate([*up, *across])


def _widened(points: np.ndarray) -> np.ndarray:
    """The range of the points along each axis, with a margin: (axes, 2)."""
    low, high = points.min(0), points.max(0)
    margin = np.where(high > low, 0.12 * (high - low), 1.0)
    return np.stack([low - margin, high + margin], -1)


@dataclass(frozen=True)
class _Space:
    """A space, of the input or after a layer.

    ``points``: (n, 2 or 3). ``lines``: the lines of the input's grid after these layers. ``spans``: the range of each
    axis. ``place``: the node or leaf whose values the points are; None where they are projected.
    """

    title: str
    axes: list[str]
    points: np.ndarray
    lines: np.ndarray
    spans: list[tuple[float, float]]
    place: Any


def _space(number: int, place: Any, words: str, values: np.ndarray, n: int) -> _Space:
    """The space of these values of a node, of which the first ``n`` are examples."""
    size = values.shape[1]
    title = ", ".join(filter(None, [f"layer {number}: {size} neurons", words])) if number else "input"
    axes = [f"{'neuron' if number else 'input'} {i + 1}" for i in range(size)]
    if size > 3:
        values, share = _projected(values, n)
        title, place = title if number else f"input: {size} numbers", None
        axes = [f"component {i + 1}: {100 * share[i]:.0f} % of the variance" for i in range(2)]
    lines = values[n:].reshape(-1, SAMPLES, values.shape[1])
    spans: Any = _widened(values if number else values[:n]).tolist()
    if size <= 3 and words in RANGES:
        low, high = RANGES[words]
        spans = [(low - 0.05 * (high - low), high + 0.05 * (high - low))] * size
    return _Space(title, axes, values[:n], lines, spans, place)


def _projected(values: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """All values projected onto the first two principal components of the first ``n``, and their shares of variance."""
    middle = values[:n].mean(0)
    _, sizes, directions = np.linalg.svd(values[:n] - middle, full_matrices=False)
    two = directions[:2]
    # The sign of a component is arbitrary: its largest entry is made positive, so that pictures are reproducible.
    two = two * np.where(two[[0, 1], np.abs(two).argmax(1)] < 0, -1.0, 1.0)[:, None]
    share: np.ndarray = sizes[:2] ** 2 / (np.sum(sizes**2) or 1.0)
    return (values - middle) @ two.T, share


# ---------------------------------------------------------------- the panels


class _Drawing:
    """The recorded network, its answer for any point of one of its spaces, and the marks of all panels.

    ``last``: the activation of the output. ``names``: of the classes; ``true``: those of the n examples.
    """

    def __init__(self, seen: Evaluation, output: Any, last: str, names: list[str], true: np.ndarray) -> None:
        self.seen, self.output, self.last, self.names, self.true = seen, output, last, names, true
        self.said = self._scores(seen.value(output))[: len(true)].argmax(-1)
        self.chosen = np.unique(np.linspace(0, len(true) - 1, min(len(true), POINTS)).astype(int))

    def _scores(self, outputs: np.ndarray) -> np.ndarray:
        """A score for each class, the largest being the answer."""
        outputs = outputs.reshape(-1, self.output.shape[-1])
        if outputs.shape[1] > 1:
            return outputs
        above = outputs - (0.5 if self.last.endswith(("sigmoid", "softmax")) else 0.0)
        return np.concatenate([-above, above], axis=1)

    def _margins(self, start: Any, points: np.ndarray) -> np.ndarray:
        """The lead of each class over the best other one, (m, classes), for values of a node."""
        rest: list[tuple[Node, int]] = []
        place = self.output
        while place is not start:
            flowing = next(i for i, given in enumerate(place.inputs) if isinstance(given, Node) or given is start)
            rest.append((place, flowing))
            place = place.inputs[flowing]
        value: Any = points.astype(self.seen.value(start).dtype)
        with ag.no_grad(), np.errstate(all="ignore"):
            for node, flowing in reversed(rest):
                if node.op.name not in KEEPS_ORDER:  # their shape is that of the recorded batch
                    inputs = [self.seen.value(p) if hasattr(p, "requires_grad") else p for p in node.inputs]
                    inputs[flowing] = value
                    value = host(node.op.apply(*inputs, **node.params))
        scores = self._scores(value)
        best, second = np.sort(scores)[:, :-3:-1].T[:, :, None]
        lead: np.ndarray = scores - np.where(scores == best, second, best)
        return lead

    def key(self, figure: Figure) -> None:
        """Draw the names of the classes beside their marks."""
        width, height = figure.get_size_inches()
        marks = [line for line in figure.axes[0].get_lines() if str(line.get_gid()).startswith("class_")]
        place: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (0.1 / width, 1 - 0.6 / height)}
        space: dict[str, Any] = {"frameon": False, "borderpad": 0, "handlelength": 0.8, "handletextpad": 0.5}
        space |= {"ncols": BESIDE, "markerscale": 1.3, "labelspacing": 0.6}
        figure.legend(marks, self.names, fontsize=style.CAPTION, labelcolor=LIGHT.ink, **place, **space)

    def panel(self, figure: Figure, box: tuple[float, float, float, float], space: _Space) -> None:
        """Draw the panel of two or three neurons: the decision where it is known, the grid, and the examples.

        In a space the decision is drawn on the three walls that are behind, and the boundary at ten heights, too.
        """
        spans, is_flat = space.spans, len(space.spans) == 2
        axes = axes_at(figure, *box, projection=None if is_flat else "3d")
        if is_flat:
            plain_axes(axes, space.title, *space.axes)
            axes.grid(False)
            axes.set(xlim=spans[0], ylim=spans[1], facecolor=LIGHT.panel)
            axes.locator_params(nbins=4)
            sections = [(2, 0.0, True)]
        else:
            panel_title(axes, space.title)
            for axis, name in zip((axes.xaxis, axes.yaxis, axes.zaxis), space.axes, strict=True):
                axis.set_label_text(name, fontsize=style.CAPTION, color=LIGHT.muted)
                axis.labelpad = 0
                axis.set_pane_color(LIGHT.panel)
                axis.line.set_color(LIGHT.hair)
            axes.set_facecolor(LIGHT.paper)
            axes.tick_params(colors=LIGHT.muted, labelsize=style.SMALL, pad=-2, grid_color=LIGHT.hair)
            axes.locator_params(nbins=3)
            axes.computed_zorder = False
            axes.view_init(20, -60)
            axes.set_box_aspect(None, zoom=0.92)
            axes.set(xlim=spans[0], ylim=spans[1], zlim=spans[2])
            sections = [(axis, spans[axis][side], True) for axis, side in enumerate((0, 1, 0))]
            sections += [(2, float(height), False) for height in np.linspace(*spans[2], HEIGHTS + 2)[1:-1]]
        for section in sections if space.place is not None else ():
            self._section(axes, space, *section)
        for i, line in enumerate(space.lines):
            axes.plot(*line.T, color=LIGHT.muted, linewidth=0.5, alpha=0.7, zorder=2, gid=f"grid_{i}")
        self._examples(axes, space.points)

    def _section(self, axes: Any, space: _Space, axis: int, at: float, is_wall: bool) -> None:
        """Draw the decision where one coordinate has a value, or of a plane: grounds of the classes, and boundaries."""
        others = [i for i in range(len(space.spans)) if i != axis]
        is_flat, k = len(others) == len(space.spans), len(self.names)
        sides = np.meshgrid(*(np.linspace(*space.spans[i], FIELD if is_flat else WALL) for i in others))
        points = np.full((*sides[0].shape, len(space.spans)), at)
        points[..., others] = np.stack(sides, -1)
        margins = self._margins(space.place, points.reshape(-1, len(space.spans)))
        common: dict[str, Any] = {} if is_flat else {"zdir": "xyz"[axis], "offset": at}
        if is_wall and not is_flat:
            axes.plot(*points[[0, 0, -1, -1, 0], [0, -1, -1, 0, 0]].T, color=LIGHT.hair, linewidth=0.8, zorder=0)
        line: dict[str, Any] = {"colors": [LIGHT.ink if is_wall else LIGHT.fwd], "zorder": 0.5 if is_wall else 1}
        line["linewidths"] = 1.4 if is_flat else 1.0 if is_wall else 0.7
        for c, ahead in enumerate(margins.T.reshape(k, *sides[0].shape)):
            given = [*sides[:axis], ahead, *sides[axis:]]
            if is_wall and ahead.max() > 0:
                ground = style.mix(LIGHT.paper, LIGHT.fwd, 0.03 + 0.22 * c / (k - 1))
                axes.contourf(*given, levels=[0.0, float(ahead.max()) + 1.0], colors=[ground], zorder=0, **common)
            if ahead.min() < 0 < ahead.max():
                axes.contour(*given, levels=[0.0], **line, **common)

    def _examples(self, axes: Any, points: np.ndarray) -> None:
        """Draw the examples, each with the mark of its class, and mark the wrong answers."""
        from matplotlib.path import Path as Outline

        true, k = self.true[self.chosen], len(self.names)
        size = 5.0 if len(true) <= 150 else 4.0
        for c in range(k):
            look: dict[str, Any] = {"marker": MARKS[c], "markersize": size, "markeredgewidth": 0.7}
            # Light and dark in turn, so that neighbours differ in grey, too.
            dark = style.mix(LIGHT.paper, LIGHT.fwd, 1.0 - 0.5 * (c - 1) / k)
            look |= {"markerfacecolor": dark if c % 2 else LIGHT.paper, "markeredgecolor": LIGHT.ink}
            axes.plot(*points[self.chosen[true == c]].T, gid=f"class_{c}", linestyle="none", zorder=4, **look)
        wrong = self.chosen[self.said[self.chosen] != true]
        below = Outline([(-1.0, -1.5), (1.0, -1.5), (0.0, 1.5)], [Outline.MOVETO, Outline.LINETO, Outline.MOVETO])
        sign: dict[str, Any] = {"marker": below, "markersize": 1.7 * size, "markeredgewidth": 1.1}
        if len(wrong):
            axes.plot(*points[wrong].T, gid="wrong", linestyle="none", zorder=5, markeredgecolor=LIGHT.bad, **sign)
