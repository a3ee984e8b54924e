"""An HTML page that shows itself in a notebook and saves itself."""

from __future__ import annotations

import html
import os
from pathlib import Path

from glassgrad.autograd.common.validation import check_instance
from glassgrad.viz.drawing import style
from glassgrad.viz.drawing.files import saved
from glassgrad.viz.pages.emitted import text

HEIGHT = 720  # of the frame in a notebook, in pixels


class Page:
    """An HTML page that shows itself in a notebook and saves itself; `html` is its text, `title` its headline."""

    def __init__(self, title: str, html: str) -> None:
        self.title, self.html = title, check_instance(html, str, "html", "the text of a page")

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the page to an .html file, whole or not at all; returns its path.

        Raises `DrawingError` for another suffix, `WriteError` for a folder that cannot be written.
        """
        return saved("a page", path, {".html": lambda: self.html})

    def _repr_html_(self) -> str:
        # In a frame, so that the page's colours and keys do not reach the notebook.
        return (
            f'<iframe srcdoc="{html.escape(self.html)}" sandbox="allow-scripts" title="{text(self.title)}"'
            f' style="width:100%;height:{HEIGHT}px;border:1px solid {style.LIGHT.hair}"></iframe>'
        )

    def __repr__(self) -> str:
        return f"<Page {self.title!r}>"
