"""One example through a network, neuron by neuron: discs are activations, lines are weights.

Small networks show every number; large ones a few neurons of each layer, an image as a picture, and every
output with its probability. Positions are computed here, not by the engine.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from glassgrad import autograd as ag
from glassgrad.viz.drawing import marks, numbers, style, words
from glassgrad.viz.drawing.errors import DrawingError
from glassgrad.viz.drawing.labels import Label, caption, cell, frame, grad_text, row, table, text
from glassgrad.viz.drawing.render import Picture
from glassgrad.viz.drawing.style import Theme
from glassgrad.viz.drawing.texts import short, wrapped
from glassgrad.viz.plots.chain import Layer, Pass, run_example
from glassgrad.viz.recorded.validation import class_names, numbers_of, pictured

EVERY = 8  # neurons: a layer up to this size is drawn whole,
FIRST = 6  # and so many of a larger one
EVERY_OUTPUT = 12  # neurons: an output layer up to this size is drawn whole,
OUTPUTS = 10  # and the largest outputs of a larger one
SIGNED = 0.4  # share of the largest weight drawn, above which lines of a large network show their sign
NUMBERED = 4  # neurons: weights into a layer up to this size have their numbers,
NUMBERS = 16  # if there are at most so many,
PLACES = (0.4, 0.66)  # at these parts of the way in turn, so that those of no two lines meet
BAR = 60  # points: the bar of a probability of 1
# Points between two layers: at least, in a small network first that of two neurons a layer, and at most.
PITCH, PITCH_SMALL = (76.0, 130.0), (130.0, 145.0, 200.0)
LEFT, LEFT_IMAGE, IMAGE = 60, 81, 40  # points beside the middle of the inputs, and more between a picture and a layer
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
    image: tuple[int, int] | None = None,
) -> Picture:
    """Draw one example through a network of linear layers, neuron by neuron, with the gradient at every drawn neuron.

    ``model`` is called once with ``x``, one example: (n,), or (1, ...) as a batch of one. A list of names in place of
    ``x`` draws the neurons and their connections alone, without numbers. ``target`` is the class of the example (an
    integer) or one number per output; without it there is no loss and no gradient. ``loss(output, target)`` gives a
    scalar Tensor; by default it is cross-entropy for a class and linear outputs (binary cross-entropy for a single
    one), the log loss for a class and softmax outputs, else the sum of squared differences. Outputs are drawn as
    probabilities of classes where the target is a class and the outputs are linear or sigmoid, the last layer is a
    softmax, or ``classes`` gives names. ``image``: (height, width) of the
    picture that the input is drawn as.

    Raises `DrawingError` for more than one example, a network that is not a chain of linear layers, or a target that
    does not fit its outputs.

    >>> w = ag.Tensor([[1.0, -2.0], [-1.0, 1.0]], requires_grad=True)
    >>> picture = draw_network(lambda x: ag.sigmoid(ag.linear(x, w, None)), [1.0, -1.0], [1.0, 0.0])
    >>> picture.alt
    '2-2: one example through the network. Output 0.9526, 0.1192. L = 0.01646.'
    >>> draw_network(lambda x: ag.sigmoid(ag.linear(x, w, None)), ["width", "height"], classes=["cat", "dog"])
    <Picture '2-2 network'>
    """
    are_names = isinstance(x, list | tuple) and bool(x) and all(isinstance(name, str) for name in x)
    if are_names and target is not None:
        raise DrawingError("a target goes with an example, and x has the names of inputs: leave target out")
    names = class_names(x, len(x)) if are_names else None
    given = np.zeros(len(x)) if are_names else numbers_of(x, "x")
    seen = run_example(model, given, target, loss, None if names else classes)
    picture = None if image is None else pictured(given, image)
    return _Drawing(seen, picture, names, classes).draw(title).themed(theme)


@dataclass(frozen=True)
class Column:
    """The drawn neurons of one layer from the top down. ``number``: of the layer, 0 for the input."""

    number: int
    size: int
    x: float
    shown: list[int]
    y: list[float]
    radius: float

    def name(self, k: int) -> str:
        """The name of a neuron's node."""
        return f"i{self.number}_{k}"


class _Drawing:
    """One drawing. Positions are in points, y upwards, the middle of every column at 0.

    ``names``: of the inputs, for a drawing without an example, which has no numbers.
    """

    def __init__(
        self, seen: Pass, picture: np.ndarray | None, names: Sequence[str] | None, classes: Sequence[str] | None
    ) -> None:
        self.seen, self.picture, self.names = seen, picture, names
        self.classes = None if classes is None else class_names(classes, max(seen.layers[-1].z.size, 2))
        own, last = [*(names or ()), *(self.classes or ())], len(seen.layers)
        self.own = {*own, *map(short, own)}
        self.longest = round(5.6 * max(map(len, map(short, self.classes or [""]))))  # the width of a class
        self.wanted = None if seen.target is None else int(np.argmax(seen.target))  # the class of the example
        bar = 20 if seen.p is None else 62 if seen.p.size == 1 else round(BAR * _largest(seen.p))
        self.result = 108 + self.longest + bar  # the width of a bar, a number and a name beside an output
        room = style.WIDTH - 50 - (LEFT if picture is None else LEFT_IMAGE + IMAGE)  # between inputs and outputs
        room -= 20 + self.longest if names else 50 + self.result
        self.small = picture is None and names is None and max(seen.sizes) <= EVERY
        spare = 70 if seen.p is None else 50  # numbers are in the discs, and gradients of the outputs beside them
        self.small = self.small and last * PITCH_SMALL[max(seen.sizes) > 2] <= room + spare
        least, most = PITCH_SMALL[1:] if self.small else PITCH
        room += spare * self.small
        fit = max(int(room / least), 3)
        self.pitch = min(most, room / min(last, fit))
        self.columns: list[Column] = []
        for number in range(last + 1) if last <= fit else (*range(fit - 1), last - 1, last):
            self.columns.append(self._column(number, seen.sizes[number]))
        self.joined = [(a, b) for a, b in pairwise(self.columns) if b.number == a.number + 1]
        self.joined = self.joined[picture is not None :]  # lines from a picture stand for all weights
        self.largest = max((_largest(self._weight(*pair)) for pair in self.joined), default=0.0) or 1.0
        highest = max(column.y[0] for column in self.columns)
        self.top = max(highest + (96 if self.small else 66), 0 if picture is None else 136)

    def _column(self, number: int, size: int) -> Column:
        """The column after those that are there."""
        pitch, radius, tallest = 48.0, 16.6, max(self.seen.sizes)
        if self.small:
            pitch, radius = 150.0 if tallest <= 2 else 122.0 if tallest <= 4 else 104.0, 26.0
        elif self._is_last(number) and size > 1:
            pitch, radius = 32.0, 13.7
        shown = self._shown(number, size)
        heights = [pitch * ((len(shown) - 1) / 2 - i) for i in range(len(shown))]
        x = len(self.columns) * self.pitch + IMAGE * (number > 0 and self.picture is not None)
        return Column(number, size, x, shown, heights, radius)

    def _is_last(self, number: int) -> bool:
        return number == len(self.seen.layers)

    def _shown(self, number: int, size: int) -> list[int]:
        """The neurons drawn of a layer: of many inputs the first, of many outputs the largest and the target, and of a
        hidden layer those on which the result depends most.

        The measure is activation times gradient, the change of the loss to first order without the neuron; without a
        loss, activation times outgoing weights.
        """
        layers, last = self.seen.layers, self._is_last(number)
        if size <= (EVERY_OUTPUT if last else EVERY):
            return list(range(size))
        if not number or self.names is not None:
            return list(range(FIRST))
        score = layers[number - 1].a
        if not last:
            after = layers[number]
            known = after.gradient is not None and np.any(after.gradient)
            score = np.abs(score * (after.gradient @ after.weight if known else np.linalg.norm(after.weight, axis=0)))
        best = np.argsort(-np.nan_to_num(score), kind="stable")[: OUTPUTS if last else FIRST]
        return sorted({*best.tolist(), *([] if not last or self.wanted is None else [self.wanted])})

    def _weight(self, before: Column, column: Column) -> np.ndarray:
        """The weights between the drawn neurons of two columns."""
        drawn: np.ndarray = self.seen.layers[before.number].weight[np.ix_(column.shown, before.shown)]
        return drawn

    # ------------------------------------------------------------ the whole

    def draw(self, title: str | None) -> Picture:
        seen = self.seen
        sizes = "-".join(map(str, seen.sizes))
        if title is None:
            title = f"{sizes}: one example through the network" if self.names is None else f"{sizes} network"
        told: dict[str, Any] = {"title": title, "reading": [self._reading()], "alt": self._alt(title)}
        layout: dict[str, Any] = {"layout": "neato", "flags": ["-n2"], "splines": "line", "outputorder": "edgesfirst"}
        self.out = Picture("network", names=self.own, pad=0.2, **told, **layout)
        if self.picture is not None:
            self._image(self.picture)
        else:
            self._inputs()
        for column in self.columns[1:]:
            layer = seen.layers[column.number - 1]
            values = layer.a if seen.p is None or not self._is_last(column.number) else seen.p
            for i, y in zip(column.shown, column.y, strict=True):
                self._disc(column, layer, i, y, float(abs(values[i]) / (_largest(values) or 1.0)))
        for before, column in self.joined:
            self._weights(before, column)
        for column in self.columns:
            self._header(column)
        for before, column in pairwise(self.columns):
            if skipped := column.number - before.number - 1:
                lines = self._lines(f"{numbers.counted(skipped, 'layer')} not drawn", caption, self.pitch - 44)
                self._put("skipped", self._patch(*lines), (before.x + column.x) / 2, 0)
        if self.names is None:
            self._results()
        last = self.columns[-1]
        for i, y in zip(last.shown, last.y, strict=True) if self.names and self.classes else ():
            self._beside(f"p{i}", [(text(short(self._class(i)), style.CELL, "ink"), 20 + self.longest)], y)
        return self.out

    def _reading(self) -> list[Label]:
        if self.names is not None:
            return [caption("line = weight", "knob"), caption("disc = neuron", "fwd")]
        hollow = "hollow is negative" if self.small else "a wide line is hollow where negative"
        lines = f"line = weight: wider is a larger |w|, {hollow}"
        lines += "; from the picture: w·x" if self.picture is not None else ""
        discs = "disc = activation (stronger = larger |a|, within a layer)"
        gradient = "gradients: not computed, no target" if self.seen.loss is None else "∂L/∂z = gradient of the loss"
        return [caption(lines, "knob"), caption(discs, "fwd"), grad_text(gradient)]

    def _alt(self, title: str) -> str:
        seen = self.seen
        if self.names is not None:
            return f"{title}."
        if seen.p is not None and seen.p.size > 1:
            said = int(np.argmax(seen.p))
            words = f"Says {self._class(said)} with {self._measure} {numbers.short(seen.p[said])}"
            words += "" if self.wanted is None else f", target {self._class(self.wanted)}"
        else:
            what, values = ("Output", seen.layers[-1].a) if seen.p is None else ("Probability", seen.p)
            words = f"{what} {', '.join(map(numbers.scalar, values[:12]))}"
        loss = "" if seen.loss is None else f" L = {numbers.scalar(seen.loss)}."
        return f"{title}. {words}.{loss}"

    @property
    def _measure(self) -> str:
        """The word for the bars at the outputs; those of separate sigmoids are not a distribution over classes."""
        return "activation" if self.seen.layers[-1].activation == "sigmoid" else "probability"

    def _class(self, k: int) -> str:
        return str(k) if self.classes is None else self.classes[k]

    def _put(self, name: str, label: Label, x: float, y: float, **attributes: Any) -> None:
        self.out.node(name, label, pos=f"{x:g},{y:g}", **attributes)

    def _beside(self, name: str, cells: Sequence[tuple[Label, int]], y: float, **attributes: Any) -> None:
        """Draw cells of these widths at the right of the outputs."""
        column, wide = self.columns[-1], sum(width for _, width in cells)
        line = row(*(cell(label, width=width, fixedsize=True, height=14, align="LEFT") for label, width in cells))
        self._put(name, table(line, bgcolor="paper"), column.x + column.radius + 10 + wide / 2, y, **attributes)

    def _boxed(self, words: Label, kind: str, **attributes: Any) -> Label:
        """Words in a frame of this kind."""
        return table(row(cell(words)), **(frame(kind) | attributes))

    def _patch(self, *lines: Label) -> Label:
        """Lines of words on a piece of paper, which hides what is below."""
        return table(*(row(cell(line)) for line in lines), cellpadding=1, bgcolor="paper")

    def _header(self, column: Column) -> None:
        """Draw the name and the size of a layer above it, and below it the number of its neurons left out."""
        seen, place, final = self.seen, column.number, self._is_last(column.number)
        name, what, size = "input", f"{numbers.count(column.size)} numbers", ""
        if place:
            layer = seen.layers[place - 1]
            kind = layer.activation or "linear"
            if final and not layer.activation and seen.p is not None and self.names is None:
                kind = "softmax" if seen.p.size > 1 else "sigmoid"
            name, what = "output" if final else f"layer {place}", f"{numbers.count(column.size)} {kind}"
            if layer.gradient is not None:
                size = f"rms ∂L/∂z {numbers.rms(layer.gradient)}"
        elif self.picture is not None:
            what = " × ".join(map(str, self.picture.shape))
        lines = [text(name, style.CELL, "muted", bold=True), *self._lines(what, caption), *self._lines(size, grad_text)]
        self._put(f"h{place}", self._patch(*lines), column.x, self.top + 6 - 6 * len(lines))
        if (more := column.size - len(column.shown)) and (place or self.picture is None):
            why = ", which matter less" if place and not final and self.names is None else ""
            lines = self._lines(f"{numbers.count(more)} more{why}", caption)
            self._put(f"m{place}", self._patch(*lines), column.x, column.y[-1] - 24 - 6 * len(lines))

    def _lines(self, said: str, written: Callable[[str], Label], room: float = 0) -> list[Label]:
        """A text in lines that are not wider than a column, or than ``room``."""
        told = words.matched(said, self.own)
        return [written(line) for line in wrapped(told, style.CAPTION, room or self.pitch - 4) if line]

    # ------------------------------------------------------------ the input

    def _image(self, picture: np.ndarray) -> None:
        """Draw the input as a picture, and a line to each neuron for what it adds to z."""
        seen, column = self.seen, self.columns[1]
        self._put("img", marks.image(picture, side=130), 0, 0)
        width, height = marks.image_size(picture, 130)
        seen_as = "as the network sees it"
        if self.wanted is not None and seen.p is not None and seen.p.size > 1:
            seen_as = f"target {self._class(self.wanted)}, {seen_as}"
        lines = self._lines(seen_as, caption, 2 * LEFT_IMAGE - 18)
        self._put("cap", self._patch(*lines), 0, -height / 2 - 10 - 6 * len(lines))
        sums = seen.layers[0].weight[column.shown] @ seen.x
        for (a,), value in _strongest_last(sums):
            tip, ends = f"w·x into neuron {column.shown[a]}: {value!r}", (width / 2, 0.0, column.x, column.y[a])
            self._line("img", column.name(column.shown[a]), ends, value, _largest(sums) or 1.0, tip)

    def _inputs(self) -> None:
        column = self.columns[0]
        for k, y in zip(column.shown, column.y, strict=True):
            said = numbers.short(self.seen.x[k]) if self.names is None else short(self.names[k])
            tip = {} if self.names is not None else {"tooltip": f"x[{k}] = {self.seen.x[k]}"}
            box = self._boxed(text(said, style.CELL, "ink"), "data", border=1.2, cellpadding=9 if self.small else 4)
            self._put(column.name(k), box, column.x, y, cls="input", **tip)

    # ------------------------------------------------------------ layers

    def _disc(self, column: Column, layer: Layer, i: int, y: float, shade: float) -> None:
        final, place = self._is_last(column.number), f"{column.number}_{i}"
        ground = style.on_ramp(shade) if math.isfinite(shade) else "bad_bg"
        ink = f"on@{ground}" if math.isfinite(shade) else "bad"
        disc: dict[str, Any] = {"shape": "circle", "fixedsize": True, "width": round(2 * column.radius / 72, 3)}
        disc |= {"style": "filled", "color": "fwd", "penwidth": 2.8 if final else 1.3, "cls": "neuron"}
        if self.names is not None:
            self._put(column.name(i), caption(" "), column.x, y, fillcolor="paper", **disc)
            return
        lines = [caption(numbers.short(layer.a[i]), ink)]
        if self.small:
            lines = [text(numbers.scalar(layer.a[i]), style.CELL, ink, bold=True)]
            lines += [caption(f"z {numbers.scalar(layer.z[i])}", ink)] if layer.activation else []
        elif final and column.size > 1:
            lines = [text(i, style.CAPTION, ink, bold=True)]
        tip = f"a = {layer.a[i]}, z = {layer.z[i]}"
        tip += "" if layer.bias is None else f", bias {layer.bias[i]}"
        tip += "" if layer.gradient is None else f", ∂L/∂z = {layer.gradient[i]}"
        label = table(*(row(cell(line)) for line in lines))
        self._put(column.name(i), label, column.x, y, fillcolor=ground, tooltip=tip, **disc)
        up = 1 if len(column.shown) != 2 or i == 0 else -1  # of two discs the gradients are on the inside
        if self.small and layer.bias is not None:
            words = caption(f"b {numbers.scalar(layer.bias[i])}", "ink")
            box = self._boxed(words, "parameter", border=1.6, cellpadding=3)
            self._put(f"b{place}", box, column.x, y + 40 * up, cls="parameter")
        if self.small and layer.gradient is not None:
            said = text(f"∂L/∂z {numbers.scalar(layer.gradient[i])}", style.GRAD_LABEL, "grad", bold=True, italic=True)
            self._put(f"g{place}", self._patch(said), column.x, y - 36 * up, cls="gradient")

    def _weights(self, before: Column, column: Column) -> None:
        drawn = self._weight(before, column)
        numbered = self.small and len(drawn) <= NUMBERED and drawn.size <= NUMBERS
        for (a, b), w in _strongest_last(drawn):
            i, j = column.shown[a], before.shown[b]
            x, y, right, up = ends = before.x, before.y[b], column.x, column.y[a]
            tip = f"{before.name(j)} to {column.name(i)}" if self.names is not None else f"w[{i}, {j}] = {w!r}"
            self._line(before.name(j), column.name(i), ends, w, self.largest, tip)
            if numbered:
                said, part = numbers.scalar(w) if drawn.size <= 4 else numbers.short(w), PLACES[a % 2]
                patch = self._patch(text(said, style.VALUE, "knob", bold=True))
                self._put(f"w{column.number}_{i}_{j}", patch, x + part * (right - x), y + part * (up - y))

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
        x0, y0, x1, y1 = ends
        thirds = ((x0 + (x1 - x0) * t / 3, y0 + (y1 - y0) * t / 3) for t in range(4))
        course = " ".join(f"{x:.2f},{y:.2f}" for x, y in thirds)
        common: dict[str, Any] = {"arrowhead": "none", "edgetooltip": tip, "pos": course}
        look: dict[str, Any] = {"color": colour if math.isfinite(value) else "bad", "penwidth": round(width, 2)}
        name, sign = f"w_{tail}_{head}", "negative" if value < 0 else "positive"
        self.out.edge(tail, head, id=name, cls=f"w {sign}", **look, **common)
        if signed and value < 0:
            inside = round(width - 2 * STROKE, 2)
            self.out.edge(tail, head, id=f"{name}_in", color="paper", penwidth=inside, cls="w hollow", **common)

    # ------------------------------------------------------------ the outputs

    def _results(self) -> None:
        """Draw the probability or the value of each output, its target and its gradient, and the loss."""
        seen, column, last, p = self.seen, self.columns[-1], self.seen.layers[-1], self.seen.p
        is_one, slopes, room = column.size == 1, None if self.small else last.gradient, self.result
        for i, y in zip(column.shown, column.y, strict=True):
            value, wide, ground = last.a[i] if p is None else p[i], 1, "paper"
            said = "" if self.small else f"  {numbers.scalar(value)}"  # a small network has it in the disc
            is_best = p is not None and (is_one or i == int(np.argmax(p)))
            if p is not None:
                wide = max(1, round(BAR * value)) if math.isfinite(value) else 3
                ground = "fwd" if is_best else "paper>fwd@0.35"
                said = f"  {numbers.short(value)}  {short(self.classes[i]) if self.classes and not is_one else ''}"
            words = text(said, style.CELL, "ink" if math.isfinite(value) else "bad", bold=is_best)
            if seen.target is not None and (is_one or p is None):
                words += text(f"   TARGET {numbers.scalar(seen.target[i])}", style.TAG, "muted")
            elif i == self.wanted:
                words += text("   TARGET", style.TAG, "muted")
            bar = table(row(cell("", width=wide, height=12, fixedsize=True)), bgcolor=ground)
            cells, tip = [(bar, wide), (words, room - wide)], "a" if p is None else "p"
            cells += [] if slopes is None else [(grad_text(numbers.short(slopes[i])), 50)]
            self._beside(f"p{i}", cells, y, cls="probability", tooltip=f"{tip} = {float(value)!r}")
        head = [(caption("" if p is None else self._measure), room), *[(grad_text("∂L/∂z"), 50)] * (slopes is not None)]
        self._beside("hp", head, column.y[0] + 24)
        if seen.loss is not None:
            words = text("L ", style.NAME, "loss_ink", bold=True)
            words += text(f"= {numbers.scalar(seen.loss)}", style.VALUE, "loss_ink")
            card = self._boxed(words, "loss", border=1, cellpadding=6)
            at = column.x + column.radius + 72
            self._put("L", card, at, column.y[-1] - 50, cls="loss", tooltip=f"L = {seen.loss!r}")


def _largest(array: np.ndarray) -> float:
    """The largest absolute value, 0 where none is finite."""
    return float(np.max(np.abs(array[np.isfinite(array)]), initial=0.0))


def _strongest_last(values: np.ndarray) -> list[tuple[tuple[int, ...], float]]:
    """The entries with their indices in the order in which their lines are drawn, those that are not finite first."""
    found = [(place, float(value)) for place, value in np.ndenumerate(values)]
    return sorted(found, key=lambda entry: (math.isfinite(entry[1]), abs(entry[1])))
