"""Histories as files."""

import json
import sys
from xml.etree import ElementTree

import pytest

import nn
from nn.errors import FileError
from nn.training.history import History
from tests.nn.training.helpers import HELD, net, train


def test_a_saved_history_loads(tmp_path):
    history = train(net(), validation=HELD)
    history.save(tmp_path / "h.json")
    assert nn.History.load(tmp_path / "h.json") == history
    assert json.loads((tmp_path / "h.json").read_text())["loss"] == history.loss


@pytest.mark.parametrize("text", ["", "3", "{}", '{"loss": []}', "[" * 100_000, "\xff"])
def test_other_files_are_refused(text, tmp_path):
    path = tmp_path / "h.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(FileError, match=r"h.json is not a training history: .*Give a file that History.save wrote"):
        nn.History.load(path)


def test_a_notebook_shows_the_curves_and_the_note(monkeypatch):
    pytest.importorskip("matplotlib")
    history = History(loss=[1.0, 0.5, 0.4], accuracy=[None] * 3, lr=[0.1] * 3, seconds=[1.0] * 3, note="Ended <here>.")
    shown = history._repr_html_()
    assert shown.count("<svg") == 1
    assert 'aria-label="Learning curves: loss over 3 epochs' in shown
    assert shown.endswith("<p>Ended &lt;here&gt;.</p>")
    assert History()._repr_html_() == ""


def test_without_matplotlib_a_notebook_shows_a_table(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    history = History(loss=[1 / (i + 1) for i in range(20)], accuracy=[0.5] * 20)
    table = ElementTree.fromstring(history._repr_html_())
    lines = [[cell.text for cell in line] for line in table.iter("tr")]
    assert lines[0] == ["epoch", "loss", "accuracy"]
    assert lines[1] == ["1", "1", "0.5"]
    assert lines[6] == ["..."]
    assert lines[-1] == ["20", "0.05", "0.5"]
    assert len(lines) == 12
