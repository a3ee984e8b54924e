"""Labels as data: words, cells and tables, with the names of colours. `viz.drawing.render` prints them.

A label is a tuple of parts side by side, so that labels are joined by ``+``. A row is a label of one
tuple of cells.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

from glassgrad.viz.drawing import style
from glassgrad.viz.drawing.texts import text_width

Label = tuple[Any, ...]


@dataclass(slots=True)
class Text:
    """Words in one size (whole points) and one colour: the name of one of the theme's, or ``#rrggbb``."""

    words: str
    size: int
    colour: str
    bold: bool = False
    italic: bool = False
    struck: bool = False


@dataclass(slots=True)
class Break:
    """The end of a line, which is aligned left or right."""

    side: str


@dataclass(slots=True)
class Cell:
    """A cell of a table."""

    content: Label
    attributes: dict[str, Any]


@dataclass(slots=True)
class Table:
    """Rows in a frame; a row is a tuple of cells, or None for a rule across the table."""

    rows: tuple[tuple[Cell, ...] | None, ...]
    attributes: dict[str, Any]


RULE: Label = (None,)


def text(content: object, size: int, colour: str, *, bold: bool = False, italic: bool = False, **more: bool) -> Label:
    """Text in one size and colour. Empty text, which Graphviz refuses, becomes a blank."""
    return (Text(str(content), size, colour, bold, italic, **more),)


def caption(words: object, colour: str = "muted") -> Label:
    """Small text."""
    return text(words, style.CAPTION, colour)


def grad_text(words: object, colour: str = "grad") -> Label:
    """Small text about a gradient."""
    return text(words, style.CAPTION, colour, italic=True)


def cell(*content: str | Label, **attributes: Any) -> Label:
    """A table cell; attributes in lower case (`port=`, `title=`, `align=`, ...), None leaves one out."""
    return (Cell(tuple(chain.from_iterable(map(_parts, content))), attributes),)


def _parts(content: str | Label) -> Label:
    return content if isinstance(content, tuple) else (content,) if content else ()


def row(*cells: Label) -> Label:
    """A table row of cells that `cell` made."""
    return (tuple(chain.from_iterable(cells)),)


def table(*rows: Label, **attributes: Any) -> Label:
    """A table of rows that `row` made, without borders or spacing by default."""
    values = {"border": 0, "cellborder": 0, "cellspacing": 0, "cellpadding": 0, **attributes}
    return (Table(tuple(chain.from_iterable(rows)), values),)


def aligned(*lines: Label, side: str = "LEFT") -> Label:
    """Lines one below the other, each on one side of the cell."""
    return tuple(chain.from_iterable((*line, Break(side)) for line in lines))


FRAMES = {  # of cards: the width, the colour and the style of the border, and the ground
    "data": (style.BORDER, "data", None, "data_bg"),
    "parameter": (style.PARAMETER_BORDER, "knob", None, "knob_bg"),
    "operation": (style.BORDER, "fwd", "ROUNDED", "fwd_bg"),
    "loss": (style.BORDER, "loss_bg", "ROUNDED", "loss_bg"),
    "derivative": (style.DERIVATIVE_BORDER, "grad", "ROUNDED,DASHED", "grad_bg"),
    "failed": (style.BORDER, "bad", None, "bad_bg"),
    "lines": (style.BORDER, "hair", "ROUNDED", "paper"),
}


def frame(kind: str, **more: Any) -> dict[str, Any]:
    """The attributes of a `table` that is a card of this kind."""
    border, colour, look, ground = FRAMES[kind]
    return {"border": border, "color": colour, "bgcolor": ground, "style": look, **more}


def texts_of(label: Iterable[Any]) -> Iterator[Text]:
    """The texts of a label, in order."""
    for part in label:
        if isinstance(part, Text):
            yield part
        elif isinstance(part, Cell | Table):
            inside = part.content if isinstance(part, Cell) else chain.from_iterable(filter(None, part.rows))
            yield from texts_of(inside)


def width(label: Label) -> float:
    """The estimated width of a label in points."""
    lines = [0.0]
    for part in label:
        if isinstance(part, Break):
            lines.append(0.0)
        elif isinstance(part, Table):
            gap, pad = part.attributes["cellspacing"], part.attributes["cellpadding"]
            rows = (sum(_cell_width(one, pad) + gap for one in row or ()) for row in part.rows)
            lines[-1] += max(rows, default=0.0) + gap + 2 * part.attributes["border"]
        else:
            lines[-1] += text_width(part if isinstance(part, str) else part.words, getattr(part, "size", style.CAPTION))
    return max(lines)


def flowed(cells: Iterable[Label], room: float, padding: int) -> Label:
    """Cells side by side, in lines that are each at most so many points wide, if the cells are not."""
    lines: list[Label] = [()]
    for one in cells:
        if lines[-1] and width(table(row(lines[-1], one), cellpadding=padding)) > room:
            lines.append(())
        lines[-1] += one
    spare = cell("", cellpadding=0) * (40 * (len(lines) > 1))  # else the engine spreads a line over the whole width
    return table(*(row(cell(table(row(line, spare), cellpadding=padding))) for line in lines))


def _cell_width(one: Cell, padding: float) -> float:
    inside = width(one.content) + 2 * float(one.attributes.get("cellpadding", padding))
    return max(inside, float(one.attributes.get("width") or 0))
