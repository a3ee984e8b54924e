"""The pages of the lesson, in both languages."""

from __future__ import annotations

import re
from pathlib import Path

from docs.make.pages import Page

DOCS = Path(__file__).parents[1]


def page(path: Path) -> Page:
    """A page of the lesson: its first heading is its title, and its first paragraph its description."""
    text = path.read_text(encoding="utf-8")
    title = re.search(r"^# (.+)$", text, re.MULTILINE)
    paragraph = re.search(r"^(?![#>\s`!<|-]).+(?:\n.+)*", text, re.MULTILINE)
    name = path.relative_to(DOCS).as_posix()
    if title is None or paragraph is None:
        raise ValueError(f"docs/{name} needs a heading and a paragraph below it, which describes it")
    return Page(name, title[1].strip(), paragraph[0].replace("\n", " "))


PAGES = tuple(page(path) for path in sorted((DOCS / "lesson").rglob("*.md")))
"""English pages first, then Chinese ones, each in the order of their file names."""
