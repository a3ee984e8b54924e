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
FIRST = 6  # and so many of a larger one
EVERY_OUTPUT = 12  # neurons: an output layer up to this size is drawn whole,
OUTPUTS = 10  # and the largest outputs of a larger one
HIDDEN = 4  # hidden layers: up to so many are all drawn, else the first two and the last two
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
        return _Drawing(seen, None, class_names(x, len(x)), classes).draw(title).themed(theme)
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
    return _Drawing(seen, picture, None, classes).draw(title).themed(theme)


@dataclass(frozen=True)
class Column:
    """The drawn neurons of one layer from the top down. ``layer``: its number from 0, -1 for the input."""

    layer: int
    size: int
    x: float
    shown: list[int]
    y: list[float]
    radius: float

    def name(self, k: int) -> str:
        """The name of a neuron's node."""
        return f"i{self.layer + 1}_{k}"


class _Drawing:
    """One drawing. Positions are in points, y upwards, the middle of every column at 0.

    ``names``: of the inputs, for a drawing without an example, which has no numbers.
    """

    def __init__(
        self, seen: Pass, picture: np.ndarray | None, names: Sequence[str] | None, classes: Sequence[str] | None
    ) -> None:
        self.seen, self.picture, self.names, self.classes = seen, picture, names, classes
        if classes is not None:
            class_names(classes, max(seen.layers[-1].z.size, 2))
        self.small = picture is None and names is None and max(seen.sizes) <= EVERY
        layers = len(seen.layers)
        self.columns: list[Column] = []
        for layer in range(-1, layers) if layers <= HIDDEN + 1 else (-1, 0, 1, *range(layers - 3, layers)):
            self._place(layer)
        self.joined = [(a, b) for a, b in pairwise(self.columns) if b.layer == a.layer + 1]
        if picture is not None:
            del self.joined[0]  # its lines stand for all weights
        self.largest = max((_largest(self._weight(*pair)) for pair in self.joined), default=0.0) or 1.0
        self.top = max(y for column in self.columns for y in column.y) + (64 if self.small else 66)
        if picture is not None:
            self.top = max(self.top, 136.0)

    def _place(self, layer: int) -> None:
        """Add a column."""
        size, tallest = self.seen.sizes[layer + 1], max(self.seen.sizes)
        pitch, radius, distance = 48.0, 16.6, 130.0
        if self.small:
            pitch, radius = 150.0 if tallest <= 2 else 122.0 if tallest <= 4 else 104.0, 26.0
            distance = 230.0 if size == NUMBERED else 185.0
        elif layer + 1 == len(self.seen.layers) and size > 1:
            pitch, radius = 32.0, 13.7
        x = 0.0
        if self.columns:
            folded = layer - self.columns[-1].layer > 1
            x = self.columns[-1].x + distance + 60 * folded + 40 * (layer == 0 and self.picture is not None)
        shown = self._shown(layer, size)
        heights = [pitch * ((len(shown) - 1) / 2 - i) for i in range(len(shown))]
        self.columns.append(Column(layer, size, x, shown, heights, radius))

    def _shown(self, layer: int, size: int) -> list[int]:
        """The neurons drawn of a layer: of many inputs the first, of many outputs the largest and the target, and of a
        hidden layer those on which the result depends most.

        The measure is activation times gradient, the change of the loss to first order without the neuron; without a
        loss, activation times outgoing weights.
        """
        layers, last = self.seen.layers, layer + 1 == len(self.seen.layers)
        if size <= (EVERY_OUTPUT if last else EVERY):
            return list(range(size))
        if layer < 0 or self.names is not None:
            return list(range(FIRST))
        score = layers[layer].a
        if not last:
            after = layers[layer + 1]
            known = after.gradient is not None and np.any(after.gradient)
            score = np.abs(score * (after.gradient @ after.weight if known else np.linalg.norm(after.weight, axis=0)))
        best = np.argsort(-np.nan_to_num(score), kind="stable")[: OUTPUTS if last else FIRST]
        wanted = self.seen.target if last else None
        return sorted({*best.tolist(), *([] if wanted is None else [int(np.argmax(wanted))])})

    def _weight(self, before: Column, column: Column) -> np.ndarray:
        """The weights between the drawn neurons of two columns."""
        drawn: np.ndarray = self.seen.layers[column.layer].weight[np.ix_(column.shown, before.shown)]
        return drawn

    # ------------------------------------------------------------ the whole

    def draw(self, title: str | None) -> Picture:
        seen = self.seen
        sizes = "-".join(map(str, seen.sizes)) if len(seen.sizes) <= 8 else f"{len(seen.layers)} layers"
        if title is None:
            title = f"{sizes}: one example through the network" if self.names is None else f"{sizes} network"
        told: dict[str, Any] = {"title": title, "reading": [self._reading()], "alt": self._alt(title)}
        layout: dict[str, Any] = {"layout": "neato", "flags": ["-n2"], "splines": "line", "outputorder": "edgesfirst"}
        self.out = Picture("network", names=self.classes or (), pad=0.2, **told, **layout)
        if self.picture is not None:
            self._image(self.picture)
        else:
            self._inputs()
        for column in self.columns[1:]:
            layer = seen.layers[column.layer]
            shades = self._shades(layer)
            for i, y in zip(column.shown, column.y, strict=True):
                self._disc(column, layer, i, y, shades[i])
        for before, column in self.joined:
            self._weights(before, column)
        for column in self.columns:
            self._header(column)
        for before, column in pairwise(self.columns):
            if hidden := column.layer - before.layer - 1:
                self._put("skipped", self._plain(f"{hidden} layers not drawn"), (before.x + column.x) / 2, 0)
        self._results()
        return self.out

    def _reading(self) -> list[Label]:
        seen = self.seen
        if self.names is not None:
            return [caption("line = weight", "knob"), caption("disc = neuron", "fwd")]
        lines = "line = weight: wider is a larger |w|, hollow is negative"
        if not self.small:
            lines = "line = weight: wider is a larger |w|, a wide line is hollow where negative"
            lines += "; from the picture: w·x" if self.picture is not None else ""
        *hidden, last = [layer.activation in ("sigmoid", "softmax") for layer in seen.layers]
        squashed = all(hidden) and (last or seen.p is not None)
        discs = f"disc = activation (stronger = {'nearer 1' if squashed else 'larger in size, within a layer'})"
        gradient = "gradients: not computed, no target"
        if seen.loss is not None:
            got, p, target = seen.layers[-1].gradient, None if self.small else seen.p, seen.target
            is_difference = False
            if got is not None and p is not None and target is not None:
                is_difference = np.allclose(got, p - target, 1e-4, 1e-6)
            gradient = "∂L/∂z = p - target" if is_difference else "∂L/∂z = gradient of the loss"
        return [caption(lines, "knob"), caption(discs, "fwd"), grad_text(gradient)]

    def _alt(self, title: str) -> str:
        seen = self.seen
        if self.names is not None:
            return f"{title}."
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

    def _patch(self, words: Label) -> Label:
        """Words on a piece of paper, which hides the lines below."""
        return table(row(cell(words)), cellpadding=1, bgcolor="paper")

    def _plain(self, words: str, size: int = style.CAPTION, *, bold: bool = False) -> Label:
        return text(words, size, "muted", bold=bold)

    def _header(self, column: Column) -> None:
        """Draw the name and the size of a layer above it, and below it the number of its neurons left out."""
        seen, what, name = self.seen, f"{numbers.count(column.size)} numbers", "input"
        layer = None if column.layer < 0 else seen.layers[column.layer]
        if layer is not None:
            final = column is self.columns[-1]
            kind = layer.activation or "linear"
            if final and not layer.activation and seen.p is not None and self.names is None:
                kind = "softmax" if seen.p.size > 1 else "sigmoid"
            name, what = "output" if final else f"layer {column.layer + 1}", f"{numbers.count(column.size)} {kind}"
        elif self.picture is not None:
            sides = " × ".join(map(str, self.picture.shape))
            what = f"{sides} = {numbers.count(column.size)}" if self.picture.size == column.size else sides
        place = column.layer + 1
        self._put(f"h{place}", self._plain(name, style.CELL, bold=True), column.x, self.top)
        if not self.small:
            self._put(f"k{place}", caption(what), column.x, self.top - 15)
            if layer is not None and layer.gradient is not None:
                self._put(f"r{place}", grad_text(f"rms ∂L/∂z {numbers.rms(layer.gradient)}"), column.x, self.top - 29)
        more = column.size - len(column.shown)
        if more and not (layer is None and self.picture is not None):
            why = ", which matter less" if place > 0 and column is not self.columns[-1] and self.names is None else ""
            words = self._plain(f"{numbers.count(more)} more{why}")
            self._put(f"m{place}", self._patch(words), column.x, column.y[-1] - 30)

    # ------------------------------------------------------------ the input

    def _image(self, picture: np.ndarray) -> None:
        """Draw the input as a picture, and a line to each neuron for what it adds to z."""
        seen, column = self.seen, self.columns[1]
        self._put("img", marks.image(picture, side=130), 0, 0)
        width, height = marks.image_size(picture, 130)
        seen_as = "as the network sees it"
        if seen.target is not None and seen.p is not None and seen.p.size > 1:
            seen_as = f"target {self._class(int(np.argmax(seen.target)))}, {seen_as}"
        self._put("cap", caption(seen_as), 0, -height / 2 - 16)
        sums = seen.layers[0].weight[column.shown] @ seen.x
        for (a,), value in _strongest_last(sums):
            tip, ends = f"w·x into neuron {column.shown[a]}: {value!r}", (width / 2, 0.0, column.x, column.y[a])
            self._line("img", column.name(column.shown[a]), ends, value, _largest(sums) or 1.0, tip)

    def _inputs(self) -> None:
        column = self.columns[0]
        box = {"border": 1.2, "cellpadding": 9 if self.small else 4}
        for k, y in zip(column.shown, column.y, strict=True):
            x = self.seen.x[k]
            words = text(numbers.short(x), style.CAPTION, "ink")
            if self.names is not None:
                words = text(self.names[k], style.CELL, "ink")
            elif self.small:
                words = text(numbers.constant(x), style.BADGE_SMALL, "ink", bold=True)
            tip = {} if self.names is not None else {"tooltip": f"x[{k}] = {x}"}
            self._put(column.name(k), self._boxed(words, "data", **box), column.x, y, cls="input", **tip)

    # ------------------------------------------------------------ layers

    def _shades(self, layer: Layer) -> np.ndarray:
        """The darkness of each disc, 0 to 1; nan where the activation is not finite."""
        p = self.seen.p if layer is self.seen.layers[-1] else None
        values: np.ndarray = np.abs(layer.a if p is None else p)
        squashed = p is not None or layer.activation in ("sigmoid", "tanh", "softmax")
        return values if squashed else values / (_largest(values) or 1.0)

    def _disc(self, column: Column, layer: Layer, i: int, y: float, shade: float) -> None:
        final, p = column is self.columns[-1], self.seen.p
        ground = style.on_ramp(float(shade)) if math.isfinite(shade) else "bad_bg"
        ink = f"on@{ground}" if math.isfinite(shade) else "bad"
        said, thick = numbers.scalar(layer.a[i]) if self.small else numbers.short(layer.a[i]), False
        label = text(said, _fitting(said, style.CAPTION, 2 * column.radius - 4), ink)
        if self.names is not None:
            label, ground = self._plain(" "), "paper"
        elif self.small:
            lines = [text(said, _fitting(said, style.NAME, 2 * column.radius - 4), ink, bold=True)]
            if layer.activation:  # on the lower line the disc is narrower
                before = f"z {numbers.scalar(layer.z[i])}"
                lines.append(text(before, _fitting(before, style.CAPTION, 1.7 * column.radius), ink))
            label, thick = table(*(row(cell(line)) for line in lines)), final
        elif final and column.size > 1:
            label = text(i, style.VALUE if i < 100 else style.SMALL, ink, bold=True)
            thick = p is not None and i == int(np.argmax(p))
        tip = f"a = {layer.a[i]}, z = {layer.z[i]}"
        tip += "" if layer.bias is None else f", bias {layer.bias[i]}"
        tip += "" if layer.gradient is None else f", ∂L/∂z = {layer.gradient[i]}"
        disc: dict[str, Any] = {"shape": "circle", "fixedsize": True, "width": round(2 * column.radius / 72, 3)}
        disc |= {"style": "filled", "fillcolor": ground, "color": "fwd", "penwidth": 2.8 if thick else 1.3}
        disc |= {"cls": "neuron"} if self.names is not None else {"cls": "neuron", "tooltip": tip}
        self._put(column.name(i), label, column.x, y, **disc)
        if not self.small:
            return
        up = 1 if len(column.shown) != 2 or i == 0 else -1  # of two discs the gradients are on the inside
        if layer.bias is not None:
            words = caption(f"b {numbers.scalar(layer.bias[i])}", "ink")
            box = self._boxed(words, "parameter", border=1.6, cellpadding=3)
            self._put(f"b{column.layer + 1}_{i}", box, column.x, y + 40 * up, cls="parameter")
        if layer.gradient is not None:
            said = f"∂L/∂z {numbers.scalar(layer.gradient[i])}"
            patch = self._patch(text(said, style.GRAD_LABEL, "grad", bold=True, italic=True))
            self._put(f"g{column.layer + 1}_{i}", patch, column.x, y - 36 * up, cls="gradient")

    def _weights(self, before: Column, column: Column) -> None:
        drawn = self._weight(before, column)
        courses = {(a, b): (before.x, before.y[b], column.x, column.y[a]) for a, b in np.ndindex(drawn.shape)}
        for (a, b), w in _strongest_last(drawn):
            i, j = column.shown[a], before.shown[b]
            tip = f"{before.name(j)} to {column.name(i)}" if self.names is not None else f"w[{i}, {j}] = {w!r}"
            self._line(before.name(j), column.name(i), courses[a, b], w, self.largest, tip)
        if not self.small or len(drawn) > NUMBERED or drawn.size > NUMBERS:
            return
        written = numbers.scalar if drawn.size <= 4 else numbers.short
        said = {pair: written(w) for pair, w in np.ndenumerate(drawn)}
        wide = {pair: text_width(words, style.VALUE) + 4 for pair, words in said.items()}
        for (a, b), (x, y) in _beads(courses, wide).items():
            patch = self._patch(text(said[a, b], style.VALUE, "knob", bold=True))
            self._put(f"w{column.layer + 1}_{column.shown[a]}_{before.shown[b]}", patch, x, y)

    def _line(
        self, tail: str, head: str, ends: tuple[float, float, float, float], value: float, largest: float, tip: str
    ) -> None:
        """Draw a weight as a line from middle to middle: the discs cover its ends.

        A negative weight is hollow: a thinner line of the paper's colour lies on it. Graphviz would separate the
        two, so their path is fixed.
        """
        share = abs(value) / largest if math.isfinite(value) else 1.0
        if self.names is not None:
            share, value = 0.5, 1.0
        width, colour, signed = 0.4 + 2.6 * share, f"paper>knob@{0.12 + 0.88 * share}", share >= SIGNED
        if self.small:
            width, colour, signed = style.WEIGHT_WIDTH[0] + style.WEIGHT_WIDTH[1] * share, "knob", True
        if not math.isfinite(value):
            colour = "bad"
        x0, y0, x1, y1 = ends
        thirds = ((x0 + (x1 - x0) * t / 3, y0 + (y1 - y0) * t / 3) for t in range(4))
        course = " ".join(f"{x:.2f},{y:.2f}" for x, y in thirds)
        common: dict[str, Any] = {"arrowhead": "none", "edgetooltip": tip, "pos": course}
        name, sign = f"w_{tail}_{head}", "negative" if value < 0 else "positive"
        self.out.edge(tail, head, id=name, color=colour, penwidth=round(width, 2), cls=f"w {sign}", **common)
        if signed and value < 0:
            inside = round(width - 2 * STROKE, 2)
            self.out.edge(tail, head, id=f"{name}_in", color="paper", penwidth=inside, cls="w hollow", **common)

    # ------------------------------------------------------------ the outputs

    def _results(self) -> None:
        """Draw the probability or the value of each output, its target and its gradient, and the loss."""
        seen, column, last, p = self.seen, self.columns[-1], self.seen.layers[-1], self.seen.p
        x, one = column.x + column.radius + 10, column.size == 1
        names = 5.6 * max(map(len, self.classes)) if self.classes else 0.0
        if self.names is not None:
            for i, y in zip(column.shown, column.y, strict=True) if self.classes else ():
                self._left(f"p{i}", text(self._class(i), style.CELL, "ink"), x, y, 20 + names)
            return
        best = -1 if p is None or one else int(np.argmax(p))
        wanted = None if seen.target is None else int(np.argmax(seen.target))
        back = x + (165 if p is None else BAR + 80 + names)
        for i, y in zip(column.shown, column.y, strict=True):
            value, at = (last.a[i], x) if p is None else (p[i], x + self._bar(p[i], i, x, y, i == best or one) + 6)
            said = f"{'p ' if one else ''}{numbers.short(value)}"
            if p is None:
                said = "" if self.small else numbers.scalar(value)  # a small network has it in the disc
            elif self.classes and not one:
                said += f"  {self.classes[i]}"
            words = text(said, style.CELL, "ink" if math.isfinite(value) else "bad", bold=i == best)
            if seen.target is not None and (one or p is None):
                words += self._plain(f"   TARGET {numbers.scalar(seen.target[i])}", style.TAG)
            elif i == wanted:
                words += self._plain("   TARGET", style.TAG)
            self._left(f"p{i}", words, at, y, 100 + names)
            if last.gradient is not None and not self.small:
                slope = numbers.short(last.gradient[i]) if p is not None else numbers.scalar(last.gradient[i])
                self._left(f"g{i}", grad_text(slope), back, y, 50)
        if p is not None:
            self._left("hp", self._plain(self._measure()), x + 24, self.top - 15, 90)
        if last.gradient is not None and not self.small:
            self._left("hg", grad_text("∂L/∂z"), back, self.top - 15, 50)
        if seen.loss is not None:
            sure = -1.0 if p is None or wanted is None or one else p[wanted]
            is_log = seen.loss >= 0 and np.isclose(np.exp(-seen.loss), sure, 1e-4, 0)
            said = f"= -ln {numbers.short(sure)} " if is_log else ""
            words = text("L ", style.NAME, "loss_ink", bold=True)
            words += text(f"{said}= {numbers.scalar(seen.loss)}", style.VALUE, "loss_ink")
            card = self._boxed(words, "loss", border=1, cellpadding=6)
            self._put("L", card, x + 62, column.y[-1] - 50, cls="loss", tooltip=f"L = {seen.loss!r}")

    def _bar(self, p: float, i: int, x: float, y: float, strong: bool) -> int:
        """Draw the bar of a probability; returns its width."""
        width = max(1, round(BAR * p)) if math.isfinite(p) else 3
        bar = row(cell("", width=width, height=13, fixedsize=True))
        label = table(bar, border=1, color="fwd", bgcolor="fwd" if strong else "paper>fwd@0.35")
        self._put(f"bar{i}", label, x + width / 2, y, cls="probability", tooltip=f"p = {float(p)!r}")
        return width


def _largest(array: np.ndarray) -> float:
    """The largest absolute value, 0 where none is finite."""
    return float(np.max(np.abs(array[np.isfinite(array)]), initial=0.0))


def _strongest_last(values: np.ndarray) -> list[tuple[tuple[int, ...], float]]:
    """The entries with their indices in the order in which their lines are drawn, those that are not finite first."""
    found = [(place, float(value)) for place, value in np.ndenumerate(values)]
    return sorted(found, key=lambda entry: (math.isfinite(entry[1]), abs(entry[1])))


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
