"""Pages of the lesson with the outputs of their code and fields for answers: Markdown again, for MkDocs or `pages`."""

from __future__ import annotations

import html
import json
import re
import textwrap
from collections.abc import Sequence
from pathlib import Path

from glassgrad.viz.drawing.words import matched, say, speaking
from glassgrad.viz.lesson.exercises import exercise
from glassgrad.viz.lesson.notebooks import file_name, notebook
from glassgrad.viz.lesson.run import Output
from glassgrad.viz.lesson.text import cells, code, source

SWITCH = re.compile(r"^\[.*\{\.lesson-language\}$", re.MULTILINE)  # the link to the page in the other language
_FRAME = re.compile(r'<iframe srcdoc="([^"]*)"')
_SHOWN = re.compile(r"(?:<\w+ |\w+\()['\"](.*)['\"][>)]", re.DOTALL)


def expanded(
    name: str, language: str, outputs: Sequence[Sequence[Output]], folder: Path, address: str, markdown: str = ""
) -> str:
    """The Markdown of a page with its outputs.

    ``outputs``: those of each cell of code. Pictures, live pages and the notebook are written to ``folder``, whose
    address in links is ``address``, with a slash at its end. ``markdown``: the text of a page that is not the lesson's,
    and has no notebook.
    """
    text = markdown or source(name, language)
    folder.mkdir(parents=True, exist_ok=True)
    if not markdown and code(text):
        file = file_name(name, language)
        book = json.dumps(notebook(name, language), ensure_ascii=False, indent=1)
        (folder / file).write_text(book, encoding="utf-8")
        with speaking(language):
            words = say("This page as a notebook")
        link = f'<p class="lesson-notebook"><a href="{address}{file}" download>{words}</a></p>'
        text = SWITCH.sub(lambda switch: f"{switch[0]}\n\n{link}", text, count=1)
    parts, index, inside = [], 0, ""
    for cell in cells(text):
        if cell.solution and not inside:
            parts.append(f'??? success "{cell.solution}"\n')
        inside = cell.solution
        indent = "    " if inside else ""
        if cell.kind == "markdown":
            parts.append(textwrap.indent(cell.text, indent))
            continue
        files = f"{name}-{index + 1}"
        with speaking(language):
            if cell.exercise:
                shown = [_field(cell.exercise)]
            else:
                made = [_output(output, folder, files, address) for output in outputs[index]]
                shown = [f"```python\n{cell.text}\n```", *filter(None, made)]
        index += 1
        parts.append(textwrap.indent("\n\n".join(shown), indent) + "\n\n")
    return "".join(parts)


def _output(output: Output, folder: Path, name: str, address: str) -> str:
    if output["output_type"] == "stream":
        return f"```text\n{output['text'].rstrip()}\n```"
    if output["output_type"] == "error":
        return f"```text\n{output['evalue']}\n```"
    data = output["data"]
    words = html.escape(_described(data.get("text/plain", "")), quote=True)
    if page := _FRAME.search(data.get("text/html", "")):
        (folder / f"{name}.html").write_text(html.unescape(page[1]), encoding="utf-8")
        return (
            f'<div class="lesson-live"><iframe src="{address}{name}.html" title="{words}" loading="lazy"></iframe>'
            f'<a href="{address}{name}.html" target="_blank">{say("Open this page alone")}</a></div>'
        )
    if "image/svg+xml" in data:
        (folder / f"{name}.svg").write_text(data["image/svg+xml"], encoding="utf-8")
        file = f"{address}{name}.svg"
        return f'<a class="lesson-picture" href="{file}" target="_blank"><img src="{file}" alt="{words}"></a>'
    return f"```text\n{data['text/plain']}\n```"


def _described(shown: str) -> str:
    """The translated title of a picture, plot or page, from its printed form."""
    found = _SHOWN.fullmatch(shown)
    return matched(found[1]) if found else shown


def _field(which: tuple[int, int]) -> str:
    """The field for an answer. The page carries the values and sentences that `Exercise.check` works from."""
    table = exercise(*which).table()
    told = json.dumps(table, ensure_ascii=False, separators=(",", ":"))
    label = say("Your answer to exercise {n}", n=which[1])
    many = f' placeholder="{say("numbers, with commas")}"' if len(table["answer"]) > 1 else ""
    return (
        f'<div class="lesson-check" data-exercise="{html.escape(told)}"><label>{label} '
        f'<input type="text" autocomplete="off" spellcheck="false"{many}></label> '
        f'<button type="button">{say("Check")}</button> <output aria-live="polite"></output></div>'
    )
