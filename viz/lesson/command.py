"""``python -m glassgrad.viz lesson``: writes the lesson as pages once, and opens it in the browser, offline."""

from __future__ import annotations

import argparse
import hashlib
import shutil
import sys
import tempfile
import webbrowser
from collections.abc import Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from glassgrad.autograd import __version__
from glassgrad.autograd.common.files import user_cache
from glassgrad.viz.lesson.exercises import LANGUAGES
from glassgrad.viz.lesson.pages import write
from glassgrad.viz.lesson.text import folder, stems


def parser() -> argparse.ArgumentParser:
    """The parser of the lesson's options."""
    p = argparse.ArgumentParser(
        prog="python -m glassgrad.viz lesson",
        description="Open the lesson, eleven chapters from one neuron to a Transformer, in the browser. It is written"
        " at the first call, which takes ten to thirty seconds, and needs no network.",
    )
    p.add_argument("--language", choices=LANGUAGES, default="en", help="the language of the pages (default: en)")
    p.add_argument("-o", "--out", metavar="FOLDER", type=Path, help="write the pages there (default: the user's cache)")
    p.add_argument("--no-open", action="store_true", help="print the path of the first page and open no browser")
    return p


def version() -> str:
    """A name for the present lesson: a version, and a hash of its text, its code and the packages that draw for it."""
    found = hashlib.sha256(repr([find_spec(name) is None for name in ("matplotlib", "optuna")]).encode())
    here = Path(__file__).parent
    for path in sorted((*folder().rglob("*.*"), *here.rglob("*.py"), *here.glob("*.css"), *here.glob("*.js"))):
        found.update(path.read_bytes())
    return f"{__version__}-{found.hexdigest()[:12]}"


def made(language: str) -> Path:
    """The folder of the present lesson in the user's cache (XDG), written at the first call, whole or not at all."""
    target = user_cache() / f"lesson-{version()}-{language}"
    if not target.is_dir():
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".lesson-") as room:
            print(f"Writing the lesson, {len(stems())} pages:", file=sys.stderr)
            show = partial(print, file=sys.stderr, flush=True)
            write(Path(room) / "lesson", progress=show, languages=[language]).parents[1].replace(target)
    return target


def main(arguments: Sequence[str]) -> int:
    """Run the command; the exit status is 0, or 2 after a sentence on stderr."""
    options = parser().parse_args(arguments)
    try:
        kept = made(options.language)
        if options.out is not None:
            kept = Path(shutil.copytree(kept, options.out, dirs_exist_ok=True))
    except OSError as error:
        print(
            f"python -m glassgrad.viz lesson: {error.filename} can't be written: {error.strerror or error}",
            file=sys.stderr,
        )
        return 2
    page = (kept / options.language / f"{stems()[0]}.html").resolve()
    print(page)
    if not options.no_open and not webbrowser.open(page.as_uri()):
        print("No browser could be opened: open the file above.", file=sys.stderr)
    return 0
