"""Progress as text."""

import io
import re
import sys
from types import SimpleNamespace

import pytest

from tests.nn.training.helpers import HELD, LOSS, interrupting, net, train


def screen(text):
    """What a terminal shows in the end."""
    lines = []
    for line in text.split("\n"):
        shown = ""
        for part in line.split("\r"):
            shown = part + shown[len(part) :]
        lines.append(shown.rstrip())
    return lines[:-1]


def test_standard_output_may_be_an_object_that_can_only_write(monkeypatch):
    written = SimpleNamespace(write=(lines := []).append, flush=bool)
    monkeypatch.setattr(sys, "stdout", written)
    assert train(net(), progress=True).note in lines


def test_plain_lines_where_there_is_no_terminal_and_none_if_not_wanted(capsys):
    train(net())
    assert capsys.readouterr().out == ""
    history = train(net(), epochs=11, progress=True, validation=HELD)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 12
    number = r"\d+\.\d{4}"
    share = r" *\d+\.\d\d %"
    assert re.fullmatch(
        rf"epoch  1/11  loss {number}  accuracy {share}  validation:  loss {number}  accuracy {share}  \d\.\d s",
        lines[0],
    )
    assert lines[-1] == history.note
    assert not any("\r" in line or "\x1b" in line for line in lines)


@pytest.mark.parametrize(("columns", "epochs", "stopped"), [(70, 2, False), (30, 1, True)])
def test_a_live_line_on_a_terminal_is_cut_to_it_and_erased(monkeypatch, columns, epochs, stopped):
    times = iter(range(10_000))
    monkeypatch.setattr("glassgrad.nn.training.report.perf_counter", lambda: next(times))
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setattr(sys, "stdout", terminal := io.StringIO())
    monkeypatch.setattr(terminal, "isatty", lambda: True, raising=False)
    train(net(), epochs=epochs, progress=True, loss=interrupting(LOSS, 4) if stopped else LOSS)
    live = [part for part in terminal.getvalue().split("\r") if " %" in part and "\n" not in part]
    assert re.match(r"epoch 1/\d   25 %  loss \d\.\d{4}", live[0])
    assert {len(part) for part in live} == {columns - 1}
    shown = screen(terminal.getvalue())
    if stopped:
        assert shown == ["Interrupted after epoch 0: the weights are the latest."]
    else:
        assert [line.split("  ")[0] for line in shown[:2]] == ["epoch 1/2", "epoch 2/2"]
        assert shown[2:] == ["Ended after epoch 2: the weights are the latest."]
