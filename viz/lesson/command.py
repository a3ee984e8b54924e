"""``python -m glassgrad.viz lesson``: writes the lesson as a folder of pages, and opens it in the browser, offline."""

from __future__ import annotations

import argparse
import sys
import webbrowser
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from glassgrad.viz.lesson.exercises import LANGUAGES
from glassgrad.viz.lesson.pages import write
from glassgrad.viz.lesson.text import stems


def parser() -> argparse.ArgumentParser:
    """The parser of the lesson's options."""
    p = argparse.ArgumentParser(
        prog="python -m glassgrad.viz lesson",
        description="Open the lesson, eleven chapters from one neuron to a Transformer, in the browser. It is written"
        " first, which takes ten to thirty seconds, and needs no network; where its folder has it, it is only opened.",
    )
    p.add_argument("--language", choices=LANGUAGES, default="en", help="the language of the pages (default: en)")
    p.add_argument(
        *("-o", "--out"),
        metavar="FOLDER",
        type=Path,
        default="glassgrad-lesson",
        help="where the pages are (default: glassgrad-lesson)",
    )
    p.add_argument("--no-open", action="store_true", help="print the path of the first page and open no browser")
    return p


def main(arguments: Sequence[str]) -> int:
    """Run the command; the exit status is 0, or 2 after a sentence on stderr."""
    options = parser().parse_args(arguments)
    first, *_, last = (options.out / options.language / f"{name}.html" for name in stems())
    try:
        if not last.exists():
            print(f"Writing the lesson, {len(stems())} pages:", file=sys.stderr)
            write(options.out, progress=partial(print, file=sys.stderr, flush=True), languages=[options.language])
    except OSError as error:
        print(
            f"python -m glassgrad.viz lesson: {error.filename} can't be written: {error.strerror or error}",
            file=sys.stderr,
        )
        return 2
    page = first.resolve()
    print(page)
    if not options.no_open and not webbrowser.open(page.as_uri()):
        print("No browser could be opened: open the file above.", file=sys.stderr)
    return 0
