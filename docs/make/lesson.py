"""The pages of the lesson, in both languages, with the outputs of their code."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

from docs.make.pages import Page
from glassgrad.viz.lesson import outputs
from glassgrad.viz.lesson.exercises import LANGUAGES
from glassgrad.viz.lesson.expand import expanded
from glassgrad.viz.lesson.text import FRONT, folder, source, stems, title

HEADINGS = {"en": "English", "zh": "中文"}


def page(name: str, language: str) -> Page:
    """A page of the lesson, with the title and description that its text gives."""
    front = FRONT.match((folder() / language / f"{name}.md").read_text(encoding="utf-8"))
    described = re.search("^description: (.*)", front[1], re.MULTILINE) if front else None
    return Page(f"lesson/{language}/{name}.md", title(source(name, language)), described[1] if described else "")


BY_LANGUAGE = {language: tuple(page(name, language) for name in stems()) for language in LANGUAGES}
PAGES = tuple(page for pages in BY_LANGUAGE.values() for page in pages)
FILES = tuple(folder().parents[1] / "viz/lesson" / name for name in ("lesson.css", "lesson.js"))


def nav() -> list[Any]:
    """The navigation of the lesson: a section for each language."""
    return [{HEADINGS[language]: [{p.title: p.path} for p in pages]} for language, pages in BY_LANGUAGE.items()]


run = cache(outputs)


def with_outputs(page: Page, site: Path) -> str:
    """The Markdown of a page after its code has run; pictures and live pages are written into the site."""
    _, language, name = page.path.removesuffix(".md").split("/")
    return expanded(name, language, run(language)[name], site / "lesson/files" / language, f"../files/{language}/")
