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
from glassgrad.viz.plots.figure import Plot, axes_at, class_numbers, colour_map, panel_title, plain_axes, titled_figure
from glassgrad.viz.recorded.evaluate import Evaluation, evaluate, host
from glassgrad.viz.recorded.validation import class_names, numbers_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

POINTS = 500  # examples drawn; a larger set is sampled evenly
PANELS = 6  # with more panels, wide layers are left out
COLUMNS = 3

BESIDE, KEY = 5, 0.22  # classes in a line of the key, inches from one line to the next
HEAD, BETWEEN, FOOT = 1.22, 1.1, 0.55  # inches: above the first row, from one to the next, below the last
LINES, SAMPLES = 15, 201  # of the input's grid: lines each way, points on a line

RANGES = {"sigmoid": (0.0, 1.0), "tanh": (-1.0, 1.0), "softmax": (0.0, 1.0)}
PILE = 3  # from so many points at one place on, their number is written beside them

SIDE, GAP = 2.6, 0.62  # inches: a panel, and the gap at its left
LETTER = 0.078  # inches: a letter of a name, at most on average

MARKS = "os^DvPX*<>"  # one for each class; every second one is filled dark
FEW = 4  # classes that are distinguished by shapes; more are marked by numerals
HEIGHTS = 10  # in a space, at which the boundary is drawn

NEAR, APART = 0.006, 0.09  # fractions of a panel's side: nearer points are at one place; numbers are farther apart

FIELD = 161  # points along each axis at which the decision is computed
WALL = 61  # the same on a wall of a space and at each height


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
    answer has a bar below its mark. The number of points at one place is written there.
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
    said = _class_scores(seen.value(vertex_of(output)).reshape(n + len(grid), -1), last)[:n].argmax(-1)

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
    reading = ["bar below = wrong answer"] * (right < n)
    reading += ["thick line = where the answer changes"]
    planes = [panel for panel in panels if panel.points.shape[1] == 2]
    reading += ["blue lines = the same at ten heights of a space"] * (len(planes) < len(panels))
    piled = any((_neighbours(panel.points[chosen], _spans_of(panel, chosen)) >= PILE).any() for panel in planes)
    reading += [f"{PILE}× = {PILE} points in one place"] * piled
    reading += ["thin lines = a grid over the inputs"] * flat
    reading += [f"{len(chosen)} of {n:,} points drawn"] * (len(chosen) < n)
    reading += [f"{numbers.counted(omitted, 'wider layer')} not drawn"] * (omitted > 0)
    line = "     ".join(reading)
    names = [clipped(" ".join(name.split())) for name in names]
    head = HEAD + KEY * ((k - 1) // BESIDE)
    height = head + rows * SIDE + (rows - 1) * BETWEEN + FOOT
    examples = _Examples(true, said, chosen, names)
    with titled_figure(columns * (GAP + SIDE) + 0.3, height, summary, line) as figure:
        _key(figure, names)
        for i, panel in enumerate(panels):
            left = (i % columns) * (GAP + SIDE) + GAP
            bottom = height - head - SIDE - (i // columns) * (SIDE + BETWEEN)
            decide = None if panel.end is None else _Decision(seen, vertex_of(output), panel.end, last)
            _draw_panel(figure, (left, bottom, SIDE, SIDE), panel, examples, decide)
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
    (left, right), (low, high) = (_widened(x[:, i]) for i in range(2))
    along, up = np.linspace(left, right, SAMPLES), np.linspace(low, high, SAMPLES)
    lines = [np.stack([np.full(SAMPLES, a), up], -1) for a in np.linspace(left, right, LINES)]
    lines += [np.stack([along, np.full(SAMPLES, b)], -1) for b in np.linspace(low, high, LINES)]
    return np.concatenate(lines), (len(lines), SAMPLES)


def _panel(seen: Evaluation, number: int, place: Any, words: str, size: int, n: int, shape: tuple[int, int]) -> _Panel:
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
    return _Panel(number, title, axes, values[:n], list(lines), end, limits)


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


def _key(figure: Figure, names: list[str]) -> None:
    """Draw the marks and the names of the classes."""
    from matplotlib.lines import Line2D

    width, height = figure.get_size_inches()
    marks = [Line2D([], [], **_mark_of(c, names, 6.5)) for c in range(len(names))]
    shown = [""] * len(names) if _are_marks(names) else names
    place: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (0.1 / width, 1 - 0.6 / height), "ncols": BESIDE}
    space: dict[str, Any] = {"frameon": False, "borderpad": 0, "handlelength": 0.8, "handletextpad": 0.5}
    figure.legend(marks, shown, fontsize=style.CAPTION, labelcolor=LIGHT.ink, labelspacing=0.6, **place, **space)


# ---------------------------------------------------------------- the panels


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


@dataclass(frozen=True)
class _Examples:
    """The ``true`` classes of the examples and the predicted ones (``said``), (n,) each; ``chosen``: those drawn."""

    true: np.ndarray
    said: np.ndarray
    chosen: np.ndarray
    names: list[str]


def _widened(values: np.ndarray) -> tuple[float, float]:
    """The range of the values, with a margin."""
    low, high = float(values.min()), float(values.max())
    margin = 0.12 * (high - low) or 1.0
    return low - margin, high + margin


def _class_scores(outputs: np.ndarray, last: str) -> np.ndarray:
    """A score for each class, the largest being the answer, from outputs (m, k) or (m, 1)."""
    if outputs.shape[1] > 1:
        return outputs
    above = outputs - (0.5 if last.endswith(("sigmoid", "softmax")) else 0.0)
    return np.concatenate([-above, above], axis=1)


class _Decision:
    """The network's answer for any point of one of its spaces."""

    def __init__(self, seen: Evaluation, output: Any, end: Any, last: str) -> None:
        self.seen, self.last = seen, last
        self.dtype = seen.value(end).dtype
        self.rest: list[tuple[Node, int]] = []
        place = output
        while place is not end:
            layers = (i for i, given in enumerate(place.inputs) if isinstance(given, Node))
            flowing = 0 if place.op.name == "linear" else next(layers)
            self.rest.append((place, flowing))
            place = place.inputs[flowing]
        self.rest.reverse()

    def margins(self, points: np.ndarray) -> np.ndarray:
        """The lead of each class over the best other one, (m, classes)."""
        with ag.no_grad(), np.errstate(all="ignore"):
            value: Any = points.astype(self.dtype)
            for node, flowing in self.rest:
                if node.op.name in KEEPS_ORDER:  # its shape is that of the recorded batch
                    continue
                inputs = [self.seen.value(p) if hasattr(p, "requires_grad") else p for p in node.inputs]
                inputs[flowing] = value
                value = host(node.op.apply(*inputs, **node.params))
        scores = _class_scores(value.reshape(len(points), -1), self.last)
        ahead = np.empty_like(scores)
        for c in range(scores.shape[1]):
            ahead[:, c] = scores[:, c] - np.delete(scores, c, axis=1).max(1)
        return ahead


def _fill(c: int, k: int) -> str:
    """The filling of a class's mark: light and dark in turn, so that neighbours differ in grey, too."""
    return LIGHT.paper if c % 2 == 0 else style.mix(LIGHT.paper, LIGHT.fwd, 1.0 - 0.5 * (c - 1) / k)


def _ground(c: int, k: int) -> str:
    """The background of a class's region."""
    return style.mix(LIGHT.paper, LIGHT.fwd, 0.03 + 0.22 * c / (k - 1))


def _are_marks(names: Sequence[str]) -> bool:
    """Whether the names of the classes are short enough to mark their points."""
    return all(len(name) == 1 and name.isalnum() and name.isascii() for name in names)


@cache
def letter(character: str) -> Any:
    """The outline of a bold character, centred at 0. A text marker would need math text, which is off here."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextPath
    from matplotlib.transforms import Affine2D

    outline = TextPath((0.0, 0.0), character, size=10, prop=FontProperties(family="DejaVu Sans", weight="bold"))
    low, high = outline.get_extents().get_points()
    return Affine2D().translate(*(-(low + high) / 2)).transform_path(outline)


def _mark_of(c: int, names: Sequence[str], size: float) -> dict[str, Any]:
    """The mark of a class, as options of matplotlib's `plot`."""
    k = len(names)
    own = _are_marks(names)
    if own or k > FEW:
        look = {"marker": letter(names[c] if own else str(c)), "markersize": size + 1.0}
        look |= {"markerfacecolor": LIGHT.ink, "markeredgewidth": 0.0}
    else:
        look = {"marker": MARKS[c], "markersize": size, "markerfacecolor": _fill(c, k)}
        look |= {"markeredgecolor": LIGHT.ink, "markeredgewidth": 0.7}
    return {"linestyle": "none", **look}


def _marks(axes: Any, points: np.ndarray, examples: _Examples) -> None:
    """Draw the examples, each with the mark of its class, and mark the wrong answers."""
    from matplotlib.path import Path as Outline

    chosen, true = examples.chosen, examples.true
    size = 5.0 if len(chosen) <= 150 else 4.0
    for c in range(len(examples.names)):
        of_class = chosen[true[chosen] == c]
        axes.plot(*points[of_class].T, gid=f"class_{c}", zorder=4, **_mark_of(c, examples.names, size))
    wrong = chosen[examples.said[chosen] != true[chosen]]
    below = Outline([(-1.0, -1.5), (1.0, -1.5), (0.0, 1.5)], [Outline.MOVETO, Outline.LINETO, Outline.MOVETO])
    sign: dict[str, Any] = {"marker": below, "markersize": 1.7 * size, "markeredgewidth": 1.1}
    if len(wrong):
        axes.plot(*points[wrong].T, gid="wrong", linestyle="none", zorder=5, markeredgecolor=LIGHT.bad, **sign)


def _neighbours(points: np.ndarray, spans: Sequence[tuple[float, float]]) -> np.ndarray:
    """The number of points at about the same place as each one, itself included."""
    low, high = np.array(spans).T
    scaled = (points - low) / (high - low)
    found: np.ndarray = (np.abs(scaled[:, None] - scaled).max(-1) < NEAR).sum(1)
    return found


def _outlined(
    axes: Any, x: float, y: float, words: str, size: int, colour: str, edge: tuple[float, str], **options: Any
) -> None:
    """Write bold words with an edge of this width and colour, at a share of the panel."""
    from matplotlib.patheffects import withStroke

    stroke = withStroke(linewidth=edge[0], foreground=edge[1])
    look = {"fontsize": size, "fontweight": "bold", "color": colour, "path_effects": [stroke]}
    axes.text(x, y, words, transform=axes.transAxes, **look, **options)


def _piles(axes: Any, points: np.ndarray) -> None:
    """Write the number of points at one place beside it, because their marks overlap."""
    spans = [axes.get_xlim(), axes.get_ylim()]
    low, high = np.array(spans).T
    scaled = (points - low) / (high - low)
    near = _neighbours(points, spans)
    for i in np.argsort(-near, kind="stable"):
        if near[i] < PILE:
            continue
        (x, side), (y, end) = ((at + (-0.025 if at > 0.85 else 0.025), at > 0.85) for at in scaled[i])
        place: dict[str, Any] = {"ha": "right" if side else "left", "va": "top" if end else "bottom", "zorder": 7}
        _outlined(axes, x, y, f"{near[i]}×", style.TAG, LIGHT.ink, (2.0, LIGHT.paper), gid="pile", **place)
        near[np.abs(scaled - scaled[i]).max(-1) < APART] = 0


def _spans_of(panel: _Panel, chosen: np.ndarray) -> list[tuple[float, float]]:
    """The range of each axis: that of the activation, or of the points and the input's grid."""
    if panel.limits is not None:
        low, high = panel.limits
        margin = 0.05 * (high - low)
        return [(low - margin, high + margin)] * panel.points.shape[1]
    if panel.lines and panel.number == 0:  # the grid was laid to fill the panel
        return [(float(values.min()), float(values.max())) for values in np.concatenate(panel.lines).T]
    return [_widened(values) for values in np.concatenate([panel.points[chosen], *panel.lines]).T]


def _draw_panel(
    figure: Figure,
    box: tuple[float, float, float, float],
    panel: _Panel,
    examples: _Examples,
    decide: _Decision | None,
) -> None:
    """Draw the panel of two or three neurons, with the decision where it is known."""
    draw = _space if panel.points.shape[1] == 3 else _plane
    axes = draw(figure, box, panel, examples, decide)
    panel_title(axes, panel.title, style.VALUE)
    for i, line in enumerate(panel.lines):
        axes.plot(*line.T, color=LIGHT.muted, linewidth=0.5, alpha=0.7, zorder=2, gid=f"grid_{i}")
    _marks(axes, panel.points, examples)
    if draw is _plane:
        _piles(axes, panel.points[examples.chosen])


def _plane(figure: Figure, box: Any, panel: _Panel, examples: _Examples, decide: _Decision | None) -> Any:
    """The axes of two neurons, and the regions of the decision."""
    from matplotlib.ticker import FixedLocator, MaxNLocator

    axes = axes_at(figure, *box)
    plain_axes(axes)
    axes.grid(False)
    axes.set_xlabel(panel.axes[0], fontsize=style.CAPTION, color=LIGHT.muted)
    axes.set_ylabel(panel.axes[1], fontsize=style.CAPTION, color=LIGHT.muted, labelpad=2)
    across, up = _spans_of(panel, examples.chosen)
    axes.set_xlim(*across)
    axes.set_ylim(*up)
    for axis in (axes.xaxis, axes.yaxis):
        ends = None if panel.limits is None else np.linspace(*panel.limits, 3).tolist()
        axis.set_major_locator(MaxNLocator(4) if ends is None else FixedLocator(ends))
    if decide is None:
        axes.set_facecolor(LIGHT.panel)
    else:
        _regions(axes, across, up, decide, panel.points[examples.chosen], examples.names)
    return axes


def _regions(
    axes: Axes,
    across: tuple[float, float],
    up: tuple[float, float],
    decide: _Decision,
    points: np.ndarray,
    names: list[str],
) -> None:
    """A background for every answer, the line between two of them, and the answer's name where there is room."""
    k = len(names)
    a, b = np.linspace(*across, FIELD), np.linspace(*up, FIELD)
    margins = decide.margins(np.stack(np.meshgrid(a, b), -1).reshape(-1, 2)).reshape(FIELD, FIELD, k)
    answer = margins.argmax(-1)
    grounds = colour_map([_ground(c, k) for c in range(k)])
    place: dict[str, Any] = {"extent": (*across, *up), "origin": "lower", "aspect": "auto", "interpolation": "nearest"}
    axes.imshow(answer, zorder=0, gid="regions", cmap=grounds, vmin=-0.5, vmax=k - 0.5, **place)
    for c in range(1 if k == 2 else 0, k):
        if margins[..., c].min() < 0 < margins[..., c].max():
            axes.contour(a, b, margins[..., c], levels=[0.0], colors=[LIGHT.ink], linewidths=1.4, zorder=3)
    # A name stands at the place that is farthest from every point, other region and edge. Its box is wider than high,
    # so the distance is measured in widths and heights of the box.
    places = np.stack(np.meshgrid(*[np.linspace(0, 1, 41)] * 2), -1).reshape(-1, 2)
    sampled = answer[:: (FIELD - 1) // 40, :: (FIELD - 1) // 40].reshape(-1)
    scaled = (points - [across[0], up[0]]) / [across[1] - across[0], up[1] - up[0]]
    for c in np.unique(sampled):
        box = np.array([LETTER * len(names[c]) + 0.05, 0.15]) / SIDE
        inside = places[sampled == c]
        room = np.minimum(inside, 1 - inside)
        room = (room / box).min(1)
        for others in (scaled, places[sampled != c]):
            if len(others):
                room = np.minimum(room, (np.abs(inside[:, None] - others) / box).max(-1).min(1))
        if room.max() > 0.5:
            place = {"ha": "center", "va": "center", "zorder": 6, "gid": f"answer_{c}"}
            edge = 2.5, _ground(int(c), k)
            x, y = inside[room.argmax()]
            _outlined(axes, x, y, names[c], style.CAPTION, LIGHT.ink, edge, **place)


def _space(figure: Figure, box: Any, panel: _Panel, examples: _Examples, decide: _Decision | None) -> Any:
    """The axes of three neurons, and the decision on the walls and between them."""
    axes = axes_at(figure, *box, projection="3d", computed_zorder=False)
    axes.set_facecolor(LIGHT.paper)
    axes.view_init(20, -60)
    axes.set_box_aspect(None, zoom=0.92)
    spans = _spans_of(panel, examples.chosen)
    for axis, span, name in zip("xyz", spans, panel.axes, strict=True):
        getattr(axes, f"set_{axis}lim")(*span)
        getattr(axes, f"set_{axis}label")(name, fontsize=style.CAPTION, color=LIGHT.muted, labelpad=-4)
        one = getattr(axes, f"{axis}axis")
        one.set_pane_color(LIGHT.panel)
        one.line.set_color(LIGHT.hair)
        one._axinfo["grid"].update(color=LIGHT.hair, linewidth=0.5)
    axes.tick_params(colors=LIGHT.muted, labelsize=style.SMALL, pad=-2)
    axes.locator_params(nbins=3)
    if decide is not None:
        _draw_decision(axes, spans, decide, len(examples.names))
    return axes


def _draw_decision(axes: Any, spans: Sequence[tuple[float, float]], decide: _Decision, k: int) -> None:
    """The answers on the three walls behind the points, and the lines between them at several heights."""
    # The walls that are behind, seen from where `view_init` puts the eye.
    sections = [(axis, spans[axis][side], True) for axis, side in enumerate((0, 1, 0))]
    sections += [(2, height, False) for height in np.linspace(*spans[2], HEIGHTS + 2)[1:-1]]
    for axis, at, is_wall in sections:
        others = [i for i in range(3) if i != axis]
        sides = np.meshgrid(*(np.linspace(*spans[i], WALL) for i in others))
        points = np.full((WALL, WALL, 3), at)
        points[..., others[0]], points[..., others[1]] = sides
        margins = decide.margins(points.reshape(-1, 3)).reshape(WALL, WALL, k)
        common: dict[str, Any] = {"zdir": "xyz"[axis], "offset": at, "zorder": 0 if is_wall else 1}
        if is_wall:
            outline = points[[0, 0, -1, -1, 0], [0, -1, -1, 0, 0]]
            axes.plot(*outline.T, color=LIGHT.hair, linewidth=0.8, zorder=0)
        for c in range(k):
            ahead = margins[..., c]
            given = [*sides[:axis], ahead, *sides[axis:]]
            if is_wall and ahead.max() > 0:
                ground = _ground(c, k)
                axes.contourf(*given, levels=[0.0, float(ahead.max()) + 1.0], colors=[ground], **common)
            if ahead.min() < 0 < ahead.max():
                colour, width = (LIGHT.ink, 1.0) if is_wall else (LIGHT.fwd, 0.7)
                axes.contour(*given, levels=[0.0], colors=[colour], linewidths=width, **common)
