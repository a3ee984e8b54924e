"""Progress as text."""

import io
import re

import pytest

from tests.nn.training.helpers import HELD, LOSS, interrupting, net, train


class Terminal(io.StringIO):
    def isatty(self):
        return True


def screen(text):
    """What a terminal shows in the end."""
    lines = []
    for line in text.split("\n"):
        shown = ""
        for part in line.split("\r"):
            shown = part + shown[len(part) :]
        lines.append(shown.rstrip())
    return lines[:-1]


def test_plain_lines_where_there_is_no_terminal(capsys):
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


@pytest.fixture
def terminal(monkeypatch):
    """A terminal 70 columns wide, by a clock that ticks when it is read."""
    times = iter(range(10_000))
    monkeypatch.setattr("glassgrad.nn.training.report.perf_counter", lambda: next(times))
    monkeypatch.setenv("COLUMNS", "70")
    return Terminal()


def test_a_live_line_on_a_terminal(terminal):
    train(net(), epochs=2, progress=terminal)
    live = [part for part in terminal.getvalue().split("\r") if "left" in part]
    assert re.search(r"epoch 1/2   25 %  loss \d\.\d{4}  accuracy .*  \d+\.\d s left", live[0])
    shown = screen(terminal.getvalue())
    assert [line.split("  ")[0] for line in shown[:2]] == ["epoch 1/2", "epoch 2/2"]
    assert shown[2:] == ["Ended after epoch 2: the weights are the latest."]


def test_a_narrow_terminal_shows_what_fits_and_an_interrupted_line_is_erased(terminal, monkeypatch):
    monkeypatch.setenv("COLUMNS", "30")
    train(net(), epochs=1, progress=terminal, loss=interrupting(LOSS, 4))
    live = [part for part in terminal.getvalue().split("\r") if "loss" in part]
    assert [len(part) for part in live] == [29] * 3
    assert screen(terminal.getvalue()) == ["Interrupted in the first epoch: the weights are the latest."]


def test_a_stream_needs_only_write():
    class Stream:
        text = ""

        def write(self, text):
            self.text += text

    stream = Stream()
    train(net(), progress=stream)
    assert stream.text.count("\n") == 4


def test_no_progress_is_silent(capsys):
    train(net())
    assert capsys.readouterr().out == ""


def test_durations():
    from glassgrad.nn.training.report import duration

    assert [duration(s) for s in (0.04, 59.94, 61, 3000, 7260)] == ["0.0 s", "59.9 s", "1 min", "50 min", "2 h 01 min"]
