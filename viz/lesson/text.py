"""The source of the lesson: Markdown for MkDocs Material, and the cells in it.

A block ```` ```python ```` is a cell. The cells of a chapter run in order, in one namespace, as in a notebook: a last
line that is an expression is shown.
"""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from glassgrad.viz.drawing.words import known_language

CHAPTERS = (
    *("neuron", "layers", "matrices", "digits", "losses"),
    *("descent", "backpropagation", "space", "search", "structures", "attention"),
)
"""The chapters by number, from 1."""

_HERE = Path(__file__).parent
SOLUTION = re.compile(r'^\?\?\? \w+ "([^"]*)"\n((?:\n|    .*\n?)*)', re.MULTILINE)  # its title and its text
_CODE = re.compile(r"^```python\n(.*?)\n```$\n?", re.MULTILINE | re.DOTALL)
_CHECK = re.compile(r"lesson\.check\((\d+), (\d+), answer\)")
FRONT = re.compile(r"\A---\n(.*?)^---\n+", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Cell:
    """A piece of a chapter. ``solution``: the title of the solution that it is in.

    ``exercise``: chapter and number, for a cell of code that checks an answer.
    """

    kind: Literal["markdown", "code"]
    text: str
    solution: str = ""
    exercise: tuple[int, int] | None = None


def folder() -> Path:
    """Where the text is: in the package, or in docs/lesson of the repository."""
    inside = _HERE / "text"
    return inside if inside.is_dir() else _HERE.parents[1] / "docs/lesson"


def stem(chapter: int) -> str:
    """The name of a chapter's files, without suffix.

    >>> stem(1)
    '01-neuron'
    """
    return f"{chapter:02}-{CHAPTERS[chapter - 1]}"


def stems() -> list[str]:
    """The names of all pages of the lesson in order: the start, the chapters, the teacher's page."""
    return ["index", *(stem(n + 1) for n in range(len(CHAPTERS))), "teacher"]


def source(name: str, language: str) -> str:
    """The Markdown of a page, without the lines ``key: value`` before it."""
    return FRONT.sub("", (folder() / known_language(language) / f"{name}.md").read_text(encoding="utf-8"))


def title(markdown: str) -> str:
    """The first heading of a page."""
    found = re.search(r"^# (.*?)(?: \{.*\})?$", markdown, re.MULTILINE)
    return found[1] if found else ""


def cells(markdown: str) -> list[Cell]:
    """The pieces of a page in order.

    >>> [(cell.kind, cell.text) for cell in cells("Add.\\n\\n```python\\n1 + 1\\n```\\n")]
    [('markdown', 'Add.\\n\\n'), ('code', '1 + 1')]
    """
    outside, *solutions = re.split(SOLUTION, markdown)
    found = _cells(outside, "")
    for title, inside, outside in zip(solutions[::3], solutions[1::3], solutions[2::3], strict=True):
        found += _cells(textwrap.dedent(inside), title) + _cells(outside, "")
    return found


def _cells(markdown: str, solution: str) -> list[Cell]:
    found = []
    for i, text in enumerate(re.split(_CODE, markdown)):
        checks = _CHECK.search(text)
        if i % 2:
            found.append(Cell("code", text, solution, (int(checks[1]), int(checks[2])) if checks else None))
        elif text.strip():
            found.append(Cell("markdown", text, solution))
    return found


def code(markdown: str) -> list[str]:
    """The code of a page, cell by cell."""
    return [cell.text for cell in cells(markdown) if cell.kind == "code"]
