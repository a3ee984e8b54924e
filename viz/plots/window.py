"""One window of a convolution or a pooling: the inputs of one output, and the outputs that depend on one input."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from glassgrad import autograd as ag
from glassgrad.autograd.engine.graph import Node
from glassgrad.viz.drawing import numbers, style
from glassgrad.viz.drawing.errors import DrawingError
from glassgrad.viz.drawing.style import LIGHT
from glassgrad.viz.drawing.words import joined, noted
from glassgrad.viz.plots.figure import Plot, cell_axes, titled_figure, write
from glassgrad.viz.recorded.evaluate import Evaluation, evaluate
from glassgrad.viz.recorded.names import Names
from glassgrad.viz.recorded.notation.windows import formula, geometry
from glassgrad.viz.recorded.since import notice
from glassgrad.viz.recorded.validation import recorded

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHOWN = ("conv", "max_pool", "sum_pool")
CHANNELS = 3  # drawn; the sum of the others is written
AROUND = 1  # entries around a window
WIDEST = 11  # entries of a grid along an axis; a wider one is refused
CELL_WIDTH, CELL_HEIGHT, SIGN = 0.47, 0.24, 0.3  # inches
TOP, LEFT, HEAD, GAP = 0.78, 0.15, 0.24, 0.22
LETTER = 0.083  # inches: a letter of a bold caption, at most on average


@dataclass
class _Grid:
    """Numbers in rows and columns: ``start`` is the index of the first, NaN stands for entries outside of the array."""

    title: str
    values: np.ndarray
    start: tuple[int, int] | None = None
    framed: set[tuple[int, ...]] = field(default_factory=set)  # by index
    strong: set[tuple[int, ...]] = field(default_factory=set)
    kind: str = "value"
    outside: str = "0"  # written for entries outside of the array

    @property
    def size(self) -> tuple[float, float]:
        """Width and height in inches, with the title and the numbers of rows and columns."""
        rows, columns = self.values.shape
        labels = 0.2 if self.start is not None else 0.0
        return max(columns * CELL_WIDTH + labels, LETTER * len(self.title)), rows * CELL_HEIGHT + HEAD + labels


_Rows: TypeAlias = list[list[_Grid | str]]
_Channel: TypeAlias = tuple[int, int, int]  # of the array that is multiplied, and the weight's two
_Tap: TypeAlias = tuple[tuple[int, ...], tuple[int, ...], bool]  # index in the weight, place in the array, if inside


def plot_window(
    y: ag.Tensor,
    *,
    at: Sequence[int] | None = None,
    point: Sequence[int] | None = None,
    loss: ag.Tensor | None = None,
) -> Plot:
    """The window that made one output, or the outputs that one entry of the input reached, with all numbers.

    ``y``: the recorded result of a convolution or a pooling over one or two spatial axes. ``at``: an output (example,
    channel, *place): its window in the input is framed, and the sum or the maximum is written out. ``point``: an entry
    (example, channel, *place) of the input instead: the outputs that read it are framed, with the weight that each
    multiplies it by, the gradient of ``loss``, a scalar computed from ``y``, from each, and their sum.

    Raises `DrawingError` for another operation, an index out of range, and a window too large to be written out.

    >>> x = ag.Tensor([[[1.0, 2.0, 3.0, 4.0]]], name="x")
    >>> y = ag.conv(x, ag.Tensor([[[1.0, -1.0]]], requires_grad=True, name="w"), padding=1)
    >>> plot_window(y, at=(0, 0, 1))
    Plot('z1[0,0,1] = Σ of 2 products = -1')
    """
    recorded(y)
    node = y.node
    if node is None or node.op.name not in SHOWN:
        made = "none" if node is None else node.op.name
        raise DrawingError(f"y was made by {made}: give the result of a convolution or a pooling")
    if (at is None) == (point is None):
        raise DrawingError("give either at=, the index of an output, or point=, the index of an entry of the input")
    if len(node.shape) not in (3, 4):
        raise DrawingError(f"y of shape {numbers.shape(node.shape)} has 3 spatial axes: one or two can be drawn")
    ends = [y] if loss is None else [*recorded(loss)]
    if point is not None and loss is None:
        raise DrawingError("point= shows the gradients that come back to an entry: give loss=, such as loss=ag.sum(y)")
    if loss is not None and (len(ends) != 1 or ends[0].size != 1):
        raise DrawingError("loss must be one number: give the Tensor that backward() is called on")
    seen = evaluate(ends, gradients=loss is not None)
    if loss is not None and node not in seen.values:
        raise DrawingError("loss was not computed from y")
    view = _View(node, seen)
    which, index, shape = ("at", at, node.shape) if at is not None else ("point", point or (), view.shape)
    if len(index) != len(shape) or not all(type(i) is int and 0 <= i < n for i, n in zip(index, shape, strict=False)):
        raise DrawingError(f"{which}={tuple(index)} is not a position in an array of shape {numbers.shape(shape)}")
    drawn = view.forward(index) if at is not None else view.backward(index)
    told = notice(seen, Names(seen.graph))
    drawn.said += told
    drawn.alt = joined(f"{drawn.alt}." if told else drawn.alt, noted(told))
    return drawn.plot()


class _View:
    """The arrays, names and geometry of an operation over windows; of one spatial axis, with another of length 1."""

    def __init__(self, node: Node, seen: Evaluation) -> None:
        called = Names(seen.graph)
        given = {arg: place for arg, place in zip(node.op.args, node.inputs, strict=False) if place is not None}
        arrays = {arg: seen.value(place) for arg, place in given.items()}
        shapes = {arg: array.shape for arg, array in arrays.items()}
        self.name, self.groups, self.shape = node.op.name, node.params.get("groups", 1), shapes["x"]
        self.names = {arg: called[place].shown for arg, place in given.items()} | {"y": called[node].shown}
        written = formula(self.name, shapes, node.params)
        assert written is not None
        self.formula = written.text(self.names["y"], self.names)
        gradient = seen.gradient(node)
        arrays |= {"y": seen.value(node), "g": np.zeros(node.shape) if gradient is None else gradient}
        self.b = arrays.get("bias")
        self.arrays = {arg: x.reshape(*x.shape[:2], -1, x.shape[-1]) for arg, x in arrays.items() if x.ndim > 2}
        self.w = self.arrays.get("weight")
        place = geometry(self.name, shapes, node.params)
        if place.axes == 1:
            place = replace(
                place,
                **{key: (1, *getattr(place, key)) for key in ("space", "size", "stride", "dilation", "out")},
                pads=((0, 0), *place.pads),
            )
        self.place = place

    def _part(self, of: str, n: int, c: int, around: Iterable[tuple[int, ...]], **options: Any) -> _Grid:
        """The part of ``x``, ``y`` or ``g``, the gradient at y, around places that are framed."""
        title = f"∂L/∂{self.names['y']}" if of == "g" else self.names[of]
        kind = "gradient" if of == "g" else "value"
        return _around(self.arrays[of][n, c], set(around), f"{title}[{n},{c}]", kind=kind, **options)

    def _multiplied(
        self, of: str, n: int, channels: Sequence[_Channel], taps: Sequence[_Tap]
    ) -> tuple[_Rows, str, float]:
        """The channels of ``x`` or ``g`` times their weights, a row each, and their sum in words and as a number."""
        assert self.w is not None
        rows: _Rows = []
        sums = []
        for channel, o, c in channels:
            array, weight = self.arrays[of][n, channel], self.w[o, c]
            products = {tap: float(weight[tap]) * (float(array[at]) if inside else 0.0) for tap, at, inside in taps}
            sums.append(sum(products.values()))
            if len(sums) > CHANNELS:
                continue
            multiplied = np.full(weight.shape, np.nan)
            for tap, product in products.items():
                multiplied[tap] = product
            some: dict[str, Any] = {"start": (0, 0), "framed": set(products)} if len(products) < weight.size else {}
            factor = _Grid(f"{self.names['weight']}[{o},{c}]", weight, kind="knob", **some)
            kind = "products" if of == "g" else "value"
            result = _Grid(f"products, Σ = {numbers.scalar(sums[-1])}", multiplied, kind=kind)
            rows.append([self._part(of, n, channel, [at for _, at, _ in taps]), "×", factor, "=", result])
        parts = [numbers.scalar(part) for part in sums[:CHANNELS]]
        if more := sums[CHANNELS:]:
            parts.append(f"{numbers.scalar(sum(more))} from {len(more)} more channels")
        if self.b is not None and of == "x":
            parts.append(f"bias {numbers.scalar(float(self.b[channels[0][1]]))}")
        return rows, " + ".join(parts).replace("+ -", "- "), sum(sums)

    def forward(self, index: Sequence[int]) -> _Sheet:
        """The window of one output."""
        n, o, *_ = index
        place = (index[2], index[3]) if len(index) == 4 else (0, index[2])
        taps = [*self.place.window(place)]
        name = f"{self.names['y']}[{','.join(map(str, index))}]"
        whole = numbers.scalar(float(self.arrays["y"][(n, o, *place)]))
        result, largest = self._part("y", n, o, [place]), self.name == "max_pool"
        line = "framed = the window"
        if any(map(any, self.place.pads)):
            line += f"; hatched = outside of the input, {'not counted' if largest else 'counted as 0'}"
        if self.w is None:
            inside = [at for _, at, is_in in taps if is_in]
            strong = {max(inside, key=lambda at: float(self.arrays["x"][(n, o, *at)]))} if largest else set()
            around, outside = [at for _, at, _ in taps], "" if largest else "0"
            grid = self._part("x", n, o, around, strong=strong, outside=outside)
            said = f"{name} = {f'the largest of {len(inside)}' if largest else f'Σ of {len(inside)} numbers'} = {whole}"
            rows: _Rows = [[grid, "max →" if largest else "Σ →", result]]
            line += "; thick = the largest of it" if largest else ""
            return _Sheet(rows, f"The window of {name}", line, [self.formula, said], said)
        inside = self.w.shape[1]
        first = o // (self.w.shape[0] // self.groups) * inside
        rows, total, _ = self._multiplied("x", n, [(first + c, o, c) for c in range(inside)], taps)
        rows[0] += ["Σ →", result]
        said = f"{name} = {total}" + (f" = {whole}" if inside > 1 or self.b is not None else "")
        alt = f"{name} = Σ of {inside * len(taps)} products{' + bias' * (self.b is not None)} = {whole}"
        return _Sheet(rows, f"The window of {name}", line, [self.formula, said], alt)

    def backward(self, index: Sequence[int]) -> _Sheet:
        """The outputs that one entry of the input reached."""
        n, c, *_ = index
        point = (index[2], index[3]) if len(index) == 4 else (0, index[2])
        taps = [(tap, place, True) for place, tap in self.place.reached(point)]
        places = [place for _, place, _ in taps]
        entry, start = f"{self.names['x']}[{','.join(map(str, index))}]", self._part("x", n, c, [point])
        title, line = f"Where {entry} goes", "framed = the outputs that read the entry"
        if not taps:
            said = f"{entry} is in no window: its gradient is 0"
            return _Sheet([[start]], title, line, [said], said)
        if self.w is None:
            largest, x, g = self.name == "max_pool", self.arrays["x"][n, c], self.arrays["g"][n, c]
            strong = set()
            for place in places if largest else ():
                window = [at for _, at, is_in in self.place.window(place) if is_in]
                strong |= {place} if max(window, key=lambda at: float(x[at])) == point else set()
            parts = [self._part(of, n, c, places, strong=strong) for of in ("y", "g")]
            passed = sum(float(g[place]) for place in (strong if largest else places))
            said = f"read by {len(places)} windows" + (f", the largest in {len(strong)} of them" if largest else "")
            said += f": ∂L/∂{entry} = {numbers.scalar(passed)}"
            line += "; thick = the largest is there" if largest else ""
            return _Sheet([[start, "→", parts[0], "→", parts[1]]], title, line, [said], said)
        out, inside = self.w.shape[:2]
        each = out // self.groups
        channels = [(o, o, c % inside) for o in range(c // inside * each, (c // inside + 1) * each)]
        rows, total, whole = self._multiplied("g", n, channels, taps)
        rows[0] = [start, "→", *rows[0]]
        said = f"∂L/∂{entry} = {total}" + (f" = {numbers.scalar(whole)}" if len(channels) > 1 else "")
        line += ", and the weights that they multiply it by"
        return _Sheet(rows, title, line, [said], said, begin=2)


def _entry(x: float) -> str:
    """A number in at most 7 characters."""
    said = numbers.short(x + 0.0)  # no negative zero
    return said if len(said) <= 6 else f"{x:.4f}" if 5e-5 <= abs(x) < 10 else numbers.exponential(x, 0)


def _around(array: np.ndarray, framed: set[tuple[int, ...]], title: str, **options: Any) -> _Grid:
    """The part of an array around these positions; NaN outside of the array."""
    spans = []
    for places, n in zip(zip(*framed, strict=True), array.shape, strict=True):
        low, high, spare = min(places), max(places), AROUND if n > 1 else 0
        spans.append(range(min(max(low - spare, 0), low), max(min(high + spare, n - 1), high) + 1))
    rows, columns = spans
    if max(map(len, spans)) > WIDEST:
        given = f"{len(rows)} × {len(columns)}"
        raise DrawingError(f"a window of {given} is too large to be written out: up to {WIDEST} × {WIDEST}")
    values = np.full((len(rows), len(columns)), np.nan)
    for i, j in itertools.product(rows, columns):
        if 0 <= i < array.shape[0] and 0 <= j < array.shape[1]:
            values[i - rows.start, j - columns.start] = array[i, j]
    return _Grid(title, values, (rows.start, columns.start), framed, **options)


# ---------------------------------------------------------------- drawing


@dataclass
class _Sheet:
    """Rows of grids below each other, later ones aligned with part number ``begin`` of the first, and words below."""

    rows: _Rows
    title: str
    line: str
    said: list[str]
    alt: str
    begin: int = 0

    def plot(self) -> Plot:
        """The plot."""
        lead = sum(map(_width, self.rows[0][: self.begin]))
        widths = [lead * (k > 0) + sum(map(_width, row)) for k, row in enumerate(self.rows)]
        heights = [max(part.size[1] for part in row if isinstance(part, _Grid)) + GAP for row in self.rows]
        width = max(*widths, 0.075 * max(map(len, self.said)), 0.072 * len(self.line)) + 2 * LEFT
        height = TOP + sum(heights) + 0.22 * len(self.said) + 0.1
        with titled_figure(width, height, self.title, self.line) as figure:
            top = height - TOP
            for k, (row, tall) in enumerate(zip(self.rows, heights, strict=True)):
                x = LEFT + (lead if k else 0.0)
                for part in row:
                    if isinstance(part, str):
                        middle: dict[str, Any] = {"ha": "center", "va": "center"}
                        at = x + _width(part) / 2, top - (tall - GAP + HEAD) / 2
                        write(figure, *at, part, style.VALUE, LIGHT.muted, **middle)
                    else:
                        _table(figure, part, x, top - (tall - GAP - part.size[1]) / 2)
                    x += _width(part)
                top -= tall
            for k, words in enumerate(self.said):
                write(figure, LEFT, top - 0.22 * k, words, style.CELL, LIGHT.ink, va="top")
        return Plot(figure, self.alt)


def _width(part: _Grid | str) -> float:
    return part.size[0] if isinstance(part, _Grid) else SIGN + 0.07 * (len(part) - 1)


def _table(figure: Figure, grid: _Grid, x: float, top: float) -> None:
    """Draw a grid with its top left corner here, in inches."""
    from matplotlib.patches import Rectangle

    rows, columns = grid.values.shape
    labels = 0.2 if grid.start is not None else 0.0
    ink = LIGHT.grad if grid.kind in ("gradient", "products") else LIGHT.ink
    ground = {"gradient": LIGHT.grad_bg, "products": LIGHT.grad_bg, "knob": LIGHT.knob_bg}.get(grid.kind, LIGHT.fwd_bg)
    write(figure, x, top, grid.title, style.CAPTION, ink, va="top", fontweight="bold")
    bottom = top - HEAD - labels - rows * CELL_HEIGHT
    axes = cell_axes(figure, x + labels, bottom, (columns * CELL_WIDTH, rows * CELL_HEIGHT), (rows, columns))
    top_row, left_column = grid.start or (0, 0)
    for (i, j), value in np.ndenumerate(grid.values):
        at, missing = (i + top_row, j + left_column), bool(np.isnan(value))
        if missing and grid.kind == "products":
            continue
        counts = at in grid.framed or grid.start is None
        face = LIGHT.panel if missing else ground if counts else LIGHT.paper
        look: dict[str, Any] = {"edgecolor": LIGHT.hair, "linewidth": 0.6, "hatch": "////" if missing else None}
        axes.add_patch(Rectangle((j, i), 1, 1, facecolor=face, **look))
        said = ("" if grid.kind == "gradient" else grid.outside) if missing else _entry(float(value))
        look = {"fontweight": "bold" if at in grid.strong else "normal", "fontsize": style.SMALL}
        look |= {"style": "italic" if ink == LIGHT.grad else "normal"}
        colour = LIGHT.muted if missing or not counts else ink
        axes.text(j + 0.5, i + 0.54, said, color=colour, ha="center", va="center", **look)
    edge = {"gradient": LIGHT.grad, "knob": LIGHT.knob}.get(grid.kind, LIGHT.fwd)
    for places, line in ((grid.framed, 1.6), (grid.strong, 3.0)):
        for i, j in places:
            corner = j - left_column, i - top_row
            axes.add_patch(Rectangle(corner, 1, 1, fill=False, edgecolor=edge, linewidth=line, clip_on=False))
    if grid.start is not None:
        small: dict[str, Any] = {"fontsize": style.TAG, "color": LIGHT.muted}
        for j in range(columns):
            axes.text(j + 0.5, -0.12, str(left_column + j), ha="center", va="bottom", **small)
        for i in range(rows):
            axes.text(-0.08, i + 0.54, str(top_row + i), ha="right", va="center", **small)
