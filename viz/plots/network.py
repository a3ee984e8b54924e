"""One example through a network, neuron by neuron: discs are activations, lines are weights.

Small networks show every number; large ones a few neurons of each layer, an image as a picture, and every
output with its probability. Positions are computed here, not by the engine.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from glassgrad import autograd as ag
from glassgrad.autograd.common.validation import refused
from glassgrad.viz.drawing import marks, numbers, style
from glassgrad.viz.drawing.errors import DrawingError
from glassgrad.viz.drawing.labels import Label, caption, cell, frame, grad_text, row, table, text
from glassgrad.viz.drawing.render import Picture
from glassgrad.viz.drawing.style import Theme
from glassgrad.viz.drawing.texts import text_width
from glassgrad.viz.plots.chain import Layer, Pass, run_example
from glassgrad.viz.recorded.validation import class_names, numbers_of

EVERY = 8  # neurons: a layer up to this size is drawn whole,
FIRST, LAST = 4, 2  # and so many of a larger one
EVERY_OUTPUT = 12  # neurons: an output layer up to this size is drawn whole,
OUTPUTS = 10  # and the largest outputs of a larger one
HIDDEN = 4  # hidden layers: up to so many are all drawn, else the first two and the last two
BANDS = 6  # horizontal bands of a picture, from which its lines start
SIGNED = 0.4  # share of the largest weight drawn, above which lines of a large network show their sign
NUMBERED = 4  # neurons: weights into a layer up to this size have their numbers,
NUMBERS = 16  # if there are at most so many
BAR = 84  # points: the bar of a probability of 1
TALL = 15  # points: the height of a number on a line
CLEAR, CLEAR_DISC = 46, 30  # points: from the middle of a column to numbers on the lines beside it
STROKE = 0.6  # points: the width of the two sides of a hollow line


def draw_network(
    model: Callable[[Any], ag.Tensor],
    x: Any,
    target: Any = None,
    *,
    loss: Callable[[Any, Any], ag.Tensor] | None = None,
    classes: Sequence[str] | None = None,
    title: str | None = None,
    theme: str | Theme = "light",
    image: bool | tuple[int, int] | None = None,
) -> Picture:
    """Draw one example through a network of linear layers, neuron by neuron, with the gradient at every drawn neuron.

    ``model`` is called once with ``x``, one example: (n,), or (1, ...) as a batch of one. A list of names in place of
    ``x`` draws the neurons and their connections alone, without numbers. ``target`` is the class of the example (an
    integer) or one number per output; without it there is no loss and no gradient. ``loss(output, target)`` gives a
    scalar Tensor; by default it is cross-entropy for a class and linear outputs (binary cross-entropy for a single
    one), the log loss for a class and softmax outputs, else the sum of squared differences. Outputs are drawn as
    probabilities of classes where the target is a class and the outputs are linear or sigmoid, the last layer is a
    softmax, or ``classes`` gives names. ``image``: the input is drawn as a picture when it looks like a square of 8 to
    32 pixels; True or False overrides this, ``(height, width)`` gives the shape.

    Raises `DrawingError` for more than one example, a network that is not a chain of linear layers, or a target that
    does not fit its outputs.

    >>> w = ag.Tensor([[1.0, -2.0], [-1.0, 1.0]], requires_grad=True)
    >>> picture = draw_network(lambda x: ag.sigmoid(ag.linear(x, w, None)), [1.0, -1.0], [1.0, 0.0])
    >>> picture.alt
    '2-2: one example through the network. Output 0.9526, 0.1192. L = 0.01646.'
    >>> draw_network(lambda x: ag.sigmoid(ag.linear(x, w, None)), ["width", "height"], classes=["cat", "dog"])
    <Picture '2-2 network'>
    """
    if isinstance(x, list | tuple) and x and all(isinstance(name, str) for name in x):
        if target is not None:
            raise DrawingError("a target goes with an example, and x has the names of inputs: leave target out")
        seen = run_example(model, np.zeros(len(x)), None, None, None)
        title = title or f"{'-'.join(map(str, seen.sizes))} network"
        return _Plan(seen, class_names(x, len(x)), classes).draw(title).themed(theme)
    seen = run_example(model, x, target, loss, classes)
    picture = None
    given = numbers_of(x, "x")
    if isinstance(image, tuple) and len(image) != 2:
        raise refused(image, "image", "(height, width), True or False")
    if image is not False:
        one = given.reshape(1, -1) if given.ndim == 1 else given
        picture = marks.picture_of(one, 0, image or None)
        if picture is None and image:
            raise DrawingError(
                f"an input of shape {given.shape} is not a picture: pass image=(height, width), or image=False"
            )
    return _Drawing(seen, picture, classes).draw(title).themed(theme)


@dataclass(frozen=True)
class Column:
    """The drawn neurons of one layer from the top down: their indices and positions, and how many are left out."""

    x: float
    shown: list[int]
    y: list[float]
    radius: float
    more: int = 0
    gap: float = 0.0  # height of the three dots


def sample(n: int, every: int = EVERY) -> list[int]:
    """The indices of the neurons drawn in a layer of `n`.

    >>> sample(8), sample(500)
    ([0, 1, 2, 3, 4, 5, 6, 7], [0, 1, 2, 3, 498, 499])
    """
    return list(range(n)) if n <= every else [*range(FIRST), *range(n - LAST, n)]


class _Drawing:
    """One drawing. Positions are in points, y upwards, the middle of every column at 0."""

    chosen = ", which matter less"  # of the hidden neurons that are left out

    def __init__(self, seen: Pass, picture: np.ndarray | None, classes: Sequence[str] | None) -> None:
        self.seen, self.picture, self.classes = seen, picture, classes
        if classes is not None:
            class_names(classes, max(seen.layers[-1].z.size, 2))
        self.small = picture is None and all(size <= EVERY for size in seen.sizes)
        layers = len(seen.layers)
        self.kept = list(range(layers)) if layers <= HIDDEN + 1 else [0, 1, *range(layers - 3, layers)]
        self.columns = self._columns()
        self.largest = max(map(_largest, map(self._drawn, self._joined())), default=0.0) or 1.0
        self.top = max(y for column in self.columns for y in column.y) + (36 if self.small else 22)
        if picture is not None:
            self.top = max(self.top, 92.0)

    def _columns(self) -> list[Column]:
        """The input's column and one for each drawn layer."""
        sizes = self.seen.sizes
        columns = []
        x = 0.0
        for place, size in enumerate([sizes[0], *(sizes[k + 1] for k in self.kept)]):
            if place:
                k = self.kept[place - 1]
                x += self._distance(sizes[k + 1]) + (40 if place == 1 and self.picture is not None else 0)
                x += 60 if place > 1 and k - self.kept[place - 2] > 1 else 0
            final = place == len(self.kept)
            if self.small:
                tallest = max(sizes)
                pitch = 150.0 if tallest <= 2 else 122.0 if tallest <= 4 else 104.0
                columns.append(self._spread(x, list(range(size)), pitch, 26.0))
            elif final and size > 1:
                columns.append(self._spread(x, self._outputs(size), 32.0, 13.7, size))
            else:
                shown = self._deciding(self.kept[place - 1]) if place else sample(size)
                columns.append(self._spread(x, shown, 48.0, 16.6 if place else 13.0, size))
        return columns

    def _joined(self) -> list[int]:
        """The columns that a line for each weight joins to the column before."""
        first = 1 if self.picture is None else 2
        return [n for n in range(first, len(self.columns)) if n == 1 or self.kept[n - 1] - self.kept[n - 2] == 1]

    def _drawn(self, place: int) -> np.ndarray:
        """The weights between the drawn neurons of a column and of the one before it."""
        weight = self.seen.layers[self.kept[place - 1]].weight
        drawn: np.ndarray = weight[np.ix_(self.columns[place].shown, self.columns[place - 1].shown)]
        return drawn

    def _distance(self, into: int) -> float:
        if not self.small:
            return 150.0 if len(self.kept) <= 3 else 120.0
        return 230.0 if into == NUMBERED else 185.0

    def _deciding(self, k: int) -> list[int]:
        """The neurons of a layer on which the result depends most.

        The measure is activation times gradient, the change of the loss to first order without the neuron; without a
        loss, activation times outgoing weights.
        """
        layers = self.seen.layers
        layer, many = layers[k], FIRST + LAST
        if layer.a.size <= EVERY or k + 1 == len(layers):
            return sample(layer.a.size)
        after = layers[k + 1]
        if after.gradient is not None and np.any(after.gradient):
            slope = after.gradient @ after.weight
        else:
            slope = np.linalg.norm(after.weight, axis=0)
        effect = np.nan_to_num(np.abs(layer.a * slope))
        return sorted(int(i) for i in np.argsort(-effect, kind="stable")[:many])

    def _outputs(self, n: int) -> list[int]:
        """The indices of the outputs drawn: all if they are few, else the largest and the target."""
        if n <= EVERY_OUTPUT:
            return list(range(n))
        last = self.seen.layers[-1].a
        wanted = {int(k) for k in np.argsort(-np.nan_to_num(last), kind="stable")[:OUTPUTS]}
        if self.seen.target is not None:
            wanted.add(int(np.argmax(self.seen.target)))
        return sorted(wanted)

    @staticmethod
    def _spread(x: float, shown: list[int], pitch: float, radius: float, size: int | None = None) -> Column:
        """A column of neurons, with room for three dots where some in the middle are left out."""
        more = 0 if size is None else size - len(shown)
        dots = more > 0 and shown == sample(size or 0)
        steps = [0.0]
        for above, below in pairwise(shown):
            steps.append(steps[-1] + (1.65 * pitch if dots and below - above > 1 else pitch))
        return Column(x, shown, [steps[-1] / 2 - step for step in steps], radius, more, 1.65 * pitch if dots else 0.0)

    # ------------------------------------------------------------ the whole

    def draw(self, title: str | None) -> Picture:
        seen = self.seen
        sizes = "-".join(map(str, seen.sizes)) if len(seen.sizes) <= 8 else f"{len(seen.layers)} layers"
        if title is None:
            title = f"{sizes}: one example through the network"
        told: dict[str, Any] = {"title": title, "reading": [self._reading()], "alt": self._alt(title)}
        layout: dict[str, Any] = {"layout": "neato", "flags": ["-n2"], "splines": "line", "outputorder": "edgesfirst"}
        self.out = Picture("network", names=self.classes or (), pad=0.2, **told, **layout)
        if self.picture is not None:
            self._image()
        else:
            self._inputs()
        for place in range(1, len(self.columns)):
            self._layer(place)
        self._headers()
        if self.small and seen.p is None:
            self._targets()
        else:
            self._results()
        return self.out

    def _reading(self) -> list[Label]:
        seen = self.seen
        lines = "line = weight: wider is a larger |w|, hollow is negative"
        if not self.small:
            lines = "line = weight: wider is a larger |w|, a wide line is hollow where negative"
            lines += "; from the picture: w·x of one band" if self.picture is not None else ""
        *hidden, last = [layer.activation in ("sigmoid", "softmax") for layer in seen.layers]
        squashed = all(hidden) and (last or seen.p is not None)
        discs = f"disc = activation (stronger = {'nearer 1' if squashed else 'larger in size, within a layer'})"
        parts = [caption(lines, "knob"), caption(discs, "fwd")]
        if seen.loss is not None:
            words = "∂L/∂z = p - target" if self._is_difference() else "∂L/∂z = gradient of the loss"
            parts.append(grad_text(words))
        else:
            parts.append(grad_text("gradients: not computed, no target"))
        return parts

    def _is_difference(self) -> bool:
        """Whether the gradient at the outputs is p - target."""
        seen = self.seen
        got = seen.layers[-1].gradient
        if self.small or seen.p is None or seen.target is None or got is None:
            return False
        return bool(np.allclose(got, seen.p - seen.target, rtol=1e-4, atol=1e-6))

    def _alt(self, title: str) -> str:
        seen = self.seen
        if seen.p is not None and seen.p.size > 1:
            said = int(np.argmax(seen.p))
            words = f"Says {self._class(said)} with {self._measure()} {numbers.short(seen.p[said])}"
            if seen.target is not None:
                words += f", target {self._class(int(np.argmax(seen.target)))}"
        else:
            what, values = ("Output", seen.layers[-1].a) if seen.p is None else ("Probability", seen.p)
            words = f"{what} {', '.join(map(numbers.scalar, values[:12]))}"
        loss = "" if seen.loss is None else f" L = {numbers.scalar(seen.loss)}."
        return f"{title}. {words}.{loss}"

    def _measure(self) -> str:
        """The word for the bars at the outputs; those of separate sigmoids are not a distribution over classes."""
        return "activation" if self.seen.layers[-1].activation == "sigmoid" else "probability"

    def _class(self, k: int) -> str:
        return str(k) if self.classes is None else self.classes[k]

    def _put(self, name: str, label: Label, x: float, y: float, **attributes: Any) -> None:
        self.out.node(name, label, pos=f"{x:g},{y:g}", **attributes)

    def _left(self, name: str, label: Label, x: float, y: float, width: float = 150) -> None:
        """Draw text that starts at x."""
        inner = row(cell(label, width=width, fixedsize=True, height=14, align="LEFT"))
        self._put(name, table(inner), x + width / 2, y)

    def _boxed(self, words: Label, kind: str, **attributes: Any) -> Label:
        """Words in a frame of this kind."""
        return table(row(cell(words)), **(frame(kind) | attributes))

    def _plain(self, words: str, size: int = style.CAPTION, *, bold: bool = False, colour: str | None = None) -> Label:
        return text(words, size, colour or "muted", bold=bold)

    def _gradient(self, words: str, size: int = style.CAPTION, *, bold: bool = False) -> Label:
        return text(words, size, "grad", bold=bold, italic=True)

    # ------------------------------------------------------------ headers

    def _headers(self) -> None:
        seen = self.seen
        if self.picture is not None:
            sides = " × ".join(map(str, self.picture.shape))
            what = f"{sides} = {numbers.count(seen.x.size)}" if self.picture.size == seen.x.size else sides
        else:
            what = f"{numbers.count(seen.x.size)} numbers"
        captions: list[tuple[str, str, np.ndarray | None]] = [("input", what, None)]
        for k in self.kept:
            layer = seen.layers[k]
            final = k == len(seen.layers) - 1
            kind = layer.activation or "linear"
            if final and not layer.activation and seen.p is not None:
                kind = "softmax" if seen.p.size > 1 else "sigmoid"
            name = "output" if final else f"layer {k + 1}"
            captions.append((name, f"{numbers.count(layer.z.size)} {kind}", layer.gradient))
        up = self.top + (28 if self.small else 44)
        for i, ((name, size, gradient), column) in enumerate(zip(captions, self.columns, strict=True)):
            self._put(f"h{i}", self._plain(name, style.CELL, bold=True), column.x, up)
            if self.small:
                continue
            self._put(f"k{i}", caption(size), column.x, self.top + 29)
            if gradient is not None:
                self._put(f"r{i}", self._gradient(f"rms ∂L/∂z {numbers.rms(gradient)}"), column.x, self.top + 15)
        for i, (before, after) in enumerate(pairwise(self.kept)):
            if after - before > 1:
                x = (self.columns[i + 1].x + self.columns[i + 2].x) / 2
                for k in range(3):
                    self._dot(f"skip{k}", x - 10 + 10 * k, 0)
                self._put("skipped", self._plain(f"{after - before - 1} layers not drawn"), x, -18)

    def _dot(self, name: str, x: float, y: float) -> None:
        muted = "muted"
        self._put(name, self._plain(" "), x, y, shape="point", width=0.05, color=muted, fillcolor=muted)

    # ------------------------------------------------------------ the input

    def _image(self) -> None:
        assert self.picture is not None
        self._put("img", marks.image(self.picture, side=130), 0, 0)
        drawn = marks.image_size(self.picture, 130)
        seen_as = "as the network sees it"
        if self.seen.target is not None and self.seen.p is not None and self.seen.p.size > 1:
            seen_as = f"target {self._class(int(np.argmax(self.seen.target)))}, {seen_as}"
        self._put("cap", caption(seen_as), 0, -drawn[1] / 2 - 16)

    def _inputs(self) -> None:
        column = self.columns[0]
        for k, y in zip(column.shown, column.y, strict=True):
            size = style.BADGE_SMALL if self.small else style.CAPTION
            words = numbers.constant(self.seen.x[k]) if self.small else numbers.short(self.seen.x[k])
            box = {"border": 1.2, "cellpadding": 9 if self.small else 4}
            label = self._boxed(text(words, size, "ink", bold=self.small), "data", **box)
            self._put(self._neuron(0, k), label, column.x, y, cls="input", tooltip=f"x[{k}] = {self.seen.x[k]}")
        self._dots(0)

    @staticmethod
    def _neuron(place: int, k: int) -> str:
        return f"i{place}_{k}"

    def _dots(self, place: int) -> None:
        """Draw three dots and the number of neurons left out, in the gap of a column or below it."""
        column = self.columns[place]
        if not column.more:
            return
        y = column.y[-1] - 30
        if column.gap:
            at = next(i for i, (a, b) in enumerate(pairwise(column.shown)) if b - a > 1)
            y = (column.y[at] + column.y[at + 1]) / 2
            for k in range(3):
                self._dot(f"e{place}_{k}", column.x, y - 10 + 10 * k)
        hidden = 0 < place < len(self.columns) - 1
        words = self._plain(f"{numbers.count(column.more)} more{self.chosen if hidden else ''}")
        patch = table(row(cell(words)), cellpadding=1, bgcolor="paper")
        self._put(f"m{place}", patch, column.x + (36 if column.gap else 0), y)

    # ------------------------------------------------------------ layers

    def _layer(self, place: int) -> None:
        k = self.kept[place - 1]
        layer = self.seen.layers[k]
        column = self.columns[place]
        final = k == len(self.seen.layers) - 1
        shade = self._shade(layer)
        for i, y in zip(column.shown, column.y, strict=True):
            self._disc(place, layer, i, column, y, shade[i], final)
        self._dots(place)
        if place == 1 and self.picture is not None:
            self._bands(layer, column)
        elif place in self._joined():
            self._weights(place)

    def _shade(self, layer: Layer) -> np.ndarray:
        """The darkness of each disc, 0 to 1; nan where the activation is not finite."""
        p = self.seen.p if layer is self.seen.layers[-1] else None
        values: np.ndarray = np.abs(layer.a if p is None else p)
        largest = float(np.max(values[np.isfinite(values)], initial=0.0))
        if p is not None or layer.activation in ("sigmoid", "tanh", "softmax") or not largest:
            return values
        return values / largest

    def _disc(self, place: int, layer: Layer, i: int, column: Column, y: float, shade: float, final: bool) -> None:
        ground = style.on_ramp(float(shade)) if math.isfinite(shade) else "bad_bg"
        ink = f"on@{ground}" if math.isfinite(shade) else "bad"
        if self.small:
            said, before = numbers.scalar(layer.a[i]), f"z {numbers.scalar(layer.z[i])}"
            lines = [text(said, _fitting(said, style.NAME, 2 * column.radius - 4), ink, bold=True)]
            if layer.activation:  # on the lower line the disc is narrower
                lines.append(text(before, _fitting(before, style.CAPTION, 1.7 * column.radius), ink))
            label = table(*(row(cell(line)) for line in lines))
        elif final and layer.z.size > 1:
            label = text(i, style.VALUE if i < 100 else style.SMALL, ink, bold=True)
        else:
            said = numbers.short(layer.a[i])
            label = text(said, _fitting(said, style.CAPTION, 2 * column.radius - 4), ink)
        tip = f"a = {layer.a[i]}, z = {layer.z[i]}"
        if layer.bias is not None:
            tip += f", bias {layer.bias[i]}"
        if layer.gradient is not None:
            tip += f", ∂L/∂z = {layer.gradient[i]}"
        thick = final and (self.small or bool(self.seen.p is not None and i == int(np.argmax(self.seen.p))))
        disc = {"shape": "circle", "fixedsize": True, "width": round(2 * column.radius / 72, 3), "cls": "neuron"}
        look = {"style": "filled", "fillcolor": ground, "color": "fwd", "penwidth": 2.8 if thick else 1.3}
        self._put(self._neuron(place, i), label, column.x, y, **disc, **look, tooltip=tip)
        if self.small:
            self._beside(place, layer, i, column, y)

    def _beside(self, place: int, layer: Layer, i: int, column: Column, y: float) -> None:
        """Draw bias and gradient above and below a disc; of two discs the gradients are on the inside."""
        up = 1 if len(column.shown) != 2 or i == 0 else -1
        if layer.bias is not None:
            words = caption(f"b {numbers.scalar(layer.bias[i])}", "ink")
            label = self._boxed(words, "parameter", border=1.6, cellpadding=3)
            self._put(f"b{place}_{i}", label, column.x, y + 40 * up, cls="parameter")
        if layer.gradient is not None:
            words = self._gradient(f"∂L/∂z {numbers.scalar(layer.gradient[i])}", style.GRAD_LABEL, bold=True)
            patch = table(row(cell(words)), bgcolor="paper")
            self._put(f"g{place}_{i}", patch, column.x, y - 36 * up, cls="gradient")

    def _weights(self, place: int) -> None:
        before, column, drawn = self.columns[place - 1], self.columns[place], self._drawn(place)
        lines = [(abs(drawn[a, b]), a, b) for a in range(drawn.shape[0]) for b in range(drawn.shape[1])]
        for _, a, b in sorted(lines, key=lambda line: (not math.isnan(line[0]), line[0])):
            i, j, w = column.shown[a], before.shown[b], float(drawn[a, b])
            ends = (before.x, before.y[b], column.x, column.y[a])
            tip = f"w[{i}, {j}] = {w!r}"
            self._line(self._neuron(place - 1, j), self._neuron(place, i), ends, w, self.largest, tip)
        if not self.small or len(drawn) > NUMBERED or drawn.size > NUMBERS:
            return
        written = numbers.scalar if drawn.size <= 4 else numbers.short
        said = {(a, b): written(w) for (a, b), w in np.ndenumerate(drawn)}
        wide = {pair: text_width(words, style.VALUE) + 4 for pair, words in said.items()}
        lines_of = {(a, b): (before.x, before.y[b], column.x, column.y[a]) for a, b in said}
        for (a, b), (x, y) in _beads(lines_of, wide).items():
            words = text(said[a, b], style.VALUE, "knob", bold=True)
            patch = table(row(cell(words)), cellpadding=1, bgcolor="paper")
            self._put(f"w{place}_{column.shown[a]}_{before.shown[b]}", patch, x, y)

    def _bands(self, layer: Layer, column: Column) -> None:
        """Draw lines from the picture, each for the contribution of one horizontal band to z."""
        assert self.picture is not None
        width, height = marks.image_size(self.picture, 130)
        n = min(BANDS, self.picture.shape[0])
        products = layer.weight[column.shown] * self.seen.x
        sums = np.stack([part.sum(axis=1) for part in np.array_split(products, n, axis=1)], axis=1)
        heights = [height / 2 - height * (b + 0.5) / n for b in range(n)]
        for b, y in enumerate(heights):
            self._put(f"band{b}", self._plain(" "), width / 2, y, shape="point", width=0.01, style="invis")
        largest = _largest(sums) or 1.0
        order = np.argsort(np.abs(sums), axis=None, kind="stable")
        for a, b in zip(*np.unravel_index(order, sums.shape), strict=True):
            value = float(sums[a, b])
            tip = f"w·x of band {b + 1} of {n} into neuron {column.shown[a]}: {value!r}"
            ends = (width / 2, heights[b], column.x, column.y[a])
            self._line(f"band{b}", self._neuron(1, column.shown[a]), ends, value, largest, tip)

    def _line(
        self, tail: str, head: str, ends: tuple[float, float, float, float], value: float, largest: float, tip: str
    ) -> None:
        """Draw a weight as a line from middle to middle: the discs cover its ends.

        A negative weight is hollow: a thinner line of the paper's colour lies on it. Graphviz would separate the
        two, so their path is fixed.
        """
        share = abs(value) / largest if math.isfinite(value) else 1.0
        if self.small:
            colour, signed = "knob", True
            width = style.WEIGHT_WIDTH[0] + style.WEIGHT_WIDTH[1] * share
        else:
            colour, signed = f"paper>knob@{0.12 + 0.88 * share}", share >= SIGNED
            width = 0.4 + 2.6 * share
        if not math.isfinite(value):
            colour = "bad"
        x0, y0, x1, y1 = ends
        thirds = ((x0 + (x1 - x0) * t / 3, y0 + (y1 - y0) * t / 3) for t in range(4))
        course = " ".join(f"{x:.2f},{y:.2f}" for x, y in thirds)
        common: dict[str, Any] = {"arrowhead": "none", "edgetooltip": tip, "pos": course}
        hollow = signed and value < 0
        name = f"w_{tail}_{head}"
        sign = "negative" if value < 0 else "positive"
        self.out.edge(tail, head, id=name, color=colour, penwidth=round(width, 2), cls=f"w {sign}", **common)
        if hollow:
            inside = round(width - 2 * STROKE, 2)
            self.out.edge(tail, head, id=f"{name}_in", color="paper", penwidth=inside, cls="w hollow", **common)

    # ------------------------------------------------------------ the outputs

    def _results(self) -> None:
        """Draw the probability or the value of each output, its target and its gradient, and the loss."""
        seen, column, last = self.seen, self.columns[-1], self.seen.layers[-1]
        x, is_class, written = column.x + column.radius + 10, seen.p is not None, numbers.scalar
        values, one, best, back = last.a, last.a.size == 1, -1, x + 165
        if seen.p is not None:
            values, written, back = seen.p, numbers.short, x + BAR + 80 + self._name_width()
            best = -1 if one else int(np.argmax(seen.p))
        wanted = None if seen.target is None else int(np.argmax(seen.target))
        for i, y in zip(column.shown, column.y, strict=True):
            named = f"  {self.classes[i]}" if self.classes and is_class and not one else ""
            shown = f"{'p ' if is_class and one else ''}{written(values[i])}{named}"
            words = text(shown, style.CELL, "ink" if math.isfinite(values[i]) else "bad", bold=i == best)
            if seen.target is not None and (one or not is_class):
                words += self._plain(f"   TARGET {numbers.scalar(seen.target[i])}", style.TAG)
            elif i == wanted:
                words += self._plain("   TARGET", style.TAG)
            at = x + self._bar(i, x, y, i == best or one) + 6 if is_class else x
            self._left(f"p{i}", words, at, y, 100 + self._name_width())
            if last.gradient is not None and not self.small:
                self._left(f"g{i}", self._gradient(written(last.gradient[i])), back, y, 50)
        measure = self._measure()
        if self.small:
            self._left("hp", self._plain(measure), x, self.top + 28, 90)
            if seen.loss is not None:
                self._loss_card(x + 60, min(column.y) - 52)
            return
        if is_class:
            measure = "class probability" if measure == "probability" and not one else measure
            self._left("hp", self._plain(measure), x + 18, self.top + 29, 110)
        if last.gradient is not None:
            self._left("hg", self._gradient("∂L/∂z"), back, self.top + 29, 50)
        if seen.loss is not None:
            is_log = is_class and seen.loss_words == "-ln" and not one
            ln = f"-ln {numbers.short(values[wanted])} = " if is_log and wanted is not None else ""
            said = f"L = {ln}{numbers.scalar(seen.loss)}"
            self._left("los", self._plain(said, style.CELL, bold=True, colour="ink"), x, self.top + 44)

    def _bar(self, i: int, x: float, y: float, strong: bool) -> int:
        """Draw the bar of a probability; returns its width."""
        assert self.seen.p is not None
        p = float(self.seen.p[i])
        width = max(1, round(BAR * p)) if math.isfinite(p) else 3
        bar = row(cell("", width=width, height=13, fixedsize=True))
        label = table(bar, border=1, color="fwd", bgcolor="fwd" if strong else "paper>fwd@0.35")
        self._put(f"bar{i}", label, x + width / 2, y, cls="probability", tooltip=f"p = {p!r}")
        return width

    def _name_width(self) -> float:
        return 0.0 if not self.classes else 5.6 * max(map(len, self.classes))

    def _targets(self) -> None:
        """Draw the target beside each output of a small network, joined to the loss."""
        seen, column = self.seen, self.columns[-1]
        if seen.target is None or seen.loss is None:
            return
        x = column.x + 95
        dotted: dict[str, Any] = {"style": "dotted", "color": "muted", "penwidth": 1.4, "arrowhead": "none"}
        one = len(column.y) == 1
        self._loss_card(x + (95 if one else 0), 0 if len(column.y) % 2 == 0 or one else column.y[0] + 48)
        for i, y in zip(column.shown, column.y, strict=True):
            words = self._plain("TARGET ", style.TAG)
            words += text(numbers.scalar(seen.target[i]), style.VALUE, "ink", bold=True)
            self._put(f"t{i}", self._boxed(words, "data", border=1, cellpadding=4), x, y, cls="target")
            self.out.edge(self._neuron(len(self.columns) - 1, i), f"t{i}", **dotted)
            self.out.edge(f"t{i}", "L", **dotted)

    def _loss_card(self, x: float, y: float) -> None:
        assert self.seen.loss is not None
        words = text("L ", style.NAME, "loss_ink", bold=True)
        words += text(f"= {numbers.scalar(self.seen.loss)}", style.VALUE, "loss_ink")
        label = self._boxed(words, "loss", border=1, cellpadding=6, style="ROUNDED")
        self._put("L", label, x, y, cls="loss", tooltip=f"L = {self.seen.loss!r}")


class _Plan(_Drawing):
    """The neurons and the lines between them, without an example: inputs and outputs by name, and no numbers."""

    chosen = ""

    def __init__(self, seen: Pass, names: Sequence[str], classes: Sequence[str] | None) -> None:
        super().__init__(seen, None, classes)
        self.names = names

    def _columns(self) -> list[Column]:
        self.small = False  # as narrow as where no disc has room for numbers
        return super()._columns()

    def _deciding(self, k: int) -> list[int]:
        return sample(self.seen.layers[k].a.size)

    def _reading(self) -> list[Label]:
        return [caption("line = weight", "knob"), caption("disc = neuron", "fwd")]

    def _alt(self, title: str) -> str:
        return f"{title}."

    def _inputs(self) -> None:
        column = self.columns[0]
        for k, y in zip(column.shown, column.y, strict=True):
            label = self._boxed(text(self.names[k], style.CELL, "ink"), "data", border=1.2, cellpadding=4)
            self._put(self._neuron(0, k), label, column.x, y, cls="input")
        self._dots(0)

    def _disc(self, place: int, layer: Layer, i: int, column: Column, y: float, shade: float, final: bool) -> None:
        disc = {"shape": "circle", "fixedsize": True, "width": 0.4, "penwidth": 1.3, "cls": "neuron"}
        look = {"style": "filled", "fillcolor": "paper", "color": "fwd"}
        self._put(self._neuron(place, i), self._plain(" "), column.x, y, **disc, **look)

    def _line(
        self, tail: str, head: str, ends: tuple[float, float, float, float], value: float, largest: float, tip: str
    ) -> None:
        super()._line(tail, head, ends, 0.5, 1.0, f"{tail} to {head}")

    def _results(self) -> None:
        column = self.columns[-1]
        for i, y in zip(column.shown, column.y, strict=True) if self.classes else ():
            self._left(f"p{i}", text(self._class(i), style.CELL, "ink"), column.x + 22, y, 20 + self._name_width())


def _largest(array: np.ndarray) -> float:
    """The largest absolute value, 0 where none is finite."""
    return float(np.max(np.abs(array[np.isfinite(array)]), initial=0.0))


def _beads(
    lines: Mapping[tuple[int, int], tuple[float, float, float, float]], wide: Mapping[tuple[int, int], float]
) -> dict[tuple[int, int], tuple[float, float]]:
    """The position of the number on each line: clear of other numbers, and of other lines as far as possible."""
    placed: dict[tuple[int, int], tuple[float, float]] = {}
    for pair, (x0, y0, x1, y1) in lines.items():
        half, others = wide[pair] / 2, [line for p, line in lines.items() if p != pair]
        # Neither over the disc or the box that the line leaves, nor over the one that it reaches.
        first, last = (CLEAR + half) / (x1 - x0), 1 - (CLEAR_DISC + half) / (x1 - x0)
        found = []
        for t in np.linspace(first, max(first, last), 41).tolist():
            x, y = x0 + (x1 - x0) * t, y0 + (y1 - y0) * t
            met = sum(abs(x - u) < half + wide[p] / 2 and abs(y - v) < TALL for p, (u, v) in placed.items())
            crossed = sum(_crosses(line, x, y, half, TALL / 2) for line in others)
            found.append((met, crossed + 3 * abs(t - 1 / 3), x, y))
        placed[pair] = min(found)[2:]
    return placed


def _crosses(line: tuple[float, float, float, float], x: float, y: float, half: float, high: float) -> bool:
    """Whether a line runs through a box around (x, y)."""
    x0, y0, x1, y1 = line
    ends = [y0 + (y1 - y0) * (at - x0) / (x1 - x0) for at in (x - half, x + half)]
    return min(ends) < y + high and max(ends) > y - high


def _fitting(words: str, size: int, room: float) -> int:
    """The largest size of type, at most ``size``, at which words are no wider than ``room``."""
    return next((n for n in range(size, style.SMALL, -1) if text_width(words, n) <= room), style.SMALL)
