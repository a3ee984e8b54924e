"""The gallery: a page whose code the build runs, with the pictures and pages that it makes, and those of the tests."""

from __future__ import annotations

import html
import inspect
from collections.abc import Iterator
from pathlib import Path

from docs.make.pages import Page
from glassgrad.viz.lesson.expand import expanded
from glassgrad.viz.lesson.run import run
from glassgrad.viz.lesson.text import code

PAGE = Page("gallery.md", "Gallery", "Pictures and live pages, each with the lines that made it.")


def with_outputs(markdown: str, site: Path) -> str:
    """The Markdown of the page after its code has run; pictures and live pages are written into the site."""
    outputs = run(code(markdown), PAGE.path)
    for output in (output for cell in outputs for output in cell):
        if output["output_type"] == "error":
            raise RuntimeError(f"docs/{PAGE.path}: {output['ename']}: {output['evalue']}")
    folder = site / "gallery"
    made = expanded("gallery", "en", outputs, folder, "gallery/", markdown)
    return "\n\n".join([made.rstrip(), *tested(folder)]) + "\n"


def tested(folder: Path) -> Iterator[str]:
    """The pictures whose texts the tests keep, each with its code; they are written into this folder."""
    from tests.viz.pictures import PICTURES

    yield "## What the tests draw {#tested}\n\nThe tests keep each of these as text, and read what changes."
    for name, draw in PICTURES.items():
        draw().save(folder / f"{name}.svg")
        title, address = html.escape(name.replace("_", " ")), f"gallery/{name}.svg"
        lines = inspect.getsource(draw).removeprefix("@picture\n").rstrip()
        shown = f'<a class="lesson-picture" href="{address}" target="_blank"><img src="{address}" alt="{title}"></a>'
        yield f"### {title.capitalize()} {{#tested-{name}}}\n\n```python\n{lines}\n```\n\n{shown}"
