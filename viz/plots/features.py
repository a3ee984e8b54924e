"""How a network transforms space until its classes can be separated: the examples before and after every layer.

The network is run once and its chain of linear layers is read from what was recorded, as `viz.plots.network` does.
A layer of two neurons is drawn as the plane it is and one of three as space; of a wider one the points are projected,
and the panel says so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

import autograd as ag
from autograd.errors import AutogradError
from autograd.graph import Node, vertex_of
from viz.drawing import numbers, style
from viz.drawing.errors import DrawingError
from viz.drawing.render import clipped
from viz.plots.network import KEEPS_ORDER, recorded
from viz.plots.plots import Plot, _classes_of, _figure, _heading, _plain, _settings
from viz.recorded.evaluate import Evaluation, evaluate, host
from viz.recorded.validation import class_names, numbers_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MARKS = "os^DvPX*<>"  # of the classes; every other one is filled dark
FEW = 4  # classes whose shapes are told apart at a glance; more of them are marked by numerals
RINGS = 25  # wrong answers; a bar below the mark stands for more of them, which rings would bury
CUBES = 14  # each way, in which the boundary in a space is looked for
# Corners are numbered as `ndindex(2, 2, 2)` gives them: six tetrahedra around the diagonal from 0 to 7. Edges that are
# cut, by the number of corners above zero, which come first.
TETRAHEDRA = ([0, 1, 3, 7], [0, 3, 2, 7], [0, 2, 6, 7], [0, 6, 4, 7], [0, 4, 5, 7], [0, 5, 1, 7])
CUTS = {1: ((0, 1), (0, 2), (0, 3)), 2: ((0, 2), (0, 3), (1, 3), (1, 2)), 3: ((0, 3), (1, 3), (2, 3))}
PILE = 3  # points in one place, from which on their number is written there
NEAR, APART = 0.006, 0.09  # of a panel's side: points in one place; from one such number to the next
POINTS = 500  # examples that are drawn; of more, as many evenly spaced ones
PANELS = 6  # of more, the wide layers are left out
COLUMNS = 3
SIDE, GAP = 2.6, 0.62  # inches: a panel, and what is left of it
LETTER, LETTER_SMALL = 0.078, 0.066  # inches: a letter of a name, and of the reading line, at most on average
KEY = 0.22  # inches from one line of the key to the next
HEAD, BETWEEN, FOOT = 1.22, 1.1, 0.55  # inches: above the first row, from one to the next, below the last
LINES, SAMPLES = 15, 201  # of the input's grid: lines each way, points on a line
FIELD = 161  # points each way at which the decision is computed
WALL = 61  # points each way on the wall of a space, at which the decision is computed
RANGES = {"sigmoid": (0.0, 1.0), "tanh": (-1.0, 1.0), "softmax": (0.0, 1.0)}


@dataclass(frozen=True)
class _Panel:
    """One space, of the input (0) or after layer ``number``.

    ``points``: (n, 2 or 3). ``lines``: where each line of the input's grid has come to. ``end``: the place of the graph
    whose values the points are, for the decisions in that space; None where they are projected.
    """

    number: int
    title: str
    axes: tuple[str, ...]
    points: np.ndarray
    lines: list[np.ndarray]
    end: Any
    limits: tuple[float, float] | None


def feature_space(
    model: Callable[[Any], ag.Tensor],
    x: Any,
    labels: Any,
    *,
    classes: Sequence[str] | None = None,
    title: str | None = None,
    theme: str | style.Theme = "light",
) -> Plot:
    """How the layers of a network move its examples apart: a panel for the input and one for every hidden layer.

    ``model`` is called with ``x``, (n, features) or (n, ...) if it flattens its input, and must be a chain of linear
    layers with elementwise activations, one hidden layer of which has two or three neurons. ``labels`` is (n,)
    integers. ``classes`` gives the classes names. An output of several numbers says the class of the largest; a single
    one says class 1 above 0, or above 0.5 behind a sigmoid.

    Each class has its own mark: its name if that is one character, a numeral from 5 classes on, else a shape. A wrong
    answer is ringed, or has a bar below it where there are many. Points that lie in one place are counted there. Planes
    show the decision: a background for each class and the boundary. In a space of three neurons the boundaries are
    transparent surfaces, and the three walls behind it show the decision there. With two inputs a grid over them is
    carried through every layer. More than three numbers are projected onto the two directions in which the points vary
    most (principal components), and the share of the variance in them is written there.

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
    colours = style.theme_named(theme)
    given = numbers_of(x, "x")
    if given.ndim < 2 or len(given) < 2:
        raise DrawingError(
            f"x of shape {numbers.shape(given.shape)} is no set of examples: give (n, features) with n at least 2"
        )
    n = len(given)
    flat = given.ndim == 2 and given.shape[1] == 2
    grid, shape = _grid(given.astype(float)) if flat else (np.empty((0, 2)), (0, 0))
    kept = given.dtype if given.dtype.kind == "f" else float
    with np.errstate(all="ignore"):
        try:
            output, chain = recorded(model, np.concatenate([given, grid.astype(kept)]) if flat else given)
        except AutogradError:
            recorded(model, given)  # says it of the shape that was given
            raise
    entered = chain[0][0].inputs[0]
    sizes = [int(entered.shape[-1]), *(int(node.shape[-1]) for node, _, _ in chain)]
    _refuse(sizes)
    k = max(sizes[-1], 2)
    names = [f"class {c}" for c in range(k)] if classes is None else class_names(classes, k)
    true = _labels(labels, n, names, k)
    seen = evaluate(output, gradients=False)
    last = chain[-1][1]
    said = _scores(seen.value(vertex_of(output)).reshape(n + len(grid), -1), last)[:n].argmax(-1)

    places = [(entered, "", sizes[0]), *((end, words, int(node.shape[-1])) for node, words, end in chain[:-1])]
    wide = sum(size > 3 for _, _, size in places[1:])
    omitted = wide if len(places) > PANELS else 0
    panels = [
        _panel(seen, i, place, words, size, n, shape)
        for i, (place, words, size) in enumerate(places)
        if size > 1 and (i == 0 or size <= 3 or not omitted)
    ]
    for panel in panels:
        if not np.isfinite(panel.points).all():
            raise DrawingError(
                f"there are numbers that are not finite in the panel {panel.title!r}, so it cannot be drawn: look for"
                " nan or inf in x, then in the parameters"
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
    reading += ["surface = the same in space"] * (len(planes) < len(panels))
    piled = any((_near(panel.points[chosen], _spans(panel, chosen)) >= PILE).any() for panel in planes)
    reading += [f"{PILE}× = {PILE} points in one place"] * piled
    reading += ["thin lines = a grid over the inputs"] * flat
    reading += [f"{len(chosen)} of {n:,} points drawn"] * (len(chosen) < n)
    reading += [f"{omitted} wider layer{'s' if omitted > 1 else ''} not drawn"] * (omitted > 0)
    line = "     ".join(reading)
    width = max(columns * (GAP + SIDE) + 0.3, LETTER_SMALL * len(line) + 0.3)
    names = [_literal(clipped(" ".join(name.split()))) for name in names]
    key = _places(names, width)
    head = HEAD + KEY * key[-1][1]
    height = head + rows * SIDE + (rows - 1) * BETWEEN + FOOT
    with _settings():
        figure = _figure(width, height, colours)
        _heading(figure, _literal(summary), line, colours)
        for c, (column, row) in enumerate(key):
            _key(figure, c, (column, 0.7 + KEY * row), names, colours)
        for i, panel in enumerate(panels):
            left = (i % columns) * (GAP + SIDE) + GAP
            bottom = height - head - SIDE - (i // columns) * (SIDE + BETWEEN)
            box = (left / width, bottom / height, SIDE / width, SIDE / height)
            decide = None if panel.end is None else _Decision(seen, vertex_of(output), panel.end, last)
            draw = _draw_space if panel.points.shape[1] == 3 else _draw_plane
            draw(figure, box, panel, true, said, chosen, names, decide, colours)
    return Plot(figure, summary)


# ---------------------------------------------------------------- what is drawn


def _refuse(sizes: list[int]) -> None:
    """Sentences about networks without a plane to draw."""
    if not any(size in (2, 3) for size in sizes[1:-1]):
        hidden = ", ".join(map(str, sizes[1:-1]))
        have = f"its hidden layers have {hidden} neurons" if hidden else "it has no hidden layer"
        raise DrawingError(
            f"the feature space of a {'-'.join(map(str, sizes))} network cannot be drawn: {have}; give it a hidden"
            f" layer of 2 or 3 neurons, such as {'-'.join(map(str, [*sizes[:-1], 2, sizes[-1]]))}"
        )
    if sizes[0] < 2:
        raise DrawingError("a network with one input has no plane to bend: feature_space wants at least two inputs")


def _labels(labels: Any, n: int, names: list[str], k: int) -> np.ndarray:
    true = _classes_of(labels, n, "labels", "examples")
    if k > len(MARKS):
        raise DrawingError(f"{k} classes cannot be told apart by their marks: feature_space draws up to {len(MARKS)}")
    if true.min() < 0 or true.max() >= k:
        wrong = int(true[(true < 0) | (true >= k)][0])
        raise DrawingError(f"labels contain {wrong}, which is none of {k} classes: give integers from 0 to {k - 1}")
    return true


def _grid(x: np.ndarray) -> tuple[np.ndarray, tuple[int, int]]:
    """A grid over the points, line by line, and how many lines of how many points it has."""
    (left, right), (low, high) = (_limits(x[:, i]) for i in range(2))
    lines = [
        np.stack([np.full(SAMPLES, a), np.linspace(low, high, SAMPLES)], -1) for a in np.linspace(left, right, LINES)
    ]
    lines += [
        np.stack([np.linspace(left, right, SAMPLES), np.full(SAMPLES, b)], -1) for b in np.linspace(low, high, LINES)
    ]
    return np.concatenate(lines), (len(lines), SAMPLES)


def _limits(values: np.ndarray) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    margin = 0.12 * (high - low) or 1.0
    return low - margin, high + margin


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
    """All values on the first two principal components of the first ``n``, and their shares of the variance."""
    if not np.isfinite(values[:n]).all():
        return values[:, :2], np.zeros(2)
    middle = values[:n].mean(0)
    _, sizes, directions = np.linalg.svd(values[:n] - middle, full_matrices=False)
    two = directions[:2]
    # A direction has no sign of its own: its largest entry is made positive, so that a picture can be drawn again.
    two = two * np.where(two[[0, 1], np.abs(two).argmax(1)] < 0, -1.0, 1.0)[:, None]
    share: np.ndarray = sizes[:2] ** 2 / (np.sum(sizes**2) or 1.0)
    return (values - middle) @ two.T, share


def _scores(outputs: np.ndarray, last: str) -> np.ndarray:
    """One score for each class, the largest of which is the answer, from outputs (m, k) or (m, 1)."""
    if outputs.shape[1] > 1:
        return outputs
    above = outputs - (0.5 if last.endswith(("sigmoid", "softmax")) else 0.0)
    return np.concatenate([-above, above], axis=1)


class _Decision:
    """What the network answers for any point of a space inside it."""

    def __init__(self, seen: Evaluation, output: Any, end: Any, last: str) -> None:
        self.seen, self.last = seen, last
        self.dtype = seen.value(end).dtype
        self.rest: list[tuple[Node, int]] = []
        place = output
        while place is not end:
            flowing = 0 if place.op.name == "linear" else _flowing(place)
            self.rest.append((place, flowing))
            place = place.inputs[flowing]
        self.rest.reverse()

    def margins(self, points: np.ndarray) -> np.ndarray:
        """By how much each class is ahead of the best other one, (m, classes)."""
        with ag.no_grad(), np.errstate(all="ignore"):
            value: Any = points.astype(self.dtype)
            for node, flowing in self.rest:
                if node.op.name in KEEPS_ORDER:  # it was told the number of the examples
                    continue
                inputs = [self.seen.value(p) if hasattr(p, "requires_grad") else p for p in node.inputs]
                inputs[flowing] = value
                value = host(node.op.apply(*inputs, **node.params))
        scores = _scores(value.reshape(len(points), -1), self.last)
        ahead = np.empty_like(scores)
        for c in range(scores.shape[1]):
            ahead[:, c] = scores[:, c] - np.delete(scores, c, axis=1).max(1)
        return ahead


def _flowing(node: Node) -> int:
    """Which input of an elementwise operation comes from the layer before."""
    return next(i for i, place in enumerate(node.inputs) if isinstance(place, Node))


# ---------------------------------------------------------------- drawing


def _fill(c: int, k: int, theme: style.Theme) -> str:
    """Light and dark by turns, so that neighbours in the alphabet of marks differ in grey too."""
    return theme.paper if c % 2 == 0 else style.mix(theme.paper, theme.fwd, 1.0 - 0.5 * (c - 1) / k)


def _ground(c: int, k: int, theme: style.Theme) -> str:
    return style.mix(theme.paper, theme.fwd, 0.03 + 0.22 * c / (k - 1))


def _literal(name: str) -> str:
    """A name with no formula in it, for matplotlib reads what stands between two dollars as one."""
    return name.replace("$", r"\$")


def _places(names: list[str], width: float) -> list[tuple[float, int]]:
    """Where each class stands in the key, inches from the left and line, in as many lines as are needed."""
    places = []
    x, line = 0.22, 0
    for name in names:
        wide = 0.36 + LETTER * len(name)
        if x + wide > width and x > 0.22:
            x, line = 0.22, line + 1
        places.append((x, line))
        x += wide
    return places


def _key(figure: Figure, c: int, place: tuple[float, float], names: list[str], theme: style.Theme) -> None:
    """Mark and name of a class, `place` in inches from the top left."""
    from matplotlib.lines import Line2D

    width, height = figure.get_size_inches()
    x, y = place[0] / width, 1 - place[1] / height
    mark = Line2D([x], [y], transform=figure.transFigure, **_mark(c, names, theme, 6.5))
    mark.set_gid(f"key_{c}")
    figure.add_artist(mark)
    if _are_marks(names):
        return
    figure.text(
        x + 0.11 / width, y, names[c], fontsize=style.CAPTION, color=theme.ink, va="center_baseline", gid=f"name_{c}"
    )


def _are_marks(names: Sequence[str]) -> bool:
    """Whether the names of the classes are short enough to mark their points."""
    return all(len(name) == 1 and name.isalnum() and name.isascii() for name in names)


def _mark(c: int, names: Sequence[str], theme: style.Theme, size: float) -> dict[str, Any]:
    k = len(names)
    own = _are_marks(names)
    if own or k > FEW:
        return {
            "linestyle": "none",
            "marker": f"$\\mathbf{{{names[c] if own else c}}}$",
            "markersize": size + 1.0,
            "markerfacecolor": theme.ink,
            "markeredgewidth": 0.0,
        }
    return {
        "linestyle": "none",
        "marker": MARKS[c],
        "markersize": size,
        "markerfacecolor": _fill(c, k, theme),
        "markeredgecolor": theme.ink,
        "markeredgewidth": 0.7,
    }


def _marks(
    axes: Any,
    points: np.ndarray,
    true: np.ndarray,
    said: np.ndarray,
    chosen: np.ndarray,
    names: Sequence[str],
    theme: style.Theme,
) -> None:
    from matplotlib.path import Path as Outline

    size = 5.0 if len(chosen) <= 150 else 4.0
    for c in range(len(names)):
        of_class = chosen[true[chosen] == c]
        axes.plot(*points[of_class].T, gid=f"class_{c}", zorder=4, **_mark(c, names, theme, size))
    wrong = chosen[said[chosen] != true[chosen]]
    if not len(wrong):
        return
    sign: dict[str, Any] = {"marker": "o", "markersize": size + 4.5, "markeredgewidth": 1.2}
    if len(wrong) > RINGS:
        below = Outline([(-1.0, -1.5), (1.0, -1.5), (0.0, 1.5)], [Outline.MOVETO, Outline.LINETO, Outline.MOVETO])
        sign = {"marker": below, "markersize": 1.7 * size, "markeredgewidth": 1.1}
    colours = {"markerfacecolor": "none", "markeredgecolor": theme.bad}
    axes.plot(*points[wrong].T, gid="wrong", linestyle="none", zorder=5, **sign, **colours)


def _near(points: np.ndarray, spans: Sequence[tuple[float, float]]) -> np.ndarray:
    """How many points lie in the place of each one, itself included."""
    low, high = np.array(spans).T
    scaled = (points - low) / (high - low)
    found: np.ndarray = (np.abs(scaled[:, None] - scaled).max(-1) < NEAR).sum(1)
    return found


def _piles(axes: Any, points: np.ndarray, theme: style.Theme) -> None:
    """How many points lie in one place, beside it, for their marks hide one another."""
    from matplotlib.patheffects import withStroke

    spans = [axes.get_xlim(), axes.get_ylim()]
    low, high = np.array(spans).T
    scaled = (points - low) / (high - low)
    near = _near(points, spans)
    for i in np.argsort(-near, kind="stable"):
        if near[i] < PILE:
            continue
        x, y = scaled[i]
        left, down = x > 0.85, y > 0.85
        axes.text(
            x + (-0.025 if left else 0.025), y + (-0.025 if down else 0.025), f"{near[i]}×",
            transform=axes.transAxes, ha="right" if left else "left", va="top" if down else "bottom",
            fontsize=style.TAG, fontweight="bold", color=theme.ink, zorder=7, gid="pile",
            path_effects=[withStroke(linewidth=2.0, foreground=theme.paper)],
        )  # fmt: skip
        near[np.abs(scaled - scaled[i]).max(-1) < APART] = 0


def _spans(panel: _Panel, chosen: np.ndarray) -> list[tuple[float, float]]:
    """What each axis shows: all an activation can give, or where the points and the input's grid are."""
    if panel.limits is not None:
        low, high = panel.limits
        margin = 0.05 * (high - low)
        return [(low - margin, high + margin)] * panel.points.shape[1]
    if panel.lines and panel.number == 0:  # the grid was laid to fill the panel
        return [(float(values.min()), float(values.max())) for values in np.concatenate(panel.lines).T]
    return [_limits(values) for values in np.concatenate([panel.points[chosen], *panel.lines]).T]


def _draw_plane(
    figure: Figure,
    box: tuple[float, float, float, float],
    panel: _Panel,
    true: np.ndarray,
    said: np.ndarray,
    chosen: np.ndarray,
    names: list[str],
    decide: _Decision | None,
    theme: style.Theme,
) -> None:
    from matplotlib.ticker import FixedLocator, MaxNLocator

    axes = figure.add_axes(box)
    _plain(axes, theme)
    axes.grid(False)
    axes.set_title(panel.title, fontsize=style.VALUE, fontweight="bold", color=theme.ink, loc="left")
    axes.set_xlabel(panel.axes[0], fontsize=style.CAPTION, color=theme.muted)
    axes.set_ylabel(panel.axes[1], fontsize=style.CAPTION, color=theme.muted, labelpad=2)
    across, up = _spans(panel, chosen)
    axes.set_xlim(*across)
    axes.set_ylim(*up)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(
            MaxNLocator(4) if panel.limits is None else FixedLocator(np.linspace(*panel.limits, 3).tolist())
        )
    if decide is None:
        axes.set_facecolor(theme.panel)
    else:
        _regions(axes, across, up, decide, panel.points[chosen], names, theme)
    for i, line in enumerate(panel.lines):
        axes.plot(*line.T, color=theme.muted, linewidth=0.5, alpha=0.7, zorder=2, gid=f"grid_{i}")
    _marks(axes, panel.points, true, said, chosen, names, theme)
    _piles(axes, panel.points[chosen], theme)


def _regions(
    axes: Axes,
    across: tuple[float, float],
    up: tuple[float, float],
    decide: _Decision,
    points: np.ndarray,
    names: list[str],
    theme: style.Theme,
) -> None:
    """A ground for every answer, the line between two of them, and the answer's name where there is room for it."""
    from matplotlib.colors import ListedColormap
    from matplotlib.patheffects import withStroke

    k = len(names)
    a, b = np.linspace(*across, FIELD), np.linspace(*up, FIELD)
    margins = decide.margins(np.stack(np.meshgrid(a, b), -1).reshape(-1, 2)).reshape(FIELD, FIELD, k)
    answer = margins.argmax(-1)
    axes.imshow(
        answer,
        cmap=ListedColormap([_ground(c, k, theme) for c in range(k)]),
        vmin=-0.5,
        vmax=k - 0.5,
        extent=(*across, *up),
        origin="lower",
        aspect="auto",
        interpolation="nearest",
        zorder=0,
        gid="regions",
    )
    for c in range(1 if k == 2 else 0, k):
        if margins[..., c].min() < 0 < margins[..., c].max():
            axes.contour(a, b, margins[..., c], levels=[0.0], colors=[theme.ink], linewidths=1.4, zorder=3)
    # A name stands where the nearest point, other region or edge is farthest, in heights of its box: it is wider than
    # high.
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
            x, y = inside[room.argmax()]
            axes.text(
                x, y, names[c], transform=axes.transAxes, ha="center", va="center", fontsize=style.CAPTION,
                fontweight="bold", color=theme.ink, zorder=6, gid=f"answer_{c}",
                path_effects=[withStroke(linewidth=2.5, foreground=_ground(int(c), k, theme))],
            )  # fmt: skip


def _draw_space(
    figure: Figure,
    box: tuple[float, float, float, float],
    panel: _Panel,
    true: np.ndarray,
    said: np.ndarray,
    chosen: np.ndarray,
    names: list[str],
    decide: _Decision | None,
    theme: style.Theme,
) -> None:
    from mpl_toolkits.mplot3d.art3d import Poly3DCollection  # type: ignore[import-untyped]

    axes: Any = figure.add_axes(box, projection="3d", computed_zorder=False)
    axes.set_facecolor(theme.paper)
    axes.view_init(20, -60)
    axes.set_box_aspect(None, zoom=0.92)
    axes.set_title(panel.title, fontsize=style.VALUE, fontweight="bold", color=theme.ink, loc="left")
    spans = _spans(panel, chosen)
    for axis, span, name in zip("xyz", spans, panel.axes, strict=True):
        getattr(axes, f"set_{axis}lim")(*span)
        getattr(axes, f"set_{axis}label")(name, fontsize=style.CAPTION, color=theme.muted, labelpad=-4)
        one = getattr(axes, f"{axis}axis")
        one.set_pane_color(theme.panel)
        one.line.set_color(theme.hair)
        one._axinfo["grid"].update(color=theme.hair, linewidth=0.5)
    axes.tick_params(colors=theme.muted, labelsize=style.SMALL, pad=-2)
    axes.locator_params(nbins=3)
    if decide is not None:
        _draw_walls(axes, spans, decide, len(names), theme)
        if polygons := _boundaries(spans, decide, len(names)):
            surface = Poly3DCollection(polygons, facecolors=theme.fwd, alpha=0.2, linewidths=0, zorder=1)
            surface.set_rasterized(True)
            axes.add_collection3d(surface)
    for i, line in enumerate(panel.lines):
        axes.plot(*line.T, color=theme.muted, linewidth=0.5, alpha=0.7, zorder=2, gid=f"grid_{i}")
    _marks(axes, panel.points, true, said, chosen, names, theme)


def _draw_walls(axes: Any, spans: Sequence[tuple[float, float]], decide: _Decision, k: int, theme: style.Theme) -> None:
    """The answers on the three walls behind the points: a ground for each class, and the lines between them."""
    for axis, side in enumerate((0, 1, 0)):  # the walls that are behind, seen from where `view_init` puts the eye
        others = [i for i in range(3) if i != axis]
        sides = np.meshgrid(*(np.linspace(*spans[i], WALL) for i in others))
        points = np.full((WALL, WALL, 3), spans[axis][side])
        points[..., others[0]], points[..., others[1]] = sides
        margins = decide.margins(points.reshape(-1, 3)).reshape(WALL, WALL, k)
        outline = points[[0, 0, -1, -1, 0], [0, -1, -1, 0, 0]]
        axes.plot(*outline.T, color=theme.hair, linewidth=0.8, zorder=0)
        for c in range(k):
            ahead = margins[..., c]
            given = [*sides[:axis], ahead, *sides[axis:]]
            common = {"zdir": "xyz"[axis], "offset": spans[axis][side], "zorder": 0}
            if ahead.max() > 0:
                axes.contourf(*given, levels=[0.0, float(ahead.max()) + 1.0], colors=[_ground(c, k, theme)], **common)
            if ahead.min() < 0 < ahead.max():
                axes.contour(*given, levels=[0.0], colors=[theme.ink], linewidths=1.0, **common)


def _boundaries(spans: Sequence[tuple[float, float]], decide: _Decision, k: int) -> list[np.ndarray]:
    """Polygons on which the answer changes, each once."""
    places = np.stack(np.meshgrid(*(np.linspace(*span, CUBES + 1) for span in spans), indexing="ij"), -1)
    margins = decide.margins(places.reshape(-1, 3)).reshape(*places.shape[:-1], k)
    polygons: list[np.ndarray] = []
    for c in range(k - 1):
        found = _crossing(places, margins[..., c])
        if found:  # the boundary of two classes is found by both: the first of them keeps it
            middles = np.array([polygon.mean(0) for polygon in found])
            first = np.argsort(-decide.margins(middles), axis=1)[:, :2].min(1)
            polygons += [polygon for polygon, keeper in zip(found, first, strict=True) if keeper == c]
    return polygons


def _crossing(places: np.ndarray, values: np.ndarray) -> list[np.ndarray]:
    """Triangles and quadrangles on which the values at the corners of a grid of cubes cross zero.

    Each cube is cut into six tetrahedra, in which the values are taken as linear.
    A. Doi and A. Koide, "An efficient method of triangulating equi-valued surfaces by using tetrahedral cells", 1991.
    """
    corners = np.array(list(np.ndindex(2, 2, 2)))
    at = [tuple(slice(d, n - 1 + d) for d, n in zip(c, values.shape, strict=True)) for c in corners]
    value = np.stack([values[where].ravel() for where in at], 1)
    place = np.stack([places[where].reshape(-1, 3) for where in at], 1)
    found: list[np.ndarray] = []
    for tetrahedron in TETRAHEDRA:
        v, p = value[:, tetrahedron], place[:, tetrahedron]
        order = np.argsort(v <= 0, axis=1, kind="stable")  # those above zero first
        v, p = np.take_along_axis(v, order, 1), np.take_along_axis(p, order[..., None], 1)
        above = (v > 0).sum(1)
        for count, edges in CUTS.items():
            of = above == count
            ends = []
            for i, j in edges:
                share = (v[of, i] / (v[of, i] - v[of, j]))[:, None]
                ends.append(p[of, i] + (p[of, j] - p[of, i]) * share)
            found += list(np.stack(ends, 1))
    return found
