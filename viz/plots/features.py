"""The feature space of a network: the examples before and after every layer, and the decision boundaries.

The network is run once and its chain of linear layers is read from the recorded graph, as in `draw_network`. A layer of
two neurons is drawn as the plane it is and one of three as space; the points of a wider one are projected, and the
panel says so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from glassgrad import autograd as ag
from glassgrad.autograd.engine.graph import Node, vertex_of
from glassgrad.autograd.errors import AutogradError
from glassgrad.viz.drawing import numbers, style
from glassgrad.viz.drawing.errors import DrawingError
from glassgrad.viz.drawing.style import LIGHT
from glassgrad.viz.drawing.texts import clipped
from glassgrad.viz.plots.chain import KEEPS_ORDER, linear_chain
from glassgrad.viz.plots.figure import Plot, axes_at, class_numbers, colour_map, plain_axes, space_axes, titled_figure
from glassgrad.viz.recorded.evaluate import Evaluation, evaluate, host
from glassgrad.viz.recorded.validation import class_names, numbers_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

POINTS = 500  # examples drawn; a larger set is sampled evenly
PANELS = 6  # with more panels, wide layers are left out
COLUMNS = 3

BESIDE, KEY = 5, 0.22  # classes in a line of the key, inches from one line to the next
HEAD, BETWEEN, FOOT = 1.22, 1.1, 0.55  # inches: above the first row, from one to the next, below the last
SIDE, GAP = 2.6, 0.62  # inches: a panel, and the gap at its left
LETTER = 0.078  # inches: a letter of a name, at most on average
LINES, SAMPLES = 15, 201  # of the input's grid: lines each way, points on a line

RANGES = {"sigmoid": (0.0, 1.0), "tanh": (-1.0, 1.0), "softmax": (0.0, 1.0)}
MARKS = "os^DvPX*<>"  # one for each class; every second one is filled dark
FEW = 4  # classes that are distinguished by shapes; more are marked by numerals

FIELD = 161  # points along each axis at which the decision is computed
WALL = 61  # the same on a wall of a space and at each height
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

    Each class has its own mark: a shape, or from 5 classes on its number. A wrong answer has a bar below its mark.
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
    n = len(given)
    grid = _grid(given.astype(float)) if given.ndim == 2 and given.shape[1] == 2 else None
    kept = given.dtype if given.dtype.kind == "f" else float
    with np.errstate(all="ignore"):
        try:
            output, chain = linear_chain(
                model, given if grid is None else np.concatenate([given, grid.reshape(-1, 2).astype(kept)])
            )
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
    network = _Network(evaluate(output, gradients=False), vertex_of(output), chain[-1][1])
    true, said = class_numbers(labels, n, "labels", "examples", k), network.answers(n)

    places = [(entered, "", sizes[0]), *((end, words, int(node.shape[-1])) for node, words, end in chain[:-1])]
    for i, (place, _, _) in enumerate(places):
        if not np.isfinite(network.seen.value(place)[:n]).all():
            where = f"after layer {i}: look for nan or inf in the parameters" if i else "in x: leave these examples out"
            raise DrawingError(f"there are numbers that are not finite {where}")
    wide = sum(size > 3 for _, _, size in places[1:])
    omitted = wide if len(places) > PANELS else 0
    panels = [
        _panel(network.seen, i, place, words, n, grid)
        for i, (place, words, size) in enumerate(places)
        if size > 1 and (i == 0 or size <= 3 or not omitted)
    ]
    chosen = np.unique(np.linspace(0, n - 1, min(n, POINTS)).astype(int))
    right = int((said == true).sum())
    words = "-".join(map(str, sizes))
    summary = f"{title or f'Feature space {words}'}: {right:,} of {n:,} right"
    reading = ["bar below = wrong answer"] * (right < n)
    reading += ["thick line = where the answer changes"]
    reading += ["blue lines = the same at ten heights of a space"] * any(p.points.shape[1] == 3 for p in panels)
    reading += ["thin lines = a grid over the inputs"] * (grid is not None)
    reading += [f"{len(chosen)} of {n:,} points drawn"] * (len(chosen) < n)
    reading += [f"{numbers.counted(omitted, 'wider layer')} not drawn"] * (omitted > 0)

    columns, rows = min(COLUMNS, len(panels)), -(-len(panels) // COLUMNS)
    head = HEAD + KEY * ((k - 1) // BESIDE)
    height = head + rows * SIDE + (rows - 1) * BETWEEN + FOOT
    drawing = _Drawing([clipped(" ".join(name.split())) for name in names], true, said, chosen, network)
    with titled_figure(columns * (GAP + SIDE) + 0.3, height, summary, "     ".join(reading)) as figure:
        for i, panel in enumerate(panels):
            left = (i % columns) * (GAP + SIDE) + GAP
            bottom = height - head - SIDE - (i // columns) * (SIDE + BETWEEN)
            drawing.panel(figure, (left, bottom, SIDE, SIDE), panel)
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
    """A grid over the points, (lines, samples, 2)."""
    spans = [_widened(x[:, i]) for i in range(2)]
    lines = []
    for axis, other in ((0, 1), (1, 0)):
        for at in np.linspace(*spans[axis], LINES):
            line = np.full((SAMPLES, 2), at)
            line[:, other] = np.linspace(*spans[other], SAMPLES)
            lines.append(line)
    return np.stack(lines)


def _widened(values: np.ndarray) -> tuple[float, float]:
    """The range of the values, with a margin."""
    low, high = float(values.min()), float(values.max())
    margin = 0.12 * (high - low) or 1.0
    return low - margin, high + margin


# ---------------------------------------------------------------- the network


class _Network:
    """The recorded network, and its answer for any point of one of its spaces."""

    def __init__(self, seen: Evaluation, output: Any, last: str) -> None:
        self.seen, self.output, self.last = seen, output, last

    def answers(self, n: int) -> np.ndarray:
        """The classes predicted for the first ``n`` examples."""
        predicted: np.ndarray = self._scores(self.seen.value(self.output))[:n].argmax(-1)
        return predicted

    def _scores(self, outputs: np.ndarray) -> np.ndarray:
        """A score for each class, the largest being the answer."""
        outputs = outputs.reshape(-1, self.output.shape[-1])
        if outputs.shape[1] > 1:
            return outputs
        above = outputs - (0.5 if self.last.endswith(("sigmoid", "softmax")) else 0.0)
        return np.concatenate([-above, above], axis=1)

    def margins(self, start: Any, points: np.ndarray) -> np.ndarray:
        """The lead of each class over the best other one, (m, classes), for values of a node."""
        rest: list[tuple[Node, int]] = []
        place = self.output
        while place is not start:
            layers = (i for i, given in enumerate(place.inputs) if isinstance(given, Node))
            flowing = 0 if place.op.name == "linear" else next(layers)
            rest.append((place, flowing))
            place = place.inputs[flowing]
        value: Any = points.astype(self.seen.value(start).dtype)
        with ag.no_grad(), np.errstate(all="ignore"):
            for node, flowing in reversed(rest):
                if node.op.name in KEEPS_ORDER:  # its shape is that of the recorded batch
                    continue
                inputs = [self.seen.value(p) if hasattr(p, "requires_grad") else p for p in node.inputs]
                inputs[flowing] = value
                value = host(node.op.apply(*inputs, **node.params))
        scores = self._scores(value)
        best, second = np.sort(scores)[:, :-3:-1].T[:, :, None]
        lead: np.ndarray = scores - np.where(scores == best, second, best)
        return lead


@dataclass(frozen=True)
class _Panel:
    """One space, of the input (0) or after layer ``number``.

    ``points``: (n, 2 or 3). ``lines``: the lines of the input's grid after these layers. ``end``: the node or leaf
    whose values the points are, for the decisions in that space; None where they are projected.
    """

    number: int
    title: str
    axes: tuple[str, ...]
    points: np.ndarray
    lines: list[np.ndarray]
    end: Any
    limits: tuple[float, float] | None

    def spans(self, chosen: np.ndarray) -> list[tuple[float, float]]:
        """The range of each axis: that of the activation, or of the points drawn and the input's grid."""
        if self.limits is not None:
            low, high = self.limits
            margin = 0.05 * (high - low)
            return [(low - margin, high + margin)] * self.points.shape[1]
        if self.lines and self.number == 0:  # the grid was laid to fill the panel
            return [(float(values.min()), float(values.max())) for values in np.concatenate(self.lines).T]
        return [_widened(values) for values in np.concatenate([self.points[chosen], *self.lines]).T]


def _panel(seen: Evaluation, number: int, place: Any, words: str, n: int, grid: np.ndarray | None) -> _Panel:
    size = int(place.shape[-1])
    values = seen.value(place).reshape(-1, size).astype(float)
    title = ", ".join([f"layer {number}: {size} neurons", *([words] if words else [])]) if number else "input"
    axes = tuple(f"{'neuron' if number else 'input'} {i + 1}" for i in range(size))
    end, limits = place, RANGES.get(words)
    if size > 3:
        values, share = _projected(values, n)
        title = title if number else f"input: {size} numbers"
        axes = tuple(f"component {i + 1}: {100 * share[i]:.0f} % of the variance" for i in range(2))
        end = limits = None
    lines = [] if grid is None else list(values[n:].reshape(*grid.shape[:2], -1))
    return _Panel(number, title, axes, values[:n], lines, end, limits)


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


@cache
def letter(character: str) -> Any:
    """The outline of a bold character, centred at 0. A text marker would need math text, which is off here."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextPath
    from matplotlib.transforms import Affine2D

    outline = TextPath((0.0, 0.0), character, size=10, prop=FontProperties(family="DejaVu Sans", weight="bold"))
    low, high = outline.get_extents().get_points()
    return Affine2D().translate(*(-(low + high) / 2)).transform_path(outline)


@dataclass(frozen=True)
class _Drawing:
    """The marks of all panels.

    ``true``: the classes of the examples, ``said``: the predicted ones, (n,) each; ``chosen``: the examples drawn.
    """

    names: list[str]
    true: np.ndarray
    said: np.ndarray
    chosen: np.ndarray
    network: _Network

    def ground(self, c: int) -> str:
        """The background of a class's region."""
        return style.mix(LIGHT.paper, LIGHT.fwd, 0.03 + 0.22 * c / (len(self.names) - 1))

    def key(self, figure: Figure) -> None:
        """Draw the names of the classes beside their marks."""
        width, height = figure.get_size_inches()
        marks = [line for line in figure.axes[0].get_lines() if str(line.get_gid()).startswith("class_")]
        place: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (0.1 / width, 1 - 0.6 / height)}
        space: dict[str, Any] = {"frameon": False, "borderpad": 0, "handlelength": 0.8, "handletextpad": 0.5}
        space |= {"ncols": BESIDE, "markerscale": 1.3, "labelspacing": 0.6}
        figure.legend(marks, self.names, fontsize=style.CAPTION, labelcolor=LIGHT.ink, **place, **space)

    def panel(self, figure: Figure, box: tuple[float, float, float, float], panel: _Panel) -> None:
        """Draw the panel of two or three neurons: the decision where it is known, the grid, and the examples."""
        spans = panel.spans(self.chosen)
        axes = (self._plane if len(spans) == 2 else self._space)(figure, box, panel, spans)
        for i, line in enumerate(panel.lines):
            axes.plot(*line.T, color=LIGHT.muted, linewidth=0.5, alpha=0.7, zorder=2, gid=f"grid_{i}")
        self._examples(axes, panel.points)

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
            if k > FEW:
                look |= {"marker": letter(str(c)), "markersize": size + 1.0}
                look |= {"markerfacecolor": LIGHT.ink, "markeredgewidth": 0.0}
            axes.plot(*points[self.chosen[true == c]].T, gid=f"class_{c}", linestyle="none", zorder=4, **look)
        wrong = self.chosen[self.said[self.chosen] != true]
        below = Outline([(-1.0, -1.5), (1.0, -1.5), (0.0, 1.5)], [Outline.MOVETO, Outline.LINETO, Outline.MOVETO])
        sign: dict[str, Any] = {"marker": below, "markersize": 1.7 * size, "markeredgewidth": 1.1}
        if len(wrong):
            axes.plot(*points[wrong].T, gid="wrong", linestyle="none", zorder=5, markeredgecolor=LIGHT.bad, **sign)

    def _plane(self, figure: Figure, box: Any, panel: _Panel, spans: Sequence[tuple[float, float]]) -> Any:
        """The axes of two neurons, and the regions of the decision."""
        from matplotlib.ticker import FixedLocator, MaxNLocator

        axes = axes_at(figure, *box)
        plain_axes(axes, panel.title, panel.axes[0])
        axes.grid(False)
        axes.set_ylabel(panel.axes[1], fontsize=style.CAPTION, color=LIGHT.muted, labelpad=2)
        axes.set(xlim=spans[0], ylim=spans[1], facecolor=LIGHT.panel)
        for axis in (axes.xaxis, axes.yaxis):
            ends = None if panel.limits is None else np.linspace(*panel.limits, 3).tolist()
            axis.set_major_locator(MaxNLocator(4) if ends is None else FixedLocator(ends))
        if panel.end is not None:
            self._regions(axes, panel, spans)
        return axes

    def _regions(self, axes: Any, panel: _Panel, spans: Sequence[tuple[float, float]]) -> None:
        """A background for every answer, the line between two of them, and the answer's name where there is room."""
        from matplotlib.patheffects import withStroke

        k = len(self.names)
        a, b = (np.linspace(*span, FIELD) for span in spans)
        margins = self.network.margins(panel.end, np.stack(np.meshgrid(a, b), -1).reshape(-1, 2)).reshape(FIELD, -1, k)
        answer = margins.argmax(-1)
        place: dict[str, Any] = {"extent": (*spans[0], *spans[1]), "origin": "lower", "interpolation": "nearest"}
        colours: dict[str, Any] = {
            "cmap": colour_map([self.ground(c) for c in range(k)]),
            "vmin": -0.5,
            "vmax": k - 0.5,
        }
        axes.imshow(answer, zorder=0, gid="regions", aspect="auto", **place, **colours)
        for c in range(1 if k == 2 else 0, k):
            if margins[..., c].min() < 0 < margins[..., c].max():
                axes.contour(a, b, margins[..., c], levels=[0.0], colors=[LIGHT.ink], linewidths=1.4, zorder=3)
        middle, high = slice(FIELD // 4, -FIELD // 4), slice(FIELD // 12, -FIELD // 12)
        for c in np.unique(answer[high, middle]).tolist():
            i, j = np.unravel_index(margins[high, middle, c].argmax(), answer[high, middle].shape)  # where it is surest
            if LETTER * len(self.names[c]) < SIDE / 2:
                look: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": style.CAPTION, "color": LIGHT.ink}
                look |= {"path_effects": [withStroke(linewidth=2.5, foreground=self.ground(c))], "fontweight": "bold"}
                axes.text(a[middle][j], b[high][i], self.names[c], zorder=6, gid=f"answer_{c}", **look)

    def _space(self, figure: Figure, box: Any, panel: _Panel, spans: Sequence[tuple[float, float]]) -> Any:
        """The axes of three neurons, with the answers on the walls behind and the lines between them at heights."""
        axes = space_axes(figure, box, panel.axes, panel.title)
        axes.view_init(20, -60)
        axes.set_box_aspect(None, zoom=0.92)
        axes.set(xlim=spans[0], ylim=spans[1], zlim=spans[2])
        # The walls that are behind, seen from where `view_init` puts the eye.
        sections = [(axis, spans[axis][side], True) for axis, side in enumerate((0, 1, 0))]
        sections += [(2, height, False) for height in np.linspace(*spans[2], HEIGHTS + 2)[1:-1]]
        for axis, at, is_wall in sections:
            others = [i for i in range(3) if i != axis]
            sides = np.meshgrid(*(np.linspace(*spans[i], WALL) for i in others))
            points = np.full((WALL, WALL, 3), at)
            points[..., others[0]], points[..., others[1]] = sides
            margins = self.network.margins(panel.end, points.reshape(-1, 3)).reshape(WALL, WALL, -1)
            common: dict[str, Any] = {"zdir": "xyz"[axis], "offset": at, "zorder": 0 if is_wall else 1}
            if is_wall:
                outline = points[[0, 0, -1, -1, 0], [0, -1, -1, 0, 0]]
                axes.plot(*outline.T, color=LIGHT.hair, linewidth=0.8, zorder=0)
            for c, ahead in enumerate(np.moveaxis(margins, -1, 0)):
                given = [*sides[:axis], ahead, *sides[axis:]]
                if is_wall and ahead.max() > 0:
                    axes.contourf(*given, levels=[0.0, float(ahead.max()) + 1.0], colors=[self.ground(c)], **common)
                if ahead.min() < 0 < ahead.max():
                    colour, width = (LIGHT.ink, 1.0) if is_wall else (LIGHT.fwd, 0.7)
                    axes.contour(*given, levels=[0.0], colors=[colour], linewidths=width, **common)
        return axes
