"""The lab report of a trained classifier of small pictures: one self-contained HTML file.

It has learning curves, a confusion matrix, the most confident mistakes, the layers, single digits neuron by neuron, a
small batch step by step, and a pad to draw on. Everything but the pad is computed here; the pad computes in the page,
with the network's own program (`viz.pages.pad`).
"""

from __future__ import annotations

import html
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from glassgrad import autograd as ag
from glassgrad.autograd.common.validation import check_instance
from glassgrad.viz.drawing import numbers, words
from glassgrad.viz.drawing.errors import DrawingError
from glassgrad.viz.drawing.render import Picture, RenderError
from glassgrad.viz.drawing.words import say
from glassgrad.viz.pages.emitted import POLICY, assets, body, document, packed, text, variables
from glassgrad.viz.pages.pad import Pad, pad
from glassgrad.viz.pages.page import Page
from glassgrad.viz.plots.digits import plot_confusion
from glassgrad.viz.plots.figure import Plot, class_numbers
from glassgrad.viz.plots.history import histories
from glassgrad.viz.recorded.validation import numbers_of

MISTAKES = 40  # shown
LEAST = 0.85  # smallest scale of a picture on a narrow screen, where it scrolls


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
        images, probabilities = (numbers_of(getattr(self, n), n).astype(float) for n in ("images", "probabilities"))
        k = len(check_instance(self.classes, Sequence, "classes", "a list of names"))  # type: ignore[type-abstract]
        if images.ndim != 3 or probabilities.shape != (len(images), k):
            raise DrawingError(
                f"images and probabilities of shapes {numbers.shape(images.shape)} and"
                f" {numbers.shape(probabilities.shape)} do not go together with {k} classes: give (n, height, width)"
                " and (n, classes)"
            )
        labels = class_numbers(self.labels, len(images), "labels", "images", k)
        read = {"labels": labels, "predictions": probabilities.argmax(axis=1)}
        self.__dict__.update(read, images=images, probabilities=probabilities)

    @property
    def certainty(self) -> np.ndarray:
        """The probability of each predicted class, (n,)."""
        return np.asarray(self.probabilities[np.arange(len(self.images)), self.predictions])

    @property
    def range(self) -> tuple[float, float]:
        """The smallest and the largest number of the pictures, apart even if they are equal."""
        low, high = float(self.images.min()), float(self.images.max())
        return low, high if high > low else low + 1

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
    saliency: Plot | None = None,
    language: str | None = None,
) -> Page:
    """The report as one page; it is saved to ``path``, an .html file, where that is given.

    ``history`` as `viz.plot_history` takes it; ``held``: the held-out data. ``model``: the network for the pad, called
    with pictures as rows of pixels, (n, height · width), in its present mode; None for no pad. The page runs the
    network's own program on a drawing, forward and backward. ``loss`` of its outputs and a label is by default the
    cross-entropy, ``probabilities`` the softmax of its outputs. ``modules``, ``neurons``, ``steps``: the module view,
    the digits to choose from, and the step-through of a small batch; those not given are left out. ``facts``: further
    facts about the run, by name. ``saliency``: a plot that explains decisions. ``language``: that of the page,
    "en" or "zh"; None takes the language of `viz.lesson.speak`, by default English. Pictures and ``steps`` are in the
    language in which they were made.

    Raises `DrawingError` for a model that does not fit the pictures and classes, and for a path with another suffix.
    """
    check_instance(held, Held, "held", "a viz.pages.report.Held")
    height, width = held.images.shape[1:]
    with words.speaking(language):
        network = pad(model, loss, probabilities, (height, width), len(held.classes))
        mistakes, total = held.surest_mistakes, len(held.labels)
        known = {text(words.matched(k)): text(words.matched(v)) for k, v in (facts or {}).items()}
        live, wrong = bool(network.script), len(mistakes)
        fields = {
            "title": text(title),
            "right": f"{total - len(mistakes):,}",
            "total": f"{total:,}",
            "share": f"{100 - 100 * len(mistakes) / total:.2f}",
            "facts": "".join(f"<div><dt>{k}</dt><dd>{v}</dd></div>" for k, v in known.items()),
            "pad": _pad(held, network),
            "curves": "".join(plotted(plot, f"curve{k}-") for k, plot in enumerate(histories(history))),
            "matrix": _drawn(plot_confusion(held.labels, held.predictions, classes=list(held.classes))),
            "n": f"{len(mistakes):,}",
            "looks": "" if saliency is None else plotted(saliency, "look-"),
            "modules": "" if modules is None else _drawn(modules),
            "neurons": "".join(
                f'<figure class="neurons"{" hidden" * (k > 0)}>{_drawn(one.picture)}</figure>'
                for k, one in enumerate(neurons)
            ),
            "steps": "" if steps is None else html.escape(steps.html),
            "batch": "" if steps is None else text(say("{title}, step by step", title=steps.title)),
        }
        there = {"perfect": not wrong, "mistaken": wrong, "live": live and wrong, "put": live and neurons}
        styles = [variables(), assets("common.css", "networks.css", "report.css")]
        styles.append(f'.over::before{{content:"{say("Wider than the screen: scroll sideways")}"}}')
        scripts = ["common.js", *(("networks.js", "ink.js", "pad.js") if live else ()), "report.js"]
        code, data = f"{network.script}\n{assets(*scripts)}\n", _data(held, network, neurons)
        main = body("report.html", fields, [kind for kind, is_there in (fields | there).items() if is_there])
        policy = f"{POLICY}; img-src data:"
        page = Page(title, document(title, main, "\n".join(styles), data=data, script=code, policy=policy))
    if path is not None:
        page.save(path)
    return page


def _data(held: Held, network: Pad, neurons: Sequence[Specimen]) -> dict[str, Any]:
    """What the script needs: the network, and the pictures, which can be put on the pad, the last one first."""
    samples: list[dict[str, Any]] = [{"x": packed(s.image), "name": s.label, "label": -1} for s in neurons]
    first = int((held.predictions == held.labels).argmax())  # the first that it reads correctly
    for i in [*held.surest_mistakes[:MISTAKES], first]:
        read = {"said": int(held.predictions[i]), "label": int(held.labels[i])}
        samples.append({"x": packed(held.images[i]), "share": f"{100 * held.certainty[i]:.1f} %"} | read)
    return {
        "shape": held.images.shape[1:],
        "range": held.range,
        "classes": list(held.classes),
        "network": network.data or None,
        "samples": samples,
        "first": len(samples) - 1,
    }


def _pad(held: Held, network: Pad) -> str:
    if network.refusal:
        return f"<p>{text(network.refusal)}</p>"
    height, width = held.images.shape[1:]
    keys = (
        "Mouse, pen or finger. Keys on the pad: arrows move, {space} puts or takes ink, {shift} with an arrow"
        " draws, {delete} clears, the name of a class makes it the aim."
    )
    told = say(keys, **{name: f"<kbd>{name}</kbd>" for name in ("space", "shift", "delete")})
    kinds = ["crop"] * held.crop + ["hidden"] * bool(network.data["layers"])
    return body("pad.html", {"height": str(height), "width": str(width), "keys": told}, kinds)


# ---------------------------------------------------------------- pictures


def _drawn(picture: Picture) -> str:
    """A picture for the page, or the error message if it could not be drawn."""
    try:
        return _figure(picture.title, picture.svg())
    except RenderError as error:
        return f'<p class="note">{text(say("Not drawn: {why}", why=error))}</p>'


def plotted(plot: Plot, prefix: str) -> str:
    """A plot for the page, with ids that begin with ``prefix``."""
    svg = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", plot._repr_svg_(), flags=re.DOTALL)
    svg = re.sub(r'(\bid="|href="#|url\(#)', rf"\1{prefix}", svg)
    return _figure(plot.description, svg)


def _figure(label: str, svg: str) -> str:
    """A drawing in a frame: as wide as the page, but wide enough to be readable, where it scrolls."""
    head, _, inside = svg[svg.index("<svg") :].partition(">")
    inside = re.sub(r"<!--.*?-->\n?", "", inside, flags=re.DOTALL)
    inside = re.sub(r'(<g id="[^"]*" class="(?:edge|node)[^>]*>\n)<title>[^<]*</title>\n', r"\1", inside)  # Graphviz's
    inside = re.sub(r'(?<=<g) id="[^"]*"', "", inside)
    wide = float(found[1]) if (found := re.search(r'width="([\d.]+)pt"', head)) else 0.0
    size = f"width:{wide:g}pt;max-width:100%;min-width:{LEAST * wide:.0f}pt"
    head = re.sub(' style="[^"]*"', "", head).replace("<svg", f'<svg class="picture" style="{size}"')
    return f'<div class="scroll" tabindex="0" role="group" aria-label="{text(label)}">{head}>{inside}</div>'
