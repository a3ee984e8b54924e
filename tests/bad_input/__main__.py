"""Writes the sentences of the tables anew: ``python -m tests.bad_input``."""

import encodings.cp437  # noqa: F401  (which zipfile would import while files are read)
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.bad_input import commands, corpus, test_files


def refused(call: str, folder: Path) -> tuple[str, str]:
    """The kind of the error that a call raises, and its sentence."""
    try:
        value = corpus.World(folder).value(call)
    except Exception as raised:
        return type(raised).__name__, corpus.on_one_line(str(raised), folder)
    raise AssertionError(f"{call} was not refused: it gave {value!r:.200}")


def ended(words: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """The exit status of a command, and what it says."""
    commands.prepare(folder, monkeypatch)
    status, said = commands.end(words)
    return status, corpus.on_one_line(said, folder)


def elsewhere(refusal: Callable[[str, Path, pytest.MonkeyPatch], tuple[str, str]]) -> Callable[[str], tuple[str, str]]:
    """The function, with a new folder for each call, which is the current one."""

    def inside(call: str) -> tuple[str, str]:
        with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as monkeypatch:
            monkeypatch.chdir(name)
            return refusal(call, Path(name), monkeypatch)

    return inside


if __name__ == "__main__":
    for table in corpus.CALLS:
        corpus.rewrite(
            Path(corpus.__file__).with_name(f"{table}.txt"), elsewhere(lambda call, folder, _: refused(call, folder))
        )
    corpus.rewrite(test_files.FILES, elsewhere(lambda attack, folder, _: test_files.refusal(attack, folder / "file")))
    corpus.rewrite(commands.COMMAND_LINE, elsewhere(ended))
