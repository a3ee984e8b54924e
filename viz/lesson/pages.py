"""The lesson as a folder of HTML pages that need no network; ``python -m glassgrad.viz lesson`` opens it.

The lesson uses a small part of the Markdown of the site, so no package for Markdown is needed.
"""

from __future__ import annotations

import html
import os
import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from glassgrad.autograd.common.validation import as_path
from glassgrad.viz.drawing.words import speaking
from glassgrad.viz.lesson.exercises import LANGUAGES
from glassgrad.viz.lesson.expand import SWITCH, expanded
from glassgrad.viz.lesson.run import Output, run
from glassgrad.viz.lesson.text import SOLUTION, code, source, stems, title
from glassgrad.viz.pages.emitted import document

_FENCE = re.compile(r"```(\w*)\n(.*?)```\s*?(?:\n|\Z)", re.DOTALL)
_LINK = re.compile(r"^(?!https?:)([^#]*)\.md(#.*)?$")


Outputs = Mapping[str, Sequence[Sequence[Output]]]
"""The outputs of each cell of code, by page."""


def outputs(language: str = "en", progress: Callable[[str], object] | None = None) -> Outputs:
    """The outputs of all code of the lesson, with pages and pictures in this language. It is run in this process."""
    made = {}
    for name in stems():
        if progress is not None:
            progress(name)
        made[name] = run(code(source(name, language)), name, language)
    return made


def write(
    folder: str | os.PathLike[str],
    made: Mapping[str, Outputs] | None = None,
    progress: Callable[[str], object] | None = None,
    languages: Sequence[str] = LANGUAGES,
) -> Path:
    """Write the lesson to a folder; returns the path of its first page.

    ``made``: outputs of the code, by language and page; by default the code is run, which takes half a minute for each
    of the ``languages``. ``progress`` is called with the name of each page before its code runs.
    """
    target = as_path(folder)
    for language in languages:
        (target / language).mkdir(parents=True, exist_ok=True)  # before the code runs, which takes half a minute
        found = outputs(language, progress) if made is None else made[language]
        for name in stems():
            text = expanded(name, language, found[name], target / "files" / language, f"../files/{language}/")
            text = text if len(languages) > 1 else SWITCH.sub("", text)
            (target / language / f"{name}.html").write_text(_page(name, language, text), encoding="utf-8")
    return target / languages[0] / "index.html"


def _page(name: str, language: str, text: str) -> str:
    order = stems()
    place = order.index(name)
    links = []
    for step, arrow in ((-1, "← {}"), (1, "{} →")):
        if 0 <= place + step < len(order):
            other = order[place + step]
            links.append(f'<a href="{other}.html">{_inline(arrow.format(title(source(other, language))))}</a>')
    around = f'<nav class="lesson-nav">{" ".join(links)}</nav>'
    styles, script = "\n".join(map(_file, ("pages.css", "lesson.css"))), _file("lesson.js")
    with speaking(language):
        main = f"<main>\n{around}\n{to_html(text)}\n{around}\n</main>\n"
        return document(title(source(name, language)), main, styles, script=script, policy="")


def _file(name: str) -> str:
    return (Path(__file__).parent / name).read_text(encoding="utf-8")


# ---------------------------------------------------------------- Markdown


def to_html(markdown: str) -> str:
    """The part of Markdown that the lesson uses, as HTML.

    >>> to_html("## Two {#two}\\n\\nA *small* `x`.")
    '<h2 id="two">Two</h2>\\n<p>A <em>small</em> <code>x</code>.</p>'
    """
    made, at = [], 0
    while at < len(markdown):
        match, write = next((found, write) for block, write in _BLOCKS if (found := block.match(markdown, at)))
        made.append(write(match))
        at = match.end()
    return "\n".join(filter(None, made))


def _note(match: re.Match[str]) -> str:
    heading, body = match.groups()
    inside = to_html(textwrap.dedent(body))
    return f"<details><summary>{_inline(heading)}</summary>\n{inside}\n</details>"


def _heading(match: re.Match[str]) -> str:
    level, anchor = len(match[1]), f' id="{match[3]}"' if match[3] else ""
    return f"<h{level}{anchor}>{_inline(match[2])}</h{level}>"


def _table(match: re.Match[str]) -> str:
    rows = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in match[0].strip().splitlines()]
    head = "".join(f"<th>{_inline(cell)}</th>" for cell in rows[0])
    body = "\n".join(f"<tr>{''.join(f'<td>{_inline(cell)}</td>' for cell in row)}</tr>" for row in rows[2:])
    return f"<table>\n<tr>{head}</tr>\n{body}\n</table>"


def _list(match: re.Match[str]) -> str:
    items = re.split(r"^\d+\. +", match[0], flags=re.MULTILINE)[1:]
    listed = "\n".join(f"<li>{_inline(' '.join(item.split()))}</li>" for item in items)
    return f"<ol>\n{listed}\n</ol>"


_BLOCKS: list[tuple[re.Pattern[str], Callable[[re.Match[str]], str]]] = [
    (re.compile(r"\s*\n"), lambda match: ""),
    (_FENCE, lambda match: f'<pre class="{match[1]}"><code>{html.escape(match[2].rstrip())}</code></pre>'),
    (SOLUTION, _note),
    (re.compile(r"(#+) (.*?)(?: \{#([\w-]+)\})?(?:\n|\Z)"), _heading),
    (re.compile(r"<.*(?:\n.+)*(?:\n|\Z)"), lambda match: match[0].strip()),
    (re.compile(r"(?:\|.*(?:\n|\Z))+"), _table),
    (re.compile(r"(?:\d+\. .*(?:\n|\Z)(?:  +.*(?:\n|\Z))*)+"), _list),
    (
        re.compile(r".+(?:\n(?!```|#|\d+\. |\||\?\?\?|<).+)*(?:\n|\Z)"),
        lambda match: f"<p>{_inline(match[0].strip())}</p>",
    ),
]
"""Each kind of block, in the order in which they are tried. The last one takes whatever is left."""

_INLINE = re.compile(
    r"`(?P<code>[^`]+)`"
    r"|\[(?P<text>[^\]]+)\]\((?P<link>[^)]+)\)(?:\{(?P<attributes>[^}]*)\})?"
    r"|\*\*(?P<bold>[^*]+)\*\*"
    r"|(?<![\w*])\*(?P<italic>[^*\s][^*]*)\*"
)


def _inline(text: str) -> str:
    return _INLINE.sub(_marked, html.escape(text, quote=False))


def _marked(match: re.Match[str]) -> str:
    if match["code"]:
        return f"<code>{match['code']}</code>"
    inside = _INLINE.sub(_marked, match["text"] or match["bold"] or match["italic"])
    if match["link"]:
        classes = " ".join(re.findall(r"\.([\w-]+)", match["attributes"] or ""))
        marked = f' class="{classes}"' if classes else ""
        address = _LINK.sub(r"\1.html\2", match["link"])
        return f'<a{marked} href="{address}">{inside}</a>'
    return f"<strong>{inside}</strong>" if match["bold"] else f"<em>{inside}</em>"
