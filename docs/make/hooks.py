"""Events of MkDocs: the navigation, the pages that are written by the build, and links that lead out of ``docs/``."""

from __future__ import annotations

import logging
import re
import sys
import tomllib
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

sys.path.insert(0, str(Path(__file__).parents[2]))

from docs.make import gallery, lesson, navigation, outside


def on_config(config: Any) -> Any:
    """Set the navigation, the address of the repository, and the styles and scripts of the lesson."""
    logging.getLogger("jieba").setLevel(logging.WARNING)  # which parts Chinese into words, and tells how long it took
    config.nav = navigation.nav()
    settings = tomllib.loads(outside.text("pyproject.toml"))
    config.repo_url = settings["tool"]["glassgrad"]["repository"] or None
    config.extra_css += [f"assets/{path.name}" for path in lesson.FILES if path.suffix == ".css"]
    config.extra_javascript += [f"assets/{path.name}" for path in lesson.FILES if path.suffix == ".js"]
    return config


def on_files(files: Files, *, config: Any) -> Files:
    """Add the pages that the build writes."""
    for page in navigation.every_page():
        if page.source is not None:
            files.append(File.generated(config, page.path, content=page.source()))
    for path in lesson.FILES:
        files.append(File.generated(config, f"assets/{path.name}", abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, *, page: Any, config: Any, **_: Any) -> str:
    """Give a page its title and description, and point its links at pages of the site."""
    found = next(p for p in navigation.every_page() if p.path == page.file.src_uri)
    page.meta = {"title": found.title, "description": found.description, **page.meta}
    if found in lesson.PAGES:
        markdown = lesson.with_outputs(found, Path(config.site_dir))
    elif found == gallery.PAGE:
        markdown = gallery.with_outputs(markdown, Path(config.site_dir))
    return outside.relinked(re.sub(r"```python\n(?=>>>)", "```pycon\n", markdown), found)
