"""The lesson as Jupyter notebooks, made from its Markdown."""

from __future__ import annotations

import re
from typing import Any

from glassgrad.viz.lesson.text import cells, source

_HEADING = re.compile(r"^(#+ .*?) \{#([\w-]+)\}$", re.MULTILINE)
_LINK = re.compile(r"(\]\()(?:\.\./(\w+)/)?([\w-]+)\.md\b")
_IMPORT = "from glassgrad.viz import lesson\n"  # in the first cell of each page


def file_name(name: str, language: str) -> str:
    """The name of a page's notebook.

    >>> file_name("01-neuron", "zh")
    '01-neuron.zh.ipynb'
    """
    return f"{name}.{language}.ipynb"


def notebook(name: str, language: str = "en") -> dict[str, Any]:
    """A page of the lesson as a notebook without outputs, by nbformat 4.5: ``json.dumps`` of it is an .ipynb file."""
    made: list[dict[str, Any]] = []
    for cell in cells(source(name, language)):
        if cell.kind == "markdown":
            text = jupyter(cell.text, language).strip("\n")
            if cell.solution:
                text = f"<details><summary>{cell.solution}</summary>\n\n{text}\n\n</details>"
            made.append(_cell(len(made), "markdown", text))
            continue
        code = cell.text if language == "en" else cell.text.replace(_IMPORT, f'{_IMPORT}\nlesson.speak("{language}")\n')
        hidden = {"jupyter": {"source_hidden": True, "outputs_hidden": True}} if cell.solution else {}
        made.append(_cell(len(made), "code", code) | {"metadata": hidden, "outputs": [], "execution_count": None})
    return {
        "cells": made,
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def _cell(number: int, kind: str, text: str) -> dict[str, Any]:
    return {"cell_type": kind, "id": f"cell-{number}", "metadata": {}, "source": text.strip("\n")}


def jupyter(markdown: str, language: str = "en") -> str:
    """Markdown of MkDocs Material as Jupyter shows it, with links to the notebooks beside it.

    >>> jupyter("## Two {#two}\\n\\nSee [one](01-neuron.md#top).")
    '<a id="two"></a>\\n\\n## Two\\n\\nSee [one](01-neuron.en.ipynb#top).'
    """
    text = _HEADING.sub(r'<a id="\2"></a>\n\n\1', markdown)
    text = re.sub(r"\)\{\.[\w-]+\}", ")", text)
    return _LINK.sub(lambda link: link[1] + file_name(link[3], link[2] or language), text)
