"""Pages of the site whose source lies outside of ``docs/``: the changelog, the examples, the tables of speed."""

from __future__ import annotations

import ast
import posixpath
import re
from functools import partial
from pathlib import Path

from docs.make.pages import Page

ROOT = Path(__file__).parents[2]
LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)#\s]+)((?:#[^)\s]*)?)\)")


def text(path: str) -> str:
    """The text of a file of the repository."""
    return (ROOT / path).read_text(encoding="utf-8")


def copied(path: str, title: str, description: str, origin: str) -> Page:
    """A page that shows a Markdown file of the repository."""
    return Page(path, title, description, partial(text, origin), origin)


CHANGELOG = copied(
    "changelog.md", "Changelog", "What changed in each version, and which names are deprecated.", "CHANGELOG.md"
)
CONTRIBUTING = copied(
    "contributing.md", "Contributing", "The map of the code, and how to add an operation or a layer.", "CONTRIBUTING.md"
)
SECURITY = copied(
    "security.md", "Security", "Which input is trusted and which is not; how to report a fault.", "SECURITY.md"
)
RESULTS = copied(
    "speed/results.md", "All tables", "A saved run of all benchmarks, with versions.", "benchmarks/RESULTS.md"
)
MEASURING = copied(
    "speed/how.md", "How it is measured", "What the benchmarks measure, and how to run them.", "benchmarks/README.md"
)


def example(path: Path) -> Page:
    """A page that shows a program of ``examples/``; its docstring says what it does."""
    summary = (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").split("\n\n")[0].replace("\n", " ")
    title = path.stem.replace("_", " ").capitalize()

    def source() -> str:
        code = path.read_text(encoding="utf-8")
        return f"# {title}\n\n{summary}\n\n```sh\npython examples/{path.name}\n```\n\n```python\n{code}```\n"

    return Page(f"examples/{path.stem}.md", title, summary, source, f"examples/{path.name}")


def listed() -> str:
    """The page that lists the examples."""
    rows = "\n".join(f"| [{page.title}]({Path(page.path).name}) | {page.description} |" for page in PROGRAMS)
    return f"# Examples\n\nShort programs. The tests run each of them.\n\n| program | shows |\n|---|---|\n{rows}\n"


PROGRAMS = tuple(example(path) for path in sorted((ROOT / "examples").glob("*.py")))
EXAMPLES = (
    Page("examples/index.md", "Examples", "Short programs, which the tests run.", listed, "examples"),
    *PROGRAMS,
)

SHOWN = {page.origin: page.path for page in (CHANGELOG, CONTRIBUTING, SECURITY, RESULTS, MEASURING, *EXAMPLES)}
SHOWN["README.md"] = "index.md"


def relinked(markdown: str, page: Page) -> str:
    """The text of a page with links to files of the repository as links to the pages that show them.

    A link to a file that no page shows becomes its text.
    """
    folder = posixpath.dirname(page.path)
    start = posixpath.dirname(page.origin) if page.origin else posixpath.join("docs", folder)

    def link(found: re.Match[str]) -> str:
        mark, words, path, place = found.groups()
        if "://" in path:
            return found[0]
        file = posixpath.normpath(posixpath.join(start, path))
        to = file.removeprefix("docs/") if file.startswith("docs/") else SHOWN.get(file)
        if to:
            return f"{mark}[{words}]({posixpath.relpath(to, folder or '.')}{place})"
        return words if (ROOT / file).exists() else found[0]

    return LINK.sub(link, markdown)
