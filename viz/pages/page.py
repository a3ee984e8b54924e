"""The step-through page: one self-contained HTML file that walks through the forward and the backward pass.

Everything shown is computed here, and `page.js` reveals it step by step. Where the size allows, the page is live: it
has the graph's program in JavaScript (`viz.pages.live`), and `live.js` has every number follow what the reader changes.
Up to `style.CARDS` cards the graph is drawn as `viz.graph.picture` does; above, it is a ladder of operations, folded by
module and opened on demand.
"""

from __future__ import annotations

import html
import inspect
import json
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

import autograd as ag
from autograd.common.files import write_file
from autograd.common.validation import as_path, check_instance
from autograd.engine.anomaly import record_lines
from autograd.testing import NodeCheck
from viz.drawing import numbers, style
from viz.drawing.errors import DrawingError
from viz.drawing.render import Picture, RenderError, clipped
from viz.drawing.style import Theme
from viz.graph.check import mark_checks
from viz.graph.drawing import Drawing
from viz.pages import lean
from viz.pages.emitted import asset
from viz.pages.lines import user_line
from viz.pages.live import Live, NotLive, check_size, live_of
from viz.pages.steps import TIGHT, Section, Step, Story
from viz.recorded.names import LOSS, PARAM
from viz.recorded.scene import Card, Scene
from viz.recorded.validation import is_function, members, named

HEIGHT = 720  # of the frame in a notebook, in pixels
LEAST = 0.75  # of its size: a wider drawing is scrolled, not made smaller
FLAT = 200  # steps that have a button each in the bar; above, a section has
ENTRIES = 16  # of an array, written out in the table of all values
TITLE = 60  # characters of an expression that still makes a title

# Content policy: the browser loads no picture, font or script from elsewhere.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'"


MODES = """<div id="modes" class="modes" role="group" aria-label="What is shown here">
<button type="button" data-way="why" aria-pressed="true">Why</button>
<button type="button" data-way="nudge" aria-pressed="false">Nudge</button>
<button type="button" data-way="paths" aria-pressed="false">Paths</button>
<button type="button" data-way="predict" aria-pressed="false">Predict</button></div>
<section id="nudge" hidden></section>
<section id="paths" hidden></section>
"""

PLOTS = """<section id="slices"><h3 id="slicehead"></h3><svg id="slice" role="img"></svg></section>
<section id="ranking"><h3 id="rankhead"></h3><div id="ranks" class="ranks"></div></section>
<section id="descents"><h3 id="losshead"></h3><svg id="losses" role="img"></svg></section>
"""

KNOBS = """<section id="knobs" aria-label="What can be changed"><div id="tiles" class="tiles"></div>
<div class="acts"><button id="descend" class="go" type="button">One step of gradient descent</button>
<div><button id="run" type="button" aria-pressed="false">Run</button>
<button id="reset" type="button">Reset</button></div></div></section>"""


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
            f'<iframe srcdoc="{html.escape(self.html)}" sandbox="allow-scripts" title="{_text(self.title)}"'
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
) -> Page:
    """A page in which one steps through the forward and the backward pass of the graph that computed ``y``.

    One step per operation forward, one per operand backward, and one for each sum of gradients, in the order of the
    engine's backward pass. Each is explained in words and as a formula, with the numbers, the line of code that runs,
    and (``check``) the distance of its rule from a central difference at the recorded inputs.

    ``path``: where to save it, an .html file. ``names``: what to call Tensors, for instance ``locals()``. ``inputs``,
    ``targets``: leaves to be shown in that role. ``gradients``: the upstream gradient of an output that is no scalar,
    a Tensor of its shape (a list of them for several outputs). ``title``: the headline. No ``.grad`` changes.

    ``y`` may be a function without arguments, ``lambda: loss(model(x), y)``: it is called, and each step shows the line
    of your program that called its operation. So it is where the forward ran within `autograd.detect_anomaly`.
    Printed, the page is a handout with all steps; while it asks to predict numbers, a worksheet with solutions.

    ``live``: whether the page computes. Each leaf of a live page can be dragged, typed into and set to 0, and every
    value, gradient, formula and verdict follows; a button takes a step of gradient descent. None makes the page live
    where the graph is small enough (one scalar output, 15 million multiply-adds, 500,000 numbers, a program of 1,000
    lines), and otherwise the page says why its numbers are as recorded. False keeps them as recorded.

    Raises `DrawingError` where nothing was recorded, for a function that takes arguments, for an output that is no
    scalar without ``gradients``, for a path with another suffix, and with ``live=True`` for a graph that can't be live.

    >>> w = ag.Tensor(2.0, requires_grad=True, name="w")
    >>> page = step_through((w * 3.0 - 5.0) ** 2)
    >>> page
    <Page 'L = (w·3 - 5)²'>
    """
    if gradients is False or gradients is None:
        raise DrawingError(
            "a page steps through the backward pass: gradients= is True or the outputs' upstream gradients"
        )
    if live not in (None, True, False):
        raise DrawingError(f"live= is True, False or None (where the graph is small enough), not {live!r}")
    if path is not None:
        path = as_path(path)
    ys: Any = _called(y) if is_function(y) else y
    given = {
        "names": named(names),
        "inputs": members(inputs, "inputs"),
        "targets": members(targets, "targets"),
        "gradients": gradients,
    }
    scene = Scene(ys, **given)
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
            picture = Drawing(scene, style.LIGHT, title).picture
    if title is None:
        title = picture.title if picture is not None else _title(scene)
    page = Page(title, _Document(scene, story, title, picture, programs, reason).html())
    if path is not None:
        page.save(path)
    return page


def _called(function: Callable[[], Any]) -> Any:
    """What a function of the user's computes; its nodes know the lines that called their operations."""
    try:
        inspect.signature(function).bind()
    except TypeError as error:
        raise DrawingError(f"the function is called without arguments: give lambda: f(x) ({error})") from None
    with record_lines():
        return function()


def _story_of(scene: Scene, checks: Sequence[NodeCheck], live: bool | None) -> tuple[Story, Live | None, str]:
    """The steps, the programs of a live page, and where there are none, why."""
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
    many = numbers.counted(sum(card.node is not None for card in scene.cards), "operation")
    return f"{scene.end} = {written}" if written else f"{scene.end}: {many}"


def _text(words: object) -> str:
    """Any text as content or attribute of HTML, without characters that UTF-8 cannot encode."""
    return html.escape(str(words).encode("utf-8", "replace").decode().replace("\0", "\ufffd"))


def _json(value: Any) -> str:
    """JSON in which no text can close the surrounding script element."""
    said = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    said = said.encode("utf-8", "replace").decode()
    return re.sub("[<>&\u2028\u2029]", lambda match: f"\\u{ord(match[0]):04x}", said)


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
            self.graph = re.sub(r'(<g id="a_(?!\w+_glab")\w+"><title>)[^<]*', r"\1", self.graph)
        self.drawn = set(re.findall(r' id="(\w+)"', self.graph or ""))

    def html(self) -> str:
        drawn = self.graph is not None
        parameters = any(card.role == PARAM for card in self.scene.cards)
        stands = "" if self.scene.scalar else f"<span><em>G</em> = ∂{_text(clipped(self.scene.end))}/∂(its card)</span>"
        knob = '<span><i class="k"></i>parameter</span>' if parameters else ""
        whole = (
            '<button id="fit" type="button" aria-pressed="false">Whole graph</button>'
            if drawn
            else '<button id="fit" type="button">Fold all</button>'
        )
        zoom = (
            '<button id="out" type="button" aria-label="Smaller">-</button>'
            '<button id="in" type="button" aria-label="Larger">+</button>'
            if drawn
            else ""
        )
        overview = '<svg id="map" aria-hidden="true" hidden><rect/></svg>\n' if drawn else ""
        found = sum(step.verdict is not None and step.verdict.kind == "wrong" for step in self.steps)
        wrong = f'<button id="wrong" type="button">{found} WRONG rule{"s" * (found > 1)}</button>' if found else ""
        data = _json(self._data())  # first, because it collects the arrays
        styles, scripts = ["common.css", "page.css"], ["common.js", "page.js"]
        if not drawn:
            styles.append("ladder.css")
            scripts.insert(1, "ladder.js")
        kinds = {
            "ladder": not drawn,
            "long": len(self.steps) > FLAT,
            "tensors": not self.scene.scalar,
            "large": any("p" in shown for shown in self.story.arrays.shown),
            "wrong": bool(wrong),
        }
        program = knobs = badge = shown = plots = modes = ""
        if self.live is not None:
            styles += ["numbers.css", "live.css"]
            scripts += ["numbers.js", "live.js", "explore.js"]
            knobs, plots, modes = KNOBS, PLOTS, MODES
            badge = '<div id="badge" class="badge"></div>\n'
            shown = '<button id="all" type="button" aria-pressed="true">All</button>\n'
            program = _unclosed(lean.script(self.live.see + self.live.probe))
        elif self.reason:
            knobs = f'<p class="recorded">{_text(self.reason)}</p>'
        needed = [kind for kind, is_so in kinds.items() if is_so]
        script = lean.script(lean.needed("".join(map(asset, scripts)), needed))
        body = f"""<body>
<header><h1>{_text(self.title)}</h1>
<div class="key"><span><i></i>value forward</span><span><i class="b"></i>gradient back</span>{stands}{knob}</div>
{badge}{wrong}<button id="teach" type="button" aria-pressed="false" aria-label="Large type, one column">Aa</button>
<button id="print" type="button">Print</button>
<button id="theme" type="button">Dark</button></header>
<nav aria-label="Steps">
{shown}<button id="prev" type="button" aria-label="Previous step">&#9664;</button>
<button id="play" type="button" aria-pressed="false">Play</button>
<button id="next" type="button" aria-label="Next step">&#9654;</button>
<div class="bars"><div id="tracks" class="tracks"></div><div id="within" class="within" hidden></div></div>
</nav>
{knobs}
<main id="graph" tabindex="0" aria-label="Graph">
{self.graph if self.graph is not None else self._ladder()}
</main>
{overview}<div id="tools">
<input id="find" type="search" placeholder="Find" aria-label="Find a value by its name">
{zoom}{whole}</div>
<aside aria-label="This step">
<div id="live" class="sr" aria-live="polite"></div>
{modes}<div id="panel"></div>
{plots}{self._listing()}<h3 id="scale"></h3>
<div id="sizes" class="sizes"></div>
<details id="every"><summary>All values and gradients as a table</summary>
<div class="scrolled">{self._table()}</div></details>
<div class="keys"><kbd>&larr;</kbd> <kbd>&rarr;</kbd> step &nbsp; <kbd>space</kbd> play &nbsp; <kbd>Home</kbd> \
<kbd>End</kbd> ends &nbsp; <kbd>B</kbd> first backward step</div>
</aside>
<section id="sheet" aria-hidden="true"></section>
<script type="application/json" id="data">{data}</script>
<script>
{script}{program}</script>
</body>
</html>
"""
        sheet = lean.used(lean.style("".join(map(asset, styles))), body)
        return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<meta name="viewport" content="width=device-width,initial-scale=1">
<title>Backpropagation, step by step: {_text(self.title)}</title>
<style>
{_variables(paint=False)}
{sheet}{self.sheet}
</style>
</head>
{body}"""

    # ------------------------------------------------------------ data

    def _data(self) -> dict[str, Any]:
        codes: dict[tuple[str, str], int] = {}
        self.lines: dict[tuple[str, str], int] = {}
        steps = [self._step(step, codes) for step in self.steps]
        data: dict[str, Any] = {
            "flat": FLAT,
            "steps": steps,
            "codes": list(codes),
            "lines": list(self.lines),
            "edges": {
                f"{letter}_{s.tail.key}_{s.head.key}_{s.index}": [s.tail.key, s.head.key]
                for card in (self.scene.cards if self.graph is not None and self.live is None else ())
                for s in card.sockets
                for letter in "fb"
            },
            "sections": [self._section(section) for section in self.story.sections],
            "cards": {} if self.graph is not None else self._cards(),
            "names": {card.key: card.name for card in self.scene.cards},
        }
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
        said: dict[str, Any] = {
            "ph": step.phase,
            "card": step.card.key,
            "tag": _tag(step.tag),
            "title": step.title,
            "words": step.words,
            "form": step.form,
            "line": step.line,
            "code": None if step.code is None else codes.setdefault(step.code, len(codes)),
            "eq": step.eq,
            "show": [cell for cell in step.show if self._has(cell)],
            "edges": [edge for edge in step.edges if edge in self.drawn],
            "sec": step.section,
        }
        if (mine := user_line(step.card)) is not None:
            said["mine"] = self.lines.setdefault(mine, len(self.lines))
        if step.link:
            said |= {"link": step.link} | ({"terms": step.terms} if step.terms else {})
        if step.entry:
            said["entry"] = step.entry
        if step.verdict is not None:
            said["check"] = [step.verdict.kind, step.verdict.words]
        if step.doubt:
            said["doubt"] = step.doubt
        if step.complete is not None and step.complete.gradient is not None:
            said["size"] = [step.complete.name, _number(numbers.root_mean_square(step.complete.gradient))]
            if self.live is not None:
                said["whole"] = step.complete.key
        if self.live is not None and step.socket:
            said["socket"] = step.socket
        return said

    def _has(self, cell: str) -> bool:
        """Whether the drawing has this cell; the ladder has values and gradients only."""
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
            kind = {PARAM: "param", "input": "input", "target": "target", LOSS: "loss"}.get(card.role, "act")
            record: dict[str, Any] = {
                "name": clipped(card.name),
                "role": kind,
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

    # ------------------------------------------------------------ what is there without a script

    def _ladder(self) -> str:
        boxes = []
        for i, section in enumerate(self.story.sections):
            many = len(section.cards)
            last = section.cards[-1]
            hidden = f"{numbers.count(many)} operation{'s' if many > 1 else ''}"
            notes = [
                section.path,
                f"{hidden}, {'the last ' if many > 1 else ''}makes {clipped(last.name)} {numbers.shape(last.shape)}",
            ]
            size = ""
            if last.gradient is not None:
                by = f"∂{clipped(self.scene.end)}/∂{clipped(last.name)}"
                size = f"<em>rms {_text(by)} {numbers.rms(last.gradient)}</em>"
            boxes.append(
                f'<section class="sec" id="s_{i}"><button type="button" aria-expanded="false">'
                f"<b>{_text(section.title)}</b><small>{_text(', '.join(filter(None, notes)))}</small>{size}</button>"
                '<div class="rows" hidden></div></section>'
            )
        return f'<div class="ladder">{"".join(boxes)}</div>'

    def _listing(self) -> str:
        """The operations as lines of a program, below the lines of the user's that call them."""
        if self.graph is None:
            return ""
        items = []
        for mine, run in groupby(self.story.forward, key=lambda step: user_line(step.card)):
            steps = list(run)
            if mine is not None:
                keys = " ".join(step.card.key for step in steps)
                line = f"<code>{_text(clipped(mine[0], 80))}</code>"
                items.append(f'<li class="mine" data-cards="{keys}">{line}<small>{_text(mine[1])}</small></li>')
            items += [
                f'<li data-cards="{step.card.key}"><code>{_text(clipped(step.line, 60))}</code></li>' for step in steps
            ]
        heading = "Your program" if self.lines else "The program"
        return f'<details id="listing"><summary>{heading}, line by line</summary><ol>{"".join(items)}</ol></details>\n'

    def _table(self) -> str:
        rows = "".join(
            f'<tr><th scope="row">{_text(card.name)}</th><td>{numbers.shape(card.shape)}</td>'
            f"<td>{_text(numbers.full(card.value, ENTRIES))}</td>"
            f"<td>{_text(numbers.full(card.gradient, ENTRIES)) if card.gradient is not None else 'no grad'}"
            f"{' ?' if card.doubted else ''}</td></tr>"
            for card in self.scene.cards
        )
        heads = "".join(f'<th scope="col">{word}</th>' for word in ("tensor", "shape", "value", "gradient"))
        return f'<table class="all"><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>'


def _unclosed(script: str) -> str:
    """A script in which no text can close the element around it."""
    return re.sub(r"<(?=[/!])", r"\\x3c", script)


def _tag(name: str) -> str:
    """A name for a button: the last part of a long path."""
    return clipped(name if len(name) <= style.NAME_LENGTH_INSIDE else name.rpartition(".")[2], style.NAME_LENGTH_INSIDE)


def _number(x: float) -> float | str:
    return x if x == x and abs(x) != float("inf") else str(x)


TOKENS = [name for name in Theme.__dataclass_fields__ if name != "name"]


def _variables(paint: bool = True) -> str:
    """The colours of both themes as variables, and (``paint``) rules that recolour a finished SVG by attribute."""

    def block(theme: Theme) -> str:
        colours = "".join(f"--{name}:{getattr(theme, name)};" for name in TOKENS)
        return f"{colours}color-scheme:{theme.name}"

    light, dark = block(style.LIGHT), block(style.DARK)
    rules = "".join(
        f'.picture [{attribute}="{getattr(style.LIGHT, name)}"]{{{attribute}:var(--{name})}}'
        for name in TOKENS
        for attribute in ("fill", "stroke")
        if paint
    )
    fonts = (
        f'--sans:Helvetica,Arial,"Liberation Sans",sans-serif;--drawn:{style.FONTS};'
        '--mono:ui-monospace,Menlo,Consolas,"DejaVu Sans Mono",monospace'
    )
    return (
        f":root{{{fonts};{light}}}\n"
        f"@media screen and (prefers-color-scheme:dark){{:root:not([data-theme=light]){{{dark}}}}}\n"
        f"@media screen{{:root[data-theme=dark]{{{dark}}}}}\n{rules}"
    )


def _drawing(picture: Picture) -> tuple[str | None, str]:
    """The SVG to be put into the page, without what the page says itself, and its style sheet; None where no engine can
    draw it.
    """
    picture._graphs[0].graph_attr.pop("label", None)  # headline and reading line: the page's header has them
    try:
        drawn = picture.svg()
    except RenderError:
        return None, ""
    drawn = drawn[drawn.index("<svg") :]
    drawn, sheet = lean.drawing(drawn, {getattr(style.LIGHT, name): name for name in TOKENS})
    width = re.search(r'width="([\d.]+)pt"', drawn)
    least = f"min-width:{LEAST * float(width[1]):.0f}pt" if width else ""
    return re.sub(r'<svg ([^>]*?) style="[^"]*"', rf'<svg class="picture" style="{least}" \1', drawn, count=1), sheet
