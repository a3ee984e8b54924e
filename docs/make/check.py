"""Check of the built site: links lead somewhere, nothing is loaded from elsewhere, every page can be found, and the
questions of ``questions.txt`` find their page first.

python -m docs.make.check site
"""

from __future__ import annotations

import json
import posixpath
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from docs.make import navigation

HERE = Path(__file__).parent
LOADS = {"script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src", "audio": "src"}


class Reader(HTMLParser):
    """Collects the links, ids, loaded files and the description of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.ids: set[str] = set()
        self.description = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note one tag."""
        found = {name: value or "" for name, value in attrs}
        self.ids |= {found[name] for name in ("id", "name") if name in found}
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        elif tag == "link" and {*found.get("rel", "").split()} & {"stylesheet", "icon", "preload", "preconnect"}:
            self.loads.append(found["href"])
        elif tag == "meta" and found.get("name") == "description":
            self.description = found.get("content", "")
        elif tag in LOADS and LOADS[tag] in found:
            self.loads.append(found[LOADS[tag]])


def read(path: Path) -> Reader:
    """A page as it was parsed."""
    reader = Reader()
    reader.feed(path.read_text(encoding="utf-8"))
    return reader


def faults(site: Path) -> Iterator[str]:
    """What is wrong with a built site, a sentence each."""
    pages = {path.relative_to(site).as_posix(): read(path) for path in sorted(site.rglob("*.html"))}
    for name, page in pages.items():
        for address in (*page.links, *page.loads):
            parts = urlsplit(address)
            if parts.scheme or parts.netloc:
                if address in page.loads and parts.scheme != "data":
                    yield f"{name} loads {address} from elsewhere"
                continue
            to = (
                posixpath.normpath(posixpath.join(posixpath.dirname(name), unquote(parts.path))) if parts.path else name
            )
            if name == "404.html":
                continue  # its links are absolute, for a server
            if not (site / to).is_file():
                yield f"{name} links to {address}, which is not there"
            elif parts.fragment and to in pages and unquote(parts.fragment) not in pages[to].ids | {"__comments"}:
                yield f"{name} links to {address}, and {to} has no such place"
    index = json.loads((site / "search/search_index.json").read_text(encoding="utf-8"))
    found = {entry["location"].partition("#")[0] for entry in index["docs"]}
    for page in navigation.every_page():
        name = re.sub(r"\.md$", ".html", page.path)
        if name not in pages:
            yield f"{name} was not built"
        else:
            if pages[name].description != page.description:
                yield f"{name} has the description {pages[name].description!r}, not {page.description!r}"
            if name not in found:
                yield f"{name} is not found by the search"
    for style in site.rglob("*.css"):
        for address in re.findall(r"url\(\s*['\"]?(https?:[^)'\"]+)", style.read_text(encoding="utf-8")):
            yield f"{style.relative_to(site)} loads {address} from elsewhere"


def unanswered(site: Path) -> list[str]:
    """The questions that do not find their page first, a sentence each; none where node is not installed."""
    if shutil.which("node") is None:
        return []
    asked = ["node", str(HERE / "search.js"), str(site), str(HERE / "questions.txt")]
    ran = subprocess.run(asked, capture_output=True, check=True, encoding="utf-8")
    return ran.stdout.splitlines()


def main() -> int:
    """Print what is wrong; the exit status is 1 if anything is."""
    site = Path(sys.argv[1])
    wrong = [*faults(site), *unanswered(site)]
    print("\n".join(wrong) or f"{site}: {len(list(site.rglob('*.html')))} pages, every link leads somewhere")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
