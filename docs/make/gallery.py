"""The gallery: a page whose code the build runs, with the pictures and live pages that it makes."""

from __future__ import annotations

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
    return expanded("gallery", "en", outputs, site / "gallery", "gallery/", markdown)
