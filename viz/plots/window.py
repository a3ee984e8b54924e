"""One window of a convolution or a pooling: the inputs of one output, and the outputs that depend on one input.

A pooling is drawn as a convolution of each channel alone: the weights of a mean are equal, and those of a maximum are 1
at the largest entry of the window and 0 elsewhere.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Sequence
from typing import Any, TypeAlias

import numpy as np

from glassgrad import autograd as ag
from glassgrad.autograd.common.validation import check_instance
from glassgrad.autograd.engine.graph import Node
from glassgrad.viz.drawing import numbers, style
from glassgrad.viz.drawing.errors import DrawingError
from glassgrad.viz.drawing.labels import Label, caption, cell, flowed, row, table, text, width
from glassgrad.viz.drawing.render import Picture
from glassgrad.viz.recorded.evaluate import Evaluation, evaluate, host
from glassgrad.viz.recorded.names import Names
from glassgrad.viz.recorded.notation.windows import formula, geometry
from glassgrad.viz.recorded.since import notice
from glassgrad.viz.recorded.validation import recorded

SHOWN = ("conv", "max_pool", "sum_pool")
CHANNELS = 3  # drawn; the sum of the others is written
AROUND = 1  # entries around a window
WIDEST = 11  # entries of a grid along an axis; a wider one is refused
WIDTH, HEIGHT, INDEX, GAP = 36, 18, 14, 3  # points: an entry, the number of a row or column, and around a grid
ROOM = style.WIDTH - 42  # points: what is wider goes on in a line below
KINDS = {  # of a grid: its ink, its frames and its ground
    "value": ("ink", "fwd", "fwd_bg"),
    "knob": ("ink", "knob", "knob_bg"),
    "gradient": ("grad", "grad", "grad_bg"),
    "products": ("grad", "fwd", "grad_bg"),
}


_Tap: TypeAlias = tuple[tuple[int, ...], tuple[int, ...], bool]  # index in the weight, place in the array, if it counts


def plot_window(
    y: ag.Tensor, *, at: Sequence[int] | None = None, point: Sequence[int] | None = None, loss: ag.Tensor | None = None
) -> Picture:
    """The window that made one output, or the outputs that one entry of the input reached, with all numbers.

    ``y``: the recorded result of a convolution or a pooling over one or two spatial axes. ``at``: an output (example,
    channel, *place): its window in the input is framed, and the sum is written out; the weights of a maximum are 1 at
    the largest entry and 0 elsewhere. ``point``: an entry (example, channel, *place) of the input instead: the outputs
    that read it are framed, with the weight that each multiplies it by, the gradient of ``loss``, a scalar computed
    from ``y``, from each, and their sum.

    Raises `DrawingError` for another operation, an index out of range, and a window too large to be written out.

    >>> x = ag.Tensor([[[1.0, 2.0, 3.0, 4.0]]], name="x")
    >>> y = ag.conv(x, ag.Tensor([[[1.0, -1.0]]], requires_grad=True, name="w"), padding=1)
    >>> plot_window(y, at=(0, 0, 1))
    <Picture 'The window of z1[0,0,1]'>
    """
    recorded(y)
    node = y.node
    over, factor = (None, 1.0) if node is None else _over_windows(node)
    if node is None or over is None:
        made = "none" if node is None else node.op.name
        raise DrawingError(f"y was made by {made}: give the result of a convolution or a pooling")
    if len(node.shape) not in (3, 4):
        raise DrawingError(f"y of shape {numbers.shape(node.shape)} has 3 spatial axes: one or two can be drawn")
    if (at is None) == (point is None) or (point is None) != (loss is None):
        raise DrawingError(
            "give either at=, the index of an output, or point=, the index of an entry of the input, and loss=, such as"
            " loss=ag.sum(y)"
        )
    seen = evaluate([y] if loss is None else recorded(loss), gradients=loss is not None)
    if loss is not None and node not in seen.gradients:
        raise DrawingError("loss must be one number that was computed from y: give what backward() is called on")
    view = _View(node, over, factor, seen)
    which, given, shape = ("point", point, view.shape) if at is None else ("at", at, node.shape)
    index = check_instance(given, Sequence, which, "a tuple of integers")  # type: ignore[type-abstract]
    if len(index) != len(shape) or not all(type(i) is int and 0 <= i < n for i, n in zip(index, shape, strict=False)):
        raise DrawingError(f"{which}={tuple(index)} is not a position in an array of shape {numbers.shape(shape)}")
    return view.backward(index) if at is None else view.forward(index)


def _over_windows(node: Node) -> tuple[Node | None, float]:
    """The operation over windows that made a value, and the number by which a mean multiplies its sums."""
    if node.op.name == "multiply":
        total, share = node.inputs
        if isinstance(total, Node) and total.op.name == "sum_pool" and not isinstance(share, Node):
            return (total, float(host(share).reshape(()))) if np.size(host(share)) == 1 else (None, 1.0)
    return node if node.op.name in SHOWN else None, 1.0


class _View:
    """The arrays, names and geometry of an operation over windows; of one spatial axis, with another of length 1."""

    def __init__(self, node: Node, over: Node, factor: float, seen: Evaluation) -> None:
        called = Names(seen.graph)
        self.notice = notice(seen, called)
        given = {arg: place for arg, place in zip(over.op.args, over.inputs, strict=False) if place is not None}
        arrays = {arg: seen.value(place) for arg, place in given.items()}
        shapes = {arg: array.shape for arg, array in arrays.items()}
        self.is_max, self.is_pool, self.shape = over.op.name == "max_pool", over.op.name != "conv", shapes["x"]
        self.names = {arg: called[place].shown for arg, place in given.items()} | {"y": called[node].shown}
        written = formula(over.op.name, shapes, over.params)
        assert written is not None
        self.formula = written.text(self.names["y"], self.names)
        if factor != 1.0:
            self.formula = self.formula.replace(" = ", f" = {numbers.scalar(factor)} · ", 1)
        place = geometry(over.op.name, shapes, over.params)
        arrays |= {"y": seen.value(node), "g": seen.gradients.get(node, np.zeros(node.shape))}
        arrays.setdefault("weight", np.full((self.shape[1], 1, *place.size), factor))
        self.b = arrays.get("bias")
        self.arrays = {arg: x.reshape(*x.shape[:2], -1, x.shape[-1]) for arg, x in arrays.items() if x.ndim > 2}
        if len(place.space) == 1:
            wider: list[Any] = [(one, *axes) for one, axes in zip((1, 1, 1, (0, 0), 1, 1), place, strict=True)]
            place = type(place)(*wider)
        self.place = place
        self.w = self.arrays["weight"]
        self.inside = self.w.shape[1]  # input channels of a group, and its output channels
        self.each = len(self.w) * self.inside // self.shape[1]

    def _part(self, of: str, n: int, c: int, around: Iterable[tuple[int, ...]], outside: str = "") -> Label:
        """The part of ``x``, ``y`` or ``g``, the gradient at y, around places that are framed."""
        title = f"∂L/∂{self.names['y']}" if of == "g" else self.names[of]
        kind = "gradient" if of == "g" else "value"
        return _around(self.arrays[of][n, c], set(around), f"{title}[{n},{c}]", kind, outside)

    def _counts(self, n: int, c: int, place: tuple[int, ...], point: tuple[int, ...]) -> bool:
        """Whether an output depends on an entry of its window: a maximum does on the largest alone."""
        if not self.is_max:
            return all(0 <= at < size for at, size in zip(point, self.place.space, strict=True))
        x, window = self.arrays["x"][n, c], self.place.window(place)
        return point == max((at for _, at, inside in window if inside), key=lambda at: (np.isnan(x[at]), x[at]))

    def _multiplied(
        self, of: str, n: int, channels: Sequence[tuple[int, int, int]], taps: Sequence[_Tap]
    ) -> tuple[Label, str, float]:
        """The channels of ``x`` or ``g`` times their weights, a row each, and their sum in words and as a number.

        ``channels``: of the array, and the two of the weight.
        """
        rows, sums = [], []
        for channel, o, c in channels:
            array, weight = self.arrays[of][n, channel], self.w[o, c].copy()
            products = np.ma.MaskedArray(np.zeros(weight.shape), mask=True)
            for tap, at, counts in taps:
                products[tap] = float(weight[tap]) * float(array[at]) if counts else 0.0
                weight[tap] *= counts or not self.is_max
            sums.append(sum(products.compressed().tolist()))
            if len(sums) > CHANNELS:
                continue
            some: dict[str, Any] = {"start": (0, 0), "framed": {tap for tap, _, _ in taps}}
            title = "1 at the largest" if self.is_max else "weights" if self.is_pool else ""
            title = title or f"{self.names['weight']}[{o},{c}]"
            kind = "value" if self.is_pool else "knob"
            factor = _grid(title, weight, kind, **some if len(taps) < weight.size else {})
            outside = "0" if of == "x" and not self.is_max else ""
            read = self._part(of, n, channel, [at for _, at, _ in taps], outside=outside)
            kind = "products" if of == "g" else "value"
            result = _grid(f"products, Σ = {numbers.scalar(sums[-1])}", products, kind)
            rows.append([read, _sign("×") + factor, _sign("=") + result])
        said = [numbers.scalar(part) for part in sums[:CHANNELS]]
        if more := sums[CHANNELS:]:
            said.append(f"{numbers.scalar(sum(more))} from {len(more)} more channels")
        if self.b is not None and of == "x":
            said.append(f"bias {numbers.scalar(float(self.b[channels[0][1]]))}")
        whole = table(*(row(cell(flowed(parts, ROOM, GAP))) for parts in rows))
        return cell(whole), " + ".join(said).replace("+ -", "- "), sum(sums)

    def _sheet(self, parts: Sequence[Label], title: str, line: str, said: Sequence[str], alt: str) -> Picture:
        """Grids side by side, and words above."""
        words = [[caption(line)], *([text(one, style.CELL, "ink")] for one in said)]
        names = self.names.values()
        picture = Picture("window", title=title, reading=words, alt=alt, notice=self.notice, names=names)
        picture.node("window", flowed(parts, ROOM, GAP))
        return picture

    def forward(self, index: Sequence[int]) -> Picture:
        """The window of one output."""
        n, o, *_ = index
        place = (index[2], index[3]) if len(index) == 4 else (0, index[2])
        taps = [(tap, at, self._counts(n, o, place, at)) for tap, at, _ in self.place.window(place)]
        first = o // self.each * self.inside
        products, total, _ = self._multiplied("x", n, [(first + c, o, c) for c in range(self.inside)], taps)
        parts = [products, _sign("Σ →") + self._part("y", n, o, [place])]
        name = f"{self.names['y']}[{','.join(map(str, index))}]"
        whole = numbers.scalar(float(self.arrays["y"][(n, o, *place)]))
        said = f"{name} = {total}" + (f" = {whole}" if self.inside > 1 or self.b is not None else "")
        alt = f"{name} = Σ of {self.inside * len(taps)} products{' + bias' * (self.b is not None)} = {whole}"
        if self.is_max:
            inside = sum(inside for _, _, inside in self.place.window(place))
            said = alt = f"{name} = the largest of {numbers.counted(inside, 'number')} = {whole}"
        line = "framed = the window"
        if any(map(any, self.place.pads)):
            line += f"; grey = outside of the input, {'not counted' if self.is_max else 'counted as 0'}"
        return self._sheet(parts, f"The window of {name}", line, [self.formula, said], alt)

    def backward(self, index: Sequence[int]) -> Picture:
        """The outputs that one entry of the input reached."""
        n, c, *_ = index
        point = (index[2], index[3]) if len(index) == 4 else (0, index[2])
        taps = [(tap, place, self._counts(n, c, place, point)) for place, tap in self.place.reached(point)]
        entry, start = f"{self.names['x']}[{','.join(map(str, index))}]", self._part("x", n, c, [point])
        title, line = f"Where {entry} goes", "framed = the outputs that read the entry"
        if not taps:
            said = f"{entry} is in no window: its gradient is 0"
            return self._sheet([start], title, line, [said], said)
        group = c // self.inside
        channels = [(o, o, c % self.inside) for o in range(group * self.each, (group + 1) * self.each)]
        products, total, whole = self._multiplied("g", n, channels, taps)
        said = f"∂L/∂{entry} = {total}" + (f" = {numbers.scalar(whole)}" if len(channels) > 1 else "")
        line += ", and the weights that they multiply it by"
        return self._sheet([start, _sign("→") + products], title, line, [said], said)


def _sign(words: str) -> Label:
    """A sign between grids."""
    return cell(text(words, style.VALUE, "muted"))


def _around(array: np.ndarray, framed: set[tuple[int, ...]], title: str, kind: str, outside: str) -> Label:
    """The part of an array around these positions; masked outside of the array."""
    spans = []
    for places, n in zip(zip(*framed, strict=True), array.shape, strict=True):
        low, high, spare = min(places), max(places), AROUND if n > 1 else 0
        spans.append(range(min(max(low - spare, 0), low), max(min(high + spare, n - 1), high) + 1))
    rows, columns = spans
    if max(map(len, spans)) > WIDEST:
        given = f"{len(rows)} × {len(columns)}"
        raise DrawingError(f"a window of {given} is too large to be written out: up to {WIDEST} × {WIDEST}")
    values = np.ma.MaskedArray(np.zeros((len(rows), len(columns))), mask=True)
    for i, j in itertools.product(rows, columns):
        if 0 <= i < array.shape[0] and 0 <= j < array.shape[1]:
            values[i - rows.start, j - columns.start] = array[i, j]
    return _grid(title, values, kind, (rows.start, columns.start), framed, outside)


def _grid(
    title: str,
    values: np.ndarray,
    kind: str,
    start: tuple[int, int] | None = None,
    framed: Collection[tuple[int, ...]] = (),
    outside: str = "",
) -> Label:
    """A title, and below it numbers in rows and columns with their indices, of which ``start`` is the first.

    ``framed``: by index. ``outside``: written for entries outside of the array, which are masked.
    """
    (down, across), (top, left), (ink, edge, ground) = values.shape, start or (0, 0), KINDS[kind]

    def entry(i: int, j: int) -> Label:
        look: dict[str, Any] = {"width": WIDTH, "height": HEIGHT, "fixedsize": True}
        is_framed, said, colour = (i + top, j + left) in framed, outside, "ink"
        if np.ma.is_masked(values[i, j]):
            look |= {"border": 0} if kind == "products" else {"bgcolor": "hair"}
        else:
            said, colour = numbers.short(float(values[i, j]) + 0.0), "muted"  # no negative zero
            if len(said) > 6:
                size = abs(values[i, j])
                said = f"{values[i, j]:.4f}" if 5e-5 <= size < 10 else numbers.exponential(float(values[i, j]), 0)
            if is_framed or start is None:
                colour, look["bgcolor"] = ink, ground
        look |= {"border": 2, "color": edge} if is_framed else {}
        return cell(text(said, style.CAPTION, colour, italic=colour == "grad") if said else "", **look)

    lines = [[entry(i, j) for j in range(across)] for i in range(down)]
    indices = INDEX * (start is not None)
    if start is not None:
        small: dict[str, Any] = {"width": INDEX, "height": INDEX, "fixedsize": True, "border": 0}
        lines = [[cell(caption(i + top), **small), *line] for i, line in enumerate(lines)]
        lines.insert(0, [cell(caption(left + j - 1) if j else "", **small) for j in range(across + 1)])
    wide, tall = across * WIDTH + indices + 2, down * HEIGHT + indices + 2
    fixed: dict[str, Any] = {"fixedsize": True, "width": wide, "height": tall}  # else the engine would stretch it
    numbered = table(*(row(*line) for line in lines), cellborder=1, color="hair", **fixed)
    heading = text(title, style.CAPTION, ink, bold=True)
    fixed |= {"width": max(wide, round(1.1 * width(heading))) + 4, "height": tall + 18}
    return cell(table(row(cell(heading, align="LEFT")), row(cell(numbered, align="LEFT")), **fixed))
