"""A picture as text: its titles and alternative text, the frame and the words of each card, its boxes and its lines.

Each picture of `tests.viz.pictures` has its text in `gallery/`, so that a change of drawing shows as a difference
that can be read; ``KEEP=1 python -m pytest tests/viz/test_gallery.py`` writes these texts anew.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from glassgrad.viz.drawing import labels
from glassgrad.viz.drawing.render import Cluster, Edge, Node, Picture

GALLERY = Path(__file__).with_name("gallery")


def outline(shown: Any) -> str:
    """The text of a picture; of a plot, its words."""
    if not isinstance(shown, Picture):
        from matplotlib.text import Text

        figure = shown.figure
        drawn = [part.get_text() for part in figure.findobj(Text)]
        return "\n".join([repr(shown), *dict.fromkeys(filter(str.strip, drawn))]) + "\n"
    head = words(shown.graph.get("label", ()))
    return "\n".join([*(f"# {line}" for line in head), shown.alt, "", *_items(shown.items, "")]) + "\n"


def _items(items: list[Any], indent: str) -> Iterator[str]:
    for item in items:
        if isinstance(item, Cluster):
            yield f"{indent}box {' | '.join(words(item.attributes['label']))}".rstrip()
            yield from _items(item.items, indent + "    ")
        elif isinstance(item, Node) and (said := words(item.label)):
            frame = next((part.attributes for part in item.label if isinstance(part, labels.Table)), {})
            look = [
                item.attributes.get("cls", ""),
                *(frame[key] for key in ("border", "color", "style") if frame.get(key) is not None),
            ]
            yield f"{indent}{item.name} ({' '.join(map(str, look))}): {said[0]}"
            yield from (f"{indent}    {line}" for line in said[1:])
        elif isinstance(item, list):
            yield f"{indent}side by side: {', '.join(item)}"
        elif isinstance(item, Edge) and item.attributes.get("style") != "invis":
            said = " | ".join(words(item.label))
            line = "<-" if item.attributes.get("dir") == "back" else "->"
            look = f"{item.attributes.get('cls', '')} {item.attributes.get('style', '')}".strip()
            yield f"{indent}{item.tail} {line} {item.head} ({look}) {said}".rstrip()


def words(label: labels.Label) -> list[str]:
    """The lines of a label, the cells of a row apart."""
    lines, line = [], ""
    for part in label:
        if isinstance(part, labels.Table):
            lines += [line, *(said for row in part.rows for said in _row(row))]
            line = ""
        elif isinstance(part, labels.Break):
            lines, line = [*lines, line], ""
        else:
            line += part if isinstance(part, str) else part.words
    return [" ".join(said.split()) for said in [*lines, line] if said.strip()]


def _row(row: tuple[labels.Cell, ...] | None) -> list[str]:
    cells = [found for cell in row or () if (found := words(cell.content))]
    if all(len(found) == 1 for found in cells):
        return [" | ".join(found for (found,) in cells)] if cells else []
    return [line for found in cells for line in found]


def parts(text: str) -> tuple[list[str], list[float]]:
    """A text without its numbers, and the numbers."""
    number = r"(?<![\w.])-?\d+(?:\.\d+)?(?:e-?\d+)?"
    return re.split(number, text), [float(found) for found in re.findall(number, text)]
