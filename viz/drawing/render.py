"""DOT source in, SVG, PNG or PDF out: the picture, the parts of its labels, and the chain of layout engines.

Labels are HTML-like tables. Names that a user gave are escaped here and nowhere else: the helpers below escape their
text and attributes, so their results can be nested as they are.
"""

from __future__ import annotations

import math
import os
import re
import shutil
import subprocess
import unicodedata
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from html import escape as _escape
from html import unescape
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glassgrad.autograd.common.files import write_file
from glassgrad.autograd.common.validation import as_path, check_instance, refused
from glassgrad.autograd.errors import AutogradError
from glassgrad.viz.drawing import style, words
from glassgrad.viz.drawing.errors import DrawingError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from glassgrad.viz.drawing.style import Theme

# ---------------------------------------------------------------- the parts of a label

UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")


def escape(text: object) -> str:
    r"""Any text as the content or an attribute of an HTML-like label.

    Graphviz reads backslash escapes even there (`\N` is the node's name), and XML has no control characters.

    >>> escape('a<b & "c" \\N')
    'a&lt;b &amp; &quot;c&quot; \\\\N'
    """
    return _escaped(str(text))


@lru_cache(maxsize=4096)  # colours and other attributes repeat
def _escaped(words: str) -> str:
    return _escape(one_line(words).replace("\\", "\\\\"))


def plain(words: object) -> str:
    r"""Any text as an attribute without markup, such as a tooltip. Graphviz passes entities through unchanged.

    >>> plain("a & b")
    'a &amp; b'
    """
    return _escape(one_line(words)).replace("\\", "&#92;" * 4)  # Graphviz unescapes a tooltip twice


def one_line(words: object) -> str:
    """The text on one line, without characters that XML does not allow."""
    said = str(words)
    return said if said.isprintable() else " ".join(UNPRINTABLE.sub("\ufffd", said).replace("\t", " ").splitlines())


def identifier(name: str) -> str:
    """A name as an id: ASCII letters, digits and `_` only, no digit first. Different names may give the same id.

    >>> identifier("layers.0.weight"), identifier("3 σ")
    ('layers_0_weight', '_3__')
    """
    return re.sub("^(?=[0-9]|$)|[^A-Za-z0-9_]", "_", name)


def clipped(name: str, length: int = style.NAME_LENGTH) -> str:
    """A long name shortened in the middle; the full name belongs in the tooltip.

    >>> clipped("a" * 50, 9)
    'aaa...aaa'
    """
    if len(name) <= length:
        return name
    keep = length - 3
    return name[: keep - keep // 2] + "..." + name[len(name) - keep // 2 :]


_NARROW = dict.fromkeys(" .,:;|!'ijlI-()[]/ft", 0.3) | dict.fromkeys("mwMW%@", 0.9)


def text_width(content: str, size: int) -> float:
    """The approximate width of a text in points; exact for digits (556/1000 of the size in Helvetica).

    >>> round(text_width("1234", 10), 2)
    22.24
    """
    return size * sum(1.0 if _is_wide(c) else _NARROW.get(c, 0.556) for c in content)


def _is_wide(character: str) -> bool:
    return unicodedata.east_asian_width(character) in "WF"


def _attributes(values: dict[str, Any]) -> str:
    written = ((k.upper(), str(v).upper() if isinstance(v, bool) else v) for k, v in values.items() if v is not None)
    return "".join(f' {k}="{escape(f"{v:g}" if isinstance(v, float) else v)}"' for k, v in written)


def text(content: object, size: int, colour: str, *, bold: bool = False, italic: bool = False) -> str:
    """Text in one size and colour; sizes are whole points. Empty text, which Graphviz refuses, becomes a blank."""
    inner = escape(content) or " "
    inner += _room(str(content))
    if bold:
        inner = f"<B>{inner}</B>"
    if italic:
        inner = f"<I>{inner}</I>"
    return f'<FONT COLOR="{colour}" POINT-SIZE="{size}">{inner}</FONT>'


def _room(content: str) -> str:
    """Blanks that make up for the width of full-width characters, which the wheel underestimates."""
    return " " * math.ceil(0.6 * sum(map(_is_wide, content)))


def cell(*content: str, **attributes: Any) -> str:
    """A table cell; attributes in lower case (`port=`, `id=`, `title=`, `align=`, ...), None leaves one out.

    An `id` reaches the SVG (as `a_ID`) only together with a `title`.

    >>> cell("x", port="f0", colspan=2)
    '<TD PORT="f0" COLSPAN="2">x</TD>'
    """
    return f"<TD{_attributes(attributes)}>{''.join(content)}</TD>"


def row(*cells: str) -> str:
    """A table row of cells that `cell` made."""
    return f"<TR>{''.join(cells)}</TR>"


def table(*rows: str, **attributes: Any) -> str:
    """A table of rows that `row` made, without borders or spacing by default.

    >>> table(row(cell("x")), cellpadding=3)
    '<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="0" CELLPADDING="3"><TR><TD>x</TD></TR></TABLE>'
    """
    values = {"border": 0, "cellborder": 0, "cellspacing": 0, "cellpadding": 0, **attributes}
    return f"<TABLE{_attributes(values)}>{''.join(rows)}</TABLE>"


FRAMES = {  # of cards: the width and the colour of the border, and the ground
    "data": (style.BORDER, "data", "data_bg"),
    "parameter": (style.PARAMETER_BORDER, "knob", "knob_bg"),
    "operation": (style.BORDER, "fwd", "fwd_bg"),
    "loss": (style.BORDER, "loss_bg", "loss_bg"),
    "update": (style.BORDER, "knob", "paper"),
    "derivative": (style.DERIVATIVE_BORDER, "grad", "grad_bg"),
    "failed": (style.BORDER, "bad", "bad_bg"),
}


def frame(theme: Theme, kind: str, **more: Any) -> dict[str, Any]:
    """The attributes of a `table` that is a card of this kind."""
    border, colour, ground = FRAMES[kind]
    return {"border": border, "color": getattr(theme, colour), "bgcolor": getattr(theme, ground), **more}


# ---------------------------------------------------------------- engines


class RenderError(AutogradError, RuntimeError):
    """The layout engine failed, or no engine writes the file's format."""


class EngineWarning(UserWarning):
    """No layout engine for the wanted format: the DOT source was written instead."""


_NOISE = "no value for width of non-ASCII character"  # the wheel warns about σ and ∂, but draws them well


TIME_LIMIT = 120
"""Seconds that a layout may take."""


@dataclass(frozen=True)
class Engine:
    """A `dot` that can be run: its path and where it came from ("setting", "system" or "wheel")."""

    path: str
    origin: str

    def formats(self) -> frozenset[str]:
        """The formats offered here that this engine writes."""
        return frozenset({"svg", "png"} if self.origin == "wheel" else {"svg", "png", "pdf"})

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
            said = "; ".join([x for x in lines if _NOISE not in x][:3]) or f"exit status {done.returncode}"
            raise RenderError(f"the layout engine {self.path} could not draw the picture as {form}: {said}")
        return done.stdout


_setting: list[str] = []

HOW_TO_GET_AN_ENGINE = (
    "install one with `pip install graphviz-pure` (no system package needed) or as the package `graphviz` of your "
    "system, or name one with `viz.use_engine(path)` or the environment variable GLASSGRAD_DOT"
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
    setting = _setting[0] if _setting else os.environ.get("GLASSGRAD_DOT")
    if setting:
        return [Engine(shutil.which(setting) or setting, "setting")]
    found = (_wheel(), "wheel"), (shutil.which("dot"), "system")
    return [Engine(path, origin) for path, origin in found if path]


def _wheel() -> str | None:
    """The path of graphviz-pure's program, even if the environment's folder of scripts is not on PATH."""
    try:
        distribution = metadata.distribution("graphviz-pure")
    except metadata.PackageNotFoundError:
        return shutil.which("graphviz-pure")
    for file in distribution.files or ():
        if file.stem == "graphviz-pure" and file.suffix in ("", ".exe"):
            path = Path(str(distribution.locate_file(file))).resolve()
            if path.is_file() and os.access(path, os.X_OK):
                return str(path)
    return shutil.which("graphviz-pure")


# ---------------------------------------------------------------- the picture

FORMATS = (".svg", ".png", ".pdf", ".gv", ".dot")


class Picture:
    """A drawing in DOT that shows itself in a notebook and saves itself.

    `name` is the graph's, `title` its headline, `reading` the lines below it that explain the marks: each line is a
    list of `text` parts. `notice`: sentences below those, of what differs from the recorded graph. `layout` is the
    program ("dot", "neato") and `flags` are for its command line (`-n2` for computed positions). `alt` says in words
    what the picture shows. `names` are the user's and are not translated.

    >>> p = Picture("g", title="two cards")
    >>> p.node("a", text("a", 11, style.LIGHT.ink))
    >>> p.node("b", text("b", 11, style.LIGHT.ink))
    >>> p.edge("a", "b", id="f_a_b")
    >>> "a -> b" in p.source
    True
    """

    def __init__(
        self,
        name: str = "picture",
        *,
        title: str = "",
        reading: Sequence[Sequence[str]] = (),
        theme: str | Theme = "light",
        layout: str = "dot",
        flags: Sequence[str] = (),
        alt: str = "",
        names: Collection[str] = (),
        notice: Sequence[str] = (),
        **graph: Any,
    ) -> None:
        import graphviz

        check_instance(name, str, "name", "a word that becomes the picture's id")
        self.names = frozenset(names)
        self.title = words.matched(title, self.names)
        self.alt = words.joined(words.matched(alt or title, self.names), words.noted(notice))
        self.theme = style.theme_named(theme)
        self.layout = layout
        self.flags = tuple(flags)
        colours = self.theme
        attributes: dict[str, Any] = {"rankdir": "TB", "fontname": style.FONT, "bgcolor": colours.paper}
        attributes |= {"nodesep": style.NODESEP, "ranksep": style.RANKSEP, "pad": style.PAD}
        if title or reading or notice:
            lines = [[text(title, style.TITLE, colours.ink, bold=True)]] if title else []
            lines += [list(line) for line in reading]
            marks = "▲ ", *["    "] * len(notice)
            lines += [
                [text(mark + said, style.CAPTION, colours.warn)] for mark, said in zip(marks, notice, strict=False)
            ]
            rows = [row(cell(*line, align="LEFT")) for line in lines]
            attributes |= {"label": self._label(table(*rows, cellpadding=2)), "labelloc": "t", "labeljust": "l"}
        nodes = {"shape": "plain", "fontname": style.FONT, "fontsize": style.VALUE, "fontcolor": colours.ink}
        edges = {"fontname": style.FONT, "fontsize": style.GRAD_LABEL, "arrowsize": style.ARROW}
        edges |= {"color": colours.fwd, "penwidth": style.EDGE_WIDTH}
        drawn = {"graph_attr": attributes | graph, "node_attr": nodes, "edge_attr": edges}
        self._graphs = [graphviz.Digraph(identifier(name), **{part: _plain(look) for part, look in drawn.items()})]

    # ------------------------------------------------------------ writing

    def node(self, name: str, label: str, **attributes: Any) -> None:
        """A node with an HTML-like label; `cls` is its class, the id is `n_NAME` unless given."""
        self._graphs[-1].node(name, self._label(label), **self._told({"id": f"n_{name}", **attributes}))

    def edge(self, tail: str, head: str, *, label: str | None = None, **attributes: Any) -> None:
        """An edge; the ends are `node`, `node:port` or `node:port:compass`, `label` is HTML-like, `cls` its class."""
        self._graphs[-1].edge(tail, head, self._label(label) if label else None, **self._told(attributes))

    @contextmanager
    def cluster(self, name: str, label: str, **attributes: Any) -> Iterator[None]:
        """A context in which nodes are drawn inside a box. The name must be unique; the id is `c_NAME` unless given."""
        import graphviz

        inner = graphviz.Digraph(f"cluster_{name}")
        values = {"id": f"c_{name}", "cls": "module", "labeljust": "l", "margin": 9}
        values |= {"style": "rounded", "color": self.theme.hair, "bgcolor": self.theme.panel}
        inner.attr(label=self._label(label), **self._told(values | attributes))
        self._graphs.append(inner)
        try:
            yield
        finally:
            self._graphs.pop()
            self._graphs[-1].subgraph(inner)

    def same_rank(self, names: Iterable[str]) -> None:
        """Put these nodes on one rank, in this order unless edges require another."""
        from graphviz.quoting import quote

        self._graphs[-1].body.append("\t{rank=same; " + "; ".join(map(quote, names)) + "}\n")

    def _label(self, label: str) -> str:
        """A label in the present language."""
        return f"<{words.markup(label, self.names, _room)}>"

    def _told(self, attributes: dict[str, Any]) -> dict[str, str]:
        """Attributes as strings, tooltips in the present language."""
        made = _plain(attributes)
        for name, tip in made.items():
            if name.endswith("tooltip") and (told := words.matched(unescape(tip), self.names)) != unescape(tip):
                made[name] = _escape(told)
        return made

    # ------------------------------------------------------------ reading

    @property
    def source(self) -> str:
        """The DOT source."""
        return UNPRINTABLE.sub("\ufffd", self._graphs[0].source)

    def svg(self) -> str:
        """The picture as SVG, with a title, a description and full-precision tooltips. Raises `RenderError`."""
        return _described(self._draw("svg").decode(), self.title or "graph", self.alt)

    def png(self) -> bytes:
        """The picture as PNG. Raises `RenderError`.

        The font of graphviz-pure lacks Chinese letters, among others. Then a system `dot` draws the picture; without
        one, these letters become boxes, with an `EngineWarning`.
        """
        return self._draw("png", f"-Gdpi={style.DPI}")

    def _draw(self, form: str, *flags: str) -> bytes:
        tried = [engine for engine in engines() if form in engine.formats()]
        lacking = "".join(dict.fromkeys(filter(_is_lacking, self.source))) if form == "png" else ""
        if lacking:
            tried.sort(key=lambda engine: engine.origin == "wheel")
            if tried and tried[0].origin == "wheel":
                warnings.warn(
                    f"boxes stand for {lacking[:12]} in this PNG: the font of the wheel graphviz-pure lacks them. Save "
                    "as .svg, or install the package `graphviz` of your system.",
                    EngineWarning,
                    stacklevel=3,
                )
        for engine in tried:
            try:
                return engine.run(self.source, form, self.layout, *self.flags, *flags)
            except RenderError:
                if engine is tried[-1]:
                    raise
        if form == "pdf" and engines():
            return self._pdf()
        raise _NoEngine(f"no layout engine was found: {HOW_TO_GET_AN_ENGINE}")

    def _pdf(self) -> bytes:
        """The PDF where no engine writes one: matplotlib draws the SVG again."""
        from glassgrad.viz.drawing.pdf import pdf_of

        try:
            return pdf_of(self.svg())
        except ModuleNotFoundError:
            raise _NoEngine(
                'a PDF needs matplotlib (pip install "glassgrad[plots]") or a Graphviz installed on the system (its '
                "package is called `graphviz`); SVG and PNG do without"
            ) from None

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the picture; the suffix (.svg, .png, .pdf, or .gv and .dot for the source) says how. Returns the path.

        Where no engine writes that format, the DOT source goes to a .gv of the same name, with an `EngineWarning` that
        says how to get one. A file is written whole or not at all.

        Raises `DrawingError` for another suffix, `RenderError` when the engine fails, `WriteError` for a folder that
        cannot be written.
        """
        path = as_path(path)
        suffix = path.suffix.lower()
        if suffix not in FORMATS:
            raise DrawingError(f"a picture saves as {', '.join(FORMATS)}, not as {path.name!r}")
        try:
            if suffix == ".svg":
                content = self.svg().encode()
            elif suffix in (".gv", ".dot"):
                content = self.source.encode()
            else:
                content = self.png() if suffix == ".png" else self._draw("pdf")
        except _NoEngine as error:
            path, content = path.with_suffix(".gv"), self.source.encode()
            warnings.warn(f"{error}. The source of the picture is in {path}", EngineWarning, stacklevel=2)
        write_file(path, content)
        return path

    def _repr_svg_(self) -> str | None:
        return self._repr_mimebundle_().get("image/svg+xml")

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        try:
            return {"image/svg+xml": self.svg(), "text/plain": repr(self)}
        except _NoEngine as error:
            return {"text/plain": f"{self!r}: not drawn, {error}"}

    def __repr__(self) -> str:
        return f"<Picture {self.title!r}>" if self.title else "<Picture>"


def _is_lacking(character: str) -> bool:
    """Whether the wheel's font lacks a character: it has Latin, Greek and Cyrillic letters and most symbols."""
    if character.isascii():
        return False
    if unicodedata.east_asian_width(character) in "WF":
        return True
    script = unicodedata.name(character, "").partition(" ")[0]
    return character.isalpha() and script not in ("LATIN", "GREEK", "CYRILLIC", "MODIFIER", "DOUBLE-STRUCK")


class _NoEngine(RenderError):
    pass


def _plain(values: dict[str, Any]) -> dict[str, str]:
    """DOT attributes as strings; `cls` becomes `class`, None is left out."""
    named = (("class" if k == "cls" else k, v) for k, v in values.items() if v is not None)
    return {k: _word(v) for k, v in named}


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


_TOOLTIP = re.compile(r'<a xlink:title="([^"]*)">')  # the only use of <a> here: nothing links anywhere


def _described(svg: str, title: str, alt: str) -> str:
    """The SVG with its title and words, and with tooltips that every browser shows."""
    svg = _TOOLTIP.sub(r"<title>\1</title>", svg).replace("</a>\n", "")
    svg = re.sub(r' font-family="[^"]*"', "", svg)
    words = f"<title>{_escape(one_line(title))}</title>\n<desc>{_escape(one_line(alt))}</desc>\n"
    # the graph's own <title> is its DOT name, which would pop up over the whole picture
    svg = re.sub(r'(<g id="graph0"[^>]*>\n)<title>[^<]*</title>\n', r"\1", svg, count=1)
    # keep the picture within the page's width; a screen reader reads the label
    look = f"max-width:100%;height:auto;font-family:{style.FONTS}"
    fits = f' role="img" aria-label="{_escape(one_line(alt))}" style="{look}"'
    return re.sub(r"(<svg[^>]*)>\n", lambda m: f"{m[1]}{fits}>\n{words}", svg, count=1)
