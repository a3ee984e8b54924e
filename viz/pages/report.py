"""The lab report of a trained classifier of small pictures: one self-contained HTML file.

It has learning curves, a confusion matrix, the most confident mistakes, the layers, single digits neuron by neuron, a
small batch step by step, and a pad to draw on. Everything but the pad is computed here; the pad computes in the page,
with the network's own program (`viz.pages.pad`).
"""

from __future__ import annotations

import base64
import html
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np

import autograd as ag
from autograd.common.validation import check_instance
from viz.drawing import numbers, style
from viz.drawing.errors import DrawingError
from viz.drawing.render import Picture, RenderError
from viz.pages.emitted import POLICY, assets, document, ramps, text, variables
from viz.pages.pad import Pad, pad
from viz.pages.page import Page
from viz.plots.figure import Plot
from viz.plots.history import histories
from viz.plots.tiles import BLANK
from viz.recorded.validation import numbers_of

MISTAKES = 40  # shown
POINT = "Point at a cell for its numbers."
LEAST = 0.85  # smallest scale of a picture on a narrow screen, where it scrolls
GROUNDS = ("1", "2", "3", "5", "6")  # steps of the ramp on which numbers have contrast in both themes
PARTS = {
    "draw": "Draw",
    "learning": "Learning curves",
    "mistakes": "Mistakes",
    "looks": "What it looks at",
    "modules": "Modules",
    "neurons": "Neurons",
    "steps": "Step by step",
}


@dataclass(frozen=True)
class Specimen:
    """One picture through the network: ``image`` (height, width), what to call it, and `viz.draw_network` of it."""

    image: Any
    label: str
    picture: Picture


@dataclass(frozen=True)
class Held:
    """The held-out data and the network's predictions.

    ``images`` is (n, height, width), ``labels`` (n,) integers, ``probabilities`` (n, classes); ``crop``: the pictures
    are 0 or 1 and were cropped to their ink, scaled and centred, so a drawing is treated in the same way.
    """

    images: Any
    labels: Any
    probabilities: Any
    classes: Sequence[str]
    crop: bool = False
    predictions: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        for name, dtype in (("images", float), ("labels", int), ("probabilities", float)):
            object.__setattr__(self, name, np.atleast_1d(numbers_of(getattr(self, name), name)).astype(dtype))
        classes = check_instance(self.classes, Sequence, "classes", "a list of names")  # type: ignore[type-abstract]
        n, k = len(self.images), len(classes)
        if self.images.ndim != 3 or not n or self.labels.shape != (n,) or self.probabilities.shape != (n, k):
            shapes = ", ".join(numbers.shape(np.shape(x)) for x in (self.images, self.labels, self.probabilities))
            raise DrawingError(
                f"images, labels and probabilities of shapes {shapes} do not go together with {k} classes: give"
                " (n, height, width), (n,) and (n, classes) with n at least 1"
            )
        if self.labels.min() < 0 or self.labels.max() >= k:
            raise DrawingError(f"labels from {self.labels.min()} to {self.labels.max()} do not go with {k} classes")
        object.__setattr__(self, "predictions", self.probabilities.argmax(axis=1))

    @property
    def certainty(self) -> np.ndarray:
        """The probability of each predicted class, (n,)."""
        return np.asarray(self.probabilities[np.arange(len(self.images)), self.predictions])

    @property
    def surest_mistakes(self) -> np.ndarray:
        """The indices of the wrong predictions, most confident first."""
        wrong = np.flatnonzero(self.predictions != self.labels)
        return wrong[np.argsort(-self.certainty[wrong], kind="stable")]


def lab_report(
    path: str | os.PathLike[str] | None = None,
    *,
    title: str,
    history: Any,
    held: Held,
    model: Callable[[Any], ag.Tensor] | None,
    loss: Callable[[Any, Any], ag.Tensor] | None = None,
    probabilities: Callable[[Any], ag.Tensor] | None = None,
    modules: Picture | None = None,
    neurons: Sequence[Specimen] = (),
    steps: Page | None = None,
    facts: Mapping[str, str] | None = None,
    looks: Mapping[str, Plot] | None = None,
) -> Page:
    """The report as one page; it is saved to ``path``, an .html file, where that is given.

    ``history`` as `viz.plot_history` takes it; ``held``: what was held out. ``model``: the network for the pad, called
    with pictures as rows of pixels, (n, height · width), in the mode that it is in; None for no pad. What is drawn goes
    through its own program in the page, forward and back. ``loss`` of its outputs and a label is by default the
    cross-entropy, ``probabilities`` the softmax of its outputs. ``modules``, ``neurons``, ``steps``: the module view,
    the digits to choose from, and the step-through of a small batch; those not given are left out. ``facts``: further
    facts about the run, by name. ``looks``: plots that explain decisions, by caption.

    Raises `DrawingError` for a model that does not fit the pictures and classes, and for a path with another suffix.
    """
    check_instance(held, Held, "held", "a viz.pages.report.Held")
    height, width = held.images.shape[1:]
    network = pad(model, loss, probabilities, (height, width), len(held.classes))
    page = Page(title, _Report(title, history, held, network, modules, neurons, steps, facts or {}, looks or {}).html())
    if path is not None:
        page.save(path)
    return page


def _packed(array: np.ndarray) -> str:
    """The numbers as little-endian float32 in base64."""
    return base64.b64encode(np.ascontiguousarray(array, "<f4").tobytes()).decode()


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


class _Report:
    """Builder of one report."""

    def __init__(
        self,
        title: str,
        history: Any,
        held: Held,
        network: Pad,
        modules: Picture | None,
        neurons: Sequence[Specimen],
        steps: Page | None,
        facts: Mapping[str, str],
        looks: Mapping[str, Plot],
    ) -> None:
        self.title, self.history, self.held, self.network, self.looks = title, history, held, network, looks
        self.modules, self.neurons, self.steps, self.facts = modules, neurons, steps, facts
        self.low, self.high = float(held.images.min()), float(held.images.max())
        if self.high <= self.low:
            self.high = self.low + 1
        self.surest = held.surest_mistakes[:MISTAKES]
        self.refusal = network.refusal
        self.hardest = int(held.certainty.argmin())

    def html(self) -> str:
        scripts = ["common.js", *(() if self.refusal else ("networks.js", "ink.js", "pad.js")), "report.js"]
        bodies = {
            "draw": self._pad(),
            "learning": self._curves(),
            "mistakes": self._mistakes(),
            "looks": self._looks(),
            "modules": self._modules(),
            "neurons": self._neurons(),
            "steps": self._steps(),
        }
        there = {key: body for key, body in bodies.items() if body}
        links = "".join(f'<a href="#{key}">{PARTS[key]}</a>' for key in there)
        sections = "".join(
            f'<section id="{key}" aria-labelledby="{key}-h">{body}</section>' for key, body in there.items()
        )
        facts = "".join(f"<div><dt>{text(k)}</dt><dd>{text(v)}</dd></div>" for k, v in self.facts.items())
        right, total = int((self.held.predictions == self.held.labels).sum()), len(self.held.labels)
        main = f"""<header><div><h1>{text(self.title)}</h1>
<p>It reads {right:,} of {total:,} unseen pictures correctly: {100 * right / total:.2f} %.</p></div>
<button id="theme" type="button">Dark</button>
<dl>{facts}</dl></header>
<nav aria-label="Parts of this report"><div>{links}</div></nav>
<main>{sections}</main>
"""
        styles = [variables(), ramps(), _recoloured(), assets("common.css", "networks.css", "report.css")]
        script = f"{self.network.script}\n{assets(*scripts)}\n"
        policy = f"{POLICY}; img-src data:"
        return document(self.title, main, "\n".join(styles), data=self._data(), script=script, policy=policy)

    def _data(self) -> dict[str, Any]:
        if self.refusal:
            return {"network": None}
        held = self.held
        images = [(s.image, f"{s.label} from the digits below.", -1) for s in self.neurons]
        for i in [*self.surest, self.hardest]:
            said, true = held.classes[held.predictions[i]], held.classes[held.labels[i]]
            images.append((held.images[i], f"A {true} that it reads as {said}.", int(held.labels[i])))
        words = f"A {true}, of which it is least sure: {_percent(held.certainty[self.hardest])} for {said}."
        images[-1] = (*images[-1][:1], words, *images[-1][2:])
        return {
            "shape": held.images.shape[1:],
            "range": [self.low, self.high],
            "classes": list(held.classes),
            "network": self.network.data,
            "samples": [{"x": _packed(np.asarray(image)), "t": t, "label": label} for image, t, label in images],
            "first": len(images) - 1,
        }

    # ------------------------------------------------------------ the pad

    def _pad(self) -> str:
        heading = '<h2 id="draw-h">Draw a digit</h2>'
        if self.refusal:
            return f"{heading}<p>{text(self.refusal)}</p>"
        height, width = self.held.images.shape[1:]
        crop = ""
        if self.held.crop:
            crop = '<label><input type="checkbox" id="crop" checked>crop and centre it as the training data</label>'
        layers, skipped = self.network.data["layers"], self.network.data["skipped"]
        hidden = "".join(
            f'<div class="layer"><h3>{text(layer["words"])}</h3>'
            f'<div class="pair{" wide" if len(layer["shape"]) == 2 else ""}">'
            f'<canvas class="cells" id="layer{k}" role="img"></canvas>'
            f'<div><canvas class="cells back" id="back{k}" role="img"></canvas><p class="rms" id="rms{k}"></p></div>'
            f'</div><p class="note" id="said{k}">{POINT}</p></div>'
            for k, layer in enumerate(layers)
        )
        more = f'<p class="note">{skipped} layers between them are not shown.</p>' if skipped else ""
        key = ""
        if hidden:
            key = '<p class="note">Stronger is larger, a small square is negative. In dashes: the gradient.</p>'
        rows = "".join(
            f'<tr><th scope="row">{text(name)}</th><td class="bar" aria-hidden="true"><span><i></i></span></td>'
            '<td class="p"></td></tr>'
            for name in self.held.classes
        )
        aims = "".join(f'<option value="{k}">{text(name)}</option>' for k, name in enumerate(self.held.classes))
        return f"""{heading}
<p>Everything below is computed while you draw, forward and back, by the network's own program inside this page.</p>
<div class="bench">
<div>
<svg id="pad" viewBox="0 0 {width} {height}" tabindex="0" role="application" aria-describedby="keys"
 aria-label="Drawing pad, {height} rows by {width} columns"></svg>
<div class="tools"><button id="clear" type="button">Clear</button>
<button id="erase" type="button" aria-pressed="false">Erase</button>{crop}</div>
<p class="note keys" id="keys">Mouse, pen or finger. Keys on the pad: arrows move, <kbd>space</kbd> puts or takes ink,
<kbd>shift</kbd> with an arrow draws, <kbd>Delete</kbd> clears, the name of a class makes it the aim.</p>
<div id="where" class="sr" aria-live="polite"></div>
</div>
<div>
<p class="aims"><label for="aim">Make it</label><select id="aim"><option value="">what it is</option>{aims}</select></p>
<canvas class="cells back" id="dx" role="img"></canvas>
<p class="rms" id="rmsx"></p><p class="note" id="dxsaid"></p><button id="flip" type="button"></button>
</div>
<div>
<p id="says"></p><p id="truth" class="note"></p><div id="heard" class="sr" aria-live="polite"></div>
<table id="answers" aria-label="Output for each class"><tbody>{rows}</tbody></table>
<h3 id="gauges-h">rms of ∂L/∂W, a cell for each power of ten</h3>
<table class="gauges" aria-labelledby="gauges-h"><tbody id="gauges"></tbody></table>
</div>
</div>
<div class="layers">
<div class="layer"><h3>Input: what the network sees</h3><svg class="cells" id="sees" aria-hidden="true"></svg></div>
{hidden}
</div>
{more}{key}"""

    # ------------------------------------------------------------ curves, confusion, mistakes

    def _curves(self) -> str:
        curves = "".join(
            f'<div class="scroll" tabindex="0" role="group" aria-label="{text(plot.description)}">'
            f"{_plotted(plot, f'curve{k}-')}</div>"
            for k, plot in enumerate(histories(self.history))
        )
        return f'<h2 id="learning-h">Learning curves, epoch by epoch</h2><div class="curves">{curves}</div>'

    def _mistakes(self) -> str:
        wrong = int((self.held.predictions != self.held.labels).sum())
        heading = f'<h2 id="mistakes-h">Confusion matrix</h2>{self._confusion()}'
        if not wrong:
            return f"{heading}<p>It makes no mistake.</p>"
        pad = "" if self.refusal else " Press one to put it on the pad."
        several = f"The {len(self.surest)} mistakes it was surest of" if wrong > 1 else "Its only mistake"
        tiles = "".join(f"<li>{self._tile(int(i), len(self.neurons) + n)}</li>" for n, i in enumerate(self.surest))
        return f'{heading}<h2>{several}</h2><p>{wrong:,} in all.{pad}</p><ul class="tiles">{tiles}</ul>'

    def _tile(self, i: int, sample: int) -> str:
        held = self.held
        said, true = (text(held.classes[k]) for k in (held.predictions[i], held.labels[i]))
        words = f"<b>read as {said}</b>{_percent(held.certainty[i])}<br>is {true}"
        if self.refusal:
            return f'<div class="tile">{self._ink(held.images[i])}{words}</div>'
        return f'<button type="button" class="tile" data-put="{sample}">{self._ink(held.images[i])}{words}</button>'

    def _ink(self, image: Any) -> str:
        """A picture as vectors: one path for each step of the ramp."""
        values = np.asarray(image, dtype=float)
        height, width = values.shape
        last = len(style.VALUE_RAMP) - 1
        share = np.nan_to_num((values - self.low) / (self.high - self.low))
        level = np.clip(np.rint(share * last), 0, last).astype(int)
        paths = []
        for step in range(1, last + 1):
            where = "".join(f"M{x} {y}h1v1h-1z" for y, x in np.argwhere(level == step).tolist())
            paths += [f'<path class="v{step}" d="{where}"/>'] if where else []
        ground = f'<rect width="{width}" height="{height}" class="v0"/>'
        return (
            f'<svg class="ink" viewBox="0 0 {width} {height}" shape-rendering="crispEdges" aria-hidden="true">'
            f"{ground}{''.join(paths)}</svg>"
        )

    def _confusion(self) -> str:
        held, k = self.held, len(self.held.classes)
        counts = np.zeros((k, k), dtype=int)
        np.add.at(counts, (held.labels, held.predictions), 1)
        most = max(1, int((counts - np.diag(counts.diagonal())).max()))
        names = [text(name) for name in held.classes]

        def entry(i: int, j: int) -> str:
            n = int(counts[i, j])
            if i == j:
                return f'<td class="right">{n}</td>'
            if not n:
                return '<td><span class="sr">0</span></td>'
            return f'<td class="on{style.on_ramp(n / most, GROUNDS)}">{n}</td>'

        def share(part: int, whole: int) -> str:
            return f'<td class="share">{_percent(part / whole) if whole else "none"}</td>'

        heads = "".join(f'<th scope="col">{name}</th>' for name in names)
        rows = "".join(
            f'<tr><th scope="row">{names[i]}</th>{"".join(entry(i, j) for j in range(k))}'
            f"{share(counts[i, i], counts[i].sum())}</tr>"
            for i in range(k)
        )
        right = "".join(share(counts[j, j], counts[:, j].sum()) for j in range(k))
        return (
            '<p class="note" id="matrix-note">Row: what it is. Column: what the network says. Stronger: more often.'
            " Boxed: right. Last column: the share of a class that is found; last row: the share of an answer that is"
            ' right.</p><div class="scroll" tabindex="0" role="group" aria-label="Confusion matrix">'
            '<table class="matrix" aria-label="Confusion matrix" aria-describedby="matrix-note">'
            f'<thead><tr><td class="share"></td>{heads}<th scope="col" class="share">found</th></tr></thead>'
            f'<tbody>{rows}<tr><th scope="row" class="share">right</th>{right}<td class="share"></td></tr></tbody>'
            "</table></div>"
        )

    # ------------------------------------------------------------ saliency

    def _looks(self) -> str:
        frame = '<div class="scroll" tabindex="0" role="group"'
        figures = "".join(
            f'<p>{text(words[:1].upper() + words[1:])}.</p>{frame} aria-label="{text(words)}">'
            f"{_plotted(plot, f'look{k}-')}</div>"
            for k, (words, plot) in enumerate(self.looks.items())
        )
        return f'<h2 id="looks-h">What it looks at</h2>{figures}' if figures else ""

    # ------------------------------------------------------------ modules, neurons, steps

    def _modules(self) -> str:
        if self.modules is None:
            return ""
        return (
            '<h2 id="modules-h">Layer by layer, with the health of its gradients</h2>'
            f"<p>One batch on its way forward and back. What goes wrong has a word in a box.</p>{_drawn(self.modules)}"
        )

    def _neurons(self) -> str:
        if not self.neurons:
            return ""
        choice = "".join(
            f'<button type="button" aria-pressed="{"false" if i else "true"}">'
            f"{self._ink(specimen.image)}{text(specimen.label)}</button>"
            for i, specimen in enumerate(self.neurons)
        )
        put = "" if self.refusal else '<p><button id="put" type="button">Put this digit on the pad</button></p>'
        drawings = "".join(
            f'<figure class="neurons"{" hidden" if i else ""}>{_drawn(specimen.picture)}</figure>'
            for i, specimen in enumerate(self.neurons)
        )
        return (
            '<h2 id="neurons-h">Neuron by neuron</h2><p>Choose a digit. Values and weights are exact where you point.'
            f'</p><div id="choose" role="group" aria-label="Digits">{choice}</div>{drawings}{put}'
        )

    def _steps(self) -> str:
        if self.steps is None:
            return ""
        return (
            '<h2 id="steps-h">Forward and backward, step by step</h2>'
            f"<p>A small batch: every operation, then every gradient, with the check of its rule.</p>"
            f'<iframe srcdoc="{html.escape(self.steps.html)}" title="{text(self.steps.title)}, step by step"></iframe>'
        )


# ---------------------------------------------------------------- pictures in a page of two themes


def _recoloured() -> str:
    """Pictures on the ramp follow the theme, with the words that stand on them."""
    rules = []
    for letter, ramp in (("v", style.VALUE_RAMP), ("g", style.GRAD_RAMP)):
        for k, colour in enumerate(ramp):
            rules.append(f'.picture [fill="{colour}"],.{letter}{k}{{fill:var(--{letter}{k})}}')
    for step in GROUNDS:
        words = "ink" if style.text_on(style.VALUE_RAMP[int(step)]) == style.LIGHT.ink else "loss_ink"
        rules.append(f".on{step}{{background:var(--v{step});color:var(--{words})}}")
    return "".join(rules)


EXACT = frozenset((*vars(style.LIGHT).values(), *style.VALUE_RAMP, *style.GRAD_RAMP))
MIXED = (("paper", "fwd"), ("paper", "knob"), ("hair", "grad"))  # the ends of the same blend on a page
LINES = tuple((getattr(style.LIGHT, a), getattr(style.LIGHT, b)) for a, b in MIXED[:2])


@cache
def _blend(colour: str) -> str:
    """A blended colour of a light picture as a blend of the page's own colours; empty for any other colour.

    >>> _blend(style.mix(style.LIGHT.paper, style.LIGHT.knob, 0.25))
    'color-mix(in srgb,var(--knob) 25%,var(--paper))'
    """
    if colour in EXACT:
        return ""
    given = _rgb(colour)
    for ends, (low, high) in zip((*LINES, style.GRAD_EDGE), MIXED, strict=True):
        start, end = map(_rgb, ends)
        t = float(np.clip((given - start) @ (end - start) / ((end - start) @ (end - start)), 0, 1))
        if np.abs(start + t * (end - start) - given).max() < 1:
            # the weakest gradient still stands out from the paper
            share = 30 + 70 * t if high == "grad" else 100 * t
            return f"color-mix(in srgb,var(--{high}) {share:.0f}%,var(--{low}))"
    return ""


def _rgb(colour: str) -> np.ndarray:
    return np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)], dtype=float)


def _drawn(picture: Picture) -> str:
    """A Graphviz picture for the page, or the error message if it could not be drawn."""
    try:
        svg = picture.svg()
    except RenderError as error:
        return f'<p class="note">{text(f"Not drawn: {error}")}</p>'
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<!--.*?-->\n?", "", svg, flags=re.DOTALL)
    svg = re.sub(r' xml:space="preserve"|(?<=<g) id="[^"]*"', "", svg)
    svg = re.sub(
        r' (fill|stroke)="(#[0-9a-f]{6})"',
        lambda m: f' style="{m[1]}:{_blend(m[2])}"' if _blend(m[2]) else m[0],
        svg,
    )
    svg = re.sub(r'<svg ([^>]*?) style="[^"]*"', rf'<svg class="picture" style="{_least(svg)}" \1', svg, count=1)
    return f'<div class="scroll" tabindex="0" role="group" aria-label="{text(picture.title)}">{svg}</div>'


def _least(svg: str) -> str:
    """CSS of a picture: as wide as the page, but wide enough to be readable."""
    width = re.search(r'width="([\d.]+)pt"', svg)
    wide = float(width[1]) if width else 0
    return f"width:{wide:g}pt;max-width:100%;min-width:{LEAST * wide:.0f}pt"


def _plotted(plot: Any, prefix: str) -> str:
    """A plot for the page: in the colours of the page, with ids that begin with ``prefix``."""
    svg = plot._repr_svg_()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>|(?<=<g) id=\"[^\"]*\"", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(\bid="|href="#|url\(#)', rf"\1{prefix}", svg)
    for name in style.Theme.__dataclass_fields__:
        if name != "name":
            svg = svg.replace(f": {getattr(style.LIGHT, name)}", f": var(--{name})")
    svg = svg.replace(f": {BLANK}", ": var(--paper)")
    for letter, ramp in (("v", style.VALUE_RAMP), ("g", style.GRAD_RAMP)):
        for k, colour in enumerate(ramp):
            svg = svg.replace(f": {colour}", f": var(--{letter}{k})")
    return re.sub(r"<svg([^>]*)>", lambda m: f'<svg class="picture" style="{_least(m[0])}"{m[1]}>', svg, count=1)
