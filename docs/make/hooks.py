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

SEARCH = {
    # lunr takes two states with edges such as "1" to 23 and "12" to 3 for one: then searches with "a" or "g" fail.
    "e=e+s+o.id}return e": 'e=e+s+o.id+","}return e',
    # Every word of a query is taken for the beginning of one: "a network" would find each page.
    r'/g,"").split(/\s+/g).reduce(': r'/g,"").split(/\s+/g)'
    ".filter((r,n,i)=>i.length<2||lunr.stopWordFilter(r.toLowerCase())).reduce(",
    # A whole word counts more than the beginning of one.
    "?r:`${r}*`": "?r:`${r}^3 ${r}*`",
    # The share of the words that an entry has comes first; one word in a title outweighed all words in a text.
    "score:a*(1+K(g,2))": "score:a*K(g-!c.parent,4)*(1+.2*!c.parent)",
}
"""What is repaired in the theme's search script."""


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
    boost = next(navigation.BOOST.get(section, 1) for section, pages in navigation.PAGES.items() if found in pages)
    page.meta = {"title": found.title, "description": found.description, "search": {"boost": boost}, **page.meta}
    if found in lesson.PAGES:
        markdown = lesson.with_outputs(found, Path(config.site_dir))
    elif found == gallery.PAGE:
        markdown = gallery.with_outputs(markdown, Path(config.site_dir))
    return outside.relinked(re.sub(r"```python\n(?=>>>)", "```pycon\n", markdown), found)


def repaired(script: str) -> str:
    """The theme's search script with the repairs of `SEARCH`; raises where the theme has changed."""
    for old, new in SEARCH.items():
        if script.count(old) != 1:
            raise ValueError(f"the theme's search script has {old!r} {script.count(old)} times: see docs/make/hooks.py")
        script = script.replace(old, new)
    return script


def on_post_build(*, config: Any) -> None:
    """Repair the search."""
    (path,) = Path(config.site_dir).glob("assets/javascripts/workers/search.*.js")
    path.write_text(repaired(path.read_text(encoding="utf-8")), encoding="utf-8")
