"""One window of a convolution or a pooling: the inputs of one output, and the outputs that depend on one input."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from glassgrad import autograd as ag
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
    framed: set[tuple[int, int]] = field(default_factory=set)  # by index
    strong: set[tuple[int, int]] = field(default_factory=set)
    kind: str = "value"
    outside: str = "0"  # written for entries outside of the array

    @property
    def size(self) -> tuple[float, float]:
        """Width and height in inches, with the title and the numbers of rows and columns."""
        rows, columns = self.values.shape
        labels = 0.2 if self.start is not None else 0.0
        return max(columns * CELL_WIDTH + labels, LETTER * len(self.title)), rows * CELL_HEIGHT + HEAD + labels


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
    view = _View(y, seen, names_of(seen, y))
    index = tuple(at if at is not None else point or ())
    shape = node.shape if at is not None else view.x.shape
    if len(index) != len(shape) or not all(type(i) is int and 0 <= i < n for i, n in zip(index, shape, strict=False)):
        which = "at" if at is not None else "point"
        raise DrawingError(f"{which}={index} is not a position in an array of shape {numbers.shape(shape)}")
    rows, said, alt = view.forward(index) if at is not None else view.backward(index)
    told = notice(seen, Names(seen.graph))
    said, alt = [*said, *told], joined(f"{alt}." if told else alt, noted(told))
    forward = at is not None
    return _drawn(rows, view.headline(index, forward), view.line(forward), said, alt, 0 if forward else 2)


def names_of(seen: Evaluation, y: ag.Tensor) -> dict[str, str]:
    """The names of the operation's arguments and of its result."""
    called = Names(seen.graph)
    node = y.node
    assert node is not None
    named = {"y": called[node].shown}
    for arg, given in zip(node.op.args, node.inputs, strict=False):
        if given is not None:
            named[arg] = called[given].shown
    return named


class _View:
    """The arrays, names and geometry of an operation over windows; one spatial axis is treated as two."""

    def __init__(self, y: ag.Tensor, seen: Evaluation, names: dict[str, str]) -> None:
        node = y.node
        assert node is not None
        self.name, self.names = node.op.name, names
        pairs = zip(node.op.args, node.inputs, strict=False)
        arrays = {arg: seen.value(given) for arg, given in pairs if given is not None}
        shapes = {arg: array.shape for arg, array in arrays.items()}
        self.place = geometry(self.name, shapes, node.params)
        self.groups = node.params.get("groups", 1)
        written = formula(self.name, shapes, node.params)
        assert written is not None
        self.formula = written.text(names["y"], names)
        self.x, self.w, self.b = arrays["x"], arrays.get("weight"), arrays.get("bias")
        self.y, gradient = seen.value(node), seen.gradient(node)
        self.g = np.zeros_like(self.y) if gradient is None else gradient

    def headline(self, index: Sequence[int], forward: bool) -> str:
        where = ",".join(map(str, index))
        return f"The window of {self.names['y']}[{where}]" if forward else f"Where {self.names['x']}[{where}] goes"

    def line(self, forward: bool) -> str:
        """The line that explains the marks."""
        thick = "; thick = the largest of it" if self.name == "max_pool" else ""
        if not forward:
            by = ", and the weights that they multiply it by" if self.w is not None else ""
            return f"framed = the outputs that read the entry{by}{thick.replace('of it', 'is there')}"
        outside = "not counted" if self.name == "max_pool" else "counted as 0"
        beside = f"; hatched = outside of the input, {outside}" if any(map(any, self.place.pads)) else ""
        return f"framed = the window{beside}{thick}"

    def part(self, of: str, n: int, c: int, around: Iterable[tuple[int, int]], **options: Any) -> _Grid:
        """The part of ``x``, ``y`` or ``g``, the gradient at y, around places that are framed."""
        places, array = set(around), getattr(self, of)
        title = f"∂L/∂{self.names['y']}" if of == "g" else self.names[of]
        kind = "gradient" if of == "g" else "value"
        return _grid(array[n, c], places, f"{title}[{n},{c}]", framed=places, kind=kind, **options)

    # ------------------------------------------------------------ forward

    def forward(self, index: tuple[int, ...]) -> tuple[list[list[_Grid | str]], list[str], str]:
        n, o, *place = index
        taps = list(self.place.window(place))
        framed = {_two(at) for _, at, _ in taps}
        name, whole = f"{self.names['y']}[{','.join(map(str, index))}]", numbers.scalar(float(self.y[index]))
        result = self.part("y", n, o, [_two(place)])
        if self.w is None:
            values = {at: float(self.x[(n, o, *at)]) for _, at, inside in taps if inside}
            largest = max(values, key=lambda at: values[at])
            strong = {_two(largest)} if self.name == "max_pool" else set()
            grid = self.part("x", n, o, framed, strong=strong, outside="" if strong else "0")
            how = f"the largest of {len(values)}" if strong else f"Σ of {len(values)} numbers"
            said = f"{name} = {how} = {whole}"
            return [[grid, "max →" if strong else "Σ →", result]], [self.formula, said], said
        rows: list[list[_Grid | str]] = []
        inside = self.w.shape[1]
        first = o // (self.w.shape[0] // self.groups) * inside
        sums = []
        for c in range(inside):
            products = {
                tap: float(self.w[(o, c, *tap)]) * (float(self.x[(n, first + c, *at)]) if is_in else 0.0)
                for tap, at, is_in in taps
            }
            sums.append(sum(products.values()))
            if c >= CHANNELS:
                continue
            size = _two(self.place.size, 1)
            product = np.array([products[tap] for tap in np.ndindex(*self.place.size)]).reshape(size)
            weight = _Grid(f"{self.names['weight']}[{o},{c}]", self.w[o, c].reshape(size), kind="knob")
            multiplied = _Grid(f"products, Σ = {numbers.scalar(sums[c])}", product)
            row: list[_Grid | str] = [self.part("x", n, first + c, framed), "×", weight, "=", multiplied]
            rows.append([*row, "Σ →", result] if c == 0 else row)
        parts = _by_channel(sums)
        if self.b is not None:
            parts.append(f"bias {numbers.scalar(float(self.b[o]))}")
        said = f"{name} = {_sum(parts)} = {whole}" if len(parts) > 1 else f"{name} = {parts[0]}"
        count = inside * len(taps)
        return rows, [self.formula, said], f"{name} = Σ of {count} products{' + bias' * (self.b is not None)} = {whole}"

    # ------------------------------------------------------------ backward

    def backward(self, index: tuple[int, ...]) -> tuple[list[list[_Grid | str]], list[str], str]:
        n, c, *point = index
        taps = dict(self.place.reached(point))
        places = {_two(place) for place in taps}
        entry = f"{self.names['x']}[{','.join(map(str, index))}]"
        start = self.part("x", n, c, [_two(point)])
        if not taps:
            said = f"{entry} is in no window: its gradient is 0"
            return [[start]], [said], said
        if self.w is None:
            largest = self.name == "max_pool"
            strong = {_two(place) for place in taps if largest and self._is_largest(n, c, place, tuple(point))}
            parts = [self.part(of, n, c, places, strong=strong) for of in ("y", "g")]
            back = self.g[n, c].reshape(_two(self.g[n, c].shape, 1))
            total = sum(float(back[place]) for place in (strong if largest else places))
            said = f"read by {len(places)} windows" + (f", the largest in {len(strong)} of them" if largest else "")
            said += f": ∂L/∂{entry} = {numbers.scalar(total)}"
            return [[start, "→", parts[0], "→", parts[1]]], [said], said
        rows: list[list[_Grid | str]] = []
        sums: list[float] = []
        out, inside = self.w.shape[:2]
        each = out // self.groups
        channels = range(c // inside * each, (c // inside + 1) * each)
        for k, o in enumerate(channels):
            products = {
                at: float(self.w[(o, c % inside, *tap)]) * float(self.g[(n, o, *at)]) for at, tap in taps.items()
            }
            sums.append(sum(products.values()))
            if k >= CHANNELS:
                continue
            title, read = f"{self.names['weight']}[{o},{c % inside}]", {_two(tap) for tap in taps.values()}
            table = self.w[o, c % inside].reshape(_two(self.place.size, 1))
            weight = _Grid(title, table, (0, 0), read, kind="knob")
            product = _scattered(products, f"products, Σ = {numbers.scalar(sums[k])}")
            row: list[_Grid | str] = [start, "→"] if k == 0 else []
            rows.append([*row, self.part("g", n, o, places), "×", weight, "=", product])
        written, whole = _by_channel(sums), numbers.scalar(sum(sums))
        said = f"∂L/∂{entry} = {_sum(written)} = {whole}" if len(written) > 1 else f"∂L/∂{entry} = {whole}"
        return rows, [said], said

    def _is_largest(self, n: int, c: int, place: tuple[int, ...], point: tuple[int, ...]) -> bool:
        inside = [at for _, at, is_in in self.place.window(place) if is_in]
        return max(inside, key=lambda at: float(self.x[(n, c, *at)])) == point


def _entry(x: float) -> str:
    """A number in at most 7 characters."""
    said = numbers.short(x + 0.0)  # no negative zero
    return said if len(said) <= 6 else f"{x:.4f}" if 5e-5 <= abs(x) < 10 else numbers.exponential(x, 0)


def _by_channel(sums: Sequence[float]) -> list[str]:
    """The sum of each channel that is drawn, and that of the others."""
    parts = [numbers.scalar(float(part)) for part in sums[:CHANNELS]]
    if more := sums[CHANNELS:]:
        parts.append(f"{numbers.scalar(sum(more))} from {len(more)} more channels")
    return parts


def _sum(parts: Sequence[str]) -> str:
    return " + ".join(parts).replace("+ -", "- ")


def _two(axes: Sequence[int], lead: int = 0) -> tuple[int, int]:
    """An index over one or two axes as one over two; a shape, with 1 as its ``lead``."""
    return (int(axes[0]), int(axes[1])) if len(axes) == 2 else (lead, int(axes[0]))


def _grid(array: np.ndarray, around: Iterable[tuple[int, int]], title: str, **options: Any) -> _Grid:
    """The part of an array around these positions; NaN outside of the array."""
    table = array.reshape(_two(array.shape, 1)).astype(float)
    spans = []
    for places, n in zip(zip(*around, strict=True), table.shape, strict=True):
        low, high, spare = min(places), max(places), AROUND if n > 1 else 0
        spans.append(range(min(max(low - spare, 0), low), max(min(high + spare, n - 1), high) + 1))
    rows, columns = spans
    if max(map(len, spans)) > WIDEST:
        given = f"{len(rows)} × {len(columns)}"
        raise DrawingError(f"a window of {given} is too large to be written out: up to {WIDEST} × {WIDEST}")
    values = np.full((len(rows), len(columns)), np.nan)
    for i, j in itertools.product(rows, columns):
        if 0 <= i < table.shape[0] and 0 <= j < table.shape[1]:
            values[i - rows.start, j - columns.start] = table[i, j]
    return _Grid(title, values, (rows.start, columns.start), **options)


def _scattered(parts: dict[tuple[int, ...], float], title: str) -> _Grid:
    """Numbers at their positions; NaN between them."""
    places = [_two(place) for place in parts]
    first = [min(place[k] for place in places) for k in (0, 1)]
    values = np.full([max(place[k] for place in places) - first[k] + 1 for k in (0, 1)], np.nan)
    for (i, j), part in zip(places, parts.values(), strict=True):
        values[i - first[0], j - first[1]] = part
    return _Grid(title, values, kind="products")


# ---------------------------------------------------------------- drawing


def _drawn(rows: list[list[_Grid | str]], title: str, line: str, said: Sequence[str], alt: str, begin: int) -> Plot:
    """Draw the rows below each other, later ones aligned with part number ``begin`` of the first."""
    lead = sum(map(_width, rows[0][:begin]))
    widths = [lead * (k > 0) + sum(map(_width, row)) for k, row in enumerate(rows)]
    heights = [max(part.size[1] for part in row if isinstance(part, _Grid)) + GAP for row in rows]
    width = max(*widths, 0.075 * max(map(len, said)), 0.072 * len(line)) + 2 * LEFT
    height = TOP + sum(heights) + 0.22 * len(said) + 0.1
    with titled_figure(width, height, title, line) as figure:
        top = height - TOP
        for k, (row, tall) in enumerate(zip(rows, heights, strict=True)):
            x = LEFT + (lead if k else 0.0)
            for part in row:
                if isinstance(part, str):
                    middle: dict[str, Any] = {"ha": "center", "va": "center"}
                    at = x + _width(part) / 2, top - (tall - GAP + HEAD) / 2
                    write(figure, *at, part, style.VALUE, LIGHT.muted, **middle)
                    x += _width(part)
                else:
                    drop = (tall - GAP - part.size[1]) / 2
                    _table(figure, part, x, top - drop)
                    x += part.size[0]
            top -= tall
        for k, words in enumerate(said):
            write(figure, LEFT, top - 0.22 * k, words, style.CELL, LIGHT.ink, va="top")
    return Plot(figure, alt)


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
