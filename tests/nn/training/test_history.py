"""Histories as files."""

import json
from xml.etree import ElementTree

import pytest

from glassgrad import nn
from glassgrad.nn.errors import FileError
from glassgrad.nn.training.history import History
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


def test_printed_it_is_a_few_lines():
    history = train(net(), validation=HELD)
    lines = repr(history).splitlines()
    assert len(lines) == 6
    assert lines[0] == f"History of {history.epochs} epochs"
    assert lines[1] == f"  loss                 {history.loss[0]:.4g} to {history.loss[-1]:.4g}"
    assert lines[-1] == f"  {history.note}"
    assert repr(History()) == "History of 0 epochs"


def test_a_notebook_shows_curves_numbers_and_note():
    losses = [1 / (i + 1) for i in range(20)]
    history = History(loss=losses, accuracy=[0.5] * 20, validation_loss=[None, *losses[1:]], note="Ended <here>.")
    shown = ElementTree.fromstring(f"<div>{history._repr_html_()}</div>")
    image, table = shown.find("svg"), shown.find("table")
    assert image.get("aria-label") == "loss 1 to 0.05, validation loss (dashed) 0.5 to 0.05 over 20 epochs"
    solid, dashed = ([pair.split(",") for pair in line.get("points").split()] for line in image)
    assert solid[0] == ["0.0", "0.0"]
    assert solid[-1] == dashed[-1] == ["400.0", "120.0"]
    assert len(dashed) == 19
    lines = [[cell.text for cell in line] for line in table.iter("tr")]
    assert lines[0] == ["epoch", "loss", "accuracy", "validation loss"]
    assert lines[1] == ["1", "1", "0.5", None]
    assert lines[6] == ["..."]
    assert lines[-1] == ["20", "0.05", "0.5", "0.05"]
    assert len(lines) == 12
    assert shown.findall("p")[-1].text == "Ended <here>."
    assert History()._repr_html_() == ""
    assert "nan" not in History(loss=[float("nan")])._curves()
