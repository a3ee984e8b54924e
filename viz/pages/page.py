"""The step-through page: one self-contained HTML file that walks through the forward and the backward pass.

Everything shown is computed here, and `page.js` reveals it step by step. Where the size allows, the page is live: it
has the graph's program in JavaScript (`viz.pages.live`), and `live.js` computes every number anew when the reader
changes one. Up to `style.CARDS` cards the graph is drawn as `viz.graph.picture` does; above, it is a ladder of
operations, folded by module and opened on demand.
"""

from __future__ import annotations

import html
import inspect
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from glassgrad import autograd as ag
from glassgrad.autograd.common.files import write_file
from glassgrad.autograd.common.validation import as_path, check_instance
from glassgrad.autograd.engine.observers.anomaly import record_lines
from glassgrad.autograd.testing import NodeCheck
from glassgrad.viz.drawing import numbers, style, words
from glassgrad.viz.drawing.errors import DrawingError
from glassgrad.viz.drawing.render import Picture, RenderError
from glassgrad.viz.drawing.texts import clipped
from glassgrad.viz.drawing.words import say
from glassgrad.viz.graph.check import mark_checks
from glassgrad.viz.graph.drawing import TITLE, Drawing
from glassgrad.viz.pages import lean
from glassgrad.viz.pages.emitted import TOKENS, assets, body, document, text, variables
from glassgrad.viz.pages.lines import user_line
from glassgrad.viz.pages.live import Live, NotLive, check_size, live_of
from glassgrad.viz.pages.steps import PRODUCT_OF_TWO, TIGHT, Section, Step, Story
from glassgrad.viz.recorded.names import LOSS, PARAM
from glassgrad.viz.recorded.scene import Card, Scene
from glassgrad.viz.recorded.validation import is_function, members, named

HEIGHT = 720  # of the frame in a notebook, in pixels
LEAST = 0.75  # smallest scale of a wide drawing, which is scrolled below it
FLAT = 200  # up to so many steps, each has a button in the bar; above, each section
TALL = 14  # up to so many, sizes of gradients are listed; above, a window of them
ENTRIES = 16  # up to so many, an array is written out in the table of all values
ROLES = {PARAM: "param", "input": "input", "target": "target", LOSS: "loss", "": "act"}  # CSS classes


class Page:
    """An HTML page that shows itself in a notebook and saves itself; `html` is its text, `title` its headline."""

    def __init__(self, title: str, html: str) -> None:
        self.title, self.html = title, check_instance(html, str, "html", "the text of a page")

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the page to an .html file, whole or not at all; returns its path.

        Raises `DrawingError` for another suffix, `WriteError` for a folder that cannot be written.
        """
        path = as_path(path)
        if path.suffix.lower() not in (".html", ".htm"):
            raise DrawingError(f"a page saves as .html, not as {path.name!r}")
        write_file(path, self.html.encode())
        return path

    def _repr_html_(self) -> str:
        # In a frame, so that the page's colours and keys do not reach the notebook.
        return (
            f'<iframe srcdoc="{html.escape(self.html)}" sandbox="allow-scripts" title="{text(self.title)}"'
            f' style="width:100%;height:{HEIGHT}px;border:1px solid {style.LIGHT.hair}"></iframe>'
        )

    def __repr__(self) -> str:
        return f"<Page {self.title!r}>"


def step_through(
    y: ag.Tensor | Sequence[ag.Tensor] | Callable[[], ag.Tensor | Sequence[ag.Tensor]],
    path: str | os.PathLike[str] | None = None,
    *,
    names: Mapping[str, Any] | None = None,
    inputs: Iterable[ag.Tensor] = (),
    targets: Iterable[ag.Tensor] = (),
    gradients: Any = True,
    title: str | None = None,
    check: bool = True,
    live: bool | None = None,
    language: str | None = None,
) -> Page:
    """A page that steps through the forward and the backward pass of the graph that computed ``y``.

    One step per operation forward, one per operand backward, and one for each sum of gradients, in the order of the
    engine's backward pass. Each is explained in words and as a formula, with the numbers, the line of code that runs,
    and (``check``) the distance of its rule from a central difference at the recorded inputs.

    ``path``: where to save it, an .html file. ``names``: what to call Tensors, for instance ``locals()``. ``inputs``,
    ``targets``: leaves to be shown in that role. ``gradients``: the upstream gradient of an output that is not a
    scalar, a Tensor of its shape (a list of them for several outputs). ``title``: the headline. No ``.grad`` changes.

    ``y`` may be a function without arguments, ``lambda: loss(model(x), y)``: it is called, and each step shows the line
    of your program that called its operation. The same holds for a forward within `autograd.detect_anomaly`. Printed,
    the page is a handout with all steps or, in its mode for predictions, a worksheet with solutions.

    ``live``: whether the page computes. Each leaf of a live page can be dragged, typed into and set to 0, and every
    value, gradient, formula and verdict follows; a button takes a step of gradient descent. None makes the page live
    where the graph is small enough (one scalar output, 15 million multiply-adds, 500,000 numbers, a program of 1,000
    lines), and otherwise the page says why its numbers are as recorded. False keeps them as recorded.

    ``language``: that of the page, "en" or "zh"; None takes the language of `viz.lesson.speak`, by default English.

    Raises `DrawingError` where nothing was recorded, for a function that takes arguments, for an output that is not
    a scalar without ``gradients``, for a path with another suffix, and with ``live=True`` for a graph that can't be
    live.

    >>> w = ag.Tensor(2.0, requires_grad=True, name="w")
    >>> page = step_through((w * 3.0 - 5.0) ** 2)
    >>> page
    <Page 'L = (w·3 - 5)²'>
    """
    if gradients is False or gradients is None:
        raise DrawingError(
            "a page steps through the backward pass: gradients= must be True, or the outputs' upstream gradients"
        )
    if live not in (None, True, False):
        raise DrawingError(f"live= is True, False or None (where the graph is small enough), not {live!r}")
    if path is not None:
        path = as_path(path)
    with words.speaking(language):
        page = _page(y, names, inputs, targets, gradients, title, check, live)
    if path is not None:
        page.save(path)
    return page


def _page(
    y: Any, names: Any, inputs: Any, targets: Any, gradients: Any, title: str | None, check: bool, live: bool | None
) -> Page:
    """The page in the present language."""
    ys: Any = _called(y) if is_function(y) else y
    roles = {"inputs": members(inputs, "inputs"), "targets": members(targets, "targets")}
    scene = Scene(ys, names=named(names), gradients=gradients, **roles)
    scene.check_real("a page")
    if not scene.computed:
        raise DrawingError("no gradient flows in this graph: compute it from Tensors with requires_grad=True")
    checks = list(ag.testing.check_nodes(ys)) if check else []
    if any(found.verdict == "wrong" for found in checks):
        mark_checks(scene, checks)
    story, programs, reason = _story_of(scene, checks, live)
    if live and programs is None:
        raise DrawingError(reason)
    picture = None
    if len(scene.cards) <= style.CARDS:
        with numbers.wide() if programs is not None else nullcontext():
            picture = Drawing(scene).draw(title)
    if title is None:
        title = picture.title if picture is not None else _title(scene)
    return Page(title, _Document(scene, story, title, picture, programs, reason).html())


def _called(function: Callable[[], Any]) -> Any:
    """Run a user's function; its nodes record the lines that called their operations."""
    try:
        inspect.signature(function).bind()
    except TypeError as error:
        raise DrawingError(f"the function is called without arguments: give lambda: f(x) ({error})") from None
    with record_lines():
        return function()


def _story_of(scene: Scene, checks: Sequence[NodeCheck], live: bool | None) -> tuple[Story, Live | None, str]:
    """The steps, the programs of a live page, and the reason if there are none."""
    reason = ""
    if live is not False:
        try:
            check_size(scene)
            scene.say.origins = {}
            story = Story(scene, checks, live=True)
            return story, live_of(scene, story), ""
        except NotLive as error:
            reason = str(error)
    scene.say.origins = None
    return Story(scene, checks), None, reason


def _title(scene: Scene) -> str:
    written = scene.expression(TITLE) if len(scene.ends) == 1 else None
    many = numbers.count(len(scene.operations))
    return f"{scene.end} = {written}" if written else f"{scene.end}: {say('{n} operations', n=many)}"


class _Document:
    """Builder of one page."""

    def __init__(
        self, scene: Scene, story: Story, title: str, picture: Picture | None, live: Live | None, reason: str
    ) -> None:
        self.scene, self.story, self.title, self.live, self.reason = scene, story, title, live, reason
        self.steps = [*story.forward, *story.backward]
        self.graph, self.sheet = (None, "") if picture is None else _drawing(picture)
        if live is not None and self.graph is not None:  # its script writes them
            self.graph = re.sub(r'(?s)<g id="a_f_\w+"><title>[^<]*</title>\n(.*?)</g>\n', r"\1", self.graph)
            self.graph = re.sub(r'(<g id="a_\w+">)<title>[^<]*</title>\n', r"\1", self.graph)
        self.graph = self.graph and self.graph.replace(">\n<", "><")
        self.drawn = set(re.findall(r' id="(\w+)"', self.graph or ""))

    def html(self) -> str:
        drawn, live, cards = self.graph is not None, self.live, self.scene.cards
        wrong = sum(step.verdict is not None and step.verdict.kind == "wrong" for step in self.steps)
        data = self._data()  # first, because it collects the arrays
        kinds = {
            "drawn": drawn,
            "ladder": not drawn,
            "live": live is not None,
            "recorded": live is None and bool(self.reason),
            "still": live is None,
            "since": bool(self.scene.notice),
            "long": len(self.steps) > FLAT,
            "tall": "tall" in data,
            "tensors": not self.scene.scalar,
            "numbers": self.scene.scalar,
            "parameters": any(card.role == PARAM for card in cards),
            "several": sum(card.node is None for card in cards) > 8,
            "integers": any(card.node is None and card.value.dtype.kind != "f" for card in cards),
            "shared": any(len(card.uses) > 1 for card in cards),
            "mine": bool(self.lines),
            "doubted": wrong > 0 or any(step.doubt for step in self.steps),
            "large": any("p" in shown for shown in self.story.arrays.shown),
            "wrong": wrong > 0,
        }
        needed = [kind for kind, is_so in kinds.items() if is_so]
        fields = {
            "title": text(self.title),
            "end": text(clipped(self.scene.end)),
            "wrong": say("{n} WRONG rules" if wrong > 1 else "{n} WRONG rule", n=wrong),
            "reason": text(self.reason),
            "since": text(words.noted(self.scene.notice)),
            "graph": self.graph or self._ladder(),
            "program": say("Your program, line by line") if self.lines else say("The program, line by line"),
            "lines": self._listing() if drawn else "",
            "rows": self._table(),
        }
        main = body("page.html", fields, needed)
        names = ["common", *([] if drawn else ["ladder"]), "page", *(["numbers", "live", "explore"] if live else [])]
        script = lean.script(lean.needed(assets(*(f"{name}.js" for name in names)), needed))
        if live is not None:
            script += re.sub(r"<(?=[/!])", r"\\x3c", lean.script(live.see + live.probe))  # no text closes the element
        sheets = [f"{name}.css" for name in names if name != "explore"]
        styles = f"{variables(paint=False)}\n{lean.style(assets(*sheets))}{self.sheet}"
        title = say("Backpropagation, step by step: {title}", title=self.title)
        return document(title, main, styles, data=data, script=script)

    # ------------------------------------------------------------ data

    def _data(self) -> dict[str, Any]:
        codes: dict[tuple[str, str], int] = {}
        self.lines: dict[tuple[str, str], int] = {}
        steps = [self._step(step, codes) for step in self.steps]
        data: dict[str, Any] = {
            "steps": steps,
            "codes": [(said, words.matched(where)) for said, where in codes],
            "names": {card.key: card.name for card in self.scene.cards},
        }
        if self.graph is None:
            data["cards"] = self._cards()
        if self.graph is None or len(steps) > FLAT:
            data["sections"] = [self._section(section) for section in self.story.sections]
            data["flat"] = FLAT
            for said, step in zip(steps, self.steps, strict=True):
                said["sec"] = step.section
        if self.lines:
            data["lines"] = [(said, words.matched(where)) for said, where in self.lines]
        if self.graph is not None and self.live is None:
            sockets = [socket for card in self.scene.cards for socket in card.sockets]
            ends = {f"{s.tail.key}_{s.head.key}_{s.index}": [s.tail.key, s.head.key] for s in sockets}
            data["edges"] = {f"{letter}_{edge}": keys for edge, keys in ends.items() for letter in "fb"}
        if sum(step.complete is not None for step in self.steps) > TALL:
            data["tall"] = TALL
        data["arrays"] = self.story.arrays.shown
        if not self.scene.scalar:
            data["thumb"] = [style.THUMB_ROWS, style.THUMB_COLUMNS]
            data["head"] = [style.HEAD, style.TAIL]
            data["ramps"] = {"v": style.VALUE_RAMP, "g": style.GRAD_RAMP}
        if self.live is not None:
            for shown, source in zip(self.story.arrays.shown, self.story.arrays.sources, strict=True):
                if (at := self.live.arrays.get(id(source))) is not None:
                    shown["live"] = at
                    if not np.ndim(source):  # the page writes it
                        shown.pop("t", None)
                        shown.pop("r", None)
                elif id(source) in self.story.fixed:
                    shown["fixed"] = 1
            data["live"] = self.live.record
        return data

    def _step(self, step: Step, codes: dict[tuple[str, str], int]) -> dict[str, Any]:
        show = [cell for cell in step.show if self._has(cell)]
        said: dict[str, Any] = {
            "ph": step.phase,
            "card": step.card.key,
            "title": step.title,
            "words": step.words,
            "form": step.form,
            "line": step.line,
            "code": None if step.code is None else codes.setdefault(step.code, len(codes)),
            "eq": [part.get("s") or [part["m"], part["l"], part["k"]] for part in step.eq],
            "show": show,
            "edges": [edge for edge in step.edges if edge in self.drawn],
        }
        mine, verdict, most = user_line(step.card), step.verdict, style.NAME_LENGTH_INSIDE
        tag = clipped(step.tag if len(step.tag) <= most else step.tag.rpartition(".")[2], most)
        checks = self.live is not None and step.socket in self.live.checked  # the page checks it itself
        more = {
            "tag": tag if tag != step.card.key else None,
            "mine": None if mine is None else self.lines.setdefault(mine, len(self.lines)),
            "link": step.link,
            "terms": step.terms if step.link and step.terms != PRODUCT_OF_TWO else None,
            "entry": step.entry,
            "check": verdict and [verdict.kind, verdict.words][: 1 if checks and verdict.kind == "ok" else 2],
            "doubt": step.doubt,
        }
        said |= {name: value for name, value in more.items() if value not in (None, "", [])}
        if step.complete is not None and step.complete.gradient is not None:
            size = numbers.root_mean_square(step.complete.gradient)
            said["size"] = [step.complete.name, size if np.isfinite(size) else str(size)]
            if self.live is not None:
                said["whole"] = step.complete.key
        if self.live is not None and step.socket:
            said["socket"] = step.socket
        return said

    def _has(self, cell: str) -> bool:
        """Whether the page shows this cell: one of the drawing or, without a drawing, a value or a gradient."""
        return cell in self.drawn if self.graph is not None else cell.endswith(("_val", "_grad"))

    def _section(self, section: Section) -> dict[str, Any]:
        keys = [card.key for card in section.cards]
        first = next(i for i, step in enumerate(self.steps) if step.card.key == keys[0])
        last = section.cards[-1]
        known = next((i for i, step in enumerate(self.steps) if step.complete is last), len(self.steps))
        return {"t": section.title, "cards": keys, "first": first, "known": known}

    def _cards(self) -> dict[str, Any]:
        own: dict[Card, Card] = {}
        for card in self.scene.cards:
            for socket in card.sockets:
                if socket.tail.node is None:
                    own.setdefault(socket.tail, card)
        said = {}
        for card in self.scene.cards:
            record: dict[str, Any] = {
                "name": clipped(card.name),
                "role": ROLES.get(card.role, "act"),
                "v": self.story.arrays.add(card.value, room=TIGHT),
                "from": [s.tail.key for s in card.sockets],
                "own": list(dict.fromkeys(s.tail.key for s in card.sockets if own.get(s.tail) is card)),
            }
            if card.gradient is not None:
                record["g"] = self.story.arrays.add(card.gradient, True, TIGHT)
            if card.doubted:
                record["doubt"] = 1
            if card.node is not None:
                symbol = card.node.op.symbol
                record["badge"] = card.node.op.name.replace("_", " ") if symbol == "·" else symbol
                record["form"] = clipped(self.scene.formula(card).text, 60)
            if card.path:
                record["path"] = card.path
            said[card.key] = record
        return said

    # ------------------------------------------------------------ the page without its script

    def _ladder(self) -> str:
        boxes = []
        for i, section in enumerate(self.story.sections):
            many = len(section.cards)
            last = section.cards[-1]
            makes = "{n} operations, the last makes {name}" if many > 1 else "1 operation, makes {name}"
            made = f"{clipped(last.name)} {numbers.shape(last.shape)}"
            notes = [section.path, say(makes, n=numbers.count(many), name=made)]
            size = ""
            if last.gradient is not None:
                by = text(f"∂{clipped(self.scene.end)}/∂{clipped(last.name)}")
                size = f"<em>{say('rms {number}', number=f'{by} {numbers.rms(last.gradient)}')}</em>"
            boxes.append(
                f'<section class="sec" id="s_{i}"><button type="button" aria-expanded="false">'
                f"<b>{text(section.title)}</b><small>{text(', '.join(filter(None, notes)))}</small>{size}</button>"
                '<div class="rows" hidden></div></section>'
            )
        return f'<div class="ladder">{"".join(boxes)}</div>'

    def _listing(self) -> str:
        """The operations as lines of a program, below the user's lines that call them."""
        items = []
        for mine, run in groupby(self.story.forward, key=lambda step: user_line(step.card)):
            steps = list(run)
            if mine is not None:
                keys = " ".join(step.card.key for step in steps)
                line = f"<code>{text(clipped(mine[0], 80))}</code><small>{text(words.matched(mine[1]))}</small>"
                items.append(f'<li class="mine" data-cards="{keys}">{line}</li>')
            items += [
                f'<li data-cards="{step.card.key}"><code>{text(clipped(step.line, 60))}</code></li>' for step in steps
            ]
        return "".join(items)

    def _table(self) -> str:
        """All values and gradients, a row for each card."""

        def said(array: Any) -> str:
            return text(words.matched(numbers.full(array, ENTRIES)))

        return "".join(
            f'<tr><th scope="row">{text(card.name)}</th><td>{numbers.shape(card.shape)}</td><td>{said(card.value)}</td>'
            f"<td>{say('no grad') if card.gradient is None else said(card.gradient)}"
            f"{' ?' if card.doubted else ''}</td></tr>"
            for card in self.scene.cards
        )


def _drawing(picture: Picture) -> tuple[str | None, str]:
    """The SVG for the page, without headline and reading lines, which the page has itself, and its style sheet; None
    where no engine can draw it.
    """
    picture.graph.pop("label", None)  # headline and reading line: the page's header has them
    try:
        drawn = picture.svg()
    except RenderError:
        return None, ""
    drawn = re.sub(r' xmlns(:xlink)?="[^"]*"', "", drawn[drawn.index("<svg") :])
    colours = {getattr(style.LIGHT, name): name for name in TOKENS}
    drawn, sheet = lean.drawing(drawn, colours)
    width = re.search(r'width="([\d.]+)pt"', drawn)
    least = f"min-width:{LEAST * float(width[1]):.0f}pt" if width else ""
    return re.sub(r'<svg ([^>]*?) style="[^"]*"', rf'<svg class="picture" style="{least}" \1', drawn, count=1), sheet
