"""What is typed by mistake: exit status 2, one sentence on stderr, and no file where there was none."""

from __future__ import annotations

import pytest

from tests.bad_input.commands import COMMAND_LINE, end, files, prepare
from tests.bad_input.corpus import agree, on_one_line, rows

CASES = rows(COMMAND_LINE)


@pytest.mark.parametrize(("words", "status", "says"), [pytest.param(*case, id=case[0]) for case in CASES])
@pytest.mark.filterwarnings("error")
def test_bad_options_are_refused_in_one_sentence(words, status, says, tmp_path, monkeypatch):
    prepare(tmp_path, monkeypatch)
    before = files(tmp_path)
    ended, said = end(words)
    assert ended == status == "exit 2", said
    agree(on_one_line(said, tmp_path), says)
    assert said.startswith(f"python -m glassgrad.{words.split()[0]}")
    assert "Traceback" not in said
    assert len(said.splitlines()) <= 4, "a sentence, and at most the place in an expression"
    assert files(tmp_path) == before
