"""The panels of a feature space: the marks of the classes, and the decision as regions, surfaces and boundaries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from glassgrad import autograd as ag
from glassgrad.autograd.engine.graph import Node
from glassgrad.viz.drawing import style
from glassgrad.viz.drawing.style import LIGHT
from glassgrad.viz.plots.chain import KEEPS_ORDER
from glassgrad.viz.plots.figure import axes_at, colour_map, panel_title, plain_axes
from glassgrad.viz.recorded.evaluate import Evaluation, host

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


PILE = 3  # from so many points at one place on, their number is written beside them

SIDE, GAP = 2.6, 0.62  # inches: a panel, and the gap at its left
LETTER = 0.078  # inches: a letter of a name, at most on average


@dataclass(frozen=True)
class Panel:
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
class Examples:
    """The ``true`` classes of the examples and the predicted ones (``said``), (n,) each; ``chosen``: those drawn."""

    true: np.ndarray
    said: np.ndarray
    chosen: np.ndarray
    names: list[str]


def widened(values: np.ndarray) -> tuple[float, float]:
    """The range of the values, with a margin."""
    low, high = float(values.min()), float(values.max())
    margin = 0.12 * (high - low) or 1.0
    return low - margin, high + margin


def class_scores(outputs: np.ndarray, last: str) -> np.ndarray:
    """A score for each class, the largest being the answer, from outputs (m, k) or (m, 1)."""
    if outputs.shape[1] > 1:
        return outputs
    above = outputs - (0.5 if last.endswith(("sigmoid", "softmax")) else 0.0)
    return np.concatenate([-above, above], axis=1)


class Decision:
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
        scores = class_scores(value.reshape(len(points), -1), self.last)
        ahead = np.empty_like(scores)
        for c in range(scores.shape[1]):
            ahead[:, c] = scores[:, c] - np.delete(scores, c, axis=1).max(1)
        return ahead


MARKS = "os^DvPX*<>"  # one for each class; every second one is filled dark
FEW = 4  # classes that are distinguished by shapes; more are marked by numerals
RINGS = 25  # wrong answers: more have a bar below the mark instead, as rings would cover the points
HEIGHTS = 10  # in a space, at which the boundary is drawn

NEAR, APART = 0.006, 0.09  # fractions of a panel's side: nearer points are at one place; numbers are farther apart

FIELD = 161  # points along each axis at which the decision is computed
WALL = 61  # the same on a wall of a space and at each height


def _fill(c: int, k: int) -> str:
    """The filling of a class's mark: light and dark in turn, so that neighbours differ in grey too."""
    return LIGHT.paper if c % 2 == 0 else style.mix(LIGHT.paper, LIGHT.fwd, 1.0 - 0.5 * (c - 1) / k)


def _ground(c: int, k: int) -> str:
    """The background of a class's region."""
    return style.mix(LIGHT.paper, LIGHT.fwd, 0.03 + 0.22 * c / (k - 1))


def are_marks(names: Sequence[str]) -> bool:
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


def mark_of(c: int, names: Sequence[str], size: float) -> dict[str, Any]:
    """The mark of a class, as options of matplotlib's `plot`."""
    k = len(names)
    own = are_marks(names)
    if own or k > FEW:
        look = {"marker": letter(names[c] if own else str(c)), "markersize": size + 1.0}
        look |= {"markerfacecolor": LIGHT.ink, "markeredgewidth": 0.0}
    else:
        look = {"marker": MARKS[c], "markersize": size, "markerfacecolor": _fill(c, k)}
        look |= {"markeredgecolor": LIGHT.ink, "markeredgewidth": 0.7}
    return {"linestyle": "none", **look}


def _marks(axes: Any, points: np.ndarray, examples: Examples) -> None:
    """Draw the examples, each with the mark of its class, and mark the wrong answers."""
    from matplotlib.path import Path as Outline

    chosen, true = examples.chosen, examples.true
    size = 5.0 if len(chosen) <= 150 else 4.0
    for c in range(len(examples.names)):
        of_class = chosen[true[chosen] == c]
        axes.plot(*points[of_class].T, gid=f"class_{c}", zorder=4, **mark_of(c, examples.names, size))
    wrong = chosen[examples.said[chosen] != true[chosen]]
    if not len(wrong):
        return
    sign: dict[str, Any] = {"marker": "o", "markersize": size + 4.5, "markeredgewidth": 1.2}
    if len(wrong) > RINGS:
        below = Outline([(-1.0, -1.5), (1.0, -1.5), (0.0, 1.5)], [Outline.MOVETO, Outline.LINETO, Outline.MOVETO])
        sign = {"marker": below, "markersize": 1.7 * size, "markeredgewidth": 1.1}
    colours = {"markerfacecolor": "none", "markeredgecolor": LIGHT.bad}
    axes.plot(*points[wrong].T, gid="wrong", linestyle="none", zorder=5, **sign, **colours)


def neighbours(points: np.ndarray, spans: Sequence[tuple[float, float]]) -> np.ndarray:
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
    near = neighbours(points, spans)
    for i in np.argsort(-near, kind="stable"):
        if near[i] < PILE:
            continue
        (x, side), (y, end) = ((at + (-0.025 if at > 0.85 else 0.025), at > 0.85) for at in scaled[i])
        place: dict[str, Any] = {"ha": "right" if side else "left", "va": "top" if end else "bottom", "zorder": 7}
        _outlined(axes, x, y, f"{near[i]}×", style.TAG, LIGHT.ink, (2.0, LIGHT.paper), gid="pile", **place)
        near[np.abs(scaled - scaled[i]).max(-1) < APART] = 0


def spans_of(panel: Panel, chosen: np.ndarray) -> list[tuple[float, float]]:
    """The range of each axis: that of the activation, or of the points and the input's grid."""
    if panel.limits is not None:
        low, high = panel.limits
        margin = 0.05 * (high - low)
        return [(low - margin, high + margin)] * panel.points.shape[1]
    if panel.lines and panel.number == 0:  # the grid was laid to fill the panel
        return [(float(values.min()), float(values.max())) for values in np.concatenate(panel.lines).T]
    return [widened(values) for values in np.concatenate([panel.points[chosen], *panel.lines]).T]


def draw_panel(
    figure: Figure,
    box: tuple[float, float, float, float],
    panel: Panel,
    examples: Examples,
    decide: Decision | None,
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


def _plane(figure: Figure, box: Any, panel: Panel, examples: Examples, decide: Decision | None) -> Any:
    """The axes of two neurons, and the regions of the decision."""
    from matplotlib.ticker import FixedLocator, MaxNLocator

    axes = axes_at(figure, *box)
    plain_axes(axes)
    axes.grid(False)
    axes.set_xlabel(panel.axes[0], fontsize=style.CAPTION, color=LIGHT.muted)
    axes.set_ylabel(panel.axes[1], fontsize=style.CAPTION, color=LIGHT.muted, labelpad=2)
    across, up = spans_of(panel, examples.chosen)
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
    decide: Decision,
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


def _space(figure: Figure, box: Any, panel: Panel, examples: Examples, decide: Decision | None) -> Any:
    """The axes of three neurons, and the decision on the walls and between them."""
    axes = axes_at(figure, *box, projection="3d", computed_zorder=False)
    axes.set_facecolor(LIGHT.paper)
    axes.view_init(20, -60)
    axes.set_box_aspect(None, zoom=0.92)
    spans = spans_of(panel, examples.chosen)
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


def _draw_decision(axes: Any, spans: Sequence[tuple[float, float]], decide: Decision, k: int) -> None:
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
