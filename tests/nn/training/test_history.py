"""Histories as files."""

import json

from glassgrad import nn
from glassgrad.nn.training.history import History
from tests.nn.training.helpers import HELD, net, train


def test_a_saved_history_loads(tmp_path):
    history = train(net(), validation=HELD)
    history.save(tmp_path / "h.json")
    assert nn.History.load(tmp_path / "h.json") == history
    assert json.loads((tmp_path / "h.json").read_text())["loss"] == history.loss


def test_printed_it_is_a_few_lines():
    history = train(net(), validation=HELD)
    lines = repr(history).splitlines()
    assert len(lines) == 6
    assert lines[0] == f"History of {history.epochs} epochs"
    assert lines[1] == f"  loss                 {history.loss[0]:.4g} to {history.loss[-1]:.4g}"
    assert lines[-1] == f"  {history.note}"
    assert repr(History()) == "History of 0 epochs"
