"""``python -m glassgrad.viz lesson`` writes the pages once, and opens them."""

import os
from pathlib import Path

import pytest

from glassgrad.viz.__main__ import main
from glassgrad.viz.lesson import command


@pytest.fixture
def written(monkeypatch, tmp_path):
    """The calls of `write`, which here writes one line a page."""
    calls = []

    def write(folder, progress, languages):
        calls.append(folder)
        (language,) = languages
        (folder / language).mkdir(parents=True)
        for name in command.stems():
            progress(name)
            (folder / language / f"{name}.html").write_text(language)
        return folder / language / "index.html"

    monkeypatch.setattr(command, "write", write)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(command.webbrowser, "open", lambda address: pytest.fail(f"opened {address}"))
    return calls


def test_the_lesson_is_written_once_and_its_path_printed(written, capsys):
    assert main(["lesson", "--no-open"]) == 0
    page = Path(capsys.readouterr().out.strip())
    assert page.name == f"{command.stems()[0]}.html"
    assert page.read_text() == "en"
    assert main(["lesson", "--no-open", "--language", "zh"]) == 0
    assert Path(capsys.readouterr().out.strip()).read_text() == "zh"
    assert main(["lesson", "--no-open"]) == 0
    assert capsys.readouterr().err == ""
    assert main(["lesson", "--no-open", "-o", "mine"]) == 0
    page = Path(capsys.readouterr().out.strip())
    assert (page, page.read_text()) == (Path("mine/en").resolve() / f"{command.stems()[0]}.html", "en")
    assert len(written) == 3


def test_it_is_opened_in_the_browser(written, monkeypatch, capsys):
    opened = []
    monkeypatch.setattr(command.webbrowser, "open", lambda address: opened.append(address) or len(opened) > 1)
    assert main(["lesson"]) == 0
    out, err = capsys.readouterr()
    assert opened == [Path(out.strip()).as_uri()]
    assert "No browser could be opened" in err
    assert main(["lesson"]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.skipif(os.name == "nt", reason="a file stands where the folder would be made")
def test_a_folder_that_cannot_be_written_is_refused_in_a_sentence(written, tmp_path, capsys):
    (tmp_path / "file").touch()
    assert main(["lesson", "--no-open", "-o", "file"]) == 2
    assert "can't be written: Not a directory" in capsys.readouterr().err
