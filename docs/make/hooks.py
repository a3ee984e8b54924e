"""Events of MkDocs: the navigation, the pages that are written by the build, and links that lead out of ``docs/``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

sys.path.insert(0, str(Path(__file__).parents[2]))

from docs.make import navigation, outside


def on_config(config: Any) -> Any:
    """Set the navigation."""
    config.nav = navigation.nav()
    return config


def on_files(files: Files, *, config: Any) -> Files:
    """Add the pages that the build writes."""
    for page in navigation.every_page():
        if page.source is not None:
            files.append(File.generated(config, page.path, content=page.source()))
    return files


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Give a page its title and description, and point its links at pages of the site."""
    found = next(p for p in navigation.every_page() if p.path == page.file.src_uri)
    page.meta = {"title": found.title, "description": found.description, **page.meta}
    return outside.relinked(markdown, found)
