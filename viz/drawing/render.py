"""A picture as data, printed as DOT in a theme and a language, and drawn as SVG, PNG or PDF by the first layout engine.

Names that a user gave are escaped here and nowhere else.
"""

from __future__ import annotations

import math
import os
import re
import shutil
import subprocess
import sysconfig
import warnings
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from html import escape as _escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from glassgrad.autograd.common.validation import as_path, check_instance, refused
from glassgrad.autograd.errors import AutogradError
from glassgrad.viz.drawing import labels, style, texts, words
from glassgrad.viz.drawing.files import saved
from glassgrad.viz.drawing.labels import Label, caption, cell, row, table, text
from glassgrad.viz.drawing.texts import identifier, is_wide, one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from glassgrad.autograd.testing import NodeReport
    from glassgrad.viz.drawing.style import Theme

# ---------------------------------------------------------------- printing labels


@lru_cache(maxsize=4096, typed=True)  # colours and other attributes repeat
def escape(text: object) -> str:
    r"""Any text as the content or an attribute of an HTML-like label.

    Graphviz reads backslash escapes even there (`\N` is the node's name), and XML has no control characters.

    >>> escape('a<b & "c" \\N')
    'a&lt;b &amp; &quot;c&quot; \\\\N'
    """
    return _escape(one_line(text).replace("\\", "\\\\"))


def plain(words: object) -> str:
    r"""Any text as an attribute without markup, such as a tooltip. Graphviz passes entities through unchanged.

    >>> plain("a & b")
    'a &amp; b'
    """
    return _escape(one_line(words)).replace("\\", "&#92;" * 4)  # Graphviz unescapes a tooltip twice


@dataclass(frozen=True)
class _Printer:
    """Labels as Graphviz's HTML, in a theme and in the present language, in which ``names`` stay as they are."""

    theme: Theme
    names: Collection[str]
    ink: Theme  # on the ground of the table around

    def label(self, parts: Label) -> str:
        return "".join(map(self._part, parts))

    def _part(self, part: Any) -> str:
        if isinstance(part, labels.Text):
            return self._text(part)
        if isinstance(part, labels.Cell):
            return f"<TD{self._attributes(part.attributes)}>{self.label(part.content)}</TD>"
        if isinstance(part, labels.Table):
            ground = part.attributes.get("bgcolor")
            inside = self if ground is None else replace(self, ink=self.theme.on(ground))
            rows = ("<HR/>" if cells is None else f"<TR>{inside.label(cells)}</TR>" for cells in part.rows)
            return f"<TABLE{self._attributes(part.attributes)}>{''.join(rows)}</TABLE>"
        return f'<BR ALIGN="{part.side}"/>' if isinstance(part, labels.Break) else escape(words.told(part, self.names))

    def _text(self, part: labels.Text) -> str:
        said = words.told(part.words, self.names)
        # Blanks make up for the width of full-width characters, which the wheel underestimates.
        inner = (escape(said) or " ") + " " * math.ceil(0.6 * sum(map(is_wide, said)))
        for tag, is_set in (("B", part.bold), ("I", part.italic)):
            inner = f"<{tag}>{inner}</{tag}>" if is_set else inner
        inner = f"<S>{inner}</S>" if part.struck else inner
        return f'<FONT COLOR="{self.ink.colour(part.colour)}" POINT-SIZE="{part.size}">{inner}</FONT>'

    def _attributes(self, values: dict[str, Any]) -> str:
        given = {k: self._shown(k, v, self.theme if k == "bgcolor" else self.ink) for k, v in _known(values)}
        return "".join(f' {name.upper()}="{escape(value)}"' for name, value in given.items())

    def plain(self, values: dict[str, Any]) -> dict[str, str]:
        """Attributes of DOT: `cls` is the class, tooltips are in the present language, None is left out."""
        given = {"class" if k == "cls" else k: self._shown(k, v, self.theme) for k, v in _known(values)}
        return {k: plain(v) if k.endswith("tooltip") else v for k, v in given.items()}

    def _shown(self, name: str, value: Any, theme: Theme) -> str:
        if isinstance(value, tuple):
            return f"<{self.label(value)}>"
        if name == "title" or name.endswith("tooltip"):
            return words.matched(value, self.names)
        if name.endswith("color"):
            return theme.colour(value)
        if isinstance(value, bool):
            return str(value).lower()
        return f"{value:g}" if isinstance(value, float) else str(value)


def _known(values: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    return ((name, value) for name, value in values.items() if value is not None)


# ---------------------------------------------------------------- engines


class RenderError(AutogradError, RuntimeError):
    """The layout engine failed, or no engine writes the file's format."""


class EngineWarning(UserWarning):
    """No layout engine for the wanted format: the DOT source was written instead."""


TIME_LIMIT = 120
"""Seconds that a layout may take."""


@dataclass(frozen=True)
class Engine:
    """A `dot` that can be run: its path and where it came from ("setting", "system" or "wheel")."""

    path: str
    origin: str

    def run(self, source: str, form: str, layout: str = "dot", *flags: str) -> bytes:
        """Lay out and draw. Raises `RenderError` with the engine's own words."""
        command = [self.path, f"-K{layout}", f"-T{form}", *flags]
        try:
            done = subprocess.run(command, input=source.encode(), capture_output=True, check=False, timeout=TIME_LIMIT)
        except subprocess.TimeoutExpired:
            raise RenderError(
                f"the layout engine {self.path} took longer than {TIME_LIMIT} s: draw fewer operations, for example "
                "with viz.draw_modules or depth=1."
            ) from None
        except OSError as error:
            reason = error.strerror or error
            raise RenderError(f"the layout engine {self.path} could not be started: {reason}") from error
        if done.returncode or not done.stdout:
            lines = done.stderr.decode(errors="replace").splitlines()
            # Above the last lines, the wheel warns about σ and ∂.
            said = "; ".join(lines[-3:]) or f"exit status {done.returncode}"
            raise RenderError(f"the layout engine {self.path} could not draw the picture as {form}: {said}")
        return done.stdout


@lru_cache(maxsize=8)
def _laid_out(engine: Engine, source: str, form: str, layout: str, *flags: str) -> bytes:
    """What the engine makes of a source, kept: a picture is measured, shown and saved by one run."""
    return engine.run(source, form, layout, *flags)


_setting: list[str] = []

HOW_TO_GET_AN_ENGINE = (
    "install one with `pip install graphviz-pure` (no system package needed) or as the package `graphviz` of your "
    "system, or name one with `viz.use_engine(path)`"
)


def use_engine(path: str | os.PathLike[str] | None) -> None:
    """Draw with this `dot` executable (a path, or a name on PATH) from now on; None searches for one again.

    Raises `FileNotFoundError` when there is no such program.
    """
    if path is not None and not isinstance(path, str | os.PathLike):
        raise refused(path, "path", "the name of a program that draws, or None")
    if path is not None and shutil.which(path) is None:
        raise FileNotFoundError(f"there is no program {os.fspath(path)!r} to draw with")
    _setting[:] = [] if path is None else [os.fspath(path)]


def engines() -> list[Engine]:
    """The layout engines of this machine, best first; an explicit setting is the only one.

    The wheel comes before a `dot` of the system, so that a picture is the same on every machine: Debian's and Ubuntu's
    Graphviz 2.42 leaves out the ids of cells, which pages need to highlight them, and draws pictures wider.
    """
    if _setting:
        return [Engine(shutil.which(_setting[0]) or _setting[0], "setting")]
    found = (_wheel(), "wheel"), (shutil.which("dot"), "system")
    return [Engine(path, origin) for path, origin in found if path]


def _wheel() -> str | None:
    """The path of graphviz-pure's program, even if the environment's folder of scripts is not on PATH."""
    schemes = sysconfig.get_default_scheme(), sysconfig.get_preferred_scheme("user")
    folders = (sysconfig.get_path("scripts", scheme) for scheme in schemes)
    return next(filter(None, (shutil.which("graphviz-pure", path=folder) for folder in (*folders, None))), None)


# ---------------------------------------------------------------- the picture

FORMATS = (".svg", ".png", ".pdf", ".gv", ".dot")


@dataclass(slots=True)
class Node:
    """A box: its name, its label, and its attributes in DOT."""

    name: str
    label: Label
    attributes: dict[str, Any]


@dataclass(slots=True)
class Edge:
    """A line from one box, or port of a box, to another."""

    tail: str
    head: str
    label: Label
    attributes: dict[str, Any]


@dataclass(slots=True)
class Cluster:
    """A box around others."""

    name: str
    attributes: dict[str, Any]
    items: list[Any]


LOOKS: dict[str, dict[str, Any]] = {  # of edges, by their class; a gradient's arrow points up
    "bwd": {"style": "dashed", "color": "grad", "dir": "back", "arrowtail": "vee"},
    "link": {"style": "dotted", "color": "muted", "arrowhead": "none", "penwidth": style.KEPT_WIDTH},
}


class Picture:
    """A drawing as data, that is printed as DOT, shows itself in a notebook and saves itself.

    `name` is the graph's, `title` its headline, `reading` the lines below it that explain the marks: each line is a
    list of labels. `notice`: sentences below those, of what differs from the recorded graph. `layout` is the
    program ("dot", "neato") and `flags` are for its command line (`-n2` for computed positions). `alt` says in words
    what the picture shows; by default the words of its boxes. `names` are the user's and are not translated. `report`:
    the results of a gradient check.

    >>> p = Picture("g", title="two cards")
    >>> p.node("a", text("a", 11, "ink"))
    >>> p.node("b", text("b", 11, "ink"))
    >>> p.edge("a", "b", id="f_a_b")
    >>> "a -> b" in p.source
    True
    """

    report: NodeReport | None = None

    def __init__(
        self,
        name: str = "picture",
        *,
        title: str = "",
        reading: Sequence[Sequence[Label]] = (),
        layout: str = "dot",
        flags: Sequence[str] = (),
        alt: str = "",
        names: Collection[str] = (),
        notice: Sequence[str] = (),
        **graph: Any,
    ) -> None:
        for key, given in (("name", name), ("title", title), ("alt", alt)):
            check_instance(given, str, key, "a text")
        self.name, self.names, self.language = identifier(name), frozenset(names), words.language()
        self.title = words.matched(title, self.names)
        self._alt, self._notice = words.matched(alt, self.names), words.noted(notice)
        self.theme = style.LIGHT
        self.layout = layout
        self.flags = tuple(flags)
        self.items: list[Any] = []
        self._open = [self.items]
        self.graph: dict[str, Any] = {"rankdir": "TB", "fontname": style.FONT, "bgcolor": "paper"}
        self.graph |= {"nodesep": style.NODESEP, "ranksep": style.RANKSEP, "pad": style.PAD}
        if title or reading or notice:
            marks = "▲ ", *["    "] * len(notice)
            lines: list[Sequence[Label]] = [[text(self.title, style.TITLE, "ink", bold=True)]] if title else []
            lines += [*reading, *([caption(mark + said, "warn")] for mark, said in zip(marks, notice, strict=False))]
            room = style.WIDTH - 2 * 72 * graph.get("pad", style.PAD)
            rows = [row(cell(*part, align="LEFT")) for line in lines for part in self._broken(line, room)]
            self.graph |= {"label": table(*rows, cellpadding=2), "labelloc": "t", "labeljust": "l"}
        self.graph |= graph

    def themed(self, theme: str | Theme) -> Self:
        """The same picture in the colours of this theme. Raises `DrawingError` for an unknown one."""
        self.theme = style.theme_named(theme)
        return self

    # ------------------------------------------------------------ writing

    def _broken(self, parts: Sequence[Label], room: float) -> list[list[Label]]:
        """A line of the heading, its parts apart, in lines that are each at most so many points wide."""
        lines: list[list[Label]] = []
        wide = math.inf
        for part in parts:
            gap, said = "    ", "".join(x.words for x in part if isinstance(x, labels.Text))
            size = getattr(part[0], "size", style.CAPTION) * (1.1 if getattr(part[0], "bold", False) else 1)
            wide += texts.text_width(gap + said, size)
            if wide > room:
                pieces = texts.wrapped(words.matched(said, self.names), size, room) if len(part) == 1 else [said]
                lines += [[(replace(part[0], words=piece),)] for piece in pieces] if len(pieces) > 1 else [[part]]
                wide = texts.text_width(gap + pieces[-1], size)
            else:
                lines[-1] += [caption(gap), part]
        return lines

    def node(self, name: str, label: str | Label, **attributes: Any) -> None:
        """A node; `cls` is its class, the id is `n_NAME` unless given."""
        self._open[-1].append(
            Node(name, (label,) if isinstance(label, str) else label, {"id": f"n_{name}", **attributes})
        )

    def edge(self, tail: str, head: str, *, label: Label | None = None, **attributes: Any) -> None:
        """An edge; the ends are `node`, `node:port` or `node:port:compass`, `cls` is its class, which has a look."""
        look = LOOKS.get(attributes.get("cls", ""), {})
        self._open[-1].append(Edge(tail, head, label or (), look | attributes))

    @contextmanager
    def cluster(self, name: str, label: str | Label, **attributes: Any) -> Iterator[None]:
        """A context in which nodes are drawn inside a box. The name must be unique; the id is `c_NAME` unless given."""
        values = {"label": label, "id": f"c_{name}", "cls": "module", "labeljust": "l", "margin": 6}
        values |= {"style": "rounded", "color": "hair", "bgcolor": "panel"}
        inner = Cluster(name, values | attributes, [])
        self._open[-1].append(inner)
        self._open.append(inner.items)
        yield
        self._open.pop()

    def same_rank(self, names: Iterable[str]) -> None:
        """Put these nodes on one rank, in this order unless edges require another."""
        self._open[-1].append(list(names))

    # ------------------------------------------------------------ reading

    @property
    def source(self) -> str:
        """The DOT source."""
        import graphviz

        printer = _Printer(self.theme, self.names, self.theme)
        nodes = {"shape": "plain", "fontname": style.FONT, "fontsize": style.VALUE, "fontcolor": "ink"}
        edges = {"fontname": style.FONT, "fontsize": style.GRAD_LABEL, "arrowsize": style.ARROW}
        edges |= {"color": "fwd", "penwidth": style.EDGE_WIDTH}
        looks = {"graph_attr": self.graph, "node_attr": nodes, "edge_attr": edges}
        with words.speaking(self.language):
            graph = graphviz.Digraph(self.name, **{part: printer.plain(look) for part, look in looks.items()})
            _write(self.items, graph, printer)
        return texts.UNPRINTABLE.sub("\ufffd", graph.source)

    @property
    def alt(self) -> str:
        """The picture in words: what was given, or else its title and the words of its boxes; and its notice."""
        with words.speaking(self.language):
            boxes = (" ".join(words.told(part.words, self.names) for part in box) for box in _texts(self.items))
            told = (" ".join(box.split()) for box in boxes)
            return words.joined(self._alt or words.say("; ").join(filter(None, (self.title, *told))), self._notice)

    def size(self) -> tuple[int, int]:
        """The width and the height in points as it is laid out; 0 where there is no engine."""
        try:
            found = re.search(rb'<svg width="(\d+)pt" height="(\d+)pt"', self._draw("svg"))
        except RenderError:
            return 0, 0
        return (int(found[1]), int(found[2])) if found else (0, 0)

    def svg(self) -> str:
        """The picture as SVG, with a title, a description and full-precision tooltips. Raises `RenderError`."""
        return _described(self._draw("svg").decode(), self.title or "graph", self.alt)

    def png(self) -> bytes:
        """The picture as PNG. Raises `RenderError`.

        The font of graphviz-pure lacks Chinese letters: boxes stand for them, with an `EngineWarning`.
        """
        return self._draw("png", f"-Gdpi={style.DPI}")

    def _draw(self, form: str, *flags: str) -> bytes:
        engine = next((engine for engine in engines() if form != "pdf" or engine.origin != "wheel"), None)
        if engine is None:
            if engines():
                raise _NoEngine("a PDF needs the package `graphviz` of your system, SVG and PNG do without")
            raise _NoEngine(f"no layout engine was found: {HOW_TO_GET_AN_ENGINE}")
        source = self.source
        lacking = "".join(dict.fromkeys(filter(is_wide, source))) if form == "png" else ""
        if lacking and engine.origin == "wheel":
            warnings.warn(
                f"boxes stand for {lacking[:12]} in this PNG: the font of the wheel graphviz-pure lacks them. Save as"
                ' .svg, or draw with the `dot` of your system, viz.use_engine("dot").',
                EngineWarning,
                stacklevel=3,
            )
        return _laid_out(engine, source, form, self.layout, *self.flags, *flags)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the picture; the suffix (.svg, .png, .pdf, or .gv and .dot for the source) says how. Returns the path.

        Where no engine writes that format, the DOT source goes to a .gv of the same name, with an `EngineWarning` that
        says how to get one. A file is written whole or not at all.

        Raises `DrawingError` for another suffix, `RenderError` when the engine fails, `WriteError` for a folder that
        cannot be written.
        """
        made: list[Callable[[], str | bytes]] = [self.svg, self.png, lambda: self._draw("pdf")]
        writings = dict(zip(FORMATS, [*made, lambda: self.source, lambda: self.source], strict=True))
        try:
            return saved("a picture", path, writings)
        except _NoEngine as error:
            source = saved("a picture", as_path(path).with_suffix(".gv"), writings)
            warnings.warn(f"{error}. The source of the picture is in {source}", EngineWarning, stacklevel=2)
            return source

    def _repr_svg_(self) -> str | None:
        return self._repr_mimebundle_().get("image/svg+xml")

    def _repr_html_(self) -> str | None:
        # Within the page of a notebook, where its tooltips show; an image has none.
        svg = self._repr_svg_()
        return svg and svg[svg.index("<svg") :]

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        try:
            return {"image/svg+xml": self.svg(), "text/plain": repr(self)}
        except _NoEngine as error:
            return {"text/plain": f"{self!r}: not drawn, {error}"}

    def __repr__(self) -> str:
        return f"<Picture {self.title!r}>" if self.title else "<Picture>"


class _NoEngine(RenderError):
    pass


def _write(items: Iterable[Any], graph: Any, printer: _Printer) -> None:
    """Write boxes and edges into a `graphviz.Digraph`."""
    import graphviz
    from graphviz.quoting import quote

    for item in items:
        if isinstance(item, Node):
            graph.node(item.name, f"<{printer.label(item.label)}>", **printer.plain(item.attributes))
        elif isinstance(item, Edge):
            label = f"<{printer.label(item.label)}>" if item.label else None
            graph.edge(item.tail, item.head, label, **printer.plain(item.attributes))
        elif isinstance(item, list):  # boxes side by side
            graph.body.append("\t{rank=same; " + "; ".join(map(quote, item)) + "}\n")
        else:
            inner = graphviz.Digraph(f"cluster_{item.name}")
            inner.attr(**printer.plain(item.attributes))
            _write(item.items, inner, printer)
            graph.subgraph(inner)


def _texts(items: Iterable[Any]) -> Iterator[list[labels.Text]]:
    """The texts of each box and each card."""
    for item in items:
        if isinstance(item, Node | Cluster):
            yield [*labels.texts_of(item.label if isinstance(item, Node) else item.attributes["label"])]
        yield from _texts(getattr(item, "items", ()))


_TOOLTIP = re.compile(r'<a xlink:title="([^"]*)">')  # the only use of <a> here: nothing links anywhere


def _described(svg: str, title: str, alt: str) -> str:
    """The SVG with its title and words, and with tooltips that every browser shows."""
    svg = _TOOLTIP.sub(r"<title>\1</title>", svg).replace("</a>\n", "")
    svg = re.sub(r' font-family="[^"]*"', "", svg)
    words = f"<title>{_escape(one_line(title))}</title>\n<desc>{_escape(one_line(alt))}</desc>\n"
    # the graph's own <title> is its DOT name, which would pop up over the whole picture
    svg = re.sub(r'(<g id="graph0"[^>]*>\n)<title>[^<]*</title>\n', r"\1", svg, count=1)
    # keep the picture within the page's width; a screen reader reads the label, and on request the description
    look = f"max-width:100%;height:auto;font-family:{style.FONTS}"
    fits = f' role="img" aria-label="{_escape(one_line(title))}" style="{look}"'
    fonts = f"<style>{style.NARROWED}</style>\n"
    return re.sub(r"(<svg[^>]*)>\n", lambda m: f"{m[1]}{fits}>\n{words}{fonts}", svg, count=1)
